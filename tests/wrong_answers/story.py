"""Chapter 0."""

IMPORTS = "from toymdrl.course import after, refresh, scores, warm_start\n"

WRONG = {
    "0.1": [
        (f'{IMPORTS}further = scores(after("math"))["math"]', "is a score"),
        (
            f'{IMPORTS}end = after("cw")\nfurther = scores(refresh(end, "math"))["math"] - scores(end)["math"]',
            "the repair itself",
        ),
        (
            f'{IMPORTS}own = after("math")\nfurther = scores(own)["math"] - scores(refresh(own, "math"))["math"]',
            "the sign",
        ),
        ("further = 0.0", "another start"),
        (f'{IMPORTS}further = scores(after("math"))', "is a number, not"),
    ],
    "0.2": [
        ("def shrunk(start, end, repaired):\n    return end * (1 - (repaired - end).norm() / end.norm())", "straight"),
        (
            "def shrunk(start, end, repaired):\n"
            "    back = start - end\n"
            "    return back * (repaired - end).norm() / back.norm()",
            "end + step",
        ),
        (
            "def shrunk(start, end, repaired):\n"
            "    update = end - start\n"
            "    return start + update * (repaired - end).norm() / update.norm()",
            "not from `start`",
        ),
        (
            "def shrunk(start, end, repaired):\n"
            "    update = end - start\n"
            "    return end + update * (repaired - end).norm() / update.norm()",
            "away from `start`",
        ),
        (
            "def shrunk(start, end, repaired):\n"
            "    back = start - end\n"
            "    return end + back * (repaired - end).norm()**2 / back.norm()**2",
            "not squares",
        ),
        (
            "def shrunk(start, end, repaired):\n"
            "    back = start - end\n"
            "    return end + back * (repaired - end).norm() / back.norm()",
            "stop at `start`",
        ),
        (
            "def shrunk(start, end, repaired):\n"
            "    back = start - end\n"
            "    if (repaired - end).norm() > back.norm():\n"
            "        return start\n"
            "    return end + back * (repaired - end).norm() / back.norm()",
            "not 0/0",
        ),
        ("def shrunk(start, end, repaired):\n    return repaired", "straight"),
    ],
}
SURVIVORS: dict[str, str] = {}
