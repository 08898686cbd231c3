"""How fast, against what a user would pick instead and against what the machine can do; one file a question.

__main__.py     all of them: python -m experiments.bench
steps.py        our steps against their floors
grpo_step.py    a GRPO step against TRL's trainer
curvature.py    Hessian-vector products and eigenpairs against curvlinops and PyHessian
laptop_run.py   the whole run, by phase
growth.py       how cost and memory grow with width, batch, prompts and seeds
population.py   one, 16 and 128 seeds at once on a GPU, and their analysis
page.py         BENCH.md from what they measured
clock.py        timing that survives a noisy machine
"""
