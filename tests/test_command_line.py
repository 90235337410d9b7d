"""The command line as a contract: words, JSON keys, files, exit codes, and one sentence for what it refuses."""

import csv
import errno
import functools
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from toyviz import cost, data, settings, studies
from toyviz.__main__ import _Progress, main
from toyviz.experiment import FIELD_NAMES, Experiment
from toyviz.export import writable
from toyviz.jobs import Jobs
from toyviz.store import Store
from toyviz.train import Frame, TrainingFailed

ROOT = Path(__file__).parents[1]
SMALL = ["--set", "steps=6", "n_features=30", "n_samples=12", "sparsity=0.8"]  # of double_descent
FIGURE_KEYS = ["id", "title", "page", "view", "block", "experiments", "address"]
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


@pytest.mark.parametrize("recipe", ["quick", "paper", "post", "plain", "plain-early", "notebook"])
@pytest.mark.parametrize("name", ["double_descent", "mlp"])
def test_a_recipe_is_how_the_named_experiment_is_trained(name, recipe, answer):
    words = ["--set", "steps=1", "warmup=0", "n_features=30", "n_samples=12", "sparsity=0.8"]
    changed = {"steps": 1, "warmup": 0, "n_features": 30, "n_samples": 12, "sparsity": 0.8}
    setting = settings.EXPERIMENTS[name]
    expected = setting.at("paper" if recipe == "post" else recipe).with_(**changed)
    assert answer("train", name, "--recipe", recipe, *words)["experiment"] == asdict(expected)
    row = answer("sweep", name, "--recipe", recipe, *words, "--over", "seed=0", "--json")
    assert (row["key"], row["cached"]) == (expected.key, True)


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
        to_come, progress = process.stderr.readline(), process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert to_come.startswith("double_descent: 1 network, expected to take about ")
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
    ("sweep", "python -m toyviz sweep: the following arguments are required: NAME, --over; see python -m toyviz sweep"),
    ("sweep mlp", "python -m toyviz sweep: the following arguments are required: --over"),
    (
        "train mlp --recipe slow",
        "python -m toyviz train: argument --recipe: must be one of quick, paper, plain, plain-early, notebook; got 's",
    ),
    ("train mlp --link double_descent", "--link and NAME cannot be given together"),
    ("sweep mlp --link double_descent", "--link and NAME cannot be given together"),
    ("train --link double_descent --recipe paper", "--link and --recipe cannot be given together"),
    ("sweep --link double_descent --over seed=1", "--link and --over cannot be given together"),
    ("sweep --link double_descent --seeds 2", "--link and --seeds cannot be given together"),
    ("train --link nope", "'nope' is not a page; the pages are home, course, the_post, superposition, double_descent,"),
    ("train --link double_descent --set step=5", "'step' is not a field of an experiment"),
    ("train --link double_descent --set sparsity=1", "sparsity must be in [0, 1); got 1.0"),
    (
        "sweep --link double_descent?first_seed=2147483647&seeds=2&v=2",
        "this link cannot be trained: seed must be between 0 and 2.14748e+09; got 2147483648",
    ),
    ("link", "python -m toyviz link: the following arguments are required: ADDRESS"),
    ("sweep mlp --over n_samples", "--over must be field=value; got 'n_samples'"),
    ("sweep mlp --over samples=3", "'samples' is not a field of an experiment; the fields are"),
    ("sweep mlp --over n_samples=3,,5", "n_samples must be a whole number or none; got ''"),
    ("sweep mlp --over n_samples=3,0", "n_samples must be between 1 and 1e+06; got 0"),
    ("sweep mlp --over steps=3 --over steps=4", "steps is given to --over twice"),
    ("sweep mlp --over seed=3 --seeds 2", "seed is given twice"),
    ("sweep mlp --over steps=3 --seeds 0", "python -m toyviz sweep: argument --seeds: must be a whole number from 1"),
    ("sweep mlp --over steps=3 --jobs -1", "python -m toyviz sweep: argument --jobs: must be a whole number from 1"),
    ("sweep mlp --over steps=3 --seeds ²", "python -m toyviz sweep: argument --seeds: must be a whole number from 1"),
    (
        "sweep mlp --over n_samples=3 --seeds 1000000000",
        "networks of a sweep must be at most 32768 here; got 1000000000",
    ),
    (
        f"sweep mlp --over n_samples=3,5 --seeds {'9' * 50}",
        f"networks of a sweep must be at most 32768 here; got 1{'9' * 49}8",
    ),
    (
        f"sweep mlp --over {' '.join(f'{name}=' + ','.join('1' * 99) for name in ('steps', 'lr', 'n_hidden'))}",
        "networks of a sweep must be at most 32768 here; got 970299",
    ),
    ("claims --seeds 1000000000", "networks of these claims over 1000000000 seeds must be at most 32768 here; got "),
    *(
        (
            f"{command} --jobs 1000000",
            f"--jobs must be at most {4 * os.cpu_count()} here; got 1000000: ask for fewer, or set TOYVIZ_MAX_JOBS",
        )
        for command in ("sweep mlp --over steps=3", "claims", "gallery")
    ),
    (
        "train mlp --set n_hidden=4096 n_features=16384 n_samples=12000 steps=1000000",
        "n_hidden 4096, n_features 16384, n_samples 12000, steps 1000000 would take about 5 years, and the limit here",
    ),
    (
        "sweep mlp --set n_hidden=4096 n_features=16384 steps=1000000 --over n_samples=3,12000",
        "n_hidden 4096, n_features 16384, n_samples 3, steps 1000000 would take about ",
    ),
    (
        "train mlp --set n_features=16384 n_samples=12000 --out /proc/x.npz",
        "--out must be a file that can be written; '/proc/x.npz' cannot (",
    ),
    ("sweep mlp --over steps=3 --out /proc/x.csv", "--out must be a file that can be written; '/proc/x.csv' cannot ("),
    (
        f"train mlp --out {'x' * 300}",
        f"--out must be a file that can be written; '{'x' * 300}' cannot (File name too long)",
    ),
    ("train mlp --out x\0y", "--out must be a file that can be written; 'x\\x00y' cannot (embedded null byte)"),
    ("train mlp --out README.md/x", "--out must be in a folder that exists; 'README.md' is none"),
    ("train mlp a\nb", r"python -m toyviz: unrecognized arguments: a\nb; see"),
    ("sweep mlp --over steps=3 --out nowhere/x.csv", "--out must be in a folder that exists; 'nowhere' is none"),
    ("sweep nope --over steps=3", "'nope' is not a named experiment"),
    ("cache", "python -m toyviz cache: the following arguments are required: action"),
    ("cache empty", "python -m toyviz cache: argument action: invalid choice: 'empty'"),
]


