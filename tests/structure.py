"""The package counted: files, floors, imports, circles, by `python -m tests.structure [FOLDER OF A CHECKOUT]`.

A floor is one more than the highest floor that a file imports from. A circle is a set of files that import each other.
Only imports that are written at the top of a file or inside a function count; an __init__.py that only describes its
folder stands for nothing.
"""

import ast
import sys
from pathlib import Path

PACKAGES = ("toymdrl", "experiments")


def modules(root: Path) -> dict[str, Path]:
    """All files of the packages by dotted name."""
    found = {}
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            parts = file.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(file: Path, known: dict[str, Path]) -> set[str]:
    """Files among those known that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from a import b` is of the file a/b.py if there is one, else of a.
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return found & known.keys()


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Sets of files that all import each other, by whatever way (strongly connected components of two or more)."""
    reach = {name: _reachable(graph, name) for name in graph}
    found: list[set[str]] = []
    for name in graph:
        circle = {other for other in reach[name] if name in reach[other]}
        if len(circle) > 1 and circle not in found:
            found.append(circle)
    return found


def _reachable(graph: dict[str, set[str]], name: str) -> set[str]:
    seen: set[str] = set()
    open_ = [name]
    while open_:
        for other in graph[open_.pop()] - seen:
            seen.add(other)
            open_.append(other)
    return seen


def floors(graph: dict[str, set[str]]) -> int:
    """Files of the longest way down, each imported by the one before; a circle counts as one."""
    inside = {name: min(circle) for circle in circles(graph) for name in circle}
    below: dict[str, set[str]] = {}
    for name, others in graph.items():
        one = inside.get(name, name)
        below.setdefault(one, set()).update(inside.get(other, other) for other in others)
        below[one].discard(one)
    height: dict[str, int] = {}

    def climb(name: str) -> int:
        if name not in height:
            height[name] = 1 + max((climb(other) for other in below[name]), default=0)
        return height[name]

    return max(climb(name) for name in below)


def folders(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same graph with a folder of toymdrl as one room, and each package beside it as one."""

    def room(name: str) -> str:
        parts = name.split(".")
        return ".".join(parts[:2]) if parts[0] == "toymdrl" else parts[0]

    found: dict[str, set[str]] = {}
    for name, others in graph.items():
        found.setdefault(room(name), set()).update(room(other) for other in others)
    for name, others in found.items():
        others.discard(name)
    return found


def main() -> None:
    """Count and tell."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
    known = modules(root)
    files = {name: imported(file, known) - {name} for name, file in known.items()}
    rooms = folders(files)
    print(f"{'':<8}{'number':>8}{'floors':>8}{'imports':>9}{'circles':>9}")
    for what, graph in (("files", files), ("rooms", rooms)):
        arrows = sum(map(len, graph.values()))
        print(f"{what:<8}{len(graph):>8}{floors(graph):>8}{arrows:>9}{len(circles(graph)):>9}")
    for circle in circles(rooms):
        print("circle:", ", ".join(sorted(circle)))


if __name__ == "__main__":
    main()
