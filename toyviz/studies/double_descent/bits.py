"""How many bits about its training set a network holds, per parameter, over T: is the test loss worst where it is full?

How they are counted is ours, and is told on the page.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from toyviz import charts, memory_bits, tables, theory
from toyviz.citation import CAPACITY
from toyviz.control import Choice, numbers
from toyviz.experiment import Experiment
from toyviz.result import FRAME_METRICS, Result
from toyviz.studies import network
from toyviz.studies import shared_controls as shared
from toyviz.studies.double_descent import controls as c
from toyviz.studies.shared_texts import NONE_YET, notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, Text, View

PICK = {"n_samples": "T", "seed": "seed"}
ROOM = 1.15  # times the most that networks hold: so far the line of whole training sets is drawn
SIGMA = numbers(
    "sigma",
    "Noise σ",
    (0.05, 0.1, 0.2),
    memory_bits.SIGMA,
    help="The standard deviation of the noise on every output with which samples are coded. It is a unit: half of it "
    "makes four times the bits, and moves no T.",
    bounds=(0.001, 10.0),
)


def _seeds(choice: Choice) -> range:
    """The seeds that are trained: at least two, since each is held against one that saw another set."""
    return range(choice.first_seed, choice.first_seed + max(choice.seeds, 2))


def plan(choice: Choice) -> Plan:
    """A network for each T and seed, as over T; where a single seed is chosen, the next one too."""
    fields = {"seed": _seeds(choice), "n_samples": {*choice.n_samples, choice.T}}
    return Plan.over(c.base(choice, n_hidden=choice.n_hidden), fields, n_samples=choice.T, seed=shared.seed_of(choice))


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """Bits per parameter over T, and the test loss below it."""
    opened, sizes, seeds = plan.opened[0], plan.values("n_samples"), _seeds(choice)
    chosen = sweep.among(seed=seeds)
    held = memory_bits.over_sizes(chosen, seeds, choice.sigma)
    baselines = theory.held_out_baselines(opened.with_(n_samples=1, n_hidden=2))
    losses = tables.runs(chosen)[["n_samples", "seed", "test_loss"]].rename(columns={"test_loss": "loss"})
    yield Figure("bits", _over_sizes(held, sizes, choice.T), PICK)
    loss = charts.lines_over(
        losses.rename(columns={"loss": "value"}).assign(line="test"),
        "n_samples",
        "training samples T",
        ["test"],
        sizes,
        "Test loss",
        rules={"output 0": baselines["zero"]},
        selected=choice.T,
        linked=True,
        logarithmic_y=True,
        colours=(charts.GREEN,),
    )
    yield Figure("loss", loss, PICK)
    alone = "" if choice.seeds > 1 else " One seed is chosen: the next is trained too, since B must be another network."
    yield Text("told", _outcome(held, losses, chosen.finished) + alone)
    yield Text("definition", _definition(opened, choice.sigma, baselines["constant"]))
    yield from notes(
        "- **Room.** Up to some T the curve follows the dashed line: the network holds its whole training set.\n"
        "- **Full.** Then it leaves the dashed line and flattens: more samples bring hardly more bits. Dotted: nine "
        "tenths of the most.\n"
        "- **The peak below.** Is the test loss worst where the bits are at their most? Compare the bottleneck with "
        "the MLP with a ReLU on the output.\n"
        "- **Letting go.** Where features take over, the bits fall: what the network knows then helps with new samples "
        "too, and that is not counted.",
        "- All that is stored: this is what one simple code can make use of, and so a lower bound. It asks the network "
        "for x given x, as training did.\n"
        "- A number to hold against that of language models. The noise is ours, and it sets the unit.",
    )


def inside(choice: Choice, opened: Result) -> Iterator[Block]:
    """The columns of W1, the hidden vectors and the loss of one network, over its whole history."""
    yield from network.network(opened, choice.stage)


def _over_sizes(held: pd.DataFrame, sizes: list[int], selected: int) -> charts.Chart:
    """Bits per parameter, a point a network; dashed what whole training sets take, dotted nine tenths of the most."""
    rows = held.rename(columns={"per_parameter": "value"}).assign(line="held")
    mean = held.groupby("n_samples", as_index=False)[["per_parameter", "most"]].mean()
    highest = float(mean["per_parameter"].max()) if len(mean) else 0.0
    whole = mean[mean["most"] <= ROOM * highest].rename(columns={"most": "value"}).assign(line="held")
    return charts.lines_over(
        rows[["n_samples", "seed", "line", "value"]],
        "n_samples",
        "training samples T",
        {"held": "held by a network"},
        sizes,
        "Bits per parameter",
        rules={f"{memory_bits.REACHED:.0%} of the most": memory_bits.REACHED * highest} if highest > 0 else {},
        selected=selected,
        linked=True,
        low=0.0,
        against=whole[["n_samples", "line", "value"]],
        against_name="its whole training set",
    )


def _outcome(held: pd.DataFrame, losses: pd.DataFrame, finished: bool) -> str:
    """Where the bits per parameter are nearly at their most, and where the test loss is, as means over seeds."""
    if held.empty:
        return NONE_YET
    bits, loss = held.groupby("n_samples")["per_parameter"].mean(), losses.groupby("n_samples")["loss"].mean()
    full, top, last = memory_bits.full_from(list(bits.index), list(bits)), int(loss.idxmax()), int(bits.index[-1])
    so_far = "" if finished else " So far, of the networks that are trained:"
    if full is None:
        return f"Means over seeds.{so_far} no network holds more about its training set than the one beside it."
    most = int(bits.idxmax())
    end = (
        f"They still rise at the largest T = {last:,}: whether they saturate there is not known."
        if most == last
        else f"Beyond they fall, to {bits[last]:.3g} at T = {last:,}."
    )
    return (
        f"Means over seeds.{so_far} The bits per parameter reach {memory_bits.REACHED:.0%} of their most at "
        f"**T = {full:,}**. They are highest at T = {most:,}, {bits[most]:.3g}. {end} The test loss is highest at "
        f"**T = {top:,}**, {loss[top]:.3g}."
    )


def _definition(opened: Experiment, sigma: float, constant: float) -> str:
    """How the bits are counted, and what they come to with this sigma."""
    cost = float(memory_bits.code_lengths(np.array(constant), sigma))
    p, n = opened.feature_probability, opened.n_features
    which = -n * (p * np.log2(p) + (1 - p) * np.log2(1 - p)) if p < 1 else 0.0
    count = memory_bits.parameter_count(opened)
    return (
        "##### How the bits are counted\n\n"
        "The definition is ours. Take a network A, and a network B of the same T with another start that saw another "
        "set. Code the T training samples of A with Gaussian noise on the outputs, once around those of A, once around "
        "those of B:\n\n"
        "$$L(x \\mid x') = \\frac{|x - x'|^2}{2 \\sigma^2 \\ln 2} + \\text{const}, \\qquad \\text{bits} = \\sum_t "
        "\\min(L_B, L_c) - \\min(L_A, L_c).$$\n\n"
        "What A and B both know, about samples in general, cancels. A bad network must not make the gain large: "
        "sample by sample, a coder may ignore its network and take the best constant output, $L_c$. One bit a sample "
        "says which; both codes pay it, so it cancels. B is the network of the next seed, and of the first after the "
        f"last. The sum is divided by the {count:,} trained parameters of A. "
        f"Here the constant takes {cost:.0f} bits a sample; which of the {n:,} features are active takes {which:.0f}. "
        "$\\sigma$ is a unit: bits go as $1/\\sigma^2$, and where they are at their most does not depend on it.\n\n"
        f"The idea is that of [{CAPACITY.title}]({CAPACITY.address}) ({CAPACITY.authors}, {CAPACITY.year}): language "
        "models hold about 3.6 bits per parameter, and their double descent begins where the training set fills them."
    )


VIEW = View(
    id="bits",
    title="Bits",
    place=6,
    controls=(
        c.NETWORK,
        c.N_SAMPLES,
        SIGMA,
        shared.SEEDS,
        shared.FIRST_SEED,
        c.N_HIDDEN,
        shared.N_FEATURES,
        shared.SPARSITY,
        shared.RECIPE,
        c.STAGE,
        *shared.TRAINING,
    ),
    opens=(shared.T(200), shared.SEED),
    plan=plan,
    show=show,
    inside=inside,
    stage=("bits", "loss"),
    numbers=FRAME_METRICS,
    named=c.named,
    claims=("bits_saturate_at_the_peak",),
)
