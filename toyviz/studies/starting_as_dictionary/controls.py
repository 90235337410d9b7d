"""What the view of this page can be asked with, and the experiment that it comes to."""

from __future__ import annotations

from typing import Any

from toyviz import settings
from toyviz.claims.appendix import NAMING, STORED
from toyviz.control import Alias, Choice, Control, numbers
from toyviz.experiment import Experiment
from toyviz.studies import first_addresses
from toyviz.studies import shared_controls as shared

DATA = Control(
    "data",
    "Training set",
    {"sparse": "sparse", "one_hot": "one_hot"},
    "sparse",
    help="What is memorised. Of one-hots, training points, k-means centres and one-hots are the same but for their "
    "order.",
    field="data",
    labels={"sparse": "50 sparse samples", "one_hot": "one-hots"},
)
TASK = Control(
    "task",
    "Loss",
    {"autoencode": "autoencode", "classify_hard": "classify_hard"},
    "autoencode",
    help="Give back the input with a small squared error, or name its largest feature with cross-entropy.",
    field="task",
    labels={"autoencode": "squared error", "classify_hard": "cross-entropy"},
)
TASKS = Control(
    "tasks",
    "Losses trained",
    {"one": False, "both": True},
    False,
    help="The loss above alone, or both of them, as the claim about sparse samples needs it. Shown is the one above.",
    labels={"one": "the one above", "both": "both"},
    more=True,
)
N_HIDDEN = numbers(
    "n_hidden", "Neurons m", (5, 10, 20, 25, 50), None, own=shared.OWN, labels={shared.OWN: "25 or 10"},
    help="How many neurons there are, and so rows of W1: at most as many as there are samples. If nothing is said, "
    "25 for sparse samples and 10 for one-hots.",
)  # fmt: skip
N_FEATURES = numbers(
    "n_features", "Features n", (10, 20, 50, 100), None, own=shared.OWN, more=True,
    labels={shared.OWN: "100 or 20"},
    help="The length of every input; of one-hots, also their number. If nothing is said, 100 for sparse samples and "
    "20 for one-hots.",
)  # fmt: skip
TRAINING = (shared.LR, shared.STEPS, shared.WARMUP, shared.WEIGHT_DECAY, shared.OPTIMIZER, shared.SCHEDULE)

# Addresses without a version: what they called things, and what they meant by saying nothing. Never to be changed.
ALIASES = {
    "to_store": Alias("data", {"50 sparse samples": "sparse", "one-hots": "one_hot"}),
    "task": Alias("task", first_addresses.TASKS),
    "sparse_neurons": Alias("n_hidden"),
    "one_hot_neurons": Alias("n_hidden"),
}
FIRST_DEFAULTS = {
    "data": "sparse", "task": "autoencode", "tasks": "one", "n_hidden": shared.OWN, "n_features": shared.OWN,
    "seeds": "4", "first_seed": "0", "lr": "0.001", "steps": shared.OWN, "warmup": shared.OWN, "weight_decay": "0.01",
    "optimizer": shared.OWN, "schedule": shared.OWN, "seed": "0",
}  # fmt: skip


def base(choice: Choice, task: str) -> Experiment:
    """The experiment that a choice comes to for one loss. Raises ValueError where there is none."""
    changes: dict[str, Any] = dict(STORED[choice.data]) | (NAMING if task == "classify_hard" else {})
    changes |= {name: choice[name] for name in ("n_hidden", "n_features") if choice[name] is not None}
    return shared.trained_as(choice, settings.EXPERIMENTS["starting_as_dictionary"].quick.with_(**changes))
