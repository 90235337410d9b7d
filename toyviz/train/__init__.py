"""How an Experiment becomes a Result: one loop for every network and every engine."""

from __future__ import annotations

import importlib.metadata
import math
import platform
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NamedTuple, Protocol

import numpy as np

from toyviz import cost, data, probe
from toyviz.experiment import ENGINE_VERSION, Experiment
from toyviz.model import Parameters, shapes
from toyviz.result import FRAME_METRICS, SMALL, Result

ENGINES = ("auto", "fused", "reference", "batched")
DEVICES = ("cpu", "cuda")
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
    loss: float  # before the last of them; not a number where none was taken; of several networks the mean
    parameters: Parameters  # of several networks each with an axis of them before its own


class Trainer(Protocol):
    """What an engine offers the loop."""

    def advance(self, first: int, last: int) -> np.ndarray:
        """Take steps first ... last - 1 and return the loss before each of them: a number, or one for each network."""

    def parameters(self) -> Parameters:
        """A copy of the trained parameters, of one network or of several."""


class Taken(NamedTuple):
    """All steps of a training, of one network or of several at once."""

    wanted: np.ndarray  # (c,) int: the steps at which networks are kept
    kept: list[Parameters]  # c of them; fewer where every network has blown up
    losses: np.ndarray  # (steps,) or (steps, networks): before each step; no number where none was taken
    seconds: float

    def of(self, index: int) -> Taken:
        """The steps of one of several networks."""
        kept = [{name: values[index] for name, values in parameters.items()} for parameters in self.kept]
        return self._replace(kept=kept, losses=self.losses[:, index])


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
    the training. engine "auto" takes the compiled kernels where they cover the experiment, else the reference, and on
    the device "cuda" the batched one: the choice depends on experiment and device alone. Raises ValueError for an
    engine that cannot train it and a device that is not there, TrainingFailed if the numbers blow up.

    The forty frames of the history lie where the loss falls as well as log-spaced (choose_frames), and each is measured
    in float32 on the training set and on the first 1,000 test samples; metrics, at the end, are those on all 10,000.
    Of large networks fewer are kept (frame_count), or measured (measured_frames). seconds are those of the training.
    """
    name = choose_engine(experiment, engine, device)
    refuse_device(device)
    _refuse_empty(experiment)
    # The trainer is held by nobody else, so that its samples make room for those of the tests.
    taken = _all_steps(experiment, _trainer(experiment, name, device), on_frame)
    return _result(experiment, taken, _provenance(name, device, taken.seconds, frame_count(experiment)[1]))


def train_many(
    experiments: Sequence[Experiment],
    *,
    device: str = "cpu",
    on_frame: Callable[[Frame], None] | None = None,
) -> list[Result | TrainingFailed]:
    """Train networks of one shape at once, as batched.groups() gives them, with the engine "batched".

    As train() for each of them, in their order: a result, or why there is none. on_frame gets all networks in one
    frame. The seconds of each are its share. Raises ValueError for several shapes and a device that is not there,
    MemoryError where it has no room for them.
    """
    refuse_device(device)
    batched = _batched()
    taken = _all_steps(experiments[0], batched.Trainer(experiments, device), on_frame)
    count = len(experiments)
    with_others = f"one of {count} networks trained at once in {taken.seconds:.2f} s" if count > 1 else None
    outcomes: list[Result | TrainingFailed] = []
    for index, experiment in enumerate(experiments):
        note = "; ".join(filter(None, (with_others, frame_count(experiment)[1]))) or None
        try:
            _refuse_empty(experiment)
            about = _provenance("batched", device, taken.seconds / count, note)
            outcomes.append(_result(experiment, taken.of(index), about))
        except TrainingFailed as failure:
            outcomes.append(failure)
    return outcomes


def _all_steps(experiment: Experiment, trainer: Trainer, on_frame: Callable[[Frame], None] | None) -> Taken:
    """Take every step, those of an experiment of this shape, unless the numbers of every network have blown up."""
    wanted, started = candidate_steps(experiment), time.perf_counter()
    kept = [trainer.parameters()]
    if on_frame:
        on_frame(Frame(0, float("nan"), kept[0]))
    losses, finite = np.empty((0,), np.float32), np.array(True)
    step, chunk = 0, 1
    while step < experiment.steps:
        last = min(step + chunk, int(wanted[len(kept)]))
        began = time.perf_counter()
        with np.errstate(all="ignore"):
            advanced = trainer.advance(step, last)
        a_step = (time.perf_counter() - began) / (last - step)
        if not step:
            losses = np.full((experiment.steps, *advanced.shape[1:]), np.nan, np.float32)
        losses[step:last] = advanced
        finite = finite & np.isfinite(advanced).all(axis=0)
        if not finite.any():
            break
        step, chunk = last, max(1, min(2 * chunk, int(SECONDS_A_CHUNK / max(a_step, 1e-9))))
        parameters = trainer.parameters()
        if step == wanted[len(kept)]:
            kept.append(parameters)
        if on_frame:
            on_frame(Frame(step, float(losses[step - 1][finite].mean()), parameters))
    return Taken(wanted, kept, losses, time.perf_counter() - started)


def _result(experiment: Experiment, taken: Taken, provenance: dict[str, object]) -> Result:
    """The network with its history, measured. Raises TrainingFailed where the numbers have blown up."""
    engine, device = str(provenance["engine"]), str(provenance["device"])
    broken = np.flatnonzero(~np.isfinite(taken.losses))
    if len(broken):
        raise TrainingFailed(_blown_up(experiment, "the loss", int(broken[0]) + 1))
    if not all(np.isfinite(values).all() for values in taken.kept[-1].values()):
        raise TrainingFailed(_blown_up(experiment, "a weight", experiment.steps))
    chosen = choose_frames(taken.wanted, taken.losses, frame_count(experiment)[0])
    frames = [taken.kept[index] for index in chosen]
    with np.errstate(all="ignore"):
        measured = probe.evaluate(experiment, frames[-1], _measure_on(device) if engine == "batched" else None)
    if not all(value is None or np.isfinite(value) for value in measured.values()):
        raise TrainingFailed(_blown_up(experiment, "the loss of the trained network", experiment.steps))
    loss_steps, curve = thin(taken.losses)
    return Result(
        experiment=experiment,
        parameters=frames[-1],
        loss_steps=loss_steps,
        losses=curve,
        frame_steps=taken.wanted[chosen],
        frames={key: np.stack([frame[key] for frame in frames]) for key in frames[0]},
        metrics=measured,
        frame_metrics=_measure(experiment, engine, device, frames),
        provenance=provenance,
    )


def choose_engine(experiment: Experiment, engine: str = "auto", device: str = "cpu") -> str:
    """ "fused", "reference" or "batched". Raises ValueError for an unknown engine or one that does not cover the
    experiment, TrainingFailed where the kernels lack a package.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}; got {engine!r}")
    if engine in ("reference", "batched"):
        return engine
    if engine == "auto" and device != "cpu":
        return "batched"
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


