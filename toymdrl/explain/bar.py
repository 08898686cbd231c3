"""What a person sees while an update is explained: steps, and the time left, counted in gradient evaluations."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from tqdm import tqdm

from toymdrl.effort import Effort, counted


class Bar:
    """Counts what each step takes; use as a context so that it is put away."""

    def __init__(self, planned: float, *, quiet: bool) -> None:
        """A bar for so many gradient evaluations."""
        form = "{desc:<34}{bar}{percentage:4.0f}%  {elapsed}<{remaining}"
        self._total = planned
        self._bar = tqdm(total=planned, disable=quiet or None, bar_format=form, dynamic_ncols=True, leave=False)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    @contextmanager
    def step(self, title: str, planned: float, *, share: float = 1) -> Iterator[list[float]]:
        """Count within; what was spent is the list's one number.

        Args:
            title: of the step.
            planned: gradient evaluations that it was expected to take.
            share: of a domain's prompts that its losses look at.
        """
        spent = [0.0]

        def watch(effort: Effort) -> None:
            more = share * effort.as_gradients
            spent[0] += more
            # A step that takes longer than planned must not show as done.
            if spent[0] > planned:
                self._expect(more)
            self._bar.update(more)

        self._bar.set_description_str(title)
        with counted(watch):
            yield spent
        # What took less than planned is not left to do.
        self._expect(-max(planned - spent[0], 0.0))

    def skip(self, planned: float) -> None:
        """A step that an earlier session did: no work, so no speed."""
        self._expect(-planned)

    def _expect(self, more: float) -> None:
        self._total += more
        self._bar.total = self._total
        self._bar.refresh()
