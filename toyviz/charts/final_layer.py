"""The last layer: cross-entropy and accuracy over T, the three shapes in the plane, and a logit taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import (
    GREEN,
    GREY,
    VERMILLION,
    Chart,
    compiled,
    named,
    records,
    samples_x,
    selected_rule,
    squares,
    stretched,
)
from toyviz.charts.geometry import FEATURES, SAMPLES, limit

CLASSES = "rows of W2"
SHAPES = (FEATURES, SAMPLES, CLASSES)
WORDS = {FEATURES: "feature", SAMPLES: "sample", CLASSES: "class"}
SETS = ("test", "train")
DOTS = 400  # points drawn at most in one small panel
LEAST = {"loss": 1e-3, "accuracy": 3e-4}  # values below are drawn here, on a logarithmic axis
CLEAR = 3  # lines closer than this factor have no room for two names
STAGES = ("h_x W2[c, 0]", "h_y W2[c, 1]", "their sum", "b2[c]", "logit: sum + b2[c]")


def over_samples(
    runs: pd.DataFrame, measure: str, baseline: tuple[str, float], sizes: Sequence[int], selected: int | None = None
) -> Chart:
    """Cross-entropy or accuracy over T, on the training and on the test set: each seed, their mean and their range.

    runs: columns n_samples, seed, train_<measure>, test_<measure>; measure is "loss" or "accuracy". baseline: what
    guessing has, by name. sizes: every T of the sweep, trained or not. Clicking a point picks its n_samples and seed.
    """
    least = LEAST[measure]
    points = _points(runs, measure, least)
    mean = points.groupby(["n_samples", "set"], as_index=False).agg(
        value=("value", "mean"), low=("shown", "min"), high=("shown", "max")
    )
    mean["shown"] = mean["value"].clip(lower=least)
    name, guess = baseline
    data = {
        "points": points,
        "mean": mean,
        "names": _names(mean),
        "baseline": pd.DataFrame({"value": [guess], "label": [f"{name}: {guess:.4g}"]}),
        "selected": records([{"n_samples": selected}] if selected else [], "n_samples"),
        "frame": pd.DataFrame(
            {
                "n_samples": [min(sizes, default=1) / 1.25, max(sizes, default=1000) * 1.25],
                "shown": [least, 1.0 if measure == "accuracy" else max(points["shown"].max() * 2, 10.0)]
                if len(points)
                else [least, 1.0],
            }
        ),
    }
    test = mean[mean["set"] == "test"]
    what = "cross-entropy" if measure == "loss" else "accuracy"
    said = f"Train and test {what} over the size of the training set; nothing is trained yet."
    if len(test):
        top = test.loc[test["value"].idxmax()]
        last = test.iloc[-1]
        said = (
            f"Mean test {what} over the size of the training set: highest at T = {top['n_samples']:,} with "
            f"{top['value']:.3g}, and {last['value']:.3g} at T = {last['n_samples']:,}. {name}: {guess:.4g}."
        )
    return Chart(_over_samples(measure), data, said)


def _names(mean: pd.DataFrame) -> pd.DataFrame:
    """The points of the lines that carry their names, above; where the lines meet at the last T, those where they are
    furthest apart, the lower name below its line."""
    if not len(mean):
        return mean.assign(below=False)
    apart = mean.groupby("n_samples")["shown"].agg(lambda shown: shown.max() / shown.min())
    meet = apart.iloc[-1] < CLEAR
    here = mean[mean["n_samples"] == (apart.idxmax() if meet else apart.index[-1])]
    return here.assign(below=meet & (here["shown"] < here["shown"].max()))


def shapes_over_samples(pictures: Sequence[tuple[str, Mapping[str, tuple[np.ndarray, np.ndarray]]]]) -> Chart:
    """Small squares: a column for each label, and in it one square for each of SHAPES; each has its own scale.

    pictures: (label, {kind: (points (n, 2), seen (n,) bool)}). At most DOTS points a square are drawn, evenly spaced
    by number; those not seen in training are grey crosses.
    """
    frames = []
    for place, (label, kinds) in enumerate(pictures):
        for kind, (points, seen) in kinds.items():
            lim, chosen = limit(points), np.unique(np.linspace(0, len(points) - 1, min(DOTS, len(points))).astype(int))
            dots = {"x": points[chosen, 0], "y": points[chosen, 1], "mark": "dot", "label": ""}
            dots["seen"] = np.where(seen[chosen], "yes", "no")
            corners = {"x": [-lim, lim], "y": [-lim, lim], "seen": "yes", "mark": "frame"}
            corners["label"] = ["", f"±{lim / 1.15:.2g}"]
            both = pd.concat([pd.DataFrame(dots), pd.DataFrame(corners)], ignore_index=True)
            frames.append(both.assign(panel=label, kind=kind, place=place))
    empty = records([], "x", "y", "seen", "mark", "label", "panel", "kind", "place")
    drawn = pd.concat(frames, ignore_index=True) if frames else empty
    said = "No pictures yet."
    if pictures:
        said = f"{len(pictures)} small pictures of {', '.join(SHAPES)}, from {pictures[0][0]} to {pictures[-1][0]}."
    return Chart(_shapes_over_samples(max(len(pictures), 1)), {"points": drawn}, said, square=True)


def shape(kind: str, points: np.ndarray, seen: np.ndarray, title: str, picked: int | None = None) -> Chart:
    """One kind of vector in the plane, large: points (n, 2), seen (n,) bool; a ring around the picked one.

    Seen are filled dots, unseen are grey crosses. Clicking a point picks its number.
    """
    lim = limit(points)
    dots = pd.DataFrame(
        {"number": np.arange(len(points)), "x": points[:, 0], "y": points[:, 1], "seen": np.where(seen, "yes", "no")}
    ).assign(kind=kind, length=np.hypot(points[:, 0], points[:, 1]))
    data = {
        "dots": dots,
        "picked": dots.iloc[[picked]] if picked is not None else dots.iloc[:0],
        "frame": pd.DataFrame({"x": [-lim, lim], "y": [-lim, lim]}),
    }
    unseen = int((~seen).sum())
    said = f"{title}: {len(points):,} {kind}" + (f", {unseen:,} of them never seen in training." if unseen else ".")
    return Chart({**_shape(kind), "title": title}, data, said, square=True)


def logit_plane(terms: np.ndarray, seen: np.ndarray, label: int, hidden: np.ndarray) -> Chart:
    """Every class at (h_x W2[c, 0], h_y W2[c, 1]), with the correct one marked: the rows of W2, stretched by h.

    terms: (n_classes, 2). seen: (n_classes,) bool. hidden: (2,). The dashed line joins all places whose two terms have
    the same sum as the correct class's: beyond it, a class is ahead of it before the bias.
    """
    lim = limit(terms)
    dots = pd.DataFrame({"class": np.arange(len(terms)), "x": terms[:, 0], "y": terms[:, 1]})
    total = float(terms[label].sum())
    ends = np.clip([-lim, lim], total - lim, total + lim)
    data = {
        "dots": dots.assign(seen=np.where(seen, "yes", "no"), sum=terms.sum(axis=1)),
        "correct": dots.iloc[[label]].assign(label=f"class {label}", sum=total),
        "line": pd.DataFrame({"x": ends, "y": total - ends}),
        "frame": pd.DataFrame({"x": [-lim, lim], "y": [-lim, lim]}),
    }
    ahead = int((terms.sum(axis=1) > total).sum())
    x, y = terms[label]
    said = (
        f"The two terms of the logit of every class. The correct class {label} has {x:.3g} and {y:.3g}; {ahead} "
        f"classes have a larger sum. h = ({hidden[0]:.3g}, {hidden[1]:.3g})."
    )
    title = f"Two terms a class; h = ({hidden[0]:.2f}, {hidden[1]:.2f})"
    return Chart({**_logit_plane(), "title": title}, data, said, square=True)


def logit_stages(terms: np.ndarray, bias: np.ndarray, logits: np.ndarray, seen: np.ndarray, label: int) -> Chart:
    """The logits of every class, stage by stage, one line each: the terms, their sum, the bias, the logit.

    terms: (n_classes, 2). bias, logits: (n_classes,). The ticks of classes never seen in training are grey and
    half as long. The correct class is marked, with its rank where ranks count.
    """
    stages = np.stack([terms[:, 0], terms[:, 1], terms.sum(axis=1), bias, logits])
    ticks = pd.DataFrame(
        {
            "stage": np.repeat(STAGES, stages.shape[1]),
            "class": np.tile(np.arange(stages.shape[1]), len(STAGES)),
            "value": stages.ravel(),
            "seen": np.tile(np.where(seen, "yes", "no"), len(STAGES)),
        }
    )
    ranks = [int((values > values[label]).sum()) + 1 for values in stages]
    notes = [
        f"{values[label]:.3g}" + (f", rank {rank}" if stage in (STAGES[2], STAGES[4]) else "")
        for stage, values, rank in zip(STAGES, stages, ranks, strict=True)
    ]
    correct = pd.DataFrame({"stage": STAGES, "value": stages[:, label], "label": notes, "class": label})
    said = (
        f"The correct class {label} has rank {ranks[2]} of {len(bias):,} by the sum of its terms and rank {ranks[4]} "
        f"after its bias of {bias[label]:.3g}."
    )
    return Chart(_logit_stages(), {"ticks": ticks, "correct": correct}, said)


def votes(features: np.ndarray, values: np.ndarray, arrows: np.ndarray, hidden: np.ndarray) -> Chart:
    """What each active feature of a sample adds to its hidden vector: an arrow each, x_i W1[:, i], and their sum h.

    features, values: (k,). arrows: (k, 2). hidden: (2,). The thin path lays the arrows end to end.
    """
    order = np.argsort(-values)
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(arrows[order], axis=0)])
    lim = limit(np.concatenate([path, arrows, hidden[None]]))
    table = pd.DataFrame({"feature": features, "value": values, "x": arrows[:, 0], "y": arrows[:, 1]})
    beyond = 1 + 0.07 * lim / np.hypot(table["x"], table["y"]).clip(lower=0.05 * lim)
    data = {
        "votes": table.assign(angle=_angles(arrows), tx=table["x"] * beyond, ty=table["y"] * beyond),
        "sum": pd.DataFrame({"x": [hidden[0]], "y": [hidden[1]], "angle": _angles(hidden[None]), "label": "h"}),
        "path": pd.DataFrame({"x": path[:, 0], "y": path[:, 1], "order": range(len(path))}),
        "frame": pd.DataFrame({"x": [-lim, lim], "y": [-lim, lim]}),
    }
    said = f"{len(features)} arrows that add up to h = ({hidden[0]:.3g}, {hidden[1]:.3g})."
    return Chart({**_votes(), "title": f"{len(features)} votes, and their sum h"}, data, said, square=True)


def squareness_turned(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], references: Mapping[str, float]) -> Chart:
    """Squareness over the angle by which the plane was turned first, a line for each network.

    curves: name -> (degrees (k,), squareness (k,)). references: name of a shape -> its squareness at 0 degrees. Only a
    square that lies along the axes stands out at 0 and at 90 degrees.
    """
    parts = [
        pd.DataFrame({"degrees": degrees, "squareness": values, "network": name})
        for name, (degrees, values) in curves.items()
    ]
    lines = pd.concat(parts, ignore_index=True) if parts else records([], "degrees", "squareness", "network")
    rules = records([{"label": name, "squareness": value} for name, value in references.items()], "label", "squareness")
    said = " ".join(
        f"{name}: {values[0]:.2f} at {degrees[0]:g} degrees, {values.min():.2f} at {degrees[values.argmin()]:g}."
        for name, (degrees, values) in curves.items()
    )
    return Chart(_squareness_turned(), {"lines": lines, "rules": rules}, said or "No network yet.")


def _points(runs: pd.DataFrame, measure: str, least: float) -> pd.DataFrame:
    columns = [f"{name}_{measure}" for name in SETS]
    points = runs.melt(["n_samples", "seed"], columns, "set", "value").dropna(subset="value")
    points["set"] = points["set"].str.removesuffix(f"_{measure}")
    return points.astype({"value": float}).assign(shown=points["value"].astype(float).clip(lower=least))


def _angles(arrows: np.ndarray) -> np.ndarray:
    """How far a triangle that points up has to turn, clockwise in degrees, to point along each arrow, (k,)."""
    return np.degrees(np.arctan2(arrows[:, 0], arrows[:, 1]))


def _color() -> Any:
    """The theme's colour of the point's kind; grey for what was not seen in training."""
    return alt.condition(
        "datum.seen == 'no'",
        alt.value(GREY),
        alt.Color("kind:N", title=None, scale=alt.Scale(domain=list(SHAPES)), legend=None),
    )


@cache
def _over_samples(measure: str) -> dict[str, Any]:
    least, loss = LEAST[measure], measure == "loss"
    title = "cross-entropy (nats)" if loss else "accuracy"
    y = alt.Y(
        "shown:Q",
        title=title,
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(
            labelExpr=f"datum.value <= {least} ? '≤ {least}' : format(datum.value, '~r')"
            if loss
            else "format(datum.value, datum.value < 0.01 ? '.1%' : '.0%')",
            values=[10.0**k for k in range(-3, 5)] if loss else [0.001, 0.01, 0.1, 1],
            gridOpacity=0.5,
            minExtent=48,
            maxExtent=48,
        ),
    )
    color = alt.Color("set:N", title=None, scale=alt.Scale(domain=SETS, range=[GREEN, VERMILLION]), legend=None)
    form = alt.Shape("set:N", title=None, scale=alt.Scale(domain=SETS, range=["circle", "square"]), legend=None)
    dash = alt.StrokeDash("set:N", title=None, scale=alt.Scale(domain=SETS, range=[[1, 0], [5, 3]]), legend=None)
    pick = alt.selection_point(name="pick", fields=["n_samples", "seed"], toggle=False, empty=False, nearest=True)
    mean, points, rule = (alt.Chart(named(name)) for name in ("mean", "points", "baseline"))
    number = alt.Tooltip("value:Q", title=title, format=".4~g" if loss else ".2%")
    names = [
        alt.Chart(named("names"))
        .transform_filter(alt.datum.below == below)
        .mark_text(align="right", dx=-8, dy=17 if below else -13, fontSize=13, fontWeight="bold")
        .encode(x=samples_x(), y=y, color=color, text="set:N")
        for below in (False, True)
    ]
    layers = alt.layer(
        alt.Chart(named("frame")).mark_point(opacity=0, tooltip=None).encode(x=samples_x(), y=y),
        selected_rule(samples_x()),
        rule.mark_rule(color=GREY, strokeDash=[2, 3]).encode(y=alt.Y("value:Q")),
        rule.mark_text(color=GREY, align="left", dx=6, dy=9, fontSize=11).encode(
            x=alt.value(0), y=alt.Y("value:Q"), text="label:N"
        ),
        mean.mark_area(opacity=0.12).encode(x=samples_x(), y=alt.Y("low:Q"), y2="high:Q", color=color),
        mean.mark_line(strokeWidth=2.5).encode(x=samples_x(), y=y, color=color, strokeDash=dash),
        points.mark_point(filled=True, size=44, opacity=0.85)
        .encode(
            x=samples_x(),
            y=y,
            color=color,
            shape=form,
            tooltip=[
                alt.Tooltip("n_samples:Q", title="training samples T", format=","),
                alt.Tooltip("seed:N", title="seed"),
                alt.Tooltip("set:N", title="set"),
                number,
            ],
        )
        .add_params(pick),
        *names,
    )
    what = "Cross-entropy" if loss else "Accuracy"
    return stretched(layers, f"{what} over the size of the training set", 300 if loss else 220)


@cache
def _shapes_over_samples(columns: int) -> dict[str, Any]:
    size = 128 if columns <= 7 else 72
    x = alt.X("x:Q", axis=None, scale=alt.Scale(nice=False, zero=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(nice=False, zero=False))
    base = alt.Chart().encode(x=x, y=y)
    layers = alt.layer(
        base.transform_filter("datum.mark == 'frame'").mark_point(opacity=0, tooltip=None),
        base.transform_filter("datum.mark == 'dot'")
        .mark_point(filled=True, size=9 if columns > 7 else 16, opacity=0.7)
        .encode(color=_color(), shape=_seen()),
        base.transform_filter("datum.mark == 'frame' && datum.label != ''")
        .mark_text(color=GREY, fontSize=9, align="right", baseline="top", dx=-2, dy=2)
        .encode(text="label:N"),
        data=named("points"),
    )
    return squares(layers, list(SHAPES), size)


def _plane_axes(x_title: str | None = None, y_title: str | None = None) -> tuple[alt.X, alt.Y]:
    axis: dict[str, Any] = {"grid": False, "domain": False, "tickCount": 5, "labelColor": GREY, "tickColor": GREY}
    axes = [alt.Axis(title=title, format="~r", **axis) for title in (x_title, y_title)]
    scale = alt.Scale(nice=False, zero=False)
    return alt.X("x:Q", scale=scale, axis=axes[0]), alt.Y("y:Q", scale=scale, axis=axes[1])


def _cross(x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Two corners that hold the axes open, and the axes through the origin."""
    frame = alt.Chart(named("frame"))
    return [
        frame.mark_point(opacity=0, tooltip=None).encode(x=x, y=y),
        frame.mark_rule(color=GREY, opacity=0.4).encode(x=alt.datum(0)),
        frame.mark_rule(color=GREY, opacity=0.4).encode(y=alt.datum(0)),
    ]


