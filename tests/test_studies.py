"""What the views say of themselves, against the claims, the gallery and the record that they stand on."""

import pytest

from toyviz import settings, studies, tables
from toyviz.claims import CLAIMS, FIRST_SEED, SEEDS
from toyviz.experiment import SCHEDULES, WARMED_UP
from toyviz.studies import shared_controls
from toyviz.sweep import Sweep
from toyviz.train import train

PAGES = studies.pages()
VIEWS = {f"{page.id}-{view.id}": (page, view) for page in PAGES.values() for view in page.views}
JUDGED = [claim for claim in CLAIMS.values() if claim.page in PAGES]
views = pytest.mark.parametrize(("page", "view"), VIEWS.values(), ids=VIEWS)


# What no control of a view asks for: the paper's size beside ours; decays at one size alone; a warm-up for each of two
# lengths; other biases for each network of a map.
NOT_SHOWN = {
    *(("ten_times_earlier", recipe) for recipe in ("quick", "paper", "plain")),
    *(("decay_costs_accuracy", recipe) for recipe in ("quick", "paper", "plain", "notebook")),
    *((f"entropy_{name}", "notebook") for name in ("is_a_dictionary", "grows", "cosines", "biases")),
    *(("middle_relu_is_the_limit", recipe) for recipe in ("plain", "notebook")),
    ("cosines_cluster_or_spread", "plain"),
}


@pytest.mark.parametrize(
    ("claim", "recipe"),
    [pytest.param(claim, recipe, id=f"{claim.id}-{recipe}") for claim in JUDGED for recipe in claim.recipes],
)
def test_a_claim_opens_the_networks_at_which_it_was_judged(claim, recipe):
    page, view, choice = studies.evidence(claim, recipe)
    assert claim.id in view.claims
    planned = set(view.plan(choice).experiments)
    if studies.shows(claim, recipe):
        for seed in range(FIRST_SEED, FIRST_SEED + (SEEDS if "seeds" in choice else 1)):
            assert set(claim.evidence(recipe, seed)) <= planned
    assert studies.shows(claim, recipe) == ((claim.id, recipe) not in NOT_SHOWN)
    opened = page.read(page.write(view, choice))
    assert (opened.view.id, dict(opened.choice), opened.not_understood) == (view.id, dict(choice), ())


@views
def test_a_view_shows_claims_of_its_page_and_each_is_shown_by_one(page, view):
    assert all(CLAIMS[id].page == page.id for id in view.claims)
    assert {claim.id for claim in JUDGED if claim.page == page.id} == {id for each in page.views for id in each.claims}
    assert [CLAIMS[id].view for id in view.claims] == [view.id] * len(view.claims)


@pytest.mark.parametrize("view", ["over_t", "schedule"])
def test_the_double_descent_page_shows_the_absolute_value_and_never_its_rank_floor(view):
    asked = studies.page("double_descent").view(view)
    small = {"network": "abs_output", "n_features": 40, "sparsity": 0.9, "steps": 20}
    choice = asked.default(**{id: value for id, value in small.items() if id in asked.default()}, seeds=1)
    every = asked.plan(choice)
    assert {each.arch for each in every.experiments} == {"abs_output"}
    few = [train(each.with_(steps=20, warmup=0, schedule="constant")) for each in every.experiments[:2]]
    assert [tables.rank_floor(each) for each in few] == [None, None]
    assert list(asked.show(choice, every, Sweep([], every.experiments)))


def test_a_schedule_that_is_chosen_keeps_its_warm_up_where_it_has_one():
    asked = studies.page("double_descent").view("over_t")
    for recipe in settings.RECIPES:
        for schedule in SCHEDULES:
            (opened,) = asked.plan(asked.default(recipe=recipe, schedule=schedule)).opened
            own = settings.EXPERIMENTS["double_descent"].at(recipe)
            assert opened.schedule == schedule
            assert opened.warmup == (own.warmup if schedule in WARMED_UP else 0)


def test_every_recipe_and_schedule_is_told_in_plain_words():
    assert set(shared_controls.SCHEDULE_LABELS) == {shared_controls.OWN, *SCHEDULES}
    told = shared_controls.RECIPE.help.lower()
    assert [name for name in settings.RECIPES if f"{name}:" not in told] == []
