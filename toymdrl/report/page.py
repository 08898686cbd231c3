"""The report: result files to one self-contained page, PNG figures and a Markdown summary; no score is recomputed."""

import base64
import html
import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from toymdrl.claims import PAPER_AVERAGE_REFRESHED, PAPER_MATH_AFTER_ALL, PAPER_MATH_REFRESHED, claims
from toymdrl.claimtable import SMALLEST_LOSS, claim_lines, signed
from toymdrl.domains import DOMAINS
from toymdrl.explain import load_explanation
from toymdrl.files import CorruptFile, write_atomically
from toymdrl.report import figures
from toymdrl.runs.config import PRESETS, RunConfig, headline_domain
from toymdrl.runs.directory import Checkpoint, RunDirectory, RunError
from toymdrl.story import Chapter, chapters

Entry = dict[str, Any]
SMALL = ' class="small"'
_BRANCH = re.compile(r"(?P<kind>expert|further|refresh|rollback)-(?P<key>\w+?)(-(?P<number>\d+(\.\d+)?))?")


def checkpoint_title(config: RunConfig, name: str) -> str:
    """A checkpoint's name for people."""
    if name == "base":
        return "Warm start"
    if name in DOMAINS:
        arrow = "→ " if name != config.order[0] else ""
        return f"{arrow}{DOMAINS[name].title}"
    found = _BRANCH.fullmatch(name)
    if not found or found["key"] not in DOMAINS:
        return name
    domain, number = DOMAINS[found["key"]].title, found["number"]
    steps = f"{number} step{'s' if number != '1' else ''}"
    return {
        "expert": f"{domain} alone",
        "rollback": f"{domain}'s coordinates put back, {float(number or 0):.0%}",
        "further": f"{domain} and {steps} further",
        "refresh": f"Re-{domain}, {steps}",
    }[found["kind"]]


def command(config: RunConfig, *, analysis: bool = True) -> str:
    """The command that repeats a run."""
    preset = PRESETS[config.preset]
    parts = [f"toymdrl run --preset {config.preset} --seed {config.seed}"]
    if config.order != preset.order:
        parts.append("--order " + " ".join(config.order))
    for option, mine, usual in (
        ("steps", config.grpo.steps, preset.grpo.steps),
        ("lr", config.grpo.learning_rate, preset.grpo.learning_rate),
        ("kl", config.grpo.kl, preset.grpo.kl),
        ("device", config.device, preset.device),
        ("threads", config.threads, preset.threads),
    ):
        if mine != usual:
            parts.append(f"--{option} {mine}")
    return " ".join(parts if analysis else [*parts, "--no-analysis"])


def headline(config: RunConfig, claims: dict[str, Entry]) -> tuple[str, str]:
    """What happened, in one sentence, and what followed, in a second."""
    if "C1" not in claims:
        only = DOMAINS[config.order[0]].title
        return f"{only} was trained alone", "With one domain there is no later one to harm it. Add a domain to --order."
    harm, cure = claims["C1"]["measured"], claims["C10"]["measured"]
    title = DOMAINS[harm["domain"]].title
    later = [DOMAINS[key].title for key in config.order[config.order.index(harm["domain"]) + 1 :]]
    lost = harm["points_lost"]
    verb = "falls" if lost >= SMALLEST_LOSS else "rises" if lost <= -SMALLEST_LOSS else "goes only"
    before, after = f"{harm['after_own_stage']:.1f}", f"{harm['after_all_stages']:.1f}"
    course = f"stays at {after}" if before == after else f"{verb} from {before} to {after}"
    first = f"{title} {course} while {' and '.join(later)} {'are' if len(later) > 1 else 'is'} trained"
    share = f" ({cure['share_of_loss']:.0%} of the loss)" if lost >= SMALLEST_LOSS else ""
    second = (
        f"{cure['steps']} refresh step{'s bring' if cure['steps'] > 1 else ' brings'} it to {cure['refreshed']:.1f}: "
        f"{signed(cure['points_won_back'])} points{share}. The other domains move by "
        f"{signed(cure['mean_change_of_others'])} on average, and the average score goes from "
        f"{cure['average_before']:.1f} to {cure['average_after']:.1f}."
    )
    if lost < SMALLEST_LOSS:
        second += " So little was lost that shares of the loss, below, mean nothing."
    if config.preset == "smoke":
        second += " This is the smoke preset: it touches every stage, and its numbers mean nothing."
    return first, second


