"""Bits that a network holds about its training set, held against tables and densities whose bits are known."""

import math

import numpy as np
import pytest

from toyviz import data, memory_bits, settings, studies, theory
from toyviz.experiment import sweep
from toyviz.result import Result
from toyviz.sweep import Sweep
from toyviz.train import train

SIGMA = 0.1
SMALL = settings.EXPERIMENTS["double_descent"].quick.with_(
    n_features=30, sparsity=0.8, steps=60, warmup=0, n_samples=12, schedule="constant"
)


@pytest.fixture(scope="module")
def trained():
    """Networks of two sizes of the training set and three seeds."""
    return [train(each) for each in sweep(SMALL, n_samples=(4, 12), seed=(0, 1, 2))]


def saying(experiment, output):
    """A network that says the same whatever it sees."""
    W1 = np.zeros((experiment.n_hidden, experiment.n_inputs), np.float32)
    parameters = {"W1": W1, "b2": np.asarray(output, np.float32)}
    nothing = np.empty(0)
    return Result(experiment, parameters, nothing, nothing, nothing, {}, {"train_loss": float(np.sum(output))})


def log_density(x, mean, sigma):
    """The natural logarithm of the Gaussian density, from its normalised form."""
    densities = -(((x - mean) / sigma) ** 2) / 2 - np.log(sigma * np.sqrt(2 * np.pi))
    return densities.sum(axis=1)


def test_a_difference_of_code_lengths_is_that_of_gaussian_log_densities_in_bits():
    x, a, b = np.random.default_rng(0).normal(size=(3, 7, 5))
    ours = [memory_bits.code_lengths(((x - mean) ** 2).sum(axis=1), 0.3) for mean in (b, a)]
    theirs = (log_density(x, a, 0.3) - log_density(x, b, 0.3)) / math.log(2)
    np.testing.assert_allclose(ours[0] - ours[1], theirs, rtol=1e-12)


@pytest.mark.parametrize("k", [0, 3, 10])
def test_a_table_of_k_samples_holds_k_times_what_the_constant_costs(k):
    constant = np.full(10, 0.9)
    own = np.where(np.arange(10) < k, 0.0, 50.0)  # far off where it does not know: it is ignored there
    other = np.full(10, 7.0)
    expected = k * 0.9 / (2 * SIGMA**2 * math.log(2))
    assert memory_bits.bits_held(own, other, constant, SIGMA) == pytest.approx(expected)


def test_a_network_like_the_other_holds_nothing_and_a_bad_other_one_gives_no_more_than_the_constant():
    own, constant = np.array([0.2, 0.9, 3.0]), np.ones(3)
    assert memory_bits.bits_held(own, own, constant, SIGMA) == 0
    bad, worse = (memory_bits.bits_held(own, np.full(3, off), constant, SIGMA) for off in (2.0, 2e6))
    assert bad == worse == pytest.approx(0.9 / (2 * SIGMA**2 * math.log(2)))


def test_what_the_other_network_knows_too_is_not_counted():
    own, other, constant = np.array([0.0, 0.0]), np.array([0.4, 0.0]), np.ones(2)
    assert memory_bits.bits_held(own, other, constant, SIGMA) == pytest.approx(0.4 / (2 * SIGMA**2 * math.log(2)))


def test_sigma_is_a_unit_half_of_it_gives_four_times_the_bits(trained):
    whole, half = (memory_bits.over_sizes(trained, (0, 1, 2), sigma) for sigma in (0.2, 0.1))
    np.testing.assert_allclose(half["bits"], 4 * whole["bits"], rtol=1e-12)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan])
def test_a_sigma_that_is_not_positive_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma must be positive; got"):
        memory_bits.code_lengths(np.ones(1), sigma)


def test_networks_at_chance_hold_next_to_nothing():
    experiments = sweep(SMALL, n_samples=(200,), seed=(0, 1))
    mean = theory.expected_feature(SMALL)
    found = memory_bits.over_sizes([saying(e, np.full(30, mean)) for e in experiments], (0, 1), SIGMA)
    assert np.abs(found["bits"]).max() < 1e-3 * (found["most"] * 60).min()
    rng = np.random.default_rng(3)
    found = memory_bits.over_sizes([saying(e, rng.uniform(0, 1, 30)) for e in experiments], (0, 1), SIGMA)
    assert np.abs(found["bits"]).max() == 0  # far off: the constant is taken in both codes


def test_a_whole_sweep_equals_a_plain_loop_whatever_its_order(trained):
    found = memory_bits.over_sizes(trained[::-1], (2, 0, 1), SIGMA)
    held_out = data.held_out_samples(SMALL).X
    by = {(r.experiment.n_samples, r.experiment.seed): r for r in trained}
    assert list(zip(found["n_samples"], found["seed"], strict=True)) == sorted(by)
    for row in found.itertuples():
        own, other = by[row.n_samples, row.seed], by[row.n_samples, (row.seed + 1) % 3]
        bits = 0.0
        for x in data.training_samples(own.experiment).X.astype(float):
            costs = []
            for r in (own, other):
                said = np.maximum(r.W1.T.astype(float) @ (r.W1.astype(float) @ x) + r.b2, 0)
                costs.append(min(((x - said) ** 2).sum(), ((x - held_out.mean(dtype=float)) ** 2).sum()))
            bits += (costs[1] - costs[0]) / (2 * SIGMA**2 * math.log(2))
        assert row.bits == pytest.approx(bits, rel=1e-4, abs=1e-3)
        assert row.per_parameter == pytest.approx(row.bits / (30 * 2 + 30))


