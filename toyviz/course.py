"""The course: what its text says, step by step, and the picture that belongs to each. A teacher can edit the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from toyviz import view
from toyviz.figures import figures

TEXT = Path(__file__).with_name("words") / "course.md"


class Place(NamedTuple):
    """A block of a view, and what opens it."""

    page: str
    address: dict[str, str]
    block: str  # empty for the first figure of the view


class Step(NamedTuple):
    """A title, a text, and where it leads."""

    chapter: str
    title: str
    text: str
    leads_to: str  # in words
    place: Place


class Course(NamedTuple):
    """A title, what comes before the first step, and the steps in their order."""

    title: str
    text: str
    steps: tuple[Step, ...]


def course(path: Path = TEXT) -> Course:
    """The course that a file holds: "# title", "## chapter", "### step", its text, and "[words](F3)" at its end.

    What stands in brackets is a figure of the post, or the address of a view with the id of a block behind a hash:
    "/double_descent?T=5#loss". Raises ValueError, naming the step, where there is none or it leads nowhere.
    """
    first, *parts = re.split(r"^(?=##)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    title, _, text = first.partition("\n")
    return Course(title.removeprefix("# ").strip(), text.strip(), tuple(_steps(parts)))


def _steps(parts: list[str]) -> Iterator[Step]:
    chapter = ""
    for part in parts:
        heading, _, text = part.partition("\n")
        if not heading.startswith("### "):
            chapter = heading.removeprefix("## ").strip()
            continue
        title = heading.removeprefix("### ").strip()
        found = re.search(r"^\[([^\]]+)\]\(([^)]+)\)\s*\Z", text.strip(), re.MULTILINE)
        if found is None:
            raise ValueError(f"step {title!r} must end with where it leads, such as [Double descent](F3)")
        text = text.strip().removesuffix(found.group(0)).strip()
        try:
            yield Step(chapter, title, text, found.group(1), place(found.group(2)))
        except ValueError as error:
            raise ValueError(f"step {title!r} leads nowhere: {error}") from None


def place(link: str) -> Place:
    """What a figure's number, such as F3, or an address with a block's id behind a hash leads to."""
    if not link.startswith("/"):
        every = figures()
        if link not in every:
            raise ValueError(f"{link!r} is neither a figure of the post, F1 to F{len(every)}, nor an address")
        figure = every[link]
        return Place(figure.page, dict(figure.address), figure.block or "")
    address, _, block = link.partition("#")
    page, parameters = view.link(address)
    return Place(page, {name: ",".join(texts) for name, texts in parameters.items()}, block)
