"""A fresh batch of sparse features every step, the very batch of data.fresh_batch, with any output and squared error.

Samples lie side by side: row i holds feature i of all samples of a block. Samples without an active feature are not
computed but counted: they all have one output and one gradient.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from toyviz import data
from toyviz.experiment import Experiment
from toyviz.train.fused.compiled import kernel, part
from toyviz.train.fused.optimizers import update
from toyviz.train.fused.simd import (
    LANES,
    add,
    count_bits,
    div,
    fma,
    load,
    lowest_bit,
    maximum,
    mul,
    padded,
    positive_bits,
    relu,
    splat,
    spread,
    sqrt,
    store,
    sub,
    total,
    where_positive,
)
from toyviz.train.fused.splitmix import GAMMA, features, following, states
from toyviz.train.fused.storage import WIDE, Flat, apart, in_training
from toyviz.train.fused.tiles import add_tile

CHUNK = 4 * LANES  # samples computed at a time
BLOCK_FLOATS = 2**16  # of X in a block: with the errors beside it, half a second-level cache
FIVE = 5  # an odd number of hidden units is so many and pairs
WORTH_MOVING = 0.8  # moving samples together costs more than it saves where most are active
SMALLEST = np.float32(2.0**-24)  # value of a feature that is not 0


class Network(NamedTuple):
    """All that the kernel works on."""

    # switches
    hidden_relu: bool
    hidden_bias: bool
    output_relu: bool
    normalize: bool
    adamw: bool
    # sizes
    batch: int
    features: int
    n: int  # features, padded to four: the rows of a block
    wide: int  # samples of a block
    units: int  # hidden units, rounded up to an even number unless it is odd and five at least
    n_inputs: int  # length of a row of W1 in the flat arrays
    n_outputs: int
    # where each parameter starts in the flat arrays
    W1: int
    b1: int
    V: int
    b2: int
    parameters: np.ndarray
    gradient: np.ndarray
    first: np.ndarray
    second: np.ndarray
    coefficients: np.ndarray  # (steps, 3)
    start: np.uint64  # of SplitMix64
    below: np.uint64
    group: int  # features of which the first decides for all: 1 where each is by itself
    apart: np.uint64  # how far the chances of two of a group are apart: 0 where they are active together
    scale: np.ndarray  # (n_outputs,) square root of the importance
    gradient_scale: np.ndarray  # (n_outputs,)
    ones: np.ndarray
    hidden_scale: np.float32
    # scratch
    X: np.ndarray  # (n, wide)
    error: np.ndarray  # (n, wide)
    hidden: np.ndarray  # (units, wide)
    hidden_gradient: np.ndarray
    scaled: np.ndarray  # (units + 1, n_outputs): V and b2, scaled


def network(experiment: Experiment, flat: Flat) -> Network:
    """The experiment made ready for `advance`."""
    m = experiment.n_hidden if experiment.n_hidden >= FIVE else padded(experiment.n_hidden, 2)
    batch, n = experiment.batch_size, padded(experiment.n_features, 4)
    n_outputs, grouped = apart(experiment.n_outputs), experiment.data_row.grouped
    wide = min(max(BLOCK_FLOATS // n // CHUNK, 1) * CHUNK, padded(batch, CHUNK)) + CHUNK
    scale = np.zeros(n_outputs, np.float32)
    scale[: experiment.n_outputs] = np.sqrt(data.importance(experiment))
    return Network(
        **in_training(experiment, flat),
        output_relu=experiment.arch_row.output_relu,
        normalize=experiment.normalize,
        batch=batch,
        features=experiment.n_features,
        n=n,
        wide=wide,
        units=m,
        n_inputs=apart(experiment.n_inputs),
        n_outputs=n_outputs,
        start=data.batch_start(experiment),
        below=np.uint64(data.active_below(experiment)),
        group=experiment.group_size if grouped else 1,
        apart=np.uint64(data.active_below(experiment) if grouped == "one" else 0),
        scale=scale,
        gradient_scale=scale * np.float32(2 / batch),
        ones=np.ones(n, np.float32),
        hidden_scale=np.float32(2 / batch),
        X=np.zeros(n * wide, np.float32),
        error=np.zeros(n * wide, np.float32),
        hidden=np.zeros(m * wide, np.float32),
        hidden_gradient=np.zeros(m * wide, np.float32),
        scaled=np.zeros((m + 1) * n_outputs, np.float32),
    )


@kernel
def advance(net, first, last, losses):
    """Take steps first ... last - 1; losses receives the loss before each."""
    for step in range(first, last):
        prepare(net)
        sample, empty, loss = np.int64(0), np.int64(net.batch), 0.0  # a plain 0 would be a type of its own
        while sample < net.batch:
            sample, count = draw(net, step, sample)
            empty -= count  # a block is filled up with empty samples
            loss += learn(net, count)
        loss += empty * learn_empty(net, empty)
        losses[step - first] = loss / net.batch
        update(net.adamw, net.parameters, net.gradient, net.first, net.second, net.coefficients[step])


@part
def prepare(net):
    """Scale V and b2 by the root of the importance, and clear the gradients."""
    net.gradient[:] = 0
    n, p = net.n_outputs, net.parameters
    for i in range(0, n, LANES):
        scale = load(net.scale, i)
        for k in range(net.units):
            store(net.scaled, k * n + i, mul(load(p, net.V + k * n + i), scale))
        store(net.scaled, net.units * n + i, mul(load(p, net.b2 + i), scale))


@part
def draw(net, step, sample):
    """Fill the block with samples of this step's batch, from `sample` on; the next one, and how many to compute.

    Whole vectors are drawn, so what lies beyond the last sample is overwritten or cleared.
    """
    X, n, wide, filled = net.X, np.uint64(net.features), net.wide, np.int64(0)
    while sample < net.batch and filled <= wide - CHUNK - LANES:
        cell = (np.uint64(step) * np.uint64(net.batch) + np.uint64(sample)) * n
        z = states(net.start + cell * GAMMA, n * GAMMA)
        active = draw_vector(X, filled, wide, net.features, z, net.below, net.group, net.apart, net.normalize)
        filled += keep_active(X, filled, wide, net.features, active, min(LANES, net.batch - sample))
        sample += LANES
    count = -(-filled // CHUNK) * CHUNK
    for i in range(net.features):
        X[i * wide + filled : i * wide + count] = 0
    return sample, count


@part
def draw_vector(X, at, wide, n, z, below, group, apart, normalize):
    """Features of one vector of samples to columns at ... of X; bit s is set where sample s has an active one."""
    squares = splat(np.float32(0))
    if group == 1:
        for i in range(n):
            z = following(z)
            x = features(z, z, np.uint64(0), below)
            squares = fma(x, x, squares)
            store(X, i * wide + at, x)
    else:
        for first in range(0, n, group):
            deciding = following(z)
            for place in range(group):
                z, skipped = following(z), np.uint64(place) * apart
                x = features(z, deciding, skipped, skipped + below)
                squares = fma(x, x, squares)
                store(X, (first + place) * wide + at, x)
    if normalize:
        length = maximum(sqrt(squares), splat(SMALLEST))
        for i in range(n):
            store(X, i * wide + at, div(load(X, i * wide + at), length))
    return positive_bits(squares)


@part
def keep_active(X, at, wide, n, active, drawn):
    """Move the samples with an active feature to the front where many have none; how many there are to compute."""
    if drawn < LANES:
        active &= (np.uint64(1) << np.uint64(drawn)) - np.uint64(1)
    kept = count_bits(active)
    if kept > WORTH_MOVING * drawn:
        return np.int64(drawn)
    to = np.uint64(at)  # numbers without a sign: no look whether an offset counts from the end
    while active:
        s = np.uint64(at + lowest_bit(active))
        active &= active - np.uint64(1)
        for i in range(np.uint64(0), np.uint64(n * wide), np.uint64(wide)):
            X[i + to] = X[i + s]
        to += np.uint64(1)
    return kept


@part
def learn(net, count):
    """Add the gradients of the first `count` samples of the block; their summed loss."""
    n, p, g = net.n, net.parameters, net.gradient
    project(p, net.W1, net.n_inputs, net.X, net.features, net.hidden, net.units, net.wide, count)
    for k in range(net.units):
        bias = spread(p, net.b1 + k)
        for s in range(k * net.wide, k * net.wide + count, LANES):
            h = add(load(net.hidden, s), bias)
            store(net.hidden, s, relu(h) if net.hidden_relu else h)
    loss = errors(net, count)
    correlate(net.error, net.hidden, g, net.V, net.n_outputs, net.gradient_scale, n, net.units, net.wide, count)
    project(net.scaled, np.int64(0), net.n_outputs, net.error, n, net.hidden_gradient, net.units, net.wide, count)
    scale = splat(net.hidden_scale)
    for k in range(net.units):
        bias = splat(np.float32(0))
        for s in range(k * net.wide, k * net.wide + count, LANES):
            d = mul(load(net.hidden_gradient, s), scale)
            if net.hidden_relu:
                d = where_positive(load(net.hidden, s), d)
            store(net.hidden_gradient, s, d)
            bias = add(bias, d)
        if net.hidden_bias:
            g[net.b1 + k] += total(bias)
    correlate(net.X, net.hidden_gradient, g, net.W1, net.n_inputs, net.ones, n, net.units, net.wide, count)
    return loss


@part
def odd_ones(units):
    """How many hidden units are taken together before the others are, in pairs."""
    return np.int64(FIVE if units % 2 else 0)


@part
def project(weights, at, stride, source, n, target, units, wide, count):
    """target = weights source: (units, count) = (units, n) (n, count); row k of the weights starts at at + k stride."""
    zero = splat(np.float32(0))
    first = odd_ones(units)
    if first:
        for s in range(0, count, WIDE):
            add_tile(5, target, s, wide, weights, at, (stride, np.int64(1), wide), source, s, (n, False))
    for s in range(0, count, CHUNK):
        for k in range(first, units, 2):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = zero
            for i in range(n):
                x0, x1 = load(source, i * wide + s), load(source, i * wide + s + LANES)
                x2, x3 = load(source, i * wide + s + 2 * LANES), load(source, i * wide + s + 3 * LANES)
                a, b = spread(weights, at + k * stride + i), spread(weights, at + (k + 1) * stride + i)
                a0, a1, a2, a3 = fma(a, x0, a0), fma(a, x1, a1), fma(a, x2, a2), fma(a, x3, a3)
                b0, b1, b2, b3 = fma(b, x0, b0), fma(b, x1, b1), fma(b, x2, b2), fma(b, x3, b3)
            to = k * wide + s
            store(target, to, a0)
            store(target, to + LANES, a1)
            store(target, to + 2 * LANES, a2)
            store(target, to + 3 * LANES, a3)
            store(target, to + wide, b0)
            store(target, to + wide + LANES, b1)
            store(target, to + wide + 2 * LANES, b2)
            store(target, to + wide + 3 * LANES, b3)


@part
def errors(net, count):
    """error = output - target where the gradient passes, else 0; the gradient of b2; the summed loss."""
    n, units, wide, hidden, V = net.n_outputs, net.units, net.wide, net.hidden, net.scaled
    zero = splat(np.float32(0))
    loss = 0.0
    for i in range(0, net.n, 4):
        g0 = g1 = g2 = g3 = squares = zero
        for s in range(0, count, 2 * LANES):
            bias = units * n + i
            a0, a1, a2, a3 = spread(V, bias), spread(V, bias + 1), spread(V, bias + 2), spread(V, bias + 3)
            b0, b1, b2, b3 = a0, a1, a2, a3
            for k in range(units):
                h, j = load(hidden, k * wide + s), load(hidden, k * wide + s + LANES)
                v0, v1 = spread(V, k * n + i), spread(V, k * n + i + 1)
                v2, v3 = spread(V, k * n + i + 2), spread(V, k * n + i + 3)
                a0, a1, a2, a3 = fma(v0, h, a0), fma(v1, h, a1), fma(v2, h, a2), fma(v3, h, a3)
                b0, b1, b2, b3 = fma(v0, j, b0), fma(v1, j, b1), fma(v2, j, b2), fma(v3, j, b3)
            g0, squares = error_pair(net, i, s, a0, b0, g0, squares)
            g1, squares = error_pair(net, i + 1, s, a1, b1, g1, squares)
            g2, squares = error_pair(net, i + 2, s, a2, b2, g2, squares)
            g3, squares = error_pair(net, i + 3, s, a3, b3, g3, squares)
        loss += total(squares)
        gradient, scale = net.gradient, net.gradient_scale
        gradient[net.b2 + i] += total(g0) * scale[i]
        gradient[net.b2 + i + 1] += total(g1) * scale[i + 1]
        gradient[net.b2 + i + 2] += total(g2) * scale[i + 2]
        gradient[net.b2 + i + 3] += total(g3) * scale[i + 3]
    return loss


@part
def error_pair(net, i, s, a, b, gradient, squares):
    """The errors of output i in samples s ... s + 31, whose outputs before the ReLU are a and b."""
    at, scale = i * net.wide + s, spread(net.scale, i)
    x, y = mul(load(net.X, at), scale), mul(load(net.X, at + LANES), scale)
    if net.output_relu:
        da, db = sub(relu(a), x), sub(relu(b), y)
        squares = fma(da, da, fma(db, db, squares))
        da, db = where_positive(a, da), where_positive(b, db)
    else:
        da, db = sub(a, x), sub(b, y)
        squares = fma(da, da, fma(db, db, squares))
    store(net.error, at, da)
    store(net.error, at + LANES, db)
    return add(gradient, add(da, db)), squares


@part
def correlate(a, b, gradient, at, stride, scale, n, units, wide, count):
    """Add scale_i sum_s a_is b_ks to the gradient at row k, column i, for i < n and k < units."""
    zero = splat(np.float32(0))
    first = odd_ones(units)
    if first:
        correlate_five(a, b, gradient, at, stride, scale, n, wide, count)
    for i in range(0, n, 4):
        for k in range(first, units, 2):
            p0 = p1 = p2 = p3 = q0 = q1 = q2 = q3 = zero
            for s in range(0, count, LANES):
                x, y = load(b, k * wide + s), load(b, (k + 1) * wide + s)
                a0, a1 = load(a, i * wide + s), load(a, (i + 1) * wide + s)
                a2, a3 = load(a, (i + 2) * wide + s), load(a, (i + 3) * wide + s)
                p0, p1, p2, p3 = fma(a0, x, p0), fma(a1, x, p1), fma(a2, x, p2), fma(a3, x, p3)
                q0, q1, q2, q3 = fma(a0, y, q0), fma(a1, y, q1), fma(a2, y, q2), fma(a3, y, q3)
            to = at + k * stride + i
            gradient[to] += total(p0) * scale[i]
            gradient[to + 1] += total(p1) * scale[i + 1]
            gradient[to + 2] += total(p2) * scale[i + 2]
            gradient[to + 3] += total(p3) * scale[i + 3]
            to += stride
            gradient[to] += total(q0) * scale[i]
            gradient[to + 1] += total(q1) * scale[i + 1]
            gradient[to + 2] += total(q2) * scale[i + 2]
            gradient[to + 3] += total(q3) * scale[i + 3]


@part
def correlate_five(a, b, gradient, at, stride, scale, n, wide, count):
    """What correlate does for the first five hidden units."""
    zero = splat(np.float32(0))
    for i in range(0, n, 2):
        p0 = p1 = p2 = p3 = p4 = q0 = q1 = q2 = q3 = q4 = zero
        for s in range(0, count, LANES):
            x, y = load(a, i * wide + s), load(a, (i + 1) * wide + s)
            b0, b1, b2 = load(b, s), load(b, wide + s), load(b, 2 * wide + s)
            b3, b4 = load(b, 3 * wide + s), load(b, 4 * wide + s)
            p0, p1, p2, p3, p4 = fma(b0, x, p0), fma(b1, x, p1), fma(b2, x, p2), fma(b3, x, p3), fma(b4, x, p4)
            q0, q1, q2, q3, q4 = fma(b0, y, q0), fma(b1, y, q1), fma(b2, y, q2), fma(b3, y, q3), fma(b4, y, q4)
        to = at + i
        for p, q in ((p0, q0), (p1, q1), (p2, q2), (p3, q3), (p4, q4)):
            gradient[to] += total(p) * scale[i]
            gradient[to + 1] += total(q) * scale[i + 1]
            to += stride


@part
def learn_empty(net, count):
    """Add the gradients of `count` samples without an active feature; the loss of one."""
    n, p, g, V = net.n_outputs, net.parameters, net.gradient, net.scaled
    loss = 0.0
    factor = np.float32(count)
    for i in range(net.features):
        z = V[net.units * n + i]
        if net.hidden_bias:
            for k in range(net.units):
                h = p[net.b1 + k]
                z += V[k * n + i] * (max(h, np.float32(0)) if net.hidden_relu else h)
        if z <= 0 and net.output_relu:
            continue
        loss += z * z
        g[net.b2 + i] += factor * net.gradient_scale[i] * z
        if net.hidden_bias:
            for k in range(net.units):
                h = p[net.b1 + k]
                if h > 0 or not net.hidden_relu:
                    g[net.V + k * n + i] += factor * net.gradient_scale[i] * z * h
                    g[net.b1 + k] += factor * net.hidden_scale * z * V[k * n + i]
    return loss
