"""Maps: a number of each network over two of its sizes, as coloured cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import GREY, VERMILLION, Chart, named, stretched
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
Scale = Literal["log", "sqrt", "linear"]
LINE = 13  # pixels of a line of the titles of maps side by side
DARK, BRIGHT = "#222222", "#ffffff"  # numbers in bright and in dark cells


class Side(NamedTuple):
    """One side of a map: the column that lies along it, its title, and its values, () for those of the cells."""

    field: str
    title: str
    values: tuple[int, ...] = ()


class Beside(NamedTuple):
    """Maps side by side, on one scale: the column that tells which of them a cell is in, and the title of each.

    A title is one line or two, with a line break between them.
    """

    field: str
    titles: Mapping[str, str]  # value of the column -> title, in the order of the maps


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
    selected: Mapping[str, Any] | None = None,
    digits: int | None = None,
    outlines: pd.DataFrame | None = None,
    linked: bool = False,
    beside: Beside | None = None,
    pick: Sequence[str] = (),
) -> Chart:
    """A number of each network over two sizes, as coloured cells; clicking one picks its two sizes.

    cells: columns for x and y, and value; for the tooltip also some of TOLD; text, where the numbers in the cells are
    to be written in another way. The better a value, the darker its cell,
    in every map: logarithmic is for losses, of which the lowest is best, else values are shares, of which the highest
    is. A loss of exactly 0 has the colour of the best. ends: of the colours, else the lowest and the highest loss, or 0
    and 1. Shares between given ends are small ones: their colours go by the square root, so that these differ, and they
    are told in percent. selected: the sizes of the cell that is looked into. digits: of the numbers in the cells.
    outlines: columns x and y of the cells that there will be, a dashed outline until they are there; every pair of
    values of the sides where left out. linked: whether the page has a clock, so that pointing at a cell marks it in
    every map. beside: several maps on one scale; then cells, outlines and selected say which too. pick: more columns of
    the cells that a click picks.
    """
    low, high = _ends(cells["value"], logarithmic, ends)
    percent = ends is not None and not logarithmic
    digits = digits or (1 if logarithmic and high > 20 * low else 2)  # the wider the range, the fewer tell cells apart
    drawn = _shaded(cells, low, high, logarithmic, percent, digits)
    drawn["kin"] = [f"{x.field}={i} {y.field}={j}" for i, j in zip(cells[x.field], cells[y.field], strict=True)]
    sides = [side.values or tuple(sorted(set(cells[side.field]))) or (1,) for side in (x, y)]
    titles = beside.titles if beside else {"": ""}
    if outlines is None:
        outlines = _every(x.field, y.field, sides, beside)
    frames = {
        "cells": drawn.sort_values([y.field, x.field]).reset_index(drop=True),
        "frame": outlines.reset_index(drop=True),
        "selected": pd.DataFrame([dict(selected)] if selected else [], columns=list(outlines.columns)),
    }
    data = {
        "across": pd.DataFrame({"value": _columns(list(titles), sides[0]) if beside else sides[0]}),
        "up": pd.DataFrame({"value": sorted(sides[1], reverse=True)}),
        "meta": meta(
            title=title,
            low=low,
            high=high,
            longest=max(map(len, drawn["text"]), default=1),
            lines=max(each.count("\n") + 1 if each else 0 for each in titles.values()),
            columns=len(sides[0]),
        ),
    }
    if beside:
        frames = {name: _in_columns(frame, beside.field, x.field) for name, frame in frames.items()}
        frames["cells"]["name"] = [titles[each].replace("\n", ", ") for each in frames["cells"][beside.field]]
        firsts = [column_of(each, sides[0][0]) for each in titles]
        data["maps"] = pd.DataFrame({"label": list(titles.values()), "column": firsts})
    data |= {name: filled(frame) for name, frame in frames.items()}
    more = tuple(name for name in TOLD if name in cells.columns)
    scale: Scale = "log" if logarithmic else "sqrt" if percent else "linear"
    bare = (side._replace(values=()) for side in (x, y))
    spec = _size_map(legend, scale, *bare, more, tuple(pick), bool(beside), linked)
    return Chart(spec, data, _said(title, drawn, percent, len(titles)))


def _every(across: str, up: str, sides: Sequence[Sequence[int]], beside: Beside | None) -> pd.DataFrame:
    """Every cell of every map."""
    rows = [{across: i, up: j} for i in sides[0] for j in sides[1]]
    return pd.DataFrame([row | {beside.field: each} for each in beside.titles for row in rows] if beside else rows)


def column_of(each: str, value: int) -> str:
    """The name of a column of one of several maps."""
    return f"{each}|{value}"


def _columns(maps: Sequence[str], values: Sequence[int]) -> list[str]:
    """The columns of several maps side by side, with a gap as wide as a column between two of them."""
    parts = [[column_of(each, value) for value in values] for each in maps]
    return [column for k, part in enumerate(parts) for column in ([f"gap{k}"] if k else []) + part]


def _in_columns(frame: pd.DataFrame, field: str, across: str) -> pd.DataFrame:
    names = [column_of(each, int(value)) for each, value in zip(frame[field], frame[across], strict=True)]
    return frame.assign(column=pd.Series(names, index=frame.index, dtype=object))


def _ends(values: pd.Series, logarithmic: bool, ends: tuple[float, float] | None) -> tuple[float, float]:
    """The values at the two ends of the colours."""
    low, high = ends or (0.0, 1.0)
    if logarithmic and not ends:
        positive = values[values != 0]
        low, high = (float(positive.min()), float(positive.max())) if len(positive) else (0.1, 1.0)
    return low, high if high > low else low * 1.01 or 1.0


def _shaded(
    cells: pd.DataFrame, low: float, high: float, logarithmic: bool, percent: bool, digits: int
) -> pd.DataFrame:
    """The cells with what decides their colour, and with their numbers as text."""
    values = cells["value"].astype(float)
    shade = values.clip(low, high)
    if logarithmic:
        bright = np.log(shade / low) / np.log(high / low) > 0.55
    else:
        bright = ((shade - low) / (high - low)) ** (0.5 if percent else 1) < 0.45
    return cells.assign(
        zero=cells["value"] == 0,
        shade=shade,
        text=cells.get("text", [told(value, digits, percent) for value in cells["value"]]),
        precise=[told(value, 4, percent) for value in cells["value"]],
        bright=bright,
    )


def _said(title: str, drawn: pd.DataFrame, percent: bool, maps: int) -> str:
    if drawn.empty:
        return f"{title}: no network yet."
    lowest, highest = (told(value, 2, percent) for value in (drawn["value"].min(), drawn["value"].max()))
    of = f" in {maps} maps" if maps > 1 else ""
    return f"{title}: from {lowest} to {highest} over {len(drawn)} networks{of}, {int(drawn['zero'].sum())} of them 0."


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
    kind: Scale,
    x_side: Side,
    y_side: Side,
    more: tuple[str, ...],
    pick: tuple[str, ...],
    several: bool,
    linked: bool,
) -> dict[str, Any]:
    best_is_highest = kind != "log"
    across, up = "column" if several else x_side.field, y_side.field
    axis = alt.Axis(
        labelAngle=0,
        ticks=False,
        domain=False,
        labelOverlap=True,
        labelFontSize=11,
        labelPadding=4,
        titleFontSize=11,
        titlePadding=5,
    )
    sizes = axis.copy()
    if several:
        sizes.labelExpr = "length(split(datum.value, '|')) > 1 ? split(datum.value, '|')[1] : ''"
    x, y = (
        alt.X(f"{across}:O", title=x_side.title, axis=sizes, scale=_in_order("across")),
        alt.Y(f"{up}:O", title=y_side.title, axis=axis, scale=_in_order("up")),
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
        *([alt.Tooltip("name:N", title=" ")] if several else []),
        alt.Tooltip(f"{up}:O", title=y_side.title),
        alt.Tooltip(f"{x_side.field}:O", title=x_side.title),
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
        *([_titles(x)] if several else []),
        *_legend(legend, reverse=best_is_highest, percent=kind == "sqrt"),
    ]
    spec = stretched(alt.layer(*layers), "", 230)
    pickable = targets(x_side.field, up, *pick, linked=linked, nearest=False)
    layer = next(each for each in spec["layer"] if each.get("name") == "pickable")
    layer["transform"] = [*layer["transform"], *pickable["transform"]]
    layer["params"] = pickable["params"]
    return {**spec, "params": pointed_in(linked), "title": heading(6)}


def _titles(x: alt.X) -> alt.Chart:
    """The title of each of several maps, over its first column."""
    width = "bandwidth('x') * data('meta')[0].columns"
    text = alt.Chart(named("maps")).mark_text(
        color=GREY,
        fontSize=11,
        fontWeight="bold",
        align="left",
        baseline="bottom",
        dx=alt.ExprRef("-bandwidth('x') / 2"),
        limit=alt.ExprRef(width),
        lineBreak="\n",
        lineHeight=LINE,
        tooltip=None,
    )
    return text.encode(x=x, y=alt.value(alt.ExprRef(f"-4 - {LINE} * (data('meta')[0].lines - 1)")), text="label:N")


def _legend(name: str, reverse: bool, percent: bool) -> list[alt.Chart]:
    """The colours from the lowest to the highest value, with their ends, in one line above the map and its titles."""
    y = alt.value(alt.ExprRef(f"-10 - {LINE} * data('meta')[0].lines"))
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
        return text.encode(x=alt.value(x), y=y)

    return [
        at(0, name, "left"),
        at(left + 26, low, "right"),
        bar.encode(x=alt.value(left + 32), x2=alt.value(left + 32 + length), y=y),
        at(left + 38 + length, high, "left"),
    ]


def _number(value: str, percent: bool) -> str:
    if percent:
        return f"format(100 * {value}, '.2~r') + ' %'"
    return f"format({value}, {value} < 1e-3 && {value} > 0 ? '.1e' : '.2~r')"


def _in_order(data_set: str) -> alt.Scale:
    """A scale whose places are the values of this data set, in its order: new ones need no new specification."""
    return alt.Scale(domain=alt.ExprRef(f"pluck(data('{data_set}'), 'value')"), padding=0.04)