@pytest.mark.parametrize(("words", "sentence"), REFUSED)
def test_bad_input_ends_with_code_two_and_one_sentence_on_stderr(words, sentence, run):
    code, lines, err = run(*words.split(" ") if words else ())
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


@pytest.fixture
def blocked_training(monkeypatch):
    """No training can be begun."""
    monkeypatch.setattr("toyviz.train.train", lambda *_, **__: pytest.fail("a training was begun"))


@pytest.mark.parametrize("name", ["x.npz", "link"])
def test_trying_whether_out_can_be_written_leaves_no_trace(name, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    before = sorted(tmp_path.iterdir())
    writable.refuse_unwritable(tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before


def test_trying_whether_out_can_be_written_leaves_a_file_that_is_there_as_it_was(tmp_path):
    path = tmp_path / "old"
    path.write_bytes(b"old")
    before = path.stat()
    writable.refuse_unwritable(path)
    assert path.read_bytes() == b"old"
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_a_loop_of_links_and_a_read_only_file_system_are_refused_as_out(tmp_path, monkeypatch):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match=r"--out must be .* that can be written; '.*/loop' cannot \("):
        writable.refuse_unwritable(tmp_path / "loop")

    def read_only(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(OSError, match=r"'.*/x' cannot \(Read-only file system\)$"):
        writable.refuse_unwritable(tmp_path / "x")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_that_nobody_reads_does_not_hold_up_the_look_whether_it_can_be_written(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writable.refuse_unwritable(tmp_path / "pipe")


def test_out_can_be_a_device(answer):
    assert answer("train", "double_descent", *SMALL, "--out", os.devnull)["cached"] is False


@pytest.mark.usefixtures("blocked_training")
@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("TRAINING_HOURS", "would take about"),
        ("MEMORY_GB", "would need about"),
        ("RESULT_MB", "would leave a result of about"),
    ],
)
@pytest.mark.parametrize("words", ["train mlp", "sweep mlp --over seed=0,1", "claims mlp_dimensions"])
def test_what_is_over_a_limit_is_refused_before_anything_is_trained_or_written(
    words, variable, told, run, tmp_path, monkeypatch
):
    monkeypatch.setenv(f"TOYVIZ_MAX_{variable}", "0.00001")
    monkeypatch.setattr("toyviz.store.default_store", lambda: Store(None))  # else the shipped results are there
    out = [] if words.startswith("claims") else ["--out", tmp_path / "out"]
    code, lines, err = run(*words.split(), *out)
    assert (code, lines) == (2, [])
    assert told in err
    assert err.endswith(f", or set TOYVIZ_MAX_{variable}\n")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_is_stored_is_told_whatever_the_limits(answer, monkeypatch):
    first = answer("train", "double_descent", *SMALL)
    monkeypatch.setenv("TOYVIZ_MAX_TRAINING_HOURS", "0.0000001")
    assert answer("train", "double_descent", *SMALL) == first | {"cached": True}


@pytest.mark.usefixtures("blocked_training")
def test_nonsense_in_a_limit_is_told_by_its_name(run, monkeypatch):
    monkeypatch.setenv("TOYVIZ_MAX_MEMORY_GB", "plenty")
    code, lines, err = run("train", "double_descent", *SMALL)
    assert (code, lines) == (2, [])
    assert err == "TOYVIZ_MAX_MEMORY_GB must be a finite number above 0, in GB; got 'plenty'\n"


def test_what_takes_longer_than_some_seconds_is_told_before_it_begins(run, monkeypatch):
    monkeypatch.setattr("toyviz.train.train", lambda experiment, **_: _stop(experiment))
    words = ["--set", "steps=100000", "n_samples=1000", "--no-cache"]
    code, _, err = run("train", "unembedding", *words)
    assert code == 1
    expected = cost.expected(settings.EXPERIMENTS["unembedding"].quick.with_(steps=100_000, n_samples=1000))
    assert err.splitlines() == [
        f"unembedding: 1 network, expected to take about {cost.duration(expected.seconds)} of computing, "
        f"{cost.size(expected.memory)} of memory and {cost.size(expected.disk)} of disk",
        "stopped by the test",
    ]
    _, _, err = run("sweep", "unembedding", *words, "--over", "seed=0,1,2")
    assert err.startswith(
        "unembedding: 3 networks, 1 at a time, expected to take about "
        f"{cost.duration(3 * expected.seconds)} of computing"
    )
    assert "expected" not in run("train", "double_descent", *SMALL, "--no-cache")[2]


def _stop(experiment):
    raise TrainingFailed("stopped by the test")


LOADED = """
import sys
from toyviz.__main__ import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*sys.modules)
"""


def loaded_by(words):
    """The modules that a command loads."""
    command = [sys.executable, "-c", LOADED, *words.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "toyviz.experiment" in loaded
    return loaded


@pytest.mark.parametrize("words", ["train nope", "train mlp --set lr=fast", "sweep mlp --over steps=0"])
def test_a_refusal_comes_without_loading_what_trains_or_draws(words):
    assert not {"numpy", "torch", "numba", "pandas", "streamlit", "altair", "joblib"} & loaded_by(words)


@pytest.mark.parametrize(
    "words", ["list", "link double_descent", "train --link double_descent?view=nope --set lr=fast"]
)
def test_a_list_and_a_link_come_without_loading_what_trains_or_serves(words):
    served = {"toyviz.jobs", "toyviz.queue", "toyviz.store", "toyviz.runtime"}
    assert not ({"torch", "numba", "streamlit", "joblib", "diskcache"} | served) & loaded_by(words)


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


# packages that are not there

WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
"""


def without(folder, packages, *words):
    """Run a command in a process in which these packages are not installed."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(WITHOUT.replace("{missing}", repr(packages)))
    return in_a_process(*words, env=os.environ | {"PYTHONPATH": str(folder)})


WIDE = ["n_hidden=2000", "n_features=30", "n_samples=12", "steps=2"]  # of mlp: no kernel covers it


@pytest.mark.parametrize(
    ("packages", "words", "sentence"),
    [
        (
            ["torch"],
            f"train double_descent {' '.join(SMALL)} --engine reference",
            "engine 'reference' needs the package torch",
        ),
        (["torch"], f"train mlp --set {' '.join(WIDE)}", "engine 'reference' needs the package torch"),
        (["torch"], "bench", "this needs the package torch"),
        (["numba", "llvmlite"], f"train double_descent {' '.join(SMALL)}", "engine 'fused' needs the package numba"),
        (
            ["numba", "llvmlite"],
            f"train double_descent {' '.join(SMALL)} --engine fused",
            "engine 'fused' needs the package numba",
        ),
        (
            ["joblib"],
            f"sweep double_descent {' '.join(SMALL)} --over seed=0,1 --jobs 2",
            "this needs the package joblib",
        ),
    ],
)
def test_a_package_that_is_missing_is_named_in_one_sentence(packages, words, sentence, tmp_path):
    done = without(tmp_path / "without", packages, *words.split())
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1
    assert "{" not in done.stdout


def test_the_kernels_need_no_torch_and_the_reference_no_compiler(tmp_path):
    words = ("train", "double_descent", *SMALL, "--no-cache")
    told = [
        without(tmp_path / "torch", ["torch"], *words),
        without(tmp_path / "numba", ["numba", "llvmlite"], *words, "--engine", "reference"),
    ]
    assert [json.loads(done.stdout)["engine"] for done in told] == ["fused", "reference"], told


def test_what_needs_torch_is_a_row_with_its_sentence_and_the_others_are_kept(tmp_path):
    words = ["--set", *WIDE, "--over", "n_hidden=2,2000", "--json", "--no-cache"]
    done = without(tmp_path / "without", ["torch"], "sweep", "mlp", *words)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [row["error"] is None for row in rows] == [True, False]
    assert "needs the package torch" in rows[1]["error"]


def test_a_worker_without_torch_tells_so_as_the_failure_of_the_one_job_that_needs_it(tmp_path, monkeypatch, store):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT.replace("{missing}", "['torch']"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    base = settings.EXPERIMENTS["mlp"].quick
    needs = base.with_(n_hidden=2000, n_features=30, n_samples=12, steps=2)
    needs_not = base.with_(n_features=30, n_samples=12, steps=2)
    jobs = Jobs(store, workers=1)
    try:
        jobs.submit([needs, needs_not], "me")
        while not {"queued", "running"}.isdisjoint(jobs.status(each).state for each in (needs, needs_not)):
            jobs.touch([needs, needs_not], "me")
            time.sleep(0.05)
        assert [jobs.status(each).state for each in (needs, needs_not)] == ["failed", "done"]
        assert jobs.status(needs).error.startswith("engine 'reference' needs the package torch")
    finally:
        jobs.close()


# streams that are closed or full, and signals


@pytest.mark.parametrize(
    ("words", "closed"),
    [
        ("list", "<&-"),
        ("list", ">&-"),
        ("list", "2>&-"),
        (f"sweep double_descent {' '.join(SMALL)} --over seed=0,1 --jobs 2", "2>&-"),
        (f"sweep double_descent {' '.join(SMALL)} --over seed=0,1 --jobs 2", "<&- >&- 2>&-"),
    ],
)
def test_a_closed_stream_ends_nothing(words, closed):
    command = f"{shlex.quote(sys.executable)} -m toyviz {words} {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "Traceback" not in done.stdout + done.stderr
    assert bool(done.stdout) == (">&-" not in closed.replace("2>&-", ""))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", ["list", f"train double_descent {' '.join(SMALL)}"])
def test_output_that_cannot_be_written_is_told_in_a_sentence(words):
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "toyviz", *words.split()]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "the output could not be read or written: No space left on device"
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("words", "code"), [(f"sweep double_descent {' '.join(SMALL)} --over seed=0,1", 0), ("train nope", 2)]
)
def test_progress_and_sentences_that_cannot_be_written_change_nothing(words, code):
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "toyviz", *words.split()]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=full, text=True, timeout=120)
    assert done.returncode == code
    assert len(done.stdout.splitlines()) == (3 if code == 0 else 0)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_sweep_and_every_process_that_it_started(number, code):
    words = ["sweep", "double_descent", "--set", "steps=1000000", "--over", "n_samples=2000,1900", "--jobs", "2"]
    command = [sys.executable, "-m", "toyviz", *words, "--no-cache"]
    options = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    listening = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
    with subprocess.Popen(command, preexec_fn=listening, start_new_session=True, **options) as process:
        process.stderr.readline()  # what is to come
        process.stdout.readline()  # the names of the columns
        process.send_signal(number)
        out, err = process.communicate(timeout=120)  # it ends when every process that has these pipes has ended
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err


