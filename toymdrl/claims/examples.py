"""What the model answers, checkpoint by checkpoint, to a prompt of the harmed domain and of those trained after it.

No claim of the paper: what a point of a score is, to look at. The prompts are chosen by a rule, not by hand.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from toymdrl.analysis.examples import Example, Examples, Said, first_to_tip, most_probable
from toymdrl.claims.base import Topic
from toymdrl.claims.subject import Subject
from toymdrl.domains import DOMAINS, Problems, graded_candidates, problems
from toymdrl.domains.vocab import EOS, decode
from toymdrl.parameters import at_parameters
from toymdrl.policy.forest import chain
from toymdrl.runs.plan import BASE, Checkpoint

LATER = 2
"""Domains trained after the harmed one of which an example is shown."""
ROWS = 4096
"""Prefixes that are looked at together: it bounds the memory."""


@dataclass(frozen=True)
class Answered:
    """A checkpoint's most probable answers."""

    texts: list[str]
    probabilities: Tensor
    rewards: Tensor
    """(problems,) each."""


def measure(subject: Subject) -> Examples:
    """The analysis of a run. Of the harmed domain, the first unseen prompt that is right after its own stage, wrong at
    the end, right after the refresh; of a later domain, the first that its own stage turns from wrong to right.
    """
    head = subject.headline
    stages = [Checkpoint("stage", domain) for domain in subject.order]
    shown = [BASE, *stages, head.refreshed]
    found = [_example(subject, head.domain, {head.own: True, head.end: False, head.refreshed: True}, shown)]
    for domain in head.later[:LATER]:
        own = subject.order.index(domain)
        found.append(_example(subject, domain, {stages[own - 1]: False, stages[own]: True}, shown))
    return Examples(tuple(found))


def _example(subject: Subject, domain: str, pattern: dict[Checkpoint, bool], shown: list[Checkpoint]) -> Example:
    """The first unseen prompt that is answered rightly and wrongly at checkpoints as the pattern says."""
    these = problems(DOMAINS[domain], "eval")
    right = [_answered(subject, place, these).rewards == 1 for place in pattern]
    chosen, alike = first_to_tip(right, list(pattern.values()))
    one = these.subset(slice(chosen, chosen + 1))
    said = []
    for place in shown:
        answered = _answered(subject, place, one)
        said.append(Said(place.name, answered.texts[0], float(answered.probabilities), float(answered.rewards)))
    return Example(domain, decode(one.prompts[0]), _only_right(one), alike, len(these), tuple(said))


def _answered(subject: Subject, place: Checkpoint, these: Problems) -> Answered:
    policy, domain = subject.policy, these.domain

    def next_token(tokens: Tensor) -> Tensor:
        last = tokens.shape[1] - 1
        layout = chain(last + 1).to(policy.head.weight)
        return torch.cat([policy(some, layout, first=last)[:, 0].log_softmax(dim=-1) for some in tokens.split(ROWS)])

    with at_parameters(policy, subject.vectors[place]):
        prompts = these.prompts.to(policy.head.weight.device)
        answers, probabilities = most_probable(next_token, prompts, domain.answer_length, EOS)
    answers = answers.cpu()
    return Answered([decode(each) for each in answers], probabilities.cpu(), domain.reward(these.facts, answers))


def _only_right(one: Problems) -> str | None:
    """The answer of full reward, if there is but one."""
    answers, rewards = graded_candidates(one)
    full = (rewards[0] == 1).nonzero().flatten()
    return decode(answers[0, int(full)]) if len(full) == 1 else None


TOPIC = Topic("examples", Examples, measure, 30, (), lambda outcome: [], None)
