"""A number of many networks in columns: a tick for each of them, and a dot for the one that is best."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from toyviz.charts.chart import GREEN, GREY, VERMILLION, Chart
from toyviz.charts.clock import LIVELY, POINTED_AT, SCHEMA, heading, meta, pointed_in, targets, unseen
from toyviz.charts.sizes import filled
from toyviz.charts.ticks import log_axis, log_range

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
    values = rows["value"].astype(float)
    low, high, ticks = _axis([*values, *(ends or ())], logarithmic)
    names = [
        str(each) for each in labels or [f"{value:g}" if not isinstance(value, str) else value for value in columns]
    ]
    marks = pd.DataFrame(
        {
            "place": rows[field].map(place).astype(float) + 0.5,
            "value": values,
            field: rows[field],
            "seed": rows["seed"],
            "best": rows["best"].astype(bool),
            "open": (rows[field] == selected) & (rows["seed"] == seed),
            "kin": [kin(field, value) for value in rows[field]],
            "told": [
                f"{names[place[x]]}, {noun} {s}: {v:.4g}"
                for x, s, v in zip(rows[field], rows["seed"], values, strict=True)
            ],
        }
    )
    data = {
        "marks": filled(marks.sort_values(["best", "place"]).reset_index(drop=True)),
        "columns": filled(
            pd.DataFrame(
                {
                    "left": np.arange(float(len(names))),
                    "right": np.arange(float(len(names))) + 1,
                    "label": names,
                    "kin": [kin(field, value) for value in columns],
                    "selected": [value == selected for value in columns],
                }
            )
        ),
        "ticks": pd.DataFrame({"value": ticks}),
        "meta": meta(title=title, count=max(len(names), 1), low=low, high=high),
    }
    said = f"{title}: no network yet."
    if len(rows):
        middle = rows.assign(value=values).groupby(field)["value"].median()
        told = [f"{names[place[x]]}: {middle[x]:.3g}" for x in columns if x in middle]
        said = f"{title}, medians: {'; '.join(told)}."
    return Chart(_strips(field, colour, joined, logarithmic, linked), data, said)


def kin(field: str, value: Any) -> str:
    """What pointing at a column marks in other charts: "density=0.1"."""
    return f"{field}={value:g}" if not isinstance(value, str) else f"{field}={value}"


def _axis(values: Sequence[float], logarithmic: bool) -> tuple[float, float, np.ndarray]:
    """Where the axis begins and ends, and its ticks."""
    if logarithmic:
        positive = [value for value in values if value > 0] or [0.1, 1.0]
        return log_range(min(positive), max(positive))
    low, high = min([0.0, *values]), max(values, default=1.0)
    high = high if high > low else low + 1
    power = 10.0 ** np.floor(np.log10(high - low))
    step = next(m * power for m in (0.2, 0.5, 1, 2) if (high - low) / (m * power) <= 6)
    end = float(np.ceil(high / step - 1e-9) * step)
    return low, end, np.arange(np.ceil(low / step - 1e-9), round(end / step) + 1) * step


@cache
def _strips(field: str, colour: str, joined: bool, logarithmic: bool, linked: bool) -> dict[str, Any]:
    across = {"domain": {"expr": "[0, data('meta')[0].count]"}, "nice": False, "zero": False}
    y = {
        "field": "value",
        "type": "quantitative",
        "title": None,
        "scale": {
            "type": "log" if logarithmic else "linear",
            "domain": {"expr": "[data('meta')[0].low, data('meta')[0].high]"},
            "range": [{"expr": f"height - {UNDER} - 4"}, 4],
            "nice": False,
            **({} if logarithmic else {"zero": False}),
        },
        "axis": log_axis(minExtent=34, maxExtent=34, labelColor=GREY),
    }

    def along(name: str) -> dict[str, Any]:
        return {"field": name, "type": "quantitative", "scale": across, "axis": None}

    column = "(width / data('meta')[0].count)"
    here = {"data": {"name": "marks"}, "transform": [{"filter": "isValid(datum.value)"}]}
    best = {**here, "transform": [*here["transform"], {"filter": "datum.best"}]}
    at = {"x": along("place"), "y": y}
    picked = targets(field, "seed", linked=linked, nearest=False)
    layers = [
        {
            "data": {"name": "columns"},
            "mark": {
                "type": "rect",
                "fill": GREY,
                "cornerRadius": 4,
                "fillOpacity": {"expr": f"datum.selected ? 0.17 : {POINTED_AT} ? 0.1 : 0"},
                "tooltip": None,
            },
            "encoding": {
                "x": along("left"),
                "x2": {"field": "right"},
                "y": {"value": 0},
                "y2": {"value": {"expr": "height"}},
            },
        },
        {
            **here,
            "mark": {
                "type": "rect",
                "color": colour,
                "opacity": 0.45,
                "tooltip": None,
                "height": 1.5,
                "width": {"expr": f"min(0.6 * {column}, 26)"},
            },
            "encoding": at,
        },
        *(
            [{**best, "mark": {"type": "line", "color": colour, "strokeWidth": 1.5, "tooltip": None}, "encoding": at}]
            if joined
            else []
        ),
        {
            **best,
            "mark": {"type": "point", "filled": True, "color": colour, "size": 50, "opacity": 1, "tooltip": None},
            "encoding": at,
        },
        {
            **here,
            "transform": [*here["transform"], {"filter": "datum.open"}],
            "mark": {
                "type": "point",
                "shape": "circle",
                "filled": False,
                "color": VERMILLION,
                "size": 150,
                "strokeWidth": 2,
                "opacity": 1,
                "tooltip": None,
            },
            "encoding": at,
        },
        {
            "data": {"name": "columns"},
            "transform": [{"calculate": "(datum.left + datum.right) / 2", "as": "middle"}],
            "mark": {
                "type": "text",
                "color": GREY,
                "fontSize": 11,
                "baseline": "bottom",
                "tooltip": None,
                "limit": {"expr": f"{column} - 2"},
                "fontWeight": {"expr": "datum.selected ? 'bold' : 'normal'"},
            },
            "encoding": {
                "x": along("middle"),
                "y": {"value": {"expr": "height"}},
                "text": {"field": "label", "type": "nominal"},
            },
        },
        {
            **here,
            **picked,
            "transform": [*here["transform"], *picked["transform"]],
            "mark": {
                "type": "rect",
                "opacity": 0,
                "height": 7,
                "width": {"expr": f"min(0.8 * {column}, 40)"},
            },
            "encoding": {**at, "tooltip": {"field": "told", "type": "nominal"}},
        },
    ]
    return {
        "$schema": SCHEMA,
        "title": heading(8),
        "params": pointed_in(linked),
        "layer": [*unseen("meta", "ticks"), *layers],
        **LIVELY,
    }
