"""How alike the hidden vectors of a list are: over list length and neurons, and over weight decay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from toyviz import charts
from toyviz.claims.appendix import CLUSTERED
from toyviz.control import Choice, numbers
from toyviz.experiment import Experiment, sweep
from toyviz.result import Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.dictionaries import controls as c
from toyviz.studies.dictionaries import flow
from toyviz.studies.shared_texts import NONE_YET, NOT_YET, notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Text, View

NAMED = {"mse": "dictionary_sizes", "cross_entropy": "dictionary_cross_entropy"}
SIZES = numbers(
    "sizes",
    "Inputs n",
    (16, 32, 64),
    (16, 32, 64),
    help="How long the lists are that are given back with a squared error: the rows of the histograms.",
    bounds=(3, c.MOST),
    several=True,
)
WIDTHS = numbers(
    "widths",
    "Neurons m",
    (4, 8, 16, 32),
    (4, 8, 16, 32),
    help="How many neurons these lists are stored in: the columns of the histograms.",
    bounds=(1, c.MOST),
    several=True,
)
DECAYS = numbers(
    "decays",
    "Weight decays",
    (0.0, 0.01, 0.1, 1.0),
    c.DECAYS,
    help="Of the networks with cross-entropy: 20 inputs in 10 neurons.",
    bounds=(0.0, 10.0),
    several=True,
)
SQUARED, ENTROPY = {"loss": ("mse",)}, {"loss": ("cross_entropy",)}
N = numbers("n", "n", (16, 32, 64), 32, bounds=(3, c.MOST), when=SQUARED)
M = numbers("m", "m", (4, 8, 16, 32), 8, bounds=(1, c.MOST), when=SQUARED)
DECAY = numbers("decay", "decay", c.DECAYS, 1.0, bounds=(0.0, 10.0), when=ENTROPY)


def _squared(choice: Choice) -> Experiment:
    """The list that is given back; its biases start at 0."""
    return shared.trained_as(choice, c.started(choice.with_(bias=0.0), c.named(NAMED["mse"])))


def _entropy(choice: Choice) -> Experiment:
    """The list that is named, from the chosen start of its biases."""
    return shared.trained_as(choice, c.started(choice, c.named(NAMED["cross_entropy"])))


def plan(choice: Choice) -> Plan:
    """A network for each n, m and seed, and for each decay and seed; the best of what is opened is opened."""
    seeds, base = shared.seeds_of(choice), {"mse": _squared(choice), "cross_entropy": _entropy(choice)}
    fields: dict[str, dict[str, Any]] = {
        "mse": {"n_features": choice.sizes, "n_hidden": choice.widths, "seed": seeds},
        "cross_entropy": {"weight_decay": choice.decays, "seed": seeds},
    }
    opened = {"n_features": choice.n, "n_hidden": choice.m} if choice.loss == "mse" else {"weight_decay": choice.decay}
    here = Plan.over(base[choice.loss], fields[choice.loss], **opened, seed=choice.seed)
    rest = [each for loss in c.LOSSES if loss != choice.loss for each in sweep(base[loss], **fields[loss])]
    return replace(here, experiments=(*here.experiments, *rest))


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """Histograms of all cosines, over n and m and over the decay."""
    here = sweep.among(seed=shared.seeds_of(choice))
    squares, crosses = here.at(task="autoencode"), here.at(task="classify_hard")
    grid = [
        charts.Histogram(
            f"n = {n}, m = {m}",
            _together(squares.at(n_features=n, n_hidden=m)),
            about={"n_features": n, "n_hidden": m},
        )
        for n in choice.sizes
        for m in choice.widths
    ]
    scale: dict[str, Any] = {"x_title": "cosine", "low": -1.0, "high": 1.0}
    squared = charts.histograms(
        grid, "Cosines, squared error", across=len(choice.widths), pick=["n_features", "n_hidden"], **scale
    )
    yield Figure("squared", squared, {"n_features": "n", "n_hidden": "m"}, {"loss": "mse"})
    row = [
        charts.Histogram(f"decay {decay:g}", _together(crosses.at(weight_decay=decay)), about={"weight_decay": decay})
        for decay in choice.decays
    ]
    entropy = charts.histograms(row, "Cosines, cross-entropy", pick=["weight_decay"], **scale)
    yield Figure("entropy", entropy, {"weight_decay": "decay"}, {"loss": "cross_entropy"})
    yield Text("squared_told", _spreads(squares))
    yield Text("entropy_told", _means(crosses, choice.decays))
    yield from notes(
        "- **Squared error, from left to right:** the more neurons, the closer together the cosines.\n"
        "- **Cross-entropy, from left to right:** the more weight decay, the more the vectors differ, if at all.\n"
        "- **Biases that start at 10** lift all vectors along one direction; a decay of 1 takes the lift away.",
        "- Which vectors are alike: open a network for the matrix of its cosines.",
    )


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """The cosines of one network over its training, as a histogram and as a matrix, its hidden vectors and its loss."""
    found = flow.flow(opened)
    histogram = charts.Histogram("", np.array([flow.pairs(frame) for frame in found.hidden]), charts.VERMILLION)
    title = "Cosines of the opened network"
    yield Figure("opened", charts.histograms([histogram], title, x_title="cosine", low=-1.0, high=1.0))
    yield Figure("hidden", charts.matrices([flow.of_inputs("h, after the ReLU", found.hidden, rows="in")]))
    yield flow.cosines(found)
    yield network.curve(opened)
    yield Text("network", _network(opened))


def _together(sweep: Sweep) -> np.ndarray:
    """The cosines of all pairs of all these networks at their ends, (1, k)."""
    return np.concatenate([np.empty(0), *(flow.pairs(flow.at_end(result).hidden) for result in sweep)])[None]


def _spreads(results: Sweep) -> str:
    """How far the cosines of a network spread, at the fewest and at the most neurons."""
    text = (
        "**Squared error.** The cosine similarity of every two hidden vectors, as a histogram: from −1 (left) to 1 "
        "(right). With few neurons the cosines lie all over, since few dimensions leave no room for many vectors at "
        "equal angles; with many they come closer together."
    )
    spreads = pd.DataFrame(
        [{"m": r.experiment.n_hidden, "spread": flow.pairs(flow.at_end(r).hidden).std()} for r in results],
        columns=["m", "spread"],
    )
    if spreads.empty:
        return f"{text} {NONE_YET}"
    by_width = spreads.groupby("m")["spread"].agg(["min", "max"])
    few, many = (
        f"{by_width['min'][m]:.2f} to {by_width['max'][m]:.2f} at m = {m}"
        for m in (by_width.index.min(), by_width.index.max())
    )
    closest = spreads["spread"].min()
    mark = "is not reached" if closest >= CLUSTERED else "is reached"
    return (
        f"{text} Their standard deviation is {few} and {many}. The check speaks of a cluster below {CLUSTERED:g}, "
        f"which {mark} here: the least is {closest:.3f}."
    )


def _means(results: Sweep, decays: tuple[float, ...]) -> str:
    """The mean cosine at each decay, and what the published search found."""
    known = {decay: values for decay in decays if (values := _together(results.at(weight_decay=decay))).size}
    means = ", ".join(f"{values.mean():.2f} at decay {decay:g}" for decay, values in known.items())
    return (
        "**Cross-entropy, over weight decay.** The post finds these cosines at 1 unless the weight decay is high. "
        + (f"Here their mean is {means}, from the start that was chosen. " if known else f"{NONE_YET} ")
        + "From the usual one, as nn.Linear, it stays far below 1, at every decay that was tried, with AdamW, Adam and "
        "SGD, batches of 1, 4 and 20, and rates from 0.001 to 1. Choose 10 as the initial biases: biases that start "
        "far above 0 lift all vectors along one direction, and what the post describes is there, for a decay of 1 "
        "takes the lift away again. Over learning rates from 0.01 to 0.001, at a decay of 0.01, the published search "
        "found means of 0.54 to 0.63 from biases at 1, 0.62 to 0.86 from 3 and 0.89 to 0.97 from 10."
    )


def _network(result: Result) -> str:
    """What the opened network came to."""
    e = result.experiment
    told = flow.which(e) + (f" Weight decay {e.weight_decay:g}." if e.task_row.loss == "cross_entropy" else "")
    if not result.finished:
        return f"{told} {NOT_YET}"
    cosines = flow.pairs(flow.at_end(result).hidden)
    return (
        f"{told} The cosines have the mean {cosines.mean():.2f} and the standard deviation {cosines.std():.3f}. "
        f"Accuracy {result.metrics['train_accuracy']:.0%}."
    )


VIEW = View(
    id="cosines",
    title="Cosines",
    place=6,
    controls=(*(SIZES, WIDTHS, DECAYS, shared.seeds(1), shared.FIRST_SEED, c.LIFT, shared.LR, *c.TRAINING),),
    opens=(c.LOSS, N, M, DECAY, c.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=("squared", "entropy"),
    inside_stage=("opened", ("hidden", "cosines"), "curve"),
    width=0.5,
    named=lambda choice: NAMED[choice.loss],
    claims=("cosines_cluster_or_spread", "entropy_cosines_over_decay"),
    figures={
        "F33": PostFigure("Cosines of hidden vectors, squared error", "squared", (NAMED["mse"],)),
        "F45": PostFigure(
            "Cosines of hidden vectors, cross-entropy",
            "entropy",
            (NAMED["cross_entropy"],),
            {"loss": "cross_entropy"},
        ),
    },
    first_name="Cosines",
    aliases=c.aliases("cosines"),
    first_defaults=c.FIRST_DEFAULTS
    | {"sizes": "16,32,64", "widths": "4,8,16,32", "decays": "0,0.01,0.1,1", "seeds": "1", "bias": "uniform"}
    | {"loss": "mse", "n": "32", "m": "8", "decay": "1"},
)
