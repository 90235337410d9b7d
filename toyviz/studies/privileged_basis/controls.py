"""What the view of this page can be asked with, and the experiment that it comes to."""

from __future__ import annotations

from toyviz import settings
from toyviz.control import Alias, Choice, numbers
from toyviz.experiment import Experiment
from toyviz.studies import first_addresses
from toyviz.studies import shared_controls as shared

ANY_DENSITY = (1e-5, 1.0)

DENSITIES = numbers(
    "densities",
    "Densities 1 − S",
    settings.NEURON_DENSITIES,
    tuple(sorted(settings.NEURON_DENSITIES)),
    field="density",
    bounds=ANY_DENSITY,
    several=True,
    help="The chance that a feature is active in a sample. Each density is a network of its own.",
)
STARTS = numbers(
    "starts",
    "Random starts",
    (8, 32, 100),
    settings.STARTS,
    bounds=(1, 200),
    help="How many networks for each density, each from its own start. Shown is the one with the lowest loss.",
)
N_FEATURES = numbers("n_features", "Features n", (5, 10, 20), 10, help="The length of every sample x.")
N_HIDDEN = numbers("n_hidden", "Neurons m", (2, 3, 5, 8, 10), 5, help="How many neurons the hidden layer has.")
IMPORTANCE_DECAY = numbers(
    "importance_decay",
    "Importance decay",
    (0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0),
    0.75,
    help="Feature i weighs decay to the power of i in the loss. At 1 all features weigh the same.",
)
DENSITY = numbers(
    "density", "1 − S", settings.NEURON_DENSITIES, 0.35, bounds=ANY_DENSITY, help="The density that is looked into."
)
START = numbers("start", "start", (0, 1, 2, 3), None, field="seed", own=shared.BEST)
CONTROLS = (
    DENSITIES,
    STARTS,
    shared.FIRST_SEED,
    N_FEATURES,
    N_HIDDEN,
    IMPORTANCE_DECAY,
    shared.FEATURES,
    shared.GROUP_SIZE,
    shared.RECIPE,
    *shared.TRAINING_AS_DRAWN,
)

# Addresses without a version: what they called things, and what they meant by saying nothing. Never to be changed.
ALIASES = {"density": Alias("densities"), "look": Alias("density")}
FIRST_DEFAULTS = first_addresses.TRAINING | {
    "densities": "0.01,0.02,0.06,0.1,0.15,0.35,0.75,1", "starts": "100", "first_seed": "0", "n_features": "10",
    "n_hidden": "5", "importance_decay": "0.75", "recipe": "quick", "weight_decay": "0.01", "density": "0.35",
    "start": shared.BEST,
}  # fmt: skip


def base(choice: Choice) -> Experiment:
    """The experiment that a choice comes to, before anything is swept over. Raises ValueError where there is none."""
    own = settings.EXPERIMENTS["privileged_basis"].at(choice.recipe)
    own = own.with_(n_features=choice.n_features, n_hidden=choice.n_hidden, importance_decay=choice.importance_decay)
    return shared.in_groups(choice, shared.trained_as(choice, own))
