"""Every page, opened without a browser; training is done by a stand-in. The states of a view: tests/test_stage.py."""

from pathlib import Path

import pytest
from conftest import again, app_at

from toyviz import gallery, menu, runtime, settings, studies, ui
from toyviz.experiment import parse
from toyviz.ui import runner

ROOT = Path(__file__).parents[1]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("pages/*/*.py"))
OF_VIEWS = studies.pages()
VIEWS = {f"{page.id}-{view.id}": (page, view) for page in OF_VIEWS.values() for view in page.views}


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_and_has_a_title_and_a_question(path, stand_in):
    app = again(app_at(path))
    assert len(app.title) == 1
    question = next(each.value for each in app.markdown if each.value.startswith("##### "))
    assert question.endswith("?") or path == "pages/start/home.py"


@pytest.mark.parametrize(("page", "view"), VIEWS.values(), ids=VIEWS)
def test_at_its_defaults_a_view_trains_nothing_but_what_is_shipped(page, view, stand_in, monkeypatch):
    monkeypatch.undo()  # the real experiments
    asked, shipped = {}, {each.key for each in gallery.wanted()}
    monkeypatch.setattr(
        stand_in, "submit", lambda experiments, *_, **__: asked.update({each.key: each for each in experiments})
    )
    monkeypatch.setattr(runtime, "store", lambda: stand_in.store)
    monkeypatch.setattr(runtime, "jobs", lambda: stand_in)
    monkeypatch.setattr(runner, "AT_ONCE", float("inf"))
    (path,) = (path for path in PAGES if Path(path).stem == page.id)
    again(app_at(path, view=view.id, v="2"))
    assert asked
    assert not asked.keys() - shipped


def test_every_page_is_in_the_menu_once_and_the_mlp_has_a_way_to_its_double_descent():
    entries = menu.entries()
    assert sorted(each.path for each in entries if not each.address) == PAGES
    (mlp,) = (each for each in entries if each.address)
    assert (mlp.section, mlp.path) == ("mlp_block", "pages/bottleneck/double_descent.py")
    opened = studies.page("double_descent").read(mlp.address)
    assert (opened.choice.network, opened.not_understood) == ("mlp", ())


def test_the_menu_has_the_sections_and_the_pages_in_their_order():
    entries = menu.entries()
    sections = [each.section for each in entries]
    assert list(dict.fromkeys(sections)) == list(menu.SECTIONS)
    assert sections == sorted(sections, key=list(menu.SECTIONS).index)
    for section in menu.SECTIONS:
        places = [each.place for each in entries if each.section == section]
        assert len(set(places)) == len(places), section
    assert len({each.name for each in entries}) == len(entries)


def test_the_command_at_the_end_of_a_page_trains_the_same_experiment():
    experiment = settings.EXPERIMENTS["double_descent"].paper.with_(n_samples=30, seed=2, weight_decay=0.0)
    words = ui.command("double_descent", experiment).split()
    assert words[:5] == ["python", "-m", "toyviz", "train", "double_descent"]
    assert words[5::2] == ["--set"] * len(words[6::2])
    changes = {name: parse(name, value) for name, value in (word.split("=") for word in words[6::2])}
    assert settings.EXPERIMENTS["double_descent"].quick.with_(**changes) == experiment
