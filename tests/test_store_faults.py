"""The store when the disk fails it: at any call of the file system or the database, at any cut of a file."""

import builtins
import errno
import io
import os
import shutil
import sqlite3
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from unittest.mock import patch

import diskcache
import numpy as np
import pytest

from toyviz.experiment import Experiment
from toyviz.store import Store, pack
from toyviz.train import train

SMALL = Experiment(n_features=7, n_hidden=2, n_samples=11, sparsity=0.6, steps=20, lr=0.01)  # packed: in the database
LARGE = SMALL.with_(n_features=60)  # packed: in a file of its own
SHIPPED = SMALL.with_(seed=7)
STORED = (SMALL, LARGE, SHIPPED)
NEW = (SMALL.with_(seed=1), LARGE.with_(seed=1))


@pytest.fixture(scope="module")
def results():
    trained = {experiment: train(experiment) for experiment in (SMALL, LARGE)}
    like = {experiment: trained[LARGE if experiment.n_features == 60 else SMALL] for experiment in (SHIPPED, *NEW)}
    return trained | {experiment: replace(result, experiment=experiment) for experiment, result in like.items()}


@pytest.fixture(scope="module", autouse=True)
def _no_waiting_for_the_disk():
    """The tests open some thousand databases, and none of them cuts the power."""
    with patch.dict(diskcache.core.DEFAULT_SETTINGS, {"sqlite_synchronous": 0}):
        yield


@pytest.fixture(scope="module")
def filled(results, tmp_path_factory):
    """A folder with a cache and a gallery, to be copied."""
    folder = tmp_path_factory.mktemp("filled")
    (folder / "gallery").mkdir()
    (folder / "gallery" / f"{SHIPPED.key}.safetensors").write_bytes(pack(results[SHIPPED]))
    store = opened(folder)
    assert [store.put(results[experiment]) for experiment in (SMALL, LARGE)] == [True, True]
    store.close()
    return folder


def opened(folder, **options):
    return Store(folder / "runs", folder / "gallery", **options)


def right(found, experiment, results):
    """Is this the result of the experiment, to the last number? Anything but that, or None, is a fault of the store."""
    if found is None:
        return False
    expected = results[experiment]
    assert found.experiment == experiment
    assert found.metrics == expected.metrics
    np.testing.assert_array_equal(found.losses, expected.losses)
    for name, values in expected.parameters.items():
        np.testing.assert_array_equal(found.parameters[name], values)
        np.testing.assert_array_equal(found.frames[name], expected.frames[name])
    return True


# ---- the N-th call of the file system fails


class FailingFile:
    """A file whose reading, writing and closing are calls that can fail."""

    def __init__(self, file, call):
        self.file, self.call = file, call

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.file.close()
        self.call("close")

    def read(self, *size):
        self.call("read")
        return self.file.read(*size)

    def write(self, data):
        half = len(data) // 2  # what a full disk leaves behind is a torn file
        self.file.write(data[:half])
        self.call("write")
        return half + self.file.write(data[half:])


class FailingCalls:
    """From the first to the last of these, the calls that Python makes to the file system below a folder fail."""

    NAMES = ("open", "mkdir", "chmod", "rename", "replace", "remove", "unlink", "rmdir", "stat", "lstat", "scandir")

    def __init__(self, folder, kind, first, last):
        self.folder, self.kind, self.first, self.last = os.fspath(folder), kind, first, last
        self.made, self.files, self.active = [], set(), False

    def call(self, name):
        if not self.active:
            return
        self.made.append(name)
        if self.first <= len(self.made) <= self.last:
            raise OSError(self.kind, os.strerror(self.kind))

    def below(self, path):
        return path in self.files if isinstance(path, int) else os.fspath(path).startswith(self.folder)

    def failing(self, name):
        real = getattr(os, name)

        def fail_or_do(path, *arguments, **options):
            if self.below(path):
                self.call(name)
            made = real(path, *arguments, **options)
            if name == "open" and self.below(path):
                self.files.add(made)
            return made

        return fail_or_do

    def failing_open(self):
        real = io.open

        def fail_or_open(path, *arguments, **options):
            if not self.below(path):
                return real(path, *arguments, **options)
            self.files.discard(path)
            try:
                self.call("open a file")
            except OSError:
                if isinstance(path, int):
                    os.close(path)
                raise
            return FailingFile(real(path, *arguments, **options), self.call)

        return fail_or_open

    @contextmanager
    def failing_now(self):
        with ExitStack() as patches:
            for name in self.NAMES:
                patches.enter_context(patch.object(os, name, self.failing(name)))
            opening = self.failing_open()
            patches.enter_context(patch.object(builtins, "open", opening))
            patches.enter_context(patch.object(io, "open", opening))
            self.active = True
            yield
            self.active = False


