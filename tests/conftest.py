"""Fixtures that several test files share."""

import asyncio
import contextlib
import importlib
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

os.environ.update({f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")})  # as in a worker

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from toyviz import runtime, settings
from toyviz.jobs import Jobs
from toyviz.model import initial_parameters
from toyviz.queue import LiveFrame, Status, too_large
from toyviz.result import Result
from toyviz.store import Store
from toyviz.train import train

ROOT = Path(__file__).parents[1]


def in_a_loop(coroutine):
    """Run it to its end, in a thread of its own: once a browser has been driven, the main thread has a loop already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def app_at(page=None, timeout=60, **address):
    """The app, about to open a page at an address. AppTest wants the script: over app.py it is silently empty."""
    app = AppTest.from_file(str(ROOT / "toyviz/ui/main.py"), default_timeout=timeout)
    for name, value in address.items():
        app.query_params[name] = value
    if page:
        app.switch_page(str(ROOT / page))
    return app


class Server(NamedTuple):
    """The app as visitors meet it: a process of its own, and the address that it has printed."""

    address: str
    process: subprocess.Popen


@contextlib.contextmanager
def serve(folder, *options):
    """Starts the app with a cache in this folder, at a free port; in the end its log must tell of no exception."""
    log = folder / "server.log"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port=0", *options]
    with log.open("w") as written:
        environment = os.environ | {"TOYVIZ_CACHE": str(folder)}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=written, stderr=written)
    try:
        while not (told := re.search(r"URL: (http://\S+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield Server(told.group(1), process)
    finally:
        process.terminate()
        process.wait(60)
    assert "Traceback" not in log.read_text()


@pytest.fixture(autouse=True, scope="session")
def _cache_of_the_tests(tmp_path_factory):
    """No test reads or writes the results of whoever runs the tests."""
    os.environ["TOYVIZ_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def torch():
    """PyTorch, for tests that hold ours against it; they are skipped where it is not installed."""
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture
def store(tmp_path):
    """An empty store of its own, without a gallery."""
    return Store(tmp_path / "runs")


@pytest.fixture
def jobs(store):
    """A queue with one real worker."""
    jobs = Jobs(store, workers=1)
    yield jobs
    jobs.close()


class Untrained:
    """A store that has every network, as it was before its first step, and remembers which of them were wanted."""

    problem = None

    def __init__(self):
        self.wanted = {}

    def get(self, experiment):
        if experiment not in self.wanted:
            start = initial_parameters(experiment)
            self.wanted[experiment] = Result(
                experiment,
                start,
                np.array([1, experiment.steps]),
                np.array([1.0, 0.5], np.float32),
                np.array([0, experiment.steps]),
                {name: np.stack([values, values]) for name, values in start.items()},
                dict.fromkeys(("train_loss", "test_loss"), 0.5)
                | dict.fromkeys(("train_accuracy", "test_accuracy"), 0.1),
                provenance={"engine": "none", "seconds": 0.0},
            )
        return self.wanted[experiment]

    whole = get


class NoJobs:
    """A queue in which nothing waits."""

    def status(self, experiment):
        return None

    def touch(self, experiments, visitor):
        assert not experiments

    cancel = touch

    def leave(self, visitor):
        """A session has ended."""


class StandIn:
    """The queue as pages see it: what is submitted runs until finish(), which trains it on the spot.

    Like the real one it has a status only of what was asked for, and forgets none of it unless it is told to.
    """

    def __init__(self, store):
        self.store, self.statuses, self.wanted, self.busy = store, {}, {}, None
        self.submitted, self.cancelled, self.touched = [], [], []
        self.begins = "running"  # what is submitted

    def submit(self, experiments, visitor, *, again=False, anew=False, first=()):
        if self.busy:
            raise self.busy
        self.submitted.append([each.key for each in experiments])
        for each in experiments:
            failed = self.statuses.get(each.key, (None,))[0] == "failed"
            if (anew or self.store.get(each) is None) and (again or not failed):
                self.wanted[each.key] = each
                self.set(self.begins, each, position=len(self.wanted))

    def set(self, state, experiment, error=None, steps=(10,), position=None):
        """Where a job stands, and of which steps its worker has sent the network: as it was before the first one."""
        start = initial_parameters(experiment)
        history = tuple(LiveFrame(step, start, {}) for step in (steps if state == "running" else ()))
        losses = (np.array([1, 10]), np.array([1.0, 0.5], np.float32))
        if state == "queued":
            losses = (np.empty(0, int), np.empty(0, np.float32))
        large = too_large(experiment)
        step, left = (0, None) if state == "queued" else (10, 3.0)
        self.statuses[experiment.key] = Status(
            state, step, experiment.steps, 0.5, left, position, error, () if large else history, losses, too_large=large
        )

    def finish(self, count=None):
        for key in list(self.wanted)[:count]:
            self.store.put(train(self.wanted.pop(key)))
            self.statuses.pop(key)

    def fail(self, error):
        for each in self.wanted.values():
            self.set("failed", each, error)

    def forget(self):
        """As a queue that was started again: it knows of nothing."""
        self.statuses.clear()
        self.wanted.clear()

    def status(self, experiment):
        return self.statuses.get(experiment.key)

    def result(self, experiment):
        return self.store.get(experiment)

    def touch(self, experiments, visitor):
        self.touched.append([each.key for each in experiments])

    def leave(self, visitor):
        """A session has ended."""

    def cancel(self, experiments, visitor):
        for each in experiments:
            self.cancelled.append(each.key)
            if self.statuses.get(each.key, ("",))[0] in ("queued", "running"):
                self.set("cancelled", each)


@pytest.fixture
def stand_in(monkeypatch):
    """A queue that trains when it is told to, and experiments of a few steps."""
    jobs = StandIn(Store(None))
    monkeypatch.setattr(runtime, "store", lambda: jobs.store)
    monkeypatch.setattr(runtime, "jobs", lambda: jobs)
    for name, setting in settings.EXPERIMENTS.items():
        short = {"steps": 12} | ({"warmup": 3} if setting.quick.warmup else {})
        changed = replace(setting, quick=setting.quick.with_(**short), paper=setting.paper.with_(**short, lr=2e-3))
        monkeypatch.setitem(settings.EXPERIMENTS, name, changed)
    monkeypatch.setitem(settings.PLAIN_RECIPE, "steps", 12)
    st.cache_resource.clear()
    return jobs


def until(condition, what="it", seconds=300):
    """Wait for the condition; the time-out is for a test that hangs, and no measure of speed."""
    ends = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < ends, f"waited {seconds} s in vain for {what}"
        time.sleep(0.01)
    return value


def again(app):
    """One more run of the whole page, without an exception."""
    app.run()
    assert not app.exception, [each.message for each in app.exception]
    return app


def opened_below(app):
    """The same with the exact experiment opened, which is not sent before."""
    app.session_state["behind"] = True
    return again(app)


def text(app):
    """All that is said on a page."""
    return "\n".join(str(each.value) for each in [*app.markdown, *app.caption, *app.warning, *app.title])


def button(app, label):
    """The one button whose label begins so."""
    (found,) = (each for each in app.button if each.label.startswith(label))
    return found


@pytest.fixture
def add_view(tmp_path, monkeypatch):
    """Adds a file with a view to the double descent page."""
    folder = importlib.import_module("toyviz.studies.double_descent")
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    added = []

    def add(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        added.append(name)

    yield add
    for name in added:
        sys.modules.pop(f"toyviz.studies.double_descent.{name}", None)
        if hasattr(folder, name):
            delattr(folder, name)


@pytest.fixture(scope="session")
def untrained():
    """A kind of store that trains nothing."""
    return Untrained


@pytest.fixture(scope="session")
def no_jobs():
    """A kind of queue that trains nothing."""
    return NoJobs


@pytest.fixture
def open_page(monkeypatch):
    """Opens a page with the networks of a store, at an address, and trains nothing."""

    def open_with(store, path, **address):
        monkeypatch.setattr(runtime, "store", lambda: store)
        monkeypatch.setattr(runtime, "jobs", NoJobs)
        st.cache_resource.clear()
        app = app_at(path, **address).run()
        assert not app.exception, [each.message for each in app.exception]
        return app

    return open_with
