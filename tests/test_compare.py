"""A beside B: what differs, what is shared, one clock and one scale for both; and every state of two stages."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, again, app_at, button, text
from hypothesis import given
from hypothesis import strategies as st

import toyviz.charts as drawing
from tests.test_stage import PAGE, PATH, SMALL, address, charts, choose, clock, line, specs, table, vectors, visit
from toyviz import comparison, runtime, settings, studies
from toyviz.charts.scales import AROUND, HIGHEST, LOWEST
from toyviz.data import training_samples
from toyviz.experiment import FIELD_NAMES, INITS
from toyviz.model import initial_parameters
from toyviz.sweep import Sweep
from toyviz.ui import stage
from toyviz.view import Figure

VIEWS = [(page, view) for page in studies.pages().values() for view in page.views]
every_view = pytest.mark.parametrize(("page", "view"), VIEWS, ids=[f"{page.id}-{view.id}" for page, view in VIEWS])
ONE = settings.EXPERIMENTS["double_descent"].quick.with_(n_features=60, n_samples=10, sparsity=0.9, steps=12, warmup=3)
PLACES = {"count", "selected", "lines"}  # that axes may read too: how many columns there are, and which is marked


# what differs


def other(view):
    """A choice of this view with another value for as many controls as can be changed at once."""
    choice = view.default()
    for each in view.every_control:
        for value in list(each.values.values())[::-1]:
            value = (value,) if each.several else value
            if value == choice[each.id]:
                continue
            try:
                view.plan(choice.with_(**{each.id: value}))
            except ValueError:
                continue
            choice = choice.with_(**{each.id: value})
            break
    return choice


@every_view
def test_the_list_of_differences_is_exactly_the_fields_that_differ(page, view):
    a, b = view.plan(view.default()).opened, view.plan(other(view)).opened
    found = comparison.field_differences(a, b)
    named = [each.name for each in found]
    assert named == [f for f in FIELD_NAMES if [getattr(e, f) for e in a] != [getattr(e, f) for e in b]]
    assert comparison.field_differences(a, a) == []
    assert all(each.a != each.b or len(a) > 1 for each in found)


@every_view
def test_a_control_that_changes_no_opened_network_is_told_beside_the_fields(page, view):
    for each in view.every_control:
        for value in each.values.values():
            b = view.default()
            a = b.with_(**{each.id: (value,) if each.several else value})
            if a[each.id] == b[each.id]:
                continue
            try:
                same = view.plan(a).opened == view.plan(b).opened
            except ValueError:
                continue
            told = comparison.other_differences(view, a, b)
            assert [difference.name for difference in told] == ([each.label] if same else []), (each.id, value)


def test_values_are_told_as_one_reads_them():
    (samples, rate) = comparison.field_differences([ONE], [ONE.with_(n_samples=None, batch_size=1024, lr=2e-3)])
    assert samples == ("n_samples", "10", "none")
    assert rate == ("lr", "0.01", "0.002")
    assert comparison.heading("A", [("n_samples", "10"), ("sparsity", "0.9")]) == "**A** T = 10 · S = 0.9"
    assert comparison.heading("B", []) == "**B**"


CHANGES = [
    {},
    {"lr": 2e-3},
    {"steps": 30},
    {"n_samples": 11},
    {"sparsity": 0.8},
    {"n_features": 61},
    {"n_hidden": 3},
    {"seed": 1},
    {"data_seed": 5},
    {"normalize": False},
    {"arch": "mlp"},
    {"init": "xavier_uniform"},
    {"task": "classify_soft", "arch": "mlp"},
]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_same_start_and_same_samples_are_told_exactly_where_they_are(changes):
    other = ONE.with_(**changes)
    told = comparison.origin(ONE, other)
    a, b = initial_parameters(ONE), initial_parameters(other)
    same_start = a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
    assert told.startswith("same start") is same_start
    x, y = training_samples(ONE), training_samples(other)
    alike = np.array_equal(x.X, y.X) and np.array_equal(x.targets, y.targets)
    assert ("same samples" in told) is alike


def test_a_start_that_is_made_of_samples_is_another_where_they_are():
    keyed = ONE.with_(arch="mlp", init=next(name for name in _keyed()))
    assert comparison.origin(keyed, keyed.with_(sparsity=0.8)) == "other start (S), other samples (S)"
    assert comparison.origin(keyed, keyed.with_(sparsity=0.8), named=False) == "other start, other samples"
    assert comparison.origin(keyed, keyed) == "same start, same samples"


def _keyed():
    return [name for name, init in INITS.items() if init.keys == "points" and not init.values]


# plans and steps


def test_a_joined_plan_wants_what_is_opened_first_and_each_network_once():
    view = PAGE.views[0]
    a, b = (view.plan(view.default(T=T, seeds=1)) for T in (10, 500))
    both = comparison.joined(a, b)
    assert both.opened == (*b.opened, *a.opened)
    assert set(both.experiments) == set(a.experiments) | set(b.experiments)
    assert comparison.joined(a, a).opened == a.opened
    wide = comparison.Widened(a, view.plan(view.default(n_samples=(7, 10), T=7)))
    assert (wide.opened, wide.experiments) == (a.opened, a.experiments)
    assert 7 in wide.values("n_samples")
    assert 7 not in a.values("n_samples")


def result_of(steps, total, finished=True):
    experiment = ONE.with_(steps=total)
    start = initial_parameters(experiment)
    return comparison.Result(
        experiment,
        start,
        np.array([1, total]),
        np.array([1.0, 0.5], np.float32),
        np.array(steps),
        {name: np.stack([values + k for k in range(len(steps))]) for name, values in start.items()},
        {"train_loss": 0.5} if finished else {},
        frame_metrics={"train_loss": np.arange(len(steps), dtype=float)},
    )


ascending = st.lists(st.integers(1, 5000), min_size=1, max_size=40, unique=True).map(sorted)


@given(a=ascending, b=ascending)
def test_one_clock_has_steps_of_both_and_each_side_its_nearest_frame(a, b):
    of_a, of_b = result_of(a, a[-1]), result_of(b, b[-1])
    steps = comparison.clock_steps(of_a, of_b)
    assert len(steps) <= 40
    assert (np.diff(steps) > 0).all()
    assert {*steps.tolist()} <= {*a, *b}
    assert {min(*a, *b), max(*a, *b)} <= {*steps.tolist()}
    for result, own in ((of_a, a), (of_b, b)):
        seen = comparison.on_clock(result, steps)
        assert len(seen.frame_steps) == len(steps)
        for step, shown, W1 in zip(steps, seen.frame_steps, seen.frames["W1"], strict=True):
            nearest = min(abs(np.log1p(step) - np.log1p(each)) for each in own)
            assert abs(np.log1p(step) - np.log1p(shown)) == pytest.approx(nearest)
            assert np.array_equal(W1, result.frames["W1"][own.index(shown)])


def test_while_b_trains_the_clock_ends_where_it_is():
    a, b = result_of([0, 10, 1000], 1000), result_of([0, 7, 20], 1000, finished=False)
    assert comparison.clock_steps(a, b).tolist() == [0, 7, 20]
    assert comparison.on_clock(a, np.array([0, 7, 20])).frame_steps.tolist() == [0, 10, 10]
    assert comparison.clock_steps(b, a).tolist() == [0, 10, 1000]  # A trains: B has its whole history
    nothing = a.__class__(**{**vars(a), "frame_steps": np.empty(0, int), "metrics": {}})  # too large to be shown
    assert comparison.clock_steps(a, nothing).tolist() == [0, 10, 1000]
    assert comparison.on_clock(nothing, np.array([0, 7])) is nothing


# shared scales


@given(
    low=st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=2),
    wide=st.lists(st.floats(1.1, 1e5), min_size=2, max_size=2),
)
def test_a_shared_logarithmic_scale_holds_both_and_its_ticks_lie_in_it(low, wide):
    pair = [
        drawing.clock_curve(
            {"": (np.array([1, 10]), np.array([bottom * width, bottom]))}, np.array([0, 10]), 10 * width
        )
        for bottom, width in zip(low, wide, strict=True)
    ]
    a, b = drawing.shared_scales(*pair)
    domain = [a.data["meta"][end][0] for end in ("low", "high")]
    assert domain == [b.data["meta"][end][0] for end in ("low", "high")]
    assert domain[0] <= min(each.data["meta"]["low"][0] for each in pair) * (1 + 1e-9)
    assert domain[1] >= max(each.data["meta"]["high"][0] for each in pair) * (1 - 1e-9)
    assert a.data["meta"]["total"][0] == max(each.data["meta"]["total"][0] for each in pair)
    ticks = a.data["ticks"]["value"]
    assert ticks.equals(b.data["ticks"]["value"])
    assert ticks.between(domain[0] * (1 - 1e-9), domain[1] * (1 + 1e-9)).all()
    assert len(ticks) >= 2


def test_shared_planes_hold_what_either_holds_in_every_frame():
    rng = np.random.default_rng(0)
    kind = drawing.Kind("x", "#0A84C6")
    pair = [
        drawing.planes_of_kinds(
            [drawing.Group.of(kind, scale * rng.normal(size=(3, 5, 2)) + move, np.arange(5), [""] * 5)],
            "x",
            centred=False,
        )
        for scale, move in ((1, 0), (4, 7))
    ]
    a, b = drawing.shared_scales(*pair)
    for name in ("meta", "scales"):
        assert a.data[name][list(AROUND)].equals(b.data[name][list(AROUND)])
        for one in pair:
            for axis in ("x", "y"):
                shared, own = a.data[name], one.data[name]
                assert (shared[axis] - shared["half"] <= own[axis] - own["half"] + 1e-9).all()
                assert (shared[axis] + shared["half"] >= own[axis] + own["half"] - 1e-9).all()
    assert [chart.data["scales"]["unit"].tolist() for chart in (a, b)] == [
        chart.data["scales"]["unit"].tolist() for chart in pair
    ]  # how vectors are packed, no scale of what is seen
    assert a.data["dots"].equals(pair[0].data["dots"])


def read_by_domains(node):
    """The columns of "meta" that the domains of a specification read."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "domain" and isinstance(value, dict):
                yield from re.findall(r"data\('meta'\)\[0\]\.(\w+)", value["expr"])
            yield from read_by_domains(value)
    elif isinstance(node, list):
        for each in node:
            yield from read_by_domains(each)


