"""What was paid for once is counted once, however often, by whichever road and after whatever restart it is read.

A key that a provider gives out reaches the client and nothing else.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.conftest import Starter
from tests.support.dashcam import Row, RunningDashcam
from tests.support.forms import HEADER, field, file, form
from tests.support.raw_http import RawAnswer, exchange, request
from tests.support.recorded import answer
from tests.support.scenarios import JSON, SSE
from tests.support.scripted_upstream import ScriptedUpstream, Turn

STREAM = answer("responses_background.sse")
WHOLE: dict[str, Any] = json.loads(STREAM.strip().rpartition(b"data: ")[2])["response"]
QUEUED = {**WHOLE, "status": "queued", "output": [], "usage": None}
COUNTS = ("input_tokens", "output_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")
CANARY = "sk-canary-given-out-4b1d"


def ask(dashcam: RunningDashcam, upstream: ScriptedUpstream, body: object, path: str, method: str = "GET") -> RawAnswer:
    """Ask a path; the upstream answers with an object, or with bytes as an event stream."""

    async def scenario(turn: Turn) -> None:
        if isinstance(body, bytes):
            await turn.head(*SSE)
            await turn.chunk(body)
            await turn.chunk(b"")
        else:
            await turn.answer(json.dumps(body).encode(), JSON)

    upstream.scenario = scenario
    sent = b'{"model":"gpt-5.4","background":true,"input":"think"}' if method == "POST" else b""
    return exchange(dashcam.port, request(sent, path=path, method=method), method)


def rows_of(dashcam: RunningDashcam, *replies: RawAnswer) -> list[Row]:
    return [dashcam.row(id=reply.header("x-dashcam-id")) for reply in replies]


def test_a_background_answer_is_counted_by_the_first_read_of_its_end(
    start_dashcam: Starter, upstream: ScriptedUpstream
) -> None:
    dashcam = start_dashcam("--upstream", f"openai={upstream.url}/v1")
    read = "/v1/responses/resp_bg"
    made = ask(dashcam, upstream, QUEUED, "/v1/responses", "POST")
    waiting = ask(dashcam, upstream, {**QUEUED, "status": "in_progress"}, read)
    first, second = ask(dashcam, upstream, WHOLE, read), ask(dashcam, upstream, WHOLE, read)
    streamed = ask(dashcam, upstream, STREAM, f"{read}?stream=true&starting_after=5")
    dashcam.settle()
    before = dashcam.samples()["dashcam_tokens_total"]
    assert dashcam.stop() == 0
    dashcam.start()
    again = ask(dashcam, upstream, WHOLE, read)
    cancelled = ask(dashcam, upstream, WHOLE, f"{read}/cancel", "POST")
    maker, pending, counted, *others = rows_of(dashcam, made, waiting, first, second, streamed, again, cancelled)
    assert counted["operation"] == "responses_read"
    assert [counted[name] for name in COUNTS] == [40, 12, 52, 10, 4]
    assert counted["cost_pico_usd"] > 0
    for row in (maker, pending, *others):
        assert [row[name] for name in COUNTS] == [None] * len(COUNTS)
        assert (row["cost_pico_usd"], row["cost_status"]) == (0, "free")
    assert {row["parent_id"] for row in (pending, counted, *others)} == {maker["id"]}
    assert dashcam.samples()["dashcam_tokens_total"] == before
    (sums,) = dashcam.query("select sum(input_tokens) as asked, sum(output_tokens) as said from rollup_hourly")
    assert (sums["asked"], sums["said"]) == (40, 12)
    (unpriced,) = dashcam.query("select sum(unpriced_calls) as calls from rollup_hourly")
    assert unpriced["calls"] == 0
    assert dashcam.cli("prices", "unpriced", "--json").stdout.strip() == b"[]"
    (noted,) = dashcam.query("select command, before from amendment where interaction_id = ?", maker["id"])
    assert (noted["command"], json.loads(noted["before"])["cost_status"]) == ("count", "unpriced")
    assert json.loads(dashcam.cli("recost", "--yes", "--json").stdout)["changed"] == 0


def test_a_background_answer_that_nobody_has_read_yet_is_of_unknown_cost(
    start_dashcam: Starter, upstream: ScriptedUpstream
) -> None:
    dashcam = start_dashcam("--upstream", f"openai={upstream.url}/v1")
    made = ask(dashcam, upstream, QUEUED, "/v1/responses", "POST")
    early = ask(dashcam, upstream, {**QUEUED, "status": "in_progress"}, "/v1/responses/resp_bg")
    maker, pending = rows_of(dashcam, made, early)
    assert (maker["cost_pico_usd"], maker["cost_status"]) == (None, "unpriced")
    assert (pending["cost_pico_usd"], pending["cost_status"]) == (0, "free")


def test_a_background_stream_that_broke_is_counted_by_the_read_behind_it(
    start_dashcam: Starter, upstream: ScriptedUpstream
) -> None:
    dashcam = start_dashcam("--upstream", f"openai={upstream.url}/v1")
    half = STREAM.partition(b"event: response.completed")[0]
    made = ask(dashcam, upstream, half, "/v1/responses", "POST")
    read = ask(dashcam, upstream, WHOLE, "/v1/responses/resp_bg")
    maker, counted = rows_of(dashcam, made, read)
    assert (maker["output_preview"], maker["input_tokens"], maker["output_tokens"]) == ("Later.", None, None)
    assert (counted["input_tokens"], counted["output_tokens"]) == (40, 12)


def test_an_ordinary_answer_is_its_makers(start_dashcam: Starter, upstream: ScriptedUpstream) -> None:
    dashcam = start_dashcam("--upstream", f"openai={upstream.url}/v1")
    plain = {**WHOLE, "background": False, "id": "resp_plain"}
    made = ask(dashcam, upstream, plain, "/v1/responses", "POST")
    read = ask(dashcam, upstream, plain, "/v1/responses/resp_plain")
    maker, repeated = rows_of(dashcam, made, read)
    assert (maker["input_tokens"], repeated["input_tokens"], repeated["cost_pico_usd"]) == (40, None, 0)


def test_a_batch_is_counted_when_it_is_first_seen_completed(start_dashcam: Starter, upstream: ScriptedUpstream) -> None:
    dashcam = start_dashcam("--upstream", f"openai={upstream.url}/v1")
    done = json.loads(answer("batch_completed.json"))
    pending = {**done, "status": "validating", "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}}
    replies = [
        ask(dashcam, upstream, pending, "/v1/batches", "POST"),
        ask(dashcam, upstream, {**pending, "status": "finalizing"}, "/v1/batches/batch_1"),
        ask(dashcam, upstream, done, "/v1/batches/batch_1"),
        ask(dashcam, upstream, done, "/v1/batches/batch_1"),
        ask(dashcam, upstream, {"object": "list", "data": [done]}, "/v1/batches"),
    ]
    counts = [(row["input_tokens"], row["output_tokens"]) for row in rows_of(dashcam, *replies)]
    assert counts == [(None, None), (None, None), (1000, 500), (None, None), (None, None)]


def test_an_agents_turn_is_counted_by_whoever_first_sees_its_end(
    start_dashcam: Starter, upstream: ScriptedUpstream
) -> None:
    dashcam = start_dashcam("--upstream", f"openai={upstream.url}/v1")
    begun = {"id": "sess_1", "object": "agent.session", "status": "in_progress", "usage": None}
    usage = {"input_tokens": 30, "output_tokens": 8, "total_tokens": 38}
    turn = {"id": "turn_1", "object": "agent.session.turn", "status": "completed", "usage": usage}
    where = "/v1/agents/sessions/sess_1"
    replies = [
        ask(dashcam, upstream, begun, "/v1/agents/sessions", "POST"),
        ask(dashcam, upstream, {**turn, "status": "in_progress", "usage": None}, f"{where}/turns/turn_1"),
        ask(dashcam, upstream, answer("agent_turn.sse"), f"{where}/events"),
        ask(dashcam, upstream, turn, f"{where}/turns/turn_1"),
    ]
    counts = [(row["input_tokens"], row["output_tokens"]) for row in rows_of(dashcam, *replies)]
    assert counts == [(None, None), (None, None), (30, 8), (None, None)]


SECRET_PATHS = (
    "/v1/organization/admin_api_keys", "/v1/realtime/client_secrets", "/v1/realtime/translations/client_secrets",
    "/v1/realtime/sessions", "/v1/organization/projects/p/service_accounts",
    "/v1/organization/projects/p/service_accounts/s/api_keys", "/v1/vaults/v/credentials",
    "/v1/webhook_endpoints/w/rotate_secret", "/openai/v1/organization/admin_api_keys", "/v1/chatkit/sessions",
)  # fmt: skip


@pytest.mark.parametrize("is_error", [False, True])
def test_a_key_that_is_given_out_is_nowhere(start_dashcam: Starter, upstream: ScriptedUpstream, is_error: bool) -> None:
    dashcam = start_dashcam("--upstream", f"openai={upstream.url}/v1", environment={"DASHCAM_LOG__LEVEL": "debug"})
    body = json.dumps({"error": {"message": CANARY}} if is_error else {"value": CANARY, "id": CANARY}).encode()

    async def scenario(turn: Turn) -> None:
        await turn.answer(body, JSON, status=b"400 Bad Request" if is_error else b"200 OK")

    upstream.scenario = scenario
    large = json.dumps({"secret": CANARY, "padding": "x" * 400_000}).encode()
    for path in SECRET_PATHS:
        for sent in (json.dumps({"secret": CANARY}).encode(), large):
            reply = exchange(dashcam.port, request(sent, path=path))
            assert reply.body == body
    uploaded = form(field("secret", CANARY), file("file", "key.pem", "text/plain", CANARY.encode()))
    head = ("POST /v1/vaults/v/credentials HTTP/1.1", "Host: 127.0.0.1", HEADER, f"Content-Length: {len(uploaded)}")
    assert exchange(dashcam.port, "\r\n".join(head).encode() + b"\r\n\r\n" + uploaded).body == body
    rows = dashcam.rows()
    assert {(row["operation"], row["content_state"]) for row in rows} == {("secrets", "off")}
    assert {row["response_bytes"] for row in rows} == {len(body)}
    dashcam.stop()
    files = [path for folder in (dashcam.folder, dashcam.run_root) for path in folder.rglob("*") if path.is_file()]
    assert [path.name for path in files if CANARY.encode() in path.read_bytes()] == []
