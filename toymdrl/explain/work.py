"""The steps of an explanation, each done once: results on disk, with what each took."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from toymdrl.analysis.spectrum import kept_eigenpairs
from toymdrl.curvature import Eigenpairs, Loss
from toymdrl.explain.bar import Bar
from toymdrl.explain.sequence import Sequence
from toymdrl.files import CorruptFile, load_tensors, save_tensors
from toymdrl.kept import load_record, save_record

PRODUCTS_A_PAIR = 3.5
"""Hessian products that Lanczos takes for an eigenpair, about: for the time left only."""
T = TypeVar("T")


def lanczos(pairs: int) -> float:
    """Gradient evaluations that so many eigenpairs take, about."""
    return 2 * PRODUCTS_A_PAIR * pairs


@dataclass(frozen=True)
class _Spent:
    """Gradient evaluations of each step."""

    by_step: dict[str, float]


class Work:
    """Steps of a sequence, each done once: what is on disk with the right key is read."""

    def __init__(self, folder: Path, key: str, bar: Bar) -> None:
        self.folder, self.key, self._bar = folder, key, bar
        try:
            stored, spent = load_record(folder / "effort.json", _Spent)
            self.spent = dict(spent.by_step) if spent and stored == key else {}
        except CorruptFile:
            self.spent = {}

    def record(self, name: str, kind: type[T], planned: float, make: Callable[[], T]) -> T:
        """A frozen dataclass."""
        file = self.folder / f"{name}.json"
        try:
            stored, found = load_record(file, kind)
            if stored == self.key and found is not None and name in self.spent:
                self._bar.skip(planned)
                return found
        except CorruptFile:
            pass  # it is made anew
        made = self._make(name, planned, make)
        save_record(file, self.key, made)
        return made

    def tensors(self, name: str, planned: float, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Tensors by name."""
        file = self.folder / f"{name}.safetensors"
        try:
            stored, about, _ = load_tensors(file)
            if about == {"key": self.key} and name in self.spent:
                self._bar.skip(planned)
                return stored
        except CorruptFile:
            pass  # it is made anew
        made = self._make(name, planned, make)
        save_tensors(file, made, {"key": self.key})
        return made

    def eigenpairs(self, name: str, of: Sequence, loss: Loss, pairs: int, tolerance: float, share: float) -> Eigenpairs:
        """Of a loss's Hessian at the harmed domain's checkpoint."""
        file, planned = self.folder / f"{name}.safetensors", share * lanczos(pairs)

        def make() -> Eigenpairs:
            return kept_eigenpairs(file, self.key, of.module, loss, of.start, pairs, tolerance)

        if name in self.spent and file.is_file():
            self._bar.skip(planned)
            return make()
        return self._make(name, planned, make, share)

    def _make(self, name: str, planned: float, make: Callable[[], T], share: float = 1) -> T:
        with self._bar.step(name.replace("-", " "), planned, share=share) as spent:
            made = make()
        # Before the result: if the process is killed between the two, the step is done and counted again.
        self.spent[name] = spent[0]
        save_record(self.folder / "effort.json", self.key, _Spent(self.spent))
        return made
