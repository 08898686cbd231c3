"""Does gradient descent on the harmed domain contract the harm inside its conflict subspace? (C9; T5)

The theorem is about a minimum, and trained policies are none: so the checkpoint is first polished, by L-BFGS on an
exact loss that has a minimum (for policies: the KL-regularised one), then displaced by the real update, then
refreshed by plain gradient descent. All of T5's constants are measured on the way.
"""

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor, nn

from toymdrl import bounds
from toymdrl.curvature import Hessian, Loss, gradient, parts, top_eigenpairs, value
from toymdrl.parameters import at, read, trainable
from toymdrl.style import FAINT, INK, STYLE, colour, title

POLISH_ITERATIONS = 40
STEPS = 10


@dataclass(frozen=True)
class Contraction:
    """A refresh by exact gradient descent from a displaced minimum; series over t = 0 … steps."""

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
    """Curvature on S is between these."""
    leak: float
    """||P H Q||."""
    leak_met: float
    """The largest of ||P H Q e_t|| / ||Q e_t|| and ||Q H P e_t|| / ||P e_t|| of the path."""
    nu: float
    """The largest ||Q (I - alpha H) Q e_t|| / ||Q e_t|| of the path."""
    h_perp: float
    """Largest |curvature| found outside S."""
    slope_in: float
    """||P g||."""
    slope_out: float
    alpha: float
    rho: float
    """2 ||grad L(theta_t) - g - H e_t|| / ||e_t||^2, the largest of the path."""
    inside: tuple[float, ...]
    """||P e_t||."""
    outside: tuple[float, ...]
    """||Q e_t||."""
    loss: tuple[float, ...]
    """L(theta_t) - L(theta*)."""
    paper: tuple[float, ...]
    """The paper's bound of `inside`."""
    comparison: tuple[float, ...]
    """T5(b)'s bound of `inside`, from the constants met along the path."""
    directional: tuple[float, ...]
    """T5(a)'s, iterated, with leak and drift as measured along the actual direction."""
    loss_bound: tuple[float, ...]
    """T5(g)'s bound of `loss`."""


