"""The three fish: what they see, what comes back, what their rank allows, their figures and their claims."""

import itertools
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from toyviz import charts, data, gallery, metrics, probe, settings, studies, tables, theory
from toyviz.claims import CLAIMS, Finding
from toyviz.claims import fish as checks
from toyviz.model import shapes
from toyviz.result import Result
from toyviz.studies.fish import cell
from toyviz.sweep import Sweep
from toyviz.train import train
from toyviz.view import Figure, ids, link

SMALL = {"n_features": 12, "n_embed": 5, "n_hidden": 7, "n_samples": 60, "sparsity": 0.8, "steps": 150}
BIG, COPY, AGAIN = (settings.EXPERIMENTS[name].quick.with_(**SMALL) for name in settings.FISH)


def made(experiment, W1, W2, b1=0.0, b2=0.0):
    """A result with these weights, as if it had been trained."""
    every = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
    weights = {
        name: np.broadcast_to(every[name], shape).astype(np.float32) for name, shape in shapes(experiment).items()
    }
    found = probe.evaluate(experiment, weights)
    steps, frames = np.array([experiment.steps]), {name: values[None] for name, values in weights.items()}
    return Result(experiment, weights, steps, np.ones(1, np.float32), steps, frames, found)


def linear(experiment, A):
    """A network with as many neurons as inputs that turns x' into x' A: b1 lifts all neurons, b2 takes it back."""
    experiment = experiment.with_(n_hidden=experiment.n_inputs)
    lift = 100.0
    return made(experiment, np.eye(experiment.n_inputs), A.T, lift, -lift * A.sum(axis=0))


# what they see


def test_the_three_fish_see_the_same_samples_through_the_same_projection_whatever_their_size():
    seen = [data.training_samples(each.with_(n_hidden=m)) for each in (BIG, COPY, AGAIN) for m in (3, 9)]
    for samples in seen[1:]:
        np.testing.assert_array_equal(samples.X, seen[0].X)
        np.testing.assert_array_equal(samples.inputs, seen[0].inputs)
    np.testing.assert_array_equal(data.training_samples(BIG.with_(n_embed=3)).X, seen[0].X)
    assert not np.array_equal(data.training_samples(BIG.with_(seed=1)).inputs, seen[0].inputs)


def test_the_re_projectors_target_is_another_projection_with_no_relation_to_the_first():
    wide = AGAIN.with_(n_features=500, n_embed=40)
    E, other = data.embedding(wide).ravel(), data.target_embedding(wide).ravel()
    assert abs(np.corrcoef(E, other)[0, 1]) < 5 / np.sqrt(len(E))


# what comes back


def test_a_fish_that_does_its_job_exactly_gives_every_feature_back():
    square = BIG.with_(n_embed=12)
    E = data.embedding(square).astype(np.float64)
    assert probe.one_hots_back(linear(COPY, np.eye(5))).all()
    assert probe.one_hots_back(linear(square, np.linalg.inv(E))).all()
    other = data.target_embedding(AGAIN.with_(n_embed=12)).astype(np.float64)
    assert probe.one_hots_back(linear(AGAIN.with_(n_embed=12), np.linalg.inv(E) @ other)).all()


def test_one_output_that_is_always_the_largest_gives_back_only_the_features_that_belong_to_it():
    always = made(COPY, np.zeros((7, 5)), np.zeros((5, 7)), b2=np.eye(5)[2])
    np.testing.assert_array_equal(probe.one_hots_back(always), data.embedding(COPY).argmax(axis=1) == 2)
    one = made(BIG, np.zeros((7, 5)), np.zeros((12, 7)), b2=np.eye(12)[4])
    np.testing.assert_array_equal(probe.one_hots_back(one), np.arange(12) == 4)


def test_the_classes_of_antipodal_inputs_are_no_features_that_could_come_back():
    names = settings.EXPERIMENTS["dictionary_antipodal"].quick
    with pytest.raises(ValueError, match="antipodal"):
        probe.one_hots_back(made(names, np.zeros(()), np.zeros(())))


