"""The course's pictures: a file a chapter, and the two that return in every one."""

from toymdrl.course.pictures.base import journey, over_seeds
from toymdrl.course.pictures.grpo import compass

__all__ = ["compass", "journey", "over_seeds"]
