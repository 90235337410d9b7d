"""The queue and its workers: real subprocesses, tiny experiments, and every way in which one of them can end."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import until
from safetensors.numpy import load, save

from toyviz import jobs as jobs_module
from toyviz import probe
from toyviz import queue as queue_module
from toyviz import worker as worker_module
from toyviz.experiment import Experiment
from toyviz.jobs import Busy, Jobs
from toyviz.model import initial_parameters, shapes
from toyviz.store import ROOT, Store, unpack
from toyviz.train import Frame, frame_meter, train

TINY = Experiment(n_features=7, n_hidden=2, n_samples=11, sparsity=0.6, steps=30, lr=0.01)
NONE = save({})
ENDLESS = Experiment(n_features=1000, n_hidden=2, n_samples=2000, sparsity=0.99, normalize=True, steps=1_000_000)
EMPTY = TINY.with_(n_features=1, n_hidden=1, n_samples=1, sparsity=0.999)  # not one feature is active


def state(jobs, experiment):
    status = jobs.status(experiment)
    return status and status.state


def ended(jobs, experiment):
    return until(lambda: (s := jobs.status(experiment)).state not in ("queued", "running") and s, "the end")


def live(jobs, experiment):
    """The status of a running job, once it shows its network."""
    return until(lambda: (s := jobs.status(experiment)).frame and s, "a live frame")


def seeds(count, base=TINY):
    return [base.with_(seed=seed) for seed in range(count)]


@pytest.fixture
def kept(jobs, monkeypatch):
    """The experiments whose results were stored, in that order."""
    kept, put = [], jobs.store.put

    def spy(result):
        kept.append(result.experiment)
        return put(result)

    monkeypatch.setattr(jobs.store, "put", spy)
    return kept


# from submit to done


def test_a_job_ends_with_the_very_result_that_training_here_gives(jobs):
    jobs.submit([TINY], "ada")
    status = ended(jobs, TINY)
    assert (status.state, status.step, status.steps, status.error) == ("done", 30, 30, None)
    here, there = train(TINY), jobs.result(TINY)
    for name, values in here.parameters.items():
        np.testing.assert_array_equal(there.parameters[name], values)
        np.testing.assert_array_equal(there.frames[name], here.frames[name])
    np.testing.assert_array_equal(there.losses, here.losses)
    assert there.metrics == here.metrics
    assert there.frame_metrics.keys() == here.frame_metrics.keys()
    for name, values in here.frame_metrics.items():
        np.testing.assert_array_equal(there.frame_metrics[name], values)
    assert Store(jobs.store.runs).get(TINY).metrics == here.metrics


def test_a_running_job_shows_its_network_its_loss_curve_and_the_time_left(jobs):
    jobs.submit([ENDLESS], "ada")
    first = live(jobs, ENDLESS)
    assert {name: values.shape for name, values in first.frame.items()} == shapes(ENDLESS)
    assert all(values.dtype == np.float32 for values in first.frame.values())
    later = until(lambda: (s := jobs.status(ENDLESS)).frame is not first.frame and s, "a later frame")
    assert later.state == "running"
    assert later.step > first.step
    assert not np.array_equal(later.frame["W1"], first.frame["W1"])
    assert later.steps == 1_000_000
    assert [frame.step for frame in later.history[: len(first.history)]] == [frame.step for frame in first.history]
    assert first.history[0].metrics == {}
    measured = until(lambda: len(h := jobs.status(ENDLESS).history) > 2 and h, "frames that are measured")[1:]
    for frame in measured:
        np.testing.assert_array_equal(frame.parameters["W1"], frame.parameters["W1"].astype(np.float16))
        exact = probe.evaluate_frame(
            ENDLESS, frame.parameters, probe.frame_sets(ENDLESS), probe.loss_and_accuracy
        )  # of what was sent, and so rounded
        assert list(frame.metrics) == list(exact)
        for name in ("train_loss", "test_loss"):
            assert frame.metrics[name] == pytest.approx(exact[name], rel=1e-2)
    assert until(lambda: jobs.status(ENDLESS).seconds_left, "the pace") > 0
    assert later.position is None
    assert not later.measuring
    steps, values = later.losses
    assert steps[0] == 1
    assert steps[-1] == later.step
    assert values[-1] == pytest.approx(later.loss)
    assert (np.diff(steps) > 0).all()
    assert np.isfinite(values).all()
    assert jobs.result(ENDLESS) is None


def test_a_network_too_large_to_show_live_tells_its_loss_all_the_same(jobs):
    large = Experiment(n_features=16_000, n_hidden=6, n_samples=5, sparsity=0.99, steps=100_000)
    assert sum(4 * np.prod(shape) for shape in shapes(large).values()) > queue_module.LIVE_BYTES
    jobs.submit([large], "ada")
    status = until(lambda: (s := jobs.status(large)).step > 2 and s, "a few steps")
    assert status.frame is None
    assert status.too_large
    assert status.loss > 0


def test_what_is_stored_already_is_not_trained_again(jobs, kept):
    jobs.store.put(train(TINY))
    kept.clear()
    jobs.submit([TINY, TINY.with_(seed=1)], "ada")
    assert jobs.status(TINY) is None
    assert jobs.result(TINY) is not None
    ended(jobs, TINY.with_(seed=1))
    assert kept == [TINY.with_(seed=1)]


def test_what_is_stored_is_trained_once_more_where_it_is_asked_for_anew(jobs, kept):
    jobs.store.put(train(TINY))
    kept.clear()
    jobs.submit([TINY], "ada", anew=True)
    ended(jobs, TINY)
    assert kept == [TINY]
    jobs.submit([TINY], "ada")
    jobs.submit([TINY], "ada", anew=True)
    ended(jobs, TINY)
    assert kept == [TINY, TINY]


def test_the_same_experiment_asked_twice_by_anyone_is_one_job(jobs, kept):
    jobs.submit([ENDLESS], "ada")
    live(jobs, ENDLESS)
    jobs.submit([TINY, TINY], "ada")
    jobs.submit([TINY, TINY.with_(seed=0.0)], "bob")
    assert jobs.status(TINY).position == 1
    jobs.submit(seeds(3), "bob")
    assert [jobs.status(each).position for each in seeds(3)] == [1, 2, 3]
    jobs.cancel([ENDLESS], "ada")
    ended(jobs, seeds(3)[2])
    jobs.submit([TINY], "eve")
    assert kept == seeds(3)


def test_two_workers_share_a_sweep(store):
    jobs = Jobs(store, workers=2)
    try:
        three = seeds(3, ENDLESS)
        jobs.submit(three, "ada")
        live(jobs, three[0])
        live(jobs, three[1])
        assert [state(jobs, each) for each in three] == ["running", "running", "queued"]
        assert len(set(jobs.pids())) == 2
        jobs.cancel(three[:1], "ada")
        live(jobs, three[2])
    finally:
        jobs.close()


def test_a_full_disk_costs_no_result(tmp_path):
    (tmp_path / "file").write_text("in the way")
    jobs = Jobs(Store(tmp_path / "file" / "runs"), workers=1)
    try:
        jobs.submit([TINY], "ada")
        assert ended(jobs, TINY).state == "done"
        assert jobs.result(TINY).metrics == train(TINY).metrics
        assert "cannot be saved" in jobs.store.problem
    finally:
        jobs.close()


# refusals and failures


def test_a_forged_experiment_is_refused_at_the_door(jobs):
    forged = TINY.with_(seed=5)
    object.__setattr__(forged, "steps", 10**9)
    with pytest.raises(ValueError, match="steps must be between 1 and 1e\\+06; got 1000000000"):
        jobs.submit([TINY, forged], "ada")
    assert jobs.status(TINY) is None


def test_training_that_cannot_succeed_fails_with_its_sentence_and_the_next_job_goes_on(jobs):
    jobs.submit([EMPTY, TINY], "ada")
    status = ended(jobs, EMPTY)
    assert status.state == "failed"
    assert status.error.startswith("no feature is active in any training sample")
    assert "Traceback" not in status.error
    assert "\n" not in status.error
    assert jobs.result(EMPTY) is None
    assert ended(jobs, TINY).state == "done"


def test_what_failed_is_tried_again_only_on_request(jobs):
    jobs.submit([EMPTY], "ada")
    ended(jobs, EMPTY)
    jobs.submit([ENDLESS], "ada")
    jobs.submit([EMPTY], "bob")
    assert state(jobs, EMPTY) == "failed"
    jobs.submit([EMPTY], "bob", again=True)
    assert state(jobs, EMPTY) == "queued"
    jobs.cancel([ENDLESS], "ada")
    assert ended(jobs, EMPTY).state == "failed"


# cancel


def test_a_running_job_is_cancelled_and_its_worker_takes_the_next_one(jobs, monkeypatch):
    monkeypatch.setattr(queue_module, "KILL_AFTER", 1000)  # however slow this machine is
    jobs.submit([ENDLESS], "ada")
    live(jobs, ENDLESS)
    jobs.submit([TINY], "ada")
    workers = jobs.pids()
    jobs.cancel([ENDLESS], "ada")
    status = jobs.status(ENDLESS)
    assert (status.state, status.error) == ("cancelled", None)
    assert 0 < status.step < status.steps
    assert ended(jobs, TINY).state == "done"
    assert jobs.pids() == workers  # it stopped by itself
    assert state(jobs, ENDLESS) == "cancelled"
    assert not jobs.store.has(ENDLESS)


def test_a_queued_job_that_is_cancelled_never_starts(jobs, kept):
    jobs.submit([ENDLESS], "ada")
    live(jobs, ENDLESS)
    jobs.submit(seeds(3), "ada")
    jobs.cancel(seeds(3)[:2], "ada")
    assert [state(jobs, each) for each in seeds(3)] == ["cancelled", "cancelled", "queued"]
    assert jobs.status(seeds(3)[2]).position == 1
    jobs.cancel([ENDLESS], "ada")
    ended(jobs, seeds(3)[2])
    assert kept == seeds(3)[2:]


def test_what_is_done_of_a_sweep_is_kept_when_the_rest_is_cancelled(jobs):
    jobs.submit([*seeds(2), ENDLESS], "ada")
    live(jobs, ENDLESS)
    jobs.cancel([*seeds(2), ENDLESS], "ada")
    assert [state(jobs, each) for each in [*seeds(2), ENDLESS]] == ["done", "done", "cancelled"]
    assert all(jobs.result(each) for each in seeds(2))


def test_a_job_ends_only_when_the_last_of_its_watchers_cancels(jobs):
    jobs.submit([ENDLESS], "ada")
    jobs.touch([ENDLESS], "bob")
    jobs.cancel([ENDLESS], "ada")
    live(jobs, ENDLESS)
    assert state(jobs, ENDLESS) == "running"
    jobs.cancel([ENDLESS], "bob")
    assert state(jobs, ENDLESS) == "cancelled"


def test_what_was_cancelled_can_be_asked_for_again_at_once(jobs):
    jobs.submit([ENDLESS], "ada")
    live(jobs, ENDLESS)
    jobs.cancel([ENDLESS], "ada")
    jobs.submit([ENDLESS], "ada")
    assert state(jobs, ENDLESS) in ("queued", "running")
    assert live(jobs, ENDLESS).state == "running"


def test_what_was_cancelled_is_not_called_done_though_it_ends_a_moment_later(jobs, kept, monkeypatch):
    monkeypatch.setattr(queue_module, "KILL_AFTER", 1000)
    live_first(jobs)
    (pid,) = jobs.pids()
    os.kill(pid, signal.SIGSTOP)
    jobs.submit([TINY], "ada")
    until(lambda: state(jobs, TINY) == "running")
    monkeypatch.setattr(jobs._workers[0], "send", lambda **order: None)  # it never hears of the cancel
    jobs.cancel([TINY], "ada")
    os.kill(pid, signal.SIGCONT)
    until(lambda: jobs._queue._places[0].state == "idle", "the end of the training")
    assert jobs.pids() == [pid]
    assert state(jobs, TINY) == "cancelled"
    assert jobs.result(TINY) is None
    assert TINY not in kept


# visitors come and go


def test_a_job_whose_last_visitor_has_left_is_cancelled_in_a_moment(jobs, monkeypatch):
    monkeypatch.setattr(queue_module, "GRACE", 0.2)
    jobs.submit([ENDLESS], "ada")
    live(jobs, ENDLESS)
    jobs.submit([TINY], "ada")
    jobs.leave("bob")  # who watches nothing
    assert state(jobs, ENDLESS) == "running"
    jobs.leave("ada")
    assert [ended(jobs, ENDLESS).state, ended(jobs, TINY).state] == ["cancelled", "cancelled"]


def test_a_job_that_nobody_polls_for_is_cancelled(jobs, monkeypatch):
    monkeypatch.setattr(queue_module, "WATCHED_FOR", 0.2)
    jobs.submit([ENDLESS], "ada")
    assert ended(jobs, ENDLESS).state == "cancelled"


def test_time_in_which_the_server_was_stopped_does_not_count(jobs, monkeypatch):
    jobs.submit([ENDLESS], "ada")
    live(jobs, ENDLESS)
    plain = time.monotonic
    monkeypatch.setattr(jobs_module.time, "monotonic", lambda: plain() + 10_000)
    until(lambda: jobs._slept > 9_000, "the watch")
    step = jobs.status(ENDLESS).step
    until(lambda: jobs.status(ENDLESS).step > step, "more steps")
    assert jobs._queue.job(ENDLESS.key).starts == 1


# workers die


def live_first(jobs):
    """Wait until the worker is up."""
    jobs.submit([TINY.with_(seed=99)], "setup")
    ended(jobs, TINY.with_(seed=99))


def kill(jobs):
    (pid,) = jobs.pids()
    os.kill(pid, signal.SIGKILL)
    return pid


def test_a_job_whose_worker_is_killed_runs_once_more_to_its_end(jobs):
    live_first(jobs)
    (pid,) = jobs.pids()
    os.kill(pid, signal.SIGSTOP)  # so that it is killed under the job, however fast the job is
    jobs.submit([TINY, TINY.with_(seed=1)], "ada")
    until(lambda: state(jobs, TINY) == "running")
    kill(jobs)
    assert ended(jobs, TINY).state == "done"
    assert jobs._queue.job(TINY.key).starts == 2
    assert ended(jobs, TINY.with_(seed=1)).state == "done"
    assert pid not in jobs.pids()


def test_a_job_that_kills_two_workers_fails_with_a_sentence_and_the_rest_goes_on(jobs):
    jobs.submit([ENDLESS], "ada")
    live(jobs, ENDLESS)
    jobs.submit([TINY], "ada")
    first = kill(jobs)
    until(lambda: jobs.pids() not in ([first], []), "another worker")
    live(jobs, ENDLESS)
    assert jobs._queue.job(ENDLESS.key).starts == 2
    kill(jobs)
    status = ended(jobs, ENDLESS)
    assert status.state == "failed"
    assert status.error == (
        "the process that trained it stopped 2 times (killed, perhaps because memory ran out: a smaller network or "
        "fewer samples may help)"
    )
    assert ended(jobs, TINY).state == "done"
    assert jobs.status(ENDLESS).error == status.error


def test_an_idle_worker_that_is_killed_is_replaced_when_it_is_needed(jobs):
    live_first(jobs)
    pid = kill(jobs)
    until(lambda: jobs._queue._places[0].state == "off")
    jobs.submit([TINY], "ada")
    assert ended(jobs, TINY).state == "done"
    assert jobs._queue.job(TINY.key).starts == 1
    assert pid not in jobs.pids()


def test_a_worker_that_hangs_in_its_training_is_killed_and_the_job_tried_once_more(jobs, monkeypatch):
    jobs.submit([ENDLESS], "ada")
    live(jobs, ENDLESS)
    (hung,) = jobs.pids()
    os.kill(hung, signal.SIGSTOP)
    monkeypatch.setattr(queue_module, "SILENT_FOR", 0.5)
    until(lambda: hung not in jobs.pids(), "the end of the worker")
    monkeypatch.setattr(queue_module, "SILENT_FOR", 1000)  # however slow this machine is
    assert live(jobs, ENDLESS).state == "running"
    assert jobs._queue.job(ENDLESS.key).starts == 2


def test_a_hung_worker_that_ignores_a_cancel_is_killed_and_replaced(jobs, monkeypatch):
    jobs.submit([ENDLESS], "ada")
    live(jobs, ENDLESS)
    jobs.submit([TINY], "ada")
    (hung,) = jobs.pids()
    os.kill(hung, signal.SIGSTOP)
    monkeypatch.setattr(queue_module, "KILL_AFTER", 0.2)
    jobs.cancel([ENDLESS], "ada")
    assert ended(jobs, TINY).state == "done"
    assert hung not in jobs.pids()
    assert state(jobs, ENDLESS) == "cancelled"


def test_a_result_that_cannot_be_kept_fails_with_a_sentence_and_the_worker_goes_on(jobs, monkeypatch):
    live_first(jobs)
    pids, put = jobs.pids(), jobs.store.put
    monkeypatch.setattr(jobs.store, "put", lambda result: 1 / 0)
    jobs.submit([TINY], "ada")
    assert ended(jobs, TINY).error == "what was trained cannot be kept (division by zero)"
    monkeypatch.setattr(jobs.store, "put", put)
    jobs.submit([TINY.with_(seed=1)], "ada")
    assert ended(jobs, TINY.with_(seed=1)).state == "done"
    assert jobs.pids() == pids


@pytest.fixture
def workers_begin_with(tmp_path, monkeypatch):
    """Every Python that is started from now on runs this code first."""

    def begin(code):
        (tmp_path / "sitecustomize.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return begin


def test_where_there_is_no_nice_and_no_sigkill_networks_are_trained(store, workers_begin_with, monkeypatch):
    workers_begin_with("import os, signal\ndel os.nice, signal.SIGKILL\n")
    monkeypatch.delattr(os, "nice")
    monkeypatch.delattr(signal, "SIGKILL")
    jobs = Jobs(store, workers=1)
    try:
        jobs.submit([TINY, ENDLESS], "ada")
        assert ended(jobs, TINY).state == "done"
        for _ in range(2):
            live(jobs, ENDLESS)
            (pid,) = jobs.pids()
            os.kill(pid, 9)
            until(lambda pid=pid: pid not in jobs.pids(), "the end of the worker")
            until(lambda: state(jobs, ENDLESS) == "failed" or jobs.pids(), "another worker")
        assert "stopped 2 times" in ended(jobs, ENDLESS).error
    finally:
        jobs.close()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import sys\nsys.modules['safetensors'] = None\n", "exit code 1: ModuleNotFoundError: .*safetensors.*"),
        ("import os\nos.write(2, b'no licence\\n')\nos._exit(7)\n", "exit code 7: no licence"),
        ("import os\nos.write(1, b'nonsense\\n')\n", "it sent something that is no message: 'nonsense'"),
        ("import os\nos.kill(os.getpid(), 11)\n", "signal SIGSEGV"),
    ],
)
def test_a_worker_that_cannot_start_ends_what_waits_with_its_own_last_words(store, workers_begin_with, code, why):
    workers_begin_with(code)
    jobs = Jobs(store, workers=2)
    try:
        jobs.submit(seeds(2), "ada")
        for each in seeds(2):
            status = ended(jobs, each)
            assert status.state == "failed"
            assert re.fullmatch(rf"no process can be started to train it \({why}\)", status.error), status.error
    finally:
        jobs.close()


def test_a_python_that_is_not_there_ends_what_waits_with_a_sentence(store, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    jobs = Jobs(store, workers=1)
    try:
        jobs.submit([TINY], "ada")
        assert "it could not be started: " in ended(jobs, TINY).error
        assert "/nowhere/python" in ended(jobs, TINY).error
    finally:
        jobs.close()


@pytest.mark.parametrize(
    ("exit_code", "ours", "last_words", "told"),
    [
        (1, False, "ImportError: no numba", "exit code 1: ImportError: no numba"),
        (1, False, "", "exit code 1"),
        (-9, False, "", "killed, perhaps because memory ran out: a smaller network or fewer samples may help"),
        (-9, True, "", "we ended it"),
        (-11, False, "", "signal SIGSEGV"),
        (-250, False, "", "exit code -250"),
        (None, True, "", "it cannot be ended"),
    ],
)
def test_how_a_process_ended_is_told_and_memory_is_blamed_only_where_we_did_not_kill_it(
    exit_code, ours, last_words, told
):
    assert jobs_module.cause(exit_code, ours, last_words) == told


@pytest.mark.parametrize(
    "noise",
    [
        *(b"nonsense\n", b"[1, 2]\n", b"7\n", b"{}\n", b"\xff\xfe\n", b"x" * 10**6),
        *(b'{"event": "done", "bytes": %s}\n' % size for size in (b"-1", b"99999999999999", b'"many"', b"1.5")),
    ],
)
def test_noise_in_the_protocol_is_called_that_and_never_read_to_its_end(noise):
    stream = io.BytesIO(noise)
    with pytest.raises(ValueError, match=r"^'"):
        jobs_module.receive(stream)
    assert stream.tell() <= jobs_module.MAX_HEADER


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"  # nobody may be there to bury it
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks for processes in /proc")
def test_workers_end_with_their_server_even_if_it_is_killed(tmp_path):
    code = f"""
