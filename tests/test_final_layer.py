"""The toy unembedding: logits taken apart, shapes measured, and its claims on networks that we made."""

from types import SimpleNamespace

import numpy as np
import pytest

from toyviz import data, metrics, probe, tables
from toyviz.claims import final_layer
from toyviz.claims.claim import judge
from toyviz.experiment import Experiment
from toyviz.model import initial_parameters, shapes
from toyviz.result import Result
from toyviz.settings import EXPERIMENTS, SAMPLE_SIZES

SMALL = Experiment(
    arch="unembed", task="classify_hard", n_features=12, n_hidden=2, n_samples=40, sparsity=0.7, normalize=True
)
CLAIMS = {claim.id.removeprefix("unembedding_"): claim for claim in final_layer.CLAIMS}


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch):
    """Networks of one experiment with other weights, as only tests make them, are not taken for each other."""
    monkeypatch.setattr(tables, "unembedding", tables.unembedding.__wrapped__)


def made(experiment, metrics_=None, **parameters):
    """A network with these weights; those not given are drawn."""
    rng = np.random.default_rng(7)
    every = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes(experiment).items()}
    every |= {name: np.asarray(values, dtype=np.float32) for name, values in parameters.items()}
    nothing = np.zeros(0)
    return Result(experiment, every, nothing, nothing, nothing, {}, metrics_ or {})


# a logit and a hidden vector, taken apart


@pytest.mark.parametrize("arch", ["unembed", "unembed_tied", "unembed_no_bias", "mlp"])
def test_the_terms_of_a_logit_are_products_and_add_up_to_what_pytorch_computes(torch, arch):
    result = made(SMALL.with_(arch=arch, n_hidden=3))
    x = probe.seen_samples(result).inputs[5]
    found = probe.logit_terms(result, x)
    W1, b1, W2, b2 = (torch.tensor(np.array(each), dtype=torch.float64) for each in vars_of(result))
    hidden = torch.nn.functional.linear(torch.tensor(x, dtype=torch.float64), W1, b1)
    hidden = hidden.relu() if arch == "mlp" else hidden
    logits = torch.nn.functional.linear(hidden, W2, b2).numpy()
    np.testing.assert_allclose(found.logits, logits, atol=1e-5)
    np.testing.assert_allclose(found.terms.sum(axis=1) + found.bias, logits, atol=1e-5)
    assert found.terms[4, 1] == pytest.approx(float(hidden[1] * W2[4, 1]), abs=1e-6)
    assert 0 <= found.error <= 1e-5


def vars_of(result):
    return result.W1, result.b1, result.W2, result.b2


def test_the_votes_of_the_active_features_add_up_to_the_hidden_vector():
    result = made(SMALL)
    x = probe.seen_samples(result).inputs[3]
    found = probe.hidden_votes(result, x)
    assert list(found.features) == [i for i in range(12) if x[i] != 0]
    by_hand = sum(float(x[i]) * result.W1[:, i].astype(float) for i in range(12))
    np.testing.assert_allclose(found.hidden, by_hand, atol=1e-6)
    np.testing.assert_allclose(found.votes.sum(axis=0), by_hand, atol=1e-6)
    assert found.error <= 1e-6


def test_a_sample_without_an_active_feature_has_no_votes_and_its_logits_are_the_bias():
    result = made(SMALL)
    assert len(probe.hidden_votes(result, np.zeros(12, np.float32)).features) == 0
    np.testing.assert_array_equal(probe.logit_terms(result, np.zeros(12, np.float32)).logits, result.b2)


@pytest.mark.parametrize("take_apart", [probe.logit_terms, probe.hidden_votes])
def test_a_sample_of_another_length_is_refused(take_apart):
    with pytest.raises(ValueError, match=r"x must have the shape \(12,\); got \(5,\)"):
        take_apart(made(SMALL), np.zeros(5, np.float32))


# shapes


