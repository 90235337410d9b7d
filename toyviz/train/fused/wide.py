"""Fixed training sets and a squared error, with many hidden units or a random projection (the three fish).

The projection of the inputs moves into the first layer: W1 (X E) = X (E W1). Where there are few hidden units for the
samples and outputs, a linear output needs no samples x outputs either: its gradients go through the sums of W2^T W2
and h h^T, as in `gram`, but in single precision and by blocked matrix products.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from toyviz import data
from toyviz.experiment import Experiment
from toyviz.train.fused import sparse
from toyviz.train.fused.compiled import kernel, part
from toyviz.train.fused.optimizers import update
from toyviz.train.fused.simd import (
    LANES,
    add,
    fma,
    get,
    load,
    mul,
    padded,
    relu,
    splat,
    spread,
    store,
    sub,
    total,
    where_positive,
    widen,
)
from toyviz.train.fused.storage import WIDE, Flat, Rows, in_training, rows
from toyviz.train.fused.tiles import ROWS, add_tile

BLOCK = 128  # samples whose outputs are held at a time
DEPTH = 128  # rows of a matrix product's panel


class Network(NamedTuple):
    """All that the kernel works on. Hidden units lie side by side: W1 is kept as (n_inputs, row), W2 as it is."""

    # switches
    sums: bool
    embedded: bool
    hidden_relu: bool
    hidden_bias: bool
    output_relu: bool
    adamw: bool
    # sizes
    n_samples: int
    n_inputs: int
    n_outputs: int
    row: int  # n_hidden, padded
    wide: int  # n_outputs, padded
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
    # data
    inputs: Rows  # X; columns count through `used`
    used: np.ndarray  # the features that are ever active
    embedding: np.ndarray  # E of those, (used, n_inputs), if `embedded`
    sparse_targets: Rows  # for sums: targets times scale
    targets: np.ndarray  # else: the same, (n_samples, wide)
    target_sums: np.ndarray  # (n_outputs,)
    square_sum: float
    scale: np.ndarray  # (wide,) square root of the importance
    gradient_scale: np.ndarray  # (wide,)
    hidden_scale: np.float32
    # scratch
    columns: np.ndarray  # E W1, (used, row)
    columns_gradient: np.ndarray
    hidden: np.ndarray  # (n_samples, row)
    hidden_gradient: np.ndarray
    scaled: np.ndarray  # W2 scaled, (n_outputs, row)
    scaled_bias: np.ndarray  # (wide,)
    turned: np.ndarray  # scaled.T, (row, wide)
    error: np.ndarray  # (BLOCK, wide)
    weights: np.ndarray  # W2^T W2, (row, row)
    squares: np.ndarray  # sum over samples of h h^T, (row, row)
    panel: np.ndarray  # (DEPTH, WIDE)


def network(experiment: Experiment, flat: Flat) -> Network:
    """The experiment made ready for `advance`."""
    X = data.training_features(experiment)
    samples = data.samples(experiment, X)
    n_samples, n_outputs, m = len(X), experiment.n_outputs, experiment.n_hidden
    row, wide = padded(m, WIDE), padded(n_outputs, WIDE)
    used = np.flatnonzero(X.any(axis=0))
    cheaper = 1.5 * row * (n_samples + n_outputs) < 3 * n_samples * wide  # multiplications of the two ways
    memorisable = n_samples < 2 * row  # then the loss may become too small for a difference of sums
    linear = experiment.task_row.target == "features" and not experiment.arch_row.output_relu
    sums = cheaper and linear and not memorisable
    embedded = experiment.task_row.embedded
    scale = np.zeros(wide, np.float32)
    scale[:n_outputs] = np.sqrt(data.importance(experiment))
    targets = np.zeros((n_samples, wide), np.float32)
    targets[:, :n_outputs] = samples.targets * scale[:n_outputs]
    order = np.argsort((X != 0).sum(axis=1), kind="stable")
    return Network(
        **in_training(experiment, flat),
        sums=sums,
        embedded=embedded,
        output_relu=experiment.arch_row.output_relu,
        n_samples=n_samples,
        n_inputs=experiment.n_inputs,
        n_outputs=n_outputs,
        row=row,
        wide=wide,
        inputs=rows(X[order][:, used]),
        used=used.astype(np.uint32),
        embedding=data.embedding(experiment)[used].ravel() if embedded else np.zeros(0, np.float32),
        sparse_targets=rows(targets[order] if sums else targets[:0]),
        targets=np.zeros(0, np.float32) if sums else targets[order].ravel(),
        target_sums=targets.sum(axis=0),
        square_sum=float((targets.astype(np.float64) ** 2).sum()),
        scale=scale,
        gradient_scale=scale * np.float32(2 / n_samples),
        hidden_scale=np.float32(2 / n_samples),
        columns=np.zeros(len(used) * row, np.float32),
        columns_gradient=np.zeros(len(used) * row, np.float32),
        hidden=np.zeros(n_samples * row, np.float32),
        hidden_gradient=np.zeros(n_samples * row, np.float32),
        scaled=np.zeros(n_outputs * row, np.float32),
        scaled_bias=np.zeros(wide, np.float32),
        turned=np.zeros(row * wide, np.float32),
        error=np.zeros(BLOCK * wide, np.float32),
        weights=np.zeros(row * row, np.float32),
        squares=np.zeros(row * row, np.float32),
        panel=np.zeros(DEPTH * WIDE, np.float32),
    )


@kernel
def advance(net, first, last, losses):
    """Take steps first ... last - 1; losses receives the loss before each."""
    for step in range(first, last):
        prepare(net)
        sparse.see(net.inputs, net.columns, net.parameters, net.b1, net.hidden_relu, net.hidden, net.row)
        loss = learn_by_sums(net) if net.sums else learn_by_samples(net)
        learn_inputs(net)
        losses[step - first] = loss / net.n_samples
        update(net.adamw, net.parameters, net.gradient, net.first, net.second, net.coefficients[step])


@part
def product(keep, out, to, wide, a, at, down, along, b, start, height, depth, panel):
    """out = a b, (height, wide) = (height, depth) (depth, wide), added to what is there if `keep`.

    out starts at `to` and b at `start`, both with rows of `wide`; a[i, k] lies at at + i down + k along.
    """
    for j in range(0, wide, WIDE):
        columns(keep, out, to + j, wide, a, at, down, along, b, start + j, height, depth, panel)


@part
def squares(out, a, height, row, panel):
    """out = a^T a, (row, row), for a (height, row): half of it, and its mirror image."""
    zero, one = np.int64(0), np.int64(1)
    for j in range(0, row, WIDE):
        columns(False, out, j, row, a, zero, one, row, a, j, j + WIDE, height, panel)
    for i in range(row):
        for j in range(i):
            out[i * row + j] = out[j * row + i]


@part
def columns(keep, out, to, wide, a, at, down, along, b, start, height, depth, panel):
    """What product does, in the first WIDE columns from `to` and `start` on."""
    for first in range(0, depth, DEPTH):
        size, of = min(DEPTH, depth - first), at + first * along
        for k in range(size):  # side by side in `panel`, these columns of b stay in the first-level cache
            place = start + (first + k) * wide
            store(panel, k * WIDE, load(b, place))
            store(panel, k * WIDE + LANES, load(b, place + LANES))
        strides, zero, i = (down, along, WIDE), np.int64(0), 0
        while i + ROWS <= height:
            add_tile(ROWS, out, to + i * wide, wide, a, of + i * down, strides, panel, zero, (size, keep))
            i += ROWS
        while i + 4 <= height:
            add_tile(4, out, to + i * wide, wide, a, of + i * down, strides, panel, zero, (size, keep))
            i += 4
        while i < height:
            add_tile(1, out, to + i * wide, wide, a, of + i * down, strides, panel, zero, (size, keep))
            i += 1
        keep = True


@part
def prepare(net):
    """E W1, the scaled second layer, and clear gradients."""
    p, row, zero, one = net.parameters, net.row, np.int64(0), np.int64(1)  # a plain 0 is a type of its own
    net.gradient[:] = 0
    net.columns_gradient[:] = 0
    if net.embedded:
        E, inputs = net.embedding, net.n_inputs
        product(False, net.columns, zero, row, E, zero, inputs, one, p, net.W1, net.used.size, inputs, net.panel)
    else:
        for c in range(net.used.size):
            at = net.W1 + net.used[c] * row
            net.columns[c * row : (c + 1) * row] = p[at : at + row]
    for i in range(net.n_outputs):
        scale = spread(net.scale, i)
        for lane in range(0, row, LANES):
            store(net.scaled, i * row + lane, mul(load(p, net.V + i * row + lane), scale))
    for i in range(0, net.wide, LANES):
        store(net.scaled_bias, i, mul(load(p, net.b2 + i), load(net.scale, i)))


@part
def learn_by_sums(net):
    """The gradients of W2, b2 and the hidden units for a linear output, without the outputs; the summed loss."""
    row, g, W2, bias = net.row, net.gradient, net.scaled, net.scaled_bias
    zero, one, samples = np.int64(0), np.int64(1), np.float32(net.n_samples)
    squares(net.weights, W2, net.n_outputs, row, net.panel)
    squares(net.squares, net.hidden, net.n_samples, row, net.panel)
    product(False, g, net.V, row, W2, zero, row, one, net.squares, zero, net.n_outputs, row, net.panel)
    product(
        False,
        net.hidden_gradient,
        zero,
        row,
        net.hidden,
        zero,
        row,
        one,
        net.weights,
        zero,
        net.n_samples,
        row,
        net.panel,
    )
    start, column, value = net.sparse_targets
    loss = net.square_sum
    for i in range(net.n_outputs):
        loss += samples * bias[i] * bias[i] - 2.0 * bias[i] * net.target_sums[i]
        g[net.b2 + i] = samples * bias[i] - net.target_sums[i]
    for lane in range(0, row, LANES):
        by_bias = splat(np.float32(0))
        for i in range(net.n_outputs):
            by_bias = fma(spread(bias, i), load(W2, i * row + lane), by_bias)
        hidden_sum, losses = splat(np.float32(0)), widen(splat(np.float32(0)))
        for t in range(net.n_samples):
            at = t * row + lane
            h, reached = load(net.hidden, at), splat(np.float32(0))
            hidden_sum = add(hidden_sum, h)
            for e in range(start[t], start[t + 1]):
                x, i = spread(value, e), get(column, e) * row + lane
                reached = fma(x, load(W2, i), reached)
                store(g, net.V + i, sub(load(g, net.V + i), mul(x, h)))
            rest = sub(by_bias, reached)
            d = add(load(net.hidden_gradient, at), rest)
            losses = add(losses, widen(mul(h, add(d, rest))))
            store(net.hidden_gradient, at, d)
        loss += total(losses)
        for i in range(net.n_outputs):
            at = net.V + i * row + lane
            store(g, at, fma(spread(bias, i), hidden_sum, load(g, at)))
            g[net.b2 + i] += total(mul(hidden_sum, load(W2, i * row + lane)))
    return max(loss, 0.0)


@part
def learn_by_samples(net):
    """The gradients of W2, b2 and the hidden units, some samples at a time; the summed loss."""
    row, wide, g, error = net.row, net.wide, net.gradient, net.error
    zero, one = np.int64(0), np.int64(1)
    for k in range(row):
        for i in range(net.n_outputs):
            net.turned[k * wide + i] = net.scaled[i * row + k]
    loss = 0.0
    for t in range(0, net.n_samples, BLOCK):
        height, at = min(BLOCK, net.n_samples - t), t * row
        product(False, error, zero, wide, net.hidden, at, row, one, net.turned, zero, height, row, net.panel)
        for i in range(0, wide, LANES):
            bias, squared, gradient = load(net.scaled_bias, i), splat(np.float32(0)), load(g, net.b2 + i)
            for s in range(height):
                out, x = add(load(error, s * wide + i), bias), load(net.targets, (t + s) * wide + i)
                d = sub(relu(out) if net.output_relu else out, x)
                squared = fma(d, d, squared)
                if net.output_relu:
                    d = where_positive(out, d)
                gradient = add(gradient, d)
                store(error, s * wide + i, d)
            store(g, net.b2 + i, gradient)
            loss += total(squared)
        product(t > 0, g, net.V, row, error, zero, one, wide, net.hidden, at, net.n_outputs, height, net.panel)
        product(
            False,
            net.hidden_gradient,
            at,
            row,
            error,
            zero,
            wide,
            one,
            net.scaled,
            zero,
            height,
            net.n_outputs,
            net.panel,
        )
    return loss


@part
def learn_inputs(net):
    """Scale the gradients of W2 and b2, and add what reaches b1 and, through E, W1."""
    g, row = net.gradient, net.row
    for i in range(net.n_outputs):
        scale = net.gradient_scale[i]
        g[net.b2 + i] *= scale
        for lane in range(0, row, LANES):
            at = net.V + i * row + lane
            store(g, at, mul(load(g, at), splat(scale)))
    sparse.learn(
        net.inputs,
        net.hidden_gradient,
        net.hidden_scale,
        net.hidden,
        net.hidden_relu,
        net.hidden_bias,
        g,
        net.b1,
        net.columns_gradient,
        row,
    )
    if net.embedded:
        zero, one, inputs, columns = np.int64(0), np.int64(1), net.n_inputs, net.columns_gradient
        product(True, g, net.W1, row, net.embedding, zero, one, inputs, columns, zero, inputs, net.used.size, net.panel)
    else:
        for c in range(net.used.size):
            at = net.W1 + net.used[c] * row
            g[at : at + row] += net.columns_gradient[c * row : (c + 1) * row]
