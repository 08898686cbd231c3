"""What the pages say is what the committed results hold."""

from experiments import pages, reproduce
from toymdrl.claims import PAPER


def test_the_readmes_table_is_of_the_committed_results() -> None:
    assert pages.table() in pages.README.read_text(encoding="utf-8"), "run `python -m experiments.pages`"


def test_the_reproduction_page_is_of_the_committed_results() -> None:
    written = (reproduce.HERE / "REPRODUCTION.md").read_text(encoding="utf-8")
    assert written == "\n".join(reproduce.page(reproduce.HERE, list(PAPER))) + "\n", "run `python -m experiments.pages`"


def test_a_result_agrees_with_itself() -> None:
    lines, agree = reproduce.compare(reproduce.HERE)
    assert agree
    assert len(lines) > len(PAPER)
