"""From assumption to network: what each theorem assumes, and what it then bounds, measured on a trained run.

A theorem's constants hold on a whole region; a network shows them at some points only. So an assumption is "met",
"not met", or "as met on the way": the constant is the worst one seen where the update or the refresh went.
"""

from collections.abc import Iterator
from itertools import pairwise

from toymdrl.analysis import damage, expansion, repairs
from toymdrl.analysis.alternation import Alternation
from toymdrl.analysis.contraction import Contraction
from toymdrl.analysis.cosines import Cosines
from toymdrl.analysis.damage import Damage, Decomposition
from toymdrl.analysis.edits import Edits
from toymdrl.analysis.routes import Routes
from toymdrl.bounds.collateral import displacement
from toymdrl.bounds.cosines import diluted_cosine
from toymdrl.bounds.policy import reward_change
from toymdrl.bounds.quadrature import rough_quadrature_error
from toymdrl.bounds.rollback import rollback_remainder
from toymdrl.bounds.storage import adam_step
from toymdrl.bounds.subspace import localisation_error, split_range
from toymdrl.bounds.taylor import damage_range, gradient_remainder, taylor_remainder, trapezoid_remainder
from toymdrl.claims.base import Explanation
from toymdrl.claims.rollback import BUDGET
from toymdrl.claims.subject import Subject
from toymdrl.curvature import path_quadrature, value
from toymdrl.domains import DOMAINS
from toymdrl.parameters import at_parameters
from toymdrl.policy.exact import kl_parts
from toymdrl.policy.losses import first_problems
from toymdrl.runs.config import RunConfig
from toymdrl.theorems.finding import MET, NOT_MET, ON_THE_WAY, Bound, Estimate, Finding, Theorem
from toymdrl.training.grpo import learning_rate
from toymdrl.training.stage import BETAS

ROUNDING = 1e-5
"""Of float32, on a cosine."""


def _taylor(c: expansion.Taylor, rounding: float) -> Iterator[Finding]:
    slope, whole = f"Hessian along δ Lipschitz, ρ = {c.rho_along:.3g}", f"Hessian Lipschitz, ρ = {c.rho:.3g}"
    remainder = float(taylor_remainder(c.rho_along, c.norm))
    _, high = damage_range(c.eps_g, -c.most, c.most, c.rho_along, c.norm)
    yield Bound(Theorem(1, "b"), "D", f"{slope}, largest curvature {c.most:.3g}", ON_THE_WAY, c.damage, float(high))
    bend = float(gradient_remainder(c.rho, c.norm))
    yield Bound(Theorem(1, "c"), "‖∇L(θ0) - g - Hδ‖", whole, ON_THE_WAY, c.gradient_rest, bend)
    even, odd = (c.damage + c.mirrored) / 2, (c.damage - c.mirrored) / 2
    yield Bound(Theorem(12, "a"), "|(D⁺ + D⁻)/2 - D2|", slope, ON_THE_WAY, abs(even - c.second), remainder, rounding)
    yield Bound(Theorem(12, "a"), "|(D⁺ - D⁻)/2 - g·δ|", slope, ON_THE_WAY, abs(odd - c.first), remainder, rounding)


def _pair(pair: Decomposition, rounding: float) -> Iterator[Finding]:
    slope = f"Hessian along δ Lipschitz, ρ = {6 * pair.remainder / pair.norm**3:.3g}"
    rest = abs(pair.actual - pair.predicted)
    yield Bound(Theorem(1, "a"), "|D - g·δ - D2|", slope, ON_THE_WAY, rest, pair.remainder, rounding)
    if pair.eta is not None:
        certain, most = f"D2 > 0; η = {pair.eta:.2f}, a certificate if below 1", pair.eta * pair.second
        yield Bound(Theorem(2, "b"), "|D - D2|", certain, ON_THE_WAY, abs(pair.actual - pair.second), most, rounding)
    where, shares = path_quadrature(len(pair.nodes) - 1)
    # These two need the slope between any two points, not only from the start as T1(a).
    # How fast the curvature along delta changes between neighbouring points.
    slopes = [(b - a) / (t - s) for (s, a), (t, b) in pairwise(zip(pair.nodes, pair.curvatures, strict=True))]
    rho = max(map(abs, slopes)) / pair.norm**3
    slope = f"Hessian along δ Lipschitz, ρ = {rho:.3g} between neighbours"
    half, off = float(trapezoid_remainder(rho, pair.norm)), abs(pair.actual - pair.trapezoid)
    yield Bound(Theorem(1, "d"), "|D - trapezoid|", slope, ON_THE_WAY, off, half, rounding)
    rough = float(rough_quadrature_error(rho, pair.norm, where, shares))
    what = f"|D - exact form by {len(where)} nodes|"
    yield Bound(Theorem(13, "c"), what, slope, ON_THE_WAY, abs(pair.closure), rough, rounding)


