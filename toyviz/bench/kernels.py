"""How fast the compiled kernels are: each family against PyTorch, JAX and the machine, one thread each, in one run."""

from __future__ import annotations

import itertools
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from toyviz import settings
from toyviz.bench import floor, in_torch, machine
from toyviz.bench.floor import seconds
from toyviz.experiment import Experiment
from toyviz.train import fused

ROUNDS = 5
PEER_SECONDS = 0.5  # a round, at least one step
PACKAGES = ("numpy", "numba", "llvmlite", "torch", "jax", "jaxlib")
NOTE = (
    "ms of processor time a step, one thread. toyviz: mean over the whole quick training; PyTorch (eager) and JAX (jit "
    f"of a scan, without its compiling): median of {ROUNDS} rounds between its parts. Targets are against JAX. floor: "
    "the multiply-adds counted for the method at this machine's measured peak; a ReLU row counts T x n x (3m + 1), so "
    "above 100 % outputs were settled without computing them. JAX's matrix products choose their instructions "
    "themselves: with --lanes 8 on a wider machine they may be faster than on one of AVX2."
)
NO_JAX = (
    "JAX is not installed, so its column is missing: `make bench` installs it, or `pip install -r "
    "requirements-bench.txt` does"
)


class Peer(Protocol):
    """Another way to train the same networks."""

    def advance(self, first: int, last: int) -> object:
        """Take steps first ... last - 1 of each network."""


Start = Callable[[Sequence[Experiment]], Peer]


class Row(NamedTuple):
    """One family: several experiments that are trained side by side, and what is expected of them."""

    name: str
    experiments: Sequence[Experiment]
    target: float | None  # times faster than JAX
    multiply_adds: float  # a step
    in_torch: Start = in_torch.References


def run(as_json: bool = False) -> None:
    """Print the table, or one JSON object on one line; progress goes to stderr."""
    peak, in_jax, measured = floor.peak(), jax_peer(), []
    for row in rows():
        print(f"{row.name} ...", file=sys.stderr, flush=True)
        measured.append(measure(row, peak, in_jax))
    told = machine.about(PACKAGES)
    if as_json:
        print(json.dumps(told | {"peak_multiply_adds_a_second": round(peak), "note": NOTE, "rows": measured}))
    else:
        print(table(measured))
        print(f"\n{NOTE}\n\n{machine.lines(told)}\nPeak: {peak / 1e9:.1f} G multiply-adds a second.")


def jax_peer() -> Start | None:
    """How JAX starts; None, and a sentence on stderr, where it is not installed."""
    try:
        from toyviz.bench import in_jax
    except ImportError:
        print(NO_JAX, file=sys.stderr, flush=True)
        return None
    return in_jax.Trainer


def rows() -> list[Row]:
    """What is measured."""
    known = {name: setting.quick for name, setting in settings.EXPERIMENTS.items()}
    tied, mlp, classes = known["double_descent"], known["mlp"], known["unembedding"]
    relu_mlp, superposition = known["mlp_relu_output"], known["superposition"]
    seven = [superposition.with_(sparsity=sparsity) for sparsity in settings.SPARSITIES]
    every_sample = [
        _fixed(f"tied ReLU output, n=1000, m=2, T={T}", tied.with_(n_samples=T), target, floor.dense)
        for T, target in ((10, 4), (100, 6), (1000, 12), (5000, 40))
    ]
    return [
        *every_sample,
        _fixed("tied ReLU output, m=16, T=1000", tied.with_(n_samples=1000, n_hidden=16), 3.5, floor.dense),
        _fixed("literal MLP, T=1000", mlp.with_(n_samples=1000), None, floor.gram),
        _fixed("MLP with output ReLU, T=1000", relu_mlp.with_(n_samples=1000), None, floor.dense),
        _fixed("unembedding, cross-entropy, T=500", classes.with_(n_samples=500), 4.5, floor.softmax),
        _fixed("unembedding, soft labels, T=500", known["unembedding_soft"].with_(n_samples=500), None, floor.softmax),
        Row("seven sparsities, peers batched", seven, 12, 7 * floor.fresh(seven[0]), in_torch.BatchedEinsum),
        *(
            _fixed(name.replace("_", " "), known[name], target, floor.fish)
            for name, target in (("big_fish", 5), ("small_fish", 1.5), ("reproject", None))
        ),
    ]


def _fixed(name: str, experiment: Experiment, target: float | None, count: Callable[[Experiment], float]) -> Row:
    return Row(name, [experiment], target, count(experiment))


def measure(row: Row, peak: float, in_jax: Start | None) -> dict[str, Any]:
    """The figures of one row; those of JAX are null where it is missing. peak: of floor.peak()."""
    trainers = [fused.Trainer(experiment) for experiment in row.experiments]
    for experiment in row.experiments:
        fused.Trainer(experiment).advance(0, 1)  # compiles
    steps, took = row.experiments[0].steps, 0.0
    starts = {"pytorch": row.in_torch} | ({"jax": in_jax} if in_jax else {})
    peers = {name: _Rounds(start(row.experiments), steps) for name, start in starts.items()}
    for first, last in itertools.pairwise(np.linspace(0, steps, ROUNDS + 1).astype(int)):
        for peer in peers.values():
            peer.measure()
        took += sum(seconds(trainer.advance, first, last) for trainer in trainers)
    ours = 1e3 * took / steps
    theirs = {name: 1e3 * statistics.median(peers[name].seconds) if name in peers else None for name in PEERS}
    return {
        "name": row.name,
        **{f"{name}_ms": value and round(value, 5) for name, value in theirs.items()},
        "toyviz_ms": round(ours, 5),
        **{f"against_{name}": value and round(value / ours, 2) for name, value in theirs.items()},
        "target": row.target,
        "share_of_floor": round(1e3 * row.multiply_adds / peak / ours, 3),
    }


PEERS = ("pytorch", "jax")


class _Rounds:
    """A peer that is measured now and then, each time from where it stopped."""

    def __init__(self, peer: Peer, steps: int) -> None:
        self.peer, self.steps, self.done = peer, steps, 0
        self.seconds: list[float] = []  # a step, of each round
        self.count = 1
        self._go()  # compiles
        self.count = min(max(1, int(PEER_SECONDS / max(seconds(self._go), 1e-6))), max(1, steps // 2))
        self._go()  # JAX compiles anew for another count

    def measure(self) -> None:
        """One round."""
        self.seconds.append(seconds(self._go) / self.count)

    def _go(self) -> None:
        first = self.done % max(1, self.steps - self.count)
        self.peer.advance(first, first + self.count)
        self.done += self.count


def table(measured: Sequence[dict[str, Any]]) -> str:
    """The rows for a reader."""
    heads = ("PyTorch ms", "JAX ms", "toyviz ms", "x PyTorch", "x JAX", "target", "of floor")
    lines = ["".join([f"{'':38}", *(f"{head:>11}" for head in heads)])]
    for row in measured:
        values = [
            *(_shown(row[f"{name}_ms"], ".4g") for name in (*PEERS, "toyviz")),
            *(_shown(row[f"against_{name}"], ".1f") for name in PEERS),
            _shown(row["target"], "g"),
            _shown(row["share_of_floor"], ".0%"),
        ]
        lines.append("".join([f"{row['name']:38}", *(f"{value:>11}" for value in values)]))
    return "\n".join(lines)


def _shown(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)
