"""What a view says is worked out once for all who look at the same, and what to look for is told beside the stage."""

import gc
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df, convert_pandas_df_to_arrow_bytes
from streamlit.testing.v1 import AppTest

from toyviz import live, studies
from toyviz.charts import Chart
from toyviz.model import initial_parameters
from toyviz.queue import LiveFrame, Status
from toyviz.sweep import Sweep
from toyviz.ui import blocks, look_for, stage
from toyviz.ui.blocks import Kept, Lazily
from toyviz.ui.frame import with_data
from toyviz.ui.sent import _known, as_sent
from toyviz.view import Text

PAGE = studies.page("double_descent")
VIEW = PAGE.view("over_t")


def test_what_is_kept_is_worked_out_once_and_the_oldest_is_dropped():
    kept, worked = Kept(2), []
    for key in "abacab":
        assert kept.get(key, lambda key=key: worked.append(key) or (key,)) == (key,)
    assert worked == ["a", "b", "c", "b"]  # a was asked for after b, so b was dropped for c


def test_thirty_who_ask_at_the_same_time_wait_for_one_working_out():
    kept, worked, go = Kept(2), [], threading.Event()

    def work():
        go.wait(10)
        worked.append(1)
        return ("done",)

    found = []
    asking = [threading.Thread(target=lambda: found.append(kept.get("a", work))) for _ in range(30)]
    for each in asking:
        each.start()
    go.set()
    for each in asking:
        each.join()
    assert (len(worked), found) == (1, [("done",)] * 30)


def test_a_working_out_that_fails_fails_for_who_asked_and_is_tried_again():
    kept = Kept(2)

    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept.get("a", fail)
    assert kept.get("a", lambda: ("now",)) == ("now",)


def test_a_view_is_asked_again_when_another_network_is_trained_or_another_choice_is_made(untrained, monkeypatch):
    store, asked = untrained(), []
    choice = VIEW.default(n_samples=(3, 5), seeds=1)
    plan = VIEW.plan(choice)
    done = [store.get(each) for each in plan.experiments]
    kept = Kept(8)
    monkeypatch.setattr(blocks, "_kept_shown", lambda: kept)
    show = VIEW.show
    monkeypatch.setitem(VIEW.__dict__, "show", lambda *of: asked.append(len(of[2])) or show(*of))
    for results in (done[:1], done[:1], done, done):
        said = blocks.shown(PAGE, VIEW, choice, plan, Sweep(results, plan.experiments))
        assert [block.id for block in said] == [
            block.id for block in show(choice, plan, Sweep(results, plan.experiments))
        ]
    assert asked == [1, len(done)]
    blocks.shown(PAGE, VIEW, choice.with_(seeds=2), plan, Sweep(done, plan.experiments))
    assert asked == [1, len(done), len(done)]


def test_a_block_is_worked_out_when_it_is_asked_for_and_once_for_all():
    worked, fails = [], [True]

    def work():
        for k in range(4):
            worked.append(k)
            if k == 2 and fails.pop():
                raise ValueError("no")
            yield Text(str(k), "")

    several = Lazily(work)
    one, other = iter(several), iter(several)
    assert next(one) is next(other)
    assert worked == [0]
    with pytest.raises(ValueError, match="no"):
        list(other)
    assert worked == [0, 1, 2]
    fails.append(False)
    assert [block.id for block in several] == ["0", "1", "2", "3"]
    assert [block.id for block in one] == ["1", "2", "3"]
    assert worked == [0, 1, 2, 0, 1, 2, 3]


def test_what_stands_below_is_not_worked_out_for_the_stage(untrained, monkeypatch):
    store, worked = untrained(), []
    choice = VIEW.default(n_samples=(3, 5), seeds=1)
    plan = VIEW.plan(choice)
    sweep = Sweep([store.get(each) for each in plan.experiments], plan.experiments)
    kept, show = Kept(8), VIEW.show
    monkeypatch.setattr(blocks, "_kept_shown", lambda: kept)

    def watched(*of):
        for block in show(*of):
            worked.append(block.id)
            yield block

    monkeypatch.setitem(VIEW.__dict__, "show", watched)
    (loss,) = stage._staged(VIEW.stage, blocks.shown(PAGE, VIEW, choice, plan, sweep))
    assert worked == ["loss"]
    every = list(blocks.shown(PAGE, VIEW, choice, plan, sweep))
    assert every[0] is loss
    assert worked == [block.id for block in every]
    assert len(every) > 5


