"""A template: test a claim of the theory on a model of your own. Copy it, and change the functions under `Your part`.

Claim      State it before you run. Here: training B after A harms A mainly at second order (C7), and the harm sits in a
           few directions of A's Hessian, chosen without looking at B's update (C8).
Control    Here: random subspaces of as many directions, and shrinking B's update by the same norm.
Band       Here: second order is the larger part, and both together are within a factor 2 of the damage; the top
           directions undo at least three times what shrinking does.
Outcome    Printed, met or not; with the model below the last band is not met, which is an outcome too. One model is one
           observation: repeat it over seeds before you believe it.

The analyses take any torch module, any loss of it and two checkpoints as flat vectors:

    checkpoints.read_checkpoints, as_vector       safetensors files to vectors, or a clear error
    curvature.gradient, Hessian, top_eigenpairs   of any loss; it may yield chunks that sum to it
    analysis.damage.decompose_damage              actual damage, first and second order, the exact form
    analysis.conflict.measure                     the conflict subspace against controls
    analysis.rollback.measure                     putting coordinates back, against controls
    analysis.edits.measure                        sparsity by threshold and format, overlap of neurons

`toymdrl.explain_update` does all of it for a sequence of domains, resumes, and writes a page; experiments/own_llama/
uses it on a Llama that TRL trained. Here you see what it is made of.

A Hugging Face model needs attn_implementation="eager" (fused attention has no second derivative) and model.eval().

    pip install -e '.[test]' && python experiments/own_model.py
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from toymdrl.analysis import conflict, damage
from toymdrl.checkpoints.whole import as_vector, read_checkpoints
from toymdrl.curvature import Hessian, Loss, residuals, top_eigenpairs
from toymdrl.parameters import at_parameters
from toymdrl.streams import stream

DIRECTIONS = 8

# Your part: a model, a loss for each domain on prompts to fit to and on others to score on, and two checkpoints.


def model() -> nn.Module:
    """A small Llama with random weights."""
    torch.manual_seed(0)  # transformers draws its weights from the global generator
    config = LlamaConfig(
        vocab_size=32,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=16,
        attn_implementation="eager",  # type: ignore[call-arg]  # not declared, but taken
    )
    return LlamaForCausalLM(config).eval()


def texts(domain: str, split: str) -> Tensor:
    """Sequences (32, 12) of a noisy counting task: domain A counts up, domain B down."""
    generator = stream(domain, split)
    step = 1 if domain == "A" else -1
    first = torch.randint(0, 32, (32, 1), generator=generator)
    noise = torch.randint(0, 3, (32, 12), generator=generator)
    return (first + step * torch.arange(12) + noise) % 32


def loss_of(tokens: Tensor) -> Loss:
    """Mean cross-entropy of the next token, in nats."""
    return lambda module: module(input_ids=tokens, labels=tokens).loss


def train(module: nn.Module, loss: Loss, steps: int) -> None:
    """Adam on one domain: stands for your own training."""
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        value = loss(module)
        assert isinstance(value, Tensor)
        value.backward()
        optimiser.step()


def save_two_checkpoints(folder: Path) -> tuple[Path, Path]:
    """Train on A, save; train on B, save."""
    module, paths = model(), (folder / "after-A.safetensors", folder / "after-B.safetensors")
    for path, domain, steps in zip(paths, ("A", "B"), (60, 10), strict=True):
        train(module, loss_of(texts(domain, "train")), steps)
        save_file({name: weight.detach().clone() for name, weight in module.named_parameters()}, path)
    return paths


# The claim, its control, its band and its outcome.


def examine(
    module: nn.Module, before: Path, after: Path, fit: Loss, unseen: Loss, halves: tuple[Loss, Loss]
) -> dict[str, float]:
    """What the band needs.

    Args:
        module: any module whose parameters the files hold.
        before: safetensors file after training on A.
        after: safetensors file after training on B too.
        fit: A's loss on the prompts that the subspace is chosen on.
        unseen: A's loss on others.
        halves: A's loss on two halves of the prompts of `fit`: is the subspace more than those prompts?
    """
    start, end = (as_vector(module, tensors) for tensors in read_checkpoints([before, after]))
    delta = end - start
    (pair,) = damage.decompose_damage(module, unseen, start, {"B": delta}, earlier="A")
    with at_parameters(module, start):
        hessian = Hessian(module, fit)
        pairs = top_eigenpairs(hessian, 2 * DIRECTIONS)
        errors = residuals(hessian, pairs)
        quadratic = float(delta @ (hessian @ delta)) / 2
        one, two = (top_eigenpairs(Hessian(module, half), DIRECTIONS).vectors for half in halves)
    found = conflict.measure(
        module,
        unseen,
        start,
        delta,
        pairs=pairs,
        residuals=errors,
        quadratic=quadratic,
        halves=(one, two),
        others={},
        generator=stream("own model", "random subspaces"),
        earlier="A",
        later="B",
    )
    return {
        "damage": pair.actual,
        "first": pair.first,
        "second": pair.second,
        "closure": pair.closure,
        "top": found.recovered("top", DIRECTIONS),
        "shrink": found.recovered("shrink", DIRECTIONS),
        "random": found.recovered("random", DIRECTIONS),
        "overlap": found.halves_overlap,
    }


def main() -> None:
    """Examine the example and judge it."""
    with TemporaryDirectory() as folder:
        before, after = save_two_checkpoints(Path(folder))
        fit, unseen = (loss_of(texts("A", split)) for split in ("train", "eval"))
        one, two = texts("A", "train").chunk(2)
        m = examine(model(), before, after, fit, unseen, (loss_of(one), loss_of(two)))
    predicted = m["first"] + m["second"]
    harmed = m["damage"] > 0
    second = harmed and m["second"] > abs(m["first"])
    within, local = harmed and 0.5 <= predicted / m["damage"] <= 2, harmed and m["top"] >= 3 * m["shrink"]
    print(f"damage {m['damage']:+.3f} nats: first order {m['first']:+.3f}, second order {m['second']:+.3f}")
    print(f"{DIRECTIONS} directions undo {m['top']:.0%}, shrinking {m['shrink']:.0%}, random {m['random']:.0%}")
    print(f"subspaces of two halves of the prompts overlap by {m['overlap']:.2f}")
    print(f"second order larger: {'met' if second else 'not met'}")
    print(f"prediction within a factor 2: {'met' if within else 'not met'}")
    print(f"localised: {'met' if local else 'not met'}")


if __name__ == "__main__":
    main()
