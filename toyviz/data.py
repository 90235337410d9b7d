"""What networks are trained on: named random streams, sparse features, and what each task makes of them. NumPy only."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import lru_cache, wraps
from typing import NamedTuple, TypeVar

import numpy as np

from toyviz.experiment import Experiment

TEST_SIZE = 10_000
ROWS = 1000  # samples at a time: what stays in the processor's cache
WHOLE = 20_000_000  # numbers of a set that lie in memory together; of a larger one ROWS samples at a time

Worked = TypeVar("Worked")


def worked_out_once(maxsize: int) -> Callable[[Callable[..., Worked]], Callable[..., Worked]]:
    """Keep what a function of an experiment has worked out, the newest maxsize of it; one thread at a time works.

    With a plain cache thirty pages that open at once would each draw the same samples, and hold them.
    """

    def decorate(function: Callable[..., Worked]) -> Callable[..., Worked]:
        kept, working = lru_cache(maxsize)(function), threading.Lock()

        @wraps(function)
        def ask(*arguments: object) -> Worked:
            with working:
                return kept(*arguments)

        return ask

    return decorate


class Samples(NamedTuple):
    """Samples as a network meets them; all float32."""

    X: np.ndarray  # (n_samples, n_features): the features themselves
    inputs: np.ndarray  # (n_samples, n_inputs)
    targets: (
        np.ndarray
    )  # (n_samples, n_outputs); for cross-entropy one weight a class, a zero row where nothing is active


class Blocks:
    """Samples that are too many to lie in memory: drawn anew, ROWS at a time, whenever one goes through them."""

    def __init__(self, experiment: Experiment, seed: int, name: str, size: int) -> None:
        self.experiment, self.seed, self.name, self.size = experiment, seed, name, size

    def __iter__(self) -> Iterator[Samples]:
        """The next ROWS of the samples, those that the whole set has there, bit by bit."""
        for X in _sparse_blocks(self.experiment, stream(self.seed, self.name), self.size):
            yield samples(self.experiment, X)

    def __len__(self) -> int:
        """How many samples there are."""
        return self.size


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream of that name: using one never disturbs another."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def training_samples(experiment: Experiment) -> Samples:
    """The fixed training set of T samples. Raises ValueError for an experiment on fresh batches."""
    if experiment.fresh:
        raise ValueError("n_samples is None: this experiment draws fresh batches and has no training set")
    return samples(experiment, training_features(experiment))


def training_set(experiment: Experiment) -> Samples | Blocks:
    """The fixed training set, to go through by parts(): whole where it has at most WHOLE features in all.

    Raises ValueError for an experiment on fresh batches.
    """
    size = experiment.n_samples or 0
    if _lies_whole(experiment, size):
        return training_samples(experiment)
    return Blocks(experiment, _data_seed(experiment), "data", size)


def held_out_set(experiment: Experiment, size: int = TEST_SIZE) -> Samples | Blocks | None:
    """held_out_samples() to go through by parts(): whole where they have at most WHOLE features in all."""
    if _lies_whole(experiment, size):
        return held_out_samples(experiment, size)
    return Blocks(experiment, 0, "test", size)


def parts(drawn: Samples | Blocks) -> Iterator[Samples]:
    """Go through samples ROWS at a time."""
    if isinstance(drawn, Blocks):
        yield from drawn
        return
    for start in range(0, len(drawn.X), ROWS):
        yield Samples(*(values[start : start + ROWS] for values in drawn))


def ever_active(drawn: Samples | Blocks) -> np.ndarray:
    """Which features are active in any of the samples, (n_features,) bool."""
    active: np.ndarray = np.any([part.X.any(axis=0) for part in parts(drawn)], axis=0)
    return active


def training_features(experiment: Experiment) -> np.ndarray:
    """X of the training set, (T, n_features): sparse uniform features, one-hots, or e1, -e1, e2, -e2, ..."""
    if not experiment.data_row.drawn:
        eye = np.eye(experiment.n_features, dtype=np.float32)
        return eye if experiment.data == "one_hot" else np.stack([eye, -eye], axis=1).reshape(-1, experiment.n_features)
    return _sparse_features(experiment, stream(_data_seed(experiment), "data"), experiment.n_samples or 0)


def minibatch_rows(experiment: Experiment, step: int) -> np.ndarray:
    """Which training samples step 0, 1, ... sees, (minibatch,) int; fewer at the end of an epoch that is no multiple.

    Epoch e = step // ceil(T / minibatch) goes through the permutation of 0 ... T - 1 that the stream "minibatches e" of
    the seed draws, so every sample is seen once an epoch, and any engine can draw any step alike. Raises ValueError
    where minibatch is None.
    """
    if experiment.minibatch is None:
        raise ValueError("minibatch is None: every step sees the whole training set")
    size, total = experiment.minibatch, experiment.training_size or 0
    epoch, place = divmod(step, -(-total // size))
    return _epoch_order(experiment.seed, total, epoch)[place * size : (place + 1) * size]


@lru_cache(maxsize=2)
def _epoch_order(seed: int, size: int, epoch: int) -> np.ndarray:
    order: np.ndarray = stream(seed, f"minibatches {epoch}").permutation(size)
    order.flags.writeable = False
    return order


def held_out_samples(experiment: Experiment, size: int = TEST_SIZE) -> Samples | None:
    """Samples from a stream that no training uses, the same for every seed; None where every input is trained on."""
    if not experiment.data_row.drawn:
        return None
    kept = ("data", "n_features", "sparsity", "normalize", "group_size")
    plain = Experiment(n_samples=1, **{name: getattr(experiment, name) for name in kept})
    return samples(experiment, _held_out_features(plain, size))


@worked_out_once(maxsize=2)  # drawing them takes longer than a small training; 40 MB each at the post's size
def _held_out_features(experiment: Experiment, size: int) -> np.ndarray:
    X = _sparse_features(experiment, stream(0, "test"), size)
    X.flags.writeable = False
    return X


def fresh_batch(experiment: Experiment, step: int) -> np.ndarray:
    """X of the batch of one step, (batch_size, n_features).

    Cell i of the whole run is SplitMix64's i-th number from a start that the seed decides: its upper 40 bits say
    whether the feature is active, its lower 24 bits are the value. So any engine can draw any batch alike. Where
    features are in groups, the upper bits of the group's first feature, u, decide for all of it: all are active where
    u is below (1 - S) 2^40; or the k-th is, from k = 0, where u is that far above k (1 - S) 2^40.
    """
    cells = experiment.batch_size * experiment.n_features
    z = batch_start(experiment) + (np.arange(1, cells + 1, dtype=np.uint64) + np.uint64(step * cells)) * np.uint64(
        0x9E3779B97F4A7C15
    )
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    below, chances = np.uint64(active_below(experiment)), (z >> np.uint64(24)).reshape(-1, experiment.n_features)
    if experiment.data_row.grouped:
        chances = np.repeat(chances[:, :: experiment.group_size], experiment.group_size, axis=1)
    if experiment.data_row.grouped == "one":
        chances = chances - place_in_group(experiment).astype(np.uint64) * below  # what is too low goes far beyond
    values = (z & np.uint64(0xFFFFFF)).astype(np.float32) * np.float32(2.0**-24)
    X = np.where(chances < below, values.reshape(chances.shape), np.float32(0))
    return unit_rows(X) if experiment.normalize else X


def batch_start(experiment: Experiment) -> np.uint64:
    """Where SplitMix64 starts for the fresh batches of this seed."""
    return np.uint64(stream(_data_seed(experiment), "batches").integers(0, 2**64, dtype=np.uint64))


def active_below(experiment: Experiment) -> int:
    """A 40-bit number below this is an active feature: (1 - S) 2^40."""
    return round(experiment.feature_probability * 2**40)


def place_in_group(experiment: Experiment) -> np.ndarray:
    """0, 1, ..., group_size - 1, 0, 1, ...: which of its group each feature is, (n_features,)."""
    return np.arange(experiment.n_features) % experiment.group_size


def samples(experiment: Experiment, X: np.ndarray) -> Samples:
    """The features X, (n_samples, n_features), with the inputs and targets that the task makes of them."""
    task = experiment.task_row
    inputs = X @ embedding(experiment) if task.embedded else X
    if task.target == "label":
        targets = _one_hot_labels(experiment, X)
    elif task.target == "shares":
        targets = shares(X)
    elif task.target == "reembedded":
        targets = X @ target_embedding(experiment)
    else:
        targets = {"features": X, "input": inputs}[task.target]
    return Samples(X, inputs, targets)


def embedding(experiment: Experiment) -> np.ndarray:
    """E, (n_features, n_embed): the fixed random projection of the inputs, N(0, 1) each, never trained."""
    return _gaussian(experiment, "embedding")


def target_embedding(experiment: Experiment) -> np.ndarray:
    """E', (n_features, n_embed): the second projection, which the re-projector has to reach."""
    return _gaussian(experiment, "target embedding")


