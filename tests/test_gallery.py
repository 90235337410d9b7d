"""The shipped results, and how they are built."""

import re
import time
from dataclasses import replace

import numpy as np
import pytest

from toyviz import gallery, metrics, probe, studies
from toyviz.experiment import Experiment
from toyviz.model import initial_parameters
from toyviz.settings import EXPERIMENTS
from toyviz.store import GALLERY, Store, pack, unpack
from toyviz.sweep import Sweep
from toyviz.train import train
from toyviz.view import Figure, Plan

TINY = Experiment(n_features=7, n_hidden=2, n_samples=11, sparsity=0.6, steps=30, lr=0.01)
EMPTY = TINY.with_(n_features=1, n_hidden=1, n_samples=1, sparsity=0.999)  # not one feature is active
SHIPPED = {experiment.key: experiment for experiment in gallery.wanted()}


def shipped(experiment):
    return unpack((GALLERY / gallery.file_name(experiment)).read_bytes())


def names(folder):
    return {path.name for path in folder.iterdir()}


# what is shipped


def test_the_gallery_holds_what_the_pages_show_at_their_defaults_and_nothing_else():
    found = {path.name for path in GALLERY.glob("*") if not path.name.startswith(".")}
    assert found == {gallery.file_name(experiment) for experiment in SHIPPED.values()}


def test_every_shipped_result_is_whole_and_of_its_experiment():
    for experiment in SHIPPED.values():
        result = shipped(experiment)
        assert result.experiment == experiment
        assert result.frame_steps[0] == 0
        assert result.frame_steps[-1] == experiment.steps
        for name, values in initial_parameters(experiment).items():
            np.testing.assert_array_equal(result.frames[name][0], values)
            np.testing.assert_array_equal(result.frames[name][-1], result.parameters[name])


def test_the_gallery_takes_at_most_forty_five_megabytes():
    assert sum(path.stat().st_size for path in GALLERY.iterdir()) <= 45_000_000


def test_the_many_starts_of_which_a_page_opens_the_best_are_those_of_the_privileged_basis():
    crowds = gallery.crowds(gallery.shipped_plans())
    page = studies.page("privileged_basis")
    assert {each for plan in crowds for each in plan.experiments} == set(page.view("neurons").shipped_experiments())
    assert [len(plan.experiments) for plan in crowds] == [100] * 8


def again():
    """What is trained again, in a moment each: some of every kind of which two seeds or more are shipped."""
    kinds = ("double_descent", "double_descent_untied", "mlp", "mlp_relu_output", "unembedding")
    few = [EXPERIMENTS[name].quick.with_(n_samples=size) for name in kinds for size in (3, 5)]
    fresh = ("superposition", "superposition_linear", "privileged_basis")
    return few + [EXPERIMENTS[name].quick.with_(sparsity=sparsity) for name in fresh for sparsity in (0.0, 0.9)]


def numbers(result):
    """What is measured of a network, and how exactly it is told: log losses, what is stored, dimensionalities."""
    vectors = result.W1.T if result.experiment.fresh else probe.hidden_vectors(result)
    shares = metrics.dimensionality(vectors)
    found = {
        "features": ((metrics.norms(result.W1.T) > 0.5).sum(), 0.5),
        "largest dimensionality": (shares.max(), 0.01),
        "mean dimensionality": (shares.mean(), 0.01),
    }
    for name in ("train_loss", "test_loss"):
        if result.metrics[name] is not None:
            found[name] = np.log(result.metrics[name]), 0.01
    if not result.experiment.fresh:
        found["samples it knows"] = result.metrics["train_accuracy"] * result.experiment.n_samples, 0.5
    return found


def held_against(old, new):
    """Results by seed: the same bits where the instruction set is; else means that differ by no more than seeds do."""
    for seed, before in old.items():
        if before.provenance.get("instruction_set") == new[seed].provenance["instruction_set"]:
            np.testing.assert_array_equal(new[seed].losses, before.losses)
            for name, values in before.parameters.items():
                np.testing.assert_array_equal(new[seed].parameters[name], values)
    for name, (_, exactly) in numbers(new[0]).items():
        before, now = ({seed: numbers(result)[name][0] for seed, result in each.items()} for each in (old, new))
        apart = abs(np.mean([before[seed] - now[seed] for seed in old]))
        assert apart <= max(np.ptp(list(now.values())), exactly), (name, before, now)


@pytest.mark.processor
@pytest.mark.parametrize("experiment", again(), ids=lambda e: f"{e.arch} T={e.n_samples} S={e.sparsity:g}")
def test_training_a_shipped_experiment_again_gives_the_same_network_but_for_rounding(experiment):
    seeds = [experiment.with_(seed=seed) for seed in range(4)]
    old = {each.seed: shipped(each) for each in seeds if each.key in SHIPPED}
    assert len(old) >= 2
    held_against(old, {each.seed: train(each) for each in seeds})


