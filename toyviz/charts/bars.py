"""Vectors as bars over the whole history of a training, one panel a vector, all on one axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import AMBER, BLUE, GREEN, GREY, VERMILLION, Chart, records
from toyviz.charts.clock import LIVELY, LOOKED_AT, NOW, SCHEMA, heading, meta, packed, together, unseen, width_of
from toyviz.charts.panels import (
    HEAD,
    KEY,
    OWN_OR_ALL,
    brightness,
    gradient,
    pickable,
    said_axes,
    title_of,
    titles,
    tooltip_of,
)
from toyviz.charts.sizes import filled

ROOM = 1.06  # an axis is this much longer than its longest bar
TICKS = 12  # numbers at an axis, at most
SHADED = 100  # of the whole numbers that shades are sent as
FAINT = 0.35  # opacity of what is hardly there
WORDS = {"name", "kin", "colour", "below", "title", "text"}


class Bars(NamedTuple):
    """The entries of a vector over the frames of a training."""

    title: str
    history: np.ndarray  # (f, k); one frame for what stands still
    shade: np.ndarray | None = None  # (f, k) from 0 to shade_end, as colours from blue to yellow
    colour: str = BLUE  # where there are no shades
    names: Sequence[str] = ()  # (k,); their numbers from 0 where left out
    kin: Sequence[str] = ()  # (k,) the features that each goes with, between commas
    about: Mapping[str, Any] = {}  # scalars, or (k,): more for the tooltip, and for what a click picks
    below: str = ""  # the colour of what is below 0, where that is another
    targets: np.ndarray | None = None  # (k,) where the bars should end: marks, none where NaN


class Axis(NamedTuple):
    """What is written below the bars: text at a place from 0, the left end, to 1."""

    at: np.ndarray
    text: Sequence[str]


def bars(
    panels: Sequence[Bars],
    title: str = "",
    *,
    entries: str = "entry",
    y_title: str = "value",
    shade_title: str = "",
    shade_end: float = 1.0,
    rules: Mapping[str, float] | None = None,
    after: int | None = None,
    low: float | None = None,
    high: float | None = None,
    faint_below: float | None = None,
    marked: int | None = None,
    across: int | None = None,
    pick: Sequence[str] = (),
) -> Chart:
    """Vectors as bars, a panel each, on one axis, over the frames of a training.

    The axis holds 0 and the whole history, or the frame of now where the visitor asks for that. entries: what a bar is.
    shade_title: what the shades are. shade_end: where their colours end. rules: name -> the height of a dashed line.
    after: a dashed line stands after so many bars. low, high: ends of the axis. faint_below: bars less high than this
    are faint. marked: the bar that is looked into, by its place. across: panels in one row; where left out, all. pick:
    names in Bars.about that a click on a bar picks.
    """
    axes = []
    for panel in panels:
        k = panel.history.shape[1]
        names = [str(name) for name in panel.names] if len(panel.names) else [str(j) for j in range(k)]
        axes.append(Axis((np.arange(k) + 0.5) / max(k, 1), names))
    return drawn(
        panels,
        axes,
        title,
        entries=entries,
        y_title=y_title,
        shade_title=shade_title,
        shade_end=shade_end,
        rules=rules or {},
        after=after,
        ends=(low, high),
        faint_below=faint_below,
        marked=marked,
        across=across,
        pick=pick,
        names=[axis.text for axis in axes],
    )


def drawn(
    panels: Sequence[Bars],
    axes: Sequence[Axis],
    title: str,
    *,
    entries: str,
    y_title: str,
    shade_title: str = "",
    shade_end: float = 1.0,
    rules: Mapping[str, float],
    after: int | None = None,
    ends: tuple[float | None, float | None] = (None, None),
    faint_below: float | None = None,
    marked: int | None = None,
    across: int | None,
    pick: Sequence[str],
    names: Sequence[Sequence[str]],
) -> Chart:
    """The same with any axes below, and names (k,) of the bars of each panel for the tooltips."""
    across = across or max(len(panels), 1)
    histories = together([panel.history for panel in panels])
    values = np.concatenate(histories, axis=1) if histories else np.empty((1, 0))  # (f, bars)
    columns, units = packed(values[:, :, None], "v")
    shade = _shades(panels, len(values), shade_end)
    told = tuple(dict.fromkeys(name for panel in panels for name in panel.about))
    parts = [_entries(panel, place, across, names[place], told) for place, panel in enumerate(panels)]
    entry = pd.concat(parts, ignore_index=True) if parts else records([], *ENTRY, *told)
    entry = pd.concat([entry, pd.DataFrame(columns | shade)], axis=1)
    if entry.empty:  # a data set without rows would have the chart built anew when there are some
        entry = pd.DataFrame({name: [""] if name in WORDS else [np.nan] for name in entry})
    aims = [panel.targets[np.isfinite(panel.targets)] for panel in panels if panel.targets is not None]
    lowest, highest = _ends(values, ends, [*rules.values(), *(aim for each in aims for aim in each)])
    highest = np.where(highest > lowest, highest, lowest + 1)
    shown = title or (panels[0].title if len(panels) == 1 else "")
    named = bool(title_of(panels))
    said_of = [f"↑ {y_title}", f"→ {entries}", *(f"┄ {name}" for name in rules)]
    down = -(-len(panels) // across) or 1
    frames: list[dict[str, Any]] = []
    for place, panel in enumerate(panels):
        k = panel.history.shape[1]
        at = {"left": place % across, "column": place % across, "line": place // across}
        stands = {
            "after": after / k if after is not None and k else -1,
            "marked": (marked + 0.5) / k if marked is not None and k else -1,
        }
        frames.append({"title": panel.title if named else "", **at, **stands})
    data = {
        "bars": entry,
        "panels": filled(records(frames, "title", "left", "column", "line", "after", "marked")),
        "labels": filled(_labels(axes, across)),
        "targets": filled(_targets(panels, across)),
        "rules": filled(records([{"text": name, "value": value, **{k: frame[k] for k in ("column", "line")}}
                                 for name, value in rules.items() for frame in frames],
                                "text", "value", "column", "line")),
        "ticks": pd.DataFrame([{"column": frame["column"], "line": frame["line"], "k": k}
                               for frame in frames or [{"column": 0, "line": 0}] for k in range(TICKS)]),
        "scales": pd.DataFrame({"unit": units, "low": lowest, "high": highest}),
        "meta": meta(title=shown, last=len(values) - 1, low=lowest.min(), high=highest.max(), across=across, down=down,
                     head=HEAD if named else 4, axes="  ".join(said_of), faint=faint_below or 0.0),
    }  # fmt: skip
    ends_of = "; ".join(
        f"{panel.title or shown} from {panel.history[-1].min():.3g} to {panel.history[-1].max():.3g}"
        for panel in panels
        if panel.history.size
    )
    said = f"{title + ': ' if title else ''}{y_title} of each {entries} as bars: {ends_of or 'none'}."
    spec = _bars(shade_end if shade else None, shade_title, entries, y_title, told, tuple(pick))
    return Chart(spec, data, said[0].upper() + said[1:])


ENTRY = ("name", "kin", "colour", "below", "column", "line", "left", "right", "shaded")


def _entries(panel: Bars, place: int, across: int, names: Sequence[str], told: tuple[str, ...]) -> pd.DataFrame:
    """A row for each bar; left and right go from 0 to 1 over the panel."""
    k = panel.history.shape[1]
    return pd.DataFrame(
        {
            "name": np.array(list(names), dtype=object),
            "kin": list(panel.kin) or [""] * k,
            "colour": panel.colour,
            "below": panel.below or panel.colour,
            "column": place % across,
            "line": place // across,
            "left": np.arange(k) / max(k, 1),
            "right": (np.arange(k) + 1) / max(k, 1),
            "shaded": panel.shade is not None,
            **{name: panel.about.get(name) for name in told},
        }
    )


def _targets(panels: Sequence[Bars], across: int) -> pd.DataFrame:
    """Where the bars should end, as far as there is any such place; left and right as of the bars."""
    rows = [
        {"column": place % across, "line": place // across, "left": j / len(panel.targets), "target": float(target),
         "right": (j + 1) / len(panel.targets)}
        for place, panel in enumerate(panels) if panel.targets is not None
        for j, target in enumerate(panel.targets) if np.isfinite(target)
    ]  # fmt: skip
    return records(rows, "column", "line", "left", "right", "target")


def _shades(panels: Sequence[Bars], frames: int, end: float) -> dict[str, np.ndarray]:
    """Columns s0, s1, ... of whole percents of the end of the colours, where any panel has shades."""
    if all(panel.shade is None for panel in panels):
        return {}
    every = [
        np.zeros((1, panel.history.shape[1])) if panel.shade is None else np.clip(panel.shade / end, 0, 1)
        for panel in panels
    ]
    whole = np.concatenate([np.broadcast_to(shade, (frames, shade.shape[1])) for shade in every], axis=1)
    return {f"s{f}": np.rint(SHADED * whole[f]).astype(np.int8) for f in range(frames)}


def _ends(
    values: np.ndarray, ends: tuple[float | None, float | None], beside: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest of each frame, (f,) each, 0 and what stands beside the bars among them."""
    low = np.minimum(values.min(axis=1, initial=0.0), min(beside, default=0.0))
    high = np.maximum(values.max(axis=1, initial=0.0), max(beside, default=0.0))
    return (
        ROOM * low if ends[0] is None else np.full(len(low), ends[0]),
        ROOM * high if ends[1] is None else np.full(len(high), ends[1]),
    )


