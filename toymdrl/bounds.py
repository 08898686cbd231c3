"""The right-hand sides of theorems T1 to T12 as functions of measured constants; numpy only.

Notation. theta* is A's checkpoint, delta all that was added after it, `step` its norm; g and H are gradient and
Hessian of L_A at theta*, `eps_g` = ||g||; D = L_A(theta* + delta) - L_A(theta*) is the damage, D2 = delta.H delta /
2; `rho` is a Lipschitz constant of the Hessian on every segment named. S is a subspace with projector P and
complement Q = I - P; on S, mu <= H <= upper; `leak` = ||P H Q||, `h_perp` = ||Q H Q||; `p` = ||P e||, `q` = ||Q e||
of an error e = theta - theta*. Functions take numbers or arrays that broadcast, and return arrays. theory/ states and
tests each theorem.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def _arrays(*values: ArrayLike) -> list[Array]:
    return [np.asarray(value, dtype=np.float64) for value in values]


# T1, T2, T12: Taylor's expansion of damage


def taylor_remainder(rho: ArrayLike, step: ArrayLike) -> Array:
    """T1(a), T12(a): |D - g.delta - D2| <= rho/6 ||delta||^3."""
    r, n = _arrays(rho, step)
    return r * n**3 / 6


def gradient_remainder(rho: ArrayLike, step: ArrayLike) -> Array:
    """T1(c): ||grad L_A(theta* + e) - g - H e|| <= rho/2 ||e||^2."""
    r, n = _arrays(rho, step)
    return r * n**2 / 2


def trapezoid_remainder(rho: ArrayLike, step: ArrayLike) -> Array:
    """T1(d): |D - (g + g0).delta / 2| <= rho/12 ||delta||^3, g0 the gradient at theta* + delta."""
    return taylor_remainder(rho, step) / 2


def damage_range(
    eps_g: ArrayLike, least: ArrayLike, most: ArrayLike, rho: ArrayLike, step: ArrayLike
) -> tuple[Array, Array]:
    """T1(b): lower and upper bound of D from the extreme eigenvalues `least` and `most` of H."""
    e, low, high, n = _arrays(eps_g, least, most, step)
    slack = e * n + taylor_remainder(rho, n)
    return low * n**2 / 2 - slack, high * n**2 / 2 + slack


def dominance(first: ArrayLike, second: ArrayLike, remainder: ArrayLike) -> Array:
    """T2(b): the least eta for which |D - D2| <= eta D2 is certain; infinite where D2 <= 0.

    Below 1 it certifies that second-order damage dominates: (1 - eta) D2 <= D <= (1 + eta) D2.

    Args:
        first: g.delta.
        second: D2.
        remainder: a bound of |D - g.delta - D2|, such as T1(a)'s.
    """
    one, two, rest = _arrays(first, second, remainder)
    positive = two > 0
    return np.where(positive, (np.abs(one) + rest) / np.where(positive, two, 1.0), np.inf)


def dominance_window(eta: float, kappa: float, eps_g: float, rho: float) -> tuple[float, float] | None:
    """T2(c): between which ||delta|| T2(b) holds, if delta.H delta >= kappa ||delta||^2; None if nowhere."""
    half = eta * kappa / 2
    root = half**2 - 2 * rho * eps_g / 3
    if root < 0:
        return None
    # The smaller root in the form that does not cancel.
    low = 2 * eps_g / (half + root**0.5)
    return low, 3 / rho * (half + root**0.5) if rho > 0 else float("inf")


def over_recovery(eps_g: ArrayLike, rho: ArrayLike, step: ArrayLike) -> Array:
    """T2(d): if H >= 0, L_A(theta*) - L_A(theta* + e) is at most this: more is further training, not recovery."""
    e, n = _arrays(eps_g, step)
    return e * n + taylor_remainder(rho, n)


def difference_quotient_error(rho: ArrayLike, h: ArrayLike) -> Array:
    """T12(b): error of (grad L(theta + h v) - grad L(theta - h v)) / 2h as H v, for ||v|| = 1."""
    r, width = _arrays(rho, h)
    return r * width / 2


# T3: cosines


def damage_at_cosine(cosine: ArrayLike, eps_g: ArrayLike, curvature: ArrayLike, length: ArrayLike) -> Array:
    """T3(a): the damage that a step of this length on B does to some A with cos(g_A, g_B) = -cosine."""
    c, e, h, t = _arrays(cosine, eps_g, curvature, length)
    return h / 2 * t**2 + c * e * t


def dilution(a: ArrayLike, b: ArrayLike, cosine: ArrayLike) -> tuple[Array, Array]:
    """T3(b): least and greatest cos(x, y), given ||Px||/||x|| = a, ||Py||/||y|| = b and cos(Px, Py)."""
    one, two, c = _arrays(a, b, cosine)
    slack = np.sqrt((1 - one**2) * (1 - two**2))
    return one * two * c - slack, one * two * c + slack


def dilution_variance(a: ArrayLike, b: ArrayLike, complement: int) -> Array:
    """T3(c): E (cos - ab cos_S)^2 if one complement part points anywhere in `complement` dimensions alike."""
    one, two = _arrays(a, b)
    return (1 - one**2) * (1 - two**2) / complement


def chance_cosine(dimensions: int) -> float:
    """T3(c) without subspace: root mean square cosine of two vectors of which one points anywhere alike."""
    return float(dimensions) ** -0.5


def revealed_cosine(share: ArrayLike, mu: ArrayLike, upper: ArrayLike) -> Array:
    """T3(d): least cos(grad L_A(theta* + delta), delta) for a quadratic, g = 0, H = PHP; share = p/||delta||."""
    s, low, high = _arrays(share, mu, upper)
    return s * 2 * np.sqrt(low * high) / (low + high)


# T4: localisation


def localisation_error(leak: ArrayLike, h_perp: ArrayLike, p: ArrayLike, q: ArrayLike) -> Array:
    """T4(a), T4(e): |D2 - (P delta).H(P delta)/2| <= leak p q + h_perp q^2 / 2."""
    e, h, one, two = _arrays(leak, h_perp, p, q)
    return e * one * two + h / 2 * two**2


def localised_damage_error(
    eps_g: ArrayLike, leak: ArrayLike, h_perp: ArrayLike, rho: ArrayLike, p: ArrayLike, q: ArrayLike
) -> Array:
    """T4(a): |D - (P delta).H(P delta)/2| is at most this."""
    e, one, two = _arrays(eps_g, p, q)
    n = np.hypot(one, two)
    return e * n + localisation_error(leak, h_perp, p, q) + taylor_remainder(rho, n)


def split_range(inside: ArrayLike, outside: ArrayLike) -> tuple[Array, Array]:
    """T4(b): range of D2, for H >= 0, from the quadratic forms of P delta and of Q delta."""
    a, c = (np.sqrt(each) for each in _arrays(inside, outside))
    return (a - c) ** 2, (a + c) ** 2


def best_subspace_error(eigenvalues: ArrayLike, k: int) -> float:
    """T4(c): min ||H - PHP|| over subspaces of k dimensions: the next largest |eigenvalue|."""
    sizes = np.sort(np.abs(np.asarray(eigenvalues, dtype=np.float64)))[::-1]
    return float(sizes[k])


# T5: refresh by gradient descent, 0 < alpha <= 2/(mu + upper)


def paper_contraction(p0: ArrayLike, alpha: ArrayLike, mu: ArrayLike, steps: ArrayLike) -> Array:
    """The paper's Theorem 1, (1 - alpha mu)^t p_0: true if S is H-invariant, P g = 0 and L_A is quadratic (T5)."""
    start, a, m, t = _arrays(p0, alpha, mu, steps)
    return (1 - a * m) ** t * start


