"""How networks and data lie in memory: parameters in one flat padded array, sparse features by rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from toyviz.experiment import Experiment
from toyviz.model import Parameters, initial_parameters
from toyviz.train.fused.simd import LANES, padded

WIDE = 2 * LANES  # what rows of the parameters are padded to


class Rows(NamedTuple):
    """A sparse matrix by rows: row t holds value[e] at column[e] for e in start[t] ... start[t + 1] - 1."""

    start: np.ndarray
    column: np.ndarray
    value: np.ndarray


def rows(matrix: np.ndarray) -> Rows:
    """The numbers of a matrix that are not zero."""
    at, column = np.nonzero(matrix)
    start = np.zeros(len(matrix) + 1, np.int64)
    np.cumsum(np.bincount(at, minlength=len(matrix)), out=start[1:])
    return Rows(start, column.astype(np.uint32), np.ascontiguousarray(matrix[at, column], dtype=np.float32))


class Flat:
    """The parameters of a network in one array: W1 and V = W2.T by rows of hidden units, padded with zeros.

    A tied network has one matrix for both, and so one gradient. A network without a hidden bias has room for it that
    is never read back.
    """

    def __init__(self, experiment: Experiment) -> None:
        m = padded(experiment.n_hidden, 2)
        tied = experiment.arch_row.tied
        shapes = {
            "W1": (m, padded(experiment.n_inputs, WIDE)),
            "b1": (padded(experiment.n_hidden),),
            "V": (m, padded(experiment.n_outputs, WIDE)),
            "b2": (padded(experiment.n_outputs, WIDE),),
        }
        if tied:
            del shapes["V"]
        self.start, size = {}, 0
        for name, shape in shapes.items():
            self.start[name] = size
            size += padded(int(np.prod(shape)))
        if tied:
            self.start["V"] = self.start["W1"]
        self.parameters = np.zeros(size, np.float32)
        self.views = {}
        initial = initial_parameters(experiment)
        for name, values in initial.items():
            stored = "V" if name == "W2" else name
            shape = shapes[stored]
            view = self.parameters[self.start[stored] :][: int(np.prod(shape))].reshape(shape)
            view = view[tuple(slice(length) for length in (values.T if name == "W2" else values).shape)]
            self.views[name] = view.T if name == "W2" else view
            self.views[name][...] = values

    def unpacked(self) -> Parameters:
        """A copy of the trained parameters in their own shapes."""
        return {name: np.ascontiguousarray(view).copy() for name, view in self.views.items()}
