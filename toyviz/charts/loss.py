"""What a sweep over the size of the training set shows: losses, and how large the weights are."""

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
    named,
    powers,
    records,
    samples_x,
    selected_rule,
    stacked,
    stretched,
)

FLOOR = 1e-3  # losses below are drawn here: a memorised set goes down to 1e-10, and would flatten all the rest
SETS = ("test", "train")
NEAR = (0.98, 1.02)  # the window of loss_close_to_one, in units of the loss of the output 0


def loss_over_samples(
    runs: pd.DataFrame,
    baselines: dict[str, float],
    regimes: pd.DataFrame,
    sizes: Sequence[int],
    peak: tuple[int, float] | None = None,
    selected: int | None = None,
    height: int = 380,
    floor: Mapping[int, float] | None = None,
) -> Chart:
    """Train and test loss over T: a faint line and a point a seed, their mean, and the lowest to the highest seed.

    runs: columns n_samples, seed, train_loss, test_loss. baselines: loss by name, drawn as rules. regimes: columns
    low, high (in T), name. sizes: every T of the sweep, trained or not. peak: the T of the highest mean test loss, and
    that loss. floor: T -> the least train loss there can be, where that is known. Clicking a point picks its n_samples
    and seed.
    """
    points = _points(runs)
    mean = _means(points)
    highest = points["shown"].max() if len(points) else 1.0
    text = f"mean peaks at T = {peak[0]:,}: {peak[1]:.3g}" if peak else ""
    late = bool(peak and peak[0] ** 2 > min(sizes) * max(sizes))  # in the right half: written to its left
    labels = [{"n_samples": peak[0], "loss": highest, "label": text, "late": late}] if peak else []
    data = {
        "points": points,
        "mean": mean,
        "baselines": records([{"loss": loss, "name": name} for name, loss in baselines.items()], "loss", "name"),
        "regimes": _placed(regimes),
        "floor": _floor(floor or {}),
        "peak": records(labels, "n_samples", "loss", "label", "late"),
        "selected": records([{"n_samples": selected}] if selected else [], "n_samples"),
        "frame": _frame(sizes, FLOOR, max(highest, 1.0) * 8),
    }
    return Chart(_loss_over_samples(height), data, _said(mean, peak))


def loss_close_to_one(
    runs: pd.DataFrame, baselines: dict[str, float], sizes: Sequence[int], selected: int | None = None
) -> Chart:
    """The test loss close to what the output 0 has, where generalising shows: the mean and each seed.

    runs: columns n_samples, seed, train_loss, test_loss. baselines: loss by name; the first sets the window.
    """
    points = _points(runs)
    points = points[points["set"] == "test"]
    unit = next(iter(baselines.values()))
    lowest = min([NEAR[0] * unit, *(points["loss"] - 0.005 * unit)])
    window = [{"name": "low", "value": lowest}, {"name": "high", "value": NEAR[1] * unit}]
    rules = [
        {"loss": loss, "label": f"{name}: {loss:.4f}", "above": not k}
        for k, (name, loss) in enumerate(baselines.items())
    ]
    data = {
        "points": points,
        "mean": _means(points),
        "baselines": records(rules, "loss", "label", "above"),
        "selected": records([{"n_samples": selected}] if selected else [], "n_samples"),
        "frame": _frame(sizes, unit, unit),
    }
    below = int((_means(points)["loss"] < min(baselines.values())).sum())
    said = f"Mean test loss close to {unit:.3g}; at {below} sizes it is below what the best constant output has."
    return Chart({**_loss_close_to_one(), "params": window}, data, said)


