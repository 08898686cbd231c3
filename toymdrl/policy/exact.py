"""Exact expected reward and exact KL of a policy: sums over every answer, differentiable as often as one likes.

Only the candidate answers of a domain can earn a reward, and there are few, so J(theta) = E_x sum_a r(x, a) pi(a | x)
is a finite sum: no sampling noise in the score, its gradient or its Hessian-vector products. Candidates that share a
prefix share its columns (see forest.py): 42 programs cost 6 answer columns, 512 verses that begin alike cost 73.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from toymdrl.domains import Domain, Problems, graded_candidates
from toymdrl.domains.vocab import EOS, PAD, TOKENS
from toymdrl.policy.forest import Forest, grow
from toymdrl.policy.model import Policy

ANSWERS_A_BLOCK = 512
COLUMNS_A_CHUNK = 4096
"""Answers laid out together, and forest columns evaluated together: they bound the memory and change no sum."""


@dataclass(frozen=True, eq=False)
class Block:
    """A run of candidate answers as one forest over the prompt."""

    forest: Forest
    tokens: Tensor
    """Inner tokens of the answers, (problems or 1, columns - prompt_length)."""
    paths: Tensor
    """Logit columns, from the last prompt column on, that predict an answer's tokens: (answers, answer_length)."""
    targets: Tensor
    """The answers' tokens, PAD where nothing is predicted, (problems or 1, answers, answer_length)."""
    rewards: Tensor
    """(problems, answers)"""

    def to(self, like: Tensor) -> "Block":
        """The same answers on the device and in the floating dtype of a tensor."""
        device = like.device
        rewards = self.rewards.to(device, like.dtype)
        return Block(
            self.forest.to(like), self.tokens.to(device), self.paths.to(device), self.targets.to(device), rewards
        )


def _block(prompt: int, answers: Tensor, rewards: Tensor) -> Block:
    """Lay out answers (problems or 1, answers, answer_length), merging prefixes that agree in every problem."""
    count, length = answers.shape[1], answers.shape[2]
    parents: list[int] = []
    inner: list[Tensor] = []
    paths = torch.zeros(count, length, dtype=torch.int64)
    column_of: dict[bytes, int] = {}
    # Answers one by one; a prefix that an earlier one had is walked again, and costs nothing.
    for answer in range(count):
        column = prompt - 1
        for step in range(length):
            paths[answer, step] = column - (prompt - 1)
            # The last token of an answer is only predicted, never read: it needs no column.
            if step + 1 == length or bool((answers[:, answer, step + 1] == PAD).all()):
                break
            # The bytes of all problems' prefixes: columns are shared only where they agree in every problem.
            prefix = answers[:, answer, : step + 1].numpy().tobytes()
            if prefix not in column_of:
                column_of[prefix] = prompt + len(parents)
                parents.append(column)
                inner.append(answers[:, answer, step])
            column = column_of[prefix]
    tokens = torch.stack(inner, dim=1) if inner else answers.new_zeros(len(answers), 0)
    return Block(grow(prompt, parents), tokens, paths, answers, rewards)


def _rows(tensor: Tensor, rows: slice) -> Tensor:
    """Rows of a tensor that has one row a problem, or one for all."""
    return tensor if len(tensor) == 1 else tensor[rows]


