"""Lists in a few neurons: what training must leave alone, the table that is read off, its figures and its claims."""

import itertools
import json
from types import SimpleNamespace
from urllib.parse import parse_qs

import numpy as np
import pandas as pd
import pytest
from conftest import again, app_at, opened_below, text

from toyviz import charts, data, decompiler, live, runtime, settings, studies, theory
from toyviz.claims import CLAIMS, Finding
from toyviz.claims import appendix as checks
from toyviz.experiment import Experiment, sweep
from toyviz.queue import too_large
from toyviz.result import Result
from toyviz.store import GALLERY, Store
from toyviz.studies.dictionaries import controls as c
from toyviz.studies.dictionaries import sizes
from toyviz.sweep import Sweep
from toyviz.train import train
from toyviz.view import Text, ids, link

LIST = Experiment(arch="mlp", data="one_hot", n_features=6, n_hidden=6, steps=100, lr=0.01)
NAMES = LIST.with_(task="classify_hard")


def made(experiment, W1, W2, b1=0.0, b2=0.0, loss=0.0, accuracy=1.0):
    """A result with these weights, as if it had been trained."""
    weights = {
        "W1": W1,
        "W2": W2,
        "b1": np.broadcast_to(b1, len(W1)),
        "b2": np.broadcast_to(b2, len(W2)),
    }
    weights = {name: np.array(values, dtype=np.float32) for name, values in weights.items()}
    return Result(
        experiment=experiment,
        parameters=weights,
        loss_steps=np.array([1, experiment.steps]),
        losses=np.array([1.0, loss], np.float32),
        frame_steps=np.array([experiment.steps]),
        frames={name: values[None] for name, values in weights.items()},
        metrics={"train_loss": loss, "train_accuracy": accuracy, "test_loss": None, "test_accuracy": None},
    )


def one_neuron_each(experiment=LIST):
    return made(experiment, np.eye(6), np.eye(6))


# closed forms


def test_without_an_output_relu_no_list_is_stored_better_than_the_floor_and_training_reaches_it():
    experiment = settings.EXPERIMENTS["dictionary"].quick
    result = train(experiment)
    n, m = experiment.n_features, experiment.n_hidden
    assert theory.rank_floor(np.eye(n), m) == pytest.approx((n - 1 - m) / n)
    assert result.metrics["train_loss"] / n == pytest.approx((n - 1 - m) / n**2, rel=0.01)
    assert result.metrics["train_loss"] / n >= (n - 1 - m) / n**2 * (1 - 1e-5)


def test_sgd_keeps_the_column_sums_of_w2_and_adamw_drives_them_down():
    base = settings.EXPERIMENTS["dictionary_cross_entropy"].quick
    for optimizer, lr, kept in (("sgd", 0.1, True), ("adamw", 1e-3, False)):
        result = train(base.with_(optimizer=optimizer, lr=lr, weight_decay=0.0))
        drift = np.abs(result.W2.sum(axis=0) - result.frame(0)["W2"].sum(axis=0)).max()
        assert (drift < 1e-3) == kept, (optimizer, drift)
        assert np.abs(result.W2 - result.frame(0)["W2"]).max() > 0.1


def test_weights_that_no_longer_grow_end_near_one_over_the_decay():
    result = train(settings.EXPERIMENTS["dictionary_antipodal"].quick.with_(weight_decay=2.0))
    largest = max(np.abs(result.W1).max(), np.abs(result.W2).max())
    assert largest == pytest.approx(0.5, rel=0.25)


# the table


def test_a_network_with_one_neuron_for_each_input_reads_as_the_identity():
    table = decompiler.read(LIST, one_neuron_each().parameters)
    np.testing.assert_array_equal(table.codes, np.eye(6))
    np.testing.assert_array_equal(table.outputs, range(6))
    np.testing.assert_allclose(table.output_margins, 1)
    np.testing.assert_allclose(table.hidden_margins, 0.5)


def test_a_lift_that_all_inputs_share_is_not_read():
    lifted = made(LIST, np.eye(6), np.eye(6), b1=3.0)
    np.testing.assert_array_equal(decompiler.read(LIST, lifted.parameters).codes, np.eye(6))


def test_a_neuron_that_never_changes_is_off():
    W1 = np.eye(6)
    W1[2] = 0
    codes = decompiler.read(LIST, made(LIST, W1, np.eye(6), b1=1.0).parameters).codes
    assert not codes[:, 2].any()
    assert codes[[0, 1, 3, 4, 5]].sum() == 5


def test_levels_are_rounded_shares_of_the_range():
    W1 = np.zeros((6, 6))
    W1[0] = [0, 0.24, 0.26, 0.6, 0.74, 1.0]
    table = decompiler.read(LIST, made(LIST, W1, np.eye(6)).parameters, levels=3)
    np.testing.assert_array_equal(table.codes[:, 0], [0, 0, 1, 1, 1, 2])
    np.testing.assert_allclose(table.hidden_margins[[1, 3]], [0.02, 0.3], atol=1e-6)


def test_inputs_that_share_a_pattern_get_no_answer():
    W1 = np.eye(6)
    W1[:, 1] = W1[:, 0]
    table = decompiler.read(LIST, made(LIST, W1, np.eye(6)).parameters)
    table = table._replace(outputs=np.arange(6))
    np.testing.assert_array_equal(decompiler.replay(table, np.eye(6)), [-1, -1, 2, 3, 4, 5])


def test_a_mixture_is_answered_by_its_strongest_key_alone_or_by_all_that_they_switch_on():
    keys = np.eye(4)
    codes = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 1], [0, 0, 0]])
    table = decompiler.Table(keys, codes, np.arange(4), np.ones(4), np.ones(4), 2)
    mixture = np.array([[1, 0.9, 0, 0]])
    assert decompiler.replay(table, mixture, counts_from=1.0) == 0
    assert decompiler.replay(table, mixture, counts_from=0.5) == 2


@pytest.mark.parametrize("active", [1, 3])
def test_the_truth_of_a_trial_is_its_strongest_key(active):
    tried = decompiler.trials(NAMES, active, noise=0.0, size=50)
    np.testing.assert_array_equal(tried.inputs.argmax(axis=1), tried.truth)
    assert ((tried.inputs > 0).sum(axis=1) == active).all()
    np.testing.assert_allclose(tried.inputs.max(axis=1), 1)


def test_noise_has_the_spread_that_was_asked_for_and_no_seed_changes_it():
    quiet, loud = decompiler.trials(NAMES, 2, 0.0), decompiler.trials(NAMES, 2, 0.3)
    np.testing.assert_array_equal(quiet.truth, loud.truth)
    assert (loud.inputs - quiet.inputs).std() == pytest.approx(0.3, rel=0.03)
    np.testing.assert_array_equal(decompiler.trials(NAMES.with_(seed=5), 2, 0.3).inputs, loud.inputs)


def test_fidelity_counts_answers_one_by_one():
    W2 = np.eye(6)
    W2[[0, 1]] = W2[[1, 0]]  # the network confuses 0 and 1
    result = made(LIST, np.eye(6), W2)
    table = decompiler.read(LIST, result.parameters)
    assert decompiler.fidelity(result, table, decompiler.trials(LIST)) == (1.0, 4 / 6, 4 / 6)
    right = table._replace(outputs=np.arange(6))
    assert decompiler.fidelity(result, right, decompiler.trials(LIST)) == (4 / 6, 1.0, 4 / 6)


def test_on_and_off_is_enough_for_ten_neurons_and_not_for_two():
    base = settings.EXPERIMENTS["dictionary_cross_entropy"].paper
    shares = {2: [], 10: []}
    for m, seed in itertools.product(shares, range(4)):
        result = train(base.with_(n_hidden=m, seed=seed))
        table = decompiler.read(result.experiment, result.parameters)
        shares[m].append(decompiler.fidelity(result, table, decompiler.trials(result.experiment)).network)
    assert np.median(shares[10]) == 1
    assert np.median(shares[2]) < 0.5


