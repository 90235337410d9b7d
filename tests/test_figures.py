"""The table of the post's figures against the pages: each is opened where its row says, with untrained networks."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import toyviz.charts
from toyviz import runtime, settings, ui
from toyviz.experiment import FIELD_NAMES
from toyviz.settings import FIGURES

ROOT = Path(__file__).parents[1]
PAGES = {path.stem: path.relative_to(ROOT).as_posix() for path in ROOT.glob("pages/*/*.py")}


@pytest.fixture(scope="module")
def opened(untrained, no_jobs):
    """Opens a view of a page, each only once: the charts drawn there, the experiments that it wanted, its texts."""
    seen = {}
    with pytest.MonkeyPatch.context() as patch:

        def open_view(page, address):
            if (page, tuple(address.items())) not in seen:
                seen[page, tuple(address.items())] = _open(patch, untrained(), no_jobs, PAGES[page], address)
            return seen[page, tuple(address.items())]

        yield open_view


def _open(patch, store, no_jobs, path, address):
    made, drawn = {}, []
    patch.setattr(runtime, "store", lambda: store)
    patch.setattr(runtime, "jobs", no_jobs)
    patch.setattr(ui, "claim", lambda *_: None)  # no claim can be judged of networks that nobody has trained
    with patch.context() as recording:
        for name in toyviz.charts.__all__:
            function = getattr(toyviz.charts, name)
            if callable(function) and not isinstance(function, type):
                recording.setattr(toyviz.charts, name, _recorded(name, function, made))
        draw = ui.draw

        def recorded_draw(figure, *rest, **options):
            drawn.append(made.get(id(figure), (None,))[0])
            draw(figure, *rest, **options)

        recording.setattr(ui, "draw", recorded_draw)
        st.cache_resource.clear()
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        for name, value in address.items():
            app.query_params[name] = value
        app.switch_page(path)
        app.run()
    assert not app.exception, [each.message for each in app.exception]
    return drawn, list(store.wanted), [each.value for each in app.markdown]


def _recorded(name, function, made):
    def record(*arguments, **options):
        figure = function(*arguments, **options)
        made[id(figure)] = name, figure  # kept, so that no other figure gets its id
        return figure

    return record


def of(experiment, name):
    """Whether it is of this named experiment: only the seed and what the experiment is swept over may differ."""
    setting = settings.EXPERIMENTS[name]
    free = {"seed", *setting.over}
    same = [field for field in FIELD_NAMES if field not in free]
    return any(all(getattr(experiment, f) == getattr(each, f) for f in same) for each in (setting.quick, setting.post))


@pytest.mark.parametrize("id", FIGURES)
def test_a_figure_is_drawn_in_the_view_of_its_page_that_the_table_names(id, opened):
    figure = FIGURES[id]
    drawn, _, _ = opened(figure.page, figure.address)
    assert figure.chart in drawn


@pytest.mark.parametrize("id", FIGURES)
def test_a_figure_shows_networks_of_the_experiments_that_the_table_names(id, opened):
    figure = FIGURES[id]
    _, wanted, _ = opened(figure.page, figure.address)
    assert figure.experiments
    for name in figure.experiments:
        assert any(of(experiment, name) for experiment in wanted), name


@pytest.mark.parametrize("name", settings.TABS)
def test_the_views_that_the_table_names_are_different_views(name, opened):
    addresses = {figure.tab: figure.address for figure in FIGURES.values() if figure.page == name}
    views = [opened(name, address) for address in addresses.values()]
    assert len({(tuple(drawn), tuple(said)) for drawn, _, said in views}) == len(views)


def test_the_figures_are_all_of_the_post_in_its_order():
    assert list(FIGURES) == [f"F{number}" for number in range(1, 46)]


def test_figures_differ_in_what_they_are_called():
    titles = [figure.title for figure in FIGURES.values()]
    assert len(set(titles)) == len(titles)
