"""What a view wants and says, worked out once for all who look at the same: a class at one page costs one page."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

import streamlit as st

from toyviz.comparison import Widened
from toyviz.result import Result
from toyviz.sweep import Sweep
from toyviz.view import Block, Choice, Page, Plan, View

MOST = 24  # that are kept: views at one choice with the networks that are trained of it
MOST_OF_NOW = 8  # of networks in training, each as it is at one moment
Worked = TypeVar("Worked")


class Kept(Generic[Worked]):
    """The newest of what was worked out; two who ask for the same at the same time wait for one working out."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: OrderedDict[Hashable, Worked] = OrderedDict()
        self._working: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, key: Hashable, work: Callable[[], Worked]) -> Worked:
        """What is kept under this key, or what work says now."""
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            mine = self._working.setdefault(key, threading.Lock())
        with mine:
            with self._guard:
                if key in self._kept:
                    return self._kept[key]
            try:
                done = work()
            finally:
                with self._guard:
                    self._working.pop(key, None)
            with self._guard:
                self._kept[key] = done
                while len(self._kept) > self.most:
                    self._kept.popitem(last=False)
        return done


class Lazily:
    """Blocks that are worked out one after the other as they are asked for, each once for all who ask."""

    def __init__(self, work: Callable[[], Iterator[Block]]) -> None:
        self._work, self._coming = work, work()
        self._there: list[Block] = []
        self._working = threading.Lock()

    def __iter__(self) -> Iterator[Block]:
        """From the first one on. Raises what working one out raises; it is tried again when it is next asked for."""
        for place in itertools.count():
            with self._working:
                if place == len(self._there):
                    try:
                        self._there.append(next(self._coming))
                    except StopIteration:
                        return
                    except BaseException:
                        self._coming = itertools.islice(self._work(), place, None)
                        raise
            yield self._there[place]


def planned(view: View, choice: Choice) -> Plan:
    """view.plan(choice). Raises what it raises."""
    return _kept_plans().get((view, _told(choice)), lambda: view.plan(choice))


def shown(page: Page, view: View, choice: Choice, plan: Plan, sweep: Sweep) -> Iterable[Block]:
    """view.show(...) of what is trained so far, as far as one goes through it. Others have the same blocks."""
    spans = plan.partner if isinstance(plan, Widened) else plan  # A and B, beside each other, have the sizes of both
    asked = (tuple(each.key for each in some) for some in (plan.opened, spans.experiments))
    key = (page.id, view.id, _told(choice), _known(sweep), *asked)
    return _kept_shown().get(key, lambda: Lazily(lambda: view.show(choice, plan, sweep)))


def inside(page: Page, view: View, choice: Choice, results: tuple[Result, ...]) -> tuple[Block, ...]:
    """view.inside(...), of a network in training as it is at this moment."""
    key = (page.id, view.id, "inside", _told(choice), _known(results))
    if all(result.finished for result in results):
        return _kept().get(key, lambda: tuple(view.inside(choice, *results)))
    now = (*key, *((result.finished, result.loss_steps.tobytes()) for result in results))
    return _kept_of_now().get(now, lambda: tuple(view.inside(choice, *results)))


def _known(results: Iterable[Result]) -> tuple[tuple[str, bytes], ...]:
    """Which networks these are, and which of their frames."""
    return tuple((each.experiment.key, each.frame_steps.tobytes()) for each in results)


def _told(choice: Choice) -> tuple[tuple[str, object], ...]:
    return tuple(sorted(choice.items()))


@st.cache_resource(show_spinner=False)
def _kept_shown() -> Kept[Lazily]:
    return Kept(MOST)


@st.cache_resource(show_spinner=False)
def _kept() -> Kept[tuple[Block, ...]]:
    return Kept(MOST)


@st.cache_resource(show_spinner=False)
def _kept_of_now() -> Kept[tuple[Block, ...]]:
    return Kept(MOST_OF_NOW)


@st.cache_resource(show_spinner=False)
def _kept_plans() -> Kept[Plan]:
    return Kept(MOST)
