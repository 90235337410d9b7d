"""In which order the networks of a sweep are trained."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from toyviz import cost
from toyviz.experiment import Experiment, sweep
from toyviz.order import coarse_to_fine

TINY = Experiment(n_features=7, n_hidden=2, n_samples=11, sparsity=0.6, steps=30, lr=0.01)
SIZES = (3, 5, 8, 10, 15, 30, 50, 100, 200)


def sizes_of(experiments):
    return [each.n_samples for each in experiments]


@given(st.sets(st.integers(1, 500), min_size=1, max_size=20), st.sets(st.integers(0, 40), min_size=1, max_size=9))
def test_nothing_is_lost_and_the_order_is_that_of_the_set(sizes, seeds):
    every = sweep(TINY, n_samples=sorted(sizes), seed=sorted(seeds))
    ordered = coarse_to_fine(every)
    assert len(ordered) == len(every)
    assert set(ordered) == set(every)
    assert coarse_to_fine(reversed(every)) == ordered


def test_the_ends_and_the_middle_come_first_then_the_middles_between():
    ordered = sizes_of(coarse_to_fine(sweep(TINY, n_samples=SIZES)))
    assert set(ordered[:3]) == {3, 15, 200}
    assert set(ordered[3:5]) == {8, 50}
    assert set(ordered[5:]) == {5, 10, 30, 100}


def test_the_gaps_that_are_left_are_halved_turn_by_turn():
    every = sweep(TINY, n_samples=range(1, 18))
    ordered = sizes_of(coarse_to_fine(every))
    for count, gap in ((3, 8), (5, 4), (9, 2), (17, 1)):
        there = sorted(ordered[:count])
        assert {b - a for a, b in itertools.pairwise(there)} == {gap}


def test_a_map_has_its_corners_and_its_middle_before_the_rest():
    every = sweep(TINY, n_samples=SIZES, n_hidden=(1, 2, 3, 4, 5))
    corners = {(each.n_samples, each.n_hidden) for each in coarse_to_fine(every)[:9]}
    assert corners == set(itertools.product((3, 15, 200), (1, 3, 5)))


def test_seeds_come_in_rounds_each_as_large_as_all_before():
    ordered = coarse_to_fine(sweep(TINY, seed=range(10, 20)))
    rounds = [len(list(part)) for _, part in itertools.groupby(ordered, lambda each: (each.seed - 10).bit_length())]
    assert rounds == [1, 1, 2, 4, 2]


def test_a_second_seed_waits_as_what_is_a_turn_finer_does():
    ordered = coarse_to_fine(sweep(TINY, n_samples=SIZES, seed=(0, 1)))
    assert {(each.n_samples, each.seed) for each in ordered[:3]} == {(3, 0), (15, 0), (200, 0)}
    assert {(each.n_samples, each.seed) for each in ordered[3:8]} == {(8, 0), (50, 0), (3, 1), (15, 1), (200, 1)}


def test_a_costly_corner_waits_for_all_that_is_quick():
    sizes = (3, 5, 8, 10, 15, 30, 50, 100_000, 200_000)
    ordered = coarse_to_fine(sweep(TINY.with_(steps=10_000), n_samples=sizes))
    assert sizes_of(ordered[-2:]) == [200_000, 100_000]
    assert set(sizes_of(ordered[:2])) == {3, 15}


def test_of_what_is_equally_fine_the_quick_comes_first():
    ends = coarse_to_fine(sweep(TINY, n_samples=SIZES))[:3]
    seconds = [cost.expected(each).seconds for each in ends]
    assert seconds == sorted(seconds)


def test_what_is_named_or_left_out_is_no_side_of_a_picture():
    every = [TINY, TINY.with_(arch="mlp"), TINY.with_(n_samples=None, batch_size=8, seed=1)]
    assert set(coarse_to_fine(every)) == set(every)
