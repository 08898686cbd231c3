"""The thorough profile, thirty times the examples, a file after another: an interrupted one goes on where it was.

    python theory/thorough.py           # about ten minutes; records theory/thorough.json

A file that passed is run again only when it, the instances or the bounds have changed. Each run draws its own examples
from a seed that the record names: `pytest theory/FILE --hypothesis-profile thorough --hypothesis-seed SEED` repeats it.
"""

import argparse
import ast
import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

FOLDER = Path(__file__).resolve().parent
RECORD = FOLDER / "thorough.json"
SHARED = [FOLDER / "instances.py", FOLDER / "conftest.py", *sorted((FOLDER.parent / "toymdrl" / "bounds").glob("*.py"))]
_writing = Lock()


def digest(test: Path) -> str:
    """Of the code that decides a file's tests: not of the proof that stands before it, nor of comments."""
    found = hashlib.sha256()
    for file in (*SHARED, test):
        _proof, *code = ast.parse(file.read_text(encoding="utf-8")).body
        found.update("\n".join(map(ast.unparse, code)).encode())
    return found.hexdigest()


def read() -> dict[str, dict[str, object]]:
    """What has passed so far, by file."""
    try:
        return dict(json.loads(RECORD.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def run(test: Path) -> bool:
    """Run one file; whether it passed. A pass is recorded."""
    seed, began = secrets.randbelow(2**31), time.monotonic()
    options = ["-n", "0", "--hypothesis-profile", "thorough", "--hypothesis-seed", str(seed)]
    command = [sys.executable, "-m", "pytest", *options, f"theory/{test.name}"]
    quiet = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=FOLDER.parent, env=quiet, capture_output=True, encoding="utf-8", check=False)
    seconds = round(time.monotonic() - began)
    passed = re.search(r"(\d+) passed", done.stdout)
    print(f"{test.name}: {done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr}", flush=True)
    if done.returncode or not passed:
        print(done.stdout[-4000:], flush=True)
        return False
    with _writing:
        rows = read() | {
            test.name: {"tests": int(passed[1]), "seed": seed, "seconds": seconds, "digest": digest(test)[:16]}
        }
        fresh = RECORD.with_suffix(".new")
        fresh.write_text(json.dumps(dict(sorted(rows.items())), indent=1) + "\n", encoding="utf-8")
        fresh.replace(RECORD)
    return True


def main() -> int:
    """Run what has not passed yet."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    done = read()
    tests = sorted(FOLDER.glob("test_*.py"))
    left = [test for test in tests if done.get(test.name, {}).get("digest") != digest(test)[:16]]
    print(f"{len(tests) - len(left)} of {len(tests)} files have passed already", flush=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = list(pool.map(run, left))
    print("all passed" if all(outcomes) else "some failed; run it again after mending them")
    return int(not all(outcomes))


if __name__ == "__main__":
    raise SystemExit(main())
