"""A picture's title says what its data say, also where a reader's own data say something else."""

import numpy as np
import pytest

from toymdrl.course import pictures
from toymdrl.style import COLOURS


def test_a_stage_that_harms_nobody_is_not_said_to() -> None:
    before = dict.fromkeys(COLOURS, 50.0)
    harmed = pictures.stage((0, 1), [before, before | {"qa": 60.0, "math": 40.0}])
    spared = pictures.stage((0, 1), [before, before | {"qa": 60.0, "math": 51.0}])
    assert "QA climbs, Math falls with it" in repr(harmed)
    assert "QA moves by +10.0 points, Math by +1.0" in repr(spared)


def test_the_domain_that_loses_most_is_named() -> None:
    gained = dict.fromkeys(COLOURS, 20.0)
    lost = {(row, column): 1.0 for row in COLOURS for column in COLOURS if row != column}
    for column in ("math", "qa", "code"):
        lost["cw", column] = 9.0
    drawn = repr(pictures.matrix(lost, gained))
    assert "CW loses most points" in drawn
    assert "Of its gain, CW most" in drawn
    assert "Math loses most points" not in drawn


def test_a_placebo_that_harms_less_is_said_to() -> None:
    arms = {"true": [9.0, 11.0], "placebo": [1.0, 3.0]}
    assert "Rewards that say nothing cost 2.0 points, true ones 10.0" in repr(pictures.blind(arms))


def test_a_walk_that_is_downhill_on_one_side_is_said_to_be() -> None:
    drawn = repr(pictures.walk((-1, 0, 1), (-5.0, 0.0, 5.0)))
    assert "Not uphill both ways" in drawn


def test_shrinking_may_overtake_the_sharpest_directions_again() -> None:
    level, less, more = [0.5, 0.5], [0.1, 0.2], [0.8, 0.9]

    def drawn(*sharpest: list[float]) -> str:
        shares = {"sharpest": sharpest, "shrinking": [level] * 3, "random": [less] * 3}
        return repr(pictures.undone((1, 2, 4), shares))

    assert "The sharpest directions do more than shrinking from 2 on" in drawn(less, more, more)
    assert "The sharpest directions do more than shrinking from 4 on" in drawn(more, less, more)
    assert "With 4 directions, shrinking does at least as much" in drawn(more, more, less)


def test_a_baseline_that_is_wrong_on_average_is_seen() -> None:
    falls = [1 / rollouts for rollouts in range(1, 101)]
    assert "Every baseline is right on average" in repr(pictures.compass({"plain": falls}))
    stays = [max(each, 0.3) for each in falls]
    assert "Not every mean becomes the gradient" in repr(pictures.compass({"plain": falls, "wrong": stays}))


def test_every_curve_is_drawn() -> None:
    curves = {name: [10.0, 20.0] for name in ("sharpest", "shortened", "random", "mine")}
    drawn = pictures.removed((1, 2), curves)
    assert len(drawn.axes[0].lines) == 4
    assert "Not ahead of the control everywhere" in repr(drawn)


@pytest.mark.parametrize("best", range(5))
def test_the_best_step_may_lie_anywhere(best: int) -> None:
    errors = 10.0 ** (np.abs(np.arange(5) - best) - 3.0)
    drawn = repr(pictures.error_valley([0.001, 0.01, 0.1, 1.0, 10.0], errors.tolist()))
    words = "The best h is an end" if best in {0, 4} else "Too large or too small an h"
    assert f"{words}: at its best the difference is off by 0.1 %" in drawn
