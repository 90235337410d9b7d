"""The one network: what it computes, against PyTorch's own layers, and the statistics of its start."""

import itertools

import numpy as np
import pytest

from toyviz.experiment import ARCHS, BIAS_INITS, INITS, TASKS, Experiment
from toyviz.model import complete, forward, initial_parameters, shapes

BIASED = ("relu_output", "mlp")


def possible(arch, task):
    """The experiment of this arch and task, or None where the two cannot go together."""
    embedded = {"n_embed": 4} if TASKS[task].embedded else {}
    try:
        return Experiment(arch=arch, task=task, n_features=7, n_hidden=3, n_samples=11, sparsity=0.4, **embedded)
    except ValueError:
        return None


EXPERIMENTS = [each for pair in itertools.product(ARCHS, TASKS) if (each := possible(*pair))]


def by_name(experiment):
    return f"{experiment.arch}-{experiment.task}"


def torch_forward(torch, experiment, parameters, inputs):
    """The network made of PyTorch's layers, from the table of DESIGN: every stage between input and output."""
    weights = {name: torch.tensor(values) for name, values in parameters.items()}
    tied = experiment.arch in ("relu_output", "relu_hidden", "unembed_tied", "abs_output")
    hidden_pre = torch.nn.functional.linear(torch.tensor(inputs), weights["W1"], weights.get("b1"))
    hidden = (
        torch.nn.functional.relu(hidden_pre)
        if experiment.arch in ("relu_hidden", "mlp", "mlp_relu_output")
        else hidden_pre
    )
    output_pre = torch.nn.functional.linear(hidden, weights["W1"].T if tied else weights["W2"], weights.get("b2"))
    ends_in_relu = experiment.arch in ("relu_output", "relu_output_untied", "relu_hidden", "mlp_relu_output")
    output = torch.nn.functional.relu(output_pre) if ends_in_relu else output_pre
    if experiment.arch == "abs_output":
        output = torch.maximum(output_pre, -output_pre)
    return [stage.numpy() for stage in (hidden_pre, hidden, output_pre, output)]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=by_name)
def test_the_numpy_forward_equals_pytorchs_layers(torch, experiment):
    rng = np.random.default_rng(3)
    parameters = {name: rng.normal(size=shape) for name, shape in shapes(experiment).items()}
    inputs = rng.normal(size=(20, experiment.n_inputs))
    ours = forward(experiment.arch_row, complete(experiment, parameters), inputs)
    for mine, theirs in zip(ours, torch_forward(torch, experiment, parameters, inputs), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)
    assert ours.output.shape == (20, experiment.n_outputs)


def test_every_arch_can_do_some_task_and_every_task_has_some_arch():
    assert {each.arch for each in EXPERIMENTS} == set(ARCHS)
    assert {each.task for each in EXPERIMENTS} == set(TASKS)


def test_a_tied_network_answers_with_the_transpose_and_a_missing_bias_is_zero():
    experiment = Experiment(arch="relu_output", n_hidden=3)
    parameters = initial_parameters(experiment)
    every = complete(experiment, parameters)
    assert set(parameters) == {"W1", "b2"}
    np.testing.assert_array_equal(every["W2"], parameters["W1"].T)
    np.testing.assert_array_equal(every["b1"], np.zeros(3))
    assert set(initial_parameters(Experiment(arch="mlp"))) == {"W1", "b1", "W2", "b2"}
    assert set(initial_parameters(Experiment(arch="unembed"))) == {"W1", "W2", "b2"}


def pytorch_start(torch, init, shape):
    values = torch.empty(shape)
    if init == "linear_uniform":
        return torch.nn.Linear(shape[1], shape[0]).weight.detach().numpy()
    if init == "linear_normal":
        return values.normal_(std=float(np.sqrt(1 / (3 * shape[1])))).numpy()
    return {"xavier_normal": torch.nn.init.xavier_normal_, "xavier_uniform": torch.nn.init.xavier_uniform_}[init](
        values
    ).numpy()


