"""How fast the compiled kernels are: each family against the PyTorch reference, one thread each, in one run."""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from toyviz import data, settings
from toyviz.experiment import Experiment
from toyviz.model import initial_parameters
from toyviz.train import fused, reference
from toyviz.train.fused.compiled import kernel
from toyviz.train.fused.simd import LANES, add, fma, splat, total

ROUNDS = 5
REFERENCE_SECONDS = 0.5  # a round, at least one step
NOTE = (
    "ms of processor time a step, one thread. fast: mean over the whole quick training; reference: median of "
    f"{ROUNDS} rounds between its parts. floor: the multiply-adds counted for the method at this machine's measured "
    "peak; a ReLU row counts T x n x (3m + 1), so above 100 % outputs were settled without computing them."
)


class Row(NamedTuple):
    """One family: several experiments that are trained side by side, and what is expected of them."""

    name: str
    experiments: Sequence[Experiment]
    target: float | None  # times faster than the reference
    multiply_adds: float  # a step
    baseline: Callable[[Sequence[Experiment]], Callable[[int], None]] | None = None  # instead of the reference


def run(as_json: bool = False) -> None:
    """Print the table, or one JSON object on one line; progress goes to stderr."""
    torch.set_num_threads(1)
    peak = _peak()
    measured = []
    for row in _rows():
        print(f"{row.name} ...", file=sys.stderr, flush=True)
        measured.append(_measure(row, peak))
    if as_json:
        print(json.dumps({"peak_multiply_adds_a_second": round(peak), "note": NOTE, "rows": measured}))
        return
    print(f"{'':44}{'reference':>11}{'fast':>10}{'ratio':>8}{'target':>8}{'of floor':>10}")
    for line in measured:
        target = f"{line['target']:.0f}x" if line["target"] else "-"
        print(
            f"{line['name']:44}{line['reference_ms']:>11.4g}{line['fast_ms']:>10.4g}"
            f"{line['ratio']:>7.1f}x{target:>8}{line['share_of_floor']:>10.0%}"
        )
    print(f"\n{NOTE}\nPeak: {peak / 1e9:.1f} G multiply-adds a second.")


def _rows() -> list[Row]:
    known = {name: setting.quick for name, setting in settings.EXPERIMENTS.items()}
    tied, mlp, classes = known["double_descent"], known["mlp"], known["unembedding"]
    relu_mlp, superposition = known["mlp_relu_output"], known["superposition"]
    seven = [superposition.with_(sparsity=sparsity) for sparsity in settings.SPARSITIES]
    rows = [
        _fixed(f"tied ReLU output, n=1000, m=2, T={T}", tied.with_(n_samples=T), target, _dense)
        for T, target in ((10, 30), (100, 30), (1000, 40), (5000, 40))
    ]
    return [
        *rows,
        _fixed("literal MLP, T=1000", mlp.with_(n_samples=1000), 40, _gram),
        _fixed("MLP with output ReLU, T=1000", relu_mlp.with_(n_samples=1000), 25, _dense),
        _fixed("unembedding, cross-entropy, T=500", classes.with_(n_samples=500), 8, _softmax),
        _fixed("unembedding, soft labels, T=500", known["unembedding_soft"].with_(n_samples=500), None, _softmax),
        _fixed("tied ReLU output, m=16, T=1000", tied.with_(n_samples=1000, n_hidden=16), 8, _dense),
        Row("seven sparsities, against one batched einsum", seven, 10, 7 * _fresh(seven[0]), _batched_einsum),
        Row("seven sparsities, against seven references", seven, None, 7 * _fresh(seven[0])),
        *(_fixed(name.replace("_", " "), known[name], None, _fish) for name in ("big_fish", "small_fish", "reproject")),
    ]


def _fixed(name: str, experiment: Experiment, target: float | None, count: Callable[[Experiment], float]) -> Row:
    return Row(name, [experiment], target, count(experiment))


def _measure(row: Row, peak: float) -> dict[str, Any]:
    trainers = [fused.Trainer(experiment) for experiment in row.experiments]
    for experiment in row.experiments:
        fused.Trainer(experiment).advance(0, 1)  # compiles
    baseline = (row.baseline or _references)(row.experiments)
    baseline(2)
    steps = row.experiments[0].steps
    fast, slow = 0.0, []
    count = max(1, int(REFERENCE_SECONDS / _seconds(baseline, 1)))
    for first, last in itertools.pairwise(np.linspace(0, steps, ROUNDS + 1).astype(int)):
        slow.append(_seconds(baseline, count) / count)
        fast += sum(_seconds(trainer.advance, first, last) for trainer in trainers)
    fast_ms, reference_ms = 1e3 * fast / steps, 1e3 * statistics.median(slow)
    return {
        "name": row.name,
        "reference_ms": round(reference_ms, 5),
        "fast_ms": round(fast_ms, 5),
        "ratio": round(reference_ms / fast_ms, 2),
        "target": row.target,
        "share_of_floor": round(1e3 * row.multiply_adds / peak / fast_ms, 3),
    }


