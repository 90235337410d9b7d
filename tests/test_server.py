"""The server as its visitors meet it: its life, who may connect, and that nothing one of them sends touches another."""

import ast
import contextlib
import importlib.metadata
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import streamlit as st
from conftest import app_at, in_a_loop, serve
from pandas.compat._optional import VERSIONS
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.testing.v1 import AppTest
from websockets.sync.client import connect

from toyviz import runtime
from toyviz.ui import door

ROOT = Path(__file__).parents[1]
LONG = "n_samples=5000&n_features=1000&seeds=1&weight_decay=0.001&T=5000"  # a training of many seconds
PATIENCE = 600  # seconds for a message that has to come: none of these tests measures a time


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server as `streamlit run app.py` starts it, with an empty cache."""
    with serve(tmp_path_factory.mktemp("server")) as served:
        yield served


class Browser:
    """A visitor who speaks Streamlit's own protocol."""

    def __init__(self, connection):
        self.socket = connection

    def send(self, **message):
        self.socket.send(BackMsg(**message).SerializeToString())

    def hear(self):
        message = ForwardMsg()
        message.ParseFromString(self.socket.recv(timeout=PATIENCE))
        return message

    def open(self, page, address):
        """What a page says when it is opened or opened again: its texts, and what its own parts are told."""
        self.send(rerun_script={"page_name": page, "query_string": address})
        said = []
        while True:
            message = self.hear()
            if message.HasField("delta"):
                element = message.delta.new_element
                said.append(element.markdown.body or element.bidi_component.json)
            if message.WhichOneof("type") == "script_finished" and not message.script_finished:
                return "\n".join(said)

    def step_of_training(self):
        """The step at which the training of LONG is, as the clock of its page is told; 0 before it begins."""
        (told,) = re.findall(r'^{"steps": \[(\d+)\], .*"live": true', self.open("double_descent", LONG), re.M)
        return int(told)


@contextlib.contextmanager
def visiting(server):
    stream = server.address.replace("http://", "ws://") + "/_stcore/stream"
    with connect(stream, origin=server.address, subprotocols=["streamlit"], max_size=None) as connection:
        yield Browser(connection)


def children(process):
    """The process ids of a server's workers."""
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return sorted(map(int, found.stdout.split()))


# who may connect


def knock(server, host=None, origin=None):
    """The status of the answer to a browser that asks for a websocket under this name, from a page of this origin."""
    at = urlsplit(server.address)
    lines = [
        "GET /_stcore/stream HTTP/1.1",
        f"Host: {host or at.netloc}",
        *([f"Origin: {origin}"] if origin else []),
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ]
    with socket.create_connection((at.hostname, at.port), timeout=PATIENCE) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(line.makefile("rb").readline().split()[1])


def test_a_browser_connects_under_the_name_and_from_the_page_of_the_app_alone(server):
    own = server.address
    assert knock(server, origin=own) == 101
    assert knock(server) == 101  # a program, which has no page
    assert knock(server, host=f"localhost:{urlsplit(own).port}") == 101
    assert knock(server, host="evil.example", origin="http://evil.example") == 403
    assert knock(server, host="evil.example") == 403
    assert knock(server, origin="http://evil.example") == 403
    assert knock(server, origin="null") == 403
    assert knock(server, origin="http://[::1") == 403  # no address at all
    assert knock(server, origin=own.replace("http://", "http://evil.example@")) == 403


def status(url):
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_what_the_app_does_not_need_is_not_there(server):
    assert status(f"{server.address}/_stcore/health") == 200
    for path in ("metrics", "metrics/", "%6Detrics", "agent/openapi.json", "upload_file/session/file"):
        assert status(f"{server.address}/_stcore/{path}") == 404, path


def test_the_address_that_is_printed_is_the_one_that_listens(server):
    at = urlsplit(server.address)
    assert at.hostname == "127.0.0.1"
    socket.create_connection((at.hostname, at.port), timeout=PATIENCE).close()
    assert 'address = "127.0.0.1"' in (ROOT / ".streamlit/config.toml").read_text(encoding="utf-8")


