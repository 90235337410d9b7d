"""The store against everything that can happen to a file: damage, malice, a full disk, two processes."""

import json
import os
import pickle
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import asdict, replace

import diskcache
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from toyviz import experiment as experiment_module
from toyviz import store as store_module
from toyviz.experiment import ARCHS, Experiment
from toyviz.model import initial_parameters
from toyviz.store import GALLERY, ROOT, BytesDisk, Store, default_store, pack, unpack
from toyviz.train import choose_engine, train

SMALL = Experiment(n_features=7, n_hidden=2, n_samples=11, sparsity=0.6, steps=20, lr=0.01)  # packed: in the database
LARGE = SMALL.with_(n_features=200, steps=60)  # packed: in a file of its own


@pytest.fixture(scope="module")
def results():
    return {experiment: train(experiment) for experiment in (SMALL, LARGE)}


@pytest.fixture(params=[SMALL, LARGE], ids=["in the database", "in a file"])
def result(request, results):
    return results[request.param]


def same(one, other):
    assert one.experiment == other.experiment
    assert one.metrics == other.metrics
    for name in ("loss_steps", "losses", "frame_steps"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)
    for name in ("parameters", "frames", "frame_metrics"):
        arrays, others = getattr(one, name), getattr(other, name)
        assert arrays.keys() == others.keys()
        for key in arrays:
            np.testing.assert_array_equal(arrays[key], others[key], strict=True)
    return True


def database(store):
    return closing(sqlite3.connect(store.runs / "cache.db", isolation_level=None))


def value_files(store):
    return sorted(store.runs.rglob("*.val"))


def fresh(store):
    """The store as another process would open it."""
    return Store(store.runs, store.gallery, store.size_limit)


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


# packing


@pytest.mark.parametrize("arch", ARCHS)
def test_a_packed_result_comes_back_bit_for_bit(request, arch):
    if choose_engine(SMALL.with_(arch=arch)) == "reference":
        request.getfixturevalue("torch")
    result = train(SMALL.with_(arch=arch))
    assert same(unpack(pack(result)), result)
    assert unpack(pack(result)).provenance == result.provenance


def test_the_display_form_keeps_both_ends_and_the_weights_exact_and_rounds_what_lies_between(results):
    shown, result = unpack(pack(results[LARGE], display=True)), results[LARGE]
    assert len(pack(result, display=True)) < len(pack(result)) / 3
    assert len(shown.frame_steps) == 24
    assert set(shown.frame_steps) <= set(result.frame_steps)
    kept = np.searchsorted(result.frame_steps, shown.frame_steps)
    for name, values in shown.frames.items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values[0], initial_parameters(LARGE)[name])
        np.testing.assert_array_equal(values[-1], result.parameters[name])
        np.testing.assert_array_equal(shown.parameters[name], result.parameters[name])
        off = np.abs(values.astype(float) - result.frames[name][kept]).max()
        assert off <= np.ptp(result.frames[name][kept[1:-1]]) / 500
        assert off <= shown.provenance["largest_error"]
    np.testing.assert_array_equal(shown.losses, result.losses)
    np.testing.assert_array_equal(shown.loss_steps, result.loss_steps)
    assert "24 frames" in shown.provenance["note"]


def test_a_history_of_its_two_ends_can_be_shown(results):
    result = results[SMALL]
    ends = {name: values[[0, -1]] for name, values in result.frames.items()}
    measured = {name: values[[0, -1]] for name, values in result.frame_metrics.items()}
    short = replace(result, frame_steps=result.frame_steps[[0, -1]], frames=ends, frame_metrics=measured)
    assert same(unpack(pack(short, display=True)), short)


def test_a_packed_result_is_a_plain_safetensors_file(tmp_path, result):
    path = tmp_path / "result.safetensors"
    path.write_bytes(pack(result))
    with safe_open(path, framework="numpy") as file:
        assert result.experiment.key in file.metadata()["result"]
        np.testing.assert_array_equal(file.get_tensor("parameters.W1"), result.W1)


def test_a_packed_result_has_the_same_bytes_each_time(result):
    assert pack(result) == pack(result)


def test_any_changed_byte_is_noticed(results):
    blob = pack(results[SMALL])
    for place in range(0, len(blob), 5):
        changed = bytearray(blob)
        changed[place] ^= 1 << place % 8
        with pytest.raises(ValueError, match="not a result that can be used"):
            unpack(bytes(changed))


def test_any_truncation_is_noticed(results):
    blob = pack(results[SMALL])
    for length in [*range(0, len(blob), 50), len(blob) - 1]:
        with pytest.raises(ValueError, match="not a result that can be used"):
            unpack(blob[:length])