def test_tables_read_the_keys_of_any_fixed_training_set_and_refuse_what_has_none():
    sparse = Experiment(arch="mlp", n_features=8, n_hidden=3, n_samples=5, sparsity=0.5, steps=20)
    table = decompiler.read(sparse, train(sparse).parameters)
    np.testing.assert_array_equal(table.keys, data.training_samples(sparse).inputs)
    with pytest.raises(ValueError, match="fresh batches"):
        decompiler.read(sparse.with_(n_samples=None), {})
    with pytest.raises(ValueError, match="levels must be at least 2; got 1"):
        decompiler.read(LIST, one_neuron_each().parameters, levels=1)
    with pytest.raises(ValueError, match="active must be between 1 and 6"):
        decompiler.trials(LIST, active=7)
    with pytest.raises(ValueError, match="noise must not be negative"):
        decompiler.trials(LIST, noise=-0.1)


# figures

CELLS = pd.DataFrame(
    {
        "n_hidden": [2, 4, 2],
        "training_size": [8, 8, 16],
        "value": [0.1, 0.0, 1e-5],
        "floor": [0.05, 0, 0],
        "seed": [0, 1, 2],
    }
)


def test_a_loss_of_exactly_nothing_is_a_cell_of_its_own_and_not_the_end_of_the_scale():
    figure = charts.size_map(CELLS, "Loss", "loss")
    assert figure.data["cells"]["zero"].tolist() == [False, True, False]
    assert figure.data["meta"][["low", "high"]].to_numpy().tolist() == [[1e-05, 0.1]]
    assert "1 of them 0" in figure.alt


# claims: on networks that must pass, and on others that must not


def test_one_neuron_each_is_a_dictionary_but_not_one_that_had_to_share():
    shared = LIST.with_(n_features=20, n_hidden=10)
    found = checks.one_hots_are_a_dictionary([train(settings.EXPERIMENTS["dictionary"].quick)])
    assert "loss 0.0225 (lowest possible 0.0225)" in found.measured
    blind = made(shared, np.zeros((10, 20)), np.zeros((20, 10)), loss=0.95, accuracy=0.0)
    assert list(checks.one_hots_are_a_dictionary([blind]).parts.values()) == [False, True]  # both say nothing
    assert checks.one_hots_are_a_dictionary([one_neuron_each()]) is None  # nothing has to be lost


def test_the_first_bias_lifts_only_where_it_is_there():
    W1 = np.where(np.eye(6) > 0, 1.0, -0.5)
    assert checks.first_bias_lifts([made(LIST, W1, np.eye(6), b1=0.5)]).verdict == "holds"
    without = checks.first_bias_lifts([made(LIST, W1, np.eye(6))])
    assert not without.parts["19 of 20 entries of W1 + b1 are not"]
    high = checks.first_bias_lifts([made(LIST, W1, np.eye(6), b1=5.0)])
    assert not high.parts["barely: the lowest entry is close to 0"]


def test_the_second_bias_must_level_and_follow_the_start_of_w2():
    W2 = np.eye(6) + np.arange(6)[:, None]
    hidden_mean = 1 / 6
    levelled = -(W2.sum(axis=1)) * hidden_mean
    found = checks.second_bias_levels([made(LIST, np.eye(6), W2, b2=levelled)])
    assert found.parts["the outputs are levelled"]
    assert "minus the row sums of W2 1.00 at the end" in found.measured
    wrong = checks.second_bias_levels([made(LIST, np.eye(6), W2, b2=np.arange(6.0))])
    assert not any(list(wrong.parts.values())[:2])


def grown(steps, scale, lift=0.0):
    """A list with one neuron each, trained so long; W2 negative but on the diagonal."""
    W2 = scale * (np.eye(6) - 0.5)
    return made(NAMES.with_(steps=steps), scale * np.eye(6), W2, b1=lift)


def test_growth_and_cosines_are_compared_between_the_shorter_and_the_longer_training():
    assert checks.entropy_grows([grown(3000, 2.0), grown(1000, 1.0)]).verdict == "holds"
    assert not checks.entropy_grows([grown(3000, 1.0), grown(1000, 2.0)]).parts["activations grow"]
    assert checks.entropy_grows([grown(1000, 1.0)]) is None
    assert checks.entropy_cosines([grown(1000, 1.0), grown(3000, 1.0, lift=9.0)]).verdict == "holds"
    apart = checks.entropy_cosines([grown(1000, 1.0), grown(3000, 1.0)])
    assert not apart.parts["cosines are close to 1 at last"]
    assert apart.verdict == "fails"
    assert checks.entropy_cosines([grown(1000, 1.0, lift=9.0), grown(3000, 1.0, lift=9.0)]).verdict == "holds"


def decayed(decay, scale, lift):
    W2 = scale * (np.eye(6) - 0.5)
    return made(NAMES.with_(weight_decay=decay), scale * np.eye(6), W2, b1=lift)


def test_weight_decay_counteracts_only_if_it_makes_a_difference():
    weak = [decayed(decay, 3.0, 30.0) for decay in (0.0, 0.01)]
    assert checks.weight_decay_counteracts([*weak, decayed(1.0, 1.0, 0.1)]).verdict == "holds"
    assert checks.entropy_cosines_over_decay([*weak, decayed(1.0, 1.0, 0.1)]).verdict == "holds"
    lower = [decayed(decay, 3.0, 3.0) for decay in (0.0, 0.01)]
    assert checks.entropy_cosines_over_decay([*lower, decayed(1.0, 1.0, 0.1)]).verdict == "fails"
    same = checks.weight_decay_counteracts([*weak, decayed(1.0, 3.0, 30.0)])
    assert [part for part, so in same.parts.items() if so] == ["a table of neurons on or off answers alike"]
    assert checks.weight_decay_counteracts(weak) is None


def test_halves_are_disjoint_only_without_a_lift():
    pairs = NAMES.with_(data="antipodal", n_features=3)
    W1 = np.eye(3)[[0, 1, 2, 0, 1, 2]] * np.array([1, 1, 1, -1, -1, -1])[:, None]
    assert checks.antipodal_halves([made(pairs, W1, np.eye(6))]).verdict == "holds"
    lifted = checks.antipodal_halves([made(pairs, W1, np.eye(6), b1=2.0)])
    assert not lifted.parts["9 of 10 pairs share hardly a neuron"]


def test_a_few_missing_networks_are_allowed_and_many_are_not():
    cells = [(n, m) for n in (4, 8, 16, 32) for m in (2, 4, 8, 16)]

    def grid(missing):
        return [
            made(NAMES.with_(n_features=n, n_hidden=m), np.ones((m, n)), np.ones((n, m)), accuracy=float(k >= missing))
            for k, (n, m) in enumerate(cells)
        ]

    assert checks.entropy_needs_few_neurons(grid(0)).verdict == "holds"
    assert checks.entropy_needs_few_neurons(grid(4)).verdict == "fails"
    assert checks.entropy_needs_few_neurons(grid(0)[:5]) is None


def test_two_neurons_need_all_of_the_fan():
    angles = np.linspace(0.1, np.pi / 2 - 0.1, 12)
    h = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.tile([1.0, 3.0, 2.0, 4.0], 3)[:, None]
    middle = h.mean(axis=0)
    experiment = NAMES.with_(n_features=12, n_hidden=2)
    voronoi = made(experiment, (h - middle).T, 2 * h, b1=middle, b2=-(h**2).sum(axis=1))
    assert checks.two_neurons_hold_64([voronoi]).verdict == "holds"
    arc = h / np.linalg.norm(h, axis=1, keepdims=True)
    even = made(experiment, (arc - 0.6).T, 2 * arc, b1=0.6, b2=-1.0)
    found = checks.two_neurons_hold_64([even])
    assert not found.parts["neighbours in angle differ in length"]
    assert not found.parts["b2 selects"]


def test_the_relu_is_to_blame_only_if_taking_it_away_helps():
    base = LIST.with_(n_features=64, n_hidden=4)

    def four(mlp, none, output):
        losses = {"mlp": mlp, "unembed": none, "mlp_relu_output": output, "relu_output": output}
        return [made(e, np.ones((4, 64)), np.ones((64, 4)), loss=losses[e.arch]) for e in checks.which_relu(base)]

    for output in (0.95, 0.1):  # what a ReLU on the output does is told alone
        assert checks.middle_relu_is_the_limit(four(1.0, 0.1, output)).verdict == "holds"
        assert checks.middle_relu_is_the_limit(four(1.0, 1.0, output)).verdict == "fails"
    assert checks.middle_relu_is_the_limit(four(1.0, 0.1, 0.95)[:2]) is None