def norms_over_samples(runs: pd.DataFrame, selected: int | None = None) -> Chart:
    """How large the weights are over T: the mean over seeds of |W1|_F and |b2|, and each seed.

    runs: columns n_samples, seed, weight_norm, bias_norm.
    """
    names = {"weight_norm": "‖W1‖", "bias_norm": "‖b2‖"}
    size, seed = runs["n_samples"].to_numpy(int), runs["seed"].to_numpy(int)
    parts = [
        {"n_samples": size, "seed": seed, "what": name, "norm": runs[column].to_numpy(float)}
        for column, name in names.items()
    ]
    points = stacked(parts, "n_samples", "seed", "what", "norm")
    points = points[points["norm"] > 0]
    mean = points.groupby(["n_samples", "what"], as_index=False)["norm"].mean()
    data = {
        "points": points,
        "mean": mean,
        "frame": pd.DataFrame({"n_samples": [size.min(initial=10**9), size.max(initial=1) * 3]}),
        "selected": records([{"n_samples": selected}] if selected else [], "n_samples"),
    }
    largest = mean.loc[mean["norm"].idxmax()] if len(mean) else None
    said = f"The largest norm is {largest['norm']:.3g}, at T = {largest['n_samples']:,}." if largest is not None else ""
    return Chart(_norms_over_samples(), data, f"Norms of weights and biases over T. {said}")


def _points(runs: pd.DataFrame) -> pd.DataFrame:
    """One row for each network and set; "shown" is the loss, but not below FLOOR."""
    parts = []
    for name in SETS:
        loss = runs[f"{name}_loss"].to_numpy(float)
        there = np.isfinite(loss)
        size, seed, loss = runs["n_samples"].to_numpy(int)[there], runs["seed"].to_numpy(int)[there], loss[there]
        parts.append({"n_samples": size, "seed": seed, "set": name, "loss": loss, "shown": np.maximum(loss, FLOOR)})
    return stacked(parts, "n_samples", "seed", "set", "loss", "shown")


def _means(points: pd.DataFrame) -> pd.DataFrame:
    """The mean, the lowest and the highest seed at each size and set."""
    rows = []
    for name in SETS:
        part = points[points["set"] == name]
        sizes, shown = part["n_samples"].to_numpy(), part["shown"].to_numpy()
        for size in np.unique(sizes):
            mean = part["loss"].to_numpy()[sizes == size].mean()
            here = shown[sizes == size]
            rows.append((size, name, mean, here.min(), here.max(), max(mean, FLOOR)))
    return pd.DataFrame(rows, columns=["n_samples", "set", "loss", "low", "high", "shown"])


def _placed(regimes: pd.DataFrame) -> pd.DataFrame:
    """Regimes with the (geometric) middle of each, where its name stands."""
    return regimes.assign(middle=np.sqrt(regimes["low"].astype(float) * regimes["high"].astype(float)))


def _floor(floor: Mapping[int, float]) -> pd.DataFrame:
    """The floor at each T, not drawn below FLOOR; "last" is where it carries its name."""
    rows = [{"n_samples": T, "shown": max(floor[T], FLOOR), "last": max(floor) == T} for T in sorted(floor)]
    return records(rows, "n_samples", "shown", "last")


def _frame(sizes: Sequence[int], low: float, high: float) -> pd.DataFrame:
    """Two corners that nobody sees: they hold the axes open."""
    return pd.DataFrame(
        {"n_samples": [min(sizes, default=1) / 1.25, max(sizes, default=1000) * 1.25], "shown": [low, high]}
    )


def _said(mean: pd.DataFrame, peak: tuple[int, float] | None) -> str:
    test = mean[mean["set"] == "test"]
    if not len(test):
        return "Train and test loss over the size of the training set; nothing is trained yet."
    first, last = test.iloc[0], test.iloc[-1]
    rises = f" rises to a peak of {peak[1]:.3g} at T = {peak[0]:,}, and" if peak else ""
    return (
        f"Mean test loss over the size of the training set: it is {first['loss']:.3g} at T = {first['n_samples']:,},"
        f"{rises} is {last['loss']:.3g} at T = {last['n_samples']:,}."
    )


