"""What every view of this page can be asked with, and what the first addresses called it."""

from __future__ import annotations

from toyviz import settings
from toyviz.control import Alias, Control, numbers
from toyviz.studies import first_addresses
from toyviz.studies import shared_controls as shared

ONE_HOTS = "one_hots"  # the name, in an address, of inputs without noise, where else a sparsity stands
LARGEST = 2048  # features and hidden values: every one-hot is tried, so a cell takes n x n numbers
DENSE_TO_SPARSE = (0.0, 0.5, 0.9, 0.97, 0.99, 0.999)
BOUNDS = (0.0, 0.99999)  # of a sparsity

SIZES = numbers(
    "sizes",
    "Features n",
    settings.LIMIT_SIZES,
    settings.LIMIT_SIZES,
    field="n_features",
    help="The rows of the maps. Each cell is a network of its own.",
    bounds=(2, LARGEST),
    several=True,
)
WIDTHS = numbers(
    "widths",
    "Hidden sizes m",
    settings.LIMIT_WIDTHS,
    settings.LIMIT_WIDTHS,
    field="n_hidden",
    help="The columns of the maps; a bottleneck is never wider than its input.",
    bounds=(1, LARGEST),
    several=True,
)
SPARSITIES = numbers(
    "sparsities",
    "Sparsities S",
    DENSE_TO_SPARSE,
    settings.LIMIT_SPARSITIES,
    field="sparsity",
    help="The chance that a feature is zero in a sample. Each sparsity is a map of its own. At 0.999 the few steps of "
    "the quick recipe are too few: each feature is hardly seen.",
    bounds=BOUNDS,
    several=True,
)
TRAINED_ON = numbers(
    "n_samples",
    "Training samples",
    (100, 1000, 10000),
    None,
    own="fresh",
    labels={"fresh": "fresh batches"},
    help="New samples at every step, or T fixed ones, seen whole at every step. Either way the loss is that on 10,000 "
    "samples that no training sees. Ten thousand dense samples of many features take minutes a network.",
)
SEEDS = shared.SEEDS_A_CELL
RELATIVE = Control(
    "relative",
    "Loss over the best constant's",
    {"false": False, "true": True},
    False,
    help="Divide each loss by what a network would have that ignores its input, the variance of the features weighted "
    "by importance. 1 is no better than that. Sparser features vary less, so their plain loss is lower anyway.",
    labels={"false": "no", "true": "yes"},
)
N = numbers("n", "n", settings.LIMIT_SIZES, 64, field="n_features", bounds=(2, LARGEST))
M = numbers("m", "m", settings.LIMIT_WIDTHS, 8, field="n_hidden", bounds=(1, LARGEST))
IMPORTANCE = {"decreasing": True, "uniform": False}  # of the features in the loss -> whether it falls from 1 to 0.01
TRAINING = shared.TRAINING_AS_DRAWN

# Addresses without a version: what they called things, and what they meant by saying nothing. Never to be changed.
ALIASES = {
    "limit_sizes": Alias("sizes"),
    "limit_widths": Alias("widths"),
    "map_seeds": Alias("seeds"),
    "relative": Alias("relative", first_addresses.YES_NO),
}
FIRST_DEFAULTS: dict[str, str] = first_addresses.TRAINING | {
    "sizes": "8,16,32,64,128,256", "widths": "2,4,8,16,32,64", "seeds": "1", "first_seed": "0", "recipe": "quick",
    "relative": "false", "beside": "nothing", "n": "64", "m": "8", "seed": "0", "weight_decay": "0.01",
}  # fmt: skip
FIRST_AMONG = {"n": "sizes", "m": "widths"}
