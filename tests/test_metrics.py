"""Measures held against closed forms and against loops that compute them the long way."""

import numpy as np
import pytest

from toyviz import metrics

SHAPES = {
    "antipodal pair": np.array([[1.0, 0.0], [-1.0, 0.0]]),
    "triangle": np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(3) / 3]),
    "pentagon": np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(5) / 5]),
    "tetrahedron": np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3),
    "alone": np.eye(3),
}
DIMENSIONS = {"antipodal pair": 1 / 2, "triangle": 2 / 3, "pentagon": 2 / 5, "tetrahedron": 3 / 4, "alone": 1.0}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 0.01, 30.0])
def test_dimensionality_of_regular_shapes_has_its_closed_form(name, scale):
    np.testing.assert_allclose(metrics.dimensionality(SHAPES[name] * scale), DIMENSIONS[name], rtol=1e-9)


def test_superposition_of_an_antipodal_pair_of_unit_vectors_is_one_and_of_a_basis_zero():
    np.testing.assert_allclose(metrics.superposition(SHAPES["antipodal pair"]), 1)
    np.testing.assert_allclose(metrics.superposition(np.eye(4) * 3), 0, atol=1e-12)


def test_superposition_and_dimensionality_equal_a_plain_double_loop():
    vectors = np.random.default_rng(1).normal(size=(9, 4))
    for i, v in enumerate(vectors):
        direction = v / np.linalg.norm(v)
        others = sum((direction @ w) ** 2 for j, w in enumerate(vectors) if j != i)
        assert metrics.superposition(vectors)[i] == pytest.approx(others)
        assert metrics.dimensionality(vectors)[i] == pytest.approx(v @ v / (others + v @ v))


@pytest.mark.parametrize("shape", [(1, 1), (5, 2), (200, 3), (3, 50)])
def test_dimensionality_sums_to_at_most_the_rank(shape):
    vectors = np.random.default_rng(2).normal(size=shape)
    assert metrics.dimensionality(vectors).sum() <= min(shape) + 1e-6


def test_a_vector_of_no_length_has_no_dimension_and_disturbs_no_other():
    vectors = np.vstack([SHAPES["pentagon"], [[0, 0], [1e-12, 0]]])
    np.testing.assert_allclose(metrics.dimensionality(vectors), [0.4] * 5 + [0, 0], atol=1e-9)
    assert np.isfinite(metrics.superposition(vectors)).all()
    assert (metrics.unit(vectors)[5:] == 0).all()


def test_cosines_of_known_pairs():
    cosines = metrics.cosines(np.array([[2.0, 0], [0, 3], [1, 1], [0, 0]]))
    np.testing.assert_allclose(cosines[0], [1, 0, np.sqrt(0.5), 0], atol=1e-12)
    np.testing.assert_allclose(cosines, cosines.T)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("square", 1.23), ("square outline", 1.38), ("gaussian", 1.10), ("disc", 1.06), ("circle", 1.0)],
)
def test_squareness_tells_squares_from_discs(name, expected):
    rng = np.random.default_rng(0)
    box, angle = rng.uniform(-1, 1, (40_000, 2)), rng.uniform(0, 2 * np.pi, 40_000)
    circle = np.c_[np.cos(angle), np.sin(angle)]
    points = {
        "square": box,
        "square outline": box / np.abs(box).max(axis=1, keepdims=True),
        "gaussian": rng.normal(size=(40_000, 2)),
        "disc": circle * np.sqrt(rng.uniform(size=(40_000, 1))),
        "circle": circle,
    }[name]
    assert metrics.squareness(points) == pytest.approx(expected, abs=0.015)


def test_all_of_an_outline_lies_on_the_border_and_a_quarter_of_a_filled_square():
    box = np.random.default_rng(0).uniform(-3, 3, (40_000, 2))
    outline = box / np.abs(box).max(axis=1, keepdims=True)
    assert metrics.on_border(outline) == 1
    assert metrics.on_border(box) == pytest.approx(1 - 0.95 * 0.9**2, abs=0.01)


def test_losses_equal_pytorchs(torch):
    rng = np.random.default_rng(0)
    output, targets = rng.normal(size=(8, 5)) * 30, rng.uniform(size=(8, 5))
    importance = 0.7 ** np.arange(5)
    expected = torch.nn.functional.cross_entropy(torch.tensor(output), torch.tensor(targets), reduction="none").numpy()
    np.testing.assert_allclose(metrics.cross_entropy(output, targets), expected, rtol=1e-9)
    weighted = torch.nn.functional.mse_loss(torch.tensor(output), torch.tensor(targets), reduction="none").numpy()
    np.testing.assert_allclose(metrics.mse(output, targets, importance), weighted @ importance, rtol=1e-9)


def test_a_tie_for_the_largest_output_is_wrong():
    output = np.array([[0.0, 0, 0], [2, 2, 1], [0, 1, 0], [1, 0, 0]])
    targets = np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert metrics.right(output, targets).tolist() == [False, False, True, False]


def test_norms_are_lengths_of_rows():
    assert metrics.norms(np.array([[3.0, 4], [0, 0]])).tolist() == [5, 0]