@every_view
def test_what_bounds_an_axis_on_the_stage_is_shared(page, view, untrained):
    store = untrained()
    sides = []
    for choice in (view.default(), other(view)):
        plan = view.plan(choice)
        few = [store.get(each) for each in plan.experiments[:3]]
        blocks = [
            *view.show(choice, plan, Sweep(few, plan.experiments)),
            *view.inside(choice, *map(store.get, plan.opened)),
        ]
        sides.append({block.id: block.chart for block in blocks if isinstance(block, Figure)})
    for id in sides[0].keys() & sides[1].keys():
        read = {*read_by_domains(sides[0][id].spec)}
        assert read <= {*LOWEST, *HIGHEST, *AROUND} | PLACES, f"{id}: charts.scales does not know {read}"
        a, b = drawing.shared_scales(sides[0][id], sides[1][id])
        for column in read - PLACES:
            if "meta" in a.data and column in a.data["meta"] and column in b.data["meta"]:
                assert a.data["meta"][column][0] == b.data["meta"][column][0], (id, column)


# curves and maps


def test_curves_laid_over_each_other_are_all_there_and_told_apart():
    steps = np.array([0, 10, 100])
    a = drawing.clock_curve({"x": (np.array([1, 100]), np.array([4.0, 2.0]))}, steps, 100)
    b = drawing.clock_curve(
        {"x": (np.array([1, 100]), np.array([1.0, 0.5])), "y": (np.array([1, 100]), np.array([1.0, 0.25]))}, steps, 100
    )
    both = drawing.laid_over(a, b)
    assert both.spec is a.spec
    assert drawing.is_clock_curve(both)
    assert not drawing.is_clock_curve(drawing.size_map(cells(1.0), "Loss", "loss"))
    names = both.data["names"].set_index("line")["name"].to_dict()
    assert names == {6.0: "A x", 0.0: "B x", 1.0: "B y"}
    ends = both.data["curve"].groupby("line")["loss"].last().to_dict()
    assert ends == {0: 0.5, 1: 0.25, 6: 2.0}
    assert both.data["meta"]["low"][0] <= 0.25
    assert both.data["meta"]["high"][0] >= 4
    assert set(both.data["dots"]["line"]) == {0, 1, 6}
    assert both.data["frames"]["told"][2].startswith("B, step 100")
    with pytest.raises(ValueError, match="3 and 1 frames"):
        drawing.laid_over(a, drawing.clock_curve({"": (np.empty(0), np.empty(0))}, np.array([0]), 100))


