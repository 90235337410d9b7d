"""The views of the toy unembedding: what they draw and say, against networks run by hand; and links of before."""

import gc
import json
import weakref
from dataclasses import replace
from urllib.parse import parse_qs

import numpy as np
import pytest
from conftest import again, app_at, button

from toyviz import charts, data, live, metrics, probe, runtime, settings, studies, tables
from toyviz.charts.logits import CORRECT, HIDDEN, NEVER, PATH, SEEN, STAGES, VOTES
from toyviz.charts.sizes import seen_and_not
from toyviz.experiment import sweep
from toyviz.jobs import Busy
from toyviz.model import complete, forward
from toyviz.queue import too_large
from toyviz.store import GALLERY, Store
from toyviz.studies import network
from toyviz.studies.unembedding import logit, over_t, shapes, squares
from toyviz.sweep import Sweep
from toyviz.train import train
from toyviz.view import Figure, Table, Text

PATH_OF_PAGE = "pages/final_layer/unembedding.py"
PAGE = studies.page("unembedding")
SIZES = settings.SAMPLE_SIZES
EXPERIMENTS = settings.EXPERIMENTS
STORE = Store(None, GALLERY)
SMALL = EXPERIMENTS["unembedding"].quick.with_(n_features=30, n_samples=12, sparsity=0.8, steps=40)
views = pytest.mark.parametrize("view", PAGE.views, ids=lambda view: view.id)


@pytest.fixture(scope="module")
def small():
    """A network of thirty classes with its whole history."""
    return train(SMALL)


def of(view, **changes):
    """A choice of a view, its plan, and what is shipped of it."""
    choice = view.default(**changes)
    plan = view.plan(choice)
    return choice, plan, Sweep([r for e in plan.experiments if (r := STORE.get(e))], plan.experiments)


def figure(blocks, id):
    (found,) = (block.chart for block in blocks if isinstance(block, Figure) and block.id == id)
    return found


def words(blocks):
    return "\n".join(block.markdown for block in blocks if isinstance(block, Text))


def unpacked(table, units, axes="xy"):
    """The vectors that a chart holds as whole numbers, (f, k, d)."""
    return np.array([np.stack([table[f"{axis}{f}"] for axis in axes], axis=1) * unit for f, unit in enumerate(units)])


def of_group(chart, name):
    """Those of one kind that a plane draws, (f, k, 2), and their numbers."""
    dots = chart.data["dots"][chart.data["dots"]["group"] == name]
    return unpacked(dots, chart.data["scales"]["unit"]), dots["number"].tolist()


def elements(node, key=""):
    """What is drawn, with the key of the innermost container that has one, in the order of the page."""
    for child in node.children.values():
        if hasattr(child, "children"):
            yield from elements(child, child.key or key)
        else:
            yield key, child


def drawn_charts(app):
    """The charts of the stage, by their place on it."""
    there = [(key, each.proto) for key, each in elements(app._tree) if each.type == "vega_lite_chart"]
    return [(key, proto) for key, proto in there if key.startswith("at-")]


def specs(app):
    """The places on the stage, their specifications and the names of their data, in the order of the page."""
    return [(key, proto.spec, [each.name for each in proto.datasets]) for key, proto in drawn_charts(app)]


def line(app):
    """The one line that says where the training stands."""
    (found,) = (each.value for key, each in elements(app._tree) if key == "status" and each.type == "markdown")
    return found


def clock(app):
    """What the clock is told."""
    (found,) = (each for each in app.get("bidi_component") if each.proto.component_name.endswith("player"))
    return json.loads(found.proto.json)


# links of before there were views: what the page of then had trained, written out


THEN = (3, 5, 6, 8, 10, 15, 30, 50, 100, 200, 500, 1000, 2000)  # the sizes that the page offered


def classes(name="unembedding", sizes=THEN, seeds=range(2), recipe="quick", **changes):
    return sweep(EXPERIMENTS[name].at(recipe).with_(**changes), seed=seeds, n_samples=sizes)


def seven(T=500, seed=0, recipe="quick", **changes):
    xavier = {"init": "xavier_normal", "bias_init": "zeros"}
    at = changes | {"n_samples": T, "seed": seed}
    names = ("unembedding", "unembedding_xavier", "unembedding_sgd", "unembedding_soft", "unembedding_tied")
    every = [EXPERIMENTS[name].at(recipe).with_(**at) for name in (*names, "double_descent_untied")]
    return [*every, EXPERIMENTS["unembedding_sgd"].at(recipe).with_(**at, **xavier)]


