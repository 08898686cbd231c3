"""Scores as a table: a row for each checkpoint, a column for each domain."""

from collections.abc import Mapping
from dataclasses import dataclass

from toymdrl.domains import title


@dataclass(frozen=True)
class ScoreTable:
    """What a notebook draws of scores."""

    scores: Mapping[str, Mapping[str, float]]
    """By domain, by row; a row named as a domain is the checkpoint after its stage."""
    columns: tuple[str, ...]
    """Domains, in order."""

    def _repr_markdown_(self) -> str:
        """In bold what a row has just trained."""
        lines = ["| | " + " | ".join(title(key) for key in self.columns) + " |", "|---|" + "---:|" * len(self.columns)]
        for name, each in self.scores.items():
            cells = [f"**{each[key]:.1f}**" if key == name else f"{each[key]:.1f}" for key in self.columns]
            lines.append(f"| {self._row(name)} | " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def _row(self, name: str) -> str:
        return f"after {title(name)}" if name in self.columns else name


def table(
    scores: Mapping[str, Mapping[str, float]], columns: tuple[str, ...] = ("code", "math", "qa", "cw")
) -> ScoreTable:
    """Scores by domain, by row, as a notebook shows them; columns in the order of the course's training."""
    return ScoreTable(scores, columns)
