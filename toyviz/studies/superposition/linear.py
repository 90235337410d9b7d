"""Whether it is the ReLU that makes superposition: each network beside the same without one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from toyviz import charts, metrics
from toyviz.control import Choice
from toyviz.experiment import Experiment, sparsity_of
from toyviz.result import Result
from toyviz.studies import first_addresses, network
from toyviz.studies import shared_controls as shared
from toyviz.studies.shared_texts import notes
from toyviz.studies.superposition import controls as c
from toyviz.studies.superposition import inside as of
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, Table, Text, View

WITH, WITHOUT = "with the ReLU", "without"
BLOCK = 1000  # rows of W1'W1 at a time
COLUMNS = {  # of the table
    "density": "density 1 − S",
    "stored_with": "stored with the ReLU",
    "stored_without": "stored without",
    "off": "overlaps off the closed form by at most",
    "bias_off": "biases off by at most",
    "loss_with": "loss with the ReLU",
    "loss_without": "loss without",
}


def _bases(choice: Choice) -> dict[str, Experiment]:
    return {WITH: c.base(choice), WITHOUT: c.base(choice, "superposition_linear")}


def plan(choice: Choice) -> Plan:
    """A network with the ReLU and one without for each density and seed; both of the opened density come first."""
    opened = {"sparsity": sparsity_of(choice.density), "seed": choice.seed}
    return Plan.beside([Plan.over(base, c.swept(choice), **opened) for base in _bases(choice).values()])


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """A row of portraits with the ReLU, one without; and how near the latter are to the closed form."""
    densities = c.every_density(choice)
    best = {
        kind: {d: c.of_density(choice, sweep.at(arch=base.arch), d).best() for d in densities}
        for kind, base in _bases(choice).items()
    }
    panels = [
        of.portrait(f"{density:g}", {"density": density}, result, row=kind)
        for kind, results in best.items()
        for density, result in results.items()
    ]
    title = f"Best of {c.seeds(choice)} at each density 1 − S: W1ᵀ W1, b2, and lengths of columns"
    chart = charts.portraits(panels, title, rows=list(best), selected={"density": choice.density})
    yield Figure("networks", chart, {"density": "density", "seed": "seed"})
    yield Text(
        "about",
        "Is it the ReLU? The control is the same network without one: $x' = W_1^\\top W_1 x + b_2$. Whatever the "
        "density, its best is to keep the $m$ most important features whole and give up the rest, since it cannot cut "
        "off what one feature leaks into another: $W_1^\\top W_1$ is 1 on the first $m$ places of its diagonal, and 0 "
        f"elsewhere. {of.SCALES}",
    )
    rows = [
        _row(density, relu, linear)
        for density in densities
        if (relu := best[WITH][density]) and (linear := best[WITHOUT][density])
    ]
    yield Table("closed_form", pd.DataFrame(rows, columns=list(COLUMNS)).rename(columns=COLUMNS))
    worst = max((row["off"] for row in rows), default=None)
    yield Text("closed", _closed(worst, choice))
    yield from notes(LOOK_FOR, NOT_SHOWN)


def inside(choice: Choice, relu: Result, linear: Result) -> Iterator[Block]:
    """Overlaps, lengths and losses of both networks of one density, at the steps of the first."""
    if network.is_too_large(relu) or network.is_too_large(linear):
        yield from network.loss_alone(relu)
        return
    results = {WITH: relu, WITHOUT: network.at_steps(linear, relu.frame_steps)}
    yield of.overlaps(results, of.OVERLAPS)
    yield of.lengths(results)
    yield network.curves({WITH: relu, WITHOUT: linear})
    yield Text("opened", f"With the ReLU: {of.outcome(relu)} Without: {of.outcome(linear)}")


def _row(density: float, relu: Result, linear: Result) -> dict[str, float]:
    """What both networks of a density came to, and how far the linear one is from the closed form."""
    n, m = linear.experiment.n_features, linear.experiment.n_hidden
    stored = np.arange(n) < m
    guess = np.where(stored, 0, density / 2)
    losses = {"loss_with": relu.metrics["test_loss"], "loss_without": linear.metrics["test_loss"]}
    return {
        "density": density,
        "stored_with": of.stored(relu),
        "stored_without": of.stored(linear),
        "off": _digits(_off(linear.W1)),
        "bias_off": _digits(float(np.abs(linear.b2 - guess).max())),
        **{name: _digits(loss) for name, loss in losses.items() if loss is not None},
    }


def _digits(value: float) -> float:
    """The value to three digits."""
    return float(f"{value:.3g}")


def _off(W1: np.ndarray) -> float:
    """The largest difference between W1'W1 and 1 on the first m places of its diagonal, 0 elsewhere. W1: (m, n)."""
    m, n = W1.shape
    largest = 0.0
    for first in range(0, n, BLOCK):  # all of it at once would need n x n numbers
        rows = np.arange(first, min(first + BLOCK, n))
        kept = (rows[:, None] == np.arange(n)) & (rows[:, None] < m)
        largest = max(largest, float(np.abs(W1.T[rows] @ W1 - kept).max()))
    return largest


def _closed(worst: float | None, choice: Choice) -> str:
    text = (
        f"The best of {c.seeds(choice)} at each density. Stored: a column longer than {metrics.REPRESENTED}. "
        "The bias of a feature that is given up is near its mean $(1 - S)/2$ where there is no ReLU. The loss is the "
        "squared error weighted by importance, on 10,000 samples that are the same for all."
    )
    if worst is None:
        return text
    return f"Without the ReLU every overlap is within {worst:.3f} of the closed form. {text}"


LOOK_FOR = (
    "- **Without** (below): the same picture at every density. $m$ features, no superposition.\n"
    "- **With** (above): from density 0.3 on more features than dimensions, in opposite pairs at first.\n"
    "- **The losses.** They are alike where features are dense, and part where the ReLU can use their sparsity."
)
NOT_SHOWN = (
    "- That a linear network could not be made to overlap: it could, but at a cost, and training finds the better "
    "way.\n"
    "- Which $m$ directions: turning the hidden layer changes W1 and leaves W1ᵀ W1 as it is."
)
VIEW = View(
    id="linear",
    title="Without the ReLU",
    place=2,
    controls=(
        c.DENSITIES,
        shared.SEEDS,
        shared.FIRST_SEED,
        *c.SIZES,
        c.IMPORTANCE_DECAY,
        shared.RECIPE,
        *c.TRAINING,
    ),
    opens=(c.DENSITY, c.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=("networks",),
    inside_stage=("overlaps", "lengths", "curve"),
    width=0.6,
    numbers=("test_loss",),
    named=lambda choice: "superposition",
    first_name="Without the ReLU",
    aliases=c.FIRST_OF_DENSITIES | first_addresses.passed_over("bias"),
    first_defaults=c.FIRST_DEFAULTS,
    first_among={"density": "-densities"},
)
