"""Later stages trained with what they have moved kept out of some directions, step by step."""

from collections.abc import Callable

from torch import Tensor

from toymdrl.parameters import read_parameters, write_parameters
from toymdrl.policy.model import Policy, copy_policy
from toymdrl.runs.config import PAPER_HARMED, RunConfig
from toymdrl.study.questions import Setting
from toymdrl.study.stage import train

Protection = Callable[[Tensor], Tensor]
"""What is left of an update of (coordinates,)."""


def train_protected(start: Policy, config: RunConfig, setting: Setting, protection: Protection) -> Policy:
    """A copy of Math's policy after all later stages, what it has moved so far protected after every step."""
    own = read_parameters(copy_policy(start).requires_grad_(True))

    def keep_out(policy: Policy) -> None:
        write_parameters(policy, own + protection(read_parameters(policy) - own))

    policy = start
    for domain in config.order[config.order.index(PAPER_HARMED) + 1 :]:
        policy = train(policy, domain, config.grpo, setting, "stage", keep_out)
    return policy