def test_bytes_of_other_kinds_are_refused_and_run_nothing(tmp_path):
    for foreign in (pickle.dumps(Bomb(tmp_path / "made")), save({"W1": np.ones(3)}), b"{}", b"\0" * 100, b"\xff" * 100):
        with pytest.raises(ValueError, match="not a result that can be used"):
            unpack(foreign)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"experiment": SMALL.with_(n_hidden=3)}, "parameters.W1 must be float32"),
        ({"experiment": SMALL.with_(arch="relu_output_untied")}, "it must hold .*parameters.W2"),
        ({"losses": np.ones(3, np.float32)}, "losses must be float32"),
        ({"losses": np.full(20, np.nan, np.float32)}, "losses must be finite"),
    ],
)
def test_arrays_that_do_not_fit_their_experiment_are_refused(results, changes, said):
    result = results[SMALL]
    assert len(result.losses) == 20
    with pytest.raises(ValueError, match=said):
        unpack(pack(replace(result, **changes)))


def test_weights_of_another_precision_are_refused(results):
    double = {name: values.astype(np.float64) for name, values in results[SMALL].parameters.items()}
    with pytest.raises(ValueError, match=r"must be float32 .*; got float64"):
        unpack(pack(replace(results[SMALL], parameters=double)))


def test_an_experiment_out_of_range_is_refused(results):
    bent = replace(results[SMALL])
    object.__setattr__(bent, "experiment", SMALL.with_())
    object.__setattr__(bent.experiment, "sparsity", 1.5)
    with pytest.raises(ValueError, match="sparsity must be in"):
        unpack(pack(bent))


def test_a_result_of_another_engine_version_is_refused(results, monkeypatch):
    blob = pack(results[SMALL])
    monkeypatch.setattr(experiment_module, "ENGINE_VERSION", experiment_module.ENGINE_VERSION + 1)
    with pytest.raises(ValueError, match="another version of the engine"):
        unpack(blob)


def test_a_result_of_the_first_keys_is_found_under_the_key_that_it_had_then(tmp_path):
    path = min(GALLERY.glob("*.safetensors"))  # the shipped results were trained in those days
    experiment = unpack(path.read_bytes()).experiment
    assert path.stem == experiment.key != experiment.first_key
    store = Store(tmp_path / "runs")
    assert store._disk.write(experiment.first_key, path.read_bytes())
    again = fresh(store)
    assert again.has(experiment)
    assert same(again.get(experiment), unpack(path.read_bytes()))
    assert again.verify()["runs"] == {"checked": 1, "dropped": [], "stray_files_removed": 0}
    assert again.get(experiment.with_(seed=77)) is None


def test_a_metric_that_is_no_number_is_refused(results):
    with pytest.raises(ValueError, match="metrics must be finite numbers or none"):
        pack(replace(results[SMALL], metrics={"train_loss": float("nan")}))


# keeping


def test_what_is_put_is_read_by_another_process(store, result):
    assert store.get(result.experiment) is None
    assert not store.has(result.experiment)
    assert store.put(result)
    assert store.problem is None
    assert store.has(result.experiment)
    other = fresh(store)
    assert other.has(result.experiment)
    assert same(other.get(result.experiment), result)


def test_what_is_read_from_disk_cannot_be_changed_by_accident(store, results):
    store.put(results[LARGE])
    read = fresh(store).get(LARGE)
    with pytest.raises(ValueError, match="read-only"):
        read.W1[0, 0] = 1


def test_memory_is_bounded_and_forgets_the_oldest(results, monkeypatch):
    monkeypatch.setattr(store_module, "MEMORY_LIMIT", 30_000)
    store = Store(None)
    seeds = [replace(results[SMALL], experiment=SMALL.with_(seed=seed)) for seed in range(30)]
    for each in seeds:
        assert not store.put(each)  # nowhere to save it
        assert store.get(each.experiment) is each
    kept = [each for each in seeds if store.get(each.experiment)]
    assert kept == seeds[-len(kept) :]
    assert 1 < len(kept) < 10
    assert store.problem is None


def test_the_gallery_answers_before_runs_and_is_never_written(tmp_path, results):
    gallery = tmp_path / "gallery"
    gallery.mkdir()
    path = gallery / f"{LARGE.key}.safetensors"
    path.write_bytes(pack(results[LARGE], display=True))
    before = path.read_bytes()
    store = Store(tmp_path / "runs", gallery)
    store.put(results[LARGE])
    other = fresh(store)
    assert other.has(LARGE)
    assert len(other.get(LARGE).frame_steps) == 24
    assert other.clear() == 1
    assert other.verify()["gallery"] == {"checked": 1, "damaged": []}
    assert path.read_bytes() == before
    assert other.has(LARGE)


