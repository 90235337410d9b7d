"""Weights as stacks of blocks, a stack a neuron and a block a feature, over the whole history of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import AMBER, BLUE, GREY, Chart, stacked
from toyviz.charts.clock import LOOKED_AT, NOW, POINT, POSITIONS, lit, own_or_all, targets, together
from toyviz.charts.layers import (
    META,
    between,
    calculated,
    computed,
    grey,
    heading,
    layer,
    mark,
    meta,
    nominal,
    plain_rule,
    quantity,
    specification,
)
from toyviz.charts.panels import COLUMN_WIDTH, along, column_names, ground, ramp
from toyviz.charts.ticks import SIGNED, number_axis

DRAWN = 0.02  # a weight smaller than this is no block: it would be a sliver
WIDTH = 0.84  # of a neuron's place that its stack takes
MARGIN = 0.04  # of a panel, on either side
BLOCK = ("place", "neuron", "feature", "left", "right", "kin")
UNDER, ABOVE = 15, 16  # pixels of the plot: below for the names of the neurons, above for the titles of the panels


class Stack(NamedTuple):
    """One panel: the weights of each neuron of a network over its history."""

    title: str
    history: np.ndarray  # (f, m, n)
    shade: np.ndarray  # (f, n): of each feature, 0 ... 1; what is more counts as 1
    names: np.ndarray  # (f, m) text: stands under each stack
    kin: str = ""  # what pointing at the panel marks in other charts: "density=0.1"
    about: Mapping[str, Any] = {}  # what a click on the panel may pick


def stacks(
    panels: Sequence[Stack],
    title: str,
    *,
    selected: int | None = None,
    pick: Sequence[str] = (),
) -> Chart:
    """Stacks side by side on one scale: a block is as high as a weight; those below zero hang under the axis.

    A block keeps its place in its stack, the largest of the newest frame next to the axis, so that none overtakes
    another while the clock runs. Its colour is its shade: blue 0, yellow 1. The scale holds the whole history. A panel
    of one frame stands still; all others have as many. selected: the place of the panel that is looked into. pick:
    what a click on a panel picks, of its about.
    Raises ValueError where panels have different numbers of frames, or more than a clock shows.
    """
    frames = max((len(history) for history in together([panel.history for panel in panels])), default=1)
    if frames > POSITIONS:
        raise ValueError(f"the panels have {frames} frames; a clock shows at most {POSITIONS}")
    blocks, low, high = _blocks(panels, frames)
    whole_low, whole_high = _reach(low.min(), high.max())
    about = {name: [panel.about.get(name) for panel in panels] or [np.nan] for name in pick}
    titles = [panel.title for panel in panels] or [""]
    place = np.arange(len(titles))
    panels_drawn = {
        "place": place,
        "left": place + 0.0,
        "right": place + 1.0,
        "title": titles,
        "kin": [panel.kin for panel in panels] or [""],
        "selected": place == (-1 if selected is None else selected),
    }
    data = {
        "blocks": blocks.join(pd.DataFrame(about), on="place") if pick else blocks,
        "names": _names(panels, frames),
        "panels": pd.DataFrame(panels_drawn | about),
        "meta": meta(
            title=title,
            last=frames - 1,
            count=len(titles),
            stacks=max((panel.history.shape[1] for panel in panels), default=1),
            low=whole_low,
            high=whole_high,
        ),
        "scales": pd.DataFrame([_reach(*ends) for ends in zip(low, high, strict=True)], columns=["low", "high"]),
    }
    said = "".join(f" {panel.title or title}: {', '.join(panel.names[-1])}." for panel in panels if panel.history.any())
    return Chart(_stacks(tuple(pick)), data, f"{title}, as stacks.{said}")


def heaps(history: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the blocks of stacks begin and end, (f, m, n) each, for weights (f, m, n): end - start is the weight.

    Those of one sign lie on each other, the largest of the newest frame first. What is smaller than DRAWN is 0.
    """
    drawn = np.where(np.abs(history) < DRAWN, 0.0, history).astype(float)
    order = np.argsort(-np.abs(drawn[-1]), axis=1, kind="stable")  # (m, n)
    ordered = np.take_along_axis(drawn, np.broadcast_to(order, drawn.shape), axis=2)
    up, down = np.maximum(ordered, 0).cumsum(axis=2), np.minimum(ordered, 0).cumsum(axis=2)
    ends = np.where(ordered > 0, up, np.where(ordered < 0, down, 0.0))
    back = np.broadcast_to(np.argsort(order, axis=1), drawn.shape)
    end = np.take_along_axis(ends, back, axis=2)
    return end - drawn, end


