"""The paper's claims, a file for one or two: how a run measures them, how that is told and drawn, how it is judged.

base.py         what a claim is, and a topic: an analysis with its claims and chapters
subject.py      a run as its analyses see it
harm.py         C1
cosines.py      C2
edits.py        C3, C4
routes.py       C5, C6
damage.py       C7
conflict.py     C8
contraction.py  C9
refresh.py      C10
rollback.py     C11
alternation.py  C12
plane.py        C7, C8 and C10 in one picture
paper.py        all of them, in order: the one list
explanation.py  a run analysed, each result kept on disk
"""
