"""explain_update: the run's own analyses on any module, once each, counted, resumed, and told on one page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from torch import Tensor, nn

from toymdrl import DomainLosses, explain_update
from toymdrl.analysis import damage
from toymdrl.curvature import CurvatureError, Hessian, Loss, fisher_diagonal, gradient, top_eigenpairs, value
from toymdrl.effort import Effort, counted
from toymdrl.parameters import read_parameters
from toymdrl.report.update import Update
from toymdrl.settings import ConfigError
from toymdrl.streams import stream

SIZE, DIRECTIONS = 60, 4


class Bowl(nn.Module):
    """Parameters alone: every loss below is a function of them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(SIZE))


def bowl(domain: str, split: str) -> Callable[[nn.Module], Tensor]:
    """A loss with a minimum, a few steep directions and a little of third order, that calls itself once a chunk."""
    generator = stream("bowl", domain)
    lowest, steep = torch.randn(SIZE, generator=generator), torch.rand(SIZE, generator=generator).pow(6)
    noise = 0.02 * torch.randn(SIZE, generator=stream("bowl", domain, split))

    def loss(module: nn.Module) -> Tensor:
        away = module.weight - lowest - noise  # type: ignore[operator]
        return (steep * away.square()).sum() + 0.01 * (steep * away**3).sum()

    return loss


def losses(*domains: str) -> dict[str, DomainLosses]:
    return {each: DomainLosses((bowl(each, "a"), bowl(each, "b")), bowl(each, "eval")) for each in domains}


def checkpoints(*domains: str) -> dict[str, Tensor]:
    """After each domain's training."""
    found, where = {}, torch.zeros(SIZE)
    for domain in domains:
        where = where + 0.3 * torch.randn(SIZE, generator=stream("bowl", "update", domain))
        found[domain] = where
    return found


def explained(out: Path, *domains: str, **how: Any) -> Update:
    given = {"directions": DIRECTIONS, "quiet": True} | how
    return explain_update(Bowl(), losses(*domains), checkpoints(*domains), out, **given)


def test_the_numbers_are_those_of_the_analyses(tmp_path: Path) -> None:
    module, order, stages = Bowl(), ("a", "b", "c"), checkpoints("a", "b", "c")
    found = explain_update(module, losses(*order), stages, tmp_path / "why", directions=DIRECTIONS, quiet=True)
    assert torch.equal(read_parameters(module), torch.zeros(SIZE))
    unseen = {name: each.unseen for name, each in losses(*order).items()}
    assert found.damage == damage.measure(module, unseen, order, stages)
    assert [(pair.earlier, pair.later) for pair in found.damage.pairs] == [
        ("a", "b"),
        ("a", "c"),
        ("a", "all"),
        ("b", "c"),
    ]
    # Against the loss itself, put there by hand.
    with torch.no_grad():
        module.weight.copy_(stages["a"])
        before = value(module, unseen["a"])
        module.weight.copy_(stages["c"])
        assert found.head.actual == pytest.approx(value(module, unseen["a"]) - before, rel=1e-5)
    assert found.conflict.damage == found.rollback.damage == pytest.approx(found.head.actual, rel=1e-5)
    assert found.plane is not None
    assert tuple(found.plane.losses) == order
    assert found.plane.at("a", 1, 1) - found.plane.at("a", 0, 0) == pytest.approx(found.head.actual, rel=1e-4)
    assert [place.domain for place in found.plane.training] == list(order)
    assert (found.plane.training[-1].a, found.plane.training[-1].b) == pytest.approx((1, 1), rel=1e-4)
    assert "the refresh" not in (tmp_path / "why" / "summary.md").read_text(encoding="utf-8")
    # The directions are those of the mean of both halves, and all of them are taken out at most.
    with torch.no_grad():
        module.weight.copy_(stages["a"])
    mean = top_eigenpairs(Hessian(module, lambda m: (bowl("a", "a")(m) + bowl("a", "b")(m)) / 2), DIRECTIONS)
    assert found.conflict.eigenvalues == pytest.approx(tuple(mean.values), rel=1e-3)
    assert {each.what for each in found.conflict.removals} == {"top", "shrink", "random", "b's Hessian"}
    assert set(found.rollback.trials[0].changes) == set(order)


def test_any_earlier_domain_can_be_asked_for(tmp_path: Path) -> None:
    found = explained(tmp_path / "why", "a", "b", "c", harmed="b")
    assert (found.head.earlier, found.head.later) == ("b", "c")
    assert (found.conflict.earlier, found.rollback.earlier) == ("b", "b")


def test_what_is_spent_is_counted(tmp_path: Path) -> None:
    """Against a count of our own, of calls: a Hessian that keeps its graph calls its loss once for all products."""
    module, efforts = Bowl(), list[Effort]()
    with counted(efforts.append):
        value(module, bowl("a", "a"))
        gradient(module, bowl("a", "a"))
        hessian = Hessian(module, bowl("a", "a"))
        for _ in range(3):
            _ = hessian @ torch.ones(SIZE)
        fisher_diagonal(module, bowl("a", "a"))
    # The first product is checked for symmetry by one more.
    assert sum(each.values for each in efforts) == 1
    assert sum(each.gradients for each in efforts) == 3
    assert sum(each.products for each in efforts) == 4
    assert Effort(values=3, gradients=2, products=1).as_gradients == 5
    value(module, bowl("a", "a"))
    assert len(efforts) == 8
    first = explained(tmp_path / "one", "a", "b").gradients
    assert first == explained(tmp_path / "two", "a", "b").gradients > 100
    assert f"{first:,.0f} gradient evaluations" in (tmp_path / "one" / "summary.md").read_text()


class _Killed(BaseException):
    """What no handler expects."""


