"""The visitors of `make load` before a real server, though not before the app; and what is made of what they saw."""

import asyncio
import os
import signal
import statistics
import subprocess
import sys

import pytest
from conftest import in_a_loop
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests import load
from tests.visitor import FRAGMENT, PAGE, REMEMBERED, Screen, Tally, Visitor
from toyviz import gallery, studies
from toyviz.__main__ import pages

SCRIPT = """
import streamlit as st

def forming():
    st.select_slider("Width", ["2", "3", "4"], key="width", bind="query-params")
    st.markdown("width " + st.session_state.width)
    looks = st.session_state.setdefault("looks", {"left": 0})

    def view():
        if st.button("Train", key="train"):
            looks["left"] = 4
            st.rerun()
        if looks["left"] == 1:
            looks["left"] = 0
            st.rerun()
        looks["left"] = max(looks["left"] - 1, 0)
        st.markdown(":material/check_circle: **1,234 networks.**" if st.session_state.get("seen") else "none yet")
        st.session_state["seen"] = st.session_state.get("seen") or bool(looks["left"])

    st.fragment(view, run_every=0.05 if looks["left"] else None)()

def boxed():
    address = st.query_params.get("width", "2")
    st.session_state.setdefault("boxed width", address)
    written = chr(0x200b).__add__
    st.query_params["width"] = st.selectbox("Width", ["2", "3", "4"], key="boxed width", format_func=written)
    st.markdown("width " + st.session_state["boxed width"])

def large():
    st.markdown("large " * 20_000)

def wrong():
    raise ValueError("wrong on purpose")

st.navigation([st.Page(forming), st.Page(boxed), st.Page(large), st.Page(wrong)]).run()
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A server of a small script, with a slider, a button, a fragment with a timer, and a page that fails."""
    script = tmp_path_factory.mktemp("script") / "small.py"
    script.write_text(SCRIPT)
    with load.running(300, script=str(script)) as stage:
        yield stage


def visit(stage, *steps):
    """One visitor takes the steps; what was counted."""

    async def taken():
        stage.tally = Tally()
        async with stage.visitor() as visitor:
            for step in steps:
                await step(visitor)

    in_a_loop(taken())
    return stage.tally


def test_a_visitor_opens_pages_by_their_addresses_and_moves_a_slider(stage):
    read = []

    async def look(visitor):
        read.append(([text for text in visitor.screen.said if text.startswith("width")], visitor.screen.address))

    async def move(visitor):
        await visitor.move("width", "4")
        await visitor.settled()

    tally = visit(stage, lambda visitor: visitor.open("", width=3), look, move, look)
    assert read == [(["width 3"], "width=3"), (["width 4"], "width=4")]
    assert (len(tally.pages), tally.errors) == (2, [])
    assert tally.messages > 4
    assert tally.bytes > tally.messages


def test_a_visitor_chooses_from_a_list_and_the_page_writes_the_address(stage):
    read = []

    async def look(visitor):
        read.append(([text for text in visitor.screen.said if text.startswith("width")], visitor.screen.address))

    async def choose(visitor):
        await visitor.move("width", "4")
        await visitor.settled()

    tally = visit(stage, lambda visitor: visitor.open("boxed", width=3), look, choose, look)
    assert read == [(["width 3"], "width=3"), (["width 4"], "width=4")]
    assert (len(tally.pages), tally.errors) == (2, [])


@pytest.mark.parametrize(
    ("said", "networks"),
    [
        (":material/check_circle: **1,234 networks.** Training took 3 s of computing", 1234),
        (":material/check_circle: 52 networks, trained and kept.", 52),
        (":material/check_circle: 1 network, trained and kept. 12 frames of this one's history are shipped.", 1),
        (":material/model_training: **Training:** 2 of 52 networks, about 3 s left.", None),
    ],
)
def test_a_screen_knows_when_all_networks_are_there(said, networks):
    screen = Screen()
    screen.said = ["52 networks", said]
    assert screen.networks == networks


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("Training: 1 of 4 networks done, about 3 s left", "Training: 1 of 4 networks done, about 3 s left"),
        (
            ":material/model_training: **Training:** 2 of 52 networks, nearly done.",
            "Training: 2 of 52 networks, nearly done.",
        ),
        (":material/model_training: Waiting: 3 networks before this.", "Waiting: 3 networks before this."),
        (":material/hourglass_empty: **Not trained yet.** It needs much.", load.NOT_TRAINED),
        (":material/hourglass_empty: **Not trained yet:** 104 of 104 networks; about 3 min", load.NOT_TRAINED),
        ("**Training loss** is what falls", "nothing"),
    ],
)
def test_where_a_training_stands_is_read_from_what_the_page_says(said, status):
    visitor = Visitor(0, Tally())
    visitor.screen.said = ["A Training", said]
    assert load.status(visitor) == status


