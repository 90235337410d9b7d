"""A long list through two neurons: a fan of hidden vectors in a quarter of the plane."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from toyviz import charts, metrics
from toyviz.control import Choice
from toyviz.result import Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.dictionaries import controls as c
from toyviz.studies.dictionaries import flow
from toyviz.studies.shared_texts import NOT_YET, notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Text, View

NAME = "dictionary_64"


def plan(choice: Choice) -> Plan:
    """A network of two neurons for each seed; the best is opened."""
    return Plan.over(c.base(choice, NAME), {"seed": shared.seeds_of(choice)}, seed=choice.seed)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The loss and the accuracy of each seed."""
    yield flow.seeds(sweep, plan)
    right = [float(r.metrics["train_accuracy"] or 0) for r in sweep.among(seed=shared.seeds_of(choice))]
    yield Text(
        "told",
        f"{plan.opened[0].n_features} inputs through two numbers. "
        + (f"{sum(share == 1 for share in right)} of {len(right)} seeds have every input right." if right else ""),
    )
    yield from notes(
        "- **A fan, not a circle**: after the ReLU all vectors lie in one quarter of the plane.\n"
        "- **The training**: move the clock, and see the fan unfold. The columns of W1 point everywhere (triangles); "
        "b1 carries them to where both values are positive (squares, then rings).\n"
        "- **Pointing** at an input marks it in every picture.",
        "- That two neurons are enough for any list: 64 take 10,000 steps, and some seeds miss a few.",
    )


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """Hidden vectors before and after b1 and the ReLU, the rows of W2, the logits, and the loss."""
    found, count = flow.flow(opened), opened.experiment.n_features
    stages = {"W1 x": found.W1, "W1 x + b1": found.hidden_pre, "after the ReLU": found.hidden, "b1": found.b1[:, None]}
    groups = [
        charts.Group.of(
            kind,
            stages[kind.name],
            np.arange(stages[kind.name].shape[1]),
            [""] if kind.name == "b1" else flow.kin(count),
        )
        for kind in charts.LIFT_KINDS
    ]
    yield Figure("fan", charts.planes_of_kinds(groups, f"{count} hidden vectors", centred=False, noun="input"))
    rows = charts.plane(
        found.W2, "rows of W2", np.arange(count), count, flow.kin(count), charts.BLUE, rays=True, noun="class"
    )
    yield Figure("rows", rows)
    answers = flow.of_inputs("Probability of each class", metrics.softmax(found.output), "class")
    yield Figure("answers", charts.matrices([answers], largest=1.0))
    yield network.curve(opened)
    yield Text("network", _network(opened))
    yield flow.below("logits", charts.matrices([flow.of_inputs("Logits", found.output, "class")]))
    yield flow.below("biases", flow.biases(found, "class").chart)


def _network(result: Result) -> str:
    """What the opened network does with its list, in numbers."""
    told = flow.which(result.experiment)
    if not result.finished:
        return f"{told} {NOT_YET}"
    found = flow.at_end(result)
    angles = np.degrees(np.arctan2(found.hidden[:, 1], found.hidden[:, 0]))
    without, with_b2 = (float((flow.leads(logits) > 0).mean()) for logits in (found.without_b2, found.output))
    return (
        f"{told} The columns of W1 point everywhere; b1 carries {np.mean(found.hidden_pre > 0):.0%} of the entries "
        f"above 0, and the hidden vectors span {np.ptp(angles):.0f}°. Neighbours in angle differ in length, so that no "
        "two lie close. Any points that differ can be told apart with $W_2[c] = 2h_c$ and $b_2[c] = -|h_c|^2$: the "
        f"largest logit is the nearest point. So b2 is what selects: without it {without:.0%} of the answers are "
        f"right, with it {with_b2:.0%}."
    )


VIEW = View(
    id="plane",
    title="Two neurons",
    place=5,
    controls=(
        *(c.n_features(64), shared.seeds(8), shared.FIRST_SEED, c.weight_decay(0.01), c.LIFT),
        *(shared.LR, *c.TRAINING),
    ),
    opens=(c.SEED,),
    plan=plan,
    show=show,
    inside=inside,
    stage=("seeds",),
    inside_stage=(("fan", "rows"), ("answers", "curve")),
    width=0.2,
    named=lambda choice: NAME,
    claims=("two_neurons_hold_64",),
    figures={"F36": PostFigure("64 one-hots through two neurons", "fan", (NAME,))},
    first_name="Two neurons",
    aliases=c.aliases("plane"),
    first_defaults=c.FIRST_DEFAULTS | {"n_features": "64", "seeds": "8", "weight_decay": "0.01", "bias": "uniform"},
)
