"""The limits of reconstruction: what comes back, its claims on networks made by hand, and laws for data from a law."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from toyviz import charts, data, law, metrics, probe, settings, tables
from toyviz.claims import limits as claims
from toyviz.result import Result
from toyviz.settings import EXPERIMENTS, decreasing_importance

NOISY, CLEAN = EXPERIMENTS["limits"].quick, EXPERIMENTS["limits_one_hot"].quick
SEEDS = itertools.count(1000)


def network(experiment, W1, b2=0.0, loss=None, seed=None):
    """A result with these weights, as if it had been trained; of a seed of its own, since tables remember by key."""
    experiment = experiment.with_(seed=next(SEEDS) if seed is None else seed)
    b2 = np.zeros(experiment.n_features, np.float32) + np.float32(b2)
    parameters = {"W1": np.asarray(W1, np.float32), "b2": b2}
    steps = np.array([experiment.steps])
    frames = {name: values[None] for name, values in parameters.items()}
    known = dict.fromkeys(("train_loss", "test_loss", "train_accuracy", "test_accuracy"), loss)
    measured = known if loss is not None else probe.evaluate(experiment, parameters)
    return Result(experiment, parameters, steps, np.ones(1, np.float32), steps, frames, measured)


def first(count, n, m):
    """Weights that give back the first so many of n features, each through a hidden value of its own."""
    return np.eye(m, n) * (np.arange(n) < count)


# ---- grids


@pytest.mark.parametrize("n", [2, 8, 64, 256])
def test_decreasing_importance_falls_from_one_to_a_hundredth_as_in_the_post(n):
    weights = data.importance(CLEAN.with_(n_features=n, n_hidden=2, importance_decay=decreasing_importance(n)))
    assert weights == pytest.approx(100.0 ** -np.linspace(0, 1, n), rel=1e-4)


def test_a_grid_has_every_cell_that_is_no_wider_than_its_input_once():
    grid = settings.limits(NOISY, (True, False), (8, 16), (2, 8, 16), sparsity=(0.0, 0.9))
    cells = [(e.n_features, e.n_hidden, e.sparsity, e.importance_decay < 1) for e in grid]
    sizes = [(8, 2), (8, 8), (16, 2), (16, 8), (16, 16)]
    assert sorted(cells) == sorted((*size, s, d) for size in sizes for s in (0.0, 0.9) for d in (True, False))


# ---- what comes back


def test_a_one_hot_comes_back_if_its_output_alone_is_the_largest():
    e = CLEAN.with_(n_features=4, n_hidden=4)
    assert probe.one_hots_back(network(e, np.eye(4))).all()
    tied = np.eye(4)
    tied[:, 1] = tied[:, 0]  # features 0 and 1 say the same
    assert probe.one_hots_back(network(e, tied)).tolist() == [False, False, True, True]
    assert probe.one_hots_back(network(e, first(2, 4, 4))).tolist() == [True, True, False, False]
    assert not probe.one_hots_back(network(e, -0.0 * np.eye(4))).any()  # all outputs are 0


def test_which_one_hots_come_back_is_what_a_loop_over_them_finds():
    rng = np.random.default_rng(3)
    result = network(NOISY.with_(n_features=9, n_hidden=3), rng.normal(size=(3, 9)), rng.normal(size=9))
    for i, back in enumerate(probe.one_hots_back(result)):
        outputs = [max(0.0, float(result.W1[:, j] @ result.W1[:, i] + result.b2[j])) for j in range(9)]
        assert back == all(outputs[i] > outputs[j] for j in range(9) if j != i)


@pytest.mark.parametrize("decay", [1.0, decreasing_importance(16)])
def test_a_network_that_says_the_mean_has_the_loss_of_the_best_constant_output(decay):
    e = NOISY.with_(n_features=16, n_hidden=2, sparsity=0.5, importance_decay=decay)
    clean = CLEAN.with_(n_features=16, n_hidden=2, importance_decay=decay)
    table = tables.limits([network(e, np.zeros((2, 16)), 0.25), network(clean, np.zeros((2, 16)), 1 / 16)])
    assert table["share"].to_numpy() == pytest.approx([1, 1], rel=0.02)  # 10,000 samples
    assert table["share"].iloc[1] == pytest.approx(1, rel=1e-5)  # all sixteen one-hots
    assert table["recovered"].tolist() == [0, 0]
    assert table["decreasing"].tolist() == [decay < 1] * 2


# ---- claims


def grid(make, base=NOISY, decreasing=(True, False), seed=0, **over):
    """A network for each cell of the evidence, with the weights and the loss that make(experiment) says."""
    found = settings.limits(base.with_(seed=seed), decreasing, claims.SIZES, claims.WIDTHS, **over)
    return [network(e, *make(e), seed=seed) for e in found]


def kept(count, loss=0.1):
    """Networks that give back count(experiment) features, for grid()."""
    return lambda e: (first(count(e), e.n_features, e.n_hidden), 0.0, loss(e) if callable(loss) else loss)


# Each with a step count of its own: the tables remember a network by its key.
def steps(number):
    return NOISY.with_(steps=number)


def test_as_many_as_hidden_values_is_the_roughest_case_and_none_is_not():
    held = grid(kept(lambda e: e.n_hidden), steps(3), (True,), sparsity=(0.0,))
    assert claims.roughest_case(held).verdict == "holds"
    none = grid(kept(lambda e: 0), steps(4), (True,), sparsity=(0.0,))
    assert claims.roughest_case(none).parts == {"at least half as many": False, "at most twice as many": True}
    assert claims.roughest_case(grid(kept(lambda e: 0), steps(5), (False,), sparsity=(0.0,))) is None


def test_giving_up_the_least_important_follows_the_rule_and_the_most_important_does_not():
    rule = grid(kept(lambda e: e.n_hidden), steps(6), (True,), sparsity=(0.0,))
    assert claims.importance_rule(rule).verdict == "holds"
    wrong = grid(
        lambda e: (first(e.n_hidden, e.n_features, e.n_hidden)[:, ::-1], 0.0, 0.1), steps(7), (True,), sparsity=(0.0,)
    )
    assert claims.importance_rule(wrong).parts == {
        "the weights follow the rule": True,
        "the least important are given up": False,
    }
    assert claims.importance_rule(wrong).verdict == "fails"


def test_sparser_is_better_needs_the_loss_to_fall_and_the_accuracy_to_rise():
    sparsities = settings.LIMIT_SPARSITIES

    def rank(e):
        return sparsities.index(e.sparsity)

    better = kept(lambda e: e.n_hidden * (1 + rank(e)) // 3, lambda e: 10.0 ** (-3 * rank(e)))
    assert claims.sparser_is_better(grid(better, steps(8), sparsity=sparsities)).verdict == "holds"
    variance = kept(lambda e: e.n_hidden * (1 + rank(e)) // 3, lambda e: 1 - e.sparsity)  # as the variance falls
    found = claims.sparser_is_better(grid(variance, steps(9), sparsity=sparsities))
    assert found.parts["the loss falls, uniform importance"]
    assert found.measured.count("of its share of the best constant output's") == 2


def test_the_weights_alone_explain_two_thirds_of_a_decade_of_loss():
    assert claims._weighting(128) == pytest.approx(np.log10(1 / 0.215), abs=0.01)  # the mean of 100 ** -x is 0.215


def test_uniform_importance_that_is_worse_in_both_trades_nothing():
    def make(e):
        fading = e.importance_decay < 1
        return first(e.n_hidden if fading else 1, e.n_features, e.n_hidden), 0.0, 0.1 if fading else 1.0

    parts = claims.uniform_trades_loss_for_accuracy(grid(make, steps(10), sparsity=(0.9,))).parts
    assert parts == {"the loss is higher": True, "the accuracy is higher at density 0.1": False}


def test_importance_in_the_accuracy_or_none_in_the_loss_would_be_seen():
    e = NOISY.with_(n_features=16, n_hidden=8, sparsity=0.9, importance_decay=decreasing_importance(16))
    honest = network(e, np.random.default_rng(0).normal(size=(8, 16)) / 4)
    assert claims.importance_in_loss_only([honest]).verdict == "holds"
    plain = probe.evaluate(e.with_(importance_decay=1.0), honest.parameters)["test_loss"]
    cheat = network(e, honest.W1, loss=plain)
    assert not claims.importance_in_loss_only([cheat]).parts["the loss is weighted"]


def decayed(back, longer=None, number=20):
    """One-hots in a few hidden values of which this share comes back: decay -> share; longer: of the one trained on."""
    base = CLEAN.with_(steps=number)
    every = settings.limits(base, (False,), (64, 128, 256), (2, 4), weight_decay=back)
    if longer is not None:
        every.append(base.with_(n_features=256, n_hidden=4, steps=5 * number))
    found = []
    for e in every:
        share = longer if e.steps > number else back[e.weight_decay]
        found.append(network(e, *giving_back(round(share * e.n_features), e.n_features, e.n_hidden), 0.1))
    return found


def giving_back(count, n, m):
    """Weights on a circle of two hidden values, and biases, by which the first so many of n one-hots come back."""
    angles = 2 * np.pi * np.arange(count) / max(count, 1)
    W1 = np.zeros((m, n))
    W1[:2, :count] = [np.cos(angles), np.sin(angles)]
    return W1, np.where(np.arange(n) < count, 0.0, -9.0)


SHARES = {0.0: 1.0, 0.01: 0.95, 0.1: 0.85, 1.0: 0.4}


@pytest.mark.parametrize(
    ("changes", "longer", "denied"),
    [
        ({}, 0.98, []),
        ({0.0: 0.96}, 0.98, ["more come back with a decay of 0 than of 0.01"]),
        ({0.1: 0.94}, 0.98, ["more come back with a decay of 0.01 than of 0.1"]),
        ({1.0: 0.84}, 0.98, ["more come back with a decay of 0.1 than of 1"]),
        ({}, 0.96, ["more come back with more steps"]),
        ({}, None, []),
        ({0.01: 0.985}, 0.985, []),  # where too few are missing, too few can come back
    ],
)
def test_weight_decay_is_a_cause_only_if_each_step_of_it_costs_one_hots(changes, longer, denied):
    found = claims.decay_costs_accuracy(decayed(SHARES | changes, longer, 20 + len(changes)))
    assert [part for part, so in found.parts.items() if not so] == denied


def test_two_hidden_values_are_told_and_do_not_vote_and_none_missing_is_no_finding():
    found = claims.decay_costs_accuracy(decayed({0.0: 1.0, 0.01: 0.9}, number=31))
    assert "at m = 2, 100%, 90% with a decay of 0, 0.01" in found.measured
    narrow = [r for r in decayed({0.0: 1.0, 0.01: 0.9}, number=32) if r.experiment.n_hidden == 2]
    assert claims.decay_costs_accuracy(narrow) is None
    assert claims.decay_costs_accuracy(decayed({0.0: 1.0, 0.01: 1.0}, number=33)) is None
    fading = grid(kept(lambda e: 2), CLEAN.with_(steps=34), (True,))
    assert claims.decay_costs_accuracy(fading) is None


def test_a_step_to_a_wider_bottleneck_counts_only_where_there_is_a_loss_left(monkeypatch):
    rows = {("0.1", True, 64, 2): {"log_share": -6.1}, ("0.1", True, 64, 8): {"log_loss": 3.0}}
    for share, so in ((-6.1, True), (-5.9, False)):
        rows[("0.1", True, 64, 2)] = {"log_share": share}
        monkeypatch.setattr(claims, "_cells", lambda results: table_of(rows))
        assert claims.wider_is_better([]).parts["the loss falls"] == so


def test_every_claim_of_the_limits_says_what_the_post_says():
    for claim in claims.CLAIMS:
        if not claim.own:
            assert claim.post_says.endswith("."), claim.id
            assert claim.post_says != claim.statement, claim.id


def test_every_check_of_the_limits_says_nothing_without_its_evidence():
    few = [network(NOISY.with_(n_features=16, n_hidden=2, importance_decay=0.7), np.zeros((2, 16)))]
    assert {claim.id: claim.check(few) for claim in claims.CLAIMS} == {claim.id: None for claim in claims.CLAIMS}


# The same checks on tables of cells: a value on either side of each threshold.

CELLS = tuple(itertools.product((16, 32, 64, 128), (2, 8)))
SETTINGS = ("1", "0.1", "0.01", "one-hots")


def table_of(changed, cells=CELLS, settings=SETTINGS):
    """Cells as the post says them, but for some values: {(setting, decreasing, n, m): {column: value}}, None: all."""
    rows = []
    for setting, fading, (n, m) in itertools.product(settings, (True, False), cells):
        step, wide = SETTINGS.index(setting), m > 2
        log_loss = -step - 0.5 * fading - 0.5 * wide  # over the cells the mean is lower by 0.25
        accuracy = 0.2 + 0.2 * step + 0.1 * (not fading) + 0.06 * wide
        row = {"setting": setting, "decreasing": fading, "n_features": n, "n_hidden": m, "key": (setting, fading, n, m)}
        row |= {"log_loss": log_loss, "log_share": 2 * log_loss, "accuracy": accuracy, "recovered": m}
        for at, values in changed.items():
            if all(wanted in (None, known) for wanted, known in zip(at, row["key"], strict=True)):
                row |= values
        rows.append(row | {"loss": 10.0 ** row["log_loss"]})
    return pd.DataFrame(rows).set_index(["n_features", "n_hidden"])


def on_either_side(check, at, column, inside, outside, part, **others):
    return pytest.param(check, at, column, inside, outside, part, id=f"{check}, {part}")


@pytest.mark.parametrize(
    ("check", "at", "column", "inside", "outside", "part"),
    [
        on_either_side("sparser_is_better", *case)
        for case in (
            (("0.1", False, None, None), "accuracy", 0.351, 0.349, "the accuracy rises, uniform importance"),
            (("0.01", True, None, None), "log_loss", -1.86, -1.84, "the loss falls, decreasing importance"),
        )
    ]
    + [
        on_either_side("uniform_trades_loss_for_accuracy", ("0.1", False, None, None), *case)
        for case in (
            ("log_loss", -1.64, -1.66, "the loss is higher"),
            ("accuracy", 0.451, 0.449, "the accuracy is higher at density 0.1"),
        )
    ]
    + [
        on_either_side("noise_free_is_better", ("one-hots", True, None, None), *case)
        for case in (
            ("log_share", -5.61, -5.59, "lower loss, decreasing importance"),
            ("accuracy", 0.651, 0.649, "higher accuracy, decreasing importance"),
        )
    ]
    + [
        on_either_side("wider_is_better", ("0.1", True, 64, 8), *case)
        for case in (
            ("log_loss", -1.501, -1.5, "the loss falls"),
            ("accuracy", 0.381, 0.379, "the accuracy does not fall"),
        )
    ]
    + [
        on_either_side("roughest_case", ("1", True, 16, 8), "recovered", 4, 3, "at least half as many"),
        on_either_side("roughest_case", ("1", True, 16, 2), "recovered", 4, 5, "at most twice as many"),
        on_either_side(
            *("noise_free_is_unbounded", ("one-hots", False, 32, 8), "accuracy", 0.95, 0.94),
            "nearly all come back at m of 8 and more",
        ),
    ],
)
def test_each_part_of_a_limit_turns_at_its_own_threshold(check, at, column, inside, outside, part, monkeypatch):
    for value, so in ((inside, True), (outside, False)):
        monkeypatch.setattr(claims, "_cells", lambda results, value=value: table_of({at: {column: value}}))
        assert getattr(claims, check)([]).parts[part] == so


@pytest.mark.parametrize(
    ("check", "cells"),
    [
        ("sparser_is_better", [(16, 2), (16, 8), (32, 2), (32, 8)]),
        ("uniform_trades_loss_for_accuracy", [(16, 2), (16, 8), (32, 2), (32, 8)]),
        ("noise_free_is_better", [(16, 2), (16, 8), (32, 2), (32, 8)]),
        ("roughest_case", [(16, 2), (16, 8), (32, 2), (32, 8)]),
        ("noise_free_is_unbounded", [(16, 8), (32, 8), (64, 8), (128, 8), (128, 2)]),
    ],
)
def test_four_cells_are_enough_for_a_mean_and_three_are_not(check, cells, monkeypatch):
    for few, enough in ((cells, True), (cells[1:], False)):
        monkeypatch.setattr(claims, "_cells", lambda results, few=few: table_of({}, few))
        assert (getattr(claims, check)([]) is not None) == enough


def test_the_evidence_of_the_limits_is_a_part_of_the_pages_maps():
    for claim in claims.CLAIMS:
        sizes = {(e.n_features, e.n_hidden) for e in claim.evidence("paper", 0)}
        assert sizes <= set(itertools.product((8, 16, 32, 64, 128, 256), (2, 4, 8, 16, 32, 64))), claim.id


def test_two_densities_are_enough_to_compare(monkeypatch):
    monkeypatch.setattr(claims, "_cells", lambda results: table_of({}, settings=("1", "0.1")))
    assert claims.sparser_is_better([]).verdict == "holds"
    monkeypatch.setattr(claims, "_cells", lambda results: table_of({}, settings=("1", "one-hots")))
    assert claims.sparser_is_better([]) is None


def test_what_was_measured_of_the_limits_is_told(monkeypatch):
    monkeypatch.setattr(claims, "_cells", lambda results: table_of({}))
    told = claims.sparser_is_better([]).measured
    assert told.startswith(
        "decreasing importance, densities 1, 0.1, 0.01: mean log10 loss -0.75, -1.75, -2.75, of its share of the best "
        "constant output's -1.50, -3.50, -5.50, accuracy 23%, 43%, 63%; uniform importance, densities 1, 0.1, 0.01: "
    )
    assert claims.noise_free_is_better([]).measured.startswith(
        "decreasing importance: accuracy 83% instead of 63% at density 0.01, log10 of the loss over the constant's "
        "lower by 2.0; uniform importance: "
    )
    assert claims.noise_free_is_unbounded([]).measured == "at least 96.0% in 4 cells, up to n = 128"
    assert claims.wider_is_better([]).measured.startswith(
        "of 32 steps to a wider bottleneck the loss falls in 24 of the 24 "
    )


@pytest.mark.parametrize(
    ("lacking", "order", "denied"),
    [
        ([(64, 8)], 0.91, []),
        ([(64, 8)], 0.89, ["they are the least important"]),
        ([(64, 2)], 0.99, ["features are given up where there is room for all", "they are the least important"]),
    ],
)
def test_the_least_important_are_missing_where_uniform_importance_has_room_for_all(lacking, order, denied, monkeypatch):
    all_back = {(None, None, None, None): {"accuracy": 1.0}, (None, False, None, 2): {"accuracy": 0.5}}
    missing = {("one-hots", True, n, m): {"accuracy": 0.75, "recovered": 48} for n, m in lacking}
    table = table_of(all_back | missing, settings=("one-hots",))
    networks = [SimpleNamespace(experiment=SimpleNamespace(key=key)) for key in table["key"]]
    monkeypatch.setattr(claims, "_cells", lambda results: table)
    monkeypatch.setattr(claims, "_of_the_grids", lambda results: results)
    ours = [("one-hots", True, n, m) for n, m in lacking]
    monkeypatch.setattr(claims, "_order", lambda result: order if result.experiment.key in ours else 0.0)
    finding = claims.importance_still_ignores(networks)
    assert [part for part, so in finding.parts.items() if not so] == denied
    assert finding.decisive == ("features are given up where there is room for all",)
    if not denied:
        assert "missing in 1 of 4 cells" in finding.measured
        assert "n = 64, m = 8: 48 of 64 come back" in finding.measured
        assert finding.measured.endswith("more important in 91% of the pairs")


@pytest.mark.parametrize("settings", [("1", "0.1"), ("one-hots",)])
def test_noise_free_limits_are_compared_only_where_both_are_there(settings, monkeypatch):
    monkeypatch.setattr(claims, "_cells", lambda results: table_of({}, settings=settings))
    assert claims.noise_free_is_better([]) is None
    one = table_of({}, settings=("one-hots",))
    for half in (one[~one["decreasing"]], one[one["decreasing"]]):
        monkeypatch.setattr(claims, "_cells", lambda results, half=half: half)
        assert claims.importance_still_ignores([]) is None


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"importance_decay": 1.0}, True),
        ({"importance_decay": 0.7}, False),
        ({"n_hidden": 15}, True),
        ({"n_hidden": 16}, False),
        ({"n_hidden": 2}, True),
        ({"n_hidden": 1}, False),
        ({"normalize": True}, False),
        ({"n_samples": 50}, False),
        ({"arch": "relu_output_untied"}, False),
        ({"data": "one_hot", "n_samples": None, "sparsity": 0.0}, True),
    ],
)
def test_the_limits_are_asked_of_bottlenecks_of_their_grids_alone(changes, taken):
    e = NOISY.with_(n_features=16, n_hidden=8, importance_decay=decreasing_importance(16)).with_(**changes)
    assert claims._of_the_grids([SimpleNamespace(experiment=e)]) == ([SimpleNamespace(experiment=e)] if taken else [])


def test_a_loss_of_nothing_has_a_logarithm_and_a_cell_is_named_by_its_density():
    noisy = NOISY.with_(n_features=16, n_hidden=2, sparsity=0.9)
    clean = CLEAN.with_(n_features=16, n_hidden=2)
    found = claims._cells(
        [
            network(noisy, np.zeros((2, 16)), loss=0.01),
            network(clean.with_(weight_decay=0.01), np.zeros((2, 16)), loss=0.0),
            network(clean.with_(weight_decay=0.0), np.zeros((2, 16)), loss=0.5),
        ]
    )
    assert found["setting"].tolist() == ["0.1", "one-hots"]
    assert found["log_loss"].tolist() == pytest.approx([-2, -12])
    alone = claims._cells([network(clean.with_(weight_decay=0.0), np.zeros((2, 16)), loss=0.5)])
    assert alone["setting"].tolist() == ["one-hots"]  # its decay is left out only beside the usual one


def test_sparse_features_of_decreasing_importance_alone_are_asked_for_the_rule():
    held = grid(kept(lambda e: e.n_hidden), steps(11), (True,), sparsity=(0.0,))
    wrong = {"make": lambda e: (first(e.n_hidden, e.n_features, e.n_hidden)[:, ::-1], 0.0, 0.1)}
    others = grid(base=CLEAN.with_(steps=11), **wrong) + grid(
        base=steps(12), decreasing=(False,), sparsity=(0.0,), **wrong
    )
    assert claims.importance_rule(others + held).verdict == "holds"
    assert claims.importance_rule(held[:4]) is not None
    assert claims.importance_rule(held[:3]) is None


@pytest.mark.parametrize(("off", "so"), [(0.9e-3, True), (-0.9e-3, True), (1.1e-3, False), (-1.1e-3, False)])
def test_the_loss_must_be_the_weighted_one_to_a_thousandth(off, so):
    e = NOISY.with_(n_features=16, n_hidden=8, sparsity=0.9, importance_decay=decreasing_importance(16))
    honest = network(e, np.random.default_rng(0).normal(size=(8, 16)) / 4)
    told = network(e, honest.W1, loss=honest.metrics["test_loss"] / (1 + off))
    assert claims.importance_in_loss_only([told]).parts["the loss is weighted"] == so


# ---- laws


def cells(recovered):
    """The cells of the page's grid, with what recovered(frame) says comes back."""
    rows = [
        (n, m, p, fading)
        for n, m, p, fading in itertools.product(
            (8, 16, 32, 64, 128, 256), (2, 4, 8, 16, 32, 64), (1.0, 0.1, 0.01), (True, False)
        )
        if m < n
    ]
    frame = pd.DataFrame(rows, columns=["n_features", "n_hidden", "density", "decreasing"])
    return frame.assign(recovered=recovered(frame))


