"""Every address opens: whatever a parameter of a page says, what makes no sense counts as if it were not there."""

from pathlib import Path

import pytest
import streamlit as st
from conftest import app_at
from streamlit.proto.LabelVisibility_pb2 import LabelVisibility as LabelVisibilityMessage
from streamlit.runtime.state.query_params import QueryParams

from toyviz import runtime, ui

ROOT = Path(__file__).parents[1]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("pages/*/*.py"))
NONSENSE = ("no such thing", "9" * 400, "-7", "1e400", "nan", "[1]", "\x00")  # unknown, huge, other types
FREE = ("words", "feature", "sample")  # a text and two numbers, which are taken as far as they go
ONCE = {  # an empty value of each was an exception
    "double_descent": {"descent", "seeds", "map_seeds"},
    "superposition": {"superposition", "look"},
    "limits": {"limits"},
    "privileged_basis": {"look", "starts"},
    "fish": {"fish", "fish_features"},
    "unembedding": {"final", "labels"},
    "dictionaries": {"tab", "squared_seeds"},
    "decompiler": {"levels", "active"},
}
COLLAPSED = LabelVisibilityMessage.COLLAPSED  # as the label of a choice of views is


@pytest.fixture
def opens(monkeypatch, untrained, no_jobs):
    """Opens a page at an address, over networks that nobody has trained; tells its parameters and what they came to."""
    store, bound = untrained(), {}
    plain_bind = QueryParams.bind_widget

    def bind(self, param_key, widget_id, value_type, script_hash):
        bound[param_key] = value_type
        plain_bind(self, param_key, widget_id, value_type, script_hash)

    monkeypatch.setattr(QueryParams, "bind_widget", bind)
    monkeypatch.setattr(runtime, "store", lambda: store)
    monkeypatch.setattr(runtime, "jobs", no_jobs)
    monkeypatch.setattr(ui, "claim", lambda *claim: None)
    st.cache_resource.clear()

    def open_at(path, address):
        bound.clear()
        app = app_at(path, **address).run()
        assert not app.exception, (address, [each.message for each in app.exception])
        return app, {name: app.session_state[name] for name in bound}

    return open_at


def views(opens, path):
    """The address of every view of a page, with the parameters that the page takes there and their values."""
    app, chosen = opens(path, {})
    yield {}, chosen
    tabs = [each for each in app.main.get("button_group") if each.proto.label_visibility.value == COLLAPSED]
    for tab in tabs[:1]:
        for option in tab.options[1:]:
            address = {tab.key: option}
            yield address, opens(path, address)[1]


@pytest.mark.parametrize("path", PAGES)
def test_what_makes_no_sense_in_an_address_counts_as_if_it_were_not_there(path, opens):
    tried = set()
    for view, chosen in views(opens, path):
        names = sorted(chosen.keys() - view.keys())
        tried |= chosen.keys()
        several = [name for name in names if isinstance(chosen[name], list)]  # of which none may be chosen too
        single = [name for name in names if name not in several]
        free = [name for name in single if name in FREE]

        def says(address, known, view=view, chosen=chosen):
            told = opens(path, view | address)[1]
            assert {name: told[name] for name in known} == {name: chosen[name] for name in known}, (view, address)

        twice = {name: [f"{value:g}" for value in chosen[name]] * 2 for name in several}
        says(dict.fromkeys(single, "") | twice, names)
        if several:
            says(dict.fromkeys(several, ""), [])
        known = [name for name in single if name not in free]
        says({name: NONSENSE[(at + len(tried)) % len(NONSENSE)] for at, name in enumerate(names)}, known)
        says({name: [*NONSENSE, *NONSENSE] for name in names}, known)
        for value in NONSENSE if free else ():
            says(dict.fromkeys(free, value), [])
    assert tried >= ONCE.get(Path(path).stem, set())