def test_the_lead_is_the_correct_output_minus_the_largest_other_and_a_tie_is_no_lead():
    rng = np.random.default_rng(0)
    output, targets = rng.normal(size=(30, 6)), rng.normal(size=(30, 6))
    for found, y, t in zip(metrics.lead(output, targets), output, targets, strict=True):
        correct = int(np.argmax(t))
        assert found == y[correct] - max(v for k, v in enumerate(y) if k != correct)
    assert metrics.lead(np.array([[1.0, 1.0]]), np.array([[0.0, 1.0]])) == 0
    assert not metrics.right(np.array([[1.0, 1.0]]), np.array([[0.0, 1.0]])).any()


# what their rank allows


@pytest.mark.parametrize("shape", [(40, 7), (7, 40)])
def test_the_floor_of_each_width_is_what_the_best_approximation_of_that_rank_leaves(shape):
    Y = np.random.default_rng(1).normal(size=shape) + 3
    floors = theory.rank_floors(Y)
    U, s, V = np.linalg.svd(Y - Y.mean(axis=0), full_matrices=False)
    for m in range(8):
        best = Y.mean(axis=0) + (U[:, :m] * s[:m]) @ V[:m]
        assert floors[m] == pytest.approx(((Y - best) ** 2).sum(axis=1).mean(), abs=1e-9)
        assert theory.rank_floor(Y, m) == floors[m]
    assert floors[0] == pytest.approx(theory.best_constant_loss(Y))
    assert theory.rank_floor(Y, 100) == 0


@pytest.mark.parametrize("experiment", [BIG, COPY, AGAIN], ids=lambda e: e.task)
def test_no_trained_fish_is_below_its_floor_and_a_constant_one_is_at_the_variance(experiment):
    row = tables.fish([train(experiment.with_(n_hidden=3, lr=0.02))]).iloc[0]
    assert row["floor_share"] > 0.01
    assert row["floor_share"] <= row["share"] < 1
    assert row["floor"] <= row["mse"]
    mean = data.training_samples(experiment).targets.mean(axis=0)
    constant = tables.fish([made(experiment.with_(lr=0.5), 0.0, 0.0, b2=mean)]).iloc[0]
    assert constant["share"] == pytest.approx(1, rel=1e-4)


def test_the_error_is_the_mean_over_all_elements_and_chance_is_one_over_the_outputs():
    for experiment in (BIG.with_(lr=0.4), COPY.with_(lr=0.4)):
        result = train(experiment.with_(steps=5))
        samples = data.training_samples(experiment)
        row = tables.fish([result]).iloc[0]
        assert row["mse"] == pytest.approx(((probe.activations(result, samples).output - samples.targets) ** 2).mean())
        assert row["chance"] == 1 / samples.targets.shape[1]
        assert row["recovered"] == round(row["accuracy"] * 12)


def test_a_small_fish_with_a_neuron_for_each_input_loses_nothing():
    row = tables.fish([linear(COPY.with_(lr=0.3), np.eye(5))]).iloc[0]
    assert row["floor"] == 0
    assert row["share"] < 1e-6
    assert row["accuracy"] == 1


# the figures


def test_the_drawing_of_the_shapes_is_to_scale():
    drawn = charts.fish_shapes(256, 32, 64).data
    shares = drawn["layers"]["share"].to_numpy().reshape(3, 4)
    np.testing.assert_allclose(shares, np.array([[8, 1, 2, 8], [8, 1, 2, 1], [8, 1, 2, 1]]) / 8)
    parts = drawn["parts"]
    assert set(parts.loc[~parts["trained"], "part"]) == {"E"}
    for (place, _), ends in parts.groupby(["place", "which"]):  # from one layer to the next one above it
        low, high = ends["layer"]
        assert high == low + 1
        assert ends["upper"].tolist() == [False, True]
        assert ends["share"].tolist() == shares[place, [low, high]].tolist()


def test_the_transformer_has_its_three_parts_with_their_formulas():
    names = charts.components().data["names"].set_index("part")["formula"]
    assert names["residual stream"] == "ReLU(Wᵀ W x + b)"
    assert names["MLP block"] == "W2 ReLU(W1 x + b1) + b2"
    assert names["final layer"] == "logits = W2 W1 x + b"


