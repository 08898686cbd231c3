"""LoRA adapters: peft trains and merges them, and the audit must see the same without merging."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import peft
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from toymdrl.checkpoints.audit import audit_checkpoints
from toymdrl.checkpoints.edit import STORED
from toymdrl.checkpoints.rollback import roll_back
from toymdrl.checkpoints.shards import CheckpointError
from toymdrl.checkpoints.whole import as_vector, read_checkpoints
from toymdrl.parameters import read_parameters, write_parameters
from toymdrl.streams import stream


def llama() -> nn.Module:
    config = transformers.LlamaConfig(
        vocab_size=16,
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=0,
        eos_token_id=1,
    )
    return drawn(transformers.LlamaForCausalLM(config))


def gpt2() -> nn.Module:
    """Its layers keep their weights the other way round."""
    return drawn(
        transformers.GPT2LMHeadModel(
            transformers.GPT2Config(vocab_size=16, n_embd=8, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=1)
        )
    )


def drawn(model: nn.Module) -> nn.Module:
    write_parameters(model, torch.randn(read_parameters(model).shape, generator=stream("adapters", "base")))
    return model


TARGETS: dict[Callable[[], nn.Module], list[list[str]]] = {
    llama: [["q_proj"], ["gate_proj", "up_proj", "down_proj"], ["embed_tokens", "v_proj"]],
    gpt2: [["c_attn"], ["c_fc", "c_proj"], ["wte", "c_attn"]],
}


def trained(base: nn.Module, folder: Path, **how: object) -> nn.Module:
    """An adapter as peft saves it, its numbers drawn anew; what peft merges it to."""
    config = peft.LoraConfig(r=2, **how)  # type: ignore[arg-type]
    model = peft.get_peft_model(copy.deepcopy(base), config)
    generator = stream("adapters", folder.name)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.copy_(0.1 * torch.randn(weight.shape, generator=generator))
    model.save_pretrained(str(folder))
    merged = model.merge_and_unload()
    assert isinstance(merged, nn.Module)
    return merged.requires_grad_(True)


def saved(model: nn.Module, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    folder.mkdir()
    weights = {name: weight.detach().to(dtype).contiguous() for name, weight in model.named_parameters()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@given(
    build=st.sampled_from([llama, gpt2]),
    kind=st.integers(0, 2),
    alpha=st.integers(1, 32),
    rslora=st.booleans(),
    whole=st.booleans(),
    pattern=st.booleans(),
)
@settings(max_examples=20)
def test_an_adapter_is_what_peft_makes_of_it(
    build: Callable[[], nn.Module],
    kind: int,
    alpha: int,
    rslora: bool,
    whole: bool,
    pattern: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    here, base, targets = tmp_path_factory.mktemp("adapters"), build(), TARGETS[build][kind]
    how: dict[str, object] = {
        "target_modules": targets,
        "lora_alpha": alpha,
        "use_rslora": rslora,
        "modules_to_save": ["ln_f" if build is gpt2 else "norm"] if whole else None,
        "alpha_pattern": {targets[0]: 3 * alpha} if pattern else {},
    }
    # A tied head that is merged with its embedding would no longer be tied: peft warns, and is right.
    first = saved(base, here / "base")
    made = {name: trained(base, here / name, **how) for name in ("a", "b")}
    vectors = {name: _values(base, model) for name, model in made.items()}
    start = read_parameters(base)
    read = read_checkpoints([first, here / "a", here / "b"])
    for tensors, name in zip(read[1:], made, strict=True):
        torch.testing.assert_close(as_vector(base, tensors), vectors[name], rtol=1e-5, atol=1e-6)
    found = audit_checkpoints(first, {name: here / name for name in made})
    one, two = ((vectors[name] - start).double() for name in made)
    edit = found.edits["a"][""]
    assert edit.squared == pytest.approx(float(one.square().sum()), rel=1e-4)
    assert edit.unchanged[STORED] == pytest.approx(float((one == 0).double().mean()), abs=2e-3)
    cosine = float(one @ two / (one.norm() * two.norm()))
    assert found.pairs["a", "b"][""].cosine == pytest.approx(cosine, abs=1e-4)


def _values(base: nn.Module, merged: nn.Module) -> Tensor:
    """The merged model's weights in the order of its base."""
    tensors = dict(merged.named_parameters(remove_duplicate=False))
    return as_vector(base, {name: tensors[name].detach() for name, _ in base.named_parameters()})


def test_factors_of_another_rotation_make_the_same_update(tmp_path: Path) -> None:
    base = llama()
    saved(base, tmp_path / "base")
    trained(base, tmp_path / "a", target_modules=["q_proj"])
    trained(base, tmp_path / "b", target_modules=["q_proj"])
    weights = load_file(tmp_path / "a" / "adapter_model.safetensors")
    turned = {name: each.flip(0 if "lora_A" in name else 1).contiguous() for name, each in weights.items()}
    save_file(turned, tmp_path / "b" / "adapter_model.safetensors")
    found = audit_checkpoints(tmp_path / "base", {name: tmp_path / name for name in "ab"})
    assert found.pairs["a", "b"][""].cosine == pytest.approx(1)
    assert any("LoRA adapter" in note for note in found.notes)


def test_a_coarser_base_does_not_round_the_update(tmp_path: Path) -> None:
    base = llama()
    write_parameters(base, read_parameters(base).bfloat16().float())
    saved(base, tmp_path / "base", torch.bfloat16)
    merged = trained(base, tmp_path / "a", target_modules=["q_proj"])
    found = audit_checkpoints(tmp_path / "base", {"a": tmp_path / "a"})
    update = (_values(base, merged) - read_parameters(base)).double()
    assert found.edits["a"][""].squared == pytest.approx(float(update.square().sum()), rel=1e-4)
    assert not any("stored as" in note for note in found.notes)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"use_dora": True}, "was trained with use_dora"),
        ({"init_lora_weights": "pissa"}, "began as 'pissa', which changes the base too"),
        ({"peft_type": "IA3"}, "of type IA3, not LORA"),
        ({"lora_alpha": "much"}, "cannot be read as an adapter's settings"),
        ({"alpha_pattern": {"(": 1}}, "cannot be read as an adapter's settings"),
    ],
)
def test_what_is_no_plain_update_is_refused(settings: dict[str, object], problem: str, tmp_path: Path) -> None:
    base = llama()
    saved(base, tmp_path / "base")
    trained(base, tmp_path / "a", target_modules=["q_proj"])
    file = tmp_path / "a" / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    with pytest.raises(CheckpointError, match=problem) as raised:
        audit_checkpoints(tmp_path / "base", {"a": tmp_path / "a"})
    assert "merge_and_unload" in str(raised.value)


def test_an_adapter_without_its_base_is_refused(tmp_path: Path) -> None:
    base, other = llama(), gpt2()
    saved(base, tmp_path / "base")
    saved(other, tmp_path / "other")
    trained(base, tmp_path / "a", target_modules=["q_proj"])
    with pytest.raises(CheckpointError, match="give the base that it was made of first"):
        read_checkpoints([tmp_path / "a"])
    with pytest.raises(CheckpointError, match="which the base has not"):
        audit_checkpoints(tmp_path / "other", {"a": tmp_path / "a"})
    save_file({"model.norm.weight": torch.tensor([0])}, tmp_path / "set.safetensors")
    with pytest.raises(CheckpointError, match="merge it first"):
        roll_back(tmp_path / "base", tmp_path / "a", tmp_path / "set.safetensors", tmp_path / "new")
    assert not (tmp_path / "new").exists()
