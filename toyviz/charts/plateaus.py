"""What a feature gets of a dimension as features grow sparser: a line that stays at the shares of regular shapes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from toyviz.charts.chart import BLUE, GREEN, Chart, filled, records, stacked
from toyviz.charts.clock import POINTED_AT, kin_of, pointed_in, targets
from toyviz.charts.layers import (
    META,
    between,
    computed,
    grey,
    heading,
    layer,
    mark,
    meta,
    nominal,
    quantity,
    specification,
)

BELOW = ("triangle", "square antiprism")  # their names stand under their lines, since another is close above
DOTS = 40  # features drawn at most at one density
TOP = 1.1  # of the axis
TICKS = (1, 2, 3, 5, 10, 20, 50, 100, 1e3, 1e4, 1e5)


def dimensions_per_feature(
    shares: Mapping[float, float],
    features: Mapping[float, np.ndarray],
    plateaus: Mapping[str, float],
    densities: tuple[float, ...],
    *,
    selected: float | None = None,
) -> Chart:
    """D* = m / |W1|_F^2, the dimensions per feature, over 1 / (1 - S); and the dimensionality of single features.

    shares: density -> D*. features: density -> (n,). plateaus: the shares of regular shapes, by name, as dashed lines.
    densities: all of the sweep, trained or not. At most DOTS features a density are drawn, evenly spaced by rank.
    selected: the density that is looked into. A click picks a density.
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
        {"inverse": 1 / d, "density": d, "kin": kin_of("density", d), "told": f"1 − S = {d:.4g}: {told[d]}"}
        for d in densities
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
    return Chart(_dimensions_per_feature(), data, said)


def _by_rank(values: np.ndarray) -> np.ndarray:
    ordered = np.sort(values)[::-1]
    return ordered[np.unique(np.linspace(0, len(ordered) - 1, min(DOTS, len(ordered))).astype(int))]


@cache
def _dimensions_per_feature() -> dict[str, Any]:
    title = "1 / (1 − S): one feature in so many is active"
    axis = {"grid": False, "format": "~g", "values": list(TICKS), "labelOverlap": True}
    x = quantity("inverse", title=title, scale=between(type="log"), axis=axis)
    up = {"values": [0, 0.2, 0.4, 0.6, 0.8, 1], "gridOpacity": 0.3, "domain": False, "ticks": False}
    y = quantity("share", title="dimensions", scale={"domain": [0, TOP], "nice": False}, axis=up)
    stripe, selected = grey("rule", strokeWidth=16), f"abs(datum.inverse - {META}.selected) < 1e-9 * datum.inverse"
    label = grey("text", align="right", dx=-4, dy={"expr": "datum.below ? 8 : -7"}, fontSize=11)
    dot = mark("point", filled=True, color=BLUE, size=14, opacity=0.35)
    point = mark("point", filled=True, color=GREEN, size=44, opacity=1)
    target, middle = mark("point", opacity=0, size=60), computed(y="height / 2")
    layers = [
        layer("places", {**stripe, "opacity": 0.2}, selected, x=x),
        layer("places", {**stripe, "opacity": 0.13}, POINTED_AT, x=x),
        layer("plateaus", grey("rule", strokeDash=[3, 3]), y=y),
        layer("plateaus", label, **computed(x="width"), y=y, text=nominal("label")),
        layer("dots", dot, x=x, y=y),
        layer("line", mark("line", strokeWidth=2.5, color=GREEN), x=x, y=y),
        layer("line", point, x=x, y=y),
        layer("places", target, picks=targets("density", linked=True), x=x, **middle, tooltip=nominal("told")),
    ]
    return specification(layers, heading(6), pointed_in(True))
