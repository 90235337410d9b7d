"""Where an axis begins and ends, and which of its ticks carry a number."""

from __future__ import annotations

from math import ceil, floor, log10
from typing import Any

import numpy as np

from toyviz.charts.chart import GREY

WIDE = 3.0  # ratio of the ends from which an axis is marked at 1, 2 and 5 times powers of ten
MOST = 6  # labelled ticks
# 0.001 and 1,000 as they are, what is smaller as a power: "1e-5", never "1e+1".
PLAIN = "datum.value < 1e-3 ? format(datum.value, '.0e') : format(datum.value, datum.value < 1e4 ? '~r' : '~s')"
SIGNED = "replace(format(datum.value, '~r'), '-', '−')"


def log_range(low: float, high: float) -> tuple[float, float, np.ndarray]:
    """Ends of an axis that hold low and high, both above 0, and its labelled ticks: at least two, at most MOST.

    The ends are round, so that an axis grows seldom while results come in.
    """
    if not 0 < low <= high:
        raise ValueError(f"low and high are {low} and {high}; a logarithmic axis needs 0 < low <= high")
    if high / low < WIDE:
        return _narrow(low, high)
    marks = [m * 10.0**k for k in range(floor(log10(low)), ceil(log10(high)) + 1) for m in (1, 2, 5)]
    start = max(mark for mark in marks if mark <= low * (1 + 1e-9))
    end = min(mark for mark in marks if mark >= high * (1 - 1e-9))
    powers = np.arange(ceil(log10(start) - 1e-9), floor(log10(end) + 1e-9) + 1)
    within = [mark for mark in marks if start <= mark <= end]
    if len(powers) > 2 or len(within) > MOST:
        return start, end, 10.0 ** powers[:: -ceil(len(powers) / MOST)][::-1]  # the highest has its number
    return start, end, np.array(within)


def _narrow(low: float, high: float) -> tuple[float, float, np.ndarray]:
    """The same over so short a range that ticks are evenly spaced."""
    if high / low < 1 + 1e-6:
        low, high = low / 1.05, high * 1.05
    power = 10.0 ** floor(log10(high - low))
    step = next(m * power for m in (0.2, 0.5, 1, 2, 5) if (high - low) / (m * power) <= MOST - 2)
    start, end = floor(2 * low / step + 1e-9) * step / 2, ceil(2 * high / step - 1e-9) * step / 2
    return start, end, np.arange(ceil(start / step - 1e-9), floor(end / step + 1e-9) + 1) * step


def linear_range(low: float, high: float) -> tuple[float, float, np.ndarray]:
    """Ends of a linear axis that hold low < high, and its ticks. The ends are round, so that an axis grows seldom."""
    if not low < high:
        raise ValueError(f"low and high are {low} and {high}; an axis needs low < high")
    power = 10.0 ** floor(log10(high - low) - 1e-9)
    step = next(m * power for m in (0.2, 0.5, 1, 2, 5) if (high - low) / (m * power) <= MOST - 1)
    start, end = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    ticks = np.round(np.arange(start, end + 1) * step, 12) + 0.0
    return float(ticks[0]), float(ticks[-1]), ticks


def number_axis(length: str, apart: int, least: int, most: int, **options: Any) -> dict[str, Any]:
    """A quiet axis with its numbers alone, about so many pixels apart. length: of the axis, "width" or "height"."""
    return {
        "domain": False,
        "ticks": False,
        "labelColor": GREY,
        "labelFontSize": 10,
        "tickCount": {"expr": f"clamp(floor({length} / {apart}), {least}, {most})"},
        **options,
    }


def log_axis(ticks: str = "ticks", **options: Any) -> dict[str, Any]:
    """An axis with numbers at the values of this data set."""
    return {
        "values": {"expr": f"pluck(data('{ticks}'), 'value')"},
        "labelExpr": PLAIN,
        "labelFontSize": 11,
        "labelOverlap": True,
        "ticks": False,
        "domain": False,
        "gridOpacity": 0.5,
        **options,
    }
