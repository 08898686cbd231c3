"""Chapter 3: advantages, the loss whose gradient is the policy gradient, a group's own mean, and the clipped ratio."""

from collections.abc import Callable

import torch
from torch import Tensor

from toymdrl.course.exercises.base import Exercise, number, tensor


def advantages(rewards: Tensor) -> Tensor:
    """Rewards (prompts, group) to advantages (prompts, group)."""
    return rewards - rewards.mean(dim=1, keepdim=True)


def _advantages(answer: Callable[[Tensor], Tensor]) -> None:
    rewards = torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0], [0.5, 0.0, 0.0, 0.0]])
    got = answer(rewards).float()
    assert got.shape == rewards.shape, "one advantage for every answer: keep the shape (prompts, group)"
    assert not torch.allclose(got, rewards - rewards.mean()), "that is the mean of the whole batch, not of each group"
    assert bool((got[1] == 0).all()), (
        "a group in which all earn the same says nothing about which answer is better: its advantages are 0. "
        "Did you average over prompts (dim=0)?"
    )
    assert torch.allclose(got.sum(dim=1), torch.zeros(3), atol=1e-6), "the advantages of a group sum to zero"
    assert float(got[0, 0]) > 0, "the sign: an answer better than its group has a positive advantage"
    assert torch.allclose(got[0], torch.tensor([0.5, -0.5, -0.5, 0.5])), "reward minus mean, and nothing else"


def policy_loss(logprobs: Tensor, mask: Tensor, advantages: Tensor) -> Tensor:
    """Loss from logprobs and mask (prompts, group, length)
    and advantages (prompts, group)."""
    answer_logprobs = (logprobs * mask).sum(dim=-1)
    return -(advantages * answer_logprobs).mean()


def _rollout() -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities and mask (3, 4, 5), advantages (3, 4)."""
    generator = torch.Generator().manual_seed(0)
    logprobs = -torch.rand(3, 4, 5, generator=generator)
    mask = (torch.arange(5) < torch.randint(1, 6, (3, 4, 1), generator=generator)).float()
    return logprobs, mask, torch.randn(3, 4, generator=generator)


def _policy_loss(answer: Callable[..., Tensor]) -> None:
    logprobs, mask, signal = _rollout()
    loss = _kept(answer, logprobs.clone().requires_grad_(True), mask, signal)
    got, true = loss.item(), float(policy_loss(logprobs, mask, signal))
    assert loss.requires_grad, "the graph was cut: the loss is to be differentiated, so no detach() or item()"
    assert abs(got + true) > 1e-6, "the sign: a loss is minimised, so good answers must lower it"
    inner = (logprobs * mask).sum(dim=-1)
    by_answer = -float((signal * inner / mask.sum(dim=-1)).mean())
    assert abs(got - by_answer) > 1e-6, (
        "you averaged over an answer's tokens. Then a long wrong answer is punished less per token than a short one, "
        "and the result is no policy gradient any more: sum over tokens"
    )
    by_token = -float((signal * inner).sum() / mask.sum())
    assert abs(got - by_token) > 1e-6, (
        "you divided by the number of tokens in the batch, as the losses called BNPO and DAPO do: close, but its "
        "scale changes with the answers' lengths. Divide by the number of answers"
    )
    unmasked = -float((signal * logprobs.sum(dim=-1)).mean())
    assert abs(got - unmasked) > 1e-6, "padding is not part of the answer: multiply by the mask"
    assert abs(got - 12 * true) > 1e-4, "that is the sum over answers; take their mean"
    assert abs(got - true) < 1e-5, f"expected {true:.4f} here, got {got:.4f}: sum over tokens, mean over all answers"


def length(group: int) -> float:
    """Length of the expected gradient over that of the exact one,
    for groups of `group` answers."""
    return 1 - 1 / group


def _length(answer: Callable[[int], float]) -> None:
    assert answer(1) == 0, "an only answer is its own mean: its advantage is 0, and nothing is learnt"
    assert abs(answer(2) - 1 / 2) < 1e-9, (
        "with two answers, half of each reward is subtracted from itself: a reward's share in its own group's mean "
        "is 1/G"
    )
    assert abs(answer(8) - 7 / 8) < 1e-9, f"for 8 answers you have {answer(8):.3f}; the page above measured about 0.87"
    assert abs(answer(64) - 63 / 64) < 1e-9, "large groups lose little"


ONE = torch.ones(1, 1)
"""The advantage of a single answer."""


def clipped_loss(logprobs: Tensor, old: Tensor, mask: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """The pessimistic, clipped loss from logprobs, old and mask
    (prompts, group, length) and advantages (prompts, group)."""
    ratio = (logprobs - old).exp()
    signal = advantages.unsqueeze(-1)
    gain = torch.minimum(ratio * signal, ratio.clamp(1 - clip, 1 + clip) * signal)
    return -(gain * mask).sum(dim=-1).mean()


def _clipped_loss(answer: Callable[..., Tensor]) -> None:
    old, mask, signal = _rollout()

    def slope(moved: float, sign: float) -> float:
        """Gradient by the log-probability of an answer's only token whose ratio is exp(moved)."""
        logprob = torch.tensor([[[-1.0 + moved]]], requires_grad=True)
        loss = _kept(answer, logprob, torch.tensor([[[-1.0]]]), torch.ones(1, 1, 1), torch.tensor([[sign]]), 0.2)
        return float(torch.autograd.grad(loss, logprob)[0].sum())

    unmoved = _kept(answer, torch.full((1, 1, 1), -1.0), torch.full((1, 1, 1), -1.0), torch.ones(1, 1, 1), ONE, 0.2)
    assert abs(unmoved.item() + 1) < 1e-5, (
        "where nothing has moved every ratio is 1, and one answer of advantage 1 has the loss -1; the ratio is "
        "exp(logprobs - old)"
    )
    assert abs(slope(0.0, 1.0) + 1) < 1e-5, "where nothing has moved, the gradient is the policy gradient's: -advantage"
    assert slope(0.5, -1.0) > 1, (
        "a bad answer that has become MORE probable must still be pushed down: the smaller of the clipped and the "
        "unclipped gain counts (torch.minimum of the gains, not of the ratios)"
    )
    assert slope(0.5, 1.0) == 0, "a good answer that is already 1.65 times as probable: clipped, no gradient is left"
    assert slope(-0.5, -1.0) == 0, "a bad answer that is already less probable by half: clipped, no gradient is left"
    assert slope(-0.5, 1.0) < -0.5, "a good answer that has become less probable must still be pushed up"
    generator = torch.Generator().manual_seed(1)
    now = old + 0.4 * torch.randn(old.shape, generator=generator)
    got = _kept(answer, now, old, mask, signal, 0.2).item()
    true = float(clipped_loss(now, old, mask, signal, 0.2))
    assert abs(got - float(clipped_loss(now, old, torch.ones_like(mask), signal, 0.2))) > 1e-6, "mask the padding"
    whole = ((now - old) * mask).sum(dim=-1).exp()
    by_answer = -float(torch.minimum(whole * signal, whole.clamp(0.8, 1.2) * signal).mean())
    assert abs(got - by_answer) > 1e-5, "one ratio for every token, not one for the whole answer"
    assert abs(got - true) < 1e-5, f"expected {true:.4f} here, got {got:.4f}: sum over tokens, mean over answers"


