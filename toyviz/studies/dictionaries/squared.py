"""A list of one-hots given back with a squared error: keys, values and biases, and which seeds find the best."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from toyviz import charts
from toyviz.control import Choice
from toyviz.experiment import Experiment
from toyviz.result import Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.dictionaries import controls as c
from toyviz.studies.dictionaries import flow
from toyviz.studies.shared_texts import NONE_YET, NOT_YET, notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Text, View

NAME = "dictionary"
ABOVE = 1.02  # times the lowest loss, from which a network ends higher
FEW = 4  # seeds whose b2 are set beside each other


def plan(choice: Choice) -> Plan:
    """A network for each seed; the best is opened."""
    return Plan.over(c.base(choice, NAME), {"seed": shared.seeds_of(choice)}, seed=choice.seed)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The loss of each seed beside the lowest possible, and what b2 is in a few of them."""
    chosen, opened = sweep.among(seed=shared.seeds_of(choice)), plan.opened[0]
    yield flow.seeds(sweep, plan, flow.lowest_loss(opened.n_features, opened.n_hidden))
    yield Text("list", flow.LIST)
    yield Text("told", _outcome(chosen, opened))
    yield from notes(
        "- **The dictionary.** Each input switches on its own mix of neurons; nothing else of the input is kept. "
        "Column $k$ of the first matrix is the key of neuron $k$, row $k$ of $W_1$; column $k$ of the fourth is its "
        "value, column $k$ of $W_2$. Move the clock: keys and values are noise at first, and come to line up.\n"
        "- **b1** is what makes half-used ReLUs a linear layer: it lifts every entry barely above 0, so that the "
        "second matrix and the third are alike.\n"
        "- **What is left over.** The output is largest on the diagonal, though everywhere else something remains.\n"
        "- **Another start.** Set the initial biases to uniform, as PyTorch does: most networks lose a neuron to the "
        "ReLU, and each costs $1/n$ of the loss.",
        "- That the code is the only one: every seed finds another.\n"
        "- What happens with inputs that are no one-hots: see the decompiler.",
    )
    few = [result for result in sweep if result.experiment.seed != opened.seed][: FEW - 1]
    few = [*(result for result in sweep if result.experiment == opened), *few]
    if not few:
        return
    panels = [charts.Bars(f"seed {r.experiment.seed}", r.b2[None], colour=charts.PURPLE) for r in few]
    yield flow.below("b2_seeds", charts.bars(panels, "b2 at the end, of a few seeds", entries="output"))
    yield Text("b2_seeds_told", "The pattern of b2 has no meaning of its own: other weights need another one.")


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """Keys, what they switch on, values, outputs and biases of one network, and its loss."""
    found = flow.flow(opened)
    output = flow.of_inputs("output", found.output, "output")
    yield Figure(
        "weights", charts.matrices([*flow.weights(found), output], flow.axes("output", "last"), show_names=True)
    )
    yield flow.biases(found)
    yield network.curve(opened)
    yield Text("network", _network(opened))
    yield Text("roles", "##### What the two biases do")
    lift = [flow.of_inputs("W1ᵀ, without b1", found.W1), flow.of_inputs("W1ᵀ + b1", found.hidden_pre)]
    yield flow.below("b1_roles", charts.matrices(lift, "What b1 does"))
    level = [flow.of_inputs("output without b2", found.without_b2, "output"), output._replace(title="with b2")]
    yield flow.below("b2_roles", charts.matrices(level, "What b2 does"))
    if opened.finished:
        yield Text("roles_told", _roles(opened))


def _outcome(results: Sweep, opened: Experiment) -> str:
    """How close the best seed comes to the lowest loss, and how many end higher."""
    best, n, floor = results.best("train_loss"), opened.n_features, flow.lowest_loss(opened.n_features, opened.n_hidden)
    if best is None:
        return NONE_YET
    losses = [float(result.metrics["train_loss"] or np.nan) for result in results]
    if floor <= 0:
        return (
            f"With $m \\geq n - 1$ neurons nothing has to be lost. The best of {len(losses)} seeds has a train loss of "
            f"**{min(losses):.2g}**."
        )
    higher = sum(loss > ABOVE * floor + 1e-4 for loss in losses)
    return (
        f"$n$ one-hots cannot come out of $m$ neurons without error: $W_2 h + b_2$ spans $m$ dimensions, the targets "
        f"$n - 1$. No network of this kind gets below $(n - 1 - m)/n = {floor:.4g}$, summed over the outputs, or "
        f"{floor / n:.4f} an output. The best of {len(losses)} seeds has **{min(losses):.4g}** "
        f"({min(losses) / n:.4f}), {min(losses) / floor - 1:.2%} above it; {higher} of them end higher."
    )


def _network(result: Result) -> str:
    """What the opened network came to."""
    told = flow.which(result.experiment)
    if not result.finished:
        return f"{told} {NOT_YET}"
    return (
        f"{told} Train loss {result.metrics['train_loss']:.4g}, accuracy {result.metrics['train_accuracy']:.0%}. A row "
        "is an input, or for W2 an output; a column is a neuron, or for the output an output. All of it has one scale."
    )


def _roles(result: Result) -> str:
    """What the two biases do in this network, in numbers."""
    found = flow.at_end(result)
    low = found.hidden_pre.min(axis=0)
    before, after = (float(values.mean(axis=0).std()) for values in (found.without_b2, found.output))
    return (
        f"**b1 lifts.** {np.mean(found.W1 < 0):.0%} of the entries of W1 are negative; with b1 "
        f"{np.mean(found.hidden_pre < -0.02):.0%} are. Each neuron is raised just so far that its lowest input stays "
        f"on: the lowest entries lie between {low.min():.2g} and {low.max():.2g}.\n\n"
        f"**b2 levels.** Without it the outputs differ by {before:.3f} in their mean, with it by {after:.1g}."
    )


VIEW = View(
    id="squared",
    title="Squared error",
    place=1,
    controls=(
        *(c.n_features(20), c.N_HIDDEN, shared.seeds(8), shared.FIRST_SEED, c.weight_decay(0.1), c.bias(0.0)),
        *(shared.LR, *c.TRAINING),
    ),
    opens=(c.SEED,),
    plan=plan,
    show=show,
    inside=inside,
    stage=("seeds",),
    inside_stage=("weights", ("biases", "curve")),
    width=0.2,
    named=lambda choice: NAME,
    claims=("one_hots_are_a_dictionary", "first_bias_lifts", "second_bias_levels"),
    figures={
        "F29": PostFigure("Weights and activations of a dictionary of one-hots", "weights", (NAME,)),
        "F30": PostFigure("What the first bias does", "b1_roles", (NAME,)),
        "F31": PostFigure("What the second bias does", "b2_roles", (NAME,)),
    },
    first_name="Squared error",
    aliases=c.aliases("squared"),
    first_defaults=c.FIRST_DEFAULTS
    | {"n_features": "20", "n_hidden": "10", "seeds": "8", "weight_decay": "0.1", "bias": "0"},
)
