"""The menu: the pages by the folder that they lie in, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from toyviz import studies
from toyviz.figures import figures

FOLDER = Path(__file__).parents[1] / "pages"
SECTIONS = {  # folder -> what the menu calls it
    "start": "",
    "bottleneck": "Bottleneck",
    "mlp_block": "MLP block",
    "final_layer": "Final layer",
    "appendix": "Appendix",
    "claims": "Claims",
}
WITHOUT_VIEWS = {  # title, icon, and place within the section, of the pages that are not made of views
    "home": ("Start", "home", 1),
    "course": ("Course", "school", 2),
    "the_post": ("The post", "article", 3),
    "claims": ("Claims", "fact_check", 1),
}


class Entry(NamedTuple):
    """A line of the menu. An entry with an address opens a page of another section there."""

    name: str  # of its file, and its path in the address
    title: str
    icon: str
    section: str
    path: str  # pages/start/home.py
    place: int
    address: Mapping[str, str] = {}


def entries() -> list[Entry]:
    """Every line of the menu, in its order."""
    found = [_entry(path) for path in FOLDER.glob("*/*.py")]
    mlp = figures()["F11"]
    descent = next(each for each in found if each.name == mlp.page)
    title = f"{descent.title} in the MLP"
    found.append(descent._replace(name="mlp_double_descent", title=title, section="mlp_block", address=mlp.address))
    sections = list(SECTIONS)
    return sorted(found, key=lambda each: (sections.index(each.section), each.place))


def _entry(path: Path) -> Entry:
    name, section, where = path.stem, path.parent.name, path.relative_to(FOLDER.parent).as_posix()
    if name in WITHOUT_VIEWS:
        return Entry(name, *WITHOUT_VIEWS[name][:2], section, where, WITHOUT_VIEWS[name][2])
    page = studies.page(name)
    return Entry(name, page.title, page.icon, section, where, page.place)
