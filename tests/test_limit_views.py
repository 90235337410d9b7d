"""The views of the limits of reconstruction, and of the laws for them: plans, pictures, and what old links open."""

from dataclasses import replace
from urllib.parse import parse_qs

import numpy as np
import pandas as pd
import pytest
from conftest import again, app_at

from toyviz import charts, data, law, live, metrics, order, probe, settings, studies, tables
from toyviz.queue import too_large
from toyviz.studies.how_much_fits import fit
from toyviz.studies.limits import cell, maps
from toyviz.sweep import Sweep
from toyviz.train import train
from toyviz.ui import choose as widgets
from toyviz.view import Figure, Table, Text

PAGE, LAWS = studies.page("limits"), studies.page("how_much_fits")
SMALL = {"sizes": (4, 6, 8), "widths": (2, 4), "n": 6, "m": 2, "steps": 7}
views = pytest.mark.parametrize("view", PAGE.views, ids=lambda view: view.id)


@pytest.fixture(scope="module")
def trained():
    """Trains what it is asked for, each once."""
    known = {}

    def of(experiments):
        return [
            known.setdefault(each, None) or known.update({each: train(each)}) or known[each] for each in experiments
        ]

    return of


def sweep_of(plan, trained):
    return Sweep(trained(plan.experiments), plan.experiments)


def figures(blocks):
    return {block.id: block for block in blocks if isinstance(block, Figure)}


# ---- what old links open: as the pages read them before they were made of views

NOISY_DEFAULTS = {
    **{"sparsities": (0.0, 0.9, 0.99), "sizes": (8, 16, 32, 64, 128, 256), "widths": (2, 4, 8, 16, 32, 64)},
    **{"seeds": 1, "relative": False, "recipe": "quick", "weight_decay": 0.01, "n": 64, "m": 8, "S": 0.9, "seed": 0},
    **{"beside": "nothing", "lr": None, "steps": None, "init": None, "first_seed": 0},
}
CLEAN_DEFAULTS = {name: value for name, value in NOISY_DEFAULTS.items() if name not in ("sparsities", "S")}
OLD_LINKS = [
    ("recipe=quick", "decreasing", {}),
    ("limits=Decreasing importance", "decreasing", {}),
    ("limits=Uniform importance", "uniform", {}),
    ("limits=One-hots", "one_hots", {"importance": "decreasing"}),
    ("limits=no such view", "decreasing", {}),
    ("column=S = 0&n=16&m=2", "decreasing", {"S": 0.0, "n": 16, "m": 2}),
    ("column=S = 0.99&limits=Uniform importance", "uniform", {"S": 0.99}),
    ("limits=One-hots&column=importance uniform", "one_hots", {"importance": "uniform"}),
    ("limits=One-hots&column=importance decreasing&weight_decay=0", "one_hots", {"weight_decay": 0.0}),
    ("sparsities=0.5&sparsities=0.97", "decreasing", {"sparsities": (0.5, 0.97), "S": 0.5}),
    ("sparsities=0.9&column=S = 0.9&relative=true", "decreasing", {"sparsities": (0.9,), "relative": True}),
    ("limit_sizes=8&limit_sizes=16&limit_widths=4", "decreasing", {"sizes": (8, 16), "widths": (4,), "n": 8, "m": 4}),
    (
        "limits=Uniform importance&limit_sizes=128&limit_widths=2&limit_widths=8",
        "uniform",
        {"sizes": (128,), "widths": (2, 8), "n": 128, "m": 8},
    ),
    ("map_seeds=4&seed=3&recipe=paper", "decreasing", {"seeds": 4, "seed": 3, "recipe": "paper"}),
    ("relative=false&weight_decay=1", "decreasing", {"weight_decay": 1.0}),
]


@pytest.mark.parametrize(("old", "view", "values"), OLD_LINKS)
def test_an_old_link_of_the_limits_opens_what_it_opened(old, view, values):
    opened = PAGE.read(parse_qs(old))
    assert opened.view.id == view
    defaults = CLEAN_DEFAULTS if view == "one_hots" else NOISY_DEFAULTS
    assert {id: opened.choice[id] for id in defaults | values} == defaults | values
    assert opened.view.plan(opened.choice).opened


@pytest.mark.parametrize(
    "old", ["limits=One-hots&sparsities=0.9", "limits=Uniform importance&map_seeds=2&relative=true"]
)
def test_all_of_an_old_link_is_understood(old):
    assert PAGE.read(parse_qs(old)).not_understood == ()


