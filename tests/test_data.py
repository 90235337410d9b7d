"""What networks are trained on: statistics, independence of the streams, and the generator of fresh batches."""

import itertools
import threading

import numpy as np
import pytest

from toyviz import data
from toyviz.experiment import Experiment

POST = Experiment(n_features=1000, sparsity=0.99, normalize=True, n_samples=2000, n_hidden=2)
RAW = POST.with_(normalize=False)
FISH = Experiment(arch="mlp", task="reproject", n_features=300, n_embed=40, n_samples=20, sparsity=0.9)


def split_mix_64(state):
    """The generator as its author writes it, in whole numbers of any size."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        yield z ^ (z >> 31)


def near(count, share, size):
    """Is a count of successes within five standard errors of size x share?"""
    return abs(count - size * share) <= 5 * np.sqrt(size * share * (1 - share))


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.99])
def test_a_feature_is_zero_with_the_chance_that_sparsity_says_and_uniform_otherwise(sparsity):
    X = data.training_features(RAW.with_(sparsity=sparsity, n_features=100))
    active = X[X > 0].astype(np.float64)
    assert X.dtype == np.float32
    assert near(len(active), 1 - sparsity, X.size)
    histogram, _ = np.histogram(active, bins=10, range=(0, 1))
    assert all(near(count, 0.1, len(active)) for count in histogram)


def test_features_are_active_independently_of_each_other_and_of_other_samples():
    active = data.training_features(RAW.with_(sparsity=0.5, n_features=200)) > 0
    assert near((active[:, 1:] == active[:, :-1]).sum(), 0.5, active[:, 1:].size)
    assert near((active[1:] == active[:-1]).sum(), 0.5, active[1:].size)


def test_normalised_samples_have_unit_length_and_an_empty_one_stays_zero():
    X = data.training_features(POST.with_(n_features=20, sparsity=0.9))
    lengths = np.linalg.norm(X, axis=1)
    empty = ~X.any(axis=1)
    assert near(empty.sum(), 0.9**20, len(X))
    np.testing.assert_allclose(lengths[~empty], 1, rtol=1e-6)
    np.testing.assert_array_equal(lengths[empty], 0)


def test_normalising_changes_the_length_of_a_sample_and_nothing_else():
    raw, unit = data.training_features(RAW), data.training_features(POST)
    np.testing.assert_allclose(unit * np.linalg.norm(raw, axis=1, keepdims=True), raw, rtol=1e-5)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("size", "n"), [(1, 1), (3, 37), (999, 64), (1000, 37), (1001, 37), (2503, 1), (2004, 200)])
def test_samples_drawn_in_blocks_are_those_drawn_at_once(size, n, normalize):
    experiment = Experiment(n_features=n, n_samples=size, sparsity=0.9, normalize=normalize)
    blocks = data.Blocks(experiment, 0, "data", size)
    X = data.training_features(experiment)
    for _ in range(2):  # gone through again, they are the same
        assert np.concatenate([part.X for part in blocks]).tobytes() == X.tobytes()
    assert len(blocks) == size
    np.testing.assert_array_equal(data.ever_active(blocks), X.any(axis=0))


def test_a_large_training_set_is_never_drawn_at_once(monkeypatch):
    small, large = POST.with_(n_samples=20_000), POST.with_(n_samples=20_001)
    monkeypatch.setattr(data, "_sparse_features", lambda *_: np.zeros((1, 1000), np.float32))
    assert isinstance(data.training_set(small), data.Samples)
    assert isinstance(data.held_out_set(POST.with_(n_features=2001)), data.Blocks)
    assert next(iter(data.training_set(large))).X.shape == (1000, 1000)
    with pytest.raises(ValueError, match="n_samples is None"):
        data.training_set(Experiment())


def test_held_out_samples_of_the_posts_size_have_the_sum_that_drawing_counts_first_gives():
    rng = np.random.default_rng(8)  # the count of active features first, then only their values
    active = np.arange(40) < rng.binomial(1000, 0.01, 40_000)[:, None]
    values = rng.random(active.shape) * active
    sums = values.sum(axis=1) / np.maximum(np.linalg.norm(values, axis=1), 1e-9)
    X = data.held_out_samples(POST).X.astype(np.float64)
    assert X.shape == (10_000, 1000)
    assert near((X > 0).sum(), 0.01, X.size)
    assert X.sum(axis=1).mean() == pytest.approx(sums.mean(), abs=5 * sums.std() * np.sqrt(1 / 40_000 + 1 / 10_000))


def test_the_test_set_is_one_for_every_seed_and_shares_no_sample_with_a_training_set():
    held_out = data.held_out_samples(POST.with_(n_features=30, sparsity=0.5)).X
    for seed in (0, 1):
        there = POST.with_(n_features=30, sparsity=0.5, seed=seed)
        np.testing.assert_array_equal(data.held_out_samples(there).X, held_out)
        seen = {row.tobytes() for row in data.training_features(there)}
        assert not seen & {row.tobytes() for row in held_out}
    assert len(data.held_out_samples(POST, 7).X) == 7
    assert data.held_out_samples(Experiment(data="one_hot")) is None


def test_the_data_hang_on_its_seed_alone_and_not_on_how_the_network_is_trained():
    X = data.training_features(POST)
    other = POST.with_(n_hidden=7, init="linear_uniform", lr=0.1, steps=3, arch="mlp")
    np.testing.assert_array_equal(data.training_features(other), X)
    assert (data.training_features(POST.with_(seed=1)) != X).any()
    np.testing.assert_array_equal(data.training_features(POST.with_(seed=1, data_seed=0)), X)
    assert (data.training_features(POST.with_(data_seed=1)) != X).any()


def test_streams_of_other_names_or_seeds_are_uncorrelated_and_undisturbed_by_each_other():
    drawn = {
        key: data.stream(*key).standard_normal(4000) for key in itertools.product((0, 1, 2), ("data", "test", "x"))
    }
    for (one, a), (other, b) in itertools.combinations(drawn.items(), 2):
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(4000), (one, other)
    data.stream(0, "data").random(10)
    np.testing.assert_array_equal(data.stream(0, "data").standard_normal(4000), drawn[0, "data"])


def test_the_plain_split_mix_64_gives_the_numbers_that_are_published_for_it():
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert list(itertools.islice(split_mix_64(1234567), 4)) == published


@pytest.mark.parametrize("sparsity", [0.0, 0.6])
def test_fresh_batches_are_the_numbers_of_split_mix_64_one_after_the_other(sparsity):
    experiment = Experiment(n_features=3, batch_size=4, sparsity=sparsity)
    numbers = split_mix_64(int(data.batch_start(experiment)))
    for step in range(3):
        expected = []
        for z in itertools.islice(numbers, 12):
            expected.append((z % 2**24) / 2**24 if z // 2**24 < round((1 - sparsity) * 2**40) else 0)
        np.testing.assert_array_equal(data.fresh_batch(experiment, step), np.reshape(expected, (4, 3)))


@pytest.mark.parametrize("sparsity", [0.0, 0.9, 0.999])
def test_fresh_batches_have_the_statistics_of_sparse_features(sparsity):
    experiment = Experiment(n_features=200, batch_size=2000, sparsity=sparsity)
    X = data.fresh_batch(experiment, 17)
    active = X[X > 0].astype(np.float64)
    assert X.dtype == np.float32
    assert near(len(active), 1 - sparsity, X.size)
    assert active.mean() == pytest.approx(1 / 2, abs=5 * np.sqrt(1 / 12 / len(active)))
    assert active.var() == pytest.approx(1 / 12, abs=5 * np.sqrt(1 / 180 / len(active)))
    assert active.max() < 1


def test_fresh_batches_never_repeat_and_differ_between_seeds():
    experiment = Experiment(n_features=10, batch_size=50)
    batches = [data.fresh_batch(experiment, step) for step in range(5)]
    batches += [data.fresh_batch(experiment.with_(seed=seed), 0) for seed in (1, 2)]
    assert len({row.tobytes() for batch in batches for row in batch}) == 7 * 50
    np.testing.assert_array_equal(data.fresh_batch(experiment.with_(seed=1, data_seed=0), 3), batches[3])


def test_fresh_batches_can_have_unit_length():
    X = data.fresh_batch(Experiment(n_features=10, batch_size=50, normalize=True), 2)
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1, rtol=1e-6)
    raw = data.fresh_batch(Experiment(n_features=10, batch_size=50), 2)
    np.testing.assert_allclose(X * np.linalg.norm(raw, axis=1, keepdims=True), raw, rtol=1e-5)


GROUPED = [("correlated", 0.7, 2), ("correlated", 0.9, 5), ("anticorrelated", 0.7, 2), ("anticorrelated", 0.85, 5)]
DRAWN = {  # the three ways in which features are drawn
    "a training set": lambda e: data.training_features(e.with_(n_samples=20_000)),
    "the test set": lambda e: data.held_out_samples(e, 20_000).X,
    "a fresh batch": lambda e: data.fresh_batch(e.with_(batch_size=20_000), 3),
}


@pytest.mark.parametrize("how", DRAWN)
@pytest.mark.parametrize(("kind", "sparsity", "size"), GROUPED)
def test_features_of_a_group_are_active_together_or_never_and_all_else_is_as_without_groups(kind, sparsity, size, how):
    experiment = Experiment(data=kind, sparsity=sparsity, n_features=20, group_size=size)
    X = DRAWN[how](experiment)
    active, p = X > 0, 1 - sparsity
    assert X.dtype == np.float32
    for i in range(20):
        assert near(active[:, i].sum(), p, len(X))
        values, _ = np.histogram(X[active[:, i], i], bins=4, range=(0, 1))
        assert all(near(count, 1 / 4, values.sum()) for count in values)
    for i, j in itertools.combinations(range(20), 2):
        both = active[:, i] & active[:, j]
        alike = i // size == j // size
        if alike and kind == "correlated":
            # the value of an active feature is as good as never 0
            assert (active[:, i] == active[:, j]).mean() > 0.9999
        elif alike:
            assert not both.any()
        else:
            assert near(both.sum(), p * p, len(X))
        if both.any():  # values know nothing of each other
            assert abs(np.corrcoef(X[both, i], X[both, j])[0, 1]) < 5 / np.sqrt(both.sum())


@pytest.mark.parametrize(("kind", "sparsity", "size"), GROUPED)
def test_fresh_batches_of_groups_are_the_numbers_of_split_mix_64_of_which_the_first_decides(kind, sparsity, size):
    experiment = Experiment(data=kind, sparsity=sparsity, n_features=2 * size, group_size=size, batch_size=4)
    numbers, below = split_mix_64(int(data.batch_start(experiment))), round((1 - sparsity) * 2**40)
    for step in range(20):
        expected = []
        for _ in range(4 * 2):
            group = list(itertools.islice(numbers, size))
            u = group[0] // 2**24
            active = [u < below] * size if kind == "correlated" else [u // below == k for k in range(size)]
            expected += [(z % 2**24) / 2**24 if there else 0 for z, there in zip(group, active, strict=True)]
        np.testing.assert_array_equal(data.fresh_batch(experiment, step), np.reshape(expected, (4, 2 * size)))


def test_the_test_set_of_groups_is_of_the_same_kind_and_size_and_one_for_every_seed():
    base = Experiment(data="anticorrelated", n_features=20, sparsity=0.9)
    held_out = data.held_out_samples(base.with_(seed=4, n_hidden=3)).X
    np.testing.assert_array_equal(held_out, data.held_out_samples(base).X)
    for other in (base.with_(group_size=4), base.with_(data="correlated"), base.with_(data="sparse")):
        assert (held_out != data.held_out_samples(other).X).any()


def test_an_experiment_on_fresh_batches_has_no_training_set():
    with pytest.raises(ValueError, match="n_samples is None"):
        data.training_samples(Experiment())


def test_one_hots_and_antipodal_one_hots_are_what_they_are_called():
    np.testing.assert_array_equal(data.training_features(Experiment(data="one_hot", n_features=3)), np.eye(3))
    antipodal = data.training_features(Experiment(data="antipodal", n_features=2))
    np.testing.assert_array_equal(antipodal, [[1, 0], [-1, 0], [0, 1], [0, -1]])


def test_a_hard_label_is_the_largest_feature_and_an_empty_sample_has_none():
    experiment = Experiment(arch="unembed", task="classify_hard", n_samples=300, n_features=8, sparsity=0.8)
    samples = data.training_samples(experiment)
    for x, target in zip(samples.X, samples.targets, strict=True):
        expected = [float(max(x) > 0 and value == max(x)) for value in x]
        assert target.tolist() == expected
    assert 0 < (~samples.X.any(axis=1)).sum() < 300


def test_every_antipodal_input_is_a_class_of_its_own():
    experiment = Experiment(arch="mlp", task="classify_hard", data="antipodal", n_features=3)
    np.testing.assert_array_equal(data.training_samples(experiment).targets, np.eye(6))


def test_soft_labels_and_reconstructions_are_the_features_themselves():
    for task, arch in (("classify_soft", "unembed"), ("autoencode", "mlp")):
        samples = data.training_samples(Experiment(arch=arch, task=task, n_samples=9, sparsity=0.5))
        np.testing.assert_array_equal(samples.targets, samples.X)
        np.testing.assert_array_equal(samples.inputs, samples.X)


def test_shares_are_soft_labels_that_add_up_to_one_and_an_empty_sample_has_none():
    soft = Experiment(arch="unembed", task="classify_soft", n_samples=200, n_features=8, sparsity=0.8)
    samples = data.training_samples(soft.with_(task="classify_shares"))
    empty = 0
    for x, target in zip(samples.X.astype(np.float64), samples.targets, strict=True):
        whole = sum(x)
        empty += whole == 0
        assert target == pytest.approx([value / whole if whole else 0.0 for value in x], rel=1e-6)
    assert 0 < empty < 200
    np.testing.assert_array_equal(samples.X, data.training_samples(soft).X)


@pytest.mark.parametrize(("total", "size"), [(12, 4), (13, 4), (5, 1), (7, 6)])
def test_each_epoch_of_minibatches_sees_every_sample_once_in_an_order_of_its_own(total, size):
    experiment = Experiment(n_samples=total, minibatch=size, seed=3)
    steps, orders = -(-total // size), []
    for epoch in range(6):
        batches = [data.minibatch_rows(experiment, epoch * steps + k) for k in range(steps)]
        assert [len(each) for each in batches[:-1]] == [size] * (steps - 1)
        assert len(batches[-1]) == total - size * (steps - 1)
        orders.append(tuple(np.concatenate(batches).tolist()))
        assert sorted(orders[-1]) == list(range(total))
    assert len(set(orders)) == 6
    other = np.concatenate([data.minibatch_rows(experiment.with_(seed=4), k) for k in range(steps)])
    assert tuple(other.tolist()) != orders[0]
    again = np.concatenate([data.minibatch_rows(experiment.with_(data_seed=9, lr=0.1), k) for k in range(steps)])
    assert tuple(again.tolist()) == orders[0]


def test_a_training_on_the_whole_set_has_no_minibatches():
    with pytest.raises(ValueError, match="minibatch is None"):
        data.minibatch_rows(Experiment(n_samples=5), 0)


def test_the_fish_see_the_features_through_one_projection_and_the_re_projector_must_reach_another():
    E, other = data.embedding(FISH), data.target_embedding(FISH)
    assert E.shape == other.shape == (300, 40)
    for drawn in (E, other):
        assert drawn.mean() == pytest.approx(0, abs=5 / np.sqrt(E.size))
        assert drawn.var() == pytest.approx(1, abs=5 * np.sqrt(2 / E.size))
    assert abs(np.corrcoef(E.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(E.size)
    samples = data.training_samples(FISH)
    X = samples.X.astype(np.float64)
    np.testing.assert_allclose(samples.inputs, X @ E, atol=1e-4)
    np.testing.assert_allclose(samples.targets, X @ other, atol=1e-4)
    for task, target in (("big_fish", X), ("small_fish", X @ E)):
        np.testing.assert_allclose(data.training_samples(FISH.with_(task=task)).targets, target, atol=1e-4)


def test_the_projection_is_the_same_for_every_network_on_the_same_data():
    E = data.embedding(FISH)
    np.testing.assert_array_equal(data.embedding(FISH.with_(n_hidden=9, n_samples=99, task="big_fish", lr=0.1)), E)
    np.testing.assert_array_equal(data.embedding(FISH.with_(seed=5, data_seed=0)), E)
    assert (data.embedding(FISH.with_(seed=5)) != E).any()
    assert np.linalg.matrix_rank(E.astype(np.float64)) == 40


def test_importance_falls_by_the_same_factor_from_feature_to_feature():
    importance = data.importance(Experiment(importance_decay=0.7))
    assert importance == pytest.approx([0.7**i for i in range(20)], rel=1e-5)
    np.testing.assert_array_equal(data.importance(Experiment(n_features=3)), 1)


def test_what_many_threads_want_at_once_is_worked_out_once():
    together, calls = threading.Barrier(8), []

    @data.worked_out_once(maxsize=2)
    def work(number):
        calls.append(number)
        return object()

    answers = []

    def ask(number):
        together.wait()
        answers.append((number, work(number)))

    threads = [threading.Thread(target=ask, args=(number % 2,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(calls) == [0, 1]
    assert len(answers) == 8
    assert len({id(answer) for _, answer in answers}) == 2
