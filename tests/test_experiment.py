"""The record of what is trained: its key, what it refuses, how it is read from text and swept."""

import hashlib
import itertools
import json
import math
import os
import subprocess
import sys
import tracemalloc
from dataclasses import asdict, dataclass, replace
from decimal import Decimal

import numpy as np
import pytest

from toyviz import settings
from toyviz.experiment import (
    ARCHS,
    ENGINE_VERSION,
    FIELD_NAMES,
    TASKS,
    Experiment,
    from_dict,
    parse,
    sparsity_of,
    sweep,
)

MLP = {"arch": "mlp"}
ALTERED = {  # for every field: what else must hold, and two values that the field can have then
    "arch": ({}, "relu_output", "relu_hidden"),
    "n_hidden": ({}, 5, 6),
    "task": (MLP | {"n_embed": 4}, "small_fish", "reproject"),
    "data": ({}, "sparse", "one_hot"),
    "n_features": ({}, 20, 21),
    "n_samples": ({}, None, 10),
    "sparsity": ({}, 0.0, 0.5),
    "normalize": ({}, False, True),
    "n_embed": (MLP | {"task": "big_fish"}, 4, 5),
    "importance_decay": ({}, 1.0, 0.7),
    "init": ({}, "xavier_normal", "linear_uniform"),
    "bias_init": ({}, "zeros", "normal"),
    "bias_offset": ({}, 0.0, 1.0),
    "optimizer": ({}, "adamw", "sgd"),
    "schedule": ({}, "constant", "quarter_cosine"),
    "steps": ({}, 10, 11),
    "lr": ({}, 1e-3, 2e-3),
    "warmup": ({"schedule": "warmup_cosine"}, 0, 5),
    "weight_decay": ({}, 0.01, 0.0),
    "batch_size": ({}, 1024, 512),
    "seed": ({}, 0, 1),
    "data_seed": ({}, None, 7),
    "group_size": ({"data": "correlated"}, 2, 4),
    "minibatch": ({"n_samples": 10}, None, 4),
}


@pytest.mark.parametrize("name", FIELD_NAMES)
def test_every_field_reaches_the_key(name):
    others, first, second = ALTERED[name]
    one, other = Experiment(**others, **{name: first}), Experiment(**others, **{name: second})
    assert [field for field in FIELD_NAMES if getattr(one, field) != getattr(other, field)] == [name]
    assert one.key != other.key


DEFAULTS = {  # as they stand in stored keys by not standing there: none of them may ever change
    **{"arch": "relu_output", "n_hidden": 5, "task": "autoencode", "data": "sparse", "n_features": 20},
    **{"n_samples": None, "sparsity": 0.0, "normalize": False, "n_embed": None, "importance_decay": 1.0},
    **{"init": "xavier_normal", "bias_init": "zeros", "bias_offset": 0.0, "optimizer": "adamw"},
    **{"schedule": "constant", "steps": 10_000, "lr": 1e-3, "warmup": 0, "weight_decay": 0.01, "batch_size": 1024},
    **{"seed": 0, "data_seed": None, "group_size": 2, "minibatch": None},
}
STORED = [  # an experiment, its key, and the key of its result from when keys were over all fields
    ({}, "7674a781fc38e94c", "3d80bd4f86e4546b"),
    ({"sparsity": 0.99, "n_hidden": 2}, "ac086c1f6c85f6f1", "1d1b365192fba2e1"),
    ({"arch": "mlp", "n_samples": 5, "lr": 0.01}, "3edb4b9bc283378c", "e6c795569272e86d"),
]


