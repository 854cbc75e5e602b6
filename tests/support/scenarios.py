"""Scenes for the scripted upstream that several tests play, and the questions that go with them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.dashcam import Row, RunningDashcam
from tests.support.raw_http import RawAnswer, exchange, request
from tests.support.scripted_upstream import Scenario, ScriptedUpstream, Turn

JSON = b"Content-Type: application/json"
SSE = (b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked")
DONE = b"data: [DONE]\n\n"

PLAIN = b'{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}'
STREAM = PLAIN[:-1] + b',"stream":true,"stream_options":{"include_usage":true}}'


def chunk(**delta: object) -> bytes:
    """Return one event of a chat stream."""
    reason = delta.pop("finish_reason", None)
    choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
    whole = {"id": "c1", "object": "chat.completion.chunk", "model": "gpt-4o-2024-08-06", "created": 1}
    return b"data: " + json.dumps({**whole, "choices": choices}).encode() + b"\n\n"


def streams(*events: bytes) -> Scenario:
    """Answer with a stream of these events, to its end."""

    async def scenario(turn: Turn) -> None:
        await turn.head(*SSE)
        for event in events:
            await turn.chunk(event)
        await turn.chunk(b"")

    return scenario


def impatient(folder: Path, upstream: ScriptedUpstream) -> tuple[str, str]:
    """Return the arguments of a Dashcam that waits a second for this upstream, not eleven minutes."""
    settings = folder / "impatient.toml"
    times = "first_byte_timeout = 1.0\nidle_timeout = 1.0\n"
    settings.write_text(f'[providers.openai]\nurl = "{upstream.url}/v1"\n{times}')
    return "--config", str(settings)


def ask(dashcam: RunningDashcam, upstream: ScriptedUpstream, scenario: Scenario, body: bytes) -> tuple[RawAnswer, Row]:
    """Play one scenario; return what the client got and the row about it."""
    upstream.scenario = scenario
    answer = exchange(dashcam.port, request(body, "Authorization: Bearer sk-real-key"))
    return answer, dashcam.row(id=answer.header("x-dashcam-id"))


def answers(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Scenario:
    """Answer with one whole body."""

    async def scenario(turn: Turn) -> None:
        await turn.answer(body, *headers, status=status)

    return scenario


def put(
    dashcam: RunningDashcam, upstream: ScriptedUpstream, scenario: Scenario, path: str, body: bytes = b"{}"
) -> tuple[RawAnswer, Row]:
    """Ask any path with POST; return what came and the row about it."""
    upstream.scenario = scenario
    reply = exchange(dashcam.port, request(body, path=path))
    return reply, dashcam.row(id=reply.header("x-dashcam-id"))
