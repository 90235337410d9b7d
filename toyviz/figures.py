"""The figures of the post by their numbers, and where the app has each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from toyviz import claims, settings, studies

TEXT = Path(__file__).with_name("words") / "figures.md"
POST = "https://www.lesswrong.com/posts/KzwB4ovzrZ8DYWgpw/more-findings-on-memorization-and-double-descent"
PAPERS = {
    "Toy models of superposition (2022)": "https://transformer-circuits.pub/2022/toy_model/index.html",
    "Superposition, memorization, and double descent (2023)": (
        "https://transformer-circuits.pub/2023/toy-double-descent/index.html"
    ),
}


@dataclass(frozen=True)
class Figure:
    """A figure of the post, and where the app has it."""

    title: str
    page: str  # its file under pages/, without folder and ending
    tab: str | None  # the view of the page that has it; None where there is only one
    chart: str | None  # the function of toyviz.charts that draws it; None where a block of a view is the figure
    key: str  # which of the view's charts it is: the block's id, or what ui.draw has it under
    experiments: tuple[str, ...]
    controls: Mapping[str, str] = field(default_factory=dict)  # other parameters of the address, and their values
    view: str | None = None  # id of the view; None on a page that is not made of views

    @property
    def block(self) -> str | None:
        """The id of the view's block that is it; None on a page that is not made of views."""
        return self.key if self.view else None

    @property
    def address(self) -> dict[str, str]:
        """What opens it: the parameters of the page's address, with their values."""
        return ({TABS[self.page]: self.tab} if self.tab and not self.view else {}) | dict(self.controls)


TABS = {  # the parameter of the address that holds the open view, of each page with several that has no views yet
}

DRAWN: dict[str, Figure] = {  # those on pages that are not made of views
    "F1": Figure(
        "Three parts of a transformer, each taken out", "fish", None, "components", "components", settings.FISH
    ),
    ),
    "F18": Figure("The shapes of the three fish", "fish", None, "fish_shapes", "shapes", settings.FISH),
    "F19": Figure("Big fish over bottleneck and hidden size", "fish", None, "size_map", "mse-big_fish", ("big_fish",)),
    "F20": Figure(
        "Small fish over bottleneck and hidden size", "fish", None, "size_map", "mse-small_fish", ("small_fish",)
    ),
    "F21": Figure(
        "Re-projector over bottleneck and hidden size", "fish", None, "size_map", "mse-reproject", ("reproject",)
    ),
    ),
}


def figures() -> dict[str, Figure]:
    """Every figure, in the post's order: the table above, and what the views say of themselves.

    Raises ValueError where two places claim to be one figure.
    """
    found = dict(DRAWN)
    for page in studies.pages().values():
        for view in page.views:
            for id, figure in view.figures.items():
                if id in found:
                    raise ValueError(f"{id} is on {found[id].page} and in {page.id}, {view.id}: a figure has one place")
                address = page.write(view, view.default(**figure.choice))
                found[id] = Figure(
                    figure.title, page.id, view.id, None, figure.block, figure.experiments, address, view.id
                )
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
    if figure.view is None:
        return []
    view = studies.page(figure.page).view(figure.view)
    at, found = view.default(**view.figures[id].choice), [claims.CLAIMS[each] for each in view.claims]
    named = {control for claim in found for control in claim.choice}
    kinds = [each.id for each in view.controls if each.id in named and not each.is_number]
    default = view.default()
    return [claim for claim in found if all(claim.choice.get(kind, default[kind]) == at[kind] for kind in kinds)]


def _number(id: str) -> int:
    return int(id.removeprefix("F"))
