"""A run that was exported comes back: read without a pickle, held against its own experiment, refused with a reason."""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from toyviz import cost, studies, view
from toyviz.experiment import ENGINE_VERSION, Experiment, from_dict
from toyviz.export import checked, network_files
from toyviz.export.network_files import ABOUT, FORMAT
from toyviz.export.refused import Refused
from toyviz.export.scene import address_of
from toyviz.model import shapes
from toyviz.result import FRAME_METRICS, Result
from toyviz.store import Store, pack, unpack

LARGEST = 64 * 2**20  # bytes of a file, and of its arrays
ENGINES = ("fused", "reference", "batched")
NOT_OURS = "this is no run that was exported from here"
TOO_LARGE = f"is larger than the {LARGEST / 1e6:,.0f} MB that a run may have"


def read_run(content: bytes, name: str) -> Result:
    """The run of a .npz or .safetensors file, its provenance saying that it was imported.

    Raises Refused for anything else: other names, shapes or types, what is not finite, another key than that of its
    experiment, and numbers that do not belong together: see toyviz.export.checked.
    """
    if len(content) > LARGEST:
        raise Refused(f"{name} {TOO_LARGE}", 413)
    named, told = _opened(content)
    if isinstance(told, list):
        raise Refused(f"{NOT_OURS}: it holds a sweep of {len(told)}; import single networks")
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise Refused(f"{NOT_OURS}: it does not say that it is a {FORMAT!r}")
    try:
        experiment = from_dict(_part(told, "experiment"))
        cost.refuse(experiment)
        result = _result(experiment, told, named, name)
        checked.refuse_unlikely(result, named)
        return result
    except ValueError as error:
        raise Refused(f"{NOT_OURS}: {_first_line(error)}") from None
    except (TypeError, AttributeError, OverflowError):
        raise Refused(f"{NOT_OURS}: a part of what it says of itself has another form") from None


def keep(result: Result, store: Store) -> None:
    """Put an imported run into the store. Raises Refused where one of this experiment is there already."""
    if store.has(result.experiment):
        raise Refused(f"the store has a network of this experiment already, {result.experiment.key}: it is kept", 409)
    store.put(result, display=result.shortened)


def link_of(content: bytes) -> str:
    """The address that a file says it is from, as it is on this server; nothing where it says none of our addresses.

    Call it after read_run.
    """
    try:
        id, address = view.link(str(_opened(content)[1].get("link", "")))
        page = studies.pages()[id]
        opened = page.read(address)
    except (ValueError, KeyError):
        return ""
    return "" if opened.not_understood else address_of(page, opened)


