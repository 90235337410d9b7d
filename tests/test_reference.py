"""The reference held against NumPy alone: loss, gradients by finite differences, optimisers by formula."""

import itertools
import platform
import zlib
from types import SimpleNamespace

import numba
import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")  # all of this file is about it

from toyviz import data, metrics
from toyviz.experiment import ARCHS, ENGINE_VERSION, TASKS, Experiment
from toyviz.model import complete, forward, initial_parameters
from toyviz.result import FRAME_METRICS
from toyviz.store import pack, unpack
from toyviz.train import (
    TrainingFailed,
    candidate_steps,
    choose_engine,
    choose_frames,
    frame_count,
    fused,
    instruction_set,
    measured_frames,
    thin,
    train,
)
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


def one_step_at_a_time(engine, experiment):
    """The loss before each step, worked out from the weights, and the weights before each step and at the end."""
    trainer = {"reference": Trainer, "fused": fused.Trainer}[engine](experiment)
    losses, weights = [], []
    for step in range(experiment.steps):
        weights.append(trainer.parameters())
        losses.append(numpy_loss(experiment, weights[-1]))
        trainer.advance(step, step + 1)
    return np.array(losses), [*weights, trainer.parameters()]


@pytest.fixture
def long_chunks(monkeypatch):
    """Training goes from frame to frame in as few calls of an engine as it may, whatever the time they take."""
    monkeypatch.setattr("toyviz.train.SECONDS_A_CHUNK", 1e6)


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_an_engine_returns_the_loss_before_each_step_in_the_order_of_the_steps(engine):
    experiment = small(steps=40)
    expected, weights = one_step_at_a_time(engine, experiment)
    trainer = {"reference": Trainer, "fused": fused.Trainer}[engine](experiment)
    losses = np.concatenate([trainer.advance(0, 3), trainer.advance(3, 40)])
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert (np.abs(np.diff(expected)) > 1e-4 * expected[1:]).all()  # so that no two steps could be exchanged
    np.testing.assert_array_equal(trainer.parameters()["W1"], weights[-1]["W1"])


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_the_curve_the_history_and_the_frames_tell_each_step_in_its_place(engine, long_chunks):
    experiment = small(steps=1500)
    expected, weights = one_step_at_a_time(engine, experiment)
    frames = []
    result = train(experiment, engine=engine, on_frame=frames.append)
    stretches = itertools.pairwise([0, *result.loss_steps])
    means = [expected[first:last].mean() for first, last in stretches]
    np.testing.assert_allclose(result.losses, means, rtol=1e-4)
    for index, step in enumerate(result.frame_steps):
        for name, values in weights[step].items():
            np.testing.assert_array_equal(result.frames[name][index], values)
    seen = [frame.step for frame in frames]
    assert seen == sorted(set(seen))
    assert seen[-1] == 1500
    assert max(np.diff(seen)) > 10
    for frame in frames:
        np.testing.assert_array_equal(frame.parameters["W1"], weights[frame.step]["W1"])
        if frame.step:
            assert frame.loss == pytest.approx(expected[frame.step - 1], rel=1e-4)


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
    wide = Experiment(arch="mlp", n_features=1000, n_hidden=50, steps=1000)  # 101,050 parameters
    assert frame_count(wide) == (14, "history of 14 frames instead of 40: each has 0.4 MB")
    assert len(candidate_steps(wide)) <= 3 * 14 + 2
    for n_hidden in (500, 1000):  # from here on only two frames
        assert frame_count(wide.with_(n_hidden=n_hidden))[0] == 2
        assert frame_count(wide.with_(n_hidden=n_hidden))[1].startswith("history of 2 frames")
        assert candidate_steps(wide.with_(n_hidden=n_hidden)).tolist() == [0, 1000]


@pytest.mark.parametrize("arch", ["relu_output", "mlp_relu_output"])
def test_a_network_of_the_post_has_forty_frames_however_long_it_trains(arch):
    for n_hidden, steps in itertools.product((1, 2, 16), (39, 40, 119, 120, 121, 5000, 50_000, 1_000_000)):
        experiment = Experiment(arch=arch, n_features=1000, n_hidden=n_hidden, steps=steps)
        assert frame_count(experiment) == (40, None)
        candidates = candidate_steps(experiment)
        assert (candidates[0], candidates[-1]) == (0, steps)
        assert (np.diff(candidates) > 0).all()
        assert 40 <= len(candidates) <= 122
    assert frame_count(experiment.with_(steps=7)) == (8, None)
    assert candidate_steps(experiment.with_(steps=7)).tolist() == list(range(8))