NORMAL = {"init": "linear_normal", "bias_init": "linear_normal"}
UNBIASED = {"arch": "unembed_no_bias", "bias_init": "zeros"}
OLD = [  # address, view, networks, and of what is opened the T and the seed
    ("", "over_t", classes(sizes=SIZES), (500, 0)),  # what the page opens with, today's sizes
    ("final=Over T", "over_t", classes(), (500, 0)),
    ("final=Over T&n_samples=15&n_samples=100&seeds=1", "over_t", classes(sizes=(15, 100), seeds=[0]), (15, 0)),
    ("labels=Soft&seeds=1", "over_t", classes("unembedding_soft", seeds=[0]), (500, 0)),
    ("labels=Hard&network=tied: W2 = W1ᵀ", "over_t", classes(arch="unembed_tied"), (500, 0)),
    ("network=no bias", "over_t", classes(**UNBIASED), (500, 0)),
    ("network=no bias&init=nn.Linear, normal", "over_t", classes(**UNBIASED, init="linear_normal"), (500, 0)),
    ("optimizer=SGD&weight_decay=0.1", "over_t", classes("unembedding_sgd"), (500, 0)),
    ("optimizer=SGD&labels=Soft", "over_t", classes("unembedding_sgd", task="classify_soft"), (500, 0)),
    (
        "init=Xavier, normal&weight_decay=0",
        "over_t",
        classes(init="xavier_normal", bias_init="zeros", weight_decay=0.0),
        (500, 0),
    ),
    (
        "recipe=paper&sparsity=0.95&init=nn.Linear, normal&optimizer=AdamW",
        "over_t",
        classes(recipe="paper", sparsity=0.95, **NORMAL),
        (500, 0),
    ),
    ("final=One network&T=100&seed=1&new=true&sample=3", "over_t", classes(), (100, 1)),
    ("final=One network&network=W1, W2 and b2&seeds=4", "over_t", classes(seeds=range(4)), (500, 0)),
    ("final=One logit", "logit", classes(sizes=[500], seeds=[0]), (500, 0)),
    ("final=One logit&T=200&seed=1&seeds=4", "logit", classes(sizes=[200], seeds=[1]), (200, 1)),
    (
        "final=One logit&labels=Soft&optimizer=SGD&init=Xavier, uniform",
        "logit",
        classes("unembedding_sgd", [500], [0], task="classify_soft", init="xavier_uniform", bias_init="zeros"),
        (500, 0),
    ),
    ("final=Why squares", "squares", seven(), (500, 0)),
    ("final=Why squares&T=200&seed=1&seeds=2&labels=Soft&init=Xavier, normal", "squares", seven(200, 1), (200, 1)),
    ("final=Why squares&recipe=paper&sparsity=0.9", "squares", seven(recipe="paper", sparsity=0.9), (500, 0)),
]


@pytest.mark.parametrize(("address", "id", "networks", "opened"), OLD, ids=[row[0] for row in OLD])
def test_a_link_of_before_there_were_views_opens_the_networks_that_it_did(address, id, networks, opened):
    found = PAGE.read(parse_qs(address))
    assert (found.view.id, found.not_understood) == (id, ())
    plan = found.view.plan(found.choice)
    assert set(plan.experiments) == set(networks)
    assert {(each.n_samples, each.seed) for each in plan.opened} == {opened}


def test_every_view_of_before_has_a_link_in_the_table():
    said = {parse_qs(row[0])["final"][0]: row[1] for row in OLD if "final" in row[0]}
    assert said == {old: view.id for view in PAGE.views for old in (view.first_name, *view.also_called)}


@pytest.mark.parametrize(
    ("address", "sample", "samples"),
    [("", 0, "training"), ("&sample=7&new=true", 7, "new"), ("&sample=499&new=False", 499, "training")],
)
def test_a_link_of_before_takes_the_same_sample_apart(address, sample, samples):
    choice = PAGE.read(parse_qs(f"final=One logit{address}")).choice
    assert (choice.sample, choice.samples) == (sample, samples)


# what is asked for


def test_sgd_keeps_a_rate_of_its_own_and_no_decay_whatever_the_recipe():
    view, sgd = PAGE.view("over_t"), EXPERIMENTS["unembedding_sgd"].quick
    for recipe in settings.RECIPES:
        choice = view.default(optimizer="sgd", recipe=recipe, weight_decay=0.1)
        (opened,) = view.plan(choice).opened
        assert (opened.optimizer, opened.lr, opened.weight_decay) == ("sgd", sgd.lr, 0.0)
    (chosen,) = view.plan(view.default(optimizer="sgd", lr=0.5)).opened
    assert chosen.lr == 0.5


