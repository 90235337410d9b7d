"""Every address opens: whatever a parameter of a page says, what makes no sense counts as if it were not there."""

import re
from pathlib import Path

import pytest
import streamlit as st
from conftest import app_at

from toyviz import runtime, studies
from toyviz.ui import stage

ROOT = Path(__file__).parents[1]
OF_VIEWS = studies.pages()
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("pages/*/*.py") if path.stem not in OF_VIEWS)
VIEWS = {f"{page.id}-{view.id}": (page, view) for page in OF_VIEWS.values() for view in page.views}
NONSENSE = ("no such thing", "9" * 400, "-7", "1e400", "nan", "[1]", "\x00")  # unknown, huge, other types


@pytest.fixture
def opens(monkeypatch, untrained, no_jobs):
    """Opens a page at an address, over networks that nobody has trained."""
    store = untrained()
    monkeypatch.setattr(runtime, "store", lambda: store)
    monkeypatch.setattr(runtime, "jobs", no_jobs)
    monkeypatch.setattr(stage, "claim", lambda *claim: None)
    st.cache_resource.clear()

    def open_at(path, address):
        app = app_at(path, **address).run()
        assert not app.exception, (address, [each.message for each in app.exception])
        return app

    return open_at


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("said", [*NONSENSE, ""])
def test_what_makes_no_sense_in_an_address_counts_as_if_it_were_not_there(path, said, opens):
    names = ("at", "section", "verdict", "words", "claim", "no such thing")
    opens(path, dict.fromkeys(names, said))


def makes_sense(control, said):
    """Whether a control takes this, which is nonsense for most."""
    try:
        control.read(said)
    except ValueError:
        return False
    return True


def takes(control, said):
    """Whether it makes sense to this control: a bias may start at -7."""
    try:
        control.read(said if isinstance(said, str) else ",".join(said))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(("home", "view"), VIEWS.values(), ids=VIEWS)
def test_what_makes_no_sense_for_a_control_is_said_and_its_default_is_read(home, view):
    for said in (*NONSENSE, "", ",".join([*NONSENSE, *NONSENSE])):
        names = [control.id for control in view.every_control if not makes_sense(control, said)] + ["step"]
        opened = home.read({"view": view.id, "v": "2"} | dict.fromkeys(names, said))
        assert (opened.view, dict(opened.choice), opened.step) == (view, dict(view.default()), None), said
        told = " ".join(opened.not_understood)
        assert [name for name in names if not re.search(rf"\b{name}\b.*; shown: |{name}=.*; shown: ", told)] == [], said


@pytest.mark.parametrize(("place", "home", "view"), [(k, *VIEWS[id]) for k, id in enumerate(VIEWS)], ids=VIEWS)
def test_a_view_opens_whatever_its_address_says(place, home, view, opens):
    (path,) = (path.relative_to(ROOT).as_posix() for path in ROOT.glob(f"pages/*/{home.id}.py"))
    said = NONSENSE[place % len(NONSENSE)]
    names = [*(control.id for control in view.every_control if not makes_sense(control, said)), "step"]
    app = opens(path, {"view": view.id, "v": "2"} | dict.fromkeys(names, said))
    visit = app.session_state[f"visit of {home.id}"]
    assert (visit.view, visit.choice(view)) == (view.id, view.default())
    assert any(each.value.startswith(":material/link_off:") for each in app.markdown)
    opens(path, dict.fromkeys(names, said))  # as the first addresses were


@pytest.mark.parametrize("home", OF_VIEWS.values(), ids=OF_VIEWS)
def test_an_address_of_a_view_that_is_not_there_opens_the_first_and_says_so(home, opens):
    (path,) = (path.relative_to(ROOT).as_posix() for path in ROOT.glob(f"pages/*/{home.id}.py"))
    for said in NONSENSE[:3]:
        app = opens(path, {"view": said, "v": said, said.replace("\x00", "?"): said})
        assert app.session_state[f"visit of {home.id}"].view == home.views[0].id
        (line,) = (each.value for each in app.markdown if each.value.startswith(":material/link_off:"))
        assert f"shown: {home.views[0].id}" in line
        assert "nothing here is called" in line
