"""What is asked on a page, of A too where it is pinned, and the nearest that is possible where that is not."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from toyviz import comparison, cost
from toyviz.ui import blocks
from toyviz.ui.visit import Visit
from toyviz.view import Choice, Page, Plan, View


class Asked(NamedTuple):
    """What is asked on a page, by whom."""

    page: Page
    view: View
    choice: Choice
    plan: Plan
    visit: Visit
    letter: str = "B"
    beside: Asked | None = None  # A, where it is pinned

    @property
    def whole(self) -> Plan:
        """The networks of all that is on the stage."""
        return comparison.joined(self.beside.plan, self.plan) if self.beside else self.plan


def asked_of(page: Page, view: View, visit: Visit) -> Asked:
    """What is asked, with a plan: where there is none for it, that of the nearest choice that has one."""
    return Asked(page, view, *_planned(view, visit), visit, beside=_beside(page, view, visit))


def _planned(view: View, visit: Visit) -> tuple[Choice, Plan]:
    """The choice and its plan; where there is none, the nearest choice that has one is taken, and why is said."""
    choice = visit.choice(view)
    try:
        plan = _plan(view, choice)
    except ValueError as error:
        shown, plan, told = _possible(view, choice, visit.sound)
        sentence = f"{error}; shown: {told}"
        if sentence not in visit.sentences:
            visit.sentences = (*visit.sentences, sentence)
        if dict(shown) == dict(choice):  # not even the defaults may be trained here
            return shown, plan
        visit.take(view, shown)
        visit.touched = True
        st.rerun()  # widgets and address have what was not possible
    visit.sound = choice
    return choice, plan


def _beside(page: Page, view: View, visit: Visit) -> Asked | None:
    """What is asked of A; where that has no plan, the nearest choice that has one is taken, and why is said."""
    choice = visit.beside(view)
    if choice is None:
        return None
    try:
        return Asked(page, view, choice, _plan(view, choice), visit, "A")
    except ValueError as error:
        shown, _, told = _possible(view, choice, None)
        visit.sentences = (*visit.sentences, f"of A, {error}; shown: {told}")
        if dict(shown) == dict(choice):
            visit.unpin()
        else:
            visit.pin(view, shown)
        st.rerun()


def _plan(view: View, choice: Choice) -> Plan:
    """The plan. Raises ValueError where there is none, and where more is opened than may be trained here."""
    plan = blocks.planned(view, choice)
    for each in plan.opened:
        cost.refuse(each)
    return plan


def _possible(view: View, choice: Choice, before: Choice | None) -> tuple[Choice, Plan, str]:
    """A choice that has a plan, and what it is: that of before, or this one with one control at its default, or all."""
    alone = [
        (choice.with_(**{each.id: each.default}), f"{each.id}={each.write(each.default)}")
        for each in view.every_control
    ]
    known = before is not None and set(before) == set(choice)
    for shown, told in [*([(before, "the settings before")] if known and before else []), *reversed(alone)]:
        try:
            return shown, _plan(view, shown), told
        except ValueError:
            continue
    return view.default(), view.plan(view.default()), "the defaults"
