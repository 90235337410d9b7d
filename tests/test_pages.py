"""Every page, and every state that a visitor can find it in, without a browser; training is done by a stand-in."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from conftest import app_at
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df

from toyviz import cost, runtime, settings, ui
from toyviz.jobs import Busy, Status
from toyviz.model import initial_parameters
from toyviz.queue import LiveFrame
from toyviz.store import Store
from toyviz.train import train
from toyviz.ui import training
from toyviz.ui.controls import CONTROLS

ROOT = Path(__file__).parents[1]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("pages/*/*.py"))
DESCENT, SUPERPOSITION = "pages/bottleneck/double_descent.py", "pages/bottleneck/superposition.py"
SMALL = {  # what is asked of each page that trains, in its address
    DESCENT: {"n_samples": ["3", "10"], "n_features": "100", "sparsity": "0.9", "seeds": "2"},
    SUPERPOSITION: {"density": ["1", "0.1"], "n_features": "5", "n_hidden": "2", "seeds": "2"},
}
TRAINING = [path for path in PAGES if "ui.trained(" in (ROOT / path).read_text(encoding="utf-8")]
trained_pages = pytest.mark.parametrize("path", SMALL)


class StandIn:
    """The queue as pages see it: what is submitted runs until finish(), which trains it on the spot."""

    def __init__(self, store):
        self.store, self.statuses, self.wanted, self.busy = store, {}, {}, None
        self.submitted, self.cancelled, self.touched = [], [], []

    def submit(self, experiments, visitor, *, again=False):
        if self.busy:
            raise Busy(self.busy)
        self.submitted.append([each.key for each in experiments])
        for each in experiments:
            failed = self.statuses.get(each.key, (None,))[0] == "failed"
            if not failed or again:
                self.wanted[each.key] = each
                self.set("running", each)

    def set(self, state, experiment, error=None):
        losses = (np.array([1, 10]), np.array([1.0, 0.5], np.float32))
        history = (LiveFrame(10, initial_parameters(experiment), {}),)
        self.statuses[experiment.key] = Status(state, 10, experiment.steps, 0.5, 3.0, None, error, history, losses)

    def finish(self, count=None):
        for key in list(self.wanted)[:count]:
            self.store.put(train(self.wanted.pop(key)))
            self.statuses.pop(key)

    def fail(self, error):
        for each in self.wanted.values():
            self.set("failed", each, error)

    def status(self, experiment):
        return self.statuses.get(experiment.key)

    def result(self, experiment):
        return self.store.get(experiment)

    def touch(self, experiments, visitor):
        self.touched.append([each.key for each in experiments])

    def leave(self, visitor):
        """A session has ended."""

    def cancel(self, experiments, visitor):
        for each in experiments:
            self.cancelled.append(each.key)
            if self.statuses.get(each.key, ("",))[0] in ("queued", "running"):
                self.set("cancelled", each)


@pytest.fixture
def jobs(monkeypatch):
    """A stand-in, and experiments of a few steps."""
    store = Store(None)
    jobs = StandIn(store)
    monkeypatch.setattr(runtime, "store", lambda: store)
    monkeypatch.setattr(runtime, "jobs", lambda: jobs)
    for name, setting in settings.EXPERIMENTS.items():
        short = {"steps": 12} | ({"warmup": 3} if setting.quick.warmup else {})
        changed = replace(setting, quick=setting.quick.with_(**short), paper=setting.paper.with_(**short, lr=2e-3))
        monkeypatch.setitem(settings.EXPERIMENTS, name, changed)
    st.cache_resource.clear()
    return jobs


def open_page(path, **address):
    return again(app_at(path, **(SMALL.get(path, {}) | address)))


def again(app):
    app.run()
    assert not app.exception, [each.message for each in app.exception]
    return app


def charts(app):
    return [element.proto for element in app.get("vega_lite_chart")]


def data(app, title, name):
    """A data set of the chart with this title."""
    (chart,) = (chart for chart in charts(app) if f'"title": "{title}"' in chart.spec)
    (found,) = (each.data.data for each in chart.datasets if each.name == name)
    return convert_arrow_bytes_to_pandas_df(found)


def text(app):
    return "\n".join(str(each.value) for each in [*app.markdown, *app.caption, *app.warning, *app.title])


def button(app, label):
    (found,) = (each for each in app.button if each.label.startswith(label))
    return found


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_and_has_a_title_and_a_question(path, jobs):
    app = open_page(path)
    assert len(app.title) == 1
    assert "#####" in app.markdown[0].value


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_in_the_navigation(path):
    assert path in (ROOT / "toyviz/ui/main.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES)
def test_every_chart_of_a_page_has_a_sentence_for_those_who_cannot_see_it(path, jobs):
    app = open_page(path)
    jobs.finish(4)
    for chart in charts(again(app)):
        assert chart.alt.endswith(".")


@pytest.mark.parametrize("path", PAGES)
def test_at_its_defaults_every_view_of_a_page_shows_what_is_shipped_and_trains_nothing(path, jobs, monkeypatch):
    monkeypatch.undo()  # the real experiments
    asked, shipped = {}, {each.key for each in settings.gallery()}
    monkeypatch.setattr(
        StandIn, "submit", lambda self, experiments, *_, **__: asked.update({e.key: e for e in experiments})
    )
    monkeypatch.setattr(runtime, "store", lambda: jobs.store)
    monkeypatch.setattr(runtime, "jobs", lambda: jobs)
    monkeypatch.setattr(training, "AT_ONCE", float("inf"))
    st.cache_resource.clear()
    views = [{}]
    for view in views:
        app = again(app_at(path, **view))
        if not view:
            views += [{each.key: option} for each in app.main.get("button_group")[:1] for option in each.options[1:]]
        missing = [each for key, each in asked.items() if key not in shipped]
        assert not missing, f"{view}: {len(missing)} networks are not shipped, {missing[0]}"
    assert asked or path not in TRAINING


@trained_pages
def test_what_is_missing_starts_by_itself_and_is_seen_in_training(path, jobs):
    app = open_page(path)
    assert len(jobs.submitted[0]) == 4
    assert app.get("progress")[0].proto.text.startswith("Training: 0 of 4 networks done")
    assert "In training" in text(app)
    assert button(app, "Cancel")
    titles = [chart.spec for chart in charts(app)]
    assert any("Training loss over the steps" in title for title in titles)


@trained_pages
def test_what_is_done_is_drawn_while_the_rest_is_still_training(path, jobs):
    app = open_page(path)
    before = len(charts(app))
    jobs.finish(2)
    again(app)
    assert app.get("progress")[0].proto.text.startswith("Training: 2 of 4 networks done")
    assert len(charts(app)) > before


@trained_pages
def test_a_finished_page_says_so_and_asks_for_nothing_more(path, jobs):
    app = open_page(path)
    jobs.finish()
    again(app)
    assert "4 networks." in text(app)
    assert not app.get("progress")
    assert [each.label for each in app.button] == ["Play"]
    assert len(jobs.submitted) == 1
    assert any("toyviz train" in each.value for each in app.code)


@trained_pages
def test_the_paper_recipe_waits_for_a_click_and_tells_its_time_before(path, jobs):
    app = open_page(path, recipe="paper")
    assert not jobs.submitted
    assert "Not trained yet" in text(app)
    assert re.search(r"It needs about \d+ MB of memory at a time, and [\d.]+ MB on disk\.", text(app))
    assert "(about " in button(app, "Train 4 networks").label
    button(app, "Train 4 networks").click()
    again(app)
    assert len(jobs.submitted[0]) == 4
    assert button(app, "Cancel")


@trained_pages
def test_what_would_take_long_is_not_started_unasked(path, jobs, monkeypatch):
    monkeypatch.setattr(training, "AT_ONCE", 0.01)
    app = open_page(path)
    assert not jobs.submitted
    assert button(app, "Train 4 networks")


@trained_pages
def test_a_cancelled_training_keeps_what_is_done_and_can_be_resumed(path, jobs):
    app = open_page(path)
    jobs.finish(1)
    again(app)
    button(app, "Cancel").click()
    again(app)
    asked = len(jobs.submitted)
    assert len(jobs.cancelled) == 3
    assert "Cancelled.** 1 of 4 networks are done" in text(app)
    again(app)
    assert len(jobs.submitted) == asked  # it does not start again by itself
    button(app, "Resume").click()
    again(app)
    assert sorted(jobs.submitted[-1]) == sorted(jobs.cancelled)
    assert button(app, "Cancel")


@trained_pages
def test_a_failed_training_tells_the_cause_and_can_be_retried(path, jobs):
    app = open_page(path)
    jobs.fail("the loss is no longer a finite number at step 7 of 12: lower lr")
    again(app)
    assert "Training failed.** The loss is no longer a finite number at step 7 of 12: lower lr." in text(app)
    assert "3 more failed too" in text(app)
    button(app, "Retry").click()
    again(app)
    assert button(app, "Cancel")
    jobs.finish()
    assert "4 networks." in text(again(app))


@trained_pages
def test_a_network_that_fails_does_not_keep_the_others_from_training(path, jobs):
    app = open_page(path)
    first = next(iter(jobs.wanted.values()))
    jobs.wanted.pop(first.key)
    jobs.set("failed", first, "a weight is no longer a finite number")
    jobs.finish(1)
    assert app.session_state["wanted"]
    for each in jobs.wanted.values():
        jobs.set("cancelled", each)  # by nobody: their worker was lost
    again(app)
    assert len(jobs.submitted) == 2
    assert app.get("progress")[0].proto.text.startswith("Training: 1 of 4 networks done")
    jobs.finish()
    assert "Training failed.** A weight is no longer" in text(again(app))


@trained_pages
def test_a_training_that_the_owner_of_the_machine_does_not_allow_is_refused_with_the_limit(path, jobs, monkeypatch):
    def submit(experiments, visitor, *, again=False):
        for each in experiments:
            cost.refuse(each)

    monkeypatch.setenv("TOYVIZ_MAX_MEMORY_GB", "0.01")
    monkeypatch.setattr(jobs, "submit", submit)
    app = open_page(path)
    told = r"Not trained: n_hidden 2, .* and the limit here is 0\.01 GB .* or set TOYVIZ_MAX_MEMORY_GB\."
    assert re.search(told, text(app))
    monkeypatch.setattr(training, "AT_ONCE", 0.0)
    app.session_state["recipe"] = "paper"  # other networks, for which nobody has asked
    assert "Not trained: n_hidden" not in text(again(app))


@trained_pages
def test_a_full_queue_is_told_and_can_be_tried_again(path, jobs):
    jobs.busy = "900 trainings are waiting and this asks for 4 more"
    app = open_page(path)
    assert "900 trainings are waiting and this asks for 4 more." in text(app)
    jobs.busy = None
    button(app, "Train 4 networks").click()
    again(app)
    assert button(app, "Cancel")
    assert "900" not in text(app)


@trained_pages
def test_results_that_cannot_be_saved_are_shown_with_a_notice(path, jobs):
    app = open_page(path)
    jobs.finish()
    jobs.store.problem = "Results are kept in memory only: the disk is full"
    assert "Results are kept in memory only: the disk is full." in text(again(app))


@trained_pages
def test_moving_a_control_cancels_what_is_no_longer_wanted(path, jobs):
    app = open_page(path)
    first = set(jobs.submitted[0])
    app.session_state["seeds"] = 1
    again(app)
    assert set(jobs.cancelled) < first
    assert len(jobs.cancelled) == 2
    assert jobs.touched[-1]


@trained_pages
def test_nothing_chosen_is_told(path, jobs):
    name = "n_samples" if path == DESCENT else "density"
    app = open_page(path, **{name: ""})
    assert "Nothing chosen." in text(app)
    assert not jobs.submitted


OF_THE_MAPS = {"map_samples", "map_seeds", "widths"}  # controls of one view of the double descent page


def extremes():
    """The first and the last choice of every control that a page has, as its address says it."""
    for path in SMALL:
        used = set(re.findall(r'ui\.control\("(\w+)"', (ROOT / path).read_text(encoding="utf-8")))
        assert used > {"recipe", "seeds", "n_hidden"}
        for name in sorted(used - {"recipe", "seeds", "n_features", "n_hidden"}):
            row = CONTROLS[name]
            for choice in (row.choices[0], row.choices[-1]):
                said = str(choice).lower() if row.kind == "toggle" else row.text(choice)
                yield pytest.param(path, name, said, id=f"{Path(path).stem}-{name}-{choice}")


@pytest.mark.parametrize(("path", "name", "choice"), list(extremes()))
def test_the_extremes_of_every_control_can_be_trained_and_drawn(path, name, choice, jobs):
    address = {name: choice, "seeds": "1"}
    if name in OF_THE_MAPS:
        address = {"descent": "Hidden size and T", "map_samples": "3", "widths": "2"} | address
    app = open_page(path, **address)
    value = app.session_state[name]
    said = [CONTROLS[name].text(each) for each in (value if isinstance(value, list) else [value])]
    assert [each.lower() for each in said] == [choice.lower()]
    if not jobs.submitted:
        button(app, "Train").click()
        again(app)
    jobs.finish()
    assert "networks." in text(again(app)) or "1 network." in text(app)


@pytest.mark.parametrize("address", [{"sparsity": "evil"}, {"n_features": "100000"}, {"recipe": "-1"}, {"T": "7"}])
def test_nonsense_in_the_address_falls_back_to_the_default(address, jobs):
    assert "Double descent" in text(open_page(DESCENT, **address))


def test_the_network_that_is_looked_into_is_the_one_in_the_address(jobs):
    app = open_page(DESCENT, T="10", seed="1")
    jobs.finish()
    again(app)
    assert len(data(app, "10 hidden vectors", "dots")) == 10
    (line,) = (each.value for each in app.code)
    assert "--set n_samples=10" in line
    assert "--set seed=1" in line


def test_a_button_trains_the_double_descent_of_the_literal_mlp_over_the_T_around_its_rank(jobs):
    app = open_page(DESCENT, block="MLP, as the post writes it", seeds="1")
    jobs.finish()
    button(again(app), "Show the double descent at its rank").click()
    again(app)
    wanted = {each.n_samples for each in jobs.wanted.values() if each.n_hidden == 8 and each.bias_offset == 0.1}
    assert wanted == set(settings.EXPERIMENTS["mlp_at_its_rank"].over["n_samples"])
    assert not any(each.label.startswith("Show the double descent") for each in app.button)


def test_the_best_seed_is_shown_and_the_others_are_told(jobs):
    app = open_page(SUPERPOSITION, look="1")
    jobs.finish()
    again(app)
    best = data(app, "Features represented", "best").set_index("density")["test_loss"]
    rest = data(app, "Features represented", "points").set_index("density")["test_loss"]
    assert (best <= rest[best.index]).all()
    assert f"test loss {best[1.0]:.4g}, the best of 2; the others have {rest[1.0]:.4g}." in text(app)


def test_an_earlier_step_shows_the_network_as_it_was(jobs):
    app = open_page(DESCENT, T="3")
    jobs.finish()
    again(app)
    end = data(app, "100 columns of W1", "dots")
    (scrubber,) = (each for each in app.select_slider if each.key.startswith("frame-"))
    scrubber.set_value(0)
    again(app)
    experiment = next(e for e in jobs.store._memory.values() if e.experiment.n_samples == 3).experiment
    start = initial_parameters(experiment)["W1"].T
    assert np.allclose(data(app, "100 columns of W1", "dots")[["x", "y"]], start)
    assert not np.allclose(end[["x", "y"]], start)


@trained_pages
def test_a_training_can_be_played_from_its_first_step_to_its_last(path, jobs):
    app = open_page(path)
    jobs.finish()
    again(app)
    button(app, "Play").click()
    seen = []
    while any(each.label == "Stop" for each in again(app).button):
        seen.append(next(each.value for each in app.select_slider if each.key.startswith("frame-")))
    frames = len(next(iter(jobs.store._memory.values())).frame_steps)
    assert seen == list(range(1, frames))
    assert button(app, "Play")


@pytest.mark.parametrize("m", ["3", "16"])
def test_more_hidden_values_than_two_are_drawn_as_a_projection_and_this_is_told(m, jobs):
    app = open_page(DESCENT, n_hidden=m)
    jobs.finish()
    assert f"two of the {m} hidden directions" in text(again(app))


def test_the_command_at_the_end_of_a_page_trains_the_same_experiment():
    from toyviz.experiment import parse

    experiment = settings.EXPERIMENTS["double_descent"].paper.with_(n_samples=30, seed=2, weight_decay=0.0)
    words = ui.command("double_descent", experiment).split()
    assert words[:5] == ["python", "-m", "toyviz", "train", "double_descent"]
    assert words[5::2] == ["--set"] * len(words[6::2])
    changes = {name: parse(name, value) for name, value in (word.split("=") for word in words[6::2])}
    assert settings.EXPERIMENTS["double_descent"].quick.with_(**changes) == experiment
