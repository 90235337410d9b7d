"""The home page: a walk that never trains, with pictures where their networks are there, and ways that lead on."""

import re
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import streamlit as st
from conftest import app_at

from toyviz import gallery, runtime, settings, studies
from toyviz.claims import published
from toyviz.store import Store

ROOT = Path(__file__).parents[1]
HOME = "pages/start/home.py"
SECTIONS = ["residual stream", "MLP block", "final layer", "appendix"]  # in the post's order


@pytest.fixture
def walk(monkeypatch, no_jobs):
    """Opens the home page over a store; it may ask nobody to train anything, since the queue cannot."""

    def open_over(store):
        monkeypatch.setattr(runtime, "store", lambda: store)
        monkeypatch.setattr(runtime, "jobs", no_jobs)
        st.cache_resource.clear()
        st.cache_data.clear()
        app = app_at(HOME).run()
        assert not app.exception, [each.message for each in app.exception]
        return app

    return open_over


def pictures(app):
    return [element.proto for element in app.get("vega_lite_chart")]


def links(app):
    """The page and the parameters of the address that each link has."""
    return [(each.proto.page, each.proto.query_string) for each in app.get("page_link")]


def steps():
    """The steps of the walk that have a picture, as the page's text has them."""
    return re.findall(r"^    picture\((\w+)", (ROOT / HOME).read_text(encoding="utf-8"), re.M)


def test_without_any_trained_network_the_walk_is_told_without_their_pictures(walk):
    app = walk(Store(None))
    assert len(pictures(app)) == 1  # the drawing of the parts
    assert len(links(app)) == len(steps()) + 1  # and the claims


def test_every_step_has_its_picture_once_its_networks_are_there(walk, untrained):
    store = untrained()
    app = walk(store)
    assert len(pictures(app)) == len(steps()) + 1
    for chart in pictures(app):
        assert chart.alt.endswith(".")


def test_a_picture_comes_as_soon_as_its_networks_are_trained(walk, untrained):
    store = Store(None)
    app = walk(store)
    bare, full = len(pictures(app)), untrained()
    for experiment in settings.EXPERIMENTS["dictionary"].quick, settings.EXPERIMENTS["unembedding"].quick:
        store.put(full.get(experiment))
    app.run()
    assert not app.exception
    assert len(pictures(app)) == bare + 3  # the dictionary, the shapes, the logit


def test_pictures_are_made_once(walk, untrained):
    store = untrained()
    app = walk(store)
    before = dict(store.wanted)
    store.wanted.clear()
    app.run()
    assert before
    assert not store.wanted


def test_each_step_leads_to_a_view_that_has_its_chart_and_its_networks(opened):
    home = opened("home", {})
    pictures, ways = home.drawn[1:], home.links[:-1]  # without the parts, and without the claims
    assert len(pictures) == len(ways) == len(steps())
    for picture, (page, query) in zip(pictures, ways, strict=True):
        assert picture.networks, picture.key
        if page in studies.pages():
            assert studies.page(page).read(dict(parse_qsl(query))).not_understood == (), picture.key
        view = opened(page, dict(parse_qsl(query)))
        assert picture.chart in {each.chart for each in view.drawn}, picture.key
        assert set(picture.networks) <= set(view.wanted), picture.key


def test_what_the_pictures_show_is_shipped(walk, untrained):
    store = untrained()
    walk(store)
    shipped = {experiment.key for experiment in gallery.wanted()}
    missing = [experiment for experiment in store.wanted if experiment.key not in shipped]
    assert not missing


def test_the_sections_come_in_the_order_of_the_post(walk):
    headers = [each.value for each in walk(Store(None)).header]
    found = [next(k for k, header in enumerate(headers) if name in header) for name in SECTIONS]
    assert found == sorted(found)
    assert len(headers) == len(SECTIONS) + 2  # then the claims, and how to use it


def test_the_verdicts_are_counted_from_the_published_rows(monkeypatch, walk):
    rows = {id: dict(row, verdict="fails") for id, row in list(published.published().items())[:3]}
    monkeypatch.setattr(published, "published", lambda: rows)
    app = walk(Store(None))
    assert [(each.label, each.value) for each in app.metric] == [("hold", "0"), ("hold partly", "0"), ("fail", "3")]
    assert any("3 checks" in each.value for each in app.markdown)
