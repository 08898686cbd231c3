"""The course as a site: `sphinx-build -n -W -b html book book/_build/html`, offline, every notebook executed."""

import hashlib
import re
import shutil
from importlib.metadata import distribution
from pathlib import Path

from sphinx.application import Sphinx

from book.chapters import INCLUDED

BOOK = Path(__file__).parent
ROOT = BOOK.parent

project = "toymdrl"
author = "the toymdrl authors"
copyright = "2026, the toymdrl authors"
release = distribution("toymdrl").version
html_title = "toymdrl"

extensions = ["myst_nb", "sphinx_design", "sphinx_copybutton", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "notebooks", "README.md"]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]

# Each notebook runs once a state of the package: the cache's folder is named by a hash of its sources.
sources = (
    sorted((ROOT / "toymdrl").rglob("*.py"))
    + sorted((ROOT / "toymdrl" / "course").glob("*.safetensors"))
    + sorted((ROOT / "experiments" / "results").glob("*.json"))
)
_digest = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()[:12]
nb_execution_mode = "cache"
nb_execution_cache_path = str(BOOK / "_build" / "cache" / _digest)
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_code_prompt_show = "Show"
nb_code_prompt_hide = "Hide"

html_theme = "sphinx_book_theme"
html_theme_options = {
    "navbar_persistent": [],
    "show_navbar_depth": 1,
    "use_download_button": False,
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


def _copy_mathjax(app: Sphinx, _: Exception | None) -> None:
    """Maths without a network: one file of MathJax into the site."""
    found = distribution("sphinx-mathjax-offline").locate_file("sphinx-mathjax-offline/static/mathjax/tex-svg-full.js")
    target = Path(app.outdir) / "_static" / "mathjax.js"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(str(found), target)


def setup(app: Sphinx) -> None:
    """Hooks of the build."""
    app.connect("source-read", _include)
    app.connect("autodoc-process-docstring", _escape, priority=100)
    app.connect("build-finished", _copy_mathjax)
    app.setup_extension("book.proofs")
