"""Settings of every test: one thread a worker, hypothesis without a clock and the same examples each time."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import Phase, settings
from torch import Tensor

from tests.planted import HELD, SIZE
from toymdrl.cli import main

torch.set_num_threads(1)
settings.register_profile("default", deadline=None, derandomize=True, max_examples=25)
# For tests/mutate.py, as in theory/conftest.py.
settings.register_profile(
    "mutate", settings.get_profile("default"), phases=(Phase.explicit, Phase.generate), report_multiple_bugs=False
)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _torchs_own_stream() -> None:
    """What other libraries' modules draw when they are made: the same in every run of a test."""
    torch.manual_seed(0)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def planted(generator: torch.Generator) -> Tensor:
    """An orthonormal basis of the planted conflict subspace."""
    return torch.linalg.qr(torch.randn(SIZE, HELD, dtype=torch.float64, generator=generator))[0]


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run of the smoke preset."""
    out = tmp_path_factory.mktemp("smoke")
    assert main(["run", "--preset", "smoke", "--quiet", "--threads", "1", "--out", str(out)]) == 0
    return next(out.glob("smoke-*"))


PAGE = Path(__file__).parents[1] / "experiments" / "FAULTS.md"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults-page", action="store_true", help="write experiments/FAULTS.md of the faults tried")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The page of faults: what was done, how often, how often a run survived; by what tests record of themselves."""
    tried: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            told = dict(report.user_properties)
            if report.when == "call" and "fault" in told:
                tried[told["fault"]] += told.get("tried", 1)
                lost[told["fault"]] += told.get("lost", int(outcome == "failed"))
    if config.getoption("--faults-page") and tried:
        lines = ["# Faults", "", "Written by pytest, see `tests/test_faults.py`, which says what survival means.", ""]
        lines += ["| what was done | tried | survived | lost |", "|---|---:|---:|---:|"]
        lines += [f"| {what} | {count} | {count - lost[what]} | {lost[what]} |" for what, count in tried.items()]
        PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
