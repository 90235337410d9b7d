"""The training that a visitor watches: what starts by itself, what waits for a click, how each state looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import streamlit as st

from toyviz import cost, runtime
from toyviz.experiment import Experiment
from toyviz.queue import Busy
from toyviz.result import Result
from toyviz.ui.frame import many, sentence
from toyviz.ui.runner import learn_speed, speed_factor

POLL = 0.5  # seconds between two looks at a training
AT_ONCE = 120.0  # seconds of expected training up to which it starts without being asked
NEWS = 4.0  # seconds after which new results are worth drawing the whole page again
LIVE = ("queued", "running")


def stored(experiments: Iterable[Experiment]) -> list[Result]:
    """Those of the experiments whose results are there already; nothing is trained."""
    found = (runtime.store().get(experiment) for experiment in experiments)
    return [result for result in found if result]


class Progress(NamedTuple):
    """Where the training of some experiments stands."""

    done: list[Result]
    missing: list[Experiment]  # not in the store
    jobs: dict[str, Any]  # key -> status, of those of the missing that have one
    cancelled: bool  # this visitor has cancelled what is missing

    def state(self, experiment: Experiment) -> str | None:
        """ "queued", "running", "failed", ...; None if there is no job for it."""
        job = self.jobs.get(experiment.key)
        return job.state if job else None

    @property
    def live(self) -> list[Experiment]:
        """What is on its way."""
        return [each for each in self.missing if self.state(each) in LIVE]

    @property
    def failed(self) -> list[Experiment]:
        """What cannot be trained."""
        return [each for each in self.missing if self.state(each) == "failed"]


def trained(
    experiments: Sequence[Experiment],
    show: Callable[[list[Result]], None],
    watch: Callable[[Experiment, Any], None],
    at_once: bool = True,
) -> list[Result]:
    """The results of these experiments as far as they are there; what is missing is trained while the visitor watches.

    Training starts by itself if at_once and it should take less than AT_ONCE seconds, else at a button that tells how
    long. show(results) draws what is done, and is called again while more is coming; watch(experiment, job) draws a
    network in training. Experiments should come in the order in which they are wanted.
    """
    _drop_unwanted(experiments)
    progress = _look(experiments)
    idle = len(progress.missing) - len(progress.live) - len(progress.failed)
    if idle and at_once and not progress.cancelled and expected_seconds(progress) <= AT_ONCE:
        progress = _start(experiments, progress.missing)
    live, began = bool(progress.live), time.monotonic()

    def view() -> None:
        now = _look(experiments)
        news = len(now.done) > len(progress.done) and time.monotonic() - began > NEWS
        if live and (news or not now.live):
            learn_speed(progress.done, now.done)
            st.rerun()
        _status(experiments, now)
        if now.done:
            show(now.done)
        elif now.live:
            st.skeleton(height=420)
        if now.live:
            _watch(now, watch)

    st.fragment(view, run_every=POLL if live else None)()
    return progress.done


def expected_seconds(progress: Progress) -> float:
    """About how long the rest takes on two workers, from how fast this machine has trained so far."""
    factor = speed_factor()
    jobs = progress.jobs
    left = [
        cost.expected(each).seconds * (1 - jobs[each.key].step / each.steps if progress.state(each) == "running" else 1)
        for each in progress.missing
    ]
    return factor * max(sum(left) / 2, max(left, default=0.0))


def _look(experiments: Sequence[Experiment]) -> Progress:
    store, jobs = runtime.store(), runtime.jobs()
    stopped = st.session_state.get("cancelled", frozenset())  # by this visitor; another may still train them
    done, missing, statuses = [], [], {}
    for experiment in experiments:
        status = None if experiment.key in stopped else jobs.status(experiment)
        result = None if status and status.state in LIVE else store.get(experiment)
        if result:
            done.append(result)
            continue
        missing.append(experiment)
        if status:
            statuses[experiment.key] = status
    jobs.touch([each for each in missing if each.key not in stopped], runtime.visitor())
    return Progress(done, missing, statuses, any(each.key in stopped for each in missing))


def _start(experiments: Sequence[Experiment], missing: Sequence[Experiment], again: bool = False) -> Progress:
    """Ask for what is missing, and say so if it is refused."""
    st.session_state["cancelled"] = frozenset()
    try:
        runtime.jobs().submit(list(missing), runtime.visitor(), again=again)
        st.session_state["refused"] = None
    except (Busy, ValueError) as refusal:
        st.session_state["refused"] = [each.key for each in experiments], str(refusal)
    return _look(experiments)


def _drop_unwanted(experiments: Sequence[Experiment]) -> None:
    """Cancel what this page wanted with the settings that it had before."""
    wanted = st.session_state.setdefault("wanted", {})
    page, keys = st.context.url, {experiment.key for experiment in experiments}
    runtime.jobs().cancel([each for each in wanted.get(page, ()) if each.key not in keys], runtime.visitor())
    wanted[page] = list(experiments)


def _cancel(missing: Sequence[Experiment]) -> None:
    runtime.jobs().cancel(list(missing), runtime.visitor())
    st.session_state["cancelled"] = frozenset(experiment.key for experiment in missing)


def _status(experiments: Sequence[Experiment], now: Progress) -> None:
    """One box that says where the training stands, and offers the one thing to do about it."""
    total, done = len(experiments), len(now.done)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="status"):
        if not total:
            st.markdown(":material/tune: **Nothing chosen.** Choose at least one value for each control.")
        elif now.live:
            _live_status(total, done, now)
        elif now.failed:
            job = now.jobs[now.failed[0].key]
            more = f" {len(now.failed) - 1} more failed too." if len(now.failed) > 1 else ""
            st.markdown(f":material/error: **Training failed.** {sentence(job.error)}{more}")
            _button("Retry", ":material/refresh:", experiments, now)
        elif now.cancelled:
            st.markdown(f":material/cancel: **Cancelled.** {done} of {total} networks are done, and kept.")
            _button("Resume", ":material/play_arrow:", experiments, now)
        elif now.missing:
            what = "Nothing is trained for these settings yet." if not done else f"{done} of {total} networks are done."
            st.markdown(f":material/hourglass_empty: **Not trained yet.** {what} {_room(now.missing)}")
            about = cost.duration(expected_seconds(now))
            networks = many(len(now.missing), "network")
            _button(f"Train {networks} (about {about})", ":material/play_arrow:", experiments, now)
        else:
            seconds = sum(float(result.provenance.get("seconds") or 0) for result in now.done)
            st.markdown(
                f":material/check_circle: **{many(total, 'network')}.** Training took {cost.duration(seconds)} of "
                "computing; the results are kept, and come back at once."
            )
    refused = st.session_state.get("refused")
    if refused and refused[0] == [each.key for each in experiments] and now.missing:
        st.warning(f"Not trained: {sentence(refused[1], capital=False)}", icon=":material/hourglass_disabled:")
    problem = runtime.store().problem
    if problem:
        st.caption(f":material/warning: {sentence(problem)}")


def _room(missing: Sequence[Experiment]) -> str:
    """How much room the training of these would need, in words."""
    costs = [cost.expected(each) for each in missing]
    memory, disk = max(each.memory for each in costs), sum(each.disk for each in costs)
    return f"It needs about {cost.size(memory)} of memory at a time, and {cost.size(disk)} on disk."


def step(job: Any) -> str:
    """Where one training stands, in words."""
    left = f", {cost.duration(job.seconds_left)} left" if job.seconds_left else ""
    loss = "" if job.loss is None else f", loss {job.loss:.3g}"
    return f"Step {job.step:,} of {job.steps:,}{loss}{left}."


def _live_status(total: int, done: int, now: Progress) -> None:
    jobs = [now.jobs[each.key] for each in now.live]
    steps = sum(job.step / job.steps for job in jobs)
    text = f"Training: {done} of {total} networks done, about {cost.duration(expected_seconds(now))} left"
    if all(job.state == "queued" for job in jobs):
        before = min(job.position or 1 for job in jobs) - 1
        text = f"Waiting: {many(before, 'network')} before this" if before else "Waiting for a free worker"
    st.progress(min(1.0, (done + steps) / total), text=text)
    if st.button("Cancel", icon=":material/stop:", key="cancel"):
        _cancel(now.missing)
        st.rerun()


def _watch(now: Progress, watch: Callable[[Experiment, Any], None]) -> None:
    """The network in training that comes first among the wanted; between two of them, the last one stays."""
    jobs = ((experiment, now.jobs[experiment.key]) for experiment in now.live)
    seen = next(((experiment, job) for experiment, job in jobs if job.frame is not None), None)
    last = st.session_state.get("watched")
    if seen is None and last and last[0] in {result.experiment for result in now.done}:
        seen = last
    st.session_state["watched"] = seen
    with st.container(key="live"):
        if seen:
            watch(*seen)
        else:
            st.skeleton(height=310)


def _button(label: str, icon: str, experiments: Sequence[Experiment], now: Progress) -> None:
    if st.button(label, icon=icon, type="primary", key="train"):
        _start(experiments, now.missing, again=True)
        st.rerun()
