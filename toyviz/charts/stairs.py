"""A loss curve with its plateaus, over the losses that they can be at; and what the network is at the clock's frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import AMBER, GREEN, GREY, VERMILLION, Chart, filled, records, stacked
from toyviz.charts.clock import CLOCK, NOW, position_of
from toyviz.charts.curves import _steps
from toyviz.charts.layers import (
    META,
    between,
    computed,
    grey,
    heading,
    layer,
    mark,
    meta,
    nominal,
    quantity,
    specification,
)
from toyviz.charts.ticks import number_axis

TOP = 1.1  # of the highest level, where the axis ends: the fall before it is cut off
NARROW = 420  # pixels: a chart has its short title


class Flat(NamedTuple):
    """A plateau: the steps between which it lies, its loss, and what it is called; fits: whether that has a level."""

    first: int
    last: int
    loss: float
    label: str
    fits: bool


def stairs(
    curve: tuple[np.ndarray, np.ndarray],
    flats: Sequence[Flat],
    levels: Mapping[str, float],
    frame_steps: np.ndarray,
    now: Sequence[str],
    total: int,
    title: str,
) -> Chart:
    """The loss over the steps with its plateaus marked, and a rule at each level; a click or a drag moves the clock.

    curve: steps, losses, (k,) each. levels: losses by name, each a rule with its name; the axis goes from 0 to a little
    above the highest. now: what is told of the network of each frame, (f,). total: steps of the whole training.
    """
    steps, losses = (np.asarray(values, dtype=float) for values in curve)
    top = TOP * max(levels.values(), default=1.0)
    at = np.maximum(np.asarray(frame_steps, dtype=int), 1)
    values = np.interp(np.log(at), np.log(steps), losses) if len(steps) else np.full(len(at), np.nan)
    told = [f"step {step:,}: {text}" for step, text in zip(frame_steps, now, strict=True)]
    marked = [
        {
            "step": flat.first, "end": flat.last, "middle": float(np.sqrt(flat.first * flat.last)), "loss": flat.loss,
            "label": flat.label, "fits": flat.fits,
            "told": f"steps {flat.first:,} to {flat.last:,}, loss {flat.loss:.4g}: {flat.label}",
        }
        for flat in flats
        if flat.loss <= top
    ]  # fmt: skip
    data = {
        "curve": filled(stacked([{"step": steps, "loss": losses}], "step", "loss")),
        "flats": filled(records(marked, "step", "end", "middle", "loss", "label", "fits", "told")),
        "levels": filled(records([{"loss": loss, "label": name} for name, loss in levels.items()], "loss", "label")),
        "frames": pd.DataFrame(
            {
                "frame": np.arange(len(at)),
                "position": [position_of(f, len(at)) for f in range(len(at))],
                "step": at,
                "loss": values,
                "told": told,
            }
        ),
        "meta": meta(title=title, small="Training loss", last=len(at) - 1, total=max(total, 2), low=0.0, high=top),
    }
    said = "; ".join(str(row["told"]) for row in marked) or "no plateau"
    return Chart(_stairs(), data, f"{title}. Plateaus: {said}. At last, {told[-1]}.")


@cache
def _stairs() -> dict[str, Any]:
    axis = number_axis("height", 40, 3, 7, grid=False, minExtent=34, maxExtent=34)
    y = quantity("loss", title=None, scale=between(clamp=False), axis=axis)
    at = {"x": _steps(), "y": y}
    fits = {"field": "fits", "type": "nominal", "legend": None,
            "scale": {"domain": [True, False], "range": [GREEN, AMBER]}}  # fmt: skip
    drag = "[pointerdown, window:pointerup] > pointermove, click"
    select = {"type": "point", "fields": ["position"], "nearest": True, "clear": False, "on": drag}
    jump = {"name": "jump", "select": select, "bind": {"element": CLOCK, "event": "input"}}
    label = grey("text", align="left", baseline="bottom", dx=3, dy=-2, fontSize=10.5)
    name = mark("text", baseline="bottom", dy=-6, fontSize=11.5, fontWeight="bold", clip=False)
    flat = mark("rule", strokeWidth=7, strokeCap="round", opacity=0.55)
    here = mark("point", filled=True, size=90, opacity=1, color=VERMILLION, clip=True)
    now = mark("text", align="right", baseline="bottom", fontSize=12.5, fontWeight="bold", color=VERMILLION)
    layers = [
        layer("levels", grey("rule", strokeDash=[2, 3]), "isValid(datum.label)", y=y),
        layer("levels", label, "isValid(datum.label)", x={"value": 0}, y=y, text=nominal("label")),
        layer("frames", mark("rule", color=GREY, opacity=0.6), "datum.frame == frame", x=at["x"]),
        layer("curve", mark("line", strokeWidth=2, color=VERMILLION, clip=True), "isValid(datum.loss)", **at),
        layer("flats", flat, "isValid(datum.label)", **at, x2={"field": "end"}, color=fits),
        layer("flats", name, "datum.fits", x={**at["x"], "field": "middle"}, y=y, text=nominal("label"),
              color=fits),
        layer("frames", here, "datum.frame == frame && isValid(datum.loss)", f"datum.loss <= {META}.high", **at),
        layer("frames", now, "datum.frame == frame", **computed(x="width", y=-6), text=nominal("told")),
        layer("frames", mark("point", opacity=0, size=60), picks={"transform": [], "params": [jump]}, x=at["x"],
              **computed(y="height / 2"), tooltip=nominal("told")),
    ]  # fmt: skip
    return specification(layers, heading(6, NARROW), NOW)
