"""Vectors in the plane over the whole history of a training: the clock of the page says which frame is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import GREY, RAYS, Chart, count
from toyviz.charts.clock import (
    ANY,
    DIMMED,
    LIT,
    LIVELY,
    LOOKED_AT,
    NOW,
    POINT,
    SCALED,
    SCHEMA,
    Kind,
    heading,
    legend,
    meta,
    packed,
    plain_rule,
    targets,
    unseen,
)

MARGIN = 1.18  # a plane is this much wider than what it holds
NAMED = 8  # vectors that carry their number, at most,
OWN = 0.15  # if they have more of a dimension to themselves


class Group(NamedTuple):
    """Vectors of one kind, drawn alike: dots of one colour and shape, with rays from the origin or without."""

    name: str
    history: np.ndarray  # (f, k, 2)
    numbers: np.ndarray  # (k,) int: which feature or sample each is
    kin: Sequence[str]  # (k,) the numbers of the features that each goes with, between commas: ",3,7,12,"
    colour: str
    shape: str = "circle"
    rays: bool = False
    ring: bool = False  # drawn as an outline, so that what lies below is seen
    size: float = 1.0  # of the area of its marks
    about: Mapping[str, np.ndarray] = {}  # (k,) each: more for the tooltip
    labels: np.ndarray | None = None  # (k,) bool: which carry their number

    @classmethod
    def of(cls, kind: Kind, history: np.ndarray, numbers: np.ndarray, kin: Sequence[str]) -> Group:
        """Vectors drawn as this kind is drawn."""
        return cls(kind.name, history, numbers, kin, kind.colour, kind.shape, kind.rays, kind.ring, kind.size)


def plane(
    history: np.ndarray,
    what: str,
    numbers: np.ndarray,
    total: int,
    kin: Sequence[str],
    colour: str,
    *,
    rays: bool = False,
    about: Mapping[str, np.ndarray] | None = None,
    labels: np.ndarray | None = None,
    shape: str = "circle",
    noun: str = "number",
) -> Chart:
    """Vectors in the plane over the frames of a training, on one scale, with equal axes in any room.

    history: (f, k, 2). numbers: (k,) int, which of a total these are. kin: for each the numbers of its features, each
    between commas; what shares one is lit together. rays: lines from the origin to the RAYS longest. about: more for
    the tooltips, (k,) each. labels: (k,) bool, which carry their number; see outstanding. noun: what
    a number is called in a tooltip, "feature" or "sample".
    """
    group = Group(what, history, numbers, kin, colour, shape, rays, about=about or {}, labels=labels)
    return planes_of_kinds([group], count(what, len(numbers), total), noun=noun)


def planes_of_kinds(
    groups: Sequence[Group],
    title: str,
    centred: bool = True,
    noun: str = "number",
    *,
    joined: str = "",
    equal_sums: str = "",
    picks: bool = False,
) -> Chart:
    """Vectors of several kinds in one plane over the frames of a training; the kinds are named where there are two.

    centred: the origin is in the middle, else all that is drawn is. joined: the kind whose vectors are the corners of
    a dotted line, in the order of their numbers, and no dots. equal_sums: the kind through whose vector goes a dashed
    line of all places with the same x + y. picks: whether clicking a vector picks its number.
    """
    lengths = {len(group.history) for group in groups}
    if len(lengths) != 1:
        raise ValueError(f"the groups have {sorted(lengths)} frames; they must all have as many")
    history = np.concatenate([group.history for group in groups], axis=1)  # (f, k, 2)
    columns, units = packed(history)
    low, high = _corners(history, centred)
    middle, halves = (low + high) / 2, _half(high - low)
    all_low, all_high = low.min(axis=0), high.max(axis=0)
    half = _half((all_high - all_low)[None])[0]
    dots = pd.DataFrame(
        {
            "group": np.repeat([group.name for group in groups], [len(group.numbers) for group in groups]),
            "number": np.concatenate([group.numbers for group in groups]),
            "kin": [kin for group in groups for kin in group.kin],
            "ray": np.concatenate([_longest(group) for group in groups]),
            "label": np.concatenate([_labels(group) for group in groups]),
            **columns,
        }
    )
    told = tuple(dict.fromkeys(name for group in groups for name in group.about))
    for place, name in enumerate(told):
        unknown = {group.name: np.full(len(group.numbers), np.nan) for group in groups}
        dots[f"about{place}"] = np.concatenate([group.about.get(name, unknown[group.name]) for group in groups])
    if dots.empty:  # a data set without rows would have the chart built anew when there are some
        dots = pd.DataFrame({name: [np.nan] for name in dots}).assign(group=groups[0].name, kin="", label="", ray=False)
    x, y = (all_low + all_high) / 2
    data = {
        "dots": dots,
        "scales": pd.DataFrame({"unit": units, "half": halves, "x": middle[:, 0], "y": middle[:, 1]}),
        "meta": meta(title=title, last=len(history) - 1, half=half, x=x, y=y),
    }
    kinds = tuple(Kind(g.name, g.colour, g.shape, g.ring, g.size, g.rays) for g in groups)
    said = f"{title} in the plane, over {len(history)} frames of the training."
    if len(history) == 1:
        said = f"{title}{' in the plane' if history.size else ''}."
    return Chart(_plane(kinds, told, noun, joined, equal_sums, picks), data, said, square=True)


def outstanding(dimensionality: np.ndarray) -> np.ndarray:
    """Which vectors have so much of a dimension to themselves that they carry their number: (k,) bool."""
    best = np.argsort(-dimensionality, kind="stable")[:NAMED]
    chosen = np.zeros(len(dimensionality), dtype=bool)
    chosen[best] = dimensionality[best] >= OWN
    return chosen


def _corners(history: np.ndarray, centred: bool) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest of each frame and axis, (f, 2) each, the origin among them."""
    low, high = history.min(axis=1, initial=0.0), history.max(axis=1, initial=0.0)
    if not centred:
        return low, high
    reach = np.maximum(-low, high).max(axis=1, keepdims=True)
    return np.repeat(-reach, 2, axis=1), np.repeat(reach, 2, axis=1)


