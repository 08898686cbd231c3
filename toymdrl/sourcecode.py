"""The code that numbers depend on, as text to take a checksum of: without comments, docstrings and layout.

What only a reader sees must not decide whether a number that was measured is still valid.
"""

import ast
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


def bare(tree: ast.Module) -> ast.Module:
    """A syntax tree without its docstrings, those behind attributes included; in place."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [each for each in body if not _is_text(each)]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return tree


def _is_text(node: ast.AST) -> bool:
    """Whether a statement is a string alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@cache
def _parsed(text: str) -> ast.Module:
    return bare(ast.parse(text))


@cache
def _laid_out(text: str) -> str:
    """A file's code in one layout; kept, since a run asks for it at every checkpoint."""
    return ast.unparse(_parsed(text))


def source_digest(names: Iterable[str]) -> str:
    """SHA-256 of some of the package's source files, named relative to it; a folder stands for its Python files."""
    total = hashlib.sha256()
    for name in names:
        path = PACKAGE / name
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            code = _laid_out(file.read_text(encoding="utf-8"))
            total.update(f"{file.relative_to(PACKAGE).as_posix()}\n{code}\n".encode())
    return total.hexdigest()


def _defines(node: ast.stmt) -> list[str]:
    """Names that a statement at the top of a file gives a meaning to."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
    return []


def code_of(file: Path, names: Sequence[str]) -> str:
    """Functions and constants of a file, and everything else in it that they refer to, as text.

    Args:
        file: a Python file.
        names: where to begin; what they refer to follows, and what that refers to.
    """
    defined: dict[str, ast.stmt] = {}
    for node in _parsed(file.read_text(encoding="utf-8")).body:
        defined |= dict.fromkeys(_defines(node), node)
    needed: dict[str, ast.stmt] = {}
    open_ = list(names)
    while open_:
        name = open_.pop()
        if name in defined and name not in needed:
            needed[name] = defined[name]
            open_ += [each.id for each in ast.walk(defined[name]) if isinstance(each, ast.Name)]
    return "\n".join(f"{name}: {ast.unparse(needed[name])}" for name in sorted(needed))


def imported_beside(file: Path) -> set[Path]:
    """The files of the same folder that a file of the package imports, and those that they import."""
    found: set[Path] = set()
    open_ = [file]
    while open_:
        for node in ast.walk(_parsed(open_.pop().read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                beside = PACKAGE.parent / f"{node.module.replace('.', '/')}.py"
                if beside.parent == file.parent and beside not in found:
                    found.add(beside)
                    open_.append(beside)
    return found
