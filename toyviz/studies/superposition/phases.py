"""What becomes of one feature more than there are dimensions, over its importance and the density."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from toyviz import charts, data, metrics, settings, tables, theory
from toyviz.control import Alias, Choice, numbers
from toyviz.experiment import DENSITY_DIGITS, Experiment, sparsity_of
from toyviz.result import Result
from toyviz.studies import shared_controls as shared
from toyviz.studies.shared_texts import notes
from toyviz.studies.superposition import controls as c
from toyviz.studies.superposition import inside as of
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, Table, Text, View

NAME = "phase_diagram"
SETTING = settings.EXPERIMENTS[NAME]
DIGITS = 6  # of the decay of the importance
SWEPT = tuple(round(1 - sparsity, DENSITY_DIGITS) for sparsity in SETTING.over["sparsity"])
IMPORTANCES = numbers(
    "importances",
    "Importances of the extra feature",
    tuple(sorted(SETTING.over["importance_decay"])),
    tuple(sorted(SETTING.over["importance_decay"])),
    help="That of the feature at the other end is 1. Each network stands in two cells: at this importance, where its "
    "least important feature is the extra one, and at one over it, where its most important one is.",
    bounds=(0.01, 1.0),
    several=True,
)
DENSITIES = c.densities(SWEPT)
M = numbers(
    "m",
    "Dimensions m",
    (1, 2),
    1,
    field="n_hidden",
    help="There is one feature more, n = m + 1.",
    bounds=(1, 5),
    labels={"1": "1, with n = 2", "2": "2, with n = 3"},
)
IMPORTANCE = numbers("importance", "I", (0.1, 0.251, 0.398, 1.0, 2.512, 10.0), 0.398, bounds=(0.01, 100.0))
DENSITY = c.density(SWEPT[3], SWEPT)
PICK = {"importance": "importance", "density": "density", "seed": "seed"}


def _base(choice: Choice, **changes: Any) -> Experiment:
    return c.base(choice, NAME, n_features=choice.m + 1, n_hidden=choice.m, **changes)


def _decay(importance: float, m: int) -> float:
    """The decay of the importance whose m-th power this is."""
    return round(float(importance ** (1 / m)), DIGITS)


def _cells(decay: float, m: int) -> tuple[float, float]:
    """The importances under which a network stands, as they are written: see tables.phases."""
    return round(decay**m, 3), round(decay**-m, 3)


def _decays(choice: Choice) -> list[float]:
    """The decays of the importances that are swept over."""
    return [_decay(importance, choice.m) for importance in choice.importances]


def _opened_decay(choice: Choice) -> float:
    """The decay of the opened cell: that of the sweep whose cell it is, or one of its own."""
    asked = round(choice.importance, 3)
    own = _decay(min(choice.importance, 1 / choice.importance), choice.m)
    return next((decay for decay in _decays(choice) if asked in _cells(decay, choice.m)), own)


def plan(choice: Choice) -> Plan:
    """A network for each importance, density and seed, those of the opened cell first; the best by expected loss."""
    decay = _opened_decay(choice)
    fields = {**c.swept(choice), "importance_decay": _decays(choice)}
    opened = {"importance_decay": decay, "sparsity": sparsity_of(choice.density), "seed": choice.seed}
    return replace(Plan.over(_base(choice), fields, **opened), rank=tables.expected_loss)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """What became of the extra feature in each cell: trained, and on paper."""
    cells = tables.phases(sweep.among(seed=shared.seeds_of(choice)))
    seeds = {result.experiment.key: result.experiment.seed for result in sweep}
    told = [
        f"{phase}; loss {loss:.2f} times that on paper"
        for phase, loss in cells[["phase", "loss"]].itertuples(index=False)
    ]
    cells = cells.assign(seed=cells["key"].map(seeds), told=told)
    here = _cells(_opened_decay(choice), choice.m)
    selected = here[0 if choice.importance <= 1 else 1]
    decays = {*_decays(choice), _opened_decay(choice)}
    axes = (
        sorted({importance for decay in decays for importance in _cells(decay, choice.m)}),
        c.every_density(choice),
    )
    trained = charts.phases(cells, "Trained", *axes, (selected, choice.density))
    yield Figure("trained", trained, PICK)
    on_paper = cells.assign(phase=cells["theory"], differs=False, told=cells["theory"])
    yield Figure("on_paper", charts.phases(on_paper, "On paper", *axes, (selected, choice.density)), PICK)
    yield Text("about", ABOUT)
    if len(cells):
        yield Text("agreement", _agreement(cells))
    opened = sweep.get(plan.opened[0])
    if opened:
        yield from _cell(opened)
    yield from notes(LOOK_FOR, NOT_SHOWN)


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """The overlaps, the lengths and the loss of the network of one cell, and for m = 2 its columns in the plane."""
    yield from of.opened(opened)


def _agreement(cells: pd.DataFrame) -> str:
    agree, loss = 1 - cells["differs"].mean(), cells["loss"]
    return (
        f"Training and paper agree in {agree:.0%} of {len(cells)} cells; a cross marks the others. The expected loss "
        f"of the trained is {loss.min():.2f} to {loss.max():.2f} times that on paper, {loss.median():.2f} in the "
        "median cell. Click a cell to look into it."
    )


def _cell(opened: Result) -> Iterator[Block]:
    """The features of one cell's network, and what each solution would cost."""
    e, columns = opened.experiment, opened.W1.T
    importance = data.importance(e)
    yield Text(
        "cell",
        f"##### Importance {importance[-1]:.3g}, {c.label(e.density)}\n\nSeed {e.seed}: its features, and what each "
        "solution costs.",
    )
    features = pd.DataFrame(
        {
            "feature": range(e.n_features),
            "importance": importance,
            "length": metrics.norms(columns),
            "superposition": metrics.superposition(columns),
            "bias": opened.b2,
        }
    )
    yield Table("features", features.round(3))
    losses = theory.solutions(importance, e.feature_probability)
    names = [f"give up {s[0]}" if len(s) == 1 else f"{s[0]} and {s[1]} in a pair" for s in losses]
    costs = pd.DataFrame({"solution": ["trained", *names], "loss": [tables.expected_loss(opened), *losses.values()]})
    yield Table("costs", costs.sort_values("loss").round(6))