STEPS = np.arange(1, 5001)
CURVES = {
    "flat": np.ones(5000),
    "as a power": STEPS**-0.5,
    "a late fall": 0.01 + 1 / (1 + np.exp((STEPS - 3000) / 100)),
    "a jump": np.where(STEPS < 2345, 1.0, 1e-3),
    "to nothing": 10.0 ** (-STEPS / 100),
    "nothing at all": np.zeros(5000),
    "a rise": 1 + STEPS / 5000,
    "noise": np.random.default_rng(0).lognormal(0, 0.5, 5000),
    "a fall, then noise": np.exp(-np.minimum(STEPS, 100) / 20) * np.random.default_rng(1).lognormal(0, 0.3, 5000),
}


@pytest.mark.parametrize("name", CURVES)
def test_the_frames_are_forty_different_ones_with_both_ends_and_spread_over_the_magnitudes_of_the_steps(name):
    candidates = candidate_steps(Experiment(n_features=9, n_hidden=2, steps=5000))
    losses = CURVES[name].astype(np.float32)
    chosen = choose_frames(candidates, losses, 40)
    steps = candidates[chosen]
    assert len(chosen) == 40
    assert (np.diff(chosen) > 0).all()
    assert (steps[0], steps[-1]) == (0, 5000)
    np.testing.assert_array_equal(choose_frames(candidates, losses, 40), chosen)
    for first, last in ((1, 10), (10, 100), (100, 1000), (1000, 5000)):
        assert 4 <= ((first <= steps) & (steps <= last)).sum() <= 27
    for count in (3, 10, len(candidates) - 1, len(candidates)):
        few = choose_frames(candidates, losses, count)
        assert len(set(few.tolist())) == count
        assert (few[0], few[-1]) == (0, len(candidates) - 1)


def test_a_third_of_the_frames_lies_in_a_fall_and_none_of_them_follows_the_noise_at_the_end():
    candidates = candidate_steps(Experiment(n_features=9, n_hidden=2, steps=5000))
    flat = candidates[choose_frames(candidates, CURVES["flat"].astype(np.float32), 40)]
    for name, first, last in (("a late fall", 2500, 3500), ("a fall, then noise", 1, 150)):
        steps = candidates[choose_frames(candidates, CURVES[name].astype(np.float32), 40)]
        inside, before = ((first <= each) & (each <= last) for each in (steps, flat))
        assert inside.sum() >= 10, name
        assert inside.sum() > before.sum() + 2, name
    assert (steps > 200).sum() <= 14


