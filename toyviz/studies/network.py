"""What every view of this page shows of one network: its columns, its hidden vectors and its loss, over its history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from toyviz import charts, data, metrics, tables
from toyviz.experiment import Experiment
from toyviz.result import Result
from toyviz.studies.shared_texts import NOT_YET, TOO_LARGE, shortened
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Text

DRAWN = 1000  # columns, and samples, drawn at most
DRAWN_LIVE = 300  # likewise of a network in training: each picture of it goes to everyone who looks
FEW = 400  # in a picture that is no instrument


def columns(result: Result, id: str = "columns", title: str = "") -> Figure:
    """The columns of W1, which are the features; under how many are drawn, or under another title."""
    W1 = result.frames["W1"]  # (f, m, n)
    chosen = longest(W1, _most_drawn(result))
    shares = metrics.dimensionality(W1[-1].T)[chosen]
    group = charts.Group(
        charts.FEATURES,
        in_plane(result, np.moveaxis(W1[:, :, chosen], 1, 2)),
        chosen,
        [f",{i}," for i in chosen],
        charts.BLUE,
        rays=True,
        about={"length": metrics.norms(W1[-1].T)[chosen], "dimensionality": shares},
        labels=charts.outstanding(shares),
    )
    number = charts.count(charts.FEATURES, len(chosen), result.experiment.n_inputs)
    return Figure(id, charts.planes_of_kinds([group], title or number))


def hidden(result: Result, stage: str = "pre", id: str = "hidden") -> Figure:
    """The hidden vectors of the training samples, at one of tables.STAGES."""
    drawn = samples_drawn(result)
    chart = charts.plane(
        hidden_history(result, stage),
        charts.SAMPLES,
        drawn.rows,
        result.experiment.training_size or len(drawn.rows),
        drawn.kin,
        charts.VERMILLION,
    )
    return Figure(id, chart)


def hidden_history(result: Result, stage: str) -> np.ndarray:
    """The hidden vectors of the drawn samples in the plane where the network is drawn, (f, k, 2)."""
    vectors = samples_drawn(result).inputs @ np.moveaxis(result.frames["W1"], 1, 2)  # (f, k, m)
    if stage != "bare" and "b1" in result.frames:
        vectors = vectors + result.frames["b1"][:, None]
    if stage == "after" and result.experiment.arch_row.hidden_relu:
        vectors = np.maximum(vectors, 0)
    return in_plane(result, vectors)


def in_plane(result: Result, vectors: np.ndarray) -> np.ndarray:
    """Hidden vectors, (..., m), along the two directions in which the newest frame is drawn, (..., 2)."""
    drawn: np.ndarray = vectors @ tables.plane(result.frames["W1"][-1])
    return drawn


class Drawn(NamedTuple):
    """The training samples that are drawn, evenly spaced. Not to be changed: all who look at the set share it."""

    rows: np.ndarray  # (k,) int
    kin: list[str]  # of each its active features, between commas
    inputs: np.ndarray  # (k, n_inputs)


def _most_drawn(result: Result) -> int:
    return DRAWN if result.finished else DRAWN_LIVE


def samples_drawn(result: Result) -> Drawn:
    """The training samples that are drawn of a network, or test samples where it has no training set."""
    return _drawn(result.experiment, _most_drawn(result))


@data.worked_out_once(maxsize=64)
def _drawn(experiment: Experiment, at_most: int) -> Drawn:
    held_out = data.held_out_set(experiment) if experiment.fresh else None
    every = data.TEST_SIZE if held_out is not None else experiment.training_size or 0
    rows = np.linspace(0, every - 1, min(at_most, every)).astype(int)
    samples = _at(held_out or data.training_set(experiment), rows)
    which, features = np.nonzero(samples.X)
    parts = np.split(features, np.cumsum(np.bincount(which, minlength=len(rows)))[:-1])
    kin = [f",{','.join(map(str, part))}," for part in parts]
    return Drawn(rows, kin, samples.inputs)


def _at(drawn: data.Samples | data.Blocks, rows: np.ndarray) -> data.Samples:
    """The samples of these numbers, which ascend."""
    if isinstance(drawn, data.Samples):
        return drawn if len(rows) == len(drawn.X) else data.Samples(*(values[rows] for values in drawn))
    found = []
    for first, part in zip(range(0, len(drawn), data.ROWS), data.parts(drawn), strict=True):
        here = rows[(rows >= first) & (rows < first + data.ROWS)] - first
        found.append(data.Samples(*(values[here] for values in part)))
    return data.Samples(*(np.concatenate(values) for values in zip(*found, strict=True)))


def overlaps(
    title: str, products: np.ndarray, bias: np.ndarray, features: np.ndarray, sides: tuple[str, str]
) -> charts.Matrix:
    """W1'W1 of some features, with b2 as one more column at the right.

    products: (f, k, k); bias: (f, k); features: their numbers, (k,); sides: what a row is, and a column.
    """
    names, kin = [str(i) for i in features], [f",{i}," for i in features]
    return charts.Matrix(
        title,
        np.concatenate([products, bias[:, :, None]], axis=2),  # (f, k, k + 1)
        *sides,
        row_names=names,
        column_names=[*names, "b2"],
        row_kin=kin,
        column_kin=[*kin, ""],
        gap_before=len(names),
    )


def curve(result: Result) -> Figure:
    """The training loss over the steps, with the step that one looks at."""
    return curves({"": result})


def curves(results: Mapping[str, Result]) -> Figure:
    """The training losses of several networks over the steps, with the step that one looks at in the first."""
    first = next(iter(results.values()))
    losses = {name: (result.loss_steps, result.losses) for name, result in results.items()}
    return Figure("curve", charts.clock_curve(losses, first.frame_steps, first.experiment.steps, "Training loss"))


def pictured(sweep: Sweep, seed: int) -> Result | None:
    """Of the networks of one setting the one that is pictured: that of the opened seed, else of the first."""
    return next(iter(sweep.at(seed=seed)), None) or min(sweep, key=lambda each: each.experiment.seed, default=None)


def growing(results: Sequence[Result]) -> tuple[Figure, Figure]:
    """The columns of W1 and the hidden vectors of several networks, one a frame of the clock, with m = 2.

    Each frame has its own scale, its longest vector at 1. Where a network has fewer samples, several dots are one.
    """
    columns, hidden = [], []
    for result in results:
        chosen = longest(result.W1[None], FEW)
        columns.append(_at_reach_1(result.W1.T[chosen]))
        vectors = hidden_history(replace(result, frames={"W1": result.W1[None]}), "pre")[0]
        hidden.append(_at_reach_1(vectors[np.arange(FEW) % len(vectors)]))
    numbers, none = np.arange(FEW), [","] * FEW
    features = charts.Group(charts.FEATURES, np.stack(columns), numbers, none, charts.BLUE, rays=True)
    samples = charts.Group(charts.SAMPLES, np.stack(hidden), numbers, none, charts.VERMILLION)
    return (
        Figure("growing_columns", charts.planes_of_kinds([features], charts.FEATURES)),
        Figure("growing_hidden", charts.planes_of_kinds([samples], charts.SAMPLES)),
    )


def _at_reach_1(vectors: np.ndarray) -> np.ndarray:
    longest = float(np.linalg.norm(vectors, axis=1).max(initial=0.0))
    return vectors / longest if longest else vectors


def at_steps(result: Result, steps: np.ndarray) -> Result:
    """The result with the frames nearest to these steps, as ratios: what is compared is seen at the same time."""
    nearest = nearest_frames(result.frame_steps, steps)
    return replace(
        result,
        frame_steps=result.frame_steps[nearest],
        frames={name: values[nearest] for name, values in result.frames.items()},
        frame_metrics={name: values[nearest] for name, values in result.frame_metrics.items()},
    )


def nearest_frames(frame_steps: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The frame nearest to each of these steps, as ratios: (f,) int. frame_steps: (g,), steps: (f,)."""
    apart = np.abs(np.log1p(steps)[:, None] - np.log1p(frame_steps))  # (f, g)
    nearest: np.ndarray = apart.argmin(axis=1)
    return nearest


