"""Results as data frames, one row each, and what is read off a sweep. What costs time is kept by the result's key."""

from __future__ import annotations

import functools
import itertools
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from toyviz import data, metrics, probe, theory
from toyviz.experiment import FIELD_NAMES, Experiment
from toyviz.model import Parameters, initial_parameters
from toyviz.result import Result

KEPT = 1024  # results whose derived arrays stay in memory
BIG = metrics.BIG  # a feature with at least this much dimensionality stands out
RISEN = 1.05  # a test loss this many times that of the output 0 is on the bump
FITTED = 0.02  # a train loss below this much of that of the output 0: each sample comes back

SPREAD = np.sqrt([2, 3, 5, 7, 11, 13])  # multiples of these, modulo 1, cover a cube evenly

COLUMNS = (
    *("key", *FIELD_NAMES, "density", "train_loss", "test_loss", "train_accuracy", "test_accuracy"),
    *("weight_norm", "bias_norm", "big_features", "represented", "superposition", "engine", "seconds"),
)

Value = TypeVar("Value")


def by_key(function: Callable[..., Value]) -> Callable[..., Value]:
    """Remember what this function made of one result or more, by their keys and measurements. That must not be changed.

    Another machine's network of one experiment, or one that was imported, has the same key and other measurements.
    """
    kept: OrderedDict[tuple[object, ...], Value] = OrderedDict()
    lock = threading.Lock()

    @functools.wraps(function)
    def remembered(*results: Result) -> Value:
        key = tuple((result.experiment.key, *result.metrics.items()) for result in results)
        with lock:
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        value = function(*results)
        with lock:
            kept[key] = value
            while len(kept) > KEPT:
                kept.popitem(last=False)
        return value

    return remembered


def by_result(function: Callable[[Result], Value]) -> Callable[[Result], Value]:
    """Remember what this function made of the frames of a result, for as long as that result is kept anywhere.

    What it returns must not be changed. By its key a network in training could not be told from what it becomes.
    """
    kept: weakref.WeakKeyDictionary[Result, Value] = weakref.WeakKeyDictionary()
    lock = threading.Lock()

    @functools.wraps(function)
    def remembered(result: Result) -> Value:
        with lock:
            if result in kept:
                return kept[result]
        value = function(result)
        with lock:
            kept[result] = value
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


def data_dimensionality(results: Iterable[Result], stage: str = "pre") -> pd.DataFrame:
    """The largest D_X of the training samples at the end, and their mean, a row a network: metrics.data_dimensionality.

    Columns n_samples, seed, largest, mean. stage: one of STAGES.
    """
    rows = []
    for result in results:
        shares = vectors(result, stage).sample_dimensionality
        rows.append((result.experiment.n_samples, result.experiment.seed, float(shares.max()), float(shares.mean())))
    return pd.DataFrame(rows, columns=["n_samples", "seed", "largest", "mean"])


def data_dimensionality_over_frames(result: Result, stage: str = "pre") -> np.ndarray:
    """metrics.data_dimensionality of the training samples at every frame, (f, 2): the largest and the mean."""
    inputs = probe.seen_samples(result).inputs
    measured = np.empty((len(result.frame_steps), 2))
    for f in range(len(measured)):
        parameters = result.frame(f)
        hidden = _at_stage(inputs @ parameters["W1"].T, result, parameters, stage)
        measured[f] = metrics.data_dimensionality(hidden)
    return measured


STAGES = ("pre", "bare", "after")  # of a hidden vector: W1 x + b1, W1 x, ReLU(W1 x + b1)


def vectors(result: Result, stage: str = "pre") -> Vectors:
    """Columns of W1 and hidden vectors at the end of the training; stage is one of STAGES."""
    return _KEPT_VECTORS[stage](result)


def _vectors(result: Result, parameters: Parameters, stage: str) -> Vectors:
    columns = parameters["W1"].T
    hidden = _at_stage(probe.through_W1(result), result, parameters, stage)
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


def _at_stage(hidden: np.ndarray, result: Result, parameters: Parameters, stage: str) -> np.ndarray:
    """What becomes of W1 x, (k, m), up to one of STAGES."""
    if stage != "bare":
        hidden = hidden + parameters["b1"]
    return np.maximum(hidden, 0) if stage == "after" and result.experiment.arch_row.hidden_relu else hidden


def _of_stage(stage: str) -> Callable[[Result], Vectors]:
    return by_key(lambda result: _vectors(result, result.complete(), stage))


