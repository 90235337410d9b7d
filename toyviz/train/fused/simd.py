"""Sixteen floats as one value in compiled code, so that no kernel depends on what the compiler vectorises by itself.

The compiler turns a vector of sixteen into whatever the processor has: one AVX-512, two AVX2 or four NEON registers.
Arrays are flat, and padded to whole vectors by those who own them: load and store check nothing. A NaN stays a NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 16
_FLOAT, _VECTOR, _INTS = ir.FloatType(), ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.IntType(32), LANES)


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__(name="Lanes")


_lanes = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def padded(size: int, to: int = LANES) -> int:
    """The next multiple of `to`."""
    return -(-size // to) * to


def _address(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    data = cgutils.create_struct_proxy(kind)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [offset]), _VECTOR.as_pointer())


def _splat(builder: Any, value: Any) -> Any:
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(_INTS, [0] * LANES))


def _constant(value: float) -> Any:
    return ir.Constant(_VECTOR, [float(np.float32(value))] * LANES)


def _whole(value: int) -> Any:
    return ir.Constant(_INTS, [value] * LANES)


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32"
    )
    return builder.call(function, [a, b, c])


def _reduce(builder: Any, a: Any, how: str, start: list[Any]) -> Any:
    kinds = [value.type for value in start] + [_VECTOR]
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_FLOAT, kinds), f"llvm.vector.reduce.{how}.v{LANES}f32"
    )
    return builder.call(function, [*start, a], fastmath=("reassoc",))


@intrinsic
def load(typingctx: Any, array: Any, offset: Any) -> Any:
    """The sixteen floats from array[offset] on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, signature.args[0], *args), align=4)

    return _lanes(array, types.intp), generate


@intrinsic
def store(typingctx: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write sixteen floats to array[offset] and on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array, offset, value = args
        builder.store(value, _address(context, builder, signature.args[0], array, offset), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, _lanes), generate


@intrinsic
def splat(typingctx: Any, value: Any) -> Any:
    """One float, sixteen times."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, args[0])

    return _lanes(types.float32), generate


@intrinsic
def add(typingctx: Any, a: Any, b: Any) -> Any:
    """a + b"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(*args)

    return _lanes(_lanes, _lanes), generate


@intrinsic
def sub(typingctx: Any, a: Any, b: Any) -> Any:
    """a - b"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fsub(*args)

    return _lanes(_lanes, _lanes), generate


@intrinsic
def mul(typingctx: Any, a: Any, b: Any) -> Any:
    """a b"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(*args)

    return _lanes(_lanes, _lanes), generate


@intrinsic
def div(typingctx: Any, a: Any, b: Any) -> Any:
    """a / b"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fdiv(*args)

    return _lanes(_lanes, _lanes), generate


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, rounded once where the processor can"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _fma(builder, *args)

    return _lanes(_lanes, _lanes, _lanes), generate


@intrinsic
def sqrt(typingctx: Any, a: Any) -> Any:
    """The square root of each."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.sqrt.v{LANES}f32"
        )
        return builder.call(function, args)

    return _lanes(_lanes), generate


@intrinsic
def relu(typingctx: Any, a: Any) -> Any:
    """max(a, 0)"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zero = _constant(0)
        return builder.select(builder.fcmp_ordered("<=", args[0], zero), zero, args[0])

    return _lanes(_lanes), generate


@intrinsic
def maximum(typingctx: Any, a: Any, b: Any) -> Any:
    """The larger of each pair."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, b = args
        return builder.select(builder.fcmp_ordered(">", a, b), a, b)

    return _lanes(_lanes, _lanes), generate


@intrinsic
def where_positive(typingctx: Any, condition: Any, a: Any) -> Any:
    """a where condition > 0, else 0"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        condition, a = args
        return builder.select(builder.fcmp_ordered("<=", condition, _constant(0)), _constant(0), a)

    return _lanes(_lanes, _lanes), generate


@intrinsic
def drop_below(typingctx: Any, a: Any, least: Any) -> Any:
    """a where |a| >= least, else 0: keeps denormal numbers, which are slow, out of sums."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, least = args
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.fabs.v{LANES}f32"
        )
        small = builder.fcmp_ordered("<", builder.call(function, [a]), least)
        return builder.select(small, _constant(0), a)

    return _lanes(_lanes, _lanes), generate


@intrinsic
def total(typingctx: Any, a: Any) -> Any:
    """The sum of the sixteen, always in the same order."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _reduce(builder, args[0], "fadd", [ir.Constant(_FLOAT, -0.0)])

    return types.float32(_lanes), generate


@intrinsic
def largest(typingctx: Any, a: Any) -> Any:
    """The largest of the sixteen."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _reduce(builder, args[0], "fmax", [])

    return types.float32(_lanes), generate


@intrinsic
def exp2(typingctx: Any, a: Any) -> Any:
    """2 ** a for a <= 0, to 2e-7 relative; 0 below -100.

    a = k + f with a whole k and |f| <= 1/2: a polynomial for 2 ** f, and k added to its exponent's bits.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a = args[0]
        a = builder.select(builder.fcmp_ordered("<", a, _constant(-100)), _constant(-126), a)
        shifter = _constant(1.5 * 2**23)  # adding it rounds to whole numbers, which then stand in the lowest bits
        shifted = builder.fadd(a, shifter)
        f = builder.fsub(a, builder.fsub(shifted, shifter))
        result = _constant(EXP2[-1])
        for coefficient in reversed(EXP2[:-1]):
            result = _fma(builder, result, f, _constant(coefficient))
        exponent = builder.shl(builder.bitcast(shifted, _INTS), _whole(23))
        scaled = builder.bitcast(builder.add(builder.bitcast(result, _INTS), exponent), _VECTOR)
        return builder.select(builder.fcmp_ordered("<", a, _constant(-101)), _constant(0), scaled)

    return _lanes(_lanes), generate


def _exp2_coefficients(degree: int = 5) -> tuple[float, ...]:
    """The polynomial through 2 ** f at Chebyshev's points on [-1/2, 1/2], lowest power first."""
    points = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1)) / 2
    return tuple(float(c) for c in np.polynomial.polynomial.polyfit(points, 2**points, degree))


EXP2 = _exp2_coefficients()
