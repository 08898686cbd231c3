"""Where others' findings disagree with the paper's premises, and where the evidence of the questions falls."""

import textwrap
from collections.abc import Mapping, Sequence

from experiments import causality, placebo, precision, regime, rivals
from toymdrl.evidence import Row, interval


def _mean(numbers: Sequence[Row], key: str) -> str:
    return str(interval([each[key] for each in numbers]))


def lines(found: Mapping[str, Sequence[Row]]) -> list[str]:
    """A paragraph a finding, from the rows of the questions that were asked."""
    paragraphs = [write(found[name]) for name, write in PARAGRAPHS.items() if found.get(name)]
    return [line for text in paragraphs for line in (*textwrap.wrap(text, 120, break_on_hyphens=False), "")]


def _regime(rows: Sequence[Row]) -> str:
    places = ((regime.RATES[0], 50), (2e-3, 50), (3.5e-3, 200))
    small, preset, far = (_mean(regime.cells(rows)[place], "lost") for place in places)
    return (
        "*Multi-domain RL at 4 billion parameters shows little interference* (M2RL, arXiv 2602.12566). Whether there "
        f"is any is a matter of how far the later stages go: at a peak learning rate of {regime.RATES[0]:g} they cost "
        f"Math {small} points, at the preset's 0.002 {preset}, at 0.0035 and four times the steps {far}."
    )


def _rivals(rows: Sequence[Row]) -> str:
    numbers = rivals.numbers(rows)
    return (
        "*Mixed training and merged experts come out alike* (M2RL). Here the average score after joint training of all "
        f"four domains is {_mean(numbers, 'average joint from the start')}, of averaged experts "
        f"{_mean(numbers, 'average experts averaged')}, of experts merged at twice that weight "
        f"{_mean(numbers, 'average experts merged')}; after the sequence and a refresh "
        f"{_mean(numbers, 'average refresh')}."
    )


def _precision(rows: Sequence[Row]) -> str:
    drift = _mean(precision.numbers(rows), "drift at paper")
    return (
        "*Sparse edits are a surface artefact, in which number precision hides small updates* (The Path Not Taken, "
        "arXiv 2511.08567). Here too: in float32 nearly every weight moves; stored in bfloat16, the paper's 77 to 89 % "
        f"unchanged is what a median drift of {drift} times T10's threshold leaves. C3 tells the learning rate and the "
        "format, not the domains."
    )


def _causality(rows: Sequence[Row]) -> str:
    numbers = causality.numbers(rows)
    return (
        "*Taking the dominant Hessian subspace out of SGD's steps barely affects it* (Does SGD Really Happen in Tiny "
        "Subspaces?, arXiv 2405.16002). That is about the Hessian of the loss that is trained. Kept out of the "
        f"dominant subspace of another domain, Math, QA and CW gain {_mean(numbers, 'cost subspace')} points less, and "
        f"spare Math {_mean(numbers, 'spared subspace')} (out of random directions: "
        f"{_mean(numbers, 'spared random subspace')})."
    )


def _placebo(rows: Sequence[Row]) -> str:
    numbers = placebo.numbers(rows)
    return (
        "*Is it interference between domains, or mere distance?* A stage on shuffled rewards, stretched to the same "
        f"length, costs Math {_mean(numbers, 'placebo')} points, the stage itself {_mean(numbers, 'true')}, a Gaussian "
        f"step of that length {_mean(numbers, 'gaussian')}."
    )


PARAGRAPHS = {
    "regime": _regime,
    "rivals": _rivals,
    "precision": _precision,
    "causality": _causality,
    "placebo": _placebo,
}
