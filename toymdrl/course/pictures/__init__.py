"""The course's pictures: a file a chapter, and the two that return in every one."""

from toymdrl.course.pictures.base import journey, over_seeds
from toymdrl.course.pictures.grpo import compass
from toymdrl.course.pictures.interference import blind, costs, matrix, stage
from toymdrl.course.pictures.orthogonal import local_theory, orders, plane, valley, walk
from toymdrl.course.pictures.silent_bug import alone, final, rewards

__all__ = [
    "alone",
    "blind",
    "compass",
    "costs",
    "final",
    "journey",
    "local_theory",
    "matrix",
    "orders",
    "over_seeds",
    "plane",
    "rewards",
    "stage",
    "valley",
    "walk",
]
