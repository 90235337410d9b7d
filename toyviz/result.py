"""What a training leaves behind, as NumPy arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toyviz.experiment import Experiment
from toyviz.model import Parameters, complete


@dataclass(frozen=True, eq=False)
class Result:
    """A trained network: its weights, loss curve, history, and where it comes from. Its data is drawn again at need."""

    experiment: Experiment
    parameters: Parameters  # the trained ones at the end, float32
    loss_steps: np.ndarray  # (k,) int: the last step of each stretch of the loss curve, log-spaced
    losses: np.ndarray  # (k,) float32: the mean training loss over that stretch
    frame_steps: (
        np.ndarray
    )  # (f,) int: steps taken when each frame was kept; the first is 0, the last is experiment.steps
    frames: Parameters  # each parameter with a leading axis of frames, (f, ...)
    metrics: dict[str, float | None]  # train_loss, test_loss, train_accuracy, test_accuracy
    provenance: dict[str, Any] = field(default_factory=dict)  # engine, versions, seconds, notes

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
