"""Would the tests notice? The core is broken in one small way at a time; some test must then fail.

A mutant swaps one operator, comparison or boolean, drops a sign, moves a constant, negates a condition, or skips a call
or an update in place in one of the files of TESTS; that file's tests must fail. What survives is listed in EXPLAINED
with the reason.
(The bounds have their own: theory/mutate.py.)

    python -m tests.mutate                 # about half an hour on two cores
    python -m tests.mutate training/grpo.py         # one file
"""

import ast
import copy
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from theory.mutate import ROOT, WORKERS, passes

TESTS = {
    "training/grpo.py": ["tests/test_grpo.py"],
    "policy/exact.py": ["tests/test_exact.py", "tests/test_domains.py"],
    "derivatives.py": ["tests/test_curvature.py", "tests/test_refusals.py", "tests/test_replay.py"],
    "curvature.py": ["tests/test_curvature.py", "tests/test_refusals.py"],
}
DEFAULT = "a default is a choice, not a law; every run records what it used"
MEMORY = "how much is evaluated at once: it bounds the memory and changes no sum"
KRYLOV = "another size of the search space finds the same pairs, with more or fewer products"
LENGTHS = "both have the same length, being made together"
FROZEN = "nothing assigns to it"
EXPLAINED: dict[str, str] = {
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
    "grpo.py: constant 'True' in 'optimiser.zero_grad": "gradients of zero or none: the sum is the same",
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
    "curvature.py: constant '0.001' in 'hessian: Hessian": DEFAULT,
    "curvature.py: constant 'False' in '@dataclass": "eigenpairs are not compared",
    "curvature.py: constant 'True' in '@dataclass": FROZEN,
    "curvature.py: constant '0' in 'weight = trainable(hessian.module)[0]'": "all parameters have one type and device",
    "curvature.py: constant '4' in 'self, module: nn.Module, loss: Loss, start": DEFAULT,
}
"""Survivors, by how they begin, and the reason."""

_SWAPS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def _changes(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Every node that can be broken, and how; the same order each time."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and type(node.op) in _SWAPS:
            yield node, "operator"
        if isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPS:
            yield node, "comparison"
        if isinstance(node, ast.BoolOp):
            yield node, "boolean"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
            yield node, "dropped sign"
        if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
            yield node, "constant"
        if isinstance(node, ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
            yield node, "skipped"
        if isinstance(node, ast.If | ast.IfExp):
            yield node, "condition"


class _Break(ast.NodeTransformer):
    """Applies one change."""

    def __init__(self, target: ast.AST, how: str) -> None:
        self.target, self.how = target, how

    def visit(self, node: ast.AST) -> ast.AST:
        """The node, broken if it is the target."""
        if node is not self.target:
            return self.generic_visit(node)
        if self.how == "skipped":
            return ast.Pass()
        if isinstance(node, ast.BinOp | ast.BoolOp):
            node.op = _SWAPS[type(node.op)]()
        elif isinstance(node, ast.Compare):
            node.ops[0] = _SWAPS[type(node.ops[0])]()
        elif isinstance(node, ast.UnaryOp):
            return node.operand
        elif isinstance(node, ast.Constant):
            node.value = not node.value if isinstance(node.value, bool) else node.value + 1  # type: ignore[operator]
        elif isinstance(node, ast.If | ast.IfExp):
            node.test = ast.UnaryOp(ast.Not(), node.test)
        return node


def mutants(file: str) -> Iterator[tuple[str, str]]:
    """What each mutant of a file changes, and its source."""
    path = ROOT / "toymdrl" / file
    text, what = path.read_text(encoding="utf-8"), path.name
    tree, lines = ast.parse(text), text.splitlines()
    for index, (node, how) in enumerate(_changes(tree)):
        fresh = copy.deepcopy(tree)
        target = list(_changes(fresh))[index][0]
        line = lines[node.lineno - 1].strip()  # type: ignore[attr-defined]
        name = f"{what}: {how} {ast.unparse(node)!r} in {line!r}" if how != "skipped" else f"{what}: skipped {line!r}"
        yield name, ast.unparse(ast.fix_missing_locations(_Break(target, how).visit(fresh)))


def main() -> int:
    """Try them all; the exit status: 1 if nothing explains a survivor, or an explanation explains no mutant."""
    files = sys.argv[1:] or list(TESTS)
    survivors, count = [], 0
    stale = {start for start in EXPLAINED if start.startswith(tuple(f"{Path(file).name}:" for file in files))}
    with ThreadPoolExecutor(WORKERS) as pool:
        for file in files:
            if not passes(TESTS[file]):
                raise SystemExit(f"{TESTS[file]} fail as they are")
            made = list(mutants(file))
            count += len(made)
            stale -= {start for start in stale for name, _ in made if name.startswith(start)}
            found = pool.map(lambda mutant, file=file: passes(TESTS[file], file, mutant[1]), made)
            for (name, _), alive in zip(made, tqdm(found, total=len(made), desc=file), strict=True):
                if alive:
                    reason = next((why for start, why in EXPLAINED.items() if name.startswith(start)), None)
                    survivors.append(reason)
                    print(f"survives: {name}{f' ({reason})' if reason else ''}", flush=True)
    unexplained = survivors.count(None)
    print(f"{count} mutants, {count - len(survivors)} noticed, {len(survivors)} survive, {unexplained} unexplained")
    for start in sorted(stale):
        print(f"explained, but no longer a mutant: {start}")
    return int(unexplained > 0 or bool(stale))


if __name__ == "__main__":
    sys.exit(main())
