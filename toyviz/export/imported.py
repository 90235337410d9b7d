"""A run that was exported comes back: read without a pickle, held against its own experiment, refused with a reason."""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from toyviz import cost, probe
from toyviz.charts.clock import POSITIONS
from toyviz.experiment import ENGINE_VERSION, Experiment, from_dict
from toyviz.export.network_files import ABOUT, FORMAT
from toyviz.export.refused import Refused
from toyviz.model import initial_parameters, shapes
from toyviz.result import FRAME_METRICS, Result
from toyviz.store import Store, pack, unpack

LARGEST = 64 * 2**20  # bytes of a file, and of its arrays
MOST_POINTS = 2000  # of a loss curve
CLOSE = 1e-3  # so far from what is told the measured losses may be, as a share: another processor rounds otherwise
ENGINES = ("fused", "reference")
NOT_OURS = "this is no run that was exported from here"


def read_run(content: bytes, name: str) -> Result:
    """The run of a .npz or .safetensors file, its provenance saying that it was imported.

    Raises Refused for anything else: other names, shapes or types, what is not finite, another key than that of its
    experiment, and weights whose losses are not those that it tells.
    """
    if len(content) > LARGEST:
        raise Refused(f"{name} has {len(content) / 1e6:,.0f} MB; a run may have {LARGEST / 1e6:,.0f} MB", 413)
    try:
        named, about = _npz(content) if content[:2] == b"PK" else _safetensors(content)
        told = json.loads(about)
    except Refused:
        raise
    except (
        ValueError,
        KeyError,
        TypeError,
        OSError,
        EOFError,
        zipfile.BadZipFile,
        SafetensorError,
        RecursionError,
    ) as error:
        raise Refused(f"{NOT_OURS}: {_first_line(error)}") from None
    if isinstance(told, list):
        raise Refused(f"{NOT_OURS}: it holds a sweep of {len(told)}; import single networks")
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise Refused(f"{NOT_OURS}: it does not say that it is a {FORMAT!r}")
    try:
        experiment = from_dict(dict(told["experiment"]))
        cost.refuse(experiment)
        result = _result(experiment, told, named, name)
        _refuse_unlikely(result)
        return result
    except Refused:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{NOT_OURS}: {_first_line(error)}") from None


def keep(result: Result, store: Store) -> None:
    """Put an imported run into the store. Raises Refused where one of this experiment is there already."""
    if store.has(result.experiment):
        raise Refused(f"the store has a network of this experiment already, {result.experiment.key}: it is kept", 409)
    store.put(result, display=result.shortened)


def link_of(content: bytes) -> str:
    """The address that a file says it is from; nothing where it says none. Call it after read_run."""
    _, about = _npz(content) if content[:2] == b"PK" else _safetensors(content)
    return str(json.loads(about).get("link", ""))


def _npz(content: bytes) -> tuple[dict[str, np.ndarray], str]:
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        size = sum(each.file_size for each in whole.infolist())
        if size > LARGEST or len(whole.infolist()) > 64:
            raise Refused(f"its arrays have {size / 1e6:,.0f} MB; those of a run may have {LARGEST / 1e6:,.0f} MB", 413)
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        named = {name: file[name] for name in file.files}
    return named, str(named.pop(ABOUT))


def _safetensors(content: bytes) -> tuple[dict[str, np.ndarray], str]:
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return load(content), header["__metadata__"][ABOUT]


