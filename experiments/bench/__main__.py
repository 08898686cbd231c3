"""All benchmarks, one after the other, and BENCH.md from them.

python -m experiments.bench --rivals build/rivals/bin/python      # ten minutes, on a machine that does nothing else

grpo_step.py needs the extra `bench`; curvature.py its rivals' environment, see its docstring; population.py a CUDA GPU.
What cannot run keeps its last result.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent


def main() -> int:
    """Command line; the exit status: 1 if a benchmark failed."""
    parser = argparse.ArgumentParser(prog="python -m experiments.bench", description="All benchmarks, then BENCH.md.")
    parser.add_argument("--rivals", type=Path, metavar="PYTHON", help="interpreter that has curvlinops and PyHessian")
    rivals = parser.parse_args().rivals
    plan = [(sys.executable, name) for name in ("steps.py", "grpo_step.py", "growth.py", "laptop_run.py")]
    if rivals:
        plan.append((str(rivals), "curvature.py"))
    if torch.cuda.is_available():
        plan.append((sys.executable, "population.py"))
    failed = 0
    for python, name in [*plan, (sys.executable, "page.py")]:
        print(f"== {name}", flush=True)
        failed |= subprocess.run([python, str(HERE / name)], check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
