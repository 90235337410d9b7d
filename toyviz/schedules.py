"""The learning rate of every step."""

from __future__ import annotations

import numpy as np

from toyviz.experiment import Experiment


def learning_rates(experiment: Experiment) -> np.ndarray:
    """The learning rate of each step, (steps,) float64, with s = 1 ... steps.

    constant: lr. warmup_cosine: lr s / warmup up to warmup, then lr (1 + cos(pi (s - warmup) / (steps - warmup))) / 2
    [TDD]. quarter_cosine: lr cos(pi (s - 1) / (2 (steps - 1))) [ARENA]. warmup_from_tenth: lr (0.1 + 0.9 (s - 1) /
    warmup) up to warmup, then lr (1 + cos(pi (s - 1 - warmup) / (steps - warmup))) / 2, as PyTorch's LinearLR and
    CosineAnnealingLR one after the other.
    """
    return SCHEDULES[experiment.schedule](experiment)


def _constant(experiment: Experiment) -> np.ndarray:
    return np.full(experiment.steps, experiment.lr)


def _warmup_cosine(experiment: Experiment) -> np.ndarray:
    s = np.arange(1, experiment.steps + 1)
    rising = s / max(experiment.warmup, 1)
    falling = (1 + np.cos(np.pi * (s - experiment.warmup) / max(experiment.steps - experiment.warmup, 1))) / 2
    return experiment.lr * np.where(s <= experiment.warmup, rising, falling)


def _quarter_cosine(experiment: Experiment) -> np.ndarray:
    return experiment.lr * np.cos(np.pi / 2 * np.arange(experiment.steps) / max(experiment.steps - 1, 1))


def _warmup_from_tenth(experiment: Experiment) -> np.ndarray:
    s = np.arange(experiment.steps)
    rising = 0.1 + 0.9 * s / max(experiment.warmup, 1)
    falling = (1 + np.cos(np.pi * (s - experiment.warmup) / max(experiment.steps - experiment.warmup, 1))) / 2
    return experiment.lr * np.where(s < experiment.warmup, rising, falling)


SCHEDULES = {
    "constant": _constant,
    "warmup_cosine": _warmup_cosine,
    "quarter_cosine": _quarter_cosine,
    "warmup_from_tenth": _warmup_from_tenth,
}
