"""Two charts of one kind on the same axes and colours, so that what is seen in both can be held against each other.

What bounds an axis or a colour is data: columns of the data set "meta", and of "scales" for each frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from toyviz.charts.chart import Chart
from toyviz.charts.ticks import linear_range, log_range

LOWEST = ("low", "start")  # columns that bound a domain from below
HIGHEST = ("high", "end", "top", "total", "largest")  # and from above, or on both sides of 0
AROUND = ("half", "x", "y")  # a plane: half its width, and its middle; or the width alone


def shared_scales(a: Chart, b: Chart) -> tuple[Chart, Chart]:
    """Both charts with the domains that hold what is in either; what has no domain of its own stays as it is."""
    if not {"meta"} <= a.data.keys() & b.data.keys():
        return a, b
    data_a, data_b = dict(a.data), dict(b.data)
    for name in ("meta", "scales"):
        if name in data_a and name in data_b and len(data_a[name]) == len(data_b[name]):
            data_a[name], data_b[name] = _merged(data_a[name], data_b[name])
    if "ticks" in data_a and "ticks" in data_b and "low" in data_a["meta"] and "low" in data_b["meta"]:
        row = data_a["meta"].iloc[0]
        low, high, ticks = (log_range if _is_logarithmic(a.spec) else linear_range)(row["low"], row["high"])
        data_a["ticks"] = data_b["ticks"] = pd.DataFrame({"value": ticks})
        data_a["meta"], data_b["meta"] = (data["meta"].assign(low=low, high=high) for data in (data_a, data_b))
    return a._replace(data=data_a), b._replace(data=data_b)


def _is_logarithmic(spec: dict[str, Any]) -> bool:
    """Whether the axis that has its ticks in the data set of that name is logarithmic."""
    for layer in spec.get("layer", []):
        for channel in (layer.get("encoding", {}).get(name, {}) for name in ("x", "y")):
            if "data('ticks')" in str(channel.get("axis")):
                return bool(channel["scale"].get("type") == "log")
    return False


def _merged(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both frames, row by row, with the lowest and the highest of what bounds a domain in both."""
    shared = set(a.columns) & set(b.columns)
    values: dict[str, np.ndarray] = {}
    for names, wider in ((LOWEST, np.minimum), (HIGHEST, np.maximum)):
        values |= {name: wider(a[name].to_numpy(float), b[name].to_numpy(float)) for name in names if name in shared}
    if "half" in shared:
        values |= _box(a, b) if shared >= set(AROUND) else {"half": np.maximum(a["half"], b["half"]).to_numpy(float)}
    return a.assign(**values), b.assign(**values)


def _box(a: pd.DataFrame, b: pd.DataFrame) -> dict[str, np.ndarray]:
    """The smallest square around two squares, given by middle and half a side: (k,) each."""
    found, halves = {}, []
    for axis in ("x", "y"):
        low = np.minimum(a[axis] - a["half"], b[axis] - b["half"]).to_numpy(float)
        high = np.maximum(a[axis] + a["half"], b[axis] + b["half"]).to_numpy(float)
        found[axis] = (low + high) / 2
        halves.append((high - low) / 2)
    return {**found, "half": np.maximum(*halves)}
