"""Measures held against closed forms and against loops that compute them the long way."""

import numpy as np
import pytest

from toyviz import metrics, tables

SHAPES = {
    "antipodal pair": np.array([[1.0, 0.0], [-1.0, 0.0]]),
    "triangle": np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(3) / 3]),
    "pentagon": np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(5) / 5]),
    "tetrahedron": np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3),
    "alone": np.eye(3),
}
DIMENSIONS = {"antipodal pair": 1 / 2, "triangle": 2 / 3, "pentagon": 2 / 5, "tetrahedron": 3 / 4, "alone": 1.0}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 1e-6, 30.0])
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


def test_a_vector_has_a_direction_from_a_length_of_a_hundred_millionth_on():
    shortest = np.array([[1e-8, 0], [0.9e-8, 0]])
    np.testing.assert_allclose(metrics.unit(shortest), [[1, 0], [0, 0]])
    np.testing.assert_allclose(metrics.dimensionality(shortest), [1 / (1 + 0.81), 0])


def test_many_small_overlaps_of_single_precision_add_up():
    vectors = np.full((100_000, 1), 1e-4, np.float32)
    vectors[0] = 1
    assert metrics.superposition(vectors)[0] == pytest.approx(99_999e-8, rel=1e-4)
    assert metrics.dimensionality(vectors)[0] == pytest.approx(1 / (1 + 99_999e-8), abs=1e-7)


def test_cosines_of_weights_in_single_precision_are_those_of_double_precision():
    vectors = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
    found = metrics.cosines(vectors)
    for i, j in np.ndindex(found.shape):
        v, w = vectors[i].astype(float), vectors[j].astype(float)
        assert found[i, j] == pytest.approx(v @ w / np.sqrt((v @ v) * (w @ w)), abs=1e-14)


def test_cosines_of_known_pairs():
    cosines = metrics.cosines(np.array([[2.0, 0], [0, 3], [1, 1], [0, 0]]))
    np.testing.assert_allclose(cosines[0], [1, 0, np.sqrt(0.5), 0], atol=1e-12)
    np.testing.assert_allclose(cosines, cosines.T)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("square", 1.23), ("square outline", 1.38), ("gaussian", 1.10), ("disc", 1.06), ("circle", 1.0)],
)
def test_squareness_tells_squares_from_discs(name, expected):
    assert metrics.squareness(shaped(name)) == pytest.approx(expected, abs=0.015)


def shaped(name, count=40_000):
    """Points of this shape."""
    rng = np.random.default_rng(0)
    box, angle = rng.uniform(-1, 1, (count, 2)), rng.uniform(0, 2 * np.pi, count)
    circle = np.c_[np.cos(angle), np.sin(angle)]
    return {
        "square": box,
        "square outline": box / np.abs(box).max(axis=1, keepdims=True),
        "gaussian": rng.normal(size=(count, 2)),
        "disc": circle * np.sqrt(rng.uniform(size=(count, 1))),
        "circle": circle,
    }[name]


# Closed forms. Disc: r^2 is uniform, the median of r sqrt(1/2). Gaussian: r^2 is exponential, of median 2 ln 2. Filled
# square, r < 1: r^2 pi / 4, of median sqrt(2 / pi). Outline: r = sqrt(1 + t^2), t uniform in (0, 1), of median
# sqrt(5) / 2; there the share on the ring hangs on the sampled median, by up to 0.03.
CORNER = np.sqrt(1.21 * 1.25 - 1), np.sqrt(0.81 * 1.25 - 1)


@pytest.mark.parametrize(
    ("name", "on", "inside"),
    [
        ("circle", 1, 0),
        ("disc", (1.21 - 0.81) / 2, 1 / 8),
        ("gaussian", 2**-0.81 - 2**-1.21, 1 - 2**-0.25),
        ("square", (1.21 - 0.81) / 2, 1 / 8),
        ("square outline", CORNER[0] - CORNER[1], 0),
    ],
)
def test_how_much_of_a_shape_is_on_its_ring_and_in_the_middle(name, on, inside):
    found = metrics.ring(shaped(name) * 7)
    assert found.on == pytest.approx(on, abs=0.03)
    assert found.inside == pytest.approx(inside, abs=0.01)
    assert found.is_one == (name == "circle")


