"""The repair without training that chapter 0 shows and chapter 8 explains."""

from toymdrl.analysis.rollback import top_coordinates
from toymdrl.curvature import Hessian
from toymdrl.parameters import read_parameters, write_parameters
from toymdrl.policy.exact import ExpectedReward
from toymdrl.policy.losses import first_problems, reward_loss
from toymdrl.policy.model import Policy, copy_policy

PROMPTS = 512
"""Train prompts that choose the weights."""


def roll_back(policy: Policy, start: Policy, domain: str, *, share: float = 0.01) -> Policy:
    """A copy of a policy in which a few weights are put back to where they were.

    They are those whose part in the second-order damage |delta · H delta| is largest, H at the earlier checkpoint (C11;
    `analysis/rollback.py` has the controls).

    Args:
        policy: left as it is.
        start: the earlier checkpoint, at which the domain was well.
        domain: whose damage is to be undone: "math", "code", "qa" or "cw".
        share: of all weights.
    """
    loss = reward_loss(ExpectedReward(first_problems(domain, "train", PROMPTS)))
    before, now = read_parameters(start), read_parameters(policy)
    update = now - before
    importance = (update * (Hessian(start, loss, keep_graph=False) @ update)).abs()
    chosen = top_coordinates(importance, int(share * len(update)))
    now[chosen] = before[chosen]
    rolled = copy_policy(policy).requires_grad_(True)
    write_parameters(rolled, now)
    return rolled