def _paper_rows(config: RunConfig, claims: dict[str, Entry]) -> list[tuple[str, str, str]]:
    """Quantity, the paper's number, ours; empty unless the run has the paper's order."""
    if config.order != ("code", "math", "qa", "cw") or "C1" not in claims:
        return []
    harm, cure = claims["C1"]["measured"], claims["C10"]["measured"]
    return [
        ("Math after Code → Math → QA → CW", f"{PAPER_MATH_AFTER_ALL}", f"{harm['after_all_stages']:.2f}"),
        (f"Math after Re-Math, {cure['steps']} steps", f"{PAPER_MATH_REFRESHED}", f"{cure['refreshed']:.2f}"),
        ("Average over domains after it", f"{PAPER_AVERAGE_REFRESHED}", f"{cure['average_after']:.2f}"),
    ]


def _trained(name: str) -> str:
    """The domain whose training led to a checkpoint; none for a rollback."""
    found = _BRANCH.fullmatch(name)
    return name if not found else "" if found["kind"] == "rollback" else found["key"]


def _shown(config: RunConfig, checkpoints: list[Checkpoint]) -> list[Entry]:
    best = max(entry["average"] for entry in checkpoints)
    return [
        {
            "title": checkpoint_title(config, entry["name"]),
            "cells": [entry["scores"][key] for key in DOMAINS],
            "average": entry["average"],
            "best": entry["average"] == best,
            "branch": "-" in entry["name"],
            "trained": _trained(entry["name"]),
        }
        for entry in checkpoints
    ]


def _html_table(config: RunConfig, checkpoints: list[Checkpoint]) -> str:
    head = "".join(f"<th>{domain.title}</th>" for domain in DOMAINS.values())
    lines = [f"<table><tr><th>checkpoint</th>{head}<th>average</th></tr>"]
    branched = False
    for row in _shown(config, checkpoints):
        mark = ' class="first-branch"' if row["branch"] and not branched else ""
        branched = branched or row["branch"]
        own = [' class="own"' if key == row["trained"] else "" for key in DOMAINS]
        cells = "".join(f"<td{kind}>{value:.1f}</td>" for kind, value in zip(own, row["cells"], strict=True))
        best = " best" if row["best"] else ""
        average = f'<td class="average{best}">{row["average"]:.1f}</td>'
        lines.append(f"<tr{mark}><td>{html.escape(row['title'])}</td>{cells}{average}</tr>")
    return "\n".join(lines) + "</table>"


def _html_paper(rows: Iterable[tuple[str, str, str]]) -> str:
    cells = "".join(f"<tr><td>{what}</td><td>{paper}</td><td>{ours}</td></tr>" for what, paper, ours in rows)
    if not cells:
        return ""
    note = "The paper trains a 4-billion-parameter model on real tasks: compare directions, not levels."
    table = f"<table><tr><th>quantity</th><th>paper</th><th>this run</th></tr>{cells}</table>"
    return f'<h2>Beside the paper</h2><div class="scroll">{table}</div><p class="note">{note}</p>'


def _what(config: RunConfig) -> str:
    titles = " → ".join(DOMAINS[key].title for key in config.order)
    grpo, warm = config.grpo, config.warm_start
    return (
        f"A transformer of {config.model.layers} layers and width {config.model.width}, warm-started for {warm.steps} "
        f"supervised steps on imperfect demonstrations, then GRPO on {titles}: {grpo.steps} steps a stage of "
        f"{grpo.prompts} prompts × {grpo.group} answers, learning rate {grpo.learning_rate:g} falling to zero, "
        f"KL weight {grpo.kl:g}. Each refresh starts from the last checkpoint, in steps of {config.refresh.prompts} "
        f"prompts (CW: all of its 64 if that is more) × {config.refresh.group} answers at a constant rate of "
        f"{config.refresh.learning_rate:g}."
    )


def _markdown(config: RunConfig, results: Entry, parts: list[Chapter]) -> str:
    first, second = headline(config, results["claims"])
    titles = [domain.title for domain in DOMAINS.values()]
    lines = [f"# {first}", "", second, "", "![Scores along the sequence](figures/journey.png)", ""]
    lines += [f"| checkpoint | {' | '.join(titles)} | average |", "|---" + "|---:" * (len(titles) + 1) + "|"]
    for row in _shown(config, results["checkpoints"]):
        average = f"**{row['average']:.1f}**" if row["best"] else f"{row['average']:.1f}"
        lines.append(f"| {row['title']} | {' | '.join(f'{value:.1f}' for value in row['cells'])} | {average} |")
    if rows := _paper_rows(config, results["claims"]):
        lines += ["", "| quantity | paper | this run |", "|---|---:|---:|"]
        lines += [f"| {what} | {paper} | {ours} |" for what, paper, ours in rows]
    for part in parts:
        lines += [
            "",
            f"## {part.claims}: {part.heading}",
            "",
            part.text,
            "",
            f"![{part.heading}](figures/{part.figure}.png)",
        ]
    if results["claims"]:
        lines += ["", "## The claims", "", "| | the paper | this run | control | verdict |", "|---|---|---|---|---|"]
        lines += [
            f"| {' | '.join(cell.replace('|', '∣') for cell in line)} |" for line in claim_lines(results["claims"])
        ]
        lines += ["", _claims_note(results["claims"])]
    lines += ["", _what(config), "", "    " + command(config, analysis=analysed(results["claims"])), ""]
    return "\n".join(lines)


