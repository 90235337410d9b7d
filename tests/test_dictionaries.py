"""Lists in a few neurons: what training must leave alone, the table that is read off, its figures and its claims."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from toyviz import charts, data, decompiler, settings, theory, ui
from toyviz.claims import CLAIMS, Finding
from toyviz.claims import appendix as checks
from toyviz.experiment import Experiment
from toyviz.result import Result
from toyviz.store import GALLERY, Store
from toyviz.train import train

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
    base = settings.EXPERIMENTS["dictionary_cross_entropy"].post
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
    assert "[1e-05, 0.1]" in json.dumps(figure.spec)
    assert "1 of them 0" in figure.alt


def test_all_cosines_are_counted_also_those_at_the_ends():
    bins = charts.cosine_histograms([("a", "b", np.array([-1.0, 1.0, 0.3, 1.0000001]))], "", "").data["bins"]
    assert bins["share"].sum() == pytest.approx(1)


# claims: on networks that must pass, and on others that must not


def test_one_neuron_each_is_a_dictionary_but_not_one_that_had_to_share():
    shared = LIST.with_(n_features=20, n_hidden=10)
    found = checks.one_hots_are_a_dictionary([train(settings.EXPERIMENTS["dictionary"].quick)])
    assert found.parts["the loss is the lowest that m neurons allow"]
    blind = made(shared, np.zeros((10, 20)), np.zeros((20, 10)), loss=0.95, accuracy=0.0)
    assert list(checks.one_hots_are_a_dictionary([blind]).parts.values())[:2] == [False, False]
    assert checks.one_hots_are_a_dictionary([one_neuron_each()]) is None  # nothing has to be lost


def test_the_first_bias_lifts_only_where_it_is_there():
    W1 = np.where(np.eye(6) > 0, 1.0, -0.5)
    assert checks.first_bias_lifts([made(LIST, W1, np.eye(6), b1=0.5)]).verdict == "holds"
    without = checks.first_bias_lifts([made(LIST, W1, np.eye(6))])
    assert not without.parts["19 of 20 entries of W1 + b1 are not"]
    high = checks.first_bias_lifts([made(LIST, W1, np.eye(6), b1=5.0)])
    assert not high.parts["barely: the lowest entry is close to 0"]


def test_the_second_bias_must_level_and_undo_w2():
    W2 = np.eye(6) + np.arange(6)[:, None]
    hidden_mean = 1 / 6
    levelled = -(W2.sum(axis=1)) * hidden_mean
    found = checks.second_bias_levels([made(LIST, np.eye(6), W2, b2=levelled)])
    assert found.parts["the outputs are levelled"]
    assert found.parts["b2 undoes the row sums of W2"]
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
    hardly = checks.entropy_cosines([grown(1000, 1.0, lift=9.0), grown(3000, 1.0, lift=9.1)])
    assert [part for part, so in hardly.parts.items() if not so] == ["they grew"]


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

    assert checks.middle_relu_is_the_limit(four(1.0, 0.1, 0.95)).verdict == "holds"
    assert checks.middle_relu_is_the_limit(four(1.0, 1.0, 0.1)).verdict == "fails"
    assert checks.middle_relu_is_the_limit(four(1.0, 0.1, 0.95)[:2]) is None


def starts(table, keys, random):
    """Five starts with these final losses."""
    base = settings.EXPERIMENTS["starting_as_dictionary"].quick
    losses = dict.fromkeys(checks.STARTS, keys) | {"linear_uniform": random, "lookup_table": table}
    return [made(base.with_(init=i), np.ones((25, 100)), np.ones((100, 25)), loss=x) for i, x in losses.items()]


def test_starting_as_a_dictionary_is_bad_only_if_it_ends_higher():
    check = checks.starting_as_a_dictionary(("sparse", "autoencode"))
    assert check(starts(0.9, 0.8, 0.4)).verdict == "holds"
    assert check(starts(0.1, 0.4, 0.4)).verdict == "fails"
    assert check(starts(0.9, 0.4, 0.4)).verdict == "partly"
    assert check(starts(0.1, 0.8, 0.4)).verdict == "fails"
    assert check(starts(0.9, 0.8, 0.4)[:3]) is None


def test_a_start_is_judged_in_its_own_setting_alone():
    check = checks.starting_as_a_dictionary(("one_hot", "autoencode"))
    assert check(starts(0.9, 0.8, 0.4)) is None


def test_memorised_is_the_first_step_below_a_hundredth_of_a_guess():
    result = made(NAMES, np.eye(6), np.eye(6), loss=0.001)
    assert checks.steps_to_memorise(result) == 100
    assert checks.steps_to_memorise(made(NAMES, np.eye(6), np.eye(6), loss=0.05)) is None


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


# the page

PAGE = "pages/appendix/dictionaries.py"


@pytest.mark.parametrize("tab", ["Cross-entropy", "Cosines"])
@pytest.mark.parametrize(
    ("choice", "start"), [("0", ("zeros", 0)), ("as nn.Linear", ("linear_uniform", 0)), ("10", ("zeros", 10))]
)
def test_the_biases_of_cross_entropy_start_as_chosen(tab, choice, start, untrained, open_page, monkeypatch):
    monkeypatch.setattr(ui, "claim", lambda *_: None)
    store = untrained()
    key = {"Cross-entropy": "entropy_lift", "Cosines": "cosines_lift"}[tab]
    open_page(store, PAGE, tab=tab, **{key: choice})
    crosses = [e for e in store.wanted if e.task == "classify_hard"]
    assert {(e.bias_init, e.bias_offset) for e in crosses} == {start}


def test_biases_that_start_at_ten_make_the_vectors_point_the_same_way_unless_the_decay_is_high():
    base = settings.EXPERIMENTS["dictionary_cross_entropy"].post.with_(bias_init="zeros", bias_offset=10.0)
    low, high = (checks._cosine(train(base.with_(weight_decay=decay))) for decay in (0.01, 1.0))
    assert low > 0.95
    assert high < 0.7


def test_the_page_tells_how_far_the_cosines_spread(open_page):
    store, base = Store(None, GALLERY), settings.EXPERIMENTS["dictionary_sizes"].quick
    spreads = []
    for n in (16, 32, 64):
        result = store.get(base.with_(n_features=n, n_hidden=32))
        hidden = np.maximum(result.W1.T + result.b1, 0)
        unit = hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
        spreads.append((unit @ unit.T)[np.tril_indices(n, -1)].std())
    told = "".join(each.value for each in open_page(store, PAGE, tab="Cosines").caption)
    assert f"{min(spreads):.2f} to {max(spreads):.2f} at m = 32" in told
    assert f"the least is {min(spreads):.3f}" in told
