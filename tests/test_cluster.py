"""Many machines: a real scheduler and two workers on this one, started as the docs say, of which one is killed."""

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import until

from toyviz import cluster as cluster_module
from toyviz import gallery, runtime
from toyviz.__main__ import main
from toyviz.cluster import Cluster, Core, order, refuse_unsafe
from toyviz.experiment import CHOICES, Experiment
from toyviz.jobs import Jobs
from toyviz.settings import EXPERIMENTS
from toyviz.store import ROOT, Store
from toyviz.train import train
from toyviz.view import Plan

pytest.importorskip("distributed", reason="Dask is not installed")

TINY = Experiment(n_features=7, n_hidden=2, n_samples=11, sparsity=0.6, steps=30, lr=0.01)
ENDLESS = Experiment(n_features=1000, n_hidden=2, n_samples=2000, sparsity=0.99, normalize=True, steps=1_000_000)
EMPTY = TINY.with_(n_features=1, n_hidden=1, n_samples=1, sparsity=0.999)  # not one feature is active
SWEEP = ("sweep", "mlp", "--over", "steps=3")
SAFE = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")


class Machines:
    """A scheduler and its workers, as processes."""

    def __init__(self, folder, *words):
        self.folder, self.processes = folder, []
        self.address = self.start("scheduler", "--port", "0", *words, told=r"Scheduler at: +(\S+)")
        self.workers = {}  # address -> process id

    def start(self, *words, told):
        """Start one of Dask's commands, and wait for what it tells."""
        log = self.folder / f"{len(self.processes)}.log"
        with log.open("w") as written:
            command = [sys.executable, "-m", "dask", *words, *SAFE]
            process = subprocess.Popen(command, cwd=ROOT, stdout=written, stderr=written)
        self.processes.append(process)
        return until(lambda: process.poll() is None and re.search(told, log.read_text()), log).group(1)

    def two(self):
        """Have two workers."""
        while len(self.workers) < 2:
            words = ("worker", self.address, "--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder))
            address = self.start(*words, told=r"Start worker at: +(\S+)(?:.|\n)*Registered to")
            self.workers[address] = self.processes[-1].pid
        return self

    def kill(self, address):
        os.kill(self.workers.pop(address), signal.SIGKILL)

    def close(self):
        for process in reversed(self.processes):
            with contextlib.suppress(OSError):
                process.kill()
            process.wait(60)


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    machines = Machines(tmp_path_factory.mktemp("machines"))
    yield machines
    machines.close()


@pytest.fixture
def machines(started):
    """A scheduler with two workers."""
    return started.two()


@pytest.fixture
def cluster(machines):
    cluster = until(lambda: two_of(Cluster(machines.address)), "two workers")
    yield cluster
    cluster.close()


def two_of(cluster):
    if cluster.cores == 2:
        return cluster
    cluster.close()
    return None


@pytest.fixture
def jobs(cluster, store):
    jobs = Jobs(store, 2, make=cluster.worker)
    yield jobs
    jobs.close()


def assert_equal(there, here):
    assert there.provenance["instruction_set"] == here.provenance["instruction_set"]
    for name, values in here.parameters.items():
        np.testing.assert_array_equal(there.parameters[name], values)
        np.testing.assert_array_equal(there.frames[name], here.frames[name])
    np.testing.assert_array_equal(there.losses, here.losses)


# a sweep, and a machine that dies under it


def test_a_worker_that_is_killed_costs_no_point_and_each_comes_once_and_equal_to_the_local_one(machines, cluster):
    wanted = [TINY.with_(seed=seed, steps=20_000) for seed in range(6)]
    outcomes, client = cluster.outcomes(wanted, "auto"), cluster._client
    came = [next(outcomes)]
    victim, pid = next(iter(machines.workers.items()))
    os.kill(pid, signal.SIGSTOP)  # so that it is killed under a network, however fast it is
    while not (lost := client.processing()[victim]):
        os.kill(pid, signal.SIGCONT)
        came.append(next(outcomes))
        os.kill(pid, signal.SIGSTOP)
    machines.kill(victim)
    came += outcomes
    assert sorted(each.seed for each, _ in came) == list(range(6))
    for experiment, there in came:
        assert there.experiment == experiment
        assert_equal(there, train(experiment))
    (left,) = machines.workers
    where = {f"train-{each.key}-auto": there.provenance["worker"] for each, there in came}
    assert {where[key] for key in lost} == {left}
    assert {there.provenance["host"] for _, there in came} == {os.uname().nodename}
    assert set(where.values()) <= {left, victim}


def test_a_sweep_on_a_cluster_tells_and_stores_what_a_sweep_here_does(machines, capfd, tmp_path, monkeypatch):
    words = [
        "sweep",
        "double_descent",
        "--set",
        "n_features=20",
        "steps=30",
        "--over",
        "n_samples=5,10",
        "--seeds",
        "2",
        "--json",
    ]
    rows = {}
    for backend in ((), ("--backend", "dask", "--scheduler", machines.address)):
        monkeypatch.setenv("TOYVIZ_CACHE", str(tmp_path / f"cache{len(backend)}"))
        assert main([*words, *backend]) == 0
        first = capfd.readouterr().out.splitlines()
        assert main([*words, *backend]) == 0
        again = capfd.readouterr().out.splitlines()
        assert all(json.loads(line)["cached"] for line in again)
        rows[backend] = [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in first]
    here, there = rows.values()
    assert len(here) == 4
    assert here == there


def test_what_cannot_be_trained_is_a_sentence_and_the_rest_comes(cluster):
    outcomes = dict(cluster.outcomes([EMPTY, TINY], "auto"))
    assert outcomes[EMPTY].startswith("no feature is active in any training sample")
    assert outcomes[TINY].metrics == train(TINY).metrics


def test_the_gallery_can_be_trained_there(cluster, tmp_path):
    assert gallery.build(folder=tmp_path, plans=[Plan([TINY], [])], cluster=cluster) == 1
    there = Store(None, tmp_path).get(TINY)
    np.testing.assert_array_equal(there.W1, train(TINY).W1)
    assert there.provenance["worker"] in cluster._client.nthreads()


# the app's jobs


def live(jobs, experiment):
    return until(lambda: (s := jobs.status(experiment)).frame and s, "a live frame")


def busy(cluster):
    """The threads that train, wherever."""
    return sum(cluster._client.run(lambda dask_worker: len(dask_worker.active_threads)).values())


def test_a_job_of_the_app_shows_its_network_and_a_cancel_stops_it_over_there(cluster, jobs):
    jobs.submit([ENDLESS], "ada")
    first = live(jobs, ENDLESS)
    assert first.frame["W1"].dtype == np.float32
    later = until(lambda: (s := jobs.status(ENDLESS)).step > first.step and len(s.history) > 1 and s, "more frames")
    assert later.state == "running"
    assert "test_loss" in later.history[-1].metrics
    assert busy(cluster) == 1
    jobs.cancel([ENDLESS], "ada")
    assert jobs.status(ENDLESS).state == "cancelled"
    until(lambda: busy(cluster) == 0, "the end of the training")
    jobs.submit([TINY], "ada")
    until(lambda: jobs.status(TINY).state == "done", "a job after it")
    assert_equal(jobs.result(TINY), train(TINY))
    assert Store(jobs.store.runs).get(TINY).provenance["worker"] in cluster._client.nthreads()


def test_a_job_whose_machine_dies_begins_anew_on_another(machines, cluster, jobs):
    jobs.submit([ENDLESS], "ada")
    live(jobs, ENDLESS)
    (victim,) = (worker for worker, keys in cluster._client.processing().items() if keys)
    machines.kill(victim)
    until(lambda: jobs._queue.job(ENDLESS.key).starts == 2, "another start")
    assert live(jobs, ENDLESS).state == "running"


def test_a_machine_without_a_visitor_stops(machines, cluster):
    leaving = Cluster(machines.address)
    leaving.start(ENDLESS, lambda message, payload: None)
    until(lambda: busy(cluster) == 1, "the training")
    leaving.close()
    until(lambda: busy(cluster) == 0, "its end")


def test_the_app_trains_where_its_setting_says(machines, monkeypatch, store):
    monkeypatch.setenv("TOYVIZ_SCHEDULER", machines.address)
    monkeypatch.setattr(runtime, "_store", store)
    monkeypatch.setattr(runtime, "_jobs", None)
    monkeypatch.setattr(runtime, "_cluster", None)
    try:
        runtime.jobs().submit([TINY], "ada")
        until(lambda: runtime.jobs().status(TINY).state == "done", "the job")
        assert runtime.store().get(TINY).provenance["worker"] in machines.workers
    finally:
        runtime.close()


def test_what_a_closing_client_was_handed_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(cluster_module, "SECONDS_A_SIGN", 0.01)
    client = SimpleNamespace(status="running")
    future = SimpleNamespace(client=client, status="pending", add_done_callback=lambda told: None, cancel=lambda: None)
    alike = SimpleNamespace(start=lambda experiment, told: (0, future), forget=lambda run: None)
    signs, ended = queue.Queue(), []
    core = Core(
        alike, 7, lambda number, message, payload: signs.put(message["event"]), lambda *told: ended.append(told)
    )
    core.send(order="train", id=1, experiment=asdict(TINY))
    assert [signs.get(timeout=60) for _ in range(3)] == ["ready", "alive", "alive"]
    client.status = "closing"
    core.thread.join(60)
    assert ended == [(7, "the connection to the scheduler was lost")]


# who is talked to


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:8786", "tls://far:8786"])
def test_a_scheduler_on_this_machine_or_behind_tls_is_safe(address):
    refuse_unsafe(address, "--scheduler")


@pytest.mark.parametrize(
    "address",
    [
        *(
            "tcp://192.0.2.7:8786",
            "tcp://0.0.0.0:8786",
            "tcp://far:8786",
            "tcp://[::]:8786",
            "far:8786",
            "127.0.0.1:8786",
        ),
        *("ws://127.0.0.1:8786", "ucx://127.0.0.1:8786", "tcp://127.0.0.1", "tls://:8786", "tcp://127.0.0.1:99999", ""),
        *("tcp://127.0.0.1@far:8786", "tcp://127.0.0.1:8786/x", "tcp://[::1:8786", "inproc://x:1"),
        *("tcp://127.0.0.1:8786?x=1", "tcp://127.0.0.1:8786#10", "tcp://@127.0.0.1:8786"),
    ],
)
def test_any_other_is_refused_in_a_sentence(address):
    with pytest.raises(
        ValueError, match=r"^--scheduler must be tcp://HOST:PORT with a host that is this machine .*; got"
    ):
        refuse_unsafe(address, "--scheduler")


def test_a_worker_that_listens_to_anybody_is_refused(machines, cluster, monkeypatch):
    told = {"tcp://127.0.0.1:4": {"listens": "tcp://0.0.0.0:4", "threads": 1, "alike": cluster_module.alike()}}
    asked, run = [], cluster._client.run

    def elsewhere(function, **options):
        asked.extend(run(function, **options).values())
        return told

    monkeypatch.setattr(cluster._client, "run", elsewhere)
    with pytest.raises(
        ValueError, match=r"its worker \S+: it listens on tcp://0.0.0.0:4 without TLS: start it with --host"
    ):
        cluster_module._refuse_unlike(cluster._client, "--scheduler", "tcp://127.0.0.1:3")
    assert {each["listens"] for each in asked} == set(machines.workers)  # so that is what a worker tells
    told["tcp://127.0.0.1:4"] |= {"listens": "tls://0.0.0.0:4", "threads": 4}
    with pytest.raises(ValueError, match=r"it trains 4 networks in one process: start it with --nthreads 1"):
        cluster_module._refuse_unlike(cluster._client, "--scheduler", "tcp://127.0.0.1:3")


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate with openssl")
def test_behind_tls_nobody_without_a_certificate_is_heard(tmp_path, monkeypatch):
    new = ("-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=toyviz", "-keyout", "key.pem", "-out", "cert.pem")
    subprocess.run(["openssl", "req", *new], cwd=tmp_path, check=True, capture_output=True)
    pem = tmp_path / "cluster.pem"
    pem.write_text((tmp_path / "cert.pem").read_text() + (tmp_path / "key.pem").read_text())
    of_docs = re.search(r"^distributed:\n(?:  .*\n)+", (ROOT / "docs/cluster.md").read_text(), re.MULTILINE)
    (tmp_path / "dask.yaml").write_text(of_docs.group().replace("/home/you/cluster.pem", str(pem)))
    with monkeypatch.context() as there:
        there.setenv("DASK_CONFIG", str(tmp_path / "dask.yaml"))
        machines = Machines(tmp_path, "--protocol", "tls")
    try:
        assert machines.address.startswith("tls://127.0.0.1:")
        with pytest.raises(ValueError, match="names no certificates of this client's: see docs"):
            Cluster(machines.address)
        monkeypatch.setattr(cluster_module, "PATIENCE", 0.5)
        with pytest.raises(ValueError, match="no scheduler answers as it should there"):
            Cluster(machines.address.replace("tls", "tcp"))
        command = [sys.executable, "-m", "toyviz", *SWEEP, "--backend", "dask", "--scheduler", machines.address]
        environment = os.environ | {"DASK_CONFIG": str(tmp_path / "dask.yaml")}
        let_in = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert let_in.stderr == f"--scheduler '{machines.address}' has no worker yet: start one, and try again\n"
    finally:
        machines.close()


def test_what_a_machine_is_sent_is_text_of_numbers_and_of_names_that_are_ours(cluster, monkeypatch):
    names = {name for choices in CHOICES.values() for name in choices}
    for setting in EXPERIMENTS.values():
        for value in json.loads(order(setting.quick))["experiment"].values():
            assert value is None or isinstance(value, bool | int | float) or value in names
    forged = TINY.with_(seed=5)
    object.__setattr__(forged, "arch", "__import__('os')")
    with pytest.raises(ValueError, match="arch must be one of"):
        order(forged)
    sent, submit = [], cluster._client.submit
    monkeypatch.setattr(cluster._client, "submit", lambda *a, **k: (sent.append((a, k)), submit(*a, **k))[1])
    cluster.start(TINY, lambda message, payload: None)
    (((function, text), options),) = sent
    assert function is cluster_module.train_packed
    assert type(text) is str
    assert options.keys() == {"key", "priority"}
    assert json.loads(text)["every"] == 0.5
    assert json.loads(order(TINY))["every"] is None  # nobody looks at one of a sweep


def test_a_machine_that_is_not_alike_is_refused_in_a_sentence(machines, cluster, monkeypatch):
    other = cluster_module.alike() | {"numba": "0.1"}
    monkeypatch.setattr(cluster_module, "alike", lambda: other)
    with pytest.raises(
        ValueError, match=r"^TOYVIZ_SCHEDULER .*: its worker tcp://.*: numba 0.1 is asked for, and .* there"
    ):
        Cluster(machines.address)
    ((_, sentence),) = cluster.outcomes([TINY.with_(seed=77)], "auto")  # one that joins later refuses by itself
    assert re.match(r"the worker tcp://\S+: numba 0\.1 is asked for, and .* is there", sentence)


def test_a_scheduler_that_is_not_there_is_told_in_a_sentence(monkeypatch, capfd):
    monkeypatch.setattr(cluster_module, "PATIENCE", 0.2)
    with pytest.raises(SystemExit) as refused:
        main([*SWEEP, "--backend", "dask", "--scheduler", "tcp://127.0.0.1:1"])
    assert refused.value.code == 2
    assert re.fullmatch(
        r"--scheduler 'tcp://127.0.0.1:1': no scheduler answers as it should there \(.*\)\n", capfd.readouterr().err
    )


def test_a_port_where_something_else_listens_keeps_nobody_waiting(monkeypatch):
    monkeypatch.setattr(cluster_module, "PATIENCE", 0.2)
    refused = pytest.raises(ValueError, match=r"no scheduler answers as it should there \(TimeoutError\)")
    with socket.create_server(("127.0.0.1", 0)) as mute, refused:  # the call is taken, and nothing is said
        Cluster(f"tcp://127.0.0.1:{mute.getsockname()[1]}")


def test_without_dask_a_sentence_says_what_to_install(monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SystemExit) as refused:
        main([*SWEEP, "--backend", "dask", "--scheduler", "tcp://127.0.0.1:1"])
    assert refused.value.code == 2
    told = "--scheduler needs the package distributed, which is not installed: see requirements-cluster.txt\n"
    assert capfd.readouterr().err == told


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--backend dask", "--backend dask needs --scheduler tcp://HOST:PORT or tls://HOST:PORT"),
        ("--scheduler tcp://127.0.0.1:8786", "--scheduler is for --backend dask alone"),
        (
            "--backend dask --scheduler tcp://127.0.0.1:8786 --jobs 2",
            "--jobs must be left out with --backend dask, whose workers are the jobs; got 2",
        ),
        (
            "--backend dask --scheduler tcp://127.0.0.1:8786 --device cuda",
            "--device must be cpu with --backend dask, whose workers choose their own; got 'cuda'",
        ),
    ],
)
def test_words_that_do_not_go_together_are_refused(words, sentence, capfd):
    with pytest.raises(SystemExit) as refused:
        main([*SWEEP, *words.split()])
    assert refused.value.code == 2
    assert capfd.readouterr().err == f"{sentence}\n"


def test_the_commands_in_the_docs_listen_on_this_machine_alone():
    text = (ROOT / "docs/cluster.md").read_text()
    commands = re.findall(
        r"^.venv/bin/python -m dask .*127\.0\.0\.1:8786.*|^.venv/bin/python -m dask scheduler --host.*", text, re.M
    )
    assert len(commands) == 2
    for command in commands:
        assert " ".join(SAFE[:2]) in command
        assert " ".join(SAFE[2:]) in command
