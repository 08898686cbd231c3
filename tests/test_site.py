"""What check_site finds: nothing in a good page, and each fault in a page that has it, in a real browser."""

import shutil
from pathlib import Path

import pytest

from book.check_site import shown, written

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or ""
LONG = "x" * 300

GOOD = """<!DOCTYPE html><html><head><style>
body {{ display: flex; margin: 0; }} article {{ min-width: 0; }} pre {{ overflow-x: auto; }}
@media (max-width: 1000px) {{ .bd-sidebar-secondary {{ display: none; }} }} {style}
</style></head><body><article>
<section><h2>One</h2><h2>Two</h2></section>
<div class="tag_hide-output"><details class="fold outcome"><summary>Show</summary>
<div class="cell_output">9.8</div></details></div>
<div class="cell_input"><pre>short</pre></div>
{body}
</article><div class="bd-sidebar-secondary"><nav class="page-toc"><a href="#">One</a></nav></div></body></html>"""

BROKEN = {
    # by page: what is added to its body, to its style, and a part of what must be found
    "console": ("<script>throw new Error('no')</script>", "", "console"),
    "host": ("<img src='https://example.org/a.png' alt='a'>", "", "another host"),
    "early": ("", ".outcome::details-content { content-visibility: visible; display: block; }", "before the click"),
    "unfolded": ("<div class='tag_hide-output'><div class='cell_output'>9.8</div></div>", "", "not folded"),
    "never": ("", ".outcome > div { display: none; }", "after the click"),
    "blank": ("<p>Exercise 3.1 is blank; going on with the course's own answer.</p>", "", "is blank"),
    "contents": ("", "@media (max-width: 1450px) { .bd-sidebar-secondary { display: none; } }", "contents"),
    "telephone": ("<div style='width: 600px'>wide</div>", "", "pixels wide on a screen of 420"),
    "laptop": ("<div style='width: 1350px'>wide</div>", "", "pixels wide on a screen of 1280"),
    "code": (f"<div class='cell_input'><pre>{LONG}</pre></div>", "", "code scrolls sideways at 1280"),
    "folded code": (
        f"<details><summary>a</summary><div class='cell_input'><pre>{LONG}</pre></div></details>",
        "",
        "code scrolls sideways at 1400",
    ),
    "words": ("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>", "", "no words"),
    "repr": ("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw=' alt='<Figure>'>", "", "no words"),
    "formula": ("<span class='math'>\\(a\\)</span>", "", "0 of 1 formulas"),
    "formula in error": ("<mjx-merror>\\a</mjx-merror>", "", "a formula is in error"),
}


@pytest.mark.skipif(not BROWSER, reason="no chromium here")
def test_a_browser_finds_each_fault_and_none_in_a_good_page(tmp_path: Path) -> None:
    pages = {"good": ("", "")} | {name: (body, style) for name, (body, style, _) in BROKEN.items()}
    files = [tmp_path / f"{name.replace(' ', '_')}.html" for name in pages]
    for file, (body, style) in zip(files, pages.values(), strict=True):
        file.write_text(GOOD.format(body=body, style=style), encoding="utf-8")
    found = shown(files, BROWSER)
    assert found["good.html"] == []
    for name, (_, _, part) in BROKEN.items():
        assert any(part in fault for fault in found[f"{name.replace(' ', '_')}.html"]), name


def test_a_page_on_disk(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<a href='page.html#x'>a</a><img src='page.html'>", encoding="utf-8")
    assert written(page) == []
    page.write_text("<a href='gone.html'>a</a><script src='//example.org/a.js'></script>", encoding="utf-8")
    assert written(page) == ["loads //example.org/a.js from another host", "gone.html is not there"]
    page.write_text("<pre>&lt;Figure size 640x480&gt;</pre>", encoding="utf-8")
    assert written(page) == ["a figure is shown as text"]
