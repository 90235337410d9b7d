"""What charts over a swept field share: a column for each of its values, evenly spaced, each with its label below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from toyviz.charts.chart import records
from toyviz.charts.clock import POINTED_AT, kin_of
from toyviz.charts.layers import META, computed, grey, layer, nominal, quantity

CLOSE = 1.8  # rules that are closer than this ratio share one label
LABELS = 20  # pixels: height of the row of labels
COLUMNS: list[dict[str, Any]] = [
    {"name": "count", "expr": f"{META}.count"},
    {"name": "column", "expr": "width / count"},
    # Where not every label has room, every second has, or every third, ...; that of the selected value always.
    {"name": "every", "expr": f"ceil((6.4 * {META}.longest + 7) / column)"},
]
CENTRE = "(datum.place + 0.5) * column"
LABELLED = (
    f"datum.place == {META}.selected || "
    f"(({META}.count - 1 - datum.place) % every == 0 && abs(datum.place - {META}.selected) >= every)"
)


def short(value: float) -> str:
    """A value as its column is labelled: "350", "2k", "1234", "0.01"."""
    return f"{value / 1000:g}k" if value >= 1000 and value % 100 == 0 else f"{value:.5g}"


def columns_of(values: Sequence[float], selected: float | None) -> dict[str, Any]:
    """What expressions read of the columns: how many there are, which is selected, and the longest label."""
    return {
        "count": max(len(values), 1),
        "selected": next((k for k, value in enumerate(values) if value == selected), -99),
        "longest": max((len(short(value)) for value in values), default=1),
    }


def labelled(field: str, values: Sequence[float]) -> pd.DataFrame:
    """The columns: each with its place, its label, and what pointing at it tells other charts."""
    rows = [{"place": k, "label": short(value), "kin": kin_of(field, value)} for k, value in enumerate(values)]
    return records(rows, "place", "label", "kin")


def close_rules(rules: Mapping[str, float]) -> pd.DataFrame:
    """Rules by name, from the highest; those so close that their names would print over each other share one label."""
    rows: list[dict[str, Any]] = []
    for name, value in sorted(rules.items(), key=lambda each: -each[1]):
        if rows and rows[-1]["loss"] < CLOSE * value:
            label, rows[-1]["label"] = f"{rows[-1]['label']} · {name}", ""
        else:
            label = name
        rows.append({"loss": value, "label": label})
    found = records(rows, "loss", "label")
    return found.assign(under=found["loss"])


def x_of_places(field: str = "place") -> dict[str, Any]:
    """The axis of the columns."""
    scale = {"domain": {"expr": f"[-0.5, {META}.count - 0.5]"}, "nice": False, "zero": False}
    return quantity(field, title=None, axis=None, scale=scale)


def selected_column() -> dict[str, Any]:
    """A broad, quiet stripe through the value that is looked into."""
    # Far outside it would take its room from the plot.
    at = computed(x=f"({META}.selected + 0.5) * column", y="height / 2")
    return layer("meta", _stripe(0.17), "datum.selected >= 0", **at)


def pointed_column() -> dict[str, Any]:
    """A fainter stripe through the value that the pointer is on, in whichever chart."""
    return layer("sizes", _stripe(0.13), POINTED_AT, **computed(x=CENTRE, y="height / 2"))


def _stripe(opacity: float) -> dict[str, Any]:
    width, height = {"expr": "min(column, 120)"}, {"expr": "height"}
    return grey("rect", opacity=opacity, cornerRadius=6, width=width, height=height)


def size_labels() -> list[dict[str, Any]]:
    """The label of each column below the plot, and the line between the two."""
    weight = {"expr": f"datum.place == {META}.selected ? 'bold' : 'normal'"}
    seen = {"condition": {"test": LABELLED, "value": 1}, "value": 0}
    text = grey("text", fontSize=11, baseline="middle", fontWeight=weight)
    at = computed(x=CENTRE, y=f"curve + {LABELS} / 2")
    return [
        layer("meta", grey("rule", opacity=0.6), **computed(y="curve")),
        layer("sizes", text, **at, text=nominal("label"), opacity=seen),
    ]


def baseline_rules(y: dict[str, Any]) -> list[dict[str, Any]]:
    """Dotted rules at the baselines, named at their left ends, below, where no line of a sweep runs."""
    above = {"expr": "curve - scale('y', datum.under) < 18 ? -8 : 10"}  # where there is no room below
    name = grey("text", fontSize=10, align="left", dy=above, limit={"expr": "width / 3"})
    return [
        layer("baselines", grey("rule", strokeDash=[2, 3]), y={**y, "field": "loss"}),
        layer("baselines", name, x={"value": 3}, y={**y, "field": "under"}, text=nominal("label")),
    ]