import sys, time
from pathlib import Path
from toyviz.experiment import Experiment
from toyviz.jobs import Jobs
from toyviz.store import Store
jobs = Jobs(Store(Path(sys.argv[1])), workers=2)
experiment = {ENDLESS!r}
jobs.submit([experiment], "ada")
while not jobs.status(experiment).frame or len(jobs.pids()) < 2:
    time.sleep(0.01)
print(*jobs.pids(), flush=True)
time.sleep(1000)
"""
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "runs")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    workers = [int(pid) for pid in server.stdout.readline().split()]
    assert len(workers) == 2
    assert not any(is_gone(pid) for pid in workers)
    server.kill()
    server.wait()
    server.stdout.close()
    until(lambda: all(is_gone(pid) for pid in workers), "the end of the workers")


def test_close_ends_the_workers_and_cancels_what_is_left(store):
    jobs = Jobs(store, workers=2)
    jobs.submit([ENDLESS, TINY.with_(steps=1_000_000), TINY], "ada")
    live(jobs, ENDLESS)
    pids = jobs.pids()
    jobs.close()
    assert jobs.pids() == []
    assert all(is_gone(pid) for pid in pids)
    assert state(jobs, ENDLESS) == "cancelled"
    with pytest.raises(Busy, match="about to stop"):
        jobs.submit([TINY], "ada")


def test_close_ends_a_worker_that_hangs(store):
    jobs = Jobs(store, workers=1)
    live_first(jobs)
    (pid,) = jobs.pids()
    os.kill(pid, signal.SIGSTOP)
    jobs.close()
    assert is_gone(pid)


# the worker by itself


def talk(orders, patch=""):
    """What a worker says to these orders, as (message, payload), and on stderr."""
    code = f"from toyviz import worker\nworker.warm_up = lambda place: iter(())\n{patch}\nworker.main()"
    worker = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | jobs_module.ONE_THREAD,
    )
    for order in orders:
        worker.stdin.write(json.dumps(order).encode() + b"\n")
    worker.stdin.flush()
    said = []
    while not said or said[-1][0]["event"] in ("ready", "alive", "training", "progress"):
        message = json.loads(worker.stdout.readline())
        said.append((message, worker.stdout.read(message["bytes"])))
    said = [each for each in said if each[0]["event"] not in ("ready", "alive")]
    rest, errors = worker.communicate(timeout=60)
    assert worker.returncode == 0
    assert {json.loads(line)["event"] for line in rest.splitlines()} <= {"alive"}
    return said, errors.decode()


def order(experiment, number=7):
    return {"order": "train", "id": number, "experiment": asdict(experiment)}


def test_a_worker_tells_its_progress_and_then_the_packed_result():
    said, errors = talk([order(TINY)])
    (first, _), *progress, (last, payload) = said
    assert (first["event"], first["id"]) == ("training", 7)
    assert (last["event"], last["id"]) == ("done", 7)
    assert unpack(payload).experiment == TINY
    assert [message["step"] for message, _ in progress][-1] == 30
    assert all(np.isfinite(message["loss"]) for message, _ in progress)
    for message, payload in progress:  # so short a training shows no network before its end
        assert message.keys() == {"event", "id", "step", "loss", "bytes"}
        assert payload == b""
    assert errors == ""


def shown(experiment, frames, monkeypatch, seconds=0.2, a_measure=0.0):
    """What is told of these frames that come every so many seconds, each of which takes so long to measure."""
    clock, said = [100.0], []

    def meter(*arguments):
        clock[0] += 7.0  # samples are drawn
        measure = frame_meter(*arguments)

        def slowly(parameters):
            clock[0] += a_measure
            return measure(parameters)

        return slowly

    monkeypatch.setattr(worker_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(worker_module, "frame_meter", meter)
    live = worker_module.Live(experiment, lambda payload=b"", **message: said.append((message, load(payload or NONE))))
    for frame in frames:
        live.show(frame)
        clock[0] += seconds
    return said


def states(experiment, parameters=None):
    """A network after each step, which its training has not changed."""
    start = initial_parameters(experiment) | (parameters or {})
    return [Frame(step, 1 / step if step else np.nan, start) for step in range(experiment.steps + 1)]


@pytest.mark.parametrize("arch", ["relu_output", "mlp"])
def test_a_live_frame_comes_twice_a_second_in_16_bits_and_was_measured_before(monkeypatch, arch):
    experiment = TINY.with_(arch=arch)
    said = shown(experiment, states(experiment), monkeypatch)
    assert [message["step"] for message, _ in said] == list(range(1, 31))
    frames = [(message, arrays) for message, arrays in said if arrays]
    assert [message["step"] for message, _ in frames] == [1, *range(4, 30, 3)]  # each at least half a second later
    assert frames.pop(0)[0]["metrics"] == {}  # the first comes before anything is drawn to measure it on
    exact = initial_parameters(experiment)
    measured = probe.evaluate_frame(experiment, exact, probe.frame_sets(experiment), probe.loss_and_accuracy)
    for message, arrays in frames:
        assert message["metrics"] == pytest.approx(measured, rel=1e-6)
        assert json.loads(json.dumps(message, allow_nan=False)) == message
        for name, values in exact.items():
            np.testing.assert_array_equal(arrays[name], values.astype(np.float16), strict=True)


def test_a_frame_is_heard_with_its_own_step_and_metrics_in_32_bits():
    message = {"event": "progress", "step": 17, "loss": 0.5, "metrics": {"test_loss": 0.25}}
    frame = jobs_module._frame(message, save({"W1": np.array([[0.5, 2.0]], np.float16)}))
    assert (frame.step, frame.metrics) == (17, {"test_loss": 0.25})
    np.testing.assert_array_equal(frame.parameters["W1"], np.array([[0.5, 2.0]], np.float32), strict=True)
    assert jobs_module._frame(message, b"") is None


def test_a_weight_that_16_bits_cannot_hold_is_sent_in_32(monkeypatch):
    large = {"b2": np.full(7, 1e6, np.float32)}
    _, arrays = next(each for each in shown(TINY, states(TINY, large), monkeypatch) if each[1])
    assert arrays["b2"].tolist() == [1e6] * 7
    assert arrays["W1"].dtype == np.float16


def test_measuring_live_frames_takes_a_twentieth_of_the_time(monkeypatch):
    said = shown(TINY.with_(steps=200), states(TINY.with_(steps=200)), monkeypatch, a_measure=1.0)
    steps = [message["step"] for message, arrays in said if arrays]
    assert len(steps) > 2
    assert min(np.diff(steps[1:])) * 0.2 >= 1.0 / worker_module.MEASURING - 1e-6


def test_of_a_network_that_is_too_large_and_of_the_last_step_the_loss_alone_is_told(monkeypatch):
    large = TINY.with_(n_features=15_001, n_hidden=4, n_samples=1)
    assert not any(arrays for _, arrays in shown(large, states(large), monkeypatch))
    for steps, sent in ((3, [True, False, False]), (1, [False])):
        short = TINY.with_(steps=steps)
        assert [bool(arrays) for _, arrays in shown(short, states(short), monkeypatch)] == sent


def test_losses_come_at_most_twenty_times_a_second_but_the_last_always(monkeypatch):
    short = TINY.with_(steps=21)
    said = shown(short, states(short), monkeypatch, seconds=0.02)
    assert [message["step"] for message, _ in said] == [1, 4, 7, 10, 13, 16, 19, 21]


def test_a_set_that_is_large_is_not_drawn_for_live_frames(monkeypatch):
    monkeypatch.setattr(worker_module, "LIVE_NUMBERS", 100)
    said = shown(TINY, states(TINY), monkeypatch)
    names = [list(message["metrics"]) for message, arrays in said if arrays][1]
    assert names == ["train_loss", "train_accuracy", "big_features"]


def test_what_else_prints_in_a_worker_goes_to_stderr():
    noise = "real = worker.train\nworker.train = lambda *a, **k: (print('noise'), real(*a, **k))[1]"
    said, errors = talk([order(TINY)], noise)
    assert said[-1][0]["event"] == "done"
    assert "noise" in errors


def test_a_fault_in_the_training_is_told_as_a_sentence_and_logged_whole():
    said, errors = talk([order(TINY)], "def train(*a, **k): raise KeyError('W3')\nworker.train = train")
    ((message, payload),) = said
    assert message["event"] == "failed"
    assert message["error"] == "training stopped on a fault of the app (KeyError('W3'))"
    assert payload == b""
    assert "Traceback" in errors


def test_a_loss_that_is_no_number_is_not_told():
    odd = "worker.train = lambda e, on_frame, **_: (on_frame(worker.Frame(1, float('nan'), {})), 1 / 0)"
    said, _ = talk([order(TINY)], odd)
    assert [message["event"] for message, _ in said] == ["failed"]
    assert "ZeroDivisionError" in said[0][0]["error"]


def test_a_worker_that_breaks_leaves_its_own_error_as_its_last_words():
    code = "from toyviz import worker\nworker.warm_up = lambda place: 1 / 0\nworker.main()"
    worker = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with worker:
        errors = worker.stderr.read().decode()  # its stdin stays open meanwhile: a thread of the worker reads it
        assert worker.wait() == 1
    assert errors.strip().splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_a_cancel_before_the_first_step_is_heeded():
    said, _ = talk([{"order": "cancel", "id": 7}, order(ENDLESS)])
    assert [message["event"] for message, _ in said] == ["cancelled"]


# the server


def test_the_server_side_imports_neither_torch_nor_the_compiler():
    code = """
import sys
import toyviz.jobs, toyviz.runtime, toyviz.store
print(*[name for name in ("torch", "numba", "joblib", "toyviz.train") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "")
