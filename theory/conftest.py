"""Profiles, and the acceptance rates of conditional statements, told at the end.

pytest theory                                  the default profile, the same examples every time
pytest theory --hypothesis-profile thorough    thirty times as many, other ones every time
python theory/thorough.py                      the same in parts: an interrupted one goes on where it was

Another `--hypothesis-seed` draws other examples, in conditional statements too.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
from hypothesis import Phase, settings

from theory.instances import Accept

EXAMPLES, ACCEPTED = 100, 1000
"""Examples of a hypothesis test, and draws that a conditional statement must accept, in the default profile."""
THOROUGH = 30

settings.register_profile("theory", deadline=None, derandomize=True, max_examples=EXAMPLES)
settings.register_profile("thorough", deadline=None, max_examples=THOROUGH * EXAMPLES)
# For mutate.py: any failure will do, so that no smaller one is looked for.
settings.register_profile(
    "mutate", settings.get_profile("theory"), phases=(Phase.explicit, Phase.generate), report_multiple_bugs=False
)
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
    """Which share of its draws each conditional statement accepted, and what each file took."""
    reports = [each for kind in terminalreporter.stats.values() for each in kind if isinstance(each, pytest.TestReport)]
    ours = [each for each in reports if each.nodeid.startswith("theory/")]
    # The rate is known after the test, so it is the report of its teardown that has it.
    told = {(each.nodeid.removeprefix("theory/"), dict(each.user_properties).get("accepted")) for each in ours}
    lines = sorted(f"{name}: {rate}" for name, rate in told if rate)
    if lines:
        terminalreporter.section("conditional statements")
        terminalreporter.write_line("\n".join(lines))
    seconds: defaultdict[str, float] = defaultdict(float)
    for each in ours:
        seconds[each.nodeid.removeprefix("theory/").split("::")[0]] += each.duration
    if seconds:
        terminalreporter.section("seconds")
        terminalreporter.write_line(", ".join(f"{name} {spent:.1f}" for name, spent in sorted(seconds.items())))
