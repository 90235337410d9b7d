"""Why W1 is a square: seven trainings of the same samples, of which some end in a square and some do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from toyviz import charts, metrics, tables
from toyviz.citation import THEORY
from toyviz.control import Choice, Control
from toyviz.experiment import Experiment
from toyviz.result import Result
from toyviz.settings import EXPERIMENTS
from toyviz.studies import first_addresses, network
from toyviz.studies import shared_controls as shared
from toyviz.studies.shared_texts import notes
from toyviz.studies.unembedding import controls as c
from toyviz.studies.unembedding import shapes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Table, Text, View

ANGLES = np.arange(0, 91, 3)
XAVIER = {"init": "xavier_normal", "bias_init": "zeros"}


class Training(NamedTuple):
    """One of the seven: the named experiment, how its line is drawn, and what is changed of it."""

    label: str
    name: str
    colour: str
    changes: Mapping[str, str] = {}


TRAININGS: Mapping[str, Training] = {
    "adamw": Training("AdamW", "unembedding", charts.BLUE),
    "adamw_xavier": Training("AdamW, Xavier", "unembedding_xavier", charts.BLUE),
    "sgd": Training("SGD", "unembedding_sgd", charts.VERMILLION),
    "sgd_xavier": Training("SGD, Xavier", "unembedding_sgd", charts.VERMILLION, XAVIER),
    "soft": Training("AdamW, soft labels", "unembedding_soft", charts.PURPLE),
    "tied": Training("AdamW, tied", "unembedding_tied", charts.GREEN),
    "squared": Training("AdamW, squared error", "double_descent_untied", charts.AMBER),
}
CLOSER = Control(
    "closer",
    "closer",
    {name: name for name in TRAININGS},
    "adamw",
    help="Whose steps and numbers the clock tells; the others are seen at the same steps.",
    labels={name: training.label for name, training in TRAININGS.items()},
)


def networks(choice: Choice, seed: int) -> dict[str, Experiment]:
    """The seven experiments of one seed."""
    found = {}
    for name, training in TRAININGS.items():
        own = c.trained_by(EXPERIMENTS[training.name], choice.recipe)
        own = own.with_(n_samples=choice.T, seed=seed, **c.of_data(choice), **training.changes)
        found[name] = c.batched(Plan([], [shared.trained_as(choice, own)]), choice).opened[0]
    return found


def plan(choice: Choice) -> Plan:
    """The seven networks of each seed; those of the opened seed come first, and are compared."""
    opened = networks(choice, shared.seed_of(choice))
    order = [choice.closer, *(name for name in TRAININGS if name != choice.closer)]
    every = [each for seed in c.seeds_compared(choice) for each in networks(choice, seed).values()]
    return Plan(every, [opened[name] for name in order])


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """How square the columns of W1 are, after the plane was turned, and over the steps; and what each came to."""
    of_seeds = {name: _of(choice, sweep, name) for name in TRAININGS}
    trained = {name: results for name, results in of_seeds.items() if results}
    reference = next(iter(trained.get(choice.closer, ())), None) or next(iter(sweep), None)
    steps = np.zeros(1, int) if reference is None else reference.frame_steps
    turned = {name: _mean_turned(results, steps) for name, results in trained.items()}  # (f, angles)
    yield Figure(
        "turned",
        charts.moving_lines(
            _lines(ANGLES, turned),
            "Squareness of W1, the plane turned",
            "turned by (degrees)",
            rules=shapes.OF_SHAPES,
            x_ends=(0, 90),
        ),
    )
    at = np.maximum(steps, 1)
    total = plan.opened[0].steps
    yield Figure(
        "growth",
        charts.moving_lines(
            _lines(at, {name: values[None, :, 0] for name, values in turned.items()}),
            "Squareness of W1 over the steps",
            "step",
            rules=shapes.OF_SHAPES,
            now=at,
            x_ends=(1, max(total, 2)),
            logarithmic_x=True,
            legend=False,
        ),
    )
    yield Text("hypothesis", HYPOTHESIS)
    yield Table("ends", ends(trained))
    yield Text(
        "turned_told",
        "Squareness of the columns of active features, after the plane was turned by an angle; of several seeds the "
        "mean. A square along the axes is most square at 0° and 90° and least at 45°, where it stands on its corner. "
        "What has no preferred axes is flat. A start that is itself a square along the axes (nn.Linear) leaves traces; "
        "Xavier's normal start has none.",
    )
    yield Text("theory", _theory(plan.opened[0]))
    yield from notes(LOOK_FOR, NOT_SHOWN)


def inside(choice: Choice, *opened: Result) -> Iterator[Block]:
    """The columns of W1, the hidden vectors and the rows of W2 of all seven, at the steps of the first."""
    order = [choice.closer, *(name for name in TRAININGS if name != choice.closer)]
    results, first = dict(zip(order, opened, strict=True)), opened[0]
    small = not any(map(network.is_too_large, opened))
    columns = [
        charts.Column(
            training.label.replace(", ", "|"),
            shapes.at_steps(results[name], first.frame_steps) if small else {},
            training.colour,
            name,
        )
        for name, training in TRAININGS.items()
    ]
    e, place = first.experiment, list(TRAININGS).index(choice.closer)
    grid = charts.plane_grid(
        columns, charts.ALL_THREE, "Seven trainings of the same samples", selected=place, linked=True
    )
    yield Figure("grid", grid, {"value": "closer"})
    yield network.curve(first)
    told = "" if small else " These networks are too large to be shown while they train."
    yield Text(
        "same_samples",
        f"**T = {e.n_samples:,}, seed {e.seed}**; the same training set for all. Above: columns of W1, middle: hidden "
        "vectors, below: rows of W2. Grey crosses: not seen in training. Each square has a scale of its own, for its "
        f"whole history.{told}",
    )


def _theory(opened: Experiment) -> str:
    """What theory says of the square and of the batch, and what was measured here."""
    margin, one_sample = (f"[{work.told}]({work.address})" for work in THEORY)
    seen = "all training samples" if opened.minibatch is None else f"{opened.minibatch:,} training samples"
    return f"{THEORIES.format(margin=margin, one_sample=one_sample)} Each step here sees {seen}."


def ends(trained: Mapping[str, list[Result]]) -> pd.DataFrame:
    """What each of the seven came to at its own end, as means over seeds."""
    rows = [
        {
            "network": TRAININGS[name].label,
            "squareness of W1": np.mean([turned(result)[-1, 0] for result in results]).round(2),
            "turned by 45°": np.mean([turned(result)[-1, len(ANGLES) // 2] for result in results]).round(2),
            "train accuracy": _percent(results, "train_accuracy"),
            "test loss": f"{np.mean([result.metrics['test_loss'] for result in results]):.2f}",
        }
        for name, results in trained.items()
    ]
    return pd.DataFrame(rows, columns=["network", "squareness of W1", "turned by 45°", "train accuracy", "test loss"])


def _of(choice: Choice, sweep: Sweep, name: str) -> list[Result]:
    """Those of the seeds of the sweep that are trained: of one of the seven."""
    found = (sweep.get(networks(choice, seed)[name]) for seed in c.seeds_compared(choice))
    return [result for result in found if result]


def _lines(x: np.ndarray, values: Mapping[str, np.ndarray]) -> list[charts.Line]:
    """A line for each of the seven; of those that are not trained yet an empty one. values: (f, len(x)) each."""
    lines = []
    for name, training in TRAININGS.items():
        at, history = (x, values[name]) if name in values else (np.empty(0), np.empty((1, 0)))
        lines.append(charts.Line(training.label, at, history, training.colour))
    return lines


def _mean_turned(results: list[Result], steps: np.ndarray) -> np.ndarray:
    """The squareness at each of ANGLES at these steps, the mean over networks, (f, angles)."""
    every = [turned(result)[network.nearest_frames(result.frame_steps, steps)] for result in results]
    mean: np.ndarray = np.mean(every, axis=0)
    return mean


@tables.by_result
def turned(result: Result) -> np.ndarray:
    """The squareness of the columns of active features at each frame, after turning by each of ANGLES, (f, angles)."""
    columns = np.moveaxis(result.frames["W1"], 1, 2)[:, shapes.seen_in(result.experiment).active]  # (f, k, 2)
    return np.array(
        [[shapes.squareness(metrics.turned(points, float(angle))) for angle in ANGLES] for points in columns]
    )


def _percent(results: list[Result], name: str) -> str:
    """The mean of an accuracy; a dash where there is none."""
    values = [value for result in results if (value := result.metrics[name]) is not None]
    return f"{np.mean(values):.1%}" if values else "–"


HYPOTHESIS = (
    "**A hypothesis.** Adam divides every coordinate's gradient by its recent size, so all coordinates move at about "
    "the same speed, whatever their gradients are. Cross-entropy on samples that can all be told apart has no best "
    "weights at a finite place: it goes on pushing. So both coordinates of a column of W1 travel equally far, each "
    "with its own sign: to a corner. Three tests follow: plain gradient descent should give no square; Adam's square "
    "should lie along the axes even from a start that knows no axes (Xavier, normal); and a loss that is content at a "
    "finite place should give none."
)
THEORIES = (
    "**What theory says.** For a linear classifier and samples that can be told apart, full-batch Adam goes to the "
    "weights of the largest margin whose entries are bounded, the $\\ell_\\infty$ margin, also for many classes "
    "({margin}): all entries as large as the largest. Adam on one sample at a time can go elsewhere ({one_sample}). So "
    "choose a batch at the left. Measured at T = 500, AdamW, the quick recipe with its 10,000 steps, means of seeds 10 "
    "to 13: squareness 1.26 with all samples, 1.18 with 128, 1.16 with 16 and 1.16 with 1. That agrees, but is no test "
    "of the theory: train accuracy is then 100 %, 34 %, 13 % and 4 %, so small batches are far from any margin. After "
    "600 steps at a constant 1e-3 from Xavier's start it is 1.28, 1.28, 1.25 and 1.11."
)
LOOK_FOR = (
    "- **SGD learns the same training set** and is about as wrong on new samples, without the square.\n"
    "- **Xavier's start is round**, and AdamW still finds the axes.\n"
    "- **Squared error** ends in a disc or rings from a round start. **Tying** W2 to W1 takes the square away as well, "
    "with the loss, data and optimiser unchanged: one matrix cannot be the square and the circle.\n"
    "- **Early in training** (the plain-early recipe) a tied network has its square too: all of Adam's first steps are "
    "about as large, whatever the loss. And from nn.Linear's start, itself a square, the squared error keeps one for "
    "as long as its steps are small (plain)."
)
NOT_SHOWN = (
    "- A proof: the three tests agree with the hypothesis, as they would with others that turn on Adam's "
    "coordinate-wise steps.\n"
    "- The squared-error network's loss is of another kind: do not compare its number."
)
VIEW = View(
    id="squares",
    title="Why squares",
    place=3,
    controls=(
        shared.seeds(1),
        shared.FIRST_SEED,
        shared.N_FEATURES,
        shared.SPARSITY,
        shared.RECIPE,
        c.BATCH,
        shared.STEPS,
        shared.WARMUP,
        shared.NORMALIZE,
        shared.SCHEDULE,
    ),
    opens=(shared.T(500), shared.SEED, CLOSER),
    plan=plan,
    show=show,
    inside=inside,
    stage=("turned", "growth"),
    inside_stage=("grid",),
    width=0.33,
    named=lambda choice: TRAININGS[choice.closer].name,
    claims=("unembedding_split", "unembedding_one_matrix", "unembedding_xavier_square", "unembedding_optimizer"),
    figures={
        "F28": PostFigure("Squares from a Xavier start", "grid", ("unembedding_xavier",), {"closer": "adamw_xavier"}),
    },
    first_name="Why squares",
    aliases=first_addresses.passed_over(
        "n_samples", "seeds", "labels", "network", "optimizer", "init", "weight_decay", "sample", "new"
    ),
    first_defaults=c.FIRST_DEFAULTS | {"seeds": "1", "closer": "adamw"},
)