def _subspace(c: expansion.Localised, size: int) -> Iterator[Finding]:
    held = f"S fixed before δ: {size} directions, leak {c.leak:.3g}, ‖QHQ‖ ≤ {c.h_perp:.3g}"
    error = float(localisation_error(c.leak, c.h_perp, c.p, c.q))
    yield Bound(Theorem(4, "a"), "|D2 - Pδ·HPδ/2|", held, ON_THE_WAY, abs(c.second - c.inside), error)
    positive = c.least >= 0 and c.outside >= 0
    _, most = split_range(max(c.inside, 0.0), max(c.outside, 0.0))
    convex = f"H ⪰ 0; least eigenvalue {c.least:.3g}, Qδ·HQδ/2 = {c.outside:.3g}"
    yield Bound(Theorem(4, "b"), "D2", convex, ON_THE_WAY if positive else NOT_MET, c.second, float(most))


def _refresh(c: Contraction) -> Iterator[Finding]:
    steps = len(c.inside) - 1
    steeper = f"curvature at θ0 {c.start / c.upper:.1f} times that at θ*"
    bare = f"S invariant (leak {c.leak:.3g}), Pg = 0 ({c.slope_in:.2g}), quadratic ({steeper})"

    def closest(theorem: Theorem, bound: tuple[float, ...], assumption: str, met: str) -> Finding:
        # A bound that holds at its closest step holds at all.
        step = max(range(1, steps + 1), key=lambda t: c.inside[t] / bound[t])
        what = f"‖P e‖ after {step} exact steps, of {steps} the closest"
        return Bound(theorem, what, assumption, met, c.inside[step], bound[step])

    yield closest(Theorem(5, whose="the paper's"), c.paper, bare, NOT_MET)
    least = min(c.mu_met)
    averaged = f"averaged Hessian: µ ≥ {least:.3g}, leak ≤ {c.leak_met:.3g}, ν ≤ {c.nu:.3g}"
    yield closest(Theorem(5, "a"), c.directional, "averaged Hessian, µ and leak of each step", ON_THE_WAY)
    yield closest(Theorem(5, "b"), c.comparison, averaged, ON_THE_WAY)
    if c.closed:
        yield closest(Theorem(5, "c"), c.closed, averaged, ON_THE_WAY)
    loss = f"the same, ‖QHQ‖ ≤ {c.h_perp:.3g}, ρ = {c.rho:.3g}; θ* polished to ‖g‖ = {c.gradient_after:.2g}"
    yield Bound(Theorem(5, "g"), "loss above θ*", loss, ON_THE_WAY, c.loss[-1], c.loss_bound[-1])
    steepest = max(c.start, c.upper)
    smooth = f"α < 2/‖H‖; α = {c.alpha:.3g}, ‖H‖ = {steepest:.3g}, the larger of that at θ0 and at θ*"
    far = float(displacement(c.loss[0] - c.loss[-1], c.alpha, steepest, steps))
    yield Bound(Theorem(6, "a"), f"‖u‖ after {steps} exact steps", smooth, ON_THE_WAY, c.moved_by[-1], far)


def _undone(c: repairs.Undone) -> Iterator[Finding]:
    what = f"{BUDGET:.0%} of the coordinates"
    slope = f"Hessian Lipschitz, ρ = {c.rho:.3g}"
    remainder = float(rollback_remainder(c.rho, c.m, c.n))
    missed = abs(c.recovered - c.predicted)
    yield Bound(Theorem(7, "a"), f"|R - g·m - m·Hm/2 - m·Hn|, {what}", slope, ON_THE_WAY, missed, remainder)
    damped = f"quadratic; share {c.damped:.2f} from slope and curvature at θ0"
    yield Estimate(
        Theorem(7, "c"), "what the damped rollback recovers", damped, NOT_MET, c.damped_recovered, c.damped_predicted
    )
    order = f"quadratic, g = 0 ({c.eps_g:.3g}); one refresh step, α = {c.alpha:.3g}"
    yield Estimate(
        Theorem(14, "d"), "damage, rollback last less refresh last", order, NOT_MET, c.last, c.last_predicted
    )


def _others(e: Explanation, across: repairs.Collateral | None, total: repairs.Joint) -> Iterator[Finding]:
    if across:
        seen = (
            f"‖Pg‖ = {across.slope_in:.3g}, ‖Qg‖ = {across.slope_out:.3g}, ‖PHP‖ = {across.inside:.3g}, ‖H‖ = "
            f"{across.outside:.3g}, ρ = {across.rho:.3g}"
        )
        what = f"|change of {DOMAINS[across.other].title}| in the sampled refresh"
        yield Bound(Theorem(6, "b"), what, seen, ON_THE_WAY, abs(across.change), across.bound)
    a = e[Alternation]
    smooth = f"‖H‖ ≤ {a.smooth:.3g}, as at the start"
    yield Bound(Theorem(8, "a"), "‖cycle - step on the average‖", smooth, ON_THE_WAY, a.deviation, a.deviation_bound)
    second = f"quadratics, to second order in α ‖H‖ = {a.alpha * a.smooth:.2f}"
    yield Estimate(Theorem(8, "b"), "‖forward - reversed cycle‖", second, NOT_MET, a.swap, a.swap_predicted)
    if 0 < total.limit < float("inf"):
        helped = f"quadratics; step size {total.limit / 2:.3g}, half of the limit"
        yield Bound(Theorem(15, "c"), "change of the total by one step", helped, NOT_MET, total.below, 0.0)