def _result(experiment: Experiment, told: dict[str, Any], named: dict[str, np.ndarray], name: str) -> Result:
    """The run, its arrays of the form that its experiment asks for."""
    if told["key"] != experiment.key:
        raise ValueError(f"its key is {told['key']!r}, that of its experiment is {experiment.key!r}")
    trained = tuple(shapes(experiment))
    measured = [each for each in FRAME_METRICS if f"frame_metrics.{each}" in named]
    expected = {*("W1", "b1", "W2", "b2", "frame_steps", "loss_steps", "losses")}
    expected |= {f"frames.{each}" for each in trained} | {f"frame_metrics.{each}" for each in measured}
    unknown = set(named) - expected - {"X", "E", "E2"}
    missing = expected - set(named)
    if unknown or missing:
        raise ValueError(f"its arrays are others: {', '.join(sorted(unknown or missing))}")
    result = Result(
        experiment=experiment,
        parameters={each: named[each] for each in trained},
        loss_steps=named["loss_steps"],
        losses=named["losses"],
        frame_steps=named["frame_steps"],
        frames={each: named[f"frames.{each}"] for each in trained},
        metrics={each: dict(told["metrics"])[each] for each in FRAME_METRICS[:4]},
        frame_metrics={each: named[f"frame_metrics.{each}"] for each in measured},
        provenance=_provenance(dict(told["provenance"]), name),
    )
    checked = unpack(pack(result))  # shapes, types, finite: as the store asks of its own
    return Result(**{**vars(checked), "shortened": bool(told["shortened"])})


def _provenance(told: dict[str, Any], name: str) -> dict[str, Any]:
    """Where the run is from, in what a page may show: plain words, and no more of what the file says than is known."""
    seconds, versions = told.get("seconds"), told.get("versions")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds < math.inf:
        raise ValueError(f"provenance: seconds must be a number from 0; got {seconds!r}")
    if told.get("engine") not in ENGINES:
        raise ValueError(f"provenance: engine must be one of {', '.join(ENGINES)}; got {told.get('engine')!r}")
    words: dict[str, str] = {
        each: _plain(told[each]) for each in ("device", "machine", "instruction_set") if each in told
    }
    named: dict[Any, Any] = versions if isinstance(versions, dict) else {}
    known = {_plain(each): _plain(value) for each, value in named.items()}
    note = f"imported from {_plain(name)}, not trained here"
    trained: dict[str, Any] = {"engine": told["engine"], "engine_version": ENGINE_VERSION, "seconds": float(seconds)}
    return {**trained, **words, "versions": known, "note": note, "imported": True}


def _plain(text: object) -> str:
    return re.sub(r"[^\w .+-]", "", str(text))[:200]


def _refuse_unlikely(result: Result) -> None:
    """Raises ValueError for a history that no training has, and for losses that are not those of the weights."""
    experiment, steps = result.experiment, result.experiment.steps
    _refuse_disorder("frame_steps", result.frame_steps, 0, steps, POSITIONS)
    _refuse_disorder("loss_steps", result.loss_steps, 1, steps, MOST_POINTS)
    first = initial_parameters(experiment)
    for name, values in result.parameters.items():
        if not np.array_equal(result.frames[name][-1], values):
            raise ValueError(f"frames.{name} does not end with {name}")
        if not np.allclose(result.frames[name][0], first[name], rtol=1e-4, atol=1e-6):
            raise ValueError(f"frames.{name} does not begin with the start of this experiment")
    measured = probe.evaluate(experiment, result.parameters)
    for name, value in measured.items():
        told = result.metrics[name]
        wrong = (told is None) != (value is None)
        if not wrong and value is not None and told is not None:
            wrong = not math.isclose(told, value, rel_tol=CLOSE, abs_tol=1e-6 if name.endswith("loss") else 2e-3)
        if wrong:
            raise ValueError(f"it tells a {name} of {told}, but its weights have {value}")


def _refuse_disorder(name: str, steps: np.ndarray, first: int, last: int, most: int) -> None:
    if not 0 < len(steps) <= most or steps[0] < first or steps[-1] != last or (np.diff(steps) <= 0).any():
        raise ValueError(f"{name} must rise from {first} or more to {last}, at most {most} of them")
    if name == "frame_steps" and steps[0] != 0:
        raise ValueError("frame_steps must begin with 0")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0][:300]
