"""The course's helpers where no chapter's own check would see them fail."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from toymdrl.course import after, check, journey, over_seeds, results, rows, warm_start
from toymdrl.course.exercises import exercise
from toymdrl.course.start import LAPTOP, RUN
from toymdrl.files import load_tensors
from toymdrl.settings import ConfigError
from toymdrl.style import COLOURS


def test_pictures_show_without_pyplot() -> None:
    """In a fresh shell, where no backend has registered itself."""
    formatter = InteractiveShell.instance().display_formatter
    assert formatter
    for picture in (journey({"a": dict.fromkeys(COLOURS, 1.0)}), over_seeds({"b": [1.0, 2.0, 4.0]}, "points")):
        data, _ = formatter.format(picture)
        assert data["image/png"]


def test_the_run_is_sound_and_each_call_gives_a_fresh_copy() -> None:
    threads = torch.get_num_threads()
    policies = [warm_start(), *(after(domain) for domain in LAPTOP.order)]
    again = after("math")
    torch.set_num_threads(threads)
    for file in RUN.glob("*.safetensors"):
        assert load_tensors(file)[1] == {"made by": "python -m toymdrl.course train"}
    heads = [policy.head.weight for policy in policies]
    for one, two in pairwise(heads):
        assert not torch.equal(one, two)
    with torch.no_grad():
        policies[2].head.weight.zero_()
    assert again.head.weight.abs().sum() > 0


def test_a_domain_without_a_stage_is_named() -> None:
    with pytest.raises(ConfigError, match="poetry"):
        after("poetry")


@pytest.mark.parametrize("blank", [None, ..., lambda x: None])
def test_blank_answers_are_passed_over(blank: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("1.1", blank) is exercise("1.1").own
    assert "is blank" in capsys.readouterr().out


def test_an_answer_that_raises_is_told_so() -> None:
    def answer(policy: object, prompt: object, answer: object) -> float:
        return 1 / 0

    with pytest.raises(AssertionError, match=r"Exercise 1.1: your code raised ZeroDivisionError"):
        check("1.1", answer)


def test_results_are_read_or_missed_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "folder", lambda: tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "mine.json").write_text(json.dumps({"rows": [{"x": 1}]}))
    assert rows("mine") == [{"x": 1}]
    with pytest.raises(FileNotFoundError, match="no results of 'nobodys'; choose from mine"):
        rows("nobodys")
    monkeypatch.setattr(results, "folder", lambda: None)
    with pytest.raises(FileNotFoundError, match="install toymdrl from its wheel or a checkout"):
        rows("mine")
