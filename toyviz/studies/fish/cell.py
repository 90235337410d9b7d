"""The inside of one cell: what comes back of each feature when it goes in alone, over the whole history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from toyviz import charts, data, metrics, tables
from toyviz.control import Choice
from toyviz.experiment import Experiment
from toyviz.model import forward
from toyviz.result import Result
from toyviz.studies import network
from toyviz.studies.fish.controls import NAMES
from toyviz.view import Block, Figure, Text

STAGE = ("recovery", ("response", "neurons"), "curve")
BACK, LOST = charts.BLUE, charts.VERMILLION


class Alone(NamedTuple):
    """What a network makes of features that go in alone, in every frame."""

    lead: np.ndarray  # (f, F): the correct output minus the largest other one
    asked: float  # the largest lead that the targets have
    output: np.ndarray  # (f, outputs): of one feature
    hidden: np.ndarray  # (f, H): of one feature
    targets: np.ndarray  # (outputs,): of one feature
    on: np.ndarray  # (H,) int: for how many features each neuron is on, in the newest frame


def alone(result: Result, feature: int) -> Alone:
    """Every feature as a one-hot through the network of each frame; output, hidden and targets of the one."""
    e = result.experiment
    samples = _one_hots(e)
    leads, outputs, neurons, on = [], [], [], np.zeros(e.n_hidden, int)
    for frame in range(len(result.frame_steps)):
        flow = forward(e.arch_row, result.frame(frame), samples.inputs)
        leads.append(metrics.lead(flow.output, samples.targets))
        outputs.append(flow.output[feature])
        neurons.append(flow.hidden[feature])
        on = (flow.hidden > 0).sum(axis=0)
    asked = float(metrics.lead(samples.targets, samples.targets).max())
    return Alone(np.array(leads), asked, np.array(outputs), np.array(neurons), samples.targets[feature], on)


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """How surely each feature comes back, what the network says of one of them, its neurons, and the loss."""
    e = opened.experiment
    feature = min(choice.feature, e.n_features - 1)
    if network.is_too_large(opened):
        nothing = charts.bars([charts.Bars("", np.zeros((1, 0)))], "Too large to be shown while it trains")
        yield Figure("recovery", nothing)
        yield from network.loss_alone(opened)
        return
    found = alone(opened, feature)
    yield Figure("recovery", recovery(found.lead, found.asked, feature), {"feature": "feature"})
    targets = np.where(found.targets != 0, found.targets, np.nan)
    kin = [f",{each}," for each in range(e.n_features)] if e.task == "big_fish" else ()  # whose outputs are features
    said = charts.Bars("", found.output, kin=kin, targets=targets)
    title = f"Output for feature {feature}"
    yield Figure("response", charts.bars([said], title, entries="output", y_title="value (orange: target)"))
    neurons = charts.Bars("", found.hidden)
    yield Figure("neurons", charts.bars([neurons], f"Neurons for feature {feature}", entries="neuron"))
    yield network.curve(opened)
    yield Text("network", _told(opened, found, feature))


def recovery(lead: np.ndarray, asked: float, feature: int) -> charts.Chart:
    """The lead of the correct output of each feature, (f, F), those that are the surest at last first.

    asked: the upper end of the axis; what is more than half as far below 0 is drawn at the lower end, since nearly all
    are at the start.
    """
    order = np.argsort(-lead[-1], kind="stable")
    panel = charts.Bars(
        "",
        lead[:, order],
        colour=BACK,
        below=LOST,
        names=[str(each) for each in order],
        kin=[f",{each}," for each in order],
        about={"feature": order},
    )
    title = f"What comes back: {charts.COLOUR_WORDS[BACK]} does, {charts.COLOUR_WORDS[LOST]} is lost"
    at = int(np.flatnonzero(order == feature)[0]) if feature in order else None
    return charts.bars(
        [panel],
        title,
        entries="feature",
        y_title="lead of the correct output",
        low=-asked / 2,
        high=asked,
        marked=at,
        pick=("feature",),
    )


@data.worked_out_once(maxsize=8)
def _one_hots(experiment: Experiment) -> data.Samples:
    return data.samples(experiment, np.eye(experiment.n_features, dtype=np.float32))


def _told(result: Result, found: Alone, feature: int) -> str:
    """What the network comes to, in words."""
    e, on = result.experiment, found.on
    which = f"**{NAMES[e.task].capitalize()}, F = {e.n_features}, B = {e.n_embed}, H = {e.n_hidden}, seed {e.seed}.**"
    when = "At the end" if result.finished else "So far"
    neurons = (
        f" Of {len(on)} neurons, {(found.hidden[-1] > 0).sum()} are on for feature {feature}; "
        f"{(on == e.n_features).sum()} are on for every feature, {(on == 0).sum()} for none."
    )
    if not result.finished:
        back = int((found.lead[-1] > 0).sum())
        return f"{which} {when}, {back} of {e.n_features} features come back alone.{neurons}"
    row = tables.fish([result]).iloc[0]
    floor = "" if np.isnan(row["floor"]) else f" (rank floor {row['floor']:.3g})"
    return (
        f"{which} {when} the error is {row['mse']:.3g} on the training samples{floor}, {row['test_mse']:.3g} on new "
        f"ones; {row['share']:.1%} of the variance is left. {row['recovered']} of {e.n_features} features come back "
        f"alone, {row['accuracy']:.1%}; by chance {row['chance']:.1%}.{neurons}"
    )
