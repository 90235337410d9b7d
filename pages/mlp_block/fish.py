"""What an MLP block gives back of features that it sees through a random projection."""

import numpy as np
import pandas as pd
import streamlit as st

from toyviz import charts, data, metrics, settings, tables, ui
from toyviz.model import forward

NAMES = {task: name for task, (name, _) in charts.FISH.items()}
CLAIMS = (
    *("projection_has_full_rank", "big_fish_needs_hidden_size", "big_fish_needs_a_neuron_a_feature"),
    *("small_fish_recovers_more", "small_fish_is_not_perfect", "reprojector_like_big_fish"),
)
FEW = 8  # F over H from which on there are few neurons

ui.title("Big fish, small fish, re-projector", "What does an MLP block get out of features in superposition?")
st.markdown(
    "An MLP in a transformer does not see features; it sees a residual stream in which more features lie than it has "
    "dimensions. Here $F$ features $x$ become $B$ numbers, $x' = xE$, by a random matrix $E$ that is never trained. "
    "The MLP, $W_2\\, \\mathrm{ReLU}(W_1 x' + b_1) + b_2$ with $H$ neurons, has one of three jobs. The **big fish** "
    "gives back the features $x$. The **small fish** gives back what it sees, $x'$. The **re-projector** gives "
    "$x'' = xE'$: the same features through another random matrix $E'$."
)

recipe = ui.control("recipe", "quick")
n_features = ui.control("fish_features", 256)
embeds = ui.control("fish_embeds", settings.FISH_EMBEDS)
widths = ui.control("fish_hidden", settings.FISH_HIDDEN)
seeds = ui.control("map_seeds", 1)
relative = ui.control("over_variance", False)
more = st.sidebar.expander("More settings")
common = {
    "n_features": [n_features],
    "weight_decay": [ui.control("weight_decay", 0.01, where=more)],
    "normalize": [ui.control("normalize", True, where=more)],
}
shapes, overview, inside = st.container(), st.container(), st.container()

with inside:
    st.subheader("Inside one cell", anchor=False)
    picks = st.container(horizontal=True, gap="large")
    task = ui.shown("fish", "Network", NAMES, "big_fish", where=picks, text=NAMES.__getitem__)
    B = ui.shown("B", "Bottleneck B", embeds, 32, where=picks)
    H = ui.shown("H", "Hidden size H", widths, 64, where=picks)
    seed = ui.shown("seed", "Seed", range(seeds), 0, where=picks)

with shapes:
    left, right = st.columns([37, 63])
    ui.draw(charts.components(), key="components", where=ui.wide(left))
    ui.draw(charts.fish_shapes(n_features, B or 32, H or 64), key="shapes", where=ui.wide(right))
    st.caption(
        "Left: the parts of a transformer that are trained alone; this page is about the MLP block. Right: the three "
        "networks, from the features below to the output above, their widths to scale. E, and E' behind the "
        "re-projector's target, are drawn once and never trained; all three see the same samples through the same E."
    )


def watch(experiment, job):
    left, right = st.columns([1, 2], gap="large", vertical_alignment="center")
    size = f"B = {experiment.n_embed}, H = {experiment.n_hidden}"
    left.markdown(f"**In training:** {NAMES[experiment.task]}, {size}, seed {experiment.seed}. {ui.step(job)}")
    ui.draw(charts.training_curve(*job.losses), key="live-curve", where=right)


def open_cell_of(name):
    return lambda point: ui.remember(fish=name, B=int(point["n_embed"]), H=int(point["n_hidden"]))


def show(results):
    table = tables.fish(results)
    cells = table.groupby(["task", "n_embed", "n_hidden"], as_index=False).agg(
        dict.fromkeys(("mse", "share", "floor", "floor_share", "accuracy", "chance"), "mean") | {"seed": "size"}
    )
    draw_maps(cells)
    st.subheader("Against what is possible", anchor=False)
    draw_lines(cells[cells["n_embed"] == B], table)


