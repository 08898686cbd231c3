"""Grading: a class's notebooks run by themselves, and a row for every student and exercise.

Each notebook runs in a kernel of its own. First only what the answers need: its set-up cells, its exercises and what
the student has added, not the course's training and figures. If a name is missing there, the whole notebook runs. An
answer is tested where its check stands, but the result is written to a file: whatever an answer prints, raises or
kills, it cannot write its own grade by accident.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from toymdrl.course.exercises import EXERCISES, exercise
from toymdrl.course.verdict import Kind, Verdict, judge
from toymdrl.files import CorruptFile
from toymdrl.kept import load_record, save_record
from toymdrl.settings import ConfigError
from toymdrl.sourcecode import source_digest

SECONDS = 120
"""That an answer may take. The course's own cells have all the time in the world: they are known to end."""
KEPT = ".toymdrl-grades"
"""The folder, beside the students', that keeps what has been graded."""
WITHOUT = "its cell ended without defining"
_CHECK = re.compile(r'check\(\s*["\'](\d+\.\d+)["\']')
_COURSES_OWN = re.compile(r"cell-\d\d")
"""The ids that the course's notebooks give their cells."""


@dataclass(frozen=True)
class Grade:
    """Of one answer."""

    exercise: str
    verdict: Kind
    advice: str
    """What the student was told, or would have been."""


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
    key = f"{hashlib.sha256(notebook.read_bytes()).hexdigest()} {source_digest(('course',))}"
    place = hashlib.sha256(str(notebook.relative_to(folder)).encode()).hexdigest()[:16]
    file = folder / KEPT / f"{place}.json"
    with suppress(CorruptFile):
        known, found = load_record(file, Grades)
        if found is not None and known == key:
            return found
    found = Grades(str(notebook.relative_to(folder)), tuple(grade(notebook)))
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
    chapters = {cell.checks.split(".")[0] for cell in cells if cell.checks}
    expected = [each.number for each in EXERCISES if each.number.split(".")[0] in chapters] or _chapter(notebook.name)
    needed = [cell for cell in cells if not cell.demonstrates]
    found = _run(needed, notebook.parent)
    if any(_lacks_a_name(each) for each in found.values()):
        found = _run(cells, notebook.parent)
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
    checks: str = ""
    """The exercise that it checks."""
    demonstrates: bool = False
    """Whether it is one of the course's cells that no answer needs."""
    setup: bool = False
    """Whether it is one of the course's that answers need."""


def _cells(notebook: Path) -> Iterator[_Cell]:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if cell["cell_type"] != "code":
            continue
        code = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        tags = set(cell.get("metadata", {}).get("tags", ()))
        numbers = [number for number in _CHECK.findall(code) if number in {each.number for each in EXERCISES}]
        if numbers:
            # An answer may have been written into the check's own cell: it runs, but for the check.
            yield _Cell(_without_checks(code), checks=numbers[0])
        else:
            ours = _COURSES_OWN.fullmatch(cell.get("id", "")) is not None
            yield _Cell(code, demonstrates=ours and not tags & {"setup", "exercise"}, setup="setup" in tags)


def _without_checks(code: str) -> str:
    return "\n".join(line for line in code.splitlines() if not _CHECK.search(line))


def _run(cells: Sequence[_Cell], folder: Path) -> dict[str, Grade]:
    """Run cells in a fresh kernel; grades by exercise. A kernel that dies takes one answer with it, not the others."""
    found: dict[str, Grade] = {}
    left = list(cells)
    while missing := [cell.checks for cell in left if cell.checks and cell.checks not in found]:
        found |= _once(left, folder)
        lost = next((number for number in missing if number not in found), None)
        if lost is None:
            break
        found[lost] = Grade(lost, "crashed", f"the kernel died, or the answer took more than {SECONDS} seconds")
        # Once more without it: its own cell is the one that stands before its check.
        place = next(index for index, cell in enumerate(left) if cell.checks == lost)
        del left[max(place - 1, 0) : place + 1]
    return found


def _once(cells: Sequence[_Cell], folder: Path) -> dict[str, Grade]:
    """Run cells; what was graded until the end, or until the kernel died."""
    # Only those who grade need them.
    import nbformat  # noqa: PLC0415
    from nbclient import NotebookClient  # noqa: PLC0415
    from nbclient.exceptions import DeadKernelError  # noqa: PLC0415

    with TemporaryDirectory() as place:
        file = Path(place) / "grades"
        file.touch()
        made = nbformat.v4.new_notebook()
        for cell in cells:
            code = f"{cell.code}\n{_recording(cell.checks, file)}" if cell.checks else cell.code
            about = {} if cell.setup or cell.demonstrates else {"graded": True}
            made.cells.append(nbformat.v4.new_code_cell(code, metadata=about))
        with suppress(DeadKernelError):
            NotebookClient(
                made,
                timeout_func=lambda cell: SECONDS if "graded" in cell.metadata else None,
                interrupt_on_timeout=True,
                allow_errors=True,
                kernel_name="python3",
                resources={"metadata": {"path": str(folder)}},
            ).execute()
        lines = file.read_text(encoding="utf-8").splitlines()
    grades = [Grade(**json.loads(line)) for line in lines]
    return {each.exercise: each for each in grades}


def _recording(number: str, file: Path) -> str:
    """The line that stands where the check stood."""
    name = exercise(number).name
    given = f"globals().get({name!r}, NotImplemented)"
    return f"{name} = __import__('toymdrl.course.grading').course.grading.record({number!r}, {given}, {str(file)!r})"


def record(number: str, answer: Any, file: str) -> Any:
    """Grade an answer in its kernel, and write the grade to a file.

    Args:
        number: of the exercise.
        answer: NotImplemented where its cell left none.
        file: a line is added to it.

    Returns:
        What later cells go on with, see `check`.
    """
    this = exercise(number)
    if answer is NotImplemented:
        verdict = Verdict("crashed", f"{WITHOUT} {this.name}", this.own)
    else:
        # An answer that prints without end must not fill the teacher's memory.
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            verdict = judge(this, answer)
    with open(file, "a", encoding="utf-8") as lines:
        lines.write(json.dumps({"exercise": number, "verdict": verdict.kind, "advice": verdict.advice}) + "\n")
    return verdict.answer
