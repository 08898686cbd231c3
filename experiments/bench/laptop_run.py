"""The whole laptop run by phase: seconds and memory.

Measured   One run of a fresh seed in one process, on the preset's threads: seconds of its warm start, stages, refreshes
           and controls with their scores and files, and of each analysis; peak memory before the analysis and after
           (Linux only). A run without its analysis trains no controls.
Bands      On 2 idle cores, under 75 s without the analysis and under 200 s with it; peak memory under 2 GiB.

    python -m experiments.bench.laptop_run       # three minutes; writes experiments/results/bench_run.json
"""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from experiments.bench.clock import machine, peak_mib
from toymdrl.claims.explanation import explain, outcome
from toymdrl.claims.paper import entries
from toymdrl.files import write_atomically
from toymdrl.report.write import write_report
from toymdrl.runs.config import PRESETS
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.machine import prepare
from toymdrl.runs.pipeline import execute
from toymdrl.runs.plan import Kind, Stage, everything
from toymdrl.runs.progress import Observer

SEED = 200
RESULT = Path(__file__).parents[1] / "results" / "bench_run.json"
PHASES: dict[Kind, str] = {
    "base": "warm start",
    "stage": "stages",
    "refresh": "refreshes",
    "expert": "controls",
    "further": "controls",
}


class Clock(Observer):
    """Adds up what each phase takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since, self._stage = perf_counter(), ""

    def enter(self, phase: str) -> None:
        """Time from the last call on belonged to this phase."""
        now = perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._since
        self._since = now

    def step(self, stage: Stage, metrics: dict[str, float]) -> None:
        """All since the last step was spent on this one."""
        self.enter(PHASES[stage.kind])

    def analysis(self, name: str) -> None:
        """All since the last analysis was spent on this one."""
        self.enter(f"analysis: {name}")


def main() -> None:
    """Measure, judge, write."""
    config = replace(PRESETS["laptop"], seed=SEED)
    prepare(config)
    with TemporaryDirectory() as folder:
        run, clock = RunDirectory.create(Path(folder), config), Clock()
        with run.lock():
            execute(run, everything(config), clock)
            trained, before = sum(clock.seconds.values()) - clock.seconds["controls"], peak_mib()
            explanation = explain(run, clock)
            run.write_results(entries(outcome(run, explanation)))
            write_report(run)
            clock.enter("report")
    total, memory = sum(clock.seconds.values()), peak_mib()
    found = {
        "seconds": {"without analysis": trained, "in all": total, "by phase": clock.seconds},
        "peak_mib": {"without analysis": before, "in all": memory},
        "bands": {"without analysis": trained < 75, "in all": total < 200, "memory": memory < 2048},
        "machine": machine(),
    }
    write_atomically(RESULT, json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
