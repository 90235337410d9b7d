"""What the two views of sparse features share: a map for each sparsity, and what can stand beside them."""

from __future__ import annotations

from functools import partial
from typing import Any

from toyviz import settings
from toyviz.control import Alias, Choice, Control, numbers
from toyviz.experiment import Experiment
from toyviz.studies import shared_controls as shared
from toyviz.studies.limits import cell, maps
from toyviz.studies.limits import controls as c
from toyviz.studies.limits.maps import Map
from toyviz.view import Plan

S = numbers(
    "S", "S", c.DENSE_TO_SPARSE, 0.9, field="sparsity", own=c.ONE_HOTS, labels={c.ONE_HOTS: "one-hots"}, bounds=c.BOUNDS
)
OTHER, BOTH = "other", "both"  # what can stand beside: maps of the other importance, of one-hots, or both
OF_OTHERS = (OTHER, BOTH)
FIRST_MAPS = {f"S = {S:g}": f"{S:g}" for S in c.DENSE_TO_SPARSE}


def beside(other: str) -> Control:
    """What stands beside the maps of a view, whose features have not this importance."""
    labels = {
        "nothing": "nothing",
        OTHER: f"{other} importance",
        c.ONE_HOTS: "one-hots",
        BOTH: f"{other}, and one-hots",
    }
    return Control(
        "beside",
        "Compare with",
        {name: name for name in labels},
        "nothing",
        help="More maps beside these, of the same sizes and on the same scale of colours.",
        labels=labels,
    )


def importance(own: str) -> Control:
    """The importance of the features of the opened network, where there are maps of both."""
    return Control(
        "importance",
        "Importance of the opened one",
        {name: name for name in c.IMPORTANCE},
        own,
        help="Which of the maps the network is in that is looked into. A click on a cell chooses it.",
        when={"beside": OF_OTHERS},
    )


def common(own: str, other: str) -> dict[str, Any]:
    """What both views of features have in common, but for their importance: what is asked, and what is opened."""
    return {
        "plan": partial(plan, own=own),
        "inside": cell.inside,
        "stage": maps.STAGE,
        "inside_stage": cell.STAGE,
        "width": maps.SHARE,
        "named": named,
        "controls": (
            c.SPARSITIES,
            c.SIZES,
            c.WIDTHS,
            beside(other),
            importance(own),
            c.TRAINED_ON,
            c.RELATIVE,
            c.SEEDS,
            shared.FIRST_SEED,
            shared.RECIPE,
            *c.TRAINING,
        ),
        "opens": (c.N, c.M, S, shared.SEED),
        "aliases": c.ALIASES | {"column": Alias("S", FIRST_MAPS)},
        "first_defaults": c.FIRST_DEFAULTS
        | {"sparsities": "0,0.9,0.99", "S": "0.9", "importance": own, "n_samples": "fresh"},
        "first_among": c.FIRST_AMONG | {"S": "sparsities"},
    }


def maps_of(choice: Choice, own: str) -> list[Map]:
    """The maps from left to right: those of the own importance, then of the other, each from dense to sparse."""
    found, opened = [], opened_kind(choice, own)
    shown = tuple(c.IMPORTANCE) if choice.beside in OF_OTHERS else (own,)
    for word in sorted(shown, key=lambda word: word != own):
        swept: list[float | None] = [*choice.sparsities, *([None] if choice.beside in (c.ONE_HOTS, BOTH) else [])]
        every = swept if opened in [(word, each) for each in swept] or opened[0] != word else [*swept, opened[1]]
        for sparsity in sorted(every, key=lambda each: 2.0 if each is None else each):
            found.append(_map(choice, word, sparsity, sparsity in swept, several=len(shown) > 1))
    return found


def opened_kind(choice: Choice, own: str) -> tuple[str, float | None]:
    """The importance and the sparsity of the network that is looked into; None for one-hots."""
    return choice.importance if choice.beside in OF_OTHERS else own, choice.S


def plan(choice: Choice, own: str) -> Plan:
    """A network for each cell, sparsity and seed, those that stand beside them, and the opened one first."""
    every, (word, sparsity) = maps_of(choice, own), opened_kind(choice, own)
    return maps.plan(choice, every, _map(choice, word, sparsity))


def named(choice: Choice) -> str:
    """The named experiment that the opened network belongs to."""
    return "limits" if choice.S is not None else "limits_one_hot"


def base(choice: Choice, sparsity: float | None) -> Experiment:
    """The experiment on features of this sparsity, or on one-hots, before n, m and importance are set."""
    setting = settings.EXPERIMENTS["limits_one_hot" if sparsity is None else "limits"]
    own = shared.trained_as(choice, setting.at(choice.recipe))
    return own if sparsity is None else own.with_(sparsity=sparsity, n_samples=choice.get("n_samples"))


def _map(choice: Choice, word: str, sparsity: float | None, swept: bool = True, several: bool = False) -> Map:
    title = "one-hots" if sparsity is None else f"S = {sparsity:g}"
    picks = {"S": S.name(sparsity), "importance": word}
    return Map(f"{word}\n{title}" if several else title, base(choice, sparsity), c.IMPORTANCE[word], picks, swept)
