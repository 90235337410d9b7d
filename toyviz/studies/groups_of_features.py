"""What views of several pages show where features are in groups: how those of one lie, and those of different ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from toyviz import charts, metrics
from toyviz.control import Choice
from toyviz.experiment import Experiment
from toyviz.result import Result
from toyviz.studies import shared_controls as shared
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Text

CLEAR, RIGHT_ANGLE = 0.5, 0.15  # a mean cosine beyond the one is clear, a mean |cosine| below the other a right angle
LINES = {"within": "within groups", "between": "between groups"}
LOOK_FOR = {
    "sparse": "",
    "correlated": "\n- **Groups active together**: all features of a group are active, or none is. So opposite "
    "directions within a group would always be in each other's way. Where there is room, the features of a group are "
    "at right angles, and a feature shares its direction with one of another group: try $n = 4$, $m = 2$, decay 1 and "
    "a density of 0.1. Where there are more groups than dimensions, features of a group lie side by side: one "
    "direction for what they have in common, and what tells them apart is lost.",
    "anticorrelated": "\n- **Groups never together**: of a group at most one feature is active. So two of them in "
    "opposite directions never meet, and cost nothing: the ReLU tells them apart, without a bias. The denser, the more "
    "that is worth; where features are rare, independent ones seldom meet either, and the groups hardly matter.",
}


def runs(experiment: Experiment, features: np.ndarray) -> list[tuple[int, int]]:
    """Where features of one group stand beside each other: the first place and the last of each group, ascending.

    features: their numbers, (k,). Nothing where they are in no groups.
    """
    if experiment.data_row.grouped is None or not len(features):
        return []
    group = features // experiment.group_size
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    ends = np.append(starts[1:], len(features)) - 1
    return [(int(first), int(last)) for first, last in zip(starts, ends, strict=True) if last > first]


def told(choice: Choice, groups: Mapping[float, Sweep], pick: Mapping[str, str]) -> Iterator[Block]:
    """The mean cosines within and between groups over the density, and in words how features of a group lie.

    groups: the networks of each density. Nothing where features are in no groups.
    """
    if choice.features == "sparse":
        return
    found = [row for group in groups.values() for result in group for row in _rows(result)]
    chart = charts.lines_over(
        pd.DataFrame(found, columns=["density", "seed", "line", "value"]),
        "density",
        "density 1 − S",
        LINES,
        list(groups),
        "Mean cosine of two stored features",
        selected=choice.density,
        reverse=True,
        low=-1.0,
        high=1.0,
        colours=(charts.VERMILLION, charts.GREY),
    )
    yield Figure("groups", chart, pick)
    yield Text("groups_told", f"{_outcome(choice, groups[choice.density])}{_left_out(choice)}")


def _rows(result: Result) -> Iterator[tuple[float, int, str, float]]:
    """A row a line, where the network stores any such pair of features."""
    e = result.experiment
    for line, values in zip(LINES, metrics.group_cosines(result.W1.T, e.group_size), strict=True):
        if len(values):
            yield e.density, e.seed, line, float(values.mean())


def _outcome(choice: Choice, networks: Sweep) -> str:
    """How the features of a group lie in the networks of the opened density, in numbers and in a word."""
    every = [metrics.group_cosines(result.W1.T, choice.group_size) for result in networks]
    within = np.concatenate([np.empty(0), *(pair[0] for pair in every)])
    between = np.concatenate([np.empty(0), *(pair[1] for pair in every)])
    if not len(within) or not len(between):
        return "No two stored features of one group are there to compare yet."
    means = [float(pair[0].mean()) for pair in every if len(pair[0])]
    many = f"{len(every)} network{'' if len(every) == 1 else 's'}"
    return (
        f"At $1 - S$ = {choice.density:g}, over {many}: two stored features of one group have a mean cosine of "
        f"{_number(within.mean())}, {_number(min(means))} to {_number(max(means))} from network to network, and a mean "
        f"|cosine| of {_number(np.abs(within).mean())}; two of different groups {_number(between.mean())} and "
        f"{_number(np.abs(between).mean())}. So features of a group {lie(within)}."
    )


def lie(cosines: np.ndarray) -> str:
    """How vectors with these cosines lie, in words."""
    if np.abs(cosines).mean() < RIGHT_ANGLE:
        return "are at right angles"
    mean = cosines.mean()
    return "lie opposite" if mean < -CLEAR else "lie side by side" if mean > CLEAR else "lie in no one way"


def _left_out(choice: Choice) -> str:
    """The swept densities that cannot be, as a sentence to add."""
    left = sorted(set(choice.densities) - set(shared.possible(choice)))
    if not left:
        return ""
    named = ", ".join(f"{density:g}" for density in left)
    return (
        f" Not trained: density {named}, since of {choice.group_size} features at most one is active, and each can be "
        f"so in at most {1 / choice.group_size:.3g} of the samples."
    )


def _number(value: float) -> str:
    """A cosine with two digits and a minus sign, and no minus zero."""
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")