def _chunks(problems: int, columns: int, device: torch.device) -> list[slice]:
    """Runs of problems of at most COLUMNS_A_CHUNK columns together, or four times as many where a GPU wants them."""
    most = COLUMNS_A_CHUNK * (4 if device.type == "cuda" else 1)
    step = max(1, most // columns)
    return [slice(i, i + step) for i in range(0, problems, step)]


class ExpectedReward:
    """J(theta), the mean over problems of the expected reward of one sampled answer, in [0, 1].

    Example:
        >>> from toymdrl import DOMAINS, ExpectedReward, ModelConfig, Policy, problems, stream
        >>> policy = Policy(ModelConfig(layers=1, width=8, heads=1, neurons=8), stream("example"))
        >>> expected = ExpectedReward(problems(DOMAINS["qa"], "eval").subset(slice(10)))
        >>> 0 < expected(policy).item() < 0.1  # with its graph: it can be differentiated twice
        True
    """

    def __init__(self, these: Problems) -> None:
        self.problems = these
        answers, rewards = graded_candidates(these)
        spans = [slice(i, i + ANSWERS_A_BLOCK) for i in range(0, answers.shape[1], ANSWERS_A_BLOCK)]
        prompt = these.domain.prompt_length
        self._blocks = [_block(prompt, answers[:, span], rewards[:, span]) for span in spans]
        self._placed: dict[tuple[torch.device, torch.dtype], tuple[Tensor, list[Block]]] = {}

    def __call__(self, policy: Policy) -> Tensor:
        """J as a scalar with its whole graph."""
        return torch.stack(list(self.parts(policy))).sum()

    def parts(self, policy: Policy) -> Iterator[Tensor]:
        """Scalars that sum to J, each with a graph of its own: backward through one before asking for the next."""
        prompts, blocks = self._at(policy)
        for block in blocks:
            for rows in _chunks(len(self.problems), len(block.forest), prompts.device):
                yield _rewards(policy, prompts[rows], block, rows).sum() / len(self.problems)

    def per_problem(self, policy: Policy) -> Tensor:
        """Expected reward of each problem, (problems,)."""
        prompts, blocks = self._at(policy)
        by_block = []
        for block in blocks:
            chunks = _chunks(len(self.problems), len(block.forest), prompts.device)
            by_block.append(torch.cat([_rewards(policy, prompts[rows], block, rows) for rows in chunks]))
        return torch.stack(by_block).sum(dim=0)

    def _at(self, policy: Policy) -> tuple[Tensor, list[Block]]:
        """Prompts and answers where the policy is; copied there once."""
        weight = policy.head.weight
        place = weight.device, weight.dtype
        if place not in self._placed:
            prompts = self.problems.prompts.to(weight.device)
            self._placed[place] = prompts, [block.to(weight) for block in self._blocks]
        return self._placed[place]


def _rewards(policy: Policy, prompts: Tensor, block: Block, rows: slice) -> Tensor:
    """Expected reward of some problems, the block's `rows`, from the block's answers, (rows,)."""
    count, prompt = prompts.shape
    # One list of answers serves all problems, or each has its own.
    inner = _rows(block.tokens, rows).expand(count, -1)
    tokens = torch.cat([prompts, inner], dim=1)
    log_policy = policy(tokens, block.forest, first=prompt - 1).log_softmax(dim=-1)
    targets = _rows(block.targets, rows)
    # Column and token of every answer token, as one flat index into the log-probabilities.
    index = (block.paths * log_policy.shape[-1] + targets).flatten(1).expand(count, -1)
    logprobs = log_policy.flatten(1).gather(1, index).view(count, *targets.shape[1:])
    # Behind its end an answer has no tokens to predict.
    predicted = (targets != PAD).to(block.rewards.dtype)
    return ((logprobs * predicted).sum(dim=-1).exp() * block.rewards[rows]).sum(dim=1)


def exact_score(policy: Policy, objective: ExpectedReward) -> float:
    """100 x expected reward: the score that every table shows.

    Example:
        >>> from toymdrl import DOMAINS, ExpectedReward, problems, exact_score
        >>> from toymdrl.course import warm_start
        >>> round(exact_score(warm_start(), ExpectedReward(problems(DOMAINS["math"], "eval"))))
        64
    """
    with torch.no_grad():
        return 100 * sum(float(part) for part in objective.parts(policy))


def _prefixes(domain: Domain) -> int:
    """Answer prefixes of a domain over the whole vocabulary, EOS but at the end."""
    return sum((len(TOKENS) - 1) ** step for step in range(domain.answer_length))


def has_exact_kl(domain: Domain) -> bool:
    """Whether the domain's answers are short enough for `kl_parts`."""
    return _prefixes(domain) <= COLUMNS_A_CHUNK


def kl_parts(policy: Policy, reference: Policy, these: Problems) -> Iterator[Tensor]:
    """Scalars that sum to E_x KL(policy || reference) over whole answers, each with a graph of its own.

    KL(policy || reference) = sum over answer prefixes of policy(prefix) KL(next token | prefix), by the chain rule,
    so the forest holds every prefix of every answer over the whole vocabulary.

    Raises:
        ValueError: answers too long for that (CW: 38^3 prefixes).
    """
    prompt, length = these.domain.prompt_length, these.domain.answer_length
    # An answer that has ended has no prefix beyond: only these tokens lead on.
    going_on = [token for token in range(policy.config.vocabulary) if token != EOS]
    if not has_exact_kl(these.domain):
        count = _prefixes(these.domain)
        raise ValueError(f"the exact KL of {these.domain.title} has {count} prefixes; use a domain of short answers")
    parents: list[int] = []
    inner: list[int] = []
    # Level by level: every column gets a child for each token that leads on.
    level = [prompt - 1]
    for _ in range(length - 1):
        start = prompt + len(parents)
        parents += [column for column in level for _ in going_on]
        inner += going_on * len(level)
        level = list(range(start, prompt + len(parents)))
    forest = grow(prompt, parents)
    tokens = torch.tensor(inner, dtype=torch.int64)
    follows = torch.tensor([parent - (prompt - 1) for parent in parents], dtype=torch.int64)
    for rows in _chunks(len(these), len(forest), policy.head.weight.device):
        prompts = these.prompts[rows]
        inputs = torch.cat([prompts, tokens.expand(len(prompts), -1)], dim=1).to(policy.head.weight.device)
        layout = forest.to(policy.head.weight)
        log_policy = policy(inputs, layout, first=prompt - 1).log_softmax(dim=-1)
        with torch.no_grad():
            log_reference = reference(inputs, layout, first=prompt - 1).log_softmax(dim=-1)
        divergence = (log_policy.exp() * (log_policy - log_reference)).sum(dim=-1)
        # Log-probability of each prefix: its parent's plus that of its own last token.
        reach = [log_policy.new_zeros(len(prompts))]
        for column, parent in enumerate(follows.tolist()):
            reach.append(reach[parent] + log_policy[:, parent, int(tokens[column])])
        yield (torch.stack(reach, dim=1).exp() * divergence).sum() / len(these)
