"""What does GRPO on one task of a Llama, trained by TRL, do to another task, and does the paper's account of it hold?

Claim      GRPO on words harms sums, at second order (C7), in a few directions of sums' own Hessian (C8); putting 1 % of
           the coordinates back repairs some of it (C11).
Control    As many random directions and coordinates; shrinking the whole update by the same norm.
Seeds      10 to 19; tasks, rates and numbers of steps were chosen on seeds 0 to 2.
Band       See RULES, fixed before these seeds were run.

    pip install -e '.[bench]' && python -m experiments.own_llama.explain --out tiny    # one seed
    python -m experiments.own_llama.explain --out tiny --seeds 10                      # ten, and OWN_LLAMA.md

One seed writes a page, tiny/seed-10/why/report.html, and the same command goes on where it was interrupted.
"""

import json
import subprocess
import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from experiments.own_llama.train import TASKS, Split, Task, answers, loss, prompts, sampled_logprobs, token_logprobs
from toymdrl import DomainLosses, explain_update, read_checkpoints
from toymdrl.analysis.rollback import CURVATURE, RANDOM, SHRINK
from toymdrl.curvature import Loss
from toymdrl.evidence import Row, Rule, rule_table
from toymdrl.files import write_atomically
from toymdrl.report.update import Update

FIRST_SEED, DIRECTIONS, BUDGET = 10, 16, 0.01
PAGE = Path(__file__).parents[1] / "OWN_LLAMA.md"
ROWS = Path(__file__).with_name("rows.json")
RULES = (
    Rule("harm", "points that sums loses to words", "damage", above=2),
    Rule("C7", "second order less first order's size, in points", "beyond_first", above=0),
    Rule("C7", "first and second order over the damage", "ratio", above=0.5, below=2),
    Rule("C8", f"damage undone off {DIRECTIONS} directions", "top", above=0.3).against("top_shrink", "shrinking"),
    Rule("C8", f"damage undone off {DIRECTIONS} random directions", "top_random", below=0.02),
    Rule("C11", "damage undone by putting 1 % back", "back", above=0.25).against("back_shrink", "shrinking"),
    Rule("C11", "damage undone by putting a random 1 % back", "back_random", below=0.05),
)


@dataclass(frozen=True)
class _Half:
    """One half of a task's training prompts, as a loss."""

    asked: Tensor
    right: Tensor

    def __call__(self, module: nn.Module) -> Tensor:
        return -100 * token_logprobs(module, self.asked, self.right).sum(dim=1).exp().mean()


def halves(task: Task, split: Split) -> tuple[Loss, Loss]:
    """Minus the expected reward on each half of the prompts."""
    both = zip(prompts(task, split).chunk(2), answers(task, split).chunk(2), strict=True)
    one, two = (_Half(asked, right) for asked, right in both)
    return one, two


def explain(folder: Path, *, quiet: bool = False) -> Update:
    """What GRPO on words did to sums, of the models in a folder that `train` wrote; the page goes to its why/."""
    # Fused attention has no second derivative: eager it must be.
    module = LlamaForCausalLM.from_pretrained(folder / "start", attn_implementation="eager").eval()
    after: dict[str, Tensor | dict[str, Tensor]] = {}
    losses: dict[str, DomainLosses] = {}
    for task, tensors in zip(TASKS, read_checkpoints([folder / task for task in TASKS]), strict=True):
        after[task] = tensors
    for task in TASKS:
        losses[task] = DomainLosses(halves(task, "train"), loss(task, "eval"), sampled_logprobs(task, "train"))
    return explain_update(module, losses, after, folder / "why", directions=DIRECTIONS, quiet=quiet)


def numbers(found: Update) -> Row:
    """What the rules judge."""
    head, conflict, rollback = found.head, found.conflict, found.rollback
    return {
        "damage": head.actual,
        "beyond_first": head.second - abs(head.first),
        "ratio": head.predicted / head.actual,
        "top": conflict.recovered("top", DIRECTIONS),
        "top_shrink": conflict.recovered("shrink", DIRECTIONS),
        "top_random": conflict.recovered("random", DIRECTIONS),
        "back": rollback.recovered(CURVATURE, BUDGET),
        "back_shrink": rollback.recovered(SHRINK, BUDGET),
        "back_random": rollback.recovered(RANDOM, BUDGET),
        "gradients": found.gradients,
    }


def trained(folder: Path, seed: int) -> None:
    """Train unless the last model is there. In a process of its own: TRL leaves global settings behind."""
    if not (folder / TASKS[-1] / "model.safetensors").is_file():
        command = [sys.executable, "-m", "experiments.own_llama.train", "--out", str(folder), "--seed", str(seed)]
        subprocess.run(command, check=True)


def page(rows: list[Row]) -> str:
    """Every rule over the seeds."""
    seeds = [row["setting"]["seed"] for row in rows]
    model: dict[str, Any] = rows[0]["setting"]
    return "\n".join(
        [
            "# A Llama trained by TRL, explained",
            "",
            f"Written by `python -m experiments.own_llama.explain --out tiny --seeds {len(seeds)}`. A Llama of "
            f"{model['coordinates']:,} weights, trained with TRL's GRPOTrainer on sums and then on words "
            "([train.py](own_llama/train.py)); `explain_update` measured what words did to sums "
            f"([explain.py](own_llama/explain.py)), in {model['gradients']:,.0f} gradient evaluations for seed "
            f"{seeds[0]}. Seeds {seeds[0]} to {seeds[-1]}; bands were fixed before they were run.",
            "",
            *rule_table(RULES, rows),
            "",
        ]
    )


def main() -> None:
    """Train and explain a seed, or several and judge them."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for models and pages")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 10 on (default: 1)")
    given = parser.parse_args()
    transformers.logging.disable_progress_bar()
    rows: list[Row] = []
    for seed in range(FIRST_SEED, FIRST_SEED + given.seeds):
        folder = given.out / f"seed-{seed}"
        trained(folder, seed)
        found = explain(folder)
        row = numbers(found)
        setting = {"seed": seed, "coordinates": found.conflict.coordinates, "gradients": row["gradients"]}
        rows.append({"setting": setting} | row)
        print(f"seed {seed}: {folder / 'why' / 'report.html'}", flush=True)
    if len(rows) > 1:
        write_atomically(ROWS, json.dumps(rows, indent=1) + "\n")
        write_atomically(PAGE, page(rows))
        print(page(rows))


if __name__ == "__main__":
    main()
