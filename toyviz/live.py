"""The network of a job before it is done: a Result whose history has not come to its end."""

from __future__ import annotations

import numpy as np

from toyviz import data, probe
from toyviz.experiment import Experiment
from toyviz.model import initial_parameters, shapes
from toyviz.queue import LiveFrame, Status, too_large
from toyviz.result import FRAME_METRICS, Result

START_NUMBERS = 10_000_000  # that drawing a set may take, on which the start is measured


def unfinished(experiment: Experiment, status: Status | None, newest_only: bool = False) -> Result:
    """What is known of a network that waits or is in training: the start, and the frames that its worker has sent.

    newest_only keeps the newest frame alone. A network that is too large to be shown live has no frames and no
    parameters, and so nothing but its losses. metrics is empty, and finished is False.
    """
    history = status.history if status else ()
    frames = [] if too_large(experiment) else [start(experiment), *history]
    frames = frames[-1:] if newest_only else frames
    names = [name for name in FRAME_METRICS if any(name in frame.metrics for frame in frames)]
    loss_steps, losses = status.losses if status else (np.empty(0, np.int64), np.empty(0, np.float32))
    return Result(
        experiment=experiment,
        parameters=frames[-1].parameters if frames else {},
        loss_steps=loss_steps,
        losses=losses,
        frame_steps=np.array([frame.step for frame in frames], np.int64),
        frames={
            name: np.array([frame.parameters[name] for frame in frames], np.float32).reshape(-1, *shape)
            for name, shape in shapes(experiment).items()
        },
        metrics={},
        frame_metrics={name: np.array([frame.metrics.get(name, np.nan) for frame in frames]) for name in names},
    )


@data.worked_out_once(maxsize=64)
def start(experiment: Experiment) -> LiveFrame:
    """The network before its first step, measured where drawing the samples takes no time to speak of."""
    parameters = initial_parameters(experiment)
    for values in parameters.values():
        values.flags.writeable = False  # every reader has the same arrays
    sets = probe.frame_sets(experiment, START_NUMBERS)
    return LiveFrame(0, parameters, probe.evaluate_frame(experiment, parameters, sets, probe.loss_and_accuracy))
