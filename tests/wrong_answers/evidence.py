"""Chapter 10."""

_INTERVAL = (
    "from scipy import stats\ndef interval(values):\n    n, mean = len(values), np.mean(values)\n    half = {}\n"
    "    return mean, mean - half, mean + half"
)
_FLIP = (
    "from itertools import product\ndef sign_flip(differences):\n"
    "    d = np.asarray(differences, dtype=float)\n"
    "    means = np.array([np.mean(d * signs) for signs in product((1, -1), repeat=len(d))])\n"
    "    return {}"
)
_POWER = "from scipy import stats\ndef power(mean, spread, above, seeds):\n"
_DRAWN = _POWER + "    x = np.random.default_rng(0).normal(mean, spread, (20000, seeds))\n"

WRONG = {
    "10.1": [
        (_INTERVAL.format("1.96 * np.std(values, ddof=1) / n ** 0.5"), "1.96 is for large samples"),
        (_INTERVAL.format("stats.t.ppf(0.975, n - 1) * np.std(values) / n ** 0.5"), "ddof=1"),
        (_INTERVAL.format("stats.t.ppf(0.95, n - 1) * np.std(values, ddof=1) / n ** 0.5"), "quantile at 0.975"),
        (_INTERVAL.format("stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1)"), "square root of n"),
        (_INTERVAL.format("stats.t.ppf(0.975, n) * np.std(values, ddof=1) / n ** 0.5"), "expected"),
        ("def interval(values):\n    return np.mean(values)", "several numbers"),
    ],
    "10.2": [
        ("def worth(seeds, each, shared):\n    return seeds", "worth 80"),
        ("def worth(seeds, each, shared):\n    return seeds * each", "worth 10"),
        (
            "def worth(seeds, each, shared):\n    return seeds * each * (1 - shared) + seeds * shared",
            "no straight line",
        ),
        ("def worth(seeds, each, shared):\n    return seeds * each / (1 + each * shared)", "worth 10"),
    ],
    "10.3": [
        (_FLIP.format("np.mean(means >= d.mean() - 1e-12)"), "two-sided"),
        (_FLIP.format("np.mean(abs(means) > abs(d.mean()) + 1e-12)"), "+++ and ---"),
        (_FLIP.format("np.sum(abs(means) >= abs(d.mean()) - 1e-12)"), "+++ and ---"),
        (_FLIP.format("np.mean(abs(means) >= abs(d.mean()))"), "1e-12"),
        (
            "def sign_flip(differences):\n"
            "    d, rng = np.asarray(differences, dtype=float), np.random.default_rng(0)\n"
            "    signs = rng.choice([-1, 1], (1000, len(d)))\n"
            "    return np.mean(abs((signs * d).mean(axis=1)) >= abs(d.mean()) - 1e-12)",
            "count all choices exactly",
        ),
    ],
    "10.4": [
        (_DRAWN + "    return np.mean(x.mean(axis=1) > above)", "LOWER end"),
        (
            _POWER + "    return stats.norm.sf(1.96 - (mean - above) / spread * seeds ** 0.5)",
            "the normal approximation is too good",
        ),
        (
            _DRAWN + "    return np.mean(x.mean(1) - stats.t.ppf(0.95, seeds - 1) * stats.sem(x, axis=1) > above)",
            "two ends share",
        ),
        (
            _POWER + "    return stats.nct.sf(stats.t.ppf(0.975, seeds - 1), seeds - 1, (mean - above) / spread)",
            "far above the band",
        ),
    ],
    "10.5": [
        (
            "def holm(p):\n"
            "    p.sort()\n"
            "    least, out = 0, []\n"
            "    for rank, each in enumerate(p):\n"
            "        least = max(least, min(1, (len(p) - rank) * each))\n"
            "        out.append(least)\n"
            "    return out",
            "you changed `p` itself",
        ),
        ("def holm(p):\n    return [min(1.0, len(p) * each) for each in p]", "the next one by one less"),
        (
            "def holm(p):\n"
            "    order, out = np.argsort(p), [0] * len(p)\n"
            "    for rank, i in enumerate(order):\n"
            "        out[i] = min(1, (len(p) - rank) * p[i])\n"
            "    return out",
            "less than the 0.06 before it",
        ),
        (
            "def holm(p):\n"
            "    least, out = 0, []\n"
            "    for rank, each in enumerate(sorted(p)):\n"
            "        least = max(least, min(1, (len(p) - rank) * each))\n"
            "        out.append(least)\n"
            "    return out",
            "those are sorted",
        ),
        (
            "def holm(p):\n"
            "    order, out, least = np.argsort(p), [0] * len(p), 0\n"
            "    for rank, i in enumerate(order):\n"
            "        out[i] = least = max(least, (len(p) - rank) * p[i])\n"
            "    return out",
            "at most 1",
        ),
    ],
}
SURVIVORS = {
    "10.3: comparison abs(mean) > observed - 1e-12": "no mean lies on the edge itself, which is there for rounding",
}