def test_the_seven_are_trained_by_every_recipe_and_sgd_at_a_rate_of_its_own():
    view = PAGE.view("squares")
    for recipe in settings.RECIPES:
        found = squares.networks(view.default(recipe=recipe), 0)
        assert {name for name, each in found.items() if each.optimizer == "sgd"} == {"sgd", "sgd_xavier"}
        own = EXPERIMENTS["unembedding_sgd"]
        assert (found["sgd"].lr, found["sgd"].weight_decay) == (own.quick.lr, 0.0)
        # SGD takes the length of a recipe; at a constant rate as large as its own it would end nowhere
        assert (found["sgd"].steps, found["sgd"].schedule) == (own.at(recipe).steps, "warmup_cosine")
        assert found["soft"] == EXPERIMENTS["unembedding_soft"].at(recipe)
        assert found["squared"] == EXPERIMENTS["double_descent_untied"].at(recipe).with_(n_samples=500)


def test_a_network_without_a_bias_can_start_in_every_way():
    view = PAGE.view("over_t")
    (init,) = (each for each in view.controls if each.id == "init")
    for start in init.values.values():
        (opened,) = view.plan(view.default(network="unembed_no_bias", init=start)).opened
        assert (opened.bias_init, opened.bias_offset) == ("zeros", 0.0)
        assert start is None or opened.init == start[0]


def test_the_seven_differ_in_what_their_names_say_and_share_their_samples():
    view = PAGE.view("squares")
    plan = view.plan(view.default(closer="tied", seeds=2, first_seed=3, seed=4))
    assert plan.opened[0].arch == "unembed_tied"
    assert {each.seed for each in plan.opened} == {4}
    assert len(plan.experiments) == 14
    first = data.training_samples(plan.opened[0]).X
    for each in plan.opened[1:]:
        np.testing.assert_array_equal(data.training_samples(each).X, first)
    assert view.named(view.default(closer="adamw_xavier")) == "unembedding_xavier"


# over T


def test_the_small_pictures_have_a_grey_cross_for_what_the_training_has_not_seen():
    choice, plan, found = of(PAGE.view("over_t"), seeds=1)
    chart = figure(over_t.show(choice, plan, found), "loss")
    small = chart.data["vectors"]
    for place, T in enumerate(SIZES):
        samples = data.training_samples(EXPERIMENTS["unembedding"].quick.with_(n_samples=T))
        active = {i for x in samples.X for i in np.flatnonzero(x)}
        named = {int(x.argmax()) for x in samples.X if x.any()}
        for row, seen in ((0, active), (2, named)):
            drawn = small[(small["place"] == place) & (small["row"] == row)]["seen"]
            share = max(round(120 * len(seen) / 1000), min(len(seen), 60))
            assert (len(drawn), drawn.sum()) == (120, share)
    assert small[small["row"] == 1]["seen"].all()


@pytest.mark.parametrize("task", ["classify_hard", "classify_soft"])
def test_calling_every_class_as_likely_has_the_loss_that_the_page_tells(task):
    choice, plan, found = of(PAGE.view("over_t"), seeds=1, labels=task)
    targets = data.held_out_samples(plan.opened[0]).targets
    expected = metrics.cross_entropy(np.zeros_like(targets, dtype=float), targets).mean()
    blocks = list(over_t.show(choice, plan, found))
    assert f"= {expected:.3f}." in words(blocks)
    (rule,) = figure(blocks, "loss").data["baselines"]["loss"]
    assert rule == pytest.approx(expected, rel=1e-4)


def test_the_peak_is_told_only_of_a_whole_sweep_and_only_inside():
    choice, plan, found = of(PAGE.view("over_t"))
    losses = {}
    for result in found:
        losses.setdefault(result.experiment.n_samples, []).append(result.metrics["test_loss"])
    top = max(losses, key=lambda T: np.mean(losses[T]))
    assert over_t.peak(tables.runs(found)) == (top, pytest.approx(np.mean(losses[top])))
    whole = figure(over_t.show(choice, plan, found), "loss").data["peak"]
    assert whole["label"].tolist() == [f"peak {np.mean(losses[top]):.3g}"]
    part = Sweep(found.results[1:], plan.experiments)
    assert figure(over_t.show(choice, plan, part), "loss").data["peak"]["label"].tolist() == [""]
    assert over_t.peak(tables.runs(found.among(n_samples=(3, 5)))) is None


def test_the_page_tells_how_much_of_the_square_is_border():
    choice, plan, _ = of(PAGE.view("over_t"))
    result = STORE.get(plan.opened[0])
    active = data.training_samples(result.experiment).X.any(axis=0)
    largest = np.sort(np.abs(result.W1.T[active]).max(axis=1))
    share = np.mean(largest >= 0.9 * np.quantile(largest, 0.95))
    assert f"{share:.0%} of them lie within" in words(over_t.inside(choice, result))


