"""Chapter 1: the probability of an answer, what a policy earns that cannot read, and what a sampled score is worth."""

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

from toymdrl.course.exercises.base import Exercise, number
from toymdrl.course.start import warm_start
from toymdrl.domains import DOMAINS, graded_candidates, problems
from toymdrl.domains.vocab import decode
from toymdrl.policy.forest import chain
from toymdrl.policy.model import Policy


def probability(policy: Policy, prompt: Tensor, answer: Tensor) -> float:
    """pi(answer | prompt), a number; prompt (prompt_length,)
    and answer (answer_length,) are token ids."""
    tokens = torch.cat([prompt, answer]).unsqueeze(0)
    with torch.no_grad():
        log_policy = policy(tokens, chain(tokens.shape[1])).log_softmax(dim=-1)[0]
    columns = torch.arange(len(prompt) - 1, len(tokens[0]) - 1)
    return float(log_policy[columns, answer].sum().exp())


def _probability(answer: Callable[[Policy, Tensor, Tensor], float]) -> None:
    policy = warm_start()
    for key in ("math", "qa"):
        these = problems(DOMAINS[key], "eval").subset(slice(4))
        for prompt, (right,) in zip(these.prompts, graded_candidates(these)[0], strict=True):
            _one_probability(answer, policy, prompt, right)


def _one_probability(
    answer: Callable[[Policy, Tensor, Tensor], float], policy: Policy, prompt: Tensor, right: Tensor
) -> None:
    mine, true = answer(policy, prompt, right), probability(policy, prompt, right)
    tokens = torch.cat([prompt, right]).unsqueeze(0)
    with torch.no_grad():
        log_policy = policy(tokens, chain(tokens.shape[1])).log_softmax(dim=-1)[0]
    first, last = len(prompt) - 1, len(tokens[0]) - 1
    each = log_policy[torch.arange(first, last), right]

    def is_(value: Tensor) -> bool:
        return abs(mine - float(value)) < 1e-6 < abs(mine - true)

    assert not is_(each.sum()), "that is the log of the probability: take exp"
    assert not is_(log_policy[first:last, right].sum().exp()), (
        "`p[a:b, answer]` takes every row with every token, a block; for one token a row, pair them: "
        "`p[torch.arange(a, b), answer]`"
    )
    assert not is_(log_policy[torch.arange(first + 1, last + 1), right].sum().exp()), (
        "you read each token's probability at its own column; the column before it predicts it"
    )
    assert not is_(each.exp().sum()), "token by token it is a product of probabilities, or a sum of their logs"
    assert not is_(each.mean().exp()), "the sum of the logs, not their mean: longer answers are less probable"
    assert not is_(each[0].exp()), "that is the probability of the first token only"
    assert 0 <= mine <= 1, f"a probability lies between 0 and 1, not at {mine:.3f}: softmax over the last dimension?"
    assert abs(mine - true) < 1e-5, f"{decode(prompt)}{decode(right)} has probability {true:.4f}, not {mine:.4f}"


def blind(answers: Tensor, rewards: Tensor) -> float:
    """Expected reward of the best answer that is given to every problem
    alike: answers (problems or 1, candidates, length),
    rewards (problems, candidates)."""
    earned: Counter[tuple[int, ...]] = Counter()
    of_each = answers.expand(len(rewards), -1, -1)
    for row, earns in enumerate(rewards.tolist()):
        for option, reward in zip(of_each[row].tolist(), earns, strict=True):
            earned[tuple(option)] += reward
    return max(earned.values()) / len(rewards)


