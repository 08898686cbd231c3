"""How fast, against what a user would pick instead and against what the machine can do; one file a question.

grpo_step.py    a GRPO step against TRL's trainer
steps.py        our steps against their floors
laptop_run.py   the whole run, with and without its analysis
curvature.py    Hessian-vector products and eigenpairs against curvlinops and PyHessian
page.py         BENCH.md from what they measured
growth.py       how cost and memory grow with width, batch, prompts and seeds
"""
