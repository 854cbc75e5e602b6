"""A text that was erased is in no file of the data folder: not in the database, its log, the spool, or beside them."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import openai
import pytest

from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.scenarios import JSON, impatient
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.waiting import wait_until

CANARY = "the canary sings at dawn"
ANSWER = {
    "id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": CANARY}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}  # fmt: skip


async def answer(turn: Turn) -> None:
    await turn.answer(json.dumps(ANSWER).encode(), JSON)


@pytest.fixture
def dashcam(
    start_dashcam: Starter, upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> RunningDashcam:
    upstream.scenario = answer
    return start_dashcam(*impatient(tmp_path_factory.mktemp("settings"), upstream))


def files_with(folder: Path, text: str) -> list[str]:
    """Return the files that hold a text; of what is compressed nobody can tell, so calls here are small or plain."""
    found = [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
    return sorted(str(path.relative_to(folder)) for path in found)


def ask(dashcam: RunningDashcam, user: str, text: str) -> None:
    with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key="sk-real-key", max_retries=0) as client:
        client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": text}], extra_headers={"x-dashcam-user": user}
        )


def test_a_purged_text_is_in_no_file(dashcam: RunningDashcam) -> None:
    for number in range(3):
        ask(dashcam, "kim", f"{CANARY} {number}")
    # Cut into slices: random text is not compressed, and lies there as it is.
    ask(dashcam, "kim", f"{CANARY} {secrets.token_hex(6000)}")
    ask(dashcam, "lee", "good morning")
    dashcam.settle()
    assert files_with(dashcam.data_dir, CANARY)
    ledger = dashcam.ledger()
    purged = dashcam.cli("purge", "--user", "kim", "--yes", "--json")
    assert purged.returncode == 0, purged.stderr
    assert json.loads(purged.stdout)["calls"] == 4
    assert dashcam.query("select count(*) as calls from interaction where user_id = 'kim'") == [{"calls": 0}]
    # Its own answer has it, too: the other call is redacted.
    assert dashcam.cli("redact", "last", "--yes").returncode == 0
    wait_until(lambda: files_with(dashcam.data_dir, CANARY) == [], "the text is in no file", seconds=15)
    after = dashcam.ledger()
    assert (after["accepted"], after["stored"], after["balanced"]) == (ledger["accepted"], ledger["stored"], True)
    assert dashcam.cli("db", "check").returncode == 0


def test_a_call_is_kept_no_longer_than_its_caller_lets_it(dashcam: RunningDashcam) -> None:
    with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key="sk-real-key", max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o", messages=[{"role": "user", "content": "hi"}], extra_headers={"x-dashcam-retention": "1s"}
        )
    assert "retention" not in raw.headers.get("x-dashcam-warning", "")
    dashcam.settle()

    def is_gone() -> bool:
        told = dashcam.cli("prune", "--json")
        assert told.returncode == 0, told.stderr
        return dashcam.query("select count(*) as calls from interaction") == [{"calls": 0}]

    wait_until(is_gone, "its span is over", seconds=20)
