"""Losses as lines: over the steps, on the clock of the page, and over T, a line for each of a few rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from toyviz.charts.chart import BLUE, GREY, PURPLE, VERMILLION, Chart
from toyviz.charts.clock import (
    CLOCK,
    LIVELY,
    NOW,
    POSITIONS,
    SCHEMA,
    meta,
    pointed_in,
    position_of,
    targets,
    unseen,
    width_of,
)
from toyviz.charts.loss import FLOOR
from toyviz.charts.sizes import (
    CENTRE,
    COLUMNS,
    LABELS,
    TOP,
    baseline_rules,
    close_rules,
    filled,
    kin_of,
    labelled,
    pointed_column,
    selected_column,
    short,
    size_labels,
    x_of_places,
)
from toyviz.charts.ticks import PLAIN, log_axis, log_range

COLOURS = (VERMILLION, BLUE, PURPLE, GREY)  # of the first curve, the second, ...
SHAPES = ("circle", "square", "triangle-up", "diamond")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])


def clock_curve(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], frame_steps: np.ndarray, total: int, title: str = "Loss"
) -> Chart:
    """The training loss over the steps, with a mark at the frame now; a click or a drag moves the clock there.

    curves: name -> steps, losses, (k,) each; one alone needs no name: {"": ...}. At most as many as there are COLOURS.
    frame_steps: (f,) int, ascending. total: steps of the whole training, which the axis spans from the start on. Step
    0 is drawn at 1, since the axis is logarithmic; losses that are not positive are left out.
    """
    if len(curves) > len(COLOURS):
        raise ValueError(f"curves has {len(curves)} names; at most {len(COLOURS)} can be told apart")
    if len(frame_steps) > POSITIONS:
        raise ValueError(f"frame_steps has {len(frame_steps)} frames; a clock shows at most {POSITIONS}")
    at = np.maximum(np.asarray(frame_steps, dtype=int), 1)
    drawn = [_drawn(steps, losses) for steps, losses in curves.values()]
    seen = np.concatenate([np.empty(0), *(losses for _, losses in drawn)])
    low, high, ticks = log_range(float(seen.min()), float(seen.max())) if len(seen) else (0.1, 1.0, np.array([0.1, 1]))
    values = [np.interp(np.log(at), np.log(steps), losses) for steps, losses in drawn if len(steps)]
    lines = [line for line, (steps, _) in enumerate(drawn) if len(steps)]
    frame, frames = np.arange(len(at)), len(at)
    dots = [
        pd.DataFrame({"frame": frame, "line": line, "step": at, "loss": loss})
        for line, loss in zip(lines, values, strict=True)
    ]
    parts = [pd.DataFrame({"line": line, "step": s, "loss": v}) for line, (s, v) in enumerate(drawn) if len(s)]
    nothing = pd.DataFrame({"frame": [0], "line": [0], "step": [1.0], "loss": [np.nan]})
    first = values[0] if values else np.full(frames, np.nan)
    told = [f"step {s:,}" + (f": {v:.4g}" if np.isfinite(v) else "") for s, v in zip(frame_steps, first, strict=True)]
    data = {
        "curve": pd.concat(parts, ignore_index=True) if parts else nothing,
        "dots": pd.concat(dots, ignore_index=True) if dots else nothing,
        "frames": pd.DataFrame(
            {"frame": frame, "position": [position_of(f, frames) for f in range(frames)], "step": at, "told": told}
        ),
        "names": _names(list(curves)),
        "ticks": pd.DataFrame({"value": ticks}),
        "meta": meta(
            title=f"{title} over the training steps",
            last=frames - 1,
            total=max(total, 2),
            low=low,
            high=high,
            wide=_wide(list(curves)),
        ),
    }
    ends = [
        f"{f'{name}: ' if name else ''}{losses[0]:.3g} at first, {losses[-1]:.3g} at last"
        for name, (_, losses) in zip(curves, drawn, strict=True)
        if len(losses)
    ]
    return Chart(_clock_curve(), data, f"{title} over the training steps. {'; '.join(ends) or 'No steps yet'}.")


def lines_over_sizes(
    rows: pd.DataFrame,
    lines: Sequence[str],
    sizes: Sequence[int],
    what: str = "Test loss",
    baselines: Mapping[str, float] | None = None,
    *,
    selected: int | None = None,
    ends: tuple[float, float] = (FLOOR, TOP),
    linked: bool = False,
) -> Chart:
    """A loss over T with a line for each of a few rules: the mean over seeds, and a faint point a seed.

    rows: columns n_samples, line, seed, loss. lines: the names, in order, at most as many as there are COLOURS. sizes:
    every T of the sweep, trained or not. baselines: loss by name. ends: of the axis, which only a higher loss moves;
    what is lower is drawn at the lower end. linked: whether the page has a clock, so that pointing at a T marks it in
    every chart. Clicking picks n_samples and line.
    """
    if len(lines) > len(COLOURS):
        raise ValueError(f"lines has {len(lines)} names; at most {len(COLOURS)} can be told apart")
    sizes = sorted({*sizes})
    rows = rows[rows["n_samples"].isin(sizes) & rows["line"].isin(lines) & np.isfinite(rows["loss"].astype(float))]
    low, high = ends[0], max(ends[1], 1.1 * float(rows["loss"].max()) if len(rows) else 0.0)
    start, end, ticks = log_range(low, high)
    number = {name: k for k, name in enumerate(lines)}
    points = pd.DataFrame(
        {
            "place": rows["n_samples"].map({T: k for k, T in enumerate(sizes)}).astype(float),
            "line": rows["line"].map(number).astype(float),
            "name": rows["line"],
            "n_samples": rows["n_samples"],
            "seed": rows["seed"],
            "loss": rows["loss"].astype(float).clip(lower=start),
        }
    )
    mean = rows.groupby(["line", "n_samples"], as_index=False)["loss"].mean()
    told = [f"{name}, T = {T:,}: {loss:.4g}" for name, T, loss in mean.itertuples(index=False)]
    place = {T: k for k, T in enumerate(sizes)}
    drawn = pd.DataFrame(
        {
            "place": mean["n_samples"].map(place).astype(float),
            "line": mean["line"].map(number).astype(float),
            "name": mean["line"],
            "n_samples": mean["n_samples"],
            "loss": mean["loss"].astype(float).clip(lower=start),
            "told": told,
            "kin": mean["n_samples"].map(kin_of).astype(object),
        }
    )
    drawn = drawn.sort_values(["line", "place"]).reset_index(drop=True)
    data = {
        "points": filled(points),
        "mean": filled(drawn),
        "targets": filled(drawn.rename(columns={"line": "number", "name": "line"})),
        "baselines": filled(close_rules(baselines or {})),
        "names": _names(lines),
        "sizes": filled(labelled(sizes)),
        "ticks": pd.DataFrame({"value": ticks}),
        "meta": meta(
            title=f"{what} over the number of training samples T",
            small=f"{what} over T",
            count=max(len(sizes), 1),
            selected=sizes.index(selected) if selected in sizes else -99,
            longest=max((len(short(T)) for T in sizes), default=1),
            low=start,
            high=end,
            wide=_wide(lines),
        ),
    }
    said = [
        f"{name} from {part.iloc[0]:.3g} to {part.iloc[-1]:.3g}"
        for name, part in mean.groupby("line", sort=False)["loss"]
    ]
    return Chart(_lines_over_sizes(linked), data, f"{what} over T: {', '.join(said) or 'nothing is trained yet'}.")


def _names(names: Sequence[str]) -> pd.DataFrame:
    """The names of lines in one row above the plot, and where each begins."""
    widths = [width_of(name) + 10 for name in names]
    left = np.cumsum([0, *widths[:-1]]).astype(float)
    return pd.DataFrame({"name": list(names), "line": np.arange(float(len(names))), "left": left})


def _wide(names: Sequence[str]) -> float:
    return sum(width_of(name) + 10 for name in names)


def _drawn(steps: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of a curve that a logarithmic chart can show."""
    steps, losses = np.asarray(steps), np.asarray(losses, dtype=float)
    keep = np.isfinite(losses) & (losses > 0) & (steps > 0)
    return steps[keep], losses[keep]


