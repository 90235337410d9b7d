"""Cross-entropy and accuracy over the size of the training set, and the three shapes of each network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from toyviz import charts, metrics, settings, tables
from toyviz.control import Choice
from toyviz.experiment import Experiment
from toyviz.result import Result
from toyviz.studies import first_addresses, network
from toyviz.studies import shared_controls as shared
from toyviz.studies.shared_texts import NONE_YET, NOT_YET, TOO_LARGE, notes
from toyviz.studies.unembedding import controls as c
from toyviz.studies.unembedding import shapes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Text, View

PICK = {"n_samples": "T", "seed": "seed"}
NO_REGIMES = pd.DataFrame(columns=["low", "high", "name"])
LEAST = 1e-4  # an accuracy below is drawn here
UNFINISHED = (500, 1000)  # T at which the quick recipe leaves something undone
OF_FEATURES, OF_SAMPLES, OF_CLASSES = (charts.COLOUR_WORDS[kind.colour] for kind in charts.ALL_THREE)
SEEDS = shared.seeds(2)


def plan(choice: Choice) -> Plan:
    """A network for each T and seed, those of the opened T and seed first."""
    fields: dict[str, Any] = {"seed": shared.seeds_of(choice), "n_samples": {*choice.n_samples, choice.T}}
    return c.batched(Plan.over(c.base(choice), fields, n_samples=choice.T, seed=shared.seed_of(choice)), choice)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The cross-entropy over T with small pictures of each network, the accuracy, and the pictures again, larger."""
    opened, sizes = plan.opened[0], plan.values("n_samples")
    chosen = sweep.among(seed=shared.seeds_of(choice))  # an opened seed beside them is in no mean
    table, best = tables.runs(chosen), choice.curve == "best"
    drawn = tables.best_runs(table) if best else table
    word, uniform = shapes.guess(opened.with_(n_samples=1, minibatch=None))
    seen = {size: result for size in sizes if (result := network.pictured(sweep.at(n_samples=size), opened.seed))}
    loss = charts.over_sizes(
        table,
        {f"uniform, {word}": uniform},
        NO_REGIMES,
        sizes,
        {size: picture(result) for size, result in seen.items()},
        peak=peak(drawn) if chosen.finished else None,
        selected=choice.T,
        linked=True,
        kinds=charts.ALL_THREE,
        what="Cross-entropy",
        best=best,
    )
    yield Figure("loss", loss, PICK)
    yield Figure("accuracy", _accuracy(table, opened, sizes, choice.T), PICK)
    yield Text("told", _outcome(choice, drawn, word, uniform))
    top = peak(drawn)
    yield from notes(
        _look_for(choice),
        "- How high the bump is: longer training makes the logits larger, and a wrong guess dearer.\n"
        "- That this network generalises: with two hidden values and a thousand classes it never does well. The test "
        "accuracy is a few times chance at best.\n"
        "- Meaning: the classes lie on the circle in an order that this one training set and start made up.\n"
        "- That squares are needed: Why squares compares trainings that classify as well without one.",
        (f"T={top[0]}" if top else "",),
    )
    yield Text("row", "##### Features, samples and classes, size by size")
    columns = [
        charts.Column(f"T = {size:,}", at_the_end(seen[size]) if size in seen else {}, value=size) for size in sizes
    ]
    title = "Columns of W1, hidden vectors, rows of W2"
    grid = charts.plane_grid(columns, charts.ALL_THREE, title, selected=sizes.index(choice.T), height=330)
    yield Figure("shapes", grid, {"value": "T"})
    yield Text(
        "shapes_told",
        f"Above: what each feature writes into the hidden layer, a column of W1 ({OF_FEATURES}). Middle: the hidden "
        f"vector of each training sample, W1 x ({OF_SAMPLES}). Below: how each class reads it, a row of W2 "
        f"({OF_CLASSES}). Grey crosses: features never active, and classes never correct, in training. Each square has "
        "its own scale, written in its corner.",
    )
    if undone := _undone(choice, chosen):
        yield Text("quick", undone)


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """The three shapes of one network, its loss, and how square and how petalled they are, over its whole history."""
    yield from shapes.planes(opened)
    yield network.curve(opened)
    yield shapes.over_the_steps(opened)
    if network.is_too_large(opened):
        yield Text("network", TOO_LARGE)
    else:
        yield Text("network", _network(opened))


def picture(result: Result) -> charts.Picture:
    """What a trained network looks like in the small."""
    found = tables.unembedding(result)
    return charts.Picture(found.columns, found.hidden, result.experiment.seed, found.rows, (found.active, found.seen))


def at_the_end(result: Result) -> dict[str, charts.Vectors]:
    """The three kinds of vectors of a trained network, as a history of one frame."""
    found = tables.unembedding(result)
    every = np.ones(len(found.hidden), bool)
    kinds = ((found.columns, found.active), (found.hidden, every), (found.rows, found.seen))
    return {
        kind.name: charts.Vectors(vectors[None], seen)
        for kind, (vectors, seen) in zip(charts.ALL_THREE, kinds, strict=True)
    }


