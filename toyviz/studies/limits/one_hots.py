"""What comes back of a list of one-hots, without noise."""

from __future__ import annotations

from collections.abc import Iterator

from toyviz import settings
from toyviz.control import Alias, Choice, Control, numbers
from toyviz.experiment import RANGES, Experiment
from toyviz.studies import shared_controls as shared
from toyviz.studies.limits import cell, maps
from toyviz.studies.limits import controls as c
from toyviz.studies.limits.maps import Map
from toyviz.studies.shared_texts import notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Plan, PostFigure, View

FEATURES, DECAY = "features", "decay"  # what can stand beside
BESIDE_LABELS = {
    "nothing": "nothing",
    FEATURES: "sparse features",
    DECAY: "another weight decay",
}
BESIDE = Control(
    "beside",
    "Compare with",
    {name: name for name in BESIDE_LABELS},
    "nothing",
    help="More maps beside these, of the same sizes and on the same scale of colours.",
    labels=BESIDE_LABELS,
)
BESIDE_S = numbers(
    "beside_S",
    "Sparsity S there",
    c.DENSE_TO_SPARSE,
    0.99,
    help="The chance that a feature is zero in a sample.",
    bounds=c.BOUNDS,
    when={"beside": (FEATURES,)},
)
BESIDE_DECAY = numbers(
    "beside_decay",
    "Weight decay there",
    (0.0, 0.001, 0.1, 1.0),
    0.0,
    help="AdamW shrinks every weight by learning rate × decay at each step.",
    bounds=RANGES["weight_decay"],
    when={"beside": (DECAY,)},
)
IMPORTANCE = Control("importance", "I", {name: name for name in c.IMPORTANCE}, "decreasing")
OF = Control(
    "of",
    "Opened one is of",
    {c.ONE_HOTS: c.ONE_HOTS, "beside": "beside"},
    c.ONE_HOTS,
    help="Which of the maps the network is in that is looked into. A click on a cell chooses it.",
    labels={c.ONE_HOTS: "one-hots", "beside": "those beside"},
    when={"beside": (FEATURES, DECAY)},
)
FIRST_MAPS = {"importance decreasing": "decreasing", "importance uniform": "uniform"}
INPUTS = (
    "Inputs are the $n$ one-hots and nothing else: no noise, a list to be stored. With decreasing importance "
    "feature $i$ weighs $100^{-i/(n-1)}$ in the loss, with uniform all weigh the same."
)
LOOK_FOR = (
    "- **Uniform importance**: a handful of hidden values holds hundreds of one-hots. Only one input is active at "
    "a time, so only the angles between them count.\n"
    "- **Better than with noise**: compare with sparse features at the left. Even of the sparsest fewer come back.\n"
    "- **Decreasing importance**: the network gives up the least important ones, though it has room.\n"
    "- **Why some are missing.** The post suspects weight decay and other hyperparameters. The usual decay of 0.01 is "
    "too small to matter: with none about as many are missing. Ten or a hundred times as much does cost some. At "
    "$m = 4$ the optimiser has stopped short, and more steps bring nearly all of them back; at $m = 2$ hardly any."
)
NOT_SHOWN = (
    "- How robust the list is: there is no noise at all, and an angle of a few degrees is enough.\n"
    "- The optimum for $m = 2$: any number of points fits on a circle in exact arithmetic, but the vectors must "
    "then be as long as about $0.3\\, n$."
)


def _bases(choice: Choice) -> dict[str, tuple[str, Experiment]]:
    """Of the one-hots, and of what stands beside them: what they are called, and their experiment but for its sizes."""
    own = shared.trained_as(choice, settings.EXPERIMENTS["limits_one_hot"].at(choice.recipe))
    found = {c.ONE_HOTS: ("one-hots", own)}
    if choice.beside == FEATURES:
        noisy = shared.trained_as(choice, settings.EXPERIMENTS["limits"].at(choice.recipe))
        found["beside"] = (f"S = {choice.beside_S:g}", noisy.with_(sparsity=choice.beside_S))
    elif choice.beside == DECAY and choice.beside_decay != own.weight_decay:
        found[c.ONE_HOTS] = (f"decay {own.weight_decay:g}", own)
        found["beside"] = (f"decay {choice.beside_decay:g}", own.with_(weight_decay=choice.beside_decay))
    return found


def maps_of(choice: Choice) -> list[Map]:
    """The maps from left to right: of each kind of input one with decreasing and one with uniform importance."""
    bases = _bases(choice)
    return [
        Map(
            f"{word}\n{title}" if len(bases) > 1 else f"{word} importance",
            base,
            decreasing,
            {"importance": word, "of": kind},
        )
        for kind, (title, base) in bases.items()
        for word, decreasing in c.IMPORTANCE.items()
    ]


def plan(choice: Choice) -> Plan:
    """A network for each n, m, importance and seed, and those that stand beside them; coarse to fine."""
    every = maps_of(choice)
    kind = choice.of if choice.beside != "nothing" else c.ONE_HOTS
    opened = {"importance": choice.importance, "of": kind}
    return maps.plan(choice, every, next((each for each in every if each.picks == opened), every[0]))


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The maps, and what to look for in them."""
    yield from maps.show(choice, plan, sweep, maps_of(choice), INPUTS, notes(LOOK_FOR, NOT_SHOWN))


def named(choice: Choice) -> str:
    """The named experiment that the opened network belongs to."""
    return "limits" if (choice.beside, choice.of) == (FEATURES, "beside") else "limits_one_hot"


VIEW = View(
    id="one_hots",
    title="One-hots",
    place=3,
    controls=(
        c.SIZES,
        c.WIDTHS,
        BESIDE,
        BESIDE_S,
        BESIDE_DECAY,
        OF,
        c.RELATIVE,
        c.SEEDS,
        shared.FIRST_SEED,
        shared.RECIPE,
        *c.TRAINING,
    ),
    opens=(c.N, c.M, IMPORTANCE, shared.SEED),
    plan=plan,
    show=show,
    inside=cell.inside,
    stage=maps.STAGE,
    inside_stage=cell.STAGE,
    width=maps.SHARE,
    named=named,
    claims=(*("noise_free_is_better", "importance_still_ignores", "decay_costs_accuracy", "noise_free_is_unbounded"),),
    figures={"F8": PostFigure("Limits of reconstruction without noise", "loss", ("limits_one_hot",))},
    shipped=({"beside": DECAY},),
    first_name="One-hots",
    aliases=c.ALIASES | {"column": Alias("importance", FIRST_MAPS), "sparsities": Alias("")},
    first_defaults=c.FIRST_DEFAULTS
    | {"beside_S": "0.99", "beside_decay": "0", "importance": "decreasing", "of": c.ONE_HOTS},
    first_among=c.FIRST_AMONG,
)
