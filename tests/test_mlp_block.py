"""The MLP block: what single neurons stand for, its double descent, and the claims about both."""

import math

import numpy as np
import pytest

from toyviz import charts, data, metrics, probe, settings, tables, theory
from toyviz.claims import CLAIMS, judge, mlp_block
from toyviz.experiment import Experiment
from toyviz.model import initial_parameters
from toyviz.result import Result
from toyviz.train import train

BASIS = settings.EXPERIMENTS["privileged_basis"].quick
MLP = settings.EXPERIMENTS["mlp_relu_output"].quick
LITERAL = settings.EXPERIMENTS["mlp"].quick
SMALL = Experiment(
    arch="mlp_relu_output", n_features=40, n_hidden=2, n_samples=6, sparsity=0.9, normalize=True, steps=30, lr=0.01
)


def result(experiment, parameters=None, **metrics):
    """A result with these weights (the start by default) and metrics, without any training."""
    nothing = np.zeros(0)
    measured = {"train_loss": 1.0, "test_loss": 1.0, "train_accuracy": 0.0, "test_accuracy": 0.0} | metrics
    return Result(experiment, parameters or initial_parameters(experiment), nothing, nothing, nothing, {}, measured)


# what a neuron stands for


def test_a_neuron_stands_for_every_feature_with_a_weight_beyond_the_threshold_of_either_sign():
    W1 = np.array([[1.0, 0.0, 0.2], [-0.5, 0.0, 0.4], [0.0, 0.3, 0.0]])
    assert metrics.features_of_neurons(W1).tolist() == [1, 2, 0]


def test_neurons_come_in_the_order_of_their_largest_feature():
    W1 = np.array([[0.0, 0.0, -2.0], [1.0, 0.0, 0.5], [0.0, 0.7, 0.0]])
    assert metrics.neuron_order(W1).tolist() == [1, 2, 0]


def test_stacks_grow_away_from_the_axis_by_exactly_their_weights():
    W1 = np.array([[0.5, -0.25, 1.0], [-1.0, -0.5, 0.001]])
    blocks = charts.stacks([("S", W1, np.zeros(3), ["poly", "poly"])]).data["blocks"]
    drawn = blocks[blocks["name"] == ""]
    np.testing.assert_allclose(drawn["end"] - drawn["start"], drawn["weight"])
    for neuron, weights in enumerate(W1, start=1):
        ends = drawn[drawn["neuron"] == neuron][["start", "end"]].to_numpy()
        assert ends.max(initial=0) == pytest.approx(weights[weights > 0].sum(), abs=0.01)
        assert ends.min(initial=0) == pytest.approx(weights[weights < 0].sum(), abs=0.01)
    assert drawn.iloc[0]["feature"] == 2  # the largest lies next to the axis
    assert blocks[blocks["name"] != ""]["name"].tolist() == ["poly", "poly"]


# vectors and starts


def test_the_stages_of_a_hidden_vector_differ_by_the_bias_and_by_the_relu():
    trained = train(SMALL)
    bare, pre, after = (tables.vectors(trained, stage).samples for stage in tables.STAGES[1::-1] + tables.STAGES[2:])
    np.testing.assert_allclose(pre - bare, np.tile(trained.b1, (6, 1)), atol=1e-6)
    np.testing.assert_array_equal(after, np.maximum(pre, 0))
    assert tables.vectors(trained) is tables.vectors(trained, "pre")


@pytest.mark.parametrize("init", ["xavier_uniform", "linear_uniform"])
def test_a_uniform_start_fills_its_bound_and_never_leaves_it(init):
    experiment = MLP.with_(init=init)
    largest = np.abs(initial_parameters(experiment)["W1"]).max()
    bound = theory.start_bound(experiment)
    assert 0.99 * bound < largest <= bound * (1 + 1e-6)


def test_a_normal_start_has_no_bound():
    with pytest.raises(ValueError, match="xavier_normal"):
        theory.start_bound(MLP.with_(init="xavier_normal"))


@pytest.mark.parametrize("arch", ["mlp", "mlp_relu_output", "relu_output_untied"])
def test_training_only_shrinks_the_columns_of_features_that_are_never_active(arch):
    found = tables.never_active(train(SMALL.with_(arch=arch, weight_decay=1.0)))
    active = data.training_samples(SMALL).X.any(axis=0)
    assert len(found.columns) == (~active).sum() > 0
    assert len(found.others) == active.sum() > 0
    assert found.factor == pytest.approx(0.99**30, rel=1e-6)
    assert found.deviation < 1e-4