def test_petals_are_one_for_a_ring_and_more_where_points_reach_along_the_diagonals():
    angles = np.linspace(0, 2 * np.pi, 721)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert metrics.petals(ring) == pytest.approx(1, abs=1e-9)
    rose = ring * (1 + 0.5 * np.sin(2 * angles) ** 2)[:, None]
    assert 1.3 < metrics.petals(rose) < 1.5
    assert metrics.petals(metrics.turned(rose, 45)) == pytest.approx(1 / metrics.petals(rose), rel=0.01)
    assert np.isnan(metrics.petals(ring[:1]))


def test_turning_keeps_lengths_and_a_quarter_turn_swaps_the_axes():
    points = np.random.default_rng(0).normal(size=(50, 2))
    np.testing.assert_allclose(metrics.norms(metrics.turned(points, 33)), metrics.norms(points))
    np.testing.assert_allclose(metrics.turned(np.array([[1.0, 0.0]]), 90), [[0, 1]], atol=1e-12)


def test_a_square_along_the_axes_is_least_square_when_it_stands_on_its_corner():
    square = np.random.default_rng(1).uniform(-1, 1, size=(4000, 2))
    values = [metrics.squareness(metrics.turned(square, angle)) for angle in (0, 15, 45, 90)]
    assert values[0] == pytest.approx(1.23, abs=0.03)
    assert values[3] == pytest.approx(values[0])
    assert values[0] > values[1] > values[2]


def test_what_training_has_seen_is_told_as_a_loop_over_the_samples_tells_it():
    result = made(SMALL)
    found = tables.unembedding(result)
    samples = data.training_samples(SMALL)
    active, seen, labels = set(), set(), []
    for x in samples.X:
        on = [i for i in range(12) if x[i] > 0]
        active |= set(on)
        label = max(on, key=lambda i: x[i]) if on else -1
        labels.append(label)
        seen |= {label} - {-1}
    assert set(np.flatnonzero(found.active)) == active
    assert set(np.flatnonzero(found.seen)) == seen
    assert list(found.labels) == labels
    with pytest.raises(ValueError, match="n_hidden must be 2"):
        tables.unembedding(made(SMALL.with_(n_hidden=3)))


def test_the_table_of_logits_has_the_largest_first_and_the_correct_class_in_any_case():
    result = made(SMALL)
    found = probe.logit_terms(result, probe.seen_samples(result).inputs[0])
    order = sorted(range(12), key=lambda c: -found.logits[c])
    table = tables.logit_rows(found, label=order[-1], top=3)
    assert list(table["class"]) == [*order[:3], order[-1]]
    assert list(table["rank"]) == [1, 2, 3, 12]
    assert list(table["correct"]) == [False, False, False, True]
    np.testing.assert_allclose(table["sum"] + table["b2[c]"], table["logit"], atol=1e-5)


# Adam's axes


@pytest.mark.parametrize(("optimizer", "turns_along"), [("sgd", True), ("adamw", False)])
def test_turning_the_start_turns_what_sgd_learns_and_not_what_adam_learns(torch, optimizer, turns_along):
    from toyviz.train import reference

    experiment = SMALL.with_(optimizer=optimizer, weight_decay=0.0, lr=0.05, steps=60)
    plain, turned = reference.Trainer(experiment), reference.Trainer(experiment)
    R = torch.tensor(metrics.turned(np.eye(2), 30).T, dtype=torch.float32)
    with torch.no_grad():
        turned.weights["W1"].copy_(R @ turned.weights["W1"])
        turned.weights["W2"].copy_(turned.weights["W2"] @ R.T)
    first = plain.advance(0, 60)[0]
    assert turned.advance(0, 60)[0] == pytest.approx(first, rel=1e-5)  # the same function at the start
    expected = R.numpy() @ plain.parameters()["W1"]
    apart = np.abs(turned.parameters()["W1"] - expected).max() / np.abs(expected).max()
    assert apart < 1e-3 if turns_along else apart > 0.05


# claims, on networks that must pass and on others that must not