def peak(table: pd.DataFrame) -> tuple[int, float] | None:
    """The T of the highest mean test loss, and that loss; None where it is at an end of the sweep."""
    mean = table.groupby("n_samples")["test_loss"].mean()
    top = int(mean.to_numpy(float).argmax()) if len(mean) else 0
    return (int(mean.index[top]), float(mean.iloc[top])) if 0 < top < len(mean) - 1 else None


def _accuracy(table: pd.DataFrame, opened: Experiment, sizes: Sequence[int], selected: int) -> charts.Chart:
    """How often the largest logit is that of the largest feature, on the training and on the test set."""
    of_sets = [
        table[["n_samples", "seed"]].assign(line=name, value=table[f"{name}_accuracy"]) for name in ("test", "train")
    ]
    return charts.lines_over(
        pd.concat(of_sets, ignore_index=True),
        "n_samples",
        "training samples T",
        ("test", "train"),
        sizes,
        "Accuracy",
        rules={"chance, 1/n": 1 / opened.n_outputs},
        selected=selected,
        logarithmic_y=True,
        low=LEAST,
        high=1.0,
        share=True,
        colours=(charts.GREEN, charts.VERMILLION),
    )


def _outcome(choice: Choice, table: pd.DataFrame, word: str, uniform: float) -> str:
    """What the networks have learned, as means over seeds, or as the best of them has: one row a size then."""
    intro = (
        "A language model ends in an unembedding: a vector comes in, and every word of the vocabulary gets a number. "
        "Here the vector has two entries. A sparse sample $x$ becomes $h = W_1 x$, and class $c$ gets the logit "
        "$h_x W_2[c,0] + h_y W_2[c,1] + b_2[c]$. The correct class is the largest feature of $x$, the loss is the "
        "cross-entropy, and there is no ReLU anywhere."
    )
    if table.empty:
        return f"{intro}\n\n{NONE_YET}"
    of_seeds = "best of the seeds by train loss" if choice.curve == "best" else "mean of the seeds"
    mean = table.groupby("n_samples")[["test_loss", "train_accuracy"]].mean()
    few, last, top = mean.index[0], mean.index[-1], mean["test_loss"].idxmax()
    said = (
        "With soft labels every active feature is right in part. Two hidden values can say so for a few samples only: "
        f"the largest feature is named in {mean['train_accuracy'][few]:.0%} of the training samples at T = {few:,}, "
        f"and in {mean['train_accuracy'][last]:.0%} at T = {last:,}."
        if choice.labels != "classify_hard"
        else "With few samples the network learns each of them and knows nothing else, and says so with more and more "
        "confidence."
    )
    return (
        f"{intro}\n\n{said} The test cross-entropy, {of_seeds}, is highest at T = {top:,} with "
        f"{mean['test_loss'][top]:.3g} nats; at T = {last:,} it is {mean['test_loss'][last]:.3g}. A network that calls "
        f"every class as likely has {word} = {uniform:.3f}. Click a point to look into its network."
    )


def _look_for(choice: Choice) -> str:
    pictured = (
        "- **Shapes.** Early in training the columns of W1 form a square, as with hard labels: at $T = 500$ after some "
        "600 steps at a constant rate of 0.001, which is the plain-early recipe. Later it is rounded off, and from "
        "$T = 200$ on the columns end as a blob with long arms.\n"
        if choice.labels != "classify_hard"
        else "- **Shapes.** Watch the columns of W1 fill a square, and the rows of W2 spread on a circle.\n"
    )
    return (
        "- **The bump.** Confident and wrong costs more than not knowing: far above the dotted line. It comes down "
        "again once there are more samples than two hidden values can tell apart.\n"
        "- **Accuracy.** While the training set is learned without a miss, the test accuracy stays near chance: this "
        "is a lookup table.\n"
        f"{pictured}"
        f"- **The square** ({OF_FEATURES}). Each feature pushes as far as it can in both directions: the columns of W1 "
        "fill a square. The paper's recipe, with more and smaller steps, gets nearer to the outline: there about 60 % "
        "lie within a tenth of its border, and the squareness is 1.35.\n"
        f"- **The rose** ({OF_SAMPLES}). A sample is a weighted sum of about ten such columns. It gets furthest where "
        "two coordinates pull alike, along the diagonals.\n"
        f"- **The circle** ({OF_CLASSES}). A class is named if no other reaches further along $h$. On a circle each "
        "class reaches furthest somewhere, so hundreds of them can take turns."
    )