@pytest.mark.parametrize(
    ("old", "values"),
    [
        ("recipe=paper", {"recipe": "paper", "law": "powers_soft", "kept": "density", "part": 0, "seeds": 1}),
        ("law=powers, for each, soft ceiling&kept=all of one n", {"law": "powers_soft", "kept": "n"}),
        ("law=as many as hidden values&kept=a fifth of the cells", {"law": "as_many", "kept": "fifth"}),
        ("law=compressed sensing", {"law": "sensing", "sparsities": (0.0, 0.9, 0.99)}),
        ("law=hidden values and density&kept=all of one m", {"law": "density", "kept": "m"}),
        ("law=powers, for each importance&sparsities=0&sparsities=0.9", {"law": "powers_each", "sparsities": (0, 0.9)}),
        ("law=powers of all three&limit_sizes=8&limit_sizes=16", {"law": "powers", "sizes": (8, 16)}),
        ("kept=all of one density&limit_widths=2&map_seeds=2", {"kept": "density", "widths": (2,), "seeds": 2}),
    ],
)
def test_an_old_link_of_the_laws_opens_what_it_opened(old, values):
    opened = LAWS.read(parse_qs(old))
    assert {id: opened.choice[id] for id in values} == values
    assert opened.not_understood == ()


# ---- which networks


@pytest.mark.parametrize(
    ("view", "base", "importances"), [("decreasing", "limits", (True,)), ("uniform", "limits", (False,))]
)
def test_the_default_of_a_view_of_features_is_the_grid_of_its_importance(view, base, importances):
    plan = PAGE.view(view).plan(PAGE.view(view).default())
    wanted = settings.limits(settings.EXPERIMENTS[base].quick, importances, sparsity=settings.LIMIT_SPARSITIES)
    assert set(plan.experiments) == set(wanted)
    (opened,) = plan.opened
    assert (opened.n_features, opened.n_hidden, opened.sparsity, opened.seed) == (64, 8, 0.9, 0)
    assert plan.experiments[0] == opened


def test_one_hots_are_trained_with_both_importances_and_what_stands_beside_them_too():
    view, clean = PAGE.view("one_hots"), settings.EXPERIMENTS["limits_one_hot"].quick
    own = set(settings.limits(clean))
    assert set(view.plan(view.default()).experiments) == own
    noisy = settings.limits(settings.EXPERIMENTS["limits"].quick, sparsity=(0.97,))
    assert set(view.plan(view.default(beside="features", beside_S=0.97)).experiments) == own | set(noisy)
    decayed = settings.limits(clean.with_(weight_decay=0.0))
    assert set(view.plan(view.default(beside="decay")).experiments) == own | set(decayed)
    assert set(view.plan(view.default(beside="decay", beside_decay=0.01)).experiments) == own  # nothing to compare


def test_what_stands_beside_features_is_the_other_importance_and_one_hots():
    view, noisy = PAGE.view("decreasing"), settings.EXPERIMENTS["limits"].quick
    own = set(view.plan(view.default()).experiments)
    both = settings.limits(noisy, sparsity=settings.LIMIT_SPARSITIES)
    clean = settings.EXPERIMENTS["limits_one_hot"].quick
    assert set(view.plan(view.default(beside="other")).experiments) == set(both)
    assert set(view.plan(view.default(beside="one_hots")).experiments) == own | set(settings.limits(clean, (True,)))
    assert set(view.plan(view.default(beside="both")).experiments) == {*both, *settings.limits(clean)}


@views
def test_a_network_beside_the_swept_ones_is_one_more_and_in_no_mean(view, trained):
    choice = view.default(**SMALL)
    own = view.plan(choice).experiments
    plan = view.plan(choice.with_(n=7, m=3, seed=5))
    assert set(plan.experiments) - set(own) == set(plan.opened)
    sweep = sweep_of(plan, trained)
    loss = figures(view.show(choice.with_(n=7, m=3, seed=5), plan, sweep))["loss"].chart
    there = set(zip(loss.data["cells"]["n_features"], loss.data["cells"]["n_hidden"], strict=True))
    assert there == {(4, 2), (4, 4), (6, 2), (6, 4), (8, 2), (8, 4)}
    assert loss.data["up"]["value"].tolist() == [8, 7, 6, 4]
    assert len(loss.data["frame"]) == len(own) + 1