def power_law(frame, smooth=False):
    """0.8 m^1.1 n^0.1 p^-0.4, and half of that for decreasing importance."""
    y = 0.8 * frame["n_hidden"] ** 1.1 * frame["n_features"] ** 0.1 * frame["density"] ** -0.4
    y = y * np.where(frame["decreasing"], 0.5, 1.0)
    n = frame["n_features"]
    return n * (1 - np.exp(-y / n)) if smooth else np.minimum(y, n)


@pytest.mark.parametrize("smooth", [False, True])
def test_the_fit_finds_the_law_that_the_data_come_from(smooth):
    name = "powers, for each, soft ceiling" if smooth else "powers, for each importance"
    found = law.fit(law.LAWS[name], cells(lambda frame: power_law(frame, smooth)))
    assert found == pytest.approx([np.log(0.4), 1.1, 0.1, -0.4, np.log(0.8), 1.1, 0.1, -0.4], abs=1e-3)


def test_a_law_that_is_true_is_found_to_fit_and_one_that_is_not_is_not():
    frame = cells(power_law)

    def compared(frame):
        measured = frame["recovered"].to_numpy(float)
        names = [*law.LAWS, "the nearest cell"]
        off = {kind: [law.factor(measured, law.unseen(name, frame, kind)) for name in names] for kind in law.LEFT_OUT}
        return pd.DataFrame(off, index=names)

    found = compared(frame)
    assert (found.loc["powers, for each importance"] < 1.001).all()
    assert (found.loc["the nearest cell"] > 1.05).all()
    assert law.verdict(found).startswith("A simple law fits")
    noise = np.random.default_rng(1).lognormal(0, 0.5, len(frame))
    assert law.verdict(compared(frame.assign(recovered=frame["recovered"] * noise))).startswith("No simple law fits")


