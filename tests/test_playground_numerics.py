"""A page's policies are the run's: what a browser computes from packed weights is what torch computes."""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from book.check_site import opened
from toymdrl.course.start import LAPTOP, after, warm_start
from toymdrl.domains import DOMAINS, Domain, problems
from toymdrl.domains.programs import Programs
from toymdrl.domains.vocab import EOS, PAD, TOKENS
from toymdrl.playground.pack import PackedRun, Weights, quantised
from toymdrl.playground.payload import whole
from toymdrl.playground.questions import PackedQuestions, asked
from toymdrl.playground.scripts import numerics
from toymdrl.policy.exact import ExpectedReward, exact_score
from toymdrl.policy.forest import chain
from toymdrl.policy.model import ModelConfig, Policy
from toymdrl.policy.scores import weights
from toymdrl.streams import stream

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or ""
DRIVER = Path(__file__).with_name("playground.js")
LIKELIEST = 6
LOG_PROBABILITY, PROBABILITY, POINTS = 1e-3, 2e-3, 0.05
"""What may differ: logs from those of the weights that are held; the others from those of the run itself."""
TYPED = {
    "M47+38=": "math",
    " W moon flee  r3| ": "cw",
    "M4738=": "token 4 is 3; a prompt of Math has there +, as in ",
    "M47+38": "a prompt of Math has 7 tokens, not 6, as in ",
    "M47+38=1": "a prompt of Math has 7 tokens, not 8, as in ",
    "Q478312?r4": "token 9 is r4; a prompt of QA has there r1 r2 r3, as in ",
    "C3x4>413": "“x” is no token; the policy reads ",
    "47+38=": "a prompt opens as one of these does: ",
    "": "a prompt opens as one of these does: ",
}
"""A typed prompt, and its domain or how the reason begins why it is none."""
Point = tuple[str, dict[str, float]]
"""A checkpoint, and how far to go from it along which directions."""


class Padded(Programs):
    """Code whose programs are one token longer, so that all have an end and some are padded."""

    key, title, answer_length, held_out = "padded", "Padded", 3, 64

    def candidates(self, facts: Tensor) -> Tensor:
        programs = super().candidates(facts)
        ended = torch.where(programs[..., -1:] == EOS, PAD, EOS)
        return torch.cat([programs, ended], dim=-1)


ASKED: dict[str, Domain] = {**DOMAINS, Padded.key: Padded()}


def policy_of(config: ModelConfig, known: Weights) -> Policy:
    policy = Policy(config)
    policy.load_state_dict(dict(known))
    return policy


def moved(held: dict[str, dict[str, Tensor]], point: Point) -> dict[str, Tensor]:
    """The weights at a point."""
    start, steps = point
    return {
        name: weight + sum((amount * held[direction][name] for direction, amount in steps.items()), torch.zeros(()))
        for name, weight in held[start].items()
    }


@cache
def objective(key: str) -> ExpectedReward:
    """What a page scores."""
    return ExpectedReward(asked(ASKED[key]))


def prompts(key: str) -> Tensor:
    """Two that a page does not ask."""
    return problems(ASKED[key], "train").prompts[:2]


def answers(key: str) -> list[list[int]]:
    """Of any tokens, at their longest, ended early, and ended at once."""
    longest = ASKED[key].answer_length
    drawn = torch.randint(EOS + 1, len(TOKENS), (8, longest), generator=stream("playground", key)).tolist()
    return [*drawn, [drawn[0][0], EOS], [EOS]]


@cache
def questions() -> str:
    return PackedQuestions(ASKED.values()).text()


