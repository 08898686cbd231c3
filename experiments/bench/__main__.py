"""All benchmarks, one after the other, and BENCH.md from them.

python -m experiments.bench --rivals build/rivals/bin/python      # half an hour, on a machine that does nothing else

grpo_step.py needs the extra `bench`; curvature.py its rivals' environment, see its docstring; population.py a CUDA GPU.
What cannot run keeps its last result.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import torch

DESCRIPTION = """All benchmarks, then BENCH.md: half an hour, on a machine that does nothing else. Overwrites
experiments/results/bench_*.json; what cannot run here (without TRL, --rivals or a GPU) keeps its last result."""
HERE = Path(__file__).parent


def main() -> int:
    """Command line; the exit status: 1 if a benchmark failed."""
    parser = argparse.ArgumentParser(prog="python -m experiments.bench", description=DESCRIPTION)
    parser.add_argument("--rivals", type=Path, metavar="PYTHON", help="interpreter that has curvlinops and PyHessian")
    rivals = parser.parse_args().rivals
    names = ["steps", "grpo_step", "growth", "laptop_run", "workers"] + ["population"] * torch.cuda.is_available()
    plan = [[sys.executable, "-m", f"experiments.bench.{name}"] for name in names]
    if rivals:
        plan.append([str(rivals), str(HERE / "curvature.py")])  # an environment without this package
    failed = 0
    for command in [*plan, [sys.executable, "-m", "experiments.bench.page"]]:
        print(f"== {command[-1]}", flush=True)
        # numpy's own threads would take the cores from torch's; the command line turns them off as well.
        alone = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        failed |= subprocess.run(command, env=alone, check=False, cwd=HERE.parents[1]).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