def draw_maps(cells):
    measure, floor = ("share", "floor_share") if relative else ("mse", "floor")
    legend = "error over variance" if relative else "mean squared error"
    sides = {
        "x": charts.Side("n_embed", "bottleneck B", tuple(embeds)),
        "y": charts.Side("n_hidden", "hidden size H", tuple(widths)),
    }
    for what in (measure, "accuracy"):
        for place, (name, title) in zip(st.columns(3), NAMES.items(), strict=True):
            here = cells[cells["task"] == name]
            if not len(here):
                continue
            loss = what != "accuracy"
            ends = {"ends": (float(cells[what].clip(lower=1e-4).min()), float(cells[what].max()))} if relative else {}
            figure = charts.size_map(
                here.assign(value=here[what], floor=here[floor] if loss else here["chance"]),
                f"{title[0].upper()}{title[1:]}: {'error' if loss else 'accuracy'}",
                legend if loss else "accuracy",
                logarithmic=loss,
                selected={"n_embed": B, "n_hidden": H} if name == task else None,
                **sides,
                **(ends if loss else {}),
            )
            ui.draw(figure, key=f"{what}-{name}", pick=open_cell_of(name), where=place)
    empty = settings.EXPERIMENTS[task].quick.sparsity ** n_features
    chances = f"1/{n_features} for the big fish, 1/B for the other two"
    st.caption(
        f"Above the {legend} on the 1,000 training samples, its mean over all outputs, on a logarithmic scale"
        + (" that all three share" if relative else "; each fish has its own, since their targets differ")
        + ". Below the accuracy: each feature goes in alone, as row $i$ of $E$, and counts if the largest output is "
        f"where the target's largest is. By chance that is {chances}. "
        + f"About {empty:.0%} of the samples have no feature at all ($0.99^{{F}}$)"
        + ("; the smaller F, the more, and the easier the task." if empty > 0.01 else ".")
        + " Click a cell to open its network."
    )


def floors(table):
    """The rank floor of each fish at this B, for every hidden size on the axis: the mean over the seeds."""
    every = np.arange(min(widths), max(widths) + 1)
    parts = []
    for name, title in NAMES.items():
        here = sorted(table[table["task"] == name]["seed"].unique())
        fields = {key: value for key, (value,) in common.items()} | {"task": name, "n_embed": B, "n_hidden": 1}
        curves = [tables.rank_floors(wanted[0].with_(**fields, seed=int(each))) for each in here]
        shares = [curve[np.minimum(every, len(curve) - 1)] / curve[0] for curve in curves]
        if shares:
            parts.append(pd.DataFrame({"fish": title, "n_hidden": every, "value": np.mean(shares, axis=0)}))
    return pd.concat(parts)


def draw_lines(cells, table):
    if not len(cells):
        st.caption("Nothing is trained for this bottleneck yet.")
        return
    rows = cells.assign(fish=cells["task"].map(NAMES)).sort_values("n_hidden")
    left, right = st.columns(2, gap="medium")

    def open_point(point):
        chosen = next(name for name, title in NAMES.items() if title == point["fish"])
        ui.remember(fish=chosen, H=int(point["n_hidden"]))

    figure = charts.over_hidden_size(
        rows[["fish", "n_hidden"]].assign(value=rows["share"]),
        floors(table),
        f"Error over hidden size, B = {B}",
        "error over variance",
        "rank floor",
        H,
    )
    ui.draw(figure, key="line-loss", pick=open_point, where=left)
    figure = charts.over_hidden_size(
        rows[["fish", "n_hidden"]].assign(value=rows["accuracy"]),
        rows[["fish", "n_hidden"]].assign(value=rows["chance"]),
        f"Accuracy over hidden size, B = {B}",
        "accuracy",
        "chance",
        H,
        share=True,
    )
    ui.draw(figure, key="line-accuracy", pick=open_point, where=right)
    above = table["share"] - table["floor_share"]
    big = above[table["task"] == "big_fish"]
    st.caption(
        "Dashed left: the rank floor, $\\frac1T \\sum_{k>H} \\sigma_k^2(Y - \\bar Y)$ over the variance. The output is "
        "linear in $H$ numbers, so no network of this shape gets below it. The big fish's does not depend on $B$. "
        f"Of the {len(table)} networks here none is below its floor; they lie {above.min():.2g} to {above.max():.2g} "
        "of the variance above it"
        + (f", the big fish {big.min():.2g} to {big.max():.2g}" if len(big) else "")
        + ". Dashed right: chance. The three have different chances, and different floors. Lines between the points "
        "only guide the eye."
    )