def own_address():
    """This machine's address in its network, or the one that every machine has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket, contextlib.suppress(OSError):
        any_socket.connect(("192.0.2.1", 1))  # sends nothing
        return any_socket.getsockname()[0]
    return "127.0.0.1"


def test_the_line_of_the_readme_that_lets_a_class_in_does(tmp_path):
    (words,) = re.findall(r'`make run ARGS="(.+192\.0\.2\.7)"`', (ROOT / "docs/server.md").read_text(encoding="utf-8"))
    here = own_address()
    words = [*words.replace("192.0.2.7", here).split(), "--server.allowedHosts=class.example"]
    with serve(tmp_path, *words) as server:
        assert urlsplit(server.address).hostname == here
        assert knock(server, host="class.example", origin="http://class.example") == 101
        assert knock(server, origin=server.address) == 101
        assert knock(server, host="localhost") == 403
        assert knock(server, host="evil.example", origin="http://evil.example") == 403


# what a browser may say


def test_nothing_that_one_browser_sends_touches_the_training_of_another(server):
    with visiting(server) as one, visiting(server) as other:
        other.open("how_much_fits", "")
        while not (step := one.step_of_training()):
            time.sleep(1)  # leave the processor to the worker
        workers = children(server.process)
        assert workers
        for message in ("clear_cache", "debug_shutdown_runtime", "set_run_on_save", "load_git_info", "stop_script"):
            other.send(**{message: True})
        other.send(file_urls_request={"request_id": "1", "file_names": ["a"]})
        other.send(debug_disconnect_websocket=True)
        assert other.open("how_much_fits", "")  # all of it has been heard
        assert one.step_of_training() >= step
        assert children(server.process) == workers


def test_of_everything_that_the_protocol_has_a_visitors_own_affairs_are_heard_alone(monkeypatch):
    gone = []
    monkeypatch.setattr(runtime, "tell_who_has_gone", lambda: gone.append(True))
    kinds = [field.name for field in BackMsg.DESCRIPTOR.fields]
    assert {"clear_cache", "debug_shutdown_runtime"} < set(kinds)
    sent = [BackMsg() for _ in kinds]
    for message, kind in zip(sent, kinds, strict=True):
        field = message.DESCRIPTOR.fields_by_name[kind]
        getattr(message, kind).SetInParent() if field.message_type else setattr(message, kind, True)
        assert message.WhichOneof("type") == kind
    messages = [{"type": "websocket.receive", "bytes": each.SerializeToString()} for each in sent]
    messages += [{"type": "websocket.receive", "bytes": b"\xff"}, {"type": "websocket.disconnect"}]
    heard = []

    async def app(scope, receive, send):
        while (message := await receive())["type"] != "websocket.disconnect":
            heard.append(door._kind(message["bytes"]))
        assert not gone

    async def receive():
        return messages.pop(0)

    in_a_loop(door.Door(app)({"type": "websocket", "headers": []}, receive, None))
    assert heard == ["stop_script", "rerun_script", "app_heartbeat", "backend_operation_request", None]
    assert gone == [True]


def test_the_queue_is_told_of_sessions_that_have_ended_and_of_no_other(monkeypatch):
    left = []

    class Queue:
        def leave(self, visitor):
            left.append(visitor)

    class Sessions:
        def is_active_session(self, name):
            return name == "here"

    monkeypatch.setattr(runtime, "_visitors", {"here", "gone"})
    monkeypatch.setattr(runtime, "jobs", Queue)
    monkeypatch.setattr(runtime.streamlit_runtime, "get_instance", Sessions)
    runtime.tell_who_has_gone()
    runtime.tell_who_has_gone()
    assert left == ["gone"]


# one store, one queue, and their life


@pytest.fixture
def afresh(monkeypatch):
    """A process that has neither store nor queue yet."""
    for name in ("_store", "_jobs"):
        monkeypatch.setattr(runtime, name, None)
    yield
    runtime.close()


def test_all_visitors_share_one_store_and_one_queue_whatever_caches_are_cleared(afresh):
    def script():
        import streamlit as st

        from toyviz import runtime

        st.session_state.seen = (runtime.store(), runtime.jobs(), runtime.visitor())

    one, other = [AppTest.from_function(script, default_timeout=60).run() for _ in range(2)]
    assert not one.exception
    store, jobs, visitor = one.session_state.seen
    assert other.session_state.seen[:2] == (store, jobs)
    assert jobs.store is store
    workers = jobs.pids()
    st.cache_resource.clear()
    assert one.run().session_state.seen == (store, jobs, visitor)
    assert set(workers) <= set(jobs.pids())
    runtime.close()
    assert jobs.pids() == []
    assert runtime.jobs() is jobs  # what a page still asks of it, it refuses


def test_visitors_who_come_at_once_get_the_same_queue(afresh):
    came, found = threading.Barrier(8), []

    def come():
        came.wait()
        found.append(runtime.jobs())

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def test_workers_come_and_go_with_the_server(tmp_path):
    with serve(tmp_path) as server:
        while not (workers := children(server.process)):  # nobody has visited it
            time.sleep(0.1)
    alive = subprocess.run(["ps", "-p", ",".join(map(str, workers)), "-o", "args="], capture_output=True, text=True)
    assert "toyviz.worker" not in alive.stdout


def test_where_few_files_may_be_open_the_server_asks_for_more():
    """Each of the last 128 sessions that have gone holds three, and some systems allow 256 in all."""
    resource = pytest.importorskip("resource")
    code = (
        "import resource; hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)); "
        "from toyviz import runtime; runtime.allow_many_files(); print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    soft, hard = map(int, done.stdout.split())
    assert soft == (min(runtime.OPEN_FILES, hard) if hard != resource.RLIM_INFINITY else runtime.OPEN_FILES)


# what is served


def test_the_app_serves_the_script_of_the_menu_and_streamlit_finds_it():
    from streamlit.web.server.app_discovery import discover_asgi_app

    assert discover_asgi_app(ROOT / "app.py").import_string == "app:app"
    tree = ast.parse((ROOT / "app.py").read_text(encoding="utf-8"))
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert "toyviz/ui/main.py" in strings
    assert app_at().run().title[0].value == "toyviz"


def test_no_neighbour_of_the_menus_script_can_be_taken_for_another_module():
    """Its folder goes to the front of sys.path; a folder named bottleneck there was once an extra of pandas."""
    folder = ROOT / "toyviz/ui"
    neighbours = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    neighbours -= {"__init__", "__pycache__"}
    others = {*sys.stdlib_module_names, *importlib.metadata.packages_distributions(), *VERSIONS, "toyviz", "app"}
    assert {"main", "door"} <= neighbours
    assert "bottleneck" in others
    assert neighbours & others == set()
    assert not (folder / "pages").exists()  # or Streamlit's own menu comes back, and a wrong "Page not found"
