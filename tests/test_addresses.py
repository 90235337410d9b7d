"""Every address opens: whatever a parameter of a page says, what makes no sense counts as if it were not there."""

import re
from pathlib import Path

import pytest
import streamlit as st
from conftest import app_at
from streamlit.proto.LabelVisibility_pb2 import LabelVisibility as LabelVisibilityMessage
from streamlit.runtime.state.query_params import QueryParams

from toyviz import runtime, studies, ui

ROOT = Path(__file__).parents[1]
OF_VIEWS = studies.pages()
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("pages/*/*.py") if path.stem not in OF_VIEWS)
VIEWS = {f"{page.id}-{view.id}": (page, view) for page in OF_VIEWS.values() for view in page.views}
NONSENSE = ("no such thing", "9" * 400, "-7", "1e400", "nan", "[1]", "\x00")  # unknown, huge, other types
FREE = ("words", "feature", "sample")  # a text and two numbers, which are taken as far as they go
ONCE = {  # an empty value of each was an exception
    "superposition": {"superposition", "look"},
    "limits": {"limits"},
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


@pytest.mark.parametrize(("home", "view"), VIEWS.values(), ids=VIEWS)
def test_what_makes_no_sense_in_the_address_of_a_view_is_said_and_its_default_is_shown(home, view, opens):
    (path,) = (path.relative_to(ROOT).as_posix() for path in ROOT.glob(f"pages/*/{home.id}.py"))
    names = [*(control.id for control in view.every_control), "step"]
    for said in (*NONSENSE, "", [*NONSENSE, *NONSENSE]):
        app, _ = opens(path, {"view": view.id, "v": "2"} | dict.fromkeys(names, said))
        visit = app.session_state[f"visit of {home.id}"]
        assert (visit.view, visit.choice(view)) == (view.id, view.default()), said
        (line,) = (each.value for each in app.markdown if each.value.startswith(":material/link_off:"))
        assert [name for name in names if not re.search(rf"\b{name}\b.*; shown: ", line, re.I)] == [], said
        opens(path, dict.fromkeys(names, said))  # as the first addresses were


@pytest.mark.parametrize("home", OF_VIEWS.values(), ids=OF_VIEWS)
def test_an_address_of_a_view_that_is_not_there_opens_the_first_and_says_so(home, opens):
    (path,) = (path.relative_to(ROOT).as_posix() for path in ROOT.glob(f"pages/*/{home.id}.py"))
    for said in NONSENSE:
        app, _ = opens(path, {"view": said, "v": said, said.replace("\x00", "?"): said})
        assert app.session_state[f"visit of {home.id}"].view == home.views[0].id
        (line,) = (each.value for each in app.markdown if each.value.startswith(":material/link_off:"))
        assert f"shown: {home.views[0].id}" in line
        assert "nothing here is called" in line