def computed(run: PackedRun, points: list[Point], *, worker: bool = False) -> Any:
    """What the driver answers, in a page or in a worker that the page starts."""
    by_domain = {key: prompts(key).tolist() for key in ASKED}
    ask = {
        "points": [{"start": start, "steps": [[b, a] for a, b in steps.items()]} for start, steps in points],
        "prompts": by_domain,
        "answers": {key: answers(key) for key in ASKED},
        "typed": list(TYPED),
        "likeliest": LIKELIEST,
    }
    source = numerics() + DRIVER.read_text(encoding="utf-8")
    given = f"const GIVEN = [{json.dumps(ask)}, {run.text()}, {questions()}];"
    leave = """function leave(found) {
      const result = document.createElement("script");
      result.type = "application/json";
      result.id = "found";
      result.textContent = JSON.stringify(found).replaceAll("<", "\\\\u003c");
      document.body.append(result);
    }"""
    if worker:
        listening = f"{source}onmessage = ({{ data }}) => compute(...data).then(postMessage);"
        start = f"""const thread = new Worker(URL.createObjectURL(new Blob([{json.dumps(listening)}])));
        const spin = () => {{ for (let i = 0; i < 2e6; i++); }};
        const busy = setInterval(spin, 50);  // the page's clock runs ahead of the worker whenever the page is idle
        thread.onmessage = ({{ data }}) => {{ clearInterval(busy); leave(data); }};
        thread.postMessage(GIVEN);"""
    else:
        start = f"{source}compute(...GIVEN).then(leave);"
    return opened(f"<script>{given}{leave}{start}</script>", BROWSER)[0]


@torch.no_grad()
def log_probabilities(policy: Policy, prompt: Tensor, these: list[list[int]]) -> list[float]:
    """Of answers to a prompt, each read from the prompt's start."""
    found = []
    for answer in these:
        tokens = torch.cat([prompt, torch.tensor(answer)])[None]
        logs = policy(tokens, chain(tokens.shape[1])).log_softmax(-1)[0, len(prompt) - 1 : -1]
        found.append(float(logs.gather(1, torch.tensor(answer)[:, None]).sum()))
    return found


@torch.no_grad()
def enumerated(policy: Policy, prompt: Tensor, longest: int, floor: float) -> list[tuple[float, list[int]]]:
    """All answers of a log-probability above a floor, the likeliest first: every beginning above it, taken further."""
    found: list[tuple[float, list[int]]] = []
    level = [(0.0, list[int]())]
    for _ in range(longest):
        tokens = torch.stack([torch.cat([prompt, torch.tensor(begun, dtype=torch.int64)]) for _, begun in level])
        logs = policy(tokens, chain(tokens.shape[1]))[:, -1].log_softmax(-1)
        further = [
            (so_far + log, [*begun, token])
            for (so_far, begun), row in zip(level, logs.tolist(), strict=True)
            for token, log in enumerate(row)
            if so_far + log > floor
        ]
        found += [each for each in further if each[1][-1] == EOS]
        level = [each for each in further if each[1][-1] != EOS]
    return sorted([*found, *level], reverse=True)


def hold(found: Any, config: ModelConfig, held: Weights) -> None:
    """One point's answers against torch's, from the same weights."""
    policy = policy_of(config, held)
    for domain, here in zip(ASKED.values(), found, strict=True):
        expected = objective(domain.key)
        with torch.no_grad():
            one_by_one = expected.per_problem(policy)
        assert here["expected"] == pytest.approx(one_by_one[1:3].tolist(), abs=1e-5)
        assert here["score"] == pytest.approx(exact_score(policy, expected), abs=1e-3)
        for prompt, logs, best in zip(prompts(domain.key), here["logs"], here["likeliest"], strict=True):
            wanted = log_probabilities(policy, prompt, answers(domain.key))
            assert logs == pytest.approx(wanted, abs=LOG_PROBABILITY)
            found_logs = [each["logProbability"] for each in best]
            # Were one likelier than the last of these not among them, torch would find it.
            torchs = enumerated(policy, prompt, domain.answer_length, found_logs[-1] - LOG_PROBABILITY)[:LIKELIEST]
            assert [each["tokens"] for each in best] == [tokens for _, tokens in torchs]
            assert found_logs == pytest.approx([log for log, _ in torchs], abs=LOG_PROBABILITY)


