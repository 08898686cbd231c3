"""The theorems need numpy, hypothesis and pytest: no torch, no scipy, no part of toymdrl but its bounds."""

import subprocess
import sys
from pathlib import Path

LOAD = """
import importlib, sys
for name in {modules}:
    importlib.import_module(name)
print(*sorted(name for name in sys.modules if name.split(".")[0] in ("torch", "scipy", "toymdrl")))
"""


def test_nothing_else_is_imported() -> None:
    modules = [f"theory.{file.stem}" for file in Path(__file__).parent.glob("*.py") if file.stem != "__init__"]
    assert len(modules) > 10
    command = [sys.executable, "-c", LOAD.format(modules=modules)]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, encoding="utf-8", check=True)
    loaded = done.stdout.split()
    assert "toymdrl.bounds" in loaded
    assert all(name == "toymdrl" or name.startswith("toymdrl.bounds") for name in loaded), loaded
