"""The paper's claims, measured: each module returns a small frozen result and draws one figure of it.

    edits.py        C3 sparse edits, C4 their neurons overlap weakly
    routes.py       C5 shared active neurons, C6 direction decides harm or help
    cosines.py      C2 gradients nearly orthogonal
    damage.py       C1, C7 damage, and what gradient and Hessian say of it
    conflict.py     C8 a low-dimensional conflict subspace
    contraction.py  C9 gradient descent contracts the harmful component
    refresh.py      C10 the sampled refresh: what it moves, and who pays
    rollback.py     C11 undoing a few coordinates
    alternation.py  C12 alternating refreshes

A `measure` takes any torch module, losses of it and flat parameter vectors (see curvature.py and parameters.py):
nothing in here knows what trained them, so it can be pointed at other models.
"""
