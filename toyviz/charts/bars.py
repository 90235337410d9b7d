"""Vectors as bars over the whole history of a training, one panel a vector, all on one axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import AMBER, BLUE, GREEN, VERMILLION, Chart, filled, records
from toyviz.charts.clock import LOOKED_AT, NOW, brightness, own_or_all, packed, targets, together
from toyviz.charts.layers import (
    META,
    calculated,
    computed,
    grey,
    heading,
    layer,
    mark,
    meta,
    nominal,
    quantity,
    specification,
    width_of,
)
from toyviz.charts.panels import HEAD, KEY, gradient, said_axes, title_of, titles, tooltip_of

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
    shade_title: what the shades are. shade_end: where their colours end.
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
    aims = _aims(panels, across)
    lowest, highest = _ends(values, ends, aims["target"])
    shown = title or (panels[0].title if len(panels) == 1 else "")
    named = bool(title_of(panels))
    frames = [_frame(panel, place, across, named, after, marked) for place, panel in enumerate(panels)]
    corners = [{name: frame[name] for name in ("column", "line")} for frame in frames]
    ticks = [{**corner, "k": k} for corner in corners or [{"column": 0, "line": 0}] for k in range(TICKS)]
    data = {
        "bars": filled(pd.concat([entry, pd.DataFrame(columns | shade)], axis=1), WORDS),
        "panels": filled(records(frames, *FRAME)),
        "labels": filled(_labels(axes, across)),
        "targets": filled(aims),
        "ticks": pd.DataFrame(ticks),
        "scales": pd.DataFrame({"unit": units, "low": lowest, "high": highest}),
        "meta": meta(title=shown, last=len(values) - 1, low=lowest.min(), high=highest.max(), across=across,
                     down=-(-len(panels) // across) or 1, head=HEAD if named else 4, faint=faint_below or 0.0,
                     axes=f"↑ {y_title}  → {entries}"),
    }  # fmt: skip
    said = f"{title + ': ' if title else ''}{y_title} of each {entries} as bars: {_from_to(panels, shown) or 'none'}."
    spec = _bars(shade_end if shade else None, shade_title, entries, y_title, told, tuple(pick))
    return Chart(spec, data, said[0].upper() + said[1:])


def _from_to(panels: Sequence[Bars], title: str) -> str:
    """From where to where the bars of each panel go in the newest frame."""
    seen = [panel for panel in panels if panel.history.size]
    return "; ".join(f"{p.title or title} from {p.history[-1].min():.3g} to {p.history[-1].max():.3g}" for p in seen)


FRAME = ("title", "left", "column", "line", "after", "marked")
ENTRY = ("name", "kin", "colour", "below", "column", "line", "left", "right", "shaded")


def _frame(panel: Bars, place: int, across: int, named: bool, after: int | None, marked: int | None) -> dict[str, Any]:
    """What stands around a panel: its title, its place, and where lines stand in it, from 0 to 1; -1: none."""
    k = panel.history.shape[1]
    return {
        "title": panel.title if named else "",
        "left": place % across,
        "column": place % across,
        "line": place // across,
        "after": after / k if after is not None and k else -1,
        "marked": (marked + 0.5) / k if marked is not None and k else -1,
    }


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


def _aims(panels: Sequence[Bars], across: int) -> pd.DataFrame:
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
    lowest = ROOM * low if ends[0] is None else np.full(len(low), ends[0])
    highest = ROOM * high if ends[1] is None else np.full(len(high), ends[1])
    return lowest, np.where(highest > lowest, highest, lowest + 1)


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
SHADES = (BLUE, GREEN, AMBER)


def _end(shade_end: float) -> str:
    """The end of the colours of shades, which may go beyond it where it is not 1."""
    return "1" if shade_end == 1 else f"{shade_end:g}+"


def _key_width(shade_title: str, shade_end: float) -> float:
    """About how many pixels the colours of shades take, with what is written beside them."""
    return width_of(shade_title) + 6.2 * len(_end(shade_end)) + 96


@cache
def _bars(
    shade_end: float | None, shade_title: str, entries: str, y_title: str, told: tuple[str, ...], pick: tuple[str, ...]
) -> dict[str, Any]:
    tooltip = [
        nominal("name", title=entries),
        quantity("value", title=y_title, format=".4~g"),
        *([quantity("shade", title=shade_title, format=".2f")] if shade_end else []),
        *tooltip_of(told),
    ]
    layers = [
        *_value_lines(),
        *_upright("marked", opacity=0.3, strokeWidth=10, strokeCap="round"),
        *_entry_layers(shade_end, tooltip, pick),
        titles(PX.format("0"), f"({BOTTOM} - tall)", "wide + apart - 3"),
        _names(),
        *_key(shade_title, shade_end),
    ]
    return specification(layers, heading(4), _params(), "scales")


def _params() -> list[dict[str, Any]]:
    return [
        *NOW,
        LOOKED_AT,
        *own_or_all("low", "high"),
        {"name": "left", "value": LEFT},
        {"name": "top", "value": KEY},
        {"name": "foot", "value": FOOT},
        {"name": "apart", "value": APART},
        {"name": "head", "expr": f"{META}.head"},
        {"name": "wide", "expr": f"max(4, (width - left + apart) / {META}.across - apart)"},
        {"name": "tall", "expr": f"max(4, (height - top) / {META}.down - head - foot)"},
        # Numbers 1, 2 or 5 times a power of ten apart, as many as have room.
        {"name": "rough", "expr": "(high - low) / clamp(floor(tall / 26), 2, 5)"},
        {"name": "power", "expr": "pow(10, floor(log(rough) / LN10 + 1e-9))"},
        {"name": "spaced", "expr": "power * (rough / power > 5 ? 10 : rough / power > 2 ? 5 : rough > power ? 2 : 1)"},
    ]


def _across(y: str) -> dict[str, Any]:
    """Channels for a level line through a panel."""
    return computed(x=PX.format("0"), y=PY.format(y), x2=PX.format("1"))


def _value_lines() -> list[dict[str, Any]]:
    """Lines at round values in every panel, with their numbers at the first of each row."""
    tick = (*calculated(value="(ceil(low / spaced - 1e-6) + datum.k) * spaced"), "datum.value <= high + 1e-6 * spaced")
    line = grey("rule", opacity={"expr": "abs(datum.value) < 1e-9 * spaced ? 0.7 : 0.2"})
    number = "replace(format(round(datum.value / spaced) * spaced, '.6~r'), '-', '−')"
    at = computed(x=f"{PX.format('0')} - 4", y=PY.format("datum.value"), text=number)
    text = grey("text", fontSize=10, align="right", baseline="middle")
    return [
        layer("ticks", line, *tick, **_across("datum.value")),
        layer("ticks", text, *tick, "datum.column == 0", **at),
    ]


def _upright(field: str, **how: Any) -> list[dict[str, Any]]:
    """A line through a panel at a place of it, where it has one."""
    at = computed(x=PX.format(f"datum.{field}"), y=PY.format("high"), y2=BOTTOM)
    return [layer("panels", grey("rule", **how), f"datum.{field} >= 0", **at)]


def _entry_layers(
    shade_end: float | None, tooltip: list[dict[str, Any]], pick: tuple[str, ...]
) -> list[dict[str, Any]]:
    """The bars, their targets, the lines in a panel, and on top what is pointed at: a bar in all of its height."""
    shown = ["isValid(datum.left)", *calculated(value="datum['v' + frame] * scale.unit")]
    color: dict[str, Any] = computed(color="datum.value < 0 ? datum.below : datum.colour")["color"]
    if shade_end:
        shown += calculated(shade=f"datum['s' + frame] * {shade_end / SHADED}")
        scale = {"type": "linear", "domain": [0, shade_end / 2, shade_end], "range": list(SHADES), "interpolate": "rgb"}
        color = {"condition": {"test": "datum.shaded", **quantity("shade", scale=scale, legend=None)}, **color}
    gap = "(datum.right - datum.left) * wide > 4 ? 1 : 0"
    x, x2 = PX.format("datum.left"), f"{PX.format('datum.right')} - ({gap})"
    bar = computed(x=x, x2=x2, y=PY.format("datum.value"), y2=PY.format("0"),
                   fillOpacity=f"{brightness()} * (abs(datum.value) < {META}.faint ? {FAINT} : 1)")  # fmt: skip
    middle = PX.format("(datum.left + datum.right) / 2")
    reach = "max(3, (datum.right - datum.left) * wide / 2 + 1)"  # which is seen over thin bars too
    aim = computed(x=f"{middle} - {reach}", x2=f"{middle} + {reach}", y=PY.format("datum.target"))
    whole = computed(x=x, x2=PX.format("datum.right"), y=PY.format("high"), y2=BOTTOM)
    picks = targets(*pick, linked=True, nearest=False)
    return [
        layer("bars", mark("rect", strokeWidth=0), *shown, **bar, color=color),
        layer("targets", mark("rule", color=VERMILLION, strokeWidth=2), "isValid(datum.target)", **aim),
        *_upright("after", strokeDash=[3, 3]),
        layer("bars", mark("rect", opacity=0), *shown, picks=picks, **whole, tooltip=tooltip),
    ]


def _names() -> dict[str, Any]:
    """What is written below each panel: so much of it that no two touch."""
    every = "ceil((5.8 * datum.longest + 5) * datum.many / wide)"
    at = computed(x=PX.format("datum.at"), y=f"{BOTTOM} + 3", opacity=f"datum.number % {every} == 0 ? 1 : 0")
    text = grey("text", fontSize=10, baseline="top", limit=110)
    return layer("labels", text, "isValid(datum.at)", **at, text=nominal("text"))


def _key(shade_title: str, shade_end: float | None) -> list[dict[str, Any]]:
    """The line above the panels: what the axes are, and the colours of shades, named where there is room for it."""
    if not shade_end:
        return [said_axes("width")]
    key = _key_width(shade_title, shade_end)
    name = f"width < {key - 20:.0f} ? '' : {shade_title!r}"
    return [said_axes(f"width - {key:.0f}"), *gradient("width", SHADES, "'0'", repr(_end(shade_end)), name)]
