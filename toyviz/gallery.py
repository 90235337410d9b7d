"""The results that are shipped with the project, so that a first visit finds the pages filled: make gallery."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toyviz import cost, studies
from toyviz.experiment import Experiment
from toyviz.result import Result
from toyviz.view import Plan

if TYPE_CHECKING:
    from toyviz.cluster import Cluster
    from toyviz.jobs import Jobs

ME = "gallery"  # the one visitor of its queue
FEW = 16  # starts of a network of which all keep their histories
LONGER = 1.5  # times what was told before is told anew


def build(
    force: bool = False,
    jobs: int | None = None,
    folder: Path | None = None,
    plans: Iterable[Plan] | None = None,
    cluster: Cluster | None = None,
) -> int:
    """Train what is missing or outdated (all of it by force), remove what is no longer shown; return how many trained.

    jobs is the number of workers; a cluster trains where one is given; folder and plans are the project's own unless
    they are given. What is done stays if it is interrupted. Raises RuntimeError if a training fails.
    """
    from toyviz.store import GALLERY, Store, rounded_up

    plans = shipped_plans() if plans is None else list(plans)
    every = list(dict.fromkeys(each for plan in plans for each in plan.experiments))
    folder = folder or GALLERY
    folder.mkdir(parents=True, exist_ok=True)
    names = {file_name(experiment) for experiment in every}
    for path in sorted(folder.glob("*.safetensors*")):
        if path.name not in names:
            print(f"gallery: {path.name} is no longer shown, and is removed", file=sys.stderr)
            path.unlink()
    shipped = Store(None, folder)
    crowded = {each for plan in crowds(plans) for each in plan.experiments}
    missing = [each for each in every if force or _outdated(shipped.get(each), whole=each not in crowded)]
    if missing:
        _train(missing, jobs, folder, cluster)
    _shorten(plans, folder)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    kept = Store(None, folder)
    off = max((result.provenance["largest_error"] for each in every if (result := kept.get(each))), default=0.0)
    print(
        f"gallery: {len(every)} results, {size / 1e6:.1f} MB, no number off by more than {rounded_up(off)}",
        file=sys.stderr,
    )
    return len(missing)


def wanted() -> list[Experiment]:
    """What is trained beforehand and shipped, each once: what the views ask for at their defaults, and name beside."""
    return list(dict.fromkeys(each for plan in shipped_plans() for each in plan.experiments))


def shipped_plans() -> list[Plan]:
    """What the views ask for at their defaults and at the choices that they ship."""
    return [plan for page in studies.pages().values() for view in page.views for plan in view.shipped_plans()]


def crowds(plans: Iterable[Plan]) -> list[Plan]:
    """The many starts of one network of which a plan opens the best: a plan for each of these networks, its best first
    to be found. What another plan wants for itself is in none.
    """
    found, others = [], set[Experiment]()
    for plan in plans:
        if max(map(len, plan.rivals), default=0) <= FEW:
            others.update(plan.experiments)
            continue
        starts: dict[Experiment, list[Experiment]] = {}
        for each in plan.experiments:
            starts.setdefault(each.with_(seed=0), []).append(each)
        found += [Plan(each, each[:1], [each], plan.rank) for each in starts.values() if len(each) > FEW]
    return [plan for plan in found if not others & set(plan.experiments)]


def file_name(experiment: Experiment) -> str:
    """The name of this experiment's file in the gallery."""
    return f"{experiment.key}.safetensors"


def _outdated(result: Result | None, whole: bool) -> bool:
    """Whether a file is missing or damaged, has a history as they were first written, in 16 bits, or the ends alone of
    one that is wanted whole.
    """
    from toyviz.history import History
    from toyviz.result import SMALL

    if result is None or not isinstance(result.frames, History):
        return True
    small = sum(values.size for values in result.parameters.values()) <= SMALL
    return whole and small and len(result.frame_steps) == 2 < result.experiment.steps + 1


def _shorten(plans: Iterable[Plan], folder: Path) -> None:
    """Of many starts of one network the best keeps its history, the others their ends: no page opens them by itself."""
    from toyviz.store import Store

    shipped = Store(None, folder)
    for plan in crowds(plans):
        best = plan.settled(shipped.get).opened[0]
        for each in plan.experiments:
            result = shipped.get(each)
            if each != best and result and len(result.frame_steps) > 2:
                _write(result, folder, frames=2)


def _train(missing: list[Experiment], jobs: int | None, folder: Path, cluster: Cluster | None) -> None:
    """Train them, those that take longest first, so that the workers end together; tell how long is left."""
    from toyviz.jobs import Jobs
    from toyviz.queue import Limits
    from toyviz.store import Store

    at_a_time, make = (cluster.cores, cluster.worker) if cluster else (jobs, None)
    queue = Jobs(Store(None), at_a_time, limits=Limits(), make=make)
    takes = {experiment: cost.expected(experiment).seconds for experiment in missing}
    waiting = sorted(missing, key=lambda experiment: -takes[experiment])
    began, total, told = time.monotonic(), sum(takes.values()), math.inf
    try:
        queue.submit(waiting, ME)
        while waiting:
            time.sleep(0.5)
            queue.touch(waiting, ME)
            left = [experiment for experiment in waiting if not _kept(queue, experiment, folder)]
            if len(left) < len(waiting):
                told = seconds_left(time.monotonic() - began, total, sum(takes[each] for each in left), told)
                about = f", about {cost.duration(told)} left" if left else ""
                print(
                    f"gallery: {len(missing) - len(left)} of {len(missing)} trained{about}", file=sys.stderr, flush=True
                )
            waiting = left
    finally:
        queue.close()


def seconds_left(passed: float, total: float, left: float, told: float) -> float:
    """How long is left at the pace so far, of so many expected seconds; what was told before if that is a little less.

    It does not rise unless it takes half as long again as was told.
    """
    seconds = passed * left / (total - left)
    return told if told < seconds < LONGER * told else seconds


def _kept(queue: Jobs, experiment: Experiment, folder: Path) -> bool:
    """Whether the experiment is done, and so its file written."""
    status = queue.status(experiment)
    if status and status.error:
        raise RuntimeError(f"the gallery lacks a result, since training failed: {status.error}; {experiment}")
    result = queue.result(experiment)
    if result is None:
        return False
    _write(result, folder)
    return True


def _write(result: Result, folder: Path, **kept: int) -> None:
    """Write its file; a reader sees the old one or the new one, whole. kept: as pack() takes it."""
    from toyviz.store import pack

    path = folder / file_name(result.experiment)
    new = path.with_suffix(".safetensors.new")
    new.write_bytes(pack(replace(result, provenance=_lasting(result.provenance)), display=True, **kept))
    os.replace(new, path)


def _lasting(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What stays the same if it is trained again on this machine: not how long it took."""
    return {name: value for name, value in provenance.items() if name != "seconds"}