# list, cache


def test_list_names_every_experiment_page_and_figure(run, answer):
    listed = answer("list", "--json")
    assert list(listed) == ["experiments", "pages", "figures"]
    assert [row["name"] for row in listed["experiments"]] == list(settings.EXPERIMENTS)
    for row in listed["experiments"]:
        setting = settings.EXPERIMENTS[row["name"]]
        assert (Experiment(**row["quick"]), Experiment(**row["paper"])) == (setting.quick, setting.paper)
    files = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("pages/*/*.py")}
    assert {row["path"] for row in listed["pages"]} == files
    assert [row["id"] for row in listed["figures"]] == [f"F{number}" for number in range(1, 46)]
    of_views = studies.pages()
    for row in listed["pages"]:
        views = of_views[row["name"]].views if row["name"] in of_views else ()
        assert row["views"] == [{"id": view.id, "title": view.title} for view in views]
    assert any(row["views"] for row in listed["pages"])
    code, lines, _ = run("list")
    assert code == 0
    for row in [*listed["experiments"], *listed["pages"], *listed["figures"]]:
        assert any(row["title"] in line and (row.get("name") or row["id"]) in line for line in lines)
    rows = [re.split(r" {2,}", line.strip()) for line in lines if line.startswith(" ")]
    assert [row[:2] for row in rows] == [
        [row.get("name") or row["id"], row["title"]] for kind in listed.values() for row in kind
    ]
    assert len({re.search(r"\S {2,}", line).end() for line in lines if line.startswith(" ")}) == 1


