"""How long a list how many neurons hold, with a squared error and with cross-entropy; and which ReLU is in the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from toyviz import charts
from toyviz.claims.appendix import which_relu
from toyviz.control import Choice, Control, numbers
from toyviz.experiment import Experiment, sweep
from toyviz.result import Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.dictionaries import controls as c
from toyviz.studies.dictionaries import flow
from toyviz.studies.shared_texts import NOT_YET, notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Table, Text, View

NAMED = {"mse": "dictionary_sizes", "cross_entropy": "dictionary_sizes_cross_entropy"}
TASKS = {"mse": "autoencode", "cross_entropy": "classify_hard"}
LARGE_STEPS = 1e-2  # of what has a ReLU on the output: at 1e-3 it has hardly begun when the others are done
ENDS = {"mse": (1e-4, 0.1), "cross_entropy": (1e-6, 1.0)}  # of the colours: what is better is as good
INPUTS, NEURONS = 64, 4  # at which the networks with other ReLUs are compared
NETWORK = Control(
    "network",
    "Network",
    {name: name for name in c.FIRST_NETWORKS.values()},
    "mlp",
    help="Where the network for the squared error has a ReLU. The one for the cross-entropy stays the same.",
    labels={name: label for label, name in c.FIRST_NETWORKS.items()},
)
SIZES = numbers(
    "sizes",
    "Inputs n",
    (4, 8, 16, 32, 64),
    (4, 8, 16, 32, 64),
    help="The rows of the maps: how long the list is. Each cell is a network of its own.",
    bounds=(2, c.MOST),
    several=True,
)
WIDTHS = numbers(
    "widths",
    "Neurons m",
    (2, 4, 8, 16, 32, 64),
    (2, 4, 8, 16, 32, 64),
    help="The columns of the maps: how many neurons, or hidden values, there are.",
    bounds=(1, c.MOST),
    several=True,
)
N = numbers("n", "n", (4, 8, 16, 32, 64), 16, bounds=(2, c.MOST))
M = numbers("m", "m", (2, 4, 8, 16, 32, 64), 4, bounds=(1, c.MOST))
SEEDS = shared.seeds(1)
PICK = {"n_hidden": "m", "training_size": "n"}


def _bases(choice: Choice) -> dict[str, Experiment]:
    """The network of each loss, before its sizes and its seed are."""
    squared, entropy = (c.started(choice, c.named(name)) for name in NAMED.values())
    squared = squared.with_(arch=choice.network)
    if squared.arch_row.output_relu:
        squared = squared.with_(lr=LARGE_STEPS)
    return {"mse": shared.trained_as(choice, squared), "cross_entropy": shared.trained_as(choice, entropy)}


def compared(choice: Choice) -> list[Experiment]:
    """The same list in the same few hidden values, with a ReLU in the middle, none, one on the output, or both."""
    base = c.started(choice, c.named(NAMED["mse"])).with_(n_features=INPUTS, n_hidden=NEURONS)
    return [each for seed in shared.seeds_of(choice) for each in which_relu(base.with_(seed=seed))]


def plan(choice: Choice) -> Plan:
    """A network for each loss, n, m and seed, and those whose ReLUs are compared; the best of the cell is opened."""
    bases = _bases(choice)
    fields = {"n_features": choice.sizes, "n_hidden": choice.widths, "seed": shared.seeds_of(choice)}
    here = Plan.over(bases.pop(choice.loss), fields, n_features=choice.n, n_hidden=choice.m, seed=choice.seed)
    rest = [each for base in bases.values() for each in sweep(base, **fields)]
    return replace(here, experiments=(*here.experiments, *rest, *compared(choice)))


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """Maps of loss and accuracy over n and m, for both losses, and the table of the ReLUs."""
    cells = {loss: size_cells(of_loss(choice, loss, sweep)) for loss in c.LOSSES}
    both: dict[str, Any] = {
        "x": charts.Side("n_hidden", "neurons m", choice.widths),
        "y": charts.Side("training_size", "inputs n", choice.sizes),
        "linked": True,
    }
    for loss in c.LOSSES:
        at = {"n_hidden": choice.m, "training_size": choice.n} if choice.loss == loss else None
        low, high = ENDS[loss]
        ends = low, max([high, *cells[loss]["value"]])
        title, unit = ("Squared error", "per output") if loss == "mse" else ("Cross-entropy", "nats")
        chart = charts.size_map(cells[loss], f"{title}, {unit}", "", selected=at, ends=ends, digits=1, **both)
        yield Figure(f"{loss}_loss", chart, PICK, {"loss": loss})
        shares = cells[loss].assign(value=cells[loss]["accuracy"])
        title = f"Accuracy, {'squared' if loss == 'mse' else 'entropy'}"
        right = charts.size_map(shares, title, "", logarithmic=False, ends=(0.0, 1.0), selected=at, **both)
        yield Figure(f"{loss}_accuracy", right, PICK, {"loss": loss})
    yield Text("told", _told(choice, cells))
    yield Text("relu", "##### Which ReLU is it?")
    yield Table("relus", relu_table(choice, sweep))
    yield Text(
        "relus_told",
        f"{INPUTS} one-hots through {NEURONS} hidden values, squared error, the best seed of each. With an output that "
        "is linear in the hidden values the loss cannot be below "
        f"{flow.lowest_loss(INPUTS, NEURONS) / INPUTS:.5f}, whatever the ReLU before.",
    )
    yield from notes(
        "- **Squared error** fails for few neurons and many inputs; **cross-entropy** hardly minds: two neurons hold "
        "64 classes.\n"
        "- **Which ReLU?** The post blames the ReLU in the middle. Choose the network without any ReLU: the same "
        "loss. Choose the bottleneck with a ReLU on its output: four hidden values hold 64. The ReLU that is missing "
        "is that on the output, which cuts off what a list in few dimensions must leave over.",
        "- The best that a network with an output ReLU could do: untied ones get stuck with outputs that are "
        "never on, and never learn again.",
        (f"n_hidden={NEURONS} training_size={INPUTS}", f"n_hidden={NEURONS} training_size={INPUTS}"),
    )


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """Keys, what they switch on, values, output and biases of the network of one cell, and its loss."""
    found, named = flow.flow(opened), opened.experiment.task_row.loss == "cross_entropy"
    word, relu = "class" if named else "output", opened.experiment.arch_row.hidden_relu
    yield Figure("weights", charts.matrices(flow.weights(found, word, relu), flow.axes(word)))
    yield Figure(
        "output",
        charts.matrices(
            [flow.of_inputs("Logits" if named else "Output", found.output, "class" if named else "out", "in")]
        ),
    )
    yield flow.biases(found, word)
    yield network.curve(opened)
    yield Text("network", _network(opened))


def of_loss(choice: Choice, loss: str, sweep: Sweep) -> Sweep:
    """The networks of the map of one loss: not those whose ReLUs alone are compared, nor an opened seed beside."""
    base = _bases(choice)[loss]
    here = sweep.among(seed=shared.seeds_of(choice), n_features=choice.sizes, n_hidden=choice.widths)
    return here.at(task=base.task, arch=base.arch, lr=base.lr, steps=base.steps)


def size_cells(sweep: Sweep) -> pd.DataFrame:
    """The best seed of each cell; a squared error is the mean over outputs, beside the lowest that is possible."""
    rows = []
    for n, m in dict.fromkeys((r.experiment.n_features, r.experiment.n_hidden) for r in sweep):
        best = sweep.at(n_features=n, n_hidden=m).best("train_loss")
        if best is None:
            continue
        per = n if best.experiment.task_row.loss == "mse" else 1
        linear = per > 1 and not best.experiment.arch_row.output_relu
        rows.append(
            {
                "n_hidden": m,
                "training_size": n,
                "value": float(best.metrics["train_loss"] or 0) / per,
                "accuracy": best.metrics["train_accuracy"],
                "floor": flow.lowest_loss(n, m) / n if linear else 0.0,
                "seed": best.experiment.seed,
            }
        )
    return pd.DataFrame(rows, columns=["n_hidden", "training_size", "value", "accuracy", "floor", "seed"])


def relu_table(choice: Choice, sweep: Sweep) -> pd.DataFrame:
    """The best seed of each network whose ReLUs are compared: its loss and its accuracy."""
    wanted = compared(choice)
    rows = []
    for name in NETWORK.values:
        kind = [each for each in wanted if each.arch == name]
        best = Sweep([r for each in kind if (r := sweep.get(each))], kind).best("train_loss")
        if best:
            loss, accuracy = best.metrics["train_loss"], best.metrics["train_accuracy"]
            rows.append([NETWORK.text(name), f"{(loss or 0) / INPUTS:.5f}", f"{accuracy or 0:.0%}"])
    return pd.DataFrame(rows, columns=["network", "loss, mean over outputs", "accuracy"])


def _told(choice: Choice, cells: dict[str, pd.DataFrame]) -> str:
    """How close the squared errors come to the lowest possible, and what a loss of 0 is."""
    said = ["A cell is the best seed of its network: click it to look inside."]
    low = cells["mse"][cells["mse"]["floor"] > 0]
    if len(low):
        worst = (low["value"] / low["floor"]).max() - 1
        said.append(
            f"Where $m < n - 1$ the squared error is at least $(n - 1 - m)/n^2$. These networks are at most "
            f"{worst:.1%} above it: they do as well as any network whose output is linear in h."
        )
    named = cells["cross_entropy"]
    if zeros := int((named["value"] == 0).sum()):
        said.append(
            f"A cross-entropy of exactly 0 is in {zeros} of {len(named)} networks. The correct class is so far ahead, "
            "by about 17 and more, that 32-bit numbers cannot tell its probability from 1."
        )
    return " ".join(said)


def _network(result: Result) -> str:
    """What the opened network came to."""
    told = flow.which(result.experiment)
    if not result.finished:
        return f"{told} {NOT_YET}"
    return (
        f"{told} Train loss {result.metrics['train_loss']:.3g}, accuracy {result.metrics['train_accuracy']:.0%}. "
        "Weights and activations have one scale, the output one of its own."
    )


VIEW = View(
    id="sizes",
    title="Size against size",
    place=7,
    controls=(
        *(NETWORK, SIZES, WIDTHS, SEEDS, shared.FIRST_SEED, c.bias(0.0), shared.LR, shared.WEIGHT_DECAY, *c.TRAINING),
    ),
    opens=(c.LOSS, N, M, c.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=(("mse_loss", "mse_accuracy"), ("cross_entropy_loss", "cross_entropy_accuracy")),
    inside_stage=("weights", ("output", "biases"), "curve"),
    width=0.52,
    named=lambda choice: NAMED[choice.loss],
    claims=("squared_error_needs_neurons", "middle_relu_is_the_limit", "entropy_needs_few_neurons"),
    figures={
        "F32": PostFigure("Hidden size against dataset size, squared error", "mse_loss", (NAMED["mse"],)),
        "F42": PostFigure(
            "Hidden size against dataset size, cross-entropy",
            "cross_entropy_loss",
            (NAMED["cross_entropy"],),
            {"loss": "cross_entropy"},
        ),
    },
    first_name="Size against size",
    aliases=c.aliases("sizes") | {"list_network": c.Alias("network", c.FIRST_NETWORKS)},
    first_defaults=c.FIRST_DEFAULTS
    | {"network": "mlp", "sizes": "4,8,16,32,64", "widths": "2,4,8,16,32,64", "seeds": "1", "bias": "0"}
    | {"weight_decay": "own", "loss": "mse", "n": "16", "m": "4"},
)
