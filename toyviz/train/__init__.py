"""How an Experiment becomes a Result: one loop for every network and both engines."""

from __future__ import annotations

import importlib.metadata
import math
import platform
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from toyviz import cost, data, probe
from toyviz.experiment import ENGINE_VERSION, Experiment
from toyviz.model import Parameters, shapes
from toyviz.result import FRAME_METRICS, Result

ENGINES = ("auto", "fused", "reference")
FRAMES = 40
# A history larger than this is kept with fewer frames. At n = 1000 there are forty up to m = 18 untied, and the largest
# results take 6.2 MB: the store of 2 GiB holds 340 of these, or 4,300 of the post's bottleneck (0.50 MB each).
FRAME_BYTES = 6_000_000
CANDIDATES = 3  # times as many networks as frames are kept until the end, to choose from
FALL = 1e-4  # a loss below this share of its largest is taken for that: so small, nothing is seen to move any more
MEASURED = 0.2  # of the time of the training: so long may measuring the frames take
LOSS_POINTS = 300
SECONDS_A_CHUNK = 0.1  # how long the loop stays inside an engine: a cancel waits no longer


class Frame(NamedTuple):
    """A network in the middle of its training."""

    step: int  # steps taken
    loss: float  # before the last of them; not a number where none was taken
    parameters: Parameters


class Trainer(Protocol):
    """What an engine offers the loop."""

    def advance(self, first: int, last: int) -> np.ndarray:
        """Take steps first ... last - 1 and return the loss before each of them."""

    def parameters(self) -> Parameters:
        """A copy of the trained parameters."""


class TrainingFailed(RuntimeError):
    """Training ended in nothing that can be kept; the sentence names the cause."""


def train(
    experiment: Experiment,
    *,
    engine: str = "auto",
    device: str = "cpu",
    on_frame: Callable[[Frame], None] | None = None,
) -> Result:
    """Train the experiment's network, calling on_frame before the first step and then about ten times a second.

    What comes before the first call is no training: data are drawn, and kernels compiled. An exception in on_frame ends
    the training. engine "auto" takes the compiled kernels where they cover the experiment, else the reference: the
    choice depends on the experiment alone. Raises ValueError for an engine that cannot train it, TrainingFailed if the
    numbers blow up.

    The forty frames of the history lie where the loss falls as well as log-spaced (choose_frames), and each is measured
    in float32 on the training set and on the first 1,000 test samples; metrics, at the end, are those on all 10,000.
    Of large networks fewer are kept (frame_count), or measured (measured_frames). seconds are those of the training.
    """
    name = choose_engine(experiment, engine, device)
    _refuse_empty(experiment)
    (count, note), wanted = frame_count(experiment), candidate_steps(experiment)
    # The trainer is held by nobody else, so that its samples make room for those of the tests.
    kept, losses, seconds = _all_steps(experiment, _trainer(experiment, name, device), wanted, on_frame)
    chosen = choose_frames(wanted, losses, count)
    frames = [kept[index] for index in chosen]
    with np.errstate(all="ignore"):
        measured = probe.evaluate(experiment, frames[-1])
    if not all(value is None or np.isfinite(value) for value in measured.values()):
        raise TrainingFailed(_blown_up(experiment, "the loss of the trained network", experiment.steps))
    loss_steps, curve = thin(losses)
    return Result(
        experiment=experiment,
        parameters=frames[-1],
        loss_steps=loss_steps,
        losses=curve,
        frame_steps=wanted[chosen],
        frames={key: np.stack([frame[key] for frame in frames]) for key in frames[0]},
        metrics=measured,
        frame_metrics=_measure(experiment, name, frames),
        provenance=_provenance(name, device, seconds, note),
    )


def _all_steps(
    experiment: Experiment, trainer: Trainer, wanted: np.ndarray, on_frame: Callable[[Frame], None] | None
) -> tuple[list[Parameters], np.ndarray, float]:
    """The parameters at the wanted steps, the loss before each step, and the seconds that the steps took."""
    started = time.perf_counter()
    kept = [trainer.parameters()]
    if on_frame:
        on_frame(Frame(0, float("nan"), kept[0]))
    losses = np.empty(experiment.steps, np.float32)
    step, chunk = 0, 1
    while step < experiment.steps:
        last = min(step + chunk, int(wanted[len(kept)]))
        began = time.perf_counter()
        with np.errstate(all="ignore"):
            losses[step:last] = trainer.advance(step, last)
        a_step = (time.perf_counter() - began) / (last - step)
        _refuse_infinite(experiment, losses[step:last], step)
        step, chunk = last, max(1, min(2 * chunk, int(SECONDS_A_CHUNK / max(a_step, 1e-9))))
        parameters = trainer.parameters()
        if step == wanted[len(kept)]:
            kept.append(parameters)
        if on_frame:
            on_frame(Frame(step, float(losses[step - 1]), parameters))
    if not all(np.isfinite(values).all() for values in kept[-1].values()):
        raise TrainingFailed(_blown_up(experiment, "a weight", experiment.steps))
    return kept, losses, time.perf_counter() - started


