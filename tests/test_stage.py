"""Pages of views as their visitors find them, without a browser: every state, control and address, over a stand-in."""

import json
import re
import time
import tomllib
from urllib.parse import parse_qsl

import numpy as np
import pytest
from conftest import again, app_at, button, opened_below, text
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df

from toyviz import live, probe, runtime, settings, studies
from toyviz.claims import CLAIMS
from toyviz.jobs import Busy, Jobs
from toyviz.model import initial_parameters
from toyviz.queue import too_large
from toyviz.store import GALLERY, ROOT, Store, pack
from toyviz.train import train
from toyviz.ui import choose as widgets
from toyviz.ui import runner, stage, style
from toyviz.view import NOTHING, Figure

PATH = "pages/bottleneck/double_descent.py"
PAGE = studies.page("double_descent")
SMALL = {"n_samples": "3,10", "n_features": "100", "sparsity": "0.9", "seeds": "2", "v": "2"}  # four networks of over_t
views = pytest.mark.parametrize("view", PAGE.views, ids=lambda view: view.id)
MADE_UP = """
import pandas as pd
from toyviz import charts, settings
from toyviz.control import numbers
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.view import Figure, Number, Plan, Table, Text, View

COLUMNS = ["n_samples", "seed", "line", "loss"]

def plan(choice):
    base = settings.EXPERIMENTS["double_descent"].quick.with_(n_features=choice.features, sparsity=0.9)
    sizes = {*choice.n_samples, choice.T}
    return Plan.over(base, {"seed": range(choice.seeds), "n_samples": sizes}, n_samples=choice.T, seed=0)

def show(choice, plan, sweep):
    sizes = sorted({each.n_samples for each in plan.experiments})
    rows = [(r.experiment.n_samples, r.experiment.seed, "all", r.metrics["test_loss"]) for r in sweep]
    table = pd.DataFrame(rows, columns=COLUMNS)
    chart = charts.lines_over_sizes(table, ["all"], sizes, "Test loss", {}, selected=choice.T)
    yield Figure("losses", chart, {"n_samples": "T"})
    yield Text("told", f"Of {len(plan.experiments)} networks {len(sweep)} are told of.")
    yield Number("best", "Lowest loss", f"{table['loss'].min():.3g}" if rows else "none yet")
    yield Table("rows", table)

def inside(choice, opened):
    yield from network.network(opened)

VIEW = View(
    id="made_up",
    title="Made up",
    place=99,
    controls=(
        shared.n_samples((3, 10)),
        shared.seeds(2),
        numbers("features", "Features", (50, 100), 50, field="n_features"),
    ),
    opens=(shared.T(3),),
    plan=plan,
    show=show,
    inside=inside,
    stage=("losses",),
    named=lambda choice: "double_descent",
)
"""


@pytest.fixture
def jobs(stand_in):
    """A queue that trains when it is told to, and experiments of a few steps."""
    return stand_in


def open_at(**address):
    return again(app_at(PATH, **(SMALL | address)))


def first_address(address):
    """The app at an address without a version, as it was written before there were views."""
    app = app_at(PATH)
    for name, value in parse_qsl(address):
        app.query_params[name] = [*app.query_params.get(name, []), value]
    return again(app)


class Typed(list):
    """The options of a list into which this word was typed: a browser sends it as it is."""

    def index(self, *_):
        return 0


def choose(app, id, value):
    """Choose something in the widget of a control, or type it into its list, and run the page."""
    key = f"{PAGE.id} {id}"
    groups = [each for each in app.get("button_group") if each.key == key]
    if groups:
        groups[0].set_value(value)
    else:
        box = app.selectbox(key=key)
        box.options = Typed([value])
        box.set_value(value)
    return again(app)


def type_list(app, id, words):
    """Type several values into the field under the pills of a control."""
    app.text_input(key=f"{PAGE.id} {id} typed").set_value(words)
    return again(app)


def visit(app):
    return app.session_state[f"visit of {PAGE.id}"]


def chosen(app):
    """The choice as the visitor sees it in the widgets: control -> its name, or their names."""
    view = studies.page(PAGE.id).view(visit(app).view)
    widgets = {each.key: each.value for each in [*app.selectbox, *app.get("button_group")]}
    found = {each.id: widgets.get(f"{PAGE.id} {each.id}") for each in view.every_control}
    return {id: value for id, value in found.items() if value is not None}


def elements(node, key=""):
    """What is drawn, with the key of the innermost container that has one, in the order of the page."""
    for child in node.children.values():
        if hasattr(child, "children"):
            yield from elements(child, child.key or key)
        else:
            yield key, child


def charts(app, where="at-"):
    """The charts of the stage, by their place on it; or those at another place."""
    there = [(key, each) for key, each in elements(app._tree) if each.type == "vega_lite_chart"]
    return [(key, each.proto) for key, each in there if key.startswith(where)]


def specs(app):
    """The places on the stage, their specifications and the names of their data, in the order of the page."""
    return [(key, proto.spec, [each.name for each in proto.datasets]) for key, proto in charts(app)]


def table(app, place, name):
    """A data set of a chart on the stage."""
    (chart,) = (proto for key, proto in charts(app) if key == f"at-{place}")
    (found,) = (each.data.data for each in chart.datasets if each.name == name)
    return convert_arrow_bytes_to_pandas_df(found)


def vectors(app, place):
    """What a plane on the stage draws, over its frames: (f, k, 2)."""
    dots, units = table(app, place, "dots"), table(app, place, "scales")["unit"]
    return np.array([dots[[f"x{f}", f"y{f}"]].to_numpy() * unit for f, unit in enumerate(units)])


