"""Chapter 11."""

_CLAIM = (
    "from toymdrl.course.claim import Claim\nfrom toymdrl.evidence import interval\n"
    "def rule(harms):\n{}\nclaim = Claim('B harms A at second order', 'a random step', {}, rule)"
)
_FRESH = "range(10, 20)"
_UNDONE = (
    "from toymdrl.course.spirals import loss_of\n"
    "from toymdrl.curvature import Hessian, top_eigenpairs, value\n"
    "from toymdrl.parameters import at_parameters, write_parameters\n"
    "def undone_by_top(module, after_a, after_b, k):\n"
    "    unseen, delta = loss_of('A', 'eval'), after_b - after_a\n"
    "    def at(point):\n"
    "        with at_parameters(module, point):\n"
    "            return value(module, unseen)\n"
)
_AT_A = (
    "    with at_parameters(module, after_a):\n"
    "        v = top_eigenpairs(Hessian(module, loss_of('A', '{}')), k).vectors\n"
)
_SHARE = "    return (at(after_b) - at(after_b - v @ (v.T @ delta))) / (at(after_b) - at(after_a))"


def _judged(body: str, seeds: str = _FRESH) -> str:
    return _CLAIM.format("\n".join("    " + line for line in body.splitlines()), seeds)


WRONG = {
    "11.1": [
        ('claim = {"claim": "B harms A"}', "a Claim(sentence"),
        (_judged('return "met"'), "nearly all of FIRST order"),
        (_judged('return "open"'), "Your rule says 'open'; expected 'met'"),
        (_judged('return "met"', "range(10)"), "have been looked at"),
        (_judged('return "met"', "range(10, 15)"), "at least ten"),
        (
            _judged(
                'found = interval([h.second - h.first for h in harms])\nreturn "met" if found.low > 0 else "not met"'
            ),
            "A was not harmed at all",
        ),
        (
            _judged(
                "found = interval([h.second - abs(h.first) for h in harms])\n"
                "harm = interval([h.actual for h in harms])\n"
                'return "met" if found.low > 0 and harm.low > 0 else "not met"'
            ),
            "use the control",
        ),
        (
            _judged(
                "found = interval([h.second - abs(h.first) for h in harms])\n"
                "harm = interval([h.actual - h.random for h in harms])\n"
                'return "met" if found.low > 0 and harm.low > 0 else "not met"'
            ),
            "too long for a local theory",
        ),
        (
            _judged(
                "second = sum(h.second - abs(h.first) for h in harms)\n"
                "harm = sum(h.actual - h.random for h in harms)\n"
                "half = sum(h.second - h.actual / 2 for h in harms)\n"
                'return "met" if second > 0 and harm > 0 and half > 0 else "not met"'
            ),
            "by the interval",
        ),
        (_judged("return True"), "not True"),
    ],
    "11.2": [
        (_UNDONE + _AT_A.format("train") + _SHARE.replace("return", "return 1 -"), "one minus it"),
        (_UNDONE + _AT_A.format("eval") + _SHARE, "TRAIN points"),
        (
            _UNDONE + "    v = top_eigenpairs(Hessian(module, loss_of('A', 'train')), k).vectors\n" + _SHARE,
            "at A's checkpoint",
        ),
        (_UNDONE + "    write_parameters(module, after_a)\n" + _AT_A.format("train") + _SHARE, "as you found them"),
    ],
    "11.3": [
        ("def shrunk_alike(basis, delta):\n    return delta - basis @ (basis.T @ delta)", "DIRECTION"),
        (
            "def shrunk_alike(basis, delta):\n"
            "    left = delta - basis @ (basis.T @ delta)\n"
            "    return delta * (left.norm() / delta.norm())",
            "same length LEFT",
        ),
        ("def shrunk_alike(basis, delta):\n    return delta * ((basis.T @ delta).norm() / delta.norm())", "2 of 5"),
        (
            "def shrunk_alike(basis, delta):\n    return delta * (1 - (basis.T @ delta).abs().sum() / delta.norm())",
            "several directions",
        ),
        ("def shrunk_alike(basis, delta):\n    return delta.norm() - (basis.T @ delta).norm()", "of shape"),
    ],
}
SURVIVORS = {
    "11.1: comparison found.high <= 0": "no interval ends at 0 exactly",
    "11.1: comparison found.low > 0": "no interval ends at 0 exactly",
    "11.1: constant 2": "a third is a band as good as a half",
    "11.1: constant 20": "eleven seeds are as good as ten",
}
