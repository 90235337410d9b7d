"""The app's colours and fonts, for figures that leave it: read from .streamlit/config.toml, light or dark."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

CONFIG = Path(__file__).parents[2] / ".streamlit" / "config.toml"
NAMES = ("light", "dark")
QUIET = 0.72  # of the text's colour in labels, the rest is the background's


class Theme(NamedTuple):
    """Colours as "#rrggbb", fonts as CSS families."""

    name: str
    background: str
    text: str
    quiet: str  # labels and captions
    border: str
    font: str
    heading: str
    category: list[str]
    ramp: list[str]
    diverging: list[str]


@cache
def theme(name: str) -> Theme:
    """The theme of this name, one of NAMES."""
    whole = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["theme"]
    own = whole | whole[name]
    return Theme(
        name=name,
        background=own["backgroundColor"],
        text=own["textColor"],
        quiet=mixed(own["textColor"], own["backgroundColor"], QUIET),
        border=own["borderColor"],
        font=own["font"],
        heading=own["headingFont"],
        category=own["chartCategoricalColors"],
        ramp=own["chartSequentialColors"],
        diverging=own["chartDivergingColors"],
    )


def mixed(one: str, other: str, share: float) -> str:
    """A colour between two, with this share of the first."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


def vega_config(theme: Theme) -> dict[str, Any]:
    """The theme as Vega-Lite's config: what Streamlit makes of the same colours on a page."""
    label = {"labelColor": theme.quiet, "labelFontWeight": "normal", "titleFontWeight": "normal"}
    label |= {"titleColor": theme.quiet}
    return {
        "background": theme.background,
        "font": theme.font,
        "title": {"align": "left", "anchor": "start", "color": theme.text, "fontSize": 16, "fontWeight": "bold"},
        "header": {**label, "labelFontSize": 12, "titleFontSize": 16},
        "axis": {
            **label,
            **{"labelFontSize": 12, "titleFontSize": 14, "ticks": False, "domain": False, "titlePadding": 12},
            **{"gridColor": theme.border, "domainColor": theme.border, "tickColor": theme.border, "labelPadding": 8},
            **{"labelFlush": True, "labelBound": False, "labelLimit": 100, "labelOverlap": True},
        },
        "axisDiscrete": {"grid": False},
        "axisXPoint": {"grid": False},
        "axisXBand": {"grid": False},
        "legend": {**label, "labelFontSize": 14, "titleFontSize": 14, "titlePadding": 5, "padding": 7},
        "range": {
            "category": theme.category,
            "diverging": theme.diverging,
            "ramp": theme.ramp,
            "heatmap": theme.ramp,
        },
        "view": {"strokeWidth": 0, "stroke": "transparent", "continuousHeight": 350, "continuousWidth": 400},
        "mark": {"color": theme.category[0]},
        "bar": {"discreteBandSize": {"band": 0.85}},
    }


def _channels(colour: str) -> list[int]:
    return [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
