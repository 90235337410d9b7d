"""Vectors in the plane over the whole history of a training: the clock of the page says which frame is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import RAYS, Chart, count, filled
from toyviz.charts.clock import LIT, LOOKED_AT, NOW, lit, own_or_all, packed, targets
from toyviz.charts.layers import (
    META,
    Kind,
    by,
    calculated,
    grey,
    heading,
    layer,
    legend,
    mark,
    meta,
    nominal,
    plain_rule,
    quantity,
    specification,
)
from toyviz.charts.ticks import SIGNED, number_axis

MARGIN = 1.18  # a plane is this much wider than what it holds
NAMED = 8  # vectors that carry their number, at most,
ALONE = 0.15  # if they have more of a dimension to themselves


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
        values = [group.about.get(name, np.full(len(group.numbers), np.nan)) for group in groups]
        dots[f"about{place}"] = np.concatenate(values)
    x, y = (all_low + all_high) / 2
    data = {
        "dots": dots if len(dots) else filled(dots).assign(group=groups[0].name, ray=False),
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
    chosen[best] = dimensionality[best] >= ALONE
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


def _plane_axis(name: str, length: str, other: str) -> dict[str, Any]:
    """An axis as long as the other, times how much wider its side is."""
    middle = f"(own_scale ? scale.{name} : {META}.{name})"
    reach = f"half * max(1, {length} / {other})"
    domain = {"expr": f"[{middle} - {reach}, {middle} + {reach}]"}
    labels = {"labelPadding": 3, "labelOverlap": True, "labelBound": True, "labelExpr": SIGNED}
    axis = number_axis(length, 60, 3, 6, title=None, grid=False, **labels)
    if name == "y":
        axis |= {"minExtent": 28, "maxExtent": 28}
    return quantity(name, scale={"domain": domain, "nice": False, "zero": False}, axis=axis)


def _joined(kind: str, **at: Any) -> dict[str, Any]:
    """A dotted line from each vector of this kind to the next."""
    line = grey("line", strokeDash=[2, 3], strokeWidth=1.2)
    return layer("", line, f"datum.group == '{kind}'", **at, order=quantity("number"))


def _equal_sums(kind: str, **at: Any) -> dict[str, Any]:
    """A dashed line through the vector of this kind, from corner to corner: x + y is the same all along it."""
    away = "4 * half * max(width / height, height / width)"
    ends = {
        "right": f"datum.x + {away}",
        "below": f"datum.y - {away}",
        "x": f"datum.x - {away}",
        "y": f"datum.y + {away}",
    }
    rule = grey("rule", clip=True, strokeDash=[4, 3])
    at |= {"x2": {"field": "right"}, "y2": {"field": "below"}}
    return layer("", rule, f"datum.group == '{kind}'", *calculated(**ends), **at)


def _kept_inside(offset: str, axis: str, length: str, margin: int) -> dict[str, str]:
    """The offset of a mark, in pixels, so that it stays so far within the plot."""
    at = f"scale('{axis}', datum.{axis})"
    return {"expr": f"clamp({offset}, {margin} - {at}, {length} - {margin} - {at})"}


def _label(**at: Any) -> dict[str, Any]:
    """The numbers of those that carry it, further out than their dots."""
    away = "12 * {} / max(1e-12, sqrt(datum.x * datum.x + datum.y * datum.y))"
    dx, dy = away.format("datum.x"), f"-{away.format('datum.y')}"
    # What reaches beyond the plot would push the title off the chart.
    inside = {"clip": True, "dx": _kept_inside(dx, "x", "width", 13), "dy": _kept_inside(dy, "y", "height", 8)}
    text = grey("text", fontSize=11, fontWeight="bold", **inside)
    return layer("", text, "datum.label != ''", **at, text=nominal("label"), opacity=lit(1))


def _dot(kinds: Sequence[Kind], tooltip: list[dict[str, Any]], joined: str, picks: bool, **at: Any) -> dict[str, Any]:
    """A mark at each vector; those with rays, among other kinds, are drawn in full."""

    def by_kind(values: Sequence[str]) -> dict[str, Any]:
        return by("group", [kind.name for kind in kinds], values)

    rayed = [kind.name for kind in kinds if kind.rays and len(kinds) > 1]
    sizes = {kind.name: kind.size for kind in kinds if kind.size != 1}
    small = "clamp(min(width, height) / 9, 14, 34)"
    small += "".join(f" * (datum.group == '{name}' ? {size:g} : 1)" for name, size in sizes.items())
    return layer(
        "",
        mark("point", clip=True, strokeWidth=1),
        *([f"datum.group != '{joined}'"] if joined else []),
        picks=targets(*(["number"] if picks else []), linked=True),
        **at,
        stroke=by_kind([kind.colour if kind.ring else "transparent" for kind in kinds]),
        fill=by_kind(["transparent" if kind.ring else kind.colour for kind in kinds]),
        shape=by_kind([kind.shape for kind in kinds]),
        opacity=lit({"expr": f"indexof({rayed}, datum.group) >= 0 ? 1 : 0.75"}),
        size={"condition": {"test": LIT, "value": 110}, "value": {"expr": small}},
        tooltip=tooltip,
    )


@cache
def _plane(
    kinds: tuple[Kind, ...], told: tuple[str, ...], noun: str, joined: str, equal_sums: str, picks: bool
) -> dict[str, Any]:
    at, zero = {"x": _plane_axis("x", "width", "height"), "y": _plane_axis("y", "height", "width")}, {"datum": 0}
    several = len(kinds) > 1
    tooltip = [
        *([nominal("group", title=" ")] if several else []),
        quantity("number", title=noun),
        *(quantity(axis, format=".3f") for axis in "xy"),
        *(quantity(f"about{k}", title=name, format=".3~g") for k, name in enumerate(told)),
    ]
    dot, label = _dot(kinds, tooltip, joined, picks, **at), _label(**at)
    line = mark("rule", clip=True, strokeWidth=1.5 if several else 1)
    color = by("group", [kind.name for kind in kinds], [kind.colour for kind in kinds])
    ray = layer("", line, "datum.ray", **at, x2=zero, y2=zero, color=color, opacity=lit(0.8 if several else 0.35))
    rays = [ray] if any(kind.rays for kind in kinds) else []
    lines = [_joined(joined, **at)] if joined else []
    lines += [_equal_sums(equal_sums, **at)] if equal_sums else []
    vectors = {
        "data": {"name": "dots"},
        "transform": [
            {"filter": "isValid(datum.number)"},
            *calculated(**{axis: f"datum['{axis}' + frame] * scale.unit" for axis in "xy"}),
        ],
        # Among other kinds the few with rays would be lost below their dots.
        "layer": [*lines, *([dot, *rays, label] if several else [*rays, dot, label])],
    }
    named = legend([kind for kind in kinds if kind.name != joined]) if several else []
    layers = [plain_rule(x=zero), plain_rule(y=zero), vectors, *named]
    return specification(layers, heading(6), [*NOW, LOOKED_AT, *own_or_all("half")], "scales")