BASE = EXPERIMENTS["unembedding"].quick
RNG = np.random.default_rng(3)
BOX = RNG.uniform(-1, 1, (2, 1000))
BLOB = RNG.normal(size=(2, 1000))
ANGLES = RNG.uniform(0, 2 * np.pi, 1000)
RING = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
LEARNED = {"train_accuracy": 1.0, "test_accuracy": 0.002, "test_loss": 100.0, "train_loss": 1.0}


def verdict(name, *results):
    found = judge(CLAIMS[name], results)
    return found and found.verdict


def test_knowing_the_training_set_and_nothing_else_is_a_lookup_table():
    assert verdict("lookup", made(BASE, LEARNED)) == "holds"
    assert verdict("lookup", made(BASE, LEARNED | {"test_accuracy": 0.2})) == "fails"
    assert verdict("lookup", made(BASE.with_(n_samples=100), LEARNED)) is None
    assert verdict("lookup", made(BASE, LEARNED | {"test_accuracy": None})) is None


def test_a_filled_square_is_a_square_and_a_blob_is_none():
    assert verdict("xavier_square", made(BASE.with_(init="xavier_normal"), W1=BOX)) == "holds"
    assert verdict("xavier_square", made(BASE.with_(init="xavier_normal"), W1=BLOB)) == "fails"
    leaning = metrics.turned(BOX.T, 45).T
    assert verdict("xavier_square", made(BASE.with_(init="xavier_normal"), W1=leaning)) == "fails"


def test_square_rose_and_circle_are_told_apart():
    sparse_box = np.sign(BOX) * (1 - 0.2 * np.abs(BOX))  # corners: their sums reach along the diagonals
    good = made(BASE, W1=sparse_box, W2=RING)
    disc = RING * np.sqrt(RNG.uniform(0, 1, (1000, 1)))
    bad = made(BASE, W1=BLOB, W2=disc)
    parts = final_layer.rose_and_circle([good]).parts
    assert parts["W1 is a square along the axes"]
    assert parts["W2 is a circle"]
    assert set(final_layer.rose_and_circle([bad]).parts.values()) == {False}


def test_positive_weights_put_the_correct_class_into_the_first_quadrant_and_negative_ones_do_not():
    assert verdict("first_quadrant", made(BASE, W1=np.abs(BOX), W2=np.ones((1000, 2)))) == "holds"
    assert verdict("first_quadrant", made(BASE, W1=np.abs(BOX), W2=-np.ones((1000, 2)))) == "fails"


def test_a_class_is_on_top_after_the_bias_only_if_its_logit_is_the_largest():
    labels = tables.unembedding(made(BASE)).labels
    assert (labels >= 0).all()
    bias = np.full(1000, -1e3)
    bias[labels[0]] = 1e3  # one class wins for every sample, right for few
    finding = final_layer.is_on_top([made(BASE, b2=bias)])
    assert not finding.parts["for every training sample"]
    one = BASE.with_(data_seed=None)
    assert finding.measured.startswith(f"the correct class is on top in {(labels == labels[0]).mean():.1%}")
    assert one == BASE


def test_a_bias_of_both_signs_works_both_ways_and_one_of_one_sign_does_not():
    labels = tables.unembedding(made(BASE)).labels
    both = np.where(np.arange(1000) % 2, 1.0, -1.0)
    both[labels[:3]] = [-1, 1, 1]
    assert verdict("bias", made(BASE, b2=both)) == "holds"
    assert verdict("bias", made(BASE, b2=np.ones(1000))) == "partly"


def test_with_the_notebooks_recipe_only_the_start_with_the_lowest_train_loss_is_looked_at():
    soft = EXPERIMENTS["unembedding_soft"].at("notebook")
    starts = CLAIMS["soft_square"].networks("notebook", 100)
    assert [(e.seed, e.data_seed) for e in starts] == [(seed, 100) for seed in range(400, 404)]
    assert {e.with_(seed=0, data_seed=None) for e in starts} == {soft}
    for square in range(4):
        shapes_ = [BOX if k == square else BLOB for k in range(4)]
        losses = [{"train_loss": loss, "test_loss": 1.0} for loss in (0.4, 0.3, 0.1, 0.2)]
        networks = [made(*each[:2], W1=each[2]) for each in zip(starts, losses, shapes_, strict=True)]
        found = judge(CLAIMS["soft_square"], networks, "notebook")
        assert (found.verdict, found.voters) == ("holds" if square == 2 else "fails", 1)


