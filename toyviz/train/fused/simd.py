"""Several numbers as one value in compiled code, so that no kernel depends on what the compiler vectorises by itself.

A vector has as many floats as one register of the processor: sixteen with AVX-512, else eight, which are one register
of AVX2 or two of NEON. Arrays are flat, and padded to whole vectors by those who own them: load and store check
nothing. A NaN stays a NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from toyviz.train.fused.compiled import has

LANES = 16 if has("avx512f") else 8


class Vector(types.Type):
    """`lanes` numbers of one scalar type."""

    def __init__(self, scalar: Any, element: Any, lanes: int) -> None:
        self.scalar, self.lanes = scalar, lanes
        self.vector = ir.VectorType(element, lanes)
        super().__init__(f"{lanes} {scalar}")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, kind.vector)


_KINDS = {
    (scalar, lanes): Vector(scalar, element, lanes)
    for scalar, element in ((types.float32, ir.FloatType()), (types.float64, ir.DoubleType()))
    for lanes in (4, LANES)
}
VECTOR = _KINDS[types.float32, LANES]


def padded(size: int, to: int = LANES) -> int:
    """The next multiple of `to`."""
    return -(-size // to) * to


def _operation(build: Callable[..., Any]) -> Callable[[Any, Any, Any, Any], Any]:
    """A code generator that hands build(builder, *values) the values of the call."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return build(builder, *values)

    return generate


def call(builder: Any, name: str, returns: Any, *values: Any, **options: Any) -> Any:
    vector = values[-1].type
    kind = ir.FunctionType(returns, [value.type for value in values])
    name = f"llvm.{name}.v{vector.count}{'f32' if vector.element == ir.FloatType() else 'f64'}"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values, **options)


def _full(value: float, like: Any) -> Any:
    value = float(np.float32(value)) if like.type.element == ir.FloatType() else value
    return ir.Constant(like.type, [value] * like.type.count)


def _not_positive(builder: Any, a: Any) -> Any:
    return builder.fcmp_ordered("<=", a, _full(0, a))  # false for a NaN, which is so passed on


def _bits(builder: Any, lanes: Any) -> Any:
    """The truth of each lane as bits of a whole number."""
    return builder.zext(builder.bitcast(lanes, ir.IntType(lanes.type.count)), ir.IntType(64))


def _load(array: Any, lanes: int) -> Any:
    vector = _KINDS[array.dtype, lanes]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address = address_of(context, builder, signature.args[0], *values)
        return builder.load(builder.bitcast(address, vector.vector.as_pointer()), align=4)

    return vector(array, types.intp), generate


def address_of(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    return builder.gep(cgutils.create_struct_proxy(kind)(context, builder, value=array).data, [offset])


def repeat(builder: Any, value: Any, lanes: int) -> Any:
    nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))


def _spread(array: Any, lanes: int) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return repeat(builder, builder.load(address_of(context, builder, signature.args[0], *values)), lanes)

    return _KINDS[array.dtype, lanes](array, types.intp), generate


@intrinsic
def load(typingctx: Any, array: Any, offset: Any) -> Any:
    """The numbers of a vector from array[offset] on."""
    return _load(array, LANES)


@intrinsic
def load4(typingctx: Any, array: Any, offset: Any) -> Any:
    """The four numbers from array[offset] on."""
    return _load(array, 4)


@intrinsic
def get(typingctx: Any, array: Any, offset: Any) -> Any:
    """array[offset], without a look whether the offset is negative and counts from the end."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(address_of(context, builder, signature.args[0], *values))

    return array.dtype(array, types.intp), generate


@intrinsic
def store(typingctx: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write a vector to array[offset] and on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address = address_of(context, builder, signature.args[0], *values[:2])
        builder.store(values[2], builder.bitcast(address, values[2].type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def add_at(typingctx: Any, array: Any, offset: Any, value: Any) -> Any:
    """Add one number to array[offset], without a look whether the offset is negative."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address = address_of(context, builder, signature.args[0], *values[:2])
        builder.store(builder.fadd(builder.load(address), values[2]), address)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def splat(typingctx: Any, value: Any) -> Any:
    """One number in every lane."""
    return _KINDS[value, LANES](value), _operation(lambda builder, value: repeat(builder, value, LANES))


@intrinsic
def splat4(typingctx: Any, value: Any) -> Any:
    """One number, four times."""
    return _KINDS[value, 4](value), _operation(lambda builder, value: repeat(builder, value, 4))


@intrinsic
def pair4(typingctx: Any, a: Any, b: Any) -> Any:
    """a, b, 0, 0"""

    def build(builder: Any, a: Any, b: Any) -> Any:
        nothing = ir.Constant(ir.VectorType(a.type, 4), [0.0] * 4)
        for k, value in enumerate((a, b)):
            nothing = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), k))
        return nothing

    return _KINDS[a, 4](a, b), _operation(build)


@intrinsic
def spread(typingctx: Any, array: Any, offset: Any) -> Any:
    """array[offset] in every lane."""
    return _spread(array, LANES)


@intrinsic
def spread4(typingctx: Any, array: Any, offset: Any) -> Any:
    """array[offset], four times."""
    return _spread(array, 4)


@intrinsic
def add(typingctx: Any, a: Any, b: Any) -> Any:
    """a + b"""
    return a(a, a), _operation(lambda builder, a, b: builder.fadd(a, b))


@intrinsic
def sub(typingctx: Any, a: Any, b: Any) -> Any:
    """a - b"""
    return a(a, a), _operation(lambda builder, a, b: builder.fsub(a, b))


@intrinsic
def mul(typingctx: Any, a: Any, b: Any) -> Any:
    """a b"""
    return a(a, a), _operation(lambda builder, a, b: builder.fmul(a, b))


