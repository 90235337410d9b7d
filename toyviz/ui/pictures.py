"""Pictures of what is trained already: a block of a view, wherever it is to be seen beside its page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from toyviz import runtime, studies
from toyviz.charts import Chart
from toyviz.citation import PAPERS, POST
from toyviz.claims.published import published
from toyviz.course import Place
from toyviz.experiment import Experiment
from toyviz.figures import Entry, claims_about, sections
from toyviz.result import Result
from toyviz.sweep import Sweep
from toyviz.ui.frame import ROOT, draw, link
from toyviz.ui.verdicts import VERDICT_MARKS
from toyviz.view import Figure, Page, View

HEIGHT = 260  # of a thumbnail
MOST_MARKS = 3


def stored(experiments: Iterable[Experiment]) -> list[Result]:
    """Those of the experiments whose results are there already; nothing is trained."""
    found = (runtime.store().get(experiment) for experiment in experiments)
    return [result for result in found if result]


def picture(place: Place) -> Chart | None:
    """The chart that stands there; None while one of its networks is not trained. It is made once."""
    if place.page not in studies.pages():
        return None
    kept, key = _kept(), (place.page, tuple(sorted(place.address.items())), place.block)
    if key not in kept and (chart := _made(place)):
        kept[key] = chart
    return kept.get(key)


def _made(place: Place) -> Chart | None:
    opened = studies.page(place.page).read(place.address)
    view, choice = opened.view, opened.choice
    plan = view.plan(choice).settled(runtime.store().get)
    found = stored(plan.experiments)
    if len(found) < len(plan.experiments):
        return None
    sweep = Sweep(found, plan.experiments)
    looked_into = [result for each in plan.opened if (result := sweep.get(each))]
    for blocks in (view.show(choice, plan, sweep), view.inside(choice, *looked_into)):
        for block in blocks:
            if isinstance(block, Figure) and place.block in ("", block.id):
                return block.chart
    return None


@st.cache_resource(show_spinner=False)
def _kept() -> dict[tuple[object, ...], Chart]:
    """The pictures that were made already: the networks behind them never change, nor do the pictures."""
    return {}


def open_place(words: str, place: Place, where: Any = None) -> None:
    """A way to the view that has it."""
    (path,) = ROOT.glob(f"pages/*/{place.page}.py")
    link(path.relative_to(ROOT).as_posix(), where=where, label=words, query_params=place.address or None)


def post_figure(entry: Entry) -> None:
    """A figure of the post: a picture of it, what it shows, the way to its view, and the claims about it."""
    place = Place(entry.figure.page, dict(entry.figure.address), entry.figure.block or "")
    with st.container(border=True, key=f"figure-{entry.id}", gap="small"):
        st.markdown(f"**{entry.id}. {entry.figure.title}.** {entry.says}")
        chart = picture(place)
        with st.container(height=HEIGHT, border=False, key=f"thumbnail-{entry.id}"):
            if chart:
                draw(chart, key=f"picture-{entry.id}", fill=True)
            else:
                st.caption("Its networks are not trained here yet: open the view, and they are.")
        with st.container(horizontal=True, vertical_alignment="center"):
            open_place("Open", place)
            _claims_about(entry.id)


def _claims_about(id: str) -> None:
    """The claims about a figure behind a button that has their verdicts as marks."""
    rows = [row for found in claims_about(id) if (row := published().get(found.id))]
    if rows:
        with st.popover(" ".join(VERDICT_MARKS[row["verdict"]] for row in rows[:MOST_MARKS]), key=f"claims-{id}"):
            for row in rows:
                st.markdown(f"{VERDICT_MARKS[row['verdict']]} {row['statement']}")


def sources(page: Page | None = None, view: View | None = None) -> None:
    """Where the post and the papers are, and which figures of the post a view has."""
    every = [entry for part in sections().values() for entry in part]
    here = [each.id for each in every if page and view and (each.figure.page, each.figure.view) == (page.id, view.id)]
    figures = f"In the post: {', '.join(here)}. " if here else ""
    papers = ", ".join(f"[{each.title} ({each.year})]({each.address})" for each in PAPERS)
    st.caption(f"{figures}[The post]({POST.address}) by {POST.authors} ({POST.year}). The models: {papers}.")
