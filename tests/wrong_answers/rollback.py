"""Chapter 8."""

WRONG = {
    "8.1": [
        (
            "def rolled_back(start, end, importance, count):\n"
            "    chosen = importance.topk(count).indices\n"
            "    end[chosen] = start[chosen]\n"
            "    return end",
            "you changed `end` itself",
        ),
        (
            "def rolled_back(start, end, importance, count):\n"
            "    patched, chosen = end.clone(), importance.abs().topk(count).indices\n"
            "    patched[chosen] = start[chosen]\n"
            "    return patched",
            "sign included",
        ),
        (
            "def rolled_back(start, end, importance, count):\n"
            "    patched, chosen = start.clone(), importance.topk(count).indices\n"
            "    patched[chosen] = end[chosen]\n"
            "    return patched",
            "it should be 2",
        ),
    ],
    "8.2": [
        (
            "def recovery(product, delta, chosen):\n"
            "    m = delta * chosen\n"
            "    return -float(m @ product(m)) / 2, float(m @ product(delta))",
            "the other way round",
        ),
        (
            "def recovery(product, delta, chosen):\n"
            "    m = delta * chosen\n"
            "    return float(m @ product(delta)) / 2, -float(m @ product(m)) / 2",
            "no half in the first",
        ),
        (
            "def recovery(product, delta, chosen):\n"
            "    m = delta * chosen\n"
            "    return m @ product(delta - m), m @ product(m) / 2",
            "with the rest of delta",
        ),
        (
            "def recovery(product, delta, chosen):\n"
            "    m = delta * chosen\n"
            "    return m @ product(delta), m @ product(m) / 2",
            "mind the sign",
        ),
        (
            "def recovery(product, delta, chosen):\n"
            "    m = delta * chosen\n"
            "    return m @ product(delta), -(m @ product(m))",
            "factor 1/2",
        ),
        (
            "def recovery(product, delta, chosen):\n"
            "    delta[~chosen] = 0\n"
            "    return delta @ product(delta), -(delta @ product(delta)) / 2",
            "changed `delta`",
        ),
    ],
    "8.3": [
        (
            "def signed_but_harmful():\n    return np.array([[1.0, 0.5], [0.5, 1.0]]), np.array([1.0, 1.0])",
            "One of them must be negative",
        ),
        ("def signed_but_harmful():\n    return np.diag([1.0, 2.0]), np.array([1.0, -1.0])", "diagonal H"),
        (
            "def signed_but_harmful():\n    return np.array([[1.0, 0.9], [0.9, 1.0]]), np.array([1.0, -0.3])",
            "does no harm",
        ),
        (
            "def signed_but_harmful():\n    return np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([1.0, -0.8])",
            "positive definite",
        ),
    ],
    "8.4": [
        ("def damped_share(a, b):\n    return max(0.0, min(1.0, a / b)) if b else 1.0", "undo nothing"),
        ("def damped_share(a, b):\n    return 0.0 if a <= 0 else min(1.0, 1 / b) if b > 0 else 1.0", "has its top"),
        ("def damped_share(a, b):\n    return 0.0 if a <= 0 else a / b if b > 0 else 1.0", "more than all"),
        ("def damped_share(a, b):\n    return max(0.0, min(1.0, a / b))", "a / b is positive here"),
        (
            "def damped_share(a, b):\n    return 0.0 if a <= 0 else min(1.0, a / (2 * b)) if b > 0 else 1.0",
            "has its top",
        ),
    ],
}
SURVIVORS = {
    "8.4: comparison b <= a": "where b is a, a / b is 1 too",
}
