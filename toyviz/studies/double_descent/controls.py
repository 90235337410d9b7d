"""What every view of this page can be asked with, and the experiment that it comes to."""

from __future__ import annotations

from typing import Any

from toyviz import settings
from toyviz.control import Alias, Choice, Control, numbers
from toyviz.experiment import Experiment
from toyviz.studies import first_addresses
from toyviz.studies import shared_controls as shared
from toyviz.studies.shared_controls import trained_as

NETWORKS = {
    "relu_output": "bottleneck, one matrix",
    "relu_output_untied": "bottleneck, W1 and W2",
    "abs_output": "bottleneck, |x'| instead of the ReLU",
    "mlp": "MLP, as the post writes it",
    "mlp_relu_output": "MLP, ReLU on the output",
}


def network(*names: str, default: str) -> Control:
    """The networks of a view."""
    return Control(
        "network",
        "Network",
        {name: name for name in names},
        default,
        help="The bottleneck uses one matrix twice, and ends in a ReLU or in the absolute value. The MLP block has a "
        "ReLU in the middle and two biases; as the post writes it, its output is linear.",
        labels={name: NETWORKS[name] for name in names},
    )


NETWORK = network(*NETWORKS, default="relu_output")
N_SAMPLES = shared.n_samples(settings.SAMPLE_SIZES)
N_HIDDEN = numbers(
    "n_hidden",
    "Hidden width m",
    (2, 3, 4, 8, 16),
    2,
    help="The width of the bottleneck. Other than 2, the geometry is a projection.",
)
STAGE = Control(
    "stage",
    "Hidden vectors",
    {"pre": "pre", "bare": "bare", "after": "after"},
    "pre",
    help="The post's hidden vectors are W1 x + b1. A large bias b1 turns all of them into one direction, and hides "
    "from the dimensionality how they differ; W1 x alone shows it.",
    labels={"pre": "W1 x + b1", "bare": "W1 x", "after": "after the ReLU"},
    when={"network": ("mlp", "mlp_relu_output")},
)

# Addresses without a version: what they called things, and what they meant by saying nothing. Never to be changed.
FIRST_NETWORKS = {
    "bottleneck, one matrix": "relu_output",
    "bottleneck, W1 and W2": "relu_output_untied",
    "MLP, as the post writes it": "mlp",
    "MLP, ReLU on the output": "mlp_relu_output",
}
FIRST_STAGES = {"W1 x + b1": "pre", "W1 x": "bare", "after the ReLU": "after"}


def aliases(network: str, **renamed: str) -> dict[str, Alias]:
    """What the first addresses of a view called its controls. network: that of the network; renamed: others."""
    return {
        network: Alias("network", FIRST_NETWORKS),
        "start": Alias("init", first_addresses.STARTS),
        "schedule": Alias("schedule", {"warm-up and cosine": "warmup_cosine"}),
        "stage": Alias("stage", FIRST_STAGES),
        "normalize": Alias("normalize", first_addresses.YES_NO),
        "common_scale": Alias(""),
        **{name: Alias(id) for name, id in renamed.items()},
    }


FIRST_DEFAULTS: dict[str, str] = first_addresses.TRAINING | {
    "n_samples": "3,5,6,8,10,15,30,50,100,200,500,1000,2000", "seeds": "4", "first_seed": "0", "n_hidden": "2",
    "sparsity": "0.99", "n_features": "1000", "recipe": "quick", "weight_decay": "0.01", "normalize": "true",
    "stage": "pre", "seed": "0",
}  # fmt: skip


def named(choice: Choice) -> str:
    """The named experiment that the chosen network belongs to."""
    return settings.DESCENTS[choice.network]


def base(choice: Choice, **changes: Any) -> Experiment:
    """The experiment that a choice comes to, before anything is swept over. Raises ValueError where there is none."""
    own = settings.EXPERIMENTS[named(choice)].at(choice.recipe)
    own = own.with_(sparsity=choice.sparsity, n_features=choice.n_features, normalize=choice.normalize)
    return trained_as(choice, own).with_(**changes)
