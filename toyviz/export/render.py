"""Vega-Lite and SVG become pictures in a process of their own, one at a time, so that nothing there holds up a server.

The process is started at the first picture, kept for the next ones, ended when idle, and killed when it takes too long.
It asks no network: nothing that a specification names is loaded.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from toyviz.export.refused import Refused

ROOT = Path(__file__).parents[2]
SECONDS = 30.0  # that one picture may take, the start of the process aside
START_SECONDS = 60.0
IDLE_SECONDS = 120.0  # after which the process ends
WAITING = 8  # pictures that wait for their turn at most
BUSY = "too many pictures are being drawn: try again in a moment"


class Renderer:
    """The process, for all who ask."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._turn, self._places = threading.Lock(), threading.BoundedSemaphore(WAITING)
        self._process: subprocess.Popen[bytes] | None = None
        self._idle: threading.Timer | None = None

    def svg(self, spec: dict[str, Any]) -> str:
        """A self-contained Vega-Lite specification as SVG."""
        return self._ask({"to": "svg", "spec": spec}).decode()

    def png(self, svg: str, scale: float) -> bytes:
        """An SVG as PNG, with so many pixels for one of its own."""
        return self._ask({"to": "png", "svg": svg, "scale": scale})

    def pdf(self, svg: str) -> bytes:
        """An SVG as a PDF of one page of its size."""
        return self._ask({"to": "pdf", "svg": svg})

    def close(self) -> None:
        """End the process."""
        with self._turn:
            if self._idle:
                self._idle.cancel()
            self._end()
            atexit.unregister(self.close)

    def _ask(self, job: dict[str, Any]) -> bytes:
        """Raises Refused where there is no room, and for what could not be drawn."""
        if not self._places.acquire(blocking=False):
            raise Refused(BUSY, 503)
        try:
            with self._turn:
                return self._draw(job)
        finally:
            self._places.release()

    def _draw(self, job: dict[str, Any]) -> bytes:
        if self._idle:
            self._idle.cancel()
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            self._start()
        try:
            return self._answered(job, self.seconds)
        finally:
            self._idle = threading.Timer(IDLE_SECONDS, self.close)
            self._idle.daemon = True
            self._idle.start()

    def _start(self) -> None:
        atexit.register(self.close)
        command, pipe = [sys.executable, "-m", "toyviz.export.draw"], subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, cwd=ROOT)
        self._answered({"to": "begin"}, START_SECONDS)

    def _answered(self, job: dict[str, Any], seconds: float) -> bytes:
        """What the process says of a job: a line of JSON, then so many bytes."""
        process = self._process
        assert process
        assert process.stdin
        assert process.stdout
        late = threading.Timer(seconds, process.kill)
        late.daemon = True
        late.start()
        try:
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
            head = json.loads(process.stdout.readline())
            body = process.stdout.read(head["bytes"])
            if len(body) < head["bytes"]:
                raise EOFError
        except (OSError, ValueError, EOFError):  # it has ended
            why = f"it took longer than {seconds:g} s" if late.finished.is_set() else "the drawing process ended"
            self._end()
            raise Refused(f"this could not be drawn: {why}", 503) from None
        finally:
            late.cancel()
        if head["error"]:
            raise Refused(f"this could not be drawn: {head['error']}", 500)
        return body

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


RENDERER = Renderer()
