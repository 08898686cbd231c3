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
    "read_checkpoints": "checkpoints",
    "as_vector": "checkpoints",
    "audit_checkpoints": "audit",
    "save_coordinates": "patch",
    "roll_back": "patch",
    # what they raise
    "CheckpointError": "shards",
    "ConfigError": "config",
    "CorruptFile": "files",
    "CurvatureError": "curvature",
    "RunError": "runs",
    # the miniature
    "DOMAINS": "domains",
    "problems": "domains",
    "ExpectedReward": "exact",
    "score": "exact",
    "Policy": "model",
    "ModelConfig": "model",
    "GRPOConfig": "grpo",
    "reinforce": "training",
    "PRESETS": "config",
    "RunConfig": "config",
    "RunDirectory": "runs",
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
    from toymdrl.audit import audit_checkpoints
    from toymdrl.checkpoints import as_vector, read_checkpoints
    from toymdrl.config import PRESETS, ConfigError, RunConfig
    from toymdrl.curvature import CurvatureError, Hessian, fisher_diagonal, gradient, top_eigenpairs
    from toymdrl.domains import DOMAINS, problems
    from toymdrl.exact import ExpectedReward, score
    from toymdrl.files import CorruptFile
    from toymdrl.grpo import GRPOConfig
    from toymdrl.model import ModelConfig, Policy
    from toymdrl.parameters import at, read, trainable, write
    from toymdrl.patch import roll_back, save_coordinates
    from toymdrl.runs import RunDirectory, RunError
    from toymdrl.shards import CheckpointError
    from toymdrl.streams import stream
    from toymdrl.training import reinforce


def __getattr__(name: str) -> Any:
    """A public name, from the file where it is."""
    if name not in _HOME:
        raise AttributeError(f"module 'toymdrl' has no attribute {name!r}")
    return getattr(import_module(f"toymdrl.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