@pytest.mark.skipif(not BROWSER, reason="no chromium here")
def test_the_courses_checkpoints_answer_in_a_browser_as_in_torch() -> None:
    policies = {"base": warm_start(), **{domain: after(domain) for domain in LAPTOP.order}}
    run = PackedRun(LAPTOP.model, {name: weights(policy) for name, policy in policies.items()}, "math")
    found = computed(run, [(name, {}) for name in policies])
    for (name, policy), here in zip(policies.items(), found["points"], strict=True):
        hold(here, LAPTOP.model, run.held[name])
        for domain, there in zip(ASKED.values(), here, strict=True):
            assert there["score"] == pytest.approx(exact_score(policy, objective(domain.key)), abs=POINTS)
            for prompt, logs in zip(prompts(domain.key), there["logs"], strict=True):
                wanted = torch.tensor(log_probabilities(policy, prompt, answers(domain.key))).exp()
                assert torch.tensor(logs).exp().tolist() == pytest.approx(wanted.tolist(), abs=PROBABILITY)
    for text, known, (typed, what) in zip(TYPED, found["typed"], TYPED.items(), strict=True):
        assert text == typed
        if what in DOMAINS:
            assert known[0] == what
            assert known[2].replace(" ", "") == text.replace(" ", "")
            assert [TOKENS[token] for token in known[1]] == [TOKENS[token] for token in known[1] if token > EOS]
        else:
            assert known.startswith(what)


@pytest.mark.skipif(not BROWSER, reason="no chromium here")
@pytest.mark.parametrize("worker", [False, True])
def test_a_policy_of_any_size_at_any_point(worker: bool) -> None:
    config = ModelConfig(layers=2, width=15, heads=3, neurons=11, positions=13, vocabulary=len(TOKENS) + 4)
    made = [weights(Policy(config, stream("playground", str(seed)))) for seed in range(4)]
    run = PackedRun(config, dict(zip("abc", made, strict=False)), "b", {"q": made[3], "p": made[0]})
    points: list[Point] = [("b", {"q": 0.5, "p": -0.25}), ("b", {}), ("a", {}), ("c", {})]
    found = computed(run, points, worker=worker)
    for point, here in zip(points, found["points"], strict=True):
        hold(here, config, moved(run.held, point))


@given(
    st.lists(st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3), min_size=1, max_size=4),
    st.sampled_from([8, 16]),
)
def test_a_row_is_rounded_by_half_of_its_own_step(rows: list[list[float]], bits: int) -> None:
    matrix = torch.tensor(rows)
    integers, scale = quantised(matrix, bits)
    assert integers.abs().max() <= 2 ** (bits - 1) - 1
    assert bool(((integers * scale - matrix).abs() <= 0.51 * scale + 1e-6 * matrix.abs()).all())


def test_no_error_is_handed_on_from_checkpoint_to_checkpoint() -> None:
    config = ModelConfig(layers=1, width=8, heads=1, neurons=8)
    first = weights(Policy(config, stream("playground")))
    steps = {str(step): {name: weight + 0.01 * step for name, weight in first.items()} for step in range(20)}
    run = PackedRun(config, steps, "0")
    for name, known in steps.items():
        for parameter, weight in known.items():
            assert run.held[name][parameter].numpy() == pytest.approx(weight.numpy(), abs=2e-4), name


def test_the_same_run_is_the_same_text() -> None:
    config = ModelConfig(layers=1, width=8, heads=1, neurons=8)
    made = {"a": weights(Policy(config, stream("playground")))}
    assert PackedRun(config, made, "a").text() == PackedRun(config, made, "a").text()
    assert PackedQuestions().text() == PackedQuestions().text()
    assert "<" not in questions()


def test_a_page_says_of_how_many_prompts_its_score_is() -> None:
    for domain, told in zip(DOMAINS.values(), PackedQuestions().manifest["domains"], strict=True):
        assert told["unseen"] == len(problems(domain, "eval"))
        assert told["prompts"]["shape"] == [len(asked(domain)), domain.prompt_length]
        assert 1 < len(asked(domain)) <= told["unseen"]


def test_what_is_no_byte_is_refused() -> None:
    for number in (-1, 256):
        with pytest.raises(ValueError, match="no more than 256"):
            whole(torch.tensor([number]).numpy())
