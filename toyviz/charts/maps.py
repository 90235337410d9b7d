"""Maps: a number of each network over two of its sizes, as coloured cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import GREY, VERMILLION, Chart, named, records, stretched
from toyviz.charts.clock import POINTED_AT, heading, meta, pointed_in, targets, width_of
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
    linked: bool = False,
) -> Chart:
    """A number of each network over two sizes, as coloured cells; clicking one picks its two sizes.

    cells: columns for x and y, and value; for the tooltip also some of TOLD. The better a value, the darker its cell,
    in every map: logarithmic is for losses, of which the lowest is best, else values are shares, of which the highest
    is. A loss of exactly 0 has the colour of the best. ends: of the colours, else the lowest and the highest loss, or 0
    and 1. Shares between given ends are small ones: their colours go by the square root, so that these differ, and they
    are told in percent. selected: the sizes of the cell that is looked into. digits: of the numbers in the cells.
    possible(x, y): which cells are a dashed outline until they are there, not left out. linked: whether the page has a
    clock, so that pointing at a cell marks it in every map.
    """
    drawn = cells.assign(zero=cells["value"] == 0)
    positive = drawn[~drawn["zero"]]["value"]
    percent = ends is not None and not logarithmic
    low, high = ends or (0.0, 1.0)
    if logarithmic and not ends:
        low, high = (float(positive.min()), float(positive.max())) if len(positive) else (0.1, 1.0)
    high = high if high > low else low * 1.01 or 1.0
    wide = logarithmic and high > 20 * low
    digits = digits or (1 if wide else 2)  # the wider the range, the fewer tell the cells apart
    drawn["shade"] = cells["value"].astype(float).clip(low, high)
    drawn["text"] = [told(value, digits, percent) for value in cells["value"]]
    drawn["precise"] = [told(value, 4, percent) for value in cells["value"]]
    if logarithmic:
        drawn["bright"] = np.log(drawn["shade"] / low) / np.log(high / low) > 0.55
    else:
        drawn["bright"] = ((drawn["shade"] - low) / (high - low)) ** (0.5 if percent else 1) < 0.45
    drawn["kin"] = [f"{x.field}={i} {y.field}={j}" for i, j in zip(cells[x.field], cells[y.field], strict=True)]
    sides = {name: side.values or tuple(sorted(set(cells[side.field]))) or (1,) for name, side in (("x", x), ("y", y))}
    frame = [{x.field: i, y.field: j} for i in sides["x"] for j in sides["y"] if possible(i, j)]
    data = {
        "cells": filled(drawn.sort_values([y.field, x.field]).reset_index(drop=True)),
        "frame": filled(records(frame, x.field, y.field)),
        "selected": filled(records([dict(selected)] if selected else [], x.field, y.field)),
        "across": pd.DataFrame({"value": sides["x"]}),
        "up": pd.DataFrame({"value": sorted(sides["y"], reverse=True)}),
        "meta": meta(title=title, low=low, high=high, longest=max(map(len, drawn["text"]), default=1)),
    }
    shown = drawn["value"].astype(float)
    said = f"{title}: no network yet."
    if len(cells):
        zeros = int(drawn["zero"].sum())
        lowest, highest = (told(value, 2, percent) for value in (shown.min(), shown.max()))
        said = f"{title}: from {lowest} to {highest} over {len(cells)} networks, {zeros} of them 0."
    more = tuple(name for name in TOLD if name in cells.columns)
    scale = "log" if logarithmic else "sqrt" if percent else "linear"
    return Chart(_size_map(legend, scale, x.field, x.title, y.field, y.title, more, linked), data, said)


def told(value: float, digits: int, percent: bool) -> str:
    """A number to so many digits, a share in percent: "0.23 %"."""
    return f"{rounded(100 * value, digits)} %" if percent else rounded(value, digits)


def rounded(value: float, digits: int) -> str:
    """A number to so many digits as one reads it: "30", not "3e+01"; "1e-05" where it is small."""
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text else text


@cache
def _size_map(
    legend: str,
    kind: Literal["log", "sqrt", "linear"],
    across: str,
    across_title: str,
    up: str,
    up_title: str,
    more: tuple[str, ...],
    linked: bool,
) -> dict[str, Any]:
    best_is_highest = kind != "log"
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
        type=kind,
        range=list(VIRIDIS),
        interpolate="rgb",
        domain=ends,
        reverse=best_is_highest,
    )
    color = alt.Color(
        "shade:Q",
        scale=scale,
        legend=None,
    )
    tooltip = [
        alt.Tooltip(f"{up}:O", title=up_title),
        alt.Tooltip(f"{across}:O", title=across_title),
        alt.Tooltip("precise:N", title=legend),
        *(TOLD[name] for name in more),
    ]
    cells = alt.Chart(named("cells")).transform_filter("isValid(datum.value)")
    room = "min(bandwidth('x') / (0.58 * data('meta')[0].longest + 0.5), 0.75 * bandwidth('y'))"
    numbers = alt.condition("datum.bright", alt.value(DARK), alt.value(BRIGHT))
    layers = [
        *(alt.Chart(named(name)).mark_point(opacity=0, tooltip=None) for name in ("meta", "across", "up")),
        alt.Chart(named("frame"))
        .transform_filter(f"isValid(datum.{across})")
        .mark_rect(fill=GREY, fillOpacity=0.06, stroke=GREY, strokeOpacity=0.6, strokeDash=[2, 3], tooltip=None)
        .encode(x=x, y=y),
        cells.mark_rect().encode(x=x, y=y, color=color, tooltip=tooltip).properties(name="pickable"),
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
        cells.transform_filter(POINTED_AT)
        .mark_rect(fillOpacity=0, stroke=VERMILLION, strokeWidth=2, tooltip=None)
        .encode(x=x, y=y),
        *_legend(legend, reverse=best_is_highest, percent=kind == "sqrt"),
    ]
    spec = stretched(alt.layer(*layers), "", 230)
    pickable = targets(across, up, linked=linked, nearest=False)
    layer = next(each for each in spec["layer"] if each.get("name") == "pickable")
    layer["transform"] = [*layer["transform"], *pickable["transform"]]
    layer["params"] = pickable["params"]
    return {**spec, "params": pointed_in(linked), "title": heading(6)}


def _legend(name: str, reverse: bool, percent: bool) -> list[alt.Chart]:
    """The colours from the lowest to the highest value, with their ends, in one line above the map."""
    left, length = width_of(name) - 14, 70
    stops = [
        {"offset": k / (len(VIRIDIS) - 1), "color": color}
        for k, color in enumerate(VIRIDIS[::-1] if reverse else VIRIDIS)
    ]
    low, high = (alt.ExprRef(_number(f"data('meta')[0].{end}", percent)) for end in ("low", "high"))
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


def _number(value: str, percent: bool) -> str:
    if percent:
        return f"format(100 * {value}, '.2~r') + ' %'"
    return f"format({value}, {value} < 1e-3 && {value} > 0 ? '.1e' : '.2~r')"


def _in_order(data_set: str) -> alt.Scale:
    """A scale whose places are the values of this data set, in its order: new ones need no new specification."""
    return alt.Scale(domain=alt.ExprRef(f"pluck(data('{data_set}'), 'value')"), padding=0.04)
