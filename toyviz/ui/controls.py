"""The controls of pages without views: declared once, with a few good values each, kept in the address."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from toyviz import settings


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


LABEL_NAMES = {"classify_hard": "Hard", "classify_soft": "Soft"}
NETWORK_NAMES = {
    "unembed": "W1, W2 and b2",
    "unembed_tied": "tied: W2 = W1ᵀ",
    "unembed_no_bias": "no bias",
}
OPTIMIZER_NAMES = {"adamw": "AdamW", "sgd": "SGD"}
COUNTS_NAMES = {1.0: "the strongest alone", 0.5: "those at least half as strong", 0.0: "all"}
TASK_NAMES = {"autoencode": "squared error", "classify_hard": "cross-entropy"}
TO_STORE_NAMES = {"sparse": "50 sparse samples", "one_hot": "one-hots"}
START_NAMES = {
    "xavier_normal": "Xavier, normal",
    "xavier_uniform": "Xavier, uniform",
    "linear_uniform": "nn.Linear, uniform",
    "linear_normal": "nn.Linear, normal",
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
        ("linear_uniform", "linear_normal", "xavier_uniform", "xavier_normal"),
        "How W1 and W2 are drawn before the first step. With Xavier's rule the bias starts at 0, with that of "
        "nn.Linear it is drawn as there.",
        kind="list",
        text=START_NAMES.__getitem__,
    ),
    "bias": Control(
        "Initial bias",
        tuple(settings.BIAS_STARTS),
        "How b2 starts: all at one value, or drawn, from N(0, 1) or uniformly from ±1/√m. The post warns that results "
        "look quite different when it does not start at 0.",
        kind="list",
    ),
    "map_seeds": Control(
        "Seeds a cell", (1, 2, 4), "How many networks each cell of the maps is the mean of.", kind="choice"
    ),
    "starts": Control(
        "Random starts",
        (8, 32, 100),
        "How many networks for each density, each from its own start. Shown is the one with the lowest loss.",
        kind="choice",
    ),
    "labels": Control(
        "Labels",
        tuple(LABEL_NAMES),
        "Hard: the largest feature is the one correct class. Soft: every active feature counts, by its value.",
        kind="choice",
        text=LABEL_NAMES.__getitem__,
    ),
    "network": Control(
        "Network",
        tuple(NETWORK_NAMES),
        "Two matrices and an output bias; one matrix used twice; or no bias.",
        kind="list",
        text=NETWORK_NAMES.__getitem__,
    ),
    "optimizer": Control(
        "Optimiser",
        tuple(OPTIMIZER_NAMES),
        "SGD has momentum 0.9, a learning rate of its own, and no weight decay.",
        kind="choice",
        text=OPTIMIZER_NAMES.__getitem__,
    ),
    "one_hots": Control("Inputs n", (5, 10, 20, 40, 64), "How many one-hots are stored, each of length n."),
    "neurons": Control("Neurons m", (2, 3, 4, 6, 8, 10, 16, 32), "How many neurons, or hidden values, there are."),
    "lr": Control(
        "Learning rate",
        (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 1.0),
        "How large a step is; the post does not say.",
        text=_number,
    ),
    "levels": Control(
        "Levels of a neuron",
        (2, 3, 5, 9),
        "How finely the activations are read: 2 is off or on.",
        kind="choice",
    ),
    "active": Control("Active inputs", (1, 2, 3, 4, 6), "How many inputs lie on top of each other.", kind="choice"),
    "noise": Control(
        "Noise",
        (0.0, 0.05, 0.1, 0.2, 0.3, 0.5),
        "The standard deviation of what is added to every number of the input.",
        text=_number,
    ),
    "counts_from": Control(
        "Inputs that count",
        tuple(COUNTS_NAMES),
        "Which of the stored inputs in a mixture the table looks up: all of them add up what they switch on.",
        kind="list",
        text=COUNTS_NAMES.__getitem__,
    ),
    "task": Control(
        "Loss",
        tuple(TASK_NAMES),
        "Give back the input with a small squared error, or name its largest feature with cross-entropy.",
        kind="choice",
        text=TASK_NAMES.__getitem__,
    ),
    "to_store": Control(
        "Training set",
        tuple(TO_STORE_NAMES),
        "What is memorised. Of one-hots, training points, k-means centres and one-hots are the same but for their "
        "order.",
        kind="choice",
        text=TO_STORE_NAMES.__getitem__,
    ),
    "limit_sizes": Control(
        "Features n",
        settings.LIMIT_SIZES,
        "The rows of the maps. Each cell is a network of its own.",
        kind="pills",
    ),
    "limit_widths": Control(
        "Hidden sizes m",
        settings.LIMIT_WIDTHS,
        "The columns of the maps; a bottleneck is never wider than its input.",
        kind="pills",
    ),
    "sparsities": Control(
        "Sparsities S",
        (0.0, 0.5, 0.9, 0.97, 0.99, 0.999),
        "The chance that a feature is zero in a sample. Each sparsity is a map of its own. At 0.999 the few steps of "
        "the quick recipe are too few: each feature is hardly seen.",
        kind="pills",
        text=_number,
    ),
    "relative": Control(
        "Loss over that of the best constant output",
        (True, False),
        "Divide each loss by what a network would have that ignores its input, the variance of the features weighted "
        "by importance. 1 is no better than that. Sparser features vary less, so their plain loss is lower anyway.",
        kind="toggle",
    ),
    "fish_features": Control(
        "Features F", settings.FISH_FEATURES, "How many features there are. E turns them into B numbers.", kind="choice"
    ),
    "fish_embeds": Control(
        "Bottlenecks B",
        (8, 16, 32, 64, 128),
        "The columns of the maps: how many numbers the network sees.",
        kind="pills",
    ),
    "fish_hidden": Control(
        "Hidden sizes H",
        (4, 8, 16, 32, 64, 128, 256, 512),
        "The rows of the maps: how many neurons there are. 512 take up to half a minute a cell.",
        kind="pills",
    ),
    "over_variance": Control(
        "Divide by the variance of the targets",
        (True, False),
        "The three fish have different targets. Divided by their variance, 1 is what the best constant output has, "
        "whatever the target.",
        kind="toggle",
    ),
    "normalize": Control(
        "Samples of unit length", (True, False), "Divide every sample by its length, |x| = 1.", kind="toggle"
    ),
}


def control(
    name: str, default: Any, choices: Sequence[Any] | None = None, where: Any = None, key: str | None = None
) -> Any:
    """The value that the visitor chose for a row of CONTROLS; it lives in the address under its name, or under key.

    A key of its own is for a tab whose default differs from that of another tab.
    """
    row, where = CONTROLS[name], where or st.sidebar
    options = list(choices or row.choices)
    shared: dict[str, Any] = {"key": key or name, "help": row.help, "bind": "query-params"}
    if row.kind == "toggle":
        return where.toggle(row.label, value=default, **shared)
    shared["format_func"] = row.text
    if row.kind == "pills":
        chosen = where.pills(row.label, options, selection_mode="multi", default=list(default), **shared)
        return sorted(chosen, key=options.index)
    if row.kind == "choice":
        return _one_of(where.segmented_control, row.label, options, default, **shared)
    if row.kind == "list":
        return where.selectbox(row.label, options, index=options.index(default), **shared)
    return where.select_slider(row.label, options, value=default, **shared)


def shown(
    name: str,
    label: str,
    options: Iterable[Any],
    default: Any,
    where: Any = None,
    text: Callable[[Any], str] = _number,
) -> Any:
    """Which of some networks the visitor looks into; also set by clicking its point. None where there are none."""
    options = list(options)
    if not options:
        return None
    default = default if default in options else options[0]
    pills = (where or st).pills
    return _one_of(
        pills, label, options, default, key=name, format_func=text, on_change=_forget_click, bind="query-params"
    )


def choice(name: str, label: str, options: Iterable[Any], default: Any, where: Any = None, **how: Any) -> Any:
    """One of a page's own options, such as its views; it lives in the address under its name. how: as in Streamlit."""
    widget = (where or st).segmented_control
    return _one_of(widget, label, list(options), default, key=name, bind="query-params", **how)