def cells(*values):
    return pd.DataFrame({"n_hidden": range(2, 2 + len(values)), "training_size": 8, "value": values})


def test_a_difference_is_b_minus_a_where_both_have_a_cell():
    a, b = (drawing.size_map(cells(*values), "Loss", "loss") for values in ((1.0, 5.0, 2.0), (1.5, 2.0)))
    chart = drawing.difference(a, b)
    found = chart.data["cells"].set_index("n_hidden")
    assert found["value"].to_dict() == {2: 0.5, 3: -3.0}
    assert found["text"].to_dict() == {2: "+0.5", 3: "−3"}
    assert chart.data["meta"][["low", "high"]].to_numpy().tolist() == [[-3, 3]]
    assert chart.data["meta"]["title"][0] == "B − A: Loss"
    assert "from −3 to +0.5" in chart.alt
    assert {*chart.data} == {*b.data}


def test_a_map_without_a_cell_is_subtracted_from_nothing():
    beside = drawing.Beside("S", {"0.9": "S = 0.9", "0.99": "S = 0.99"})
    of_two = cells(1.0, 2.0).assign(S=["0.9", "0.99"])
    full, none = (drawing.size_map(each, "Loss", "loss", beside=beside) for each in (of_two, of_two.iloc[:0]))
    assert none.data["cells"]["column"].dtype != full.data["cells"]["column"].dtype
    for a, b in ((full, none), (none, full), (none, none)):
        chart = drawing.difference(a, b)
        assert "nothing to subtract yet" in chart.alt
        assert len(chart.data["cells"]) == 1
        assert chart.spec is drawing.difference(full, full).spec
    assert drawing.difference(full, full).data["cells"]["value"].tolist() == [0, 0]


