"""What is to be added touches few files: a claim three, a domain two. Each test adds one to a copy of the package."""

import ast
import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from toymdrl.claims.base import Outcome, Topic
from toymdrl.claims.explanation import load_explanation, outcome
from toymdrl.claims.paper import CLAIMS, TOPICS, numbers
from toymdrl.domains import DOMAINS
from toymdrl.runs.directory import RunDirectory
from toymdrl.sourcecode import PACKAGE

ANALYSIS = '''"""How long is the update? (C13)"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Length:
    """Of one update."""

    norm: float


def measure(delta: Tensor) -> Length:
    """Of an update of (coordinates,)."""
    return Length(float(delta.norm()))
'''
CLAIM = '''"""C13: the update is short."""

from dataclasses import dataclass

from matplotlib.figure import Figure

from toymdrl.analysis import length
from toymdrl.analysis.length import Length
from toymdrl.claims.base import Chapter, Claim, Measurement, Outcome, Topic, no_control
from toymdrl.claims.subject import Subject
from toymdrl.evidence import Rule


def measure(subject: Subject) -> Length:
    """The analysis of a run."""
    return length.measure(subject.delta)


@dataclass(frozen=True)
class Short:
    """What one run measures."""

    norm: float


def short(outcome: Outcome) -> Measurement[Short, None]:
    """C13 in a run."""
    norm = outcome.explained[Length].norm
    return Measurement(Short(norm), None, {"norm": norm})


C13 = Claim(
    key="C13",
    paper="The update is short",
    measure=short,
    line=lambda m: f"length {m.norm:.3f}",
    control=no_control,
    rules=(Rule("C13", "length of the update", "norm", below=100),),
)


def chapters(outcome: Outcome) -> list[Chapter]:
    """What the figure shows."""
    return [Chapter(("C13",), "It is short", f"Its length is {short(outcome).measured.norm:.3f}.", "length", "A bar")]


def figure(result: Length) -> Figure:
    """A bar."""
    drawn = Figure()
    drawn.subplots().bar(["update"], [result.norm])
    return drawn


TOPIC = Topic("length", Length, measure, 1, (C13,), chapters, figure)
'''
PARITY = '''"""Whether a number is odd, a question of its own for each opening token."""

import torch
from torch import Tensor

from toymdrl.domains.arithmetic import digits
from toymdrl.domains.vocab import FIRST_DIGIT, columns


class Parity:
    """Facts are the number."""

    prompt_length, answer_length, held_out = 3, 1, 20

    def __init__(self, key: str, opening: str) -> None:
        self.key, self.title, self.opening = key, key.title(), opening

    def population(self, generator: torch.Generator) -> Tensor:
        return torch.arange(100).unsqueeze(1)

    def render(self, facts: Tensor) -> Tensor:
        number = digits(facts[:, 0])
        return columns(self.opening, number[:, 0], number[:, 1])

    def demonstrate(self, facts: Tensor, generator: torch.Generator) -> Tensor:
        slips = torch.rand((len(facts), 1), generator=generator) < 1 / 4
        return torch.where(slips, 2 * FIRST_DIGIT + 1 - self._answer(facts), self._answer(facts))

    def reward(self, facts: Tensor, answers: Tensor) -> Tensor:
        return (answers == self._answer(facts)).all(dim=1).float()

    def candidates(self, facts: Tensor) -> Tensor:
        return self._answer(facts).unsqueeze(1)

    def _answer(self, facts: Tensor) -> Tensor:
        return FIRST_DIGIT + facts % 2
'''


def copied(tmp_path: Path) -> Path:
    """The package's sources in a folder of their own."""
    package = tmp_path / "copy" / "toymdrl"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    return package