def _square(layers: list[alt.Chart], size: int = 290) -> dict[str, Any]:
    fit = alt.AutoSizeParams(type="pad", contains="content")
    return compiled(alt.layer(*layers).properties(width=size, height=size, autosize=fit))


def _seen() -> alt.Shape:
    return alt.Shape("seen:N", scale=alt.Scale(domain=["yes", "no"], range=["circle", "cross"]), legend=None)


@cache
def _shape(kind: str) -> dict[str, Any]:
    x, y = _plane_axes()
    pick = alt.selection_point(name="pick", fields=["number"], toggle=False, empty=False, nearest=True)
    tooltip = [
        alt.Tooltip("number:Q", title=WORDS[kind]),
        alt.Tooltip("x:Q", format=".3f"),
        alt.Tooltip("y:Q", format=".3f"),
        alt.Tooltip("length:Q", format=".3f"),
        alt.Tooltip("seen:N", title="seen in training"),
    ]
    return _square(
        [
            *_cross(x, y),
            alt.Chart(named("dots"))
            .mark_point(filled=True, size=26, opacity=0.75)
            .encode(x=x, y=y, color=_color(), shape=_seen(), tooltip=tooltip)
            .add_params(pick),
            alt.Chart(named("picked")).mark_point(size=160, color=GREEN, strokeWidth=3, filled=False).encode(x=x, y=y),
        ]
    )


