"""The MLP block: what single neurons stand for, its double descent, and the claims about both."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from toyviz import data, gallery, metrics, probe, settings, tables, theory
from toyviz.claims import CLAIMS, judge, mlp_block
from toyviz.experiment import Experiment, sweep
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
SHELF = {15: 20.0, 100: 6.0, 200: 3.0, 500: 2.3, 850: 3.6, 1000: 2.2, 1300: 0.99, 2000: 0.99}


@pytest.mark.parametrize(("name", "base"), [("mlp_double_descent", MLP), ("mlp_literal_double_descent", LITERAL)])
def test_a_peak_in_between_is_double_descent_and_a_steady_fall_is_not(name, base):
    assert CLAIMS[name].check(sweep_of(base, PEAK)).verdict == "holds"
    assert CLAIMS[name].check(sweep_of(base, FALL)).verdict != "holds"
    assert CLAIMS[name].check(sweep_of(base, dict(reversed(FALL.items())))).verdict != "holds"
    assert CLAIMS[name].check(sweep_of(base, {15: 1.0, 50: 2.0, 100: 1.0})) is None


@pytest.mark.parametrize("name", ["mlp_double_descent", "mlp_literal_double_descent"])
def test_a_peak_may_be_local_and_a_shelf_without_one_is_none(name):
    base = LITERAL if "literal" in name else MLP
    assert CLAIMS[name].check(sweep_of(base, SHELF)).verdict == "holds"
    for flat in ({850: 2.5}, {850: 2.1}):  # less than a tenth above what lies before, and none at all
        assert CLAIMS[name].check(sweep_of(base, SHELF | flat)).verdict == "fails"
    few = {15: 2.0, 30: 1.0, 50: 3.0, 200: 0.9, 1000: 0.9}  # a peak, but that of the rank
    assert CLAIMS[name].check(sweep_of(base, few)).verdict == "fails"


def silenced(network):
    """The same with all hidden units negative on every sample."""
    start = initial_parameters(network.experiment)
    return result(network.experiment, start | {"b1": start["b1"] - 9}, **network.metrics)


@pytest.mark.parametrize("name", ["mlp_literal_double_descent", "descent_at_every_width_literal"])
def test_a_dead_network_on_a_shelf_makes_no_peak(name):
    widths = (2,) if name == "mlp_literal_double_descent" else (2, 3, 4, 8)
    found = [r for m in widths for r in sweep_of(LITERAL, SHELF | {200: 0.99, 850: 2.1}, n_hidden=m)]
    assert CLAIMS[name].check(found).verdict == "holds"  # from a network of use at T = 200 it would be one
    dead = [silenced(r) if r.experiment.n_samples == 200 else r for r in found]
    finding = CLAIMS[name].check(dead)
    assert finding.verdict == "fails"
    if name == "mlp_literal_double_descent":
        assert finding.measured.endswith("; all hidden units are dead at T = 200")
    assert CLAIMS[name].check([silenced(r) for r in found]).verdict == "fails"


def test_each_variant_of_the_mlp_is_judged_by_itself():
    assert CLAIMS["mlp_double_descent"].check(sweep_of(LITERAL, PEAK)) is None
    assert CLAIMS["mlp_literal_double_descent"].check(sweep_of(MLP, PEAK)) is None


def test_most_widths_must_peak_and_at_about_the_same_size():
    check = CLAIMS["descent_at_every_width"].check
    alike = [r for m in (2, 3, 4, 8) for r in sweep_of(MLP, PEAK, n_hidden=m)]
    assert check(alike).verdict == "holds"
    late = {15: 1.0, 50: 1.1, 200: 1.2, 1000: 3.0, 2000: 1.0}
    early = {15: 1.0, 50: 1.1, 150: 3.0, 1000: 1.05, 2000: 1.0}
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


def lifted(offset, base=MLP):
    """Networks around the transition whose hidden vectors lie around offset."""
    found = []
    for T in mlp_block.HORSESHOE_SIZES[base.arch]:
        experiment = base.with_(n_samples=T)
        start = initial_parameters(experiment)
        bare = probe.hidden_vectors(result(experiment, start))
        found.append(result(experiment, start | {"b1": np.float32(offset * np.abs(bare).max(axis=0))}))
    return found


def test_a_bias_that_lifts_the_hidden_vectors_into_the_first_quadrant_is_told_from_one_that_does_not():
    for name, base in (("bias_lifts_the_ring", MLP), ("bias_lifts_the_ring_literal", LITERAL)):
        check = CLAIMS[name].check
        assert check(lifted(1.0, base)).verdict == "holds"
        down = check(lifted(-0.5, base))
        assert not down.parts["every bias is positive"]
        assert not down.parts["with it nearly all is positive"]
        assert check([silenced(r) for r in lifted(1.0, base)]).verdict == "fails"
        assert check(lifted(1.0, base)[1:]) is None


def test_a_dead_hidden_unit_is_told_apart_from_one_that_the_bias_lifts():
    found = lifted(1.0, LITERAL)
    half = [result(r.experiment, r.parameters | {"b1": r.b1 * np.float32([1, -9])}) for r in found]
    finding = CLAIMS["bias_lifts_the_ring_literal"].check(half)
    assert finding.verdict == "partly"
    assert denied(finding) == ["every hidden unit is in use"]
    assert finding.measured.startswith("at T = 1300, 2000, 1, 1 of 2 hidden units are dead; of the others ")


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


# each part of a check turns at its own threshold


DECISIVE = {
    "it peaks at some T >= 100, a tenth above what lies on either side",
    "in the end features stand out",
    "twice chance",
    "no chance (p < 0.01)",
    "without it a part is negative",
    "with it nearly all is positive",
    "they are their start, shrunk as weight decay says",
    "most widths have a peak inside",
    "it peaks at T = 9 or 10",
}


def denied(finding):
    """The parts that are not so; those that a verdict cannot do without are the ones it names as decisive."""
    assert set(finding.decisive) == DECISIVE & finding.parts.keys()
    return [part for part, so in finding.parts.items() if not so]


@pytest.mark.parametrize(("weight", "so"), [(0.81, True), (0.79, False), (1.19, True), (1.21, False), (-0.9, True)])
def test_the_weight_of_every_neuron_must_be_close_to_one(weight, so):
    (dense, *_) = networks((0, 0, 0, 0))
    dense.parameters["W1"][2, 2] = weight
    finding = CLAIMS["monosemantic_when_dense"].check([dense])
    assert denied(finding) == ([] if so else ["its weight is close to 1"])


def test_the_neurons_must_stand_for_the_most_important_features():
    (dense, *_) = networks((0, 0, 0, 0))
    dense.parameters["W1"][4] = np.eye(10)[5]
    finding = CLAIMS["monosemantic_when_dense"].check([dense])
    assert denied(finding) == ["they are the most important ones"]


def test_a_neuron_fewer_at_a_sparser_density_is_allowed_and_two_are_not():
    check = CLAIMS["sparsity_makes_polysemantic"].check
    assert denied(check(networks((0, 3, 2, 5)))) == []
    assert denied(check(networks((0, 3, 1, 5)))) == ["never two fewer at a sparser one"]
    assert denied(check(networks((1, 3, 2, 5)))) == ["none where all features are active"]
    assert "superposition grows" in denied(check(networks((5, 5, 5, 5))))
    assert check(networks((0, 3, 2, 5))[:3]) is None
    assert check(networks((0, 3, 2, 5))[1:]) is None


INSIDE, DOWN = "it peaks at some T >= 100, a tenth above what lies on either side", "at the largest T it has come down"


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ({10: 0.1, 15: 1.0, 100: 1.11, 500: 1.0, 1000: 0.4}, []),  # few samples do not count
        ({10: 0.1, 15: 1.0, 100: 1.09, 500: 1.0, 1000: 0.4}, [INSIDE, DOWN]),
        ({15: 1.0, 99: 3.0, 500: 1.0, 1000: 0.4}, [INSIDE, DOWN]),
        ({15: 1.0, 200: 3.0, 500: 1.0, 1000: 2.7}, []),
        ({15: 1.0, 200: 3.0, 500: 1.0, 1000: 2.8}, [DOWN]),
        ({15: 1.0, 200: 3.0, 500: 2.8, 1000: 2.8}, [INSIDE, DOWN]),
        ({15: 1.0, 200: 3.0, 1000: 1.0}, None),
        ({15: 1.0, 200: 3.0, 500: 1.0, 999: 1.0}, None),
    ],
)
def test_the_peak_of_the_mlp_stands_out_by_a_tenth_on_both_sides(losses, said):
    finding = CLAIMS["mlp_double_descent"].check(sweep_of(MLP, losses))
    assert (finding and denied(finding)) == said


ABOUT, LESS = "few samples have about 2 / T of a dimension each", "the more samples, the less each has"
STAND_OUT = "in the end features stand out"


@pytest.mark.parametrize(
    ("shares", "features", "said"),
    [
        ({}, 0.151, []),
        *(({T: 2 / T * times}, 0.151, []) for T in (3, 5, 6) for times in (0.71, 1.39)),
        *(({T: 2 / T * times}, 0.151, [ABOUT]) for T in (3, 5, 6) for times in (0.69, 1.41)),
        ({100: 0.34}, 0.151, [LESS]),
        ({2000: 0.03}, 0.151, [LESS]),
        ({}, 0.149, [STAND_OUT]),
    ],
)
def test_dimensions_of_the_mlp_change_hands_at_their_thresholds(shares, features, said, monkeypatch):
    known = {3: 2 / 3, 5: 2 / 5, 6: 2 / 6, 100: 2 / 100, 2000: 1 / 2000} | shares

    def dimensionality(points):
        if len(points) == MLP.n_features:
            return points[:, 0]
        np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-6)
        return known[len(points)] * np.where(np.arange(len(points)) == 0, 9, 1)  # the median is what counts

    monkeypatch.setattr(metrics, "dimensionality", dimensionality)
    found = []
    for T in known:
        W1 = np.zeros((2, MLP.n_features), np.float32)
        W1[0, 7] = features if T == 2000 else 0.05
        found.append(result(MLP.with_(n_samples=T), {"W1": W1}))
    finding = CLAIMS["mlp_dimensions"].check(found)
    assert denied(finding) == said
    if not shares:
        assert finding.measured == (
            "median sample 1.00, 1.00, 1.00 times 2 / T at T = 3, 5, 6, 1.00 at T = 100; the largest feature 0.050 at "
            f"T = 100, {features:.3f} at T = 2000"
        )
    for missing in range(5):
        assert CLAIMS["mlp_dimensions"].check(found[:missing] + found[missing + 1 :]) is None


@pytest.mark.parametrize(
    ("narrow", "wide", "said"),
    [
        (0.0021, {}, []),
        (0.0019, {}, ["twice chance"]),
        (0.0021, {2000: 0.021}, []),
        (0.0021, {2000: 0.019}, ["more with m = 16, at least 2 %"]),
        (0.03, {2000: 0.031}, []),
        (0.03, {2000: 0.029}, ["more with m = 16, at least 2 %"]),
        (0.0021, {1000: 0.0, 2000: 0.021}, []),
        (0.0021, {1999: 0.0}, []),
        (0.0, {2000: 0.0}, ["twice chance", "no chance (p < 0.01)", "more with m = 16, at least 2 %"]),
    ],
)
def test_accuracy_is_compared_with_chance_and_with_that_of_more_neurons(narrow, wide, said):
    found = [result(MLP.with_(n_samples=2000), test_accuracy=narrow)]
    found += [result(MLP.with_(n_samples=T, n_hidden=16), test_accuracy=right) for T, right in wide.items()]
    finding = CLAIMS["mlp_generalises"].check(found)
    assert denied(finding) == said
    if 2000 in wide:
        assert finding.measured.endswith(f" (chance 0.10%), {wide[2000]:.2%} with m = 16")


def test_an_accuracy_that_is_missing_is_not_judged_as_zero():
    check = CLAIMS["mlp_generalises"].check
    narrow, wide = MLP.with_(n_samples=2000), MLP.with_(n_samples=2000, n_hidden=16)
    assert check([result(narrow, test_accuracy=None), result(wide, test_accuracy=0.03)]) is None
    finding = check([result(narrow, test_accuracy=0.0021), result(wide, test_accuracy=None)])
    assert list(finding.parts) == ["twice chance", "no chance (p < 0.01)"]


@pytest.mark.parametrize(("right", "so"), [(7, True), (6, False)])
def test_seven_right_answers_where_two_are_chance_are_none_and_six_may_be(right, so):
    many = MLP.with_(n_samples=2000, n_features=5000)  # a Poisson mean of 2: 0.0045 for seven and more, 0.017 for six
    finding = CLAIMS["mlp_generalises"].check([result(many, test_accuracy=right / 10_000)])
    assert denied(finding) == ([] if so else ["no chance (p < 0.01)"])


@pytest.mark.parametrize(
    ("negative", "lost", "biases", "said"),
    [
        ((10, 20, 30), (0, 0, 0), (2, 2, 2), []),
        ((10, 20, 27), (0, 0, 0), (2, 2, 2), ["without it a part is negative"]),
        ((30, 30, 30), (20, 10, 0), (2, 2, 2), []),
        ((30, 30, 30), (20, 13, 0), (2, 2, 2), ["with it nearly all is positive"]),
        ((30, 30, 30), (0, 0, 0), (2, 2, 0), ["every bias is positive"]),
    ],
)
def test_the_share_that_a_bias_lifts_is_a_mean_over_t(negative, lost, biases, said, monkeypatch):
    found, inputs = [], {}
    for T, below, far_below, b in zip(mlp_block.HORSESHOE_SIZES[MLP.arch], negative, lost, biases, strict=True):
        experiment = MLP.with_(n_samples=T)
        bare = np.where(np.arange(100) < far_below, -9.0, np.where(np.arange(100) < below, -1.0, 1.0))
        inputs[T] = bare[:, None] * (np.arange(MLP.n_features) == 0)
        W1 = np.zeros((2, MLP.n_features))
        W1[:, 0] = 1
        found.append(result(experiment, initial_parameters(experiment) | {"W1": W1, "b1": np.array([b, 3.0])}))
    monkeypatch.setattr(probe, "seen_samples", lambda r: SimpleNamespace(inputs=inputs[r.experiment.n_samples]))
    assert denied(CLAIMS["bias_lifts_the_ring"].check(found)) == said
    assert CLAIMS["bias_lifts_the_ring"].check(found[1:]) is None


SHRUNK, SQUARES, NONE = (
    "they are their start, shrunk as weight decay says",
    "uniform starts give squares",
    "normal starts give none",
)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"squareness": 1.18}, []),
        ({"squareness": 1.16}, [SQUARES]),
        ({"init": "xavier_normal", "squareness": 1.14}, []),
        ({"init": "xavier_normal", "squareness": 1.16}, [NONE]),
        ({"deviation": 1.1e-3}, [SHRUNK]),
        ({"squareness": 1.0, "count": 499}, []),
        ({"squareness": 1.0, "count": 500}, [SQUARES]),
        ({"squareness": 1.0, "T": 50}, [SQUARES]),
        ({"squareness": 1.0, "T": 51}, []),
        ({"squareness": 1.0, "n_hidden": 3}, []),
    ],
)
def test_one_start_of_several_is_enough_to_deny_that_squares_are_the_start(second, said, monkeypatch):
    usual = {"init": "xavier_uniform", "squareness": 1.3, "deviation": 0.9e-3, "count": 500, "T": 5, "n_hidden": 2}
    known, found = {}, []
    for k, row in enumerate((usual, usual | {"init": "xavier_normal", "squareness": 1.1}, usual | second)):
        e = MLP.with_(n_samples=row["T"], init=row["init"], n_hidden=row["n_hidden"], seed=k)
        columns = np.zeros((row["count"], 2))
        known[e] = tables.NeverActive(columns, columns, 1.0, row["deviation"], row["squareness"])
        found.append(result(e))
    monkeypatch.setattr(tables, "never_active", lambda r: known[r.experiment])
    assert denied(CLAIMS["squares_are_the_start"].check(found)) == said
    assert CLAIMS["squares_are_the_start"].check(found[:1]) is None


@pytest.mark.parametrize(
    ("rising", "early", "said"),
    [
        (3, 200, []),
        (4, 200, ["most widths have a peak inside"]),
        (3, 190, ["at about the same T"]),
    ],
)
def test_seven_widths_of_ten_must_peak_inside_and_within_a_factor_of_five(rising, early, said):
    found = []
    for m in range(2, 12):
        top = early if m == 9 else 1000
        losses = {T: 3.0 if top == T else 1.0 for T in (15, 50, 190, 200, 1000)}
        losses |= {} if m < 2 + rising else {2000: 1.0}  # else the loss still rises at the end
        found += sweep_of(MLP, losses, n_hidden=m)
    assert denied(CLAIMS["descent_at_every_width"].check(found)) == said


@pytest.mark.parametrize(
    ("widths", "losses", "enough"),
    [
        (4, {15: 1.0, 50: 1.1, 200: 3.0, 500: 1.2, 1000: 1.0}, True),
        (3, {15: 1.0, 50: 1.1, 200: 3.0, 500: 1.2, 1000: 1.0}, False),
        (4, {10: 1.0, 50: 1.1, 200: 3.0, 500: 1.2, 1000: 1.0}, False),
        (4, {15: 1.0, 50: 1.1, 100: 2.0, 200: 3.0, 500: 1.2}, False),
    ],
)
def test_four_widths_over_five_sizes_up_to_a_thousand_are_enough(widths, losses, enough):
    found = [r for m in range(2, 2 + widths) for r in sweep_of(MLP, losses, n_hidden=m)]
    assert (CLAIMS["descent_at_every_width"].check(found) is not None) == enough


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({9: 1.68}, []),
        ({9: 1.66}, ["well above what lies before"]),
        ({3: 1.45}, ["it falls at first"]),
        ({2000: 0.999}, []),
        ({2000: 1.001}, ["many samples have less than one"]),
    ],
)
def test_the_peak_at_the_rank_turns_at_its_thresholds(changes, said):
    base = settings.EXPERIMENTS["mlp_at_its_rank"].quick
    bump = {3: 1.5, 5: 1.45, 8: 1.5, 9: 1.9, 15: 1.6, 50: 1.2, 2000: 0.98} | changes
    check = CLAIMS["mlp_literal_peaks_at_its_rank"].check
    assert denied(check(sweep_of(base, bump))) == said
    for missing in (5, 9, 2000):
        assert check(sweep_of(base, {T: loss for T, loss in bump.items() if missing != T})) is None
    assert check(sweep_of(base.with_(n_hidden=4), bump)) is None
    assert check(sweep_of(base.with_(bias_offset=0.0), bump)) is None


# the gallery


def test_the_gallery_has_what_the_double_descent_page_has_shown_at_first_since_there_is_one():
    first = ("double_descent", "double_descent_untied", "mlp", "mlp_relu_output")
    quick = {name: settings.EXPERIMENTS[name].quick for name in first}
    peak = quick["double_descent"].with_(schedule="constant", warmup=0)
    every = [e for base in quick.values() for e in sweep(base, seed=range(4), n_samples=settings.SAMPLE_SIZES)]
    for name, scale in (("mlp", "linear"), ("mlp_relu_output", "xavier"), ("double_descent_untied", "xavier")):
        inits = f"{scale}_uniform", f"{scale}_normal"
        every += sweep(quick[name], init=inits, n_samples=(5, 30, 100, 500))
    every += sweep(peak, lr=(0.01, 0.005), seed=range(2), n_samples=settings.SCHEDULE_SIZES)
    every += sweep(quick["mlp_relu_output"], n_hidden=settings.MAP_WIDTHS, n_samples=settings.MAP_COLUMNS)
    assert len({e.key for e in every}) == 321
    assert {e.key for e in every} <= {e.key for e in gallery.wanted()}


def test_the_evidence_around_n_is_that_of_the_network_whose_peak_lies_there():
    for recipe in mlp_block.TRAINED:
        for id, sizes in (
            ("mlp_literal_double_descent", settings.SAMPLE_SIZES),
            ("mlp_double_descent", settings.SAMPLE_SIZES),
        ):
            assert [e.n_samples for e in CLAIMS[id].evidence(recipe, 3)] == list(sizes)
        literal = CLAIMS["descent_at_every_width_literal"].evidence(recipe, 3)
        assert {e.n_samples for e in literal} == {*settings.MAP_SIZES, 850, 1150, 1300}
        assert {e.n_hidden for e in literal} == {*settings.MAP_WIDTHS}
        late = [
            e for e in CLAIMS["descent_at_every_width"].evidence(recipe, 3) if e.n_samples not in settings.MAP_SIZES
        ]
        assert {(e.n_samples, e.n_hidden) for e in late} == {(5000, 8), (5000, 16)}
    keys = [CLAIMS["mlp_literal_double_descent"].evidence(recipe, 3)[0].key for recipe in mlp_block.TRAINED]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("claim", [c for c in mlp_block.CLAIMS if not c.own], ids=lambda claim: claim.id)
def test_every_claim_of_the_post_says_what_the_post_says(claim):
    assert claim.post_says.endswith(".")
    assert not claim.changed or claim.changed.endswith(".")
    assert claim.post_claims


def test_the_evidence_of_the_privileged_basis_are_different_starts_for_each_seed():
    claim = CLAIMS["monosemantic_when_dense"]
    first, second = ({e.seed for e in claim.evidence("quick", seed)} for seed in (0, 1))
    assert len(first) == len(second) == settings.STARTS
    assert not first & second
