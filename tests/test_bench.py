"""The bench: its peers train the same networks, its rows and views can be measured. How fast it is, no test says."""

import json
import math
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from toyviz import bench, data, settings
from toyviz.__main__ import main
from toyviz.bench import kernels, machine, views
from toyviz.experiment import Experiment
from toyviz.jobs import Jobs
from toyviz.queue import Limits
from toyviz.store import ROOT
from toyviz.train import reference
from toyviz.train.fused import simd
from toyviz.view import Plan

TINY = Experiment(n_features=7, n_hidden=2, n_samples=11, sparsity=0.6, steps=30, lr=0.01)
EMPTY = TINY.with_(n_features=1, n_hidden=1, n_samples=1, sparsity=0.999)  # not one feature is active
ROWS = kernels.rows()
FEW = 8  # steps


def small(row):
    """A row of few steps, and of few samples where they are fixed."""
    fewer = [
        each.with_(steps=FEW, **({"warmup": 2} if each.warmup else {}), **({} if each.fresh else {"n_samples": 40}))
        for each in row.experiments
    ]
    return row._replace(experiments=fewer)


SMALL = [pytest.param(small(row), id=row.name) for row in ROWS]


@pytest.mark.parametrize("row", SMALL)
def test_jax_has_the_losses_of_the_reference(row, monkeypatch):
    pytest.importorskip("jax")
    import jax.numpy as jnp

    from toyviz.bench import in_jax

    for experiment in {row.experiments[0], row.experiments[-1]}:
        if experiment.fresh:  # it draws its own batches: here it gets those of the reference
            drawn = jnp.array(np.stack([data.fresh_batch(experiment, step) for step in range(FEW)]))
            monkeypatch.setattr(in_jax.Trainer, "_fresh", lambda self, samples, at, X=drawn: (X[at], X[at]))
        trainer = in_jax.Trainer([experiment])
        losses = np.concatenate([trainer.advance(0, 5)[0], trainer.advance(5, FEW)[0]])
        expected = reference.Trainer(experiment).advance(0, FEW)
        assert losses == pytest.approx(expected, rel=1e-4)
        assert expected[-1] < 0.999 * expected[0] or experiment.fresh


def test_jax_trains_several_networks_as_it_does_each_alone():
    pytest.importorskip("jax")
    from toyviz.bench import in_jax

    seven = [each.with_(batch_size=64) for each in next(row for row in ROWS if len(row.experiments) > 1).experiments]
    together = in_jax.Trainer(seven).advance(0, 3)
    assert together.shape == (7, 3)
    for at in (1, 6):
        assert together[at] == pytest.approx(in_jax.Trainer([seven[at]]).advance(0, 3)[0], rel=1e-4)


def test_the_fresh_batches_of_jax_are_as_sparse_as_they_should_be():
    pytest.importorskip("jax")
    from toyviz.bench import in_jax

    experiment = settings.EXPERIMENTS["superposition"].quick.with_(sparsity=0.9)
    trainer = in_jax.Trainer([experiment])
    X, targets = (np.asarray(each) for each in trainer._fresh([each[0] for each in trainer.samples], 3))
    assert X.shape == (experiment.batch_size, experiment.n_features)
    assert (targets == X).all()
    active = X[X > 0]
    assert abs(len(active) - 0.1 * X.size) < 6 * math.sqrt(X.size * 0.1 * 0.9)
    assert abs(active.mean() - 0.5) < 6 / math.sqrt(12 * len(active))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"optimizer": "sgd"}, "optimizer 'sgd'"),
        ({"minibatch": 4}, "minibatch 4"),
        ({"arch": "abs_output"}, "arch 'abs_output'"),
        ({"n_samples": None, "normalize": True}, "n_samples None"),
    ],
)
def test_jax_refuses_what_it_would_train_otherwise(changes, sentence):
    pytest.importorskip("jax")
    from toyviz.bench import in_jax

    with pytest.raises(ValueError, match=f"^{sentence} of this experiment is not trained in JAX here$"):
        in_jax.Trainer([TINY.with_(**changes)])


def test_every_row_is_measured_in_few_steps(monkeypatch):
    monkeypatch.setattr(kernels, "PEER_SECONDS", 0)
    measured = []
    for row in (small(row) for row in ROWS):
        alone = kernels.measure(row, 1e9, None)
        assert alone["jax_ms"] is alone["against_jax"] is None
        assert alone["target"] == row.target
        assert min(alone[name] for name in ("pytorch_ms", "toyviz_ms", "against_pytorch", "share_of_floor")) > 0
        measured.append(alone)
    told = kernels.table(measured).splitlines()
    assert len({len(line) for line in told}) == 1
    assert [line.split("  ")[0] for line in told[1:]] == [row.name for row in ROWS]