_KEPT_VECTORS = {stage: _of_stage(stage) for stage in STAGES}


@by_key
def rank_floor(result: Result) -> float | None:
    """The least train loss that its rank allows this network, or None where its output is no linear function."""
    experiment = result.experiment
    arch = experiment.arch_row
    if arch.output_relu or arch.output_abs or experiment.task_row.loss != "mse" or experiment.fresh:
        return None
    floors = rank_floors(experiment.with_(n_hidden=1))
    return float(floors[min(experiment.n_hidden, len(floors) - 1)])


class NeverActive(NamedTuple):
    """The columns of W1 whose feature is active in no training sample: all that training does to them is decay."""

    columns: np.ndarray  # (k, m): as they are at the end
    others: np.ndarray  # (n - k, m): the columns of features that are active
    factor: float  # what is left of the start, by theory
    deviation: float  # the largest difference between a column and its start times factor, over the largest column
    squareness: float | None  # of the columns, for m = 2 and at least FEW of them


FEW = 20  # fewer points than this have no shape


@by_key
def never_active(result: Result) -> NeverActive:
    """The columns of W1 that training has left alone. Raises ValueError for a tied network, where there are none."""
    experiment = result.experiment
    if experiment.arch_row.tied:
        raise ValueError(f"arch {experiment.arch!r} is tied: its output trains every column of W1")
    active = data.ever_active(probe.seen_set(result))
    columns, start = result.W1.T[~active], initial_parameters(experiment)["W1"].T[~active]
    factor = theory.never_active_factor(experiment)
    off = np.abs(columns - factor * start).max(initial=0.0) / max(np.abs(columns).max(initial=0.0), 1e-12)
    shaped = experiment.n_hidden == 2 and len(columns) >= FEW
    square = metrics.squareness(columns) if shaped else None
    return NeverActive(columns, result.W1.T[active], factor, float(off), square)


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


class Unembedding(NamedTuple):
    """What a network with two hidden values makes of its features, samples and classes."""

    columns: np.ndarray  # (n, 2): the columns of W1
    active: np.ndarray  # (n,) bool: the feature was active in some training sample
    hidden: np.ndarray  # (T, 2): the hidden vectors
    labels: np.ndarray  # (T,) int: the correct class of each sample; -1 where nothing is active
    rows: np.ndarray  # (n_classes, 2): the rows of W2
    seen: np.ndarray  # (n_classes,) bool: the class was a target of some training sample
    biases: np.ndarray  # (n_classes,): b2


@by_key
def unembedding(result: Result) -> Unembedding:
    """Columns of W1, hidden vectors and rows of W2 at the end, and which of them the training has seen.

    Raises ValueError unless n_hidden is 2.
    """
    if result.experiment.n_hidden != 2:
        raise ValueError(f"n_hidden must be 2 for a picture of the rows of W2; got {result.experiment.n_hidden}")
    samples = probe.seen_samples(result)
    labels = np.where(samples.targets.any(axis=1), samples.targets.argmax(axis=1), -1)
    hidden = samples.inputs @ result.W1.T + result.b1
    active, seen = np.any(samples.X, axis=0), np.any(samples.targets, axis=0)
    return Unembedding(result.W1.T, active, hidden, labels, result.W2, seen, result.b2)


def logit_rows(logit: probe.LogitTerms, label: int, top: int = 5) -> pd.DataFrame:
    """The classes with the largest logits, and the correct one: their terms, sum, bias, logit and ranks."""
    total = logit.terms.sum(axis=1)
    order = list(np.argsort(-logit.logits, kind="stable")[:top])
    classes = np.array(order if label in order or label < 0 else [*order, label])
    return pd.DataFrame(
        {
            "class": classes,
            "correct": classes == label,
            "h_x W2[c, 0]": logit.terms[classes, 0],
            "h_y W2[c, 1]": logit.terms[classes, 1],
            "sum": total[classes],
            "rank of the sum": [int((total > total[c]).sum()) + 1 for c in classes],
            "b2[c]": logit.bias[classes],
            "logit": logit.logits[classes],
            "rank": [int((logit.logits > logit.logits[c]).sum()) + 1 for c in classes],
        }
    )