def test_soft_labels_need_a_square_of_their_own():
    soft = EXPERIMENTS["unembedding_soft"].quick
    assert verdict("soft_square", made(soft, W1=BOX)) == "holds"
    assert verdict("soft_square", made(soft, W1=BLOB), made(soft.with_(n_samples=100), W1=BOX)) == "fails"
    assert verdict("soft_square", made(BASE, W1=BOX)) is None


def test_the_split_is_cleared_if_two_matrices_without_cross_entropy_give_no_square():
    squared = EXPERIMENTS["double_descent_untied"].quick.with_(n_samples=500)
    assert verdict("split", made(BASE, W1=BOX), made(squared, W1=RING.T)) == "holds"
    assert verdict("split", made(BASE, W1=BOX), made(squared, W1=BOX)) == "fails"
    assert verdict("split", made(BASE, W1=BOX)) is None


def test_one_matrix_is_enough_only_if_its_columns_are_square():
    tied = EXPERIMENTS["unembedding_tied"].quick
    assert verdict("one_matrix", made(BASE, W1=BOX), made(tied, W1=BOX)) == "holds"
    assert verdict("one_matrix", made(BASE, W1=BOX), made(tied, W1=RING.T)) == "fails"
    assert verdict("one_matrix", made(BASE, W1=BOX)) is None


def test_the_optimiser_is_the_cause_only_if_sgd_learns_without_a_square():
    xavier = {"init": "xavier_normal", "bias_init": "zeros"}
    adam = made(EXPERIMENTS["unembedding_xavier"].quick, LEARNED, W1=BOX)
    sgd = EXPERIMENTS["unembedding_sgd"].quick.with_(**xavier)
    assert verdict("optimizer", adam, made(sgd, LEARNED, W1=BLOB)) == "holds"
    assert verdict("optimizer", adam, made(sgd, LEARNED, W1=BOX)) == "fails"
    assert verdict("optimizer", adam, made(sgd, LEARNED | {"train_accuracy": 0.2}, W1=BLOB)) == "partly"


def test_squares_must_be_clearest_at_500_and_not_there_with_few_samples():
    def at(shapes_by_size):
        return [made(BASE.with_(n_samples=T), W1=shapes_by_size.get(T, BLOB)) for T in SAMPLE_SIZES]

    assert verdict("shapes", *at({500: BOX})) == "holds"
    assert verdict("shapes", *at({})) == "fails"
    assert verdict("shapes", *at({500: metrics.turned(BOX.T, 45).T})) == "fails"
    assert verdict("shapes", *at(dict.fromkeys(SAMPLE_SIZES, BOX))) == "partly"
    assert verdict("shapes", *at({500: BOX})[:5]) is None


def test_a_second_descent_needs_a_peak_inside_and_an_accuracy_that_mirrors_it():
    def curve(losses, accuracies):
        return [
            made(BASE.with_(n_samples=T), {"test_loss": loss, "test_accuracy": accuracy})
            for T, loss, accuracy in zip(SAMPLE_SIZES, losses, accuracies, strict=True)
        ]

    bump = [5, 6, 7, 8, 9, 10, 20, 40, 80, 120, 150, 148, 145, 143, 140, 90]
    mirror = [0.01 - loss / 20_000 for loss in bump]
    assert verdict("descent", *curve(bump, mirror)) == "holds"
    higher_before = [5, 6, 7, 8, 9, 300, 200, *bump[7:]]
    assert verdict("descent", *curve(higher_before, mirror)) == "holds"  # the peak may be a local one
    assert verdict("descent", *curve(sorted(bump), mirror)) == "fails"
    assert verdict("descent", *curve(bump, bump)) == "partly"
    flat = sorted((loss / 100 for loss in bump), reverse=True)
    assert verdict("descent", *curve(flat, mirror)) == "fails"
    assert verdict("descent", *curve(bump, mirror)[:6]) is None


