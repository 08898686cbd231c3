"""Hold the built site against what a reader without a network must see; one line a fault, exit status 1.

python -m book.check_site            # after sphinx-build; opens the pages in chromium if it is there
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

from book.chapters import BOOK

SITE = BOOK / "_build" / "html"
_LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "video": "src", "source": "src"}
_BROWSER = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-logging=stderr",
    "--virtual-time-budget=1200000",  # of the pages' clocks, which run ahead whenever a page is idle
    "--dump-dom",
    "--allow-file-access-from-files",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]
_FOUND = re.compile(r'<script type="application/json" id="found">(.*?)</script>', re.S)
_CONSOLE = re.compile(r"CONSOLE.*?\] (?P<text>.*), source: \S*?(?P<page>[^/\s]+) \(\d+\)")


class Page(HTMLParser):
    """What a page loads and links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect."""
        given = {key: value or "" for key, value in attrs}
        if tag in _LOADS and given.get(_LOADS[tag]):
            self.loads.append(given[_LOADS[tag]])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])


def written(file: Path) -> list[str]:
    """Faults in a page as it is on disk."""
    text = file.read_text(encoding="utf-8")
    page = Page(text)
    faults = ["a figure is shown as text"] * ("&lt;Figure size" in text)
    faults += [f"loads {each} from another host" for each in page.loads if re.match(r"(https?:)?//", each)]
    for each in page.loads + page.links:
        path = unquote(urldefrag(each).url.split("?")[0])
        if path and not re.match(r"\w+:|//", path) and not (file.parent / path).exists():
            faults.append(f"{each} is not there")
    return faults


def opened(body: str, browser: str) -> tuple[Any, str]:
    """Open a page of its own: what its scripts leave as JSON in the element `found`, and what the browser has logged.

    Raises:
        RuntimeError: the browser did not come to the end.
    """
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "harness.html"
        page.write_text(f'<meta charset="utf-8"><body>{body}</body>', encoding="utf-8")
        command = [browser, *_BROWSER, f"--user-data-dir={folder}/profile", page.as_uri()]
        seen = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=900, check=True)
    found = _FOUND.search(seen.stdout)
    if not found:
        raise RuntimeError(f"the browser did not finish: {seen.stderr[-500:]}")
    return json.loads(found[1]), seen.stderr


def shown(pages: list[Path], browser: str) -> dict[str, list[str]]:
    """Faults of all pages as a browser without a network shows them, which is started once.

    Raises:
        RuntimeError: the browser did not come to the end.
    """
    script = (BOOK / "check_site.js").read_text(encoding="utf-8")
    given = {
        "PAGES": {file.name: file.resolve().as_uri() for file in pages},
    }
    constants = "".join(f"const {name} = {json.dumps(value)};" for name, value in given.items())
    faults: dict[str, list[str]]
    faults, logged = opened(f"<script>{constants}{script}</script>", browser)
    for line in logged.splitlines():
        if "CONSOLE" in line and re.search("rror|ailed|efused", line):
            where = _CONSOLE.search(line)
            faults.setdefault(where["page"] if where else "", []).append(
                f"console: {line.split('CONSOLE', 1)[1][:200]}"
            )
    return faults


def main() -> int:
    """All pages."""
    pages, browser = (
        sorted([*SITE.glob("*.html"), *SITE.glob("proofs/*.html")]),
        shutil.which("chromium") or shutil.which("chromium-browser"),
    )
    if not pages:
        print(f"{SITE} has no pages; run sphinx-build first")
        return 1
    faults = shown(pages, browser) if browser else {}
    for file in pages:
        faults[file.name] = written(file) + faults.get(file.name, [])
    for name, found in faults.items():
        for fault in found:
            print(f"{name}: {fault}")
    total = sum(len(found) for found in faults.values())
    print(f"{len(pages)} pages, {'opened in ' + browser if browser else 'no browser here'}: {total} faults")
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main())
