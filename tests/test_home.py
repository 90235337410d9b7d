"""The start: the home page, the course and the post figure by figure, which never train anything."""

import re

import pytest
import streamlit as st
from conftest import app_at

from toyviz import course, figures, gallery, runtime, settings, studies
from toyviz.claims import published
from toyviz.store import Store

HOME, COURSE, POST = (f"pages/start/{name}.py" for name in ("home", "course", "the_post"))
CHAPTERS = ["residual stream", "MLP block", "final layer", "appendix"]  # in the post's order
LESSON = course.course()


@pytest.fixture
def at(monkeypatch, no_jobs):
    """Opens a page over a store; it may ask nobody to train anything, since the queue cannot."""

    def open_over(path, store, **address):
        monkeypatch.setattr(runtime, "store", lambda: store)
        monkeypatch.setattr(runtime, "jobs", no_jobs)
        st.cache_resource.clear()
        app = app_at(path, timeout=300, **address).run()
        assert not app.exception, [each.message for each in app.exception]
        return app

    return open_over


def charts(app):
    return [element.proto for element in app.get("vega_lite_chart")]


def links(app):
    return [(each.proto.page, each.proto.query_string) for each in app.get("page_link")]


# ---- home


def test_home_has_three_ways_in_and_the_claims(at):
    app = at(HOME, Store(None))
    assert [page for page, _ in links(app)] == ["course", "the_post", "double_descent", "claims"]
    assert charts(app) == []  # none of its networks is there


def test_home_moves_through_the_shipped_networks_and_tells_of_each_frame(at, untrained):
    store = untrained()
    app = at(HOME, store)
    sizes = settings.SAMPLE_SIZES
    assert len(charts(app)) == 2
    (opening,) = app.get("bidi_component")
    texts = re.findall(r"T = ([\d,]+) samples", opening.proto.json)
    assert [int(text.replace(",", "")) for text in texts] == list(sizes)
    shipped = {experiment.key for experiment in gallery.wanted()}
    assert {experiment.key for experiment in store.wanted} <= shipped


def test_home_counts_the_verdicts_from_the_published_rows(monkeypatch, at):
    rows = {id: dict(row, verdict="fails") for id, row in list(published.published().items())[:3]}
    monkeypatch.setattr(published, "published", lambda: rows)
    app = at(HOME, Store(None))
    assert any("0 hold with every recipe, 0 with some, 0 hold in part, 3 do not" in each.value for each in app.markdown)


# ---- the course


@pytest.mark.parametrize("step", LESSON.steps, ids=lambda step: step.title)
def test_a_step_of_the_course_leads_to_a_view_that_has_its_picture(step):
    if step.place.page not in studies.pages():
        pytest.skip("a page that is not made of views yet")
    opened = studies.page(step.place.page).read(step.place.address)
    assert opened.not_understood == ()


def test_the_chapters_of_the_course_come_in_the_order_of_the_post():
    chapters = list(dict.fromkeys(step.chapter for step in LESSON.steps))
    assert [next(k for k, name in enumerate(CHAPTERS) if name in chapter) for chapter in chapters] == [0, 1, 2, 3]


def test_the_course_shows_the_step_of_the_address_and_goes_on_and_back(at):
    app = at(COURSE, Store(None), at="3")
    assert [each.value for each in app.subheader] == [LESSON.steps[2].title]
    app.button[1].click().run()
    assert [each.value for each in app.subheader] == [LESSON.steps[3].title]
    app.button[0].click().run()
    app.button[0].click().run()
    assert [each.value for each in app.subheader] == [LESSON.steps[1].title]


@pytest.mark.parametrize("at_", ["0", "99", "-1", "two", ""])
def test_the_course_begins_at_its_first_step_where_the_address_names_none(at, at_):
    app = at(COURSE, Store(None), at=at_)
    assert [each.value for each in app.subheader] == [LESSON.steps[0].title]
    assert app.button[0].disabled


def test_the_course_has_a_picture_once_the_networks_are_there(at, untrained):
    assert charts(at(COURSE, Store(None), at="2")) == []
    (chart,) = charts(at(COURSE, untrained(), at="2"))
    assert chart.alt.endswith(".")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("### A step\n\nText.\n", "step 'A step' must end with where it leads"),
        ("### A step\n\nText.\n\n[There](F99)\n", "step 'A step' leads nowhere: 'F99' is neither a figure"),
    ],
)
def test_a_mistake_in_the_course_names_the_step(tmp_path, text, sentence):
    file = tmp_path / "course.md"
    file.write_text(f"# A course\n\nWords.\n\n## A chapter\n\n{text}", encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(sentence)):
        course.course(file)


def test_a_course_is_what_its_file_says(tmp_path):
    file = tmp_path / "course.md"
    parts = ["# Mine\n\nWhy.", "## One", "### First\n\nSee [this](http://x).\n\n[There](F3)"]
    parts += ["### Second\n\nMore.\n\n[Here](/double_descent?T=5#loss)"]
    file.write_text("\n\n".join(parts), encoding="utf-8")
    found = course.course(file)
    assert (found.title, found.text, [step.chapter for step in found.steps]) == ("Mine", "Why.", ["One", "One"])
    first, second = found.steps
    assert (first.text, first.leads_to, first.place.block) == ("See [this](http://x).", "There", "loss")
    assert second.place == ("double_descent", {"T": "5"}, "loss")


# ---- the post


def test_every_figure_has_its_place_in_the_post_in_order():
    ids = [entry.id for entries in figures.sections().values() for entry in entries]
    assert ids == [f"F{number}" for number in range(1, 46)]


@pytest.mark.parametrize("section", figures.sections())
def test_the_post_tells_of_every_figure_of_a_section_and_leads_to_it(at, section):
    app = at(POST, Store(None), section=section)
    entries = figures.sections()[section]
    told = [each.value for each in app.markdown]
    for entry in entries:
        assert any(text.startswith(f"**{entry.id}. ") and entry.says in text for text in told)
    assert [page for page, _ in links(app)] == [entry.figure.page for entry in entries]


def test_the_claims_about_a_figure_are_those_of_its_network():
    bottleneck = {claim.id for claim in figures.claims_about("F3")}
    mlp = {claim.id for claim in figures.claims_about("F11")}
    assert "double_descent" in bottleneck
    assert "mlp_literal_double_descent" in mlp
    assert not bottleneck & mlp


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["## One", "- F1 no colon"], "'- F1 no colon' is not a line about a figure"),
        (["## One", "- F99: what"], "'- F99: what' is not a line about a figure"),
        (["## One", "- F1: what"], "nothing says what these figures show: F2, F3"),
    ],
)
def test_a_mistake_in_the_texts_of_the_figures_is_said(tmp_path, lines, sentence):
    file = tmp_path / "figures.md"
    file.write_text("\n".join(["# Figures", *lines]), encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(sentence)):
        figures.sections(file)