def refresh_step(
    p: ArrayLike, alpha: ArrayLike, mu: ArrayLike, leaked: ArrayLike, slope: ArrayLike, drift: ArrayLike
) -> Array:
    """T5(a): p after a step is at most (1 - alpha mu) p + alpha (leaked + slope + drift).

    Args:
        p: ||P e_t||, or a bound of it.
        alpha: step size.
        mu: least curvature on S.
        leaked: leak q, or ||P H Q e_t|| as measured.
        slope: ||P g||.
        drift: rho/2 ||e_t||^2, or ||P (grad L_A(theta_t) - g - H e_t)|| as measured.
    """
    now, a, m, out, g, r = _arrays(p, alpha, mu, leaked, slope, drift)
    return (1 - a * m) * now + a * (out + g + r)


def refresh_path(
    p0: float,
    q0: float,
    steps: int,
    *,
    alpha: float,
    mu: float,
    nu: float,
    leak: float,
    slope_in: float,
    slope_out: float,
    rho: float,
    leak_back: float | None = None,
) -> tuple[Array, Array]:
    """T5(b): bounds of p_t and of q_t for t = 0 … steps, (steps + 1,) each.

    Args:
        p0: ||P delta||.
        q0: ||Q delta||.
        steps: how many.
        alpha: step size.
        mu: least curvature on S.
        nu: max |1 - alpha lambda| over the eigenvalues of H compressed to S's complement.
        leak: ||P H Q||.
        slope_in: ||P g||.
        slope_out: ||Q g||.
        rho: Lipschitz constant of the Hessian.
        leak_back: ||Q H P||; by symmetry that of `leak`, unless each was measured along its own direction.
    """
    back = leak if leak_back is None else leak_back
    p, q = [p0], [q0]
    for _ in range(steps):
        drift = rho / 2 * (p[-1] ** 2 + q[-1] ** 2)
        inside = float(refresh_step(p[-1], alpha, mu, leak * q[-1], slope_in, drift))
        q.append(nu * q[-1] + alpha * (back * p[-1] + slope_out + drift))
        p.append(inside)
    return np.array(p), np.array(q)


