"""Training in the background: the threads and worker processes around what toyviz.queue decides.

The server asks, the workers train (toyviz.worker), and this side alone writes to the store. Nothing here trains, draws
or knows Streamlit, so one Jobs object a server process serves all its threads.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
from safetensors.numpy import load

from toyviz import cost
from toyviz.experiment import Experiment, from_dict
from toyviz.queue import Busy, Cancel, Instruction, Kill, Limits, LiveFrame, Queue, Start, Status, Train
from toyviz.result import Result
from toyviz.store import ROOT, Store, unpack

__all__ = ["Busy", "Jobs", "Status"]

TICK = 0.1  # seconds between two looks at the clock
ASLEEP = 5.0  # seconds between two such looks that say that this process was stopped in between
MAX_HEADER = 2**16  # bytes of one message's first line
MAX_PAYLOAD = 2**31  # bytes that may follow it
TO_END = 2.0  # seconds that a process has to end by itself
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
LOW_PRIORITY = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)  # on Windows; elsewhere the worker asks for it

log = logging.getLogger(__name__)


Hear = Callable[[int, dict[str, Any], bytes], None]  # a worker's number, its message, and the bytes behind it
Lost = Callable[[int, str], None]  # a worker's number, and why it has ended


class Worker(Protocol):
    """Where one experiment trains at a time: a process here, or a core of a cluster (toyviz.cluster)."""

    thread: threading.Thread  # that tells of it until it has ended

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """It, if it runs here."""

    def alive(self) -> bool:
        """Whether it takes orders."""

    def send(self, **order: Any) -> None:
        """An order as toyviz.worker reads it."""

    def dismiss(self) -> None:
        """End it."""

    def kill(self) -> None:
        """End it by force."""


class Jobs:
    """The queue and its workers; everything in it happens behind one lock. Call close() at the end.

    workers is how many train at once, one a core and at most two where nothing is said; spare is how many more stand
    by for visitors who would have to wait for the long training of another. limits are those of the machine's owner
    where nothing is said. make starts a worker: a process on this machine where nothing is said.
    """

    def __init__(
        self,
        store: Store,
        workers: int | None = None,
        spare: int = 0,
        limits: Limits | None = None,
        make: Callable[[int, int, Hear, Lost], Worker] | None = None,
    ) -> None:
        self.store = store
        self._make = make or _Process
        self._queue = Queue(workers or min(2, os.cpu_count() or 1), spare, limits or owners_limits())
        self._workers: dict[int, Worker] = {}
        self._slept = 0.0  # seconds that this process was stopped: they do not count
        self._changed = threading.Condition(threading.RLock())
        self._clock = threading.Thread(target=self._watch, daemon=True, name="watch")
        self._feed(self._queue.open)
        self._clock.start()

    def submit(
        self,
        experiments: Iterable[Experiment],
        visitor: str,
        *,
        again: bool = False,
        anew: bool = False,
        first: Iterable[Experiment] = (),
    ) -> None:
        """Queue what is neither stored nor under way, and mark this visitor's interest in all of it.

        What failed stays failed, since the same training fails the same way, unless again is true. anew trains what is
        stored once more: for its whole history, where the stored one is short. first: what the visitor looks at, and
        so wants before all the rest. Raises Busy, and queues nothing, if it is too much; ValueError for an experiment
        out of bounds, or over what the owner allows.
        """
        wanted = {each.key: each for each in map(_checked, experiments)}
        stored: set[str] = set()
        missing: set[str] = set()
        for key, experiment in wanted.items():
            job = self._queue.job(key)
            if not (job and (job.active or job.state == "failed")):
                (missing if anew or self.store.get(experiment) is None else stored).add(key)
        for key, experiment in wanted.items():
            if key in missing:
                cost.refuse(experiment)
        looked_at = {each.key for each in first}
        self._feed(lambda now: self._queue.submit(visitor, wanted, stored, missing, now, again, looked_at))

    def status(self, experiment: Experiment) -> Status | None:
        """Where the experiment's newest job stands; None if it never was one, such as for a stored result."""
        with self._changed:
            return self._queue.status(experiment.key)

    def result(self, experiment: Experiment) -> Result | None:
        """The trained network, once it is there."""
        job = self._queue.job(experiment.key)
        if job and job.state != "done":
            return None  # without a look at the disk: pages ask this every second
        return self.store.get(experiment)

    def touch(self, experiments: Iterable[Experiment], visitor: str) -> None:
        """Say at each poll that this visitor still wants these experiments."""
        self._feed(lambda now: self._queue.touch([each.key for each in experiments], visitor, now))

    def cancel(self, experiments: Iterable[Experiment], visitor: str) -> None:
        """Drop this visitor's interest at once; what nobody else watches is cancelled, queued or running."""
        self._feed(lambda now: self._queue.cancel([each.key for each in experiments], visitor, now))

    def leave(self, visitor: str) -> None:
        """This visitor's session has ended: their jobs live on for a moment, in case it was a reload."""
        self._feed(lambda now: self._queue.leave(visitor, now))

    def pids(self) -> list[int]:
        """The process ids of the workers that are alive."""
        with self._changed:
            return [worker.process.pid for worker in self._workers.values() if worker.process and worker.alive()]

    def close(self) -> None:
        """Cancel everything and end the workers."""
        self._feed(self._queue.close)
        with self._changed:
            workers = list(self._workers.values())
            self._changed.notify_all()
        for worker in workers:
            worker.dismiss()
        patient_until = time.monotonic() + TO_END
        for worker in workers:
            worker.thread.join(max(patient_until - time.monotonic(), 0.0))
            worker.kill()  # one that hangs does not notice the end of its orders
        for thread in (self._clock, *(worker.thread for worker in workers)):
            thread.join(timeout=10)

    # from events to what is done

    def _feed(self, event: Callable[[float], list[Instruction]]) -> None:
        """Tell the queue what has happened, and do what it says."""
        with self._changed:
            for instruction in event(time.monotonic() - self._slept):
                self._obey(instruction)

    def _obey(self, instruction: Instruction) -> None:
        match instruction:
            case Start(number, place):
                self._workers[number] = self._make(number, place, self._hear, self._lost)
            case Train(number, job):
                self._workers[number].send(order="train", id=job.id, experiment=asdict(job.experiment))
            case Cancel(number, job):
                self._workers[number].send(order="cancel", id=job.id)
            case Kill(number, why):
                log.warning("worker %d is killed: %s", number, why)
                self._workers[number].kill()

    # on threads of our own: what a worker says, how it ends, and the clock

    def _hear(self, worker: int, message: dict[str, Any], payload: bytes) -> None:
        """One message of a worker. Raises ValueError for noise."""
        queue, job = self._queue, message.get("id", -1)
        match message["event"]:
            case "ready":
                self._feed(lambda now: queue.ready(worker, now))
            case "alive":
                self._feed(lambda now: queue.alive(worker, now))
            case "training":
                self._feed(lambda now: queue.training(worker, job, now))
            case "progress":
                step, loss, frame = message["step"], message["loss"], _frame(message, payload)
                self._feed(lambda now: queue.progress(worker, job, step, loss, frame, now))
            case "done":
                state, error = self._keep(worker, job, unpack(payload))
                self._feed(lambda now: queue.ended(worker, job, state, error, now))
            case "failed":
                self._feed(lambda now: queue.ended(worker, job, "failed", message["error"], now))
            case "cancelled":
                self._feed(lambda now: queue.ended(worker, job, "cancelled", None, now))
            case other:
                raise ValueError(f"an event {other!r}")

    def _keep(self, worker: int, job: int, result: Result) -> tuple[str, str | None]:
        """Store what was trained, if somebody still waits for it, and say how the job ends."""
        with self._changed:
            wanted = self._queue.wanted(worker, job)
        if wanted is None:
            return "cancelled", None
        if wanted != result.experiment:
            raise ValueError("the network of another experiment")
        try:
            self.store.put(result)
        except Exception as error:
            log.exception("the result %s cannot be kept", result.experiment.key)
            return "failed", f"what was trained cannot be kept ({error})"
        return "done", None

    def _lost(self, worker: int, cause: str) -> None:
        if not self._queue.closed:
            log.warning("worker %d has ended: %s", worker, cause)
        self._feed(lambda now: self._queue.lost(worker, cause, now))
        with self._changed:
            self._workers.pop(worker, None)

    def _watch(self) -> None:
        looked = time.monotonic()
        with self._changed:
            while not self._queue.closed:
                since = time.monotonic() - looked
                if since > ASLEEP:  # we were stopped, or starved, and so heard nobody: that is nobody's silence
                    self._slept += since
                looked += since
                try:
                    self._feed(self._queue.tick)
                except Exception:  # a fault of ours: the clock must go on
                    log.exception("the clock of the queue")
                self._changed.wait(TICK)


