"""How many features come back out of a bottleneck, over its width, their number, and how sparse they are."""

import numpy as np
import pandas as pd
import streamlit as st

from toyviz import charts, metrics, probe, settings, tables, ui

NOISY, UNIFORM, CLEAN = VIEWS = ["Decreasing importance", "Uniform importance", "One-hots"]
CLAIMS = {
    NOISY: ("sparser_is_better", "wider_is_better", "importance_rule", "roughest_case", "importance_in_loss_only"),
    UNIFORM: ("sparser_is_better", "wider_is_better", "uniform_trades_loss_for_accuracy"),
    CLEAN: ("noise_free_is_better", "importance_still_ignores", "decay_costs_accuracy", "noise_free_is_unbounded"),
}
FAINTEST = 1e-5  # losses below this share the darkest colour: with m = n there is nothing to lose
DRAWN = 64  # features of one network in its picture: more are too small to see
NAMES = {True: "importance decreasing", False: "importance uniform"}

ui.title("Limits of reconstruction", "How many features come back out of a bottleneck?")
view = ui.choice("limits", "Setting", VIEWS, NOISY, label_visibility="collapsed")
clean = view == CLEAN
what = {
    NOISY: "Inputs are sparse features between 0 and 1, and feature $i$ weighs $100^{-i/(n-1)}$ in the loss: the first "
    "weighs 1, the last 0.01.",
    UNIFORM: "Inputs are sparse features between 0 and 1, and all weigh the same in the loss.",
    CLEAN: "Inputs are the $n$ one-hots and nothing else: no noise, a list to be stored. Left feature $i$ weighs "
    "$100^{-i/(n-1)}$ in the loss, right all weigh the same.",
}
st.markdown(
    "A network squeezes $n$ features through $m$ hidden values and gives them back: $x' = \\mathrm{ReLU}(W_1^\\top W_1 "
    f"x + b_2)$. Every cell below is a network of its own, for one $n$ and one $m \\le n$. {what[view]} Accuracy asks "
    "for less than the loss: each one-hot $e_i$ is put in, and counts if output $i$ is the largest."
)

recipe = ui.control("recipe", "quick")
sparsities = [] if clean else ui.control("sparsities", settings.LIMIT_SPARSITIES)
sizes = ui.control("limit_sizes", settings.LIMIT_SIZES)
widths = ui.control("limit_widths", settings.LIMIT_WIDTHS)
seeds = ui.control("map_seeds", 1)
relative = ui.control("relative", False)
name = "limits_one_hot" if clean else "limits"
setting = settings.EXPERIMENTS[name]
base = setting.at(recipe).with_(
    weight_decay=ui.control("weight_decay", 0.01, where=st.sidebar.expander("More settings"))
)
overview, inside = st.container(), st.container()
columns = [True, False] if clean else sparsities  # the maps from left to right
labels = {column: NAMES[column] if clean else f"S = {column:g}" for column in columns}

with inside:
    st.subheader("Inside one cell", anchor=False)
    picks = st.container(horizontal=True, gap="large")
    column = ui.shown("column", "Map", columns, columns[0] if clean else 0.9, where=picks, text=labels.__getitem__)
    n = ui.shown("n", "Features n", sizes, 64, where=picks)
    m = ui.shown("m", "Hidden size m", [width for width in widths if n and width <= n], 8, where=picks)
    seed = ui.shown("seed", "Seed", range(seeds), 0, where=picks)


def column_of(experiment):
    """The map that a network belongs to."""
    return experiment.importance_decay < 1 if clean else experiment.sparsity


def cells_of(results):
    """One row a cell of one map: the means over its seeds."""
    cells = tables.limits(results).groupby(["n_features", "n_hidden"], as_index=False)
    return cells.agg(
        loss=("loss", "mean"),
        share=("share", "mean"),
        accuracy=("accuracy", "mean"),
        recovered=("recovered", "mean"),
        seeds=("seed", "size"),
    )


def watch(experiment, job):
    left, right = st.columns([1, 2], gap="large", vertical_alignment="center")
    draw_overlaps({"W1": job.frame["W1"], "b2": job.frame["b2"]}, "live", left)
    size = f"n = {experiment.n_features}, m = {experiment.n_hidden}, {labels[column_of(experiment)]}"
    right.markdown(f"**In training:** {size}, seed {experiment.seed}. {ui.step(job)}")
    ui.draw(charts.training_curve(*job.losses), key="live-curve", where=right)


