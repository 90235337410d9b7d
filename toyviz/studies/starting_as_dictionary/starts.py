"""Five starts beside each other: the usual one, three whose keys are given, and a whole lookup table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from toyviz import charts, data, metrics
from toyviz.claims.appendix import MEMORISED, STARTS, steps_to_memorise
from toyviz.claims.claim import metric
from toyviz.control import Choice
from toyviz.experiment import sweep
from toyviz.result import Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.shared_texts import NONE_YET, notes
from toyviz.studies.starting_as_dictionary import controls as c
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, Text, View
from toyviz.view import Table as Rows

USUAL, *KEYS, TABLE = STARTS  # the random start; those with keys alone; that with values too
SHORT = dict(zip(STARTS, ("random", "points", "centres", "one-hots", "table"), strict=True))
PICK = {"seed": "seed"}
AS_LOW = 1.05  # times where the usual start ends


def plan(choice: Choice) -> Plan:
    """Every start of each seed; the five of the opened seed come first, and are compared."""
    seed = shared.seed_of(choice)
    tasks = [each for each in c.TASK.values if choice.tasks or each == choice.task]
    bases = {task: c.base(choice, task) for task in tasks}
    every = [
        each
        for base in bases.values()
        for each in sweep(base, seed=sorted({*shared.seeds_of(choice), seed}), init=list(STARTS))
    ]
    every.sort(key=lambda each: (each.task != choice.task, each.seed != seed, each.seed))
    return Plan(every, sweep(bases[choice.task].with_(seed=seed), init=list(STARTS)))


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """Where every start ends, after how many steps it is as low as the usual one, and what remains of the table."""
    results = sweep.at(task=choice.task).among(seed=shared.seeds_of(choice)).results
    seed = plan.opened[0].seed

    def strips(values: Sequence[float | None], title: str, colour: str) -> charts.Chart:
        seen = [(r.experiment.init, r.experiment.seed, v) for r, v in zip(results, values, strict=True)]
        rows = pd.DataFrame(seen, columns=["init", "seed", "value"]).astype({"value": float})
        rows = rows.assign(best=rows["seed"] == seed)
        return charts.strips(
            rows, "init", list(STARTS), title, labels=list(SHORT.values()), colour=colour, joined=False,
            logarithmic=True, linked=True,
        )  # fmt: skip

    ends = strips([r.metrics["train_loss"] for r in results], "Training loss at the end", charts.VERMILLION)
    yield Figure("ends", ends, PICK)
    if choice.task == "autoencode":
        lowest = _usual(results)
        steps, title = [caught_up(r, lowest) for r in results], "Steps until as low as the random start ends"
    else:  # a cross-entropy never ends: it falls with every step
        steps, title = [steps_to_memorise(r) for r in results], "Steps until memorised"
    yield Figure("steps", strips(steps, title, charts.BLUE), PICK)
    yield Text("told", in_words(results) if results else NONE_YET)
    if results:
        yield Rows("starts", summary(results, choice.task))
        yield Text("read", READ)
    yield Text("what", WHAT)
    yield from notes(LOOK_FOR, NOT_SHOWN, ("init=training_points", "init=lookup_table", ""))
    first = next((r for r in results if r.experiment == plan.opened[0]), None)
    steps_seen = first.frame_steps if first else np.array([0])
    total = plan.opened[0].steps
    mean = charts.clock_curve(_means(results), steps_seen, total, "Training loss, mean over seeds,")
    yield Figure("curves", mean)


def inside(choice: Choice, *opened: Result) -> Iterator[Block]:
    """W1 of the five starts of one seed and their losses, at the steps of the first."""
    first, e = opened[0], opened[0].experiment
    curve = network.curves({SHORT[r.experiment.init]: r for r in opened})
    title = "W1 from each start"
    if any(map(network.is_too_large, opened)):
        yield Figure("weights", charts.matrices([charts.Matrix("", np.zeros((1, 1, 1)))], f"{title}: too large"))
        yield curve
        yield Text("opened", "These networks are too large to be shown while they train: their losses alone.")
        return
    panels = [
        charts.Matrix(
            SHORT[each.experiment.init],
            network.at_steps(each, first.frame_steps).frames["W1"].transpose(0, 2, 1),
            "input",
            "neuron",
            row_kin=[f",{i}," for i in range(e.n_inputs)],
        )
        for each in opened
    ]
    yield Figure("weights", charts.matrices(panels, title))
    yield curve
    now = "" if all(each.finished for each in opened) else " Not all of them are trained to the end yet."
    names = "; ".join(f"**{SHORT[init]}**: {words}" for init, words in STARTS.items())
    yield Text("opened", f"**Seed {e.seed}**, the same training set from each start. {names}.{now}")


def kept(result: Result) -> tuple[float, float]:
    """What remains of the keys: mean cosine of the rows of W1 to their start, and to the nearest training point."""
    start, points = result.frame(0)["W1"], data.training_samples(result.experiment).inputs
    rows = metrics.unit(result.W1)
    return float((rows * metrics.unit(start)).sum(axis=1).mean()), float(
        (rows @ metrics.unit(points).T).max(axis=1).mean()
    )


def caught_up(result: Result, usual: dict[int, float]) -> int | None:
    """The step at which the loss first is within 5 % of where the usual start of this seed ends; None if it never is.

    usual: seed -> the loss there.
    """
    seed = result.experiment.seed
    near = np.flatnonzero(result.losses <= AS_LOW * usual[seed]) if seed in usual else np.empty(0, int)
    return int(result.loss_steps[near[0]]) if len(near) else None


def _usual(results: Sequence[Result]) -> dict[int, float]:
    """Where the training loss of the usual start ends, by seed."""
    return {r.experiment.seed: float(r.losses[-1]) for r in results if r.experiment.init == USUAL}


def _means(results: Sequence[Result]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The mean training loss over the seeds of each start."""
    found = {}
    for init, name in SHORT.items():
        part = [r for r in results if r.experiment.init == init]
        mean = np.mean([r.losses for r in part], axis=0) if part else np.empty(0)
        found[name] = (part[0].loss_steps if part else np.empty(0), mean)
    return found


