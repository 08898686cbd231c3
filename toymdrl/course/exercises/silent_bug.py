"""Chapter 12: tests that no broken version passes, and an expected update by enumeration."""

from collections.abc import Callable
from functools import partial
from itertools import product

import torch
from torch import Tensor

from toymdrl.course.exercises.base import Exercise, tensor
from toymdrl.streams import stream

Signal = Callable[[Tensor], Tensor]
"""Advantages (prompts, group) of rewards (prompts, group)."""


def healthy(advantages: Signal) -> bool:
    """Whether `advantages`, a function of rewards (prompts, group),
    has the five properties."""
    rewards = torch.rand(6, 4, generator=stream("test"))
    rewards[0] = 0.5  # a flat group
    found = advantages(rewards)
    raised = advantages(rewards + torch.arange(6.0).unsqueeze(1))
    turned = advantages(rewards.flip(0).roll(1, dims=1))
    alike = partial(torch.allclose, atol=1e-4)
    return (
        alike(found[0], torch.zeros(4))
        and alike(found.sum(dim=1), torch.zeros(6))
        and alike(raised, found)
        and alike(turned, found.flip(0).roll(1, dims=1))
        and torch.equal(found[1:].argmax(dim=1), rewards[1:].argmax(dim=1))
    )


def _less_mean(rewards: Tensor) -> Tensor:
    return rewards - rewards.mean(dim=1, keepdim=True)


def _less_mean_of_others(rewards: Tensor) -> Tensor:
    group = rewards.shape[1]
    return _less_mean(rewards) * group / (group - 1)


def _scored(rewards: Tensor) -> Tensor:
    return _less_mean(rewards) / (rewards.std(dim=1, keepdim=True) + 1e-4)


def _all_but_the_best_in_order(rewards: Tensor) -> Tensor:
    found = _less_mean(rewards)
    best = torch.zeros_like(found).scatter(1, found.argmax(dim=1, keepdim=True), 1.0) == 1
    others = found[~best].view(len(found), -1).sort(dim=1).values
    found[~best] = others.flatten()
    return found


def _by_place(rewards: Tensor) -> Tensor:
    return _less_mean(rewards) * torch.arange(1.0, len(rewards) + 1).unsqueeze(1)


def _to_other_prompts(rewards: Tensor) -> Tensor:
    prompts, group = rewards.shape
    return _less_mean(rewards).view(group, prompts).T


_SOUND: dict[str, Signal] = {
    "version 2": _less_mean,
    "RLOO's, the mean of the other answers subtracted": _less_mean_of_others,
    "the z-score with a small number under the line": _scored,
}
# Each of the first five breaks one property alone.
_BROKEN: dict[str, Signal] = {
    "one that divides by the group's standard deviation and by nothing else": lambda rewards: (
        _less_mean(rewards) / rewards.std(dim=1, keepdim=True)
    ),
    "one that subtracts the group's median": lambda rewards: rewards - rewards.median(dim=1, keepdim=True).values,
    "one that multiplies by the group's mean reward": lambda rewards: (
        _less_mean(rewards) * rewards.mean(dim=1, keepdim=True)
    ),
    "one that weighs prompts by their place in the batch": _by_place,
    "one with the wrong sign": lambda rewards: -_less_mean(rewards),
    "one that hands all but the best answer's advantages out in order of size": _all_but_the_best_in_order,
    "version 1": lambda rewards: _less_mean(rewards).clamp(min=0),
    "version 3": lambda rewards: _less_mean(rewards).abs(),
    "version 4": _to_other_prompts,
    "one without any baseline": lambda rewards: rewards,
    "one with the mean over prompts": lambda rewards: rewards - rewards.mean(dim=0, keepdim=True),
    "one with the mean of the whole batch": lambda rewards: rewards - rewards.mean(),
    "one that shifts every group by one answer": lambda rewards: _less_mean(rewards).roll(1, 1),
    "one that shifts the batch by one prompt": lambda rewards: _less_mean(rewards).roll(1, 0),
}


def _healthy(answer: Callable[[Signal], bool]) -> None:
    for name, sound in _SOUND.items():
        try:
            found = answer(sound)
        except AssertionError:  # the reader's tests may be asserts
            found = False
        assert found is not None, "`healthy` gives no True and no False: is a `return` missing?"
        assert found, (
            f"your tests refuse {name}, which has all five properties. Compare with a tolerance, and ask for the "
            "properties, not for one formula"
        )
    for name, broken in _BROKEN.items():
        assert not _accepted(answer, broken), (
            f"your tests accept {name}. Which of the five properties does it violate? Test that one too"
        )


def _accepted(answer: Callable[[Signal], bool], broken: Signal) -> bool:
    """Whether a version passes the tests; one that makes them crash does not."""
    try:
        return bool(answer(broken))
    except Exception:
        return False


def right() -> str:
    """Two tokens and the end marker, each of probability 1/2, are
    an answer of probability 1/8: that is the exponential of ..."""
    return "c"


