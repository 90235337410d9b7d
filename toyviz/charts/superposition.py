"""What superposition depends on: the start of the bias, the density, and how many features compete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import GREEN, GREY, Chart, named, powers, records, selected_rule, stretched

BELOW = ("triangle", "square antiprism")  # their names stand under their lines, since another is close above
DOTS = 40  # features drawn at most at one density
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross"]
START_SUMMARIES = {  # what can be drawn for each start of the bias: title, axis, logarithmic
    "represented": ("Features represented, by the start of the bias", "features", False),
    "ratio": ("Test loss, as a multiple of that from a bias of 0", "times", True),
}
PHASE_NAMES = ["given up", "in a pair", "alone"]
PHASE_COLORS = ["#CCCCCC", "#E69F00", "#0072B2"]  # a light, a middle and a dark one: told apart without colour too


def by_start(rows: pd.DataFrame, what: str, starts: Sequence[str], selected: float | None = None) -> Chart:
    """One number over the density 1 - S, a line for each start of the bias: the median over seeds, and each seed.

    rows: columns density, start, seed and one of START_SUMMARIES. starts: the order of the lines. Clicking a point
    picks its density.
    """
    title = START_SUMMARIES[what][0]
    points = rows[["density", "start", "seed"]].assign(value=rows[what].astype(float))
    median = points.groupby(["density", "start"], as_index=False)["value"].median()
    data = {
        "points": points,
        "median": median,
        "selected": records([{"density": selected}] if selected is not None else [], "density"),
    }
    said = f"{title}."
    if len(median):
        sparse = median[median["density"] == median["density"].min()]
        ends = [f"{value:.3g} from {start}" for start, value in zip(sparse["start"], sparse["value"], strict=True)]
        said += f" At density {sparse['density'].iloc[0]:g}: {', '.join(ends)}."
    return Chart(_by_start(what, tuple(starts)), data, said)


def dimensions_per_feature(
    shares: Mapping[float, float], features: Mapping[float, np.ndarray], plateaus: Mapping[str, float]
) -> Chart:
    """D* = m / |W1|_F^2, the dimensions per feature, over 1 / (1 - S); and the dimensionality of single features.

    shares: density -> D*. features: density -> (n,). plateaus: the shares of regular shapes, by name, as dashed lines.
    At most DOTS features a density are drawn, evenly spaced by rank.
    """
    line = pd.DataFrame({"inverse": [1 / density for density in shares], "share": list(shares.values())})
    dots = [
        pd.DataFrame({"inverse": 1 / density, "share": _by_rank(values), "density": density})
        for density, values in features.items()
    ]
    data = {
        "line": line.sort_values("inverse"),
        "dots": pd.concat(dots, ignore_index=True) if dots else records([], "inverse", "share", "density"),
        "plateaus": records(
            [
                {"share": share, "label": f"{name}: {share:.3g}", "below": name in BELOW}
                for name, share in plateaus.items()
            ],
            *("share", "label", "below"),
        ),
    }
    said = "Dimensions per feature over one over the density."
    if len(line):
        first, last = data["line"].iloc[0], data["line"].iloc[-1]
        said += f" {first['share']:.2f} at {first['inverse']:.3g}, {last['share']:.2f} at {last['inverse']:.3g}."
    return Chart(_dimensions_per_feature(), data, said)


def phases(cells: pd.DataFrame, title: str, selected: tuple[float, float] | None = None) -> Chart:
    """What becomes of the extra feature over its importance and the density: a square of colour for each cell.

    cells: columns importance, density, phase (one of PHASE_NAMES), differs (bool: marked with a cross) and loss.
    selected: (importance, density) of the cell with a frame. Clicking a cell picks it.
    """
    chosen = [{"importance": selected[0], "density": selected[1]}] if selected else []
    data = {"cells": cells, "selected": records(chosen, "importance", "density")}
    counts = cells["phase"].value_counts()
    said = f"{title}: " + ", ".join(f"{name} in {counts.get(name, 0)} cells" for name in PHASE_NAMES)
    return Chart({**_phases(), "title": title}, data, f"{said}.")


def _by_rank(values: np.ndarray) -> np.ndarray:
    ordered = np.sort(values)[::-1]
    return ordered[np.unique(np.linspace(0, len(ordered) - 1, min(DOTS, len(ordered))).astype(int))]


def _density_x() -> alt.X:
    return alt.X(
        "density:Q",
        title="density 1 − S (sparser to the right)",
        scale=alt.Scale(type="log", reverse=True, nice=False, padding=16),
        axis=alt.Axis(grid=False, format="~g", values=[1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001]),
    )


@cache
def _by_start(what: str, starts: tuple[str, ...]) -> dict[str, Any]:
    title, unit, logarithmic = START_SUMMARIES[what]
    if logarithmic:
        y = alt.Y("value:Q", title=unit, scale=alt.Scale(type="log"), axis=alt.Axis(labelExpr=powers(), tickCount=5))
    else:
        y = alt.Y("value:Q", title=unit, scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=5))
    legend = alt.Legend(title=None, orient="top", columns=3, symbolOpacity=1)
    color = alt.Color("start:N", scale=alt.Scale(domain=list(starts)), legend=legend)
    shape = alt.Shape("start:N", scale=alt.Scale(domain=list(starts), range=SHAPES[: len(starts)]), legend=legend)
    pick = alt.selection_point(name="pick", fields=["density"], toggle=False, empty=False, nearest=True)
    tooltip = [
        alt.Tooltip("start:N", title="bias starts at"),
        alt.Tooltip("density:Q", title="density 1 − S"),
        alt.Tooltip("value:Q", title=unit, format=".3~g"),
    ]
    points, median = alt.Chart(named("points")), alt.Chart(named("median"))
    layers = alt.layer(
        selected_rule(_density_x()),
        points.mark_point(size=16, opacity=0.45).encode(
            x=_density_x(), y=y, color=color, shape=shape, tooltip=[*tooltip, alt.Tooltip("seed:N")]
        ),
        median.mark_line(strokeWidth=2).encode(x=_density_x(), y=y, color=color),
        median.mark_point(filled=True, size=56, opacity=1)
        .encode(x=_density_x(), y=y, color=color, shape=shape, tooltip=tooltip)
        .add_params(pick),
    )
    return stretched(layers, title, 240)


@cache
def _dimensions_per_feature() -> dict[str, Any]:
    x = alt.X(
        "inverse:Q",
        title="1 / (1 − S): one feature in so many is active",
        scale=alt.Scale(type="log", nice=False, padding=12),
        axis=alt.Axis(grid=False, format="~g", values=[1, 2, 3, 5, 10, 20, 50, 100]),
    )
    y = alt.Y(
        "share:Q",
        title="dimensions",
        scale=alt.Scale(domain=[0, 1.1], nice=False),
        axis=alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], gridOpacity=0.3),
    )
    line, dots, rules = (alt.Chart(named(name)) for name in ("line", "dots", "plateaus"))
    tooltip = [
        alt.Tooltip("inverse:Q", title="1 / (1 − S)", format=".3~g"),
        alt.Tooltip("share:Q", title="dimensions", format=".3f"),
    ]
    layers = alt.layer(
        rules.mark_rule(color=GREY, strokeDash=[3, 3]).encode(y=y),
        *(
            rules.transform_filter(alt.datum.below == below)
            .mark_text(color=GREY, align="right", dx=-4, dy=8 if below else -7, fontSize=11)
            .encode(x=alt.value("width"), y=y, text="label:N")
            for below in (True, False)
        ),
        dots.mark_circle(size=14, opacity=0.35).encode(x=x, y=y, tooltip=tooltip),
        line.mark_line(strokeWidth=2.5, color=GREEN, point=alt.OverlayMarkDef(color=GREEN, size=44)).encode(
            x=x, y=y, tooltip=tooltip
        ),
    )
    return stretched(layers, "Dimensions per feature", 340)


@cache
def _phases() -> dict[str, Any]:
    x = alt.X(
        "importance:O",
        title="importance of the extra feature, of the others 1",
        sort="ascending",
        axis=alt.Axis(format=".2~g", labelAngle=0, labelOverlap=True, ticks=False),
        scale=alt.Scale(padding=0.04),
    )
    y = alt.Y(
        "density:O",
        title="density 1 − S (sparser upwards)",
        sort="ascending",
        axis=alt.Axis(format=".2~g", ticks=False),
        scale=alt.Scale(padding=0.04),
    )
    cells = alt.Chart(named("cells"))
    pick = alt.selection_point(name="pick", fields=["importance", "density"], toggle=False, empty=False)
    tooltip = [
        alt.Tooltip("phase:N", title="extra feature"),
        alt.Tooltip("importance:Q", format=".3~g"),
        alt.Tooltip("density:Q", title="density 1 − S", format=".3~g"),
        alt.Tooltip("loss:Q", title="loss over closed form", format=".2f"),
    ]
    color = alt.Color(
        "phase:N",
        scale=alt.Scale(domain=PHASE_NAMES, range=PHASE_COLORS),
        legend=alt.Legend(title="extra feature", orient="top"),
    )
    layers = alt.layer(
        cells.mark_rect().encode(x=x, y=y, color=color, tooltip=tooltip).add_params(pick),
        cells.transform_filter("datum.differs")
        .mark_point(shape="cross", angle=45, size=50, filled=True, color="black", stroke="white", strokeWidth=0.6)
        .encode(x=x, y=y, tooltip=tooltip),
        alt.Chart(named("selected")).mark_rect(filled=False, stroke="#D55E00", strokeWidth=2.5).encode(x=x, y=y),
    )
    return stretched(layers, "", 300)
