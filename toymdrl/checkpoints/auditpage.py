"""An audit for people, and as JSON."""

from dataclasses import asdict
from typing import Any

from toymdrl.analysis.edits import PAPER_ABSOLUTE, PAPER_RELATIVE, THRESHOLDS, TOP
from toymdrl.checkpoints.audit import REST, WHOLE, Audit, Pair
from toymdrl.checkpoints.edit import BY_THE_PAPER, STORED


def _order(layer: str) -> tuple[bool, str, int]:
    """Layers by stack and number; the rest last."""
    stack, _, number = layer.rpartition(" ")
    return layer == REST, stack, int(number) if stack else 0


def _cosine_and_jaccard(pair: Pair) -> str:
    """Of two trainings in a layer."""
    shared = f", {pair.jaccard:.2f} ({pair.chance_jaccard:.2f})" if pair.jaccard is not None else ""
    return f"{pair.cosine:+.3f}{shared}"


def page(found: Audit) -> list[str]:
    """The model's numbers, then a line a layer: Markdown, narrow enough for a terminal."""
    names = list(found.edits)
    kinds = list(found.edits[names[0]][WHOLE].unchanged)
    weights = found.edits[names[0]][WHOLE].weights
    lines = [f"{weights:,} weights compared.", "", "| training | edit norm | over the base's norm |"]
    lines += ["|---|---:|---:|"]
    for name in names:
        edit = found.edits[name][WHOLE]
        share = (edit.squared / edit.base_squared) ** 0.5 if edit.base_squared else 0.0
        lines.append(f"| {name} | {edit.squared**0.5:.4g} | {share:.2e} |")
    lines += ["", f"| weights unchanged | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for kind in kinds:
        cells = [f"{100 * found.edits[name][WHOLE].unchanged[kind]:.2f} %" for name in names]
        what = kind if kind in (STORED, BY_THE_PAPER) else f"stored in {kind}"
        lines.append(f"| {what} | {' | '.join(cells)} |")
    paper = f"a change of less than {PAPER_ABSOLUTE:g}, and of less than {PAPER_RELATIVE:g} of the weight"
    lines += ["", f"The paper's thresholds: {paper}."]
    if found.pairs:
        lines += ["", "| pair | cosine of edits | by chance | Jaccard of top neurons | by chance |"]
        lines += ["|---|---:|---:|---:|---:|"]
        for (one, two), by_layer in found.pairs.items():
            pair = by_layer[WHOLE]
            shared = f"{pair.jaccard:.3f} | {pair.chance_jaccard:.3f}" if pair.jaccard is not None else "– | –"
            lines.append(f"| {one}, {two} | {pair.cosine:+.4f} | {pair.chance_cosine:.4f} | {shared} |")
    of_pairs = "; of each pair cosine of edits, Jaccard of top neurons (by chance)"
    lines += [
        "",
        f"By layer: edit norm, weights unchanged as stored{of_pairs if found.pairs else ''}.",
        "",
    ]
    pairs = list(found.pairs)
    titles = [*names, *(f"{one}, {two}" for one, two in pairs)]
    lines += [f"| layer | {' | '.join(titles)} |", "|---|" + "---:|" * len(titles)]
    for layer in sorted((each for each in found.edits[names[0]] if each), key=_order):
        edits = [found.edits[name][layer] for name in names]
        cells = [f"{edit.squared**0.5:.3g}, {100 * edit.unchanged[STORED]:.2f} %" for edit in edits]
        cells += [_cosine_and_jaccard(found.pairs[pair][layer]) for pair in pairs]
        lines.append(f"| {layer} | {' | '.join(cells)} |")
    lines += [
        "",
        f"Top neurons: the {TOP:.0%} of MLP neurons with the largest edit norm of all weights into and out of one.",
    ]
    lines += [f"Note: {note}." for note in found.notes]
    if found.skipped:
        lines.append(f"Not compared, being in no floating-point format that is read: {', '.join(found.skipped)}.")
    return lines


def as_json(found: Audit) -> dict[str, Any]:
    """All numbers in JSON types."""
    return {
        "thresholds": THRESHOLDS,
        "edits": {name: {layer: asdict(edit) for layer, edit in each.items()} for name, each in found.edits.items()},
        "pairs": [
            {"one": one, "two": two, "layers": {layer: asdict(pair) for layer, pair in each.items()}}
            for (one, two), each in found.pairs.items()
        ],
        "skipped": list(found.skipped),
        "notes": list(found.notes),
    }
