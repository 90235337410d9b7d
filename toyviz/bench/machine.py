"""What is measured on: the processor, its lanes, the versions; and how to compute with fewer lanes than it has."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from toyviz.train.fused import compiled, simd

# What Numba, PyTorch and its libraries, NumPy's and XLA read when they start: AVX2, and no AVX-512.
AVX2 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
XLA_AVX2 = "--xla_cpu_max_isa=AVX2"
LANES = {8: "AVX2", 16: "AVX-512"}


def environment(lanes: int) -> dict[str, str] | None:
    """The environment in which another process computes with so many lanes; None where this one does.

    Raises ValueError for what cannot be had here.
    """
    if lanes not in LANES:
        raise ValueError(
            f"lanes must be 8 (AVX2) or 16 (AVX-512); got {lanes}: no other number can be had in their place, the 4 of "
            "NEON neither"
        )
    if lanes == simd.LANES:
        return None
    if lanes > simd.LANES:
        raise ValueError(
            f"lanes must be 8 here, since this processor has no AVX-512 ({compiled.instruction_set()}); got {lanes}"
        )
    return {**os.environ, **AVX2, "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {XLA_AVX2}".strip()}


def about(packages: Iterable[str]) -> dict[str, Any]:
    """The processor, what the kernels are compiled for, and the versions of Python and of these packages, null where
    one is missing."""
    return {
        "processor": _processor(),
        "instruction_set": compiled.instruction_set(),
        "lanes": simd.LANES,
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in packages}},
    }


def lines(told: dict[str, Any]) -> str:
    """What about() tells, for a reader."""
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items() if version)
    return f"{told['processor']}, kernels for {told['instruction_set']}, {told['lanes']} lanes\n{versions}"


def _processor() -> str:
    """Its name as Linux tells it, else as Python does."""
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
