"""What a training is expected to take, against trainings and the kernels' own choice; what is allowed, and how told."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from toyviz import cost, data, gallery, settings
from toyviz.claims import CLAIMS, FIRST_SEED, SEEDS, report
from toyviz.cost import ALLOWANCES, Allowance, TooCostly
from toyviz.experiment import Experiment, sweep
from toyviz.model import kmeans
from toyviz.result import FRAME_METRICS, Result
from toyviz.store import pack
from toyviz.train import FRAME_BYTES, FRAMES, choose_engine, frame_count, fused

ROOT = Path(__file__).parents[1]
LIMITS = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
ROW_8 = settings.EXPERIMENTS["mlp"].quick.with_(
    n_hidden=4096, n_features=16384, n_samples=12_000, steps=1_000_000, warmup=0
)


@pytest.fixture(autouse=True)
def _the_defaults(monkeypatch):
    for name in ALLOWANCES:
        monkeypatch.delenv(cost.variable(name), raising=False)


def experiments():
    """Every named experiment at both sizes, and some that no kernel trains."""
    known = {name: setting.quick for name, setting in settings.EXPERIMENTS.items()}
    return [
        *known.values(),
        *(setting.paper for setting in settings.EXPERIMENTS.values()),
        *(
            known["double_descent"].with_(n_hidden=m, n_samples=T)
            for m in (1, 2, 3, 128, 129, 1025)
            for T in (119, 120)
        ),
        *(known["mlp"].with_(n_hidden=m) for m in (16, 17, 1024, 1025)),
        *(known["unembedding"].with_(n_hidden=m) for m in (128, 129)),
        *(known["limits"].with_(n_hidden=m, arch=arch) for m in (128, 129) for arch in ("relu_output", "mlp")),
        known["unembedding"].with_(arch="unembed_no_bias", bias_init="zeros"),
        known["unembedding"].with_(arch="unembed_no_bias", bias_init="zeros", task="autoencode"),
        known["unembedding"].with_(arch="relu_output"),
        known["unembedding"].with_(n_samples=None),
        known["big_fish"].with_(n_samples=None),
        known["limits_one_hot"].with_(arch="mlp", n_hidden=32),
        *(known["superposition"].with_(data=kind, sparsity=0.9) for kind in ("correlated", "anticorrelated")),
        *(known["mlp"].with_(n_hidden=m, data="correlated") for m in (16, 17)),
        known["double_descent"].with_(data="anticorrelated", group_size=10),
        *(known["unembedding"].with_(minibatch=16, n_hidden=m) for m in (2, 129)),
        known["double_descent"].with_(minibatch=16),
        *(known["double_descent_abs"].with_(n_hidden=m, n_samples=T) for m in (2, 16, 17) for T in (10, 200)),
        known["double_descent_abs"].with_(n_samples=None),
        known["double_descent_abs"].with_(task="classify_soft"),
        known["limits_one_hot"].with_(arch="abs_output", n_hidden=64),
        *(known["limits"].with_(n_samples=T, n_hidden=m) for T in (50, 1000) for m in (2, 8, 200)),
    ]


@pytest.mark.parametrize(("kind", "size"), [("sparse", 2), ("correlated", 2), ("correlated", 5), ("anticorrelated", 4)])
def test_the_share_of_samples_with_any_active_feature_is_that_of_what_is_drawn(kind, size):
    groups = {} if kind == "sparse" else {"group_size": size}
    tried = Experiment(data=kind, n_features=20, sparsity=0.9, batch_size=40_000, **groups)
    share = (data.fresh_batch(tried, 0) > 0).any(axis=1).mean()
    assert cost._sizes(tried).shared == pytest.approx(share, abs=5 * (0.25 / 40_000) ** 0.5)


def test_the_estimate_knows_which_kernel_trains_what():
    def told(experiment):
        family = cost._family(experiment)
        softmax = "fixed" if experiment.minibatch is None else "minibatches"
        return {"softmax": softmax, "reference": None}.get(family, family)

    wrong = [each for each in experiments() if told(each) != fused._family(each)]
    assert not wrong
    kernels = {None, "few", "fixed", "minibatches", "plane", "gram", "wide", "fresh"}
    assert {told(each) for each in experiments()} == kernels


def test_the_numbers_that_the_estimate_repeats_are_those_of_training():
    from toyviz import data

    assert (cost.FRAMES, cost.FRAME_BYTES, cost.TEST_SIZE) == (FRAMES, FRAME_BYTES, data.TEST_SIZE)
    assert (cost.ROWS, cost.WHOLE) == (data.ROWS, data.WHOLE)
    assert kmeans.__defaults__ == (cost.KMEANS_ROUNDS,)


@pytest.mark.parametrize(
    "change",
    [
        {"n_features": 20, "n_hidden": 2, "n_samples": 5, "steps": 30},
        {"n_features": 300, "n_hidden": 3, "n_samples": 90, "steps": 200},
        {"n_features": 2000, "n_hidden": 300, "n_samples": 5, "steps": 3},
    ],
)
def test_the_expected_size_on_disk_is_that_of_the_stored_result(change):
    experiment = Experiment(sparsity=0.9, **change)
    size = len(pack(_as_trained(experiment)))
    assert size / 2 <= cost.expected(experiment).disk <= 2 * size


def _as_trained(experiment):
    """A result of the right shapes, without the training."""
    from toyviz.model import initial_parameters

    start, steps = initial_parameters(experiment), np.arange(frame_count(experiment)[0])
    return Result(
        experiment=experiment,
        parameters=start,
        loss_steps=np.arange(1, 1 + min(experiment.steps, 300)),
        losses=np.ones(min(experiment.steps, 300), np.float32),
        frame_steps=steps,
        frames={name: np.stack([values] * len(steps)) for name, values in start.items()},
        metrics={"train_loss": 1.0},
        frame_metrics={name: np.ones(len(steps)) for name in FRAME_METRICS},
        provenance={"engine": "fused", "versions": {"python": "3.11.0", "numpy": "2.0.0"}, "seconds": 1.2345},
    )


def test_more_of_anything_is_never_expected_to_take_less():
    base = settings.EXPERIMENTS["mlp"].quick
    for name, values in {
        "steps": (5_000, 50_000, 500_000),
        "n_samples": (5, 100, 10_000),
        "n_features": (10, 1_000, 10_000),
        "n_hidden": (2, 16, 17, 200, 1024, 1025, 4096),
    }.items():
        costs = [cost.expected(base.with_(**{name: value})) for value in values]
        for low, high in itertools.pairwise(costs):
            assert low.seconds < high.seconds, name
            assert low.memory <= 1.1 * high.memory, name


def test_a_set_that_has_to_lie_whole_is_counted_whole_however_sparse_it_is():
    """X, and the numbers that say what is zero: 8 bytes a cell at least. Else it is drawn in blocks."""
    base = Experiment(n_features=1000, n_samples=60_000, sparsity=0.99, n_hidden=2)
    labels = base.with_(arch="unembed", task="classify_hard")
    whole = 8 * 60_000 * 1000
    for blocks, at_once in (
        (base, base.with_(init="training_points")),
        (base, base.with_(init="kmeans_centres")),
        (labels, labels.with_(minibatch=16)),
    ):
        assert cost.expected(blocks).memory < whole < cost.expected(at_once).memory


def test_the_largest_that_the_command_line_takes_is_told_as_years_and_gigabytes():
    """More than a year by its multiplications at 100 thousand million a second, which no core does in PyTorch."""
    taken = cost.expected(ROW_8)
    multiplications = 3 * 12_000 * 4096 * 2 * 16384 * 1_000_000
    assert choose_engine(ROW_8) == "reference"
    assert multiplications / 1e11 < taken.seconds < multiplications / 1e10
    weights = 4 * 2 * 4096 * 16384
    assert 4 * weights + 12_000 * 16384 * 4 < taken.memory < 40e9
    assert 3 * weights <= taken.disk < 4 * weights


@pytest.mark.parametrize("name", ["double_descent", "mlp", "superposition", "big_fish", "unembedding", "dictionary"])
def test_the_reference_asked_for_by_name_is_expected_to_take_longer(name):
    quick = settings.EXPERIMENTS[name].quick
    assert cost.expected(quick, "reference").seconds > 2 * cost.expected(quick).seconds
    assert cost.expected(quick, "fused") == cost.expected(quick)


@pytest.mark.parametrize("name", ["double_descent", "mlp", "superposition", "big_fish", "unembedding", "dictionary"])
def test_a_small_training_is_expected_to_take_less_than_a_minute(name):
    assert cost.expected(settings.EXPERIMENTS[name].quick).seconds < 60


def test_the_shipped_trainings_took_what_is_expected_but_for_how_fast_their_machine_was():
    """Nine in ten are within a factor of 2 of that, 98 in a hundred within 3, and each kernel's sum within 1.5."""
    measured = json.loads((ROOT / "tests/seconds.json").read_text())["seconds"]
    ratios, sums = [], {}
    for experiment in gallery.wanted():
        if experiment.key in measured:
            seconds, expected = measured[experiment.key], cost.expected(experiment).seconds
            ratios.append(expected / seconds)
            sums.setdefault(cost._family(experiment), []).append((expected, seconds))
    ratios = np.array(ratios) / np.median(ratios)
    assert len(ratios) > 400
    assert np.mean([1 / 2 < ratio < 2 for ratio in ratios]) >= 0.9
    assert np.mean([1 / 3 < ratio < 3 for ratio in ratios]) >= 0.98
    assert set(sums) == {"plane", "few", "fixed", "softmax", "gram", "fresh", "wide"}
    speed = sum(expected for pairs in sums.values() for expected, _ in pairs) / sum(measured.values())
    for family, pairs in sums.items():
        expected, seconds = np.sum(pairs, axis=0)
        assert 1 / 1.5 < expected / seconds / speed < 1.5, family