@views
def test_a_bottleneck_wider_than_its_input_is_refused_in_a_sentence(view):
    with pytest.raises(ValueError, match=r"m must be at most n, 4: .*; got 6"):
        view.plan(view.default(n=4, m=6))


def test_an_opened_sparsity_beside_the_list_is_a_map_of_one_cell(trained):
    view = PAGE.view("decreasing")
    choice = view.default(**SMALL, sparsities=(0.0, 0.9), S=0.5)
    plan = view.plan(choice)
    assert [e.sparsity for e in plan.experiments].count(0.5) == 1
    loss = figures(view.show(choice, plan, sweep_of(plan, trained)))["loss"].chart
    assert loss.data["maps"]["label"].tolist() == ["S = 0", "S = 0.5", "S = 0.9"]
    assert loss.data["selected"]["column"].tolist() == ["1|2"]
    assert [each for each in loss.data["frame"]["column"] if each.startswith("1|")] == ["1|2"]


# ---- the maps


@pytest.mark.parametrize("relative", [False, True])
@views
def test_every_cell_is_the_mean_over_its_seeds_of_its_own_map(view, relative, trained):
    choice = view.default(**SMALL, seeds=2, first_seed=3, relative=relative)
    plan = view.plan(choice)
    results = trained(plan.experiments)
    shown = figures(view.show(choice, plan, Sweep(results, plan.experiments)))
    losses, backs, nothing = {}, {}, {}
    for result in results:
        e = result.experiment
        place = (e.sparsity, e.importance_decay < 1, e.n_features, e.n_hidden)
        losses.setdefault(place, []).append(result.metrics["test_loss" if e.fresh else "train_loss"])
        backs.setdefault(place, []).append(probe.one_hots_back(result).mean())
        weights = e.importance_decay ** np.arange(e.n_features)
        X = np.eye(e.n_features)
        if e.fresh:  # uniform on [0, 1] with the chance 1 - S
            p = 1 - e.sparsity
            nothing[place] = weights.sum() * (p / 3 - p**2 / 4)
        else:
            nothing[place] = (weights * X.var(axis=0)).sum()
    for id, wanted in (("loss", losses), ("accuracy", backs)):
        cells = shown[id].chart.data["cells"]
        assert len(cells) == len(wanted)
        for row in cells.itertuples():
            S = 0.0 if view.id == "one_hots" else float(row.S)
            place = (S, row.importance == "decreasing", row.n_features, row.n_hidden)
            value = np.mean(wanted[place])
            if id == "loss" and relative:
                assert row.value == pytest.approx(value / nothing[place], rel=0.05)  # of 10,000 samples
            else:
                assert row.value == pytest.approx(value, rel=1e-6)
            assert row.seeds == 2


@views
def test_the_maps_of_a_view_share_one_scale_and_their_axes_are_there_before_any_network(view, trained):
    choice = view.default(**SMALL)
    plan = view.plan(choice)
    none, some, every = (
        figures(view.show(choice, plan, Sweep(trained(plan.experiments[:k]), plan.experiments)))
        for k in (0, 3, len(plan.experiments))
    )
    for id in maps.STAGE:
        assert none[id].chart.spec is some[id].chart.spec is every[id].chart.spec
        for name in ("across", "up", "maps", "frame", "selected"):
            pd.testing.assert_frame_equal(none[id].chart.data[name], every[id].chart.data[name])
        assert all(len(frame) for frame in none[id].chart.data.values())
    values = every["loss"].chart.data["cells"]["value"]
    ends = every["loss"].chart.data["meta"][["low", "high"]].to_numpy()[0]
    assert ends.tolist() == [max(values.min(), maps.FAINTEST), values.max()]
    assert every["accuracy"].chart.data["meta"][["low", "high"]].to_numpy()[0].tolist() == [0, 1]


@views
def test_a_click_on_any_cell_opens_its_network(view, trained):
    beside = {"decreasing": "both", "uniform": "both", "one_hots": "decay"}[view.id]
    choice = view.default(**SMALL, beside=beside)
    plan = view.plan(choice)
    loss = figures(view.show(choice, plan, sweep_of(plan, trained)))["loss"]
    names = {each.id: each for each in view.every_control}
    opened = set()
    for row in loss.chart.data["cells"].to_dict("records"):
        changes = {id: names[id].read(str(row[field])) for field, id in loss.pick.items()}
        opened |= set(view.plan(choice.with_(**changes)).opened)
    assert opened == set(plan.experiments)


