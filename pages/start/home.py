"""The post from its first bottleneck to its last footnote, a step at a time, with pictures of trained networks."""

import numpy as np
import pandas as pd
import streamlit as st

from toyviz import charts, claims, decompiler, law, metrics, probe, settings, tables, theory, ui
from toyviz.claims import published
from toyviz.claims.appendix import STARTS
from toyviz.experiment import sparsity_of, sweep
from toyviz.figures import figures
from toyviz.model import forward
from toyviz.settings import EXPERIMENTS
from toyviz.studies.double_descent import bias

FIGURES = figures()


@st.cache_resource(show_spinner=False)
def kept():
    """The pictures that were made already: the networks behind them never change, nor do the pictures."""
    return {}


def picture(make, *which):
    """The figure that make(*which) gives, made once; None while its networks are not trained."""
    figures = kept()
    key = make.__name__, *which
    if key not in figures and (figure := make(*which)):
        figures[key] = figure
    return figures.get(key)


def quick(name, **over):
    """The named experiment at its quick size, for each of these values: what the gallery has of it."""
    return ui.stored(sweep(EXPERIMENTS[name].quick, **over))


# -- the pictures: each a figure, or nothing where its networks are not trained ----------------------------------------


def overlaps():
    results = quick("superposition", sparsity=[settings.SPARSITIES[k] for k in (0, 2, 4)])
    return results and charts.overlaps([(f"1 − S = {r.experiment.density:g}", r.W1, r.b2) for r in results])


def descent(name):
    """Losses over T, with the regimes where there are any, and what the networks of the first seed look like."""
    base = EXPERIMENTS[name].quick
    results = quick(name, seed=range(4), n_samples=settings.SAMPLE_SIZES)
    if not results:
        return None
    baselines = theory.held_out_baselines(base.with_(n_samples=1))
    rules = {"output 0": baselines["zero"], "best constant output": baselines["constant"]}
    table = tables.runs(results)
    sizes = settings.SAMPLE_SIZES if base.arch_row.output_relu else ()
    found = tables.descent(table, baselines["zero"], base.n_hidden, sizes, range(4))
    pictures = {}
    for result in results:
        if result.experiment.seed == 0:
            drawn = tables.vectors(result)
            pictures[result.experiment.n_samples] = charts.Picture(drawn.features, drawn.samples)
    return charts.over_sizes(table, rules, found.regimes, settings.SAMPLE_SIZES, pictures, peak=found.peak, height=330)


def polygons():
    vectors = {r.experiment.n_samples: tables.vectors(r) for r in quick("double_descent", n_samples=(5, 15, 200, 2000))}
    pictures = [(f"T = {T:,}", {charts.FEATURES: v.features, charts.SAMPLES: v.samples}) for T, v in vectors.items()]
    return pictures and charts.panels(pictures)


def map_of_limits():
    """The share of the one-hots that come back, over the number of features and the width."""
    results = ui.stored(settings.limits(EXPERIMENTS["limits"].quick, (True,), sparsity=(0.9,)))
    cells = tables.limits(results)
    width, size = charts.Side("n_hidden", "hidden size m"), charts.Side("n_features", "features n")
    title = "How many features come back"
    return results and charts.size_map(
        cells.assign(value=cells["accuracy"]), title, "share", logarithmic=False, x=width, y=size
    )


def fitted_law():
    """What a law of powers predicts of each cell from the others, beside what came back there."""
    results = ui.stored(settings.limits(EXPERIMENTS["limits"].quick, sparsity=settings.LIMIT_SPARSITIES))
    cells = tables.limits(results)
    cells = cells[cells["n_hidden"] < cells["n_features"]].astype({"density": float})
    if len(cells) < 20:
        return None
    told = cells.assign(
        measured=cells["recovered"].clip(lower=law.LEAST),
        predicted=law.unseen("powers, for each, soft ceiling", cells, "a fifth of the cells"),
        unseen=True,
        importance=np.where(cells["decreasing"], *charts.IMPORTANCES),
    )
    return charts.predictions(told, "Predicted and measured")


def neurons():
    """Stacks of the best of the random starts, where features are dense and where they are rare."""
    pictures = []
    for density in (1.0, 0.1):
        results = quick("privileged_basis", seed=range(settings.STARTS), sparsity=[sparsity_of(density)])
        if results:
            best = tables.best_of(results)
            W1 = best.W1[metrics.neuron_order(best.W1)]
            counts = [str(count) for count in metrics.features_of_neurons(W1)]
            pictures.append((f"1 − S = {density:g}", W1, metrics.superposition(W1.T), counts))
    return pictures and charts.stacks(pictures)


