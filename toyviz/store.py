"""Results on disk: a shipped, read-only gallery under a writable cache. Safetensors bytes, never a pickle."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import logging
import math
import os
import shutil
import sqlite3
import threading
import time
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import diskcache
import numpy as np
from diskcache.core import DEFAULT_SETTINGS, METADATA, MODE_BINARY, MODE_RAW, UNKNOWN
from safetensors.numpy import load, save

from toyviz import history
from toyviz.experiment import Experiment, from_dict
from toyviz.model import initial_parameters, shapes
from toyviz.result import FRAME_METRICS, SMALL, Result

ROOT = Path(__file__).resolve().parents[1]
GALLERY = ROOT / "cache" / "gallery"
MEMORY_LIMIT = 256 * 2**20  # bytes of unpacked results that one process keeps at hand
DISPLAY_FRAMES = 24  # of the history that a gallery file keeps at most
DISPLAY_BYTES = 100_000  # that the inner ones of these may take where a network has more numbers than SMALL
PENDING_LIMIT = 256 * 2**20  # bytes that wait for a disk that cannot be written
LOCK_PATIENCE = 2.0  # seconds that one waits for another process's lock: once, not again and again
PATIENCE = 5.0  # seconds that one waits for the disk
RETRY_AFTER = 2.0  # seconds until what could not be written is tried again
STRAY_AFTER = 3600.0  # seconds after which a value file that no row names is a leftover
TROUBLE = (sqlite3.Error, diskcache.Timeout, OSError, MemoryError)
LOCK = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
SETTINGS = {*DEFAULT_SETTINGS, *METADATA}  # in a database; diskcache chokes on others
OF_KEY = "FROM Cache WHERE key = ? AND raw = 1"
BLANK = "0" * 64  # stands where the digest will stand while the digest is taken

log = logging.getLogger(__name__)


def default_store() -> Store:
    """The project's store: cache/gallery under cache/runs; TOYVIZ_CACHE names another folder for runs/ to lie in."""
    return Store(Path(os.environ.get("TOYVIZ_CACHE") or ROOT / "cache") / "runs", GALLERY)


def pack(result: Result, *, display: bool = False, frames: int = DISPLAY_FRAMES) -> bytes:
    """The result as a safetensors file whose metadata holds its experiment, metrics, provenance and its own SHA-256.

    display keeps so many frames of the history at most, the inner ones rounded to 8 bits: see toyviz.history; first,
    last, the weights and what was measured of each frame stay exact. Of more than 5,000 numbers the inner ones take
    100 kB at most. Raises ValueError for a metric that is not a finite number.
    """
    provenance = dict(result.provenance)
    about: dict[str, Any] = {
        "sha256": BLANK,
        "key": result.experiment.key,
        "experiment": asdict(result.experiment),
        "metrics": result.metrics,
        "provenance": provenance,
        "display": display,
    }
    arrays = {
        "losses": result.losses,
        **{f"parameters.{name}": values for name, values in result.parameters.items()},
    }
    if display:
        kept, codes, about["grids"], largest = _short_history(result, frames)
        provenance |= _told_of_short(result, len(kept), largest)
        arrays |= {"codes": codes, "loss_steps": _deflated(result.loss_steps)}
    else:
        kept = np.arange(len(result.frame_steps))
        arrays |= {f"frames.{name}": values for name, values in result.frames.items()}
        arrays["loss_steps"] = result.loss_steps.astype(np.int32)
    arrays["frame_steps"] = result.frame_steps[kept].astype(np.int32)
    arrays |= {f"frame_metrics.{name}": values[kept] for name, values in result.frame_metrics.items()}
    try:
        text = json.dumps(about, allow_nan=False)
    except ValueError:
        raise ValueError(f"metrics must be finite numbers or none; got {result.metrics}") from None
    blob = save({name: np.ascontiguousarray(values) for name, values in arrays.items()}, metadata={"result": text})
    return blob.replace(BLANK.encode(), hashlib.sha256(blob).hexdigest().encode(), 1)