def test_a_default_never_changes():
    assert {name: asdict(Experiment())[name] for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(("values", "key", "first"), STORED)
def test_stored_keys_never_change(values, key, first):
    assert (Experiment(**values).key, Experiment(**values).first_key) == (key, first)


@dataclass(frozen=True, kw_only=True)
class Wider(Experiment):
    """A record with one more field."""

    momentum: float = 0.9


@pytest.mark.parametrize(("values", "key", "first"), STORED)
def test_a_new_field_with_a_default_changes_no_stored_key(values, key, first):
    assert (Wider(**values).key, Wider(**values).first_key) == (key, first)
    other = Wider(**values, momentum=0.5)
    assert other.key != key
    assert other.first_key is None


def test_a_key_is_over_what_differs_from_the_defaults():
    text = json.dumps([ENGINE_VERSION, {"n_hidden": 2, "sparsity": 0.99}], sort_keys=True)
    assert Experiment(n_hidden=2, sparsity=0.99).key == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_the_key_is_sixteen_hex_digits_and_the_same_in_another_process():
    experiment = Experiment(n_hidden=2, sparsity=0.99)
    code = "from toyviz.experiment import Experiment; print(Experiment(sparsity=0.99, n_hidden=2).key)"
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert there.stdout.strip() == experiment.key
    assert len(experiment.key) == 16
    assert int(experiment.key, 16) >= 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"importance_decay": 1}, {"importance_decay": 1.0}),
        ({"n_samples": 10}, {"n_samples": 10.0}),
        ({"n_hidden": np.int64(3)}, {"n_hidden": 3}),
        ({"lr": np.float64(0.5)}, {"lr": 0.5}),
        ({"normalize": 1}, {"normalize": True}),
        ({"normalize": np.bool_(True)}, {"normalize": True}),
        ({"bias_offset": -0.0}, {"bias_offset": 0}),
        ({"seed": 3, "data_seed": 3}, {"seed": 3}),
        ({"n_samples": 10, "minibatch": 10}, {"n_samples": 10}),
        ({"data": "antipodal", "n_features": 6, "minibatch": 12}, {"data": "antipodal", "n_features": 6}),
    ],
)
def test_two_ways_to_write_one_value_share_a_key(one, other):
    assert Experiment(**one).key == Experiment(**other).key
    assert Experiment(**one) == Experiment(**other)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sparsity": 1.0}, "sparsity must be in [0, 1); got 1.0"),
        ({"sparsity": -0.1}, "sparsity must be in [0, 1); got -0.1"),
        ({"sparsity": math.nan}, "sparsity must be a finite number; got nan"),
        ({"lr": math.inf}, "lr must be a finite number; got inf"),
        ({"lr": 0.0}, "lr must be between 1e-08 and 10; got 0.0"),
        ({"lr": "fast"}, "lr must be a finite number; got 'fast'"),
        ({"n_hidden": 0}, "n_hidden must be between 1 and 4096; got 0"),
        ({"n_hidden": 2.5}, "n_hidden must be a whole number; got 2.5"),
        ({"n_hidden": True}, "n_hidden must be a finite number; got True"),
        ({"n_hidden": None}, "n_hidden must be a finite number; got None"),
        ({"steps": 10**9}, "steps must be between 1 and 1e+06; got 1000000000"),
        ({"steps": 10**400}, "steps must be between 1 and 1e+06; got 1000000"),
        (
            {"n_features": 16384, "batch_size": 65536},
            "batch_size x n_features must be at most 200,000,000; got 65536 x",
        ),
        (
            {"data": "one_hot", "n_features": 16384},
            "n_samples x n_features must be at most 200,000,000; got 16384 x 16",
        ),
        ({"seed": -1}, "seed must be between 0 and 2.14748e+09; got -1"),
        ({"normalize": "yes"}, "normalize must be true or false; got 'yes'"),
        ({"optimizer": "adam"}, "optimizer must be one of adamw, sgd; got 'adam'"),
        ({"arch": None}, f"arch must be one of {', '.join(ARCHS)}; got None"),
        ({"task": "fish"}, f"task must be one of {', '.join(TASKS)}; got 'fish'"),
        ({"arch": "mlp", "task": "big_fish"}, "n_embed must be set for task 'big_fish'"),
        ({"task": "big_fish", "n_embed": 4}, "arch 'relu_output' is tied"),
        ({"arch": "unembed", "task": "classify_soft", "data": "antipodal"}, "task 'classify_soft' cannot be used"),
        ({"data": "correlated", "group_size": 1}, "group_size must be between 2 and 16384; got 1"),
        ({"arch": "unembed", "task": "classify_shares", "data": "antipodal"}, "task 'classify_shares' cannot be used"),
        ({"n_samples": 10, "minibatch": 11}, "minibatch must be at most 10, the number of training samples; got 11"),
        ({"data": "one_hot", "n_features": 6, "minibatch": 7}, "minibatch must be at most 6, the number of training"),
        ({"n_samples": 10, "minibatch": 0}, "minibatch must be between 1 and 1e+06; got 0"),
        ({"n_samples": 10, "minibatch": 2.5}, "minibatch must be a whole number; got 2.5"),
        (
            {"data": "correlated", "group_size": 3},
            "group_size must divide n_features with data 'correlated', so that all features are alike; got 3 with n_f",
        ),
        (
            {"data": "anticorrelated", "sparsity": 0.4},
            "sparsity must be at least 1 - 1 / group_size with data 'anticorrelated', since at most one of 2 features",
        ),
        (
            {"n_samples": 10**6, "n_features": 10**4, "sparsity": 0.999},
            "n_samples x n_features must be at most 500,000,000; got 1000000 x",
        ),
        (
            {"n_samples": 50_001, "n_features": 10**4, "sparsity": 0.5},
            "n_samples x n_features must be at most 500,000,000; got 50001 x",
        ),
        (
            {"n_samples": 50_000, "n_features": 10**4, "sparsity": 0.5},
            "n_samples x n_features x (1 - sparsity) must be at most 200,000,000; got 50000 x 10000 x 0.5",
        ),
        (  # labels lie in memory whole
            {"arch": "unembed", "task": "classify_soft", "n_samples": 50_000, "n_features": 10**4, "sparsity": 0.999},
            "n_samples x n_features must be at most 200,000,000; got 50000 x",
        ),
    ],
)
def test_nonsense_is_refused_with_the_field_the_value_and_what_is_allowed(changes, sentence):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        Experiment(**changes)
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"data": "one_hot", "n_samples": 5}, "n_samples"),
        ({"data": "one_hot", "sparsity": 0.5}, "sparsity"),
        ({"data": "antipodal", "normalize": True}, "normalize"),
        ({"n_embed": 4}, "n_embed"),
        ({"arch": "mlp", "task": "small_fish", "n_embed": 4, "importance_decay": 0.7}, "importance_decay"),
        ({"arch": "unembed", "task": "classify_hard", "importance_decay": 0.7}, "importance_decay"),
        ({"n_samples": 5, "batch_size": 16}, "batch_size"),
        ({"data": "one_hot", "batch_size": 16}, "batch_size"),
        ({"warmup": 5}, "warmup"),
        ({"minibatch": 5}, "minibatch"),
        ({"data": "one_hot", "data_seed": 5}, "data_seed"),
        ({"group_size": 4}, "group_size"),
        ({"data": "one_hot", "group_size": 4}, "group_size"),
    ],
)
def test_a_field_that_the_experiment_would_not_use_is_refused(changes, field):
    with pytest.raises(ValueError, match=f"^{field} must be left at .* got {changes[field]}"):
        Experiment(**changes)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("lr", "1e-2", 0.01),
        ("steps", "5000", 5000),
        ("steps", "5e3", 5000),
        ("n_samples", "none", None),
        ("n_samples", " None ", None),
        ("data_seed", "null", None),
        ("n_embed", "4", 4),
        ("n_samples", "7", 7),
        ("normalize", "true", True),
        ("normalize", "0", False),
        ("arch", " mlp", "mlp"),
        ("bias_offset", "-1", -1.0),
    ],
)
def test_text_is_read_as_the_fields_own_type(name, text, value):
    assert parse(name, text) == value
    written = getattr(Experiment(**ALTERED[name][0], **{name: parse(name, text)}), name)
    assert (written, type(written)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("lr", "fast", "lr must be a number; got 'fast'"),
        ("steps", "", "steps must be a whole number; got ''"),
        ("n_samples", "all", "n_samples must be a whole number or none; got 'all'"),
        ("normalize", "maybe", "normalize must be true or false; got 'maybe'"),
        ("step", "5", "'step' is not a field of an experiment; the fields are arch, n_hidden,"),
    ],
)
def test_text_that_is_no_value_is_refused_in_a_sentence(name, text, sentence):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        parse(name, text)
    assert str(refusal.value).startswith(sentence)


