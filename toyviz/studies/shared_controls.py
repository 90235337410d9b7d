"""What views of several pages are asked with: how networks are trained, on which samples, and which seeds."""

from __future__ import annotations

from toyviz import settings
from toyviz.control import Choice, Control, numbers
from toyviz.experiment import DENSITY_DIGITS, WARMED_UP, Experiment, sparsity_of

OWN = "own"  # the name, in an address, of what the recipe or the network brings along
INITIAL = {  # init, bias_init, bias_offset
    "xavier_normal": ("xavier_normal", "zeros", 0.0),
    "xavier_uniform": ("xavier_uniform", "zeros", 0.0),
    "xavier_lifted": ("xavier_normal", "zeros", 0.1),
    "linear_uniform": ("linear_uniform", "linear_uniform", 0.0),
    "linear_normal": ("linear_normal", "linear_normal", 0.0),
}
INITIAL_LABELS = {
    OWN: "as usual for this recipe",
    "xavier_normal": "Xavier, normal",
    "xavier_uniform": "Xavier, uniform",
    "xavier_lifted": "Xavier, normal, biases at 0.1",
    "linear_uniform": "nn.Linear, uniform",
    "linear_normal": "nn.Linear, normal",
}
SCHEDULE_LABELS = {
    OWN: "as the recipe",
    "constant": "constant",
    "warmup_cosine": "warm-up and cosine",
    "quarter_cosine": "a quarter of a cosine",
    "warmup_from_tenth": "warm-up from a tenth and cosine",
}


def seeds(default: int) -> Control:
    """How many networks stand for each setting."""
    return numbers(
        "seeds",
        "Seeds",
        (1, 2, 4, 8),
        default,
        help="How many networks for each setting, each with its own start and its own training samples.",
        bounds=(1, 64),
    )


def n_samples(default: tuple[int, ...], help: str = "") -> Control:
    """The sizes of the training set that a view sweeps over."""
    return numbers(
        "n_samples",
        "Training samples T",
        (*settings.SAMPLE_SIZES, 5000),
        default,
        help=help or "The sizes of the training set. Each is a network of its own, trained on T fixed samples.",
        several=True,
    )


def T(default: int) -> Control:
    """The size of the training set of the network that is looked into."""
    return numbers("T", "T", (*settings.SAMPLE_SIZES, 5000), default, field="n_samples")


SEEDS = seeds(4)
FIRST_SEED = numbers("first_seed", "From seed", (0, 4, 10, 100), 0, field="seed", help="The first of the seeds.")
SEEDS_A_CELL = numbers(
    "seeds", "Seeds a cell", (1, 2, 4), 1, help="How many networks each cell of the maps is the mean of.",
    bounds=(1, 64),
)  # fmt: skip
BEST = "best"  # the name, in an address, of the best of the seeds
SEED_OR_BEST = numbers("seed", "seed", tuple(range(8)), None, own=BEST, labels={BEST: "best"})
SEED = numbers("seed", "seed", tuple(range(8)), None, own="first", labels={"first": "first"})
CURVE = Control(
    "curve",
    "Curve",
    {"mean": "mean", "best": "best"},
    "mean",
    help="What the broad lines of the loss are over T: the mean of the seeds, or at each T the seed that fits its "
    "training set best, with both of its losses. The best of more seeds fits better, and the peak moves.",
    labels={"mean": "mean of the seeds", "best": "best of the seeds by train loss"},
)
SPARSITY = numbers(
    "sparsity",
    "Sparsity S",
    (0.9, 0.95, 0.98, 0.99, 0.995, 0.998),
    0.99,
    help="The chance that a feature is zero in a sample.",
    bounds=(0.0, 0.99999),
)
N_FEATURES = numbers(
    "n_features", "Features n", (100, 200, 500, 1000, 2000), 1000, help="The length of every sample x."
)
RECIPE = Control(
    "recipe",
    "Recipe",
    {name: name for name in settings.RECIPES},
    "quick",
    help="How each network is trained. Quick: few and large steps, about a second a network. Paper: the many small "
    "steps of the original. Plain: AdamW at a constant 1e-3, from PyTorch's own start where the post and its "
    "papers name none. "
    "Plain-early: the same, stopped after a fifth of its steps. Notebook: as a public script says that the post's own "
    "notebook trains, 3,000 steps of AdamW up to 5e-3, warmed up from a tenth over a quarter of them, then a cosine.",
)
INIT = Control(
    "init",
    "Initial weights",
    {OWN: None} | INITIAL,
    None,
    help="How the weights are drawn before the first step. With Xavier's rule the biases start at 0 where nothing else "
    "is said, with that of nn.Linear as there.",
    more=True,
    labels=INITIAL_LABELS,
)
LR = numbers(
    "lr", "Learning rate", (1e-3, 3e-3, 5e-3, 1e-2), None, own=OWN, more=True, labels={OWN: "as the recipe"},
    help="The peak of the learning rate: about how far a step of AdamW moves a weight.",
)  # fmt: skip
SCHEDULE = Control(
    "schedule",
    "Schedule",
    {OWN: None} | {name: name for name in SCHEDULE_LABELS if name != OWN},
    None,
    help="The learning rate grows to its peak, from 0 or from a tenth of it, and falls back to 0 along a cosine; or it "
    "begins at its peak and falls; or it is at its peak all the time.",
    more=True,
    labels=SCHEDULE_LABELS,
)
WARMUP = numbers(
    "warmup", "Warm-up steps", (0, 250, 1000), None, own=OWN, more=True, labels={OWN: "as the recipe"},
    help="Steps in which the learning rate grows to its peak.",
)  # fmt: skip
STEPS = numbers(
    "steps", "Steps", (1000, 3000, 5000, 10000, 50000), None, own=OWN, more=True, labels={OWN: "as the recipe"},
    help="How many steps each network is trained.",
)  # fmt: skip
WEIGHT_DECAY = numbers(
    "weight_decay", "Weight decay", (0.0, 0.001, 0.01, 0.1, 1.0), None, own=OWN, more=True,
    labels={OWN: "as the recipe"},
    help="AdamW shrinks every weight by learning rate × decay at each step.",
)  # fmt: skip
OPTIMIZER = Control(
    "optimizer",
    "Optimiser",
    {OWN: None, "adamw": "adamw", "sgd": "sgd"},
    None,
    help="SGD has momentum 0.9, and needs a learning rate of its own.",
    more=True,
    labels={OWN: "as the recipe", "adamw": "AdamW", "sgd": "SGD"},
)
NORMALIZE = Control(
    "normalize",
    "Length of samples",
    {"true": True, "false": False},
    True,
    help="Divide every sample by its length, |x| = 1, or leave it as it is drawn.",
    more=True,
    labels={"true": "1", "false": "as drawn"},
)
UNSCHEDULED = (LR, STEPS, WARMUP, WEIGHT_DECAY, OPTIMIZER, INIT, NORMALIZE)  # where a view sweeps over the schedule
TRAINING = (*UNSCHEDULED, SCHEDULE)
TRAINING_AS_DRAWN = tuple(each for each in TRAINING if each is not NORMALIZE)  # where samples have no set length


