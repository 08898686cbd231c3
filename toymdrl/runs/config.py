"""What a run is: frozen dataclasses, three presets, a JSON round trip, and a check that says what to type instead."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from toymdrl.domains import DOMAINS, domain_called
from toymdrl.domains.vocab import TOKENS
from toymdrl.plain import PlainError, from_plain, to_plain
from toymdrl.policy.model import ModelConfig
from toymdrl.settings import ConfigError, at_least
from toymdrl.training.grpo import GRPOConfig
from toymdrl.training.pretrain import WarmStartConfig

MOST_THREADS = 256
PAPER_ORDER = ("code", "math", "qa", "cw")
PAPER_HARMED = "math"
PAPER_REFRESH_STEPS = 3
"""The paper's experiment: the order of training, the domain whose loss it tells, the steps of its refresh."""


@dataclass(frozen=True)
class AnalysisConfig:
    """How much the analysis looks at."""

    prompts: int = 1024
    """Prompts of the train split it fits to, and of the eval split it scores on; a CW problem counts as 16."""
    pairs: int = 32
    """Eigenpairs of the conflict subspace."""
    cw: bool = False
    """Whether CW's Hessian is among those that it is compared with: its products take ten times as long."""


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run's numbers.

    Example:
        >>> from dataclasses import replace
        >>> from toymdrl import PRESETS
        >>> from toymdrl.runs.config import validate
        >>> config = replace(PRESETS["laptop"], seed=3, order=("math", "qa"))
        >>> validate(config).grpo.steps
        50
    """

    preset: str = "laptop"
    seed: int = 0
    order: tuple[str, ...] = PAPER_ORDER
    """Domains in the order they are trained."""
    device: str = "cpu"
    threads: int = 2
    """CPU threads. Recorded, because the order of float additions, and so the last bits, depend on it."""
    model: ModelConfig = field(default_factory=ModelConfig)
    warm_start: WarmStartConfig = field(default_factory=WarmStartConfig)
    grpo: GRPOConfig = field(default_factory=GRPOConfig)
    refresh: GRPOConfig = field(
        default_factory=lambda: GRPOConfig(steps=10, prompts=128, learning_rate=1e-3, anneal=False)
    )
    refresh_steps: tuple[int, ...] = (1, 3, 10)
    """Steps of a refresh after which a checkpoint is kept; the last one is refresh.steps."""
    analysis: AnalysisConfig = field(default_factory=AnalysisConfig)
    evaluate_every: int = 10
    """Steps between evaluations within a stage."""


_SMOKE = RunConfig(
    preset="smoke",
    model=ModelConfig(layers=2, width=32, heads=2, neurons=64),
    warm_start=WarmStartConfig(steps=60, batch=128),
    grpo=GRPOConfig(steps=4, prompts=16),
    refresh=GRPOConfig(steps=3, prompts=16, learning_rate=1e-3, anneal=False),
    refresh_steps=(1, 3),
    analysis=AnalysisConfig(prompts=64, pairs=8),
    evaluate_every=2,
)
_LAPTOP = RunConfig()
_THOROUGH = replace(
    _LAPTOP,
    preset="thorough",
    warm_start=replace(_LAPTOP.warm_start, steps=3000),
    grpo=replace(_LAPTOP.grpo, prompts=64),
    refresh=replace(_LAPTOP.refresh, prompts=256),
    analysis=AnalysisConfig(prompts=2048, pairs=64, cw=True),
)
PRESETS: dict[str, RunConfig] = {config.preset: config for config in (_SMOKE, _LAPTOP, _THOROUGH)}


def validate(config: RunConfig) -> RunConfig:
    """The config itself.

    Raises:
        ConfigError: what is wrong with it.
    """
    if config.preset not in PRESETS:
        raise ConfigError(f"unknown preset {config.preset!r}; choose from {', '.join(PRESETS)}")
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", config.device):
        raise ConfigError(f"unknown device {config.device!r}; use cpu, cuda, cuda:N or mps")
    if config.threads > MOST_THREADS:
        raise ConfigError(f"threads is {config.threads}; use {MOST_THREADS} or fewer")
    known = ", ".join(DOMAINS)
    for key in config.order:
        domain_called(key)
        if config.order.count(key) > 1:
            raise ConfigError(f"domain {key!r} appears twice in the order; name each domain once, from {known}")
    if not config.order:
        raise ConfigError(f"the order is empty; name at least one domain, from {known}")
    at_least(config, {"threads": 1, "evaluate_every": 1, "seed": 0})
    at_least(config.model, {"layers": 1, "heads": 1, "width": 1, "neurons": 1})
    at_least(config.analysis, {"prompts": 32, "pairs": 2}, "analysis ")
    if config.model.vocabulary != len(TOKENS):
        raise ConfigError(f"vocabulary is {config.model.vocabulary}; this version has {len(TOKENS)} tokens")
    if config.model.width % config.model.heads:
        raise ConfigError(f"width {config.model.width} is not a multiple of heads {config.model.heads}")
    longest = max(domain.prompt_length + domain.answer_length for domain in DOMAINS.values())
    if config.model.positions < longest:
        raise ConfigError(f"positions is {config.model.positions}; the longest prompt and answer need {longest}")
    steps = config.refresh_steps
    if not steps or list(steps) != sorted(set(steps)) or steps[0] < 1 or steps[-1] != config.refresh.steps:
        raise ConfigError(f"refresh_steps {steps} must rise from 1 or more to refresh.steps, {config.refresh.steps}")
    return config


def to_json(config: RunConfig) -> dict[str, Any]:
    """Plain JSON types; `from_json` gives the config back."""
    return to_plain(config)


def from_json(data: object) -> RunConfig:
    """A validated config from `to_json`'s form.

    Raises:
        ConfigError: a field that is missing, unknown, of the wrong type or of a value no run can have.
    """
    try:
        return validate(from_plain(RunConfig, data))
    except PlainError as error:
        raise ConfigError(f"config {error}") from error