# ---- what is allowed


def test_everything_that_is_named_claimed_or_shipped_is_allowed():
    every = {each.key: each for each in gallery.wanted()}
    for setting in settings.EXPERIMENTS.values():
        for base in (setting.quick, setting.paper):
            every |= {each.key: each for each in sweep(base, **setting.over)}
    evidence = {
        each.key: each
        for claim in CLAIMS.values()
        for recipe in claim.recipes
        for each in report.evidence(claim, recipe, range(FIRST_SEED, FIRST_SEED + SEEDS))
    }
    assert len(evidence) <= cost.allowed("sweep_networks")
    for each in (every | evidence).values():
        cost.refuse(each)


@pytest.mark.parametrize("name", settings.EXPERIMENTS)
def test_one_visitor_may_ask_for_four_seeds_of_every_sweep_at_the_posts_size(name):
    setting = settings.EXPERIMENTS[name]
    wanted = sweep(setting.paper, **setting.over)
    assert 4 * sum(cost.expected(each).seconds for each in wanted) < 3600 * cost.allowed("visitor_hours")
    assert 4 * len(wanted) <= cost.allowed("visitor_networks")


def test_the_absurd_is_refused_with_what_it_would_take_the_limit_and_how_to_raise_it():
    with pytest.raises(TooCostly) as refused:
        cost.refuse(ROW_8)
    told = str(refused.value)
    assert re.fullmatch(
        r"n_hidden 4096, n_features 16384, n_samples 12000, steps 1000000 would take about 5 years, and the "
        r"limit here is 24 h a network: ask for fewer steps, samples or hidden units, or set TOYVIZ_MAX_TRAINING_HOURS",
        told,
    )


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("training_hours", "0.0001", "would take about"),
        ("memory_gb", "0.01", "of memory, and the limit here is 0.01 GB"),
        ("result_mb", "0.001", "the limit here is 0.001 MB"),
    ],
)
def test_each_limit_of_a_network_refuses_what_is_over_it(monkeypatch, name, value, told):
    experiment = settings.EXPERIMENTS["double_descent"].paper
    cost.refuse(experiment)
    monkeypatch.setenv(cost.variable(name), value)
    with pytest.raises(TooCostly, match=re.escape(told)) as refused:
        cost.refuse(experiment)
    assert str(refused.value).endswith(f"or set {cost.variable(name)}")


