"""Networks that start as a lookup table: the rows of W1 are keys."""

import numpy as np
import pytest

from toyviz import data, settings
from toyviz.data import stream
from toyviz.experiment import INITS, Experiment
from toyviz.model import initial_parameters, kmeans
from toyviz.store import GALLERY, Store

SPARSE = Experiment(
    arch="mlp", task="classify_hard", n_features=30, n_hidden=6, n_samples=20, sparsity=0.7, normalize=True
)


def rows_of(table, rows):
    """For each row, which rows of the table equal it."""
    return [np.flatnonzero((table == row).all(axis=1)).tolist() for row in rows]


def test_rows_of_w1_are_different_training_points():
    start = initial_parameters(SPARSE.with_(init="training_points"))
    found = rows_of(data.training_samples(SPARSE).inputs, start["W1"])
    assert all(len(each) == 1 for each in found)
    assert len({each[0] for each in found}) == 6


def test_the_keys_of_embedded_inputs_are_the_inputs():
    fish = Experiment(arch="mlp", task="big_fish", n_features=30, n_embed=8, n_hidden=5, n_samples=20, sparsity=0.7)
    start = initial_parameters(fish.with_(init="training_points"))["W1"]
    assert all(rows_of(data.training_samples(fish).inputs, start))


def test_a_lookup_table_has_the_targets_of_its_keys_as_columns_of_w2():
    start = initial_parameters(SPARSE.with_(init="lookup_table"))
    samples = data.training_samples(SPARSE)
    chosen = [each[0] for each in rows_of(samples.inputs, start["W1"])]
    np.testing.assert_array_equal(start["W2"], samples.targets[chosen].T)


def test_one_hot_rows_point_along_different_inputs():
    W1 = initial_parameters(SPARSE.with_(init="one_hots"))["W1"]
    assert sorted(np.unique(W1)) == [0, 1]
    np.testing.assert_array_equal(W1 @ W1.T, np.eye(6))


def test_each_kmeans_centre_is_the_mean_of_the_points_nearest_to_it():
    points = data.training_samples(SPARSE).inputs
    centres = initial_parameters(SPARSE.with_(init="kmeans_centres"))["W1"]
    nearest = np.array([np.linalg.norm(centres - point, axis=1).argmin() for point in points])
    for k, centre in enumerate(centres):
        np.testing.assert_allclose(centre, points[nearest == k].mean(axis=0), atol=1e-6)


def test_kmeans_finds_clusters_that_lie_far_apart():
    rng = np.random.default_rng(0)
    middles = 100 * np.eye(3)
    points = np.repeat(middles, 50, axis=0) + rng.standard_normal((150, 3))
    best = min((kmeans(points, 3, stream(seed, "test")) for seed in range(10)), key=lambda c: spread(points, c))
    np.testing.assert_allclose(best[np.argsort(-best[:, 0])][0], middles[0], atol=1)
    assert spread(points, best) < 2 * 3 * len(points)


def spread(points, centres):
    """The sum of squared distances to the nearest centre."""
    return (np.linalg.norm(points[:, None] - centres, axis=2) ** 2).min(axis=1).sum()


def test_another_seed_takes_other_keys_of_the_same_training_set():
    one, two = (
        initial_parameters(SPARSE.with_(init="training_points", seed=seed, data_seed=7))["W1"] for seed in (0, 1)
    )
    assert (one != two).any()
    points = data.training_samples(SPARSE.with_(data_seed=7)).inputs
    assert all(rows_of(points, one))
    assert all(rows_of(points, two))


def test_what_is_not_a_key_starts_as_without_keys():
    usual = initial_parameters(SPARSE.with_(init="linear_uniform", bias_init="linear_uniform"))
    for init in ("training_points", "kmeans_centres", "one_hots"):
        start = initial_parameters(SPARSE.with_(init=init, bias_init="linear_uniform"))
        assert start.keys() == usual.keys()
        for name in ("W2", "b1", "b2"):
            np.testing.assert_array_equal(start[name], usual[name])


@pytest.mark.parametrize("init", [name for name, init in INITS.items() if init.keys])
def test_more_neurons_than_keys_are_refused(init):
    with pytest.raises(ValueError, match="n_hidden must be at most"):
        SPARSE.with_(init=init, n_hidden=31)


def test_keys_from_fresh_batches_and_values_without_w2_are_refused():
    with pytest.raises(ValueError, match="needs a training set"):
        SPARSE.with_(init="training_points", n_samples=None)
    with pytest.raises(ValueError, match="writes into W2"):
        SPARSE.with_(init="lookup_table", arch="unembed_tied")


# the page


def test_the_page_tells_that_none_memorises_and_when_each_start_is_as_low_as_the_usual_one(open_page):
    store, setting = Store(None, GALLERY), settings.EXPERIMENTS["starting_as_dictionary"]
    app = open_page(store, "pages/appendix/starting_as_dictionary.py")
    every = {
        init: [store.get(setting.quick.with_(init=init, seed=k)) for k in range(4)] for init in setting.over["init"]
    }
    assert min(result.losses.min() for results in every.values() for result in results) > 0.01
    assert "No network memorises" in "".join(each.value for each in app.markdown)
    (table,) = (each.value for each in app.dataframe if "as low" in each.value)
    for results, row in zip(every.values(), table.to_dict("records"), strict=True):
        first = [
            next((s for s, x in zip(r.loss_steps, r.losses, strict=True) if x <= 1.05 * usual.losses[-1]), None)
            for r, usual in zip(results, every["linear_uniform"], strict=True)
        ]
        reached = [step for step in first if step]
        assert row["as low"] == f"{len(reached)} of 4"
        assert row["steps as low"] == int(np.median(reached))
    assert "steps" not in table
