"""What the pages share of Streamlit: their frame, the stage of a view, and pictures of what is trained."""

from toyviz.ui import opening
from toyviz.ui.frame import ICON, draw, frame, link, many, title, wide
from toyviz.ui.inside import behind, command
from toyviz.ui.pictures import open_place, picture, post_figure, sources, stored
from toyviz.ui.verdicts import claim, published_claim

__all__ = [
    "ICON",
    "behind",
    "claim",
    "command",
    "draw",
    "frame",
    "link",
    "many",
    "open_place",
    "opening",
    "picture",
    "post_figure",
    "published_claim",
    "sources",
    "stored",
    "title",
    "wide",
]
