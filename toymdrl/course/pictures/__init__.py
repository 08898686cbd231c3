"""The course's pictures: a file a chapter, and the two that return in every one."""

from toymdrl.course.pictures.base import journey, over_seeds
from toymdrl.course.pictures.domains import shared_tokens, streams
from toymdrl.course.pictures.grpo import compass
from toymdrl.course.pictures.story import forgetting, repairs
from toymdrl.course.pictures.transformer import anatomy, valley

__all__ = [
    "anatomy",
    "compass",
    "forgetting",
    "journey",
    "over_seeds",
    "repairs",
    "shared_tokens",
    "streams",
    "valley",
]