def test_every_figure_is_on_a_page_and_of_named_experiments(answer):
    listed = answer("list", "--json")
    for row in listed["figures"]:
        assert list(row) == FIGURE_KEYS
        assert row["view"] in {view.id for view in studies.page(row["page"]).views}
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


# export and import


LINK = "double_descent?view=over_t&v=2"


def test_export_writes_a_file_whose_name_says_what_it_is_and_tells_it(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, lines, err = run("export", LINK, "--as", "csv", "--figure", "loss")
    assert (code, lines, err) == (0, ["double-descent_loss_n1000-m2-S0.99.csv"], "")
    told = Path(lines[0]).read_text(encoding="utf-8").splitlines()
    assert [line[0] for line in told[:4]] == ["#", "#", "#", "d"]
    svg = tmp_path / "x.svg"
    words = ("--figure", "curve", "--step", 300, "--theme", "dark", "--width", 400, "--height", 300, "--out", svg)
    assert run("export", LINK, *words)[:2] == (0, [str(svg)])
    assert 'width="400" height="300"' in svg.read_text(encoding="utf-8")


def test_export_lists_what_there_is(answer):
    told = answer("export", LINK, "--list")
    assert {"id": "columns", "title": "1,000 columns of W1"} in told["figures"]
    assert {"svg", "npz", "pytorch"} <= set(told["formats"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((LINK, "--as", "exe"), "as=exe is not possible: one of svg, png"),
        ((LINK, "--figure", "nothing", "--as", "png"), "figure=nothing is not possible: one of loss"),
        ((f"{LINK}&T=77", "--as", "npz"), "not trained yet: open its page, or train it with python -m toyviz sweep"),
        ((f"{LINK}&x=1",), "nothing here is called x"),
        ((LINK, "--step", "x"), "step=x is not possible"),
        (("nothing?v=2",), "is not a page of views"),
        ((LINK, "--out", "/nowhere/x.svg"), "--out must be in a folder that exists"),
    ],
)
def test_export_refuses_in_one_sentence(words, said, run):
    code, lines, err = run("export", *words)
    assert (code, lines, err.count("\n")) == (2, [], 1)
    assert said in err


def test_a_network_is_exported_and_imported_once(run, answer, tmp_path, monkeypatch):
    link = "double_descent?view=over_t&n_samples=4&T=4&seeds=1&n_features=30&sparsity=0.8&steps=6&warmup=2&v=2"
    answer("train", "--link", link)
    path = tmp_path / "network.npz"
    assert run("export", link, "--as", "npz", "--out", path)[0] == 0
    code, _, err = run("import", path)
    assert (code, "has a network of this experiment already" in err) == (2, True)
    monkeypatch.setenv("TOYVIZ_CACHE", str(tmp_path / "elsewhere"))
    told = answer("import", path)
    assert told["experiment"]["n_samples"] == 4
    assert told["link"].startswith("/double_descent?view=over_t&")
    again = answer("train", "--link", link)
    assert (again["cached"], again["metrics"]) == (True, told["metrics"])
    code, _, err = run("import", __file__)
    assert (code, "no run that was exported from here" in err) == (2, True)
    for unreadable in (tmp_path / "nothing", tmp_path):
        code, _, err = run("import", unreadable)
        assert (code, f"{str(unreadable)!r} could not be read" in err) == (2, True)
