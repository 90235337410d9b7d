"""Closed forms that training is held against: exact solutions, floors, baselines, plateaus. NumPy only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from toyviz import data
from toyviz.experiment import INITS, Experiment
from toyviz.model import Parameters
from toyviz.schedules import learning_rates

# The dimensions a feature has in the shapes that features take, ||W_i||^2 = 1 and all alike [TMS].
PLATEAUS = {
    "alone": 1.0,
    "tetrahedron": 3 / 4,
    "triangle": 2 / 3,
    "antipodal pair": 1 / 2,
    "pentagon": 2 / 5,
    "square antiprism": 3 / 8,
}

PHASES = ("given up", "in a pair", "alone")  # what can become of a feature where there is one too many


def polygon(X: np.ndarray) -> Parameters:
    """The tied ReLU-output network with m = 2 that stores T samples as a regular T-gon, with loss 0.

    X: (T, n_features), rows of unit length that share no feature. With phi = 2 pi / T, the radius is
    r = 1 / sqrt(1 - cos phi) and b_k = -x_k cos phi / (1 - cos phi), or 1 and 0 for T <= 4. W1 = sum_i h_i X_i'.
    Raises ValueError if two samples share a feature. [TDD]
    """
    if ((X != 0).sum(axis=0) > 1).any():
        raise ValueError("X must have samples that share no feature: the polygon is exact only then")
    size = len(X)
    radius, beta = polygon_radius(size)
    angles = 2 * np.pi * np.arange(size) / size
    hidden = radius * np.stack([np.cos(angles), np.sin(angles)])  # (2, T)
    return {"W1": hidden @ X, "b2": -beta * X.sum(axis=0)}


def polygon_radius(size: int) -> tuple[float, float]:
    """The radius r of the T-gon's hidden vectors, and beta in b_k = -beta x_k: r^2 - beta = 1."""
    cosine = np.cos(2 * np.pi / size)
    if size <= 4:
        return 1.0, 0.0
    return float(1 / np.sqrt(1 - cosine)), float(cosine / (1 - cosine))


POLYGONS = {3: "triangle", 4: "square", 5: "pentagon", 6: "hexagon", 7: "heptagon", 8: "octagon"}
NEAR = 0.01  # a plateau is at a polygon's loss where it is off by at most this share of it


class Stair(NamedTuple):
    """A critical point of the loss on n one-hots with m = 2: a polygon that stores some of them."""

    corners: int
    wasted: int  # of the other features: those that are dead, or share a corner with another
    loss: float

    @property
    def name(self) -> str:
        """ "pentagon", "9-gon"; with "+ 1 wasted" after it where one is."""
        name = POLYGONS.get(self.corners, f"{self.corners}-gon")
        return f"{name} + {self.wasted} wasted" if self.wasted else name


def stair_loss(n: int, corners: int, wasted: int = 0) -> float:
    """The loss of a tied ReLU-output network with m = 2 that stores k of n one-hots as a k-gon and wastes q of the
    others: ((n - k)(n - 1) + q) / n^2, summed over features, mean over the n samples.

    A feature that is no corner has W_i = 0 and says b_i = 1/n, its mean, to whatever input: that costs (n - 1) / n^2,
    its variance. It costs 1/n, its square, where b_i is negative and it is dead. It costs as much where it shares a
    corner: of g features on one each says 1/g to all g inputs, (g - 1)/n together. These are the k-gons with positive
    and negative biases of arXiv 2310.06301, for inputs of one active feature that is always 1. Raises ValueError
    unless 3 <= k and q >= 0 and k + q <= n.
    """
    if corners < 3 or wasted < 0 or corners + wasted > n:
        raise ValueError(
            f"corners must be at least 3, wasted at least 0, and both together at most n = {n}; got {corners} and "
            f"{wasted}"
        )
    return ((n - corners) * (n - 1) + wasted) / n**2


def stairs(n: int) -> list[Stair]:
    """Every polygon that stores some of n one-hots but not all, the highest loss first. No two have one loss."""
    every = [Stair(k, q, stair_loss(n, k, q)) for k in range(3, n) for q in range(n - k + 1)]
    return sorted(every, key=lambda each: -each.loss)


def nearest_stair(n: int, loss: float, within: float) -> Stair | None:
    """The polygon whose loss is nearest, as a ratio; None where none is within this share of its own loss."""
    near = min(stairs(n), key=lambda each: abs(loss / each.loss - 1), default=None)
    return near if near and abs(loss / near.loss - 1) <= within else None


def even_dimensionality(count: int, n_hidden: int) -> float:
    """m / count: the share of each of so many vectors that fill m dimensions evenly; never more than 1."""
    return min(1.0, n_hidden / count)


def rank_floor(targets: np.ndarray, n_hidden: int) -> float:
    """The least MSE of any network whose output is linear in m hidden values: (1/T) sum_{k>m} sigma_k^2(Y - mean).

    targets Y: (T, n_outputs). Summed over outputs, mean over samples. The hidden activation does not matter: the output
    lies in an m-dimensional affine space.
    """
    floors = rank_floors(targets)
    return float(floors[min(n_hidden, len(floors) - 1)])


