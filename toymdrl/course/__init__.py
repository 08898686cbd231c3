"""What the course's notebooks share: a trained start, checks of exercises, pictures, results over seeds."""

from toymdrl.course.check import check
from toymdrl.course.pictures import journey, over_seeds
from toymdrl.course.results import rows
from toymdrl.course.start import refresh, scores, train, warm_start

__all__ = ["check", "journey", "over_seeds", "refresh", "rows", "scores", "train", "warm_start"]
