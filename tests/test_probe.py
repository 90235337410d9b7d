"""A trained network run again, against the long way: PyTorch in double precision, and loops."""

import numpy as np
import pytest

from toyviz import data, probe
from toyviz.experiment import Experiment
from toyviz.model import complete, shapes
from toyviz.result import Result

SMALL = {"n_features": 6, "n_hidden": 3, "n_samples": 1500, "sparsity": 0.6}  # more samples than one block
FISH = SMALL | {"arch": "mlp", "n_embed": 4}
CASES = {
    "autoencode": Experiment(**SMALL, arch="relu_output", importance_decay=0.7),
    "autoencode, normalised": Experiment(**SMALL, arch="mlp_relu_output", normalize=True),
    "big fish": Experiment(**FISH, task="big_fish", importance_decay=0.8),
    "small fish": Experiment(**FISH, task="small_fish"),
    "reproject": Experiment(**FISH, task="reproject"),
    "classify hard": Experiment(**SMALL, arch="unembed", task="classify_hard"),
    "classify soft": Experiment(**SMALL, arch="unembed_tied", task="classify_soft"),
    "classify shares": Experiment(**SMALL, arch="unembed", task="classify_shares"),
    "absolute value": Experiment(**SMALL, arch="abs_output", importance_decay=0.7),
    "minibatches": Experiment(**SMALL, arch="unembed", task="classify_hard", minibatch=7),
    "antipodal": Experiment(arch="mlp", task="classify_hard", data="antipodal", n_features=6, n_hidden=3),
    "one-hot": Experiment(arch="relu_hidden", data="one_hot", n_features=6, n_hidden=3, importance_decay=0.5),
    "fresh": Experiment(n_features=6, n_hidden=3, sparsity=0.6),
}


def trained(experiment):
    """A network with random weights in place of trained ones."""
    rng = np.random.default_rng(5)
    parameters = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes(experiment).items()}
    nothing = np.zeros(0)
    return Result(experiment, parameters, nothing, nothing, nothing, {}, {})


def slow_loss_and_accuracy(torch, experiment, result, samples):
    """Mean loss and accuracy in double precision, one sample at a time for the accuracy."""
    functional = torch.nn.functional
    W1, b1, W2, b2, inputs, targets = (
        torch.tensor(np.array(values), dtype=torch.float64)
        for values in (result.W1, result.b1, result.W2, result.b2, samples.inputs, samples.targets)
    )
    hidden = functional.linear(inputs, W1, b1)
    if experiment.arch in ("relu_hidden", "mlp", "mlp_relu_output"):
        hidden = hidden.relu()
    output = functional.linear(hidden, W2, b2)
    if experiment.arch in ("relu_output", "relu_hidden", "mlp_relu_output"):
        output = output.relu()
    if experiment.arch == "abs_output":
        output = torch.maximum(output, -output)
    if experiment.task.startswith("classify"):
        loss = functional.cross_entropy(output, targets)
    else:
        weights = torch.tensor(
            [experiment.importance_decay**i for i in range(experiment.n_outputs)], dtype=torch.float64
        )
        loss = functional.mse_loss(output * weights.sqrt(), targets * weights.sqrt(), reduction="sum") / len(targets)
    right = []
    for said, wanted in zip(output.tolist(), targets.tolist(), strict=True):
        if any(wanted):
            right.append(said.count(max(said)) == 1 and said.index(max(said)) == wanted.index(max(wanted)))
    return float(loss), sum(right) / len(right)


@pytest.mark.parametrize("name", CASES)
def test_losses_and_accuracies_equal_those_computed_the_long_way(torch, name):
    experiment = CASES[name]
    result = trained(experiment)
    measured = probe.evaluate(experiment, result.parameters)
    sets = {
        "train": None if experiment.fresh else data.training_samples(experiment),
        "test": data.held_out_samples(experiment),
    }
    assert list(measured) == ["train_loss", "test_loss", "train_accuracy", "test_accuracy"]
    for kind, samples in sets.items():
        if samples is None:
            assert measured[f"{kind}_loss"] is None
            assert measured[f"{kind}_accuracy"] is None
        else:
            loss, accuracy = slow_loss_and_accuracy(torch, experiment, result, samples)
            assert measured[f"{kind}_loss"] == pytest.approx(loss, rel=1e-5)
            assert measured[f"{kind}_accuracy"] == pytest.approx(accuracy, abs=2 / len(samples.X))


def test_what_has_no_meaning_is_none():
    fresh = probe.evaluate(CASES["fresh"], trained(CASES["fresh"]).parameters)
    assert [name for name, value in fresh.items() if value is None] == ["train_loss", "train_accuracy"]
    one_hot = probe.evaluate(CASES["one-hot"], trained(CASES["one-hot"]).parameters)
    assert [name for name, value in one_hot.items() if value is None] == ["test_loss", "test_accuracy"]


