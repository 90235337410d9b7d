"""What addresses without a version called things on several pages, and what they left out. Never to be changed."""

from __future__ import annotations

from toyviz.control import Alias
from toyviz.studies.shared_controls import OWN

STARTS = {
    "as usual for this network": OWN,
    "Xavier, normal": "xavier_normal",
    "Xavier, uniform": "xavier_uniform",
    "Xavier, normal, biases at 0.1": "xavier_lifted",
    "nn.Linear, uniform": "linear_uniform",
    "nn.Linear, normal": "linear_normal",
}
YES_NO = {"True": "true", "False": "false"}
TASKS = {"squared error": "autoencode", "cross-entropy": "classify_hard"}
OPTIMIZERS = {"AdamW": "adamw", "SGD": "sgd"}
TRAINING = {
    "lr": OWN, "steps": OWN, "warmup": OWN, "weight_decay": OWN, "optimizer": OWN, "init": OWN, "schedule": OWN,
}  # fmt: skip


def passed_over(*names: str) -> dict[str, Alias]:
    """Parameters of the first addresses that have no bearing on a view any more."""
    return {name: Alias("") for name in names}
