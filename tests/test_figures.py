"""The figures of the post against the pages: each is opened where its row says, with untrained networks."""

from dataclasses import replace

import pytest

from toyviz import settings, studies
from toyviz.experiment import FIELD_NAMES
from toyviz.figures import figures
from toyviz.sweep import Sweep
from toyviz.view import Figure

FIGURES = figures()


def of(experiment, name):
    """Whether it is of this named experiment: only the seed and what the experiment is swept over may differ."""
    setting = settings.EXPERIMENTS[name]
    free = {"seed", *setting.over, *(["importance_decay"] if name == "limits" else [])}  # its grid has both importances
    same = [field for field in FIELD_NAMES if field not in free]
    return any(all(getattr(experiment, f) == getattr(each, f) for f in same) for each in (setting.quick, setting.paper))


def at(figure):
    """The view that has it, the choice at which it has it, and the networks of that."""
    opened = studies.page(figure.page).read(figure.address)
    assert opened.not_understood == ()
    return opened.view, opened.choice, opened.view.plan(opened.choice)


@pytest.mark.parametrize("id", FIGURES)
def test_a_figure_is_a_block_of_the_view_that_its_address_opens(id, untrained):
    figure, store = FIGURES[id], untrained()
    view, choice, plan = at(figure)
    assert (view.id, view.figures[id].block) == (figure.view, figure.block)
    blocks = [
        *view.show(choice, plan, Sweep(map(store.get, plan.experiments), plan.experiments)),
        *view.inside(choice, *map(store.get, plan.opened)),
    ]
    assert [block.id for block in blocks if isinstance(block, Figure)].count(figure.block) == 1


@pytest.mark.parametrize("id", FIGURES)
def test_a_figure_in_a_view_is_of_the_experiments_that_the_view_names(id):
    view, choice, plan = at(FIGURES[id])
    assert FIGURES[id].experiments
    assert view.named(choice) in FIGURES[id].experiments
    for name in FIGURES[id].experiments:
        assert any(of(experiment, name) for experiment in plan.experiments), name


@pytest.mark.parametrize("id", FIGURES)
def test_the_address_of_a_figure_in_a_view_says_everything(id):
    view, choice, _ = at(FIGURES[id])
    assert set(FIGURES[id].address) == {"view", "v", *(each.id for each in view.every_control)}
    assert choice == view.default(**view.figures[id].choice)


def test_no_two_figures_are_the_same_chart_of_the_same_view():
    places = [(figure.page, tuple(sorted(figure.address.items())), figure.block) for figure in FIGURES.values()]
    assert len(set(places)) == len(places)


def test_the_figures_are_all_of_the_post_in_its_order():
    assert list(FIGURES) == [f"F{number}" for number in range(1, 46)]


def test_figures_differ_in_what_they_are_called():
    titles = [figure.title for figure in FIGURES.values()]
    assert len(set(titles)) == len(titles)


def test_a_figure_has_one_place(monkeypatch):
    page = studies.page("double_descent")
    first, second, *others = page.views
    (id, figure), *_ = first.figures.items()
    twice = replace(second, figures=dict(second.figures) | {id: figure})
    monkeypatch.setattr(studies, "pages", lambda: {page.id: replace(page, views=(first, twice, *others))})
    with pytest.raises(ValueError, match=f"{id} is on double_descent and in double_descent, {second.id}: a figure has"):
        figures()
