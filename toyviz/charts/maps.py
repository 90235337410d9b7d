"""Maps: a number of each network over two of its sizes, as coloured cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import BLUE, GREY, VERMILLION, Chart, expressions_read, filled, named, stretched
from toyviz.charts.clock import POINTED_AT, pickable, pointed_in
from toyviz.charts.layers import META, heading, meta, width_of

TOLD = {  # what the tooltip of a cell tells beside its value, where it is known
    "floor": alt.Tooltip("floor:Q", title="lowest possible", format=".4~g"),
    "share": alt.Tooltip("share:Q", title="over that of the best constant output", format=".4~g"),
    "recovered": alt.Tooltip("recovered:Q", title="one-hots recovered", format=".4~g"),
    "seed": alt.Tooltip("seed:N", title="seed"),
    "seeds": alt.Tooltip("seeds:Q", title="seeds"),
}
VIRIDIS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
DIVERGING = (BLUE, "rgba(138, 143, 152, 0.12)", VERMILLION)  # below 0, 0 as the page behind it, above
Colours = Literal["log", "sqrt", "linear", "difference", "difference in percent"]  # of the scale of the colours
SCALES: dict[Colours, Any] = {
    "log": "log", "sqrt": "sqrt", "linear": "linear", "difference": "pow", "difference in percent": "pow",
}  # fmt: skip
LOW, HIGH = f"{META}.low", f"{META}.high"
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
    drawn = _told(cells, x, y, percent, digits)
    sides = [side.values or tuple(sorted(set(cells[side.field]))) or (1,) for side in (x, y)]
    outlines = _every(x.field, y.field, sides, beside) if outlines is None else outlines.reset_index(drop=True)
    chosen = pd.DataFrame([dict(selected)] if selected else [], columns=list(outlines.columns))
    ends_of = meta(title=title, low=low, high=high, longest=max(map(len, drawn["text"]), default=1))
    tables = {"cells": drawn, "frame": outlines, "selected": chosen, "meta": ends_of}
    data = _laid_out(tables, x.field, sides, beside)
    more = tuple(name for name in TOLD if name in cells.columns)
    scale: Colours = "log" if logarithmic else "sqrt" if percent else "linear"
    bare = (side._replace(values=()) for side in (x, y))
    spec = _size_map(legend, scale, *bare, more, tuple(pick), bool(beside), linked)
    return Chart(spec, data, _said(title, drawn, percent, len(beside.titles) if beside else 1))


def _laid_out(
    tables: Mapping[str, pd.DataFrame], across: str, sides: Sequence[Sequence[int]], beside: Beside | None
) -> dict[str, pd.DataFrame]:
    """The data sets of one map, or of several side by side, which are one map of more columns."""
    titles, columns = (beside.titles if beside else {}), list(sides[0])
    about = tables["meta"].assign(lines=max((each.count("\n") + 1 for each in titles.values()), default=0))
    found = {name: table for name, table in tables.items() if name != "meta"}
    maps = {}
    if beside:
        found = {name: _in_columns(table, beside.field, across) for name, table in found.items()}
        found["cells"]["name"] = [titles[each].replace("\n", ", ") for each in found["cells"][beside.field]]
        firsts = [column_of(each, sides[0][0]) for each in titles]
        maps = {"maps": pd.DataFrame({"label": list(titles.values()), "column": firsts})}
    return {
        "across": pd.DataFrame({"value": _columns(list(titles), columns) if beside else columns}),
        "up": pd.DataFrame({"value": sorted(sides[1], reverse=True)}),
        "meta": about.assign(columns=len(columns)),
        **maps,
        **{name: filled(table) for name, table in found.items()},
    }


def difference(a: Chart, b: Chart) -> Chart | None:
    """B - A, cell by cell where both maps have one, on one scale around 0; None where the maps cannot be subtracted."""
    about = b.spec.get("usermeta", {}).get("map")
    if about is None or a.spec.get("usermeta", {}).get("map") != about:
        return None
    of_a = dict(zip(_where(a, about["by"]), a.data["cells"]["value"], strict=True))
    in_both = [place in of_a for place in _where(b, about["by"])]  # the one row of a map without a cell is in none
    both = b.data["cells"][in_both]
    value = both["value"].astype(float) - [float(of_a[place]) for place in _where(b, about["by"]) if place in of_a]
    apart = float(value.abs().max()) if value.notna().any() else 0.0
    apart = apart or 1.0
    percent = about["percent"]
    drawn = both.assign(
        value=value,
        text=[_signed(each, 2, percent) for each in value],
        precise=[_signed(each, 4, percent) for each in value],
    )
    of_b = b.data["meta"].iloc[0]
    title = f"B − A: {of_b['title']}"
    longest = max(map(len, drawn["text"]), default=1)
    data = {
        **b.data,
        "cells": filled(drawn.reset_index(drop=True)),
        "meta": b.data["meta"].assign(title=title, low=-apart, high=apart, longest=longest),
    }
    x, y = (Side(*about[side]) for side in ("x", "y"))
    kind: Colours = "difference in percent" if percent else "difference"
    spec = _size_map(
        f"{about['legend']}, B − A", kind, x, y, (), tuple(about["pick"]), about["several"], about["linked"]
    )
    ends = (_signed(value.min(), 2, percent), _signed(value.max(), 2, percent)) if value.notna().any() else ("", "")
    said = f"from {ends[0]} to {ends[1]}" if ends[0] else "nothing to subtract yet"
    return Chart(spec, data, f"{title}: {said}.", b.square)


def _where(map: Chart, by: Sequence[str]) -> list[tuple[Any, ...]]:
    """Where each cell of a map is."""
    return list(map.data["cells"][list(by)].itertuples(index=False, name=None))


def _signed(value: float, digits: int, percent: bool) -> str:
    """A difference with its sign: "+0.3", "−2", "0"; nothing for what is not known."""
    if not np.isfinite(value):
        return ""
    return f"{'−' if value < 0 else '+' if value > 0 else ''}{written(abs(value), digits, percent)}"


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


def _told(cells: pd.DataFrame, x: Side, y: Side, percent: bool, digits: int) -> pd.DataFrame:
    """The cells, row by row, with their numbers as text, and what pointing at them tells other maps."""
    drawn = cells.assign(
        zero=cells["value"] == 0,
        text=cells.get("text", [written(value, digits, percent) for value in cells["value"]]),
        precise=[written(value, 4, percent) for value in cells["value"]],
        kin=[f"{x.field}={i} {y.field}={j}" for i, j in zip(cells[x.field], cells[y.field], strict=True)],
    )
    return drawn.sort_values([y.field, x.field]).reset_index(drop=True)


def _said(title: str, drawn: pd.DataFrame, percent: bool, maps: int) -> str:
    if drawn.empty:
        return f"{title}: no network yet."
    lowest, highest = (written(value, 2, percent) for value in (drawn["value"].min(), drawn["value"].max()))
    of = f" in {maps} maps" if maps > 1 else ""
    return f"{title}: from {lowest} to {highest} over {len(drawn)} networks{of}, {int(drawn['zero'].sum())} of them 0."


def written(value: float, digits: int, percent: bool) -> str:
    """A number to so many digits, a share in percent: "0.23 %"."""
    return f"{rounded(100 * value, digits)} %" if percent else rounded(value, digits)


def rounded(value: float, digits: int) -> str:
    """A number to so many digits as one reads it: "30", not "3e+01"; "1e-05" where it is small."""
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text else text


@cache
def _size_map(
    legend: str,
    kind: Colours,
    x_side: Side,
    y_side: Side,
    more: tuple[str, ...],
    pick: tuple[str, ...],
    several: bool,
    linked: bool,
) -> dict[str, Any]:
    diverging, best_is_highest = kind.startswith("difference"), kind in ("sqrt", "linear")
    across, up = "column" if several else x_side.field, y_side.field
    colours = DIVERGING if diverging else VIRIDIS
    at = _places(across, x_side, y_side, several)
    tooltip = [
        *([alt.Tooltip("name:N", title=" ")] if several else []),
        alt.Tooltip(f"{up}:O", title=y_side.title),
        alt.Tooltip(f"{x_side.field}:O", title=x_side.title),
        alt.Tooltip("precise:N", title=legend),
        *(TOLD[name] for name in more),
    ]
    layers = [
        *expressions_read("meta", "across", "up"),
        *_outlines(across, at),
        *_cells(kind, _colour(kind, colours, best_is_highest), tooltip, at),
        *_selected(across, at),
        *([_titles(at["x"])] if several else []),
        *_legend(legend, colours[::-1] if best_is_highest else colours, kind in ("sqrt", "difference in percent")),
    ]
    spec = pickable(stretched(alt.layer(*layers), "", 230), x_side.field, up, *pick, linked=linked, nearest=False)
    about = {
        "x": [x_side.field, x_side.title],
        "y": [y_side.field, y_side.title],
        "by": [across, up],
        "legend": legend,
        "percent": kind == "sqrt",
        "pick": list(pick),
        "several": several,
        "linked": linked,
    }
    return {**spec, "params": pointed_in(linked), "title": heading(6), "usermeta": {"map": about}}


def _places(across: str, x_side: Side, y_side: Side, several: bool) -> dict[str, Any]:
    """Where a cell lies; of several maps a column tells its value alone."""
    axis = alt.Axis(
        labelAngle=0,
        ticks=False,
        domain=False,
        labelOverlap=True,
        labelFontSize=11,
        labelPadding=4,
        labelFlush=False,
        titleFontSize=11,
        titlePadding=5,
    )
    sizes = axis.copy()
    if several:
        sizes.labelExpr = "length(split(datum.value, '|')) > 1 ? split(datum.value, '|')[1] : ''"
    return {
        "x": alt.X(f"{across}:O", title=x_side.title, axis=sizes, scale=_in_order("across")),
        "y": alt.Y(f"{y_side.field}:O", title=y_side.title, axis=axis, scale=_in_order("up")),
    }


def _colour(kind: Colours, colours: Sequence[str], reverse: bool) -> alt.Color:
    scale = alt.Scale(
        type=SCALES[kind],
        exponent=0.5 if colours is DIVERGING else alt.Undefined,  # of the distance from 0, so that small ones are seen
        range=list(colours),
        interpolate="rgb",
        domain=alt.ExprRef(f"[{LOW}, {HIGH}]"),
        reverse=reverse,
    )
    return alt.Color("shade:Q", scale=scale, legend=None)


def _outlines(across: str, at: dict[str, Any]) -> list[alt.Chart]:
    """The cells that there will be."""
    frame = alt.Chart(named("frame")).transform_filter(f"isValid(datum.{across})")
    look: dict[str, Any] = {"stroke": GREY, "strokeOpacity": 0.6, "strokeDash": [2, 3]}
    return [frame.mark_rect(fill=GREY, fillOpacity=0.06, **look, tooltip=None).encode(**at)]


def _cells(kind: Colours, color: alt.Color, tooltip: list[alt.Tooltip], at: dict[str, Any]) -> list[alt.Chart]:
    """The cells, each with its number where there is room for it."""
    room = f"min(bandwidth('x') / (0.58 * {META}.longest + 0.5), 0.75 * bandwidth('y'))"
    dark = GREY if kind.startswith("difference") else DARK
    numbers = alt.condition("datum.bright", alt.value(dark), alt.value(BRIGHT))
    seen = alt.condition(f"{room} > 6", alt.value(1), alt.value(0))
    cells = _there().transform_calculate(shade=f"clamp(datum.value, {LOW}, {HIGH})", bright=_bright(kind))
    text = cells.mark_text(fontSize=alt.ExprRef(f"clamp({room}, 6, 12)"), tooltip=None)
    return [
        cells.mark_rect().encode(**at, color=color, tooltip=tooltip).properties(name="pickable"),
        text.encode(**at, text="text:N", color=numbers, opacity=seen),
    ]


def _there() -> alt.Chart:
    return alt.Chart(named("cells")).transform_filter("isValid(datum.value)")


def _selected(across: str, at: dict[str, Any]) -> list[alt.Chart]:
    """Frames around the cell that is looked into, and around that which is pointed at."""
    selected = alt.Chart(named("selected")).transform_filter(f"isValid(datum.{across})")
    look: dict[str, Any] = {"fillOpacity": 0, "stroke": VERMILLION, "tooltip": None}
    return [
        selected.mark_rect(**look, strokeWidth=3).encode(**at),
        _there().transform_filter(POINTED_AT).mark_rect(**look, strokeWidth=2).encode(**at),
    ]


def _titles(x: alt.X) -> alt.Chart:
    """The title of each of several maps, over its first column."""
    width = f"bandwidth('x') * {META}.columns"
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
    return text.encode(x=x, y=alt.value(alt.ExprRef(f"-4 - {LINE} * ({META}.lines - 1)")), text="label:N")


def _legend(name: str, colours: Sequence[str], percent: bool) -> list[alt.Chart]:
    """The colours from the lowest to the highest value, with their ends, in one line above the map and its titles."""
    y = alt.value(alt.ExprRef(f"-10 - {LINE} * {META}.lines"))
    left = width_of(name) - 14
    narrow = f"width < {left + 140:.0f}"  # then there is no room for the name, which is in the title too
    start = f"({narrow} ? 0 : {left:.0f})"
    end = f"{start} + 32 + clamp(width - {start} - 76, 12, 70)"
    stops = [{"offset": k / (len(colours) - 1), "color": color} for k, color in enumerate(colours)]
    low, high = (alt.ExprRef(_number(bound, percent)) for bound in (LOW, HIGH))
    bar = alt.Chart(named("meta")).mark_rect(
        color={"gradient": "linear", "x1": 0, "x2": 1, "y1": 0, "y2": 0, "stops": stops}, height=9, tooltip=None
    )

    def at(x: str) -> Any:
        return alt.value(alt.ExprRef(x))

    def text(x: str, words: Any, align: Any) -> alt.Chart:
        mark = alt.Chart(named("meta")).mark_text(color=GREY, fontSize=11, align=align, tooltip=None, text=words)
        return mark.encode(x=at(x), y=y)

    return [
        text("0", alt.ExprRef(f"{narrow} ? '' : '{name}'"), "left"),
        text(f"{start} + 28", low, "right"),
        bar.encode(x=at(f"{start} + 32"), x2=at(end), y=y),
        text(f"{end} + 6", high, "left"),
    ]


def _bright(kind: str) -> str:
    """Whether a cell is so bright that its number must be dark, as an expression."""
    if kind.startswith("difference"):
        return f"abs(datum.shade) < 0.25 * {HIGH}"
    if kind == "log":
        return f"log(datum.shade / {LOW}) / log({HIGH} / {LOW}) > 0.55"
    share = f"(datum.shade - {LOW}) / ({HIGH} - {LOW})"
    return f"sqrt({share}) < 0.45" if kind == "sqrt" else f"{share} < 0.45"


def _number(value: str, percent: bool) -> str:
    if percent:
        return f"format(100 * {value}, '.2~r') + ' %'"
    return f"format({value}, abs({value}) < 1e-3 && {value} != 0 ? '.1e' : '.2~r')"


def _in_order(data_set: str) -> alt.Scale:
    """A scale whose places are the values of this data set, in its order: new ones need no new specification."""
    return alt.Scale(domain=alt.ExprRef(f"pluck(data('{data_set}'), 'value')"), padding=0.04)
