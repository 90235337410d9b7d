"""What exactly a network was, and the line that trains it again."""

from __future__ import annotations

import shlex
from dataclasses import asdict, fields
from typing import Any

import pandas as pd
import streamlit as st

from toyviz import settings
from toyviz.experiment import Experiment
from toyviz.result import Result


def behind(name: str, result: Result, table: pd.DataFrame) -> None:
    """The exact experiment of one network, the command that repeats it, and the data of the whole page.

    Nothing of it is sent before it is opened: a browser takes as long for its table as for the largest chart.
    """
    experiment = result.experiment
    box = st.expander("The exact experiment, and its data", icon=":material/science:", key="behind", on_change="rerun")
    if not box.open:
        return
    with box:
        st.code(command(name, experiment), language="bash", wrap_lines=True)
        left, right = st.columns([2, 1], gap="large")
        values = {key: "none" if value is None else str(value) for key, value in asdict(experiment).items()}
        left.dataframe(pd.DataFrame({"field": values.keys(), "value": values.values()}), hide_index=True, height=320)
        about = result.provenance
        numbers = {key: value for key, value in result.metrics.items() if value is not None}
        lines = [
            f"key: `{experiment.key}`",
            f"engine: {about.get('engine')}, version {about.get('engine_version')}",
            f"device: {about.get('device', 'not recorded')}",
            f"instruction set: {about.get('instruction_set', 'not recorded')}",
            *([f"training took {float(about['seconds']):.2f} s"] if about.get("seconds") is not None else []),
            *(f"{key.replace('_', ' ')}: {value:.6g}" for key, value in numbers.items()),
            *([str(about["note"])] if about.get("note") else []),
        ]
        right.markdown("\n".join(f"- {line}" for line in lines))
        right.download_button(
            f"All {len(table)} runs as CSV",
            data=lambda: table.to_csv(index=False),
            file_name=f"{name}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )


def command(name: str, experiment: Experiment) -> str:
    """The line that trains this experiment again: the named one, and every field that differs from it."""
    base = settings.EXPERIMENTS[name].quick
    changed = [
        f"--set {field.name}={_as_text(getattr(experiment, field.name))}"
        for field in fields(experiment)
        if getattr(experiment, field.name) != getattr(base, field.name)
    ]
    return shlex.join(["python", "-m", "toyviz", "train", name, *" ".join(changed).split()])


def _as_text(value: Any) -> str:
    return "none" if value is None else str(value)
