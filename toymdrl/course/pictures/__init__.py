"""The course's pictures: a file a chapter, and the two that return in every one."""

from toymdrl.course.pictures.base import journey, over_seeds
from toymdrl.course.pictures.curvature import plane, removed, spectrum, two_parts
from toymdrl.course.pictures.domains import shared_tokens, streams
from toymdrl.course.pictures.evidence import missed, rivals_plane
from toymdrl.course.pictures.formats import changed, one_curve, staircase
from toymdrl.course.pictures.grpo import compass
from toymdrl.course.pictures.interference import blind, costs, matrix, stage
from toymdrl.course.pictures.orthogonal import local_theory, orders, sections, valley, walk
from toymdrl.course.pictures.own_claim import arms, fairness, undone
from toymdrl.course.pictures.refresh import contraction, repair
from toymdrl.course.pictures.rollback import put_back
from toymdrl.course.pictures.silent_bug import alone, final, rewards
from toymdrl.course.pictures.story import forgetting, repairs, riddle
from toymdrl.course.pictures.transformer import anatomy, error_valley

__all__ = [
    "alone",
    "anatomy",
    "arms",
    "blind",
    "changed",
    "compass",
    "contraction",
    "costs",
    "error_valley",
    "fairness",
    "final",
    "forgetting",
    "journey",
    "local_theory",
    "matrix",
    "missed",
    "one_curve",
    "orders",
    "over_seeds",
    "plane",
    "put_back",
    "removed",
    "repair",
    "repairs",
    "rewards",
    "riddle",
    "rivals_plane",
    "sections",
    "shared_tokens",
    "spectrum",
    "stage",
    "staircase",
    "streams",
    "two_parts",
    "undone",
    "valley",
    "walk",
]
