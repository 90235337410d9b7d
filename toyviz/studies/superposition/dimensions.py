"""How much of a dimension a feature gets: D* over the density, held against the shares of regular shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from toyviz import charts, metrics, settings, theory
from toyviz.control import Alias, Choice, numbers
from toyviz.experiment import DENSITY_DIGITS, Experiment, sparsity_of
from toyviz.result import Result
from toyviz.studies import first_addresses, network
from toyviz.studies import shared_controls as shared
from toyviz.studies.shared_texts import notes
from toyviz.studies.superposition import controls as c
from toyviz.studies.superposition import inside as of
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, Table, Text, View

NAME = "dimensions_per_feature"
CLOSE = 0.05  # D* this close to a plateau is on it
SWEPT = tuple(round(1 - sparsity, DENSITY_DIGITS) for sparsity in settings.EXPERIMENTS[NAME].over["sparsity"])
DENSITIES = c.densities(SWEPT)
DENSITY = c.density(SWEPT[8], SWEPT)
N_HIDDEN = numbers("n_hidden", "Hidden width m", (5, 10, 20, 30), 20, help="The width of the bottleneck.")
N_FEATURES = numbers(
    "n_features", "Features n", (50, 100, 200, 400), 200, help="The length of every sample x. All weigh the same."
)


def _base(choice: Choice) -> Experiment:
    return c.base(choice, NAME)


def plan(choice: Choice) -> Plan:
    """A network for each density and seed, those of the opened density first."""
    return Plan.over(_base(choice), c.swept(choice), sparsity=sparsity_of(choice.density), seed=choice.seed)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """D* over the density with the shares of regular shapes, and how near it comes to each."""
    densities = c.every_density(choice)
    groups = {density: c.of_density(choice, sweep, density) for density in densities}
    first = {density: group.at(seed=choice.first_seed).results for density, group in groups.items()}
    features = {density: metrics.dimensionality(found[0].W1.T) for density, found in first.items() if found}
    shares = {density: float(np.mean([_share(r) for r in group])) for density, group in groups.items() if len(group)}
    chart = charts.dimensions_per_feature(shares, features, theory.PLATEAUS, tuple(densities), selected=choice.density)
    yield Figure("dimensions", chart, {"density": "density"})
    yield Text("about", _about(choice))
    if shares:
        yield Text("found", _found(shares))
        yield Table("plateaus", _plateaus(shares))
    yield Text(
        "near",
        f"Near: at how many densities $D^*$ is within {CLOSE} of the share. A line that falls from 1 passes every "
        "share: a plateau is where several densities stay close. Where none does, the line says nothing about the "
        "shape.",
    )
    yield from notes(LOOK_FOR, NOT_SHOWN)


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """The overlaps of one network, how its features share the dimensions, and its loss."""
    if network.is_too_large(opened):
        yield from network.loss_alone(opened)
        return
    yield of.overlaps({of.OVERLAPS: opened}, grouped=True)
    W1 = opened.frames["W1"]
    shares = np.array([metrics.dimensionality(frame.T) for frame in W1])  # (f, n)
    title = "How features share dimensions"
    histogram = charts.Histogram("", shares, charts.BLUE)
    yield Figure("shares", charts.histograms([histogram], title, x_title="dimensionality", low=0.0, high=1.0))
    yield network.curve(opened)
    yield Text("opened", f"{of.outcome(opened)} $D^*$ is {_share(opened):.3f}. {GROUPED}")


def _share(result: Result) -> float:
    """D* = m / |W1|_F^2."""
    return result.experiment.n_hidden / max(float((result.W1.astype(float) ** 2).sum()), 1e-12)


def _about(choice: Choice) -> str:
    return (
        f"How much of a dimension does a feature get? With $n = {choice.n_features}$ equally important features in "
        f"$m = {choice.n_hidden}$ dimensions, $D^* = m / \\|W_1\\|_F^2$ is the number of dimensions for each feature "
        "that is stored. As features grow sparser it does not fall smoothly: it stays for a while where the features "
        "take a regular shape. Line: $D^*$ at each density, the mean over seeds. Dots: the dimensionality of single "
        "features, $D_i = |w_i|^2 / \\sum_j (\\hat w_i \\cdot w_j)^2$, of the first seed. Dashed: what a feature has "
        "in a regular shape."
    )


def _found(shares: Mapping[float, float]) -> str:
    """Whether all dimensions are used, and from where to where D* stays at the share of a pair."""
    near = {density: share for density, share in shares.items() if abs(share - 1 / 2) < CLOSE}
    told = ""
    if 1.0 in shares:
        told = f"At density 1, $D^*$ is {shares[1.0]:.3f}; all dimensions are used, as by $m$ features: 1. "
    if not near:
        return f"{told}No density comes within {CLOSE} of 1/2, the share of an opposite pair."
    off = np.mean([abs(share - 1 / 2) for share in near.values()])
    return (
        f"{told}From 1/(1 − S) = {1 / max(near):.2f} to {1 / min(near):.2f} it stays within {CLOSE} of 1/2, {off:.3f} "
        "off on average: opposite pairs, two features a dimension."
    )


def _plateaus(shares: Mapping[float, float]) -> pd.DataFrame:
    """For each shape: its share, the D* that comes nearest, and at how many densities D* is near."""
    rows = []
    for shape, share in theory.PLATEAUS.items():
        nearest = min(shares.values(), key=lambda value: abs(value - share))
        near = sum(abs(value - share) < CLOSE for value in shares.values())
        row = {"shape": shape, "share": share, "nearest D*": nearest, "off by": abs(nearest - share), "near": near}
        rows.append(row)
    return pd.DataFrame(rows).round(3)


GROUPED = (
    "The overlaps are those of its longest columns; once it is trained each feature stands beside the one that it "
    "overlaps most with."
)
LOOK_FOR = (
    "- **Two plateaus** of the line: at 1, and longer at 1/2, where features come in opposite pairs, two to a "
    "dimension.\n"
    "- **The dots**, features one by one: on the plateau they lie at 1/2 or at 0, stored in a pair or given up. Just "
    "before it they gather at 2/3, in triangles.\n"
    "- **Far left**: the line is at 1, the dots are at $m/n$. Dense features that weigh the same can be mixed at will: "
    "the network stores $m$ mixtures, and no feature is alone.\n"
    "- **Far right**: more and more features, each with less of a dimension."
)
NOT_SHOWN = (
    "- That every feature gets the same: $D^*$ is a mean over those that are stored.\n"
    "- Sharp plateaus of the lower shapes: in 20 dimensions, with this training, they blur into each other. The "
    "original has 30 dimensions and 400 features."
)
VIEW = View(
    id="dimensions",
    title="Dimensions per feature",
    place=4,
    controls=(DENSITIES, shared.seeds(1), shared.FIRST_SEED, N_HIDDEN, N_FEATURES, shared.RECIPE, *c.TRAINING),
    opens=(DENSITY, c.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=("dimensions",),
    inside_stage=("overlaps", ("shares", "curve")),
    width=0.5,
    numbers=("test_loss",),
    named=lambda choice: NAME,
    first_name="Dimensions per feature",
    aliases={
        **first_addresses.passed_over("seeds", "n_hidden", "n_features"),  # those of other views were called so
        **{"dimensions_seeds": Alias("seeds"), "dimensions_m": Alias("n_hidden"), "dimensions_n": Alias("n_features")},
    },
    first_defaults=c.FIRST_TRAINING
    | {
        "densities": "0.05,0.058539,0.068536,0.080241,0.093944,0.109988,0.128772,0.150764,0.176511,0.206656,0.241948,"
        "0.283268,0.331645,0.388283,0.454594,0.53223,0.623124,0.729541,0.854131,1",
        "density": "0.283268",
        "seeds": "1",
        "n_hidden": "20",
        "n_features": "200",
    },
)
