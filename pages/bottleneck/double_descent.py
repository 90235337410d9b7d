"""When a network stops storing its samples and starts to learn features."""

import numpy as np
import pandas as pd
import streamlit as st

from toyviz import charts, metrics, settings, tables, theory, ui
from toyviz.experiment import sweep

OVER_T, BIAS, START, SIZES, SCHEDULE = VIEWS = [  # also in the address
    "Over T",
    "What the bias does",
    "What is left of the start",
    "Hidden size and T",
    "The learning rate",
]
FORMULAS = {
    "relu_output": "$x' = \\mathrm{ReLU}(W_1^\\top W_1 x + b_2)$",
    "relu_output_untied": "$x' = \\mathrm{ReLU}(W_2 W_1 x + b_2)$",
    "mlp": "$x' = W_2\\, \\mathrm{ReLU}(W_1 x + b_1) + b_2$",
    "mlp_relu_output": "$x' = \\mathrm{ReLU}(W_2\\, \\mathrm{ReLU}(W_1 x + b_1) + b_2)$",
}
CLAIMS = {  # in each view; those whose evidence is not there say nothing
    OVER_T: (
        *("double_descent", "ten_times_earlier", "memorises_then_generalises", "dimensions_change_hands"),
        *("same_size_for_all_seeds", "untied_has_no_squares"),
        *("mlp_double_descent", "mlp_literal_double_descent", "mlp_dimensions", "mlp_literal_dimensions"),
        *("mlp_generalises", "mlp_literal_generalises", "mlp_literal_peaks_at_its_rank"),
    ),
    BIAS: ("bias_lifts_the_ring", "bias_lifts_the_ring_literal"),
    START: ("squares_are_the_start", "squares_are_the_start_literal"),
    SIZES: ("descent_at_every_width", "descent_at_every_width_literal"),
    SCHEDULE: ("schedule_matters", "schedule_memorises_better"),
}
NETWORKS = {  # parameter and choices of some views: with a hidden bias, with a W1 of its own, the post's figure first
    BIAS: ("biased_block", ("mlp_relu_output", "mlp")),
    START: ("untied_block", ("mlp_relu_output", "mlp", "relu_output_untied")),
    SIZES: ("sized_block", ("mlp_relu_output", "mlp", "relu_output_untied", "relu_output")),
}
AT_RANK = settings.EXPERIMENTS["mlp_at_its_rank"]  # where the MLP as the post writes it has its own double descent
RANK_VIEW = {"start": "xavier_lifted", "n_hidden": AT_RANK.quick.n_hidden, "n_samples": [*AT_RANK.over["n_samples"]]}
OFFERED = (*settings.SAMPLE_SIZES, 5000)  # T to choose from
FEW = 15  # up to so many samples are held against an even share of the hidden dimensions
LOWEST = 1e-3  # a loss below is drawn here: a memorised set goes down to 1e-10, and would flatten all the rest
STAGES = {"pre": "W1 x + b1", "bare": "W1 x", "after": "after the ReLU"}

ui.title("Double descent", "When does a network stop memorising its samples and start to generalise?")
view = ui.choice("descent", "View", VIEWS, OVER_T, label_visibility="collapsed")
key, networks = NETWORKS.get(view, ("block", tuple(settings.DESCENTS)))
arch = ui.control("block", networks[0], choices=networks, key=key)
st.markdown(
    "A sample has $n$ features, few of them active. The network squeezes it through $m$ hidden values and gives it "
    f"back: {FORMULAS[arch]}. Every point below is a network of its own, trained on $T$ "
    "fixed samples and tested on 10,000 others. The loss is the squared error, summed over features."
)

recipe = ui.control("recipe", "quick")
if view == SIZES:
    sizes = ui.control("map_samples", settings.MAP_COLUMNS)
    widths = ui.control("widths", settings.MAP_WIDTHS)
    seeds, n_hidden = ui.control("map_seeds", 1), 2
elif view == SCHEDULE:
    sizes = ui.control("n_samples", settings.SCHEDULE_SIZES, key="schedule_samples")
    seeds, n_hidden = ui.control("seeds", 2, key="schedule_seeds"), ui.control("n_hidden", 2)
elif view == START:  # always a plane, and always the same few T
    sizes, seeds, n_hidden = settings.START_SIZES, ui.control("seeds", 4), 2
