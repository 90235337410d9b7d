"""How the last layer picks one of many classes from two numbers, and what shapes that takes."""

import numpy as np
import pandas as pd
import streamlit as st

from toyviz import charts, data, metrics, probe, settings, tables, theory, ui
from toyviz.experiment import sweep

SIZES, NETWORK, LOGIT, SQUARES = VIEWS = ["Over T", "One network", "One logit", "Why squares"]  # also in the address
NEW = 200  # held-out samples whose logits can be taken apart
ANGLES = np.arange(0, 91, 3)
FILLED = 1 - 0.95 * 0.9**2  # what metrics.on_border has for a filled square
OF_SHAPES = {"outline of a square": 1.38, "filled square": 1.23, "disc": 1.06, "circle": 1.0}

ui.title("Toy unembedding", "How can two numbers pick one of a thousand classes?")
st.markdown(
    "A language model ends in an unembedding: a vector comes in, and every word of the vocabulary gets a number. Here "
    "the vector has two entries. A sparse sample $x$ becomes $h = W_1 x$, and class $c$ gets the logit "
    "$h_x W_2[c,0] + h_y W_2[c,1] + b_2[c]$. The correct class is the largest feature of $x$, the loss is the "
    "cross-entropy, and there is no ReLU anywhere."
)

view = ui.choice("final", "View", VIEWS, SIZES, label_visibility="collapsed")
recipe = ui.control("recipe", "quick")
sizes = ui.control("n_samples", settings.SAMPLE_SIZES)
seeds = ui.control("seeds", 2)
labels, network, optimizer, init = "classify_hard", "unembed", "adamw", "linear_uniform"
if view != SQUARES:  # which has its own seven networks
    labels = ui.control("labels", labels)
    network = ui.control("network", network)
    optimizer = ui.control("optimizer", optimizer)
    init = ui.control("init", init)
more = st.sidebar.expander("More settings")
soft = labels == "classify_soft"
name = "unembedding_sgd" if optimizer == "sgd" else "unembedding_soft" if soft else "unembedding"


def named(experiment_name, **changes):
    """A named experiment at the size that the visitor chose."""
    setting = settings.EXPERIMENTS[experiment_name]
    return setting.at(recipe).with_(sparsity=sparsity, **changes)


sparsity = ui.control("sparsity", 0.99, where=more)
decay = {}
if view != SQUARES and optimizer == "adamw":
    decay["weight_decay"] = ui.control("weight_decay", 0.01, where=more)
biased = network != "unembed_no_bias"
base = named(
    name,
    arch=network,
    task=labels,
    init=init,
    bias_init=init if biased and init.startswith("linear") else "zeros",
    **decay,
)
# Soft labels are the values of the features: those of a sample add up to more than 1.
labelled = data.held_out_samples(base.with_(n_samples=1)).targets.sum(axis=1).mean() if soft else 1.0
guess = labelled * theory.uniform_cross_entropy(base.n_outputs)
GUESS = f"{labelled:.2f} ln n" if soft else "ln n"

overview, inside = st.container(), st.container()
with overview:
    picks = st.container(horizontal=True, gap="large")
    if view != SIZES:
        T = ui.shown("T", "Training samples T", sizes, 500, where=picks)
        seed = ui.shown("seed", "Seed", range(seeds), 0, where=picks)


def watch(experiment, job):
    left, right = st.columns([1, 2], gap="large", vertical_alignment="center")
    W1 = job.frame["W1"]
    seen = np.ones(W1.shape[1], bool)
    ui.draw(charts.shape(charts.FEATURES, W1.T, seen, "W1 so far"), key="live-shape", where=left)
    what = f"T = {experiment.n_samples:,}, seed {experiment.seed}"
    right.markdown(f"**In training:** {what}. {ui.step(job)}")
    ui.draw(charts.training_curve(*job.losses), key="live-curve", where=right)


# -- over T ------------------------------------------------------------------------------------------------------------


def open_network(point):
    ui.remember(T=int(point["n_samples"]), seed=int(point["seed"]), final=NETWORK)


