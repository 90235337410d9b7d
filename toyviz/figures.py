"""The figures of the post by their numbers, and where the app has each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from toyviz import claims, studies
from toyviz.view import Page

TEXT = Path(__file__).with_name("words") / "figures.md"


class Figure(NamedTuple):
    """A figure of the post, and where the app has it."""

    title: str
    page: str  # id of the page
    view: str  # id of the view
    block: str  # id of the view's block that is it
    experiments: tuple[str, ...]
    address: Mapping[str, str]  # what opens it there


def figures() -> dict[str, Figure]:
    """Every figure of the post, in its order, as the views say of themselves.

    Raises ValueError where two places claim to be one figure.
    """
    return dict(_of(tuple(studies.pages().values())))


@lru_cache(maxsize=4)
def _of(pages: tuple[Page, ...]) -> Mapping[str, Figure]:
    """What these pages say, worked out once: the menu and the foot of every page ask for it at each run."""
    found: dict[str, Figure] = {}
    for page in pages:
        for view in page.views:
            for id, figure in view.figures.items():
                if id in found:
                    raise ValueError(f"{id} is on {found[id].page} and in {page.id}, {view.id}: a figure has one place")
                address = page.write(view, view.default(**figure.choice))
                found[id] = Figure(figure.title, page.id, view.id, figure.block, figure.experiments, address)
    return {id: found[id] for id in sorted(found, key=_number)}


class Entry(NamedTuple):
    """A figure with its number, and what it shows in a sentence."""

    id: str
    says: str
    figure: Figure


def sections(path: Path = TEXT) -> dict[str, list[Entry]]:
    """The figures by the sections of the post, in its order: "## section" and "- F1: what it shows" in a file.

    Raises ValueError where a line is no such line, or names no figure, and where a figure has no line.
    """
    every, found = figures(), dict[str, list[Entry]]()
    for line in filter(None, path.read_text(encoding="utf-8").splitlines()[1:]):
        if line.startswith("## "):
            entries = found.setdefault(line.removeprefix("## ").strip(), [])
            continue
        parts = re.fullmatch(r"- (F\d+): (.+)", line)
        if parts is None or parts[1] not in every or not found:
            raise ValueError(f"{line[:60]!r} is not a line about a figure, such as '- F3: what it shows'")
        entries.append(Entry(parts[1], parts[2], every[parts[1]]))
    missing = every.keys() - {entry.id for entries in found.values() for entry in entries}
    if missing:
        raise ValueError(f"nothing says what these figures show: {', '.join(sorted(missing, key=_number))}")
    return found


def claims_about(id: str) -> list[claims.Claim]:
    """The claims that were judged in the view of a figure, at what the figure says of it, such as its network."""
    figure = figures()[id]
    view = studies.page(figure.page).view(figure.view)
    at, found = view.default(**view.figures[id].choice), [claims.CLAIMS[each] for each in view.claims]
    named = {control for claim in found for control in claim.choice}
    kinds = [each.id for each in view.controls if each.id in named and not each.is_number]
    default = view.default()
    return [claim for claim in found if all(claim.choice.get(kind, default[kind]) == at[kind] for kind in kinds)]


def _number(id: str) -> int:
    return int(id.removeprefix("F"))
