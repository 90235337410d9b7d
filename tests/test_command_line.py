"""The command line as a contract: words, JSON keys, files, exit codes, and one sentence for what it refuses."""

import csv
import functools
import io
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from toyviz import data, settings
from toyviz.__main__ import _Progress, main
from toyviz.experiment import FIELD_NAMES, Experiment
from toyviz.train import Frame

ROOT = Path(__file__).parents[1]
SMALL = ["--set", "steps=6", "n_features=30", "n_samples=12", "sparsity=0.8"]  # of double_descent
METRICS = ["train_loss", "test_loss", "train_accuracy", "test_accuracy"]
COLUMNS = ["key", "cached", "engine", "seconds", *METRICS, "error"]
TINY = {  # --set for one experiment of each kind, so that it trains in no time
    "double_descent": ["n_features=30", "n_samples=12"],
    "superposition": ["batch_size=8"],
    "privileged_basis": ["batch_size=8"],
    "mlp": ["n_features=30", "n_samples=12"],
    "mlp_relu_output": ["n_features=30", "n_samples=12"],
    "big_fish": ["n_features=20", "n_embed=6", "n_hidden=4", "n_samples=12", "sparsity=0.5"],
    "small_fish": ["n_features=20", "n_embed=6", "n_hidden=4", "n_samples=12", "sparsity=0.5"],
    "reproject": ["n_features=20", "n_embed=6", "n_hidden=4", "n_samples=12", "sparsity=0.5"],
    "unembedding": ["n_features=30", "n_samples=12", "sparsity=0.5"],
    "dictionary": ["n_features=8"],
    "dictionary_antipodal": ["n_features=4"],
}


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("TOYVIZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def run(capfd):
    """Run a command in this process: (exit code, lines of stdout, stderr)."""

    def run_words(*words):
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:
            code = end.code
        out, err = capfd.readouterr()
        return code, out.splitlines(), err

    return run_words


@pytest.fixture
def answer(run):
    """Run a command that must succeed: the JSON object on the last line of stdout."""

    def run_words(*words):
        code, lines, err = run(*words)
        assert code == 0, err
        return json.loads(lines[-1])

    return run_words


def in_a_process(*words, **options):
    command = [sys.executable, "-m", "toyviz", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, **options)


# train


def test_train_prints_one_json_object_on_one_line_with_the_keys_of_the_contract():
    done = in_a_process("train", "double_descent", *SMALL, "--set", "seed=3", "lr=2e-2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    told = json.loads(done.stdout)
    assert list(told) == ["key", "cached", "engine", "seconds", "experiment", "metrics"]
    expected = settings.EXPERIMENTS["double_descent"].quick.with_(
        steps=6, n_features=30, n_samples=12, sparsity=0.8, seed=3, lr=0.02
    )
    assert told["experiment"] == asdict(expected)
    assert told["key"] == expected.key
    assert told["cached"] is False
    assert told["engine"] in ("fused", "reference")
    assert told["seconds"] >= 0
    assert list(told["metrics"]) == METRICS
    assert all(isinstance(value, float) for value in told["metrics"].values())


def test_a_stored_result_is_told_again_with_its_own_seconds_and_engine(answer):
    first = answer("train", "double_descent", *SMALL)
    second = answer("train", "double_descent", *SMALL)
    assert (first["cached"], second["cached"]) == (False, True)
    assert second == first | {"cached": True}


def test_no_cache_neither_reads_nor_writes_the_store(answer):
    first = answer("train", "double_descent", *SMALL, "--no-cache")
    assert answer("cache", "info", "--json")["runs"]["entries"] == 0
    assert answer("train", "double_descent", *SMALL)["cached"] is False
    again = answer("train", "double_descent", *SMALL, "--no-cache")
    assert again["cached"] is False
    assert again["metrics"] == first["metrics"]


def test_an_engine_asked_for_by_name_takes_no_result_of_another_and_stores_none(torch, answer):
    words = ("train", "double_descent", *SMALL)
    for _ in range(2):
        told = answer(*words, "--engine", "reference")
        assert (told["engine"], told["cached"]) == ("reference", False)
    auto = answer(*words)
    assert auto["cached"] is False
    named = answer(*words, "--engine", "reference")
    assert (named["engine"], named["cached"]) == ("reference", auto["engine"] == "reference")
    assert named["metrics"]["train_loss"] == pytest.approx(auto["metrics"]["train_loss"], rel=1e-3)
    assert answer(*words) == auto | {"cached": True}


@pytest.mark.parametrize("name", TINY)
def test_out_writes_arrays_that_are_the_networks_own_arithmetic(name, answer, tmp_path):
    path = tmp_path / "arrays"  # no ending: the file has exactly the name that was given
    told = answer("train", name, "--set", "steps=4", *TINY[name], "--out", path)
    experiment = Experiment(**told["experiment"])
    arrays = np.load(path, allow_pickle=False)
    embedded = experiment.task in ("big_fish", "small_fish", "reproject")
    assert set(arrays) == {"W1", "b1", "W2", "b2", "X", "hidden_pre", "hidden"} | ({"inputs"} if embedded else set())
    assert {str(values.dtype) for values in arrays.values()} == {"float32"}
    W1, b1, W2, b2, X, hidden_pre, hidden = (
        arrays[each].astype(np.float64) for each in ("W1", "b1", "W2", "b2", "X", "hidden_pre", "hidden")
    )
    seen = data.held_out_samples(experiment) if experiment.fresh else data.training_samples(experiment)
    np.testing.assert_array_equal(X, seen.X)
    inputs = X @ data.embedding(experiment) if embedded else X
    np.testing.assert_allclose(hidden_pre, inputs @ W1.T + b1, atol=1e-4)
    hidden_relu = experiment.arch in ("relu_hidden", "mlp", "mlp_relu_output")
    np.testing.assert_array_equal(hidden, np.maximum(hidden_pre, 0) if hidden_relu else hidden_pre)
    if experiment.arch in ("relu_output", "relu_hidden", "unembed_tied"):
        np.testing.assert_array_equal(W2, W1.T)
    output = hidden @ W2.T + b2
    if experiment.arch in ("relu_output", "relu_hidden", "mlp_relu_output"):
        output = np.maximum(output, 0)
    if experiment.task == "autoencode":
        loss = (experiment.importance_decay ** np.arange(X.shape[1]) * (output - X) ** 2).sum(axis=1).mean()
        assert told["metrics"]["test_loss" if experiment.fresh else "train_loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("name", settings.EXPERIMENTS)
def test_every_named_experiment_can_be_trained_and_says_null_where_a_number_has_no_meaning(name, answer):
    quick = settings.EXPERIMENTS[name].quick
    small = TINY.get(name) or (["batch_size=8"] if quick.fresh else ["n_features=8"])
    metrics = answer("train", name, "--set", "steps=2", *small)["metrics"]
    assert (metrics["train_loss"] is None) == (metrics["train_accuracy"] is None) == quick.fresh
    assert (metrics["test_loss"] is None) == (metrics["test_accuracy"] is None) == (quick.data != "sparse")


def test_every_field_can_be_set_at_once_and_none_is_a_value(torch, answer):  # no kernel covers all of it
    values = asdict(
        Experiment(arch="mlp", task="small_fish", n_embed=5, n_hidden=3, n_features=9, steps=2, batch_size=4)
    )
    told = answer("train", "double_descent", "--set", *(f"{name}={value}" for name, value in values.items()))
    assert told["experiment"] == values
    assert list(values) == list(FIELD_NAMES)
    assert values["n_samples"] is None


def test_the_seconds_are_those_of_training_alone(torch, answer, monkeypatch):
    from toyviz.train import reference

    clock = SimpleNamespace(now=0.0)

    class Slow(reference.Trainer):
        def __init__(self, *given):
            super().__init__(*given)
            clock.now += 1000  # to load what trains is no training

        def advance(self, first, last):
            clock.now += last - first
            return super().advance(first, last)

    monkeypatch.setattr(reference, "Trainer", Slow)
    monkeypatch.setattr("toyviz.train.time", SimpleNamespace(perf_counter=lambda: clock.now))
    assert answer("train", "double_descent", *SMALL, "--engine", "reference")["seconds"] == 6


def test_a_training_that_blows_up_ends_with_code_one_and_a_sentence_and_is_not_stored(run, answer):
    code, lines, err = run(
        "train", "mlp", *SMALL, "--set", "optimizer=sgd", "schedule=constant", "warmup=0", "lr=10", "steps=40"
    )
    assert (code, lines) == (1, [])
    assert "is no longer a finite number" in err
    assert err.count("\n") == 1
    assert answer("cache", "info", "--json")["runs"]["entries"] == 0


def test_ctrl_c_stops_a_training_with_code_130_and_stores_nothing(answer, tmp_path):
    words = ["train", "double_descent", "--set", "steps=1000000", "n_samples=2000"]
    command = [sys.executable, "-m", "toyviz", *words]
    options = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    listening = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
    with subprocess.Popen(command, preexec_fn=listening, **options) as process:
        progress = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert re.match(r"double_descent: step \d+ of 1000000, loss [\d.e+-]+, \d+ s left\n", progress)
    assert (process.returncode, out, err.splitlines()[-1]) == (130, "", "stopped")
    assert "Traceback" not in err
    assert answer("cache", "info", "--json")["runs"]["entries"] == 0


def test_progress_in_a_terminal_is_one_line_that_is_cleared_at_the_end(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    progress = _Progress("mlp", 100)
    for step in (1, 50, 100):
        progress.frame(Frame(step, 0.5, {}))
    assert re.fullmatch(r"\r\x1b\[Kmlp: step 50 of 100, loss 0\.5, \d+ s left\r\x1b\[K", terminal.getvalue())


# refusals

REFUSED = [
    ("train nope", "'nope' is not a named experiment; the names are superposition, double_descent,"),
    ("train mlp --set step=5", "'step' is not a field of an experiment; the fields are arch, n_hidden,"),
    ("train mlp --set steps", "--set must be field=value; got 'steps'"),
    ("train mlp --set steps=", "steps must be a whole number; got ''"),
    ("train mlp --set steps=2.5", "steps must be a whole number; got 2.5"),
    ("train mlp --set steps=0", "steps must be between 1 and 1e+06; got 0"),
    ("train mlp --set lr=fast", "lr must be a number; got 'fast'"),
    ("train mlp --set lr=nan", "lr must be a finite number; got nan"),
    ("train mlp --set steps=1e999", "steps must be a finite number; got inf"),
    ("train mlp --set sparsity=1", "sparsity must be in [0, 1); got 1.0"),
    ("train mlp --set arch=cnn", "arch must be one of relu_output,"),
    ("train mlp --set data=one_hot", "n_samples must be left at None here, since data 'one_hot' decides"),
    ("train mlp --engine fast", "python -m toyviz train: argument --engine: invalid choice: 'fast'"),
    ("train mlp --out nowhere/x.npz", "--out must be in a folder that exists; 'nowhere' is none"),
    ("train mlp --out .", "--out must be a file; '.' is a folder"),
    ("train mlp --nocache", "python -m toyviz: unrecognized arguments: --nocache"),
    ("train mlp --no", "python -m toyviz: unrecognized arguments: --no"),
    ("train", "python -m toyviz train: the following arguments are required: NAME"),
    ("", "python -m toyviz: the following arguments are required: COMMAND"),
    ("tran mlp", "python -m toyviz: argument COMMAND: invalid choice: 'tran'"),
    ("sweep mlp", "python -m toyviz sweep: the following arguments are required: --over"),
    ("sweep mlp --over n_samples", "--over must be field=value; got 'n_samples'"),
    ("sweep mlp --over samples=3", "'samples' is not a field of an experiment; the fields are"),
    ("sweep mlp --over n_samples=3,,5", "n_samples must be a whole number or none; got ''"),
    ("sweep mlp --over n_samples=3,0", "n_samples must be between 1 and 1e+06; got 0"),
    ("sweep mlp --over steps=3 --over steps=4", "steps is given to --over twice"),
    ("sweep mlp --over seed=3 --seeds 2", "seed is given twice"),
    ("sweep mlp --over steps=3 --seeds 0", "python -m toyviz sweep: argument --seeds: must be a whole number from 1"),
    ("sweep mlp --over steps=3 --jobs -1", "python -m toyviz sweep: argument --jobs: must be a whole number from 1"),
    ("sweep mlp --over steps=3 --out nowhere/x.csv", "--out must be in a folder that exists; 'nowhere' is none"),
    ("sweep nope --over steps=3", "'nope' is not a named experiment"),
    ("cache", "python -m toyviz cache: the following arguments are required: action"),
    ("cache empty", "python -m toyviz cache: argument action: invalid choice: 'empty'"),
]


@pytest.mark.parametrize(("words", "sentence"), REFUSED)
def test_bad_input_ends_with_code_two_and_one_sentence_on_stderr(words, sentence, run):
    code, lines, err = run(*words.split())
    assert (code, lines) == (2, [])
    assert err.startswith(sentence)
    assert err.count("\n") == 1


def test_an_engine_that_cannot_train_the_experiment_is_refused_in_a_sentence(run):
    code, lines, err = run("train", "mlp", "--set", "n_hidden=4096", "n_features=2", "--engine", "fused")
    assert (code, lines) == (2, [])
    assert err.startswith("engine 'fused' has no kernel for arch 'mlp'")
    assert err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", ["train mlp", "sweep mlp --over seed=0,1"])
def test_a_disk_that_is_full_when_out_is_written_is_told_in_a_sentence_and_keeps_the_result(words, run, answer):
    code, _, err = run(*words.split(), *SMALL, "--out", "/dev/full")
    assert code == 2
    assert "--out '/dev/full' could not be written: No space left on device" in err
    assert "Traceback" not in err
    if words == "train mlp":
        assert answer("train", "mlp", *SMALL)["cached"] is True


LOADED = """
import sys
from toyviz.__main__ import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*sys.modules)
"""


@pytest.mark.parametrize("words", ["list", "train nope", "train mlp --set lr=fast", "sweep mlp --over steps=0"])
def test_a_refusal_and_a_list_come_without_loading_what_trains(words):
    command = [sys.executable, "-c", LOADED, *words.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert "toyviz.experiment" in loaded
    assert not {"numpy", "torch", "numba", "pandas", "streamlit", "altair", "joblib"} & set(loaded)


# sweep


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_is_a_table_with_a_row_a_run_in_order_and_the_same_rows_as_csv(run, tmp_path):
    path = tmp_path / "rows.csv"
    code, lines, _ = run(
        "sweep",
        "double_descent",
        *SMALL[:3],
        "--over",
        "n_samples=3,12",
        "sparsity=0.5",
        "--over",
        "lr=0.1",
        "--seeds",
        2,
        "--out",
        path,
    )
    assert code == 0
    assert lines[0].split() == ["n_samples", "sparsity", "lr", "seed", *COLUMNS]
    assert [line.split()[:4] for line in lines[1:]] == [[T, "0.5", "0.1", s] for T in ("3", "12") for s in ("0", "1")]
    rows = rows_of(path)
    assert list(rows[0]) == lines[0].split()
    for row, line in zip(rows, lines[1:], strict=True):
        experiment = settings.EXPERIMENTS["double_descent"].quick.with_(
            steps=6, n_features=30, n_samples=int(row["n_samples"]), sparsity=0.5, lr=0.1, seed=int(row["seed"])
        )
        assert row["key"] == experiment.key == line.split()[4]
        assert float(row["test_loss"]) == pytest.approx(float(line.split()[9]), rel=1e-5)
        assert row["error"] == ""


def test_a_sweep_stores_its_runs_and_takes_what_is_stored(run, answer):
    words = ("sweep", "double_descent", *SMALL, "--over", "lr=0.1,0.2", "--json")
    first = [json.loads(line) for line in run(*words)[1]]
    second = [json.loads(line) for line in run(*words)[1]]
    assert [list(row) for row in first] == [["lr", *COLUMNS]] * 2
    assert second == [row | {"cached": True} for row in first]
    alone = answer("train", "double_descent", *SMALL, "--set", "lr=0.2")
    assert alone["cached"] is True
    assert alone["metrics"] == {name: first[1][name] for name in METRICS}


def test_seeds_count_on_from_the_experiments_own(run):
    rows = [
        json.loads(line)
        for line in run("sweep", "double_descent", *SMALL, "seed=5", "--over", "lr=0.1", "--seeds", 3, "--json")[1]
    ]
    assert [row["seed"] for row in rows] == [5, 6, 7]
    assert len({row["test_loss"] for row in rows}) == 3


def test_two_jobs_give_the_rows_that_one_gives_and_only_the_first_process_stores(run, answer, tmp_path):
    words = ["double_descent", *SMALL, "--over", "lr=0.1,0.2,0.1", "sparsity=0.5,0.9999999"]
    done = in_a_process("sweep", *words, "--jobs", 2, "--out", tmp_path / "two.csv")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    code, *_ = run("sweep", *words, "--no-cache", "--out", tmp_path / "one.csv")
    assert code == 1
    two, one = ([row | {"seconds": ""} for row in rows_of(tmp_path / f"{name}.csv")] for name in ("two", "one"))
    assert two == one
    assert answer("cache", "info", "--json")["runs"]["entries"] == 2


def test_a_run_that_fails_is_a_row_with_its_sentence_and_the_others_are_kept(run, answer):
    words = ["sweep", "double_descent", *SMALL[:3], "--over", "sparsity=0.5,0.9999999,0.6", "--json"]
    code, lines, err = run(*words)
    rows = [json.loads(line) for line in lines]
    assert code == 1
    assert [row["error"] is None for row in rows] == [True, False, True]
    assert rows[1]["error"].startswith("no feature is active in any training sample")
    assert rows[1]["key"]
    assert rows[1]["test_loss"] is None
    assert "Traceback" not in err
    assert answer("cache", "info", "--json")["runs"]["entries"] == 2


# list, cache


def test_list_names_every_experiment_page_and_figure(run, answer):
    listed = answer("list", "--json")
    assert list(listed) == ["experiments", "pages", "figures"]
    assert [row["name"] for row in listed["experiments"]] == list(settings.EXPERIMENTS)
    for row in listed["experiments"]:
        setting = settings.EXPERIMENTS[row["name"]]
        assert (Experiment(**row["quick"]), Experiment(**row["post"])) == (setting.quick, setting.post)
    files = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("pages/*/*.py")}
    assert {row["path"] for row in listed["pages"]} == files
    assert [row["id"] for row in listed["figures"]] == list(settings.FIGURES)
    code, lines, _ = run("list")
    assert code == 0
    for row in [*listed["experiments"], *listed["pages"], *listed["figures"]]:
        assert any(row["title"] in line and (row.get("name") or row["id"]) in line for line in lines)


def test_every_figure_is_on_a_page_and_of_named_experiments(answer):
    listed = answer("list", "--json")
    for row in listed["figures"]:
        assert list(row) == ["id", "title", "page", "tab", "chart", "key", "experiments", "address"]
    assert {row["page"] for row in listed["figures"]} <= {row["name"] for row in listed["pages"]}
    assert {name for row in listed["figures"] for name in row["experiments"]} <= set(settings.EXPERIMENTS)


def test_a_reader_that_goes_away_is_no_error():
    command = [sys.executable, "-m", "toyviz", "list", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_the_cache_can_be_looked_at_checked_and_emptied(run, answer, tmp_path):
    answer("train", "double_descent", *SMALL)
    info = answer("cache", "info", "--json")
    assert info["runs"]["entries"] == 1
    assert Path(info["runs"]["directory"]).is_relative_to(tmp_path)
    checked = answer("cache", "verify", "--json")
    assert (checked["runs"]["checked"], checked["runs"]["dropped"]) == (1, [])
    code, lines, _ = run("cache", "info")
    assert code == 0
    assert "runs entries: 1" in lines
    assert answer("cache", "clear", "--json") == {"removed": 1}
    assert answer("train", "double_descent", *SMALL)["cached"] is False


def test_a_store_that_cannot_be_written_costs_the_store_alone_and_is_told_once(run, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TOYVIZ_CACHE", str(tmp_path / "file"))
    code, lines, err = run("sweep", "double_descent", *SMALL, "--over", "lr=0.1,0.2", "--json")
    assert (code, len(lines)) == (0, 2)
    assert err.count("they cannot be saved") == 1


def test_verify_ends_with_code_one_and_names_the_entry_where_one_is_damaged(run, answer, tmp_path):
    key = answer("train", "double_descent", *SMALL, "n_features=300")["key"]
    files = list((tmp_path / "cache").rglob("*.val"))
    assert len(files) == 1
    with os.fdopen(os.open(files[0], os.O_WRONLY), "r+b") as file:
        file.seek(-40, os.SEEK_END)
        file.write(b"\x07" * 20)
    code, lines, _ = run("cache", "verify", "--json")
    assert code == 1
    assert json.loads(lines[-1])["runs"]["dropped"][0].startswith(key)
    assert answer("train", "double_descent", *SMALL, "n_features=300")["cached"] is False