def starts(table, keys, random, data_="one_hot", task="autoencode"):
    """Five starts with these final losses, or so many hundred steps until they memorise."""
    changes = checks.STORED[data_] | (checks.NAMING if task != "autoencode" else {})
    base = settings.EXPERIMENTS["starting_as_dictionary"].quick.with_(**changes)
    costs = dict.fromkeys(checks.STARTS, keys) | {"linear_uniform": random, "lookup_table": table}
    return [start(base.with_(init=init), cost) for init, cost in costs.items()]


def start(e, cost):
    done = SimpleNamespace(losses=np.array([9.0, 1e-4, 1e-5]), loss_steps=np.array([1, round(100 * cost), e.steps]))
    return SimpleNamespace(experiment=e, metrics={"train_loss": cost}, **vars(done))


@pytest.mark.parametrize("task", ["autoencode", "classify_hard"])
def test_one_hots_are_a_bad_start_only_if_they_cost_more_alone_and_with_their_values(task):
    check, loss = checks.one_hots_train_badly, "squared error" if task == "autoencode" else "cross-entropy"
    keys, values = f"keys alone are worse ({loss})", f"keys and values are worse ({loss})"
    assert denied(check(starts(0.9, 0.8, 0.4, task=task))) == []
    assert denied(check(starts(0.1, 0.4, 0.4, task=task))) == [keys, values]
    assert denied(check(starts(0.9, 0.4, 0.4, task=task))) == [keys]
    assert denied(check(starts(0.1, 0.8, 0.4, task=task))) == [values]
    assert check(starts(0.9, 0.8, 0.4, task=task)[:3]) is None


def test_one_hots_that_are_a_bad_start_with_one_loss_alone_are_so_in_part():
    both = [*starts(0.9, 0.8, 0.4), *starts(0.4, 0.4, 0.4, task="classify_hard")]
    finding = checks.one_hots_train_badly(both)
    assert finding.verdict == "partly"
    assert len(finding.parts) == 4
    assert finding.measured == (
        "cross-entropy, steps: random 40, keys 40, keys and values 40; "
        "squared error, final loss: random 0.4, keys 0.8, keys and values 0.9"
    )


def test_a_start_is_judged_on_its_own_data_alone():
    assert checks.sparse_samples_train_well(starts(0.9, 0.8, 0.4)) is None
    assert checks.one_hots_train_badly(starts(0.9, 0.8, 0.4, "sparse")) is None
    assert checks.sparse_samples_train_well(starts(0.9, 0.8, 0.4, "sparse")).verdict == "fails"
    assert checks.sparse_samples_train_well(starts(0.44, 9.9, 0.41, "sparse")).verdict == "holds"


def test_memorised_is_the_first_step_below_a_hundredth_of_a_guess():
    result = made(NAMES, np.eye(6), np.eye(6), loss=0.001)
    assert checks.steps_to_memorise(result) == 100
    assert checks.steps_to_memorise(made(NAMES, np.eye(6), np.eye(6), loss=0.05)) is None


# each part of a check turns at its own threshold: networks that are nothing but what is measured of them


@pytest.fixture
def measured(monkeypatch):
    """The checks take what a network does from what was made up of it."""
    monkeypatch.setattr(checks, "_flow", lambda result: result.flow)
    monkeypatch.setattr(checks, "_readable", lambda result, levels=2: result.readable[levels])
    monkeypatch.setattr(checks, "_cosine", lambda result: result.cosine)


def network(experiment=NAMES, accuracy=1.0, loss=0.0, readable=(0.99, 0.99), cosine=0.0, flow=None, **weights):
    return SimpleNamespace(
        experiment=experiment,
        metrics={"train_accuracy": accuracy, "train_loss": loss},
        readable=dict(zip((2, 9), readable, strict=True)),
        cosine=cosine,
        flow=SimpleNamespace(**flow or {}),
        **{name: np.asarray(values, float) for name, values in weights.items()},
    )


DECISIVE = {
    "cosines are close to 1 at last",
    "1 with little decay",
    "9 of 10 pairs share hardly a neuron",
    "so do 9 of 10 with at most 4 neurons",
    "two neurons cannot be read as on and off",
}


def denied(finding, decisive=DECISIVE):
    """The parts that are not so; those that a verdict cannot do without are the ones it names as decisive."""
    assert set(finding.decisive) == decisive & finding.parts.keys()
    return [part for part, so in finding.parts.items() if not so]


RIGHT, TABLE = "every input is right", "a table of neurons on or off answers alike"
SHARED = LIST.with_(n_features=20, n_hidden=10)  # centred one-hots have 19 directions: 9 are lost, 0.45 of the loss
CROWDED = LIST.with_(n_features=64, n_hidden=4)  # 59 of 63 are lost, 0.9219


@pytest.mark.parametrize(
    ("check", "networks", "said"),
    [
        ("one_hots_are_a_dictionary", [network(SHARED, 1.0, 0.458, (0.95, 0))], []),
        ("one_hots_are_a_dictionary", [network(SHARED, 1.0, 0.9)], []),  # its loss is told alone
        ("one_hots_are_a_dictionary", [network(SHARED, 1.0, 0.45, (0.94, 0))], [TABLE]),
        ("one_hots_are_a_dictionary", [network(SHARED, 0.95, 0.45)], ["every input is largest at its own output"]),
        ("one_hots_are_a_dictionary", [network(SHARED.with_(n_hidden=18), 1.0, 0.05)], []),
        ("one_hots_are_a_dictionary", [network(SHARED.with_(n_hidden=19))], None),
        ("squared_error_needs_neurons", [network(CROWDED, 0.89, 0.94)], []),
        ("squared_error_needs_neurons", [network(CROWDED, 0.9, 0.94)], ["it misses one input of ten"]),
        ("squared_error_needs_neurons", [network(CROWDED.with_(n_features=32), 0.5, 0.8)], []),
        ("squared_error_needs_neurons", [network(CROWDED.with_(n_features=31), 0.5, 0.8)], None),
        (
            "squared_error_needs_neurons",
            [
                network(e, float(e != CROWDED), 0.9)
                for e in (CROWDED, CROWDED.with_(n_hidden=2), SHARED, CROWDED.with_(n_hidden=7))
            ],
            [],
        ),
        ("entropy_is_a_dictionary", [network(readable=(0.95, 0))], []),
        ("entropy_is_a_dictionary", [network(readable=(0.94, 0))], [TABLE]),
        ("entropy_is_a_dictionary", [network(accuracy=0.99)], [RIGHT]),
        ("entropy_is_a_dictionary", [network(NAMES.with_(steps=3000), 0.5), network(NAMES.with_(steps=1000))], []),
        ("entropy_is_a_dictionary", [network(NAMES.with_(n_hidden=2))], None),
        ("entropy_is_a_dictionary", [network(NAMES.with_(n_hidden=3))], []),
        ("simple_networks_are_readable", [network(NAMES.with_(n_features=9, n_hidden=8), readable=(0.95, 0))], []),
        (
            "simple_networks_are_readable",
            [network(NAMES.with_(n_features=40, n_hidden=m), readable=(0.94 + m / 800, 0)) for m in (7, 8, 32)],
            [],
        ),
        (
            "simple_networks_are_readable",
            [network(NAMES.with_(n_features=40, n_hidden=m), readable=(0.93 + m / 800, 0)) for m in (8, 32)],
            ["the table answers as the network"],
        ),
    ],
)
def test_what_is_read_off_a_list_turns_at_its_thresholds(check, networks, said, measured):
    finding = getattr(checks, check)(networks)
    assert (finding and denied(finding, DECISIVE | {TABLE})) == said