def test_a_sweep_is_every_combination_with_the_last_field_fastest():
    swept = sweep(Experiment(), n_hidden=(2, 3), seed=(0, 1))
    assert [(each.n_hidden, each.seed) for each in swept] == [(2, 0), (2, 1), (3, 0), (3, 1)]
    assert sweep(Experiment()) == [Experiment()]
    with pytest.raises(ValueError, match="'hidden' is not a field"):
        sweep(Experiment(), hidden=(2, 3))


@pytest.mark.parametrize(
    "values",
    [
        {"seed": range(1_000_000_000)},
        {"seed": range(10**30)},
        {"seed": itertools.count()},
        {"n_hidden": range(1, 1001), "seed": range(1000)},
    ],
)
def test_a_sweep_of_too_many_is_refused_before_it_is_made(values):
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"^a sweep must have at most 100,000 combinations; got 1[\d,]+ or more$"):
        sweep(Experiment(), **values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6


def test_a_sweep_can_be_as_large_as_it_is_asked_to_be():
    assert len(sweep(Experiment(), 6, n_hidden=(2, 3), seed=range(3))) == 6
    with pytest.raises(ValueError, match=r"^a sweep must have at most 5 combinations; got 6 or more$"):
        sweep(Experiment(), 5, n_hidden=(2, 3), seed=range(3))


def test_an_experiment_comes_back_from_the_dictionary_it_was_written_to():
    for setting in settings.EXPERIMENTS.values():
        assert from_dict(asdict(setting.paper)) == setting.paper
    with pytest.raises(ValueError, match="'T' is not a field"):
        from_dict({"T": 5})
    with pytest.raises(ValueError, match="'T' is not a field"):
        Experiment().with_(T=5)


@pytest.mark.parametrize(
    ("changes", "size", "inputs", "outputs"),
    [
        ({"n_features": 8}, None, 8, 8),
        ({"n_features": 8, "n_samples": 30}, 30, 8, 8),
        ({"n_features": 8, "data": "one_hot"}, 8, 8, 8),
        ({"n_features": 8, "data": "antipodal"}, 16, 8, 8),
        ({"n_features": 8, "arch": "mlp", "task": "big_fish", "n_embed": 3}, None, 3, 8),
        ({"n_features": 8, "arch": "mlp", "task": "small_fish", "n_embed": 3}, None, 3, 3),
        ({"n_features": 8, "arch": "mlp", "task": "reproject", "n_embed": 3}, None, 3, 3),
        ({"n_features": 8, "arch": "mlp", "task": "classify_hard", "data": "antipodal"}, 16, 8, 16),
        ({"n_features": 8, "arch": "unembed", "task": "classify_soft"}, None, 8, 8),
    ],
)
def test_the_widths_and_the_size_of_the_training_set_follow_from_the_task_and_the_data(changes, size, inputs, outputs):
    experiment = Experiment(**changes)
    assert (experiment.training_size, experiment.n_inputs, experiment.n_outputs) == (size, inputs, outputs)
    assert experiment.fresh == (size is None)


def test_sparsity_is_the_chance_of_a_zero():
    assert Experiment(sparsity=0.99).feature_probability == pytest.approx(0.01)


@pytest.mark.parametrize("text", ["1", "0.75", "0.3", "0.1", "0.01", "0.003", "0.001", "0.000123", "0.000000001"])
def test_a_density_and_its_sparsity_are_the_decimals_that_stand_there(text):
    experiment = Experiment(sparsity=float(1 - Decimal(text)))
    assert experiment.density == float(text)
    assert sparsity_of(float(text)) == experiment.sparsity


@pytest.mark.parametrize("size", [2, 3, 4, 5, 7, 10, 20])
def test_chances_that_fill_one_up_are_taken_whatever_rounding_makes_of_them(size):
    for sparsity in (1 - 1 / size, sparsity_of(1 / size)):
        Experiment(data="anticorrelated", n_features=3 * size, group_size=size, sparsity=sparsity)
    with pytest.raises(ValueError, match=f"^sparsity must be at least .* one of {size} features is active; got"):
        Experiment(data="anticorrelated", n_features=3 * size, group_size=size, sparsity=1 - 1 / size - 1e-6)


def test_networks_of_one_density_meet_under_one_number():
    assert len({Experiment(sparsity=s).density for s in (0.99, 1 - 0.01, 0.1 + 0.89, 0.99 + 1e-16)}) == 1
    assert Experiment(sparsity=0.99).density != Experiment(sparsity=0.9900001).density


def test_an_experiment_cannot_be_changed_in_place():
    with pytest.raises(AttributeError):
        Experiment().seed = 3
    assert replace(Experiment(), seed=3).seed == 3


def test_the_named_experiments_are_the_ones_that_the_command_line_promises():
    promised = "double_descent superposition privileged_basis mlp mlp_relu_output big_fish small_fish reproject"
    assert {*promised.split(), "unembedding", "dictionary"} <= set(settings.EXPERIMENTS)


@pytest.mark.parametrize("name", settings.EXPERIMENTS)
def test_a_named_experiment_can_be_swept_over_what_the_post_sweeps(name):
    setting = settings.EXPERIMENTS[name]
    if name == "limits":
        assert len(sweep(setting.paper, **setting.over)) == 3 * 6 * 6
    for base in (setting.quick, setting.paper):
        keys = [experiment.key for experiment in sweep(base, **setting.over)]
        assert len(set(keys)) == len(keys) == math.prod(len(values) for values in setting.over.values())
