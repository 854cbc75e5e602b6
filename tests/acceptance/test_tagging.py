"""Calls tagged without code and with it: the official client in front of Dashcam, by variables, headers and fields."""

from __future__ import annotations

import json
import subprocess
import sys

import openai
import pytest

from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.raw_http import exchange, request
from tests.support.scenarios import JSON, PLAIN
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.waiting import wait_until

OWN_ID = "5f1d7a52-0f7e-4d55-9d5b-3b1f0c2a7e11"
ANSWER = {
    "id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}  # fmt: skip
PROGRAM = """
import openai
client = openai.OpenAI(api_key="sk-real-key")
messages = [{"role": "user", "content": "hi"}]
print(client.chat.completions.with_raw_response.create(model="gpt-4o", messages=messages).headers["x-dashcam-id"])
"""


async def answer_as_openai(turn: Turn) -> None:
    """Answer a chat completion, or refuse metadata that is not to be stored, as OpenAI does."""
    asked = json.loads(turn.request.body)
    if asked.get("metadata") is not None and asked.get("store") is not True:
        message = "The 'metadata' parameter is only allowed when 'store' is enabled."
        error = {"error": {"message": message, "type": "invalid_request_error", "param": "metadata", "code": None}}
        await turn.answer(json.dumps(error).encode(), JSON, status=b"400 Bad Request")
    else:
        await turn.answer(json.dumps(ANSWER).encode(), JSON)


@pytest.fixture(autouse=True)
def scene(upstream: ScriptedUpstream) -> None:
    upstream.scenario = answer_as_openai
    upstream.requests.clear()


def sent_names(upstream: ScriptedUpstream) -> set[str]:
    return {name.decode().lower() for name, _ in upstream.requests[-1].headers}


def test_two_variables_route_record_and_tag(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    tagging = "x-dashcam-user: kim\nx-dashcam-session: s-1\nx-dashcam-tags: eu, beta\nx-dashcam-meta-Team: blue"
    environment = {
        **dashcam.environment, "OPENAI_BASE_URL": f"{dashcam.url}/v1",
        "OPENAI_CUSTOM_HEADERS": f"{tagging}\nx-dashcam-app: shop\nx-dashcam-environment: prod",
    }  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    row = dashcam.row(id=run.stdout.strip())
    assert (row["user_id"], row["session_id"], row["app"], row["environment"]) == ("kim", "s-1", "shop", "prod")
    assert (json.loads(row["tags"]), json.loads(row["metadata"])) == (["eu", "beta"], {"team": "blue"})
    assert not {name for name in sent_names(upstream) if name.startswith("x-dashcam")}
    listed = dashcam.cli("logs", "--tag", "eu", "--meta", "team=blue", "--user", "kim", "--jsonl").stdout
    assert [json.loads(line)["id"] for line in listed.splitlines()] == [row["id"]]


def test_metadata_without_store_works_and_is_on_record_as_asked_and_as_sent(
    client: openai.OpenAI, dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=[{"role": "user", "content": "hi"}], metadata={"team": "blue", "user_id": "kim"},
        extra_headers={"x-dashcam-id": OWN_ID, "Helicone-Session-Id": "s-2"},
    )  # fmt: skip
    assert raw.parse().choices[0].message.content == "ok"
    assert "metadata" not in json.loads(upstream.requests[-1].body)
    row = dashcam.row(client_request_id=OWN_ID)
    assert row["id"] == raw.headers["x-dashcam-id"]
    assert (row["user_id"], row["session_id"], row["request_modified"]) == ("kim", "s-2", 1)
    asked, sent = (dashcam.cli("show", OWN_ID, "--raw", form).stdout for form in ("--request", "--sent"))
    assert json.loads(asked)["metadata"] == {"team": "blue", "user_id": "kim"}
    assert sent == upstream.requests[-1].body


def test_metadata_with_store_is_sent(client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "hi"}], metadata={"team": "blue"}, store=True
    )
    assert json.loads(upstream.requests[-1].body)["metadata"] == {"team": "blue"}


def test_an_sdk_s_retries_are_linked(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    async def refuse_twice(turn: Turn) -> None:
        if turn.request.header(b"x-stainless-retry-count") == b"2":
            await answer_as_openai(turn)
        else:
            await turn.answer(b"{}", JSON, b"retry-after-ms: 1", status=b"429 Too Many Requests")

    upstream.scenario = refuse_twice
    with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key="sk-real-key", max_retries=2) as client:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "thrice"}], user="retrier")
    dashcam.settle()
    rows = dashcam.query("select * from interaction where user_id = 'retrier' order by id")
    assert [row["retry_count"] for row in rows] == [0, 1, 2]
    assert [row["parent_id"] for row in rows] == [None, rows[0]["id"], rows[0]["id"]]


def test_none_is_no_row_and_the_account_balances(dashcam: RunningDashcam) -> None:
    before = len(dashcam.rows())
    dropped = dashcam.ledger()["dropped"].get("policy", 0)
    answer = exchange(dashcam.port, request(PLAIN, "Authorization: Bearer sk-real-key", "x-dashcam-record: none"))
    assert (answer.status, json.loads(answer.body)) == (200, ANSWER)
    wait_until(lambda: dashcam.ledger()["dropped"].get("policy") == dropped + 1, "the call is counted")
    ledger = dashcam.ledger()
    assert (ledger["pending"], ledger["balanced"]) == (0, True)
    assert len(dashcam.rows()) == before


def test_meta_is_a_row_with_usage_and_cost_and_without_content(dashcam: RunningDashcam) -> None:
    body = PLAIN.replace(b"hi", b"canary of a question")
    answer = exchange(
        dashcam.port, request(body, "Authorization: Bearer sk-real-key", "x-dashcam-record: meta", "x-dashcam-user: m")
    )
    row = dashcam.row(id=answer.header("x-dashcam-id"))
    assert (row["content_state"], row["input_tokens"], row["user_id"]) == ("off", 10, "m")
    assert row["cost_pico_usd"] > 0
    assert (row["input_preview"], row["output_preview"]) == (None, None)
    assert dashcam.query("select * from interaction_body where interaction_id = ?", row["id"]) == []
    assert not any("canary of a question" in str(value) for value in row.values())


def test_a_key_in_a_tag_is_in_no_log(start_dashcam: Starter, upstream: ScriptedUpstream) -> None:
    key = "sk-canary-in-a-tag-77c1d2"
    dashcam = start_dashcam("--upstream", f"openai={upstream.url}/v1", environment={"DASHCAM_LOG__LEVEL": "debug"})
    names = ("x-dashcam-user", "x-dashcam-tags", "x-dashcam-meta-k", "x-dashcam-id", "x-dashcam-record",
             "x-dashcam-provider", f"x-dashcam-{key}", "Helicone-Auth", "x-portkey-api-key")  # fmt: skip
    said = []
    for name in names:
        answer = exchange(dashcam.port, request(PLAIN, "Authorization: Bearer sk-real-key", f"{name}: {key}"))
        said.append(repr(answer.headers).encode() + (answer.body if answer.status >= 400 else b""))
    said.append(exchange(dashcam.port, request(b"{", f"x-dashcam-metadata: {key}", path="/v1/../x")).body)
    dashcam.settle()
    said += [dashcam.get(path)[1] for path in ("/metrics", "/api/v1/recorder")]
    assert [text for text in said if key.encode() in text] == []
    for row in dashcam.query("select headers from interaction_body where side = 'request'"):
        assert {"helicone-auth", "x-portkey-api-key"} & {name for name, _ in json.loads(row["headers"])} == set()
    dashcam.stop()
    assert key not in dashcam.log()
