"""What of W1 is nothing but its random start: the columns of features that no training sample has."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from toyviz import charts, data, probe, settings, tables, theory
from toyviz.control import Choice, Control
from toyviz.experiment import Experiment
from toyviz.result import FRAME_METRICS, Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.double_descent import controls as c
from toyviz.studies.shared_texts import notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Table, Text, View

NETWORK = c.network("mlp_relu_output", "mlp", "relu_output_untied", default="mlp_relu_output")
N_SAMPLES = shared.n_samples(settings.START_SIZES)
OF_FEATURES = charts.COLOUR_WORDS[charts.BLUE]
ACTIVE, NEVER = (kind.name for kind in charts.START_KINDS)
COLUMNS = ["start", "T", "never active", "S^T", "square", "off by"]  # of the table
DRAWN_FROM = Control(
    "drawn_from",
    "start",
    {"uniform": "uniform", "normal": "normal"},
    "uniform",
    help="What the weights of the network that is looked into are drawn from.",
)


def _starts(choice: Choice) -> dict[str, Experiment]:
    """The experiment from a uniform and from a normal start of the same scale."""
    base = c.base(choice, n_hidden=2)
    scale = base.init.split("_")[0]
    return {word: base.with_(init=f"{scale}_{word}") for word in ("uniform", "normal")}


def plan(choice: Choice) -> Plan:
    """A network for each start and T, all of one seed, the opened one first."""
    seed, bases = shared.seed_of(choice), _starts(choice)
    sizes = sorted({*choice.n_samples, choice.T})
    every = [base.with_(n_samples=T, seed=seed) for base in bases.values() for T in sizes]
    return Plan(every, [bases[choice.drawn_from].with_(n_samples=choice.T, seed=seed)])


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The columns of W1 from both starts at each T, those of features that are never active apart."""
    words = {experiment.init: word for word, experiment in _starts(choice).items()}
    sizes = plan.values("n_samples")
    squares: dict[tuple[str, int], charts.Panel] = {}
    rows = []
    for result in sorted(sweep, key=lambda each: (each.experiment.init, each.experiment.n_samples or 0)):
        e, left = result.experiment, tables.never_active(result)
        word, T = words[e.init], e.n_samples or 0
        vectors = {ACTIVE: left.others, NEVER: left.columns}
        squares[word, T] = charts.Panel(f"T = {T:,}", T, vectors, word, _half(result))
        rows.append({"start": word, "T": f"{T:,}", **_left(result)})
    panels = [squares.get((word, T), charts.Panel(f"T = {T:,}", T, {}, word)) for word in words.values() for T in sizes]
    chart = charts.panels_over_sizes(
        panels,
        charts.START_KINDS,
        "Columns of W1",
        rows=list(words.values()),
        selected=choice.T,
        scale_by=NEVER,
        linked=True,
    )
    yield Figure("starts", chart, {"n_samples": "T"})
    yield Table("decay", pd.DataFrame(rows, columns=COLUMNS))
    factor = theory.never_active_factor(plan.opened[0])
    yield Text(
        "never_active",
        "A feature that no training sample has gets no gradient: its column of W1 only decays, to "
        f"$\\prod_t (1 - \\eta_t \\lambda) = {factor:.4f}$ of where it started. Never active: the share of such "
        "features, beside $S^T$, the share to be expected. Off by: the largest difference from the start so shrunk, "
        "over the largest entry. Square: the squareness, 1.23 for a filled square, 1.10 for a Gaussian, 1.06 for a "
        "disc.",
    )
    yield from notes(
        f"- **In the upper row** weights start uniform: the dots of features that are never active ({OF_FEATURES}) "
        "fill a square. The dashed line is where theory puts its border.\n"
        "- **In the lower row** they start from a normal distribution: these dots make a round cloud. Large below: "
        "both at the $T$ that is looked into.\n"
        "- **From left to right** there are more samples, so fewer features are never active, $S^T$ of them, and the "
        "shape goes away.",
        "- Learning: what looks like structure in W1 at small $T$ is the random start, and nothing else.\n"
        "- Columns that lie outside the frame: those of active features can be far longer.",
    )


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """The columns of W1, those of features that are never active apart, the hidden vectors, and the loss."""
    if network.is_too_large(opened):
        yield from network.without_frames(opened)
        return
    active = data.ever_active(probe.seen_set(opened))
    W1 = opened.frames["W1"]
    vectors = network.in_plane(opened, np.moveaxis(W1, 1, 2))  # (f, n, 2)
    groups = []
    for kind in charts.START_KINDS:
        chosen = np.flatnonzero(active if kind.name == ACTIVE else ~active)
        groups.append(charts.Group.of(kind, vectors[:, chosen], chosen, [f",{i}," for i in chosen]))
    yield Figure("columns", charts.planes_of_kinds(groups, f"{len(active):,} columns of W1"))
    yield network.hidden(opened)
    yield network.curve(opened)
    yield network.at_the_end(opened)


def _left(result: Result) -> dict[str, str]:
    """What is left of the start in one network, as the table tells it."""
    left, e = tables.never_active(result), result.experiment
    return {
        "never active": f"{len(left.columns) / e.n_features:.1%}",
        "S^T": f"{theory.never_active_share(e):.1%}",
        "square": f"{left.squareness:.3f}" if left.squareness else "too few",
        "off by": f"{left.deviation:.0e}",
    }


def _half(result: Result) -> float | None:
    """Half the side of the square that theory leaves of a uniform start; None for a normal one."""
    bound = theory.start_bound(result.experiment) if result.experiment.init.endswith("uniform") else None
    return bound * tables.never_active(result).factor if bound else None


VIEW = View(
    id="start",
    title="The start",
    place=3,
    controls=(NETWORK, N_SAMPLES, shared.N_FEATURES, shared.SPARSITY, shared.RECIPE, *shared.TRAINING),
    opens=(shared.T(30), shared.SEED, DRAWN_FROM),
    plan=plan,
    show=show,
    inside=inside,
    stage=("starts",),
    numbers=FRAME_METRICS,
    named=c.named,
    claims=("squares_are_the_start", "squares_are_the_start_literal"),
    figures={"F16": PostFigure("Uniform against normal start", "starts", ("mlp",), {"network": "mlp"})},
    shipped=({"network": "mlp"}, {"network": "relu_output_untied"}),
    first_name="What is left of the start",
    aliases=c.aliases("untied_block", seeds=""),
    first_defaults=c.FIRST_DEFAULTS
    | {"network": "mlp_relu_output", "n_samples": "5,30,100,500", "T": "30", "drawn_from": "uniform"},
)