@pytest.mark.parametrize(
    ("coarse", "finer", "wide", "said"),
    [
        (0.49, 0.7, 0.8, []),
        (0.51, 0.72, 0.82, ["two neurons cannot be read as on and off"]),
        (0.4, 0.59, 0.8, ["more levels help"]),
        (0.4, 0.7, 0.69, ["it grows with the neurons"]),
        (0.4, 0.61, 0.71, []),
    ],
)
def test_two_neurons_are_compared_with_more_levels_and_with_more_neurons(coarse, finer, wide, said, measured):
    found = [network(NAMES.with_(n_hidden=2), readable=(coarse, finer))]
    found += [network(NAMES.with_(n_features=40, n_hidden=m), readable=(each, 0)) for m, each in ((4, 1), (8, wide))]
    assert denied(checks.reading_needs_neurons(found)) == said
    assert checks.reading_needs_neurons(found[1:]) is None
    assert checks.reading_needs_neurons(found[:2]) is None


@pytest.mark.parametrize(
    ("negative", "below", "lows", "said"),
    [
        (4, 10, 7, []),
        (3, 10, 7, ["a fifth of W1 is negative"]),
        (4, 11, 7, ["19 of 20 entries of W1 + b1 are not"]),
        (4, 10, 6, ["barely: the lowest entry is close to 0"]),
    ],
)
def test_how_far_the_first_bias_lifts_turns_at_its_thresholds(negative, below, lows, said, measured):
    W1 = np.where(np.arange(20) < negative, -1, 1).reshape(5, 4)
    pre = np.zeros((20, 10)) + np.linspace(0, 1, 20)[:, None]
    pre[:, :lows] += 0.24  # within a quarter of the range above 0
    pre[:, lows:] += 0.26
    pre[1, 0] = -0.019
    pre[2 : 2 + min(below, 10), 0] = -0.021
    pre[3, 1] = -0.021 if below > 10 else 0.5
    found = network(LIST, flow={"hidden_pre": pre}, W1=W1)
    assert denied(checks.first_bias_lifts([found])) == said


def leaning(correlation, towards, other):
    """A vector with this correlation to one of two that are centred and orthogonal."""
    return correlation * towards + np.sqrt(1 - correlation**2) * other


@pytest.mark.parametrize(
    ("left", "now", "then", "said"),
    [
        (0.047, 0.91, 0.51, []),
        (0.048, 0.91, 0.51, ["the outputs are levelled"]),
        (0.047, 0.1, 0.51, []),  # where W2 is at the end is told alone
        (0.047, 0.91, 0.49, ["its pattern is that of W2's start"]),
    ],
)
def test_what_the_second_bias_does_turns_at_its_thresholds(left, now, then, said, measured, monkeypatch):
    b2, other = np.array([1.0, -1, 0]) / np.sqrt(2), np.array([1.0, 1, -2]) / np.sqrt(6)
    W2, start = (-leaning(value, b2, other)[:, None] / 2 * np.ones(2) for value in (now, then))
    monkeypatch.setattr(checks, "initial_parameters", lambda experiment: {"W2": start})
    output = left * b2 + np.array([[0.2], [0.4]])  # spread over outputs: 0.047 / 0.953 = 0.0493 of that without b2
    assert denied(checks.second_bias_levels([network(LIST, flow={"output": output}, b2=b2, W2=W2)])) == said


@pytest.mark.parametrize(
    ("none", "said"),
    [(0.79, []), (0.81, ["without the hidden ReLU the loss is a fifth lower"])],
)
def test_a_relu_is_in_the_way_by_a_fifth_of_the_loss(none, said):
    losses = {"mlp": 1.0, "unembed": none, "mlp_relu_output": 0.5, "relu_output": 0.1}
    found = [network(e, loss=losses[e.arch]) for e in checks.which_relu(CROWDED)]
    assert denied(checks.middle_relu_is_the_limit(found)) == said


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [(0.049, 0.151, []), (0.051, 0.151, ["some cluster"]), (0.049, 0.149, ["others lie all over"])],
)
def test_cosines_cluster_below_their_mark_and_spread_beyond_another(least, most, said, measured, monkeypatch):
    monkeypatch.setattr(checks.metrics, "cosines", lambda hidden: hidden)
    found = []
    for n, spread in zip(range(7, 13), (least, 0.1, 0.1, 0.1, 0.1, most), strict=True):
        pair = spread * np.sqrt(1.5)  # 0, x and -x have a standard deviation of x times the root of two thirds
        cosines = np.array([[9, 0, pair], [9, 9, -pair], [9, 9, 9]])
        found.append(network(LIST.with_(n_features=n), flow={"hidden": cosines}))
    finding = checks.cosines_cluster_or_spread(found)
    assert denied(finding) == said
    assert finding.measured == (
        f"standard deviation of the cosines from {least} (n = 7, m = 6) to {most} (n = 12, m = 6)"
    )
    assert checks.cosines_cluster_or_spread(found[1:]) is None


EARLY, LATE = NAMES.with_(steps=1000), NAMES.with_(steps=3000)


@pytest.mark.parametrize(
    ("means", "largest", "said"),
    [
        ((-1, -1.1), (1, 1.06), []),
        ((-1, -0.01), (1, 1.06), []),
        ((-1, -1.1), (1, 1.04), ["activations grow"]),
        ((0.01, -1), (1, 1.06), ["W2 is negative on average"]),
        ((-1, 0.01), (1, 1.06), ["W2 is negative on average"]),
    ],
)
def test_growth_with_cross_entropy_turns_at_its_thresholds(means, largest, said, measured):
    found = [
        network(e, flow={"hidden": np.array([[0.0, top]])}, W2=np.array([[mean - 1, mean + 1]]))
        for e, mean, top in zip((EARLY, LATE), means, largest, strict=True)
    ]
    assert denied(checks.entropy_grows(found)) == said


@pytest.mark.parametrize(
    ("early", "late", "accuracies", "said"),
    [
        (0.5, 0.951, (1, 1), []),
        (0.5, 0.949, (1, 1), ["cosines are close to 1 at last"]),
        (0.99, 0.951, (1, 1), []),
        (0.5, 0.99, (0.99, 1), [RIGHT]),
        (0.5, 0.99, (1, 0.99), [RIGHT]),
    ],
)
def test_cosines_must_be_high_at_last_and_every_input_right(early, late, accuracies, said, measured):
    found = [network(EARLY, accuracies[0], cosine=early), network(LATE, accuracies[1], cosine=late)]
    assert denied(checks.entropy_cosines(found)) == said


@pytest.mark.parametrize(
    ("before", "above", "lead", "said"),
    [
        (7, 9, 0.051, []),
        (7, 8, 0.051, ["9 of 10 entries of W1 + b1 are above 0"]),
        (9, 9, 0.051, ["b1 lifts"]),
        (7, 9, 0.049, ["b2 brings the worst input further ahead"]),
    ],
)
def test_what_both_biases_do_with_cross_entropy_turns_at_its_thresholds(before, above, lead, said, measured):
    W1, pre = (np.where(np.arange(10) < count, 1, -1).reshape(5, 2) for count in (before, above))
    output = np.eye(2) * (1 + lead)  # without b2 the first is ahead by 1
    found = network(NAMES, flow={"hidden_pre": pre, "output": output}, W1=W1, b2=[lead, 0])
    shorter, narrow = network(NAMES.with_(steps=50)), network(NAMES.with_(steps=200, n_hidden=2))
    assert denied(checks.entropy_biases([narrow, found, shorter])) == said


@pytest.mark.parametrize(
    ("largest", "cosines", "means", "readable", "said"),
    [
        (1.79, (0.93, 0.89), (-1.0, -0.89), 0.95, []),
        (1.81, (0.93, 0.89), (-1.0, -0.89), 0.95, ["activations are smaller by a tenth"]),
        (1.79, (0.99, 0.971), (-1.0, -0.89), 0.95, ["hidden vectors differ more"]),
        (1.79, (0.99, 0.969), (-1.0, -0.89), 0.95, []),
        (1.79, (0.93, 0.89), (-1.0, -0.91), 0.95, ["W2 is less negative"]),
        (1.79, (0.93, 0.89), (-1.0, 0.91), 0.95, ["W2 is less negative"]),
        (1.79, (0.93, 0.89), (-1.0, -0.89), 0.94, [TABLE]),
    ],
)
def test_what_weight_decay_does_turns_at_its_thresholds(largest, cosines, means, readable, said, measured):
    found = [
        network(
            NAMES.with_(weight_decay=decay),
            readable=(table, 0),
            cosine=cosine,
            flow={"hidden": np.array([[0.0, top]])},
            W2=[[mean]],
        )
        for decay, cosine, mean, top, table in zip(
            (0.01, 1.0), cosines, means, (2, largest), (0, readable), strict=True
        )
    ]
    narrow = [network(NAMES.with_(weight_decay=decay, n_hidden=2)) for decay in (0.01, 1.0)]
    assert denied(checks.weight_decay_counteracts(narrow + found + narrow)) == said
    assert checks.weight_decay_counteracts(narrow) is None


