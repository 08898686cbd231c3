"""A question is a file of Python; here it is found by its name or path, and loaded.

TITLE             what it is called on the page
SECONDS           what one setting takes in the laptop preset
PLACE             where it stands on the page among the project's own; others follow them
settings(preset, seeds)  a list of settings: one measurement each
measure(setting, out)    a row: what was measured in one setting, in JSON types
page(rows)               Markdown lines
figure(rows)             optional: a matplotlib figure
decides(setting)         optional: names of the functions that a row depends on, if not all that `measure` refers to
READING                  optional: what the committed rows say, read afterwards
"""

import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Protocol, cast

from matplotlib.figure import Figure

from toymdrl.catalogue import folder, names
from toymdrl.evidence import Row
from toymdrl.settings import ConfigError

NEEDED = ("TITLE", "SECONDS", "settings", "measure", "page")
Setting = dict[str, Any]
"""What one task measures, in JSON types; always with "seed" and "preset", and with "device" where it is not the CPU."""


class Question(Protocol):
    """A question's file as it is loaded; what is optional is asked for by `getattr`."""

    __name__: str
    __doc__: str | None
    __file__: str
    TITLE: str
    SECONDS: float

    def settings(self, preset: str, seeds: range) -> list[Setting]:
        """What is to be measured."""

    def measure(self, setting: Setting, out: Path) -> Row:
        """One measurement."""

    def page(self, rows: Sequence[Row]) -> list[str]:
        """What is told."""

    def figure(self, rows: Sequence[Row]) -> Figure:
        """What is drawn, of some."""


def file_of(question: str) -> Path:
    """The file of one of the project's questions, by its name, or of any other, by its path.

    Raises:
        ConfigError: there is none.
    """
    if question.endswith(".py"):
        file = Path(question).resolve()
        if not file.is_file():
            raise ConfigError(f"{question} is not there; give the path of a question's file, or one of {_choice()}")
        return file
    here = folder()
    if here is None or question not in names():
        raise ConfigError(f"unknown question {question!r}; choose from {_choice()}, or give the path of your own")
    return here / f"{question}.py"


def _choice() -> str:
    return ", ".join(names()) or "none: this installation came without them"


@cache
def load(file: Path) -> Question:
    """A question's file as a module.

    Raises:
        ConfigError: it cannot be run, or lacks what a question needs.
    """
    name = f"toymdrl_question_{file.stem}"
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{file} cannot be loaded; give a file of Python")
    module = module_from_spec(spec)
    sys.modules[name] = module  # so that what a worker pickles of it is found
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise ConfigError(f"{file} cannot be loaded: {error}") from error
    if missing := [each for each in NEEDED if not hasattr(module, each)]:
        raise ConfigError(
            f"{file} is no question: it lacks {missing[0]}; toymdrl/study/questions.py says what it needs"
        )
    return cast(Question, module)


def name_of(question: Question) -> str:
    """The name of a question: its file's."""
    return Path(question.__file__).stem
