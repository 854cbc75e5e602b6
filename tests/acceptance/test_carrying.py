"""Calls carried from one Dashcam to another while that one records: each once, also when its control is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.conftest import Starter
from tests.support import oracle as oracle_of
from tests.support.dashcam import RunningDashcam
from tests.support.rollups import assert_rollups_equal_the_rows

CALLS = 30


def make_calls(dashcam: RunningDashcam, count: int, app: str) -> None:
    with httpx2.Client(base_url=dashcam.url, timeout=30, headers={"x-dashcam-app": app}) as client:
        for number in range(count):
            asked = oracle_of.question(f"{app}-{number}", is_stream=bool(number % 3), pieces=4)
            answer = client.post("/v1/chat/completions", json=asked, headers={"authorization": "Bearer sk-x"})
            assert answer.status_code == 200


@pytest.fixture
def exported(start_dashcam: Starter, oracle: str, tmp_path: Path) -> Path:
    source = start_dashcam("--upstream", f"openai={oracle}/v1")
    make_calls(source, CALLS, "carried")
    source.settle()
    path = tmp_path / "calls.jsonl"
    said = source.cli("export", "--content", "--to", str(path))
    assert said.returncode == 0, said.stderr
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == CALLS
    return path


def test_each_call_arrives_once_and_the_account_balances(
    start_dashcam: Starter, oracle: str, exported: Path, tmp_path: Path
) -> None:
    target = start_dashcam("--upstream", f"openai={oracle}/v1")
    make_calls(target, 5, "own")
    target.settle()
    environment = {**target.environment, "DASHCAM_DATA_DIR": str(target.data_dir)}
    command = [sys.executable, "-m", "proxy", "import", "-"]
    with subprocess.Popen(
        command, cwd=target.folder, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(exported.read_bytes())
        process.stdin.flush()
        target.kill("proxy.control")
        process.stdin.close()
        said = process.stderr.read().decode()
    assert (process.returncode, f"{CALLS} calls: {CALLS} stored, 0 there already" in said) == (0, True), said
    make_calls(target, 5, "own")
    target.settle()
    ledger = target.ledger()
    assert (ledger["accepted"], ledger["stored"], ledger["balanced"]) == (10, 10, True)
    assert target.query("SELECT app, count(*) AS calls FROM interaction GROUP BY app ORDER BY app") == [
        {"app": "carried", "calls": CALLS}, {"app": "own", "calls": 10},
    ]  # fmt: skip
    assert_rollups_equal_the_rows(target.database)
    again = target.cli("import", str(exported))
    assert f"{CALLS} calls: 0 stored, {CALLS} there already" in again.stderr.decode()
    back = tmp_path / "back.jsonl"
    assert target.cli("export", "app:carried", "--content", "--to", str(back)).returncode == 0
    assert back.read_bytes() == exported.read_bytes()
    stored = sum(target.samples()["dashcam_stored_requests_total"].values())
    assert stored == 10, "counters are of calls that were accepted here"