def command(package: Path, *arguments: str) -> None:
    """`toymdrl` of the copy."""
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    whole = [sys.executable, "-m", "toymdrl", *arguments]
    done = subprocess.run(whole, cwd=package.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def edited(file: Path, old: str, new: str) -> None:
    """Change a file in one place."""
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, (file, old)
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_another_claim_touches_three_files_and_no_result(smoke: Path, tmp_path: Path) -> None:
    package = copied(tmp_path)
    (package / "analysis" / "length.py").write_text(ANALYSIS, encoding="utf-8")
    (package / "claims" / "length.py").write_text(CLAIM, encoding="utf-8")
    paper = package / "claims" / "paper.py"
    edited(paper, "    edits,\n", "    edits,\n    length,\n")
    edited(paper, "    alternation.TOPIC,\n", "    alternation.TOPIC,\n    length.TOPIC,\n")
    run = Path(shutil.copytree(smoke, tmp_path / smoke.name))
    before = {file: file.stat().st_mtime_ns for file in (run / "analysis").glob("*.json")}
    command(package, "resume", str(run), "--quiet")
    assert before == {file: file.stat().st_mtime_ns for file in before}  # the other analyses are not made again
    norm = json.loads((run / "analysis" / "length.json").read_text())["result"]["norm"]
    claims = json.loads((run / "results.json").read_text())["claims"]
    assert list(claims) == [claim.key for claim in CLAIMS] + ["C13"]
    assert claims["C13"]["measured"] == {"norm": norm}
    summary = (run / "summary.md").read_text(encoding="utf-8")
    assert "## C13: It is short" in summary
    assert f"| C13 | The update is short | length {norm:.3f} | – |" in summary
    assert (run / "figures" / "length.png").is_file()


def test_more_domains_than_there_are_colours_touch_two_files(tmp_path: Path) -> None:
    package = copied(tmp_path)
    (package / "domains" / "parity.py").write_text(PARITY, encoding="utf-8")
    listed = package / "domains" / "__init__.py"
    more = ["Parity('left', '?')", "Parity('right', '>')", "Parity('third', '=')"]
    edited(listed, "Records(), Verses())", f"Records(), Verses(), {', '.join(more)})")
    others = "from toymdrl.domains.programs"
    edited(listed, others, f"from toymdrl.domains.parity import Parity\n{others}")
    # Widths and lengths that the other domains allow: the shapes of the model do not change.
    order = ("--order", "left", "math", "third")
    command(package, "run", "--preset", "smoke", "--threads", "1", "--quiet", *order, "--out", "runs")
    (run,) = (package.parent / "runs").glob("smoke-*")
    results = json.loads((run / "results.json").read_text())
    assert set(results["checkpoints"][0]["scores"]) == {*DOMAINS, "left", "right", "third"}
    assert results["claims"].keys() == {claim.key for claim in CLAIMS}
    assert {file.stem for file in (run / "figures").iterdir()} >= {topic.name for topic in TOPICS if topic.figure}


def keys_in(file: Path) -> set[str]:
    """Keys of domains that a file names in a string; not "code", which is also a word."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    strings = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    return strings & (DOMAINS.keys() - {"code"})


def test_a_domains_key_is_named_by_nothing_but_the_papers_own_experiment() -> None:
    named = {}
    for file in PACKAGE.rglob("*.py"):
        place = file.relative_to(PACKAGE).as_posix()
        # The course tells the paper's experiment, domain by domain.
        if not place.startswith(("domains/", "course/")) and (found := keys_in(file)):
            named[place] = found
    # The order of training and the domain harmed; and the three whose routes C5's rule is about.
    assert named == {"runs/config.py": {"math", "qa", "cw"}, "claims/routes.py": {"math", "qa"}}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_knows_no_other(topic: Topic[Any]) -> None:
    others = {each.measure.__module__ for each in TOPICS if each is not topic}
    tree = ast.parse(Path(inspect.getfile(topic.measure)).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            named = {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
            assert not named & others


def outcome_of(run: Path) -> Outcome:
    """What an analysed run has come to."""
    opened = RunDirectory.open(run)
    found = outcome(opened, load_explanation(opened))
    assert found is not None
    return found


def test_a_run_has_every_number_that_a_rule_judges(smoke: Path) -> None:
    found = numbers(outcome_of(smoke))
    for claim in CLAIMS:
        for rule in (*claim.rules, *claim.beside):
            assert rule.claim == claim.key
            assert rule.key in found
            assert rule.control is None or rule.control in found