def number(name: str, label: str, most: int, where: Any = None) -> int:
    """A whole number from 0 to most; it lives in the address under its name, and in the session as a float.

    An integer for Streamlit would be an exception where the address says 1e400.
    """
    box = (where or st).number_input
    return int(box(label, 0.0, float(most), 0.0, 1.0, format="%.0f", key=name, bind="query-params", width=140))


def _one_of(widget: Callable[..., Any], label: str, options: Sequence[Any], default: Any, key: str, **how: Any) -> Any:
    """The option that the visitor chose, of which there is always one.

    Streamlit takes an empty value in the address, as in "?seeds=", for a choice of nothing, whatever is required. It
    means the default: the page runs again with that.
    """
    emptied = f"emptied {key}"
    again = st.session_state.pop(emptied, False)
    if again:
        st.session_state[key] = default
    chosen = widget(label, options, default=default, required=True, key=key, **how)
    if chosen is None and not again:
        st.session_state[emptied] = True
        st.rerun()
    return default if chosen is None else chosen


def _forget_click() -> None:
    """Let a point that was clicked before be clicked again: a chart reports only what changes, so it gets a new key."""
    st.session_state["forgotten"] = st.session_state.get("forgotten", 0) + 1


def remember(**values: Any) -> None:
    """Put values into the session, for widgets with these keys to show in the next run."""
    for key, value in values.items():
        st.session_state[key] = value
