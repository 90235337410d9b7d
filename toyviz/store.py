"""Results on disk: a shipped, read-only gallery under a writable cache. Safetensors bytes, never a pickle."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import diskcache
import numpy as np
from diskcache.core import MODE_BINARY, MODE_RAW, UNKNOWN
from safetensors.numpy import load, save

from toyviz.experiment import Experiment, from_dict
from toyviz.model import initial_parameters, shapes
from toyviz.result import Result

ROOT = Path(__file__).resolve().parents[1]
GALLERY = ROOT / "cache" / "gallery"
MEMORY_LIMIT = 256 * 2**20  # bytes of unpacked results that one process keeps at hand
DISPLAY_FRAMES = 12  # of the history that a gallery file keeps at most
DISPLAY_BYTES = 30_000  # that the inner ones of these may take: the wider a network, the fewer are kept
RETRY_AFTER = 30.0  # seconds before a cache that could not be opened is tried again
STRAY_AFTER = 3600.0  # seconds after which a value file that no row names is a leftover
TROUBLE = (sqlite3.Error, diskcache.Timeout, OSError)
BLANK = "0" * 64  # stands where the digest will stand while the digest is taken

Answer = TypeVar("Answer")
log = logging.getLogger(__name__)


def default_store() -> Store:
    """The project's store: cache/gallery under cache/runs; TOYVIZ_CACHE names another folder for runs/ to lie in."""
    return Store(Path(os.environ.get("TOYVIZ_CACHE") or ROOT / "cache") / "runs", GALLERY)


