"""What comes back of sparse features that all matter alike."""

from __future__ import annotations

from collections.abc import Iterator

from toyviz.control import Choice
from toyviz.studies.limits import features, maps
from toyviz.studies.shared_texts import notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Plan, PostFigure, View

OWN = "uniform"
INPUTS = "Inputs are sparse features between 0 and 1, and all weigh the same in the loss."
LOOK_FOR = (
    "- **Better accuracy, worse loss** than with decreasing importance, where features are sparse: none is worth "
    "giving up, so all are stored a little worse. Much of the gap of the losses is arithmetic: decreasing weights "
    "have a mean of about 0.22. Compare with them at the left.\n"
    "- **Dense** ($S = 0$): for many features and few hidden values hardly any one-hot comes back. With equal "
    "weights there is no reason to prefer any $m$ of them."
)
NOT_SHOWN = (
    "- A fair comparison of the two losses: they are different sums. Divide by the best constant output's loss at "
    "the left; then the weights cancel.\n"
    "- Why the divided loss can be above 1, at $S = 0$, $n \\ge 64$ and few hidden values: some outputs are off "
    "for every input, and a ReLU that is off learns nothing. Each costs four times what the mean would: 25 of 128 "
    "at $m = 2$ make $1 + 3 \\cdot 25/128 = 1.59$, and 1.57 is measured, with either recipe."
)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The maps, and what to look for in them."""
    marks = ("", maps.mark(max(choice.sizes), min(choice.widths)))
    said = notes(LOOK_FOR, NOT_SHOWN, marks)
    yield from maps.show(choice, plan, sweep, features.maps_of(choice, OWN), INPUTS, said)


VIEW = View(
    id="uniform",
    title="Uniform importance",
    place=2,
    show=show,
    claims=("uniform_trades_loss_for_accuracy",),
    figures={"F7": PostFigure("Limits of reconstruction, uniform importance", "loss", ("limits",))},
    first_name="Uniform importance",
    **features.common(OWN, "decreasing"),
)
