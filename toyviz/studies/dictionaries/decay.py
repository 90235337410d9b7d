"""What weight decay does to a list that is named with cross-entropy: keys, values and cosines over the decay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from toyviz import charts
from toyviz.control import Choice, numbers
from toyviz.result import Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.dictionaries import controls as c
from toyviz.studies.dictionaries import flow
from toyviz.studies.shared_texts import NOT_YET, notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Text, View

NAME = "dictionary_cross_entropy"
DECAYS = numbers(
    "decays",
    "Weight decays",
    (0.0, 0.001, 0.01, 0.1, 1.0),
    c.DECAYS,
    field="weight_decay",
    help="AdamW shrinks every weight by learning rate × decay at each step. Each decay is a network of its own.",
    several=True,
)
DECAY = numbers("decay", "decay", (0.0, 0.001, 0.01, 0.1, 1.0), 1.0, field="weight_decay")
PICK = {"weight_decay": "decay"}
LINES = ("mean cosine", "−mean W2", "max |W|")


def plan(choice: Choice) -> Plan:
    """A network for each decay and seed; the best of the opened decay is opened."""
    fields = {"weight_decay": {*choice.decays, choice.decay}, "seed": shared.seeds_of(choice)}
    return Plan.over(c.base(choice, NAME), fields, weight_decay=choice.decay, seed=choice.seed)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """Keys and values at each decay, from one seed, and three numbers of all networks over the decay."""
    seed, decays = plan.opened[0].seed, plan.values("weight_decay")
    here = {r.experiment.weight_decay: flow.at_end(r) for r in sweep.at(seed=seed)}
    for id, title in (("keys", "W1ᵀ + b1"), ("values", "W2")):
        yield Figure(id, _over_decays(id, f"{title} at the end, seed {seed}", decays, here, plan), PICK)
    rows = pd.DataFrame(
        [
            {
                "weight_decay": result.experiment.weight_decay,
                "line": line,
                "seed": result.experiment.seed,
                "value": value,
            }
            for result in sweep.among(seed=shared.seeds_of(choice))
            for line, value in zip(LINES, _numbers(result), strict=True)
        ],
        columns=["weight_decay", "line", "seed", "value"],
    )
    chart = charts.lines_over(
        rows,
        "weight_decay",
        "weight decay",
        LINES,
        decays,
        "Cosines and weights",
        rules={"1": 1.0},
        selected=choice.decay,
    )
    yield Figure("measures", chart, PICK | {"seed": "seed"})
    yield Text(
        "told",
        "Dashed: 1. AdamW takes lr × decay of each weight at every step and gives about lr back at most, so in the "
        "long run weights end near 1/decay or below: at a decay of 1 near 1. With less decay they are still growing "
        "when the training ends.",
    )
    yield from notes(
        "- **Decay 1** pulls the largest weights down to about 1. W2 is less negative, and the entries are more "
        "alike in size: easier to read.\n- The dictionary is there at every decay. Click a matrix to open its network.",
        "- That decay is what makes the vectors differ: their mean cosine moves little.",
    )


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """Keys, what they switch on, values, logits, cosines and biases of one network, and its loss."""
    found = flow.flow(opened)
    yield Figure("weights", charts.matrices(flow.weights(found, "class"), flow.axes("class")))
    yield flow.cosines(found)
    yield flow.biases(found, "class")
    yield network.curve(opened)
    yield Text("network", _network(opened))
    yield flow.below("logits", charts.matrices([flow.of_inputs("Logits", found.output, "class")]))


def _over_decays(
    id: str, title: str, decays: Sequence[float], known: Mapping[float, flow.Flow], plan: Plan
) -> charts.Chart:
    """The keys or the values of one seed at each decay; what is not trained yet is empty."""
    e = plan.opened[0]
    nothing = np.zeros((e.n_features, e.n_hidden))
    panels = []
    for decay in decays:
        found = known.get(decay)
        shown = nothing if found is None else found.hidden_pre if id == "keys" else found.W2
        rows = "input" if id == "keys" else "class"
        panels.append(flow.of_inputs(f"decay {decay:g}", shown[None], rows=rows, about={"weight_decay": decay}))
    return charts.matrices(panels, title, pick=list(PICK))


def _numbers(result: Result) -> tuple[float, float, float]:
    """The mean cosine of two hidden vectors, minus the mean of W2, and the largest weight."""
    cosine = float(flow.pairs(flow.at_end(result).hidden).mean())
    return cosine, -float(result.W2.mean()), flow.largest_weight(result)


def _network(result: Result) -> str:
    """What the opened network came to."""
    told = f"{flow.which(result.experiment)} Weight decay {result.experiment.weight_decay:g}."
    if not result.finished:
        return f"{told} {NOT_YET}"
    cosine, mean, largest = _numbers(result)
    return (
        f"{told} Accuracy {result.metrics['train_accuracy']:.0%}, loss {result.metrics['train_loss']:.2g}, mean cosine "
        f"{cosine:.2f}, mean of W2 {-mean:.3f}, largest weight {largest:.2f}."
    )


VIEW = View(
    id="decay",
    title="Weight decay",
    place=3,
    controls=(*(DECAYS, c.n_features(20), c.N_HIDDEN, shared.SEEDS, shared.FIRST_SEED, c.LIFT, c.LR, *c.TRAINING),),
    opens=(DECAY, c.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=("keys", "values", "measures"),
    inside_stage=("weights", ("cosines", "biases"), "curve"),
    named=lambda choice: NAME,
    claims=("weight_decay_counteracts",),
    figures={"F40": PostFigure("Weight decay from 0 to 1", "keys", (NAME,))},
    first_name="Weight decay",
    aliases=c.aliases("decay"),
    first_defaults=c.FIRST_DEFAULTS
    | {"n_features": "20", "n_hidden": "10", "seeds": "4", "bias": "uniform", "decays": "0,0.01,0.1,1", "decay": "1"},
)
