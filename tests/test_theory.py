"""The closed forms, held against brute force, against each other, and against short trainings."""

import numpy as np
import pytest

from toyviz import data, metrics, theory
from toyviz.experiment import ARCHS, Experiment
from toyviz.model import complete, forward, initial_parameters
from toyviz.train import train

POLYGONS = {3: (1.0, 0.0), 5: (1.203, 0.447), 6: (1.414, 1.0), 8: (1.848, 2.41), 10: (2.288, 4.24), 30: (6.77, 44.8)}


def unit_samples(size, per_sample=4, seed=0):
    """Unit-length samples that share no feature."""
    rng = np.random.default_rng(seed)
    X = np.zeros((size, size * per_sample + 3))
    for i in range(size):
        X[i, i * per_sample : (i + 1) * per_sample] = rng.uniform(0.2, 1, per_sample)
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def tied_network(X):
    experiment = Experiment(arch="relu_output", n_hidden=2, n_features=X.shape[1], n_samples=len(X))
    return complete(experiment, theory.polygon(X))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 8, 10, 15, 30, 50])
def test_a_polygon_stores_its_samples_without_loss(size):
    X = unit_samples(size)
    output = forward(ARCHS["relu_output"], tied_network(X), X).output
    assert ((output - X) ** 2).sum(axis=1).mean() < 1e-6


@pytest.mark.parametrize("size", [3, 5, 6, 10, 30])
def test_samples_on_a_polygon_have_two_over_T_dimensions_each(size):
    X = unit_samples(size)
    hidden = X @ theory.polygon(X)["W1"].T
    np.testing.assert_allclose(metrics.dimensionality(hidden), 2 / size, rtol=1e-9)
    assert theory.even_dimensionality(size, 2) == pytest.approx(2 / size)


@pytest.mark.parametrize(("size", "expected"), POLYGONS.items())
def test_polygon_radius_and_bias_match_the_published_table(size, expected):
    assert theory.polygon_radius(size) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_up_to_four_samples_need_no_bias(size):
    assert theory.polygon_radius(size) == (1, 0)


def regular(shape):
    """The vectors of a shape whose vectors are all alike, (count, dimensions)."""
    antiprism = [(np.cos(k * np.pi / 4), np.sin(k * np.pi / 4), (-1) ** k * np.sqrt(1 / 2)) for k in range(8)]
    return {
        "alone": np.eye(2),
        "tetrahedron": np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]),
        "triangle": np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(3) / 3]),
        "antipodal pair": np.array([[1], [-1]]),
        "pentagon": np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(5) / 5]),
        "square antiprism": np.array(antiprism),
    }[shape]


@pytest.mark.parametrize("shape", theory.PLATEAUS)
def test_a_plateau_is_the_share_of_its_dimensions_that_each_vector_of_a_shape_has(shape):
    np.testing.assert_allclose(metrics.dimensionality(regular(shape)), theory.PLATEAUS[shape])


def test_no_vector_has_more_than_one_dimension():
    assert theory.even_dimensionality(2, 3) == 1
    assert theory.even_dimensionality(3, 3) == 1


def test_a_polygon_refuses_samples_that_share_a_feature():
    with pytest.raises(ValueError, match="share no feature"):
        theory.polygon(np.eye(3)[[0, 0, 1]])


def test_a_smaller_radius_leaves_loss():
    X = unit_samples(6)
    network = tied_network(X)
    shrunk = network | {"W1": network["W1"] * 0.95, "W2": network["W2"] * 0.95}
    assert metrics.mse(forward(ARCHS["relu_output"], shrunk, X).output, X).mean() > 1e-3


@pytest.mark.parametrize("n_hidden", [1, 2, 5])
def test_no_linear_output_beats_the_rank_floor_and_principal_components_reach_it(n_hidden):
    rng = np.random.default_rng(3)
    Y = rng.normal(size=(30, 12)) @ rng.normal(size=(12, 12))
    floor = theory.rank_floor(Y, n_hidden)
    centred = Y - Y.mean(axis=0)
    eigenvectors = np.linalg.eigh(centred.T @ centred)[1][:, -n_hidden:]
    best = Y.mean(axis=0) + centred @ eigenvectors @ eigenvectors.T
    assert metrics.mse(best, Y).mean() == pytest.approx(floor)
    for _ in range(50):
        hidden = np.maximum(rng.normal(size=(30, n_hidden)), 0)
        design = np.c_[hidden, np.ones(30)]
        fitted = design @ np.linalg.lstsq(design, Y, rcond=None)[0]
        assert metrics.mse(fitted, Y).mean() >= floor - 1e-9