def test_a_damaged_gallery_file_is_told_once_and_passed_over(tmp_path, results, caplog):
    path = tmp_path / f"{LARGE.key}.safetensors"
    path.write_bytes(pack(results[LARGE])[:-1])
    store = Store(None, tmp_path)
    assert store.has(LARGE)
    assert [store.get(LARGE), store.get(LARGE)] == [None, None]
    assert not store.has(LARGE)
    assert caplog.text.count("is passed over") == 1
    assert store.verify()["gallery"]["damaged"][0].startswith(path.name)


def test_a_gallery_file_under_another_name_is_passed_over(tmp_path, results):
    (tmp_path / f"{SMALL.key}.safetensors").write_bytes(pack(results[LARGE]))
    assert Store(None, tmp_path).get(SMALL) is None


def test_files_are_readable_by_their_owner_only(tmp_path, results):
    (tmp_path / "runs").mkdir(mode=0o755)
    before = os.umask(0)
    try:
        store = Store(tmp_path / "runs")
        for result in results.values():
            assert store.put(result)
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in store.runs.rglob("*") if path.is_file()}
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.runs.stat().st_mode) == 0o700
    assert len(modes) >= 2
    assert set(modes.values()) == {0o600}


def test_the_size_limit_holds_and_the_newest_stay(tmp_path, results):
    store = Store(tmp_path / "runs", size_limit=400_000)
    seeds = [LARGE.with_(seed=seed) for seed in range(40)]
    for experiment in seeds:
        assert store.put(replace(results[LARGE], experiment=experiment))
    other = fresh(store)
    kept = [experiment for experiment in seeds if other.has(experiment)]
    assert sum(path.stat().st_size for path in value_files(store)) < 400_000
    assert 2 <= len(kept) < 40
    assert kept == seeds[-len(kept) :]


def test_a_result_larger_than_the_limit_stays_in_memory_with_a_sentence(tmp_path, results):
    store = Store(tmp_path / "runs", size_limit=10_000)
    assert not store.put(results[LARGE])
    assert "kept in memory only" in store.problem
    assert store.get(LARGE) is results[LARGE]


def test_info_and_clear_count_what_is_there(store, results):
    for result in results.values():
        store.put(result)
    info = store.info()
    assert info["runs"]["entries"] == 2
    assert info["runs"]["bytes"] > len(pack(results[LARGE]))
    assert info["runs"]["size_limit"] == 2 * 2**30
    assert info["gallery"] == {"directory": None, "entries": 0, "bytes": 0}
    assert store.clear() == 2
    assert store.get(SMALL) is None
    assert store.info()["runs"]["entries"] == 0
    assert value_files(store) == []


def test_the_environment_moves_runs_and_leaves_the_gallery(tmp_path, monkeypatch):
    monkeypatch.setenv("TOYVIZ_CACHE", str(tmp_path / "elsewhere"))
    store = default_store()
    assert store.runs == tmp_path / "elsewhere" / "runs"
    assert store.runs.is_dir()
    assert store.gallery == ROOT / "cache" / "gallery"


# damage


def truncate(store):
    os.truncate(value_files(store)[0], 100)


def empty(store):
    os.truncate(value_files(store)[0], 0)


def tamper(store):
    path = value_files(store)[0]
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


def put_another_in_its_place(store):
    blob = pack(train(LARGE.with_(seed=5)))
    value_files(store)[0].write_bytes(blob)


def say_it_is_text(store):
    with database(store) as connection:
        connection.execute("UPDATE Cache SET mode = 3")


def store_a_number(store):
    with database(store) as connection:
        connection.execute("UPDATE Cache SET mode = 1, filename = NULL, value = 7")


@pytest.mark.parametrize(
    "damage",
    [truncate, empty, tamper, put_another_in_its_place, say_it_is_text, store_a_number],
    ids=lambda d: d.__name__,
)
def test_a_damaged_entry_is_noticed_dropped_told_and_can_be_stored_again(store, results, damage, caplog):
    store.put(results[LARGE])
    damage(store)
    other = fresh(store)
    assert other.get(LARGE) is None
    assert f"the cached result {LARGE.key} is dropped" in caplog.text
    assert not other.has(LARGE)
    assert other.problem is None
    assert other.put(results[LARGE])
    assert same(fresh(store).get(LARGE), results[LARGE])


def test_an_entry_whose_file_is_gone_is_a_miss(store, results):
    store.put(results[LARGE])
    value_files(store)[0].unlink()
    other = fresh(store)
    assert other.get(LARGE) is None
    assert other.put(results[LARGE])
    assert same(fresh(store).get(LARGE), results[LARGE])


