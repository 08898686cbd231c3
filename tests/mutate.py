"""Would the tests notice? The code is broken in one small way at a time; some test must then fail.

In the core a mutant swaps one operator, comparison or boolean, drops a sign, moves a constant, negates a condition, or
skips a call or an update in place. In a bound it drops one operand of a sum or difference, or a term that is added up
in a loop, or changes a returned value by one per cent: is every term needed? What survives is a term or a line that no
test notices; survivors.py has the reasons.

    python -m tests.mutate                      # about forty minutes on two cores
    python -m tests.mutate training/grpo.py     # one file of the core
    python -m tests.mutate bounds/taylor.py     # one of the bounds, by the theory's tests
"""

import ast
import copy
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from tests.survivors import EXPLAINED

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "toymdrl"
WORKERS = os.cpu_count() or 1
LIMITED = (
    "import resource, sys, pytest; resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33)); "
    "sys.exit(pytest.main(sys.argv[1:]))"
)
"""Pytest in 8 GiB: a mutant may want all memory there is."""
TESTS = {
    "training/objective.py": ["tests/test_grpo.py", "tests/test_mixture.py"],
    "training/grpo.py": ["tests/test_grpo.py", "tests/test_population.py"],
    "training/baseline.py": ["tests/test_grpo.py"],
    "policy/exact.py": ["tests/test_exact.py", "tests/test_domains.py"],
    "derivatives.py": ["tests/test_curvature.py", "tests/test_refusals.py", "tests/test_replay.py"],
    "curvature.py": ["tests/test_curvature.py", "tests/test_refusals.py"],
}
"""Files of the core, and what must notice."""
Replacement = Callable[[ast.AST], ast.AST]
"""What a node becomes."""


@dataclass(frozen=True)
class Mutant:
    """A file broken in one place."""

    name: str
    """What is changed, and where."""
    file: str
    """From toymdrl/."""
    source: str
    """The whole file."""
    tests: tuple[str, ...]
    """That may notice."""


class _Replace(ast.NodeTransformer):
    """Puts another node in the place of one."""

    def __init__(self, target: ast.AST, become: Replacement) -> None:
        self.target, self.become = target, become

    def visit(self, node: ast.AST) -> ast.AST:
        """The node, or what it becomes if it is the target."""
        return self.become(node) if node is self.target else self.generic_visit(node)


def _source_with(tree: ast.Module, target: ast.AST, become: Replacement) -> str:
    """A file's source with one node replaced; the tree is left as it is."""
    place = [id(node) for node in ast.walk(tree)].index(id(target))
    fresh = copy.deepcopy(tree)
    return ast.unparse(ast.fix_missing_locations(_Replace(list(ast.walk(fresh))[place], become).visit(fresh)))


# The core


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


def _skip(node: ast.AST) -> ast.AST:
    return ast.Pass()


def _swap(node: ast.AST) -> ast.AST:
    """The other operator, comparison or boolean; in place, since the node is a copy."""
    if isinstance(node, ast.Compare):
        node.ops[0] = _SWAPS[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp | ast.BoolOp):
        node.op = _SWAPS[type(node.op)]()
    return node


def _drop_sign(node: ast.AST) -> ast.AST:
    return node.operand if isinstance(node, ast.UnaryOp) else node


def _move(node: ast.AST) -> ast.AST:
    if isinstance(node, ast.Constant):
        node.value = not node.value if isinstance(node.value, bool) else node.value + 1  # type: ignore[operator]
    return node