def _seconds(work: Callable[..., object], *values: int) -> float:
    """Processor time of a call, so that whoever else uses the machine counts less."""
    began = time.process_time()
    work(*values)
    return time.process_time() - began


def _references(experiments: Sequence[Experiment]) -> Callable[[int], None]:
    trainers, done = [reference.Trainer(experiment) for experiment in experiments], [0]

    def advance(steps: int) -> None:
        first = done[0] % (experiments[0].steps - steps)
        for trainer in trainers:
            trainer.advance(first, first + steps)
        done[0] += steps

    return advance


def _batched_einsum(experiments: Sequence[Experiment]) -> Callable[[int], None]:
    """All the networks in one tensor, as public notebooks train them: the fairest known PyTorch version."""
    base, k = experiments[0], len(experiments)
    starts = [initial_parameters(experiment) for experiment in experiments]
    W = torch.tensor(np.stack([start["W1"] for start in starts]), requires_grad=True)
    b = torch.tensor(np.stack([start["b2"] for start in starts]), requires_grad=True)
    importance = torch.from_numpy(data.importance(base))
    active = torch.tensor([experiment.feature_probability for experiment in experiments])[:, None, None]
    optimizer = torch.optim.AdamW([W, b], lr=base.lr, weight_decay=base.weight_decay)

    def advance(steps: int) -> None:
        for _ in range(steps):
            shape = (k, base.batch_size, base.n_features)
            X = torch.where(torch.rand(shape) < active, torch.rand(shape), torch.zeros(()))
            hidden = torch.einsum("kmn,ksn->ksm", W, X)
            output = (torch.einsum("kmn,ksm->ksn", W, hidden) + b[:, None]).relu()
            loss = (importance * (output - X) ** 2).sum(dim=2).mean(dim=1).sum()  # each network its own gradient
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return advance


# ---- the floor


@kernel
def _multiply_add(rounds):
    """Ten chains of multiply-adds that never leave the registers."""
    a, c = splat(np.float32(0.999)), splat(np.float32(1e-3))
    x0 = x1 = x2 = x3 = x4 = x5 = x6 = x7 = x8 = x9 = splat(np.float32(rounds))
    for _ in range(rounds):
        x0, x1, x2, x3, x4 = fma(x0, a, c), fma(x1, a, c), fma(x2, a, c), fma(x3, a, c), fma(x4, a, c)
        x5, x6, x7, x8, x9 = fma(x5, a, c), fma(x6, a, c), fma(x7, a, c), fma(x8, a, c), fma(x9, a, c)
    return total(add(add(add(x0, x1), add(x2, x3)), add(add(x4, x5), add(add(x6, x7), add(x8, x9)))))


def _peak(rounds: int = 2_000_000) -> float:
    """Multiply-adds a second that one core can do here, the best of five."""
    _multiply_add(1)
    return 10 * LANES * rounds / min(_seconds(_multiply_add, rounds) for _ in range(5))


def _entries(experiment: Experiment) -> float:
    return (experiment.training_size or 0) * experiment.n_features * experiment.feature_probability


def _dense(experiment: Experiment) -> float:
    """Output, its square, and the gradients of W2 and h: 3 m + 1 a cell; four times m for each number of X."""
    cells, m = (experiment.training_size or 0) * experiment.n_outputs, experiment.n_hidden
    return cells * (3 * m + 1) + 4 * m * _entries(experiment)


def _softmax(experiment: Experiment) -> float:
    """As _dense, and about eight for an exponential."""
    return _dense(experiment) + 8 * (experiment.training_size or 0) * experiment.n_outputs


def _gram(experiment: Experiment) -> float:
    """W2^T W2, the sum of h h^T, and each times what it meets; four times m for each number of X."""
    m, rows = experiment.n_hidden, (experiment.training_size or 0) + experiment.n_outputs
    return 2 * rows * m**2 + 4 * m * _entries(experiment)


def _fresh(experiment: Experiment) -> float:
    """Five m a cell, without drawing it."""
    return 5 * experiment.n_hidden * experiment.batch_size * experiment.n_features


def _fish(experiment: Experiment) -> float:
    """The cheaper of the two ways for the outputs, and the projection there and back."""
    T, H, B = experiment.training_size or 0, experiment.n_hidden, experiment.n_inputs
    sums, samples = 1.5 * H**2 * (T + experiment.n_outputs), 3 * T * H * experiment.n_outputs
    outputs = min(sums, samples) if experiment.task_row.target == "features" else samples
    return outputs + 2 * experiment.n_features * B * H + 2 * H * _entries(experiment)
