"""Matrices over the whole history of a training, side by side on one scale of colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import BLUE, GREY, VERMILLION, Chart, filled, records
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
)
from toyviz.charts.panels import HEAD, KEY, gradient, said_axes, title_of, titles, tooltip_of

APART = 12  # pixels between panels
PAUSE = 0.4  # of a cell, before the column that a gap is left before
LETTER = 5.8  # pixels, of the small labels
MATRICES = 0.4  # of the height that the matrices have at least, where names are below them
LONGEST = 90  # pixels that the names at a side take, at most


class Matrix(NamedTuple):
    """A matrix over the frames of a training, and what its rows and columns are called."""

    title: str
    history: np.ndarray  # (f, r, c); one frame for what stands still
    rows: str = "row"  # what a row is, for the tooltip
    columns: str = "column"
    row_names: Sequence[str] = ()  # (r,); their numbers from 0 where left out
    column_names: Sequence[str] = ()  # (c,)
    row_kin: Sequence[str] = ()  # (r,) the features that each goes with, between commas: ",3,"
    column_kin: Sequence[str] = ()  # (c,)
    gap_before: int | None = None  # a column before which a gap is left
    blocks: Sequence[tuple[int, int, int, int]] = ()  # with an outline: first row, last row, first column, last column
    about: Mapping[str, Any] = {}  # scalars: more for the tooltip, and for what a click picks


def matrices(
    panels: Sequence[Matrix],
    title: str = "",
    *,
    largest: float | None = None,
    across: int | None = None,
    equal: bool = False,
    show_names: bool = False,
    pick: Sequence[str] = (),
) -> Chart:
    """Matrices side by side on one scale of colours, -largest to largest, over the frames of a training.

    Negative is blue, positive orange, and 0 is as the page. largest: of the scale; where left out, the largest absolute
    value of all panels and frames. across: panels in one row; where left out, all. equal: cells are squares, of one
    size in all panels. show_names: of rows and columns at the sides, as many as have room. pick: names in Matrix.about
    that a click on a cell picks.
    """
    histories = together([panel.history for panel in panels])
    layout = _layout(panels, across or max(len(panels), 1), equal, show_names)
    flat = [history.reshape(len(history), -1) for history in histories]
    values = np.concatenate(flat, axis=1) if flat else np.empty((1, 0))  # (f, cells)
    columns, units = packed(values[:, :, None], "v")
    of_frame = np.abs(values).max(axis=1, initial=0.0)
    told = tuple(dict.fromkeys(name for panel in panels for name in panel.about))
    parts = [_cells(panel, place, told) for panel, place in zip(panels, layout.places, strict=True)]
    cells = pd.concat(parts, ignore_index=True) if parts else records([], *CELL, *told)
    shown = title or (panels[0].title if len(panels) == 1 else "")
    one_word = {(panel.rows, panel.columns) for panel in panels}
    top = largest or float(of_frame.max(initial=0.0)) or 1.0
    data = {
        "cells": filled(pd.concat([cells, pd.DataFrame(columns)], axis=1), WORDS),
        "panels": filled(records(layout.frames, *FRAME)),
        "labels": filled(records(layout.labels, *LABEL)),
        "scales": pd.DataFrame({"unit": units, "largest": np.where(of_frame > 0, of_frame, 1.0)}),
        "meta": meta(
            title=shown,
            last=len(values) - 1,
            largest=top,
            axes="  ".join(f"↓ {rows}  → {columns}" for rows, columns in one_word) if len(one_word) == 1 else "",
            equal=equal,
            **layout.room,
        ),
    }
    said = ", ".join(f"{p.title or shown}, {p.history.shape[1]} by {p.history.shape[2]}" for p in panels)
    said = f"{title + ': ' if title else ''}matrices as colours, from {-top:.3g} to {top:.3g}: {said or 'none'}."
    return Chart(_matrices(told, tuple(pick)), data, said[0].upper() + said[1:], square=equal)


CELL = ("row", "column", "kin", "rows", "columns", "left", "right", "top", "bottom", "dx", "dy", "feet")
FRAME = ("title", "left", "right", "top", "bottom", "dx", "dy", "feet", "wide")
LABEL = ("side", "text", "at", "other", "step", "number", "dx", "dy", "feet", "longest", "turned")
WORDS = {"row", "column", "kin", "rows", "columns"}


class _Place(NamedTuple):
    """Where a panel begins: in cells, of the whole chart, and in pixels; and how large a cell is."""

    left: float
    top: float
    dx: float
    dy: float
    feet: float  # of the names below the rows of panels above it, where these have room
    cell_wide: float
    cell_high: float


class _Layout(NamedTuple):
    places: list[_Place]
    frames: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    room: dict[str, float]


def _layout(panels: Sequence[Matrix], across: int, equal: bool, show_names: bool) -> _Layout:
    """Where everything stands: so many pixels for what is written, and the rest in units, which share the room.

    A unit is a cell where cells are squares, else a panel.
    """
    places, frames, labels = [], [], []
    named = bool(title_of(panels))
    wide, wide_px, high, high_px, feet_px = 0.0, 0.0, 0.0, float(KEY), 0.0
    for first in range(0, len(panels), across):
        left, left_px, tall, feet = 0.0, 0.0, 0.0, 0.0
        for panel in panels[first : first + across]:
            rows, columns = panel.history.shape[1:]
            spread = columns + (PAUSE if panel.gap_before is not None else 0)
            cell_wide, cell_high = (1.0, 1.0) if equal else (1 / max(spread, 1), 1 / max(rows, 1))
            at_rows, at_columns = _names(panel.row_names, rows), _names(panel.column_names, columns)
            long_rows, long_columns = (max(map(len, names), default=1) for names in (at_rows, at_columns))
            turned = long_columns > 3
            side = min(LETTER * long_rows + 6, LONGEST) if show_names else 0
            foot = (min(LETTER * long_columns + 6, LONGEST) if turned else 13) if show_names else 0
            dx, dy = left_px + side, high_px + (HEAD if named else 0)
            place = _Place(left, high, dx, dy, feet_px, cell_wide, cell_high)
            places.append(place)
            right, bottom = left + spread * cell_wide, high + rows * cell_high
            corner = {"left": left, "right": right, "top": high, "bottom": bottom, "dx": dx, "dy": dy, "feet": feet_px}
            frames.append({"title": panel.title if named else "", "wide": side + APART - 3, **corner})
            frames += [
                {"title": "", "wide": 0, "left": left + a * cell_wide, "right": left + (b + 1) * cell_wide,
                 "top": high + first * cell_high, "bottom": high + (last + 1) * cell_high,
                 "dx": dx, "dy": dy, "feet": feet_px}
                for first, last, a, b in panel.blocks
            ]  # fmt: skip
            if show_names:
                common = {"dx": dx, "dy": dy, "feet": feet_px}
                labels += [
                    {"side": "row", "text": text, "at": high + (i + 0.5) * cell_high, "other": left, "step": cell_high,
                     "number": i, "longest": long_rows, "turned": False, **common}
                    for i, text in enumerate(at_rows)
                ]  # fmt: skip
                labels += [
                    {"side": "column", "text": text, "at": left + x * cell_wide, "other": bottom, "step": cell_wide,
                     "number": j, "longest": long_columns, "turned": turned, **common}
                    for j, (text, x) in enumerate(zip(at_columns, _column_starts(panel) + 0.5, strict=True))
                ]  # fmt: skip
            left, left_px = right, dx + APART
            tall, feet = max(tall, rows * cell_high), max(feet, foot)
        wide, wide_px = max(wide, left), max(wide_px, left_px - APART)
        high, high_px, feet_px = high + tall, high_px + (HEAD if named else 0) + APART / 2, feet_px + feet
    room = {"wide": wide or 1.0, "wide_px": wide_px, "high": high or 1.0, "high_px": high_px, "feet_px": feet_px}
    return _Layout(places, frames, labels, room)


def _names(names: Sequence[str], many: int) -> list[str]:
    return [str(name) for name in names] if len(names) else [str(k) for k in range(many)]


def _column_starts(panel: Matrix) -> np.ndarray:
    """Where each column begins, in cells, (c,)."""
    number = np.arange(panel.history.shape[2])
    return number if panel.gap_before is None else number + PAUSE * (number >= panel.gap_before)


def _cells(panel: Matrix, place: _Place, told: tuple[str, ...]) -> pd.DataFrame:
    """A row for each cell, row by row."""
    rows, columns = panel.history.shape[1:]
    i, j = (index.ravel() for index in np.indices((rows, columns)))
    x = _column_starts(panel)[j]
    row_kin, column_kin = (
        list(kin) or [""] * many for kin, many in ((panel.row_kin, rows), (panel.column_kin, columns))
    )
    kin = [(a[:-1] + b if a and b else a or b) for a in row_kin for b in column_kin]
    return pd.DataFrame(
        {
            "row": np.array(_names(panel.row_names, rows), dtype=object)[i],
            "column": np.array(_names(panel.column_names, columns), dtype=object)[j],
            "kin": kin,
            "rows": panel.rows,
            "columns": panel.columns,
            "left": place.left + x * place.cell_wide,
            "right": place.left + (x + 1) * place.cell_wide,
            "top": place.top + i * place.cell_high,
            "bottom": place.top + (i + 1) * place.cell_high,
            "dx": place.dx,
            "dy": place.dy,
            "feet": place.feet,
            **{name: panel.about.get(name) for name in told},
        }
    )


X = "(from + datum.dx + ({}) * x_unit)"
Y = "(datum.dy + feet * datum.feet + ({}) * y_unit)"


@cache
def _matrices(told: tuple[str, ...], pick: tuple[str, ...]) -> dict[str, Any]:
    shown = calculated(
        where="datum.rows + ' ' + datum.row + ', ' + datum.columns + ' ' + datum.column",
        value="datum['v' + frame] * scale.unit",
    )
    tooltip = [nominal("where", title=" "), quantity("value", format=".4~g"), *tooltip_of(told)]
    color = {"condition": {"test": "datum.value < 0", "value": BLUE}, "value": VERMILLION}
    strength = computed(fillOpacity=f"min(1, abs(datum.value) / largest) * {brightness()}")
    gap = "((datum.right - datum.left) * x_unit > 9 && (datum.bottom - datum.top) * y_unit > 9 ? 1 : 0)"
    picks = targets(*pick, linked=True, nearest=False)
    outline, there = mark("rect", filled=False, stroke=GREY, strokeOpacity=0.5), "isValid(datum.left)"
    low, high = "replace(format(-largest, form), '-', '−')", "format(largest, form)"
    layers = [
        layer("cells", mark("rect", strokeWidth=0), there, *shown, picks=picks, **_sides(gap), color=color, **strength,
              tooltip=tooltip),
        layer("panels", outline, there, **_sides("0")),
        titles(X.format("datum.left"), Y.format("datum.top"), "(datum.right - datum.left) * x_unit + datum.wide"),
        _row_labels(),
        _column_labels(),
        said_axes("width - 150"),
        *gradient("width", (BLUE, None, VERMILLION), low, high),
    ]  # fmt: skip
    return specification(layers, heading(4), _params(), "scales")


def _params() -> list[dict[str, Any]]:
    m = META
    return [
        *NOW,
        LOOKED_AT,
        *own_or_all("largest"),
        {"name": "x_room", "expr": f"max(1, width - {m}.wide_px) / {m}.wide"},
        # The names below have room where they leave enough for the matrices.
        {"name": "feet", "expr": f"height - {m}.high_px - {m}.feet_px > {MATRICES} * height ? 1 : 0"},
        {"name": "y_room", "expr": f"max(1, height - {m}.high_px - feet * {m}.feet_px) / {m}.high"},
        {"name": "x_unit", "expr": f"{m}.equal ? min(x_room, y_room) : x_room"},
        {"name": "y_unit", "expr": f"{m}.equal ? min(x_room, y_room) : y_room"},
        {"name": "from", "expr": f"max(0, (width - {m}.wide_px - {m}.wide * x_unit) / 2)"},
        {"name": "form", "expr": "largest < 1e-3 || largest >= 1e5 ? '.1e' : '.3~r'"},
    ]


def _sides(gap: str) -> dict[str, Any]:
    """From the first pixel of a cell to the last: whole pixels, so that no seam is seen between two cells."""
    left, right, top, bottom = (
        f"round({place.format(f'datum.{side}')})"
        for place, side in ((X, "left"), (X, "right"), (Y, "top"), (Y, "bottom"))
    )
    return computed(x=left, x2=f"{right} - {gap}", y=top, y2=f"{bottom} - {gap}")


def _row_labels() -> dict[str, Any]:
    """The names of rows at the left, of which so many are left out that the others do not touch."""
    at = {"x": f"{X.format('datum.other')} - 3", "y": Y.format("datum.at")}
    return _labels("row", "datum.number % ceil(11 / (datum.step * y_unit)) == 0", "'right'", "'middle'", "0", **at)


def _column_labels() -> dict[str, Any]:
    """The names of columns below, likewise: turned, where they are long, and left out where they have no room."""
    at = {"x": X.format("datum.at"), "y": f"{Y.format('datum.other')} + 3"}
    every = f"ceil((datum.turned ? 11 : {LETTER} * datum.longest + 4) / (datum.step * x_unit))"
    align, baseline = "datum.turned ? 'right' : 'center'", "datum.turned ? 'middle' : 'top'"
    return _labels("column", f"datum.number % {every} == 0 && feet", align, baseline, "datum.turned ? 270 : 0", **at)


def _labels(side: str, seen: str, align: str, baseline: str, angle: str, **at: str) -> dict[str, Any]:
    turned = {"align": {"expr": align}, "baseline": {"expr": baseline}, "angle": {"expr": angle}}
    text, at = grey("text", fontSize=10, limit=LONGEST - 6, **turned), {**at, "opacity": f"{seen} ? 1 : 0"}
    return layer("labels", text, f"datum.side == '{side}'", **computed(**at), text=nominal("text"))
