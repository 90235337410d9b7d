"""What a training will take before it begins, and how much of that this machine's owner allows."""

from __future__ import annotations

import math
import os
from typing import NamedTuple

from toyviz.experiment import INITS, Experiment

TEST_SIZE = 10_000  # samples that a trained network is tested on
ROWS, WHOLE = 1000, 20_000_000  # how samples are gone through: see toyviz.data
KMEANS_ROUNDS = 50  # of model.kmeans(), at most
NO_MEMORY = "the memory of this machine is too small for it"  # what is said where it ran out all the same
FRAMES, FRAME_BYTES = 40, 6_000_000  # of a history: see toyviz.train


class Cost(NamedTuple):
    """What one network takes."""

    seconds: float  # of one core, from its first random number to its test
    memory: int  # bytes that its process needs at the peak, Python and its libraries included
    disk: int  # bytes of the stored result


class Allowance(NamedTuple):
    """One row of the owner's settings."""

    default: float
    unit: str
    about: str


class TooCostly(ValueError):
    """More than this machine's owner allows; the sentence names the cost, the limit and how to raise it."""


ALLOWANCES: dict[str, Allowance] = {
    "training_hours": Allowance(24, "h", "expected hours of one training, on one core"),
    "memory_gb": Allowance(4, "GB", "memory that one training may need at its peak"),
    "result_mb": Allowance(1000, "MB", "size of one stored result"),
    "visitor_hours": Allowance(4, "h", "expected hours of all that one visitor has open in the queue"),
    "visitor_networks": Allowance(1024, "networks", "networks that one visitor may have open in the queue"),
    "queue_networks": Allowance(32768, "networks", "networks that all visitors together may have open in the queue"),
    "sweep_networks": Allowance(32768, "networks", "networks that one command may ask for"),
    "jobs": Allowance(4 * (os.cpu_count() or 1), "processes", "processes that one command may start (4 a core)"),
}
COUNTED = ("networks", "processes")  # units of which there are only whole ones


def variable(name: str) -> str:
    """The environment variable that sets an allowance: TOYVIZ_MAX_JOBS for "jobs"."""
    return f"TOYVIZ_MAX_{name.upper()}"


def allowed(name: str) -> float:
    """The allowance of that name: its environment variable's value, or the default where that is unset or empty.

    Raises ValueError, with a sentence, for a value that is no number above 0, or not whole where things are counted.
    """
    default, unit, _ = ALLOWANCES[name]
    text = os.environ.get(variable(name), "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (0 < value < math.inf) or (unit in COUNTED and value != int(value)):
        what = "a whole number from 1" if unit in COUNTED else "a finite number above 0"
        raise ValueError(f"{variable(name)} must be {what}, in {unit}; got {text!r}")
    return value


def refuse(experiment: Experiment, engine: str = "auto") -> None:
    """Raise TooCostly, in one sentence, for a training that takes more than is allowed; ValueError as allowed()."""
    cost = expected(experiment, engine)
    for name, value, takes in (
        ("training_hours", cost.seconds / 3600, f"take about {duration(cost.seconds)}"),
        ("memory_gb", cost.memory / 1e9, f"need about {size(cost.memory)} of memory"),
        ("result_mb", cost.disk / 1e6, f"leave a result of about {size(cost.disk)}"),
    ):
        limit = allowed(name)
        if value > limit:
            fewer = {
                "training_hours": "fewer steps, samples or hidden units",
                "memory_gb": "fewer samples or features",
                "result_mb": "fewer features or hidden units",
            }[name]
            raise TooCostly(
                f"{_named(experiment)} would {takes}, and the limit here is {limit:g} {ALLOWANCES[name].unit} a "
                f"network: ask for {fewer}, or set {variable(name)}"
            )


def duration(seconds: float) -> str:
    """About how long, in the unit that fits: "a second", "8 s", "45 s", "12 min", "3 h", "400 days", "951 years"."""
    if seconds < 1:
        return "a second"
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds < 10 else f"{5 * round(seconds / 5)} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 72 * 3600:
        return f"{_two_digits(seconds / 3600)} h"
    return f"{seconds / 86400:,.0f} days" if seconds < 1e8 else f"{seconds / 31_557_600:,.0f} years"


def size(amount: float) -> str:
    """About how many bytes: "12 MB", "3.6 GB"."""
    return f"{_two_digits(amount / 1e6)} MB" if amount < 999.5e6 else f"{_two_digits(amount / 1e9)} GB"


def _two_digits(value: float) -> str:
    """At least two digits, and never an exponent: "0.25", "3.6", "12", "1,234"."""
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.2g}"


def _named(experiment: Experiment) -> str:
    rows = f"batch_size {experiment.batch_size}" if experiment.fresh else f"n_samples {experiment.training_size}"
    return f"n_hidden {experiment.n_hidden}, n_features {experiment.n_features}, {rows}, steps {experiment.steps}"


