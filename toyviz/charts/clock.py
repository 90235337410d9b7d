"""One clock in the browser for all charts: what they bind to, and how a history of any length lies on its positions.

The clock is an element of the page that every chart is bound to, so moving it costs no run of the server. Charts also
share what the pointer is on, a feature (",7,") or a network ("T=500"): pointing at it in one of them marks it in all. A
frame is a column of the data, x0, x1,
..., and the number of frames is data too: a history may grow while the specification stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import GREY

CLOCK, POINTED, OWN_SCALE = "#clock", "#pointed", "#own-scale"  # elements of the page, which must be there first
POSITIONS = 40  # of the clock, always
LARGEST = 32767  # of the whole numbers that vectors are sent as
DIMMED = 0.08  # opacity of what the pointer is not on
SCHEMA: str = alt.SCHEMA_URL
LIVELY = {"usermeta": {"embedOptions": {"renderer": "canvas"}}, "config": {"aria": False}}

# The frame now. Where no clock is on the page: the newest.
NOW: list[dict[str, Any]] = [
    {"name": "clock", "bind": {"element": CLOCK, "event": "input"}},
    {"name": "last", "expr": "data('meta')[0].last"},
    {"name": "frame", "expr": f"isValid(clock) ? round(toNumber(clock) * last / {POSITIONS - 1}) : last"},
]
POINT: dict[str, Any] = {
    "name": "on",
    "select": {"type": "point", "fields": ["kin"], "on": "pointerover", "clear": "pointerout"},
    "bind": {"element": POINTED, "event": "input"},
}
# What POINT, here or in another chart, wrote. A test of the selection itself would not light the chart that is pointed
# at.
LOOKED_AT: dict[str, Any] = {"name": "pointed", "bind": {"element": POINTED, "event": "input"}}
ANY = "isValid(pointed) && indexof(pointed, ',') == 0"  # a feature, not a network
LIT = f"{ANY} && (indexof(datum.kin, pointed) >= 0 || indexof(pointed, datum.kin) >= 0)"
POINTED_AT = "pointed != '' && datum.kin == pointed"  # of networks
# Half the width of a plane: that of this frame where the visitor asks for it, else of the whole history.
SCALED: list[dict[str, Any]] = [
    {"name": "own", "bind": {"element": OWN_SCALE, "event": "input"}},
    {"name": "scale", "expr": "data('scales')[min(frame, length(data('scales')) - 1)]"},
    {"name": "half", "expr": "isValid(own) && own != '' ? scale.half : data('meta')[0].half"},
]


class Kind(NamedTuple):
    """How vectors of one kind are drawn."""

    name: str
    colour: str
    shape: str = "circle"
    ring: bool = False  # as an outline, so that what lies below is seen
    size: float = 1.0  # of the area of its marks
    rays: bool = False  # with lines from the origin, in a plane


def frame_at(position: int, frames: int) -> int:
    """The frame, of so many, that is seen at this position of the clock: round(position (frames - 1) / 39)."""
    return (2 * position * (frames - 1) + POSITIONS - 1) // (2 * (POSITIONS - 1))  # no tie can be: 39 is odd


def position_of(frame: int, frames: int) -> int:
    """The position of the clock at which this frame is seen: round(39 frame / (frames - 1)); alone the newest."""
    return round((POSITIONS - 1) * frame / (frames - 1)) if frames > 1 else POSITIONS - 1


def packed(history: np.ndarray, axes: str = "xy") -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Vectors over frames as 16 bits a number: columns x0, y0, x1, ... and the unit of each frame.

    history: (f, k, d), a letter of axes for each of d. A column times its frame's unit, (f,), is exact to half a unit,
    1/65534 of the frame's largest.
    """
    if len(history) > POSITIONS:
        raise ValueError(f"history has {len(history)} frames; a clock shows at most {POSITIONS}")
    largest = np.abs(history).reshape(len(history), -1).max(axis=1, initial=0.0)
    units = np.where(largest > 0, largest / LARGEST, 1.0)
    whole = np.rint(history / units[:, None, None]).astype(np.int16)
    return {f"{axis}{f}": whole[f, :, d] for f in range(len(whole)) for d, axis in enumerate(axes)}, units


