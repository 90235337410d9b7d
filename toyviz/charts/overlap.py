"""Which features share directions: the overlaps of the columns of W1, and their lengths."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from toyviz import metrics
from toyviz.charts.chart import GREEN, GREY, Chart, compiled, named, records, selected_rule, stretched

BIAS = "b"  # the extra column beside W1'W1
LEFT = 30  # pixels of room for labels at the left: figures above each other stay aligned
SUMMARIES = {  # what can be drawn over the density: its title, and the top of its axis
    "represented": ("Features represented", None),
    "superposition": ("Mean superposition of these features", None),
    "polysemantic": ("Neurons that stand for several features", None),
}


def overlaps(columns: Sequence[tuple[str, np.ndarray, np.ndarray]], large: bool = False) -> Chart:
    """W1'W1 as a heat map, one square a label, with the bias b2 as one more column at the right.

    columns: (label, W1 (m, n), b2 (n,)) each. Blue is negative, orange positive, on one scale from -1 to 1.
    """
    frames = []
    for place, (label, W1, b2) in enumerate(columns):
        n = W1.shape[1]
        values = np.concatenate([W1.T @ W1, np.full((n, 1), np.nan), b2[:, None]], axis=1)  # (n, n + 2)
        i, j = np.indices(values.shape)
        names = np.array([*(str(k) for k in range(n)), "", BIAS])
        frames.append(
            pd.DataFrame(
                {
                    "panel": label,
                    "place": place,
                    "i": i.ravel(),
                    "j": j.ravel(),
                    "with": names[j.ravel()],
                    "value": values.ravel().astype(float),
                }
            ).dropna()
        )
    n = columns[0][1].shape[1] if columns else 1
    data = {
        "cells": pd.concat(frames, ignore_index=True) if frames else records([], "panel", "place", "i", "j", "value")
    }
    said = f"Heat maps of W1'W1 with the bias beside it, {len(columns)} of {n} by {n} features."
    return Chart(_overlaps(len(columns) or 1, n, large), data, said, square=True)


def norm_bars(columns: Sequence[tuple[str, np.ndarray, np.ndarray]], n_hidden: int, large: bool = False) -> Chart:
    """|W_i| of each feature as a bar, coloured by how much the others lie along its direction.

    columns: (label, norms (n,), superposition (n,)) each. Black: alone in its direction; yellow: fully shared. Bars of
    features that are hardly there are faded, since their direction means nothing. The line stands after feature m.
    """
    frames = [
        pd.DataFrame(
            {"panel": label, "place": place, "feature": np.arange(len(norms)), "norm": norms, "superposition": shared}
        )
        for place, (label, norms, shared) in enumerate(columns)
    ]
    n = len(columns[0][1]) if columns else 1
    bars = (
        pd.concat(frames, ignore_index=True)
        if frames
        else records([], "panel", "place", "feature", "norm", "superposition")
    )
    bars = bars.assign(after=n_hidden - 0.5)
    kept = [int((norms > metrics.REPRESENTED).sum()) for _, norms, _ in columns]
    said = (
        f"Length of each feature's column; longer than {metrics.REPRESENTED} are {', '.join(map(str, kept))} features."
    )
    return Chart(_norm_bars(len(columns) or 1, n, large), {"bars": bars}, said, square=True)


def summary(
    rows: pd.DataFrame,
    what: str,
    densities: Sequence[float],
    level: float | None = None,
    selected: float | None = None,
) -> Chart:
    """One number of each network over the density 1 - S: the best seed as a line, the other seeds as ticks.

    rows: columns density, seed, test_loss, best (bool) and one of SUMMARIES. densities: all of the sweep. level: a
    dashed line, at m for instance. Clicking a point picks its density.
    """
    title, _ = SUMMARIES[what]
    points = rows[["density", "seed", "test_loss", "best"]].assign(value=rows[what].astype(float))
    best = points[points["best"]].sort_values("density")
    data = {
        "points": points[~points["best"]],
        "best": best,
        "frame": pd.DataFrame({"density": list(densities)}),
        "selected": records([{"density": selected}] if selected is not None else [], "density"),
        "lines": records([{"value": level, "label": f"m = {level:g}"}] if level is not None else [], "value", "label"),
    }
    said = f"{title} over density, at the best seed. "
    if len(best):
        sparse, dense = best.iloc[0], best.iloc[-1]
        said += f"{dense['value']:.3g} at density {dense['density']:g}, {sparse['value']:.3g} at {sparse['density']:g}."
    return Chart(_summary(what), data, said)


def _size(columns: int, large: bool) -> int:
    return 290 if large else 120 if columns > 4 else 146


def _legend(values: list[float], large: bool) -> alt.Legend:
    return alt.Legend(orient="right", gradientLength=120 if large else 56, gradientThickness=8, values=values)


def _columns(chart: Any, header: bool) -> Any:
    labels = alt.Header(labelFontSize=11, labelPadding=4) if header else alt.Header(labels=False)
    return chart.facet(
        column=alt.Column(
            "panel:N", title=None, sort=alt.EncodingSortField("place", op="min", order="ascending"), header=labels
        ),
        spacing=10,
    )


@cache
def _overlaps(columns: int, n: int, large: bool) -> dict[str, Any]:
    size = _size(columns, large)
    step = size / (n + 2)
    tooltip = [
        alt.Tooltip("i:O", title="feature"),
        alt.Tooltip("with:N", title="with feature (b: bias)"),
        alt.Tooltip("value:Q", format=".3f"),
    ]
    ticks = list(range(0, n, 5 if n >= 10 else 1))
    across = alt.Axis(ticks=False, domain=False, values=ticks, labelAngle=0) if large else None
    down = alt.Axis(ticks=False, domain=False, values=ticks, minExtent=LEFT, maxExtent=LEFT) if large else None
    cells = (
        alt.Chart(named("cells"))
        .mark_rect()
        .encode(
            x=alt.X(
                "j:O",
                title="with feature (last column: the bias)",
                scale=alt.Scale(domain=list(range(n + 2)), padding=0),
                axis=across,
            ),
            y=alt.Y("i:O", title="feature", scale=alt.Scale(domain=list(range(n)), padding=0), axis=down),
            color=alt.Color(
                "value:Q",
                title="overlap",
                scale=alt.Scale(domain=[-1, 1], domainMid=0, clamp=True, interpolate="rgb"),
                legend=_legend([-1, 0, 1], large),
            ),
            tooltip=tooltip,
        )
        .properties(width=step * (n + 2), height=step * n)
    )
    return compiled(_columns(cells, header=True))


@cache
def _norm_bars(columns: int, n: int, large: bool) -> dict[str, Any]:
    size = _size(columns, large)
    step = size / (n + 2)
    tooltip = [
        alt.Tooltip("feature:O"),
        alt.Tooltip("norm:Q", title="length of its column", format=".3f"),
        alt.Tooltip("superposition:Q", format=".3f"),
    ]
    y = alt.Y(
        "norm:Q",
        title="length" if large else None,
        axis=alt.Axis(
            values=[0, 0.5, 1],
            gridOpacity=0.5,
            domain=False,
            ticks=False,
            labels=large,
            minExtent=LEFT if large else 0,
            maxExtent=LEFT if large else 0,
        ),
        scale=alt.Scale(domainMax=1.3, clamp=True),
    )
    bars = (
        alt.Chart()
        .transform_calculate(left="datum.feature - 0.42", right="datum.feature + 0.42", zero="0")
        .mark_rect(stroke=GREY, strokeWidth=0.5)
        .encode(
            x=alt.X("left:Q", axis=None, scale=alt.Scale(domain=[-0.5, n + 1.5], nice=False)),
            x2="right:Q",
            y=y,
            y2=alt.datum(0),
            color=alt.Color(
                "superposition:Q",
                title="superposition",
                scale=alt.Scale(scheme="inferno", domain=[0, 1], clamp=True),
                legend=_legend([0, 0.5, 1], large),
            ),
            opacity=alt.condition("datum.norm > 0.1", alt.value(1), alt.value(0.25)),
            tooltip=tooltip,
        )
    )
    line = alt.Chart().mark_rule(color=GREY, strokeDash=[3, 2]).encode(x=alt.X("mean(after):Q", axis=None))
    layers = alt.layer(bars, line, data=named("bars")).properties(width=step * (n + 2), height=size * 0.45)
    return compiled(_columns(layers, header=large))


@cache
def _summary(what: str) -> dict[str, Any]:
    title, top = SUMMARIES[what]
    x = alt.X(
        "density:Q",
        title="density 1 − S (sparser to the right)",
        scale=alt.Scale(type="log", reverse=True, nice=False, padding=16),
        axis=alt.Axis(grid=False, format="~g", values=[1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001]),
    )
    y = alt.Y(
        "value:Q",
        title=None,
        axis=alt.Axis(gridOpacity=0.5, tickCount=5),
        scale=alt.Scale(zero=True, **({"domain": [0, top]} if top else {})),
    )
    pick = alt.selection_point(name="pick", fields=["density"], toggle=False, empty=False, nearest=True)
    tooltip = [
        alt.Tooltip("density:Q", title="density 1 − S"),
        alt.Tooltip("value:Q", title=title.lower(), format=".3~g"),
        alt.Tooltip("seed:N"),
        alt.Tooltip("test_loss:Q", title="test loss", format=".4~g"),
    ]
    best, points, lines = (alt.Chart(named(name)) for name in ("best", "points", "lines"))
    layers = alt.layer(
        alt.Chart(named("frame")).mark_point(size=1, opacity=0, tooltip=None, aria=False).encode(x=x),
        selected_rule(x),
        lines.mark_rule(color=GREY, strokeDash=[2, 3]).encode(y=y),
        lines.mark_text(color=GREY, align="right", dx=-4, dy=9, fontSize=11).encode(
            x=alt.value("width"), y=y, text="label:N"
        ),
        points.mark_point(shape="stroke", size=120, strokeWidth=1.5, opacity=0.5, color=GREEN).encode(
            x=x, y=y, tooltip=tooltip
        ),
        best.mark_line(strokeWidth=2.5, color=GREEN).encode(x=x, y=y),
        best.mark_point(filled=True, size=60, color=GREEN, opacity=1)
        .encode(x=x, y=y, tooltip=tooltip)
        .add_params(pick),
    )
    return stretched(layers, title, 170)
