"""The course as a site: `sphinx-build -n -W -b html book book/_build/html`, offline, every notebook executed."""

import hashlib
import re
import shutil
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from book import playground
from book.chapters import INCLUDED
from book.notebooks import NOTEBOOKS

BOOK = Path(__file__).parent
ROOT = BOOK.parent

project = "toymdrl"
author = "the toymdrl authors"
copyright = "2026, the toymdrl authors"
release = distribution("toymdrl").version
html_title = "toymdrl"

extensions = [
    "myst_nb",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "book.directives",
]
exclude_patterns = ["_build", "notebooks", "README.md"]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "attrs_block"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]

# Each notebook runs once a state of the package: the cache's folder is named by a hash of its sources.
sources = [
    *sorted((ROOT / "toymdrl").rglob("*.py")),
    BOOK / "prose.py",
    *sorted((ROOT / "toymdrl" / "course").rglob("*.safetensors")),
    *sorted((ROOT / "experiments" / "results").glob("*.json")),
]
_named = (str(file.relative_to(ROOT)).encode() + file.read_bytes() for file in sources)
_digest = hashlib.sha256(b"".join(_named)).hexdigest()[:12]
nb_execution_mode = "cache"
nb_execution_cache_path = str(BOOK / "_build" / "cache" / _digest)
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True

html_theme = "sphinx_book_theme"
html_theme_options = {
    "navbar_persistent": [],
    "show_navbar_depth": 1,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
}
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_last_updated_fmt = None
mathjax_path = "mathjax.js"

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "none"
autodoc_preserve_defaults = True
nitpick_ignore_regex = [(r"py:.*", r".*")]


def _include(_: Sphinx, name: str, source: list[str]) -> None:
    """A page's text from where it is written, its links seen from here."""
    if name in INCLUDED:
        file = ROOT / INCLUDED[name]

        def link(match: re.Match[str]) -> str:
            path, hash_, place = match[2].partition("#")
            target = (file.parent / path).resolve()
            if not target.is_file():  # a folder: no page can show it
                return f"`{target.relative_to(ROOT).as_posix()}`"
            return f"[{match[1]}](../{target.relative_to(ROOT).as_posix()}{hash_}{place})"

        text = file.read_text(encoding="utf-8")
        source[0] = re.sub(r"\[([^\]]*)\]\((?!https?:|#)([^)]+)\)", link, text)


def _escape(_: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain text with `names`: keep what reStructuredText would take for markup."""
    example = False
    for index, line in enumerate(lines):
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        if example:
            continue
        parts = re.split(r"(`+[^`]+`+)", line)
        for place, part in enumerate(parts):
            if part.startswith("`"):
                parts[place] = "``" + part.strip("`") + "``"
            else:
                parts[place] = re.sub(r"([*|\\])", r"\\\1", re.sub(r"(\w)_(?!\w)", r"\1\\_", part))
        lines[index] = "".join(parts)
        if re.match(r"\d+\. ", line) and index and not re.match(r"\d+\. |  ", lines[index - 1]):
            lines[index] = "\n" + lines[index]
    lines[:] = "\n".join(lines).split("\n")


def _run_line(_: Sphinx, name: str, source: list[str]) -> None:
    """Under a chapter's first line, how to run it."""
    start = f"`.venv/bin/jupyter lab book/notebooks/{name}.ipynb` in your clone ([set it up](index.md#run-it-yourself))"
    notebook = f'<a href="_sources/{name}.ipynb" download>download the notebook</a>'
    run = f"Run this chapter: {start}, or {notebook}."
    source[0] = re.sub(r"^(\*\d+ minutes\b.*\*)$", rf"\1\n\n{{.run}}\n{run}", source[0], count=1, flags=re.M)


def _link_playground(_: Sphinx, name: str, source: list[str]) -> None:
    """The page that computes is no page of Sphinx's; where the text names it, a link."""
    source[0] = source[0].replace("`playground.html`", '<a href="playground.html">the playground</a>')


def _offer_notebook(_: Sphinx, name: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """The theme's download button: the notebook that a reader solves, not the one that was executed here."""
    if (NOTEBOOKS / f"{name}.ipynb").exists():
        context["ipynb_source"] = f"{name}.ipynb"


def _copy_notebooks(app: Sphinx, error: Exception | None) -> None:
    """The notebooks to where the pages' links look for them."""
    if error or app.builder.format != "html":
        return
    for notebook in NOTEBOOKS.glob("*.ipynb"):
        shutil.copy(notebook, Path(app.outdir) / "_sources")


def _copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Maths without a network: one file of MathJax into the site."""
    if error or app.builder.format != "html":
        return
    found = distribution("sphinx-mathjax-offline").locate_file("sphinx-mathjax-offline/static/mathjax/tex-svg-full.js")
    target = Path(app.outdir) / "_static" / "mathjax.js"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(str(found), target)


def _write_playground(app: Sphinx, error: Exception | None) -> None:
    """The page that computes, with its runs."""
    if error or app.builder.format != "html":
        return
    (Path(app.outdir) / "playground.html").write_text(playground.built(), encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Hooks of the build."""
    app.connect("source-read", _link_playground)
    app.connect("source-read", _include)
    app.connect("source-read", _run_line)
    app.connect("html-page-context", _offer_notebook, priority=400)  # before the theme makes its buttons
    app.connect("autodoc-process-docstring", _escape, priority=100)
    app.connect("build-finished", _copy_notebooks)
    app.connect("build-finished", _copy_mathjax)
    app.connect("build-finished", _write_playground)
    app.setup_extension("book.proofs")