@by_key
def _row(result: Result) -> dict[str, object]:
    columns = metrics.norms(result.W1.T)
    represented = columns > metrics.REPRESENTED
    shared = metrics.superposition(result.W1.T)
    return {
        "key": result.experiment.key,
        **asdict(result.experiment),
        "density": result.experiment.density,
        **{name: np.nan if value is None else value for name, value in result.metrics.items()},
        "weight_norm": float(np.linalg.norm(result.W1)),
        "bias_norm": float(np.linalg.norm(result.b2)),
        "big_features": int((metrics.dimensionality(result.W1.T) >= BIG).sum()),
        "represented": int(represented.sum()),
        "superposition": float(shared[represented].mean()) if represented.any() else np.nan,
        "engine": result.provenance.get("engine"),
        "seconds": result.provenance.get("seconds"),
    }


def runs(results: Iterable[Result]) -> pd.DataFrame:
    """One row a result: its key, every field of its experiment, its metrics, and what is read off its weights.

    weight_norm |W1|_F; bias_norm |b2|; big_features: features with dimensionality of at least BIG; represented:
    features whose column is longer than metrics.REPRESENTED; superposition: its mean over these. What a network does
    not have is NaN: no train loss on fresh batches, no test loss on a list, no superposition of no features.
    """
    return pd.DataFrame([_row(result) for result in results], columns=list(COLUMNS))


