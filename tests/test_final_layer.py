"""The toy unembedding: logits taken apart, shapes measured, figures, and its claims on networks that we made."""

import numpy as np
import pandas as pd
import pytest

from toyviz import charts, data, metrics, probe, tables, ui
from toyviz.claims import final_layer
from toyviz.claims.claim import judge
from toyviz.experiment import Experiment
from toyviz.model import initial_parameters, shapes
from toyviz.result import Result
from toyviz.settings import EXPERIMENTS, SAMPLE_SIZES
from toyviz.store import GALLERY, Store

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


# figures


def taken_apart():
    """A network, one of its training samples and the sample's class."""
    result = made(SMALL)
    return result, probe.seen_samples(result).inputs[0], int(tables.unembedding(result).labels[0])


def test_losses_too_small_for_the_axis_are_drawn_at_its_foot_and_told_as_they_are():
    losses = {15: 5.0, 50: 80.0, 500: 20.0}
    rows = [{"n_samples": T, "seed": k, "train_loss": 0.0, "test_loss": losses[T]} for T in losses for k in range(2)]
    figure = charts.over_samples(pd.DataFrame(rows), "loss", ("guess", 2.5), (15, 50, 500))
    train = figure.data["points"].query("set == 'train'")
    assert set(train["value"]) == {0.0}
    assert set(train["shown"]) == {1e-3}
    assert "highest at T = 50 with 80" in figure.alt


@pytest.mark.parametrize(("last", "where", "below"), [(80.0, 500, [False, False]), (1.2, 50, [False, True])])
def test_lines_that_meet_carry_their_names_where_they_are_apart(last, where, below):
    losses = {15: (1.0, 5.0), 50: (1.0, 20.0), 500: (1.0, last)}
    rows = [{"n_samples": T, "seed": 0, "train_loss": a, "test_loss": b} for T, (a, b) in losses.items()]
    names = charts.over_samples(pd.DataFrame(rows), "loss", ("guess", 2.5), (15, 50, 500)).data["names"]
    assert set(names["n_samples"]) == {where}
    assert names.sort_values("set")["below"].tolist() == below


def test_the_path_of_the_votes_ends_at_the_hidden_vector():
    result, x, _ = taken_apart()
    votes = probe.hidden_votes(result, x)
    figure = charts.votes(votes.features, votes.values, votes.votes, votes.hidden)
    end = figure.data["path"].iloc[-1][["x", "y"]].astype(float)
    np.testing.assert_allclose(end, figure.data["sum"].iloc[0][["x", "y"]].astype(float), atol=1e-6)


def test_the_correct_class_is_marked_at_its_own_terms_with_its_own_rank():
    result, x, label = taken_apart()
    terms, seen = probe.logit_terms(result, x), tables.unembedding(result).seen
    drawn = charts.logit_stages(terms.terms, terms.bias, terms.logits, seen, label).data
    correct, ticks = drawn["correct"], drawn["ticks"]
    assert set(correct["class"]) == {label}
    own = ticks[ticks["class"] == label].set_index("stage")["value"]
    assert list(correct["value"]) == [own[stage] for stage in correct["stage"]]
    last = ticks[ticks["stage"] == correct["stage"].iloc[-1]]["value"]
    rank = int((last > correct["value"].iloc[-1]).sum()) + 1
    assert correct["label"].iloc[-1].endswith(f"rank {rank}")
    line = charts.logit_plane(terms.terms, seen, label, terms.hidden).data["line"]
    np.testing.assert_allclose(line["x"] + line["y"], own["their sum"])


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


def test_a_filled_square_is_a_square_and_a_blob_is_none():
    assert verdict("xavier_square", made(BASE.with_(init="xavier_normal"), W1=BOX)) == "holds"
    assert verdict("xavier_square", made(BASE.with_(init="xavier_normal"), W1=BLOB)) == "fails"
    leaning = metrics.turned(BOX.T, 45).T
    assert verdict("xavier_square", made(BASE.with_(init="xavier_normal"), W1=leaning)) == "fails"


