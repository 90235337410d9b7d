"""What the view of this page can be asked with, and the experiment that it comes to."""

from __future__ import annotations

from toyviz import settings
from toyviz.control import Alias, Choice, Control, numbers
from toyviz.experiment import Experiment
from toyviz.studies import first_addresses
from toyviz.studies import shared_controls as shared

NEURONS = (2, 3, 4, 6, 8, 10, 16, 32)
LEVELS = (2, 3, 5, 9)
NOISES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
AT_ONCE = (1, 2, 3, 4, 6)
MOST_INPUTS = 256  # that are stored: each is held against every other
NAMED = {"classify_hard": "dictionary_cross_entropy", "autoencode": "dictionary"}  # the experiment of each loss

TASK = Control(
    "task",
    "Loss",
    {name: name for name in NAMED},
    "classify_hard",
    help="Name the largest feature of the input with cross-entropy, or give the input back with a small squared error.",
    field="task",
    labels={"classify_hard": "cross-entropy", "autoencode": "squared error"},
)
N_FEATURES = numbers(
    "n_features", "Inputs n", (5, 10, 20, 40, 64), 20, bounds=(2, MOST_INPUTS),
    help="How many one-hots are stored, each of length n.",
)  # fmt: skip
WIDTHS = numbers(
    "widths", "Neurons m", NEURONS, NEURONS, field="n_hidden", several=True, help="Each is a network of its own."
)
READ_LEVELS = numbers(
    "levels", "Levels of a neuron", LEVELS, 2, bounds=(2, 64), help="How finely activations are read: 2 is off or on."
)
ACTIVE = numbers(
    "active", "Active inputs", AT_ONCE, 1, bounds=(1, MOST_INPUTS), help="How many inputs lie on top of each other."
)
NOISE = numbers(
    "noise", "Noise", NOISES, 0.0, bounds=(0.0, 10.0),
    help="The standard deviation of what is added to every number of the input.",
)  # fmt: skip
COUNTS_FROM = numbers(
    "counts_from", "Inputs that count", (1.0, 0.5, 0.0), 1.0, bounds=(0.0, 1.0),
    labels={"1": "the strongest alone", "0.5": "those at least half as strong", "0": "all"},
    help="Which of the stored inputs in a mixture the table looks up, from which strength on, where the strongest has "
    "1: all of them add up what they switch on.",
)  # fmt: skip
M = numbers("m", "m", NEURONS, 10, field="n_hidden")
CONTROLS = (
    TASK, WIDTHS, N_FEATURES, shared.SEEDS, shared.FIRST_SEED, READ_LEVELS, ACTIVE, NOISE, COUNTS_FROM,
    *shared.TRAINING_AS_DRAWN,
)  # fmt: skip

# Addresses without a version: what they called things, and what they meant by saying nothing. Never to be changed.
ALIASES = {
    "task": Alias("task", first_addresses.TASKS),
    "one_hots": Alias("n_features"),
    "counts_from": Alias(
        "counts_from", {"the strongest alone": "1", "those at least half as strong": "0.5", "all": "0"}
    ),
    "look": Alias("seed"),
}
FIRST_DEFAULTS = first_addresses.TRAINING | {
    "task": "classify_hard", "n_features": "20", "widths": "2,3,4,6,8,10,16,32", "seeds": "4", "first_seed": "0",
    "levels": "2", "active": "1", "noise": "0", "counts_from": "1", "m": "10", "seed": "0",
}  # fmt: skip


def named(choice: Choice) -> str:
    """The named experiment of the chosen loss."""
    return NAMED[choice.task]


def base(choice: Choice) -> Experiment:
    """The experiment that a choice comes to, before anything is swept over. Raises ValueError where there is none."""
    if choice.active > choice.n_features:
        raise ValueError(f"active must be at most n_features = {choice.n_features}; got {choice.active}")
    own = settings.EXPERIMENTS[named(choice)].paper
    return shared.trained_as(choice, own.with_(n_features=choice.n_features))