def test_features_stand_from_the_surest_to_the_one_that_is_lost_most_at_last():
    lead = np.array([[9.0, -9.0, 0.0, 0.0], [0.2, -0.5, 0.9, 0.0]])
    chart = cell.recovery(lead, 1.0, 1)
    rows, unit = chart.data["bars"], chart.data["scales"]["unit"]
    assert rows["feature"].tolist() == [2, 0, 3, 1]
    for frame in (0, 1):
        drawn = rows[f"v{frame}"] * unit[frame]
        assert drawn.tolist() == pytest.approx(lead[frame, rows["feature"]], abs=1e-3)
    assert chart.data["panels"]["marked"].item() == 3.5 / 4
    assert chart.data["meta"][["low", "high"]].to_numpy().tolist() == [[-0.5, 1]]
    assert '"fields": ["feature", "time"]' in json.dumps(chart.spec)


def test_a_click_on_a_map_picks_its_two_sizes_and_the_cell_that_is_open_is_marked():
    cells = pd.DataFrame({"n_embed": [8, 16], "n_hidden": [4, 4], "value": [0.5, 0.1]})
    sides = {"x": charts.Side("n_embed", "B", (8, 16)), "y": charts.Side("n_hidden", "H", (4, 32))}
    figure = charts.size_map(cells, "Error", "error", selected={"n_embed": 16, "n_hidden": 4}, **sides)
    pick = next(each for layer in figure.spec["layer"] for each in layer.get("params", ()) if each["name"] == "pick")
    assert pick["select"]["fields"] == ["n_embed", "n_hidden", "time"]
    assert figure.data["selected"].to_dict("records") == [{"n_embed": 16, "n_hidden": 4}]
    assert len(figure.data["frame"]) == 4


# the claims


def grid(value, embeds=(16, 32, 64), hidden=(4, 16, 32, 64), F=64):
    """Cells of one F; value(task, B, H) gives error over variance and accuracy."""
    cells = {
        (B, H): {
            (name, task): v
            for task in settings.FISH
            for name, v in zip(("share", "accuracy"), value(task, B, H), strict=True)
        }
        for B, H in itertools.product(embeds, hidden)
    }
    frame = pd.DataFrame(cells).T
    frame.index.names = ["n_embed", "n_hidden"]
    return {F: frame}


def as_posted(task, B, H):
    """What the post says: hidden size decides for big fish and re-projector; the small fish copies."""
    if task == "small_fish":
        return (0.0, 1.0) if B <= H else (1 - H / B, 0.4 + 0.5 * H / B)
    return 1.001 - min(H, 64) / 64 + B / 1e4, min(H, 64) / 64 - 0.02 - B / 1e4


def test_what_the_post_says_passes_every_check_and_its_opposite_none():
    passing = grid(as_posted)
    for check in (
        checks.hidden_size_decides,
        checks.a_neuron_for_each_feature,
        checks.recovers_more,
        checks.is_not_perfect,
        checks.alike,
    ):
        assert check(passing).verdict == "holds", check.__name__
    other = grid(lambda task, B, H: (B / 65, 1 - B / 65))  # the bottleneck decides
    assert checks.hidden_size_decides(other).verdict == "fails"
    assert not checks.a_neuron_for_each_feature(grid(lambda *_: (0.1, 0.99))).parts["less with half as many neurons"]
    assert not checks.a_neuron_for_each_feature(grid(lambda *_: (0.1, 0.5))).parts["90% of the features at H = F"]
    swapped = grid(lambda task, B, H: as_posted({"small_fish": "big_fish"}.get(task, "small_fish"), B, H))
    assert checks.recovers_more(swapped).verdict == "fails"
    assert checks.is_not_perfect(grid(lambda *_: (0.0, 1.0))).verdict == "fails"
    like_small = grid(lambda task, B, H: as_posted("big_fish" if task == "big_fish" else "small_fish", B, H))
    assert not checks.alike(like_small).parts["the accuracies are closer than the small fish's"]
    reversed_error = grid(lambda task, B, H: (H / 99 + B / 1e4, 0.5) if task == "reproject" else as_posted(task, B, H))
    assert not checks.alike(reversed_error).parts["the errors rank alike"]


