"""Does gradient descent on the harmed domain contract the harm inside its conflict subspace? (C9; T5)

The theorem is about a minimum, and trained policies are none: so the checkpoint is first polished, by L-BFGS on an
exact loss that has a minimum (for policies: the KL-regularised one), then displaced by the real update, then
refreshed by plain gradient descent. All of T5's constants are measured on the way: with those its bounds of the
distances hold by construction, up to rounding. What they tell is how much of a bound is slack, and what the paper's
form leaves out.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from toymdrl.bounds.refresh import paper_contraction, refresh_closed, refresh_path, refresh_step, refreshed_loss
from toymdrl.curvature import Hessian, Loss, SegmentHessian, gradient, parts, top_eigenpairs, value
from toymdrl.parameters import at_parameters, read_parameters, trainable_parameters

POLISH_ITERATIONS = 40
STEPS = 10
NODES = 2
"""Points of the segment from theta* to theta_t at which the Hessian is averaged."""


@dataclass(frozen=True)
class Contraction:
    """A refresh by exact gradient descent from a displaced minimum; series over t = 0 … steps.

    "Met" is what the Hessian averaged along the segment from theta* to theta_t says: with it T5 needs no bound of the
    curvature's drift, so it applies to displacements that are not small.
    """

    earlier: str
    later: str
    size: int
    """Dimensions of S: top eigenvectors of the Hessian at the polished checkpoint."""
    moved: float
    """How far polishing moved the checkpoint."""
    gradient_before: float
    gradient_after: float
    """Norms at the checkpoint, before and after polishing."""
    mu: float
    upper: float
    """Curvature on S is between these, at theta*."""
    start: float
    """Largest |curvature| at theta_0, where the refresh starts."""
    leak: float
    """||P H Q|| at theta*."""
    mu_met: tuple[float, ...]
    """(1 - ||P (I - alpha H) P e_t|| / ||P e_t||) / alpha at each step: the curvature that would contract as much."""
    leak_met: float
    """The largest ||P H Q e_t|| / ||Q e_t|| met."""
    leak_back: float
    """The largest ||Q H P e_t|| / ||P e_t|| met."""
    nu: float
    """The largest ||Q (I - alpha H) Q e_t|| / ||Q e_t|| met."""
    h_perp: float
    """The largest |curvature| along any Q e_t, at theta*."""
    slope_in: float
    """||P g||."""
    slope_out: float
    alpha: float
    rho: float
    """6 |L(theta_t) - L(theta*) - g.e_t - e_t.H e_t / 2| / ||e_t||^3, the largest of the path."""
    inside: tuple[float, ...]
    """||P e_t||."""
    outside: tuple[float, ...]
    """||Q e_t||."""
    moved_by: tuple[float, ...]
    """||e_t - e_0||: how far the refresh has gone."""
    loss: tuple[float, ...]
    """L(theta_t) - L(theta*)."""
    paper: tuple[float, ...]
    """The paper's bound of `inside`."""
    comparison: tuple[float, ...]
    """T5(b)'s bound of `inside`, from the worst constants met along the path."""
    closed: tuple[float, ...] | None
    """T5(c)'s, from the same; None if the least curvature met is not positive."""
    directional: tuple[float, ...]
    """T5(a)'s, iterated, with curvature and leak as met at each step along the actual direction."""
    outside_bound: tuple[float, ...]
    """T5(b)'s bound of `outside`."""
    loss_bound: tuple[float, ...]
    """T5(g)'s bound of `loss`."""

    def holds(self, bound: tuple[float, ...]) -> bool:
        """Whether a bound of `inside` holds at every step, up to the rounding of float32."""
        return all(p <= most * (1 + 1e-4) for p, most in zip(self.inside, bound, strict=True))


