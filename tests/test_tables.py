"""Results as tables, and what is read off a sweep, held against sweeps whose answer is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toyviz import metrics, probe, tables
from toyviz.experiment import FIELD_NAMES, Experiment
from toyviz.result import Result
from toyviz.train import train

SMALL = Experiment(n_features=12, n_hidden=2, n_samples=6, sparsity=0.6, normalize=True, steps=40, lr=0.01)
PAPER = {  # mean test loss of one seed of the paper's recipe at n = 1000, from trial runs: a peak at 300
    **{3: 1.0, 10: 1.0, 70: 1.0, 100: 1.2, 150: 18.0, 200: 89.0, 300: 125.0, 500: 41.0, 700: 0.992, 1000: 0.989},
}


@pytest.fixture(scope="module")
def result():
    return train(SMALL)


def swept(losses, big_from=700, seed=0, stored_to=70, big=5):
    """A sweep of one seed: T -> test loss; up to stored_to its samples are stored, from big_from features stand out."""
    rows = [
        (T, seed, 0.001 if stored_to >= T else 0.6, loss, big if big_from <= T else 0) for T, loss in losses.items()
    ]
    return pd.DataFrame(rows, columns=["n_samples", "seed", "train_loss", "test_loss", "big_features"])


def read(table, n_hidden=2, zero=1.0, sizes=None, seeds=(0,)):
    """What is read off a sweep that is finished, unless it should have other sizes or seeds."""
    return tables.descent(table, zero, n_hidden, set(table["n_samples"]) if sizes is None else sizes, seeds)


def named(found):
    """The regimes as (name, low, high)."""
    return [(row.name, row.low, row.high) for row in found.regimes.itertuples(index=False, name="Regime")]


def test_a_row_holds_the_whole_experiment_and_its_metrics(result):
    row = tables.runs([result]).iloc[0]
    assert {name: row[name] for name in ("n_samples", "sparsity", "lr", "seed")} == {
        "n_samples": 6,
        "sparsity": 0.6,
        "lr": 0.01,
        "seed": 0,
    }
    assert set(FIELD_NAMES) < set(row.index)
    assert row["test_loss"] == result.metrics["test_loss"]
    assert row["density"] == pytest.approx(0.4)


def test_norms_and_counts_of_a_row_are_those_of_the_weights(result):
    row = tables.runs([result]).iloc[0]
    lengths = np.sqrt((result.W1**2).sum(axis=0))
    assert row["weight_norm"] == pytest.approx(np.sqrt((lengths**2).sum()), rel=1e-6)
    assert row["represented"] == (lengths > 0.5).sum()
    assert row["bias_norm"] == pytest.approx(np.sqrt((result.b2**2).sum()), rel=1e-6)


def test_no_results_make_an_empty_table_with_all_columns():
    assert list(tables.runs([]).columns) == list(tables.COLUMNS)


def test_the_peak_of_a_double_descent_and_its_three_regimes_are_found():
    found = read(swept(PAPER))
    assert found.peak == (300, 125.0)
    assert found.regimes["name"].tolist() == ["memorising", "in between", "generalising"]
    low, high = found.regimes["low"], found.regimes["high"]
    assert 70 < high[0] == low[1] < 100
    assert 500 < high[1] == low[2] < 700


def test_the_peak_is_that_of_the_mean_over_seeds():
    one = swept({10: 1.0, 100: 9.0, 200: 2.0, 1000: 0.99})
    other = swept({10: 1.0, 100: 1.0, 200: 7.0, 1000: 0.99}, seed=1)
    assert read(pd.concat([one, other]), seeds=(0, 1)).peak == (100, 5.0)


@pytest.mark.parametrize(
    ("losses", "case"),
    [
        ({3: 1.0, 10: 1.01, 100: 0.995}, "it never rises"),
        ({3: 1.0, 10: 2.0, 100: 9.0}, "it still rises at the end"),
        ({3: 9.0, 10: 2.0, 100: 0.99}, "it falls from the start"),
        ({100: 9.0}, "there is one size"),
    ],
)
def test_no_peak_is_claimed_where(losses, case):
    found = read(swept(losses, big_from=10**6, stored_to=0))
    assert found.peak is None
    assert not len(found.regimes)


def test_a_sweep_of_nothing_and_one_of_a_single_size_have_no_regimes():
    assert not len(read(swept({})).regimes)
    assert not len(read(swept({10: 0.9}, big_from=3)).regimes)
    assert list(read(swept({})).regimes.columns) == ["low", "high", "name"]


def test_two_columns_that_look_big_at_one_small_size_are_no_generalising():
    sizes = (3, 5, 6, 8, 10, 15, 30, 50, 100, 200, 500, 1000, 2000)
    losses = dict.fromkeys(sizes, 1.0) | {100: 2.0, 200: 10.0, 500: 3.0}
    table = swept(losses, big_from=1000, stored_to=8)
    table.loc[table["n_samples"] == 5, "big_features"] = 2  # m = 1: as many as generalising takes
    found = read(table, n_hidden=1)
    assert found.peak == (200, 10.0)
    assert [name for name, _, _ in named(found)] == ["memorising", "", "in between", "generalising"]
    (_, _, memorised), _, (_, risen, _), (_, general, _) = named(found)
    assert 8 < memorised < 10
    assert 50 < risen < 100
    assert 500 < general < 1000
    never = read(table.assign(big_features=[0, 2, *[0] * 11]), n_hidden=1)
    assert [name for name, _, _ in named(never)] == ["memorising", "", "in between", ""]


@pytest.mark.parametrize(
    ("change", "general"),
    [
        ({}, True),
        ({"big_features": 3}, False),  # at the largest size of all
        ({"big_features": 4}, True),
        ({"test_loss": 1.05}, True),  # as high as counts as not risen
        ({"test_loss": 1.06}, False),
    ],
)
def test_generalising_holds_at_every_size_beyond_its_border(change, general):
    table = swept({3: 1.0, 10: 1.0, 100: 1.0, 1000: 0.99}, big_from=100, stored_to=3)
    for name, value in change.items():
        table.loc[table["n_samples"] == 1000, name] = value
    assert ("generalising" in read(table).regimes["name"].tolist()) == general


def test_generalising_starts_after_the_last_size_that_does_not():
    table = swept({3: 1.0, 10: 1.0, 100: 1.0, 1000: 0.99, 2000: 0.99}, big_from=10, stored_to=0)
    table.loc[table["n_samples"] == 100, "big_features"] = 3
    ((name, low, high),) = named(read(table))
    assert (name, low, high) == ("generalising", pytest.approx(np.sqrt(100 * 1000)), pytest.approx(2500))


def test_memorising_ends_before_the_first_size_that_is_not_stored():
    table = swept({3: 1.0, 10: 1.0, 100: 1.0, 1000: 1.0}, big_from=10**6, stored_to=100)
    assert named(read(table))[0][2] == pytest.approx(np.sqrt(100 * 1000))
    table.loc[table["n_samples"] == 10, "train_loss"] = 0.03
    assert named(read(table))[0] == ("memorising", 2.4, pytest.approx(np.sqrt(30)))
    table.loc[table["n_samples"] == 3, "train_loss"] = 0.03
    assert not len(read(table).regimes)


def test_losses_are_measured_by_that_of_the_output_0():
    table = swept(PAPER).assign(train_loss=lambda t: 30 * t["train_loss"], test_loss=lambda t: 30 * t["test_loss"])
    pd.testing.assert_frame_equal(read(table, zero=30.0).regimes, read(swept(PAPER)).regimes)


def test_a_start_that_generalises_everywhere_is_generalising_over_the_whole_width():
    table = swept({3: 0.9, 10: 0.9, 100: 0.9}, big_from=1)
    assert named(read(table)) == [("generalising", pytest.approx(2.4), pytest.approx(125))]


@pytest.mark.parametrize("lacks", [3, 300, 1000])
def test_nothing_is_read_off_a_sweep_before_every_size_has_every_seed(lacks):
    whole = pd.concat([swept(PAPER), swept(PAPER, seed=1)])
    assert read(whole, seeds=(0, 1)).peak
    part = whole[(whole["n_samples"] != lacks) | (whole["seed"] == 0)]
    found = read(part, seeds=(0, 1))
    assert found.peak is None
    assert not len(found.regimes)
    assert read(part, seeds=(0,)).peak == (300, 125.0)
    assert read(part[part["n_samples"] != lacks], sizes=tuple(PAPER)).peak is None


def test_the_regimes_cover_the_sizes_without_a_gap():
    regimes = read(swept(PAPER, stored_to=3)).regimes
    assert regimes["name"].tolist() == ["memorising", "", "in between", "generalising"]
    assert regimes["low"].tolist()[1:] == regimes["high"].tolist()[:-1]
    assert regimes["low"].iloc[0] < 3
    assert regimes["high"].iloc[-1] > 1000


def test_vectors_are_the_columns_and_the_hidden_vectors(result):
    found = tables.vectors(result)
    assert np.array_equal(found.features, result.W1.T)
    assert np.allclose(found.samples, probe.hidden_vectors(result))
    assert found.sample_dimensionality.sum() <= 2 + 1e-6


def test_a_network_of_two_directions_keeps_all_lengths_in_its_plane():
    rng = np.random.default_rng(0)
    W1 = rng.normal(size=(7, 2)) @ rng.normal(size=(2, 30))
    drawn = W1.T @ tables.plane(W1)
    assert np.allclose(metrics.norms(drawn), metrics.norms(W1.T))


def test_the_plane_does_not_flip_when_the_network_moves_a_little():
    W1 = np.random.default_rng(1).normal(size=(5, 40))
    assert np.abs(tables.plane(W1) - tables.plane(W1 * 1.001)).max() < 0.01


@pytest.mark.parametrize("m", [1, 2])
def test_one_or_two_hidden_values_are_drawn_as_they_are(m):
    W1 = np.arange(m * 3.0).reshape(m, 3)
    assert np.array_equal((W1.T @ tables.plane(W1))[:, :m], W1.T)


def test_what_is_derived_is_made_once_for_each_key_and_cannot_be_changed(result):
    again = Result(**{name: getattr(result, name) for name in result.__dataclass_fields__})
    assert tables.vectors(again) is tables.vectors(result)
    with pytest.raises(ValueError, match="read-only"):
        tables.vectors(result).features[0] = 1


def test_the_best_seed_is_the_one_with_the_lowest_test_loss(result):
    other = train(SMALL.with_(seed=1))
    best = tables.best_of([result, other])
    assert best.metrics["test_loss"] == min(result.metrics["test_loss"], other.metrics["test_loss"])


# what a network does not have


def test_what_a_network_does_not_have_is_missing_in_its_row_and_not_zero():
    fresh = train(SMALL.with_(n_samples=None, batch_size=8, steps=3))
    listed = train(Experiment(data="one_hot", n_features=6, n_hidden=2, steps=3))
    rows = tables.runs([fresh, listed])
    assert rows["train_loss"].isna().tolist() == [True, False]
    assert rows["test_loss"].isna().tolist() == [False, True]
    assert tables.runs([fresh])["train_loss"].dtype == float


def test_features_of_which_none_is_represented_have_no_mean_superposition(result):
    few, none = (
        replace(result, parameters=result.parameters | {"W1": W1}) for W1 in (result.W1 * 0 + 0.4, result.W1 * 0)
    )
    few = replace(few, experiment=SMALL.with_(seed=51))
    none = replace(none, experiment=SMALL.with_(seed=52))
    rows = tables.runs([few, none])
    assert rows["represented"].tolist() == [12, 0]
    assert rows["superposition"][0] == pytest.approx(11 * 2 * 0.4**2)
    assert np.isnan(rows["superposition"][1])


def test_a_loss_that_is_missing_is_no_loss_of_zero_among_the_limits_and_the_fish(result):
    nothing = dict.fromkeys(result.metrics)
    listed = Experiment(data="one_hot", n_features=6, n_hidden=2, steps=3, seed=53)
    row = tables.limits([replace(train(listed), metrics=nothing, experiment=listed.with_(seed=54))]).iloc[0]
    assert np.isnan([row["loss"], row["share"]]).all()
    fish = Experiment(
        arch="mlp_relu_output", task="big_fish", n_features=8, n_embed=4, n_hidden=3, n_samples=20, steps=3
    )
    trained = train(fish)
    row = tables.fish([trained, replace(trained, metrics=nothing, experiment=fish.with_(seed=55))])
    assert row["mse"].tolist()[0] == trained.metrics["train_loss"] / 8
    assert row[["mse", "share", "test_mse"]].iloc[1].isna().all()
    assert row[["floor", "floor_share"]].isna().all(axis=None)  # a ReLU on the output takes the floor away


def several():
    """Three seeds at three sizes: the best by train loss is another seed at each, never the lowest test loss."""
    rows = [
        *((10, 0, 0.3, 1.0, 0), (10, 1, 0.1, 5.0, 0), (10, 2, 0.2, 0.5, 0)),
        *((100, 0, 0.4, 9.0, 0), (100, 1, 0.6, 7.0, 0), (100, 2, 0.5, 30.0, 0)),
        *((1000, 0, 0.9, 0.99, 5), (1000, 1, 0.9, 0.98, 5), (1000, 2, 0.8, 0.995, 4)),
    ]
    return pd.DataFrame(rows, columns=["n_samples", "seed", "train_loss", "test_loss", "big_features"])


def by_plain_numpy(table):
    """T -> the seed with the lowest train loss."""
    columns = {name: table[name].to_numpy() for name in table}
    found = {}
    for T in np.unique(columns["n_samples"]):
        here = columns["n_samples"] == T
        found[int(T)] = int(columns["seed"][here][columns["train_loss"][here].argmin()])
    return found


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_best_of_the_seeds_is_that_of_the_lowest_train_loss(shuffled):
    table = several().sample(frac=1, random_state=1) if shuffled else several()
    best = tables.best_runs(table)
    assert (
        dict(zip(best["n_samples"], best["seed"], strict=True)) == by_plain_numpy(several()) == {10: 1, 100: 0, 1000: 2}
    )
    assert best["test_loss"].tolist() == [5.0, 9.0, 0.995]


def test_of_equal_train_losses_the_first_seed_is_the_best_and_one_without_is_none():
    table = pd.DataFrame({"n_samples": 5, "seed": [3, 1, 2, 0], "train_loss": [0.2, 0.2, 0.2, np.nan]})
    assert tables.best_runs(table)["seed"].tolist() == [1]
    assert tables.best_runs(table[:0]).empty


def test_the_peak_of_the_best_is_another_than_that_of_the_means():
    assert read(several(), seeds=(0, 1, 2)).peak == (100, pytest.approx(46 / 3))
    whole = tables.descent(several(), 1.0, 2, {10, 100, 1000}, (0, 1, 2), best=True)
    assert whole.peak == (100, 9.0)
    assert tables.descent(several()[1:], 1.0, 2, {10, 100, 1000}, (0, 1, 2), best=True).peak is None


@pytest.mark.parametrize("stage", tables.STAGES)
def test_data_dimensionality_is_that_of_the_hidden_vectors_at_the_end_and_at_each_frame(result, stage):
    hidden = probe.hidden_vectors(result)
    shares = [h @ h / ((hidden @ (h / np.linalg.norm(h))) ** 2).sum() for h in hidden.astype(float)]
    row = tables.data_dimensionality([result], stage).iloc[0]
    assert (row["n_samples"], row["seed"]) == (6, 0)
    assert (row["largest"], row["mean"]) == (pytest.approx(max(shares)), pytest.approx(np.mean(shares)))
    history = tables.data_dimensionality_over_frames(result, stage)
    assert history.shape == (len(result.frame_steps), 2)
    np.testing.assert_allclose(history[-1], [max(shares), np.mean(shares)], rtol=1e-5)
    start = replace(result, parameters=result.frame(0), metrics={"train_loss": -1.0})
    np.testing.assert_allclose(
        history[0], tables.data_dimensionality([start], stage)[["largest", "mean"]].iloc[0], rtol=1e-5
    )
