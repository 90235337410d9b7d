"""Training in the background: worker subprocesses, one bounded queue for all visitors, live frames, cancel.

The server asks, the workers train (toyviz.worker), and this side alone writes to the store. Nothing here trains, draws
or knows Streamlit, so one Jobs object a server process serves all its threads.
"""

from __future__ import annotations

import io
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load

from toyviz.experiment import Experiment, from_dict
from toyviz.model import Parameters
from toyviz.result import Result
from toyviz.store import ROOT, Store, unpack

WATCHED_FOR = 90.0  # seconds that one poll counts: browsers let a hidden tab poll about once a minute
GRACE = 12.0  # seconds that a job outlives its last visitor's session, so that a reload finds it running
KILL_AFTER = 3.0  # seconds that a worker has to obey a cancel
TICK = 0.1  # seconds between two looks for jobs that nobody watches
STARTS = 2  # how often a job is begun, when its worker dies
CURVE_POINTS = 300  # of a live loss curve
REMEMBERED = 2048  # ended jobs whose state is still told
MAX_HEADER = 2**16  # bytes of one message's first line
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")}

log = logging.getLogger(__name__)


class Busy(RuntimeError):
    """The queue is full; the sentence says how full."""


class Status(NamedTuple):
    """Where a job stands."""

    state: str  # "queued", "running", "done", "failed", "cancelled"
    step: int  # steps taken
    steps: int  # of the whole training
    loss: float | None  # at step
    seconds_left: float | None  # None until two messages of a running job tell its pace
    position: int | None  # 1 is next; None unless queued
    error: str | None  # a sentence, if it failed
    frame: (
        Parameters | None
    )  # the newest live parameters, float32; None before the first, for large networks, at the end
    losses: tuple[np.ndarray, np.ndarray]  # (steps, values), each (k,) with k <= 300: the live loss curve


@dataclass(eq=False)
class _Job:
    experiment: Experiment
    watchers: dict[str, float] = field(default_factory=dict)  # visitor -> when their interest lapses
    id: int = field(default_factory=itertools.count().__next__)
    state: str = "queued"
    starts: int = 0
    cancelled_at: float = 0.0
    error: str | None = None
    step: int = 0
    frame: Parameters | None = None
    curve: list[tuple[int, float]] = field(default_factory=list)
    heard: list[tuple[float, int]] = field(default_factory=list)  # (time, step) of the first and the newest message

    @property
    def active(self) -> bool:
        return self.state in ("queued", "running")

    def start(self) -> None:
        self.state, self.starts, self.step, self.frame = "running", self.starts + 1, 0, None
        self.curve, self.heard = [], []

    def hear(self, step: int, loss: float, frame: Parameters | None) -> None:
        self.step, self.frame = step, frame or self.frame
        self.heard = [*self.heard[:1], (time.monotonic(), step)]
        self.curve.append((step, loss))
        if len(self.curve) > CURVE_POINTS:  # an odd number: every other point, the first and the newest among them
            self.curve = self.curve[::2]

    def end(self, state: str, error: str | None = None) -> None:
        self.state, self.error, self.frame, self.curve = state, error, None, []
        self.step = self.experiment.steps if state == "done" else self.step
        self.watchers.clear()

    def seconds_left(self) -> float | None:
        if self.state != "running" or len(self.heard) < 2:
            return None
        (began, first), (now, step) = self.heard
        return (now - began) / max(step - first, 1) * (self.experiment.steps - step)