def with_cells(changed, hidden=(16, 32, 64, 128, 256), embeds=(8, 16, 32)):
    """Two F as the post says them, but for some cells: {(F, task, B, H): (error over variance, accuracy)}."""

    def value(F):
        def of(task, B, H):
            share = min(H, F) / F
            usual = (0.5 - share / 3, 0.9) if task == "small_fish" else (1.01 - share, share - 0.02)
            return changed.get((F, task, B, H), usual)

        return of

    return {F: frame for each in (64, 256) for F, frame in grid(value(each), embeds, hidden, each).items()}


@pytest.mark.parametrize(
    ("cells", "part"),
    [
        ({(256, "big_fish", 16, 256): (0.0, 0.9)}, None),
        ({(256, "big_fish", 16, 256): (0.0, 0.89)}, "90% of the features at H = F"),
        ({(64, "big_fish", 32, 64): (0.0, 0.89)}, "90% of the features at H = F"),
        ({(64, "big_fish", 8, 64): (0.0, 0.1)}, None),  # few numbers make two features look alike
        ({(64, "big_fish", 16, 32): (0.0, 0.89)}, None),
        ({(64, "big_fish", 16, 32): (0.0, 0.9)}, "less with half as many neurons"),
        ({(256, "big_fish", 32, 128): (0.0, 0.91)}, "less with half as many neurons"),
        ({(64, "big_fish", 8, 32): (0.0, 0.91)}, None),
    ],
)
def test_one_cell_is_enough_to_deny_that_the_big_fish_needs_a_neuron_for_each_feature(cells, part):
    finding = checks.a_neuron_for_each_feature(with_cells(cells))
    assert [name for name, so in finding.parts.items() if not so] == ([part] if part else [])


@pytest.mark.parametrize("name", ["error", "log error", "accuracy"])
@pytest.mark.parametrize(("times", "so"), [(3.05, True), (2.95, False)])
def test_the_hidden_size_must_matter_three_times_as_much_as_the_bottleneck(name, times, so):
    by_embed, by_hidden = {8: 99.0, 16: 0.0, 32: 0.05, 64: 0.1}, {4: 0.0, 16: 0.3, 32: 0.6, 64: 1.0}

    def value(task, B, H):
        sum_ = by_embed[B] + 0.1 * times * by_hidden[H]
        return {"error": (1 + sum_, 0.0), "log error": (10**sum_, 0.0), "accuracy": (1.0, sum_)}[name]

    finding = checks.hidden_size_decides(grid(value, tuple(by_embed), tuple(by_hidden)))
    assert finding.parts[f"{name}: 3 times as much"] == so


@pytest.mark.parametrize(("better", "so"), [(8, True), (7, False)])
@pytest.mark.parametrize("part", ["a lower error in 80% of the cells", "a higher accuracy in 80% of the cells"])
def test_the_small_fish_must_recover_more_in_eight_cells_of_ten(better, so, part):
    cells = list(itertools.product((16, 32), (4, 16, 32, 48, 64)))

    def value(task, B, H):
        ahead = task == "small_fish" and cells.index((B, H)) >= 10 - better
        return (0.1 if ahead else 0.5, 0.9 if ahead else 0.5)

    finding = checks.recovers_more(grid(value, *map(dict.fromkeys, zip(*cells, strict=True))))
    assert finding.parts[part] == so
    told = f"a lower error in {better} of 10 cells, a higher accuracy in {better}, 2 of 4 where H < F/2"
    assert finding.measured == told


@pytest.mark.parametrize(
    ("B", "H", "verdict"), [(32, 31, "fails"), (16, 15, "fails"), (16, 16, "holds"), (16, 31, "holds")]
)
def test_one_small_fish_with_few_neurons_that_recovers_everything_is_enough_to_deny_it(B, H, verdict):
    finding = checks.is_not_perfect(grid(lambda task, b, h: (0.0, float((b, h) == (B, H))), (16, 32), (7, 15, 16, 31)))
    assert finding.verdict == verdict


