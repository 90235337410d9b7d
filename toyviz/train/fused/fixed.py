"""Fixed training sets with a ReLU or a softmax on the output.

Nothing of size T x n is ever stored. Four samples at a time, the output, its error and its gradients are made and
forgotten while they lie in the first-level cache. The features themselves are met only where they are not zero.
"""

from __future__ import annotations

import math
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
    add_at,
    count_bits,
    exp2,
    fma,
    get,
    largest,
    load,
    lowest_bit,
    maximum,
    mul,
    nonzero_bits,
    padded,
    positive_bits,
    relu,
    splat,
    spread,
    store,
    sub,
    total,
)
from toyviz.train.fused.storage import WIDE, Flat, Rows, apart, in_training, joined, rearranged, rows, zeros

FAR = np.float32(-1e30)  # an output no ReLU passes and no softmax sees
FEW = 8  # errors to one that is not zero: where they are fewer, they are passed back one by one
LOG2_E, LN_2 = np.float32(math.log2(math.e)), np.float32(np.log(2))


class Network(NamedTuple):
    """All that the kernel works on."""

    # switches
    softmax: bool
    hidden_relu: bool
    hidden_bias: bool
    few: bool  # whether samples with few errors are worth a way of their own
    output_bias: bool
    adamw: bool
    # sizes
    n_samples: int
    pairs: int  # hidden units, rounded up to an even number
    n_inputs: int  # padded, as n_outputs
    n_outputs: int
    row: int  # floats of a hidden vector: n_hidden padded to whole vectors
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
    inputs: Rows  # columns count through `used`
    used: np.ndarray  # the inputs that are ever active
    targets: Rows  # values times `scale`
    weights: np.ndarray  # (n_samples padded to four,) sum of each softmax target; 1 for a ReLU, 0 for padding
    scale: np.ndarray  # (n_outputs,) what an output's weights are multiplied by before the dense part ...
    shift: np.ndarray  # (n_outputs,) ... and what is added to its bias
    gradient_scale: np.ndarray  # (n_outputs,)
    hidden_scale: np.float32
    # scratch
    columns: np.ndarray  # W1 by columns, (used, row)
    columns_gradient: np.ndarray
    hidden: np.ndarray  # (n_samples padded to four, row)
    hidden_gradient: np.ndarray
    scaled: np.ndarray  # (pairs + 1, n_outputs): V and b2, scaled
    error: np.ndarray  # (4, n_outputs)
    tops: np.ndarray  # (4,) of four samples: the largest output ...
    sums: np.ndarray  # (4,) ... and the sum of the exponentials
    factor: np.ndarray  # (4,) of four samples: error times this is the gradient of the outputs
    active: np.ndarray  # where the vectors of outputs begin whose errors are not zero, first of all
    bits: np.ndarray  # of each of these vectors: which of its 4 x LANES errors are not zero
    rows: np.ndarray  # V by outputs, (n_outputs, row), if `few`
    rows_gradient: np.ndarray


