"""A chart as one reads it from the last row: no text of it smaller than a given size."""

from __future__ import annotations

from typing import Any

SIZES = ("fontSize", "labelFontSize", "titleFontSize")
AXIS = ("labelFontSize", "titleFontSize")  # of an axis that says nothing
HIDDEN = 0.9  # of the least size: a text that its own rule would draw smaller has no room, and is left out or cut


def legible(spec: dict[str, Any], least: float) -> dict[str, Any]:
    """The same specification with every text at least so many pixels high; its data sets are not copied."""
    return {name: value if name == "datasets" else _read(name, value, least) for name, value in spec.items()}


def _read(name: str, value: Any, least: float) -> Any:
    if name in SIZES:
        return _size(value, least, HIDDEN)
    if isinstance(value, list):
        return [_read("", each, least) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _read(key, each, least) for key, each in value.items()}
    if name == "axis":
        return dict.fromkeys(AXIS, least) | found
    if name == "mark" and found.get("type") == "text":
        cut = {"fontSize": _size(value["fontSize"], least, 0)} if {"limit", "fontSize"} <= value.keys() else {}
        return {"fontSize": least} | found | cut
    return found


def _size(value: Any, least: float, hidden: float) -> Any:
    """A number, or an expression; where that comes out below a share of the least, its text is not drawn."""
    if isinstance(value, int | float):
        return max(value, least)
    if isinstance(value, dict) and "expr" in value:
        size = value["expr"]
        return {"expr": f"({size}) < {hidden * least:g} ? 0 : max({least:g}, {size})"}
    return value
