"""Claims of the MLP block: big fish, small fish, re-projector."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from toyviz import data, tables
from toyviz.claims.claim import Claim, Finding
from toyviz.experiment import Experiment
from toyviz.result import Result
from toyviz.settings import FISH, fish

BIG, SMALL, AGAIN = FISH
# F: (the B, the H) of the evidence. The wide ones cost most, so there are two B each: few numbers, and many.
GRIDS = {256: ((16, 128), (4, 8, 16, 32, 64, 128, 256)), 64: ((16, 64), (4, 8, 16, 32, 64, 128))}
# The thresholds are those that were set before anything was trained; seed 10 was looked at, and none was moved.
NARROW = 16  # below this B two features can look alike
TIMES = 3.0  # how much more the hidden size must matter than the bottleneck
NEARLY_ALL = 0.9  # of the features
MOST = 0.8  # of the cells
ALIKE = 0.8  # Spearman's correlation of two maps

Grids = dict[int, pd.DataFrame]


def _evidence(recipe: str, seed: int) -> list[Experiment]:
    """The three fish of one seed for two F; all six claims share them."""
    return [
        experiment
        for F, (embeds, hidden) in GRIDS.items()
        for experiment in fish(recipe, seed=[seed], n_features=[F], n_embed=embeds, n_hidden=hidden)
    ]


def _grids(results: Sequence[Result], tasks: Sequence[str]) -> Grids:
    """For each F the cells for which all these fish are there: n_embed and n_hidden as index, (value, task) as columns.

    A grid needs two B of at least NARROW and four H.
    """
    table = tables.fish(result for result in results if result.experiment.task in tasks)
    found = {}
    for F, rows in table.groupby("n_features"):
        grid = rows.pivot_table(index=["n_embed", "n_hidden"], columns="task", values=["share", "accuracy"]).dropna()
        embeds, hidden = (grid.index.unique(name) for name in ("n_embed", "n_hidden"))
        if len(grid.columns) == 2 * len(tasks) and sum(embeds >= NARROW) >= 2 and len(hidden) >= 4:
            found[int(str(F))] = grid
    return found


def _on_grids(tasks: Sequence[str], check: Callable[[Grids], Finding | None]) -> Callable[..., Finding | None]:
    """The check of what these fish did; none where there are not enough of them."""

    def checked(results: Sequence[Result]) -> Finding | None:
        grids = _grids(results, tasks)
        return check(grids) if grids else None

    return checked


def has_full_rank(results: Sequence[Result]) -> Finding | None:
    """rank E = min(F, B), and of E' too, for every F and B among the networks."""
    every = {(e.n_features, e.n_embed): e for e in (r.experiment for r in results) if e.task_row.embedded}
    if not every:
        return None
    full, smallest = [], {}
    for (F, B), experiment in sorted(every.items()):
        for E in (data.embedding(experiment), data.target_embedding(experiment)):
            values = np.linalg.svd(E.astype(np.float64), compute_uv=False)
            full.append(int(np.linalg.matrix_rank(E)) == min(E.shape))
            smallest[F, B] = values[-1] / values[0]
    (F, B), least = min(smallest.items(), key=lambda item: item[1])
    return Finding(
        {"every E and E' has the rank min(F, B)": all(full)},
        f"{sum(full)} of {len(full)} matrices have it; the smallest singular value is at least {least:.2g} of the "
        f"largest (F = {F}, B = {B})",
    )


def hidden_size_decides(grids: Grids) -> Finding | None:
    """The big fish over B >= NARROW: the means over B differ from one H to another at least TIMES as much as the means
    over H do from one B to another; of the error over the variance, of its logarithm, and of the accuracy."""
    least: dict[str, tuple[float, str]] = {}
    for F, grid in grids.items():
        wide = grid[grid.index.get_level_values("n_embed") >= NARROW]
        error, accuracy = wide["share", BIG], wide["accuracy", BIG]
        for name, values in (("error", error), ("log error", np.log10(error)), ("accuracy", accuracy)):
            by_hidden, by_embed = (np.ptp(values.groupby(side).mean()) for side in ("n_hidden", "n_embed"))
            measured = f"{name} {by_hidden:.2g} against {by_embed:.2g} (F = {F})"
            least[name] = min(least.get(name, (np.inf, "")), (by_hidden / max(by_embed, 1e-12), measured))
    return Finding(
        {f"{name}: {TIMES:g} times as much": ratio >= TIMES for name, (ratio, _) in least.items()},
        "range over H against range over B: " + ", ".join(measured for _, measured in least.values()),
    )


