"""The table of the post's figures against the pages: each is opened where its row says, with untrained networks."""

import pytest

from toyviz import settings
from toyviz.experiment import FIELD_NAMES
from toyviz.settings import FIGURES


def of(experiment, name):
    """Whether it is of this named experiment: only the seed and what the experiment is swept over may differ."""
    setting = settings.EXPERIMENTS[name]
    free = {"seed", *setting.over}
    same = [field for field in FIELD_NAMES if field not in free]
    return any(all(getattr(experiment, f) == getattr(each, f) for f in same) for each in (setting.quick, setting.paper))


@pytest.mark.parametrize("id", FIGURES)
def test_a_figure_is_drawn_in_the_view_of_its_page_that_the_table_names(id, opened):
    figure = FIGURES[id]
    drawn = [(each.key, each.chart) for each in opened(figure.page, figure.address).drawn]
    assert drawn.count((figure.key, figure.chart)) == 1


@pytest.mark.parametrize("id", FIGURES)
def test_a_figure_shows_networks_of_the_experiments_that_the_table_names(id, opened):
    figure = FIGURES[id]
    view = opened(figure.page, figure.address)
    assert figure.experiments
    for name in figure.experiments:
        assert any(of(experiment, name) for experiment in view.wanted), name


@pytest.mark.parametrize("name", settings.TABS)
def test_the_views_that_the_table_names_are_different_views(name, opened):
    addresses = {figure.tab: figure.address for figure in FIGURES.values() if figure.page == name}
    views = [opened(name, address) for address in addresses.values()]
    shown = {(tuple((each.key, each.chart) for each in view.drawn), tuple(view.said)) for view in views}
    assert len(shown) == len(views)


def test_no_two_figures_are_the_same_chart_of_the_same_view():
    places = [(figure.page, tuple(sorted(figure.address.items())), figure.key) for figure in FIGURES.values()]
    assert len(set(places)) == len(places)


def test_the_figures_are_all_of_the_post_in_its_order():
    assert list(FIGURES) == [f"F{number}" for number in range(1, 46)]


def test_figures_differ_in_what_they_are_called():
    titles = [figure.title for figure in FIGURES.values()]
    assert len(set(titles)) == len(titles)
