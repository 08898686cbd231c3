"""Chapter 7."""


def loop(body: str, before: str = "", first: str = "copy_policy(start).requires_grad_(True)") -> str:
    """A refresh loop, right but for what is given."""
    return (
        "from toymdrl.policy.model import copy_policy\n"
        "from toymdrl.policy.rollout import answer_log_policy\n"
        "def loss_of(policy, rollout, signal=None):\n"
        "    if signal is None:\n"
        "        signal = rollout.rewards - rollout.rewards.mean(dim=1, keepdim=True)\n"
        "    table = answer_log_policy(policy, rollout.prompts, rollout.answers)\n"
        "    tokens = table.gather(-1, rollout.answers.unsqueeze(-1)).squeeze(-1)\n"
        "    return -(signal * (tokens * rollout.mask).sum(-1)).mean()\n"
        "def re_math(start, play, steps, rate):\n"
        f"    policy = {first}\n"
        "    optimiser = torch.optim.Adam(policy.parameters(), lr=rate)\n"
        f"{before}"
        "    for _ in range(steps):\n"
        f"{body}"
        "    return policy\n"
    )


STEP = "        optimiser.zero_grad()\n        loss.backward()\n        optimiser.step()\n"
WRONG = {
    "7.1": [
        ("def steps_until(left, h, alpha):\n    return (1 - left) / (alpha * h)", "a quarter is left after 2 steps"),
        ("def steps_until(left, h, alpha):\n    return -math.log2(left) / h", "solve (1 - alpha h)^t"),
        ("def steps_until(left, h, alpha):\n    return -math.log2(left)", "solve (1 - alpha h)^t"),
        ("def steps_until(left, h, alpha):\n    np.log(left) / np.log(1 - alpha * h)", "`return` missing"),
    ],
    "7.2": [
        (
            "def broken(alpha, factor):\n    return np.diag([1.0, 2.0]), np.array([1.0, 5.0])",
            "nothing leaks",
        ),
        (
            "def broken(alpha, factor):\n    return np.array([[1.0, 1], [1, 2]]), np.array([1.0, 0.5])",
            "pushes the first one up",
        ),
        (
            "def broken(alpha, factor):\n    return np.array([[1.0, -1], [-1, 2]]), np.array([1.0, 50.0])",
            "Solve 1 - alpha",
        ),
        (
            "def broken(alpha, factor):\n    return np.array([[1.0, -2], [-2, 2]]), np.array([1.0, 50.0])",
            "positive definite",
        ),
    ],
    "7.3": [
        ("def best_share(h_a, h_b):\n    return h_b / (h_a + h_b)", "if B does not care"),
        ("def best_share(h_a, h_b):\n    return 1 / (1 + h_b)", "meet half way"),
        ("def best_share(h_a, h_b):\n    return 1 / (1 + (h_b / h_a) ** 2)", "the maximum is at"),
    ],
    "7.4": [
        (
            loop("        loss = loss_of(policy, play(policy))\n" + STEP, first="start.requires_grad_(True)"),
            "copy_policy(start)",
        ),
        (
            loop("        loss = loss_of(policy, play(policy))\n        loss.backward()\n        optimiser.step()\n"),
            "zero_grad()",
        ),
        (loop("        loss = loss_of(policy, play(start))\n" + STEP), "wrong policy"),
        (
            loop(
                "        loss = loss_of(policy, rollout)\n" + STEP,
                before="    rollout = play(policy)\n",
            ),
            "one fresh rollout for every step",
        ),
        (loop("        loss = -loss_of(policy, play(policy))\n" + STEP), "the sign"),
        (
            loop(
                "        rollout = play(policy)\n        loss = loss_of(policy, rollout, rollout.rewards)\n" + STEP,
            ),
            "less its group's mean",
        ),
        (
            loop(
                "        optimiser = torch.optim.Adam(policy.parameters(), lr=rate)\n"
                "        loss = loss_of(policy, play(policy))\n" + STEP,
            ),
            "made once, before the loop",
        ),
        (
            loop("        loss = loss_of(policy, play(policy))\n" + STEP).replace("optim.Adam", "optim.SGD"),
            "torch.optim.Adam",
        ),
        (loop("        loss = loss_of(policy, play(policy))\n" + STEP).replace("return policy", "pass"), "NoneType"),
    ],
}
SURVIVORS = {
    "7.2: constant 2.0": "any second curvature above 1 makes H positive definite, and the first step does not meet it",
}
