"""Many samples, two hidden units and a ReLU on the output: samples are points in the plane, outputs are half-planes.

An output is positive on one side of a line. Samples are kept in blocks of neighbours. A block on the positive side
enters the gradients through its moments, as a linear output would; a block on the other side not at all; only blocks
that the line may cross are computed sample by sample. This is exact, and most blocks are not crossed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from toyviz.experiment import Experiment
from toyviz.train.fused import fixed
from toyviz.train.fused.compiled import kernel, part
from toyviz.train.fused.optimizers import update
from toyviz.train.fused.simd import (
    LANES,
    absolute,
    add,
    add_at,
    fma,
    get,
    load,
    load4,
    lowest_bit,
    mul,
    padded,
    pair4,
    positive_bits,
    relu,
    splat,
    splat4,
    spread,
    spread4,
    store,
    sub,
    total,
    where_positive,
)
from toyviz.train.fused.storage import Flat

BLOCKS = 64  # about so many: fewer are crossed more often, more take longer to sort out
SORT_EVERY, SETTLED = 64, 1024  # steps; once settled, samples are sorted a quarter as often
ROW = 4  # floats of a hidden vector or a column: two, the bias, and none


class Network(NamedTuple):
    """The network of `fixed`, and the samples as points; x and y are the two hidden units."""

    net: fixed.Network
    size: int  # samples of a block
    blocks: int
    place: np.ndarray  # (n_samples,) where each sample stands among the points
    order: np.ndarray  # (points,) scratch of sorting
    key: np.ndarray
    hidden: np.ndarray  # (n_samples, ROW): x, y, 1, 0
    x: np.ndarray  # (points,)
    y: np.ndarray
    shift: np.ndarray  # (points,) 0, or far below zero where there is no sample
    x_gradient: np.ndarray
    y_gradient: np.ndarray
    moments: np.ndarray  # (10, blocks padded): centre x, y, half width x, y; sums of 1, x, y, xx, xy, yy
    positive: np.ndarray  # (5, blocks padded): sums of bv, bu, vv, vu, uu over outputs positive on a whole block
    table: np.ndarray  # (blocks padded / 8, 256, 8): sums of 1, x, y, 0, xx, xy, yy, 0 over subsets of eight blocks
    sums: np.ndarray  # (8,) one of these
    whole: np.ndarray  # (n_outputs, blocks padded / LANES) bits: positive on the whole block
    crossed: np.ndarray  # the same: positive on a part of it, perhaps
    squares: np.float64  # sum of all squared targets
    columns: np.ndarray  # W1 by columns, (used, ROW)
    columns_gradient: np.ndarray
    rows: np.ndarray  # scaled W2 and b2 of the same features, (used, ROW)
    rows_gradient: np.ndarray


def network(experiment: Experiment, flat: Flat) -> Network:
    """The experiment made ready for `advance`."""
    net = fixed.network(experiment, flat)
    size = padded(-(-net.n_samples // BLOCKS))
    blocks = -(-net.n_samples // size)
    points, many = blocks * size, padded(blocks)
    shift = np.zeros(points, np.float32)
    shift[net.n_samples :] = fixed.FAR
    hidden = np.zeros((net.n_samples, ROW), np.float32)
    hidden[:, 2] = 1
    return Network(
        net=net,
        size=size,
        blocks=blocks,
        place=np.arange(net.n_samples),
        order=np.zeros(net.n_samples, np.int64),
        key=np.zeros(net.n_samples, np.float32),
        hidden=hidden.ravel(),
        x=np.zeros(points, np.float32),
        y=np.zeros(points, np.float32),
        shift=shift,
        x_gradient=np.zeros(points, np.float32),
        y_gradient=np.zeros(points, np.float32),
        moments=np.zeros(10 * many, np.float32),
        positive=np.zeros(5 * many, np.float32),
        table=np.zeros(many // 8 * 256 * 8, np.float32),
        sums=np.zeros(8, np.float32),
        squares=np.sum(net.targets.value.astype(np.float64) ** 2),
        whole=np.zeros(net.n_outputs * (many // LANES), np.uint64),
        crossed=np.zeros(net.n_outputs * (many // LANES), np.uint64),
        columns=np.zeros(len(net.used) * ROW, np.float32),
        columns_gradient=np.zeros(len(net.used) * ROW, np.float32),
        rows=np.zeros(len(net.used) * ROW, np.float32),
        rows_gradient=np.zeros(len(net.used) * ROW, np.float32),
    )


@kernel
def advance(plane, first, last, losses):
    """Take steps first ... last - 1; losses receives the loss before each."""
    net = plane.net
    for step in range(first, last):
        prepare(plane)
        see(plane)
        if step % (SORT_EVERY if step < SETTLED else 4 * SORT_EVERY) == 0:
            arrange(plane)
        measure(plane)
        settle_blocks(plane)
        tabulate(plane)
        settle_outputs(plane)
        pass_back_positive(plane)
        cross(plane)
        loss = plane.squares + squares(plane) - meet_targets(plane)
        learn_inputs(plane)
        losses[step - first] = max(loss, 0.0) / net.n_samples
        update(net.adamw, net.parameters, net.gradient, net.first, net.second, net.coefficients[step])


@part
def prepare(plane):
    """Scale W2 and b2, and lay both layers out by features."""
    net = plane.net
    n, p = net.n_outputs, net.parameters
    for i in range(0, n, LANES):
        scale = load(net.scale, i)
        store(net.scaled, i, mul(load(p, net.V + i), scale))
        store(net.scaled, n + i, mul(load(p, net.V + n + i), scale))
        store(net.scaled, 2 * n + i, mul(load(p, net.b2 + i), scale))
    plane.columns_gradient[:] = 0
    plane.rows_gradient[:] = 0
    for c in range(net.used.size):
        i = get(net.used, c)
        plane.columns[c * ROW] = get(p, net.W1 + i)
        plane.columns[c * ROW + 1] = get(p, net.W1 + net.n_inputs + i)
        plane.rows[c * ROW] = get(net.scaled, i)
        plane.rows[c * ROW + 1] = get(net.scaled, n + i)
        plane.rows[c * ROW + 2] = get(net.scaled, 2 * n + i)


@part
def see(plane):
    """The hidden vector of every sample."""
    net = plane.net
    start, column, value = net.inputs
    bias = load4(net.parameters, net.b1)
    for t in range(net.n_samples):
        h = bias
        for e in range(start[t], start[t + 1]):
            h = fma(spread4(value, e), load4(plane.columns, get(column, e) * ROW), h)
        store(plane.hidden, t * ROW, relu(h) if net.hidden_relu else h)
        plane.hidden[t * ROW + 2] = 1


@part
def arrange(plane):
    """Give neighbours neighbouring places: strips of equal counts along x, each sorted along y."""
    net, order, key = plane.net, plane.order, plane.key
    for t in range(net.n_samples):
        order[t] = t
        key[t] = plane.hidden[t * ROW]
    sort(key, order, np.int64(0), net.n_samples)  # a plain 0 would be a type of its own
    strip = plane.size * int(np.ceil(np.sqrt(plane.blocks)))
    for j in range(net.n_samples):
        key[j] = plane.hidden[order[j] * ROW + 1]
    for j in range(0, net.n_samples, strip):
        sort(key, order, j, min(j + strip, net.n_samples))
    for j in range(net.n_samples):
        plane.place[order[j]] = j


@part
def sort(key, order, first, last):
    """Sort both by key from first to last - 1 (Shell's method)."""
    gap = 1
    while gap < (last - first) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for j in range(first + gap, last):
            k, o, at = key[j], order[j], j
            while at >= first + gap and key[at - gap] > k:
                key[at], order[at] = key[at - gap], order[at - gap]
                at -= gap
            key[at], order[at] = k, o
        gap //= 3


@part
def measure(plane):
    """Put the samples in their places, and take each block's box and moments."""
    net, size, many = plane.net, plane.size, plane.moments.size // 10
    m = plane.moments
    for t in range(net.n_samples):
        plane.x[plane.place[t]] = plane.hidden[t * ROW]
        plane.y[plane.place[t]] = plane.hidden[t * ROW + 1]
    for k in range(plane.blocks):
        low_x = low_y = np.float32(np.inf)
        high_x = high_y = np.float32(-np.inf)
        x1 = y1 = xx = xy = yy = np.float32(0)
        last = min((k + 1) * size, net.n_samples)
        for s in range(k * size, last):
            x, y = plane.x[s], plane.y[s]
            low_x, high_x, low_y, high_y = min(low_x, x), max(high_x, x), min(low_y, y), max(high_y, y)
            x1, y1, xx, xy, yy = x1 + x, y1 + y, xx + x * x, xy + x * y, yy + y * y
        half = np.float32(0.5)
        m[k], m[many + k] = half * (low_x + high_x), half * (low_y + high_y)
        m[2 * many + k], m[3 * many + k] = half * (high_x - low_x), half * (high_y - low_y)
        m[4 * many + k] = last - k * size
        m[5 * many + k], m[6 * many + k], m[7 * many + k], m[8 * many + k], m[9 * many + k] = x1, y1, xx, xy, yy


@part
def settle_blocks(plane):
    """For each block what outputs positive throughout add up to, which these are, and which outputs cross it."""
    net, m, many = plane.net, plane.moments, plane.moments.size // 10
    n, V = net.n_outputs, net.scaled
    for k in range(0, many, LANES):
        centre_x, centre_y, half_x, half_y = load(m, k), load(m, many + k), load(m, 2 * many + k), load(m, 3 * many + k)
        bv = bu = vv = vu = uu = splat(np.float32(0))
        for i in range(n):
            v, u, b = spread(V, i), spread(V, n + i), spread(V, 2 * n + i)
            centre = fma(u, centre_y, fma(v, centre_x, b))
            reach = fma(absolute(u), half_y, mul(absolute(v), half_x))
            least = sub(centre, reach)
            only_v, only_u = where_positive(least, v), where_positive(least, u)
            bv, bu = fma(only_v, b, bv), fma(only_u, b, bu)
            vv, vu, uu = fma(only_v, v, vv), fma(only_v, u, vu), fma(only_u, u, uu)
            at, bits = i * (many // LANES) + k // LANES, positive_bits(least)
            plane.whole[at] = bits
            plane.crossed[at] = positive_bits(add(centre, reach)) & ~bits
        sums = plane.positive
        store(sums, k, bv)
        store(sums, many + k, bu)
        store(sums, 2 * many + k, vv)
        store(sums, 3 * many + k, vu)
        store(sums, 4 * many + k, uu)


@part
def tabulate(plane):
    """For every eight blocks the moments of each of their 256 subsets, added up."""
    m, table, many = plane.moments, plane.table, plane.moments.size // 10
    for k in range(many):
        at = (256 * (k // 8) + (1 << k % 8)) * 8
        for j in range(3):
            table[at + j], table[at + 4 + j] = m[(4 + j) * many + k], m[(7 + j) * many + k]
    for k in range(many):
        first, bit = 2048 * (k // 8), 8 * (1 << k % 8)
        for at in range(first + 8, first + bit, 8):
            store(table, at + bit, add(load4(table, at), load4(table, first + bit)))
            store(table, at + bit + 4, add(load4(table, at + 4), load4(table, first + bit + 4)))


@part
def settle_outputs(plane):
    """Gradients of W2 and b2 from the blocks on which an output is positive throughout, by eight blocks at a time."""
    net, sums, many = plane.net, plane.sums, plane.moments.size // 10
    n, V, g, words = net.n_outputs, net.scaled, net.gradient, many // LANES
    for i in range(n):
        low = high = splat4(np.float32(0))
        for k in range(words):
            bits = get(plane.whole, i * words + k)
            for j in range(LANES // 8):
                at = (256 * (k * (LANES // 8) + j) + np.int64(bits & np.uint64(255))) * 8
                low, high = add(low, load4(plane.table, at)), add(high, load4(plane.table, at + 4))
                bits >>= np.uint64(8)
        store(sums, 0, low)
        store(sums, 4, high)
        ones, x, y, xx, xy, yy = sums[0], sums[1], sums[2], sums[4], sums[5], sums[6]
        v, u, b = get(V, i), get(V, n + i), get(V, 2 * n + i)
        g[net.V + i] = b * x + (v * xx + u * xy)
        g[net.V + n + i] = b * y + (v * xy + u * yy)
        g[net.b2 + i] = b * ones + (v * x + u * y)


@part
def pass_back_positive(plane):
    """Hidden gradients from the outputs positive on a whole block."""
    p, many = plane.positive, plane.moments.size // 10
    for k in range(plane.blocks):
        bv, bu, vv, vu, uu = p[k], p[many + k], p[2 * many + k], p[3 * many + k], p[4 * many + k]
        for s in range(k * plane.size, (k + 1) * plane.size, LANES):
            x, y = load(plane.x, s), load(plane.y, s)
            store(plane.x_gradient, s, fma(splat(vv), x, fma(splat(vu), y, splat(bv))))
            store(plane.y_gradient, s, fma(splat(vu), x, fma(splat(uu), y, splat(bu))))


@part
def cross(plane):
    """Outputs and gradients on the blocks that an output crosses, sample by sample."""
    net, many = plane.net, plane.moments.size // 10 // LANES
    n, V, g = net.n_outputs, net.scaled, net.gradient
    zero = splat(np.float32(0))
    for i in range(n):
        v, u, b = spread(V, i), spread(V, n + i), spread(V, 2 * n + i)
        gv = gu = gb = zero
        met = False
        for k in range(many):
            bits = plane.crossed[i * many + k]
            while bits:
                met = True
                block = k * LANES + lowest_bit(bits)
                bits &= bits - np.uint64(1)
                for s in range(block * plane.size, (block + 1) * plane.size, LANES):
                    x, y = load(plane.x, s), load(plane.y, s)
                    out = relu(fma(u, y, fma(v, x, add(b, load(plane.shift, s)))))
                    gv, gu, gb = fma(out, x, gv), fma(out, y, gu), add(gb, out)
                    store(plane.x_gradient, s, fma(out, v, load(plane.x_gradient, s)))
                    store(plane.y_gradient, s, fma(out, u, load(plane.y_gradient, s)))
        if met:
            add_at(g, net.V + i, total(gv))
            add_at(g, net.V + n + i, total(gu))
            add_at(g, net.b2 + i, total(gb))


@part
def squares(plane):
    """The sum of all squared outputs: of each it is W2 . dW2 + b2 db2, as a sum of r r = r (w h + b)."""
    net = plane.net
    n, V, g = net.n_outputs, net.scaled, net.gradient
    found = splat(np.float32(0))
    for i in range(0, n, LANES):
        found = fma(load(V, i), load(g, net.V + i), found)
        found = fma(load(V, n + i), load(g, net.V + n + i), found)
        found = fma(load(V, 2 * n + i), load(g, net.b2 + i), found)
    return total(found)


@part
def meet_targets(plane):
    """What the targets x take from gradients and loss where the output r is positive: x in place of r, and 2 x r."""
    net = plane.net
    start, column, _ = net.inputs
    value = net.targets.value
    taken = 0.0
    for t in range(net.n_samples):
        at = plane.place[t]
        h, x, y = load4(plane.hidden, t * ROW), get(plane.hidden, t * ROW), get(plane.hidden, t * ROW + 1)
        back = splat4(np.float32(0))
        for e in range(start[t], start[t + 1]):
            i = get(column, e) * ROW
            out = get(plane.rows, i) * x + get(plane.rows, i + 1) * y + get(plane.rows, i + 2)
            d = splat4(get(value, e) if out > 0 else np.float32(0))
            back = fma(d, load4(plane.rows, i), back)
            store(plane.rows_gradient, i, sub(load4(plane.rows_gradient, i), mul(d, h)))
        taken += 2 * total(mul(back, h))
        store(plane.hidden, t * ROW, back)
        plane.x_gradient[at] -= plane.hidden[t * ROW]
        plane.y_gradient[at] -= plane.hidden[t * ROW + 1]
    return taken


@part
def learn_inputs(plane):
    """Scale the gradients of W2 and b2, and add what reaches W1 and b1 through the features."""
    net = plane.net
    g, n = net.gradient, net.n_outputs
    for c in range(net.used.size):
        i = get(net.used, c)
        add_at(g, net.V + i, plane.rows_gradient[c * ROW])
        add_at(g, net.V + n + i, plane.rows_gradient[c * ROW + 1])
        add_at(g, net.b2 + i, plane.rows_gradient[c * ROW + 2])
    for i in range(0, n, LANES):
        scale = load(net.gradient_scale, i)
        store(g, net.V + i, mul(load(g, net.V + i), scale))
        store(g, net.V + n + i, mul(load(g, net.V + n + i), scale))
        store(g, net.b2 + i, mul(load(g, net.b2 + i), scale))
    start, column, value = net.inputs
    bias = splat4(np.float32(0))
    for t in range(net.n_samples):
        at = plane.place[t]
        x, y = plane.x_gradient[at] * net.hidden_scale, plane.y_gradient[at] * net.hidden_scale
        if net.hidden_relu:
            x = x if plane.x[at] > 0 else np.float32(0)
            y = y if plane.y[at] > 0 else np.float32(0)
        d = pair4(x, y)
        bias = add(bias, d)
        for e in range(start[t], start[t + 1]):
            i = get(column, e) * ROW
            store(plane.columns_gradient, i, fma(spread4(value, e), d, load4(plane.columns_gradient, i)))
    if net.V != net.W1:
        g[net.W1 : net.W1 + 2 * net.n_inputs] = 0
    for c in range(net.used.size):
        i = get(net.used, c)
        add_at(g, net.W1 + i, plane.columns_gradient[c * ROW])
        add_at(g, net.W1 + net.n_inputs + i, plane.columns_gradient[c * ROW + 1])
    if net.hidden_bias:
        store(g, net.b1, bias)
