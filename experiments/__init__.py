"""Questions put to the package, each a file whose docstring fixes claim, control, seeds and band before it is run.

reproduce.py   the command: questions, seeds and workers in; REPRODUCTION.md out
tasks.py       one measurement of one question in one setting, done once
stage.py       a seed's run, and one more stage of training from one of its checkpoints
evidence.py    intervals, exact tests, rules, power
claims.py      C1 to C12
orders.py      all 24 orders of the domains
prediction.py  the damage told from A's curvature and five steps of B
causality.py   later domains kept out of the conflict subspace
placebo.py     harm by updates that learn nothing
regime.py effect.py mechanism.py   how the preset was chosen, and what it showed first
own_model.py   a model of one's own
bench/         how fast
"""