@pytest.mark.parametrize(("swapped", "so"), [([(2, 6)], True), ([(2, 6), (8, 9)], False)])
def test_the_errors_of_two_fish_rank_alike_from_a_spearman_of_0_8_on(swapped, so):
    cells, ranks = list(itertools.product((16, 32), (4, 16, 32, 48, 64))), list(range(10))
    for i, j in swapped:  # 1 - 6 * 32 / 990 = 0.806, and 1 - 6 * 34 / 990 = 0.794
        ranks[i], ranks[j] = ranks[j], ranks[i]

    def value(task, B, H):
        place = cells.index((B, H))
        return (ranks[place] if task == "reproject" else place), 0.5

    sides = tuple(map(dict.fromkeys, zip(*cells, strict=True)))
    alike = grid(lambda task, B, H: (B + H, 0.5), *sides, F=128)
    assert checks.alike(alike | grid(value, *sides)).parts["the errors rank alike"] == so


@pytest.mark.parametrize(("apart", "so"), [(0.19, True), (0.21, False)])
def test_accuracies_are_close_if_they_differ_less_than_those_of_the_small_fish(apart, so):
    def value(task, B, H):
        sign = 1 if H > 20 else -1
        return H, 0.5 + sign * {"big_fish": 0, "small_fish": 0.2, "reproject": -apart}[task]

    assert checks.alike(grid(value)).parts["the accuracies are closer than the small fish's"] == so


@pytest.mark.parametrize(
    ("embeds", "hidden", "without", "enough"),
    [
        ((16, 32), (4, 8, 16, 64), (), True),
        ((15, 16), (4, 8, 16, 64), (), False),
        ((8, 16, 32), (4, 8, 16, 64), (), True),
        ((16, 32), (4, 8, 64), (), False),
        ((16, 32), (4, 8, 16, 64), ("small_fish",), False),
    ],
)
def test_two_bottlenecks_that_are_wide_and_four_hidden_sizes_of_all_three_fish_are_enough(
    embeds, hidden, without, enough, monkeypatch
):
    networks = [
        SimpleNamespace(experiment=BIG.with_(task=task, n_features=64, n_embed=B, n_hidden=H))
        for task, B, H in itertools.product(settings.FISH, embeds, hidden)
        if task not in without
    ]

    def table(found):
        fields = ("task", "n_features", "n_embed", "n_hidden")
        rows = [{name: getattr(each.experiment, name) for name in fields} for each in found]
        return pd.DataFrame(rows).assign(share=0.5, accuracy=0.5)

    monkeypatch.setattr(tables, "fish", table)
    checked = checks._on_grids(settings.FISH, lambda grids: Finding({str(list(grids)): True}, "so much"))
    assert checked(networks) == (Finding({"[64]": True}, "so much") if enough else None)


def test_how_close_a_projection_is_to_losing_a_dimension_is_told(monkeypatch):
    monkeypatch.setattr(data, "embedding", lambda e: np.diag([4.0, 2.0, 1.0])[:, : 3 if e.n_embed == 5 else 2])
    monkeypatch.setattr(data, "target_embedding", data.embedding)
    finding = checks.has_full_rank([SimpleNamespace(experiment=COPY.with_(n_embed=B)) for B in (4, 5)])
    assert finding.measured == (
        "4 of 4 matrices have it; the smallest singular value is at least 0.25 of the largest (F = 12, B = 5)"
    )


def test_too_few_cells_say_nothing():
    networks = [train(each.with_(steps=1)) for each in (BIG, COPY, AGAIN)]
    for claim in checks.CLAIMS[1:]:
        assert claim.check(networks) is None, claim.id
    assert checks.has_full_rank(networks).verdict == "holds"


def test_a_projection_that_loses_a_dimension_is_found(monkeypatch):
    flat = np.ones((12, 5), np.float32)
    monkeypatch.setattr(data, "embedding", lambda experiment: flat)
    assert checks.has_full_rank([train(COPY.with_(steps=1, lr=0.2))]).verdict == "fails"


