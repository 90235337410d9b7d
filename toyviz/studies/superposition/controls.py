"""What every view of this page can be asked with, and the experiment that it comes to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from toyviz import settings
from toyviz.control import Alias, Choice, Control, numbers
from toyviz.experiment import Experiment, sparsity_of
from toyviz.studies import first_addresses
from toyviz.studies import shared_controls as shared
from toyviz.studies.shared_controls import OWN
from toyviz.sweep import Sweep

DENSITY_BOUNDS = (1e-5, 1.0)
SAID_STARTS = {"-1": "−1", "1": "+1"}


def densities(default: Iterable[float], help: str = "") -> Control:
    """The densities that a view sweeps over."""
    default = tuple(sorted(default))
    return numbers(
        "densities",
        "Densities 1 − S",
        default,
        default,
        field="density",
        help=help or "The chance that a feature is active in a sample. Each density is a network of its own.",
        bounds=DENSITY_BOUNDS,
        several=True,
    )


def density(default: float, values: Iterable[float] = settings.DENSITIES) -> Control:
    """The density of the network that is looked into."""
    return numbers("density", "1 − S", tuple(values), default, field="density", bounds=DENSITY_BOUNDS)


DENSITIES = densities(settings.DENSITIES)
DENSITY = density(0.1)
SEED = shared.SEED_OR_BEST
N_FEATURES = numbers("n_features", "Features n", (5, 10, 20, 40, 80), 20, help="The length of every sample x.")
N_HIDDEN = numbers(
    "n_hidden",
    "Hidden width m",
    (2, 3, 5, 10),
    5,
    help="The width of the bottleneck. With 2 the columns of W1 are drawn as they are, in the plane.",
)
IMPORTANCE_DECAY = numbers(
    "importance_decay",
    "Importance decay",
    (0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    0.7,
    help="Feature $i$ weighs decay$^i$ in the loss. At 1 all features weigh the same.",
)
BIAS = Control(
    "bias",
    "Initial bias",
    {OWN: None} | settings.BIAS_STARTS,
    None,
    help="How b2 starts: all at one value, or drawn, from N(0, 1) or uniformly from ±1/√m. The post warns that results "
    "look quite different when it does not start at 0.",
    labels={OWN: "as the recipe"} | SAID_STARTS,
)
SIZES = (N_HIDDEN, N_FEATURES)
TRAINING = shared.TRAINING_AS_DRAWN


def base(choice: Choice, name: str = "superposition", **changes: Any) -> Experiment:
    """The experiment that a choice comes to, before anything is swept over. Raises ValueError where there is none."""
    own = settings.EXPERIMENTS[name].at(choice.recipe)
    fields = ("n_features", "n_hidden", "importance_decay")
    own = shared.trained_as(choice, own.with_(**{id: choice[id] for id in fields if id in choice}))
    if choice.get("bias"):
        bias_init, bias_offset = choice.bias
        own = own.with_(bias_init=bias_init, bias_offset=bias_offset)
    return shared.in_groups(choice, own).with_(**changes)


def swept(choice: Choice) -> dict[str, Iterable[Any]]:
    """The fields that a view over densities sweeps over: seed and sparsity."""
    return {"seed": shared.seeds_of(choice), "sparsity": set(map(sparsity_of, shared.possible(choice)))}


def every_density(choice: Choice) -> list[float]:
    """All densities that are shown, the densest first: the swept ones, and the one that is looked into."""
    return sorted({*shared.possible(choice), choice.density}, reverse=True)


def of_density(choice: Choice, sweep: Sweep, density: float) -> Sweep:
    """The networks of one density, of the seeds that are trained for each setting."""
    return sweep.among(seed=shared.seeds_of(choice)).at(sparsity=sparsity_of(density))


def seeds(choice: Choice) -> str:
    """How many networks each setting is trained as, in words: "4 seeds"."""
    return f"{choice.seeds} seed{'' if choice.seeds == 1 else 's'}"


def label(density: float) -> str:
    """A density as it is written beside a network."""
    return f"1 − S = {density:g}"


# Addresses without a version: what they called things, and what they meant by saying nothing. Never to be changed.
FIRST_OF_DENSITIES = {"density": Alias("densities"), "look": Alias("density")}
FIRST_TRAINING = first_addresses.TRAINING | {"recipe": "quick", "first_seed": "0", "seed": shared.BEST}
FIRST_DEFAULTS: dict[str, str] = FIRST_TRAINING | {
    "densities": "0.001,0.003,0.01,0.03,0.1,0.3,1", "density": "0.1", "seeds": "4", "n_features": "20", "n_hidden": "5",
    "importance_decay": "0.7",
}  # fmt: skip
