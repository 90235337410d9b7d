"""What comes back of sparse features of which the first matters most."""

from __future__ import annotations

from collections.abc import Iterator

from toyviz.control import Choice
from toyviz.studies.limits import cell, features, maps
from toyviz.sweep import Sweep
from toyviz.view import Block, Plan, PostFigure, Text, View

OWN = "decreasing"
INPUTS = (
    "Inputs are sparse features between 0 and 1, and feature $i$ weighs $100^{-i/(n-1)}$ in the loss: the first "
    "weighs 1, the last 0.01."
)
LOOK_FOR = (
    "**What to look for**\n\n"
    "- **To the right** in each map, where the bottleneck is wider, more comes back; where $m = n$, all.\n"
    "- **From map to map** features get sparser. They rarely meet, so they can share directions, and one hidden "
    "value serves several of them.\n"
    "- **Dense** ($S = 0$): about as many one-hots come back as there are hidden values, the most important ones. "
    "Each has a direction for itself, and the others are given up."
)
NOT_SHOWN = (
    "**What this does not show**\n\n"
    "- That sparse features are stored better, by the loss alone: they vary less, and even a constant output has a "
    "smaller loss. The choice at the left divides by that.\n"
    "- What long training would reach: the quick recipe takes 2,000 steps."
)


def plan(choice: Choice) -> Plan:
    """A network for each n, m, sparsity and seed, importance decreasing; coarse to fine."""
    return features.plan(choice, OWN)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The maps, and what to look for in them."""
    notes = (
        Text("look_for", LOOK_FOR, (maps.mark(max(choice.sizes), max(choice.widths)), "", "")),
        Text("not_shown", NOT_SHOWN),
    )
    yield from maps.show(choice, plan, sweep, features.maps_of(choice, OWN), INPUTS, notes)


VIEW = View(
    id="decreasing",
    title="Decreasing importance",
    place=1,
    plan=plan,
    show=show,
    inside=cell.inside,
    stage=maps.STAGE,
    inside_stage=cell.STAGE,
    width=maps.SHARE,
    named=features.named,
    claims=("sparser_is_better", "wider_is_better", "importance_rule", "roughest_case", "importance_in_loss_only"),
    figures={"F6": PostFigure("Limits of reconstruction, decreasing importance", "loss", ("limits",))},
    first_name="Decreasing importance",
    **features.controls(OWN, "uniform"),
)
