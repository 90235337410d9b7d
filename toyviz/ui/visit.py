"""What one browser session has chosen and asked for on a page of views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from toyviz.control import Choice, Control
from toyviz.experiment import Experiment
from toyviz.view import Page, View


@dataclass
class Visit:
    """Where this session stands on one page. Widgets only show it: what a widget is told is put in here, or refused."""

    view: str
    chosen: dict[tuple[str, str], Any] = field(default_factory=dict)  # (control, its default) -> value
    pinned: dict[tuple[str, str], Any] | None = None  # likewise what was chosen for A, where A stands beside the rest
    subtracts: bool = False  # whether maps show B - A instead of B
    presents: bool = False  # whether the stage is shown to a room
    step: int | None = None  # that the address asked for
    sentences: tuple[str, ...] = ()  # about what was asked for and is not possible
    written: Mapping[str, str] | None = None  # the address as we know it
    before: Mapping[str, str] | None = None  # what it was before we wrote it, at this time:
    wrote_at: float = 0.0
    touched: bool = False  # whether a widget was, since the address was written
    sound: Choice | None = None  # the last that had a plan
    asked: tuple[Experiment, ...] = ()  # for training
    cancelled: frozenset[str] = frozenset()  # keys of what this visitor gave up
    refused: str = ""  # why the queue did not take what was asked
    left: float | None = None  # seconds that were told last to be left
    follows: bool = True  # whether one looks at what trains, rather than at what is opened
    held: bool = False  # whether one has gone back in the history of what trains
    watched: Experiment | None = None  # that one looks at while following

    def value(self, control: Control) -> Any:
        """What is chosen for a control: views share it where their defaults are the same."""
        return self.chosen.get(_place(control), control.default)

    def put(self, control: Control, value: Any, of_a: bool = False) -> None:
        """Choose a value, for A where that is said and something is pinned."""
        chosen = self.pinned if of_a and self.pinned is not None else self.chosen
        chosen[_place(control)] = value

    def choice(self, view: View) -> Choice:
        """What is chosen for a view."""
        return Choice({each.id: self.value(each) for each in view.every_control})

    def beside(self, view: View) -> Choice | None:
        """What is chosen for A; None where nothing is pinned."""
        if self.pinned is None:
            return None
        return Choice({each.id: self.pinned.get(_place(each), each.default) for each in view.every_control})

    def pin(self, view: View, choice: Choice) -> None:
        """Make this A."""
        self.pinned = {**self.chosen, **{_place(each): choice[each.id] for each in view.every_control}}
        self.touched = True

    def unpin(self) -> None:
        """Have the one stage again: B's."""
        self.pinned, self.subtracts, self.touched = None, False, True

    def swap(self) -> None:
        """A becomes B, and B becomes A."""
        if self.pinned is not None:
            self.chosen, self.pinned, self.touched = self.pinned, self.chosen, True

    def take(self, view: View, choice: Choice) -> None:
        """Choose all of these."""
        self.view = view.id
        for each in view.every_control:
            self.put(each, choice[each.id])

    def reset(self, view: View) -> None:
        """Choose the defaults of this view."""
        self.take(view, view.default())
        self.step, self.sentences, self.touched = None, (), True


def visit(page: Page) -> Visit:
    """This session's visit of a page."""
    found: Visit = st.session_state.setdefault(f"visit of {page.id}", Visit(page.views[0].id))
    return found


def _place(control: Control) -> tuple[str, str]:
    return control.id, repr(control.default)