def test_the_three_planes_are_those_of_each_frame_on_one_scale(small):
    samples = data.training_samples(SMALL)
    active = [i for i in range(30) if samples.X[:, i].any()]
    named = sorted({int(x.argmax()) for x in samples.X if x.any()})
    columns, hidden, rows = (each.chart for each in shapes.planes(small))
    W1, W2 = small.frames["W1"], small.frames["W2"]
    for chart, kind, seen, every in (
        (columns, charts.FEATURES, active, np.moveaxis(W1, 1, 2)),
        (rows, charts.CLASSES, named, W2),
    ):
        unseen = shapes.NEVER_ACTIVE if kind == charts.FEATURES else shapes.NEVER_CORRECT
        for name, numbers in ((kind, seen), (unseen, [i for i in range(30) if i not in seen])):
            vectors, told = of_group(chart, name)
            assert told == numbers
            np.testing.assert_allclose(vectors, every[:, numbers], atol=1e-3)
        assert chart.data["meta"]["half"].item() == pytest.approx(1.18 * np.abs(every).max())  # of the whole history
    vectors, _ = of_group(hidden, charts.SAMPLES)
    np.testing.assert_allclose(vectors, np.einsum("fmn,kn->fkm", W1, samples.inputs), atol=1e-3)


def test_how_square_the_shapes_are_is_told_at_every_step(small):
    chart = shapes.over_the_steps(small).chart
    lines = chart.data["lines"]
    active = data.training_samples(SMALL).X.any(axis=0)
    expected = [metrics.squareness(W1.T[active]) for W1 in small.frames["W1"]]
    np.testing.assert_allclose(lines[lines["place"] == 0]["v0"], expected)
    assert chart.data["now"]["at"].tolist() == [max(step, 1) for step in small.frame_steps]


# one logit


@pytest.mark.parametrize("arch", ["unembed", "unembed_tied", "unembed_no_bias"])
@pytest.mark.parametrize("which", ["training", "new"])
def test_terms_and_bias_add_up_to_the_logits_of_each_frame(arch, which):
    start = {} if arch != "unembed_no_bias" else {"bias_init": "zeros"}
    result = train(SMALL.with_(arch=arch, **start))
    sample = logit._sample(result.experiment, which, 3)
    found = logit.logits_of(result, sample)
    for f in range(len(result.frame_steps)):
        weights = {name: values[f] for name, values in result.frames.items()}
        flow = forward(result.experiment.arch_row, complete(result.experiment, weights), sample.x[None])
        np.testing.assert_allclose(found.stages[f, 4], flow.output_pre[0], atol=1e-4)
        np.testing.assert_allclose(logit.hidden_of(result, sample.x)[f], flow.hidden[0], atol=1e-5)


def test_the_sample_is_the_one_of_its_set_and_the_last_where_there_are_fewer():
    training, new = data.training_samples(SMALL), data.held_out_samples(SMALL, logit.NEW)
    for which, samples in (("training", training), ("new", new)):
        for number in (0, 5, 11, 10_000):
            at = min(number, len(samples.X) - 1)
            found = logit._sample(SMALL, which, number)
            assert (found.number, found.total) == (at, len(samples.X))
            np.testing.assert_array_equal(found.x, samples.inputs[at])
            active = np.flatnonzero(samples.X[at])
            assert found.label == (int(samples.X[at].argmax()) if len(active) else None)


def blocks_of(result, **changes):
    return list(logit.inside(PAGE.view("logit").default(**changes), result))


def test_the_path_of_the_votes_ends_at_the_hidden_vector_at_every_frame(small):
    chart = figure(blocks_of(small, sample=2), "votes")
    (path, _), (arrows, features), (h, _) = (of_group(chart, name) for name in (PATH, VOTES, HIDDEN))
    x = data.training_samples(SMALL).inputs[2]
    assert features == np.flatnonzero(x).tolist()
    np.testing.assert_allclose(path[:, 0], 0)
    np.testing.assert_allclose(path[:, -1], h[:, 0], atol=1e-3)
    np.testing.assert_allclose(arrows.sum(axis=1), h[:, 0], atol=1e-3)
    first = x.argmax()
    np.testing.assert_allclose(path[:, 1], small.frames["W1"][:, :, first] * x[first], atol=1e-3)