def _negate(node: ast.AST) -> ast.AST:
    if isinstance(node, ast.If | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    return node


def _breaks(tree: ast.Module) -> Iterator[tuple[ast.AST, str, Replacement]]:
    """Every node that can be broken, the name of how, and what it becomes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and type(node.op) in _SWAPS:
            yield node, "operator", _swap
        if isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPS:
            yield node, "comparison", _swap
        if isinstance(node, ast.BoolOp):
            yield node, "boolean", _swap
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
            yield node, "dropped sign", _drop_sign
        if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
            yield node, "constant", _move
        if isinstance(node, ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
            yield node, "skipped", _skip
        if isinstance(node, ast.If | ast.IfExp):
            yield node, "condition", _negate


def of_the_core(file: str) -> Iterator[Mutant]:
    """Every mutant of a file of the core."""
    text = (PACKAGE / file).read_text(encoding="utf-8")
    tree, lines = ast.parse(text), text.splitlines()
    for node, how, become in _breaks(tree):
        line = lines[node.lineno - 1].strip()  # type: ignore[attr-defined]
        what = f"skipped {line!r}" if how == "skipped" else f"{how} {ast.unparse(node)!r} in {line!r}"
        name = f"{Path(file).name}: {what}"
        yield Mutant(name, file, _source_with(tree, node, become), tuple(TESTS[file]))


# The bounds


def _scaled(factor: str) -> Replacement:
    return lambda node: ast.BinOp(ast.Constant(float(factor)), ast.Mult(), node)  # type: ignore[arg-type]


def _left_dropped(node: ast.AST) -> ast.AST:
    if isinstance(node, ast.BinOp):
        return ast.UnaryOp(ast.USub(), node.right) if isinstance(node.op, ast.Sub) else node.right
    return node


def _right_dropped(node: ast.AST) -> ast.AST:
    return node.left if isinstance(node, ast.BinOp) else node


def _weakenings(function: ast.FunctionDef) -> Iterator[tuple[ast.AST, str, Replacement]]:
    """Every term of a right-hand side: a sum without one operand, a loop that adds nothing, a value off by 1 %."""
    for node in ast.walk(function):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            yield node, f"drops {ast.unparse(node.left)} of {ast.unparse(node)}", _left_dropped
            yield node, f"drops {ast.unparse(node.right)} of {ast.unparse(node)}", _right_dropped
        if isinstance(node, ast.AugAssign):
            yield node, f"skips {ast.unparse(node)}", _skip
        if isinstance(node, ast.Return) and node.value is not None:
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            for value in values:
                if not isinstance(value, ast.Constant):
                    for factor in ("0.99", "1.01"):
                        yield value, f"returns {factor} x {ast.unparse(value)}", _scaled(factor)


def _users(function: str) -> tuple[str, ...]:
    """Theory tests that may notice a function: those that name it, or name a bound that is made of it."""
    names = {function}
    sources = [each.read_text(encoding="utf-8") for each in (PACKAGE / "bounds").glob("*.py")]
    functions = [
        node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)
    ]
    grown = True
    while grown:
        made = set()
        for node in functions:
            if names & {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}:
                made.add(node.name)
        grown = not made <= names
        names |= made
    pattern = re.compile(rf"\b({'|'.join(sorted(names))})\(")
    texts = {test: test.read_text(encoding="utf-8") for test in sorted((ROOT / "theory").glob("test_*.py"))}
    users = [test for test, text in texts.items() if pattern.search(text)]
    # Those that name the function itself first: they are the likeliest to fail.
    users.sort(key=lambda test: f"{function}(" not in texts[test])
    return tuple(f"theory/{test.name}" for test in users)


def of_bounds(file: str) -> Iterator[Mutant]:
    """Every mutant of a file of bounds."""
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    for function in [node for node in tree.body if isinstance(node, ast.FunctionDef)]:
        tests = _users(function.name)
        for node, change, become in _weakenings(function):
            yield Mutant(f"{function.name} {change}", file, _source_with(tree, node, become), tests)


# Both


def passes(tests: Sequence[str], file: str = "", source: str = "") -> bool:
    """Whether tests pass on a copy of the tree in which one file of the package has another source.

    Args:
        tests: paths from the root.
        file: the file, from toymdrl/; none to try the tree as it is.
        source: what it holds.
    """
    with TemporaryDirectory() as folder:
        for package in ("toymdrl", "theory", "tests"):
            shutil.copytree(ROOT / package, Path(folder) / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        if file:
            (Path(folder) / "toymdrl" / file).write_text(source, encoding="utf-8")
        options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--hypothesis-profile", "mutate"]
        command = [sys.executable, "-c", LIMITED, *options, *tests]
        quiet = os.environ | {"PYTHONPATH": folder, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                command, cwd=folder, env=quiet, capture_output=True, encoding="utf-8", check=False, timeout=900
            )
        except subprocess.TimeoutExpired:  # a mutant that hangs is noticed too
            return False
    if done.returncode > 2:  # 2: a mutant that cannot be imported; below 0: one that ran out of memory
        raise SystemExit(f"pytest could not run with {file or 'nothing'} mutated:\n{done.stdout[-2000:]}")
    return done.returncode == 0


def survives(mutant: Mutant) -> bool:
    """Whether all tests that may notice pass all the same."""
    return not mutant.tests or passes(mutant.tests, mutant.file, mutant.source)


def explanation(name: str) -> str | None:
    """Why a mutant may survive, if it is known."""
    return next((why for start, why in EXPLAINED.items() if name.startswith(start)), None)


def main() -> int:
    """Try them all; the exit status: 1 if nothing explains a survivor, or an explanation explains no mutant."""
    bounds = [f"bounds/{file.name}" for file in sorted((PACKAGE / "bounds").glob("*.py"))]
    files = sys.argv[1:] or [*TESTS, *bounds]
    unexplained, names, survivors = 0, set(), 0
    with ThreadPoolExecutor(WORKERS) as pool:
        for file in files:
            made = list(of_bounds(file) if file.startswith("bounds/") else of_the_core(file))
            names |= {mutant.name for mutant in made}
            # A test that fails anyway would kill every mutant.
            needed = sorted({test for mutant in made for test in mutant.tests})
            if needed and not passes(needed):
                raise SystemExit(f"{', '.join(needed)} fail as they are; mend them first")
            found = pool.map(survives, made)
            for mutant, alive in zip(made, tqdm(found, total=len(made), desc=file), strict=True):
                if alive:
                    reason = explanation(mutant.name)
                    survivors, unexplained = survivors + 1, unexplained + (reason is None)
                    print(f"survives: {mutant.name}{f' ({reason})' if reason else ''}", flush=True)
    print(f"{len(names)} mutants, {survivors} survive, {unexplained} of them unexplained")
    stale = [] if sys.argv[1:] else [s for s in EXPLAINED if not any(name.startswith(s) for name in names)]
    for start in stale:
        print(f"explained, but no mutant: {start}")
    return int(unexplained > 0 or bool(stale))


if __name__ == "__main__":
    sys.exit(main())
