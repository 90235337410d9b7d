"""What a sweep over the size of the training set shows: losses, accuracies, and how large the weights are."""

from __future__ import annotations

from collections.abc import Sequence
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
LEAST = {"loss": FLOOR, "accuracy": 3e-4}  # values below are drawn here, on a logarithmic axis
MEASURES = {"loss": "cross-entropy (nats)", "accuracy": "accuracy"}
CLEAR = 3  # lines closer than this factor have no room for two names
NEAR = (0.98, 1.02)  # the window of loss_close_to_one, in units of the loss of the output 0


def loss_close_to_one(
    runs: pd.DataFrame, baselines: dict[str, float], sizes: Sequence[int], selected: int | None = None
) -> Chart:
    """The test loss close to what the output 0 has, where generalising shows: the mean and each seed.

    runs: columns n_samples, seed, train_loss, test_loss. baselines: loss by name; the first sets the window.
    """
    points = points_of(runs)
    points = points[points["set"] == "test"]
    mean = means_of(points)
    unit = next(iter(baselines.values()))
    lowest = min([NEAR[0] * unit, *(points["loss"] - 0.005 * unit)])
    window = [{"name": "low", "value": lowest}, {"name": "high", "value": NEAR[1] * unit}]
    rules = [
        {"loss": loss, "label": f"{name}: {loss:.4f}", "above": not k}
        for k, (name, loss) in enumerate(baselines.items())
    ]
    data = {
        "points": points,
        "mean": mean,
        "baselines": records(rules, "loss", "label", "above"),
        "selected": records([{"n_samples": selected}] if selected else [], "n_samples"),
        "frame": _held_open(sizes, unit, unit),
    }
    below = int((mean["loss"] < min(baselines.values())).sum())
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


def over_samples(
    runs: pd.DataFrame, measure: str, baseline: tuple[str, float], sizes: Sequence[int], selected: int | None = None
) -> Chart:
    """Cross-entropy or accuracy over T, on the training and on the test set: each seed, their mean and their range.

    runs: columns n_samples, seed, train_<measure>, test_<measure>; measure is "loss" or "accuracy". baseline: what
    guessing has, by name. sizes: every T of the sweep, trained or not. Clicking a point picks its n_samples and seed.
    """
    least = LEAST[measure]
    points = points_of(runs, measure, least)
    mean = means_of(points, measure, least)
    top = 1.0 if measure == "accuracy" or points.empty else max(points["shown"].max() * 2, 10.0)
    name, guess = baseline
    data = {
        "points": points,
        "mean": mean,
        "names": _named_ends(mean),
        "baseline": pd.DataFrame({"value": [guess], "label": [f"{name}: {guess:.4g}"]}),
        "selected": records([{"n_samples": selected}] if selected else [], "n_samples"),
        "frame": _held_open(sizes, least, top),
    }
    test = mean[mean["set"] == "test"]
    what = "cross-entropy" if measure == "loss" else "accuracy"
    said = f"Train and test {what} over the size of the training set; nothing is trained yet."
    if len(test):
        best, last = test.loc[test[measure].idxmax()], test.iloc[-1]
        said = (
            f"Mean test {what} over the size of the training set: highest at T = {best['n_samples']:,} with "
            f"{best[measure]:.3g}, and {last[measure]:.3g} at T = {last['n_samples']:,}. {name}: {guess:.4g}."
        )
    return Chart(_over_samples(measure), data, said)


def _named_ends(mean: pd.DataFrame) -> pd.DataFrame:
    """The points of the lines that carry their names, above; where the lines meet at the last T, those where they are
    furthest apart, the lower name below its line."""
    if not len(mean):
        return mean.assign(below=False)
    apart = mean.groupby("n_samples")["shown"].agg(lambda shown: shown.max() / shown.min())
    meet = apart.iloc[-1] < CLEAR
    here = mean[mean["n_samples"] == (apart.idxmax() if meet else apart.index[-1])]
    return here.assign(below=meet & (here["shown"] < here["shown"].max()))


