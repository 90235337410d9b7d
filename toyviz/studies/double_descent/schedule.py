"""Whether the schedule of the learning rate matters: the usual one beside two constant rates."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from toyviz import charts, metrics, settings, tables, theory
from toyviz.control import Choice
from toyviz.experiment import RANGES, Experiment
from toyviz.result import FRAME_METRICS, Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.double_descent import controls as c
from toyviz.studies.shared_texts import notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, Text, View

N_SAMPLES = shared.n_samples(settings.SCHEDULE_SIZES)
WARMED = 20  # a recipe without a warm-up gets one of its steps over this
PICK = {"n_samples": "T"}


def _rates(choice: Choice) -> dict[str, Experiment]:
    """The experiment at each of the three learning rates."""
    base = c.base(choice, n_hidden=choice.n_hidden)
    lowest = RANGES["lr"][0]
    if base.lr < 2 * lowest:
        raise ValueError(f"lr must be at least {2 * lowest:g} here, since half of it is trained too; got {base.lr:g}")
    own = base
    if base.schedule == "constant":  # it has no schedule of its own, and gets the paper's
        own = base.with_(schedule="warmup_cosine", warmup=base.steps // WARMED)
    return {
        f"cosine, {base.lr:g}": own,
        f"constant, {base.lr:g}": base.with_(schedule="constant", warmup=0),
        f"constant, {base.lr / 2:g}": base.with_(schedule="constant", warmup=0, lr=base.lr / 2),
    }


def plan(choice: Choice) -> Plan:
    """A network for each rate, T and seed; the three of the opened T and seed come first, and are compared."""
    opened = {"n_samples": choice.T, "seed": shared.seed_of(choice)}
    fields = {"seed": shared.seeds_of(choice), "n_samples": {*choice.n_samples, choice.T}}
    return Plan.beside([Plan.over(each, fields, **opened) for each in _rates(choice).values()])


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """Train and test loss over T at each rate."""
    rates = _rates(choice)
    names = {(each.schedule, each.lr): label for label, each in rates.items()}
    sizes = plan.values("n_samples")
    zero = theory.held_out_baselines(plan.opened[0].with_(n_samples=1, n_hidden=2))["zero"]
    for which in ("train", "test"):
        rows = pd.DataFrame(
            [
                {
                    "n_samples": result.experiment.n_samples,
                    "seed": result.experiment.seed,
                    "line": names[result.experiment.schedule, result.experiment.lr],
                    "loss": result.metrics[f"{which}_loss"],
                }
                for result in sweep.among(seed=shared.seeds_of(choice))
            ],
            columns=["n_samples", "seed", "line", "loss"],
        )
        chart = charts.lines_over_sizes(
            rows,
            list(rates),
            sizes,
            f"{which.capitalize()} loss",
            {"output 0": zero} if which == "test" else {},
            selected=choice.T,
            linked=True,
        )
        yield Figure(f"rates_{which}", chart, PICK)
    yield Text(
        "rates",
        "The post warns that schedules of the learning rate matter. The usual one grows from 0 to its peak, and falls "
        "back to 0 along a cosine. It is set against two constant rates: one at the peak, and one at half of it, which "
        "moves the weights about as far in all, since the mean of the usual rate is half of its peak.",
    )
    yield from notes(
        "- **Large steps must settle.** In the bottleneck, with the quick recipe, a constant rate goes on shaking the "
        "weights to the end. The test loss has a higher peak and comes down later; at T = 1000, where the usual "
        "schedule has some five features, none stands out.\n"
        "- **Small steps settle where there are features to find.** With the paper recipe, whose steps are ten times "
        "smaller, the constant rates end at T = 1000 where the usual one does. At the peak they do not: at T = 500 "
        "their test loss was 9 and 45 times as high (seed 10).",
        "- Whether it is the warm-up or the fall to 0 that counts: the two come together here.\n"
        "- Other schedules: each is compared only with no schedule at all.",
    )


def inside(choice: Choice, *opened: Result) -> Iterator[Block]:
    """The columns of W1 of the same network at each rate, and their losses, at the steps of the first."""
    labels, first = list(_rates(choice)), opened[0]
    if any(map(network.is_too_large, opened)):
        yield from network.without_frames(first)
        return
    results = dict(zip(labels, opened, strict=True))
    for place, (label, result) in enumerate(results.items()):
        yield network.columns(network.at_steps(result, first.frame_steps), f"columns_{place}", label)
    yield network.curves(results)
    big = {label: int((metrics.dimensionality(r.W1.T) >= tables.BIG).sum()) for label, r in results.items()}
    counts = "; ".join(f"{label}: **{count}**" for label, count in big.items())
    e = first.experiment
    now = "" if all(result.finished for result in results.values()) else " so far"
    yield Text(
        "features",
        f"**T = {e.n_samples:,}, seed {e.seed}.** The same samples at each rate. Features with at least {tables.BIG} "
        f"of a dimension{now}: {counts}.",
    )


VIEW = View(
    id="schedule",
    title="The learning rate",
    place=5,
    controls=(
        c.NETWORK,
        N_SAMPLES,
        shared.seeds(2),
        shared.FIRST_SEED,
        c.N_HIDDEN,
        shared.N_FEATURES,
        shared.SPARSITY,
        shared.RECIPE,
        *shared.UNSCHEDULED,
    ),
    opens=(shared.T(1000), shared.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=("rates_test", "rates_train"),
    numbers=FRAME_METRICS,
    named=c.named,
    claims=("schedule_matters", "schedule_memorises_better"),
    first_name="The learning rate",
    aliases=c.aliases("block", schedule_samples="n_samples", schedule_seeds="seeds"),
    first_defaults=c.FIRST_DEFAULTS
    | {"network": "relu_output", "T": "1000", "seeds": "2", "n_samples": "10,30,100,200,500,1000,2000"},
    first_among={"T": "n_samples"},
)
