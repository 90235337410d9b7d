"""A figure as Vega-Lite with its data: what it shared with its page is a plain value, and nothing is selected.

On a page charts are bound to elements: the clock, what the pointer is on, a scale of their own. A figure that leaves it
gets these as values, the clock at the asked step.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from toyviz.charts import Chart
from toyviz.charts.clock import CLOCK, POSITIONS
from toyviz.citation import CITATION
from toyviz.export.theme import Theme, vega_config

SELECTED = "selected"  # the data set of what is looked into on the page
MARKS = (SELECTED, "open")  # columns that say whether a row is, or where that stands
NOT_SELECTED = -99  # where such a column is a place: far outside
SIZE, SQUARE = (720, 440), (460, 460)  # of a figure that has no size of its own
FRAME_NOW = {"filter": "datum.frame == frame"}
NOT_TOLD = (*MARKS, "kin", "colour")  # columns that only serve the drawing
ARRANGING = (
    SELECTED,
    "meta",
    "scales",
    "ticks",
    "labels",
    "targets",
    "frame",
    "squares",
    "paths",
    "column_names",
    "row_names",
)  # data sets that hold no numbers to read
PARTS = ("layer", "hconcat", "vconcat", "concat")
TOLD = "about"  # columns of tooltips: about0, about1, ...
OF_FRAME = re.compile(r"(.*?)(\d+)")


def self_contained(
    chart: Chart,
    theme: Theme,
    position: int | None = None,
    size: tuple[int | None, int | None] = (None, None),
    about: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The chart as one Vega-Lite specification that needs nothing else.

    position: of the clock, 0 ... 39; None is its end, and then no mark says where it is. size: pixels; None as usual.
    about: caption and link, for its metadata.
    """
    spec = _without_selection(copy.deepcopy(chart.spec), position)
    for param in _params(spec):
        element = param["bind"].get("element") if isinstance(param.get("bind"), dict) else None
        if element is not None:
            del param["bind"]
            if "select" not in param:
                at = POSITIONS - 1 if position is None else position
                param["value"] = at if element == CLOCK else ""
    used = json.dumps(spec)
    data = {
        name: _unselected(name, frame)
        for name, frame in chart.data.items()
        if f'"{name}"' in used or f"'{name}'" in used
    }
    spec["datasets"] = {name: rows(frame) for name, frame in data.items()}
    spec["description"] = chart.alt
    spec["config"] = vega_config(theme) | spec.get("config", {})
    spec["usermeta"] = {"toyviz": {**(about or {}), "cite": CITATION}}
    return _sized(spec, chart.square, size)


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A data frame as JSON holds it; what is not known, or no finite number, is null."""
    columns = [[_json(value) for value in frame[name].tolist()] for name in frame.columns]
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def table(chart: Chart, position: int | None = None) -> pd.DataFrame:
    """The numbers that a figure shows, at the asked position of the clock, as one table.

    Where they are several data sets, the first column says of which each row is. What only arranges the chart is left
    out: its titles, ticks and scales. Vectors that are sent as 16 bits are numbers again.
    """
    last = int(chart.data["meta"]["last"].iloc[0]) if "last" in chart.data.get("meta", ()) else 0
    frame = last if position is None else round(position * last / (POSITIONS - 1))
    unit = _unit(chart, frame)
    parts, named = {}, dict(_told(chart.spec))
    told = {name: each for name, each in chart.data.items() if name not in ARRANGING and len(each)} or chart.data
    for name, each in told.items():
        seen = _of_frame(_unselected(name, each), frame, last, unit)
        seen = seen.drop(columns=[name for name in NOT_TOLD if name in seen])
        parts[name] = seen.dropna(how="all").rename(columns=named)
    if len(parts) == 1:
        return next(iter(parts.values()))
    return pd.concat(
        [part.assign(data=name)[["data", *part.columns]] for name, part in parts.items()], ignore_index=True
    )


def _of_frame(data: pd.DataFrame, frame: int, last: int, unit: float | None) -> pd.DataFrame:
    """One column, x, for the columns x0 ... x39 of a history: that of this frame."""
    found: dict[str, set[int]] = {}
    for column in data.columns:
        match = OF_FRAME.fullmatch(str(column))
        if match and match[1] and match[1] != TOLD:
            found.setdefault(match[1], set()).add(int(match[2]))
    histories = [name for name, frames in found.items() if frames == set(range(last + 1))]
    seen = data.drop(columns=[f"{name}{f}" for name in histories for f in range(last + 1)])
    for name in histories:
        values = data[f"{name}{frame}"]
        seen[name] = values * unit if unit is not None and values.dtype == np.int16 else values
    return seen


def _told(spec: Any) -> Iterator[tuple[str, str]]:
    """What a tooltip calls the columns about0, about1, ..."""
    if isinstance(spec, list):
        for each in spec:
            yield from _told(each)
    elif isinstance(spec, dict):
        field, title = spec.get("field"), spec.get("title")
        if isinstance(field, str) and field.startswith(TOLD) and isinstance(title, str):
            yield field, title
        for each in spec.values():
            yield from _told(each)


def _unit(chart: Chart, frame: int) -> float | None:
    """What a whole number of packed vectors counts in this frame."""
    scales = chart.data.get("scales")
    if scales is None or "unit" not in scales:
        return None
    return float(scales["unit"].iloc[min(frame, len(scales) - 1)])


def _without_selection(spec: Any, position: int | None) -> Any:
    """The specification without the layers that mark what is selected, or that the clock is at its end."""
    if isinstance(spec, list):
        return [_without_selection(each, position) for each in spec]
    if not isinstance(spec, dict):
        return spec
    kept = {}
    for name, value in spec.items():
        if name in PARTS:
            value = [layer for layer in value if not _marks_selection(layer, position)]
        kept[name] = _without_selection(value, position)
    return kept


def _marks_selection(layer: Mapping[str, Any], position: int | None) -> bool:
    data = layer.get("data")
    if isinstance(data, dict) and data.get("name") == SELECTED:
        return not (isinstance(layer.get("mark"), dict) and layer["mark"].get("opacity") == 0)
    at_the_end = position is None and FRAME_NOW in layer.get("transform", ())
    return at_the_end and isinstance(data, dict) and data.get("name") in ("frames", "dots")


def _params(spec: Any) -> list[dict[str, Any]]:
    """Every parameter, wherever in the specification."""
    if isinstance(spec, list):
        return [param for each in spec for param in _params(each)]
    if not isinstance(spec, dict):
        return []
    own = spec["params"] if isinstance(spec.get("params"), list) else []
    return [*own, *(param for name, value in spec.items() if name != "params" for param in _params(value))]


def _unselected(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The data set with nothing selected."""
    if name == SELECTED:
        return frame.iloc[:0]
    nothing = {mark: _nothing(frame[mark]) for mark in MARKS if mark in frame}
    return frame.assign(**nothing) if nothing else frame


def _nothing(marks: pd.Series[Any]) -> Any:
    """What such a column says of a row that is not looked into."""
    return False if marks.dtype == bool else NOT_SELECTED if np.issubdtype(marks.dtype, np.number) else None


def _sized(spec: dict[str, Any], square: bool, size: tuple[int | None, int | None]) -> dict[str, Any]:
    """With a size. A chart of several plots has its own, and only its scale can be chosen."""
    if not any(name in spec for name in ("layer", "mark")):
        return spec
    usual = SQUARE if square else SIZE
    for name, asked, otherwise in zip(("width", "height"), size, usual, strict=True):
        if asked is not None or not isinstance(spec.get(name), int | float | dict):
            spec[name] = otherwise if asked is None else asked
    spec["autosize"] = {"type": "fit", "contains": "padding"}
    return spec


def _json(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return None if value is pd.NA or value is pd.NaT else value.item() if hasattr(value, "item") else str(value)
