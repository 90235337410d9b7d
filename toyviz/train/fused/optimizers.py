"""One step of AdamW or of SGD with momentum, as torch takes it, over all parameters in one flat array."""

from __future__ import annotations

import numpy as np

from toyviz.experiment import Experiment
from toyviz.schedules import learning_rates
from toyviz.train.fused.compiled import part
from toyviz.train.fused.simd import (
    LANES,
    absolute,
    add,
    div,
    drop_below,
    fma,
    load,
    mul,
    positive_bits,
    splat,
    sqrt,
    store,
)

BETA1, BETA2, EPS, MOMENTUM = np.float32(0.9), np.float32(0.999), np.float32(1e-8), np.float32(0.9)
REST1, REST2 = np.float32(1 - 0.9), np.float32(1 - 0.999)  # 1 - BETA2 in single precision is off by 5e-5

# Once a small set is memorised, gradients and moments shrink until they are denormal, and a step takes ten times as
# long. So what is too small to move a weight becomes zero: eps = 1e-8 outweighs each of these. This works on every
# processor, which a mode of the floating-point unit would not.
SMALLEST_GRADIENT, SMALLEST = np.float32(1e-16), np.float32(1e-30)


def coefficients(experiment: Experiment) -> np.ndarray:
    """What changes from step to step, (steps, 3) float32.

    AdamW: 1 - lr wd, lr / (1 - beta1 ** s), 1 / sqrt(1 - beta2 ** s) at s = 1 ... steps. SGD: lr, wd, 0.
    """
    rates = learning_rates(experiment)
    if experiment.optimizer == "sgd":
        columns = [rates, np.full_like(rates, experiment.weight_decay), np.zeros_like(rates)]
    else:
        s = np.arange(1, experiment.steps + 1)
        columns = [
            1 - rates * experiment.weight_decay,
            rates / -np.expm1(s * np.log(0.9)),
            1 / np.sqrt(-np.expm1(s * np.log(0.999))),
        ]
    return np.stack(columns, axis=1).astype(np.float32)


@part
def update(adamw, parameters, gradient, first, second, coefficients):
    """Move the parameters by one step; first and second are the moments (SGD: first is the momentum)."""
    tiny_gradient, tiny = splat(SMALLEST_GRADIENT), splat(SMALLEST)
    a, b, c = splat(coefficients[0]), splat(coefficients[1]), splat(coefficients[2])
    if adamw:
        beta1, beta2, eps = splat(BETA1), splat(BETA2), splat(EPS)
        rest1, rest2, minus = splat(REST1), splat(REST2), splat(-coefficients[1])
        for i in range(0, parameters.size, LANES):
            g = drop_below(load(gradient, i), tiny_gradient)
            m = drop_below(fma(g, rest1, mul(load(first, i), beta1)), tiny)
            v = drop_below(fma(mul(g, g), rest2, mul(load(second, i), beta2)), tiny)
            p = mul(load(parameters, i), a)
            if positive_bits(absolute(m)):  # else nothing moves, as of outputs that are never positive
                p = fma(div(m, fma(sqrt(v), c, eps)), minus, p)
            store(first, i, m)
            store(second, i, v)
            store(parameters, i, drop_below(p, tiny))
    else:
        momentum, minus = splat(MOMENTUM), splat(-coefficients[0])
        for i in range(0, parameters.size, LANES):
            p = load(parameters, i)
            g = drop_below(fma(p, b, load(gradient, i)), tiny_gradient)
            m = drop_below(add(g, mul(load(first, i), momentum)), tiny)
            store(first, i, m)
            store(parameters, i, drop_below(fma(m, minus, p), tiny))