# each part at its threshold: shapes as numbers, on either side of it

PEAKED = "a peak, higher than both sides by a tenth"
SQUARE_AT_500 = "a square along the axes at T = 500"
DECISIVE = {PEAKED, SQUARE_AT_500, "for every training sample"}


def denied(finding):
    """The parts that are not so; those that a verdict cannot do without are the ones it names as decisive."""
    assert set(finding.decisive) == DECISIVE & finding.parts.keys()
    return [part for part, so in finding.parts.items() if not so]


XAVIER, SOFT, TIED = (EXPERIMENTS[f"unembedding_{kind}"].quick for kind in ("xavier", "soft", "tied"))
SGD = EXPERIMENTS["unembedding_sgd"].quick.with_(init="xavier_normal", bias_init="zeros")
SQUARED = EXPERIMENTS["double_descent_untied"].quick.with_(n_samples=500)
OTHERS = (  # that no claim asks for
    TIED.with_(optimizer="sgd"),
    TIED.with_(task="classify_soft"),
    SQUARED.with_(task="classify_hard"),
    BASE.with_(n_hidden=3),
    BASE.with_(optimizer="sgd"),
    BASE.with_(n_samples=200),
)


@pytest.mark.parametrize(
    ("name", "shapes_", "said"),
    [
        ("xavier_square", {XAVIER: (1.21, 1.1)}, "holds"),
        ("xavier_square", {XAVIER: (1.21, 1.12)}, "fails"),
        ("xavier_square", {XAVIER: (1.19, 1.0)}, "fails"),
        ("soft_square", {SOFT: (1.21, 1.1)}, "holds"),
        ("soft_square", {SOFT: (1.21, 1.12)}, "fails"),
        ("soft_square", {SOFT: (1.19, 1.0)}, "fails"),
        ("split", {BASE: (1.21, 1.1), SQUARED: (1.13, 1.0)}, "holds"),
        ("split", {BASE: (1.21, 1.12), SQUARED: (1.13, 1.0)}, "partly"),
        ("split", {BASE: (1.19, 1.0), SQUARED: (1.13, 1.0)}, "partly"),
        ("split", {BASE: (1.21, 1.1), SQUARED: (1.15, 1.0)}, "fails"),
        ("one_matrix", {BASE: (1.0, 1.0), TIED: (1.21, 1.1)}, "holds"),
        ("one_matrix", {BASE: (1.3, 1.0), TIED: (1.21, 1.12)}, "fails"),
        ("one_matrix", {BASE: (1.3, 1.0), TIED: (1.19, 1.0)}, "fails"),
        ("optimizer", {XAVIER: (1.25,), SGD: (1.14, 1.05)}, "holds"),
        ("optimizer", {XAVIER: (1.25,), SGD: (1.14, 1.23)}, "holds"),
        ("optimizer", {XAVIER: (1.25,), SGD: (1.14, 1.03)}, "partly"),
        ("optimizer", {XAVIER: (1.25,), SGD: (1.14, 1.25)}, "partly"),
        ("optimizer", {XAVIER: (1.25,), SGD: (1.16, 1.16)}, "fails"),
        ("optimizer", {XAVIER: (1.19,), SGD: (1.0, 1.0)}, "fails"),
    ],
)
def test_a_verdict_about_shapes_turns_at_its_squareness(name, shapes_, said, monkeypatch):
    found = {e: dict(zip((0, 45), values, strict=False)) for e, values in shapes_.items()}
    monkeypatch.setattr(final_layer, "squareness", lambda result, degrees=0: found[result.experiment][degrees])
    others = [made(e, LEARNED) for e in OTHERS]
    networks = [made(e, LEARNED | {"train_accuracy": 0.99}) for e in shapes_]
    assert verdict(name, *others, *networks) == said
    if name == "optimizer" and said == "holds":
        less = [made(e, LEARNED | {"train_accuracy": 0.98}) for e in shapes_]
        assert verdict(name, *less) == "partly"


