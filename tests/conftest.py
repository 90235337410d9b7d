"""Fixtures that several test files share."""

import os

os.environ.update({f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")})  # as in a worker

import numpy as np
import pytest

from toyviz.jobs import Jobs
from toyviz.model import initial_parameters
from toyviz.result import Result
from toyviz.store import Store


@pytest.fixture(autouse=True, scope="session")
def _cache_of_the_tests(tmp_path_factory):
    """No test reads or writes the results of whoever runs the tests."""
    os.environ["TOYVIZ_CACHE"] = str(tmp_path_factory.mktemp("cache"))


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
                {"engine": "none", "seconds": 0.0},
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