def test_verify_drops_every_damaged_entry_and_keeps_the_rest(store, results):
    store.put(results[SMALL])
    store.put(results[LARGE])
    tamper(store)
    with database(store) as connection:
        connection.execute("INSERT INTO Cache (key, raw, mode, value) VALUES (X'00', 0, 1, X'00')")
    leftover = store.runs / "aa" / "bb" / "leftover.val"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    os.utime(leftover, (0, 0))
    other = fresh(store)
    report = other.verify()["runs"]
    assert report["checked"] == 3
    assert len(report["dropped"]) == 2
    assert report["stray_files_removed"] == 1
    assert not leftover.exists()
    assert other.get(LARGE) is None
    assert same(other.get(SMALL), results[SMALL])
    assert other.verify()["runs"] == {"checked": 1, "dropped": [], "stray_files_removed": 0}


# malice: whoever can write the cache must not be able to run code through it (CVE-2025-69872)


@pytest.mark.parametrize("in_a_file", [False, True])
def test_a_pickled_value_runs_nothing(store, results, tmp_path, in_a_file):
    store.put(results[LARGE])
    bomb = pickle.dumps(Bomb(tmp_path / "made"))
    if in_a_file:
        value_files(store)[0].write_bytes(bomb)
    with database(store) as connection:
        where = "filename" if in_a_file else "NULL"
        connection.execute(f"UPDATE Cache SET mode = 4, filename = {where}, value = ?", (None if in_a_file else bomb,))
    other = fresh(store)
    assert other.get(LARGE) is None
    assert not other.has(LARGE)
    assert not (tmp_path / "made").exists()


def test_a_pickled_key_runs_nothing(store, results, tmp_path):
    store.put(results[SMALL])
    with database(store) as connection:
        bomb = pickle.dumps(Bomb(tmp_path / "made"))
        connection.execute("INSERT INTO Cache (key, raw, mode, value) VALUES (?, 0, 1, X'00')", (bomb,))
    other = fresh(store)
    assert same(other.get(SMALL), results[SMALL])
    assert other.verify()["runs"]["dropped"] == ["1 with a key that is no text"]
    assert other.clear() == 1
    assert not (tmp_path / "made").exists()


def test_no_way_into_the_cache_unpickles_a_key(store, tmp_path):
    with database(store) as connection:
        bomb = pickle.dumps(Bomb(tmp_path / "made"))
        connection.execute("INSERT INTO Cache (key, raw, mode, value) VALUES (?, 0, 1, X'00')", (bomb,))
    with store._disk._cache as cache:
        with pytest.raises(ValueError, match="no text"):
            list(cache)
        with pytest.raises(ValueError, match="no text"):
            cache.peekitem()
    assert not (tmp_path / "made").exists()


def test_the_bombs_of_these_tests_go_off_in_a_plain_diskcache(tmp_path):
    with diskcache.Cache(str(tmp_path / "plain")) as cache:
        cache["value"] = Bomb(tmp_path / "value")
        cache["value"].close()
        cache[(Bomb(tmp_path / "key"),)] = 1
        for key in cache:
            if key != "value":
                key[0].close()
    assert (tmp_path / "value").exists()
    assert (tmp_path / "key").exists()


def test_a_row_that_names_a_file_outside_the_cache_reads_and_removes_nothing(store, results, tmp_path):
    store.put(results[LARGE])
    outside = tmp_path / "outside.safetensors"
    outside.write_bytes(pack(results[LARGE]))
    with database(store) as connection:
        connection.execute("UPDATE Cache SET filename = '../outside.safetensors'")
    other = fresh(store)
    assert other.get(LARGE) is None
    assert not other.has(LARGE)
    assert outside.exists()


def test_keys_and_values_of_other_kinds_cannot_be_stored(store):
    with store._disk._cache as cache:
        for value in ("text", 1, None, [1]):
            with pytest.raises(TypeError, match="a value of the cache must be bytes"):
                cache.set("key", value)
        for key in (1, b"key", ("key",)):
            with pytest.raises(TypeError, match="a key of the cache must be text"):
                cache.set(key, b"value")


# the database


def overwrite_its_header(path):
    with path.open("r+b") as file:
        file.write(b"\0" * 100)


def cut_it(path):
    os.truncate(path, path.stat().st_size // 2)


def scribble_over_its_pages(path):
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))