def horseshoes():
    panels = []
    for result in quick("mlp_relu_output", n_samples=(15, 50, 200)):
        T = result.experiment.n_samples
        panels.append(charts.Panel(f"T = {T}", T, bias.vectors(result)))
    title = "Hidden vectors, before and after the bias"
    return panels and charts.panels_over_sizes(panels, charts.LIFT_KINDS, title, height=250)


def fish():
    """What is left of the variance over the number of neurons, for each of the three fish."""
    results = ui.stored(settings.fish("quick", seed=(0,), n_embed=(32,), n_hidden=settings.FISH_HIDDEN))
    if not results:
        return None
    cells = tables.fish(results)
    rows = cells.assign(fish=cells["task"].map({task: name for task, (name, _) in charts.FISH.items()}))
    drawn, floor = (rows[["fish", "n_hidden"]].assign(value=rows[each]) for each in ("share", "floor_share"))
    title, y_title = "Error over the number of neurons", "error over variance"
    return charts.over_hidden_size(drawn, floor, title, y_title, "rank floor", 64, share=True)


def shapes():
    pictures = []
    for result in quick("unembedding", n_samples=(15, 100, 500)):
        found = tables.unembedding(result)
        kinds = {
            charts.FEATURES: (found.columns, found.active),
            charts.SAMPLES: (found.hidden, np.ones(len(found.hidden), bool)),
            charts.CLASSES: (found.rows, found.seen),
        }
        pictures.append((f"T = {result.experiment.n_samples}", kinds))
    return pictures and charts.shapes_over_samples(pictures)


def logit():
    """The two terms of every class's logit, for the first training sample."""
    for result in quick("unembedding", n_samples=(500,)):
        samples = probe.seen_samples(result)
        terms = probe.logit_terms(result, samples.inputs[0])
        seen = tables.unembedding(result).seen
        return charts.logit_plane(terms.terms, seen, int(samples.targets[0].argmax()), terms.hidden)


def dictionary():
    results = quick("dictionary", seed=range(8))
    if not results:
        return None
    best = min(results, key=lambda result: result.metrics["train_loss"])
    found = forward(best.experiment.arch_row, best.complete(), probe.seen_samples(best).inputs)
    panels = [("h, the stored entries", found.hidden), ("W2, what finds them", best.W2), ("output", found.output)]
    return charts.matrices(panels, "input or output", "neuron or output")


@st.cache_data(show_spinner=False, max_entries=256)
def agreement(key, levels, _result):
    """How often the table that is read off a network answers as it does."""
    table = decompiler.read(_result.experiment, _result.parameters, levels)
    return decompiler.fidelity(_result, table, decompiler.trials(_result.experiment)).network


def decompiled():
    base = EXPERIMENTS["dictionary_cross_entropy"].paper
    results = ui.stored(sweep(base, n_hidden=(2, 3, 4, 6, 8, 10, 16, 32), seed=range(4)))
    lines = {"on or off": 2, "nine levels": 9}
    rows = [
        {
            "x": r.experiment.n_hidden,
            "y": agreement(r.experiment.key, levels, r),
            "line": line,
            "seed": r.experiment.seed,
        }
        for line, levels in lines.items()
        for r in results
    ]
    title = "Where table and network agree"
    return rows and charts.lines(
        pd.DataFrame(rows), title, "neurons m", "share of the inputs", list(lines), logarithmic_x=True, share=True
    )


def starts():
    results = quick("starting_as_dictionary", init=("linear_uniform", "training_points", "lookup_table"))
    rows = [
        {"x": int(step), "y": float(loss), "line": STARTS[r.experiment.init], "seed": 0}
        for r in results
        for step, loss in zip(r.loss_steps[::6], r.losses[::6], strict=True)
    ]
    title = "Training loss over the steps, by start"
    return rows and charts.lines(
        pd.DataFrame(rows), title, "step", "training loss", [STARTS[r.experiment.init] for r in results],
        logarithmic_x=True,
    )  # fmt: skip


# -- the walk ----------------------------------------------------------------------------------------------------------


