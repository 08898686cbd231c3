"""Hold the built site against what a reader without a network must see; one line a fault, exit status 1.

python -m book.check_site            # after sphinx-build; opens the pages in chromium if it is there
"""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

from book.chapters import BOOK

SITE = BOOK / "_build" / "html"
_LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "video": "src", "source": "src"}
_BROWSER = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-logging=stderr",
    "--virtual-time-budget=20000",
    "--dump-dom",
    "--allow-file-access-from-files",
]


class Page(HTMLParser):
    """What a page loads and links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.maths = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect."""
        given = {key: value or "" for key, value in attrs}
        if tag in _LOADS and given.get(_LOADS[tag]):
            self.loads.append(given[_LOADS[tag]])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        self.maths += "math" in given.get("class", "").split()


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


def shown(file: Path, browser: str) -> list[str]:
    """Faults in a page as a browser without a network shows it."""
    command = [browser, *_BROWSER, "--host-resolver-rules=MAP * ~NOTFOUND", file.as_uri()]
    seen = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=True)
    console = [line for line in seen.stderr.splitlines() if "CONSOLE" in line and re.search("rror|ailed|efused", line)]
    faults = [f"console: {line.split('CONSOLE', 1)[1][:200]}" for line in console]
    wanted, drawn = Page(file.read_text(encoding="utf-8")).maths, seen.stdout.count("<mjx-container")
    if drawn < wanted:
        faults.append(f"{drawn} of {wanted} formulas are drawn")
    if "data-mjx-error" in seen.stdout or "<mjx-merror" in seen.stdout:
        faults.append("a formula is in error")
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
    faults = 0
    for file in pages:
        for fault in written(file) + (shown(file, browser) if browser else []):
            print(f"{file.name}: {fault}")
            faults += 1
    print(f"{len(pages)} pages, {'opened in ' + browser if browser else 'no browser here'}: {faults} faults")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
