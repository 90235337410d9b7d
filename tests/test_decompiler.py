"""The page of the decompiler: what it asks for, what it shows of it, and what its old links open."""

import numpy as np
import pytest
from conftest import again, app_at, opened_below

from toyviz import charts, decompiler, settings, studies
from toyviz.experiment import sweep
from toyviz.store import GALLERY, Store
from toyviz.sweep import Sweep

PAGE = studies.page("decompiler")
(VIEW,) = PAGE.views
WIDTHS = (2, 3, 4, 6, 8, 10, 16, 32)


def networks(seeds=range(4), widths=WIDTHS, name="dictionary_cross_entropy", **changes):
    return sweep(settings.EXPERIMENTS[name].paper.with_(**changes), n_hidden=widths, seed=seeds)


# address of before there were views, the networks that it opened, and what it chose
OLD = [
    ("", networks(), {"m": 10, "levels": 2, "active": 1, "noise": 0.0, "counts_from": 1.0}),
    ("m=3&look=2&levels=9", networks(), {"m": 3, "seed": 2, "levels": 9}),
    ("task=squared error&seeds=1&one_hots=40", networks([0], name="dictionary", n_features=40), {"m": 10}),
    (
        "task=cross-entropy&one_hots=5&seeds=8&active=4&noise=0.05&counts_from=those at least half as strong",
        networks(range(8), n_features=5),
        {"active": 4, "noise": 0.05, "counts_from": 0.5},
    ),
    ("counts_from=all&m=32", networks(), {"counts_from": 0.0, "m": 32}),
    ("counts_from=the strongest alone", networks(), {"counts_from": 1.0}),
]


@pytest.mark.parametrize(("address", "wanted", "chosen"), OLD, ids=[row[0] for row in OLD])
def test_a_link_of_before_there_were_views_opens_what_it_did(address, wanted, chosen):
    found = PAGE.read(dict(part.split("=") for part in address.split("&") if part))
    assert (found.view, found.not_understood) == (VIEW, ())
    assert {id: found.choice[id] for id in chosen} == chosen
    plan = VIEW.plan(found.choice)
    assert set(plan.experiments) == set(wanted)
    assert [(each.n_hidden, each.seed) for each in plan.opened] == [(found.choice.m, found.choice.seed or 0)]


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


def by_hand(result, levels=2, parameters=None):
    """The patterns of the stored one-hots and the network's answers, from the weights alone: (n, m), (n,)."""
    at = result.parameters if parameters is None else parameters
    hidden = np.maximum(at["W1"].T + at["b1"], 0)
    low, high = hidden.min(axis=0), hidden.max(axis=0)
    span = np.where(high > low, high - low, np.inf)
    codes = np.floor((hidden - low) / span * (levels - 1) + 0.5)
    return codes, (hidden @ at["W2"].T + at["b2"]).argmax(axis=1)


def alike(codes, answers):
    """Which inputs a table of these patterns answers as the network: the answers to a pattern must all be the same."""
    same = (codes[:, None] == codes).all(axis=2)
    return np.array([len(set(answers[row])) == 1 for row in same])


def test_the_map_has_the_mean_share_of_every_cell(shipped):
    cells = blocks(shipped)["map"].chart.data["cells"]
    assert len(cells) == 8 * 4
    for row in cells.itertuples():
        shares = [
            alike(*by_hand(result, row.levels)).mean()
            for each, result in shipped.items()
            if each.n_hidden == row.n_hidden
        ]
        assert row.value == pytest.approx(np.mean(shares))
        assert row.seeds == 4


def test_the_lines_agree_with_the_map_and_with_the_networks_accuracy(shipped):
    points = blocks(shipped, levels=3)["over_m"].chart.data["points"]
    assert len(points) == 3 * 32
    for each, result in shipped.items():
        here = points[(points["n_hidden"] == each.n_hidden) & (points["seed"] == each.seed)].set_index("line")["value"]
        assert here["network"] == pytest.approx(alike(*by_hand(result, 3)).mean())
        assert here["accuracy"] == pytest.approx(result.metrics["train_accuracy"])