def test_a_raised_limit_lets_it_through(monkeypatch):
    for name in ("training_hours", "memory_gb", "result_mb"):
        monkeypatch.setenv(cost.variable(name), "1e9")
    cost.refuse(ROW_8)


@pytest.mark.parametrize("name", ALLOWANCES)
def test_an_allowance_is_its_default_until_its_variable_says_otherwise(monkeypatch, name):
    assert cost.allowed(name) == ALLOWANCES[name].default
    monkeypatch.setenv(cost.variable(name), "")
    assert cost.allowed(name) == ALLOWANCES[name].default
    monkeypatch.setenv(cost.variable(name), " 7 ")
    assert cost.allowed(name) == 7


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "0", "many", "1e999", "٣x", "1,5"])
@pytest.mark.parametrize("name", ["training_hours", "jobs"])
def test_nonsense_in_a_variable_is_refused_by_name(monkeypatch, name, value):
    monkeypatch.setenv(cost.variable(name), value)
    with pytest.raises(ValueError, match=rf"^{cost.variable(name)} must be .* in {ALLOWANCES[name].unit}; got '"):
        cost.allowed(name)


@pytest.mark.parametrize("name", [name for name, row in ALLOWANCES.items() if row.unit in cost.COUNTED])
def test_what_is_counted_must_be_whole(monkeypatch, name):
    monkeypatch.setenv(cost.variable(name), "2.5")
    with pytest.raises(ValueError, match=rf"{cost.variable(name)} must be a whole number from 1"):
        cost.allowed(name)


