"""The table that is read off a network, how far it can stand for it, and how both come about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from toyviz import charts, decompiler
from toyviz.control import Choice
from toyviz.model import forward
from toyviz.result import Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.decompiler import controls as c
from toyviz.studies.shared_texts import NOT_YET, notes, shortened
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, Text, View
from toyviz.view import Table as Rows

LINES = {"network": "table = network", "truth": "table = truth", "accuracy": "network = truth"}
TABLE = "The table | alike"
PICK = {"n_hidden": "m", "levels": "levels"}


def plan(choice: Choice) -> Plan:
    """A network for each number of neurons and seed, those of the opened number and seed first."""
    fields = {"seed": {*shared.seeds_of(choice)}, "n_hidden": {*choice.widths, choice.m}}
    return Plan.over(c.base(choice), fields, n_hidden=choice.m, seed=shared.seed_of(choice))


def fidelity(choice: Choice, result: Result, **changes: float) -> decompiler.Fidelity:
    """How far the table of a network stands for it, on inputs as they are chosen, with some of that changed."""
    chosen = choice | changes
    table = decompiler.read(result.experiment, result.parameters, chosen["levels"])
    tried = decompiler.trials(result.experiment, chosen["active"], chosen["noise"])
    return decompiler.fidelity(result, table, tried, chosen["counts_from"])


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """Fidelity over neurons and levels, and over noise and mixed inputs for the opened number of neurons."""
    known = sweep.among(seed=shared.seeds_of(choice))
    widths, levels = plan.values("n_hidden"), sorted({*c.LEVELS, choice.levels})
    yield Figure("map", _map(choice, known, widths, levels), PICK)
    rows = [_row(r, "n_hidden", r.experiment.n_hidden, fidelity(choice, r)) for r in known]
    over = _lines(rows, "n_hidden", "neurons m", widths, choice.m)
    yield Figure("over_m", over, {"n_hidden": "m", "seed": "seed"})
    yield Text(
        "read",
        f"With {choice.active} at once, noise {choice.noise:g}, and, at the lines, {choice.levels} levels a neuron. "
        "Lines are means over seeds, dots are seeds. One input of a mixture has strength 1, and is the right answer; "
        "the others have a uniform strength below. 1,000 mixtures, the same for every network. With one input and no "
        "noise, each stored input is tried once.",
    )
    yield Text("what", WHAT)
    yield from notes(LOOK_FOR, NOT_SHOWN, ("n_hidden=10", "n_hidden=2", ""))
    here = known.at(n_hidden=choice.m)
    noises = sorted({*c.NOISES, choice.noise})
    rows = [_row(r, "noise", x, fidelity(choice, r, noise=x)) for r in here for x in noises]
    over = _lines(rows, "noise", f"standard deviation of the noise (m = {choice.m})", noises, choice.noise)
    yield Figure("over_noise", over, {"noise": "noise"})
    at_once = [x for x in sorted({*c.AT_ONCE, choice.active}) if x <= choice.n_features]
    rows = [_row(r, "active", x, fidelity(choice, r, active=x)) for r in here for x in at_once]
    over = _lines(rows, "active", f"inputs at once (m = {choice.m})", at_once, choice.active)
    yield Figure("over_active", over, {"active": "active"})


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """The weights of one network, the table that is read off them at each frame, and how well it stands for it."""
    if network.is_too_large(opened):
        for id, title in (("weights", "Weights: too large"), ("codes", f"{TABLE}: too large")):
            yield Figure(id, charts.matrices([charts.Matrix("", np.zeros((1, 1, 1)))], title))
        yield _fidelities(opened, np.empty((0, len(LINES))))
        yield from network.loss_alone(opened)
        return
    frames = [
        replace(opened, parameters={name: values[f] for name, values in opened.frames.items()})
        for f in range(len(opened.frame_steps))
    ]
    yield Figure("weights", charts.matrices(_weights(frames), "Weights"))
    yield Figure("codes", charts.matrices([_codes(frames, choice.levels)], TABLE, largest=1.0))
    yield network.curve(opened)
    yield _fidelities(opened, np.array([fidelity(choice, frame) for frame in frames]))
    e = opened.experiment
    which = f"**m = {e.n_hidden}, seed {e.seed}.**"
    if not opened.finished:
        yield Text("network", f"{which} {NOT_YET}")
        return
    table, tried = decompiler.read(e, opened.parameters, choice.levels), decompiler.trials(e)
    different = len({tuple(code) for code in table.codes.tolist()})
    yield Text(
        "network",
        f"{which} {different} different patterns for {len(table.keys)} inputs. On the stored inputs the table answers "
        f"as the network in **{decompiler.fidelity(opened, table, tried).network:.0%}** of the cases. On the stage the "
        "table is read anew at each frame: a row a stored input, a column a neuron, and the fuller the colour, the "
        "higher its level. In the last column, whether both answer alike to that input: "
        f"{charts.COLOUR_WORDS[charts.VERMILLION]} yes, {charts.COLOUR_WORDS[charts.BLUE]} no."
        f"{shortened(opened)}",
    )
    yield Rows("entries", entries(table, tried.truth))
    yield Text("columns", COLUMNS)


def entries(table: decompiler.Table, truth: np.ndarray) -> pd.DataFrame:
    """The table as a reader wants it: one line for each stored input."""
    top = table.levels - 1
    apart = np.abs(table.codes[:, None] - table.codes[None]).sum(axis=2) + 10**6 * np.eye(len(table.codes), dtype=int)
    return pd.DataFrame(
        {
            "input": np.arange(len(table.codes)),
            "neurons that are on": [
                " ".join(f"{k}" if level == top else f"{k}:{level}/{top}" for k, level in enumerate(code) if level)
                for code in table.codes
            ],
            "output": table.outputs,
            "right": table.outputs == truth,
            "margin of the output": table.output_margins.astype(float).round(2),
            "margin of the neurons": table.hidden_margins.astype(float).round(2),
            "levels from the next entry": apart.min(axis=1),
        }
    )


def _map(choice: Choice, sweep: Sweep, widths: Sequence[int], levels: Sequence[int]) -> charts.Chart:
    """The mean share over seeds of inputs to which the table answers as the network, over neurons and levels."""
    shares = [
        {"n_hidden": r.experiment.n_hidden, "levels": each, "value": fidelity(choice, r, levels=each).network}
        for r in sweep
        for each in levels
    ]
    cells = pd.DataFrame(shares, columns=["n_hidden", "levels", "value"]).groupby(["n_hidden", "levels"])["value"]
    return charts.size_map(
        cells.agg(value="mean", seeds="size").reset_index(),
        "Where table and network answer alike",
        "share",
        logarithmic=False,
        x=charts.Side("n_hidden", "neurons m", tuple(widths)),
        y=charts.Side("levels", "levels of a neuron", tuple(levels)),
        selected={"n_hidden": choice.m, "levels": choice.levels},
        linked=True,
    )


def _row(result: Result, field: str, x: float, found: decompiler.Fidelity) -> list[dict[str, object]]:
    """What one network adds to each of the lines."""
    seed = result.experiment.seed
    return [
        {field: x, "line": line, "seed": seed, "value": share}
        for line, share in zip(LINES, (found.network, found.truth, found.accuracy), strict=True)
    ]


def _lines(
    rows: Sequence[list[dict[str, object]]], field: str, title: str, values: Sequence[float], selected: float
) -> charts.Chart:
    table = pd.DataFrame([row for each in rows for row in each], columns=[field, "line", "seed", "value"])
    return charts.lines_over(
        table.astype({"value": float}), field, title, LINES, values, "Share", selected=selected, share=True
    )


def _weights(frames: Sequence[Result]) -> list[charts.Matrix]:
    """W1 transposed and W2: a column a neuron in both."""
    every = [frame.complete() for frame in frames]
    W1, W2 = (np.array([each[name] for each in every]) for name in ("W1", "W2"))
    kin = [f",{i}," for i in range(W2.shape[1])]
    return [
        charts.Matrix("W1ᵀ", W1.transpose(0, 2, 1), "input", "neuron", row_kin=kin),
        charts.Matrix("W2", W2, "output", "neuron", row_kin=kin),
    ]


def _codes(frames: Sequence[Result], levels: int) -> charts.Matrix:
    """The levels of the neurons for each stored input, over the highest, and whether table and network answer alike."""
    tables = [decompiler.read(each.experiment, each.parameters, levels) for each in frames]
    codes = np.array([table.codes for table in tables]) / (levels - 1)  # (f, T, m)
    alike = [
        decompiler.replay(table, table.keys)
        == forward(each.experiment.arch_row, each.complete(), table.keys).output.argmax(axis=1)
        for table, each in zip(tables, frames, strict=True)
    ]
    m = codes.shape[2]
    return charts.Matrix(
        "",
        np.concatenate([codes, np.where(alike, 1.0, -1.0)[:, :, None]], axis=2),
        "input",
        "neuron",
        column_names=[*map(str, range(m)), "alike"],
        row_kin=[f",{i}," for i in range(codes.shape[1])],
        gap_before=m,
    )


def _fidelities(opened: Result, shares: np.ndarray) -> Figure:
    """Fidelity over the steps; shares: (f, 3), as decompiler.Fidelity has them at each frame."""
    steps = np.maximum(opened.frame_steps, 1)
    curves = {line: (steps, shares[:, k]) for k, line in enumerate(LINES.values())}
    frames = opened.frame_steps if len(opened.frame_steps) else np.array([0])
    chart = charts.clock_curve(curves, frames, opened.experiment.steps, "Share of inputs", share=True)
    return Figure("fidelity", chart)


WHAT = (
    "The post ends its look at dictionaries with a wish: to read off any network what it has memorised. For the "
    "simplest ones this can be done. Run each stored input once, write down which neurons it switches on and what "
    "comes out, and throw the network away. To answer a new input, find the stored inputs in it, switch on their "
    "neurons, and take the entry whose neurons fit best. **Fidelity** is the share of inputs to which the table "
    "answers as the network does."
)
LOOK_FOR = (
    "- **With enough neurons** on and off is all there is to know: the table answers as the network on every stored "
    "input, though it holds no number but the margins.\n"
    "- **With few neurons** many inputs switch on the same ones, and two levels cannot tell them apart. Read more "
    "levels, and the table comes back: what was a word becomes a measurement.\n"
    "- **Mixtures.** The table that looks up the strongest input alone fits best. Let all inputs add up what they "
    "switch on, and the table answers wrongly where the network does not: strengths matter, and levels do not have "
    "them."
)
NOT_SHOWN = (
    "- How to find the stored inputs of a network whose training set is unknown: here they are given.\n"
    "- That the network works like the table inside. The fidelity says that it answers alike, on inputs of this kind."
)
COLUMNS = (
    "Margin of the output: the largest output minus the next. Margin of the neurons: how far the most doubtful neuron "
    "is from being read otherwise, in levels. Levels from the next entry: how many levels the pattern differs from the "
    "most similar one; at 0 they cannot be told apart."
)
VIEW = View(
    id="table",
    title="Table and network",
    place=1,
    controls=c.CONTROLS,
    opens=(c.M, shared.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=("map", "over_m"),
    inside_stage=(("weights", "codes"), ("curve", "fidelity")),
    width=0.4,
    numbers=("train_loss", "train_accuracy"),
    named=c.named,
    claims=("simple_networks_are_readable", "reading_needs_neurons"),
    first_name="table",
    aliases=c.ALIASES,
    first_defaults=c.FIRST_DEFAULTS,
)