def choose_engine(experiment: Experiment, engine: str = "auto", device: str = "cpu") -> str:
    """ "fused" or "reference". Raises ValueError for an unknown engine or one that does not cover the experiment,
    TrainingFailed where the kernels lack a package.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}; got {engine!r}")
    if engine == "reference":
        return engine
    try:
        from toyviz.train import fused
    except ImportError as error:
        raise TrainingFailed(_lacking("fused", error)) from error
    covered = device == "cpu" and fused.covers(experiment)
    if engine == "fused" and not covered:
        raise ValueError(
            f"engine 'fused' has no kernel for arch {experiment.arch!r}, task {experiment.task!r}, data "
            f"{experiment.data!r}, n_hidden {experiment.n_hidden} on {device}; use 'auto' or 'reference'"
        )
    return ("fused" if covered else "reference") if engine == "auto" else engine


def instruction_set(engine: str) -> str:
    """What an engine computes with on this machine, in a short text: where it is equal, so are the weights, bit by bit.

    "fused": what its kernels are compiled for, NUMBA_CPU_NAME and NUMBA_CPU_FEATURES heeded, as in "x86_64 znver3 avx
    avx2 fma". "reference": what PyTorch says of itself, as in "x86_64 AVX2".
    """
    if engine == "fused":
        from toyviz.train.fused import compiled

        return compiled.instruction_set()
    import torch

    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def frame_count(experiment: Experiment) -> tuple[int, str | None]:
    """How many frames the history has: forty, or one a step of a shorter training; of a large network as many as
    FRAME_BYTES hold, but the two ends always, with a note that says so.
    """
    size = _bytes(experiment)
    fit = max(min(FRAME_BYTES // size, FRAMES), 2)
    count = min(fit, experiment.steps + 1)
    note = f"history of {count} frames instead of {FRAMES}: each has {size / 1e6:.1f} MB" if fit < FRAMES else None
    return count, note


def candidate_steps(experiment: Experiment) -> np.ndarray:
    """The steps at which the loop keeps a network, of which the history's are chosen at the end: from 0 to the last,
    half of them log-spaced and half evenly, about three times as many as frames. All are kept in memory until then.
    """
    count, steps = frame_count(experiment)[0], experiment.steps
    half = CANDIDATES * count // 2
    if count == 2:  # nothing to choose
        return np.array([0, steps])
    if steps <= 2 * half:
        return np.arange(steps + 1)
    spaced = np.concatenate([np.geomspace(1, steps, half), np.linspace(0, steps, half + 1)])
    return np.unique(np.round(spaced).astype(np.int64))


def choose_frames(steps: np.ndarray, losses: np.ndarray, count: int) -> np.ndarray:
    """Which of the candidates become frames: count indices into steps, the first and the last among them.

    steps: (k,) with k >= count, ascending from 0; losses: (steps[-1],), the loss before each step. The frames lie
    evenly along log(1 + step) / log(1 + last step) + F / F at the end, where F is how far the log of the loss has
    fallen: that of its lowest mean so far, so that noise does not count. Between two candidates lies at most one.
    """
    between = (steps[:-1] + steps[1:] + 1) // 2  # each candidate's mean is over what is nearest to it
    counted = np.append(losses, losses[-1]).astype(np.float64)
    means = np.add.reduceat(counted, np.append(0, between)) / np.diff(between, prepend=0, append=len(counted))
    lowest = np.minimum.accumulate(np.maximum(means, max(FALL * means.max(), 1e-30)))
    fallen = np.log(lowest[0] / lowest)
    share = np.diff(np.log1p(steps) / np.log1p(steps[-1]) + fallen / max(fallen[-1], 1e-3))
    for _ in range(20):  # what is over the most that a gap may have goes to the others
        share = np.minimum(share / share.sum(), 1 / (count - 1))
    places = np.append(0, np.cumsum(share)) * (count - 1) / share.sum()
    chosen = np.searchsorted(places, np.arange(count) - 1e-6)
    order = np.arange(count)
    chosen = np.maximum.accumulate(chosen - order) + order  # rounding never makes one of two
    return np.minimum(chosen, len(steps) - count + order)


def frame_meter(
    experiment: Experiment, engine: str, most: float = math.inf
) -> Callable[[Parameters], dict[str, float]]:
    """A function that measures networks of this experiment as probe.evaluate_frame does, its samples drawn once.

    engine: "fused", by a compiled kernel; "reference", by NumPy. most: see probe.frame_sets.
    """
    sets = probe.frame_sets(experiment, most)
    if engine == "reference":
        return lambda parameters: probe.evaluate_frame(experiment, parameters, sets, probe.loss_and_accuracy)
    from toyviz.train.fused import frames

    prepared = {name: frames.prepare(samples) for name, samples in sets.items()}
    return lambda parameters: probe.evaluate_frame(experiment, parameters, prepared, frames.loss_and_accuracy)


def measured_frames(experiment: Experiment, engine: str, count: int) -> np.ndarray:
    """Which of a history's frames are measured: indices, evenly spread, the first and the last among them.

    All of them up to n = 2000, m = 16 and T = 5000; else as many as take about a fifth of the training's time, by an
    estimate from the sizes: so two trainings of one experiment measure the same.
    """
    n, m, rows = experiment.n_features, experiment.n_hidden, experiment.training_size or 0
    if n <= 2000 and m <= 16 and rows <= 5000:
        return np.arange(count)
    cells = (rows + probe.FRAME_TESTED) * (experiment.n_inputs + experiment.n_outputs)
    a_frame = cells * (1e-9 + 5e-11 * m) if engine == "fused" else cells * (1e-8 + 5e-11 * m)
    most = int(MEASURED * cost.expected(experiment, engine).seconds / a_frame)
    return np.unique(np.linspace(0, count - 1, min(max(most, 2), count)).round().astype(int))


def _measure(experiment: Experiment, engine: str, frames: list[Parameters]) -> dict[str, np.ndarray]:
    """frame_metrics of these frames; what is no finite number counts as not measured."""
    measure = frame_meter(experiment, engine)
    found: dict[str, np.ndarray] = {}
    with np.errstate(all="ignore"):
        for index in measured_frames(experiment, engine, len(frames)):
            for name, value in measure(frames[index]).items():
                found.setdefault(name, np.full(len(frames), np.nan))[index] = value if math.isfinite(value) else np.nan
    return {name: found[name] for name in FRAME_METRICS if name in found}


def _bytes(experiment: Experiment) -> int:
    """Of the network's parameters."""
    return sum(4 * math.prod(shape) for shape in shapes(experiment).values())


