"""The controls: declared once, with a few good values each, kept in the address."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from toyviz import settings
from toyviz.experiment import INITS


@dataclass(frozen=True)
class Control:
    """A knob: what it says, and the few values it can take. Its name is its key, and its parameter in the address.

    The address holds values as they are written here, so text() must be plain: 1000, not 1,000.
    """

    label: str
    choices: tuple[Any, ...]
    help: str
    kind: str = "slider"  # slider, pills (several values), choice (one of few), list (one of many), toggle
    text: Callable[[Any], str] = str


def _number(value: float) -> str:
    return f"{value:g}"


BIASES = {  # one choice for bias_init and bias_offset
    "0": ("zeros", 0.0),
    "normal": ("normal", 0.0),
    "uniform": ("linear_uniform", 0.0),
    "-1": ("zeros", -1.0),
    "1": ("zeros", 1.0),
}
CONTROLS: dict[str, Control] = {
    "recipe": Control(
        "Recipe",
        ("quick", "paper"),
        "How long and how gently each network is trained. Quick: fewer and larger steps, about a second a network. "
        "Paper: the many small steps of the original; it starts when you ask for it.",
        kind="choice",
    ),
    "n_samples": Control(
        "Training samples T",
        (*settings.SAMPLE_SIZES, 5000),
        "The sizes of the training set. Each is a network of its own, trained on T fixed samples.",
        kind="pills",
        text=_number,
    ),
    "density": Control(
        "Densities 1 − S",
        settings.DENSITIES,
        "The chance that a feature is active in a sample. Each density is a network of its own.",
        kind="pills",
        text=_number,
    ),
    "sparsity": Control(
        "Sparsity S",
        (0.9, 0.95, 0.98, 0.99, 0.995, 0.998),
        "The chance that a feature is zero in a sample.",
        text=_number,
    ),
    "n_features": Control("Features n", (100, 200, 500, 1000, 2000), "The length of every sample x."),
    "n_hidden": Control(
        "Hidden width m", (2, 3, 4, 8, 16), "The width of the bottleneck. Other than 2, the geometry is a projection."
    ),
    "importance_decay": Control(
        "Importance decay",
        (0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        "Feature $i$ weighs decay$^i$ in the loss. At 1 all features weigh the same.",
        text=_number,
    ),
    "seeds": Control(
        "Seeds",
        (1, 2, 4, 8),
        "How many networks for each setting, each with its own start and its own training samples.",
        kind="choice",
    ),
    "weight_decay": Control(
        "Weight decay",
        (0.0, 0.001, 0.01, 0.1, 1.0),
        "AdamW shrinks every weight by learning rate × decay at each step.",
        text=_number,
    ),
    "init": Control(
        "Initial weights",
        tuple(INITS),
        "How W1 is drawn before the first step: by Xavier's rule or by that of nn.Linear. The bias starts at 0.",
        kind="list",
    ),
    "bias": Control(
        "Initial bias",
        tuple(BIASES),
        "How b2 starts: all at one value, or drawn, from N(0, 1) or uniformly from ±1/√m. The post warns that results "
        "look quite different when it does not start at 0.",
        kind="list",
    ),
    "normalize": Control(
        "Samples of unit length", (True, False), "Divide every sample by its length, |x| = 1.", kind="toggle"
    ),
}


def control(name: str, default: Any, choices: Sequence[Any] | None = None, where: Any = None) -> Any:
    """The value that the visitor chose for a row of CONTROLS; it lives in the address under its name."""
    row, where = CONTROLS[name], where or st.sidebar
    options = list(choices or row.choices)
    shared: dict[str, Any] = {"key": name, "help": row.help, "bind": "query-params"}
    if row.kind == "toggle":
        return where.toggle(row.label, value=default, **shared)
    shared["format_func"] = row.text
    if row.kind == "pills":
        chosen = where.pills(row.label, options, selection_mode="multi", default=list(default), **shared)
        return sorted(chosen, key=options.index)
    if row.kind == "choice":
        return where.segmented_control(row.label, options, default=default, required=True, **shared)
    if row.kind == "list":
        return where.selectbox(row.label, options, index=options.index(default), **shared)
    return where.select_slider(row.label, options, value=default, **shared)


def shown(name: str, label: str, options: Iterable[Any], default: Any, where: Any = None) -> Any:
    """Which of some networks the visitor looks into; also set by clicking its point. None where there are none."""
    options = list(options)
    if not options:
        return None
    return (where or st).pills(
        label,
        options,
        default=default if default in options else options[0],
        required=True,
        format_func=_number,
        key=name,
        on_change=_forget_click,
        bind="query-params",
    )


def _forget_click() -> None:
    """Let a point that was clicked before be clicked again: a chart reports only what changes, so it gets a new key."""
    st.session_state["forgotten"] = st.session_state.get("forgotten", 0) + 1


def remember(**values: Any) -> None:
    """Put values into the session, for widgets with these keys to show in the next run."""
    for key, value in values.items():
        st.session_state[key] = value
