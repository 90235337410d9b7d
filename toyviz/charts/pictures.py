"""Small pictures of vectors side by side, as large as the room allows, none of them cut: one for each size or start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import AMBER, BLUE, GREY, PURPLE, RAYS, VERMILLION, Chart, filled, records, stacked
from toyviz.charts.clock import POINTED_AT, kin_of, pointed_in, targets
from toyviz.charts.columns import short
from toyviz.charts.layers import (
    META,
    Kind,
    by,
    computed,
    grey,
    heading,
    layer,
    legend,
    mark,
    meta,
    nominal,
    specification,
)
from toyviz.charts.panels import Square, row_names

MARGIN = 1.1  # a picture is this much wider than what it holds
AROUND = 2.0  # or, where one kind sets the scale, this much wider than nearly all of that kind
LARGER = 1.2  # a picture that is drawn once more is at least so much larger
LINES = 6  # lines of pictures, at most, where they are not given


LIFT_KINDS = (  # how a bias lifts hidden vectors
    Kind("W1 x", AMBER, "triangle-up"),
    Kind("W1 x + b1", BLUE, "square"),
    Kind("after the ReLU", VERMILLION, ring=True, size=2.5),
    Kind("b1", PURPLE, "diamond", size=7, rays=True),  # the last, on top: it is one mark among hundreds
)
START_KINDS = (Kind("active", VERMILLION, "triangle-up"), Kind("never active", BLUE))  # features of a start


COPY = ("place", "line", "large")  # of a picture that may be drawn twice: where
FRAME = ("label", "short", "n_samples", "kin", "selected", "trained", "scale", "zero_u", "zero_v", "square")


class Panel(NamedTuple):
    """One small picture: its label, the size that it stands for, and its vectors by kind; none yet: an empty frame."""

    label: str
    n_samples: int
    vectors: Mapping[str, np.ndarray]  # kind -> (k, 2)
    row: str = ""
    square: float | None = None  # half the side of a dashed square around the origin


def panels_over_sizes(
    panels: Sequence[Panel],
    kinds: Sequence[Kind],
    title: str,
    *,
    rows: Sequence[str] = (),
    selected: int | None = None,
    scale_by: str | None = None,
    linked: bool = False,
) -> Chart:
    """Small pictures in reading order, or a row for each of rows; clicking one picks its n_samples.

    Below the rows those of the selected size are drawn once more, as large as the room that is left allows.

    Each has its own scale, the same along both axes and written above it: it holds all that is drawn, or, with
    scale_by, twice what nearly all vectors of that kind need, and what lies beyond is left out. At most RAYS vectors of
    a kind are drawn. linked: whether the page has a clock, so that pointing at a picture marks its n_samples in every
    chart.
    """
    lines = list(rows) or [""]
    dots, rays, frames, places = [], [], [], dict.fromkeys(lines, 0)
    for panel in panels:
        middle, half = _window(panel, scale_by)
        row = panel.row if rows else ""
        at = {"place": places[row], "line": lines.index(row)}
        places[row] += 1
        copies = [at | {"large": False}]
        if rows and panel.n_samples == selected:
            copies.append({"place": at["line"], "line": at["line"], "large": True})
        zero = {"zero_u": -middle[0] / half, "zero_v": -middle[1] / half}
        frame = {**_frame(panel, middle, half), "selected": panel.n_samples == selected, **zero}
        frames += [copy | frame | ({"label": f"{panel.label}, {row}"} if copy["large"] else {}) for copy in copies]
        for kind in kinds:
            drawn = [copy | _within(panel.vectors.get(kind.name), kind.name, middle, half) for copy in copies]
            dots += drawn
            rays += [each | zero for each in drawn if kind.rays]
    small = stacked(dots, *COPY, "kind", "u", "v").astype({"place": np.int16, "line": np.int8})
    data = {
        "dots": filled(small),
        "rays": filled(stacked(rays, *COPY, "kind", "u", "v", "zero_u", "zero_v")),
        "frames": filled(records(frames, *COPY, *FRAME)),
        "rows": pd.DataFrame({"line": range(len(lines)), "name": lines}),
        "meta": meta(title=title, count=max(*places.values(), 1), lines=len(rows), named=bool(rows)),
    }
    trained = sum(frame["trained"] and not frame["large"] for frame in frames)
    said = f"{title}: {trained} small pictures" if trained else f"{title}: no pictures yet"
    said += f", from {panels[0].label} to {panels[-1].label}." if trained else "."
    return Chart(_panels(tuple(kinds), linked), data, said, square=True)


def _frame(panel: Panel, middle: np.ndarray, half: float) -> dict[str, Any]:
    """What stands around a picture."""
    there, centred = any(len(vectors) for vectors in panel.vectors.values()), bool((middle == 0).all())
    return {
        "label": panel.label,
        "short": short(panel.n_samples),
        "n_samples": panel.n_samples,
        "kin": kin_of("n_samples", panel.n_samples),
        "trained": there,
        "scale": (f"±{half / MARGIN:.2g}" if centred else f"{2 * half:.2g} wide") if there else "",
        "square": (panel.square or 0.0) / half,
    }


def _within(vectors: np.ndarray | None, kind: str, middle: np.ndarray, half: float) -> dict[str, Any]:
    """The vectors of a kind that lie within a picture, at most RAYS, from -1 to 1."""
    scaled = ((np.empty((0, 2)) if vectors is None else vectors) - middle) / half
    kept = scaled[(np.abs(scaled) <= 1).all(axis=1)]
    kept = kept[np.linspace(0, len(kept) - 1, min(RAYS, len(kept))).astype(int)].astype(np.float32)
    return {"kind": kind, "u": kept[:, 0], "v": kept[:, 1]}


def _window(panel: Panel, scale_by: str | None) -> tuple[np.ndarray, float]:
    """The middle of a picture, (2,), and half its side."""
    if scale_by is not None:
        setting = panel.vectors.get(scale_by, np.empty((0, 2)))
        every = setting if len(setting) else np.concatenate([np.empty((0, 2)), *panel.vectors.values()])
        reach = float(np.quantile(np.abs(every), 0.99)) if len(every) else 0.0
        return np.zeros(2), (AROUND if len(setting) else MARGIN) * reach or 1.0
    every = np.concatenate([np.zeros((1, 2)), *panel.vectors.values()])
    return (every.min(axis=0) + every.max(axis=0)) / 2, MARGIN * float(np.ptp(every, axis=0).max()) / 2 or 1.0


SIDE = "(datum.large ? large : small)"
WRAPPED = f"({META}.lines ? 0 : floor(datum.place / across))"
COLUMN = f"({META}.lines ? datum.place : datum.place % across)"
PICTURE = Square(
    f"left + ({COLUMN} + 0.5) * (width - left) / (datum.large ? lines : across)",
    f"(datum.large ? below + 8 : (datum.line + {WRAPPED}) * step) + 16 + {SIDE} / 2",
    SIDE,
)
THERE = f"!datum.large || large > {LARGER} * small"


def _room() -> list[dict[str, Any]]:
    """How large pictures are, in how many lines: given ones, or as many as make the pictures largest."""
    sides = ", ".join(f"min(width / ceil(count / {k}) - 6, height / {k} - 18)" for k in range(1, LINES + 1))
    largest = f"max({', '.join(f'sides[{k}]' for k in range(LINES))})"
    return [
        {"name": "count", "expr": f"{META}.count"},
        {"name": "sides", "expr": f"[{sides}]"},
        {"name": "left", "expr": f"{META}.named ? 18 : 0"},
        {"name": "lines", "expr": f"{META}.lines || indexof(sides, {largest}) + 1"},
        {"name": "across", "expr": f"{META}.lines ? count : ceil(count / lines)"},
        {"name": "small", "expr": "max(4, min((width - left) / across - 6, height / lines - 18))"},
        {"name": "step", "expr": "min(height / lines, small + 26)"},
        # What is left below the rows is for the large ones, if they come out larger.
        {"name": "below", "expr": "lines * step"},
        {"name": "large", "expr": "min((width - left) / lines - 6, height - below - 26)"},
    ]


@cache
def _panels(kinds: tuple[Kind, ...], linked: bool) -> dict[str, Any]:
    target = mark("point", opacity=0, size=20)
    picks = targets("n_samples", linked=linked)
    layers = [
        *_frames(),
        *_vectors(kinds),
        *_labels(),
        row_names(6, "datum.line * step + 16 + small / 2", "step"),
        *(legend(kinds) if len(kinds) > 1 else []),
        layer("frames", target, THERE, picks=picks, **PICTURE.at(), tooltip=nominal("label")),
    ]
    return specification(layers, heading(6), [*pointed_in(linked), *_room()])


def _frames() -> list[dict[str, Any]]:
    """The outline of each picture, its axes, and the dashed square around the origin."""
    outline = mark(
        "rect",
        stroke=GREY,
        fill=GREY,
        fillOpacity={"expr": f"datum.selected && !datum.large ? 0.17 : {POINTED_AT} ? 0.1 : 0"},
        strokeOpacity={"expr": f"{POINTED_AT} ? 1 : 0.45"},
        strokeDash={"expr": "datum.trained ? [1, 0] : [2, 3]"},
        cornerRadius=3,
        **PICTURE.sides(),
    )
    axis, shown = grey("rule", opacity=0.3), (THERE, "datum.trained")
    upright = PICTURE.line("datum.zero_u", "-1", "datum.zero_u", "1")
    level = PICTURE.line("-1", "datum.zero_v", "1", "datum.zero_v")
    square = grey("rect", filled=False, strokeDash=[4, 3], strokeWidth=1.5, **PICTURE.sides("datum.square * "))
    return [
        layer("frames", outline, THERE, **PICTURE.at()),
        layer("frames", axis, *shown, "abs(datum.zero_u) < 1", **upright),
        layer("frames", axis, *shown, "abs(datum.zero_v) < 1", **level),
        layer("frames", square, THERE, "datum.square > 0 && datum.square < 1",
              **PICTURE.at("datum.zero_u", "datum.zero_v")),
    ]  # fmt: skip


def _vectors(kinds: Sequence[Kind]) -> list[dict[str, Any]]:
    """Lines from the origin to the vectors of kinds with rays, and a dot for each vector."""
    names, rayed = [kind.name for kind in kinds], [kind.name for kind in kinds if kind.rays]
    larger = "".join(f" * (datum.kind == '{kind.name}' ? {kind.size:g} : 1)" for kind in kinds if kind.size != 1)
    color = by("kind", names, [kind.colour for kind in kinds])
    fill = by("kind", names, ["transparent" if kind.ring else kind.colour for kind in kinds])
    shown, dot = (THERE, "isValid(datum.u)"), mark("point", strokeWidth={"expr": f"clamp({SIDE} / 120, 0.6, 1.2)"})
    seen = {"opacity": f"indexof({rayed}, datum.kind) >= 0 ? 1 : 0.8", "size": f"clamp({SIDE} / 8, 4, 26){larger}"}
    look = {"stroke": color, "fill": fill, "shape": by("kind", names, [kind.shape for kind in kinds])}
    ray = PICTURE.line("datum.zero_u", "datum.zero_v", "datum.u", "datum.v")
    return [
        layer("rays", mark("rule", strokeWidth=1.5, opacity=0.8), *shown, **ray, color=color),
        layer("dots", dot, *shown, **PICTURE.at("datum.u", "datum.v"), **look, **computed(**seen)),
    ]


def _labels() -> list[dict[str, Any]]:
    """Above each picture its label, and its scale where there is room for both."""
    left, right, y = (f"{PICTURE.x} - {SIDE} / 2 + 1", f"{PICTURE.x} + {SIDE} / 2 - 1", f"{PICTURE.y} - {SIDE} / 2 - 8")
    weight = {"expr": "datum.selected ? 'bold' : 'normal'"}
    label = grey("text", fontSize=11, baseline="middle", align="left", fontWeight=weight)
    fitting = f"6.2 * length(datum.label) < {SIDE} ? datum.label : datum.short"
    seen = f"{SIDE} > 6.2 * length(datum.label) + 5 * length(datum.scale) + 6 ? 0.9 : 0"
    scale = grey("text", fontSize=9, align="right", baseline="middle")
    return [
        layer("frames", label, THERE, **computed(x=left, y=y, text=fitting)),
        layer("frames", scale, THERE, **computed(x=right, y=y, opacity=seen), text=nominal("scale")),
    ]
