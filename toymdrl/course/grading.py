"""Grading: a class's notebooks run by themselves, and a row for every student and exercise.

Each notebook runs in a kernel of its own. First only what the answers need: its set-up cells, its exercises and what
the student has added, not the course's training and figures. If a name is missing there, the whole notebook runs.
`check` writes its verdict to a file, see recorder.py: whatever an answer prints, raises or kills, it cannot write its
own grade by accident.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from toymdrl.course.exercises import EXERCISES, exercise
from toymdrl.course.recorder import DIED, Grade, add, grades_in
from toymdrl.files import CorruptFile
from toymdrl.kept import load_record, save_record
from toymdrl.settings import ConfigError
from toymdrl.sourcecode import source_digest

SECONDS = 120
"""That an answer may take; the course's own cells have ten times as long."""
GIVEN_UP = "no end in time"
KEPT = ".toymdrl-grades"
"""The folder, beside the students', that keeps what has been graded."""
SOURCES = ("course", "course/exercises")
"""Folders of the package that decide a verdict."""
WITHOUT = "its cell ended without defining"
_CHECK = re.compile(r'check\(\s*["\'](\d+\.\d+)["\']')
_COURSES_OWN = re.compile(r"cell-\d\d")
"""The ids that the course's notebooks give their cells."""


@dataclass(frozen=True)
class Grades:
    """Of one notebook."""

    notebook: str
    grades: tuple[Grade, ...]


def notebooks(folder: Path) -> list[Path]:
    """All notebooks below a folder, but for what Jupyter keeps for itself.

    Raises:
        ConfigError: there are none.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; give the one that holds the students' notebooks")
    hidden = {".ipynb_checkpoints", KEPT}
    found = [file for file in sorted(folder.rglob("*.ipynb")) if not hidden & set(file.parts)]
    if not found:
        raise ConfigError(f"{folder} has no notebooks; put them there, a folder for each student")
    return found


def student(folder: Path, notebook: Path) -> str:
    """Whose notebook it is: the folder's name that it lies in, or its own, if it lies with all others."""
    inside = notebook.relative_to(folder)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def graded(notebook: Path, folder: Path) -> Grades:
    """The grades of a notebook, from disk if it has been graded before and neither it nor the course has changed."""
    key = f"{hashlib.sha256(notebook.read_bytes()).hexdigest()} {source_digest(SOURCES)}"
    place = hashlib.sha256(str(notebook.relative_to(folder)).encode()).hexdigest()[:16]
    file = folder / KEPT / f"{place}.json"
    with suppress(CorruptFile):
        known, found = load_record(file, Grades)
        if found is not None and known == key:
            return found
    found = Grades(str(notebook.relative_to(folder)), tuple(grade(notebook)))
    # What a busy machine had no time for gets another chance the next time.
    if not any(each.advice == GIVEN_UP for each in found.grades):
        save_record(file, key, found)
    return found


def grade(notebook: Path) -> list[Grade]:
    """The grade of every exercise of the notebook's chapters, in their order; what is not in it is blank."""
    try:
        cells = list(_cells(notebook))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        # Not even a notebook: whose fault that is the teacher will see.
        return [
            Grade(number, "crashed", f"{notebook.name} cannot be read: {error}") for number in _chapter(notebook.name)
        ]
    checked = {number for cell in cells for number in cell.checks}
    chapters = {number.split(".")[0] for number in checked}
    expected = [each.number for each in EXERCISES if each.number.split(".")[0] in chapters] or _chapter(notebook.name)
    found = _run([cell for cell in cells if not cell.demonstrates], notebook.parent)
    if any(_lacks_a_name(each) for each in found.values()):
        whole = _run(cells, notebook.parent)
        found |= {number: each for number, each in whole.items() if _lacks_a_name(found[number])}
    return [found.get(number, Grade(number, "blank", "")) for number in expected]


def _lacks_a_name(grade: Grade) -> bool:
    """Whether one of the cells that were left out may have had what an answer needs."""
    return "is not defined" in grade.advice or WITHOUT in grade.advice


