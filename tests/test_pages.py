"""Every page, and every state that a visitor can find it in, without a browser; training is done by a stand-in."""

import re
from pathlib import Path

import pytest
import streamlit as st
from conftest import again, app_at, button, dataset, text

from toyviz import cost, gallery, runtime, settings, studies, ui
from toyviz.jobs import Busy
from toyviz.ui import runner, training
from toyviz.ui.controls import CONTROLS

ROOT = Path(__file__).parents[1]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("pages/*/*.py"))
VIEWS = studies.pages()  # the pages that are made of views: tests/test_stage.py has their states
SUPERPOSITION = "pages/bottleneck/superposition.py"
SMALL = {  # what is asked of each page that trains, in its address
    "pages/bottleneck/double_descent.py": {
        **{"n_samples": ["3", "10"], "n_features": "100", "sparsity": "0.9", "seeds": "2", "v": "2"},
    },
    SUPERPOSITION: {"density": ["1", "0.1"], "n_features": "5", "n_hidden": "2", "seeds": "2"},
}
TRAINING = [
    path for path in PAGES if "ui.trained(" in (ROOT / path).read_text(encoding="utf-8") or Path(path).stem in VIEWS
]
trained_pages = pytest.mark.parametrize("path", [path for path in SMALL if Path(path).stem not in VIEWS])


@pytest.fixture
def jobs(stand_in):
    """A queue that trains when it is told to, and experiments of a few steps."""
    return stand_in


def open_page(path, **address):
    return again(app_at(path, **(SMALL.get(path, {}) | address)))


def charts(app):
    return [element.proto for element in app.get("vega_lite_chart")]


def data(app, title, name):
    """A data set of the chart with this title."""
    return dataset(charts(app), title, name)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_and_has_a_title_and_a_question(path, jobs):
    app = open_page(path)
    assert len(app.title) == 1
    question = next(each.value for each in app.markdown if each.value.startswith("##### "))
    assert question.endswith("?") or path == "pages/start/home.py"


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_in_the_navigation(path):
    assert path in (ROOT / "toyviz/ui/main.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES)
def test_every_chart_of_a_page_has_a_sentence_for_those_who_cannot_see_it(path, jobs):
    app = open_page(path)
    jobs.finish(4)
    here = charts(again(app))
    if Path(path).stem not in VIEWS:
        assert all(chart.alt.endswith(".") for chart in here)


@pytest.mark.parametrize("path", PAGES)
def test_at_its_defaults_every_view_of_a_page_shows_what_is_shipped_and_trains_nothing(path, jobs, monkeypatch):
    monkeypatch.undo()  # the real experiments
    asked, shipped = {}, {each.key for each in gallery.wanted()}
    monkeypatch.setattr(
        jobs, "submit", lambda experiments, *_, **__: asked.update({each.key: each for each in experiments})
    )
    monkeypatch.setattr(runtime, "store", lambda: jobs.store)
    monkeypatch.setattr(runtime, "jobs", lambda: jobs)
    for waits in (training, runner):
        monkeypatch.setattr(waits, "AT_ONCE", float("inf"))
    st.cache_resource.clear()
    page = VIEWS.get(Path(path).stem)
    views = [{"view": view.id, "v": "2"} for view in page.views] if page else [{}]
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
    jobs.busy = Busy("900 trainings are waiting and this asks for 4 more")
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
    app = open_page(path, density="")
    assert "Nothing chosen." in text(app)
    assert not jobs.submitted


def extremes():
    """The first and the last choice of every control that a page has, as its address says it."""
    for path in (path for path in SMALL if Path(path).stem not in VIEWS):
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
    app = open_page(path, **address)
    value = app.session_state[name]
    said = [CONTROLS[name].text(each) for each in (value if isinstance(value, list) else [value])]
    assert [each.lower() for each in said] == [choice.lower()]
    if not jobs.submitted:
        button(app, "Train").click()
        again(app)
    jobs.finish()
    assert "networks." in text(again(app)) or "1 network." in text(app)


def test_the_best_seed_is_shown_and_the_others_are_told(jobs):
    app = open_page(SUPERPOSITION, look="1")
    jobs.finish()
    again(app)
    best = data(app, "Features represented", "best").set_index("density")["test_loss"]
    rest = data(app, "Features represented", "points").set_index("density")["test_loss"]
    assert (best <= rest[best.index]).all()
    assert f"test loss {best[1.0]:.4g}, the best of 2; the others have {rest[1.0]:.4g}." in text(app)


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


def test_the_command_at_the_end_of_a_page_trains_the_same_experiment():
    from toyviz.experiment import parse

    experiment = settings.EXPERIMENTS["double_descent"].paper.with_(n_samples=30, seed=2, weight_decay=0.0)
    words = ui.command("double_descent", experiment).split()
    assert words[:5] == ["python", "-m", "toyviz", "train", "double_descent"]
    assert words[5::2] == ["--set"] * len(words[6::2])
    changes = {name: parse(name, value) for name, value in (word.split("=") for word in words[6::2])}
    assert settings.EXPERIMENTS["double_descent"].quick.with_(**changes) == experiment
