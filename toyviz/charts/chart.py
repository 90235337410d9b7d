"""What every chart is made of: the specification, its data, a sentence; and the few colours and axes they share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd

# Colours that keep their contrast on a light and on a dark page (Okabe and Ito's palette, and a mid-grey).
GREEN, VERMILLION, GREY = "#009E73", "#D55E00", "#8A8F98"
BLUE, AMBER, PURPLE = "#0A84C6", "#E69F00", "#A3629A"
# The word for each, as one sees it on the screen: no text may use another.
COLOUR_WORDS = {
    BLUE: "blue",  # columns of W1, features
    VERMILLION: "orange",  # hidden vectors, samples, training loss
    GREEN: "green",  # test loss
    AMBER: "yellow",  # before the bias
    PURPLE: "purple",  # the bias
    GREY: "grey",
}
TEXTS = {"label", "short", "name", "told", "set", "kind", "scale", "kin", "text", "precise", "line"}  # columns of text
RAYS = 200  # columns or samples drawn at most in one small panel


class Chart(NamedTuple):
    """A chart that is ready to be drawn."""

    spec: dict[str, Any]  # Vega-Lite, with its data sets named
    data: dict[str, pd.DataFrame]  # by name
    alt: str  # what a reader who cannot see it should know
    square: bool = False  # of a fixed size, so that its axes stay equal


def stands_alone(chart: Chart, height: int | None) -> Chart:
    """The chart so many pixels high and as wide as the page; None: as it is, for a stage that gives it its room."""
    if height is None:
        return chart
    size = {"height": height, "autosize": {"type": "fit", "contains": "padding"}}
    return chart._replace(spec={**chart.spec, **size}, square=False)


def compiled(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """The chart as a Vega-Lite dictionary, checked against the schema, without Altair's own defaults."""
    spec = chart.to_dict()
    spec.pop("config", None)
    return spec


def stretched(chart: alt.LayerChart | alt.FacetChart, title: str, height: int) -> dict[str, Any]:
    """The same for a chart as wide as the page. height is that of the plot, without axes and title."""
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    return compiled(chart.properties(title=title, height=height, autosize=fit))


def named(name: str) -> alt.NamedData:
    """The data set of that name, which the figure brings along."""
    return alt.NamedData(name=name)


def records(rows: list[dict[str, Any]], *columns: str) -> pd.DataFrame:
    """A frame with these columns, even where there are no rows."""
    return pd.DataFrame(rows, columns=list(columns))


def expressions_read(*names: str) -> list[alt.Chart]:
    """A layer that draws nothing for each of these data sets, so that expressions can read them."""
    return [alt.Chart(named(name)).mark_point(opacity=0, tooltip=None) for name in names]


def filled(frame: pd.DataFrame, texts: Collection[str] = TEXTS) -> pd.DataFrame:
    """The same, with one row of nothing where it has none: a data set without rows would have the chart built anew."""
    return frame if len(frame) else pd.DataFrame({name: ["" if name in texts else np.nan] for name in frame.columns})


def stacked(parts: Sequence[Mapping[str, Any]], *columns: str) -> pd.DataFrame:
    """The parts under each other, as one frame with these columns; a scalar stands for all rows of its part.

    Each part needs at least one array. One frame of many rows is made in a tenth of the time of many small ones.
    """
    lengths = [next(len(values) for values in part.values() if np.ndim(values)) for part in parts]
    joined = {
        name: np.concatenate([np.broadcast_to(part[name], length) for part, length in zip(parts, lengths, strict=True)])
        for name in columns
        if parts
    }
    return pd.DataFrame(joined, columns=list(columns))


def count(what: str, shown: int, total: int) -> str:
    """ "300 of 1,000 columns" where only some are drawn, else "20 columns"."""
    return f"{total:,} {what}" if shown == total else f"{shown:,} of {total:,} {what}"


# Ticks of a logarithmic axis at 1, 2 and 5 times a power of ten.
DECADES = "indexof([1, 2, 5], round(datum.value / pow(10, floor(log(datum.value) / LN10 + 1e-9)) * 1e6) / 1e6) >= 0"
POWERS = DECADES.replace("[1, 2, 5]", "[1]")
SAMPLE_TICKS = f"{DECADES} ? format(datum.value, '~s') : ''"


def samples_x(field: str = "n_samples") -> alt.X:
    """The axis that the sweeps over T share."""
    return alt.X(
        f"{field}:Q",
        title="training samples T",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(grid=False, labelExpr=SAMPLE_TICKS, labelOverlap=True, tickColor=GREY, domainColor=GREY),
    )


def selected_rule(x: alt.X) -> alt.Chart:
    """A broad, quiet line behind the size or density that is looked into; its data set is "selected"."""
    rule = alt.Chart(named("selected")).mark_rule(
        color=GREY, opacity=0.3, strokeWidth=14, strokeCap="round", tooltip=None
    )
    return rule.encode(x=x)


def powers() -> str:
    """A label expression of a logarithmic y axis: powers of ten alone where it is wide, 1, 2 and 5 where it is not.

    Over less than a factor of 5 every tick has its number. Small numbers are powers: "1e-5", but 10 is "10".
    """
    plain = "format(datum.value, datum.value < 1e-3 ? '.0e' : '~r')"
    width = "domain('y')[1] / domain('y')[0]"
    return f"{width} >= 100 ? {POWERS} ? {plain} : '' : {width} < 5 || {DECADES} ? {plain} : ''"
