"""What a run is: frozen dataclasses, three presets, a JSON round trip, and a check that says what to type instead."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from toymdrl.domains import DOMAINS
from toymdrl.grpo import GRPOConfig
from toymdrl.model import ModelConfig
from toymdrl.pretrain import WarmStartConfig
from toymdrl.vocab import TOKENS

MOST_THREADS = 256


class ConfigError(ValueError):
    """A setting that no run can have; the message is one line that says what to use instead."""


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run's numbers."""

    preset: str = "laptop"
    seed: int = 0
    order: tuple[str, ...] = ("code", "math", "qa", "cw")
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
    evaluate_every: int = 10
    """Steps between evaluations within a stage."""


_SMOKE = RunConfig(
    preset="smoke",
    model=ModelConfig(layers=2, width=32, heads=2, neurons=64),
    warm_start=WarmStartConfig(steps=60, batch=128),
    grpo=GRPOConfig(steps=4, prompts=16),
    refresh=GRPOConfig(steps=3, prompts=16, learning_rate=1e-3, anneal=False),
    refresh_steps=(1, 3),
    evaluate_every=2,
)
_LAPTOP = RunConfig()
_THOROUGH = replace(
    _LAPTOP,
    preset="thorough",
    warm_start=replace(_LAPTOP.warm_start, steps=3000),
    grpo=replace(_LAPTOP.grpo, prompts=64),
    refresh=replace(_LAPTOP.refresh, prompts=256),
)
PRESETS: dict[str, RunConfig] = {config.preset: config for config in (_SMOKE, _LAPTOP, _THOROUGH)}


def _at_least(config: Any, least: Mapping[str, float], where: str = "") -> None:
    for name, bound in least.items():
        value = getattr(config, name)
        if not value >= bound or value == float("inf"):
            raise ConfigError(f"{where}{name} is {value}; use {bound} or more")


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
        if key not in DOMAINS:
            raise ConfigError(f"unknown domain {key!r}; choose from {known}")
        if config.order.count(key) > 1:
            raise ConfigError(f"domain {key!r} appears twice in the order; name each domain once, from {known}")
    if not config.order:
        raise ConfigError(f"the order is empty; name at least one domain, from {known}")
    _at_least(config, {"threads": 1, "evaluate_every": 1, "seed": 0})
    _at_least(config.model, {"layers": 1, "heads": 1, "width": 1, "neurons": 1})
    least = {"steps": 1, "batch": len(DOMAINS), "learning_rate": 0, "weight_decay": 0}
    _at_least(config.warm_start, least, "warm-start ")
    for where, stage in (("", config.grpo), ("refresh ", config.refresh)):
        _at_least(stage, {"steps": 1, "prompts": 1, "group": 2, "updates": 1}, where)
        _at_least(stage, {"learning_rate": 0, "kl": 0, "clip": 0, "gradient_norm": 0}, where)
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
    return json.loads(json.dumps(asdict(config)))


def from_json(data: object) -> RunConfig:
    """A validated config from `to_json`'s form.

    Raises:
        ConfigError: a field that is missing, unknown, of the wrong type or of a value no run can have.
    """
    return validate(_read(RunConfig, data, ""))


def _read(kind: Any, value: object, where: str) -> Any:
    """A value of a dataclass field's type from its JSON form."""
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigError(f"config {where or 'file'} is no object of settings")
        kinds = get_type_hints(kind)
        names = [each.name for each in fields(kind)]
        if wrong := sorted(set(value) ^ set(names)):
            raise ConfigError(
                f"config {where}: setting {wrong[0]!r} is missing or unknown; expected {', '.join(names)}"
            )
        make: Any = kind
        return make(**{name: _read(kinds[name], value[name], f"{where}{name}.") for name in names})
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_read(get_args(kind)[0], each, where) for each in value)
    if get_origin(kind) is Literal and value in get_args(kind):
        return value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise ConfigError(f"config {where.rstrip('.')} is {value!r}; expected {kind}")