def best_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Of a table of runs the one of each n_samples with the lowest train loss, the first seed of equals."""
    there = table.dropna(subset=["train_loss"]).sort_values(["n_samples", "train_loss", "seed"])
    return there.drop_duplicates("n_samples")


class Descent(NamedTuple):
    """What a sweep over T shows."""

    peak: tuple[int, float] | None  # T and mean test loss of the bump's top; None where there is none
    regimes: pd.DataFrame  # low, high (in T), name: side by side; "" between two regimes, where none holds


def descent(
    table: pd.DataFrame,
    zero_loss: float,
    n_hidden: int,
    sizes: Collection[int],
    seeds: Collection[int],
    *,
    best: bool = False,
) -> Descent:
    """The peak of the mean test loss over seeds, and the regimes, read off the runs of a sweep over T.

    A regime holds at every T on its side of a border, or it is not named. Means are over seeds, losses in those of the
    output 0, zero_loss:
    - memorising: from the smallest T on, as long as the mean train loss is below FITTED;
    - in between: around the peak, as long as the mean test loss is above RISEN;
    - generalising: at this T and at all larger ones at least 2m features stand out on average, with a dimensionality of
      at least BIG, and the mean test loss is not above RISEN.
    A peak is the highest mean test loss of all T, if it is above RISEN and neither at the smallest T nor at the
    largest. Borders lie half-way between sizes of T, on the logarithmic axis. Nothing is read off a single size, nor
    before each of these sizes has each of these seeds. best: the best of the seeds by train loss, instead of means.
    """
    nothing = Descent(None, pd.DataFrame(columns=["low", "high", "name"]))
    wanted = {(size, seed) for size in sizes for seed in seeds}
    there = set(zip(table["n_samples"], table["seed"], strict=True))
    if len(set(sizes)) < 2 or not wanted or wanted - there:
        return nothing
    runs = table[table["n_samples"].isin(list(sizes)) & table["seed"].isin(list(seeds))]
    runs = best_runs(runs) if best else runs
    means = runs.astype({"n_samples": int}).groupby("n_samples")[["train_loss", "test_loss", "big_features"]].mean()
    T, loss = means.index.to_numpy(), means["test_loss"].to_numpy(float)
    risen = loss > RISEN * zero_loss
    general = (means["big_features"].to_numpy(float) >= 2 * n_hidden) & (loss <= RISEN * zero_loss)
    stored = means["train_loss"].to_numpy(float) < FITTED * zero_loss
    top = int(np.argmax(loss))
    is_peak = bool(0 < top < len(T) - 1 and risen[top])
    names = [""] * len(T)
    for k in itertools.takewhile(lambda k: stored[k], range(len(T))):
        names[k] = "memorising"
    if is_peak:
        for way in (range(top, -1, -1), range(top, len(T))):
            for k in itertools.takewhile(lambda k: risen[k], way):
                names[k] = "in between"
    for k in itertools.takewhile(lambda k: general[k], reversed(range(len(T)))):
        names[k] = "generalising"
    return Descent((int(T[top]), float(loss[top])) if is_peak else None, _side_by_side(T, names))


def _side_by_side(sizes: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """The stretches of sizes with one name, (low, high, name), from the first that has one on."""
    edges = [sizes[0] / 1.25, *np.sqrt(sizes[:-1] * sizes[1:].astype(float)), sizes[-1] * 1.25]
    rows: list[tuple[float, float, str]] = []
    start = 0
    for name, stretch in itertools.groupby(names):
        end = start + len(list(stretch))
        if name or rows:
            rows.append((edges[start], edges[end], name))
        start = end
    return pd.DataFrame(rows, columns=["low", "high", "name"])


def best_of(results: Sequence[Result]) -> Result:
    """The one with the lowest test loss: all are tested on one common batch that no seed decides."""
    return min(results, key=lambda result: float("inf" if (loss := result.metrics["test_loss"]) is None else loss))


def phases(results: Iterable[Result]) -> pd.DataFrame:
    """What became of the extra feature in networks with one feature more than they have dimensions, beside theory.

    Each network stands in two cells: its least important feature is the extra one, or its most important. One row a
    cell: importance of the extra feature, where that at the other end has 1; density; phase and theory, both of
    theory.PHASES; differs; loss, expected, as a multiple of the closed form's; the result's key. The best of the
    seeds, by expected loss. Where all weigh the same, the extra feature is the one that fares worst.
    """
    by_cell: dict[tuple[float, float], list[Result]] = {}
    for result in results:
        e = result.experiment
        by_cell.setdefault((e.importance_decay, e.density), []).append(result)
    rows = []
    for (decay, density), group in by_cell.items():
        best = min(group, key=expected_loss)
        n = best.experiment.n_features
        losses = theory.solutions(data.importance(best.experiment), density)
        solution = min(losses, key=lambda each: losses[each])
        reached = [phase(best.W1, feature) for feature in range(n)]
        expected = [theory.phase(solution, feature) for feature in range(n)]
        for extra, importance in ((n - 1, decay ** (n - 1)), (0, decay ** (1 - n)))[: 1 if decay == 1 else 2]:
            trained, on_paper = reached[extra], expected[extra]
            if decay == 1:
                trained, on_paper = (min(every, key=theory.PHASES.index) for every in (reached, expected))
            rows.append(
                {
                    "importance": round(importance, 3),
                    "density": density,
                    "phase": trained,
                    "theory": on_paper,
                    "differs": trained != on_paper,
                    "loss": expected_loss(best) / losses[solution],
                    "key": best.experiment.key,
                }
            )
    return pd.DataFrame(rows, columns=["importance", "density", "phase", "theory", "differs", "loss", "key"])


@by_key
def expected_loss(result: Result) -> float:
    """The loss without the luck of which features are active: sum over sets A of p^|A| (1-p)^(n-|A|) E[loss | A].

    For at most six features at a low density, where 10,000 samples hardly have two active at once. Each set is covered
    by 2,000 evenly spread points, a Kronecker sequence. Raises ValueError for more features.
    """
    e = result.experiment
    p, n = e.feature_probability, e.n_features
    if n > len(SPREAD):
        raise ValueError(f"n_features must be at most {len(SPREAD)} for the expected loss; got {n}")
    values = (np.arange(1, 2001)[:, None] * SPREAD[:n] % 1).astype(np.float32)
    total = 0.0
    for active in itertools.product((0, 1), repeat=n):
        X = values * np.array(active, np.float32)
        output = probe.activations(result, data.samples(e, X)).output
        weight = p ** sum(active) * (1 - p) ** (n - sum(active))
        total += weight * float(metrics.mse(output, X, data.importance(e)).mean(dtype=np.float64))
    return total


def phase(W1: np.ndarray, feature: int) -> str:
    """One of theory.PHASES: given up if its column is not longer than metrics.REPRESENTED, in a pair if it has more
    than half a superposition, else alone."""
    if np.linalg.norm(W1[:, feature]) <= metrics.REPRESENTED:
        return "given up"
    return "in a pair" if metrics.superposition(W1.T)[feature] > 0.5 else "alone"


LIMIT_COLUMNS = ("key", "n_features", "n_hidden", "density", "decreasing", "weight_decay", "seed")
LIMIT_VALUES = ("train_loss", "loss", "share", "accuracy", "recovered", "stored")


def _metric(result: Result, name: str) -> float:
    """One of the metrics; NaN where the network has none."""
    value = result.metrics[name]
    return np.nan if value is None else float(value)


@by_key
def _limit(result: Result) -> dict[str, object]:
    e = result.experiment
    if e.data_row.drawn:
        loss, nothing = _metric(result, "test_loss"), theory.held_out_baselines(e)["constant"]
    else:
        loss, nothing = (
            _metric(result, "train_loss"),
            theory.best_constant_loss(np.eye(e.n_features), data.importance(e)),
        )
    back = probe.one_hots_back(result)
    return {
        "key": e.key,
        "n_features": e.n_features,
        "n_hidden": e.n_hidden,
        "density": e.density if e.data_row.drawn else None,
        "decreasing": e.importance_decay < 1,
        "weight_decay": e.weight_decay,
        "seed": e.seed,
        "train_loss": _metric(result, "train_loss"),
        "loss": loss,
        "share": loss / nothing,
        "accuracy": float(back.mean()),
        "recovered": int(back.sum()),
        "stored": int((metrics.norms(result.W1.T) > metrics.REPRESENTED).sum()),
    }


def limits(results: Iterable[Result]) -> pd.DataFrame:
    """How much each bottleneck gives back: a row a network, on sparse features or on one-hots, where density is none.

    train_loss: on the training set, none on fresh batches; loss: the test loss, or that on the one-hots; share: over
    the loss of the best constant output, sum_i I_i Var(x_i); accuracy: the share of the one-hots that come back, see
    probe.one_hots_back; recovered: how many of them; stored: columns of W1 longer than metrics.REPRESENTED.
    """
    return pd.DataFrame([_limit(result) for result in results], columns=[*LIMIT_COLUMNS, *LIMIT_VALUES])


FISH_COLUMNS = (
    *("key", "task", "n_features", "n_embed", "n_hidden", "seed", "mse", "share", "floor", "floor_share"),
    *("test_mse", "accuracy", "recovered", "chance"),
)


@by_key
def _fish(result: Result) -> dict[str, object]:
    e, back = result.experiment, probe.one_hots_back(result)
    floor, variance = rank_floor(result), float(rank_floors(e.with_(n_hidden=1))[0])
    lowest = np.nan if floor is None else floor
    loss, test = _metric(result, "train_loss"), _metric(result, "test_loss")
    return {
        **{name: getattr(e, name) for name in FISH_COLUMNS[:6]},
        "mse": loss / e.n_outputs,
        "share": loss / variance if variance else np.nan,
        "floor": lowest / e.n_outputs,
        "floor_share": lowest / variance if variance else np.nan,
        "test_mse": test / e.n_outputs,
        "accuracy": float(back.mean()),
        "recovered": int(back.sum()),
        "chance": 1 / e.n_outputs,
    }


@data.worked_out_once(maxsize=256)
def rank_floors(experiment: Experiment) -> np.ndarray:
    """The lowest train loss for m = 0, 1, ... hidden values: see theory.rank_floors. It depends on the targets alone,
    so ask with n_hidden = 1, and it is worked out once for all widths."""
    return theory.rank_floors(data.training_samples(experiment).targets)


def fish(results: Iterable[Result]) -> pd.DataFrame:
    """How well each of the three fish does what it is asked to: a row a network.

    mse: on the training set, the mean over all elements; share: over the variance of the targets; floor, floor_share:
    the lowest that the rank of the output allows, as mse and as share; test_mse: on new samples; accuracy: the share of
    features that come back alone, see probe.one_hots_back; chance: 1 over the number of outputs. The floor is NaN where
    a ReLU on the output takes it away, shares where the targets do not vary.
    """
    return pd.DataFrame([_fish(result) for result in results], columns=list(FISH_COLUMNS))


class Step(NamedTuple):
    """A plateau of a loss and the polygon whose loss that is, or None."""

    first: int  # step
    last: int
    loss: float
    stair: theory.Stair | None


def stairs(result: Result) -> list[Step]:
    """The plateaus of a network that stores one-hots in the plane, each with the polygon whose loss is within
    theory.NEAR of its own, in the order of the steps. Plateaus of one polygon in a row are one, with the loss of the
    one that is longest in log(step)."""
    found: list[Step] = []
    for flat in metrics.plateaus(result.loss_steps, result.losses):
        stair = theory.nearest_stair(result.experiment.n_features, flat.loss, theory.NEAR)
        here = Step(int(result.loss_steps[flat.first]), int(result.loss_steps[flat.last]), flat.loss, stair)
        if stair is None or not found or found[-1].stair != stair:
            found.append(here)
            continue
        before = found.pop()
        longer = before if before.last / before.first >= here.last / here.first else here
        found.append(Step(before.first, here.last, longer.loss, stair))
    return found
