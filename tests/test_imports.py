"""The one-way flow of the package: who may import whom."""

import ast
from pathlib import Path

import pytest

import toymdrl

PACKAGE = Path(toymdrl.__file__).parent
# Each module may import those to its left, and nothing to its right.
FLOW = [
    *(
        "vocab",
        "streams",
        "replay",
        "plain",
        "parameters",
        "shards",
        "checkpoints",
        "derivatives",
        "curvature",
        "bounds",
        "domains",
        "forest",
        "model",
    ),
    *(
        "rollout",
        "grpo",
        "pretrain",
        "exact",
        "config",
        "draws",
        "training",
        "population",
        "files",
        "style",
        "provenance",
        "metrics",
    ),
    *(
        "threads",
        "runs",
        "pipeline",
        "cohort",
        "analysis",
        "audit",
        "auditpage",
        "patch",
        "subject",
        "explain",
        "theorems",
        "claims",
        "claimtable",
        "figures",
    ),
    *("story", "report", "progress", "course", "commands", "cli", "__main__"),
]
# Pieces that must stay apart although the flow would allow it.
APART = {
    "grpo": {"exact", "pretrain"},
    "exact": {"rollout", "grpo", "pretrain"},
    "bounds": {"torch", *FLOW[: FLOW.index("bounds")]},
    "derivatives": {"domains", "model", "exact"},
    "curvature": {"domains", "model", "exact"},
    # An analysis is pointed at any module and loss: it knows no policy, no run and no trainer.
    "analysis": {"model", "exact", "rollout", "grpo", "config", "training", "runs", "pipeline"},
    "report": {"pipeline", "training", "exact", "torch"},
    "figures": {"pipeline", "training", "exact", "torch"},
}


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


def module(path: Path) -> str:
    """A file's place in the flow."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_flow_one_way(path: Path) -> None:
    mine = module(path)
    others = imported(path) - {mine}
    allowed = set(FLOW[: FLOW.index(mine)])
    assert others & set(FLOW) <= allowed
    assert not others & APART.get(mine, set())


def test_only_the_command_line_reads_arguments_and_only_the_terminal_prints() -> None:
    for path in FILES:
        if module(path) not in {"cli", "commands", "__main__"}:
            assert "argparse" not in imported(path)
        if module(path) not in {"cli", "commands", "progress", "course"}:
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
