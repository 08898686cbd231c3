"""The public names, once: __init__.py loads them from where this file says that they are."""

__version__: str
__all__: list[str]
_RENAMED: dict[str, str]

# Measure any torch module.
from toymdrl.curvature import gradient as gradient
from toymdrl.curvature import Hessian as Hessian
from toymdrl.curvature import top_eigenpairs as top_eigenpairs
from toymdrl.curvature import fisher_diagonal as fisher_diagonal
from toymdrl.parameters import trainable_parameters as trainable_parameters
from toymdrl.parameters import read_parameters as read_parameters
from toymdrl.parameters import write_parameters as write_parameters
from toymdrl.parameters import at_parameters as at_parameters
from toymdrl.analysis.damage import decompose_damage as decompose_damage
from toymdrl.analysis.edits import measure_edit as measure_edit

# Checkpoints of one's own.
from toymdrl.checkpoints.whole import read_checkpoints as read_checkpoints
from toymdrl.checkpoints.whole import as_vector as as_vector
from toymdrl.checkpoints.audit import audit_checkpoints as audit_checkpoints
from toymdrl.checkpoints.rollback import save_coordinates as save_coordinates
from toymdrl.checkpoints.rollback import roll_back as roll_back

# The whole story on a model of one's own.
from toymdrl.explain.sequence import DomainLosses as DomainLosses
from toymdrl.explain.update import explain_update as explain_update

# What they raise.
from toymdrl.checkpoints.shards import CheckpointError as CheckpointError
from toymdrl.settings import ConfigError as ConfigError
from toymdrl.files import CorruptFile as CorruptFile
from toymdrl.curvature import CurvatureError as CurvatureError
from toymdrl.runs.results import RunError as RunError

# The miniature.
from toymdrl.domains import DOMAINS as DOMAINS
from toymdrl.domains import problems as problems
from toymdrl.policy.exact import ExpectedReward as ExpectedReward
from toymdrl.policy.exact import exact_score as exact_score
from toymdrl.policy.model import Policy as Policy
from toymdrl.policy.model import ModelConfig as ModelConfig
from toymdrl.training.grpo import GRPOConfig as GRPOConfig
from toymdrl.training.stage import rl_stage as rl_stage
from toymdrl.runs.config import PRESETS as PRESETS
from toymdrl.runs.config import RunConfig as RunConfig
from toymdrl.runs.directory import RunDirectory as RunDirectory
from toymdrl.streams import stream as stream