def big_fish_over_B(results):
    """What the big fish leaves of the variance at each B, with a few neurons and with the most, in words."""
    table = tables.fish(results)
    left = table[table["task"] == "big_fish"].groupby(["n_hidden", "n_embed"])["share"].mean().unstack()
    few = [width for width in left.index if width <= n_features / FEW]
    if not few or left.shape[1] < 2:
        return ""
    told = [
        f"{left.loc[width].iloc[0]:.2f} at B = {left.columns[0]} and {left.loc[width].iloc[-1]:.2f} at B = "
        f"{left.columns[-1]} with H = {width}"
        for width in dict.fromkeys((few[-1], left.index[-1]))
    ]
    return f" (of the variance are left {', '.join(told)})"


with overview:
    wanted = settings.fish(recipe, seed=range(seeds), n_embed=embeds, n_hidden=widths, **common)
    results = ui.trained(wanted, show, watch, at_once=recipe == "quick")
    ui.notes(
        "- **Big fish**: rows differ more than columns. It has to name $F$ features, and each neuron adds one "
        "dimension to what it can say. While there are few neurons the bottleneck hardly limits it; with many it does"
        f"{big_fish_over_B(results)}.\n"
        "- **Small fish**: it only has to copy. With $H \\geq B$ neurons, lifted by $b_1$ to where the ReLU does "
        "nothing, it could do so exactly.\n"
        "- **Re-projector**: its target has only $B$ dimensions, like the small fish's, but it has to find out which "
        "features are on before it can say where $E'$ puts them, like the big fish.",
        "- That accuracies can be compared as they are: by chance one of $B$ outputs is right far more often than one "
        "of $F$.\n"
        "- New samples: the error is that on the 1,000 fixed training samples. With many neurons these can be "
        "memorised; the accuracy, and the error on new samples below, show whether they are.\n"
        "- A long training: the quick recipe takes 1,500 steps, the post's size here 5,000.",
    )

chosen = next(
    (
        r
        for r in results
        if (r.experiment.task, r.experiment.n_embed, r.experiment.n_hidden, r.experiment.seed) == (task, B, H, seed)
    ),
    None,
)


def look_inside(result):
    alone = data.samples(result.experiment, np.eye(n_features, dtype=np.float32))
    feature = ui.number("feature", "Feature", n_features - 1, where=picks)

    def look(frame):
        flow = forward(result.experiment.arch_row, result.frame(frame), alone.inputs)
        left, right = st.columns(2, gap="medium")
        figure = charts.recovery(metrics.lead(flow.output, alone.targets), feature)
        pick = lambda point: ui.remember(feature=float(point["feature"]))  # noqa: E731
        ui.draw(figure, key="recovery", pick=pick, where=left)
        figure = charts.response(flow.output[feature], alone.targets[feature], f"Feature {feature} alone: the output")
        ui.draw(figure, key="response", where=right)
        step = int(result.frame_steps[frame])
        ui.draw(charts.training_curve(result.loss_steps, result.losses, step), key="curve", where=left)
        hidden = {"h": flow.hidden[feature]}
        ui.draw(charts.old_bars(hidden, f"Feature {feature} alone: the neurons", "neuron"), key="hidden", where=right)
        on = (flow.hidden > 0).sum(axis=0)
        right.caption(
            f"Above, blue: what the network says; orange: what it should say, where that is not 0. Of "
            f"{len(on)} neurons, {(flow.hidden[feature] > 0).sum()} are on for feature {feature}; "
            f"{(on == n_features).sum()} are on for every feature, {(on == 0).sum()} for none."
        )

    ui.replay(result, look)
    row = tables.fish([result]).iloc[0]
    st.markdown(
        f"At the end the error is {row['mse']:.3g} on the training samples (rank floor {row['floor']:.3g}), "
        f"{row['test_mse']:.3g} on new ones; {row['share']:.1%} of the variance is left. {row['recovered']} of "
        f"{n_features} features come back alone, {row['accuracy']:.1%}; by chance {row['chance']:.1%}."
    )


with inside:
    if chosen:
        look_inside(chosen)
    else:
        st.caption("Choose a cell that is trained." if results else "Nothing is trained yet.")
for id in CLAIMS:
    ui.claim(id, results)
if chosen:
    table = tables.fish(results).drop(columns=["task", "n_features", "n_embed", "n_hidden", "seed"])
    ui.behind(task, chosen, pd.merge(tables.runs(results), table, on="key"))
