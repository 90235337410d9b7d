"""How well a network in the middle of its training does: its loss and accuracy in one pass over its outputs.

The same numbers as those of toyviz.probe.loss_and_accuracy, which is their definition, in a twentieth of the time.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from toyviz import data
from toyviz.experiment import Experiment
from toyviz.model import Parameters, complete
from toyviz.train.fused.compiled import kernel
from toyviz.train.fused.simd import (
    LANES,
    absolute,
    add,
    exp2,
    fma,
    largest,
    load,
    maximum,
    mul,
    padded,
    relu,
    splat,
    store,
    sub,
    total,
)
from toyviz.train.fused.storage import Rows, dense, joined, rows

BLOCK = 2**16  # outputs at a time: what stays in the second-level cache
LOG2_E = np.float32(math.log2(math.e))


class Prepared(NamedTuple):
    """Samples as `mark` reads them."""

    inputs: np.ndarray | Rows  # (n_samples, n_inputs): by rows where they are too many to lie in memory
    targets: Rows
    correct: np.ndarray  # (n_samples,) int64: where the largest target is, -1 for a sample without any


def prepare(samples: data.Samples | data.Blocks) -> Prepared:
    """The samples made ready for `loss_and_accuracy`."""
    if isinstance(samples, data.Samples):
        return Prepared(samples.inputs, rows(samples.targets), _correct(samples))
    inputs, targets, correct = zip(
        *((rows(part.inputs), rows(part.targets), _correct(part)) for part in samples), strict=True
    )
    return Prepared(joined(inputs), joined(targets), np.concatenate(correct))


def _correct(samples: data.Samples) -> np.ndarray:
    return np.where(samples.targets.any(axis=1), samples.targets.argmax(axis=1), -1)


def _through(inputs: np.ndarray | Rows, W1: np.ndarray) -> np.ndarray:
    """W1 x of each sample, (n_samples, n_hidden)."""
    if isinstance(inputs, np.ndarray):
        return inputs @ W1.T
    size = len(inputs.start) - 1
    ends = [(first, min(first + data.ROWS, size)) for first in range(0, size, data.ROWS)]
    return np.concatenate([dense(inputs, *each, W1.shape[1]) @ W1.T for each in ends])


def loss_and_accuracy(experiment: Experiment, parameters: Parameters, samples: Prepared) -> tuple[float, float | None]:
    """The mean loss, and the share of the samples with a target that are right; None where there is no such sample."""
    weights, arch = complete(experiment, parameters), experiment.arch_row
    size, n, width = len(samples.correct), experiment.n_outputs, padded(experiment.n_outputs)
    hidden = np.ones((size, experiment.n_hidden + 1), np.float32)  # the last is the unit that b2 belongs to
    hidden[:, :-1] = _through(samples.inputs, weights["W1"]) + weights["b1"]
    if arch.hidden_relu:
        np.maximum(hidden, 0, out=hidden)
    V = np.zeros((experiment.n_hidden + 1, width), np.float32)
    V[:-1, :n], V[-1, :n] = weights["W2"].T, weights["b2"]
    importance = np.zeros(width, np.float32)
    importance[:n] = data.importance(experiment)
    block = max(BLOCK // width, 1)
    output = np.empty((block, width), np.float32)
    softmax, loss, right = experiment.task_row.loss == "cross_entropy", 0.0, 0
    for first in range(0, size, block):
        last = min(first + block, size)
        part = np.matmul(hidden[first:last], V, out=output[: last - first]).reshape(-1)
        lost, found = mark(
            part, first, last, n, arch.output_relu, arch.output_abs, softmax, importance, samples.targets,
            samples.correct,
        )  # fmt: skip
        loss, right = loss + lost, right + found
    counted = int((samples.correct >= 0).sum())
    return loss / size, right / counted if counted else None


def compile() -> None:
    """Compile what measures frames, or load it from its cache on disk."""
    samples = Prepared(np.zeros((1, 1), np.float32), rows(np.ones((1, 1))), np.zeros(1, np.int64))
    mark(
        np.zeros(LANES, np.float32), 0, 1, 1, True, False, False, np.zeros(LANES, np.float32), samples.targets,
        samples.correct,
    )  # fmt: skip


@kernel
def mark(output, first, last, n, output_relu, output_abs, softmax, importance, targets, correct):
    """The summed loss and the number that are right of samples first ... last - 1; their outputs are overwritten."""
    width, nothing = importance.size, np.float32(-np.inf)
    loss, right = 0.0, 0
    for t in range(first, last):
        at, c = (t - first) * width, correct[t]
        if output_relu:
            for i in range(at, at + width, LANES):
                store(output, i, relu(load(output, i)))
        if output_abs:
            for i in range(at, at + width, LANES):
                store(output, i, absolute(load(output, i)))
        output[at + n : at + width] = nothing
        own, others = nothing, splat(nothing)
        if c >= 0:
            own = output[at + c]
            output[at + c] = nothing
        for i in range(at, at + width, LANES):
            others = maximum(load(output, i), others)
        most = largest(others)
        if c >= 0:
            output[at + c] = own
            right += own > most
        if softmax:
            top = max(own, most)
            exponentials = splat(np.float32(0))
            for i in range(at, at + width, LANES):
                power = mul(sub(load(output, i), splat(top)), splat(LOG2_E))
                exponentials = add(exponentials, exp2(power))
            log_sum = top + math.log(total(exponentials))
            for e in range(targets.start[t], targets.start[t + 1]):
                loss += targets.value[e] * (log_sum - output[at + targets.column[e]])
        else:
            output[at + n : at + width] = 0
            for e in range(targets.start[t], targets.start[t + 1]):
                output[at + targets.column[e]] -= targets.value[e]
            squares = splat(np.float32(0))
            for i in range(0, width, LANES):
                error = load(output, at + i)
                squares = fma(mul(error, load(importance, i)), error, squares)
            loss += total(squares)
    return loss, right
