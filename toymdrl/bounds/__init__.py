"""The right-hand sides of theorems T1 to T12 as functions of measured constants; numpy only.

Notation. theta* is A's checkpoint, delta all that was added after it, `step` its norm; g and H are gradient and
Hessian of L_A at theta*, `eps_g` = ||g||; D = L_A(theta* + delta) - L_A(theta*) is the damage, D2 = delta.H delta /
2; `rho` is a Lipschitz constant of the Hessian on every segment named. S is a subspace with projector P and
complement Q = I - P; on S, mu <= H <= upper; `leak` = ||P H Q||, `h_perp` = ||Q H Q||; `p` = ||P e||, `q` = ||Q e||
of an error e = theta - theta*. Functions take numbers or arrays that broadcast, and return arrays. theory/ states,
proves and tests each theorem.
"""

from toymdrl.bounds.arrays import Array
from toymdrl.bounds.collateral import best_refresh_steps, collateral, displacement, partial_refresh, selectivity
from toymdrl.bounds.cosines import chance_cosine, damage_at_cosine, dilution, dilution_variance, revealed_cosine
from toymdrl.bounds.cycle import cycle_change, cycle_error, cycle_error_second
from toymdrl.bounds.order import order_difference, order_gap, refreshed_last
from toymdrl.bounds.policy import (
    convex_damage,
    kl_bound,
    kl_remainder,
    kl_remainder_of_spread,
    reversed_kl_remainder,
    reward_change,
    sampling_noise,
    tabular_rho,
)
from toymdrl.bounds.quadrature import quadrature_error, rough_quadrature_error, rule_distance
from toymdrl.bounds.refresh import (
    gradient_dominated,
    leak_of_angle,
    noise_floor,
    paper_contraction,
    recovered_loss,
    refresh_closed,
    refresh_path,
    refresh_step,
    refreshed_loss,
)
from toymdrl.bounds.rollback import (
    best_rollback,
    damped_gain,
    damped_share,
    greedy_share,
    random_rollback,
    random_rollback_variance,
    rollback_gain,
    rollback_range,
    rollback_remainder,
    rollback_scores,
)
from toymdrl.bounds.stopping import best_stopping_range, refresh_gain, short_refresh
from toymdrl.bounds.storage import adam_step, lost_below
from toymdrl.bounds.subspace import (
    best_subspace_error,
    least_damage_tail,
    least_tail,
    localisation_error,
    localised_damage_error,
    split_range,
)
from toymdrl.bounds.taylor import (
    damage_range,
    difference_quotient_error,
    dominance,
    dominance_window,
    gradient_remainder,
    over_recovery,
    taylor_remainder,
    trapezoid_remainder,
)
from toymdrl.bounds.transfer import (
    helpful_cosine,
    helps,
    interaction_remainder,
    joint_damage,
    shapley_share,
    transfer_change,
)

__all__ = [
    "Array",
    "adam_step",
    "best_refresh_steps",
    "best_rollback",
    "best_stopping_range",
    "best_subspace_error",
    "chance_cosine",
    "collateral",
    "convex_damage",
    "cycle_change",
    "cycle_error",
    "cycle_error_second",
    "damage_at_cosine",
    "damage_range",
    "damped_gain",
    "damped_share",
    "difference_quotient_error",
    "dilution",
    "dilution_variance",
    "displacement",
    "dominance",
    "dominance_window",
    "gradient_dominated",
    "gradient_remainder",
    "greedy_share",
    "helpful_cosine",
    "helps",
    "interaction_remainder",
    "joint_damage",
    "kl_bound",
    "kl_remainder",
    "kl_remainder_of_spread",
    "leak_of_angle",
    "least_damage_tail",
    "least_tail",
    "localisation_error",
    "localised_damage_error",
    "lost_below",
    "noise_floor",
    "order_difference",
    "order_gap",
    "over_recovery",
    "paper_contraction",
    "partial_refresh",
    "quadrature_error",
    "random_rollback",
    "random_rollback_variance",
    "recovered_loss",
    "refresh_closed",
    "refresh_gain",
    "refresh_path",
    "refresh_step",
    "refreshed_last",
    "refreshed_loss",
    "revealed_cosine",
    "reversed_kl_remainder",
    "reward_change",
    "rollback_gain",
    "rollback_range",
    "rollback_remainder",
    "rollback_scores",
    "rough_quadrature_error",
    "rule_distance",
    "sampling_noise",
    "selectivity",
    "shapley_share",
    "short_refresh",
    "split_range",
    "tabular_rho",
    "taylor_remainder",
    "transfer_change",
    "trapezoid_remainder",
]
