"""Lines over something at the frame that the clock shows, or over the steps with a mark at that frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import GREY, Chart
from toyviz.charts.clock import LIVELY, NOW, SCHEMA, heading, meta, unseen, width_of
from toyviz.charts.sizes import filled

DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 2], [12, 3], [1, 3])  # of the first line, the second, ...
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right")
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
    frames = max((len(line.history) for line in lines), default=1)
    frames = max(frames, 1 if now is None else len(now))
    rules = rules or {}
    parts = [
        pd.DataFrame(
            {
                "place": place,
                "x": line.x,
                **{f"v{f}": line.history[min(f, len(line.history) - 1)] for f in range(frames)},
            }
        )
        for place, line in enumerate(lines)
    ]
    nothing = pd.DataFrame({"place": [0], "x": [x_ends[0]], **{f"v{f}": [np.nan] for f in range(frames)}})
    values = np.concatenate([line.history.ravel() for line in lines] + [np.array([*rules.values()], float)])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    room = WIDER * (high - low or 1.0)
    left, row, wide = _placed([line.name for line in lines])
    data = {
        "lines": pd.concat([part for part in parts if len(part)] or [nothing], ignore_index=True),
        "names": filled(
            pd.DataFrame(
                {
                    "place": [*range(len(lines))],
                    "name": [line.name for line in lines],
                    "left": left,
                    "row": row,
                }
            )
        ),
        "rules": filled(pd.DataFrame({"value": [*rules.values()], "label": [*rules]})),
        "now": pd.DataFrame({"frame": range(frames), "at": [np.nan] * frames if now is None else now}),
        "meta": meta(
            title=title,
            last=frames - 1,
            low=low - room,
            high=high + 2 * room,
            start=float(x_ends[0]),
            end=float(x_ends[1]),
            wide=wide,
        ),
    }
    said = [
        f"{line.name} from {line.history[-1][0]:.3g} to {line.history[-1][-1]:.3g}"
        for line in lines
        if line.history.size
    ]
    alt = f"{title} over {x_title}: {'; '.join(said) or 'nothing yet'}."
    rows = max(row, default=0) + 1 if legend else 0
    return Chart(_moving_lines(tuple(line.colour for line in lines), x_title, logarithmic_x, rows), data, alt)


def _placed(names: Sequence[str]) -> tuple[list[float], list[int], float]:
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
    domain = {"expr": "[data('meta')[0].start, data('meta')[0].end]"}
    scale = {"nice": False, "domain": domain, **({"type": "log"} if logarithmic_x else {"zero": False})}
    x = {
        "field": "x",
        "type": "quantitative",
        "title": x_title,
        "scale": scale,
        "axis": {
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
            **(
                {"labelExpr": "format(datum.value, '~s')", "values": [1, 10, 100, 1e3, 1e4, 1e5, 1e6]}
                if logarithmic_x
                else {"tickCount": {"expr": "clamp(floor(width / 50), 3, 7)"}}
            ),
        },
    }
    y = {
        "field": "value",
        "type": "quantitative",
        "title": None,
        "scale": {
            "nice": False,
            "zero": False,
            "domain": {"expr": "[data('meta')[0].low, data('meta')[0].high]"},
        },
        "axis": {
            "domain": False,
            "ticks": False,
            "gridOpacity": 0.4,
            "labelFontSize": 10,
            "labelColor": GREY,
            "minExtent": 30,
            "maxExtent": 30,
            "tickCount": {"expr": "clamp(floor(height / 40), 3, 7)"},
        },
    }

    def by_line(values: Sequence[Any]) -> dict[str, Any]:
        scale = {"domain": list(range(len(colours))), "range": list(values[: len(colours)])}
        return {"field": "place", "type": "nominal", "scale": scale, "legend": None}

    colour, dash, shape = by_line(colours), by_line(DASHES), by_line(SHAPES)
    about = {"lookup": "place", "from": {"data": {"name": "names"}, "key": "place", "fields": ["name"]}}
    drawn: dict[str, Any] = {
        "data": {"name": "lines"},
        "transform": [
            {"calculate": "datum['v' + frame]", "as": "value"},
            {"filter": "isValid(datum.value) && isFinite(datum.value)"},
            about,
        ],
    }
    shrink = "min(1, width / data('meta')[0].wide)"
    named: dict[str, Any] = {"data": {"name": "names"}, "transform": [{"filter": "datum.name != ''"}]}

    def along(gap: int) -> dict[str, Any]:
        return {"value": {"expr": f"(datum.left + {gap}) * {shrink}"}}

    above = {"y": {"value": {"expr": f"datum.row * 13 - {13 * rows - 5}"}}, "color": colour}
    quiet = {"color": GREY, "tooltip": None}
    layers: list[dict[str, Any]] = [
        {
            "data": {"name": "rules"},
            "mark": {"type": "rule", **quiet, "strokeDash": [2, 3]},
            "encoding": {"y": y},
        },
        {
            "data": {"name": "rules"},
            "mark": {"type": "text", **quiet, "align": "left", "dx": 3, "dy": -6, "fontSize": 10}
            | {"limit": {"expr": "width / 2"}},
            "encoding": {"x": {"value": 0}, "y": y, "text": {"field": "label", "type": "nominal"}},
        },
        {
            "data": {"name": "now"},
            "transform": [{"filter": "datum.frame == frame && isValid(datum.at)"}],
            "mark": {"type": "rule", **quiet, "opacity": 0.6},
            "encoding": {"x": {**x, "field": "at"}},
        },
        {
            **drawn,
            "mark": {"type": "line", "strokeWidth": 2, "tooltip": None},
            "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash},
        },
        {
            **drawn,
            "transform": [*drawn["transform"], {"filter": "datum.x == data('now')[frame].at"}],
            "mark": {"type": "point", "filled": True, "opacity": 1, "size": 70, "tooltip": None},
            "encoding": {"x": x, "y": y, "color": colour, "shape": shape},
        },
        {
            **drawn,
            "mark": {"type": "point", "filled": True, "opacity": 0, "size": 60},
            "encoding": {
                "x": x,
                "y": y,
                "tooltip": [
                    {"field": "name", "type": "nominal", "title": " "},
                    {"field": "x", "type": "quantitative", "title": x_title},
                    {"field": "value", "type": "quantitative", "format": ".3f"},
                ],
            },
        },
    ]
    names: list[dict[str, Any]] = [
        {
            **named,
            "mark": {"type": "rule", "strokeWidth": 2, "tooltip": None},
            "encoding": {**above, "x": along(0), "x2": along(18), "strokeDash": dash},
        },
        {
            **named,
            "mark": {"type": "text", "align": "left", "baseline": "middle", "fontWeight": "bold", "tooltip": None}
            | {"fontSize": {"expr": f"max(7.5, 11.5 * {shrink})"}, "limit": {"expr": "width / 2 - 26"}},
            "encoding": {**above, "x": along(23), "text": {"field": "name", "type": "nominal"}},
        },
    ]
    return {
        "$schema": SCHEMA,
        "title": heading(6),
        "params": NOW,
        "layer": [*unseen("meta"), *layers, *(names if rows else [])],
        **LIVELY,
    }
