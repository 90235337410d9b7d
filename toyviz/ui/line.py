"""The line above the stage: where the training stands, or what is in the way, and the one thing to do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import streamlit as st

from toyviz import cost, runtime
from toyviz.experiment import Experiment
from toyviz.queue import Status
from toyviz.ui import runner
from toyviz.ui.frame import many, sentence
from toyviz.ui.runner import Progress
from toyviz.ui.visit import Visit
from toyviz.view import Plan

DONE = "check_circle"  # the icon where all is trained and kept
LONG = 45  # letters from which a status may not fit in its line, and is told whole beside it


def draw(title: str, now: Progress, visit: Visit, watched: Sequence[Experiment]) -> None:
    """Where the training stands, or what is in the way, and what to do about it; before a room also a title."""
    icon, text, action = _state(now, visit, watched)
    if visit.sentences:
        icon, text = "link_off", f"{sentence('; '.join(visit.sentences), capital=False)} {text}"
    if visit.presents:
        with st.container(width="content", key="presented"):
            st.markdown(f"**{title}**")
        if icon == DONE:  # nothing to tell a room
            st.container(width="stretch", key="status")
            return
    with st.container(width="stretch", key="status"):
        st.markdown(f":material/{icon}: {text}")
    if len(text) > LONG:
        with st.container(width=24, key="whole-status"):
            st.markdown("", help=text)
    with st.container(width="content", key="action"):
        if action:
            icon = f":material/{action.icon}:"
            st.button(action.label, icon=icon, key="act", on_click=action.do, help=action.help or None)


class Action(NamedTuple):
    """The one thing to do about where the training stands."""

    label: str
    icon: str
    do: Callable[[], None]
    help: str = ""


def _state(now: Progress, visit: Visit, watched: Sequence[Experiment]) -> tuple[str, str, Action | None]:
    """An icon, a text, and what a button beside it does."""
    total, done, missing = len(now.plan.experiments), len(now.sweep), now.missing
    ask: Callable[[], None] = lambda: runner.ask(missing, now.plan, visit, again=True)  # noqa: E731
    short = [result for each in now.plan.opened if (result := now.sweep.get(each)) and result.shortened]
    whole: Callable[[], None] = lambda: runner.ask(now.plan.opened, now.plan, visit, again=True, anew=True)  # noqa: E731
    if now.live:
        stop = Action("Cancel", "stop", lambda: runner.cancel(missing, visit))
        return "model_training", _live_text(now, visit, watched), stop
    if visit.refused and (missing or short):
        retry = Action("Try again", "refresh", ask if missing else whole)
        return "hourglass_disabled", f"Not trained: {sentence(visit.refused, capital=False)}", retry
    if now.failed:
        error = now.statuses[now.failed[0].key].error
        more = f" {len(now.failed) - 1} more failed too." if len(now.failed) > 1 else ""
        return "error", f"**Training failed.** {sentence(error)}{more}", Action("Retry", "refresh", ask)
    if now.cancelled:
        text = f"**Cancelled.** {done} of {many(total, 'network')} done, and kept."
        return "cancel", text, Action("Resume", "play_arrow", ask)
    if missing:
        costs = [cost.expected(each) for each in missing]
        memory, disk = max(each.memory for each in costs), sum(each.disk for each in costs)
        room = f"It needs about {cost.size(memory)} of memory at a time, and {cost.size(disk)} on disk."
        text = f"**Not trained yet:** {len(missing)} of {many(total, 'network')}."
        train = Action(f"Train (about {cost.duration(now.seconds)})", "play_arrow", ask, room)
        return "hourglass_empty", text, train
    problem = runtime.store().problem
    if problem:
        return "warning", sentence(problem), None
    kept = f"{many(total, 'network')}, trained and kept."
    if not short:
        return DONE, kept, None
    about = "Train it again here, for all of its history: what is shipped holds a few frames of it."
    anew = Action("Whole history", "replay", whole, about)
    failed = now.statuses.get(short[0].experiment.key)
    if failed:
        return "error", f"**Training again failed.** {sentence(failed.error)}", anew
    return DONE, f"{kept} The opened one has {len(short[0].frame_steps)} frames.", anew


def _live_text(now: Progress, visit: Visit, watched: Sequence[Experiment]) -> str:
    total, done = len(now.plan.experiments), len(now.sweep)
    statuses = [now.statuses[each.key] for each in now.live]
    if all(status.state == "queued" for status in statuses):
        before = min(status.position or 1 for status in statuses) - 1
        return f"Waiting: {many(before, 'network')} before this." if before else "Waiting for a free worker."
    left = runner.seconds_left(now, visit)
    about = (
        "longer than expected" if left is None else f"about {cost.duration(left)} left" if left >= 1 else "nearly done"
    )
    text = f"**Training:** {done} of {many(total, 'network')}, {about}."
    status = now.statuses.get(watched[0].key) if watched else None
    return f"{text} {_seen(watched[0], now.plan, status)}" if status and status.state == "running" else text


def _seen(experiment: Experiment, plan: Plan, status: Status) -> str:
    """What of the network in training is on the screen."""
    if status.too_large:
        return "Too large to be shown while it trains: its loss alone."
    which = plan.which(experiment)
    return f"On the screen: {which}." if which else ""
