"""A logit taken apart, over the whole history of a training: what makes h, its two terms, its stages, who is first."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import AMBER, BLUE, GREEN, GREY, PURPLE, VERMILLION, Chart
from toyviz.charts.clock import LOOKED_AT, NOW, lit, own_or_all, packed
from toyviz.charts.layers import (
    META,
    Kind,
    between,
    by,
    calculated,
    grey,
    heading,
    layer,
    legend,
    mark,
    meta,
    nominal,
    quantity,
    specification,
)
from toyviz.charts.ticks import SIGNED, number_axis
from toyviz.charts.vectors import Group, planes_of_kinds

STAGES = ("h_x W2[c, 0]", "h_y W2[c, 1]", "their sum", "b2[c]", "logit")
RANKED = (2, 4)  # the stages whose ranks are told
VOTES, PATH, HIDDEN = "votes", "end to end", "h"  # kinds of the first picture
SEEN, NEVER, CORRECT = "classes", "never correct in training", "correct class"  # of the second
FIRST = 5  # classes with the largest logits that are ranked, and the correct one
WIDER = 1.06  # an axis is this much wider than what it holds
PARTS = (  # of a logit, as bars: what it is, its colour, its opacity
    Kind(STAGES[0], GREEN, "square"),
    Kind(STAGES[1], AMBER, "square"),
    Kind(STAGES[3], PURPLE, "square"),
)
LEGEND = (*PARTS, Kind(STAGES[4], VERMILLION, "diamond"))


class Logits(NamedTuple):
    """The logits of all classes for one sample, over the frames of a training: terms + bias = logit."""

    terms: np.ndarray  # (f, c, 2): h_x W2[c, 0] and h_y W2[c, 1]
    bias: np.ndarray  # (f, c): b2
    seen: np.ndarray  # (c,) bool: the class was correct for some training sample
    label: int | None  # the class that is correct; None for a sample without any

    @property
    def stages(self) -> np.ndarray:
        """(f, 5, c): the values of STAGES."""
        first, second = np.moveaxis(self.terms, 2, 0)
        total = first + second
        return np.stack([first, second, total, self.bias, total + self.bias], axis=1)


def votes(features: np.ndarray, arrows: np.ndarray, hidden: np.ndarray, values: np.ndarray) -> Chart:
    """What each active feature of a sample adds to its hidden vector: an arrow each, x_i W1[:, i], and their sum h.

    features: (k,) their numbers. values: (k,), the x_i. arrows: (f, k, 2). hidden: (f, 2). The dotted line lays the
    arrows end to end, the one with the largest x_i first.
    """
    order = np.argsort(-values, kind="stable")
    steps = np.cumsum(arrows[:, order], axis=1)
    path = np.concatenate([np.zeros((len(arrows), 1, 2)), steps], axis=1)
    kin = [f",{i}," for i in features]
    told = "x_i; of h their sum"
    corners = np.arange(len(features) + 1)
    groups = [
        Group(PATH, path, corners, [""] * len(corners), GREY, about={told: np.zeros(len(corners))}),
        Group(VOTES, arrows, features, kin, BLUE, rays=True, about={told: values}, labels=values > 0),
        Group(HIDDEN, hidden[:, None], np.zeros(1, int), [""], VERMILLION, "diamond", rays=True, size=4,
              about={told: values.sum(keepdims=True)}),
    ]  # fmt: skip
    title = f"h = Σ x_i W1[:, i] of {len(features)} active features"
    chart = planes_of_kinds(groups, title, noun="feature", joined=PATH)
    x, y = hidden[-1]
    return chart._replace(alt=f"{len(features)} arrows that add up to h = ({x:.3g}, {y:.3g}).")


def logit_plane(logits: Logits) -> Chart:
    """Every class at (h_x W2[c, 0], h_y W2[c, 1]), the correct one marked: the rows of W2, stretched by h.

    The dashed line joins all places whose two terms have the same sum as the correct class's: beyond it, a class is
    ahead of it before the bias.
    """
    numbers = np.arange(logits.terms.shape[1])
    is_correct = numbers == (-1 if logits.label is None else logits.label)

    def group(name: str, chosen: np.ndarray, colour: str, shape: str, size: float) -> Group:
        which = numbers[chosen]
        return Group(name, logits.terms[:, chosen], which, [f",{c}," for c in which], colour, shape, size=size)

    groups = [
        group(NEVER, ~logits.seen & ~is_correct, GREY, "cross", 1),
        group(SEEN, logits.seen & ~is_correct, GREEN, "circle", 1),
        group(CORRECT, is_correct, VERMILLION, "diamond", 4)._replace(labels=is_correct[is_correct]),
    ]
    chart = planes_of_kinds(groups, "Two terms a class", noun="class", equal_sums=CORRECT)
    if logits.label is None:
        return chart._replace(alt="The two terms of the logit of every class; none of them is correct.")
    x, y = logits.terms[-1, logits.label]
    ahead = int((logits.terms[-1].sum(axis=1) > x + y).sum())
    said = (
        f"The two terms of the logit of every class. The correct class {logits.label} has {x:.3g} and {y:.3g}; {ahead} "
        "classes have a larger sum."
    )
    return chart._replace(alt=said)


def logit_stages(logits: Logits) -> Chart:
    """The logits of every class, stage by stage, one line each: the terms, their sum, the bias, the logit.

    The ticks of classes never seen in training are grey and half as long. The correct class is marked, with its rank
    where ranks count.
    """
    stages = logits.stages  # (f, 5, c)
    inner = np.stack([stages[:, 0], stages[:, 1], stages[:, 3]], axis=2)  # (f, c, 3)
    (values, units), halves = packed(inner, "abc"), _halves(stages)
    classes = np.arange(stages.shape[2])
    data = {
        "ticks": pd.DataFrame(
            {
                "class": classes,
                "kin": [f",{c}," for c in classes],
                "seen": np.where(logits.seen, "yes", "no"),
                **values,
            }
        ),
        "correct": _correct(stages, logits.label),
        "scales": pd.DataFrame({"unit": units, "half": halves}),
        "meta": meta(
            title=f"All {len(classes):,} classes; ◆ the correct one", last=len(stages) - 1, half=float(halves.max())
        ),
    }
    said = f"The logits of all {len(classes):,} classes, stage by stage; none of them is correct."
    if logits.label is not None:
        ranks = _ranks(stages, logits.label)[-1]
        said = (
            f"The correct class {logits.label} has rank {ranks[2]} of {len(classes):,} by the sum of its terms and "
            f"rank {ranks[4]} after its bias of {logits.bias[-1, logits.label]:.3g}."
        )
    return Chart(_logit_stages(), data, said)


def ranking(logits: Logits) -> Chart:
    """The FIRST classes by their logit, and the correct one where it is not among them, each as a sum of three bars.

    A bar begins where the one before it ends: the two terms, the bias; the diamond is the logit. Ranks are those of
    the frame.
    """
    stages = logits.stages
    ranks = None if logits.label is None else _ranks(stages, logits.label)[:, 4]
    rows, bars = [], []
    for f, (first, second, _, bias, logit) in enumerate(stages):
        order = np.argsort(-logit, kind="stable")[:FIRST]
        chosen = [*order] if logits.label is None or logits.label in order else [*order, logits.label]
        for line, c in enumerate(chosen):
            at = {"frame": f, "line": line, "class": int(c)}
            rank = line + 1 if line < len(order) or ranks is None else ranks[f]
            about = {"kin": f",{c},", "text": f"{rank}. class {c}", "correct": bool(c == logits.label)}
            rows.append({**at, **about, "value": logit[c], "shown": f"{logit[c]:.3g}"})
            ends = np.cumsum([0.0, first[c], second[c], bias[c]])
            for part, start, end, value in zip(PARTS, ends, ends[1:], (first[c], second[c], bias[c]), strict=False):
                bars.append({**at, "part": part.name, "value": value, "start": start, "end": end})
    table, parts = pd.DataFrame(rows), pd.DataFrame(bars)
    ends_of_all = parts.groupby("frame")[["start", "end"]].agg(["min", "max"]).to_numpy()  # (f, 4)
    low = WIDER * np.minimum(ends_of_all.min(axis=1), 0)
    high = WIDER * np.maximum(ends_of_all.max(axis=1), 1e-9)
    bounds = {"low": float(low.min()), "high": float(high.max())}
    data = {
        "rows": table,
        "bars": parts,
        "scales": pd.DataFrame({"low": low, "high": high}),
        "meta": meta(title="Who is first, and why", last=len(stages) - 1, **bounds, lines=FIRST + 1),
    }
    top = table[table["frame"] == len(stages) - 1].iloc[0]
    said = f"The largest logit at the end is that of class {top['class']}, {top['shown']}"
    said += "." if ranks is None else f"; the correct class {logits.label} has rank {ranks[-1]}."
    return Chart(_ranking(), data, said)


def _correct(stages: np.ndarray, label: int | None) -> pd.DataFrame:
    """The value of the correct class at each frame and stage, with its rank where ranks are told."""
    if label is None:
        return pd.DataFrame({"frame": [0], "stage": [STAGES[0]], "value": [np.nan], "label": [""]})
    ranks, own = _ranks(stages, label), stages[:, :, label]  # (f, 5) both
    rows = [
        {
            "frame": f,
            "stage": stage,
            "value": own[f, k],
            "label": f"{own[f, k]:.3g}" + (f", rank {ranks[f, k]}" if k in RANKED else ""),
        }
        for f in range(len(stages))
        for k, stage in enumerate(STAGES)
    ]
    return pd.DataFrame(rows)


def _ranks(stages: np.ndarray, label: int) -> np.ndarray:
    """The rank of a class at each frame and stage, (f, 5); 1 is the largest."""
    ranks: np.ndarray = (stages > stages[:, :, label, None]).sum(axis=2) + 1
    return ranks


def _halves(values: np.ndarray) -> np.ndarray:
    """Half the width of an axis around 0 that holds each frame, (f,)."""
    reach = WIDER * np.abs(values).reshape(len(values), -1).max(axis=1, initial=0.0)
    return np.where(reach > 0, reach, 1.0)


def _value_axis(low: str, high: str) -> dict[str, Any]:
    """The axis of logits along the foot, between two expressions."""
    axis = number_axis("width", 60, 3, 8, grid=True, gridOpacity=0.4, labelOverlap=True, labelExpr=SIGNED)
    return quantity("value", title=None, scale=between(low, high, zero=False), axis=axis)


ZERO = layer("meta", grey("rule", opacity=0.6), x={"datum": 0, "type": "quantitative"})
OF_FRAME = "datum.frame == frame"


@cache
def _logit_stages() -> dict[str, Any]:
    axis = {"domain": False, "ticks": False, "labelFontSize": 11, "minExtent": 84, "maxExtent": 84}
    at = {
        "x": _value_axis("-half", "half"),
        "y": nominal("stage", title=None, scale={"domain": list(STAGES)}, axis=axis),
    }
    side = {"expr": "datum.value > half / 2 ? 'right' : datum.value < -half / 2 ? 'left' : 'center'"}
    label = mark("text", dy=-14, color=VERMILLION, fontWeight="bold", fontSize=11, align=side)
    layers = [
        ZERO,
        _class_ticks(**at),
        layer("correct", mark("point", filled=True, shape="diamond", color=VERMILLION, opacity=1, size=110), OF_FRAME,
              **at),
        layer("correct", label, OF_FRAME, **at, text=nominal("label")),
    ]  # fmt: skip
    return specification(layers, heading(6), [*NOW, LOOKED_AT, *own_or_all("half")], "scales")


def _class_ticks(**at: Any) -> dict[str, Any]:
    """A tick for each class at each stage."""
    folded = ["first", "second", "sum", "bias", "logit"]
    named = ", ".join(f"{name}: '{stage}'" for name, stage in zip(folded, STAGES, strict=True))
    never = "datum.seen == 'no'"
    return layer(
        "ticks",
        mark("tick", thickness=1, clip=True),
        *calculated(
            first="datum['a' + frame] * scale.unit",
            second="datum['b' + frame] * scale.unit",
            bias="datum['c' + frame] * scale.unit",
            sum="datum.first + datum.second",
            logit="datum.sum + datum.bias",
        ),
        {"fold": folded, "as": ["folded", "value"]},
        *calculated(stage=f"{{{named}}}[datum.folded]"),
        **at,
        color={"condition": {"test": never, "value": GREY}, "value": GREEN},
        opacity=lit(0.4),
        size={"condition": {"test": never, "value": 8}, "value": 16},
        tooltip=[quantity("class"), quantity("value", format=".4f"), nominal("seen", title="seen in training")],
    )


@cache
def _ranking() -> dict[str, Any]:
    axis = {"grid": False, "domain": False, "ticks": False, "labels": False, "minExtent": 132, "maxExtent": 132}
    x, y = (
        _value_axis("low", "high"),
        quantity("line", title=None, scale=between(f"{META}.lines - 0.5", "-0.5", zero=False), axis=axis),
    )
    names = [kind.name for kind in PARTS]
    level = calculated(level=f"datum.line + indexof({names}, datum.part) * 0.2 - 0.2")
    bar = mark("rule", clip=True, strokeWidth={"expr": "clamp(height / 40, 2, 8)"})
    part = by("part", names, [kind.colour for kind in PARTS])
    ends = {"x": {**x, "field": "start"}, "x2": {"field": "end"}, "y": {**y, "field": "level"}}
    told = [quantity("class"), nominal("part", title=" "), quantity("value", format=".4f")]
    own = {"condition": {"test": "datum.correct", "value": VERMILLION}, "value": GREY}
    size = {"condition": {"test": "datum.correct", "value": 120}, "value": 60}
    weight = {"expr": "datum.correct ? 'bold' : 'normal'"}
    text = mark("text", baseline="middle", align="right", fontSize=11, fontWeight=weight)
    layers = [
        ZERO,
        layer("bars", bar, OF_FRAME, *level, **ends, color=part, tooltip=told),
        layer("rows", mark("point", filled=True, shape="diamond", opacity=1), OF_FRAME, x=x, y=y, color=own, size=size),
        layer("rows", text, OF_FRAME, x={"value": -44}, y=y, text=nominal("text"), color=own),
        layer("rows", text, OF_FRAME, x={"value": -6}, y=y, text=nominal("shown"), color=own),
        *legend(LEGEND),
    ]
    return specification(layers, heading(6), [*NOW, LOOKED_AT, *own_or_all("low", "high")], "scales")