class _Process:
    """A subprocess that trains one experiment at a time, and a thread that listens to it until it ends."""

    def __init__(self, number: int, place: int, hear: Hear, lost: Lost) -> None:
        self.number, self.place = number, place
        self.process: subprocess.Popen[bytes] | None = None
        self.last_words = ""  # the last line of its stderr
        self._hear, self._lost = hear, lost
        self._unwanted = False  # dismissed or killed, perhaps before it began
        self.thread = threading.Thread(target=self._live, daemon=True, name=f"worker {number}")
        self.thread.start()

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, **order: Any) -> None:
        """Write one line; that the worker is dead is noticed where its messages are read."""
        try:
            assert self.process
            assert self.process.stdin
            self.process.stdin.write(json.dumps(order, allow_nan=False).encode() + b"\n")
        except (OSError, ValueError):
            log.info("worker %d takes no more orders", self.number)

    def dismiss(self) -> None:
        """End of its orders: the worker ends at once, whatever it is doing."""
        self._unwanted = True
        if self.process and self.process.stdin:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def kill(self) -> None:
        """End it by force."""
        self._unwanted = True
        if self.process:
            with contextlib.suppress(OSError):
                self.process.kill()

    def _live(self) -> None:
        noise = None
        try:
            self._start()
            self._listen()
        except EOFError:
            pass
        except OSError as error:
            noise = None if self.process else f"it could not be started: {error}"
        except Exception as error:  # noise where a message should be
            noise = f"it sent something that is no message: {error}"
        try:
            cause = self._end()
        except Exception as error:
            log.exception("the end of worker %d", self.number)
            cause = repr(error)
        self._lost(self.number, noise or cause)

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "toyviz.worker", str(self.place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=ROOT,
            env=os.environ | ONE_THREAD,
            creationflags=LOW_PRIORITY,
        )
        self._stderr = threading.Thread(target=self._pass_on, daemon=True, name=f"stderr of worker {self.number}")
        self._stderr.start()
        if self._unwanted:
            self.kill()

    def _listen(self) -> None:
        """Hear its messages until it ends. Raises EOFError then, ValueError or what parsing raises for noise."""
        assert self.process
        assert isinstance(self.process.stdout, io.FileIO)
        with io.BufferedReader(self.process.stdout) as messages:
            while True:
                message, payload = receive(messages)
                self._hear(self.number, message, payload)

    def _pass_on(self) -> None:
        """Its stderr goes to ours; the last line is kept, since it may say why it ended."""
        assert self.process
        assert isinstance(self.process.stderr, io.FileIO)
        with io.BufferedReader(self.process.stderr) as lines:
            for line in lines:
                text = line.decode(errors="replace")
                self.last_words = text.strip() or self.last_words
                with contextlib.suppress(Exception):
                    sys.stderr.write(text)

    def _end(self) -> str:
        """Make sure that its process has ended, and say how, as the part of a sentence."""
        if self.process is None:
            return "it could not be started"
        ours = self._unwanted
        self.dismiss()
        try:
            self.process.wait(timeout=TO_END)
        except subprocess.TimeoutExpired:
            ours = True
            self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=TO_END)
        self._stderr.join(timeout=TO_END)
        return cause(self.process.returncode, ours, self.last_words)


