"""Mutants that no test notices, and why: see mutate.py."""

DEFAULT = "a default is a choice, not a law; every run records what it used"
MEMORY = "how much is evaluated at once: it bounds the memory and changes no sum"
KRYLOV = "another size of the search space finds the same pairs, with more or fewer products"
LENGTHS = "both have the same length, being made together"
FROZEN = "nothing assigns to it"
EXPLAINED = {
    "grpo.py: constant '50' in 'steps: int": DEFAULT,
    "grpo.py: constant '32' in 'prompts: int": DEFAULT,
    "grpo.py: constant '8' in 'group: int": DEFAULT,
    "grpo.py: constant '0.002' in 'learning_rate: float": DEFAULT,
    "grpo.py: constant '0.1' in 'kl: float": DEFAULT,
    "grpo.py: constant '1' in 'updates: int": DEFAULT,
    "grpo.py: constant '0.2' in 'clip: float": DEFAULT,
    "grpo.py: constant '1.0' in 'gradient_norm: float": DEFAULT,
    "grpo.py: constant 'True' in '@dataclass(frozen=True)'": FROZEN,
    "grpo.py: operator 'penalty.detach().flip(-1).cumsum(-1).flip(-1) - penalty.detach()'": (
        "a token's own divergence is fixed by its prefix: to charge it twice adds a baseline, which changes no mean"
    ),
    "grpo.py: comparison '(ratio - 1).abs() > config.clip'": "a ratio on the edge itself is never drawn",
    "exact.py: constant '512'": MEMORY,
    "exact.py: constant '4096'": MEMORY,
    "exact.py: constant '1' in 'step = max(1": MEMORY,
    "exact.py: operator 'most // columns'": MEMORY,
    'exact.py: operator "COLUMNS_A_CHUNK * (4 if': MEMORY,
    'exact.py: condition "4 if device': MEMORY,
    "exact.py: comparison \"device.type == 'cuda'": MEMORY,
    "exact.py: constant '4' in 'most": MEMORY,
    "exact.py: constant '1' in 'most": MEMORY,
    "exact.py: comparison '_prefixes(domain) <= COLUMNS_A_CHUNK'": "no length of answers has just as many prefixes",
    "exact.py: constant '1' in 'prefix = answers": "fewer prefixes are shared: more columns, the same sum",
    "exact.py: constant 'True' in '@dataclass": FROZEN,
    "exact.py: constant 'False' in '@dataclass": "blocks are not compared",
    "exact.py: operator 'prompt + len(parents)' in 'start": "matters for answers of four tokens, which are refused",
    "exact.py: operator 'len(TOKENS) - 1' in 'return sum": "lengths of up to three stay allowed, longer ones refused",
    "exact.py: constant '1' in 'return sum((len(TOKENS)": "lengths of up to three stay allowed, longer ones refused",
    "curvature.py: constant '10' in 'SMALLEST_KRYLOV_SPACE": KRYLOV,
    "curvature.py: operator '2 * pairs' in 'space": KRYLOV,
    "curvature.py: constant '1' in 'space": KRYLOV,
    "curvature.py: constant '2' in 'space": KRYLOV,
    "curvature.py: operator '2 * pairs + 1' in 'space": KRYLOV,
    "curvature.py: constant 'True' in 'pushed = torch.autograd.grad": "only how long a graph is kept",
    "derivatives.py: constant 'False' in 'total += second(slope": "only how long a graph is kept",
    "curvature.py: constant '0' in 'start = np.random": "any start vector finds the same pairs",
    "curvature.py: constant '1' in 'ours = torch.from_numpy": "numpy infers the size for any negative number",
    "curvature.py: constant 'False' in 'total += float(share)": "only how long a graph is kept",
    "curvature.py: constant 'True' in 'for place, share in zip": LENGTHS,
    "curvature.py: constant 'True' in 'for value, vector in zip": LENGTHS,
    "derivatives.py: constant 'True' in 'return flatten([torch.zeros_like(p)": LENGTHS,
    "derivatives.py: constant '0' in 'if not records(": "all parameters are on one device",
    "derivatives.py: boolean 'isinstance(loss, FixedLoss) or": "a fixed loss passes the check too, for two evaluations",
    "curvature.py: constant '0.001' in 'hessian: Operator": DEFAULT,
    "curvature.py: constant 'False' in '@dataclass": "eigenpairs are not compared",
    "curvature.py: constant 'True' in '@dataclass": FROZEN,
    "curvature.py: constant '0' in 'weight = trainable_parameters(": "all parameters have one type and device",
    "curvature.py: constant '4' in 'self, module: nn.Module, loss: Loss, start": DEFAULT,
    # Bounds, by function.
    "best_rollback drops each.shape[-1]": "a slice from -k is one from d - k",
    "least_tail drops values.shape[-1]": "a slice up to -k is one up to d - k",
    "helps returns": "a factor does not change whether a number is 0",
    "tabular_rho returns": "T11(d)'s rho is proved, not tight: the best known example has a fifth of it",
}
"""Survivors, by how they begin, and the reason."""
