"""What chapter 1 draws."""

from collections.abc import Mapping, Set

import torch
from matplotlib import rc_context
from torch import Tensor

from toymdrl.course.pictures.base import Picture, headline, label, sheet
from toymdrl.domains import title
from toymdrl.domains.vocab import TOKENS
from toymdrl.style import COLOURS, FAINT, INK, STYLE

SHORTEST = 10
"""Samples from which on a running mean is drawn."""


def shared_tokens(used: Mapping[str, Set[int]]) -> Picture:
    """Which domain uses which token.

    Args:
        used: token ids, by domain.
    """
    every = sorted(set().union(*used.values()))
    shared = [token for token in every if sum(token in tokens for tokens in used.values()) > 1]
    with rc_context({**STYLE, "axes.grid": False}):
        drawn, axes = sheet(height=2.4)
        for place, (key, tokens) in enumerate(used.items()):
            for column, token in enumerate(every):
                strong = 1.0 if token in shared else 0.35
                if token in tokens:
                    axes.plot(column, -place, "s", color=COLOURS[key], markersize=9.5, alpha=strong)
        axes.set_yticks([-place for place in range(len(used))], [title(key) for key in used])
        for tick, key in zip(axes.get_yticklabels(), used, strict=True):
            tick.set_color(COLOURS[key])
        names = [TOKENS[token] for token in every]
        axes.set_xticks(range(len(every)), names, rotation=90, fontsize=8.5, family="DejaVu Sans Mono", color=INK)
        axes.set(xlim=(-0.8, len(every) - 0.2), ylim=(-len(used) + 0.4, 0.6))
        axes.tick_params(length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
        finding = f"{len(shared)} of {len(every)} tokens serve more than one domain"
        headline(axes, finding, "dark: shared tokens; pale: a domain's own")
    return drawn


def streams(running: Tensor, truth: float, error: Tensor) -> Picture:
    """Sampled scores as they settle, one thin line a stream, and the band that most of them keep to.

    Args:
        running: mean of the first 1, 2, … samples, in points, (streams, samples).
        truth: the exact score.
        error: standard error after 1, 2, … samples, (samples,).
    """
    count, samples = running.shape
    # As many points as the eye can tell apart on a logarithmic axis.
    shown = torch.logspace(1, torch.tensor(float(samples)).log10().item(), 300).long().clamp(max=samples) - 1
    shown = shown[shown >= SHORTEST - 1].unique()
    spread = float(running[:, -1].max() - running[:, -1].min())
    tone = COLOURS["math"]
    with rc_context({**STYLE, "axes.grid": False}):
        drawn, axes = sheet(height=3.6)
        place = shown + 1
        axes.fill_between(
            place, truth - 2 * error[shown], truth + 2 * error[shown], color=tone, alpha=0.13, linewidth=0
        )
        axes.plot(place, running[:, shown].T, color=tone, linewidth=0.8, alpha=0.55)
        axes.axhline(truth, color=INK, linewidth=1.2)
        label(axes, f"the sum: {truth:.2f}", samples, truth, INK)
        axes.text(130, truth + 10, "two standard errors", color=FAINT, fontsize=9.5)
        axes.set(xscale="log", xlim=(SHORTEST, samples), ylim=(truth - 16, truth + 16), xlabel="answers sampled")
        finding = f"After {samples:,} samples {count} sampled scores still differ by {spread:.1f} points"
        headline(axes, finding, "Math's score from samples")
    return drawn
