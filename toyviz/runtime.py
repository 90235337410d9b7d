"""The few objects that outlive a script run: the store, the jobs and their workers, and who is visiting."""

from __future__ import annotations

import gc
import uuid
from typing import NamedTuple

import streamlit as st

from toyviz.jobs import Jobs
from toyviz.store import Store, default_store


class Visit(NamedTuple):
    """One browser session, and the jobs it watches."""

    visitor: str
    jobs: Jobs


@st.cache_resource(show_spinner=False)
def store() -> Store:
    """The results on disk, one object for all visitors."""
    return default_store()


@st.cache_resource(show_spinner=False, on_release=lambda jobs: jobs.close())
def jobs() -> Jobs:
    """The queue and its workers, one object for all visitors."""
    gc.collect()
    gc.freeze()  # what is imported by now stays: each later collection, one a script run, need not walk through it
    return Jobs(store())


def visitor() -> str:
    """A name for this browser session; when it ends, its jobs go on for a moment, in case it was a reload."""
    return _visit().visitor


@st.cache_resource(show_spinner=False, scope="session", on_release=lambda visit: visit.jobs.leave(visit.visitor))
def _visit() -> Visit:
    return Visit(uuid.uuid4().hex, jobs())
