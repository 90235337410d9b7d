"""The one network, act(W2 act(W1 x + b1) + b2): how it starts and what it computes. NumPy only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from toyviz import data
from toyviz.data import stream
from toyviz.experiment import INITS, Arch, Experiment

Parameters = dict[str, np.ndarray]  # the trained ones of W1 (m, n_inputs), b1 (m,), W2 (n_outputs, m), b2 (n_outputs,)


class Activations(NamedTuple):
    """What flows through the network for some inputs."""

    hidden_pre: np.ndarray  # (n_samples, n_hidden): W1 x + b1
    hidden: np.ndarray  # (n_samples, n_hidden)
    output_pre: np.ndarray  # (n_samples, n_outputs): W2 h + b2; the logits of a classifier
    output: np.ndarray  # (n_samples, n_outputs)


def shapes(experiment: Experiment) -> dict[str, tuple[int, ...]]:
    """The shape of every trained parameter; a tied network trains no W2."""
    arch, m = experiment.arch_row, experiment.n_hidden
    every = {
        "W1": (m, experiment.n_inputs),
        "b1": (m,) if arch.hidden_bias else None,
        "W2": None if arch.tied else (experiment.n_outputs, m),
        "b2": (experiment.n_outputs,) if arch.output_bias else None,
    }
    return {name: shape for name, shape in every.items() if shape is not None}


def initial_parameters(experiment: Experiment) -> Parameters:
    """The parameters before the first step, float32; each from its own random stream."""
    parameters = {}
    for name, shape in shapes(experiment).items():
        rng = stream(experiment.seed, f"init {name}")
        if name.startswith("W"):
            init = INITS[experiment.init]
            fan_out, fan_in = shape
            variance = 2 / (fan_in + fan_out) if init.scale == "xavier" else 1 / (3 * fan_in)
            values = _draw(rng, init.distribution, variance, shape)
        else:
            fan_in = experiment.n_inputs if name == "b1" else experiment.n_hidden
            values = _initial_bias(rng, experiment.bias_init, fan_in, shape) + experiment.bias_offset
        parameters[name] = np.ascontiguousarray(values, dtype=np.float32)
    return parameters | _dictionary(experiment)


def _dictionary(experiment: Experiment) -> Parameters:
    """The parameters that start as a lookup table: keys are rows of W1, their values columns of W2."""
    init = INITS[experiment.init]
    if not init.keys:
        return {}
    rng, m = stream(experiment.seed, "init keys"), experiment.n_hidden
    if init.keys == "one_hots":
        keys = np.eye(experiment.n_inputs)[rng.choice(experiment.n_inputs, m, replace=False)]
        return {"W1": np.ascontiguousarray(keys, dtype=np.float32)}
    samples = data.training_samples(experiment)
    if init.keys == "centres":
        return {"W1": kmeans(samples.inputs, m, rng)}
    chosen = rng.choice(len(samples.inputs), m, replace=False)
    W1, W2 = samples.inputs[chosen], samples.targets[chosen].T
    return {"W1": np.ascontiguousarray(W1), **({"W2": np.ascontiguousarray(W2)} if init.values else {})}


def kmeans(points: np.ndarray, k: int, rng: np.random.Generator, rounds: int = 50) -> np.ndarray:
    """k centres of the points, (T, d), by Lloyd's rounds from k random points, (k, d); an empty one stays."""
    centres = points[rng.choice(len(points), k, replace=False)]
    for _ in range(rounds):
        nearest = (points @ centres.T - (centres**2).sum(axis=1) / 2).argmax(axis=1)
        members = np.eye(k, dtype=points.dtype)[nearest]  # (T, k)
        moved = np.where(
            members.any(axis=0)[:, None], members.T @ points / members.sum(axis=0).clip(1)[:, None], centres
        )
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres.astype(np.float32)


def complete(experiment: Experiment, parameters: Parameters) -> Parameters:
    """All four of W1, b1, W2, b2: W2 = W1.T where tied, zeros for a bias that the network does not have."""
    W1 = parameters["W1"]
    return {
        "W1": W1,
        "b1": parameters.get("b1", np.zeros(experiment.n_hidden, W1.dtype)),
        "W2": parameters.get("W2", W1.T),
        "b2": parameters.get("b2", np.zeros(experiment.n_outputs, W1.dtype)),
    }


def forward(arch: Arch, parameters: Parameters, inputs: np.ndarray) -> Activations:
    """act(W2 act(W1 x + b1) + b2) for each row of inputs, (n_samples, n_inputs); parameters are all four."""
    hidden_pre = inputs @ parameters["W1"].T + parameters["b1"]
    hidden = np.maximum(hidden_pre, 0) if arch.hidden_relu else hidden_pre
    output_pre = hidden @ parameters["W2"].T + parameters["b2"]
    output = np.maximum(output_pre, 0) if arch.output_relu else np.abs(output_pre) if arch.output_abs else output_pre
    return Activations(hidden_pre, hidden, output_pre, output)


def _draw(rng: np.random.Generator, distribution: str, variance: float, shape: tuple[int, ...]) -> np.ndarray:
    if distribution == "normal":
        return rng.standard_normal(shape) * np.sqrt(variance)
    bound = np.sqrt(3 * variance)
    return rng.uniform(-bound, bound, shape)


def _initial_bias(rng: np.random.Generator, name: str, fan_in: int, shape: tuple[int, ...]) -> np.ndarray:
    if name == "zeros":
        return np.zeros(shape)
    if name == "normal":
        return rng.standard_normal(shape)
    return _draw(rng, INITS[name].distribution, 1 / (3 * fan_in), shape)