@cache
def _clock_curve() -> dict[str, Any]:
    x = {
        "field": "step",
        "type": "quantitative",
        "title": None,
        "scale": {"type": "log", "nice": False, "domain": {"expr": "[1, data('meta')[0].total]"}},
        "axis": {
            "grid": False,
            "labelExpr": "format(datum.value, '~s')",
            "labelFontSize": 11,
            "values": {"expr": "data('meta')[0].total < 20 ? [1, 2, 5, 10] : [1, 10, 100, 1e3, 1e4, 1e5, 1e6]"},
            "domainColor": GREY,
            "domainOpacity": 0.6,
            "tickColor": GREY,
            "tickSize": 3,
        },
    }
    y = {
        "field": "loss",
        "type": "quantitative",
        "title": None,
        "scale": {"type": "log", "nice": False, "domain": {"expr": "[data('meta')[0].low, data('meta')[0].high]"}},
        "axis": log_axis(minExtent=40, maxExtent=40),
    }
    color, shape, dash = (_by_line(values) for values in (COLOURS, SHAPES, DASHES))
    jump = {
        "name": "jump",
        "select": {
            "type": "point",
            "fields": ["position"],
            "nearest": True,
            "clear": False,
            "on": "[pointerdown, window:pointerup] > pointermove, click",
        },
        "bind": {"element": CLOCK, "event": "input"},
    }
    layers = [
        {
            "data": {"name": "frames"},
            "transform": [{"filter": "datum.frame == frame"}],
            "mark": {"type": "rule", "color": GREY, "opacity": 0.6, "tooltip": None},
            "encoding": {"x": x},
        },
        {
            "data": {"name": "curve"},
            "mark": {"type": "line", "strokeWidth": 2, "tooltip": None},
            "encoding": {"x": x, "y": y, "color": color, "strokeDash": dash},
        },
        {
            "data": {"name": "dots"},
            "transform": [{"filter": "datum.frame == frame"}],
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1, "tooltip": None},
            "encoding": {"x": x, "y": y, "color": color, "shape": shape},
        },
        *_legend(),
        {
            "data": {"name": "frames"},
            "params": [jump],
            "mark": {"type": "point", "opacity": 0, "size": 60},
            "encoding": {
                "x": x,
                "y": {"value": {"expr": "height / 2"}},
                "tooltip": {"field": "told", "type": "nominal"},
            },
        },
    ]
    title = {"text": {"expr": "data('meta')[0].title"}, "anchor": "start", "frame": "group", "fontSize": 13}
    return {
        "$schema": SCHEMA,
        "title": {**title, "offset": 6},
        "params": NOW,
        "layer": [*unseen("meta", "ticks"), *layers],
        **LIVELY,
    }


