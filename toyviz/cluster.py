"""Training on many machines, through a scheduler of Dask's: whom we talk to, what they are sent, what comes back.

Dask's ports run code: whoever reaches one can send it a pickle. So there is a scheduler on this machine alone, or one
behind TLS. A task is the name of train_packed and a text of JSON that is written here from an experiment that has been
checked: numbers, truth values, and names out of the tables in toyviz.experiment. What comes back is one message of
toyviz.worker's, as bytes. Only this side writes to the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.metadata
import io
import ipaddress
import itertools
import json
import logging
import platform
import queue
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from toyviz.experiment import Experiment, from_dict
from toyviz.jobs import Hear, Lost, receive
from toyviz.result import Result
from toyviz.store import unpack

VARIABLE = "TOYVIZ_SCHEDULER"  # the app's setting: the scheduler's address
PATIENCE = 10.0  # seconds that the scheduler has to answer
SECONDS_A_MESSAGE = 0.5  # between two of one training: all pass through the scheduler
SECONDS_A_SIGN = 2.0  # between two signs of life: see toyviz.worker
PACKAGES = ("numpy", "numba", "llvmlite", "torch")
OUTSIDE = "it was not started in a checkout of this project"
GONE = "the machine that trained it has gone"
LOST = "the connection to the scheduler was lost"
CLOSED = ("closing", "closed")  # what Dask's client is once it has looked for its scheduler in vain

log = logging.getLogger(__name__)


# ---- on this side


class Cluster:
    """The machines behind one scheduler. Raises ValueError, in one sentence that begins with name, for an address that
    is not safe, for a scheduler that does not answer, and for machines that cannot train as this one does."""

    def __init__(self, address: str, name: str = VARIABLE) -> None:
        refuse_unsafe(address, name)
        self._address, self._name, self._one_at_a_time = address, name, threading.Lock()
        self._runs = itertools.count()
        self._heard_by: dict[int, Callable[[dict[str, Any], bytes], None]] = {}  # run -> who is told of it
        self._open()

    def _open(self) -> None:
        self._client = _client(self._address, self._name)
        try:
            self.cores = _refuse_unlike(self._client, self._name, self._address)
        except ValueError:
            self.close()
            raise

    def close(self) -> None:
        """Leave: what we had in training there stops."""
        self._client.close(timeout=PATIENCE)

    def outcomes(self, experiments: Iterable[Experiment], engine: str) -> Iterator[tuple[Experiment, Result | str]]:
        """Each experiment, once, with its result or the sentence that says why there is none; in the order of the end.

        Dask trains what a machine that has gone was at once more, on another.
        """
        from distributed import as_completed

        wanted = {f"train-{each.key}-{engine}": each for each in experiments}
        orders = [order(each, engine) for each in wanted.values()]
        ended = as_completed(self._client.map(train_packed, orders, key=list(wanted)), loop=self._client.loop)
        for future in ended:
            yield wanted[future.key], _outcome(future, wanted[future.key])
            future.release()  # its bytes make room

    def worker(self, number: int, place: int, hear: Hear, lost: Lost) -> Core:
        """One more core to train on for toyviz.jobs, which hears of it as of a process of its own."""
        return Core(self, number, hear, lost)

    def start(self, experiment: Experiment, told: Callable[[dict[str, Any], bytes], None]) -> tuple[int, Any]:
        """Have one network trained, and tell of it on the way. Returns the run's number and its future.

        Raises ValueError, in one sentence, where the scheduler had gone and none answers.
        """
        with self._one_at_a_time:
            if self._client.status in CLOSED:
                self._open()
            client, run = self._client, next(self._runs)
        self._heard_by[run] = told
        client.subscribe_topic(client.id, self._hear)  # a topic of this name is forgotten an hour after we left
        key = f"live-{experiment.key}-{client.id}-{run}"
        text = order(experiment, run=run, topic=client.id)
        return run, client.submit(train_packed, text, key=key, priority=1)  # somebody waits: before any sweep

    def forget(self, run: int) -> None:
        """What is still said of this run goes nowhere."""
        self._heard_by.pop(run, None)

    def _hear(self, event: tuple[float, Any]) -> None:
        """Called for every event of our topic, of which some are Dask's own."""
        message = event[1]
        if "toyviz" in message and (told := self._heard_by.get(message["toyviz"])):
            told(json.loads(message["message"]), message["payload"])