def add_foreign_settings(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO Settings VALUES ('disk_colour', 'blue')")


@pytest.mark.parametrize(
    "harm", [overwrite_its_header, cut_it, scribble_over_its_pages, add_foreign_settings], ids=lambda h: h.__name__
)
def test_a_damaged_database_is_set_aside_and_started_anew(tmp_path, results, harm, caplog):
    fill = "from toyviz.store import *; s = Store(Path(sys.argv[1])); s.put(unpack(open(sys.argv[2], 'rb').read()))"
    (tmp_path / "blob").write_bytes(pack(results[SMALL]))
    python(f"import sys; {fill}", tmp_path / "runs", tmp_path / "blob")  # so that this process holds no lock on it
    harm(tmp_path / "runs" / "cache.db")
    store = Store(tmp_path / "runs")
    assert store.get(SMALL) is None
    assert "set aside" in caplog.text
    assert (tmp_path / "runs.damaged" / "cache.db").exists()
    assert store.put(results[SMALL])
    assert store.problem is None
    assert same(fresh(store).get(SMALL), results[SMALL])


def test_a_fourth_damaged_cache_takes_the_place_of_the_oldest_and_that_is_told(tmp_path, results, caplog):
    for number in range(4):
        store = Store(tmp_path / "runs")
        assert store.put(results[SMALL])
        store.close()
        assert caplog.text.count("is removed") == 0
        overwrite_its_header(store.runs / "cache.db")
        os.utime(store.runs, (number, number))
    store = Store(tmp_path / "runs")
    assert store.put(results[SMALL])
    assert caplog.text.count("runs.damaged, set aside before, is removed: 3 damaged caches are kept") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "runs.damaged", "runs.damaged-2", "runs.damaged-3"}


def test_put_says_true_only_of_what_can_be_read_back(store, results, monkeypatch):
    monkeypatch.setattr(diskcache.Cache, "set", lambda *arguments: True)
    assert not store.put(results[SMALL])
    assert "cannot be saved (what was written cannot be read back)" in store.problem
    monkeypatch.undo()
    assert store.put(results[SMALL])
    assert store.problem is None
    assert same(fresh(store).get(SMALL), results[SMALL])


def test_a_cache_that_is_deleted_between_two_results_of_one_thread_is_started_anew(store, result):
    assert store.put(result)
    subprocess.run(["rm", "-rf", store.runs], check=True)
    assert store.put(result)
    assert same(fresh(store).get(result.experiment), result)


def test_what_another_process_started_anew_is_found(store, results):
    assert store.get(SMALL) is None
    subprocess.run(["rm", "-rf", store.runs], check=True)
    assert fresh(store).put(results[SMALL])
    assert same(store.get(SMALL), results[SMALL])
    assert store.put(results[LARGE])
    assert same(fresh(store).get(LARGE), results[LARGE])


def test_an_entry_that_is_whole_by_now_or_cannot_be_read_is_not_dropped(store, results, monkeypatch):
    def denied(*arguments):
        raise PermissionError(13, "Permission denied")

    assert store.put(results[LARGE])
    store._disk.drop(LARGE.key)
    store.close()
    assert same(fresh(store).get(LARGE), results[LARGE])
    monkeypatch.setattr(BytesDisk, "fetch", denied)
    store._disk.drop(LARGE.key)
    store.close()
    monkeypatch.undo()
    assert same(fresh(store).get(LARGE), results[LARGE])


def test_a_cache_that_is_deleted_under_the_running_app_is_started_anew(store, results):
    store.put(results[SMALL])
    subprocess.run(["rm", "-rf", store.runs], check=True)
    answers = []

    def another_thread():
        other = replace(results[LARGE])
        answers.extend([store.get(LARGE), store.put(other), store.problem])

    thread = threading.Thread(target=another_thread)
    thread.start()
    thread.join()
    assert answers == [None, True, None]
    assert same(fresh(store).get(LARGE), results[LARGE])


# a database that another process locks


@contextmanager
def locked(store):
    """The database, locked by another process until the function that is given is called."""
    code = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