def lengths(W1):
    """Of the columns: what is drawn of them in any plane that holds them. (n,)"""
    return np.linalg.norm(W1, axis=0)


def line(app):
    """The one line that says where the training stands."""
    (found,) = (each.value for key, each in elements(app._tree) if key == "status" and each.type == "markdown")
    return found


def clock(app):
    """What the clock is told."""
    (found,) = (each for each in app.get("bidi_component") if each.proto.component_name.endswith("player"))
    return json.loads(found.proto.json)


def actions(app):
    """What the one button beside the line says."""
    return [each.label for key, each in elements(app._tree) if key == "action" and each.type == "button"]


def address(app):
    given = {name: app.query_params[name] for name in app.query_params}
    return {name: text if isinstance(text, str) else ",".join(text) for name, text in given.items()}


def figures_of(view, choice, results):
    """The figures of the stage, as the view yields them for these results."""
    plan = view.plan(choice)
    inside = [block.id for block in view.inside(choice, *results(plan)) if isinstance(block, Figure)]
    return sorted(f"at-{id}" for id in [*view.stage, *inside])


# every view, at its defaults


@pytest.mark.parametrize("changes", [0, 1], ids=["at its default", "at its first shipped choice"])
@views
def test_a_view_opens_over_what_is_shipped_and_trains_nothing(view, changes, monkeypatch, no_jobs):
    store = Store(None, GALLERY)
    monkeypatch.setattr(runtime, "store", lambda: store)
    monkeypatch.setattr(runtime, "jobs", no_jobs)  # nothing may be asked of it
    choice = view.default(**dict(enumerate((NOTHING, *view.shipped))).get(changes, NOTHING))
    app = again(app_at(PATH, **PAGE.write(view, choice)))
    assert [each.value for each in app.title] == [PAGE.title]
    assert sorted(key for key, _ in charts(app)) == figures_of(
        view, choice, lambda plan: [store.get(each) for each in plan.opened]
    )
    assert line(app).startswith(f":material/check_circle: {len(view.plan(choice).experiments)} networks, trained and")
    assert clock(app)["total"] == view.plan(choice).opened[0].steps
    assert clock(app)["steps"][-1] == clock(app)["total"]


@views
def test_a_view_opens_over_networks_that_nobody_has_trained(view, monkeypatch, untrained, no_jobs):
    store = untrained()
    monkeypatch.setattr(runtime, "store", lambda: store)
    monkeypatch.setattr(runtime, "jobs", no_jobs)
    app = again(app_at(PATH, view=view.id, v="2"))
    assert sorted(key for key, _ in charts(app)) == figures_of(
        view, view.default(), lambda plan: [store.get(each) for each in plan.opened]
    )
    assert set(store.wanted) == set(view.plan(view.default()).experiments)
    assert len([each for each in app.markdown if each.value == f"##### {PAGE.question}"]) == 1


@views
def test_every_figure_is_told_to_those_who_cannot_see_it(view, monkeypatch, untrained, no_jobs):
    store = untrained()
    monkeypatch.setattr(runtime, "store", lambda: store)
    monkeypatch.setattr(runtime, "jobs", no_jobs)
    app = again(app_at(PATH, view=view.id, v="2"))
    (said,) = (each.value for key, each in elements(app._tree) if key == "said")
    choice, plan = view.default(), view.plan(view.default())
    blocks = [*view.show(choice, plan, runner.Sweep(map(store.get, plan.experiments), plan.experiments))]
    blocks += view.inside(choice, *map(store.get, plan.opened))
    told = [block.chart.alt for block in blocks if isinstance(block, Figure)]
    assert len(told) == len(app.get("vega_lite_chart"))
    below = {each.proto.alt for each in app.get("vega_lite_chart")}
    assert all(alt.endswith(".") and (alt in said or alt in below) for alt in told)


# every state


@pytest.fixture
def made_up(add_view, jobs):
    """Opens a view that one file has added to the page; its four networks are 12 steps long."""
    add_view("made_up", MADE_UP)
    return lambda **more: again(app_at(PATH, **({"view": "made_up", "v": "2"} | more)))


def test_a_view_in_a_file_is_in_the_menu_and_opens_at_its_address(made_up, jobs):
    app = open_at()
    (menu,) = (each for each in app.get("button_group") if each.key == f"{PAGE.id} view")
    assert menu.options == [*(view.title for view in PAGE.views), "Made up"]
    menu.set_value("made_up")
    again(app)
    assert visit(app).view == "made_up"
    assert address(app)["view"] == "made_up"
    app = made_up(T="10", features="100")
    assert [key for key, _ in charts(app)] == ["at-losses", "at-columns", "at-hidden", "at-curve"]
    assert chosen(app) == {"n_samples": ["3", "10"], "seeds": "2", "features": "100", "T": "10"}


def test_a_view_waits_in_line_and_says_how_many_are_before_it(made_up, jobs):
    jobs.begins = "queued"
    app = made_up()
    assert "Waiting for a free worker." in line(app)
    assert actions(app) == ["Cancel"]
    assert clock(app)["steps"] == [0]  # the start
    for each in jobs.wanted.values():
        jobs.set("queued", each, position=3)
    assert "Waiting: 2 networks before this." in line(again(app))