def refresh_closed(p0: ArrayLike, alpha: ArrayLike, mu: ArrayLike, floor: ArrayLike, steps: ArrayLike) -> Array:
    """T5(c): (1 - alpha mu)^t p_0 + (1 - (1 - alpha mu)^t) floor / mu, floor = leak q + ||Pg|| + rho/2 R^2."""
    m, f = _arrays(mu, floor)
    shrunk = paper_contraction(1.0, alpha, mu, steps)
    return shrunk * np.asarray(p0, dtype=np.float64) + (1 - shrunk) * f / m


def leak_of_angle(spread: ArrayLike, angle: ArrayLike) -> Array:
    """T5(e): leak of an S at this largest angle from an invariant subspace; spread = lambda_max - lambda_min."""
    s, phi = _arrays(spread, angle)
    return s * np.minimum(0.5, np.sin(phi))


def noise_floor(alpha: ArrayLike, mu: ArrayLike, variance: ArrayLike) -> Array:
    """T5(f): what gradient noise of this variance inside S adds to the root mean square of p_t, for any t."""
    a, m, v = _arrays(alpha, mu, variance)
    return np.sqrt(a * v / (m * (2 - a * m)))


def refreshed_loss(
    p: ArrayLike, q: ArrayLike, *, eps_g: float, upper: float, leak: float, h_perp: float, rho: float
) -> Array:
    """T5(g): L_A(theta_t) - L_A(theta*) is at most this, from bounds of p_t and q_t."""
    one, two = _arrays(p, q)
    n = np.hypot(one, two)
    return eps_g * n + upper / 2 * one**2 + localisation_error(leak, h_perp, one, two) + taylor_remainder(rho, n)


def recovered_loss(eigenvalues: ArrayLike, coordinates: ArrayLike, alpha: float, steps: int) -> float:
    """T5(g): the loss that t steps recover on a quadratic with g = 0; coordinates of delta in the eigenbasis."""
    value, c = _arrays(eigenvalues, coordinates)
    return float(np.sum(value * c**2 * (1 - (1 - alpha * value) ** (2 * steps))) / 2)


def gradient_dominated(gap: ArrayLike, alpha: ArrayLike, mu: ArrayLike, steps: ArrayLike) -> Array:
    """T5(h): L_A(theta_t) - inf L_A <= (1 - alpha mu)^t gap, if ||grad L_A||^2 / 2 >= mu (L_A - inf L_A)."""
    return paper_contraction(gap, alpha, mu, steps)


