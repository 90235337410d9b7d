"""Train and test loss over the size of the training set, and the inside of each network that a point stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from toyviz import charts, tables, theory
from toyviz.control import Choice
from toyviz.result import FRAME_METRICS, Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.double_descent import controls as c
from toyviz.studies.shared_texts import NONE_YET, notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Text, View

FEW = 15  # up to so many samples are held against an even share of the hidden dimensions
LEAST = 1e-3  # a dimensionality below is drawn here
PICK = {"n_samples": "T", "seed": "seed"}
OF_FEATURES, OF_SAMPLES = charts.COLOUR_WORDS[charts.BLUE], charts.COLOUR_WORDS[charts.VERMILLION]
LOOK_FOR = {
    "relu_output": "- **Memorising.** With few samples the network stores each of them: the train loss is small, the "
    f"hidden vectors ({OF_SAMPLES}) are the corners of a polygon, and a new sample means nothing to it.\n"
    "- **In between.** There are too many samples to store and too few to see what they have in common. The test loss "
    "rises far above that of the output 0.\n"
    f"- **Generalising.** With enough samples a few features ({OF_FEATURES}) get a direction each, and the "
    "test loss falls below that of the best constant output.",
    "relu_output_untied": "- **Memorising only in part.** W1 reads and W2 writes, and they need not agree. Even of "
    "three samples a good part of the loss is left, where one matrix used twice stores them all.\n"
    "- **A higher peak, and no end to it.** The test loss starts to rise at fewer samples, goes higher, and at the "
    "largest $T$ it is still far above that of the output 0.\n"
    "- **No features.** From many samples, too, no feature gets a direction to itself: where the bottleneck with one "
    "matrix generalises, this one does not yet.\n"
    "- **Round, but no rings.** Columns and hidden vectors fill no square. Nor do they lie on a circle: their lengths "
    "are all over, and the hidden vectors often point to one side.",
    "abs_output": "- **No peak in between.** From $T = 15$ on the test loss falls all the way, where the ReLU has its "
    "peak at some hundred samples. Of ten samples some seeds of the quick recipe end high, others do not.\n"
    "- **Hardly anything is memorised.** A ReLU takes every negative number for nothing, and a polygon lives on that: "
    "in the direction of one sample all others are negative. $|x'|$ counts them as errors. Of ten samples, two thirds "
    "of the loss are left, where the ReLU leaves less than a fifth.",
    "mlp": "- **The rank floor** (broad line). The output is linear in the $m$ hidden numbers, so the train loss "
    "cannot go below it, whatever the ReLU does. More than $m + 1$ samples cannot be memorised.\n"
    "- **Its own double descent.** From a small start with live units, the test loss peaks just past $m$, where there "
    "are as many samples as the rank can store or one more: $T = m + 1$ or $m + 2$ with the quick recipe, at each $n$ "
    "that was tried, from 200 to 2000. Choose $m = 8$ and Xavier's start with biases at 0.1 to see it.\n"
    "- **A peak just below T = n.** From nn.Linear's own start the test loss is high for few samples, falls, and rises "
    "again at $T = 850$ or 1000; beyond $n$ it is below 1. That is the doing of b2, which starts at up to 0.7 in each "
    "output: to cancel it, W1 x is made the same on all samples, which can be done up to $T = n$ and is worth least "
    "for new samples just below. Where b2 starts at 0 there is no such peak. Try Xavier's start under More settings.",
    "mlp_relu_output": "- **Double descent is back.** The ReLU on the output takes the rank floor away. These networks "
    "still fit only a part of their training set, even of a small one, but the test loss rises and falls again as in "
    "the bottleneck.\n"
    "- **Horseshoe.** The hidden vectors before the ReLU lie on a part of a ring in the first quadrant; see What the "
    "bias does.\n"
    "- **Accuracy.** After the peak the network names the largest feature of a new sample a few times more often than "
    "chance.",
}
NOT_SHOWN = {
    "relu_output": "- How high the peak is: it depends on the recipe and the seed. The post trains ten times longer "
    "with smaller steps; that is the paper recipe.\n"
    "- The best network there is: an optimiser that stops elsewhere moves the peak and the start of generalising.\n"
    "- A large network: with $m = 2$ at most a handful of the features can ever be represented.",
    "relu_output_untied": "- That it never generalises: only that it does not up to $T = 2000$. With the paper recipe "
    "the peak is more than ten times as high, and there is no end to it either.",
    "abs_output": "- That the post trained this network. A public script says of the post's notebook that its loss is "
    "$\\sum_i I_i (x_i - |x'_i|)^2$. If $x'$ has its ReLU there, $|x'|$ is $x'$, and nothing changes.\n"
    "- Starts with larger weights, or a bias that is not 0.",
    "mlp": "- The end of memorising: the train loss is near 1 on both sides of the peak near $T = n$, and no samples "
    "are stored there. A peak at some hundred samples takes a ReLU on the output.\n"
    "- Accuracy near 100 % on the training set, since more than $m + 1$ samples cannot be stored.",
    "mlp_relu_output": "- nn.Linear's own start: from there a hidden unit often dies and nothing is memorised. Here "
    "weights start uniform, as there, but with Xavier's width, and biases at 0. Try the other under More settings.\n"
    "- The end of the descent: up to $T = 5000$ the test loss stays above that of saying 0.",
}


def plan(choice: Choice) -> Plan:
    """A network for each T and seed, those of the opened T and seed first."""
    fields = {"seed": shared.seeds_of(choice), "n_samples": {*choice.n_samples, choice.T}}
    return Plan.over(c.base(choice, n_hidden=choice.n_hidden), fields, n_samples=choice.T, seed=shared.seed_of(choice))


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The loss over T with a small picture of each network, and what fills the hidden dimensions."""
    opened, sizes = plan.opened[0], plan.values("n_samples")
    seeds = shared.seeds_of(choice)
    chosen = sweep.among(seed=seeds)  # an opened seed beside them is in no mean
    baselines = theory.held_out_baselines(opened.with_(n_samples=1, n_hidden=2))
    rules = {"output 0": baselines["zero"], "best constant output": baselines["constant"]}
    table = tables.runs(chosen)
    best = choice.curve == "best"
    found = tables.descent(table, baselines["zero"], opened.n_hidden, sizes, seeds, best=best)
    if opened.arch == "mlp":  # its rank leaves it no regimes to tell apart
        found = found._replace(regimes=found.regimes.iloc[:0])
    seen = {T: network.pictured(sweep.at(n_samples=T), opened.seed) for T in sizes}
    pictured = {T: result for T, result in seen.items() if result}
    vectors = {T: tables.vectors(result, choice.stage) for T, result in pictured.items()}
    floor = {T: value for T, result in pictured.items() if (value := tables.rank_floor(result)) is not None}
    loss = charts.over_sizes(
        table,
        rules,
        found.regimes,
        sizes,
        {T: charts.Picture(v.features, v.samples, pictured[T].experiment.seed) for T, v in vectors.items()},
        peak=found.peak,
        selected=choice.T,
        floor=floor,
        linked=True,
        best=best,
    )
    yield Figure("loss", loss, PICK)
    yield Text("told", _outcome(table, baselines["zero"], best))
    yield from notes(LOOK_FOR[choice.network], NOT_SHOWN[choice.network])
    if not vectors:
        return
    yield Text("row", "##### The row of pictures, larger")
    kinds = [(f"T = {T:,}", {charts.FEATURES: v.features, charts.SAMPLES: v.samples}) for T, v in vectors.items()]
    yield Figure("panels", charts.panels(kinds))
    yield Text("dimensions", "##### What fills the hidden dimensions")
    features = {T: each.feature_dimensionality for T, each in vectors.items()}
    samples = {T: each.sample_dimensionality for T, each in vectors.items()}
    shares = charts.dimensionality(features, samples, opened.n_hidden, opened.n_features, choice.T)
    yield Figure("dimensionality", shares)
    yield Text("shares", _shares(opened.arch_row.hidden_bias, samples, opened.n_hidden))
    yield from _largest(choice, plan, chosen)
    yield from _closer(choice, plan, table, rules)


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """The columns of W1, the hidden vectors, the loss and the data dimensionality of one network, over its history."""
    yield from network.network(opened, choice.stage)
    if not network.is_too_large(opened):
        yield _largest_over_steps(opened, choice.stage)