def _line_names(mean: alt.Chart, what: str, last: bool = False) -> alt.Chart:
    """The name of each line: above its first point, or to the right of its last."""
    value = "last_value(n_samples)" if last else "first_value(n_samples)"
    end = mean.transform_window(end=value, groupby=[what], frame=[None, None])
    text = end.transform_filter("datum.n_samples == datum.end").mark_text(
        align="left", dx=8, dy=0 if last else -12, fontSize=13, fontWeight="bold"
    )
    return text.encode(text=f"{what}:N")


def _invisible(y: alt.Y) -> alt.Chart:
    return alt.Chart(named("frame")).mark_point(size=1, opacity=0, tooltip=None, aria=False).encode(x=samples_x(), y=y)


@cache
def _loss_over_samples(height: int) -> dict[str, Any]:
    y = alt.Y(
        "shown:Q",
        title="loss (squared error, sum over features)",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(
            labelExpr=f"datum.value <= {FLOOR} ? '≤ ' + {FLOOR} : format(datum.value, '~r')",
            values=[10.0**k for k in range(-3, 7)],
            gridOpacity=0.5,
            minExtent=48,
            maxExtent=48,
        ),
    )
    color = alt.Color("set:N", title=None, scale=alt.Scale(domain=SETS, range=[GREEN, VERMILLION]), legend=None)
    shape = alt.Shape("set:N", title=None, scale=alt.Scale(domain=SETS, range=["circle", "square"]), legend=None)
    dash = alt.StrokeDash("set:N", title=None, scale=alt.Scale(domain=SETS, range=[[1, 0], [5, 3]]), legend=None)
    pick = alt.selection_point(name="pick", fields=["n_samples", "seed"], toggle=False, empty=False, nearest=True)
    rules = alt.Chart(named("baselines")).mark_rule(color=GREY, strokeDash=[2, 3])
    borders = alt.Chart(named("regimes")).mark_rule(color=GREY, opacity=0.6)
    names = alt.Chart(named("regimes")).mark_text(color=GREY, fontStyle="italic", baseline="top", fontSize=12)
    mean = alt.Chart(named("mean"))
    points = alt.Chart(named("points"))
    floor = alt.Chart(named("floor"))
    layers = alt.layer(
        _invisible(y),
        selected_rule(samples_x()),
        floor.mark_line(color=VERMILLION, strokeWidth=8, opacity=0.25).encode(x=samples_x(), y=y),
        floor.transform_filter("datum.last")
        .mark_text(color=VERMILLION, align="right", dy=14, fontSize=11)
        .encode(x=samples_x(), y=y, text=alt.value("rank floor of the train loss")),
        borders.encode(x=samples_x("low")).transform_filter("datum.name != 'memorising'"),
        names.encode(x=samples_x("middle"), y=alt.value(4), text="name:N"),
        rules.encode(
            y=alt.Y("loss:Q"), tooltip=[alt.Tooltip("name:N", title="output"), alt.Tooltip("loss:Q", format=".4f")]
        ),
        mean.mark_area(opacity=0.12).encode(x=samples_x(), y=alt.Y("low:Q"), y2="high:Q", color=color),
        points.mark_line(opacity=0.3, strokeWidth=1).encode(
            x=samples_x(), y=y, color=color, detail="seed:N", strokeDash=dash
        ),
        mean.mark_line(strokeWidth=2.5).encode(x=samples_x(), y=y, color=color, strokeDash=dash),
        points.mark_point(filled=True, size=44, opacity=0.85)
        .encode(
            x=samples_x(),
            y=y,
            color=color,
            shape=shape,
            tooltip=[
                alt.Tooltip("n_samples:Q", title="training samples T", format=","),
                alt.Tooltip("seed:N", title="seed"),
                alt.Tooltip("set:N", title="set"),
                alt.Tooltip("loss:Q", title="loss", format=".4~g"),
            ],
        )
        .add_params(pick),
        _line_names(mean, "set").encode(x=samples_x(), y=y, color=color),
        *(
            alt.Chart(named("peak"))
            .transform_filter(alt.datum.late == late)
            .mark_text(
                dy=-14,
                dx=12 if late else -12,
                align="right" if late else "left",
                fontSize=13,
                fontWeight="bold",
                color=GREEN,
            )
            .encode(x=samples_x(), y=alt.Y("loss:Q"), text="label:N")
            for late in (True, False)
        ),
    )
    return stretched(layers, "Loss over the size of the training set", height)


