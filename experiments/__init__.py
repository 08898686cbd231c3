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
rivals.py      refresh and rollback against EWC, replay, joint training, merging, …
length.py      how long a refresh should be, and who pays
precision.py   edits that a number format hides
regime.py      where interference is absent, local, destructive
widths.py      does the conflict subspace grow with the model?
mixture.py     GRPO on several domains in every step
pages.py       REPRODUCTION.md and the README's table, from the results
faults.py      what a machine can do to a run, done to it
literature.py  where others disagree, and where the evidence falls
own_model.py   a model of one's own
bench/         how fast
"""