def test_a_ring_may_be_a_little_uneven_and_have_a_few_points_in_the_middle_and_goes_all_the_way_round():
    circle = shaped("circle", 1000)
    rng = np.random.default_rng(1)
    assert metrics.ring(circle * rng.uniform(0.91, 1.09, (1000, 1))).is_one
    assert not metrics.ring(circle * rng.uniform(0.8, 1.2, (1000, 1))).is_one
    for count, so in ((49, True), (51, False)):
        middle = np.where(np.arange(1000)[:, None] < count, 0.4, 1) * circle
        assert metrics.ring(middle).is_one == so
        assert metrics.ring(middle).inside == count / 1000
    horseshoe = circle[circle.min(axis=1) > 0]
    assert metrics.ring(horseshoe).gap == pytest.approx(270, abs=3)
    assert not metrics.ring(horseshoe).is_one
    assert metrics.ring(circle[:1]).gap == 360


def test_points_without_a_length_are_no_ring_and_no_points_are_an_error():
    assert not metrics.ring(np.zeros((9, 2))).is_one
    with pytest.raises(ValueError, match="points must have at least one row; got none"):
        metrics.ring(np.zeros((0, 2)))


def test_all_of_an_outline_lies_on_the_border_and_a_quarter_of_a_filled_square():
    box = np.random.default_rng(0).uniform(-3, 3, (40_000, 2))
    outline = box / np.abs(box).max(axis=1, keepdims=True)
    assert metrics.on_border(outline) == 1
    assert metrics.on_border(box) == pytest.approx(1 - 0.95 * 0.9**2, abs=0.01)


def test_a_point_that_is_a_tenth_inside_the_outline_is_on_the_border_and_one_further_in_is_not():
    points = np.array([[10.0, 0]] * 40 + [[0, -9.0], [8.9, 8.9]])
    assert metrics.on_border(points) == pytest.approx(41 / 42)


def test_petals_compare_the_points_within_15_degrees_of_a_diagonal_with_those_within_15_of_an_axis():
    rng = np.random.default_rng(3)
    degrees = np.arange(0.25, 360, 0.5)  # none on the border of a sector
    lengths = rng.uniform(0.1, 2, degrees.size)
    angles = np.radians(degrees)
    points = lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    reach = {"diagonal": [], "axis": []}
    for (x, y), length in zip(points, lengths, strict=True):
        to_diagonal = np.arccos((abs(x) + abs(y)) / (np.sqrt(2) * length))
        to_axis = np.arccos(max(abs(x), abs(y)) / length)
        for name, apart in (("diagonal", to_diagonal), ("axis", to_axis)):
            if apart < np.radians(15):
                reach[name].append(length)
    assert len(reach["diagonal"]) == len(reach["axis"]) == 240
    assert metrics.petals(points) == pytest.approx(np.mean(reach["diagonal"]) / np.mean(reach["axis"]))
    assert np.isnan(metrics.petals(points[np.isclose(degrees % 90, 45, atol=10)]))


def test_a_column_stands_for_its_feature_from_half_a_unit_on():
    lengths = np.array([[0.5, 0.51, 0.74]])
    assert [tables.phase(lengths * np.eye(3)[k], k) for k in range(3)] == ["given up", "alone", "alone"]


def test_neurons_of_one_feature_keep_their_order():
    largest = np.random.default_rng(0).integers(0, 3, 300)
    assert metrics.neuron_order(np.eye(3)[largest]).tolist() == sorted(range(300), key=largest.__getitem__)


def test_losses_equal_pytorchs(torch):
    rng = np.random.default_rng(0)
    output, targets = rng.normal(size=(9, 5)) * 30, rng.uniform(size=(9, 5))
    output[6:] += [[-3000], [3000], [0]]  # beyond what an exponential can hold
    output[8] *= 100  # and so are the differences here
    importance = 0.7 ** np.arange(5)
    expected = torch.nn.functional.cross_entropy(torch.tensor(output), torch.tensor(targets), reduction="none").numpy()
    np.testing.assert_allclose(metrics.cross_entropy(output, targets), expected, rtol=1e-9)
    weighted = torch.nn.functional.mse_loss(torch.tensor(output), torch.tensor(targets), reduction="none").numpy()
    np.testing.assert_allclose(metrics.mse(output, targets, importance), weighted @ importance, rtol=1e-9)
    np.testing.assert_allclose(metrics.mse(output, targets), weighted.sum(axis=1), rtol=1e-9)


