"""python -m toyviz.worker [PLACE]: trains one experiment at a time for toyviz.jobs.

In, on stdin: a line of JSON an order, {"order": "train", "id", "experiment"} or {"order": "cancel", "id"}; the end of
stdin ends the process at once. Out, on stdout: a line of JSON a message, with "bytes" raw bytes behind it where it says
so. {"event": "ready"} once orders are heard; {"event": "alive"} every other second while it compiles, draws data or
measures; {"event": "training", "id"} before the first step; {"event": "progress", "id", "step", "loss"} now and then,
at times with the parameters of that step as safetensors of 16 bits and their "metrics"; then {"event": "done", "id"}
with the packed result, {"event": "failed", "id", "error"} or {"event": "cancelled", "id"}. Between "training" and the
last step a silence means that a step hangs.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from safetensors.numpy import save

from toyviz import cost, settings
from toyviz.experiment import Experiment, from_dict
from toyviz.model import Parameters
from toyviz.queue import too_large
from toyviz.store import pack
from toyviz.train import DEVICES, Frame, TrainingFailed, choose_engine, frame_meter, fused, refuse_device, train
from toyviz.train.fused import frames

NICENESS = 5  # the server answers first
SECONDS_A_MESSAGE = 0.05  # between two losses
SECONDS_TO_A_FRAME = 0.1  # before the first live frame, of which nothing is measured: what is trained sooner has none
SECONDS_A_FRAME = 0.5  # between two live frames
MEASURING = 0.05  # of the time may go into measuring and sending live frames
LIVE_NUMBERS = 20_000_000  # that drawing a set to measure live frames on may take
SECONDS_A_SIGN = 2.0  # between two signs of life where there are no steps
GPUS = "nvidia[0-9]*"  # what a GPU that PyTorch may use is called in /dev: to ask PyTorch takes seconds

log = logging.getLogger(__name__)


class Cancelled(Exception):
    """Raised inside the training that nobody waits for."""


class Orders:
    """What the server asks for, read from stdin by a thread of its own."""

    def __init__(self) -> None:
        self.cancelled: set[int] = set()
        self._waiting: deque[dict[str, Any]] = deque()
        self._come = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def next(self, wait: bool) -> dict[str, Any] | None:
        """The next experiment to train; None if there is none and we do not wait."""
        with self._come:
            while wait and not self._waiting:
                self._come.wait()
            return self._waiting.popleft() if self._waiting else None

    def _read(self) -> None:
        for line in _lines(0):
            order = json.loads(line)
            with self._come:
                if order["order"] == "cancel":
                    self.cancelled.add(order["id"])
                else:
                    self._waiting.append(order)
                self._come.notify()
        os._exit(0)  # the server is gone: nobody waits for the rest


def _lines(descriptor: int) -> Iterator[bytes]:
    """The lines of a file descriptor, without a buffer that the end of the interpreter would wait for."""
    rest = b""
    while came := os.read(descriptor, 2**16):
        *lines, rest = (rest + came).split(b"\n")
        yield from lines


class Messages:
    """What the server is told, on a stdout of our own: whatever else prints goes to stderr."""

    def __init__(self) -> None:
        self._out: BinaryIO = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self._one_at_a_time = threading.Lock()
        self._without_steps = threading.Event()
        threading.Thread(target=self._show_signs_of_life, daemon=True).start()

    def send(self, payload: bytes = b"", **message: Any) -> None:
        """One line of JSON, and the payload behind it."""
        header = json.dumps(message | {"bytes": len(payload)}, allow_nan=False)
        try:
            with self._one_at_a_time:
                self._out.write(header.encode() + b"\n" + payload)
                self._out.flush()
        except OSError:
            os._exit(0)  # the server is gone

    def working(self, without_steps: bool) -> None:
        """Whether we are at work of which no progress is told, and so a sign of life is."""
        (self._without_steps.set if without_steps else self._without_steps.clear)()

    def _show_signs_of_life(self) -> None:
        while True:
            self._without_steps.wait()
            self.send(event="alive")
            time.sleep(SECONDS_A_SIGN)


def main() -> None:
    """Train what comes, until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, whose end we notice
    logging.basicConfig(format="worker %(process)d: %(message)s")
    messages, orders = Messages(), Orders()
    if hasattr(os, "nice"):  # not on Windows, where the server starts us with a low priority
        with contextlib.suppress(OSError):
            os.nice(NICENESS)
    messages.send(event="ready")
    warming: Iterator[None] | None = warm_up(place=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    while True:
        order = orders.next(wait=warming is None)
        messages.working(without_steps=order is not None or warming is not None)
        if order is not None:
            serve(order, partial(orders.cancelled.__contains__, order["id"]), messages)
            orders.cancelled.discard(order["id"])
        elif warming and next(warming, "warm") == "warm":
            warming = None
        messages.working(without_steps=False)


class Live:
    """What is told of one training while it goes on: losses, and frames that cost next to nothing of its time."""

    def __init__(self, experiment: Experiment, tell: Callable[..., None], every: float = SECONDS_A_MESSAGE) -> None:
        self._experiment, self._tell, self._every = experiment, tell, every
        self._measure: Callable[[Parameters], dict[str, float]] | None = None
        self._message_at, self._frame_at = 0.0, math.inf
        self._shown = False  # whether a frame was

    def show(self, frame: Frame) -> None:
        """Send the loss if it is time for one, with the network as it is now if it is time for that."""
        began, last = time.monotonic(), frame.step == self._experiment.steps
        if frame.step == 0 and not too_large(self._experiment):
            self._frame_at = began + SECONDS_TO_A_FRAME
        if not math.isfinite(frame.loss) or (began < self._message_at and not last):
            return
        self._message_at = began + self._every
        if began < self._frame_at or last:  # the last one comes with the result
            self._tell(event="progress", step=frame.step, loss=frame.loss)
            return
        measured: dict[str, float] = {}
        if self._shown:
            if self._measure is None:
                self._measure = frame_meter(self._experiment, choose_engine(self._experiment), LIVE_NUMBERS)
                began = time.monotonic()  # samples are drawn once
            measured = {name: value for name, value in self._measure(frame.parameters).items() if math.isfinite(value)}
        self._shown = True
        payload = save({name: half(values) for name, values in frame.parameters.items()})
        self._tell(payload, event="progress", step=frame.step, loss=frame.loss, metrics=measured)
        now = time.monotonic()
        self._frame_at = now + max(SECONDS_A_FRAME, (now - began) / MEASURING)


class Listener(Protocol):
    """Whoever is told of a training: the server at the end of a pipe, or far away (toyviz.cluster)."""

    def send(self, payload: bytes = b"", **message: Any) -> None:
        """A message, and the bytes that it brings."""

    def working(self, without_steps: bool) -> None:
        """Whether there are no steps to tell of now, and so signs of life are to be sent."""


def serve(
    order: dict[str, Any], cancelled: Callable[[], bool], messages: Listener, where: Mapping[str, str] | None = None
) -> None:
    """Train one experiment, and tell how it goes and how it ends; where goes into the provenance of the result.

    An order may also say by which "engine", and "every" how many seconds it is told how it goes: null is never.
    """
    number = order["id"]

    def on_frame(frame: Frame) -> None:
        if cancelled():
            raise Cancelled
        if frame.step == 0:
            messages.working(without_steps=False)
            messages.send(event="training", id=number)
        if live:
            live.show(frame)
        if frame.step == experiment.steps:
            messages.working(without_steps=True)

    try:
        experiment = from_dict(order["experiment"])
        every = order.get("every", SECONDS_A_MESSAGE)
        live = None if every is None else Live(experiment, partial(messages.send, id=number), every)
        engine, device = order.get("engine", "auto"), device_for(experiment)
        result = train(experiment, engine=engine, device=device, on_frame=on_frame)
        result = replace(result, provenance=result.provenance | dict(where or {}))
        messages.send(pack(result), event="done", id=number)
    except Cancelled:
        messages.send(event="cancelled", id=number)
    except (TrainingFailed, ValueError) as error:
        messages.send(event="failed", id=number, error=str(error))
    except MemoryError:
        messages.send(event="failed", id=number, error=cost.NO_MEMORY)
    except Exception as error:
        log.exception("experiment %s", order["experiment"])
        messages.send(event="failed", id=number, error=f"training stopped on a fault of the app ({error!r})")


def device_for(experiment: Experiment, devices: Path = Path("/dev")) -> str:
    """Where an experiment is trained: what no kernel covers on a GPU, if there is one; all else on the CPU.

    TOYVIZ_DEVICE=cpu leaves a GPU alone, TOYVIZ_DEVICE=cuda takes it for granted. Raises ValueError for anything else.
    """
    said = os.environ.get("TOYVIZ_DEVICE", "").strip() or "auto"
    if said not in ("auto", *DEVICES):
        raise ValueError(f"TOYVIZ_DEVICE must be one of auto, {', '.join(DEVICES)}; got {said!r}")
    if said == "cpu" or fused.covers(experiment) or (said == "auto" and not any(devices.glob(GPUS))):
        return "cpu"
    try:
        refuse_device("cuda")
    except ValueError:
        if said == "cuda":
            raise
        return "cpu"
    return "cuda"


def warm_up(place: int) -> Iterator[None]:
    """Compile the kernels, or load them from their cache on disk, by one step of each named experiment."""
    every = [setting.quick for setting in settings.EXPERIMENTS.values()]
    every.append(settings.EXPERIMENTS["unembedding"].quick.with_(minibatch=1))
    for experiment in every[:: -1 if place % 2 else 1]:  # so that two workers do not compile the same one at once
        few = [experiment.with_(n_samples=3)] if experiment.n_samples else []  # small sets have a kernel of their own
        for each in (*few, experiment):
            try:
                if fused.covers(each):
                    fused.Trainer(each).advance(0, 1)
                    frames.compile()
            except Exception as error:
                log.warning("warming up failed for %s: %r", each, error)
            yield


def half(values: np.ndarray) -> np.ndarray:
    """The same numbers in 16 bits, where these can hold the largest."""
    return values.astype(np.float16) if np.abs(values).max(initial=0) < 65_000 else values


if __name__ == "__main__":
    main()