else:
    sizes = ui.control("n_samples", settings.SAMPLE_SIZES, choices=sorted({*OFFERED, *RANK_VIEW["n_samples"]}))
    seeds, n_hidden = ui.control("seeds", 4), ui.control("n_hidden", 2)
sparsity = ui.control("sparsity", 0.99)
n_features = ui.control("n_features", 1000)
more = st.sidebar.expander("More settings")
name = settings.DESCENTS[arch]
own = settings.EXPERIMENTS[name].at(recipe)
start = ui.control("start", "own", where=more)
if start != "own":
    init, bias_init, bias_offset = ui.STARTS[start]
    own = own.with_(init=init, bias_init=bias_init, bias_offset=bias_offset)
if view != SCHEDULE and ui.control("schedule", "warmup_cosine", where=more) == "constant":
    own = own.with_(schedule="constant", warmup=0)
base = own.with_(
    sparsity=sparsity,
    n_features=n_features,
    n_hidden=n_hidden,
    weight_decay=ui.control("weight_decay", 0.01, where=more),
    normalize=ui.control("normalize", True, where=more),
)
baselines = theory.held_out_baselines(base.with_(n_samples=1, n_hidden=2))
zero, rules = baselines["zero"], {"output 0": baselines["zero"], "best constant output": baselines["constant"]}
overview, row, inside = st.container(), st.container(), st.container()


def watch(experiment, job):
    left, right = st.columns([1, 2], gap="large", vertical_alignment="center")
    W1 = job.frame["W1"]
    columns, norms, share = W1.T @ tables.plane(W1), metrics.norms(W1.T), metrics.dimensionality(W1.T)
    figure = charts.closeup(columns, charts.FEATURES, norms, share, at_most=charts.RAYS)
    ui.draw(figure, key="live-columns", where=left)
    width = f", m = {experiment.n_hidden}" if view == SIZES else ""
    right.markdown(f"**In training:** T = {experiment.n_samples:,}{width}, seed {experiment.seed}. {ui.step(job)}")
    ui.draw(charts.training_curve(*job.losses), key="live-curve", where=right)


def choice_of_stage():
    """Which hidden vectors to draw: only an MLP has more than one kind."""
    if not base.arch_row.hidden_relu:
        return "pre"
    return ui.choice(
        "stage",
        "Hidden vectors",
        STAGES,
        "pre",
        format_func=STAGES.__getitem__,
        help="The post's hidden vectors are W1 x + b1. A large bias b1 turns all of them into one direction, and hides "
        "from the dimensionality how they differ; W1 x alone shows it.",
    )


def look_inside(result, stage, frame):
    now, end = tables.vectors_at(result, frame, stage), tables.vectors(result, stage)
    left, middle, right = st.columns(3, gap="medium")
    lim = max(charts.limit(now.features), charts.limit(end.features))
    figure = charts.closeup(now.features, charts.FEATURES, now.feature_norms, now.feature_dimensionality, lim)
    ui.draw(figure, key="columns", where=left)
    lim = max(charts.limit(now.samples), charts.limit(end.samples))
    figure = charts.closeup(now.samples, charts.SAMPLES, now.sample_norms, now.sample_dimensionality, lim)
    ui.draw(figure, key="hidden", where=middle)
    figure = charts.training_curve(result.loss_steps, result.losses, int(result.frame_steps[frame]))
    ui.draw(figure, key="curve", where=right)
    found, floor, width = result.metrics, tables.rank_floor(result), result.experiment.n_hidden
    rank = "" if floor is None else f" (rank floor {floor:.3g})"
    big = ui.many((end.feature_dimensionality >= tables.BIG).sum(), "feature")
    right.markdown(
        f"At the end the train loss is {found['train_loss']:.3g}{rank}, the test loss "
        f"{found['test_loss']:.4g}; accuracy {found['train_accuracy']:.1%} on the training set, "
        f"{found['test_accuracy']:.2%} on new samples. {big} can be told apart: at least {tables.BIG} of a dimension "
        "each."
    )
    if width != 2:
        st.caption(
            f"Drawn along two of the {width} hidden directions: the first two left singular vectors of the trained W1."
            if width > 2
            else "The hidden layer has one value only: it is drawn along the horizontal axis."
        )


# -- over T ------------------------------------------------------------------------------------------------------------