def test_the_correct_class_is_marked_at_its_own_terms_with_its_own_rank(small):
    blocks = blocks_of(small, sample=1)
    x = data.training_samples(SMALL).inputs[1]
    label, h = int(x.argmax()), small.frames["W1"] @ x
    terms = h[:, None] * small.frames["W2"]
    plane, stages = figure(blocks, "plane"), figure(blocks, "stages")
    vectors, numbers = of_group(plane, CORRECT)
    assert numbers == [label]
    np.testing.assert_allclose(vectors[:, 0], terms[:, label], atol=1e-3)
    named = sorted({int(each.argmax()) for each in data.training_samples(SMALL).X})
    assert sorted([*of_group(plane, SEEN)[1], label]) == named
    assert not set(of_group(plane, NEVER)[1]) & set(named)
    ticks = stages.data["ticks"]
    values = unpacked(ticks, stages.data["scales"]["unit"], "abc")
    np.testing.assert_allclose(values[:, :, :2], terms, atol=1e-3)
    np.testing.assert_allclose(values[:, :, 2], small.frames["b2"], atol=1e-3)
    for f, marked in stages.data["correct"].groupby("frame"):
        logits = terms[f].sum(axis=1) + small.frames["b2"][f]
        of_stage = marked.set_index("stage")
        rank = int((logits > logits[label]).sum()) + 1
        assert of_stage.loc[STAGES[4], "value"] == pytest.approx(logits[label], abs=1e-5)
        assert of_stage.loc[STAGES[4], "label"].endswith(f"rank {rank}")


def test_the_ranking_of_a_frame_has_the_largest_logits_first_and_the_correct_class_in_any_case(small):
    for number in range(4):
        ranked = figure(blocks_of(small, sample=number), "ranking").data
        x = data.training_samples(SMALL).inputs[number]
        label = int(x.argmax())
        for f in range(len(small.frame_steps)):
            logits = small.frames["W2"][f] @ (small.frames["W1"][f] @ x) + small.frames["b2"][f]
            order = np.argsort(-logits)
            rows = ranked["rows"][ranked["rows"]["frame"] == f]
            first = rows["class"].tolist()
            assert first[:5] == order[:5].tolist()
            assert first[5:] == ([] if label in order[:5] else [label])
            assert rows[rows["correct"]]["text"].item() == f"{order.tolist().index(label) + 1}. class {label}"
            bars = ranked["bars"][ranked["bars"]["frame"] == f]
            np.testing.assert_allclose(bars.groupby("line")["value"].sum(), logits[first], atol=1e-5)


def test_a_sample_without_an_active_feature_is_drawn_and_has_no_class():
    experiment = SMALL.with_(sparsity=0.97, n_samples=40, steps=5)
    empty = int(np.flatnonzero(~data.training_samples(experiment).X.any(axis=1))[0])
    blocks = blocks_of(train(experiment), sample=empty)
    assert "it has no correct class" in words(blocks)
    assert not [block for block in blocks if isinstance(block, Table)]
    assert figure(blocks, "ranking").data["rows"]["correct"].sum() == 0


def test_a_click_on_a_hidden_vector_takes_that_sample(small):
    (block,) = (each for each in blocks_of(small) if each.id == "samples")
    assert block.pick == {"number": "sample"}
    vectors, numbers = of_group(block.chart, logit.OTHERS.name)
    assert numbers == list(range(12))
    np.testing.assert_allclose(vectors, np.einsum("fmn,kn->fkm", small.frames["W1"], data.training_samples(SMALL).X),
                               atol=1e-3)  # fmt: skip


# why squares


def test_squareness_is_that_of_the_turned_columns_of_active_features():
    result = STORE.get(EXPERIMENTS["unembedding_xavier"].quick)
    found, active = squares.turned(result), tables.unembedding(result).active
    angle = np.radians(squares.ANGLES[7])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (rotation @ result.W1[:, active]).T
    lengths, largest = np.linalg.norm(points, axis=1), np.abs(points).max(axis=1)
    expected = np.quantile(lengths, 0.95) / np.quantile(largest, 0.95)
    assert found[-1, 7] == pytest.approx(expected, rel=1e-5)
    assert found.shape == (len(result.frame_steps), len(squares.ANGLES))


def test_the_seven_are_seen_at_the_same_steps_and_told_at_their_own_ends():
    view = PAGE.view("squares")
    for closer in ("adamw", "sgd"):
        choice, plan, found = of(view, closer=closer)
        results = [STORE.get(each) for each in plan.opened]
        grid = figure(squares.inside(choice, *results), "grid")
        assert len(grid.data["scales"]) == len(results[0].frame_steps)
        of_name = dict(zip([closer, *(name for name in squares.TRAININGS if name != closer)], results, strict=True))
        blocks = list(squares.show(choice, plan, found))
        (table,) = (block.frame for block in blocks if isinstance(block, Table))
        for (name, training), (_, row) in zip(squares.TRAININGS.items(), table.iterrows(), strict=True):
            result = of_name[name]
            found_ = tables.unembedding(result)
            assert row["network"] == training.label
            assert row["squareness of W1"] == round(metrics.squareness(found_.columns[found_.active]), 2)
        marks = figure(blocks, "growth").data["now"]["at"].tolist()
        assert marks == [max(step, 1) for step in results[0].frame_steps]


