"""What charts of several small panels share: where they lie, their grounds and titles, and the line above them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from toyviz.charts.chart import GREY
from toyviz.charts.clock import POINTED_AT
from toyviz.charts.layers import META, computed, grey, layer, mark, nominal, quantity

KEY = 18  # pixels: the line above all panels, which says what the axes and the colours are
HEAD = 16  # the title of a panel
BAR = 56  # the colours in that line
COLUMN_WIDTH = f"(width / {META}.count)"  # of panels in one row


class Square(NamedTuple):
    """Where small squares lie, as expressions in pixels: the middle and the side. Within, u and v go from -1 to 1."""

    x: str
    y: str
    side: str

    def at(self, u: str = "0", v: str = "0") -> dict[str, Any]:
        """Channels for a place in each square."""
        return computed(x=f"{self.x} + ({u}) * {self.side} / 2", y=f"{self.y} - ({v}) * {self.side} / 2")

    def line(self, u: str, v: str, u2: str, v2: str) -> dict[str, Any]:
        """Channels for a line in each square."""
        end = self.at(u2, v2)
        return {**self.at(u, v), "x2": end["x"], "y2": end["y"]}

    def sides(self, factor: str = "") -> dict[str, Any]:
        """The size of a mark that is as large as the square, times a factor: "datum.square * "."""
        return {name: {"expr": f"{factor}{self.side}"} for name in ("width", "height")}


def title_of(panels: Sequence[Any]) -> list[str]:
    """The titles that panels carry; none where one stands alone, whose title is that of the chart."""
    return [panel.title for panel in panels if panel.title] if len(panels) > 1 else []


def tooltip_of(told: Sequence[str]) -> list[dict[str, Any]]:
    """What a tooltip tells beside the value."""
    return [{"field": name, "type": "nominal", "title": name.replace("_", " ")} for name in told]


def titles(x: str, y: str, room: str) -> dict[str, Any]:
    """The titles of the panels above them, smaller where they would be too long. All in pixels."""
    size, limit = {"expr": f"clamp(11 * ({room}) / (6 * length(datum.title)), 8.5, 11)"}, {"expr": room}
    text = grey("text", align="left", baseline="middle", fontSize=size, limit=limit)
    at = computed(x=x, y=f"{y} - {HEAD / 2 + 1:g}")
    return layer("panels", text, "isValid(datum.left) && datum.title != ''", **at, text=nominal("title"))


def along(name: str) -> dict[str, Any]:
    """A place among panels in one row: the first from 0 to 1, the second from 1 to 2, ..."""
    scale = {"domain": {"expr": f"[0, {META}.count]"}, "nice": False, "zero": False}
    return quantity(name, scale=scale, axis=None)


def ground(data: str, picks: dict[str, Any] | None = None) -> dict[str, Any]:
    """A quiet ground under the panel of one row that is looked into, and under that which is pointed at."""
    opacity = {"expr": f"datum.selected ? 0.17 : {POINTED_AT} ? 0.1 : 0.001"}
    rect = mark("rect", fill=GREY, cornerRadius=4, fillOpacity=opacity)
    return layer(data, rect, picks=picks, x=along("left"), x2={"field": "right"}, **computed(y=0, y2="height"))


def column_names(data: str, field: str, y: str | float) -> dict[str, Any]:
    """The names of panels in one row, each in the middle of its panel; that which is looked into is bold."""
    weight = {"expr": "datum.selected ? 'bold' : 'normal'"}
    text = grey("text", fontSize=11, baseline="bottom", limit={"expr": f"{COLUMN_WIDTH} - 2"}, fontWeight=weight)
    middle = {"calculate": "(datum.left + datum.right) / 2", "as": "middle"}
    return layer(data, text, middle, x=along("middle"), **computed(y=y), text=nominal(field))


def row_names(x: float, y: str, room: str, *transform: str, **colour: Any) -> dict[str, Any]:
    """The names of rows of panels at the left, turned; grey where no colour is given."""
    text = mark("text", fontSize=11, angle=270, limit={"expr": room})
    text |= {} if colour else {"color": GREY}
    return layer("rows", text, *transform, **computed(x=x, y=y), text=nominal("name"), **colour)


def said_axes(room: str) -> dict[str, Any]:
    """What lies along the axes, in the line above the panels."""
    seen = {"limit": {"expr": f"max(1, {room})"}, "opacity": {"expr": f"{room} < 50 ? 0 : 1"}}
    text = grey("text", fontSize=11, align="left", baseline="middle", **seen)
    return layer("meta", text, **computed(x=0, y=KEY / 2 - 3), text=nominal("axes"))


def gradient(right: str, colours: Sequence[str | None], low: str, high: str, name: str = "''") -> list[dict[str, Any]]:
    """The colours at the right of the line above the panels, with their ends; None is transparent.

    right: where they end, in pixels. low, high, name: expressions for what is written.
    """
    end = f"{right} - (6.2 * length({high}) + 4)"
    start = f"{end} - {BAR}"

    def words(text: str, x: str, align: str) -> dict[str, Any]:
        written = grey("text", fontSize=11, align=align, baseline="middle")
        return layer("meta", written, **computed(x=x, y=KEY / 2 - 3, text=text))

    box = mark("rect", color=ramp(colours), stroke=GREY, strokeOpacity=0.5, strokeWidth=0.5)
    return [
        layer("meta", box, **computed(x=start, x2=end, y=KEY / 2 - 7, y2=KEY / 2 + 1)),
        words(low, f"{start} - 4", "right"),
        words(high, f"{end} + 4", "left"),
        words(name, f"{start} - 10 - 6.2 * length({low})", "right"),
    ]


def ramp(colours: Sequence[str | None]) -> dict[str, Any]:
    """Colours from left to right, evenly spaced; None, between two, is transparent towards both of them."""
    stops = []
    for place, colour in enumerate(colours):
        here = [colour] if colour else [f"{near}00" for near in (colours[place - 1], colours[place + 1])]
        stops += [{"offset": place / (len(colours) - 1), "color": each} for each in here]
    return {"gradient": "linear", "x1": 0, "x2": 1, "y1": 0, "y2": 0, "stops": stops}
