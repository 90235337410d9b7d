"""The views of the Superposition page: closed forms against sampled losses, what is read off networks, old links."""

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from conftest import again, app_at, text

from toyviz import charts, data, live, metrics, settings, studies, tables, theory
from toyviz.experiment import Experiment, sparsity_of, sweep
from toyviz.model import forward
from toyviz.result import Result
from toyviz.store import GALLERY, Store
from toyviz.studies.network import nearest_frames
from toyviz.studies.superposition import inside as of
from toyviz.studies.superposition import phases as phase_view
from toyviz.studies.superposition import stairs as stair_view
from toyviz.sweep import Sweep
from toyviz.train import train
from toyviz.view import Figure, Plan, Table, Text, link

SEEDS = itertools.count()


def network(experiment, W1, b2=0.0):
    """A result with these weights, as if it had been trained; of a seed of its own, since tables remember by key."""
    experiment = experiment.with_(seed=next(SEEDS))
    parameters = {"W1": np.asarray(W1, np.float32), "b2": np.zeros(experiment.n_features, np.float32) + np.float32(b2)}
    steps = np.array([experiment.steps])
    frames = {name: values[None] for name, values in parameters.items()}
    known = dict.fromkeys(("train_loss", "test_loss", "train_accuracy", "test_accuracy"), 0.5)
    return Result(experiment, parameters, steps, np.ones(1, np.float32), steps, frames, known)


def sampled_loss(result, size=200_000):
    """The mean loss on many samples: a second way to the expected one."""
    e = result.experiment
    X = data.samples(e.with_(n_samples=None), data._sparse_features(e, np.random.default_rng(5), size))
    output = forward(e.arch_row, result.complete(), X.inputs).output
    return float(metrics.mse(output, X.targets, data.importance(e)).mean())