def test_what_cannot_be_subtracted_is_not():
    losses = drawing.size_map(cells(1.0), "Loss", "loss")
    shares = drawing.size_map(cells(1.0), "Accuracy", "accuracy", logarithmic=False)
    curve = drawing.clock_curve({"": (np.empty(0), np.empty(0))}, np.array([0]), 10)
    assert drawing.difference(losses, shares) is None
    assert drawing.difference(curve, curve) is None
    none = drawing.size_map(cells(), "Loss", "loss")
    empty = drawing.difference(losses, none)
    assert "nothing to subtract yet" in empty.alt
    assert len(empty.data["cells"])  # a data set without rows would have the chart built anew
    assert empty.spec is drawing.difference(losses, losses).spec


# addresses


@every_view
def test_an_address_carries_a_and_b_and_the_presenter(page, view):
    a, b = other(view), view.default()
    for pinned in (a, b):
        for present in (False, True):
            written = page.write(view, b, 7, pinned, present)
            assert page.read(written) == (view, b, 7, (), pinned, present)
            more = {name for name in written if name.startswith("a.")}
            assert more == {f"a.{id}" for id in b if pinned is b or pinned[id] != b[id]}
            assert set(written) - more - {"present", "step", "view", "v"} == set(b)


@every_view
def test_what_an_address_does_not_say_of_a_is_as_in_b(page, view):
    id = view.every_control[0].id
    opened = page.read({"view": view.id, "v": "2", f"a.{id}": "nonsense", "a.nothing": "1"})
    assert opened.pinned == opened.choice == view.default()
    assert len(opened.not_understood) == 2
    assert all(each.startswith("of A, ") for each in opened.not_understood)


def test_old_addresses_are_read_as_they_were():
    view = PAGE.views[0]
    assert PAGE.read({"descent": "Over T", "T": "30"}).pinned is None
    assert PAGE.read({"present": "1"}) == (view, view.default(), None, (), None, True)
    told = PAGE.read({"present": "yes", "v": "2"})
    assert told.present is False
    assert told.not_understood == ("present=yes is not possible: 1; shown: as usual",)


# two stages, in every state


@pytest.fixture
def jobs(stand_in):
    return stand_in


def open_at(**address):
    return again(app_at(PATH, **(SMALL | address)))


def keys(app):
    return [key for key, _ in charts(app)]


BOTH = [
    *(f"at-{who}{id}" for who in ("a-", "") for id in ("loss", "columns", "hidden", "largest_over_steps")),
    "at-curve",
]