database.execute("ROLLBACK")
print("free", flush=True)
"""
    command = [sys.executable, "-c", code, str(store.runs / "cache.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def free():
            process.stdin.write("free\n")
            process.stdin.flush()
            assert process.stdout.readline() == "free\n"

        assert process.stdout.readline() == "locked\n"
        yield free
        process.stdin.close()


@pytest.fixture
def waits(monkeypatch):
    """How many seconds each connection to a database would wait for a lock: those that write, those that read."""
    waits, connect = {"writing": [], "reading": []}, sqlite3.connect

    class Watched(sqlite3.Connection):
        def execute(self, statement, *values):
            if "busy_timeout" in statement:
                waits["reading"].append(int(statement.split("=")[1]) / 1000)
            return super().execute(statement, *values)

    def watched(path, **options):
        if "mode=rw" in str(path):
            waits["writing"].append(options["timeout"])
        return connect(path, factory=Watched, **options)

    monkeypatch.setattr(sqlite3, "connect", watched)
    return waits


def until(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it does not come to that in two minutes")


def use_no_wal(store):
    with database(store) as connection:
        assert connection.execute("PRAGMA journal_mode = delete").fetchone() == ("delete",)


@pytest.mark.parametrize("readable", [True, False], ids=["for writing", "for reading too"])
def test_a_locked_database_is_waited_for_once_and_what_was_put_meanwhile_is_written(
    store, results, waits, monkeypatch, readable
):
    assert store.put(results[SMALL])
    store.close()
    if not readable:
        use_no_wal(store)
    with locked(store) as free:
        waits["writing"].clear()
        waits["reading"].clear()
        with monkeypatch.context() as patched:
            patched.setattr(diskcache, "Cache", None)  # its opening would wait for 60 s
            other = fresh(store)
            assert "cannot be saved (the database of the cache is busy)" in other.problem
            seeds = [replace(results[LARGE], experiment=LARGE.with_(seed=seed)) for seed in range(3)]
            for each in seeds:
                assert not other.put(each)
                assert other.has(each.experiment)
                assert other.get(each.experiment) is each
            for seed in range(5, 9):
                assert other.get(SMALL.with_(seed=seed)) is None
                assert not other.has(SMALL.with_(seed=seed))
                assert other.info()["runs"]["entries"] == int(readable)
            found = other.get(SMALL)
            assert same(found, results[SMALL]) if readable else found is None
        assert sum(waits["writing"]) + (0 if readable else sum(waits["reading"])) <= 5
        free()
        until(lambda: other.problem is None)
    assert same(other.get(SMALL), results[SMALL])
    another = fresh(store)
    for each in seeds:
        assert same(another.get(each.experiment), each)


def test_the_notice_of_a_lock_goes_when_a_result_is_read(store, results):
    assert store.put(results[SMALL])
    store.close()
    with locked(store) as free:
        other = fresh(store)
        assert "busy" in other.problem
        free()
        assert same(other.get(SMALL), results[SMALL])
        assert other.problem is None


def test_what_waits_is_written_when_the_store_is_closed(store, results, monkeypatch):
    monkeypatch.setattr(store_module, "RETRY_AFTER", 1e6)
    with locked(store) as free:
        assert not store.put(results[LARGE])
        free()
        store.close()
    assert same(fresh(store).get(LARGE), results[LARGE])
    assert store.problem is None
    assert store.put(results[SMALL])  # a closed store still answers
    assert same(fresh(store).get(SMALL), results[SMALL])


def test_a_disk_that_does_not_answer_is_waited_for_once(store, results, monkeypatch):
    answers, set_it = threading.Event(), diskcache.Cache.set
    monkeypatch.setattr(diskcache.Cache, "set", lambda *arguments: answers.wait() and set_it(*arguments))
    monkeypatch.setattr(store_module, "PATIENCE", 0.1)
    assert not store.put(results[LARGE])
    assert "cannot be saved (the disk does not answer)" in store.problem
    monkeypatch.setattr(store_module, "PATIENCE", threading.TIMEOUT_MAX)  # this test would not end
    assert not store.put(results[SMALL])
    assert store.get(SMALL) is results[SMALL]
    answers.set()
    until(lambda: store.problem is None)
    assert fresh(store).info()["runs"]["entries"] == 2
    assert store.put(results[SMALL])


def test_what_waits_is_read_though_memory_has_forgotten_it(store, results, monkeypatch):
    monkeypatch.setattr(store_module, "MEMORY_LIMIT", 0)
    with locked(store):
        assert not store.put(results[LARGE])
        assert not store.put(results[SMALL])
        assert store.has(LARGE)
        assert same(store.get(LARGE), results[LARGE])
        assert store.clear() == 0
        assert not store.has(LARGE)


def test_what_waits_is_bounded_and_the_oldest_are_given_up_with_a_sentence(tmp_path, results, monkeypatch):
    monkeypatch.setattr(store_module, "PENDING_LIMIT", 16_000)
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file" / "runs")
    seeds = [replace(results[SMALL], experiment=SMALL.with_(seed=seed)) for seed in range(8)]
    assert not any(store.put(each) for each in seeds)
    assert "The oldest of them are given up" in store.problem
    (tmp_path / "file").unlink()
    store.put(replace(results[SMALL], experiment=SMALL.with_(seed=8)))
    until(lambda: store.problem is None)
    other = fresh(store)
    assert other.has(SMALL.with_(seed=8))
    kept = [each for each in seeds if other.has(each.experiment)]
    assert 1 <= len(kept) <= 2
    assert kept == seeds[-len(kept) :]


def test_one_entry_that_cannot_be_replaced_keeps_no_other_from_being_written(store, results):
    assert store.put(results[SMALL])
    with database(store) as connection:
        connection.execute("UPDATE Cache SET filename = CAST(X'ff' AS TEXT)")  # no text at all
    other = fresh(store)
    assert other.get(SMALL) is None
    assert not other.put(results[SMALL])
    other.put(results[LARGE])
    until(lambda: fresh(store).has(LARGE))
    assert other.problem
    other.close()


# a disk that is full or cannot be written


def python(code, *arguments, within=()):
    done = subprocess.run(
        [*within, sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_disk_too_full_for_a_file_costs_the_cache_and_not_the_result(tmp_path, results):
    (tmp_path / "blob").write_bytes(pack(results[LARGE]))
    code = """