def together(histories: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Histories, (f, ...) each, with as many frames as the longest: one of a single frame stands still in it."""
    frames = max((len(history) for history in histories), default=1)
    wrong = sorted({len(history) for history in histories} - {1, frames})
    if wrong:
        raise ValueError(f"the panels have {wrong[0]} and {frames} frames; each must have as many, or one")
    return [np.broadcast_to(history, (frames, *history.shape[1:])) for history in histories]


def pointed_in(linked: bool) -> list[dict[str, Any]]:
    """What the pointer is on, in any chart of a page with a clock, or where it is not linked: nothing ever."""
    return [LOOKED_AT if linked else {"name": "pointed", "value": ""}]


def targets(*fields: str, linked: bool, nearest: bool = True) -> dict[str, Any]:
    """What a layer needs so that a click on its marks picks these fields, and pointing at one marks its kin elsewhere.

    What is picked has a time too: else a second click on the same mark would be no change, and nobody would hear of it.
    """
    select = {"type": "point", "fields": [*fields, "time"], "toggle": False, "nearest": nearest, "clear": False}
    point = {**POINT, "select": {**POINT["select"], "nearest": nearest}}
    return {
        "transform": [{"calculate": "isValid(pick) ? now() : 0", "as": "time"}],
        "params": [{"name": "pick", "select": select}, *([point] if linked else [])],
    }


def unseen(*names: str) -> list[dict[str, Any]]:
    """A layer that draws nothing for each of these data sets, so that expressions can read them."""
    return [{"data": {"name": name}, "mark": {"type": "point", "opacity": 0, "tooltip": None}} for name in names]


def heading(offset: int) -> dict[str, Any]:
    """The title, which is data: the specification does not change with it. offset: pixels below it."""
    text = {"expr": "data('meta')[0].title"}
    return {"text": text, "anchor": "start", "frame": "group", "fontSize": 13, "offset": offset}


def legend(kinds: Sequence[Kind], y: float = -9) -> list[dict[str, Any]]:
    """The names of kinds in one line above the plot, each after its mark; smaller where the line would be too long.

    y: in pixels from the top of the plot.
    """
    widths = [width_of(kind.name) for kind in kinds]
    shrink = f"min(1, width / {sum(widths):.0f})"
    layers: list[dict[str, Any]] = []
    for kind, width, left in zip(kinds, widths, np.cumsum([0, *widths[:-1]]), strict=True):
        at, after = ({"y": {"value": y}, "x": {"value": {"expr": f"{left + gap:.0f} * {shrink}"}}} for gap in (5, 14))
        mark = {"type": "point", "filled": not kind.ring, "shape": kind.shape, "color": kind.colour, "opacity": 1}
        layers.append(_once({**mark, "size": 48, "strokeWidth": 1.2, "tooltip": None}, at))
        text = {"type": "text", "align": "left", "baseline": "middle", "color": kind.colour, "fontWeight": "bold"}
        size, limit = {"expr": f"max(8, 11.5 * {shrink})"}, {"expr": f"{width - 16:.0f} * {shrink}"}
        layers.append(
            _once({**text, "fontSize": size, "limit": limit, "tooltip": None}, {**after, "text": {"value": kind.name}})
        )
    return layers


def width_of(name: str) -> float:
    """About how many pixels a bold name of a legend takes, with its mark and the gap behind it."""
    return sum(3.6 if letter in " 1iljtfr.,:" else 7.3 for letter in name) + 28


def _once(mark: dict[str, Any], encoding: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"name": "meta"}, "mark": mark, "encoding": encoding}


def meta(**values: Any) -> pd.DataFrame:
    """The one row of what expressions read: titles, domains, the last frame."""
    return pd.DataFrame({name: [value] for name, value in values.items()})


def plain_rule(**encoding: Any) -> dict[str, Any]:
    """A quiet grey line."""
    return {"data": {"name": "meta"}, "mark": {"type": "rule", "color": GREY, "opacity": 0.35}, "encoding": encoding}