def refuse_device(device: str) -> None:
    """Raise ValueError, in one sentence, for a device that is unknown or not there; TrainingFailed without PyTorch."""
    if device not in DEVICES:
        raise ValueError(f"device must be one of {', '.join(DEVICES)}; got {device!r}")
    if device == "cuda" and not _cuda_is_there():
        raise ValueError("device must be cpu here, since PyTorch sees no GPU that it can use; got 'cuda'")


def _cuda_is_there() -> bool:
    try:
        import torch
    except ImportError as error:
        raise TrainingFailed(_lacking("batched", error)) from error
    return torch.cuda.is_available()


def instruction_set(engine: str, device: str = "cpu") -> str:
    """What an engine computes with on this machine, in a short text: where it is equal, so are the weights, bit by bit.

    "fused": what its kernels are compiled for, NUMBA_CPU_NAME and NUMBA_CPU_FEATURES heeded, as in "x86_64 znver3 avx
    avx2 fma". "reference" and "batched": what PyTorch says of itself, as in "x86_64 AVX2"; on a GPU its name and what
    it can, as in "NVIDIA A100 sm_80".
    """
    if engine == "fused":
        from toyviz.train.fused import compiled

        return compiled.instruction_set()
    import torch

    if device == "cuda":
        return f"{torch.cuda.get_device_name()} sm_{''.join(map(str, torch.cuda.get_device_capability()))}"
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
    experiment: Experiment, engine: str, most: float = math.inf, device: str = "cpu"
) -> Callable[[Parameters], dict[str, float]]:
    """A function that measures networks of this experiment as probe.evaluate_frame does, its samples drawn once.

    engine: "fused", by a compiled kernel; "reference", by NumPy; "batched", on its device. most: see probe.frame_sets.
    """
    sets = probe.frame_sets(experiment, most)
    if engine == "batched":
        batched = _batched()
        there = {name: batched.prepare(samples, device) for name, samples in sets.items()}
        return lambda parameters: probe.evaluate_frame(experiment, parameters, there, batched.loss_and_accuracy)
    if engine == "reference":
        return lambda parameters: probe.evaluate_frame(experiment, parameters, sets, probe.loss_and_accuracy)
    from toyviz.train.fused import frames

    prepared = {name: frames.prepare(samples) for name, samples in sets.items()}
    return lambda parameters: probe.evaluate_frame(experiment, parameters, prepared, frames.loss_and_accuracy)


