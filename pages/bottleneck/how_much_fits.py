"""Whether a simple law says how many features come back out of a bottleneck."""

import numpy as np
import pandas as pd
import streamlit as st

from toyviz import charts, law, settings, tables, ui

COLUMNS = {None: "fitted", **{left_out: left_out for left_out in law.LEFT_OUT}}
DEFAULT = "powers, for each, soft ceiling"

ui.title("How much fits", "Is there a simple law for how many features a bottleneck gives back?")
st.markdown(
    "The limits of reconstruction are maps. Could a formula replace them? Each of their cells is a network with $n$ "
    "features, $m$ hidden values and density $p = 1 - S$; measured is how many of the $n$ one-hots come back. A law is "
    "fitted to some of the cells, and judged on the others. Never more than $n$ can come back: a sharp ceiling is "
    "$\\min(n, y)$, a soft one $n\\,(1 - e^{-y/n})$. Cells with $m = n$ are left aside: there all come back."
)

recipe = ui.control("recipe", "quick")
sparsities = ui.control("sparsities", settings.LIMIT_SPARSITIES)
sizes = ui.control("limit_sizes", settings.LIMIT_SIZES)
widths = ui.control("limit_widths", settings.LIMIT_WIDTHS)
seeds = ui.control("map_seeds", 1)
setting = settings.EXPERIMENTS["limits"]
base = setting.at(recipe)
overview = st.container()


def cells_of(results):
    """One row a cell with m < n: what came back, the mean over its seeds."""
    rows = tables.limits(results)
    rows = rows[rows["n_hidden"] < rows["n_features"]].astype({"density": float})
    keys = ["n_features", "n_hidden", "density", "decreasing"]
    return rows.groupby(keys, as_index=False).agg(recovered=("recovered", "mean"))


def watch(experiment, job):
    importance = "decreasing" if experiment.importance_decay < 1 else "uniform"
    size = f"n = {experiment.n_features}, m = {experiment.n_hidden}, density {experiment.density:g}"
    st.markdown(f"**In training:** {size}, {importance} importance, seed {experiment.seed}. {ui.step(job)}")
    ui.draw(charts.training_curve(*job.losses), key="live-curve")


@st.cache_data(show_spinner=False, max_entries=50)
def compared(cells):
    """By what factor each law and each baseline is off: on the cells it was fitted to, and on unseen ones."""
    measured = cells["recovered"].to_numpy(float)
    return pd.DataFrame(
        {
            label: [
                law.factor(measured, law.unseen(name, cells, kind) if kind else law.predicted(name, cells, cells))
                for name in (*law.LAWS, *law.BASELINES)
            ]
            for kind, label in COLUMNS.items()
        },
        index=[*law.LAWS, *law.BASELINES],
    )


def written(name, coefficients):
    """The formula of a law with the numbers that were found, as LaTeX."""
    chosen = law.LAWS[name]
    names = ("c", "a", "b", "d") if "n^b" in chosen.formula else ("c", "d")
    groups = ("decreasing", "uniform") if chosen.by_importance else ("",)
    lines = []
    for group, part in zip(groups, np.split(coefficients, len(groups)), strict=True):
        values = [np.exp(part[0]), *part[1:-1], -part[-1]] if len(part) > 1 else [np.exp(part[0])]
        numbers = ",\\; ".join(f"{letter} = {value:.2f}" for letter, value in zip(names, values, strict=False))
        lines.append(f"$\\;{numbers}$" + (f" for {group} importance" if group else ""))
    return f"$y = {chosen.formula}$ with " + " and ".join(lines)


with overview:
    wanted = settings.limits(base, (True, False), sizes, widths, seed=range(seeds), sparsity=sparsities)
    wanted.sort(key=lambda e: (e.seed, e.n_features * e.n_hidden))
    results = ui.trained(wanted, lambda results: None, watch, at_once=recipe == "quick")

cells = cells_of(results) if results else pd.DataFrame()
enough = len(cells) >= 20 and all(cells[side].nunique() > 1 for side in law.SIDES)
if not enough:
    st.info("A fit needs at least twenty cells with two values of n, m and S each.", icon=":material/tune:")
    st.stop()

found = compared(cells)
st.markdown(f"#### {law.verdict(found[list(law.LEFT_OUT)])}")
st.dataframe(
    found.reset_index(names="law"),
    hide_index=True,
    column_config={
        "law": st.column_config.TextColumn(width="medium"),
        **{label: st.column_config.NumberColumn(format="× %.2f") for label in found.columns},
    },
)
st.caption(
    "By what factor a prediction is off on average, $\\exp\\langle|\\ln(\\text{measured}/\\text{predicted})|\\rangle$: "
    f"1 is exact. {len(cells)} cells. Fitted: on the cells it was fitted to. The others: on cells kept from the fit, "
    "all of a kind at a time. The nearest cell: what was measured at the nearest n, m and p of the same importance; on "
    "cells that it has seen that is themselves."
)

