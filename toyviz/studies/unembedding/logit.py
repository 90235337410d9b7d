"""One logit taken apart: the votes that make h, the two terms of every class, the bias, and who is first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from toyviz import charts, data, metrics, probe, tables
from toyviz.control import Choice, Control, numbers
from toyviz.experiment import Experiment
from toyviz.result import Result
from toyviz.studies import first_addresses, network
from toyviz.studies import shared_controls as shared
from toyviz.studies.shared_texts import notes
from toyviz.studies.unembedding import controls as c
from toyviz.studies.unembedding import shapes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, PostFigure, Table, Text, View

NEW = 200  # held-out samples whose logits can be taken apart
SAMPLES = Control(
    "samples",
    "set",
    {"training": "training", "new": "new"},
    "training",
    help="Take apart a sample that the network was trained on, or one that it has never seen.",
)
SAMPLE = numbers(
    "sample", "sample", (0, 1, 2, 3, 4, 5, 10, 20, 50, 100), 0, bounds=(0, 999_999),
    help="Its number; one beyond the last stands for the last.",
)  # fmt: skip
ONE = charts.Kind("this sample", charts.VERMILLION, "diamond", size=10, rays=True)
OTHERS = charts.Kind("hidden vectors", charts.VERMILLION, size=0.6)


class Sample(NamedTuple):
    """One sample of a set. Not to be changed: all who look at it share it."""

    number: int
    total: int  # of the set
    x: np.ndarray  # (n_inputs,)
    label: int | None  # the class that is correct; None where no feature is active
    others: np.ndarray  # (k, n_inputs): those of the set that are drawn
    numbers: np.ndarray  # (k,)


@data.worked_out_once(maxsize=64)
def _sample(experiment: Experiment, which: str, number: int) -> Sample:
    """A sample of the training set, or of those that are held out; for a number beyond the last, the last."""
    samples = data.held_out_samples(experiment, NEW) if which == "new" else data.training_samples(experiment)
    assert samples is not None
    total = len(samples.X)
    number = min(number, total - 1)
    targets = samples.targets[number]
    drawn = np.linspace(0, total - 1, min(network.DRAWN, total)).astype(int)
    label = int(targets.argmax()) if targets.any() else None
    return Sample(number, total, samples.inputs[number].copy(), label, samples.inputs[drawn], drawn)


def plan(choice: Choice) -> Plan:
    """A network for each seed, the opened one first."""
    base = c.base(choice, n_samples=choice.T)
    return c.batched(Plan.over(base, {"seed": c.seeds_compared(choice)}, seed=shared.seed_of(choice)), choice)


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """What to look for: all that is drawn is of the opened network."""
    yield from notes(
        "- **A weighted vote makes h.** Each active feature adds its column of W1 times its value; laid end to end "
        f"(dotted) they lead to $h$ ({charts.COLOUR_WORDS[charts.VERMILLION]}).\n"
        "- **A stretched circle.** Every row of W2, its first entry times $h_x$ and its second times $h_y$: the "
        "correct class (diamond) lies where both terms are positive, since its row of W2 points the way that $h$ "
        "does. Beyond the dashed line a class has a larger sum.\n"
        "- **Ahead, but not first.** Many classes further along $h$ have a larger sum. Then the bias decides.\n"
        "- **The bias stands for distance.** Samples far out make large terms, and their classes have a negative bias, "
        "so that they win only there. Samples near the centre have a class with a large positive bias. Click a few "
        "hidden vectors.",
        "- Knowledge: switch to new samples, and the same sums name a wrong class with the same confidence.\n"
        "- A sum of ten terms or a hundred: with more hidden values there are more terms, and no picture.",
    )


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """One sample on its way through the network at every step of the training, and the loss."""
    sample = _sample(opened.experiment, choice.samples, choice.sample)
    too_large = network.is_too_large(opened)
    yield _all_hidden(opened, sample)
    active = np.flatnonzero(sample.x)
    W1 = np.zeros((1, 2, len(sample.x))) if too_large else opened.frames["W1"].astype(np.float64)
    arrows = sample.x[active, None] * np.moveaxis(W1[:, :, active], 1, 2)  # (f, k, 2)
    yield Figure("votes", charts.votes(active, arrows, hidden_of(opened, sample.x), sample.x[active]))
    logits = logits_of(opened, sample)
    yield Figure("plane", charts.logit_plane(logits))
    yield Figure("stages", charts.logit_stages(logits))
    yield Figure("ranking", charts.ranking(logits))
    yield network.curve(opened)
    yield Text("answer", _answer(choice, opened, sample))
    if opened.finished and sample.label is not None:
        terms = probe.logit_terms(opened, sample.x)
        yield Table("logits", tables.logit_rows(terms, sample.label).round(4))
        yield Text("sums", _sums(choice, opened, terms, probe.hidden_votes(opened, sample.x)))


def hidden_of(result: Result, x: np.ndarray) -> np.ndarray:
    """h = W1 x of one sample over the frames, (f, 2)."""
    if network.is_too_large(result):
        return np.zeros((1, 2))
    h: np.ndarray = result.frames["W1"].astype(np.float64) @ x
    return h


def logits_of(result: Result, sample: Sample) -> charts.Logits:
    """The terms of every class's logit over the frames: h_k W2[c, k] and b2[c]."""
    seen, h = shapes.seen_in(result.experiment), hidden_of(result, sample.x)
    if network.is_too_large(result):
        classes = result.experiment.n_outputs
        return charts.Logits(np.zeros((1, classes, 2)), np.zeros((1, classes)), seen.named, sample.label)
    terms = h[:, None] * shapes.row_history(result)
    return charts.Logits(terms, shapes.bias_history(result).astype(np.float64), seen.named, sample.label)