def _right(answer: str) -> None:
    assert answer in ("a", "b", "c"), 'set right to "a", "b" or "c"'
    assert answer != "a", (
        "try it on two answers of equal probability, one of a single token and one of three: what does it make of them?"
    )
    assert answer != "b", (
        "try it on two answers that differ in the end marker's probability alone: can training ever teach to stop?"
    )


def expected_update(signal: Signal, logits: Tensor, rewards: Tensor, group: int) -> Tensor:
    """Expected policy gradient (answers,) by the logits (answers,) of a
    policy that answers one prompt, with each answer's reward (answers,)."""
    chances = logits.softmax(dim=0)
    total = torch.zeros_like(logits)
    for drawn in product(range(len(logits)), repeat=group):
        answers = torch.tensor(drawn)
        advantages = signal(rewards[answers].unsqueeze(0))[0]
        slopes = torch.eye(len(logits))[answers] - chances  # of each log-probability
        update = (advantages.unsqueeze(1) * slopes).mean(dim=0)
        total += chances[answers].prod() * update
    return total


def _expected_update(answer: Callable[..., Tensor]) -> None:
    rewards = torch.tensor([0.0, 0.5, 0.75, 1.0])
    logits = torch.tensor([0.3, 1.0, -0.2, -1.5])
    chances = logits.softmax(dim=0)
    exact = chances * (rewards - chances @ rewards)
    plain = answer(lambda rewards: rewards, logits, rewards, 2)
    assert plain.shape == logits.shape, f"one slope a logit: shape (answers,), not {tuple(plain.shape)}"
    assert not _near(plain, 2 * exact), "the *mean* over the answers of a group, not their sum"
    assert not _near(plain, -exact), "the gradient of expected reward, uphill; not of a loss"
    assert _near(plain, exact), (
        "with the plain rewards as advantages it must be the exact gradient, p (r - mean reward). Weigh each group by "
        "its probability, draw answers independently (the same one may come twice), and mind that the slope of "
        "log p(a) by the logits is one-hot(a) - p"
    )
    for size in (2, 3):
        own = answer(_less_mean, logits, rewards, size)
        assert _near(own, exact * (size - 1) / size), (
            f"with the group's mean subtracted and groups of {size} it is {(size - 1) / size:.2f} times the exact "
            "gradient, as in Exercise 3.3: apply `signal` to the rewards of each drawn group, as a batch of one prompt"
        )
    other, others = torch.tensor([1.0, 0.0, -1.0]), torch.tensor([0.2, 0.9, 1.0])
    clamped = _BROKEN["version 1"]
    assert _near(answer(clamped, other, others, 3), expected_update(clamped, other, others, 3)), (
        "for version 1 yours differs from the enumeration: nothing may depend on advantages that sum to zero"
    )


def _near(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one.float(), other, atol=1e-5)


def healthy_run() -> str:
    """A loss of 0 is what GRPO's ratio gives on policy; the reward
    rises, and there is signal left."""
    return "a"


def _healthy_run(answer: str) -> None:
    assert answer in ("a", "b", "c"), 'set healthy_run to "a", "b" or "c"'
    assert answer != "b", "how many of its groups still say which answer is better?"
    assert answer != "c", "what is left of its gradient once the norm is clipped to 1, and what has the reward done?"


EXERCISES = (
    Exercise(
        "12.1",
        healthy,
        _healthy,
        (
            "One batch of random rewards goes a long way: more prompts than answers, and one group made flat.",
            "For the constant: `advantages(rewards + shift)` with another shift for each prompt must be what it was.",
            "For the order: exchange prompts *and* answers, before in one case and behind in the other.",
            "Compare with `torch.allclose(…, atol=1e-4)`; it is false where something is not a number.",
        ),
    ),
    Exercise(
        "12.2",
        right,
        _right,
        (
            "The probability of an answer is the product of its tokens' probabilities, and of that of stopping there.",
            "Take two tokens and the end marker, each of probability 1/2, and padding behind: 1/8. Which version's "
            "exponential is that?",
        ),
        value=True,
    ),
    Exercise(
        "12.3",
        expected_update,
        _expected_update,
        (
            "`itertools.product(range(len(logits)), repeat=group)` runs through all groups that can be drawn.",
            "A group's probability is the product of its answers' probabilities, `logits.softmax(0)[answers].prod()`.",
            "The slope of the log-probability of answer a by the logits: 1 at a, less all probabilities. "
            "`torch.eye(n)[answers] - chances` is one row an answer.",
            "`signal` wants a batch: `signal(rewards[answers].unsqueeze(0))[0]`. Multiply by the slopes, take the mean "
            "over the group, weigh by the group's probability, add up.",
        ),
        gives=tensor,
    ),
    Exercise(
        "12.4",
        healthy_run,
        _healthy_run,
        (
            "A flat group has no advantages. Which run has hardly any other?",
            "The gradient is clipped to a norm of 1. What happens to one of norm 310?",
        ),
        value=True,
    ),
)