def show_sizes(results):
    table = tables.runs(results)
    uniform = (f"every class as likely, {GUESS}", guess)
    ui.draw(charts.over_samples(table, "loss", uniform, sizes), key="cross-entropy", pick=open_network)
    chance = ("chance, 1/n", 1 / base.n_outputs)
    ui.draw(charts.over_samples(table, "accuracy", chance, sizes), key="accuracy", pick=open_network)


def over_sizes():
    wanted = sorted(sweep(base, seed=range(seeds), n_samples=sizes), key=lambda e: e.seed)
    results = ui.trained(wanted, show_sizes, watch, at_once=recipe == "quick")
    if not results:
        return
    table = tables.runs(results)
    means = table.groupby("n_samples")[["test_loss", "test_accuracy"]].mean()
    top = means["test_loss"].idxmax()
    learned = table.groupby("n_samples")["train_accuracy"].mean()
    last = max(learned.index)
    said = (
        "With soft labels every active feature is right in part. Two hidden values can say so for a few samples only: "
        f"the largest feature is named in {learned.iloc[0]:.0%} of the training samples at T = {learned.index[0]:,}, "
        f"and in {learned[last]:.0%} at T = {last:,}."
        if soft
        else "With few samples the network learns each of them and knows nothing else, and says so with more and more "
        "confidence."
    )
    st.markdown(
        f"{said} The mean test cross-entropy is highest at T = {top:,} with {means['test_loss'].max():.3g} nats; at "
        f"T = {last:,} it is {means['test_loss'][last]:.3g}. A network that calls every class as likely has {GUESS} = "
        f"{guess:.3f}. Click a point to look into its network."
    )
    ui.notes(
        "- **The bump.** Confident and wrong costs more than not knowing: far above the dashed line. It comes down "
        "again once there are more samples than two hidden values can tell apart.\n"
        "- **Accuracy.** While the training set is learned without a miss, the test accuracy stays near chance: this "
        "is a lookup table.\n"
        + (
            "- **Shapes, below.** From T = 200 on the columns of W1 form no square, but a blob with long arms."
            if soft
            else "- **Shapes, below.** Watch the columns of W1 fill a square, and the rows of W2 spread on a circle."
        ),
        "- How high the bump is: longer training makes the logits larger, and a wrong guess dearer.\n"
        "- That this network generalises: with two hidden values and a thousand classes it never does well. The test "
        "accuracy is a few times chance at best.",
    )
    first = min(table["seed"])
    here = sorted((r for r in results if r.experiment.seed == first), key=lambda r: r.experiment.n_samples)
    st.subheader("Features, samples and classes, size by size", anchor=False)
    with ui.wide():
        ui.draw(charts.shapes_over_samples([(f"T = {r.experiment.n_samples:,}", kinds(r)) for r in here]), key="shapes")
    st.caption(
        f"Seed {first}. Above: what each feature writes into the hidden layer, a column of W1. Middle: the hidden "
        "vector of each training sample, W1 x. Below: how each class reads it, a row of W2. Grey: features never "
        "active, and classes never correct, in training. Each square has its own scale, written in its corner."
    )
    if recipe == "quick" and not soft:
        st.caption(of_the_recipe(results))
    for each in ("unembedding_descent", "unembedding_shapes", "unembedding_soft_square"):
        ui.claim(each, results)
    ui.behind(name, here[0], table)


def of_the_recipe(results):
    """What the quick recipe leaves undone, beside the claims that were published with the paper's."""
    rows = []
    for T in (500, 1000):
        here = [r for r in results if r.experiment.n_samples == T]
        if here:
            square = np.mean([metrics.squareness(active_columns(r)) for r in here])
            learned = np.mean([r.metrics["train_accuracy"] for r in here])
            rows.append(f"squareness {square:.2f} and train accuracy {learned:.0%} at T = {T:,}")
    return (
        f"The quick recipe: {'; '.join(rows)}. Its steps are fewer and larger than the paper's, which learn "
        "about 96 % of the samples even at T = 1,000. So the square is not pushed to its outline (1.38), and T = 500 "
        "does not stand out as it does with the paper's recipe, for which the claims were published."
        if rows
        else ""
    )


def active_columns(result):
    """The columns of W1 of the features that were active in training."""
    found = tables.unembedding(result)
    return found.columns[found.active]


