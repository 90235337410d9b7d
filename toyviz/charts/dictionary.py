"""Matrices, bars and lines of pages without a clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import GREY, Chart, compiled, named, powers, records, stretched


def old_matrices(panels: Sequence[tuple[str, np.ndarray]], rows: str = "row", columns: str = "column") -> Chart:
    """Matrices side by side as heat maps, each on its own scale around 0, which is written above it.

    panels: (label, (r, c)) each. Orange is negative, blue positive. rows, columns: what they are, for the tooltips.
    """
    frames = []
    for place, (label, values) in enumerate(panels):
        i, j = np.indices(values.shape)
        largest = float(np.abs(values).max(initial=0)) or 1.0
        frames.append(
            pd.DataFrame(
                {
                    "panel": f"{label} (±{largest:.2g})",
                    "place": place,
                    "row": i.ravel(),
                    "column": j.ravel(),
                    "value": values.ravel().astype(float),
                    "share": values.ravel().astype(float) / largest,
                    "top": i.ravel() / len(values),
                    "bottom": (i.ravel() + 1) / len(values),
                    "left": j.ravel() / values.shape[1],
                    "right": (j.ravel() + 1) / values.shape[1],
                }
            )
        )
    cells = pd.concat(frames, ignore_index=True) if frames else records([], "panel", "place", "share")
    said = [f"{label}, {values.shape[0]} by {values.shape[1]}" for label, values in panels]
    return Chart(_matrices(rows, columns), {"cells": cells}, f"Heat maps: {', '.join(said) or 'none'}.", square=True)


def old_bars(values: Mapping[str, np.ndarray], title: str, entries: str) -> Chart:
    """The entries of some vectors as bars, one row of bars for each vector. values: name -> (n,)."""
    frames = [pd.DataFrame({"vector": name, "entry": np.arange(len(v)), "value": v}) for name, v in values.items()]
    rows = pd.concat(frames, ignore_index=True) if frames else records([], "vector", "entry", "value")
    said = "; ".join(f"{name} from {v.min():.2g} to {v.max():.2g}" for name, v in values.items()) or "none"
    return Chart(_bars(title, entries, tuple(values)), {"bars": rows.astype({"value": float})}, f"{title}: {said}.")


def lines(
    rows: pd.DataFrame,
    title: str,
    x_title: str,
    y_title: str,
    order: Sequence[str],
    *,
    logarithmic_x: bool = False,
    logarithmic_y: bool = False,
    share: bool = False,
    rule: float | None = None,
    ticks: Sequence[float] = (),
) -> Chart:
    """The mean of a number over x for each line, and each seed as a faint dot.

    rows: columns x, y, line, seed. order: the names of the lines, which fix their colours. share: y goes from 0 to 1.
    rule: a dashed line at this y. ticks: these x have a tick on an axis that is logarithmic but for its 0.
    """
    mean = rows.groupby(["line", "x"], as_index=False)["y"].mean() if len(rows) else records([], "line", "x", "y")
    data = {"points": rows, "mean": mean, "rule": records([{"y": rule}] if rule is not None else [], "y")}
    ends = [f"{name}: {part['y'].iloc[0]:.2g} to {part['y'].iloc[-1]:.2g}" for name, part in mean.groupby("line")]
    spec = _lines(title, x_title, y_title, tuple(order), logarithmic_x, logarithmic_y, share, tuple(ticks))
    return Chart(spec, data, f"{title}. {'; '.join(ends) or 'Nothing yet'}.")


@cache
def _matrices(rows: str, columns: str) -> dict[str, Any]:
    scale = alt.Scale(domain=[0, 1], nice=False)
    tooltip = [
        alt.Tooltip("row:Q", title=rows),
        alt.Tooltip("column:Q", title=columns),
        alt.Tooltip("value:Q", format=".3f"),
    ]
    cells = (
        alt.Chart(named("cells"))
        .mark_rect()
        .encode(
            x=alt.X("left:Q", axis=None, scale=scale),
            x2="right:Q",
            y=alt.Y("top:Q", axis=None, scale=alt.Scale(domain=[1, 0], nice=False)),
            y2="bottom:Q",
            color=alt.Color(
                "share:Q",
                title="of the scale",
                scale=alt.Scale(domain=[-1, 1], domainMid=0, interpolate="rgb"),
                legend=alt.Legend(orient="right", gradientLength=80, gradientThickness=8, values=[-1, 0, 1]),
            ),
            tooltip=tooltip,
        )
        .properties(width=150, height=190)
    )
    return compiled(
        cells.facet(
            column=alt.Column(
                "panel:N",
                title=None,
                sort=alt.EncodingSortField("place", op="min", order="ascending"),
                header=alt.Header(labelFontSize=11, labelPadding=4, labelLimit=190),
            ),
            spacing=12,
        )
    )


@cache
def _bars(title: str, entries: str, order: tuple[str, ...]) -> dict[str, Any]:
    x = alt.X("entry:O", title=entries, axis=alt.Axis(labelAngle=0, labelOverlap=True, ticks=False))
    y = alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=3, gridOpacity=0.5))
    color = alt.Color("vector:N", title=None, sort=list(order), scale=alt.Scale(domain=list(order)))
    chart = (
        alt.Chart(named("bars"))
        .mark_bar()
        .encode(
            x=x,
            xOffset=alt.XOffset("vector:N", sort=list(order)),
            y=y,
            color=color.legend(None if len(order) == 1 else alt.Legend(orient="top")),
            tooltip=["vector:N", alt.Tooltip("entry:O", title=entries), alt.Tooltip("value:Q", format=".3f")],
        )
    )
    return stretched(chart, title, 130)


@cache
def _lines(
    title: str,
    x_title: str,
    y_title: str,
    order: tuple[str, ...],
    logarithmic_x: bool,
    logarithmic_y: bool,
    share: bool,
    ticks: tuple[float, ...],
) -> dict[str, Any]:
    scale = alt.Scale(type="log", nice=False, padding=10) if logarithmic_x else alt.Scale(nice=False, padding=10)
    axis = alt.Axis(grid=False, tickCount=6, format="~s" if logarithmic_x else "~g")
    if ticks:  # linear up to a third of the first tick above 0: as far from 0 as the ticks are from each other
        scale = alt.Scale(type="symlog", constant=min(tick for tick in ticks if tick) / 3, nice=False, padding=10)
        axis = alt.Axis(grid=False, values=list(ticks), format="~g")
    x = alt.X("x:Q", title=x_title, scale=scale, axis=axis)
    y = alt.Y(
        "y:Q",
        title=y_title,
        scale=alt.Scale(type="log", nice=False)
        if logarithmic_y
        else alt.Scale(domain=[0, 1.02], nice=False)
        if share
        else alt.Scale(),
        axis=alt.Axis(gridOpacity=0.5, tickCount=5, labelExpr=powers() if logarithmic_y else "datum.label"),
    )
    columns = 2 if max(map(len, order), default=0) < 18 else 1  # a narrow screen has no room for two long names
    legend = alt.Legend(orient="top", columns=columns, labelLimit=300, symbolOpacity=1)
    color = alt.Color("line:N", title=None, scale=alt.Scale(domain=list(order)), legend=legend)
    shape = alt.Shape("line:N", title=None, scale=alt.Scale(domain=list(order)), legend=legend)
    mean, points = alt.Chart(named("mean")), alt.Chart(named("points"))
    tooltip = [
        alt.Tooltip("line:N", title=" "),
        alt.Tooltip("x:Q", title=x_title, format=".3~g"),
        alt.Tooltip("y:Q", title=y_title, format=".4~g"),
    ]
    layers = alt.layer(
        alt.Chart(named("rule")).mark_rule(color=GREY, strokeDash=[3, 3]).encode(y="y:Q"),
        points.mark_point(filled=True, size=16, opacity=0.35).encode(
            x=x, y=y, color=color, shape=shape, tooltip=[*tooltip, alt.Tooltip("seed:N")]
        ),
        mean.mark_line(strokeWidth=2).encode(x=x, y=y, color=color),
        mean.mark_point(filled=True, size=45).encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip),
    )
    return stretched(layers, title, 260)