def _short_history(result: Result, most: int) -> tuple[np.ndarray, np.ndarray, history.Grids, float]:
    """Which frames a gallery file keeps, evenly spread, and the inner ones of them as history.encode gives them."""
    small = sum(values.size for values in result.parameters.values()) <= SMALL
    while True:
        kept = np.unique(np.linspace(0, len(result.frame_steps) - 1, most).round().astype(int))
        inner = {name: values[kept[1:-1]] for name, values in result.frames.items()}
        codes, grids, largest = history.encode(inner, result.parameters)
        if small or len(kept) == 2 or len(codes) <= DISPLAY_BYTES:
            return kept, codes, grids, largest
        most = min(len(kept) - 1, 2 + (len(kept) - 2) * DISPLAY_BYTES // len(codes))


def _told_of_short(result: Result, kept: int, largest: float) -> dict[str, Any]:
    """What a file says of its short history: how many frames, and by how much the inner ones are off the trained ones.

    Those of a history that was short already are off by more than this rounding, and by how much may not be known.
    """
    before = result.provenance.get("largest_error", None if result.shortened else 0.0)
    off = 0.0 if kept == 2 else None if before is None else before + largest
    note = f"history of {kept} frames"
    if kept > 2:
        note += ", the inner ones rounded to 8 bits"
        note += "" if off is None else f": no number is off by more than {rounded_up(off)}"
    if result.provenance.get("imported"):
        note = f"{result.provenance['note']}; {note}"
    return {"note": note} if off is None else {"note": note, "largest_error": off}


def rounded_up(value: float) -> str:
    """Two digits that are no less than the value: "0.0039"."""
    digit = 10.0 ** (math.floor(math.log10(value)) - 1) if value else 1.0
    return f"{math.ceil(value / digit) * digit:.2g}"


def _deflated(steps: np.ndarray) -> np.ndarray:
    """Ascending steps in few bytes, (k,) uint8: they lie in much the same places in every file of so many steps."""
    return np.frombuffer(zlib.compress(np.diff(steps, prepend=0).astype("<i4").tobytes(), 9), np.uint8)


def _inflated(codes: np.ndarray, count: int) -> np.ndarray:
    """The steps, (count,) int64. Raises ValueError unless there are so many."""
    steps = np.cumsum(np.frombuffer(history.inflate(codes, 4 * count), "<i4"), dtype=np.int64)
    steps.flags.writeable = False
    return steps


def unpack(blob: bytes) -> Result:
    """The result that pack() wrote, its arrays read-only.

    Raises ValueError, saying what is wrong, for bytes that are damaged, of another engine version, or no such result.
    """
    try:
        about, arrays = _read(blob)
        return _assemble(from_dict(about["experiment"]), about, arrays)
    except MemoryError:  # says nothing of the bytes
        raise
    except Exception as error:  # whatever strange bytes can raise on the way means one thing: not a result
        raise ValueError(f"not a result that can be used: {error or type(error).__name__}") from error


class Store:
    """Results by experiment: memory, then the gallery, then the cache in runs. Any damage is a miss, never a crash.

    One object serves all threads. runs=None keeps results in memory alone. TOYVIZ_CACHE: see default_store().
    """

    def __init__(self, runs: Path | None, gallery: Path | None = None, size_limit: int = 2 * 2**30) -> None:
        self.runs, self.gallery, self.size_limit = runs, gallery, size_limit
        self._notice: str | None = None
        self._lock = threading.Lock()  # over the memory
        self._memory: OrderedDict[str, Result] = OrderedDict()
        self._memory_bytes = 0
        self._refused: set[Path] = set()  # gallery files that turned out damaged: told once
        self._disk = None if runs is None else _Runs(runs, size_limit)

    @property
    def problem(self) -> str | None:
        """A sentence for the page while results cannot be saved, or what is saved cannot be read."""
        return self._notice or (self._disk.problem if self._disk else None)

    @problem.setter
    def problem(self, sentence: str | None) -> None:
        self._notice = sentence

    def get(self, experiment: Experiment) -> Result | None:
        """The result of this experiment, or None. A damaged entry is dropped, and told in the log."""
        with self._lock:
            if experiment.key in self._memory:
                self._memory.move_to_end(experiment.key)
                return self._memory[experiment.key]
        result = self._from_gallery(experiment) or self._from_runs(experiment)
        if result:
            self._remember(result)
        return result

    def whole(self, experiment: Experiment) -> Result | None:
        """The same, with its whole history where this machine has trained it: what is shipped has a short one."""
        result = self.get(experiment)
        if result is None or not result.shortened:
            return result
        trained = self._from_runs(experiment)
        if trained is None or trained.shortened:
            return result
        self._remember(trained)
        return trained

    def put(self, result: Result, *, display: bool = False) -> bool:
        """Keep the result, and say if it can be read back from disk: if not, problem says why, and memory has it.

        What could not be written is tried again in the background. display keeps a short history on disk: see pack().
        """
        self._remember(result)
        if self._disk is None:
            return False
        blob = pack(result, display=display)
        if len(blob) > self.size_limit:
            self.problem = (
                f"This result is kept in memory only: it has {len(blob) / 1e6:.0f} MB, and the cache on disk "
                f"takes {self.size_limit / 1e6:.0f} MB."
            )
            return False
        self.problem = None
        return self._disk.write(result.experiment.key, blob)

    def has(self, experiment: Experiment) -> bool:
        """Whether there is an entry of this experiment, read or not: get() may still find it damaged."""
        if experiment.key in self._memory:
            return True
        path = self._gallery_file(experiment)
        if path and path not in self._refused and _bytes_of(path):
            return True
        return any(self._disk.has(key) for key in _keys(experiment)) if self._disk else False

    def info(self) -> dict[str, Any]:
        """Where results lie, how many there are and how many bytes they take, as JSON would hold it."""
        files = self._gallery_files()
        entries, size = self._disk.count() if self._disk else (0, 0)
        return {
            "gallery": {
                "directory": str(self.gallery) if self.gallery else None,
                "entries": len(files),
                "bytes": sum(_bytes_of(path) for path in files),
            },
            "runs": {
                "directory": str(self.runs) if self.runs else None,
                "entries": entries,
                "bytes": size,
                "size_limit": self.size_limit,
            },
            "problem": self.problem,
        }

    def verify(self) -> dict[str, Any]:
        """Read every entry again: damaged ones are dropped from runs, and named in the gallery, which is left alone."""
        files, damaged = self._gallery_files(), []
        for path in files:
            try:
                _of_key(path.read_bytes(), path.stem)
            except (*TROUBLE, ValueError) as error:
                damaged.append(f"{path.name}: {error}")
        checked, dropped, stray = self._disk.verify() if self._disk else (0, [], 0)
        return {
            "gallery": {"checked": len(files), "damaged": damaged},
            "runs": {"checked": checked, "dropped": dropped, "stray_files_removed": stray},
            "problem": self.problem,
        }

    def clear(self) -> int:
        """Forget every result in memory and in runs, and return how many were on disk. The gallery stays."""
        with self._lock:
            self._memory.clear()
            self._memory_bytes = 0
        return self._disk.clear() if self._disk else 0

    def close(self) -> None:
        """Try once more to save what is not saved yet, and release the files. A closed store still answers."""
        if self._disk:
            self._disk.close()

    def _remember(self, result: Result) -> None:
        key = result.experiment.key
        with self._lock:
            if key in self._memory:
                self._memory_bytes -= _size(self._memory.pop(key))
            self._memory[key] = result
            self._memory_bytes += _size(result)
            while self._memory_bytes > MEMORY_LIMIT and len(self._memory) > 1:
                self._memory_bytes -= _size(self._memory.popitem(last=False)[1])

    def _gallery_files(self) -> list[Path]:
        try:
            return sorted(self.gallery.glob("*.safetensors")) if self.gallery else []
        except OSError as error:
            log.warning("the gallery in %s cannot be read: %s", self.gallery, error)
            return []

    def _gallery_file(self, experiment: Experiment) -> Path | None:
        return self.gallery / f"{experiment.key}.safetensors" if self.gallery else None

    def _from_gallery(self, experiment: Experiment) -> Result | None:
        path = self._gallery_file(experiment)
        if path is None or path in self._refused:
            return None
        try:
            return _of_key(path.read_bytes(), experiment.key)
        except FileNotFoundError:
            return None
        except ValueError as error:
            self._refused.add(path)
            log.warning("the gallery's %s is passed over: %s", path.name, error)
        except TROUBLE as error:  # no sign of damage: it may be readable the next time
            log.warning("the gallery's %s cannot be read: %s", path.name, error)
        return None

    def _from_runs(self, experiment: Experiment) -> Result | None:
        found = (self._from_run(key) for key in _keys(experiment)) if self._disk else ()
        return next((result for result in found if result), None)

    def _from_run(self, key: str) -> Result | None:
        assert self._disk
        try:
            blob = self._disk.read(key)
            return None if blob is None else _of_key(blob, key)
        except ValueError as error:
            log.warning("the cached result %s is dropped: %s", key, error)
            self._disk.drop(key)
        except TROUBLE as error:  # no sign of damage: it may be readable the next time
            log.info("the cached result %s cannot be read: %s", key, error)
        return None


@dataclass(eq=False)
class _Change:
    """What is to be written under a key; blob None: a damaged entry is to be removed."""

    key: str
    blob: bytes | None
    done: bool = False


class _Runs:
    """The cache on disk: blobs by key.

    Reading writes nothing, and waits for a lock once. All writing of blobs is done by one thread in the background that
    tries again until all is written, so that a locked database or a full disk holds nobody up for more than a moment.
    """

    def __init__(self, folder: Path, size_limit: int) -> None:
        self.folder, self.database, self.size_limit = folder, folder / "cache.db", size_limit
        self.problem: str | None = None
        self._passing = False  # whether the problem is a lock, which any success shows to be gone
        self._locked_out: set[str] = set()  # of "reading", "writing": what met a lock the last time waits for none now
        self._reading = threading.Lock()  # over the connection that reads
        self._reader: tuple[sqlite3.Connection, tuple[int, int], Callable[[], Any]] | None = None
        self._writing = threading.Lock()  # over diskcache
        self._cache: diskcache.Cache | None = None
        self._changed = threading.Condition()  # over the problem and what follows
        self._pending: list[_Change] = []  # oldest first
        self._given_up = False  # whether some of them were, for want of memory
        self._asked = self._tried = 0  # rounds of writing
        self._stuck = -1  # the last of them that had been tried when somebody waited in vain
        self._writer: threading.Thread | None = None
        self._closing = False
        self._ask()

    # reading

    def read(self, key: str) -> bytes | None:
        """The bytes under this key, written or about to be, or None.

        Raises ValueError for a row that holds no bytes, OSError or sqlite3.Error for what cannot be read.
        """
        change = self._awaited(key)
        return change.blob if change else self._written(key)

    def has(self, key: str) -> bool:
        """Whether something is under this key; no if that cannot be read."""
        change = self._awaited(key)
        return change.blob is not None if change else bool(self._answer(f"SELECT 1 {OF_KEY}", key))

    def count(self) -> tuple[int, int]:
        """The number of entries and their bytes, those of the database included; 0 if they cannot be read."""
        size = "total(size) + (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)"
        rows = self._answer(f"SELECT count(*), {size} FROM Cache")
        return (rows[0][0], int(rows[0][1])) if rows else (0, 0)

    def _awaited(self, key: str) -> _Change | None:
        """The newest change of this key that is still to be written."""
        with self._changed:
            return next((change for change in reversed(self._pending) if change.key == key), None)

    def _written(self, key: str) -> bytes | None:
        """The bytes that are on disk under this key, or None; raises as read() does."""
        for last in (False, True):
            rows = self._select(f"SELECT mode, filename, value {OF_KEY}", key)
            if not rows:
                break
            try:
                return BytesDisk(str(self.folder)).fetch(*rows[0])
            except FileNotFoundError:  # another process may have replaced it since the row was read
                if last:
                    raise
        return None

    def _answer(self, query: str, *values: str) -> list[Any]:
        """The rows of a query; none if they cannot be read."""
        try:
            return self._select(query, *values)
        except TROUBLE as error:
            log.info("the cache in %s cannot be read: %s", self.folder, error)
            return []

    def _select(self, query: str, *values: str) -> list[Any]:
        """The rows of a query, over a connection that cannot write. Raises OSError or sqlite3.Error."""
        with self._reading:
            try:
                rows = self._connect_to_read().execute(query, values).fetchall()
            except sqlite3.Error as error:
                if _is_lock(error):
                    self._locked_out.add("reading")
                    self._tell(error, reading=True)
                    raise
                self._close_reader()
                if not isinstance(error, sqlite3.OperationalError):
                    raise
                rows = self._select_as_it_lies(query, *values)
        self._locked_out.discard("reading")
        with self._changed:
            if self._passing and not self._pending:
                self.problem = None
        return rows

    def _connect_to_read(self) -> sqlite3.Connection:
        """The connection to the file that lies there now: the one that was opened before, or a new one."""
        identity = _identity(self.database)
        if self._reader is None or self._reader[1] != identity:
            self._close_reader()
            connection = self._connect("mode=ro")
            self._reader = connection, identity, weakref.finalize(self, connection.close)
        connection = self._reader[0]
        connection.execute(f"PRAGMA busy_timeout = {self._patience('reading') * 1000:.0f}")
        return connection

    def _select_as_it_lies(self, query: str, *values: str) -> list[Any]:
        """The rows of a query where not even SQLite's own files beside the database can be made or read."""
        with contextlib.closing(self._connect("immutable=1")) as connection:
            return connection.execute(query, values).fetchall()

    def _connect(self, how: str) -> sqlite3.Connection:
        address = f"{self.database.absolute().as_uri()}?{how}"
        return sqlite3.connect(
            address, uri=True, timeout=self._patience("writing"), isolation_level=None, check_same_thread=False
        )

    def _close_reader(self) -> None:
        if self._reader:
            self._reader[2]()
        self._reader = None

    def _patience(self, action: str) -> float:
        return 0 if action in self._locked_out else LOCK_PATIENCE

    # writing, by way of the thread

    def write(self, key: str, blob: bytes) -> bool:
        """Write the bytes under this key, and say if they can be read back now; if not, it is tried again later."""
        change = _Change(key, blob)
        self._ask(change)
        return change.done

    def drop(self, key: str) -> None:
        """Remove a damaged entry, some time soon."""
        self._ask(_Change(key, None), wait=False)

    def close(self) -> None:
        """Try once more to write what is not written yet; what cannot be is told in the log."""
        with self._changed:
            self._closing = True
            self._locked_out.discard("writing")
            if self._pending:
                self._ask()
            self._changed.wait_for(lambda: self._writer is None, PATIENCE)
            lost = sum(change.blob is not None for change in self._pending)
            if lost:
                log.warning("results that could not be saved in %s: %d", self.folder, lost)
        with self._reading:
            self._close_reader()

    def _ask(self, change: _Change | None = None, wait: bool = True) -> None:
        """Have the thread write all that is pending, with this change the last of it, and wait until it has tried."""
        with self._changed:
            if change:
                self._pending.append(change)
                self._bound_the_memory()
            self._asked += 1
            mine = self._asked
            self._changed.notify_all()
            if not self._start_writer() or not wait:
                return
            patience = 0 if self._tried == self._stuck else PATIENCE
            if not self._changed.wait_for(lambda: self._tried >= mine or bool(change and change.done), patience):
                self._stuck = self._tried
                self._tell(TimeoutError("the disk does not answer"))

    def _bound_the_memory(self) -> None:
        while len(self._pending) > 1 and sum(len(change.blob or b"") for change in self._pending) > PENDING_LIMIT:
            log.warning("the result %s will not be saved: too many wait to be", self._pending.pop(0).key)
            self._given_up = True

    def _start_writer(self) -> bool:
        if self._writer is None or not self._writer.is_alive():
            writer = threading.Thread(target=self._write, name="store", daemon=True)
            try:
                writer.start()
            except RuntimeError as error:  # no thread to be had: whoever asks next may get one
                self._tell(error)
                return False
            self._writer = writer
            atexit.register(self.close)
        return True

    def _write(self) -> None:
        """The thread: round after round until all is written."""
        while True:
            with self._changed:
                asked = self._asked
            error = self._round()
            with self._changed:
                if error:
                    self._tell(error)
                else:
                    self.problem, self._given_up = None, False
                self._tried = asked
                self._changed.notify_all()
                if self._asked == asked and (self._closing or not self._pending):
                    self._writer = None
                    atexit.unregister(self.close)
                    return
                if error and self._asked == asked:
                    self._changed.wait(RETRY_AFTER)

    def _round(self) -> Exception | None:
        """Write all that is pending, with a repair between two tries; what stands in the way, or None."""
        for last in (False, True):
            try:
                with self._opened() as cache:
                    while change := self._oldest():
                        self._make(cache, change)
                return None
            except Exception as error:  # of whatever kind: nobody else would hear of it
                if _is_lock(error):
                    self._locked_out.add("writing")
                    return error
                self._cache = None
                if last:
                    with self._changed:  # the next round begins with another, so that none stands in the way of all
                        self._pending[:] = [*self._pending[1:], *self._pending[:1]]
                    return error
                log.info("the cache is opened again: %r", error)
        return None

    def _oldest(self) -> _Change | None:
        with self._changed:
            return self._pending[0] if self._pending else None

    def _make(self, cache: diskcache.Cache, change: _Change) -> None:
        """Make one change on disk, and see that it is there."""
        if change.blob is None:
            self._remove(cache, change.key)
        else:
            self._set(cache, change.key, change.blob)
            self._evict(cache, change.key)
        with self._changed:
            change.done = True
            if change in self._pending:  # and not cleared meanwhile
                self._pending.remove(change)
            if not self._pending:
                self.problem, self._given_up = None, False
            self._changed.notify_all()

    def _set(self, cache: diskcache.Cache, key: str, blob: bytes) -> None:
        cache.disk.unnamed = None
        try:
            cache.set(key, blob)
        except BaseException:  # each try would leave another file behind, on a disk that may be full
            if cache.disk.unnamed:
                cache.disk.remove(cache.disk.unnamed)
            raise
        read = self._written(key) or b""
        if read != blob:  # another process may have stored its own; a folder that was deleted answers nothing
            try:
                _of_key(read, key)
            except ValueError as error:
                raise OSError("what was written cannot be read back") from error

    def _remove(self, cache: diskcache.Cache, key: str) -> None:
        """Remove a damaged entry, unless it was replaced meanwhile."""
        try:
            _of_key(self._written(key) or b"", key)
        except (ValueError, FileNotFoundError):
            cache.delete(key)

    def _evict(self, cache: diskcache.Cache, newest: str) -> None:
        """Remove the oldest entries while the cache is too large, but not the newest."""
        if cache.volume() <= self.size_limit:
            return
        oldest_first = "SELECT key FROM Cache WHERE raw = 1 AND typeof(key) = 'text' AND key != ? ORDER BY store_time"
        for (key,) in self._select(oldest_first, newest):
            cache.delete(key)
            if cache.volume() <= self.size_limit:
                return

    # writing, by whoever calls

    def clear(self) -> int:
        """Remove every entry, and return how many there were."""
        with self._changed:
            self._pending.clear()
        try:
            with self._opened() as cache:
                return int(cache.clear())
        except TROUBLE as error:
            self._tell(error)
            return 0

    def verify(self) -> tuple[int, list[str], int]:
        """How many entries there were, a sentence for each that was damaged and is removed, how many leftovers are."""
        try:
            with self._opened() as cache:
                checked, dropped = self._remove_damaged(cache)
                return checked, dropped, self._remove_stray_files()
        except TROUBLE as error:
            self._tell(error)
            return 0, [], 0

    def _remove_damaged(self, cache: diskcache.Cache) -> tuple[int, list[str]]:
        with contextlib.closing(self._connect("mode=rw")) as database:
            foreign = database.execute("DELETE FROM Cache WHERE raw != 1 OR typeof(key) != 'text'").rowcount
            keys = [key for (key,) in database.execute("SELECT key FROM Cache ORDER BY key")]
        dropped = [f"{foreign} with a key that is no text"] if foreign else []
        for key in keys:
            try:
                _of_key(self._written(key) or b"", key)
            except (ValueError, FileNotFoundError) as error:
                cache.delete(key)
                dropped.append(f"{key}: {error if isinstance(error, ValueError) else 'its file is missing'}")
        for line in dropped:
            log.warning("the cached result %s is dropped", line)
        return len(keys) + foreign, dropped

    def _remove_stray_files(self) -> int:
        """Remove value files that no row names and that are too old to be a write under way."""
        with contextlib.closing(self._connect("mode=rw")) as database:
            named = {name for (name,) in database.execute("SELECT filename FROM Cache WHERE filename IS NOT NULL")}
        stray = [
            path
            for path in self.folder.glob("*/*/*.val")
            if str(path.relative_to(self.folder)) not in named and time.time() - path.stat().st_mtime > STRAY_AFTER
        ]
        for path in stray:
            path.unlink(missing_ok=True)
        return len(stray)

    # opening

    @contextlib.contextmanager
    def _opened(self) -> Iterator[diskcache.Cache]:
        """The cache, over a connection of this moment; at the first time it is set aside if it is damaged.

        Raises what stands in the way of writing before diskcache meets it, since that would wait for a lock for 60 s.
        """
        with self._writing:
            if self._cache is None:
                self._cache = self._open_or_start_anew()
            else:
                self._probe()
            self._locked_out.discard("writing")
            try:
                yield self._cache
            finally:
                with self._reading:  # the last connection that is closed moves all into the database, for good
                    self._close_reader()
                    self._cache.close()

    def _open_or_start_anew(self) -> diskcache.Cache:
        self._make_files()
        if self._is_damaged():
            self._set_aside()
            self._make_files()
        return self._open()

    def _make_files(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        with contextlib.suppress(FileExistsError):  # SQLite gives its journals the mode of the database
            os.close(os.open(self.database, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    def _open(self) -> diskcache.Cache:
        return diskcache.Cache(
            str(self.folder),
            timeout=LOCK_PATIENCE,
            disk=BytesDisk,
            disk_min_file_size=2**13,
            size_limit=self.size_limit,
            eviction_policy="least-recently-stored",
            cull_limit=0,  # it may take the newest too: see _evict()
            statistics=0,
            sqlite_mmap_size=0,  # a mapped file that another process cuts short ends this process
        )

    def _probe(self) -> None:
        """Raises sqlite3.Error without the right to write."""
        with contextlib.closing(self._connect("mode=rw")) as connection:
            connection.execute("BEGIN IMMEDIATE")

    def _is_damaged(self) -> bool:
        """Whether no cache can be kept in it. Raises sqlite3.Error for what may pass: a lock, a full disk."""
        try:
            with contextlib.closing(self._connect("mode=rw")) as connection:
                connection.execute("BEGIN IMMEDIATE")
                if connection.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]:
                    return True
                if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'Settings'").fetchall():
                    return False
                names = [name for (name,) in connection.execute("SELECT key FROM Settings")]
                return not all(name in SETTINGS or str(name).startswith("sqlite_") for name in names)
        except sqlite3.DatabaseError as error:
            if _code(error) in DAMAGE:
                return True
            raise

    def _set_aside(self) -> None:
        """Rename the damaged cache, so that a new one can be started; of those set aside the last three are kept."""
        places = [self.folder.with_name(f"{self.folder.name}.damaged{number}") for number in ("", "-2", "-3")]
        place = next((place for place in places if not place.exists()), None)
        if place is None:
            place = min(places, key=lambda place: place.stat().st_mtime)
            log.warning("%s, set aside before, is removed: %d damaged caches are kept", place, len(places))
            shutil.rmtree(place)
        self.folder.rename(place)
        log.warning("the cache in %s is damaged: set aside as %s, and started anew", self.folder, place.name)

    def _tell(self, error: Exception, reading: bool = False) -> None:
        if _is_lock(error):
            reason = "the database of the cache is busy"
        else:
            reason = ((error.strerror if isinstance(error, OSError) else None) or str(error)).lower()
        if reading:
            problem = f"Results on disk cannot be read for now ({reason})."
        else:
            problem = (
                f"Results are kept in memory, and saved once that is possible: now they cannot be saved ({reason})."
            )
        if self._given_up:
            problem += f" The oldest of them are given up, since more than {PENDING_LIMIT / 1e6:.0f} MB wait."
        with self._changed:
            if problem == self.problem or (reading and self._pending):
                return
            self.problem, self._passing = problem, _is_lock(error)
        log.warning("the cache in %s cannot be used: %r", self.folder, error)


class BytesDisk(diskcache.Disk):
    """Text keys and bytes values alone. diskcache itself obeys a row that says it is a pickle (CVE-2025-69872)."""

    unnamed: str | None = None  # the file written last, which no row may name yet

    def put(self, key: Any) -> tuple[Any, bool]:
        """The key as the database holds it. Raises TypeError unless it is text."""
        if type(key) is not str:
            raise TypeError(f"a key of the cache must be text; got {type(key).__name__}")
        return key, True

    def get(self, key: Any, raw: bool) -> str:
        """The key of a row. Raises ValueError unless it is text."""
        if not raw or type(key) is not str:
            raise ValueError("its key is no text")
        return key

    def store(self, value: Any, read: bool, key: Any = UNKNOWN) -> tuple[int, int, str | None, Any]:
        """Columns (size, mode, filename, value) of a row; a large value goes to a file of mode 0600."""
        if read or type(value) is not bytes:
            raise TypeError(f"a value of the cache must be bytes; got {type(value).__name__}")
        if len(value) < self.min_file_size:
            return 0, MODE_RAW, None, sqlite3.Binary(value)
        filename, path = self.filename(key, value)
        self.unnamed = filename
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(value)
        except OSError:  # a full disk: leave no torn file behind
            self.remove(filename)
            raise
        return len(value), MODE_BINARY, filename, None

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool = False) -> bytes:
        """The bytes of a row. Raises ValueError for any other kind of row, such as a pickle."""
        if mode not in (MODE_RAW, MODE_BINARY) or read:
            raise ValueError(f"it is not stored as bytes (mode {mode!r})")
        if mode == MODE_BINARY:
            return Path(self._inside(filename)).read_bytes()
        if type(value) is not bytes:
            raise ValueError(f"it is {type(value).__name__}, not bytes")
        return value

    def remove(self, file_path: str) -> None:
        """Remove a value's file, unless the row names one outside the cache."""
        with contextlib.suppress(ValueError):
            self._inside(file_path)
            super().remove(file_path)

    def _inside(self, filename: Any) -> str:
        root = os.path.realpath(self._directory)
        path = os.path.realpath(os.path.join(root, filename)) if isinstance(filename, str) else ""
        if not path.startswith(root + os.sep):
            raise ValueError("its file lies outside the cache")
        return path


def _keys(experiment: Experiment) -> list[str]:
    """The names under which a result of this experiment may lie: that of today, and the one of the first results."""
    return [key for key in (experiment.key, experiment.first_key) if key]


def _of_key(blob: bytes, key: str) -> Result:
    if not blob:
        raise ValueError("its file is missing or empty")
    result = unpack(blob)
    if key not in _keys(result.experiment):
        raise ValueError(f"it is the result of another experiment, {result.experiment.key}")
    return result


def _read(blob: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The metadata and the arrays of a packed result, if its digest is right."""
    header = json.loads(blob[8 : 8 + int.from_bytes(blob[:8], "little")])
    about = json.loads(header["__metadata__"]["result"])
    digest = about["sha256"]
    if hashlib.sha256(blob.replace(digest.encode(), BLANK.encode(), 1)).hexdigest() != digest:
        raise ValueError("damaged, since its digest does not match")
    arrays = load(blob)
    for name in ("loss_steps", "frame_steps"):  # on disk they take half the room
        if arrays[name].dtype == np.int32:
            arrays[name] = arrays[name].astype(np.int64)
    for values in arrays.values():
        values.flags.writeable = False  # every thread reads the same arrays
    return about, arrays


def _assemble(experiment: Experiment, about: dict[str, Any], arrays: dict[str, np.ndarray]) -> Result:
    """The result, once every array has the form that its experiment asks for."""
    if about["key"] not in _keys(experiment):
        raise ValueError("it was written by another version of the engine")
    coded = "grids" in about
    measured = [name for name in FRAME_METRICS if f"frame_metrics.{name}" in arrays]  # older results have none
    _refuse_other_forms(arrays, _forms(experiment, about, arrays, measured))
    parameters = {name: arrays[f"parameters.{name}"] for name in shapes(experiment)}
    loss_steps, frame_steps = arrays["loss_steps"], arrays["frame_steps"]
    frames: Mapping[str, np.ndarray]
    if coded:
        loss_steps = _inflated(loss_steps, len(arrays["losses"]))
        frames = history.History(experiment, parameters, arrays["codes"], about["grids"], len(frame_steps))
    else:
        frames = {name: arrays[f"frames.{name}"] for name in parameters}
    if about["display"] and not coded:  # as the first short histories were written: the inner frames in 16 bits
        first = initial_parameters(experiment)
        frames = {
            name: np.concatenate([first[name][None], frames[name], last[None]]) for name, last in parameters.items()
        }
    return Result(
        experiment=experiment,
        parameters=parameters,
        loss_steps=loss_steps,
        losses=arrays["losses"],
        frame_steps=frame_steps,
        frames=frames,
        metrics=dict(about["metrics"]),
        frame_metrics={name: arrays[f"frame_metrics.{name}"] for name in measured},
        shortened=bool(about["display"]),
        provenance=dict(about["provenance"]),
    )


def _forms(
    experiment: Experiment, about: dict[str, Any], arrays: dict[str, np.ndarray], measured: list[str]
) -> dict[str, tuple[tuple[type, ...], tuple[int, ...]]]:
    """The types that each array may have, and its shape."""
    expected, frames = shapes(experiment), len(arrays["frame_steps"])
    forms: dict[str, tuple[tuple[type, ...], tuple[int, ...]]] = {
        "frame_steps": ((np.int64,), (frames,)),
        **{f"parameters.{name}": ((np.float32,), shape) for name, shape in expected.items()},
    }
    if "grids" in about:
        forms |= {name: ((np.uint8,), (arrays[name].size,)) for name in ("codes", "loss_steps")}
        losses = arrays["losses"].size
    else:
        stored, types = (frames - 2, (np.float32, np.float16)) if about["display"] else (frames, (np.float32,))
        losses = len(arrays["loss_steps"])
        forms["loss_steps"] = (np.int64,), (losses,)
        forms |= {f"frames.{name}": (types, (stored, *shape)) for name, shape in expected.items()}
    forms["losses"] = (np.float32,), (losses,)
    return forms | {f"frame_metrics.{name}": ((np.float64,), (frames,)) for name in measured}


def _refuse_other_forms(
    arrays: dict[str, np.ndarray], forms: dict[str, tuple[tuple[type, ...], tuple[int, ...]]]
) -> None:
    """Raises ValueError, naming the array, for one too many or too few, of another form, or not finite."""
    if set(arrays) != set(forms):
        raise ValueError(f"it must hold {', '.join(sorted(forms))}; got {', '.join(sorted(arrays))}")
    for name, (types, shape) in forms.items():
        values = arrays[name]
        if values.shape != shape or values.dtype not in types:
            raise ValueError(f"{name} must be {np.dtype(types[0])} {shape}; got {values.dtype} {values.shape}")
        missing = np.isnan(values) if name.startswith("frame_metrics.") else False  # the frame was not measured
        if not (np.isfinite(values) | missing).all():
            raise ValueError(f"{name} must be finite")


def _size(result: Result) -> int:
    a_network = sum(values.nbytes for values in result.parameters.values())
    losses = result.losses.nbytes + result.loss_steps.nbytes
    return a_network * (1 + len(result.frame_steps)) + losses + 4096  # and about as much for the rest


def _bytes_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _identity(path: Path) -> tuple[int, int]:
    """What tells this file from another of the same name."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _code(error: BaseException) -> int | None:
    """SQLite's kind of error, without its details."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _is_lock(error: BaseException) -> bool:
    return isinstance(error, diskcache.Timeout) or _code(error) in LOCK
