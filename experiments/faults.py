"""What a user's machine can do to a run, done to it on purpose: does every run survive, and is anything lost?

Claim      Whatever happens, a run ends with the bytes of one left in peace, or is refused in one line with nothing
           written; and no fault shows a traceback.
Measured   Runs of the smoke preset by the command line, in processes of their own, each hit by a fault, and the same
           command or `toymdrl resume` after it. Compared: checkpoints, results, analyses, figures, summary and log;
           not what holds times (provenance.json, report.html), nor the log of the warm start, which other runs share.
Control    One run that is left in peace.
Band       All survive, nothing is lost.

And the fuzz tests' examples, counted. Interrupted, the same command goes on.

    python -m experiments.faults           # some 30 minutes on two cores; writes experiments/FAULTS.md
    python -m experiments.faults --quick   # a few of each kind, prints only
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from experiments.trials import KINDS, Bench, Trial
from toymdrl.files import write_atomically
from toymdrl.sourcecode import source_digest

HERE = Path(__file__).parent
PAGE = HERE / "FAULTS.md"
FOLDERS = ("analysis", "bounds", "checkpoints", "claims", "domains", "policy", "report", "runs", "study", "training")
DONE = HERE / "rows" / "faults.json"
"""Trials done by a command that was interrupted."""
FUZZED = ("command_lines", "configs", "results_given_to_report", "safetensors")
"""Tests of tests/test_fuzz.py that hypothesis gives examples."""


class Outcomes:
    """What each trial found, kept on disk until all are done; of this state of the package only."""

    def __init__(self, file: Path) -> None:
        self.file = file
        trials = (HERE / "trials.py").read_bytes() + Path(__file__).read_bytes()
        self.code = source_digest([".", *FOLDERS]) + hashlib.sha256(trials).hexdigest()
        self.found: dict[str, str | None] = {}
        if file.is_file():
            stored = json.loads(file.read_text(encoding="utf-8"))
            if stored["code"] == self.code:
                self.found = stored["found"]

    def add(self, key: str, outcome: str | None) -> None:
        """Keep one."""
        self.found[key] = outcome
        write_atomically(self.file, json.dumps({"code": self.code, "found": self.found}))


def tried(kind: str, trials: list[Trial], folder: str, workers: int, outcomes: Outcomes) -> list[str]:
    """What went wrong in trials of a kind."""

    def alone(index: int) -> str | None:
        with TemporaryDirectory(dir=folder) as own:
            os.chmod(own, 0o755)
            out = Path(own) / "out"
            out.mkdir()
            return trials[index](out)

    left = [index for index in range(len(trials)) if f"{kind} {index}" not in outcomes.found]
    with ThreadPoolExecutor(workers) as pool:
        bar = tqdm(pool.map(alone, left), total=len(trials), initial=len(trials) - len(left), desc=kind[:30])
        for index, outcome in zip(left, bar, strict=True):
            outcomes.add(f"{kind} {index}", outcome)
    wrong = [each for index in range(len(trials)) if (each := outcomes.found[f"{kind} {index}"])]
    for each in wrong:
        print(f"{kind}: {each}", file=sys.stderr)
    return wrong


def fuzzed() -> list[str]:
    """A line of the table for each fuzz test, its examples counted by hypothesis."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "tests/test_fuzz.py", "--hypothesis-show-statistics"]
    told = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=HERE.parent).stdout
    lines = []
    for name in FUZZED:
        # From this test's heading on, but not beyond the next one's.
        found = re.search(rf"::test_{name}:((?!::test_).)*?(\d+) passing, (\d+) failing", told, re.DOTALL)
        if not found:
            raise SystemExit(f"pytest did not count the examples of test_{name}:\n{told[-2000:]}")
        passing, failing = int(found[2]), int(found[3])
        lines.append(f"| fuzzed: {name.replace('_', ' ')} | {passing + failing} | {passing} | {failing} |")
    return lines


def main() -> int:
    """Try all; the exit status: 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few of each kind, without writing the page")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    lines = ["| what was done | tried | survived | lost |", "|---|---:|---:|---:|"]
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        bench = Bench(Path(folder), options.quick)
        outcomes = Outcomes(Path(folder) / "faults.json" if options.quick else DONE)
        for what, kind in KINDS.items():
            trials = list(kind(bench))
            wrong = tried(what, trials, folder, options.workers, outcomes)
            lines.append(f"| {what} | {len(trials)} | {len(trials) - len(wrong)} | {len(wrong)} |")
    lines += fuzzed()
    print("\n".join(lines))
    if not options.quick:
        about = "Written by `python -m experiments.faults`, whose docstring says what survival means."
        write_atomically(PAGE, "\n".join(["# Faults", "", about, "", *lines]) + "\n")
        DONE.unlink()
    return int(any(not line.endswith("| 0 |") for line in lines[2:]))


if __name__ == "__main__":
    sys.exit(main())
