"""The inner loop of a blocked matrix product: a few rows by two vectors of the result stay in registers throughout."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from toyviz.train.fused.simd import LANES, VECTOR, address_of, call, repeat

ROWS = 6 if LANES == 8 else 8  # of a tile: its vectors, two of the panel and a factor have to fit into the registers


@intrinsic(prefer_literal=True)
def add_tile(
    typingctx: Any,
    rows: Any,
    out: Any,
    to: Any,
    stride: Any,
    a: Any,
    at: Any,
    strides: Any,
    b: Any,
    start: Any,
    size: Any,
) -> Any:
    """out = a b, (rows, 2 LANES) = (rows, depth) (depth, 2 LANES), added to what is there if `keep`. depth > 0.

    out starts at `to` with rows of `stride`; a[i, k] lies at at + i down + k along, b[k, j] at start + k apart + j.
    strides is (down, along, apart), size is (depth, keep), and rows a number that is written out.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, out, to, stride, _, _, strides, _, _, size = values
        kinds = signature.args
        down, along, apart = (builder.extract_value(strides, k) for k in (0, 1, 2))
        depth, keep = (builder.extract_value(size, k) for k in (0, 1))
        tile = []
        for i in range(rows.literal_value):
            first = builder.add(to, builder.mul(stride, to.type(i)))
            tile += [_vector_at(builder, address_of(context, builder, kinds[1], out, first), k) for k in (0, LANES)]
        before = [
            builder.select(keep, builder.load(place, align=4), ir.Constant(VECTOR.vector, [0.0] * LANES))
            for place in tile
        ]
        first_a, first_b = (address_of(context, builder, kinds[k], *values[k : k + 2]) for k in (4, 7))
        sums = _add_products(builder, before, (first_a, down, along), (first_b, apart), depth)
        for place, value in zip(tile, sums, strict=True):
            builder.store(value, place, align=4)
        return context.get_dummy_value()

    i = types.intp
    size = types.Tuple((i, types.boolean))
    return types.void(rows, out, i, i, a, i, types.UniTuple(i, 3), b, i, size), generate


def _vector_at(builder: Any, address: Any, offset: int) -> Any:
    return builder.bitcast(builder.gep(address, [ir.IntType(64)(offset)]), VECTOR.vector.as_pointer())


def _add_products(builder: Any, before: list[Any], factors: Any, vectors: Any, depth: Any) -> list[Any]:
    """The loop: before + a b, two vectors a row."""
    first, down, along = factors
    first_b, apart = vectors
    rows = [builder.mul(down, down.type(i)) for i in range(len(before) // 2)]
    above, loop, below = builder.block, builder.append_basic_block(), builder.append_basic_block()
    builder.branch(loop)
    builder.position_at_end(loop)
    left, a, b, *sums = (builder.phi(value.type) for value in (depth, first, first_b, *before))
    x, y = (builder.load(_vector_at(builder, b, k), align=4) for k in (0, LANES))
    after = []
    for i, row in enumerate(rows):
        factor = repeat(builder, builder.load(builder.gep(a, [row])), LANES)
        after += [
            call(builder, "fmuladd", VECTOR.vector, factor, v, s)
            for v, s in zip((x, y), sums[2 * i : 2 * i + 2], strict=True)
        ]
    rest = builder.sub(left, left.type(1))
    moved = builder.gep(a, [along]), builder.gep(b, [apart])
    for phi, start, then in zip(
        (left, a, b, *sums), (depth, first, first_b, *before), (rest, *moved, *after), strict=True
    ):
        phi.add_incoming(start, above)
        phi.add_incoming(then, loop)
    builder.cbranch(builder.icmp_signed(">", rest, rest.type(0)), loop, below)
    builder.position_at_end(below)
    return after
