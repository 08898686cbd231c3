"""Where the course explains what a report tells: links, if the report lies in a clone that has the course."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup, escape

from toymdrl import catalogue
from toymdrl.claims.base import Chapter

_COMMAND = re.compile(r"`([^`]+)`")
_THEOREM = re.compile(r"\bT\d+\b(?:\([a-z]\))?")


@dataclass(frozen=True)
class Course:
    """The course as it is seen from a page."""

    root: str | None
    """The clone's folder, relative to the page's; None if the page lies elsewhere, where a link would soon be dead."""

    @classmethod
    def seen_from(cls, folder: Path) -> "Course":
        """From a page in this folder."""
        experiments = catalogue.folder()
        clone = experiments.parent.resolve() if experiments else None
        here = folder.resolve()
        if clone is None or not (clone / "book").is_dir() or not here.is_relative_to(clone):
            return cls(None)
        return cls(Path(os.path.relpath(clone, here)).as_posix())

    def why(self, chapter: Chapter) -> Markup:
        """Where a chapter of a report is explained."""
        file, number = f"book/{chapter.course}.md", int(chapter.course.partition("_")[0])
        if self.root is None:
            return Markup("Chapter {} of the course, <code>{}</code>").format(number, file)
        return Markup('<a href="{}/{}">Chapter {}</a> of the course').format(self.root, file, number)

    def prose(self, text: str) -> Markup:
        """A text with its commands set apart, and its theorems linked to where they are stated."""
        told = _COMMAND.sub(r"<code>\1</code>", str(escape(text)))
        if self.root is not None:
            link = Markup('<a href="{}/theory/README.md">{}</a>')
            told = _THEOREM.sub(lambda match: str(link.format(self.root, match[0])), told)
        return Markup(told)
