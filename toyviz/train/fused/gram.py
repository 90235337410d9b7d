"""Fixed training sets, a linear output or |.| on it, and the squared error: exact gradients without the T x n outputs.

Everything that the outputs enter quadratically goes through V V^T (m x m) and the sum of h h^T (m x m), and everything
linear through the features that are not zero, so a step costs O((T + n) m^2 + entries m). An output |z| is a linear one
whose target is x sign(z), since (|z| - x)^2 = (z - x sign(z))^2; of z itself only its sign at these features is needed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from toyviz.experiment import Experiment
from toyviz.train.fused import fixed, sparse
from toyviz.train.fused.compiled import kernel, part
from toyviz.train.fused.optimizers import update
from toyviz.train.fused.simd import (
    LANES,
    add,
    add_at,
    fma,
    get,
    load,
    mul,
    narrow,
    splat,
    spread,
    store,
    sub,
    total,
    widen,
)
from toyviz.train.fused.storage import Flat


class Network(NamedTuple):
    """The network of `fixed`, and room for the sums; double precision, since the loss is a difference of large sums."""

    net: fixed.Network
    feature_sums: np.ndarray  # (n_outputs,) sum over samples of the scaled targets
    square_sum: float  # of the scaled targets
    targets: (
        np.ndarray
    )  # (entries,) the scaled targets that a linear output should have: those of `net`, or signed ones
    output_abs: bool
    columns: np.ndarray  # scaled V by columns, (used, row)
    columns_gradient: np.ndarray  # sum over samples of x h, (used, row)
    weights: np.ndarray  # (row, row) float64: V V^T
    weights_bias: np.ndarray  # (row,) float64: V b2
    hidden: np.ndarray  # (row, row) float64: sum over samples of h h^T
    hidden_sum: np.ndarray  # (row,) float64


def network(experiment: Experiment, flat: Flat) -> Network:
    """The experiment made ready for `advance`."""
    net = fixed.network(experiment, flat)
    values = net.targets.value.astype(np.float64)
    row = net.row
    return Network(
        net=net,
        feature_sums=np.bincount(net.targets.column, values, net.n_outputs).astype(np.float32),
        square_sum=float((values**2).sum()),
        targets=net.targets.value.copy(),
        output_abs=experiment.arch_row.output_abs,
        columns=np.zeros(len(net.used) * row, np.float32),
        columns_gradient=np.zeros(len(net.used) * row, np.float32),
        weights=np.zeros(row * row),
        weights_bias=np.zeros(row),
        hidden=np.zeros(row * row),
        hidden_sum=np.zeros(row),
    )


@kernel
def advance(gram, first, last, losses):
    """Take steps first ... last - 1; losses receives the loss before each."""
    net = gram.net
    for step in range(first, last):
        fixed.prepare(net)
        sparse.see(net.inputs, net.columns, net.parameters, net.b1, net.hidden_relu, net.hidden, net.row)
        bias_square = sum_weights(gram)
        if gram.output_abs:
            sign_targets(gram)
        loss = max(see_samples(gram) + net.n_samples * bias_square + gram.square_sum, 0.0)
        learn_outputs(gram)
        fixed.learn_inputs(net)
        losses[step - first] = loss / net.n_samples
        update(net.adamw, net.parameters, net.gradient, net.first, net.second, net.coefficients[step])


@part
def sum_weights(gram):
    """V V^T, V b2, and V by columns; returns b2 b2."""
    net = gram.net
    n, V, row = net.n_outputs, net.scaled, net.row
    bias_square = 0.0
    for k in range(net.pairs + 1):
        for j in range(k + 1):
            products = splat(0.0)
            for i in range(0, n, LANES):
                products = fma(widen(load(V, k * n + i)), widen(load(V, j * n + i)), products)
            dot = total(products)
            if k < net.pairs:
                gram.weights[k * row + j] = gram.weights[j * row + k] = dot
            elif j < net.pairs:
                gram.weights_bias[j] = dot
            else:
                bias_square = dot
    for k in range(net.pairs):
        for c in range(net.used.size):
            gram.columns[c * row + k] = get(V, k * n + get(net.used, c))
    gram.columns_gradient[:] = 0
    gram.hidden[:] = 0
    gram.hidden_sum[:] = 0
    return bias_square


@part
def sign_targets(gram):
    """Give each target the sign of its output, and 0 where that is 0, as the derivative of |.| has it; and sum them."""
    net = gram.net
    start, column, _ = net.inputs
    row, b2 = net.row, net.pairs * net.n_outputs
    gram.feature_sums[:] = 0
    for t in range(net.n_samples):
        for e in range(start[t], start[t + 1]):
            c = get(column, e)
            i = net.used[c]
            z = net.scaled[b2 + i]
            for k in range(net.pairs):
                z += net.hidden[t * row + k] * gram.columns[c * row + k]
            x = net.targets.value[e] * np.float32(np.sign(z))
            gram.targets[e] = x
            gram.feature_sums[i] += x


@part
def see_samples(gram):
    """Hidden gradients, the sums over samples, and sum over samples of |output - b2|^2 + 2 b2 output - 2 x output."""
    net = gram.net
    start, column, _ = net.inputs
    row, b2, h = net.row, net.pairs * net.n_outputs, net.hidden
    two, loss = splat(2.0), 0.0
    for t in range(net.n_samples):
        for e in range(start[t], start[t + 1]):
            loss -= 2.0 * gram.targets[e] * net.scaled[b2 + net.used[get(column, e)]]
        for lane in range(0, row, LANES):
            at = t * row + lane
            hidden = load(h, at)
            wide = widen(hidden)
            reached = splat(0.0)  # sum_i x_i V_i
            for e in range(start[t], start[t + 1]):
                x, to = spread(gram.targets, e), get(column, e) * row + lane
                reached = fma(widen(x), widen(load(gram.columns, to)), reached)
                store(gram.columns_gradient, to, fma(x, hidden, load(gram.columns_gradient, to)))
            bias = load(gram.weights_bias, lane)
            made = bias  # sum_i output_i V_i
            for k in range(net.pairs):
                x = splat(np.float64(get(h, t * row + k)))
                made = fma(x, load(gram.weights, k * row + lane), made)
                to = k * row + lane
                store(gram.hidden, to, fma(x, wide, load(gram.hidden, to)))
            store(gram.hidden_sum, lane, add(load(gram.hidden_sum, lane), wide))
            store(net.hidden_gradient, at, narrow(sub(made, reached)))
            loss += total(mul(wide, sub(add(made, bias), mul(two, reached))))
    return loss


@part
def learn_outputs(gram):
    """The gradients of V and b2: sum over samples of (output - x) h and of output - x."""
    net = gram.net
    n, V, g, row = net.n_outputs, net.scaled, net.gradient, net.row
    samples, b2 = splat(np.float32(net.n_samples)), net.pairs * n
    for i in range(0, n, LANES):
        bias = load(V, b2 + i)
        gradient = sub(mul(bias, samples), load(gram.feature_sums, i))
        for k in range(net.pairs):
            gradient = fma(load(V, k * n + i), splat(np.float32(get(gram.hidden_sum, k))), gradient)
        store(g, net.b2 + i, gradient)
        for k in range(net.pairs):
            gradient = mul(bias, splat(np.float32(get(gram.hidden_sum, k))))
            for j in range(net.pairs):
                gradient = fma(load(V, j * n + i), splat(np.float32(get(gram.hidden, k * row + j))), gradient)
            store(g, net.V + k * n + i, gradient)
    for k in range(net.pairs):
        for c in range(net.used.size):
            add_at(g, net.V + k * n + get(net.used, c), -get(gram.columns_gradient, c * row + k))