def test_a_network_in_training_stands_where_the_finished_one_will(made_up, jobs):
    app = made_up()
    assert "**Training:** 0 of 4 networks, about 6 s left." in line(app)
    assert "On the screen: T = 3, seed 0." in line(app)
    running = clock(app)
    assert (running["steps"], running["total"], running["live"]) == ([10], 12, True)
    start = initial_parameters(next(iter(jobs.wanted.values())))["W1"]  # what the stand-in has sent
    (drawn,) = vectors(app, "columns")
    assert np.allclose(np.linalg.norm(drawn, axis=1), lengths(start), rtol=1e-3)
    assert vectors(app, "hidden").shape == (1, 3, 2)
    places = [key for key, _ in charts(app)]
    jobs.finish()
    again(app)
    assert [key for key, _ in charts(app)] == places
    assert clock(app)["steps"][-1] == 12
    assert clock(app)["live"] is False
    result = jobs.store.get(next(each for each in visit(app).asked if (each.n_samples, each.seed) == (3, 0)))
    for drawn, W1 in zip(vectors(app, "columns"), result.frames["W1"], strict=True):
        assert np.allclose(np.linalg.norm(drawn, axis=1), lengths(W1), atol=1e-3)
    assert line(app) == ":material/check_circle: 4 networks, trained and kept."
    assert actions(app) == []
    assert len(jobs.submitted) == 1
    assert not app.code
    opened_below(app)
    assert any("toyviz train" in each.value for each in app.code)
    assert "Of 4 networks 4 are told of." in text(app)
    assert len(app.dataframe) == 2  # the view's, and the exact experiment


def test_a_failed_training_tells_the_cause_and_can_be_tried_again(made_up, jobs):
    app = made_up()
    jobs.fail("the loss is no longer a finite number at step 7 of 12: lower lr")
    again(app)
    assert "**Training failed.** The loss is no longer a finite number at step 7 of 12: lower lr." in line(app)
    assert "3 more failed too." in line(app)
    assert len(jobs.submitted) == 1  # not by itself
    button(app, "Retry").click()
    assert "**Training:**" in line(again(app))
    jobs.finish()
    assert "4 networks, trained and kept." in line(again(app))


def test_a_network_that_fails_does_not_keep_the_others_from_training(made_up, jobs):
    app = made_up()
    first = next(iter(jobs.wanted.values()))
    jobs.wanted.pop(first.key)
    jobs.set("failed", first, "a weight is no longer a finite number")
    jobs.finish(1)
    for each in jobs.wanted.values():
        jobs.set("cancelled", each)  # by nobody: their worker was lost
    again(app)
    assert len(jobs.submitted) == 2
    assert "1 of 4 networks" in line(app)
    jobs.finish()
    assert "**Training failed.** A weight is no longer a finite number." in line(again(app))


def test_a_cancelled_training_keeps_what_is_done_and_can_be_resumed(made_up, jobs):
    app = made_up()
    jobs.finish(2)
    assert "**Training:** 2 of 4 networks" in line(again(app))
    assert "Of 4 networks 2 are told of." in text(app)
    button(app, "Cancel").click()
    again(app)
    assert len(jobs.cancelled) == 2
    assert line(app) == ":material/cancel: **Cancelled.** 2 of 4 networks done, and kept."
    again(app)
    assert len(jobs.submitted) == 1  # it does not start again by itself
    button(app, "Resume").click()
    assert "**Training:**" in line(again(app))
    assert sorted(jobs.submitted[-1]) == sorted(jobs.cancelled)


@pytest.mark.parametrize("refusal", [Busy, ValueError])
def test_what_the_queue_refuses_is_told_and_asked_again_only_for_something_else(refusal, made_up, jobs):
    jobs.busy = refusal("900 trainings are waiting and this asks for 4 more")
    app = made_up()
    assert "Not trained: 900 trainings are waiting and this asks for 4 more." in line(app)
    again(app)
    jobs.busy = None
    again(app)
    assert jobs.submitted == []
    choose(app, "features", "100")
    assert "**Training:** 0 of 4 networks" in line(app)


def test_a_refused_training_can_be_tried_again(made_up, jobs):
    jobs.busy = Busy("900 trainings are waiting and this asks for 4 more")
    app = made_up()
    jobs.busy = None
    button(app, "Try again").click()
    assert "**Training:** 0 of 4 networks" in line(again(app))


def test_a_training_that_the_queue_has_forgotten_is_asked_for_again(made_up, jobs):
    app = made_up()
    jobs.finish(1)
    jobs.forget()
    assert "**Training:** 1 of 4 networks" in line(again(app))
    assert len(jobs.submitted[-1]) == 3


def test_what_would_take_long_waits_for_a_click_and_tells_its_price_before(made_up, jobs, monkeypatch):
    monkeypatch.setattr(runner, "AT_ONCE", 0.01)
    app = made_up()
    assert not jobs.submitted
    assert "**Not trained yet:** 4 of 4 networks." in line(app)
    train = button(app, "Train")
    assert train.label == "Train (about a second)"
    assert re.search(r"about \d+ MB of memory at a time, and [\d.]+ MB on disk\.", train.help)
    train.click()
    assert "**Training:** 0 of 4 networks" in line(again(app))
    jobs.finish()
    assert "trained and kept" in line(again(app))


def test_results_that_cannot_be_saved_are_told_in_the_line(made_up, jobs):
    app = made_up()
    jobs.finish()
    jobs.store.problem = "results are kept in memory only: the disk is full"
    assert line(again(app)) == ":material/warning: Results are kept in memory only: the disk is full."
    assert len(charts(app)) == 4


def test_another_choice_gives_up_what_is_no_longer_wanted(made_up, jobs):
    app = made_up()
    first = set(jobs.submitted[0])
    choose(app, "seeds", "1")
    assert set(jobs.cancelled) < first
    assert len(jobs.cancelled) == 2
    assert len(jobs.touched[-1]) == 2