FINDINGS = {  # what to look for, and what is not shown, for each network
    "relu_output": (
        "- **Memorising.** With few samples the network stores each of them: the train loss is small, the hidden "
        "vectors (red) are the corners of a polygon, and a new sample means nothing to it.\n"
        "- **In between.** There are too many samples to store and too few to see what they have in common. The test "
        "loss rises far above that of the output 0.\n"
        "- **Generalising.** With enough samples a few features (blue) get a direction each, and the test loss falls "
        "below that of the best constant output.",
        "- How high the peak is: it depends on the recipe and the seed. The post trains ten times longer with smaller "
        "steps; that is the paper recipe.\n"
        "- The best network there is: an optimiser that stops elsewhere moves the peak and the start of generalising.\n"
        "- A large network: with $m = 2$ at most a handful of the features can ever be represented.",
    ),
    "relu_output_untied": (
        "- **Memorising only in part.** W1 reads and W2 writes, and they need not agree. Even of three samples a good "
        "part of the loss is left, where one matrix used twice stores them all.\n"
        "- **A higher peak, and no end to it.** The test loss starts to rise at fewer samples, goes higher, and at the "
        "largest $T$ it is still far above that of the output 0.\n"
        "- **No features.** From many samples, too, no feature gets a direction to itself: where the bottleneck with "
        "one matrix generalises, this one does not yet.\n"
        "- **Round shapes.** The hidden vectors lie on rings, but of unequal lengths: the polygons are less perfect.",
        "- That it never generalises: only that it does not up to $T = 2000$. With the paper recipe the peak is more "
        "than ten times as high, and there is no end to it either.",
    ),
    "mlp": (
        "- **The rank floor** (broad line). The output is linear in the $m$ hidden numbers, so "
        "the train loss cannot go below it, whatever the ReLU does. More than $m + 1$ samples cannot be memorised.\n"
        "- **Its own double descent.** From a small start with live units, the test loss peaks just past $m$, where "
        "there are as many samples as the rank can store or one more: $T = m + 1$ or $m + 2$ with the quick recipe, at "
        "each $n$ that was tried, from 200 to 2000. The button below shows it for $m = 8$.\n"
        "- **A shelf up to T = n.** From nn.Linear's own start the test loss of most runs is high up to about $T = n$, "
        "and falls beyond it. That is the doing of b2, which starts at up to 0.7 in each output: where b2 starts at 0 "
        "the shelf is gone. Try Xavier's start under More settings.",
        "- The post's picture: it has a second peak, at some hundred samples and $m = 2$. We have found no recipe "
        "that gives it without a ReLU on the output.\n"
        "- Accuracy near 100 % on the training set, for the same reason.",
    ),
    "mlp_relu_output": (
        "- **Double descent is back.** The ReLU on the output takes the rank floor away. These networks still fit only "
        "a part of their training set, even of a small one, but the test loss rises and falls again as in the "
        "bottleneck.\n"
        "- **Horseshoe.** The hidden vectors before the ReLU lie on a part of a ring in the first quadrant; see What "
        "the bias does.\n"
        "- **Accuracy.** After the peak the network names the largest feature of a new sample a few times more often "
        "than chance.",
        "- nn.Linear's own start: from there a hidden unit often dies and nothing is memorised. Here weights start "
        "uniform, as there, but with Xavier's width, and biases at 0. Try the other under More settings.\n"
        "- The end of the descent: up to $T = 5000$ the test loss stays above that of saying 0.",
    ),
}


def told(table):
    """What became of the smallest and of the largest training set, and the highest test loss, as means over seeds."""
    mean = table.groupby("n_samples")[["train_loss", "test_loss", "big_features"]].mean()
    few, many, top = mean.index[0], mean.index[-1], mean["test_loss"].idxmax()
    return (
        f"Means over seeds: at T = {few:,} the train loss is {mean['train_loss'][few]:.3g}. The test loss is highest "
        f"at T = {top:,}, {mean['test_loss'][top]:.3g}; at T = {many:,} it is {mean['test_loss'][many]:.3g} (output 0: "
        f"{zero:.3g}), and {mean['big_features'][many]:.2g} features have at least {tables.BIG} of a dimension."
    )


def even(samples):
    """How far the median sample of few is from an even share of the hidden dimensions."""
    shares = {
        T: float(np.median(values)) / theory.even_dimensionality(T, n_hidden)
        for T, values in samples.items()
        if T <= FEW
    }
    if not shares:
        return ""
    numbers = ", ".join(f"{share:.2f}" for share in shares.values())
    return f" Here the median sample has {numbers} times $m/T$ (at most 1 each) at T = {', '.join(map(str, shares))}."