def _half(extent: np.ndarray) -> np.ndarray:
    """Half the width of a plane that holds this extent, (f, 2), with a margin; 1 where there is none."""
    half = MARGIN * extent.max(axis=1) / 2
    return np.where(half > 0, half, 1.0)


def _longest(group: Group) -> np.ndarray:
    """Which vectors have a ray: the RAYS that get longest, if the kind has rays. (k,) bool."""
    drawn = np.zeros(len(group.numbers), dtype=bool)
    if group.rays:
        lengths = np.linalg.norm(group.history, axis=2).max(axis=0, initial=0.0)
        drawn[np.argsort(-lengths, kind="stable")[:RAYS]] = True
    return drawn


def _labels(group: Group) -> np.ndarray:
    """The number of those that carry it, else nothing. (k,) text."""
    shown = np.zeros(len(group.numbers), dtype=bool) if group.labels is None else group.labels
    return np.where(shown, np.asarray(group.numbers).astype(str), "")


def _axis(name: str, length: str, other: str) -> dict[str, Any]:
    """An axis as long as the other, times how much wider its side is."""
    middle = f"(isValid(own) && own != '' ? scale.{name} : data('meta')[0].{name})"
    reach = f"half * max(1, {length} / {other})"
    domain = {"expr": f"[{middle} - {reach}, {middle} + {reach}]"}
    axis = {
        "title": None,
        "grid": False,
        "domain": False,
        "ticks": False,
        "labelColor": GREY,
        "labelFontSize": 10,
        "labelPadding": 3,
        "labelOverlap": True,
        "labelBound": True,
        "labelExpr": "replace(format(datum.value, '~r'), '-', '−')",
        "tickCount": {"expr": f"clamp(floor({length} / 60), 3, 6)"},
    }
    if name == "y":
        axis |= {"minExtent": 28, "maxExtent": 28}
    scale = {"domain": domain, "nice": False, "zero": False}
    return {"field": name, "type": "quantitative", "scale": scale, "axis": axis}


def _joined(kind: str, x: dict[str, Any], y: dict[str, Any]) -> dict[str, Any]:
    """A dotted line from each vector of this kind to the next."""
    return {
        "transform": [{"filter": f"datum.group == '{kind}'"}],
        "mark": {"type": "line", "color": GREY, "strokeDash": [2, 3], "strokeWidth": 1.2, "tooltip": None},
        "encoding": {"x": x, "y": y, "order": {"field": "number", "type": "quantitative"}},
    }


def _equal_sums(kind: str, x: dict[str, Any], y: dict[str, Any]) -> dict[str, Any]:
    """A dashed line through the vector of this kind, from corner to corner: x + y is the same all along it."""
    away = "4 * half * max(width / height, height / width)"
    ends = {"right": "datum.x + {}", "below": "datum.y - {}", "x": "datum.x - {}", "y": "datum.y + {}"}  # in this order
    return {
        "transform": [
            {"filter": f"datum.group == '{kind}'"},
            *({"calculate": end.format(away), "as": name} for name, end in ends.items()),
        ],
        "mark": {"type": "rule", "clip": True, "color": GREY, "strokeDash": [4, 3], "tooltip": None},
        "encoding": {"x": x, "y": y, "x2": {"field": "right"}, "y2": {"field": "below"}},
    }


def _within(offset: str, axis: str, length: str, margin: int) -> str:
    """The offset of a mark, in pixels, so that it stays so far within the plot."""
    at = f"scale('{axis}', datum.{axis})"
    return f"clamp({offset}, {margin} - {at}, {length} - {margin} - {at})"