class Core:
    """One core of the cluster, with the ways of a worker process, and a thread that does what comes for it in turn."""

    process = None

    def __init__(self, cluster: Cluster, number: int, hear: Hear, lost: Lost) -> None:
        self.number, self._cluster, self._hear, self._lost = number, cluster, partial(hear, number), lost
        self._to_do: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._job, self._run, self._future, self._begun = -1, -1, None, False
        self.thread = threading.Thread(target=self._live, daemon=True, name=f"core {number}")
        self.thread.start()

    def alive(self) -> bool:
        return self.thread.is_alive()

    def send(self, **order: Any) -> None:
        """Train, or cancel."""
        what = self._train if order["order"] == "train" else self._cancel
        self._to_do.put(partial(what, order))

    def dismiss(self) -> None:
        """End; what is in training there stops."""
        self._to_do.put(None)

    kill = dismiss

    def _live(self) -> None:
        cause = "we ended it"
        try:
            self._hear({"event": "ready"}, b"")
            while step := self._next():
                step()
        except (EOFError, ValueError) as error:
            cause = str(error)
        except Exception as error:
            log.exception("core %d", self.number)
            cause = repr(error)
        self._stop()
        self._lost(self.number, cause)

    def _next(self) -> Callable[[], None] | None:
        """What is to be done next. A network that waits for a core is no silence.

        Raises EOFError where it waits for nothing: what a client is handed while it closes, it forgets.
        """
        while True:
            try:
                return self._to_do.get(timeout=SECONDS_A_SIGN if self._future and not self._begun else None)
            except queue.Empty:
                if self._future and self._future.client.status in CLOSED:
                    raise EOFError(LOST) from None
                self._hear({"event": "alive"}, b"")

    def _train(self, order: dict[str, Any]) -> None:
        self._stop()
        self._job, self._begun = order["id"], False

        def told(message: dict[str, Any], payload: bytes) -> None:
            self._to_do.put(partial(self._told, run, message, payload))

        run, future = self._cluster.start(from_dict(order["experiment"]), told)
        self._run, self._future = run, future
        future.add_done_callback(lambda future: self._to_do.put(partial(self._ended, run, future)))

    def _cancel(self, order: dict[str, Any]) -> None:
        if order["id"] == self._job:
            self._stop()
            self._hear({"event": "cancelled", "id": order["id"]}, b"")

    def _told(self, run: int, message: dict[str, Any], payload: bytes) -> None:
        """Raises EOFError if it has begun anew elsewhere: Dask does so, and toyviz.queue counts how often."""
        if run != self._run:
            return
        if message["event"] != "begun":
            self._hear(message | {"id": self._job}, payload)
        elif self._begun:
            raise EOFError(GONE)
        self._begun = True

    def _ended(self, run: int, future: Any) -> None:
        """Raises EOFError if it has no end."""
        if run != self._run:
            return
        if future.status != "finished":
            raise EOFError(_problem(future))
        message, payload = receive(io.BytesIO(future.result()))
        job = self._job
        self._stop()
        self._hear(message | {"id": job}, payload)

    def _stop(self) -> None:
        """Want nothing more of what is there; a training that nobody wants stops at its next look."""
        self._cluster.forget(self._run)
        if self._future:
            with contextlib.suppress(Exception):  # the scheduler may be gone
                self._future.cancel()
        self._job, self._run, self._future = -1, -1, None