def test_what_is_pinned_stays_while_one_goes_on_choosing(jobs):
    app = open_at(T="3")
    jobs.finish()
    again(app)
    button(app, "Compare").click()
    again(app)
    assert keys(app) == BOTH
    assert "the same network, opened twice" in text(app)
    assert "A and B** are the same still" in text(app)
    choose(app, "T", "10")
    assert (visit(app).choice(PAGE.views[0]).T, visit(app).beside(PAGE.views[0]).T) == (10, 3)
    assert address(app)["a.T"] == "3"
    assert {name for name in address(app) if name.startswith("a.")} == {"a.T"}
    assert "**A** T = 3" in text(app)
    assert "**B** T = 10 · same start, other samples" in text(app)
    (told,) = (each.value for each in app.dataframe if list(each.value.columns) == ["what", "A", "B"])
    assert told.to_numpy().tolist() == [["n_samples", "3", "10"]]
    assert vectors(app, "a-hidden").shape[1] == 3
    assert vectors(app, "hidden").shape[1] == 10
    for plane in ("columns", "hidden"):
        assert table(app, f"a-{plane}", "meta")[["half"]].equals(table(app, plane, "meta")[["half"]])
    assert set(table(app, "curve", "names")["name"]) == {"A", "B"}
    button(app, "Swap").click()
    again(app)
    assert (visit(app).choice(PAGE.views[0]).T, visit(app).beside(PAGE.views[0]).T) == (3, 10)
    assert vectors(app, "a-hidden").shape[1] == 10
    button(app, "Unpin").click()
    again(app)
    assert keys(app) == ["at-loss", "at-columns", "at-hidden", "at-curve", "at-largest_over_steps"]
    assert not [name for name in address(app) if name.startswith("a.")]
    assert len(jobs.submitted) == 1


def test_a_control_that_is_no_field_is_told_above_both(jobs):
    app = open_at(T="3", seeds="1", **{"a.seeds": "2"})
    assert "**A** Seeds = 2" in text(app)
    assert "**B** Seeds = 1 · the same network, opened twice" in text(app)


def test_two_controls_that_change_nothing_opened_are_both_told():
    view = studies.page("decompiler").views[0]
    a, b = view.default(noise=0.1), view.default(seeds=2)
    assert view.plan(a).opened == view.plan(b).opened
    told = comparison.other_differences(view, a, b)
    assert {(each.name, each.a, each.b) for each in told} >= {("Noise", "0.1", "0"), ("Seeds", "4", "2")}


def test_what_the_sides_are_is_told_before_any_figure_in_the_first_run_after_a_change(jobs):
    app = open_at(T="3", **{"a.T": "3"})
    jobs.finish()
    again(app)
    assert "the same network, opened twice" in text(app)
    (box,) = (each for each in app.sidebar.selectbox if each.label == "Features n")
    box.set_value("200").run()
    assert "**A** n = 100" in text(app)
    assert "**B** n = 200 · other start, other samples" in text(app)
    assert "the same network, opened twice" not in text(app)
    assert vectors(app, "columns").shape[1] == 200
    assert vectors(app, "a-columns").shape[1] == 100


def test_a_link_to_both_trains_both_and_nothing_is_built_anew(jobs):
    app = open_at(T="3", **{"a.T": "10", "a.sparsity": "0.8"})
    assert len(jobs.submitted) == 1
    wanted = jobs.submitted[0]
    view = PAGE.views[0]
    a, b = visit(app).beside(view), visit(app).choice(view)
    assert wanted[:2] == [view.plan(b).opened[0].key, view.plan(a).opened[0].key]
    assert "**Training:** 0 of 8 networks" in line(app)
    before = specs(app)
    assert clock(app)["steps"] == clock(app)["beside"]["steps"] == [10]
    assert clock(app)["live"] is True
    jobs.finish(1)  # B is there, A trains
    again(app)
    assert specs(app) == before
    assert clock(app)["steps"][-1] == 12
    assert len(clock(app)["beside"]["steps"]) == len(clock(app)["steps"])
    jobs.finish()
    again(app)
    assert specs(app) == before
    assert clock(app)["live"] is False
    assert "8 networks, trained and kept." in line(app)
    assert [name for name, _ in clock(app)["numbers"]] == [name for name, _ in clock(app)["beside"]["numbers"]]


def test_what_a_wants_is_not_given_up_where_b_changes(jobs):
    app = open_at(T="3", **{"a.sparsity": "0.8"})
    view = PAGE.views[0]
    of_a = {each.key for each in view.plan(visit(app).beside(view)).experiments}
    choose(app, "n_features", "120")
    assert jobs.cancelled
    assert not of_a & set(jobs.cancelled)
    button(app, "Unpin").click()
    again(app)
    assert of_a <= set(jobs.cancelled)