def test_maps_side_by_side_lie_in_columns_of_their_own_with_a_gap_between():
    cells = pd.DataFrame({"kind": ["a", "b", "b"], "x": [2, 2, 4], "y": [8, 8, 8], "value": [0.1, 0.2, 0.4]})
    sides = {"x": charts.Side("x", "x", (2, 4)), "y": charts.Side("y", "y", (8, 16))}
    beside = charts.Beside("kind", {"a": "one\nline more", "b": "two"})
    chosen = {"kind": "b", "x": 4, "y": 8}
    chart = charts.size_map(cells, "Loss", "loss", **sides, beside=beside, selected=chosen, pick=("kind",))
    assert chart.data["across"]["value"].tolist() == ["a|2", "a|4", "gap1", "b|2", "b|4"]
    assert chart.data["cells"]["column"].tolist() == ["a|2", "b|2", "b|4"]
    assert chart.data["selected"]["column"].tolist() == ["b|4"]
    assert chart.data["maps"].to_dict("list") == {"label": ["one\nline more", "two"], "column": ["a|2", "b|2"]}
    assert len(chart.data["frame"]) == 8
    assert chart.data["meta"][["low", "high", "lines"]].to_numpy().tolist() == [[0.1, 0.4, 2]]
    (picks,) = (
        p["select"]["fields"] for layer in chart.spec["layer"] for p in layer.get("params", []) if p["name"] == "pick"
    )
    assert picks == ["x", "y", "kind", "time"]
    alone = charts.size_map(cells[cells["kind"] == "b"], "Loss", "loss", **sides)
    assert alone.data["across"]["value"].tolist() == [2, 4]
    assert "maps" not in alone.data


# ---- the inside of a cell


@pytest.mark.parametrize("n", [9, 100])
def test_what_is_drawn_of_a_network_is_what_its_weights_say_in_every_frame(n):
    result = train(settings.EXPERIMENTS["limits"].quick.with_(n_features=n, n_hidden=4, steps=60, seed=3))
    seen = cell.drawn(result)
    assert len(seen.features) == min(n, cell.DRAWN)
    assert (seen.features[0], seen.features[-1]) == (0, n - 1)
    for f in range(len(result.frame_steps)):
        W1, b2 = result.frames["W1"][f].astype(float), result.frames["b2"][f].astype(float)
        assert np.allclose(seen.overlaps[f], (W1.T @ W1)[np.ix_(seen.features, seen.features)], atol=1e-6)
        assert np.allclose(seen.superposition[f], np.clip(metrics.superposition(W1.T), 0, 2)[seen.features], atol=1e-5)
        assert np.allclose(seen.lengths[f], metrics.norms(W1.T)[seen.features])
        assert np.allclose(seen.bias[f], b2[seen.features])
    assert ((seen.margins[-1] > 0) == probe.one_hots_back(result)[seen.features]).all()


@views
def test_the_inside_of_a_cell_follows_the_history_and_begins_with_the_start(view, trained):
    choice = view.default(**SMALL)
    (opened,) = view.plan(choice).opened
    (result,) = trained([opened])
    waiting = live.unfinished(opened, None, newest_only=False)
    for each in (result, waiting):
        blocks = list(view.inside(choice, each))
        assert [block.id for block in blocks] == ["overlaps", "back", "curve", "network"]
        text = next(block.markdown for block in blocks if isinstance(block, Text))
        assert ("Not trained to the end yet." in text) == (each is waiting)
    assert {id: f.chart.spec for id, f in figures(view.inside(choice, result)).items()} == {
        id: f.chart.spec for id, f in figures(view.inside(choice, waiting)).items()
    }


def test_a_network_that_is_too_large_is_told_by_its_loss_alone():
    large = settings.EXPERIMENTS["limits"].quick.with_(n_features=2048, n_hidden=512)
    assert too_large(large)
    blocks = list(cell.inside(PAGE.views[0].default(), live.unfinished(large, None, newest_only=False)))
    assert [block.id for block in blocks] == ["overlaps", "back", "curve", "network"]
    assert "too large" in blocks[-1].markdown


def test_what_came_of_a_network_is_told_in_words(trained):
    (result,) = trained([settings.EXPERIMENTS["limits"].quick.with_(n_features=6, n_hidden=2, steps=7)])
    told = cell.at_the_end(result)
    back = probe.one_hots_back(result)
    assert f"{back.sum()} of 6 one-hots come back" in told
    assert f"the loss is {result.metrics['test_loss']:.3g}" in told
    assert "frames are shipped" in cell.at_the_end(replace(result, shortened=True))