def test_a_fragment_with_a_timer_is_run_again_until_the_networks_are_there(stage):
    tally = visit(
        stage,
        lambda visitor: visitor.open(""),
        lambda visitor: visitor.press("train"),
        lambda visitor: visitor.trained(),
    )
    assert tally.errors == []
    assert len(tally.pages) == 2  # as it was opened, and after the click
    assert len(tally.polls) >= 1
    assert len(tally.trainings) == 1


def test_a_page_without_a_timer_and_without_its_networks_is_not_waited_for(stage):
    async def not_trained(visitor):
        assert not await visitor.trained()

    assert visit(stage, lambda visitor: visitor.open(""), not_trained).trainings == []


def test_what_a_script_raises_is_an_error_and_so_is_a_page_that_is_not_there(stage):
    tally = visit(stage, lambda visitor: visitor.open("wrong"), lambda visitor: visitor.open("nowhere"))
    assert len(tally.errors) == 2
    assert "ValueError" in tally.errors[0]
    assert "nowhere" in tally.errors[1]
    assert len(tally.pages) == 2  # they came to their end all the same


def test_a_large_message_comes_once_and_is_referred_to_afterwards(stage):
    sizes = []

    async def size(visitor):
        sizes.append(visitor.tally.bytes)

    tally = visit(stage, *[lambda visitor: visitor.open("large"), size] * 3)
    assert tally.errors == []
    assert sizes[0] > 100_000
    assert sizes[2] - sizes[0] < 20_000


def test_a_server_that_ends_is_an_error_of_each_of_its_visitors(tmp_path):
    script = tmp_path / "small.py"
    script.write_text("import streamlit as st; st.write('here')")

    async def left_alone(stage):
        async with stage.visitor() as visitor:
            await visitor.open("")
            os.kill(stage.meter.root, signal.SIGTERM)
            async with asyncio.timeout(300):
                while not stage.tally.errors:
                    await asyncio.sleep(0.01)
            assert not await visitor.trained()

    with load.running(300, script=str(script)) as stage:
        in_a_loop(left_alone(stage))
    assert len(stage.tally.errors) == 1
    assert "connection" in stage.tally.errors[0]


def test_a_page_that_does_not_come_is_an_error_after_as_long_as_a_visitor_is_patient(stage):
    tally = Tally()

    async def impatient():
        async with Visitor(stage.port, tally, patience=300) as visitor:
            visitor.patience = 0.001
            visitor._asked[PAGE] = 0.0  # asked, and never sent
            assert not await visitor.settled()

    in_a_loop(impatient())
    assert tally.errors == ["waited 0 s in vain for the page"]


# -- what a screen makes of messages -----------------------------------------------------------------------------------


def begin(screen, *fragments, page="p"):
    made = ForwardMsg()
    made.new_session.page_script_hash = page
    made.metadata.run.fragment_ids.extend(fragments)
    screen.take(made.SerializeToString())


def end(screen, how):
    return screen.take(ForwardMsg(script_finished=how).SerializeToString())


def test_a_run_that_is_broken_off_for_another_is_no_end_of_a_page():
    screen = Screen()
    begin(screen)
    assert end(screen, ForwardMsg.FINISHED_EARLY_FOR_RERUN) is None
    begin(screen, "fragment")
    assert end(screen, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY) == FRAGMENT
    begin(screen)
    assert end(screen, ForwardMsg.FINISHED_SUCCESSFULLY) == PAGE
    assert (screen.runs, screen.errors) == (2, [])


def test_a_script_that_does_not_compile_is_an_error():
    screen = Screen()
    begin(screen)
    end(screen, ForwardMsg.FINISHED_WITH_COMPILE_ERROR)
    assert screen.errors == ["the script does not compile"]


def test_a_run_of_the_whole_page_ends_all_timers_and_a_run_of_a_fragment_none():
    screen = Screen()
    begin(screen)
    timer = ForwardMsg()
    timer.auto_rerun.interval, timer.auto_rerun.fragment_id = 0.5, "live"
    screen.take(timer.SerializeToString())
    begin(screen, "live")
    assert screen.timers == {"live": 0.5}
    begin(screen)
    assert screen.timers == {}


