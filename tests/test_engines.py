"""Every compiled kernel held against the reference: gradients, losses, and what training must leave alone."""

import itertools

import numpy as np
import pytest
from numba import njit

from toyviz import data, probe, settings
from toyviz.experiment import ARCHS, Experiment
from toyviz.model import initial_parameters
from toyviz.schedules import learning_rates
from toyviz.train import choose_engine, fused, train
from toyviz.train.fused import frames, fresh

BASE = {"n_samples": 11, "n_features": 37, "sparsity": 0.8, "bias_init": "normal", "seed": 3}
OUTPUT_RELU = ("relu_output", "relu_output_untied", "relu_hidden", "mlp_relu_output")
LINEAR_OUTPUT = ("mlp", "unembed", "unembed_tied")
SIZES = (1, 2, 3, 5, 16, 32)


ONE_OF_EACH = {  # by what the kernels do differently
    "fixed set, ReLU": {"n_hidden": 3, "n_samples": 90},
    "fixed set, softmax": {"arch": "unembed", "task": "classify_soft"},
    "few samples": {"n_hidden": 2},
    "points in a plane": {"n_hidden": 2, "n_samples": 130},
    "Gram matrices": {"arch": "mlp"},
    "Gram matrices, |x'|": {"arch": "abs_output"},
    "minibatches": {"arch": "unembed", "task": "classify_shares", "minibatch": 4},
    "fresh batches": {"n_samples": None, "batch_size": 70},
    "fish, by sums": {"arch": "mlp", "task": "big_fish", "n_embed": 6, "n_samples": 90},
    "sparse features, by blocks": {"n_samples": None, "n_features": 1000, "sparsity": 0.98, "batch_size": 200},
    "fish, by samples": {"arch": "mlp", "task": "reproject", "n_embed": 6, "n_samples": 90},
    "groups that are active together": {"n_samples": None, "batch_size": 70, "n_features": 36, "data": "correlated"},
    "groups of which one is active": {
        "n_samples": None, "batch_size": 130, "n_features": 36, "data": "anticorrelated", "group_size": 4,
    },
}  # fmt: skip


def experiment(**changes):
    values = BASE | changes
    if values.get("data") in ("one_hot", "antipodal"):
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
    for m in SIZES[:5]:
        kinds[f"abs_output, m={m}"] = experiment(arch="abs_output", n_hidden=m)
    kinds["abs_output, importance"] = experiment(arch="abs_output", n_hidden=3, importance_decay=0.7, n_samples=90)
    kinds["abs_output, empty samples"] = experiment(arch="abs_output", sparsity=0.99)
    kinds["abs_output, one_hot, m=20"] = experiment(arch="abs_output", data="one_hot", n_hidden=20)
    kinds["abs_output, antipodal"] = experiment(arch="abs_output", data="antipodal", n_features=9)
    for size in (1, 4, 5, 10):
        for task in ("classify_hard", "classify_soft", "classify_shares"):
            kinds[f"{task}, minibatches of {size}"] = experiment(arch="unembed", task=task, minibatch=size)
        kinds[f"mlp, minibatches of {size}"] = experiment(
            arch="mlp", task="classify_hard", n_hidden=20, minibatch=size, sparsity=0.95
        )
    for arch in OUTPUT_RELU + LINEAR_OUTPUT:
        for m in (*SIZES, 7):
            kinds[f"{arch}, fresh, m={m}"] = experiment(arch=arch, n_hidden=m, n_samples=None, batch_size=100)
        fresh = {"arch": arch, "n_samples": None, "n_features": 18}
        kinds[f"{arch}, fresh, dense"] = experiment(**fresh, sparsity=0.0, batch_size=65)
        kinds[f"{arch}, fresh, mostly empty"] = experiment(**fresh, sparsity=0.99, batch_size=300)
        kinds[f"{arch}, fresh, unit length"] = experiment(**fresh, normalize=True, batch_size=64)
        grouped = fresh | {"data": "anticorrelated", "group_size": 3}
        kinds[f"{arch}, fresh, groups"] = experiment(**grouped, batch_size=40)
        kinds[f"{arch}, groups"] = experiment(**grouped | {"n_samples": 90, "data": "correlated"})
        kinds[f"{arch}, fresh, importance"] = experiment(**fresh, importance_decay=0.7, batch_size=30)
    for arch in OUTPUT_RELU + LINEAR_OUTPUT:
        for task in ("small_fish", "reproject") if ARCHS[arch].tied else ("big_fish", "small_fish", "reproject"):
            fish = {"arch": arch, "task": task, "n_embed": 7}
            for m in (1, 5, 40):
                kinds[f"{arch}, {task}, m={m}"] = experiment(**fish, n_hidden=m)
            kinds[f"{arch}, {task}, many samples"] = experiment(**fish, n_samples=150, normalize=True)
        kinds[f"{arch}, m=140"] = experiment(arch=arch, n_hidden=140)
        if not ARCHS[arch].tied:
            kinds[f"{arch}, big_fish, importance"] = experiment(**fish | {"task": "big_fish"}, importance_decay=0.7)
    for arch in LINEAR_OUTPUT:
        kinds[f"{arch}, by sums"] = experiment(arch=arch, n_hidden=20, n_samples=150)
        kinds[f"{arch}, by sums, importance"] = experiment(arch=arch, n_hidden=20, n_samples=90, importance_decay=0.9)
    for arch in OUTPUT_RELU:
        for m in (1, 2):
            kinds[f"{arch}, points in a plane, m={m}"] = experiment(arch=arch, n_hidden=m, n_samples=301)
        kinds[f"{arch}, points in a plane, importance"] = experiment(
            arch=arch, n_hidden=2, n_samples=1500, n_features=70, sparsity=0.97, normalize=True, importance_decay=0.9
        )
    return kinds