FEATURES = Control(
    "features",
    "Features",
    {"independent": "sparse", "together": "correlated", "apart": "anticorrelated"},
    "sparse",
    help="Independent: each feature is active by itself. Together: all features of a group are active, or none is. "
    "Apart: of a group at most one is active. Each is active as often in all three.",
    labels={"independent": "independent", "together": "groups active together", "apart": "groups never together"},
)
GROUP_SIZE = numbers(
    "group_size", "Features of a group", (2, 4, 5, 10), 2,
    help="It divides n: the first so many features are a group, the next so many another.",
    when={"features": ("correlated", "anticorrelated")},
)  # fmt: skip


def in_groups(choice: Choice, own: Experiment) -> Experiment:
    """The experiment at the density that is looked into, with the features that are chosen.

    Raises ValueError where they cannot be as dense, or n is no multiple of the size of a group.
    """
    if choice.get("features", "sparse") == "sparse":
        return own
    return own.with_(data=choice.features, group_size=choice.group_size, sparsity=sparsity_of(choice.density))


def possible(choice: Choice) -> tuple[float, ...]:
    """The swept densities that the features can have: up to 1 / group_size where at most one of a group is active."""
    if choice.get("features") != "anticorrelated":
        return tuple(choice.densities)
    most = round(1 / choice.group_size, DENSITY_DIGITS)
    return tuple(density for density in choice.densities if density <= most)


def trained_as(choice: Choice, own: Experiment) -> Experiment:
    """The experiment, trained as the choice says where it says anything: start, rate, schedule, steps, decay.

    Raises ValueError where that cannot be.
    """
    if choice.get("init"):
        init, bias_init, bias_offset = choice.init
        own = own.with_(init=init, bias_init=bias_init, bias_offset=bias_offset)
    fields = ("schedule", "lr", "steps", "warmup", "weight_decay", "optimizer")
    chosen = {name: choice[name] for name in fields if choice.get(name) is not None}
    if chosen.get("schedule", own.schedule) not in WARMED_UP:
        chosen.setdefault("warmup", 0)
    return own.with_(**chosen)


def seeds_of(choice: Choice) -> range:
    """The seeds that are trained for each setting."""
    return range(choice.first_seed, choice.first_seed + choice.seeds)


def seed_of(choice: Choice) -> int:
    """The seed of the network that is looked into."""
    seed: int = choice.get("first_seed", 0) if choice.seed is None else choice.seed
    return seed
