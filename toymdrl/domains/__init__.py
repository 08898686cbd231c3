"""The four domains. A fifth is one new file beside these and one line in DOMAINS; README.md says how."""

from toymdrl.domains.arithmetic import Arithmetic
from toymdrl.domains.base import SPLITS, Domain, Problems, Split, graded_candidates, problems
from toymdrl.domains.programs import Programs
from toymdrl.domains.records import Records
from toymdrl.domains.verses import Verses
from toymdrl.settings import ConfigError

DOMAINS: dict[str, Domain] = {domain.key: domain for domain in (Arithmetic(), Programs(), Records(), Verses())}


def domain_called(key: str) -> Domain:
    """The domain of a key.

    Raises:
        ConfigError: there is none.
    """
    if key not in DOMAINS:
        raise ConfigError(f"unknown domain {key!r}; choose from {', '.join(DOMAINS)}")
    return DOMAINS[key]


def title(key: str) -> str:
    """A domain's name for people; the key itself where this version has no such domain."""
    return DOMAINS[key].title if key in DOMAINS else key


__all__ = [
    "DOMAINS",
    "SPLITS",
    "Domain",
    "Problems",
    "Split",
    "domain_called",
    "graded_candidates",
    "problems",
    "title",
]
