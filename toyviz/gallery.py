"""The results that are shipped with the project, so that a first visit finds the pages filled: make gallery."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from toyviz import studies
from toyviz.experiment import Experiment

if TYPE_CHECKING:
    from toyviz.jobs import Jobs

ME = "gallery"  # the one visitor of its queue


def build(
    force: bool = False,
    jobs: int | None = None,
    folder: Path | None = None,
    experiments: Iterable[Experiment] | None = None,
) -> int:
    """Train what is missing or outdated (all of it by force), remove what is no longer shown; return how many trained.

    jobs is the number of workers; folder is the project's own unless it is given. What is done stays if it is
    interrupted. Raises RuntimeError if a training fails.
    """
    from toyviz.store import GALLERY, Store

    every = wanted() if experiments is None else list(experiments)
    folder = folder or GALLERY
    folder.mkdir(parents=True, exist_ok=True)
    names = {file_name(experiment) for experiment in every}
    for path in sorted(folder.glob("*.safetensors*")):
        if path.name not in names:
            print(f"gallery: {path.name} is no longer shown, and is removed", file=sys.stderr)
            path.unlink()
    shipped = Store(None, folder)
    missing = [experiment for experiment in every if force or shipped.get(experiment) is None]
    if missing:
        _train(missing, jobs, folder)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    print(f"gallery: {len(every)} results, {size / 1e6:.1f} MB", file=sys.stderr)
    return len(missing)


def wanted() -> list[Experiment]:
    """What is trained beforehand and shipped, each once: what the views ask for at their defaults, and name beside."""
    every = (each for page in studies.pages().values() for view in page.views for each in view.shipped_experiments())
    return list(dict.fromkeys(every))


def file_name(experiment: Experiment) -> str:
    """The name of this experiment's file in the gallery."""
    return f"{experiment.key}.safetensors"


def _train(missing: list[Experiment], jobs: int | None, folder: Path) -> None:
    from toyviz.jobs import Jobs
    from toyviz.queue import Limits
    from toyviz.store import Store

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
    from toyviz.store import pack

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
