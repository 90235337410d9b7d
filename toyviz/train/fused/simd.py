"""Sixteen numbers as one value in compiled code, so that no kernel depends on what the compiler vectorises by itself.

The compiler turns a vector of sixteen floats into what the processor has: one AVX-512, two AVX2 or four NEON registers.
Arrays are flat, and padded to whole vectors by those who own them: load and store check nothing. A NaN stays a NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 16

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)


class _Floats(types.Type):
    """Sixteen float32."""


class _Doubles(types.Type):
    """Sixteen float64."""


def _model(vector: Any) -> type:
    class Model(models.PrimitiveModel):
        def __init__(self, manager: Any, kind: Any) -> None:
            super().__init__(manager, kind, vector)

    return Model


for _kind, _vector in ((_Floats, _FLOATS), (_Doubles, _DOUBLES)):
    register_model(_kind)(_model(_vector))
_floats, _doubles = _Floats("Floats"), _Doubles("Doubles")
_VECTORS: dict[Any, Any] = {types.float32: _floats, types.float64: _doubles}
_SCALARS: dict[Any, Any] = {_floats: types.float32, _doubles: types.float64}


def padded(size: int, to: int = LANES) -> int:
    """The next multiple of `to`."""
    return -(-size // to) * to


def _operation(build: Callable[..., Any]) -> Callable[[Any, Any, Any, Any], Any]:
    """A code generator that hands build(builder, *values) the values of the call."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return build(builder, *values)

    return generate


def _call(builder: Any, name: str, returns: Any, *values: Any, **options: Any) -> Any:
    vector = values[-1].type
    kind = ir.FunctionType(returns, [value.type for value in values])
    name = f"llvm.{name}.v{LANES}{'f32' if vector == _FLOATS else 'f64'}"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values, **options)


def _full(value: float, like: Any = None) -> Any:
    if like is None or like.type == _FLOATS:
        return ir.Constant(_FLOATS, [float(np.float32(value))] * LANES)
    return ir.Constant(like.type, [value] * LANES)


def _address(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    data = cgutils.create_struct_proxy(kind)(context, builder, value=array).data
    vector = _FLOATS if kind.dtype == types.float32 else _DOUBLES
    return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())


@intrinsic
def load(typingctx: Any, array: Any, offset: Any) -> Any:
    """The sixteen numbers from array[offset] on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_address(context, builder, signature.args[0], *values), align=4)

    return _VECTORS[array.dtype](array, types.intp), generate


@intrinsic
def store(typingctx: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write sixteen numbers to array[offset] and on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array, offset, value = values
        builder.store(value, _address(context, builder, signature.args[0], array, offset), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def splat(typingctx: Any, value: Any) -> Any:
    """One number, sixteen times."""

    def build(builder: Any, value: Any) -> Any:
        nothing = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
        one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(one, nothing, ir.Constant(_INTS, [0] * LANES))

    return _VECTORS[value](value), _operation(build)


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
    return a(a, a, a), _operation(lambda builder, a, b, c: _call(builder, "fmuladd", a.type, a, b, c))


@intrinsic
def sqrt(typingctx: Any, a: Any) -> Any:
    """The square root of each."""
    return a(a), _operation(lambda builder, a: _call(builder, "sqrt", a.type, a))


@intrinsic
def widen(typingctx: Any, a: Any) -> Any:
    """The same numbers in double precision."""
    return _doubles(a), _operation(lambda builder, a: builder.fpext(a, _DOUBLES))


@intrinsic
def narrow(typingctx: Any, a: Any) -> Any:
    """The same numbers in single precision."""
    return _floats(a), _operation(lambda builder, a: builder.fptrunc(a, _FLOATS))


@intrinsic
def maximum(typingctx: Any, a: Any, b: Any) -> Any:
    """The larger of each pair."""
    return a(a, a), _operation(lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))


@intrinsic
def where_positive(typingctx: Any, condition: Any, a: Any) -> Any:
    """a where condition > 0, else 0"""

    def build(builder: Any, condition: Any, a: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<=", condition, _full(0, condition)), _full(0, a), a)

    return a(a, a), _operation(build)


@intrinsic
def relu(typingctx: Any, a: Any) -> Any:
    """max(a, 0)"""

    def build(builder: Any, a: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<=", a, _full(0, a)), _full(0, a), a)

    return a(a), _operation(build)


@intrinsic
def drop_below(typingctx: Any, a: Any, least: Any) -> Any:
    """a where |a| >= least, else 0: keeps denormal numbers, which are slow, out of sums."""

    def build(builder: Any, a: Any, least: Any) -> Any:
        small = builder.fcmp_ordered("<", _call(builder, "fabs", a.type, a), least)
        return builder.select(small, _full(0, a), a)

    return a(a, a), _operation(build)


@intrinsic
def total(typingctx: Any, a: Any) -> Any:
    """The sum of the sixteen, always in the same order."""

    def build(builder: Any, a: Any) -> Any:
        start = ir.Constant(a.type.element, -0.0)
        return _call(builder, "vector.reduce.fadd", a.type.element, start, a, fastmath=("reassoc",))

    return _SCALARS[a](a), _operation(build)


@intrinsic
def largest(typingctx: Any, a: Any) -> Any:
    """The largest of the sixteen."""
    return _SCALARS[a](a), _operation(lambda builder, a: _call(builder, "vector.reduce.fmax", a.type.element, a))


@intrinsic
def exp2(typingctx: Any, a: Any) -> Any:
    """2 ** a for floats a <= 0, to 2e-7 relative; 0 below -100.

    a = k + f with a whole k and |f| <= 1/2: a polynomial for 2 ** f, and k added to its exponent's bits.
    """

    def build(builder: Any, a: Any) -> Any:
        lost = builder.fcmp_ordered("<", a, _full(-100))
        a = builder.select(lost, _full(-100), a)
        shifter = _full(1.5 * 2**23)  # adding it rounds to whole numbers, which then stand in the lowest bits
        shifted = builder.fadd(a, shifter)
        f = builder.fsub(a, builder.fsub(shifted, shifter))
        result = _full(_EXP2[-1])
        for coefficient in reversed(_EXP2[:-1]):
            result = _call(builder, "fmuladd", a.type, result, f, _full(coefficient))
        exponent = builder.shl(builder.bitcast(shifted, _INTS), ir.Constant(_INTS, [23] * LANES))
        scaled = builder.bitcast(builder.add(builder.bitcast(result, _INTS), exponent), _FLOATS)
        return builder.select(lost, _full(0), scaled)

    return a(a), _operation(build)


def _exp2_coefficients(degree: int = 5) -> tuple[float, ...]:
    """The polynomial through 2 ** f at Chebyshev's points on [-1/2, 1/2], lowest power first."""
    points = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1)) / 2
    return tuple(float(c) for c in np.polynomial.polynomial.polyfit(points, 2**points, degree))


_EXP2 = _exp2_coefficients()