STATES = ["waiting", "running", "half done", "cancelled", "failed", "refused", "done"]


@views
def test_in_every_state_the_same_figures_stand_on_the_stage_and_only_fill_in(view, jobs):
    """What is compared is the very text that the browser would build a chart anew for."""
    small = {"n_samples": "3,10", "widths": "2,3", "seeds": "1", "T": "10", "m": "2", "n_features": "80"}
    names = {each.id for each in view.every_control}
    begin = {"view": view.id, "v": "2"} | {name: value for name, value in small.items() if name in names}
    jobs.begins = "queued"
    app = again(app_at(PATH, **begin))
    seen = {"waiting": specs(app)}
    assert "Waiting" in line(app)
    for each in jobs.wanted.values():
        jobs.set("running", each, steps=(3, 7, 10))
    seen["running"] = specs(again(app))
    assert "Training" in line(app)
    jobs.finish(len(jobs.wanted) // 2)
    seen["half done"] = specs(again(app))
    button(app, "Cancel").click()
    seen["cancelled"] = specs(again(app))
    assert "Cancelled" in line(app)
    jobs.busy = Busy("too much is waiting")
    button(app, "Resume").click()
    seen["refused"] = specs(again(app))
    assert "Not trained" in line(app)
    jobs.busy = None
    app = again(app_at(PATH, **begin))
    jobs.fail("the loss is no longer a finite number")
    seen["failed"] = specs(again(app))
    assert "Training failed" in line(app)
    button(app, "Retry").click()
    again(app)
    jobs.finish()
    seen["done"] = specs(again(app))
    assert "trained and kept" in line(app)
    assert set(seen) == set(STATES)
    for state, found in seen.items():
        assert [key for key, *_ in found] == [key for key, *_ in seen["done"]], state
        for (key, spec, names), (_, last, last_names) in zip(found, seen["done"], strict=True):
            assert spec == last, (state, key)
            assert names == last_names, (state, key)


# controls


def test_a_value_of_ones_own_is_taken(jobs):
    app = open_at()
    choose(app, "n_features", "350")
    assert {each.n_features for each in jobs.wanted.values() if each.key in jobs.submitted[-1]} == {350}
    assert chosen(app)["n_features"] == "350"
    choose(app, "T", "35")
    wanted = [each for each in jobs.wanted.values() if each.key in visit_keys(app)]
    assert {each.n_samples for each in wanted} == {3, 10, 35}  # one outside the list is trained too
    assert chosen(app)["n_samples"] == ["3", "10"]
    type_list(app, "n_samples", "3, 5, 350")
    assert chosen(app)["n_samples"] == ["3", "5", "350"]
    assert {each.n_samples for each in visit(app).asked} == {3, 5, 35, 350}
    assert address(app)["n_samples"] == "3,5,350"
    jobs.finish()
    assert "trained and kept" in line(again(app))


def visit_keys(app):
    return {each.key for each in visit(app).asked}


@pytest.mark.parametrize(
    ("id", "words", "sentence"),
    [
        ("n_hidden", "0", "n_hidden=0 is not possible: 1 to 4096; shown: 2."),
        ("n_hidden", "2.5", "n_hidden=2.5 is not a whole number: 1 to 4096; shown: 2."),
        ("n_features", "many", "n_features=many is not a number: 1 to 16384; shown: 100."),
        ("sparsity", "1", "sparsity=1 is not possible: 0 to 0.99999; shown: 0.9."),
        ("seeds", "1e9", "seeds=1e9 is not possible: 1 to 64; shown: 2."),
        ("T", "-3", "T=-3 is not possible: 1 to 1000000; shown: 10."),
        ("lr", "nan", "lr=nan is not possible: 1e-08 to 10 or own; shown: own."),
        ("n_samples", "3, many", "n_samples=many is not a number: 1 to 1000000; shown: 3,10."),
        ("n_samples", " ", "n_samples needs at least one value: 1 to 1000000; shown: 3,10."),
        ("n_samples", ",".join(map(str, range(1, 67))), "n_samples takes at most 64 values; got 66; shown: 3,10."),
    ],
)
def test_what_is_not_possible_is_refused_with_the_range_and_the_value_before_stays(id, words, sentence, jobs):
    app = open_at()
    jobs.finish()
    before, asked = visit(again(app)).choice(PAGE.views[0]), len(jobs.submitted)
    (type_list if id == "n_samples" else choose)(app, id, words)
    assert line(app) == f":material/link_off: {sentence} 4 networks, trained and kept."
    assert visit(app).choice(PAGE.views[0]) == before
    assert len(jobs.submitted) == asked
    choose(app, "n_hidden", "3")
    assert "is not possible" not in line(app)


def test_an_empty_choice_of_pills_is_refused_too(jobs):
    app = open_at()
    choose(app, "n_samples", [])
    assert "n_samples needs at least one value" in line(app)
    assert chosen(app)["n_samples"] == ["3", "10"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"schedule": "constant", "warmup": "10"}, r"warmup must be left at 0 here.*got 10"),
        (
            {"n_features": "1000", "T": "1000000"},
            r"n_samples x n_features must be at most 500,000,000; got 1000000 x 1000",
        ),
    ],
)
def test_what_fits_no_experiment_is_said_and_the_settings_before_are_shown(changes, sentence, jobs):
    app = open_at()
    (first, last) = changes.items()
    choose(app, *first)
    jobs.finish()
    before = specs(again(app)), len(jobs.submitted), clock(app), vectors(app, "columns")
    choose(app, *last)
    again(app)
    assert len(re.findall(f"{sentence}; shown: the settings before", line(app), re.I)) == 1
    assert (specs(app), len(jobs.submitted), clock(app)) == before[:3]
    assert (vectors(app, "columns") == before[3]).all()
    app = open_at(**changes)  # and from an address, where nothing was before
    assert re.search(rf"{sentence}; shown: (schedule=own|T=10)\.", line(app), re.I)  # the rest of the address stays
    assert visit(app).asked == PAGE.views[0].plan(visit(app).choice(PAGE.views[0])).experiments
    assert chosen(app)["n_samples"] == ["3", "10"]


