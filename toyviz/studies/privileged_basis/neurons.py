"""What each neuron stands for, over the density: its weights as colours and as stacks, and how all starts end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from toyviz import charts, metrics
from toyviz.control import Choice
from toyviz.experiment import DENSITY_DIGITS, Experiment, sparsity_of
from toyviz.result import Result
from toyviz.studies import groups_of_features, network
from toyviz.studies import shared_controls as shared
from toyviz.studies.privileged_basis import controls as c
from toyviz.studies.shared_texts import NONE_YET, NOT_YET, notes, shortened
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Text, View

FULL = 1.0  # a weight of this size has the full colour, and a larger one too
PICK = {"density": "density", "seed": "start"}
PICK_BEST = {"density": "density", "start": "start"}
FACTS = ["density", "seed", "loss", "polysemantic", "monosemantic"]


def starts(choice: Choice) -> range:
    """The seeds of the random starts."""
    return range(choice.first_seed, choice.first_seed + choice.starts)


def plan(choice: Choice) -> Plan:
    """A network for each density and start, those of the opened density first; opened is the best of these, or one."""
    fields = {"seed": starts(choice), "sparsity": map(sparsity_of, (*shared.possible(choice), choice.density))}
    return Plan.over(c.base(choice), fields, sparsity=sparsity_of(choice.density), seed=choice.start)


def facts(result: Result) -> dict[str, Any]:
    """What is told of every start: its density, seed, loss, and how many neurons stand for several features."""
    features = metrics.features_of_neurons(result.W1)
    return {
        "density": result.experiment.density,
        "seed": result.experiment.seed,
        "loss": result.metrics["test_loss"],
        "polysemantic": int((features > 1).sum()),
        "monosemantic": int((features == 1).sum()),
    }


def losses(sweep: Sweep) -> pd.DataFrame:
    """A row for each start: its facts, its loss over the lowest of its density, and whether it has that."""
    table = pd.DataFrame([facts(result) for result in sweep], columns=FACTS).astype({"loss": float})
    by = table.groupby("density")["loss"]
    return table.assign(ratio=table["loss"] / by.transform("min"), best=table.index.isin(by.idxmin()))


def beside(table: pd.DataFrame, result: Result | None) -> pd.DataFrame:
    """The starts with another one that was not among them: it is drawn, and nothing is compared with it."""
    if (
        result is None
        or ((table["density"] == result.experiment.density) & (table["seed"] == result.experiment.seed)).any()
    ):
        return table
    row = facts(result)
    lowest = table[(table["density"] == row["density"]) & table["best"]]["loss"]
    ratio = row["loss"] / lowest.item() if len(lowest) else 1.0
    own = pd.DataFrame([row | {"ratio": ratio, "best": False}])
    return pd.concat([table, own], ignore_index=True) if len(table) else own


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The neurons of the best start of each density, how all starts end, and how many neurons are polysemantic."""
    chosen, opened = sweep.among(seed=starts(choice)), plan.opened[0]
    # densities of A too, which B need not be able to have
    best = {round(1 - s, DENSITY_DIGITS): chosen.at(sparsity=s).best() for s in plan.values("sparsity")}
    here = sweep.get(opened) or next((result for result in best.values() if result), None)
    weights, stacks = [], []
    for density, result in best.items():
        seen = network.at_steps(result, here.frame_steps) if result and here else None
        history = ordered(seen.frames["W1"]) if seen else np.zeros((1, opened.n_hidden, opened.n_features))
        about = {"density": density, "start": shared.BEST}
        weights.append(matrix(f"{density:g}", history, about, opened))
        stacks.append(stack(f"{density:g}", history, about, counts=True))
    title, picked = "of the best start, by density 1 − S", tuple(PICK_BEST)
    yield Figure("weights", charts.matrices(weights, f"W1 {title}", largest=FULL, pick=picked), PICK_BEST)
    at = list(best).index(opened.density)
    title = "The same weights, a stack a neuron"
    yield Figure("stacks", charts.stacks(stacks, title, selected=at, pick=picked), PICK_BEST)
    table = losses(chosen)
    drawn = beside(table, sweep.get(opened))
    how: dict[str, Any] = {"noun": "start", "selected": opened.density, "seed": opened.seed, "linked": True}
    rows, title = drawn.assign(value=drawn["ratio"]), "Test loss of every start over the lowest of its density"
    yield Figure(
        "spread", charts.strips(rows, "density", list(best), title, logarithmic=True, ends=(1, 2), **how), PICK
    )
    yield Text("told", _outcome(table, opened.n_hidden))
    of_density = {density: chosen.at(sparsity=sparsity_of(density)) for density in best}
    yield from groups_of_features.told(choice, of_density, PICK)
    yield Text("what", WHAT)
    of_groups = TOGETHER if choice.features == "correlated" else groups_of_features.LOOK_FOR[choice.features]
    yield from notes(LOOK_FOR + of_groups, NOT_SHOWN, (*MARKS, "") if of_groups else MARKS)
    yield Text("read", READ)
    rows = drawn.assign(value=drawn["polysemantic"])
    title = "Neurons that stand for several features, by density 1 − S: every start, and the best"
    how |= {"colour": charts.BLUE, "ends": (0, opened.n_hidden)}
    yield Figure("polysemantic", charts.strips(rows, "density", list(best), title, **how), PICK)


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """The weights of each neuron of one network, as colours and as stacks, and its loss, over its history."""
    if network.is_too_large(opened):
        none = np.zeros((1, opened.experiment.n_hidden, opened.experiment.n_features))
        yield Figure("opened_weights", charts.matrices([matrix("", none)], "W1: too large"))
        yield Figure("opened_stacks", charts.stacks([stack("", none)], "Weights: too large"))
        yield from network.loss_alone(opened, "start")
        return
    history = ordered(opened.frames["W1"])
    yield Figure(
        "opened_weights",
        charts.matrices([matrix("", history, of=opened.experiment)], "W1", largest=FULL, show_names=True),
    )
    yield Figure("opened_stacks", charts.stacks([stack("", history)], "Stacks of W1"))
    yield network.curve(opened)
    e, counts = opened.experiment, metrics.features_of_neurons(history[-1])
    which = f"**Density {e.density:g}, start {e.seed}.**"
    if not opened.finished:
        yield Text("start", f"{which} {NOT_YET}")
        return
    yield Text(
        "start",
        f"{which} Loss {opened.metrics['test_loss']:.4g} on 10,000 samples that are the same for all starts. Of its "
        f"{len(counts)} neurons {int((counts == 1).sum())} stand for one feature, {int((counts > 1).sum())} for "
        f"several, {int((counts == 0).sum())} for none: a neuron stands for a feature if its weight is above "
        f"{metrics.STANDS_FOR} in size.{shortened(opened)}",
    )


