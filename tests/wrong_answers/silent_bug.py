"""Chapter 12."""

_TESTS = (
    "from toymdrl.streams import stream\ndef healthy(advantages):\n    r = torch.rand(6, 4, generator=stream('t'))\n"
)
_SUMS = "torch.allclose(advantages(r).sum(dim=1), torch.zeros(6), atol=1e-4)"
_BEST = "torch.equal(advantages(r).argmax(dim=1), r.argmax(dim=1))"
_SHIFT = "torch.allclose(advantages(r + torch.arange(6.0)[:, None]), advantages(r), atol=1e-4)"
_ORDER = "torch.allclose(advantages(r.flip(0).flip(1)), advantages(r).flip(0).flip(1), atol=1e-4)"
_PROMPTS = "torch.allclose(advantages(r.flip(0)), advantages(r).flip(0), atol=1e-4)"
_FLAT = "torch.allclose(advantages(torch.ones(6, 4)), torch.zeros(6, 4), atol=1e-4)"
_UPDATE = (
    "from itertools import product\n"
    "def expected_update(signal, logits, rewards, group):\n"
    "    p, total = logits.softmax(0), torch.zeros_like(logits)\n"
    "    for drawn in product(range(len(logits)), repeat=group):\n"
    "        a = torch.tensor(drawn)\n"
    "        A = signal(rewards[a].unsqueeze(0))[0].unsqueeze(1)\n"
)
_SLOPES = "(A * (torch.eye(len(p))[a] - p))"
_END = "\n    return total"


def _asking(*properties: str) -> str:
    return f"{_TESTS}    return {' and '.join(properties)}"


WRONG = {
    "12.1": [
        (_asking(_SUMS, _BEST), "by nothing else"),
        (_asking(_SUMS, _BEST, _FLAT), "group's mean reward"),
        (_asking(_SUMS, _BEST, _SHIFT, _ORDER), "by nothing else"),
        (_asking(_FLAT, _BEST, _SHIFT, _ORDER), "median"),
        (_asking(_FLAT, _SUMS, _BEST, _ORDER), "group's mean reward"),
        (_asking(_FLAT, _SUMS, _BEST, _SHIFT), "place in the batch"),
        (_asking(_FLAT, _SUMS, _BEST, _SHIFT, _PROMPTS), "in order of size"),
        (_asking(_FLAT, _SUMS, _SHIFT, _ORDER), "wrong sign"),
        (_asking("torch.allclose(advantages(r), r - r.mean(1, keepdim=True))"), "not for one formula"),
        (_asking("torch.equal(advantages(r).sum(1), torch.zeros(6))"), "with a tolerance"),
    ],
    "12.2": [
        ('right = "a"', "of equal probability"),
        ('right = "b"', "to stop"),
        ('right = "version c"', "set right to"),
    ],
    "12.3": [
        (f"{_UPDATE}        total += p[a].prod() * {_SLOPES}.sum(0){_END}", "*mean*"),
        (f"{_UPDATE}        total -= p[a].prod() * {_SLOPES}.mean(0){_END}", "uphill"),
        (f"{_UPDATE}        total += p[a].prod() * (A * torch.eye(len(p))[a]).mean(0){_END}", "one-hot(a) - p"),
        (f"{_UPDATE}        total += {_SLOPES}.mean(0){_END} / len(p) ** group", "its probability"),
        (
            f"{_UPDATE}        total += p[a].prod() * {_SLOPES}.mean(0){_END}".replace(
                "signal(rewards[a].unsqueeze(0))[0].unsqueeze(1)", "signal(rewards.unsqueeze(0))[0][a, None]"
            ),
            "of each drawn group",
        ),
    ],
    "12.4": [
        ('healthy_run = "b"', "how many of its groups"),
        ('healthy_run = "c"', "clipped to 1"),
        ("healthy_run = 3", "set healthy_run to"),
    ],
}
SURVIVORS = {
    "12.1: constant 0.5": "a group may be flat at any height",
    "12.1: operator rewards + torch.arange(6.0).unsqueeze(1)": "a constant may be taken away as well as added",
}