@cache
def _logit_plane() -> dict[str, Any]:
    x, y = _plane_axes(STAGES[0], STAGES[1])
    tooltip = [
        alt.Tooltip("class:Q"),
        alt.Tooltip("x:Q", title=STAGES[0], format=".3f"),
        alt.Tooltip("y:Q", title=STAGES[1], format=".3f"),
        alt.Tooltip("sum:Q", title="their sum", format=".3f"),
    ]
    dots = alt.Chart(named("dots")).transform_calculate(kind=f"'{CLASSES}'")
    correct = alt.Chart(named("correct"))
    return _square(
        [
            *_cross(x, y),
            alt.Chart(named("line")).mark_line(color=GREY, strokeDash=[4, 3]).encode(x=x, y=y),
            dots.mark_point(filled=True, size=22, opacity=0.6).encode(
                x=x, y=y, color=_color(), shape=_seen(), tooltip=tooltip
            ),
            correct.mark_point(filled=True, size=150, shape="diamond", color=VERMILLION, opacity=1).encode(
                x=x, y=y, tooltip=tooltip
            ),
            correct.mark_text(dy=-14, color=VERMILLION, fontWeight="bold", fontSize=12).encode(
                x=x, y=y, text="label:N"
            ),
        ]
    )


@cache
def _logit_stages() -> dict[str, Any]:
    x = alt.X("value:Q", title="what it adds to the logit, or makes of it", axis=alt.Axis(gridOpacity=0.4, tickCount=8))
    y = alt.Y("stage:N", title=None, sort=list(STAGES), axis=alt.Axis(labelLimit=160, labelFontSize=12))
    tooltip = [
        alt.Tooltip("class:Q"),
        alt.Tooltip("stage:N"),
        alt.Tooltip("value:Q", format=".4f"),
        alt.Tooltip("seen:N", title="seen in training"),
    ]
    ticks = alt.Chart(named("ticks")).transform_calculate(kind=f"'{CLASSES}'")
    correct = alt.Chart(named("correct"))
    length = alt.condition("datum.seen == 'no'", alt.value(10), alt.value(20))
    layers = alt.layer(
        ticks.mark_tick(thickness=1, opacity=0.35).encode(x=x, y=y, color=_color(), size=length, tooltip=tooltip),
        correct.mark_point(filled=True, size=130, shape="diamond", color=VERMILLION, opacity=1).encode(x=x, y=y),
        correct.mark_text(dy=-17, color=VERMILLION, fontWeight="bold", fontSize=12).encode(x=x, y=y, text="label:N"),
    )
    return stretched(layers, "The logits of all classes, stage by stage; the diamond is the correct class", 270)