ROWS = rows() | {kind: experiment(**changes) for kind, changes in ONE_OF_EACH.items()}


def cases(*arguments):
    """These arguments of a test, whose first one names a row: one of each kind is tried as on another processor too."""
    return [pytest.param(*each, marks=[pytest.mark.processor] * (each[0] in ONE_OF_EACH)) for each in arguments]


@pytest.fixture
def reference(torch):
    """The reference engine."""
    from toyviz.train import reference

    return reference


def reference_gradients(torch, reference, experiment, step=0):
    """The reference's own loss in double precision, and its gradients."""
    trainer = reference.Trainer(experiment)
    trainer.weights = {
        name: torch.tensor(values, dtype=torch.float64, requires_grad=True)
        for name, values in initial_parameters(experiment).items()
    }
    inputs, targets = trainer._batch(step)
    trainer.importance = trainer.importance.double()
    loss = trainer.loss(inputs.double(), targets.double())
    loss.backward()
    return loss.item(), {name: values.grad.numpy() for name, values in trainer.weights.items()}


@pytest.mark.parametrize("name", cases(*zip(ROWS)))
def test_gradients_of_one_step_equal_the_references(torch, reference, name):
    # one step of plain gradient descent from the start, as long as may be, so that rounding the weights costs little
    tried = ROWS[name].with_(optimizer="sgd", weight_decay=0.0, lr=10.0, steps=1)
    start, trainer = initial_parameters(tried), fused.Trainer(tried)
    loss = trainer.advance(0, 1)
    expected_loss, expected = reference_gradients(torch, reference, tried)
    assert loss[0] == pytest.approx(expected_loss, rel=1e-5)
    for key, values in trainer.parameters().items():
        taken = (start[key].astype(np.float64) - values) / tried.lr
        np.testing.assert_allclose(taken, expected[key], rtol=0, atol=1e-5 * np.abs(expected[key]).max(), err_msg=key)


RECIPES = (
    {"optimizer": "adamw", "schedule": "warmup_cosine", "warmup": 50, "lr": 3e-3},
    {"optimizer": "sgd", "schedule": "quarter_cosine", "lr": 3e-3, "weight_decay": 0.1},
    {"optimizer": "adamw", "schedule": "constant", "lr": 3e-3, "weight_decay": 0.1},
)


TRAINED = [name for name in ROWS if not name.endswith(("m=1", "m=3", "m=16"))]