@pytest.mark.parametrize("claim", [c for c in checks.CLAIMS if not c.own], ids=lambda claim: claim.id)
def test_every_claim_of_the_post_says_what_the_post_says(claim):
    assert claim.post_says.endswith(".")
    assert not claim.changed or claim.changed.endswith(".")
    assert claim.recipes == ("quick", "paper", "plain")


def test_all_six_claims_share_their_evidence_which_has_the_cells_that_they_ask_for():
    evidence = [CLAIMS[claim.id].evidence("paper", 2) for claim in checks.CLAIMS]
    assert len(evidence) == 6
    assert all(each == evidence[0] for each in evidence)
    assert {e.seed for e in evidence[0]} == {2}
    assert {e.steps for e in evidence[0]} == {5_000}
    assert {(e.n_features, e.n_embed) for e in evidence[0]} == {(256, 16), (256, 128), (64, 16), (64, 64)}
    assert {e.n_hidden for e in evidence[0]} == {4, 8, 16, 32, 64, 128, 256}
    for F, (embeds, hidden) in checks.GRIDS.items():
        assert F in hidden
        assert F // 2 in hidden
        assert sum(B >= checks.NARROW for B in embeds) >= 2


# what is shipped


def test_the_default_maps_are_shipped_and_take_less_than_six_megabytes_of_weights():
    shown = settings.fish(n_embed=settings.FISH_EMBEDS, n_hidden=settings.FISH_HIDDEN)
    assert {e.key for e in shown} <= {e.key for e in gallery.wanted()}
    assert sum(4 * np.prod(shape) for e in shown for shape in shapes(e).values()) < 6e6


# the views

PAGE = studies.page("fish")
FEW = {"n_features": (12,), "F": 12, "n_embed": (5,), "B": 5, "n_hidden": (3, 7), "H": 7, "sparsity": 0.8}
FEW |= {"n_samples": 60, "steps": 150, "init": ("linear_uniform", "linear_uniform", 0.0), "feature": 3}
VIEWS = pytest.mark.parametrize("view", PAGE.views, ids=lambda view: view.id)


@pytest.fixture(scope="module")
def trained():
    """A small plan, all of it trained."""
    view = PAGE.views[0]
    plan = view.plan(view.default(**FEW))
    return {each: train(each) for each in plan.experiments}


def shown(view, trained, **changes):
    """Its blocks by id."""
    choice = view.default(**FEW | changes)
    plan = view.plan(choice)
    results = [trained[each] for each in plan.experiments if each in trained]
    blocks = [*view.show(choice, plan, Sweep(results, plan.experiments)), *view.inside(choice, trained[plan.opened[0]])]
    assert len({block.id for block in blocks}) == len(blocks)
    return {block.id: block for block in blocks}


@VIEWS
def test_a_plan_has_all_three_fish_for_each_cell_and_the_opened_one_first(view):
    choice = view.default(
        n_features=(12, 20), n_embed=(5,), n_hidden=(3, 7), F=20, B=9, H=11, fish="reproject", seeds=2
    )
    plan = view.plan(choice)
    expected = [
        e.with_(n_features=F, n_embed=B, n_hidden=H, seed=seed)
        for e in (settings.EXPERIMENTS[task].quick for task in settings.FISH)
        for F, B, H, seed in itertools.product((12, 20), (5, 9), (3, 7, 11), (0, 1))
    ]
    assert set(plan.experiments) == set(expected)
    assert len(plan.experiments) == len(expected)
    opened = settings.EXPERIMENTS["reproject"].quick.with_(n_features=20, n_embed=9, n_hidden=11)
    assert plan.opened == (opened,) == plan.experiments[:1]


@VIEWS
def test_at_the_defaults_a_view_asks_for_what_was_always_shipped(view):
    shown = settings.fish(n_embed=settings.FISH_EMBEDS, n_hidden=settings.FISH_HIDDEN)
    assert {e.key for e in view.shipped_experiments()} == {e.key for e in shown}


