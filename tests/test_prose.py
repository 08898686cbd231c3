"""What the pages beside the chapters say in numbers is what the committed results hold; the code on them runs.

Each sentence with a number stands in SAID as a template. Filled from the results it must be on its page, and no result
on a page may stand outside such a sentence. Numbers in code and in formulas are definitions.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import toymdrl.course
from book.chapters import BOOK, chapters
from experiments import placebo, regime, rivals, widths
from toymdrl.course import rows
from toymdrl.evidence import Interval, Row, interval

_NOT_PROSE = re.compile(
    r"^```.*?^```$|`[^`\n]+`|\$\$.*?\$\$|\$[^$]+\$|\]\([^)]*\)|arXiv \d{4}\.\d{5}|Exercise \d+\.\d+", re.M | re.S
)
_RESULT = re.compile(r"[−-]?\d[\d,]*\.\d+|\d[\d,]*(?= ?%| points?\b| per cent\b)")
DEFINED = (
    *("95 % interval", "interval, 95 %", "100 % won back"),
    *("1 % of the weights put back", "1 % or three"),
)
"""What is no result: the level of every interval, the size of every rollback, all that was lost."""
SAID: dict[str, tuple[str, ...]] = {
    "cheatsheet": (),
    "faq": (
        "as many steps | {average_joint_from_the_start} |",
        "QA and CW in every batch | {average_joint} |",
        "then three Re-Math steps | {average_refresh} |",
        "of the weights put back | {average_rollback} |",
        "4 of 32 prompts from Math | {average_replay} |",
        "one after another | {average_sequence} |",
        "from {lost_32.mean:.1f} points among {thousands_32:.0f} thousand parameters to {lost_256.mean:.1f} among "
        "{millions_256:.1f} million",
        "carry {top_32.mean:.0f} % and {top_256.mean:.0f} %",
        "{lost_3e4.mean:.1f} points at a peak of `3e-4`, {lost.mean:.1f} at `2e-3`",
    ),
    "glossary": (),
    "map": (),
    "misconceptions": (
        "cosines are {cosine.mean:.3f} in size on average, and the worst pair costs {worst_pair} points",
        "costs Math {gaussian.mean:.2f} points where the later stage costs {true.mean:.1f}",
        "cost {placebo.mean:.1f} points at the same length, {share} of what the true ones do",
        "Math loses {math_to_qa.mean:.1f} points to QA, and QA {qa_to_math.mean:.2f} to Math",
        "win back {won.mean:.1f} of the {lost.mean:.1f} points",
        "carry {top.mean:.0f} [{top.low:.0f}, {top.high:.0f}] % of it",
        "undoes {rollback_random.mean:.1f} %, the chosen one {rollback.mean:.0f} %",
        "the same length undoes {rollback_shrink.mean:.0f} %",
        "kept {gained_refresh.mean:.1f} of the {gained_sequence.mean:.1f} points",
        "win {won.mean:.1f} points and thirty {thirty.mean:.1f}",
        "is to be repaired win {thirty_control.mean:.1f}",
        "cost Math {qa_refresh} points",
        "score {average_shrunk_025.mean:.1f} on average, all of it {average_sequence.mean:.1f}",
        "average has {average_experts_averaged.mean:.1f} points, their sum at half weight "
        "{average_experts_merged.mean:.1f}, joint training {average_joint_from_the_start.mean:.1f}",
        "{master.mean:.0f} % of the weights are unchanged as stored in bfloat16, and {thresholds.mean:.1f} % in",
        "the paper's bound fails on {bound_fails} of {seeds} seeds",
        "ranks transfer with {shared.mean:.2f}, on all others with {elsewhere.mean:.2f}",
        "{foretold_rank.mean:.2f} is a fine correlation",
        "{foretold_slope.mean:.2f} points for each one predicted",
    ),
    "monday": (
        "average score of {average_sequence};",
        "in each batch ends at {average_joint_from_the_start}.",
        "the average is {average_replay.mean:.1f},",
        "{held.mean:.0f} % of weights held in bfloat16",
        "at the end, {master.mean:.0f} %",
        "Math loses {math_to_qa} points to QA's stage, and QA none to Math's, {qa_to_math} ([",
        "standard error is up to {error_of_100:.1f} points",
        "lose {lost_at_075:.1f} of Math's {lost.mean:.1f} points and keep {gained_shrunk_025.mean:.1f} of the "
        "{gained_sequence.mean:.1f} that",
        "the average is {average_shrunk_025} instead of {average_sequence.mean:.1f} ([",
        "wins back {won} points of Math and moves the others by {others};",
        "is to be repaired gain {further} (C10)",
        "Its average, {average_refresh.mean:.1f}, is above those of the rollback, {average_rollback.mean:.1f}, of "
        "protection, {average_protected.mean:.1f}, of EWC at its best weight, {average_ewc_30.mean:.1f}, and of "
        "shrinking, {average_shrunk_025.mean:.1f}.",
        "the rollback with the refresh after it, {average_rollback_refresh.mean:.1f}.",
        "cost Math {qa_refresh} points",
        "undoes {rollback.mean:.0f} [{rollback.low:.0f}, {rollback.high:.0f}] % of Math's loss",
        "of that size {rollback_random.mean:.1f} %",
        "by the same length {rollback_shrink.mean:.0f} [{rollback_shrink.low:.0f}, {rollback_shrink.high:.0f}] %",
        "differences can give is {p_of_3:.2f}, and a 95 % interval reaches {reach_of_3:.1f} standard deviations",
        "with ten seeds it is {p_of_10:.3f} and {reach_of_10:.2f} ([",
        "costs Math {lost_3e4.mean:.1f} points at a peak of `3e-4`, {lost.mean:.1f} at `2e-3`, and "
        "{lost_far.mean:.1f} at",
        "From {thousands_32:.0f} thousand to {millions_256:.1f} million parameters 32 directions go from "
        "{top_32.mean:.0f} % of the harm to {top_256.mean:.0f} %, while the harm itself falls from {lost_32.mean:.1f} "
        "points to {lost_256.mean:.1f},",
        "along the drift is {curvature_math.mean:.0f} and the others' together {curvature_others.mean:.1f}.",
        "at equal length: {placebo.mean:.1f} points against {true.mean:.1f} ([",
        "rank correlation of {foretold_rank.mean:.2f}, and misses their size: {foretold_slope.mean:.2f} points",
    ),
    "prerequisites": (),
    "reading": (),
}
"""By page, its sentences with results: fields are FACTS, an interval prints as everywhere in the project."""


def _per_seed(found: Sequence[Row], measure: Callable[[Row], float]) -> Interval:
    return interval([measure(row) for row in found])


def _claims() -> Row:
    found = rows("claims")
    points = {"lost": "lost", "won": "won", "further": "further", "others": "others", "worst_pair": "largest_damage"}
    points |= {"cosine": "mean_cosine", "shared": "shared", "elsewhere": "elsewhere"}
    shares = ("top", "rollback", "rollback_random", "rollback_shrink")
    facts: Row = {name: interval([row[key] for row in found]) for name, key in points.items()}
    facts |= {key: interval([100 * row[key] for row in found]) for key in shares}
    return facts | {"bound_fails": sum(row["paper_bound"] < 1 for row in found), "seeds": len(found)}


def _questions() -> Row:
    """What two questions compute of each seed, under their own names."""
    facts: Row = {}
    for numbers in (rivals.numbers(rows("rivals")), placebo.numbers(rows("placebo"))):
        for key in numbers[0].keys() - {"setting"}:
            facts[re.sub(r"[.,]", "", key).replace(" ", "_")] = interval([number[key] for number in numbers])
    return facts | {"lost_at_075": -facts["kept_shrunk_025"].mean}


def _orders() -> Row:
    def damage(first: str, later: str) -> Interval:
        return interval([row["pairs"][later]["actual"] for row in rows("orders") if row["setting"]["first"] == first])

    return {"math_to_qa": damage("math", "qa"), "qa_to_math": damage("qa", "math")}


def _length() -> Row:
    found = rows("length")

    def gain(row: Row, path: str) -> float:
        return float(row["paths"][path][-1]["math"] - row["paths"][path][0]["math"])

    def others(row: Row) -> float:
        return float(sum(row["curvature"].values()) - row["curvature"]["math"])

    return {
        "thirty": _per_seed(found, lambda row: gain(row, "math")),
        "thirty_control": _per_seed(found, lambda row: gain(row, "control")),
        "qa_refresh": _per_seed(found, lambda row: -gain(row, "qa")),
        "curvature_math": _per_seed(found, lambda row: row["curvature"]["math"]),
        "curvature_others": _per_seed(found, others),
    }


def _precision() -> Row:
    fifty = [row for row in rows("precision") if row["setting"]["steps"] == 50]

    def share(way: str, key: str) -> Interval:
        chosen = {"rate": 1e-4, "format": "bfloat16", "way": way}
        return interval([100 * cell[key] for row in fifty for cell in row["cells"] if chosen.items() <= cell.items()])

    return {
        "master": share("master", "unchanged"),
        "held": share("held", "unchanged"),
        "thresholds": share("master", "paper"),
    }


def _regime() -> Row:
    cells = regime.cells(rows("regime"))
    places = {"lost_3e4": (3e-4, 50), "lost_far": (3.5e-3, 200)}
    return {name: _per_seed(cells[place], lambda cell: cell["lost"]) for name, place in places.items()}


def _widths() -> Row:
    facts: Row = {}
    for width in (32, 256):
        found = [row for row in rows("widths") if row["setting"]["width"] == width]
        facts[f"lost_{width}"] = _per_seed(found, lambda row: row["lost"])
        facts[f"top_{width}"] = _per_seed(found, lambda row: 100 * row["top"][widths.SIZES.index(32)])
        facts[f"thousands_{width}"] = found[0]["parameters"] / 1e3
        facts[f"millions_{width}"] = found[0]["parameters"] / 1e6
    return facts


def _prediction() -> Row:
    ranks, slopes = [], []
    for row in rows("prediction"):
        predicted, actual = (np.array([pair[key] for pair in row["pairs"]]) for key in ("predicted", "actual"))
        ranks.append(float(stats.spearmanr(predicted, actual).statistic))
        slopes.append(float(predicted @ actual / (predicted @ predicted)))
    return {"foretold_rank": interval(ranks), "foretold_slope": interval(slopes)}


def _statistics() -> Row:
    facts: Row = {"error_of_100": 100 * (0.5 * 0.5 / 100) ** 0.5}
    for seeds in (3, 10):
        facts[f"p_of_{seeds}"] = 2 / 2**seeds
        facts[f"reach_of_{seeds}"] = float(stats.t.ppf(0.975, seeds - 1)) / seeds**0.5
    return facts


@cache
def facts() -> Row:
    """Everything that the pages say in numbers, from the committed results."""
    parts = (_claims, _questions, _orders, _length, _precision, _regime, _widths, _prediction, _statistics)
    return {name: value for part in parts for name, value in part().items()}


def source(name: str) -> str:
    return (BOOK / f"{name}.md").read_text(encoding="utf-8")


def on_one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def prose(name: str) -> str:
    """A page on one line, everything that is no prose blanked in its place."""
    return on_one_line(_NOT_PROSE.sub(lambda match: re.sub(r"\S", "\0", match[0]), source(name)))


def filled(name: str) -> list[str]:
    """A page's sentences with the numbers that they should have."""
    minus = re.compile(r"(?<![\w`])-(?=\d)")
    return [minus.sub("−", template.format_map(facts())) for template in SAID[name]]


