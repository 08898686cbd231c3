"""Chapter 5."""

_TAYLOR = (
    "from toymdrl.curvature import Hessian, gradient\n"
    "def taylor(module, loss, delta):\n"
    "    g, bent = gradient(module, loss), Hessian(module, loss, keep_graph=False) @ delta\n"
)
_TOY = "def orthogonal_but_harmful():\n    return "
_ANY = "def any_cosine(cosine, damage):\n    slope = damage / 2\n"
_MIRROR = (
    "def sharper_mirror(damage, delta):\n"
    "    odd = lambda x: (damage(x) - damage(-x)) / 2\n"
    "    even = lambda x: (damage(x) + damage(-x)) / 2\n"
)
WRONG = {
    "5.1": [
        (_TAYLOR + "    return g @ delta, delta @ bent", "a factor 1/2"),
        (_TAYLOR + "    return delta @ bent / 2, g @ delta", "first order first"),
        (_TAYLOR + "    return g @ delta + delta @ bent / 2", "several numbers"),
        (_TAYLOR + "    return g * delta, delta @ bent / 2", "one number"),
        (_TAYLOR + "    return -g @ delta, delta @ bent / 2", "so g.delta ="),
        (_TAYLOR + "    return g @ delta, g @ bent / 2", "delta.H delta / 2 is"),
    ],
    "5.2": [
        (_TOY + "np.diag([1.0, 20.0]), np.array([1.0, 0.0]), np.array([0.0, 2.0])", "scale the step"),
        (_TOY + "np.diag([1.0, 20.0]), np.array([0.0, 0.0]), np.array([0.0, 1.0])", "zero"),
        (_TOY + "np.diag([1.0, 20.0]), np.array([1.0, 0.1]), np.array([0.0, 1.0])", "not orthogonal"),
        (_TOY + "np.diag([1.0, -20.0]), np.array([1.0, 0.0]), np.array([0.0, 1.0])", "no harm"),
        (_TOY + "np.array([[1.0, 5.0], [0.0, 20.0]]), np.array([1.0, 0.0]), np.array([0.0, 1.0])", "symmetric"),
        (_TOY + "np.diag([1.0, 20.0]), np.array([1.0, 0.0])", "three arrays"),
    ],
    "5.3": [
        (
            _ANY + "    g = slope * np.array([cosine, np.sqrt(1 - cosine**2)])\n"
            "    M = np.diag([2 * (damage - cosine * slope), 1.0])\n"
            "    return M, np.linalg.solve(M, g), np.array([1.0, 0.0])",
            "*against* B's gradient",
        ),
        (
            _ANY + "    g = slope * np.array([-cosine, np.sqrt(1 - cosine**2)])\n"
            "    M = np.diag([2 * damage, 1.0])\n"
            "    return M, np.linalg.solve(M, g), np.array([1.0, 0.0])",
            "supply the rest",
        ),
        (_ANY + "    return np.diag([1.0, 20.0]), np.array([1.0, 0.0]), np.array([0.0, 1.0])", "gradients' cosine is"),
        (
            "def any_cosine(cosine, damage):\n    g = np.array([-cosine, np.sqrt(1 - cosine**2)])\n"
            "    M = np.diag([2 * (damage + cosine), 1.0])\n"
            "    return M, np.linalg.solve(M, g), np.array([1.0, 0.0])",
            "Singular",
        ),
    ],
    "5.4": [
        (_MIRROR + "    return odd(delta), even(delta)", "plain mirror"),
        (_MIRROR + "    return 2 * odd(delta / 2), 4 * even(delta / 2)", "not"),
        (
            _MIRROR + "    return (8 * odd(delta / 2) - odd(delta)) / 3, (8 * even(delta / 2) - even(delta)) / 3",
            "the second order of",
        ),
        (_MIRROR + "    return (8 * odd(delta / 2) - odd(delta)) / 3, even(delta)", "a sixteenth"),
        (
            _MIRROR + "    return (16 * even(delta / 2) - even(delta)) / 3, (8 * odd(delta / 2) - odd(delta)) / 3",
            "first order first",
        ),
    ],
}
SURVIVORS = {
    "5.1: constant False": "a graph that is kept gives the same product, and takes more memory",
    "5.2: constant 1.0": "a gradient twice as long is as orthogonal",
    "5.2: constant 2.0": "the valley may rise along its floor as it likes",
    "5.3: constant 1.0": "the curvature across the step is any but 0",
    "5.3: constant 2": "A's gradient may have any length that leaves the curvature its sign",
}
