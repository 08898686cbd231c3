"""What the course's notebooks share: trained policies, checks of exercises, results over seeds; pictures beside it."""

from toymdrl.course.check import check, hint, solution
from toymdrl.course.pictures import journey, over_seeds
from toymdrl.course.repair import roll_back
from toymdrl.course.results import rows
from toymdrl.course.start import after, refresh, scores, train, warm_start
from toymdrl.course.table import table

__all__ = [
    "after",
    "check",
    "hint",
    "journey",
    "over_seeds",
    "refresh",
    "roll_back",
    "rows",
    "scores",
    "solution",
    "table",
    "train",
    "warm_start",
]
