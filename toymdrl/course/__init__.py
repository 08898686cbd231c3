"""What the course's notebooks share: trained policies, checks of exercises, results over seeds; pictures beside it."""

from toymdrl.course.check import check, hint, solution
from toymdrl.course.pictures import journey, over_seeds
from toymdrl.course.results import rows
from toymdrl.course.start import after, refresh, scores, train, warm_start

__all__ = [
    "after",
    "check",
    "hint",
    "journey",
    "over_seeds",
    "refresh",
    "rows",
    "scores",
    "solution",
    "train",
    "warm_start",
]