@pytest.mark.parametrize("name", SAID)
def test_every_number_on_a_page_is_of_the_committed_results(name: str) -> None:
    written, said = on_one_line(source(name)), filled(name)
    assert [sentence for sentence in said if sentence not in written] == [], f"{name}.md says something else"
    known = [match.span() for each in (*said, *DEFINED) for match in re.finditer(re.escape(each), written)]
    for number in _RESULT.finditer(prose(name)):
        held = any(start <= number.start() and number.end() <= end for start, end in known)
        around = written[max(0, number.start() - 40) : number.end() + 40]
        assert held, f"{name}.md: declare {number[0]!r} in SAID, or write it as code or maths: …{around}…"


def code_of(name: str, mark: str) -> str:
    """The block of code below a comment."""
    return source(name).split(f"<!-- {mark} -->\n```python\n")[1].split("```")[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_sweep_walks_the_line_and_leaves_the_model_at_its_end(dtype: torch.dtype) -> None:
    names: dict[str, Any] = {}
    exec(compile(code_of("monday", "sweep"), "monday.md", "exec"), names)
    first, last = nn.Linear(4, 4), nn.Linear(4, 4)
    last.weight = first.weight  # tied: one tensor under two names
    module = nn.Sequential(first, nn.BatchNorm1d(4), last).to(dtype)
    before = {key: torch.full_like(each, 2) for key, each in module.state_dict().items()}
    after = {key: torch.full_like(each, 4) for key, each in module.state_dict().items()}
    module.load_state_dict(after)

    def score(model: nn.Module) -> set[float]:
        weights = [each for each in model.state_dict().values() if each.is_floating_point()]
        return {value for each in weights for value in each.float().flatten().tolist()}

    assert names["sweep"](module, before, after, score) == {0: {2.0}, 1: {4.0}, 0.75: {3.5}, 0.5: {3.0}, -1: {0.0}}
    assert all(torch.equal(each, after[key]) for key, each in module.state_dict().items())


def test_the_five_calls_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(toymdrl.course, "train", partial(toymdrl.course.train, steps=2))
    code = code_of("cheatsheet", "calls").replace('"train", 256', '"train", 32')
    names: dict[str, Any] = {}
    exec(compile(code, "cheatsheet.md", "exec"), names)
    assert names["top"].shape == (len(names["start"]), 8)
    assert "second order" in capsys.readouterr().out


def test_the_self_tests_second_derivative_is_what_it_says() -> None:
    x = torch.tensor(1.0, requires_grad=True)
    names: dict[str, Any] = {"torch": torch, "x": x, "y": x**3}
    code = source("prerequisites").split("```python\n")[1].split("```")[0]
    exec(compile(code, "prerequisites.md", "exec"), names)
    assert (names["first"].item(), names["second"].item()) == (3, 6)


def test_the_map_knows_what_each_chapter_needs() -> None:
    table = {
        number: set(re.findall(r"\[(\d+)\]", rest))
        for number, rest in re.findall(r"^\| \[(\d+)\]\(\w+\.md\) \|(.*)$", source("map"), re.M)
    }
    drawn = set(re.findall(r'href="(\w+)\.html"', source("map")))
    assert drawn == {chapter.stem for chapter in chapters()}
    for chapter in chapters():
        line = next(each for each in chapter.read_text(encoding="utf-8").splitlines() if each.startswith("*"))
        needs = {str(int(number)) for number in re.findall(r"\((\d\d)_\w+\.md\)", line)}
        assert needs <= table[str(int(chapter.stem[:2]))], f"map.md: {chapter.name} says that it needs more"