def measured_frames(experiment: Experiment, engine: str, count: int) -> np.ndarray:
    """Which of a history's frames are measured: indices, evenly spread, the first and the last among them.

    All of them up to T = 5000 and either n = 2000 and m = 16 or a network of 5,000 numbers; else as many as take about
    a fifth of the training's time, by an estimate from the sizes: so two trainings of one experiment measure the same.
    """
    n, m, rows = experiment.n_features, experiment.n_hidden, experiment.training_size or 0
    if rows <= 5000 and ((n <= 2000 and m <= 16) or _bytes(experiment) <= 4 * SMALL):
        return np.arange(count)
    cells = (rows + probe.FRAME_TESTED) * (experiment.n_inputs + experiment.n_outputs)
    a_frame = cells * (4e-10 + 2e-11 * m) if engine == "fused" else cells * (1e-8 + 5e-11 * m)
    most = int(MEASURED * cost.expected(experiment, engine).seconds / a_frame)
    return np.unique(np.linspace(0, count - 1, min(max(most, 2), count)).round().astype(int))


def _measure_on(device: str) -> probe.Measure:
    """How the engine "batched" measures a trained network."""
    batched = _batched()
    return lambda experiment, parameters, samples: batched.loss_and_accuracy(
        experiment, parameters, batched.prepare(samples, device)
    )


def _measure(experiment: Experiment, engine: str, device: str, frames: list[Parameters]) -> dict[str, np.ndarray]:
    """frame_metrics of these frames; what is no finite number counts as not measured."""
    measure = frame_meter(experiment, engine, device=device)
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
    if engine == "batched":
        return _batched().Alone(experiment, device)
    try:
        from toyviz.train import reference  # torch takes seconds to import, and the fast path needs none of it
    except ImportError as error:
        raise TrainingFailed(_lacking("reference", error)) from error
    return reference.Trainer(experiment, device)


def _batched() -> ModuleType:
    try:
        from toyviz.train import batched
    except ImportError as error:
        raise TrainingFailed(_lacking("batched", error)) from error
    return batched


def _lacking(engine: str, error: ImportError) -> str:
    kernels = "the compiled kernels (engine 'auto') need none, where they cover the experiment"
    package, otherwise = {
        "reference": ("torch", kernels),
        "batched": ("torch", kernels),
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


def _blown_up(experiment: Experiment, what: str, step: int) -> str:
    return (
        f"{what} is no longer a finite number at step {step} of {experiment.steps}: the steps are too large; "
        f"lower lr (now {experiment.lr:g}) or lengthen warmup (now {experiment.warmup})"
    )


def _provenance(engine: str, device: str, seconds: float, note: str | None) -> dict[str, object]:
    packages = {"reference": ("torch", "numpy"), "fused": ("numba", "numpy"), "batched": ("torch", "numpy")}[engine]
    return {
        "engine": engine,
        "engine_version": ENGINE_VERSION,
        "device": device,
        "seconds": round(seconds, 4),
        "versions": {name: importlib.metadata.version(name) for name in packages}
        | {"python": platform.python_version()},
        "machine": platform.machine(),
        "instruction_set": instruction_set(engine, device),
        "note": note,
    }
