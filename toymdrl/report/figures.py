"""The figures of a run's report, drawn from its result files."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toymdrl.claims.base import Explanation, Outcome
from toymdrl.claims.paper import TOPICS
from toymdrl.domains import DOMAINS
from toymdrl.runs.config import RunConfig
from toymdrl.runs.plan import BASE, Checkpoint, headline_steps
from toymdrl.runs.results import Scored
from toymdrl.style import COLOURS, FAINT, INK, STYLE, save

Line = dict[str, Any]
Scores = dict[Checkpoint, dict[str, float]]
"""Points by domain, of every checkpoint."""


def _sequence(config: RunConfig, scores: Scores, metrics: list[Line]) -> list[tuple[int, dict[str, float]]]:
    """Scores against the GRPO step of the whole sequence, from the base on."""
    points = [(0, scores[BASE])]
    for index, key in enumerate(config.order):
        start = index * config.grpo.steps
        for line in metrics:
            if line["stage"] == key and "scores" in line:
                points.append((start + line["step"], line["scores"]))
    return points


def _shade(axes: Axes, config: RunConfig, label: bool) -> None:
    """Stages as bands in the colour of the domain that is trained."""
    for index, key in enumerate(config.order):
        start, stop = index * config.grpo.steps, (index + 1) * config.grpo.steps
        axes.axvspan(start, stop, color=COLOURS[key], alpha=0.07, linewidth=0)
        if label:
            where = ((start + stop) / 2, 1.02)
            text = f"{DOMAINS[key].title}"
            transform = axes.get_xaxis_transform()
            axes.text(*where, text, ha="center", color=COLOURS[key], weight="bold", transform=transform)
    axes.set_xlim(0, len(config.order) * config.grpo.steps)


def journey(config: RunConfig, scores: Scores, metrics: list[Line]) -> Figure:
    """The scores of all domains along the sequence, and the refresh branches that leave its end."""
    points = _sequence(config, scores, metrics)
    end = scores[Checkpoint("stage", config.order[-1])]

    def refreshed(domain: str, steps: int) -> dict[str, float]:
        return scores[Checkpoint("refresh", domain, steps=steps)]

    with rc_context(STYLE):
        figure = Figure(figsize=(11, 4.6))
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2.8, 1), gridspec_kw={"wspace": 0.04})
        _shade(left, config, label=True)
        for key in DOMAINS:
            steps, course = [step for step, _ in points], [each[key] for _, each in points]
            left.plot(steps, course, color=COLOURS[key], linewidth=2.2, label=DOMAINS[key].title)
            left.plot(
                [(index + 1) * config.grpo.steps for index in range(len(config.order))],
                [scores[Checkpoint("stage", domain)][key] for domain in config.order],
                "o",
                color=COLOURS[key],
                markersize=4.5,
            )
        left.set(xlabel="GRPO step", ylabel="score on unseen prompts (100 × exact expected reward)", ylim=(0, 102))
        right.axvline(0, color=FAINT, linewidth=0.8)
        branch = [0, *config.refresh_steps]
        for domain in config.order:
            for key in DOMAINS:
                course = [end[key], *(refreshed(domain, step)[key] for step in config.refresh_steps)]
                own = key == domain
                right.plot(
                    branch,
                    course,
                    color=COLOURS[key],
                    linewidth=2.2 if own else 0.8,
                    alpha=1 if own else 0.45,
                    marker="o" if own else None,
                    markersize=4.5,
                )
        right.set_xlabel("further steps on one domain")
        right.set_xticks(branch[1:])
        right.set_xlim(0, branch[-1] * 1.28)
        right.text(0.5, 1.02, "then refresh", ha="center", weight="bold", color=INK, transform=right.transAxes)
        _name_ends(right, branch[-1] * 1.04, {key: refreshed(key, branch[-1])[key] for key in config.order})
    return figure


def _name_ends(axes: Axes, x: float, ends: dict[str, float]) -> None:
    """Names beside the ends of lines, pushed apart where they would touch."""
    # From the top down, each name at its line's end or just below the name before.
    place = 105.0
    for key, y in sorted(ends.items(), key=lambda item: -item[1]):
        place = min(y, place - 5)
        axes.text(x, place, DOMAINS[key].title, color=COLOURS[key], va="center", weight="bold")


def training(config: RunConfig, metrics: list[Line]) -> Figure:
    """Reward, groups without signal, entropy and gradient norm of every GRPO step of the sequence."""
    panels = {
        "reward": "reward of the sampled answers",
        "flat_groups": "share of groups without signal",
        "entropy": "entropy, nats a token",
        "gradient_norm": "gradient norm before clipping",
    }
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 5.2))
        grid = figure.subplots(2, 2, sharex=True, gridspec_kw={"hspace": 0.32, "wspace": 0.14})
        for axes, (name, label) in zip(grid.flat, panels.items(), strict=True):
            _shade(axes, config, label=False)
            axes.set_title(label)
            for index, key in enumerate(config.order):
                lines = [line for line in metrics if line["stage"] == key]
                steps = [index * config.grpo.steps + line["step"] for line in lines]
                axes.plot(steps, [line[name] for line in lines], color=COLOURS[key], linewidth=1.4)
            axes.set_ylim(bottom=0)
        for axes in grid[1]:
            axes.set_xlabel("GRPO step")
    return figure


def selectivity(config: RunConfig, scores: Scores, steps: int) -> Figure:
    """What so many refresh steps on each domain (rows) change in every domain (columns), in points."""
    end = scores[Checkpoint("stage", config.order[-1])]
    change = np.zeros((len(config.order), len(DOMAINS)))
    for row, refreshed in enumerate(config.order):
        after = scores[Checkpoint("refresh", refreshed, steps=steps)]
        change[row] = [after[domain] - end[domain] for domain in DOMAINS]
    # Colours span what there is, but small changes must not look large.
    bound = max(5.0, float(abs(change).max()))
    with rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(5.6, 0.62 * len(config.order) + 1.2))
        axes = figure.subplots()
        axes.imshow(change, cmap="RdBu", vmin=-bound, vmax=bound, aspect="auto")
        for (row, column), value in np.ndenumerate(change):
            tone = "white" if abs(value) > 0.6 * bound else INK
            # Adding zero turns a rounded minus zero into plain zero.
            axes.text(column, row, f"{round(value, 1) + 0.0:+.1f}", ha="center", va="center", color=tone)
        axes.set_xticks(range(len(DOMAINS)), [domain.title for domain in DOMAINS.values()], color=INK)
        axes.set_yticks(range(len(config.order)), [f"Re-{DOMAINS[key].title}" for key in config.order], color=INK)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


def explained(e: Explanation) -> dict[str, Figure]:
    """One figure an analysis that has one, by name."""
    found = {}
    for topic in TOPICS:
        result = e.get(topic.kind)
        if result is not None and topic.figure is not None:
            found[topic.name] = topic.figure(result)
    return found


def draw(
    config: RunConfig, checkpoints: tuple[Scored, ...], metrics: list[Line], outcome: Outcome | None, folder: Path
) -> dict[str, Path]:
    """All figures as PNG files in a folder, by name.

    Args:
        config: the run's.
        checkpoints: all that it has.
        metrics: the lines of its log.
        outcome: None if its order leaves no domain that could be harmed.
        folder: made if need be.
    """
    scores = {entry.checkpoint: entry.scores for entry in checkpoints}
    figures = {
        "journey": journey(config, scores, metrics),
        "selectivity": selectivity(config, scores, headline_steps(config)),
        "training": training(config, metrics),
    }
    if outcome and outcome.explanation:
        figures |= explained(outcome.explanation)
    return {name: save(figure, folder / f"{name}.png") for name, figure in figures.items()}