@pytest.mark.parametrize("init", [name for name, init in INITS.items() if not init.keys])
@pytest.mark.parametrize("name", ["W1", "W2"])
def test_weights_start_with_the_spread_of_pytorchs_own_initialisations(torch, init, name):
    experiment = Experiment(arch="mlp", n_features=400, n_hidden=60, init=init)
    ours = initial_parameters(experiment)[name]
    torch.manual_seed(0)
    theirs = pytorch_start(torch, init, ours.shape)
    error = 5 * np.sqrt(2 * 2 / ours.size)  # of the ratio of two variances
    assert ours.dtype == np.float32
    assert ours.var() / theirs.var() == pytest.approx(1, abs=error)
    assert ours.mean() == pytest.approx(0, abs=5 * ours.std() / np.sqrt(ours.size))
    kurtosis = ((ours / ours.std()) ** 4).mean()
    assert kurtosis == pytest.approx(3 if init.endswith("normal") else 9 / 5, abs=5 * np.sqrt(24 / ours.size))
    if init.endswith("uniform"):
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=1e-3)


def test_the_posts_first_weights_have_the_spread_that_the_papers_state():
    W1 = initial_parameters(Experiment(n_features=1000, n_hidden=2))["W1"]
    assert W1.std() == pytest.approx(0.0447, rel=0.08)
    uniform = initial_parameters(Experiment(n_features=1000, n_hidden=2, init="xavier_uniform"))["W1"]
    assert np.abs(uniform).max() == pytest.approx(0.0774, rel=0.01)
    linear = initial_parameters(Experiment(arch="mlp", n_features=1000, n_hidden=2, init="linear_uniform"))
    assert np.abs(linear["W1"]).max() == pytest.approx(0.0316, rel=0.01)
    assert np.abs(linear["W2"]).max() == pytest.approx(0.707, rel=0.01)


@pytest.mark.parametrize("bias_init", BIAS_INITS)
@pytest.mark.parametrize("offset", [0.0, -1.0])
def test_biases_start_as_their_initialisation_says_moved_by_the_offset(bias_init, offset):
    experiment = Experiment(
        arch="mlp", n_features=4000, n_hidden=3000, steps=1, batch_size=1, bias_init=bias_init, bias_offset=offset
    )
    parameters = initial_parameters(experiment)
    for name, fan_in in (("b1", 4000), ("b2", 3000)):
        variance = {"zeros": 0.0, "normal": 1.0}.get(bias_init, 1 / (3 * fan_in))
        drawn = parameters[name].astype(np.float64) - offset
        assert drawn.mean() == pytest.approx(0, abs=5 * np.sqrt(variance / len(drawn)) + 1e-12)
        assert drawn.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / len(drawn)), abs=1e-12)
        if bias_init == "linear_uniform":
            assert np.abs(drawn).max() == pytest.approx(1 / np.sqrt(fan_in), rel=0.01)


def test_each_parameter_has_a_stream_of_its_own():
    experiment = Experiment(arch="mlp", n_features=50, n_hidden=50, bias_init="normal", init="linear_normal")
    start = initial_parameters(experiment)
    other = initial_parameters(experiment.with_(bias_init="zeros", bias_offset=1.0))
    for name in ("W1", "W2"):
        np.testing.assert_array_equal(start[name], other[name])
    assert abs(np.corrcoef(start["W1"].ravel(), start["W2"].ravel())[0, 1]) < 5 / 50
    assert abs(np.corrcoef(start["b1"], start["b2"])[0, 1]) < 5 / np.sqrt(50)
    for name, values in initial_parameters(experiment.with_(seed=1)).items():
        assert (values != start[name]).any()
    np.testing.assert_array_equal(initial_parameters(experiment.with_(data_seed=9, lr=1.0))["W1"], start["W1"])
