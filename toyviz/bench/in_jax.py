"""The same training in JAX, which compiles whole steps: dense, and without any trick of ours."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from toyviz import data
from toyviz.experiment import Experiment
from toyviz.model import initial_parameters
from toyviz.schedules import learning_rates

# One thread, whatever the machine has: JAX reads both when it computes for the first time.
os.environ["NPROC"] = "1"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()

import jax
import jax.numpy as jnp
from jax import lax, nn, random

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # of AdamW, as in PyTorch


class Trainer:
    """Networks of one shape that are trained side by side, by vmap; they may differ in seed, sparsity and start.

    Raises ValueError for what no row of the bench needs, and is not written here.
    """

    def __init__(self, experiments: Sequence[Experiment]) -> None:
        for each in experiments:
            _refuse_unwritten(each)
        jax.config.update("jax_platforms", "cpu")
        self.experiment = experiments[0]
        self.rates = learning_rates(self.experiment).astype(np.float32)
        starts = [initial_parameters(each) for each in experiments]
        parameters = {name: jnp.array(np.stack([start[name] for start in starts])) for name in starts[0]}
        zeros = {name: jnp.zeros_like(values) for name, values in parameters.items()}
        self.state = (parameters, zeros, zeros)
        keys = [random.key(each.seed) for each in experiments]
        if self.experiment.fresh:
            self.samples: Any = (jnp.stack(keys), jnp.array([each.feature_probability for each in experiments]))
        else:
            sets = [data.training_samples(each) for each in experiments]
            self.samples = tuple(jnp.array(np.stack([each[i] for each in sets])) for i in (1, 2))
        self.importance = jnp.array(data.importance(self.experiment))
        self._compiled: dict[int, Any] = {}

    def prepare(self, steps: int) -> None:
        """Compile for so many steps at a time."""
        if steps not in self._compiled:
            several = jax.jit(jax.vmap(self._steps, in_axes=(0, 0, None, None)))
            places, rates = np.arange(steps, dtype=np.int32), self.rates[:1].repeat(steps)
            self._compiled[steps] = several.lower(self.state, self.samples, places, rates).compile()

    def advance(self, first: int, last: int) -> np.ndarray:
        """Take steps first ... last - 1 and return the losses before each of them, (networks, last - first)."""
        self.prepare(last - first)
        places, rates = np.arange(first, last, dtype=np.int32), self.rates[first:last]
        self.state, losses = self._compiled[last - first](self.state, self.samples, places, rates)
        return np.asarray(losses)

    def _steps(self, state: Any, samples: Any, places: Any, rates: Any) -> Any:
        """Of one network."""

        def step(state: Any, now: Any) -> Any:
            parameters, mean, square = state
            place, rate = now
            inputs, targets = self._fresh(samples, place) if self.experiment.fresh else samples
            loss, slope = jax.value_and_grad(self._loss)(parameters, inputs, targets)
            return self._adamw(parameters, mean, square, slope, place + 1, rate), loss

        return lax.scan(step, state, (places, rates))

    def _loss(self, weights: Any, inputs: Any, targets: Any) -> Any:
        """Mean over samples of sum_i I_i (y_i - y'_i)^2, or of -sum_i y_i log p_i for cross-entropy."""
        arch = self.experiment.arch_row
        hidden = inputs @ weights["W1"].T
        if arch.hidden_bias:
            hidden = hidden + weights["b1"]
        if arch.hidden_relu:
            hidden = nn.relu(hidden)
        output = hidden @ (weights["W1"] if arch.tied else weights["W2"].T) + weights["b2"]
        if arch.output_relu:
            output = nn.relu(output)
        if self.experiment.task_row.loss == "cross_entropy":
            return -(targets * nn.log_softmax(output)).sum(axis=1).mean()
        return (self.importance * (output - targets) ** 2).sum(axis=1).mean()

    def _fresh(self, samples: Any, place: Any) -> Any:
        """Inputs and targets of a step that draws its own: each feature is active with a chance of 1 - S."""
        key, probability = samples
        shape = (self.experiment.batch_size, self.experiment.n_features)
        active, value = random.split(random.fold_in(key, place))
        X = jnp.where(random.uniform(active, shape) < probability, random.uniform(value, shape), 0.0)
        return X, X

    def _adamw(self, parameters: Any, mean: Any, square: Any, slope: Any, taken: Any, rate: Any) -> Any:
        mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, mean, slope)
        square = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, square, slope)
        shrink, rate = 1 - rate * self.experiment.weight_decay, rate / (1 - BETA1**taken)
        correct = jnp.sqrt(1 - BETA2**taken)
        parameters = jax.tree.map(
            lambda p, m, v: p * shrink - rate * m / (jnp.sqrt(v) / correct + EPSILON), parameters, mean, square
        )
        return parameters, mean, square


def _refuse_unwritten(experiment: Experiment) -> None:
    arch, fresh = experiment.arch_row, experiment.fresh
    plain = experiment.task == "autoencode" and experiment.data == "sparse" and not experiment.normalize
    for name, written in (
        ("optimizer", experiment.optimizer == "adamw"),
        ("minibatch", experiment.minibatch is None),
        ("arch", arch.output_bias and not arch.output_abs),
        ("n_samples", plain or not fresh),
    ):
        if not written:
            raise ValueError(f"{name} {getattr(experiment, name)!r} of this experiment is not trained in JAX here")
