"""How long a visitor waits: the networks of each view, from an empty store, through the queue and two workers."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from toyviz import cost, order, studies, worker
from toyviz.bench import machine
from toyviz.jobs import Jobs
from toyviz.queue import Limits
from toyviz.result import Result
from toyviz.store import Store
from toyviz.view import Plan

WORKERS = 2
VISITOR = "bench"
LOOK = 0.2  # seconds between two looks whether all are done
PACKAGES = ("numpy", "numba", "llvmlite", "torch")
NOTE = (
    f"seconds from the question to the first, half and all of a view's networks, by default, with an empty store and "
    f"{WORKERS} warm workers. expected: what their sizes say they take, over {WORKERS}."
)


class Arrivals(Store):
    """A store in memory that keeps when each result came."""

    def __init__(self) -> None:
        super().__init__(None)
        self.at: dict[str, float] = {}

    def put(self, result: Result, *, display: bool = False) -> bool:
        """As Store.put."""
        self.at[result.experiment.key] = time.monotonic()
        return super().put(result, display=display)

    def clear(self) -> int:
        """As Store.clear."""
        self.at = {}
        return super().clear()


def run(plans: Mapping[str, Plan], as_json: bool = False) -> None:
    """Print a row a view, or one JSON object on one line; progress goes to stderr. plans: those that are chosen()."""
    store = Arrivals()
    jobs = Jobs(store, WORKERS, limits=Limits())
    measured = []
    try:
        warm_up()
        if not as_json:
            heads = ("networks", "first", "half", "all", "expected")
            print("".join([f"{'':34}", *(f"{head:>10}" for head in heads)]))
        for name, plan in plans.items():
            print(f"{name} ...", file=sys.stderr, flush=True)
            measured.append({"view": name} | measure(jobs, store, plan))
            if not as_json:
                print(_line(measured[-1]), flush=True)
    finally:
        jobs.close()
    told = machine.about(PACKAGES)
    if as_json:
        print(json.dumps(told | {"workers": WORKERS, "note": NOTE, "rows": measured}))
    else:
        print(f"\n{NOTE}\n\n{machine.lines(told)}")


def chosen(names: Sequence[str]) -> dict[str, Plan]:
    """The plans of the views of these names, as in "fish.maps", of all where there is none; each at its default.

    Raises ValueError for a name that no view has.
    """
    views = {f"{page.id}.{view.id}": view for page in studies.pages().values() for view in page.views}
    for name in names:
        if name not in views:
            raise ValueError(f"view must be one of {', '.join(views)}; got {name!r}")
    plans = {name: views[name].plan(views[name].default()) for name in names or views}
    return {name: plan for name, plan in plans.items() if plan.experiments}


def warm_up() -> None:
    """Wait until the workers have their kernels: they warm up as this process does, which is less patient."""
    began = time.monotonic()
    for _ in worker.warm_up(place=0):
        pass
    time.sleep(time.monotonic() - began)


def measure(jobs: Jobs, store: Arrivals, plan: Plan) -> dict[str, Any]:
    """How long the networks of a plan take that nobody has asked for."""
    store.clear()
    began = time.monotonic()
    jobs.submit(order.coarse_to_fine(plan.experiments), VISITOR, first=plan.opened)
    while any((status := jobs.status(each)) and status.state in ("queued", "running") for each in plan.experiments):
        jobs.touch(plan.experiments, VISITOR)
        time.sleep(LOOK)
    after = sorted(round(at - began, 2) for at in store.at.values())
    return {
        "networks": len(plan.experiments),
        "failed": len(plan.experiments) - len(after),
        "first_s": after[0] if after else None,
        "half_s": after[len(after) // 2] if after else None,
        "all_s": after[-1] if after else None,
        "expected_s": round(sum(cost.expected(each).seconds for each in plan.experiments) / WORKERS, 2),
    }


def _line(row: dict[str, Any]) -> str:
    """One row for a reader."""
    values = (row["networks"], row["first_s"], row["half_s"], row["all_s"], row["expected_s"])
    failed = f"  {row['failed']} failed" if row["failed"] else ""
    return "".join([f"{row['view']:34}", *(f"{'-' if value is None else value:>10}" for value in values), failed])
