"""What the record answers while Dashcam runs: over the API as a browser or a program asks, and at the command line."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import openai
import pytest

from tests.acceptance.conftest import Starter
from tests.support.administrator import do, tell
from tests.support.dashcam import RunningDashcam

OWN = "5f1d7a52-0f7e-4d55-9d5b-3b1f0c2a7e11"


@pytest.fixture(scope="module")
def asked(start_dashcam: Starter) -> RunningDashcam:
    """A Dashcam that was told what somebody thinks of a call before that was made, and then called three times."""
    dashcam = start_dashcam("--upstream", "openai=http://127.0.0.1:9/v1")
    dashcam.settle()
    status, told = tell(dashcam, "POST", "feedback", {"interaction_id": OWN, "value": True})
    assert (status, told["is_pending"]) == (201, True)
    with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key="sk-real-key", max_retries=0) as client:
        for text, headers in (
            ("I want a refund", {"x-dashcam-id": OWN, "x-dashcam-user": "kim", "x-dashcam-session": "chat/1"}),
            ("What a day", {"x-dashcam-session": "chat/1", "x-dashcam-meta-Team": "eu"}),
        ):
            message: Any = {"role": "user", "content": text}
            client.chat.completions.create(model="dashcam/echo", messages=[message], extra_headers=headers)
        with pytest.raises(openai.APIStatusError):
            client.get("/dashcam-has-no-such-path", cast_to=object)
    dashcam.settle()
    return dashcam


def get(dashcam: RunningDashcam, path: str) -> dict[str, Any]:
    status, told = tell(dashcam, "GET", path)
    assert status == 200, told
    return told


def test_calls_are_found_by_what_is_known_of_them(asked: RunningDashcam) -> None:
    query = quote('status:ok latency:<1h user:kim "a refund"')
    (row,) = get(asked, f"interactions?q={query}")["data"]
    assert (row["client_request_id"], row["score"], row["session_id"]) == (OWN, 1.0, "chat/1")
    assert len(get(asked, "interactions?session=chat/1&count=true")["data"]) == 2
    assert len(get(asked, f"interactions?{quote('metadata[team]')}=eu")["data"]) == 1
    found = get(asked, f"interactions/{OWN}?include=request_body,response_body")
    assert json.loads(found["request_body"]["content"])["messages"][0]["content"] == "I want a refund"
    assert get(asked, "search?q=refund")["data"][0]["id"] == row["id"]
    status, told = tell(asked, "GET", "interactions?colour=red")
    assert (status, "latency" in told["hint"]) == (400, True)


def test_what_calls_came_to_is_told_alike_over_the_api_and_at_the_command_line(asked: RunningDashcam) -> None:
    summary = get(asked, "analytics/summary?since=1d")
    said = json.loads(do(asked, "stats", "--since", "1d", "--json"))
    assert summary["calls"] == said["calls"] == len(asked.rows())
    assert summary["errors"] == said["errors"] == 1
    (session,) = get(asked, "sessions")["data"]
    (row,) = json.loads(do(asked, "sessions", "--json"))
    assert (session["id"], session["calls"]) == (row["session_id"], row["calls"]) == ("chat/1", 2)
    assert get(asked, "sessions/chat/1")["calls"] == 2
    (kind,) = json.loads(do(asked, "errors", "--json"))
    assert kind["sample_id"] == get(asked, "analytics/failures")["rows"][0]["sample_id"]
    assert len(json.loads(do(asked, "logs", "session:chat/1", "--json"))) == 2


def test_a_call_is_judged_and_tagged_while_dashcam_runs(asked: RunningDashcam) -> None:
    assert "score 0.75" in do(asked, "feedback", OWN, "4/5", "--name", "tone")
    assert get(asked, f"interactions/{OWN}")["score_count"] == 2
    assert "vip" in do(asked, "tag", OWN, "vip")
    assert len(get(asked, "interactions?tag=vip")["data"]) == 1
    asked.assert_sound()