def _undone(choice: Choice, sweep: Sweep) -> str:
    """What the quick recipe leaves undone, beside what the paper's comes to."""
    if choice.recipe != "quick" or choice.labels != "classify_hard" or choice.minibatch is not None:
        return ""
    rows = []
    for size in UNFINISHED:
        here = sweep.at(n_samples=size)
        if (learned := here.mean("train_accuracy")) is not None:
            square = np.mean([metrics.squareness(_active(result)) for result in here])
            rows.append(f"squareness {square:.2f} and train accuracy {learned:.0%} at T = {size:,}")
    if not rows:
        return ""
    return (
        f"The quick recipe: {'; '.join(rows)}. Its steps are fewer and larger than the paper's, which learn "
        "about 96 % of the samples even at T = 1,000. So the square is not pushed to its outline (1.38), and T = 500 "
        "does not stand out as it does with the paper's recipe. The claims are judged under each recipe."
    )


def _active(result: Result) -> np.ndarray:
    """The columns of W1 of the features that were active in training."""
    found = tables.unembedding(result)
    return found.columns[found.active]


def _network(result: Result) -> str:
    """What one network came to, in words."""
    e, seen, found = result.experiment, shapes.seen_in(result.experiment), result.metrics
    which = (
        f"**T = {e.n_samples:,}, seed {e.seed}.** {seen.total:,} samples with {seen.active_features:.1f} active "
        f"features on average; {seen.named.sum()} of {e.n_outputs:,} classes are ever correct."
    )
    if not result.finished:
        return f"{which} {NOT_YET}"
    word, uniform = shapes.guess(e.with_(n_samples=1, seed=0, minibatch=None))
    columns, hidden, rows = (vectors.history[-1] for vectors in shapes.histories(result).values())
    active, read = columns[seen.active], rows[seen.named]
    lengths, circle = metrics.norms(read), metrics.ring(read)
    accuracy = "" if found["train_accuracy"] is None else f" Train accuracy {found['train_accuracy']:.1%},"
    tested = "" if found["test_accuracy"] is None else f" test accuracy {found['test_accuracy']:.2%};"
    return (
        f"{which}{accuracy}{tested} train cross-entropy {found['train_loss']:.3g}, test cross-entropy "
        f"{found['test_loss']:.3g} ({word} = {uniform:.3f}).\n\n"
        f"At the end the squareness of W1 is **{metrics.squareness(active):.2f}** over the active features; "
        f"{metrics.on_border(active):.0%} of them lie within a tenth of the square's border, of a filled square "
        f"{shapes.FILLED:.0%} do. The hidden vectors reach **{metrics.petals(hidden):.2f}** times as far along the "
        f"diagonals as along the axes; their squareness is {metrics.squareness(hidden):.2f}. That of W2 is "
        f"**{metrics.squareness(read):.2f}** over the {len(read)} seen classes; their lengths vary by "
        f"{lengths.std() / lengths.mean():.0%}, and {circle.on:.0%} lie within a tenth of a ring. Squareness is the "
        "95th percentile of a vector's length over that of "
        "its largest entry: 1.38 for the outline of a square that lies along the axes, 1.23 for a filled one, 1.06 for "
        "a disc, 1.00 for a circle. Grey crosses: features never active, and classes never correct, in the training "
        "set."
    )


VIEW = View(
    id="over_t",
    title="Over T",
    place=1,
    controls=(
        c.LABELS,
        c.NETWORK,
        c.BATCH,
        shared.n_samples(settings.SAMPLE_SIZES),
        SEEDS,
        shared.FIRST_SEED,
        shared.CURVE,
        shared.N_FEATURES,
        shared.SPARSITY,
        shared.RECIPE,
        *c.TRAINING,
    ),
    opens=(shared.T(500), shared.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=("loss", "accuracy"),
    inside_stage=(("columns", "hidden", "rows"), ("curve", "shapes_over_steps")),
    width=0.43,
    heights={"loss": 1.8},
    named=c.named,
    claims=(
        *("unembedding_descent", "unembedding_shapes", "unembedding_lookup", "unembedding_rose_circle"),
        "unembedding_soft_square",
    ),
    figures={
        "F22": PostFigure("Cross-entropy and accuracy over T", "loss", ("unembedding",)),
        "F23": PostFigure("Columns of W1, hidden vectors and rows of W2 over T", "shapes", ("unembedding",)),
        "F24": PostFigure("T = 500: the square, the rose and the circle", "columns", ("unembedding",)),
        "F43": PostFigure(
            "Shapes and losses with soft labels", "loss", ("unembedding_soft",), {"labels": "classify_soft", "seeds": 1}
        ),
    },
    shipped=({"labels": "classify_soft", "seeds": 1},),
    first_name="Over T",
    also_called=("One network",),
    aliases=c.FIRST_NAMES | first_addresses.passed_over("sample", "new"),
    first_defaults=c.FIRST_DEFAULTS | {"curve": "mean"},
    first_among={"T": "n_samples"},
)
