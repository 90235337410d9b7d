"""The frame of a page, how it draws a figure, and how it says numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from toyviz.charts import Chart
from toyviz.ui import sent

ROOT = Path(__file__).parents[2]
ICON = str(ROOT / "docs" / "icon.png")
STYLE = """<style>
.stMainBlockContainer {max-width: 96rem; padding-top: 3.5rem}
.stMainBlockContainer h1 {font-size: 1.75rem; padding: .25rem 0}
@media (min-width: 48rem) {.stMainBlockContainer {padding-left: 2rem; padding-right: 2rem}}
[data-testid="stButtonGroup"] > [role="radiogroup"] {flex-wrap: wrap}
</style>"""


def title(name: str, question: str) -> None:
    """The head of a page: its name and the question that it answers."""
    st.title(name, anchor=False)
    st.markdown(f"##### {question}")


def draw(
    figure: Chart,
    key: str,
    *,
    where: Any = None,
    fill: bool = False,
) -> None:
    """Draw a figure; with fill, as large as the room that it stands in, if it is not a grid of fixed squares."""
    spec = with_data(figure)
    options: dict[str, Any] = {"width": "content" if figure.square else "stretch", "alt": figure.alt}
    if fill:
        spec = {name: value for name, value in spec.items() if name not in ("width", "height")}
        spec["autosize"] = {"type": "fit", "contains": "padding"}
        options |= {"width": "stretch", "height": "stretch"}
    (where or st).vega_lite_chart(spec=spec, key=key, **options)


def with_data(figure: Chart) -> dict[str, Any]:
    """The figure's spec with its data sets as they are sent: Streamlit passes on what is in Arrow's form already.

    A figure that many look at, or one again and again, is put into that form once: it takes longer than all the rest.
    """
    return {**figure.spec, "datasets": {name: sent.as_sent(frame) for name, frame in figure.data.items()}}


def link(page: str, *, where: Any = None, **options: Any) -> None:
    """A way to a page of the menu, given by its path: pages/start/home.py."""
    (where or st).page_link(str(ROOT / page), icon=":material/arrow_forward:", **options)


def frame() -> None:
    """What every page has around it."""
    st.logo(ICON, size="large")
    st.html(STYLE)


def wide(where: Any = None) -> Any:
    """A container for figures of a fixed width: on a narrow screen it scrolls sideways by itself."""
    return (where or st).container(horizontal=True, wrap=False).container(width="content")


def sentence(text: Any, capital: bool = True) -> str:
    """The text with a capital at its start, unless it goes on after a colon, and a full stop at its end."""
    text = str(text or "The cause is not known.").strip()
    text = text[0].upper() + text[1:] if capital else text
    return text if text[-1] in ".!?" else text + "."


def many(number: int, thing: str) -> str:
    """ "1 network", "13 networks"."""
    return f"{number} {thing}" if number == 1 else f"{number:,} {thing}s"
