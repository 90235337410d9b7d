"""The views of the Superposition page: closed forms against sampled losses, what is read off networks, and charts."""

import itertools

import numpy as np
import pandas as pd
import pytest

from toyviz import charts, data, metrics, settings, tables, theory
from toyviz.experiment import Experiment
from toyviz.model import forward
from toyviz.result import Result
from toyviz.train import train

SEEDS = itertools.count()


def network(experiment, W1, b2=0.0):
    """A result with these weights, as if it had been trained; of a seed of its own, since tables remember by key."""
    experiment = experiment.with_(seed=next(SEEDS))
    parameters = {"W1": np.asarray(W1, np.float32), "b2": np.zeros(experiment.n_features, np.float32) + np.float32(b2)}
    steps = np.array([experiment.steps])
    frames = {name: values[None] for name, values in parameters.items()}
    known = dict.fromkeys(("train_loss", "test_loss", "train_accuracy", "test_accuracy"), 0.5)
    return Result(experiment, parameters, steps, np.ones(1, np.float32), steps, frames, known)


def sampled_loss(result, size=200_000):
    """The mean loss on many samples: a second way to the expected one."""
    e = result.experiment
    X = data.samples(e.with_(n_samples=None), data._sparse_features(e, np.random.default_rng(5), size))
    output = forward(e.arch_row, result.complete(), X.inputs).output
    return float(metrics.mse(output, X.targets, data.importance(e)).mean())


TWO = Experiment(n_features=2, n_hidden=1, sparsity=0.6, importance_decay=0.5)
THREE = Experiment(n_features=3, n_hidden=2, sparsity=0.7, importance_decay=0.8)
CASES = {  # solution -> a network that is it
    "two, give up the second": (TWO, (1,), [[1, 0]], [0, 0.2]),
    "two, give up the first": (TWO, (0,), [[0, 1]], [0.2, 0]),
    "two, a pair": (TWO, (0, 1), [[1, -1]], 0),
    "three, give up the second": (THREE, (1,), [[1, 0, 0], [0, 0, 1]], [0, 0.15, 0]),
    "three, the last two in a pair": (THREE, (1, 2), [[1, 0, 0], [0, 1, -1]], 0),
    "three, the outer two in a pair": (THREE, (0, 2), [[0.6, 0.8, -0.6], [0.8, -0.6, -0.8]], 0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_loss_of_a_solution_on_paper_is_that_of_its_network(case):
    experiment, solution, W1, b2 = CASES[case]
    result = network(experiment, W1, b2)
    on_paper = theory.solutions(data.importance(experiment), experiment.feature_probability)[solution]
    assert sampled_loss(result) == pytest.approx(on_paper, rel=0.02)
    assert tables.expected_loss(result) == pytest.approx(on_paper, rel=0.01)
    for feature in range(experiment.n_features):
        assert tables.phase(result.W1, feature) == theory.phase(solution, feature)


def test_the_expected_loss_is_that_of_many_samples_for_any_weights():
    rng = np.random.default_rng(1)
    for _ in range(4):
        result = network(THREE, rng.normal(size=(2, 3)), rng.normal(size=3) * 0.3)
        assert tables.expected_loss(result) == pytest.approx(sampled_loss(result), rel=0.03)


def test_dense_features_are_given_up_and_sparse_ones_pair_up_on_paper():
    def best(importance, density):
        losses = theory.solutions(np.array(importance), density)
        return min(losses, key=lambda each: losses[each])

    assert best([1, 0.5], 1.0) == (1,)
    assert best([1, 2.0], 1.0) == (0,)
    assert best([1, 0.5], 0.01) == (0, 1)
    assert best([1, 0.9, 0.5], 0.01) == (1, 2)
    border = 4 / 7  # p^2 / 3 = p / 3 - p^2 / 4
    assert best([1, 1], border + 0.01) == (0,)
    assert best([1, 1], border - 0.01) == (0, 1)


def test_each_network_stands_in_two_cells_of_the_phase_diagram_and_in_one_where_both_weigh_the_same():
    pair, alone = network(TWO, [[1, -1]]), network(TWO.with_(sparsity=0.0), [[1, 0]])
    same = network(TWO.with_(importance_decay=1.0, sparsity=0.0), [[0, 1]])
    cells = tables.phases([pair, alone, same]).set_index(["importance", "density"])
    assert cells["phase"].to_dict() == {
        (0.5, 0.4): "in a pair",
        (2.0, 0.4): "in a pair",
        (0.5, 1.0): "given up",
        (2.0, 1.0): "alone",
        (1.0, 1.0): "given up",
    }
    assert not cells["differs"].any()
    wrong = tables.phases([network(TWO, [[1, 0]])])
    assert wrong["differs"].all()


def test_the_better_of_two_seeds_stands_in_the_cell():
    bad, good = network(TWO, [[0.2, 0.1]]), network(TWO, [[1, -1]])
    assert set(tables.phases([bad, good])["key"]) == {good.experiment.key}


def test_without_a_relu_training_finds_the_most_important_features_whatever_the_density():
    setting = settings.EXPERIMENTS["superposition_linear"]
    kept = np.diag((np.arange(20) < 5).astype(float))
    for sparsity in (0.0, 0.99):
        result = train(setting.quick.with_(sparsity=sparsity))
        assert np.abs(result.W1.T @ result.W1 - kept).max() < 0.06


def test_the_densities_of_the_companions_go_where_the_originals_go():
    sparsities = settings.EXPERIMENTS["dimensions_per_feature"].over["sparsity"]
    np.testing.assert_allclose(1 / (1 - np.array(sparsities)), 20 ** np.linspace(0, 1, 20), rtol=1e-4)
    over = settings.EXPERIMENTS["phase_diagram"].over
    assert (over["importance_decay"][0], over["importance_decay"][-1]) == (1.0, 0.1)
    assert (1 - over["sparsity"][0], round(1 - over["sparsity"][-1], 6)) == (1.0, 0.01)


# ---- charts


def test_the_figures_say_their_numbers():
    each = itertools.product((1, 0.1), "ab", (0, 1))
    starts = pd.DataFrame([{"density": d, "start": s, "seed": k, "represented": 5 + k} for d, s, k in each])
    figure = charts.by_start(starts, "represented", ["a", "b"], 0.1)
    assert figure.data["median"]["value"].tolist() == [5.5] * 4
    assert "At density 0.1: 5.5 from a, 5.5 from b." in figure.alt
    shares = {1.0: np.ones(200), 0.1: np.linspace(0, 1, 200)}
    dimensions = charts.dimensions_per_feature({1.0: 1.0, 0.1: 0.4}, shares, theory.PLATEAUS)
    assert dimensions.data["line"]["inverse"].tolist() == [1.0, 10.0]
    assert len(dimensions.data["dots"]) == 80
    assert dimensions.data["dots"]["share"].max() == 1.0


def test_the_phases_of_the_cells_are_counted_and_clicking_a_cell_picks_its_importance_and_density():
    cells = {"importance": [0.1, 10.0], "density": 1.0, "phase": ["given up", "alone"], "differs": False, "loss": 1.0}
    figure = charts.phases(pd.DataFrame(cells), "Trained", (0.1, 1.0))
    assert "given up in 1 cells, in a pair in 0 cells, alone in 1 cells" in figure.alt
    assert figure.spec["params"][0]["select"]["fields"] == ["importance", "density"]
