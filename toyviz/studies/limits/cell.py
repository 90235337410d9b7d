"""The inside of one cell: what its network does with each feature, over its history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from toyviz import charts, metrics, probe, tables
from toyviz.control import Choice
from toyviz.result import Result
from toyviz.studies import network
from toyviz.studies.shared_texts import NOT_YET, shortened
from toyviz.view import Block, Figure, Text

DRAWN = 64  # features of one network in its pictures: more are too small to see
STAGE = (("overlaps", "curve"), "back")
FAINT = 0.1  # of a column that is hardly there the direction means nothing


class Drawn(NamedTuple):
    """What is drawn of a network: some of its features, over its frames."""

    features: np.ndarray  # (k,) int
    overlaps: np.ndarray  # (f, k, k): W1'W1
    bias: np.ndarray  # (f, k)
    lengths: np.ndarray  # (f, k) of the columns of W1
    superposition: np.ndarray  # (f, k): how much the others lie along each column, at most charts.SHARED
    margins: np.ndarray  # (f, k): output i for the one-hot e_i, less the largest other output

    @property
    def kin(self) -> list[str]:
        """What marks the same feature in the other charts."""
        return [f",{i}," for i in self.features]


def drawn(result: Result) -> Drawn:
    """The features that are drawn, evenly spread. Superposition and margins are over all features."""
    W1 = result.frames["W1"].astype(float)  # (f, m, n)
    n = W1.shape[2]
    b2 = result.frames["b2"].astype(float)  # (f, n)
    kept = np.unique(np.linspace(0, n - 1, min(DRAWN, n)).round().astype(int))
    overlaps, shared, margins = [], [], []
    for frame, bias in zip(W1, b2, strict=True):
        products = frame[:, kept].T @ frame  # (k, n)
        overlaps.append(products[:, kept])
        shared.append(_superposition(products, kept))
        margins.append(_margins(np.maximum(products + bias, 0), kept))
    lengths = np.linalg.norm(W1[:, :, kept], axis=1)
    return Drawn(kept, np.array(overlaps), b2[:, kept], lengths, np.array(shared), np.array(margins))


def _superposition(products: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """metrics.superposition of the columns kept, at most charts.SHARED, from their products with all. (k, n) -> (k,)"""
    squared = products[np.arange(len(kept)), kept]
    along = (products**2).sum(axis=1) / np.maximum(squared, 1e-16)
    return np.clip(along - squared, 0, charts.SHARED)


def _margins(outputs: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """By how much output i is larger than every other where e_i goes in, of the features kept. (k, n) -> (k,)"""
    places = np.arange(len(kept))
    own = outputs[places, kept]
    others = outputs.copy()
    others[places, kept] = 0  # no output is below it
    return own - others.max(axis=1)


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """W1'W1 beside the bias, which features come back, how long the columns are, and the loss, over the history."""
    if network.is_too_large(opened):
        yield from _too_large(opened)
        return
    seen = drawn(opened)
    n = opened.experiment.n_features
    few = f": {len(seen.features)} of {n}" if len(seen.features) < n else ""
    yield Figure("overlaps", _overlaps(seen, f"W1ᵀ W1 and b2{few}"))
    yield Figure("back", _bars(seen, opened.experiment.n_hidden))
    yield network.curve(opened)
    yield Text("network", at_the_end(opened))


def _overlaps(seen: Drawn, title: str) -> charts.Chart:
    """W1'W1 with the bias beside it as one more column, all as squares."""
    panel = network.overlaps(title, seen.overlaps, seen.bias, seen.features, ("i", "j"))
    return charts.matrices([panel], equal=True)


def _bars(seen: Drawn, n_hidden: int) -> charts.Chart:
    """Which one-hots come back, and how long the columns are; one colour for how much directions are shared."""
    names, kin = [str(i) for i in seen.features], seen.kin
    return charts.bars(
        [
            charts.Bars(
                "Output i for one-hot i, less the largest other", seen.margins, seen.superposition, names=names, kin=kin
            ),
            charts.Bars("Length of column i of W1", seen.lengths, seen.superposition, names=names, kin=kin),
        ],
        "Which features come back",
        entries="feature",
        y_title="value",
        shade_title="superposition",
        shade_end=charts.SHARED,
        after=int((seen.features < n_hidden).sum()),
        across=1,
    )


def at_the_end(result: Result) -> str:
    """What the network of this cell came to, in words."""
    e = result.experiment
    which = f"**n = {e.n_features:,}, m = {e.n_hidden}, seed {e.seed}.**"
    if not result.finished:
        return f"{which} {NOT_YET}"
    row, lost = tables.limits([result]).iloc[0], np.flatnonzero(~probe.one_hots_back(result))
    fixed = e.data_row.drawn and not e.fresh
    fitted = f" ({row['train_loss']:.3g} on the training set)" if fixed else ""
    missing = f"; lost are {_listed(lost)}. " if 0 < len(lost) < e.n_features else ". "
    return (
        f"{which} At the end the loss is {row['loss']:.3g}{fitted}, {row['share']:.2g} times that of the best constant "
        f"output. {row['recovered']} of {e.n_features} one-hots come back{missing}{row['stored']} columns of $W_1$ are "
        f"longer than {metrics.REPRESENTED}. A feature comes back where its bar is above 0. A bar is "
        f"{charts.COLOUR_WORDS[charts.BLUE]} where the column has its direction for itself, "
        f"{charts.COLOUR_WORDS[charts.GREEN]} where another lies along it, as in a pair, "
        f"{charts.COLOUR_WORDS[charts.AMBER]} where more do; the dashed line stands after feature $m$."
        f"{shortened(result)}"
    )


def _listed(numbers: np.ndarray) -> str:
    """A few numbers in words: "3, 5, 7 and 20 more"."""
    some = ", ".join(map(str, numbers[:8]))
    return f"{some} and {len(numbers) - 8} more" if len(numbers) > 9 else ", ".join(map(str, numbers))


def _too_large(result: Result) -> Iterator[Block]:
    """What is shown of a network that is too large to be shown while it trains: its loss alone."""
    nothing = np.empty((1, 0))
    none = Drawn(np.empty(0, int), np.empty((1, 0, 0)), nothing, nothing, nothing, nothing)
    yield Figure("overlaps", _overlaps(none, "W1ᵀ W1: too large"))
    yield Figure("back", _bars(none, result.experiment.n_hidden))
    yield from network.loss_alone(result)