def test_a_small_plane_holds_its_whole_history_and_each_frame_can_fill_it():
    history = np.random.default_rng(0).normal(size=(5, 7, 2)) * np.arange(1, 6)[:, None, None]
    seen = np.arange(7) != 2
    column = charts.Column("a", {charts.FEATURES: charts.Vectors(history, seen)}, value="a")
    chart = charts.plane_grid([charts.Column("none"), column], charts.ALL_THREE[:1], "Grid")
    dots, scales = chart.data["dots"], chart.data["scales"]
    drawn = unpacked(dots, scales["unit"])
    half = 1.12 * np.abs(history).max()
    np.testing.assert_allclose(drawn, history / half, atol=1e-4)
    assert dots["seen"].tolist() == seen.tolist()
    assert set(dots["cell"]) == {"c1"}
    own = drawn * scales["c1"].to_numpy()[:, None, None]
    np.testing.assert_allclose(np.abs(own).reshape(5, -1).max(axis=1), 1 / 1.12, rtol=1e-3)
    cells = chart.data["cells"]
    assert cells["trained"].tolist() == [False, True]
    assert cells.loc[cells["trained"], "value"].tolist() == ["a"]


def test_what_was_made_of_a_result_is_kept_as_long_as_the_result_and_no_longer(small):
    made = []
    lengths = tables.by_result(lambda result: made.append(result.experiment.key) or len(result.frame_steps))
    copy, part = replace(small), network.at_steps(small, small.frame_steps[:2])
    assert [lengths(each) for each in (copy, part, copy, part)] == [len(small.frame_steps), 2] * 2
    assert len(made) == 2
    gone = weakref.ref(part)
    del part
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(("seen", "of", "most", "known"), [
    (3, 1000, 120, 3), (300, 1000, 120, 60), (900, 1000, 120, 108), (0, 5, 9, 0), (5, 5, 9, 5), (0, 0, 9, 0),
    (1000, 1000, 120, 120), (0, 1000, 120, 0), (2, 3, 2, 1),
])  # fmt: skip
def test_the_few_that_were_seen_are_drawn_among_the_many_that_were_not(seen, of, most, known):
    mask = np.zeros(of, bool)
    mask[:: max(of // max(seen, 1), 1)][:seen] = True
    mask[np.flatnonzero(~mask)[: seen - mask.sum()]] = True
    drawn = seen_and_not(mask, most)
    assert len(set(drawn)) == len(drawn) == min(of, most)
    assert mask[drawn].sum() == known
    assert drawn.tolist() == sorted(drawn)


# networks that are not finished


@views
def test_a_network_in_training_or_too_large_for_it_has_the_figures_of_a_finished_one(view, small):
    choice = view.default()
    plan = view.plan(choice)
    done = [block.chart for block in view.inside(choice, *map(STORE.get, plan.opened)) if isinstance(block, Figure)]
    waiting = [live.unfinished(each, None) for each in plan.opened]
    large = [live.unfinished(each.with_(n_features=16384, steps=3), None) for each in plan.opened]
    assert any(too_large(each.experiment) for each in large)
    assert network.is_too_large(large[0])
    for results in (waiting, large):
        begun = [block.chart for block in view.inside(choice, *results) if isinstance(block, Figure)]
        assert [chart.spec for chart in begun] == [chart.spec for chart in done]
        assert all(chart.alt.endswith(".") and "nan" not in chart.alt for chart in begun)
        for chart in begun:
            assert min(len(frame) for name, frame in chart.data.items() if name != "frames") > 0
        assert "trained to the end" in words(view.inside(choice, *results)) or "too large" in words(
            view.inside(choice, *results)
        ) or view.id == "squares"  # fmt: skip


# the page


@pytest.mark.parametrize("changes", [0, 1], ids=["at its default", "at its first shipped choice"])
@views
def test_a_view_opens_over_what_is_shipped_and_trains_nothing(view, changes, monkeypatch, no_jobs):
    monkeypatch.setattr(runtime, "store", lambda: STORE)
    monkeypatch.setattr(runtime, "jobs", no_jobs)  # nothing may be asked of it
    choice = view.default(**dict(enumerate(({}, *view.shipped))).get(changes, {}))
    app = again(app_at(PATH_OF_PAGE, **PAGE.write(view, choice)))
    inside = [block.id for block in view.inside(choice, *map(STORE.get, view.plan(choice).opened))]
    staged = {*view.stage, *inside} & {key.removeprefix("at-") for key, _ in drawn_charts(app)}
    assert staged >= set(view.stage)
    assert {key.removeprefix("at-") for key, _ in drawn_charts(app)} == staged
    assert line(app).startswith(":material/check_circle: ")
    assert clock(app)["total"] == view.plan(choice).opened[0].steps


@views
def test_in_every_state_the_same_figures_stand_on_the_stage_and_only_fill_in(view, stand_in):
    """What is compared is the very text that the browser would build a chart anew for."""
    small = {"n_samples": "3,10", "seeds": "1", "T": "10", "n_features": "60", "sparsity": "0.9"}
    names = {each.id for each in view.every_control}
    begin = {"view": view.id, "v": "2"} | {name: value for name, value in small.items() if name in names}
    stand_in.begins = "queued"
    app = again(app_at(PATH_OF_PAGE, **begin))
    seen = {"waiting": specs(app)}
    for each in stand_in.wanted.values():
        stand_in.set("running", each, steps=(3, 7, 10))
    seen["running"] = specs(again(app))
    stand_in.finish(max(len(stand_in.wanted) // 2, 1))
    seen["half done"] = specs(again(app))
    if stand_in.wanted:
        button(app, "Cancel").click()
        seen["cancelled"] = specs(again(app))
        stand_in.busy = Busy("too much is waiting")
        button(app, "Resume").click()
        seen["refused"] = specs(again(app))
        stand_in.busy = None
        app = again(app_at(PATH_OF_PAGE, **begin))
    stand_in.finish()
    seen["done"] = specs(again(app))
    assert "trained and kept" in line(app)
    for state, found in seen.items():
        assert [key for key, *_ in found] == [key for key, *_ in seen["done"]], state
        for (key, spec, names), (_, last, last_names) in zip(found, seen["done"], strict=True):
            assert spec == last, (state, key)
            assert names == last_names, (state, key)


def extremes():
    """The first and the last good value of every control of every view; controls that views share are tried once."""
    tried = []
    for view in PAGE.views:
        for control in view.every_control:
            if control not in tried:
                tried.append(control)
                for name in (next(iter(control.values)), list(control.values)[-1]):
                    yield pytest.param(view, control.id, name, id=f"{view.id}-{control.id}-{name}")


@pytest.mark.parametrize(("view", "id", "name"), list(extremes()))
def test_the_first_and_the_last_value_of_every_control_can_be_trained_and_drawn(view, id, name, stand_in):
    small = {"n_samples": "3", "seeds": "1", "T": "3", "n_features": "60", "sparsity": "0.9"}
    small |= {"schedule": "warmup_cosine"} if id == "warmup" else {}
    names = {each.id for each in view.every_control}
    begin = {key: value for key, value in small.items() if key in names}
    app = again(app_at(PATH_OF_PAGE, **(begin | {"view": view.id, "v": "2", id: name})))
    assert "link_off" not in line(app), line(app)
    if not stand_in.submitted:
        button(app, "Train").click()
        again(app)
    stand_in.finish()
    assert "trained and kept" in line(again(app))


@pytest.mark.parametrize("value", ["sgd_xavier", "squared"])
def test_a_click_on_one_of_seven_looks_at_it(value, monkeypatch, no_jobs):
    from toyviz.ui import choose
    from toyviz.ui.visit import Visit

    view = PAGE.view("squares")
    visit = Visit(view.id)
    choose.pick(view, visit, {"closer": value})
    assert view.plan(visit.choice(view)).opened[0] == squares.networks(view.default(), 0)[value]


def test_a_view_without_figures_of_its_own_gives_the_whole_stage_to_the_inside(monkeypatch, no_jobs):
    monkeypatch.setattr(runtime, "store", lambda: STORE)
    monkeypatch.setattr(runtime, "jobs", no_jobs)
    app = again(app_at(PATH_OF_PAGE, view="logit", v="2"))
    assert [key for key, _ in drawn_charts(app)] == ["at-samples", "at-votes", "at-plane", "at-stages", "at-ranking"]
    keys = {node.key for node in blocks_in(app._tree) if node.key}
    assert ("inside" in keys, "own" in keys) == (True, False)


def test_a_figure_is_so_many_times_as_high_as_the_others_of_its_side(monkeypatch, no_jobs):
    monkeypatch.setattr(runtime, "store", lambda: STORE)
    monkeypatch.setattr(runtime, "jobs", no_jobs)
    app = again(app_at(PATH_OF_PAGE, view="over_t", v="2"))
    styles = "".join(each.proto.body for each in app.get("html"))
    assert ":has(> .st-key-at-loss) {flex-basis: 180% !important}" in styles
    assert "st-key-at-accuracy)" not in styles


def blocks_in(node):
    for child in node.children.values():
        if hasattr(child, "children"):
            yield child
            yield from blocks_in(child)


def test_more_lines_than_can_be_told_apart_are_refused():
    a = charts.Line("a", np.arange(2.0), np.ones((1, 2)), charts.BLUE)
    with pytest.raises(ValueError, match="lines has 13 names; at most 12 can be told apart"):
        charts.moving_lines([a] * 13, "Lines", "x")


def test_a_moving_line_follows_the_frames_and_its_axis_holds_all_of_them():
    history = np.array([[1.0, np.nan], [3.0, -2.0]])
    chart = charts.moving_lines([charts.Line("a", np.array([0.0, 9.0]), history, charts.BLUE)], "Lines", "x")
    lines, ends = chart.data["lines"], chart.data["meta"].iloc[0]
    np.testing.assert_array_equal(lines[["v0", "v1"]].to_numpy().T, history)
    assert ends["low"] < -2
    assert ends["high"] > 3
    assert chart.alt == "Lines over x: a from 3 to -2."
    stands = charts.Line("a", np.array([0.0, 9.0]), np.ones((1, 2)), charts.BLUE)
    still = charts.moving_lines([stands], "Lines", "x", now=np.array([1, 2, 3]))
    assert still.data["meta"]["last"].item() == 2


def test_probe_and_picture_agree_on_the_last_frame(small):
    sample = logit._sample(SMALL, "training", 0)
    terms = probe.logit_terms(small, sample.x)
    np.testing.assert_allclose(logit.logits_of(small, sample).stages[-1, 4], terms.logits, atol=1e-5)


@pytest.mark.parametrize("view", ["over_t", "logit", "squares"])
def test_a_batch_is_some_of_the_samples_where_there_are_more(view):
    asked = PAGE.view(view)
    for size in (1, 16, 99):
        plan = asked.plan(asked.default(minibatch=size, T=99))
        for each in plan.experiments:
            assert each.minibatch == (size if size < each.n_samples else None)
        whole = asked.plan(asked.default(T=99)).experiments
        assert {each.with_(minibatch=None) for each in plan.experiments} == set(whole)
        assert plan.opened[0].n_samples == 99
    control = next(each for each in asked.controls if each.id == "minibatch")
    assert [control.read(name) for name in ("all", "1", "16", "128", "77")] == [None, 1, 16, 128, 77]


@pytest.mark.parametrize("recipe", settings.RECIPES)
def test_the_seven_keep_their_optimiser_whatever_the_recipe(recipe):
    choice = PAGE.view("squares").default(recipe=recipe)
    found = squares.networks(choice, 0)
    assert {name for name, each in found.items() if each.optimizer == "sgd"} == {"sgd", "sgd_xavier"}
    assert found["sgd"].lr == EXPERIMENTS["unembedding_sgd"].quick.lr
    assert found["sgd"].weight_decay == 0
    assert {each.steps for name, each in found.items() if not name.startswith("s")} <= {
        EXPERIMENTS[name].at(recipe).steps for name in ("unembedding", "double_descent_untied")
    }


def test_a_trained_batch_is_told_with_what_theory_says_of_it():
    asked = PAGE.view("squares")
    choice = asked.default(minibatch=16)
    said = words(list(squares.show(choice, asked.plan(choice), Sweep([], asked.plan(choice).experiments))))
    assert "2502.04664" in said
    assert "2510.26303" in said
    assert "Each step here sees 16 training samples." in said


def test_over_t_with_minibatches_and_shares_is_shown(small):
    asked = PAGE.view("over_t")
    choice = asked.default(minibatch=4, labels="classify_shares", n_samples=(6, 12), T=12, seeds=1, n_features=30)
    plan = asked.plan(choice.with_(sparsity=0.8, steps=20))
    found = Sweep([train(each) for each in plan.experiments], plan.experiments)
    said = words(list(over_t.show(choice.with_(sparsity=0.8, steps=20), plan, found)))
    assert f"ln n = {np.log(30):.3f}" not in said  # samples without a feature weigh nothing
    assert "soft labels" in said
    assert "train cross-entropy" in words(list(over_t.inside(choice, found.at(n_samples=12).results[0])))
