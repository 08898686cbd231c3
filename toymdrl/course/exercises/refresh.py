"""Chapter 7: how fast an error shrinks, how a contraction breaks, how much to undo, and the refresh loop itself."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from toymdrl.course.exercises.base import Exercise, arrays, as_it_is, number
from toymdrl.course.start import after
from toymdrl.domains import DOMAINS, problems
from toymdrl.parameters import read_parameters
from toymdrl.policy.model import Policy, copy_policy
from toymdrl.policy.rollout import Rollout, answer_log_policy, sample
from toymdrl.streams import stream

Play = Callable[[Policy], Rollout]


def steps_until(left: float, h: float, alpha: float) -> float:
    """Number of gradient steps, not rounded."""
    return float(np.log(left) / np.log(1 - alpha * h))


def _steps_until(answer: Callable[..., float]) -> None:
    assert abs(answer(0.25, 1.0, 0.5) - 2) < 1e-6, (
        "with alpha h = 1/2 each step halves the error: a quarter is left after 2 steps"
    )
    for left, h, alpha in ((0.1, 2.0, 0.3), (0.5, 0.01, 0.5), (0.9, 7.0, 0.01), (1.0, 3.0, 0.1)):
        got, true = answer(left, h, alpha), steps_until(left, h, alpha)
        share = (1 - alpha * h) ** got
        assert abs(got - true) < 1e-6 * max(1, true), (
            f"for left = {left:g}, h = {h:g}, alpha = {alpha:g} you have {got:.3f} steps, after which the share "
            f"{share:.3f} is left; solve (1 - alpha h)^t = left for t"
        )


def broken(alpha: float, factor: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """H (2, 2) and e (2,), with H_11 = 1 and e_1 = 1, for which one step
    leaves `factor` times the error inside that the paper allows."""
    outside = (factor - 1) * (1 - alpha) / alpha
    return np.array([[1.0, -1.0], [-1.0, 2.0]]), np.array([1.0, outside])


def _broken(answer: Callable[..., tuple[NDArray[np.float64], ...]]) -> None:
    for alpha, factor in ((0.5, 2.0), (0.3, 10.0), (0.1, 1.5)):
        hessian, error = answer(alpha, factor)
        assert (hessian.shape, error.shape) == ((2, 2), (2,)), "return H, of shape (2, 2), and e, of shape (2,)"
        assert np.allclose(hessian, hessian.T), "H must be symmetric"
        assert hessian[0, 0] == 1, "H_11 is to be 1"
        assert np.linalg.eigvalsh(hessian).min() > 0, "H must be positive definite: det H > 0, so H_12² < H_22"
        assert error[0] == 1, "the error inside, e_1, is to be 1"
        assert hessian[0, 1] != 0, (
            "with H_12 = 0 nothing leaks from the second axis into the first, and the paper is right"
        )
        inside, allowed = abs((error - alpha * hessian @ error)[0]), 1 - alpha
        assert inside > allowed, (
            f"|P e| = {inside:.3f} is still within the paper's {allowed:.3f}: give e a large second component, of the "
            "sign with which the leak H_12 pushes the first one up"
        )
        assert abs(inside - factor * allowed) < 1e-6, (
            f"for alpha = {alpha:g} one step should leave {factor:g} x {allowed:g} = {factor * allowed:.3f} inside; it "
            f"leaves {inside:.3f}. Solve 1 - alpha (1 + H_12 e_2) = factor (1 - alpha) for e_2"
        )


def best_share(h_a: float, h_b: float) -> float:
    """Share of the drift to undo so that A and B together are best off."""
    return h_a / (h_a + h_b)


def _best_share(answer: Callable[..., float]) -> None:
    assert abs(answer(1.0, 0.0) - 1) < 1e-6, "if B does not care, undo everything"
    assert abs(answer(2.0, 2.0) - 0.5) < 1e-6, "if both care alike, meet half way"
    assert abs(answer(1.0, 3.0) - 0.75) > 1e-6, "the other way round: the more B cares, the less is undone"
    shares = np.linspace(0, 1, 100_001)
    for h_a, h_b in ((1.0, 3.0), (5.0, 2.0), (0.1, 0.7)):
        best = shares[np.argmax(h_a * (2 * shares - shares**2) - h_b * shares**2)]
        got = answer(h_a, h_b)
        assert abs(got - best) < 1e-4, f"for curvatures {h_a:g} and {h_b:g} the maximum is at {best:.2f}, not {got:.2f}"


def re_math(start: Policy, play: Play, steps: int, rate: float) -> Policy:
    """A copy of `start` after `steps` steps of torch's Adam on what
    play(policy) returns: a fresh rollout of that policy."""
    policy = copy_policy(start).requires_grad_(True)
    optimiser = torch.optim.Adam(policy.parameters(), lr=rate)
    for _ in range(steps):
        rollout = play(policy)
        rewards = rollout.rewards
        signal = rewards - rewards.mean(dim=1, keepdim=True)
        table = answer_log_policy(policy, rollout.prompts, rollout.answers)
        tokens = table.gather(-1, rollout.answers.unsqueeze(-1)).squeeze(-1)
        answers = (tokens * rollout.mask).sum(dim=-1)
        loss = -(signal * answers).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return policy


def _re_math(answer: Callable[..., Policy]) -> None:
    start = after("cw")
    before = read_parameters(start)
    these = problems(DOMAINS["math"], "train").subset(slice(24))
    places: list[torch.Tensor] = []
    flat = 2
    """The rollout in which all answers earn the same: nothing is to be learnt from it, what Adam remembers apart."""

    def play(policy: Policy) -> Rollout:
        assert isinstance(policy, Policy), "play(policy) takes the policy that is being trained"
        places.append(read_parameters(policy))
        rollout = sample(policy, these, 4, stream(len(places), "re-math"))
        if len(places) == flat:
            rollout.rewards.fill_(1.0)
        return rollout

    got = answer(start, play, 3, 1e-3)
    assert torch.equal(read_parameters(start), before), "you trained `start` itself: take copy_policy(start) first"
    assert isinstance(got, Policy), f"return the trained policy, not {type(got).__name__}"
    assert len(places) == 3, f"play was called {len(places)} times for 3 steps: one fresh rollout for every step"
    assert torch.equal(places[0], before), "the first rollout is the start's own"
    assert not torch.equal(places[1], before), (
        "after the first step the rollout is still that of `start`: either nothing is learnt (is requires_grad set, "
        "and the optimiser's step taken?) or play gets the wrong policy"
    )
    moved = places[1] - places[0]
    longest = float(moved.abs().max())
    assert 5e-4 < longest < 1.5e-3, (
        f"Adam's first step moves a weight by about the rate, 0.001, here by {longest:.1g}: torch.optim.Adam with "
        "lr=rate, made once, before the loop"
    )
    played = list(places)
    places.clear()
    wanted = re_math(start, play, 3, 1e-3)
    uphill = float(moved @ (places[1] - places[0]))
    assert uphill > 0, "the sign: this walks away from reward. Optimisers minimise, so the loss is minus the mean"
    same = [_alike(one, two) for one, two in zip(played, places, strict=True)]
    assert same[1], (
        "the first step is not the one of advantage (reward less its group's mean) times the answer's log-probability, "
        "summed over tokens that the mask keeps and averaged over all answers"
    )
    assert same[2], (
        "the first step is right, the second is not: gradients add up unless zero_grad() is called in every step, and "
        "the optimiser is made once, before the loop"
    )
    assert _alike(read_parameters(got), read_parameters(wanted)), (
        "the last step is missing or differs: is the policy returned after it?"
    )


def _alike(one: torch.Tensor, two: torch.Tensor) -> bool:
    """Whether two policies are the same but for rounding, which Adam can turn into a step of another sign."""
    return float((one - two).abs().gt(1e-5).float().mean()) < 0.01


EXERCISES = (
    Exercise(
        "7.1",
        steps_until,
        _steps_until,
        (
            "After t steps the share (1 - alpha h)^t is left.",
            "Take logarithms of (1 - alpha h)^t = left.",
        ),
        gives=number,
    ),
    Exercise(
        "7.2",
        broken,
        _broken,
        (
            "Without a leak, H_12 = 0, the first component becomes 1 - alpha, as the paper says.",
            "With one it becomes 1 - alpha (1 + H_12 e_2): choose H_12 < 0 and e_2 > 0.",
            "Any H_12 with H_12² < H_22 will do; then solve for e_2. Nothing forbids it to be large.",
        ),
        gives=arrays,
    ),
    Exercise(
        "7.3",
        best_share,
        _best_share,
        (
            "The derivative by s is h_A (2 - 2 s) - 2 h_B s, up to a factor.",
            "Where is it 0?",
        ),
        gives=number,
    ),
    Exercise(
        "7.4",
        re_math,
        _re_math,
        (
            "You have written it all in chapter 3. Copy the policy, make torch.optim.Adam(policy.parameters(), "
            "lr=rate), and then, `steps` times: play, advantages, loss, zero_grad, backward, step.",
            "answer_log_policy(policy, rollout.prompts, rollout.answers) has shape (prompts, group, length, "
            "vocabulary); gather the tokens that were sampled: .gather(-1, rollout.answers.unsqueeze(-1)).squeeze(-1).",
            "Times rollout.mask, summed over the last axis, is the log-probability of each answer; times the "
            "advantage, the mean over all answers, with a minus, is the loss.",
            "play(policy) must get the policy being trained, in every step anew.",
        ),
        gives=as_it_is,
    ),
)
