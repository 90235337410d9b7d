"""What the queue decides, as a pure machine: events in, instructions out.

There is no thread, process, disk or clock in here: each event says when it happened, and the answer says what to do.
toyviz.jobs has the threads and processes around it.
"""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from toyviz import cost
from toyviz.experiment import Experiment
from toyviz.model import Parameters, shapes

WATCHED_FOR = 90.0  # seconds that one poll counts: browsers let a hidden tab poll about once a minute
GRACE = 12.0  # seconds that a job outlives its last visitor's session, so that a reload finds it running
KILL_AFTER = 3.0  # seconds that a worker has to obey a cancel, from its first step on
SILENT_FOR = 30.0  # seconds, and STEPS_SILENT steps, after which a worker that says nothing is taken for hung
STEPS_SILENT = 100
START_PATIENCE = 120.0  # seconds that a new worker has to say that it is ready
START_AGAIN = 10.0  # seconds before a worker that could not start is tried again
ENDING_FOR = 10.0  # seconds that a killed worker has to end, before another one takes its place
STARTS = 2  # how often a job is begun when its worker dies, and a worker started, before they are given up
SHORT = 5.0  # seconds of expected training up to which work is not kept waiting by a visitor's own long one
CURVE_POINTS = 300  # of a live loss curve
LIVE_FRAMES = 40  # of a live history
LIVE_BYTES = 300_000  # parameters larger than this are not shown live
PACE_AFTER = 0.5  # seconds of training that tell its pace
SHARED = 0.13  # seconds, for each visitor beside the first, that all see the same of a network in training
REMEMBERED = 2048  # ended jobs whose state is still told, and visitors of whom it is known when they were served


class Busy(RuntimeError):
    """The queue takes no more; the sentence says why, and what can be done."""


class LiveFrame(NamedTuple):
    """A network in the middle of its training, as its worker has sent it."""

    step: int  # steps taken
    parameters: Parameters  # float32, after a rounding to 16 bits on the way
    metrics: dict[str, float]  # measured before that; without what was not: see toyviz.result.FRAME_METRICS


class Status(NamedTuple):
    """Where a job stands."""

    state: str  # "queued", "running", "done", "failed", "cancelled"
    step: int  # steps taken
    steps: int  # of the whole training
    loss: float | None  # at step
    seconds_left: float | None  # None until messages of a running job tell its pace; never rises while it runs
    position: int | None  # 1 is next; None unless queued
    error: str | None  # a sentence, if it failed
    history: tuple[LiveFrame, ...]  # at most 40, the newest last; none before the first, if too large, at the end
    losses: tuple[np.ndarray, np.ndarray]  # (steps, values), each (k,) with k <= 300: the live loss curve
    measuring: bool = False  # all steps are taken; it is tested and packed
    too_large: bool = False  # to be shown live: there are losses alone

    @property
    def frame(self) -> Parameters | None:
        """The newest network of the history."""
        return self.history[-1].parameters if self.history else None


def too_large(experiment: Experiment) -> bool:
    """Whether its parameters take more than LIVE_BYTES, so that only its losses are shown while it trains."""
    return 4 * sum(math.prod(shape) for shape in shapes(experiment).values()) > LIVE_BYTES


class Limits(NamedTuple):
    """How much may wait or be in training."""

    visitor_networks: float = math.inf  # of one visitor
    visitor_seconds: float = math.inf  # expected computing of all that one visitor has open
    queue_networks: float = math.inf  # of all visitors