def refuse_unsafe(address: str, name: str) -> None:
    """Raise ValueError, in one sentence, for a scheduler that is neither on this machine nor behind TLS."""
    try:
        parts = urlsplit(address)
        whole = bool(parts.hostname and parts.port) and address == f"{parts.scheme}://{parts.netloc}"
        whole = whole and parts.username is None
        safe = parts.scheme == "tls" or (parts.scheme == "tcp" and _is_this_machine(parts.hostname or ""))
    except ValueError:
        whole = safe = False
    if not (whole and safe):
        raise ValueError(
            f"{name} must be tcp://HOST:PORT with a host that is this machine (127.0.0.1, ::1, localhost), or "
            f"tls://HOST:PORT, since whoever is on the way could run code; got {address!r}"
        )


def order(experiment: Experiment, engine: str = "auto", run: int | None = None, topic: str = "") -> str:
    """What a machine is sent: the experiment, built again from its values, as a text of JSON."""
    checked = asdict(from_dict(asdict(experiment)))
    asked: dict[str, Any] = {"id": run, "topic": topic, "experiment": checked, "engine": engine, "alike": alike()}
    asked["every"] = SECONDS_A_MESSAGE if topic else None
    return json.dumps(asked, allow_nan=False)


@lru_cache(maxsize=1)
def alike() -> dict[str, str]:
    """What has to be equal on all machines, each with its version: the code, and what its numbers come from."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_text(encoding="utf-8").encode())
    versions = {"the code of toyviz": digest.hexdigest()[:12], "Python": ".".join(platform.python_version_tuple()[:2])}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name).split("+")[0]  # without the kind of build
    return versions


def difference(here: dict[str, str], there: dict[str, str]) -> str | None:
    """The first thing that is not alike there, as the part of a sentence."""
    for name, version in here.items():
        if there.get(name) != version:
            return f"{name} {version} is asked for, and {there.get(name, 'none')} is there: bring both to one state"
    return None


def _client(address: str, name: str) -> Any:
    try:
        from distributed import Client
        from distributed.security import Security
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{name} needs the package {error.name}, which is not installed: see requirements-cluster.txt"
        ) from error
    for each in ("distributed", "distributed.client"):  # what is to be told of its troubles, we tell
        logging.getLogger(each).setLevel(logging.CRITICAL)
    try:
        options = Security().get_connection_args("client")
        if address.startswith("tls:") and not options["ssl_context"]:
            raise ValueError("Dask's configuration names no certificates of this client's: see docs/cluster.md")
        asyncio.run(_greeted(address, options))
        return Client(address, timeout=PATIENCE, set_as_default=False, name="toyviz")
    except Exception as error:
        raise ValueError(f"{name} {address!r}: no scheduler answers as it should there ({_line(error)})") from error


async def _greeted(address: str, options: dict[str, Any]) -> None:
    """Raise what Dask does where nobody answers, and TimeoutError where whoever takes the call says nothing, as a web
    server does: Dask's client would wait for that for ever."""
    from distributed.comm import connect

    greeted = await asyncio.wait_for(connect(address, timeout=PATIENCE, **options), PATIENCE + 1)
    greeted.abort()


def _refuse_unlike(client: Any, name: str, address: str) -> int:
    """The number of cores. Raises ValueError for machines that listen to anybody, or cannot train as this one does."""
    listens = client.scheduler_info()["address"]
    if not _is_safe(listens):
        raise ValueError(f"{name} {address!r} listens on {listens} without TLS: start it with --host 127.0.0.1")
    try:
        client.run_on_scheduler(alike)  # it reads the tasks too
    except ModuleNotFoundError as error:
        raise ValueError(f"{name} {address!r}: {OUTSIDE} ({_line(error)})") from error
    found = client.run(_tell, on_error="return")
    if not found:
        raise ValueError(f"{name} {address!r} has no worker yet: start one, and try again")
    for worker, told in found.items():
        problem: str | None
        if isinstance(told, Exception):
            problem = f"{OUTSIDE} ({_line(told)})"
        elif not _is_safe(told["listens"]):
            problem = f"it listens on {told['listens']} without TLS: start it with --host 127.0.0.1"
        elif told["threads"] != 1:
            problem = f"it trains {told['threads']} networks in one process: start it with --nthreads 1"
        else:
            problem = difference(alike(), told["alike"])
        if problem:
            raise ValueError(f"{name} {address!r}: its worker {worker}: {problem}")
    return len(found)


