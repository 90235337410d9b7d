"""How networks and data lie in memory: parameters in one flat padded array, sparse features by rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from toyviz.experiment import Experiment
from toyviz.model import Parameters, initial_parameters
from toyviz.train.fused.optimizers import coefficients
from toyviz.train.fused.simd import LANES, padded

WIDE = 2 * LANES  # what the kernels take at a time


def apart(size: int) -> int:
    """How far apart rows of that many floats begin: whole vectors, two at least.

    Not a multiple of 512 bytes, since such rows fight for the same places in the first-level cache.
    """
    length = max(padded(size), WIDE)
    return length + LANES if length % 128 == 0 else length


def zeros(size: int) -> np.ndarray:
    """So many floats, (size,) float32, from where a line of the cache begins: no vector then lies in two lines."""
    room = np.zeros(size + 16, np.float32)
    first = -room.ctypes.data % 64 // 4
    return room[first : first + size]


class Rows(NamedTuple):
    """A sparse matrix by rows: row t holds value[e] at column[e] for e in start[t] ... start[t + 1] - 1."""

    start: np.ndarray
    column: np.ndarray
    value: np.ndarray


def rows(matrix: np.ndarray) -> Rows:
    """The numbers of a matrix that are not zero."""
    at, column = np.nonzero(matrix)
    return Rows(
        _starts(np.bincount(at, minlength=len(matrix))),
        column.astype(np.uint32),
        np.ascontiguousarray(matrix[at, column], dtype=np.float32),
    )


def joined(matrices: Sequence[Rows]) -> Rows:
    """The rows of several sparse matrices, one below the other."""
    lengths = np.concatenate([np.diff(each.start) for each in matrices])
    column, value = (np.concatenate([each[k] for each in matrices]) for k in (1, 2))
    return Rows(_starts(lengths), column, value)


def rearranged(matrix: Rows, order: np.ndarray) -> Rows:
    """The rows of a sparse matrix in this order."""
    start = _starts(np.diff(matrix.start)[order])
    at = np.arange(start[-1]) + np.repeat(matrix.start[order] - start[:-1], np.diff(start))
    return Rows(start, matrix.column[at], matrix.value[at])


def dense(matrix: Rows, first: int, last: int, width: int) -> np.ndarray:
    """Rows first ... last - 1 of a sparse matrix with their zeros, (last - first, width) float32."""
    start, column, value = matrix
    found = np.zeros((last - first, width), np.float32)
    there = slice(start[first], start[last])
    found[np.repeat(np.arange(last - first), np.diff(start[first : last + 1])), column[there]] = value[there]
    return found


def _starts(lengths: np.ndarray) -> np.ndarray:
    return np.append(0, np.cumsum(lengths, dtype=np.int64))


class Flat:
    """The parameters of a network in one array, each matrix padded with zeros, so that one loop updates them all.

    W1 and W2.T are kept by rows of hidden units; with units_inside, W1.T and W2 by rows of inputs and outputs. A tied
    network has one matrix for both, and so one gradient. Room for a bias that the network does not have stays zero.
    """

    def __init__(self, experiment: Experiment, units_inside: bool = False) -> None:
        units = padded(experiment.n_hidden, WIDE if units_inside else 2)
        shapes: dict[str, tuple[int, ...]] = {
            "b1": (padded(experiment.n_hidden, WIDE),),
            "b2": (apart(experiment.n_outputs),),
        }
        for name, size in (("W1", experiment.n_inputs), ("W2", experiment.n_outputs)):
            shapes[name] = (size, units) if units_inside else (units, apart(size))
        if experiment.arch_row.tied:
            del shapes["W2"]
        sizes = [padded(int(np.prod(shape))) for shape in shapes.values()]
        self.start = {name: sum(sizes[:i]) for i, name in enumerate(shapes)}  # where each begins
        self.start.setdefault("W2", self.start["W1"])
        self.parameters = zeros(sum(sizes))
        self.views = {}
        for name, values in initial_parameters(experiment).items():
            whole = self.parameters[self.start[name] :][: int(np.prod(shapes[name]))].reshape(shapes[name])
            view = whole.T if name == ("W1" if units_inside else "W2") else whole
            self.views[name] = view[tuple(slice(length) for length in values.shape)]
            self.views[name][...] = values

    def unpacked(self) -> Parameters:
        """A copy of the trained parameters in their own shapes."""
        return {name: np.array(view, order="C") for name, view in self.views.items()}


def in_training(experiment: Experiment, flat: Flat) -> dict[str, Any]:
    """What every kernel works on: the switches, where each parameter begins, all of them, their moments and rates."""
    parameters = flat.parameters
    return {
        "hidden_relu": experiment.arch_row.hidden_relu,
        "hidden_bias": experiment.arch_row.hidden_bias,
        "adamw": experiment.optimizer == "adamw",
        "W1": flat.start["W1"],
        "b1": flat.start["b1"],
        "V": flat.start["W2"],
        "b2": flat.start["b2"],
        "parameters": parameters,
        "gradient": zeros(parameters.size),
        "first": zeros(parameters.size),
        "second": zeros(parameters.size),
        "coefficients": coefficients(experiment),
    }