def over_T():
    with inside:
        if sizes:
            st.subheader("Inside one network", anchor=False)
        picks = st.container(horizontal=True, gap="large")
        T = ui.shown("T", "Training samples T", sizes, 10, where=picks)
        seed = ui.shown("seed", "Seed", range(seeds), 0, where=picks)

    def open_network(point):
        ui.remember(T=int(point["n_samples"]), seed=int(point["seed"]))

    def show(results):
        table = tables.runs(results)
        of_seed = [r for r in results if r.experiment.seed == seed]
        floor = {r.experiment.n_samples: value for r in of_seed if (value := tables.rank_floor(r)) is not None}
        told_apart = sizes if base.arch_row.output_relu else ()  # without the ReLU its rank leaves it no regimes
        found = tables.descent(table, zero, n_hidden, told_apart, range(seeds))
        figure = charts.loss_over_samples(table, rules, found.regimes, sizes, found.peak, T, floor=floor)
        ui.draw(figure, key="loss", pick=open_network)
        st.caption(told(table))

    with overview:
        wanted = sorted(
            sweep(base, seed=range(seeds), n_samples=sizes), key=lambda e: (e.seed != seed, e.n_samples != T)
        )
        results = ui.trained(wanted, show, watch, at_once=recipe == "quick")
    table = tables.runs(results)
    here = sorted((r for r in results if r.experiment.seed == seed), key=lambda r: r.experiment.n_samples)
    chosen = next((result for result in here if result.experiment.n_samples == T), None)
    with row:
        if not here:
            ui.notes(*FINDINGS[arch])
            return
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        left.subheader("Features and samples, size by size", anchor=False)
        common = right.toggle("One scale for all", key="common_scale", bind="query-params")
        stage = choice_of_stage()
        vectors = {result.experiment.n_samples: tables.vectors(result, stage) for result in here}
        with ui.wide():
            pictures = [
                (f"T = {size:,}", {charts.FEATURES: found.features, charts.SAMPLES: found.samples})
                for size, found in vectors.items()
            ]
            ui.draw(charts.panels(pictures, common), key="panels")
        drawn = STAGES[stage] if base.arch_row.hidden_relu else "W1 x"
        st.caption(
            f"Seed {seed}. Above: what each feature writes into the hidden layer, a column of W1. Below: where each "
            f"training sample ends up, {drawn}. Each square has its own scale, written in its corner. At most "
            f"{charts.RAYS} vectors a square are drawn."
        )
        ui.notes(*FINDINGS[arch])
        if arch == "mlp" and {"start": start, "n_hidden": n_hidden, "n_samples": sizes} != RANK_VIEW:
            label = "Show the double descent at its rank"
            st.button(label, icon=":material/stairs:", on_click=ui.remember, kwargs=RANK_VIEW)
    with inside:
        if chosen:
            ui.replay(chosen, lambda frame: look_inside(chosen, stage, frame))
        elif sizes:
            st.caption("This network is not trained yet.")
    st.subheader("What fills the hidden dimensions", anchor=False)
    features = {size: found.feature_dimensionality for size, found in vectors.items()}
    samples = {size: found.sample_dimensionality for size, found in vectors.items()}
    ui.draw(charts.dimensionality(features, samples, n_hidden, n_features, T), key="dimensionality")
    st.markdown(
        "The dimensionality of a vector, $D_i = |v_i|^2 / \\sum_j (\\hat v_i \\cdot v_j)^2$, is the share of a hidden "
        "dimension that it has to itself. Samples in a regular polygon have $m/T$ each. Where the red falls and a few "
        "blue dots rise, samples give way to features."
        + (
            ""
            if not base.arch_row.hidden_bias
            else " Samples all in one direction, as a large bias makes them, have $1/T$ each."
        )
        + even(samples)
    )
    st.subheader("A closer look", anchor=False)
    chance = ("chance, 1/n", 1 / base.n_outputs)
    ui.draw(charts.over_samples(table, "accuracy", chance, sizes, T), key="accuracy", pick=open_network)
    left, right = st.columns(2, gap="medium")
    ui.draw(charts.loss_close_to_one(table, rules, sizes, T), key="near", where=left)
    ui.draw(charts.norms_over_samples(table, T), key="norms", where=right)
    st.markdown(
        "Above: how often the largest output is where the largest feature is. Left: only where the test loss is below "
        "that of the best constant output has the network learned something about features. Right: how large weights "
        "and biases have become."
    )
    for id in CLAIMS[OVER_T]:
        ui.claim(id, results)
    if chosen:
        ui.behind(name, chosen, table)


