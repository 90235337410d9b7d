"""Many networks in one tensor against the reference, network by network; on the CPU, as if on a GPU, and on one."""

import contextlib
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")  # all of this file is about it

import torch

from toyviz import cost, data, probe, worker
from toyviz.__main__ import main
from toyviz.experiment import ARCHS, OPTIMIZERS, SCHEDULES, TASKS, WARMED_UP, Experiment
from toyviz.model import initial_parameters
from toyviz.result import FRAME_METRICS
from toyviz.train import TrainingFailed, batched, instruction_set, reference, refuse_device, train, train_many
from toyviz.train.batched import MAY_DIFFER, Trainer, groups

GPU = torch.cuda.is_available()
DEVICES = ("cpu", "cuda") if GPU else ("cpu",)
ROWS = [(a, t) for a in ARCHS for t in TASKS if not (ARCHS[a].tied and t == "big_fish")]
KINDS = {
    "a fixed set": {},
    "minibatches": {"minibatch": 4},
    "fresh batches": {"n_samples": None, "batch_size": 6},
    "groups, all active": {"data": "correlated", "n_samples": None, "batch_size": 6},
    "groups, one active": {"data": "anticorrelated", "n_samples": None, "batch_size": 6},
    "unit length": {"normalize": True},
}


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("TOYVIZ_CACHE", str(tmp_path / "cache"))


def small(arch="relu_output", task="autoencode", **changes):
    fish = {"n_embed": 4} if TASKS[task].embedded else {}
    base = {"arch": arch, "task": task, "n_features": 8, "n_hidden": 3, "n_samples": 11, "sparsity": 0.6}
    biased = ARCHS[arch].hidden_bias or ARCHS[arch].output_bias
    start = {"bias_init": "normal"} if biased else {}
    return Experiment(**base | fish | start | {"steps": 20, "lr": 0.01, "seed": 3} | changes)


def three(base):
    """Three networks of one shape that differ in all that may: seeds, T, S, lr, weight decay, start, importance."""
    weighed = base.task in ("autoencode", "big_fish")
    return [
        base.with_(
            seed=seed,
            data_seed=7 * seed,
            sparsity=sparsity,
            lr=lr,
            weight_decay=decay,
            init=init,
            **{"importance_decay": importance} if weighed else {},
            **{} if base.fresh else {"n_samples": T},
        )
        for seed, T, sparsity, lr, decay, init, importance in (
            (0, 5, 0.6, 0.01, 0.01, "xavier_normal", 1.0),
            (1, 11, 0.8, 0.003, 0.3, "linear_uniform", 0.7),
            (2, 7, 0.5, 0.02, 0.0, "xavier_uniform", 0.9),
        )
    ]


def reference_gradients(experiment):
    """The reference's own loss in double precision, and its gradients."""
    trainer = reference.Trainer(experiment)
    trainer.weights = {
        name: torch.tensor(values, dtype=torch.float64, requires_grad=True)
        for name, values in initial_parameters(experiment).items()
    }
    inputs, targets = trainer._batch(0)
    trainer.importance = trainer.importance.double()
    loss = trainer.loss(inputs.double(), targets.double())
    loss.backward()
    return loss.item(), {name: values.grad.numpy() for name, values in trainer.weights.items()}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("arch", "task"), ROWS)
def test_gradients_of_one_step_equal_the_references(arch, task, device):
    for kind, changes in KINDS.items():
        # one step of plain gradient descent, as long as may be, so that rounding the weights costs little
        tried = [
            each.with_(optimizer="sgd", weight_decay=0.0, lr=lr, steps=1)
            for each, lr in zip(three(small(arch, task, **changes)), (10.0, 5.0, 7.5), strict=True)
        ]
        trainer = Trainer(tried, device)
        losses = trainer.advance(0, 1)
        assert losses.shape == (1, 3)
        for index, each in enumerate(tried):
            expected_loss, expected = reference_gradients(each)
            assert losses[0, index] == pytest.approx(expected_loss, rel=1e-5), kind
            start = initial_parameters(each)
            for name, values in trainer.parameters().items():
                taken = (start[name].astype(np.float64) - values[index]) / each.lr
                at_most = 1e-5 * max(np.abs(expected[name]).max(), 0.1)  # a step of 5 cannot tell smaller ones
                np.testing.assert_allclose(taken, expected[name], rtol=0, atol=at_most, err_msg=f"{kind}, {name}")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("optimizer", "kind"), [*itertools.product(OPTIMIZERS, KINDS)])
