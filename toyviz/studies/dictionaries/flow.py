"""What flows through a network that stores a list, over its whole history, and how the views of this page draw it."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz import charts, metrics, probe, tables, theory
from toyviz.charts.chart import stands_alone
from toyviz.experiment import Experiment
from toyviz.model import forward
from toyviz.result import Result
from toyviz.sweep import Sweep
from toyviz.view import Figure, Plan

BELOW = 280  # pixels
LEAST = 1e-4  # of the lowest loss: what is closer to it is at it


class Flow(NamedTuple):
    """What flows through a network at each frame, for each input of its list."""

    W1: np.ndarray  # (f, n_inputs, m): row i is what input i writes, column k the key of neuron k
    b1: np.ndarray  # (f, m)
    hidden_pre: np.ndarray  # (f, T, m): W1 x + b1
    hidden: np.ndarray  # (f, T, m)
    W2: np.ndarray  # (f, n_outputs, m): row i is what output i looks for, column k the value of neuron k
    b2: np.ndarray  # (f, n_outputs)
    without_b2: np.ndarray  # (f, T, n_outputs): W2 h, before the second bias
    output: np.ndarray  # (f, T, n_outputs): the logits of a classifier

    def at(self, frame: int) -> Flow:
        """One frame of it, without the leading axis."""
        return Flow(*(values[frame] for values in self))


def flow(result: Result) -> Flow:
    """What flows through it at every frame."""
    inputs, arch = probe.seen_samples(result).inputs, result.experiment.arch_row
    frames = []
    for k in range(len(result.frame_steps)):
        weights = result.frame(k)
        found = forward(arch, weights, inputs)
        without = found.hidden @ weights["W2"].T
        frames.append(
            (
                *(weights["W1"].T, weights["b1"], found.hidden_pre, found.hidden),
                *(weights["W2"], weights["b2"], without, found.output),
            )
        )
    return Flow(*(np.array(values) for values in zip(*frames, strict=True)))


def at_end(result: Result) -> Flow:
    """What flows through it at its end, without a leading axis."""
    return _at_end(result)


@tables.by_key
def _at_end(result: Result) -> Flow:
    weights = result.complete()
    found = probe.activations(result, probe.seen_samples(result))
    without = found.hidden @ weights["W2"].T
    return Flow(
        *(weights["W1"].T, weights["b1"], found.hidden_pre, found.hidden),
        *(weights["W2"], weights["b2"], without, found.output),
    )


def pairs(vectors: np.ndarray) -> np.ndarray:
    """The cosine of each pair of rows once, (k (k - 1) / 2,)."""
    found: np.ndarray = metrics.cosines(vectors)[np.triu_indices(len(vectors), 1)]
    return found


def leads(logits: np.ndarray) -> np.ndarray:
    """How far the correct logit is ahead of the largest other one, for each input, (T,). logits: (T, T)."""
    return metrics.lead(logits, np.eye(len(logits)))


def kin(count: int) -> list[str]:
    """Input i, and the output or class that belongs to it, are lit together."""
    return [f",{i}," for i in range(count)]


def of_inputs(
    title: str, history: np.ndarray, columns: str = "neuron", rows: str = "input", **more: Any
) -> charts.Matrix:
    """A matrix with a row for each input of the list, (f, T, c); its columns are neurons, outputs or classes."""
    if columns != "neuron":
        more.setdefault("column_kin", kin(history.shape[2]))
    more.setdefault("row_kin", kin(history.shape[1]))
    return charts.Matrix(title, history, rows=rows, columns=columns, **more)


LIST = (
    "The simplest thing to memorise is a list: $n$ inputs, each a one-hot $e_i$, and for each its own output. The "
    "network is $h = \\mathrm{ReLU}(W_1 x + b_1),$ then $W_2 h + b_2.$ For a one-hot, $h_i = \\mathrm{ReLU}(W_1[:,i] + "
    "b_1)$ exactly: column $i$ of $W_1$ is the entry under which input $i$ is stored, and row $i$ of $W_2$ is what "
    "finds it again."
)


def weights(found: Flow, output: str = "output", relu: bool = True) -> list[charts.Matrix]:
    """Keys, what they switch on, and values: a row for each input or output, a column for each neuron."""
    return [
        of_inputs("keys: W1ᵀ", found.W1),
        of_inputs("W1ᵀ + b1", found.hidden_pre),
        of_inputs("h, after the ReLU" if relu else "h", found.hidden),
        of_inputs("values: W2", found.W2, rows=output),
    ]


def biases(found: Flow, output: str = "output", of_outputs: list[str] | None = None) -> Figure:
    """b1, a bar for each neuron, and b2, a bar for each output. of_outputs: the kin of each, else the input's."""
    lit = of_outputs or kin(found.b2.shape[1])
    panels = [
        charts.Bars("b1 of each neuron", found.b1, colour=charts.PURPLE),
        charts.Bars(f"b2 of each {output}", found.b2, colour=charts.PURPLE, kin=lit),
    ]
    return Figure("biases", charts.bars(panels, "The two biases"))


def which(experiment: Experiment) -> str:
    """A network in words: "**20 inputs, 10 neurons, seed 3.**"."""
    e = experiment
    inputs = f"{e.training_size} inputs" if e.data == "one_hot" else f"{e.training_size} inputs in {e.n_features} pairs"
    return f"**{inputs}, {e.n_hidden} neurons, seed {e.seed}.**"


def axes(output: str, last: str = "") -> str:
    """What lies along the sides of matrices side by side, in a line above them."""
    return f"↓ input (W2: {output})  → neuron{f' ({last}: {output})' if last else ''}"


def below(id: str, chart: charts.Chart) -> Figure:
    """A figure that stands below the stage, where nothing gives it a height."""
    return Figure(id, stands_alone(chart, BELOW))


def seeds(sweep: Sweep, plan: Plan, lowest: float = 0.0) -> Figure:
    """The train loss of each seed, or how far above the lowest possible it is, with its accuracy; a click opens it."""
    rows = pd.DataFrame(
        [
            {
                "seed": result.experiment.seed,
                "value": float(loss) / lowest - 1 if lowest > 0 else loss,
                "note": f"{result.metrics['train_accuracy']:.0%}",
            }
            for result in sweep
            if (loss := result.metrics["train_loss"]) is not None
        ],
        columns=["seed", "value", "note"],
    )
    title, ends = ("Loss / lowest − 1", (LEAST, 0.1)) if lowest > 0 else ("Train loss", None)
    chart = charts.by_seed(
        rows, plan.values("seed"), title, selected=plan.opened[0].seed, ends=ends, note_title="accuracy"
    )
    return Figure("seeds", chart, {"seed": "seed"})


@cache
def lowest_loss(n: int, m: int) -> float:
    """The lowest squared error, summed over the outputs, that m neurons and a linear output can have on n one-hots."""
    return theory.rank_floor(np.eye(n), m)


def cosines(found: Flow) -> Figure:
    """The cosine similarity of every two hidden vectors, as a matrix."""
    numbers = np.array([metrics.cosines(frame) for frame in found.hidden])
    matrix = of_inputs("Cosines of h", numbers, "j", "i")
    return Figure("cosines", charts.matrices([matrix], largest=1.0))


def largest_weight(result: Result) -> float:
    """The largest absolute value in W1 and W2."""
    return float(max(np.abs(result.W1).max(), np.abs(result.W2).max()))
