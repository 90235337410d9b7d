"""What a machine could do at best: its multiply-adds a second, and those that a step needs."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from toyviz.experiment import Experiment
from toyviz.train.fused.compiled import kernel
from toyviz.train.fused.simd import LANES, add, fma, splat, total


def seconds(work: Callable[..., object], *values: int) -> float:
    """Processor time of a call, so that whoever else uses the machine counts less."""
    began = time.process_time()
    work(*values)
    return time.process_time() - began


def peak(rounds: int = 2_000_000) -> float:
    """Multiply-adds a second that one core can do here, the best of five."""
    _multiply_add(1)
    return 10 * LANES * rounds / min(seconds(_multiply_add, rounds) for _ in range(5))


@kernel
def _multiply_add(rounds):
    """Ten chains of multiply-adds that never leave the registers: two units of four cycles each are busy with eight,
    and with what they are multiplied by and what is added they fit into the sixteen registers of AVX2."""
    a, c = splat(np.float32(0.999)), splat(np.float32(1e-3))
    x0 = x1 = x2 = x3 = x4 = x5 = x6 = x7 = x8 = x9 = splat(np.float32(rounds))
    for _ in range(rounds):
        x0, x1, x2, x3, x4 = fma(x0, a, c), fma(x1, a, c), fma(x2, a, c), fma(x3, a, c), fma(x4, a, c)
        x5, x6, x7, x8, x9 = fma(x5, a, c), fma(x6, a, c), fma(x7, a, c), fma(x8, a, c), fma(x9, a, c)
    return total(add(add(add(x0, x1), add(x2, x3)), add(add(x4, x5), add(add(x6, x7), add(x8, x9)))))


# ---- multiply-adds of a step


def dense(experiment: Experiment) -> float:
    """Output, its square, and the gradients of W2 and h: 3 m + 1 a cell; four times m for each number of X."""
    cells, m = (experiment.training_size or 0) * experiment.n_outputs, experiment.n_hidden
    return cells * (3 * m + 1) + 4 * m * _entries(experiment)


def softmax(experiment: Experiment) -> float:
    """As dense, and about eight for an exponential."""
    return dense(experiment) + 8 * (experiment.training_size or 0) * experiment.n_outputs


def gram(experiment: Experiment) -> float:
    """W2^T W2, the sum of h h^T, and each times what it meets; four times m for each number of X."""
    m, rows = experiment.n_hidden, (experiment.training_size or 0) + experiment.n_outputs
    return 2 * rows * m**2 + 4 * m * _entries(experiment)


def fresh(experiment: Experiment) -> float:
    """Five m a cell, without drawing it."""
    return 5 * experiment.n_hidden * experiment.batch_size * experiment.n_features


def fish(experiment: Experiment) -> float:
    """The cheaper of the two ways for the outputs, and the projection there and back."""
    T, H, B = experiment.training_size or 0, experiment.n_hidden, experiment.n_inputs
    sums, samples = 1.5 * H**2 * (T + experiment.n_outputs), 3 * T * H * experiment.n_outputs
    outputs = min(sums, samples) if experiment.task_row.target == "features" else samples
    return outputs + 2 * experiment.n_features * B * H + 2 * H * _entries(experiment)


def _entries(experiment: Experiment) -> float:
    return (experiment.training_size or 0) * experiment.n_features * experiment.feature_probability