def a_neuron_for_each_feature(grids: Grids) -> Finding | None:
    """The big fish with B >= NARROW: at H = F nearly all features come back for every B, at H <= F/2 for no B."""
    measured, enough, few = [], [], []
    for F, grid in grids.items():
        accuracy = grid["accuracy", BIG][grid.index.get_level_values("n_embed") >= NARROW]
        hidden = accuracy.index.get_level_values("n_hidden")
        half = accuracy[hidden <= F / 2]
        if F not in hidden or half.empty:
            continue
        enough.append(float(accuracy[hidden == F].min()))
        few.append(float(half.max()))
        measured.append(f"F = {F}: at least {enough[-1]:.0%} at H = F, at most {few[-1]:.0%} at H up to F/2")
    if not measured:
        return None
    return Finding(
        {
            f"{NEARLY_ALL:.0%} of the features at H = F": min(enough) >= NEARLY_ALL,
            "less with half as many neurons": max(few) < NEARLY_ALL,
        },
        "; ".join(measured),
    )


def recovers_more(grids: Grids) -> Finding | None:
    """Small fish against big fish, cell by cell: a lower error over the variance, and a higher accuracy, in MOST."""
    cells = pd.concat(grids.values())
    lower = cells["share", SMALL] < cells["share", BIG]
    higher = cells["accuracy", SMALL] > cells["accuracy", BIG]
    few = cells.index.get_level_values("n_hidden") < np.concatenate([np.full(len(g), F / 2) for F, g in grids.items()])
    return Finding(
        {
            f"a lower error in {MOST:.0%} of the cells": bool(lower.mean() >= MOST),
            f"a higher accuracy in {MOST:.0%} of the cells": bool(higher.mean() >= MOST),
        },
        f"a lower error in {lower.sum()} of {len(cells)} cells, a higher accuracy in {higher.sum()}, "
        f"{higher[few].sum()} of {few.sum()} where H < F/2",
    )


def is_not_perfect(grids: Grids) -> Finding | None:
    """Small fish with H < B: not every feature comes back, in any cell."""
    cells = pd.concat(grids.values())["accuracy", SMALL]
    embeds, hidden = (cells.index.get_level_values(name) for name in ("n_embed", "n_hidden"))
    few, enough = cells[hidden < embeds], cells[hidden >= embeds]
    if few.empty:
        return None
    rest = f"; with H >= B all of them do in {(enough == 1).sum()} of {len(enough)} cells" if len(enough) else ""
    return Finding(
        {"not all come back for H < B": bool((few < 1).all())},
        f"with H < B between {few.min():.0%} and {few.max():.0%} of the features come back in {len(few)} cells{rest}",
    )


def alike(grids: Grids) -> Finding | None:
    """Re-projector against big fish: the errors over the variance rank the cells alike, Spearman >= ALIKE for every F,
    and the accuracies are closer to each other than those of small and big fish."""
    ranks = {F: grid["share"].rank()[AGAIN].corr(grid["share"].rank()[BIG]) for F, grid in grids.items()}
    accuracy = pd.concat(grids.values())["accuracy"]
    apart = float((accuracy[AGAIN] - accuracy[BIG]).abs().mean())
    others = float((accuracy[SMALL] - accuracy[BIG]).abs().mean())
    full = pd.concat([grid["accuracy"][grid.index.get_level_values("n_hidden") == F] for F, grid in grids.items()])
    at_full = f"; at H = F {full[AGAIN].mean():.0%} against {full[BIG].mean():.0%}" if len(full) else ""
    return Finding(
        {
            "the errors rank alike": min(ranks.values()) >= ALIKE,
            "the accuracies are closer than the small fish's": apart < others,
        },
        f"Spearman {', '.join(f'{rank:.2f} (F = {F})' for F, rank in ranks.items())}; accuracies differ by {apart:.2f} "
        f"on average, by {others:.2f} between small and big fish{at_full}",
    )


