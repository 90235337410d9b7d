"""A short history in few bytes: 8 bits a number, coded as differences and compressed, decoded when it is looked at.

Weights often start small. A frame whose numbers are far smaller than the largest of the history is doubled until they
are not, before it is rounded: else its thousand directions would become a lattice of four.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from toyviz.experiment import Experiment
from toyviz.model import Parameters, initial_parameters

LEVELS = 256  # values that a number of an inner frame can take: evenly spread over what its array has in all of them
FAR_SMALLER = 6  # times smaller than the history, at least, is a frame that is doubled
MOST = 64  # doublings
# For each parameter: the lowest level, the step from one to the next, and how often the first inner frames are doubled.
Grids = dict[str, tuple[float, float, list[int]]]


class History(Mapping[str, np.ndarray]):
    """The frames of each parameter, (f, ...), read-only: first and last exact, those between decoded at first use."""

    def __init__(
        self, experiment: Experiment, last: Parameters, codes: np.ndarray, grids: Mapping[str, Any], frames: int
    ) -> None:
        """Raises ValueError where codes, (k,) uint8, or grids are not those of so many frames of this network."""
        self._experiment, self._last, self._codes, self._inner = experiment, last, codes, frames - 2
        if set(grids) != set(last):
            raise ValueError(f"grids must be of {', '.join(last)}; got {', '.join(grids)}")
        self._grids: Grids = {name: _grid(grids[name], self._inner) for name in last}
        inflate(codes, self._count)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._frames[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._last)

    def __len__(self) -> int:
        return len(self._last)

    @property
    def _count(self) -> int:
        return self._inner * sum(values.size for values in self._last.values())

    @cached_property
    def _frames(self) -> Parameters:
        first, found, begin = initial_parameters(self._experiment), {}, 0
        whole = np.frombuffer(inflate(self._codes, self._count), np.uint8)
        for name, last in self._last.items():
            moved = whole[begin : begin + self._inner * last.size].reshape(last.size, self._inner).T
            begin += moved.size
            low, step, doubled = self._grids[name]
            levels = _nearest(last.ravel(), low, step) - np.cumsum(moved[::-1], axis=0, dtype=np.uint8)[::-1]
            inner = np.ldexp(_values(low, step)[levels], -_each(doubled, self._inner)).reshape(-1, *last.shape)
            found[name] = np.concatenate([first[name][None], inner, last[None]])
            found[name].flags.writeable = False
        return found


def encode(inner: Parameters, last: Parameters) -> tuple[np.ndarray, Grids, float]:
    """Frames as compressed codes, (k,) uint8, their grids, and by how much the farthest number is off.

    inner: (f, ...) of each parameter; last: the frame after these. A code is how many levels a number moves until the
    next frame, modulo 256; those of one number lie side by side.
    """
    moved, grids, largest = [], {}, 0.0
    for name, values in inner.items():
        low, high = float(values.min(initial=math.inf)), float(values.max(initial=-math.inf))
        grid = (low, (high - low) / (LEVELS - 1) or 1.0) if values.size else (0.0, 1.0)
        flat = values.reshape(len(values), last[name].size)
        doubled = doublings(flat)
        grids[name] = (*grid, doubled)
        times = _each(doubled, len(flat))
        levels = _nearest(np.ldexp(flat, times), *grid)
        off = np.abs(np.ldexp(_values(*grid)[levels], -times).astype(np.float64) - flat)
        largest = max(largest, float(off.max(initial=0.0)))
        moved.append(np.diff(np.vstack([levels, _nearest(last[name].ravel(), *grid)]), axis=0).T.tobytes())
    deflate = zlib.compressobj(9, memLevel=9, strategy=zlib.Z_FILTERED)  # most differences are small
    codes = deflate.compress(b"".join(moved)) + deflate.flush()
    return np.frombuffer(codes, np.uint8), grids, largest


def doublings(frames: np.ndarray) -> list[int]:
    """How often each frame, of (f, ...) numbers, can be doubled and still be FAR_SMALLER times below the largest.

    Without the zeros at the end.
    """
    room = min(-float(frames.min(initial=0)), float(frames.max(initial=0)))  # on the side where there is less
    reach = np.abs(frames).max(axis=tuple(range(1, frames.ndim)), initial=0).tolist()
    found = [max(0, min(MOST, int(math.log2(room / FAR_SMALLER / each)))) if room and each else 0 for each in reach]
    return found[: max((k + 1 for k, times in enumerate(found) if times), default=0)]


def inflate(codes: np.ndarray, size: int) -> bytes:
    """The bytes that were compressed. Raises ValueError unless these are so many."""
    try:
        stream = zlib.decompressobj()
        found = stream.decompress(codes.tobytes(), size + 1)
    except zlib.error as error:
        raise ValueError(f"it cannot be decompressed: {error}") from None
    if len(found) != size or not stream.eof:
        raise ValueError(f"what is compressed must have {size} bytes; got {len(found)}")
    return found


def _grid(told: Any, inner: int) -> tuple[float, float, list[int]]:
    """A grid as a file tells it, checked."""
    low, step, doubled = told
    with np.errstate(all="ignore"):
        if not np.isfinite(_values(low, step)).all() or step <= 0:
            raise ValueError(f"grids must be finite, and their steps above 0; got {low} and {step}")
    if len(doubled) > inner or any(type(each) is not int or not 0 <= each <= MOST for each in doubled):
        raise ValueError(f"doublings must be {inner} whole numbers from 0 to {MOST} at most; got {doubled}")
    return float(low), float(step), doubled


def _each(doubled: list[int], inner: int) -> np.ndarray:
    """A column: a number for each inner frame."""
    return np.array(doubled + [0] * (inner - len(doubled)), np.int32).reshape(-1, 1)


def _nearest(values: np.ndarray, low: float, step: float) -> np.ndarray:
    """The level nearest to each number, uint8."""
    levels = np.clip(np.rint((values.astype(np.float64) - low) / step), 0, LEVELS - 1)
    return levels.astype(np.uint8)


def _values(low: float, step: float) -> np.ndarray:
    """The number at each level, (256,) float32."""
    return (low + step * np.arange(LEVELS)).astype(np.float32)