def kinds(result):
    found = tables.unembedding(result)
    always = np.ones(len(found.hidden), bool)
    return {
        charts.FEATURES: (found.columns, found.active),
        charts.SAMPLES: (found.hidden, always),
        charts.CLASSES: (found.rows, found.seen),
    }


# -- one network -------------------------------------------------------------------------------------------------------


def one():
    """The one network that is looked into, or None while it is not trained."""
    if T is None or seed is None:
        st.caption("Choose at least one size of the training set.")
        return None
    results = ui.trained([base.with_(n_samples=T, seed=seed)], lambda results: None, watch, at_once=recipe == "quick")
    return results[0] if results else None


def open_logit(point):
    ui.remember(sample=int(point["number"]), new=False, final=LOGIT)


def look_inside(result, frame):
    now = result.frame(frame)
    found = tables.unembedding(result)
    columns, rows = now["W1"].T, now["W2"]
    hidden = probe.seen_samples(result).inputs @ columns + now["b1"]
    left, middle, right = st.columns(3, gap="medium")
    figure = charts.shape(charts.FEATURES, columns, found.active, "W1: what features write")
    ui.draw(figure, key="shape-columns", where=left)
    active = columns[found.active]
    left.markdown(
        f"Squareness **{metrics.squareness(active):.2f}** over the active features; {metrics.on_border(active):.0%} of "
        f"them lie within a tenth of the square's border, of a filled square {FILLED:.0%} do."
    )
    figure = charts.shape(charts.SAMPLES, hidden, np.ones(len(hidden), bool), "h: where samples end up")
    ui.draw(figure, key="shape-hidden", where=middle, pick=open_logit)
    middle.markdown(
        f"Reach along the diagonals over that along the axes **{metrics.petals(hidden):.2f}**; squareness "
        f"{metrics.squareness(hidden):.2f}."
    )
    figure = charts.shape(charts.CLASSES, rows, found.seen, "W2: how classes read")
    ui.draw(figure, key="shape-rows", where=right)
    lengths = metrics.norms(rows[found.seen])
    right.markdown(
        f"Squareness **{metrics.squareness(rows[found.seen]):.2f}** over the {found.seen.sum()} seen classes; their "
        f"lengths vary by {lengths.std() / lengths.mean():.0%}."
    )
    st.caption(
        "Squareness is the 95th percentile of a vector's length over that of its largest entry: 1.38 for the outline "
        "of a square that lies along the axes, 1.23 for a filled one, 1.06 for a disc, 1.00 for a circle. Grey "
        "crosses: features never active, and classes never correct, in the training set. Click a hidden vector to take "
        "its logits apart."
    )


def one_network():
    result = one()
    if not result:
        return
    experiment, measured = result.experiment, result.metrics
    samples = probe.seen_samples(result)
    found = tables.unembedding(result)
    st.markdown(
        f"**T = {T:,}, seed {seed}.** {len(samples.X):,} samples with {(samples.X > 0).sum(axis=1).mean():.1f} active "
        f"features on average; {found.seen.sum()} of {experiment.n_outputs:,} classes are ever correct. Train accuracy "
        f"{measured['train_accuracy']:.1%}, test accuracy {measured['test_accuracy']:.2%}; train cross-entropy "
        f"{measured['train_loss']:.3g}, test cross-entropy {measured['test_loss']:.3g} ({GUESS} = {guess:.3f})."
    )
    ui.replay(result, lambda frame: look_inside(result, frame))
    ui.notes(
        "- **The square.** Each feature pushes as far as it can in both directions: the columns of W1 fill a square. "
        f"In the end {metrics.on_border(active_columns(result)):.0%} lie within a tenth of its border, of a filled "
        f"square {FILLED:.0%} do. The paper's recipe, with more and smaller steps, gets nearer to the outline: there "
        "about 60 % do, and the squareness is 1.35.\n"
        "- **The rose.** A sample is a weighted sum of about ten such columns. It gets furthest where two coordinates "
        "pull alike, along the diagonals.\n"
        "- **The circle.** A class is named if no other reaches further along $h$. On a circle each class reaches "
        "furthest somewhere, so hundreds of them can take turns.",
        "- Meaning: the classes lie on the circle in an order that this one training set and start made up.\n"
        "- That squares are needed: the last view compares trainings that classify as well without one.",
    )
    for each in ("unembedding_lookup", "unembedding_rose_circle", "unembedding_soft_square"):
        ui.claim(each, [result])
    ui.behind(name, result, tables.runs([result]))