NEAR_TIES = (
    "By the error it does, everywhere. The accuracy is another matter, since it asks which output is the largest. "
    "Where both have enough neurons the big fish names one feature out of F, 1 against 0, and hardly errs; of the "
    "small fish's B targets, which are Gaussian, the two largest can be nearly the same. The features that it loses "
    "there are such: their two largest targets differ by less than 0.06, where 0.35 is usual. And with very few "
    "neurons neither is far from chance."
)
NARROW_MATTERS = (
    f"The post says that the bottleneck hardly matters; this leaves out B < {NARROW}, where it does, since so few "
    "numbers make two features look alike. With F = H = 256 (quick recipe, seed 0) the error over the variance is 0.57 "
    "at B = 8, 0.29 at 32, 0.16 at 64 and 0.07 at 128, and 79 % of the features come back at B = 8, 98 % and more "
    "beyond."
)
_PAGE = "fish"
# Their starts are PyTorch's own in each recipe, and what they come to is asked for, and so not plain-early.
RECIPES = ("quick", "paper", "plain")  # the notebook is of the networks over T
CLAIMS: tuple[Claim, ...] = (
    Claim(
        "projection_has_full_rank",
        "A random Gaussian projection has full rank: no dimension of the bottleneck is lost.",
        (34,),
        _PAGE,
        _evidence,
        has_full_rank,
        recipes=("quick",),  # it looks at E and E' alone, which no recipe trains
        post_says="The random Gaussian projection has the highest rank that it can have.",
        own=True,
        view="maps",
    ),
    Claim(
        "big_fish_needs_hidden_size",
        f"How well the big fish does depends on its hidden size, and from B = {NARROW} on hardly on the bottleneck.",
        (35,),
        _PAGE,
        _evidence,
        _on_grids((BIG,), hidden_size_decides),
        recipes=RECIPES,
        post_says="For the big fish the size of the bottleneck hardly matters; its hidden size does.",
        note=NARROW_MATTERS,
        view="maps",
    ),
    Claim(
        "big_fish_needs_a_neuron_a_feature",
        "The big fish needs about as many neurons as there are features.",
        (36,),
        _PAGE,
        _evidence,
        _on_grids((BIG,), a_neuron_for_each_feature),
        recipes=RECIPES,
        post_says="The big fish takes about as many neurons as there are features.",
        view="over_h",
    ),
    Claim(
        "small_fish_recovers_more",
        "The small fish recovers more than the big fish.",
        (37,),
        _PAGE,
        _evidence,
        _on_grids((BIG, SMALL), recovers_more),
        recipes=RECIPES,
        post_says="The small fish recovers more of the features than the big fish.",
        note=NEAR_TIES,
        view="maps",
    ),
    Claim(
        "small_fish_is_not_perfect",
        "The small fish does not recover everything either, where it has fewer neurons than inputs.",
        (38,),
        _PAGE,
        _evidence,
        _on_grids((SMALL,), is_not_perfect),
        recipes=RECIPES,
        post_says="The small fish does not recover all of them either.",
        changed="It looked at H < B/2 alone; the post names no half, so it asks for each H < B.",
        view="over_h",
    ),
    Claim(
        "reprojector_like_big_fish",
        "The re-projector does about as well as the big fish.",
        (39,),
        _PAGE,
        _evidence,
        _on_grids((BIG, SMALL, AGAIN), alike),
        recipes=RECIPES,
        post_says="The re-projector is about as good as the big fish.",
        view="maps",
    ),
)