@cache
def _votes() -> dict[str, Any]:
    x, y = _plane_axes("first hidden value", "second hidden value")
    tooltip = [
        alt.Tooltip("feature:Q"),
        alt.Tooltip("value:Q", title="x_i", format=".3f"),
        alt.Tooltip("x:Q", title="x_i W1[0, i]", format=".3f"),
        alt.Tooltip("y:Q", title="x_i W1[1, i]", format=".3f"),
    ]
    arrows = alt.Chart(named("votes")).transform_calculate(kind=f"'{FEATURES}'")
    color = alt.Color("kind:N", scale=alt.Scale(domain=list(SHAPES)), legend=None)
    total = alt.Chart(named("sum"))
    angle = alt.Angle("angle:Q", scale=None)
    zero = {"x2": alt.datum(0), "y2": alt.datum(0)}
    return _square(
        [
            *_cross(x, y),
            alt.Chart(named("path"))
            .mark_line(color=GREY, strokeDash=[2, 2], strokeWidth=1)
            .encode(x=x, y=y, order="order:Q"),
            arrows.mark_rule(strokeWidth=1.6).encode(x=x, y=y, color=color, tooltip=tooltip, **zero),
            arrows.mark_point(shape="triangle-up", filled=True, size=55, opacity=1).encode(
                x=x, y=y, color=color, angle=angle, tooltip=tooltip
            ),
            arrows.mark_text(fontSize=10, color=GREY).encode(x=alt.X("tx:Q"), y=alt.Y("ty:Q"), text="feature:N"),
            total.mark_rule(strokeWidth=3, color=VERMILLION).encode(x=x, y=y, **zero),
            total.mark_point(shape="triangle-up", filled=True, size=130, color=VERMILLION, opacity=1).encode(
                x=x, y=y, angle=angle
            ),
            total.mark_text(fontSize=14, fontWeight="bold", dx=12, dy=-10, color=VERMILLION).encode(
                x=x, y=y, text="label:N"
            ),
        ]
    )


