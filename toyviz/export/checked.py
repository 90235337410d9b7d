"""Whether a run that is handed in can be one of its experiment: its derived arrays, its history, what it tells."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from toyviz import cost, probe
from toyviz.export import network_files
from toyviz.model import initial_parameters
from toyviz.result import Result

MOST_POINTS = 2000  # of a loss curve
SECONDS = 20.0  # that measuring the frames of a large network may take, about: then fewer of them are measured
# How far what is told may be from what is measured here. The numbers are float32: another processor adds up in another
# order, which moves a loss by 1e-5 of itself at most in what was trained for this; a loss near zero is all rounding.
CLOSE = 1e-3  # of a loss, as a share
NEAR_ZERO = 1e-6  # of a loss
FLIPPED = 2e-3  # of an accuracy: two of 1,000 samples whose two largest outputs are equal but for rounding
AT_THE_EDGE = 1  # of big_features: one column whose dimensionality is that of the edge
MEANT = {
    "b1": "zeros, since the network has none",
    "b2": "zeros, since the network has none",
    "W2": "W1 transposed, since the network is tied",
    "X": "the training samples of its experiment",
    "E": "the random projection of its experiment",
    "E2": "the second random projection of its experiment",
}


def refuse_unlikely(result: Result, named: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError for a history that no training has, and for numbers that are not those of the weights.

    The frames of a complete history are measured as training measures them; of a shortened one the inner frames are
    rounded, so that only its ends are. named: all arrays of the file.
    """
    experiment = result.experiment
    for name, shape in network_files.drawn_shapes(experiment).items():  # before anything is drawn
        if named[name].shape != shape:
            raise ValueError(f"{name} must have the shape {shape}; got {named[name].shape}")
    _refuse_disorder("frame_steps", result.frame_steps, 0, experiment.steps, cost.FRAMES)
    _refuse_disorder("loss_steps", result.loss_steps, 1, experiment.steps, MOST_POINTS)
    first = initial_parameters(experiment)
    for name, values in result.parameters.items():
        if not np.array_equal(result.frames[name][-1], values):
            raise ValueError(f"frames.{name} does not end with {name}")
        if not np.allclose(result.frames[name][0], first[name], rtol=1e-4, atol=1e-6):
            raise ValueError(f"frames.{name} does not begin with the start of this experiment")
    _refuse_other_arrays(result, named)
    with np.errstate(all="ignore"):
        _refuse_other_metrics(result)
        _refuse_other_curve(result, _measured_frames(result))


def _refuse_other_arrays(result: Result, named: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError, naming the array, for what follows from the experiment and the weights and is not so."""
    for name, values in network_files.derived(result).items():
        told = named[name]
        alike = told.dtype == np.float32 and told.shape == values.shape
        if not alike or not np.allclose(told, values, rtol=1e-5, atol=1e-7):
            raise ValueError(f"{name} must be {MEANT[name]}, and is not")


def _refuse_other_metrics(result: Result) -> None:
    for name, value in probe.evaluate(result.experiment, result.parameters).items():
        told = result.metrics[name]
        if told is not None and (isinstance(told, bool) or not isinstance(told, int | float)):
            raise ValueError(f"its {name} is no number")
        if (told is None) != (value is None) or (told is not None and value is not None and _far(name, told, value)):
            raise ValueError(f"it tells a {name} of {told}, but its weights have {value}")


def _measured_frames(result: Result) -> dict[int, float]:
    """The training loss of each frame that is measured here, by its step; nothing on fresh batches and minibatches,
    where the loss of a step is that of its batch.

    Raises ValueError where a frame is told to do otherwise than it does.
    """
    experiment, losses = result.experiment, {}
    sets = probe.frame_sets(experiment)
    for index in _looked_at(result):
        frame = {name: values[index] for name, values in result.frames.items()}
        measured = probe.evaluate_frame(experiment, frame, sets, probe.loss_and_accuracy)
        step = int(result.frame_steps[index])
        for name, values in result.frame_metrics.items():
            if name not in measured:
                raise ValueError(f"it has frame_metrics.{name}, and its experiment has no such set")
            told = float(values[index])
            if not math.isnan(told) and _far(name, told, measured[name]):  # not a number: it was not measured
                raise ValueError(
                    f"frame_metrics.{name} is {told:.6g} at step {step}, but the frame there has {measured[name]:.6g}"
                )
        if "train_loss" in measured and experiment.minibatch is None:
            losses[step] = measured["train_loss"]
    return losses


def _looked_at(result: Result) -> np.ndarray:
    """Which frames are measured: of a complete history all, or as many as there is time for, evenly spread."""
    experiment, count = result.experiment, len(result.frame_steps)
    if result.shortened:
        return np.unique([0, count - 1])
    rows = (experiment.training_size or 0) + probe.FRAME_TESTED
    a_frame = rows * (experiment.n_inputs + experiment.n_outputs) * (1e-8 + 5e-11 * experiment.n_hidden)
    most = min(max(int(SECONDS / a_frame), 2), count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))


def _refuse_other_curve(result: Result, known: Mapping[int, float]) -> None:
    """Raises ValueError where the loss curve contradicts the training losses that are known, by the step.

    An entry is the mean over a stretch of steps of the loss before each. Where all of them are known it is their mean;
    else no less than what the known ones add to it, since no loss is negative.
    """
    if (result.losses < -NEAR_ZERO).any():
        raise ValueError("losses must be 0 or more")
    begins = np.append(0, result.loss_steps[:-1])  # steps that were taken before the first of each stretch
    for index, (begin, end) in enumerate(zip(begins, result.loss_steps, strict=True)):
        inside = [loss for step, loss in known.items() if begin <= step < end]
        if not inside:
            continue
        told, least = float(result.losses[index]), sum(inside) / int(end - begin)
        whole = len(inside) == end - begin
        if (whole and _far("loss", told, least)) or told < least * (1 - CLOSE) - NEAR_ZERO:
            of = f"the frame of step {begin} has" if end == begin + 1 else f"the frames from step {begin} ask for"
            more = "" if whole else " at least"
            raise ValueError(f"losses has {told:.6g} at step {end}, but {of}{more} {least:.6g}")


def _far(name: str, told: float, measured: float) -> bool:
    """Whether a number is too far from what it must be for rounding to explain it."""
    if name.endswith("loss"):
        return not math.isclose(told, measured, rel_tol=CLOSE, abs_tol=NEAR_ZERO)
    return not abs(told - measured) <= (FLIPPED if name.endswith("accuracy") else AT_THE_EDGE)


def _refuse_disorder(name: str, steps: np.ndarray, first: int, last: int, most: int) -> None:
    if not 0 < len(steps) <= most or steps[0] < first or steps[-1] != last or (np.diff(steps) <= 0).any():
        raise ValueError(f"{name} must rise from {first} or more to {last}, at most {most} of them")
    if name == "frame_steps" and steps[0] != 0:
        raise ValueError("frame_steps must begin with 0")