# -- one logit ---------------------------------------------------------------------------------------------------------


def one_logit():
    result = one()
    if not result:
        return
    left, right = st.columns([3, 1], gap="large", vertical_alignment="bottom")
    unseen = right.toggle("New samples instead", key="new", bind="query-params")
    samples = data.held_out_samples(result.experiment, NEW) if unseen else probe.seen_samples(result)
    which = left.slider(
        "Test sample" if unseen else "Training sample", 0, len(samples.X) - 1, 0, key="sample", bind="query-params"
    )
    take_apart(result, samples, which, unseen)
    for each in ("unembedding_first_quadrant", "unembedding_top", "unembedding_bias"):
        ui.claim(each, [result])
    ui.behind(name, result, tables.runs([result]))


def take_apart(result, samples, which, unseen):
    if not samples.targets[which].any():
        st.info("No feature of this sample is active: it has no correct class. Choose another.")
        return
    seen = tables.unembedding(result).seen
    label = int(samples.targets[which].argmax())
    terms = probe.logit_terms(result, samples.inputs[which])
    votes = probe.hidden_votes(result, samples.inputs[which])
    said = int(terms.logits.argmax())
    never = "" if seen[label] else ", a class that was never correct in training"
    st.markdown(
        f"Its largest feature is {label}{never}; so class {label} is correct. The network says class **{said}**: "
        f"{'right' if said == label else 'wrong'}."
    )
    left, right = st.columns(2, gap="large")
    left.markdown("**1. A weighted vote makes h**")
    ui.draw(charts.votes(votes.features, votes.values, votes.votes, votes.hidden), key="votes", where=left)
    left.caption(
        f"{len(votes.features)} features are active. Each adds its column of W1 times its value (blue, with its "
        f"number); laid end to end (dotted) they lead to h (red). The votes' sum and the network's own h differ by "
        f"{votes.error:.1e}."
    )
    right.markdown("**2. h stretches the circle of W2**")
    ui.draw(charts.logit_plane(terms.terms, seen, label, terms.hidden), key="plane", where=right)
    right.caption(
        "Every row of W2, its first entry times h_x and its second times h_y: the circle, stretched and mirrored so "
        "that the correct class (diamond) has both terms positive. Beyond the dashed line a class has a larger sum."
    )
    st.markdown("**3. Add the two terms, then the bias; the largest logit is the answer**")
    figure = charts.logit_stages(terms.terms, terms.bias, terms.logits, seen, label)
    ui.draw(figure, key="stages")
    st.dataframe(tables.logit_rows(terms, label).style.format(precision=4), hide_index=True, width="stretch")
    first = "The terms and the bias add up to the network's own logits"
    st.caption(
        f"{first}: over all {len(terms.logits):,} classes the largest difference is {terms.error:.1e}, the rounding of "
        "32-bit numbers. Each tick is a class; the short grey ones were never correct in training: their rows of W2 "
        "are almost nothing, and no sample can lift them. " + ("" if unseen else everywhere(result))
    )
    ui.notes(
        "- **A stretched circle.** The correct class lies where both terms are positive: its row of W2 points the way "
        "that h does.\n"
        "- **Ahead, but not first.** Many classes further along $h$ have a larger sum. Then the bias decides.\n"
        "- **The bias stands for distance.** Samples far out make large terms, and their classes have a negative bias, "
        "so that they win only there. Samples near the centre have a class with a large positive bias. Compare a few "
        "samples.",
        "- Knowledge: switch to new samples, and the same sums name a wrong class with the same confidence.\n"
        "- A sum of ten terms or a hundred: with more hidden values there are more terms, and no picture.",
    )


def everywhere(result):
    """What this picture says of all training samples, in a sentence."""
    found = tables.unembedding(result)
    known = found.labels >= 0
    correct = found.labels[known]
    positive = (found.hidden[known] * found.rows[correct] > 0).all(axis=1).mean()
    lowered = (found.biases[correct] < 0).mean()
    lengths = pd.Series(metrics.norms(found.hidden[known]))
    ranks = lengths.rank().corr(pd.Series(found.biases[correct]).rank())
    return (
        f"Over all training samples: both terms of the correct class are positive in {positive:.1%}; its bias is "
        f"negative in {lowered:.1%}, and the more so the longer h is (rank correlation {ranks:.3f})."
    )


