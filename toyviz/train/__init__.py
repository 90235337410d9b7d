"""How an Experiment becomes a Result: one loop for every network and both engines."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from toyviz import data, probe
from toyviz.experiment import ENGINE_VERSION, Experiment
from toyviz.model import Parameters, initial_parameters
from toyviz.result import Result

ENGINES = ("auto", "fused", "reference")
FRAMES = 40
FRAME_BYTES = 2_000_000  # a history larger than this is kept with fewer frames
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
    """
    name = choose_engine(experiment, engine, device)
    _refuse_empty(experiment)
    trainer = _trainer(experiment, name, device)
    started = time.perf_counter()
    wanted, note = frame_steps(experiment)
    frames = [trainer.parameters()]
    if on_frame:
        on_frame(Frame(0, float("nan"), frames[0]))
    losses = np.empty(experiment.steps, np.float32)
    step, chunk = 0, 1
    while step < experiment.steps:
        last = min(step + chunk, int(wanted[len(frames)]))
        began = time.perf_counter()
        with np.errstate(all="ignore"):
            losses[step:last] = trainer.advance(step, last)
        a_step = (time.perf_counter() - began) / (last - step)
        _refuse_infinite(experiment, losses[step:last], step)
        step, chunk = last, max(1, min(2 * chunk, int(SECONDS_A_CHUNK / max(a_step, 1e-9))))
        parameters = trainer.parameters()
        if step == wanted[len(frames)]:
            frames.append(parameters)
        if on_frame:
            on_frame(Frame(step, float(losses[step - 1]), parameters))
    if not all(np.isfinite(values).all() for values in frames[-1].values()):
        raise TrainingFailed(_blown_up(experiment, "a weight", experiment.steps))
    seconds = time.perf_counter() - started
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
        frame_steps=wanted,
        frames={key: np.stack([frame[key] for frame in frames]) for key in frames[0]},
        metrics=measured,
        provenance=_provenance(name, device, seconds, note),
    )


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


def frame_steps(experiment: Experiment) -> tuple[np.ndarray, str | None]:
    """The steps at which the history keeps a frame, log-spaced from 0 to the end, and a note if they are few."""
    size = sum(values.nbytes for values in initial_parameters(experiment).values())
    count = min(FRAME_BYTES // size, FRAMES)
    inner = np.geomspace(1, experiment.steps, count - 1) if count > 2 else [experiment.steps]
    steps = np.unique(np.round([0, *inner, experiment.steps]).astype(np.int64))
    note = (
        f"history of {len(steps)} frames instead of {FRAMES}: each has {size / 1e6:.1f} MB" if count < FRAMES else None
    )
    return steps, note


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
        empty = not data.training_features(experiment).any()
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