def test_rank_floor_of_orthonormal_samples_has_its_closed_form():
    assert theory.rank_floor(np.eye(10), 2) == pytest.approx((10 - 1 - 2) / 10)
    assert theory.rank_floor(np.eye(20), 10) / 20 == pytest.approx(0.0225)


@pytest.mark.parametrize("shape", [(30, 12), (12, 30), (9, 9)])
def test_the_floors_are_those_of_the_singular_values_also_in_single_precision_and_far_from_zero(shape):
    Y = (1000 + np.random.default_rng(3).normal(size=shape)).astype(np.float32)
    centred = Y.astype(float) - [sum(map(float, column)) / len(Y) for column in Y.T]
    squares = np.linalg.svd(centred, compute_uv=False) ** 2
    floors = theory.rank_floors(Y)
    assert floors == pytest.approx([squares[k:].sum() / len(Y) for k in range(min(shape) + 1)], abs=1e-9)
    assert theory.best_constant_loss(Y) == pytest.approx(floors[0], abs=1e-9)
    for n_hidden in range(min(shape), min(shape) + 3):
        assert theory.rank_floor(Y, n_hidden) == pytest.approx(0, abs=1e-9)


def test_no_floor_is_below_zero():
    rng = np.random.default_rng(0)
    for _ in range(5):
        assert (theory.rank_floors(1000 * rng.normal(size=(40, 2)) @ rng.normal(size=(2, 12))) >= 0).all()


def test_best_constant_loss_is_the_least_over_constants():
    Y = np.random.default_rng(0).uniform(size=(40, 6))
    importance = 0.7 ** np.arange(6)
    best = theory.best_constant_loss(Y, importance)
    assert metrics.mse(Y.mean(axis=0)[None].repeat(40, 0), Y, importance).mean() == pytest.approx(best)
    worse = Y.mean(axis=0) + 0.01 * np.eye(6)
    assert all(metrics.mse(constant[None].repeat(40, 0), Y, importance).mean() > best for constant in worse)


def test_the_baselines_at_the_posts_size():
    baselines = theory.held_out_baselines(Experiment(n_features=1000, sparsity=0.99, normalize=True, n_samples=10))
    assert baselines["zero"] == pytest.approx(1.0, abs=3e-4)
    assert baselines["constant"] == pytest.approx(0.9927, abs=3e-4)


def test_the_baselines_without_unit_length_match_the_held_out_samples():
    experiment = Experiment(n_features=30, sparsity=0.8, importance_decay=0.9)
    X, importance = data.held_out_samples(experiment).X, data.importance(experiment)
    baselines = theory.held_out_baselines(experiment)
    assert baselines["zero"] == pytest.approx(metrics.mse(0 * X, X, importance).mean(), rel=0.02)
    assert baselines["constant"] == pytest.approx(theory.best_constant_loss(X, importance), rel=0.02)


def test_baselines_are_refused_where_they_have_no_meaning():
    with pytest.raises(ValueError, match="no such baseline"):
        theory.held_out_baselines(Experiment(data="one_hot"))


def test_columns_of_features_that_are_never_active_only_decay():
    experiment = Experiment(
        arch="mlp_relu_output", n_hidden=2, n_features=100, n_samples=5, sparsity=0.95, normalize=True,
        init="linear_uniform", bias_init="linear_uniform", schedule="warmup_cosine", steps=400, warmup=20, lr=1e-2,
        weight_decay=0.5,
    )  # fmt: skip
    never = ~data.training_features(experiment).any(axis=0)
    assert 0.5 < never.mean() < 1
    assert never.mean() == pytest.approx(theory.never_active_share(experiment), abs=0.1)
    start = initial_parameters(experiment)["W1"][:, never]
    factor = theory.never_active_factor(experiment)
    assert factor < 0.5
    np.testing.assert_allclose(train(experiment).W1[:, never], start * factor, rtol=1e-3)


def test_the_bound_of_a_uniform_start_depends_on_both_widths_or_on_that_of_the_input():
    xavier = Experiment(n_features=30, n_hidden=20, init="xavier_uniform")
    assert theory.start_bound(xavier) == pytest.approx(np.sqrt(6 / 50))
    assert theory.start_bound(xavier.with_(init="linear_uniform")) == pytest.approx(1 / np.sqrt(30))


def test_uniform_cross_entropy_is_that_of_equal_logits():
    assert theory.uniform_cross_entropy(1000) == pytest.approx(6.908, abs=1e-3)
    logits = np.full((2, 7), 3.0)
    assert metrics.cross_entropy(logits, np.eye(7)[:2]) == pytest.approx(theory.uniform_cross_entropy(7))


