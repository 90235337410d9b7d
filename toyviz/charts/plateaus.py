"""What a feature gets of a dimension as features grow sparser: a line that stays at the shares of regular shapes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from toyviz.charts.chart import BLUE, GREEN, GREY, Chart, records, stacked, stands_alone
from toyviz.charts.clock import LIVELY, POINTED_AT, SCHEMA, heading, meta, pointed_in, targets, unseen
from toyviz.charts.sizes import filled

BELOW = ("triangle", "square antiprism")  # their names stand under their lines, since another is close above
DOTS = 40  # features drawn at most at one density
TOP = 1.1  # of the axis
TICKS = (1, 2, 3, 5, 10, 20, 50, 100, 1e3, 1e4, 1e5)
META = "data('meta')[0]"


def dimensions_per_feature(
    shares: Mapping[float, float],
    features: Mapping[float, np.ndarray],
    plateaus: Mapping[str, float],
    densities: tuple[float, ...],
    *,
    selected: float | None = None,
    height: int | None = None,
) -> Chart:
    """D* = m / |W1|_F^2, the dimensions per feature, over 1 / (1 - S); and the dimensionality of single features.

    shares: density -> D*. features: density -> (n,). plateaus: the shares of regular shapes, by name, as dashed lines.
    densities: all of the sweep, trained or not. At most DOTS features a density are drawn, evenly spaced by rank.
    selected: the density that is looked into. A click picks a density. height: in pixels, where no stage gives it its
    room.
    """
    line = [
        {"inverse": 1 / density, "share": share, "told": f"1 − S = {density:.4g}: D* = {share:.3f}"}
        for density, share in sorted(shares.items(), reverse=True)
    ]
    dots = [{"inverse": 1 / density, "share": _by_rank(values)} for density, values in features.items()]
    rules = [
        {"share": share, "label": f"{name}: {share:.3g}", "below": name in BELOW} for name, share in plateaus.items()
    ]
    told = {density: f"D* = {shares[density]:.3f}" if density in shares else "not trained yet" for density in densities}
    places = [
        {"inverse": 1 / d, "density": d, "kin": kin_of(d), "told": f"1 − S = {d:.4g}: {told[d]}"} for d in densities
    ]
    ends = (1 / max(densities), 1 / min(densities)) if densities else (1.0, 20.0)
    data = {
        "line": filled(records(line, "inverse", "share", "told")),
        "dots": filled(stacked(dots, "inverse", "share")),
        "plateaus": filled(records(rules, "share", "label", "below")),
        "places": filled(records(places, "inverse", "density", "kin", "told")),
        "meta": meta(
            title="Dimensions per feature",
            low=ends[0] / 1.06,
            high=ends[1] * 1.06,
            selected=1 / selected if selected else -1,
        ),
    }
    said = "Dimensions per feature over one over the density."
    if line:
        first, last = line[0], line[-1]
        said += f" {first['share']:.2f} at {first['inverse']:.3g}, {last['share']:.2f} at {last['inverse']:.3g}."
    return stands_alone(Chart(_dimensions_per_feature(), data, said), height)


def kin_of(density: float) -> str:
    """What the pointer is on where it is on a density."""
    return f"density={density:g}"


def _by_rank(values: np.ndarray) -> np.ndarray:
    ordered = np.sort(values)[::-1]
    return ordered[np.unique(np.linspace(0, len(ordered) - 1, min(DOTS, len(ordered))).astype(int))]


@cache
def _dimensions_per_feature() -> dict[str, Any]:
    x = {
        "field": "inverse",
        "type": "quantitative",
        "title": "1 / (1 − S): one feature in so many is active",
        "scale": {"type": "log", "nice": False, "domain": {"expr": f"[{META}.low, {META}.high]"}},
        "axis": {
            "grid": False,
            "format": "~g",
            "values": [1, 2, 3, 5, 10, 20, 50, 100, 1e3, 1e4, 1e5],
            "labelOverlap": True,
        },
    }
    y = {
        "field": "share",
        "type": "quantitative",
        "title": "dimensions",
        "scale": {"domain": [0, TOP], "nice": False},
        "axis": {"values": [0, 0.2, 0.4, 0.6, 0.8, 1], "gridOpacity": 0.3, "domain": False, "ticks": False},
    }
    quiet = {"color": GREY, "tooltip": None}
    line: dict[str, Any] = {"data": {"name": "line"}, "encoding": {"x": x, "y": y}}
    stripe = {"type": "rule", "color": GREY, "strokeWidth": 16, "tooltip": None}
    layers = [
        {
            "data": {"name": "places"},
            "transform": [{"filter": f"abs(datum.inverse - {META}.selected) < 1e-9 * datum.inverse"}],
            "mark": {**stripe, "opacity": 0.2},
            "encoding": {"x": x},
        },
        {
            "data": {"name": "places"},
            "transform": [{"filter": POINTED_AT}],
            "mark": {**stripe, "opacity": 0.13},
            "encoding": {"x": x},
        },
        {"data": {"name": "plateaus"}, "mark": {"type": "rule", **quiet, "strokeDash": [3, 3]}, "encoding": {"y": y}},
        {
            "data": {"name": "plateaus"},
            "mark": {
                "type": "text",
                **quiet,
                "align": "right",
                "dx": -4,
                "dy": {"expr": "datum.below ? 8 : -7"},
                "fontSize": 11,
            },
            "encoding": {
                "x": {"value": {"expr": "width"}},
                "y": y,
                "text": {"field": "label", "type": "nominal"},
            },
        },
        {
            "data": {"name": "dots"},
            "mark": {"type": "point", "filled": True, "color": BLUE, "size": 14, "opacity": 0.35, "tooltip": None},
            "encoding": {"x": x, "y": y},
        },
        {**line, "mark": {"type": "line", "strokeWidth": 2.5, "color": GREEN, "tooltip": None}},
        {**line, "mark": {"type": "point", "filled": True, "color": GREEN, "size": 44, "opacity": 1, "tooltip": None}},
        {
            "data": {"name": "places"},
            **targets("density", linked=True),
            "mark": {"type": "point", "opacity": 0, "size": 60},
            "encoding": {
                "x": x,
                "y": {"value": {"expr": "height / 2"}},
                "tooltip": {"field": "told", "type": "nominal"},
            },
        },
    ]
    return {
        "$schema": SCHEMA,
        "title": heading(6),
        "params": pointed_in(True),
        "layer": [*unseen("meta"), *layers],
        **LIVELY,
    }