def network(experiment: Experiment, flat: Flat) -> Network:
    """The experiment made ready for `advance`."""
    softmax = experiment.task_row.loss == "cross_entropy"
    n_samples, n_outputs = experiment.training_size or 0, apart(experiment.n_outputs)
    scale = np.full(n_outputs, LOG2_E)
    gradient_scale = np.full(n_outputs, np.float32(1 / n_samples))
    shift = np.zeros(n_outputs, np.float32)
    if softmax:
        shift[experiment.n_outputs :] = FAR
    else:  # sqrt(I) ReLU(z) = ReLU(sqrt(I) z): the importance moves into the weights
        scale[:] = 0
        scale[: experiment.n_outputs] = np.sqrt(data.importance(experiment))
        gradient_scale = scale * np.float32(2 / n_samples)
    inputs, used, targets, sums = _seen(experiment, None if softmax else scale[: experiment.n_outputs])
    weights = np.zeros(padded(n_samples, 4), np.float32)
    weights[:n_samples] = sums if softmax else 1
    row = padded(experiment.n_hidden)
    few = not softmax and experiment.n_hidden > 2 and n_samples >= 64
    return Network(
        **in_training(experiment, flat),
        softmax=softmax,
        few=few,
        output_bias=experiment.arch_row.output_bias,
        n_samples=n_samples,
        pairs=padded(experiment.n_hidden, 2),
        n_inputs=apart(experiment.n_inputs),
        n_outputs=n_outputs,
        row=row,
        inputs=inputs,
        used=used,
        targets=targets,
        weights=weights,
        scale=scale,
        shift=shift,
        gradient_scale=gradient_scale,
        hidden_scale=np.float32((np.log(2) if softmax else 2) / n_samples),
        columns=zeros(len(used) * row),
        columns_gradient=zeros(len(used) * row),
        hidden=zeros(len(weights) * row),
        hidden_gradient=zeros(len(weights) * row),
        scaled=zeros((padded(experiment.n_hidden, 2) + 1) * n_outputs),
        error=zeros(4 * n_outputs),
        tops=np.zeros(4, np.float32),
        sums=np.zeros(4, np.float32),
        factor=np.ones(4, np.float32),
        active=np.arange(0, n_outputs, LANES),
        bits=np.zeros(n_outputs // LANES, np.uint64),
        rows=zeros(n_outputs * row if few else 0),
        rows_gradient=zeros(n_outputs * row if few else 0),
    )


def _seen(experiment: Experiment, scale: np.ndarray | None) -> tuple[Rows, np.ndarray, Rows, np.ndarray]:
    """The training set as the kernel meets it: inputs, with columns counted through those that are ever active; these;
    the targets times scale; and the sum of each sample's targets. Samples of equal length lie together."""
    seen, wanted, sums = [], [], []
    for samples in data.parts(data.training_set(experiment)):
        seen.append(rows(samples.inputs))
        wanted.append(rows(samples.targets if scale is None else samples.targets * scale))
        sums.append(samples.targets.sum(axis=1))
    inputs, targets = joined(seen), joined(wanted)
    order = np.argsort(np.diff(inputs.start), kind="stable")  # so that loops are foreseen
    active = np.zeros(experiment.n_inputs, bool)
    active[inputs.column] = True
    column = (np.cumsum(active, dtype=np.uint32) - np.uint32(1))[inputs.column]
    used = np.flatnonzero(active).astype(np.uint32)
    return (
        rearranged(inputs._replace(column=column), order),
        used,
        rearranged(targets, order),
        np.concatenate(sums)[order],
    )


@kernel
def advance(net, first, last, losses):
    """Take steps first ... last - 1; losses receives the loss before each."""
    for step in range(first, last):
        prepare(net)
        sparse.see(net.inputs, net.columns, net.parameters, net.b1, net.hidden_relu, net.hidden, net.row)
        loss = 0.0
        for t in range(0, net.n_samples, 4):
            count = net.active.size
            if net.softmax:
                loss += softmax_errors(net, t)
            else:
                count = relu_outputs(net, t)
                loss += relu_errors(net, t)
                if net.few and few_errors(net, count):
                    loss += backward_few(net, t, count)
                    continue
            for k in range(0, net.pairs, 2):
                loss += backward(net, t, k, count)
        learn_inputs(net)
        losses[step - first] = loss / net.n_samples
        update(net.adamw, net.parameters, net.gradient, net.first, net.second, net.coefficients[step])


@part
def prepare(net):
    """Scale what the dense part reads, lay W1 out by columns, and clear the gradients."""
    net.gradient[:] = 0
    net.columns_gradient[:] = 0
    n, p = net.n_outputs, net.parameters
    for i in range(0, n, LANES):
        scale = load(net.scale, i)
        for k in range(net.pairs):
            store(net.scaled, k * n + i, mul(load(p, net.V + k * n + i), scale))
        store(net.scaled, net.pairs * n + i, fma(load(p, net.b2 + i), scale, load(net.shift, i)))
    if net.few:
        net.rows_gradient[:] = 0
        for k in range(net.pairs):
            for i in range(n):
                net.rows[i * net.row + k] = net.scaled[k * n + i]
    for k in range(net.pairs):
        for c in range(net.used.size):
            net.columns[c * net.row + k] = get(p, net.W1 + k * net.n_inputs + get(net.used, c))


@part
def outputs(net, t, i):
    """W2 h + b2 of samples t ... t + 3 at outputs i ... i + 31: two vectors a sample."""
    h, n, row, V = net.hidden, net.n_outputs, net.row, net.scaled
    a0 = load(V, net.pairs * n + i)
    b0 = load(V, net.pairs * n + i + LANES)
    a1, a2, a3, b1, b2, b3 = a0, a0, a0, b0, b0, b0
    for k in range(0, net.pairs, 2):
        at = t * row + k
        va, vb = load(V, k * n + i), load(V, k * n + i + LANES)
        ua, ub = load(V, (k + 1) * n + i), load(V, (k + 1) * n + i + LANES)
        x, y = spread(h, at), spread(h, at + 1)
        a0, b0 = fma(y, ua, fma(x, va, a0)), fma(y, ub, fma(x, vb, b0))
        x, y = spread(h, at + row), spread(h, at + row + 1)
        a1, b1 = fma(y, ua, fma(x, va, a1)), fma(y, ub, fma(x, vb, b1))
        x, y = spread(h, at + 2 * row), spread(h, at + 2 * row + 1)
        a2, b2 = fma(y, ua, fma(x, va, a2)), fma(y, ub, fma(x, vb, b2))
        x, y = spread(h, at + 3 * row), spread(h, at + 3 * row + 1)
        a3, b3 = fma(y, ua, fma(x, va, a3)), fma(y, ub, fma(x, vb, b3))
    return a0, b0, a1, b1, a2, b2, a3, b3


@part
def relu_outputs(net, t):
    """error = ReLU(output); how many vectors of outputs are positive somewhere: these are listed in `active`."""
    n, error, count = net.n_outputs, net.error, 0
    for j in range(0, n, WIDE):
        i = min(j, n - WIDE)  # the last may overlap the one before
        a0, b0, a1, b1, a2, b2, a3, b3 = outputs(net, t, i)
        a0, a1, a2, a3 = relu(a0), relu(a1), relu(a2), relu(a3)
        b0, b1, b2, b3 = relu(b0), relu(b1), relu(b2), relu(b3)
        store(error, i, a0)
        store(error, i + LANES, b0)
        store(error, n + i, a1)
        store(error, n + i + LANES, b1)
        store(error, 2 * n + i, a2)
        store(error, 2 * n + i + LANES, b2)
        store(error, 3 * n + i, a3)
        store(error, 3 * n + i + LANES, b3)
        if i == j:
            net.active[count] = i
            count += positive_bits(add(add(a0, a1), add(a2, a3))) != 0
        net.active[count] = i + LANES
        count += positive_bits(add(add(b0, b1), add(b2, b3))) != 0
    return count


@part
def relu_errors(net, t):
    """Subtract the targets from `error` where the output is positive; the loss of those out of reach."""
    n, error = net.n_outputs, net.error
    start, column, value = net.targets
    loss = 0.0
    for s in range(4):
        if t + s >= net.n_samples:
            error[s * n : (s + 1) * n] = 0
            continue
        for e in range(start[t + s], start[t + s + 1]):
            at, x = s * n + get(column, e), value[e]
            r = error[at]
            error[at] = r - x if r > 0 else np.float32(0)
            loss += 0.0 if r > 0 else x * x
    return loss


@part
def softmax_errors(net, t):
    """error factor = s softmax(output) - target with s = sum of the target; the loss -sum target log softmax."""
    n, error = net.n_outputs, net.error
    start, column, value = net.targets
    softmax_outputs(net, t)
    loss = 0.0
    for s in range(min(4, net.n_samples - t)):
        for e in range(start[t + s], start[t + s + 1]):
            loss += value[e] * (net.tops[s] - error[s * n + get(column, e)])
    exponentials(net, 0, 1)
    exponentials(net, 2, 3)
    for s in range(4):
        net.factor[s] = net.weights[t + s] / net.sums[s]
        loss += net.weights[t + s] * np.log2(net.sums[s])
    for s in range(min(4, net.n_samples - t)):
        for e in range(start[t + s], start[t + s + 1]):
            error[s * n + get(column, e)] -= value[e] / net.factor[s]
    return loss * LN_2


@part
def softmax_outputs(net, t):
    """error = output, times log2(e), and tops = the largest of each of the four samples."""
    n, error = net.n_outputs, net.error
    m0 = splat(FAR)
    m1, m2, m3 = m0, m0, m0
    for j in range(0, n, WIDE):
        i = min(j, n - WIDE)  # the last may overlap the one before
        a0, b0, a1, b1, a2, b2, a3, b3 = outputs(net, t, i)
        m0, m1 = maximum(m0, maximum(a0, b0)), maximum(m1, maximum(a1, b1))
        m2, m3 = maximum(m2, maximum(a2, b2)), maximum(m3, maximum(a3, b3))
        store(error, i, a0)
        store(error, i + LANES, b0)
        store(error, n + i, a1)
        store(error, n + i + LANES, b1)
        store(error, 2 * n + i, a2)
        store(error, 2 * n + i + LANES, b2)
        store(error, 3 * n + i, a3)
        store(error, 3 * n + i + LANES, b3)
    net.tops[0], net.tops[1], net.tops[2], net.tops[3] = largest(m0), largest(m1), largest(m2), largest(m3)


@part
def exponentials(net, a, b):
    """error = 2 ** (error - top), and sums of them, of samples a and b among the four."""
    error, at, to = net.error, a * net.n_outputs, b * net.n_outputs
    t0, t1 = spread(net.tops, a), spread(net.tops, b)
    s0 = s1 = splat(np.float32(0))
    for i in range(0, net.n_outputs, LANES):
        a0, a1 = exp2(sub(load(error, at + i), t0)), exp2(sub(load(error, to + i), t1))
        s0, s1 = add(s0, a0), add(s1, a1)
        store(error, at + i, a0)
        store(error, to + i, a1)
    net.sums[a], net.sums[b] = total(s0), total(s1)


@part
def backward(net, t, k, count):
    """Add the gradient of V at hidden units k and k + 1 over four samples, and make their hidden gradients.

    `count` vectors of outputs are active. At k = 0 also the gradient of b2, and a ReLU's sum of squared errors.
    """
    h, g, n, row, error, V, b2 = net.hidden, net.gradient, net.n_outputs, net.row, net.error, net.scaled, net.b2
    at, a, b = t * row + k, k * n, (k + 1) * n
    f0, f1, f2, f3 = spread(net.factor, 0), spread(net.factor, 1), spread(net.factor, 2), spread(net.factor, 3)
    x0, x1 = mul(spread(h, at), f0), mul(spread(h, at + row), f1)
    x2, x3 = mul(spread(h, at + 2 * row), f2), mul(spread(h, at + 3 * row), f3)
    y0, y1 = mul(spread(h, at + 1), f0), mul(spread(h, at + row + 1), f1)
    y2, y3 = mul(spread(h, at + 2 * row + 1), f2), mul(spread(h, at + 3 * row + 1), f3)
    zero = splat(np.float32(0))
    dx0 = dx1 = dx2 = dx3 = dy0 = dy1 = dy2 = dy3 = squares_a = squares_b = zero
    for j in range(count):
        i = get(net.active, j)
        e0, e1, e2, e3 = load(error, i), load(error, n + i), load(error, 2 * n + i), load(error, 3 * n + i)
        v, u = load(V, a + i), load(V, b + i)
        dx0, dx1, dx2, dx3 = fma(e0, v, dx0), fma(e1, v, dx1), fma(e2, v, dx2), fma(e3, v, dx3)
        dy0, dy1, dy2, dy3 = fma(e0, u, dy0), fma(e1, u, dy1), fma(e2, u, dy2), fma(e3, u, dy3)
        gv = fma(e3, x3, fma(e2, x2, fma(e1, x1, fma(e0, x0, load(g, net.V + a + i)))))
        gu = fma(e3, y3, fma(e2, y2, fma(e1, y1, fma(e0, y0, load(g, net.V + b + i)))))
        store(g, net.V + a + i, gv)
        store(g, net.V + b + i, gu)
        if k == 0:
            store(g, b2 + i, fma(e3, f3, fma(e2, f2, fma(e1, f1, fma(e0, f0, load(g, b2 + i))))))
            if not net.softmax:
                squares_a, squares_b = fma(e0, e0, fma(e1, e1, squares_a)), fma(e2, e2, fma(e3, e3, squares_b))
    d, f = net.hidden_gradient, net.factor
    d[at], d[at + 1] = f[0] * total(dx0), f[0] * total(dy0)
    d[at + row], d[at + row + 1] = f[1] * total(dx1), f[1] * total(dy1)
    d[at + 2 * row], d[at + 2 * row + 1] = f[2] * total(dx2), f[2] * total(dy2)
    d[at + 3 * row], d[at + 3 * row + 1] = f[3] * total(dx3), f[3] * total(dy3)
    return total(add(squares_a, squares_b))


@part
def few_errors(net, count):
    """True if so few errors in the active vectors are not zero that they are better passed back one by one."""
    n, error, found = net.n_outputs, net.error, 0
    for j in range(count):
        i = get(net.active, j)
        bits = nonzero_bits(load(error, 3 * n + i))
        for s in range(2, -1, -1):
            bits = bits << np.uint64(LANES) | nonzero_bits(load(error, s * n + i))
        net.bits[j] = bits
        found += count_bits(bits)
    return found * FEW < 4 * LANES * count


@part
def backward_few(net, t, count):
    """All that `backward` does at every k, for the few errors that are not zero; the squared errors."""
    n, row, error, d = net.n_outputs, net.row, net.error, net.hidden_gradient
    d[t * row : (t + 4) * row] = 0
    loss = np.float32(0)
    for j in range(count):
        bits = get(net.bits, j)
        while bits:
            place = lowest_bit(bits)
            bits &= bits - np.uint64(1)
            s, i = place // LANES, get(net.active, j) + place % LANES
            e, r = spread(error, s * n + i), get(error, s * n + i)
            add_at(net.gradient, net.b2 + i, r)
            loss += r * r
            for lane in range(0, row, LANES):
                at, to = (t + s) * row + lane, i * row + lane
                store(d, at, fma(e, load(net.rows, to), load(d, at)))
                store(net.rows_gradient, to, fma(e, load(net.hidden, at), load(net.rows_gradient, to)))
    return loss


@part
def learn_inputs(net):
    """Scale the gradients of V and b2, and add what reaches W1 and b1 through the features."""
    g, n, row = net.gradient, net.n_outputs, net.row
    if net.few:
        for k in range(net.pairs):
            for i in range(n):
                g[net.V + k * n + i] += net.rows_gradient[i * row + k]
    if not net.output_bias:
        g[net.b2 : net.b2 + n] = 0  # and b2 stays at zero
    for i in range(0, n, LANES):
        scale = load(net.gradient_scale, i)
        for k in range(net.pairs):
            store(g, net.V + k * n + i, mul(load(g, net.V + k * n + i), scale))
        store(g, net.b2 + i, mul(load(g, net.b2 + i), scale))
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
    for k in range(net.pairs):
        for c in range(net.used.size):
            add_at(g, net.W1 + k * net.n_inputs + get(net.used, c), get(net.columns_gradient, c * row + k))