SQUARES = {10: 1.5, 15: 1.2, 100: 1.2, 200: 1.2, 500: 1.25, 2000: 1.2}  # ten samples have too few features for a shape


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({100: 1.275}, []),
        ({100: 1.285}, ["no size is clearer"]),
        ({15: 1.215}, []),
        ({15: 1.225}, ["less square with few samples and with many"]),
        ({2000: 1.215}, []),
        ({2000: 1.225}, ["less square with few samples and with many"]),
        ({500: 1.19, 15: 1.1, 2000: 1.1}, [SQUARE_AT_500]),
    ],
)
def test_squares_at_500_are_compared_with_every_other_size(changes, said, monkeypatch):
    values = SQUARES | changes
    lost = 0.11
    monkeypatch.setattr(
        final_layer, "squareness", lambda result, degrees=0: values[result.experiment.n_samples] - lost * degrees / 45
    )
    networks = [made(BASE.with_(n_samples=size)) for size in values]
    finding = final_layer.squares_in_between(networks)
    assert denied(finding) == said
    lost = 0.09
    assert denied(final_layer.squares_in_between(networks)) == [SQUARE_AT_500, *(set(said) - {SQUARE_AT_500})]
    if not changes:
        assert finding.measured == (
            "squareness of W1 1.25 (1.14 turned by 45 degrees) at T = 500, 1.20 at T = 15, 1.20 at T = 2,000; the most "
            "square is T = 500 with 1.25"
        )


@pytest.mark.parametrize(
    ("sizes", "enough"),
    [
        ((15, 100, 200, 500, 2000), True),
        ((30, 100, 200, 500, 2000), True),
        ((10, 100, 200, 500, 2000), False),
        ((50, 100, 200, 500, 2000), False),
        ((15, 100, 200, 1000, 2000), False),
        ((15, 100, 200, 500, 1000), False),
    ],
)
def test_the_transition_takes_five_sizes_from_few_samples_to_many(sizes, enough, monkeypatch):
    monkeypatch.setattr(final_layer, "squareness", lambda result, degrees=0: 1.0)
    assert (final_layer.squares_in_between([made(BASE.with_(n_samples=size)) for size in sizes]) is not None) == enough


PEAK = {10: 500, 15: 5, 100: 20, 200: 30, 500: 50, 1000: 40, 2000: 10}  # test losses; those of 10 samples do not count
MIRROR = {10: 0.9, 15: 0.9, 100: 0.4, 200: 0.3, 500: 0.1, 1000: 0.2, 2000: 0.5}
MIRRORED = "accuracy is low where the loss is high"


