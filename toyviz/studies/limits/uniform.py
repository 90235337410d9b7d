"""What comes back of sparse features that all matter alike."""

from __future__ import annotations

from collections.abc import Iterator

from toyviz.control import Choice
from toyviz.studies.limits import cell, features, maps
from toyviz.sweep import Sweep
from toyviz.view import Block, Plan, PostFigure, Text, View

OWN = "uniform"
INPUTS = "Inputs are sparse features between 0 and 1, and all weigh the same in the loss."
LOOK_FOR = (
    "**What to look for**\n\n"
    "- **Better accuracy, worse loss** than with decreasing importance, where features are sparse: none is worth "
    "giving up, so all are stored a little worse. Much of the gap of the losses is arithmetic: decreasing weights "
    "have a mean of about 0.22. Compare with them at the left.\n"
    "- **Dense** ($S = 0$): for many features and few hidden values hardly any one-hot comes back. With equal "
    "weights there is no reason to prefer any $m$ of them."
)
NOT_SHOWN = (
    "**What this does not show**\n\n"
    "- A fair comparison of the two losses: they are different sums. Divide by the best constant output's loss at "
    "the left; then the weights cancel.\n"
    "- Why the divided loss can be above 1, at $S = 0$, $n \\ge 64$ and few hidden values: some outputs are off "
    "for every input, and a ReLU that is off learns nothing. Each costs four times what the mean would: 25 of 128 "
    "at $m = 2$ make $1 + 3 \\cdot 25/128 = 1.59$, and 1.57 is measured, with either recipe."
)


def plan(choice: Choice) -> Plan:
    """A network for each n, m, sparsity and seed, importance uniform; coarse to fine."""
    return features.plan(choice, OWN)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The maps, and what to look for in them."""
    notes = (
        Text("look_for", LOOK_FOR, ("", maps.mark(max(choice.sizes), min(choice.widths)))),
        Text("not_shown", NOT_SHOWN),
    )
    yield from maps.show(choice, plan, sweep, features.maps_of(choice, OWN), INPUTS, notes)


VIEW = View(
    id="uniform",
    title="Uniform importance",
    place=2,
    plan=plan,
    show=show,
    inside=cell.inside,
    stage=maps.STAGE,
    inside_stage=cell.STAGE,
    width=maps.SHARE,
    named=features.named,
    claims=("uniform_trades_loss_for_accuracy",),
    figures={"F7": PostFigure("Limits of reconstruction, uniform importance", "loss", ("limits",))},
    first_name="Uniform importance",
    **features.controls(OWN, "decreasing"),
)