def pack(result: Result, *, display: bool = False) -> bytes:
    """The result as a safetensors file whose metadata holds its experiment, metrics, provenance and its own SHA-256.

    display keeps up to 12 frames of the history, the inner ones rounded to float16; first, last and the weights stay
    exact.
    Raises ValueError for a metric that is not a finite number.
    """
    histories, frame_steps, provenance = result.frames, result.frame_steps, dict(result.provenance)
    if display:
        a_frame = sum(2 * values.size for values in result.parameters.values())
        count = 2 + min(DISPLAY_FRAMES - 2, DISPLAY_BYTES // a_frame)
        kept = np.unique(np.linspace(0, len(frame_steps) - 1, count).round().astype(int))
        histories = {name: _half(values[kept[1:-1]]) for name, values in histories.items()}
        frame_steps = frame_steps[kept]
        provenance["note"] = f"history of {len(kept)} frames, the inner ones rounded to 16 bits"
    arrays = {
        "loss_steps": result.loss_steps.astype(np.int32),
        "losses": result.losses.astype(np.float32),
        "frame_steps": frame_steps.astype(np.int32),
        **{f"parameters.{name}": values for name, values in result.parameters.items()},
        **{f"frames.{name}": values for name, values in histories.items()},
    }
    about = {
        "sha256": BLANK,
        "key": result.experiment.key,
        "experiment": asdict(result.experiment),
        "metrics": result.metrics,
        "provenance": provenance,
        "display": display,
    }
    try:
        text = json.dumps(about, allow_nan=False)
    except ValueError:
        raise ValueError(f"metrics must be finite numbers or none; got {result.metrics}") from None
    blob = save({name: np.ascontiguousarray(values) for name, values in arrays.items()}, metadata={"result": text})
    return blob.replace(BLANK.encode(), hashlib.sha256(blob).hexdigest().encode(), 1)


def unpack(blob: bytes) -> Result:
    """The result that pack() wrote, its arrays read-only.

    Raises ValueError, saying what is wrong, for bytes that are damaged, of another engine version, or no such result.
    """
    try:
        about, arrays = _read(blob)
        return _assemble(from_dict(about["experiment"]), about, arrays)
    except Exception as error:  # whatever strange bytes can raise on the way means one thing: not a result
        raise ValueError(f"not a result that can be used: {error or type(error).__name__}") from error


class Store:
    """Results by experiment: memory, then the gallery, then the cache in runs. Any damage is a miss, never a crash.

    One object serves all threads. runs=None keeps results in memory alone. TOYVIZ_CACHE: see default_store().
    """

    def __init__(self, runs: Path | None, gallery: Path | None = None, size_limit: int = 2 * 2**30) -> None:
        self.runs, self.gallery, self.size_limit = runs, gallery, size_limit
        self.problem: str | None = None  # a sentence for the page while results cannot be written
        self._lock = threading.Lock()  # over the memory
        self._opening = threading.Lock()
        self._memory: OrderedDict[str, Result] = OrderedDict()
        self._memory_bytes = 0
        self._refused: set[Path] = set()  # gallery files that turned out damaged: told once
        self._cache: diskcache.Cache | None = None
        self._retry_at = 0.0
        if runs is not None:
            self._reopen()

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

    def put(self, result: Result, *, display: bool = False) -> bool:
        """Keep the result, and say if it is on disk: if not, problem says why, and it can still be read from memory.

        display keeps a short history on disk: see pack().
        """
        self._remember(result)
        if self.runs is None:
            return False
        blob = pack(result, display=display)
        if len(blob) > self.size_limit:
            self.problem = (
                f"This result is kept in memory only: it has {len(blob) / 1e6:.0f} MB, and the cache on disk "
                f"takes {self.size_limit / 1e6:.0f} MB."
            )
            return False
        saved = self._on_disk(lambda cache: cache.set(result.experiment.key, blob))
        if saved:
            self.problem = None
        return bool(saved)

    def has(self, experiment: Experiment) -> bool:
        """Whether there is an entry of this experiment, read or not: get() may still find it damaged."""
        if experiment.key in self._memory:
            return True
        path = self._gallery_file(experiment)
        if path and path not in self._refused and path.exists():
            return True
        return bool(self._on_disk(lambda cache: experiment.key in cache))

    def info(self) -> dict[str, Any]:
        """Where results lie, how many there are and how many bytes they take, as JSON would hold it."""
        files = self._gallery_files()
        entries, size = self._on_disk(lambda cache: (len(cache), cache.volume())) or (0, 0)
        return {
            "gallery": {
                "directory": str(self.gallery) if self.gallery else None,
                "entries": len(files),
                "bytes": sum(path.stat().st_size for path in files),
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
        damaged = []
        for path in self._gallery_files():
            try:
                _of_key(path.read_bytes(), path.stem)
            except (OSError, ValueError) as error:
                damaged.append(f"{path.name}: {error}")
        checked, dropped, stray = self._on_disk(self._verify_runs) or (0, [], 0)
        return {
            "gallery": {"checked": len(self._gallery_files()), "damaged": damaged},
            "runs": {"checked": checked, "dropped": dropped, "stray_files_removed": stray},
            "problem": self.problem,
        }

    def clear(self) -> int:
        """Forget every result in memory and in runs, and return how many were on disk. The gallery stays."""
        with self._lock:
            self._memory.clear()
            self._memory_bytes = 0
        return self._on_disk(lambda cache: cache.clear()) or 0

    # memory

    def _remember(self, result: Result) -> None:
        key = result.experiment.key
        with self._lock:
            if key in self._memory:
                self._memory_bytes -= _size(self._memory.pop(key))
            self._memory[key] = result
            self._memory_bytes += _size(result)
            while self._memory_bytes > MEMORY_LIMIT and len(self._memory) > 1:
                self._memory_bytes -= _size(self._memory.popitem(last=False)[1])

    # the gallery

    def _gallery_files(self) -> list[Path]:
        return sorted(self.gallery.glob("*.safetensors")) if self.gallery else []

    def _gallery_file(self, experiment: Experiment) -> Path | None:
        return self.gallery / f"{experiment.key}.safetensors" if self.gallery else None

    def _from_gallery(self, experiment: Experiment) -> Result | None:
        path = self._gallery_file(experiment)
        if path is None or path in self._refused or not path.exists():
            return None
        try:
            return _of_key(path.read_bytes(), experiment.key)
        except (OSError, ValueError) as error:
            self._refused.add(path)
            log.warning("the gallery's %s is passed over: %s", path.name, error)
            return None

    # the cache in runs

    def _from_runs(self, experiment: Experiment) -> Result | None:
        key = experiment.key
        try:
            blob = self._on_disk(lambda cache: cache.get(key))
            return None if blob is None else _of_key(blob, key)
        except ValueError as error:
            log.warning("the cached result %s is dropped: %s", key, error)
            self._on_disk(lambda cache: cache.delete(key))
            return None

    def _verify_runs(self, cache: diskcache.Cache) -> tuple[int, list[str], int]:
        assert self.runs is not None
        with contextlib.closing(sqlite3.connect(self.runs / "cache.db", timeout=5, isolation_level=None)) as database:
            foreign = database.execute("DELETE FROM Cache WHERE raw != 1 OR typeof(key) != 'text'").rowcount
            keys = [key for (key,) in database.execute("SELECT key FROM Cache ORDER BY key")]
        dropped = [f"{foreign} with a key that is no text"] if foreign else []
        for key in keys:
            try:
                _of_key(cache.get(key) or b"", key)
            except ValueError as error:
                cache.delete(key)
                dropped.append(f"{key}: {error}")
        for line in dropped:
            log.warning("the cached result %s is dropped", line)
        return len(keys) + foreign, dropped, self._remove_stray_files()

    def _remove_stray_files(self) -> int:
        """Remove value files that no row names and that are too old to be a write under way."""
        assert self.runs is not None
        with contextlib.closing(sqlite3.connect(self.runs / "cache.db", timeout=5)) as database:
            named = {name for (name,) in database.execute("SELECT filename FROM Cache WHERE filename IS NOT NULL")}
        stray = [
            path
            for path in self.runs.glob("*/*/*.val")
            if str(path.relative_to(self.runs)) not in named and time.time() - path.stat().st_mtime > STRAY_AFTER
        ]
        for path in stray:
            path.unlink(missing_ok=True)
        return len(stray)

    def _on_disk(self, action: Callable[[diskcache.Cache], Answer]) -> Answer | None:
        """What the action makes of the cache, tried twice with a repair between; None if the disk gives no answer."""
        if self.runs is None:
            return None
        if self._cache is not None:
            try:
                return action(self._cache)
            except TROUBLE as error:
                log.info("the cache is opened again: %s", error)
        if not self._reopen():
            return None
        assert self._cache is not None
        try:
            return action(self._cache)
        except TROUBLE as error:
            self._tell(error)
            return None

    def _reopen(self) -> bool:
        """Open the cache anew; a damaged one is set aside first. On failure the old handle stays: it may still read."""
        assert self.runs is not None
        with self._opening:
            if time.monotonic() < self._retry_at:
                return False
            try:
                if _is_damaged(self.runs / "cache.db"):
                    self._set_aside()
                try:
                    self._cache = self._open()
                except (TypeError, ValueError, KeyError, AttributeError):  # settings in it that diskcache chokes on
                    self._set_aside()
                    self._cache = self._open()
            except TROUBLE as error:
                self._retry_at = time.monotonic() + RETRY_AFTER
                self._tell(error)
                return False
            return True

    def _open(self) -> diskcache.Cache:
        assert self.runs is not None
        self.runs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.runs.chmod(0o700)
        with contextlib.suppress(FileExistsError):  # SQLite gives its journals the mode of the database
            os.close(os.open(self.runs / "cache.db", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return diskcache.Cache(
            str(self.runs),
            timeout=5,
            disk=BytesDisk,
            disk_min_file_size=2**13,
            size_limit=self.size_limit,
            eviction_policy="least-recently-stored",  # a read never writes, so a full disk still answers
            cull_limit=20,
            statistics=0,
        )

    def _set_aside(self) -> None:
        """Rename the damaged cache, in place of one set aside before, so that a new one can be started."""
        assert self.runs is not None
        aside = self.runs.with_name(f"{self.runs.name}.damaged")
        log.warning("the cache in %s is damaged: set aside as %s, and started anew", self.runs, aside.name)
        shutil.rmtree(aside, ignore_errors=True)
        self.runs.rename(aside)

    def _tell(self, error: Exception) -> None:
        if isinstance(error, diskcache.Timeout):
            reason = "the database of the cache is busy"
        else:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        self.problem = f"Results are kept in memory only, until the app stops: they cannot be saved ({reason.lower()})."
        log.warning("the cache in %s cannot be used: %r", self.runs, error)


class BytesDisk(diskcache.Disk):
    """Text keys and bytes values alone. diskcache itself obeys a row that says it is a pickle (CVE-2025-69872)."""

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
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(value)
        except OSError:  # a full disk: leave no torn file behind
            self.remove(filename)
            raise
        return len(value), MODE_BINARY, filename, None

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> bytes:
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


def _of_key(blob: bytes, key: str) -> Result:
    if not blob:
        raise ValueError("its file is missing or empty")
    result = unpack(blob)
    if result.experiment.key != key:
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
    if about["key"] != experiment.key:
        raise ValueError("it was written by another version of the engine")
    expected = shapes(experiment)
    frame_steps, loss_steps, losses = arrays["frame_steps"], arrays["loss_steps"], arrays["losses"]
    stored = len(frame_steps) - (2 if about["display"] else 0)
    forms = {
        "frame_steps": (np.int64, (len(frame_steps),)),
        "loss_steps": (np.int64, (len(loss_steps),)),
        "losses": (np.float32, (len(loss_steps),)),
        **{f"parameters.{name}": (np.float32, shape) for name, shape in expected.items()},
        **{f"frames.{name}": (np.float32, (stored, *shape)) for name, shape in expected.items()},
    }
    if set(arrays) != set(forms):
        raise ValueError(f"it must hold {', '.join(sorted(forms))}; got {', '.join(sorted(arrays))}")
    for name, (dtype, shape) in forms.items():
        values = arrays[name]
        rounded = about["display"] and name.startswith("frames.") and values.dtype == np.float16
        if values.shape != shape or not (values.dtype == dtype or rounded):
            raise ValueError(f"{name} must be {np.dtype(dtype)} {shape}; got {values.dtype} {values.shape}")
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite")
    parameters = {name: arrays[f"parameters.{name}"] for name in expected}
    frames = {name: arrays[f"frames.{name}"] for name in expected}
    if about["display"]:
        first = initial_parameters(experiment)
        frames = {
            name: np.concatenate([first[name][None], frames[name].astype(np.float32), parameters[name][None]])
            for name in expected
        }
    return Result(
        experiment=experiment,
        parameters=parameters,
        loss_steps=loss_steps,
        losses=losses,
        frame_steps=frame_steps,
        frames=frames,
        metrics=dict(about["metrics"]),
        provenance=dict(about["provenance"]),
    )


def _half(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float16) if np.abs(values).max(initial=0) < 65_000 else values


def _size(result: Result) -> int:
    arrays = [*result.parameters.values(), *result.frames.values(), result.losses, result.loss_steps]
    return sum(values.nbytes for values in arrays) + 4096  # and about as much for the rest


def _is_damaged(database: Path) -> bool:
    if not database.exists():
        return False
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=5)) as connection:
            return connection.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]
    except sqlite3.OperationalError:  # locked, or not to be opened: no sign of damage
        return False
    except sqlite3.DatabaseError:
        return True