# ---- the estimate


class _Sizes(NamedTuple):
    """The numbers that decide what a training takes."""

    family: str  # the kernel, or "reference"
    steps: int
    rows: int  # samples of a step
    kept: int  # samples of the training set
    tested: int  # samples that the trained network is tested on
    n: int
    n_inputs: int
    n_outputs: int
    m: int
    entries: float  # numbers of a step's X that are not zero
    used: float  # features that are active in any of its samples
    shared: float  # of the samples, those with any active feature
    parameters: int


def expected(experiment: Experiment, engine: str = "auto") -> Cost:
    """About what training this network takes, from its sizes alone; by the engine that `auto` takes or the reference.

    Seconds are 1.5 times those of 533 shipped networks, trained by kernels built for AVX2 on one core of a fast AMD
    EPYC, since most machines are slower: within a factor of 1.5 of that for nine in ten, of 3 for 98 in a hundred.
    Memory is within 1.35, disk within 1.15 of 92 trainings. Not counted is the compiling of a kernel on its first use.
    """
    sizes = _sizes(experiment, engine)
    a_network = 4 * sizes.parameters
    frames = min(max(FRAME_BYTES // a_network, 2), FRAMES, sizes.steps + 1)
    disk = 5_000 + a_network * (1 + frames)
    seconds = _start_seconds(experiment, sizes) + sizes.steps * _step_seconds(experiment, sizes)
    return Cost(seconds, int(_memory(experiment, sizes, 5 * frames * a_network + 3 * disk)), disk)


def _sizes(experiment: Experiment, engine: str = "auto") -> _Sizes:
    from toyviz.model import shapes  # it loads numpy, and a limit is told without

    rows, kept, n = experiment.step_size, experiment.training_size or 0, experiment.n_features
    sparse = experiment.data_row.drawn
    density = experiment.feature_probability if sparse else 1 / n
    empty = math.log1p(-density) if density < 1 else -math.inf  # log of the chance that a feature is zero
    return _Sizes(
        family="reference" if engine in ("reference", "batched") else _family(experiment),
        steps=experiment.steps,
        rows=rows,
        kept=kept,
        tested=TEST_SIZE if sparse else 0,
        n=n,
        n_inputs=experiment.n_inputs,
        n_outputs=experiment.n_outputs,
        m=experiment.n_hidden,
        entries=rows * n * density,
        used=-n * math.expm1((kept or rows) * empty),
        shared=_shared(experiment, density),
        parameters=sum(math.prod(each) for each in shapes(experiment).values()),
    )


def _shared(experiment: Experiment, density: float) -> float:
    """The chance that any feature of a sample is active: 1 less that of no group being, of 1 feature where alone."""
    row, n, size = experiment.data_row, experiment.n_features, experiment.group_size
    groups, active = (n // size, density * (size if row.grouped == "one" else 1)) if row.grouped else (n, density)
    return -math.expm1(groups * math.log1p(-active)) if active < 1 else 1.0


def _family(experiment: Experiment) -> str:
    """Which kernel trains it, told again here since toyviz.train.fused loads a compiler, which the server must not."""
    softmax, relu, m = experiment.task_row.loss == "cross_entropy", experiment.arch_row.output_relu, experiment.n_hidden
    absolute = experiment.arch_row.output_abs
    if not (softmax or experiment.arch_row.output_bias):
        return "reference"
    if experiment.fresh:
        return "reference" if experiment.task_row.embedded or softmax or absolute or m > 128 else "fresh"
    if softmax:
        return "reference" if relu or absolute or m > 128 else "softmax"
    if experiment.minibatch is not None:
        return "reference"
    sparse = experiment.data_row.drawn
    if absolute:
        return "reference" if experiment.task_row.embedded or m > (16 if sparse else 128) else "gram"
    if experiment.task_row.embedded or m > 128 or (sparse and not relu and m > 16):
        return "wide" if m <= 1024 else "reference"
    if not relu:
        return "gram"
    if m > 2:
        return "fixed"
    if (experiment.training_size or 0) < 120:
        return "few"
    return "plane" if sparse else "fixed"


def _start_seconds(experiment: Experiment, s: _Sizes) -> float:
    """What comes before the first step and after the last: to draw the samples and the weights, and to test."""
    drawn = s.kept
    seconds = 0.015 + 8e-8 * drawn * s.n + 3e-9 * s.tested * s.n + 5e-9 * s.n**2 + 4e-8 * s.parameters
    seconds += 3.5e-11 * (drawn + s.tested) * s.m * (s.n_inputs + s.n_outputs)
    if s.family == "reference":
        seconds += 2  # PyTorch is loaded
    if INITS[experiment.init].keys == "centres":
        seconds += KMEANS_ROUNDS * 1e-10 * s.kept * s.m * s.n_inputs
    return seconds


def _step_seconds(experiment: Experiment, s: _Sizes) -> float:
    """One step: what a step, a cell of the outputs, a multiplication, a feature and a weight take in each kernel."""
    cells, padded = s.rows * s.n_outputs, 16 * math.ceil(s.m / 16)
    if s.family == "plane":  # few outputs are ever computed: the fewer, the sparser the samples
        computed = min(1, 100 * experiment.feature_probability)
        return 1.5e-6 + 4.8e-11 * computed * cells + 2.7e-9 * s.entries + 1.9e-8 * s.n_outputs
    if s.family == "few":
        return 4e-6 + 1.8e-10 * cells + 3.3e-10 * s.entries + 9e-10 * s.parameters
    if s.family == "fixed":
        return 2e-6 + cells * (1.9e-10 + 4.1e-11 * s.m) + 1.4e-10 * s.entries * padded + 9e-11 * s.parameters
    if s.family == "softmax":
        return 2e-6 + cells * (3.3e-10 + 8e-11 * s.m) + 1.4e-10 * s.entries * padded + 5e-10 * s.parameters
    if s.family == "gram":
        return 1.5e-6 + 8e-11 * (s.rows + s.n_outputs) * s.m * padded + 3e-10 * s.entries * padded
    if s.family == "fresh":
        computed = s.shared if s.shared < 0.8 else 1  # samples without any feature are counted, not computed
        return 3e-6 + s.rows * s.n * (8e-10 + 1.45e-10 * computed * s.m)
    if s.family == "wide":
        return 4e-6 + 3.3e-11 * _wide_products(experiment, s) + 1.7e-9 * s.parameters
    products = 3 * s.rows * s.m * (s.n_inputs + s.n_outputs)
    drawn = s.rows * s.n if experiment.fresh else 0
    return 1e-3 + 3e-11 * products + 1e-8 * cells + 3e-8 * drawn + 1e-8 * s.parameters


def _wide_products(experiment: Experiment, s: _Sizes) -> float:
    """Multiplications of a step of the kernel for wide networks, which takes the cheaper of two ways."""
    row = 32 * math.ceil(s.m / 32)
    outputs, sums = 3.0 * s.rows * s.n_outputs * row, 1.5 * row**2 * (s.rows + s.n_outputs)
    linear = experiment.task_row.target == "features" and not experiment.arch_row.output_relu
    if linear and s.rows >= 2 * row:
        outputs = min(outputs, sums)
    projected = 2 * s.used * s.n_inputs * row if experiment.task_row.embedded else 0
    return outputs + projected + 2 * s.entries * row


def _memory(experiment: Experiment, s: _Sizes, history: int) -> float:
    """Bytes at the peak: what training keeps, and the largest of what drawing, testing and packing need beside it."""
    held = s.kept or s.rows  # samples in memory
    cells, entries, reference = held * s.n, s.entries / s.rows * held, s.family == "reference"
    base = 400e6 if reference else 150e6
    kept = 16.0 * s.parameters + 24 * s.steps  # weights, gradients and two moments; rates and losses
    passing = 0.0  # what a step of PyTorch holds
    if reference:
        kept += 4 * held * (s.n_inputs + s.n_outputs)
        passing = 12 * s.rows * (s.n_outputs + s.m)
    else:
        kept += 16 * entries + 8 * (held + s.used) * s.m
        kept += 4 * s.rows * s.n_outputs if s.family == "wide" else 0
    embedded, sparse = experiment.task_row.embedded, experiment.data == "sparse"
    in_blocks, a_block = sparse and not embedded, 30 * ROWS * s.n  # what a block's outputs and errors take too
    drawing = 14 * cells + 10 * entries + 4 * s.n**2 + 36 * s.steps
    if in_blocks and s.family not in ("reference", "wide") and cells > WHOLE:
        drawing = a_block + 40 * entries + 36 * s.steps
        if INITS[experiment.init].keys in ("points", "centres"):  # of which some are the start: drawn as a whole
            drawing += 9 * cells
        if experiment.minibatch is not None:  # which are taken from a set that lies whole, with its targets
            drawing += 12 * cells
    if experiment.fresh:
        drawing = 40 * cells if reference else 0
    if INITS[experiment.init].keys == "centres":
        drawing += 12 * held * s.m
    testing = s.tested * (9 * s.n + (8 * s.n_inputs if embedded else 0))
    if in_blocks:
        seen = 0 if experiment.fresh or cells > WHOLE else 4 * cells
        testing = seen + (a_block if s.tested * s.n > WHOLE else testing)
    return base + kept + max(drawing, testing, passing, history)
