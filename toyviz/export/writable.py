"""Where a file is to be written: refused in a sentence before anything is worked out for it."""

from __future__ import annotations

import os
from pathlib import Path


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