def is_too_large(result: Result) -> bool:
    """Whether it is not shown while it trains."""
    return len(result.frame_steps) == 0


def loss_alone(result: Result, id: str = "network") -> Iterator[Block]:
    """Its loss, and that nothing else is shown of a network that is too large for that while it trains."""
    yield curve(result)
    yield Text(id, TOO_LARGE)


def without_frames(result: Result) -> Iterator[Block]:
    """What is shown of a network that is too large to be shown while it trains."""
    drawn = (("columns", charts.FEATURES, charts.BLUE, True), ("hidden", charts.SAMPLES, charts.VERMILLION, False))
    for id, what, colour, rays in drawn:
        none = charts.Group(what, np.empty((1, 0, 2)), np.empty(0, int), [], colour, rays=rays)
        yield Figure(id, charts.planes_of_kinds([none], f"{what}: too large"))
    yield from loss_alone(result)


def network(result: Result, stage: str = "pre") -> Iterator[Block]:
    """All three."""
    if is_too_large(result):
        yield from without_frames(result)
        return
    yield columns(result)
    yield hidden(result, stage)
    yield curve(result)
    yield at_the_end(result)


def at_the_end(result: Result) -> Text:
    """What the network on the stage came to, in words."""
    e, found = result.experiment, result.metrics
    which = f"**T = {e.n_samples:,}, m = {e.n_hidden}, seed {e.seed}.**"
    width = ""
    if e.n_hidden > 2:
        width = (
            f" Drawn along two of the {e.n_hidden} hidden directions: the first two left singular vectors of the "
            "trained W1."
        )
    elif e.n_hidden == 1:
        width = " The hidden layer has one value only: it is drawn along the horizontal axis."
    if not result.finished:
        return Text("network", f"{which} {NOT_YET}{width}")
    floor, big = tables.rank_floor(result), int((metrics.dimensionality(result.W1.T) >= tables.BIG).sum())
    limit = f" (rank floor {floor:.3g})" if floor else ""
    return Text(
        "network",
        f"{which} At the end the train loss is {found['train_loss']:.3g}{limit}, the test loss "
        f"{found['test_loss']:.4g}; accuracy {found['train_accuracy']:.1%} on the training set, "
        f"{found['test_accuracy']:.2%} on new samples. {big} feature{'' if big == 1 else 's'} can be told apart: at "
        f"least {tables.BIG} of a dimension each.{width}{shortened(result)}",
    )


def longest(W1: np.ndarray, at_most: int) -> np.ndarray:
    """The features whose columns get longest in any frame, at most so many, in order. W1: (f, m, n)."""
    lengths = np.linalg.norm(W1, axis=1).max(axis=0)
    found: np.ndarray = np.sort(np.argsort(-lengths, kind="stable")[:at_most])
    return found