# ---- the N-th statement of the database fails


class FailingStatements:
    """From the first to the last of these, the statements that are sent to a database fail."""

    def __init__(self, folder, kind, first, last):
        self.kind, self.first, self.last = kind, first, last
        self.made, self.active = [], False

    def call(self, statement):
        if not self.active:
            return
        self.made.append(statement)
        if self.first <= len(self.made) <= self.last:
            code, text = self.kind
            error = sqlite3.OperationalError(text)
            error.sqlite_errorcode = code
            raise error

    @contextmanager
    def failing_now(self):
        faults, real = self, sqlite3.connect

        class Failing(sqlite3.Connection):
            def execute(self, statement, *values):
                faults.call(statement)
                return super().execute(statement, *values)

        with patch.object(sqlite3, "connect", lambda *values, **options: real(*values, factory=Failing, **options)):
            self.active = True
            yield
            self.active = False


# ---- what is done while it fails


def damage_the_database(folder):
    with (folder / "runs" / "cache.db").open("r+b") as file:
        file.write(b"\0" * 100)


def damage_an_entry(folder):
    (path,) = (folder / "runs").rglob("*.val")
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


def delete_all(folder):
    shutil.rmtree(folder / "runs")


def nothing(folder):
    pass


# what is done to the folder before, what is done to a store while it fails, what may be lost by it
OPERATIONS = {
    "open": (nothing, None, ()),
    "open for the first time": (delete_all, None, (SMALL, LARGE)),
    "open a damaged cache": (damage_the_database, None, (SMALL, LARGE)),
    "get a small one": (nothing, lambda store, results: store.get(SMALL), ()),
    "get a large one": (nothing, lambda store, results: store.get(LARGE), ()),
    "get a shipped one": (nothing, lambda store, results: store.get(SHIPPED), ()),
    "get a damaged one": (damage_an_entry, lambda store, results: store.get(LARGE), (LARGE,)),
    "put a small one": (nothing, lambda store, results: store.put(results[NEW[0]]), ()),
    "put a large one": (nothing, lambda store, results: store.put(results[NEW[1]]), ()),
    "put a small one again": (nothing, lambda store, results: store.put(results[SMALL]), ()),
    "put a large one again": (nothing, lambda store, results: store.put(results[LARGE]), ()),
    "has": (nothing, lambda store, results: [store.has(each) for each in STORED], ()),
    "info": (nothing, lambda store, results: store.info(), ()),
    "verify": (nothing, lambda store, results: store.verify(), ()),
    "clear": (nothing, lambda store, results: store.clear(), (SMALL, LARGE)),
}


def kept(folder):
    """The bytes by key that lie in the cache of this folder, read without the store."""
    with closing(sqlite3.connect(folder / "runs" / "cache.db")) as database:
        rows = database.execute("SELECT key, filename, value FROM Cache").fetchall()
    return {key: (folder / "runs" / name).read_bytes() if name else value for key, name, value in rows}


