"""The picture that says why: every domain's score in the plane of what the update did inside and outside C8's subspace.

No claim of the paper's: it shows C7, C8 and C10 at once. Its rules over seeds are in experiments/plane.py.
"""

from toymdrl.analysis import plane
from toymdrl.analysis.plane import Plane
from toymdrl.claims.subject import Subject
from toymdrl.runs.plan import Checkpoint

SHARE = 1 / 4
"""Of the unseen prompts that the harmed domain is scored on, the others are scored on so many: for shape, not level."""


def measure(subject: Subject) -> Plane:
    """The analysis of a run: the stages after the harmed domain's, and its own refresh."""
    head = subject.headline
    losses = {head.domain: subject.losses[head.domain]}
    for domain in (*head.later, *subject.order):
        if domain not in losses:
            losses[domain] = subject.unseen_loss(domain, SHARE)
    refreshes = {steps: Checkpoint("refresh", head.domain, steps=steps) for steps in subject.config.refresh_steps}
    return plane.measure(
        subject.policy,
        losses,
        subject.start,
        {domain: subject.vectors[Checkpoint("stage", domain)] for domain in head.later},
        {str(steps): subject.vectors[place] for steps, place in refreshes.items()},
        basis=subject.spectrum.vectors,
        generator=subject.stream("plane"),
        harmed=head.domain,
        later=subject.later,
    )
