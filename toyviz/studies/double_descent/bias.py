"""What the hidden bias of an MLP is for: it moves the hidden vectors to where the ReLU lets them pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from toyviz import charts, settings, tables
from toyviz.control import Choice
from toyviz.result import FRAME_METRICS, Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.double_descent import controls as c
from toyviz.studies.shared_texts import NOT_YET, notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Text, View

NETWORK = c.network("mlp_relu_output", "mlp", default="mlp_relu_output")
N_SAMPLES = shared.n_samples(settings.SAMPLE_SIZES)
STAGES = {"W1 x": "bare", "W1 x + b1": "pre", "after the ReLU": "after"}  # of a hidden vector -> of tables.STAGES
BIAS = "b1"
ALONG_THE_AXES = {  # the bias, by network
    "mlp_relu_output": "It is positive along both axes. From T = 30 on it is only about a tenth as long as the longest "
    "hidden vectors, or less, and lies in the corner of the horseshoe.",
    "mlp": "Up to $T = n$ W1 x is positive by itself in most networks; beyond, it lies close around 0, and the bias "
    "carries it into the first quadrant. Along the axis of a dead hidden unit it stays as it started, close to 0, and "
    "moves the hidden vectors along the other axis alone.",
}


def plan(choice: Choice) -> Plan:
    """A network for each T, all of one seed, the opened one first."""
    base = c.base(choice, n_hidden=choice.n_hidden, seed=shared.seed_of(choice))
    return Plan.over(base, {"n_samples": {*choice.n_samples, choice.T}}, n_samples=choice.T)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The hidden vectors of every T before and after the bias."""
    of_size = {result.experiment.n_samples: result for result in sweep}
    sizes = plan.values("n_samples")
    panels = [charts.Panel(f"T = {T:,}", T, vectors(of_size[T]) if T in of_size else {}) for T in sizes]
    pictures = charts.panels_over_sizes(
        panels, charts.LIFT_KINDS, "Hidden vectors, before and after the bias", selected=choice.T, linked=True
    )
    yield Figure("horseshoes", pictures, {"n_samples": "T"})
    yield from notes(
        "- **W1 x** (triangles): the hidden vectors without the bias, around the origin, in all directions.\n"
        "- **b1** (the diamond at the end of a line from the origin): the bias, by which each triangle is moved to "
        f"its square. {ALONG_THE_AXES[choice.network]}\n"
        "- **W1 x + b1** (squares) and **after the ReLU** (rings): with the bias, and what the ReLU makes of it. Where "
        "a square lies in its ring, the ReLU has done nothing.",
        "- That the bias must be positive: a hidden unit that is negative on all samples gets no gradient, and stays "
        "as it started. From nn.Linear's own start this happens often.",
    )


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """The hidden vectors of one network before and after its bias and its ReLU, its columns, and its loss."""
    if network.is_too_large(opened):
        yield from network.without_frames(opened)
        return
    drawn = network.samples_drawn(opened)
    histories = {name: network.hidden_history(opened, stage) for name, stage in STAGES.items()}
    bias = network.in_plane(opened, opened.frames["b1"][:, None])  # (f, 1, 2)
    groups = [
        charts.Group.of(kind, bias, np.zeros(1, int), [""])
        if kind.name == BIAS
        else charts.Group.of(kind, histories[kind.name], drawn.rows, drawn.kin)
        for kind in charts.LIFT_KINDS
    ]
    yield Figure("horseshoe", charts.planes_of_kinds(groups, "Hidden vectors", centred=False))
    yield network.columns(opened)
    yield network.curve(opened)
    yield Text("lifted", _lifted(opened, histories) if opened.finished else NOT_YET)


def vectors(result: Result) -> dict[str, np.ndarray]:
    """The hidden vectors of a trained network at each stage, and its bias, in the plane where it is drawn."""
    stages = {name: tables.vectors(result, stage).samples for name, stage in STAGES.items()}
    return stages | {BIAS: result.b1[None] @ tables.plane(result.W1)}


def _lifted(result: Result, histories: Mapping[str, np.ndarray]) -> str:
    """What the bias does in this network, in words."""
    e, biases = result.experiment, ", ".join(f"{value:.3g}" for value in result.b1)
    return (
        f"**T = {e.n_samples:,}, seed {e.seed}.** The bias b1 is {biases}. Of the values W1 x, "
        f"{(histories['W1 x'][-1] < 0).mean():.0%} are negative; after the bias "
        f"{(histories['W1 x + b1'][-1] > 0).mean():.0%} are positive, and pass the ReLU unchanged.\n\n"
        "A hidden ReLU deletes what is negative. To keep its samples apart on a ring, as the bottleneck does, the "
        "network has to move the ring to where both values are positive: that is what b1 is for. What still lies "
        "beyond an axis is flattened onto it, and the ring becomes a horseshoe. The longer the hidden vectors, the "
        "smaller is the bias beside them."
    )


VIEW = View(
    id="bias",
    title="The bias",
    place=2,
    controls=(
        NETWORK,
        N_SAMPLES,
        c.N_HIDDEN,
        shared.N_FEATURES,
        shared.SPARSITY,
        shared.RECIPE,
        *shared.TRAINING,
    ),
    opens=(shared.T(100), shared.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=("horseshoes",),
    numbers=FRAME_METRICS,
    named=c.named,
    claims=("bias_lifts_the_ring", "bias_lifts_the_ring_literal"),
    figures={
        "F15": PostFigure("Hidden vectors before the bias, and the bias", "horseshoes", ("mlp",), {"network": "mlp"}),
    },
    shipped=({"network": "mlp"},),
    first_name="What the bias does",
    aliases=c.aliases("biased_block", seeds=""),
    first_defaults=c.FIRST_DEFAULTS | {"network": "mlp_relu_output", "T": "100"},
    first_among={"T": "n_samples"},
)