def test_twenty_steps_of_each_optimizer_and_schedule_are_the_references(optimizer, kind, device):
    warm = {name: {"warmup": 5} if name in WARMED_UP else {} for name in SCHEDULES}
    tried = [
        each.with_(schedule=name, **warm[name])
        for each in three(small("mlp", "classify_shares", optimizer=optimizer, **KINDS[kind]))
        for name in SCHEDULES
    ]
    trainer = Trainer(tried, device)
    losses = np.concatenate([trainer.advance(0, 3), trainer.advance(3, 20)])
    for index, each in enumerate(tried):
        alone = reference.Trainer(each)
        np.testing.assert_allclose(losses[:, index], alone.advance(0, 20), rtol=1e-4, atol=1e-6)
        for name, values in alone.parameters().items():
            np.testing.assert_allclose(trainer.parameters()[name][index], values, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", ["fresh batches", "groups, all active", "groups, one active"])
def test_a_fresh_batch_on_the_device_is_that_of_the_definition_bit_by_bit(kind, device):
    base = small(**KINDS[kind] | {"batch_size": 500, "steps": 1_000_000})
    tried = [base.with_(seed=seed, sparsity=S) for seed, S in ((0, 0.5), (1, 0.9), (2**31 - 1, 1 - 1e-3))]
    trainer = Trainer(tried, device)
    for step in (0, 1, 12_345, 999_999):
        trainer.step.fill_(step)
        drawn = trainer.fresh_batch().cpu().numpy()
        assert drawn.dtype == np.float32
        for X, each in zip(drawn, tried, strict=True):
            expected = data.fresh_batch(each, step)
            assert expected.any()
            np.testing.assert_array_equal(X, expected)
    of_length_one = [each.with_(normalize=True) for each in tried]
    trainer = Trainer(of_length_one, device)
    for X, each in zip(trainer.fresh_batch().cpu().numpy(), of_length_one, strict=True):
        np.testing.assert_allclose(X, data.fresh_batch(each, 0), rtol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_samples_that_fill_up_a_smaller_set_have_no_effect(device):
    few, many = small(n_samples=5, weight_decay=0.1), small(n_samples=60, seed=4)
    alone, beside = Trainer([few], device), Trainer([few, many], device)
    np.testing.assert_allclose(alone.advance(0, 20)[:, 0], beside.advance(0, 20)[:, 0], rtol=1e-5)
    for name, values in alone.parameters().items():
        np.testing.assert_allclose(values[0], beside.parameters()[name][0], atol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_a_whole_training_has_the_references_statistics_and_a_result_of_the_same_form(device):
    base = Experiment(n_features=40, n_hidden=2, n_samples=30, sparsity=0.9, normalize=True, steps=1200, lr=0.01)
    tried = [base.with_(seed=seed) for seed in range(6)]
    ours, theirs = train_many(tried, device=device), [train(each, engine="reference") for each in tried]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.experiment == other.experiment
        assert list(mine.frames) == list(other.frames)
        assert {name: each.shape for name, each in mine.frames.items()} == {
            name: each.shape for name, each in other.frames.items()
        }
        np.testing.assert_array_equal(mine.loss_steps, other.loss_steps)
        np.testing.assert_allclose(mine.losses[0], other.losses[0], rtol=1e-5)
        assert list(mine.frame_metrics) == list(FRAME_METRICS)
        assert mine.metrics["train_loss"] == pytest.approx(mine.frame_metrics["train_loss"][-1], rel=1e-4)
        for name, values in initial_parameters(mine.experiment).items():
            np.testing.assert_array_equal(mine.frames[name][0], values)
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        here, there = (np.array([each.metrics[name] for each in some]) for some in (ours, theirs))
        assert there.std() > 0
        assert abs(here.mean() - there.mean()) <= there.std() / 2, name
        assert abs(here.std() - there.std()) <= there.std() / 2, name
    assert ours[0].metrics["train_loss"] < 0.6 * ours[0].losses[0]  # it has learnt something


def test_every_network_is_in_one_batch_of_its_shape_and_none_is_too_large():
    shapes = [small(), small("mlp"), small(n_hidden=4), small(steps=30), small(optimizer="sgd")]
    shapes += [small(**changes) for changes in KINDS.values() if changes]
    shapes += [small(n_samples=T) for T in (65, 129)]
    every = [each.with_(seed=seed) for seed in range(5) for each in shapes]
    batches = groups(every, 1e9)
    assert sorted(each.key for batch in batches for each in batch) == sorted(each.key for each in every)
    assert [len(batch) for batch in batches] == [5] * len(shapes)
    assert {len(batch) for batch in groups(every, 1.0)} == {1}
    assert len(groups([small(n_samples=T) for T in (65, 100, 128)] + [small(n_samples=T) for T in (1, 64)], 1e9)) == 2
    sizes = [len(batch) for batch in groups([small(seed=seed) for seed in range(100)], 1e6)]
    assert sum(sizes) == 100
    assert 1 < max(sizes) < 100
    fields = {"data_seed": 4, "sparsity": 0.7, "importance_decay": 0.5, "init": "xavier_uniform", "bias_offset": 1.0}
    fields |= {"seed": 4, "n_samples": 12, "bias_init": "zeros", "lr": 0.1, "weight_decay": 0.5, "warmup": 3}
    fields |= {"schedule": "warmup_cosine"}
    assert set(fields) == set(MAY_DIFFER)
    assert len(groups([small(), small(**fields)], 1e9)) == 1


def test_networks_of_several_shapes_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"may differ in seed, .* alone, .*; got 2 networks of 2 shapes"):
        Trainer([small(), small(n_hidden=4)])


def test_a_network_that_blows_up_is_told_and_the_others_are_kept():
    calm = small("mlp", optimizer="sgd", steps=40)
    wild, empty = calm.with_(lr=10.0), calm.with_(sparsity=0.999, n_samples=2)
    first, second, third, last = train_many([calm, wild, empty, calm.with_(seed=5)])
    assert isinstance(second, TrainingFailed)
    with pytest.raises(TrainingFailed) as alone:
        train(wild, engine="reference")
    assert str(second) == str(alone.value)
    assert "no feature is active in any training sample" in str(third)
    for kept in (first, last):
        assert kept.metrics["train_loss"] == pytest.approx(
            train(kept.experiment, engine="reference").metrics["train_loss"], rel=1e-4
        )
    assert [type(each) for each in train_many([wild, wild.with_(seed=5)])] == [TrainingFailed] * 2


def test_on_frame_sees_all_networks_in_each_frame_and_one_alone_as_train_does():
    seen, alone = [], []
    first, second = train_many([small(), small(seed=4)], on_frame=seen.append)
    result = train(small(), engine="batched", on_frame=alone.append)
    assert (seen[0].step, seen[-1].step, alone[-1].step) == (0, 20, 20)
    for index, each in enumerate((first, second)):
        np.testing.assert_array_equal(seen[-1].parameters["W1"][index], each.W1)
    np.testing.assert_array_equal(alone[-1].parameters["W1"], result.W1)
    np.testing.assert_allclose(result.W1, first.W1, atol=1e-6)
    assert np.isfinite([frame.loss for frame in seen[1:]]).all()


def test_a_result_says_which_engine_on_which_device_has_trained_it_and_its_share_of_the_seconds(monkeypatch):
    clock, advance = [0.0], Trainer.advance

    def slowly(self, first, last):
        clock[0] += 0.5 * (last - first)
        return advance(self, first, last)

    monkeypatch.setattr(Trainer, "advance", slowly)
    monkeypatch.setattr("toyviz.train.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    about = [each.provenance for each in train_many([small(seed=seed) for seed in range(4)])]
    assert [each["seconds"] for each in about] == [2.5] * 4
    assert about[0]["note"] == "one of 4 networks trained at once in 10.00 s"
    assert (about[0]["engine"], about[0]["device"]) == ("batched", "cpu")
    assert about[0]["instruction_set"] == instruction_set("reference")
    assert list(about[0]["versions"]) == ["torch", "numpy", "python"]
    assert train(small(), engine="batched").provenance["note"] is None


@pytest.mark.parametrize("device", DEVICES)
def test_networks_are_measured_as_they_are_by_numpy(device, monkeypatch):
    listed = {"n_samples": None, "sparsity": 0.0}
    tried = [small(*row, **changes) for row in ROWS for changes in ({}, {"data": "one_hot", **listed})]
    tried += [small("unembed", "classify_hard", data="antipodal", **listed), small(n_features=1)]
    for each in tried:
        parameters = initial_parameters(each)
        for samples in (data.training_set(each), data.held_out_set(each, 300)):
            if samples is None:
                continue
            expected = probe.loss_and_accuracy(each, parameters, samples)
            for at_a_time in (2**26, 100):
                monkeypatch.setattr(batched, "AT_A_TIME", at_a_time)
                found = batched.loss_and_accuracy(each, parameters, batched.prepare(samples, device))
                assert found == pytest.approx(expected, rel=1e-5), each
    monkeypatch.setattr(data, "WHOLE", 100)
    blocks = data.held_out_set(small(), 2500)
    assert isinstance(blocks, data.Blocks)
    found = batched.loss_and_accuracy(
        small(), parameters := initial_parameters(small()), batched.prepare(blocks, device)
    )
    assert found == pytest.approx(probe.loss_and_accuracy(small(), parameters, blocks), rel=1e-5)


# a GPU


class Recorded:
    """A CUDA graph that is played on the CPU: what is called while it is recorded, and once more at each replay."""

    def __init__(self):
        self.step, self.replays = None, 0

    def replay(self):
        self.replays += 1
        self.step()


@pytest.fixture
def recording(monkeypatch):
    """PyTorch's CUDA graphs, played on the CPU: the graph of the last Trainer."""
    graphs, step = [], Trainer._step
    recorded = [False]

    def new():
        graphs.append(Recorded())
        return graphs[-1]

    @contextlib.contextmanager
    def graph(made):
        recorded[0] = True
        yield
        recorded[0] = False

    def once(self):
        if recorded[0]:
            graphs[-1].step = lambda: step(self)
        else:
            step(self)

    stream = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(Trainer, "_step", once)
    for name, value in {
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": lambda which: contextlib.nullcontext(),
        "CUDAGraph": new,
        "graph": graph,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    return graphs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_recorded_step_begins_where_the_networks_start_and_is_played_once_a_step(kind, optimizer, recording):
    tried = three(small("mlp", optimizer=optimizer, **KINDS[kind]))
    plain, played = Trainer(tried), Trainer(tried)
    played._replay = played._recorded()
    for name, values in initial_parameters(tried[1]).items():
        np.testing.assert_array_equal(played.parameters()[name][1], values)
    for first, last in ((0, 1), (1, 20)):
        np.testing.assert_array_equal(played.advance(first, last), plain.advance(first, last))
    for name, values in plain.parameters().items():
        np.testing.assert_array_equal(played.parameters()[name], values)
    assert recording[-1].replays == 20


def test_a_device_without_room_is_told_as_memory(monkeypatch):
    def full(self):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Trainer, "_step", full)
    with pytest.raises(MemoryError):
        train_many([small()])


def test_a_device_that_is_unknown_or_not_there_is_refused_in_a_sentence(monkeypatch):
    with pytest.raises(ValueError, match="device must be one of cpu, cuda; got 'tpu'"):
        refuse_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for refused in (lambda: train(small(), device="cuda"), lambda: train_many([small()], device="cuda")):
        with pytest.raises(ValueError, match="device must be cpu here, since PyTorch sees no GPU that it can use"):
            refused()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    refuse_device("cuda")


@pytest.mark.skipif(not GPU, reason="no GPU is here")
def test_where_there_is_a_gpu_it_trains_and_is_named():
    about = train(small(), device="cuda").provenance
    assert (about["engine"], about["device"]) == ("batched", "cuda")
    assert about["instruction_set"].startswith(torch.cuda.get_device_name())


def test_what_no_kernel_covers_is_trained_on_a_gpu_where_there_is_one_and_the_owner_lets_it(tmp_path, monkeypatch):
    covered, other = small(), small("mlp", "classify_hard", n_samples=None, batch_size=6)
    there, none = tmp_path / "there", tmp_path / "none"
    for folder in (there, none):
        folder.mkdir()
    (there / "nvidia0").touch()
    (none / "nvidiactl").touch()  # of a driver without a GPU
    for usable, said, folder, expected in (
        (True, "", there, "cuda"),
        (True, "auto", there, "cuda"),
        (True, "auto", none, "cpu"),
        (False, "auto", there, "cpu"),
        (True, "cpu", there, "cpu"),
        (True, "cuda", none, "cuda"),
    ):
        monkeypatch.setenv("TOYVIZ_DEVICE", said)
        monkeypatch.setattr(torch.cuda, "is_available", lambda usable=usable: usable)
        assert worker.device_for(other, folder) == expected, (usable, said, folder)
        assert worker.device_for(covered, folder) == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device must be cpu here"):
        worker.device_for(other, there)
    monkeypatch.setenv("TOYVIZ_DEVICE", "gpu")
    with pytest.raises(ValueError, match="TOYVIZ_DEVICE must be one of auto, cpu, cuda; got 'gpu'"):
        worker.device_for(covered, there)


# the command line

SWEEP = ("sweep", "double_descent", "--set", "steps=6", "n_features=30", "sparsity=0.8", "--over", "n_samples=5,12")


@pytest.fixture
def told(capsys):
    """Run a command in this process: its exit code, the JSON objects of its lines, and stderr."""

    def run(*words):
        try:
            code = main([*words])
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return run


def test_a_sweep_by_the_batched_engine_tells_what_the_reference_does_and_stores_nothing(told):
    code, ours, _ = told(*SWEEP, "--seeds", "3", "--json", "--engine", "batched")
    assert (code, {row["engine"] for row in ours}) == (0, {"batched"})
    _, theirs, _ = told(*SWEEP, "--seeds", "3", "--json", "--engine", "reference")
    for row, other in zip(ours, theirs, strict=True):
        assert row["key"] == other["key"]
        assert row["train_loss"] == pytest.approx(other["train_loss"], rel=1e-4)
    assert told("cache", "info", "--json")[1][0]["runs"]["entries"] == 0


def test_a_sweep_that_is_out_of_memory_or_blows_up_has_a_sentence_in_the_row(told, monkeypatch):
    code, rows, _ = told(*SWEEP, "--set", "optimizer=sgd", "lr=10", "steps=60", "--json", "--engine", "batched")
    assert (code, len(rows)) == (1, 2)
    assert all("no longer a finite number" in row["error"] for row in rows)

    def full(self):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Trainer, "_step", full)
    code, rows, _ = told(*SWEEP, "--json", "--engine", "batched")
    assert (code, [row["error"] for row in rows]) == (1, [cost.NO_MEMORY] * 2)


def test_what_is_trained_on_a_gpu_is_stored_as_what_auto_trains_is(told, monkeypatch):
    asked = []

    def on_the_cpu(experiments, *, device, on_frame):
        asked.append((device, len(experiments)))
        return train_many(experiments, on_frame=on_frame)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(batched, "room", lambda device: 1e9)
    monkeypatch.setattr("toyviz.train.train_many", on_the_cpu)
    code, rows, _ = told(*SWEEP, "--json", "--device", "cuda")
    assert (code, asked) == (0, [("cuda", 2)])
    assert [(row["engine"], row["cached"]) for row in rows] == [("batched", False)] * 2
    assert [row["cached"] for row in told(*SWEEP, "--json")[1]] == [True] * 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            (*SWEEP, "--device", "cuda"),
            "device must be cpu here, since PyTorch sees no GPU that it can use; got 'cuda'",
        ),
        (("train", "mlp", "--device", "cuda"), "device must be cpu here"),
        (
            (*SWEEP, "--device", "cuda", "--jobs", "2"),
            "--jobs must be 1 with --device cuda, which trains many networks",
        ),
        (("train", "mlp", "--device", "gpu"), "python -m toyviz train: argument --device: invalid choice: 'gpu'"),
    ],
)
def test_a_device_is_refused_in_one_sentence_before_anything_is_trained(words, sentence, told, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, rows, err = told(*words)
    assert (code, rows, err.count("\n")) == (2, [], 1)
    assert err.startswith(sentence)
