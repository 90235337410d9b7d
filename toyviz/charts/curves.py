"""Losses as lines: over the steps, on the clock of the page, and over T, a line for each of a few rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from toyviz.charts.chart import AMBER, BLUE, GREEN, GREY, PURPLE, VERMILLION, Chart, stands_alone
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
from toyviz.charts.scales import shared_scales
from toyviz.charts.sizes import (
    CENTRE,
    COLUMNS,
    LABELS,
    TOP,
    baseline_rules,
    close_rules,
    filled,
    kin_of,
    pointed_column,
    selected_column,
    short,
    size_labels,
    x_of_places,
)
from toyviz.charts.ticks import PLAIN, linear_range, log_axis, log_range

LINE_COLOURS = (VERMILLION, BLUE, PURPLE, GREY, GREEN, AMBER)  # of the first curve, the second, ...
# And those of as many curves of another chart, which are laid below these.
SHAPES = (
    *("circle", "square", "triangle-up", "diamond", "triangle-down", "cross"),
    *("triangle-left", "triangle-right", "wedge", "arrow", "triangle", "stroke"),
)
DASHES = (
    *([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 2], [1, 3]),
    *([5, 5], [8, 6], [2, 5], [8, 6, 2, 6], [4, 4], [1, 6]),
)
TWICE = (*LINE_COLOURS, *LINE_COLOURS)
NARROW = 250  # pixels: a curve has its short title
BELOW = 0.6  # opacity of what is laid below


def clock_curve(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    frame_steps: np.ndarray,
    total: int,
    title: str = "Loss",
    *,
    share: bool = False,
) -> Chart:
    """The training loss over the steps, with a mark at the frame now; a click or a drag moves the clock there.

    curves: name -> steps, losses, (k,) each; one alone needs no name: {"": ...}. At most as many as LINE_COLOURS.
    frame_steps: (f,) int, ascending. total: steps of the whole training, which the axis spans from the start on. Step
    0 is drawn at 1, since the axis is logarithmic; losses that are not positive are left out. share: what is drawn are
    shares, on an axis from 0 to 1.
    """
    if len(curves) > len(LINE_COLOURS):
        raise ValueError(f"curves has {len(curves)} names; at most {len(LINE_COLOURS)} can be told apart")
    if len(frame_steps) > POSITIONS:
        raise ValueError(f"frame_steps has {len(frame_steps)} frames; a clock shows at most {POSITIONS}")
    at = np.maximum(np.asarray(frame_steps, dtype=int), 1)
    drawn = [_drawn(steps, losses, share) for steps, losses in curves.values()]
    seen = np.concatenate([np.empty(0), *(losses for _, losses in drawn)])
    low, high, ticks = (0.0, 1.0, np.linspace(0, 1, 5)) if share else (0.1, 1.0, np.array([0.1, 1]))
    if len(seen) and not share:
        low, high, ticks = log_range(float(seen.min()), float(seen.max()))
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
            small=title,
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
    return Chart(_clock_curve(share), data, f"{title} over the training steps. {'; '.join(ends) or 'No steps yet'}.")


def is_clock_curve(chart: Chart) -> bool:
    """Whether two of these charts can be laid over each other."""
    return any(chart.spec is _clock_curve(share) for share in (False, True))


def laid_over(a: Chart, b: Chart, names: tuple[str, str] = ("A", "B")) -> Chart:
    """Two charts of clock_curve, of one clock, as one on shared axes: the curves of A dashed below those of B."""
    if len(a.data["frames"]) != len(b.data["frames"]):
        raise ValueError(
            f"the charts have {len(a.data['frames'])} and {len(b.data['frames'])} frames; one clock needs as many"
        )
    a, b = shared_scales(a, b)
    lines: list[tuple[str, int]] = []
    for name, chart, first in ((names[0], a, len(LINE_COLOURS)), (names[1], b, 0)):
        lines += [(f"{name} {line}".strip(), first + k) for k, line in enumerate(chart.data["names"]["name"])]
    told = [
        f"{names[1]}, {of_b}; {names[0]}, {of_a}"
        for of_a, of_b in zip(a.data["frames"]["told"], b.data["frames"]["told"], strict=True)
    ]
    both = {
        name: pd.concat(
            [a.data[name].assign(line=a.data[name]["line"] + len(LINE_COLOURS)), b.data[name]], ignore_index=True
        )
        for name in ("curve", "dots")
    }
    data = {
        **b.data,
        **both,
        "frames": b.data["frames"].assign(told=told),
        "names": _names([name for name, _ in lines]).assign(line=[float(line) for _, line in lines]),
        "meta": b.data["meta"].assign(wide=_wide([name for name, _ in lines])),
    }
    return Chart(b.spec, data, f"{names[0]}: {a.alt} {names[1]}: {b.alt}")


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
    """A loss over T with a line for each of a few rules: lines_over with the axis that all losses over T share.

    rows: columns n_samples, line, seed, loss. ends: of the axis, which only a higher loss moves; what is lower is drawn
    at the lower end.
    """
    return lines_over(
        rows.rename(columns={"loss": "value"}),
        "n_samples",
        "training samples T",
        lines,
        sizes,
        what,
        rules=baselines or {},
        selected=selected,
        linked=linked,
        logarithmic_y=True,
        low=ends[0],
        high=ends[1],
    )


def lines_over(
    rows: pd.DataFrame,
    x: str,
    x_title: str,
    lines: Sequence[Any] | Mapping[Any, str],
    values: Sequence[float],
    y_title: str,
    *,
    rules: Mapping[str, float] | None = None,
    selected: float | None = None,
    linked: bool = True,
    reverse: bool = False,
    logarithmic_y: bool = False,
    low: float | None = None,
    high: float | None = None,
    share: bool = False,
    median: bool = False,
    colours: Sequence[str] = LINE_COLOURS,
    against: pd.DataFrame | None = None,
    against_name: str = "",
    height: int | None = None,
) -> Chart:
    """A number of each network over a swept field, a line for each of a few rules: the mean, and a faint point a seed.

    rows: columns x, line, seed, value. x: the field; each of its values has a column, evenly spaced. lines: what stands
    in the column line, in order, with their names, at most as many as there are colours. values: every x of the sweep,
    trained or not. rules: heights by name. reverse: the highest x at the left. logarithmic_y: of the axis of the value.
    low, high: its ends, which only values beyond them move; on a logarithmic axis what is lower is drawn at the lower
    end. share: values are told in percent, on an axis from 0 to 1 where no ends are given. linked: whether the page has
    a clock, so that pointing at an x marks it in every chart. against: columns x, line, value: what a line is held
    against, dashed and thin, under one name. height: in pixels, where no stage gives it its room. Clicking picks x,
    line and seed.
    """
    named = dict(lines) if isinstance(lines, Mapping) else {line: str(line) for line in lines}
    if len(named) > len(colours):
        raise ValueError(f"lines has {len(named)} names; at most {len(colours)} can be told apart")
    values = sorted({*values}, reverse=reverse)
    place = {value: k for k, value in enumerate(values)}
    rows = rows[rows[x].isin(values) & rows["line"].isin(list(named)) & np.isfinite(rows["value"].astype(float))]
    held = rows[:0] if against is None else against[against[x].isin(values) & against["line"].isin(list(named))]
    every = [*rows["value"].astype(float), *held["value"].astype(float), *(rules or {}).values()]
    start, end, ticks = _axis(every, low, high, logarithmic_y, share)
    number = {line: k for k, line in enumerate(named)}

    def at(drawn: pd.DataFrame) -> pd.DataFrame:
        shown = drawn["value"].astype(float)
        return pd.DataFrame(
            {
                "place": drawn[x].map(place).astype(float),
                "number": drawn["line"].map(number).astype(float),
                "line": drawn["line"],
                x: drawn[x],
                "value": shown.clip(lower=start) if logarithmic_y else shown,
            }
        )

    mean = rows.groupby(["line", x], as_index=False)["value"].agg("median" if median else "mean")
    drawn = at(mean).sort_values(["number", "place"]).reset_index(drop=True)
    form, told_x = (".1%" if share else ".4g"), x_title[:1].lower() + x_title[1:]
    told = [
        f"{named[line]}, {told_x} {value:,.6g}, seed {seed}: {y:{form}}"
        for line, value, seed, y in zip(rows["line"], rows[x], rows["seed"], rows["value"], strict=True)
    ]
    points = at(rows).assign(
        seed=rows["seed"], told=np.array(told, dtype=object), kin=[_kin(x, value) for value in rows[x]]
    )
    data = {
        "points": filled(points.reset_index(drop=True)),
        "mean": filled(drawn),
        "against": filled(at(held).sort_values(["number", "place"]).reset_index(drop=True)),
        "baselines": filled(close_rules(rules or {}) if logarithmic_y else _rules(rules or {})),
        "names": _names(list(named.values())),
        "sizes": filled(_columns(x, values)),
        "ticks": pd.DataFrame({"value": ticks}),
        "meta": meta(
            title=f"{y_title} over {'the number of ' if x == 'n_samples' else ''}{x_title}",
            small=f"{y_title} over {x_title.split()[-1] if x == 'n_samples' else x_title}",
            count=max(len(values), 1),
            selected=values.index(selected) if selected in values else -99,
            longest=max((len(short(value)) for value in values), default=1),
            low=start,
            high=end,
            wide=_wide([*named.values(), against_name]),
            against=against_name,
            left=_wide(list(named.values())),
        ),
    }
    said = [
        f"{named[line]} from {part.iloc[0]:.3g} to {part.iloc[-1]:.3g}"
        for line, part in drawn.groupby("line", sort=False)["value"]
    ]
    spec = _lines_over(x, linked, logarithmic_y, share, tuple(colours))
    told_all = f"{y_title} over {x_title}: {', '.join(said) or 'nothing is trained yet'}."
    return stands_alone(Chart(spec, data, told_all), height)


def _kin(x: str, value: float) -> str:
    """What the pointer is on where it is on this value, as other charts over the same field say it."""
    return kin_of(int(value)) if x == "n_samples" else f"{x}={value:g}"


def _columns(x: str, values: Sequence[float]) -> pd.DataFrame:
    """The columns: each with its place, its label, and what pointing at it tells other charts."""
    rows = [{"place": k, "label": short(value), "kin": _kin(x, value)} for k, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["place", "label", "kin"])


def _rules(rules: Mapping[str, float]) -> pd.DataFrame:
    """Rules as baseline_rules draws them."""
    rows = [{"loss": value, "label": name, "under": value} for name, value in rules.items()]
    return pd.DataFrame(rows, columns=["loss", "label", "under"])


def _axis(
    every: Sequence[float], low: float | None, high: float | None, logarithmic: bool, share: bool
) -> tuple[float, float, np.ndarray]:
    """Both ends of an axis that holds every one of these, and its ticks."""
    if logarithmic:
        positive = [value for value in every if value > 0]
        least = min(positive, default=0.1) if low is None else low
        return log_range(least, max([*([high] if high else []), 1.1 * max(positive, default=least), least]))
    least = min([0.0 if low is None else low, *every])
    most = max([least if high is None and not share else 1.0 if high is None else high, *every])
    return linear_range(least, most if most > least else least + 1)


def _names(names: Sequence[str]) -> pd.DataFrame:
    """The names of lines in one row above the plot, and where each begins."""
    widths = [width_of(name) + 10 for name in names]
    left = np.cumsum([0, *widths[:-1]]).astype(float)
    room = np.array(widths, dtype=float) - 26
    return pd.DataFrame({"name": list(names), "line": np.arange(float(len(names))), "left": left, "room": room})


def _wide(names: Sequence[str]) -> float:
    return sum(width_of(name) + 10 for name in names)


def _drawn(steps: np.ndarray, losses: np.ndarray, share: bool) -> tuple[np.ndarray, np.ndarray]:
    """The part of a curve that its chart can show: a logarithmic axis has nothing at 0."""
    steps, losses = np.asarray(steps), np.asarray(losses, dtype=float)
    keep = np.isfinite(losses) & ((losses > 0) | share) & (steps > 0)
    return steps[keep], losses[keep]


@cache
def _clock_curve(share: bool) -> dict[str, Any]:
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
        "scale": {
            "type": "linear" if share else "log",
            "nice": False,
            "domain": {"expr": "[data('meta')[0].low, data('meta')[0].high]"},
        },
        "axis": log_axis(minExtent=40, maxExtent=40, **({"labelExpr": "format(datum.value, '.0%')"} if share else {})),
    }
    color, shape, dash = (_by_line(values) for values in (TWICE, SHAPES, DASHES))
    below = _by_line([1] * len(LINE_COLOURS) + [BELOW] * len(LINE_COLOURS)) | {"type": "ordinal"}
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
            "encoding": {"x": x, "y": y, "color": color, "strokeDash": dash, "opacity": below},
        },
        {
            "data": {"name": "dots"},
            "transform": [{"filter": "datum.frame == frame"}],
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1, "tooltip": None},
            "encoding": {"x": x, "y": y, "color": color, "shape": shape},
        },
        *_legend(TWICE),
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
    text = {"expr": f"data('meta')[0][width < {NARROW} ? 'small' : 'title']"}
    title = {"text": text, "anchor": "start", "frame": "group", "fontSize": 13}
    return {
        "$schema": SCHEMA,
        "title": {**title, "offset": 6},
        "params": NOW,
        "layer": [*unseen("meta", "ticks"), *layers],
        **LIVELY,
    }


def _by_line(values: Sequence[Any], field: str = "line") -> dict[str, Any]:
    """Each line by its place: what it is called is data."""
    scale = {"domain": list(range(len(values))), "range": list(values)}
    return {"field": field, "type": "nominal", "scale": scale, "legend": None}


def _legend(colours: Sequence[str] = LINE_COLOURS) -> list[dict[str, Any]]:
    """The names of the lines above the plot, each after a piece of its line; smaller where they would be too long."""
    shrink = "min(1, width / data('meta')[0].wide)"

    def along(gap: int) -> dict[str, Any]:
        return {"value": {"expr": f"(datum.left + {gap}) * {shrink}"}}

    named = {"data": {"name": "names"}, "transform": [{"filter": "datum.name != ''"}]}
    color, shape, dash = (_by_line(values) for values in (colours, SHAPES[: len(colours)], DASHES[: len(colours)]))
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
                "limit": {"expr": f"datum.room * {shrink}"},
                "tooltip": None,
            },
            "encoding": {**above, "x": along(23), "text": {"field": "name", "type": "nominal"}},
        },
    ]


def _dashed() -> list[dict[str, Any]]:
    """What the dashed lines are, after the names of the others."""
    shrink = "min(1, width / data('meta')[0].wide)"
    there = {"data": {"name": "meta"}, "transform": [{"filter": "datum.against != ''"}]}

    def along(gap: int) -> dict[str, Any]:
        return {"value": {"expr": f"(datum.left + {gap}) * {shrink}"}}

    text = {"type": "text", "color": GREY, "align": "left", "baseline": "middle", "tooltip": None}
    return [
        {
            **there,
            "mark": {"type": "rule", "color": GREY, "strokeDash": [3, 3], "tooltip": None},
            "encoding": {"x": along(0), "x2": along(18), "y": {"value": -8}},
        },
        {
            **there,
            "mark": {**text, "fontSize": {"expr": f"max(8, 11.5 * {shrink})"}},
            "encoding": {"x": along(23), "y": {"value": -8}, "text": {"field": "against", "type": "nominal"}},
        },
    ]


@cache
def _lines_over(field: str, linked: bool, logarithmic: bool, share: bool, colours: tuple[str, ...]) -> dict[str, Any]:
    x = x_of_places()
    below, plain = "datum.value <= data('meta')[0].low", PLAIN if logarithmic else "format(datum.value, '~r')"
    text = "format(datum.value, '~%')" if share else f"({below} ? '≤ ' : '') + ({PLAIN})" if logarithmic else plain
    y = {
        "field": "value",
        "type": "quantitative",
        "title": None,
        "scale": {
            **({"type": "log"} if logarithmic else {"type": "linear", "zero": False}),
            "nice": False,
            "domain": {"expr": "[data('meta')[0].low, data('meta')[0].high]"},
            "range": [{"expr": "curve"}, 0],
        },
        "axis": log_axis(minExtent=44, maxExtent=44) | {"labelExpr": text},
    }
    marks = (colours, SHAPES[: len(colours)], DASHES[: len(colours)])
    color, shape, dash = (_by_line(values, "number") for values in marks)
    layers = [
        selected_column(),
        pointed_column(),
        *baseline_rules(y),
        {
            "data": {"name": "against"},
            "mark": {"type": "line", "strokeWidth": 1.25, "strokeDash": [3, 3], "opacity": 0.8, "tooltip": None},
            "encoding": {"x": x, "y": y, "color": color},
        },
        {
            "data": {"name": "against"},
            "mark": {"type": "point", "filled": False, "size": 22, "opacity": 0.8, "tooltip": None},
            "encoding": {"x": x, "y": y, "color": color, "shape": shape},
        },
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
        *_legend(colours),
        *_dashed(),
        {
            "data": {"name": "points"},
            **targets(field, "line", "seed", linked=linked),
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
