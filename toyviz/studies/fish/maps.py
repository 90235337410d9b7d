"""The three fish over bottleneck and hidden size: their errors, or what comes back, side by side on one scale."""

from __future__ import annotations

from collections.abc import Iterator

from toyviz import charts, tables
from toyviz.control import Choice, Control
from toyviz.studies.fish import cell
from toyviz.studies.fish import controls as c
from toyviz.studies.shared_texts import notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Text, View

MEASURE = Control(
    "measure",
    "In the maps",
    {"share": "share", "mse": "mse", "accuracy": "accuracy"},
    "share",
    help="The three fish have different targets. Divided by their variance, an error of 1 is what the best constant "
    "output has, whatever the target. The accuracy is the share of the features that come back when they go in alone.",
    labels={"share": "error over the variance", "mse": "mean squared error", "accuracy": "accuracy"},
)
FEW = 8  # F over H from which on there are few neurons
FAINTEST = 1e-4  # of the variance: a smaller error has the same colour
PICK = {"task": "fish", "n_embed": "B", "n_hidden": "H"}


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The shapes of the three, and below each its map; what they have to do, and what to look for."""
    yield Figure("shapes", charts.fish_shapes(choice.F, choice.B, choice.H))
    found = c.cells(choice, sweep)
    values = found[choice.measure].astype(float)
    cells = found.assign(value=values, floor=found[FLOOR[choice.measure]])
    loss = choice.measure != "accuracy"
    ends = None
    if choice.measure == "share" and len(found):
        ends = float(values.clip(lower=FAINTEST).min()), float(values.max())
    opened = plan.opened[0]
    name = MEASURE.labels[choice.measure]
    chart = charts.size_map(
        cells,
        f"The three fish over B and H, F = {choice.F}",
        name,
        logarithmic=loss,
        ends=ends,
        x=charts.Side("n_embed", "bottleneck B", tuple(plan.values("n_embed"))),
        y=charts.Side("n_hidden", "hidden size H", tuple(plan.values("n_hidden"))),
        selected={"task": opened.task, "n_embed": opened.n_embed, "n_hidden": opened.n_hidden},
        beside=charts.Beside("task", c.NAMES),
        pick=("task",),
        linked=True,
    )
    yield Figure("maps", chart, PICK)
    yield Text("setting", SETTING)
    yield Text("measured", _measured(choice, opened.sparsity, opened.training_size or 0))
    yield from notes(_look_for(choice, sweep), _not_shown(choice))
    yield Figure("components", charts.components())
    yield Text(
        "components_told",
        "The parts of a transformer that are trained alone; this page is about the MLP block. Of the three networks "
        "above, E, and E' behind the re-projector's target, are drawn once and never trained; all three see the same "
        "samples through the same E.",
    )


FLOOR = {"share": "floor_share", "mse": "floor", "accuracy": "chance"}
SETTING = (
    "An MLP in a transformer does not see features; it sees a residual stream in which more features lie than it has "
    "dimensions. Here $F$ features $x$ become $B$ numbers, $x' = xE$, by a random matrix $E$ that is never trained. "
    "The MLP, $W_2\\, \\mathrm{ReLU}(W_1 x' + b_1) + b_2$ with $H$ neurons, has one of three jobs. The **big fish** "
    "gives back the features $x$. The **small fish** gives back what it sees, $x'$. The **re-projector** gives "
    "$x'' = xE'$: the same features through another random matrix $E'$."
)


def _measured(choice: Choice, sparsity: float, T: int) -> str:
    """What a cell says, in words."""
    empty = sparsity**choice.F
    samples = (
        f" About {empty:.0%} of the samples have no feature at all ($S^F$ with $S$ = {sparsity:g})"
        f"{'; the smaller F, the more, and the easier the task' if empty > 0.01 else ''}."
    )
    if choice.measure == "accuracy":
        return (
            "The accuracy: each feature goes in alone, as row $i$ of $E$, and counts if the largest output is where "
            f"the target's largest is. By chance that is 1/{choice.F} for the big fish, 1/B for the other two."
            f"{samples} Click a cell to open its network."
        )
    name = MEASURE.labels[choice.measure]
    variance = ", of which 1 is what the best constant output has" if choice.measure == "share" else ""
    return (
        f"The {name} on the {T:,} training samples, its mean over all outputs{variance}, on a logarithmic scale that "
        f"all three share.{samples} Click a cell to open its network."
    )


def _look_for(choice: Choice, sweep: Sweep) -> str:
    return (
        "- **Big fish**: rows differ more than columns. It has to name $F$ features, and each neuron adds one "
        "dimension to what it can say. While there are few neurons the bottleneck hardly limits it; with many it does"
        f"{_big_fish_over_B(choice, sweep)}.\n"
        "- **Small fish**: it only has to copy. With $H \\geq B$ neurons, lifted by $b_1$ to where the ReLU does "
        "nothing, it could do so exactly.\n"
        "- **Re-projector**: its target has only $B$ dimensions, like the small fish's, but it has to find out which "
        "features are on before it can say where $E'$ puts them, like the big fish."
    )


def _not_shown(choice: Choice) -> str:
    return (
        "- That accuracies can be compared as they are: by chance one of $B$ outputs is right far more often than one "
        "of $F$.\n"
        f"- New samples: the error is that on the {choice.n_samples:,} fixed training samples. With many neurons these "
        "can be memorised; the accuracy, and the error on new samples of the opened network, show whether they are.\n"
        "- A long training: the quick recipe takes 1,500 steps, the post's size here 5,000."
    )


def _big_fish_over_B(choice: Choice, sweep: Sweep) -> str:
    """What the big fish leaves of the variance at each B, with a few neurons and with the most, in words."""
    table = tables.fish(sweep.at(task="big_fish", n_features=choice.F))
    left = table.groupby(["n_hidden", "n_embed"])["share"].mean().unstack() if len(table) else table
    few = [width for width in left.index if width <= choice.F / FEW]
    if not few or left.shape[1] < 2:
        return ""
    told = [
        f"{here.iloc[0]:.2f} at B = {here.index[0]} and {here.iloc[-1]:.2f} at B = {here.index[-1]} with H = {width}"
        for width in dict.fromkeys((few[-1], left.index[-1]))
        if len(here := left.loc[width].dropna()) > 1
    ]
    return f" (of the variance are left {', '.join(told)})" if told else ""


VIEW = View(
    id="maps",
    title="Over B and H",
    place=1,
    controls=(MEASURE, *c.CONTROLS, *c.MORE),
    opens=c.OPENS,
    plan=c.plan,
    show=show,
    inside=cell.inside,
    stage=("shapes", "maps"),
    inside_stage=cell.STAGE,
    width=0.58,
    numbers=("train_loss", "test_loss"),
    named=c.named,
    claims=(
        "projection_has_full_rank",
        "big_fish_needs_hidden_size",
        "small_fish_recovers_more",
        "reprojector_like_big_fish",
    ),
    figures={
        "F1": PostFigure("Three parts of a transformer, each taken out", "components", tuple(c.NAMES)),
        "F18": PostFigure("The shapes of the three fish", "shapes", tuple(c.NAMES)),
        **{
            number: PostFigure(f"{title} over bottleneck and hidden size", "maps", (task,), {"fish": task})
            for number, title, task in (
                ("F19", "Big fish", "big_fish"),
                ("F20", "Small fish", "small_fish"),
                ("F21", "Re-projector", "reproject"),
            )
        },
    },
    first_name="fish",
    aliases=c.ALIASES,
    first_defaults=c.FIRST_DEFAULTS,
    first_among=c.FIRST_AMONG,
)