def rank_floors(targets: np.ndarray) -> np.ndarray:
    """rank_floor for m = 0, 1, ..., min(T, n_outputs), (k + 1,): from the variance down to 0."""
    centred = targets - targets.mean(axis=0, dtype=np.float64)
    smaller = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    squares = np.linalg.eigvalsh(smaller).clip(min=0)  # sigma^2, ascending
    return np.append(np.cumsum(squares)[::-1], 0.0) / len(targets)


def best_constant_loss(targets: np.ndarray, importance: np.ndarray | float = 1.0) -> float:
    """The loss of the best output that ignores its input, sum_i I_i Var(y_i), on these targets (T, n_outputs)."""
    return float((importance * targets.var(axis=0, dtype=np.float64)).sum())


@data.worked_out_once(maxsize=64)
def held_out_baselines(experiment: Experiment) -> dict[str, float]:
    """The test loss of two networks that have learned nothing: "zero" says 0, "constant" says E[x].

    With unit length and equal importance these are 1 and 1 - n mu^2, mu = E[x_i] = the mean over all cells of the
    held-out set, since all features have one distribution. Without unit length E[x] = (1-S)/2 and
    E[x^2] = (1-S)/3, exactly. Raises ValueError for a task without sparse features as its target.
    """
    if not experiment.data_row.drawn or experiment.task_row.target != "features":
        raise ValueError(f"task {experiment.task!r} on data {experiment.data!r} has no such baseline")
    weights = data.importance(experiment).astype(np.float64)
    mean, square = _moments(experiment)
    return {"zero": float(weights.sum() * square), "constant": float(weights.sum() * (square - mean**2))}


def expected_feature(experiment: Experiment) -> float:
    """E[x_i], the same for every feature: (1 - S) / 2, and for samples of unit length the mean over all cells of the
    held-out set. Raises ValueError for data without sparse features."""
    if not experiment.data_row.drawn:
        raise ValueError(f"data {experiment.data!r} has no sparse features")
    return _moments(experiment)[0]


@data.worked_out_once(maxsize=64)
def _moments(experiment: Experiment) -> tuple[float, float]:
    """E[x_i] and E[x_i^2] of sparse features."""
    if not experiment.normalize:
        return experiment.feature_probability / 2, experiment.feature_probability / 3
    held_out = data.held_out_set(experiment)
    assert held_out is not None
    each = [held_out] if isinstance(held_out, data.Samples) else held_out
    moments = [(part.X.mean(dtype=np.float64), (part.X.astype(np.float64) ** 2).mean()) for part in each]
    mean, square = (float(np.mean(values)) for values in zip(*moments, strict=True))  # of parts of one size
    return mean, square


def solutions(importance: np.ndarray, density: float) -> dict[tuple[int, ...], float]:
    """What a bottleneck of m = n - 1 can do with n features, and the loss of each: (i,) gives feature i up, (i, j)
    stores i and j in opposite directions, and the others have a direction each.

    With p = 1 - S, the density: I_i Var(x_i) = I_i (p/3 - p^2/4), and p^2 (I_i + I_j) / 6, since only where both are
    active the smaller is lost, twice, and E[min(x_i, x_j)^2] = 1/6. Columns of length 1, the bias 0 or the mean. [TMS]
    """
    p, n = density, len(importance)
    given_up: dict[tuple[int, ...], float] = {(i,): float(importance[i] * (p / 3 - p**2 / 4)) for i in range(n)}
    pairs: dict[tuple[int, ...], float] = {
        (i, j): float(p**2 * (importance[i] + importance[j]) / 6) for i in range(n) for j in range(i + 1, n)
    }
    return given_up | pairs


def phase(solution: tuple[int, ...], feature: int) -> str:
    """What one of solutions() makes of a feature: one of PHASES."""
    if feature not in solution:
        return "alone"
    return "given up" if len(solution) == 1 else "in a pair"


def uniform_cross_entropy(n_classes: int) -> float:
    """ln n: the cross-entropy of saying that every class is as likely."""
    return float(np.log(n_classes))


def start_bound(experiment: Experiment) -> float:
    """The largest entry that W1 can have where it starts uniform: sqrt(6 / (n + m)) for Xavier, 1 / sqrt(n) for
    nn.Linear. Raises ValueError for a start that has no bound."""
    init = INITS[experiment.init]
    if init.distribution != "uniform" or init.keys:
        raise ValueError(f"init {experiment.init!r} has no bound")
    n, m = experiment.n_inputs, experiment.n_hidden
    return float(np.sqrt(6 / (n + m)) if init.scale == "xavier" else 1 / np.sqrt(n))


def never_active_factor(experiment: Experiment) -> float:
    """prod_t (1 - lr_t weight_decay): what is left at the end of the columns of W1 whose feature is never active.

    Their gradient is zero in an untied network, so AdamW only decays them.
    """
    return float(np.prod(1 - learning_rates(experiment) * experiment.weight_decay))


def never_active_share(experiment: Experiment) -> float:
    """S^T: the expected share of features that are active in none of the T training samples."""
    return experiment.sparsity ** (experiment.n_samples or np.inf)