@pytest.mark.parametrize(
    ("losses", "accuracies", "said"),
    [
        ({}, {}, []),
        ({100: 60}, {100: 0.05}, []),
        ({50: 60}, {}, []),
        ({15: 60}, {}, []),  # the peak at 500 is a local one: 20 before it, 10 after it
        ({15: 60, 100: 55, 200: 52}, {100: 0.05, 200: 0.08}, [PEAKED]),  # it falls all the way
        ({15: 60, 100: 46, 200: 47}, {100: 0.3}, [PEAKED]),  # 50 is less than a tenth above 46
        ({15: 60, 100: 45, 200: 47}, {100: 0.3}, []),
        ({2000: 60}, {2000: 0.05}, []),  # it rises again after 40
        ({1000: 55, 2000: 60}, {1000: 0.08, 2000: 0.05}, [PEAKED]),
        ({1000: 48, 2000: 46}, {1000: 0.15, 2000: 0.18}, [PEAKED]),
        ({1000: 48, 2000: 45}, {1000: 0.15, 2000: 0.18}, []),
        ({2000: 60, 5000: 10}, {2000: 0.05, 5000: 0.6}, []),
        ({500: 6.85, 100: 5, 200: 6, 1000: 6.2, 2000: 5}, {500: 0.05}, []),  # below ln n is a peak too
        ({}, {100: 0.5, 200: 0.2, 1000: 0.3, 2000: 0.4}, []),  # a rank correlation of -0.7
        ({}, {100: 0.4, 200: 0.1, 500: 0.2, 1000: 0.5, 2000: 0.6}, [MIRRORED]),
        ({}, {100: 0.11}, []),
    ],
)
def test_the_second_descent_of_the_unembedding_turns_at_its_thresholds(losses, accuracies, said):
    losses, accuracies = dict(sorted((PEAK | losses).items())), MIRROR | {50: 0.9} | accuracies
    networks = [
        made(BASE.with_(n_samples=size), {"test_loss": loss, "test_accuracy": accuracies[size]})
        for size, loss in losses.items()
    ]
    finding = final_layer.descends_twice(networks)
    assert denied(finding) == said
    if losses == PEAK and accuracies == MIRROR | {50: 0.9}:
        assert finding.measured == (
            "mean test cross-entropy 5 before and 10 after a peak of 50 at T = 500 (ln n = 6.91); rank correlation "
            "with the test accuracy from T = 100 on -1.00"
        )


@pytest.mark.parametrize(
    ("sizes", "enough"),
    [
        ((15, 100, 500, 1000, 2000), True),
        ((10, 100, 500, 1000, 2000), False),
        ((15, 100, 200, 1000, 2000), False),
        ((15, 100, 200, 500, 1000), False),
    ],
)
def test_the_second_descent_of_the_unembedding_takes_five_sizes(sizes, enough):
    networks = [
        made(BASE.with_(n_samples=size), {"test_loss": PEAK[size], "test_accuracy": MIRROR[size]}) for size in sizes
    ]
    assert (final_layer.descends_twice(networks) is not None) == enough


@pytest.mark.parametrize(
    ("train", "test", "active", "said"),
    [
        (1.0, 0.01, 10.5, "holds"),
        (1.0, 0.01, 9.5, "holds"),
        (1.0, 0.01, 10.6, "partly"),
        (1.0, 0.01, 9.4, "partly"),
        (0.998, 0.01, 10.0, "fails"),
        (1.0, 0.011, 10.0, "fails"),
    ],
)
def test_a_lookup_table_of_ten_active_features_turns_at_its_thresholds(train, test, active, said, monkeypatch):
    X = np.arange(20) < np.where(np.arange(10) < round(10 * (active % 1)), active // 1 + 1, active // 1)[:, None]
    monkeypatch.setattr(final_layer.probe, "seen_samples", lambda result: SimpleNamespace(X=X.astype(float)))
    assert verdict("lookup", made(BASE, LEARNED | {"train_accuracy": train, "test_accuracy": test})) == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"W1": 1.19}, ["W1 is a square along the axes"]),
        ({"turned": 1.12}, ["W1 is a square along the axes"]),
        ({"petals": 1.09}, ["h is a rose"]),
        ({"on": 79}, ["W2 is a circle"]),
        ({"inside": 6}, ["W2 is a circle"]),
        ({"empty": 91}, ["W2 is a circle"]),
    ],
)
def test_a_rose_and_a_circle_turn_at_their_thresholds(changes, said, monkeypatch):
    values = {"W1": 1.21, "turned": 1.1, "petals": 1.11, "on": 81, "inside": 5, "empty": 80} | changes
    lengths = np.where(np.arange(100) < values["on"], 1.0, 1.2)
    lengths[100 - values["inside"] :] = 0.4
    around = np.radians(np.linspace(0, 360 - values["empty"], 100))
    rows = np.stack([np.cos(around), np.sin(around)], axis=1) * lengths[:, None]
    found = SimpleNamespace(
        hidden=np.ones((3, 2)), rows=np.vstack([rows, 99 * np.ones((50, 2))]), seen=np.arange(150) < 100
    )
    monkeypatch.setattr(final_layer, "squareness", lambda result, degrees=0: values["turned" if degrees else "W1"])
    monkeypatch.setattr(tables, "unembedding", lambda result: found)
    monkeypatch.setattr(metrics, "petals", lambda hidden: values["petals"])
    finding = final_layer.rose_and_circle([made(BASE)])
    assert denied(finding) == said