def test_what_would_need_more_memory_than_the_owner_allows_is_said_and_not_asked_for(jobs, monkeypatch):
    app = open_at()
    jobs.finish()
    again(app)
    asked = len(jobs.submitted)
    monkeypatch.setenv("TOYVIZ_MAX_MEMORY_GB", "0.2")
    choose(app, "T", "900000")
    told = r"and the limit here is 0\.2 GB .* or set TOYVIZ_MAX_MEMORY_GB; shown: the settings before"
    assert re.search(told, line(app))
    assert len(jobs.submitted) == asked


def test_reset_chooses_every_default(jobs):
    app = open_at(n_hidden="3", T="7", stage="after", lr="0.02", network="mlp")
    button(app, "Reset").click()
    again(app)
    view = PAGE.views[0]
    assert visit(app).choice(view) == view.default()
    assert address(app) == PAGE.write(view, view.default())
    assert visit(app).asked == view.plan(view.default()).experiments


def test_other_seeds_come_after_these(jobs):
    app = open_at(first_seed="4", seed="5")
    button(app, "Other seeds").click()
    again(app)
    assert {each.seed for each in visit(app).asked} == {6, 7}
    assert chosen(app)["seed"] == "first"
    button(app, "Other seeds").click()
    again(app)
    assert {each.seed for each in visit(app).asked} == {8, 9}


def test_more_settings_reach_the_experiments(jobs):
    app = open_at()
    more = {
        **{"lr": "0.02", "steps": "20", "warmup": "4", "weight_decay": "0.1", "init": "xavier_lifted"},
        **{"schedule": "warmup_cosine", "normalize": "false"},
    }
    for id, value in more.items():
        choose(app, id, value)
    for each in visit(app).asked:
        assert (each.lr, each.steps, each.warmup, each.weight_decay) == (0.02, 20, 4, 0.1)
        assert (each.init, each.bias_init, each.bias_offset) == ("xavier_normal", "zeros", 0.1)
        assert (each.schedule, each.normalize, each.optimizer) == ("warmup_cosine", False, "adamw")
    choose(app, "optimizer", "sgd")
    choose(app, "schedule", "own")
    assert {each.optimizer for each in visit(app).asked} == {"sgd"}


def test_the_hidden_vectors_are_those_of_the_stage_that_is_chosen(jobs):
    app = open_at(network="mlp_relu_output", T="3", seeds="1")
    jobs.finish()
    opened = next(each for each in visit(again(app)).asked if each.n_samples == 3)
    result, drawn = jobs.store.get(opened), {}
    for name in ("pre", "bare", "after"):
        choose(app, "stage", name)
        drawn[name] = vectors(app, "hidden")  # (f, 3, 2)
    lifts = np.linalg.norm(drawn["pre"] - drawn["bare"], axis=2)
    assert np.allclose(lifts, np.linalg.norm(result.frames["b1"], axis=1)[:, None], atol=1e-3)
    W1, b1 = result.frames["W1"], result.frames["b1"]
    passed = np.maximum(np.einsum("fmn,kn->fkm", W1, probe.seen_samples(result).X) + b1[:, None], 0)
    assert np.allclose(np.linalg.norm(drawn["after"], axis=2), np.linalg.norm(passed, axis=2), atol=1e-3)
    choose(app, "network", "relu_output")
    assert "stage" not in chosen(app)  # it means nothing there


def extremes():
    """The first and the last good value of every control of every view; controls that views share are tried once."""
    tried = []
    for view in PAGE.views:
        for control in view.every_control:
            if control in tried:
                continue
            tried.append(control)
            for name in (next(iter(control.values)), list(control.values)[-1]):
                yield pytest.param(view, control.id, name, id=f"{view.id}-{control.id}-{name}")


@pytest.mark.parametrize(("view", "id", "name"), list(extremes()))
def test_the_first_and_the_last_value_of_every_control_can_be_trained_and_drawn(view, id, name, jobs):
    names = {each.id for each in view.every_control}
    small = {
        **{"n_samples": "3", "widths": "2", "seeds": "1", "T": "3", "m": "2", "n_features": "60", "sparsity": "0.9"},
        **({"schedule": "warmup_cosine"} if id == "warmup" else {}),
    }
    begin = {name: value for name, value in small.items() if name in names}
    app = again(app_at(PATH, **(begin | {"view": view.id, "v": "2", id: name})))
    assert address(app)[id] == name
    assert "link_off" not in line(app), line(app)
    value = visit(app).choice(view)[id]
    (control,) = (each for each in view.every_control if each.id == id)
    assert control.write(value) == name
    if jobs.submitted == []:
        button(app, "Train").click()
        again(app)
    jobs.finish()
    assert re.search(r"networks?, trained and kept", line(again(app)))


# addresses