def _reached(steps: Sequence[int | None]) -> tuple[str, float | None]:
    """How many seeds got there, and after how many steps, as the median over these."""
    reached = [step for step in steps if step is not None]
    return f"{len(reached)} of {len(steps)}", float(np.median(reached)) if reached else None


def summary(results: Sequence[Result], task: str) -> pd.DataFrame:
    """A row for each start: how many seeds memorise, when, how they end, and what remains of the dictionary."""
    usual, found = _usual(results), []
    for init, text in STARTS.items():
        part = [r for r in results if r.experiment.init == init]
        if not part:
            continue
        memorised, steps = _reached([steps_to_memorise(r) for r in part])
        row: dict[str, Any] = {"start": text, "memorised": memorised, "steps until then": steps}
        if task == "autoencode":
            compared = [caught_up(r, usual) for r in part if r.experiment.seed in usual]
            row["as low as the random start"], row["steps until so low"] = _reached(compared)
        start, near = np.mean([kept(r) for r in part], axis=0)
        tests = [loss for r in part if (loss := r.metrics["test_loss"]) is not None]
        row |= {
            "train loss": _rounded(np.median([r.metrics["train_loss"] for r in part])),
            "train accuracy": f"{np.mean([r.metrics['train_accuracy'] for r in part]):.0%}",
            "test loss": _rounded(np.median(tests)) if tests else None,
            "near their start": round(float(start), 2),
            "near a training point": round(float(near), 2),
        }
        found.append(row)
    return pd.DataFrame(found).dropna(axis="columns", how="all")


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def in_words(results: Sequence[Result]) -> str:
    """Who memorises, and where the starts end, in a few sentences."""
    strict = f"a training loss below {MEMORISED:.0%} of a guess's"
    lowest = min(results, key=lambda r: metric(r, "train_loss"))
    done = [r for r in results if steps_to_memorise(r) is not None]
    if done:
        words = [f"{len(done)} of {len(results)} networks memorise their training set, with {strict}."]
    else:
        words = [
            f"**No network memorises** its training set in the strict sense, {strict}: the lowest loss is "
            f"{lowest.metrics['train_loss']:.2g} ({STARTS[lowest.experiment.init]})."
        ]
    ends = {
        name: np.median([r.metrics["train_loss"] for r in results if r.experiment.init in inits] or [np.nan])
        for name, inits in (("the usual start", [USUAL]), ("keys alone", KEYS), ("keys and values", [TABLE]))
    }
    ended = ", ".join(f"{loss:.2g} from {name}" for name, loss in ends.items() if np.isfinite(loss))
    return " ".join([*words, f"Median training loss at the end: {ended}."])


