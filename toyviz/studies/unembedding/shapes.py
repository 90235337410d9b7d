"""The three shapes of one network over its history: the columns of W1, the hidden vectors, the rows of W2."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from toyviz import charts, data, metrics, tables, theory
from toyviz.experiment import Experiment
from toyviz.result import Result
from toyviz.studies import network
from toyviz.view import Figure

FILLED = 1 - 0.95 * 0.9**2  # what metrics.on_border has for a filled square
OF_SHAPES = {"outline of a square": 1.38, "filled square": 1.23, "disc": 1.06, "circle": 1.0}  # their squareness
NEVER_ACTIVE, NEVER_CORRECT = "never active", "never correct"
NOTHING = np.empty((1, 0, 2))  # vectors of a network that is too large to be shown while it trains
TITLES = {charts.FEATURES: "W1: features write", charts.SAMPLES: "h: samples", charts.CLASSES: "W2: classes read"}


class Seen(NamedTuple):
    """What a training set has in it. Not to be changed: all who look at the set share it."""

    active: np.ndarray  # (n,) bool: the feature is active in some sample
    named: np.ndarray  # (n_classes,) bool: the class is a target of some sample
    total: int  # samples
    active_features: float  # in a sample, on average


@data.worked_out_once(maxsize=64)
def seen_in(experiment: Experiment) -> Seen:
    """What this experiment's training set has in it."""
    samples = data.training_samples(experiment)
    active = samples.X > 0
    shares: tuple[np.ndarray, np.ndarray] = (np.any(active, axis=0), np.any(samples.targets, axis=0))
    return Seen(*shares, len(active), float(active.sum(axis=1).mean()))


@data.worked_out_once(maxsize=64)
def guess(experiment: Experiment) -> tuple[str, float]:
    """The test loss of calling every class as likely, in words and as a number: ln n times the weight of a sample.

    With soft labels the targets of a sample are its features, which add up to more than 1.
    """
    held_out = data.held_out_samples(experiment)
    assert held_out is not None
    weight = float(held_out.targets.sum(axis=1, dtype=np.float64).mean())
    word = "ln n" if abs(weight - 1) < 0.005 else f"{weight:.2f} ln n"
    return word, weight * theory.uniform_cross_entropy(experiment.n_outputs)


def row_history(result: Result) -> np.ndarray:
    """The rows of W2 over the frames, (f, n_classes, m): the columns of W1 where the two are one matrix."""
    W2 = result.frames.get("W2")
    return np.moveaxis(result.frames["W1"], 1, 2) if W2 is None else W2


def bias_history(result: Result) -> np.ndarray:
    """b2 over the frames, (f, n_classes): zeros where the network has none."""
    b2 = result.frames.get("b2")
    return np.zeros((len(result.frame_steps), result.experiment.n_outputs)) if b2 is None else b2


@tables.by_result
def histories(result: Result) -> dict[str, charts.Vectors]:
    """The vectors of each kind over the frames, in the plane, and which of them the training has seen.

    Not to be changed: all who look at the same result share it.
    """
    seen = seen_in(result.experiment)
    columns = network.in_plane(result, np.moveaxis(result.frames["W1"], 1, 2))
    hidden = network.hidden_history(result, "pre")
    return {
        charts.FEATURES: charts.Vectors(columns, seen.active),
        charts.SAMPLES: charts.Vectors(hidden, np.ones(hidden.shape[1], bool)),
        charts.CLASSES: charts.Vectors(network.in_plane(result, row_history(result)), seen.named),
    }


def at_steps(result: Result, steps: np.ndarray) -> dict[str, charts.Vectors]:
    """The same at the frames nearest to these steps, as ratios."""
    nearest = network.nearest_frames(result.frame_steps, steps)
    return {name: charts.Vectors(each.history[nearest], each.seen) for name, each in histories(result).items()}


def planes(result: Result) -> list[Figure]:
    """The three, side by side, each on one scale for the whole history; grey crosses were not seen in training."""
    samples = network.samples_drawn(result)
    too_large = network.is_too_large(result)
    every = {} if too_large else histories(result)
    figures = []
    for id, kind, unseen, noun in (
        ("columns", charts.ALL_THREE[0], NEVER_ACTIVE, "feature"),
        ("hidden", charts.ALL_THREE[1], "", "sample"),
        ("rows", charts.ALL_THREE[2], NEVER_CORRECT, "class"),
    ):
        vectors = every.get(kind.name, charts.Vectors(NOTHING, np.empty(0, bool)))
        count = vectors.history.shape[1]
        drawn = np.linspace(0, count - 1, min(network.DRAWN, count)).astype(int)
        if kind.name == charts.SAMPLES and not too_large:
            numbers, kin = samples.rows, samples.kin
        else:
            numbers, kin = drawn, [f",{k}," for k in drawn]
        groups = []
        for name, colour, shape, chosen in (
            (unseen, charts.GREY, "cross", ~vectors.seen[drawn]),
            (kind.name, kind.colour, "circle", vectors.seen[drawn]),
        ):
            if name:
                own = [kin[k] for k in np.flatnonzero(chosen)]
                groups.append(
                    charts.Group(name, vectors.history[:, drawn[chosen]], numbers[chosen], own, colour, shape)
                )
        figures.append(Figure(id, charts.planes_of_kinds(groups, TITLES[kind.name], noun=noun)))
    return figures


def over_the_steps(result: Result) -> Figure:
    """How square, round or petalled the three are over the steps, with the step that one looks at."""
    steps, measured = result.frame_steps, np.full((3, len(result.frame_steps)), np.nan)
    if not network.is_too_large(result):
        columns, hidden, rows = histories(result).values()
        for f in range(len(steps)):
            measured[0, f] = squareness(columns.history[f, columns.seen])
            measured[1, f] = metrics.petals(hidden.history[f])
            measured[2, f] = squareness(rows.history[f, rows.seen])
    at = np.maximum(steps, 1)
    named = zip(("squareness of W1", "petals of h", "squareness of W2"), charts.ALL_THREE, strict=True)
    lines = [
        charts.Line(name, at, values[None], kind.colour) for (name, kind), values in zip(named, measured, strict=True)
    ]
    chart = charts.moving_lines(
        lines,
        "Square, rose and circle",
        "step",
        rules=OF_SHAPES,
        now=at if len(at) else None,
        x_ends=(1, max(result.experiment.steps, 2)),
        logarithmic_x=True,
    )
    return Figure("shapes_over_steps", chart)


def squareness(points: np.ndarray) -> float:
    """metrics.squareness, or NaN where there is no point away from 0."""
    return metrics.squareness(points) if np.any(points) else float("nan")
