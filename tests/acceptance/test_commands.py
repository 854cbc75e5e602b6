"""``dashcam try`` and ``dashcam run`` as they are typed for the first time: nothing runs, and there is no database."""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dashcam import RunningDashcam
from tests.support.processes import free_port

DEFAULT_PORT = 8484
CALL = """
import json, os, urllib.request
asked = {"model": "dashcam/echo", "messages": [{"role": "user", "content": "from a child"}]}
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
urllib.request.urlopen(urllib.request.Request(url, json.dumps(asked).encode(), {"content-type": "application/json"}))
raise SystemExit(3)
"""


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[RunningDashcam]:
    """An instance that nobody has started."""
    dashcam = RunningDashcam(tmp_path, environment={"DASHCAM_PORT": str(free_port())})
    yield dashcam
    dashcam.close()


def said(made: subprocess.CompletedProcess[bytes]) -> str:
    return made.stderr.decode()


def test_try_proves_the_chain_with_nothing_there(fresh: RunningDashcam) -> None:
    made = fresh.cli("try")
    assert made.returncode == 0, said(made)
    assert "please record this call" in made.stdout.decode()
    assert "On record: " in said(made)
    assert fresh.query("select model, outcome, is_stream from interaction") == [
        {"model": "dashcam/echo", "outcome": "completed", "is_stream": 1}
    ]


@pytest.mark.parametrize("name", ["proxy.py", "orjson.py", "select.py"])
def test_an_applications_own_modules_are_not_run_as_ours(fresh: RunningDashcam, name: str) -> None:
    (fresh.folder / name).write_text("raise SystemExit('the application was run')")
    command = [str(Path(sys.executable).with_name("dashcam")), "try"]
    made = subprocess.run(command, cwd=fresh.folder, env=fresh.environment, capture_output=True, timeout=60)
    assert made.returncode == 0, said(made)


def test_try_needs_no_certain_port(tmp_path: Path) -> None:
    """Whoever has the default one: nobody has been told that address."""
    fresh = RunningDashcam(tmp_path)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", DEFAULT_PORT)))
        made = fresh.cli("try")
    fresh.close()
    assert made.returncode == 0, said(made)


def test_a_port_that_was_chosen_and_is_taken_is_told_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fresh = RunningDashcam(tmp_path, environment={"DASHCAM_PORT": str(port)})
        made = fresh.cli("try")
        fresh.close()
    assert made.returncode == 5
    assert f"did not start: port {port} is taken by another program. Stop it, or choose" in said(made)


def test_a_port_that_another_dashcam_has_is_told_with_its_data_folder(tmp_path: Path) -> None:
    one = RunningDashcam(tmp_path / "one")
    one.folder.mkdir()
    with contextlib.closing(one.start()):
        other = {**one.environment, "DASHCAM_DATA_DIR": str(tmp_path / "two"), "DASHCAM_PORT": str(one.port)}
        command = [sys.executable, "-m", "proxy", "try"]
        made = subprocess.run(command, cwd=one.folder, env=other, capture_output=True, timeout=60, check=False)
    assert made.returncode == 5
    assert f"port {one.port} is taken by another Dashcam, which serves {one.data_dir}." in said(made)


def test_an_upstream_that_is_ourselves_is_refused_before_anything_listens(fresh: RunningDashcam) -> None:
    own = f"http://localhost:{fresh.environment['DASHCAM_PORT']}/v1"
    made = fresh.cli("serve", "--upstream", own)
    assert made.returncode == 4
    assert "is this Dashcam's own address" in said(made)
    assert not (fresh.data_dir / "instance.lock").exists()