def _opened(content: bytes) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays of a file, and what it says beside them. Raises Refused for what is no such file."""
    try:
        named, about = _npz(content) if content[:2] == b"PK" else _safetensors(content)
    except Refused:
        raise
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile, SafetensorError, RecursionError):
        raise Refused(f"{NOT_OURS}: it is neither a .npz nor a .safetensors, or it is damaged") from None
    if about is None:
        raise Refused(f"{NOT_OURS}: it does not say what it is, since it has no {ABOUT!r}")
    try:
        return named, json.loads(about)
    except (ValueError, RecursionError):
        raise Refused(f"{NOT_OURS}: its {ABOUT!r} is no JSON") from None


def _npz(content: bytes) -> tuple[dict[str, np.ndarray], str | None]:
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        size = sum(each.file_size for each in whole.infolist())
        if size > LARGEST or len(whole.infolist()) > 64:
            raise Refused(f"its arrays have {size / 1e6:,.0f} MB; those of a run may have {LARGEST / 1e6:,.0f} MB", 413)
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        named = {name: _array(file, name) for name in file.files}
    about = named.pop(ABOUT, None)
    return named, None if about is None else str(about)


def _array(file: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """One array. Raises Refused for a pickle, ValueError for what is damaged."""
    try:
        return file[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise Refused(f"{NOT_OURS}: {_plain(name)} is a pickle, which is never read") from None


def _safetensors(content: bytes) -> tuple[dict[str, np.ndarray], str | None]:
    named = load(content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return named, header.get("__metadata__", {}).get(ABOUT)


def _part(told: dict[str, Any], name: str) -> dict[str, Any]:
    """What a file says under this name. Raises ValueError where that is not several values by their names."""
    if not isinstance(told.get(name), dict):
        raise ValueError(f"it does not say its {name}")
    part: dict[str, Any] = told[name]
    return part


def _result(experiment: Experiment, told: dict[str, Any], named: dict[str, np.ndarray], name: str) -> Result:
    """The run, its arrays of the form that its experiment asks for."""
    if told.get("key") != experiment.key:
        raise ValueError(f"its key is {told.get('key')!r}, that of its experiment is {experiment.key!r}")
    trained = tuple(shapes(experiment))
    measured = [each for each in FRAME_METRICS if f"frame_metrics.{each}" in named]
    expected = network_files.names(experiment) | {f"frame_metrics.{each}" for each in measured}
    unknown, missing = set(named) - expected, expected - set(named)
    if unknown or missing:
        which = ", ".join(_plain(each) for each in sorted(unknown or missing))
        raise ValueError(f"its arrays are others: {which} {'too many' if unknown else 'missing'}")
    for each, values in named.items():
        if values.ndim == 0 or values.dtype.kind != ("i" if each in ("frame_steps", "loss_steps") else "f"):
            raise ValueError(
                f"{each} must be an array of {'whole' if each.endswith('_steps') else 'floating-point'} numbers"
            )
    metrics = _part(told, "metrics")
    lacking = [each for each in FRAME_METRICS[:4] if each not in metrics]
    if lacking:
        raise ValueError(f"its metrics lack {', '.join(lacking)}")
    result = Result(
        experiment=experiment,
        parameters={each: named[each] for each in trained},
        loss_steps=named["loss_steps"],
        losses=named["losses"],
        frame_steps=named["frame_steps"],
        frames={each: named[f"frames.{each}"] for each in trained},
        metrics={each: metrics[each] for each in FRAME_METRICS[:4]},
        frame_metrics={each: named[f"frame_metrics.{each}"] for each in measured},
        provenance=_provenance(_part(told, "provenance"), name),
    )
    checked = unpack(pack(result))  # shapes, types, finite: as the store asks of its own
    return Result(**{**vars(checked), "shortened": bool(told.get("shortened"))})


def _provenance(told: dict[str, Any], name: str) -> dict[str, Any]:
    """Where the run is from, in what a page may show: plain words, and no more of what the file says than is known."""
    seconds, versions = told.get("seconds"), told.get("versions")
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and 0 <= seconds < math.inf):  # shipped results do not say
        raise ValueError(f"provenance: seconds must be a number from 0; got {seconds!r}")
    if told.get("engine") not in ENGINES:
        raise ValueError(f"provenance: engine must be one of {', '.join(ENGINES)}; got {told.get('engine')!r}")
    words: dict[str, str] = {
        each: _plain(told[each]) for each in ("device", "machine", "instruction_set") if each in told
    }
    named: dict[Any, Any] = versions if isinstance(versions, dict) else {}
    known = {_plain(each): _plain(value) for each, value in named.items()}
    note = f"imported from {_plain(name)}, not trained here"
    trained: dict[str, Any] = {"engine": told["engine"], "engine_version": ENGINE_VERSION}
    trained |= {} if seconds is None else {"seconds": float(seconds)}
    off = told.get("largest_error")  # of a short history
    if isinstance(off, int | float) and not isinstance(off, bool) and 0 <= off < math.inf:
        trained["largest_error"] = float(off)
    return {**trained, **words, "versions": known, "note": note, "imported": True}


def _plain(text: object) -> str:
    return re.sub(r"[^\w .+-]", "", str(text))[:200]


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300]
