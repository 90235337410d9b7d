"""What every view of this page can be asked with, and the experiment that it comes to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from toyviz import settings
from toyviz.control import Alias, Choice, Control, numbers
from toyviz.experiment import Experiment
from toyviz.studies import first_addresses
from toyviz.studies import shared_controls as shared

DECAYS = (0.0, 0.01, 0.1, 1.0)
LOSSES = {"mse": "squared", "cross_entropy": "entropy"}
MOST = 128  # inputs, and neurons: more rows no matrix on the screen can show
UNIFORM, NORMAL = "linear_uniform", "normal"  # biases that are drawn


def n_features(default: int) -> Control:
    """How long the list is."""
    return numbers(
        "n_features",
        "Inputs n",
        (5, 10, 20, 40, 64),
        default,
        help="How many one-hots are stored, each of length n.",
        bounds=(2, MOST),
    )


def weight_decay(default: float | None) -> Control:
    """How much AdamW shrinks the weights."""
    usual = {shared.OWN: "as usual for this optimiser"}
    own: dict[str, Any] = {"own": shared.OWN, "labels": usual} if default is None else {}
    return numbers(
        "weight_decay",
        "Weight decay",
        (0.0, 0.001, 0.01, 0.1, 1.0),
        default,
        help="AdamW shrinks every weight by learning rate × decay at each step.",
        **own,
    )


def bias(default: float | str) -> Control:
    """How the biases start."""
    drawn = {"uniform": UNIFORM, "normal": NORMAL}
    return Control(
        "bias",
        "Initial biases",
        drawn | {f"{value:g}": value for value in (-1.0, 0.0, 1.0, 3.0, 10.0)},
        default,
        help="How b1 and b2 start: all at one value, or drawn: uniformly from ±1/√n and ±1/√m, as nn.Linear does, or "
        "from N(0, 1). The post warns that results look quite different when they do not start at 0.",
        bounds=(-100.0, 100.0),
        field="bias_start",
        labels={"uniform": "uniform, as nn.Linear", "normal": "normal"},
    )


N_HIDDEN = numbers(
    "n_hidden", "Neurons m", (2, 3, 4, 6, 8, 10, 16, 32), 10, help="How many neurons there are.", bounds=(1, MOST)
)
STARTS = ("linear_uniform", "linear_normal", "xavier_uniform", "xavier_normal")
START = Control(
    "start",
    "Initial weights",
    {name: name for name in STARTS},
    "linear_uniform",
    help="How W1 and W2 are drawn before the first step.",
    more=True,
    field="init",
    labels={name: shared.INITIAL_LABELS[name] for name in STARTS},
)
LR = replace(shared.LR, more=False, help="How large a step is; the post does not say.")
OPTIMIZER = Control(
    "optimizer",
    "Optimiser",
    {"adamw": "adamw", "sgd": "sgd"},
    "adamw",
    help="SGD has momentum 0.9, a learning rate of its own, 0.1, and no weight decay, if nothing else is said.",
    field="optimizer",
    labels={"adamw": "AdamW", "sgd": "SGD"},
)
LIFT = bias(UNIFORM)
LOSS = Control("loss", "loss", {name: name for name in LOSSES}, "mse", labels=LOSSES)
SEED = shared.SEED_OR_BEST
TRAINING = (START, shared.STEPS, shared.SCHEDULE, shared.WARMUP)  # beside the learning rate

# Addresses without a version: what they called things, and what they meant by saying nothing. Never to be changed.
FIRST_BIASES = {"0": "0", "normal": "normal", "uniform": "uniform", "-1": "-1", "1": "1"}
FIRST_LIFTS = {"0": "0", "as nn.Linear": "uniform", "3": "3", "10": "10"}
FIRST_NETWORKS = {
    "ReLU in the middle (the post's)": "mlp",
    "no ReLU": "unembed",
    "ReLU in the middle and on the output": "mlp_relu_output",
    "ReLU on the output (the bottleneck)": "relu_output",
}
FIRST_PARAMETERS = (
    *("squared_one_hots", "squared_neurons", "squared_weight_decay", "squared_bias", "squared_seeds"),
    *("entropy_one_hots", "entropy_neurons", "entropy_optimizer", "entropy_lift", "entropy_weight_decay"),
    *("entropy_lr", "entropy_seeds", "decay_one_hots", "decay_neurons", "decay_lr", "decay_seeds"),
    *("antipodal_one_hots", "antipodal_neurons", "antipodal_weight_decay", "antipodal_seeds"),
    *("plane_one_hots", "plane_weight_decay", "plane_seeds", "cosines_seeds", "cosines_lift", "sizes_seeds"),
    *("list_network", "look"),
)
_FIRST_IDS = {"one_hots": "n_features", "neurons": "n_hidden", "lift": "bias"}
_FIRST_NAMES = {"bias": FIRST_BIASES, "lift": FIRST_LIFTS, "optimizer": first_addresses.OPTIMIZERS}
FIRST_DEFAULTS: dict[str, str] = {
    "first_seed": "0", "start": "linear_uniform", "lr": shared.OWN, "steps": shared.OWN, "schedule": shared.OWN,
    "warmup": shared.OWN, "seed": shared.BEST,
}  # fmt: skip


def aliases(tab: str) -> dict[str, Alias]:
    """What the first addresses of a view called its controls; those of the other tabs have no bearing on it."""
    own = {name: name.removeprefix(f"{tab}_") for name in FIRST_PARAMETERS if name.startswith(f"{tab}_")}
    found = {name: Alias(_FIRST_IDS.get(word, word), _FIRST_NAMES.get(word, {})) for name, word in own.items()}
    return first_addresses.passed_over(*FIRST_PARAMETERS) | found | {"look": Alias("seed")}


def named(name: str) -> Experiment:
    """The named experiment of a list: where its recipes differ, the longer training."""
    return settings.EXPERIMENTS[name].paper


def base(choice: Choice, name: str, **changes: Any) -> Experiment:
    """The experiment that a choice comes to, before anything is swept over. Raises ValueError where there is none."""
    own = named(name)
    own = own.with_(**{field: choice[field] for field in ("n_features", "n_hidden") if field in choice})
    return shared.trained_as(choice, started(choice, own)).with_(**changes)


def started(choice: Choice, own: Experiment) -> Experiment:
    """The experiment from the chosen start of its weights, and of its biases where that is a choice."""
    if "bias" not in choice:
        return own.with_(init=choice.start)
    drawn = isinstance(choice.bias, str)
    return own.with_(
        init=choice.start, bias_init=choice.bias if drawn else "zeros", bias_offset=0.0 if drawn else choice.bias
    )