class Jobs:
    """The queue and its workers; everything in it happens behind one lock. Call close() at the end."""

    def __init__(self, store: Store, workers: int | None = None, max_queue: int = 1024) -> None:
        self.store, self.max_queue = store, max_queue
        self._changed = threading.Condition()
        self._queue: deque[_Job] = deque()
        self._jobs: OrderedDict[str, _Job] = OrderedDict()  # the newest job of each key
        self._closed = False
        count = workers or min(2, os.cpu_count() or 1)
        self._workers: list[_Worker | None] = [None] * count
        self._threads = [threading.Thread(target=self._serve, args=(slot,), daemon=True) for slot in range(count)]
        self._threads.append(threading.Thread(target=self._watch, daemon=True, name="watch"))
        for thread in self._threads:
            thread.start()

    def submit(self, experiments: Iterable[Experiment], visitor: str, *, again: bool = False) -> None:
        """Queue, in order, what is neither stored nor under way, and mark this visitor's interest in all of it.

        What failed stays failed, since the same training fails the same way, unless again is true. Raises Busy, and
        queues nothing, if the queue would overflow; ValueError for an experiment out of bounds.
        """
        wanted = {each.key: each for each in map(_checked, experiments)}
        known = {key: self._jobs.get(key) for key in wanted}
        settled = {
            key
            for key, job in known.items()
            if not (job and (job.active or job.state == "failed")) and self.store.get(wanted[key]) is not None
        }
        with self._changed:
            if self._closed:
                raise Busy("the app is about to stop, and starts no training")
            new = []
            for key, experiment in wanted.items():
                job = self._jobs.get(key)
                ended_meanwhile = job is not known[key] and job is not None and job.state == "done"
                failed = job is not None and job.state == "failed" and not again
                if not (key in settled or ended_meanwhile or failed or (job and job.active)):
                    new.append(_Job(experiment))
            if len(self._queue) + len(new) > self.max_queue:
                raise Busy(
                    f"{len(self._queue)} trainings are waiting and this asks for {len(new)} more, which is over the "
                    f"limit of {self.max_queue}: wait until some are done, or ask for fewer"
                )
            for job in new:
                self._jobs[job.experiment.key] = job
                self._jobs.move_to_end(job.experiment.key)
                self._queue.append(job)
            self._mark(wanted.values(), visitor)
            self._forget()
            self._changed.notify_all()

    def status(self, experiment: Experiment) -> Status | None:
        """Where the experiment's newest job stands; None if it never was one, such as for a stored result."""
        with self._changed:
            job = self._jobs.get(experiment.key)
            if job is None:
                return None
            steps, values = zip(*job.curve, strict=True) if job.curve else ((), ())
            return Status(
                state=job.state,
                step=job.step,
                steps=job.experiment.steps,
                loss=values[-1] if values else None,
                seconds_left=job.seconds_left(),
                position=self._queue.index(job) + 1 if job.state == "queued" else None,
                error=job.error,
                frame=job.frame,
                losses=(np.array(steps, np.int64), np.array(values, np.float32)),
            )

    def result(self, experiment: Experiment) -> Result | None:
        """The trained network, once it is there."""
        job = self._jobs.get(experiment.key)
        if job and job.state != "done":
            return None  # without a look at the disk: pages ask this every second
        return self.store.get(experiment)

    def touch(self, experiments: Iterable[Experiment], visitor: str) -> None:
        """Say at each poll that this visitor still wants these experiments."""
        with self._changed:
            self._mark(experiments, visitor)

    def cancel(self, experiments: Iterable[Experiment], visitor: str) -> None:
        """Drop this visitor's interest at once; what nobody else watches is cancelled, queued or running."""
        with self._changed:
            for experiment in experiments:
                job = self._jobs.get(experiment.key)
                if job and job.active:
                    job.watchers.pop(visitor, None)
                    if not job.watchers:
                        self._cancel(job)

    def leave(self, visitor: str) -> None:
        """This visitor's session has ended: their jobs live on for a moment, in case it was a reload."""
        lapses = time.monotonic() + GRACE
        with self._changed:
            for job in self._active():
                if visitor in job.watchers:
                    job.watchers[visitor] = min(job.watchers[visitor], lapses)

    def pids(self) -> list[int]:
        """The process ids of the workers that are alive."""
        return [worker.process.pid for worker in self._workers if worker and worker.alive()]

    def close(self) -> None:
        """Cancel everything and end the workers."""
        with self._changed:
            self._closed = True
            for job in self._active():
                self._cancel(job)
            for worker in self._workers:
                if worker:
                    worker.dismiss()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=10)

    # behind the lock

    def _mark(self, experiments: Iterable[Experiment], visitor: str) -> None:
        lapses = time.monotonic() + WATCHED_FOR
        for experiment in experiments:
            job = self._jobs.get(experiment.key)
            if job and job.active:
                job.watchers[visitor] = lapses

    def _active(self) -> list[_Job]:
        running = [worker.job for worker in self._workers if worker and worker.job]
        return [job for job in [*running, *self._queue] if job.active]

    def _cancel(self, job: _Job) -> None:
        if job.state == "queued":
            self._queue.remove(job)
        job.end("cancelled")
        job.cancelled_at = time.monotonic()
        for worker in self._workers:
            if worker and worker.job is job:
                worker.send(order="cancel", id=job.id)

    def _forget(self) -> None:
        ended = [key for key, job in self._jobs.items() if not job.active]
        for key in ended[: max(len(ended) - REMEMBERED, 0)]:
            del self._jobs[key]

    # threads of our own

    def _watch(self) -> None:
        """Cancel what nobody watches any more; kill a worker that does not obey a cancel."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for job in self._active():
                    if all(lapses < now for lapses in job.watchers.values()):
                        self._cancel(job)
                for worker in self._workers:
                    if worker and worker.disobeys(now):
                        log.warning("worker %d does not stop its training: killed", worker.process.pid)
                        worker.process.kill()
                self._changed.wait(TICK)

    def _serve(self, slot: int) -> None:
        """One worker's life: take the next job, have it trained, start a new worker if this one is lost."""
        while True:
            worker = self._workers[slot]
            if worker is None or not worker.alive():
                if worker:
                    worker.end()
                worker = self._hire(slot)
            with self._changed:
                while not self._queue and not self._closed:
                    self._changed.wait()
                if self._closed:
                    break
                if worker is None or not worker.alive():
                    continue
                job = self._queue.popleft()
                job.start()
                worker.job = job
                worker.send(order="train", id=job.id, experiment=asdict(job.experiment))
            try:
                self._follow(worker, job)
            except Exception as error:  # the end of its messages, or noise in them: this thread must go on
                self._lost(job, worker.end(), error)
            with self._changed:
                worker.job = None
        if worker:
            worker.end()

    def _hire(self, slot: int) -> _Worker | None:
        try:
            worker = _Worker(slot)
        except OSError as error:  # no memory or no process left: wait for better times
            log.error("no worker can be started: %s", error)
            time.sleep(1)
            return None
        with self._changed:
            self._workers[slot] = worker
            if self._closed:
                worker.dismiss()
        return worker

    def _follow(self, worker: _Worker, job: _Job) -> None:
        """Read the worker's messages until the job has ended."""
        while True:
            message, payload = worker.receive()
            if message.get("id") != job.id:
                continue
            match message["event"]:
                case "progress":
                    frame = load(payload) if payload else None
                    with self._changed:
                        if job.state == "running":
                            job.hear(message["step"], message["loss"], frame)
                    continue
                case "done":
                    result = unpack(payload)
                    if result.experiment != job.experiment:
                        raise ValueError("the worker trained another experiment")
                    if job.state != "cancelled":
                        self.store.put(result)
                    self._end(job, "done")
                case "failed":
                    self._end(job, "failed", message["error"])
            return

    def _end(self, job: _Job, state: str, error: str | None = None) -> None:
        with self._changed:
            if job.active:  # what was cancelled stays so, even if it was done a moment later
                job.end(state, error)

    def _lost(self, job: _Job, exit_code: int, error: Exception) -> None:
        """The job's worker has died under it: once more from the start, then it is given up."""
        with self._changed:
            if not job.active:  # cancelled, and so no loss
                return
            log.warning("a worker (%s) died under experiment %s: %s", _cause(exit_code), job.experiment.key, error)
            if job.starts < STARTS:
                job.state = "queued"
                self._queue.appendleft(job)
                self._changed.notify_all()
            else:
                job.end(
                    "failed",
                    f"the process that trained it stopped {job.starts} times ({_cause(exit_code)}); "
                    "a smaller network or fewer samples may help",
                )