# -- what the bias does ------------------------------------------------------------------------------------------------


def lift(result):
    """The hidden vectors of a network before and after its bias and its ReLU, in the plane where it is drawn."""
    bare, pre, after = (tables.vectors(result, stage).samples for stage in ("bare", "pre", "after"))
    return charts.Lift(bare, result.b1 @ tables.plane(result.W1), pre, after)


def what_the_bias_does():
    with overview:
        picks = st.container(horizontal=True, gap="large")
    T = ui.shown("T", "Training samples T", sizes, 100, where=picks)
    seed = ui.shown("seed", "Seed", range(seeds), 0, where=picks)

    def show(results):
        by_size = {r.experiment.n_samples: r for r in sorted(results, key=lambda r: r.experiment.n_samples)}
        with ui.wide():
            ui.draw(charts.horseshoe([(f"T = {size:,}", lift(r)) for size, r in by_size.items()]), key="horseshoes")
        if T not in by_size:
            return
        left, right = st.columns(2, gap="large", vertical_alignment="center")
        result, found = by_size[T], lift(by_size[T])
        ui.draw(charts.horseshoe([(f"T = {T:,}", found)]), key="horseshoe", where=ui.wide(left))
        biases = ", ".join(f"{value:.3g}" for value in result.b1)
        right.markdown(
            f"**T = {T:,}, seed {result.experiment.seed}.** The bias b1 is {biases}. Of the values W1 x, "
            f"{(found.bare < 0).mean():.0%} are negative; after the bias {(found.pre > 0).mean():.0%} are positive, "
            "and pass the ReLU unchanged.\n\n"
            "A hidden ReLU deletes what is negative. To keep its samples apart on a ring, as the bottleneck does, the "
            "network has to move the ring to where both values are positive: that is what b1 is for. What still lies "
            "beyond an axis is flattened onto it, and the ring becomes a horseshoe. The longer the hidden vectors, the "
            "smaller is the bias beside them."
        )

    with overview:
        wanted = [base.with_(seed=seed, n_samples=size) for size in sorted(sizes, key=lambda size: size != T)]
        results = ui.trained(wanted, show, watch, at_once=recipe == "quick")
        ui.notes(
            "- **Orange**: the hidden vectors without the bias, around the origin, in all directions.\n"
            "- **Purple**: the bias. It is positive along both axes.\n"
            "- **Blue squares and red rings**: with the bias, and what the ReLU makes of it. Where a blue square lies "
            "in its ring, the ReLU has done nothing.",
            "- That the bias must be positive: a hidden unit that is negative on all samples gets no gradient, and "
            "stays as it started. From nn.Linear's own start this happens often.",
        )
    for id in CLAIMS[BIAS]:
        ui.claim(id, results)
    chosen = next((r for r in results if r.experiment.n_samples == T), None)
    if chosen:
        ui.behind(name, chosen, tables.runs(results))


# -- what is left of the start -----------------------------------------------------------------------------------------


