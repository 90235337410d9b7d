"""What charts of several small panels share that follow the clock: titles, the line above them, pointing, picking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toyviz.charts.chart import GREY
from toyviz.charts.clock import ANY, DIMMED, LIT, OWN_SCALE, POINT, targets

KEY = 18  # pixels: the line above all panels, which says what the axes and the colours are
HEAD = 16  # the title of a panel
BAR = 56  # the colours in that line
OWN_OR_ALL: list[dict[str, Any]] = [
    {"name": "own", "bind": {"element": OWN_SCALE, "event": "input"}},
    {"name": "own_scale", "expr": "isValid(own) && own != ''"},
    {"name": "scale", "expr": "data('scales')[min(frame, length(data('scales')) - 1)]"},
]


def title_of(panels: Sequence[Any]) -> list[str]:
    """The titles that panels carry; none where one stands alone, whose title is that of the chart."""
    return [panel.title for panel in panels if panel.title] if len(panels) > 1 else []


def pickable(pick: Sequence[str]) -> dict[str, Any]:
    """The transforms and parameters of marks that light their kin, and of which a click picks these fields."""
    return targets(*pick, linked=True, nearest=False) if pick else {"transform": [], "params": [POINT]}


def brightness() -> str:
    """The opacity of a mark: that of what the pointer is not on is low."""
    return f"({ANY} && !({LIT}) ? {DIMMED} : 1)"


def tooltip_of(told: Sequence[str]) -> list[dict[str, Any]]:
    """What a tooltip tells beside the value."""
    return [{"field": name, "type": "nominal", "title": name.replace("_", " ")} for name in told]


def titles(x: str, y: str, room: str) -> dict[str, Any]:
    """The titles of the panels above them, smaller where they would be too long. All in pixels."""
    return {
        "data": {"name": "panels"},
        "transform": [{"filter": "isValid(datum.left) && datum.title != ''"}],
        "mark": {
            "type": "text",
            "color": GREY,
            "align": "left",
            "baseline": "middle",
            "fontSize": {"expr": f"clamp(11 * ({room}) / (6 * length(datum.title)), 8.5, 11)"},
            "limit": {"expr": room},
            "tooltip": None,
        },
        "encoding": {
            "x": {"value": {"expr": x}},
            "y": {"value": {"expr": f"{y} - {HEAD / 2 + 1:g}"}},
            "text": {"field": "title", "type": "nominal"},
        },
    }


def said_axes(room: str) -> list[dict[str, Any]]:
    """What lies along the axes, in the line above the panels."""
    mark = {"type": "text", "color": GREY, "fontSize": 11, "align": "left", "baseline": "middle", "tooltip": None}
    at = {"x": {"value": 0}, "y": {"value": KEY / 2 - 3}, "text": {"field": "axes", "type": "nominal"}}
    return [
        {
            "data": {"name": "meta"},
            "mark": {**mark, "limit": {"expr": f"max(1, {room})"}, "opacity": {"expr": f"{room} < 50 ? 0 : 1"}},
            "encoding": at,
        }
    ]


def gradient(right: str, colours: Sequence[str | None], low: str, high: str, name: str = "''") -> list[dict[str, Any]]:
    """The colours at the right of the line above the panels, with their ends; None is transparent.

    right: where they end, in pixels. low, high, name: expressions for what is written.
    """
    stops = []
    for place, colour in enumerate(colours):
        near = next(c for c in (colour, *colours[place - 1 : place], *colours[place + 1 :]) if c)
        stops.append((place / (len(colours) - 1), colour or near + "00"))
    if None in colours:  # transparent towards both of its neighbours, not by way of one of them
        middle = colours.index(None)
        at = middle / (len(colours) - 1)
        stops[middle : middle + 1] = [(at, f"{colours[middle - 1]}00"), (at, f"{colours[middle + 1]}00")]
    fill = {
        "gradient": "linear", "x1": 0, "x2": 1, "y1": 0, "y2": 0,
        "stops": [{"offset": at, "color": colour} for at, colour in stops],
    }  # fmt: skip
    y = {"y": {"value": KEY / 2 - 3}}
    after = f"(6.2 * length({high}) + 4)"
    start, end = f"{right} - {after} - {BAR}", f"{right} - {after}"

    def words(text: str, x: str, align: str) -> dict[str, Any]:
        mark = {"type": "text", "color": GREY, "fontSize": 11, "align": align, "baseline": "middle", "tooltip": None}
        encoding = {**y, "x": {"value": {"expr": x}}, "text": {"value": {"expr": text}}}
        return {"data": {"name": "meta"}, "mark": mark, "encoding": encoding}

    ends = {"x": {"value": {"expr": start}}, "x2": {"value": {"expr": end}}}
    high_of = {"y": {"value": KEY / 2 - 7}, "y2": {"value": KEY / 2 + 1}}
    box = {"type": "rect", "color": fill, "stroke": GREY, "strokeOpacity": 0.5, "strokeWidth": 0.5, "tooltip": None}
    return [
        {"data": {"name": "meta"}, "mark": box, "encoding": {**ends, **high_of}},
        words(low, f"{start} - 4", "right"),
        words(high, f"{end} + 4", "left"),
        words(name, f"{start} - 10 - 6.2 * length({low})", "right"),
    ]
