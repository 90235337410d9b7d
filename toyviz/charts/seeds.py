"""How each of some random starts ends: a row a seed, a dot at its loss."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from toyviz.charts.chart import VERMILLION, Chart, filled
from toyviz.charts.clock import POINTED_AT, kin_of, pointed_in, targets
from toyviz.charts.layers import (
    META,
    between,
    computed,
    grey,
    heading,
    in_order_of,
    layer,
    mark,
    meta,
    nominal,
    quantity,
    specification,
)
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
            "kin": [kin_of("seed", seed) for seed in rows["seed"]],
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
    clipped = f"({META}.clipped && datum.value <= {META}.low ? '≤ ' : '') + ({PLAIN})"
    scale = between(type="log", range=[8, {"expr": "max(20, width - 44)"}])
    x = quantity("value", title=None, scale=scale, axis=log_axis(orient="bottom", grid=True) | {"labelExpr": clipped})
    axis = {"ticks": False, "domain": False, "labelOverlap": True, "labelFontSize": 11, "titleFontSize": 11}
    y = {"field": "seed", "type": "ordinal", "title": "seed", "scale": in_order_of("seeds"), "axis": axis}
    small = grey("text", fontSize=10, baseline="middle", align="right")
    row = grey("bar", height={"expr": f"0.86 * height / {META}.count"}, opacity=0.25)
    target = {**row, "color": "transparent", "opacity": 1, "cursor": "pointer"}
    whole, there = {**computed(x=0, x2="width"), "y": y}, "isValid(datum.value)"
    right = computed(x="width - 2")
    layers = [
        layer("points", row, there, f"datum.seed == {META}.selected", **whole),
        layer("points", row, there, POINTED_AT, **whole),
        layer("meta", small, **right, y={"value": -6}, text=nominal("note_title")),
        layer("points", mark("point", filled=True, color=VERMILLION, opacity=1, size=60), there, x=x, y=y),
        layer("points", small, there, **right, y=y, text=nominal("note")),
        layer("points", target, there, picks=targets("seed", linked=True, nearest=False), **whole,
              tooltip=nominal("told")),
    ]  # fmt: skip
    return specification(layers, heading(14), pointed_in(True), "ticks", "seeds")
