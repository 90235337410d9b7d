"""What the views of this page show of one network over its history: overlaps, lengths, columns, loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from toyviz import charts, metrics
from toyviz.result import Result
from toyviz.studies import groups_of_features, network
from toyviz.studies import shared_controls as shared
from toyviz.studies.superposition.controls import label
from toyviz.view import Block, Figure, Text

DRAWN, GROUPED = 40, 60  # features that are drawn, at most: the longest; and where they are grouped
OVERLAPS = "W1ᵀ W1 and b2"
STAGE = (("overlaps", "columns"), ("lengths", "curve"))  # of one network
SCALES = (
    "Cells: the overlap of every two features, $W_1^\\top W_1$, and at the right the bias $b_2$, "
    f"{charts.COLOUR_WORDS[charts.BLUE]} where negative, {charts.COLOUR_WORDS[charts.VERMILLION]} where positive; what "
    f"is beyond ±{charts.OVERLAP:g} has the colour of the end. Bars: the length of each feature's column of W1; the "
    "dashed line stands after feature $m$. Their colour is the superposition, from "
    f"{charts.COLOUR_WORDS[charts.BLUE]}, 0, alone, by {charts.COLOUR_WORDS[charts.GREEN]}, {charts.SHARED / 2:g}, as "
    f"in a pair, to {charts.COLOUR_WORDS[charts.AMBER]}, {charts.SHARED:g} and more, in a crowd."
)


def opened(result: Result) -> Iterator[Block]:
    """Overlaps and bias, the columns where there is a plane to draw them in, lengths, loss."""
    if network.is_too_large(result):
        yield from network.loss_alone(result)
        return
    yield overlaps({OVERLAPS: result})
    if result.experiment.n_hidden == 2:
        yield network.columns(result)
    yield lengths({"": result})
    yield network.curve(result)


def overlaps(results: Mapping[str, Result], title: str = "", grouped: bool = False) -> Figure:
    """W1'W1 with the bias as one more column at the right, a panel a network; of many features the longest.

    grouped: the features of a trained network stand beside the one that they overlap most with.
    """
    panels = []
    for name, result in results.items():
        W1 = result.frames["W1"]
        chosen = network.longest(W1, GROUPED if grouped else DRAWN)
        if grouped and result.finished:
            chosen = _side_by_side(W1[-1], chosen)
        few = W1[:, :, chosen]  # (f, m, k)
        of = "" if len(chosen) == W1.shape[2] else f", {len(chosen)} of {W1.shape[2]:,} features"
        products, bias = np.swapaxes(few, 1, 2) @ few, result.frames["b2"][:, chosen]
        matrix = network.overlaps(f"{name}{of}", products, bias, chosen, ("feature", "with feature"))
        blocks = [(first, last, first, last) for first, last in groups_of_features.runs(result.experiment, chosen)]
        panels.append(matrix._replace(blocks=blocks))
    chart = charts.matrices(panels, title, largest=charts.OVERLAP, equal=True, show_names=True)
    return Figure("overlaps", chart)


def lengths(results: Mapping[str, Result], title: str = "Lengths of columns") -> Figure:
    """The length of each feature's column, coloured by its superposition, a panel a network; of many the longest."""
    panels = []
    for name, result in results.items():
        W1 = result.frames["W1"]
        chosen = network.longest(W1, DRAWN)
        shared = np.array([metrics.superposition(frame.T)[chosen] for frame in W1])  # (f, k)
        panels.append(
            charts.Bars(
                name,
                np.linalg.norm(W1[:, :, chosen], axis=1),
                shade=shared,
                names=[str(feature) for feature in chosen],
                kin=[f",{feature}," for feature in chosen],
            )
        )
    first = next(iter(results.values())).experiment
    chart = charts.bars(
        panels,
        title,
        entries="feature",
        y_title="length",
        shade_title="superposition",
        shade_end=charts.SHARED,
        after=first.n_hidden if 0 < first.n_hidden < min(first.n_features, DRAWN) else None,
        low=0.0,
        faint_below=0.1,
    )
    return Figure("lengths", chart)


def portrait(label: str, about: Mapping[str, Any], result: Result | None, row: str = "") -> charts.Portrait:
    """The best network of a setting as one of several small pictures; None: none is trained yet. A click opens it."""
    about = {**about, "seed": shared.BEST}
    if result is None:
        return charts.Portrait(label, about, row=row)
    loss = result.metrics["test_loss"]
    told = f"seed {result.experiment.seed}{'' if loss is None else f', test loss {loss:.4g}'}"
    return charts.Portrait(label, about, result.W1, result.b2, told, row)


def stored(result: Result) -> int:
    """How many features have a column that is longer than metrics.REPRESENTED."""
    return int((metrics.norms(result.W1.T) > metrics.REPRESENTED).sum())


def outcome(result: Result) -> str:
    """What a network came to, in a sentence."""
    e, loss = result.experiment, result.metrics.get("test_loss")
    if loss is None:
        return f"**{label(e.density)}, seed {e.seed}**, not trained to the end yet."
    return (
        f"**{label(e.density)}, seed {e.seed}**, {stored(result)} of {e.n_features:,} features stored, test loss "
        f"{loss:.4g}."
    )


def compared(result: Result, group: Sequence[Result]) -> Text:
    """What the opened network came to, and what the other seeds did."""
    loss = result.metrics.get("test_loss")
    losses = [r.metrics["test_loss"] for r in group if r.experiment != result.experiment]
    others = sorted(other for other in losses if other is not None)
    if loss is None or not others:
        return Text("opened", outcome(result))
    better = sum(other < loss for other in others)
    place = "the best" if better == 0 else f"number {better + 1}"
    rest = ", ".join(f"{other:.4g}" for other in others)
    return Text("opened", f"{outcome(result)[:-1]}, {place} of {len(others) + 1}; the others have {rest}.")


def _side_by_side(W1: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """These features so that each is followed by the one, of those that are left, that it overlaps most with."""
    overlap = np.abs(W1[:, chosen].T @ W1[:, chosen])  # (k, k)
    order, left = [0], set(range(1, len(chosen)))
    while left:
        order.append(max(left, key=lambda other: (overlap[order[-1], other], -other)))
        left.remove(order[-1])
    found: np.ndarray = chosen[order]
    return found