import resource, sys
from pathlib import Path
from toyviz.store import Store, unpack
result, store = unpack(Path(sys.argv[2]).read_bytes()), Store(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # no file may grow beyond this: a write fails
print(store.put(result), store.get(result.experiment) is result, len(list(store.runs.rglob("*.val"))), store.problem)
"""
    saved, readable, torn_files, *problem = python(code, tmp_path / "runs", tmp_path / "blob")
    assert [saved, readable, torn_files] == ["False", "True", "0"]
    assert "cannot be saved" in " ".join(problem)


def test_what_could_not_be_saved_is_saved_at_the_latest_when_the_process_ends(tmp_path, results):
    (tmp_path / "blob").write_bytes(pack(results[LARGE]))
    code = """
import resource, sys
from pathlib import Path
from toyviz import store
store.RETRY_AFTER = 1e6
result, store = store.unpack(Path(sys.argv[2]).read_bytes()), store.Store(Path(sys.argv[1]))
free = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, free[1]))
print(store.put(result))
resource.setrlimit(resource.RLIMIT_FSIZE, free)
"""
    assert python(code, tmp_path / "runs", tmp_path / "blob") == ["False"]
    assert same(Store(tmp_path / "runs").get(LARGE), results[LARGE])


READ_ALL = """
import json, resource, sys
from pathlib import Path
from toyviz.experiment import from_dict
from toyviz.store import Store, unpack
if sys.argv[2] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # not a byte more can be written
store = Store(Path(sys.argv[1]))
stored = [from_dict(each) for each in json.loads(sys.argv[3])]
print(*[store.has(each) for each in stored], *[store.get(each) is not None for each in stored])
print(store.info()["runs"]["entries"], store.put(store.get(stored[0])), store.problem)
"""


@pytest.mark.parametrize("killed", [False, True], ids=["closed before", "killed before"])
@pytest.mark.parametrize("disk", ["full", "read-only"])
def test_a_disk_that_cannot_be_written_from_the_start_is_read(tmp_path, results, disk, killed):
    for experiment, result in results.items():
        (tmp_path / experiment.key).write_bytes(pack(result))
    code = f"""
import os, sys
from pathlib import Path
from toyviz.store import Store, unpack
store = Store(Path(sys.argv[1]))
for path in sys.argv[2:]:
    assert store.put(unpack(Path(path).read_bytes()))
store.close()
if {killed}:  # another thread's write may not be over
    store._disk._cache.set("another", b"value")
    os.kill(os.getpid(), 9)
