"""The unfinished result of a job: what is known of a network before its training ends."""

from dataclasses import replace

import numpy as np
import pytest

from toyviz import data, live, probe
from toyviz.experiment import Experiment
from toyviz.model import initial_parameters, shapes
from toyviz.queue import LiveFrame, Status
from toyviz.train import train

TINY = Experiment(n_features=7, n_hidden=2, n_samples=11, sparsity=0.6, steps=30, lr=0.01)
LARGE = TINY.with_(n_features=15_001, n_hidden=4)


def sent(step, experiment=TINY, **metrics):
    """A frame that a worker has sent."""
    rng = np.random.default_rng(step)
    drawn = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes(experiment).items()}
    return LiveFrame(step, drawn, metrics)


def status(*history, state="running"):
    """Where a job stands at step 20."""
    losses = (np.array([1, 20]), np.array([1.0, 0.5], np.float32))
    return Status(state, 20, 30, 0.5, 3.0, None, None, history, losses)


def test_a_network_that_waits_is_its_start_and_one_in_training_has_the_frames_that_were_sent():
    history = sent(4, test_loss=0.7, big_features=1.0), sent(19, test_loss=0.6, train_loss=0.2)
    for known, steps in ((None, [0]), (status(), [0]), (status(*history), [0, 4, 19])):
        result = live.unfinished(TINY, known)
        assert result.experiment == TINY
        assert not result.finished
        assert result.metrics == {}
        assert result.frame_steps.tolist() == steps
        for name, values in initial_parameters(TINY).items():
            np.testing.assert_array_equal(result.frames[name][0], values, strict=True)
            np.testing.assert_array_equal(result.frames[name][-1], result.parameters[name], strict=True)
            for index, frame in enumerate(history[: len(steps) - 1], start=1):
                np.testing.assert_array_equal(result.frames[name][index], frame.parameters[name])
        np.testing.assert_array_equal(result.W2, result.W1.T)
    assert result.loss_steps.tolist() == [1, 20]
    assert result.losses.tolist() == [1.0, 0.5]
    measured = {name: values.tolist()[1:] for name, values in result.frame_metrics.items()}
    assert measured == {
        "train_loss": [pytest.approx(np.nan, nan_ok=True), 0.2],
        "test_loss": [0.7, 0.6],
        "train_accuracy": [pytest.approx(np.nan, nan_ok=True)] * 2,
        "test_accuracy": [pytest.approx(np.nan, nan_ok=True)] * 2,
        "big_features": [1.0, pytest.approx(np.nan, nan_ok=True)],
    }
    assert all(values.shape == (3,) and values.dtype == np.float64 for values in result.frame_metrics.values())
    assert len(live.unfinished(TINY, None).losses) == 0


def test_the_start_was_measured_as_training_measures_it():
    trained = train(TINY)
    result = live.unfinished(TINY, None)
    assert list(result.frame_metrics) == list(trained.frame_metrics)
    for name, values in trained.frame_metrics.items():
        assert result.frame_metrics[name][0] == pytest.approx(values[0], rel=1e-5)
    fresh = live.unfinished(TINY.with_(n_samples=None), None)
    assert list(fresh.frame_metrics) == ["test_loss", "test_accuracy", "big_features"]


def test_the_newest_frame_alone_is_one_frame_with_its_own_step_and_metrics():
    result = live.unfinished(TINY, status(sent(4), sent(19, test_loss=0.6)), newest_only=True)
    assert result.frame_steps.tolist() == [19]
    assert {name: values.tolist() for name, values in result.frame_metrics.items()} == {"test_loss": [0.6]}
    for name, values in sent(19).parameters.items():
        np.testing.assert_array_equal(result.frames[name], values[None])
    assert live.unfinished(TINY, status(), newest_only=True).frame_steps.tolist() == [0]


def test_a_network_too_large_to_be_shown_has_losses_alone_and_is_neither_drawn_nor_measured(monkeypatch):
    monkeypatch.setattr(live, "initial_parameters", None)
    for newest_only in (False, True):
        result = live.unfinished(LARGE, status(), newest_only)
        assert result.parameters == {}
        assert len(result.frame_steps) == 0
        assert {name: values.shape for name, values in result.frames.items()} == {
            name: (0, *shape) for name, shape in shapes(LARGE).items()
        }
        assert result.losses.tolist() == [1.0, 0.5]
        assert not result.finished


def test_the_start_is_worked_out_once_and_can_be_changed_nowhere(monkeypatch):
    drawn = []

    def draw(experiment):
        drawn.append(experiment)
        return initial_parameters(experiment)

    monkeypatch.setattr(live, "initial_parameters", draw)
    other = TINY.with_(seed=77)
    for _ in range(3):
        live.unfinished(other, status())
    assert drawn == [other]
    with pytest.raises(ValueError, match="read-only"):
        live.start(other).parameters["W1"][0] = 1


def test_the_start_of_a_network_on_a_large_set_is_not_measured_on_it(monkeypatch):
    asked = []
    monkeypatch.setattr(probe, "frame_sets", lambda experiment, most: asked.append(most) or {})
    assert list(live.unfinished(TINY.with_(seed=78), None).frame_metrics) == ["big_features"]
    assert asked == [live.START_NUMBERS]
    assert live.START_NUMBERS >= 1000 * data.TEST_SIZE  # the post's size is measured


def test_a_result_is_finished_at_its_last_step_and_measured():
    result = train(TINY)
    assert result.finished
    assert not replace(result, metrics={}).finished
    assert not replace(result, frame_steps=result.frame_steps[:-1]).finished
    assert not replace(result, frame_steps=result.frame_steps[:0]).finished
