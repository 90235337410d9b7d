"""The stairs of the loss: each plateau stands at the loss of a polygon that stores some of the features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from toyviz import charts, metrics, settings, tables, theory
from toyviz.control import Choice, numbers
from toyviz.result import Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.shared_texts import notes
from toyviz.studies.superposition import controls as c
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, Text, View

N_FEATURES = numbers(
    "n_features",
    "Features n",
    (5, 6, 8, 10, 12),
    8,
    bounds=(4, 16),
    help="How many one-hots there are to be stored, in two dimensions. At most 16: beyond that the losses of the "
    "polygons lie too close to be told apart.",
)
SEEDS = shared.seeds(8)
NONE = "no polygon's loss"  # what a plateau is called that fits none
SEED = numbers("seed", "seed", tuple(range(8)), 1)


class Seen(NamedTuple):
    """A plateau, with its polygon where that is borne out, and the corners that the network there has."""

    step: tables.Step
    corners: int

    @property
    def stair(self) -> theory.Stair | None:
        """The polygon, where its loss is that of the plateau and the network has as many corners."""
        stair = self.step.stair
        return stair if stair and stair.corners == self.corners else None


def plan(choice: Choice) -> Plan:
    """A network for each seed; the opened one comes first."""
    own = settings.EXPERIMENTS["stairs"].quick.with_(n_features=choice.n_features)
    return Plan.over(shared.trained_as(choice, own), {"seed": shared.seeds_of(choice)}, seed=choice.seed)


def seen(result: Result) -> list[Seen]:
    """The plateaus of a network's loss, and the corners that it has at the frame nearest to the middle of each."""
    steps = tables.stairs(result)
    middles = np.array([np.sqrt(float(step.first) * float(step.last)) for step in steps])
    frames = network.nearest_frames(result.frame_steps, middles)
    return [Seen(step, corners_at(result, int(frame))) for step, frame in zip(steps, frames, strict=True)]


def corners_at(result: Result, frame: int) -> int:
    """How many corners the polygon of a frame has."""
    return metrics.stored_corners(result.frames["W1"][frame], result.frames["b2"][frame])


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """For each seed its plateaus, by the number of corners that their loss stands for, and how many seeds have two."""
    seeds, rows, count = shared.seeds_of(choice), [], 0
    n = choice.n_features
    networks = sorted(sweep.among(seed=seeds), key=lambda each: each.experiment.seed)
    for result in networks:
        found, seed = seen(result), result.experiment.seed
        count += sum(each.stair is not None for each in found) > 1
        for each in found:
            stored = n - each.step.loss * n**2 / (n - 1)
            if stored > 0:
                rows.append({"network": seed, "seed": seed, "value": stored, "best": each.stair is not None})
    table = pd.DataFrame(rows, columns=["network", "seed", "value", "best"])
    chart = charts.strips(
        table,
        "network",
        [*seeds],
        "Plateaus of each seed: corners by the loss",
        joined=False,
        ends=(0.0, float(n)),
        selected=choice.seed,
        seed=choice.seed,
    )
    yield Figure("seeds", chart, {"seed": "seed"})
    yield Text("count", _count(networks, count, len(seeds)))
    yield Text("about", ABOUT)
    yield from notes(LOOK_FOR, NOT_SHOWN)


def _count(networks: list[Result], count: int, asked: int) -> str:
    if not networks:
        return "No network is trained yet."
    so_far = "" if len(networks) == asked else f" ({asked} are wanted)"
    return f"**{count} of {len(networks)} seeds{so_far} have two stairs or more that are named after a polygon.**"


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """The loss with its stairs, and the columns of W1, which are the polygon."""
    if network.is_too_large(opened):
        yield from network.loss_alone(opened)
        return
    e, now = opened.experiment, [_told(opened, frame) for frame in range(len(opened.frame_steps))]
    found = seen(opened)
    flats = [charts.Flat(*each.step[:3], each.stair.name if each.stair else NONE, bool(each.stair)) for each in found]
    levels = {
        f"{theory.Stair(k, 0, 0.0).name}: {k} of {e.n_features} stored": theory.stair_loss(e.n_features, k)
        for k in range(3, e.n_features + 1)
    }
    title = f"Training loss over the steps, seed {e.seed}"
    chart = charts.stairs((opened.loss_steps, opened.losses), flats, levels, opened.frame_steps, now, e.steps, title)
    yield Figure("stairs", chart)
    yield network.columns(opened)
    yield Text("opened", _in_words(opened, found))