def test_a_network_counts_once_the_one_it_is_held_against_is_there(trained):
    part = [r for r in trained if r.experiment.seed != 2]
    found = memory_bits.over_sizes(part, (0, 1, 2), SIGMA)
    assert set(found["seed"]) == {0}
    whole = memory_bits.over_sizes(trained, (0, 1, 2), SIGMA)
    np.testing.assert_array_equal(found["bits"], whole[whole["seed"] == 0]["bits"])
    assert memory_bits.over_sizes([], (0, 1), SIGMA).empty


def test_what_has_no_training_set_or_no_other_seed_is_refused(trained):
    with pytest.raises(ValueError, match="seeds must be at least 2"):
        memory_bits.over_sizes(trained, (1, 1), SIGMA)
    fresh = saying(SMALL.with_(n_samples=None), np.zeros(30))
    with pytest.raises(ValueError, match="has no fixed set"):
        memory_bits.squared_errors(fresh, fresh)


@pytest.mark.parametrize(("name", "count"), [("double_descent", 3000), ("mlp_relu_output", 5002)])
def test_parameters_are_those_that_are_trained(name, count):
    assert memory_bits.parameter_count(settings.EXPERIMENTS[name].quick) == count


def test_a_network_is_full_from_the_first_size_with_nine_tenths_of_the_most():
    assert memory_bits.full_from([3, 10, 30, 100], [0.1, 0.89, 0.91, 1.0]) == 30
    assert memory_bits.full_from([3, 10], [2.0, 1.0]) == 3
    assert memory_bits.full_from([3, 10], [-0.1, 0.0]) is None
    assert memory_bits.full_from([], []) is None


def view():
    return studies.page("double_descent").view("bits")


def blocks_of(choice, results):
    plan = view().plan(choice)
    chosen = [r for r in results if r.experiment in plan.experiments]
    return {block.id: block for block in view().show(choice, plan, Sweep(chosen, plan.experiments))}


def asked(**more):
    return view().default(
        n_features=30, sparsity=0.8, steps=60, warmup=0, schedule="constant", n_samples=(4, 12), T=12, seeds=3, **more
    )


def test_the_view_draws_the_bits_of_every_network_and_says_where_it_is_full(trained):
    blocks = blocks_of(asked(sigma=0.05), trained)
    held = memory_bits.over_sizes(trained, (0, 1, 2), 0.05)
    drawn = blocks["bits"].chart.data["points"].sort_values(["n_samples", "seed"])
    np.testing.assert_allclose(drawn["value"], held["per_parameter"])
    mean = held.groupby("n_samples")["per_parameter"].mean()
    assert f"**T = {memory_bits.full_from(list(mean.index), list(mean))}**" in blocks["told"].markdown
    losses = [np.mean([r.metrics["test_loss"] for r in trained if r.experiment.n_samples == T]) for T in (4, 12)]
    assert f"The test loss is highest at **T = {(4, 12)[int(np.argmax(losses))]}**" in blocks["told"].markdown
    assert "90 trained parameters" in blocks["definition"].markdown


def test_the_view_says_what_the_constant_costs_and_which_features_take():
    text = blocks_of(view().default(), [])["definition"].markdown
    assert "the constant takes 72 bits a sample; which of the 1,000 features are active takes 81" in text


def test_the_view_says_so_where_nothing_is_trained():
    assert blocks_of(asked(), [])["told"].markdown == "Nothing is trained yet."


def test_a_single_seed_is_held_against_the_next_which_is_trained_too_and_the_page_says_so(trained):
    one = asked().with_(seeds=1, first_seed=1)
    assert {each.seed for each in view().plan(one).experiments} == {1, 2}
    blocks = blocks_of(one, trained)
    held = memory_bits.over_sizes(trained, (1, 2), memory_bits.SIGMA)
    drawn = blocks["bits"].chart.data["points"].sort_values(["n_samples", "seed"])
    np.testing.assert_allclose(drawn["value"], held["per_parameter"])
    assert "the next is trained too" in blocks["told"].markdown


def test_what_the_view_shows_at_first_is_what_over_t_shows():
    over_t = studies.page("double_descent").view("over_t")
    assert set(view().shipped_experiments()) <= set(over_t.shipped_experiments())


def test_a_set_that_is_too_large_to_lie_in_memory_has_the_same_errors(monkeypatch):
    own, other = (saying(SMALL.with_(n_samples=2001, seed=seed), np.full(30, 0.1 + seed)) for seed in (0, 1))
    X = data.training_samples(own.experiment).X
    monkeypatch.setattr(data, "WHOLE", 0)
    assert isinstance(data.training_set(own.experiment), data.Blocks)
    errors = memory_bits.squared_errors(own, other)
    for row, said in ((0, 0.1), (1, 1.1)):
        np.testing.assert_allclose(errors[row], ((X - said) ** 2).sum(axis=1), rtol=1e-5)