@pytest.mark.parametrize(
    ("cosines", "said"),
    [
        ((0.981, 0.981, 0.96), []),
        ((0.979, 0.981, 0.96), ["1 with little decay"]),
        ((0.981, 0.979, 0.95), ["1 with little decay"]),
        ((0.99, 0.981, 0.962), ["lower with much"]),
    ],
)
def test_cosines_over_weight_decay_turn_at_their_thresholds(cosines, said, measured):
    decays = (0.0, 0.01, 1.0)
    found = [network(NAMES.with_(weight_decay=d), cosine=c) for d, c in zip(decays, cosines, strict=True)]
    assert denied(checks.entropy_cosines_over_decay(found)) == said
    for missing in range(3):
        assert checks.entropy_cosines_over_decay(found[:missing] + found[missing + 1 :]) is None


@pytest.mark.parametrize(
    ("both", "pairs", "height", "said"),
    [
        (1, 9, 0.5, []),
        (2, 9, 0.5, ["9 of 10 pairs share hardly a neuron"]),
        (1, 8, 0.5, ["9 of 10 pairs share hardly a neuron"]),
        (2, 8, 0.09, []),  # less than a tenth of the largest activation is off
    ],
)
def test_opposite_inputs_share_at_most_a_tenth_of_their_neurons(both, pairs, height, said, measured):
    hidden = np.zeros((20, 10))
    hidden[0::2, :6], hidden[1::2, 6:] = 1, 1
    hidden[1::2, :both] = height
    hidden[2 * pairs + 1 :: 2, :3] = height  # the other pairs share three
    found = network(NAMES.with_(data="antipodal"), flow={"hidden": hidden})
    assert denied(checks.antipodal_halves([found])) == said


@pytest.mark.parametrize(
    ("few", "others", "said"),
    [
        (1, 1, []),
        (2, 0, ["so do 9 of 10 with at most 4 neurons"]),
        (1, 2, ["9 of 10 networks have all inputs right"]),
    ],
)
def test_one_list_of_ten_may_miss_inputs(few, others, said):
    found = [network(NAMES.with_(n_features=n, n_hidden=4), float(n >= 50 + few) * 0.99) for n in range(50, 60)]
    found += [network(NAMES.with_(n_features=n, n_hidden=5), 0.98 + 0.02 * (n >= 50 + others)) for n in range(50, 60)]
    assert denied(checks.entropy_needs_few_neurons(found)) == said
    assert (checks.entropy_needs_few_neurons(found[:12]), checks.entropy_needs_few_neurons(found[:11])) != (None, None)
    assert checks.entropy_needs_few_neurons(found[:11]) is None


FAN = 20
TURNS = 0.245, 0.25  # how much of the lengths alternates: neighbours differ 0.79 and 0.81 times as much as any two


def fan(gap=89, above=38, span=71, mixed=1.0, lost=3, accuracy=1.0):
    """Two neurons: the widest gap of W1, entries of W1 + b1 above 0 of 40, the span of the hidden vectors, how much of
    their lengths alternates, and the inputs that b2 alone brings on top."""
    around = np.radians([0, gap, *np.linspace(gap, 360, 6)[1:-1]])
    angles = np.radians(np.linspace(5, 5 + span, FAN))
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lengths = 1 + mixed * (np.arange(FAN) % 2) + (1 - mixed) * np.arange(FAN) / FAN
    order = np.random.default_rng(0).permutation(FAN)
    hidden = (rows * lengths[:, None])[order]
    return network(
        NAMES.with_(n_features=FAN, n_hidden=2),
        accuracy,
        flow={"hidden": hidden, "hidden_pre": np.where(np.arange(40) < above, 1, -1).reshape(20, 2)},
        W1=[np.cos(around), np.sin(around)],
        W2=rows[order] * (np.arange(FAN) >= lost)[:, None],
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"gap": 91}, ["W1 points in all directions"]),
        ({"above": 37}, ["b1 lifts 19 of 20 entries above 0"]),
        ({"span": 69}, ["the hidden vectors span about 90°"]),
        ({"mixed": TURNS[0]}, ["neighbours in angle differ in length"]),
        ({"mixed": TURNS[1]}, []),
        ({"lost": 2}, ["b2 selects"]),
        ({"accuracy": 0.98}, [RIGHT]),
        ({"accuracy": 0.94}, [RIGHT, "b2 selects"]),
    ],
)
def test_each_part_of_the_fan_turns_at_its_own_threshold(changes, said, measured):
    assert denied(checks.two_neurons_hold_64([fan(**changes)]), {RIGHT}) == said
    worse = fan()
    worse.metrics["train_loss"] = 1.0
    assert denied(checks.two_neurons_hold_64([worse, fan(**changes)]), {RIGHT}) == said


@pytest.mark.parametrize(
    ("table", "keys", "said"),
    [
        (1.11, 1.11, []),
        (1.09, 1.11, ["keys and values are worse"]),
        (1.11, 1.09, ["keys alone are worse"]),
    ],
)
@pytest.mark.parametrize(("task", "loss"), [("autoencode", "squared error"), ("classify_hard", "cross-entropy")])
def test_a_start_is_worse_from_a_tenth_on(table, keys, said, task, loss):
    # The keys' cost is the median of three starts.
    others = {"training_points": 0.1, "one_hots": 9.0}
    found = [
        start(each.experiment, others.get(each.experiment.init, cost_of(each)))
        for each in starts(table, keys, 1.0, task=task)
    ]
    assert denied(checks.one_hots_train_badly(found)) == [f"{part} ({loss})" for part in said]
    sparse = starts(table, 9.0, 1.0, "sparse", task)
    assert denied(checks.sparse_samples_train_well(sparse)) == [f"no worse ({loss})"] * (table > 1.1)


def cost_of(result):
    return result.metrics["train_loss"]


@pytest.mark.parametrize("recipe", ["quick", "plain", "notebook"])
def test_only_the_quick_recipe_trains_longer_on_one_hots(recipe):
    evidence = CLAIMS["starting_as_dictionary"].evidence(recipe, 10)
    assert {each.steps for each in evidence} == {8_000 if recipe == "quick" else 3_000}
    assert {(each.data, each.n_features, each.n_hidden) for each in evidence} == {("one_hot", 20, 10)}
    assert {each.task for each in evidence} == {"autoencode", "classify_hard"}


def test_a_shorter_training_with_warm_up_warms_up_for_as_large_a_part_of_it():
    evidence = CLAIMS["entropy_cosines"].evidence("notebook", 10)
    assert [(each.steps, each.warmup) for each in evidence] == [(1_000, 250), (3_000, 750)]
    assert [(each.steps, each.warmup) for each in CLAIMS["entropy_cosines"].evidence("quick", 10)] == [
        (1_000, 0),
        (3_000, 0),
    ]


def test_other_recipes_train_every_network_of_the_comparison_at_their_own_rate():
    rates = {
        recipe: [e.lr for e in CLAIMS["middle_relu_is_the_limit"].evidence(recipe, 10)]
        for recipe in ("quick", "plain", "notebook")
    }
    assert rates == {"quick": [1e-3, 1e-3, 1e-2, 1e-2], "plain": [1e-3] * 4, "notebook": [5e-3] * 4}


@pytest.mark.parametrize("claim", checks.CLAIMS, ids=lambda claim: claim.id)
def test_every_claim_of_the_post_says_what_the_post_says(claim):
    assert claim.own != bool(claim.post_says)
    assert all(text == "" or text.endswith(".") for text in (claim.post_says, claim.changed, claim.note))
    assert len([part for part in claim.post_says.split(". ") if part]) <= 2


