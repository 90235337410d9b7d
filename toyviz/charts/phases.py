"""Which of a few things becomes of a network over two of its settings, as coloured cells."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from toyviz.charts.chart import AMBER, BLUE, GREY, VERMILLION, Chart, records, stands_alone
from toyviz.charts.clock import LIVELY, POINTED_AT, SCHEMA, Kind, heading, legend, meta, pointed_in, targets, unseen
from toyviz.charts.sizes import filled

PHASE_KINDS = tuple(
    Kind(name, colour, "square") for name, colour in (("given up", GREY), ("in a pair", AMBER), ("alone", BLUE))
)
FIELDS = ("importance", "density")
PALE = 0.45  # opacity of what is given up: the three are told apart without colour too


def phases(
    cells: pd.DataFrame,
    title: str,
    importances: Sequence[float],
    densities: Sequence[float],
    selected: tuple[float, float] | None = None,
    *,
    height: int | None = None,
) -> Chart:
    """What becomes of the extra feature over its importance and the density: a square of colour for each cell.

    cells: columns importance, density, phase (a name of PHASE_KINDS), differs (bool: marked with a cross), told (for
    the tooltip) and seed, which a click picks too. importances, densities: of all cells, trained or not. selected:
    (importance, density) of the cell with a frame. height: in pixels, where no stage gives it its room.
    """
    known = {(each["importance"], each["density"]): each for each in cells.to_dict("records")}
    chosen = [dict(zip(FIELDS, selected, strict=True))] if selected else []
    data = {
        "cells": filled(pd.DataFrame([_cell(i, d, known.get((i, d))) for d in densities for i in importances])),
        "selected": filled(records(chosen, *FIELDS)),
        "across": pd.DataFrame({"value": np.sort(importances)}),
        "up": pd.DataFrame({"value": np.sort(densities)}),
        "meta": meta(title=title),
    }
    counts = cells["phase"].value_counts()
    said = ", ".join(f"{kind.name} in {counts.get(kind.name, 0)} cells" for kind in PHASE_KINDS)
    return stands_alone(Chart(_phases(), data, f"{title}: {said}."), height)


def _cell(importance: float, density: float, trained: dict[Any, Any] | None) -> dict[str, Any]:
    """One cell, trained or not."""
    there = trained or {"phase": "", "differs": False, "told": "not trained yet", "seed": None}
    return {
        "importance": importance,
        "density": density,
        **{name: there[name] for name in ("phase", "differs", "seed")},
        "trained": trained is not None,
        "told": f"importance {importance:.3g}, 1 − S = {density:.3g}: {there['told']}",
        "kin": f"importance={importance:g} density={density:g}",
    }


def _axis(title: str) -> dict[str, Any]:
    return {
        "title": title,
        "ticks": False,
        "domain": False,
        "labelAngle": 0,
        "labelOverlap": True,
        "labelExpr": "format(datum.value, '.2~g')",
        "labelFontSize": 11,
        "titleFontSize": 11,
    }


def _side(field: str, data_set: str, axis: dict[str, Any]) -> dict[str, Any]:
    """A side whose places are the values of a data set, in its order: new ones need no new specification."""
    scale = {"domain": {"expr": f"pluck(data('{data_set}'), 'value')"}, "padding": 0.04}
    return {"field": field, "type": "ordinal", "axis": axis, "scale": scale}


@cache
def _phases() -> dict[str, Any]:
    x = _side("importance", "across", _axis("importance I"))
    y = _side("density", "up", _axis("1 − S (sparser upwards)"))
    colour = {
        "field": "phase",
        "type": "nominal",
        "scale": {"domain": [kind.name for kind in PHASE_KINDS], "range": [kind.colour for kind in PHASE_KINDS]},
        "legend": None,
    }
    cells: dict[str, Any] = {"data": {"name": "cells"}}
    outline = {"type": "rect", "fillOpacity": 0, "stroke": VERMILLION, "tooltip": None}
    layers = [
        {
            **cells,
            "transform": [{"filter": "!datum.trained"}],
            "mark": {"type": "rect", "fill": GREY, "fillOpacity": 0.06, "stroke": GREY, "strokeOpacity": 0.6,
                     "strokeDash": [2, 3], "tooltip": None},
            "encoding": {"x": x, "y": y},
        },
        {
            **cells,
            "transform": [{"filter": "datum.trained"}],
            "mark": {"type": "rect", "tooltip": None, "opacity": {"expr": f"datum.phase == 'given up' ? {PALE} : 1"}},
            "encoding": {"x": x, "y": y, "color": colour},
        },
        {
            **cells,
            "transform": [{"filter": "datum.differs"}],
            "mark": {"type": "point", "shape": "cross", "angle": 45, "size": 50, "filled": True, "color": "black",
                     "stroke": "white", "strokeWidth": 0.6, "opacity": 1, "tooltip": None},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"name": "selected"},
            "transform": [{"filter": "isValid(datum.importance)"}],
            "mark": {**outline, "strokeWidth": 3},
            "encoding": {"x": x, "y": y},
        },
        {
            **cells,
            "transform": [{"filter": POINTED_AT}],
            "mark": {**outline, "strokeWidth": 2},
            "encoding": {"x": x, "y": y},
        },
        *legend(PHASE_KINDS),
        {
            **cells,
            **targets("importance", "density", "seed", linked=True, nearest=False),
            "mark": {"type": "rect", "opacity": 0},
            "encoding": {"x": x, "y": y, "tooltip": {"field": "told", "type": "nominal"}},
        },
    ]  # fmt: skip
    return {
        "$schema": SCHEMA,
        "title": heading(6),
        "params": pointed_in(True),
        "layer": [*unseen("meta", "across", "up"), *layers],
        **LIVELY,
    }
