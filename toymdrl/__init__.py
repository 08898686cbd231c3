"""Cross-domain interference and recovery in multi-domain RL, reproduced with tiny transformers on a laptop.

The public interface is the names in `__all__`, what they take and give back, and the command line. They are loaded when
they are first used, so that `import toymdrl` does not wait for torch. Everything else may change in any release; a
public name that goes away warns for one minor release first.
"""

import ast
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"


def _homes() -> dict[str, str]:
    """Where each public name is, from the list that type checkers read too."""
    listed = ast.parse(Path(__file__).with_name("__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in listed.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


_HOME = _homes()
_RENAMED = {
    "at": "at_parameters",
    "decompose": "decompose_damage",
    "edit_of": "measure_edit",
    "read": "read_parameters",
    "reinforce": "rl_stage",
    "score": "exact_score",
    "trainable": "trainable_parameters",
    "write": "write_parameters",
}
"""Names of 0.1 that 0.3 will no longer have."""
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    """A public name, from the file where it is."""
    if name in _RENAMED:
        new = _RENAMED[name]
        warnings.warn(f"toymdrl.{name} is now toymdrl.{new}", DeprecationWarning, stacklevel=2)
        name = new
    if name not in _HOME:
        raise AttributeError(f"module 'toymdrl' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