def test_a_plan_is_made_once_for_all_who_choose_the_same(monkeypatch):
    asked, kept = [], Kept(8)
    monkeypatch.setattr(blocks, "_kept_plans", lambda: kept)
    plan = VIEW.plan
    monkeypatch.setitem(VIEW.__dict__, "plan", lambda choice: asked.append(choice.T) or plan(choice))
    for T in (10, 10, 30, 10):
        choice = VIEW.default(T=T)
        assert blocks.planned(VIEW, choice) == plan(choice)
    assert asked == [10, 30]


def test_a_network_in_training_is_drawn_once_for_all_who_see_it_at_the_same_step(monkeypatch):
    asked, kept = [], Kept(8)
    monkeypatch.setattr(blocks, "_kept_of_now", lambda: kept)
    choice = VIEW.default()
    (opened,) = VIEW.plan(choice).opened
    inside = VIEW.inside
    monkeypatch.setitem(VIEW.__dict__, "inside", lambda *of: asked.append(len(of[1].losses)) or inside(*of))

    def seen(step, points):
        losses = np.arange(1, points + 1), np.ones(points, np.float32)
        history = (LiveFrame(step, initial_parameters(opened), {}),)
        status = Status("running", step, opened.steps, 1.0, None, None, None, history, losses)
        return (live.unfinished(opened, status, newest_only=True),)

    said = [blocks.inside(PAGE, VIEW, choice, seen(*at)) for at in ((10, 1), (10, 1), (20, 1), (20, 2), (20, 2))]
    assert asked == [1, 1, 2]
    assert said[0] is said[1]
    assert said[3] is said[4]


def test_what_is_sent_of_a_figure_is_put_into_its_form_once_and_forgotten_with_it():
    data = pd.DataFrame({"x": [1.5, 2.5], "word": ["a", "b"]})
    figure = Chart({"mark": "point"}, {"points": data}, "Two points.")
    first, second = (with_data(figure)["datasets"]["points"] for _ in range(2))
    assert first is second
    pd.testing.assert_frame_equal(convert_arrow_bytes_to_pandas_df(first), data, check_dtype=False)
    number = id(data)
    assert number in _known
    del data, figure
    gc.collect()
    assert number not in _known


@pytest.mark.parametrize(
    "values",
    [
        [0, 127, -128],
        [0, 128],
        [40_000, -1],
        [2**40, 0],
        [0.5, 2.0, np.nan, np.inf],
        [0.1, 1 / 3],  # not the same numbers in 32 bits
        [True, False],
        ["a", "b", "a", "a"],
        [f"n{k}" for k in range(400)],
        ["a", None, "a", "a"],
        [],
    ],
    ids=str,
)
def test_a_browser_is_sent_every_number_and_text_as_it_is_in_fewer_bytes(values):
    frame = pd.DataFrame({"x": values})
    sent = as_sent(frame)
    (column,) = pa.ipc.open_stream(sent).read_all().columns
    told = column.to_pylist()
    assert len(told) == len(values)
    assert all(a == b or (a != a and b != b) for a, b in zip(told, values, strict=True))
    assert len(sent) < len(convert_pandas_df_to_arrow_bytes(frame))


def test_a_file_more_in_a_folder_of_views_is_found(tmp_path):
    (tmp_path / "first.py").touch()
    assert studies._listed([str(tmp_path)]) == (("first", False),)
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "__init__.py").touch()
    assert studies._listed([str(tmp_path)]) == (("first", False), ("second", True))


def drawn(*texts):
    def page(texts):
        from toyviz.ui import look_for

        look_for.draw(texts)

    app = AppTest.from_function(page, args=(texts,), default_timeout=60).run()
    assert not app.exception
    return app


def test_each_line_of_what_to_look_for_stands_apart_and_says_what_it_points_at():
    app = drawn(
        Text("look_for", "**What to look for**\n\n- First.\n- Second,\n  longer.", ("T=5", "")),
        Text("not_shown", "**Not shown**"),
    )
    assert [each.value for each in app.markdown] == [
        *("**What to look for**", "1. ◎ First.", "2. Second,\n  longer.", "**Not shown**")
    ]
    (pointer,) = app.get("bidi_component")
    assert '"marks": ["T=5", ""]' in pointer.proto.json


def test_without_such_a_text_there_is_no_button():
    app = drawn(Text("other", "Words."))
    assert not app.markdown
    assert not app.get("bidi_component")


def test_what_the_button_opens_need_not_stand_below():
    assert look_for.is_told_there(Text("look_for", ""))
    assert not look_for.is_told_there(Text("told", ""))