def _by_line(values: tuple[Any, ...]) -> dict[str, Any]:
    """Each line by its place: what it is called is data."""
    scale = {"domain": list(range(len(values))), "range": list(values)}
    return {"field": "line", "type": "nominal", "scale": scale, "legend": None}


def _legend() -> list[dict[str, Any]]:
    """The names of the lines above the plot, each after a piece of its line; smaller where they would be too long."""
    shrink = "min(1, width / data('meta')[0].wide)"

    def along(gap: int) -> dict[str, Any]:
        return {"value": {"expr": f"(datum.left + {gap}) * {shrink}"}}

    named = {"data": {"name": "names"}, "transform": [{"filter": "datum.name != ''"}]}
    color, shape, dash = (_by_line(values) for values in (COLOURS, SHAPES, DASHES))
    above = {"y": {"value": -8}, "color": color}
    return [
        {
            **named,
            "mark": {"type": "rule", "strokeWidth": 2, "tooltip": None},
            "encoding": {**above, "x": along(0), "x2": along(18), "strokeDash": dash},
        },
        {
            **named,
            "mark": {"type": "point", "filled": True, "size": 42, "opacity": 1, "tooltip": None},
            "encoding": {**above, "x": along(9), "shape": shape},
        },
        {
            **named,
            "mark": {
                "type": "text",
                "align": "left",
                "baseline": "middle",
                "fontWeight": "bold",
                "fontSize": {"expr": f"max(8, 11.5 * {shrink})"},
                "tooltip": None,
            },
            "encoding": {**above, "x": along(23), "text": {"field": "name", "type": "nominal"}},
        },
    ]


@cache
def _lines_over_sizes(linked: bool) -> dict[str, Any]:
    x = x_of_places()
    y = {
        "field": "loss",
        "type": "quantitative",
        "title": None,
        "scale": {
            "type": "log",
            "nice": False,
            "domain": {"expr": "[data('meta')[0].low, data('meta')[0].high]"},
            "range": [{"expr": "curve"}, 0],
        },
        "axis": log_axis(minExtent=44, maxExtent=44)
        | {"labelExpr": f"(datum.value <= data('meta')[0].low ? '≤ ' : '') + ({PLAIN})"},
    }
    color, shape, dash = (_by_line(values) for values in (COLOURS, SHAPES, DASHES))
    layers = [
        selected_column(),
        pointed_column(),
        *baseline_rules(y),
        {
            "data": {"name": "points"},
            "mark": {"type": "point", "filled": True, "size": 14, "opacity": 0.4, "tooltip": None},
            "encoding": {"x": x, "y": y, "color": color, "shape": shape},
        },
        {
            "data": {"name": "mean"},
            "mark": {"type": "line", "strokeWidth": 2.25, "tooltip": None},
            "encoding": {"x": x, "y": y, "color": color, "strokeDash": dash},
        },
        {
            "data": {"name": "mean"},
            "mark": {"type": "point", "filled": True, "opacity": 1, "tooltip": None},
            "encoding": {
                "x": x,
                "y": y,
                "color": color,
                "shape": shape,
                "size": {"value": {"expr": "clamp(column, 16, 48)"}},
            },
        },
        {
            "data": {"name": "meta"},
            "mark": {"type": "rule", "color": GREY, "opacity": 0.6},
            "encoding": {"y": {"value": {"expr": "curve"}}},
        },
        size_labels(f"curve + {LABELS} / 2"),
        *_legend(),
        {
            "data": {"name": "targets"},
            **targets("n_samples", "line", linked=linked),
            "mark": {"type": "point", "opacity": 0, "size": 20},
            "encoding": {"x": {"value": {"expr": CENTRE}}, "y": y, "tooltip": {"field": "told", "type": "nominal"}},
        },
    ]
    title = {"expr": "width < 300 ? data('meta')[0].small : data('meta')[0].title"}
    return {
        "$schema": SCHEMA,
        "title": {"text": title, "anchor": "start", "frame": "group", "fontSize": 13, "offset": 6},
        "params": [*pointed_in(linked), *COLUMNS, {"name": "curve", "expr": f"height - {LABELS}"}],
        "layer": [*unseen("meta", "ticks"), *layers],
        **LIVELY,
    }
