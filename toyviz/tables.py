"""Results as data frames, one row each, and what is read off a sweep. What costs time is kept by the result's key."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from toyviz import metrics, probe
from toyviz.experiment import FIELD_NAMES
from toyviz.model import Parameters
from toyviz.result import Result

KEPT = 1024  # results whose derived arrays stay in memory
BIG = 0.15  # a feature with more dimensionality than this stands out
RISEN = 1.05  # a test loss this many times that of the output 0 is on the bump
REPRESENTED = 0.5  # a column of W1 longer than this stands for its feature

COLUMNS = (
    *("key", *FIELD_NAMES, "density", "train_loss", "test_loss", "train_accuracy", "test_accuracy"),
    *("weight_norm", "bias_norm", "big_features", "represented", "superposition", "engine", "seconds"),
)

Value = TypeVar("Value")


def by_key(function: Callable[[Result], Value]) -> Callable[[Result], Value]:
    """Remember what this function made of a result, by the result's key. What it returns must not be changed."""
    kept: OrderedDict[str, Value] = OrderedDict()
    lock = threading.Lock()

    @functools.wraps(function)
    def remembered(result: Result) -> Value:
        key = result.experiment.key
        with lock:
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        value = function(result)
        with lock:
            kept[key] = value
            while len(kept) > KEPT:
                kept.popitem(last=False)
        return value

    return remembered


class Vectors(NamedTuple):
    """What a network makes of its features and of its training samples, in the plane where it is drawn."""

    features: np.ndarray  # (n, 2): the columns of W1
    samples: np.ndarray  # (T, 2): the hidden vectors
    feature_dimensionality: np.ndarray  # (n,)
    sample_dimensionality: np.ndarray  # (T,)
    feature_norms: np.ndarray  # (n,)
    sample_norms: np.ndarray  # (T,)


@by_key
def vectors(result: Result) -> Vectors:
    """Columns of W1 and hidden vectors at the end of the training."""
    return _vectors(result, result.complete())


def vectors_at(result: Result, frame: int) -> Vectors:
    """The same as they were at frame_steps[frame], drawn along the same directions."""
    if frame == len(result.frame_steps) - 1:
        return vectors(result)
    return _vectors(result, result.frame(frame))


def _vectors(result: Result, parameters: Parameters) -> Vectors:
    columns = parameters["W1"].T
    hidden = probe.seen_samples(result).inputs @ columns + parameters["b1"]
    basis = plane(result.W1)
    arrays = (
        columns @ basis,
        hidden @ basis,
        metrics.dimensionality(columns),
        metrics.dimensionality(hidden),
        metrics.norms(columns),
        metrics.norms(hidden),
    )
    for values in arrays:
        values.flags.writeable = False
    return Vectors(*arrays)


def plane(W1: np.ndarray) -> np.ndarray:
    """The two directions along which a network with this W1, (m, n), is drawn, (m, 2).

    Its own two for m = 2, else the first two left singular vectors of W1, each with its largest entry positive.
    """
    m = len(W1)
    if m <= 2:
        return np.eye(m, 2, dtype=W1.dtype)
    basis = np.linalg.svd(W1.astype(np.float64), full_matrices=False)[0][:, :2]
    largest = basis[np.abs(basis).argmax(axis=0), [0, 1]]
    return (basis * np.sign(largest)).astype(W1.dtype)


@by_key
def _row(result: Result) -> dict[str, object]:
    columns = metrics.norms(result.W1.T)
    represented = columns > REPRESENTED
    shared = metrics.superposition(result.W1.T)
    return {
        "key": result.experiment.key,
        **asdict(result.experiment),
        "density": round(result.experiment.feature_probability, 9),
        **result.metrics,
        "weight_norm": float(np.linalg.norm(result.W1)),
        "bias_norm": float(np.linalg.norm(result.b2)),
        "big_features": int((metrics.dimensionality(result.W1.T) >= BIG).sum()),
        "represented": int(represented.sum()),
        "superposition": float(shared[represented].mean()) if represented.any() else 0.0,
        "engine": result.provenance.get("engine"),
        "seconds": result.provenance.get("seconds"),
    }


def runs(results: Iterable[Result]) -> pd.DataFrame:
    """One row a result: its key, every field of its experiment, its metrics, and what is read off its weights.

    weight_norm |W1|_F; bias_norm |b2|; big_features: features with dimensionality of at least BIG; represented:
    features whose column is longer than REPRESENTED; superposition: its mean over these.
    """
    return pd.DataFrame([_row(result) for result in results], columns=list(COLUMNS))


class Descent(NamedTuple):
    """What a sweep over T shows."""

    peak: tuple[int, float] | None  # T and mean test loss of the bump's top; None where there is none
    regimes: pd.DataFrame  # low, high (in T), name


def descent(table: pd.DataFrame, zero_loss: float, n_hidden: int) -> Descent:
    """The peak of the mean test loss over seeds, and the regimes, read off the runs of a sweep over T.

    Generalising: from the first T on at which, on average over seeds, at least 2m features stand out (dimensionality
    of at least BIG). In between: around the peak, where the test loss is above RISEN times that of the output 0.
    Memorising: before. A peak needs a lower mean test loss on both sides. Borders lie half-way between sizes of T, on
    the logarithmic axis. zero_loss: the test loss of the output 0.
    """
    nothing = pd.DataFrame(columns=["low", "high", "name"])
    if not len(table):
        return Descent(None, nothing)
    each, losses, big = (table[name].to_numpy(float) for name in ("n_samples", "test_loss", "big_features"))
    sizes = np.unique(each)
    loss = np.array([losses[each == size].mean() for size in sizes])
    generalising = np.flatnonzero([big[each == size].mean() >= 2 * n_hidden for size in sizes])
    start = int(generalising[0]) if len(generalising) else len(sizes)
    top = int(np.argmax(loss[:start])) if start else 0
    risen = loss > RISEN * zero_loss
    is_peak = 0 < top < len(sizes) - 1 and risen[top] and start > 0
    first = top
    while first > 0 and risen[first - 1]:
        first -= 1
    names = [
        "generalising" if k >= start else "in between" if is_peak and k >= first else "memorising"
        for k in range(len(sizes))
    ]
    if not is_peak and start == len(sizes):
        return Descent(None, nothing)
    edges = [sizes[0] / 1.25, *np.sqrt(sizes[:-1] * sizes[1:].astype(float)), sizes[-1] * 1.25]
    rows = [
        {"low": edges[names.index(name)], "high": edges[len(names) - names[::-1].index(name)], "name": name}
        for name in dict.fromkeys(names)
    ]
    return Descent((int(sizes[top]), float(loss[top])) if is_peak else None, pd.DataFrame(rows))


def best_of(results: Sequence[Result]) -> Result:
    """The one with the lowest test loss: all are tested on one common batch that no seed decides."""
    return min(results, key=lambda result: float("inf" if (loss := result.metrics["test_loss"]) is None else loss))
