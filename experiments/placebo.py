"""How much of the harm is about the later domain at all? Train it on rewards that say nothing, as far as it went.

Claim      None of the paper's: the question is how much of C1 any update of the same size would do.
Measured   From Math's checkpoint, one stage of B (QA, CW): what it costs Math, in points of exact expected reward of
           unseen prompts. Placebo: the same stage with every batch's rewards shuffled over its answers, so that they
           have the same distribution and teach nothing; its update is stretched to the length of the true one.
           (The arm whose rewards are shuffled within each prompt's answers alone, so that prompts on which all answers
           earn the same give no signal, as in the true stage, was added after the first had been seen.)
Control    A Gaussian direction of that length; the true update with its coordinates shuffled within each tensor.
Seeds      10 to 19.
Band       RULES, on the mean over both B.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from toymdrl.domains import DOMAINS, problems
from toymdrl.evidence import Row, Rule, interval, of_each_seed, rule_table
from toymdrl.parameters import at_parameters, flatten, read_parameters, unflatten
from toymdrl.policy.model import Policy, copy_policy
from toymdrl.policy.scores import evaluate
from toymdrl.runs.plan import Checkpoint
from toymdrl.streams import stream
from toymdrl.study.questions import Setting
from toymdrl.study.stage import config_of, run_of, seeds_of, train
from toymdrl.training.grpo import GRPO, GRPOConfig
from toymdrl.training.objective import Learner, Parts
from toymdrl.training.stage import Alone, Training

TITLE = "Placebo: harm by updates that learn nothing"
PLACE = 4
SECONDS = 15.0
LATER = ("qa", "cw")
ARMS = {
    "true": "the stage itself",
    "placebo": "shuffled rewards, stretched",
    "placebo as it is": "shuffled rewards, as far as they went",
    "within": "shuffled within each prompt's answers, stretched",
    "gaussian": "a Gaussian direction",
    "shuffled": "the update, coordinates shuffled",
}
RULES = [
    Rule("placebo", "points that the true stages cost Math", "true", above=0).against("placebo", "the placebo"),
    Rule("placebo", "the placebo's harm over the true one's", "share", above=-1, below=0.5),
]
READING = """The surprise of this page. A stage on shuffled rewards learns nothing, and stretched to the same length it
harms Math as much as the true stage, whether rewards are shuffled over the batch or within each prompt's answers. A
random direction, or the true update's own coordinates shuffled, does not. So the harm is not in the content of QA's
rewards. A likely reason, not tested here: gradients of QA's answers, whichever sign the rewards give them, lie partly
where Math's loss is sharp. Second-order harm has no sign (T12): it fits the theory, though not the word interference.
What is learnt does decide how far a stage goes: unstretched, the blind ones went less far and harmed less."""


def settings(preset: str, seeds: range) -> list[Setting]:
    """One a seed and later domain."""
    return [each for later in LATER for each in seeds_of(preset, seeds, later=later)]


class ShuffledInBatch(GRPO):
    """GRPO whose rewards are shuffled over each batch's answers."""

    def draw(self, generator: torch.Generator) -> Parts:
        """And a random order of the batch's answers, (answers,)."""
        rows, levels = super().draw(generator)
        return rows, levels, torch.randperm(levels[..., 0].numel(), generator=generator)

    def play(self, learner: Learner, *drawn: Tensor) -> Parts:
        """With other rewards and advantages."""
        prompts, answers, mask, logprobs, rewards, _, *reference = super().play(learner, *drawn[:2])
        shuffled = self.shuffled(rewards, drawn[2])
        return prompts, answers, mask, logprobs, shuffled, self.signal(shuffled), *reference

    def shuffled(self, rewards: Tensor, order: Tensor) -> Tensor:
        """The rewards in another order, (prompts, group)."""
        return rewards.flatten()[order].view_as(rewards)


class ShuffledWithinGroups(ShuffledInBatch):
    """GRPO whose rewards are shuffled within each prompt's answers."""

    def draw(self, generator: torch.Generator) -> Parts:
        """And a random order of each prompt's answers, (prompts, group)."""
        rows, levels = GRPO.draw(self, generator)
        return rows, levels, torch.rand(levels.shape[:2], generator=generator).argsort(dim=1)

    def shuffled(self, rewards: Tensor, order: Tensor) -> Tensor:
        """The rewards in another order, (prompts, group)."""
        return rewards.gather(1, order)


def _blind(start: Policy, domain: str, config: GRPOConfig, seed: int, objective: type[GRPO], *purpose: str) -> Policy:
    """The domain's stage on shuffled rewards."""
    policy = copy_policy(start).requires_grad_(True)
    return Training(
        policy,
        objective(problems(DOMAINS[domain], "train"), config, Alone(policy)),
        stream(seed, domain, "placebo", *purpose),
    ).finish()


def measure(setting: Setting, out: Path) -> Row:
    """Math's loss of points by the stage and by every placebo, and the lengths of the updates."""
    run, config, later = run_of(setting, out), config_of(setting), setting["later"]
    math = run.load_policy(Checkpoint("stage", "math"))
    start, level = read_parameters(math), evaluate(math)["math"]
    delta = read_parameters(train(math, later, config.grpo, setting, "stage")) - start
    seed = setting["seed"]
    blind = read_parameters(_blind(math, later, config.grpo, seed, ShuffledInBatch)) - start
    inside = read_parameters(_blind(math, later, config.grpo, seed, ShuffledWithinGroups, "within")) - start
    generator = stream(setting["seed"], later, "placebo controls")
    drawn = torch.randn(delta.shape, generator=generator)
    pieces = [piece.flatten() for piece in unflatten(delta, list(math.parameters()))]
    mixed = flatten([piece[torch.randperm(len(piece), generator=generator)] for piece in pieces])

    def harm(update: Tensor) -> float:
        with at_parameters(math, start + update):
            return level - evaluate(math)["math"]

    return {
        "true": harm(delta),
        "placebo": harm(blind * (delta.norm() / blind.norm())),
        "placebo as it is": harm(blind),
        "within": harm(inside * (delta.norm() / inside.norm())),
        "within_length": float(inside.norm()),
        "gaussian": harm(drawn * (delta.norm() / drawn.norm())),
        "shuffled": harm(mixed),
        "length": float(delta.norm()),
        "placebo_length": float(blind.norm()),
    }


def numbers(rows: Sequence[Row]) -> list[Row]:
    """Each seed's numbers, means over the later domains."""
    found: list[Row] = []
    for own in of_each_seed(rows):
        found.append({key: float(np.mean([row[key] for row in own])) for key in own[0] if key != "setting"})
        found[-1]["share"] = found[-1]["placebo"] / found[-1]["true"]
    return found


def page(rows: Sequence[Row]) -> list[str]:
    """The rules, and every arm by later domain."""
    lines = [*rule_table(RULES, numbers(rows)), ""]
    lines += [f"| points that Math loses to | {' | '.join(DOMAINS[key].title for key in LATER)} |", "|---|---:|---:|"]
    for arm, words in ARMS.items():
        cells = [str(interval([row[arm] for row in rows if row["setting"]["later"] == key])) for key in LATER]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return lines
