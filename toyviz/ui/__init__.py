"""What the pages share of Streamlit: their frame, their controls, and the training that a visitor watches."""

from toyviz.ui import opening
from toyviz.ui.controls import choice, control, number, remember, shown
from toyviz.ui.frame import ICON, draw, frame, link, many, notes, title, wide
from toyviz.ui.inside import behind, command, replay
from toyviz.ui.pictures import open_place, picture, post_figure, sources
from toyviz.ui.training import step, stored, trained
from toyviz.ui.verdicts import claim, published_claim

__all__ = [
    "ICON",
    "behind",
    "choice",
    "claim",
    "command",
    "control",
    "draw",
    "frame",
    "link",
    "many",
    "notes",
    "number",
    "open_place",
    "opening",
    "picture",
    "post_figure",
    "published_claim",
    "remember",
    "replay",
    "shown",
    "sources",
    "step",
    "stored",
    "title",
    "trained",
    "wide",
]