def _told(result: Result, frame: int) -> str:
    corners = corners_at(result, frame)
    return f"{corners} corner{'' if corners == 1 else 's'}"


def _in_words(result: Result, found: list[Seen]) -> str:
    """Each plateau of the opened network, with the closed form beside what was measured."""
    n, rows = result.experiment.n_features, []
    for each in found:
        where = f"steps {each.step.first:,} to {each.step.last:,}, loss {each.step.loss:.5f}"
        corners = f"{each.corners} corners are seen"
        if each.stair:
            off = abs(each.step.loss / each.stair.loss - 1)
            name = each.stair.name.capitalize()
            rows.append(f"- **{name}**: {where}; closed form {each.stair.loss:.5f}, {off:.2%} off; {corners}.")
        else:
            near = theory.nearest_stair(n, each.step.loss, np.inf)
            closest = f"the nearest is that of the {near.name}, {near.loss:.5f}" if near else "there is none"
            rows.append(f"- **No polygon's loss**: {where}; {closest}; {corners}.")
    said = "\n".join(rows) or "- No plateau yet."
    return f"**Seed {result.experiment.seed}, n = {n}.**\n\n{said}"


ABOUT = (
    "Inputs are the $n$ one-hots, $m = 2$, and the loss is summed over features. A polygon with $k$ corners can store "
    "$k$ of them without any loss. Each of the others then costs $(n-1)/n^2$ where the network says its mean, $1/n$, "
    "to every input, and $1/n$ where it is *wasted*: it is dead, or it shares a corner with another. With $q$ of those "
    "the loss is $\\big((n-k)(n-1) + q\\big)/n^2$. A plateau lasts over a quarter more steps, with the loss within "
    f"{metrics.FLAT:.1%}. It gets the name of a polygon whose loss is within {theory.NEAR:.0%}, if the network there "
    "has as many corners. A loss can lie that near by chance, so the corners are counted apart, on the hull of the "
    "columns of W1. At the left a dot is a plateau with a name, a tick alone one without; on the curve it is "
    f"{charts.COLOUR_WORDS[charts.AMBER]}. While a network trains, its curve is coarse, and so is what is read off it."
)
LOOK_FOR = (
    "- **The stairs.** The loss stays, then drops to a polygon with more corners, and stays again.\n"
    "- **The polygon at a drop.** Move the clock over it: a column grows out of the middle, or two that share a corner "
    "part.\n"
    "- **Wasted.** A plateau between two dotted lines is a polygon with a feature that is dead or shares a corner."
)
NOT_SHOWN = (
    "- That polygons are regular: many unequal ones store as many features with the same loss.\n"
    "- Every polygon: which ones a training stops at depends on the seed, and it may stay at one for good.\n"
    "- Where features are sparse and several are active: these losses are for one active feature that is always 1."
)
VIEW = View(
    id="stairs",
    title="Stairs",
    place=6,
    controls=(N_FEATURES, SEEDS, shared.FIRST_SEED, *c.TRAINING),
    opens=(SEED,),
    plan=plan,
    show=show,
    inside=inside,
    stage=("seeds",),
    inside_stage=("stairs", "columns"),
    width=0.3,
    numbers=("train_loss", "train_accuracy"),
    named=lambda choice: "stairs",
    claims=("plateaus_are_polygons",),
)
