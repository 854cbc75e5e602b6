"""`dashcam serve` from the first byte to the last: readiness, exit codes, restarts, an orderly end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.supervisor import instance
from tests.acceptance.conftest import Starter
from tests.support import oracle as oracle_upstream
from tests.support.dashcam import Row, RunningDashcam
from tests.support.processes import children, free_port, is_alive, kill
from tests.support.raw_http import RawClient, exchange, request
from tests.support.waiting import wait_until


def chat(text: str, is_stream: bool = False, pieces: int = 3) -> bytes:
    return request(json.dumps(oracle_upstream.question(text, is_stream, pieces)).encode())


@pytest.fixture(scope="module")
def dashcam(start_dashcam: Starter, oracle: str) -> RunningDashcam:
    return start_dashcam("--upstream", f"openai={oracle}/v1", "--workers", "2")


def test_the_processes_are_told_apart_by_their_command_lines(dashcam: RunningDashcam) -> None:
    assert len(dashcam.pids("proxy.gateway")) == 2
    assert len(dashcam.pids("proxy.control")) == 1


def test_health_and_readiness_are_answered_without_control(dashcam: RunningDashcam) -> None:
    (control,) = dashcam.pids("proxy.control")
    os.kill(control, signal.SIGSTOP)
    try:
        assert dashcam.get("/healthz")[0] == 200
        assert dashcam.get("/readyz")[0] == 200
        assert exchange(dashcam.port, chat("control hangs")).status == 200
    finally:
        os.kill(control, signal.SIGCONT)
    assert dashcam.row(input_preview="control hangs")["outcome"] == "completed"


def test_the_banner_is_short_and_says_what_to_do(dashcam: RunningDashcam) -> None:
    wait_until(lambda: "Ctrl+C" in dashcam.log(), "the banner is there")
    said = dashcam.log()
    banner = said[: said.find("export OPENAI_BASE_URL") + 200]
    assert f"OPENAI_BASE_URL={dashcam.url}/v1" in said
    assert str(dashcam.database_path) in said
    assert banner.count("\n") <= 14


def test_a_second_instance_on_the_same_port_says_where_the_first_one_is(dashcam: RunningDashcam) -> None:
    """It was started without upstreams, and must not leave its own snapshot behind for the next gateway to load."""
    snapshot = (dashcam.data_dir / "snapshot.json").read_bytes()
    command = [sys.executable, "-m", "proxy", "serve", "--port", str(dashcam.port), "--data-dir", str(dashcam.data_dir)]
    second = subprocess.run(
        command, env=dashcam.environment, cwd=dashcam.folder, capture_output=True, text=True, timeout=30, check=False
    )
    assert second.returncode == 5
    assert dashcam.url in second.stdout + second.stderr
    assert (dashcam.data_dir / "snapshot.json").read_bytes() == snapshot


def test_whoever_waits_for_a_port_can_be_told_to_stop(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        fresh = RunningDashcam(tmp_path)
        command = [sys.executable, "-m", "proxy", "serve", "--port", str(taken.getsockname()[1])]
        with subprocess.Popen(command, cwd=tmp_path, env=fresh.environment, stderr=subprocess.PIPE) as waiting:
            assert waiting.stderr is not None
            assert b"waiting up to" in waiting.stderr.readline()
            waiting.send_signal(signal.SIGINT)
            assert (waiting.wait(20), waiting.stderr.read()) == (130, b"")
        fresh.close()


def test_a_second_instance_with_another_run_folder_changes_nothing_either(dashcam: RunningDashcam) -> None:
    """A service manager and a shell seldom agree on XDG_RUNTIME_DIR; the data folder is the same."""
    snapshot = (dashcam.data_dir / "snapshot.json").read_bytes()
    second = RunningDashcam(dashcam.folder)
    made = second.cli("serve", "--upstream", "http://127.0.0.1:9/v1")
    second.close()
    assert made.returncode == 5
    assert dashcam.url in made.stderr.decode()
    assert (dashcam.data_dir / "snapshot.json").read_bytes() == snapshot


def test_every_mistake_of_the_configuration_is_told_at_once_and_no_port_is_bound(dashcam: RunningDashcam) -> None:
    settings = dashcam.folder / "wrong.toml"
    settings.write_text('[server]\nport = "many"\ncolour = "blue"\n[recording]\nmode = "sometimes"\n')
    made = dashcam.cli("serve", "--config", str(settings))
    said = (made.stdout + made.stderr).decode()
    assert made.returncode == 4
    for word in ("wrong.toml", "port", "colour", "mode"):
        assert word in said


def test_another_address_than_loopback_needs_secrets(dashcam: RunningDashcam) -> None:
    made = dashcam.cli("serve", "--host", "0.0.0.0", "--port", "0")
    said = (made.stdout + made.stderr).decode()
    assert made.returncode == 4
    assert "DASHCAM_ADMIN_TOKEN" in said
    assert "DASHCAM_PROXY_KEYS" in said


def test_what_died_is_started_again(dashcam: RunningDashcam) -> None:
    before = dashcam.pids("proxy.gateway")
    dashcam.kill("proxy.gateway")
    wait_until(lambda: len(set(dashcam.pids("proxy.gateway")) - set(before)) == 2, "two new gateways")
    assert exchange(dashcam.port, chat("after the restart")).status == 200


def stop(leaving: RunningDashcam) -> int:
    return leaving.stop()


def hang_up(leaving: RunningDashcam) -> int:
    """Close the terminal: all its processes hear of it, and only the supervisor may act on it."""
    for pid in (*leaving.pids("proxy.gateway"), *leaving.pids("proxy.control"), leaving.pid):
        os.kill(pid, signal.SIGHUP)
    return leaving.wait()


@pytest.mark.parametrize("end", [stop, hang_up])
def test_an_orderly_end_lets_streams_finish_and_exits_0(
    start_dashcam: Starter, oracle: str, end: Callable[[RunningDashcam], int]
) -> None:
    leaving = start_dashcam("--upstream", f"openai={oracle}/v1")
    seen: list[bytes] = []
    with RawClient(leaving.port) as client:
        client.send(chat("still talking", is_stream=True, pieces=1500))

        def read() -> None:
            seen.append(client.read().body)

        reader = threading.Thread(target=read)
        reader.start()
        wait_until(lambda: leaving.samples()["dashcam_in_flight_requests"][frozenset()] == 1, "the stream is open")
        assert end(leaving) == 0
        reader.join(30)
    assert seen[0].endswith(b"data: [DONE]\n\n")
    assert leaving.query("select outcome from interaction") == [{"outcome": "completed"}]


def _is_taken_in(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionError:
        return False
    return True


def test_a_second_signal_ends_everything_at_once_and_the_call_is_on_record(start_dashcam: Starter, oracle: str) -> None:
    leaving = start_dashcam("--upstream", f"openai={oracle}/v1")
    with RawClient(leaving.port) as client:
        client.send(chat("cut short", is_stream=True, pieces=5000))
        wait_until(lambda: leaving.samples()["dashcam_in_flight_requests"][frozenset()] == 1, "the stream is open")
        leaving.signal(signal.SIGTERM)
        wait_until(lambda: "gateway_draining" in leaving.log(), "the first signal was heard")
        wait_until(lambda: not _is_taken_in(leaving.port), "new callers are refused at once")
        leaving.stop()
        assert not client.read().is_whole
    leaving.start()
    assert leaving.row(input_preview="cut short")["outcome"] == "interrupted"


def test_a_killed_supervisor_leaves_no_process_behind(start_dashcam: Starter, oracle: str) -> None:
    orphans = start_dashcam("--upstream", f"openai={oracle}/v1")
    below = children(orphans.pid)
    assert len(below) == 2
    kill(orphans.pid)
    wait_until(lambda: not any(is_alive(pid) for pid in below), "gateway and control have left")


def test_under_nohup_a_closed_terminal_is_no_matter(start_dashcam: Starter, oracle: str) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        dashcam = start_dashcam("--upstream", f"openai={oracle}/v1")
    finally:
        signal.signal(signal.SIGHUP, before)
    dashcam.signal(signal.SIGHUP)
    # Whatever the supervisor makes of a signal, it does before it starts anything again.
    (old,) = dashcam.kill("proxy.control")
    wait_until(lambda: dashcam.pids("proxy.control") not in ([], [old]), "control is started again")
    assert exchange(dashcam.port, chat("still there")).status == 200


def test_a_full_pipe_that_nobody_reads_holds_no_call_up(start_dashcam: Starter, oracle: str) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, b"x" * 65536):
            pass
    os.set_blocking(writing, True)
    try:
        unread = start_dashcam("--upstream", f"openai={oracle}/v1", output=writing)
        assert exchange(unread.port, chat("nobody listens")).status == 200
        assert unread.row(input_preview="nobody listens")["outcome"] == "completed"
        assert unread.stop() == 0
    finally:
        os.close(reading)
        os.close(writing)


def previews(dashcam: RunningDashcam, text: str) -> list[Row]:
    if not dashcam.database_path.exists():
        return []
    try:
        return dashcam.query("select 1 from interaction where input_preview = ?", text)
    except sqlite3.OperationalError:
        # The database is being made again.
        return []


def test_a_run_folder_that_was_cleaned_is_made_again(start_dashcam: Starter, oracle: str) -> None:
    """Files in /tmp that nobody has touched for days are removed on many systems; children still have to start."""
    dashcam = start_dashcam("--upstream", f"openai={oracle}/v1")
    (run_dir,) = (dashcam.run_root / "dashcam").iterdir()
    wait_until(lambda: dashcam.get("/api/v1/recorder")[0] == 200, "control is reached")
    instance.forget(dashcam.data_dir)
    wait_until(lambda: instance.find(dashcam.data_dir), "the supervisor has looked around since")
    shutil.rmtree(run_dir)
    (gateway,) = dashcam.pids("proxy.gateway")
    kill(gateway)
    wait_until(lambda: dashcam.pids("proxy.gateway") not in ([], [gateway]), "there is a new gateway")
    wait_until(dashcam.is_ready, "it serves")
    assert exchange(dashcam.port, chat("after")).status == 200
    wait_until(lambda: dashcam.get("/api/v1/recorder")[0] == 200, "control is reached again")
    assert dashcam.row(input_preview="after")["outcome"] == "completed"
    assert run_dir.stat().st_mode & 0o777 == 0o700


def test_a_snapshot_that_is_damaged_keeps_no_gateway_from_starting(start_dashcam: Starter, oracle: str) -> None:
    dashcam = start_dashcam("--upstream", f"openai={oracle}/v1")
    (gateway,), (control,) = dashcam.pids("proxy.gateway"), dashcam.pids("proxy.control")
    # It would publish a whole one as soon as it has something new.
    os.kill(control, signal.SIGSTOP)
    (dashcam.data_dir / "snapshot.json").write_bytes(b'{"format": 1, "revi')
    kill(gateway)
    wait_until(lambda: dashcam.pids("proxy.gateway") not in ([], [gateway]), "there is a new gateway")
    assert exchange(dashcam.port, chat("all the same")).status == 200
    assert "snapshot_refused" in dashcam.log()
    os.kill(control, signal.SIGCONT)


@pytest.mark.parametrize("part", ["spool", "."])
def test_a_removed_folder_is_made_again_and_calls_go_on(start_dashcam: Starter, oracle: str, part: str) -> None:
    dashcam = start_dashcam("--upstream", f"openai={oracle}/v1")
    assert exchange(dashcam.port, chat("before")).status == 200
    dashcam.settle()
    for path in (dashcam.data_dir / part).iterdir():
        # The database's own files beside it may go meanwhile by themselves.
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    wait_until(lambda: "spool_removed" in dashcam.log(), "the gateway has noticed")
    assert exchange(dashcam.port, chat("after")).status == 200
    wait_until(lambda: previews(dashcam, "after"), "the call after that is on record")
    (gateway,) = dashcam.pids("proxy.gateway")
    kill(gateway)
    wait_until(lambda: dashcam.pids("proxy.gateway") not in ([], [gateway]), "there is a new gateway")
    assert exchange(dashcam.port, chat("later")).status == 200
    wait_until(lambda: previews(dashcam, "later"), "so is one of the next gateway")
    wait_until(lambda: instance.find(dashcam.data_dir), "the folder is marked as served again")
    assert f"already serves {dashcam.data_dir}".encode() in dashcam.cli("serve", "--port", str(free_port())).stderr
