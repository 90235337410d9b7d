"""A number of many networks in columns: a tick for each of them, and a dot for the one that is best."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from toyviz.charts.chart import GREEN, GREY, VERMILLION, Chart, filled
from toyviz.charts.clock import kin_of, pointed_in, targets
from toyviz.charts.layers import between, heading, layer, mark, meta, nominal, quantity, specification
from toyviz.charts.panels import COLUMN_WIDTH, along, column_names, ground
from toyviz.charts.ticks import linear_range, log_axis, log_range

UNDER = 15  # pixels of the plot, for the labels of the columns


def strips(
    rows: pd.DataFrame,
    field: str,
    columns: Sequence[Any],
    title: str,
    *,
    labels: Sequence[str] = (),
    noun: str = "seed",
    colour: str = GREEN,
    joined: bool = True,
    logarithmic: bool = False,
    ends: tuple[float, float] | None = None,
    selected: Any = None,
    seed: int | None = None,
    linked: bool = False,
) -> Chart:
    """A column for each value of a field: in it a tick for each network, and the best ones as dots.

    rows: columns field, seed, value, best (bool). columns: every value, trained or not, in their order; labels: what
    stands under them, else they themselves. noun: what a seed is called. joined: the dots are joined by a line. ends:
    of the axis, which what is beyond them moves. selected, seed: the network that is looked into. Clicking a mark
    picks its field and its seed.
    """
    place = {value: k for k, value in enumerate(columns)}
    rows = rows[rows[field].isin(place) & np.isfinite(rows["value"].astype(float))]
    names = [str(each) for each in labels or (x if isinstance(x, str) else f"{x:g}" for x in columns)]
    rows = rows.assign(value=rows["value"].astype(float), label=[names[place[x]] for x in rows[field]])
    low, high, ticks = _axis([*rows["value"], *(ends or ())], logarithmic)
    marks = rows[["value", field, "seed"]].assign(
        place=rows[field].map(place).astype(float) + 0.5,
        best=rows["best"].astype(bool),
        open=(rows[field] == selected) & (rows["seed"] == seed),
        kin=[kin_of(field, x) for x in rows[field]],
        told=[f"{r.label}, {noun} {r.seed}: {r.value:.4g}" for r in rows.itertuples()],
    )
    left = np.arange(float(len(names)))
    grounds = {"left": left, "right": left + 1, "label": names, "kin": [kin_of(field, value) for value in columns]}
    data = {
        "marks": filled(marks.sort_values(["best", "place"]).reset_index(drop=True)),
        "columns": filled(pd.DataFrame(grounds | {"selected": [value == selected for value in columns]})),
        "ticks": pd.DataFrame({"value": ticks}),
        "meta": meta(title=title, count=max(len(names), 1), low=low, high=high),
    }
    medians = rows.groupby("label", sort=False)["value"].median()
    told = [f"{name}: {medians[name]:.3g}" for name in names if name in medians]
    said = f"{title}, medians: {'; '.join(told)}." if told else f"{title}: no network yet."
    return Chart(_strips(field, colour, joined, logarithmic, linked), data, said)


def _axis(values: Sequence[float], logarithmic: bool) -> tuple[float, float, np.ndarray]:
    """Where the axis begins and ends, and its ticks."""
    if logarithmic:
        positive = [value for value in values if value > 0] or [0.1, 1.0]
        return log_range(min(positive), max(positive))
    low, high = min([0.0, *values]), max(values, default=1.0)
    return linear_range(low, high if high > low else low + 1)


@cache
def _strips(field: str, colour: str, joined: bool, logarithmic: bool, linked: bool) -> dict[str, Any]:
    kind = {"type": "log"} if logarithmic else {"type": "linear", "zero": False}
    scale = between(range=[{"expr": f"height - {UNDER} - 4"}, 4], **kind)
    plain = {} if logarithmic else {"labelExpr": "format(datum.value, '~r')"}  # 0 too
    y = quantity("value", title=None, scale=scale, axis=log_axis(minExtent=34, maxExtent=34, labelColor=GREY, **plain))
    at, there = {"x": along("place"), "y": y}, "isValid(datum.value)"
    tick = mark("rect", color=colour, opacity=0.45, height=1.5, width={"expr": f"min(0.6 * {COLUMN_WIDTH}, 26)"})
    line = layer("marks", mark("line", color=colour, strokeWidth=1.5), there, "datum.best", **at)
    dot = mark("point", filled=True, color=colour, size=50, opacity=1)
    ring = mark("point", shape="circle", filled=False, color=VERMILLION, size=150, strokeWidth=2, opacity=1)
    target = mark("rect", opacity=0, height=7, width={"expr": f"min(0.8 * {COLUMN_WIDTH}, 40)"})
    picks = targets(field, "seed", linked=linked, nearest=False)
    layers = [
        ground("columns"),
        layer("marks", tick, there, **at),
        *([line] if joined else []),
        layer("marks", dot, there, "datum.best", **at),
        layer("marks", ring, there, "datum.open", **at),
        column_names("columns", "label", "height"),
        layer("marks", target, there, picks=picks, **at, tooltip=nominal("told")),
    ]
    return specification(layers, heading(8), pointed_in(linked), "ticks")
