"""How each of some random starts ends: a row a seed, a dot at its loss."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from toyviz.charts.chart import GREY, VERMILLION, Chart
from toyviz.charts.clock import LIVELY, POINTED_AT, SCHEMA, heading, meta, pointed_in, targets, unseen
from toyviz.charts.sizes import filled
from toyviz.charts.ticks import PLAIN, log_axis, log_range


def by_seed(
    rows: pd.DataFrame,
    seeds: Sequence[int],
    title: str,
    *,
    selected: int | None = None,
    ends: tuple[float, float] | None = None,
    note_title: str = "",
) -> Chart:
    """A number of each random start on a logarithmic axis, a row a seed; a click picks the seed.

    rows: columns seed, value, note, which is written at the end of its row under note_title. seeds: all that there will
    be, trained or not. selected: the seed that is looked into. ends: of the axis, of which only a higher value moves
    one; what is lower is drawn at the lower end. Without them values that are not above 0 are left out.
    """
    rows = rows[rows["seed"].isin(list(seeds)) & (rows["value"].astype(float) > (-np.inf if ends else 0))]
    rows = rows.sort_values("seed")
    values = rows["value"].astype(float)
    known = [*(ends or ()), *(values[values > ends[0]] if ends else values)]
    low, high, ticks = log_range(min(known), max(known)) if known else (0.1, 1.0, np.array([0.1, 1.0]))
    points = pd.DataFrame(
        {
            "seed": rows["seed"],
            "value": values.clip(lower=low),
            "note": rows["note"].astype(object),
            "told": [f"seed {s}: {v:.4g}, {n}" for s, v, n in zip(rows["seed"], values, rows["note"], strict=True)],
            "kin": [f"seed={seed}" for seed in rows["seed"]],
        }
    ).reset_index(drop=True)
    data = {
        "points": filled(points),
        "seeds": pd.DataFrame({"value": list(seeds) or [0]}),
        "ticks": pd.DataFrame({"value": ticks}),
        "meta": meta(
            title=title,
            low=low,
            high=high,
            count=max(len(seeds), 1),
            selected=-1 if selected is None else selected,
            clipped=ends is not None,
            note_title=note_title,
        ),
    }
    said = f"from {values.min():.3g} to {values.max():.3g} over {len(rows)} seeds" if len(rows) else "no network yet"
    return Chart(_by_seed(), data, f"{title} of each seed: {said}.")


@cache
def _by_seed() -> dict[str, Any]:
    x = {
        "field": "value",
        "type": "quantitative",
        "title": None,
        "scale": {
            "type": "log",
            "nice": False,
            "domain": {"expr": "[data('meta')[0].low, data('meta')[0].high]"},
            "range": [8, {"expr": "max(20, width - 44)"}],
        },
        "axis": log_axis(orient="bottom", grid=True)
        | {"labelExpr": f"(data('meta')[0].clipped && datum.value <= data('meta')[0].low ? '≤ ' : '') + ({PLAIN})"},
    }
    y = {
        "field": "seed",
        "type": "ordinal",
        "title": "seed",
        "scale": {"domain": {"expr": "pluck(data('seeds'), 'value')"}},
        "axis": {"ticks": False, "domain": False, "labelOverlap": True, "labelFontSize": 11, "titleFontSize": 11},
    }
    mark: dict[str, Any] = {"type": "point", "filled": True, "color": VERMILLION, "opacity": 1, "tooltip": None}
    small: dict[str, Any] = {"type": "text", "color": GREY, "fontSize": 10, "baseline": "middle", "tooltip": None}
    points: dict[str, Any] = {"data": {"name": "points"}, "transform": [{"filter": "isValid(datum.value)"}]}
    band = {"expr": "0.86 * height / data('meta')[0].count"}
    row = {"type": "bar", "height": band, "color": GREY, "opacity": 0.25, "tooltip": None}
    whole = {"x": {"value": 0}, "x2": {"value": {"expr": "width"}}, "y": y}
    target = targets("seed", linked=True, nearest=False)
    layers: list[dict[str, Any]] = [
        {**points, "transform": [*points["transform"], {"filter": "datum.seed == data('meta')[0].selected"}],
         "mark": row, "encoding": whole},
        {**points, "transform": [*points["transform"], {"filter": POINTED_AT}], "mark": row, "encoding": whole},
        {
            "data": {"name": "meta"},
            "mark": {**small, "align": "right"},
            "encoding": {
                "x": {"value": {"expr": "width - 2"}},
                "y": {"value": -6},
                "text": {"field": "note_title", "type": "nominal"},
            },
        },
        {**points, "mark": {**mark, "size": 60}, "encoding": {"x": x, "y": y}},
        {**points, "mark": {**small, "align": "right"},
         "encoding": {"x": {"value": {"expr": "width - 2"}}, "y": y, "text": {"field": "note", "type": "nominal"}}},
        {
            **points,
            "transform": [*points["transform"], *target["transform"]],
            "params": target["params"],
            "mark": {**row, "color": "transparent", "opacity": 1, "cursor": "pointer"},
            "encoding": {**whole, "tooltip": {"field": "told", "type": "nominal"}},
        },
    ]  # fmt: skip
    return {
        "$schema": SCHEMA,
        "title": heading(14),
        "params": pointed_in(True),
        "layer": [*unseen("meta", "ticks", "seeds"), *layers],
        **LIVELY,
    }