def test_a_tied_network_has_no_column_that_training_leaves_alone():
    with pytest.raises(ValueError, match="relu_output"):
        tables.never_active(result(SMALL.with_(arch="relu_output")))


def test_only_a_linear_output_has_a_rank_floor_and_a_trained_network_stays_above_it():
    literal = train(SMALL.with_(arch="mlp", n_samples=20, steps=300))
    floor = tables.rank_floor(literal)
    assert 0 < floor <= literal.metrics["train_loss"]
    assert tables.rank_floor(result(SMALL)) is None


# charts


def test_the_square_that_theory_leaves_of_a_start_is_drawn_with_its_side():
    points = np.array([[0.1, -0.2], [0.3, 0.4]])
    dots = charts.starts([("uniform", "T = 5", points, points, 0.4)]).data["dots"]
    square = dots[dots["kind"] == "square"]
    assert len(square) == 5
    assert set(np.abs(square[["x", "y"]].to_numpy()).ravel()) == {0.4}


# claims: they hold for what they say, and fail for what contradicts it


def networks(several):
    """A group of privileged-basis networks over density; several[k] neurons of the k-th stand for two features."""
    found = []
    for sparsity, count in zip((0.0, 0.65, 0.9, 0.99), several, strict=True):
        W1 = np.eye(5, 10, dtype=np.float32)
        W1[:count, 5] = 0.5
        found.append(result(BASIS.with_(sparsity=sparsity), {"W1": W1, "b2": np.zeros(10, np.float32)}))
    return found


def test_one_feature_a_neuron_where_all_are_active_holds_and_a_second_one_breaks_it():
    check = CLAIMS["monosemantic_when_dense"].check
    assert check(networks((0, 0, 0, 5))).verdict == "holds"
    assert check(networks((1, 1, 1, 5))).verdict == "partly"
    assert check(networks((0, 0, 0, 5))[1:]) is None


def test_the_network_with_the_lowest_loss_decides_for_its_density():
    worse = [result(r.experiment.with_(seed=1), r.parameters, test_loss=2.0) for r in networks((3, 3, 3, 3))]
    assert judge(CLAIMS["monosemantic_when_dense"], networks((0, 0, 0, 5)) + worse).verdict == "holds"


def test_more_neurons_for_several_features_at_sparser_densities_hold_and_fewer_do_not():
    check = CLAIMS["sparsity_makes_polysemantic"].check
    assert check(networks((0, 2, 3, 5))).verdict == "holds"
    failed = {part for part, so in check(networks((0, 4, 1, 3))).parts.items() if not so}
    assert failed == {"all neurons at density 0.01", "never two fewer at a sparser one"}


def sweep_of(base, losses, **changes):
    return [result(base.with_(n_samples=T, **changes), test_loss=loss) for T, loss in losses.items()]


PEAK = {15: 1.0, 50: 1.1, 200: 3.0, 1000: 1.2, 2000: 1.01}
FALL = {15: 3.0, 50: 2.5, 200: 2.0, 1000: 1.1, 2000: 0.99}


@pytest.mark.parametrize(("name", "base"), [("mlp_double_descent", MLP), ("mlp_literal_double_descent", LITERAL)])
def test_a_peak_in_between_is_double_descent_and_a_steady_fall_is_not(name, base):
    assert CLAIMS[name].check(sweep_of(base, PEAK)).verdict == "holds"
    assert CLAIMS[name].check(sweep_of(base, FALL)).verdict != "holds"
    assert CLAIMS[name].check(sweep_of(base, dict(reversed(FALL.items())))).verdict != "holds"
    assert CLAIMS[name].check(sweep_of(base, {15: 1.0, 50: 2.0, 100: 1.0})) is None


def test_each_variant_of_the_mlp_is_judged_by_itself():
    assert CLAIMS["mlp_double_descent"].check(sweep_of(LITERAL, PEAK)) is None
    assert CLAIMS["mlp_literal_double_descent"].check(sweep_of(MLP, PEAK)) is None


def test_most_widths_must_peak_and_at_about_the_same_size():
    check = CLAIMS["descent_at_every_width"].check
    alike = [r for m in (2, 3, 4, 8) for r in sweep_of(MLP, PEAK, n_hidden=m)]
    assert check(alike).verdict == "holds"
    late = {15: 1.0, 50: 1.1, 200: 1.2, 1000: 3.0, 2000: 1.0}
    early = {15: 1.0, 50: 3.0, 200: 1.2, 1000: 1.1, 2000: 1.0}
    apart = [
        r for m, losses in ((2, early), (3, late), (4, early), (8, late)) for r in sweep_of(MLP, losses, n_hidden=m)
    ]
    assert not check(apart).parts["at about the same T"]
    falling = [r for m in (2, 3, 4, 8) for r in sweep_of(MLP, FALL, n_hidden=m)]
    assert check(falling).verdict == "fails"


