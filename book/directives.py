"""What the chapters' MyST has of its own: folded hints and answers, folded drawing code, labels of folded cells."""

import html
import inspect
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode, HideInputCells
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from book.chapters import chapters, heading, predictions
from toymdrl.course import pictures
from toymdrl.course.exercises import exercise

OUTCOME = "I have written it down: show me"
_INPUT = {"check": "The check", "setup": "Imports and set-up"}


def fold(title: str, body: str) -> str:
    """A dropdown as MyST."""
    return f"::::{{dropdown}} {title}\n{body}\n::::\n"


def code(source: str) -> str:
    """Python text as MyST."""
    return f"```python\n{source.rstrip()}\n```"


class Solution(SphinxDirective):
    """`{solution} 3.1`: the hints of an exercise one by one, then the course's own answer, each folded."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        this = exercise(self.arguments[0])
        folds = [fold(f"Hint {index}", text) for index, text in enumerate(this.hints, start=1)]
        folds.append(fold("Solution", code(this.source)))
        _depends_on(self, this.solution)
        return self.parse_text_to_nodes("\n".join(folds))


class Drawing(SphinxDirective):
    """`{drawing} compass`: the source of a function of `toymdrl.course.pictures`, folded."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        function = getattr(pictures, self.arguments[0])
        _depends_on(self, function)
        return self.parse_text_to_nodes(fold("How this is drawn", code(inspect.getsource(function))))


class Predictions(SphinxDirective):
    """`{predictions}`: the questions of all Predict boxes, chapter by chapter, with room for an answer."""

    def run(self) -> list[nodes.Node]:
        parts = []
        for chapter in chapters():
            self.env.note_dependency(str(chapter))
            questions = list(predictions(chapter))
            if questions:
                parts.append(f"**[{heading(chapter)}]({chapter.name})**")
            parts += [f"{question}\n\n{{.answer}}\n…" for question in questions]
        return self.parse_text_to_nodes("\n\n".join(parts))


def _depends_on(directive: SphinxDirective, function: Any) -> None:
    """Read the page again when the file of a function has changed."""
    directive.env.note_dependency(inspect.getfile(inspect.unwrap(function)))


class Alt(SphinxTransform):
    """A picture that a cell draws says in words what it shows, in its repr: its alt text."""

    default_priority = 210

    def apply(self, **kwargs: Any) -> None:
        for bundle in self.document.findall(nodes.container):
            words = [each.astext() for each in bundle.children if each.get("mime_type") == "text/plain"]
            if words and not words[0].startswith("<"):  # else the repr of something that is no picture of the course
                for image in bundle.findall(nodes.image):
                    image.setdefault("alt", words[0])


class Labels(SphinxPostTransform):
    """What each fold of a code cell has in it: the outcome of a prediction, or code of a kind."""

    default_priority = HideInputCells.default_priority + 1
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for cell in self.document.findall(nodes.container):
            kinds = [kind for tag, kind in _INPUT.items() if f"tag_{tag}" in cell["classes"]]
            for fold in cell.children:
                if isinstance(fold, HideCodeCellNode):
                    outcome = "above-input" not in fold["classes"]
                    fold["label"] = OUTCOME if outcome else (*kinds, "The code")[0]
                    fold["classes"] = ["fold", "outcome" if outcome else "code"]


def _open_fold(translator: Any, node: HideCodeCellNode) -> None:
    """In place of myst-nb's, whose summary tells a screen reader only that something is hidden."""
    classes = " ".join(node["classes"])
    translator.body.append(f'<details class="{classes}">\n<summary>{html.escape(node["label"])}</summary>\n')


def _close_fold(translator: Any, node: HideCodeCellNode) -> None:
    translator.body.append("</details>\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """A Sphinx extension."""
    app.setup_extension("myst_nb")
    app.add_directive("solution", Solution)
    app.add_directive("drawing", Drawing)
    app.add_directive("predictions", Predictions)
    app.add_transform(Alt)
    app.add_post_transform(Labels)
    app.add_node(HideCodeCellNode, override=True, html=(_open_fold, _close_fold))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
