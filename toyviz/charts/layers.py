"""What charts are written in that are drawn in pixels: a layer, its mark, its channels, and the whole specification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import pandas as pd

from toyviz.charts.chart import GREY

SCHEMA: str = alt.SCHEMA_URL
META = "data('meta')[0]"  # the row of what expressions read
ABOVE, LINE = -9, 13  # pixels from the plot to the lowest line of a legend, and between two of them
SMALLER = 0.85  # of its size is the least for a legend in one line


class Kind(NamedTuple):
    """How vectors of one kind are drawn."""

    name: str
    colour: str
    shape: str = "circle"
    ring: bool = False  # as an outline, so that what lies below is seen
    size: float = 1.0  # of the area of its marks
    rays: bool = False  # with lines from the origin, in a plane


def meta(**values: Any) -> pd.DataFrame:
    """The one row of what expressions read: titles, domains, the last frame."""
    return pd.DataFrame({name: [value] for name, value in values.items()})


def specification(
    layers: Sequence[dict[str, Any]], title: dict[str, Any], params: Sequence[dict[str, Any]] = (), *read: str
) -> dict[str, Any]:
    """A chart on a canvas, as large as its room. read: the data sets beside "meta" that expressions alone read."""
    return {
        "$schema": SCHEMA,
        "title": title,
        "params": list(params),
        "layer": [*(layer(name, mark("point", opacity=0)) for name in ("meta", *read)), *layers],
        "usermeta": {"embedOptions": {"renderer": "canvas"}},
        "config": {"aria": False},
    }


def heading(offset: int, narrow: int = 0) -> dict[str, Any]:
    """The title, which is data: the specification does not change with it; a short one in a room that is narrow.

    offset: pixels below it. narrow: in pixels; 0: it has no short one.
    """
    text = {"expr": f"width < {narrow} ? {META}.small : {META}.title" if narrow else f"{META}.title"}
    return {"text": text, "anchor": "start", "frame": "group", "fontSize": 13, "offset": offset}


def layer(
    data: str,
    mark: dict[str, Any],
    *transform: str | dict[str, Any],
    picks: Mapping[str, list[dict[str, Any]]] | None = None,
    **encoding: Any,
) -> dict[str, Any]:
    """Marks for the rows of a data set, or, without its name, for those of the layer around it.

    transform: steps, a filter as its text alone. picks: from clock.targets. Marks without a tooltip tell nothing.
    """
    steps = [{"filter": step} if isinstance(step, str) else step for step in transform]
    steps += picks["transform"] if picks else []
    return {
        **({"data": {"name": data}} if data else {}),
        **({"transform": steps} if steps else {}),
        **({"params": picks["params"]} if picks and picks["params"] else {}),
        "mark": mark if "tooltip" in encoding else {**mark, "tooltip": None},
        "encoding": encoding,
    }


def mark(kind: str, **how: Any) -> dict[str, Any]:
    """A mark of this kind."""
    return {"type": kind, **how}


def grey(kind: str, **how: Any) -> dict[str, Any]:
    """The same in grey, which is seen on a light and on a dark page: texts, axes, what is not a result."""
    return {"type": kind, "color": GREY, **how}


def computed(**channels: str | float) -> dict[str, Any]:
    """Channels from expressions, places in pixels; a number is the same for all marks."""
    return {name: {"value": {"expr": at} if isinstance(at, str) else at} for name, at in channels.items()}


def calculated(**columns: str) -> list[Any]:
    """Steps that add columns from expressions, in this order."""
    return [{"calculate": expression, "as": name} for name, expression in columns.items()]


def quantity(field: str, **options: Any) -> dict[str, Any]:
    """A channel that shows a number."""
    return {"field": field, "type": "quantitative", **options}


def nominal(field: str, **options: Any) -> dict[str, Any]:
    """A channel that shows a name, or a text as it is."""
    return {"field": field, "type": "nominal", **options}


def by(field: str, names: Sequence[Any], values: Sequence[Any]) -> dict[str, Any]:
    """A channel that tells names apart, a value each: colours, shapes, dashes. What it means is written elsewhere."""
    return nominal(field, scale={"domain": list(names), "range": list(values)}, legend=None)


def between(low: str = f"{META}.low", high: str = f"{META}.high", **options: Any) -> dict[str, Any]:
    """A scale from one expression to another, without margins."""
    return {"domain": {"expr": f"[{low}, {high}]"}, "nice": False, **options}


def in_order_of(data: str, **options: Any) -> dict[str, Any]:
    """A scale whose places are the values of a data set, in its order: new ones need no new specification."""
    return {"domain": {"expr": f"pluck(data('{data}'), 'value')"}, **options}


def plain_rule(**encoding: Any) -> dict[str, Any]:
    """A quiet grey line."""
    return layer("meta", grey("rule", opacity=0.35), **encoding)


def legend(kinds: Sequence[Kind]) -> list[dict[str, Any]]:
    """The names of kinds above the plot, each after its mark: in one line, in two or smaller where that is too long."""
    widths = [width_of(kind.name) for kind in kinds]
    whole = sum(widths)
    first = min(range(1, len(widths) + 1), key=lambda k: max(sum(widths[:k]), sum(widths[k:])))  # names of the upper
    longer = max(sum(widths[:first]), sum(widths[first:]))
    narrow = f"width < {SMALLER * whole:.0f}"
    shrink = f"min(1, width / ({narrow} ? {longer:.0f} : {whole:.0f}))"
    bold = {
        "align": "left",
        "baseline": "middle",
        "fontWeight": "bold",
        "fontSize": {"expr": f"max(8, 11.5 * {shrink})"},
    }
    layers: list[dict[str, Any]] = []
    for k, (kind, width) in enumerate(zip(kinds, widths, strict=True)):
        left, begin = sum(widths[:k]), sum(widths[first if k >= first else 0 : k])
        y = f"{narrow} ? {ABOVE - LINE if k < first < len(widths) else ABOVE} : {ABOVE}"
        at, after = (
            computed(x=f"({narrow} ? {begin + gap:.0f} : {left + gap:.0f}) * {shrink}", y=y) for gap in (5, 14)
        )
        look = {"filled": not kind.ring, "shape": kind.shape, "color": kind.colour, "opacity": 1}
        limit = {"expr": f"{width - 16:.0f} * {shrink}"}
        text = mark("text", color=kind.colour, limit=limit, **bold)
        layers.append(layer("meta", mark("point", **look, size=48, strokeWidth=1.2), **at))
        layers.append(layer("meta", text, **after, text={"value": kind.name}))
    return layers


def width_of(name: str) -> float:
    """About how many pixels a bold name of a legend takes, with its mark and the gap behind it."""
    return sum(3.6 if letter in " 1iljtfr.,:" else 7.3 for letter in name) + 28
