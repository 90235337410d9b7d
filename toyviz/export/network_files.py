"""A network, or all of a sweep, as arrays in a file that other programs read: .npz and .safetensors. Never a pickle."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from toyviz import data, probe
from toyviz.citation import CITATION
from toyviz.experiment import ENGINE_VERSION, Experiment
from toyviz.export.refused import Refused
from toyviz.model import shapes as trained_shapes
from toyviz.result import Result

ABOUT = "about"  # the array, or the metadata, that holds the rest as JSON
FORMAT = "toyviz run 1"
LARGEST = 256 * 2**20  # bytes of arrays in one file
DRAWN = {"X": data.training_features, "E": data.embedding, "E2": data.target_embedding}


def arrays(result: Result) -> dict[str, np.ndarray]:
    """W1, b1, W2, b2, and X, hidden_pre, hidden on the training set, all float32; held-out samples where it is fresh.

    A fish sees X through its random projection, so its arrays also have inputs: hidden_pre = inputs W1' + b1.
    """
    samples = probe.seen_samples(result)
    flow = probe.activations(result, samples)
    named = result.complete() | {"X": samples.X, "hidden_pre": flow.hidden_pre, "hidden": flow.hidden}
    if result.experiment.task_row.embedded:
        named["inputs"] = samples.inputs
    return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in named.items()}


def write_npz(path: Path, result: Result) -> None:
    """Write the arrays of a result, without pickles. Raises OSError."""
    whole = io.BytesIO()  # since savez() would append .npz to a name without it, and cannot write to a device
    np.savez(whole, allow_pickle=False, **arrays(result))
    path.write_bytes(whole.getbuffer())


def whole_run(result: Result) -> dict[str, np.ndarray]:
    """W1, b1, W2, b2; frames.W1, ... over frame_steps; frame_metrics.*; losses over loss_steps; and what is trained on.

    X are the training samples, (T, n), where there is a fixed set; E, (n, B), is a fish's random projection, and E2 the
    second one of the re-projector.
    """
    named = {
        **result.parameters,
        **derived(result),
        "frame_steps": result.frame_steps,
        "loss_steps": result.loss_steps,
        "losses": result.losses,
        **{f"frames.{name}": values for name, values in result.frames.items()},
        **{f"frame_metrics.{name}": values for name, values in result.frame_metrics.items()},
    }
    return {name: np.ascontiguousarray(values) for name, values in named.items()}


def derived(result: Result) -> dict[str, np.ndarray]:
    """The arrays of a file that follow from the experiment and the trained weights: those of W2, b1 and b2 that are not
    trained, X, E and E2.
    """
    fixed = {name: values for name, values in result.complete().items() if name not in result.parameters}
    return fixed | {name: DRAWN[name](result.experiment) for name in drawn_shapes(result.experiment)}


def names(experiment: Experiment) -> set[str]:
    """The names of the arrays of a file, but for what was measured of its frames."""
    history = {"frame_steps", "loss_steps", "losses", *(f"frames.{name}" for name in trained_shapes(experiment))}
    return {"W1", "b1", "W2", "b2", *history, *drawn_shapes(experiment)}


def drawn_shapes(experiment: Experiment) -> dict[str, tuple[int, int]]:
    """The shapes of what is drawn by the experiment alone, of what there is of it."""
    task, wide = experiment.task_row, (experiment.n_features, experiment.n_embed or 0)
    found = {} if experiment.training_size is None else {"X": (experiment.training_size, experiment.n_features)}
    return found | ({"E": wide} if task.embedded else {}) | ({"E2": wide} if task.target == "reembedded" else {})


def described(result: Result, link: str, caption: str = "") -> dict[str, Any]:
    """What a file says of a run beside its arrays, as JSON holds it."""
    return {
        "format": FORMAT,
        "key": result.experiment.key,
        "engine_version": ENGINE_VERSION,
        "experiment": asdict(result.experiment),
        "metrics": result.metrics,
        "provenance": result.provenance,
        "shortened": result.shortened,
        "caption": caption,
        "link": link,
        "cite": CITATION,
    }


def npz(results: Sequence[Result], link: str, caption: str = "") -> bytes:
    """One run, or several with their names before those of the arrays: "0/W1"; "about" holds JSON. Compressed."""
    named, about = _together(results, link, caption)
    whole = io.BytesIO()
    np.savez_compressed(whole, allow_pickle=False, **named, **{ABOUT: np.array(about)})
    return whole.getvalue()


def safetensors(results: Sequence[Result], link: str, caption: str = "") -> bytes:
    """The same as a safetensors file, its metadata under "about"."""
    named, about = _together(results, link, caption)
    return save(named, metadata={ABOUT: about, "cite": CITATION})


def experiments_json(results: Sequence[Result], link: str, caption: str = "") -> bytes:
    """The experiment of a run, its key and its numbers; of several a list of these."""
    told = [described(each, link, caption) for each in results]
    text = json.dumps(told[0] if len(told) == 1 else told, indent=1, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def _together(results: Sequence[Result], link: str, caption: str = "") -> tuple[dict[str, np.ndarray], str]:
    refuse_large(
        [each.experiment for each in results], [sum(v.nbytes for v in each.frames.values()) for each in results]
    )
    told = [described(each, link, caption) for each in results]
    if len(results) == 1:
        return whole_run(results[0]), json.dumps(told[0], allow_nan=False)
    named = {f"{k}/{name}": values for k, each in enumerate(results) for name, values in whole_run(each).items()}
    return named, json.dumps(told, allow_nan=False)


def refuse_large(experiments: Sequence[Experiment], histories: Sequence[int]) -> None:
    """Raises Refused for runs whose arrays would take more than LARGEST."""
    samples = sum(4 * (each.training_size or 0) * each.n_features for each in experiments)
    size = samples + sum(histories)
    if size > LARGEST:
        raise Refused(
            f"these arrays have {size / 1e6:,.0f} MB, and a file may have {LARGEST / 1e6:,.0f} MB: take single "
            "networks, or train them elsewhere by the script",
            413,
        )
