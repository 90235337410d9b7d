"""What is to be taken along: which view at which choice, of it what, in which format; and what is not possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toyviz import cost, studies
from toyviz.control import quotable
from toyviz.export import theme as themes
from toyviz.export.refused import Refused
from toyviz.view import EXPORTED, Opened, Page, Plan

TAKE = ("network", "sweep")
SIDE = (100, 4000)  # pixels of a figure, both ends included
SCALE = (0.25, 8.0)
MOST_PIXELS = 40_000_000  # of a PNG
LONGEST_ADDRESS = 8000  # letters of one value


@dataclass(frozen=True)
class Asked:
    """A request that has been read, and can be served if what it needs is trained."""

    page: Page
    opened: Opened
    plan: Plan
    format: str  # a name in FORMATS
    figure: str | None = None  # the id of a block; None: all of the view
    theme: str = "light"
    width: int | None = None  # pixels; None: as it is usual
    height: int | None = None
    scale: float = 2.0  # pixels of a PNG for one of its figure
    take: str = "network"  # or "sweep": one network, or all of the view
    server: str = ""  # before the link: "http://127.0.0.1:8501"


def read(
    name: str, address: Mapping[str, str | Sequence[str]], formats: Mapping[str, object], server: str = ""
) -> Asked:
    """What the address of an export asks for: page.format?the address of the view&figure=loss.

    Raises Refused, with a sentence, for what is not understood or not possible.
    """
    given = {key: text if isinstance(text, str) else ",".join(text) for key, text in address.items()}
    too_long = next((key for key, text in given.items() if len(text) > LONGEST_ADDRESS), None)
    if too_long:
        raise Refused(f"{quotable(too_long)} is too long: at most {LONGEST_ADDRESS} letters", 414)
    options = {key: given.pop(key) for key in EXPORTED if key in given}
    id, _, suffix = name.partition(".")
    format = options.get("as") or suffix
    if format not in formats:
        raise Refused(
            f"as={quotable(format)} is not possible: one of {', '.join(formats)}", 400 if "as" in options else 404
        )
    pages = studies.pages()
    if id not in pages:
        raise Refused(f"{quotable(id)} is not a page of views: one of {', '.join(pages)}", 404)
    opened = pages[id].read(given)
    if opened.not_understood:
        raise Refused(f"this address is not understood: {'; '.join(opened.not_understood)}")
    try:
        plan = opened.view.plan(opened.choice)
        for each in plan.opened:
            cost.refuse(each)
    except ValueError as error:
        raise Refused(f"this address cannot be trained: {error}") from None
    return Asked(
        pages[id],
        opened,
        plan,
        format,
        figure=options.get("figure"),
        theme=_one_of("theme", options.get("theme", "light"), themes.NAMES),
        width=_side("width", options.get("width")),
        height=_side("height", options.get("height")),
        scale=_scale(options.get("scale")),
        take=_one_of("take", options.get("take", "network"), TAKE),
        server=server,
    )


def _one_of(name: str, text: str, values: Sequence[str]) -> str:
    if text not in values:
        raise Refused(f"{name}={quotable(text)} is not possible: one of {', '.join(values)}")
    return text


def _side(name: str, text: str | None) -> int | None:
    low, high = SIDE
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6 and low <= int(text) <= high):
        raise Refused(f"{name}={quotable(text)} is not possible: a whole number of pixels from {low} to {high}")
    return int(text)


def _scale(text: str | None) -> float:
    low, high = SCALE
    try:
        value = 2.0 if text is None else float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise Refused(f"scale={quotable(text or '')} is not possible: a number from {low:g} to {high:g}")
    return value