def _kept(answer: Callable[..., Tensor], *inputs: object) -> Tensor:
    """A loss with its graph."""
    loss = answer(*inputs)
    assert isinstance(loss, Tensor), "return a tensor, not a plain number: it is to be differentiated"
    assert loss.ndim == 0, f"a loss is one number, not of shape {tuple(loss.shape)}: sum over tokens, mean over answers"
    return loss


EXERCISES = (
    Exercise(
        "3.1",
        advantages,
        _advantages,
        (
            "A group is a row: the mean of each row is `rewards.mean(dim=1)`.",
            "That has shape (prompts,). To subtract it from every answer of its row it must be (prompts, 1): "
            "`keepdim=True`.",
        ),
        gives=tensor,
    ),
    Exercise(
        "3.2",
        policy_loss,
        _policy_loss,
        (
            "The log-probability of a whole answer is the sum over its tokens, padding left out.",
            "`(logprobs * mask).sum(dim=-1)` has shape (prompts, group), as the advantages have.",
            "Multiply by the advantages, take the mean over everything, and turn the sign: it is to be minimised.",
        ),
    ),
    Exercise(
        "3.3",
        length,
        _length,
        (
            "Write the advantage of answer i as r_i less the mean. How much of r_i itself is in that mean?",
            "The other G - 1 rewards in the mean do not depend on answer i: they are a baseline, and change no mean.",
            "So on average only r_i - r_i / G is left of the reward.",
        ),
        gives=number,
    ),
    Exercise(
        "3.4",
        clipped_loss,
        _clipped_loss,
        (
            "The ratio of new to old probability is `(logprobs - old).exp()`, token by token; an advantage belongs to "
            "all tokens of its answer: `advantages.unsqueeze(-1)`.",
            "There are two gains, ratio times advantage and clamped ratio times advantage. Which one counts if the "
            "advantage is negative?",
            "Always the smaller gain: `torch.minimum(ratio * signal, ratio.clamp(1 - clip, 1 + clip) * signal)`. Then "
            "mask, sum over tokens, mean over answers, and the sign.",
        ),
    ),
)
