"""A list of one-hots named with cross-entropy: how keys, values and logits go on growing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from toyviz import charts
from toyviz.control import Choice, numbers
from toyviz.experiment import Experiment
from toyviz.result import Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.dictionaries import controls as c
from toyviz.studies.dictionaries import flow
from toyviz.studies.shared_texts import NOT_YET, notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Text, View

NAME = "dictionary_cross_entropy"
LENGTHS = (1000, 3000)  # of the training, in epochs: a list is one batch, so an epoch is a step
EPOCHS = numbers(
    "epochs",
    "Epochs",
    (300, 1000, 3000, 10000),
    LENGTHS,
    field="steps",
    help="How long the networks are trained. Each length is a network of its own.",
    several=True,
)
LENGTH = numbers("length", "steps", (300, 1000, 3000, 10000), LENGTHS[-1], field="steps")
GROWING = ("max h", "max |W|", "−mean W2")
SHARES = ("mean cosine", "accuracy")
PICK = {"steps": "length", "seed": "seed"}
OF_SGD = {"weight_decay": 0.0, "lr": 0.1}
RARE = (c.START, shared.SCHEDULE, shared.WARMUP)


def base(choice: Choice) -> Experiment:
    """The chosen network, before its length and its seed are. SGD has another rate and no decay, unless one is said."""
    unsaid = {name: value for name, value in OF_SGD.items() if choice[name] is None}
    return c.base(choice, NAME, **(unsaid if choice.optimizer == "sgd" else {}))


def plan(choice: Choice) -> Plan:
    """A network for each length and seed; the best of the opened length is opened."""
    fields = {"steps": {*choice.epochs, choice.length}, "seed": shared.seeds_of(choice)}
    return Plan.over(base(choice), fields, steps=choice.length, seed=choice.seed)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """How large weights and activations are after each training, and how alike the hidden vectors."""
    rows = pd.DataFrame(
        [
            {"steps": result.experiment.steps, "line": line, "seed": result.experiment.seed, "value": value}
            for result in sweep.among(seed=shared.seeds_of(choice))
            for line, value in measured(result).items()
        ],
        columns=["steps", "line", "seed", "value"],
    )
    lengths = plan.values("steps")
    growth = charts.lines_over(
        rows, "steps", "epochs", GROWING, lengths, "How large", selected=choice.length, logarithmic_y=True
    )
    yield Figure("growth", growth, PICK)
    alike = charts.lines_over(
        rows, "steps", "epochs", SHARES, lengths, "How alike", selected=choice.length, low=0.0, high=1.0
    )
    yield Figure("alike", alike, PICK)
    yield Text(
        "told",
        "With cross-entropy nothing tells the network to stop: a right answer can always be given with more "
        "confidence, so activations and weights go on growing.",
    )
    yield from notes(
        "- **Readable.** Each input has its own mix of active neurons, and its class looks for just these.\n"
        "- **Growth** from 1,000 to 3,000 epochs: the pattern stays, the scale grows. Move the clock to see it in one "
        "network.\n"
        "- **SGD** as the control: it keeps the sum of each column of W2 exactly as it was at the start, since the "
        "pushes on all classes cancel; only AdamW drives W2 down.",
        "- Cosines near 1. The post sees hidden vectors that all point the same way at 3,000 epochs. From the usual "
        "start no recipe that was tried gave them, which is not to say that none does; choose initial biases of 10, "
        "and they nearly do.\n"
        "- The post's learning rate, which it does not state.",
    )


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """Keys, what they switch on, values, logits, cosines and biases of one network, and its loss."""
    found = flow.flow(opened)
    yield Figure("weights", charts.matrices(flow.weights(found, "class"), flow.axes("class")))
    logits = flow.of_inputs("Logits", found.output, "class")
    yield Figure("logits", charts.matrices([logits]))
    yield flow.cosines(found)
    yield flow.biases(found, "class")
    yield network.curve(opened)
    yield Text("network", _network(opened))
    yield Text("roles", "##### What the two biases do")
    lift = [flow.of_inputs("W1ᵀ, without b1", found.W1), flow.of_inputs("W1ᵀ + b1", found.hidden_pre)]
    yield flow.below("b1_roles", charts.matrices(lift, "What b1 does"))
    ahead = [
        charts.Bars(title, np.array([flow.leads(frame) for frame in logits]), kin=flow.kin(logits.shape[1]))
        for title, logits in (("without b2", found.without_b2), ("with b2", found.output))
    ]
    yield flow.below("leads", charts.bars(ahead, "How far the correct logit is ahead of the next", entries="input"))
    if opened.finished:
        yield Text("roles_told", _roles(opened))


def measured(result: Result) -> dict[str, float]:
    """What the post speaks of: how large a network's weights and activations are, and how alike its vectors."""
    found = flow.at_end(result)
    return {
        "max h": float(found.hidden.max()),
        "max |W|": flow.largest_weight(result),
        "−mean W2": -float(result.W2.mean()),
        "mean cosine": float(flow.pairs(found.hidden).mean()),
        "accuracy": float(result.metrics["train_accuracy"] or 0),
    }


def _network(result: Result) -> str:
    """What the opened network came to."""
    told = f"{flow.which(result.experiment)} {result.experiment.steps:,} epochs."
    if not result.finished:
        return f"{told} {NOT_YET}"
    found = measured(result)
    return (
        f"{told} Accuracy {result.metrics['train_accuracy']:.0%}, loss {result.metrics['train_loss']:.2g}, mean of W2 "
        f"{-found['−mean W2']:.3f}, largest activation {found['max h']:.2f}, mean cosine "
        f"{found['mean cosine']:.2f}. {np.mean(result.W2 < 0):.0%} of W2 is negative in the end: each step pushes "
        "one class up and all others down. Weights and activations have one scale; logits and cosines one of their own."
    )


def _roles(result: Result) -> str:
    """What the two biases do in this network, in numbers."""
    found = flow.at_end(result)
    return (
        f"**b1 lifts here too:** {np.mean(found.hidden_pre > 0):.0%} of the entries are above 0, "
        f"{np.mean(found.W1 > 0):.0%} without it.\n\n**What b2 adds:** the smallest lead is "
        f"{flow.leads(found.without_b2).min():.2f} without it and {flow.leads(found.output).min():.2f} with it."
    )


VIEW = View(
    id="entropy",
    title="Cross-entropy",
    place=2,
    controls=(
        *(c.n_features(20), c.N_HIDDEN, shared.SEEDS, shared.FIRST_SEED, EPOCHS, c.OPTIMIZER),
        *(c.LIFT, c.weight_decay(None), c.LR, *RARE),
    ),
    opens=(LENGTH, c.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=("growth", "alike"),
    inside_stage=("weights", ("logits", "cosines"), ("biases", "curve")),
    width=0.3,
    named=lambda choice: NAME,
    claims=("entropy_is_a_dictionary", "entropy_grows", "entropy_cosines", "entropy_biases"),
    figures={
        "F37": PostFigure("Cross-entropy after 1,000 epochs", "weights", (NAME,), {"length": LENGTHS[0]}),
        "F38": PostFigure("Cross-entropy after 3,000 epochs", "weights", (NAME,)),
        "F39": PostFigure("The biases with cross-entropy", "leads", (NAME,)),
    },
    first_name="Cross-entropy",
    aliases=c.aliases("entropy"),
    first_defaults=c.FIRST_DEFAULTS
    | {"n_features": "20", "n_hidden": "10", "seeds": "4", "epochs": "1000,3000", "length": "3000"}
    | {"optimizer": "adamw", "bias": "uniform", "weight_decay": "own"},
)
