"""python -m tests.load: the app under many visitors at once, on this machine alone; `make load` runs it.

Each scenario starts a server of its own (`streamlit run app.py` on a free port of 127.0.0.1, with an empty cache), lets
visitors come who speak Streamlit's websocket protocol, and tells how long they waited, what went wrong, and what it
cost. It is no test: seconds depend on the machine, and so nothing is asserted of them. The visitors take their share
of the processor too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.visitor import Tally, Visitor

ROOT = Path(__file__).parents[1]
LONGEST = 350.0  # seconds for all scenarios together, once the kernels are compiled; the rest is left out, and told
COMPILING = 300.0  # seconds that the first start of all workers may take
PAGES = (
    *(
        "",
        "course",
        "the_post",
        "superposition",
        "double_descent",
        "limits",
        "how_much_fits",
        "privileged_basis",
        "fish",
    ),
    *("unembedding", "dictionaries", "decompiler", "starting_as_dictionary", "claims"),
)
ONE = {"n_samples": 10, "seeds": 1}  # the address of one small network on the page of double descent
MANY = "double_descent", {"sparsity": 0.98, "seeds": 8}  # page and address of 104 networks that are not shipped
FLOOD = "privileged_basis", {"n_features": 5, "n_hidden": 2}  # of 800
WATCHED = {"n_samples": 5000, "seeds": 1, "sparsity": 0.95, "n_hidden": 8}  # one network that takes a while
SETTINGS = [(n, s) for n in (100, 200, 500) for s in (0.9, 0.95, 0.98, 0.995, 0.998)]  # features, sparsity: not shipped
NOT_TRAINED = "Not trained yet"
STATUS = re.compile(rf"(?::material/\w+: )?(\**(?:Training:|Waiting\b|{NOT_TRAINED}).*)")  # of a page or a view
HAS_PROC = Path("/proc/self/stat").exists()


# -- what it costs -----------------------------------------------------------------------------------------------------


class Usage(NamedTuple):
    """What a process has used so far."""

    worker: bool
    cpu: float  # seconds
    memory: int  # bytes


def usage(root: int) -> dict[int, Usage]:
    """The process and all its descendants, by process id, as /proc tells them."""
    parents, used = {}, {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if fields[0] != "Z":
            parents[int(folder.name)] = int(fields[1])
            cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            used[int(folder.name)] = Usage(
                b"toyviz.worker" in command, cpu, int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
            )
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return {pid: used[pid] for pid in family if pid in used}


@dataclass
class Meter:
    """What a server and its workers use, looked at again and again."""

    root: int
    before: dict[int, Usage] = field(default_factory=dict)
    newest: dict[int, Usage] = field(default_factory=dict)  # of each process, also of those that have ended
    alive: set[int] = field(default_factory=set)
    most: dict[str, int] = field(default_factory=lambda: {"server": 0, "workers": 0})  # bytes
    began: float = field(default_factory=time.monotonic)

    def look(self) -> None:
        """Look once; where there is no /proc, see nothing."""
        now = usage(self.root) if HAS_PROC else {}
        self.newest |= now
        self.alive = set(now)
        for who, worker in (("server", False), ("workers", True)):
            self.most[who] = max(self.most[who], sum(each.memory for each in now.values() if each.worker == worker))

    def start_again(self) -> None:
        """Count from now on."""
        self.before, self.newest, self.most = dict(self.newest), {}, {"server": 0, "workers": 0}
        self.began = time.monotonic()
        self.look()

    def cpu(self, worker: bool) -> float:
        """Seconds of processor time since it was started."""
        return sum(
            each.cpu - (self.before[pid].cpu if pid in self.before else 0.0)
            for pid, each in self.newest.items()
            if each.worker == worker
        )

    def workers_lost(self) -> int:
        """How many workers have ended since it was started."""
        return sum(each.worker for pid, each in self.newest.items() if pid not in self.alive)

    def memory(self) -> int:
        """Bytes of the server itself, now; 0 where there is no /proc."""
        self.look()
        return self.newest[self.root].memory if self.root in self.newest else 0

    async def watch(self) -> None:
        """Look every half second until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(0.5)


# -- the server --------------------------------------------------------------------------------------------------------