@pytest.mark.parametrize("kind", law.LEFT_OUT)
def test_every_cell_is_kept_from_the_fit_exactly_once(kind):
    frame = cells(power_law)
    parts = [out for _, out in law.folds(frame, kind)]
    assert (np.sum(parts, axis=0) == 1).all()
    column = law.LEFT_OUT[kind]
    if column:
        assert all(frame[column][out].nunique() == 1 for out in parts)


def test_what_is_kept_from_the_fit_does_not_change_it():
    frame = cells(power_law)
    out = (frame["density"] == 0.1).to_numpy()
    spoiled = frame.assign(recovered=np.where(out, 1.0, frame["recovered"]))
    for name in (*law.LAWS, *law.BASELINES):
        honest, other = (law.unseen(name, each, "all of one density")[out] for each in (frame, spoiled))
        assert honest == pytest.approx(other)


def test_the_nearest_cell_is_one_step_of_the_grid_away_and_of_the_same_importance():
    frame = cells(power_law)
    here = (frame["n_features"] == 64) & (frame["n_hidden"] == 8) & (frame["density"] == 0.1) & frame["decreasing"]
    near = (frame["n_features"] == 32) & (frame["n_hidden"] == 8) & (frame["density"] == 0.1) & frame["decreasing"]
    seen = frame[near | (frame["n_hidden"] == 32) | ~frame["decreasing"]]
    assert law.predicted("the nearest cell", seen, frame[here]) == pytest.approx(frame[near]["recovered"].to_numpy())