def _blind(answer: Callable[[Tensor, Tensor], float]) -> None:
    # Four problems with a list of their own, then two that share one.
    own = torch.tensor([[[7, 1]], [[7, 2]], [[7, 1]], [[3, 1]]])
    right = torch.ones(4, 1)
    shared, graded = torch.tensor([[[5, 5], [6, 6], [4, 4]]]), torch.tensor([[1.0, 0.6, 0.0], [0.0, 0.6, 0.9]])
    got = answer(own, right)
    assert got != 1, (
        "each of these four problems has a list of its own: the first candidate of one is not the first of another. "
        "Add up what each *answer* earns, over all problems"
    )
    assert got < 1, f"you have {got:g}: an expected reward is a mean over problems"
    assert abs(got - 0.75) > 1e-6, "7 1 and 7 2 are two answers: compare whole answers, not their first tokens"
    assert abs(got - 0.5) < 1e-6, f"7 1 is right in two problems of four: 0.5, not {got:g}"
    got = answer(shared, graded)
    assert abs(got - 0.95) > 1e-6, "that is the best answer to each problem: a policy that reads its prompt"
    assert abs(got - float(graded.mean())) > 1e-6, (
        "that is a policy that guesses evenly; it may do better with one answer"
    )
    assert abs(got - 0.6) < 1e-6, f"6 6 earns 0.6 in both problems, and no other answer earns as much; not {got:g}"
    for key in ("math", "code"):
        answers, rewards = graded_candidates(problems(DOMAINS[key], "eval").subset(slice(200)))
        got, true = answer(answers, rewards), blind(answers, rewards)
        assert abs(got - true) < 1e-5, (
            f"over {DOMAINS[key].title}'s first 200 problems expected {true:.4f}, got {got:.4f}"
        )


def standard_error(p: Tensor, problems: int, group: int) -> Tensor:
    """Standard error, in points, of a score from `problems` problems
    drawn at random and `group` answers sampled to each;
    p holds every problem's probability of a right answer."""
    between = ((p - p.mean()) ** 2).mean()
    within = (p * (1 - p)).mean()
    return 100 * ((between + within / group) / problems).sqrt()


def _standard_error(answer: Callable[[Tensor, int, int], float]) -> None:
    even = torch.full((5000,), 0.5)
    got = answer(even, 100, 1)
    assert abs(got - 25) > 1e-3, "that is the variance of the mean in points, or nearly: take its root"
    assert abs(got - 0.05) > 1e-6, "in points: multiply by 100"
    assert abs(got - 5) < 1e-3, f"100 tosses of a fair coin have a standard error of 5 points, not {got:.3f}"
    got = answer(even, 25, 4)
    assert abs(got - 5) < 1e-3, (
        f"if all problems are alike, four answers to 25 are as good as 100: 5 points, not {got:.3f}"
    )
    sure = (torch.arange(5000) % 5 < 4).float()
    got = answer(sure, 100, 4)
    assert got > 0, (
        "a policy that gets four problems in five always right and one never: each draw of problems has another score. "
        "The variance *between* problems is missing"
    )
    assert abs(got - 2) > 1e-2, (
        "four answers to the same problem are not four problems: where a problem is always or never right, the second "
        "answer tells nothing new"
    )
    assert abs(got - 4) < 1e-2, f"four in five always right, one never, 100 problems: 4 points, not {got:.3f}"
    mixed = torch.linspace(0.1, 1, 5000) ** 2
    for count, group in ((30, 1), (30, 64), (1000, 8)):
        got, true = answer(mixed, count, group), float(standard_error(mixed, count, group))
        assert abs(got / true - 1) < 2e-3, (
            f"{count} problems, {group} answers each: expected {true:.3f}, got {got:.3f}; the variance of a problem's "
            "mean is that of p, plus the mean of p (1 - p) over the group's size"
        )


EXERCISES = (
    Exercise(
        "1.1",
        probability,
        _probability,
        (
            "Feed in `torch.cat([prompt, answer]).unsqueeze(0)`; the logits are (1, columns, 39), those at a column "
            "are about the token that follows it.",
            "Which columns predict the answer? The last of the prompt predicts its first token.",
            "`log_softmax(dim=-1)`, then one entry for each of those columns: "
            "`log_policy[torch.arange(first, last), answer]`. Sum, and exp.",
        ),
        gives=number,
    ),
    Exercise(
        "1.2",
        blind,
        _blind,
        (
            "It gives one answer to all problems. For each answer, add up what it earns over all of them.",
            "A dictionary from an answer, as a tuple of ids, to its sum: `collections.Counter` starts at 0.",
            "`answers.expand(len(rewards), -1, -1)` gives every problem a list, where all share one. At the end the "
            "largest sum, divided by the number of problems.",
        ),
        gives=number,
    ),
    Exercise(
        "1.3",
        standard_error,
        _standard_error,
        (
            "The score is a mean of independent terms, one for each problem drawn: its variance is that of one term "
            "over their number.",
            "A term is the mean reward of `group` answers to one random problem. Its variance has two parts: that of "
            "the problem's p, and that of the answers, p being given (law of total variance).",
            "The first is the variance of p over problems; the second the mean of p (1 - p), divided by `group`.",
        ),
        gives=number,
    ),
)