@cache
def _squareness_turned() -> dict[str, Any]:
    x = alt.X("degrees:Q", title="plane turned by (degrees)", axis=alt.Axis(values=list(range(0, 91, 15)), grid=False))
    y = alt.Y("squareness:Q", title="squareness", scale=alt.Scale(zero=False), axis=alt.Axis(gridOpacity=0.5))
    rules = alt.Chart(named("rules"))
    lines = alt.Chart(named("lines"))
    tooltip = [
        alt.Tooltip("network:N"),
        alt.Tooltip("degrees:Q"),
        alt.Tooltip("squareness:Q", format=".3f"),
    ]
    layers = alt.layer(
        rules.mark_rule(color=GREY, strokeDash=[2, 3]).encode(y=y),
        rules.mark_text(color=GREY, align="left", dx=4, dy=-6, fontSize=11).encode(x=alt.value(0), y=y, text="label:N"),
        lines.mark_line(strokeWidth=2.2, point=False).encode(
            x=x,
            y=y,
            color=alt.Color("network:N", title=None, sort=None, legend=alt.Legend(orient="top", columns=2)),
            strokeDash=alt.StrokeDash("network:N", title=None, sort=None),
            tooltip=tooltip,
        ),
    )
    return stretched(layers, "Squareness of the columns of W1, after the plane was turned", 260)