def draw_overlaps(parameters, key, where):
    """W1'W1 and the bias, of at most DRAWN features, spread evenly."""
    kept = np.unique(np.linspace(0, parameters["W1"].shape[1] - 1, DRAWN).round().astype(int))
    W1, b2 = parameters["W1"][:, kept], parameters["b2"][kept]
    ui.draw(charts.overlaps([("W1ᵀ W1, and b", W1, b2)], large=True), key=f"{key}-overlaps", where=ui.wide(where))
    return kept


def show(results):
    by_column = {
        each: cells_of(found) for each in columns if (found := [r for r in results if column_of(r.experiment) == each])
    }
    measure, legend = ("share", "loss over the constant's") if relative else ("loss", "loss")
    values = np.concatenate([cells[measure] for cells in by_column.values()])
    ends = (max(float(values.min()), FAINTEST), max(float(values.max()), 2 * FAINTEST))
    shared = {
        "x": charts.Side("n_hidden", "hidden size m", tuple(widths)),
        "y": charts.Side("n_features", "features n", tuple(sizes)),
        "possible": lambda m, n: m <= n,
    }

    def open_cell_of(each):
        return lambda point: ui.remember(column=each, n=int(point["n_features"]), m=int(point["n_hidden"]))

    for what, title in ((measure, "loss"), ("accuracy", "accuracy")):
        for place, (each, cells) in zip(st.columns(max(len(by_column), 1)), by_column.items(), strict=False):
            options = shared | ({"ends": ends} if what != "accuracy" else {})
            figure = charts.size_map(
                cells.assign(value=cells[what]),
                f"{labels[each][0].upper()}{labels[each][1:]}: {title}",
                legend if what != "accuracy" else "accuracy",
                logarithmic=what != "accuracy",
                selected={"n_hidden": m, "n_features": n} if each == column else None,
                **options,
            )
            ui.draw(figure, key=f"{what}-{each}", pick=open_cell_of(each), where=place)
    below = f" Losses below {FAINTEST:g} share the darkest colour." if (values < FAINTEST).any() else ""
    st.caption(
        "Above the loss, on one logarithmic scale for all maps: the squared error, summed over features and weighted "
        f"by importance{', over that of the best constant output' if relative else ''}, on "
        f"{'the one-hots' if clean else '10,000 new samples'}.{below} Below the share of one-hots that come back. "
        "Click a cell to open its network."
    )


NOTES = {
    NOISY: (
        "- **To the right** in each map, where the bottleneck is wider, more comes back; where $m = n$, all.\n"
        "- **From map to map** features get sparser. They rarely meet, so they can share directions, and one hidden "
        "value serves several of them.\n"
        "- **Dense** ($S = 0$): about as many one-hots come back as there are hidden values, the most important ones. "
        "Each has a direction for itself, and the others are given up.",
        "- That sparse features are stored better, by the loss alone: they vary less, and even a constant output has a "
        "smaller loss. The toggle at the left divides by that.\n"
        "- What long training would reach: the quick recipe takes 2,000 steps.",
    ),
    UNIFORM: (
        "- **Better accuracy, worse loss** than with decreasing importance, where features are sparse: none is worth "
        "giving up, so all are stored a little worse. Much of the gap of the losses is arithmetic: decreasing weights "
        "have a mean of about 0.22.\n"
        "- **Dense** ($S = 0$): for many features and few hidden values hardly any one-hot comes back. With equal "
        "weights there is no reason to prefer any $m$ of them.",
        "- A fair comparison of the two losses: they are different sums. Divide by the best constant output's loss at "
        "the left; then the weights cancel.\n"
        "- Why the divided loss can be above 1, at $S = 0$, $n \\ge 64$ and few hidden values: some outputs are off "
        "for every input, and a ReLU that is off learns nothing. Each costs four times what the mean would: 25 of 128 "
        "at $m = 2$ make $1 + 3 \\cdot 25/128 = 1.59$, and 1.57 is measured, with either recipe.",
    ),
    CLEAN: (
        "- **Right**, uniform importance: a handful of hidden values holds hundreds of one-hots. Only one input is "
        "active at a time, so only the angles between them count.\n"
        "- **Left**, decreasing importance: the network gives up the least important ones, though it has room.\n"
        "- **Why some are missing.** The post suspects weight decay. Set it to 0 under More settings: the same ones "
        "are missing. The optimiser has stopped short: at $m = 4$ more steps bring some of them back, at $m = 2$ "
        "hardly any.",
        "- How robust the list is: there is no noise at all, and an angle of a few degrees is enough.\n"
        "- The optimum for $m = 2$: any number of points fits on a circle in exact arithmetic, but the vectors must "
        "then be as long as about $0.3\\, n$.",
    ),
}