def everywhere(result: Result) -> str:
    """What the picture says of all training samples, in a sentence."""
    found = tables.unembedding(result)
    known = found.labels >= 0
    correct = found.labels[known]
    positive = (found.hidden[known] * found.rows[correct] > 0).all(axis=1).mean()
    lowered = (found.biases[correct] < 0).mean()
    said = f"Over all training samples: both terms of the correct class are positive in {positive:.1%}; its bias is "
    lengths, biases = (pd.Series(each).rank() for each in (metrics.norms(found.hidden[known]), found.biases[correct]))
    if lengths.nunique() < 2 or biases.nunique() < 2:
        return f"{said}negative in {lowered:.1%}."
    return (
        f"{said}negative in {lowered:.1%}, and the more so the longer h is (rank correlation "
        f"{lengths.corr(biases):.3f})."
    )


def _all_hidden(result: Result, sample: Sample) -> Figure:
    """The hidden vectors of the set; clicking one takes it."""
    if network.is_too_large(result):
        history, one = shapes.NOTHING, shapes.NOTHING
        numbers, others = np.empty(0, int), np.empty((0, len(sample.x)))
    else:
        numbers, others = sample.numbers, sample.others
        history = others @ np.moveaxis(result.frames["W1"], 1, 2)
        one = hidden_of(result, sample.x)[:, None]
    groups = [
        charts.Group.of(OTHERS, history, numbers, [f",{','.join(map(str, np.flatnonzero(x)))}," for x in others]),
        charts.Group.of(ONE, one, np.full(one.shape[1], sample.number), [""] * one.shape[1]),
    ]
    chart = charts.planes_of_kinds(groups, "Click a sample", noun="sample", picks=True)
    return Figure("samples", chart, {"number": "sample"})


def _answer(choice: Choice, result: Result, sample: Sample) -> str:
    """Which sample it is, which class is correct, and which one the network names."""
    kind = "New sample" if choice.samples == "new" else "Training sample"
    which = f"**{kind} {sample.number} of {sample.total:,}.**"
    if sample.label is None:
        return f"{which} No feature of this sample is active: it has no correct class. Choose another."
    never = "" if shapes.seen_in(result.experiment).named[sample.label] else ", a class never correct in training"
    said = f"{which} Its largest feature is {sample.label}{never}; so class {sample.label} is correct."
    if not result.finished:
        return f"{said} The network is not trained to the end yet."
    named = int(probe.logit_terms(result, sample.x).logits.argmax())
    return f"{said} The network says class **{named}**: {'right' if named == sample.label else 'wrong'}."


def _sums(choice: Choice, result: Result, terms: probe.LogitTerms, votes: probe.Votes) -> str:
    """That the parts add up, and what is so of all training samples."""
    return (
        f"{len(votes.features)} features are active; the sum of their votes and the network's own h differ by "
        f"{votes.error:.1e}. The terms and the bias add up to the network's own logits: over all "
        f"{len(terms.logits):,} classes the largest difference is {terms.error:.1e}, the rounding of 32-bit numbers. "
        "Each tick is a class; the short grey ones were never correct in training: their rows of W2 are almost "
        f"nothing, and no sample can lift them. {everywhere(result) if choice.samples == 'training' else ''}"
    )


VIEW = View(
    id="logit",
    title="One logit",
    place=2,
    controls=(
        c.LABELS,
        c.NETWORK,
        c.BATCH,
        shared.seeds(1),
        shared.FIRST_SEED,
        shared.N_FEATURES,
        shared.SPARSITY,
        shared.RECIPE,
        *c.TRAINING,
    ),
    opens=(shared.T(500), shared.SEED, SAMPLE, SAMPLES),
    plan=plan,
    show=show,
    inside=inside,
    stage=(),
    inside_stage=(("samples", "votes", "plane"), ("stages", "ranking")),
    width=0,
    named=c.named,
    claims=("unembedding_first_quadrant", "unembedding_top", "unembedding_bias"),
    figures={
        "F25": PostFigure("The two terms of every class's logit", "plane", ("unembedding",)),
        "F26": PostFigure("The sum of the terms, and the bias", "stages", ("unembedding",)),
        "F27": PostFigure("The weighted vote that makes a hidden vector", "votes", ("unembedding",)),
    },
    first_name="One logit",
    aliases=c.FIRST_NAMES
    | first_addresses.passed_over("n_samples", "seeds")
    | {"new": c.Alias("samples", {"true": "new", "True": "new", "false": "training", "False": "training"})},
    first_defaults=c.FIRST_DEFAULTS | {"seeds": "1", "sample": "0", "samples": "training"},
)