def _labels(axes: Sequence[Axis], across: int) -> pd.DataFrame:
    """What is written below each panel, how long it is at most, and which of how many each is."""
    rows = [
        {"column": place % across, "line": place // across, "at": at, "text": text, "number": number,
         "many": len(axis.at), "longest": max(map(len, axis.text), default=1)}
        for place, axis in enumerate(axes)
        for number, (at, text) in enumerate(zip(axis.at, axis.text, strict=True))
    ]  # fmt: skip
    return records(rows, "column", "line", "at", "text", "number", "many", "longest")


LEFT, FOOT, APART = 40, 15, 14  # pixels: numbers of the axis, names below a panel, between panels
PX = "(left + datum.column * (wide + apart) + ({}) * wide)"
PY = "(top + datum.line * (tall + foot + head) + head + (high - clamp({}, low, high)) / (high - low) * tall)"
BOTTOM = "(top + datum.line * (tall + foot + head) + head + tall)"


def _end(shade_end: float) -> str:
    """The end of the colours of shades, which may go beyond it where it is not 1."""
    return "1" if shade_end == 1 else f"{shade_end:g}+"


def _key_width(shade_title: str, shade_end: float) -> float:
    """About how many pixels the colours of shades take, with what is written beside them."""
    return width_of(shade_title) + 6.2 * len(_end(shade_end)) + 96


