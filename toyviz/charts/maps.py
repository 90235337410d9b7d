"""Maps: a number of each network over two of its sizes, as coloured cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import GREY, VERMILLION, Chart, named, records, stretched
from toyviz.charts.clock import heading, meta, width_of
from toyviz.charts.sizes import filled

TOLD = {  # what the tooltip of a cell tells beside its value, where it is known
    "floor": alt.Tooltip("floor:Q", title="lowest possible", format=".4~g"),
    "share": alt.Tooltip("share:Q", title="over that of the best constant output", format=".4~g"),
    "recovered": alt.Tooltip("recovered:Q", title="one-hots recovered", format=".4~g"),
    "seed": alt.Tooltip("seed:N", title="seed"),
    "seeds": alt.Tooltip("seeds:Q", title="seeds"),
}
VIRIDIS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
DARK, BRIGHT = "#222222", "#ffffff"  # numbers in bright and in dark cells


class Side(NamedTuple):
    """One side of a map: the column that lies along it, its title, and its values, () for those of the cells."""

    field: str
    title: str
    values: tuple[int, ...] = ()


HIDDEN_SIZE, TRAINING_SIZE = Side("n_hidden", "hidden size m"), Side("training_size", "training samples")


def size_map(
    cells: pd.DataFrame,
    title: str,
    legend: str,
    *,
    logarithmic: bool = True,
    x: Side = HIDDEN_SIZE,
    y: Side = TRAINING_SIZE,
    ends: tuple[float, float] | None = None,
    selected: Mapping[str, int] | None = None,
    digits: int | None = None,
    possible: Callable[[int, int], bool] = lambda x, y: True,
) -> Chart:
    """A number of each network over two sizes, as coloured cells; clicking one picks its two sizes.

    cells: columns for x and y, and value; for the tooltip also some of TOLD. The better a value, the darker its cell,
    in every map: logarithmic is for losses, of which the lowest is best, else values are shares from 0 to 1, of which
    the highest is. A loss of exactly 0 has the colour of the best. ends: of the colours of losses, else the lowest and
    the highest. selected: the sizes of the cell that is looked into. digits: of the numbers in the cells. possible(x,
    y): which cells are a dashed outline until they are there, not left out.
    """
    drawn = cells.assign(zero=cells["value"] == 0)
    positive = drawn[~drawn["zero"]]["value"]
    low, high = ends or ((float(positive.min()), float(positive.max())) if len(positive) else (0.1, 1.0))
    high = high if high > low else low * 1.01
    wide = logarithmic and high > 20 * low
    digits = digits or (1 if wide else 2)  # the wider the range, the fewer tell the cells apart
    bottom, top = (low, high) if logarithmic else (0.0, 1.0)
    drawn["shade"] = cells["value"].astype(float).clip(bottom, top)
    drawn["text"] = [rounded(value, digits) for value in cells["value"]]
    share = np.log(drawn["shade"] / low) / np.log(high / low) if logarithmic else 1 - drawn["shade"]
    drawn["bright"] = share > 0.55
    sides = {name: side.values or tuple(sorted(set(cells[side.field]))) or (1,) for name, side in (("x", x), ("y", y))}
    frame = [{x.field: i, y.field: j} for i in sides["x"] for j in sides["y"] if possible(i, j)]
    data = {
        "cells": filled(drawn.sort_values([y.field, x.field]).reset_index(drop=True)),
        "frame": filled(records(frame, x.field, y.field)),
        "selected": filled(records([dict(selected)] if selected else [], x.field, y.field)),
        "across": pd.DataFrame({"value": sides["x"]}),
        "up": pd.DataFrame({"value": sorted(sides["y"], reverse=True)}),
        "meta": meta(title=title, low=bottom, high=top, longest=max(map(len, drawn["text"]), default=1)),
    }
    shown = drawn["value"].astype(float)
    said = f"{title}: no network yet."
    if len(cells):
        zeros = int(drawn["zero"].sum())
        said = f"{title}: from {shown.min():.2g} to {shown.max():.2g} over {len(cells)} networks, {zeros} of them 0."
    told = tuple(name for name in TOLD if name in cells.columns)
    return Chart(_size_map(legend, logarithmic, x.field, x.title, y.field, y.title, told), data, said)


def rounded(value: float, digits: int) -> str:
    """A number to so many digits as one reads it: "30", not "3e+01"; "1e-05" where it is small."""
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text else text


@cache
def _size_map(
    legend: str, logarithmic: bool, across: str, across_title: str, up: str, up_title: str, told: tuple[str, ...]
) -> dict[str, Any]:
    axis = alt.Axis(
        labelAngle=0,
        ticks=False,
        domain=False,
        labelOverlap=True,
        labelFontSize=11,
        titleFontSize=11,
        titlePadding=5,
    )
    x, y = (
        alt.X(f"{across}:O", title=across_title, axis=axis, scale=_in_order("across")),
        alt.Y(f"{up}:O", title=up_title, axis=axis, scale=_in_order("up")),
    )
    ends = alt.ExprRef("[data('meta')[0].low, data('meta')[0].high]")
    scale = alt.Scale(
        type="log" if logarithmic else "linear",
        range=list(VIRIDIS),
        interpolate="rgb",
        domain=ends,
        reverse=not logarithmic,
    )
    color = alt.Color(
        "shade:Q",
        scale=scale,
        legend=None,
    )
    tooltip = [
        alt.Tooltip(f"{up}:O", title=up_title),
        alt.Tooltip(f"{across}:O", title=across_title),
        alt.Tooltip("value:Q", title=legend, format=".4~g"),
        *(TOLD[name] for name in told),
    ]
    pick = alt.selection_point(name="pick", fields=[across, up], toggle=False, empty=False)
    cells = alt.Chart(named("cells")).transform_filter("isValid(datum.value)")
    room = "min(bandwidth('x') / (0.58 * data('meta')[0].longest + 0.5), 0.75 * bandwidth('y'))"
    numbers = alt.condition("datum.bright", alt.value(DARK), alt.value(BRIGHT))
    layers = [
        *(alt.Chart(named(name)).mark_point(opacity=0, tooltip=None) for name in ("meta", "across", "up")),
        alt.Chart(named("frame"))
        .transform_filter(f"isValid(datum.{across})")
        .mark_rect(fill=GREY, fillOpacity=0.06, stroke=GREY, strokeOpacity=0.6, strokeDash=[2, 3], tooltip=None)
        .encode(x=x, y=y),
        cells.mark_rect().encode(x=x, y=y, color=color, tooltip=tooltip).add_params(pick),
        cells.mark_text(fontSize=alt.ExprRef(f"clamp({room}, 6, 12)"), tooltip=None).encode(
            x=x,
            y=y,
            text="text:N",
            color=numbers,
            opacity=alt.condition(f"{room} > 6", alt.value(1), alt.value(0)),
        ),
        alt.Chart(named("selected"))
        .transform_filter(f"isValid(datum.{across})")
        .mark_rect(fillOpacity=0, stroke=VERMILLION, strokeWidth=3, tooltip=None)
        .encode(x=x, y=y),
        *_legend(legend, reverse=not logarithmic),
    ]
    return {**stretched(alt.layer(*layers), "", 230), "title": heading(6)}


def _legend(name: str, reverse: bool) -> list[alt.Chart]:
    """The colours from the lowest to the highest value, with their ends, in one line above the map."""
    left, length = width_of(name) - 14, 70
    stops = [
        {"offset": k / (len(VIRIDIS) - 1), "color": color}
        for k, color in enumerate(VIRIDIS[::-1] if reverse else VIRIDIS)
    ]
    low, high = (alt.ExprRef(_number(f"data('meta')[0].{end}")) for end in ("low", "high"))
    bar = alt.Chart(named("meta")).mark_rect(
        color={"gradient": "linear", "x1": 0, "x2": 1, "y1": 0, "y2": 0, "stops": stops}, height=9, tooltip=None
    )

    def at(x: float, words: Any, align: Any) -> alt.Chart:
        text = alt.Chart(named("meta")).mark_text(color=GREY, fontSize=11, align=align, tooltip=None, text=words)
        return text.encode(x=alt.value(x), y=alt.value(-10))

    return [
        at(0, name, "left"),
        at(left + 26, low, "right"),
        bar.encode(x=alt.value(left + 32), x2=alt.value(left + 32 + length), y=alt.value(-10)),
        at(left + 38 + length, high, "left"),
    ]


def _number(value: str) -> str:
    return f"format({value}, {value} < 1e-3 && {value} > 0 ? '.1e' : '.2~r')"


def _in_order(data_set: str) -> alt.Scale:
    """A scale whose places are the values of this data set, in its order: new ones need no new specification."""
    return alt.Scale(domain=alt.ExprRef(f"pluck(data('{data_set}'), 'value')"), padding=0.04)
