"""Chapter 0: is it repair or just more training, and what would any step back have done?"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from toymdrl.course.exercises.base import Exercise, number, tensor
from toymdrl.course.start import after, refresh, scores
from toymdrl.policy.exact import exact_score
from toymdrl.policy.scores import scoreboard


def further() -> float:
    """Points that three Re-Math steps win where nothing has been harmed yet."""
    start = after("math")
    return scores(refresh(start, "math"))["math"] - scores(start)["math"]


@cache
def _wins(start: str) -> tuple[float, float]:
    """Math's score at a checkpoint, and what three Re-Math steps add to it."""
    policy, objective = after(start), scoreboard()["math"]
    before = exact_score(policy, objective)
    return before, exact_score(refresh(policy, "math"), objective) - before


def _further(answer: float) -> None:
    before, true = _wins("math")
    assert abs(answer) < 50, (
        f"{answer:.1f} is a score; wanted is the difference that three steps make: after them less before them"
    )
    assert abs(answer - _wins("cw")[1]) > 0.05, (
        "that is the repair itself. The control must start where nothing is broken: right after Math's own stage"
    )
    assert abs(100 * answer - true) > 0.05 or abs(answer - true) < 0.005, "in points, please, not as a share"
    assert abs(answer + true) > 0.005, "the sign: what is won is positive, what is lost is negative"
    assert abs(answer - true) < 0.005, (
        f'three steps of Math\'s refresh from after("math"), which scores {before:.1f}, change Math by {true:+.2f} '
        f"points, not by {answer:+.2f}: same domain, same number of steps, another start"
    )


def shrunk(start: Tensor, end: Tensor, repaired: Tensor) -> Tensor:
    """The parameters on the straight way from `end` back to `start`
    that are as far from `end` as `repaired` is."""
    back, distance = start - end, (repaired - end).norm()
    if distance >= back.norm():
        return start
    return end + back * (distance / back.norm())


def _shrunk(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    generator = torch.Generator().manual_seed(0)
    for length in (0.1, 0.7):
        start, end, aside = torch.randn(3, 40, generator=generator, dtype=torch.float64)
        repaired = end + aside / aside.norm() * length
        got = answer(start, end, repaired)
        assert got.shape == end.shape, "the answer is a vector of parameters like `end`"
        back = (start - end) / (start - end).norm()
        assert not torch.allclose(got, back * length), "that is the step; the answer is where it leads: end + step"
        assert not torch.allclose(got, start - back * length), "count the distance from `end`, not from `start`"
        moved = got - end
        assert float((moved - (moved @ back) * back).norm()) < 1e-9, (
            "that is not on the straight way from `end` to `start`: the whole *update* is shrunk, not the weights"
        )
        assert float(moved @ back) > 0, "the step leads away from `start`: back is start - end"
        assert abs(float(moved.norm()) - length) < 1e-9, (
            f"`repaired` lies {length} from `end`, your point {float(moved.norm()):.3f}: take lengths, not squares or "
            "shares"
        )
    start, end = torch.zeros(3), torch.tensor([1.0, 0.0, 0.0])
    assert torch.equal(answer(start, end, end + 5), start), (
        "a repair that moves further than the whole update: nothing is left to shrink, so stop at `start`"
    )
    assert torch.equal(answer(end, end, end), end), "no update, no repair: the answer is `end`, not 0/0"


EXERCISES = (
    Exercise(
        "0.1",
        further,
        _further,
        (
            "The claim is: three steps undo damage. Where would the same three steps find no damage to undo?",
            'Right after Math\'s own stage: `after("math")` loads that checkpoint of the same run.',
            '`refresh(start, "math")` is the policy after three steps. What is wanted is Math\'s score there, less '
            "Math's score at `start`.",
        ),
        gives=number,
        value=True,
    ),
    Exercise(
        "0.2",
        shrunk,
        _shrunk,
        (
            "The step back is a multiple of `start - end`. Of which length must it be?",
            "A vector has length 1 once it is divided by its `.norm()`; then multiply by the distance of `repaired` "
            "from `end`.",
            "Two cases are left: the repair may have moved further than `start` is away, and `start` may be `end`. "
            "One `if` serves both: return `start` where the distance is at least `back.norm()`.",
        ),
        gives=tensor,
    ),
)
