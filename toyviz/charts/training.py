"""One training: its loss over the steps."""

from __future__ import annotations

from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import GREY, VERMILLION, Chart, named, powers, records, stretched


def training_curve(steps: np.ndarray, losses: np.ndarray, at_step: int | None = None) -> Chart:
    """The training loss over the steps of one training, both logarithmic; a rule at one step.

    steps, losses: (k,). Values that are not positive cannot be drawn on a logarithmic axis and are left out.
    """
    steps, losses = np.asarray(steps), np.asarray(losses, dtype=float)
    keep = np.isfinite(losses) & (losses > 0) & (steps > 0)
    curve = pd.DataFrame({"step": steps[keep], "loss": losses[keep]})
    data = {"curve": curve, "rule": records([{"step": max(at_step, 1)}] if at_step is not None else [], "step")}
    said = (
        f"Training loss {curve['loss'].iloc[0]:.3g} at first, {curve['loss'].iloc[-1]:.3g} at last."
        if len(curve)
        else "No steps yet."
    )
    return Chart(_training_curve(), data, said)


@cache
def _training_curve() -> dict[str, Any]:
    x = alt.X(
        "step:Q",
        title="step",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(grid=False, labelExpr="format(datum.value, '~s')", values=[10**k for k in range(7)]),
    )
    y = alt.Y(
        "loss:Q",
        title="training loss",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(labelExpr=powers(), gridOpacity=0.5, tickCount=5),
    )
    curve = alt.Chart(named("curve")).mark_line(strokeWidth=2, color=VERMILLION)
    tooltip = [alt.Tooltip("step:Q", format=","), alt.Tooltip("loss:Q", format=".4~g", title="training loss")]
    layers = alt.layer(
        alt.Chart(named("rule")).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x=x),
        curve.encode(x=x, y=y, tooltip=tooltip),
    )
    return stretched(layers, "Training loss over the steps", 220)