def test_the_factor_is_the_same_for_too_many_and_too_few():
    assert law.factor(np.array([10.0, 10.0]), np.array([20.0, 5.0])) == pytest.approx(2)
    assert law.factor(np.array([0.0]), np.array([law.LEAST])) == 1  # where nothing comes back


# ---- charts


def test_a_map_leaves_out_what_cannot_be_and_keeps_grey_what_is_not_there_yet():
    table = pd.DataFrame({"n_features": [8], "n_hidden": [4], "value": [0.5]})
    sides = {
        "x": charts.Side("n_hidden", "hidden size m", (4, 8, 16)),
        "y": charts.Side("n_features", "features n", (8, 16)),
    }
    there = pd.DataFrame([(n, m) for n in (8, 16) for m in (4, 8, 16) if m <= n], columns=["n_features", "n_hidden"])
    figure = charts.size_map(table, "Loss", "loss", **sides, outlines=there)
    frame = figure.data["frame"]
    assert set(zip(frame["n_features"], frame["n_hidden"], strict=True)) == {(8, 4), (8, 8), (16, 4), (16, 8), (16, 16)}


def test_kept_cells_differ_in_shape_as_well_as_in_colour():
    drawn = cells(power_law).assign(measured=2.0, predicted=1.0, unseen=True, importance=charts.IMPORTANCES[0])
    figure = charts.predictions(drawn, "Both")
    encodings = [layer["encoding"] for layer in figure.spec["layer"] if "shape" in layer.get("encoding", {})]
    assert [e["shape"]["field"] for e in encodings] == [e["color"]["field"] for e in encodings] == ["kind"]
    assert set(figure.data["cells"]["kind"]) == {"kept from the fit"}
    assert set(charts.residuals(drawn, "density", "density").data["cells"]["ratio"]) == {2.0}


def test_lengths_tell_what_is_stored():
    result = network(CLEAN.with_(n_features=16, n_hidden=8), first(5, 16, 8))
    assert tables.limits([result])["stored"].item() == int((metrics.norms(result.W1.T) > 0.5).sum()) == 5
