"""Small pictures of vectors side by side, as large as the room allows, none of them cut: one for each size or start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import AMBER, BLUE, GREY, PURPLE, RAYS, VERMILLION, Chart, records, stacked, stands_alone
from toyviz.charts.clock import LIVELY, POINTED_AT, SCHEMA, Kind, legend, meta, pointed_in, targets, unseen
from toyviz.charts.sizes import filled, kin_of, short

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
    common_scale: bool = False,
    linked: bool = False,
    height: int | None = None,
) -> Chart:
    """Small pictures in reading order, or a row for each of rows; clicking one picks its n_samples.

    Below the rows those of the selected size are drawn once more, as large as the room that is left allows.

    Each has its own scale, the same along both axes and written above it, unless common_scale: it holds all that
    is drawn, or, with scale_by, twice what nearly all vectors of that kind need, and what lies beyond is left out. At
    most RAYS vectors of a kind are drawn. linked: whether the page has a clock, so that pointing at a picture marks its
    n_samples in every chart. height: in pixels, where no stage gives it its room.
    """
    lines = list(rows) or [""]
    inside = [_window(panel, scale_by) for panel in panels]
    if common_scale and inside:
        widest = max(half for _, half in inside)
        inside = [(middle, widest) for middle, _ in inside]
    dots, rays, frames, places = [], [], [], dict.fromkeys(lines, 0)
    for panel, (middle, half) in zip(panels, inside, strict=True):
        line = lines.index(panel.row) if rows else 0
        at = {"place": places[lines[line]], "line": line}
        places[lines[line]] += 1
        copies = [at | {"large": False}]
        if rows and panel.n_samples == selected:
            copies.append(at | {"place": line, "large": True})
        there = any(len(vectors) for vectors in panel.vectors.values())
        zero = -middle / half
        centred = bool((middle == 0).all())
        frames += [
            copy
            | {
                "label": f"{panel.label}, {panel.row}" if copy["large"] else panel.label,
                "short": short(panel.n_samples),
                "n_samples": panel.n_samples,
                "kin": kin_of(panel.n_samples),
                "selected": panel.n_samples == selected,
                "trained": there,
                "scale": (f"±{half / MARGIN:.2g}" if centred else f"{2 * half:.2g} wide") if there else "",
                "zero_u": zero[0],
                "zero_v": zero[1],
                "square": (panel.square or 0.0) / half,
            }
            for copy in copies
        ]
        for kind in kinds:
            vectors = (panel.vectors.get(kind.name, np.empty((0, 2))) - middle) / half
            kept = vectors[(np.abs(vectors) <= 1).all(axis=1)]
            kept = kept[np.linspace(0, len(kept) - 1, min(RAYS, len(kept))).astype(int)].astype(np.float32)
            drawn = [copy | {"kind": kind.name, "u": kept[:, 0], "v": kept[:, 1]} for copy in copies]
            dots += drawn
            rays += [each | {"zero_u": zero[0], "zero_v": zero[1]} for each in drawn if kind.rays]
    across = max(places.values())
    columns = (
        "place",
        "line",
        "large",
        "label",
        "short",
        "n_samples",
        "kin",
        "selected",
        "trained",
        "scale",
        "zero_u",
        "zero_v",
    )
    data = {
        "dots": filled(
            stacked(dots, "place", "line", "large", "kind", "u", "v").astype({"place": np.int16, "line": np.int8})
        ),
        "rays": filled(stacked(rays, "place", "line", "large", "kind", "u", "v", "zero_u", "zero_v")),
        "frames": filled(records(frames, *columns, "square")),
        "rows": pd.DataFrame({"line": range(len(lines)), "name": lines}),
        "meta": meta(title=title, count=max(across, 1), lines=len(rows), named=bool(rows)),
    }
    trained = sum(frame["trained"] and not frame["large"] for frame in frames)
    said = f"{title}: {trained} small pictures" if trained else f"{title}: no pictures yet"
    said += f", from {panels[0].label} to {panels[-1].label}." if trained else "."
    return stands_alone(Chart(_panels(tuple(kinds), linked), data, said, square=True), height)


def _window(panel: Panel, scale_by: str | None) -> tuple[np.ndarray, float]:
    """The middle of a picture, (2,), and half its side."""
    if scale_by is not None:
        setting = panel.vectors.get(scale_by, np.empty((0, 2)))
        every = setting if len(setting) else np.concatenate([np.empty((0, 2)), *panel.vectors.values()])
        reach = float(np.quantile(np.abs(every), 0.99)) if len(every) else 0.0
        return np.zeros(2), (AROUND if len(setting) else MARGIN) * reach or 1.0
    every = np.concatenate([np.zeros((1, 2)), *panel.vectors.values()])
    return (every.min(axis=0) + every.max(axis=0)) / 2, MARGIN * float(np.ptp(every, axis=0).max()) / 2 or 1.0


@cache
def _panels(kinds: tuple[Kind, ...], linked: bool) -> dict[str, Any]:
    sides = ", ".join(f"min(width / ceil(count / {k}) - 6, height / {k} - 18)" for k in range(1, LINES + 1))
    params = [
        *pointed_in(linked),
        {"name": "count", "expr": "data('meta')[0].count"},
        {"name": "sides", "expr": f"[{sides}]"},
        {"name": "left", "expr": "data('meta')[0].named ? 18 : 0"},
        # Given rows, or as many lines as make the pictures largest.
        {"name": "lines", "expr": "data('meta')[0].lines || indexof(sides, max({})) + 1".format(
            ", ".join(f"sides[{k}]" for k in range(LINES)))},
        {"name": "across", "expr": "data('meta')[0].lines ? count : ceil(count / lines)"},
        {"name": "small", "expr": "max(4, min((width - left) / across - 6, height / lines - 18))"},
        {"name": "step", "expr": "min(height / lines, small + 26)"},
        # What is left below the rows is for the large ones, if they come out larger.
        {"name": "below", "expr": "lines * step"},
        {"name": "large", "expr": "min((width - left) / lines - 6, height - below - 26)"},
    ]  # fmt: skip
    side = "(datum.large ? large : small)"
    there = {"filter": f"!datum.large || large > {LARGER} * small"}
    wrapped = "(data('meta')[0].lines ? 0 : floor(datum.place / across))"
    column = "(data('meta')[0].lines ? datum.place : datum.place % across)"
    x = f"left + ({column} + 0.5) * (width - left) / (datum.large ? lines : across)"
    y = f"(datum.large ? below + 8 : (datum.line + {wrapped}) * step) + 16 + {side} / 2"

    def at(u: str = "0", v: str = "0") -> dict[str, Any]:
        return {
            "x": {"value": {"expr": f"{x} + ({u}) * {side} / 2"}},
            "y": {"value": {"expr": f"{y} - ({v}) * {side} / 2"}},
        }

    def line(u: str, v: str, u2: str, v2: str) -> dict[str, Any]:
        end = at(u2, v2)
        return {**at(u, v), "x2": end["x"], "y2": end["y"]}

    names, rayed = [kind.name for kind in kinds], [kind.name for kind in kinds if kind.rays]

    def by_kind(values: Sequence[str]) -> dict[str, Any]:
        scale = {"domain": names, "range": list(values)}
        return {"field": "kind", "type": "nominal", "scale": scale, "legend": None}

    larger = "".join(f" * (datum.kind == '{kind.name}' ? {kind.size:g} : 1)" for kind in kinds if kind.size != 1)
    color = by_kind([kind.colour for kind in kinds])
    frames: dict[str, Any] = {"data": {"name": "frames"}, "transform": [there]}
    quiet = {"color": GREY, "tooltip": None}
    seen = [there, {"filter": "datum.trained"}]
    picked = targets("n_samples", linked=linked)
    layers = [
        {
            **frames,
            "mark": {
                "type": "rect",
                "stroke": GREY,
                "fill": GREY,
                "fillOpacity": {"expr": f"datum.selected && !datum.large ? 0.17 : {POINTED_AT} ? 0.1 : 0"},
                "strokeOpacity": {"expr": f"{POINTED_AT} ? 1 : 0.45"},
                "strokeDash": {"expr": "datum.trained ? [1, 0] : [2, 3]"},
                "cornerRadius": 3,
                "width": {"expr": side},
                "height": {"expr": side},
                "tooltip": None,
            },
            "encoding": at(),
        },
        *(
            {
                **frames,
                "transform": [*seen, {"filter": f"abs(datum.zero_{axis}) < 1"}],
                "mark": {"type": "rule", **quiet, "opacity": 0.3},
                "encoding": line(*ends),
            }
            for axis, ends in (
                ("u", ("datum.zero_u", "-1", "datum.zero_u", "1")),
                ("v", ("-1", "datum.zero_v", "1", "datum.zero_v")),
            )
        ),
        {
            **frames,
            "transform": [there, {"filter": "datum.square > 0 && datum.square < 1"}],
            "mark": {
                "type": "rect",
                "filled": False,
                **quiet,
                "strokeDash": [4, 3],
                "strokeWidth": 1.5,
                "width": {"expr": f"datum.square * {side}"},
                "height": {"expr": f"datum.square * {side}"},
            },
            "encoding": at("datum.zero_u", "datum.zero_v"),
        },
        {
            "data": {"name": "rays"},
            "transform": [there, {"filter": "isValid(datum.u)"}],
            "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.8, "tooltip": None},
            "encoding": {**line("datum.zero_u", "datum.zero_v", "datum.u", "datum.v"), "color": color},
        },
        {
            "data": {"name": "dots"},
            "transform": [there, {"filter": "isValid(datum.u)"}],
            "mark": {"type": "point", "strokeWidth": {"expr": f"clamp({side} / 120, 0.6, 1.2)"}, "tooltip": None},
            "encoding": {
                **at("datum.u", "datum.v"),
                "stroke": color,
                "fill": by_kind(["transparent" if kind.ring else kind.colour for kind in kinds]),
                "shape": by_kind([kind.shape for kind in kinds]),
                "opacity": {"value": {"expr": f"indexof({rayed}, datum.kind) >= 0 ? 1 : 0.8"}},
                "size": {"value": {"expr": f"clamp({side} / 8, 4, 26){larger}"}},
            },
        },
        {
            **frames,
            "mark": {
                "type": "text",
                **quiet,
                "fontSize": 11,
                "baseline": "middle",
                "align": "left",
                "fontWeight": {"expr": "datum.selected ? 'bold' : 'normal'"},
            },
            "encoding": {
                "x": {"value": {"expr": f"{x} - {side} / 2 + 1"}},
                "y": {"value": {"expr": f"{y} - {side} / 2 - 8"}},
                "text": {"value": {"expr": f"6.2 * length(datum.label) < {side} ? datum.label : datum.short"}},
            },
        },
        {
            **frames,
            "mark": {"type": "text", **quiet, "fontSize": 9, "align": "right", "baseline": "middle"},
            "encoding": {
                "x": {"value": {"expr": f"{x} + {side} / 2 - 1"}},
                "y": {"value": {"expr": f"{y} - {side} / 2 - 8"}},
                "text": {"field": "scale", "type": "nominal"},
                "opacity": {
                    "value": {"expr": f"{side} > 6.2 * length(datum.label) + 5 * length(datum.scale) + 6 ? 0.9 : 0"}
                },
            },
        },
        {
            "data": {"name": "rows"},
            "mark": {"type": "text", **quiet, "fontSize": 11, "angle": 270, "limit": {"expr": "step"}},
            "encoding": {
                "x": {"value": 6},
                "y": {"value": {"expr": "datum.line * step + 16 + small / 2"}},
                "text": {"field": "name", "type": "nominal"},
            },
        },
        *(legend(kinds) if len(kinds) > 1 else []),
        {
            **frames,
            **picked,
            "transform": [there, *picked["transform"]],
            "mark": {"type": "point", "opacity": 0, "size": 20},
            "encoding": {**at(), "tooltip": {"field": "label", "type": "nominal"}},
        },
    ]
    title = {"text": {"expr": "data('meta')[0].title"}, "anchor": "start", "frame": "group", "fontSize": 13}
    return {
        "$schema": SCHEMA,
        "title": {**title, "offset": 6},
        "params": params,
        "layer": [*unseen("meta"), *layers],
        **LIVELY,
    }