# ---- laws


def law_sweep(trained, **changes):
    view = LAWS.views[0]
    choice = view.default(**({"sizes": (4, 6, 8), "widths": (2, 3, 4), "sparsities": (0.0, 0.9), "steps": 7} | changes))
    plan = view.plan(choice)
    return view, choice, plan, sweep_of(plan, trained)


def test_the_laws_are_asked_of_the_maps_of_the_limits():
    view = LAWS.views[0]
    plan = view.plan(view.default())
    assert plan.opened == ()
    noisy = settings.EXPERIMENTS["limits"].quick
    assert set(plan.experiments) == set(settings.limits(noisy, sparsity=settings.LIMIT_SPARSITIES))


def test_each_factor_is_that_of_a_fit_to_the_other_cells(trained):
    view, choice, plan, sweep = law_sweep(trained, kept="m", part=1, law="density")
    rows = {(e.n_features, e.n_hidden, e.density, e.importance_decay < 1): r for r in sweep if (e := r.experiment)}
    cells = pd.DataFrame(
        [(*place, float(probe.one_hots_back(r).sum())) for place, r in rows.items() if place[1] < place[0]],
        columns=["n_features", "n_hidden", "density", "decreasing", "recovered"],
    )
    measured, chosen = cells["recovered"].clip(lower=law.LEAST), law.LAWS["hidden values and density"]
    predicted = np.full(len(cells), np.nan)
    for m in cells["n_hidden"].unique():
        out = (cells["n_hidden"] == m).to_numpy()
        predicted[out] = chosen.predict(cells[out], law.fit(chosen, cells[~out]))
    wanted = np.exp(np.abs(np.log(measured / predicted)).mean())
    blocks = list(view.show(choice, plan, sweep))
    marks = figures(blocks)["factors"].chart.data["rows"].set_index(["law", "kept"])["value"]
    assert marks["density", "m"] == pytest.approx(wanted, rel=1e-4)
    drawn = figures(blocks)["predictions"].chart.data["cells"]
    assert set(drawn[drawn["kind"] == "kept from the fit"]["n_hidden"]) == {3}
    assert len(drawn) == len(cells)
    (verdict,) = (block.markdown for block in blocks if block.id == "verdict")
    assert "simple law fits" in verdict
    assert {block.id for block in blocks if isinstance(block, Table)} == {"factors_table", "groups", "cells"}


def test_before_there_are_enough_cells_the_same_charts_stand_empty(trained):
    view, choice, plan, sweep = law_sweep(trained)
    few = Sweep(sweep.results[:6], plan.experiments)
    empty, full = figures(view.show(choice, plan, few)), figures(view.show(choice, plan, sweep))
    assert list(empty) == list(full) == ["predictions", "factors", *(f"over_{side}" for side in fit.SIDES)]
    for id in full:
        assert empty[id].chart.spec is full[id].chart.spec
        assert all(len(frame) for frame in empty[id].chart.data.values())
    assert any(
        "at least 20 cells" in block.markdown for block in view.show(choice, plan, few) if isinstance(block, Text)
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kept": "fifth", "part": 5}, "part must be below 5 where a fifth of the cells are kept; got 5"),
        ({"kept": "density", "part": 3}, "part must be below 3 where all of one density are kept; got 3"),
        ({"sizes": (2,), "widths": (4, 8)}, "widths must hold one of at most 2, the largest n; got 4"),
    ],
)
def test_what_cannot_be_kept_from_a_fit_is_refused(changes, sentence):
    view = LAWS.views[0]
    with pytest.raises(ValueError, match=sentence):
        view.plan(view.default(**changes))


def test_every_law_and_kind_has_a_name_in_an_address():
    assert list(fit.LAWS.values()) == list(law.LAWS)
    assert list(fit.KEPT.values()) == list(law.LEFT_OUT)


# ---- as their visitors find them, over a queue that trains when it is told to

LIMITS_PATH, LAWS_PATH = "pages/bottleneck/limits.py", "pages/bottleneck/how_much_fits.py"
FEW = {"sizes": "4,6", "widths": "2,3", "n": "6", "m": "2", "sparsities": "0,0.9", "v": "2"}


