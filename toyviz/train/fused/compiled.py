"""How kernels are compiled, for which processor, and kept on disk for the next process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import njit
from numba.core.registry import cpu_target

_HERE = Path(__file__).parent
_VECTOR_FEATURES = ("avx", "avx2", "fma", "avx512f", "avx512vl", "neon", "sve", "sve2")  # those that decide rounding

# What is compiled for, NUMBA_CPU_NAME and NUMBA_CPU_FEATURES heeded: "x86_64-...", "znver3", "+avx2,-sse4a,..."
_SYSTEM, _PROCESSOR, _FEATURES = cpu_target.target_context.codegen().magic_tuple()


def has(feature: str) -> bool:
    """Whether kernels are compiled for a processor that has this, such as "avx2"."""
    return f"+{feature}" in _FEATURES.split(",")


def instruction_set() -> str:
    """The processor that kernels are compiled for and its vector instructions: "x86_64 znver3 avx avx2 fma"."""
    return " ".join([_SYSTEM.split("-")[0], _PROCESSOR, *filter(has, _VECTOR_FEATURES)])


def _digest() -> str:
    """Of all kernels, and of what they are compiled for: the compiler looks at one file alone for what is stale."""
    digest = hashlib.sha256(repr((_SYSTEM, _PROCESSOR, _FEATURES)).encode())
    for path in sorted(_HERE.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


_config: Any = numba.config
if not _config.CACHE_DIR:  # NUMBA_CACHE_DIR of the environment comes first
    _config.CACHE_DIR = str(_HERE / "__pycache__" / f"kernels-{_PROCESSOR}-{_digest()}")

# A function that only compiled code calls: spared what Python would need to call it, and copied to where it is called,
# since to hand over a network of fifty arrays takes as long as the work itself. Nor may a division by zero raise: where
# it may, the references of all these arrays are counted at each call.
_PART: dict[str, Any] = {
    "nogil": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "forceinline": True,
    "error_model": "numpy",
}
part: Callable[[Any], Any] = njit(**_PART)


def kernel(function: Any) -> Any:
    """A function that Python calls: compiled at its first call, without the interpreter's lock, and kept on disk."""
    try:
        return njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # no folder can be written
        return njit(nogil=True, error_model="numpy")(function)
