"""A network run again, trained or in training: its losses, accuracies and activations. NumPy only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np

from toyviz import data, metrics
from toyviz.experiment import Experiment
from toyviz.model import Activations, Parameters, complete, forward
from toyviz.result import Result

FRAME_TESTED = data.ROWS  # samples that the network of a frame is tested on

Set = TypeVar("Set")
Measure = Callable[[Experiment, Parameters, data.Samples | data.Blocks], tuple[float, float | None]]


class LogitTerms(NamedTuple):
    """The logits of one sample, taken apart: W2 h + b2 = sum_k h_k W2[:, k] + b2."""

    hidden: np.ndarray  # (n_hidden,)
    terms: np.ndarray  # (n_outputs, n_hidden): h_k W2[c, k]
    bias: np.ndarray  # (n_outputs,)
    logits: np.ndarray  # (n_outputs,): the network's own
    error: float  # the largest difference between terms plus bias and the logits


class Votes(NamedTuple):
    """The hidden vector of one sample, taken apart: h = sum_i x_i W1[:, i] + b1 over its active features i."""

    features: np.ndarray  # (k,) int: the active ones
    values: np.ndarray  # (k,): x_i
    votes: np.ndarray  # (k, n_hidden): x_i W1[:, i]
    hidden: np.ndarray  # (n_hidden,): the network's own, before any ReLU
    error: float  # the largest difference between the votes' sum plus b1 and it


def evaluate(experiment: Experiment, parameters: Parameters, measure: Measure | None = None) -> dict[str, float | None]:
    """Mean loss and accuracy on the training set and on the test set; None where there is no such set.

    The loss is the training loss (MSE summed over outputs and weighted by importance, or cross-entropy). Accuracy is
    the share of samples whose largest output is where the largest target is; one without any target does not count.
    measure is loss_and_accuracy where nothing is said, or what gives the same numbers faster.
    """
    sets = {"train": None if experiment.fresh else data.training_set(experiment)}
    sets["test"] = data.held_out_set(experiment)
    measured = {
        name: (None, None) if samples is None else (measure or loss_and_accuracy)(experiment, parameters, samples)
        for name, samples in sets.items()
    }
    return {
        "train_loss": measured["train"][0],
        "test_loss": measured["test"][0],
        "train_accuracy": measured["train"][1],
        "test_accuracy": measured["test"][1],
    }


def frame_sets(experiment: Experiment, most: float = math.inf) -> dict[str, data.Samples | data.Blocks]:
    """What the networks of a history are measured on: "train", the training set, and "test", the first 1,000 of the
    held-out samples. Without what the experiment does not have, and what takes more than `most` numbers to draw.
    """
    sets: dict[str, data.Samples | data.Blocks] = {}
    n = experiment.n_features
    if not experiment.fresh and (experiment.training_size or 0) * n <= most:
        sets["train"] = data.training_set(experiment)
    held_out = data.held_out_set(experiment) if data.TEST_SIZE * n <= most else None
    if held_out is not None:
        sets["test"] = next(data.parts(held_out))
    return sets


def evaluate_frame(
    experiment: Experiment,
    parameters: Parameters,
    sets: Mapping[str, Set],
    measure: Callable[[Experiment, Parameters, Set], tuple[float, float | None]],
) -> dict[str, float]:
    """How well a network in the middle of its training does: the loss and accuracy on each set, and big_features.

    What has no meaning is left out. measure is loss_and_accuracy, or what gives the same numbers faster.
    """
    found: dict[str, float | None] = {}
    for name, samples in sets.items():
        found[f"{name}_loss"], found[f"{name}_accuracy"] = measure(experiment, parameters, samples)
    found["big_features"] = float((metrics.dimensionality(parameters["W1"].T) >= metrics.BIG).sum())
    return {name: value for name, value in found.items() if value is not None}


def loss_and_accuracy(
    experiment: Experiment, parameters: Parameters, samples: data.Samples | data.Blocks
) -> tuple[float, float | None]:
    """The mean loss, and the share of the samples with a target that are right; None where there is no such sample."""
    weights, importance = complete(experiment, parameters), data.importance(experiment)
    total, right, counted, size = 0.0, 0, 0, 0
    for part in data.parts(samples):
        size += len(part.X)
        flow = forward(experiment.arch_row, weights, part.inputs)
        if experiment.task_row.loss == "mse":
            losses = metrics.mse(flow.output, part.targets, importance)
        else:
            losses = metrics.cross_entropy(flow.output, part.targets)
        total += float(losses.sum(dtype=np.float64))
        has_target = part.targets.any(axis=1)
        right += int((metrics.right(flow.output, part.targets) & has_target).sum())
        counted += int(has_target.sum())
    return total / size, right / counted if counted else None


def activations(result: Result, samples: data.Samples) -> Activations:
    """What flows through the trained network for these samples."""
    return forward(result.experiment.arch_row, result.complete(), samples.inputs)


def seen_samples(result: Result) -> data.Samples:
    """The training set, or the test samples of a network that trained on fresh batches."""
    if result.experiment.fresh:
        samples = data.held_out_samples(result.experiment)
        assert samples is not None
        return samples
    return data.training_samples(result.experiment)


def seen_set(result: Result) -> data.Samples | data.Blocks:
    """seen_samples() to go through by data.parts(), since the set may be too large to lie in memory."""
    if not result.experiment.fresh:
        return data.training_set(result.experiment)
    held_out = data.held_out_set(result.experiment)
    assert held_out is not None
    return held_out


def through_W1(result: Result) -> np.ndarray:
    """W1 x of each training sample, (n_samples, n_hidden)."""
    seen = seen_set(result)
    if isinstance(seen, data.Samples):
        return seen.inputs @ result.W1.T
    return np.concatenate([part.inputs @ result.W1.T for part in seen])


def hidden_vectors(result: Result) -> np.ndarray:
    """W1 x + b1 of each training sample, (n_samples, n_hidden): what the post calls the hidden vectors."""
    return through_W1(result) + result.b1


def one_hots_back(result: Result) -> np.ndarray:
    """Which features i come out of the trained network when they go in alone, (n,) bool: the one-hot e_i, as the task
    makes it an input and a target, gives an output that is largest where the target is; ties are wrong.

    The mean is the accuracy of the post's limits of reconstruction: no importance enters. For a bottleneck and the big
    fish argmax net = i; small fish argmax net(e_i E) = argmax e_i E; re-projector argmax net(e_i E) = argmax e_i E'.
    Raises ValueError on data "antipodal", whose classes are no features. [S]
    """
    if result.experiment.data == "antipodal":
        raise ValueError("data 'antipodal' has two classes for each feature, and so no feature can come back alone")
    samples = data.samples(result.experiment, np.eye(result.experiment.n_features, dtype=np.float32))
    return metrics.right(activations(result, samples).output, samples.targets)


def logit_terms(result: Result, x: np.ndarray) -> LogitTerms:
    """The logits of one sample as the network makes them, and the terms that they consist of: h_k W2[c, k] and b2[c].

    x: (n_inputs,). Raises ValueError for another shape, AssertionError if the terms do not add up to the logits within
    float32's rounding: 1e-5 of the largest term.
    """
    flow = forward(result.experiment.arch_row, result.complete(), _row(result, x))
    hidden, logits = flow.hidden[0], flow.output_pre[0]
    terms = hidden.astype(np.float64) * result.W2
    error = float(np.abs(terms.sum(axis=1) + result.b2 - logits).max())
    assert error <= 1e-5 * max(1.0, float(np.abs(terms).max()), float(np.abs(result.b2).max())), error
    return LogitTerms(hidden, terms, result.b2, logits, error)


def hidden_votes(result: Result, x: np.ndarray) -> Votes:
    """What each active feature of one sample adds to its hidden vector, x_i W1[:, i].

    x: (n_inputs,). Raises ValueError for another shape, AssertionError if the votes do not add up to the hidden vector
    within float32's rounding.
    """
    hidden = forward(result.experiment.arch_row, result.complete(), _row(result, x)).hidden_pre[0]
    features = np.flatnonzero(x)
    votes = x[features, None].astype(np.float64) * result.W1.T[features]
    error = float(np.abs(votes.sum(axis=0) + result.b1 - hidden).max())
    assert error <= 1e-5 * max(1.0, float(np.abs(votes).max(initial=0.0)), float(np.abs(result.b1).max())), error
    return Votes(features, x[features], votes, hidden, error)


def _row(result: Result, x: np.ndarray) -> np.ndarray:
    """x as a batch of one. Raises ValueError for another length than the network's."""
    if x.shape != (result.experiment.n_inputs,):
        raise ValueError(f"x must have the shape ({result.experiment.n_inputs},); got {x.shape}")
    return x[None]