def _cosines(e: Explanation) -> Iterator[Finding]:
    error = max(abs(each.error) for each in e[Cosines].dilution)
    yield Bound(Theorem(3, "b"), "error of the dilution identity", "none: rounding alone", MET, error, ROUNDING)
    slack = f"complement parts orthogonal; by chance to {e[Cosines].chance:.1g}"
    # Where the slack form comes closest to breaking.
    worst = max(e[Cosines].dilution, key=lambda each: abs(each.cosine) - each.a * each.b)
    what = f"|cosine| of {worst.one} and {worst.other}, shares a and b of their lengths in S: a·b"
    most = float(diluted_cosine(worst.a, worst.b, 1.0, 0.0))
    yield Bound(Theorem(3, "b"), what, slack, NOT_MET, abs(worst.cosine), most)


def _transfer(e: Explanation) -> Iterator[Finding]:
    worst = max(e[Routes].transfers, key=lambda each: abs(each.interaction))
    pair = f"{DOMAINS[worst.trained].title} and {DOMAINS[worst.harmed].title}"
    what = f"interaction of {pair}, the largest"
    drift = "Hessian constant"
    yield Estimate(Theorem(9, "a"), what, drift, NOT_MET, worst.interaction, worst.interaction_predicted)
    helpful = "quadratic, from the base; sign of g·b + b·Hb/2"
    agreement = e[Routes].sign_agreement("whole_curved")
    yield Estimate(Theorem(9, "b"), "share of pairs whose help or harm has that sign", helpful, NOT_MET, agreement, 1.0)


def _formats(e: Explanation) -> Iterator[Finding]:
    for name in ("bfloat16", "float8 e5m2"):
        kept = sum(edit.unchanged[name] for edit in e[Edits].edits) / len(e[Edits].edits)
        lost = sum(edit.lost[name] for edit in e[Edits].edits) / len(e[Edits].edits)
        grid = "normal weights on the format's grid before; here all, rounded to it"
        yield Estimate(Theorem(10, "a"), f"share of weights unchanged as {name}", grid, NOT_MET, kept, lost)


def _adam(subject: Subject, config: RunConfig) -> Finding:
    stage = config.grpo
    # Adam moves a weight by a bounded multiple of the rate: summed over the stage's rates.
    most = adam_step(*BETAS) * stage.updates * sum(learning_rate(stage, step) for step in range(stage.steps))
    largest = max(float(edit.abs().max()) for edit in subject.edits.values())
    return Bound(Theorem(10, "d"), "largest change of a weight by one stage", "Adam without decay", MET, largest, most)


def _pinsker(subject: Subject, lost: float) -> Finding:
    reference = subject.policy_at(subject.headline.own)
    unseen = first_problems(subject.harmed, "eval", subject.prompts)
    with at_parameters(subject.policy, subject.start + subject.delta):
        nats = value(subject.policy, lambda policy: kl_parts(policy, reference, unseen))
    most = 100 * float(reward_change(1.0, nats))
    return Bound(Theorem(11, "d"), "|D|", f"rewards in [0, 1]; KL = {nats:.3g}", MET, abs(lost), most)


def check(subject: Subject, e: Explanation) -> tuple[Finding, ...]:
    """Every theorem that says something about one run, in order.

    Args:
        subject: the run.
        e: its analyses.
    """
    harmed, policy, basis = subject.harmed, subject.policy, subject.spectrum.vectors
    start, delta, end = subject.start, subject.delta, subject.start + subject.delta
    fit = subject.fit_loss(harmed)
    with at_parameters(policy, start):
        rounding = damage.ROUNDING * max(1.0, abs(value(policy, subject.losses[harmed])))
    taylor = expansion.taylor(policy, subject.losses[harmed], start, delta)
    localised = expansion.localised(policy, fit, start, delta, subject.spectrum.values, basis)
    m = subject.rolled_back(BUDGET)
    undone = repairs.undone(policy, fit, start, delta, m, 1 / abs(float(subject.spectrum.values[0])))
    across = None
    if other := next(iter(subject.others()), None):
        u = subject.vectors[subject.headline.refreshed] - end
        theirs = subject.fit_loss(other, 1 / 4)
        across = repairs.collateral(policy, theirs, end, u, basis, other=other)
    losses = {domain: subject.fit_loss(domain, 1 / 4) for domain in subject.order}
    total = repairs.joint(policy, losses, harmed, end)
    pair = next(each for each in e[Damage].pairs if (each.earlier, each.later) == (harmed, subject.later))
    found = [*_pair(pair, rounding), *_taylor(taylor, rounding), *_cosines(e), *_subspace(localised, basis.shape[1])]
    found += [*_undone(undone), *_others(e, across, total), *_transfer(e), *_formats(e)]
    found.append(_adam(subject, subject.config))
    if contracted := e.get(Contraction):
        found += [*_refresh(contracted), _pinsker(subject, taylor.damage)]
    return tuple(sorted(found, key=lambda each: each.theorem.place))
