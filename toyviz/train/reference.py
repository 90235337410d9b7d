"""Training in plain PyTorch autograd: the definition of correct, for every experiment, on CPU or CUDA."""

from __future__ import annotations

import numpy as np
import torch

from toyviz import data
from toyviz.experiment import Experiment
from toyviz.model import Parameters, initial_parameters
from toyviz.schedules import learning_rates

MOMENTUM = 0.9  # of SGD


class Trainer:
    """A network in training. advance() takes steps; parameters() looks at it."""

    def __init__(self, experiment: Experiment, device: str = "cpu") -> None:
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)  # else Adam's moments of a memorised set slow a step down tenfold
        self.experiment, self.device = experiment, torch.device(device)
        self.rates = learning_rates(experiment)
        self.weights = {
            name: torch.tensor(values, device=self.device, requires_grad=True)
            for name, values in initial_parameters(experiment).items()
        }
        self.importance = self._tensor(data.importance(experiment))
        self.fixed = None if experiment.fresh else self._samples(data.training_samples(experiment))
        make = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[experiment.optimizer]
        options = {"momentum": MOMENTUM} if experiment.optimizer == "sgd" else {}
        self.optimizer = make(self.weights.values(), weight_decay=experiment.weight_decay, **options)

    def advance(self, first: int, last: int) -> np.ndarray:
        """Take steps first ... last - 1 and return the loss before each of them, float32: of minibatches on its own."""
        losses = []
        for step in range(first, last):
            self.optimizer.param_groups[0]["lr"] = self.rates[step]
            self.optimizer.zero_grad()
            loss = self.loss(*self._batch(step))
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).cpu().numpy()

    def parameters(self) -> Parameters:
        """A copy of the trained parameters as they are now."""
        return {name: values.detach().cpu().numpy().copy() for name, values in self.weights.items()}

    def loss(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean over samples of sum_i I_i (y_i - y'_i)^2, or of -sum_i y_i log p_i for cross-entropy."""
        arch, weights = self.experiment.arch_row, self.weights
        hidden = inputs @ weights["W1"].T
        if arch.hidden_bias:
            hidden = hidden + weights["b1"]
        if arch.hidden_relu:
            hidden = hidden.relu()
        output = hidden @ (weights["W1"] if arch.tied else weights["W2"].T)
        if arch.output_bias:
            output = output + weights["b2"]
        if arch.output_relu:
            output = output.relu()
        if arch.output_abs:
            output = output.abs()
        if self.experiment.task_row.loss == "cross_entropy":
            return -(targets * output.log_softmax(dim=1)).sum(dim=1).mean()
        return (self.importance * (output - targets) ** 2).sum(dim=1).mean()

    def _batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What this step sees: the training set, some of it, or new samples."""
        if self.fixed is None:
            return self._fresh(step)
        if self.experiment.minibatch is None:
            return self.fixed
        seen = torch.from_numpy(data.minibatch_rows(self.experiment, step).copy()).to(self.device)
        return self.fixed[0][seen], self.fixed[1][seen]

    def _fresh(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self._samples(data.samples(self.experiment, data.fresh_batch(self.experiment, step)))

    def _samples(self, samples: data.Samples) -> tuple[torch.Tensor, torch.Tensor]:
        return self._tensor(samples.inputs), self._tensor(samples.targets)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)
