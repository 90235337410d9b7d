"""Dots that ask how close two numbers are: a prediction against a measurement, and what is left over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    VERMILLION,
    Chart,
    expressions_read,
    filled,
    named,
    records,
    stretched,
)
from toyviz.charts.clock import pickable
from toyviz.charts.layers import META, heading, meta

KINDS = ("fitted", "kept from the fit")
IMPORTANCES = ("decreasing importance", "uniform importance")
COLOURS, SHAPES = (
    (GREY, BLUE, VERMILLION, GREEN, PURPLE, AMBER),
    ("circle", "square", "diamond", "cross", "triangle-up"),
)
SMALL: dict[str, Any] = {"labelFontSize": 11, "labelPadding": 4, "titleFontSize": 11, "titlePadding": 4}  # of an axis
OFFSET = 3  # pixels between legend and plot
USUAL = (0.2, 5.0)  # what an axis of ratios holds at least, so that it does not jump while cells come in


def predictions(cells: pd.DataFrame, title: str, most: float | None = None) -> Chart:
    """Measured over predicted number of features, both on logarithmic axes; on the diagonal the prediction is exact.

    cells: columns predicted, measured, unseen (bool), n_features, n_hidden, density, importance (one of IMPORTANCES).
    most: the largest number there can be; where it is left out, axes end with the cells.
    """
    drawn = cells.assign(kind=np.where(cells["unseen"].to_numpy(bool), KINDS[1], KINDS[0]))
    both = cells[["predicted", "measured"]].to_numpy(float)
    low, high = (float(both.min()), float(both.max())) if len(both) else (1.0, 2.0)
    if most is not None:
        low, high = min(low, 0.5), max(high, most)
    data = {
        "cells": filled(drawn),
        "diagonal": pd.DataFrame({"predicted": [low, high], "measured": [low, high]}),
        "meta": meta(title=title, low=low, high=high),
    }
    said = f"{title}: {len(cells)} cells, {int(cells['unseen'].sum())} of them kept from the fit."
    return Chart(_predictions(), data, said)


def residuals(cells: pd.DataFrame, field: str, title: str, values: Sequence[float] = ()) -> Chart:
    """Measured over predicted, on a logarithmic axis, over n, m or density: the field; 1 is exact.

    cells: as for predictions(). title: that of the field. values: all that there will be along the axis.
    """
    drawn = cells.assign(ratio=cells["measured"] / cells["predicted"])
    spread = f"from {drawn['ratio'].min():.2g} to {drawn['ratio'].max():.2g}" if len(drawn) else "none yet"
    said = f"Measured over predicted for each {title}, {spread}."
    there = sorted(values or set(cells[field]) or {1}, reverse=field == "density")
    data = {
        "cells": filled(drawn),
        "exact": pd.DataFrame({"ratio": [1.0]}),
        "across": pd.DataFrame({"value": there}),
        "meta": meta(
            title=f"Over {title}", low=min([USUAL[0], *drawn["ratio"]]), high=max([USUAL[1], *drawn["ratio"]])
        ),
    }
    return Chart(_residuals(field, title), data, said)


def factors(
    rows: pd.DataFrame,
    names: Sequence[str],
    kinds: Sequence[str],
    title: str,
    rules: Mapping[str, float],
    selected: str,
) -> Chart:
    """By what factor each of these is off, on a logarithmic axis from 1, which is exact: a mark for each kind.

    rows: columns name, kind, value, and law and kept, which a click picks. names, kinds: all that there will be, in
    their order. rules: name -> where a dashed line stands. selected: the name with a broad line behind it.
    """
    data = {
        "rows": filled(rows),
        "up": pd.DataFrame({"value": list(names)}),
        "rules": filled(records([{"text": text, "value": at} for text, at in rules.items()], "text", "value")),
        "selected": pd.DataFrame({"name": [selected]}),
        "meta": meta(title=title, low=min([1.0, *rows["value"]]), high=max([USUAL[1], *rows["value"]])),
    }
    best = rows.loc[rows["value"].idxmin()] if len(rows) else None
    said = f"{title}: none yet." if best is None else f"{title}: least for {best['name']}, {best['value']:.2f}."
    return Chart(_factors(tuple(kinds)), data, said)


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("n_features:Q", title="features n"),
        alt.Tooltip("n_hidden:Q", title="hidden size m"),
        alt.Tooltip("density:Q", title="density 1 − S"),
        alt.Tooltip("importance:N", title=" "),
        alt.Tooltip("measured:Q", title="come back", format=".3~g"),
        alt.Tooltip("predicted:Q", format=".3~g"),
    ]


def _axis(values: Sequence[float], **more: Any) -> alt.Axis:
    return alt.Axis(values=list(values), format="~g", gridOpacity=0.4, ticks=False, domain=False, **SMALL, **more)


def _between() -> alt.Scale:
    """A logarithmic scale whose ends are data."""
    ends = alt.ExprRef(f"[{META}.low, {META}.high]")
    return alt.Scale(type="log", nice=False, padding=8, domain=ends)


def _legend(columns: int, offset: int = OFFSET) -> alt.Legend:
    """In one line above the plot, as close to it as can be."""
    small: dict[str, Any] = {
        "labelFontSize": 11,
        "symbolSize": 45,
        "columnPadding": 10,
        "rowPadding": 0,
        "offset": offset,
    }
    return alt.Legend(orient="top", columns=columns, labelLimit=300, **small)


@cache
def _predictions() -> dict[str, Any]:
    scale = _between()
    axis = _axis([0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000])
    x = alt.X("predicted:Q", title="predicted number of features", scale=scale, axis=axis)
    y = alt.Y("measured:Q", title="one-hots that come back", scale=scale, axis=axis)
    color = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(KINDS), range=[BLUE, VERMILLION]),
        legend=_legend(2),
    )
    shape = alt.Shape("kind:N", title=None, scale=alt.Scale(domain=list(KINDS), range=["circle", "diamond"]))
    layers = alt.layer(
        *expressions_read("meta"),
        alt.Chart(named("diagonal")).mark_line(color=GREY, strokeDash=[4, 3], tooltip=None).encode(x=x, y=y),
        alt.Chart(named("cells"))
        .transform_filter("isValid(datum.measured)")
        .mark_point(filled=True, size=55, opacity=0.75)
        .encode(x=x, y=y, color=color, shape=shape, tooltip=_tooltip()),
    )
    return stretched(layers, "", 340) | {"title": heading(4)}


@cache
def _residuals(field: str, title: str) -> dict[str, Any]:
    order = alt.Scale(domain=alt.ExprRef("pluck(data('across'), 'value')"))
    x = alt.X(f"{field}:O", title=title, scale=order, axis=alt.Axis(labelAngle=0, ticks=False, format="~g", **SMALL))
    y = alt.Y(
        "ratio:Q",
        title="measured / predicted",
        scale=_between(),
        axis=_axis([0.1, 0.2, 0.5, 1, 2, 5, 10]),
    )
    color = alt.Color(
        "importance:N",
        title=None,
        scale=alt.Scale(domain=list(IMPORTANCES), range=[VERMILLION, BLUE]),
        legend=_legend(2),
    )
    shape = alt.Shape(
        "importance:N", title=None, scale=alt.Scale(domain=list(IMPORTANCES), range=["diamond", "circle"])
    )
    layers = alt.layer(
        *expressions_read("meta", "across"),
        alt.Chart(named("exact")).mark_rule(color=GREY, strokeDash=[4, 3], tooltip=None).encode(y=y),
        alt.Chart(named("cells"))
        .transform_filter("isValid(datum.ratio)")
        .mark_point(filled=True, size=40, opacity=0.7)
        .encode(
            x=x,
            xOffset=alt.XOffset("importance:N", scale=alt.Scale(domain=list(IMPORTANCES))),
            y=y,
            color=color,
            shape=shape,
            tooltip=_tooltip(),
        ),
    )
    return stretched(layers, "", 230) | {"title": heading(4)}


@cache
def _factors(kinds: tuple[str, ...]) -> dict[str, Any]:
    x = alt.X(
        "value:Q",
        title="off by a factor of",
        scale=_between(),
        axis=_axis([1, 1.2, 1.5, 2, 3, 5, 10, 20, 50]),
    )
    names = alt.Scale(domain=alt.ExprRef("pluck(data('up'), 'value')"))
    axis = alt.Axis(
        ticks=False,
        domain=False,
        labelLimit=210,
        labelFontSize=11,
        labelPadding=4,
        labelOverlap=False,
        labelFlush=False,
    )
    y = alt.Y("name:N", title=None, scale=names, axis=axis)
    color = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(kinds), range=list(COLOURS[: len(kinds)])),
        legend=_legend(3, 5 * OFFSET),
    )
    shape = alt.Shape("kind:N", title=None, scale=alt.Scale(domain=list(kinds), range=list(SHAPES[: len(kinds)])))
    tooltip = [
        alt.Tooltip("name:N", title=" "),
        alt.Tooltip("kind:N"),
        alt.Tooltip("value:Q", title="off by", format=".3f"),
    ]
    rules = alt.Chart(named("rules")).transform_filter("isValid(datum.value)")
    layers = alt.layer(
        *expressions_read("meta", "up"),
        alt.Chart(named("selected"))
        .mark_rule(color=GREY, opacity=0.3, strokeWidth=14, strokeCap="round", tooltip=None)
        .encode(y=y),
        rules.mark_rule(color=GREY, strokeDash=[4, 3], tooltip=None).encode(x=x),
        rules.mark_text(color=GREY, align="left", dx=4, fontSize=11, tooltip=None).encode(
            x=x, y=alt.value(-5), text="text:N"
        ),
        alt.Chart(named("rows"))
        .transform_filter("isValid(datum.value)")
        .mark_point(filled=True, size=70, opacity=0.85)
        .encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip)
        .properties(name="pickable"),
    )
    return pickable(stretched(layers, "", 260), "law", "kept", linked=False) | {"title": heading(4)}
