"""Chapter 4."""

_EACH = "def rearranged(update, sizes, generator):\n"
_DEALT = "def dealt_out(rewards, generator):\n"
_BLIND = "def blind_damage(hessian, covariance, length):\n"
WRONG = {
    "4.1": [
        (_EACH + "    return update[torch.randperm(len(update), generator=generator)]", "from one matrix to another"),
        (_EACH + "    return torch.cat([p[torch.randperm(len(p))] for p in update.split(sizes)])", "same generator"),
        (_EACH + "    return torch.cat([p.flip(0) for p in update.split(sizes)])", "two generators"),
        (_EACH + "    return [p[torch.randperm(len(p), generator=generator)] for p in update.split(sizes)]", "tensor"),
        (
            _EACH
            + "    for p in update.split(sizes):\n        p.copy_(p[torch.randperm(len(p), generator=generator)])\n"
            "    return update",
            "you changed `update`",
        ),
        (
            _EACH
            + "    parts = [p[torch.randint(len(p), (len(p),), generator=generator)] for p in update.split(sizes)]"
            "\n    return torch.cat(parts)",
            "every entry once",
        ),
    ],
    "4.2": [
        (
            _DEALT + "    return rewards.flatten()[torch.randperm(rewards.numel(), generator=generator)]"
            ".view_as(rewards)",
            "from one prompt to another",
        ),
        (
            _DEALT + "    return rewards[torch.randperm(len(rewards), generator=generator)]",
            "from one prompt to another",
        ),
        (_DEALT + "    return rewards[:, torch.randperm(rewards.shape[1], generator=generator)]", "draw one a prompt"),
        (_DEALT + "    return rewards.gather(1, torch.rand(rewards.shape).argsort(dim=1))", "same generator"),
        (
            _DEALT + "    start = torch.randint(1, rewards.shape[1], (len(rewards), 1), generator=generator)\n"
            "    order = (torch.arange(rewards.shape[1]) + start) % rewards.shape[1]\n"
            "    return rewards.gather(1, order)",
            "a shift keeps neighbours",
        ),
        (
            _DEALT + "    order = torch.randint(rewards.shape[1], rewards.shape, generator=generator)\n"
            "    return rewards.gather(1, order)",
            "some are there twice",
        ),
        (_DEALT + "    return rewards.sort(dim=1).values", "the same order"),
        (
            _DEALT + "    order = torch.rand(rewards.shape, generator=generator).argsort(dim=0)\n"
            "    return rewards.gather(0, order)",
            "from one prompt to another",
        ),
    ],
    "4.3": [
        (_BLIND + "    return length**2 * np.trace(hessian @ covariance) / np.trace(covariance)", "*half*"),
        (_BLIND + "    return length**2 * np.trace(hessian @ covariance) / 2", "divide by the trace"),
        (_BLIND + "    return length**2 / 2 * np.trace(hessian) / len(hessian)", "along the sharpest"),
        (
            _BLIND + "    c = np.diag(covariance)\n    return length**2 / 2 * float(np.diag(hessian) @ c) / c.sum()",
            "diagonals alone",
        ),
        (
            _BLIND + "    return length / 2 * np.trace(hessian @ covariance) / np.trace(covariance)",
            "4/2 times the mean eigenvalue",
        ),
    ],
}
SURVIVORS: dict[str, str] = {}
