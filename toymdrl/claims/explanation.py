"""Why a run's domains interfere and what undoes it: every topic's analysis of a run, each kept on disk.

Results go to the run's folder, analysis/NAME.json, each with the key of what it was computed from and a checksum: a
result that is there with the right key is not computed again, so an interruption costs one analysis at most.
"""

import hashlib
import inspect
from pathlib import Path
from typing import Any

from scipy.sparse.linalg import ArpackError

from toymdrl.claims import rollback
from toymdrl.claims.base import Explanation, Outcome, Topic
from toymdrl.claims.paper import CLAIMS, TOPICS
from toymdrl.claims.subject import Subject
from toymdrl.files import CorruptFile
from toymdrl.kept import load_record, save_record
from toymdrl.parameters import at_parameters
from toymdrl.policy.scores import evaluate, weights
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.plan import Checkpoint, headline
from toymdrl.runs.progress import Observer
from toymdrl.sourcecode import PACKAGE, code_of, imported_beside, source_digest

WORK = {topic.name: topic.work for topic in TOPICS}
"""How long each analysis takes, in the order in which they are made: what a progress bar counts in."""


class AnalysisError(ArithmeticError):
    """A run whose damage or curvature is zero or not finite; the message says how to go on without its analysis."""


def topic_code(topic: Topic[Any]) -> str:
    """Checksum of the code that decides what an analysis finds, beside that of its subject."""
    module = Path(inspect.getfile(topic.kind))
    # An analysis depends on its own file, on those beside it that it imports, and on how it is put to a run.
    files = sorted(each.relative_to(PACKAGE).as_posix() for each in {module, *imported_beside(module)})
    adaptor = code_of(Path(inspect.getfile(topic.measure)), [topic.measure.__name__])
    return hashlib.sha256(f"{source_digest(files)} {adaptor}".encode()).hexdigest()


def numbers_code() -> str:
    """Checksum of the code that decides `paper.numbers`, beside that of the runs and of their subjects."""
    total = hashlib.sha256()
    for topic in TOPICS:
        total.update(topic_code(topic).encode())
    for claim in CLAIMS:
        total.update(code_of(Path(inspect.getfile(claim.measure)), [claim.measure.__name__]).encode())
    return total.hexdigest()


def _key(topic: Topic[Any], subject: Subject) -> str:
    return hashlib.sha256(f"{subject.key} {topic_code(topic)}".encode()).hexdigest()


def _read(run: RunDirectory, topic: Topic[Any]) -> tuple[str, Any]:
    """The key and result of an analysis on disk; the result is None where the run has none of this kind.

    Raises:
        CorruptFile: it is missing, or not what was written.
    """
    try:
        return load_record(run.analysis_file(topic.name), topic.kind)
    except CorruptFile as error:
        raise CorruptFile(f"{error}; make it again with `toymdrl resume {run.path}`") from error


def load_explanation(run: RunDirectory) -> Explanation | None:
    """A run's analyses as they are on disk; None if it has none.

    Raises:
        CorruptFile: one of several is missing or damaged.
    """
    if not any(run.analysis_file(topic.name).exists() for topic in TOPICS):
        return None
    return _explanation([_read(run, topic)[1] for topic in TOPICS])


def _explanation(results: list[Any]) -> Explanation:
    return Explanation([each for each in results if each is not None])


def outcome(run: RunDirectory, explanation: Explanation | None) -> Outcome | None:
    """What a run has come to, as a value; None if its order leaves no earlier domain that could be harmed."""
    head = headline(run.config)
    if head is None:
        return None
    return Outcome(run.config, head, {entry.checkpoint: entry for entry in run.checkpoints}, explanation)


def explain(run: RunDirectory, observer: Observer) -> Explanation | None:
    """Make what is missing of a run's analyses; None if its order leaves no earlier domain. Hold the run's lock.

    Also enters the headline's rolled-back model among the run's checkpoints.

    Raises:
        AnalysisError: a damage or curvature is zero or not finite.
    """
    head = headline(run.config)
    if head is None:
        return None
    subject = Subject.of(run, head)
    # Every share below is of some change: without any, all would be divisions by zero.
    if not subject.delta.any() or not all(edit.any() for edit in subject.edits.values()):
        raise AnalysisError(
            f"training changed nothing; `toymdrl resume {run.path} --no-analysis` leaves the analysis out"
        )
    results = []
    for topic in TOPICS:
        results.append(_result(run, topic, subject))
        observer.analysis(topic.name)
    _keep_rolled_back(run, subject, observer)
    return _explanation(results)


def _result(run: RunDirectory, topic: Topic[Any], subject: Subject) -> Any:
    """The analysis as it is on disk, or made now."""
    key = _key(topic, subject)
    try:
        stored, result = _read(run, topic)
        if stored == key:
            return result
    except CorruptFile:
        pass  # it is made anew
    # A rolled-back model belongs to the analysis that chose its coordinates.
    run.forget_rollbacks()
    try:
        result = topic.measure(subject)
        save_record(run.analysis_file(topic.name), key, result)
    except (ArithmeticError, ArpackError, ValueError) as error:
        raise AnalysisError(
            f"analysis {topic.name}: {error}; `toymdrl resume {run.path} --no-analysis` leaves it out"
        ) from error
    return result


def _keep_rolled_back(run: RunDirectory, subject: Subject, observer: Observer) -> None:
    """The last checkpoint with the headline's coordinates put back, as a checkpoint of its own."""
    place = Checkpoint("rollback", subject.harmed, share=rollback.BUDGET)
    if any(entry.checkpoint == place for entry in run.checkpoints):
        return
    repaired = subject.start + subject.delta - subject.rolled_back(rollback.BUDGET)
    with at_parameters(subject.policy, repaired):
        scores = evaluate(subject.policy)
        kept = {name: weight.clone() for name, weight in weights(subject.policy).items()}
    run.add_checkpoint(place, kept, scores, None)
    observer.checkpoint(place, scores)