def _blocks(panels: Sequence[Stack], frames: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """A row for each block that is seen in any frame, and the lowest and the highest end in each, (f,) both."""
    parts, low, high = [], np.zeros(frames), np.zeros(frames)
    for place, panel in enumerate(panels):
        start, end = (np.broadcast_to(each, (frames, *each.shape[1:])) for each in heaps(panel.history))
        low, high = np.minimum(low, end.min(axis=(1, 2))), np.maximum(high, end.max(axis=(1, 2)))
        neuron, feature = np.nonzero((start != end).any(axis=0))
        shade = np.broadcast_to(panel.shade, (frames, panel.history.shape[2]))
        m = panel.history.shape[1]
        step = (1 - 2 * MARGIN) / m
        left = place + MARGIN + (neuron + (1 - WIDTH) / 2) * step
        parts.append(
            {
                "place": np.full(len(neuron), place),
                "neuron": neuron + 1,
                "feature": feature,
                "left": left,
                "right": left + WIDTH * step,
                "kin": np.array([f",{i}," for i in feature], dtype=object),
                **{f"s{f}": start[f, neuron, feature].astype(np.float32) for f in range(frames)},
                **{f"e{f}": end[f, neuron, feature].astype(np.float32) for f in range(frames)},
                **{f"c{f}": shade[f, feature].astype(np.float32) for f in range(frames)},
            }
        )
    moving = [f"{axis}{f}" for axis in "sec" for f in range(frames)]
    blocks = stacked(parts, *BLOCK, *moving)
    if blocks.empty:  # a data set without rows would have the chart built anew when there are some
        blocks = pd.DataFrame({name: [",0," if name == "kin" else 0] for name in [*BLOCK, *moving]})
    return blocks, low, high


def _reach(low: float, high: float) -> tuple[float, float]:
    """The ends of an axis that holds both, with a little room."""
    room = 0.02 * (high - low)
    return (float(low - room), float(high + room)) if high > low else (0.0, 1.0)


def _names(panels: Sequence[Stack], frames: int) -> pd.DataFrame:
    """The name of each neuron in each frame, in the middle below its stack."""
    rows: list[dict[str, Any]] = []
    for place, panel in enumerate(panels):
        m = panel.history.shape[1]
        names = np.broadcast_to(panel.names, (frames, m))
        for k in range(m):
            at = place + MARGIN + (k + 0.5) * (1 - 2 * MARGIN) / m
            rows.append({"at": at} | {f"n{f}": str(names[f, k]) for f in range(frames)})
    return pd.DataFrame(rows or [{"at": 0.0} | {f"n{f}": "" for f in range(frames)}])


@cache
def _stacks(pick: tuple[str, ...]) -> dict[str, Any]:
    picks = targets(*pick, linked=False, nearest=False)
    shown = calculated(**{"from": "datum['s' + frame]", "to": "datum['e' + frame]", "shade": "datum['c' + frame]",
                          "weight": "datum.to - datum.from"})  # fmt: skip
    shades = {"domain": [0, 1], "range": [BLUE, AMBER], "clamp": True, "interpolate": "rgb"}
    tooltip = [*map(quantity, ("neuron", "feature")), *(quantity(name, format=".3f") for name in ("weight", "shade"))]
    tooltip[-1]["title"] = "superposition"
    stack = f"({COLUMN_WIDTH} / {META}.stacks)"
    block = layer(
        "blocks",
        mark("rect", stroke=GREY, strokeWidth={"expr": f"clamp({stack} / 25, 0.3, 0.8)"}),
        *(*shown, "datum.from != datum.to"),
        picks={"transform": picks["transform"], "params": [POINT]},
        x=along("left"),
        x2={"field": "right"},
        y=_weight(),
        y2={"field": "to"},
        color=quantity("shade", scale=shades, legend=None),
        opacity=lit(1),
        tooltip=tooltip,
    )
    size = {"expr": f"clamp({stack} / (0.68 * length(datum.name)), 7, 12)"}
    seen = {"expr": f"{stack} < 4 * length(datum.name) ? 0 : 1"}
    name = layer(
        "names",
        grey("text", baseline="bottom", fontSize=size, opacity=seen),
        *(*calculated(name="datum['n' + frame]"), "datum.name != ''"),
        x=along("at"),
        **computed(y="height - 1"),
        text=nominal("name"),
    )
    layers = [
        ground("panels", picks),
        plain_rule(y={"datum": 0}),
        block,
        name,
        column_names("panels", "title", ABOVE - 3),
        *_legend("superposition"),
    ]
    return specification(layers, heading(4), [*NOW, LOOKED_AT, *own_or_all("low", "high")], "scales")


def _weight() -> dict[str, Any]:
    """The axis of the weights."""
    room = {"minExtent": 34, "maxExtent": 34}
    axis = number_axis("height", 40, 2, 6, title=None, gridOpacity=0.4, labelExpr=SIGNED, **room)
    scale = between("low", "high", range=[{"expr": f"height - {UNDER}"}, ABOVE], zero=False)
    return quantity("from", scale=scale, axis=axis)


def _legend(title: str) -> list[dict[str, Any]]:
    """The colours of the shade from 0 to 1, at the right of the title, where the room is wide enough."""
    seen = {"expr": f"width < {110 + 6 * len(title)} + 7.5 * length({META}.title) ? 0 : 1"}

    def words(left: float, text: str, align: str) -> dict[str, Any]:
        written = grey("text", fontSize=11, align=align, baseline="middle", opacity=seen)
        return layer("meta", written, **computed(x=f"width - {left}", y=-10), text={"value": text})

    bar = mark("rect", height=8, opacity=seen, color=ramp((BLUE, AMBER)))
    colours = layer("meta", bar, **computed(x="width - 76", x2="width - 20", y=-10))
    return [words(80, f"{title} 0", "right"), colours, words(16, "1", "left")]
