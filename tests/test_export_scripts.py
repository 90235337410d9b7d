"""Scripts that train an experiment once more: with toyviz bit for bit, in plain PyTorch by the same definitions."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from toyviz import data, settings
from toyviz.citation import CITATION
from toyviz.experiment import ARCHS, BIAS_INITS, DATASETS, INITS, OPTIMIZERS, SCHEDULES, TASKS, Experiment, sweep
from toyviz.export import pytorch_state, script
from toyviz.export.pytorch_script import MOST_LINES, pytorch_script
from toyviz.model import forward, initial_parameters
from toyviz.train import train

ROOT = Path(__file__).parents[1]
LINEAR = {"init": "linear_uniform", "bias_init": "linear_uniform"}
SPARSE = {"n_features": 40, "n_samples": 30, "sparsity": 0.9}
QUICK = {"steps": 300, "lr": 1e-2}
FISH = {"arch": "mlp", "n_hidden": 16, "n_features": 30, "n_embed": 12, "sparsity": 0.9} | LINEAR
KINDS = {  # small ones, one for each architecture, task and kind of data at least
    "bottleneck": Experiment(
        n_hidden=2, n_features=60, n_samples=8, sparsity=0.9, normalize=True, schedule="warmup_cosine", warmup=40,
        **QUICK,
    ),
    "fresh": Experiment(n_hidden=5, sparsity=0.7, importance_decay=0.7, batch_size=128, **QUICK),
    "mlp": Experiment(arch="mlp", n_hidden=4, **SPARSE, **LINEAR, **QUICK),
    "mlp_relu_output": Experiment(
        arch="mlp_relu_output", n_hidden=4, init="xavier_uniform", bias_offset=0.1, schedule="quarter_cosine",
        **SPARSE, **QUICK,
    ),
    "unembed": Experiment(arch="unembed", task="classify_hard", n_hidden=4, **SPARSE, **QUICK),
    "unembed_soft": Experiment(arch="unembed_no_bias", task="classify_soft", n_hidden=4, **SPARSE, **QUICK),
    "unembed_tied": Experiment(arch="unembed_tied", task="classify_hard", n_hidden=4, data_seed=7, **SPARSE, **QUICK),
    "unembed_shares": Experiment(
        arch="unembed", task="classify_shares", n_hidden=4, minibatch=7, schedule="warmup_from_tenth", warmup=30,
        **SPARSE, **QUICK,
    ),
    "abs_output": Experiment(arch="abs_output", n_hidden=4, importance_decay=0.9, **SPARSE, **QUICK),
    "one_hots": Experiment(arch="relu_output_untied", data="one_hot", n_hidden=3, n_features=16, **QUICK),
    "antipodal": Experiment(arch="unembed", task="classify_hard", data="antipodal", n_hidden=3, n_features=8, **QUICK),
    "big_fish": Experiment(task="big_fish", batch_size=64, **FISH, **QUICK),
    "small_fish": Experiment(task="small_fish", n_samples=50, **FISH, **QUICK),
    "reproject": Experiment(task="reproject", n_samples=50, **FISH, **QUICK),
    "relu_hidden": Experiment(
        arch="relu_hidden", n_hidden=4, optimizer="sgd", weight_decay=0.001, bias_init="normal", steps=300, lr=0.02,
        **SPARSE,
    ),
    "lookup_table": Experiment(
        arch="mlp", init="lookup_table", bias_init="linear_normal", n_hidden=6, **SPARSE, **QUICK
    ),
    "kmeans": Experiment(arch="mlp", init="kmeans_centres", n_hidden=6, **SPARSE, **QUICK),
    "correlated": Experiment(data="correlated", group_size=5, n_hidden=4, **SPARSE, **QUICK),
    "anticorrelated": Experiment(
        data="anticorrelated", n_features=20, group_size=4, sparsity=0.9, normalize=True, batch_size=64, **QUICK
    ),
    "keys": Experiment(arch="mlp", init="one_hots", n_hidden=6, **SPARSE, **QUICK),
}  # fmt: skip
kinds = pytest.mark.parametrize("experiment", KINDS.values(), ids=KINDS)


def ran(code, capsys, *seed, change=None):
    """The names that a script leaves behind, and its last line; change gets them before the optimiser is made."""
    before, _, after = code.partition("optimizer = ")
    names, words = {"__name__": "__main__"}, sys.argv
    sys.argv = ["script", *map(str, seed)]
    try:
        exec(compile(before, "script", "exec"), names)
        if change:
            change(names)
        exec(compile("optimizer = " + after, "script", "exec"), names)
    finally:
        sys.argv = words
    return names, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_every_kind_of_network_and_data_is_among_the_small_ones():
    used = KINDS.values()
    assert {each.arch for each in used} == set(ARCHS)
    assert {each.task for each in used} == set(TASKS)
    assert {each.data for each in used} == set(DATASETS)
    assert {each.optimizer for each in used} == set(OPTIMIZERS)
    assert {each.schedule for each in used} == set(SCHEDULES)
    assert {each.bias_init for each in used} == set(BIAS_INITS)
    assert any(each.fresh for each in used)


@kinds
def test_plain_pytorch_trains_as_the_reference_does_from_the_same_data_and_start(experiment, torch, capsys):
    """Its own random numbers taken out, nothing is left but network, loss, schedule and optimiser: equal numbers."""
    experiment = experiment.with_(steps=40)
    reference = train(experiment, engine="reference")

    def same(names):
        start = initial_parameters(experiment)
        assert {name: tuple(values.shape) for name, values in names["P"].items()} == {
            n: v.shape for n, v in start.items()
        }
        names["P"] = {name: torch.tensor(values, requires_grad=True) for name, values in start.items()}
        if experiment.fresh:
            steps = itertools.count()
            names["task"] = lambda X: tensors(data.samples(experiment, data.fresh_batch(experiment, next(steps))))
        else:
            names["inputs"], names["targets"] = tensors(data.training_samples(experiment))
            names["torch"] = Ordered()

    class Ordered:
        """torch, but for the order of minibatches: that of the reference."""

        epochs = itertools.count()

        def __getattr__(self, name):
            return getattr(torch, name)

        def randperm(self, size):
            steps = -(-size // experiment.minibatch)
            first = next(self.epochs) * steps
            rows = [data.minibatch_rows(experiment, first + step) for step in range(steps)]
            return torch.tensor(np.concatenate(rows))

    def tensors(samples):
        return torch.tensor(samples.inputs), torch.tensor(samples.targets)

    names, told = ran(pytorch_script(experiment, "c", "l"), capsys, change=same)
    for name, values in reference.parameters.items():
        assert np.allclose(names["P"][name].detach().numpy(), values, rtol=1e-3, atol=2e-5), name
    if not experiment.fresh:
        assert told["train_loss"] == pytest.approx(reference.metrics["train_loss"], rel=1e-3)
    else:
        assert told["train_loss"] is None


@kinds
def test_what_plain_pytorch_draws_is_drawn_as_here(experiment, torch, capsys):
    """Density, lengths, values of the samples; spread and range of the start: as statistics of many draws."""
    names, _ = ran(pytorch_script(experiment.with_(steps=1), "c", "l"), capsys)
    if experiment.data_row.drawn:
        X, ours = names["features"](4000).numpy(), data.held_out_samples(experiment, 4000).X
        assert abs((X > 0).mean() - experiment.feature_probability) < 0.01
        assert np.quantile(X[X > 0], [0.1, 0.5, 0.9]) == pytest.approx(
            np.quantile(ours[ours > 0], [0.1, 0.5, 0.9]), abs=0.03
        )
        together = [(drawn > 0).T.astype(float) @ (drawn > 0) / len(drawn) for drawn in (X, ours)]
        assert (
            np.abs(together[0] - together[1]).max() < 0.05
        )  # how often two features are active at once: 4.5 deviations
        inputs, targets = (each.numpy() for each in names["task"](torch.tensor(ours)))
    else:
        X = data.training_features(experiment)
        inputs, targets = names["inputs"].numpy(), names["targets"].numpy()
    mine = data.samples(experiment, ours if experiment.data_row.drawn else X)
    if not experiment.task_row.embedded:
        assert np.array_equal(inputs, mine.inputs)
        assert np.allclose(targets, mine.targets, rtol=1e-6, atol=0)
    else:
        assert inputs.std() == pytest.approx(mine.inputs.std(), rel=0.2)
        assert targets.std() == pytest.approx(mine.targets.std(), rel=0.2)
    drawn = [ran(pytorch_script(experiment.with_(steps=1, lr=1e-8), "c", "l"), capsys, k)[0]["P"] for k in range(6)]
    starts = [initial_parameters(experiment.with_(seed=k)) for k in range(6)]
    for name in starts[0]:
        theirs = np.concatenate([each[name].detach().numpy().ravel() for each in drawn])
        own = np.concatenate([each[name].ravel() for each in starts])
        sure = 4 * (2 / len(own)) ** 0.5  # four standard errors of a difference, in standard deviations
        assert theirs.mean() == pytest.approx(float(own.mean()), abs=sure * float(own.std()) + 1e-6), name
        assert theirs.std() == pytest.approx(float(own.std()), rel=max(0.1, sure), abs=1e-6), name


@pytest.mark.parametrize("name", ["bottleneck", "fresh", "mlp", "unembed", "one_hots", "big_fish"])
def test_the_losses_of_plain_pytorch_are_those_of_other_seeds(name, torch, capsys):
    experiment = KINDS[name]
    code = pytorch_script(experiment, "c", "l")
    told = [ran(code, capsys, seed)[1] for seed in range(3)]
    seeds = [train(each).metrics for each in sweep(experiment, seed=range(8))]
    for metric in ("train_loss", "test_loss"):
        ours = [each[metric] for each in seeds]
        theirs = [each[metric] for each in told]
        if ours[0] is None:
            assert theirs == [None] * 3
            continue
        spread = max(ours) - min(ours) + 0.05 * float(np.mean(ours))
        assert min(ours) - spread <= float(np.median(theirs)) <= max(ours) + spread, metric


def test_a_plain_script_is_short_and_cites_whatever_is_asked():
    longest = 0
    for setting in settings.EXPERIMENTS.values():
        for experiment in (setting.quick, setting.paper, setting.at("plain")):
            code = pytorch_script(experiment, "caption", "/link")
            compile(code, "script", "exec")
            longest = max(longest, len(code.splitlines()))
            assert CITATION in code
            assert "toyviz" not in code.replace(CITATION, "")
    for experiment, init in itertools.product(KINDS.values(), INITS):
        try:
            changed = experiment.with_(init=init)
        except ValueError:
            continue
        code = pytorch_script(changed, "caption", "/link")
        compile(code, "script", "exec")
        longest = max(longest, len(code.splitlines()))
    assert 40 < longest < MOST_LINES


def in_a_process(code, folder):
    path = folder / "script.py"
    path.write_text(code)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, path], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ["bottleneck", "unembed", "fresh"])
def test_a_script_with_toyviz_gives_the_same_numbers_bit_for_bit(name, tmp_path):
    told = in_a_process(script.script([KINDS[name]], "caption", "/link"), tmp_path)
    metrics = train(KINDS[name]).metrics
    assert told == {name: metrics[name] for name in ("train_loss", "test_loss")}


@pytest.mark.parametrize("grid", [True, False])
def test_a_script_of_a_sweep_trains_all_of_it(grid, tmp_path):
    networks = sweep(KINDS["bottleneck"].with_(steps=20), n_samples=[4, 6], seed=[0, 1])
    if not grid:
        networks = networks[:3]
    code = script.script(networks, "caption", "/link")
    assert ("sweep(BASE" in code) == grid
    told = in_a_process(code, tmp_path)
    assert sorted(row["test_loss"] for row in told["networks"]) == sorted(
        train(e).metrics["test_loss"] for e in networks
    )
    assert told["train_loss"] == pytest.approx(np.mean([row["train_loss"] for row in told["networks"]]))


def test_a_notebook_is_the_same_as_a_script(tmp_path):
    experiment = KINDS["bottleneck"].with_(steps=20)
    notebook = json.loads(script.notebook([experiment], "caption", "/link"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    assert CITATION in "".join(notebook["cells"][0]["source"])
    code = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    metrics = train(experiment).metrics
    assert in_a_process(code, tmp_path) == {name: metrics[name] for name in ("train_loss", "test_loss")}


@pytest.mark.parametrize("name", ["bottleneck", "mlp", "unembed", "big_fish"])
def test_the_state_dict_is_loaded_by_its_module(name, torch, tmp_path, monkeypatch):
    result = train(KINDS[name].with_(steps=5))
    (tmp_path / "network.pt").write_bytes(pytorch_state.state_dict(result))
    code = pytorch_state.module(result.experiment, "network.pt")
    assert len(code.splitlines()) < 20
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    inputs = data.held_out_samples(result.experiment, 50).inputs
    ours = forward(result.experiment.arch_row, result.complete(), inputs).output_pre
    if result.experiment.arch_row.output_relu:
        ours = np.maximum(ours, 0)
    assert np.allclose(names["network"](torch.tensor(inputs)).detach().numpy(), ours, atol=1e-5)
    assert set(names["network"].state_dict()) == set(result.parameters)
    assert np.array_equal(names["network"].W1.detach().numpy(), result.W1)
