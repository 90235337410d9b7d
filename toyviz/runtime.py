"""What one server process has once: the store, the queue with its workers, and who is visiting.

None of it hangs on a cache of Streamlit's, since any browser can clear those for everybody.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import os
import threading
from collections.abc import AsyncIterator
from typing import Any

from streamlit import runtime as streamlit_runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from toyviz.cluster import VARIABLE, Cluster
from toyviz.jobs import Jobs
from toyviz.store import Store, default_store

OPEN_FILES = 4096  # that the server may have open, where the system lets it

_making = threading.RLock()
_store: Store | None = None
_jobs: Jobs | None = None
_cluster: Cluster | None = None
_visitors: set[str] = set()  # sessions that have asked for their name, and have not ended


def store() -> Store:
    """The results on disk, one object for all visitors."""
    global _store
    with _making:
        if _store is None:
            _store = default_store()
        return _store


def jobs() -> Jobs:
    """The queue and its workers, one object for all visitors; it is closed with the server, or with the process."""
    global _jobs
    with _making:
        if _jobs is None:
            gc.collect()
            gc.freeze()  # what is imported by now stays: each later collection need not walk through it
            _jobs = _new_jobs()
            atexit.register(close)
        return _jobs


def _new_jobs() -> Jobs:
    """Trains on the cores of TOYVIZ_SCHEDULER's machines, one of them spare, or in processes here if that is not set.

    Raises ValueError, in one sentence, for a scheduler that is not safe, does not answer, or has no fit machine.
    """
    global _cluster
    address = os.environ.get(VARIABLE, "").strip()
    if not address:
        return Jobs(store(), spare=1)
    _cluster = Cluster(address)
    spare = 1 if _cluster.cores > 1 else 0
    return Jobs(store(), _cluster.cores - spare, spare, make=_cluster.worker)


def at_once() -> int:
    """How many networks train side by side, for the time that is left."""
    return _cluster.cores if _cluster else 2


def close() -> None:
    """End the workers. The queue stays, and refuses whatever a page still asks of it."""
    with _making:
        ended = _jobs
    if ended:
        ended.close()
    if _cluster:
        _cluster.close()


@contextlib.asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """The workers' life: they start with the server, before its first visitor, and end with it."""
    allow_many_files()
    await asyncio.to_thread(jobs)
    try:
        yield
    finally:
        await asyncio.to_thread(close)


def allow_many_files() -> None:
    """Raise this process's limit of open files to OPEN_FILES, as far as the system lets it.

    Streamlit keeps the last 128 sessions that have gone, three files each; where 256 may be open, as on macOS, a server
    would answer nobody any more after some eighty visits.
    """
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def visitor() -> str:
    """The name of this browser session, the same as long as it lives, even if its connection is lost for a while."""
    context = get_script_run_ctx()
    if context is None:
        raise RuntimeError("only a page that runs for a browser has a visitor")
    _visitors.add(context.session_id)
    return context.session_id


def visitors() -> int:
    """How many browser sessions there are, about."""
    return len(_visitors)


def tell_who_has_gone() -> None:
    """Tell the queue which visitors have gone: their jobs go on for a moment, in case it was a reload."""
    for name in list(_visitors):
        if not streamlit_runtime.get_instance().is_active_session(name):
            _visitors.discard(name)
            jobs().leave(name)