@pytest.mark.parametrize(
    ("name", "negative", "said"),
    [
        ("first_quadrant", range(3, 8), []),
        ("first_quadrant", range(3, 9), ["for at least 95 % of all"]),
        ("first_quadrant", (2,), ["for the first three samples"]),
        ("bias", range(2, 12), []),
        ("bias", range(2, 11), ["lowered for at least a tenth of all"]),
        ("bias", range(3, 13), []),  # none of the first three
        ("bias", range(90), []),
        ("bias", range(91), ["raised for at least a tenth of all"]),
    ],
)
def test_a_sample_more_or_less_turns_what_is_said_of_one_logit(name, negative, said, monkeypatch):
    sign = np.ones(100)
    sign[list(negative)] = -1
    monkeypatch.setattr(final_layer, "_correct", lambda result: (np.stack([np.ones(100), sign], axis=1), sign))
    finding = CLAIMS[name].check([made(BASE)])
    assert denied(finding) == said


@pytest.mark.parametrize(
    ("biases", "said"),
    [
        ((0.0, 0.0, 2.0), []),
        ((0.0, 0.0, 0.5), ["for every training sample"]),
    ],
)
def test_the_bias_must_bring_every_sample_on_top_that_has_a_class(biases, said, monkeypatch):
    found = SimpleNamespace(
        hidden=np.array([[3.0, 0], [0, 3.0], [1.0, 0.8], [9.0, 9.0]]),
        rows=np.array([[1.0, 0], [0, 1.0], [0.0, 0.0]]),
        biases=np.array(biases),
        labels=np.array([0, 1, 2, -1]),
    )
    monkeypatch.setattr(tables, "unembedding", lambda result: found)
    finding = final_layer.is_on_top([made(BASE)])
    assert denied(finding) == said
    monkeypatch.setattr(tables, "unembedding", lambda result: SimpleNamespace(**vars(found) | {"biases": np.zeros(3)}))
    found.labels[2] = 0
    assert not final_layer.is_on_top([made(BASE)]).parts["not so before the bias"]


def test_every_claim_is_judged_on_its_own_evidence():
    for claim in final_layer.CLAIMS:
        for recipe in claim.recipes:
            found = claim.evidence(recipe, 5)
            assert {experiment.seed for experiment in found} == {5}
            assert {experiment.n_samples for experiment in found} <= set(SAMPLE_SIZES)
            results = [made(experiment, LEARNED) for experiment in found]
            assert claim.check(results) is not None


@pytest.mark.parametrize("claim", final_layer.CLAIMS, ids=lambda claim: claim.id)
def test_every_claim_of_the_post_says_what_the_post_says(claim):
    assert claim.own != bool(claim.post_says)
    assert all(text == "" or text.endswith(".") for text in (claim.post_says, claim.changed, claim.note))
    assert len([part for part in claim.post_says.split(". ") if part]) <= 2


def test_a_visitors_own_network_is_judged_in_place_of_the_posts():
    sgd = EXPERIMENTS["unembedding_sgd"].quick
    assert verdict("first_quadrant", made(sgd, W1=np.abs(BOX), W2=np.ones((1000, 2)))) == "holds"
    assert verdict("first_quadrant", made(sgd), made(sgd.with_(task="classify_soft"))) is None


def test_a_network_without_a_bias_starts_without_one():
    assert set(initial_parameters(SMALL.with_(arch="unembed_no_bias"))) == {"W1", "W2"}
    with pytest.raises(ValueError, match="bias_init must be left at zeros"):
        SMALL.with_(arch="unembed_no_bias", bias_init="normal")
