"""Inputs in pairs of opposite directions: each half switches on neurons of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from toyviz import charts
from toyviz.control import Choice
from toyviz.result import Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.dictionaries import controls as c
from toyviz.studies.dictionaries import flow
from toyviz.studies.shared_texts import NOT_YET, notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Text, View

NAME = "dictionary_antipodal"


def plan(choice: Choice) -> Plan:
    """A network for each seed; the best is opened."""
    return Plan.over(c.base(choice, NAME), {"seed": shared.seeds_of(choice)}, seed=choice.seed)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The loss of each seed, and how much the halves share."""
    yield flow.seeds(sweep, plan)
    shared_by = [on_in_both(r) for r in sweep.among(seed=shared.seeds_of(choice))]
    told = (
        f" Over {len(shared_by)} seeds, what is on in both is {min(shared_by):.1%} to {max(shared_by):.1%} of what is "
        "on in either."
        if shared_by
        else ""
    )
    n = plan.opened[0].n_features
    yield Text(
        "told",
        f"Inputs come in pairs, +e and −e, each with a class of its own: {2 * n} classes from {n} numbers. For the two "
        "inputs of a pair W1 x has opposite signs, so the neurons that one switches on are off for the other; what the "
        f"bias lifts is on in both.{told}",
    )
    yield from notes(
        f"- **Two halves.** Row by row, where h of +e is {charts.COLOUR_WORDS[charts.VERMILLION]}, h of −e is empty, "
        "and the fourth matrix, what is on in both, is empty all over. Move the clock to see them part.\n"
        "- **Less weight decay**: the bias grows, lifts both halves above 0, and they begin to overlap.",
        "- Which half is whose: a neuron can be on for any set of inputs that has no pair in it.",
    )


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """Keys, the two halves and what they share, values, logits and biases of one network, and its loss."""
    found = flow.flow(opened)
    plus, minus = found.hidden[:, 0::2], found.hidden[:, 1::2]
    pairs = flow.kin(opened.experiment.n_features)  # a pair is one row
    halves = [
        flow.of_inputs(title, values, rows="pair", row_kin=pairs)
        for title, values in (
            ("keys: W1ᵀ", found.W1),
            ("h of +e", plus),
            ("h of −e", minus),
            ("on in both", np.minimum(plus, minus)),
        )
    ]
    names = [f"{sign}e{i}" for i in range(opened.experiment.n_features) for sign in ("+", "−")]
    kin = [each for each in pairs for _ in "+-"]
    by_class: dict[str, Any] = {"row_names": names, "row_kin": kin}
    values = flow.of_inputs("values: W2", found.W2, rows="class", **by_class)
    yield Figure("halves", charts.matrices([*halves, values], "↓ pair (W2: class)  → neuron", show_names=True))
    logits = flow.of_inputs("Logits", found.output, "class", **by_class, column_names=names, column_kin=kin)
    yield Figure("logits", charts.matrices([logits]))
    yield flow.biases(found, "class", kin)
    yield network.curve(opened)
    yield Text("network", _network(opened))


def on_in_both(result: Result) -> float:
    """What is on for both inputs of a pair, over what is on for either: sum min(h, h') / sum max(h, h')."""
    hidden = flow.at_end(result).hidden
    plus, minus = hidden[0::2], hidden[1::2]
    either = float(np.maximum(plus, minus).sum())
    return float(np.minimum(plus, minus).sum()) / either if either else 0.0


def _network(result: Result) -> str:
    """What the opened network came to."""
    told = flow.which(result.experiment)
    if not result.finished:
        return f"{told} {NOT_YET}"
    return (
        f"{told} What is on in both is {on_in_both(result):.1%} of what is on in either. Accuracy "
        f"{result.metrics['train_accuracy']:.0%}. Weights and activations have one scale, the logits their own."
    )


VIEW = View(
    id="antipodal",
    title="Opposite inputs",
    place=4,
    controls=(
        *(c.n_features(10), c.N_HIDDEN, shared.SEEDS, shared.FIRST_SEED, c.weight_decay(1.0), c.bias(0.0)),
        *(shared.LR, *c.TRAINING),
    ),
    opens=(c.SEED,),
    plan=plan,
    show=show,
    inside=inside,
    stage=("seeds",),
    inside_stage=("halves", ("logits", "biases", "curve")),
    width=0.2,
    named=lambda choice: NAME,
    claims=("antipodal_halves",),
    figures={"F41": PostFigure("Inputs in opposite directions", "halves", (NAME,))},
    first_name="Opposite inputs",
    aliases=c.aliases("antipodal"),
    first_defaults=c.FIRST_DEFAULTS
    | {"n_features": "10", "n_hidden": "10", "seeds": "4", "weight_decay": "1", "bias": "0"},
)
