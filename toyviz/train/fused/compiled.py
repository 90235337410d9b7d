"""How kernels are compiled, and kept on disk for the next process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import njit

_HERE = Path(__file__).parent


def _digest() -> str:
    """Of all kernels: the compiler looks at one file alone to see whether what it kept is stale."""
    digest = hashlib.sha256()
    for path in sorted(_HERE.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


_config: Any = numba.config
if not _config.CACHE_DIR:  # NUMBA_CACHE_DIR of the environment comes first
    _config.CACHE_DIR = str(_HERE / "__pycache__" / f"kernels-{_digest()}")

# A function that only compiled code calls: spared what Python would need to call it.
_PART: dict[str, Any] = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
part: Callable[[Any], Any] = njit(**_PART)


def kernel(function: Any) -> Any:
    """A function that Python calls: compiled at its first call, without the interpreter's lock, and kept on disk."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder can be written
        return njit(nogil=True)(function)