def what_is_left():
    with overview:
        seed = ui.shown("seed", "Seed", range(seeds), 0)
    scale = base.init.split("_")[0]
    inits = {"uniform": f"{scale}_uniform", "normal": f"{scale}_normal"}
    wanted = [base.with_(seed=seed, n_samples=T, init=init) for init in inits.values() for T in sizes]

    def show(results):
        found = {(r.experiment.init, r.experiment.n_samples): r for r in results}
        pictures, rows = [], []
        for word, init in inits.items():
            for T in sizes:
                if (init, T) in found:
                    left = tables.never_active(found[init, T])
                    half = theory.start_bound(found[init, T].experiment) if word == "uniform" else None
                    half = half * left.factor if half else None
                    pictures.append((word, f"T = {T:,}", left.columns, left.others, half))
                    rows.append(
                        {
                            "start": word,
                            "T": f"{T:,}",
                            "never active": f"{len(left.columns) / n_features:.1%}",
                            "S^T": f"{theory.never_active_share(found[init, T].experiment):.1%}",
                            "square": f"{left.squareness:.3f}" if left.squareness else "too few",
                            "off by": f"{left.deviation:.0e}",
                        }
                    )
        with ui.wide():
            ui.draw(charts.starts(pictures), key="starts")
        factor = theory.never_active_factor(base)
        st.dataframe(pd.DataFrame(rows), hide_index=True)
        st.markdown(
            "A feature that no training sample has gets no gradient: its column of W1 only decays, to "
            f"$\\prod_t (1 - \\eta_t \\lambda) = {factor:.4f}$ of where it started. Never active: the share of such "
            "features, beside $S^T$, the share to be expected. Off by: the largest difference from the start so "
            "shrunk, over the largest entry. Square: the squareness, 1.23 for a filled square, 1.10 for a Gaussian, "
            "1.06 for a disc."
        )

    with overview:
        results = ui.trained(wanted, show, watch, at_once=recipe == "quick")
        ui.notes(
            "- **Above**, weights start uniform: the blue dots fill a square. The dashed line is where theory puts its "
            "border.\n"
            "- **Below**, they start from a normal distribution: the blue dots make a round cloud.\n"
            "- **From left to right** there are more samples, so fewer features are never active, $S^T$ of them, and "
            "the shape goes away.",
            "- Learning: what looks like structure in W1 at small $T$ is the random start, and nothing else.\n"
            "- Columns (red) that lie outside the frame: those of active features can be far longer.",
        )
    for id in CLAIMS[START]:
        ui.claim(id, results)
    if results:
        ui.behind(name, results[0], tables.runs(results))


# -- hidden size and T -------------------------------------------------------------------------------------------------


def over_sizes():
    with overview:
        picks = st.container(horizontal=True, gap="large")
    T = ui.shown("T", "Training samples T", sizes, 500, where=picks)
    width = ui.shown("m", "Hidden size m", widths, 2, where=picks)
    seed = ui.shown("seed", "Seed", range(seeds), 0, where=picks)

    def open_cell(point):
        ui.remember(T=int(point["n_samples"]), m=int(point["n_hidden"]))

    def show(results):
        cells = tables.runs(results).groupby(["n_samples", "n_hidden"], as_index=False)
        cells = cells.agg(
            test_loss=("test_loss", "mean"), test_accuracy=("test_accuracy", "mean"), seeds=("seed", "size")
        )
        sides = {
            "x": charts.Side("n_samples", "training samples T", tuple(sizes)),
            "y": charts.Side("n_hidden", "hidden size m", tuple(widths)),
            "selected": {"n_samples": T, "n_hidden": width},
        }
        for what, digits, where in zip(
            ("test loss", "test accuracy"), (3, 2), st.columns(2, gap="medium"), strict=True
        ):
            told = cells.assign(value=cells[what.replace(" ", "_")])
            figure = charts.size_map(told, f"{what.capitalize()} over m and T", what, digits=digits, **sides)
            ui.draw(figure, key=what, pick=open_cell, where=where)

    with overview:
        wanted = sweep(base, seed=range(seeds), n_hidden=widths, n_samples=sizes)
        wanted.sort(key=lambda e: (e.seed, e.n_samples * (e.n_hidden + 4)))
        results = ui.trained(wanted, show, watch, at_once=recipe == "quick")
        ridge = (
            "- **A ridge.** In the lower rows the test loss is highest for a middle $T$. The wider the network, the "
            "more samples it can fit, and the further to the right the ridge lies; of the widest the map may show only "
            "its rise.\n"
            "- **To the right of it** the loss falls, and the accuracy rises above chance, 1/n, the further the wider "
            "the network."
        )
        shelf = (
            "- **No ridge in the middle.** From nn.Linear's own start, at $n = 1000$, the loss is high for few samples "
            "and stays above 1 up to $T = n$; single cells escape it, where all hidden units happen to be dead.\n"
            "- **Beyond** $T = n$ it is below 1 for every width, and the accuracy is the higher the wider the network."
        )
        ui.notes(
            shelf if arch == "mlp" else ridge,
            "- More than one seed a cell, unless you ask for it: single cells can be off.\n"
            "- Cells that you have not asked for: choose more sizes at the left. Large ones take a minute each.",
        )
    chosen = next(
        (r for r in results if (r.experiment.n_samples, r.experiment.n_hidden, r.experiment.seed) == (T, width, seed)),
        None,
    )
    with inside:
        st.subheader("Inside one cell", anchor=False)
        if chosen:
            stage = choice_of_stage()
            ui.replay(chosen, lambda frame: look_inside(chosen, stage, frame))
        else:
            st.caption("Choose a cell that is trained.")
    for id in CLAIMS[SIZES]:
        ui.claim(id, results)
    if chosen:
        ui.behind(name, chosen, tables.runs(results))


