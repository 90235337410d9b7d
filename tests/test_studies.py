"""What the views say of themselves, against the claims, the gallery and the record that they stand on."""

import pytest

from toyviz import studies
from toyviz.claims import CLAIMS, SEEDS

PAGES = studies.pages()
VIEWS = {f"{page.id}-{view.id}": (page, view) for page in PAGES.values() for view in page.views}
JUDGED = [claim for claim in CLAIMS.values() if claim.page in PAGES]
views = pytest.mark.parametrize(("page", "view"), VIEWS.values(), ids=VIEWS)


@pytest.mark.parametrize("claim", JUDGED, ids=lambda claim: claim.id)
def test_a_claim_opens_the_networks_at_which_it_was_judged(claim):
    page, view, choice = studies.evidence(claim)
    assert claim.id in view.claims
    planned = set(view.plan(choice).experiments)
    for seed in range(SEEDS if "seeds" in choice else 1):
        assert set(claim.evidence(claim.published_size, seed)) <= planned
    opened = page.read(page.write(view, choice))
    assert (opened.view.id, dict(opened.choice), opened.not_understood) == (view.id, dict(choice), ())


@views
def test_a_view_shows_claims_of_its_page_and_each_is_shown_by_one(page, view):
    assert all(CLAIMS[id].page == page.id for id in view.claims)
    assert {claim.id for claim in JUDGED if claim.page == page.id} == {id for each in page.views for id in each.claims}
    assert [CLAIMS[id].view for id in view.claims] == [view.id] * len(view.claims)