def _chapter(name: str) -> list[str]:
    """The exercises of the chapter that a file is named after: "03_grpo.ipynb", "ann 3.ipynb"."""
    digits = re.findall(r"\d+", name)
    return [each.number for each in EXERCISES if digits and each.number.split(".")[0] == str(int(digits[0]))]


@dataclass(frozen=True)
class _Cell:
    code: str
    checks: tuple[str, ...]
    """The exercises that it checks."""
    ours: bool
    """Whether it came with the course."""
    demonstrates: bool
    """Whether it is one of the course's cells that no answer needs."""
    fault: str
    """Why it is no Python; empty if it is."""


def _cells(notebook: Path) -> Iterator[_Cell]:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    known = {each.number for each in EXERCISES}
    for cell in content["cells"]:
        if cell["cell_type"] != "code":
            continue
        code = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        tags = set(cell.get("metadata", {}).get("tags", ()))
        checks = tuple(number for number in _CHECK.findall(code) if number in known)
        answers = bool(checks) or "exercise" in tags
        came = not answers and _COURSES_OWN.fullmatch(cell.get("id", "")) is not None
        yield _Cell(code, checks, ours=came, demonstrates=came and "setup" not in tags, fault=_fault(code))


def _fault(code: str) -> str:
    """What is wrong with a cell's syntax; Jupyter's own, such as `%matplotlib inline`, is none."""
    # Only those who grade need it.
    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415

    try:
        ast.parse(TransformerManager().transform_cell(code))
    except SyntaxError as error:
        return f"SyntaxError: {error.msg}, at `{(error.text or '').strip()}`"
    return ""


def _run(cells: Sequence[_Cell], folder: Path) -> dict[str, Grade]:
    """Run cells in a fresh kernel; grades by exercise. A cell that does not end, or kills the kernel, is left out then.

    Raises:
        ConfigError: no kernel starts, or none in time.
    """
    found: dict[str, Grade] = {}
    left = list(cells)
    with TemporaryDirectory() as place:
        file = Path(place) / "grades"
        file.touch()
        while (fatal := _once(left, folder, file)) is not None:
            del left[fatal]
        found = grades_in(file)
    fault = ""
    for cell in cells:
        fault = cell.fault or fault
        for number in cell.checks:
            # A check that was never reached, most often because the name that it is given does not exist.
            found.setdefault(number, Grade(number, "crashed", fault or f"{WITHOUT} {exercise(number).name}"))
            fault = ""
    return found


def _once(cells: Sequence[_Cell], folder: Path, file: Path) -> int | None:
    """Run cells, whose grades go to a file; the place of the one that did not end or killed the kernel, if one did."""
    try:
        # Only those who grade need them.
        import nbformat  # noqa: PLC0415
        from nbclient import NotebookClient  # noqa: PLC0415
        from nbclient.exceptions import CellTimeoutError, DeadKernelError  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"grading runs notebooks and needs {error.name}; type `pip install nbclient ipykernel`"
        ) from None

    first = f"from toymdrl.course.recorder import install\ninstall({str(file)!r})"
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(first)])
    for cell in cells:
        limit = SECONDS * 10 if cell.ours else SECONDS
        made.cells.append(nbformat.v4.new_code_cell(cell.code, metadata={"limit": limit}))
    running = 0

    def note(cell: object, cell_index: int) -> None:
        nonlocal running
        running = cell_index

    client = NotebookClient(
        made,
        timeout_func=lambda cell: cell.metadata.get("limit"),
        startup_timeout=SECONDS,
        allow_errors=True,
        kernel_name="python3",
        shutdown_kernel="immediate",
        extra_arguments=["--log-level=ERROR"],
        on_cell_start=note,
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute()
    except CellTimeoutError:
        # The answer that was running has left the line that fears the worst.
        for grade in grades_in(file).values():
            if grade.advice == DIED:
                add(str(file), Grade(grade.exercise, "crashed", GIVEN_UP))
        return running - 1
    except DeadKernelError:
        return running - 1
    except RuntimeError as error:
        raise ConfigError(f"no kernel: {error}; give the same command again, with fewer --workers") from error
    return None
