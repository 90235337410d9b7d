"""What every view of this page shows: maps over n and m side by side, on one scale of colours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from toyviz import charts, settings, tables
from toyviz.control import Choice
from toyviz.experiment import Experiment
from toyviz.studies import shared_controls as shared
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, Table, Text

FAINTEST = 1e-5  # losses below this share the darkest colour: with m = n there is nothing to lose
STAGE = ("loss", "accuracy")
SHARE = 0.58  # of the stage, that the maps take
WIDTH = charts.Side("n_hidden", "hidden size m")
SIZE = charts.Side("n_features", "features n")
INTRODUCTION = (
    "A network squeezes $n$ features through $m$ hidden values and gives them back: $x' = \\mathrm{ReLU}(W_1^\\top W_1 "
    "x + b_2)$. Every cell above is a network of its own, for one $n$ and one $m \\le n$. INPUTS Accuracy asks for "
    "less than the loss: each one-hot $e_i$ is put in, and counts if output $i$ is the largest."
)

FINITE = (
    "**Trained on SIZE fixed samples.** The post's summary names the size of the dataset among what decides how much "
    "comes back. Few samples are fitted closely: the train loss, in the table beside the test loss, is far below it. "
    "One-hots ask for less than new samples do. At n = 64, m = 8, S = 0.9 and decreasing importance (quick recipe, "
    "seed 10), T = 100, 1,000, 10,000 and fresh batches end with a test loss of 0.72, 0.17, 0.15 and 0.15, and give "
    "back 72, 59, 31 and 33 % of the one-hots."
)


class Map(NamedTuple):
    """One of the maps that stand side by side. Its networks differ in n, m and seed alone."""

    title: str
    base: Experiment
    decreasing: bool  # whether the importance of the features falls from 1 to 0.01
    picks: Mapping[str, str]  # control -> what a click on a cell chooses, as it stands in an address
    swept: bool = True  # or only the opened network of it is asked for

    def network(self, n: int, m: int, seed: int) -> Experiment:
        """One of its networks."""
        importance = settings.decreasing_importance(n) if self.decreasing else 1.0
        return self.base.with_(n_features=n, n_hidden=m, seed=seed, importance_decay=importance)

    @property
    def kind(self) -> tuple[str, float, float, bool]:
        """What tells its networks from those of the other maps."""
        return self.base.data, self.base.sparsity, self.base.weight_decay, self.decreasing


def kind_of(experiment: Experiment) -> tuple[str, float, float, bool]:
    """The Map.kind of the map that a network is in."""
    return experiment.data, experiment.sparsity, experiment.weight_decay, experiment.importance_decay < 1


def possible_cells(sizes: Sequence[int], widths: Sequence[int]) -> list[tuple[int, int]]:
    """Every n and m with m <= n: a bottleneck is never wider than its input."""
    return [(n, m) for n in sizes for m in widths if m <= n]


def plan(choice: Choice, maps: Sequence[Map], opened: Map) -> Plan:
    """A network for each cell of each map and each seed, the opened one first.

    Raises ValueError where the opened one would be wider than its input.
    """
    if choice.m > choice.n:
        raise ValueError(f"m must be at most n, {choice.n}: a bottleneck is never wider than its input; got {choice.m}")
    cells = possible_cells(choice.sizes, choice.widths)
    swept = [each for each in maps if each.swept]
    every = [each.network(n, m, seed) for seed in shared.seeds_of(choice) for n, m in cells for each in swept]
    return Plan(every, [opened.network(choice.n, choice.m, shared.seed_of(choice))])


def means(choice: Choice, maps: Sequence[Map], sweep: Sweep) -> pd.DataFrame:
    """One row a cell of a map that is trained: the means over its seeds.

    An opened network of another seed is in no mean.
    """
    place = {each.kind: str(k) for k, each in enumerate(maps)}
    rows = tables.limits(sweep.among(seed=shared.seeds_of(choice)))
    rows["map"] = [place[kind_of(r.experiment)] for r in sweep.among(seed=shared.seeds_of(choice))]
    cells = rows.groupby(["map", "n_features", "n_hidden"], as_index=False).agg(
        train_loss=("train_loss", "mean"),
        loss=("loss", "mean"),
        share=("share", "mean"),
        accuracy=("accuracy", "mean"),
        recovered=("recovered", "mean"),
        stored=("stored", "mean"),
        seeds=("seed", "size"),
    )
    for name in maps[0].picks:
        cells[name] = [maps[int(k)].picks[name] for k in cells["map"]]
    return cells


def show(
    choice: Choice, plan: Plan, sweep: Sweep, maps: Sequence[Map], inputs: str, notes: Iterable[Text]
) -> Iterator[Block]:
    """The maps of the loss, and of the share of one-hots that come back; what they are, and their numbers.

    inputs: what the networks see, and how it weighs, in words. notes: what to look for, and what is not shown.
    """
    cells = means(choice, maps, sweep)
    yield from _figures(choice, plan, cells, maps)
    yield Text("setting", INTRODUCTION.replace("INPUTS", inputs))
    if (trained_on := plan.opened[0].n_samples) is not None:
        yield Text("finite", FINITE.replace("SIZE", f"{trained_on:,}"))
    yield Text("measures", _measures(choice, plan, bool((cells[_measure(choice)] < FAINTEST).any())))
    yield from notes
    titles = cells["map"].map({str(k): each.title.replace("\n", ", ") for k, each in enumerate(maps)})
    yield Table("cells", cells.assign(map=titles).drop(columns=list(maps[0].picks)))


def mark(n: int, m: int) -> str:
    """What the pointer is on where it is on this cell of any map."""
    return f"{WIDTH.field}={m} {SIZE.field}={n}"


def _measure(choice: Choice) -> str:
    """The column that the upper maps show."""
    return "share" if choice.relative else "loss"


def _figures(choice: Choice, plan: Plan, cells: pd.DataFrame, maps: Sequence[Map]) -> Iterator[Figure]:
    """Above the loss, below the share of one-hots that come back, in all maps on one scale."""
    opened, columns = plan.opened[0], ["map", "n_features", "n_hidden"]
    places = {each.kind: str(k) for k, each in enumerate(maps)}
    there = [(places[kind], e.n_features, e.n_hidden) for e in plan.experiments if (kind := kind_of(e)) in places]
    shared: dict[str, Any] = {
        "x": WIDTH._replace(values=tuple(plan.values("n_hidden"))),
        "y": SIZE._replace(values=tuple(plan.values("n_features"))),
        "selected": dict(zip(columns, (places[kind_of(opened)], opened.n_features, opened.n_hidden), strict=True)),
        "outlines": pd.DataFrame(there, columns=columns).drop_duplicates(),
        "beside": charts.Beside("map", {str(k): each.title for k, each in enumerate(maps)}),
        "pick": tuple(maps[0].picks),
        "linked": True,
    }
    pick = {"n_hidden": "m", "n_features": "n", **{name: name for name in maps[0].picks}}
    losses, shares = cells[_measure(choice)].astype(float), cells["accuracy"].astype(float)
    title, legend = ("Loss", "loss")
    if choice.relative:
        title, legend = "Loss over that of the best constant output", "loss over the constant's"
    ends = (max(losses.min(), FAINTEST), max(losses.max(), 2 * FAINTEST)) if len(cells) else None
    drawn = cells.assign(value=losses, text=losses.map(_short))
    yield Figure("loss", charts.size_map(drawn, title, legend, ends=ends, **shared), pick)
    drawn = cells.assign(value=shares, text=shares.map(_share))
    chart = charts.size_map(drawn, "One-hots that come back", "accuracy", logarithmic=False, **shared)
    yield Figure("accuracy", chart, pick)


def _share(value: float) -> str:
    """A share to two digits, as short as can be: ".33"; "1" is all."""
    return f"{min(value, 0.99):.2f}"[1:] if value < 1 else "1"


def _short(value: float) -> str:
    """A loss to one digit, as short as can be: "38", "0.03", "3e-4"."""
    if value >= 1:
        return f"{value:.0f}"
    return f"{value:.1g}" if value >= 0.01 else f"{value:.0e}".replace("e-0", "e-")


def _measures(choice: Choice, plan: Plan, faint: bool) -> str:
    """What the two rows of maps measure, in words."""
    over = ", over that of the best constant output" if choice.relative else ""
    inputs = {"one_hot": "the one-hots", "sparse": "10,000 new samples"}
    on = " or ".join(inputs[data] for data in dict.fromkeys(each.data for each in plan.experiments))
    below = f" Losses below {FAINTEST:g} share the darkest colour." if faint else ""
    return (
        "Above the loss, on one logarithmic scale for all maps: the squared error, summed over features and weighted "
        f"by importance{over}, on {on}.{below} Below the share of one-hots that come back. Click a cell to open its "
        "network. The table has the mean of each cell; stored are columns of $W_1$ longer than 0.5."
    )
