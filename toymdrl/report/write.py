"""A complete run's report written beside its results."""

from pathlib import Path

from toymdrl.claims.explanation import load_explanation, outcome
from toymdrl.claims.paper import was_analysed
from toymdrl.files import CorruptFile, write_atomically
from toymdrl.report import figures
from toymdrl.report.course import Course
from toymdrl.report.page import as_html, as_markdown, page
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.plan import stages
from toymdrl.runs.results import RunError

PLAYGROUND = "playground.html"
"""The page beside the report that `toymdrl playground` makes."""


def write_report(run: RunDirectory) -> list[Path]:
    """Draw report.html, summary.md and figures/ of a complete run; the two pages' paths.

    Raises:
        RunError: the run is not complete.
        CorruptFile: results.json or an analysis is damaged.
    """
    results = run.results() if run.results_file.exists() else None
    if results is None or not results.complete:
        raise RunError(f"{run.path} is not complete; go on with `toymdrl resume {run.path}`")
    for stage in stages(run.config):
        for _, checkpoint in stage.checkpoints():
            if not run.scored(checkpoint):
                lacks = f"{run.results_file} lacks {checkpoint.name}"
                raise CorruptFile(f"{lacks}; go on with `toymdrl resume {run.path}`")
    # What results.json was written without is left out, also where an earlier session has made it.
    explanation = load_explanation(run) if was_analysed(results.claims) else None
    found = outcome(run, explanation)
    pictures = figures.draw(run.config, results.checkpoints, run.logged(), found, run.figures)
    what = page(run.config, results.checkpoints, found)
    settings = run.config_file.read_text(encoding="utf-8")
    course, provenance = Course.seen_from(run.path), run.provenance_text()
    beside = PLAYGROUND if (run.path / PLAYGROUND).exists() else None
    html = as_html(what, pictures, course=course, settings=settings, provenance=provenance, playground=beside)
    write_atomically(run.report_file, html)
    write_atomically(run.summary_file, as_markdown(what))
    return [run.report_file, run.summary_file]
