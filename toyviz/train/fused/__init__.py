"""Compiled kernels for the networks of the pages, on one core: the fast path of train()."""

from __future__ import annotations

import importlib

import numpy as np

from toyviz.experiment import Experiment
from toyviz.model import Parameters
from toyviz.train.fused.storage import Flat

MANY_SAMPLES = 120  # from here on neighbourhoods of samples pay
FEW_HIDDEN, MOST_HIDDEN = 16, 128  # with more hidden units, blocked matrix products win: linear output, ReLU output
MOST_WIDE = 1024  # with more, PyTorch's do


def covers(experiment: Experiment) -> bool:
    """True where a kernel trains this experiment; it depends on the experiment alone."""
    return _family(experiment) is not None


class Trainer:
    """A network in training by compiled kernels. advance() takes steps; parameters() looks at it."""

    def __init__(self, experiment: Experiment) -> None:
        family = _family(experiment)
        if family is None:
            raise ValueError(f"no kernel covers arch {experiment.arch!r} with task {experiment.task!r}")
        module = importlib.import_module(f"toyviz.train.fused.{family}")  # compiled code takes its time to load
        self.flat = Flat(experiment, units_inside=family == "wide")
        self.network, self.kernel = module.network(experiment, self.flat), module.advance

    def advance(self, first: int, last: int) -> np.ndarray:
        """Take steps first ... last - 1 and return the loss before each of them, float32."""
        losses = np.empty(last - first, np.float32)
        try:
            self.kernel(self.network, first, last, losses)
        except OSError:  # the compiled kernel cannot be kept, on a full disk say; it is there all the same
            self.kernel(self.network, first, last, losses)
        return losses

    def parameters(self) -> Parameters:
        """A copy of the trained parameters as they are now."""
        return self.flat.unpacked()


def _family(experiment: Experiment) -> str | None:
    """The module whose kernel trains this experiment."""
    task, arch, m = experiment.task_row, experiment.arch_row, experiment.n_hidden
    softmax = task.loss == "cross_entropy"
    if not (softmax or arch.output_bias):
        return None  # only the kernel of the fixed sets can do without b2
    if experiment.fresh:
        return None if task.embedded or softmax or arch.output_abs or m > MOST_HIDDEN else "fresh"
    if softmax:
        if arch.output_relu or arch.output_abs or m > MOST_HIDDEN:
            return None
        return "fixed" if experiment.minibatch is None else "minibatches"
    if experiment.minibatch is not None:
        return None
    sparse = experiment.data_row.drawn
    if arch.output_abs:
        return None if task.embedded or m > (FEW_HIDDEN if sparse else MOST_HIDDEN) else "gram"
    if task.embedded or m > MOST_HIDDEN or (sparse and not arch.output_relu and m > FEW_HIDDEN):
        return "wide" if m <= MOST_WIDE else None
    if not arch.output_relu:
        return "gram"
    if m > 2:
        return "fixed"
    if (experiment.training_size or 0) < MANY_SAMPLES:
        return "few"
    return "plane" if sparse else "fixed"
