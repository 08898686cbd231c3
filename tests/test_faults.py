"""What a user's machine can do to a run, done to it on purpose: does every run survive, and is anything lost?

Claim      Whatever happens, a run ends with the bytes of one left in peace, or is refused in one line with nothing
           written; and no fault shows a traceback.
Measured   Runs of the smoke preset by the command line, in processes of their own, each hit by a fault, and the same
           command or `toymdrl resume` after it. Compared: checkpoints, results, analyses, figures, summary and log;
           not what holds times (provenance.json, report.html), nor the log of the warm start, which other runs share.
Control    One run that is left in peace.
Band       All survive, nothing is lost.

For a POSIX system: Windows has no SIGKILL, no file size limits and no terminals of this kind. Not run with the other
tests, being long:

    python -m pytest -m faults         # some 30 minutes on two cores; --lf tries again what was lost
    python -m pytest -m "faults or not faults" tests/test_faults.py tests/test_fuzz.py --faults-page
                                       # with the fuzz tests; writes experiments/FAULTS.md
"""

import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from toymdrl.runs.metrics import MetricsLog

fcntl = pytest.importorskip("fcntl")
termios = pytest.importorskip("termios")
pytestmark = pytest.mark.faults
SETTING = ("--preset", "smoke", "--threads", "1", "--quiet")
TIMES_ONLY = {"provenance.json", "report.html", ".lock"}
"""Files of a run that hold times."""
KILLS, TOGETHER = 50, 5
WAYS = ("truncated", "emptied", "flipped", "exchanged", "removed")
"""To spoil a file."""


def toymdrl(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "toymdrl", *arguments]
    plain: dict[str, object] = {"capture_output": True, "encoding": "utf-8", "errors": "replace", "timeout": 900}
    return subprocess.run(command, check=False, **(plain | options))  # type: ignore[call-overload]


def content(out: Path) -> dict[str, bytes]:
    """All that must be the same, by name."""
    (run,) = out.glob("smoke-*")
    files = [file for file in run.rglob("*") if file.is_file() and file.name not in TIMES_ONLY]
    found = {str(file.relative_to(run)): file.read_bytes() for file in files}
    # The log without its clock, and without the warm start's lines, which a run that takes it from a cache has not.
    lines = [line for line in MetricsLog(run / "metrics.jsonl").lines() if line["stage"] != "base"]
    found["metrics.jsonl"] = repr([{k: v for k, v in line.items() if k != "seconds"} for line in lines]).encode()
    return found


KINDS = {
    "test_killed": "SIGKILL at a random moment",
    "test_spoilt": "a file truncated, emptied, bit-flipped, exchanged with another run's, removed",
    "test_full_disk": "a full disk (no file can grow)",
    "test_folder": "the folder is a file, cannot be written, vanishes",
    "test_two_at_once": "two processes on one run",
    "test_": "clock running backwards, ASCII locale, no HOME, a HOME that is not there, spaces and non-ASCII letters "
    "in the path, a terminal of 40 columns, a pipe that closes",
}
"""What is done, by how a test's name begins."""


@pytest.fixture(autouse=True)
def on_the_page(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """A line of experiments/FAULTS.md, see conftest.py."""
    name = request.node.name
    record_property("fault", next(kind for begins, kind in KINDS.items() if name.startswith(begins)))


@dataclass(frozen=True)
class Peace:
    """A run that was left in peace, which all others are held against."""

    run: Path
    other: Path
    """The run of another seed."""
    whole: dict[str, bytes]
    seconds: float


@pytest.fixture(scope="session")
def peace(tmp_path_factory: pytest.TempPathFactory) -> Peace:
    folder = tmp_path_factory.mktemp("peace")
    began = time.monotonic()
    done = toymdrl("run", *SETTING, "--out", str(folder / "whole"))
    assert done.returncode == 0, done.stderr
    seconds = time.monotonic() - began
    assert toymdrl("run", *SETTING, "--seed", "1", "--out", str(folder / "other")).returncode == 0
    (run,) = (folder / "whole").glob("smoke-*")
    (other,) = (folder / "other").glob("smoke-*")
    return Peace(run, other, content(folder / "whole"), seconds)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def start(out: Path) -> subprocess.Popen[str]:
    """The command, going on by itself."""
    command = [sys.executable, "-m", "toymdrl", "run", *SETTING, "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


def ends_well(peace: Peace, out: Path, **options: object) -> None:
    """The command again: the same bytes, no traceback."""
    done = toymdrl("run", *SETTING, "--out", str(out), **options)
    assert done.returncode == 0, str(done.stderr)[-200:]
    assert content(out) == peace.whole


def is_refused(status: int, error: str) -> None:
    """Status 1 or 2, one line, no traceback."""
    assert status in (1, 2)
    assert len([line for line in error.strip().splitlines() if line]) == 1
    assert "Traceback" not in error


def with_code(code: str, out: Path) -> subprocess.CompletedProcess[str]:
    """The command behind some code of ours in the same process."""
    whole = f"{code}\nfrom toymdrl.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", whole, "run", *SETTING, "--out", str(out)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=900)


@pytest.mark.parametrize("number", range(KILLS))
def test_killed(number: int, peace: Peace, out: Path) -> None:
    moment = random.Random(number).uniform(0.02, 0.98) * peace.seconds
    process = start(out)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=moment)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    ends_well(peace, out)


