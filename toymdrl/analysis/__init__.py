"""What the paper's claims are about, measured on any module: each file gives a small frozen result, in numbers alone.

    edits.py        C3 sparse edits, C4 their neurons overlap weakly
    routes.py       C5 shared active neurons, C6 direction decides harm or help
    cosines.py      C2 gradients nearly orthogonal
    damage.py       C1, C7 damage, and what gradient and Hessian say of it
    conflict.py     C8 a low-dimensional conflict subspace
    contraction.py  C9 gradient descent contracts the harmful component
    refresh.py      C10 the sampled refresh: what it moves, and who pays
    rollback.py     C11 undoing a few coordinates
    alternation.py  C12 alternating refreshes
    plane.py        C7, C8 and C10 in one picture: losses in a plane through the harmed domain's checkpoint
    expansion.py    the terms and constants of an update's expansion that theorems need
    repairs.py      what theorems say of repairs, and what comes of them

A `measure` takes any torch module, losses of it and flat parameter vectors (see curvature.py and parameters.py):
nothing in here knows what trained them, so it can be pointed at other models. How a run is put to it, what is said of
the result and how it is drawn is in claims/.
"""
