r"""T4. Localisation of damage in a subspace (C8; for sets of coordinates C3, C4, C5).

*In words:* the part of the update inside a subspace does all the second-order damage but for two things: how far the
curvature couples the subspace to its complement, and how curved the complement is.

## Setting

$\theta_\star$ is A's checkpoint and $\delta$ all that later training added. $L$ is A's loss, $g$ its gradient at
$\theta_\star$, $H(\theta)$ its Hessian at $\theta$ and $H = H(\theta_\star)$. The damage is
$D = L(\theta_\star + \delta) - L(\theta_\star)$, and $D_2 = \tfrac12\,\delta\cdot H\delta$ is its second-order part.

$S$ is a subspace of $k < d$ dimensions, $P$ the orthogonal projector onto it, $Q = I - P$, $p = \|P\delta\|$ and
$q = \|Q\delta\|$. In spectral norms, $\text{leak} = \|PHQ\|$ and $h_\perp = \|QHQ\|$. If $H \succeq 0$,
$\|x\|_H = \sqrt{x\cdot Hx}$. For a set $M$ of coordinates, $x_M$ is $x$ with the others set to zero, and $H_{MN}$ the
block of rows $M$ and columns $N$. Eigenvalues $\lambda_1 \ge \lambda_2 \ge \dots$ are sorted.

## Statement

**(a)** With $\text{tail} := \text{leak}\,pq + \tfrac12h_\perp q^2$,

$$
\bigl|D_2 - \tfrac12\,P\delta\cdot HP\delta\bigr| \le \text{tail} .
$$

If the Hessian of $L$ is $\rho$-Lipschitz on the segment from $\theta_\star$ to $\theta_\star + \delta$,

$$
\bigl|D - \tfrac12\,P\delta\cdot HP\delta\bigr| \le \|g\|\,\|\delta\| + \text{tail} + \tfrac{\rho}{6}\|\delta\|^3 .
$$

**(b)** If $H \succeq 0$, then $(a - c)^2 \le D_2 \le (a + c)^2$ with $a = \|P\delta\|_H / \sqrt2$ and
$c = \|Q\delta\|_H / \sqrt2$.

**(c)** *Best $S$ for the worst $\delta$.* The largest $|\delta\cdot H\delta - P\delta\cdot HP\delta|$ over unit
vectors $\delta$ is $\|H - PHP\|$. For every $S$ that is fixed before $\delta$ is known it is at least the
$(k + 1)$-th largest $|\text{eigenvalue}|$ of $H$. $S$ spanned by eigenvectors of the $k$ largest
$|\text{eigenvalues}|$ attains it.

**(d)** *Best $S$ for an ensemble of $\delta$s* with second moment $\Sigma = \mathbb E\,\delta\delta^{\mathsf T}$. The
Euclidean tail is bounded from below,

$$
\mathbb E\,\|Q\delta\|^2 \ge \sum_{j > k}\lambda_j(\Sigma) ,
$$

attained by the top $k$ eigenvectors of $\Sigma$ (PCA). If $H \succ 0$, let $\Pi$ be the $H$-orthogonal projector onto
$S$. Then

$$
D_2 = \tfrac12\|\Pi\delta\|_H^2 + \tfrac12\|\delta - \Pi\delta\|_H^2 ,
$$

without a cross term, and the damage tail is bounded from below,

$$
\tfrac12\,\mathbb E\,\|\delta - \Pi\delta\|_H^2 \ge \tfrac12\sum_{j > k}\lambda_j(H\Sigma) ,
$$

attained by $S = H^{-1/2}\operatorname{span}(v_1, \dots, v_k)$, $v_j$ the eigenvectors of $H^{1/2}\Sigma H^{1/2}$.

**(e)** *Routes.* $\delta$ changes the coordinates $R_B$ only; A reads $R_A$; $I = R_A \cap R_B$,
$N = R_B \setminus R_A$. Then

$$
\bigl|D_2 - \tfrac12\,\delta_I\cdot H\delta_I\bigr|
\le \|H_{IN}\|\,\|\delta_I\|\,\|\delta_N\| + \tfrac12\|H_{NN}\|\,\|\delta_N\|^2 ,
$$

which is 0 if $H$ vanishes outside $R_A \times R_A$, as it does if $L$ does not depend on other coordinates near
$\theta_\star$.

**(f)** *Best set of coordinates.* If $H = \operatorname{diag}(h) \succeq 0$, then over sets $M$ of $k$ coordinates
$|D_2 - \tfrac12\,\delta_M\cdot H\delta_M|$ is smallest, and half the sum of the $d - k$ least $h_i\delta_i^2$, for
the $k$ largest $h_i\delta_i^2$. For $H \succeq 0$ in general, finding the $M$ of $k$ coordinates with the largest
$\delta_M\cdot H\delta_M$ is NP-hard.

## Proof

**(a)** With $x = P\delta$ and $y = Q\delta$,

$$
\delta\cdot H\delta = x\cdot Hx + 2\,x\cdot Hy + y\cdot Hy ,
$$

where $|x\cdot Hy| = |x\cdot(PHQ)y| \le \text{leak}\,pq$ and $|y\cdot Hy| \le h_\perp q^2$. By Taylor's formula

$$
D - g\cdot\delta - D_2 = \int_0^1 (1 - s)\,\delta\cdot\bigl(H(\theta_\star + s\delta) - H\bigr)\delta\,ds ,
$$

of size at most $\rho\|\delta\|^3 \int_0^1 (1 - s)\,s\,ds = \tfrac{\rho}{6}\|\delta\|^3$; and
$|g\cdot\delta| \le \|g\|\,\|\delta\|$.

**(b)** $\|\cdot\|_H$ obeys the triangle inequality, as $(x, y) \mapsto x\cdot Hy$ is an inner product but for vectors
of length zero. So $\delta = P\delta + Q\delta$ has an $H$-norm between $\bigl|\|P\delta\|_H - \|Q\delta\|_H\bigr|$
and $\|P\delta\|_H + \|Q\delta\|_H$. Square and halve.

**(c)** A symmetric matrix $X$ has $\|X\| = \max|u\cdot Xu|$ over unit vectors $u$, whence the first claim. Eckart,
Young and Mirsky: $\|H - X\|$ is at least the $(k + 1)$-th singular value of $H$ for every $X$ of rank at most $k$.
$PHP$ is such an $X$, and the singular values of a symmetric matrix are its $|\text{eigenvalues}|$. If $S$ is spanned
by eigenvectors, $H - PHP$ has the remaining eigenvalues.

**(d)** $\mathbb E\,\|Q\delta\|^2 = \operatorname{tr}(Q\Sigma)$. Ky Fan: for a symmetric $X$ and orthonormal
$u_1, \dots, u_{d-k}$, $\sum_i u_i\cdot Xu_i$ is at least the sum of the $d - k$ least eigenvalues of $X$, and equal
to it for their eigenvectors. Take $X = \Sigma$ and a basis of the complement of $S$.

For $H$, change the ruler: put $y = H^{1/2}\delta$. Then $\|\delta\|_H = \|y\|$, and $\Pi = H^{-1/2}P'H^{1/2}$, where
$P'$ is the orthogonal projector onto $S' = H^{1/2}S$. So $D_2 = \tfrac12\|y\|^2$ is split by Pythagoras, and the
damage tail is half the Euclidean tail of $y$ outside $S'$. The second moment of $y$ is
$\mathbb E\,yy^{\mathsf T} = H^{1/2}\Sigma H^{1/2}$, which has the eigenvalues of $H\Sigma$ because it is similar to
it.

**(e)** is (a) among the coordinates $R_B$: in there $\delta_I$ is $P\delta$, $\delta_N$ is $Q\delta$, and the blocks
are $PHQ$ and $QHQ$. Neither $I \times N$ nor $N \times N$ meets $R_A \times R_A$.

**(f)** For diagonal $H$ the error is $\tfrac12\sum_{i \notin M} h_i\delta_i^2$, of terms that are not negative. For
the other claim take a graph on $d$ vertices with adjacency matrix $W$, $H = W + dI$, which is positive as the rows of
$W$ sum to less than $d$, and $\delta = (1, \dots, 1)$:

$$
\delta_M\cdot H\delta_M = 2\,(\text{edges within } M) + dk .
$$

Its largest value tells whether the graph has $k$ vertices that are all joined: the clique problem. ∎

## Tight

- (a) $H = [1, \text{leak}; \text{leak}, h]$ and $S$ the first axis, with a slope $\varepsilon$ along $\delta$ and
  $\tfrac{\rho}{6}\|x\|^3$, whose Hessian is exactly $\rho$-Lipschitz: every term at once.
- (b) $H = [1, 1; 1, 1]$, $\delta = (x, \pm y)$.
- (c), (d), (f) The sets named attain it.
- (e) The matrix of (a), and any $H$ in the rows of coordinates outside $R_B$.

## Needed

- (a) The leak: at $\text{leak} = 0.9$, $h = 1$, $\delta = (1, 0.1)$ the error is 0.095, without it 0.005 would be
  claimed. The complement's curvature: $H = I$, $\delta$ outside $S$. The slope: $L = x$. A Lipschitz Hessian:
  $|x|^{5/2}$; on the whole segment: $\max(0, x - 1)^3$.
- (b) $H \succeq 0$: $[1, \pm3; \pm3, 1]$.
- (c) Sizes, not signed order: $\operatorname{diag}(1, -5)$. $S$ fixed first: $\operatorname{span}(\delta)$ has no
  error at $\delta$, whatever $H$ is. "Damage is low-dimensional" says something only about $\delta$s that $S$ was not
  chosen by, and about (d)'s ensembles only.
- (d) PCA is not best for damage: $\Sigma = \operatorname{diag}(100, 1)$, $H = \operatorname{diag}(0.001, 1)$. The
  $H$-orthogonal projector: with $P$ and $Q$, $H = [1, 0.9; 0.9, 1]$ and $\delta = (1, -1)$ leave a cross term.
  $H \succ 0$: for $H = \operatorname{diag}(1, -1)$, $S$ near $(1, 1)$ has a tail as negative as wished.
- (e) Few and disjoint coordinates do not localise damage, if $H_{IN}$ or $H_{NN}$ is not small.
- (f) A diagonal $H$: two coordinates that work together beat the larger one. $H \succeq 0$: errors of both signs
  cancel.

## Note

$P$ depends on the units of the parameters: rescaling them changes $p$, $q$ and which $S$ is best for (c) and PCA. The
split of $D_2$ by $\Pi$ in (d), and which $S$ is best for it, do not change.
"""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator, default_rng