def test_an_equal_instruction_set_is_held_to_the_bits_and_another_to_the_spread_over_seeds():
    new = {seed: train(TINY.with_(seed=seed)) for seed in range(4)}

    here = new[0].provenance["instruction_set"]

    def moved(by, name="W1", **provenance):
        old = {}
        for seed in (0, 1):
            about = {key: value for key, value in new[seed].provenance.items() if key != "instruction_set"} | provenance
            weights = new[seed].parameters | {name: new[seed].parameters[name] * np.float32(by)}
            old[seed] = unpack(pack(replace(new[seed], parameters=weights, provenance=about), display=True))
        return old

    held_against(moved(1, instruction_set=here), new)
    held_against(moved(1 + 1e-6), new)
    held_against(moved(1 + 1e-6, instruction_set="another"), new)
    with pytest.raises(AssertionError, match="Mismatched elements"):
        held_against(moved(1 + 1e-6, "b2", instruction_set=here), new)
    with pytest.raises(AssertionError, match="features"):
        held_against(moved(0), new)
    worse = {seed: replace(result, metrics=new[0].metrics | {"test_loss": 100.0}) for seed, result in moved(1).items()}
    with pytest.raises(AssertionError, match="test_loss"):
        held_against(worse, new)


def at_its_ends(result):
    ends = [0, -1]
    return replace(
        result,
        frame_steps=result.frame_steps[ends],
        frames={name: values[ends] for name, values in result.frames.items()},
        frame_metrics={name: values[ends] for name, values in result.frame_metrics.items()},
    )


def moving(view, plan, store):
    """What moves on the stage at the defaults: what is opened, and of many starts the best."""
    bests = [each.settled(store.get).opened[0] for each in gallery.crowds([plan])]
    return {*plan.settled(store.get).opened, *bests}


@pytest.mark.parametrize("view", [view for page in studies.pages().values() for view in page.views], ids=lambda v: v.id)
def test_a_page_at_its_defaults_sends_the_history_of_what_it_opens_alone(view):
    store, choice = Store(None, GALLERY), view.default()
    plan = view.plan(choice).settled(store.get)
    every = {each: store.get(each) for each in plan.experiments}
    moves = moving(view, view.plan(choice), store)
    few = {each: result if each in moves else at_its_ends(result) for each, result in every.items()}
    whole, short = (
        [block.chart for block in view.show(choice, plan, Sweep(found.values(), plan.experiments)) if is_figure(block)]
        for found in (every, few)
    )
    assert [chart.spec for chart in whole] == [chart.spec for chart in short]
    for one, other in zip(whole, short, strict=True):
        assert {name: size(frame) for name, frame in one.data.items()} == {
            name: size(frame) for name, frame in other.data.items()
        }


def size(frame):
    return frame.shape, int(frame.memory_usage(deep=True, index=False).sum())


def is_figure(block):
    return isinstance(block, Figure)


# how it is built


def test_the_gallery_is_built_once_and_then_only_what_is_missing_or_damaged(tmp_path):
    three = [TINY.with_(seed=seed) for seed in range(3)]
    assert gallery.build(jobs=1, folder=tmp_path, plans=[Plan(three, [])]) == 3
    assert names(tmp_path) == {gallery.file_name(each) for each in three}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert gallery.build(folder=tmp_path, plans=[Plan(three, [])]) == 0
    (tmp_path / gallery.file_name(three[0])).unlink()
    damaged = tmp_path / gallery.file_name(three[1])
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert gallery.build(jobs=1, folder=tmp_path, plans=[Plan(three, [])]) == 2
    untouched = tmp_path / gallery.file_name(three[2])
    assert untouched.stat().st_mtime_ns == before[untouched]
    for each in three:
        np.testing.assert_array_equal(Store(None, tmp_path).get(each).W1, train(each).W1)


def test_the_gallery_drops_what_is_no_longer_shown(tmp_path):
    (tmp_path / "0123456789abcdef.safetensors").write_bytes(b"of another engine version")
    (tmp_path / "0123456789abcdef.safetensors.new").write_bytes(b"of a build that was interrupted")
    (tmp_path / gallery.file_name(TINY)).write_bytes(pack(train(TINY), display=True))
    assert gallery.build(folder=tmp_path, plans=[Plan([TINY], [])]) == 0
    assert names(tmp_path) == {gallery.file_name(TINY)}


def test_by_force_everything_is_trained_again(tmp_path):
    path = tmp_path / gallery.file_name(TINY)
    path.write_bytes(pack(train(TINY), display=True))
    before = path.stat().st_mtime_ns
    time.sleep(0.01)
    assert gallery.build(force=True, jobs=1, folder=tmp_path, plans=[Plan([TINY], [])]) == 1
    assert path.stat().st_mtime_ns > before


def test_a_gallery_that_cannot_be_trained_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="no feature is active"):
        gallery.build(jobs=1, folder=tmp_path, plans=[Plan([EMPTY], [])])
    assert names(tmp_path) == set()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_builds_on_one_machine_write_the_same_bytes(tmp_path):
    three = [TINY.with_(seed=seed) for seed in range(3)]
    for name in ("one", "two"):
        gallery.build(jobs=1, folder=tmp_path / name, plans=[Plan(three, [])])
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) == 3
    told = Store(None, tmp_path / "one").get(three[0]).provenance
    assert "seconds" not in told
    assert set(train(TINY).provenance) - set(told) == {"seconds"}


