"""Fixtures that several test files share."""

import os

os.environ.update({f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")})  # as in a worker

import pytest

from toyviz.jobs import Jobs
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
