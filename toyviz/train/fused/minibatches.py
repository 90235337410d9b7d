"""Minibatches of a fixed training set with a softmax on the output: the kernel of `fixed`, on a few samples a step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from toyviz import data
from toyviz.experiment import Experiment
from toyviz.train.fused import fixed
from toyviz.train.fused.compiled import kernel, part
from toyviz.train.fused.simd import padded
from toyviz.train.fused.storage import Flat, Rows, rows

NOBODY = -1  # in place of a sample, at the end of an epoch


class Network(NamedTuple):
    """The network of `fixed` with room for one batch, and the whole training set."""

    experiment: Experiment
    batch: fixed.Network
    inputs: Rows  # of the training set; columns count through `batch.used`
    targets: Rows
    weights: np.ndarray  # (n_samples,) sum of each target


def network(experiment: Experiment, flat: Flat) -> Network:
    """The experiment made ready for `advance`."""
    samples, size = data.training_samples(experiment), experiment.step_size
    whole = fixed.network(experiment, flat)
    inputs, targets = rows(samples.inputs[:, whole.used]), rows(samples.targets)
    padded_size = padded(size, 4)
    batch = whole._replace(
        n_samples=size,
        inputs=_room(inputs, size),
        targets=_room(targets, size),
        weights=np.zeros(padded_size, np.float32),
        gradient_scale=np.full(whole.n_outputs, np.float32(1 / size)),
        hidden_scale=np.float32(np.log(2) / size),
        hidden=np.zeros(padded_size * whole.row, np.float32),
        hidden_gradient=np.zeros(padded_size * whole.row, np.float32),
    )
    return Network(experiment, batch, inputs, targets, samples.targets.sum(axis=1))


def _room(every: Rows, size: int) -> Rows:
    """Room for any `size` of these rows."""
    entries = int(np.sort(np.diff(every.start))[-size:].sum())
    return Rows(np.zeros(size + 1, np.int64), np.zeros(entries, np.uint32), np.zeros(entries, np.float32))


def advance(network: Network, first: int, last: int, losses: np.ndarray) -> None:
    """Take steps first ... last - 1; losses receives the loss of each one's batch before it."""
    drawn = np.full((last - first, network.batch.n_samples), NOBODY)
    for step in range(first, last):
        seen = data.minibatch_rows(network.experiment, step)
        drawn[step - first, : len(seen)] = seen
    advance_drawn(network.batch, network.inputs, network.targets, network.weights, drawn, first, losses)


@kernel
def advance_drawn(batch, inputs, targets, weights, drawn, first, losses):
    """Take a step on each row of `drawn`, (steps, n_samples); losses receives the loss before each."""
    for k in range(len(drawn)):
        there = 0
        for t in range(batch.n_samples):
            there += drawn[k, t] != NOBODY
        # The gradient is linear in the targets: so a batch that is too small counts as a whole one of larger targets.
        factor = np.float32(batch.n_samples / there)
        take(inputs, drawn[k], batch.inputs, np.float32(1))
        take(targets, drawn[k], batch.targets, factor)
        for t in range(batch.n_samples):
            batch.weights[t] = 0 if drawn[k, t] == NOBODY else factor * weights[drawn[k, t]]
        fixed.advance(batch, first + k, first + k + 1, losses[k : k + 1])


@part
def take(every, drawn, to, factor):
    """Copy the drawn rows, their values times a factor; nobody has an empty one."""
    at = 0
    for t in range(drawn.size):
        if drawn[t] != NOBODY:
            for e in range(every.start[drawn[t]], every.start[drawn[t] + 1]):
                to.column[at] = every.column[e]
                to.value[at] = factor * every.value[e]
                at += 1
        to.start[t + 1] = at
