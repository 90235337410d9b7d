"""Small planes in rows and columns over the whole history of a training: a column a network, a row a kind of vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import GREY, Chart, filled, stands_alone
from toyviz.charts.clock import NOW, OWN, packed, targets, together
from toyviz.charts.layers import (
    META,
    Kind,
    by,
    calculated,
    computed,
    grey,
    heading,
    layer,
    mark,
    meta,
    nominal,
    specification,
)
from toyviz.charts.panels import Square, row_names
from toyviz.charts.sizes import seen_and_not, seen_or_cross

MARGIN = 1.12  # a plane is this much wider than what it holds
DOTS = 250  # vectors drawn in one plane at most
CELL = ["place", "line", "value", "told", "kin", "selected", "trained", "scale"]


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
    planes = [
        (place, line, column, kind.name, _drawn(column.vectors.get(kind.name)))
        for place, column in enumerate(columns)
        for line, kind in enumerate(kinds)
    ]
    histories = together([np.empty((1, 0, 2)), *(drawn.history for *_, drawn in planes)])
    columns_of_dots, units = packed(np.concatenate(histories, axis=1))
    cells = [
        (place, line, column.value, f"{column.label.replace('|', ', ')}: {kind}", "", place == selected,
         kind in column.vectors, drawn.scale)
        for place, line, column, kind, drawn in planes
    ]  # fmt: skip
    of = np.repeat(np.arange(len(planes)), [drawn.history.shape[1] for *_, drawn in planes])
    dots = {
        "cell": [f"c{k}" for k in of],
        "place": [planes[k][0] for k in of],
        "line": [planes[k][1] for k in of],
        "seen": np.concatenate([np.empty(0, bool), *(drawn.seen for *_, drawn in planes)]),
    }
    headers = [(k, c.label, k == selected, c.colour) for k, c in enumerate(columns)]
    ratios = together([np.ones(len(units)), *(drawn.ratio for *_, drawn in planes)])[1:]
    data = {
        "dots": _some(pd.DataFrame(dots | columns_of_dots)),
        "cells": filled(pd.DataFrame(cells, columns=CELL)),
        "columns": filled(pd.DataFrame(headers, columns=["place", "label", "selected", "colour"])),
        "rows": pd.DataFrame({"line": range(len(kinds)), "name": [kind.name for kind in kinds]}),
        "scales": pd.DataFrame({"unit": units, **{f"c{k}": values for k, values in enumerate(ratios)}}),
        "meta": meta(title=title, last=len(units) - 1, count=max(len(columns), 1)),
    }
    chart = Chart(_plane_grid(tuple(kinds), linked), data, _said(title, columns, kinds), square=True)
    return stands_alone(chart, height)


def _said(title: str, columns: Sequence[Column], kinds: Sequence[Kind]) -> str:
    trained = sum(bool(column.vectors) for column in columns)
    if not trained:
        return f"{title}: no pictures yet."
    names, ends = ", ".join(kind.name for kind in kinds), (columns[0].label, columns[-1].label)
    first, last = (label.replace("|", ", ") for label in ends)
    return f"{title}: small planes of {names}, from {first} to {last}; {trained} of {len(columns)} drawn."


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


TOP = 32  # pixels above the planes, for the labels of the columns
PLANE = Square("18 + (datum.place + 0.5) * step", f"{TOP} + (datum.line + 0.5) * (side + 5)", "side")


@cache
def _plane_grid(kinds: tuple[Kind, ...], linked: bool) -> dict[str, Any]:
    unlinked = [{"name": "frame", "expr": f"{META}.last"}, {"name": "own", "value": ""}, *OWN[1:]]
    params: list[dict[str, Any]] = [
        *([*NOW, *OWN] if linked else unlinked),
        {"name": "count", "expr": f"{META}.count"},
        {"name": "side", "expr": f"max(4, min((width - 18) / count, (height - {TOP}) / {len(kinds)}) - 5)"},
        {"name": "step", "expr": "min((width - 18) / count, side + 40)"},
    ]
    cross = grey("rule", opacity=0.3)
    by_name = by("name", [kind.name for kind in kinds], [kind.colour for kind in kinds])
    target = mark("rect", opacity=0, **{name: {"expr": "side + 5"} for name in ("width", "height")})
    picks = targets("value", linked=False, nearest=False)
    layers = [
        layer("cells", _outline(), **PLANE.at()),
        layer("cells", cross, "datum.trained", **PLANE.line("0", "-1", "0", "1")),
        layer("cells", cross, "datum.trained", **PLANE.line("-1", "0", "1", "0")),
        *(_dots(line, kind) for line, kind in enumerate(kinds)),
        _scales(),
        _labels(),
        row_names(6, PLANE.y, "side + 5", color=by_name),
        layer("cells", target, picks=picks, **PLANE.at(), tooltip=nominal("told")),
    ]
    return specification(layers, heading(4), params, "scales")


def _outline() -> dict[str, Any]:
    fill, stroke = {"expr": "datum.selected ? 0.13 : 0"}, {"expr": "datum.selected ? 0.9 : 0.4"}
    how = {"fillOpacity": fill, "strokeOpacity": stroke, "strokeDash": {"expr": "datum.trained ? [1, 0] : [2, 3]"}}
    return mark("rect", stroke=GREY, fill=GREY, cornerRadius=3, **how, **PLANE.sides())


def _dots(line: int, kind: Kind) -> dict[str, Any]:
    """The vectors of one row: dots, and grey crosses for those that the training has not seen."""
    factor = "(own_scale ? scale[datum.cell] : 1)"
    moved = {to: f"datum['{axis}' + frame] * scale.unit * {factor}" for axis, to in (("x", "u"), ("y", "v"))}
    dot, size = mark("point", filled=True, opacity=0.75), computed(size="clamp(side / 9, 4, 18)")
    steps = (f"datum.line == {line}", *calculated(**moved))
    return layer("dots", dot, *steps, **PLANE.at("datum.u", "datum.v"), **seen_or_cross(kind), **size)


def _scales() -> dict[str, Any]:
    """Half the side of each plane, in its corner."""
    text = grey("text", baseline="middle", fontSize=9, align="right")
    at = {"x": f"{PLANE.x} + side / 2 - 3", "y": f"{PLANE.y} + side / 2 - 7"}
    seen = "side > 44 && !own_scale ? 0.9 : 0"
    return layer("cells", text, **computed(**at, opacity=seen), text=nominal("scale"))


def _labels() -> dict[str, Any]:
    """The labels of the columns, each in its own colour."""
    size, weight = {"expr": "clamp(step / 6, 8.5, 11)"}, {"expr": "datum.selected ? 'bold' : 'normal'"}
    lines = {"align": "center", "baseline": "bottom", "lineBreak": "|", "lineHeight": 12}
    at = computed(x=PLANE.x, y=f"{TOP} - 5 - (indexof(datum.label, '|') >= 0 ? 12 : 0)")
    text = mark("text", fontSize=size, fontWeight=weight, **lines)
    return layer("columns", text, **at, text=nominal("label"), color=nominal("colour", scale=None))