def polish(module: nn.Module, loss: Loss, iterations: int) -> None:
    """Bring the module near a minimum of a deterministic loss, in place, by L-BFGS with a line search."""
    optimiser = torch.optim.LBFGS(
        trainable_parameters(module),
        max_iter=iterations,
        history_size=30,
        line_search_fn="strong_wolfe",
        tolerance_grad=0.0,
        tolerance_change=0.0,
    )

    def closure() -> float:
        optimiser.zero_grad()
        # In parts, as everywhere: the whole graph at once may not fit.
        total = 0.0
        for part in parts(loss, module):
            part.backward()
            total += float(part.detach())
        return total

    optimiser.step(closure)
    module.zero_grad()


@dataclass(frozen=True)
class _Met:
    """What the Hessian averaged from theta* to theta_t does to e_t, by step."""

    mu: tuple[float, ...]
    leaked: tuple[float, ...]
    """||P H Q e_t||."""
    leak_back: float
    nu: float


def _met(
    module: nn.Module,
    loss: Loss,
    star: Tensor,
    errors: list[Tensor],
    changes: list[Tensor],
    basis: Tensor,
    alpha: float,
) -> _Met:
    """T5's constants along each e_t; `changes` are those of the gradient, grad L(theta_t) - grad L(theta*)."""
    mu, leaked, leak_back, nu = [], [], [], []
    for e, change in zip(errors, changes, strict=True):
        # What of the error is inside S, and what is outside.
        within = basis @ (basis.T @ e)
        beyond = e - within
        bent_within = SegmentHessian(module, loss, star, e, nodes=NODES, power=0) @ within
        # The change is the averaged Hessian times e_t: the rest of it, quadrature error included, is the leak.
        bent_beyond = change - bent_within
        held, leak = basis @ (basis.T @ bent_within), basis @ (basis.T @ bent_beyond)
        # The rate at which this step shrinks this error: exact for it, and larger than the least curvature.
        mu.append((1 - float((within - alpha * held).norm() / within.norm())) / alpha)
        leaked.append(float(leak.norm()))
        leak_back.append(float((bent_within - held).norm() / within.norm()))
        nu.append(float((beyond - alpha * (bent_beyond - leak)).norm() / beyond.norm()))
    return _Met(tuple(mu), tuple(leaked), max(leak_back), max(nu))


def _drift(
    module: nn.Module,
    loss: Loss,
    star: Tensor,
    errors: list[Tensor],
    losses: list[float],
    basis: Tensor,
    g: Tensor,
) -> tuple[float, float]:
    """T5(g)'s h_perp and rho along the e_t, from the Hessian at theta*; `losses` are those above theta*."""
    h_perp, rho = 0.0, 0.0
    with at_parameters(module, star):
        hessian = Hessian(module, loss)
        for e, lost in zip(errors, losses, strict=True):
            beyond = e - basis @ (basis.T @ e)
            bent, bent_beyond = hessian @ e, hessian @ beyond
            h_perp = max(h_perp, abs(float(beyond @ bent_beyond)) / float(beyond.norm()) ** 2)
            # What Taylor's second order leaves of the loss is what rho must account for.
            rest = lost - float(g @ e) - float(e @ bent) / 2
            rho = max(rho, 6 * abs(rest) / float(e.norm()) ** 3)
    return h_perp, rho


