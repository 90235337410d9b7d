"""Claims of the MLP block: the privileged basis, double descent, the fish."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toyviz import metrics
from toyviz.claims.claim import Claim, Finding
from toyviz.experiment import Experiment, sweep
from toyviz.result import Result
from toyviz.settings import EXPERIMENTS, NEURON_DENSITIES, STARTS
from toyviz.tables import best_of

QUICK_DENSITIES = (1.0, 0.35, 0.1, 0.01)
ALONE = (0.8, 1.2)  # the weight of a feature that has a neuron for itself

# -- the privileged basis ----------------------------------------------------------------------------------------------


def _starts(size: str, seed: int, densities: Sequence[float]) -> list[Experiment]:
    """One group of starts, each at all of these densities: the seed-th STARTS of them."""
    base: Experiment = getattr(EXPERIMENTS["privileged_basis"], size)
    sparsities = [round(1 - density, 6) for density in densities]
    return sweep(base, seed=range(seed * STARTS, (seed + 1) * STARTS), sparsity=sparsities)


def _best_by_density(results: Sequence[Result]) -> list[dict[float, Result]]:
    """In each group of starts the best network of each density."""
    groups: dict[int, dict[float, list[Result]]] = {}
    for result in results:
        if result.experiment.arch == "relu_hidden" and result.experiment.fresh:
            density = round(result.experiment.feature_probability, 9)
            groups.setdefault(result.experiment.seed // STARTS, {}).setdefault(density, []).append(result)
    return [{density: best_of(found) for density, found in group.items()} for group in groups.values()]


def _most(parts: Sequence[dict[str, bool]]) -> dict[str, bool]:
    """What is so in more than half of the groups."""
    return {name: sum(part[name] for part in parts) > len(parts) / 2 for name in parts[0]}


def dense_neurons_are_monosemantic(results: Sequence[Result]) -> Finding | None:
    """At S = 0 each neuron has exactly one weight |w| > 0.3, close to 1, and together they hold features 0 ... m-1."""
    best = [group[1.0] for group in _best_by_density(results) if 1.0 in group]
    if not best:
        return None
    parts = []
    for result in best:
        largest = np.abs(result.W1).max(axis=1)
        held = sorted(np.abs(result.W1).argmax(axis=1).tolist())
        parts.append(
            {
                "every neuron stands for one feature": bool((metrics.features_of_neurons(result.W1) == 1).all()),
                "its weight is close to 1": bool(((largest > ALONE[0]) & (largest < ALONE[1])).all()),
                "they are the most important ones": held == list(range(result.experiment.n_hidden)),
            }
        )
    clean = sum(all(part.values()) for part in parts)
    features = metrics.features_of_neurons(best[0].W1).tolist()
    return Finding(
        _most(parts), f"the best start has {features} features a neuron; so in {clean} of {len(parts)} groups of starts"
    )


def sparse_neurons_are_polysemantic(results: Sequence[Result]) -> Finding | None:
    """Neurons with several weights |w| > 0.3: more of them the sparser (one fewer is allowed), none at S = 0, all at
    density 0.01; and more superposition in the sparser half of the densities than in the denser."""
    groups = [
        group for group in _best_by_density(results) if len(group) >= 4 and max(group) == 1 and min(group) <= 0.01
    ]
    if not groups:
        return None
    parts, told = [], []
    for group in groups:
        networks = [group[density] for density in sorted(group, reverse=True)]
        several = [int((metrics.features_of_neurons(r.W1) > 1).sum()) for r in networks]
        shared = [_superposition(r.W1) for r in networks]
        half = len(networks) // 2
        parts.append(
            {
                "none where all features are active": several[0] == 0,
                "all neurons at density 0.01": several[-1] == networks[-1].experiment.n_hidden,
                "never two fewer at a sparser one": bool((np.diff(several) >= -1).all()),
                "superposition grows": bool(np.mean(shared[half:]) > np.mean(shared[:half])),
            }
        )
        told.append(several)
    return Finding(
        _most(parts),
        f"polysemantic neurons from dense to sparse: {told[0]}; all so in "
        f"{sum(all(part.values()) for part in parts)} of {len(parts)} groups of starts",
    )


def _superposition(W1: np.ndarray) -> float:
    """Its mean over the features that are represented."""
    columns = W1.T
    return float(metrics.superposition(columns)[metrics.norms(columns) > 0.5].mean())


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "monosemantic_when_dense",
        "Where all features are active, each neuron stands for one of the most important features.",
        (24,),
        "privileged_basis",
        lambda size, seed: _starts(size, seed, (1.0,)),
        dense_neurons_are_monosemantic,
        across_seeds=True,
    ),
    Claim(
        "sparsity_makes_polysemantic",
        "The sparser the features, the more neurons stand for several of them.",
        (25,),
        "privileged_basis",
        lambda size, seed: _starts(size, seed, NEURON_DENSITIES if size == "post" else QUICK_DENSITIES),
        sparse_neurons_are_polysemantic,
        across_seeds=True,
    ),
)
