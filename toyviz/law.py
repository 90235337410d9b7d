"""Laws for how many features come back, fitted to measured cells and judged on cells that the fit has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toyviz import data

STEPS = 100  # of a fit at most
LEAST = 0.5  # what a cell where nothing comes back counts as: its logarithm is none
MARK = 1.15  # a law fits if it is off by at most this factor: two networks that differ in their seed alone are off by
# 1.08 to 1.15 (seeds 10 to 13, 144 cells in all)
SIDES = ("n_hidden", "n_features", "density")  # in what cells are near each other, on logarithmic scales

Terms = Callable[[pd.DataFrame], np.ndarray]


@dataclass(frozen=True)
class Law:
    """recovered = ceiling(n, y), with log y = known + terms . coefficients."""

    formula: str  # of y, as LaTeX
    known: Terms  # (cells,): what is not fitted
    terms: Terms  # (cells, coefficients)
    smooth: bool = False  # the ceiling: n (1 - exp(-y / n)) instead of min(n, y)
    by_importance: bool = False  # its own coefficients for decreasing importance, and for uniform

    def columns(self, cells: pd.DataFrame) -> np.ndarray:
        """What the coefficients multiply, (cells, coefficients)."""
        terms = self.terms(cells)
        if not self.by_importance:
            return terms
        fading = cells["decreasing"].to_numpy(bool)[:, None]
        return np.concatenate([np.where(fading, terms, 0), np.where(fading, 0, terms)], axis=1)

    def predict(self, cells: pd.DataFrame, coefficients: np.ndarray) -> np.ndarray:
        """How many features come back in each cell, (cells,)."""
        n = cells["n_features"].to_numpy(float)
        return self.below(n, self.known(cells) + self.columns(cells) @ coefficients)

    def below(self, n: np.ndarray, log_y: np.ndarray) -> np.ndarray:
        """The ceiling at n of exp(log_y), at least LEAST."""
        y = np.exp(np.clip(log_y, -20, 20))
        return np.maximum(-n * np.expm1(-y / n) if self.smooth else np.minimum(n, y), LEAST)


def _log(cells: pd.DataFrame, *names: str) -> np.ndarray:
    """1 and the logarithms of these columns, (cells, 1 + names)."""
    return np.stack([np.ones(len(cells)), *(np.log(cells[name].to_numpy(float)) for name in names)], axis=1)


def _log_m(cells: pd.DataFrame) -> np.ndarray:
    return np.log(cells["n_hidden"].to_numpy(float))


def _room(cells: pd.DataFrame) -> np.ndarray:
    """log m / (p (1 + log 1/p)): how many sparse features compressed sensing fits into m numbers, but for a factor."""
    p = cells["density"].to_numpy(float)
    return _log_m(cells) - np.log(p * (1 - np.log(p)))


def _nothing(cells: pd.DataFrame) -> np.ndarray:
    return np.zeros(len(cells))


_POWERS = "c\\, m^a\\, n^b\\, p^{-d}"
LAWS: dict[str, Law] = {
    "as many as hidden values": Law("c\\, m", _log_m, _log),
    "compressed sensing": Law("\\frac{c\\, m}{p\\,(1 + \\ln 1/p)}", _room, _log),
    "hidden values and density": Law("c\\, m\\, p^{-d}", _log_m, lambda cells: _log(cells, "density")),
    "powers of all three": Law(_POWERS, _nothing, lambda cells: _log(cells, *SIDES)),
    "powers, for each importance": Law(_POWERS, _nothing, lambda cells: _log(cells, *SIDES), by_importance=True),
    "powers, for each, soft ceiling": Law(
        _POWERS, _nothing, lambda cells: _log(cells, *SIDES), smooth=True, by_importance=True
    ),
}
BASELINES = ("the mean", "the nearest cell")
LEFT_OUT = {  # how cells are kept from the fit, all of one kind at a time
    "a fifth of the cells": None,
    "all of one n": "n_features",
    "all of one m": "n_hidden",
    "all of one density": "density",
}


def fit(law: Law, cells: pd.DataFrame) -> np.ndarray:
    """The coefficients with the least mean square of log(measured / predicted), by Levenberg and Marquardt's method.

    cells: columns n_features, n_hidden, density, decreasing, recovered. Starts from the straight line through the
    cells that are not at their ceiling.
    """
    columns, known, wanted = law.columns(cells), law.known(cells), _log_measured(cells)
    n = cells["n_features"].to_numpy(float)

    def residual(coefficients: np.ndarray) -> np.ndarray:
        return wanted - np.log(law.below(n, known + columns @ coefficients))

    below = (cells["recovered"] < cells["n_features"]).to_numpy()
    start = below if below.sum() > columns.shape[1] else np.ones(len(cells), bool)
    best = np.linalg.lstsq(columns[start], (wanted - known)[start], rcond=None)[0]
    error, damping, small = float((residual(best) ** 2).sum()), 1e-3, 1e-4 * np.eye(columns.shape[1])
    for _ in range(STEPS):
        slopes = np.stack([(residual(best - step) - residual(best + step)) / 2e-4 for step in small], axis=1)
        normal = slopes.T @ slopes
        damped = normal + damping * np.diag(np.diag(normal)) + 1e-9 * np.eye(len(best))
        tried = best + np.linalg.solve(damped, slopes.T @ residual(best))
        reached = float((residual(tried) ** 2).sum())
        if reached < error:
            done = error - reached < 1e-9 * error
            best, error, damping = tried, reached, damping / 3
            if done:
                break
        elif damping > 1e6:
            break
        else:
            damping *= 4
    return best


def folds(cells: pd.DataFrame, left_out: str) -> Iterator[tuple[object, np.ndarray]]:
    """What is kept from the fit, and which cells these are, (cells,) bool: together all cells, each once.

    left_out: one of LEFT_OUT. Single cells are drawn from a stream of their own, the same for each size of the frame.
    """
    column = LEFT_OUT[left_out]
    if column is None:
        parts = data.stream(0, "folds").permutation(len(cells)) % 5
        yield from ((part, parts == part) for part in range(5))
        return
    for value in sorted(cells[column].unique()):
        yield value, (cells[column] == value).to_numpy()


def unseen(name: str, cells: pd.DataFrame, left_out: str) -> np.ndarray:
    """What a law, or one of BASELINES, predicts for each cell from the others alone, (cells,)."""
    found = np.full(len(cells), np.nan)
    for _, out in folds(cells, left_out):
        if out.all():
            raise ValueError(f"cells of at least two kinds are needed to leave out {left_out}")
        found[out] = predicted(name, cells[~out], cells[out])
    return found


def factor(measured: np.ndarray, predicted: np.ndarray) -> float:
    """exp of the mean of |log(measured / predicted)|: by what factor a prediction is off; 1 is exact."""
    return float(np.exp(np.abs(np.log(np.maximum(measured, LEAST) / predicted)).mean()))


def verdict(found: pd.DataFrame) -> str:
    """One sentence on whether a law fits: off by at most MARK on unseen cells, however these are left out.

    found: one row a law or baseline, by name, and one column for each of LEFT_OUT: the factor by which it is off.
    """
    laws, nearest = found.loc[list(LAWS)], found.loc["the nearest cell"]
    best = laws.mean(axis=1).idxmin()
    off = laws.loc[best]
    worst = off.idxmax()
    better = [left_out for left_out in off.index if nearest[left_out] < off[left_out]]
    told = f"on cells it has not seen, \u201c{best}\u201d is off by a factor of {off.min():.2f} to {off.max():.2f}"
    told += f", most where {worst} is left out"
    if off.max() <= MARK:
        return f"A simple law fits: {told}; another seed is off by up to {MARK}."
    told += f", where another seed alone is off by up to {MARK}"
    if better:
        both = ", ".join(f"{nearest[each]:.2f} against {off[each]:.2f} where {each} is left out" for each in better)
        told += f". Taking over the nearest cell is better in places: {both}"
    return f"No simple law fits: {told}."


def predicted(name: str, seen: pd.DataFrame, cells: pd.DataFrame) -> np.ndarray:
    """What a law, or one of BASELINES, makes of these cells after seeing others, (cells,)."""
    n = cells["n_features"].to_numpy(float)
    if name in LAWS:
        return LAWS[name].predict(cells, fit(LAWS[name], seen))
    if name == "the mean":
        return np.minimum(n, np.exp(_log_measured(seen).mean()))
    return np.minimum(n, _nearest(seen, cells))


def _nearest(seen: pd.DataFrame, cells: pd.DataFrame) -> np.ndarray:
    """What was measured in the seen cell of the same importance that is nearest; the geometric mean of equally near."""
    there, here = _log(seen, *SIDES)[:, 1:], _log(cells, *SIDES)[:, 1:]
    width = np.log([2.0, 2.0, 10.0])  # a step of the grid along each side
    distances = (((here[:, None] - there) / width) ** 2).sum(axis=2)  # (cells, seen)
    other = cells["decreasing"].to_numpy(bool)[:, None] != seen["decreasing"].to_numpy(bool)
    distances = distances + np.where(other, 1e6, 0.0)
    near = distances <= distances.min(axis=1, keepdims=True) + 1e-9
    return np.exp((near * _log_measured(seen)).sum(axis=1) / near.sum(axis=1))


def _log_measured(cells: pd.DataFrame) -> np.ndarray:
    return np.log(np.maximum(cells["recovered"].to_numpy(float), LEAST))
