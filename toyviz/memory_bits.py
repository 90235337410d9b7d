"""How many bits about its training set a network holds: what it saves in coding that set. NumPy only."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from toyviz import data, metrics, tables, theory
from toyviz.experiment import Experiment
from toyviz.model import forward, shapes
from toyviz.result import Result

SIGMA = 0.1  # the constant codes a sample of about ten active features of a thousand in 72 bits; which ten takes 81
REACHED = 0.9  # a share of the most bits per parameter: from the first T on that has it, a network is full
COLUMNS = ("n_samples", "seed", "bits", "per_parameter", "most")


def code_lengths(squared_errors: np.ndarray, sigma: float) -> np.ndarray:
    """|x - x'|^2 / (2 sigma^2 ln 2), in bits: the length of each sample's code with Gaussian noise of this sigma around
    the outputs x', without what the precision and sigma add to every code alike.

    squared_errors: |x - x'|^2 of each sample, (T,). Raises ValueError unless sigma is positive.
    """
    if not sigma > 0:
        raise ValueError(f"sigma must be positive; got {sigma}")
    return np.asarray(squared_errors, np.float64) / (2 * sigma**2 * math.log(2))


def bits_held(own: np.ndarray, other: np.ndarray, constant: np.ndarray, sigma: float) -> float:
    """sum_t min(L_B, L_c) - min(L_A, L_c), in bits: what network A saves in coding its training set, over B.

    own, other, constant: squared errors |x - x'|^2 of A, of B, which saw another set, and of the best constant output
    on the samples of A, (T,) each. L is code_lengths. Sample by sample either coder may ignore its network and take
    the constant; one bit a sample says which, in both codes, and cancels.
    """
    of_other = code_lengths(np.minimum(other, constant), sigma)
    return float((of_other - code_lengths(np.minimum(own, constant), sigma)).sum())


def parameter_count(experiment: Experiment) -> int:
    """How many numbers are trained: n m + n for the bottleneck, 2 n m + m + n for the MLP block."""
    return sum(math.prod(shape) for shape in shapes(experiment).values())


@tables.by_key
def squared_errors(own: Result, other: Result) -> np.ndarray:
    """|x - x'|^2 on each training sample of the first network, (3, T): its own, of the other network, of the constant.

    The constant is E[x_i] in every output, known before any set is seen. Not to be changed: it is kept. Raises
    ValueError for networks that do not give back sparse features of one size from a fixed set.
    """
    e = own.experiment
    if e.fresh or e.data != "sparse" or e.task != "autoencode":
        raise ValueError(f"task {e.task!r} on data {e.data!r} has no fixed set of sparse features to give back")
    constant = theory.expected_feature(e.with_(n_samples=1, n_hidden=2, seed=0))
    errors, start = np.empty((3, e.training_size or 0)), 0
    for X, *_ in data.parts(data.training_set(e)):
        there = slice(start, start + len(X))
        for row, result in enumerate((own, other)):
            output = forward(result.experiment.arch_row, result.complete(), X).output
            errors[row, there] = metrics.mse(output, X)
        errors[2, there] = ((X.astype(np.float64) - constant) ** 2).sum(axis=1)
        start += len(X)
    errors.flags.writeable = False
    return errors


def over_sizes(results: Iterable[Result], seeds: Sequence[int], sigma: float) -> pd.DataFrame:
    """The bits that each network of a sweep over T holds, against the network of the same T and the next of the seeds.

    After the last seed comes the first. One row a network whose other one is trained too, by T and seed, with COLUMNS:
    bits; per_parameter; most, what it would hold per parameter if it gave back its whole set, sum_t L_c. Raises
    ValueError for fewer than two seeds, which leave no other set.
    """
    order = sorted(set(seeds))
    if len(order) < 2:
        raise ValueError(f"seeds must be at least 2: a network is held against one that saw another set; got {order}")
    following = dict(zip(order, [*order[1:], order[0]], strict=True))
    by_cell = {(r.experiment.n_samples, r.experiment.seed): r for r in results if r.experiment.seed in following}
    rows = []
    for (T, seed), own in sorted(by_cell.items(), key=lambda each: each[0]):
        if other := by_cell.get((T, following[seed])):
            errors, count = squared_errors(own, other), parameter_count(own.experiment)
            bits = bits_held(errors[0], errors[1], errors[2], sigma)
            most = float(code_lengths(errors[2], sigma).sum())
            rows.append((T, seed, bits, bits / count, most / count))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def full_from(sizes: Sequence[int], per_parameter: Sequence[float]) -> int | None:
    """The smallest T at which the bits per parameter reach REACHED of their maximum over all T; None where none holds
    any. sizes ascending, one number each."""
    highest = max(per_parameter, default=0.0)
    if highest <= 0:
        return None
    return next(T for T, value in zip(sizes, per_parameter, strict=True) if value >= REACHED * highest)