class _Worker:
    """A subprocess that trains one experiment at a time."""

    def __init__(self, slot: int) -> None:
        self.job: _Job | None = None
        self.process = subprocess.Popen(
            [sys.executable, "-m", "toyviz.worker", str(slot)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd=ROOT,
            env=os.environ | ONE_THREAD,
        )
        assert isinstance(self.process.stdout, io.FileIO)
        self._messages = io.BufferedReader(self.process.stdout)

    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, **order: Any) -> None:
        """Write one line; that the worker is dead is noticed where its messages are read."""
        assert self.process.stdin
        try:
            self.process.stdin.write(json.dumps(order, allow_nan=False).encode() + b"\n")
        except (OSError, ValueError):
            log.info("worker %d takes no more orders", self.process.pid)

    def receive(self) -> tuple[dict[str, Any], bytes]:
        """One message: a line of JSON and as many bytes as it says. EOFError at the end, ValueError for noise."""
        line = self._messages.readline(MAX_HEADER)
        if not line.endswith(b"\n"):
            raise EOFError("no more messages")
        message = json.loads(line)
        size = message.get("bytes", 0)
        payload = self._messages.read(size)
        if len(payload) < size:
            raise EOFError("the last message is cut short")
        return message, payload

    def disobeys(self, now: float) -> bool:
        """Whether it still trains what was cancelled a while ago."""
        return self.job is not None and self.job.state == "cancelled" and now - self.job.cancelled_at > KILL_AFTER

    def dismiss(self) -> None:
        """End of its orders: the worker ends at once, whatever it is doing."""
        assert self.process.stdin
        self.process.stdin.close()

    def end(self) -> int:
        """Dismiss it and return its exit code, by force if it does not go."""
        self.dismiss()
        try:
            self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._messages.close()
        return self.process.returncode


def _checked(experiment: Experiment) -> Experiment:
    """The experiment built again from its values: a page's widgets are no guard of what a browser sends."""
    return from_dict(asdict(experiment))


def _cause(exit_code: int) -> str:
    if exit_code == -signal.SIGKILL:
        return "killed, perhaps because memory ran out"
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