@intrinsic
def div(typingctx: Any, a: Any, b: Any) -> Any:
    """a / b"""
    return a(a, a), _operation(lambda builder, a, b: builder.fdiv(a, b))


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, rounded once where the processor can"""
    return a(a, a, a), _operation(lambda builder, a, b, c: call(builder, "fmuladd", a.type, a, b, c))


@intrinsic
def sqrt(typingctx: Any, a: Any) -> Any:
    """The square root of each."""
    return a(a), _operation(lambda builder, a: call(builder, "sqrt", a.type, a))


@intrinsic
def widen(typingctx: Any, a: Any) -> Any:
    """The same numbers in double precision."""
    wide = _KINDS[types.float64, a.lanes]
    return wide(a), _operation(lambda builder, a: builder.fpext(a, wide.vector))


@intrinsic
def narrow(typingctx: Any, a: Any) -> Any:
    """The same numbers in single precision."""
    slim = _KINDS[types.float32, a.lanes]
    return slim(a), _operation(lambda builder, a: builder.fptrunc(a, slim.vector))


@intrinsic
def maximum(typingctx: Any, a: Any, b: Any) -> Any:
    """The larger of each pair."""
    return a(a, a), _operation(lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))


@intrinsic
def where_positive(typingctx: Any, condition: Any, a: Any) -> Any:
    """a where condition > 0, else 0"""

    def build(builder: Any, condition: Any, a: Any) -> Any:
        return builder.select(_not_positive(builder, condition), _full(0, a), a)

    return a(a, a), _operation(build)


@intrinsic
def absolute(typingctx: Any, a: Any) -> Any:
    """|a|"""
    return a(a), _operation(lambda builder, a: call(builder, "fabs", a.type, a))


@intrinsic
def positive_bits(typingctx: Any, a: Any) -> Any:
    """A whole number whose bit k is set where lane k is positive, or not a number."""
    return types.uint64(a), _operation(lambda builder, a: _bits(builder, builder.fcmp_unordered(">", a, _full(0, a))))


@intrinsic
def nonzero_bits(typingctx: Any, a: Any) -> Any:
    """A whole number whose bit k is set where lane k is not zero, or not a number."""
    return types.uint64(a), _operation(lambda builder, a: _bits(builder, builder.fcmp_unordered("!=", a, _full(0, a))))


@intrinsic
def lowest_bit(typingctx: Any, bits: Any) -> Any:
    """The place of the lowest bit that is set; there must be one."""
    return types.int64(types.uint64), _operation(
        lambda builder, bits: builder.cttz(bits, ir.Constant(ir.IntType(1), 1))
    )


@intrinsic
def count_bits(typingctx: Any, bits: Any) -> Any:
    """How many bits are set."""
    return types.int64(types.uint64), _operation(lambda builder, bits: builder.ctpop(bits))


@intrinsic
def relu(typingctx: Any, a: Any) -> Any:
    """max(a, 0)"""

    def build(builder: Any, a: Any) -> Any:
        return builder.select(_not_positive(builder, a), _full(0, a), a)

    return a(a), _operation(build)


@intrinsic
def drop_below(typingctx: Any, a: Any, least: Any) -> Any:
    """a where |a| >= least, else 0: keeps denormal numbers, which are slow, out of sums."""

    def build(builder: Any, a: Any, least: Any) -> Any:
        small = builder.fcmp_ordered("<", call(builder, "fabs", a.type, a), least)
        return builder.select(small, _full(0, a), a)

    return a(a, a), _operation(build)


@intrinsic
def total(typingctx: Any, a: Any) -> Any:
    """The sum of all lanes, always in the same order."""

    def build(builder: Any, a: Any) -> Any:
        start = ir.Constant(a.type.element, -0.0)
        return call(builder, "vector.reduce.fadd", a.type.element, start, a, fastmath=("reassoc",))

    return a.scalar(a), _operation(build)


@intrinsic
def largest(typingctx: Any, a: Any) -> Any:
    """The largest of all lanes."""
    return a.scalar(a), _operation(lambda builder, a: call(builder, "vector.reduce.fmax", a.type.element, a))


@intrinsic
def exp2(typingctx: Any, a: Any) -> Any:
    """2 ** a for floats a <= 0, to 2e-7 relative; 2 ** -100 below -100, since smaller ones would be slow.

    a = k + f with a whole k and |f| <= 1/2: a polynomial for 2 ** f, and k added to its exponent's bits.
    """

    def build(builder: Any, a: Any) -> Any:
        a = builder.select(builder.fcmp_ordered("<", a, _full(-100, a)), _full(-100, a), a)
        shifter = _full(1.5 * 2**23, a)  # adding it rounds to whole numbers, which then stand in the lowest bits
        shifted = builder.fadd(a, shifter)
        f = builder.fsub(a, builder.fsub(shifted, shifter))
        result = _full(_EXP2[-1], a)
        for coefficient in reversed(_EXP2[:-1]):
            result = call(builder, "fmuladd", a.type, result, f, _full(coefficient, a))
        ints = ir.VectorType(ir.IntType(32), a.type.count)
        exponent = builder.shl(builder.bitcast(shifted, ints), ir.Constant(ints, [23] * a.type.count))
        return builder.bitcast(builder.add(builder.bitcast(result, ints), exponent), a.type)

    return a(a), _operation(build)


def _exp2_coefficients(degree: int = 5) -> tuple[float, ...]:
    """The polynomial through 2 ** f at Chebyshev's points on [-1/2, 1/2], lowest power first."""
    points = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1)) / 2
    return tuple(float(c) for c in np.polynomial.polynomial.polyfit(points, 2**points, degree))


_EXP2 = _exp2_coefficients()
