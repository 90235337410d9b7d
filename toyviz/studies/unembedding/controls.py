"""What every view of this page can be asked with, and the experiment that it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from toyviz.control import Alias, Choice, Control, numbers
from toyviz.experiment import Experiment
from toyviz.settings import EXPERIMENTS, Setting
from toyviz.studies import first_addresses
from toyviz.studies import shared_controls as shared
from toyviz.studies.shared_controls import trained_as
from toyviz.view import Plan

LABELS = Control(
    "labels",
    "Labels",
    {"hard": "classify_hard", "soft": "classify_soft", "shares": "classify_shares"},
    "classify_hard",
    help="Hard: the largest feature is the one correct class. Soft: every active feature counts, by its value, and a "
    "sample's targets add up to more than 1. Divided by their sum they add up to 1, as probabilities do.",
    field="task",
    labels={"hard": "hard", "soft": "soft", "shares": "soft, divided by their sum"},
)
BATCH = numbers(
    "minibatch", "Batch", (1, 16, 128), None, own="all", labels={"all": "all samples"},
    help="How many training samples a step sees: all of them, or so many, drawn anew without replacement once all were "
    "seen. A training set that is no larger is seen whole. SGD, whose rate is that of the whole set, can blow up.",
)  # fmt: skip
NETWORK = Control(
    "network",
    "Network",
    {name: name for name in ("unembed", "unembed_tied", "unembed_no_bias")},
    "unembed",
    help="Two matrices and an output bias; one matrix used twice; or no bias.",
    field="arch",
    labels={"unembed": "W1, W2 and b2", "unembed_tied": "tied: W2 = W1ᵀ", "unembed_no_bias": "no bias"},
)
OPTIMIZER = replace(shared.OPTIMIZER, help="SGD has momentum 0.9, a learning rate of its own, and no weight decay.")
WEIGHT_DECAY = replace(shared.WEIGHT_DECAY, when={"optimizer": (None, "adamw")})
TRAINING = (
    OPTIMIZER,
    shared.INIT,
    shared.LR,
    shared.STEPS,
    shared.WARMUP,
    WEIGHT_DECAY,
    shared.NORMALIZE,
    shared.SCHEDULE,
)

# Addresses without a version: what they called things, and what they meant by saying nothing. Never to be changed.
FIRST_NETWORKS = {"W1, W2 and b2": "unembed", "tied: W2 = W1ᵀ": "unembed_tied", "no bias": "unembed_no_bias"}
FIRST_NAMES = {
    "labels": Alias("labels", {"Hard": "hard", "Soft": "soft"}),
    "network": Alias("network", FIRST_NETWORKS),
    "optimizer": Alias("optimizer", first_addresses.OPTIMIZERS),
    "init": Alias("init", first_addresses.STARTS),
}
FIRST_DEFAULTS: dict[str, str] = first_addresses.TRAINING | {
    "minibatch": "all",
    "n_samples": "3,5,6,8,10,15,30,50,100,200,500,1000,2000", "seeds": "2", "first_seed": "0", "n_features": "1000",
    "sparsity": "0.99", "recipe": "quick", "labels": "hard", "network": "unembed", "normalize": "true", "T": "500",
    "seed": "0",
}  # fmt: skip


def named(choice: Choice) -> str:
    """The named experiment that the chosen network belongs to."""
    if choice.optimizer == "sgd":
        return "unembedding_sgd"
    return "unembedding" if choice.labels == "classify_hard" else "unembedding_soft"


def trained_by(setting: Setting, recipe: str) -> Experiment:
    """The experiment trained by this recipe, one of settings.RECIPES, its optimiser kept: plain and notebook are
    recipes of AdamW. SGD takes their number of steps alone; its rate of 10 needs its own warm-up, and theirs would
    teach it nothing."""
    own, quick = setting.at(recipe), setting.quick
    if quick.optimizer == "sgd" and own.optimizer != "sgd":
        return quick.with_(steps=own.steps, warmup=quick.warmup * own.steps // quick.steps)
    return own


def batched(plan: Plan, choice: Choice) -> Plan:
    """The networks of a plan, trained on minibatches of the chosen size where their training set is larger."""

    def with_batch(each: Experiment) -> Experiment:
        small = choice.minibatch is None or choice.minibatch >= (each.training_size or 0)
        return each if small else each.with_(minibatch=choice.minibatch)

    rivals = [[with_batch(each) for each in group] for group in plan.rivals]
    return Plan(map(with_batch, plan.experiments), [with_batch(each) for each in plan.opened], rivals, plan.rank)


def base(choice: Choice, **changes: Any) -> Experiment:
    """The experiment that a choice comes to, before anything is swept over. Raises ValueError where there is none."""
    setting = EXPERIMENTS[named(choice)]
    own = trained_by(setting, choice.recipe).with_(task=choice.labels, **of_data(choice))
    if choice.optimizer == "sgd":
        choice = choice | {"weight_decay": None}
    own = trained_as(choice, own)
    biased = choice.network != "unembed_no_bias"
    start = {} if biased else {"bias_init": "zeros", "bias_offset": 0.0}
    return own.with_(arch=choice.network, **start, **changes)


def seeds_compared(choice: Choice) -> Sequence[int]:
    """The seeds that are trained where one network is enough: that which is opened, or as many as are asked for."""
    return shared.seeds_of(choice) if choice.seeds > 1 else [shared.seed_of(choice)]


def of_data(choice: Choice) -> dict[str, Any]:
    """What the choice says of the samples."""
    return {"sparsity": choice.sparsity, "n_features": choice.n_features, "normalize": choice.normalize}