def _largest_over_steps(opened: Result, stage: str) -> Figure:
    """The largest and the mean dimensionality of the training samples over the steps, with the step one looks at."""
    at = np.maximum(opened.frame_steps, 1)
    largest, mean = tables.data_dimensionality_over_frames(opened, stage).T
    lines = [
        charts.Line("largest", at, largest[None], charts.VERMILLION),
        charts.Line("mean", at, mean[None], charts.GREY),
    ]
    chart = charts.moving_lines(
        lines,
        "Dimensionality of samples",
        "step",
        now=at,
        x_ends=(1, max(opened.experiment.steps, 2)),
        logarithmic_x=True,
    )
    return Figure("largest_over_steps", chart)


def _largest(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The largest dimensionality of a training sample over T, beside the mean."""
    table, m = tables.data_dimensionality(sweep, choice.stage), plan.opened[0].n_hidden
    names = {"largest": "largest", "mean": "mean"}
    rows = pd.concat([table[["n_samples", "seed"]].assign(line=each, value=table[each]) for each in names])
    sizes = plan.values("n_samples")
    even = pd.DataFrame(
        {"n_samples": sizes, "line": "mean", "value": [theory.even_dimensionality(T, m) for T in sizes]}
    )
    chart = charts.lines_over(
        rows,
        "n_samples",
        "training samples T",
        names,
        sizes,
        "Dimensionality of training samples",
        selected=choice.T,
        linked=True,
        logarithmic_y=True,
        low=LEAST,
        high=1.0,
        colours=(charts.VERMILLION, charts.GREY),
        against=even,
        against_name="m / T",
        height=260,
    )
    yield Figure("largest", chart, PICK)
    yield Text(
        "largest_told",
        "The largest $D_X$ of a training sample, beside the mean of all: a point a seed, lines their means. The post "
        "speaks of a maximum data dimensionality and does not say what it is. This definition is ours: "
        "$\\max_i D_{X,i}$ over the training set. In a regular polygon both are $m/T$. Where the largest stays far "
        "above the mean, a few samples are stored and most are not. The figure beside the loss curve of the opened "
        "network shows both over its training.",
    )


def _closer(choice: Choice, plan: Plan, table: pd.DataFrame, rules: Mapping[str, float]) -> Iterator[Block]:
    """How often the networks are right, where the loss is below that of a constant, and how large weights are."""
    sizes = plan.values("n_samples")
    yield Text("closer", "##### A closer look")
    chance = ("chance, 1/n", 1 / plan.opened[0].n_outputs)
    yield Figure("accuracy", charts.over_samples(table, "accuracy", chance, sizes, choice.T), PICK)
    yield Figure("near", charts.loss_close_to_one(table, dict(rules), sizes, choice.T))
    yield Figure("norms", charts.norms_over_samples(table, choice.T))
    yield Text(
        "closer_told",
        "First: how often the largest output is where the largest feature is. Second: only where the test loss is "
        "below that of the best constant output has the network learned something about features. Third: how large "
        "weights and biases have become.",
    )


def _outcome(table: pd.DataFrame, zero: float, best: bool) -> str:
    """What became of the smallest and of the largest training set, and the highest test loss: means over seeds, or the
    best of them by train loss."""
    if table.empty:
        return NONE_YET
    of_seeds = "Best of the seeds by train loss" if best else "Means over seeds"
    mean = (
        (tables.best_runs(table) if best else table)
        .groupby("n_samples")[["train_loss", "test_loss", "big_features"]]
        .mean()
    )
    few, many, top = mean.index[0], mean.index[-1], mean["test_loss"].idxmax()
    return (
        f"{of_seeds}: at T = {few:,} the train loss is {mean['train_loss'][few]:.3g}. The test loss is highest "
        f"at T = {top:,}, {mean['test_loss'][top]:.3g}; at T = {many:,} it is {mean['test_loss'][many]:.3g} (output 0: "
        f"{zero:.3g}), and {mean['big_features'][many]:.2g} features have at least {tables.BIG} of a dimension."
    )


def _shares(biased: bool, samples: dict[int, np.ndarray], n_hidden: int) -> str:
    """What dimensionality is, and how far the median sample of few is from an even share."""
    text = (
        "The dimensionality of a vector, $D_i = |v_i|^2 / \\sum_j (\\hat v_i \\cdot v_j)^2$, is the share of a hidden "
        "dimension that it has to itself. Samples in a regular polygon have $m/T$ each. Where that of the samples "
        f"({OF_SAMPLES}) falls and a few features ({OF_FEATURES}) rise, samples give way to features."
    )
    if biased:
        text += " Samples all in one direction, as a large bias makes them, have $1/T$ each."
    few = {T: float(np.median(v)) / theory.even_dimensionality(T, n_hidden) for T, v in samples.items() if T <= FEW}
    if few:
        numbers = ", ".join(f"{share:.2f}" for share in few.values())
        text += f" Here the median sample has {numbers} times $m/T$ (at most 1 each) at T = {', '.join(map(str, few))}."
    return text


VIEW = View(
    id="over_t",
    title="Over T",
    place=1,
    controls=(
        c.NETWORK,
        c.N_SAMPLES,
        shared.SEEDS,
        shared.FIRST_SEED,
        shared.CURVE,
        c.N_HIDDEN,
        shared.N_FEATURES,
        shared.SPARSITY,
        shared.RECIPE,
        c.STAGE,
        *shared.TRAINING,
    ),
    opens=(shared.T(10), shared.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=("loss",),
    inside_stage=(("columns", "hidden"), ("curve", "largest_over_steps")),
    numbers=FRAME_METRICS,
    named=c.named,
    claims=(
        *("double_descent", "ten_times_earlier", "memorises_then_generalises", "dimensions_change_hands"),
        *("same_size_for_all_seeds", "untied_has_no_squares"),
        *("mlp_double_descent", "mlp_literal_double_descent", "mlp_dimensions", "mlp_literal_dimensions"),
        "mlp_literal_peaks_at_its_rank",
    ),
    figures={
        "F3": PostFigure("Test loss over the size of the training set", "loss", ("double_descent",)),
        "F4": PostFigure("Columns of W1 and hidden vectors over T", "panels", ("double_descent",)),
        "F5": PostFigure("Dimensionality of features and samples over T", "dimensionality", ("double_descent",)),
        "F11": PostFigure("Loss and accuracy over T, MLP", "loss", ("mlp",), {"network": "mlp"}),
        "F12": PostFigure(
            "Columns of W1 and hidden vectors after the ReLU", "panels", ("mlp",), {"network": "mlp", "stage": "after"}
        ),
        "F13": PostFigure("Columns of W1 and hidden vectors before the ReLU", "panels", ("mlp",), {"network": "mlp"}),
        "F14": PostFigure("Dimensionality over T, MLP", "dimensionality", ("mlp",), {"network": "mlp"}),
        "F34": PostFigure(
            "Loss and accuracy over T, ReLU on the output", "loss", ("mlp_relu_output",), {"network": "mlp_relu_output"}
        ),
        "F35": PostFigure(
            "Shapes in W1, ReLU on the output", "panels", ("mlp_relu_output",), {"network": "mlp_relu_output"}
        ),
        "F44": PostFigure(
            "Double descent with W1 and W2", "loss", ("double_descent_untied",), {"network": "relu_output_untied"}
        ),
    },
    shipped=tuple({"network": name} for name in ("relu_output_untied", "mlp", "mlp_relu_output")),
    first_name="Over T",
    aliases=c.aliases("block"),
    first_defaults=c.FIRST_DEFAULTS | {"network": "relu_output", "T": "10", "curve": "mean"},
    first_among={"T": "n_samples"},
)
