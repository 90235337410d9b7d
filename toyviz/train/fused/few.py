"""Few samples, one or two hidden units and a ReLU on the output: one pass over all outputs for every two samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from toyviz.experiment import Experiment
from toyviz.train.fused import fixed
from toyviz.train.fused.compiled import kernel, part
from toyviz.train.fused.optimizers import update
from toyviz.train.fused.simd import (
    LANES,
    add,
    add_at,
    fma,
    get,
    load,
    maximum,
    mul,
    padded,
    positive_bits,
    relu,
    splat,
    spread,
    store,
    sub,
    total,
    where_positive,
)
from toyviz.train.fused.storage import Flat, Rows, dense, in_training


class Network(NamedTuple):
    """All that the kernel works on. Its parameters lie as in `Flat`, but features that are ever active come first:
    the outputs of the others soon stop being positive, and whole vectors of them are skipped."""

    hidden_relu: bool
    hidden_bias: bool
    adamw: bool
    n_samples: int
    n: int  # features, padded
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
    outside: np.ndarray  # the parameters of `Flat` ...
    place: np.ndarray  # ... and where in them each of the kernel's lies
    # data
    inputs: Rows
    targets: np.ndarray  # (n_samples padded to two, n), times `scale`
    shift: np.ndarray  # (n_samples padded to two,) 0, or far below zero where there is no sample
    scale: np.ndarray  # (n,) roots of the importance
    gradient_scale: np.ndarray
    hidden_scale: np.float32
    # scratch
    scaled: np.ndarray  # (3, n): W2 and b2, scaled
    hidden: np.ndarray  # (n_samples padded to two, 2)
    hidden_gradient: np.ndarray


def network(experiment: Experiment, flat: Flat) -> Network:
    """The experiment made ready for `advance`."""
    net = fixed.network(experiment, flat)
    n, size = net.n_outputs, padded(net.n_samples, 2)
    order = np.concatenate([net.used, np.setdiff1d(np.arange(n), net.used)])
    place = np.arange(flat.parameters.size)
    for start in {net.b2, net.W1, net.W1 + n, net.V, net.V + n}:
        place[start : start + n] = start + order
    targets, shift = np.zeros((size, n), np.float32), np.zeros(size, np.float32)
    targets[: net.n_samples] = dense(net.targets, 0, net.n_samples, n)[:, order]
    shift[net.n_samples :] = fixed.FAR
    return Network(
        **in_training(experiment, flat) | {"parameters": flat.parameters[place]},
        n_samples=net.n_samples,
        n=n,
        outside=flat.parameters,
        place=place,
        inputs=net.inputs,
        targets=targets.ravel(),
        shift=shift,
        scale=net.scale[order],
        gradient_scale=net.gradient_scale[order],
        hidden_scale=net.hidden_scale,
        scaled=np.zeros(3 * n, np.float32),
        hidden=np.zeros(2 * size, np.float32),
        hidden_gradient=np.zeros(2 * size, np.float32),
    )


@kernel
def advance(net, first, last, losses):
    """Take steps first ... last - 1; losses receives the loss before each."""
    for step in range(first, last):
        prepare(net)
        see(net)
        loss = 0.0
        for t in range(0, net.n_samples, 2):
            loss += pass_two(net, t)
        learn_inputs(net)
        losses[step - first] = loss / net.n_samples
        update(net.adamw, net.parameters, net.gradient, net.first, net.second, net.coefficients[step])
    for k in range(net.place.size):
        net.outside[net.place[k]] = net.parameters[k]


@part
def prepare(net):
    """Scale W2 and b2, and clear the gradients."""
    net.gradient[:] = 0
    n, p = net.n, net.parameters
    for i in range(0, n, LANES):
        scale = load(net.scale, i)
        store(net.scaled, i, mul(load(p, net.V + i), scale))
        store(net.scaled, n + i, mul(load(p, net.V + n + i), scale))
        store(net.scaled, 2 * n + i, mul(load(p, net.b2 + i), scale))


@part
def see(net):
    """The hidden vector of every sample."""
    start, value, p = net.inputs.start, net.inputs.value, net.parameters
    for t in range(net.n_samples):
        x, y = get(p, net.b1), get(p, net.b1 + 1)
        for e in range(start[t], start[t + 1]):
            i, a = net.W1 + get(net.inputs.column, e), get(value, e)
            x += a * get(p, i)
            y += a * get(p, i + net.n)
        if net.hidden_relu:
            x, y = max(x, np.float32(0)), max(y, np.float32(0))
        net.hidden[2 * t], net.hidden[2 * t + 1] = x, y


@part
def pass_two(net, t):
    """Gradients of W2, b2 and the hidden vectors from samples t and t + 1; the sum of squared errors."""
    h, d = net.hidden, net.hidden_gradient
    n, g, V, wanted = net.n, net.gradient, net.scaled, net.targets
    x0, y0, x1, y1 = spread(h, 2 * t), spread(h, 2 * t + 1), spread(h, 2 * t + 2), spread(h, 2 * t + 3)
    shift = spread(net.shift, t + 1)
    dx0 = dy0 = dx1 = dy1 = squares0 = squares1 = splat(np.float32(0))
    for i in range(0, n, LANES):
        v, u, b = load(V, i), load(V, n + i), load(V, 2 * n + i)
        out0, out1 = fma(y0, u, fma(x0, v, b)), fma(y1, u, fma(x1, v, add(b, shift)))
        e0, e1 = sub(relu(out0), load(wanted, t * n + i)), sub(relu(out1), load(wanted, t * n + n + i))
        squares0, squares1 = fma(e0, e0, squares0), fma(e1, e1, squares1)
        if not positive_bits(maximum(out0, out1)):
            continue
        e0, e1 = where_positive(out0, e0), where_positive(out1, e1)
        store(g, net.V + i, fma(e1, x1, fma(e0, x0, load(g, net.V + i))))
        store(g, net.V + n + i, fma(e1, y1, fma(e0, y0, load(g, net.V + n + i))))
        store(g, net.b2 + i, add(load(g, net.b2 + i), add(e0, e1)))
        dx0, dy0, dx1, dy1 = fma(e0, v, dx0), fma(e0, u, dy0), fma(e1, v, dx1), fma(e1, u, dy1)
    d[2 * t], d[2 * t + 1], d[2 * t + 2], d[2 * t + 3] = total(dx0), total(dy0), total(dx1), total(dy1)
    return total(add(squares0, squares1))


@part
def learn_inputs(net):
    """Scale the gradients of W2 and b2, and add what reaches W1 and b1 through the features."""
    g, n, start, value = net.gradient, net.n, net.inputs.start, net.inputs.value
    for i in range(0, n, LANES):
        scale = load(net.gradient_scale, i)
        store(g, net.V + i, mul(load(g, net.V + i), scale))
        store(g, net.V + n + i, mul(load(g, net.V + n + i), scale))
        store(g, net.b2 + i, mul(load(g, net.b2 + i), scale))
    for t in range(net.n_samples):
        x, y = net.hidden_gradient[2 * t] * net.hidden_scale, net.hidden_gradient[2 * t + 1] * net.hidden_scale
        if net.hidden_relu:
            x = x if net.hidden[2 * t] > 0 else np.float32(0)
            y = y if net.hidden[2 * t + 1] > 0 else np.float32(0)
        if net.hidden_bias:
            add_at(g, net.b1, x)
            add_at(g, net.b1 + 1, y)
        for e in range(start[t], start[t + 1]):
            i, a = net.W1 + get(net.inputs.column, e), get(value, e)
            add_at(g, i, a * x)
            add_at(g, i + net.n, a * y)
