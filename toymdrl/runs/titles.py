"""Stages and checkpoints in words, apart from their values: a word must not decide whether a number is valid."""

from toymdrl import domains
from toymdrl.runs.plan import Checkpoint, Stage
from toymdrl.words import counted


def checkpoint_title(checkpoint: Checkpoint) -> str:
    """A checkpoint's name for people."""
    domain = domains.title(checkpoint.domain)
    match checkpoint.kind:
        case "base":
            return "Warm start"
        case "stage":
            return domain
        case "expert":
            return f"{domain} alone"
        case "refresh":
            return f"Re-{domain}, {counted(checkpoint.steps or 0, 'step')}"
        case "further":
            return f"{domain} and {counted(checkpoint.steps or 0, 'step')} further"
        case "rollback":
            return f"{domain}'s coordinates put back, {checkpoint.share:.0%}"


def stage_title(stage: Stage) -> str:
    """A stage's name for people."""
    domain = domains.title(stage.domain)
    match stage.kind:
        case "base":
            return "Warm start"
        case "refresh":
            return f"Re-{domain}"
        case "expert":
            return f"{domain} alone"
        case "further":
            return f"{domain} further"
        case _:
            return domain
