"""Small portraits of networks side by side: how their features overlap, how long they are, and what shares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz import metrics
from toyviz.charts.chart import AMBER, BLUE, GREEN, GREY, VERMILLION, Chart, filled, records, stacked
from toyviz.charts.clock import LOOKED_AT, POINTED_AT, brightness, kin_of, targets
from toyviz.charts.layers import META, computed, grey, heading, layer, mark, meta, nominal, quantity, specification
from toyviz.charts.panels import ramp, row_names

DRAWN = 40  # features in a portrait, at most: the longest columns
SEEN = 0.02  # an overlap smaller than this in size is not drawn: it would not be seen
OVERLAP = 1.0  # the end of the colours of overlaps and biases, either way
SHARED = 2.0  # the end of the colours of superposition: 0 is alone, 1 a pair, 2 and more a crowd
TALLEST = 1.3  # of a bar: longer columns are drawn as long as this
BARS, HIGHER = 0.42, 0.9  # of the side of the overlaps: how high bars are at least, and where there is room
PLANE = 1.0  # and how high the plane is
LINES = 4  # of portraits in a row, at most
SHARES = (BLUE, GREEN, AMBER)  # of superposition, from 0 to SHARED: no black, which is lost on a dark page


class Portrait(NamedTuple):
    """One network: its label, its row if there are several, its weights, and the fields that a click on it may pick.

    Without W1 it is not trained yet: an empty frame.
    """

    label: str
    about: Mapping[str, Any]
    W1: np.ndarray | None = None  # (m, n)
    b2: np.ndarray | None = None  # (n,)
    told: str = ""  # more in the tooltip
    row: str = ""


def portraits(
    panels: Sequence[Portrait],
    title: str,
    *,
    rows: Sequence[str] = (),
    selected: Mapping[str, Any] | None = None,
    planes: bool = False,
    groups: int = 0,
    pick: Sequence[str] = ("density", "seed"),
) -> Chart:
    """W1'W1 with b2 at its right, and below it the lengths of the columns of W1; in reading order, or in rows.

    Where a row has too many, all rows go on below: what belongs together stays one above the other.

    Overlaps and biases are blue where negative, orange where positive, on one scale from -OVERLAP to OVERLAP. A bar is
    coloured by the superposition of its feature, from 0 to SHARED; the dashed line stands after feature m. planes: the
    columns are drawn in the plane too, for m = 2, on one scale. At most DRAWN features are drawn: those that are
    longest in any network. groups: of so many features, with an outline. selected: fields of about, of the
    portraits that are looked into. pick: fields of about that a click picks.
    """
    chosen = _drawn(panels)
    drawn = _parts(panels, rows, chosen, selected or {}, planes)
    m, n = next((panel.W1.shape for panel in panels if panel.W1 is not None), (1, 1))
    names = [{"line": j, "fold": k, "name": name} for k in range(LINES) for j, name in enumerate(rows or ("",))]
    data = {
        **drawn,
        "rows": pd.DataFrame(names),
        "meta": meta(
            title=title,
            count=int(drawn["frames"]["place"].max()) + 1 if panels else 1,
            lines=len(rows),
            n=max(len(chosen), 1),
            after=int((chosen < m).sum()) if m < n else -1,
        ),
    }
    if groups:
        data["groups"] = filled(_grouped(drawn["frames"], chosen, groups))
    return Chart(_portraits(tuple(pick), planes, bool(groups)), data, _said(title, panels), square=True)


def _parts(
    panels: Sequence[Portrait], rows: Sequence[str], chosen: np.ndarray, selected: Mapping[str, Any], planes: bool
) -> dict[str, pd.DataFrame]:
    """The data sets of what is drawn of each portrait; each row says in which line and at which place in it."""
    names = list(rows) or [""]
    reach = max((float(np.abs(p.W1).max()) for p in panels if p.W1 is not None), default=1.0) or 1.0
    places = dict.fromkeys(names, 0)
    frames, cells, bars, rays = [], [], [], []
    for panel in panels:
        row = panel.row if rows else ""
        at = {"place": places[row], "line": names.index(row)}
        places[row] += 1
        frames.append({**at, **_frame(panel, selected)})
        if panel.W1 is None or panel.b2 is None:
            continue
        W1 = panel.W1.astype(float)
        cells.append(at | _cells(W1[:, chosen], panel.b2[chosen], chosen))
        bars.append(at | _bars(W1, chosen))
        if planes:
            rays.append(at | {"u": W1[0, chosen] / reach, "v": W1[1, chosen] / reach, "kin": _kin(chosen)})
    where = ("place", "line")
    return {
        "frames": filled(pd.DataFrame(frames)) if frames else _nothing(),
        "cells": filled(stacked(cells, *where, "i", "j", "value", "kin")),
        "bars": filled(stacked(bars, *where, "k", "length", "shade", "kin")),
        **({"rays": filled(stacked(rays, *where, "u", "v", "kin"))} if planes else {}),
    }


def _drawn(panels: Sequence[Portrait]) -> np.ndarray:
    """The features that are drawn of every network, in order: all, or the DRAWN that are longest in any of them."""
    lengths = [metrics.norms(panel.W1.T) for panel in panels if panel.W1 is not None] or [np.empty(0)]
    longest: np.ndarray = np.sort(np.argsort(-np.max(lengths, axis=0), kind="stable")[:DRAWN])
    return longest


def _frame(panel: Portrait, selected: Mapping[str, Any]) -> dict[str, Any]:
    """What stands around a portrait, and what pointing at it and clicking it say."""
    there = panel.W1 is not None
    stored = int((metrics.norms(panel.W1.T) > metrics.REPRESENTED).sum()) if panel.W1 is not None else 0
    told = f"{panel.row + ', ' if panel.row else ''}{panel.label}: "
    told += f"{stored} features stored{', ' if panel.told else ''}{panel.told}" if there else "not trained yet"
    return {
        "label": panel.label,
        "stored": f"{stored} stored" if there else "",
        "told": told,
        "trained": there,
        "selected": bool(selected) and all(panel.about.get(name) == value for name, value in selected.items()),
        "kin": " ".join(kin_of(name, value) for name, value in panel.about.items() if name != "seed"),
        **panel.about,
    }


def _nothing() -> pd.DataFrame:
    frame = records([], "place", "line", "label", "stored", "told", "trained", "selected", "kin")
    return filled(frame).assign(trained=False, selected=False, label="", stored="", told="")


def _cells(W1: np.ndarray, b2: np.ndarray, chosen: np.ndarray) -> dict[str, Any]:
    """The overlaps that can be seen, and beside them, in column n, the biases. W1: (m, n)."""
    values = np.concatenate([W1.T @ W1, b2[:, None]], axis=1)  # (n, n + 1)
    i, j = np.nonzero(np.abs(values) >= SEEN)
    names = [*map(str, chosen), ""]
    kin = np.array([f",{chosen[a]},{names[b]}," for a, b in zip(i, j, strict=True)], dtype=object)
    return {"i": i, "j": j, "value": np.clip(values[i, j], -OVERLAP, OVERLAP), "kin": kin}


def _bars(W1: np.ndarray, chosen: np.ndarray) -> dict[str, Any]:
    """The length of each column, and its superposition among all of them. W1: (m, n)."""
    return {
        "k": np.arange(len(chosen)),
        "length": np.minimum(metrics.norms(W1.T)[chosen], TALLEST),
        "shade": np.minimum(metrics.superposition(W1.T)[chosen], SHARED),
        "kin": _kin(chosen),
    }


def _grouped(frames: pd.DataFrame, chosen: np.ndarray, size: int) -> pd.DataFrame:
    """Of each portrait, trained or not, the place of every group's first feature that is drawn, and how many are."""
    _, first, many = np.unique(chosen // size, return_index=True, return_counts=True)
    return frames[["place", "line"]].merge(pd.DataFrame({"first": first, "many": many}), how="cross")


def _kin(chosen: np.ndarray) -> np.ndarray:
    return np.array([f",{feature}," for feature in chosen], dtype=object)


def _said(title: str, panels: Sequence[Portrait]) -> str:
    there = [panel for panel in panels if panel.W1 is not None]
    if not there:
        return f"{title}: no network yet."
    stored = [int((metrics.norms(panel.W1.T) > metrics.REPRESENTED).sum()) for panel in there if panel.W1 is not None]
    each = (f"{panel.row + ' ' if panel.row else ''}{panel.label} {k}" for panel, k in zip(there, stored, strict=True))
    return f"{title}: {len(there)} networks; columns longer than {metrics.REPRESENTED}: {', '.join(each)}."


# Pixels.
HEAD, FOOT, GAP = 20, 6, 12  # above a portrait, for its label; below it; between two


def _params(planes: bool) -> list[dict[str, Any]]:
    """How large a portrait is: as large as the room allows, in as many lines a row as make it so.

    What is left of the height makes bars higher.
    """
    plane = PLANE if planes else 0.0

    def side(folds: str) -> str:
        across, lines = f"ceil(count / {folds})", f"(rows * {folds})"
        wide, tall = f"(n + 1.6) / n / (width - left - {GAP} * {across}) * {across}", f"{1 + BARS + plane}"
        return f"min(1 / ({wide}), (height / {lines} - {HEAD + FOOT}) / {tall})"

    sides = ", ".join(side(str(k)) for k in range(1, LINES + 1))
    best = f"max({', '.join(f'sides[{k}]' for k in range(LINES))})"
    return [
        LOOKED_AT,
        {"name": "count", "expr": f"{META}.count"},
        {"name": "rows", "expr": f"max(1, {META}.lines)"},
        {"name": "n", "expr": f"{META}.n"},
        {"name": "left", "expr": f"{META}.lines ? 18 : 0"},
        {"name": "sides", "expr": f"[{sides}]"},
        {"name": "folds", "expr": f"indexof(sides, {best}) + 1"},
        {"name": "across", "expr": "ceil(count / folds)"},
        {"name": "side", "expr": "max(4, sides[folds - 1])"},
        {"name": "wide", "expr": "side * (n + 1.6) / n"},  # overlaps, a gap, the bias
        {"name": "cell", "expr": "side / n"},
        {"name": "slot", "expr": "(width - left) / across"},
        {"name": "room", "expr": "height / (rows * folds)"},
        {
            "name": "bars",
            "expr": f"clamp(room - {HEAD + FOOT + 8} - side * {1 + plane}, side * {BARS}, side * {HIGHER})",
        },
        {"name": "tall", "expr": f"side * {1 + plane} + bars"},
        {"name": "step", "expr": f"min(room, tall + {HEAD + FOOT + 24})"},
    ]


FAINT = 0.15  # opacity of what the pointer is not on
COLUMN, LINE = "(datum.place % across)", "(floor(datum.place / across) * rows + datum.line)"
X0 = f"(left + ({COLUMN} + 0.5) * slot - wide / 2)"
Y0 = f"({LINE} * step + {HEAD})"
BARS_FOOT = f"({Y0} + side + bars)"  # where bars stand
BARS_TOP = f"({BARS_FOOT} - bars + 5)"  # of the longest
PORTRAIT_MIDDLE = computed(x=f"{X0} + wide / 2", y=f"{Y0} + (tall - {HEAD - FOOT}) / 2")


@cache
def _portraits(fields: tuple[str, ...], planes: bool, groups: bool) -> dict[str, Any]:
    area = _sized("rect", f"wide + {GAP}", f"tall + {HEAD + FOOT}", opacity=0)
    picks = targets(*fields, linked=True, nearest=False)
    layers = [
        *_frames(),
        row_names(6, "(datum.fold * rows + datum.line + 0.5) * step", "step", "datum.fold < folds"),
        _matrix(),
        *(_group_outlines() if groups else []),
        *_lengths(),
        *(_rays() if planes else []),
        *_legends(),
        layer("frames", area, picks=picks, **PORTRAIT_MIDDLE, tooltip=nominal("told")),
    ]
    return specification(layers, heading(6), _params(planes))


def _sized(kind: str, width: str, height: str, **how: Any) -> dict[str, Any]:
    """A mark of this size in pixels."""
    return mark(kind, width={"expr": width}, height={"expr": height}, **how)


def _frames() -> list[dict[str, Any]]:
    """A quiet ground under what is looked into or pointed at, an outline around overlaps and bias, and the label."""
    fill = {"expr": f"datum.selected ? 0.2 : {POINTED_AT} ? 0.12 : 0"}
    look = {"fill": GREY, "cornerRadius": 4, "strokeOpacity": 0, "fillOpacity": fill}
    ground = _sized("rect", f"min(slot, wide + {GAP - 2})", f"tall + {HEAD + FOOT - 2}", **look)
    dashes = {"expr": "datum.trained ? [1, 0] : [2, 3]"}
    outline = {"filled": False, "stroke": GREY, "strokeOpacity": 0.45, "strokeDash": dashes}
    weight, limit = {"expr": "datum.selected ? 'bold' : 'normal'"}, {"expr": "slot - 2"}
    label = grey("text", fontSize=11, baseline="middle", align="left", limit=limit, fontWeight=weight)
    seen = "wide > 6 * (length(datum.label) + length(datum.stored)) + 8 ? 1 : 0"
    stored = grey("text", baseline="middle", align="right", fontSize=10)
    return [
        layer("frames", ground, **PORTRAIT_MIDDLE),
        *(
            layer("frames", _sized("rect", width, "side", **outline), **computed(x=f"{X0} + {x}", y=f"{Y0} + side / 2"))
            for width, x in (("side", "side / 2"), ("cell", "cell * (n + 1.1)"))
        ),
        layer("frames", label, **computed(x=f"{X0} + 1", y=f"{Y0} - 9"), text=nominal("label")),
        layer("frames", stored, **computed(x=f"{X0} + wide", y=f"{Y0} - 9", opacity=seen), text=nominal("stored")),
    ]


def _matrix() -> dict[str, Any]:
    """Overlaps, and the bias at their right; the nearer to 0, the more the page shows through."""
    fill = {"expr": f"datum.value < 0 ? '{BLUE}' : '{VERMILLION}'"}
    strength = {"expr": f"abs(datum.value) / {OVERLAP} * {brightness(FAINT)}"}
    x, y = f"{X0} + cell * (datum.j + 0.5 + (datum.j == n ? 0.6 : 0))", f"{Y0} + cell * (datum.i + 0.5)"
    cell = _sized("rect", "cell", "cell", fill=fill, fillOpacity=strength)
    return layer("cells", cell, "isValid(datum.value)", **computed(x=x, y=y))


def _group_outlines() -> list[dict[str, Any]]:
    """An outline around the overlaps of each group, on the diagonal."""
    outline = _sized("rect", "cell * datum.many", "cell * datum.many", filled=False, stroke=GREY, strokeOpacity=0.6)
    middle = "cell * (datum.first + datum.many / 2)"
    return [layer("groups", outline, "isValid(datum.first)", **computed(x=f"{X0} + {middle}", y=f"{Y0} + {middle}"))]


def _lengths() -> list[dict[str, Any]]:
    """A bar a feature, coloured by its superposition, and the line after feature m."""
    scale = {"domain": [0, SHARED / 2, SHARED], "range": list(SHARES), "interpolate": "rgb", "clamp": True}
    seen = {"expr": f"{brightness(FAINT)} * (datum.length > 0.1 ? 1 : 0.4)"}
    bar = mark("rule", strokeWidth={"expr": "max(1, 0.84 * cell)"}, opacity=seen)
    at = computed(
        x=f"{X0} + cell * (datum.k + 0.5)", y=BARS_FOOT, y2=f"{BARS_FOOT} - (bars - 5) * datum.length / {TALLEST}"
    )
    rule, after = grey("rule", opacity=0.7), computed(x=f"{X0} + cell * {META}.after", y=BARS_FOOT, y2=BARS_TOP)
    foot = computed(x=X0, y=BARS_FOOT, x2=f"{X0} + side")
    return [
        layer("bars", bar, "isValid(datum.length)", **at, color=quantity("shade", scale=scale, legend=None)),
        layer("frames", rule, "datum.trained", **foot),
        layer("frames", {**rule, "strokeDash": [3, 2]}, "datum.trained", f"{META}.after > 0", **after),
    ]


def _rays() -> list[dict[str, Any]]:
    """The columns of W1 in the plane, as rays from the origin."""
    x, y, half = f"({X0} + side / 2)", f"({BARS_FOOT} + side * {PLANE} / 2 + 3)", f"side * {PLANE} * 0.46"
    x2, y2, there = f"{x} + datum.u * {half}", f"{y} - datum.v * {half}", "isValid(datum.u)"
    seen = {"expr": brightness(0.1)}
    line = mark("rule", color=BLUE, strokeWidth=1.2, opacity=seen)
    return [
        layer("rays", line, there, **computed(x=x, y=y, x2=x2, y2=y2)),
        layer("rays", mark("point", filled=True, color=BLUE, size=16, opacity=seen), there, **computed(x=x2, y=y2)),
    ]


def _legends() -> list[dict[str, Any]]:
    """Both scales with their ends, in one line above the portraits."""
    return [
        *_legend(0, "overlap and bias", f"−{OVERLAP:g}", f"{OVERLAP:g}", (BLUE, None, VERMILLION)),
        *_legend(190, "superposition", "0", f"{SHARED:g}+", SHARES),
    ]


def _legend(left: int, name: str, low: str, high: str, colours: Sequence[str | None]) -> list[dict[str, Any]]:
    shrink = "min(1, width / 400)"
    start = left + 5.2 * len(name) + 6 + 6 * len(low)

    def words(x: float, text: str) -> dict[str, Any]:
        written = grey("text", fontSize={"expr": f"max(8, 11 * {shrink})"}, align="left", baseline="middle", text=text)
        return layer("meta", written, **computed(x=f"{x:.0f} * {shrink}", y="-9"))

    ends = computed(x=f"{start + 3:.0f} * {shrink}", y="-9", x2=f"{start + 43:.0f} * {shrink}")
    bar = layer("meta", mark("rect", color=ramp(colours), height=9), **ends)
    return [words(left, f"{name} {low}"), bar, words(start + 47, high)]