def ordered(history: np.ndarray) -> np.ndarray:
    """W1 over its history, (f, m, n), with its neurons in the order of the largest feature of the newest frame."""
    found: np.ndarray = history[:, metrics.neuron_order(history[-1])]
    return found


def matrix(
    title: str, history: np.ndarray, about: dict[str, Any] | None = None, of: Experiment | None = None
) -> charts.Matrix:
    """W1, (f, m, n), as a matrix with a row a feature and a column a neuron; outlined the groups of the experiment."""
    m, n = history.shape[1:]
    groups = groups_of_features.runs(of, np.arange(n)) if of else []
    return charts.Matrix(
        title,
        history.transpose(0, 2, 1),
        "feature",
        "neuron",
        column_names=[str(k + 1) for k in range(m)],
        row_kin=[f",{i}," for i in range(n)],
        blocks=[(first, last, 0, m - 1) for first, last in groups],
        about=about or {},
    )


def stack(title: str, history: np.ndarray, about: dict[str, Any] | None = None, counts: bool = False) -> charts.Stack:
    """The same as stacks; under each what its neuron is: none, mono, poly, or how many features it stands for."""
    features = np.array([metrics.features_of_neurons(W1) for W1 in history])  # (f, m)
    shared = np.array([metrics.superposition(W1.T) for W1 in history])  # (f, n)
    names = features.astype(str) if counts else np.array(["none", "mono", "poly"])[np.minimum(features, 2)]
    if not history.any():
        names = np.full(features.shape, "")
    kin = f"density={about['density']:g}" if about else ""
    return charts.Stack(title, history, shared, names, kin, about or {})