def _outcome(future: Any, experiment: Experiment) -> Result | str:
    """What a task has come to."""
    try:
        message, payload = receive(io.BytesIO(future.result()))
        result = unpack(payload) if message["event"] == "done" else str(message["error"])
    except Exception as error:
        return f"what came back is {_line(error)}" if future.status == "finished" else _problem(future)
    if isinstance(result, Result) and result.experiment != experiment:
        return "what came back is the network of another experiment"
    return result


def _problem(future: Any) -> str:
    """Why a task has no result, as the part of a sentence."""
    if future.status != "error":
        return LOST
    error = future.exception()
    if type(error).__name__ == "KilledWorker":
        return f"{error.allowed_failures + 1} machines that trained it have gone, perhaps because memory ran out"
    return _line(error)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _is_safe(address: str) -> bool:
    """Whether nobody but this machine, or whoever has a certificate, can reach it."""
    parts = urlsplit(address)
    return parts.scheme in ("tls", "inproc") or _is_this_machine(parts.hostname or "")


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# ---- on the other machines


def train_packed(order: str) -> bytes:
    """Train what the order says, and return the last message of toyviz.worker: a line of JSON, the packed result."""
    from distributed import Reschedule, get_worker

    from toyviz import worker

    asked, here = json.loads(order), get_worker()
    told = _Told(here, asked["topic"], asked["id"])
    where = {"host": socket.gethostname(), "worker": here.address}
    unlike = difference(asked["alike"], alike())
    if unlike:
        told.send(event="failed", error=f"the worker {here.address}: {unlike}")
        return told.last
    with told:
        worker.serve(asked, partial(_is_cancelled, here, here.get_current_task()), told, where)
    if told.cancelled:
        raise Reschedule  # nobody hears of it, unless somebody has asked for the same meanwhile: they get it anew
    return told.last


class _Told:
    """What is told of a training on its way, as events of a topic; what ends it is kept, and returned as a result."""

    def __init__(self, worker: Any, topic: str, run: int | None) -> None:
        self.last, self.cancelled = b"", False
        self._worker, self._topic, self._run = worker, topic, run
        self._without_steps, self._over = False, threading.Event()

    def __enter__(self) -> None:
        self.send(event="begun")
        self.working(without_steps=True)
        if self._topic:
            threading.Thread(target=self._show_signs_of_life, daemon=True).start()

    def __exit__(self, *problem: object) -> None:
        self._over.set()

    def send(self, payload: bytes = b"", **message: Any) -> None:
        """Tell at once, or keep it if it is the end."""
        text = json.dumps(message | {"bytes": len(payload)}, allow_nan=False)
        if message["event"] == "cancelled":
            self.cancelled = True
        elif message["event"] in ("done", "failed"):
            self.last = text.encode() + b"\n" + payload
        elif self._topic:
            self._worker.log_event(self._topic, {"toyviz": self._run, "message": text, "payload": payload})

    def working(self, without_steps: bool) -> None:
        """Whether signs of life are to be told."""
        self._without_steps = without_steps

    def _show_signs_of_life(self) -> None:
        while not self._over.wait(SECONDS_A_SIGN):
            if self._without_steps:
                self.send(event="alive")


def _is_cancelled(worker: Any, key: Any) -> bool:
    """Whether nobody wants this task any more: it was cancelled, or whoever asked for it has gone."""
    task = worker.state.tasks.get(key)
    return task is None or task.state == "cancelled"


def _tell(dask_worker: Any) -> dict[str, Any]:
    """What a machine says of itself when it is asked before any training."""
    return {"listens": dask_worker.listen_address, "threads": dask_worker.state.nthreads, "alike": alike()}