# -- the learning rate -------------------------------------------------------------------------------------------------


def the_learning_rate():
    usual = f"warm-up and cosine, up to {base.lr:g}"
    rates = {
        usual: base,
        f"constant, {base.lr:g}": base.with_(schedule="constant", warmup=0),
        f"constant, {base.lr / 2:g}": base.with_(schedule="constant", warmup=0, lr=base.lr / 2),
    }
    names = {(each.schedule, each.lr): label for label, each in rates.items()}
    with overview:
        st.markdown(
            "The post warns that schedules of the learning rate matter. The usual one grows from 0 to its peak, and "
            "falls back to 0 along a cosine. It is set against two constant rates: one at the peak, and one at half of "
            "it, which moves the weights about as far in all, since the mean of the usual rate is half of its peak."
        )
        picks = st.container(horizontal=True, gap="large")
    T = ui.shown("T", "Training samples T", sizes, 1000, where=picks)
    seed = ui.shown("seed", "Seed", range(seeds), 0, where=picks)

    def of(result):
        return names[result.experiment.schedule, result.experiment.lr]

    def show(results):
        left, right = st.columns(2, gap="medium")
        for which, where in (("train", left), ("test", right)):
            rows = [
                {
                    "x": r.experiment.n_samples,
                    "y": max(r.metrics[f"{which}_loss"], LOWEST),
                    "line": of(r),
                    "seed": r.experiment.seed,
                }
                for r in results
            ]
            figure = charts.lines(
                pd.DataFrame(rows), f"{which.capitalize()} loss over T, by learning rate", "training samples T",
                "squared error a sample", list(rates), logarithmic_x=True, logarithmic_y=True,
                rule=zero if which == "test" else None,
            )  # fmt: skip
            ui.draw(figure, key=f"rates-{which}", where=where)
        st.caption(f"Dashed: the test loss of the output 0. Train losses below {LOWEST:g} are drawn there.")

    with overview:
        wanted = [e for each in rates.values() for e in sweep(each, seed=range(seeds), n_samples=sizes)]
        wanted.sort(key=lambda e: (e.seed != seed, e.n_samples != T))
        results = ui.trained(wanted, show, watch, at_once=recipe == "quick")
    here = {of(r): r for r in results if (r.experiment.n_samples, r.experiment.seed) == (T, seed)}
    with row:
        if here:
            st.subheader(f"The same {T:,} samples at each rate", anchor=False)
            vectors = {label: tables.vectors(here[label]) for label in rates if label in here}
            with ui.wide():
                pictures = [(k, {charts.FEATURES: v.features, charts.SAMPLES: v.samples}) for k, v in vectors.items()]
                ui.draw(charts.panels(pictures), key="rates-panels")
            counts = {label: int((v.feature_dimensionality >= tables.BIG).sum()) for label, v in vectors.items()}
            told = "; ".join(f"{label}: **{count}**" for label, count in counts.items())
            st.caption(
                f"Seed {seed}. Above: columns of W1, below: hidden vectors, each square on its own scale. Features "
                f"with at least {tables.BIG} of a dimension: {told}."
            )
        ui.notes(
            "- **Large steps must settle.** In the bottleneck, with the quick recipe, a constant rate goes on shaking "
            "the weights to the end. The test loss has a higher peak and comes down later; at T = 1000, where the "
            "usual schedule has some five features, none stands out.\n"
            "- **Small steps settle anyway.** With the paper recipe, whose steps are ten times smaller, the constant "
            "rates end about where the usual one does.",
            "- Whether it is the warm-up or the fall to 0 that counts: the two come together here.\n"
            "- Other schedules: each is compared only with no schedule at all.",
        )
    for id in CLAIMS[SCHEDULE]:
        ui.claim(id, results)
    chosen = here.get(usual) or next(iter(here.values()), None)
    if chosen:
        ui.behind(name, chosen, tables.runs(results))


{OVER_T: over_T, BIAS: what_the_bias_does, START: what_is_left, SIZES: over_sizes, SCHEDULE: the_learning_rate}[view]()
