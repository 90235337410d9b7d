"""SplitMix64 in compiled code, one number for each sample of a vector: the batches of data.fresh_batch.

Where a processor cannot multiply 64-bit numbers side by side, each product is made of 32-bit halves. The states of a
vector lie in an order that lets two registers of them become one of upper and one of lower halves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from toyviz.train.fused.compiled import has
from toyviz.train.fused.simd import LANES, VECTOR, Vector

GAMMA, MIX1, MIX2 = np.uint64(0x9E3779B97F4A7C15), 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_LONG, _WORD = ir.IntType(64), ir.IntType(32)
_STATES = Vector(types.uint64, _LONG, LANES)
_HALVES = ir.VectorType(_WORD, LANES)

# Four samples lie in two registers: in either, two of them, next to the two of the next four.
_PLACE = [s // 4 * 2 + s % 2 + s % 4 // 2 * (LANES // 2) for s in range(LANES)]  # of sample s among the states


def _all(kind: Any, value: int) -> Any:
    return ir.Constant(kind, [value] * kind.count)


def _spread(builder: Any, value: Any, kind: Any) -> Any:
    nothing = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(nothing, value, _WORD(0))
    return builder.shuffle_vector(one, nothing, _all(ir.VectorType(_WORD, kind.count), 0))


def _split(builder: Any, z: Any) -> tuple[Any, Any]:
    """The upper and the lower halves of all states, samples in order."""
    words = builder.bitcast(z, ir.VectorType(_WORD, 2 * LANES))
    kind = ir.VectorType(_WORD, LANES)
    high, low = (ir.Constant(kind, [2 * place + half for place in _PLACE]) for half in (1, 0))
    return builder.shuffle_vector(words, words, high), builder.shuffle_vector(words, words, low)


def _folded(builder: Any, z: Any, shift: int) -> Any:
    return builder.xor(z, builder.lshr(z, _all(z.type, shift)))


def _last_product(builder: Any, z: Any) -> tuple[Any, Any]:
    """The halves of z MIX2."""
    if has("avx512dq"):
        return _split(builder, builder.mul(z, _all(z.type, MIX2)))
    upper, lower = MIX2 >> 32, MIX2 & 0xFFFFFFFF
    high, low = _split(builder, z)
    first = builder.mul(builder.and_(z, _all(z.type, 0xFFFFFFFF)), _all(z.type, lower))
    carried, result = _split(builder, first)
    crossed = builder.add(builder.mul(high, _all(_HALVES, lower)), builder.mul(low, _all(_HALVES, upper)))
    return builder.add(carried, crossed), result


def _mixed(builder: Any, z: Any) -> tuple[Any, Any]:
    """The halves of the numbers that these states give."""
    z = builder.mul(_folded(builder, z, 30), _all(z.type, MIX1))
    high, low = _last_product(builder, _folded(builder, z, 27))
    moved = builder.or_(builder.shl(high, _all(_HALVES, 1)), builder.lshr(low, _all(_HALVES, 31)))
    return _folded(builder, high, 31), builder.xor(low, moved)


def _below(builder: Any, high: Any, low: Any, bound: Any) -> Any:
    """Whether the upper 40 bits are below a bound, which may be as large as 2^40 and larger."""
    most = _LONG(0xFFFFFFFF)
    upper = builder.lshr(bound, _LONG(8))
    upper = builder.select(builder.icmp_unsigned("<", upper, most), upper, most)
    rest = builder.sub(bound, builder.shl(upper, _LONG(8)))
    rest = builder.select(builder.icmp_unsigned("<", rest, _LONG(256)), rest, _LONG(256))
    upper, rest = (_spread(builder, builder.trunc(part, _WORD), _HALVES) for part in (upper, rest))
    less = builder.icmp_signed("<", builder.lshr(low, _all(_HALVES, 24)), rest)
    equal = builder.and_(builder.icmp_unsigned("==", high, upper), less)
    return builder.or_(builder.icmp_unsigned("<", high, upper), equal)


@intrinsic
def states(typingctx: Any, first: Any, stride: Any) -> Any:
    """first + s stride for samples s = 0, 1, ... of a vector"""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        first, stride = (_spread(builder, value, _STATES.vector) for value in values)
        order = ir.Constant(_STATES.vector, [_PLACE.index(place) for place in range(LANES)])
        return builder.add(first, builder.mul(stride, order))

    return _STATES(types.uint64, types.uint64), generate


@intrinsic
def following(typingctx: Any, z: Any) -> Any:
    """The states of the next feature."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.add(values[0], _all(_STATES.vector, int(GAMMA)))

    return _STATES(_STATES), generate


@intrinsic
def features(typingctx: Any, z: Any, deciding: Any, first: Any, last: Any) -> Any:
    """The lower 24 bits, from 0 to 1, where the upper 40 of `deciding` are in first ... last - 1, else 0."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        z, deciding, first, last = values
        high, low = _mixed(builder, deciding)
        active = builder.and_(_below(builder, high, low, last), builder.not_(_below(builder, high, low, first)))
        _, low = _mixed(builder, z)
        whole = builder.sitofp(builder.and_(low, _all(_HALVES, 0xFFFFFF)), VECTOR.vector)
        value = builder.fmul(whole, ir.Constant(VECTOR.vector, [2.0**-24] * LANES))
        return builder.select(active, value, ir.Constant(VECTOR.vector, [0.0] * LANES))

    return VECTOR(_STATES, _STATES, types.uint64, types.uint64), generate