from theory.instances import (
    DIMENSIONS,
    SEEDS,
    Accept,
    Split,
    equal,
    holds,
    loss,
    norm,
    orthogonal,
    reached,
    scales,
    subspace,
    symmetric,
    unit,
    violated,
)
from toymdrl.bounds.arrays import Array
from toymdrl.bounds.subspace import (
    best_subspace_error,
    least_damage_tail,
    least_tail,
    localisation_error,
    localised_damage_error,
    split_range,
)

SIZES = scales(0.1, 10.0)
AXIS = Split(np.eye(2)[:, :1], np.eye(2)[:, 1:])
"""The first axis of the plane."""


def form(h: Array, x: Array) -> float:
    """x.H x."""
    return float(x @ h @ x)


def around(generator: Generator, basis: Array) -> list[Array]:
    """Orthonormal bases: this one, some near it and some anywhere."""
    noise = [size * generator.standard_normal(basis.shape) for size in (1e-3, 1e-2, 0.1, 1.0, 100.0)]
    return [basis, *(np.linalg.qr(basis + each)[0] for each in noise)]


def localisation(h: Array, basis: Array) -> float:
    """||H - P H P||."""
    p = basis @ basis.T
    return norm(h - p @ h @ p, 2)


def tail(deltas: Array, basis: Array) -> float:
    """Mean of ||Q delta||^2 over the rows."""
    return float(np.mean(np.sum((deltas - deltas @ basis @ basis.T) ** 2, axis=1)))


