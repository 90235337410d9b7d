"""What is trained: one flat record, the tables of its choices, and sweeps over it. Knows nothing else of toyviz."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any

# Part of every key. Raise it when the definition of a training changes: its samples, its start, its loss or its steps.
# Not when a kernel rounds otherwise, as it does on another processor: a result's provenance says what trained it.
ENGINE_VERSION = 1


@dataclass(frozen=True)
class Arch:
    """One row of switches of the network act(W2 act(W1 x + b1) + b2)."""

    tied: bool  # W2 = W1.T
    hidden_relu: bool
    output_relu: bool
    hidden_bias: bool
    output_bias: bool
    output_abs: bool = False  # |.| where output_relu has a ReLU


@dataclass(frozen=True)
class Task:
    """What the network sees and what it should say."""

    loss: str  # "mse": summed over features, mean over samples; "cross_entropy": mean over samples
    embedded: bool  # the input is X E instead of X
    target: str  # "features" X, "shares" X / sum X, "input" X E, "reembedded" X E', "label" argmax X


@dataclass(frozen=True)
class Data:
    """Where the samples come from: sparse features drawn at random, or a fixed list."""

    drawn: bool  # each feature is active with the chance 1 - S, and samples can be as many as one likes
    grouped: str | None = None  # features i with one i // group_size: "all" are active at once, or at most "one" is


@dataclass(frozen=True)
class Init:
    """How the weights start: drawn, or W1 written as the keys of a lookup table and W2 as its values."""

    distribution: str  # "normal" or "uniform"
    scale: str  # the variance: "xavier" 2 / (fan_in + fan_out), "linear" (nn.Linear's default) 1 / (3 fan_in)
    keys: str | None = None  # each row of W1: a training "points", a k-means "centres" of them, one of the "one_hots"
    values: bool = False  # each column of W2 is the target that belongs to the row of W1


ARCHS = {
    "relu_output": Arch(tied=True, hidden_relu=False, output_relu=True, hidden_bias=False, output_bias=True),
    "relu_output_untied": Arch(tied=False, hidden_relu=False, output_relu=True, hidden_bias=False, output_bias=True),
    "relu_hidden": Arch(tied=True, hidden_relu=True, output_relu=True, hidden_bias=False, output_bias=True),
    "mlp": Arch(tied=False, hidden_relu=True, output_relu=False, hidden_bias=True, output_bias=True),
    "mlp_relu_output": Arch(tied=False, hidden_relu=True, output_relu=True, hidden_bias=True, output_bias=True),
    "unembed": Arch(tied=False, hidden_relu=False, output_relu=False, hidden_bias=False, output_bias=True),
    "unembed_tied": Arch(tied=True, hidden_relu=False, output_relu=False, hidden_bias=False, output_bias=True),
    "unembed_no_bias": Arch(tied=False, hidden_relu=False, output_relu=False, hidden_bias=False, output_bias=False),
    "abs_output": Arch(
        tied=True, hidden_relu=False, output_relu=False, hidden_bias=False, output_bias=True, output_abs=True
    ),
}
TASKS = {
    "autoencode": Task(loss="mse", embedded=False, target="features"),
    "big_fish": Task(loss="mse", embedded=True, target="features"),
    "small_fish": Task(loss="mse", embedded=True, target="input"),
    "reproject": Task(loss="mse", embedded=True, target="reembedded"),
    "classify_hard": Task(loss="cross_entropy", embedded=False, target="label"),
    "classify_soft": Task(loss="cross_entropy", embedded=False, target="features"),
    "classify_shares": Task(loss="cross_entropy", embedded=False, target="shares"),
}
DATASETS = {
    "sparse": Data(drawn=True),
    "one_hot": Data(drawn=False),
    "antipodal": Data(drawn=False),
    "correlated": Data(drawn=True, grouped="all"),
    "anticorrelated": Data(drawn=True, grouped="one"),
}
INITS = {
    "xavier_normal": Init("normal", "xavier"),
    "xavier_uniform": Init("uniform", "xavier"),
    "linear_uniform": Init("uniform", "linear"),
    "linear_normal": Init("normal", "linear"),
    "training_points": Init("uniform", "linear", keys="points"),
    "kmeans_centres": Init("uniform", "linear", keys="centres"),
    "one_hots": Init("uniform", "linear", keys="one_hots"),
    "lookup_table": Init("uniform", "linear", keys="points", values=True),
}
BIAS_INITS = ("zeros", "normal", "linear_uniform", "linear_normal")
OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("constant", "warmup_cosine", "quarter_cosine", "warmup_from_tenth")
WARMED_UP = ("warmup_cosine", "warmup_from_tenth")
CHOICES: dict[str, tuple[str, ...]] = {
    "arch": tuple(ARCHS),
    "task": tuple(TASKS),
    "data": tuple(DATASETS),
    "init": tuple(INITS),
    "bias_init": BIAS_INITS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}
RANGES: dict[str, tuple[float, float]] = {  # both ends allowed
    "n_hidden": (1, 4096),
    "n_features": (1, 16384),
    "n_samples": (1, 1_000_000),
    "n_embed": (1, 4096),
    "importance_decay": (1e-3, 1.0),
    "bias_offset": (-100.0, 100.0),
    "steps": (1, 1_000_000),
    "lr": (1e-8, 10.0),
    "warmup": (0, 1_000_000),
    "weight_decay": (0.0, 10.0),
    "batch_size": (1, 65536),
    "seed": (0, 2**31 - 1),
    "data_seed": (0, 2**31 - 1),
    "group_size": (2, 16384),
    "minibatch": (1, 1_000_000),
}
DENSITY_DIGITS = 9  # fewer than the rounding error of 1 - S has
MAX_SWEEP = 100_000  # networks of one sweep: they are made before any is trained
MAX_CELLS = 200_000_000  # numbers of X that are kept: what fits in memory beside the app
MAX_DRAWN = 500_000_000  # numbers of X that are drawn, those that are zero included: seconds whenever they are needed


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that decides a network's trained weights, and nothing else.

    Raises ValueError, naming the field, the value and what is allowed, for a value out of range and for a field that
    this experiment would not use: no two keys name one network.
    """

    # network
    arch: str = "relu_output"
    n_hidden: int = 5  # m: width of the bottleneck, or number of neurons
    # data
    task: str = "autoencode"
    data: str = "sparse"
    n_features: int = 20  # n, F: length of x
    n_samples: int | None = None  # T: size of the training set; None draws fresh batches
    sparsity: float = 0.0  # S: the chance that a feature is zero
    normalize: bool = False  # x / |x|
    n_embed: int | None = None  # B: width of the random projection E of the fish
    importance_decay: float = 1.0  # feature i weighs decay ** i in the loss
    # start
    init: str = "xavier_normal"
    bias_init: str = "zeros"
    bias_offset: float = 0.0  # added to every bias at the start
    # training
    optimizer: str = "adamw"
    schedule: str = "constant"
    steps: int = 10_000
    lr: float = 1e-3  # the peak
    warmup: int = 0  # steps of warm-up, of a schedule that has one
    weight_decay: float = 0.01
    batch_size: int = 1024  # of fresh batches only
    seed: int = 0
    data_seed: int | None = None  # another seed for the training set alone; None: seed
    # new fields stand at the end
    group_size: int = 2  # features i with one i // group_size are a group, of data that has any
    # samples of a step, drawn from the fixed training set without replacement, epoch by epoch; None: all of it
    minibatch: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = _typed(field.name, field.type, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        if not 0 <= self.sparsity < 1:
            raise ValueError(f"sparsity must be in [0, 1); got {self.sparsity}")
        if self.data_seed == self.seed:
            object.__setattr__(self, "data_seed", None)
        if self.minibatch is not None and self.minibatch == self.training_size:
            object.__setattr__(self, "minibatch", None)
        self._refuse_unused()
        if self.arch_row.tied and self.n_inputs != self.n_outputs:
            raise ValueError(
                f"arch {self.arch!r} is tied, so task {self.task!r} with {self.n_inputs} inputs and "
                f"{self.n_outputs} outputs needs an untied one, such as 'mlp'"
            )
        self._refuse_keys()
        self._refuse_groups()
        if self.task_row.embedded and self.n_embed is None:
            raise ValueError(f"n_embed must be set for task {self.task!r}: the width of the random projection")
        if self.task in ("classify_soft", "classify_shares") and self.data == "antipodal":
            raise ValueError(f"task {self.task!r} cannot be used with data 'antipodal': a target would be negative")
        if self.minibatch is not None and self.minibatch > (self.training_size or 0):
            raise ValueError(
                f"minibatch must be at most {self.training_size}, the number of training samples; got {self.minibatch}"
            )
        self._refuse_large()

    def _refuse_unused(self) -> None:
        drawn = self.data_row.drawn
        uses = {
            "n_samples": (drawn, f"data {self.data!r} decides the samples itself"),
            "sparsity": (drawn, f"data {self.data!r} has no sparsity"),
            "normalize": (drawn, f"data {self.data!r} has unit length already"),
            "n_embed": (self.task_row.embedded, f"task {self.task!r} has no random projection"),
            "importance_decay": (
                self.task_row.loss == "mse" and self.task_row.target == "features",
                f"task {self.task!r} has no importance",
            ),
            "batch_size": (self.fresh, "a fixed training set is no fresh batch"),
            "minibatch": (not self.fresh, "fresh batches have a batch_size"),
            "warmup": (self.schedule in WARMED_UP, f"schedule {self.schedule!r} has no warm-up"),
            "data_seed": (self.draws_data, f"data {self.data!r} has no randomness"),
            "bias_init": (self.arch_row.hidden_bias or self.arch_row.output_bias, f"arch {self.arch!r} has no bias"),
            "bias_offset": (self.arch_row.hidden_bias or self.arch_row.output_bias, f"arch {self.arch!r} has no bias"),
            "group_size": (self.data_row.grouped is not None, f"data {self.data!r} has no groups"),
        }
        for name, (used, why) in uses.items():
            default = type(self).__dataclass_fields__[name].default
            if not used and getattr(self, name) != default:
                raise ValueError(f"{name} must be left at {default} here, since {why}; got {getattr(self, name)}")

    def _refuse_keys(self) -> None:
        init = INITS[self.init]
        if init.keys in ("points", "centres") and self.fresh:
            raise ValueError(f"init {self.init!r} needs a training set: n_samples must not be none")
        if init.values and self.arch_row.tied:
            raise ValueError(
                f"init {self.init!r} writes into W2, which arch {self.arch!r} does not have: use an untied"
            )
        most, what = (self.n_inputs, "inputs") if init.keys == "one_hots" else (self.training_size, "training samples")
        if init.keys and most is not None and self.n_hidden > most:
            raise ValueError(
                f"n_hidden must be at most {most} with init {self.init!r}, since there are no more {what}; "
                f"got {self.n_hidden}"
            )

    def _refuse_large(self) -> None:
        """Of a training set that is met as it is drawn, only what is not zero is kept; anything else lies there whole:
        a batch, a list, labels, what is behind a projection."""
        rows, n = self.training_size or self.batch_size, self.n_features
        sparse = self.data == "sparse" and not self.fresh and self.task == "autoencode"
        most = MAX_DRAWN if sparse else MAX_CELLS
        if rows * n > most:
            size = "batch_size" if self.fresh else "n_samples"
            raise ValueError(f"{size} x n_features must be at most {most:,}; got {rows} x {n}")
        if rows * n * self.feature_probability > MAX_CELLS:
            raise ValueError(
                f"n_samples x n_features x (1 - sparsity) must be at most {MAX_CELLS:,}; "
                f"got {rows} x {n} x {self.density:g}"
            )

    def _refuse_groups(self) -> None:
        """Groups of which all are as large, so that all features are alike; and whose chances fit into one."""
        if self.data_row.grouped is None:
            return
        if self.n_features % self.group_size:
            raise ValueError(
                f"group_size must divide n_features with data {self.data!r}, so that all features are alike; "
                f"got {self.group_size} with n_features {self.n_features}"
            )
        if self.data_row.grouped == "one" and self.density > round(1 / self.group_size, DENSITY_DIGITS):
            raise ValueError(
                f"sparsity must be at least 1 - 1 / group_size with data {self.data!r}, since at most one of "
                f"{self.group_size} features is active; got {self.sparsity}"
            )

    @property
    def arch_row(self) -> Arch:
        """The switches of this network."""
        return ARCHS[self.arch]

    @property
    def task_row(self) -> Task:
        """The loss, input and target of this task."""
        return TASKS[self.task]

    @property
    def data_row(self) -> Data:
        """Where the samples of this experiment come from."""
        return DATASETS[self.data]

    @property
    def fresh(self) -> bool:
        """True if every step draws a new batch (T is infinite)."""
        return self.data_row.drawn and self.n_samples is None

    @property
    def draws_data(self) -> bool:
        """True if its samples, or the projection that it sees them through, come from a random stream."""
        return self.data_row.drawn or self.task_row.embedded

    @property
    def training_size(self) -> int | None:
        """T: the number of training samples; None for fresh batches."""
        if self.data_row.drawn:
            return self.n_samples
        return 2 * self.n_features if self.data == "antipodal" else self.n_features

    @property
    def bias_start(self) -> str | float:
        """How the biases start: the value that all have, or how they are drawn."""
        return self.bias_offset if self.bias_init == "zeros" else self.bias_init

    @property
    def step_size(self) -> int:
        """How many samples a step sees, the last one of an epoch of minibatches aside."""
        return self.batch_size if self.fresh else self.minibatch or self.training_size or 0

    @property
    def feature_probability(self) -> float:
        """1 - S: the chance that a feature is active, as samples are drawn by and theory computes with."""
        return 1 - self.sparsity

    @property
    def density(self) -> float:
        """1 - S rounded to 9 digits, as it is shown and grouped by: 1 - 0.99 is 0.010000000000000009, and the networks
        of one density must meet under one number."""
        return round(1 - self.sparsity, DENSITY_DIGITS)

    @property
    def n_inputs(self) -> int:
        """Length of what the network sees: B under a random projection, else n."""
        return self.n_embed if self.task_row.embedded and self.n_embed else self.n_features

    @property
    def n_outputs(self) -> int:
        """Length of what the network says: B, the number of classes, or n."""
        if self.task_row.target in ("input", "reembedded"):
            return self.n_inputs
        if self.task_row.target == "label" and self.data == "antipodal":
            return 2 * self.n_features
        return self.n_features

    @cached_property
    def key(self) -> str:
        """The name of this experiment's result in the store, 16 hex digits: a digest of what differs from the defaults.

        So a new field with a default changes no key, and no default may change once it is in use.
        """
        values = asdict(self)
        return _digest(
            {field.name: values[field.name] for field in fields(self) if values[field.name] != field.default}
        )

    @cached_property
    def first_key(self) -> str | None:
        """The name that it had when keys were over all fields; None if it could not have had one then."""
        if ENGINE_VERSION != 1 or any(
            getattr(self, field.name) != field.default for field in fields(self) if field.name not in FIRST_FIELDS
        ):
            return None
        return _digest({name: getattr(self, name) for name in FIRST_FIELDS})

    def with_(self, **changes: Any) -> Experiment:
        """This experiment with some fields changed. Raises ValueError for a field that does not exist."""
        _check_names(changes)
        return replace(self, **changes)


FIELD_NAMES = tuple(field.name for field in fields(Experiment))
FIRST_FIELDS = (  # those of the first keys: results are still found under these
    *("arch", "n_hidden", "task", "data", "n_features", "n_samples", "sparsity", "normalize", "n_embed"),
    *("importance_decay", "init", "bias_init", "bias_offset", "optimizer", "schedule", "steps", "lr", "warmup"),
    *("weight_decay", "batch_size", "seed", "data_seed"),
)


def _digest(values: dict[str, Any]) -> str:
    text = json.dumps([ENGINE_VERSION, values], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sparsity_of(density: float) -> float:
    """S = 1 - density rounded to 9 digits: the sparsity of the experiments whose density this is."""
    return round(1 - density, DENSITY_DIGITS)


def from_dict(values: dict[str, Any]) -> Experiment:
    """The experiment that asdict() wrote. Raises ValueError for an unknown field or a bad value."""
    _check_names(values)
    return Experiment(**values)


def sweep(base: Experiment, most: int = MAX_SWEEP, /, **values: Iterable[Any]) -> list[Experiment]:
    """Every combination of the given values over the base, the last field changing fastest.

    Raises ValueError for more than `most` of them, before any is made, and for a field that does not exist.
    """
    _check_names(values)
    listed = {name: list(itertools.islice(given, most + 1)) for name, given in values.items()}
    count = math.prod(map(len, listed.values()))
    if count > most:
        raise ValueError(f"a sweep must have at most {most:,} combinations; got {count:,} or more")
    return [
        base.with_(**dict(zip(listed, combination, strict=True))) for combination in itertools.product(*listed.values())
    ]


def parse(name: str, text: str) -> Any:
    """The value of a field written as text: parse("lr", "1e-2") = 0.01; "none" is None.

    Raises ValueError with the field, the text and what is allowed.
    """
    _check_names({name: text})
    kind = str(Experiment.__dataclass_fields__[name].type)
    lowered = text.strip().lower()
    if lowered in ("none", "null") and "None" in kind:
        return None
    if kind == "bool":
        if lowered not in ("true", "false", "1", "0", "yes", "no"):
            raise ValueError(f"{name} must be true or false; got {text!r}")
        return lowered in ("true", "1", "yes")
    if kind == "str":
        return text.strip()
    try:
        return float(text)
    except ValueError:
        what = "a whole number" if kind.startswith("int") else "a number"
        raise ValueError(f"{name} must be {what}{' or none' if 'None' in kind else ''}; got {text!r}") from None


def _check_names(values: Iterable[str]) -> None:
    for name in values:
        if name not in FIELD_NAMES:
            raise ValueError(f"{name!r} is not a field of an experiment; the fields are {', '.join(FIELD_NAMES)}")


def _typed(name: str, kind: Any, value: Any) -> Any:
    """The value as its field's type, so that 1 and 1.0 share a key."""
    kind = str(kind)
    if value is None and "None" in kind:
        return None
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise ValueError(f"{name} must be one of {', '.join(CHOICES[name])}; got {value!r}")
        return value
    if kind == "bool":
        if value not in (True, False):
            raise ValueError(f"{name} must be true or false; got {value!r}")
        return bool(value)
    number = _number(value)
    if number is None or (isinstance(number, float) and not math.isfinite(number)):
        raise ValueError(f"{name} must be a finite number; got {value!r}")
    if kind.startswith("int"):
        if number != int(number):
            raise ValueError(f"{name} must be a whole number; got {value!r}")
        number = int(number)
    else:
        number = float(number) + 0.0  # -0.0 becomes 0.0
    low, high = RANGES.get(name, (-math.inf, math.inf))
    if not low <= number <= high:
        raise ValueError(f"{name} must be between {low:g} and {high:g}; got {value!r}")
    return number


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        return None
    return value if isinstance(value, int) else float(value)