def test_an_interrupted_build_goes_on_where_it_was_and_writes_the_same(tmp_path, monkeypatch):
    three, kept = [TINY.with_(seed=seed) for seed in range(3)], gallery._kept

    def interrupted(queue, experiment, folder):
        if any(folder.glob("*.safetensors")):
            raise KeyboardInterrupt
        return kept(queue, experiment, folder)

    monkeypatch.setattr(gallery, "_kept", interrupted)
    with pytest.raises(KeyboardInterrupt):
        gallery.build(jobs=1, folder=tmp_path / "one", plans=[Plan(three, [])])
    assert len(names(tmp_path / "one")) == 1
    monkeypatch.setattr(gallery, "_kept", kept)
    assert gallery.build(jobs=1, folder=tmp_path / "one", plans=[Plan(three, [])]) == 2
    gallery.build(jobs=1, folder=tmp_path / "two", plans=[Plan(three, [])])
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_file_whose_history_is_not_in_8_bits_is_trained_again(tmp_path):
    (tmp_path / gallery.file_name(TINY)).write_bytes(pack(train(TINY)))
    assert gallery.build(jobs=1, folder=tmp_path, plans=[Plan([TINY], [])]) == 1
    assert "8 bits" in Store(None, tmp_path).get(TINY).provenance["note"]


def test_the_longest_are_trained_first_and_the_time_left_is_told(tmp_path, monkeypatch, capsys):
    from toyviz import jobs

    asked, submit = [], jobs.Jobs.submit

    def noted(self, experiments, visitor):
        asked.extend(experiments)
        submit(self, experiments, visitor)

    monkeypatch.setattr(jobs.Jobs, "submit", noted)
    three = [TINY.with_(steps=steps) for steps in (30, 3000, 300)]
    gallery.build(jobs=1, folder=tmp_path, plans=[Plan(three, [])])
    assert [each.steps for each in asked] == [3000, 300, 30]
    lines = capsys.readouterr().err.splitlines()
    assert lines[-2] == "gallery: 3 of 3 trained"
    off = max(Store(None, tmp_path).get(each).provenance["largest_error"] for each in three)
    told = re.fullmatch(r"gallery: 3 results, 0.0 MB, no number off by more than ([\d.]+)", lines[-1])
    assert off <= float(told[1]) <= 1.1 * off
    assert all(re.fullmatch(r"gallery: [12] of 3 trained, about .+ left", line) for line in lines[:-2])


def test_the_time_left_goes_by_the_pace_so_far_and_rises_only_when_it_must():
    assert gallery.seconds_left(10, 100, 80, np.inf) == 40  # 20 of the expected seconds took 10
    assert gallery.seconds_left(10, 100, 80, 30) == 30
    assert gallery.seconds_left(10, 100, 80, 26) == 40
    assert gallery.seconds_left(10, 100, 80, 50) == 40
    assert gallery.seconds_left(10, 100, 0, 50) == 0


def test_of_many_starts_the_best_keeps_its_history_and_the_others_their_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "FEW", 3)
    many = [TINY.with_(seed=seed) for seed in range(4)]
    few = [TINY.with_(seed=seed, n_features=6) for seed in range(3)]
    plans = [Plan([*many, *few], many[:1], [many]), Plan(few, few[:1], [few])]
    assert gallery.build(jobs=1, folder=tmp_path, plans=plans) == 7
    store = Store(None, tmp_path)
    best = min(many, key=lambda each: store.get(each).metrics["test_loss"])
    lengths = {each: len(store.get(each).frame_steps) for each in (*many, *few)}
    assert lengths == {each: 24 if each == best or each in few else 2 for each in lengths}
    before = contents(tmp_path)
    assert gallery.build(jobs=1, folder=tmp_path, plans=plans) == 0
    assert contents(tmp_path) == before
    cut = next(each for each in many if each != best)
    wanted_whole = [*plans, Plan([cut], [cut])]
    assert gallery.build(jobs=1, folder=tmp_path, plans=wanted_whole) == 3
    assert len(Store(None, tmp_path).get(cut).frame_steps) == 24
    gallery.build(force=True, jobs=1, folder=tmp_path, plans=plans)
    assert contents(tmp_path) == before
    for each in many:
        trained, kept = train(each), store.get(each)
        for name, values in trained.frames.items():
            np.testing.assert_array_equal(kept.frames[name][[0, -1]], values[[0, -1]])
        for name, values in trained.frame_metrics.items():
            np.testing.assert_array_equal(kept.frame_metrics[name][[0, -1]], values[[0, -1]])


def test_starts_that_another_view_shows_for_themselves_keep_their_histories(monkeypatch):
    monkeypatch.setattr(gallery, "FEW", 3)
    many = [TINY.with_(seed=seed) for seed in range(4)]
    crowd = Plan(many, many[:1], [many])
    assert [plan.experiments for plan in gallery.crowds([crowd])] == [tuple(many)]
    assert gallery.crowds([crowd, Plan(many[2:], many[2:3])]) == []
