"""Claims of the bottleneck: superposition, double descent, limits of reconstruction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toyviz import settings, theory
from toyviz.claims.claim import Claim, Finding
from toyviz.experiment import Experiment, sweep
from toyviz.result import Result
from toyviz.settings import EXPERIMENTS

REPRESENTED = 0.5  # a column of W1 longer than this stands for its feature
MARGIN = 0.003  # a bump must stand out by this much of the loss of saying 0


def _sweep(name: str, size: str, seed: int, **values: Sequence[object]) -> list[Experiment]:
    base: Experiment = getattr(EXPERIMENTS[name], size)
    return sweep(base.with_(seed=seed), **(values or EXPERIMENTS[name].over))


def _by_size(results: Sequence[Result], arch: str) -> dict[int, Result]:
    """The results of a sweep over T, smallest first."""
    fitting = [r for r in results if r.experiment.arch == arch and r.experiment.n_samples is not None]
    return {r.experiment.n_samples or 0: r for r in sorted(fitting, key=lambda r: r.experiment.n_samples or 0)}


def loss_peaks_in_between(results: Sequence[Result]) -> Finding | None:
    """An interior maximum of the test loss over T >= 15, higher than what lies before it, and < the constant after."""
    runs = {T: r for T, r in _by_size(results, "relu_output").items() if T >= 15}
    if len(runs) < 4 or max(runs) < 1000:
        return None
    sizes = list(runs)
    losses = np.array([runs[T].metrics["test_loss"] for T in sizes], dtype=float)
    top = int(losses.argmax())
    constant = theory.held_out_baselines(runs[sizes[0]].experiment.with_(n_samples=1, seed=0))["constant"]
    return Finding(
        {
            "the peak lies inside": 0 < top < len(sizes) - 1,
            "it stands out": bool(losses[top] > losses[: top + 1].min() + MARGIN),
            "the largest T beats the best constant output": bool(losses[-1] < constant),
        },
        f"test loss peaks at T = {sizes[top]} with {losses[top]:.3g} and ends at {losses[-1]:.4f} "
        f"(best constant output {constant:.4f})",
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "double_descent",
        "The test loss of the bottleneck is highest between memorising and generalising.",
        (1, 3, 10),
        "double_descent",
        lambda size, seed: _sweep("double_descent", size, seed, n_samples=settings.SAMPLE_SIZES),
        loss_peaks_in_between,
    ),
)
