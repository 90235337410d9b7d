"""A trained network run again: its losses, accuracies and activations. NumPy only."""

from __future__ import annotations

import numpy as np

from toyviz import data, metrics
from toyviz.experiment import Experiment
from toyviz.model import Activations, Parameters, complete, forward
from toyviz.result import Result

ROWS = 1000  # samples at a time: what stays in the processor's cache


def evaluate(experiment: Experiment, parameters: Parameters) -> dict[str, float | None]:
    """Mean loss and accuracy on the training set and on the test set; None where there is no such set.

    The loss is the training loss (MSE summed over outputs and weighted by importance, or cross-entropy). Accuracy is
    the share of samples whose largest output is where the largest target is; one without any target does not count.
    """
    train = None if experiment.fresh else data.training_samples(experiment)
    train_loss, train_accuracy = _loss_and_accuracy(experiment, parameters, train)
    test_loss, test_accuracy = _loss_and_accuracy(experiment, parameters, data.held_out_samples(experiment))
    return {
        "train_loss": train_loss,
        "test_loss": test_loss,
        "train_accuracy": train_accuracy,
        "test_accuracy": test_accuracy,
    }


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


def hidden_vectors(result: Result) -> np.ndarray:
    """W1 x + b1 of each training sample, (n_samples, n_hidden): what the post calls the hidden vectors."""
    samples = seen_samples(result)
    return samples.inputs @ result.W1.T + result.b1


def _loss_and_accuracy(
    experiment: Experiment, parameters: Parameters, samples: data.Samples | None
) -> tuple[float | None, float | None]:
    if samples is None:
        return None, None
    weights, importance = complete(experiment, parameters), data.importance(experiment)
    total, right, counted = 0.0, 0, 0
    for start in range(0, len(samples.X), ROWS):
        part = data.Samples(*(values[start : start + ROWS] for values in samples))
        flow = forward(experiment.arch_row, weights, part.inputs)
        if experiment.task_row.loss == "mse":
            losses = metrics.mse(flow.output, part.targets, importance)
        else:
            losses = metrics.cross_entropy(flow.output, part.targets)
        total += float(losses.sum(dtype=np.float64))
        has_target = part.targets.any(axis=1)
        right += int((metrics.right(flow.output, part.targets) & has_target).sum())
        counted += int(has_target.sum())
    return total / len(samples.X), right / counted if counted else None