def try_one(filled, folder, results, operation, faults):
    """The operation under these faults, and then all that is promised of it."""
    prepare, action, may_be_lost = OPERATIONS[operation]
    shutil.copytree(filled, folder)
    prepare(folder)
    if action:
        store = opened(folder)
        with faults.failing_now():
            answer = action(store, results)
        if operation.startswith("put"):
            assert answer == (store.problem is None)
            experiment = ((SMALL, LARGE) if "again" in operation else NEW)["large" in operation]
            assert not answer or kept(folder)[experiment.key] == pack(results[experiment])
    else:
        with faults.failing_now():
            store = opened(folder)
    for experiment in STORED:
        assert right(store.get(experiment), experiment, results) or experiment in may_be_lost, experiment
    new = NEW if operation.startswith("put") else NEW[:1]
    for experiment in new:
        assert store.put(results[experiment]), store.problem
    assert store.problem is None
    store.close()
    other = opened(folder)
    for experiment in STORED:
        assert right(other.get(experiment), experiment, results) or experiment in may_be_lost, experiment
    for experiment in new:
        assert right(other.get(experiment), experiment, results)
    other.close()
    aside = {path.name for path in folder.glob("runs.*")}
    assert aside == ({"runs.damaged"} if prepare is damage_the_database else set()), "a fault was taken for damage"


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("kind", "lasting"),
    [(errno.ENOSPC, True), (errno.EACCES, True), (errno.EINTR, False)],
    ids=("full", "denied", "once"),
)
def test_any_call_of_the_file_system_may_fail(filled, tmp_path, results, operation, kind, lasting):
    for number in range(1, 500):
        faults = FailingCalls(tmp_path, kind, number, 10**6 if lasting else number)
        try_one(filled, tmp_path / str(number), results, operation, faults)
        if len(faults.made) < number:
            break
    assert 1 < number < 499


@pytest.mark.parametrize("operation", OPERATIONS)
def test_any_statement_of_the_database_may_fail(filled, tmp_path, results, operation):
    kinds = [("database or disk is full", 13, True), ("disk I/O error", 10, False), ("database is locked", 5, False)]
    for number in range(1, 500):
        text, code, lasting = kinds[number % 3]
        faults = FailingStatements(tmp_path, (code, text), number, 10**6 if lasting else number)
        try_one(filled, tmp_path / str(number), results, operation, faults)
        assert len(list((tmp_path / str(number) / "runs").rglob("*.val"))) <= 2, "a value that no row names"
        if len(faults.made) < number:
            break
    assert number < 499


# ---- a file that ends too early


def cuts(size, step=97):
    return [*range(0, size, step), size - 1]


def test_a_value_cut_anywhere_is_a_miss(filled, tmp_path, results):
    (path,) = (filled / "runs").rglob("*.val")
    for length in cuts(path.stat().st_size):
        folder = tmp_path / str(length)
        shutil.copytree(filled, folder)
        os.truncate(folder / path.relative_to(filled), length)
        store = opened(folder)
        assert store.get(LARGE) is None
        assert right(store.get(SMALL), SMALL, results)
        assert store.problem is None
        store.close()
        assert list((folder / "runs").rglob("*.val")) == []


def test_a_shipped_result_cut_anywhere_is_a_miss(filled, tmp_path, results):
    whole = (filled / "gallery" / f"{SHIPPED.key}.safetensors").read_bytes()
    path = tmp_path / f"{SHIPPED.key}.safetensors"
    for length in cuts(len(whole)):
        path.write_bytes(whole[:length])
        assert Store(None, tmp_path).get(SHIPPED) is None
    path.write_bytes(whole)
    assert right(Store(None, tmp_path).get(SHIPPED), SHIPPED, results)


@pytest.mark.parametrize(("name", "step"), [("cache.db", 97), ("cache.db-wal", 997)])
def test_a_database_cut_anywhere_gives_the_right_answer_or_a_miss(filled, tmp_path, results, name, step):
    still_open = tmp_path / "still open"
    shutil.copytree(filled, still_open)
    if name == "cache.db-wal":  # as a process leaves it that is killed: not all is in the database yet
        store = opened(still_open)
        with store._disk._cache as cache:
            cache.set("another", b"value")
            shutil.copytree(still_open, tmp_path / "left")
    else:
        with closing(sqlite3.connect(still_open / "runs" / name, isolation_level=None)) as database:
            for statement in ("PRAGMA journal_mode = delete", "PRAGMA page_size = 1024", "VACUUM"):
                database.execute(statement)  # as small as it goes: each cut costs some milliseconds
        still_open.rename(tmp_path / "left")
    found = set()
    for length in cuts((tmp_path / "left" / "runs" / name).stat().st_size, step):
        folder = tmp_path / str(length)
        shutil.copytree(tmp_path / "left", folder)
        os.truncate(folder / "runs" / name, length)
        store = opened(folder)
        found.add(tuple(right(store.get(experiment), experiment, results) for experiment in (SMALL, LARGE)))
        assert store.problem is None
        store.close()
    assert (name == "cache.db") == ((False, False) in found)
