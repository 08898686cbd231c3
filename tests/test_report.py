"""What a run tells: its page, its story and its theorems follow the numbers and speak of nothing else."""

import copy
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from toymdrl.claims import claims
from toymdrl.claimtable import claim_lines
from toymdrl.cli import main
from toymdrl.explain import MEASURES, load_explanation
from toymdrl.runs.directory import RunDirectory
from toymdrl.story import chapters


def test_the_page_needs_no_network(smoke: Path) -> None:
    page = (smoke / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3 + len(MEASURES)
    text = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", page)
    assert "http" not in text
    assert "<script" not in text
    assert "<link" not in text
    for number in ("57.66", "66.04", "66.39"):
        assert number in page
        assert number in (smoke / "summary.md").read_text(encoding="utf-8")


def test_the_story_follows_the_numbers(smoke: Path) -> None:
    run = RunDirectory.open(smoke)
    explanation, entries = load_explanation(run), run.results()["claims"]
    assert explanation is not None
    refreshed = explanation.refresh

    def headings(cosine: float, recovered: float, left: float, gain: float) -> set[str]:
        told = copy.deepcopy(entries)
        told["C2"]["measured"]["largest_cosine"] = cosine
        told["C8"]["measured"]["recovered"] = recovered
        told["C9"]["measured"]["inside_left"] = left
        told["C7"]["measured"] |= {"actual": gain, "second": gain, "first": 0.0}
        gains = dict.fromkeys(refreshed.path[0].gains, 0.0) | {refreshed.harmed: gain}
        path = tuple(replace(step, gains=gains, inside=left) for step in refreshed.path)
        path = (replace(path[0], inside=1.0), *path[1:])
        control = replace(refreshed.further, gains=dict.fromkeys(gains, 0.0))
        other = replace(explanation, refresh=replace(refreshed, path=path, further=control))
        return {chapter.heading for chapter in chapters(told, other)}

    found, none = headings(0.01, 0.9, 0.5, 9.0), headings(0.5, 0.0, 1.5, -9.0)
    assert {"The gradients hardly meet", "It lives in a few directions", "A refresh contracts it"} <= found
    assert {"Harm is second-order", "The harmful component shrinks"} <= found
    assert {"Some gradients meet", "How much lives in a few directions", "What gradient and Hessian say"} <= none
    assert {"A refresh does not contract it here", "No more than further training"} <= none


@pytest.mark.parametrize(
    ("checkpoints", "status", "expected"),
    [
        (lambda those: {}, 2, "are no list"),
        (lambda those: [], 2, "lacks base"),
        (lambda those: those[1:], 2, "go on with `toymdrl resume"),
        (lambda those: [*those, {**those[0], "name": "a-"}], 0, ""),
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


def test_what_cannot_be_measured_is_said(smoke: Path) -> None:
    run = RunDirectory.open(smoke)
    explanation = load_explanation(run)
    assert explanation is not None
    # As where CW is the harmed domain.
    without = replace(explanation, contraction=None)
    found = claims(run.config, run.checkpoints, without)
    lines = {key: measured for key, _, measured, _, _ in claim_lines(found)}
    assert lines["C9"].startswith("not measured: ")
    assert "C9" not in {chapter.claims for chapter in chapters(found, without)}
