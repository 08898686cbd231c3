"""What a user's machine can do to a run: each trial does one thing to a run and tells what went wrong, if anything.

For a POSIX system: Windows has no SIGKILL, no file size limits and no terminals of this kind.
"""

import fcntl
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from toymdrl.runs.metrics import MetricsLog

SETTING = ("--preset", "smoke", "--threads", "1", "--quiet")
TIMES_ONLY = {"provenance.json", "report.html", ".lock"}
"""Files of a run that hold times."""
Trial = Callable[[Path], str | None]
"""Does one fault to a run in a folder of its own; what went wrong, or None."""


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


class Bench:
    """A run left in peace, and what others are held against."""

    def __init__(self, folder: Path, quick: bool) -> None:
        self.quick, self.folder = quick, folder
        began = time.monotonic()
        done = toymdrl("run", *SETTING, "--out", str(folder / "whole"))
        assert done.returncode == 0, done.stderr
        self.seconds = time.monotonic() - began
        self.whole = content(folder / "whole")
        assert toymdrl("run", *SETTING, "--seed", "1", "--out", str(folder / "other")).returncode == 0
        (self.run,) = (folder / "whole").glob("smoke-*")
        (self.other,) = (folder / "other").glob("smoke-*")

    def ends_well(self, out: Path, **options: object) -> str | None:
        """The command again: the same bytes, no traceback."""
        done = toymdrl("run", *SETTING, "--out", str(out), **options)
        if done.returncode:
            return f"exit status {done.returncode}: {str(done.stderr).strip()[-200:]}"
        return None if content(out) == self.whole else "other bytes"

    def start(self, out: Path, **options: object) -> subprocess.Popen[str]:
        """The command, going on by itself."""
        command = [sys.executable, "-m", "toymdrl", "run", *SETTING, "--out", str(out)]
        plain: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
        return subprocess.Popen(command, **(plain | options))  # type: ignore[call-overload]


def one_line(status: int, error: str) -> str | None:
    """A refusal: status 1 or 2, one line, no traceback."""
    if status not in (1, 2):
        return f"exit status {status}"
    lines = [line for line in error.strip().splitlines() if line]
    return None if len(lines) == 1 and "Traceback" not in error else f"says {error.strip()[-200:]!r}"


def kills(bench: Bench) -> Iterator[Trial]:
    """SIGKILL at random moments."""
    moments = random.Random(0)
    for _ in range(4 if bench.quick else 50):
        moment = moments.uniform(0.02, 0.98) * bench.seconds

        def trial(out: Path, moment: float = moment) -> str | None:
            process = bench.start(out)
            try:
                process.wait(timeout=moment)
                return "it ended before it could be killed"
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.communicate()
            return bench.ends_well(out)

        yield trial


