"""Chapter 9."""

_BITS = "def stored(x):\n    bits = np.asarray(x, dtype=np.float32).view(np.uint32)\n"
_CUT = "    return (bits & np.uint32(0xFFFF0000)).view(np.float32)"
_STEPS = "def steps_until_seen(weight, step):\n    mantissa, exponent = np.frexp(abs(weight))\n"

WRONG = {
    "9.1": [
        (_BITS + _CUT, "always towards zero"),
        (_BITS + "    bits = bits + np.uint32(0x8000)\n" + _CUT, "EVEN neighbour"),
        (_BITS + "    bits = bits + np.uint32(0x7FFF)\n" + _CUT, "the even neighbour"),
        ("def stored(x):\n    return np.round(x * 128) / 128", "must come out as it went in"),
        (_BITS + "    return (bits + np.uint32(0x7FFF)) & np.uint32(0xFFFF0000)", "must come out as it went in"),
        (_BITS + "    (bits & np.uint32(0xFFFF0000)).view(np.float32)", "`return` missing"),
    ],
    "9.2": [
        ("counterexample = np.ones(4), np.ones(4) + 0.01, np.ones(4) + 0.001", "must be larger than the small one"),
        ("counterexample = np.ones(4), np.ones(4) + 0.004, np.ones(4) - 0.005", "ON the grid"),
        (
            "edge = np.full(4, 1 + 2.0**-8)\ncounterexample = edge - 1e-3, edge - 0.9e-3, edge + 1e-3",
            "every small change must show",
        ),
        (
            "edge = np.full(4, 1 + 2.0**-8)\ncounterexample = edge - 1e-5, edge + 1e-5, edge + 1e-3",
            "no larger change may show",
        ),
        ("counterexample = 1.0, 1.1, 1.2", "four weights"),
        ("counterexample = np.ones(4), np.ones(4)", "three arrays"),
        ("counterexample = np.ones(4)", "several arrays"),
    ],
    "9.3": [
        (_STEPS + "    return int(2.0 ** (exponent - 9) / abs(step)) + 1", "twice as dense"),
        (_STEPS + "    return int(2.0 ** (exponent - 8) / abs(step)) + 1", "half way there"),
        (_STEPS + "    return int(2.0 ** (exponent - 9) / abs(step))", "the 4th step shows"),
        (
            "def steps_until_seen(weight, step):\n    return int(abs(weight) * 2.0**-8 / abs(step)) + 1",
            "from one power",
        ),
        (
            "def steps_until_seen(weight, step):\n    return int(2.0**-8 / abs(step)) + 1",
            "from 2 on the spacing is twice",
        ),
        (_STEPS + "    return int(2.0 ** (exponent - 9) / step) + 1", "or a negative step"),
    ],
}
SURVIVORS = {
    "9.3: comparison weight * step < 0": "neither weight nor step is ever 0",
    "9.3: operator weight * step": "the quotient has the sign of the product",
}
