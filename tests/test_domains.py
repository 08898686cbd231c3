"""The domains: splits, prompts, rewards, demonstrators and the interpreter of Code."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import toymdrl
from toymdrl.domains import DOMAINS, SPLITS, Domain, graded_candidates, problems
from toymdrl.domains.programs import execute, interpret
from toymdrl.domains.vocab import EOS, FIRST_INSTRUCTION, INSTRUCTIONS, PAD, TOKENS, WORDS, columns, decode, encode
from toymdrl.policy.exact import ExpectedReward
from toymdrl.policy.model import ModelConfig, Policy
from toymdrl.streams import stream

ALL = [pytest.param(domain, id=key) for key, domain in DOMAINS.items()]


@pytest.mark.parametrize("domain", ALL)
def test_splits_are_disjoint_and_prompts_unique(domain: Domain) -> None:
    prompts = torch.cat([problems(domain, split).prompts for split in SPLITS])
    assert len(prompts.unique(dim=0)) == len(prompts)
    assert len(problems(domain, "train")) == len(problems(domain, "eval")) == domain.held_out
    assert prompts.shape[1] == domain.prompt_length
    assert int(prompts.min()) > EOS
    assert int(prompts.max()) < len(TOKENS)


def test_unknown_split_is_named() -> None:
    with pytest.raises(ValueError, match="unknown split 'test'"):
        problems(DOMAINS["math"], "test")


@pytest.mark.parametrize("domain", ALL)
def test_every_problem_has_a_perfect_answer_and_rewards_are_in_range(domain: Domain) -> None:
    _, rewards = graded_candidates(problems(domain, "eval"))
    assert (rewards.max(dim=1).values == 1).all()
    assert rewards.min() >= 0


BANDS = {"math": (0.60, 0.76), "code": (0.64, 0.78), "qa": (0.45, 0.55), "cw": (0.42, 0.54)}


@pytest.mark.parametrize("domain", ALL)
def test_demonstrators_are_imperfect(domain: Domain) -> None:
    low, high = BANDS.get(domain.key, (0.05, 0.99))
    demo = problems(domain, "demo")
    generator = stream("demonstrators", domain.key)
    facts = demo.facts[torch.randint(len(demo), (5000,), generator=generator)]
    answers = domain.demonstrate(facts, generator)
    assert answers.shape == (5000, domain.answer_length)
    assert low < float(domain.reward(facts, answers).mean()) < high
    assert torch.equal(domain.demonstrate(facts, stream("x")), domain.demonstrate(facts, stream("x")))


@pytest.mark.parametrize("domain", ALL)
def test_what_follows_eos_earns_nothing_and_costs_nothing(domain: Domain) -> None:
    facts = problems(domain, "eval").facts
    nothing = torch.full((len(facts), domain.answer_length), PAD)
    nothing[:, 0] = EOS
    assert (domain.reward(facts, nothing) == 0).all()
    generator = stream("behind", domain.key)
    answers = domain.demonstrate(facts, generator)
    ends = torch.randint(domain.answer_length, (len(facts), 1), generator=generator)
    places = torch.arange(domain.answer_length)
    noise = torch.randint(len(TOKENS), answers.shape, generator=generator)
    padded = torch.where(places < ends, answers, torch.where(places == ends, EOS, PAD))
    noisy = torch.where(places < ends, answers, torch.where(places == ends, EOS, noise))
    assert torch.equal(domain.reward(facts, padded), domain.reward(facts, noisy))


@given(left=st.integers(0, 99), right=st.integers(0, 99))
def test_math_adds(left: int, right: int) -> None:
    domain, facts = DOMAINS["math"], torch.tensor([[left, right]])
    assert decode(domain.render(facts)[0]) == f"M{left:02}+{right:02}="
    assert decode(domain.candidates(facts)[0, 0]) == f"{(left + right) % 100:02}"


def test_qa_reads_the_field_that_is_asked_for() -> None:
    domain = DOMAINS["qa"]
    for field, answer in enumerate(("47", "83", "12")):
        facts = torch.tensor([[4, 7, 8, 3, 1, 2, field]])
        assert decode(domain.render(facts)[0]) == f"Q478312?r{field + 1}"
        assert decode(domain.candidates(facts)[0, 0]) == answer
        assert domain.reward(facts, domain.candidates(facts)[:, 0]).tolist() == [1]


REFERENCE: dict[str, Callable[[list[int]], list[int]]] = {
    "reverse": lambda x: x[::-1],
    "sort": sorted,
    "rotate": lambda x: x[1:] + x[:1],
    "double": lambda x: [2 * each % 10 for each in x],
    "increment": lambda x: [(each + 1) % 10 for each in x],
    "complement": lambda x: [9 - each for each in x],
}


@given(
    program=st.lists(st.sampled_from([*range(len(TOKENS))]), min_size=2, max_size=2),
    values=st.lists(st.integers(0, 9), min_size=3, max_size=3),
)
def test_interpreter_agrees_with_plain_python(program: list[int], values: list[int]) -> None:
    outputs, fine = interpret(torch.tensor([program]), torch.tensor([[values]]))
    body = program[: program.index(EOS)] if EOS in program else program
    names = [TOKENS[token] for token in body]
    assert bool(fine[0]) == (bool(names) and all(name in REFERENCE for name in names))
    if fine[0]:
        expected = values
        for name in names:
            expected = REFERENCE[name](expected)
        assert outputs[0, 0].tolist() == expected


def test_unknown_instruction_is_named() -> None:
    with pytest.raises(ValueError, match="unknown instruction 'sleep'"):
        execute("sleep", torch.zeros(3))


def test_code_is_graded_on_hidden_inputs() -> None:
    """On 111 rotating changes nothing, like reversing; on other lists it does not."""
    domain = DOMAINS["code"]
    code = {name: FIRST_INSTRUCTION + index for index, name in enumerate(INSTRUCTIONS)}
    facts = torch.tensor([[1, 1, 1, code["increment"], EOS, *[1, 2, 3] * 4]])
    assert decode(domain.render(facts)[0]) == "C111>222"
    answers = {
        "increment": [code["increment"], EOS],
        "double": [code["double"], EOS],
        "increment rotate": [code["increment"], code["rotate"]],
        "increment then a digit": [code["increment"], *encode("3")],
    }
    rewards = {name: float(domain.reward(facts, torch.tensor([answer]))[0]) for name, answer in answers.items()}
    assert rewards == {"increment": 1, "double": 0, "increment rotate": 0, "increment then a digit": 0}


@pytest.mark.parametrize(
    ("verse", "reward"),
    [
        ("sea flee moon croon", 1.0),  # both words, rhyme, fresh, in turn
        ("moon flee sea croon", 1.0),
        ("croon sea flee moon", 1.0),  # verbs first is in turn too
        ("sea flee sea croon", 0.5 / 4 + 3 / 4 - 1 / 4),  # moon is missing, sea comes twice
        ("sea moon flee croon", 0.75),  # two nouns side by side
        ("sea flee moon write", 0.75),  # no rhyme
        ("sea flee moon", 0.0),  # too short
    ],
)
def test_verses_are_graded_in_quarters(verse: str, reward: float) -> None:
    domain = DOMAINS["cw"]
    facts = torch.tensor([[WORDS.index("sea"), WORDS.index("moon"), WORDS.index("moon") // 2]])
    assert decode(domain.render(facts)[0]) == "W sea moon r1|"
    tokens = encode(verse.split())
    answer = torch.tensor([tokens + [EOS] * (len(tokens) < 4)])
    assert float(domain.reward(facts, answer)[0]) == pytest.approx(reward)


def test_the_fifth_domain_of_the_readme_works() -> None:
    text = (Path(toymdrl.__file__).parent / "domains" / "README.md").read_text(encoding="utf-8")
    code = textwrap.dedent(text[text.index("```python") + len("```python") : text.rindex("```")])
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    parity: Domain = names["Parity"]()
    test_splits_are_disjoint_and_prompts_unique(parity)
    test_every_problem_has_a_perfect_answer_and_rewards_are_in_range(parity)
    test_what_follows_eos_earns_nothing_and_costs_nothing(parity)
    demo = problems(parity, "demo")
    assert 0.5 < parity.reward(demo.facts, parity.demonstrate(demo.facts, stream("parity"))).mean() < 1
    exact = ExpectedReward(problems(parity, "eval"))(Policy(ModelConfig(), stream("fifth")))
    assert 0 < exact < 1


def test_columns_repeat_strings() -> None:
    assert decode(columns("M", torch.tensor([2, 3]))[1]) == "M1"


def test_streams_are_independent_of_neighbours() -> None:
    draws = torch.stack([torch.randn(1000, generator=stream(seed, "math", "rollout")) for seed in range(20)])
    correlation = torch.corrcoef(draws) - torch.eye(20)
    assert correlation.abs().max() < 0.2
    assert torch.equal(draws[3], torch.randn(1000, generator=stream(3, "math", "rollout")))
