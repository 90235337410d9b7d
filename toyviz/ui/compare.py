"""Two stages side by side: A, which was pinned, and B, which goes on being chosen, under one clock and on one scale."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from toyviz import charts, comparison
from toyviz.experiment import Experiment
from toyviz.ui.visit import Visit
from toyviz.view import Choice, Figure, Plan, View

ABREAST = 3  # figures that stand in a row of one side


def pinning(view: View, visit: Visit) -> None:
    """What pins A, where nothing is pinned yet."""
    if visit.pinned is None:
        about = "Keep what is on the stage as A, and go on changing: both stand side by side."
        st.button("Compare", icon=":material/compare:", key="pin", help=about, on_click=_pin, args=(view, visit))


def pinned(visit: Visit) -> None:
    """What is done with A: swap it with B, or go back to one stage."""
    st.button("Swap", key="swap", help="A becomes B, and B becomes A.", on_click=visit.swap)
    st.button("Unpin", key="unpin", help="One stage again: B's.", on_click=visit.unpin)


def _pin(view: View, visit: Visit) -> None:
    visit.pin(view, visit.choice(view))


def subtraction(page_id: str, visit: Visit) -> None:
    """Whether maps with the same cells show B - A."""
    key = f"{page_id} subtracts"
    st.session_state[key] = visit.subtracts

    def changed() -> None:
        visit.subtracts, visit.touched = st.session_state[key], True

    st.toggle("B − A", key=key, on_change=changed)


def headings(
    a: Sequence[Experiment], b: Sequence[Experiment], others: Sequence[comparison.Difference] = ()
) -> tuple[str, str]:
    """What stands above either side: its values of exactly the fields that differ, and what the two have in common.

    others: the controls that differ without changing what is opened; they are told after the fields.
    """
    fields = comparison.field_differences(a, b)
    found = [*fields, *others]
    first = comparison.heading("A", [(each.name, each.a) for each in found])
    second = comparison.heading("B", [(each.name, each.b) for each in found])
    if not fields:
        return first, f"{second}{' ·' if others else ''} the same network, opened twice"
    return first, f"{second} · {comparison.origin(a[0], b[0], named=False)}" if a and b else second


def told(view: View, choices: tuple[Choice, Choice], plans: tuple[Plan, Plan]) -> None:
    """What differs between A and B, as a table, and whether they begin and are trained alike."""
    (a, b), (plan_a, plan_b) = choices, plans
    fields = comparison.field_differences(plan_a.opened, plan_b.opened)
    others = comparison.other_differences(view, a, b)
    rows = [(each.name, each.a, each.b) for each in (*fields, *others)]
    if not rows:
        st.markdown("**A and B** are the same still: change something at the left.")
        return
    alike = comparison.origin(plan_a.opened[0], plan_b.opened[0]) if plan_a.opened and plan_b.opened else ""
    st.markdown(f"**What differs between A and B**{f': {alike}.' if alike else ''}")
    st.dataframe(pd.DataFrame(rows, columns=["what", "A", "B"]), hide_index=True, key="differences", width="content")


def few_rows(figures: Sequence[str]) -> list[tuple[str, ...]]:
    """So many figures in as few rows as leave each some width: half of a stage is not high."""
    rows = -(-len(figures) // ABREAST)
    each = -(-len(figures) // max(rows, 1))
    return [tuple(figures[k : k + each]) for k in range(0, len(figures), max(each, 1))]


def pairs(a: Sequence[Figure], b: Sequence[Figure]) -> list[tuple[Figure, Figure]]:
    """The figures that both sides have."""
    of_a = {figure.id: figure for figure in a}
    return [(of_a[figure.id], figure) for figure in b if figure.id in of_a]


def curves(a: Sequence[Figure], b: Sequence[Figure]) -> list[Figure]:
    """The curves over the steps of both sides, those of one id in one chart."""
    return [
        Figure(of_b.id, charts.laid_over(of_a.chart, of_b.chart))
        for of_a, of_b in pairs(a, b)
        if of_a.chart.spec is of_b.chart.spec and charts.is_clock_curve(of_b.chart)
    ]


def are_maps(a: Sequence[Figure], b: Sequence[Figure]) -> bool:
    """Whether any figures of both sides can be subtracted."""
    return any(subtracted(*pair) for pair in pairs(a, b))


def subtracted(a: Figure, b: Figure) -> Figure | None:
    """B - A in the place of B; None where these cannot be subtracted."""
    chart = charts.difference(a.chart, b.chart)
    return b._replace(chart=chart) if chart else None


def on_shared_scales(
    a: Sequence[Figure], b: Sequence[Figure], subtracts: bool = False
) -> tuple[list[Figure], list[Figure]]:
    """The figures of both sides, what both have on shared scales; B's as B - A where that is wanted."""
    shared_a, shared_b = ({figure.id: figure for figure in side} for side in (a, b))
    for of_a, of_b in pairs(a, b):
        chart_a, chart_b = charts.shared_scales(of_a.chart, of_b.chart)
        shared_a[of_a.id], shared_b[of_b.id] = of_a._replace(chart=chart_a), of_b._replace(chart=chart_b)
        if subtracts:
            shared_b[of_b.id] = subtracted(of_a, of_b) or shared_b[of_b.id]
    return list(shared_a.values()), list(shared_b.values())
