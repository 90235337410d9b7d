"""What both views of this page can be asked with, and the networks that it comes to: three fish for each cell."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from toyviz import charts, settings, tables
from toyviz.control import Alias, Choice, Control, numbers
from toyviz.experiment import Experiment, sweep
from toyviz.studies import first_addresses
from toyviz.studies import shared_controls as shared
from toyviz.sweep import Sweep
from toyviz.view import Plan

NAMES = {task: name for task, (name, _) in charts.FISH.items()}
N_FEATURES = numbers(
    "n_features",
    "Features F",
    settings.FISH_FEATURES,
    (256,),
    help="How many features there are. E turns them into B numbers. Each F has maps of its own.",
    several=True,
)
N_EMBED = numbers(
    "n_embed",
    "Bottlenecks B",
    (8, 16, 32, 64, 128),
    settings.FISH_EMBEDS,
    help="The columns of the maps: how many numbers the network sees.",
    several=True,
)
N_HIDDEN = numbers(
    "n_hidden",
    "Hidden sizes H",
    (4, 8, 16, 32, 64, 128, 256, 512),
    settings.FISH_HIDDEN,
    help="The rows of the maps: how many neurons there are. 512 take up to half a minute a cell.",
    several=True,
)
SEEDS = replace(shared.SEEDS_A_CELL, help="How many networks each cell is the mean of.")
SPARSITY = numbers(
    "sparsity", "Sparsity S", (0.9, 0.97, 0.99, 0.997), 0.99, more=True, bounds=(0.0, 0.99999),
    help="The chance that a feature is zero in a sample.",
)  # fmt: skip
N_SAMPLES = numbers(
    "n_samples", "Training samples T", (200, 500, 1000, 2000), 1000, more=True,
    help="How many samples there are, which are drawn once.",
)  # fmt: skip
SHORT = {"big_fish": "big", "small_fish": "small", "reproject": "re-projector"}
FISH = Control("fish", "Fish", {task: task for task in NAMES}, "big_fish", labels=SHORT)
F = numbers(
    "F", "F of the maps", settings.FISH_FEATURES, 256, field="n_features",
    help="Which of the F has its maps drawn, and its networks opened.",
)  # fmt: skip
B = numbers("B", "B", (8, 16, 32, 64, 128), 32, field="n_embed")
H = numbers("H", "H", (4, 8, 16, 32, 64, 128, 256, 512), 64, field="n_hidden")
FEATURE = numbers(
    "feature", "feature", (0, 1, 2, 3), 0, bounds=(0, 16383), help="Which feature goes in alone, counted from 0."
)
CONTROLS = (F, N_EMBED, N_HIDDEN, shared.RECIPE, N_FEATURES, SEEDS, shared.FIRST_SEED, shared.SEED)
MORE = (SPARSITY, N_SAMPLES, *shared.TRAINING)
OPENS = (FISH, B, H, FEATURE)

# Addresses without a version: what they called things, and what they meant by saying nothing. Never to be changed.
ALIASES = {
    "fish_features": Alias("n_features"),
    "fish_embeds": Alias("n_embed"),
    "fish_hidden": Alias("n_hidden"),
    "map_seeds": Alias("seeds"),
    "over_variance": Alias("measure", {"true": "share", "True": "share", "false": "mse", "False": "mse"}),
    "fish": Alias("fish", {"big fish": "big_fish", "small fish": "small_fish", "re-projector": "reproject"}),
    "normalize": Alias("normalize", first_addresses.YES_NO),
    **{name: Alias(name) for name in ("recipe", "weight_decay", "B", "H", "seed", "feature")},
}
FIRST_DEFAULTS = first_addresses.TRAINING | {
    "n_features": "256", "n_embed": "8,32,64,128", "n_hidden": "4,16,32,64,128,256", "seeds": "1", "first_seed": "0",
    "recipe": "quick", "measure": "mse", "sparsity": "0.99", "n_samples": "1000", "weight_decay": "0.01",
    "normalize": "true",
    "fish": "big_fish", "F": "256", "B": "32", "H": "64", "seed": "0", "feature": "0",
}  # fmt: skip
FIRST_AMONG = {"F": "n_features", "B": "n_embed", "H": "n_hidden"}


def base(choice: Choice, task: str) -> Experiment:
    """The experiment that one of the fish comes to, before anything is swept over."""
    own = settings.EXPERIMENTS[task].at(choice.recipe)
    own = own.with_(sparsity=choice.sparsity, n_samples=choice.n_samples, normalize=choice.normalize)
    return shared.trained_as(choice, own)


def plan(choice: Choice) -> Plan:
    """All three fish for each cell and seed: the opened one first."""
    opened = base(choice, choice.fish).with_(
        n_features=choice.F, n_embed=choice.B, n_hidden=choice.H, seed=shared.seed_of(choice)
    )
    fields = {
        "seed": shared.seeds_of(choice),
        "n_features": {*choice.n_features, choice.F},
        "n_embed": {*choice.n_embed, choice.B},
        "n_hidden": {*choice.n_hidden, choice.H},
    }
    every = [each for task in NAMES for each in sweep(base(choice, task), **fields)]
    return Plan(every, [opened])


def cells(choice: Choice, sweep: Sweep) -> pd.DataFrame:
    """The mean over the seeds of each cell of the opened F, as far as it is trained."""
    table = tables.fish(sweep.among(seed=shared.seeds_of(choice), n_features=(choice.F,)))
    how = dict.fromkeys(("mse", "share", "floor", "floor_share", "accuracy", "chance"), "mean") | {"seed": "size"}
    found = table.groupby(["task", "n_embed", "n_hidden"], as_index=False).agg(how)
    return found.rename(columns={"seed": "seeds"})


def named(choice: Choice) -> str:
    """The named experiment that the opened network belongs to."""
    return str(choice.fish)
