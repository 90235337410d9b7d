"""The reference held against NumPy alone: loss, gradients by finite differences, optimisers by formula."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")  # all of this file is about it

from toyviz import data, metrics
from toyviz.experiment import ARCHS, TASKS, Experiment
from toyviz.model import complete, forward, initial_parameters
from toyviz.train import TrainingFailed, frame_steps, thin, train
from toyviz.train.reference import Trainer

ROWS = [
    (arch, task)
    for arch in ARCHS
    for task in TASKS
    if not (ARCHS[arch].tied and task == "big_fish")  # tied needs as many outputs as inputs
]


def small(arch="relu_output", task="autoencode", **changes):
    fish = {"n_embed": 4} if TASKS[task].embedded else {}
    base = {"arch": arch, "task": task, "n_features": 7, "n_hidden": 3, "n_samples": 11, "sparsity": 0.6}
    biased = ARCHS[arch].hidden_bias or ARCHS[arch].output_bias
    start = {"bias_init": "normal"} if biased else {}
    return Experiment(**base | fish | start | {"steps": 20, "lr": 0.01, "seed": 3} | changes)


def numpy_loss(experiment, parameters):
    samples = data.training_samples(experiment)
    weights = complete(experiment, {name: values.astype(np.float64) for name, values in parameters.items()})
    output = forward(experiment.arch_row, weights, samples.inputs.astype(np.float64)).output
    if experiment.task_row.loss == "mse":
        return metrics.mse(output, samples.targets, data.importance(experiment).astype(np.float64)).mean()
    return metrics.cross_entropy(output, samples.targets).mean()


def numpy_gradients(experiment, parameters, h=1e-6):
    gradients = {}
    for name, values in parameters.items():
        gradients[name] = np.zeros(values.shape)
        for index in np.ndindex(values.shape):
            ends = []
            for side in (h, -h):
                moved = {key: other.astype(np.float64) for key, other in parameters.items()}
                moved[name][index] += side
                ends.append(numpy_loss(experiment, moved))
            gradients[name][index] = (ends[0] - ends[1]) / (2 * h)
    return gradients


@pytest.mark.parametrize(("arch", "task"), ROWS)
def test_loss_and_gradients_equal_finite_differences(arch, task):
    importance = {"importance_decay": 0.7} if task in ("autoencode", "big_fish") else {}
    experiment = small(arch, task, optimizer="sgd", weight_decay=0.0, **importance)
    start = initial_parameters(experiment)
    trainer = Trainer(experiment)
    loss = trainer.advance(0, 1)
    assert loss[0] == pytest.approx(numpy_loss(experiment, start), rel=1e-5)
    for name, expected in numpy_gradients(experiment, start).items():
        taken = (start[name] - trainer.parameters()[name]) / experiment.lr
        np.testing.assert_allclose(taken, expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max() + 1e-5)


def test_adamw_follows_its_formula_with_decay_on_every_parameter():
    experiment = small("mlp_relu_output", steps=3, weight_decay=0.1)
    weights = {name: values.astype(np.float64) for name, values in initial_parameters(experiment).items()}
    first, second = ({name: np.zeros(values.shape) for name, values in weights.items()} for _ in range(2))
    for step in range(1, 4):
        for name, gradient in numpy_gradients(experiment, weights).items():
            first[name] = 0.9 * first[name] + 0.1 * gradient
            second[name] = 0.999 * second[name] + 0.001 * gradient**2
            corrected = first[name] / (1 - 0.9**step), np.sqrt(second[name] / (1 - 0.999**step))
            weights[name] = weights[name] * (1 - 0.01 * 0.1) - 0.01 * corrected[0] / (corrected[1] + 1e-8)
    trainer = Trainer(experiment)
    trainer.advance(0, 3)
    for name, values in trainer.parameters().items():
        np.testing.assert_allclose(values, weights[name], atol=2e-5)


def test_sgd_follows_its_formula_with_momentum():
    experiment = small("mlp", optimizer="sgd", steps=3, weight_decay=0.1)
    weights = {name: values.astype(np.float64) for name, values in initial_parameters(experiment).items()}
    velocity = {name: np.zeros(values.shape) for name, values in weights.items()}
    for _ in range(3):
        gradients = numpy_gradients(experiment, weights)
        for name in weights:
            velocity[name] = 0.9 * velocity[name] + gradients[name] + 0.1 * weights[name]
            weights[name] = weights[name] - 0.01 * velocity[name]
    trainer = Trainer(experiment)
    trainer.advance(0, 3)
    for name, values in trainer.parameters().items():
        np.testing.assert_allclose(values, weights[name], atol=2e-5)


def test_every_step_on_fresh_batches_sees_another_batch():
    experiment = small(n_samples=None, batch_size=8, steps=2)
    trainer = Trainer(experiment)
    losses = trainer.advance(0, 2)
    assert losses[0] != losses[1]
    weights = complete(experiment, initial_parameters(experiment))
    X = data.fresh_batch(experiment, 0)
    expected = metrics.mse(forward(experiment.arch_row, weights, X).output, X).mean()
    assert losses[0] == pytest.approx(expected, rel=1e-5)


def test_the_history_begins_with_the_start_and_ends_with_the_result():
    result = train(small(steps=100), engine="reference")
    assert result.frame_steps[0] == 0
    assert result.frame_steps[-1] == 100
    for name, values in initial_parameters(result.experiment).items():
        np.testing.assert_array_equal(result.frames[name][0], values)
        np.testing.assert_array_equal(result.frames[name][-1], result.parameters[name])
    assert len(result.frame_steps) == len(result.frames["W1"])
    assert (np.diff(result.frame_steps) > 0).all()


def test_a_large_network_keeps_a_shorter_history_and_says_so():
    steps, note = frame_steps(Experiment(arch="mlp", n_features=1000, n_hidden=100, steps=1000))
    assert 2 <= len(steps) < 40
    assert "0.8 MB" in note
    assert frame_steps(Experiment())[1] is None


def test_the_loss_curve_is_made_of_means_over_stretches():
    losses = np.random.default_rng(0).uniform(size=5000).astype(np.float32)
    ends, means = thin(losses, points=50)
    assert ends[-1] == 5000
    assert means[-1] == pytest.approx(losses[ends[-2] :].mean(), rel=1e-5)
    assert (means * np.diff(ends, prepend=0)).sum() == pytest.approx(losses.sum(), rel=1e-5)


@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_training_that_blows_up_names_the_cause(engine):
    with pytest.raises(TrainingFailed, match=r"no longer a finite number at step .* lower lr"):
        train(small("mlp", "autoencode", optimizer="sgd", lr=10.0, steps=2000), engine=engine)


def test_a_training_set_without_any_active_feature_is_refused():
    with pytest.raises(TrainingFailed, match="no feature is active"):
        train(small(sparsity=0.999, n_samples=2))
    with pytest.raises(TrainingFailed, match="no feature is active"):
        train(small(sparsity=1 - 1e-9, n_samples=None))


def test_an_exception_in_the_callback_ends_the_training():
    class Stop(Exception):
        pass

    steps = []

    def stop(frame):
        steps.append(frame.step)
        raise Stop

    with pytest.raises(Stop):
        train(small(steps=100_000), engine="reference", on_frame=stop)
    assert steps[0] < 100_000


def test_an_unknown_engine_is_named():
    with pytest.raises(ValueError, match="engine must be one of auto, fused, reference; got 'gpu'"):
        train(small(), engine="gpu")