# T6: what a refresh of A does to another domain C, from theta_0 with displacement u


def displacement(gained: ArrayLike, alpha: ArrayLike, smooth: ArrayLike, steps: ArrayLike) -> Array:
    """T6(a): ||u|| is at most this after steps that gained so much on A; `smooth` >= ||H||, alpha < 2/smooth."""
    d, a, s, t = _arrays(gained, alpha, smooth, steps)
    return np.sqrt(t * a / (1 - a * s / 2) * d)


def collateral(
    u_in: ArrayLike,
    u_out: ArrayLike,
    *,
    slope_in: ArrayLike,
    slope_out: ArrayLike,
    inside: ArrayLike,
    across: ArrayLike,
    outside: ArrayLike,
    rho: ArrayLike,
) -> Array:
    """T6(b): |L_C(theta_0 + u) - L_C(theta_0)| is at most this.

    Args:
        u_in: ||P u||.
        u_out: ||Q u||.
        slope_in: ||P g_C||.
        slope_out: ||Q g_C||.
        inside: ||P H_C P||.
        across: ||P H_C Q||.
        outside: ||Q H_C Q||.
        rho: Lipschitz constant of C's Hessian.
    """
    i, o, gi, go, hi = _arrays(u_in, u_out, slope_in, slope_out, inside)
    quadratic = hi / 2 * i**2 + localisation_error(across, outside, i, o)
    return gi * i + go * o + quadratic + taylor_remainder(rho, np.hypot(i, o))


def selectivity(gained: ArrayLike, slope_in: ArrayLike, inside: ArrayLike, mu: ArrayLike, rho: ArrayLike) -> Array:
    """T6(c): gained / |change of C| is at least this, for a quadratic L_A and a displacement inside an invariant S."""
    d, g, h, m, r = _arrays(gained, slope_in, inside, mu, rho)
    return 1 / (g * np.sqrt(2 / (m * d)) + h / m + r / 6 * (2 / m) ** 1.5 * np.sqrt(d))


def partial_refresh(share: ArrayLike, h_a: ArrayLike, h_b: ArrayLike, p: ArrayLike) -> Array:
    """T6(d): gain of -(L_A + L_B) by undoing a share of P delta, B stationary; most at h_a / (h_a + h_b)."""
    s, a, b, n = _arrays(share, h_a, h_b, p)
    return n**2 / 2 * (a * (2 * s - s**2) - b * s**2)


def best_refresh_steps(h_a: ArrayLike, h_b: ArrayLike, alpha: ArrayLike) -> Array:
    """T6(d): after how many steps of gradient descent on A that share is undone."""
    a, b, rate = _arrays(h_a, h_b, alpha)
    return np.log(b / (a + b)) / np.log(1 - rate * a)


# T7: rollback of coordinates: m = delta on the set, n = delta elsewhere


def rollback_remainder(rho: ArrayLike, m: ArrayLike, n: ArrayLike) -> Array:
    """T7(a): |R - g.m - m.Hm/2 - m.Hn| for the recovered loss R, from the norms of m and n."""
    r, inside, rest = _arrays(rho, m, n)
    return r / 6 * (inside**3 + 3 * inside * rest**2)


def damped_share(slope: ArrayLike, curvature: ArrayLike) -> Array:
    """T7(c): the share of m to undo, g0.m / m.Hm, at most 1; 0 where g0.m <= 0."""
    g, h = _arrays(slope, curvature)
    wanted = np.where(h > 0, g / np.where(h > 0, h, 1.0), 1.0)
    return np.where(g > 0, np.clip(wanted, 0.0, 1.0), 0.0)


def random_rollback(share: ArrayLike, coordinates: int, first: float, diagonal: float, rest: float) -> Array:
    """T7(f): mean loss recovered by undoing a random share p of the coordinates, for a quadratic.

    Args:
        share: p.
        coordinates: how many are eligible.
        first: g.delta.
        diagonal: T = sum_i H_ii delta_i^2.
        rest: O = delta.H delta - T.
    """
    (p,) = _arrays(share)
    spread = coordinates * (1 - p) / (coordinates - 1)
    return p * (first + (diagonal + rest) / 2 + spread * rest / 2)


