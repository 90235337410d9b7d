"""Losses as lines: over the steps, on the clock of the page, and over T, a line for each of a few rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from toyviz.charts.chart import AMBER, BLUE, GREEN, GREY, PURPLE, VERMILLION, Chart, filled, stacked, stands_alone
from toyviz.charts.clock import CLOCK, NOW, POSITIONS, kin_of, pointed_in, position_of, targets
from toyviz.charts.columns import (
    CENTRE,
    COLUMNS,
    LABELS,
    baseline_rules,
    close_rules,
    columns_of,
    labelled,
    pointed_column,
    selected_column,
    size_labels,
    x_of_places,
)
from toyviz.charts.layers import (
    META,
    between,
    by,
    computed,
    grey,
    heading,
    layer,
    mark,
    meta,
    nominal,
    quantity,
    specification,
    width_of,
)
from toyviz.charts.loss import FLOOR
from toyviz.charts.scales import shared_scales
from toyviz.charts.sizes import TOP
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
OF_POINTS = ("seed", "told", "kin")  # what single networks have beside what lines have
NARROW = 250  # pixels: a curve has its short title
BELOW, THIN = 0.6, 1.2  # opacity and pixels of what is laid below
SHRINK = f"min(1, width / {META}.wide)"  # of names above the plot


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
    low, high, ticks = (0.0, 1.0, np.linspace(0, 1, 5)) if share else (0.1, 1.0, np.array([0.1, 1]))
    seen = np.concatenate([np.empty(0), *(losses for _, losses in drawn)])
    if len(seen) and not share:
        low, high, ticks = log_range(float(seen.min()), float(seen.max()))
    there = [(line, steps, losses) for line, (steps, losses) in enumerate(drawn) if len(steps)]
    frame, frames = np.arange(len(at)), len(at)
    values = [np.interp(np.log(at), np.log(steps), losses) for _, steps, losses in there]
    dots = [
        {"frame": frame, "line": line, "step": at, "loss": loss}
        for (line, _, _), loss in zip(there, values, strict=True)
    ]
    parts = [{"line": line, "step": steps, "loss": losses} for line, steps, losses in there]
    nothing = [{"frame": [0], "line": 0, "step": 1.0, "loss": np.nan}]
    first = values[0] if values else np.full(frames, np.nan)
    told = [f"step {s:,}" + (f": {v:.4g}" if np.isfinite(v) else "") for s, v in zip(frame_steps, first, strict=True)]
    position = [position_of(f, frames) for f in range(frames)]
    whole = f"{title} over the training steps"
    data = {
        "curve": stacked(parts or nothing, "line", "step", "loss"),
        "dots": stacked(dots or nothing, "frame", "line", "step", "loss"),
        "frames": pd.DataFrame({"frame": frame, "position": position, "step": at, "told": told}),
        "names": _names(list(curves)),
        "ticks": pd.DataFrame({"value": ticks}),
        "meta": meta(title=whole, small=title, last=frames - 1, total=max(total, 2), low=low, high=high,
                     wide=_wide(list(curves))),
    }  # fmt: skip
    named = {line: f"{name}: " if name else "" for line, name in enumerate(curves)}
    ends = [f"{named[line]}{losses[0]:.3g} at first, {losses[-1]:.3g} at last" for line, _, losses in there]
    return Chart(_clock_curve(share), data, f"{whole}. {'; '.join(ends) or 'No steps yet'}.")


def is_clock_curve(chart: Chart) -> bool:
    """Whether two of these charts can be laid over each other."""
    return any(chart.spec is _clock_curve(share) for share in (False, True))


def laid_over(a: Chart, b: Chart) -> Chart:
    """Two charts of clock_curve, of one clock, as one on shared axes: the curves of A dashed below those of B."""
    if len(a.data["frames"]) != len(b.data["frames"]):
        raise ValueError(
            f"the charts have {len(a.data['frames'])} and {len(b.data['frames'])} frames; one clock needs as many"
        )
    a, b = shared_scales(a, b)
    lines: list[tuple[str, int]] = []
    for name, chart, first in (("A", a, len(LINE_COLOURS)), ("B", b, 0)):
        lines += [(f"{name} {line}".strip(), first + k) for k, line in enumerate(chart.data["names"]["name"])]
    of_both = zip(a.data["frames"]["told"], b.data["frames"]["told"], strict=True)
    below = {name: a.data[name].assign(line=a.data[name]["line"] + len(LINE_COLOURS)) for name in ("curve", "dots")}
    data = {
        **b.data,
        **{name: pd.concat([frame, b.data[name]], ignore_index=True) for name, frame in below.items()},
        "frames": b.data["frames"].assign(told=[f"B, {of_b}; A, {of_a}" for of_a, of_b in of_both]),
        "names": _names([name for name, _ in lines]).assign(line=[float(line) for _, line in lines]),
        "meta": b.data["meta"].assign(wide=_wide([name for name, _ in lines])),
    }
    return Chart(b.spec, data, f"A: {a.alt} B: {b.alt}")


def lines_over_sizes(
    rows: pd.DataFrame,
    lines: Sequence[str],
    sizes: Sequence[int],
    what: str = "Test loss",
    baselines: Mapping[str, float] | None = None,
    *,
    selected: int | None = None,
    linked: bool = False,
) -> Chart:
    """A loss over T with a line for each of a few rules: lines_over with the axis that all losses over T share.

    rows: columns n_samples, line, seed, loss. Only a higher loss moves the axis; what is below FLOOR is drawn there.
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
        low=FLOOR,
        high=TOP,
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
    trained or not. rules: heights by name. reverse: the highest x at the left. low, high: ends of the axis, which only
    values beyond them move; on a logarithmic one what is lower is drawn at the lower end. share: values are told in
    percent, from 0 to 1 where no ends are given. linked: whether the page has a clock, so that pointing at an x marks
    it in every chart. against: columns x, line, value: what a line is held against, dashed, under one name. height: in
    pixels, where no stage gives it its room. Clicking picks x, line and seed.
    """
    names, values, over = _named(lines, len(colours)), sorted({*values}, reverse=reverse), f"{y_title} over "
    rows = _placed(rows, x, values, names)
    held = rows[:0] if against is None else _placed(against, x, values, names)
    every = [*rows["value"], *held["value"], *(rules or {}).values()]
    start, end, ticks = _axis(every, low, high, logarithmic_y, share)
    mean = rows.groupby(["number", "place", "line", x], as_index=False)["value"].agg("median" if median else "mean")
    rows = rows.assign(told=_told(rows, names, x, x_title, share), kin=[kin_of(x, value) for value in rows[x]])
    tables = {"points": rows, "mean": mean, "against": held.sort_values(["number", "place"])}
    data = {
        **{name: _drawn_from(table, x, start if logarithmic_y else -np.inf) for name, table in tables.items()},
        "baselines": filled(close_rules(rules or {}) if logarithmic_y else _rules(rules or {})),
        **_around(names, x, x_title, values, over, against_name, selected=selected, low=start, high=end),
        "ticks": pd.DataFrame({"value": ticks}),
    }
    said = f"{over}{x_title}: {_from_to(mean, names, start if logarithmic_y else -np.inf) or 'nothing is trained yet'}."
    return stands_alone(Chart(_lines_over(x, linked, logarithmic_y, share, tuple(colours)), data, said), height)


def _named(lines: Sequence[Any] | Mapping[Any, str], most: int) -> dict[Any, str]:
    """What stands in the column line, with its name."""
    names = dict(lines) if isinstance(lines, Mapping) else {line: str(line) for line in lines}
    if len(names) > most:
        raise ValueError(f"lines has {len(names)} names; at most {most} can be told apart")
    return names


def _placed(rows: pd.DataFrame, x: str, values: Sequence[float], names: Mapping[Any, str]) -> pd.DataFrame:
    """The rows of the sweep, with the place of their column and the number of their line."""
    place, number = ({each: float(k) for k, each in enumerate(those)} for those in (values, names))
    rows = rows[rows[x].isin(values) & rows["line"].isin(list(names)) & np.isfinite(rows["value"].astype(float))]
    at = {"place": rows[x].map(place).astype(float), "number": rows["line"].map(number).astype(float)}
    return rows.assign(**at, value=rows["value"].astype(float))


def _drawn_from(table: pd.DataFrame, x: str, least: float) -> pd.DataFrame:
    """What is drawn of it, at this height at least."""
    columns = ["place", "number", "line", x, "value", *(OF_POINTS if "told" in table else ())]
    return filled(table[columns].assign(value=table["value"].clip(lower=least)).reset_index(drop=True))


def _around(
    names: Mapping[Any, str],
    x: str,
    x_title: str,
    values: Sequence[float],
    over: str,
    against: str,
    *,
    selected: float | None,
    **ends: float,
) -> dict[str, pd.DataFrame]:
    """The names of the lines, the columns, and what expressions read."""
    lines, of_sizes = list(names.values()), x == "n_samples"
    return {
        "names": _names(lines),
        "sizes": filled(labelled(x, values)),
        "meta": meta(
            title=f"{over}{'the number of ' if of_sizes else ''}{x_title}",
            small=f"{over}{x_title.split()[-1] if of_sizes else x_title}",
            **columns_of(values, selected),
            **ends,
            wide=_wide([*lines, against]),
            against=against,
            left=_wide(lines),
        ),
    }


def _from_to(mean: pd.DataFrame, names: Mapping[Any, str], least: float) -> str:
    """Where each line begins and ends."""
    parts = mean.assign(value=mean["value"].clip(lower=least)).groupby("line", sort=False)["value"]
    return ", ".join(f"{names[line]} from {part.iloc[0]:.3g} to {part.iloc[-1]:.3g}" for line, part in parts)


def _told(rows: pd.DataFrame, names: Mapping[Any, str], x: str, x_title: str, share: bool) -> np.ndarray:
    """What each point tells."""
    form, title = (".1%" if share else ".4g"), x_title[:1].lower() + x_title[1:]
    told = [
        f"{names[line]}, {title} {value:,.6g}, seed {seed}: {y:{form}}"
        for line, value, seed, y in zip(rows["line"], rows[x], rows["seed"], rows["value"], strict=True)
    ]
    return np.array(told, dtype=object)


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
    percent = {"labelExpr": "format(datum.value, '.0%')"} if share else {}
    scale = between(type="linear" if share else "log")
    y = quantity("loss", title=None, scale=scale, axis=log_axis(minExtent=40, maxExtent=40, **percent))
    at = {"x": _steps(), "y": y}
    color, shape, dash = (by("line", range(len(TWICE)), values) for values in (TWICE, SHAPES, DASHES))
    below, thin = (
        by("line", range(len(TWICE)), [above] * len(LINE_COLOURS) + [under] * len(LINE_COLOURS)) | {"type": "ordinal"}
        for above, under in ((1, BELOW), (2.5, THIN))
    )
    drag = "[pointerdown, window:pointerup] > pointermove, click"
    select = {"type": "point", "fields": ["position"], "nearest": True, "clear": False, "on": drag}
    jump = {"name": "jump", "select": select, "bind": {"element": CLOCK, "event": "input"}}
    target = mark("point", opacity=0, size=60)
    layers = [
        layer("frames", grey("rule", opacity=0.6), "datum.frame == frame", x=at["x"]),
        layer("curve", mark("line"), **at, color=color, strokeDash=dash, opacity=below, strokeWidth=thin),
        layer("dots", mark("point", filled=True, size=90, opacity=1), "datum.frame == frame", **at, color=color,
              shape=shape),
        *_legend(TWICE),
        layer("frames", target, picks={"transform": [], "params": [jump]}, x=at["x"], **computed(y="height / 2"),
              tooltip=nominal("told")),
    ]  # fmt: skip
    return specification(layers, heading(6, NARROW), NOW, "ticks")


def _steps() -> dict[str, Any]:
    axis = {
        "grid": False,
        "labelExpr": "format(datum.value, '~s')",
        "labelFontSize": 11,
        "values": {"expr": f"{META}.total < 20 ? [1, 2, 5, 10] : [1, 10, 100, 1e3, 1e4, 1e5, 1e6]"},
        "domainColor": GREY,
        "domainOpacity": 0.6,
        "tickColor": GREY,
        "tickSize": 3,
    }
    return quantity("step", title=None, scale=between("1", f"{META}.total", type="log"), axis=axis)


def _legend(colours: Sequence[str]) -> list[dict[str, Any]]:
    """The names of the lines above the plot, each after a piece of its line; smaller where they would be too long."""
    x, x2, middle, after = (f"(datum.left + {gap}) * {SHRINK}" for gap in (0, 18, 9, 23))
    lines = range(len(colours))
    color, shape, dash = (by("line", lines, values[: len(colours)]) for values in (colours, SHAPES, DASHES))
    size, limit = {"expr": f"max(8, 11.5 * {SHRINK})"}, {"expr": f"datum.room * {SHRINK}"}
    text = mark("text", align="left", baseline="middle", fontWeight="bold", fontSize=size, limit=limit)
    point, named = mark("point", filled=True, size=42, opacity=1), "datum.name != ''"
    return [
        layer("names", mark("rule", strokeWidth=2), named, **computed(x=x, x2=x2, y=-8), color=color, strokeDash=dash),
        layer("names", point, named, **computed(x=middle, y=-8), color=color, shape=shape),
        layer("names", text, named, **computed(x=after, y=-8), color=color, text=nominal("name")),
    ]


def _dashed() -> list[dict[str, Any]]:
    """What the dashed lines are, after the names of the others."""
    x, x2, after = (f"(datum.left + {gap}) * {SHRINK}" for gap in (0, 18, 23))
    text = grey("text", align="left", baseline="middle", fontSize={"expr": f"max(8, 11.5 * {SHRINK})"})
    line, there = grey("rule", strokeDash=[3, 3]), "datum.against != ''"
    return [
        layer("meta", line, there, **computed(x=x, x2=x2, y=-8)),
        layer("meta", text, there, **computed(x=after, y=-8), text=nominal("against")),
    ]


@cache
def _lines_over(field: str, linked: bool, logarithmic: bool, share: bool, colours: tuple[str, ...]) -> dict[str, Any]:
    at, lines = {"x": x_of_places(), "y": _values(logarithmic, share)}, range(len(colours))
    color, shape, dash = (by("number", lines, values[: len(colours)]) for values in (colours, SHAPES, DASHES))
    told, size = {"color": color, "shape": shape}, computed(size="clamp(column, 16, 48)")
    thin = mark("line", strokeWidth=1.25, strokeDash=[3, 3], opacity=0.8)
    picks = targets(field, "line", "seed", linked=linked)
    target = {**computed(x=CENTRE), "y": at["y"], "tooltip": nominal("told")}
    layers = [
        selected_column(),
        pointed_column(),
        *baseline_rules(at["y"]),
        layer("against", thin, **at, color=color),
        layer("against", mark("point", filled=False, size=22, opacity=0.8), **at, **told),
        layer("points", mark("point", filled=True, size=14, opacity=0.4), **at, **told),
        layer("mean", mark("line", strokeWidth=2.25), **at, color=color, strokeDash=dash),
        layer("mean", mark("point", filled=True, opacity=1), **at, **told, **size),
        *size_labels(),
        *_legend(colours),
        *_dashed(),
        layer("points", mark("point", opacity=0, size=20), picks=picks, **target),
    ]
    params = [*pointed_in(linked), *COLUMNS, {"name": "curve", "expr": f"height - {LABELS}"}]
    return specification(layers, heading(6, 300), params, "ticks")


def _values(logarithmic: bool, share: bool) -> dict[str, Any]:
    """The axis of what is drawn; on a logarithmic one what is lower stands at the lower end."""
    text = f"(datum.value <= {META}.low ? '≤ ' : '') + ({PLAIN})" if logarithmic else "format(datum.value, '~r')"
    axis = log_axis(minExtent=44, maxExtent=44) | {"labelExpr": "format(datum.value, '~%')" if share else text}
    kind = {"type": "log"} if logarithmic else {"type": "linear", "zero": False}
    return quantity("value", title=None, scale=between(**kind, range=[{"expr": "curve"}, 0]), axis=axis)
