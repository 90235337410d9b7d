"""What is measured on weights and outputs: NumPy in, NumPy out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

STANDS_FOR = 0.3  # a neuron stands for a feature if its weight is larger than this in size
BIG = 0.15  # a feature with at least this much dimensionality stands out
REPRESENTED = 0.5  # a column of W1 longer than this stands for its feature
RING_WIDTH = 0.1  # so far from its radius, as a share of it, a point is on a ring
RING_ON, RING_INSIDE = 0.8, 0.05  # a ring: the outline of a square has 0.61 of its points within the width
RING_GAP = 90.0  # degrees
TINY = 1e-8  # a vector shorter than this has no direction
ONE_CORNER = 0.1  # of the longest column: those nearer to each other than this share a corner
FLAT = 0.005  # so little may the loss of a plateau change, as a ratio
LASTS = 1.25  # a plateau's last step over its first, at least
NOTHING_LEFT = 1e-3  # of the first loss: below it there is nothing left to learn


def norms(vectors: np.ndarray) -> np.ndarray:
    """The length of each row, (n,)."""
    return np.linalg.norm(vectors, axis=1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Each row over its length; rows shorter than 1e-8 become zeros. (n, m)"""
    lengths = norms(vectors)[:, None]
    return np.where(lengths < TINY, 0.0, vectors / np.maximum(lengths, TINY))


def superposition(vectors: np.ndarray) -> np.ndarray:
    """How much the others lie along each row's direction, sum over j != i of (v_i/|v_i| . v_j)^2, (n,) [TMS].

    0: it has its direction for itself. 1: as much as it itself, as for an antipodal pair of unit vectors.
    """
    return np.maximum(_shared(vectors) - norms(vectors) ** 2, 0)


def dimensionality(vectors: np.ndarray) -> np.ndarray:
    """The share of a dimension that each row has to itself, D_i = |v_i|^2 / sum_j (v_i/|v_i| . v_j)^2, (n,).

    In O(n m^2) through M = V'V; 0 for a row shorter than 1e-8. Sums to at most the rank. [TMS, TDD]
    """
    shared = _shared(vectors)
    squared = norms(vectors) ** 2
    return np.where(squared < TINY**2, 0.0, squared / np.maximum(shared, TINY**2))


def data_dimensionality(hidden: np.ndarray) -> tuple[float, float]:
    """max_i D_X,i and their mean over the training set, with D_X,i = |h_i|^2 / sum_j (h_i/|h_i| . h_j)^2.

    hidden: the hidden vectors of the samples, (T, m). A regular T-gon has m / T twice; one sample that is far longer
    than all others has nearly 1. The post names a maximum data dimensionality and does not define it: this is ours.
    """
    shares = dimensionality(hidden)
    return float(shares.max()), float(shares.mean())


def cosines(vectors: np.ndarray) -> np.ndarray:
    """The cosine similarity of every pair of rows, (n, n)."""
    directions = unit(vectors.astype(np.float64))
    return directions @ directions.T