def test_what_try_prints_into_a_file_is_whole_lines(fresh: RunningDashcam) -> None:
    assert fresh.cli("try").stdout.decode().endswith("say it back to me.\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_ends_run_ends_the_program_and_the_proxy_too(fresh: RunningDashcam, number: int) -> None:
    command = [sys.executable, "-m", "proxy", "run", "--", "sh", "-c", "echo ready; exec sleep 60"]
    running = subprocess.Popen(command, cwd=fresh.folder, env=fresh.environment, stdout=subprocess.PIPE)
    assert running.stdout is not None
    with running.stdout as output:
        assert output.readline() == b"ready\n"
        running.send_signal(number)
        assert running.wait(30) == 128 + number
    assert not (Path(fresh.cli("db", "path").stdout.decode()).parent / "instance.json").exists()


def test_run_starts_the_proxy_hands_its_address_on_and_sums_up(fresh: RunningDashcam) -> None:
    made = fresh.cli("run", "--", sys.executable, "-c", CALL)
    assert made.returncode == 3, said(made)
    assert "dashcam: 1 call, 0 not completed" in said(made)
    assert json.loads(fresh.cli("logs", "--json").stdout)[0]["input_preview"] == "from a child"


def test_run_says_so_where_no_call_came_and_where_calls_may_be_another_programs(fresh: RunningDashcam) -> None:
    fresh.start()
    silent = fresh.cli("run", "--", sys.executable, "-c", "")
    made = fresh.cli("run", "--", sys.executable, "-c", CALL)
    assert f"no call came to {fresh.url}/v1" in said(silent)
    assert "dashcam: 1 call meanwhile, of every program that uses this Dashcam, 0 not completed" in said(made)


def test_try_shows_a_proxy_key_where_one_is_wanted_and_known(tmp_path: Path) -> None:
    environment = {"DASHCAM_PORT": str(free_port()), "DASHCAM_PROXY_KEYS": secrets.token_hex(32)}
    guarded = RunningDashcam(tmp_path, environment=environment)
    try:
        made = guarded.cli("try")
        assert made.returncode == 0, said(made)
        guarded.start()
        del guarded.environment["DASHCAM_PROXY_KEYS"]
        refused = guarded.cli("try")
    finally:
        guarded.close()
    assert refused.returncode == 6
    assert "wants one of its proxy keys" in said(refused)
    assert environment["DASHCAM_PROXY_KEYS"] not in said(refused)


def test_the_recorder_is_asked_with_the_admin_token_that_is_known(tmp_path: Path) -> None:
    token = secrets.token_hex(32)
    guarded = RunningDashcam(tmp_path, environment={"DASHCAM_ADMIN_TOKEN": token})
    try:
        guarded.start()
        guarded.ledger()
        known = guarded.cli("doctor")
        del guarded.environment["DASHCAM_ADMIN_TOKEN"]
        unknown = guarded.cli("doctor")
    finally:
        guarded.close()
    assert "0 of 0 calls stored" in known.stdout.decode()
    assert "answers to the admin token only" in unknown.stdout.decode()
    assert token not in known.stdout.decode() + said(known)


def test_the_doctor_tells_whom_the_running_instance_asks(tmp_path: Path) -> None:
    dashcam = RunningDashcam(tmp_path, "--upstream", "ollama=http://127.0.0.1:9/v1")
    try:
        told = dashcam.start().cli("doctor").stdout.decode()
    finally:
        dashcam.close()
    assert "provider ollama" in told
    assert "api.openai.com" not in told


def test_what_a_killed_instance_wrote_leads_to_nobody_else(tmp_path: Path) -> None:
    """Its port may be another Dashcam's by now, whose rows lie elsewhere."""
    killed, other = (RunningDashcam(tmp_path / name, environment={"DASHCAM_PORT": str(free_port())}) for name in "ab")
    for dashcam in (killed, other):
        dashcam.folder.mkdir()
    other.port, other.url = killed.port, killed.url
    try:
        killed.start().kill_everything()
        other.start()
        made = killed.cli("try")
    finally:
        other.close()
        killed.close()
    assert made.returncode == 0, said(made)
    assert len(killed.query("select id from interaction")) == 1
