"""Cross-domain interference and recovery in multi-domain RL, reproduced with tiny transformers on a laptop.

The public interface is the names in `__all__`, what they take and give back, and the command line. They are loaded when
they are first used, so that `import toymdrl` does not wait for torch. Everything else may change in any release; a
public name that goes away warns for one minor release first.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    # measure any torch module
    "gradient": "curvature",
    "Hessian": "curvature",
    "top_eigenpairs": "curvature",
    "fisher_diagonal": "curvature",
    "trainable": "parameters",
    "read": "parameters",
    "write": "parameters",
    "at": "parameters",
    "decompose": "analysis.damage",
    "edit_of": "analysis.edits",
    # checkpoints of one's own
    "read_checkpoints": "checkpoints.whole",
    "as_vector": "checkpoints.whole",
    "audit_checkpoints": "checkpoints.audit",
    "save_coordinates": "checkpoints.rollback",
    "roll_back": "checkpoints.rollback",
    # what they raise
    "CheckpointError": "checkpoints.shards",
    "ConfigError": "runs.config",
    "CorruptFile": "files",
    "CurvatureError": "curvature",
    "RunError": "runs.directory",
    # the miniature
    "DOMAINS": "domains",
    "problems": "domains",
    "ExpectedReward": "policy.exact",
    "score": "policy.exact",
    "Policy": "policy.model",
    "ModelConfig": "policy.model",
    "GRPOConfig": "training.grpo",
    "reinforce": "training.stage",
    "PRESETS": "runs.config",
    "RunConfig": "runs.config",
    "RunDirectory": "runs.directory",
    "stream": "streams",
}

__all__ = [
    "DOMAINS",
    "PRESETS",
    "CheckpointError",
    "ConfigError",
    "CorruptFile",
    "CurvatureError",
    "ExpectedReward",
    "GRPOConfig",
    "Hessian",
    "ModelConfig",
    "Policy",
    "RunConfig",
    "RunDirectory",
    "RunError",
    "as_vector",
    "at",
    "audit_checkpoints",
    "decompose",
    "edit_of",
    "fisher_diagonal",
    "gradient",
    "problems",
    "read",
    "read_checkpoints",
    "reinforce",
    "roll_back",
    "save_coordinates",
    "score",
    "stream",
    "top_eigenpairs",
    "trainable",
    "write",
]

if TYPE_CHECKING:
    from toymdrl.analysis.damage import decompose
    from toymdrl.analysis.edits import edit_of
    from toymdrl.checkpoints.audit import audit_checkpoints
    from toymdrl.checkpoints.rollback import roll_back, save_coordinates
    from toymdrl.checkpoints.shards import CheckpointError
    from toymdrl.checkpoints.whole import as_vector, read_checkpoints
    from toymdrl.curvature import CurvatureError, Hessian, fisher_diagonal, gradient, top_eigenpairs
    from toymdrl.domains import DOMAINS, problems
    from toymdrl.files import CorruptFile
    from toymdrl.parameters import at, read, trainable, write
    from toymdrl.policy.exact import ExpectedReward, score
    from toymdrl.policy.model import ModelConfig, Policy
    from toymdrl.runs.config import PRESETS, ConfigError, RunConfig
    from toymdrl.runs.directory import RunDirectory, RunError
    from toymdrl.streams import stream
    from toymdrl.training.grpo import GRPOConfig
    from toymdrl.training.stage import reinforce


def __getattr__(name: str) -> Any:
    """A public name, from the file where it is."""
    if name not in _HOME:
        raise AttributeError(f"module 'toymdrl' has no attribute {name!r}")
    return getattr(import_module(f"toymdrl.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
