"""The page of the privileged basis: what it asks for, what it shows of it, and what its old links open."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import again, app_at, button

from toyviz import charts, metrics, settings, studies
from toyviz.charts.stacks import heaps
from toyviz.claims import CLAIMS, FIRST_SEED
from toyviz.experiment import sparsity_of, sweep
from toyviz.store import GALLERY, Store
from toyviz.studies.privileged_basis import neurons
from toyviz.sweep import Sweep
from toyviz.view import Figure

PAGE = studies.page("privileged_basis")
(VIEW,) = PAGE.views
QUICK = settings.EXPERIMENTS["privileged_basis"].quick
PATH = "pages/mlp_block/privileged_basis.py"
SMALL = {"densities": "1,0.1", "starts": "2", "n_features": "5", "n_hidden": "2", "density": "0.1", "v": "2"}
ALL = (1.0, 0.75, 0.35, 0.15, 0.1, 0.06, 0.02, 0.01)


def networks(densities=ALL, starts=range(100), recipe="quick", **changes):
    base = settings.EXPERIMENTS["privileged_basis"].at(recipe).with_(**changes)
    return sweep(base, seed=starts, sparsity=map(sparsity_of, densities))


# address of before there were views, the networks that it opened, the density that it looked into
OLD = [
    ("", networks(), 0.35),
    ("look=0.02", networks(), 0.02),
    ("density=0.02&density=0.15&density=0.1&starts=32", networks((0.15, 0.1, 0.02), range(32)), 0.15),
    (
        "recipe=paper&density=1&density=0.1&starts=8&n_features=5&n_hidden=2&importance_decay=0.9&weight_decay=0.1&"
        "look=0.1",
        networks(
            (1.0, 0.1), range(8), "paper", n_features=5, n_hidden=2, importance_decay=0.9, weight_decay=0.1
        ),
        0.1,
    ),
    ("n_features=20&n_hidden=10&importance_decay=1&weight_decay=0", networks(
        n_features=20, n_hidden=10, importance_decay=1.0, weight_decay=0.0
    ), 0.35),
]  # fmt: skip


@pytest.mark.parametrize(("address", "wanted", "density"), OLD, ids=[row[0] for row in OLD])
def test_a_link_of_before_there_were_views_opens_the_networks_that_it_did(address, wanted, density):
    parameters = {}
    for name, value in (part.split("=") for part in address.split("&") if part):
        parameters.setdefault(name, []).append(value)
    found = PAGE.read(parameters)
    assert (found.view, found.not_understood) == (VIEW, ())
    plan = VIEW.plan(found.choice)
    assert set(plan.experiments) == set(wanted)
    assert {each.density for each in plan.opened} == {density}
    assert set(plan.rivals[0]) == {each for each in wanted if each.density == density}


# which network is opened


@pytest.fixture(scope="module")
def shipped():
    store = Store(None, GALLERY)
    return {each: store.get(each) for each in networks()}


def opened_best(shipped, **changes):
    choice = VIEW.default(**changes)
    plan = VIEW.plan(choice).settled(shipped.get)
    return choice, plan, Sweep([shipped[each] for each in plan.experiments], plan.experiments)


def test_the_best_start_is_opened_once_all_are_trained(shipped):
    plan = VIEW.plan(VIEW.default(density=0.1))
    losses = {each: shipped[each].metrics["test_loss"] for each in shipped if each.density == 0.1}
    assert plan.settled(shipped.get).opened == (min(losses, key=losses.get),)
    few = {each: shipped[each] for each in losses if each.seed in (3, 4)}
    assert plan.settled(few.get) == plan  # the best of two is not the best
    assert plan.settled({}.get) == plan
    assert set(plan.settled(shipped.get).experiments) == set(plan.experiments)


def test_a_start_of_ones_own_is_trained_and_added_and_in_no_comparison(shipped):
    choice = VIEW.default(density=0.1, start=500)
    plan = VIEW.plan(choice)
    assert plan.opened == (QUICK.with_(sparsity=0.9, seed=500),)
    assert plan.settled(shipped.get) == plan
    assert set(plan.experiments) - set(shipped) == set(plan.opened)
    own = replace(shipped[QUICK.with_(sparsity=0.9, seed=1)], experiment=plan.opened[0])
    found = shipped | {plan.opened[0]: own}
    shown = {block.id: block for block in VIEW.show(choice, plan, Sweep(found.values(), plan.experiments))}
    marks = shown["spread"].chart.data["marks"]
    assert len(marks) == 801  # it is drawn
    assert marks[marks["open"]]["seed"].tolist() == [500]
    assert marks[marks["best"]]["seed"].tolist() == [
        min((r.metrics["test_loss"], e.seed) for e, r in shipped.items() if e.density == density)[1] for density in ALL
    ]


def test_a_start_of_ones_own_is_drawn_before_any_other_is_trained(shipped):
    choice = VIEW.default(density=0.1, start=99, starts=8)
    plan = VIEW.plan(choice)
    alone = Sweep([shipped[plan.opened[0]]], plan.experiments)
    shown = {block.id: block for block in VIEW.show(choice, plan, alone)}
    assert shown["spread"].chart.data["marks"]["seed"].tolist() == [99]
    assert shown["told"].markdown == "Nothing is trained yet."


def test_a_density_between_those_that_are_swept_gets_a_column():
    plan = VIEW.plan(VIEW.default(density=0.5, starts=8))
    assert {each.density for each in plan.experiments} == {*ALL, 0.5}
    assert len(plan.experiments) == 9 * 8
    shown = {block.id: block for block in VIEW.show(VIEW.default(density=0.5, starts=8), plan, Sweep([], []))}
    panels = shown["stacks"].chart.data["panels"]
    assert panels["title"].tolist() == ["1", "0.75", "0.5", "0.35", "0.15", "0.1", "0.06", "0.02", "0.01"]
    assert panels["title"][panels["selected"]].tolist() == ["0.5"]


def test_the_claims_open_a_hundred_starts_that_nobody_had_looked_at():
    for id in ("monosemantic_when_dense", "sparsity_makes_polysemantic"):
        for recipe in CLAIMS[id].recipes:
            _, view, choice = studies.evidence(CLAIMS[id], recipe)
            planned = set(view.plan(choice).experiments)
            assert planned == set(CLAIMS[id].evidence(recipe, FIRST_SEED))
            assert {each.seed for each in planned} == set(range(10_000, 10_100))


# what is shown


def test_all_that_is_said_of_the_starts_is_so(shipped):
    choice, plan, results = opened_best(shipped)
    table = neurons.losses(results)
    assert len(table) == 800
    for density in ALL:
        rows = table[table["density"] == density]
        known = {each.seed: shipped[each].metrics["test_loss"] for each in shipped if each.density == density}
        assert dict(zip(rows["seed"], rows["loss"], strict=True)) == known
        assert rows[rows["best"]]["seed"].tolist() == [min(known, key=known.get)]
        np.testing.assert_allclose(rows["ratio"], rows["loss"] / min(known.values()))
    shown = {block.id: block for block in VIEW.show(choice, plan, results)}
    best = {each: result for each, result in shipped.items() if neurons.facts(result)["loss"] in set(
        table[table["best"]]["loss"])}  # fmt: skip
    several = {each.density: int((np.abs(r.W1) > 0.3).sum(axis=1).__gt__(1).sum()) for each, r in best.items()}
    said = "; ".join(f"{several[density]} at {density:g}" for density in ALL)
    assert said in shown["told"].markdown


def test_the_pictures_of_the_densities_are_the_weights_of_the_best_starts(shipped):
    choice, plan, results = opened_best(shipped)
    shown = {block.id: block for block in VIEW.show(choice, plan, results) if isinstance(block, Figure)}
    blocks, panels = shown["stacks"].chart.data["blocks"], shown["stacks"].chart.data["panels"]
    assert panels["density"].tolist() == list(ALL)
    last = len(plan.opened) and len(shipped[plan.opened[0]].frame_steps) - 1
    for place, density in enumerate(ALL):
        every = [shipped[each] for each in shipped if each.density == density]
        W1 = min(every, key=lambda r: r.metrics["test_loss"]).W1
        W1 = W1[np.abs(W1).argmax(axis=1).argsort(kind="stable")]
        drawn = np.zeros(W1.shape)
        for row in blocks[blocks["place"] == place].to_dict("records"):
            drawn[row["neuron"] - 1, row["feature"]] = row[f"e{last}"] - row[f"s{last}"]
        np.testing.assert_allclose(drawn, np.where(np.abs(W1) < 0.02, 0, W1), atol=1e-5)


def test_a_click_on_a_start_opens_it_and_one_on_a_density_its_best(shipped):
    choice, plan, results = opened_best(shipped, density=0.1)
    shown = {block.id: block for block in VIEW.show(choice, plan, results) if isinstance(block, Figure)}
    assert dict(shown["spread"].pick) == {"density": "density", "seed": "start"}
    marks = shown["spread"].chart.data["marks"]
    assert {"density", "seed"} <= set(marks)
    assert marks[marks["open"]][["density", "seed"]].to_numpy().tolist() == [[0.1, plan.opened[0].seed]]
    assert dict(shown["stacks"].pick) == {"density": "density", "start": "start"}
    assert set(shown["stacks"].chart.data["blocks"]["start"]) == {"best"}


def test_the_inside_names_what_each_neuron_is_at_every_frame(shipped):
    choice, plan, _ = opened_best(shipped)
    opened = shipped[plan.opened[0]]
    names = next(b for b in VIEW.inside(choice, opened) if b.id == "opened_stacks").chart.data["names"]
    order = np.abs(opened.W1).argmax(axis=1).argsort(kind="stable")
    for f, W1 in enumerate(opened.frames["W1"]):
        counts = (np.abs(W1[order]) > 0.3).sum(axis=1)
        assert names[f"n{f}"].tolist() == ["none" if c == 0 else "mono" if c == 1 else "poly" for c in counts]


def test_features_can_be_in_groups_and_what_is_said_of_them_is_read_off_the_networks(shipped):
    choice = VIEW.default(features="anticorrelated", starts=8, density=0.1)
    plan = VIEW.plan(choice)
    assert {(each.data, each.group_size) for each in plan.experiments} == {("anticorrelated", 2)}
    assert {each.density for each in plan.experiments} == set(ALL) - {1.0, 0.75}
    results = [
        replace(shipped[QUICK.with_(sparsity=each.sparsity, seed=each.seed)], experiment=each)
        for each in plan.experiments
    ]
    blocks = {block.id: block for block in VIEW.show(choice, plan, Sweep(results, plan.experiments))}
    pairs = []
    for result in results:
        if result.experiment.density == 0.1:
            columns = [column / np.linalg.norm(column) for column in result.W1.T]
            long = np.linalg.norm(result.W1, axis=0) > 0.5
            pairs += [columns[i] @ columns[i + 1] for i in range(0, 10, 2) if long[i] and long[i + 1]]
    told = blocks["groups_told"].markdown
    assert f"one group have a mean cosine of {np.mean(pairs):.2f}".replace("-", "−") in told
    assert "Not trained: density 0.75, 1, since" in told
    assert len(blocks["look_for"].marks) == blocks["look_for"].markdown.count("\n- ")
    panels = next(b for b in VIEW.inside(choice, results[0]) if b.id == "opened_weights").chart.data["panels"]
    rows = panels[["top", "bottom"]].to_numpy()[1:]
    np.testing.assert_allclose(10 * rows, [[i, i + 2] for i in range(0, 10, 2)])
    address = PAGE.write(VIEW, choice)
    assert (address["features"], address["group_size"]) == ("apart", "2")
    assert PAGE.read(address).choice == choice


# stacks


def test_a_stack_has_one_block_a_weight_and_negative_ones_hang_below_the_axis():
    W1 = np.array([[[0.5, -0.25, 1.0], [0.0, 0.01, -2.0]]])
    start, end = heaps(W1)
    np.testing.assert_allclose(end - start, [[[0.5, -0.25, 1.0], [0, 0, -2.0]]])
    np.testing.assert_allclose(start[0, 0], [1.0, 0.0, 0.0])  # the largest is next to the axis
    np.testing.assert_allclose(end[0, 0], [1.5, -0.25, 1.0])
    np.testing.assert_allclose(end[0, 1, 2], -2.0)


@pytest.mark.parametrize("seed", range(5))
def test_blocks_fill_their_stack_without_gaps_and_keep_the_order_of_the_newest_frame(seed):
    history = np.random.default_rng(seed).normal(size=(4, 3, 6))
    start, end = heaps(history)
    newest = np.argsort(-np.abs(history[-1]), axis=1)
    for f in range(4):
        for k in range(3):
            w = np.where(np.abs(history[f, k]) < 0.02, 0, history[f, k])
            assert end[f, k].max(initial=0) == pytest.approx(w[w > 0].sum())
            assert end[f, k].min(initial=0) == pytest.approx(w[w < 0].sum())
            for sign in (1, -1):
                inside = [i for i in newest[k] if w[i] * sign > 0]
                edges = [0.0, *np.cumsum(w[inside])]
                np.testing.assert_allclose(start[f, k, inside], edges[:-1])
                np.testing.assert_allclose(end[f, k, inside], edges[1:])


def test_what_stands_still_is_drawn_in_every_frame_and_other_lengths_are_refused():
    moving, still = np.full((3, 1, 1), 0.5), np.full((1, 1, 1), 0.25)
    panels = [charts.Stack("a", moving, moving[:, 0], [["1"]] * 3), charts.Stack("b", still, still[:, 0], [["1"]])]
    blocks = charts.stacks(panels, "Weights").data["blocks"]
    assert blocks[[f"e{f}" for f in range(3)]].to_numpy().tolist() == [[0.5] * 3, [0.25] * 3]
    with pytest.raises(ValueError, match="2 and 3 frames"):
        charts.stacks([panels[0], charts.Stack("c", moving[:2], moving[:2, 0], [["1"]] * 2)], "Weights")


def test_strips_mark_the_best_and_leave_out_what_is_not_finite():
    rows = pd.DataFrame(
        {"density": [1.0, 1.0, 0.1], "seed": [0, 1, 0], "value": [1.0, np.nan, 3.0], "best": [True, False, True]}
    )
    chart = charts.strips(rows, "density", (1.0, 0.5, 0.1), "Loss", selected=0.1, seed=0, logarithmic=True)
    marks = chart.data["marks"]
    assert marks["place"].tolist() == [0.5, 2.5]
    assert marks["open"].tolist() == [False, True]
    assert chart.data["columns"]["label"].tolist() == ["1", "0.5", "0.1"]
    assert chart.alt == "Loss, medians: 1: 1; 0.1: 3."


# the page


def test_it_opens_over_what_is_shipped_and_in_every_state_the_same_charts_stand(stand_in):
    seen = []

    def charts_of(app):
        found = [each.proto for each in app.get("vega_lite_chart")]
        return [(each.spec, [data.name for data in each.datasets]) for each in found[:6]]

    stand_in.begins = "queued"
    app = again(app_at(PATH, **SMALL))
    seen.append(charts_of(app))
    for each in stand_in.wanted.values():
        stand_in.set("running", each, steps=(3, 7, 10))
    seen.append(charts_of(again(app)))
    stand_in.finish(2)
    seen.append(charts_of(again(app)))
    button(app, "Cancel").click()
    seen.append(charts_of(again(app)))
    button(app, "Resume").click()
    again(app)
    stand_in.finish()
    app = again(app)
    seen.append(charts_of(app))
    assert all(each == seen[-1] for each in seen)
    assert any("trained and kept" in each.value for each in app.markdown)
    best = min((stand_in.store.get(each) for each in networks((0.1,), range(2), n_features=5, n_hidden=2)
                if stand_in.store.get(each)), key=lambda r: r.metrics["test_loss"], default=None)  # fmt: skip
    told = next(each.value for each in app.markdown if each.value.startswith("**Density 0.1, start"))
    assert best is None or f"start {best.experiment.seed}." in told


@pytest.mark.parametrize("control", VIEW.every_control, ids=lambda control: control.id)
def test_the_first_and_the_last_value_of_every_control_can_be_asked_for(control):
    for name in (next(iter(control.values)), list(control.values)[-1]):
        more = {"schedule": "warmup_cosine"} if control.id == "warmup" else {}
        found = PAGE.read({"view": VIEW.id, "v": "2"} | more | {control.id: name})
        assert found.not_understood == ()
        assert len(VIEW.plan(found.choice).experiments) >= 100 or control.id in ("starts", "densities")


def test_neurons_keep_the_order_of_the_newest_frame():
    history = np.random.default_rng(1).normal(size=(3, 4, 6))
    order = np.argsort(np.abs(history[-1]).argmax(axis=1), kind="stable")
    np.testing.assert_array_equal(neurons.ordered(history), history[:, order])
    stack = neurons.stack("a", history, counts=True)
    np.testing.assert_array_equal(stack.names.astype(int), (np.abs(history) > 0.3).sum(axis=2))
    np.testing.assert_allclose(stack.shade[1], metrics.superposition(history[1].T))
