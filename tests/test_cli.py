"""The command line: exit status, one clear line for each mistake, and nothing written."""

import json
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

import toymdrl
from toymdrl.claims.paper import TOPICS
from toymdrl.cli import main
from toymdrl.domains import DOMAINS
from toymdrl.runs.config import PRESETS, RunConfig
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.machine import contention
from toymdrl.settings import ConfigError


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--order", "math", "chess"], "unknown domain 'chess'; choose from math, code, qa, cw"),
        (["run", "--order", "math", "math"], "domain 'math' appears twice"),
        (["run", "--preset", "tiny"], "unknown preset 'tiny'; choose from smoke, laptop, thorough"),
        (["run", "--steps", "0"], "steps is 0; use 1 or more"),
        (["run", "--steps", "-3"], "steps is -3; use 1 or more"),
        (["run", "--steps", "many"], "invalid int value: 'many'"),
        (["run", "--lr", "nan"], "learning_rate is nan"),
        (["run", "--lr", "inf"], "learning_rate is inf"),
        (["run", "--kl", "-1"], "kl is -1.0; use 0 or more"),
        (["run", "--seed", "-1"], "seed is -1; use 0 or more"),
        (["run", "--threads", "0"], "threads is 0; use 1 or more"),
        (["run", "--device", "cuda:99"], "device 'cuda:99' is not available here; begin a run with --device cpu"),
        (["run", "--device", "abacus"], "unknown device 'abacus'; use cpu, cuda"),
        (["run", "--device", "meta"], "unknown device 'meta'; use cpu, cuda"),
        (["run", "--threads", "99999999999"], "threads is 99999999999; use 256 or fewer"),
        (["run", "--out", __file__], "is not a folder; give --out"),
        (["run", "--fast"], "unrecognized arguments: --fast; see `toymdrl run --help`"),
        (["walk"], "invalid choice: 'walk'"),
        ([], "required: COMMAND"),
        (["resume", "nowhere"], "nowhere is no run"),
        (["report", "nowhere"], "nowhere is no run"),
        (["reproduce", "--seeds", "1"], "seeds is 1; an interval needs 2 or more"),
        (["reproduce", "--first-seed", "-1"], "first-seed is -1; use 0 or more"),
        (["reproduce", "--device", "tpu"], "unknown device 'tpu'; use cpu, cuda"),
        (["reproduce", "--device", "mps"], "reproduce runs on cpu or cuda, not mps"),
        (["reproduce", "--claims"], "no claim and no question; name some"),
        (["reproduce", "--workers", "0"], "workers is 0; use 1 or more"),
        (["reproduce", "--claims", "C13"], "unknown claim 'C13'; choose from C1, C2"),
        (["reproduce", "--questions", "why"], "unknown question 'why'; choose from plane"),
    ],
)
def test_mistakes_get_one_line_and_write_nothing(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = int(str(stop.code))
    printed = capsys.readouterr()
    assert status == 2
    assert expected in printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out
    assert not list(tmp_path.iterdir())


def test_a_run_leaves_what_it_promises(smoke: Path) -> None:
    results = json.loads((smoke / "results.json").read_text())
    names = [entry["name"] for entry in results["checkpoints"]]
    assert names[:5] == ["base", "code", "math", "qa", "cw"]
    order = ("code", "math", "qa", "cw")
    assert names[5:13] == [f"refresh-{key}-{step}" for key in order for step in (1, 3)]
    assert names[13:] == [*(f"expert-{key}" for key in order), "further-math-3", "rollback-math-0.01"]
    for entry in results["checkpoints"]:
        assert set(entry["scores"]) == set(DOMAINS)
        assert all(0 <= score <= 100 for score in entry["scores"].values())
        assert entry["average"] == pytest.approx(sum(entry["scores"].values()) / len(DOMAINS))
    assert results["complete"]
    assert list(results["claims"]) == [f"C{number}" for number in range(1, 13)]
    for claim in results["claims"]:
        assert set(results["claims"][claim]) == {"paper", "measured", "interval", "control", "verdict"}
        assert results["claims"][claim]["verdict"] is None
    sessions = json.loads((smoke / "provenance.json").read_text())["sessions"]
    assert {"commit", "versions", "device", "threads", "started"} <= set(sessions[0])
    lines = [json.loads(line) for line in (smoke / "metrics.jsonl").read_text().splitlines()]
    config = PRESETS["smoke"]
    assert len(lines) == config.warm_start.steps + 8 * config.grpo.steps + 4 * config.refresh.steps + 3
    wanted = {"reward", "flat_groups", "entropy", "gradient_norm", "kl", "seconds"}
    assert all(wanted <= set(line) for line in lines if line["stage"] != "base")
    for name in ("journey", "selectivity", "training", *(topic.name for topic in TOPICS if topic.figure)):
        assert (smoke / "figures" / f"{name}.png").stat().st_size > 10_000


def test_a_finished_run_is_not_repeated_and_can_be_drawn_again(smoke: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def stamps() -> dict[Path, int]:
        files = (path for folder in ("checkpoints", "analysis") for path in (smoke / folder).iterdir())
        return {path: path.stat().st_mtime_ns for path in files}

    before = stamps()
    page = (smoke / "report.html").read_bytes()
    assert main(["resume", "--quiet", str(smoke)]) == 0
    assert stamps() == before
    (smoke / "report.html").unlink()
    (smoke / "figures" / "journey.png").unlink()
    assert main(["report", str(smoke)]) == 0
    assert len((smoke / "report.html").read_bytes()) == pytest.approx(len(page), rel=0.05)
    assert str(smoke / "report.html") in capsys.readouterr().out


def test_the_folder_of_runs_names_a_run_in_it(smoke: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(smoke.parent)]) == 2
    assert str(smoke) in capsys.readouterr().err


def test_one_domain_alone_is_a_run_too(tmp_path: Path) -> None:
    arguments = ["run", "--preset", "smoke", "--order", "qa", "--quiet", "--threads", "1", "--out", str(tmp_path)]
    assert main(arguments) == 0
    page = next(tmp_path.glob("smoke-*/report.html")).read_text(encoding="utf-8")
    assert "QA was trained alone" in page
    assert "Beside the paper" not in page


def test_a_run_without_analysis_can_be_given_one_later(tmp_path: Path) -> None:
    arguments = [
        "run",
        "--preset",
        "smoke",
        "--order",
        "math",
        "qa",
        "--quiet",
        "--threads",
        "1",
        "--out",
        str(tmp_path),
    ]
    assert main([*arguments, "--no-analysis"]) == 0
    run = next(tmp_path.glob("smoke-*"))
    results = json.loads((run / "results.json").read_text())
    assert results["complete"]
    assert set(results["claims"]) == {"C1", "C10"}
    assert not (run / "analysis").exists()
    base = (run / "checkpoints" / "base.safetensors").stat().st_mtime_ns
    assert main(["resume", "--quiet", str(run)]) == 0
    assert len(json.loads((run / "results.json").read_text())["claims"]) == 12
    assert (run / "checkpoints" / "base.safetensors").stat().st_mtime_ns == base
    # And it can be left out again, whole or, as after a failure, in part.
    for missing in ([], [run / "analysis" / "routes.json"]):
        for file in missing:
            file.unlink()
        assert main(["resume", "--quiet", "--no-analysis", str(run)]) == 0
        assert main(["report", str(run)]) == 0
        assert set(json.loads((run / "results.json").read_text())["claims"]) == {"C1", "C10"}


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"toymdrl {toymdrl.__version__}\n"
    root = Path(__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == toymdrl.__version__
    assert f"\nversion: {toymdrl.__version__}\n" in (root / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {toymdrl.__version__}\n" in (root / "CHANGELOG.md").read_text(encoding="utf-8")


def test_an_interrupt_of_a_short_command_says_what_to_do(
    smoke: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("toymdrl.commands.write_report", interrupted)
    assert main(["report", str(smoke)]) == 130
    assert capsys.readouterr().err == "toymdrl: interrupted; give the command again\n"


@pytest.mark.parametrize("damage", ["removed", "emptied", "of other checkpoints", "of another form", "another number"])
def test_a_damaged_analysis_is_made_again_to_the_same_bytes(
    damage: str, smoke: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = smoke / "analysis" / "edits.json"
    whole = file.read_bytes()
    match damage:
        case "removed":
            file.unlink()
        case "emptied":
            file.write_bytes(b"")
        case "of other checkpoints":
            file.write_bytes(whole.replace(b'"key": "', b'"key": "0'))
        case "of another form":
            file.write_bytes(whole.replace(b'"norm"', b'"size"'))
        case "another number":
            file.write_bytes(whole.replace(b"0.1", b"0.2"))
            assert file.read_bytes() != whole
    if damage != "of other checkpoints":
        assert main(["report", str(smoke)]) == 2
        assert "make it again with `toymdrl resume" in capsys.readouterr().err
    assert main(["resume", "--quiet", str(smoke)]) == 0
    assert file.read_bytes() == whole


def test_a_run_in_which_nothing_changed_has_nothing_to_explain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", "--preset", "smoke", "--order", "math", "qa", "--lr", "0", "--quiet", "--threads", "1"]
    assert main([*arguments, "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "training changed nothing" in error
    assert "--no-analysis` leaves the analysis out" in error
    assert error.count("\n") == 1


def test_an_unfinished_run_has_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunDirectory.create(tmp_path, PRESETS["smoke"])
    assert main(["report", str(run.path)]) == 2
    assert "is not complete" in capsys.readouterr().err
    run.write_results()
    assert main(["report", str(run.path)]) == 2
    assert f"go on with `toymdrl resume {run.path}`" in capsys.readouterr().err


def test_a_run_in_use_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunDirectory.create(tmp_path, PRESETS["smoke"])
    before = sorted(run.path.iterdir())
    with run.lock():
        assert main(["run", "--preset", "smoke", "--threads", "2", "--out", str(tmp_path)]) == 2
    assert "another process is working on" in capsys.readouterr().err
    assert sorted(run.path.iterdir()) == before


@pytest.mark.parametrize(
    ("set_to", "given", "threads"),
    [("1", [], 1), ("64", [], 2), ("all", [], 2), ("0", [], 2), ("1", ["--threads", "2"], 2)],
)
def test_no_more_threads_than_the_user_allows_all_programs(
    set_to: str, given: list[str], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def stop(config: RunConfig) -> None:
        seen.append(config.threads)
        raise ConfigError("enough")

    monkeypatch.setenv("OMP_NUM_THREADS", set_to)
    monkeypatch.setattr("toymdrl.commands.prepare", stop)
    assert main(["run", "--preset", "smoke", *given]) == 2
    assert seen == [threads]


@pytest.mark.parametrize(("rate", "steps"), [("1e10", "4"), ("1e30", "4"), ("1e39", "4"), ("1e39", "1")])
def test_divergence_is_status_one(rate: str, steps: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "--preset", "smoke", "--quiet", "--threads", "1", "--lr", rate, "--steps", steps]
    assert main([*arguments, "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "code after step" in error
    assert "last good state kept is checkpoint base; try a lower --lr" in error
    results = json.loads(next(tmp_path.glob("smoke-*/results.json")).read_text())
    assert [entry["name"] for entry in results["checkpoints"]] == ["base"]


def test_an_interrupt_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("toymdrl.commands.train", interrupted)
    assert main(["run", "--preset", "smoke", "--quiet", "--out", str(tmp_path)]) == 130
    assert f"go on with `toymdrl resume {tmp_path}" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows interrupts a whole console, this test included")
def test_ctrl_c_ends_soon_and_says_how_to_go_on(tmp_path: Path) -> None:
    """A real interrupt in the middle of a stage, then the command that the message names."""
    command = [sys.executable, "-m", "toymdrl", "run", "--preset", "smoke", "--no-analysis", "--threads", "1"]
    # Stages that last some seconds: on a busy machine the signal may come late.
    command += ["--order", "math", "qa", "--steps", "150", "--out", str(tmp_path)]
    # Tests started in the background ignore interrupts, and would hand that down.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        while not (process.stdout.readline()).startswith("base"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert error.splitlines()[-1].startswith("toymdrl: interrupted; go on with `toymdrl resume ")
    resume = error.split("`")[1].split()[1:]
    assert main([*resume, "--quiet", "--no-analysis"]) == 0


def test_help_does_not_import_torch() -> None:
    attempt = "try: main(['--help'])\nexcept SystemExit: print('torch' in sys.modules)"
    code = f"import sys; from toymdrl.cli import main\n{attempt}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(("slower", "warned"), [(20.0, True), (0.7, False)])
def test_threads_that_would_fight_are_warned_of(
    slower: float, warned: bool, smoke: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("toymdrl.commands.contention", lambda threads: slower)
    monkeypatch.setattr("toymdrl.commands._carry_out", lambda *_: None)
    config = json.loads((smoke / "config.json").read_text())
    assert config["threads"] == 1
    assert main(["resume", str(smoke)]) == 0
    assert "warning" not in capsys.readouterr().err  # one thread has none to wait for
    assert main(["run", "--preset", "smoke", "--threads", "2", "--seed", "9", "--out", str(smoke.parent)]) == 0
    assert ("--threads 1 would be faster" in capsys.readouterr().err) == warned
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_contention_leaves_the_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    assert contention(2) > 0
    assert torch.get_num_threads() == before