def test_a_finished_beside_b_in_training_is_seen_at_the_step_of_b(jobs):
    app = open_at(T="3", seeds="1")
    jobs.finish()
    app = open_at(T="3", seeds="1", n_features="120", **{"a.n_features": "100"})
    assert clock(app)["steps"] == [10]
    (shown,) = clock(app)["beside"]["steps"]
    (drawn,) = vectors(app, "a-columns")
    view = PAGE.views[0]
    result = jobs.store.get(view.plan(visit(app).beside(view)).opened[0])
    nearest = np.abs(np.log1p(result.frame_steps) - np.log1p(10)).argmin()
    assert shown == result.frame_steps[nearest]
    lengths = np.linalg.norm(result.frames["W1"][nearest], axis=0)
    assert np.allclose(np.linalg.norm(drawn, axis=1), lengths, atol=1e-3)


def test_a_stays_where_another_view_is_opened(jobs):
    app = open_at(T="3", n_features="100", **{"a.n_features": "120"})
    (menu,) = (each for each in app.get("button_group") if each.key == f"{PAGE.id} view")
    menu.set_value("bias")
    again(app)
    assert visit(app).beside(PAGE.view("bias")).n_features == 120
    assert address(app)["a.n_features"] == "120"
    assert keys(app)[:2] == ["at-a-horseshoes", "at-a-horseshoe"]


def test_an_impossible_a_is_said_and_the_nearest_is_shown(jobs):
    view = PAGE.views[0]
    app = open_at(**{"a.network": "mlp", "a.schedule": "constant", "a.warmup": "250"})
    a = visit(app).beside(view)
    assert view.plan(a)
    assert a != visit(app).choice(view)


def test_maps_with_the_same_cells_are_subtracted(jobs):
    small = {"view": "sizes", "widths": "2,3", "m": "2", "T": "3", "seeds": "1"}
    app = open_at(**small, **{"a.network": "mlp"})
    jobs.finish()
    again(app)
    values = [
        table(app, place, "cells").set_index(["n_samples", "n_hidden"])["value"]
        for place in ("a-test_loss", "test_loss")
    ]
    (toggle,) = (each for each in app.toggle if each.label == "B − A")
    toggle.set_value(True)
    again(app)
    found = table(app, "test_loss", "cells").set_index(["n_samples", "n_hidden"])["value"]
    expected = values[1] - values[0]
    assert len(found) == 4
    assert all(found[at] == pytest.approx(expected[at]) for at in expected.index)


def test_two_stages_without_a_store_of_one_side_say_what_is_missing(jobs):
    jobs.begins = "queued"
    app = open_at(T="3", **{"a.T": "10"})
    assert "Waiting for a free worker." in line(app)
    assert clock(app)["steps"] == clock(app)["beside"]["steps"] == [0]
    (start_a,), (start_b,) = vectors(app, "a-columns"), vectors(app, "columns")
    assert np.allclose(start_a, start_b, atol=1e-3)  # the same start


@every_view
def test_every_view_can_be_compared_over_what_is_not_trained(page, view, monkeypatch, untrained, no_jobs):
    store = untrained()
    monkeypatch.setattr(runtime, "store", lambda: store)
    monkeypatch.setattr(runtime, "jobs", no_jobs)
    monkeypatch.setattr(stage, "claim", lambda *claim: None)  # nobody has trained these networks
    (path,) = (each.relative_to(ROOT).as_posix() for each in ROOT.glob(f"pages/*/{page.id}.py"))
    app = again(app_at(path, **page.write(view, view.default(), None, other(view))))
    places = keys(app)
    inside = list(view.inside(view.default(), *map(store.get, view.plan(view.default()).opened)))
    rows = view.stage[:1]  # beside another stage
    for each in rows if all(isinstance(row, str) for row in rows) else ():
        assert {f"at-{each}", f"at-a-{each}"} & set(places)
    assert len(places) >= 2 or not inside


def test_the_command_line_reads_a_link_to_both():
    words = ["link", "/double_descent?view=over_t&T=10&a.T=500&seeds=1&v=2"]
    done = subprocess.run(
        [sys.executable, "-m", "toyviz", *words], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "beside A:\n  T: 500\n" in done.stdout
    assert done.stdout.count("opened: ") == 2
    assert "a.T=500" in done.stdout
