"""Chapter 1."""

_P = (
    "from toymdrl.policy.forest import chain\n"
    "def probability(policy, prompt, answer):\n"
    "    tokens = torch.cat([prompt, answer]).unsqueeze(0)\n"
    "    p = policy(tokens, chain(tokens.shape[1])).softmax(dim=-1)[0].detach()\n"
    "    a, b = len(prompt) - 1, tokens.shape[1] - 1\n"
    "    return "
)
_SE = "def standard_error(p, problems, group):\n    return "

WRONG = {
    "1.1": [
        (f"{_P}p[a:b, answer].prod()", "a block"),
        (f"{_P}p[torch.arange(a + 1, b + 1), answer].prod()", "the column before it"),
        (f"{_P}p[torch.arange(a, b), answer].sum()", "a product"),
        (f"{_P}p[torch.arange(a, b), answer].log().sum()", "take exp"),
        (f"{_P}p[torch.arange(a, b), answer].log().mean().exp()", "not their mean"),
        (f"{_P}p[a, answer[0]]", "first token only"),
        (f"{_P}p[torch.arange(a, b), answer]", "one number, not"),
        (f"{_P}p[torch.arange(a, b), answer].prod() * 100", "between 0 and 1"),
    ],
    "1.2": [
        ("def blind(answers, rewards):\n    return rewards.max(dim=1).values.mean()", "a list of its own"),
        ("def blind(answers, rewards):\n    return rewards.mean(dim=0).max()", "a list of its own"),
        (
            "def blind(answers, rewards):\n"
            "    if len(answers) == 1:\n"
            "        return rewards.max(dim=1).values.mean()\n"
            "    return 0.5",
            "reads its prompt",
        ),
        (
            "def blind(answers, rewards):\n    return rewards.mean() if len(answers) == 1 else 0.5",
            "guesses evenly",
        ),
        (
            "def blind(answers, rewards):\n"
            "    earned = {}\n"
            "    for options, earns in zip(answers.tolist(), rewards.tolist()):\n"
            "        for option, reward in zip(options, earns):\n"
            "            earned[tuple(option)] = earned.get(tuple(option), 0) + reward\n"
            "    return max(earned.values())",
            "a mean over problems",
        ),
        (
            "def blind(answers, rewards):\n"
            "    earned = {}\n"
            "    for options, earns in zip(answers.tolist(), rewards.tolist()):\n"
            "        for option, reward in zip(options, earns):\n"
            "            earned[tuple(option)] = earned.get(tuple(option), 0) + reward\n"
            "    return max(earned.values()) / len(rewards)",
            "earns 0.6 in both",
        ),
        (
            "def blind(answers, rewards):\n"
            "    earned = {}\n"
            "    for options, earns in zip(answers.tolist(), rewards.tolist()):\n"
            "        for option, reward in zip(options, earns):\n"
            "            earned[option[0]] = earned.get(option[0], 0) + reward\n"
            "    return max(earned.values()) / len(rewards)",
            "compare whole answers",
        ),
    ],
    "1.3": [
        (f"{_SE}100 * (p.mean() * (1 - p.mean()) / (problems * group)) ** 0.5", "are not four problems"),
        (f"{_SE}100 * ((p * (1 - p)).mean() / (problems * group)) ** 0.5", "*between* problems"),
        (f"{_SE}(p.mean() * (1 - p.mean()) / problems) ** 0.5", "multiply by 100"),
        (f"{_SE}100**2 * p.mean() * (1 - p.mean()) / problems", "take its root"),
        (f"{_SE}100 * (p.mean() * (1 - p.mean()) / problems) ** 0.5", "as good as 100"),
        (f"{_SE}100 * ((p.std() + (p * (1 - p)).mean().sqrt() / group**0.5) / problems**0.5)", "expected"),
    ],
}
SURVIVORS = {"1.2: constant True": "a problem has as many rewards as candidates: nothing is cut off without strict"}