def test_the_readme_names_every_variable_with_its_default_and_what_it_limits():
    rows = re.findall(r"^\| `(TOYVIZ_MAX_\w+)` \| (.+?) \| (.+?) \|$", LIMITS, re.MULTILINE)

    def shown(name: str, row: Allowance) -> str:
        return "4 processes a core" if name == "jobs" else f"{row.default:g} {row.unit}"

    assert rows == [(cost.variable(name), shown(name, row), row.about) for name, row in ALLOWANCES.items()]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "a second"),
        (1.2, "1 s"),
        (8.4, "8 s"),
        (47, "45 s"),
        (99, "100 s"),
        (119, "2 min"),
        (170, "3 min"),
        (5940, "99 min"),
        (6000, "1.7 h"),
        (3600 * 11, "11 h"),
        (86400 * 400, "400 days"),
        (3e10, "951 years"),
        (1.5e8, "5 years"),
    ],
)
def test_durations_are_told_in_the_unit_that_fits(seconds, text):
    assert cost.duration(seconds) == text


@pytest.mark.parametrize("value", 10 ** np.random.default_rng(0).uniform(-1, 13, 200))
def test_no_cost_is_told_with_an_exponent_and_each_is_about_right(value):
    for text, units in (
        (cost.duration(value), {"second": 1, "s": 1, "min": 60, "h": 3600, "days": 86400, "years": 31_557_600}),
        (cost.size(1e5 * value), {"MB": 1e1, "GB": 1e4}),
    ):
        number, unit = text.replace("a second", "1 second").split()
        assert "e" not in number
        assert float(number.replace(",", "")) * units[unit] == pytest.approx(
            value, rel=0.2, abs=1 if unit in ("second", "s") else 0
        )


def test_the_estimate_loads_neither_torch_nor_a_compiler():
    code = (
        "import sys; from toyviz import cost; print([m for m in ('torch', 'numba', 'streamlit') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
