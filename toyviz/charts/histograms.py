"""How values are distributed, over the whole history of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from toyviz.charts.bars import Axis, Bars, drawn
from toyviz.charts.chart import BLUE, Chart

BINS = 40


class Histogram(NamedTuple):
    """Values over the frames of a training, of which the distribution is shown."""

    title: str
    history: np.ndarray  # (f, k); one frame for what stands still
    colour: str = BLUE
    about: Mapping[str, Any] = {}  # scalars: more for the tooltip, and for what a click picks


def histograms(
    panels: Sequence[Histogram],
    title: str = "",
    *,
    x_title: str = "value",
    low: float | None = None,
    high: float | None = None,
    bins: int = BINS,
    across: int | None = None,
    pick: Sequence[str] = (),
) -> Chart:
    """The share of values in each bin, a panel for each list of values, over the frames of a training.

    All panels have the same bins, from low to high, and one axis; low and high: where left out, the lowest and the
    highest value of all panels and frames. What lies beyond is counted in the bin at that end. across: panels in one
    row; where left out, all. pick: names in Histogram.about that a click on a bar picks.
    """
    sizes = [panel.history for panel in panels if panel.history.size]
    start = low if low is not None else min((float(values.min()) for values in sizes), default=0.0)
    end = high if high is not None else max((float(values.max()) for values in sizes), default=1.0)
    if not start < end:
        start, end = start - 0.5, start + 0.5
    edges = np.linspace(start, end, bins + 1)
    names = [f"{a:.3g} to {b:.3g}" for a, b in pairwise(edges)]
    counted = [
        Bars(panel.title, shares(panel.history, edges), None, panel.colour, names, about=panel.about)
        for panel in panels
    ]
    ticks = _ticks(start, end)
    axis = Axis((ticks - start) / (end - start), [f"{tick:g}".replace("-", "−") for tick in ticks])
    return drawn(
        counted,
        [axis] * len(panels),
        title,
        entries=x_title,
        y_title="share of all",
        across=across,
        pick=pick,
        names=[names] * len(panels),
    )


def shares(history: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The share of values in each bin, frame by frame: (f, k), (b + 1,) -> (f, b)."""
    within = np.clip(history, edges[0], edges[-1])
    counts = np.array([np.histogram(values, edges)[0] for values in within])
    return counts / max(history.shape[1], 1)


def _ticks(low: float, high: float) -> np.ndarray:
    """About five round numbers from low to high."""
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if rough <= m * power * (1 + 1e-9))
    ticks: np.ndarray = np.round(np.arange(np.ceil(low / step - 1e-6), np.floor(high / step + 1e-6) + 1) * step, 12)
    return ticks + 0.0  # no negative zero