def test_the_literal_mlp_must_peak_where_its_rank_is_used_up():
    check, base = CLAIMS["mlp_literal_peaks_at_its_rank"].check, settings.EXPERIMENTS["mlp_at_its_rank"].quick
    bump = {3: 1.5, 5: 1.45, 8: 1.5, 9: 1.9, 15: 1.6, 50: 1.2, 2000: 0.98}
    assert check(sweep_of(base, bump)).verdict == "holds"
    assert check(sweep_of(base, bump | {9: 1.5})).parts["well above what lies before"] is False
    assert check(sweep_of(base, bump | {10: 2.0})).verdict == "holds"
    for later in (11, 12, 15):
        assert check(sweep_of(base, bump | {later: 2.0})).parts["it peaks at T = 9 or 10"] is False
        assert check(sweep_of(base, bump | {later: 2.0})).verdict == "fails"
    assert check(sweep_of(base, bump, n_hidden=2)) is None
    assert check(sweep_of(LITERAL, bump, n_hidden=8)) is None


@pytest.mark.parametrize(("right", "count", "chance"), [(0, 20, 0.1), (3, 20, 0.1), (7, 30, 0.2)])
def test_the_chance_of_guessing_is_the_tail_of_a_binomial(right, count, chance):
    tail = sum(math.comb(count, k) * chance**k * (1 - chance) ** (count - k) for k in range(right, count + 1))
    assert mlp_block._by_chance(right, count, chance) == pytest.approx(tail)


def test_accuracy_beyond_chance_is_told_from_accuracy_at_chance():
    check, last = CLAIMS["mlp_generalises"].check, MLP.with_(n_samples=2000)
    assert check([result(last, test_accuracy=0.004)]).verdict == "holds"
    assert check([result(last, test_accuracy=0.0013)]).verdict == "fails"
    wide = result(last.with_(n_hidden=16), test_accuracy=0.003)
    assert check([result(last, test_accuracy=0.004), wide]).verdict == "partly"


def lifted(offset):
    """Networks around the transition whose hidden vectors lie around offset."""
    found = []
    for T in mlp_block.HORSESHOE_SIZES:
        experiment = MLP.with_(n_samples=T)
        start = initial_parameters(experiment)
        bare = probe.hidden_vectors(result(experiment, start))
        found.append(result(experiment, start | {"b1": np.float32(offset * np.abs(bare).max(axis=0))}))
    return found


def test_a_bias_that_lifts_the_hidden_vectors_into_the_first_quadrant_is_told_from_one_that_does_not():
    check = CLAIMS["bias_lifts_the_ring"].check
    assert check(lifted(1.0)).verdict == "holds"
    down = check(lifted(-1.0))
    assert not down.parts["every bias is positive"]
    assert not down.parts["with it nearly all is positive"]


def starts(noise=0.0, round_start="normal"):
    """Networks that did nothing but decay, plus noise, from both starts."""
    found = []
    for init in ("xavier_uniform", f"xavier_{round_start}"):
        experiment = MLP.with_(n_samples=5, init=init, seed=3)
        weights = initial_parameters(experiment)
        decayed = weights["W1"] * np.float32(theory.never_active_factor(experiment))
        decayed += noise * data.stream(0, "noise").standard_normal(decayed.shape).astype(np.float32)
        found.append(result(experiment, weights | {"W1": decayed}))
    return found


def test_columns_that_only_decayed_are_squares_of_their_uniform_start_and_disturbed_ones_are_not():
    check = CLAIMS["squares_are_the_start"].check
    assert check(starts()).verdict == "holds"
    assert check(starts()[:1]) is None


def test_columns_that_moved_are_no_start():
    disturbed = tables.never_active.__wrapped__(starts(noise=0.05)[0])
    assert disturbed.deviation > 0.1
    assert disturbed.squareness < 1.17


# the gallery


def test_the_gallery_has_the_default_of_every_view_of_the_double_descent_page():
    shipped = {experiment.key for experiment in settings.gallery()}
    assert {experiment.key for experiment in settings.descents()} <= shipped
    assert len({e.arch for e in settings.descents()}) == len(settings.DESCENTS)


def test_the_evidence_of_the_privileged_basis_are_different_starts_for_each_seed():
    claim = CLAIMS["monosemantic_when_dense"]
    first, second = ({e.seed for e in claim.evidence("quick", seed)} for seed in (0, 1))
    assert len(first) == len(second) == settings.STARTS
    assert not first & second
