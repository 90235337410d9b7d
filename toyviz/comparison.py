"""Two choices of one view side by side, A and B: what differs between them, and one clock for both. No Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from toyviz.charts import POSITIONS
from toyviz.control import Choice
from toyviz.experiment import FIELD_NAMES, INITS, Experiment
from toyviz.result import Result
from toyviz.studies.network import at_steps, is_too_large
from toyviz.view import SYMBOLS, Plan, View

# What decides the network before its first step, and what its training samples are: fields and properties of a record.
START = ("arch", "n_hidden", "n_inputs", "n_outputs", "init", "bias_init", "bias_offset", "seed")
SAMPLES = ("data", "n_features", "n_embed", "training_size", "sparsity", "normalize", "group_size")
WORDS = SYMBOLS | {"sparsity": "S", "training_size": "T", "n_inputs": "inputs", "n_outputs": "outputs"}


class Difference(NamedTuple):
    """One thing that differs between A and B."""

    name: str  # the field of the record, or what a control says
    a: str
    b: str


def joined(a: Plan, b: Plan) -> Plan:
    """The networks of both: what is opened in B comes first, then what is opened in A."""
    return Plan([*b.experiments, *a.experiments], tuple(dict.fromkeys([*b.opened, *a.opened])))


class Widened(Plan):
    """A plan whose values are those of another one too: what it sweeps over spans both. Its networks are its own."""

    partner: Plan

    def __init__(self, plan: Plan, partner: Plan) -> None:
        super().__init__(plan.experiments, plan.opened, plan.rivals, plan.rank)
        object.__setattr__(self, "partner", partner)

    def values(self, field: str) -> list[Any]:
        """The values that a field has in the networks of either, each once, ascending."""
        return sorted({*super().values(field), *self.partner.values(field)})


def clock_steps(a: Result, b: Result) -> np.ndarray:
    """The steps of one clock for both histories, (f,) int, ascending: those of B, and of A where both are finished.

    While B trains, the clock ends at B's newest step, so that A is seen at that step. At most POSITIONS are kept.
    """
    if is_too_large(b):
        return a.frame_steps
    if not (a.finished and b.finished):
        return b.frame_steps
    union = np.union1d(a.frame_steps, b.frame_steps)
    kept = np.linspace(0, len(union) - 1, min(POSITIONS, len(union))).round().astype(int)
    steps: np.ndarray = union[kept]
    return steps


def on_clock(result: Result, steps: np.ndarray) -> Result:
    """The result with a frame for each of these steps, the nearest that it has; one without frames stays as it is."""
    return result if is_too_large(result) or len(steps) == 0 else at_steps(result, steps)


def field_differences(a: Sequence[Experiment], b: Sequence[Experiment]) -> list[Difference]:
    """Exactly the fields of the record that differ between the opened networks of A and of B, in their order.

    Where several are opened they are held against each other one by one; their values stand with a comma between them.
    """

    def text(experiments: Sequence[Experiment], name: str) -> str:
        return ", ".join(dict.fromkeys(_told(getattr(each, name)) for each in experiments))

    differ = [name for name in FIELD_NAMES if _values(a, name) != _values(b, name)]
    return [Difference(name, text(a, name), text(b, name)) for name in differ]


def other_differences(view: View, a: Choice, b: Choice) -> list[Difference]:
    """The controls that differ without changing what is opened: what is swept over, how many seeds, what is drawn."""
    opened, found = view.plan(b).opened, []
    same = view.plan(a).opened == opened  # then none of them changes it, not even two that only go together
    for each in view.every_control:
        if a[each.id] == b[each.id]:
            continue
        try:
            alone = opened if same else view.plan(b.with_(**{each.id: a[each.id]})).opened
        except ValueError:  # not possible beside the rest of B: then it is not without effect
            continue
        if alone == opened:
            found.append(Difference(each.label, each.write(a[each.id]), each.write(b[each.id])))
    return found


def origin(a: Experiment, b: Experiment, named: bool = True) -> str:
    """Whether two networks begin as one and see the same samples: "same start, other samples (T)".

    named: whether it is told what makes them other ones.
    """
    samples = _that_differ(a, b, SAMPLES)
    if (a.task_row.target, a.task_row.embedded) != (b.task_row.target, b.task_row.embedded):
        samples.append("task")
    if (a.data_row.drawn or a.task_row.embedded) and _sample_seed(a) != _sample_seed(b):
        samples.append("seed")
    if a.fresh and b.fresh:
        samples += _that_differ(a, b, ("batch_size",))
    start = _that_differ(a, b, START)
    if not start and INITS[a.init].keys in ("points", "centres"):  # a start that is made of samples
        start = list(samples)
    told = [
        f"same {what}" if not names else f"other {what} ({', '.join(names)})" if named else f"other {what}"
        for what, names in (("start", start), ("samples", samples))
    ]
    return ", ".join(told)


def heading(letter: str, values: Sequence[tuple[str, str]]) -> str:
    """What stands above a side, in markdown: its letter, and its values of what differs."""
    told = " · ".join(f"{WORDS.get(name, name.replace('_', ' '))} = {value}" for name, value in values)
    return f"**{letter}**{f' {told}' if told else ''}"


def _values(experiments: Sequence[Experiment], name: str) -> list[Any]:
    return [getattr(each, name) for each in experiments]


def _told(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:,.6g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _that_differ(a: Experiment, b: Experiment, names: Sequence[str]) -> list[str]:
    return [WORDS.get(name, name.replace("_", " ")) for name in names if getattr(a, name) != getattr(b, name)]


def _sample_seed(experiment: Experiment) -> int:
    return experiment.seed if experiment.data_seed is None else experiment.data_seed