@dataclass
class Stage:
    """A running server, and what is seen of it: what a scenario plays on."""

    port: int
    folder: Path
    meter: Meter
    patience: float
    tally: Tally = field(default_factory=Tally)
    told: dict[str, Any] = field(default_factory=dict)  # what the scenario has to say beyond the table
    chance: random.Random = field(default_factory=lambda: random.Random(0))

    def visitor(self) -> Visitor:
        """One more browser tab."""
        return Visitor(self.port, self.tally, self.patience)

    def stored(self) -> int:
        """How many networks were trained and kept."""
        words = [sys.executable, "-m", "toyviz", "cache", "info", "--json"]
        done = subprocess.run(words, cwd=ROOT, env=self.environment(), capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["runs"]["entries"]

    def environment(self) -> dict[str, str]:
        """Of the server: its cache is its own."""
        return os.environ | {"TOYVIZ_CACHE": str(self.folder)}

    async def warm(self) -> None:
        """Have the app loaded, and the workers started and their kernels at hand: until they have nothing to do."""
        async with self.visitor() as visitor:
            await visitor.open("")
            await visitor.open("double_descent", **ONE, n_hidden=16)
            await visitor.trained(COMPILING)
        quiet, ends = 0, time.monotonic() + COMPILING
        while HAS_PROC and quiet < 3 and time.monotonic() < ends:
            before = self.meter.cpu(worker=True)
            await asyncio.sleep(1)
            quiet = quiet + 1 if self.meter.cpu(worker=True) - before < 0.05 else 0
        self.tally, self.told = Tally(), {}
        self.meter.start_again()

    async def together(self, count: int, visit: Callable[[Visitor, int], Awaitable[Any]], within: float = 2.0) -> None:
        """So many visitors, who come within so many seconds and leave when their visit is over."""

        async def one(number: int) -> None:
            await asyncio.sleep(within * number / count)
            async with self.visitor() as visitor:
                await visit(visitor, number)

        for problem in await asyncio.gather(*map(one, range(count)), return_exceptions=True):
            if isinstance(problem, Exception):
                self.tally.errors.append(repr(problem))


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def running(patience: float, empty_kernels: bool = False, script: str = "app.py") -> Iterator[Stage]:
    """A server of its own with an empty cache, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="toyviz-load-", ignore_cleanup_errors=True) as folder:
        port = free_port()
        words = ["-m", "streamlit", "run", script, f"--server.port={port}", "--server.address=127.0.0.1"]
        stage = Stage(port, Path(folder), Meter(0), patience)
        kernels = {"NUMBA_CACHE_DIR": str(stage.folder / "kernels")} if empty_kernels else {}
        with (stage.folder / "log").open("w") as log:
            server = subprocess.Popen(
                [sys.executable, *words], cwd=ROOT, env=stage.environment() | kernels, stdout=log, stderr=log
            )
            try:
                stage.meter = Meter(server.pid)
                wait_for(port, server)
                yield stage
                stage.told |= problems_in((stage.folder / "log").read_text(errors="replace"))
            finally:
                server.terminate()
                try:
                    server.wait(20)
                except subprocess.TimeoutExpired:
                    server.kill()
                    server.wait()


def wait_for(port: int, server: subprocess.Popen) -> None:
    """Until the server answers."""
    for _ in range(240):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as answer:
                if answer.read() == b"ok":
                    return
        except OSError:
            if server.poll() is not None:
                break
        time.sleep(0.25)
    sys.exit("the server did not start: try `make run` to see why")


def problems_in(log: str) -> dict[str, int]:
    """How often the server's log tells of a fault."""
    found = {"tracebacks in the log": log.count("Traceback (most recent call last)")}
    return {what: count for what, count in found.items() if count}


# -- the scenarios -----------------------------------------------------------------------------------------------------


async def browse_for(stage: Stage, visitor: Visitor, number: int, until: float) -> None:
    """One page after the other, in an order of its own, with a moment to read each."""
    pages = stage.chance.sample(PAGES, len(PAGES))
    while time.monotonic() < until:
        for page in pages[number % 3 :: 2]:
            await visitor.open(page)
            await asyncio.sleep(stage.chance.uniform(0.5, 2.5))
            if time.monotonic() >= until:
                return


async def browse(stage: Stage) -> None:
    """30 visitors read pages whose networks are shipped."""
    until = time.monotonic() + 28
    await stage.together(30, lambda visitor, number: browse_for(stage, visitor, number, until))


async def train(stage: Stage) -> None:
    """15 visitors train two networks each, change a setting and train two more, while 15 others read."""
    until = time.monotonic() + 36

    async def learn(visitor: Visitor, number: int) -> None:
        n_features, sparsity = SETTINGS[number]
        await visitor.open("double_descent", n_samples=[10, 30], seeds=1, n_features=n_features, sparsity=sparsity)
        if await visitor.trained(until - time.monotonic()):
            await visitor.move("n_hidden", "3")
            await visitor.trained(until - time.monotonic())

    async def visit(visitor: Visitor, number: int) -> None:
        if number % 2:
            await browse_for(stage, visitor, number, until)
        else:
            await learn(visitor, number // 2)

    await stage.together(30, visit)
    stage.told["of 30 trainings done"] = len(stage.tally.trainings)


async def watch(stage: Stage) -> None:
    """30 visitors look at one network while it is trained."""
    until = time.monotonic() + 36

    async def visit(visitor: Visitor, number: int) -> None:
        await visitor.open("double_descent", **WATCHED)
        await visitor.trained(until - time.monotonic())

    async with stage.visitor() as first:  # who has it trained: a machine that is busy may not begin by itself
        await first.open("double_descent", **WATCHED)
        if status(first) == NOT_TRAINED:
            await first.press("act")
        await stage.together(29, visit)


async def queue(stage: Stage) -> None:
    """One visitor asks for 104 networks, then another for one of a second."""
    await behind(stage, *MANY, changes=1)


async def flood(stage: Stage) -> None:
    """One visitor asks for 800 networks by opening a page, then another moves a slider, three times."""
    await behind(stage, *FLOOD, changes=3)


async def behind(stage: Stage, page: str, address: dict[str, Any], changes: int) -> None:
    """One visitor wants much, another little: how long the second one waits, alone and behind the first."""
    async with stage.visitor() as first, stage.visitor() as second:
        await second.open("double_descent", **ONE, n_hidden=8)
        await second.trained()
        stage.told["alone, s"] = [round(each, 2) for each in stage.tally.trainings]
        stage.tally.trainings.clear()
        await first.open(page, **address)
        for button in ("train", "act"):  # of a page, of a view
            if button in first.screen.buttons and status(first) == NOT_TRAINED:
                await first.press(button)
        stage.told["the first visitor reads"] = status(first)
        for value in ("0.9", "0.95", "0.98")[:changes]:
            await second.move("sparsity", value)
            if not await second.trained(stage.patience / changes):
                stage.told["the second one gave up"] = f"after {stage.patience / changes:.0f} s, at: {status(second)}"
                break


def status(visitor: Visitor) -> str:
    """What the page says of its training, without its icon and the number of networks that are missing."""
    told = (STATUS.match(text) for text in visitor.screen.said)
    found = next((match[1].replace("*", "") for match in told if match), "nothing")
    return NOT_TRAINED if found.startswith(NOT_TRAINED) else found


async def come_and_go(stage: Stage) -> None:
    """200 sessions, ten at a time, open one page each and leave."""
    at_once = asyncio.Semaphore(10)

    async def one(number: int) -> None:
        async with at_once, stage.visitor() as visitor:
            await visitor.open(PAGES[number % len(PAGES)])

    before = stage.meter.memory()
    await asyncio.gather(*map(one, range(200)))
    if HAS_PROC:
        stage.told["more memory of the server at the end, MB"] = round((stage.meter.memory() - before) / 1e6)


async def cold(stage: Stage) -> None:
    """No kernel is compiled yet: a setting is changed 15 times, every 3.6 s."""
    async with stage.visitor() as visitor:
        await visitor.open("double_descent", **ONE, sparsity=0.98)
        began = time.monotonic()
        choices = [("sparsity", value) for value in ("0.9", "0.95", "0.995", "0.998")]
        changes = [*choices, ("n_hidden", "3"), *choices, ("n_hidden", "4"), *choices, ("n_hidden", "8")]
        made = 0
        try:
            for made, (key, value) in enumerate(changes, start=1):
                await asyncio.sleep(max(0.0, began + 3.6 * made - time.monotonic()))
                await visitor.move(key, value)
            await asyncio.sleep(max(0.0, began + 55 - time.monotonic()))
        finally:  # also if it has to stop before
            stage.meter.look()
            lost, seconds = stage.meter.workers_lost(), time.monotonic() - began
            stage.told |= {"changes": made, "seconds": round(seconds), "workers lost": lost}
            stage.told["trainings finished"] = stage.stored()
        stage.told["the last one came within 5 s more"] = await visitor.trained(5)


async def nothing(stage: Stage) -> None:
    """Nobody comes."""


class Scenario(NamedTuple):
    play: Callable[[Stage], Awaitable[None]]
    longest: float  # seconds
    warm: bool = True  # whether the workers have their kernels before it begins


SCENARIOS = {
    "browse": Scenario(browse, 45),
    "train": Scenario(train, 45),
    "watch": Scenario(watch, 45),
    "queue": Scenario(queue, 150),
    "flood": Scenario(flood, 150),
    "sessions": Scenario(come_and_go, 60),
    "cold": Scenario(cold, 80, warm=False),
}


# -- what is told ------------------------------------------------------------------------------------------------------


async def played(stage: Stage, scenario: Scenario, ends: float = math.inf) -> dict[str, Any]:
    """Play a scenario on a server that runs, until it ends or has to, and put what was seen into a row."""
    watching = asyncio.create_task(stage.meter.watch())
    try:
        if scenario.warm:
            await stage.warm()
        stage.meter.start_again()
        own = time.process_time()
        try:
            async with asyncio.timeout(min(scenario.longest, ends - time.monotonic())):
                await scenario.play(stage)
        except TimeoutError:
            stage.told["stopped"] = "before its end, it took too long"
        stage.meter.look()
        return row(stage, time.monotonic() - stage.meter.began, time.process_time() - own)
    finally:
        watching.cancel()


def row(stage: Stage, seconds: float, own: float) -> dict[str, Any]:
    """What a scenario of so many seconds has seen; own is the processor time of the visitors."""
    tally, meter = stage.tally, stage.meter
    cost = {
        "server_cpu": round(meter.cpu(worker=False) / seconds, 2),
        "workers_cpu": round(meter.cpu(worker=True) / seconds, 2),
        "server_mb": round(meter.most["server"] / 1e6),
        "workers_mb": round(meter.most["workers"] / 1e6),
        "workers_lost": meter.workers_lost(),
    }
    return {
        "seconds": round(seconds, 1),
        "errors": len(tally.errors),
        "pages": spread(tally.pages),
        "polls": spread(tally.polls),
        "trainings": spread(tally.trainings),
        **(cost if HAS_PROC else dict.fromkeys(cost)),
        "visitors_cpu": round(own / seconds, 2),
        "messages_per_second": round(tally.messages / seconds, 1),
        "kb_per_second": round(tally.bytes / seconds / 1e3, 1),
        "told": stage.told | {"errors": sorted(set(tally.errors))[:5]} if tally.errors else stage.told,
    }


def spread(seconds: list[float]) -> dict[str, Any]:
    """How many there are, their median, 95th percentile and longest; None where there are none."""
    if not seconds:
        return {"count": 0, "median": None, "p95": None, "max": None}
    median, p95 = np.percentile(seconds, [50, 95])
    return {"count": len(seconds), "median": float(median), "p95": float(p95), "max": max(seconds)}


COLUMNS = (
    *("scenario", "page runs", "errors", "page: median", "p95", "polls", "poll: median", "p95", "trainings"),
    *("training: median", "p95", "CPU server", "workers", "visitors", "MB server", "workers", "messages/s", "kB/s"),
)


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The rows as a table that can be put into a note; times in seconds, CPU in cores."""
    lines = [COLUMNS, ["---"] * len(COLUMNS)]
    for name, found in rows.items():
        pages, polls, trainings = found["pages"], found["polls"], found["trainings"]
        lines.append(
            [
                *(name, pages["count"], found["errors"], pages["median"], pages["p95"]),
                *(polls["count"], polls["median"], polls["p95"]),
                *(trainings["count"], trainings["median"], trainings["p95"]),
                *(found["server_cpu"], found["workers_cpu"], found["visitors_cpu"]),
                *(found["server_mb"], found["workers_mb"]),
                *(found["messages_per_second"], found["kb_per_second"]),
            ]
        )
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(value: Any) -> str:
    """A value as it stands in the table."""
    if value is None:
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def remarks(rows: dict[str, dict[str, Any]]) -> str:
    """What the scenarios have to say beyond the table, a line each."""
    return "\n".join(
        f"- {name}: " + "; ".join(f"{what}: {value}" for what, value in found["told"].items())
        for name, found in rows.items()
        if found["told"]
    )


def about() -> dict[str, Any]:
    """The machine, and how busy it was before."""
    loads = [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_average": loads,
    }


@contextmanager
def kept_busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but count, until the end of the block."""
    counting = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in counting:
            process.kill()
            process.wait()


def main(words: list[str] | None = None) -> None:
    """Play the scenarios that were asked for, and print what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), help="these scenarios alone")
    parser.add_argument("--busy", action="store_true", help="keep every core busy meanwhile")
    parser.add_argument(
        "--patience",
        type=float,
        default=45.0,
        metavar="SECONDS",
        help="how long a visitor waits for a page or a network",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    asked = parser.parse_args(words)
    told, rows = about() | {"busy": asked.busy}, {}
    print("compile the kernels, if they are not yet", file=sys.stderr)
    with running(asked.patience) as stage:
        asyncio.run(played(stage, Scenario(nothing, 0)))
    ends = time.monotonic() + LONGEST
    with kept_busy(os.cpu_count() or 1 if asked.busy else 0):
        for name in asked.only:
            if time.monotonic() > ends:
                print(f"{name}: left out, the time is over", file=sys.stderr)
                continue
            print(f"{name}: {SCENARIOS[name].play.__doc__}", file=sys.stderr)
            with running(asked.patience, empty_kernels=not SCENARIOS[name].warm) as stage:
                rows[name] = asyncio.run(played(stage, SCENARIOS[name], ends))
    if asked.json:
        print(json.dumps(told | {"scenarios": rows}))
    else:
        print(f"{told}\n\n{table(rows)}\n\n{remarks(rows)}")


if __name__ == "__main__":
    main()
