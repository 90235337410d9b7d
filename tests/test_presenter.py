"""The stage before a room: every text large enough, the same choice and step, and nothing but the stage."""

import json
import re
from copy import deepcopy

import pytest
from conftest import again, app_at, button, text

from tests.test_charts import FIGURES
from tests.test_stage import PAGE, PATH, SMALL, address, charts, clock, elements, line, visit
from toyviz.charts import legible
from toyviz.ui import presenter, style

SIZED = ("fontSize", "labelFontSize", "titleFontSize")


def sizes(node, name=""):
    """Every size of a text in a specification: a number, or the least that its expression gives where it draws any."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in SIZED:
                yield (
                    value
                    if not isinstance(value, dict)
                    else float(re.search(r"\? 0 : max\(([\d.]+),", value["expr"])[1])
                )
            else:
                yield from sizes(value, key)
    elif isinstance(node, list):
        for each in node:
            yield from sizes(each, name)


def axes_and_texts(node):
    """Every axis and every text of a specification."""
    if isinstance(node, dict):
        if isinstance(node.get("axis"), dict):
            yield node["axis"], ("labelFontSize", "titleFontSize")
        if isinstance(node.get("mark"), dict) and node["mark"].get("type") == "text":
            yield node["mark"], ("fontSize",)
        for value in node.values():
            yield from axes_and_texts(value)
    elif isinstance(node, list):
        for each in node:
            yield from axes_and_texts(each)


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_no_text_of_a_chart_is_smaller_than_asked(figure):
    before = deepcopy(figure.spec)
    large = legible({**figure.spec, "datasets": figure.data}, 20)
    assert figure.spec == before  # others draw it as it is
    assert large["datasets"] is figure.data
    assert all(size >= 20 for size in sizes(large))
    assert all(name in part for part, names in axes_and_texts(large) for name in names)
    assert json.dumps(legible(figure.spec, 1)).count("fontSize") >= json.dumps(before).count("fontSize")


def test_a_size_stays_where_it_is_large_enough_and_a_text_without_room_is_left_out():
    spec = {"mark": {"type": "text", "fontSize": 30}, "title": {"fontSize": {"expr": "width / 9"}}, "axis": {}}
    found = legible(spec, 20)
    assert found["mark"]["fontSize"] == 30
    assert found["title"]["fontSize"]["expr"] == "(width / 9) < 18 ? 0 : max(20, width / 9)"
    assert found["axis"] == {"labelFontSize": 20, "titleFontSize": 20}
    assert legible({"axis": None}, 20) == {"axis": None}


def test_a_text_of_the_least_size_has_18_pixels_on_a_screen_of_1280_by_720():
    zoom = min(1280 / presenter.SLIDE[0], 720 / presenter.SLIDE[1])
    assert 18 <= presenter.LEAST * zoom < 18.2


@pytest.fixture
def jobs(stand_in):
    return stand_in


def open_at(**more):
    return again(app_at(PATH, **(SMALL | more)))


def styles(app):
    return "".join(each.proto.body for each in app.get("html"))


def test_a_link_opens_the_stage_alone_and_keeps_its_choice_and_step(jobs):
    app = open_at(T="3")
    jobs.finish()
    app = open_at(T="3", step="5", present="1")
    assert visit(app).presents
    assert style.PRESENTED in styles(app)
    assert "**Double descent: Over T**" in text(app)
    assert [each for key, each in elements(app._tree) if key == "status"] == []  # nothing to tell a room
    for _, chart in charts(app):
        assert all(size >= presenter.LEAST for size in sizes(json.loads(chart.spec)))
    assert clock(app)["step"] == 5
    places = [key for key, _ in charts(app)]
    visit(app).presents, visit(app).touched = False, True  # as p or Escape
    again(app)
    assert style.PRESENTED not in styles(app)
    assert "present" not in address(app)
    assert (address(app)["T"], address(app)["step"]) == ("3", "5")
    assert [key for key, _ in charts(app)] == places
    assert "networks, trained and kept." in line(app)
    visit(app).presents, visit(app).touched = True, True
    again(app)
    assert address(app)["present"] == "1"
    assert (address(app)["T"], address(app)["step"]) == ("3", "5")


def test_a_training_is_told_before_a_room_too(jobs):
    app = open_at(T="3", present="1")
    assert "**Training:** 0 of 4 networks" in line(app)
    assert button(app, "Cancel")


def test_a_and_b_are_shown_to_a_room_without_their_curves(jobs):
    app = open_at(T="3", present="1", **{"a.T": "10"})
    jobs.finish()
    again(app)
    assert [key for key, _ in charts(app)] == [
        f"at-{who}{id}" for who in ("a-", "") for id in ("loss", "columns", "hidden", "largest_over_steps")
    ]
    assert clock(app)["beside"]["steps"] == clock(app)["steps"]


def test_the_keys_turn_to_the_views_before_and_behind(jobs, monkeypatch):
    heard = {}

    def mounted(*, key, data, on_present_change, on_turn_change, height):
        heard.update(data=data, present=on_present_change, turn=on_turn_change)

    monkeypatch.setattr(presenter, "PRESENTER", mounted)
    here = type("Visit", (), {"presents": True, "touched": False, "view": "over_t", "sentences": ()})()
    said = type("Said", (), {"present": None, "turn": None})()
    monkeypatch.setattr(presenter.st, "session_state", {"presenter": said})
    for view, turn, expected in (("over_t", "on", "bias"), ("bias", "back", "over_t"), ("over_t", "back", "over_t")):
        here.view = view
        presenter.draw(PAGE, PAGE.view(view), here)
        said.turn = turn
        heard["turn"]()
        assert here.view == expected
    said.present = "no"
    heard["present"]()
    assert (here.presents, here.touched) == (False, True)
    assert heard["data"] == {"on": True, "slide": [800, 450]}


def test_a_room_sees_no_more_beside_the_stage_than_what_is_opened(jobs):
    app = open_at(T="3", present="1")
    assert not [each for each in app.button if each.label == "Compare"]
    rules = style.PRESENTED.split("display: none !important")[0]
    assert {".st-key-look-for", ".st-key-look-for-pointer"} <= {each.strip() for each in rules.split(",")}
    assert ".st-key-opens {flex-wrap: nowrap}" in style.STAGE
    visit(app).presents, visit(app).touched = False, True
    again(app)
    assert button(app, "Compare")
