"""How a bottleneck stores more features than it has dimensions."""

import streamlit as st

from toyviz import charts, metrics, settings, tables, ui
from toyviz.experiment import sweep

ui.title("Superposition", "How does a bottleneck store more features than it has dimensions?")
st.markdown(
    "A network squeezes $n$ features through $m$ hidden values and gives them back: "
    "$x' = \\mathrm{ReLU}(W_1^\\top W_1 x + b_2)$. It is trained on endless fresh samples, and feature $i$ weighs "
    "decay$^i$ in the loss, so feature 0 matters most. Only the density changes from left to right: the chance $1 - "
    "S$ that a feature is active."
)

recipe = ui.control("recipe", "quick")
densities = ui.control("density", settings.DENSITIES)
seeds = ui.control("seeds", 4)
n_features = ui.control("n_features", 20, choices=(5, 10, 20, 40))
n_hidden = ui.control("n_hidden", 5, choices=(2, 3, 5, 10))
setting = settings.EXPERIMENTS["superposition"]
bias_init, bias_offset = ui.BIASES[ui.control("bias", "0")]
base = (setting.quick if recipe == "quick" else setting.post).with_(
    n_features=n_features,
    n_hidden=n_hidden,
    importance_decay=ui.control("importance_decay", 0.7),
    bias_init=bias_init,
    bias_offset=bias_offset,
)

overview, row, inside = st.container(), st.container(), st.container()
with inside:
    if densities:
        st.subheader("Inside one network", anchor=False)
    density = ui.shown("look", "Density 1 − S", densities, 0.1)


def best_of_each(results):
    """The best seed of each density, by test loss on one common set of samples."""
    groups = {d: [r for r in results if r.experiment.sparsity == round(1 - d, 6)] for d in densities}
    return {d: tables.best_of(group) for d, group in groups.items() if group}


def show(results):
    best = {result.experiment.key for result in best_of_each(results).values()}
    table = tables.runs(results)
    table["best"] = table["key"].isin(best)
    left, right = st.columns(2, gap="medium")
    pick = lambda point: ui.remember(look=point["density"])  # noqa: E731
    ui.draw(
        charts.summary(table, "represented", densities, n_hidden, density), key="represented", pick=pick, where=left
    )
    ui.draw(charts.summary(table, "superposition", densities, None, density), key="shared", pick=pick, where=right)


def watch(experiment, job):
    left, right = st.columns([2, 3], gap="medium", vertical_alignment="center")
    ui.draw(charts.overlaps([("", job.frame["W1"], job.frame["b2"])], large=True), key="live-overlaps", where=left)
    right.markdown(
        f"**In training:** density {experiment.feature_probability:g}, seed {experiment.seed}. {ui.step(job)}"
    )
    ui.draw(charts.training_curve(*job.losses), key="live-curve", where=right)


def look_inside(result, others, frame):
    now = result.frame(frame)
    columns = now["W1"].T
    norms, shared = metrics.norms(columns), metrics.superposition(columns)
    left, right = st.columns(2, gap="medium")
    ui.draw(
        charts.overlaps([("overlaps W1ᵀ W1, and b2", now["W1"], now["b2"])], large=True), key="overlaps", where=left
    )
    ui.draw(charts.norm_bars([("length of each column", norms, shared)], n_hidden, large=True), key="bars", where=left)
    figure = charts.training_curve(result.loss_steps, result.losses, int(result.frame_steps[frame]))
    ui.draw(figure, key="curve", where=right)
    if n_hidden == 2:
        figure = charts.closeup(columns, charts.FEATURES, norms, metrics.dimensionality(columns))
        ui.draw(figure, key="columns", where=right)
    spread = f" The other seeds have {min(others):.4g} to {max(others):.4g}." if others else ""
    right.markdown(
        f"Seed {result.experiment.seed} is the best of {len(others) + 1} by test loss: "
        f"**{result.metrics['test_loss']:.4g}**.{spread}\n\n"
        f"At this step {ui.many((norms > tables.REPRESENTED).sum(), 'feature')} of {n_features} have a column longer "
        f"than {tables.REPRESENTED:g}, in {n_hidden} hidden dimensions."
    )


with overview:
    sparsities = [round(1 - d, 6) for d in densities]
    wanted = sorted(sweep(base, seed=range(seeds), sparsity=sparsities), key=lambda e: e.seed)
    results = ui.trained(wanted, show, watch, at_once=recipe == "quick")
best = best_of_each(results)
if best:
    with row:
        st.subheader("Density by density", anchor=False)
        with ui.wide():
            labels = {d: f"1 − S = {d:g}" for d in best}
            overlaps = [(labels[d], result.W1, result.b2) for d, result in best.items()]
            ui.draw(charts.overlaps(overlaps), key="all-overlaps")
            bars = [
                (labels[d], metrics.norms(result.W1.T), metrics.superposition(result.W1.T))
                for d, result in best.items()
            ]
            ui.draw(charts.norm_bars(bars, n_hidden), key="all-bars")
            if n_hidden == 2:
                planes = [(labels[d], {charts.FEATURES: result.W1.T}) for d, result in best.items()]
                ui.draw(charts.panels(planes, common_scale=True), key="all-columns")
        st.caption(
            "Above: the overlap of every two features, W1ᵀ W1, and at the right the bias b2. Below: the length of "
            "each feature's column of W1; its colour is the superposition, how much the others lie along its "
            "direction. The dashed line stands after feature m."
        )
with row:
    ui.notes(
        "- **Dense** (left): the $m$ most important features get a direction each, and the rest is given up. Its bias "
        "is the mean of the feature, a guess.\n"
        "- **Sparser**: the least important of these give way first and pair up: two features point in opposite "
        "directions (orange cells), since they are seldom active at once.\n"
        "- **Sparse** (right): many features share every direction, the bars turn yellow, and the bias turns negative "
        "to cut off what the others leak.",
        "- The one solution: another seed finds another arrangement. Shown is the best of the seeds, by the loss on "
        "10,000 samples that are the same for all of them.\n"
        "- Another start: with a bias that does not start at 0, results look quite different. Try it.\n"
        "- Colours of features that are hardly there: they are faded, since a tiny column has no meaningful direction.",
    )
if density in best:
    with inside:
        here = best[density]
        same = [r for r in results if r.experiment.sparsity == here.experiment.sparsity and r is not here]
        others = [r.metrics["test_loss"] for r in same]
        ui.replay(here, lambda frame: look_inside(here, others, frame))
    ui.behind("superposition", here, tables.runs(results))
elif densities:
    inside.caption("This network is not trained yet.")