@dataclass(eq=False)
class Job:
    """One training that somebody asked for."""

    experiment: Experiment
    seconds: float  # of training that it is expected to take
    id: int = field(default_factory=itertools.count().__next__)
    watchers: dict[str, float] = field(default_factory=dict)  # visitor -> when their interest lapses
    state: str = "queued"
    starts: int = 0
    first: set[str] = field(default_factory=set)  # the visitors who look at it
    excused: int = 0  # starts that do not count, since the worker was hung before it had the job
    error: str | None = None
    step: int = 0
    history: list[LiveFrame] = field(default_factory=list)
    curve: list[tuple[int, float]] = field(default_factory=list)
    heard: list[tuple[float, int]] = field(default_factory=list)  # (time, step) of the first and the newest message
    seconds_left: float | None = None  # the least that was told
    told: Status | None = None  # of the training, until there is news enough
    told_anew_at: float = -math.inf

    @property
    def key(self) -> str:
        return self.experiment.key

    @property
    def active(self) -> bool:
        return self.state in ("queued", "running")

    def rank(self, visitor: str) -> tuple[bool, int]:
        """What this visitor looks at first, and the rest in the order asked for."""
        return visitor not in self.first, self.id

    def start(self) -> None:
        self.state, self.starts, self.step, self.seconds_left = "running", self.starts + 1, 0, None
        self.history, self.curve, self.heard = [], [], []
        self.told, self.told_anew_at = None, -math.inf

    def hear(self, step: int, loss: float, frame: LiveFrame | None, now: float) -> None:
        """Note how far it is; what is told changes with it, less often the more visitors look.

        So the many who watch one training see the same of it, which then is drawn once for all of them.
        """
        first_picture = frame is not None and not self.history
        if now >= self.told_anew_at or first_picture or step == self.experiment.steps:
            self.told, self.told_anew_at = None, now + SHARED * (len(self.watchers) - 1)
        self.step = step
        self.heard = [*self.heard[:1], (now, step)]
        began, first = self.heard[0]
        if now - began >= PACE_AFTER:
            left = (now - began) / max(step - first, 1) * (self.experiment.steps - step)
            self.seconds_left = left if self.seconds_left is None else min(left, self.seconds_left)
        self.curve.append((step, loss))
        if len(self.curve) > CURVE_POINTS:  # an odd number: every other point, the first and the newest among them
            self.curve = self.curve[::2]
        if frame:
            self.history.append(frame)
        if len(self.history) > LIVE_FRAMES:
            self.history = [self.history[0], *self.history[1:-1][1::2], self.history[-1]]


class Start(NamedTuple):
    """Start a process under this number; the place (0, 1, ...) is where it works."""

    worker: int
    place: int


class Train(NamedTuple):
    """Have this worker train the job."""

    worker: int
    job: Job


class Cancel(NamedTuple):
    """Tell this worker to stop the training of the job."""

    worker: int
    job: Job


class Kill(NamedTuple):
    """End this worker's process by force; why is the part of a sentence."""

    worker: int
    why: str


Instruction = Start | Train | Cancel | Kill


@dataclass(eq=False)
class _Place:
    """Where one worker works at a time."""

    number: int
    spare: bool  # takes only what would have to wait for something long
    state: str = "off"  # "off", "starting", "idle", "busy", or "ending": its worker was killed
    worker: int = -1
    job: Job | None = None
    training: bool = False  # it takes steps; before the first it draws the data and compiles
    since: float = 0.0  # when it was last heard of, or told something
    heard: bool = False  # whether it was heard of since it has the job
    told_to_stop: float | None = None
    failed_starts: int = 0
    not_before: float = 0.0  # when it may be started again