@pytest.mark.parametrize(("name", "recipe"), cases(*zip(TRAINED, itertools.cycle(RECIPES))))
def test_losses_of_the_first_two_hundred_steps_equal_the_references(reference, name, recipe):
    tried = ROWS[name].with_(steps=300, **recipe)
    expected = reference.Trainer(tried).advance(0, 200)
    np.testing.assert_allclose(fused.Trainer(tried).advance(0, 200), expected, rtol=1e-3, atol=1e-7)


DRAWN = {
    "each by itself": {},
    "groups of 2 together": {"data": "correlated"},
    "groups of 9 together": {"data": "correlated", "group_size": 9},
    "one of 2": {"data": "anticorrelated"},
    "one of 4": {"data": "anticorrelated", "group_size": 4},
    "one of 36 and never none": {"data": "anticorrelated", "group_size": 36, "sparsity": 1 - 1 / 36},
}


@pytest.mark.processor
@pytest.mark.parametrize("kind", DRAWN)
def test_a_batch_that_the_kernel_draws_is_that_of_numpy_bit_for_bit(kind):
    tried = experiment(n_samples=None, n_features=36, batch_size=70, **DRAWN[kind])
    network = fused.Trainer(tried).network
    draw = njit(lambda net, step: fresh.draw(net, step, 0))
    for step in (0, 1, 12345):
        after, count = draw(network, step)
        found, batch = network.X.reshape(-1, network.wide)[:36, :count].T, data.fresh_batch(tried, step)
        assert after >= 70  # all samples fit into one block, where those without an active feature may be left out
        np.testing.assert_array_equal(found[found.any(axis=1)], batch[batch.any(axis=1)])


@pytest.mark.parametrize("kind", ONE_OF_EACH)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_weights_are_the_same_bit_for_bit_however_the_steps_are_called(kind, optimizer):
    tried = experiment(**ONE_OF_EACH[kind], optimizer=optimizer, steps=150, lr=5e-3)
    whole, parts = fused.Trainer(tried), fused.Trainer(tried)
    losses = whole.advance(0, 150)
    pieces = [parts.advance(first, last) for first, last in ((0, 1), (1, 2), (2, 63), (63, 66), (66, 150))]
    np.testing.assert_array_equal(np.concatenate(pieces), losses)
    for key, values in whole.parameters().items():
        np.testing.assert_array_equal(parts.parameters()[key], values)


@pytest.mark.parametrize("arch", ["relu_output_untied", "mlp_relu_output", "mlp", "unembed"])
def test_columns_of_features_that_are_never_active_shrink_by_the_product_of_one_minus_lr_wd(arch):
    task = "classify_hard" if arch == "unembed" else "autoencode"
    tried = experiment(
        arch=arch, task=task, sparsity=0.95, schedule="warmup_cosine", warmup=20, steps=200, lr=0.05, weight_decay=0.2
    )
    never = ~data.training_features(tried).any(axis=0)
    assert never.sum() > 5
    trainer = fused.Trainer(tried)
    trainer.advance(0, 200)
    kept = np.prod(1 - learning_rates(tried) * 0.2)
    before = initial_parameters(tried)["W1"][:, never]
    np.testing.assert_allclose(trainer.parameters()["W1"][:, never], kept * before, rtol=1e-3)
    assert 0.3 < kept < 0.7


def test_moments_that_fade_become_zero_and_never_denormal():
    tried = experiment(n_hidden=2, n_samples=3, sparsity=0.9, normalize=True, steps=3000, lr=1e-2, bias_init="zeros")
    trainer = fused.Trainer(tried)
    trainer.advance(0, 50)
    network = trainer.network
    met = network.first != 0
    trainer.advance(50, 3000)
    assert (network.first[met] == 0).any()  # 0.9 ** 3000 is far below the smallest float
    for values in (network.first, network.second, network.parameters):
        assert np.abs(values[values != 0]).min() >= 1e-30


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_a_training_that_blows_up_says_so_at_once_as_in_the_reference(reference, kind):
    tried = experiment(**ONE_OF_EACH[kind] | {"bias_offset": 100.0}, optimizer="sgd", steps=400, lr=10.0)
    expected, found = reference.Trainer(tried).advance(0, 60), fused.Trainer(tried).advance(0, 60)
    assert not np.isfinite(expected[-1])
    assert not np.isfinite(found[-1])
    assert abs(np.isfinite(found).argmin() - np.isfinite(expected).argmin()) <= 2