@cache
def _plane(
    kinds: tuple[Kind, ...], told: tuple[str, ...], noun: str, joined: str, equal_sums: str, picks: bool
) -> dict[str, Any]:
    x, y, zero = _axis("x", "width", "height"), _axis("y", "height", "width"), {"datum": 0}
    dimmed = {"test": ANY, "value": DIMMED}
    lit = {"test": LIT, "value": 1}
    names, several = [kind.name for kind in kinds], len(kinds) > 1

    def by_kind(values: Sequence[Any]) -> dict[str, Any]:
        scale = {"domain": names, "range": list(values)}
        return {"field": "group", "type": "nominal", "scale": scale, "legend": None}

    color, shape = by_kind([kind.colour for kind in kinds]), by_kind([kind.shape for kind in kinds])
    outline = by_kind([kind.colour if kind.ring else "transparent" for kind in kinds])
    fill = by_kind(["transparent" if kind.ring else kind.colour for kind in kinds])
    tooltip = [
        *([{"field": "group", "type": "nominal", "title": " "}] if len(kinds) > 1 else []),
        {"field": "number", "type": "quantitative", "title": noun},
        {"field": "x", "type": "quantitative", "format": ".3f"},
        {"field": "y", "type": "quantitative", "format": ".3f"},
        *({"field": f"about{k}", "type": "quantitative", "title": t, "format": ".3~g"} for k, t in enumerate(told)),
    ]
    ray = {
        "transform": [{"filter": "datum.ray"}],
        "mark": {"type": "rule", "clip": True, "tooltip": None, "strokeWidth": 1.5 if several else 1},
        "encoding": {
            "x": x,
            "y": y,
            "x2": zero,
            "y2": zero,
            "color": color,
            "opacity": {"condition": [lit, dimmed], "value": 0.8 if several else 0.35},
        },
    }
    side = "min(width, height)"
    rayed = [kind.name for kind in kinds if kind.rays and several]
    sizes = {kind.name: kind.size for kind in kinds if kind.size != 1}
    small = f"clamp({side} / 9, 14, 34)" + "".join(f" * (datum.group == '{n}' ? {k:g} : 1)" for n, k in sizes.items())
    marked = targets("number", linked=True) if picks else {"params": [POINT], "transform": []}
    marked["transform"] = [*marked["transform"], *([{"filter": f"datum.group != '{joined}'"}] if joined else [])]
    dot = {
        **marked,
        "mark": {"type": "point", "clip": True, "strokeWidth": 1},
        "encoding": {
            "x": x,
            "y": y,
            "stroke": outline,
            "fill": fill,
            "shape": shape,
            "opacity": {
                "condition": [lit, dimmed],
                "value": {"expr": f"indexof({rayed}, datum.group) >= 0 ? 1 : 0.75"},
            },
            "size": {"condition": {"test": LIT, "value": 110}, "value": {"expr": small}},
            "tooltip": tooltip,
        },
    }
    away = "{} / max(1e-12, sqrt(datum.x * datum.x + datum.y * datum.y))"
    label = {
        "transform": [{"filter": "datum.label != ''"}],
        "mark": {
            "type": "text",
            "clip": True,  # what reaches beyond the plot would push the title off the chart
            "color": GREY,
            "fontSize": 11,
            "fontWeight": "bold",
            "tooltip": None,
            "dx": {"expr": _within(f"12 * {away.format('datum.x')}", "x", "width", 13)},
            "dy": {"expr": _within(f"-12 * {away.format('datum.y')}", "y", "height", 8)},
        },
        "encoding": {
            "x": x,
            "y": y,
            "text": {"field": "label", "type": "nominal"},
            "opacity": {"condition": [lit, dimmed], "value": 1},
        },
    }
    rays = [ray] if any(kind.rays for kind in kinds) else []
    lines = [_joined(joined, x, y)] if joined else []
    lines += [_equal_sums(equal_sums, x, y)] if equal_sums else []
    return {
        "$schema": SCHEMA,
        "title": heading(6),
        "params": [*NOW, LOOKED_AT, *SCALED],
        "layer": [
            *unseen("meta", "scales"),
            plain_rule(x=zero),
            plain_rule(y=zero),
            {
                "data": {"name": "dots"},
                "transform": [
                    {"filter": "isValid(datum.number)"},
                    *({"calculate": f"datum['{axis}' + frame] * scale.unit", "as": axis} for axis in "xy"),
                ],
                # Among other kinds the few with rays would be lost below their dots.
                "layer": [*lines, *([dot, *rays, label] if several else [*rays, dot, label])],
            },
            *(legend([kind for kind in kinds if kind.name != joined]) if several else []),
        ],
        **LIVELY,
    }
