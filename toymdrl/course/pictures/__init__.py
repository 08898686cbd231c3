"""The course's pictures: a file a chapter, and the two that return in every one."""

from toymdrl.course.pictures.base import journey, over_seeds
from toymdrl.course.pictures.curvature import plane, removed, spectrum, two_parts
from toymdrl.course.pictures.grpo import compass
from toymdrl.course.pictures.refresh import contraction, repair
from toymdrl.course.pictures.rollback import put_back

__all__ = [
    "compass",
    "contraction",
    "journey",
    "over_seeds",
    "plane",
    "put_back",
    "removed",
    "repair",
    "spectrum",
    "two_parts",
]
