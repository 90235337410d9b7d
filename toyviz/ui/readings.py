"""The numbers beside the clock: what is told of each frame of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from toyviz import metrics
from toyviz.queue import Status
from toyviz.result import Result
from toyviz.studies.network import nearest_frames

NUMBERS = {  # of a frame: what is told, how
    "train_loss": ("train loss", ".3g"),
    "train_accuracy": ("accuracy", ".0%"),
    "test_loss": ("test loss", ".3g"),
    "test_accuracy": ("accuracy", ".1%"),
    "big_features": ("big features", ".0f"),
}
Told = list[tuple[str, list[str]]]  # what it is called, and a text for each frame


class Readings(NamedTuple):
    """What is told beside the clock of one network, for each position that the clock can have."""

    steps: list[int]  # of each frame
    numbers: Told
    total: int  # steps of the whole training


NOTHING_READ = Readings([0], [], 0)  # of a view that opens no network


def on_clock(readings: Readings, steps: np.ndarray) -> Readings:
    """The same for a clock of these steps: each has what is told of the nearest frame, as ratios."""
    kept = nearest_frames(np.array(readings.steps), steps)
    numbers = [(word, [texts[k] for k in kept]) for word, texts in readings.numbers]
    return Readings([readings.steps[k] for k in kept], numbers, readings.total)


def told(result: Result, status: Status | None, numbers: Sequence[str]) -> Readings:
    """What is told of each frame; of a network that is too large to have any, the newest loss."""
    total = result.experiment.steps
    if len(result.frame_steps):
        return Readings([int(step) for step in result.frame_steps], _numbers(result, numbers), total)
    if status is None or status.loss is None:
        return Readings([0], [], total)
    word, form = NUMBERS["train_loss"]
    return Readings([status.step], [(word, [format(status.loss, form)])], total)


def _numbers(result: Result, names: Sequence[str]) -> Told:
    """What is told of each frame: at the end that of the whole test set; a dash is what was not measured."""
    end: dict[str, float | None] = dict(result.metrics)
    if result.finished:
        end["big_features"] = float((metrics.dimensionality(result.W1.T) >= metrics.BIG).sum())
    found = []
    for name, (word, form) in ((name, how) for name, how in NUMBERS.items() if name in names):
        values, last = result.frame_metrics.get(name), end.get(name)
        if values is None and last is None:
            continue
        values = np.full(len(result.frame_steps), np.nan) if values is None else values.copy()
        if last is not None:
            values[-1] = last
        found.append((word, [format(value, form) if np.isfinite(value) else "–" for value in values]))
    return found
