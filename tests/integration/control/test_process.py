"""Control as a process on its socket: life, answers, problems, discovery."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest

from proxy.domain.identity import id_text
from proxy.domain.provider import Provider
from proxy.settings.snapshot import load, load_or_none
from proxy.settings.values import Settings
from proxy.store.reading.reader import Reader
from tests.support.control import LOOPBACK, RunningControl
from tests.support.spooling import SpoolingGateway, settings_in
from tests.support.waiting import wait_until

TOKEN = "dashcam_adm_" + "k3v9" * 8


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Socket paths are limited to about 100 bytes.
    with tempfile.TemporaryDirectory(prefix="dc-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def control(folder: Path) -> Iterator[RunningControl]:
    running = RunningControl(settings_in(folder))
    wait_until(running.answers, "control answers")
    wait_until(lambda: running.ledger()["is_open"], "the store is open")
    yield running
    assert running.end() == 0


def test_a_call_in_the_spool_is_stored_counted_and_announced(control: RunningControl) -> None:
    gateway = SpoolingGateway(control.settings)
    gateway.call()
    wait_until(lambda: control.ledger()["stored"] == 1, "the call is stored")
    ledger = control.ledger()
    assert (ledger["accepted"], ledger["pending"], ledger["balanced"]) == (1, 0, True)
    assert (ledger["mode"], ledger["last_error"]) == ("process", None)
    metrics = control.ask("/metrics")[2].decode()
    assert 'dashcam_tokens_total{model="gpt-4o-mini",provider="openai",type="input"} 11.0' in metrics
    assert "dashcam_stored_requests_total 1.0" in metrics
    wait_until(lambda: "First call recorded: gpt-4o-mini" in control.log.read_text(), "it is announced")
    gateway.die()


def test_a_database_that_is_removed_under_it_is_made_anew_and_no_call_goes_with_it() -> None:
    with tempfile.TemporaryDirectory(prefix="dc-") as name:
        control = RunningControl(settings_in(Path(name)))
        wait_until(control.answers, "control answers")
        wait_until(lambda: control.ledger()["is_open"], "the store is open")
        gateway = SpoolingGateway(control.settings)
        gateway.call()
        wait_until(lambda: control.ledger()["stored"] == 1, "the call is stored")
        for path in Path(control.settings.data_dir).glob("dashcam.db*"):
            path.unlink()
        last = gateway.call()
        # The first one is still in the spool, and comes back.
        wait_until(lambda: control.ledger()["stored"] == 2, "both calls are stored")
        reader = Reader(control.settings.database)
        assert reader.interaction(id_text(last))["outcome"] == "completed"
        reader.close()
        assert "dashcam_stored_requests_total 2.0" in control.ask("/metrics")[2].decode()
        gateway.die()
        assert control.end() == 0


def test_open_metrics_are_spoken_too(control: RunningControl) -> None:
    wanted = {**LOOPBACK, "accept": "application/openmetrics-text; version=1.0.0"}
    _, headers, body = control.ask("/metrics", headers=wanted)
    assert headers["content-type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/metrics/x", 404, "not_found"),
        ("POST", "/metrics", 405, "method_not_allowed"),
        ("DELETE", "/api/v1/recorder", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_served_is_a_problem(
    control: RunningControl, method: str, path: str, status: int, code: str
) -> None:
    found, headers, body = control.ask(path, method)
    assert (found, headers["content-type"]) == (status, "application/problem+json")
    assert orjson.loads(body)["code"] == code
    assert ("allow" in headers) == (status == 405)


def test_a_stranger_is_refused(control: RunningControl) -> None:
    assert control.ask("/metrics", headers={})[0] == 403
    assert control.ask("/healthz", headers={})[0] == 200


def test_the_socket_is_its_owners(control: RunningControl) -> None:
    assert stat.S_IMODE(control.settings.control_socket.stat().st_mode) == 0o600


def test_it_leaves_no_core_and_says_who_it_is(control: RunningControl) -> None:
    limits = Path(f"/proc/{control.process.pid}/limits").read_text()
    assert next(line for line in limits.split("\n") if "core" in line).split()[4:6] == ["0", "0"]
    assert b"proxy.control" in Path(f"/proc/{control.process.pid}/cmdline").read_bytes()


class TestLife:
    """Starts and ends, each with a folder of its own."""

    @pytest.fixture
    def settings(self) -> Iterator[Settings]:
        with tempfile.TemporaryDirectory(prefix="dc-") as name:
            yield settings_in(Path(name), admin_token_sha256=hashlib.sha256(TOKEN.encode()).hexdigest())

    def test_a_token_opens_and_nothing_else(self, settings: Settings) -> None:
        control = RunningControl(settings)
        wait_until(control.answers, "control answers")
        status, headers, _ = control.ask("/metrics")
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert control.ask("/metrics", headers={"authorization": f"Bearer {TOKEN}"})[0] == 200
        assert control.end() == 0

    @pytest.mark.parametrize("number", [signal.SIGTERM, None])
    def test_it_loads_what_is_there_and_leaves(self, settings: Settings, number: signal.Signals | None) -> None:
        control = RunningControl(settings)
        wait_until(control.answers, "control answers")
        gateway = SpoolingGateway(settings)
        for _ in range(10):
            gateway.call()
        gateway.die()
        if number is not None:
            os.kill(control.process.pid, number)
        assert control.end() == 0
        again = RunningControl(settings)
        token = {"authorization": f"Bearer {TOKEN}"}
        wait_until(again.answers, "control answers")
        stored = wait_until(lambda: orjson.loads(again.ask("/api/v1/recorder", headers=token)[2])["stored"], "stored")
        assert stored == 10
        assert again.end() == 0

    def test_two_at_once_load_one_after_the_other(self, settings: Settings) -> None:
        token = {"authorization": f"Bearer {TOKEN}"}
        old = RunningControl(settings)
        wait_until(old.answers, "control answers")
        wait_until(lambda: b'"open"' in old.ask("/healthz")[2], "the store is open")
        settings.control_socket.unlink()
        new = RunningControl(settings)
        wait_until(new.answers, "the second one answers")
        wait_until(lambda: b'"failing"' in new.ask("/healthz")[2], "the second one waits")
        gateway = SpoolingGateway(settings)
        for _ in range(10):
            gateway.call()
        waiting = orjson.loads(new.ask("/api/v1/recorder", headers=token)[2])
        assert "another control process" in waiting["last_error"]
        assert (waiting["accepted"], waiting["stored"], waiting["balanced"]) == (10, None, None)
        assert old.end() == 0
        wait_until(lambda: b'"open"' in new.ask("/healthz")[2], "the second one loads")
        gateway.die()
        wait_until(lambda: orjson.loads(new.ask("/api/v1/recorder", headers=token)[2])["pending"] == 0, "all is loaded")
        ledger = orjson.loads(new.ask("/api/v1/recorder", headers=token)[2])
        assert (ledger["accepted"], ledger["stored"], ledger["dropped"], ledger["balanced"]) == (10, 10, {}, True)
        assert new.end() == 0

    def test_a_database_that_is_none_is_told_and_waited_for(self, settings: Settings) -> None:
        path = settings.database.path
        path.parent.mkdir(parents=True)
        path.write_bytes(b"this is no database, and long enough to be told apart" * 100)
        token = {"authorization": f"Bearer {TOKEN}"}
        control = RunningControl(settings)
        wait_until(control.answers, "control answers")
        wait_until(lambda: b'"failing"' in control.ask("/healthz")[2], "the trouble is told")
        ledger = orjson.loads(control.ask("/api/v1/recorder", headers=token)[2])
        assert ledger["last_error"]
        assert b"dashcam_requests_total" not in control.ask("/metrics", headers=token)[2]
        path.unlink()
        wait_until(lambda: b'"open"' in control.ask("/healthz")[2], "the store is open")
        assert control.end() == 0


class ModelServer(ThreadingHTTPServer):
    """Answers ``/v1/models`` with ``names``; redirects while there are none."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ModelAnswers)
        self.names: list[str] = []
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class ModelAnswers(BaseHTTPRequestHandler):
    server: ModelServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = orjson.dumps({"data": [{"id": name} for name in self.server.names]})
        self.send_response(200 if self.server.names else 302)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_found_models_are_published_and_kept_over_a_restart() -> None:
    server = ModelServer()
    root = f"http://127.0.0.1:{server.server_address[1]}"
    provider = Provider(name="ollama", kind="ollama", base_url=f"{root}/v1", root_url=root)
    with tempfile.TemporaryDirectory(prefix="dc-") as name:
        settings = settings_in(Path(name), providers=(provider,))
        control = RunningControl(settings)
        wait_until(lambda: server.asked, "it asks")
        assert load(settings.snapshot_path).providers[0].models == ()
        server.names = ["llama3", "qwen3"]
        wait_until(
            lambda: load(settings.snapshot_path).providers[0].models == ("llama3", "qwen3"), "models are published"
        )
        first = load(settings.snapshot_path)
        assert control.end() == 0
        assert "/elsewhere" not in server.asked
        server.asked.clear()
        again = RunningControl(settings)
        wait_until(lambda: server.asked, "it asks again")
        wait_until(again.answers, "control answers")
        assert load_or_none(settings.snapshot_path) == first
        assert again.end() == 0
    server.shutdown()
    server.server_close()
