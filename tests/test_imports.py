"""The one-way flow of the package: who may import whom, and what only one place may do."""

import ast
from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import toymdrl

PACKAGE = Path(toymdrl.__file__).parent


def imported(path: Path) -> set[str]:
    """Top-level packages and toymdrl modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" if node.module == "toymdrl" else node.module for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] if name.startswith("toymdrl.") else name.split(".")[0] for name in names}
    return found


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def test_imports_flow_one_way() -> None:
    """The contracts are in pyproject.toml, a layer a line."""
    assert lint_imports(config_filename=str(PACKAGE.parent / "pyproject.toml"), no_cache=True) == EXIT_STATUS_SUCCESS


def test_only_the_command_line_reads_arguments_and_only_the_terminal_prints() -> None:
    for path in FILES:
        place = path.relative_to(PACKAGE).as_posix()
        if place not in {"cli.py", "commands.py", "__main__.py", "course/__main__.py"}:
            assert "argparse" not in imported(path)
        if place not in {"cli.py", "commands.py", "runs/progress.py"} and not place.startswith("course/"):
            calls = [
                node.func
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Call)
            ]
            assert "print" not in {call.id for call in calls if isinstance(call, ast.Name)}


def test_nothing_unpickles() -> None:
    for path in FILES:
        assert not imported(path) & {"pickle", "shelve", "dill"}
        assert "torch.load" not in path.read_text(encoding="utf-8")


def described() -> set[str]:
    """What CONTRIBUTING's tree names below toymdrl/: files, and folders with a slash."""
    text = (PACKAGE.parent / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    lines = text.partition("    toymdrl/\n")[2].partition("    theory/")[0].splitlines()
    found, folder = set(), ""
    for line in lines:
        name = line.split()[0]
        inside = line.startswith(8 * " ")
        folder = folder if inside else name
        found.add(f"{folder}{name}" if inside else name)
    return found


def test_contributing_shows_the_tree_as_it_is() -> None:
    named = described()
    whole = {
        "course/exercises/",
        "course/pictures/",
        "claims/",
        "analysis/",
        "bounds/",
        "domains/",
    }  # their files are alike: the tree need not name each
    for name in named:
        assert (PACKAGE / name).exists(), f"CONTRIBUTING names toymdrl/{name}, which is not there"
    for path in FILES:
        place = path.relative_to(PACKAGE).as_posix()
        folder = place.rpartition("/")[0] + "/"
        if path.name not in {"__init__.py", "__main__.py"} and folder not in whole:
            assert place in named, f"CONTRIBUTING's tree does not name toymdrl/{place}"
