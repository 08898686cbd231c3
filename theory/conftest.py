"""Profiles, and the acceptance rates of conditional statements, told at the end.

pytest theory                                  the default profile, the same examples every time
pytest theory --hypothesis-profile thorough    thirty times as many, other ones every time
python theory/thorough.py                      the same in parts: an interrupted one goes on where it was

Another `--hypothesis-seed` draws other examples, in conditional statements too.
"""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from theory.instances import Accept

EXAMPLES, ACCEPTED = 100, 1000
"""Examples of a hypothesis test, and draws that a conditional statement must accept, in the default profile."""
THOROUGH = 30

settings.register_profile("theory", deadline=None, derandomize=True, max_examples=EXAMPLES)
settings.register_profile("thorough", deadline=None, max_examples=THOROUGH * EXAMPLES)
settings.load_profile("theory")


@pytest.fixture
def accept(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Iterator[Accept]:
    """Draws for a conditional statement; see Accept."""
    scale = max(1, settings().max_examples // EXAMPLES)
    seed = request.config.getoption("hypothesis_seed", None)
    draws = Accept(ACCEPTED * scale, seed=int(seed or 0))
    yield draws
    record_property("accepted", f"{draws.accepted:,} of {draws.drawn:,} draws accepted ({draws.rate:.0%})")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which share of its draws each conditional statement accepted."""
    # The rate is known after the test, so the report of its teardown has it: pytest files those that pass under "".
    reports = [each for each in terminalreporter.stats.get("", []) if each.when == "teardown"]
    told = {each.nodeid.removeprefix("theory/"): dict(each.user_properties).get("accepted") for each in reports}
    lines = [f"{name}: {rate}" for name, rate in sorted(told.items()) if rate]
    if lines:
        terminalreporter.section("conditional statements")
        terminalreporter.write_line("\n".join(lines))