def importance(experiment: Experiment) -> np.ndarray:
    """How much each output weighs in the loss, (n_outputs,): decay ** i."""
    decay = np.float64(np.float32(experiment.importance_decay))  # NumPy's power of float32 rounds by the processor
    return (decay ** np.arange(experiment.n_outputs)).astype(np.float32)


def unit_rows(X: np.ndarray) -> np.ndarray:
    """Each row over its length; a row of zeros stays one."""
    lengths = np.linalg.norm(X, axis=1, keepdims=True)
    return X / np.where(lengths == 0, 1, lengths)


def shares(X: np.ndarray) -> np.ndarray:
    """Each row over its sum, x / sum_i x_i, (n_samples, n_features); a row of zeros stays one."""
    sums = X.sum(axis=1, keepdims=True)
    return X / np.where(sums == 0, 1, sums)


def _data_seed(experiment: Experiment) -> int:
    return experiment.seed if experiment.data_seed is None else experiment.data_seed


def _gaussian(experiment: Experiment, name: str) -> np.ndarray:
    shape = (experiment.n_features, experiment.n_inputs)
    return stream(_data_seed(experiment), name).standard_normal(shape, dtype=np.float32)


def _sparse_features(experiment: Experiment, rng: np.random.Generator, size: int) -> np.ndarray:
    X = rng.random((size, experiment.n_features), dtype=np.float32)
    X[_inactive(experiment, rng, size)] = 0
    return unit_rows(X) if experiment.normalize else X


