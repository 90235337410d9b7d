"""What comes back of sparse features of which the first matters most."""

from __future__ import annotations

from collections.abc import Iterator

from toyviz.control import Choice
from toyviz.studies.limits import features, maps
from toyviz.studies.shared_texts import notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Plan, PostFigure, View

OWN = "decreasing"
INPUTS = (
    "Inputs are sparse features between 0 and 1, and feature $i$ weighs $100^{-i/(n-1)}$ in the loss: the first "
    "weighs 1, the last 0.01."
)
LOOK_FOR = (
    "- **To the right** in each map, where the bottleneck is wider, more comes back; where $m = n$, all.\n"
    "- **From map to map** features get sparser. They rarely meet, so they can share directions, and one hidden "
    "value serves several of them.\n"
    "- **Dense** ($S = 0$): about as many one-hots come back as there are hidden values, the most important ones. "
    "Each has a direction for itself, and the others are given up."
)
NOT_SHOWN = (
    "- That sparse features are stored better, by the loss alone: they vary less, and even a constant output has a "
    "smaller loss. The choice at the left divides by that.\n"
    "- What long training would reach: the quick recipe takes 2,000 steps."
)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The maps, and what to look for in them."""
    marks = (maps.mark(max(choice.sizes), max(choice.widths)), "", "")
    said = notes(LOOK_FOR, NOT_SHOWN, marks)
    yield from maps.show(choice, plan, sweep, features.maps_of(choice, OWN), INPUTS, said)


VIEW = View(
    id="decreasing",
    title="Decreasing importance",
    place=1,
    show=show,
    claims=("sparser_is_better", "wider_is_better", "importance_rule", "roughest_case", "importance_in_loss_only"),
    figures={"F6": PostFigure("Limits of reconstruction, decreasing importance", "loss", ("limits",))},
    first_name="Decreasing importance",
    **features.common(OWN, "uniform"),
)