@views
def test_the_address_is_complete_after_whatever_is_touched(view, jobs):
    names = {each.id for each in view.every_control}
    small = {name: value for name, value in SMALL.items() if name in {*names, "v"}}
    app = again(app_at(PATH, **(small | {"view": view.id})))
    assert set(address(app)) < {"view", "v", *names}  # as it was opened
    other = next(each for each in PAGE.views if each is not view)
    for touch in (
        lambda: choose(app, "n_features", "60"),
        lambda: choose(app, "T", "10"),
        lambda: choose(app, "view", other.id) and choose(app, "view", view.id),
        lambda: type_list(app, "n_samples", "3, 8"),
        lambda: button(app, "Reset").click() and again(app),
    ):
        touch()
        assert set(address(app)) == {"view", "v", *names}
        assert address(app) == PAGE.write(view, visit(app).choice(view))


def test_back_opens_what_the_address_says(jobs):
    app = open_at(T="3")
    first = address(app)
    choose(app, "T", "10")
    choose(app, "view", "bias")
    second = address(app)
    assert second["view"] == "bias"
    app.query_params.clear()
    for name, value in first.items():
        app.query_params[name] = value
    again(app)
    assert (visit(app).view, chosen(app)["T"]) == ("over_t", "3")
    assert address(app) == first  # reading writes nothing
    app.query_params.clear()
    for name, value in second.items():
        app.query_params[name] = value
    again(app)
    assert (visit(app).view, chosen(app)["T"]) == ("bias", "100")


def test_the_step_in_the_address_is_where_the_clock_begins_and_it_stays_in_it(jobs):
    app = open_at(step="7")
    assert clock(app)["step"] == 7
    choose(app, "n_hidden", "3")
    assert address(app)["step"] == "7"
    app.query_params["step"] = "5"  # as the browser writes when the clock is let go: no news for us
    before = visit(app).choice(PAGE.views[0])
    again(app)
    assert visit(app).choice(PAGE.views[0]) == before
    assert clock(app)["step"] == 7


@pytest.mark.parametrize("step", ["²", "٣", "9" * 5000, "-1", "soon", ""])
def test_a_step_that_is_none_is_said_and_gone_with_the_next_touch(step, jobs):
    app = open_at(step=step)
    assert "; shown: the end" in line(app)
    assert clock(app)["step"] is None
    choose(app, "n_hidden", "3")
    assert "step" not in address(app)


@pytest.mark.parametrize(
    ("old", "view", "values"),
    [
        ("descent=Over T&block=MLP, as the post writes it&T=5", "over_t", {"network": "mlp", "T": "5"}),
        ("block=MLP, ReLU on the output&n_samples=3&n_samples=10", "over_t", {"network": "mlp_relu_output"}),
        ("descent=What the bias does&n_hidden=3&seeds=8", "bias", {"n_hidden": "3", "T": "100"}),
        ("descent=The learning rate&schedule_samples=10&schedule_seeds=1", "schedule", {"seeds": "1", "T": "10"}),
        ("descent=Hidden size and T&map_samples=10&widths=2&m=3", "sizes", {"n_samples": ["10"], "m": "3"}),
    ],
)
def test_addresses_of_before_there_were_views_open_what_they_did(old, view, values, jobs):
    app = first_address(old)
    assert visit(app).view == view
    assert {id: chosen(app)[id] for id in values} == values
    assert "link_off" not in line(app)


def test_what_was_not_understood_is_said_and_goes_with_the_next_touch(jobs):
    app = open_at(n_hidden="0", colour="red")
    assert line(app).startswith(
        ":material/link_off: n_hidden=0 is not possible: 1 to 4096; shown: 2; "
        "nothing here is called colour. **Training:** 0 of 4 networks"
    )
    assert actions(app) == ["Cancel"]  # it is in the way of nothing
    choose(app, "T", "3")
    assert "link_off" not in line(app)
    assert "colour" not in address(app)


@pytest.mark.parametrize(
    "hostile",
    [
        {"view": "../../etc/passwd"},
        {"v": "99", "view": "<script>alert(1)</script>"},
        {"n_samples": ["3", "10", "' OR 1=1 --", "$\\alpha$"]},
        {"T": "1e400", "seed": "\x00\x1b[31m", "stage": "__class__"},
        {"get": "1", "with_": "2", "_values": "3", "__dict__": "4", "items": "5"},
        {"n_hidden": "9" * 5000},
        {"n_samples": ",".join(str(T) for T in range(1, 500))},
        {f"x{k}" * 30: "y" for k in range(50)},
        {"step": "-1", "first_seed": "2147483648"},
        {"n_hidden": "4096", "n_features": "16384", "T": "1000000"},
        {"step": "\u0663"},
    ],
)
@views
def test_no_address_breaks_a_view(view, hostile, jobs):
    app = open_at(**({"view": view.id} | hostile))
    assert "link_off" in line(app)
    assert len(line(app)) < 4000
    assert len(charts(app)) >= 3


def test_views_share_what_is_chosen_where_they_mean_the_same_and_one_can_go_back(jobs):
    app = open_at(sparsity="0.95", n_hidden="3", T="7")
    choose(app, "view", "bias")
    assert (chosen(app)["sparsity"], chosen(app)["n_hidden"]) == ("0.95", "3")
    assert chosen(app)["T"] == "100"  # its own default
    choose(app, "sparsity", "0.98")
    choose(app, "view", "start")
    assert chosen(app)["sparsity"] == "0.98"
    choose(app, "view", "over_t")
    assert (chosen(app)["sparsity"], chosen(app)["n_hidden"], chosen(app)["T"]) == ("0.98", "3", "7")


def test_a_click_on_a_point_opens_its_network(jobs):
    app = open_at()
    jobs.finish()
    again(app)
    widgets.pick(PAGE.views[0], visit(app), {"T": 3.0, "seed": 1, "m": None})  # as the chart tells of a point
    again(app)
    assert vectors(app, "hidden").shape[1:] == (3, 2)
    assert (chosen(app)["T"], chosen(app)["seed"]) == ("3", "1")
    assert address(app)["T"] == "3"
    opened_below(app)
    (command,) = (each.value for each in app.code)
    assert "--set n_samples=3" in command
    assert "--set seed=1" in command


