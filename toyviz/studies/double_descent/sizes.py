"""Test loss and accuracy over the hidden size and the size of the training set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from toyviz import charts, settings, tables
from toyviz.control import Choice, numbers
from toyviz.experiment import sweep
from toyviz.result import FRAME_METRICS, Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.double_descent import controls as c
from toyviz.studies.shared_texts import notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, View

NETWORK = c.network("mlp_relu_output", "mlp", "relu_output_untied", "relu_output", default="mlp_relu_output")
N_SAMPLES = shared.n_samples(settings.MAP_COLUMNS, help="The columns of the maps. Each cell is a network of its own.")
WIDTHS = numbers(
    "widths",
    "Hidden sizes m",
    (2, 3, 4, 6, 8, 12, 16, 32),
    settings.MAP_WIDTHS,
    field="n_hidden",
    help="The rows of the maps. Wide networks with many samples take a minute each.",
    several=True,
)
WIDTH = numbers("m", "m", (2, 3, 4, 8, 16), 2, field="n_hidden")
PICK = {"n_samples": "T", "n_hidden": "m"}
RIDGE = (
    "- **A ridge.** In the lower rows the test loss is highest for a middle $T$. The wider the network, the more "
    "samples it can fit, and the further to the right the ridge lies; of the widest the map may show only its rise.\n"
    "- **To the right of it** the loss falls, and the accuracy rises above chance, 1/n, the further the wider the "
    "network."
)
NEAR_N = (
    "- **A ridge just below T = n.** From nn.Linear's own start, at $n = 1000$, the loss is high for few samples, "
    "falls, and rises again before $T = n$, for every width at the same place. Choose $T = 850$ as a column to see it. "
    "Cells where all hidden units happen to be dead have no part in it.\n"
    "- **Beyond** $T = n$ it is below 1 for every width, and the accuracy is the higher the wider the network."
)


def plan(choice: Choice) -> Plan:
    """A network for each T, width and seed: the opened one first."""
    fields = {
        "seed": shared.seeds_of(choice),
        "n_hidden": {*choice.widths, choice.m},
        "n_samples": {*choice.n_samples, choice.T},
    }
    opened = c.base(choice, n_samples=choice.T, n_hidden=choice.m, seed=shared.seed_of(choice))
    return Plan(sweep(c.base(choice), **fields), [opened])


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """Two maps: the mean test loss and the mean test accuracy of each cell."""
    sizes = plan.values("n_samples")
    widths = plan.values("n_hidden")
    cells = tables.runs(sweep.among(seed=shared.seeds_of(choice))).groupby(["n_samples", "n_hidden"], as_index=False)
    means = cells.agg(test_loss=("test_loss", "mean"), test_accuracy=("test_accuracy", "mean"), seeds=("seed", "size"))
    across = charts.Side("n_samples", "training samples T", tuple(sizes))
    up = charts.Side("n_hidden", "hidden size m", tuple(widths))
    both: dict[str, Any] = {"x": across, "y": up, "linked": True}
    both["selected"] = {"n_samples": choice.T, "n_hidden": choice.m}
    losses = means.assign(value=means["test_loss"])
    loss = charts.size_map(losses, "Test loss over m and T", "test loss", digits=3, **both)
    yield Figure("test_loss", loss, PICK)
    shares = means.assign(value=means["test_accuracy"])
    highest = max([1 / plan.opened[0].n_outputs, *shares["value"]])  # at least chance
    accuracy = charts.size_map(
        shares, "Test accuracy over m and T", "test accuracy", logarithmic=False, ends=(0.0, highest), **both
    )
    yield Figure("test_accuracy", accuracy, PICK)
    look_for = NEAR_N if choice.network == "mlp" else RIDGE
    yield from notes(
        look_for,
        "- More than one seed a cell, unless you ask for it: single cells can be off.\n"
        "- Cells that you have not asked for: choose more sizes at the left. Large ones take a minute each.",
    )


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """The columns of W1, the hidden vectors and the loss of the network of one cell."""
    yield from network.network(opened, choice.stage)


VIEW = View(
    id="sizes",
    title="Hidden size and T",
    place=4,
    controls=(
        NETWORK,
        N_SAMPLES,
        WIDTHS,
        shared.SEEDS_A_CELL,
        shared.FIRST_SEED,
        shared.N_FEATURES,
        shared.SPARSITY,
        shared.RECIPE,
        c.STAGE,
        *shared.TRAINING,
    ),
    opens=(shared.T(500), WIDTH, shared.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=("test_loss", "test_accuracy"),
    numbers=FRAME_METRICS,
    named=c.named,
    claims=(
        *("descent_at_every_width", "descent_at_every_width_literal", "mlp_generalises", "mlp_literal_generalises"),
    ),
    figures={"F17": PostFigure("Loss and accuracy over hidden size and T", "test_loss", ("mlp_relu_output",))},
    first_name="Hidden size and T",
    aliases=c.aliases("sized_block", map_samples="n_samples", map_seeds="seeds"),
    first_defaults=c.FIRST_DEFAULTS
    | {"network": "mlp_relu_output", "T": "500", "m": "2", "seeds": "1"}
    | {"n_samples": "100,200,500,1000,2000,5000", "widths": "2,3,4,8,16"},
    first_among={"T": "n_samples", "m": "widths"},
)
