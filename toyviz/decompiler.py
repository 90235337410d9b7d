"""A network read as a lookup table, input -> active neurons -> output, and replayed without its weights. NumPy only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from toyviz import data
from toyviz.data import stream
from toyviz.experiment import Experiment
from toyviz.model import Parameters, complete, forward
from toyviz.result import Result

NO_ANSWER = -1  # two entries with different outputs fit alike
TRIALS = 1000  # inputs on which a table is tried


class Table(NamedTuple):
    """One entry for each training input, in their order. It holds no weight: only levels, outputs and margins."""

    keys: np.ndarray  # (T, n_inputs): the inputs
    codes: np.ndarray  # (T, n_hidden) int: the level of each neuron, 0 ... levels - 1; with two levels off and on
    outputs: np.ndarray  # (T,) int: the largest output
    hidden_margins: np.ndarray  # (T,): how far the neuron that is closest to another level is from it, in levels
    output_margins: np.ndarray  # (T,): the largest output minus the second largest
    levels: int


class Trials(NamedTuple):
    """Inputs to try a table on."""

    inputs: np.ndarray  # (trials, n_inputs)
    truth: np.ndarray  # (trials,) int: the output that belongs to the strongest key in each


class Fidelity(NamedTuple):
    """How well a table stands for its network: shares of the trials."""

    network: float  # the table answers as the network does
    truth: float  # the table answers rightly
    accuracy: float  # the network answers rightly


def read(experiment: Experiment, parameters: Parameters, levels: int = 2) -> Table:
    """The lookup table of a trained network: what each training input switches on, and what comes out.

    A neuron's level is its activation between its smallest and its largest over the training inputs, rounded to one of
    the levels: a lift that all inputs share says nothing. A neuron that never changes is off. Raises ValueError for
    fresh batches, which have no keys, and for fewer than two levels.
    """
    if levels < 2:
        raise ValueError(f"levels must be at least 2; got {levels}")
    samples = data.training_samples(experiment)
    flow = forward(experiment.arch_row, complete(experiment, parameters), samples.inputs)
    low, high = flow.hidden.min(axis=0), flow.hidden.max(axis=0)
    span = np.where(high > low, high - low, np.inf)
    heights = (flow.hidden - low) / span * (levels - 1)
    codes = np.floor(heights + 0.5).astype(int)
    ordered = np.sort(flow.output, axis=1)
    return Table(
        keys=samples.inputs,
        codes=codes,
        outputs=flow.output.argmax(axis=1),
        hidden_margins=(0.5 - np.abs(heights - codes)).min(axis=1),
        output_margins=ordered[:, -1] - ordered[:, -2],
        levels=levels,
    )


def replay(table: Table, inputs: np.ndarray, counts_from: float = 1.0) -> np.ndarray:
    """What the table answers to each input, (trials,) int, NO_ANSWER where it cannot tell; no weight is used.

    How strongly each key is in the input is their inner product, over that of the strongest one. Keys from counts_from
    on count: at 1 the strongest alone, at 0 all. The levels that they switch on add up by their strengths, rounded and
    cut off at the top. The answer is the output of the entry whose levels lie nearest, as the sum of differences.
    """
    strengths = np.maximum(inputs @ table.keys.T, 0)
    strengths = strengths / np.maximum(strengths.max(axis=1, keepdims=True), 1e-12)
    strengths = np.where(strengths >= counts_from, strengths, 0)
    levels = np.minimum(np.floor(strengths @ table.codes + 0.5), table.levels - 1)
    distances = np.stack([np.abs(levels - code).sum(axis=1) for code in table.codes], axis=1)  # (trials, T)
    nearest = distances == distances.min(axis=1, keepdims=True)
    lowest = np.where(nearest, table.outputs, table.outputs.max() + 1).min(axis=1)
    highest = np.where(nearest, table.outputs, -1).max(axis=1)
    return np.where(lowest == highest, lowest, NO_ANSWER)


def trials(experiment: Experiment, active: int = 1, noise: float = 0.0, size: int = TRIALS) -> Trials:
    """Inputs in which some keys lie on top of each other, plus N(0, noise^2) on every input; the same for every seed.

    One key has strength 1, the others a uniform one below. With one active key and no noise: every key once, in order.
    Raises ValueError unless 1 <= active <= T and noise >= 0.
    """
    samples = data.training_samples(experiment)
    T = len(samples.inputs)
    if not 1 <= active <= T:
        raise ValueError(f"active must be between 1 and {T}, the number of keys; got {active}")
    if noise < 0:
        raise ValueError(f"noise must not be negative; got {noise}")
    truth = samples.targets.argmax(axis=1)
    if active == 1 and noise == 0:
        return Trials(samples.inputs, truth)
    rng = stream(0, "trials")
    chosen = rng.random((size, T)).argsort(axis=1)[:, :active]  # (size, active): different keys, the strongest first
    strengths = rng.random((size, active))
    strengths[:, 0] = 1
    inputs = np.einsum("sa,sai->si", strengths, samples.inputs[chosen])
    return Trials(inputs + noise * rng.standard_normal(inputs.shape), truth[chosen[:, 0]])


def fidelity(result: Result, table: Table, tried: Trials, counts_from: float = 1.0) -> Fidelity:
    """How often the table answers as the network, how often rightly, and how often the network does; see replay()."""
    output = forward(result.experiment.arch_row, result.complete(), tried.inputs).output
    network, answers = output.argmax(axis=1), replay(table, tried.inputs, counts_from)
    return Fidelity(
        network=float((answers == network).mean()),
        truth=float((answers == tried.truth).mean()),
        accuracy=float((network == tried.truth).mean()),
    )