left, right = st.columns(2, gap="large")
name = left.selectbox("Law", list(law.LAWS), index=list(law.LAWS).index(DEFAULT), key="law", bind="query-params")
kind = right.selectbox("Kept from the fit", list(law.LEFT_OUT), index=3, key="kept", bind="query-params")
parts = {str(value): out for value, out in law.folds(cells, kind)}
which = st.pills("Which of them", list(parts), default=next(iter(parts)), required=True, key=f"which-{kind}")
out = parts[which]
coefficients = law.fit(law.LAWS[name], cells[~out])
drawn = cells.assign(
    measured=cells["recovered"].clip(lower=law.LEAST),
    predicted=law.LAWS[name].predict(cells, coefficients),
    unseen=out,
    importance=np.where(cells["decreasing"], *charts.IMPORTANCES),
)
ui.draw(charts.predictions(drawn, "Predicted and measured"), key="predictions")
off = {
    word: law.factor(drawn["measured"][mask].to_numpy(), drawn["predicted"][mask].to_numpy())
    for word, mask in (("on the cells of the fit", ~out), ("on those kept from it", out))
}
st.caption(
    f"{written(name, coefficients)}; a {'soft' if law.LAWS[name].smooth else 'sharp'} ceiling at $n$. Off by "
    + " and ".join(f"a factor of {value:.2f} {word}" for word, value in off.items())
    + ". A dot above the dashed line: more come back than predicted."
)

st.subheader("Where it is off", anchor=False)
honest = drawn.assign(predicted=law.unseen(name, cells, "a fifth of the cells"))
for place, (side, title) in zip(
    st.columns(3),
    {"n_features": "features n", "n_hidden": "hidden size m", "density": "density 1 − S"}.items(),
    strict=True,
):
    ui.draw(charts.residuals(honest, side, title), key=f"over-{side}", where=place)
groups = honest.groupby(["importance", "density"], sort=False)


def change_over_n(part):
    """By what factor the number that comes back differs from one n to the next, where at most half come back."""
    by_width = [group.sort_values("n_features") for _, group in part.groupby("n_hidden")]
    steps = [
        np.abs(np.diff(np.log(group["measured"])))[(group["measured"] <= group["n_features"] / 2)[:-1]]
        for group in by_width
    ]
    every = np.concatenate(steps)
    return float(np.exp(every.mean())) if len(every) else None


table = pd.DataFrame(
    [
        {
            "importance": importance,
            "density 1 − S": f"{density:g}",
            "cells": len(part),
            "off by": law.factor(part["measured"].to_numpy(), part["predicted"].to_numpy()),
            "from n to n": change_over_n(part),
        }
        for (importance, density), part in groups
    ]
).sort_values(["importance", "density 1 − S"])
factors = dict.fromkeys(("off by", "from n to n"), st.column_config.NumberColumn(format="× %.2f"))
st.dataframe(table, hide_index=True, column_config=factors)
st.caption(
    "Off by: each cell as predicted by a fit that has not seen it, a fifth of the cells being kept away at a time. In "
    "the charts above 1: more come back than predicted. From n to n: by what factor the number that comes back differs "
    "from one n to the next at the same m, where at most half come back; 1 where it does not depend on n."
)


def irregular(cells):
    """What comes back of dense features of uniform importance over n, at the m where it differs most, in words."""
    dense = cells[~cells["decreasing"] & (cells["density"] == 1)]
    by_width = {m: part.set_index("n_features")["recovered"] for m, part in dense.groupby("n_hidden") if len(part) > 1}
    falls = {m: part for m, part in by_width.items() if (np.diff(part) < 0).any()}
    if not falls:
        return ""
    m = max(falls, key=lambda m: falls[m].max() / max(falls[m].min(), law.LEAST))
    back = ", ".join(f"{value:g}" for value in falls[m])
    return f": at $m = {m}$ come back {back} for $n$ = {', '.join(map(str, falls[m].index))}"


ui.notes(
    "- **Hidden values first, density second.** The number that comes back grows with $m$, and with fewer active "
    "features.\n"
    "- **Decreasing importance is the regular case**: the most important features are stored, as many as there is "
    "room for. How many features there are matters little until there are too few: $n$ is a ceiling.\n"
    "- **Uniform and dense is the irregular one.** Where all weigh the same and all are active, nothing says which to "
    f"store, and $n$ does matter{irregular(cells)}.\n"
    "- **A new density** is the hardest: sharing directions sets in at some density, and a power law cannot bend.",
    "- That no law exists: these are six simple ones. One that knows the shapes in few dimensions, such as the "
    "pentagon at $m = 2$, would do better.\n"
    "- Extrapolation: nothing is tested beyond the grid, wider, longer or sparser.\n"
    "- How well features come back. A one-hot counts if its output is the largest, however far off.",
)
ui.behind("limits", results[0], tables.runs(results))
