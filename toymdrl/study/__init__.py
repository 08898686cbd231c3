"""The evidence over seeds: what `toymdrl reproduce` does, and what questions are written with.

A question is a file: its docstring fixes claim, measure, control, seeds and band before it is run. The project's own
are in experiments/, and the paper's claims in claims.py here.

    questions.py   a question's file, found and loaded
    stage.py       a seed's run, and one more stage of training from one of its checkpoints
    start.py       where the arms of a comparison begin
    protection.py  a stage trained with its update kept out of a subspace
    tasks.py       one measurement of one question in one setting, done once
    asking.py      questions, seeds and workers in; result files, figures and the page out
    claims.py      C1 to C12 over seeds
    page.py        REPRODUCTION.md
    compare.py     a fresh result against the committed one
"""
