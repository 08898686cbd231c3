"""The right-hand sides of the theorems as functions of measured constants, a file a theorem or two; numpy only.

Notation. theta* is A's checkpoint, delta all that was added after it, `step` its norm; g and H are gradient and
Hessian of L_A at theta*, `eps_g` = ||g||; D = L_A(theta* + delta) - L_A(theta*) is the damage, D2 = delta.H delta /
2; `rho` is a Lipschitz constant of the Hessian on every segment named. S is a subspace with projector P and
complement Q = I - P; on S, mu <= H <= upper; `leak` = ||P H Q||, `h_perp` = ||Q H Q||; `p` = ||P e||, `q` = ||Q e||
of an error e = theta - theta*. Functions take numbers or arrays that broadcast, and return arrays. theory/ states,
proves and tests each theorem.
"""