@pytest.mark.parametrize(
    ("experiment", "loss", "step"),
    [
        (NAMES, 0.01 * np.log(6), 7),
        (NAMES, 0.0101 * np.log(6), None),
        (LIST, 0.01, 7),
        (LIST, 0.0101, None),
    ],
)
def test_what_is_memorised_has_a_hundredth_of_the_loss_of_a_guess(experiment, loss, step):
    result = SimpleNamespace(experiment=experiment, losses=np.array([1, loss]), loss_steps=np.array([3, 7]))
    assert checks.steps_to_memorise(result) == step


QUICK = ["one_hots_are_a_dictionary", "first_bias_lifts", "second_bias_levels", "squared_error_needs_neurons"]
QUICK += ["entropy_is_a_dictionary", "entropy_biases", "antipodal_halves", "reading_needs_neurons"]
QUICK += ["middle_relu_is_the_limit", "simple_networks_are_readable", "weight_decay_counteracts"]


@pytest.mark.parametrize("id", QUICK)
def test_every_claim_is_judged_on_its_own_evidence(id):
    claim = CLAIMS[id]
    found = claim.check([train(experiment) for experiment in claim.evidence("quick", 0)])
    assert isinstance(found, Finding)
    assert found.measured


def test_no_claim_is_judged_on_nothing():
    for claim in checks.CLAIMS:
        assert claim.check([]) is None


# the views

PAGE = studies.page("dictionaries")
VIEWS = {view.id: view for view in PAGE.views}
NAMED = {name: settings.EXPERIMENTS[name].paper for name in settings.EXPERIMENTS if name.startswith("dictionary")}
SHIPPED = Store(None, GALLERY)
views = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)


def seen(view, known=SHIPPED.get, **changes):
    """The choice, the plan with the best seed opened, the sweep, and every block by its id."""
    choice = view.default(**changes)
    plan = view.plan(choice).settled(known)
    sweep_ = Sweep([r for each in plan.experiments if (r := known(each))], plan.experiments)
    opened = [sweep_.get(each) or live.unfinished(each, None) for each in plan.opened]
    blocks = [*view.show(choice, plan, sweep_), *view.inside(choice, *opened)]
    return choice, plan, sweep_, {block.id: block for block in blocks}


def matrix(block, title):
    """A matrix of a chart, over its frames: (f, cells)."""
    cells, units = block.chart.data["cells"], block.chart.data["scales"]["unit"]
    frame = block.chart.data["panels"]
    (place,) = frame.index[frame["title"] == title] if (frame["title"] != "").any() else (0,)
    box = frame.loc[place]
    here = (cells["left"] >= box["left"] - 1e-9) & (cells["right"] <= box["right"] + 1e-9)
    here &= cells["dx"] == box["dx"]
    return np.array([cells.loc[here, f"v{f}"].to_numpy(dtype=float) * unit for f, unit in enumerate(units)])


@views
def test_every_figure_of_the_stage_is_there_trained_or_not_with_the_same_specification(view):
    _, plan, _, trained = seen(view)
    _, _, sweep_, waiting = seen(view, lambda _: None)
    assert (len(sweep_), len(plan.opened)) == (0, 1)
    staged = [*ids(view.stage), *ids(view.inside_stage)]
    for id in staged:
        assert json.dumps(trained[id].chart.spec) == json.dumps(waiting[id].chart.spec), id
        assert trained[id].chart.data.keys() == waiting[id].chart.data.keys()
        for name, rows in waiting[id].chart.data.items():
            assert len(rows), (id, name)
    assert {"width", "height"} & {key for id in staged for key in trained[id].chart.spec} <= {"height"}
    texts = [block.markdown for block in [*trained.values(), *waiting.values()] if isinstance(block, Text)]
    assert not [text for text in texts if "nan" in text or "None" in text]


@views
def test_the_best_seed_is_opened_unless_another_is_chosen(view):
    choice, plan, sweep_, _ = seen(view)
    assert choice.seed is None
    first = view.plan(choice).opened[0]
    assert first.seed == 0
    rivals = [r for r in sweep_ if r.experiment.with_(seed=0) == first]
    assert len(rivals) == choice.seeds
    best = min(rivals, key=lambda r: r.metrics["train_loss"])
    assert plan.opened == (best.experiment,)
    assert view.plan(choice).settled(lambda _: None).opened == (first,)
    assert view.plan(view.default(seed=5)).settled(SHIPPED.get).opened == (first.with_(seed=5),)


@views
def test_whatever_can_be_chosen_is_small_enough_to_be_shown_while_it_trains(view):
    largest = {each.id: c.MOST for each in view.every_control if each.id in ("n_features", "n_hidden", "n", "m")}
    (opened,) = view.plan(view.default(**largest)).opened
    assert not too_large(opened)


def test_the_views_show_what_flows_through_the_network_at_every_frame():
    _, plan, _, blocks = seen(VIEWS["squared"])
    result = SHIPPED.get(plan.opened[0])
    frames = len(result.frame_steps)
    for k in range(frames):
        W1, b1, W2, b2 = (result.frames[name][k].astype(float) for name in ("W1", "b1", "W2", "b2"))
        h = np.maximum(W1.T + b1, 0)
        expected = {"keys: W1ᵀ": W1.T, "W1ᵀ + b1": W1.T + b1, "h, after the ReLU": h, "values: W2": W2}
        expected["output"] = h @ W2.T + b2
        for title, values in expected.items():
            drawn = matrix(blocks["weights"], title)
            assert len(drawn) == frames
            np.testing.assert_allclose(drawn[k], values.ravel(), atol=2e-4, err_msg=title)
    meta = blocks["weights"].chart.data["meta"].iloc[0]
    everything = max(np.abs(matrix(blocks["weights"], title)).max() for title in expected)
    assert meta["largest"] == pytest.approx(everything, rel=1e-3)  # one scale for all


def test_a_list_of_pairs_has_a_row_for_each_and_on_in_both_is_the_smaller_of_its_halves():
    _, plan, _, blocks = seen(VIEWS["antipodal"], seed=1)
    result = SHIPPED.get(plan.opened[0])
    inputs = np.repeat(np.eye(10), 2, axis=0) * np.tile([1, -1], 10)[:, None]
    h = np.maximum(inputs @ result.W1.T + result.b1, 0)
    both = np.minimum(h[0::2], h[1::2])
    np.testing.assert_allclose(matrix(blocks["halves"], "on in both")[-1], both.ravel(), atol=2e-4)
    share = both.sum() / np.maximum(h[0::2], h[1::2]).sum()
    assert f"on in both is {share:.1%} of what is on in either" in blocks["network"].markdown
    scale = blocks["halves"].chart.data["meta"].iloc[0]["largest"]
    assert scale >= h.max() - 1e-3  # what is nothing beside the halves is drawn as nothing


def test_the_seeds_are_told_by_their_loss_over_the_lowest_possible():
    _, plan, sweep_, blocks = seen(VIEWS["squared"])
    points = blocks["seeds"].chart.data["points"]
    over = {r.experiment.seed: r.metrics["train_loss"] / 0.45 - 1 for r in sweep_}
    np.testing.assert_allclose(points["value"], [max(over[seed], 1e-4) for seed in points["seed"]])
    assert points["seed"].tolist() == list(range(8))
    assert blocks["seeds"].pick == {"seed": "seed"}
    assert blocks["seeds"].chart.data["meta"]["selected"].tolist() == [plan.opened[0].seed]
    more = dict(over) | {3: 0.5}
    rows = pd.DataFrame({"seed": list(more), "value": list(more.values()), "note": "100%"})
    chart = charts.by_seed(rows, range(8), "Loss", ends=(1e-4, 0.1))
    assert chart.data["meta"].iloc[0]["high"] >= 0.5  # a higher one moves the end of the axis
    assert chart.data["meta"].iloc[0]["low"] == pytest.approx(1e-4)


def test_the_text_tells_the_lowest_loss_and_how_many_seeds_end_higher():
    _, _, sweep_, blocks = seen(VIEWS["squared"])
    losses = [r.metrics["train_loss"] for r in sweep_]
    higher = sum(loss > 1.02 * 9 / 20 + 1e-4 for loss in losses)
    assert "$(n - 1 - m)/n = 0.45$" in blocks["told"].markdown
    assert f"has **{min(losses):.4g}** ({min(losses) / 20:.4f})" in blocks["told"].markdown
    assert f"{higher} of them end higher" in blocks["told"].markdown


