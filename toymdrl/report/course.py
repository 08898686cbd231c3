"""Where the course explains what a report tells: links, if the report lies in a clone that has the course."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup, escape

from toymdrl import catalogue
from toymdrl.claims.base import Chapter

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
            return Markup("chapter {} of the course, <code>{}</code>").format(number, file)
        return Markup('<a href="{}/{}">chapter {}</a> of the course').format(self.root, file, number)

    def theorems(self, text: str) -> Markup:
        """A text with its theorems linked to where they are stated."""
        if self.root is None:
            return escape(text)
        link = Markup('<a href="{}/theory/README.md">{}</a>')
        return Markup(_THEOREM.sub(lambda match: str(link.format(self.root, match[0])), str(escape(text))))
