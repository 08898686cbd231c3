"""Chapter 3."""

WRONG = {
    "3.1": [
        ("def advantages(rewards):\n    return rewards - rewards.mean(dim=0, keepdim=True)", "dim=0"),
        ("def advantages(rewards):\n    return rewards - rewards.mean(dim=1)", "keepdim=True"),
        ("def advantages(rewards):\n    return rewards - rewards.mean()", "the whole batch"),
        ("def advantages(rewards):\n    rewards - rewards.mean(dim=1, keepdim=True)", "`return` missing"),
        (
            "def advantages(rewards):\n"
            "    return (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-4)",
            "and nothing else",
        ),
    ],
    "3.2": [
        (
            "def policy_loss(logprobs, mask, advantages):\n"
            "    return -(advantages * (logprobs * mask).sum(-1) / mask.sum(-1)).mean()",
            "sum over tokens",
        ),
        (
            "def policy_loss(logprobs, mask, advantages):\n"
            "    return -(advantages * (logprobs * mask).sum(-1)).sum() / mask.sum()",
            "BNPO and DAPO",
        ),
        (
            "def policy_loss(logprobs, mask, advantages):\n    return (advantages * (logprobs * mask).sum(-1)).mean()",
            "sign",
        ),
        ("def policy_loss(logprobs, mask, advantages):\n    return -(advantages * logprobs.sum(-1)).mean()", "padding"),
        (
            "def policy_loss(logprobs, mask, advantages):\n    return -(advantages * (logprobs * mask).sum(-1)).sum()",
            "mean",
        ),
        (
            "def policy_loss(logprobs, mask, advantages):\n    return -advantages * (logprobs * mask).sum(-1)",
            "one number",
        ),
        (
            "def policy_loss(logprobs, mask, advantages):\n"
            "    return float(-(advantages * (logprobs * mask).sum(-1)).mean().detach())",
            "to be differentiated",
        ),
        (
            "def policy_loss(logprobs, mask, advantages):\n    return -(advantages * logprobs * mask).mean()",
            "size of tensor",
        ),
    ],
    "3.3": [
        ("def length(group):\n    return 1.0", "its advantage is 0"),
        ("def length(group):\n    return group / (group - 1)", "ZeroDivisionError"),
        ("def length(group):\n    return 1 - 1 / group**2", "is 1/G"),
        ("import math\ndef length(group):\n    return math.sqrt(1 - 1 / group)", "is 1/G"),
    ],
    "3.4": [
        (
            "def clipped_loss(logprobs, old, mask, advantages, clip):\n"
            "    ratio = ((logprobs - old) * mask).sum(dim=-1).exp()\n"
            "    gain = torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)\n"
            "    return -gain.mean()",
            "one ratio for every token",
        ),
        (
            "def clipped_loss(logprobs, old, mask, advantages, clip):\n"
            "    ratio = logprobs - old\n"
            "    a = advantages.unsqueeze(-1)\n"
            "    gain = torch.minimum(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a)\n"
            "    return -(gain * mask).sum(dim=-1).mean()",
            "exp(logprobs - old)",
        ),
        (
            "def clipped_loss(logprobs, old, mask, advantages, clip):\n"
            "    ratio = (logprobs - old).exp().clamp(1 - clip, 1 + clip)\n"
            "    return -(ratio * advantages.unsqueeze(-1) * mask).sum(-1).mean()",
            "MORE probable",
        ),
        (
            "def clipped_loss(logprobs, old, mask, advantages, clip):\n"
            "    ratio = (logprobs - old).exp()\n"
            "    return -(ratio * advantages.unsqueeze(-1) * mask).sum(-1).mean()",
            "clipped, no gradient is left",
        ),
        (
            "def clipped_loss(logprobs, old, mask, advantages, clip):\n"
            "    ratio = (logprobs - old).exp()\n"
            "    gain = torch.minimum(ratio, ratio.clamp(1 - clip, 1 + clip)) * advantages.unsqueeze(-1)\n"
            "    return -(gain * mask).sum(-1).mean()",
            "not of the ratios",
        ),
        (
            "def clipped_loss(logprobs, old, mask, advantages, clip):\n"
            "    ratio = (logprobs - old).exp()\n"
            "    gain = torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)\n"
            "    return -(gain * mask).sum(-1).mean()",
            "size of tensor",
        ),
    ],
}
SURVIVORS: dict[str, str] = {}