def polish(module: nn.Module, loss: Loss, iterations: int) -> None:
    """Bring the module near a minimum of a deterministic loss, in place, by L-BFGS with a line search."""
    optimiser = torch.optim.LBFGS(
        trainable(module),
        max_iter=iterations,
        history_size=30,
        line_search_fn="strong_wolfe",
        tolerance_grad=0.0,
        tolerance_change=0.0,
    )

    def closure() -> float:
        optimiser.zero_grad()
        total = 0.0
        for part in parts(loss, module):
            part.backward()
            total += float(part.detach())
        return total

    optimiser.step(closure)
    module.zero_grad()


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
    with at(module, checkpoint):
        before = float(gradient(module, loss).norm())
        polish(module, loss, iterations)
        star = read(module)
    with at(module, star):
        level = value(module, loss)
        hessian = Hessian(module, loss)
        # One pair more: the curvature left outside.
        pairs = top_eigenpairs(hessian, size + 1)
        # A negative eigenvalue among them would make mu negative: S is where the loss curves up.
        upward = [index for index in range(size + 1) if pairs.values[index] > 0][:size]
        basis = pairs.vectors[:, upward]
        image = hessian @ basis
        inner = (basis.T @ image).double().cpu().numpy()
        g = hessian.gradient
    eigenvalues = np.linalg.eigvalsh((inner + inner.T) / 2)
    mu, upper = float(eigenvalues[0]), float(eigenvalues[-1])
    leak = float(torch.linalg.matrix_norm(image - basis @ (basis.T @ image), 2))
    left = [abs(float(each)) for index, each in enumerate(pairs.values) if index not in upward]
    alpha = 1 / (mu + upper)  # half of the largest step that T5 admits

    errors, slopes, losses = [delta], [], []
    for _ in range(steps + 1):
        with at(module, star + errors[-1]):
            losses.append(value(module, loss) - level)
            slopes.append(gradient(module, loss))
        errors.append(errors[-1] - alpha * slopes[-1])
    errors.pop()

    inside = [float((basis.T @ e).norm()) for e in errors]
    outside = [float((e - basis @ (basis.T @ e)).norm()) for e in errors]
    slope_in, slope_out = float((basis.T @ g).norm()), float((g - basis @ (basis.T @ g)).norm())
    rho, leak_met, nu, directional = 0.0, 0.0, 0.0, [inside[0]]
    with at(module, star):
        hessian = Hessian(module, loss)
        for e, slope in zip(errors[:-1], slopes[:-1], strict=True):
            bent = hessian @ e
            rest = slope - g - bent
            rho = max(rho, 2 * float(rest.norm()) / float(e.norm()) ** 2)
            within = basis.T @ e
            beyond = e - basis @ within
            bent_within = image @ within
            bent_beyond = bent - bent_within
            leaked = basis.T @ bent_beyond
            back = bent_within - basis @ (basis.T @ bent_within)
            kept = beyond - alpha * (bent_beyond - basis @ leaked)
            nu = max(nu, float(kept.norm() / beyond.norm()))
            leak_met = max(leak_met, float(leaked.norm() / beyond.norm()), float(back.norm() / within.norm()))
            measured = (float(leaked.norm()), slope_in, float((basis.T @ rest).norm()))
            directional.append(float(bounds.refresh_step(directional[-1], alpha, mu, *measured)))
        del hessian
    h_perp = max(left) if left else 0.0
    p, q = bounds.refresh_path(
        inside[0],
        outside[0],
        steps,
        alpha=alpha,
        mu=mu,
        nu=nu,
        leak=leak_met,
        slope_in=slope_in,
        slope_out=slope_out,
        rho=rho,
    )
    eps_g = float(g.norm())
    loss_bound = bounds.refreshed_loss(p, q, eps_g=eps_g, upper=upper, leak=leak_met, h_perp=h_perp, rho=rho)
    return Contraction(
        earlier=earlier,
        later=later,
        size=len(upward),
        moved=float((star - checkpoint).norm()),
        gradient_before=before,
        gradient_after=eps_g,
        mu=mu,
        upper=upper,
        leak=leak,
        leak_met=leak_met,
        nu=nu,
        h_perp=h_perp,
        slope_in=slope_in,
        slope_out=slope_out,
        alpha=alpha,
        rho=rho,
        inside=tuple(inside),
        outside=tuple(outside),
        loss=tuple(losses),
        paper=tuple(float(bounds.paper_contraction(inside[0], alpha, mu, t)) for t in range(steps + 1)),
        comparison=tuple(float(each) for each in p),
        directional=tuple(directional),
        loss_bound=tuple(float(each) for each in loss_bound),
    )


def figure(result: Contraction) -> Figure:
    """The harmful component against the bounds; what stays outside; the loss."""
    steps = range(len(result.inside))
    tone = colour(result.earlier)
    with rc_context({**STYLE, "axes.grid.axis": "both"}):
        drawn = Figure(figsize=(12, 3.8))
        left, middle, right = drawn.subplots(1, 3, width_ratios=(1.4, 0.8, 1), gridspec_kw={"wspace": 0.26})
        left.plot(steps, result.inside, "o-", color=tone, linewidth=2.4, label="measured", markersize=4)
        left.plot(steps, result.directional, "--", color=INK, label="bound T5(a), leak and drift as met")
        left.plot(steps, result.paper, ":", color="#D55E00", linewidth=2, label="the paper's bound")
        left.plot(
            steps, result.comparison, color=FAINT, linewidth=1.2, label="bound T5(b), largest constants of the path"
        )
        left.set(yscale="log", title="inside S: ‖P(θ − θ*)‖", xlabel="exact refresh step")
        left.legend(frameon=False, fontsize=8.5)
        middle.plot(steps, result.outside, "o-", color=tone, linewidth=2.4, markersize=4)
        middle.set(title="outside: ‖Q(θ − θ*)‖", xlabel="exact refresh step")
        middle.set_ylim(0, 1.2 * max(result.outside))
        right.plot(steps, result.loss, "o-", color=tone, linewidth=2.4, markersize=4)
        right.set(title=f"{title(result.earlier)}: loss above θ*", xlabel="exact refresh step")
        right.set_ylim(bottom=0)
    return drawn