def _html_chapters(parts: Iterable[Chapter], embedded: dict[str, str]) -> str:
    return "\n".join(
        f'<h2><span class="claim">{part.claims}</span> {html.escape(part.heading)}</h2>\n'
        f"<p>{html.escape(part.text)}</p>\n"
        f'<figure{SMALL if part.small else ""}><img alt="{html.escape(part.alternative)}" '
        f'src="{embedded[part.figure]}"></figure>'
        for part in parts
    )


def analysed(claims: dict[str, Entry]) -> bool:
    """Whether the results lack nothing that an analysis would add."""
    return "C2" in claims or not claims


def _claims_note(claims: dict[str, Entry]) -> str:
    note = "One run has no interval and so gives no verdict: those come from many seeds."
    missing = " The other claims need the analysis: `toymdrl resume` and the run's folder make it."
    return note if analysed(claims) else note + missing


def _html_claims(claims: dict[str, Entry]) -> str:
    lines = claim_lines(claims)
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in lines)
    if not rows:
        return ""
    head = "<tr><th></th><th>the paper</th><th>this run</th><th>control</th><th>verdict</th></tr>"
    note = html.escape(_claims_note(claims))
    table = f'<table class="claims">{head}{rows}</table>'
    return f'<h2>The claims</h2><div class="scroll">{table}</div><p class="note">{note}</p>'


def write_report(run: RunDirectory) -> list[Path]:
    """Draw report.html, summary.md and figures/ of a complete run; the two pages' paths.

    Raises:
        RunError: the run is not complete.
        CorruptFile: results.json is damaged.
    """
    config, metrics = run.config, run.metrics.lines()
    results = run.results() if (run.path / "results.json").exists() else None
    if results is None or not results["complete"]:
        raise RunError(f"{run.path} is not complete; go on with `toymdrl resume {run.path}`")
    # What results.json was written without is left out, also where an earlier session has made it.
    explanation = load_explanation(run) if analysed(results["claims"]) else None
    have = {entry["name"] for entry in results["checkpoints"]}
    refreshes = [f"refresh-{key}-{steps}" for key in config.order for steps in config.refresh_steps]
    if missing := [name for name in ("base", *config.order, *refreshes) if name not in have]:
        raise CorruptFile(f"{run.path / 'results.json'} lacks {missing[0]}; go on with `toymdrl resume {run.path}`")
    results["claims"] = claims(config, results["checkpoints"], explanation)  # as measured, whatever the file says
    pictures = figures.draw(config, results["checkpoints"], metrics, explanation, run.path / "figures")
    parts = chapters(results["claims"], explanation)
    embedded = {
        name: "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode() for name, path in pictures.items()
    }
    first, second = headline(config, results["claims"])
    harmed = headline_domain(config)
    page = Template(files("toymdrl.report").joinpath("report.html").read_text(encoding="utf-8")).substitute(
        title=f"toymdrl: {html.escape(DOMAINS[harmed].title if harmed else 'one domain')}, seed {config.seed}",
        preset=html.escape(config.preset),
        seed=config.seed,
        headline=html.escape(first),
        followup=html.escape(second),
        table=_html_table(config, results["checkpoints"]),
        paper=_html_paper(_paper_rows(config, results["claims"])),
        what=html.escape(_what(config)),
        command=html.escape(command(config, analysis=analysed(results["claims"]))),
        settings=html.escape((run.path / "config.json").read_text(encoding="utf-8")),
        provenance=html.escape(run.provenance_text()),
        chapters=_html_chapters(parts, embedded),
        claims=_html_claims(results["claims"]),
        **{name: embedded[name] for name in ("journey", "training")},
    )
    written = [run.path / "report.html", run.path / "summary.md"]
    write_atomically(written[0], page)
    write_atomically(written[1], _markdown(config, results, parts))
    return written