ABOUT = (
    "One feature more than there are dimensions. What becomes of the extra one, of importance $I$? It is given up, or "
    "it shares a dimension with another in opposite directions, or it has one for itself, at the cost of another. "
    "Left: trained, the best of the seeds by expected loss. Right: the solution that is cheapest on paper. Giving up "
    "feature $i$ costs $I_i\\,(p/3 - p^2/4)$, a pair costs $p^2 (I_i + I_j)/6$, with $p = 1 - S$."
)
LOOK_FOR = (
    "- **Three regions** that meet at sharp borders, where importance or density changes only a little: phases.\n"
    "- **Sparse** (above): a pair is cheap, since the two are seldom active at once.\n"
    "- **Dense** (below): the less important of two is given up; left of 1 that is the extra one."
)
NOT_SHOWN = (
    "- The very best network: on paper every column has length 1 and no bias helps. Trained networks turn both to use, "
    "so their loss is a little lower, and where two weigh about the same pairs go on to higher densities.\n"
    "- Other importances: with three features the middle one weighs the square root of the extra one, since importance "
    "is a power of the number of the feature. The original gives the first two the same."
)
VIEW = View(
    id="phases",
    title="Phases",
    place=5,
    controls=(M, IMPORTANCES, DENSITIES, shared.SEEDS, shared.FIRST_SEED, shared.RECIPE, *c.TRAINING),
    opens=(IMPORTANCE, DENSITY, c.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=(("trained", "on_paper"),),
    inside_stage=of.STAGE,
    width=0.6,
    numbers=("test_loss",),
    named=lambda choice: NAME,
    first_name="Phases",
    aliases={"phase_m": Alias("m", {"n = 2, m = 1": "1", "n = 3, m = 2": "2"})},
    first_defaults=c.FIRST_TRAINING
    | {
        "m": "1",
        "importance": "0.398",
        "density": "0.215443",
        "importances": "0.1,0.158489,0.251189,0.398107,0.630957,1",
        "densities": "0.01,0.016681,0.027826,0.046416,0.077426,0.129155,0.215443,0.359381,0.599484,1",
        "seeds": "4",
    },
)
