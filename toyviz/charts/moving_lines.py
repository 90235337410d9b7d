"""Lines over something at the frame that the clock shows, or over the steps with a mark at that frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import GREY, Chart, filled, stacked
from toyviz.charts.clock import NOW
from toyviz.charts.curves import DASHES, SHAPES
from toyviz.charts.layers import (
    META,
    between,
    by,
    calculated,
    computed,
    grey,
    heading,
    layer,
    mark,
    meta,
    nominal,
    quantity,
    specification,
    width_of,
)
from toyviz.charts.ticks import number_axis

ROW = 290  # pixels that one row of a legend takes
WIDER = 0.06  # of the range of values, that the axis is longer at each end


class Line(NamedTuple):
    """A line: its name, where its points lie, their values at each frame, and its colour."""

    name: str
    x: np.ndarray  # (k,)
    history: np.ndarray  # (f, k); one frame for what does not move
    colour: str


def moving_lines(
    lines: Sequence[Line],
    title: str,
    x_title: str,
    *,
    rules: Mapping[str, float] | None = None,
    now: np.ndarray | None = None,
    x_ends: tuple[float, float] = (0.0, 1.0),
    logarithmic_x: bool = False,
    legend: bool = True,
) -> Chart:
    """Lines whose values follow the clock, on one scale for the whole history; values that are NaN are left out.

    lines: at most as many as there are DASHES; one without points yet is named all the same.
    rules: dotted lines at these values, by name. now: (f,), where each frame lies along x: a rule at the frame of the
    clock, for lines over the steps. x_ends: of the axis, which no result moves. legend: whether the lines are named
    above the plot, or another chart beside it names them.
    """
    if len(lines) > len(DASHES):
        raise ValueError(f"lines has {len(lines)} names; at most {len(DASHES)} can be told apart")
    frames = max([*(len(line.history) for line in lines), 1 if now is None else len(now)])
    rules = rules or {}
    low, high = _ends([line.history for line in lines], [*rules.values()])
    left, row, wide = _legend_places([line.name for line in lines])
    names = pd.DataFrame({"place": range(len(lines)), "name": [line.name for line in lines], "left": left, "row": row})
    start, end = map(float, x_ends)
    data = {
        "lines": _points(lines, frames, start),
        "names": filled(names),
        "rules": filled(pd.DataFrame({"value": [*rules.values()], "label": [*rules]})),
        "now": pd.DataFrame({"frame": range(frames), "at": [np.nan] * frames if now is None else now}),
        "meta": meta(title=title, last=frames - 1, low=low, high=high, start=start, end=end, wide=wide),
    }
    drawn = [(line.name, line.history[-1]) for line in lines if line.history.size]
    said = "; ".join(f"{name} from {values[0]:.3g} to {values[-1]:.3g}" for name, values in drawn)
    rows = max(row, default=0) + 1 if legend else 0
    spec = _moving_lines(tuple(line.colour for line in lines), x_title, logarithmic_x, rows)
    return Chart(spec, data, f"{title} over {x_title}: {said or 'nothing yet'}.")


def _points(lines: Sequence[Line], frames: int, start: float) -> pd.DataFrame:
    """A row for each point of each line, its values as columns v0, v1, ...; one of nothing where there is none."""
    parts = [
        {"place": place, "x": line.x, **{f"v{f}": line.history[min(f, len(line.history) - 1)] for f in range(frames)}}
        for place, line in enumerate(lines)
        if len(line.x)
    ]
    moving = [f"v{f}" for f in range(frames)]
    nothing = [{"place": 0, "x": [start], **dict.fromkeys(moving, np.nan)}]
    return stacked(parts or nothing, "place", "x", *moving)


def _ends(histories: Sequence[np.ndarray], rules: Sequence[float]) -> tuple[float, float]:
    """The ends of an axis that holds the whole history and the rules, with some room."""
    values = np.concatenate([*(history.ravel() for history in histories), np.array(rules, float)])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    room = WIDER * (high - low or 1.0)
    return low - room, high + 2 * room


def _legend_places(names: Sequence[str]) -> tuple[list[float], list[int], float]:
    """Where each name of a legend begins, in which row it stands, and how wide the widest row is."""
    widths = [width_of(name) + 8 for name in names]
    most = max([ROW, *widths])
    left: list[float] = []
    rows: list[int] = []
    at, row, widest = 0.0, 0, 1.0
    for width in widths:
        if at and at + width > most:
            at, row = 0.0, row + 1
        left.append(at)
        rows.append(row)
        at += width
        widest = max(widest, at)
    return left, rows, widest


@cache
def _moving_lines(colours: tuple[str, ...], x_title: str, logarithmic_x: bool, rows: int) -> dict[str, Any]:
    at = {"x": _x(x_title, logarithmic_x), "y": _y()}
    places = range(len(colours))
    colour, dash = by("place", places, colours), by("place", places, DASHES[: len(colours)])
    shape = by("place", places, SHAPES[: len(colours)])
    shown = (
        *calculated(value="datum['v' + frame]"),
        "isValid(datum.value) && isFinite(datum.value)",
        {"lookup": "place", "from": {"data": {"name": "names"}, "key": "place", "fields": ["name"]}},
    )
    here = "datum.x == data('now')[frame].at"
    tooltip = [nominal("name", title=" "), quantity("x", title=x_title), quantity("value", format=".3f")]
    label = grey("text", align="left", dx=3, dy=-6, fontSize=10, limit={"expr": "width / 2"})
    point = mark("point", filled=True, opacity=1, size=70)
    now = ("datum.frame == frame && isValid(datum.at)",)
    layers = [
        layer("rules", grey("rule", strokeDash=[2, 3]), y=at["y"]),
        layer("rules", label, x={"value": 0}, y=at["y"], text=nominal("label")),
        layer("now", grey("rule", opacity=0.6), *now, x={**at["x"], "field": "at"}),
        layer("lines", mark("line", strokeWidth=2), *shown, **at, color=colour, strokeDash=dash),
        layer("lines", point, *shown, here, **at, color=colour, shape=shape),
        layer("lines", mark("point", filled=True, opacity=0, size=60), *shown, **at, tooltip=tooltip),
        *(_names(colour, dash, rows) if rows else []),
    ]
    return specification(layers, heading(6), NOW)


def _x(title: str, logarithmic: bool) -> dict[str, Any]:
    ticks = (
        {"labelExpr": "format(datum.value, '~s')", "values": [1, 10, 100, 1e3, 1e4, 1e5, 1e6]}
        if logarithmic
        else {"tickCount": {"expr": "clamp(floor(width / 50), 3, 7)"}}
    )
    axis = {
        "grid": False,
        "labelFontSize": 10,
        "labelColor": GREY,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "titleColor": GREY,
        "labelOverlap": True,
        "domainColor": GREY,
        "domainOpacity": 0.6,
        "tickColor": GREY,
        "tickSize": 3,
        **ticks,
    }
    kind = {"type": "log"} if logarithmic else {"zero": False}
    return quantity("x", title=title, scale=between(f"{META}.start", f"{META}.end", **kind), axis=axis)


def _y() -> dict[str, Any]:
    axis = number_axis("height", 40, 3, 7, gridOpacity=0.4, minExtent=30, maxExtent=30)
    return quantity("value", title=None, scale=between(zero=False), axis=axis)


def _names(colour: dict[str, Any], dash: dict[str, Any], rows: int) -> list[dict[str, Any]]:
    """The names of the lines in rows above the plot, each after a piece of its line; smaller where too long."""
    shrink, y = f"min(1, width / {META}.wide)", f"datum.row * 13 - {13 * rows - 5}"
    x, x2, after = (f"(datum.left + {gap}) * {shrink}" for gap in (0, 18, 23))
    size, limit = {"expr": f"max(7.5, 11.5 * {shrink})"}, {"expr": "width / 2 - 26"}
    text = mark("text", align="left", baseline="middle", fontWeight="bold", fontSize=size, limit=limit)
    line = {**computed(x=x, x2=x2, y=y), "color": colour, "strokeDash": dash}
    return [
        layer("names", mark("rule", strokeWidth=2), "datum.name != ''", **line),
        layer("names", text, "datum.name != ''", **computed(x=after, y=y), color=colour, text=nominal("name")),
    ]
