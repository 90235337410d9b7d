"""One clock in the browser for all charts: what they bind to, and how a history of any length lies on its positions.

The clock is an element of the page that every chart is bound to, so moving it costs no run of the server. Charts also
share what the pointer is on, a feature (",7,") or a network ("T=500"): pointing at it in one of them marks it in all. A
frame is a column of the data, x0, x1,
..., and the number of frames is data too: a history may grow while the specification stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyviz.charts.layers import META

CLOCK, POINTED, OWN_SCALE = "#clock", "#pointed", "#own-scale"  # elements of the page, which must be there first
POSITIONS = 40  # of the clock, always
LARGEST = 32767  # of the whole numbers that vectors are sent as
DIMMED = 0.08  # opacity of what the pointer is not on

# The frame now. Where no clock is on the page: the newest.
NOW: list[dict[str, Any]] = [
    {"name": "clock", "bind": {"element": CLOCK, "event": "input"}},
    {"name": "last", "expr": f"{META}.last"},
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
# Whether the visitor asks for scales of this frame alone, and what they are.
OWN: list[dict[str, Any]] = [
    {"name": "own", "bind": {"element": OWN_SCALE, "event": "input"}},
    {"name": "own_scale", "expr": "isValid(own) && own != ''"},
    {"name": "scale", "expr": "data('scales')[min(frame, length(data('scales')) - 1)]"},
]


def own_or_all(*names: str) -> list[dict[str, Any]]:
    """OWN, and ends of scales: of this frame where the visitor asks for that, else of the whole history."""
    return [*OWN, *({"name": name, "expr": f"own_scale ? scale.{name} : {META}.{name}"} for name in names)]


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


def lit(value: Any) -> dict[str, Any]:
    """The opacity of a mark: this value, 1 for what the pointer is on, and then low for all else."""
    return {"condition": [{"test": LIT, "value": 1}, {"test": ANY, "value": DIMMED}], "value": value}


def brightness(dimmed: float = DIMMED) -> str:
    """1, or how bright a mark is that the pointer is not on: an expression."""
    return f"({ANY} && !({LIT}) ? {dimmed} : 1)"


def targets(*fields: str, linked: bool, nearest: bool = True) -> dict[str, list[dict[str, Any]]]:
    """What a layer needs so that a click on its marks picks these fields, and pointing at one marks its kin elsewhere.

    What is picked has a time too: else a second click on the same mark would be no change, and nobody would hear of it.
    """
    if not fields:
        return {"transform": [], "params": [POINT] if linked else []}
    select = {"type": "point", "fields": [*fields, "time"], "toggle": False, "nearest": nearest, "clear": False}
    point = {**POINT, "select": {**POINT["select"], "nearest": nearest}}
    return {
        "transform": [{"calculate": "isValid(pick) ? now() : 0", "as": "time"}],
        "params": [{"name": "pick", "select": select}, *([point] if linked else [])],
    }


def pickable(spec: dict[str, Any], *fields: str, linked: bool, nearest: bool = True) -> dict[str, Any]:
    """The same specification with targets in its layer of the name "pickable"."""
    layer = next(each for each in spec["layer"] if each.get("name") == "pickable")
    picks = targets(*fields, linked=linked, nearest=nearest)
    layer |= {"transform": [*layer["transform"], *picks["transform"]], "params": picks["params"]}
    return spec


def kin_of(field: str, value: Any) -> str:
    """What the pointer is on where it is on this value, in every chart: "density=0.1", and of sizes "T=500"."""
    if field == "n_samples":
        return f"T={value:.0f}"
    return f"{field}={value:g}" if isinstance(value, float) else f"{field}={value}"