@pytest.mark.parametrize("name", ["as a power", "a late fall", "to nothing", "a jump"])
def test_frames_are_evenly_spaced_along_half_the_log_of_the_steps_and_half_the_fall(name):
    candidates, count = candidate_steps(Experiment(n_features=9, n_hidden=2, steps=5000)), 40
    losses = CURVES[name].astype(np.float32)
    means = []
    for index, step in enumerate(candidates):  # over the steps that are nearer to it than to another candidate
        first = -(-(candidates[index - 1] + step) // 2) if index else 0
        last = -(-(step + candidates[index + 1]) // 2) if index + 1 < len(candidates) else 5001
        means.append(np.mean([losses[min(each, 4999)] for each in range(first, last)], dtype=float))
    fall = [np.log(means[0] / max(min(means[: index + 1]), 1e-4 * max(means))) for index in range(len(means))]
    share = np.diff(np.log1p(candidates) / np.log(5001) + np.array(fall) / fall[-1])
    few, many = 0.0, 1e6  # by bisection: so many frames a unit, of which a gap between candidates has at most one
    for _ in range(200):
        middle = (few + many) / 2
        few, many = (middle, many) if np.minimum(share * middle, 1).sum() < count - 1 else (few, middle)
    places = np.append(0, np.minimum(share * few, 1).cumsum())[choose_frames(candidates, losses, count)]
    assert (places > np.arange(count) - 0.01).all()
    assert (places < np.arange(count) + 1.01).all()


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_each_frame_was_measured_on_the_training_set_and_on_a_thousand_new_samples(engine):
    experiment = small(steps=300)
    result = train(experiment, engine=engine)
    assert list(result.frame_metrics) == list(FRAME_METRICS)
    held_out = data.held_out_samples(experiment)
    for index in range(len(result.frame_steps)):
        weights = {name: values.astype(np.float64) for name, values in result.frame(index).items()}
        parameters = {name: values[index] for name, values in result.frames.items()}
        found = {name: values[index] for name, values in result.frame_metrics.items()}
        assert found["train_loss"] == pytest.approx(numpy_loss(experiment, parameters), rel=1e-5)
        output = forward(experiment.arch_row, weights, held_out.inputs[:1000].astype(np.float64)).output
        assert found["test_loss"] == pytest.approx(metrics.mse(output, held_out.targets[:1000]).mean(), rel=1e-5)
        shares = metrics.dimensionality(result.frames["W1"][index].T)
        assert found["big_features"] == sum(share >= 0.15 for share in shares)
    assert result.finished
    assert result.metrics["train_loss"] == pytest.approx(result.frame_metrics["train_loss"][-1], rel=1e-5)
    assert result.metrics["test_loss"] == pytest.approx(result.frame_metrics["test_loss"][-1], rel=0.2)


def test_what_a_frame_of_this_experiment_does_not_have_has_no_name():
    fresh = train(small(n_samples=None, batch_size=8)).frame_metrics
    assert list(fresh) == ["test_loss", "test_accuracy", "big_features"]
    one_hot = Experiment(data="one_hot", n_features=7, n_hidden=2, steps=20)
    assert list(train(one_hot).frame_metrics) == ["train_loss", "train_accuracy", "big_features"]
    assert not any(np.isnan(values).any() for values in fresh.values())


def test_frames_of_large_networks_are_measured_in_part_and_of_the_posts_in_full(monkeypatch):
    for n, m, T in itertools.product((1000, 2000), (1, 16), (3, 5000)):
        post = Experiment(n_features=n, n_hidden=m, n_samples=T, steps=100)
        assert measured_frames(post, "fused", 40).tolist() == list(range(40))
    large = Experiment(n_features=4000, n_hidden=40, n_samples=2000, steps=20)
    few = measured_frames(large, "fused", 40)
    assert 2 <= len(few) < 40
    assert (few[0], few[-1]) == (0, 39)
    assert len(measured_frames(large.with_(steps=10_000), "fused", 40)) > len(few)
    monkeypatch.setattr("toyviz.train.measured_frames", lambda *_: np.array([0, 4, 39]))
    for name, values in train(small(steps=300)).frame_metrics.items():
        assert np.flatnonzero(~np.isnan(values)).tolist() == [0, 4, 39], name


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_a_frame_whose_loss_is_beyond_all_numbers_leaves_a_result_that_can_be_kept(engine, monkeypatch):
    experiment = small(steps=3)
    kind, taken = {"reference": Trainer, "fused": fused.Trainer}[engine], []
    parameters = kind.parameters

    def once_far_off(self):
        taken.append(parameters(self))
        return taken[-1] | ({"b2": np.full(7, 1e30, np.float32)} if len(taken) == 2 else {})

    monkeypatch.setattr(kind, "parameters", once_far_off)
    result = train(experiment, engine=engine)
    assert np.isnan(result.frame_metrics["test_loss"]).tolist() == [False, True, False, False]
    again = unpack(pack(result))
    for name, values in result.frame_metrics.items():
        np.testing.assert_array_equal(again.frame_metrics[name], values)


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_keeping_and_measuring_frames_changes_no_weight(engine, long_chunks):
    experiment = small(steps=300)
    trainer = {"reference": Trainer, "fused": fused.Trainer}[engine](experiment)
    losses = trainer.advance(0, 300)
    result = train(experiment, engine=engine)
    for name, values in trainer.parameters().items():
        np.testing.assert_array_equal(result.parameters[name], values)
    np.testing.assert_array_equal(result.losses, thin(losses)[1])


def test_the_loss_curve_is_made_of_means_over_stretches():
    losses = np.random.default_rng(0).uniform(size=5000).astype(np.float32)
    ends, means = thin(losses, points=50)
    assert ends.tolist() == sorted({round(5000 ** (k / 49)) for k in range(50)})
    for first, last, mean in zip([0, *ends[:-1]], ends, means, strict=True):
        assert mean == pytest.approx(losses[first:last].mean(), rel=1e-5)


@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_training_that_blows_up_names_the_cause(engine):
    with pytest.raises(TrainingFailed, match=r"no longer a finite number at step .* lower lr"):
        train(small("mlp", "autoencode", optimizer="sgd", lr=10.0, steps=2000), engine=engine)


def steps_until_it_blows_up(engine, experiment):
    """How many steps have a loss that is a finite number, taken one by one."""
    trainer = {"reference": Trainer, "fused": fused.Trainer}[engine](experiment)
    with np.errstate(all="ignore"):
        return next(step for step in range(experiment.steps) if not np.isfinite(trainer.advance(step, step + 1)[0]))


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_training_that_blows_up_names_the_step_and_what_to_change(engine, long_chunks, monkeypatch):
    monkeypatch.setattr("toyviz.train.FRAMES", 10)
    wild = small(optimizer="sgd", schedule="warmup_cosine", warmup=400, lr=0.5, steps=500, bias_offset=100.0)
    finite = steps_until_it_blows_up(engine, wild)
    assert finite not in candidate_steps(wild)  # within a chunk
    said = rf"the loss is .* at step {finite + 1} of 500: .* lower lr \(now 0.5\) or lengthen warmup \(now 400\)"
    with pytest.raises(TrainingFailed, match=said):
        train(wild, engine=engine)


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_training_that_blows_up_in_its_last_step_is_no_result(engine, long_chunks):
    wild = small(optimizer="sgd", lr=10.0, steps=500, bias_offset=100.0)
    finite = steps_until_it_blows_up(engine, wild)
    said = f"(a weight|the loss of the trained network) is no longer a finite number at step {finite} of {finite}"
    with pytest.raises(TrainingFailed, match=said):
        train(wild.with_(steps=finite), engine=engine)


def test_of_several_losses_in_a_chunk_that_are_no_numbers_the_first_is_told(monkeypatch, long_chunks):
    advance, asked = Trainer.advance, []

    def breaks(self, first, last):
        asked.append((first, last))
        return np.where(np.arange(first, last) < 40, advance(self, first, last), np.nan)

    monkeypatch.setattr(Trainer, "advance", breaks)
    monkeypatch.setattr("toyviz.train.FRAMES", 10)
    with pytest.raises(TrainingFailed, match="the loss is no longer a finite number at step 41 of 500"):
        train(small(steps=500), engine="reference")
    assert asked[-1] == (35, 54)


def test_a_weight_that_is_no_number_is_found_also_where_no_loss_shows_it(monkeypatch):
    parameters = Trainer.parameters
    without_end = np.full(7, -np.inf, np.float32)  # which the ReLU of the output makes zeros
    monkeypatch.setattr(Trainer, "parameters", lambda self: parameters(self) | {"b2": without_end})
    with pytest.raises(TrainingFailed, match="a weight is no longer a finite number at step 20 of 20"):
        train(small(), engine="reference")
    starts = iter([parameters(Trainer(small()))])  # before the first step
    monkeypatch.setattr(Trainer, "parameters", lambda self: next(starts, parameters(self) | {"b2": without_end}))
    with pytest.raises(TrainingFailed, match="a weight is no longer a finite number at step 20 of 20"):
        train(small(), engine="reference")


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_a_result_tells_what_has_trained_it_and_for_how_long(engine, torch, monkeypatch):
    clock, kind = [0.0], {"reference": Trainer, "fused": fused.Trainer}[engine]
    prepare, advance = kind.__init__, kind.advance

    def slowly(self, first, last):
        clock[0] += 0.0123456 * (last - first)
        return advance(self, first, last)

    def prepared(self, *arguments):
        clock[0] += 100  # data are drawn and kernels compiled: no training
        prepare(self, *arguments)

    monkeypatch.setattr("toyviz.train.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(kind, "__init__", prepared)
    monkeypatch.setattr(kind, "advance", slowly)
    wide = small("mlp", n_features=1000, n_hidden=100, steps=20)
    frames = []
    result = train(wide, engine=engine, on_frame=frames.append)
    package = torch if engine == "reference" else numba
    versions = {package.__name__: package.__version__, "numpy": np.__version__, "python": platform.python_version()}
    assert result.provenance == {
        "engine": engine,
        "engine_version": ENGINE_VERSION,
        "device": "cpu",
        "seconds": 0.2469,
        "versions": versions,
        "machine": platform.machine(),
        "instruction_set": instruction_set(engine),
        "note": "history of 7 frames instead of 40: each has 0.8 MB",
    }
    assert (frames[0].step, np.isnan(frames[0].loss)) == (0, True)
    for name, values in initial_parameters(wide).items():
        np.testing.assert_array_equal(frames[0].parameters[name], values)


def test_a_cancel_waits_no_longer_than_a_tenth_of_a_second(monkeypatch):
    clock, seen = [0.0], []
    monkeypatch.setattr("toyviz.train.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    advance = Trainer.advance

    def slowly(self, first, last):
        clock[0] += 2**-6 * (last - first)  # seconds a step
        return advance(self, first, last)

    monkeypatch.setattr(Trainer, "advance", slowly)
    train(small(steps=600), engine="reference", on_frame=lambda frame: seen.append(frame.step))
    taken = np.diff([0, *[step for step in seen if step]])
    assert taken[0] == 1
    assert max(taken) == 6  # 0.1 x 64, and not more than 0.1 s
    assert (taken[1:] <= 2 * taken[:-1].cumsum()).all()


def test_fresh_batches_in_which_one_active_feature_is_to_be_expected_are_enough():
    rare = small(n_features=8, n_samples=None, batch_size=16, steps=8, sparsity=1 - 2**-10)  # 1024 cells
    assert train(rare, engine="reference").experiment == rare
    with pytest.raises(TrainingFailed, match=r"with sparsity 0.999\d* there is nothing to learn from"):
        train(rare.with_(steps=7))


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


def test_the_engine_follows_from_the_experiment_and_the_device():
    assert [choose_engine(small(), engine) for engine in ("auto", "fused", "reference")] == [
        "fused", "fused", "reference",
    ]  # fmt: skip
    assert choose_engine(small(), "auto", "cuda") == choose_engine(small(), "batched") == "batched"
    assert choose_engine(small(), "reference", "cuda") == "reference"
    with pytest.raises(ValueError, match=r"engine 'fused' has no kernel for arch 'relu_output', .* on cuda"):
        choose_engine(small(), "fused", "cuda")
    with pytest.raises(ValueError, match="on cuda"):
        train(small(), engine="fused", device="cuda")


def test_an_unknown_engine_is_named():
    with pytest.raises(ValueError, match="engine must be one of auto, fused, reference, batched; got 'gpu'"):
        train(small(), engine="gpu")


@pytest.mark.parametrize("size", [1, 4, 10])
def test_minibatches_train_as_a_loop_of_plain_pytorch_over_the_documented_order(torch, size):
    tried = small("unembed", "classify_hard", minibatch=size, weight_decay=0.1, steps=30)
    samples = data.training_samples(tried)
    weights = {name: torch.tensor(values, requires_grad=True) for name, values in initial_parameters(tried).items()}
    optimizer = torch.optim.AdamW(weights.values(), lr=0.01, weight_decay=0.1)
    X, labels = torch.tensor(samples.inputs), torch.tensor(samples.targets.argmax(axis=1))
    counted = torch.tensor(samples.X.any(axis=1))
    losses, epoch = [], 0
    while len(losses) < 30:
        order = np.random.default_rng([3, zlib.crc32(f"minibatches {epoch}".encode())]).permutation(11)
        for first in range(0, 11, size):
            seen = torch.tensor(order[first : first + size])
            logits = torch.nn.functional.linear(
                torch.nn.functional.linear(X[seen], weights["W1"]), weights["W2"], weights["b2"]
            )
            each = torch.nn.functional.cross_entropy(logits, labels[seen], reduction="none")
            loss = (each * counted[seen]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        epoch += 1
    losses = losses[:30]
    found = Trainer(tried).advance(0, 30)
    np.testing.assert_allclose(found, losses, rtol=1e-4, atol=1e-6)


def test_what_is_told_of_a_network_trained_on_minibatches_is_of_its_whole_training_set():
    tried = small("unembed", "classify_hard", minibatch=2, steps=30)
    for engine in ("reference", "fused"):
        result = train(tried, engine=engine)
        assert result.metrics["train_loss"] == pytest.approx(numpy_loss(tried, result.parameters), rel=1e-5)
        assert result.losses[0] != pytest.approx(numpy_loss(tried, initial_parameters(tried)), rel=1e-2)  # of one batch


def test_the_absolute_value_trains_as_it_is_written_in_plain_pytorch(torch):
    tried = small("abs_output", importance_decay=0.7, steps=30)
    x = torch.tensor(data.training_samples(tried).X)
    start = initial_parameters(tried)
    W, b = (torch.tensor(start[name], requires_grad=True) for name in ("W1", "b2"))
    optimizer = torch.optim.AdamW([W, b], lr=0.01, weight_decay=0.01)
    importance, losses = 0.7 ** torch.arange(7), []
    for _ in range(30):
        said = torch.einsum("mi,tm->ti", W, torch.einsum("mi,ti->tm", W, x)) + b
        loss = (importance * (x - torch.sqrt(said**2)) ** 2).sum() / 11
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(Trainer(tried).advance(0, 30), losses, rtol=1e-4)
    np.testing.assert_allclose(fused.Trainer(tried).advance(0, 30), losses, rtol=1e-4)
