"""Vectors in the plane, and how much of a dimension each has to itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import (
    BLUE,
    GREY,
    VERMILLION,
    Chart,
    named,
    records,
    samples_x,
    selected_rule,
    stacked,
    stretched,
)
from toyviz.charts.layers import SCHEMA, calculated, computed, grey, layer, mark, nominal, quantity

FEATURES, SAMPLES = "columns of W1", "hidden vectors"  # blue and red in the post
CLASSES = "rows of W2"
KINDS = [FEATURES, SAMPLES]
MARGIN = 1.15  # a square is this much wider than what it holds
GAP = 5  # pixels between two,
NAMES = 16  # pixels of the names above a line of them,
LINES = range(1, 5)  # of which there are so many
ROOMY = 40  # pixels: a smaller one does not tell its scale
SMALL = 120  # and vectors drawn in one, at most
STRIP = 60  # vectors of one kind drawn at one T in the strip plot, evenly spaced by rank,
TOP = 20  # and those with the most dimensionality, which say what is represented


def panels(vectors: Sequence[tuple[str, Mapping[str, np.ndarray]]]) -> Chart:
    """Small squares side by side: a column for each label, and in it a square for each kind of vector.

    vectors: (label, {FEATURES: (n, 2), SAMPLES: (T, 2)}) for each column, either kind or both. Columns of W1 are lines
    from the origin, hidden vectors are dots. Every square has its own scale, written in its corner. At most SMALL
    vectors a square are drawn: the longest columns, and evenly spaced samples.
    """
    rows = [kind for kind in KINDS if any(kind in kinds for _, kinds in vectors)]
    size = 118 if len(vectors) <= 7 else 68 if len(vectors) <= 11 else 60
    frames: list[tuple[Any, ...]] = []
    paths, dots = [], []
    for place, (label, kinds) in enumerate(vectors):
        for kind, values in kinds.items():
            lim, drawn, square = limit(values), values[_chosen(values, kind, SMALL)], len(frames)
            a_unit = size / (size + GAP) / (2 * lim)
            frames.append((square, place + 0.5, rows.index(kind) + 0.5, a_unit, f"±{lim / MARGIN:.2g}"))
            dots.append({"square": square, "panel": label, "kind": kind, "x": drawn[:, 0], "y": drawn[:, 1]})
            if kind == FEATURES:
                path = np.zeros((2 * len(drawn) + 1, 2))  # out and back: a single path is quick to draw
                path[1::2] = drawn
                paths.append({"square": square, "order": np.arange(len(path)), "x": path[:, 0], "y": path[:, 1]})
    data = {
        "squares": pd.DataFrame(frames, columns=["square", "x", "y", "a_unit", "label"]),
        "paths": stacked(paths, "square", "order", "x", "y"),
        "dots": stacked(dots, "square", "panel", "kind", "x", "y"),
        "column_names": pd.DataFrame(
            {"x": np.arange(len(vectors)) + 0.5, "y": 0.0, "label": [label for label, _ in vectors]}
        ),
        "row_names": pd.DataFrame({"y": np.arange(len(rows)) + 0.5, "name": rows}),
    }
    said = "No pictures yet."
    if vectors:
        said = f"{len(vectors)} small pictures of {' and of '.join(rows)}, from {vectors[0][0]} to {vectors[-1][0]}."
    return Chart(_panels(max(len(vectors), 1), max(len(rows), 1), size), data, said, square=True)


def limit(values: np.ndarray) -> float:
    """Half the width of a square around the origin that holds these vectors, (n, 2)."""
    largest = float(np.abs(values).max(initial=0.0))
    return MARGIN * largest if largest > 0 else 1.0


def dimensionality(
    features: Mapping[int, np.ndarray],
    samples: Mapping[int, np.ndarray],
    n_hidden: int,
    n_features: int,
    selected: int | None = None,
) -> Chart:
    """The dimensionality of every feature and of every training sample over T, with what an even share would be.

    features, samples: T -> (n_features,) and (T,). Drawn of a kind at each T are the TOP largest values, and STRIP
    evenly spaced by rank. Dashed: m / T, the T-gon's; m / n.
    """
    rows = [
        _strip(values, T, kind)
        for kind, by_size in ((FEATURES, features), (SAMPLES, samples))
        for T, values in by_size.items()
    ]
    sizes = sorted({*features, *samples})
    ends = np.geomspace(sizes[0] / 1.25, sizes[-1] * 1.25, 60) if sizes else np.empty(0)
    names = np.array([_widest_gap(sizes)]) if sizes else np.empty(0)
    data = {
        "values": stacked(rows, "n_samples", "at", "share", "kind", "rank"),
        "lines": _even_shares(ends, n_hidden, n_features),
        "names": _even_shares(names, n_hidden, n_features),
        "selected": records([{"n_samples": selected}] if selected else [], "n_samples"),
    }
    said = "Dimensionality of features and of samples over T. "
    if sizes:
        last = sizes[-1]
        of_feature, of_sample = features[last].max(), samples[last].max()
        said += f"At T = {last:,} the largest of a feature is {of_feature:.2f}, of a sample {of_sample:.2f}."
    return Chart(_dimensionality(), data, said)


def _even_shares(T: np.ndarray, n_hidden: int, n_features: int) -> pd.DataFrame:
    """The lines m / T and m / n at these T."""
    shares = {"m / T": np.minimum(1, n_hidden / T), "m / n": np.full(T.shape, min(1, n_hidden / n_features))}
    parts = [{"n_samples": T, "share": share, "line": line} for line, share in shares.items()]
    return stacked(parts, "n_samples", "share", "line")


def _widest_gap(sizes: Sequence[int]) -> float:
    """The middle of the widest gap between the smaller sizes, where a line can be named."""
    small = [size for size in sizes if size**2 <= sizes[-1] * sizes[0]] or [sizes[0]]
    low, high = max(
        pairwise([*small, *sizes[len(small) :][:1]]), key=lambda gap: gap[1] / gap[0], default=(sizes[0],) * 2
    )
    return float(np.sqrt(low * high))


def _chosen(values: np.ndarray, kind: str, at_most: int) -> np.ndarray:
    """Which vectors to draw: the longest columns, or samples evenly spaced; their indices, in order."""
    if len(values) <= at_most:
        return np.arange(len(values))
    if kind == FEATURES:
        return np.sort(np.argsort(-np.hypot(values[:, 0], values[:, 1]))[:at_most])
    return np.linspace(0, len(values) - 1, at_most).astype(int)


def _strip(values: np.ndarray, T: int, kind: str) -> dict[str, Any]:
    ordered = np.sort(values)[::-1]
    spread = np.linspace(0, len(ordered) - 1, min(STRIP, len(ordered))).astype(int)
    rank = np.union1d(np.arange(min(TOP, len(ordered))), spread)
    side = -1 if kind == FEATURES else 1
    jitter = (np.arange(len(rank)) * 0.618) % 1  # spread evenly, and the same each time
    at = T * np.exp(side * (0.02 + 0.06 * jitter))
    return {"n_samples": T, "at": at, "share": ordered[rank], "kind": kind, "rank": rank + 1}


def _kind_color(legend: alt.Legend | None = None) -> alt.Color:
    return alt.Color("kind:N", title=None, scale=alt.Scale(domain=KINDS), legend=legend)


@cache
def _panels(columns: int, rows: int, size: int) -> dict[str, Any]:
    def along(axis: str) -> dict[str, Any]:
        ends = [{"expr": "0"}, {"expr": "step"}]
        return quantity(axis, scale={"domain": [0, 1], "range": ends, "nice": False, "zero": False}, axis=None)

    # A room that is narrow has the columns in several lines, each below its names.
    lower = f"floor(datum.x / across) * ({rows} + {NAMES} / step)"
    wrapped = calculated(y=f"datum.y + {lower}", x="datum.x % across")
    inside = [*_in_squares(), *wrapped]
    at = {"x": along("x"), "y": along("y")}
    side = {name: {"expr": f"step - {GAP}"} for name in ("width", "height")}
    corner = {"dx": {"expr": f"step / 2 - {GAP}"}, "dy": {"expr": f"{GAP} - step / 2"}}
    small = grey("text", fontSize=9, align="right", baseline="top", **corner)
    name = grey("text", fontSize={"expr": "clamp(step / 5, 8, 11)"}, baseline="bottom", dy=-4)
    dot = {"filled": True, "size": {"expr": f"{12 if columns > 7 else 22} * min(1, step / {size + GAP})"}}
    layers = [
        layer(
            "squares", mark("rect", color=GREY, fillOpacity=0, stroke=GREY, strokeOpacity=0.35, **side), *wrapped, **at
        ),
        layer(
            "paths", mark("line", color=BLUE, strokeWidth=0.7, opacity=0.55, strokeJoin="round"), *inside,
            **at, detail=nominal("square"), order=quantity("order"),
        ),
        *(
            layer("dots", mark("point", color=color, opacity=0.9, **dot), f"datum.kind == '{kind}'", *inside, **at)
            for kind, color in ((FEATURES, BLUE), (SAMPLES, VERMILLION))
        ),
        layer("squares", small, f"step > {ROOMY}", *wrapped, **at, text=nominal("label")),
        layer("column_names", name, *wrapped, **at, text=nominal("label")),
        layer(
            "row_names", grey("text", fontSize=9, angle=270, baseline="bottom", limit={"expr": "step"}),
            **computed(x=-4), y=along("y"), text=nominal("name"),
        ),
    ]  # fmt: skip
    steps = [f"min(width / ceil({columns} / {k}), ((height + {NAMES}) / {k} - {NAMES}) / {rows})" for k in LINES]
    return {
        "$schema": SCHEMA,
        "title": {"text": "Columns of W1, and hidden vectors", "anchor": "start", "fontSize": 13, "offset": 18},
        "params": [
            {"name": "steps", "expr": f"[{', '.join(steps)}]"},
            {"name": "step", "expr": f"max(4, {', '.join(f'steps[{k - 1}]' for k in LINES)})"},
            {"name": "across", "expr": f"ceil({columns} / max(1, indexof(steps, step) + 1))"},
        ],
        "width": columns * (size + GAP) + 20,  # with room for names at the left, and above
        "height": rows * (size + GAP) + 72,
        "autosize": {"type": "fit", "contains": "padding"},
        "layer": layers,
        "config": {"aria": False},
        "usermeta": {"embedOptions": {"renderer": "canvas"}},
    }


def _in_squares() -> list[dict[str, Any]]:
    """Steps that take vectors, x and y, into the square that is theirs."""
    squares = {"data": {"name": "squares"}, "key": "square", "fields": ["x", "y", "a_unit"]}
    return [
        {"lookup": "square", "from": squares, "as": ["centre_x", "centre_y", "a_unit"]},
        *calculated(x="datum.centre_x + datum.x * datum.a_unit", y="datum.centre_y - datum.y * datum.a_unit"),
    ]


@cache
def _dimensionality() -> dict[str, Any]:
    y = alt.Y(
        "share:Q",
        title="dimensionality (square-root axis)",
        scale=alt.Scale(type="sqrt", domain=[0, 1], nice=False),
        axis=alt.Axis(values=[0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1], format="~g", gridOpacity=0.5),
    )
    lines = alt.Chart(named("lines"))
    values = alt.Chart(named("values"))
    shape = alt.Shape("kind:N", title=None, scale=alt.Scale(domain=KINDS, range=["circle", "diamond"]))
    tooltip = [
        alt.Tooltip("kind:N", title="of"),
        alt.Tooltip("n_samples:Q", title="training samples T", format=","),
        alt.Tooltip("rank:Q", title="rank"),
        alt.Tooltip("share:Q", title="dimensionality", format=".4f"),
    ]
    layers = alt.layer(
        selected_rule(samples_x()),
        lines.mark_line(strokeDash=[4, 3], color=GREY, strokeWidth=1.3).encode(x=samples_x(), y=y, detail="line:N"),
        alt.Chart(named("names"))
        .mark_text(dx=12, dy=-9, color=GREY, fontSize=12)
        .encode(x=samples_x(), y=y, text="line:N"),
        values.mark_point(filled=True, size=24, opacity=0.7).encode(
            x=samples_x("at"),
            y=y,
            color=_kind_color(alt.Legend(orient="top", title=None, symbolOpacity=1)),
            shape=shape,
            tooltip=tooltip,
        ),
    )
    canvas = {"usermeta": {"embedOptions": {"renderer": "canvas"}}, "config": {"aria": False}}  # thousands of marks
    return stretched(layers, "Dimensionality of features and samples", 260) | canvas
