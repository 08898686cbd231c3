"""Settings of every test: one thread a worker, hypothesis without a clock and the same examples each time."""

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
