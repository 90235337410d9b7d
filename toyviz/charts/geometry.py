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
    GREY,
    RAYS,
    Chart,
    named,
    records,
    samples_x,
    selected_rule,
    squares,
    stacked,
    stretched,
)

FEATURES, SAMPLES = "columns of W1", "hidden vectors"  # blue and red in the post
CLASSES = "rows of W2"
KINDS = [FEATURES, SAMPLES]
MARGIN = 1.15  # a square is this much wider than what it holds
STRIP = 60  # vectors of one kind drawn at one T in the strip plot, evenly spaced by rank,
TOP = 20  # and those with the most dimensionality, which say what is represented


def panels(vectors: Sequence[tuple[str, Mapping[str, np.ndarray]]]) -> Chart:
    """Small squares side by side: a column for each label, and in it a square for each kind of vector.

    vectors: (label, {FEATURES: (n, 2), SAMPLES: (T, 2)}) for each column, either kind or both. Columns of W1 are lines
    from the origin, hidden vectors are dots. Every square has its own scale, written in its corner. At most RAYS
    vectors a square are drawn: the longest columns, and evenly spaced samples.
    """
    parts = []
    for place, (label, kinds) in enumerate(vectors):
        for kind, values in kinds.items():
            about = {"panel": label, "kind": kind, "place": place}
            parts += [part | about for part in _panel(values, kind, limit(values))]
    drawn = stacked(parts, "panel", "kind", "place", "mark", "order", "x", "y", "label")
    kinds_drawn = len({kind for _, kinds in vectors for kind in kinds})
    said = "No pictures yet."
    if vectors:
        what = " and of ".join(KINDS[:kinds_drawn])
        said = f"{len(vectors)} small pictures of {what}, from {vectors[0][0]} to {vectors[-1][0]}."
    return Chart(_panels(max(len(vectors), 1)), {"vectors": drawn}, said, square=True)


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


def _panel(values: np.ndarray, kind: str, lim: float) -> list[dict[str, Any]]:
    """The rows of one square: one line that goes out to every vector and back (a single path is quick to draw)."""
    drawn = values[_chosen(values, kind, RAYS)]
    corners = np.array([-lim, lim])
    scale = np.array(["", f"±{lim / MARGIN:.2g}"])
    parts = [{"mark": "frame", "order": 0, "x": corners, "y": corners, "label": scale}]
    ends = drawn if kind == FEATURES else drawn[:0]  # the origin alone: without a row the browser warns of no extent
    path = np.zeros((2 * len(ends) + 1, 2))
    path[1::2] = ends
    parts.append({"mark": "ray", "order": np.arange(len(path)), "x": path[:, 0], "y": path[:, 1], "label": ""})
    return [*parts, {"mark": "dot", "order": 0, "x": drawn[:, 0], "y": drawn[:, 1], "label": ""}]


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
def _panels(columns: int) -> dict[str, Any]:
    size = 118 if columns <= 7 else 68 if columns <= 11 else 60
    x = alt.X("x:Q", axis=None, scale=alt.Scale(nice=False, zero=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(nice=False, zero=False))
    base = alt.Chart().encode(x=x, y=y)
    layers = alt.layer(
        base.transform_filter("datum.mark == 'frame'").mark_point(size=1, opacity=0, tooltip=None, aria=False),
        base.transform_filter("datum.mark == 'ray'")
        .mark_line(strokeWidth=0.7, opacity=0.55, strokeJoin="round")
        .encode(color=_kind_color(), order="order:Q"),
        base.transform_filter("datum.mark == 'dot'")
        .mark_circle(size=12 if columns > 7 else 22, opacity=0.9)
        .encode(color=_kind_color()),
        base.transform_filter("datum.mark == 'frame' && datum.label != ''")
        .mark_text(color=GREY, fontSize=9, align="right", baseline="top", dx=-2, dy=2)
        .encode(text="label:N"),
        data=named("vectors"),
    )
    return squares(layers, KINDS, size)


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
    return stretched(layers, "Dimensionality of features and samples", 260)
