"""With ``database.seal`` no text of a call is in any file, and everything is read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.raw_http import exchange, request
from tests.support.scripted_upstream import ScriptedUpstream, Turn

MASTER_KEY = "kX8vQ2mZ7pL4tR9wB3nF6yH1cJ5dG0sA"
OTHER_KEY = "Qm4sT8zX1vB6nW3kR9pL2yD7hF5jC0gE"
CANARY = "canary of the sealed record 7c1e"


async def refuse(turn: Turn) -> None:
    """Say what was asked in an error, as some providers do."""
    error = {"error": {"message": f"{CANARY} cannot be answered", "type": "invalid_request_error", "code": "bad"}}
    await turn.answer(json.dumps(error).encode(), status=b"400 Bad Request")


@pytest.fixture
def dashcam(start_dashcam: Starter, upstream: ScriptedUpstream) -> RunningDashcam:
    upstream.scenario = refuse
    environment = {"DASHCAM_MASTER_KEY": MASTER_KEY, "DASHCAM_DATABASE__SEAL": "true"}
    return start_dashcam("--upstream", f"openai={upstream.url}/v1", environment=environment)


def files_with(text: str, *folders: Path) -> list[str]:
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [path.name for path in files if text.encode() in path.read_bytes()]


def ask(dashcam: RunningDashcam, text: str, model: str = "dashcam/echo") -> None:
    exchange(
        dashcam.port, request(json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode())
    )


def test_no_file_has_a_text_and_all_of_it_is_read_back(dashcam: RunningDashcam) -> None:
    ask(dashcam, CANARY)
    ask(dashcam, f"{CANARY} " * 40_000)
    ask(dashcam, CANARY, model="gpt-x")
    dashcam.settle()
    assert files_with(CANARY, dashcam.data_dir, dashcam.run_root) == []
    assert CANARY not in dashcam.log()
    rows = json.loads(dashcam.cli("logs", "--json").stdout)
    assert [row["input_preview"][: len(CANARY)] for row in rows] == [CANARY] * 3
    assert rows[-1]["error_message"] == f"{CANARY} cannot be answered"
    for row in rows:
        body = dashcam.cli("show", row["id"], "--raw", "--request").stdout
        assert CANARY.encode() in (body if isinstance(body, bytes) else body.encode())
    assert "database.seal" in str(dashcam.cli("search", "canary").stderr)
    dashcam.stop()
    assert files_with(CANARY, dashcam.data_dir, dashcam.run_root) == []


def test_what_was_there_is_sealed_while_it_runs_and_anew_with_another_key(
    start_dashcam: Starter, upstream: ScriptedUpstream
) -> None:
    upstream.scenario = refuse
    dashcam = start_dashcam("--upstream", f"openai={upstream.url}/v1", environment={"DASHCAM_MASTER_KEY": MASTER_KEY})
    ask(dashcam, CANARY)
    ask(dashcam, f"{CANARY} " * 2000)
    ask(dashcam, CANARY, model="gpt-x")
    dashcam.settle()
    assert len(json.loads(dashcam.cli("search", CANARY, "--json").stdout)) == 3
    dashcam.stop()
    dashcam.environment["DASHCAM_DATABASE__SEAL"] = "true"
    dashcam.start()
    dashcam.settle()
    said = json.loads(dashcam.cli("db", "reseal", "--json").stdout)
    assert said["sealed_rows"] > 3
    assert files_with(CANARY, dashcam.data_dir, dashcam.run_root) == []
    dashcam.stop()
    dashcam.environment["DASHCAM_MASTER_KEY"] = f"{OTHER_KEY},{MASTER_KEY}"
    dashcam.start()
    dashcam.settle()
    assert json.loads(dashcam.cli("db", "reseal", "--json").stdout)["sealed_rows"] > 3
    dashcam.stop()
    dashcam.environment["DASHCAM_MASTER_KEY"] = OTHER_KEY
    rows = json.loads(dashcam.cli("logs", "--json").stdout)
    assert [row["input_preview"][: len(CANARY)] for row in rows] == [CANARY] * 3
    assert files_with(CANARY, dashcam.data_dir, dashcam.run_root) == []