with overview:
    over = {"seed": range(seeds)} | ({} if clean else {"sparsity": sparsities})
    importances = (True, False) if clean else (view == NOISY,)
    wanted = settings.limits(base, importances, sizes, widths, **over)
    wanted.sort(key=lambda e: (e.seed, e.n_features * e.n_hidden))
    results = ui.trained(wanted, show, watch, at_once=recipe == "quick")
    ui.notes(*NOTES[view])

chosen = next(
    (
        r
        for r in results
        if (column_of(r.experiment), r.experiment.n_features, r.experiment.n_hidden, r.experiment.seed)
        == (column, n, m, seed)
    ),
    None,
)


def listed(numbers):
    """A few numbers in words: "3, 5, 7 and 20 more"."""
    some = ", ".join(map(str, numbers[:8]))
    return f"{some} and {len(numbers) - 8} more" if len(numbers) > 9 else ", ".join(map(str, numbers))


def look(frame):
    parameters = chosen.frame(frame)
    left, right = st.columns([1, 1], gap="medium")
    kept = draw_overlaps(parameters, "cell", left)
    norms, shared = metrics.norms(parameters["W1"].T), metrics.superposition(parameters["W1"].T)
    bars = [("length of each column", norms[kept], shared[kept])]
    ui.draw(
        charts.norm_bars(bars, int((kept < chosen.experiment.n_hidden).sum()), large=True),
        key="bars",
        where=ui.wide(right),
    )
    step = int(chosen.frame_steps[frame])
    ui.draw(charts.training_curve(chosen.loss_steps, chosen.losses, step), key="curve", where=right)
    if len(kept) < len(norms):
        st.caption(f"Drawn are {len(kept)} of the {len(norms)} features, spread evenly.")


with inside:
    if chosen:
        ui.replay(chosen, look)
        row = tables.limits([chosen]).iloc[0]
        lost = np.flatnonzero(~probe.one_hots_back(chosen))
        size = chosen.experiment.n_features
        st.markdown(
            f"At the end the loss is {row['loss']:.3g}, {row['share']:.2g} times that of the best constant output. "
            f"{row['recovered']} of {size} one-hots come back"
            + (f"; lost are {listed(lost)}. " if 0 < len(lost) < size else ". ")
            + f"{row['stored']} columns of W1 are longer than {metrics.REPRESENTED}. A column is drawn black where it "
            "has its direction for itself, yellow where others lie along it."
        )
    else:
        st.caption("Choose a cell that is trained." if results else "Nothing is trained yet.")
# Some claims compare with another view, or with other weight decay: they take what of it is trained already.
if clean:
    noisy = settings.EXPERIMENTS["limits"].at(recipe)
    elsewhere = [
        *settings.limits(noisy, (True, False), sizes, widths, sparsity=(0.99,), **over),
        *settings.limits(base.with_(weight_decay=0.0), (True, False), sizes, widths, **over),
        *settings.limits(base.with_(weight_decay=0.01), (True, False), sizes, widths, **over),
    ]
else:
    elsewhere = settings.limits(base, (view != NOISY,), sizes, widths, **over)
every = {result.experiment.key: result for result in [*ui.stored(elsewhere), *results]}
for id in CLAIMS[view]:
    ui.claim(id, list(every.values()) if results else [])
if chosen:
    ui.behind(name, chosen, pd.merge(tables.runs(results), tables.limits(results)[["key", "share", "recovered"]]))
