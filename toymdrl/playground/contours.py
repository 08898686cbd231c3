"""The plane as SVG: contours of every score, as paths in the picture's own units, and where their numbers stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from contourpy import FillType, LineType, contour_generator
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

WIDTH, HEIGHT = 500, 500
"""Of the plane, in the SVG's units."""
LEVELS = 9


@dataclass(frozen=True)
class Frame:
    """From a and b to the picture's units."""

    a: tuple[float, float]
    b: tuple[float, float]

    def x(self, a: float) -> float:
        """From left to right."""
        return round(WIDTH * (a - self.a[0]) / (self.a[1] - self.a[0]), 1)

    def y(self, b: float) -> float:
        """From the top down."""
        return round(HEIGHT * (self.b[1] - b) / (self.b[1] - self.b[0]), 1)


@dataclass(frozen=True)
class Band:
    """The area between two levels."""

    path: str
    depth: float
    """0 for the lowest, 1 for the highest."""


@dataclass(frozen=True)
class Label:
    """A line's number."""

    text: str
    x: float
    y: float


@dataclass(frozen=True)
class Contours:
    """One score in the plane."""

    bands: tuple[Band, ...]
    lines: str
    """All of them as one path."""
    labels: tuple[Label, ...]


def contours(frame: Frame, a: NDArray[np.float64], b: NDArray[np.float64], heights: NDArray[np.float64]) -> Contours:
    """Contours of heights (b, a); none where all are alike."""
    levels = MaxNLocator(LEVELS).tick_values(heights.min(), heights.max())
    if heights.max() - heights.min() < 1e-6:
        return Contours((), "", ())
    generator = contour_generator(a, b, heights, line_type=LineType.Separate, fill_type=FillType.OuterOffset)
    bands, lines, labels = [], [], []
    for place, (low, high) in enumerate(pairwise(levels)):
        outlines = []
        for points, offsets in zip(*generator.filled(low, high), strict=True):
            corners, ends = np.asarray(points), np.asarray(offsets).tolist()
            outlines += [_path(frame, corners[first:last]) + "Z" for first, last in pairwise(ends)]
        if outlines:
            bands.append(Band("".join(outlines), (place + 1) / (len(levels) - 1)))
    for level in levels:
        found = [np.asarray(line) for line in generator.lines(level) if len(line) > 2]
        lines += [_path(frame, line) for line in found]
        if found:
            labels.append(_label(frame, f"{level:g}", found))
    return Contours(tuple(bands), "".join(lines), tuple(labels))


def _path(frame: Frame, points: NDArray[np.float64]) -> str:
    steps = [f"{frame.x(a):g} {frame.y(b):g}" for a, b in points]
    return "M" + "L".join(steps)


def _label(frame: Frame, text: str, lines: Sequence[NDArray[np.float64]]) -> Label:
    """At the foot of the longest line, where no way leads; a little inside the frame."""
    longest = max(lines, key=len)
    a, b = min(longest, key=lambda point: abs(point[1] - (frame.b[0] + 0.6)) + 0.2 * abs(point[0] - frame.a[1]))
    return Label(text, min(max(frame.x(a), 14), WIDTH - 14), min(max(frame.y(b), 12), HEIGHT - 12))