def watched(order: tuple[str, ...], calls: list[int], last: int | None = None) -> dict[str, DomainLosses]:
    """The same losses, each call noted; the last one does not come back."""

    def told(loss: Loss) -> Loss:
        def noted(module: nn.Module) -> Any:
            calls.append(1)
            if len(calls) == last:
                raise _Killed
            return loss(module)

        return noted

    found = {}
    for name, each in losses(*order).items():
        found[name] = DomainLosses((told(each.fit[0]), told(each.fit[1])), told(each.unseen))
    return found


# In the key, the damage, the directions, the projections, the rollback.
@pytest.mark.parametrize("last", [3, 20, 40, 60, 100, 180])
def test_an_interrupted_explanation_goes_on_to_the_same_result(last: int, tmp_path: Path) -> None:
    whole, calls, order = explained(tmp_path / "whole", "a", "b"), list[int](), ("a", "b")
    how: dict[str, Any] = {"directions": DIRECTIONS, "quiet": True}
    with pytest.raises(_Killed):
        explain_update(Bowl(), watched(order, calls, last), checkpoints(*order), tmp_path / "stopped", **how)
    assert explained(tmp_path / "stopped", *order) == whole
    for file in (tmp_path / "whole").rglob("*"):
        if file.suffix in {".json", ".safetensors", ".md", ".png"}:
            same = tmp_path / "stopped" / file.relative_to(tmp_path / "whole")
            assert same.read_bytes() == file.read_bytes(), file


def test_what_is_there_is_not_measured_again(tmp_path: Path) -> None:
    first, calls, stages = explained(tmp_path / "why", "a", "b"), list[int](), checkpoints("a", "b")
    again = explain_update(
        Bowl(), watched(("a", "b"), calls), stages, tmp_path / "why", directions=DIRECTIONS, quiet=True
    )
    assert again == first
    assert len(calls) == 6  # each loss once, to see that it is the same
    # A file that was damaged is made again.
    (tmp_path / "why" / "rollback.json").write_text("{}")
    assert explained(tmp_path / "why", "a", "b") == first


def test_the_page_says_what_was_measured(tmp_path: Path) -> None:
    found = explained(tmp_path / "why", "sums <1>", "words|2", unit="nats")
    html, summary = ((tmp_path / "why" / name).read_text() for name in ("report.html", "summary.md"))
    assert f"{found.head.actual:+.3g}" in html
    assert "damage, in nats" in summary
    assert " points " not in summary.replace("many points", "")
    assert "sums &lt;1&gt;" in html
    assert "sums <1>" not in html
    assert all((tmp_path / "why" / "figures" / f"{name}.png").is_file() for name in ("damage", "conflict", "rollback"))


def test_where_nothing_was_lost_the_page_says_so(tmp_path: Path) -> None:
    """Trained the other way round, the second stage leads nearer to the first domain's best."""
    stages = {"a": 2 * checkpoints("a")["a"] + 1, "b": torch.zeros(SIZE)}
    found = explain_update(Bowl(), losses("a", "b"), stages, tmp_path / "why", directions=DIRECTIONS, quiet=True)
    assert found.head.actual < 0
    assert {each.recovered for each in found.rollback.trials} == {0.0}
    summary = (tmp_path / "why" / "summary.md").read_text()
    assert "does not harm a" in summary
    assert "mean nothing" in summary


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    explained(tmp_path / "why", "a", "b")
    before = {file: file.read_bytes() for file in (tmp_path / "why").rglob("*") if file.is_file()}
    for how in ({"seed": 1}, {"directions": 3}):
        with pytest.raises(ConfigError, match="explains other checkpoints, losses or settings"):
            explained(tmp_path / "why", "a", "b", **how)
    with pytest.raises(ConfigError, match="explains other checkpoints"):
        explained(tmp_path / "why", "a", "c")
    with FileLock(tmp_path / "why" / ".lock"), pytest.raises(ConfigError, match="in use"):
        explained(tmp_path / "why", "a", "b")
    assert {file: file.read_bytes() for file in before} == before


STAGES: dict[str, Tensor | dict[str, Tensor]] = {**checkpoints("a", "b")}


@pytest.mark.parametrize(
    ("stages", "how", "problem"),
    [
        ({"a": STAGES["a"]}, {}, "one domain harms no other"),
        (STAGES | {"c": torch.ones(SIZE)}, {}, "'c' has no losses or no checkpoint"),
        ({"a": STAGES["a"], "b": STAGES["a"]}, {}, "are the same; there is no update"),
        ({"a": STAGES["a"], "b": torch.ones(SIZE - 1)}, {}, "a checkpoint of 60 coordinates is needed"),
        ({"a": STAGES["a"], "b": torch.full((SIZE,), float("nan"))}, {}, "not finite"),
        (STAGES, {"harmed": "b"}, "no domain was trained after 'b'"),
        (STAGES, {"directions": 60}, "use 2 to 59"),
        (STAGES, {"directions": 1}, "use 2 to 59"),
    ],
)
def test_what_cannot_be_explained_is_refused_before_anything_is_written(
    stages: dict[str, Tensor | dict[str, Tensor]], how: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    given = {"directions": DIRECTIONS, "quiet": True} | how
    domains = [name for name in stages if name != "c"]
    with pytest.raises(ValueError, match=problem):
        explain_update(Bowl(), losses(*domains), stages, tmp_path / "why", **given)
    assert not (tmp_path / "why").exists()


def test_a_loss_without_curvature_is_refused(tmp_path: Path) -> None:
    line = DomainLosses((_straight, _straight), _straight)
    with pytest.raises(CurvatureError, match="directions of curvature"):
        explain_update(
            Bowl(), {"a": line, "b": line}, checkpoints("a", "b"), tmp_path / "why", directions=4, quiet=True
        )


def _straight(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.sum()