"""
    runs = tmp_path / "runs"
    command = [sys.executable, "-c", code, runs, *(tmp_path / each.key for each in results)]
    assert subprocess.run(command, cwd=ROOT, timeout=120).returncode == (-9 if killed else 0)
    assert (runs / "cache.db-wal").exists() == killed
    within = []
    if disk == "read-only":
        mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        within = ["unshare", "--mount", "sh", "-c", mount, str(runs)]
        if not shutil.which("unshare") or subprocess.run([*within, "true"], capture_output=True).returncode:
            pytest.skip("no file system can be mounted here")
    said = python(READ_ALL, runs, disk, json.dumps([asdict(each) for each in results]), within=within)
    assert said[:4] == ["True"] * 4
    without_its_journal = killed and disk == "full"  # SQLite's index of it cannot be made anew
    assert said[4:6] == [str(2 + (killed and not without_its_journal)), "False"]
    assert "cannot be saved" in " ".join(said[6:])


def test_a_full_database_costs_the_cache_and_not_the_result_and_old_results_can_be_read(store, results):
    store.put(results[SMALL])
    with database(store) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute("INSERT INTO Settings VALUES ('sqlite_max_page_count', ?)", (pages + 1,))
    other = fresh(store)
    seeds = [replace(results[SMALL], experiment=SMALL.with_(seed=seed)) for seed in range(1, 9)]
    saved = [other.put(each) for each in seeds]
    assert not saved[-1]
    assert "full" in other.problem
    assert all(other.get(each.experiment) is each for each in seeds)
    assert same(other.get(SMALL), results[SMALL])
    with database(store) as connection:
        connection.execute("DELETE FROM Settings WHERE key = 'sqlite_max_page_count'")
    other = fresh(store)
    assert other.put(seeds[-1])
    assert other.problem is None


@pytest.fixture
def read_only(monkeypatch):
    """A way to open all databases for reading alone from now on, until the patch is undone."""
    connect = sqlite3.connect

    def connect_to_read(path, **options):
        address = path.replace("mode=rw", "mode=ro") if options.pop("uri", False) else f"file:{path}?mode=ro"
        return connect(address, uri=True, **options)

    return lambda: monkeypatch.setattr(sqlite3, "connect", connect_to_read)


def test_a_read_only_cache_costs_the_cache_and_not_the_result(store, results, read_only, caplog):
    store.put(results[SMALL])
    read_only()
    other = fresh(store)
    assert "cannot be saved (attempt to write a readonly database)" in other.problem
    assert not other.put(results[LARGE])
    assert other.get(LARGE) is results[LARGE]
    assert same(other.get(SMALL), results[SMALL])
    assert "cannot be saved" in other.problem
    assert "cannot be used" in caplog.text
    assert value_files(store) == []


def test_a_cache_that_turns_read_only_still_answers(store, results, read_only, monkeypatch):
    store.put(results[SMALL])
    other = fresh(store)
    read_only()
    answers = []
    thread = threading.Thread(  # in a thread of its own, and so with a connection of its own, as each page run
        target=lambda: answers.extend([other.put(results[LARGE]), other.get(SMALL), other.get(LARGE)])
    )
    thread.start()
    thread.join()
    assert answers[0] is False
    assert same(answers[1], results[SMALL])
    assert answers[2] is results[LARGE]
    assert "cannot be saved" in other.problem
    monkeypatch.undo()
    assert other.put(results[LARGE])
    assert other.problem is None


def test_a_place_where_no_folder_can_be_made_costs_the_cache_and_not_the_result(tmp_path, results):
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file" / "runs")
    assert "cannot be saved (not a directory)" in store.problem
    assert store.get(SMALL) is None
    assert not store.put(results[SMALL])
    assert store.get(SMALL) is results[SMALL]
    assert store.info()["runs"]["entries"] == 0
    assert store.verify()["runs"]["checked"] == 0
    assert store.clear() == 0


# several at once


def test_many_threads_read_and_write_one_store(store, results):
    faults = []

    def work(number):
        try:
            for seed in range(5):
                mine = replace(results[LARGE], experiment=LARGE.with_(seed=seed))
                assert store.put(mine)
                assert same(fresh(store).get(mine.experiment) if number == 0 else store.get(mine.experiment), mine)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert store.info()["runs"]["entries"] == 5


def test_two_processes_that_train_the_same_experiment_at_once_leave_one_equal_result(tmp_path):
    code = """
import json, sys
from pathlib import Path
from toyviz.experiment import from_dict
from toyviz.store import Store
from toyviz.train import choose_engine, train
store = Store(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for seed in range(6):
    experiment = from_dict(json.loads(sys.argv[2])).with_(seed=seed)
    result = store.get(experiment)
    if result is None:
        result = train(experiment)
        assert store.put(result), store.problem
    print(experiment.key, result.parameters["W1"].tobytes().hex()[:64], flush=True)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "runs"), json.dumps(asdict(LARGE))]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1]
    store = Store(tmp_path / "runs")
    assert store.info()["runs"]["entries"] == 6
    assert store.verify()["runs"] == {"checked": 6, "dropped": [], "stray_files_removed": 0}
    for line in said[0].splitlines():
        key, weights = line.split()
        (result,) = [store.get(LARGE.with_(seed=seed)) for seed in range(6) if LARGE.with_(seed=seed).key == key]
        assert result.parameters["W1"].tobytes().hex()[:64] == weights


def test_a_history_that_was_trained_here_comes_before_the_short_one_that_is_shipped(tmp_path, result):
    shipped = tmp_path / "gallery"
    shipped.mkdir()
    (shipped / f"{result.experiment.key}.safetensors").write_bytes(pack(result, display=True))
    assert Store(tmp_path / "runs", shipped).whole(result.experiment).shortened
    trained = Store(tmp_path / "runs", shipped)
    assert trained.put(result)
    trained.close()
    later = Store(tmp_path / "runs", shipped)
    assert later.get(result.experiment).shortened
    assert not later.whole(result.experiment).shortened
    assert not later.get(result.experiment).shortened
    assert later.whole(result.experiment.with_(seed=99)) is None