def test_large_messages_are_kept_for_a_few_runs_and_a_reference_to_a_lost_one_is_an_error():
    screen = Screen()
    large = ForwardMsg(hash="h")
    large.metadata.cacheable = True
    large.delta.new_element.markdown.body = "large"
    screen.take(large.SerializeToString())
    for _ in range(REMEMBERED):
        begin(screen)
        assert screen.cached == ["h"]
    screen.take(ForwardMsg(ref_hash="h").SerializeToString())
    assert screen.said == ["large"]  # and kept from now on, since it was shown again
    for _ in range(REMEMBERED):
        begin(screen)
    assert screen.cached == ["h"]
    begin(screen)
    assert screen.cached == []
    screen.take(ForwardMsg(ref_hash="h").SerializeToString())
    assert len(screen.errors) == 1


# -- what is told ------------------------------------------------------------------------------------------------------


def test_the_spread_of_waiting_times_is_that_of_the_standard_library():
    seconds = [float(value**2 % 101) for value in range(1, 42)]
    told = load.spread(seconds)
    assert told["count"] == 41
    assert told["median"] == statistics.median(seconds)
    assert told["p95"] == pytest.approx(statistics.quantiles(seconds, n=20, method="inclusive")[-1])
    assert told["max"] == max(seconds)
    assert load.spread([]) == {"count": 0, "median": None, "p95": None, "max": None}


@pytest.mark.skipif(not load.HAS_PROC, reason="processes are looked at in /proc")
def test_the_meter_counts_what_processes_use_and_which_workers_end():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', {!r}, 'toyviz.' 'worker'])"
    busy = "print('on', flush=True); sum(range(30_000_000)); print('done', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code.format(busy)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout.readline() == "on\n"
        meter = load.Meter(server.pid)
        meter.start_again()
        assert server.stdout.readline() == "done\n"
        meter.look()
        assert meter.cpu(worker=True) > 0
        assert meter.cpu(worker=False) == pytest.approx(0, abs=meter.cpu(worker=True))
        assert meter.most["workers"] > 1e6
        assert meter.memory() > 1e6
        assert meter.workers_lost() == 0
        server.communicate("\n")
        meter.look()
        assert meter.workers_lost() == 1


@pytest.mark.parametrize("has_proc", [True, False])
def test_every_row_of_the_table_has_a_cell_for_every_column(monkeypatch, tmp_path, has_proc):
    monkeypatch.setattr(load, "HAS_PROC", has_proc)
    stage = load.Stage(0, tmp_path, load.Meter(0), 1)
    stage.tally = Tally([1.0, 3.0], [], [0.25], ["ValueError: wrong"], 10, 20_000)
    row = load.row(stage, 2.0, 0.5)
    lines = load.table({"browse": row}).split("\n")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [len(line) for line in cells] == [len(load.COLUMNS)] * 3
    found = list(zip(load.COLUMNS, cells[2], strict=True))
    assert found[:6] == [
        *(("scenario", "browse"), ("page runs", "2"), ("errors", "1"), ("page: median", "2.00"), ("p95", "2.90")),
        ("polls", "0"),
    ]
    assert dict(found)["messages/s"] == "5.00"
    assert dict(found)["kB/s"] == "10.00"
    assert dict(found)["CPU server"] == ("0.00" if has_proc else "–")
    assert "ValueError: wrong" in load.remarks({"browse": row})


def test_a_scenario_that_takes_too_long_is_stopped_and_told(tmp_path):
    async def endless(_stage):
        await asyncio.sleep(3600)

    stage = load.Stage(0, tmp_path, load.Meter(0), 1)
    row = in_a_loop(load.played(stage, load.Scenario(endless, longest=0.01, warm=False)))
    assert "stopped" in row["told"]


def test_the_visitors_read_every_page_of_the_menu():
    assert {path or "home" for path in load.PAGES} == {page["name"] for page in pages()}


@pytest.mark.parametrize(
    ("page", "address", "networks"),
    [
        (*load.MANY, 104),
        (*load.FLOOD, 800),
        ("double_descent", load.WATCHED, 1),
        ("double_descent", load.ONE | {"n_hidden": 8}, 1),
        ("double_descent", load.ONE | {"n_features": load.SETTINGS[0][0], "sparsity": load.SETTINGS[0][1]}, 1),
    ],
)
def test_what_the_visitors_have_trained_is_as_much_as_is_said_and_not_shipped(page, address, networks):
    found = studies.page(page).read({name: str(value) for name, value in address.items()})
    wanted = found.view.plan(found.choice).experiments
    assert len(wanted) == networks
    assert not {each.key for each in wanted} & {each.key for each in gallery.wanted()}


def test_all_scenarios_together_fit_into_six_minutes_and_each_has_a_sentence():
    assert load.LONGEST < 360
    assert all(scenario.play.__doc__ for scenario in load.SCENARIOS.values())