def points_of(runs: pd.DataFrame, measure: str = "loss", least: float = FLOOR) -> pd.DataFrame:
    """One row for each network and set: the measure, and "shown", the same but not below the least."""
    parts = []
    for name in SETS:
        value = runs[f"{name}_{measure}"].to_numpy(float)
        there = np.isfinite(value)
        about = {field: runs[field].to_numpy(int)[there] for field in ("n_samples", "seed")}
        parts.append({**about, "set": name, measure: value[there], "shown": np.maximum(value[there], least)})
    return stacked(parts, "n_samples", "seed", "set", measure, "shown")


def means_of(points: pd.DataFrame, measure: str = "loss", least: float = FLOOR) -> pd.DataFrame:
    """The mean, the lowest and the highest seed at each size and set."""
    by = points.groupby(["set", "n_samples"], as_index=False)
    mean = by.agg(**{measure: (measure, "mean")}, low=("shown", "min"), high=("shown", "max"))
    return mean.assign(shown=mean[measure].clip(lower=least))


def best_of(points: pd.DataFrame) -> pd.DataFrame:
    """means_of with the losses of one seed instead of the means: at each size that of the lowest train loss, the first
    of equals. A size without a train loss has no row."""
    train = points[points["set"] == "train"].sort_values(["n_samples", "loss", "seed"])
    seed = train.drop_duplicates("n_samples").set_index("n_samples")["seed"]
    mean = means_of(points)
    of_best = points[points["seed"] == points["n_samples"].map(seed)].set_index(["set", "n_samples"])["loss"]
    found = mean.drop(columns="loss").join(of_best, on=["set", "n_samples"], how="inner")
    return found.assign(shown=found["loss"].clip(lower=FLOOR))


def _held_open(sizes: Sequence[int], low: float, high: float) -> pd.DataFrame:
    """Two corners that nobody sees: they hold the axes open."""
    return pd.DataFrame(
        {"n_samples": [min(sizes, default=1) / 1.25, max(sizes, default=1000) * 1.25], "shown": [low, high]}
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


@cache
def _over_samples(measure: str) -> dict[str, Any]:
    loss, y = measure == "loss", _measure_axis(measure)
    color = alt.Color("set:N", title=None, scale=alt.Scale(domain=SETS, range=[GREEN, VERMILLION]), legend=None)
    form = alt.Shape("set:N", title=None, scale=alt.Scale(domain=SETS, range=["circle", "square"]), legend=None)
    dash = alt.StrokeDash("set:N", title=None, scale=alt.Scale(domain=SETS, range=[[1, 0], [5, 3]]), legend=None)
    pick = alt.selection_point(name="pick", fields=["n_samples", "seed"], toggle=False, empty=False, nearest=True)
    mean, points, rule = (alt.Chart(named(name)) for name in ("mean", "points", "baseline"))
    tooltip = [
        alt.Tooltip("n_samples:Q", title="training samples T", format=","),
        alt.Tooltip("seed:N", title="seed"),
        alt.Tooltip("set:N", title="set"),
        alt.Tooltip(f"{measure}:Q", title=MEASURES[measure], format=".4~g" if loss else ".2%"),
    ]
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
        .encode(x=samples_x(), y=y, color=color, shape=form, tooltip=tooltip)
        .add_params(pick),
        *names,
    )
    what = "Cross-entropy" if loss else "Accuracy"
    return stretched(layers, f"{what} over the size of the training set", 300 if loss else 220)


def _measure_axis(measure: str) -> alt.Y:
    least = LEAST[measure]
    percent = "format(datum.value, datum.value < 0.01 ? '.1%' : '.0%')"
    plain = f"datum.value <= {least} ? '≤ {least}' : format(datum.value, '~r')"
    axis = alt.Axis(
        labelExpr=plain if measure == "loss" else percent,
        values=[10.0**k for k in range(-3, 5)] if measure == "loss" else [0.001, 0.01, 0.1, 1],
        gridOpacity=0.5,
        minExtent=48,
        maxExtent=48,
    )
    return alt.Y("shown:Q", title=MEASURES[measure], scale=alt.Scale(type="log", nice=False), axis=axis)