def oblique(h: Array, basis: Array) -> Array:
    """The H-orthogonal projector onto the span of a basis."""
    return basis @ np.linalg.solve(basis.T @ h @ basis, basis.T @ h)


def damage_tail(h: Array, sigma: Array, basis: Array) -> float:
    """Mean of ||delta - Pi delta||_H^2 / 2."""
    rest = np.eye(len(h)) - oblique(h, basis)
    return float(np.trace(rest.T @ h @ rest @ sigma)) / 2


def coordinate_errors(h: Array, delta: Array, k: int) -> list[float]:
    """|D2 - delta_M.H delta_M / 2| for every set M of k coordinates."""
    d = len(delta)
    parts = [np.where(np.isin(np.arange(d), each), delta, 0) for each in combinations(range(d), k)]
    return [abs(form(h, delta) - form(h, part)) / 2 for part in parts]


@given(seed=SEEDS, d=DIMENSIONS, p=scales(1e-2, 3), q=scales(1e-2, 3), bend=scales(1e-2, 3.0))
def test_a_holds(seed: int, d: int, p: float, q: float, bend: float) -> None:
    generator = default_rng(seed)
    there, star, s = loss(generator, d, bend=bend), generator.standard_normal(d), subspace(generator, d, d // 2)
    within = p * s.inside @ unit(generator, d // 2)
    delta = within + q * s.outside @ unit(generator, d - d // 2)
    g, h = there.gradient(star), there.hessian(star)
    damage, second, inside = there(star + delta) - there(star), form(h, delta) / 2, form(h, within) / 2
    _, leak, h_perp = s.blocks(h)
    holds(abs(second - inside), localisation_error(leak, h_perp, p, q))
    scale = abs(there(star)) + abs(there(star + delta)) + abs(inside)
    holds(abs(damage - inside), localised_damage_error(norm(g), leak, h_perp, there.rho, p, q), scale)


@given(eps=SIZES, leak=SIZES, h_perp=SIZES, rho=SIZES, p=SIZES, q=SIZES)
def test_a_is_tight(eps: float, leak: float, h_perp: float, rho: float, p: float, q: float) -> None:
    h, delta = np.array([[1, leak], [leak, h_perp]]), np.array([p, q])
    inside, second = p**2 / 2, form(h, delta) / 2
    constants = AXIS.blocks(h)[1:]
    reached(second - inside, float(localisation_error(*constants, p, q)), rel=1e-7)  # the difference cancels
    damage = eps * norm(delta) + second + rho / 6 * norm(delta) ** 3
    reached(damage - inside, float(localised_damage_error(eps, *constants, rho, p, q)), rel=1e-7)


def test_b_holds(accept: Accept) -> None:
    for generator in accept:
        d = int(generator.integers(2, 6))
        values = generator.uniform(-0.2, 2, d)
        if accept.met(values.min() >= 0):
            h, s, delta = symmetric(generator, values), subspace(generator, d, d // 2), generator.standard_normal(d)
            low, high = split_range(form(h, s.p @ delta) / 2, form(h, s.q @ delta) / 2)
            second = form(h, delta) / 2
            holds([float(low), second], [second, float(high)])


@given(x=SIZES, y=SIZES)
def test_b_is_tight(x: float, y: float) -> None:
    h = np.ones((2, 2))
    low, high = split_range(x**2 / 2, (3 * x + y) ** 2 / 2)
    reached(form(h, np.array([x, 3 * x + y])) / 2, float(high))
    reached(float(low), form(h, np.array([x, -3 * x - y])) / 2)


@given(seed=SEEDS, d=DIMENSIONS)
def test_c_holds_and_is_tight(seed: int, d: int) -> None:
    generator = default_rng(seed)
    h = symmetric(generator, generator.uniform(-2, 2, d))
    values, vectors = np.linalg.eigh(h)
    for k in range(1, d):
        least, best = best_subspace_error(values, k), vectors[:, np.argsort(-np.abs(values))[:k]]
        holds(least, [localisation(h, basis) for basis in around(generator, best)])
        reached(least, localisation(h, best))


@given(seed=SEEDS, d=DIMENSIONS)
def test_d_the_euclidean_tail_holds_and_is_tight(seed: int, d: int) -> None:
    generator = default_rng(seed)
    deltas = generator.standard_normal((2 * d, d)) @ symmetric(generator, 10 ** generator.uniform(-1, 1, d))
    values, vectors = np.linalg.eigh(deltas.T @ deltas / len(deltas))
    for k in range(1, d):
        least, best = float(least_tail(values, k)), vectors[:, d - k :]
        holds(least, [tail(deltas, basis) for basis in around(generator, best)])
        reached(least, tail(deltas, best))


def test_d_the_damage_tail_holds_and_is_tight(accept: Accept) -> None:
    for generator in accept:
        d = int(generator.integers(2, 6))
        values = generator.uniform(-0.2, 2, d)
        if accept.met(values.min() > 0.01):
            v, k = orthogonal(generator, d), int(generator.integers(1, d))
            h, root = v * values @ v.T, v * np.sqrt(values) @ v.T
            sigma = symmetric(generator, 10 ** generator.uniform(-1, 1, d))
            turned, vectors = np.linalg.eigh(root @ sigma @ root)
            least, best = float(least_damage_tail(turned, k)), np.linalg.solve(root, vectors[:, d - k :])
            holds(least, [damage_tail(h, sigma, basis) for basis in around(generator, best)])
            reached(least, damage_tail(h, sigma, best))
            delta, pi = generator.standard_normal(d), oblique(h, best)
            equal(form(h, delta), form(h, pi @ delta) + form(h, delta - pi @ delta))


@given(seed=SEEDS, counts=st.tuples(*[st.integers(1, 2)] * 4), size=scales(1e-2, 1e2))
def test_e_holds(seed: int, counts: tuple[int, int, int, int], size: float) -> None:
    generator = default_rng(seed)
    d = sum(counts)
    shared, alone, unchanged, _ = np.split(np.arange(d), np.cumsum(counts)[:-1])
    h, delta = symmetric(generator, generator.uniform(-1, 2, d)), np.zeros(d)
    delta[shared], delta[alone] = unit(generator, len(shared)), size * unit(generator, len(alone))
    norms = norm(h[np.ix_(shared, alone)], 2), norm(h[np.ix_(alone, alone)], 2)
    inside = form(h[np.ix_(shared, shared)], delta[shared]) / 2
    holds(abs(form(h, delta) / 2 - inside), localisation_error(*norms, 1, size))
    read = np.isin(np.arange(d), np.concatenate([shared, unchanged]))
    only = np.where(np.outer(read, read), h, 0)
    holds(abs(form(only, delta) / 2 - inside), localisation_error(0, 0, 1, size))


@given(leak=SIZES, h_perp=SIZES, x=SIZES, y=SIZES)
def test_e_is_tight(leak: float, h_perp: float, x: float, y: float) -> None:
    h, delta = np.array([[1, leak, 9], [leak, h_perp, -9], [9, -9, 9]]), np.array([x, y, 0])
    reached(form(h, delta) / 2 - x**2 / 2, float(localisation_error(leak, h_perp, x, y)), rel=1e-7)


def test_f_holds_and_is_tight(accept: Accept) -> None:
    for generator in accept:
        d = int(generator.integers(2, 6))
        h, delta, k = generator.uniform(-0.2, 1, d), generator.standard_normal(d), int(generator.integers(1, d))
        if accept.met(h.min() >= 0):
            least, errors = float(least_damage_tail(h * delta**2, k)), coordinate_errors(np.diag(h), delta, k)
            holds(least, errors)
            chosen = np.argsort(-h * delta**2)[k:]
            reached(least, float(h[chosen] @ delta[chosen] ** 2) / 2)


@given(seed=SEEDS, d=DIMENSIONS)
def test_f_the_general_problem_counts_edges(seed: int, d: int) -> None:
    generator = default_rng(seed)
    upper = np.triu(generator.integers(0, 2, (d, d)), 1)
    h, m = upper + upper.T + d * np.eye(d), generator.integers(0, 2, d).astype(np.float64)
    assert np.linalg.eigvalsh(h).min() > 0
    equal(form(h, m), 2 * int(upper[np.ix_(m == 1, m == 1)].sum()) + d * int(m.sum()))


def test_a_every_term_is_needed() -> None:
    violated(0.9 * 0.1 + 0.1**2 / 2, float(localisation_error(0.0, 1.0, 1.0, 0.1)), by=15)
    violated(form(np.eye(2), np.array([0, 1])) / 2, float(localisation_error(0.0, 0.0, 0.0, 1.0)), by=10)
    violated(1.0, float(localised_damage_error(0.0, 0.0, 0.0, 0.0, 1.0, 0.0)), by=10)  # L = x


def test_a_a_lipschitz_hessian_is_needed_on_the_whole_segment() -> None:
    for rho in (1.0, 10.0, 100.0):
        x = 0.1 / rho**2
        violated(4 / 15 * x**2.5, float(localised_damage_error(0, 0, 0, rho, x, 0)), by=5)
    violated(max(0.0, 2.0 - 1) ** 3, float(localised_damage_error(0, 0, 0, 0, 2, 0)), by=10)


def test_b_a_positive_hessian_is_needed() -> None:
    low, high = split_range(1 / 2, 1 / 2)
    violated(form(np.array([[1, 3], [3, 1]]), np.ones(2)) / 2, float(high), by=1.9)
    assert form(np.array([[1, -3], [-3, 1]]), np.ones(2)) / 2 <= float(low) - 1.9


def test_c_the_order_by_size_is_needed() -> None:
    h, signed = np.diag([1.0, -5]), np.eye(2)[:, :1]
    violated(localisation(h, signed), best_subspace_error([1, -5], 1), by=5)


def test_c_and_d_a_subspace_chosen_before_delta_is_needed() -> None:
    generator = default_rng(0)
    h, delta = symmetric(generator, [-2, -1, 1, 2]), unit(generator, 4)
    basis = delta[:, None]
    error = abs(form(h, delta) - form(h, basis @ basis.T @ delta))
    violated(best_subspace_error([-2, -1, 1, 2], 1), error, by=1e9)
    violated(float(least_tail(np.ones(4) / 4, 1)), tail(delta[None], basis), by=1e9)  # of random unit vectors


def test_d_the_named_subspace_is_needed() -> None:
    h, sigma = np.diag([0.001, 1]), np.diag([100.0, 1])
    least = float(least_damage_tail(np.diag(h @ sigma), 1))
    violated(damage_tail(h, sigma, np.eye(2)[:, :1]), least, by=9)  # PCA
    reached(least, damage_tail(h, sigma, np.eye(2)[:, 1:]))
    deltas = np.diag(np.sqrt([200, 2]))  # the same second moment
    violated(tail(deltas, np.eye(2)[:, 1:]), float(least_tail([100, 1], 1)), by=90)


def test_d_the_h_orthogonal_projector_is_needed() -> None:
    h, delta = np.array([[1, 0.9], [0.9, 1]]), np.array([1.0, -1])
    violated(form(h, AXIS.p @ delta) + form(h, AXIS.q @ delta), form(h, delta), by=9)


def test_d_a_positive_hessian_is_needed() -> None:
    h, basis = np.diag([1.0, -1]), np.array([[1.0], [0.99]])
    least = float(least_damage_tail([1, -1], 1))
    violated(-damage_tail(h, np.eye(2), basis), -least, by=50)


def test_e_a_hessian_on_the_routes_is_needed() -> None:
    h, sparse = np.array([[1, 0.9], [0.9, 1]]), np.array([1, 0.1])
    violated(form(h, sparse) / 2 - 1 / 2, float(localisation_error(0.0, 1.0, 1.0, 0.1)), by=15)
    violated(form(h, np.array([0, 1])) / 2, float(localisation_error(0.0, 0.0, 0.0, 1.0)), by=10)  # disjoint


def test_f_a_diagonal_hessian_is_needed() -> None:
    h = np.array([[1, 0, 0], [0, 0.9, 0.9], [0, 0.9, 0.9]])
    errors = coordinate_errors(h, np.ones(3), 2)  # of {0, 1}, {0, 2}, {1, 2}
    violated(errors[0], errors[2], by=2)
    violated(errors[0], float(least_damage_tail(np.diag(h), 2)), by=2)


def test_f_a_positive_hessian_is_needed() -> None:
    errors = coordinate_errors(np.diag([3, 2, -2.9]), np.ones(3), 1)
    violated(errors[0], errors[1], by=8)  # the largest h_i delta_i^2 leaves more than the second