def step(name, text, page, figure=None, **address):
    """A step of the walk: what happens, a picture of it where its networks are trained, and the way to its page."""
    with st.container(border=True):
        left, right = st.columns([4, 5], gap="large", vertical_alignment="center") if figure else (st.container(), None)
        left.markdown(f"#### {name}\n\n{text}")
        ui.link(page, where=left, query_params=address or None)
        if figure:
            ui.draw(figure, key=f"home-{name}", where=ui.wide(right) if figure.square else right)


def address(id):
    """What opens this figure of the post on its page."""
    return FIGURES[id].address


ui.title("toyviz", "Networks so small that you can see what they store, trained while you watch.")
with st.container(border=True):
    left, right = st.columns([4, 5], gap="large", vertical_alignment="center")
    left.markdown(
        "A language model reads and writes a narrow stream of numbers, computes in layers beside it, and ends in a "
        "choice among many words. In *More findings on memorization and double descent* (2023), Marius Hobbhahn takes "
        "these parts out, shrinks each one to a toy, and looks at its weights directly. What does it memorise, when "
        "does it begin to generalise, and can one see the difference?\n\n"
        "This page walks through the post. Every picture is of networks that were trained here, at the post's own "
        "size; behind each step is a page where you can train others."
    )
    ui.draw(charts.components(), key="home-components", where=ui.wide(right))

st.header("The residual stream: a bottleneck", anchor=False)
step(
    "More features than dimensions",
    "Five hidden values have to carry twenty features. If all features are active all the time, the five most "
    "important ones are kept and the rest is lost. The more seldom they are active, the more of them share the space: "
    "first as opposite pairs, then in ever tighter arrangements. This is superposition. In the picture, the overlap of "
    "every two features, and their biases at the side; off the diagonal, colour means that two share a direction.",
    "pages/bottleneck/superposition.py",
    picture(overlaps),
)
step(
    "Memorise, stumble, generalise",
    "Shown a few samples, the same kind of network stores each of them. Shown many, it learns features instead. In "
    "between it can do neither, and its loss on new samples rises before it falls for good: double descent. With a "
    "thousand features this happens at a tenth of the samples that ten thousand features take.",
    "pages/bottleneck/double_descent.py",
    picture(descent, "double_descent"),
)
step(
    "The change can be seen",
    "With two hidden values everything fits on paper. While the network memorises, its samples (orange) sit on the "
    "corners of a polygon. When it generalises, a handful of features (blue) point from the centre like a star, and "
    "the samples fall in with them.",
    "pages/bottleneck/double_descent.py",
    picture(polygons),
)

step(
    "How much comes back",
    "How many features can go through how few numbers? Each cell is a network of its own. Where the bottleneck is as "
    "wide as there are features, all of them come back; where it is narrow, sparsity decides. With dense features "
    "about as many survive as there are hidden values, with sparse ones (here each is active in one sample of ten) "
    "more.",
    "pages/bottleneck/limits.py",
    picture(map_of_limits),
)

step(
    "A law for it?",
    "Could a formula replace such maps? Powers of the number of features, of the hidden values and of the density are "
    "fitted to most of the cells, and asked about those that were kept from the fit. On the dashed line a prediction "
    "is exact. How far off it is, and where no simple law does it, is on the page.",
    "pages/bottleneck/how_much_fits.py",
    picture(fitted_law),
)

st.header("The MLP block: neurons", anchor=False)
step(
    "A neuron for a feature",
    "With a ReLU on the hidden layer, single neurons begin to mean something. Where all features are active, each "
    "neuron stands for one of them. Where they are rare, a neuron takes in several. In the picture each column is a "
    "neuron, each block a feature that it stands for; yellow blocks share their direction with others.",
    "pages/mlp_block/privileged_basis.py",
    picture(neurons),
)
step(
    "The MLP as the post writes it",
    "Two matrices, two biases and a ReLU between them: does it show double descent too? Its output is linear in two "
    "hidden numbers, so the training loss cannot fall below a floor that is known exactly (broad line on its page), "
    "and at most three samples can be memorised. In these runs the loss on new samples is highest for few samples and "
    "comes down slowly, to that of saying nothing only with more samples than features.",
    "pages/bottleneck/double_descent.py",
    picture(descent, "mlp"),
    **address("F11"),
)
step(
    "With a ReLU on the output",
    "One more ReLU, on the output, takes that floor away. These networks still fit only a part of their training set, "
    "even of a small one. But the loss on new samples now rises and falls again as it does in the bottleneck, with a "
    "peak at some hundred samples.",
    "pages/bottleneck/double_descent.py",
    picture(descent, "mlp_relu_output"),
    **address("F34"),
)
step(
    "The horseshoe",
    "A ReLU deletes what is negative, so samples all around the origin (yellow triangles) would lose each other. The "
    "bias (purple diamond) is positive and lifts them to where both numbers are positive (blue squares). What still "
    "lies beyond an axis is flattened onto it (orange rings), and the ring becomes a horseshoe.",
    "pages/bottleneck/double_descent.py",
    picture(horseshoes),
    **address("F15") | {"network": "mlp_relu_output"},
)

