"""A network with its history, in the middle of its training or at the end, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toyviz.experiment import Experiment
from toyviz.model import Parameters, complete

SMALL = 5_000  # numbers of a network up to which every frame is measured, and 24 of them are shipped
FRAME_METRICS = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "big_features")


@dataclass(frozen=True, eq=False)
class Result:
    """A network: its weights, loss curve, history, and where it comes from. Its data is drawn again at need.

    frame_metrics tells how well the network of each frame does: NaN where that was not measured, and no name for what
    the experiment does not have, such as a training loss on fresh batches. The test set of a frame is the first 1,000
    of the 10,000 samples on which `metrics` tests the network at the end. big_features counts the columns of W1 with a
    dimensionality of at least metrics.BIG.
    """

    experiment: Experiment
    parameters: Parameters  # the trained ones, as they are in the newest frame, float32
    loss_steps: np.ndarray  # (k,) int: the last step of each stretch of the loss curve, log-spaced
    losses: np.ndarray  # (k,) float32: the mean training loss over that stretch
    frame_steps: (
        np.ndarray
    )  # (f,) int: steps taken when each frame was kept; the first is 0, the last is experiment.steps
    frames: Mapping[str, np.ndarray]  # each parameter with a leading axis of frames, (f, ...)
    metrics: dict[str, float | None]  # train_loss, test_loss, train_accuracy, test_accuracy; {} while it trains
    frame_metrics: dict[str, np.ndarray] = field(default_factory=dict, kw_only=True)  # (f,) float64 each: FRAME_METRICS
    shortened: bool = field(default=False, kw_only=True)  # some frames were left out when it was written, for its size
    provenance: dict[str, Any] = field(default_factory=dict, kw_only=True)  # engine, versions, seconds, notes

    @property
    def finished(self) -> bool:
        """Whether it is trained to its end: its history has come to the last step, and it is measured."""
        return bool(self.metrics) and bool((self.frame_steps[-1:] == self.experiment.steps).any())

    @property
    def W1(self) -> np.ndarray:
        """(n_hidden, n_inputs): columns are features."""
        return self.parameters["W1"]

    @property
    def b1(self) -> np.ndarray:
        """(n_hidden,): zeros where the network has none."""
        return self.complete()["b1"]

    @property
    def W2(self) -> np.ndarray:
        """(n_outputs, n_hidden): W1.T where tied."""
        return self.complete()["W2"]

    @property
    def b2(self) -> np.ndarray:
        """(n_outputs,)"""
        return self.complete()["b2"]

    def complete(self) -> Parameters:
        """All four of W1, b1, W2, b2 at the end."""
        return complete(self.experiment, self.parameters)

    def frame(self, index: int) -> Parameters:
        """All four of W1, b1, W2, b2 as they were at frame_steps[index]."""
        return complete(self.experiment, {name: values[index] for name, values in self.frames.items()})
