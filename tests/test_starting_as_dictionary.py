"""Networks that start as a lookup table: the rows of W1 are keys."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import again, app_at, opened_below

from toyviz import data, experiment, settings, studies
from toyviz.data import stream
from toyviz.experiment import Experiment, sweep
from toyviz.model import initial_parameters, kmeans
from toyviz.store import GALLERY, Store
from toyviz.sweep import Sweep

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


@pytest.mark.parametrize("init", [name for name, init in experiment.INITS.items() if init.keys])
def test_more_neurons_than_keys_are_refused(init):
    with pytest.raises(ValueError, match="n_hidden must be at most"):
        SPARSE.with_(init=init, n_hidden=31)


def test_keys_from_fresh_batches_and_values_without_w2_are_refused():
    with pytest.raises(ValueError, match="needs a training set"):
        SPARSE.with_(init="training_points", n_samples=None)
    with pytest.raises(ValueError, match="writes into W2"):
        SPARSE.with_(init="lookup_table", arch="unembed_tied")


# the page

PAGE = studies.page("starting_as_dictionary")
(VIEW,) = PAGE.views
INITS = ("linear_uniform", "training_points", "kmeans_centres", "one_hots", "lookup_table")
LIST = {"data": "one_hot", "n_features": 20, "n_samples": None, "sparsity": 0.0, "normalize": False, "steps": 8_000}
NAMES = {"arch": "mlp", "task": "classify_hard"}


def networks(seeds=range(4), **changes):
    base = settings.EXPERIMENTS["starting_as_dictionary"].quick
    return sweep(base.with_(**changes), init=INITS, seed=seeds)


# address of before there were views, and the networks that it opened
OLD = [
    ("", networks()),
    ("to_store=50 sparse samples&task=squared error&sparse_neurons=25&seeds=4&lr=0.001&weight_decay=0.01", networks()),
    ("task=cross-entropy&sparse_neurons=5&seeds=8", networks(range(8), n_hidden=5, **NAMES)),
    ("to_store=one-hots", networks(n_hidden=10, **LIST)),
    (
        "to_store=one-hots&task=cross-entropy&one_hot_neurons=20&seeds=1&lr=0.1&weight_decay=0",
        networks([0], n_hidden=20, lr=0.1, weight_decay=0.0, **LIST, **NAMES),
    ),
]


@pytest.mark.parametrize(("address", "wanted"), OLD, ids=[row[0] for row in OLD])
def test_a_link_of_before_there_were_views_opens_the_networks_that_it_did(address, wanted):
    found = PAGE.read(dict(part.split("=") for part in address.split("&") if part))
    assert (found.view, found.not_understood) == (VIEW, ())
    plan = VIEW.plan(found.choice)
    assert set(plan.experiments) == set(wanted)
    assert [each.init for each in plan.opened] == list(INITS)
    assert {each.seed for each in plan.opened} == {0}
    assert plan.experiments[:5] == plan.opened


@pytest.fixture(scope="module")
def shipped():
    store = Store(None, GALLERY)
    return {each: store.get(each) for each in networks()}


def blocks(shipped, **changes):
    choice = VIEW.default(**changes)
    plan = VIEW.plan(choice)
    known = Sweep([shipped[each] for each in plan.experiments if each in shipped], plan.experiments)
    shown = [*VIEW.show(choice, plan, known), *VIEW.inside(choice, *(shipped[each] for each in plan.opened))]
    return {block.id: block for block in shown}


def test_the_page_tells_that_none_memorises_and_when_each_start_is_as_low_as_the_usual_one(shipped):
    every = {init: [result for each, result in shipped.items() if each.init == init] for init in INITS}
    assert min(result.losses.min() for result in shipped.values()) > 0.01
    shown = blocks(shipped)
    assert "No network memorises" in shown["told"].markdown
    table = shown["starts"].frame
    marks = shown["steps"].chart.data["marks"]
    for results, row in zip(every.values(), table.to_dict("records"), strict=True):
        first = [
            next((s for s, x in zip(r.loss_steps, r.losses, strict=True) if x <= 1.05 * usual.losses[-1]), None)
            for r, usual in zip(results, every["linear_uniform"], strict=True)
        ]
        reached = [step for step in first if step]
        assert row["as low as the random start"] == f"{len(reached)} of 4"
        assert row["steps until so low"] == np.median(reached)
        drawn = marks[marks["init"] == results[0].experiment.init]
        assert sorted(drawn["value"]) == sorted(reached)
    assert "steps until then" not in table
    ends = shown["ends"].chart.data["marks"]
    assert {(row.init, row.seed): row.value for row in ends.itertuples()} == {
        (each.init, each.seed): result.metrics["train_loss"] for each, result in shipped.items()
    }


def test_the_five_starts_of_the_opened_seed_are_drawn_at_the_same_steps(shipped):
    shown = blocks(shipped, seed=2)
    cells = shown["weights"].chart.data["cells"]
    last = shown["weights"].chart.data["meta"]["last"].item()
    unit = shown["weights"].chart.data["scales"]["unit"]
    drawn = (cells[f"v{last}"] * unit[last]).to_numpy().reshape(5, 100, 25)
    for init, W1 in zip(INITS, drawn, strict=True):
        result = next(r for each, r in shipped.items() if (each.init, each.seed) == (init, 2))
        np.testing.assert_allclose(W1, result.W1.T, atol=1e-4)
    assert shown["curve"].chart.data["names"]["name"].tolist() == ["random", "points", "centres", "one-hots", "table"]
    assert shown["opened"].markdown.startswith("**Seed 2**")
    assert shown["ends"].chart.data["marks"]["best"].sum() == 5
    assert dict(shown["ends"].pick) == {"seed": "seed"}


def test_a_seed_beside_the_others_is_trained_and_in_no_mean(shipped):
    choice = VIEW.default(seed=9)
    plan = VIEW.plan(choice)
    assert set(plan.experiments) == {*networks(), *networks([9])}
    extra = {each: replace(shipped[each.with_(seed=0)], experiment=each) for each in networks([9])}
    known = Sweep([(shipped | extra)[each] for each in plan.experiments], plan.experiments)
    shown = {block.id: block for block in VIEW.show(choice, plan, known)}
    assert len(shown["ends"].chart.data["marks"]) == 20


def test_with_both_losses_only_the_chosen_one_is_shown_and_the_verdict_has_all():
    choice = VIEW.default(tasks=True, task="classify_hard")
    plan = VIEW.plan(choice)
    assert set(plan.experiments) == {*networks(), *networks(**NAMES)}
    assert {each.task for each in plan.opened} == {"classify_hard"}
    shown = {block.id: block for block in VIEW.show(choice, plan, Sweep([], plan.experiments))}
    assert shown["told"].markdown == "Nothing is trained yet."
    assert "starts" not in shown


def test_more_neurons_than_samples_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match="n_hidden must be at most"):
        VIEW.plan(VIEW.default(n_hidden=51))


def test_the_same_charts_stand_in_every_state_and_only_fill_in(stand_in):
    seen = []

    def charts_of(app):
        found = [each.proto for each in app.get("vega_lite_chart")]
        return [(each.spec, [data.name for data in each.datasets]) for each in found[:4]]

    address = {"data": "one_hot", "seeds": "1", "n_features": "10", "n_hidden": "5", "v": "2"}
    stand_in.begins = "queued"
    app = again(app_at("pages/appendix/starting_as_dictionary.py", **address))
    seen.append(charts_of(app))
    for each in stand_in.wanted.values():
        stand_in.set("running", each, steps=(3, 7, 10))
    seen.append(charts_of(again(app)))
    stand_in.finish(2)
    seen.append(charts_of(again(app)))
    stand_in.finish()
    seen.append(charts_of(again(app)))
    assert all(each == seen[-1] for each in seen)
    assert len(opened_below(app).dataframe) == 2
    assert any("trained and kept" in each.value for each in app.markdown)
