"""A result as a file that other programs can read."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from toyviz import probe
from toyviz.result import Result


def refuse_unwritable(path: Path) -> None:
    """Raise OSError, with a sentence, for a path that cannot be written; trying it leaves no trace on the disk."""
    try:
        there = path.resolve()
        if there.is_dir():
            raise OSError(f"--out must be a file; {str(path)!r} is a folder")
        if not there.parent.is_dir():
            raise OSError(f"--out must be in a folder that exists; {str(path.parent)!r} is none")
        _try_to_write(there)
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links is a RuntimeError, a NUL a ValueError
        if str(error).startswith("--out "):
            raise
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise OSError(f"--out must be a file that can be written; {str(path)!r} cannot ({reason})") from error


def _try_to_write(path: Path) -> None:
    """Open the file as it is, or make and remove it: os.access() tells the superuser that all can be written."""
    if path.is_file():
        with path.open("ab"):
            return
    if path.exists():  # a device or a pipe, which takes what it is given
        return
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    path.unlink()


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