def _outcome(table: pd.DataFrame, m: int) -> str:
    """Where the neurons of the best starts turn polysemantic, and how the other starts compare, in numbers."""
    if table.empty:
        return NONE_YET
    best = table[table["best"]].sort_values("density", ascending=False)
    counts = "; ".join(f"{row.polysemantic} at {row.density:g}" for row in best.itertuples())
    middle = table.groupby("density")["ratio"].median()
    return (
        f"Of {m} neurons of the best start, so many stand for several features: {counts}. The median start ends at "
        f"{middle.min():.3g} to {middle.max():.3g} times the lowest loss of its density. Click a tick to see its start."
    )


WHAT = (
    "With a ReLU on the hidden layer, $x' = \\mathrm{ReLU}(W_1^\\top \\mathrm{ReLU}(W_1 x) + b_2)$, the directions "
    "along single neurons are special: only there does the ReLU act. So one can ask what each neuron is for. Feature "
    "$i$ weighs decay$^i$ in the loss, and only the density changes from left to right. Such networks often get stuck, "
    "so each density is trained from many random starts; shown is the best of them."
)
TOGETHER = (
    "\n- **Groups active together**: all features of a group are active, or none is. On the overlaps of a bottleneck "
    "they can lie at right angles where there is room. Neurons are another matter: here the features of a group lie "
    "side by side, on the same neurons, even where there is a dimension for each."
)
LOOK_FOR = (
    "- **Dense** (left): every neuron stands for one feature, the most important ones, and the others are given up. A "
    "feature that is always there leaves no room for a second one beside it.\n"
    "- **Sparser**: neurons take in a second and a third feature, as positive blocks on one neuron that a negative "
    "block on another tells apart.\n"
    "- **Sparse** (right): every neuron stands for many features, and their blocks turn "
    f"{charts.COLOUR_WORDS[charts.AMBER]}."
)
MARKS = ("density=1", "density=0.15", "density=0.01")  # of these three
NOT_SHOWN = (
    "- What gradient descent finds at the first go: most starts end at a higher loss, often with a neuron that is "
    "never active. The ticks show all of them.\n"
    "- A hidden bias: with one, the network could shift its neurons to where the ReLU does nothing, and no neuron "
    "would be special.\n"
    f"- A sharp border: a neuron counts as standing for a feature if its weight is above {metrics.STANDS_FOR} in size."
)
READ = (
    "**How to read the two rows.** W1 as colours: a row a feature and a column a neuron; neurons are in the order of "
    f"their largest feature; weights of {FULL:g} in size and larger have the full colour. Below, the same weights: a "
    "stack a neuron and a block a feature; negative weights hang below the axis. Under each stack: how many features "
    "it stands for, 1 where it is monosemantic, more where it is polysemantic. A block's colour is the superposition "
    "of its feature, $\\sum_{j \\ne i} (\\hat W_i \\cdot W_j)^2$: how much the other features lie along its direction. "
    "Both rows follow the clock."
)
VIEW = View(
    id="neurons",
    title="Neurons over density",
    place=1,
    controls=c.CONTROLS,
    opens=(c.DENSITY, c.START),
    plan=plan,
    show=show,
    inside=inside,
    stage=("weights", "stacks", "spread"),
    inside_stage=(("opened_weights", "opened_stacks"), "curve"),
    width=0.6,
    numbers=("test_loss",),
    named=lambda choice: "privileged_basis",
    claims=("monosemantic_when_dense", "sparsity_makes_polysemantic"),
    figures={
        "F9": PostFigure("W1 over density, ReLU on the hidden layer", "weights", ("privileged_basis",)),
        "F10": PostFigure("Stack plots: what each neuron stands for", "stacks", ("privileged_basis",)),
    },
    first_name="neurons",
    aliases=c.ALIASES,
    first_defaults=c.FIRST_DEFAULTS | {"features": "independent", "group_size": "2"},
    first_among={"density": "-densities"},
)