@pytest.mark.parametrize("id", [claim.id for claim in CLAIMS.values() if claim.page == PAGE.id])
def test_a_claim_is_on_the_page_that_its_link_opens(id, jobs, monkeypatch, untrained, no_jobs):
    store = untrained()
    monkeypatch.setattr(runtime, "store", lambda: store)
    monkeypatch.setattr(runtime, "jobs", no_jobs)
    page, view, choice = studies.evidence(CLAIMS[id])
    app = again(app_at(PATH, **page.write(view, choice)))
    assert visit(app).choice(view) == choice
    assert f"claim-{id}" in {key for key, _ in elements(app._tree)}


# the history


def shipped(tmp_path, experiments):
    """A store whose gallery has these networks with short histories, as they come with the project."""
    folder = tmp_path / "gallery"
    folder.mkdir()
    for each in experiments:
        (folder / f"{each.key}.safetensors").write_bytes(pack(train(each), display=True))
    return Store(tmp_path / "runs", folder)


def test_a_short_history_is_told_and_trained_again_whole_and_still_there_after_a_restart(tmp_path, jobs, monkeypatch):
    steps = 60  # more than the 40 frames that are kept
    name, view = "double_descent", PAGE.views[0]
    longer = {"steps": steps, "warmup": 3}
    row = settings.EXPERIMENTS[name]
    monkeypatch.setitem(settings.EXPERIMENTS, name, row.__class__(row.title, row.quick.with_(**longer), row.paper))
    opened = PAGE.read(SMALL | {"seeds": "1"})
    jobs.store = shipped(tmp_path, view.plan(opened.choice).experiments)
    app = open_at(seeds="1")
    short = len(clock(app)["steps"])
    assert short == 24
    assert line(app).endswith("2 networks, trained and kept. The opened one has 24 frames.")
    assert jobs.submitted == []
    jobs.busy = Busy("too much is waiting")
    button(app, "Whole history").click()
    assert line(again(app)) == ":material/hourglass_disabled: Not trained: too much is waiting."
    jobs.busy = None
    button(app, "Try again").click()
    again(app)
    assert jobs.submitted == [[view.plan(opened.choice).opened[0].key]]
    assert "**Training:** 1 of 2 networks" in line(app)
    jobs.fail("the loss is no longer a finite number")
    assert line(again(app)).endswith("**Training again failed.** The loss is no longer a finite number.")
    assert len(clock(app)["steps"]) == 24
    button(app, "Whole history").click()
    assert "**Training:** 1 of 2 networks" in line(again(app))
    jobs.finish()
    again(app)
    assert len(clock(app)["steps"]) == 40
    assert actions(app) == []
    assert "–" not in dict(clock(app)["numbers"])["test loss"]  # every frame is measured
    jobs.store.close()
    jobs.store = Store(tmp_path / "runs", tmp_path / "gallery")
    assert len(clock(open_at(seeds="1"))["steps"]) == 40


def test_a_real_queue_trains_a_view_and_then_one_of_its_networks_whole(tmp_path, add_view, jobs, monkeypatch):
    add_view("made_up", MADE_UP)
    view = studies.page(PAGE.id).view("made_up")
    opened, *_ = view.plan(view.default()).opened
    store = shipped(tmp_path, [opened])
    real = Jobs(store, workers=1)
    monkeypatch.setattr(runtime, "store", lambda: store)
    monkeypatch.setattr(runtime, "jobs", lambda: real)
    try:
        app = again(app_at(PATH, view="made_up", v="2"))
        while "The opened one has" not in line(again(app)):
            assert re.search("Waiting|Training:", line(app)), line(app)
            time.sleep(0.1)  # leave the processor to the worker
        assert all(store.get(each) for each in view.plan(view.default()).experiments)
        button(app, "Whole history").click()
        while "trained and kept." not in line(again(app)) or actions(app):
            assert re.search("Waiting|Training:", line(app)), line(app)
            time.sleep(0.1)
        assert not store.whole(opened).shortened
        assert clock(app)["steps"] == store.whole(opened).frame_steps.tolist()
    finally:
        real.close()


def test_one_looks_at_what_trains_or_stays_with_what_is_opened(jobs):
    app = open_at()
    jobs.finish(1)  # the opened one, which comes first
    again(app)
    running = next(iter(jobs.wanted.values()))
    assert f"On the screen: T = {running.n_samples}, seed {running.seed}." in line(app)
    assert clock(app)["live"] is True
    (follow,) = app.toggle
    follow.set_value(False)
    again(app)
    assert "On the screen" not in line(app)
    assert clock(app)["live"] is False
    assert clock(app)["steps"][-1] == 12
    follow = app.toggle[0]
    follow.set_value(True)
    assert "On the screen" in line(again(app))
    jobs.finish()
    again(app)
    opened = PAGE.views[0].plan(visit(app).choice(PAGE.views[0])).opened[0]
    assert f"**T = {opened.n_samples}, m = 2, seed {opened.seed}.**" in text(app)


def messages(app):
    """The bytes of every element of the page, in its order."""
    return [each.proto.SerializeToString(deterministic=True) for _, each in elements(app.main)]


def kept_from():
    """Bytes from which a message that a browser has already is not sent to it again."""
    return tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["global"]["minCachedMessageSize"]