def _name(shade_title: str, shade_end: float) -> str:
    """What the shades are, where there is room for it: an expression."""
    return f"width < {_key_width(shade_title, shade_end) - 20:.0f} ? '' : {shade_title!r}"


@cache
def _bars(
    shade_end: float | None, shade_title: str, entries: str, y_title: str, told: tuple[str, ...], pick: tuple[str, ...]
) -> dict[str, Any]:
    m = "data('meta')[0]"
    params = [
        *NOW,
        LOOKED_AT,
        *OWN_OR_ALL,
        {"name": "low", "expr": f"own_scale ? scale.low : {m}.low"},
        {"name": "high", "expr": f"own_scale ? scale.high : {m}.high"},
        {"name": "left", "value": LEFT},
        {"name": "top", "value": KEY},
        {"name": "foot", "value": FOOT},
        {"name": "apart", "value": APART},
        {"name": "head", "expr": f"{m}.head"},
        {"name": "wide", "expr": f"max(4, (width - left + apart) / {m}.across - apart)"},
        {"name": "tall", "expr": f"max(4, (height - top) / {m}.down - head - foot)"},
        # Numbers 1, 2 or 5 times a power of ten apart, as many as have room.
        {"name": "rough", "expr": "(high - low) / clamp(floor(tall / 26), 2, 5)"},
        {"name": "power", "expr": "pow(10, floor(log(rough) / LN10 + 1e-9))"},
        {"name": "spaced", "expr": "power * (rough / power > 5 ? 10 : rough / power > 2 ? 5 : rough > power ? 2 : 1)"},
    ]

    def at(x: str, y: str, **more: str) -> dict[str, Any]:
        every = {"x": x, "y": y, **more}
        return {name: {"value": {"expr": expression}} for name, expression in every.items()}

    tick = [
        {"calculate": "(ceil(low / spaced - 1e-6) + datum.k) * spaced", "as": "value"},
        {"filter": "datum.value <= high + 1e-6 * spaced"},
    ]
    entry = pickable(pick)
    shade = [{"calculate": f"datum['s' + frame] * {shade_end / SHADED}", "as": "shade"}] if shade_end else []
    shades = {
        "type": "linear",
        "domain": [0, (shade_end or 1) / 2, shade_end or 1],
        "range": [BLUE, GREEN, AMBER],
        "interpolate": "rgb",
    }
    by_shade = {"test": "datum.shaded", "field": "shade", "type": "quantitative", "scale": shades, "legend": None}
    color: dict[str, Any] = {"value": {"expr": "datum.value < 0 ? datum.below : datum.colour"}}
    quiet = {"color": GREY, "tooltip": None}
    gap = "(datum.right - datum.left) * wide > 4 ? 1 : 0"
    ends = PX.format("datum.left"), f"{PX.format('datum.right')} - ({gap})"
    middle = PX.format("(datum.left + datum.right) / 2")
    reach = (
        "max(3, (datum.right - datum.left) * wide / 2 + 1)"  # of a mark at a target, which is seen over thin bars too
    )
    now = [{"filter": "isValid(datum.left)"}, {"calculate": "datum['v' + frame] * scale.unit", "as": "value"}]
    told_shade = (
        [{"field": "shade", "type": "quantitative", "title": shade_title, "format": ".2f"}] if shade_end else []
    )
    tooltip = [
        {"field": "name", "type": "nominal", "title": entries},
        {"field": "value", "type": "quantitative", "title": y_title, "format": ".4~g"},
        *told_shade,
        *tooltip_of(told),
    ]
    layers = [
        {
            "data": {"name": "ticks"},
            "transform": tick,
            "mark": {"type": "rule", **quiet, "opacity": {"expr": "abs(datum.value) < 1e-9 * spaced ? 0.7 : 0.2"}},
            "encoding": at(PX.format("0"), PY.format("datum.value"), x2=PX.format("1")),
        },
        {
            "data": {"name": "ticks"},
            "transform": [*tick, {"filter": "datum.column == 0"}],
            "mark": {
                "type": "text",
                **quiet,
                "fontSize": 10,
                "align": "right",
                "baseline": "middle",
            },
            "encoding": {
                **at(f"{PX.format('0')} - 4", PY.format("datum.value")),
                "text": {"value": {"expr": "replace(format(round(datum.value / spaced) * spaced, '.6~r'), '-', '−')"}},
            },
        },
        {
            "data": {"name": "panels"},
            "transform": [{"filter": "datum.marked >= 0"}],
            "mark": {"type": "rule", **quiet, "opacity": 0.3, "strokeWidth": 10, "strokeCap": "round"},
            "encoding": at(PX.format("datum.marked"), PY.format("high"), y2=BOTTOM),
        },
        {
            "data": {"name": "bars"},
            "transform": [*now, *shade],
            "mark": {"type": "rect", "strokeWidth": 0, "tooltip": None},
            "encoding": {
                **at(ends[0], PY.format("datum.value"), x2=ends[1], y2=PY.format("0")),
                "color": {"condition": by_shade, **color} if shade_end else color,
                "fillOpacity": {"value": {"expr": f"{brightness()} * (abs(datum.value) < {m}.faint ? {FAINT} : 1)"}},
            },
        },
        {
            "data": {"name": "targets"},
            "transform": [{"filter": "isValid(datum.target)"}],
            "mark": {"type": "rule", "color": VERMILLION, "strokeWidth": 2, "tooltip": None},
            "encoding": at(f"{middle} - {reach}", PY.format("datum.target"), x2=f"{middle} + {reach}"),
        },
        {
            "data": {"name": "panels"},
            "transform": [{"filter": "datum.after >= 0"}],
            "mark": {"type": "rule", **quiet, "strokeDash": [3, 3]},
            "encoding": at(PX.format("datum.after"), PY.format("high"), y2=BOTTOM),
        },
        {
            "data": {"name": "rules"},
            "transform": [{"filter": "isValid(datum.value)"}],
            "mark": {"type": "rule", **quiet, "strokeDash": [5, 3]},
            "encoding": at(PX.format("0"), PY.format("datum.value"), x2=PX.format("1")),
        },
        {
            "data": {"name": "bars"},  # the whole height of a bar is pointed at and clicked, however low it is
            "transform": [*now, *shade, *entry["transform"]],
            "params": entry["params"],
            "mark": {"type": "rect", "opacity": 0},
            "encoding": {
                **at(ends[0], PY.format("high"), x2=PX.format("datum.right"), y2=BOTTOM),
                "tooltip": tooltip,
            },
        },
        titles(PX.format("0"), f"({BOTTOM} - tall)", "wide + apart - 3"),
        _names(),
        *said_axes(f"width - {_key_width(shade_title, shade_end):.0f}" if shade_end else "width"),
        *(
            gradient("width", (BLUE, GREEN, AMBER), "'0'", repr(_end(shade_end)), _name(shade_title, shade_end))
            if shade_end
            else []
        ),
    ]
    return {
        "$schema": SCHEMA,
        "title": heading(4),
        "params": params,
        "layer": [*unseen("meta", "scales"), *layers],
        **LIVELY,
    }


def _names() -> dict[str, Any]:
    """What is written below each panel: so much of it that no two touch."""
    every = "ceil((5.8 * datum.longest + 5) * datum.many / wide)"
    return {
        "data": {"name": "labels"},
        "transform": [{"filter": "isValid(datum.at)"}],
        "mark": {"type": "text", "color": GREY, "fontSize": 10, "baseline": "top", "limit": 110, "tooltip": None},
        "encoding": {
            "x": {"value": {"expr": PX.format("datum.at")}},
            "y": {"value": {"expr": f"{BOTTOM} + 3"}},
            "text": {"field": "text", "type": "nominal"},
            "opacity": {"value": {"expr": f"datum.number % {every} == 0 ? 1 : 0"}},
        },
    }