def test_each_map_has_the_mean_over_the_seeds_of_its_fish_on_one_scale(trained):
    view = PAGE.view("maps")
    two = {each.with_(seed=1): train(each.with_(seed=1)) for each in trained} | trained
    for measure in ("share", "mse", "accuracy"):
        data = shown(view, two, measure=measure, seeds=2)["maps"].chart.data
        cells = data["cells"]
        assert len(cells) == 3 * 2
        for row in cells.to_dict("records"):
            of = [r for e, r in two.items() if (e.task, e.n_hidden) == (row["task"], row["n_hidden"])]
            table = tables.fish(of)
            assert len(table) == 2
            assert row["value"] == pytest.approx(table[measure].mean())
        assert len(data["meta"]) == 1
        assert data["meta"]["high"].item() >= (1 if measure == "accuracy" else cells["value"].max())
    assert data["selected"]["column"].tolist() == ["big_fish|5"]


def test_cells_fill_in_and_an_opened_cell_that_is_not_trained_is_an_outline(trained):
    view = PAGE.view("maps")
    choice = view.default(**FEW)
    plan = view.plan(choice)
    for done in ([], plan.experiments[:2]):
        blocks = view.show(choice, plan, Sweep([trained[each] for each in done], plan.experiments))
        data = {block.id: block for block in blocks}["maps"].chart.data
        assert data["cells"]["value"].notna().sum() == len(done)
        assert len(data["frame"]) == 3 * 2


def test_the_lines_are_the_networks_of_the_opened_cell_s_row_and_what_they_are_held_against(trained):
    blocks = shown(PAGE.view("over_h"), trained)
    points, floor = (blocks["error"].chart.data[name] for name in ("points", "against"))
    table = tables.fish(trained.values()).set_index(["task", "n_hidden"])
    assert len(points) == len(floor) == 6
    for row in points.to_dict("records"):
        assert row["value"] == pytest.approx(table.loc[(row["line"], row["n_hidden"]), "share"])
    for row in floor.to_dict("records"):
        assert row["value"] == pytest.approx(table.loc[(row["line"], row["n_hidden"]), "floor_share"])
    chance = blocks["accuracy"].chart.data["against"].set_index("line")["value"]
    assert set(chance.loc["big_fish"]) == {1 / 12}
    assert set(chance.loc["reproject"]) == {1 / 5}
    assert "Of the 6 networks here none is below its floor" in blocks["against"].markdown


def test_several_numbers_of_features_are_held_against_one_another(trained):
    more = {each.with_(n_features=9): train(each.with_(n_features=9)) for each in trained}
    blocks = shown(PAGE.view("over_h"), trained | more, n_features=(9, 12), fish="small_fish")
    points = blocks["by_features"].chart.data["points"]
    table = tables.fish((trained | more).values()).set_index(["task", "n_features", "n_hidden"])
    assert len(points) == 4
    for row in points.to_dict("records"):
        assert row["value"] == table.loc[("small_fish", row["line"], row["n_hidden"]), "accuracy"]
    assert len(blocks["error"].chart.data["points"]) == 6  # of the opened F alone
    assert "by_features" not in shown(PAGE.view("over_h"), trained)


@pytest.mark.parametrize("task", settings.FISH)
def test_the_inside_says_what_the_network_of_each_frame_makes_of_one_feature(trained, task):
    experiment = next(e for e in trained if (e.task, e.n_hidden) == (task, 7))
    result = trained[experiment]
    blocks = {block.id: block for block in cell.inside(PAGE.views[0].default(**FEW | {"fish": task}), result)}
    x = np.zeros(12, np.float32)
    x[3] = 1
    seen = x @ data.embedding(experiment)
    asked = {"big_fish": x, "small_fish": seen, "reproject": x @ data.target_embedding(experiment)}[task]
    output, neurons = (blocks[id].chart.data for id in ("response", "neurons"))
    for frame in range(len(result.frame_steps)):
        W1, b1, W2, b2 = (result.frames[name][frame] for name in ("W1", "b1", "W2", "b2"))
        h = np.maximum(W1 @ seen + b1, 0)
        for drawn, exact in ((output, W2 @ h + b2), (neurons, h)):
            value = drawn["bars"][f"v{frame}"] * drawn["scales"]["unit"][frame]
            assert value.tolist() == pytest.approx(exact.tolist(), abs=2e-4 * max(1, float(np.abs(exact).max())))
    target = output["targets"]
    at = np.rint(target["left"].to_numpy(float) * len(asked)).astype(int)
    assert at.tolist() == np.flatnonzero(asked).tolist()
    np.testing.assert_allclose(target["target"], asked[at], rtol=1e-5)
    back = blocks["recovery"].chart.data
    newest = back["bars"][f"v{len(result.frame_steps) - 1}"]
    assert int((newest > 0).sum()) == tables.fish([result])["recovered"].item()
    assert f"{tables.fish([result])['recovered'].item()} of 12 features come back alone" in blocks["network"].markdown


