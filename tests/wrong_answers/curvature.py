"""Chapter 6."""

ITERATION = (
    "def two_sharpest(product, start, steps):\n"
    "    u = start / start.norm()\n"
    "    for _ in range(steps):\n"
    "        u = product(u)\n"
    "        u = u / u.norm()\n"
)
WRONG = {
    "6.1": [
        (
            ITERATION + "    v = start - u * (u @ start)\n"
            "    for _ in range(steps):\n"
            "        v = product(v)\n"
            "        v = v / v.norm()\n"
            "    return [u @ product(u), v @ product(v)], torch.stack([u, v], dim=1)",
            "after every product",
        ),
        (
            ITERATION + "    v = start\n"
            "    for _ in range(steps):\n"
            "        v = product(v)\n"
            "        v = v - u * (u @ v)\n"
            "        v = v / v.norm()\n"
            "    return [product(u).norm(), product(v).norm()], torch.stack([u, v], dim=1)",
            "keep the sign",
        ),
        (
            ITERATION + "    v = start\n"
            "    for _ in range(steps):\n"
            "        v = product(v)\n"
            "        v = v - u * (u @ v)\n"
            "        v = v / v.norm()\n"
            "    return [u @ product(u), v @ product(v)], torch.stack([u, v])",
            "the columns",
        ),
        (
            "def two_sharpest(product, start, steps):\n"
            "    u, v = start, start\n"
            "    for _ in range(steps):\n"
            "        u = product(u)\n"
            "        v = product(v)\n"
            "        v = v - u * (u @ v) / (u @ u)\n"
            "    return [u @ product(u), v @ product(v)], torch.stack([u, v], dim=1)",
            "normalise",
        ),
        (ITERATION + "    return u @ product(u), u", "two eigenvalues"),
    ],
    "6.2": [
        ("def counterexample(share, damage):\n    return np.diag([1e6, 1.0]), np.array([0.01, 1.0])", "squared length"),
        (
            "def counterexample(share, damage):\n"
            "    h = damage * (1 - share) / (share * (1 - damage))\n"
            "    return np.diag([h, 1.0]), np.array([share, 1 - share])",
            "square roots",
        ),
        (
            "def counterexample(share, damage):\n"
            "    return np.diag([damage / share, 1.0]), np.sqrt(np.array([share, 1 - share]))",
            "solve for h",
        ),
        (
            "def counterexample(share, damage):\n"
            "    return np.array([[1.0, 0.5], [0.5, 1.0]]), np.sqrt(np.array([share, 1 - share]))",
            "cross term",
        ),
    ],
    "6.3": [
        (
            "def split_damage(values, vectors, delta):\n"
            "    c = vectors[:, :-1].T @ delta\n"
            "    return values[:-1] @ c**2, abs(values[-1]) * (delta @ delta - c @ c)",
            "factor 1/2",
        ),
        (
            "def split_damage(values, vectors, delta):\n"
            "    c = vectors.T @ delta\n"
            "    return values @ c**2 / 2, abs(values[-1]) * (delta @ delta - c @ c) / 2",
            "only the first k",
        ),
        (
            "def split_damage(values, vectors, delta):\n"
            "    c = vectors[:, :-1].T @ delta\n"
            "    return values[:-1] @ c**2 / 2, values[-1] * (delta @ delta - c @ c) / 2",
            "take |lambda|",
        ),
        (
            "def split_damage(values, vectors, delta):\n"
            "    c = vectors[:, :-1].T @ delta\n"
            "    return values[:-1] @ c**2 / 2, abs(values[-1]) * (delta @ delta) / 2",
            "only what is outside",
        ),
        (
            "def split_damage(values, vectors, delta):\n"
            "    c = vectors[:, :-1].T @ delta\n"
            "    return values[:-1] @ c**2 / 2, abs(values[-1]) * (delta - vectors[:, :-1] @ c).norm() / 2",
            "counts squared",
        ),
    ],
    "6.4": [
        (
            "def place(checkpoint, start, outside, inside):\n"
            "    step = checkpoint - start\n"
            "    a, b = step @ outside / outside.norm(), step @ inside / inside.norm()\n"
            "    return a, b, 0.0",
            "divide by ||Q delta||² once more",
        ),
        (
            "def place(checkpoint, start, outside, inside):\n"
            "    step = checkpoint - start\n"
            "    a, b = step @ inside / (inside @ inside), step @ outside / (outside @ outside)\n"
            "    return a, b, (step - a * inside - b * outside).norm()",
            "a belongs to `outside`",
        ),
        (
            "def place(checkpoint, start, outside, inside):\n"
            "    step = checkpoint - start\n"
            "    return step @ outside / (outside @ outside), step @ inside / (inside @ inside), step.norm()",
            "off the plane",
        ),
    ],
}
SURVIVORS: dict[str, str] = {}
