"""Is every term of every bound needed? Each right-hand side in toymdrl/bounds is weakened, one term at a time.

A mutant drops one operand of a sum or difference, or a term that is added up in a loop, or changes a returned value
by one per cent; the theory tests that name its function must then fail. A survivor is a term, or a constant, that no
test notices.

    python theory/mutate.py                 # about ten minutes on two cores
    python theory/mutate.py taylor.py       # one file of bounds
"""

import ast
import copy
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
BOUNDS = ROOT / "toymdrl" / "bounds"
WORKERS = os.cpu_count() or 1
LIMITED = (
    "import resource, sys, pytest; resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33)); "
    "sys.exit(pytest.main(sys.argv[1:]))"
)
"""Pytest in 8 GiB: a mutant may want all memory there is."""
EXPLAINED = {
    "best_rollback drops each.shape[-1]": "a slice from -k is one from d - k",
    "least_tail drops values.shape[-1]": "a slice up to -k is one up to d - k",
    "helps returns": "a factor does not change whether a number is 0",
    "tabular_rho returns": "T11(d)'s rho is proved, not tight: the best known example has a fifth of it",
}
"""Survivors, by how they begin, and the reason."""


@dataclass(frozen=True)
class Mutant:
    """One weakened right-hand side."""

    file: str
    function: str
    change: str
    source: str
    """The whole mutated file."""


def _places(function: ast.FunctionDef) -> Iterator[tuple[ast.AST, str, str]]:
    """Places to change: a sum with the operand to drop, or a returned value with the factor to change it by."""
    for node in ast.walk(function):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            yield node, "left", f"drops {ast.unparse(node.left)} of {ast.unparse(node)}"
            yield node, "right", f"drops {ast.unparse(node.right)} of {ast.unparse(node)}"
        if isinstance(node, ast.AugAssign):
            yield node, "skip", f"skips {ast.unparse(node)}"
        if isinstance(node, ast.Return) and node.value is not None:
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            for each in values:
                if not isinstance(each, ast.Constant):
                    for factor in ("0.99", "1.01"):
                        yield each, factor, f"returns {factor} x {ast.unparse(each)}"


class _Change(ast.NodeTransformer):
    """Applies one change."""

    def __init__(self, target: ast.AST, how: str) -> None:
        self.target, self.how = target, how

    def visit(self, node: ast.AST) -> ast.AST:
        """The node, changed if it is the target."""
        if node is not self.target:
            return self.generic_visit(node)
        if self.how == "left" and isinstance(node, ast.BinOp):
            return ast.UnaryOp(ast.USub(), node.right) if isinstance(node.op, ast.Sub) else node.right
        if self.how == "right" and isinstance(node, ast.BinOp):
            return node.left
        if self.how == "skip":
            return ast.Pass()
        return ast.BinOp(ast.Constant(float(self.how)), ast.Mult(), node)  # type: ignore[arg-type]


def mutants(file: Path) -> Iterator[Mutant]:
    """Every mutant of a file of bounds."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    for index, function in enumerate(functions):
        for number, (_, how, change) in enumerate(_places(function)):
            fresh = copy.deepcopy(tree)
            there = [node for node in fresh.body if isinstance(node, ast.FunctionDef)][index]
            target = list(_places(there))[number][0]
            mutated = ast.fix_missing_locations(_Change(target, how).visit(fresh))
            yield Mutant(file.name, function.name, change, ast.unparse(mutated))


def _users(function: str) -> list[str]:
    """Theory tests that may notice a function: those that name it, or name a bound that is made of it."""
    names = {function}
    sources = [each.read_text(encoding="utf-8") for each in BOUNDS.glob("*.py")]
    grown = True
    while grown:
        made = {
            node.name
            for source in sources
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef) and names & {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        }
        grown = not made <= names
        names |= made
    pattern = re.compile(rf"\b({'|'.join(sorted(names))})\(")
    tests = sorted((ROOT / "theory").glob("test_*.py"))
    # Those that name the function itself first: they are the likeliest to fail.
    tests.sort(key=lambda test: f"{function}(" not in test.read_text(encoding="utf-8"))
    return [f"theory/{test.name}" for test in tests if pattern.search(test.read_text(encoding="utf-8"))]


def passes(tests: list[str], file: str = "", source: str = "") -> bool:
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
    """Whether all theory tests that use the mutated function pass all the same."""
    tests = _users(mutant.function)
    return not tests or passes(tests, f"bounds/{mutant.file}", mutant.source)


def main() -> int:
    """Try them all; the exit status: 1 if nothing explains a survivor."""
    files = [BOUNDS / name for name in sys.argv[1:]] or sorted(BOUNDS.glob("*.py"))
    tried = [mutant for file in files for mutant in mutants(file)]
    # A test that fails anyway would kill every mutant.
    if not passes(sorted({test for mutant in tried for test in _users(mutant.function)})):
        raise SystemExit("the theory tests fail without any mutation; mend them first")
    unexplained = survivors = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        for count, (mutant, alive) in enumerate(zip(tried, pool.map(survives, tried), strict=True), start=1):
            if alive:
                said = f"{mutant.function} {mutant.change}"
                reason = next((why for begins, why in EXPLAINED.items() if said.startswith(begins)), None)
                survivors, unexplained = survivors + 1, unexplained + (reason is None)
                print(f"\r{said}: survives{f' ({reason})' if reason else ''}", flush=True)
            print(f"\r{count} of {len(tried)}", end="", file=sys.stderr, flush=True)
    print(f"\n{len(tried)} mutants, {survivors} survive, {unexplained} of them unexplained")
    return min(unexplained, 1)


if __name__ == "__main__":
    raise SystemExit(main())
