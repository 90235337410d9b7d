"""What single neurons stand for: the weights of each, as a heat map and as a stack of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import GREEN, GREY, Chart, compiled, named, powers, records, selected_rule, stretched

DRAWN = 0.02  # a weight smaller than this is no block: it would be a sliver
BLOCK = ("neuron", "feature", "weight", "start", "end", "superposition", "name")


def neuron_weights(columns: Sequence[tuple[str, np.ndarray]], large: bool = False) -> Chart:
    """W1 as a heat map, a square for each label: a row a feature, a column a neuron.

    columns: (label, W1 (m, n)) each. Orange is negative, blue positive, on one scale from -1 to 1.
    """
    frames = []
    for place, (label, W1) in enumerate(columns):
        neuron, feature = np.indices(W1.shape)
        cells = {"neuron": neuron.ravel() + 1, "feature": feature.ravel(), "weight": W1.ravel().astype(float)}
        frames.append(pd.DataFrame({"panel": label, "place": place, **cells}))
    m, n = columns[0][1].shape if columns else (1, 1)
    empty = records([], "panel", "place", "neuron", "feature", "weight")
    data = {"cells": pd.concat(frames, ignore_index=True) if frames else empty}
    said = f"{len(columns)} heat maps of W1, {n} features by {m} neurons."
    return Chart(_weights(len(columns) or 1, large), data, said, square=True)


def stacks(columns: Sequence[tuple[str, np.ndarray, np.ndarray, Sequence[str]]], large: bool = False) -> Chart:
    """One stack a neuron, one block a feature as high as its weight; negative weights hang below the axis.

    columns: (label, W1 (m, n), superposition (n,), names (m,)) each; a neuron's name stands under its stack. A block's
    colour is how much the other features lie along its feature's direction: black none, yellow as much as itself.
    """
    frames = [
        _blocks(W1, shared, names).assign(panel=label, place=place)
        for place, (label, W1, shared, names) in enumerate(columns)
    ]
    m = len(columns[0][1]) if columns else 1
    data = {"blocks": pd.concat(frames, ignore_index=True) if frames else records([], *BLOCK, "panel", "place")}
    said = f"Stacks of the weights of {m} neurons, {len(columns)} times."
    said += "".join(f" {label}: {', '.join(names)}." for label, _, _, names in columns)
    return Chart(_stacks(len(columns) or 1, large), data, said, square=True)


def spread(rows: pd.DataFrame, selected: float | None = None) -> Chart:
    """The test loss of every start over that of the best one, for each density: how much the start decides.

    rows: columns density, seed, ratio (loss over the lowest), best (bool). Clicking a tick picks density and seed.
    """
    data = {
        "points": rows[~rows["best"]],
        "best": rows[rows["best"]].sort_values("density"),
        "selected": records([{"density": selected}] if selected is not None else [], "density"),
    }
    worst = rows.groupby("density")["ratio"].median() if len(rows) else pd.Series(dtype=float)
    said = "Test loss of every start over that of the best."
    if len(worst):
        said += f" The median start has {worst.max():.2f} times the lowest loss at density {worst.idxmax():g}."
    return Chart(_spread(), data, said)


def _blocks(W1: np.ndarray, shared: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """The blocks of each stack, the largest weights next to the axis, and a row for the name under it."""
    rows: list[dict[str, Any]] = []
    for k, weights in enumerate(W1.astype(float)):
        ends = {True: 0.0, False: 0.0}
        for feature in np.argsort(-np.abs(weights), kind="stable"):
            weight = float(weights[feature])
            if abs(weight) < DRAWN:
                continue
            start = ends[weight > 0]
            ends[weight > 0] += weight
            values = (k + 1, int(feature), weight, start, start + weight, float(shared[feature]), "")
            rows.append(dict(zip(BLOCK, values, strict=True)))
    lowest = min((row["end"] for row in rows), default=0.0)
    for k, name in enumerate(names):
        under = min(lowest, 0.0)
        rows.append(dict(zip(BLOCK, (k + 1, -1, 0.0, under, under, 0.0, name), strict=True)))
    return records(rows, *BLOCK)


def _facets(chart: Any) -> dict[str, Any]:
    header = alt.Header(labelFontSize=11, labelPadding=4)
    sort = alt.EncodingSortField("place", op="min", order="ascending")
    return compiled(chart.facet(column=alt.Column("panel:N", title=None, sort=sort, header=header), spacing=10))


def _legend(values: list[float], large: bool) -> alt.Legend:
    return alt.Legend(orient="right", gradientLength=120 if large else 70, gradientThickness=8, values=values)


def _width(columns: int, large: bool) -> int:
    return 290 if large else 96 if columns > 4 else 170


@cache
def _weights(columns: int, large: bool) -> dict[str, Any]:
    width = _width(columns, large)
    axis = alt.Axis(ticks=False, domain=False, labelAngle=0) if large else None
    cells = (
        alt.Chart(named("cells"))
        .mark_rect()
        .encode(
            x=alt.X("neuron:O", title="neuron", axis=axis),
            y=alt.Y("feature:O", title="feature", axis=axis),
            color=alt.Color(
                "weight:Q",
                scale=alt.Scale(domain=[-1, 1], domainMid=0, clamp=True, interpolate="rgb"),
                legend=_legend([-1, 0, 1], large),
            ),
            tooltip=["neuron:O", "feature:O", alt.Tooltip("weight:Q", format=".3f")],
        )
        .properties(width=width, height=290 if large else 150)
    )
    return _facets(cells)


@cache
def _stacks(columns: int, large: bool) -> dict[str, Any]:
    across = alt.Axis(labelAngle=0, ticks=False, domain=False, titleFontSize=alt.Undefined if large else 10)
    x = alt.X("neuron:O", title="neuron", axis=across)
    axis = alt.Axis(gridOpacity=0.5, domain=False, ticks=False, tickCount=5)
    y = alt.Y("start:Q", title="weight", axis=axis)
    tooltip = [
        "neuron:O",
        "feature:O",
        *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("weight", "superposition")),
    ]
    blocks = (
        alt.Chart()
        .transform_filter("datum.name == ''")
        .mark_bar(stroke=GREY, strokeWidth=0.6)
        .encode(
            x=x,
            y=y,
            y2="end:Q",
            color=alt.Color(
                "superposition:Q",
                scale=alt.Scale(scheme="inferno", domain=[0, 1], clamp=True),
                legend=_legend([0, 0.5, 1], large),
            ),
            tooltip=tooltip,
        )
    )
    names = (
        alt.Chart()
        .transform_filter("datum.name != ''")
        .mark_text(color=GREY, fontSize=12 if large else 9, baseline="top", dy=4)
        .encode(x=x, y=y, text="name:N")
    )
    layers = alt.layer(blocks, names, data=named("blocks"))
    return _facets(layers.properties(width=_width(columns, large), height=290 if large else 190))


@cache
def _spread() -> dict[str, Any]:
    x = alt.X(
        "density:Q",
        title="density 1 − S (sparser to the right)",
        scale=alt.Scale(type="log", reverse=True, nice=False, padding=16),
        axis=alt.Axis(grid=False, format="~g", values=[1, 0.75, 0.35, 0.15, 0.1, 0.06, 0.02, 0.01], labelOverlap=True),
    )
    y = alt.Y(
        "ratio:Q",
        title="test loss / lowest",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(gridOpacity=0.5, tickCount=5, labelExpr=powers()),
    )
    pick = alt.selection_point(name="pick", fields=["density", "seed"], toggle=False, empty=False, nearest=True)
    tooltip = [
        alt.Tooltip("density:Q", title="density 1 − S"),
        alt.Tooltip("seed:N", title="start"),
        alt.Tooltip("loss:Q", title="test loss", format=".4~g"),
        alt.Tooltip("ratio:Q", title="over the lowest", format=".3f"),
        alt.Tooltip("polysemantic:Q", title="polysemantic neurons"),
    ]
    points, best = alt.Chart(named("points")), alt.Chart(named("best"))
    layers = alt.layer(
        selected_rule(x),
        points.mark_point(shape="stroke", size=120, strokeWidth=1.2, opacity=0.35, color=GREEN)
        .encode(x=x, y=y, tooltip=tooltip)
        .add_params(pick),
        best.mark_point(filled=True, size=60, color=GREEN, opacity=1).encode(x=x, y=y, tooltip=tooltip),
    )
    return stretched(layers, "How much the start decides", 170)