def test_the_two_biases_are_told_as_before_and_after():
    _, plan, _, blocks = seen(VIEWS["entropy"])
    result = SHIPPED.get(plan.opened[0])
    h = np.maximum(result.W1.T + result.b1, 0)
    for title, logits in (("without b2", h @ result.W2.T), ("with b2", h @ result.W2.T + result.b2)):
        others = np.where(np.eye(20) > 0, -np.inf, logits).max(axis=1)
        lead = np.diag(logits) - others
        assert f"{lead.min():.2f} {'without it' if 'out' in title else 'with it'}" in blocks["roles_told"].markdown
    assert result.experiment.steps == 3000


def test_growth_and_likeness_are_measured_at_each_length():
    _, _, sweep_, blocks = seen(VIEWS["entropy"])
    points = blocks["growth"].chart.data["points"]
    assert sorted(set(points["steps"])) == [1000, 3000]
    result = sweep_.at(steps=1000, seed=2).results[0]
    here = points[(points["steps"] == 1000) & (points["seed"] == 2)].set_index("line")["value"]
    assert here["max |W|"] == pytest.approx(max(np.abs(result.W1).max(), np.abs(result.W2).max()))
    assert here["max h"] == pytest.approx((result.W1.T + result.b1).max())
    assert here["−mean W2"] == pytest.approx(-result.W2.mean())
    assert blocks["growth"].pick == {"steps": "length", "seed": "seed"}


def test_the_decays_are_drawn_from_one_seed_on_one_scale_and_a_click_opens_one():
    _, _, sweep_, blocks = seen(VIEWS["decay"], seed=3)
    of_seed = {r.experiment.weight_decay: r for r in sweep_.at(seed=3)}
    assert list(of_seed) == [1.0, 0.0, 0.01, 0.1]  # the opened one first
    for decay, result in of_seed.items():
        keys, values = (matrix(blocks[id], f"decay {decay:g}")[0] for id in ("keys", "values"))
        np.testing.assert_allclose(keys, (result.W1.T + result.b1).ravel(), atol=2e-4)
        np.testing.assert_allclose(values, result.W2.ravel(), atol=2e-4)
    assert set(blocks["keys"].chart.data["cells"]["weight_decay"]) == {0, 0.01, 0.1, 1}
    assert blocks["keys"].pick == {"weight_decay": "decay"}


def test_two_neurons_are_a_fan_whose_spread_and_answers_are_told():
    _, plan, _, blocks = seen(VIEWS["plane"])
    result = SHIPPED.get(plan.opened[0])
    h = np.maximum(result.W1.T + result.b1, 0)
    angles = np.degrees(np.arctan2(h[:, 1], h[:, 0]))
    right = ((h @ result.W2.T).argmax(axis=1) == np.arange(64)).mean()
    assert f"span {np.ptp(angles):.0f}°" in blocks["network"].markdown
    assert f"without it {right:.0%} of the answers are right" in blocks["network"].markdown
    logits = (h @ result.W2.T + result.b2).astype(np.longdouble)  # no overflow up to 1e4932
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(matrix(blocks["answers"], "")[-1], shares.ravel(), atol=1e-3)


def test_the_view_tells_how_far_the_cosines_spread_and_counts_each_pair_once():
    _, _, _, blocks = seen(VIEWS["cosines"])
    spreads = []
    for n in (16, 32, 64):
        result = SHIPPED.get(NAMED["dictionary_sizes"].with_(n_features=n, n_hidden=32))
        hidden = np.maximum(result.W1.T + result.b1, 0)
        unit = hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
        spreads.append((unit @ unit.T)[np.tril_indices(n, -1)].std())
    told = blocks["squared_told"].markdown
    assert f"{min(spreads):.2f} to {max(spreads):.2f} at m = 32" in told
    assert f"the least is {min(spreads):.3f}" in told
    assert blocks["squared"].sets == {"loss": "mse"}
    assert blocks["entropy"].sets == {"loss": "cross_entropy"}
    assert VIEWS["cosines"].plan(VIEWS["cosines"].default(loss="cross_entropy", decay=0.1)).opened == (
        NAMED["dictionary_cross_entropy"].with_(weight_decay=0.1),
    )


def test_a_map_holds_the_best_seed_of_each_cell_beside_the_lowest_loss():
    _, _, sweep_, blocks = seen(VIEWS["sizes"])
    cells = blocks["mse_loss"].chart.data["cells"].set_index(["training_size", "n_hidden"])
    result = sweep_.get(NAMED["dictionary_sizes"].with_(n_features=16, n_hidden=4))
    assert cells.loc[(16, 4), "value"] == pytest.approx(result.metrics["train_loss"] / 16)
    assert cells.loc[(16, 4), "floor"] == pytest.approx((16 - 1 - 4) / 16**2)
    assert len(cells) == 30
    exact = blocks["cross_entropy_loss"].chart.data["cells"]
    zeros = [r for r in sweep_.at(task="classify_hard") if r.metrics["train_loss"] == 0]
    assert exact["zero"].sum() == len(zeros) > 0
    assert f"exactly 0 is in {len(zeros)} of 30 networks" in blocks["told"].markdown
    kinds = {"mlp": 1e-3, "unembed": 1e-3, "mlp_relu_output": 1e-2, "relu_output": 1e-2}
    base = NAMED["dictionary_sizes"].with_(n_features=64, n_hidden=4)
    losses = [sweep_.get(base.with_(arch=arch, lr=lr)).metrics["train_loss"] / 64 for arch, lr in kinds.items()]
    assert blocks["relus"].frame["loss, mean over outputs"].tolist() == [f"{loss:.5f}" for loss in losses]


def test_of_two_seeds_a_cell_is_the_better_one_and_an_opened_one_beside_them_is_none():
    base = NAMED["dictionary_sizes"].with_(n_features=8, n_hidden=2)
    three = [
        made(base.with_(seed=seed), np.ones((2, 8)), np.ones((8, 2)), loss=loss)
        for seed, loss in enumerate((0.9, 0.8, 0.1))
    ]
    choice = VIEWS["sizes"].default(seeds=2, seed=2, sizes=(8,), widths=(2,))
    cells = sizes.size_cells(sizes.of_loss(choice, "mse", Sweep(three, [r.experiment for r in three])))
    assert cells[["value", "seed"]].to_numpy().tolist() == [[pytest.approx(0.1), 1]]


@pytest.mark.parametrize("network", ["unembed", "mlp_relu_output", "relu_output"])
def test_every_network_of_the_maps_can_be_opened(network):
    view = VIEWS["sizes"]
    choice = view.default(network=network, sizes=(8,), widths=(2,), n=8, m=2)
    (opened,) = view.plan(choice).opened
    assert (opened.arch, opened.lr) == (network, 1e-3 if network == "unembed" else 1e-2)
    result = train(opened.with_(steps=50))
    blocks = {block.id: block for block in view.inside(choice, result)}
    h = result.W1.T + result.b1
    h = np.maximum(h, 0) if opened.arch_row.hidden_relu else h
    np.testing.assert_allclose(matrix(blocks["weights"], "values: W2")[-1], result.W2.ravel(), atol=1e-3)
    output = h @ result.W2.T + result.b2
    output = np.maximum(output, 0) if opened.arch_row.output_relu else output
    np.testing.assert_allclose(matrix(blocks["output"], "")[-1], output.ravel(), atol=1e-3)


@pytest.mark.parametrize("id", ["entropy", "decay", "plane", "cosines"])
@pytest.mark.parametrize(
    ("text", "start"),
    [("0", ("zeros", 0)), ("uniform", ("linear_uniform", 0)), ("10", ("zeros", 10)), ("-0.5", ("zeros", -0.5))],
)
def test_the_biases_of_cross_entropy_start_as_chosen(id, text, start):
    view = VIEWS[id]
    (bias,) = (each for each in view.controls if each.id == "bias")
    plan = view.plan(view.default(bias=bias.read(text)))
    crosses = [e for e in plan.experiments if e.task == "classify_hard"]
    assert {(e.bias_init, e.bias_offset) for e in crosses} == {start}


