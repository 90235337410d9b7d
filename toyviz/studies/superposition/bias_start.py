"""What changes where the bias starts elsewhere than at 0: five starts over the density."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from toyviz import charts, metrics, settings, tables
from toyviz.control import Choice, Control
from toyviz.experiment import Experiment, sparsity_of
from toyviz.result import Result
from toyviz.studies import first_addresses
from toyviz.studies import shared_controls as shared
from toyviz.studies.shared_texts import notes
from toyviz.studies.superposition import controls as c
from toyviz.studies.superposition import inside as of
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, Text, View

USUAL = "0"
START = Control("start", "start", settings.BIAS_STARTS, settings.BIAS_STARTS["normal"], labels=c.SAID_STARTS)
COLOURS = (charts.GREY, charts.PURPLE, charts.GREEN, charts.BLUE, charts.VERMILLION)  # of the starts
FIELDS = ("start", "density", "seed")
PICK = {"density": "density", "line": "start", "seed": "seed"}


def _bases(choice: Choice) -> dict[str, Experiment]:
    """The experiment from each start of the bias."""
    base = c.base(choice)
    return {
        name: base.with_(bias_init=kind, bias_offset=offset) for name, (kind, offset) in settings.BIAS_STARTS.items()
    }


def plan(choice: Choice) -> Plan:
    """A network for each start, density and seed; that of the opened start and density comes first."""
    opened = {"sparsity": sparsity_of(choice.density), "seed": choice.seed}
    plans = {name: Plan.over(base, c.swept(choice), **opened) for name, base in _bases(choice).items()}
    here = plans.pop(START.name(choice.start))
    rest = [each for plan in plans.values() for each in plan.experiments]
    return replace(here, experiments=(*here.experiments, *rest))


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """Features represented and test loss over the density, a line a start; and a portrait of each at one density."""
    groups = {
        name: sweep.at(bias_init=base.bias_init, bias_offset=base.bias_offset) for name, base in _bases(choice).items()
    }
    table = _table(choice, groups)
    yield from _lines(choice, table)
    panels = [
        of.portrait(
            f"from {START.text(settings.BIAS_STARTS[name])}",
            {"start": name, "density": choice.density},
            c.of_density(choice, group, choice.density).best(),
        )
        for name, group in groups.items()
    ]
    chart = charts.portraits(
        panels,
        f"Best of {c.seeds(choice)}, b2 from each start, {c.label(choice.density)}",
        selected={"start": START.name(choice.start)},
        planes=choice.n_hidden == 2,
        pick=FIELDS,
    )
    yield Figure("networks", chart, {name: name for name in FIELDS})
    yield Text("about", ABOUT)
    opened = sweep.get(plan.opened[0])
    if opened:
        group = c.of_density(choice, groups[START.name(choice.start)], choice.density)
        yield of.compared(opened, list(group))
    marks = tuple(f"start={name} density={choice.density:g}" for name in ("-1", "1", "normal"))
    yield from notes(LOOK_FOR, NOT_SHOWN, marks)


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """The overlaps, the lengths and the loss of one network, and for m = 2 its columns in the plane."""
    yield from of.opened(opened)


def _table(choice: Choice, groups: dict[str, Sweep]) -> pd.DataFrame:
    """One row a network: density, line, seed, represented; and ratio, its test loss over the median from 0."""
    parts = [tables.runs(group.among(seed=shared.seeds_of(choice))).assign(line=name) for name, group in groups.items()]
    table = pd.concat(parts, ignore_index=True)
    usual = table[table["line"] == USUAL].groupby("density")["test_loss"].median()
    return table.assign(ratio=table["test_loss"].astype(float) / table["density"].map(usual).astype(float))


def _lines(choice: Choice, table: pd.DataFrame) -> Iterator[Block]:
    """Both numbers over the density, a line a start: the median of the seeds, and a faint point each."""
    for id, title in (("represented", "Features represented"), ("ratio", "Relative test loss")):
        chart = charts.lines_over(
            table.assign(value=table[id]),
            "density",
            "density 1 − S",
            {name: START.text(start) for name, start in settings.BIAS_STARTS.items()},
            c.every_density(choice),
            title,
            selected=choice.density,
            reverse=True,
            logarithmic_y=id == "ratio",
            low=None if id == "ratio" else 0.0,
            median=True,
            colours=COLOURS,
        )
        yield Figure(id, chart, PICK)


ABOUT = (
    "The bias $b_2$ starts at 0 in the views before. The post warns that with another start the results look "
    "significantly different. Here are five: 0, normal numbers $N(0, 1)$, uniform numbers within $\\pm 1/\\sqrt m$, "
    f"$-1$ and $+1$, with everything else alike. Represented: a column of W1 longer than {metrics.REPRESENTED}. The "
    "relative test loss is a multiple of the median of the seeds from a bias of 0. Lines are medians over seeds. "
    f"{of.SCALES}"
)
LOOK_FOR = (
    "- **−1.** An output whose ReLU is off for every input gets no gradient: the feature is dead, and its bias stays "
    "near where it started. Fewer features are stored, the loss is many times higher.\n"
    "- **+1.** The ReLU does nothing at first, so the network starts as the linear one, and stores fewer features "
    "where they are sparse.\n"
    "- **Normal and uniform.** Some biases fall below 0 and are dead, others do not: seeds differ a lot."
)
NOT_SHOWN = (
    "- That 0 is the best start: it is the usual one. At some densities another start finds a lower loss.\n"
    "- A longer training: most dead outputs stay dead, since no gradient reaches them."
)
VIEW = View(
    id="bias_start",
    title="Another start",
    place=3,
    controls=(
        c.DENSITIES,
        shared.SEEDS,
        shared.FIRST_SEED,
        *c.SIZES,
        c.IMPORTANCE_DECAY,
        shared.RECIPE,
        *c.TRAINING,
    ),
    opens=(START, c.DENSITY, c.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=(("represented", "ratio"), "networks"),
    inside_stage=of.STAGE,
    width=0.6,
    numbers=("test_loss",),
    named=lambda choice: "superposition",
    claims=("bias_start_matters",),
    first_name="Another start",
    aliases=c.FIRST_OF_DENSITIES | first_addresses.passed_over("bias"),
    first_defaults=c.FIRST_DEFAULTS | {"start": "0"},
    first_among={"density": "-densities"},
)
