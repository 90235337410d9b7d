"""What a visitor wants trained: asked for, looked after, given up."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from toyviz import cost, live, order, runtime
from toyviz.experiment import Experiment
from toyviz.queue import Busy, Status
from toyviz.result import Result
from toyviz.sweep import Sweep
from toyviz.ui.visit import Visit
from toyviz.view import Plan

AT_ONCE = 120.0  # seconds of expected training up to which it starts without being asked
LIVE = ("queued", "running")
LONGER = 1.5  # times what was told last is longer than expected


@dataclass(frozen=True)
class Progress:
    """Where a plan stands."""

    plan: Plan
    sweep: Sweep  # what is trained
    missing: tuple[Experiment, ...]
    statuses: Mapping[str, Status]  # key -> where its job stands, of the missing, and of what failed to be trained anew
    cancelled: bool  # whether this visitor gave some of them up

    @property
    def live(self) -> list[Experiment]:
        """What is on its way."""
        return [each for each in self.missing if self._state(each) in LIVE]

    @property
    def failed(self) -> list[Experiment]:
        """What could not be trained."""
        return [each for each in self.missing if self._state(each) == "failed"]

    @property
    def idle(self) -> list[Experiment]:
        """What nobody has asked for."""
        return [each for each in self.missing if self._state(each) not in (*LIVE, "failed")]

    @property
    def seconds(self) -> float:
        """About how long what is missing takes, by how fast this machine has trained so far."""
        left = {each.key: cost.expected(each).seconds * (1 - self._done(each)) for each in self.missing}
        told = {key: status.seconds_left for key, status in self.statuses.items() if status.seconds_left is not None}
        paces = [seconds / left[key] for key, seconds in told.items() if left[key] > 0]
        factor = max(speed_factor(), float(np.median(paces)) if paces else 0.0)
        seconds = [told.get(key, factor * each) for key, each in left.items()]
        return max(sum(seconds) / runtime.at_once(), max(seconds, default=0.0))

    def _state(self, experiment: Experiment) -> str | None:
        status = self.statuses.get(experiment.key)
        return status.state if status else None

    def _done(self, experiment: Experiment) -> float:
        """The share of its steps that a network has taken."""
        status = self.statuses.get(experiment.key)
        return status.step / status.steps if status and status.state == "running" else 0.0


def wanted(plan: Plan, visit: Visit) -> Progress:
    """Give up what this visitor does not want any more, and ask for what is missing if that is short."""
    keys = {each.key for each in plan.experiments}
    runtime.jobs().cancel([each for each in visit.asked if each.key not in keys], runtime.visitor())
    others = [each.key for each in visit.asked] != [each.key for each in plan.experiments]
    if others:
        visit.refused, visit.left, visit.watched, visit.held = "", None, None, False
        visit.cancelled = visit.cancelled & keys
    visit.asked = plan.experiments
    progress = look(plan, visit)
    if progress.idle and not progress.cancelled and not visit.refused and progress.seconds <= AT_ONCE:
        ask(progress.missing, plan, visit)
        progress = look(plan, visit)
    elif others and progress.live:  # another of them is opened, and so wanted first
        ask(progress.live, plan, visit)
    return progress


def ask(experiments: Sequence[Experiment], plan: Plan, visit: Visit, again: bool = False, anew: bool = False) -> None:
    """Have these of a plan trained, those that failed only if again, those that are stored only if anew.

    The opened ones come first, then the others coarse to fine. What is in the way is put into visit.refused.
    """
    visit.cancelled, visit.refused = frozenset(), ""
    try:
        wanted = sorted(order.coarse_to_fine(experiments), key=lambda each: each not in plan.opened)
        runtime.jobs().submit(wanted, runtime.visitor(), again=again, anew=anew, first=plan.opened)
    except (Busy, ValueError) as refusal:
        visit.refused = str(refusal)


def cancel(experiments: Sequence[Experiment], visit: Visit) -> None:
    """Give these up; another visitor may still want them."""
    runtime.jobs().cancel(list(experiments), runtime.visitor())
    visit.cancelled = frozenset(each.key for each in experiments)


def look(plan: Plan, visit: Visit) -> Progress:
    """Where the plan stands now, the best of its rivals opened; looking says that the visitor still wants it."""
    store, jobs = runtime.store(), runtime.jobs()
    plan = plan.settled(store.get)
    done, missing, statuses = [], [], {}
    for each in plan.experiments:
        status = None if each.key in visit.cancelled else jobs.status(each)
        known = store.whole if each in plan.opened else store.get
        result = None if status and status.state in LIVE else known(each)
        if status and (not result or status.state == "failed"):
            statuses[each.key] = status
        if result:
            done.append(result)
        else:
            missing.append(each)
    jobs.touch([each for each in missing if each.key not in visit.cancelled], runtime.visitor())
    given_up = any(each.key in visit.cancelled for each in missing)
    return Progress(plan, Sweep(done, plan.experiments), tuple(missing), statuses, given_up)


def watched(progress: Progress, visit: Visit) -> tuple[Experiment, ...]:
    """The networks that one looks at: the opened ones, or, while following one, the one that trains."""
    opened = progress.plan.opened
    if not visit.follows or len(opened) != 1 or opened[0].key in progress.statuses:
        visit.watched = None
        return opened
    if visit.held and visit.watched:
        return (visit.watched,)
    running = [each for each in progress.live if progress.statuses[each.key].state == "running"]
    if visit.watched not in running:
        visit.watched = running[0] if running else visit.watched if progress.live else None
    return (visit.watched,) if visit.watched else opened


def result(experiment: Experiment, progress: Progress, newest_only: bool) -> Result:
    """A network as it is known now, finished or not. newest_only: without the history of what still trains."""
    trained = progress.sweep.get(experiment)
    if trained:
        return trained
    return live.unfinished(experiment, progress.statuses.get(experiment.key), newest_only=newest_only)


def seconds_left(progress: Progress, visit: Visit) -> float | None:
    """The time left, as it is told: it does not rise. None while it takes longer than it was expected to."""
    seconds = progress.seconds
    if visit.left is not None and seconds > visit.left:
        return visit.left if seconds < LONGER * visit.left else None
    visit.left = seconds
    return seconds


def learn_speed(before: Iterable[Result], now: Iterable[Result]) -> None:
    """Note how long what has been trained since took, over what was expected."""
    known = {each.experiment.key for each in before}
    new = [each for each in now if each.experiment.key not in known and each.provenance.get("seconds") is not None]
    _speeds().extend(float(each.provenance["seconds"]) / cost.expected(each.experiment).seconds for each in new[-3:])


def speed_factor() -> float:
    """Seconds that this machine takes for a second that is expected: the median of what was trained here last, or 1."""
    known = list(_speeds())
    return float(np.median(known)) if known else 1.0


@st.cache_resource(show_spinner=False)
def _speeds() -> deque[float]:
    """Seconds measured over seconds expected, of the networks that were trained here last."""
    return deque(maxlen=50)