def test_a_start_that_is_no_number_and_no_word_is_refused_with_what_is_possible():
    with pytest.raises(ValueError, match="bias=high is not a number: -100 to 100 or uniform or normal"):
        c.LIFT.read("high")


def test_biases_that_start_at_ten_make_the_vectors_point_the_same_way_unless_the_decay_is_high():
    base = settings.EXPERIMENTS["dictionary_cross_entropy"].paper.with_(bias_init="zeros", bias_offset=10.0)
    low, high = (checks._cosine(train(base.with_(weight_decay=decay))) for decay in (0.01, 1.0))
    assert low > 0.95
    assert high < 0.7


PATH = "pages/appendix/dictionaries.py"


@views
def test_a_view_opens_over_what_is_shipped_with_its_best_seed_and_trains_nothing(view, monkeypatch, no_jobs):
    monkeypatch.setattr(runtime, "store", lambda: SHIPPED)
    monkeypatch.setattr(runtime, "jobs", no_jobs)  # nothing may be asked of it
    app = again(app_at(PATH, view=view.id, v="2"))
    assert not app.exception
    _, plan, _, blocks = seen(view)
    assert f"{len(plan.experiments)} networks, trained and kept." in text(app)
    assert blocks["network"].markdown in text(app)
    assert f"key: `{plan.opened[0].key}`" in text(opened_below(app))


def test_a_list_that_is_missing_is_trained_and_then_its_best_seed_opened(stand_in):
    app = again(app_at(PATH, view="squared", n_features="7", n_hidden="3", seeds="3", v="2"))
    assert "**Training:** 0 of 3 networks" in text(app)
    assert "On the screen: seed 0." in text(app)
    stand_in.finish()
    losses = {r.experiment.seed: r.metrics["train_loss"] for r in stand_in.store._memory.values()}
    assert "3 networks, trained and kept." in text(again(app))
    assert f"7 inputs, 3 neurons, seed {min(losses, key=losses.get)}." in text(app)


# links of before there were views: what the page of then had trained, written out

SQUARED, ENTROPY = NAMED["dictionary"], NAMED["dictionary_cross_entropy"]
PAIRS, LONG, GRID = NAMED["dictionary_antipodal"], NAMED["dictionary_64"], NAMED["dictionary_sizes"]
CROSS_GRID = NAMED["dictionary_sizes_cross_entropy"]
DECAYS, SIZES, WIDTHS = (0.0, 0.01, 0.1, 1.0), (4, 8, 16, 32, 64), (2, 4, 8, 16, 32, 64)
LIFTED = {"bias_init": "zeros", "bias_offset": 3.0}


def cosines_of(seeds, **lift):
    grid = sweep(GRID, n_features=(16, 32, 64), n_hidden=(4, 8, 16, 32), seed=seeds)
    return grid + sweep(ENTROPY.with_(**lift), weight_decay=DECAYS, seed=seeds)


def maps_of(arch="mlp", lr=1e-3, seeds=(0,)):
    grid = sweep(GRID.with_(arch=arch, lr=lr), n_features=SIZES, n_hidden=WIDTHS, seed=seeds)
    named = sweep(CROSS_GRID, n_features=SIZES, n_hidden=WIDTHS, seed=seeds)
    few = GRID.with_(n_features=64, n_hidden=4)
    relus = [few, few.with_(arch="unembed"), *(few.with_(arch=a, lr=1e-2) for a in ("mlp_relu_output", "relu_output"))]
    return grid + named + [each.with_(seed=seed) for each in relus for seed in seeds]


OLD = [  # address, view, networks, and what tells the opened one
    ("tab=Squared error", "squared", sweep(SQUARED, seed=range(8)), {"seed": 0}),
    ("squared_seeds=2&look=1", "squared", sweep(SQUARED, seed=range(2)), {"seed": 1}),
    (
        "tab=Squared error&squared_one_hots=40&squared_neurons=16&squared_weight_decay=0&squared_bias=uniform&"
        "squared_seeds=1&entropy_lr=0.1",
        "squared",
        [SQUARED.with_(n_features=40, n_hidden=16, weight_decay=0.0, bias_init="linear_uniform")],
        {"seed": 0},
    ),
    *(
        (f"squared_bias={name}&squared_seeds=1", "squared", [SQUARED.with_(bias_init=start, bias_offset=offset)], {})
        for name, (start, offset) in settings.BIAS_STARTS.items()
    ),
    ("tab=Cross-entropy", "entropy", sweep(ENTROPY, steps=(1000, 3000), seed=range(4)), {"steps": 3000, "seed": 0}),
    (
        "tab=Cross-entropy&entropy_one_hots=5&entropy_neurons=3&entropy_lift=3&entropy_lr=0.03&"
        "entropy_weight_decay=1&entropy_seeds=2&look=1",
        "entropy",
        sweep(
            ENTROPY.with_(n_features=5, n_hidden=3, lr=0.03, weight_decay=1.0, **LIFTED),
            steps=(1000, 3000),
            seed=range(2),
        ),
        {"steps": 3000, "seed": 1},
    ),
    (
        "tab=Cross-entropy&entropy_optimizer=SGD&entropy_lift=as nn.Linear&entropy_seeds=1",
        "entropy",
        sweep(ENTROPY.with_(optimizer="sgd", weight_decay=0.0, lr=0.1), steps=(1000, 3000)),
        {"seed": 0},
    ),
    ("tab=Weight decay", "decay", sweep(ENTROPY, weight_decay=DECAYS, seed=range(4)), {"seed": 0}),
    (
        "tab=Weight decay&decay_one_hots=10&decay_neurons=4&decay_lr=0.003&decay_seeds=2&look=1",
        "decay",
        sweep(ENTROPY.with_(n_features=10, n_hidden=4, lr=0.003), weight_decay=DECAYS, seed=range(2)),
        {"seed": 1},
    ),
    ("tab=Opposite inputs", "antipodal", sweep(PAIRS, seed=range(4)), {"seed": 0}),
    (
        "tab=Opposite inputs&antipodal_one_hots=20&antipodal_neurons=16&antipodal_weight_decay=0.01&antipodal_seeds=1",
        "antipodal",
        [PAIRS.with_(n_features=20, n_hidden=16, weight_decay=0.01)],
        {"seed": 0},
    ),
    ("tab=Two neurons", "plane", sweep(LONG, seed=range(8)), {"seed": 0}),
    (
        "tab=Two neurons&plane_one_hots=20&plane_weight_decay=0.1&plane_seeds=2&look=0",
        "plane",
        sweep(LONG.with_(n_features=20, weight_decay=0.1), seed=range(2)),
        {"seed": 0},
    ),
    ("tab=Cosines", "cosines", cosines_of((0,)), {}),
    ("tab=Cosines&cosines_lift=3&cosines_seeds=2", "cosines", cosines_of((0, 1), **LIFTED), {}),
    ("tab=Size against size", "sizes", maps_of(), {}),
    ("tab=Size against size&list_network=no ReLU", "sizes", maps_of("unembed"), {}),
    (
        "tab=Size against size&list_network=ReLU on the output (the bottleneck)&sizes_seeds=2",
        "sizes",
        maps_of("relu_output", 1e-2, (0, 1)),  # with two seeds of the table too, of which there was one
        {},
    ),
    (
        "tab=Size against size&list_network=ReLU in the middle and on the output",
        "sizes",
        maps_of("mlp_relu_output", 1e-2),
        {},
    ),
]


@pytest.mark.parametrize(("address", "id", "networks", "opened"), OLD, ids=[row[0] for row in OLD])
def test_a_link_of_before_there_were_views_opens_the_networks_that_it_did(address, id, networks, opened):
    name, parameters = link(f"http://localhost:8501/dictionaries?{address}")
    found = studies.page(name).read(parameters)
    assert (found.view.id, found.not_understood) == (id, ())
    plan = found.view.plan(found.choice)
    assert set(plan.experiments) == set(networks)
    assert {field: getattr(plan.opened[0], field) for field in opened} == opened
    assert any(plan.rivals) == ("look" not in address)


def test_every_view_and_every_parameter_of_before_has_a_link_in_the_table():
    assert {row[1] for row in OLD} == set(VIEWS)
    said = {name for row in OLD for name in parse_qs(row[0])}
    assert said == {*c.FIRST_PARAMETERS, "tab"}
