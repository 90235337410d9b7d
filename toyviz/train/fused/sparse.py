"""The way from sparse features to the hidden units and back: only the features that are not zero are met."""

from __future__ import annotations

from toyviz.train.fused.compiled import part
from toyviz.train.fused.simd import LANES, add, fma, get, load, mul, relu, splat, spread, store, where_positive


@part
def see(inputs, columns, parameters, b1, hidden_relu, hidden, row):
    """hidden = act(sum_i x_i columns_i + b1) of every sample, (n_samples, row)."""
    start, column, value = inputs
    for lane in range(0, row, LANES):
        bias = load(parameters, b1 + lane)
        for t in range(start.size - 1):
            h = bias
            for e in range(start[t], start[t + 1]):
                h = fma(spread(value, e), load(columns, get(column, e) * row + lane), h)
            store(hidden, t * row + lane, relu(h) if hidden_relu else h)


@part
def learn(inputs, hidden_gradient, scale, hidden, hidden_relu, hidden_bias, gradient, b1, columns_gradient, row):
    """Add the scaled hidden gradients to the gradient of b1, and x_i times them to that of column i."""
    start, column, value = inputs
    factor = splat(scale)
    for lane in range(0, row, LANES):
        bias = load(gradient, b1 + lane)
        for t in range(start.size - 1):
            d = mul(load(hidden_gradient, t * row + lane), factor)
            if hidden_relu:
                d = where_positive(load(hidden, t * row + lane), d)
            bias = add(bias, d)
            for e in range(start[t], start[t + 1]):
                at = get(column, e) * row + lane
                store(columns_gradient, at, fma(spread(value, e), d, load(columns_gradient, at)))
        if hidden_bias:
            store(gradient, b1 + lane, bias)
