"""What an MLP does with its bias, what is left of its start, and maps over its size and its training set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import GREY, RAYS, VERMILLION, Chart, compiled, named, records
from toyviz.charts.geometry import limit

STEPS = ("W1 x", "b1", "W1 x + b1", "after the ReLU")
STEP_COLORS = ["#E69F00", "#A3629A", "#0A84C6", VERMILLION]  # orange and purple as in the post
STEP_SHAPES = ["triangle-up", "diamond", "square", "circle"]
NEVER, SOMETIMES = "never active", "active"


class Lift(NamedTuple):
    """How the bias lifts the hidden vectors of one network, in the plane where it is drawn."""

    bare: np.ndarray  # (T, 2): W1 x
    bias: np.ndarray  # (2,)
    pre: np.ndarray  # (T, 2): W1 x + b1
    after: np.ndarray  # (T, 2): ReLU(W1 x + b1)


def horseshoe(pictures: Sequence[tuple[str, Lift]]) -> Chart:
    """Hidden vectors before the bias, the bias, and after it, before and after the ReLU, in one frame a label.

    Every frame has its own scale, the same along both axes; one label alone is drawn large. At most RAYS samples.
    """
    frames = []
    for place, (label, lift) in enumerate(pictures):
        kept = np.linspace(0, len(lift.bare) - 1, min(RAYS, len(lift.bare))).astype(int)
        every = np.concatenate([lift.bare, lift.pre, lift.bias[None], np.zeros((1, 2))])
        middle = (every.min(axis=0) + every.max(axis=0)) / 2
        half = max(0.55 * float(np.ptp(every, axis=0).max()), 1e-6)
        parts = zip(STEPS, (lift.bare[kept], lift.bias[None], lift.pre[kept], lift.after[kept]), strict=True)
        dots = [pd.DataFrame({"x": v[:, 0], "y": v[:, 1], "kind": step}) for step, v in parts]
        around = _around(middle, half, f"{2 * half:.2g} wide")
        frames.append(pd.concat([around, *dots]).fillna({"label": ""}).assign(panel=label, place=place))
    empty = records([], "x", "y", "kind", "label", "panel", "place")
    data = {"dots": pd.concat(frames, ignore_index=True) if frames else empty}
    negative = [f"{(lift.bare < 0).mean():.0%}" for _, lift in pictures]
    said = "Hidden vectors before and after the bias."
    if negative:
        said += f" Of the values W1 x, {', '.join(negative)} are negative."
    return Chart(_horseshoe(len(pictures) or 1), data, said, square=True)


def starts(pictures: Sequence[tuple[str, str, np.ndarray, np.ndarray, float | None]]) -> Chart:
    """Columns of W1, those of features that no training sample has and the others: a row a start, a column a size.

    pictures: (start, label, never active (k, 2), others (n - k, 2), half) each; half is half the side of the square
    that theory leaves of a uniform start, or None. A square holds the never active ones, twice over; what lies beyond
    is left out.
    """
    frames = []
    for place, (start, label, never, others, half) in enumerate(pictures):
        lim = 2 * float(np.quantile(np.abs(never), 0.99)) if len(never) else limit(others)
        inside = others[(np.abs(others) < lim).all(axis=1)]
        kept = inside[np.linspace(0, len(inside) - 1, min(RAYS, len(inside))).astype(int)]
        parts = [
            _around(np.zeros(2), lim, f"±{lim:.2g}"),
            *(pd.DataFrame({"x": v[:, 0], "y": v[:, 1], "kind": k}) for k, v in ((SOMETIMES, kept), (NEVER, never))),
        ]
        if half:
            around = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])
            parts.append(pd.DataFrame({"x": around[:, 0], "y": around[:, 1], "kind": "square", "order": range(5)}))
        frames.append(pd.concat(parts).assign(start=start, panel=label, place=place))
    empty = records([], "x", "y", "kind", "order", "label", "start", "panel", "place")
    dots = pd.concat(frames, ignore_index=True).fillna({"label": "", "order": 0}) if frames else empty
    rows = tuple(dict.fromkeys(picture[0] for picture in pictures))
    columns = tuple(dict.fromkeys(picture[1] for picture in pictures))
    said = f"Columns of W1, {' and '.join(f'from {row}' for row in rows) or 'none'}: "
    said += "those of features that are never active keep their shape."
    return Chart(_starts(len(columns), rows), {"dots": dots}, said, square=True)


def _around(middle: np.ndarray, half: float, scale: str) -> pd.DataFrame:
    """What every square has: two corners that nobody sees but that hold it open, its scale, and its two axes."""
    (left, low), (right, high) = middle - half, middle + half
    return pd.DataFrame(
        {
            "x": [left, right, left, right, 0, 0],
            "y": [low, high, 0, 0, low, high],
            "kind": ["frame", "frame", "across", "across", "up", "up"],
            "label": ["", scale, "", "", "", ""],
        }
    )


def _plain(field: str) -> dict[str, Any]:
    return {"shorthand": f"{field}:Q", "axis": None, "scale": alt.Scale(nice=False, zero=False)}


def _crossed(dots: alt.Chart, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """The invisible corners that hold a square open, its two axes, and its scale in the corner."""
    return [
        dots.transform_filter("datum.kind == 'frame'").mark_point(opacity=0, tooltip=None).encode(x=x, y=y),
        *(
            dots.transform_filter(f"datum.kind == '{axis}'")
            .mark_line(color=GREY, opacity=0.35, strokeWidth=1, tooltip=None)
            .encode(x=x, y=y)
            for axis in ("across", "up")
        ),
        dots.transform_filter("datum.label != ''")
        .mark_text(color=GREY, fontSize=9, align="right", baseline="top", dx=-2, dy=2)
        .encode(x=x, y=y, text="label:N"),
    ]


def _faceted(layers: list[alt.Chart], size: int, row: Any = alt.Undefined) -> dict[str, Any]:
    column = alt.Column(
        "panel:N",
        title=None,
        sort=alt.EncodingSortField("place", op="min", order="ascending"),
        header=alt.Header(labelFontSize=11, labelPadding=4),
    )
    chart = alt.layer(*layers, data=named("dots")).properties(width=size, height=size)
    facet = chart.facet(column=column, row=row, spacing=6)
    return compiled(facet.resolve_scale(x="independent", y="independent")) | {
        "usermeta": {"embedOptions": {"renderer": "canvas"}}
    }


@cache
def _horseshoe(columns: int) -> dict[str, Any]:
    x, y = alt.X(**_plain("x")), alt.Y(**_plain("y"))
    dots = alt.Chart()
    color = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(STEPS), range=STEP_COLORS),
        legend=alt.Legend(orient="top" if columns > 1 else "bottom", columns=4 if columns > 1 else 2),
    )
    shape = alt.Shape("kind:N", title=None, scale=alt.Scale(domain=list(STEPS), range=STEP_SHAPES))
    tooltip = ["kind:N", alt.Tooltip("x:Q", format=".3f"), alt.Tooltip("y:Q", format=".3f")]
    size = 380 if columns == 1 else 128 if columns <= 7 else 96
    small = 26 if columns == 1 else 9
    layers = [
        *_crossed(dots, x, y),
        dots.transform_filter("datum.kind == 'after the ReLU'")
        .mark_point(size=small * 4, strokeWidth=1, opacity=0.7, filled=False)
        .encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip),
        dots.transform_filter("datum.kind == 'W1 x' || datum.kind == 'W1 x + b1'")
        .mark_point(filled=True, size=small, opacity=0.85)
        .encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip),
        dots.transform_filter("datum.kind == 'b1'")
        .mark_point(filled=True, size=small * 5, opacity=1)
        .encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip),
    ]
    return _faceted(layers, size)


@cache
def _starts(columns: int, rows: tuple[str, ...]) -> dict[str, Any]:
    x, y = alt.X(**_plain("x")), alt.Y(**_plain("y"))
    dots = alt.Chart()
    color = alt.Color(
        "kind:N",
        title="feature",
        scale=alt.Scale(domain=[NEVER, SOMETIMES], range=["#0A84C6", VERMILLION]),
        legend=alt.Legend(orient="top"),
    )
    shape = alt.Shape(
        "kind:N", title="feature", scale=alt.Scale(domain=[NEVER, SOMETIMES], range=["circle", "triangle-up"])
    )
    layers = [
        *_crossed(dots, x, y),
        *(
            dots.transform_filter(f"datum.kind == '{kind}'")
            .mark_point(filled=True, size=9, opacity=0.7)
            .encode(x=x, y=y, color=color, shape=shape)
            for kind in (SOMETIMES, NEVER)
        ),
        dots.transform_filter("datum.kind == 'square'")
        .mark_line(color=GREY, strokeDash=[4, 3], strokeWidth=1.5)
        .encode(x=x, y=y, order="order:Q"),
    ]
    header = alt.Header(labelFontSize=11, labelPadding=6, labelAngle=-90)
    return _faceted(
        layers, 190 if columns <= 5 else 128, alt.Row("start:N", title=None, sort=list(rows), header=header)
    )