def test_a_network_that_says_nothing_is_never_right():
    experiment = CASES["autoencode"]
    silent = {name: np.zeros(shape, np.float32) for name, shape in shapes(experiment).items()}
    measured = probe.evaluate(experiment, silent)
    assert measured["train_accuracy"] == measured["test_accuracy"] == 0


def test_a_network_that_repeats_its_input_is_always_right_and_loses_nothing():
    experiment = Experiment(arch="relu_output", n_features=5, n_hidden=5, n_samples=50, sparsity=0.3)
    measured = probe.evaluate(experiment, {"W1": np.eye(5, dtype=np.float32), "b2": np.zeros(5, np.float32)})
    assert measured == {"train_loss": 0, "test_loss": 0, "train_accuracy": 1, "test_accuracy": 1}


@pytest.mark.parametrize("name", ["autoencode", "small fish", "fresh"])
def test_hidden_vectors_are_those_before_the_relu_on_what_the_network_trained_on(name):
    result = trained(CASES[name])
    samples = probe.seen_samples(result)
    expected = data.held_out_samples(result.experiment) if name == "fresh" else data.training_samples(result.experiment)
    np.testing.assert_array_equal(samples.X, expected.X)
    by_hand = np.array([[w @ x for w in result.W1] for x in samples.inputs]) + result.b1
    np.testing.assert_allclose(probe.hidden_vectors(result), by_hand, atol=1e-5)
    np.testing.assert_allclose(probe.activations(result, samples).hidden_pre, by_hand, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_a_frame_is_measured_on_the_training_set_and_the_first_thousand_new_samples(name):
    experiment = CASES[name]
    parameters = trained(experiment).parameters
    sets = probe.frame_sets(experiment)
    found = probe.evaluate_frame(experiment, parameters, sets, probe.loss_and_accuracy)
    assert None not in found.values()
    whole = {key: value for key, value in probe.evaluate(experiment, parameters).items() if value is not None}
    assert found.keys() == {*whole, "big_features"}
    for key in {"train_loss", "train_accuracy"} & whole.keys():
        assert found[key] == whole[key]
    held_out = data.held_out_samples(experiment)
    if held_out is not None:
        for values, every in zip(sets["test"], held_out, strict=True):
            np.testing.assert_array_equal(values, every[:1000])
        losses, right = by_hand(experiment, parameters, sets["test"])
        assert found["test_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
        assert found["test_accuracy"] == pytest.approx(np.mean(right), abs=2e-3)
    columns = parameters["W1"].T.astype(np.float64)
    shares = [v @ v / sum((v @ w) ** 2 / (v @ v) for w in columns) for v in columns]
    assert found["big_features"] == sum(share >= 0.15 for share in shares)


def by_hand(experiment, parameters, samples):
    """The loss of each sample, and whether each with a target is right, in plain loops and doubles."""
    weights = {name: values.astype(np.float64) for name, values in complete(experiment, parameters).items()}
    losses, right = [], []
    for x, target in zip(samples.inputs, samples.targets, strict=True):
        hidden = weights["W1"] @ x + weights["b1"]
        hidden = np.maximum(hidden, 0) if experiment.arch_row.hidden_relu else hidden
        output = weights["W2"] @ hidden + weights["b2"]
        output = np.maximum(output, 0) if experiment.arch_row.output_relu else output
        output = np.abs(output) if experiment.arch == "abs_output" else output
        if experiment.task.startswith("classify"):
            losses.append(sum(-t * (z - np.log(np.exp(output).sum())) for t, z in zip(target, output, strict=True)))
        else:
            errors = enumerate(zip(output, target, strict=True))
            losses.append(sum(experiment.importance_decay**i * (z - t) ** 2 for i, (z, t) in errors))
        if target.any():
            place = int(np.argmax(target))
            right.append(all(z < output[place] for i, z in enumerate(output) if i != place))
    return losses, right


def test_a_set_that_takes_more_numbers_than_allowed_is_not_drawn():
    experiment = CASES["autoencode"]  # 9,000 numbers of training, and 60,000 to draw the held-out samples
    for most, names in ((1e9, ["train", "test"]), (60_000, ["train", "test"]), (59_999, ["train"]), (8_999, [])):
        assert list(probe.frame_sets(experiment, most)) == names
    assert list(probe.frame_sets(CASES["fresh"])) == ["test"]
    assert list(probe.frame_sets(CASES["one-hot"])) == ["train"]
    parameters = trained(experiment).parameters
    assert list(probe.evaluate_frame(experiment, parameters, {}, probe.loss_and_accuracy)) == ["big_features"]
