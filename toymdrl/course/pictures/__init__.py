"""The course's pictures: a file a chapter, and the two that return in every one."""

from toymdrl.course.pictures.base import journey, over_seeds
from toymdrl.course.pictures.curvature import plane, removed, spectrum, two_parts
from toymdrl.course.pictures.grpo import compass
from toymdrl.course.pictures.interference import blind, costs, matrix, stage
from toymdrl.course.pictures.orthogonal import local_theory, orders, sections, valley, walk
from toymdrl.course.pictures.refresh import contraction, repair
from toymdrl.course.pictures.rollback import put_back
from toymdrl.course.pictures.silent_bug import alone, final, rewards

__all__ = [
    "alone",
    "blind",
    "compass",
    "contraction",
    "costs",
    "final",
    "journey",
    "local_theory",
    "matrix",
    "orders",
    "over_seeds",
    "plane",
    "put_back",
    "removed",
    "repair",
    "rewards",
    "sections",
    "spectrum",
    "stage",
    "two_parts",
    "valley",
    "walk",
]