def status(app):
    """The one line that says where the training stands."""
    return next(each.value for each in app.markdown if each.value.startswith(":material/"))


def test_a_page_that_opens_no_network_trains_and_shows_what_is_there_without_a_clock(stand_in):
    address = {"sizes": "4,6,8", "widths": "2,3,4", "sparsities": "0,0.9", "v": "2"}
    app = again(app_at(LAWS_PATH, **address))
    assert "**Training:** 0 of 36 networks" in status(app)
    before = [each.proto.spec for each in app.get("vega_lite_chart")]
    stand_in.finish(5)
    assert "**Training:** 5 of 36 networks" in status(again(app))
    stand_in.finish()
    assert "36 networks, trained and kept." in status(again(app))
    assert [each.proto.spec for each in app.get("vega_lite_chart")] == before
    assert not [each for each in app.get("bidi_component") if each.proto.component_name.endswith("player")]
    assert any("simple law fits" in each.value for each in app.markdown)


@views
def test_the_maps_of_a_page_fill_while_its_networks_train(view, stand_in):
    names = {each.id for each in view.every_control}
    address = {name: value for name, value in FEW.items() if name in names or name == "v"} | {"view": view.id}
    app = again(app_at(LIMITS_PATH, **address))
    plan = view.plan(app.session_state["visit of limits"].choice(view))
    asked, (opened,) = plan.experiments, plan.opened
    rest = [each for each in order.coarse_to_fine(asked) if each != opened]
    assert stand_in.submitted[0] == [each.key for each in (opened, *rest)]
    assert f"**Training:** 0 of {len(asked)} networks" in status(app)
    before = [each.proto.spec for each in app.get("vega_lite_chart")]
    stand_in.finish()
    assert f"{len(asked)} networks, trained and kept." in status(again(app))
    assert [each.proto.spec for each in app.get("vega_lite_chart")] == before


def test_a_click_may_choose_by_a_name(stand_in):
    app = again(app_at(LIMITS_PATH, **FEW))
    widgets.pick(PAGE.views[0], app.session_state["visit of limits"], {"n": 4.0, "m": 2.0, "S": "one_hots"})
    again(app)
    assert {name: app.query_params[name] for name in ("n", "m", "S")} == {"n": "4", "m": "2", "S": "one_hots"}
    widgets.pick(PAGE.views[0], app.session_state["visit of limits"], {"S": "0.9", "n": "no number"})
    again(app)
    assert (app.query_params["S"], app.query_params["n"]) == ("0.9", "4")


@pytest.mark.parametrize("name", ["decreasing", "uniform"])
def test_the_maps_can_be_of_networks_that_saw_a_finite_set(name):
    view = studies.page("limits").view(name)
    few = {"sizes": (4, 8), "widths": (2,), "sparsities": (0.5,), "n": 8, "m": 2, "S": 0.5, "steps": 30}
    choice = view.default(**few, n_samples=20)
    plan = view.plan(choice)
    assert {each.n_samples for each in plan.experiments} == {20}
    fresh = view.plan(view.default(**few)).experiments
    assert {each.with_(n_samples=None) for each in plan.experiments} == set(fresh)
    results = [train(each) for each in plan.experiments]
    rows = tables.limits(results)
    for row, result in zip(rows.itertuples(), results, strict=True):
        assert (row.loss, row.train_loss) == (result.metrics["test_loss"], result.metrics["train_loss"])
        assert row.density == 0.5
        x = data.held_out_samples(result.experiment).X.astype(float)  # the share is over that of sparse features
        importance = data.importance(result.experiment)
        assert row.loss / row.share == pytest.approx((importance * x.var(axis=0)).sum(), rel=0.05)
    blocks = list(view.show(choice, plan, Sweep(results, plan.experiments)))
    assert any(isinstance(each, Text) and "Trained on 20 fixed samples." in each.markdown for each in blocks)
    (cells,) = (each for each in blocks if isinstance(each, Table))
    assert "train_loss" in cells.frame.columns
    assert "on the training set" in cell.at_the_end(results[0])
    assert "on the training set" not in cell.at_the_end(train(fresh[0]))


def test_one_hots_beside_them_stay_the_whole_list():
    view = studies.page("limits").view("decreasing")
    plan = view.plan(view.default(beside="one_hots", n_samples=100))
    assert {each.n_samples for each in plan.experiments if each.data == "one_hot"} == {None}
    assert {each.n_samples for each in plan.experiments if each.data == "sparse"} == {100}