MEASURED = {
    name: each
    for name, each in ROWS.items()
    if name in ONE_OF_EACH or name.endswith(("m=5", "importance", "empty samples", "antipodal classes", "one_hot"))
} | {
    "ReLU, one output": experiment(n_features=1, sparsity=0.3),
    "whole vectors of outputs": experiment(n_features=32),
    "classes, more than a block": experiment(arch="unembed", task="classify_soft", n_samples=2500),
    "ReLU, many hidden units": experiment(n_hidden=200),
}


@pytest.mark.parametrize("name", cases(*zip(MEASURED)))
def test_what_measures_frames_gives_the_numbers_of_the_probe(name):
    tried = MEASURED[name]
    held_out = data.held_out_samples(tried)
    sets = [data.training_samples(tried)] if not tried.fresh else []
    sets += [data.Samples(*(values[:1000] for values in held_out))] if held_out is not None else []
    rng = np.random.default_rng(4)
    networks = [initial_parameters(tried)]
    networks.append({key: rng.normal(size=values.shape).astype(np.float32) for key, values in networks[0].items()})
    networks.append({key: np.zeros_like(values) for key, values in networks[0].items()})  # where every output ties
    for samples, parameters in itertools.product(sets, networks):
        loss, accuracy = probe.loss_and_accuracy(tried, parameters, samples)
        found = frames.loss_and_accuracy(tried, parameters, frames.prepare(samples))
        assert found[0] == pytest.approx(loss, rel=2e-6)
        assert found[1] == pytest.approx(accuracy, abs=1.5 / len(samples.X))
        if not any(values.any() for values in parameters.values()):
            assert found[1] == accuracy


def test_a_measured_loss_is_exact_where_the_network_is_all_but_perfect():
    tried = experiment(n_features=40, n_hidden=40, n_samples=60)
    samples = data.training_samples(tried)
    parameters = {"W1": np.eye(40, dtype=np.float32), "b2": np.full(40, 1e-4, np.float32)}
    loss, accuracy = frames.loss_and_accuracy(tried, parameters, frames.prepare(samples))
    assert loss == pytest.approx(40e-8, rel=1e-2)  # of 1e-4 a float next to 1 keeps three digits
    assert accuracy == 1


def test_samples_without_a_target_have_no_accuracy():
    tried = experiment(arch="unembed", task="classify_hard")
    samples = data.samples(tried, np.zeros((3, 37), np.float32))
    parameters = initial_parameters(tried)
    assert frames.loss_and_accuracy(tried, parameters, frames.prepare(samples)) == (0.0, None)


ENDS = {
    "fresh batches": experiment(n_samples=None, n_features=8, sparsity=0.7, n_hidden=3, batch_size=64),
    "classes": experiment(arch="unembed", task="classify_hard", n_features=30, n_samples=40, n_hidden=2),
    "points in a plane": experiment(n_features=60, n_samples=200, sparsity=0.95, normalize=True, n_hidden=2),
}


@pytest.mark.parametrize("name", ENDS)
def test_trainings_end_alike_over_seeds(reference, name):
    ends = {"fused": [], "reference": []}
    for seed in range(4):
        tried = ENDS[name].with_(seed=seed, steps=800, lr=5e-3, bias_init="zeros", schedule="quarter_cosine")
        for engine, losses in ends.items():
            metrics = train(tried, engine=engine).metrics
            losses.append(metrics["test_loss"])
    np.testing.assert_allclose(ends["fused"], ends["reference"], rtol=0.05)
    assert np.mean(ends["fused"]) == pytest.approx(np.mean(ends["reference"]), rel=0.01)