@pytest.mark.parametrize("way", WAYS)
def test_spoilt(way: str, peace: Peace, out: Path, record_property: Callable[[str, object], None]) -> None:
    files = sorted(file.relative_to(peace.run) for file in peace.run.rglob("*") if file.is_file())
    files = [file for file in files if file.name != ".lock" and (way != "exchanged" or (peace.other / file).exists())]
    record_property("tried", len(files))
    lost = []
    for number, file in enumerate(files):
        try:
            spoilt_alone(peace, out / str(number), file, way)
        except AssertionError as error:
            lost.append(f"{file}: {error}")
    record_property("lost", len(lost))
    assert not lost


def spoilt_alone(peace: Peace, out: Path, file: Path, way: str) -> None:
    """One file of a finished run; resumed, it is as before or refused with nothing changed."""
    run = out / peace.run.name
    shutil.copytree(peace.run, run)
    spoilt = run / file
    data = bytearray(spoilt.read_bytes())
    match way:
        case "removed":
            spoilt.unlink()
        case "exchanged":
            spoilt.write_bytes((peace.other / file).read_bytes())
        case "flipped":
            data[len(data) // 2] ^= 1
            spoilt.write_bytes(data)
        case "truncated":
            spoilt.write_bytes(data[: len(data) // 2])
        case "emptied":
            spoilt.write_bytes(b"")
    if file.name.startswith("eigenpairs-"):  # kept to save time, and looked at only when they are needed
        (run / "analysis" / "conflict.json").unlink()
    before = content(out)
    done = toymdrl("resume", str(run), "--quiet")
    if done.returncode == 0:
        assert content(out) == peace.whole
    else:
        is_refused(done.returncode, str(done.stderr))
        assert content(out) == before


@pytest.mark.parametrize("size", [0, 2_000, 60_000, 150_000])
def test_full_disk(size: int, peace: Peace, out: Path) -> None:
    done = with_code(f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))", out)
    is_refused(done.returncode, done.stderr)
    ends_well(peace, out)  # there is room again


def test_folder_is_a_file(out: Path) -> None:
    out.rmdir()
    out.write_text("mine")
    done = toymdrl("run", *SETTING, "--out", str(out))
    is_refused(done.returncode, str(done.stderr))
    assert out.read_text() == "mine"


def test_folder_cannot_be_written(peace: Peace, out: Path) -> None:
    out.chmod(0o555)
    powerless = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []  # root writes everywhere
    command = [*powerless, sys.executable, "-m", "toymdrl", "run", *SETTING, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=900)
    out.chmod(0o755)
    is_refused(done.returncode, done.stderr)
    assert not any(out.iterdir())
    ends_well(peace, out)


def test_folder_vanishes(peace: Peace, out: Path) -> None:
    process = start(out)
    time.sleep(0.5 * peace.seconds)
    shutil.rmtree(out, ignore_errors=True)
    _, error = process.communicate(timeout=900)
    if process.returncode or "Traceback" in error:
        is_refused(process.returncode, error)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    ends_well(peace, out)


@pytest.mark.parametrize("_", range(TOGETHER))
def test_two_at_once(_: int, peace: Peace, out: Path) -> None:
    one, two = start(out), start(out)
    errors = [process.communicate(timeout=900)[1] for process in (one, two)]
    statuses = sorted(process.returncode for process in (one, two))
    # One works and the other is refused, unless it came when the first had finished.
    assert statuses in ([0, 2], [0, 0])
    if statuses == [0, 2]:
        is_refused(2, errors[0] if one.returncode else errors[1])
    assert content(out) == peace.whole


def test_clock_running_backwards(peace: Peace, out: Path) -> None:
    done = with_code("import sys, time; real = time.time; time.time = lambda: 2e9 - real()", out)
    assert done.returncode == 0, done.stderr[-200:]
    ends_well(peace, out)


POOR = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


@pytest.mark.parametrize(
    ("without", "others"),
    [("", POOR), ("HOME", {}), ("", {"HOME": "/nonexistent"})],
    ids=["ASCII locale", "no HOME", "a HOME that is not there"],
)
def test_environment(without: str, others: dict[str, str], peace: Peace, out: Path) -> None:
    kept = {key: value for key, value in os.environ.items() if key != without}
    ends_well(peace, out, env=kept | others)


def test_spaces_and_other_letters_in_the_path(peace: Peace, out: Path) -> None:
    ends_well(peace, out / "a folder with spaces" / "ünïcödé — 数学")


def test_terminal_of_40_columns(peace: Peace, out: Path) -> None:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
    command = [sys.executable, "-m", "toymdrl", "run", *SETTING[:-1], "--out", str(out)]  # with its bar
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the terminal is closed at the end
        while some := os.read(ours, 4096):
            shown += some
    os.close(ours)
    screen = shown.decode(errors="replace")
    bars = [each for each in re.split("[\r\n]", screen) if "%" in each]
    assert process.wait() == 0, screen[-200:]
    assert "Traceback" not in screen
    assert max(len(re.sub("\x1b\\[[0-9;]*[A-Za-z]", "", each)) for each in bars) <= 40
    ends_well(peace, out)


def test_pipe_that_closes(peace: Peace, out: Path) -> None:
    process = start(out)
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    process.wait(timeout=900)
    assert "Traceback" not in error
    assert "Exception ignored" not in error
    ends_well(peace, out)