# T8: a cycle of refreshes with weights w_i, F = sum w_i L_i


def cycle_error(alpha: float, smooth: float, largest: float, weights: ArrayLike) -> float:
    """T8(a): ||cycle(theta) - theta + alpha grad F||; `smooth` bounds every ||H_i||, `largest` every ||g_i||."""
    (w,) = _arrays(weights)
    growth = np.expm1(alpha * smooth) / (alpha * smooth)
    return float(growth / 2 * alpha**2 * smooth * largest * (1 - np.sum(w**2)))


def cycle_error_second(alpha: float, smooth: float, largest: float, rho: float) -> float:
    """T8(b): ||cycle(theta) - theta + alpha grad F - alpha^2 C||, C = sum_{j<i} w_i w_j H_i g_j."""
    growth = np.expm1(alpha * smooth) / (alpha * smooth)
    return float(alpha**3 / 6 * (growth * smooth**2 * largest + growth**2 * rho * largest**2))


def cycle_change(alpha: float, smooth: float, slope: float, error: float) -> float:
    """T8(c): F(cycle(theta)) - F(theta) is at most this; slope = ||grad F||, error = T8(a)'s, alpha smooth <= 1."""
    return -alpha * (1 - alpha * smooth / 2) * slope**2 + slope * error + smooth / 2 * error**2


# T9: two updates


def interaction_remainder(rho: ArrayLike, a: ArrayLike, b: ArrayLike) -> Array:
    """T9(a): |interaction - delta_A.H delta_B| <= rho/2 ||delta_A|| ||delta_B|| (||delta_A|| + ||delta_B||)."""
    r, one, two = _arrays(rho, a, b)
    return r / 2 * one * two * (one + two)


def helps(slope: ArrayLike, curvature: ArrayLike, rho: ArrayLike, step: ArrayLike) -> NDArray[np.bool_]:
    """T9(b): whether an update b helps A for certain: -g.b > b.Hb/2 + rho/6 ||b||^3, slope = g.b, curvature = b.Hb."""
    g, h = _arrays(slope, curvature)
    return -g > h / 2 + taylor_remainder(rho, step)


# T10: storage


def lost_below(weight: ArrayLike, delta: ArrayLike, mantissa: int) -> Array:
    """T10(a): the threshold under which |delta| vanishes on storing weight + delta.

    Args:
        weight: a normal number of the format.
        delta: its sign matters at powers of two.
        mantissa: explicit bits of the format: 7 in bfloat16, 3 in float8 e4m3, 2 in e5m2, 23 in float32.
    """
    w, d = _arrays(weight, delta)
    fraction, exponent = np.frexp(np.abs(w))
    spacing = np.ldexp(1.0, exponent - 1 - mantissa)
    inward = (fraction == 0.5) & (np.sign(d) == -np.sign(w))
    return np.where(inward, spacing / 4, spacing / 2)


def adam_step(beta1: float, beta2: float) -> float:
    """T10(d): an Adam step moves no weight by more than this times the learning rate, beta1^2 < beta2."""
    gamma = beta1**2 / beta2
    return float((1 - beta1) / np.sqrt((1 - beta2) * (1 - gamma)))


# T11: policies


def kl_remainder(logits: ArrayLike) -> Array:
    """T11(b): |KL(new || old) - z.Fz/2| <= sqrt(6)/27 ||z||^3 for a change z of a softmax's logits, F at the old."""
    (z,) = _arrays(logits)
    return np.sqrt(6) / 27 * z**3


def kl_bound(logits: ArrayLike) -> Array:
    """T11(c): KL of two softmaxes, either way, from the norm of the change of the logits."""
    (z,) = _arrays(logits)
    return z**2 / 4


def reward_change(spread: ArrayLike, kl: ArrayLike) -> Array:
    """T11(d): |change of the expected reward| <= (max r - min r) sqrt(KL / 2)."""
    s, k = _arrays(spread, kl)
    return s * np.sqrt(k / 2)