WHAT = (
    "If the simplest memorising networks end as a dictionary, why not start them as one? In the comments of the post "
    "the author says that networks do not like weights set to one-hots, so that one input maps to one feature. Here "
    "the rows of $W_1$, the keys, start as **training points**, as "
    "**k-means centres** of them, or as **one-hots**; the rest starts as always. A **lookup table** gets the values "
    "too: each column of $W_2$ is the target of the training point in the row of $W_1$. All are trained alike, and "
    "compared with the usual random start."
)
READ = (
    f"**How to read the table.** Memorised: seeds whose training loss fell below {MEMORISED:.0%} of a guess's; a guess "
    "has a squared error of 1, or a cross-entropy of ln n. As low as the random start: seeds whose training loss came "
    f"within {AS_LOW - 1:.0%} of where that ends with the same seed, and so on the same training set. Steps and losses "
    "are medians over seeds, steps over those that got there. The test loss is on 10,000 samples that no seed trains "
    "on; one-hots have none. The last two columns say what remains of the dictionary, 1 is all of it: the mean cosine "
    "of the rows of W1 to what they were at the start, and the mean of their largest cosine to any training point. In "
    "the figures each tick is a seed, and the dots are the seed that is opened; a click opens another."
)
LOOK_FOR = (
    "- **Keys alone** change little on sparse samples: the network is about as fast, and ends about where it would "
    "have ended anyway. On one-hots with the squared error it ends higher in most seeds.\n"
    "- **Keys and values** together, with the squared error: on sparse samples the training loss falls sooner and ends "
    "several times lower, the test loss is lower too, and most of the table is still there. On one-hots it ends lower "
    "too, but by less.\n"
    "- **Cross-entropy on one-hots** is the case for the remark: there the lookup table needs two to four times as "
    "many steps as a random start, since a value of 1 is a weak vote among large weights that must grow anyway."
)
NOT_SHOWN = (
    "- A better optimum: with random starts and an output ReLU many outputs get stuck at 0. What the table avoids is "
    "mostly that.\n"
    "- Large networks, or data in which the samples are alike."
)
VIEW = View(
    id="starts",
    title="Start by start",
    place=1,
    controls=(c.DATA, c.TASK, c.N_HIDDEN, shared.SEEDS, shared.FIRST_SEED, c.N_FEATURES, c.TASKS, *c.TRAINING),
    opens=(shared.SEED,),
    plan=plan,
    show=show,
    inside=inside,
    stage=("ends", "steps"),
    inside_stage=("weights", "curve"),
    width=0.36,
    named=lambda choice: "starting_as_dictionary",
    claims=("starting_as_dictionary", "starting_as_sparse_samples"),
    first_name="starts",
    aliases=c.ALIASES,
    first_defaults=c.FIRST_DEFAULTS,
)
