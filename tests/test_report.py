"""What a run tells: its page, its story and its theorems follow the numbers and speak of nothing else."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from toymdrl import cli
from toymdrl.analysis.conflict import Conflict
from toymdrl.analysis.contraction import Contraction
from toymdrl.analysis.cosines import Cosines
from toymdrl.analysis.damage import Damage
from toymdrl.analysis.plane import Plane
from toymdrl.analysis.refresh import Refresh
from toymdrl.claims import paper
from toymdrl.claims.base import Explanation, Outcome
from toymdrl.claims.explanation import load_explanation, outcome
from toymdrl.claims.paper import TOPICS
from toymdrl.claims.seeds import typical
from toymdrl.cli import main
from toymdrl.report.course import Course
from toymdrl.runs.config import PRESETS
from toymdrl.runs.directory import RunDirectory
from toymdrl.sourcecode import PACKAGE


def outcome_of(run: Path) -> Outcome:
    """What an analysed run has come to."""
    opened = RunDirectory.open(run)
    found = outcome(opened, load_explanation(opened))
    assert found is not None
    assert found.explanation is not None
    return found


def with_results(found: Outcome, *results: Any) -> Outcome:
    """The same, some of its analyses with other results; None of a type takes that away."""
    others = {type(each): each for each in results}
    kinds = [topic.kind for topic in TOPICS]
    kept = [others.get(kind, found.explained.get(kind)) for kind in kinds]
    return replace(found, explanation=Explanation([each for each in kept if each is not None]))


def test_the_page_needs_no_network(smoke: Path) -> None:
    page = (smoke / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3 + sum(topic.figure is not None for topic in TOPICS)
    text = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", page)
    assert "http" not in text
    assert "<script" not in text
    assert "<link" not in text
    for number in ("57.66", "66.04", "66.39"):
        assert number in page
        assert number in (smoke / "summary.md").read_text(encoding="utf-8")


def test_the_story_follows_the_numbers(smoke: Path) -> None:
    found = outcome_of(smoke)
    e = found.explained
    cosines, conflict, contraction = e[Cosines], e[Conflict], e[Contraction]
    damage, refreshed = e[Damage], e[Refresh]

    def headings(cosine: float, recovered: float, left: float, gain: float) -> set[str]:
        """Of a run whose numbers are these: a cosine, a share undone, a share left inside, points."""
        pairs = []
        for pair in damage.pairs:
            pairs.append(replace(pair, along=(*pair.along[:-1], gain), second=gain, first=0.0))
        removals = []
        for removal in conflict.removals:
            removals.append(replace(removal, recovered=recovered if removal.what == "top" else 0.0))
        gains = dict.fromkeys(refreshed.path[0].gains, 0.0) | {refreshed.harmed: gain}
        path = tuple(replace(step, gains=gains, inside=left) for step in refreshed.path)
        control = replace(refreshed.further, gains=dict.fromkeys(gains, 0.0))
        other = with_results(
            found,
            replace(cosines, gradients=tuple(replace(each, cosine=cosine) for each in cosines.gradients)),
            replace(conflict, removals=tuple(removals)),
            replace(contraction, inside=(1.0, *(left for _ in contraction.inside[1:]))),
            replace(damage, pairs=tuple(pairs)),
            replace(refreshed, path=(replace(path[0], inside=1.0), *path[1:]), further=control),
        )
        return {chapter.heading for chapter in paper.chapters(other).chapters}

    harmed, spared = headings(0.01, 0.9, 0.5, 9.0), headings(0.5, 0.0, 1.5, -9.0)
    assert {"The gradients hardly meet", "It lives in a few directions", "A refresh contracts it"} <= harmed
    assert {"Harm is second-order", "The harmful component shrinks"} <= harmed
    assert {"Some gradients meet", "How much lives in a few directions", "What gradient and Hessian say"} <= spared
    assert {"A refresh does not contract it here", "No more than further training"} <= spared


@pytest.mark.parametrize(
    ("checkpoints", "status", "expected"),
    [
        (lambda those: {}, 2, "results.json cannot be used"),
        (lambda those: [], 2, "lacks base"),
        (lambda those: those[1:], 2, "go on with `toymdrl resume"),
        (lambda those: [*those, {**those[0], "name": "a-"}], 2, "no checkpoint is called 'a-'"),
        (lambda those: [*those, {**those[0], "name": "refresh-zzz-1"}], 0, ""),
    ],
)
def test_results_with_other_checkpoints_than_a_runs(
    checkpoints: Any, status: int, expected: str, smoke: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(smoke, tmp_path / smoke.name))
    results = json.loads((run / "results.json").read_text())
    results["checkpoints"] = checkpoints(results["checkpoints"])
    (run / "results.json").write_text(json.dumps(results))
    assert main(["report", str(run)]) == status
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == bool(status)


def test_a_run_without_harm_speaks_of_none(smoke: Path) -> None:
    summary = (smoke / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith(("# Math goes only from ", "# Math stays at "))
    assert "shares of the loss, below, mean nothing" in summary
    assert "This is the smoke preset" in summary


def test_the_theorems_are_held_against_a_run(smoke: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["theorems", str(smoke)]) == 0
    told = capsys.readouterr().out
    page = (smoke / "theorems.md").read_text(encoding="utf-8")
    for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15):
        assert f"\nT{number}(" in f"\n{told}"  # with its numbers, or with why it has none
        assert f"\n| T{number}(" in page or f"T{number}(b) says nothing" in page or f"T{number}(c) says" in page
    # What holds for any loss, by its proof, holds on a network.
    for theorem in ("T1(a)", "T1(c)", "T1(d)", "T4(a)", "T5(b)", "T11(d)", "T13(c)"):
        assert re.search(re.escape(theorem) + r" +holds", told), theorem
    assert main(["theorems", str(tmp_path)]) == 2
    assert "give a folder that `toymdrl run` made" in capsys.readouterr().err


def test_the_plane_is_told_before_the_claims(smoke: Path) -> None:
    found = outcome_of(smoke)
    (told,) = paper.chapters(found).opening
    assert told.figure == "plane"
    page = (smoke / "report.html").read_text(encoding="utf-8")
    summary = (smoke / "summary.md").read_text(encoding="utf-8")
    assert page.index(told.heading) < page.index("<h2>The scores</h2>")
    assert summary.index(told.heading) < summary.index("| checkpoint |")
    # Where the update spans none, and where a run was not analysed, there is no such chapter.
    planeless = Explanation([found.explained.get(topic.kind) for topic in TOPICS if topic.kind is not Plane])
    assert paper.chapters(replace(found, explanation=planeless)).opening == ()
    assert paper.chapters(replace(found, explanation=None)).opening == ()


def test_what_cannot_be_measured_is_said(smoke: Path) -> None:
    found = outcome_of(smoke)
    # As where CW is the harmed domain.
    results = [found.explained.get(topic.kind) for topic in TOPICS if topic.kind is not Contraction]
    without = replace(found, explanation=Explanation(results))
    lines = {claim.key: claim.cells(without)[0] for claim in paper.told(without)}
    assert lines["C9"].startswith("not measured: ")
    assert "not_measured" in paper.entries(without)["C9"]["measured"]
    assert not any("C9" in chapter.claims for chapter in paper.chapters(without).chapters)
    assert not {"paper_bound", "directional_bound"} & paper.numbers(without).keys()


def test_the_story_comes_first_and_tells_every_topic_once(smoke: Path) -> None:
    told = paper.chapters(outcome_of(smoke))
    keys = [key for chapter in told.story for key in chapter.claims]
    assert list(dict.fromkeys(keys)) == ["C7", "C8", "C10", "C11"]
    assert [key for chapter in told.rest for key in chapter.claims] == ["C2", "C3", "C4", "C5", "C6", "C9", "C12"]


def test_a_chapter_of_the_course_that_is_named_is_there(smoke: Path) -> None:
    book = PACKAGE.parent / "book"
    for chapter in paper.chapters(outcome_of(smoke)).chapters:
        assert not chapter.course or (book / f"{chapter.course}.md").is_file()


def test_links_lead_somewhere_or_are_words(smoke: Path, tmp_path: Path) -> None:
    page = (smoke / "report.html").read_text(encoding="utf-8")
    assert "<a href" not in page  # it lies outside the clone
    assert "Chapter 6 of the course, <code>book/06_curvature.md</code>" in page
    course = Course.seen_from(PACKAGE.parent / "runs" / "one")
    chapter = next(each for each in paper.chapters(outcome_of(smoke)).story if each.claims == ("C8",))
    links = re.findall(r'href="([^"]+)"', course.why(chapter) + course.prose("by T4(a) & T5"))
    assert len(links) == 3
    for link in links:
        assert (PACKAGE.parent / "runs" / "one" / link).resolve().is_file()
    assert "&amp;" in course.prose("by T4(a) & T5")


def test_a_run_is_typical_only_of_seeds_with_its_settings(smoke: Path) -> None:
    found = outcome_of(smoke)
    assert typical(found) is None
    assert "had other settings" in (smoke / "summary.md").read_text(encoding="utf-8")
    # The same numbers, as if of the laptop preset.
    laptop = PRESETS["laptop"]
    seeds = typical(replace(found, config=replace(laptop, seed=7, threads=1)))
    assert seeds is not None
    assert seeds.numbers == tuple(range(10, 20))
    lost = seeds.claims["C1"]
    assert (lost.usual, lost.place) == (False, "below all")
    assert replace(lost, here=lost.most).usual
    assert replace(lost, here=lost.most + 1).place == "above all"
    slower = replace(laptop, grpo=replace(laptop.grpo, learning_rate=1e-3))
    assert typical(replace(found, config=slower)) is None


def test_a_page_ends_with_three_commands_that_are_right_for_it(smoke: Path) -> None:
    page = (smoke / "report.html").read_text(encoding="utf-8")
    commands = re.findall(r"<pre>(toymdrl [^<]+)</pre>", page.partition("What to try next")[2])[:3]
    assert commands[0] == "toymdrl run"
    assert commands[2] == "toymdrl theorems ."
    for command in commands:
        cli._parser().parse_args(command.split()[1:])
