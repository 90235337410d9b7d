"""What a law predicts beside what was measured."""

from __future__ import annotations

from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import GREY, VERMILLION, Chart, named, records, stretched

KINDS = ("fitted", "kept from the fit")
IMPORTANCES = ("decreasing importance", "uniform importance")
BLUE = "#0A84C6"


def predictions(cells: pd.DataFrame, title: str) -> Chart:
    """Measured over predicted number of features, both on logarithmic axes; on the diagonal the prediction is exact.

    cells: columns predicted, measured, unseen (bool), n_features, n_hidden, density, importance (one of IMPORTANCES).
    """
    drawn = cells.assign(kind=np.where(cells["unseen"].to_numpy(bool), KINDS[1], KINDS[0]))
    both = cells[["predicted", "measured"]].to_numpy(float)
    low, high = (float(both.min()), float(both.max())) if len(both) else (1.0, 2.0)
    data = {"cells": drawn, "diagonal": pd.DataFrame({"predicted": [low, high], "measured": [low, high]})}
    said = f"{title}: {len(cells)} cells, {int(cells['unseen'].sum())} of them kept from the fit."
    return Chart(_predictions(title), data, said)


def residuals(cells: pd.DataFrame, field: str, title: str) -> Chart:
    """Measured over predicted, on a logarithmic axis, over n, m or density: the field; 1 is exact.

    cells: as for predictions(); title: that of the field.
    """
    drawn = cells.assign(ratio=cells["measured"] / cells["predicted"])
    spread = f"from {drawn['ratio'].min():.2g} to {drawn['ratio'].max():.2g}" if len(drawn) else "none yet"
    said = f"Measured over predicted for each {title}, {spread}."
    return Chart(_residuals(field, title), {"cells": drawn, "exact": records([{"ratio": 1.0}], "ratio")}, said)


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("n_features:Q", title="features n"),
        alt.Tooltip("n_hidden:Q", title="hidden size m"),
        alt.Tooltip("density:Q", title="density 1 − S"),
        alt.Tooltip("importance:N", title=" "),
        alt.Tooltip("measured:Q", title="come back", format=".3~g"),
        alt.Tooltip("predicted:Q", format=".3~g"),
    ]


@cache
def _predictions(title: str) -> dict[str, Any]:
    scale = alt.Scale(type="log", nice=False, padding=8)
    axis = alt.Axis(values=[0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000], format="~g", gridOpacity=0.4)
    x = alt.X("predicted:Q", title="predicted number of features", scale=scale, axis=axis)
    y = alt.Y("measured:Q", title="one-hots that come back", scale=scale, axis=axis)
    color = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(KINDS), range=[BLUE, VERMILLION]),
        legend=alt.Legend(orient="top", labelLimit=300),
    )
    shape = alt.Shape("kind:N", title=None, scale=alt.Scale(domain=list(KINDS), range=["circle", "diamond"]))
    layers = alt.layer(
        alt.Chart(named("diagonal")).mark_line(color=GREY, strokeDash=[4, 3], tooltip=None).encode(x=x, y=y),
        alt.Chart(named("cells"))
        .mark_point(filled=True, size=55, opacity=0.75)
        .encode(x=x, y=y, color=color, shape=shape, tooltip=_tooltip()),
    )
    return stretched(layers, title, 340)


@cache
def _residuals(field: str, title: str) -> dict[str, Any]:
    order = "descending" if field == "density" else "ascending"
    x = alt.X(f"{field}:O", title=title, sort=order, axis=alt.Axis(labelAngle=0, ticks=False, format="~g"))
    y = alt.Y(
        "ratio:Q",
        title="measured / predicted",
        scale=alt.Scale(type="log", nice=False, padding=8),
        axis=alt.Axis(values=[0.1, 0.2, 0.5, 1, 2, 5, 10], format="~g", gridOpacity=0.4),
    )
    color = alt.Color(
        "importance:N",
        title=None,
        scale=alt.Scale(domain=list(IMPORTANCES), range=[VERMILLION, BLUE]),
        legend=alt.Legend(orient="top", columns=1, labelLimit=300),
    )
    shape = alt.Shape(
        "importance:N", title=None, scale=alt.Scale(domain=list(IMPORTANCES), range=["diamond", "circle"])
    )
    layers = alt.layer(
        alt.Chart(named("exact")).mark_rule(color=GREY, strokeDash=[4, 3], tooltip=None).encode(y=y),
        alt.Chart(named("cells"))
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
    return stretched(layers, f"Over {title}", 230)