def test_a_network_in_training_is_shown_with_what_there_is_of_it(trained):
    result = next(iter(trained.values()))
    started = replace(
        result,
        frame_steps=result.frame_steps[:1],
        frames={name: values[:1] for name, values in result.frames.items()},
        metrics={},
        losses=result.losses[:0],
        loss_steps=result.loss_steps[:0],
    )
    too_large = replace(started, frame_steps=result.frame_steps[:0], frames={})
    for each, word in ((started, "So far"), (too_large, "too large")):
        blocks = list(cell.inside(PAGE.views[0].default(**FEW), each))
        assert word in blocks[-1].markdown
        assert {block.id for block in blocks if isinstance(block, Figure)} <= set(ids(cell.STAGE))
    wide = PAGE.views[0].default(**FEW | {"feature": 999})  # of fewer features the last
    assert "for feature 11" in {block.id: block for block in cell.inside(wide, result)}["network"].markdown


# links of before there were views: what the page of then had trained, written out

EMBEDS, HIDDEN = (8, 32, 64, 128), (4, 16, 32, 64, 128, 256)
FIRST = [  # address, networks, what is opened, the measure
    ("", settings.fish(n_embed=EMBEDS, n_hidden=HIDDEN), ("big_fish", 256, 32, 64, 0, 0), "mse"),
    ("seed=0&H=64", settings.fish(n_embed=EMBEDS, n_hidden=HIDDEN), ("big_fish", 256, 32, 64, 0, 0), "mse"),
    (
        "fish_features=64&map_seeds=2&seed=1&over_variance=true&fish=small fish&feature=7",
        settings.fish(seed=(0, 1), n_features=(64,), n_embed=EMBEDS, n_hidden=HIDDEN),
        ("small_fish", 64, 32, 64, 1, 7),
        "share",
    ),
    (
        "recipe=paper&fish_embeds=16&fish_embeds=64&fish_hidden=8&fish_hidden=512&weight_decay=0.1&normalize=false",
        settings.fish("paper", n_embed=(16, 64), n_hidden=(8, 512), weight_decay=(0.1,), normalize=(False,)),
        ("big_fish", 256, 16, 8, 0, 0),  # 32 and 64 were not to be chosen
        "mse",
    ),
    (
        "over_variance=false&B=128&H=4&fish=re-projector&fish_hidden=4&fish_hidden=32",
        settings.fish(n_embed=EMBEDS, n_hidden=(4, 32)),
        ("reproject", 256, 128, 4, 0, 0),
        "mse",
    ),
]


@pytest.mark.parametrize(("address", "networks", "opened", "measure"), FIRST, ids=[row[0] for row in FIRST])
def test_a_link_of_before_there_were_views_opens_the_networks_that_it_did(address, networks, opened, measure):
    name, parameters = link(f"http://localhost:8501/fish?{address}")
    found = studies.page(name).read(parameters)
    assert (found.view.id, found.not_understood) == ("maps", ())
    plan = found.view.plan(found.choice)
    (e,) = plan.opened
    assert (e.task, e.n_features, e.n_embed, e.n_hidden, e.seed, found.choice.feature) == opened
    if address:  # of an empty one the newest defaults hold
        assert found.choice.measure == measure
    assert {each.key for each in plan.experiments} == {each.key for each in networks}
