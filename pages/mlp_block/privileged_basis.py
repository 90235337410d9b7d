"""When single neurons come to stand for single features."""

import pandas as pd
import streamlit as st

from toyviz import charts, metrics, settings, tables, ui
from toyviz.experiment import sparsity_of, sweep

ui.title("Privileged basis", "When does a single neuron stand for a single feature?")
st.markdown(
    "With a ReLU on the hidden layer, $x' = \\mathrm{ReLU}(W_1^\\top \\mathrm{ReLU}(W_1 x) + b_2)$, the directions "
    "along single neurons are special: only there does the ReLU act. So one can ask what each neuron is for. Feature "
    "$i$ weighs decay$^i$ in the loss, and only the density changes from left to right. Such networks often get stuck, "
    "so each density is trained from many random starts; shown is the best of them."
)

setting = settings.EXPERIMENTS["privileged_basis"]
recipe = ui.control("recipe", "quick")
densities = ui.control("density", settings.NEURON_DENSITIES, choices=settings.NEURON_DENSITIES)
starts = ui.control("starts", settings.STARTS)
n_features = ui.control("n_features", 10, choices=(5, 10, 20))
n_hidden = ui.control("n_hidden", 5, choices=(2, 3, 5, 8, 10))
base = setting.at(recipe).with_(
    n_features=n_features,
    n_hidden=n_hidden,
    importance_decay=ui.control("importance_decay", 0.75, choices=(0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0)),
    weight_decay=ui.control("weight_decay", 0.01, where=st.sidebar.expander("More settings")),
)

overview, row, inside = st.container(), st.container(), st.container()
with inside:
    if densities:
        st.subheader("Inside one network", anchor=False)
    density = ui.shown("look", "Density 1 − S", densities, 0.35)


@tables.by_key
def facts(result):
    """What the page tells of every start: its density, seed, loss, and how many neurons stand for several features."""
    features = metrics.features_of_neurons(result.W1)
    return {
        "density": result.experiment.density,
        "seed": result.experiment.seed,
        "loss": result.metrics["test_loss"],
        "polysemantic": int((features > 1).sum()),
        "monosemantic": int((features == 1).sum()),
    }


def loss_table(results):
    """One row a start, with its loss over the lowest of its density."""
    table = pd.DataFrame([facts(result) for result in results])
    lowest = table.groupby("density")["loss"].transform("min")
    return table.assign(ratio=table["loss"] / lowest, best=table.index.isin(table.groupby("density")["loss"].idxmin()))


def picture(result):
    """W1 with its neurons in order, the superposition of each feature, and how many features each neuron stands for."""
    W1 = result.W1[metrics.neuron_order(result.W1)]
    return W1, metrics.superposition(W1.T), [str(count) for count in metrics.features_of_neurons(W1)]


def show(results):
    table = loss_table(results)
    left, right = st.columns(2, gap="medium")
    several = table.rename(columns={"loss": "test_loss"})
    pick = lambda point: ui.remember(look=point["density"])  # noqa: E731
    ui.draw(
        charts.summary(several, "polysemantic", densities, None, density), key="polysemantic", pick=pick, where=left
    )
    pick = lambda point: ui.remember(look=point["density"], clicked=(point["density"], int(point["seed"])))  # noqa: E731
    ui.draw(charts.spread(table, density), key="spread", pick=pick, where=right)


def watch(experiment, job):
    W1 = job.frame["W1"]
    ui.draw(charts.neuron_weights([("W1", W1)], large=True), key="live-weights")
    st.markdown(f"**In training:** density {experiment.density:g}, start {experiment.seed}. {ui.step(job)}")


with overview:
    wanted = sweep(base, seed=range(starts), sparsity=map(sparsity_of, densities))
    results = ui.trained(wanted, show, watch, at_once=recipe == "quick")
    ui.notes(
        "- **Dense** (left): every neuron stands for one feature, the most important ones, and the others are given "
        "up. A feature that is always there leaves no room for a second one beside it.\n"
        "- **Sparser**: neurons take in a second and a third feature, as positive blocks on one neuron that a negative "
        "block on another tells apart.\n"
        "- **Sparse** (right): every neuron stands for many features, and their blocks turn yellow.",
        "- What gradient descent finds at the first go: most starts end at a higher loss, often with a neuron that is "
        "never active. The right chart shows all of them.\n"
        "- A hidden bias: with one, the network could shift its neurons to where the ReLU does nothing, and no neuron "
        "would be special.\n"
        f"- A sharp border: a neuron counts as standing for a feature if its weight is above {metrics.STANDS_FOR} in "
        "size.",
    )

best = {}
for result in results:
    at = result.experiment.density
    best[at] = tables.best_of([result, best[at]]) if at in best else result
best = {d: best[d] for d in densities if d in best}
if best:
    with row:
        st.subheader("Density by density", anchor=False)
        pictures = {d: picture(result) for d, result in best.items()}
        labels = {d: f"1 − S = {d:g}" for d in best}
        with ui.wide(), st.container(width="content"):
            ui.draw(charts.neuron_weights([(labels[d], W1) for d, (W1, _, _) in pictures.items()]), key="all-weights")
            ui.draw(charts.stacks([(labels[d], *values) for d, values in pictures.items()]), key="all-stacks")
        st.caption(
            "Above: W1, a row a feature and a column a neuron; neurons are in the order of their largest feature. "
            "Below: the same weights, a stack a neuron and a block a feature; negative weights hang below the axis. "
            "Under each stack: how many features it stands for, 1 where it is monosemantic, more where it is "
            "polysemantic. A block's colour is the superposition of its feature, $\\sum_{j \\ne i} (\\hat W_i \\cdot "
            "W_j)^2$: how much the other features lie along its direction."
        )
if density in best:
    group = [r for r in results if r.experiment.sparsity == best[density].experiment.sparsity]
    clicked = st.session_state.get("clicked")
    picked = next((r for r in group if (density, r.experiment.seed) == clicked), best[density])
    with inside:
        W1, shared, counts = picture(picked)
        names = ["none" if count == "0" else "mono" if count == "1" else "poly" for count in counts]
        left, right = st.columns(2, gap="medium")
        ui.draw(charts.neuron_weights([("W1", W1)], large=True), key="weights", where=ui.wide(left))
        ui.draw(
            charts.stacks([("weights of each neuron", W1, shared, names)], large=True),
            key="stacks",
            where=ui.wide(right),
        )
        losses = sorted(float(r.metrics["test_loss"]) for r in group)
        which = "the best" if picked is best[density] else f"number {losses.index(picked.metrics['test_loss']) + 1}"
        st.caption(
            f"Start {picked.experiment.seed}: loss {picked.metrics['test_loss']:.4g} on 10,000 samples that are the "
            f"same for all, {which} of {len(group)} (lowest {losses[0]:.4g}, median "
            f"{losses[len(losses) // 2]:.4g}, highest {losses[-1]:.4g}). Click a tick of the right chart above to see "
            "another start."
        )
        ui.draw(charts.training_curve(picked.loss_steps, picked.losses), key="curve")
    ui.claim("monosemantic_when_dense", results)
    ui.claim("sparsity_makes_polysemantic", results)
    ui.behind("privileged_basis", picked, loss_table(results))
