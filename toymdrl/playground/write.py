"""From a run's folder to a page."""

from collections.abc import Callable

from toymdrl.analysis.examples import Examples
from toymdrl.claims.explanation import load_explanation
from toymdrl.claims.paper import was_analysed
from toymdrl.claims.subject import Subject
from toymdrl.playground.page import content
from toymdrl.playground.scene import evaluations, scene
from toymdrl.playground.seeds import ends
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.plan import headline
from toymdrl.runs.results import RunError


def content_of(run: RunDirectory, title: str, progress: Callable[[int], Callable[[], object]]) -> str:
    """A run's part of the page, see `page.content`.

    Args:
        run: held by its lock.
        title: what a menu calls it.
        progress: told how many evaluations there are, it returns what is called after each.

    Raises:
        RunError: it has one domain, is not analysed, or its update spans no plane.
        CorruptFile: a file of it is damaged.
    """
    head = headline(run.config)
    if head is None:
        raise RunError(f"{run.path} has one domain, so there is nothing to move between; take a run of several")
    claims = run.results().claims if run.results_file.exists() else {}
    explanation = load_explanation(run) if claims and was_analysed(claims) else None
    if explanation is None:
        raise RunError(f"{run.path} has no whole analysis yet; make it with `toymdrl resume {run.path}`")
    subject = Subject.of(run, head)
    found = scene(subject, progress(evaluations(subject)))
    if found is None:
        raise RunError(f"{run.path}: the update has no part inside the conflict subspace, or none outside: no plane")
    prompt = explanation[Examples].examples[0].prompt
    return content(found, title, prompt, ends(run.config))