# -- why squares -------------------------------------------------------------------------------------------------------


def why_squares():
    if T is None or seed is None:
        st.caption("Choose at least one size of the training set.")
        return
    at = {"n_samples": T, "seed": seed}
    xavier = {"init": "xavier_normal", "bias_init": "zeros"}
    networks = {
        "AdamW": named("unembedding", **at),
        "AdamW, Xavier": named("unembedding_xavier", **at),
        "SGD": named("unembedding_sgd", **at),
        "SGD, Xavier": named("unembedding_sgd", **at, **xavier),
        "AdamW, soft labels": named("unembedding_soft", **at),
        "AdamW, tied": named("unembedding_tied", **at),
        "AdamW, squared error": named("double_descent_untied", **at),
    }
    st.markdown(
        "**A hypothesis.** Adam divides every coordinate's gradient by its recent size, so all coordinates move at "
        "about the same speed, whatever their gradients are. Cross-entropy on samples that can all be told apart has "
        "no best weights at a finite place: it goes on pushing. So both coordinates of a column of W1 travel equally "
        "far, each with its own sign: to a corner. Three tests follow: plain gradient descent should give no square; "
        "Adam's square should lie along the axes even from a start that knows no axes (Xavier, normal); and a loss "
        "that is content at a finite place should give none."
    )
    results = ui.trained(list(networks.values()), lambda results: None, watch, at_once=recipe == "quick")
    by_key = {result.experiment.key: result for result in results}
    found = {label: by_key[e.key] for label, e in networks.items() if e.key in by_key}
    if not found:
        return
    with ui.wide():
        ui.draw(charts.shapes_over_samples([(label, kinds(result)) for label, result in found.items()]), key="why")
    st.caption(
        f"T = {T:,}, seed {seed}; the same training set for all. Above: columns of W1, middle: hidden vectors, below: "
        "rows of W2. Grey: not seen in training."
    )
    curves = {}
    for label, result in found.items():
        active = active_columns(result)
        curves[label] = (ANGLES, np.array([metrics.squareness(metrics.turned(active, angle)) for angle in ANGLES]))
    ui.draw(charts.squareness_turned(curves, OF_SHAPES), key="turned")
    rows = [
        {
            "network": label,
            "squareness of W1": float(values[0]),
            "turned by 45°": float(values[len(ANGLES) // 2]),
            "train accuracy": found[label].metrics["train_accuracy"],
            "test loss": found[label].metrics["test_loss"],
        }
        for label, (_, values) in curves.items()
    ]
    st.dataframe(
        pd.DataFrame(rows).style.format(precision=2).format("{:.1%}", subset="train accuracy"),
        hide_index=True,
        width="stretch",
    )
    st.caption(
        "Squareness of the columns of active features, after the plane was turned by an angle. A square along the axes "
        "is most square at 0° and 90° and least at 45°, where it stands on its corner. What has no preferred axes is "
        "flat. A start that is itself a square along the axes (nn.Linear) leaves traces; Xavier's normal start has "
        "none."
    )
    ui.notes(
        "- **SGD learns the same training set** and is about as wrong on new samples, without the square.\n"
        "- **Xavier's start is round**, and AdamW still finds the axes.\n"
        "- **Squared error** ends in a disc or rings. **Tying** W2 to W1 takes the square away as well, with the loss, "
        "data and optimiser unchanged: one matrix cannot be the square and the circle.",
        "- A proof: the three tests agree with the hypothesis, as they would with others that turn on Adam's "
        "coordinate-wise steps.\n"
        "- The squared-error network's loss is of another kind: do not compare its number.",
    )
    why = ("soft_square", "split", "one_matrix", "xavier_square", "optimizer")
    for each in why:
        ui.claim(f"unembedding_{each}", results)
    ui.behind("unembedding", next(iter(found.values())), tables.runs(results))


with inside:
    {SIZES: over_sizes, NETWORK: one_network, LOGIT: one_logit, SQUARES: why_squares}[view]()