@pytest.mark.parametrize(
    "uncovered",
    [
        {"n_hidden": 1100},
        {"arch": "unembed", "task": "classify_soft", "n_hidden": 200},
        {"n_samples": None, "n_hidden": 200},
        {"task": "classify_hard"},  # a softmax over a ReLU
        {"arch": "unembed", "task": "classify_hard", "n_samples": None},
        {"arch": "mlp", "task": "big_fish", "n_embed": 6, "n_samples": None},
        {"minibatch": 4},
        {"arch": "mlp", "minibatch": 4},
        {"arch": "mlp", "task": "reproject", "n_embed": 6, "minibatch": 4},
        {"arch": "abs_output", "n_hidden": 17},
        {"arch": "abs_output", "n_samples": None},
        {"arch": "abs_output", "task": "classify_soft"},
        {"arch": "abs_output", "task": "small_fish", "n_embed": 6},
    ],
)
def test_what_no_kernel_covers_is_left_to_the_reference_and_refused_by_the_fast_path(uncovered):
    tried = experiment(**uncovered)
    assert not fused.covers(tried)
    assert choose_engine(tried) == "reference"
    with pytest.raises(ValueError, match="no kernel"):
        choose_engine(tried, "fused")
    with pytest.raises(ValueError, match="no kernel"):
        fused.Trainer(tried)


def test_every_row_here_is_covered():
    assert [name for name, tried in ROWS.items() if not fused.covers(tried)] == []


def test_a_full_disk_costs_the_kept_kernel_and_not_the_training():
    tried = experiment(steps=5)
    expected, trainer = fused.Trainer(tried).advance(0, 5), fused.Trainer(tried)
    kernel, failures = trainer.kernel, [OSError("No space left on device")]

    def cannot_be_kept(*arguments):
        if failures:
            raise failures.pop()
        return kernel(*arguments)

    trainer.kernel = cannot_be_kept
    np.testing.assert_array_equal(trainer.advance(0, 5), expected)
    assert not failures


GUARDED = {
    "fixed set": ({"n_hidden": 3}, [-0.06764, 0.33478, -0.5581, 0.17719, 1.05898]),
    "points in a plane": ({"n_hidden": 2, "n_samples": 130}, [-0.23163, 0.31982, -0.57796, 0.17342, 1.05896]),
    "fresh batches": ({"n_samples": None, "batch_size": 70}, [-0.1879, 0.31641, -0.58049, 0.17321, 1.05849]),
    "classes": ({"arch": "unembed", "task": "classify_hard"}, [0.08391, 0.12383, -0.48002, 0.17089, 1.0594]),
    "literal MLP": ({"arch": "mlp"}, [-0.12212, 0.12383, -0.39068, 0.19972, 1.06193]),
    "big fish": ({"arch": "mlp", "task": "big_fish", "n_embed": 6}, [-0.11216, 0.2713, -0.62478, 0.1957, 1.06661]),
}


@pytest.mark.processor
@pytest.mark.parametrize("name", GUARDED)
def test_the_same_experiment_still_gives_the_same_weights(name):
    changes, expected = GUARDED[name]
    trainer = fused.Trainer(experiment(**changes, steps=20, lr=1e-2))
    trainer.advance(0, 20)
    parameters = trainer.parameters()
    found = [*parameters["W1"][0, :3], *parameters["b2"][:2]]
    # twenty steps are not chaotic: without fused multiply-add these numbers move by less than a hundredth of this
    message = "training gives other weights: if its definition changed, raise ENGINE_VERSION in toyviz/experiment.py"
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4, err_msg=message)


@pytest.mark.parametrize("arch", ["relu_output", "mlp", "unembed"])
def test_a_set_that_is_drawn_in_blocks_trains_the_same_network_bit_by_bit(arch, monkeypatch):
    task = "classify_hard" if arch == "unembed" else "autoencode"
    tried = experiment(arch=arch, task=task, n_features=50, n_hidden=2, n_samples=2100, sparsity=0.9, steps=20)
    whole = train(tried)
    monkeypatch.setattr(data, "WHOLE", 0)
    blocks = train(tried)
    assert whole.losses.tobytes() == blocks.losses.tobytes()
    assert whole.metrics == blocks.metrics
    for name, values in whole.parameters.items():
        assert values.tobytes() == blocks.parameters[name].tobytes()
    for name, values in whole.frame_metrics.items():
        np.testing.assert_allclose(blocks.frame_metrics[name], values, rtol=1e-5, atol=1 / 2000)


def test_the_papers_size_has_the_losses_of_the_reference(torch):
    from toyviz.train import reference

    tried = settings.EXPERIMENTS["double_descent_10000"].quick.with_(steps=6, warmup=1, lr=1e-3)
    losses = [engine.Trainer(tried).advance(0, 6) for engine in (fused, reference)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