def group_cosines(vectors: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The cosines of every two rows that are longer than REPRESENTED: of those with one i // size, and of the others.

    vectors: (n, m); both answers are flat, and empty where there is no such pair.
    """
    stored = np.flatnonzero(norms(vectors) > REPRESENTED)
    i, j = np.triu_indices(len(stored), 1)
    found, alike = cosines(vectors[stored])[i, j], stored[i] // size == stored[j] // size
    return found[alike], found[~alike]


def squareness(points: np.ndarray) -> float:
    """Q95(|p|_2) / Q95(|p|_inf): a filled axis-aligned square 1.23, its outline 1.38, a Gaussian 1.10, a disc 1.06, a
    circle 1.00. points: (n, 2)."""
    return float(np.quantile(norms(points), 0.95) / np.quantile(np.abs(points).max(axis=1), 0.95))


def on_border(points: np.ndarray) -> float:
    """The share of points whose largest entry is within a tenth of Q95(|p|_inf): the outline of an axis-aligned square
    1, a filled one 1 - 0.95 x 0.9^2 = 0.23. points: (n, 2)."""
    largest = np.abs(points).max(axis=1)
    return float((largest >= 0.9 * np.quantile(largest, 0.95)).mean())


def petals(points: np.ndarray) -> float:
    """How much further the points reach along the diagonals than along the axes: the mean length within 15 degrees of
    a diagonal over that within 15 degrees of an axis; a ring or a disc 1, a four-petalled rose more. points: (n, 2).
    NaN where one of the sectors is empty."""
    beyond_axis = np.degrees(np.arctan2(points[:, 1], points[:, 0])) % 90
    diagonal, axis = np.abs(beyond_axis - 45) <= 15, np.abs(beyond_axis - 45) >= 30
    if not diagonal.any() or not axis.any():
        return float("nan")
    return float(norms(points[diagonal]).mean() / norms(points[axis]).mean())


class Ring(NamedTuple):
    """How far points are a ring about the origin."""

    radius: float  # the median length of the points
    on: float  # the share of points whose length is within a tenth of it
    inside: float  # the share of points in the middle, below half of it
    gap: float  # the widest angle between neighbours, in degrees: a ring goes all the way round

    @property
    def is_one(self) -> bool:
        """Whether at least four fifths lie on it, at most a twentieth in the middle, and no quarter of it is empty."""
        return self.on >= RING_ON and self.inside <= RING_INSIDE and self.gap <= RING_GAP


def ring(points: np.ndarray) -> Ring:
    """The ring that the points would lie on: r = median |p|, the share with 0.9 r <= |p| <= 1.1 r, that with
    |p| < r / 2, and the widest angle between neighbours.

    A circle 1 and 0, a disc 0.20 and 0.12, a Gaussian 0.14 and 0.16, the outline of a square 0.61 and 0, a filled one
    0.20 and 0.13. points: (k, 2). Raises ValueError without any; nothing is on a ring whose radius is below 1e-8.
    """
    if not len(points):
        raise ValueError("points must have at least one row; got none")
    lengths = norms(points.astype(np.float64))
    radius = float(np.median(lengths))
    if radius < TINY:
        return Ring(radius, 0.0, 1.0, 360.0)
    within = np.abs(lengths / radius - 1) <= RING_WIDTH
    angles = np.sort(np.degrees(np.arctan2(points[:, 1], points[:, 0])))
    gap = np.diff(angles, append=angles[0] + 360).max()
    return Ring(radius, float(within.mean()), float((lengths < radius / 2).mean()), float(gap))


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """The points, (n, 2), turned about the origin."""
    angle = np.radians(degrees)
    return points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def features_of_neurons(W1: np.ndarray) -> np.ndarray:
    """How many features each neuron stands for: the weights in its row with |w| > STANDS_FOR, (m,). W1: (m, n)."""
    return (np.abs(W1) > STANDS_FOR).sum(axis=1)


def neuron_order(W1: np.ndarray) -> np.ndarray:
    """The neurons by the number of their largest feature, (m,): the first is that of the lowest. W1: (m, n)."""
    return np.argsort(np.abs(W1).argmax(axis=1), kind="stable")


def mse(output: np.ndarray, targets: np.ndarray, importance: np.ndarray | float = 1.0) -> np.ndarray:
    """Sum over outputs of I_i (y_i - y'_i)^2, one for each sample, (n_samples,)."""
    return (importance * (output - targets) ** 2).sum(axis=1)


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """-sum_i y_i log softmax(z)_i, one for each sample, (n_samples,)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return -(targets * (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))).sum(axis=1)


def softmax(logits: np.ndarray) -> np.ndarray:
    """The probability of each class, exp(z_c) / sum exp(z), along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def lead(output: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The output where the target is largest minus the largest other output, one for each sample, (n_samples,).

    A single output has no other: infinity.
    """
    rows, correct = np.arange(len(output)), targets.argmax(axis=1)
    others = output.copy()
    others[rows, correct] = -np.inf
    return output[rows, correct] - others.max(axis=1)


def right(output: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Is the largest output that of the largest target? (n_samples,) bool. A tie for the largest output is wrong."""
    return lead(output, targets) > 0


class Plateau(NamedTuple):
    """A stretch of a loss curve that is nearly flat: the places of its ends in the curve, and its median loss."""

    first: int
    last: int
    loss: float


def plateaus(steps: np.ndarray, losses: np.ndarray) -> list[Plateau]:
    """The stretches in which max(loss) / min(loss) <= 1 + FLAT while the steps grow by a factor of LASTS or more.

    steps: (k,) int, ascending from 1; losses: (k,). The longest in log(step) comes first, then those before and after
    it; told in the order of the steps. Before the loss has fallen from its start there is none, and none once it is
    below NOTHING_LEFT of its start.
    """
    losses = np.asarray(losses, dtype=np.float64)
    if not len(losses) or losses[0] <= 0:
        return []
    fallen, gone = losses < losses[0] / (1 + FLAT), losses < NOTHING_LEFT * losses[0]
    begin = int(fallen.argmax()) if fallen.any() else len(losses)
    end = int(gone.argmax()) if gone.any() else len(losses)
    return _flat(np.asarray(steps), losses, begin, end)


def _flat(steps: np.ndarray, losses: np.ndarray, begin: int, end: int) -> list[Plateau]:
    """The plateaus within losses[begin:end]."""
    best, longest = None, LASTS
    for first in range(begin, end):
        part = losses[first:end]
        steep = np.maximum.accumulate(part) > (1 + FLAT) * np.minimum.accumulate(part)
        last = first + (int(steep.argmax()) if steep.any() else len(part)) - 1
        if steps[last] / steps[first] >= longest and np.isfinite(losses[first]):
            best, longest = (first, last), steps[last] / steps[first]
    if best is None:
        return []
    first, last = best
    here = Plateau(first, last, float(np.median(losses[first : last + 1])))
    return [*_flat(steps, losses, begin, first), here, *_flat(steps, losses, last + 1, end)]


def stored_corners(W1: np.ndarray, b2: np.ndarray) -> int:
    """How many corners the polygon has in which a tied network with m = 2 stores one-hots: those of the convex hull of
    the columns of W1, (2, n), without features that are dead, max_j(ReLU(W1'W1 + b2)_ij) = 0. Columns nearer to each
    other than ONE_CORNER of the longest are one. b2: (n,).
    """
    answers = (W1.T @ W1 + b2[:, None]).max(axis=1) > 0
    columns = W1.T[answers]
    kept: list[np.ndarray] = []
    for column in columns:
        if all(np.linalg.norm(column - other) > ONE_CORNER * norms(columns).max() for other in kept):
            kept.append(column)
    return hull_corners(np.array(kept)) if len(kept) > 2 else len(kept)


def hull_corners(points: np.ndarray) -> int:
    """How many of these points, (k, 2), are corners of their convex hull: monotone chain."""
    order = points[np.lexsort((points[:, 1], points[:, 0]))].astype(float)

    def chain(path: np.ndarray) -> int:
        kept: list[np.ndarray] = []
        for point in path:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], point) <= 0:
                kept.pop()
            kept.append(point)
        return len(kept) - 1

    return chain(order) + chain(order[::-1])


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """Positive for a turn to the left."""
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _shared(vectors: np.ndarray) -> np.ndarray:
    """sum over j of (v_i/|v_i| . v_j)^2, i included, (n,)."""
    vectors = vectors.astype(np.float64)
    directions = unit(vectors)
    return ((directions @ (vectors.T @ vectors)) * directions).sum(axis=1)