step(
    "Big fish, small fish",
    "In a transformer the block does not see features, but a crowded stream of numbers in which they overlap. The big "
    "fish has to give back the features, the small fish only the stream that it sees, the re-projector the features "
    "in another stream. How many neurons does each job take? Dashed, the least error that so many neurons allow.",
    "pages/mlp_block/fish.py",
    picture(fish),
)

st.header("The final layer: a choice", anchor=False)
step(
    "A square, a rose and a circle",
    "Now the network has to name the largest of a thousand features, through two numbers and without any ReLU. What "
    "features write (blue) comes to fill a square, the samples (orange) make a rose with four petals, and what the "
    "classes read (green) lies on a circle. With 500 samples it names every one of them, and knows nothing else.",
    "pages/final_layer/unembedding.py",
    picture(shapes),
    **address("F23"),
)
step(
    "A logit, taken apart",
    "How can two numbers pick one of a thousand? The hidden vector of a sample stretches the circle of classes, and "
    "the correct one (diamond) ends up where both terms are positive. Others are further along; the bias decides. On "
    "the page you can take any sample apart, number by number.",
    "pages/final_layer/unembedding.py",
    picture(logit),
    **address("F25"),
)

st.header("The appendix: reading what is stored", anchor=False)
step(
    "A dictionary",
    "The simplest thing to memorise is a list. Twenty inputs go through ten neurons: each switches on its own mix "
    "(left), and each output looks for just that mix (middle), so that the right one is the largest (right, the "
    "diagonal). The network is a dictionary that can be read off its weights.",
    "pages/appendix/dictionaries.py",
    picture(dictionary),
)
step(
    "A decompiler",
    "So read it: write down which neurons each input switches on, throw the weights away, and let the table answer. "
    "With many neurons on or off is all there is to know. With few, inputs share their neurons, and only finer levels "
    "tell them apart.",
    "pages/appendix/decompiler.py",
    picture(decompiled),
)
step(
    "Starting as a dictionary",
    "If memorising ends in a dictionary, why not start with one? In the comments of the post the author guesses that "
    "this trains badly. A start with the right keys changes little. One with keys and values is soon ahead and, with "
    "the squared error, stays there; with cross-entropy it can be the slower one.",
    "pages/appendix/starting_as_dictionary.py",
    picture(starts),
)

st.header("What of all this holds", anchor=False)
rows = published.published()
covered = {number for id in rows for number in claims.CLAIMS[id].post_claims} & claims.TESTABLE
with st.container(border=True):
    left, right = st.columns([4, 5], gap="large", vertical_alignment="center")
    left.markdown(
        "#### The post's claims, one by one\n\n"
        f"{len(claims.TESTABLE)} claims of the post can be tested. {len(rows)} checks on trained networks stand for "
        f"{len(covered)} of them, each over several seeds, and what does not hold stays in, explained. The same checks "
        "run on every page, on what you train there."
    )
    ui.link("pages/claims/claims.py", where=left)
    with right.container(horizontal=True):
        for verdict, count in published.counts(rows.values()).items():
            st.metric({"holds": "hold", "partly": "hold partly", "fails": "fail"}[verdict], count, border=True)

st.header("How to use it", anchor=False)
st.markdown(
    "- Move a control, and the networks that it asks for are trained at once, in seconds. You see them form.\n"
    "- What was trained once is kept and comes back at once, also for the next visitor.\n"
    "- The address holds all settings: copy it, and others see the same.\n"
    "- Click a point of a curve to look inside that network, and drag its step to see it at any time of its training.\n"
    "- Every network can be trained again from the command line; the line is at the end of each page."
)
st.caption(
    "The models come from [Toy models of superposition](https://transformer-circuits.pub/2022/toy_model/index.html) "
    "(2022) and [Superposition, memorization, and double "
    "descent](https://transformer-circuits.pub/2023/toy-double-descent/index.html) (2023)."
)
