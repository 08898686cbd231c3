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
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from experiments.evidence import Row, Rule, interval, of_each_seed, rule_table
from experiments.stage import Setting, config_of, run_of, seeds_of, train
from toymdrl.domains import DOMAINS, problems
from toymdrl.parameters import at, flatten, read, unflatten
from toymdrl.policy.model import Policy
from toymdrl.policy.rollout import choose, sample
from toymdrl.runs.pipeline import evaluate, load_policy
from toymdrl.streams import stream
from toymdrl.training import grpo
from toymdrl.training.grpo import GRPOConfig
from toymdrl.training.stage import Training, copy_policy

TITLE = "Placebo: harm by updates that learn nothing"
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


def _shuffled_rewards(start: Policy, domain: str, config: GRPOConfig, seed: int, *, within: bool) -> Policy:
    """The domain's stage, rewards shuffled over each batch's answers, or within each prompt's."""
    policy, reference = copy_policy(start).requires_grad_(True), copy_policy(start)
    generator, prompts = stream(seed, domain, "placebo", *["within"] * within), problems(DOMAINS[domain], "train")

    def work(optimiser: torch.optim.Optimizer, generator: torch.Generator) -> dict[str, float]:
        rollout = sample(policy, prompts.subset(choose(prompts, config.prompts, generator)), config.group, generator)
        if within:
            order = torch.rand(rollout.rewards.shape, generator=generator).argsort(dim=1)
            shuffled = rollout.rewards.gather(1, order)
        else:
            places = torch.randperm(rollout.rewards.numel(), generator=generator)
            shuffled = rollout.rewards.flatten()[places].view_as(rollout.rewards)
        blind = replace(rollout, rewards=shuffled)
        for _ in range(config.updates):
            metrics = grpo.update(policy, optimiser, blind, config, reference)
        return {"loss": metrics.loss}

    return Training(policy, work, lambda step: grpo.learning_rate(config, step), config.steps, generator).finish()


def measure(setting: Setting, out: Path) -> Row:
    """Math's loss of points by the stage and by every placebo, and the lengths of the updates."""
    run, config, later = run_of(setting, out), config_of(setting), setting["later"]
    math = load_policy(run, "math")
    start, level = read(math), evaluate(math)["math"]
    delta = read(train(math, later, config.grpo, setting, "stage")) - start
    blind, inside = (
        read(_shuffled_rewards(math, later, config.grpo, setting["seed"], within=within)) - start
        for within in (False, True)
    )
    generator = stream(setting["seed"], later, "placebo controls")
    drawn = torch.randn(delta.shape, generator=generator)
    pieces = [piece.flatten() for piece in unflatten(delta, list(math.parameters()))]
    mixed = flatten([piece[torch.randperm(len(piece), generator=generator)] for piece in pieces])

    def harm(update: Tensor) -> float:
        with at(math, start + update):
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