def measure(
    module: nn.Module,
    loss: Loss,
    checkpoint: Tensor,
    delta: Tensor,
    *,
    size: int = 8,
    iterations: int = POLISH_ITERATIONS,
    steps: int = STEPS,
    earlier: str = "",
    later: str = "",
) -> Contraction:
    """Polish, displace, refresh, and compare with T5.

    Args:
        module: whose parameters; left as found.
        loss: the harmed domain's, with a minimum near `checkpoint`.
        checkpoint: where polishing starts, (coordinates,).
        delta: the update that displaces, (coordinates,).
        size: dimensions of S.
        iterations: of L-BFGS.
        steps: of the refresh.
        earlier: name of the domain harmed.
        later: name of the update.
    """
    with at_parameters(module, checkpoint):
        # The theory displaces a minimum; a checkpoint is only near one.
        before = float(gradient(module, loss).norm())
        polish(module, loss, iterations)
        star = read_parameters(module)
    with at_parameters(module, star):
        level = value(module, loss)
        hessian = Hessian(module, loss)
        # One pair more, in case one is negative: S is where the loss curves up.
        pairs = top_eigenpairs(hessian, size + 1)
        upward = [index for index in range(size + 1) if pairs.values[index] > 0][:size]
        basis = pairs.vectors[:, upward]
        image = hessian @ basis
        g = hessian.gradient
        del hessian  # the graph is large
    # H on S as a small symmetric matrix: its ends are mu and the upper curvature.
    inner = (basis.T @ image).double().cpu().numpy()
    eigenvalues = np.linalg.eigvalsh((inner + inner.T) / 2)
    mu, upper = float(eigenvalues[0]), float(eigenvalues[-1])
    leak = float(torch.linalg.matrix_norm(image - basis @ (basis.T @ image), 2))
    with at_parameters(module, star + delta):
        start = float(np.abs(top_eigenpairs(Hessian(module, loss), 1, tolerance=0.05).values[0]))
    # Half of the largest step that T5 admits, for the steeper end: a displacement this large may meet more curvature.
    alpha = 1 / (mu + max(upper, start))

    # The refresh: exact gradient descent from the displaced minimum; errors are distances from it.
    errors, slopes, losses = [delta], [], []
    for _ in range(steps + 1):
        with at_parameters(module, star + errors[-1]):
            losses.append(value(module, loss) - level)
            slopes.append(gradient(module, loss))
        errors.append(errors[-1] - alpha * slopes[-1])
    # One step more was taken than is told.
    errors.pop()

    inside = [float((basis.T @ e).norm()) for e in errors]
    outside = [float((e - basis @ (basis.T @ e)).norm()) for e in errors]
    slope_in, slope_out = float((basis.T @ g).norm()), float((g - basis @ (basis.T @ g)).norm())
    met = _met(module, loss, star, errors[:-1], [slope - g for slope in slopes[:-1]], basis, alpha)
    # T5(a) step by step, each with the curvature and the leak met in that step.
    directional = [inside[0]]
    for curvature, leaked in zip(met.mu, met.leaked, strict=True):
        directional.append(float(refresh_step(directional[-1], alpha, curvature, leaked, slope_in, 0.0)))
    # T5(b) and (c) with the worst of the whole way.
    least, leak_met = min(met.mu), max(norm / size for norm, size in zip(met.leaked, outside, strict=False))
    p, q = refresh_path(
        inside[0],
        outside[0],
        steps,
        alpha=alpha,
        mu=least,
        nu=met.nu,
        leak=leak_met,
        slope_in=slope_in,
        slope_out=slope_out,
        rho=0.0,
        leak_back=met.leak_back,
    )
    count = np.arange(steps + 1)
    closed = None
    if least > 0:
        floor = max(met.leaked) + slope_in
        closed = tuple(map(float, refresh_closed(inside[0], alpha, least, floor, count)))

    h_perp, rho = _drift(module, loss, star, errors, losses, basis, g)
    eps_g = float(g.norm())
    loss_bound = refreshed_loss(p, q, eps_g=eps_g, upper=upper, leak=leak, h_perp=h_perp, rho=rho)
    return Contraction(
        earlier=earlier,
        later=later,
        size=len(upward),
        moved=float((star - checkpoint).norm()),
        gradient_before=before,
        gradient_after=eps_g,
        mu=mu,
        upper=upper,
        start=start,
        leak=leak,
        mu_met=met.mu,
        leak_met=leak_met,
        leak_back=met.leak_back,
        nu=met.nu,
        h_perp=h_perp,
        slope_in=slope_in,
        slope_out=slope_out,
        alpha=alpha,
        rho=rho,
        inside=tuple(inside),
        outside=tuple(outside),
        moved_by=tuple(float((e - delta).norm()) for e in errors),
        loss=tuple(losses),
        paper=tuple(map(float, paper_contraction(inside[0], alpha, mu, count))),
        comparison=tuple(map(float, p)),
        closed=closed,
        directional=tuple(directional),
        outside_bound=tuple(map(float, q)),
        loss_bound=tuple(map(float, loss_bound)),
    )