@cache
def _loss_close_to_one() -> dict[str, Any]:
    def y(field: str = "loss") -> alt.Y:
        return alt.Y(
            f"{field}:Q",
            title="test loss",
            scale=alt.Scale(zero=False, nice=False, domainMin=alt.ExprRef("low"), domainMax=alt.ExprRef("high")),
            axis=alt.Axis(format=".2f", tickCount=5, gridOpacity=0.5, minExtent=48, maxExtent=48),
        )

    mean, points, rules = (alt.Chart(named(name)) for name in ("mean", "points", "baselines"))
    tooltip = [
        alt.Tooltip("n_samples:Q", title="training samples T", format=","),
        alt.Tooltip("seed:N", title="seed"),
        alt.Tooltip("loss:Q", title="test loss", format=".5f"),
    ]
    layers = alt.layer(
        _invisible(y("shown")),
        selected_rule(samples_x()),
        rules.mark_rule(color=GREY, strokeDash=[2, 3]).encode(y=y()),
        *(
            rules.mark_text(color=GREY, dy=-7 if above else 8, fontSize=11)
            .transform_filter(alt.datum.above == above)
            .encode(x=alt.value(alt.ExprRef("width / 2")), y=y(), text="label:N")
            for above in (True, False)
        ),
        points.mark_line(opacity=0.3, strokeWidth=1, clip=True, color=GREEN).encode(
            x=samples_x(), y=y(), detail="seed:N"
        ),
        mean.mark_line(strokeWidth=2.5, clip=True, color=GREEN).encode(x=samples_x(), y=y()),
        points.mark_point(filled=True, size=36, opacity=0.85, clip=True, color=GREEN).encode(
            x=samples_x(), y=y(), tooltip=tooltip
        ),
    )
    return stretched(layers, "Test loss close to that of the output 0", 220)


@cache
def _norms_over_samples() -> dict[str, Any]:
    y = alt.Y(
        "norm:Q",
        title="norm",
        scale=alt.Scale(type="log"),
        axis=alt.Axis(labelExpr=powers(), gridOpacity=0.5, tickCount=5),
    )
    domain = ["‖W1‖", "‖b2‖"]
    color = alt.Color("what:N", scale=alt.Scale(domain=domain), legend=None)
    dash = alt.StrokeDash("what:N", scale=alt.Scale(domain=domain, range=[[1, 0], [5, 3]]), legend=None)
    shape = alt.Shape("what:N", scale=alt.Scale(domain=domain, range=["circle", "square"]), legend=None)
    mean, points = alt.Chart(named("mean")), alt.Chart(named("points"))
    tooltip = [
        alt.Tooltip("n_samples:Q", title="training samples T", format=","),
        alt.Tooltip("what:N", title="norm of"),
        alt.Tooltip("seed:N", title="seed"),
        alt.Tooltip("norm:Q", title="norm", format=".3~g"),
    ]
    room = alt.Chart(named("frame")).mark_point(
        size=1, opacity=0, tooltip=None, aria=False
    )  # for the names of the lines
    layers = alt.layer(
        room.encode(x=samples_x()),
        selected_rule(samples_x()),
        mean.mark_line(strokeWidth=2.5).encode(x=samples_x(), y=y, color=color, strokeDash=dash),
        _line_names(mean, "what", last=True).encode(x=samples_x(), y=y, color=color),
        points.mark_point(filled=True, size=30, opacity=0.7).encode(
            x=samples_x(), y=y, color=color, shape=shape, tooltip=tooltip
        ),
    )
    return stretched(layers, "How large the weights and biases are", 220)