def test_a_look_without_news_sends_no_chart_again(jobs):
    app = open_at()
    before, after = messages(app), messages(again(app))
    assert len(charts(app)) > 3
    large = [each for each in before if len(each) >= kept_from()]
    assert sum(map(len, before)) - sum(map(len, large)) < 10_000  # all that a look without news sends
    assert large == [each for each in after if len(each) >= kept_from()]


def test_a_look_with_news_of_a_network_sends_its_own_pictures_in_few_bytes(jobs):
    app = open_at(n_features="1000", n_samples="2000", T="2000", sparsity="0.99", seeds="1")
    (experiment,) = visit(app).asked
    before = set(messages(app))
    jobs.set("running", experiment, steps=(10, 20))
    news = [each for each in messages(again(app)) if each not in before]
    assert sum(map(len, news)) < 90_000
    assert len(news) < 10


def test_two_who_watch_one_training_have_it_drawn_once(jobs, monkeypatch):
    asked, view = [], PAGE.view("over_t")
    inside = view.inside
    monkeypatch.setitem(view.__dict__, "inside", lambda *of: asked.append(of) or inside(*of))
    first, second = open_at(), open_at()
    assert len(asked) == 1
    jobs.set("running", visit(first).asked[0], steps=(10, 20))
    for each in (first, second):
        again(each)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("live", "visitors", "seconds"),
    [(0, 1, None), (0, 30, None), (1, 1, 0.3), (8, 1, 0.3), (9, 1, 1.0), (1, 30, 2.5), (64, 30, 2.5), (64, 6, 1.0)],
)
def test_a_page_looks_less_often_at_many_networks_and_among_many_visitors(live, visitors, seconds):
    assert stage.seconds_between_looks(live, visitors) == seconds


def test_a_page_of_which_many_more_look_is_run_once_more_to_look_less_often(jobs, monkeypatch):
    app, runs = open_at(), []
    looks = stage.seconds_between_looks
    monkeypatch.setattr(stage, "seconds_between_looks", lambda *of: runs.append(of) or looks(*of))
    here = iter([1, *[30] * 100])
    monkeypatch.setattr(runtime, "visitors", lambda: next(here))
    again(app)
    assert runs == [(4, 1), (4, 30)]


def test_while_it_trains_the_newest_frame_is_sent_and_the_whole_history_once_one_goes_back(jobs):
    app = open_at()
    opened = next(iter(jobs.wanted.values()))
    jobs.set("running", opened, steps=(2, 5, 10))
    again(app)
    assert clock(app)["steps"] == [10]
    visit(app).held = True
    again(app)
    assert clock(app)["steps"] == [0, 2, 5, 10]  # with the start
    assert clock(app)["held"] is True
    visit(app).held = False
    assert clock(again(app))["steps"] == [10]


def test_what_is_told_of_a_frame_is_of_that_frame(jobs):
    app = open_at(seeds="1")
    jobs.finish()
    again(app)
    experiment = PAGE.views[0].plan(visit(app).choice(PAGE.views[0])).opened[0]
    result, told = jobs.store.get(experiment), clock(app)
    assert told["steps"] == result.frame_steps.tolist()
    numbers = dict(told["numbers"])
    along = [f"{value:.3g}" for value in result.frame_metrics["test_loss"]]
    assert numbers["test loss"] == [*along[:-1], f"{result.metrics['test_loss']:.3g}"]  # at the end of all test samples
    assert numbers["big features"] == [f"{value:.0f}" for value in result.frame_metrics["big_features"]]


def test_a_network_that_is_too_large_to_be_shown_live_says_so_in_every_view(jobs):
    large = {"n_hidden": "64", "network": "relu_output_untied", "n_samples": "3", "n_features": "1000", "seeds": "1"}
    for view in PAGE.views:
        names = {each.id: each for each in view.every_control}
        values = large | {"T": "3", "m": "64", "widths": "64"}
        if "network" in names and "relu_output_untied" not in names["network"].values:
            values["network"] = "mlp"
        if "n_hidden" not in names and "m" not in names:
            values |= {"n_features": "16384"}
        begin = {name: value for name, value in values.items() if name in names}
        app = again(app_at(PATH, **(begin | {"view": view.id, "v": "2"})))
        if jobs.submitted == []:
            button(app, "Train").click()
            again(app)
        opened = view.plan(visit(app).choice(view)).opened
        assert all(map(too_large, opened)), view.id
        assert "Too large to be shown while it trains: its loss alone." in line(app), view.id
        assert "too large to be shown while it trains: its loss alone" in text(app), view.id
        now = jobs.status(opened[0])
        assert clock(app)["steps"] == [now.step]
        assert dict(clock(app)["numbers"]) == {"train loss": [f"{now.loss:.3g}"]}
        for each in opened:
            assert live.unfinished(each, jobs.status(each)).frames["W1"].shape[0] == 0
        jobs.forget()
        jobs.submitted.clear()


@pytest.mark.parametrize("m", ["1", "3", "16"])
def test_other_hidden_widths_than_two_are_drawn_as_a_projection_and_this_is_told(m, jobs):
    app = open_at(n_hidden=m)
    jobs.finish()
    told = f"two of the {m} hidden directions" if m != "1" else "one value only"
    assert told in text(again(app))


def test_a_figure_is_as_high_as_its_view_says():
    view = studies.page("unembedding").view("over_t")
    rules = style.of(view, pinned=False, presents=False)
    assert view.heights == {"loss": 1.8}
    assert ":has(> .st-key-at-loss) {flex-basis: 180% !important}" in rules
    assert "flex-basis" not in style.of(PAGE.view("over_t"), pinned=False, presents=False).partition(":root {--own")[2]