def damages(bench: Bench) -> Iterator[Trial]:
    """Every file of a finished run, spoilt in every way; resumed, it is as before or refused with nothing changed."""
    files = sorted(file.relative_to(bench.run) for file in bench.run.rglob("*") if file.is_file())
    ways = ("truncated", "emptied", "flipped", "exchanged", "removed")
    todo = [(file, way) for file in files if file.name != ".lock" for way in ways]
    todo = [(file, way) for file, way in todo if way != "exchanged" or (bench.other / file).exists()]
    for file, way in todo[:: 40 if bench.quick else 1]:

        def trial(out: Path, file: Path = file, way: str = way) -> str | None:
            run = out / bench.run.name
            shutil.copytree(bench.run, run)
            spoilt = run / file
            data = bytearray(spoilt.read_bytes())
            if way == "removed":
                spoilt.unlink()
            elif way == "exchanged":
                spoilt.write_bytes((bench.other / file).read_bytes())
            elif way == "flipped":
                data[len(data) // 2] ^= 1
                spoilt.write_bytes(data)
            else:
                spoilt.write_bytes(data[: len(data) // 2] if way == "truncated" else b"")
            if file.name.startswith("eigenpairs-"):  # kept to save time, and looked at only when they are needed
                (run / "analysis" / "conflict.json").unlink()
            before = content(out)
            done = toymdrl("resume", str(run), "--quiet")
            if done.returncode == 0:
                return None if content(out) == bench.whole else f"{file} {way}: other bytes"
            wrong = one_line(done.returncode, str(done.stderr))
            if wrong is None and content(out) != before:
                wrong = "refused, but something was written"
            return f"{file} {way}: {wrong}" if wrong else None

        yield trial


def full_disk(bench: Bench) -> Iterator[Trial]:
    """No file can grow beyond a size; then there is room again."""
    for size in (0, 2_000, 60_000, 150_000)[: 2 if bench.quick else 4]:

        def trial(out: Path, size: int = size) -> str | None:
            code = (
                f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
                "from toymdrl.cli import main; sys.exit(main(sys.argv[1:]))"
            )
            command = [sys.executable, "-c", code, "run", *SETTING, "--out", str(out)]
            done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=900)
            return one_line(done.returncode, done.stderr) or bench.ends_well(out)

        yield trial


def folders(bench: Bench) -> Iterator[Trial]:
    """A folder that is a file, one that cannot be written, one that vanishes."""

    def a_file(out: Path) -> str | None:
        out.rmdir()
        out.write_text("mine")
        done = toymdrl("run", *SETTING, "--out", str(out))
        return one_line(done.returncode, str(done.stderr)) or (None if out.read_text() == "mine" else "overwritten")

    def read_only(out: Path) -> str | None:
        out.chmod(0o555)
        powerless = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []  # root writes everywhere
        command = [*powerless, sys.executable, "-m", "toymdrl", "run", *SETTING, "--out", str(out)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=900)
        wrong = one_line(done.returncode, str(done.stderr))
        out.chmod(0o755)
        return wrong or (f"{list(out.iterdir())} was written" if any(out.iterdir()) else bench.ends_well(out))

    def vanishes(out: Path) -> str | None:
        process = bench.start(out)
        time.sleep(0.5 * bench.seconds)
        shutil.rmtree(out, ignore_errors=True)
        _, error = process.communicate(timeout=900)
        out.mkdir(exist_ok=True)
        wrong = None if process.returncode == 0 and "Traceback" not in error else one_line(process.returncode, error)
        shutil.rmtree(out)
        out.mkdir()
        return wrong or bench.ends_well(out)

    yield from (a_file, read_only, vanishes)


def company(bench: Bench) -> Iterator[Trial]:
    """Two processes on one run: one works, the other is refused."""

    def trial(out: Path) -> str | None:
        one, two = bench.start(out), bench.start(out)
        errors = [process.communicate(timeout=900)[1] for process in (one, two)]
        statuses = sorted(process.returncode for process in (one, two))
        if statuses == [0, 2]:
            refused = errors[0] if one.returncode else errors[1]
            return one_line(2, refused) or (None if content(out) == bench.whole else "other bytes")
        if statuses == [0, 0]:  # one came when the other had finished
            return None if content(out) == bench.whole else "other bytes"
        return f"exit statuses {statuses}"

    yield from [trial] * (1 if bench.quick else 5)


def surroundings(bench: Bench) -> Iterator[Trial]:
    """Clock, locale, home, path, terminal, and a reader that leaves."""

    def clock(out: Path) -> str | None:
        code = (
            "import sys, time; real = time.time; time.time = lambda: 2e9 - real()\n"
            "from toymdrl.cli import main; sys.exit(main(sys.argv[1:]))"
        )
        command = [sys.executable, "-c", code, "run", *SETTING, "--out", str(out)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=900)
        return done.stderr[-200:] if done.returncode else bench.ends_well(out)

    def locale(out: Path) -> str | None:
        poor = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
        return bench.ends_well(out, env=os.environ | poor)

    def home(out: Path) -> str | None:
        return bench.ends_well(out, env={key: value for key, value in os.environ.items() if key != "HOME"})

    def no_such_home(out: Path) -> str | None:
        return bench.ends_well(out, env=os.environ | {"HOME": "/nonexistent"})

    def path(out: Path) -> str | None:
        return bench.ends_well(out / "a folder with spaces" / "ünïcödé — 数学")

    def narrow(out: Path) -> str | None:
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
        if process.wait() or "Traceback" in screen or not bars:
            return screen[-200:]
        if (widest := max(len(re.sub("\x1b\\[[0-9;]*[A-Za-z]", "", each)) for each in bars)) > 40:
            return f"a bar of {widest} columns"
        return bench.ends_well(out)

    def reader(out: Path) -> str | None:
        process = bench.start(out)
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read()
        process.wait(timeout=900)
        if "Traceback" in error or "Exception ignored" in error:
            return error[-200:]
        return bench.ends_well(out)

    yield from (clock, locale, home, no_such_home, path, narrow, reader)


KINDS = {
    "SIGKILL at a random moment": kills,
    "a file truncated, emptied, bit-flipped, exchanged with another run's, removed": damages,
    "a full disk (no file can grow)": full_disk,
    "the folder is a file, cannot be written, vanishes": folders,
    "two processes on one run": company,
    "clock running backwards, ASCII locale, no HOME, a HOME that is not there, spaces and non-ASCII letters in "
    "the path, a terminal of 40 columns, a pipe that closes": surroundings,
}