def test_a_peer_is_measured_from_where_it_stopped(monkeypatch):
    class Peer:
        taken = ()

        def advance(self, first, last):
            self.taken = (*self.taken, (first, last))

    monkeypatch.setattr(kernels, "PEER_SECONDS", 1e9)
    rounds = kernels._Rounds(peer := Peer(), steps=10)
    rounds.measure()
    rounds.measure()
    assert peer.taken == ((0, 1), (1, 2), (2, 7), (2, 7), (2, 7))
    assert len(rounds.seconds) == 2


def test_without_jax_its_column_is_missing_and_one_line_says_so(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.delitem(sys.modules, "toyviz.bench.in_jax", raising=False)
    monkeypatch.delattr(bench, "in_jax", raising=False)
    assert kernels.jax_peer() is None
    assert capsys.readouterr().err == kernels.NO_JAX + "\n"
    assert "requirements-bench.txt" in kernels.NO_JAX


# lanes


def test_what_this_machine_has_needs_no_other_process():
    assert machine.environment(simd.LANES) is None


@pytest.mark.skipif(simd.LANES < 16, reason="has eight lanes itself")
def test_a_wide_machine_computes_with_eight_lanes():
    code = (
        "import json, torch; from toyviz.bench import machine; print(json.dumps(machine.about(()) "
        "| {'torch': torch.backends.cpu.get_cpu_capability()}))"
    )
    environment = machine.environment(8)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert told["lanes"] == 8
    assert told["torch"] == "AVX2"
    assert " avx2 " in told["instruction_set"]
    assert "avx512" not in told["instruction_set"]
    assert machine.XLA_AVX2 in environment["XLA_FLAGS"]
    assert set(os.environ) <= set(environment)


@pytest.mark.parametrize(
    ("has", "asked", "sentence"),
    [
        (16, 4, "lanes must be 8 (AVX2) or 16 (AVX-512); got 4: "),
        (16, 7, "lanes must be 8 (AVX2) or 16 (AVX-512); got 7: "),
        (8, 16, "lanes must be 8 here, since this processor has no AVX-512 ("),
    ],
)
def test_lanes_that_cannot_be_had_are_refused_in_one_sentence(has, asked, sentence, monkeypatch):
    monkeypatch.setattr(simd, "LANES", has)
    with pytest.raises(ValueError, match="lanes") as refused:
        machine.environment(asked)
    assert str(refused.value).startswith(sentence)


# views


def test_a_view_that_is_none_is_refused_and_all_of_them_are_found():
    every = views.chosen(())
    assert {"double_descent.over_t", "fish.maps", "privileged_basis.neurons"} <= set(every)
    assert all(plan.experiments for plan in every.values())
    assert list(views.chosen(["fish.maps", "double_descent.bits"])) == ["fish.maps", "double_descent.bits"]
    with pytest.raises(ValueError, match=r"view must be one of .*double_descent\.over_t.*; got 'fish\.map'"):
        views.chosen(["fish.maps", "fish.map"])


def test_a_plan_is_measured_from_nothing_each_time_and_a_failure_is_counted():
    plan = Plan([TINY.with_(seed=seed) for seed in range(5)] + [EMPTY], [TINY.with_(seed=3)])
    store = views.Arrivals()
    jobs = Jobs(store, 1, limits=Limits())
    try:
        first, again = views.measure(jobs, store, plan), views.measure(jobs, store, plan)
        fewer = views.measure(jobs, store, Plan([], [TINY]))
    finally:
        jobs.close()
    for told, networks, failed in ((first, 6, 1), (again, 6, 1), (fewer, 1, 0)):
        assert (told["networks"], told["failed"]) == (networks, failed)
        assert 0 <= told["first_s"] <= told["half_s"] <= told["all_s"]
        assert told["expected_s"] > 0


# the command line


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--views", "fish.map"], "view must be one of decompiler.table, "),
        (["--lanes", "4"], "lanes must be 8 (AVX2) or 16 (AVX-512); got 4: "),
        (["--lanes", "x"], "python -m toyviz bench: argument --lanes: must be a whole number from 1; got 'x'"),
    ],
)
def test_what_is_not_possible_is_refused_in_one_line(words, sentence, capsys):
    with pytest.raises(SystemExit) as end:
        main(["bench", *words])
    told = capsys.readouterr()
    assert end.value.code == 2
    assert told.out == ""
    assert told.err.startswith(sentence)
    assert told.err.count("\n") == 1


def test_other_lanes_are_another_process_that_is_asked_for_the_same(monkeypatch):
    asked = []
    monkeypatch.setattr(simd, "LANES", 16)
    monkeypatch.setattr(
        subprocess, "run", lambda words, env: asked.append((words[3:], env)) or SimpleNamespace(returncode=7)
    )
    assert main(["bench", "--lanes", "8", "--json"]) == 7
    assert main(["bench", "--lanes", "8", "--views", "fish.maps", "fish.over_h"]) == 7
    assert [words for words, _ in asked] == [["bench", "--json"], ["bench", "--views", "fish.maps", "fish.over_h"]]
    assert all(machine.AVX2.items() <= env.items() for _, env in asked)