def test_square_rose_and_circle_are_told_apart():
    sparse_box = np.sign(BOX) * (1 - 0.2 * np.abs(BOX))  # corners: their sums reach along the diagonals
    good = made(BASE, W1=sparse_box, W2=RING)
    bad = made(BASE, W1=BLOB, W2=RING * RNG.uniform(0.1, 2, (1000, 1)))
    parts = final_layer.rose_and_circle([good]).parts
    assert parts["W1 is a square"]
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
    assert verdict("shapes", *at({})) != "holds"
    assert verdict("shapes", *at(dict.fromkeys(SAMPLE_SIZES, BOX))) == "partly"
    assert verdict("shapes", *at({500: BOX})[:5]) is None


def test_a_second_descent_needs_a_peak_inside_and_an_accuracy_that_mirrors_it():
    def curve(losses, accuracies):
        return [
            made(BASE.with_(n_samples=T), {"test_loss": loss, "test_accuracy": accuracy})
            for T, loss, accuracy in zip(SAMPLE_SIZES, losses, accuracies, strict=True)
        ]

    bump = [5, 6, 7, 8, 9, 10, 20, 40, 80, 120, 150, 140, 90]
    mirror = [0.01 - loss / 20_000 for loss in bump]
    assert verdict("descent", *curve(bump, mirror)) == "holds"
    assert verdict("descent", *curve(sorted(bump), mirror)) == "fails"
    assert verdict("descent", *curve(bump, bump)) == "partly"
    flat = sorted((loss / 100 for loss in bump), reverse=True)
    assert verdict("descent", *curve(flat, mirror)) != "holds"
    assert verdict("descent", *curve(bump, mirror)[:6]) is None


def test_every_claim_is_judged_on_its_own_evidence():
    for claim in final_layer.CLAIMS:
        for size in ("quick", "post"):
            found = claim.evidence(size, 5)
            assert {experiment.seed for experiment in found} == {5}
            results = [made(experiment, LEARNED) for experiment in found]
            assert claim.check(results) is not None


def test_a_visitors_own_network_is_judged_in_place_of_the_posts():
    sgd = EXPERIMENTS["unembedding_sgd"].quick
    assert verdict("first_quadrant", made(sgd, W1=np.abs(BOX), W2=np.ones((1000, 2)))) == "holds"
    assert verdict("first_quadrant", made(sgd), made(sgd.with_(task="classify_soft"))) is None


def test_a_network_without_a_bias_starts_without_one():
    assert set(initial_parameters(SMALL.with_(arch="unembed_no_bias"))) == {"W1", "W2"}
    with pytest.raises(ValueError, match="bias_init must be left at zeros"):
        SMALL.with_(arch="unembed_no_bias", bias_init="normal")


# the page

PAGE = "pages/final_layer/unembedding.py"
OF_ONE_NETWORK = {"labels", "network", "optimizer", "init", "weight_decay"}


@pytest.mark.parametrize(
    ("address", "used"),
    [
        ({}, OF_ONE_NETWORK),
        ({"final": "One network"}, OF_ONE_NETWORK),
        ({"optimizer": "SGD"}, OF_ONE_NETWORK - {"weight_decay"}),
        ({"final": "Why squares"}, set()),
    ],
)
def test_a_control_is_there_only_where_it_is_used(address, used, untrained, open_page, monkeypatch):
    monkeypatch.setattr(ui, "claim", lambda *_: None)
    app = open_page(untrained(), PAGE, n_samples=["15", "500"], seeds="1", **address)
    assert {name for name in OF_ONE_NETWORK if name in app.session_state} == used


@pytest.mark.parametrize(("labels", "task"), [("Hard", "classify_hard"), ("Soft", "classify_soft")])
def test_calling_every_class_as_likely_has_the_loss_that_the_page_tells(labels, task, open_page):
    app = open_page(Store(None, GALLERY), PAGE, labels=labels, seeds="1")
    targets = data.held_out_samples(BASE.with_(task=task)).targets
    expected = metrics.cross_entropy(np.zeros_like(targets, dtype=float), targets).mean()
    assert f"= {expected:.3f}" in "".join(each.value for each in app.markdown)


def test_the_page_tells_how_much_of_the_square_is_border(open_page):
    store = Store(None, GALLERY)
    app = open_page(store, PAGE, final="One network")
    found = tables.unembedding(store.get(BASE))
    largest = np.sort(np.abs(found.columns[found.active]).max(axis=1))
    share = np.mean(largest >= 0.9 * np.quantile(largest, 0.95))
    assert f"{share:.0%} of them lie within" in "".join(each.value for each in app.markdown)