class Queue:
    """Who is trained next, where, and until when. Each event returns what is to be done now.

    Visitors take turns; within one visitor's work what they look at comes first, then what they asked for first. A
    worker is known by the number that Start gave it: what is heard of any other is ignored.
    """

    def __init__(self, workers: int, spare: int = 0, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.closed = False
        self._places = [_Place(number, spare=number >= workers) for number in range(workers + spare)]
        self._jobs: OrderedDict[str, Job] = OrderedDict()  # the newest job of each key
        self._waiting: dict[str, Job] = {}  # by key
        self._open: dict[str, dict[str, Job]] = {}  # visitor -> key -> what waits or is in training for them
        self._turns: dict[str, int] = {}  # visitor -> the turn in which they were last served
        self._numbers, self._turn = itertools.count(), itertools.count(1)
        self._positions: dict[str, int] | None = None  # of the waiting, until the queue changes
        self._instructions: list[Instruction] = []

    # what visitors do

    def submit(
        self,
        visitor: str,
        wanted: Mapping[str, Experiment],
        stored: Collection[str],
        missing: Collection[str],
        now: float,
        again: bool = False,
        first: Collection[str] = (),
    ) -> list[Instruction]:
        """Queue what is neither stored nor under way, and mark the visitor's interest in all of it, by key.

        stored and missing are what the store had, and had not, when it was asked. What failed stays failed, since the
        same training fails the same way, unless again. first: what this visitor looks at, and so wants before all the
        rest. Raises Busy, and queues nothing, over a limit.
        """
        if self.closed:
            raise Busy("the app is about to stop, and starts no training")
        revived = [job for job in map(self._compiling, wanted) if job]
        known = {job.key for job in revived}
        new = [
            Job(experiment, cost.expected(experiment).seconds)
            for key, experiment in wanted.items()
            if key not in known and self._is_wanted_anew(key, stored, missing, again)
        ]
        self._refuse(visitor, wanted, [*new, *revived])
        for job in new:
            self._jobs[job.key] = self._waiting[job.key] = job
            self._jobs.move_to_end(job.key)
        for job in revived:
            job.state = "running"
        self._mark(wanted, visitor, now + WATCHED_FOR)
        for job in self._open.get(visitor, {}).values():
            (job.first.add if job.key in first else job.first.discard)(visitor)
        self._forget()
        return self._settle(now)

    def touch(self, keys: Iterable[str], visitor: str, now: float) -> list[Instruction]:
        """This visitor still wants these."""
        self._mark(keys, visitor, now + WATCHED_FOR)
        return self._settle(now)

    def cancel(self, keys: Iterable[str], visitor: str, now: float) -> list[Instruction]:
        """This visitor wants these no more; what nobody else watches is cancelled."""
        for key in keys:
            job = self._open.get(visitor, {}).get(key)
            if job:
                self._unmark(job, visitor)
                if not job.watchers:
                    self._cancel(job, now)
        return self._settle(now)

    def leave(self, visitor: str, now: float) -> list[Instruction]:
        """This visitor's session has ended: what they watch lives on for a moment, in case it was a reload."""
        for job in self._open.get(visitor, {}).values():
            job.watchers[visitor] = min(job.watchers[visitor], now + GRACE)
        return self._settle(now)

    # what becomes of workers

    def open(self, now: float) -> list[Instruction]:
        """Start the workers, so that they are warm when they are needed."""
        for place in self._places:
            if not place.spare:
                self._start(place, now)
        return self._settle(now)

    def ready(self, worker: int, now: float) -> list[Instruction]:
        """The worker waits for orders."""
        place = self._place(worker)
        if place and place.state == "starting":
            place.state, place.since, place.failed_starts = "idle", now, 0
        return self._settle(now)

    def alive(self, worker: int, now: float) -> list[Instruction]:
        """The worker is at something that has no steps, such as compiling."""
        place = self._place(worker)
        if place:
            place.since, place.heard = now, True
        return []

    def training(self, worker: int, job: int, now: float) -> list[Instruction]:
        """The worker is about to take the job's first step: a cancel waited for this, so that compiling is not lost."""
        place = self._place(worker, job)
        if place and place.job and not place.training:
            place.training, place.since, place.heard = True, now, True
            if place.job.state == "cancelled":
                self._stop(place, now)
        return self._settle(now)

    def progress(
        self, worker: int, job: int, step: int, loss: float, frame: LiveFrame | None, now: float
    ) -> list[Instruction]:
        """The worker has come to this step."""
        instructions = self.training(worker, job, now)
        place = self._place(worker, job)
        if place and place.job:
            place.since = now
            if place.job.state == "running":
                place.job.hear(step, loss, frame, now)
        return instructions

    def wanted(self, worker: int, job: int) -> Experiment | None:
        """What this worker was to train, if somebody still waits for it."""
        place = self._place(worker, job)
        return place.job.experiment if place and place.job and place.job.state == "running" else None

    def ended(self, worker: int, job: int, state: str, error: str | None, now: float) -> list[Instruction]:
        """The worker has done with the job: "done", "failed" with a sentence, or "cancelled"."""
        place = self._place(worker, job)
        if place and place.job:
            found = place.job
            self._clear(place, "idle", now)
            if found.active:  # what was cancelled stays so, even if it was done a moment later
                self._end(found, state, error)
        return self._settle(now)

    def lost(self, worker: int, cause: str, now: float) -> list[Instruction]:
        """The worker's process has ended, or could not be started; the cause says why, as the part of a sentence."""
        place = self._place(worker)
        if place:
            job, starting = place.job, place.state == "starting"
            self._clear(place, "off", now)
            place.worker = -1
            if starting:
                self._failed_to_start(place, cause, now)
            if job:
                self._interrupted(job, cause)
        return self._settle(now)

    # the clock

    def tick(self, now: float) -> list[Instruction]:
        """Time has passed: what nobody watches any more is cancelled; a worker that hangs is killed."""
        for job in [job for job in self._active() if min(job.watchers.values(), default=-math.inf) < now]:
            for visitor in [name for name, lapses in job.watchers.items() if lapses < now]:
                self._unmark(job, visitor)
            if not job.watchers:
                self._cancel(job, now)
        for place in self._places:
            silent = now - place.since
            if place.state == "ending" and silent > ENDING_FOR:
                self._clear(place, "off", now)  # it cannot even be killed: another takes its place
                place.worker = -1
            elif place.told_to_stop is not None and now - place.told_to_stop > KILL_AFTER:
                self._kill(place, "it did not stop when it was told to", now)
            elif place.state in ("starting", "busy") and silent > (patience := self._patience(place)):
                self._kill(place, f"it gave no sign of life for {patience:.0f} s", now)
        return self._settle(now)

    def close(self, now: float) -> list[Instruction]:
        """Cancel everything; nothing starts from now on."""
        self.closed = True
        for job in self._active():
            self._cancel(job, now)
        return self._settle(now)

    # what is told

    def job(self, key: str) -> Job | None:
        """The newest job of this key."""
        return self._jobs.get(key)

    def status(self, key: str) -> Status | None:
        """Where the newest job of this key stands; None if there never was one."""
        job = self._jobs.get(key)
        if job is None:
            return None
        if job.state != "running":
            return self._status(job)
        if job.told is None:
            job.told = self._status(job)
        return job.told

    def _status(self, job: Job) -> Status:
        steps, values = zip(*job.curve, strict=True) if job.curve else ((), ())
        return Status(
            state=job.state,
            step=job.step,
            steps=job.experiment.steps,
            loss=values[-1] if values else None,
            seconds_left=job.seconds_left if job.state == "running" else None,
            position=self._position(job) if job.state == "queued" else None,
            error=job.error,
            history=tuple(job.history),
            losses=(np.array(steps, np.int64), np.array(values, np.float32)),
            measuring=job.state == "running" and job.step >= job.experiment.steps,
            too_large=too_large(job.experiment),
        )

    def _position(self, job: Job) -> int:
        if self._positions is None:
            turns = {visitor: turn for turn, visitor in enumerate(sorted(self._open, key=self._last_turn))}
            round_and_turn: dict[str, tuple[int, int]] = {}
            for visitor, jobs in self._open.items():
                mine = sorted(
                    (each for each in jobs.values() if each.state == "queued"), key=lambda each: each.rank(visitor)
                )
                for index, each in enumerate(mine):
                    here = index, turns[visitor]
                    round_and_turn[each.key] = min(round_and_turn.get(each.key, here), here)
            ordered = sorted(round_and_turn, key=lambda key: (round_and_turn[key], self._waiting[key].id))
            self._positions = {key: position for position, key in enumerate(ordered, 1)}
        return self._positions[job.key]

    # submitting

    def _is_wanted_anew(self, key: str, stored: Collection[str], missing: Collection[str], again: bool) -> bool:
        job = self._jobs.get(key)
        if job is None or job.state == "cancelled":
            return key not in stored
        if job.state == "done":  # and no longer in the store, unless it was done after we had asked the store
            return key in missing
        return job.state == "failed" and again

    def _compiling(self, key: str) -> Job | None:
        """The job of this key if it was cancelled while it compiled, and has not been stopped yet."""
        for place in self._places:
            if place.job and place.job.key == key and place.job.state == "cancelled" and not place.training:
                return place.job if self._jobs.get(key) is place.job else None
        return None

    def _refuse(self, visitor: str, wanted: Iterable[str], new: list[Job]) -> None:
        if not new:
            return
        limits, coming = self.limits, {job.key: job for job in new}
        mine = dict(self._open.get(visitor, {}))
        mine |= {key: job for key in wanted if (job := self._jobs.get(key)) and job.active}
        waiting, running = len(self._waiting), sum(place.state == "busy" for place in self._places)
        if len(mine | coming) > limits.visitor_networks:
            raise Busy(
                f"{len(mine)} networks are open for you and this asks for {len(coming)} more; one visitor may have "
                f"{limits.visitor_networks:,.0f} open: wait until some are done, or ask for fewer"
            )
        seconds = sum(job.seconds for job in (mine | coming).values())
        if seconds > limits.visitor_seconds:
            raise Busy(
                f"this would take about {cost.duration(seconds)} of computing in all, and one visitor may have "
                f"{limits.visitor_seconds / 3600:g} h open: ask for fewer or shorter trainings, or wait until some are "
                "done; whoever runs this app can raise TOYVIZ_MAX_VISITOR_HOURS"
            )
        if waiting + running + len(coming) > limits.queue_networks:
            raise Busy(
                f"{waiting} trainings are waiting and this asks for {len(coming)} more, which is over the limit of "
                f"{limits.queue_networks:,.0f}: wait until some are done, or ask for fewer"
            )

    def _forget(self) -> None:
        surplus = len(self._jobs) - REMEMBERED
        if surplus > 0:
            ended = itertools.islice((key for key, job in self._jobs.items() if not job.active), surplus)
            for key in list(ended):
                del self._jobs[key]

    # who watches what

    def _mark(self, keys: Iterable[str], visitor: str, lapses: float) -> None:
        for key in keys:
            job = self._jobs.get(key)
            if job and job.active:
                self._positions = None if visitor not in job.watchers else self._positions
                job.watchers[visitor] = lapses
                self._open.setdefault(visitor, {})[key] = job

    def _unmark(self, job: Job, visitor: str) -> None:
        job.watchers.pop(visitor, None)
        self._positions = None
        job.first.discard(visitor)
        jobs = self._open.get(visitor, {})
        jobs.pop(job.key, None)
        if not jobs:
            self._open.pop(visitor, None)

    def _active(self) -> list[Job]:
        running = [place.job for place in self._places if place.job and place.job.active]
        return [*running, *self._waiting.values()]

    def _last_turn(self, visitor: str) -> int:
        return self._turns.get(visitor, 0)

    # from the queue to a place

    def _settle(self, now: float) -> list[Instruction]:
        """Give work to whoever is idle, start who is needed, and return all that is to be done."""
        if not self.closed:
            for place in self._places:
                if place.state == "idle" and (job := self._next(place)):
                    self._begin(place, job, now)
            starting = sum(place.state == "starting" for place in self._places)
            for place in self._places:
                wanted = len(self._waiting) > starting if not place.spare else self._spare_is_wanted()
                if place.state == "off" and wanted and now >= place.not_before:
                    self._start(place, now)
                    starting += 1
        instructions, self._instructions = self._instructions, []
        return instructions

    def _spare_is_wanted(self) -> bool:
        """Whether something is in training: who comes next should not have to wait for a start."""
        return any(place.training for place in self._places)

    def _next(self, place: _Place) -> Job | None:
        """What the visitor who was served longest ago wants first."""
        for visitor in sorted(self._open, key=self._last_turn):
            mine = [job for job in self._open[visitor].values() if job.state == "queued"]
            if place.spare:
                mine = self._would_wait(mine, visitor)
            if mine:
                self._serve(visitor)
                return min(mine, key=lambda job: job.rank(visitor))
        return None

    def _serve(self, visitor: str) -> None:
        """Their turn was now. It is known when they have nothing open too: who comes back at once is not the first."""
        self._turns.pop(visitor, None)
        self._turns[visitor] = next(self._turn)
        if len(self._turns) > REMEMBERED:
            del self._turns[next(iter(self._turns))]  # of the one who was served longest ago

    def _would_wait(self, queued: list[Job], visitor: str) -> list[Job]:
        """All of it if nothing is in training for this visitor, and what is short if all of that is long."""
        theirs = [each.job.seconds for each in self._places if each.job and visitor in each.job.watchers]
        if not theirs:
            return queued
        return [job for job in queued if job.seconds <= SHORT < min(theirs)]

    def _begin(self, place: _Place, job: Job, now: float) -> None:
        del self._waiting[job.key]
        self._positions = None
        job.start()
        place.state, place.job, place.since, place.heard = "busy", job, now, False
        self._instructions.append(Train(place.worker, job))

    def _start(self, place: _Place, now: float) -> None:
        self._clear(place, "starting", now)
        place.worker = next(self._numbers)
        self._instructions.append(Start(place.worker, place.number))

    def _place(self, worker: int, job: int | None = None) -> _Place | None:
        """Where this worker works, if it is at this job."""
        for place in self._places:
            if place.worker == worker:
                return place if job is None or (place.job and place.job.id == job) else None
        return None

    def _clear(self, place: _Place, state: str, now: float) -> None:
        place.state, place.since, place.job, place.training, place.told_to_stop = state, now, None, False, None

    # how things end

    def _end(self, job: Job, state: str, error: str | None = None) -> None:
        self._waiting.pop(job.key, None)
        self._positions = None
        for visitor in list(job.watchers):
            self._unmark(job, visitor)
        job.state, job.error, job.history, job.curve = state, error, [], []
        job.step = job.experiment.steps if state == "done" else job.step

    def _cancel(self, job: Job, now: float) -> None:
        self._end(job, "cancelled")
        for place in self._places:
            if place.job is job and place.training:
                self._stop(place, now)

    def _stop(self, place: _Place, now: float) -> None:
        assert place.job
        place.told_to_stop = now
        self._instructions.append(Cancel(place.worker, place.job))

    def _kill(self, place: _Place, why: str, now: float) -> None:
        job, starting, heard = place.job, place.state == "starting", place.heard
        self._instructions.append(Kill(place.worker, why))
        self._clear(place, "ending", now)
        if starting:
            self._failed_to_start(place, why, now)
        if job:
            if not heard and job.excused < len(self._places):
                job.starts, job.excused = job.starts - 1, job.excused + 1
            self._interrupted(job, why)

    def _interrupted(self, job: Job, why: str) -> None:
        """The job's worker has died under it: once more from the start, then it is given up."""
        if job.state != "running":
            return
        if job.starts < STARTS:
            job.state, job.history = "queued", []
            self._waiting[job.key] = job
            self._positions = None
        else:
            self._end(job, "failed", f"the process that trained it stopped {job.starts} times ({why})")

    def _failed_to_start(self, place: _Place, why: str, now: float) -> None:
        """Try again, the second time later; where no place has a worker that works, what waits cannot be trained."""
        place.failed_starts += 1
        place.not_before = now + (START_AGAIN if place.failed_starts >= STARTS else 0.0)
        hopeless = all(each.failed_starts >= STARTS for each in self._places if not each.spare)
        if hopeless and not any(each.state in ("idle", "busy") for each in self._places):
            for job in list(self._waiting.values()):
                self._end(job, "failed", f"no process can be started to train it ({why})")

    def _patience(self, place: _Place) -> float:
        if place.state == "starting":
            return START_PATIENCE
        assert place.job
        return SILENT_FOR + STEPS_SILENT * place.job.seconds / place.job.experiment.steps