TWO = Experiment(n_features=2, n_hidden=1, sparsity=0.6, importance_decay=0.5)
THREE = Experiment(n_features=3, n_hidden=2, sparsity=0.7, importance_decay=0.8)
CASES = {  # solution -> a network that is it
    "two, give up the second": (TWO, (1,), [[1, 0]], [0, 0.2]),
    "two, give up the first": (TWO, (0,), [[0, 1]], [0.2, 0]),
    "two, a pair": (TWO, (0, 1), [[1, -1]], 0),
    "three, give up the second": (THREE, (1,), [[1, 0, 0], [0, 0, 1]], [0, 0.15, 0]),
    "three, the last two in a pair": (THREE, (1, 2), [[1, 0, 0], [0, 1, -1]], 0),
    "three, the outer two in a pair": (THREE, (0, 2), [[0.6, 0.8, -0.6], [0.8, -0.6, -0.8]], 0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_loss_of_a_solution_on_paper_is_that_of_its_network(case):
    experiment, solution, W1, b2 = CASES[case]
    result = network(experiment, W1, b2)
    on_paper = theory.solutions(data.importance(experiment), experiment.feature_probability)[solution]
    assert sampled_loss(result) == pytest.approx(on_paper, rel=0.02)
    assert tables.expected_loss(result) == pytest.approx(on_paper, rel=0.01)
    for feature in range(experiment.n_features):
        assert tables.phase(result.W1, feature) == theory.phase(solution, feature)


def test_the_expected_loss_is_that_of_many_samples_for_any_weights():
    rng = np.random.default_rng(1)
    for _ in range(4):
        result = network(THREE, rng.normal(size=(2, 3)), rng.normal(size=3) * 0.3)
        assert tables.expected_loss(result) == pytest.approx(sampled_loss(result), rel=0.03)


def test_dense_features_are_given_up_and_sparse_ones_pair_up_on_paper():
    def best(importance, density):
        losses = theory.solutions(np.array(importance), density)
        return min(losses, key=lambda each: losses[each])

    assert best([1, 0.5], 1.0) == (1,)
    assert best([1, 2.0], 1.0) == (0,)
    assert best([1, 0.5], 0.01) == (0, 1)
    assert best([1, 0.9, 0.5], 0.01) == (1, 2)
    border = 4 / 7  # p^2 / 3 = p / 3 - p^2 / 4
    assert best([1, 1], border + 0.01) == (0,)
    assert best([1, 1], border - 0.01) == (0, 1)


def test_each_network_stands_in_two_cells_of_the_phase_diagram_and_in_one_where_both_weigh_the_same():
    pair, alone = network(TWO, [[1, -1]]), network(TWO.with_(sparsity=0.0), [[1, 0]])
    same = network(TWO.with_(importance_decay=1.0, sparsity=0.0), [[0, 1]])
    cells = tables.phases([pair, alone, same]).set_index(["importance", "density"])
    assert cells["phase"].to_dict() == {
        (0.5, 0.4): "in a pair",
        (2.0, 0.4): "in a pair",
        (0.5, 1.0): "given up",
        (2.0, 1.0): "alone",
        (1.0, 1.0): "given up",
    }
    assert not cells["differs"].any()
    wrong = tables.phases([network(TWO, [[1, 0]])])
    assert wrong["differs"].all()


def test_the_better_of_two_seeds_stands_in_the_cell():
    bad, good = network(TWO, [[0.2, 0.1]]), network(TWO, [[1, -1]])
    assert set(tables.phases([bad, good])["key"]) == {good.experiment.key}


def test_without_a_relu_training_finds_the_most_important_features_whatever_the_density():
    setting = settings.EXPERIMENTS["superposition_linear"]
    kept = np.diag((np.arange(20) < 5).astype(float))
    for sparsity in (0.0, 0.99):
        result = train(setting.quick.with_(sparsity=sparsity))
        assert np.abs(result.W1.T @ result.W1 - kept).max() < 0.06


def test_the_densities_of_the_companions_go_where_the_originals_go():
    sparsities = settings.EXPERIMENTS["dimensions_per_feature"].over["sparsity"]
    np.testing.assert_allclose(1 / (1 - np.array(sparsities)), 20 ** np.linspace(0, 1, 20), rtol=1e-4)
    over = settings.EXPERIMENTS["phase_diagram"].over
    assert (over["importance_decay"][0], over["importance_decay"][-1]) == (1.0, 0.1)
    assert (1 - over["sparsity"][0], round(1 - over["sparsity"][-1], 6)) == (1.0, 0.01)


# ---- charts


def portrait_data(W1, b2, **options):
    return charts.portraits([charts.Portrait("1 − S = 1", {"density": 1.0}, W1, b2)], "One", **options).data


def test_the_cells_of_a_portrait_are_the_dot_products_that_can_be_seen_and_the_bias():
    rng = np.random.default_rng(3)
    W1, b2 = rng.normal(size=(3, 7)) / 2, rng.normal(size=7) / 2
    drawn = np.zeros((7, 8))
    for i, j, value in portrait_data(W1, b2)["cells"][["i", "j", "value"]].itertuples(index=False):
        drawn[int(i), int(j)] = value
    for i in range(7):
        expected = [float(W1[:, i] @ W1[:, j]) for j in range(7)] + [float(b2[i])]
        assert drawn[i] == pytest.approx(np.clip(expected, -1, 1), abs=0.0201)


def test_the_bars_of_a_portrait_are_lengths_and_their_colours_what_others_share_up_to_the_end():
    W1 = np.array([[1, -1, 0, 0.6, -0.6], [0, 0, 1, 0.8, -0.8]])
    bars = portrait_data(W1, np.zeros(5))["bars"]
    assert bars["length"].tolist() == pytest.approx([1] * 5)
    shared = [sum(float(W1[:, i] @ W1[:, j]) ** 2 for j in range(5) if j != i) for i in range(5)]
    assert shared[3] > charts.SHARED > shared[0] > 1
    assert bars["shade"].tolist() == pytest.approx(np.minimum(shared, charts.SHARED))
    assert bars["kin"].tolist() == [f",{k}," for k in range(5)]


def test_of_many_features_a_portrait_has_the_longest_in_order_with_the_line_after_those_below_m():
    W1 = np.zeros((5, 90))
    W1[0] = np.arange(90)
    found = portrait_data(W1, np.zeros(90))
    shorter = charts.Portrait("b", {"density": 0.1}, W1[:, ::-1] / 89, np.zeros(90))
    both = charts.portraits([charts.Portrait("a", {"density": 1.0}, W1, np.zeros(90)), shorter], "Two").data["bars"]
    assert set(both["kin"]) == {f",{k}," for k in range(50, 90)}
    assert found["bars"]["kin"].tolist() == [f",{k}," for k in range(50, 90)]
    assert found["meta"]["after"].item() == 0
    assert portrait_data(W1[:, :20], np.zeros(20))["meta"]["after"].item() == 5


def test_what_is_not_trained_is_an_empty_frame_and_what_is_looked_into_is_marked():
    panels = [charts.Portrait(f"{k}", {"density": k / 10, "seed": "best"}) for k in (1, 2)]
    frames = charts.portraits(panels, "None", selected={"density": 0.2}).data["frames"]
    assert frames["trained"].tolist() == [False, False]
    assert frames["selected"].tolist() == [False, True]
    assert frames["told"].tolist() == ["1: not trained yet", "2: not trained yet"]
    assert frames["kin"].tolist() == ["density=0.1", "density=0.2"]
    assert frames[["density", "seed"]].to_numpy().tolist() == [[0.1, "best"], [0.2, "best"]]


def test_the_figures_say_their_numbers():
    shares = {1.0: np.ones(200), 0.1: np.linspace(0, 1, 200)}
    dimensions = charts.dimensions_per_feature({1.0: 1.0, 0.1: 0.4}, shares, theory.PLATEAUS, (1.0, 0.1, 0.05))
    assert dimensions.data["line"]["inverse"].tolist() == [1.0, 10.0]
    assert dimensions.data["places"]["density"].tolist() == [1.0, 0.1, 0.05]
    assert dimensions.data["places"]["told"].tolist()[2] == "1 − S = 0.05: not trained yet"
    assert len(dimensions.data["dots"]) == 80
    assert dimensions.data["dots"]["share"].max() == 1.0
    assert "1.00 at 1, 0.40 at 10." in dimensions.alt


def test_the_phases_of_the_cells_are_counted_and_what_is_not_trained_is_told():
    cells = pd.DataFrame(
        {"importance": [0.1, 10.0], "density": 1.0, "phase": ["given up", "alone"], "differs": [False, True]}
    ).assign(told="it is so", seed=[2, 3])
    figure = charts.phases(cells, "Trained", (0.1, 1.0, 10.0), (1.0,), (0.1, 1.0))
    assert "given up in 1 cells, in a pair in 0 cells, alone in 1 cells" in figure.alt
    drawn = figure.data["cells"].set_index("importance")
    assert drawn["trained"].to_dict() == {0.1: True, 1.0: False, 10.0: True}
    assert drawn["differs"].to_dict() == {0.1: False, 1.0: False, 10.0: True}
    assert drawn["seed"][10.0] == 3
    assert drawn["told"][1.0].endswith("not trained yet")


# ---- views

PAGE = studies.page("superposition")
SHIPPED = Store(None, GALLERY)


@cache
def at_rest(id):
    """A view over what is shipped: its choice, its plan with the best opened, its sweep."""
    view = PAGE.view(id)
    choice = view.default()
    plan = view.plan(choice)
    trained = Sweep([SHIPPED.get(each) for each in plan.experiments], plan.experiments)
    return choice, plan.settled(SHIPPED.get), trained


def shown(id, **changes):
    choice, plan, trained = at_rest(id)
    return {block.id: block for block in PAGE.view(id).show(choice | changes, plan, trained)}


def inside(id, *results):
    choice, plan, _ = at_rest(id)
    opened = results or [SHIPPED.get(each) for each in plan.opened]
    return {block.id: block for block in PAGE.view(id).inside(choice, *opened)}


def superposition(recipe="quick", **changes):
    return settings.EXPERIMENTS["superposition"].at(recipe).with_(**changes)


def best(**fields):
    """The network with the lowest test loss of the four seeds."""
    results = [SHIPPED.get(superposition(seed=seed, **fields)) for seed in range(4)]
    return min(results, key=lambda result: result.metrics["test_loss"])


def test_each_density_has_the_portrait_of_the_best_of_its_seeds():
    frames = shown("densities")["networks"].chart.data["frames"]
    assert frames["density"].tolist() == list(settings.DENSITIES)
    for density, told in zip(frames["density"], frames["told"], strict=True):
        network = best(sparsity=sparsity_of(density))
        stored = sum(np.linalg.norm(column) > 0.5 for column in network.W1.T)
        assert told.startswith(f"1 − S = {density:g}: {stored} features stored, seed {network.experiment.seed}, test")


def test_the_best_of_the_seeds_is_opened_once_all_of_them_are_trained():
    view = PAGE.view("densities")
    plan = view.plan(view.default())
    group = [superposition(sparsity=0.9, seed=seed) for seed in range(4)]
    assert plan.opened == (group[0],)
    assert set(plan.experiments[:4]) == set(group) == set(plan.rivals[0])
    missing = {group[3]}
    assert plan.settled(lambda each: None if each in missing else SHIPPED.get(each)) == plan
    settled = plan.settled(SHIPPED.get)
    assert settled.opened == (best(sparsity=0.9).experiment,) != plan.opened
    assert set(settled.experiments) == set(plan.experiments)
    asked = view.plan(view.default(seed=2))
    assert asked.settled(SHIPPED.get).opened == (group[2],)
    beside = Plan.beside([plan, asked])
    assert beside.opened == (group[0], group[2])
    assert beside.settled(SHIPPED.get).opened == (best(sparsity=0.9).experiment, group[2])


def test_the_others_of_the_seeds_are_told():
    losses = sorted(SHIPPED.get(superposition(sparsity=0.9, seed=seed)).metrics["test_loss"] for seed in range(4))
    text = shown("densities")["opened"].markdown
    assert f"test loss {losses[0]:.4g}, the best of 4; the others have " in text
    assert ", ".join(f"{loss:.4g}" for loss in losses[1:]) in text


@pytest.mark.parametrize("id", ["densities", "linear", "bias_start", "phases"])
def test_the_opened_network_is_seen_as_its_overlaps_bias_and_lengths_over_its_history(id):
    _, plan, _ = at_rest(id)
    opened = [SHIPPED.get(each) for each in plan.opened]
    blocks = inside(id)
    cells, scales = (blocks["overlaps"].chart.data[name] for name in ("cells", "scales"))
    bars, units = (blocks["lengths"].chart.data[name] for name in ("bars", "scales"))
    frames = len(opened[0].frame_steps)
    for frame in (0, frames // 2, frames - 1):
        expected, lengths = [], []
        for result in opened:
            seen = nearest_frames(result.frame_steps, opened[0].frame_steps)[frame]
            W1, b2 = result.frames["W1"][seen], result.frames["b2"][seen]
            expected += [np.append(W1.T[i] @ W1, b2[i]) for i in range(W1.shape[1])]
            lengths += [np.sqrt((W1**2).sum(axis=0))]
        drawn = cells[f"v{frame}"].to_numpy() * scales["unit"][frame]
        assert drawn == pytest.approx(np.concatenate(expected), abs=1e-3)
        assert bars[f"v{frame}"].to_numpy() * units["unit"][frame] == pytest.approx(np.concatenate(lengths), abs=1e-3)


def test_the_page_looks_into_the_best_of_the_seeds_when_all_are_trained(stand_in):
    asked = {"densities": "1,0.1", "n_features": "5", "n_hidden": "2", "seeds": "2"}
    app = again(app_at("pages/bottleneck/superposition.py", density="1", v="2", **asked))
    stand_in.finish()
    again(app)
    group = [r for r in stand_in.store._memory.values() if r.experiment.sparsity == 0]
    first, second = sorted(group, key=lambda result: result.metrics["test_loss"])
    told = f"test loss {first.metrics['test_loss']:.4g}, the best of 2; the others have "
    assert f"**1 − S = 1, seed {first.experiment.seed}**" in text(app)
    assert f"{told}{second.metrics['test_loss']:.4g}." in text(app)


def test_columns_are_drawn_in_the_plane_where_there_is_one():
    view = PAGE.view("densities")
    for m, planes in ((2, True), (3, False)):
        choice = view.default(n_hidden=m, n_features=5)
        opened = live.unfinished(view.plan(choice).opened[0], None)
        assert ("columns" in {block.id for block in view.inside(choice, opened)}) == planes
        drawn = {block.id: block for block in view.show(choice, view.plan(choice), Sweep([], ()))}
        assert ("rays" in str(drawn["networks"].chart.spec)) == planes


def test_the_table_of_the_linear_network_says_how_far_it_is_from_the_closed_form():
    table = shown("linear")["closed_form"].frame
    assert len(table) == len(settings.DENSITIES)
    setting = settings.EXPERIMENTS["superposition_linear"]
    results = [SHIPPED.get(setting.quick.with_(sparsity=sparsity_of(0.1), seed=seed)) for seed in range(4)]
    linear = min(results, key=lambda result: result.metrics["test_loss"])
    row = table[table["density 1 − S"] == 0.1].iloc[0]
    off = max(
        abs(float(linear.W1[:, i] @ linear.W1[:, j]) - (1 if i == j < 5 else 0)) for i in range(20) for j in range(20)
    )
    assert row["overlaps off the closed form by at most"] == pytest.approx(off, rel=5e-3)
    assert row["loss with the ReLU"] == pytest.approx(best(sparsity=0.9).metrics["test_loss"], rel=5e-3)
    assert (row["stored with the ReLU"], row["stored without"]) == (9, 5)


def test_starts_are_compared_by_the_median_of_their_seeds_over_that_from_0():
    blocks = shown("bias_start")
    mean = blocks["ratio"].chart.data["mean"]
    usual = [SHIPPED.get(superposition(sparsity=0.9, seed=seed)).metrics["test_loss"] for seed in range(4)]
    lower = [
        SHIPPED.get(superposition(sparsity=0.9, seed=seed, bias_offset=-1.0)).metrics["test_loss"] for seed in range(4)
    ]
    found = mean[(mean["line"] == "-1") & (mean["density"] == 0.1)]["value"].item()
    assert found == pytest.approx(np.median(lower) / np.median(usual))
    frames = blocks["networks"].chart.data["frames"]
    assert frames["start"].tolist() == list(settings.BIAS_STARTS)
    assert frames["selected"].tolist() == [False, True, False, False, False]
    assert set(blocks["networks"].pick) == {"start", "density", "seed"}
    for id in ("densities", "bias_start"):  # what is pointed at in the text is there
        here = shown(id)
        assert set(here["look_for"].marks) <= set(here["networks"].chart.data["frames"]["kin"])


def test_d_star_is_m_over_the_squared_norm_and_the_opened_network_tells_its_own():
    line = shown("dimensions")["dimensions"].chart.data["line"]
    setting = settings.EXPERIMENTS["dimensions_per_feature"]
    expected = [20 / (SHIPPED.get(setting.quick.with_(sparsity=s)).W1 ** 2).sum() for s in setting.over["sparsity"]]
    assert line["share"].tolist() == pytest.approx(expected, rel=1e-5)
    blocks = inside("dimensions")
    _, plan, _ = at_rest("dimensions")
    result = SHIPPED.get(plan.opened[0])
    assert f"$D^*$ is {20 / (result.W1.astype(float) ** 2).sum():.3f}" in blocks["opened"].markdown
    bars = blocks["shares"].chart.data
    last = bars["bars"][f"v{len(result.frames['W1']) - 1}"] * bars["scales"]["unit"].iloc[-1]
    counted = np.histogram(metrics.dimensionality(result.W1.T), bins=len(last), range=(0, 1))[0] / 200
    assert last.to_numpy() == pytest.approx(counted, abs=1e-3)
    names = [int(each) for each in blocks["overlaps"].chart.data["cells"]["row"].unique()]
    assert len(names) == of.GROUPED
    pairs = sum(result.W1[:, a] @ result.W1[:, b] < -0.5 for a, b in itertools.pairwise(names))
    assert pairs >= 15  # each beside the other


def test_a_cell_opens_the_network_that_stands_in_it():
    _, plan, trained = at_rest("phases")
    cells = shown("phases")["trained"].chart.data["cells"]
    rows = tables.phases(trained).set_index(["importance", "density"])["key"]
    view = PAGE.view("phases")
    for cell in cells.to_dict("records")[::13]:
        address = {"importance": f"{cell['importance']:.12g}", "density": f"{cell['density']:.12g}"}
        for seed in (f"{cell['seed']:.12g}", "best"):
            opened = PAGE.read({"view": "phases", "v": "2", "seed": seed} | address)
            assert opened.not_understood == ()
            found = view.plan(opened.choice)
            assert set(found.experiments) == set(plan.experiments)
            assert found.settled(SHIPPED.get).opened[0].key == rows[cell["importance"], cell["density"]]


def test_a_cell_of_its_own_is_trained_beside_the_sweep():
    view = PAGE.view("phases")
    plan = view.plan(view.default(importance=5.0, m=2, seeds=2))
    opened = plan.opened[0]
    assert opened.importance_decay == pytest.approx(0.2**0.5, abs=1e-6)
    assert (opened.n_features, opened.n_hidden) == (3, 2)
    assert len(plan.experiments) == 6 * 10 * 2 + 2
    blocks = {block.id: block for block in view.show(view.default(importance=5.0, m=2), plan, Sweep([], ()))}
    assert 5.0 in set(blocks["trained"].chart.data["cells"]["importance"])
    assert blocks["trained"].chart.data["selected"]["importance"].item() == 5.0


@pytest.mark.parametrize("id", [view.id for view in PAGE.views])
def test_a_network_before_its_first_step_is_seen_in_the_same_figures_as_at_its_end(id):
    choice, plan, _ = at_rest(id)
    waiting = [live.unfinished(each, None) for each in plan.opened]
    before, after = inside(id, *waiting), inside(id)
    figures = [name for name, block in after.items() if isinstance(block, Figure)]
    assert [name for name, block in before.items() if isinstance(block, Figure)] == figures
    assert [before[name].chart.spec for name in figures] == [after[name].chart.spec for name in figures]
    nothing = {block.id: block for block in PAGE.view(id).show(choice, plan, Sweep([], plan.experiments))}
    for name in PAGE.view(id).stage:
        for each in (name,) if isinstance(name, str) else name:
            assert nothing[each].chart.spec == shown(id)[each].chart.spec


@pytest.mark.parametrize("id", [view.id for view in PAGE.views])
def test_a_network_that_is_too_large_to_be_seen_shows_its_loss(id):
    _, plan, _ = at_rest(id)
    unseen = []
    for each in plan.opened:
        first = live.unfinished(each, None)
        unseen.append(replace(first, frame_steps=first.frame_steps[:0], frames={}, parameters={}))
    assert set(inside(id, *unseen)) == {"curve", "network"}


def test_every_text_has_something_to_read_and_every_table_rows():
    for view in PAGE.views:
        for block in shown(view.id).values():
            if isinstance(block, Text):
                assert block.markdown.strip()
            if isinstance(block, Table):
                assert len(block.frame)


# ---- features in groups


@pytest.mark.parametrize(("kind", "loss"), [("sparse", 0.3**2 / 3), ("correlated", 0.3 / 3), ("anticorrelated", 0.0)])
def test_opposite_directions_cost_what_two_features_lose_where_both_are_active(kind, loss):
    # of two that are active the smaller is lost, twice: 2 E[min^2] = 1/3
    pair = network(Experiment(data=kind, n_features=2, n_hidden=1, sparsity=0.7), [[1, -1]])
    X = data.fresh_batch(pair.experiment.with_(batch_size=60_000), 0)
    output = forward(pair.experiment.arch_row, pair.complete(), X).output
    found = metrics.mse(output, X)
    assert found.mean() == pytest.approx(loss, abs=5 * found.std() / np.sqrt(len(found)))
    assert (found.max() == 0) == (kind == "anticorrelated")


CROWD = Experiment(
    n_features=20, n_hidden=5, sparsity=0.7, steps=3000, lr=1e-2, schedule="warmup_cosine", warmup=100, weight_decay=0.0
)
ROOM = CROWD.with_(n_features=10, sparsity=0.9)


@pytest.mark.parametrize(
    ("base", "kind", "low", "high"),
    [
        (CROWD, "anticorrelated", -1.01, -0.9),  # opposite
        (CROWD, "correlated", 0.8, 1.01),  # side by side: ten groups in five dimensions
        (ROOM, "correlated", -0.12, 0.12),  # at right angles: five groups
    ],
)
def test_groups_lie_as_what_is_active_together_makes_them(base, kind, low, high):
    """Found on seeds 10 to 19: -1.00 each, 1.00 each, 0.01 to 0.06. Without groups -0.50 to 0.00 in a crowd, -0.40 to
    0.00 with room, where it is -0.20 on these two seeds."""
    cosines = [metrics.group_cosines(train(base.with_(data=kind, seed=seed)).W1.T, 2)[0] for seed in (13, 14)]
    for values in cosines:
        assert len(values) >= 4
        assert low < values.mean() < high


def test_cosines_of_groups_are_those_of_the_pairs_that_are_stored():
    vectors = np.array([[1, 0], [-2, 0], [0, 1], [1, 1], [0.1, 0], [0, 3]])
    within, between = metrics.group_cosines(vectors, 2)
    assert within.tolist() == pytest.approx([-1, 0.5**0.5])
    assert sorted(between.tolist()) == pytest.approx(sorted([0, 0.5**0.5, 0, 0, -(0.5**0.5), 0, 1, 0.5**0.5]))
    assert [len(values) for values in metrics.group_cosines(vectors[:0], 2)] == [0, 0]


GROUPED = {"n_features": 4, "n_hidden": 2, "importance_decay": 1.0, "seeds": 2}


def grouped(W1, **changes):
    """What the first view says where every network has these weights, and its plan."""
    view = PAGE.view("densities")
    choice = view.default(**GROUPED, **changes)
    plan = view.plan(choice)
    results = [replace(network(each, W1), experiment=each) for each in plan.experiments]
    blocks = view.show(choice, plan, Sweep(results, plan.experiments))
    return plan, {block.id: block for block in blocks}, {b.id: b for b in view.inside(choice, results[0])}


@pytest.mark.parametrize(
    ("W1", "word", "within", "between"),
    [
        ([[1, -1, 0, 0], [0, 0, 1, -1]], "lie opposite", "−1.00", "0.00"),
        ([[1, 1, 0, 0], [0, 0, 1, 1]], "lie side by side", "1.00", "0.00"),
        ([[1, 0, -1, 0], [0, 1, 0, -1]], "are at right angles", "0.00", "−0.50"),
    ],
)
def test_what_is_said_of_groups_is_read_off_the_networks(W1, word, within, between):
    plan, shown, inside = grouped(W1, features="correlated")
    assert {(each.data, each.group_size) for each in plan.experiments} == {("correlated", 2)}
    told = shown["groups_told"].markdown
    assert f"So features of a group {word}." in told
    assert f"over 2 networks: two stored features of one group have a mean cosine of {within}, " in told
    assert f"two of different groups {between} and" in told
    mean = shown["groups"].chart.data["mean"]
    assert len(mean) == 2 * len(settings.DENSITIES)
    panels = inside["overlaps"].chart.data["panels"]
    groups = shown["networks"].chart.data["groups"]
    assert groups[["first", "many"]].to_numpy().tolist() == [[0, 2], [2, 2]] * len(settings.DENSITIES)
    assert len(shown["look_for"].marks) == shown["look_for"].markdown.count("\n- ")
    corners = panels[["left", "right", "top", "bottom"]].to_numpy().tolist()
    assert corners[1:] == [[0, 2, 0, 2], [2, 4, 2, 4]]  # beside the outline of all: one of each group


def test_densities_that_cannot_be_are_left_out_and_told_and_the_opened_one_is_refused():
    plan, shown, _ = grouped([[1, -1, 0, 0], [0, 0, 1, -1]], features="anticorrelated")
    assert {each.density for each in plan.experiments} == set(settings.DENSITIES) - {1.0}
    assert "Not trained: density 1, since of 2 features at most one is active" in shown["groups_told"].markdown
    view = PAGE.view("densities")
    with pytest.raises(ValueError, match=r"^sparsity must be at least .* at most one of 2 features is active; got 0.4"):
        view.plan(view.default(features="anticorrelated", density=0.6))
    with pytest.raises(ValueError, match=r"^group_size must divide n_features .* got 3 with n_features 20"):
        view.plan(view.default(features="correlated", group_size=3))


def test_a_link_holds_the_groups_and_an_older_one_has_none():
    view = PAGE.view("densities")
    choice = view.default(features="anticorrelated", group_size=4)
    address = PAGE.write(view, choice)
    assert (address["features"], address["group_size"]) == ("apart", "4")
    assert PAGE.read(address).choice == choice
    old = {name: value for name, value in address.items() if name not in ("features", "group_size")}
    assert {each.data for each in view.plan(PAGE.read(old).choice).experiments} == {"sparse"}
    blocks = shown("densities")
    assert "groups" not in blocks
    assert "groups" not in blocks["networks"].chart.data


# ---- links of before there were views: literals, from the page as it was

DENSE_FIRST = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
GOING = (
    *(1.0, 0.854131, 0.729541, 0.623124, 0.53223, 0.454594, 0.388283, 0.331645, 0.283268, 0.241948, 0.206656),
    *(0.176511, 0.150764, 0.128772, 0.109988, 0.093944, 0.080241, 0.068536, 0.058539, 0.05),
)
CELLS = (1.0, 0.599484, 0.359381, 0.215443, 0.129155, 0.077426, 0.046416, 0.027826, 0.016681, 0.01)


def over(base, densities=DENSE_FIRST, seeds=4, **fields):
    return sweep(base, seed=range(seeds), sparsity=[round(1 - density, 9) for density in densities], **fields)


def of_name(name, recipe="quick", **changes):
    return settings.EXPERIMENTS[name].at(recipe).with_(**changes)


def from_starts(**options):
    starts = (("zeros", 0.0), ("normal", 0.0), ("linear_uniform", 0.0), ("zeros", -1.0), ("zeros", 1.0))
    return [
        each for kind, offset in starts for each in over(superposition(bias_init=kind, bias_offset=offset), **options)
    ]


def diagram(m, decays, seeds=4, recipe="quick"):
    base = of_name("phase_diagram", recipe, n_features=m + 1, n_hidden=m)
    return over(base, CELLS, seeds, importance_decay=decays)


LINEAR, OTHER = "superposition=Without the ReLU", "superposition=Another start"
DIMENSIONS, PHASES = "superposition=Dimensions per feature", "superposition=Phases"
ONES = (1.0, 0.630957, 0.398107, 0.251189, 0.158489, 0.1)
ROOTS = (1.0, 0.794328, 0.630957, 0.501188, 0.398107, 0.316228)
OLD = [  # address, view, networks, density of what is opened
    ("superposition=Density by density", "densities", over(superposition()), 0.1),
    ("seeds=4", "densities", over(superposition()), 0.1),
    ("look=0.003&seeds=2", "densities", over(superposition(), seeds=2), 0.003),
    ("density=1&density=0.3", "densities", over(superposition(), (1.0, 0.3)), 1.0),  # 0.1 was not to be chosen
    ("density=0.01&density=0.001&seeds=1", "densities", over(superposition(), (0.01, 0.001), 1), 0.01),
    ("density=0.3&density=0.1&seeds=1&look=0.3", "densities", over(superposition(), (0.3, 0.1), 1), 0.3),
    (
        "n_features=40&n_hidden=2&importance_decay=0.9&seeds=8",
        "densities",
        over(superposition(n_features=40, n_hidden=2, importance_decay=0.9), seeds=8),
        0.1,
    ),
    ("bias=normal", "densities", over(superposition(bias_init="normal")), 0.1),
    ("bias=uniform&seeds=1", "densities", over(superposition(bias_init="linear_uniform"), seeds=1), 0.1),
    ("bias=-1", "densities", over(superposition(bias_offset=-1.0)), 0.1),
    ("bias=1&recipe=paper", "densities", over(superposition("paper", bias_offset=1.0)), 0.1),
    ("bias=0&recipe=paper", "densities", over(superposition("paper")), 0.1),
    (LINEAR, "linear", over(superposition()) + over(of_name("superposition_linear")), 0.1),
    (
        f"{LINEAR}&density=1&density=0.3&seeds=1&n_hidden=3&recipe=paper",
        "linear",
        over(superposition("paper", n_hidden=3), (1.0, 0.3), 1)
        + over(of_name("superposition_linear", "paper", n_hidden=3), (1.0, 0.3), 1),
        1.0,
    ),
    (OTHER, "bias_start", from_starts(), 0.1),
    (f"{OTHER}&look=0.03&seeds=2", "bias_start", from_starts(seeds=2), 0.03),
    (f"{OTHER}&density=0.01&density=0.003&seeds=1", "bias_start", from_starts(densities=(0.01, 0.003), seeds=1), 0.01),
    (DIMENSIONS, "dimensions", over(of_name("dimensions_per_feature"), GOING, 1), None),
    (
        f"{DIMENSIONS}&dimensions_seeds=2&dimensions_m=10&dimensions_n=100&recipe=paper&n_hidden=3&seeds=8",
        "dimensions",
        over(of_name("dimensions_per_feature", "paper", n_hidden=10, n_features=100), GOING, 2),
        None,
    ),
    (PHASES, "phases", diagram(1, ONES), None),
    (f"{PHASES}&phase_m=n = 2, m = 1&seeds=1", "phases", diagram(1, ONES, 1), None),
    (f"{PHASES}&phase_m=n = 3, m = 2&seeds=2&recipe=paper", "phases", diagram(2, ROOTS, 2, "paper"), None),
]


@pytest.mark.parametrize(("address", "id", "networks", "density"), OLD, ids=[row[0] for row in OLD])
def test_a_link_of_before_there_were_views_opens_the_networks_that_it_did(address, id, networks, density):
    _, parameters = link(f"http://localhost:8501/superposition?{address}")
    found = PAGE.read(parameters)
    assert (found.view.id, found.not_understood) == (id, ())
    plan = found.view.plan(found.choice)
    assert set(plan.experiments) == set(networks)
    assert density is None or [each.density for each in plan.opened] == [density] * len(plan.opened)
    assert plan.rivals


def test_every_view_has_a_link_of_before_in_the_table():
    assert {row[1] for row in OLD} == {view.id for view in PAGE.views if view.first_name}


def test_a_click_on_a_portrait_opens_the_best_of_its_density():
    view = PAGE.view("densities")
    frames = shown("densities")["networks"].chart.data["frames"]
    picked = {control: frames[field][4] for field, control in shown("densities")["networks"].pick.items()}
    assert (picked["density"], picked["seed"]) == (0.01, "best")
    for id, value in picked.items():
        control = next(each for each in view.every_control if each.id == id)
        assert control.read(value if isinstance(value, str) else f"{value:.12g}") == {"density": 0.01, "seed": None}[id]


def test_decays_are_as_they_were_swept_over():
    view = PAGE.view("phases")
    assert [phase_view._decay(importance, 1) for importance in view.default().importances] == sorted(ONES)
    assert [phase_view._decay(importance, 2) for importance in view.default().importances] == sorted(ROOTS)


def test_the_plateaus_of_the_shipped_networks_have_the_corners_that_their_loss_says():
    """The hull of the columns is counted at the end again, and the loss is worked out from weights alone: neither looks
    at the loss curve."""
    view = PAGE.view("stairs")
    plan = view.plan(view.default())
    results = [SHIPPED.get(each) for each in plan.experiments]
    several = 0
    for result in results:
        found = stair_view.seen(result)
        several += sum(each.stair is not None for each in found) > 1
        answers = np.maximum(result.W1.T @ result.W1 + result.b2[:, None], 0)
        loss = float(((answers - np.eye(8)) ** 2).sum() / 8)
        last = found[-1]
        if last.stair and last.step.last == result.experiment.steps:
            assert last.stair.loss == pytest.approx(loss, rel=0.01)
            told_apart = np.diag(answers) > 0.9  # those that are a corner of their own
            assert told_apart.sum() in (last.stair.corners - 1, last.stair.corners)
    blocks = {block.id: block for block in view.show(view.default(), plan, Sweep(results, plan.experiments))}
    assert f"**{several} of 8 seeds have two stairs or more" in blocks["count"].markdown
    assert several >= 4
    marks = blocks["seeds"].chart.data["marks"]
    assert set(marks["network"]) <= set(range(8))
    assert (marks["network"] == marks["seed"]).all()
    assert blocks["seeds"].pick == {"seed": "seed"}


def test_a_stair_is_not_named_where_the_network_has_other_corners():
    view = PAGE.view("stairs")
    result = SHIPPED.get(view.plan(view.default()).opened[0])
    names = [each.stair.name for each in stair_view.seen(result) if each.stair]
    assert len(names) > 1
    without = {name: np.zeros_like(values) for name, values in result.frames.items()}
    assert [each.stair for each in stair_view.seen(replace(result, frames=without))] == [None] * len(names)
    text = {block.id: block for block in view.inside(view.default(), replace(result, frames=without))}
    assert "No polygon's loss" in text["opened"].markdown


def test_the_corners_of_each_frame_are_told_on_the_loss_curve():
    view = PAGE.view("stairs")
    result = SHIPPED.get(view.plan(view.default()).opened[0])
    blocks = {block.id: block for block in view.inside(view.default(), result)}
    told = blocks["stairs"].chart.data["frames"]["told"]
    assert len(told) == len(result.frame_steps) == len(set(result.frame_steps))
    assert told.iloc[-1].startswith(f"step {result.experiment.steps:,}: ")
    assert len({text.split(": ")[1] for text in told}) > 1
    levels = blocks["stairs"].chart.data["levels"].set_index("label")["loss"]
    assert levels["octagon: 8 of 8 stored"] == 0
    assert levels["pentagon: 5 of 8 stored"] == pytest.approx(3 * 7 / 64)
    waiting = live.unfinished(result.experiment, None)
    assert {block.id for block in view.inside(view.default(), waiting)} == {"stairs", "columns", "opened"}
