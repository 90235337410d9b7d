"""Small planes in rows and columns over the whole history of a training: a column a network, a row a kind of vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import GREY, Chart, records, stands_alone
from toyviz.charts.clock import LIVELY, NOW, OWN_SCALE, SCHEMA, Kind, heading, meta, packed, targets, together, unseen
from toyviz.charts.sizes import filled, seen_and_not

MARGIN = 1.12  # a plane is this much wider than what it holds
DOTS = 250  # vectors drawn in one plane at most
CELL = ("place", "line", "value", "told", "kin", "selected", "trained", "scale")


class Vectors(NamedTuple):
    """Vectors of one kind, over frames, and which of them the training has seen."""

    history: np.ndarray  # (f, k, 2)
    seen: np.ndarray  # (k,) bool


class Column(NamedTuple):
    """One network: its label, with a | where a line ends, and its vectors by kind; none yet: empty frames."""

    label: str
    vectors: Mapping[str, Vectors] = {}
    colour: str = GREY  # of its label
    value: Any = None  # that a click on one of its planes picks


def plane_grid(
    columns: Sequence[Column],
    kinds: Sequence[Kind],
    title: str,
    *,
    selected: int | None = None,
    linked: bool = False,
    height: int | None = None,
) -> Chart:
    """Small planes with equal axes: a column for each network, in it a plane for each kind, each on a scale of its own.

    The scale holds the whole history, and is written in the corner. Vectors that the training has not seen are grey
    crosses. All histories have as many frames, or one. selected: the place of the column that is looked into. linked:
    whether the page has a clock. height: in pixels, where no stage gives it its room. Clicking picks a column's value.
    """
    every = [(place, line, c, kind.name) for place, c in enumerate(columns) for line, kind in enumerate(kinds)]
    drawn = [_drawn(column.vectors.get(kind)) for _, _, column, kind in every]
    histories = together([np.empty((1, 0, 2)), *(each.history for each in drawn)])
    columns_of_dots, units = packed(np.concatenate(histories, axis=1))
    of = np.repeat(np.arange(len(drawn)), [each.history.shape[1] for each in drawn])
    cells = [
        {
            **{"place": place, "line": line, "value": c.value, "told": f"{c.label.replace('|', ', ')}: {kind}"},
            **{"kin": "", "selected": place == selected, "trained": kind in c.vectors, "scale": each.scale},
        }
        for (place, line, c, kind), each in zip(every, drawn, strict=True)
    ]
    dots = pd.DataFrame(
        {
            "cell": [f"c{k}" for k in of],
            "place": [every[k][0] for k in of],
            "line": [every[k][1] for k in of],
            "seen": np.concatenate([np.empty(0, bool), *(each.seen for each in drawn)]),
            **columns_of_dots,
        }
    )
    headers = [(k, c.label, k == selected, c.colour) for k, c in enumerate(columns)]
    ratios = together([np.ones(len(units)), *(each.ratio for each in drawn)])[1:]
    data = {
        "dots": _some(dots),
        "cells": filled(records(cells, *CELL)),
        "columns": filled(pd.DataFrame(headers, columns=["place", "label", "selected", "colour"])),
        "rows": pd.DataFrame({"line": range(len(kinds)), "name": [kind.name for kind in kinds]}),
        "scales": pd.DataFrame({"unit": units, **{f"c{k}": values for k, values in enumerate(ratios)}}),
        "meta": meta(title=title, last=len(units) - 1, count=max(len(columns), 1)),
    }
    trained = sum(bool(column.vectors) for column in columns)
    said = f"{title}: no pictures yet."
    if trained:
        labels = [column.label.replace("|", ", ") for column in columns]
        names = ", ".join(kind.name for kind in kinds)
        said = f"{title}: small planes of {names}, from {labels[0]} to {labels[-1]}; {trained} of {len(columns)} drawn."
    return stands_alone(Chart(_plane_grid(tuple(kinds), linked), data, said, square=True), height)


class _Drawn(NamedTuple):
    """What is drawn of one plane."""

    history: np.ndarray  # (f, j, 2), in halves of its side
    seen: np.ndarray  # (j,) bool
    ratio: np.ndarray  # (f,): how much larger each frame is on a scale of its own
    scale: str  # half its side, without the margin


def _drawn(vectors: Vectors | None) -> _Drawn:
    if vectors is None:
        return _Drawn(np.empty((1, 0, 2)), np.empty(0, bool), np.ones(1), "")
    history, every = vectors.history, np.asarray(vectors.seen, bool)
    reach = MARGIN * np.abs(history).reshape(len(history), -1).max(axis=1, initial=0.0)
    reach = np.where(reach > 0, reach, 1.0)
    half = float(reach.max())
    chosen = seen_and_not(every, DOTS)
    return _Drawn(history[:, chosen] / half, every[chosen], half / reach, f"±{half / MARGIN:.2g}")


def _some(table: pd.DataFrame) -> pd.DataFrame:
    """The same, with one row outside every plane where it has none: else the chart would be built anew."""
    if len(table):
        return table
    return pd.DataFrame({name: [np.nan] for name in table}).assign(cell="", seen=False)


@cache
def _plane_grid(kinds: tuple[Kind, ...], linked: bool) -> dict[str, Any]:
    rows, top = len(kinds), 32
    own = {"bind": {"element": OWN_SCALE, "event": "input"}} if linked else {"value": ""}
    params: list[dict[str, Any]] = [
        *(NOW if linked else [{"name": "frame", "expr": "data('meta')[0].last"}]),
        {"name": "own", **own},
        {"name": "scale", "expr": "data('scales')[min(frame, length(data('scales')) - 1)]"},
        {"name": "count", "expr": "data('meta')[0].count"},
        {"name": "side", "expr": f"max(4, min((width - 18) / count, (height - {top}) / {rows}) - 5)"},
        {"name": "step", "expr": "min((width - 18) / count, side + 40)"},
    ]
    x, y = "18 + (datum.place + 0.5) * step", f"{top} + (datum.line + 0.5) * (side + 5)"

    def at(u: str = "0", v: str = "0") -> dict[str, Any]:
        return {
            "x": {"value": {"expr": f"{x} + ({u}) * side / 2"}},
            "y": {"value": {"expr": f"{y} - ({v}) * side / 2"}},
        }

    def line(u: str, v: str, u2: str, v2: str) -> dict[str, Any]:
        end = at(u2, v2)
        return {**at(u, v), "x2": end["x"], "y2": end["y"]}

    quiet = {"color": GREY, "tooltip": None}
    cells: dict[str, Any] = {"data": {"name": "cells"}}
    trained = [{"filter": "datum.trained"}]
    text: dict[str, Any] = {"type": "text", **quiet, "baseline": "middle"}
    layers: list[dict[str, Any]] = [
        {
            **cells,
            "mark": {
                "type": "rect",
                "stroke": GREY,
                "fill": GREY,
                "cornerRadius": 3,
                "tooltip": None,
                "fillOpacity": {"expr": "datum.selected ? 0.13 : 0"},
                "strokeOpacity": {"expr": "datum.selected ? 0.9 : 0.4"},
                "strokeDash": {"expr": "datum.trained ? [1, 0] : [2, 3]"},
                "width": {"expr": "side"},
                "height": {"expr": "side"},
            },
            "encoding": at(),
        },
        *(
            {
                **cells,
                "transform": trained,
                "mark": {"type": "rule", **quiet, "opacity": 0.3},
                "encoding": line(*ends),
            }
            for ends in (("0", "-1", "0", "1"), ("-1", "0", "1", "0"))
        ),
        *(_dots(line, kind, at("datum.u", "datum.v")) for line, kind in enumerate(kinds)),
        {
            **cells,
            "mark": {**text, "fontSize": 9, "align": "right"},
            "encoding": {
                "x": {"value": {"expr": f"{x} + side / 2 - 3"}},
                "y": {"value": {"expr": f"{y} + side / 2 - 7"}},
                "text": {"field": "scale", "type": "nominal"},
                "opacity": {"value": {"expr": "side > 44 && !(isValid(own) && own != '') ? 0.9 : 0"}},
            },
        },
        {
            "data": {"name": "columns"},
            "mark": {
                "type": "text",
                "tooltip": None,
                "fontSize": {"expr": "clamp(step / 6, 8.5, 11)"},
                "fontWeight": {"expr": "datum.selected ? 'bold' : 'normal'"},
                "align": "center",
                "baseline": "bottom",
                "lineBreak": "|",
                "lineHeight": 12,
            },
            "encoding": {
                "x": {"value": {"expr": x}},
                "y": {"value": {"expr": f"{top} - 5 - (indexof(datum.label, '|') >= 0 ? 12 : 0)"}},
                "text": {"field": "label", "type": "nominal"},
                "color": {"field": "colour", "type": "nominal", "scale": None},
            },
        },
        {
            "data": {"name": "rows"},
            "mark": {"type": "text", "tooltip": None, "fontSize": 11, "angle": 270, "limit": {"expr": "side + 5"}},
            "encoding": {
                "x": {"value": 6},
                "y": {"value": {"expr": y}},
                "text": {"field": "name", "type": "nominal"},
                "color": {
                    "field": "name",
                    "type": "nominal",
                    "legend": None,
                    "scale": {"domain": [kind.name for kind in kinds], "range": [kind.colour for kind in kinds]},
                },
            },
        },
    ]
    picked = targets("value", linked=False, nearest=False)
    size = {"expr": "side + 5"}
    layers.append(
        {
            **cells,
            **picked,
            "mark": {"type": "rect", "opacity": 0, "width": size, "height": size},
            "encoding": {**at(), "tooltip": {"field": "told", "type": "nominal"}},
        }
    )
    return {
        "$schema": SCHEMA,
        "title": heading(4),
        "params": params,
        "layer": [*unseen("meta", "scales"), *layers],
        **LIVELY,
    }


def _dots(line: int, kind: Kind, place: dict[str, Any]) -> dict[str, Any]:
    """The vectors of one row: dots, and grey crosses for those that the training has not seen."""
    own = "(isValid(own) && own != '' ? scale[datum.cell] : 1)"
    return {
        "data": {"name": "dots"},
        "transform": [
            {"filter": f"datum.line == {line}"},
            *(
                {"calculate": f"datum['{axis}' + frame] * scale.unit * {own}", "as": to}
                for axis, to in (("x", "u"), ("y", "v"))
            ),
        ],
        "mark": {"type": "point", "filled": True, "opacity": 0.75, "tooltip": None},
        "encoding": {
            **place,
            "color": {"condition": {"test": "datum.seen", "value": kind.colour}, "value": GREY},
            "shape": {"condition": {"test": "datum.seen", "value": kind.shape}, "value": "cross"},
            "size": {"value": {"expr": "clamp(side / 9, 4, 18)"}},
        },
    }
