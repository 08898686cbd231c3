"""The theorems as pages of the site: each docstring of theory/test_t*.py with its formulas drawn, its tests below it.

A Sphinx extension. It writes book/proofs/ before the build, and leads links to a theorem's file to its page.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from book.chapters import BOOK, chapters

if TYPE_CHECKING:
    from sphinx.application import Sphinx

THEORY = BOOK.parent / "theory"
PAGES = BOOK / "proofs"
_MATRIX = re.compile(r"\[([^\[\]$]*;[^\[\]$]*)\]")
_EXPLAINED = {
    "Tight": "Cases that reach a bound, exactly or to leading order: no smaller one is true.",
    "Needed": "Each assumption or term, and then a loss that breaks the statement without it.",
}
"""What a section is, for those who open one page of them."""

_TESTS = """\
## Tests

:::{{dropdown}} theory/{file}: it holds, it is tight, and it fails without each assumption
```{{literalinclude}} ../../theory/{file}
:language: python
:lines: {line}-
```
:::

`pytest theory/{file}` runs them. Back to {back}.
"""


@dataclass(frozen=True)
class Theorem:
    """A file of theory/, by what its docstring says."""

    file: Path
    key: str
    """T4, or "T5, continued"."""
    title: str
    serves: str
    """The claims, as the title's brackets name them."""
    text: str
    """MyST Markdown after the title."""
    tests: int
    """The line at which the code begins."""

    @property
    def name(self) -> str:
        """Of the page: t04_subspace."""
        return self.file.stem.removeprefix("test_")

    def sections(self) -> dict[str, str]:
        """The text by its headings; what stands before the first is under ""."""
        parts = re.split(r"^## (.+)$", self.text, flags=re.M)
        return dict(zip(["", *parts[1::2]], [part.strip() for part in parts[0::2]], strict=True))


def read(file: Path) -> Theorem:
    """A theorem from its file.

    Raises:
        ValueError: the first line of its docstring is not "T4. Title (claims).".
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    title, _, text = (ast.get_docstring(tree) or "").partition("\n")
    found = re.fullmatch(r"(T\d+[^.]*)\. (.+) \((.+)\)\.?", title)
    if found is None:
        raise ValueError(f'{file.name} begins with {title!r}; begin it with "T4. Title (C8)."')
    return Theorem(file, found[1], found[2], found[3], text.strip(), (tree.body[0].end_lineno or 0) + 2)


def theorems() -> list[Theorem]:
    """All, in the order of the index in theory/README.md."""
    index = (THEORY / "README.md").read_text(encoding="utf-8")
    return [read(THEORY / name) for name in re.findall(r"\]\((test_t\w+\.py)\)", index)]


def users(theorem: Theorem) -> list[Path]:
    """The chapters that name a theorem or link to its file."""
    number = theorem.key.partition(",")[0]
    named = re.compile(rf"\b{number}\b|\b{theorem.file.stem}\b")
    return [chapter for chapter in chapters() if named.search(chapter.read_text(encoding="utf-8"))]


def _matrix(match: re.Match[str]) -> str:
    """[1, 2; 3, 4], as the source writes a matrix, for a reader of the page."""
    rows = [row.replace(",", " & ") for row in match[1].split(";")]
    return r"\left[\begin{smallmatrix}" + r" \\ ".join(rows) + r"\end{smallmatrix}\right]"


def page(theorem: Theorem) -> str:
    """A theorem's page as MyST Markdown, as book/proofs/ holds it."""
    links = [f"[chapter {int(chapter.stem[:2])}](../{chapter.name})" for chapter in users(theorem)]
    used = f" *Used in:* {', '.join(links)}." if links else ""
    parts = [f"# {theorem.key} · {theorem.title}", f"*Claims:* {theorem.serves}.{used}"]
    for heading, text in theorem.sections().items():
        linked = re.sub(r"\]\(test_(t\w+)\.py\)", r"](\1.md)", _MATRIX.sub(_matrix, text))
        if heading == "Statement":
            parts.append(f":::{{admonition}} {heading}\n:class: theorem\n{linked}\n:::")
            continue
        if heading:
            parts.append(f"## {heading}")
        if heading in _EXPLAINED:
            parts.append(_EXPLAINED[heading])
        parts.append(linked)
    back = ", ".join([*links, "[all theorems](../theory.md)"])
    parts.append(_TESTS.format(file=theorem.file.name, line=theorem.tests, back=back))
    return "\n\n".join(parts)


def write(folder: Path) -> None:
    """Write the pages that have changed, and remove those of theorems that are gone."""
    folder.mkdir(exist_ok=True)
    made = {folder / f"{theorem.name}.md": page(theorem) for theorem in theorems()}
    for stale in set(folder.glob("*.md")) - set(made):
        stale.unlink()
    for file, text in made.items():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def led(text: str) -> str:
    """A page's text with its links to theorems' files leading to their pages."""
    return re.sub(r"\]\(\.\./theory/test_(t\w+)\.py\)", r"](proofs/\1.md)", text)


def _before_build(_: Sphinx) -> None:
    write(PAGES)


def _source(_: Sphinx, name: str, source: list[str]) -> None:
    """Lead the links; give the pages their place in the site, below the index."""
    source[0] = led(source[0])
    if name == "theory":
        pages = "\n".join(f"proofs/{theorem.name}" for theorem in theorems())
        source[0] += f"\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect; after conf.py's own hook, which brings the index here."""
    app.connect("builder-inited", _before_build)
    app.connect("source-read", _source, priority=600)
    return {"parallel_read_safe": True}
