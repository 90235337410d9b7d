"""What becomes of twenty features in five dimensions as they grow sparser: a portrait of the best network of each."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from toyviz import charts, metrics, tables
from toyviz.control import Choice
from toyviz.experiment import sparsity_of
from toyviz.result import Result
from toyviz.studies import groups_of_features
from toyviz.studies import shared_controls as shared
from toyviz.studies.shared_texts import notes
from toyviz.studies.superposition import controls as c
from toyviz.studies.superposition import inside as of
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Text, View

PICK = {"density": "density", "seed": "seed"}
SUMMARIES = {"represented": "Features represented", "superposition": "Mean superposition of these features"}


def plan(choice: Choice) -> Plan:
    """A network for each density and seed, those of the opened density first."""
    return Plan.over(c.base(choice), c.swept(choice), sparsity=sparsity_of(choice.density), seed=choice.seed)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """A portrait of the best network of each density, and what that comes to in numbers."""
    m = choice.n_hidden
    groups = {density: c.of_density(choice, sweep, density) for density in c.every_density(choice)}
    panels = [of.portrait(c.label(density), {"density": density}, group.best()) for density, group in groups.items()]
    size = 0 if choice.features == "sparse" else choice.group_size
    title = f"Best of {c.seeds(choice)} at each density: W1ᵀ W1, b2, and lengths of columns"
    chart = charts.portraits(panels, title, selected={"density": choice.density}, planes=m == 2, groups=size)
    yield Figure("networks", chart, PICK)
    yield Text("about", _about(choice))
    opened = sweep.get(plan.opened[0])
    if opened:
        yield of.compared(opened, list(groups[choice.density]))
    yield from groups_of_features.told(choice, groups, PICK)
    yield from _summaries(choice, groups)
    seen = list(groups)
    marks = tuple(f"density={density:g}" for density in (seen[0], seen[len(seen) // 2], seen[-1]))
    of_groups = groups_of_features.LOOK_FOR[choice.features]
    yield from notes(LOOK_FOR + of_groups, NOT_SHOWN, (*marks, "") if of_groups else marks)


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """The overlaps, the lengths and the loss of one network, and for m = 2 its columns in the plane."""
    yield from of.opened(opened)


def _about(choice: Choice) -> str:
    return (
        "A network squeezes $n$ features through $m$ hidden values and gives them back: "
        "$x' = \\mathrm{ReLU}(W_1^\\top W_1 x + b_2)$. It is trained on endless fresh samples, and feature $i$ weighs "
        "decay$^i$ in the loss, so feature 0 matters most. Only the density changes: the chance $1 - S$ that a feature "
        f"is active. {of.SCALES}"
    )


def _summaries(choice: Choice, groups: dict[float, Sweep]) -> Iterator[Block]:
    """How many features are represented, and how much they share, over the density: each network, and the best."""
    table = tables.runs([result for group in groups.values() for result in group])
    best = [found.experiment.key for group in groups.values() if (found := group.best())]
    table = pd.concat([table[table["key"].isin(best)].assign(line="best"), table.assign(line="all")])
    lines = {"best": "the best", "all": "all seeds, and their mean"}
    for id, title in SUMMARIES.items():
        chart = charts.lines_over(
            table.assign(value=table[id]),
            "density",
            "density 1 − S",
            lines,
            list(groups),
            title,
            rules={"m": choice.n_hidden} if id == "represented" else {},
            selected=choice.density,
            reverse=True,
            low=0.0,
            colours=(charts.GREEN, charts.GREY),
        )
        yield Figure(id, chart, PICK)
    yield Text(
        "summaries",
        f"A feature is represented, or stored, if its column of W1 is longer than {metrics.REPRESENTED}. Its "
        "superposition is $\\sum_{j \\ne i} (\\hat w_i \\cdot w_j)^2$, with $\\hat w_i$ its column at unit length: 0 "
        "where it has its direction to itself, 1 in a pair of opposite columns of length 1.",
    )


LOOK_FOR = (
    "- **Dense**: the $m$ most important features get a direction each, and the rest is given up. Its bias is the mean "
    "of the feature, a guess.\n"
    "- **Sparser**: the least important of these give way first and pair up: two features point in opposite directions "
    f"({charts.COLOUR_WORDS[charts.BLUE]} cells), since they are seldom active at once.\n"
    "- **Sparse**: many features share every direction, the bars turn "
    f"{charts.COLOUR_WORDS[charts.AMBER]}, and the bias turns negative to cut off what the others leak."
)
NOT_SHOWN = (
    "- The one solution: another seed finds another arrangement. Shown is the best of the seeds, by the loss on 10,000 "
    "samples that are the same for all of them.\n"
    "- Another start: with a bias that does not start at 0, results look quite different. See the view “Another "
    "start”.\n"
    "- Colours of features that are hardly there: they are faded, since a tiny column has no meaningful direction."
)
VIEW = View(
    id="densities",
    title="Density by density",
    place=1,
    controls=(
        c.DENSITIES,
        shared.SEEDS,
        shared.FIRST_SEED,
        *c.SIZES,
        c.IMPORTANCE_DECAY,
        shared.FEATURES,
        shared.GROUP_SIZE,
        c.BIAS,
        shared.RECIPE,
        *c.TRAINING,
    ),
    opens=(c.DENSITY, c.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=("networks",),
    inside_stage=of.STAGE,
    width=0.58,
    numbers=("test_loss",),
    named=lambda choice: "superposition",
    claims=("dense_keeps_the_most_important", "sparser_stores_more", "least_important_share_first"),
    figures={
        "F2": PostFigure("Overlaps and lengths of the features over density", "networks", ("superposition",)),
    },
    first_name="Density by density",
    aliases=c.FIRST_OF_DENSITIES,
    first_defaults=c.FIRST_DEFAULTS | {"bias": "0", "features": "independent", "group_size": "2"},
    first_among={"density": "-densities"},
)