def _sparse_blocks(experiment: Experiment, rng: np.random.Generator, size: int) -> Iterator[np.ndarray]:
    """The rows of _sparse_features, ROWS at a time.

    The numbers that decide what is active come after all values in the stream: a second generator begins there. Two
    values of float32 are made of one number of the stream, so after an odd count of them half of one is left over.
    """
    cells, decides = size * experiment.n_features, deepcopy(rng)
    decides.bit_generator.advance(cells // 2)  # type: ignore[attr-defined]
    decides.random(cells % 2, dtype=np.float32)
    for start in range(0, size, ROWS):
        X = rng.random((min(ROWS, size - start), experiment.n_features), dtype=np.float32)
        X[decides.random(X.shape, dtype=np.float32) < experiment.sparsity] = 0
        yield unit_rows(X) if experiment.normalize else X


def _lies_whole(experiment: Experiment, size: int) -> bool:
    """Whether so many samples are drawn at once. Those behind a projection are: a matrix product of parts would round
    otherwise."""
    blocks = experiment.data == "sparse" and not experiment.task_row.embedded
    return not blocks or size * experiment.n_features <= WHOLE


def _inactive(experiment: Experiment, rng: np.random.Generator, size: int) -> np.ndarray:
    """Which features of so many samples are zero, (size, n_features); of groups one number decides for all features."""
    p, n = experiment.feature_probability, experiment.n_features
    if experiment.data_row.grouped is None:
        return rng.random((size, n), dtype=np.float32) < experiment.sparsity
    u = np.repeat(rng.random((size, n // experiment.group_size)), experiment.group_size, axis=1)
    if experiment.data_row.grouped == "all":
        return u >= p
    first = place_in_group(experiment) * p
    return (u < first) | (u >= first + p)


def _one_hot_labels(experiment: Experiment, X: np.ndarray) -> np.ndarray:
    targets = np.zeros((len(X), experiment.n_outputs), dtype=np.float32)
    if experiment.data == "antipodal":
        np.fill_diagonal(targets, 1)
    else:
        rows = np.flatnonzero(X.any(axis=1))
        targets[rows, X[rows].argmax(axis=1)] = 1
    return targets
