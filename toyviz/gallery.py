"""The results that are shipped with the project, so that a first visit finds the pages filled: make gallery."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from toyviz import settings
from toyviz.experiment import Experiment
from toyviz.jobs import Jobs
from toyviz.queue import Limits
from toyviz.store import GALLERY, Store, pack

ME = "gallery"  # the one visitor of its queue


def build(
    force: bool = False,
    jobs: int | None = None,
    folder: Path = GALLERY,
    experiments: Iterable[Experiment] | None = None,
) -> int:
    """Train what is missing or outdated (all of it by force), remove what is no longer shown; return how many trained.

    jobs is the number of workers. What is done stays if it is interrupted. Raises RuntimeError if a training fails.
    """
    wanted = settings.gallery() if experiments is None else list(experiments)
    folder.mkdir(parents=True, exist_ok=True)
    names = {file_name(experiment) for experiment in wanted}
    for path in sorted(folder.glob("*.safetensors*")):
        if path.name not in names:
            print(f"gallery: {path.name} is no longer shown, and is removed", file=sys.stderr)
            path.unlink()
    shipped = Store(None, folder)
    missing = [experiment for experiment in wanted if force or shipped.get(experiment) is None]
    if missing:
        _train(missing, jobs, folder)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    print(f"gallery: {len(wanted)} results, {size / 1e6:.1f} MB", file=sys.stderr)
    return len(missing)


def file_name(experiment: Experiment) -> str:
    """The name of this experiment's file in the gallery."""
    return f"{experiment.key}.safetensors"


def _train(missing: list[Experiment], jobs: int | None, folder: Path) -> None:
    queue = Jobs(Store(None), jobs, limits=Limits())
    try:
        queue.submit(missing, ME)
        waiting = missing
        while waiting:
            time.sleep(0.5)
            queue.touch(waiting, ME)
            left = [experiment for experiment in waiting if not _kept(queue, experiment, folder)]
            if len(left) < len(waiting):
                print(f"gallery: {len(missing) - len(left)} of {len(missing)} trained", file=sys.stderr, flush=True)
            waiting = left
    finally:
        queue.close()


def _kept(queue: Jobs, experiment: Experiment, folder: Path) -> bool:
    """Whether the experiment is done, and so its file written; a reader sees the old file or the new one, whole."""
    status = queue.status(experiment)
    if status and status.error:
        raise RuntimeError(f"the gallery lacks a result, since training failed: {status.error}; {experiment}")
    result = queue.result(experiment)
    if result is None:
        return False
    path = folder / file_name(experiment)
    new = path.with_suffix(".safetensors.new")
    new.write_bytes(pack(result, display=True))
    os.replace(new, path)
    return True
