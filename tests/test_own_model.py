"""The analyses on someone else's model: a randomly initialised Hugging Face Llama and two safetensors files."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from experiments import own_model
from toymdrl.analysis import edits
from toymdrl.checkpoints.shards import CheckpointError
from toymdrl.checkpoints.whole import as_vector, read_checkpoints
from toymdrl.curvature import CurvatureError, Hessian, gradient
from toymdrl.neurons import neuron_coordinates
from toymdrl.parameters import read_parameters


def test_the_template_runs_as_it_stands(tmp_path: Path) -> None:
    before, after = own_model.save_two_checkpoints(tmp_path)
    module = own_model.model()
    fit, unseen = (own_model.loss_of(own_model.texts("A", split)) for split in ("train", "eval"))
    one, two = map(own_model.loss_of, own_model.texts("A", "train").chunk(2))
    found = own_model.examine(module, before, after, fit, unseen, (one, two))
    assert found["closure"] == pytest.approx(0, abs=0.02 * abs(found["damage"]) + 1e-4)
    assert found["top"] > found["random"]
    assert 0.05 < found["overlap"] < 1

    start, end = (as_vector(module, tensors) for tensors in read_checkpoints([before, after]))
    ids = neuron_coordinates({name: weight.shape for name, weight in module.named_parameters()})
    assert ids.shape == (2 * 64, 3 * 32)
    compared = edits.measure(start, {"B": end, "again": end}, ids)
    assert compared.mean_jaccard == 1


def test_fused_attention_is_refused_with_what_to_do() -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=16,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        attn_implementation="sdpa",  # type: ignore[call-arg]  # not declared, but taken
    )
    module = LlamaForCausalLM(config).eval()
    loss = own_model.loss_of(torch.randint(0, 16, (2, 8)))
    assert torch.isfinite(gradient(module, loss)).all()
    with pytest.raises(CurvatureError, match='attn_implementation="eager"'):
        Hessian(module, loss) @ torch.ones_like(read_parameters(module))


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    before, _ = own_model.save_two_checkpoints(tmp_path)
    (tensors,) = read_checkpoints([before])
    with pytest.raises(CheckpointError, match="give one of this model"):
        as_vector(torch.nn.Linear(2, 2), tensors)
