"""Ollama's own paths below its name: lines, objects, counts, errors that are plain text (section G of the cases)."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.scenarios import JSON, PLAIN, answers, put
from tests.support.scripted_upstream import ScriptedUpstream, Turn


@pytest.fixture(scope="module")
def ollama(start_dashcam: Starter, upstream: ScriptedUpstream) -> RunningDashcam:
    return start_dashcam("--upstream", f"ollama={upstream.url}/v1")


def test_one_object_instead_of_lines(ollama: RunningDashcam, upstream: ScriptedUpstream) -> None:
    whole = {"model": "qwen3", "message": {"role": "assistant", "content": "Hi"}, "done": True, "done_reason": "stop",
             "total_duration": 5_000_000_000, "prompt_eval_count": 3, "eval_count": 1}  # fmt: skip
    scenario = answers(json.dumps(whole).encode(), JSON)
    _, row = put(ollama, upstream, scenario, "/ollama/api/chat", b'{"model":"qwen3","stream":false,"messages":[]}')
    assert (row["operation"], row["is_stream"], row["output_preview"]) == ("ollama_chat", 0, "Hi")
    assert (row["input_tokens"], row["output_tokens"], row["cost_status"]) == (3, 1, "local")
    assert json.loads(row["usage_raw"])["total_duration"] == 5_000_000_000


def test_a_cloud_behind_ollama_has_no_local_price(ollama: RunningDashcam, upstream: ScriptedUpstream) -> None:
    whole = {"model": "big", "remote_model": "big", "remote_host": "https://ollama.com", "message": {"content": "Hi"},
             "done": True, "prompt_eval_count": 3, "eval_count": 1}  # fmt: skip
    _, row = put(ollama, upstream, answers(json.dumps(whole).encode(), JSON), "/ollama/api/chat", PLAIN)
    assert (row["cost_status"], row["cost_usd"]) == ("unpriced", None)


def test_a_model_that_is_not_there(ollama: RunningDashcam, upstream: ScriptedUpstream) -> None:
    body = b'{"error":"model \\"x\\" not found"}'
    reply, row = put(ollama, upstream, answers(body, JSON, status=b"404 Not Found"), "/ollama/api/chat", PLAIN)
    assert (reply.status, reply.body) == (404, body)
    assert (row["outcome"], row["error_message"]) == ("upstream_error", 'model "x" not found')


@pytest.mark.parametrize(
    ("last", "outcome"), [(b'{"status":"success"}\n', "completed"), (b'{"error":"disk full"}\n', "upstream_error")]
)
def test_a_pull_is_relayed_line_by_line_and_kept_by_its_facts(
    ollama: RunningDashcam, upstream: ScriptedUpstream, last: bytes, outcome: str
) -> None:
    lines = [b'{"status":"pulling","completed":%d}\n' % number for number in range(50)]

    async def scenario(turn: Turn) -> None:
        await turn.head(b"Content-Type: application/x-ndjson", b"Transfer-Encoding: chunked")
        for line in (*lines, last):
            await turn.chunk(line)
        await turn.chunk(b"")

    reply, row = put(ollama, upstream, scenario, "/ollama/api/pull", b'{"model":"qwen3"}')
    assert reply.body == b"".join(lines) + last
    assert (row["operation"], row["outcome"], row["content_state"]) == ("ollama_models", outcome, "off")
    assert row["model_requested"] == "qwen3"


@pytest.mark.parametrize("path", ["/ollama/api/embed", "/ollama/api/embeddings"])
def test_ollamas_embeddings(ollama: RunningDashcam, upstream: ScriptedUpstream, path: str) -> None:
    whole = {"model": "nomic", "embeddings": [[0.1, 0.2]], "total_duration": 14_000_000, "prompt_eval_count": 8}
    body = whole if path.endswith("embed") else {"embedding": [0.1, 0.2]}
    asked = b'{"model":"nomic","input":"x"}'
    _, row = put(ollama, upstream, answers(json.dumps(body).encode(), JSON), path, asked)
    assert (row["operation"], row["outcome"], row["output_preview"]) == ("ollama_embed", "completed", None)
    assert row["input_tokens"] == (8 if path.endswith("embed") else None)
