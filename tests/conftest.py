"""Fixtures that several test files share."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

os.environ.update({f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")})  # as in a worker

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import toyviz.charts
from toyviz import runtime, ui
from toyviz.experiment import Experiment
from toyviz.jobs import Jobs
from toyviz.model import initial_parameters
from toyviz.result import Result
from toyviz.store import Store

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


class NoJobs:
    """A queue in which nothing waits."""

    def status(self, experiment):
        return None

    def touch(self, experiments, visitor):
        assert not experiments

    cancel = touch

    def leave(self, visitor):
        """A session has ended."""


@pytest.fixture(scope="session")
def untrained():
    """A kind of store that trains nothing."""
    return Untrained


@pytest.fixture(scope="session")
def no_jobs():
    """A kind of queue that trains nothing."""
    return NoJobs


class Drawn(NamedTuple):
    """A chart as a page has drawn it."""

    key: str  # of ui.draw
    chart: str  # the function of toyviz.charts that made it
    networks: tuple[Experiment, ...]  # that the page has looked up since it drew the chart before


class View(NamedTuple):
    """A page as it was opened at an address, over networks that nobody has trained."""

    drawn: list[Drawn]
    wanted: list[Experiment]
    said: list[str]
    links: list[tuple[str, str]]  # the page that it leads to, and the parameters of the address there
    claims: dict[str, list[Result]]  # those that it asks for by id, and of which networks


@pytest.fixture(scope="session")
def opened():
    """Opens a page of this name, with these parameters in the address, each only once."""
    views = {}
    with pytest.MonkeyPatch.context() as patch:

        def open_view(page, address):
            at = page, tuple(sorted(address.items()))
            if at not in views:
                views[at] = _open(patch, page, address)
            return views[at]

        yield open_view


def _open(patch, page, address):
    (path,) = (path.relative_to(ROOT).as_posix() for path in ROOT.glob(f"pages/*/{page}.py"))
    store, made, drawn, seen, claims = Untrained(), {}, [], [], {}

    def recorded(name, function):
        def record(*arguments, **options):
            figure = function(*arguments, **options)
            made[id(figure)] = name, figure  # kept, so that no other figure gets its id
            return figure

        return record

    def draw(figure, key, **options):
        drawn.append(Drawn(key, made.get(id(figure), ("",))[0], tuple(seen)))
        seen.clear()
        plain_draw(figure, key, **options)

    def get(experiment):
        seen.append(experiment)
        return plain_get(experiment)

    plain_draw, plain_get = ui.draw, store.get
    with patch.context() as patched:
        patched.setattr(store, "get", get)
        patched.setattr(runtime, "store", lambda: store)
        patched.setattr(runtime, "jobs", NoJobs)
        patched.setattr(ui, "claim", claims.__setitem__)  # none is judged: nobody has trained these networks
        patched.setattr(ui, "draw", draw)
        for name in toyviz.charts.__all__:
            function = getattr(toyviz.charts, name)
            if callable(function) and not isinstance(function, type):
                patched.setattr(toyviz.charts, name, recorded(name, function))
        st.cache_resource.clear()
        app = app_at(path, **address).run()
    assert not app.exception, [each.message for each in app.exception]
    said = [each.value for each in app.markdown]
    links = [(each.proto.page, each.proto.query_string) for each in app.get("page_link")]
    return View(drawn, list(store.wanted), said, links, claims)


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