def test_a_tie_for_the_largest_output_is_wrong():
    output = np.array([[0.0, 0, 0], [2, 2, 1], [0, 1, 0], [1, 0, 0]])
    targets = np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert metrics.right(output, targets).tolist() == [False, False, True, False]


def test_norms_are_lengths_of_rows():
    assert metrics.norms(np.array([[3.0, 4], [0, 0]])).tolist() == [5, 0]


def test_plateaus_are_the_flat_stretches_of_made_up_stairs():
    steps = np.unique(np.round(np.geomspace(1, 100_000, 300)).astype(int))
    fall = np.interp(np.log(steps), np.log([1, 100, 200, 3_000, 6_000, 100_000]), np.log([9, 2, 0.4, 0.4, 0.1, 0.1]))
    found = metrics.plateaus(steps, np.exp(fall))
    assert [round(each.loss, 3) for each in found] == [0.4, 0.1]
    assert [(steps[each.first], steps[each.last]) for each in found] == [
        (pytest.approx(200, rel=0.06), pytest.approx(3_000, rel=0.06)),
        (pytest.approx(6_000, rel=0.06), 100_000),
    ]


def test_a_slope_a_start_and_an_end_at_nothing_are_no_plateaus():
    steps = np.arange(1, 1001)
    assert metrics.plateaus(steps, 1 / np.sqrt(steps)) == []
    assert metrics.plateaus(steps, np.ones(1000)) == []  # never fell: it is the start
    gone = np.where(steps < 100, 1.0 / steps, 1e-5)
    assert metrics.plateaus(steps, gone) == []
    assert metrics.plateaus(np.array([]), np.array([])) == []
    short = np.where(steps < 500, 2.0, np.where(steps < 600, 1.0, 1000 / steps**1.2))
    assert metrics.plateaus(steps, short) == []  # 500 to 600 is less than a quarter more


def test_corners_are_those_of_what_a_network_stores():
    angles = 2 * np.pi * np.arange(5) / 5
    corners = np.stack([np.cos(angles), np.sin(angles)])
    W = np.concatenate([corners, 0.01 * corners[:, :2], 0.98 * corners[:, :1], 2 * corners[:, 1:2]], axis=1)
    b = np.array([0.0, 0, 0, 0, 0, 0.1, 0.1, 0, -9])  # two say their mean, one shares a corner, one is dead
    assert metrics.stored_corners(W, b) == 5
    assert metrics.stored_corners(W[:, :2], b[:2]) == 2
    assert metrics.stored_corners(W, np.full(9, -9.0)) == 0


@pytest.mark.parametrize("size", [3, 5, 12])
@pytest.mark.parametrize("radius", [0.4, 1.0, 7.0])
def test_in_a_polygon_the_largest_data_dimensionality_and_the_mean_are_two_over_t(size, radius):
    angles = 0.3 + 2 * np.pi * np.arange(size) / size
    hidden = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    np.testing.assert_allclose(metrics.data_dimensionality(hidden), 2 / size, rtol=1e-12)


@pytest.mark.parametrize("length", [2.0, 30.0, 1e4])
def test_a_lone_long_sample_has_nearly_the_whole_dimension_and_the_mean_hardly_moves(length):
    hidden = np.array([[length, 0.0], *[[1.0, 0.0]] * 9])
    largest, mean = metrics.data_dimensionality(hidden)
    assert largest == pytest.approx(length**2 / (length**2 + 9))
    assert mean == pytest.approx((length**2 + 9) / (length**2 + 9) / 10)  # one direction: the shares sum to one


def test_samples_without_a_hidden_vector_have_no_dimension():
    assert metrics.data_dimensionality(np.zeros((4, 2))) == (0, 0)