def test_the_table_is_read_anew_at_every_frame(shipped):
    shown = blocks(shipped, m=4, seed=1, levels=3)
    result = next(r for each, r in shipped.items() if (each.n_hidden, each.seed) == (4, 1))
    chart = shown["codes"].chart
    unit = chart.data["scales"]["unit"]
    shares = shown["fidelity"].chart.data["dots"]
    for f in range(len(result.frame_steps)):
        codes, answers = by_hand(result, 3, {name: values[f] for name, values in result.frames.items()})
        drawn = (chart.data["cells"][f"v{f}"] * unit[f]).to_numpy().reshape(20, 5)
        np.testing.assert_allclose(drawn[:, :4], codes / 2, atol=1e-4)
        np.testing.assert_allclose(drawn[:, 4], np.where(alike(codes, answers), 1, -1), atol=1e-4)
        at = shares[(shares["frame"] == f) & (shares["line"] == 0)]["loss"].item()
        assert at == pytest.approx(alike(codes, answers).mean())


def test_the_entries_are_those_of_the_opened_network(shipped):
    shown = blocks(shipped, m=3, seed=2)
    result = next(r for each, r in shipped.items() if (each.n_hidden, each.seed) == (3, 2))
    codes, answers = by_hand(result)
    table = shown["entries"].frame
    assert table["output"].tolist() == answers.tolist()
    assert table["right"].tolist() == (answers == np.arange(20)).tolist()
    on = [" ".join(map(str, np.flatnonzero(code))) for code in codes]
    assert table["neurons that are on"].tolist() == on
    assert f"{len(set(on))} different patterns for 20 inputs" in shown["network"].markdown
    assert f"**{alike(codes, answers).mean():.0%}**" in shown["network"].markdown


def test_noise_and_mixtures_are_tried_on_the_opened_number_of_neurons_alone(shipped):
    shown = blocks(shipped, m=6, noise=0.15, active=5)
    noise, active = (shown[id].chart.data["points"] for id in ("over_noise", "over_active"))
    assert sorted(set(noise["noise"])) == [0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5]
    assert sorted(set(active["active"])) == [1, 2, 3, 4, 5, 6]
    result = next(r for each, r in shipped.items() if (each.n_hidden, each.seed) == (6, 3))
    table = decompiler.read(result.experiment, result.parameters)
    tried = decompiler.trials(result.experiment, 5, 0.3)
    found = decompiler.fidelity(result, table, tried)
    here = noise[(noise["noise"] == 0.3) & (noise["seed"] == 3)].set_index("line")["value"]
    assert (here["network"], here["truth"], here["accuracy"]) == pytest.approx(tuple(found))


def test_more_inputs_at_once_than_there_are_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match="active must be at most n_features = 5; got 6"):
        VIEW.plan(VIEW.default(n_features=5, active=6))


def test_a_click_on_a_cell_opens_its_neurons_and_its_levels(shipped):
    shown = blocks(shipped)
    assert dict(shown["map"].pick) == {"n_hidden": "m", "levels": "levels"}
    assert {"n_hidden", "levels"} <= set(shown["map"].chart.data["cells"])


def test_shares_have_an_axis_from_0_to_1_and_keep_their_zeros():
    chart = charts.clock_curve({"a": (np.array([1, 10]), np.array([0.0, 0.5]))}, np.array([0, 10]), 10, share=True)
    assert chart.data["curve"]["loss"].tolist() == [0.0, 0.5]
    assert (chart.data["meta"]["low"].item(), chart.data["meta"]["high"].item()) == (0.0, 1.0)


def test_the_same_charts_stand_in_every_state_and_only_fill_in(stand_in):
    seen = []

    def charts_of(app):
        found = [each.proto for each in app.get("vega_lite_chart")]
        return [(each.spec, [data.name for data in each.datasets]) for each in found[:6]]

    address = {"widths": "2,5", "seeds": "2", "n_features": "6", "m": "5", "v": "2"}
    stand_in.begins = "queued"
    app = again(app_at("pages/appendix/decompiler.py", **address))
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
