"""A running Dashcam is found by what it wrote and answers; one that was started for a while never stays behind."""

from __future__ import annotations

import _thread
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from proxy.cli.instance import TemporaryInstance, fetch, find, is_ready, wait_until_recorded
from proxy.cli.serve import prepare
from proxy.errors import ConfigurationError, UnreachableError
from proxy.settings.values import ServerSettings, Settings
from proxy.supervisor import instance
from tests.support.processes import ROOT, free_port, is_alive
from tests.support.waiting import wait_until


class Answering(ThreadingHTTPServer):
    """Answers each GET with the next status and body of a list; the last one stays. ``asked`` are the paths."""

    daemon_threads = True

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, body = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        if not status:
            self.wfile.write(body)
            return
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


Serve = Callable[..., Answering]


@contextlib.contextmanager
def answering(*answers: tuple[int, bytes]) -> Iterator[Answering]:
    with Answering(*answers) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def serve() -> Iterator[Serve]:
    with contextlib.ExitStack() as servers:
        yield lambda *answers: servers.enter_context(answering(*answers))


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    # A socket's path may have a hundred characters; a test's own folder can be longer.
    with tempfile.TemporaryDirectory() as run_dir:
        server = ServerSettings(port=free_port())
        (tmp_path / "data").mkdir()
        yield Settings(data_dir=str(tmp_path / "data"), run_dir=run_dir, server=server)


@contextlib.contextmanager
def running(data_dir: Path, **values: object) -> Iterator[None]:
    """Hold a data folder as an instance does that wrote this about itself."""
    descriptor = instance.lock(data_dir)
    assert descriptor is not None
    instance.announce(data_dir, values)
    yield
    os.close(descriptor)


Says = Callable[..., None]


@pytest.fixture
def says(settings: Settings) -> Iterator[Says]:
    with contextlib.ExitStack() as instances:
        yield lambda **values: instances.enter_context(running(Path(settings.data_dir), **values))


def ledger(pending: int, is_open: bool = True) -> tuple[int, bytes]:
    return 200, json.dumps({"pending": pending, "is_open": is_open}).encode()


def test_nobody_is_found_where_nobody_wrote_or_answers(settings: Settings, says: Says) -> None:
    assert find(settings) is None
    says(url=f"http://127.0.0.1:{free_port()}", pid=1)
    assert find(settings) is None


@pytest.mark.parametrize("url", [None, 5, "", "nonsense", "http://[", ["http://127.0.0.1"]])
def test_a_file_with_nonsense_is_nobody(settings: Settings, says: Says, url: object) -> None:
    says(url=url)
    assert find(settings) is None


def test_who_says_to_be_ready_is_found(settings: Settings, serve: Serve, says: Says) -> None:
    server = serve((503, b"starting"), (200, b""))
    says(url=server.url)
    assert find(settings) is None
    assert find(settings) == server.url
    assert server.asked == ["/readyz", "/readyz"]


def test_who_does_not_speak_http_is_not_ready(serve: Serve) -> None:
    server = serve((0, b"220 mail.example.org ESMTP\r\n"))
    assert not is_ready(server.url)
    with pytest.raises(ConnectionError, match="does not speak HTTP"):
        fetch(server.url, 5.0)


def test_our_own_address_is_never_asked_through_a_proxy(serve: Serve) -> None:
    """In a process of its own: what the environment says of proxies may be read when a module is imported."""
    proxy = f"http://127.0.0.1:{free_port()}"
    environment = {**os.environ, "http_proxy": proxy, "HTTP_PROXY": proxy, "no_proxy": "", "NO_PROXY": ""}
    asking = f"from proxy.cli.instance import is_ready; raise SystemExit(not is_ready({serve((200, b'')).url!r}))"
    command = [sys.executable, "-c", asking]
    assert subprocess.run(command, env=environment, cwd=ROOT, timeout=60, check=False).returncode == 0


def test_the_recorder_is_asked_until_nothing_is_pending_also_while_it_starts(serve: Serve) -> None:
    server = serve((503, b""), ledger(0, is_open=False), ledger(2), ledger(1), ledger(0))
    wait_until_recorded(server.url)
    assert server.asked == ["/api/v1/recorder"] * 5


@pytest.mark.parametrize("answer", [(401, b""), (403, b""), (200, b"not JSON"), (200, b"[]"), (200, b"{}")])
def test_a_recorder_that_will_not_tell_is_asked_once(serve: Serve, answer: tuple[int, bytes]) -> None:
    server = serve(answer)
    wait_until_recorded(server.url)
    assert len(server.asked) == 1


def test_a_running_instance_is_used_and_left_running(settings: Settings, serve: Serve, says: Says) -> None:
    server = serve((200, b""))
    says(url=server.url)
    with TemporaryInstance(settings) as url:
        assert url == server.url
    assert is_ready(server.url)
    assert not (Path(settings.run_dir) / "supervisor.log").exists()


def test_why_it_did_not_start_is_told(tmp_path: Path, settings: Settings) -> None:
    elsewhere = ServerSettings(host="192.0.2.1", port=settings.server.port)
    wrong = Settings(data_dir=str(tmp_path / "data"), run_dir=settings.run_dir, server=elsewhere)
    with pytest.raises(UnreachableError, match=r"did not start: cannot listen at 192\.0\.2\.1") as caught:
        TemporaryInstance(wrong).__enter__()
    assert caught.value.hint == "dashcam doctor"


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """A shell starts what runs in its background deaf to Ctrl+C, and children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_while_it_starts_leaves_no_process_behind(settings: Settings) -> None:
    folder, seen = Path(settings.data_dir), list[object]()

    def interrupt() -> None:
        seen.append(wait_until(lambda: instance.find(folder) or {}, "it has written who it is")["pid"])
        _thread.interrupt_main()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt), TemporaryInstance(settings):
        threading.Event().wait(20)
    thread.join()
    (pid,) = seen
    assert isinstance(pid, int)
    assert not is_alive(pid)


def test_a_folder_that_takes_no_file_is_told_with_the_way_out(settings: Settings) -> None:
    (Path(settings.run_dir) / f".settings.json.{os.getpid()}").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"settings\.json\.\d+ cannot be written: Is a directory") as caught:
        prepare(settings)
    assert "--data-dir" in str(caught.value.hint)
