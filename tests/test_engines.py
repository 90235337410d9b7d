"""Every compiled kernel held against the reference: gradients, losses, and what training must leave alone."""

import numpy as np
import pytest
import torch

from toyviz.experiment import ARCHS, Experiment
from toyviz.model import initial_parameters
from toyviz.train import fused, reference

BASE = {"n_samples": 11, "n_features": 37, "sparsity": 0.8, "bias_init": "normal", "seed": 3}
OUTPUT_RELU = ("relu_output", "relu_output_untied", "relu_hidden", "mlp_relu_output")
LINEAR_OUTPUT = ("mlp", "unembed", "unembed_tied")
SIZES = (1, 2, 3, 5, 16, 32)


def experiment(**changes):
    values = BASE | changes
    if values.get("data", "sparse") != "sparse":
        values = {name: value for name, value in values.items() if name not in ("n_samples", "sparsity")}
    values.setdefault("n_hidden", 4)
    return Experiment(**values)


def rows():
    """One experiment of each kind that a kernel covers, by the name of the kind."""
    kinds = {}
    for arch in OUTPUT_RELU + LINEAR_OUTPUT:
        for m in SIZES:
            kinds[f"{arch}, m={m}"] = experiment(arch=arch, n_hidden=m)
        kinds[f"{arch}, importance"] = experiment(arch=arch, n_hidden=3, importance_decay=0.7, n_samples=13)
        kinds[f"{arch}, unit length, n=100"] = experiment(arch=arch, n_features=100, n_samples=6, normalize=True)
        kinds[f"{arch}, empty samples"] = experiment(arch=arch, sparsity=0.99)
        kinds[f"{arch}, one_hot"] = experiment(arch=arch, data="one_hot", n_features=9)
        kinds[f"{arch}, antipodal"] = experiment(arch=arch, data="antipodal", n_features=9)
    for arch in LINEAR_OUTPUT:
        for task in ("classify_hard", "classify_soft"):
            for m in SIZES:
                kinds[f"{arch}, {task}, m={m}"] = experiment(arch=arch, task=task, n_hidden=m)
            kinds[f"{arch}, {task}, empty samples"] = experiment(arch=arch, task=task, sparsity=0.99)
            kinds[f"{arch}, {task}, one_hot"] = experiment(arch=arch, task=task, data="one_hot", n_features=9)
            kinds[f"no output bias, {task}"] = experiment(arch="unembed_no_bias", task=task, bias_init="zeros")
        if arch != "unembed_tied":
            kinds[f"{arch}, antipodal classes"] = experiment(
                arch=arch, task="classify_hard", data="antipodal", n_features=9
            )
    for arch in OUTPUT_RELU + LINEAR_OUTPUT:
        for m in SIZES:
            kinds[f"{arch}, fresh, m={m}"] = experiment(arch=arch, n_hidden=m, n_samples=None, batch_size=100)
        fresh = {"arch": arch, "n_samples": None, "n_features": 18}
        kinds[f"{arch}, fresh, dense"] = experiment(**fresh, sparsity=0.0, batch_size=65)
        kinds[f"{arch}, fresh, mostly empty"] = experiment(**fresh, sparsity=0.99, batch_size=300)
        kinds[f"{arch}, fresh, unit length"] = experiment(**fresh, normalize=True, batch_size=64)
        kinds[f"{arch}, fresh, importance"] = experiment(**fresh, importance_decay=0.7, batch_size=30)
    for arch in OUTPUT_RELU + LINEAR_OUTPUT:
        for task in ("small_fish", "reproject") if ARCHS[arch].tied else ("big_fish", "small_fish", "reproject"):
            fish = {"arch": arch, "task": task, "n_embed": 7}
            for m in (1, 5, 40):
                kinds[f"{arch}, {task}, m={m}"] = experiment(**fish, n_hidden=m)
            kinds[f"{arch}, {task}, many samples"] = experiment(**fish, n_samples=150, normalize=True)
        if not ARCHS[arch].tied:
            kinds[f"{arch}, big_fish, importance"] = experiment(**fish | {"task": "big_fish"}, importance_decay=0.7)
    for arch in OUTPUT_RELU:
        for m in (1, 2):
            kinds[f"{arch}, points in a plane, m={m}"] = experiment(arch=arch, n_hidden=m, n_samples=301)
        kinds[f"{arch}, points in a plane, importance"] = experiment(
            arch=arch, n_hidden=2, n_samples=1500, n_features=70, sparsity=0.97, normalize=True, importance_decay=0.9
        )
    kinds["fresh, several blocks"] = experiment(n_samples=None, n_features=1000, sparsity=0.98, batch_size=200)
    return kinds


ROWS = rows()


def reference_gradients(experiment, step=0):
    """The reference's own loss in double precision, and its gradients."""
    trainer = reference.Trainer(experiment)
    trainer.weights = {
        name: torch.tensor(values, dtype=torch.float64, requires_grad=True)
        for name, values in initial_parameters(experiment).items()
    }
    inputs, targets = trainer.fixed or trainer._fresh(step)
    trainer.importance = trainer.importance.double()
    loss = trainer.loss(inputs.double(), targets.double())
    loss.backward()
    return loss.item(), {name: values.grad.numpy() for name, values in trainer.weights.items()}


@pytest.mark.parametrize("name", ROWS)
def test_gradients_of_one_step_equal_the_references(name):
    # one step of plain gradient descent from the start, as long as may be, so that rounding the weights costs little
    tried = ROWS[name].with_(optimizer="sgd", weight_decay=0.0, lr=10.0, steps=1)
    start, trainer = initial_parameters(tried), fused.Trainer(tried)
    loss = trainer.advance(0, 1)
    expected_loss, expected = reference_gradients(tried)
    assert loss[0] == pytest.approx(expected_loss, rel=1e-5)
    for key, values in trainer.parameters().items():
        taken = (start[key].astype(np.float64) - values) / tried.lr
        np.testing.assert_allclose(taken, expected[key], rtol=0, atol=1e-5 * np.abs(expected[key]).max(), err_msg=key)


@pytest.mark.parametrize(
    ("optimizer", "schedule"), [("adamw", "warmup_cosine"), ("adamw", "constant"), ("sgd", "quarter_cosine")]
)
@pytest.mark.parametrize("name", [name for name in ROWS if "m=" not in name or "m=2" in name or "m=5" in name])
def test_losses_of_the_first_two_hundred_steps_equal_the_references(name, optimizer, schedule):
    tried = ROWS[name].with_(
        optimizer=optimizer, schedule=schedule, steps=300, lr=3e-3, warmup=50 if schedule == "warmup_cosine" else 0
    )
    expected = reference.Trainer(tried).advance(0, 200)
    np.testing.assert_allclose(fused.Trainer(tried).advance(0, 200), expected, rtol=1e-3, atol=1e-7)