def polygon_with_others(n, corners, dead=0, doubled=0):
    """W and b of a network that stores k of n one-hots as a k-gon; of the others some are dead, some double the first
    corner, and the rest say their mean. Angles, lengths and biases from the polygon's own conditions:
    r^2 + b = 1, and r^2 cos(2 pi / k) + b = 0 where the cosine is positive."""
    cosine = max(np.cos(2 * np.pi / corners), 0.0)
    r = 1 / np.sqrt(1 - cosine)
    angles = 2 * np.pi * np.arange(corners) / corners
    W, b = np.zeros((2, n)), np.full(n, 1 / n)
    W[:, :corners] = r * np.stack([np.cos(angles), np.sin(angles)])
    b[:corners] = -(r**2) * cosine
    b[corners : corners + dead] = -1.0
    if doubled:
        group = [0, *range(corners + dead, corners + dead + doubled)]
        # On the first corner together: r^2 + b = 1 / g, and no answer to the neighbours.
        W[:, group] = W[:, [0]]
        b[group] = 1 / len(group) - r**2
    return W, b


def loss_on_one_hots(W, b):
    n = len(b)
    answers = np.array([[max(W[:, i] @ W[:, j] + b[i], 0.0) for i in range(n)] for j in range(n)])
    return ((answers - np.eye(n)) ** 2).sum(axis=1).mean()


@pytest.mark.parametrize(
    ("n", "corners", "dead", "doubled"),
    [
        *((8, 5, 0, 0), (8, 3, 0, 0), (8, 4, 2, 0), (8, 6, 1, 0), (6, 4, 2, 0), (12, 7, 3, 0), (5, 5, 0, 0)),
        *((9, 3, 6, 0), (8, 5, 0, 1), (8, 6, 0, 2), (10, 7, 1, 2)),
    ],
)
def test_a_stair_has_the_loss_of_a_network_that_is_its_polygon(n, corners, dead, doubled):
    W, b = polygon_with_others(n, corners, dead, doubled)
    assert theory.stair_loss(n, corners, dead + doubled) == pytest.approx(loss_on_one_hots(W, b), abs=1e-12)
    assert metrics.stored_corners(W, b) == corners


@pytest.mark.parametrize(("n", "corners", "dead"), [(8, 5, 0), (8, 6, 1), (10, 7, 3), (12, 5, 4)])
def test_the_loss_is_flat_at_a_stair(n, corners, dead):
    """Central differences: nothing pulls at W or b, unlike at a polygon that is a little too large."""

    def pull(W, b):
        values, size = np.append(W.ravel(), b), 1e-5
        slopes = []
        for k in range(len(values)):
            ends = [values + sign * size * (np.arange(len(values)) == k) for sign in (1, -1)]
            losses = [loss_on_one_hots(each[: 2 * n].reshape(2, n), each[2 * n :]) for each in ends]
            slopes.append((losses[0] - losses[1]) / (2 * size))
        return np.abs(slopes).max()

    W, b = polygon_with_others(n, corners, dead)
    b[:corners] -= 1e-3  # off the edge of the ReLU: neighbours are told nothing, with room
    W[:, :corners] *= np.sqrt((1 - b[0]) / (W[:, 0] @ W[:, 0]))
    assert pull(W, b) < 1e-6
    assert pull(1.05 * W, b) > 1e-3


def test_stairs_go_down_with_corners_and_no_two_have_one_loss():
    for n in range(4, 17):
        every = theory.stairs(n)
        losses = [stair.loss for stair in every]
        assert np.all(np.diff(losses) < -1e-9)
        assert [s.corners for s in every] == sorted(s.corners for s in every)
        assert [theory.nearest_stair(n, loss * 1.0001, 0.001) for loss in losses] == every
    assert theory.nearest_stair(8, 0.3, 0.01) is None
    assert theory.nearest_stair(3, 0.3, np.inf) is None
    assert [theory.Stair(5, 0, 0).name, theory.Stair(9, 2, 0).name] == ["pentagon", "9-gon + 2 wasted"]
    for bad in ((8, 2, 0), (8, 5, -1), (8, 5, 4)):
        with pytest.raises(ValueError, match="corners must be at least 3"):
            theory.stair_loss(*bad)


def test_the_paper_has_the_same_stairs_where_a_feature_is_always_1():
    """arXiv 2310.06301 counts, for c features of which one is active, E[x^2] / c for each that is left out with a
    negative bias, and less by (E[x] / c)^2 with a positive one."""
    for c, corners, negative in ((6, 4, 2), (6, 5, 1), (8, 5, 1)):
        positive = c - corners - negative
        paper = negative * 1 / c + positive * (1 / c - 1 / c**2)
        assert theory.stair_loss(c, corners, negative) == pytest.approx(paper)