def receive(stream: Any) -> tuple[dict[str, Any], bytes]:
    """One message: a line of JSON and as many bytes as it says. Raises EOFError at the end, ValueError for noise."""
    line = stream.readline(MAX_HEADER)
    if not line:
        raise EOFError("no more messages")
    try:
        message = json.loads(line)
        size = message.get("bytes", 0)
        if "event" not in message or not (isinstance(size, int) and 0 <= size <= MAX_PAYLOAD):
            raise ValueError
    except (ValueError, AttributeError):
        raise ValueError(ascii(line[:80].decode(errors="replace").strip())) from None
    payload = stream.read(size)
    if len(payload) < size:
        raise EOFError("the last message is cut short")
    return message, payload


def cause(exit_code: int | None, ours: bool, last_words: str) -> str:
    """Why a process ended, as the part of a sentence; ours says that we ended it ourselves."""
    if exit_code is None:
        return "it cannot be ended"
    if ours and exit_code < 0:
        return "we ended it"
    if exit_code == -getattr(signal, "SIGKILL", 9):
        return "killed, perhaps because memory ran out: a smaller network or fewer samples may help"
    how = f"exit code {exit_code}"
    if exit_code < 0:
        with contextlib.suppress(ValueError):
            how = f"signal {signal.Signals(-exit_code).name}"
    return f"{how}: {last_words}" if last_words else how


def owners_limits() -> Limits:
    """What the owner of this machine allows to be open at a time: see toyviz.cost."""
    return Limits(
        visitor_networks=cost.allowed("visitor_networks"),
        visitor_seconds=3600 * cost.allowed("visitor_hours"),
        queue_networks=cost.allowed("queue_networks"),
    )


def _frame(message: dict[str, Any], payload: bytes) -> LiveFrame | None:
    """The network of a message, if it brings one. Raises what parsing raises for noise."""
    if not payload:
        return None
    parameters = {name: values.astype(np.float32) for name, values in load(payload).items()}
    return LiveFrame(message["step"], parameters, message["metrics"])


def _checked(experiment: Experiment) -> Experiment:
    """The experiment built again from its values: a page's widgets are no guard of what a browser sends."""
    return from_dict(asdict(experiment))
