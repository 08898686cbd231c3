"""REINFORCE with a running baseline (Williams 1992): an answer's reward is compared with past rewards, not its group's.

The baseline is an exponential moving average of the rewards of earlier steps. It must not depend on the answers that it
is subtracted from, or the gradient were biased; so a step uses the average as it was before, and then adds its own.
The expected gradient of the loss is -grad J + beta grad KL, whatever the baseline is.
"""

import torch
from torch import Tensor

from toymdrl.domains import Problems
from toymdrl.training.grpo import GRPO, GRPOConfig
from toymdrl.training.objective import Learner

MEMORY = 0.9
"""Share of the average that a step keeps."""


class RunningBaseline(GRPO):
    """GRPO's rollouts, clipping and KL term with another advantage; a group is then only a larger batch."""

    def __init__(self, train: Problems, config: GRPOConfig, learner: Learner) -> None:
        """The average begins at 0."""
        super().__init__(train, config, learner)
        self._baseline = torch.zeros(learner.members, device=learner.device)

    def signal(self, rewards: Tensor) -> Tensor:
        """Rewards less the baseline, which then learns of them."""
        signal = rewards - self._baseline[..., None, None]
        # In place: a GPU replays this on the same tensor.
        self._baseline.lerp_(rewards.mean(dim=(-2, -1)).to(self._baseline), 1 - MEMORY)
        return signal

    def state(self) -> dict[str, Tensor]:
        """The average."""
        return {"baseline": self._baseline}
