"""What the pages say is what the committed results hold; what `--compare` says of others."""

import json
from pathlib import Path

import pytest

from experiments import pages
from toymdrl import rows as stored_rows
from toymdrl.claims.paper import PAPER
from toymdrl.evidence import Row
from toymdrl.study import claims
from toymdrl.study.compare import compare
from toymdrl.study.page import MEANINGLESS, page


def test_the_readmes_numbers_are_of_the_committed_results() -> None:
    text = pages.README.read_text(encoding="utf-8")
    assert all(part in text for part in pages.parts().values())
    assert text == pages.readme(text), "run `python -m experiments.pages`"


def test_the_reproduction_page_is_of_the_committed_results() -> None:
    written = (pages.HERE / "REPRODUCTION.md").read_text(encoding="utf-8")
    assert written == pages.reproduction(), "run `python -m experiments.pages`"


def test_a_result_agrees_with_itself() -> None:
    lines, agree = compare(pages.HERE)
    assert agree
    assert len(lines) > len(PAPER)
    assert lines[-1].startswith("0 of")


def result_of(rows: list[Row], out: Path) -> Path:
    """A folder with these rows of the claims in it."""
    stored = json.loads(stored_rows.result_file(pages.HERE, claims.NAME).read_text(encoding="utf-8"))
    (out / "results").mkdir()
    stored_rows.result_file(out, claims.NAME).write_text(json.dumps({**stored, "rows": rows}), encoding="utf-8")
    return out


@pytest.mark.parametrize(("seeds", "too_few"), [(2, True), (3, True), (4, False), (10, False)])
def test_seeds_that_could_contradict_nothing_are_said_to_be_too_few(seeds: int, too_few: bool, tmp_path: Path) -> None:
    rows = list(stored_rows.read(pages.HERE, claims.NAME).rows)[:seeds]
    lines, agree = compare(result_of(rows, tmp_path))
    assert agree, lines
    assert lines[-1].startswith(f"{seeds} seeds are too few") == too_few
    far = [{**row, "lost": row["lost"] + 1000} for row in rows]
    (tmp_path / "far").mkdir()
    assert compare(result_of(far, tmp_path / "far"))[1] == too_few


def test_a_verdict_that_few_seeds_leave_open_is_no_contradiction(tmp_path: Path) -> None:
    two = list(stored_rows.read(pages.HERE, claims.NAME).rows)[:2]
    lines, agree = compare(result_of(two, tmp_path), ["C10"])
    assert agree, lines
    assert any(line.endswith("open, was met: cannot be told") for line in lines)
    assert lines[-2].endswith("cannot be told with 2 seeds")


def test_another_mean_is_a_contradiction_of_the_claim_that_it_is_about(tmp_path: Path) -> None:
    rows = [{**row, "lost": row["lost"] + 20} for row in list(stored_rows.read(pages.HERE, claims.NAME).rows)]
    lines, agree = compare(result_of(rows, tmp_path))
    assert not agree
    assert lines[-1].startswith("1 of")
    assert compare(tmp_path, ["C2", "C10"])[1]
    assert not compare(tmp_path, ["C1"])[1]


def test_a_page_of_some_claims_names_the_command_that_makes_it(tmp_path: Path) -> None:
    told = "\n".join(page(result_of(list(stored_rows.read(pages.HERE, claims.NAME).rows), tmp_path), ["C1", "C10"]))
    assert "--claims C1 C10`" in told
    assert "| C10 |" in told
    assert "| C2 |" not in told


def test_the_smoke_preset_says_that_its_numbers_mean_nothing(tmp_path: Path) -> None:
    rows = list(stored_rows.read(pages.HERE, claims.NAME).rows)
    smoke = [{**row, "setting": {**row["setting"], "preset": "smoke"}} for row in rows]
    assert MEANINGLESS in "\n".join(page(result_of(smoke, tmp_path), list(PAPER)))
