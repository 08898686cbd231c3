"""Questions put to the package, each a file whose docstring fixes claim, control, seeds and band before it is run.

What they are written with is in toymdrl/study/; the paper's own claims are in toymdrl/claims/. A question imports the
package and no other question: `toymdrl reproduce --questions NAME` finds it by its file's name, and any other file of
the kind by its path.

orders.py      all 24 orders of the domains
prediction.py  the damage told from A's curvature and five steps of B
causality.py   later domains kept out of the conflict subspace
placebo.py     harm by updates that learn nothing
rivals.py      refresh and rollback against EWC, replay, joint training, merging, …
length.py      how long a refresh should be, and who pays
precision.py   edits that a number format hides
regime.py      where interference is absent, local, destructive
widths.py      does the conflict subspace grow with the model?
mirror.py      has harm a sign? the mirrored update, and a rollback picked by sign
pages.py       REPRODUCTION.md and the README's table and list, from the results
surprises.py   that list
literature.py  where others disagree, and where the evidence falls
own_model.py   a model of one's own
bench/         how fast
"""
