"""`toymdrl playground`: a page of a run, driven as a reader drives it, by a browser without a network."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from book.check_site import opened
from book.playground import FOLDER as FOLDER_OF_RUNS
from book.playground import NAMES, built, chosen
from tests.test_playground_numerics import BROWSER, POINTS
from toymdrl.analysis.rollback import SIGNED
from toymdrl.claims.subject import Subject
from toymdrl.cli import main
from toymdrl.playground.moments import moments
from toymdrl.playground.page import content, page
from toymdrl.playground.scene import SHARES, STEPS, A, B, Scene, evaluations, scene
from toymdrl.playground.scripts import FOLDER
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.plan import headline

DRIVER = Path(__file__).with_name("playground_page.js")
MOST_BYTES, MOST_LINES = 8e6, 900
PROMPTS = ["M47+38=", "nonsense"]


@pytest.fixture(scope="module")
def made(smoke: Path) -> Scene:
    run = RunDirectory.open(smoke)
    head = headline(run.config)
    assert head
    done: list[int] = []
    subject = Subject.of(run, head)
    found = scene(subject, lambda: done.append(1))
    assert found
    assert len(done) == evaluations(subject)
    return found


def drive(text: str, order: dict[str, Any] | None, address: str = "") -> tuple[Any, str]:
    """What a browser makes of a page, and what it logs; without an order it only looks."""
    leave = """drive(ORDER).then((found) => {
      const result = document.createElement("script");
      result.type = "application/json";
      result.id = "found";
      result.textContent = JSON.stringify(found).replaceAll("<", "\\\\u003c");
      document.body.append(result);
    });"""
    given = f"const ORDER = {json.dumps(order)};"
    start = f"<script>history.replaceState(null, '', '{address}');</script>" if address else ""
    return opened(f"{start}{text}<script>{given}{DRIVER.read_text(encoding='utf-8')}{leave}</script>", BROWSER)


@pytest.fixture(scope="module")
def driven(made: Scene) -> Any:
    """A page of the smoke run, after every control was used; see playground_page.js."""
    text = page([content(made, "one", "M12+76=", {})])
    places: dict[str, dict[str, Any]] = {
        "corner": {"kind": "plane", "a": 1, "b": 0},
        "far": {"kind": "plane", "a": -1, "b": 3},
    }
    places |= {spot.checkpoint.name: {"kind": "checkpoint", "name": spot.checkpoint.name} for spot in made.spots}
    for name in made.rolled_back:
        places[name] = {"kind": "rollback", "order": name, "share": len(SHARES) - 1}
    places["random"] = {"kind": "random", "step": STEPS[-1]}
    found, logged = drive(text, {"places": places, "prompts": PROMPTS})
    assert "CONSOLE" not in logged
    return found


def points(told: dict[str, str]) -> dict[str, float]:
    """Scores as the page writes them."""
    return {domain: float(text.replace("≈", "").replace("−", "-")) for domain, text in told.items()}


@pytest.mark.skipif(not BROWSER, reason="no chromium here")
def test_every_place_is_the_model_that_it_is_said_to_be(driven: Any, made: Scene) -> None:
    places = driven["places"]
    wanted = {spot.checkpoint.name: spot.scores for spot in made.spots}
    wanted |= {order: found[-1] for order, found in made.rolled_back.items()} | {"random": made.random[-1]}
    wanted |= {"corner": made.at(1, 0), "far": made.at(-1, 3)}
    assert places.keys() == wanted.keys()
    for name, scores in wanted.items():
        assert not any("≈" in text for text in places[name]["scores"].values())
        # Half a tenth of rounding when it is written.
        assert points(places[name]["scores"]) == pytest.approx(scores, abs=POINTS + 0.05), name
    for name in ("corner", "far"):  # read off the picture at once
        assert all(text.startswith("≈") for text in places[name]["rough"].values())
        assert points(places[name]["rough"]) == pytest.approx(wanted[name], abs=POINTS + 0.05)


@pytest.mark.skipif(not BROWSER, reason="no chromium here")
def test_each_control_does_what_its_label_says(driven: Any) -> None:
    controls = {name: each["where"] for name, each in driven["controls"].items()}
    assert controls["pointer"] == {"kind": "plane", "a": 0.5, "b": 2}
    assert controls["key"] == {"kind": "plane", "a": 0.55, "b": 2}
    assert controls["a"] == {"kind": "plane", "a": 0.3, "b": 2}
    assert controls["share"] == {"kind": "plane", "a": -0.5, "b": -0.5}
    assert controls["random"] == {"kind": "random", "step": 2}
    assert controls["rollback"]["share"] == 1
    assert controls["order"] == {"kind": "rollback", "order": SIGNED, "share": 1}
    assert controls["checkpoint"] == {"kind": "checkpoint", "name": "cw"}
    assert "a = 1.00, b = 1.00" in driven["controls"]["checkpoint"]["place"]
    assert driven["shown"] == ["average"]


def test_a_run_without_harm_has_nothing_to_guess(driven: Any, made: Scene) -> None:
    assert moments(made) == []
    assert driven["moments"] == []


@pytest.mark.skipif(not BROWSER, reason="no chromium here")
def test_a_prompt_is_answered_at_every_checkpoint(driven: Any, made: Scene) -> None:
    good, bad = (driven["prompts"][text] for text in PROMPTS)
    assert not good["fault"]
    assert list(good["rows"]) == ["here", *(spot.checkpoint.name for spot in made.spots)]
    for text in good["rows"].values():
        shares = [int(each) for each in re.findall(r"(\d+) %", text)]
        assert len(shares) == 3
        assert shares == sorted(shares, reverse=True)
    assert "is no token" in bad["fault"] or "opens as one of these does" in bad["fault"]
    for spot in made.subject.order:
        assert not driven["prompts"][spot]["fault"]
        assert driven["prompts"][spot]["text"]


@pytest.mark.skipif(not BROWSER, reason="no chromium here")
def test_the_address_holds_what_is_seen_and_survives_nonsense(driven: Any, made: Scene) -> None:
    text = page([content(made, "one", "M12+76=", {})])
    there = driven["controls"]["order"]["address"]
    assert drive(text, None, there)[0]["first"]["where"] == driven["controls"]["order"]["where"]
    found, logged = drive(text, None, "#run=7&moment=99&where=plane~9~nan&prompt=%3Cb%3E")
    assert found["first"]["where"]["kind"] == "plane"
    assert "CONSOLE" not in logged


def test_the_page_needs_nothing_else_and_is_small(made: Scene, smoke: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert main(["playground", str(smoke), "--out", str(out), "--quiet"]) == 0
    text = out.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=|@import|url\(", text)
    assert "<noscript>" in text
    assert len(text) < MOST_BYTES
    scripts = [file.read_text(encoding="utf-8") for file in FOLDER.glob("*.js")]
    assert sum(script.count("\n") for script in scripts) < MOST_LINES
    (written,) = re.findall(r'id="run-\d">(.*?)</script>', text)
    told = json.loads(written)["told"]
    again = content(made, told["title"], told["prompt"], {})
    assert json.loads(written) == json.loads(again)  # computed twice
    assert {-1.0, 1.5} <= set(A)
    assert {0.0, 1.0} <= set(A) & set(B)


def test_a_report_links_to_the_page_once_there_is_one(smoke: Path, tmp_path: Path) -> None:
    run = tmp_path / smoke.name
    shutil.copytree(smoke, run)
    link = 'href="playground.html"'
    assert link not in (run / "report.html").read_text(encoding="utf-8")
    assert main(["playground", str(run), "--quiet"]) == 0
    assert (run / "playground.html").exists()
    assert link in (run / "report.html").read_text(encoding="utf-8")


def test_a_run_that_has_no_page_is_refused_in_a_line(
    smoke: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(run: Path, why: str, *more: str) -> None:
        before = sorted(tmp_path.rglob("*.html"))
        assert main(["playground", str(run), *more, "--quiet"]) == 2
        printed = capsys.readouterr()
        assert why in printed.err
        assert printed.err.count("\n") == 1
        assert sorted(tmp_path.rglob("*.html")) == before

    refused(tmp_path / "none", "is no run")
    refused(smoke, "ending in .html", "--out", str(tmp_path / "page.txt"))
    refused(smoke, "is no folder", "--out", str(tmp_path / "nowhere" / "page.html"))
    one = ["run", "--preset", "smoke", "--order", "qa", "--quiet", "--threads", "1", "--out", str(tmp_path / "one")]
    assert main(one) == 0
    capsys.readouterr()
    alone = next((tmp_path / "one").glob("smoke-*"))
    refused(alone, "has one domain")
    refused(smoke, "other settings", str(alone), "--out", str(tmp_path / "page.html"))
    for damage, why in (("results", "no whole analysis"), ("checkpoints/math.safetensors", "damaged")):
        hurt = tmp_path / damage.partition("/")[0]
        shutil.copytree(smoke, hurt)
        (hurt / "playground.html").unlink(missing_ok=True)
        if damage == "results":
            told = json.loads((hurt / "results.json").read_text(encoding="utf-8"))
            told["claims"] = {key: claim for key, claim in told["claims"].items() if key == "C1"}
            (hurt / "results.json").write_text(json.dumps(told), encoding="utf-8")
        else:
            (hurt / damage).write_bytes((hurt / damage).read_bytes()[:-100])
        refused(hurt, why)


@pytest.fixture(scope="module")
def typical() -> tuple[Any, Any]:
    """What the book's first run tells, and what a browser makes of the book's page."""
    told = json.loads((FOLDER_OF_RUNS / f"{NAMES[0]}.json").read_text(encoding="utf-8"))["told"]
    places = {spot["name"]: {"kind": "checkpoint", "name": spot["name"]} for spot in told["spots"][-3:]}
    places["end"] = {"kind": "plane", "a": 1, "b": 1}
    found, logged = drive(built(), {"places": places, "prompts": [told["prompt"]]})
    assert "CONSOLE" not in logged
    return told, found


@pytest.mark.skipif(not BROWSER, reason="no chromium here")
def test_the_books_run_scores_what_python_says_of_it(typical: tuple[Any, Any], made: Scene) -> None:
    assert len(built()) < MOST_BYTES
    told, found = typical
    fresh = json.loads(content(made, "one", "M12+76=", {}))["told"]
    assert told.keys() == fresh.keys()  # packed by this code, or by code that told the same things
    wanted = {spot["name"]: spot["scores"] for spot in told["spots"]}
    wanted["end"] = wanted[told["last"]]
    for name, there in found["places"].items():
        assert points(there["scores"]) == pytest.approx(wanted[name], abs=POINTS + 0.05), name


@pytest.mark.skipif(not BROWSER, reason="no chromium here")
def test_a_moment_tells_nothing_before_the_guess(typical: tuple[Any, Any]) -> None:
    told, found = typical
    assert len(told["moments"]) == 5
    for seen, moment in zip(found["moments"], told["moments"], strict=True):
        domain = (moment["guess"] or {}).get("domain")
        assert seen["covered"], moment["title"]
        assert not seen["early"]
        assert not seen["between"]
        assert seen["task"] == moment["task"]
        assert seen["shown"]
        assert seen["told"].startswith("You guessed ")
        assert seen["told"].endswith(moment["told"])
        assert seen["marked"] == ([domain] if domain else [])
        assert seen["guessed"] == (domain is None)


@pytest.mark.skipif(not BROWSER, reason="no chromium here")
def test_the_example_tips_and_comes_back(typical: tuple[Any, Any]) -> None:
    told, found = typical
    rows = found["prompts"][told["prompt"]]["rows"]
    first = {name: re.match(r".+?(?= \d+ %)", text) for name, text in rows.items()}
    answers = {name: answer[0] for name, answer in first.items() if answer}
    assert answers[told["own"]] != answers[told["last"]]
    assert answers[told["own"]] == answers["refresh-math-3"]


def test_the_books_runs_are_those_that_the_results_choose_and_named_by_what_they_lost() -> None:
    kept = [json.loads((FOLDER_OF_RUNS / f"{name}.json").read_text(encoding="utf-8"))["told"] for name in NAMES]
    titles = [each["title"].partition(": seed ") for each in kept]
    assert [name for name, _, _ in titles] == list(NAMES)
    assert sorted(int(seed) for _, _, seed in titles) == sorted(chosen())
    scores = [{spot["name"]: spot["scores"]["math"] for spot in each["spots"]} for each in kept]
    typical, mild, strong = (each["math"] - each["cw"] for each in scores)
    assert mild < typical < strong
