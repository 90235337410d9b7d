"""Which of a few things becomes of a network over two of its settings, as coloured cells."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from toyviz.charts.chart import AMBER, BLUE, GREY, VERMILLION, Chart, filled, records
from toyviz.charts.clock import POINTED_AT, pointed_in, targets
from toyviz.charts.layers import Kind, by, heading, in_order_of, layer, legend, mark, meta, nominal, specification

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
) -> Chart:
    """What becomes of the extra feature over its importance and the density: a square of colour for each cell.

    cells: columns importance, density, phase (a name of PHASE_KINDS), differs (bool: marked with a cross), told (for
    the tooltip) and seed, which a click picks too. importances, densities: of all cells, trained or not. selected:
    (importance, density) of the cell with a frame.
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
    return Chart(_phases(), data, f"{title}: {said}.")


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


def _side(field: str, title: str, data: str) -> dict[str, Any]:
    axis = {
        "title": title,
        "ticks": False,
        "domain": False,
        "labelAngle": 0,
        "labelOverlap": True,
        "labelExpr": "format(datum.value, '.2~g')",
        "labelFontSize": 11,
        "titleFontSize": 11,
    }
    return {"field": field, "type": "ordinal", "axis": axis, "scale": in_order_of(data, padding=0.04)}


@cache
def _phases() -> dict[str, Any]:
    at = {
        "x": _side("importance", "importance I", "across"),
        "y": _side("density", "1 − S (sparser upwards)", "up"),
    }
    colour = by("phase", [kind.name for kind in PHASE_KINDS], [kind.colour for kind in PHASE_KINDS])
    missing = mark("rect", fill=GREY, fillOpacity=0.06, stroke=GREY, strokeOpacity=0.6, strokeDash=[2, 3])
    cell = mark("rect", opacity={"expr": f"datum.phase == 'given up' ? {PALE} : 1"})
    edge = {"color": "black", "stroke": "white", "strokeWidth": 0.6}
    cross = mark("point", shape="cross", angle=45, size=50, filled=True, opacity=1, **edge)
    outline = mark("rect", fillOpacity=0, stroke=VERMILLION)
    picks = targets("importance", "density", "seed", linked=True, nearest=False)
    layers = [
        layer("cells", missing, "!datum.trained", **at),
        layer("cells", cell, "datum.trained", **at, color=colour),
        layer("cells", cross, "datum.differs", **at),
        layer("selected", {**outline, "strokeWidth": 3}, "isValid(datum.importance)", **at),
        layer("cells", {**outline, "strokeWidth": 2}, POINTED_AT, **at),
        *legend(PHASE_KINDS),
        layer("cells", mark("rect", opacity=0), picks=picks, **at, tooltip=nominal("told")),
    ]
    return specification(layers, heading(6), pointed_in(True), "across", "up")