def thin(losses: np.ndarray, points: int = LOSS_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """The loss curve as means over log-spaced stretches: the last step of each stretch, (k,), and its mean, (k,)."""
    ends = np.unique(np.round(np.geomspace(1, len(losses), points)).astype(np.int64))
    sums = np.add.reduceat(losses.astype(np.float64), np.concatenate([[0], ends[:-1]]))
    return ends, (sums / np.diff(ends, prepend=0)).astype(np.float32)


def _trainer(experiment: Experiment, engine: str, device: str) -> Trainer:
    if engine == "fused":
        from toyviz.train import fused

        trainer = fused.Trainer(experiment)
        trainer.advance(0, 0)  # takes no step, but compiles or loads the kernels: that is no training
        return trainer
    try:
        from toyviz.train import reference  # torch takes seconds to import, and the fast path needs none of it
    except ImportError as error:
        raise TrainingFailed(_lacking("reference", error)) from error
    return reference.Trainer(experiment, device)


def _lacking(engine: str, error: ImportError) -> str:
    package, otherwise = {
        "reference": ("torch", "the compiled kernels (engine 'auto') need none, where they cover the experiment"),
        "fused": ("numba", "the reference (engine 'reference') needs none"),
    }[engine]
    return f"engine {engine!r} needs the package {package}, which cannot be imported here ({error}); {otherwise}"


def _refuse_empty(experiment: Experiment) -> None:
    if experiment.fresh:
        expected = experiment.steps * experiment.batch_size * experiment.n_features * experiment.feature_probability
        empty = expected < 1
    else:
        empty = not any(part.X.any() for part in data.parts(data.training_set(experiment)))
    if empty:
        raise TrainingFailed(
            f"no feature is active in any training sample: with sparsity {experiment.sparsity} there is nothing to "
            "learn from; lower sparsity, or raise n_samples or n_features"
        )


def _refuse_infinite(experiment: Experiment, losses: np.ndarray, first: int) -> None:
    broken = np.flatnonzero(~np.isfinite(losses))
    if len(broken):
        raise TrainingFailed(_blown_up(experiment, "the loss", first + int(broken[0]) + 1))


def _blown_up(experiment: Experiment, what: str, step: int) -> str:
    return (
        f"{what} is no longer a finite number at step {step} of {experiment.steps}: the steps are too large; "
        f"lower lr (now {experiment.lr:g}) or lengthen warmup (now {experiment.warmup})"
    )


def _provenance(engine: str, device: str, seconds: float, note: str | None) -> dict[str, object]:
    packages = {"reference": ("torch", "numpy"), "fused": ("numba", "numpy")}[engine]
    return {
        "engine": engine,
        "engine_version": ENGINE_VERSION,
        "device": device,
        "seconds": round(seconds, 4),
        "versions": {name: importlib.metadata.version(name) for name in packages}
        | {"python": platform.python_version()},
        "machine": platform.machine(),
        "instruction_set": instruction_set(engine),
        "note": note,
    }
