"""What a domain is: five small functions over a table of problems.

A problem is one row of integers, its *facts*: what the prompt shows and, for Code, what it hides. Everything else is a
function of facts, vectorised over rows. All prompts of a domain have one length and all answers at most one length,
so no prompt of a batch of one domain is ever padded.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from toymdrl.streams import stream

Split = Literal["demo", "train", "eval"]
SPLITS: tuple[str, ...] = get_args(Split)


class Domain(Protocol):
    """A synthetic task with a checkable answer. `rows` below is any number of problems."""

    key: str
    """Short lower-case name, used on the command line and in files."""
    title: str
    """Name for people, as in the paper."""
    prompt_length: int
    answer_length: int
    """Most tokens in an answer; an answer ends at EOS or here."""
    held_out: int
    """Problems in the train split, and again in the eval split; the rest are for demonstrations."""

    def __hash__(self) -> int:
        """Any object's: a domain is a key of the cache of problems."""

    def population(self, generator: torch.Generator) -> Tensor:
        """Every problem of the domain, no two with the same prompt: facts (problems, facts)."""

    def render(self, facts: Tensor) -> Tensor:
        """The prompts' tokens: (rows, facts) to (rows, prompt_length)."""

    def demonstrate(self, facts: Tensor, generator: torch.Generator) -> Tensor:
        """One answer a row by an imperfect demonstrator, EOS then PAD where short: (rows, answer_length)."""

    def reward(self, facts: Tensor, answers: Tensor) -> Tensor:
        """Reward in [0, 1] of one answer a row: facts (rows, facts), answers (rows, answer_length) to (rows,).

        Tokens after the first EOS are not looked at. A GPU records the operations once and replays them: make new
        tensors on the answers' device, and let no value decide what is computed (no `if`, no boolean index, no `item`).
        """

    def candidates(self, facts: Tensor) -> Tensor:
        """Answers among which are all that can earn anything: (rows or 1, candidates, answer_length).

        One row if the list is the same for every problem. An answer shorter than answer_length ends in EOS, then PAD.
        """


@dataclass(frozen=True, eq=False)
class Problems:
    """The problems of one domain and split."""

    domain: Domain
    split: Split
    facts: Tensor
    """(problems, facts)"""
    prompts: Tensor
    """(problems, prompt_length)"""

    def __len__(self) -> int:
        return len(self.facts)

    def subset(self, rows: Tensor | slice) -> "Problems":
        """The named rows as problems of their own."""
        return Problems(self.domain, self.split, self.facts[rows], self.prompts[rows])

    def to(self, device: torch.device) -> "Problems":
        """The same problems on a device."""
        return Problems(self.domain, self.split, self.facts.to(device), self.prompts.to(device))


@cache
def problems(domain: Domain, split: Split) -> Problems:
    """A split of a domain's population.

    The population and its random, disjoint splits are the same for every run seed, as the items of a benchmark are.
    Train is for RL, eval only for scores, demo only for the warm start.

    Raises:
        ValueError: an unknown split.

    Example:
        >>> from toymdrl import problems
        >>> from toymdrl.domains import DOMAINS
        >>> from toymdrl.domains.vocab import decode
        >>> these = problems(DOMAINS["math"], "eval")
        >>> len(these), decode(these.prompts[0])
        (1024, 'M12+76=')
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    facts = domain.population(stream(domain.key, "population"))
    facts = facts[torch.randperm(len(facts), generator=stream(domain.key, "splits"))]
    held = domain.held_out
    rows = {"train": slice(held), "eval": slice(held, 2 * held), "demo": slice(2 * held, None)}[split]
    return Problems(domain, split, facts[rows], domain.render(facts[rows]))


def graded_candidates(these: Problems) -> tuple[Tensor, Tensor]:
    """Candidate answers (problems or 1, candidates, answer_length) and their rewards (problems, candidates)."""
    answers = these.domain.candidates(these.facts)
    rows, count, length = len(these), answers.shape[1], answers.shape[2]
    facts = these.facts.unsqueeze(1).expand(rows, count, -1).reshape(rows * count, -1)
    flat = answers.expand(rows, count, length).reshape(rows * count, length)
    return answers, these.domain.reward(facts, flat).view(rows, count)
