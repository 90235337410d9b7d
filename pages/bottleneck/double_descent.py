"""When a bottleneck stops storing its samples and starts to learn features."""

import streamlit as st

from toyviz import charts, metrics, settings, tables, theory, ui
from toyviz.experiment import sweep

ui.title("Double descent", "When does a network stop memorising its samples and start to generalise?")
st.markdown(
    "A sample has $n$ features, few of them active. The network squeezes it through $m$ hidden values and gives it "
    "back: $x' = \\mathrm{ReLU}(W_1^\\top W_1 x + b_2)$. Every point below is a network of its own, trained on $T$ "
    "fixed samples and tested on 10,000 others. The loss is the squared error, summed over features."
)

recipe = ui.control("recipe", "quick")
sizes = ui.control("n_samples", settings.SAMPLE_SIZES)
seeds = ui.control("seeds", 4)
sparsity = ui.control("sparsity", 0.99)
n_features = ui.control("n_features", 1000)
n_hidden = ui.control("n_hidden", 2)
more = st.sidebar.expander("More settings")
setting = settings.EXPERIMENTS["double_descent"]
base = (setting.quick if recipe == "quick" else setting.post).with_(
    sparsity=sparsity,
    n_features=n_features,
    n_hidden=n_hidden,
    weight_decay=ui.control("weight_decay", 0.01, where=more),
    init=ui.control("init", "xavier_normal", where=more),
    normalize=ui.control("normalize", True, where=more),
)
baselines = theory.held_out_baselines(base.with_(n_samples=1))
zero, rules = baselines["zero"], {"output 0": baselines["zero"], "best constant output": baselines["constant"]}

projected = (
    f"Drawn along two of the {n_hidden} hidden directions: the first two left singular vectors of the trained W1."
    if n_hidden > 2
    else ""
)

overview, row, inside = st.container(), st.container(), st.container()
with inside:
    if sizes:
        st.subheader("Inside one network", anchor=False)
    picks = st.container(horizontal=True, gap="large")
    T = ui.shown("T", "Training samples T", sizes, 10, where=picks)
    seed = ui.shown("seed", "Seed", range(seeds), 0, where=picks)


def show(results):
    table = tables.runs(results)
    found = tables.descent(table, zero, n_hidden)
    ui.draw(
        charts.loss_over_samples(table, rules, found.regimes, sizes, found.peak, T),
        key="loss",
        pick=lambda point: ui.remember(T=int(point["n_samples"]), seed=int(point["seed"])),
    )


def watch(experiment, job):
    left, right = st.columns([1, 2], gap="large", vertical_alignment="center")
    W1 = job.frame["W1"]
    columns, norms, share = W1.T @ tables.plane(W1), metrics.norms(W1.T), metrics.dimensionality(W1.T)
    figure = charts.closeup(columns, charts.FEATURES, norms, share, at_most=charts.RAYS)
    ui.draw(figure, key="live-columns", where=left)
    right.markdown(f"**In training:** T = {experiment.n_samples:,}, seed {experiment.seed}. {ui.step(job)}")
    ui.draw(charts.training_curve(*job.losses), key="live-curve", where=right)


def look_inside(result, frame):
    now, end = tables.vectors_at(result, frame), tables.vectors(result)
    left, middle, right = st.columns(3, gap="medium")
    lim = max(charts.limit(now.features), charts.limit(end.features))
    figure = charts.closeup(now.features, charts.FEATURES, now.feature_norms, now.feature_dimensionality, lim)
    ui.draw(figure, key="columns", where=left)
    lim = max(charts.limit(now.samples), charts.limit(end.samples))
    figure = charts.closeup(now.samples, charts.SAMPLES, now.sample_norms, now.sample_dimensionality, lim)
    ui.draw(figure, key="hidden", where=middle)
    figure = charts.training_curve(result.loss_steps, result.losses, int(result.frame_steps[frame]))
    ui.draw(figure, key="curve", where=right)
    big = ui.many((end.feature_dimensionality >= tables.BIG).sum(), "feature")
    right.markdown(
        f"At the end the train loss is {result.metrics['train_loss']:.3g}, the test loss "
        f"{result.metrics['test_loss']:.4g}, and {big} can be told apart: at least {tables.BIG} of a dimension each."
    )
    if projected:
        st.caption(projected)


with overview:
    wanted = sorted(sweep(base, seed=range(seeds), n_samples=sizes), key=lambda e: (e.seed != seed, e.n_samples != T))
    results = ui.trained(wanted, show, watch, at_once=recipe == "quick")
table = tables.runs(results)
here = sorted((r for r in results if r.experiment.seed == seed), key=lambda r: r.experiment.n_samples)
vectors = {result.experiment.n_samples: tables.vectors(result) for result in here}
chosen = next((result for result in here if result.experiment.n_samples == T), None)

with row:
    if here:
        st.subheader("Features and samples, size by size", anchor=False)
        common = st.toggle("One scale for all squares", key="common_scale", bind="query-params")
        pictures = [
            (f"T = {size:,}", {charts.FEATURES: found.features, charts.SAMPLES: found.samples})
            for size, found in vectors.items()
        ]
        ui.draw(charts.panels(pictures, common), key="panels", where=ui.wide())
        st.caption(
            f"Seed {seed}. Above: what each feature writes into the hidden layer, a column of W1. Below: where each "
            "training sample ends up, W1 x. The corner tells the scale of a square. At most "
            f"{charts.RAYS} vectors a square are drawn. {projected}"
        )
    ui.notes(
        "- **Memorising.** With few samples the network stores each of them: the train loss is small, the hidden "
        "vectors (red) are the corners of a polygon, and a new sample means nothing to it.\n"
        "- **In between.** There are too many samples to store and too few to see what they have in common. The test "
        "loss rises far above that of the output 0.\n"
        "- **Generalising.** With enough samples a few features (blue) get a direction each, and the test loss falls "
        "below that of the best constant output.",
        "- How high the peak is: it hangs on the recipe and the seed. The post trains ten times longer with smaller "
        "steps; that is the paper recipe.\n"
        "- The best network there is: an optimiser that stops elsewhere moves the peak and the start of generalising.\n"
        "- A large network: with $m = 2$ at most a handful of the features can ever be represented.",
    )
with inside:
    if chosen:
        ui.replay(chosen, lambda frame: look_inside(chosen, frame))
    elif sizes:
        st.caption("This network is not trained yet.")
if here:
    st.subheader("What fills the hidden dimensions", anchor=False)
    features = {size: found.feature_dimensionality for size, found in vectors.items()}
    samples = {size: found.sample_dimensionality for size, found in vectors.items()}
    ui.draw(charts.dimensionality(features, samples, n_hidden, n_features, T), key="dimensionality")
    st.markdown(
        "The dimensionality of a vector, $D_i = |v_i|^2 / \\sum_j (\\hat v_i \\cdot v_j)^2$, is the share of a hidden "
        "dimension that it has to itself. Samples in a regular polygon have $m/T$ each. Where the red falls and a few "
        "blue dots rise, samples give way to features."
    )
if results:
    st.subheader("A closer look", anchor=False)
    left, right = st.columns(2, gap="medium")
    ui.draw(charts.loss_close_to_one(table, rules, sizes, T), key="near", where=left)
    ui.draw(charts.norms_over_samples(table, T), key="norms", where=right)
    st.markdown(
        "Left: only where the test loss is below that of the best constant output has the network learned something "
        "about features. Right: at the post's size, storing many samples takes large weights and even larger biases; "
        "both collapse where the network generalises."
    )
if chosen:
    ui.behind("double_descent", chosen, table)
