"""A stored prompt that is asked for and cannot be served is refused, with what is to blame; nothing is sent."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.domain.recording import PromptFact
from tests.support.prompted_gateway import CHAT, MESSAGE, RESPONSES, ask, error_of, gateway, sent
from tests.support.scripted_upstream import ScriptedUpstream


@pytest.mark.parametrize(
    ("prompt", "code", "param", "told"),
    [
        ({"id": "none"}, "prompt_not_found", "id", "'none'"),
        ({"id": "short", "version": 9}, "prompt_version_not_found", "version", "1, 2"),
        ({"id": "short", "version": 2}, "variable_missing", "variables.name", "short@2 cannot be rendered: the var"),
        ({"id": "short", "variables": {"tone": 5}}, "variable_invalid", "variables.tone", "'tone' must be a string"),
        ({"id": "short", "colour": 1}, "prompt_invalid", "colour", "prompt.colour"),
        ({"id": "none", "fallback": "short@2"}, "prompt_not_found", "id", "nor can its fallback be used: the prompt"),
    ],
)
async def test_what_cannot_be_served_is_refused_and_nothing_is_sent(
    tmp_path: Path, upstream: ScriptedUpstream, prompt: dict[str, Any], code: str, param: str, told: str
) -> None:
    async with gateway(tmp_path, upstream) as (running, client):
        reply = await ask(client, {"prompt": prompt, "messages": [MESSAGE]})
        error = orjson.loads(reply.body)["error"]
        assert (reply.status, error["code"]) == (404 if "not_found" in code else 400, code)
        assert error["param"] == f"prompt.{param}"
        assert told.lower() in error["message"].lower()
        assert upstream.requests == []
        (call,) = running.calls()
        version = 2 if code == "variable_missing" else 1 if code == "variable_invalid" else None
        assert call.start.prompt == PromptFact(name=prompt["id"], version=version)


async def test_the_row_of_a_refused_call_has_the_label_or_the_name_that_was_asked_for(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    async with gateway(tmp_path, upstream) as (running, client):
        for reference in ("short@next", "short@nowhere", "none@nowhere"):
            await ask(client, {"model": f"prompt/{reference}", "messages": [MESSAGE]})
        await ask(client, {"prompt": {"id": "x" * 300, "version": 7}, "messages": [MESSAGE]})
        await client.ask("POST", CHAT, b"[]", BY_HEADER.decode())
        assert [call.start.prompt for call in running.calls()] == [
            PromptFact(name="short", version=2, label="next"), PromptFact(name="short", version=None, label="nowhere"),
            PromptFact(name="none", version=None, label="nowhere"), PromptFact(name="x" * 200, version=None),
            PromptFact(name="short", version=1),
        ]  # fmt: skip


BY_HEADER, BY_MODEL = b"x-dashcam-prompt: short", b'{"model":"prompt/short","input":"x","messages":[]}'
FORM = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nprompt/short\r\n--b--\r\n'
LARGE = b'{"prompt":{"id":"short"},"messages":[{"role":"user","content":"%b"}]}' % (b"x" * 300_000)


@pytest.mark.parametrize("publishes", [True, False])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/embeddings", BY_MODEL),
        ("POST", "/v1/completions", b'{"model":"gpt","prompt":"Once"}'),
        ("POST", "/v1/responses/input_tokens", BY_MODEL),
        ("POST", "/v1/audio/transcriptions", FORM),
        ("POST", "/main/api/chat", BY_MODEL),
        ("GET", "/v1/models", b""),
        ("GET", "/v1/chat/completions", b""),
        ("DELETE", "/v1/responses/resp_1", b""),
    ],
)
async def test_a_prompt_asked_for_where_none_is_put_in_is_refused(
    tmp_path: Path, upstream: ScriptedUpstream, method: str, path: str, body: bytes, publishes: bool
) -> None:
    async with gateway(tmp_path, upstream, publishes=publishes) as (running, client):
        reply = await client.ask(method, path, body, BY_HEADER.decode())
        assert error_of(reply) == (400, "prompt_not_supported", "x-dashcam-prompt")
        if b"prompt/short" in body:
            assert error_of(await client.ask(method, path, body)) == (400, "prompt_not_supported", "model")
        assert upstream.requests == []
        assert running.calls()[0].start.content == "off"


@pytest.mark.parametrize(("headers", "body"), [(BY_HEADER, b'{"model":"gpt","messages":[]}'), (b"x-a: b", BY_MODEL)])
async def test_a_prompt_asked_for_while_none_is_published_is_refused(
    tmp_path: Path, upstream: ScriptedUpstream, headers: bytes, body: bytes
) -> None:
    async with gateway(tmp_path, upstream, publishes=False) as (_, client):
        for path in (CHAT, RESPONSES, "/main/v1/chat/completions"):
            status, code, param = error_of(await client.ask("POST", path, body, headers.decode()))
            assert (status, code) == (404, "prompt_not_found")
            assert param == ("model" if body == BY_MODEL else "x-dashcam-prompt")
        assert upstream.requests == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", [BY_HEADER]), (b"[]", [BY_HEADER]), (FORM, []), (FORM, [BY_HEADER]),
        (gzip.compress(BY_MODEL, mtime=0), [b"content-encoding: gzip"]), (LARGE, []),
        (LARGE.replace(b'"short"', b'"short","variables":{"tone":"%b"}' % (b"x" * 5000)), []),
        (gzip.compress(LARGE, mtime=0), [b"content-encoding: gzip"]), (LARGE.replace(b"prompt", b"x"), [BY_HEADER]),
    ],
)  # fmt: skip
async def test_a_body_that_no_prompt_can_be_put_into_is_refused(
    tmp_path: Path, upstream: ScriptedUpstream, body: bytes, headers: list[bytes]
) -> None:
    async with gateway(tmp_path, upstream) as (_, client):
        reply = await client.ask("POST", CHAT, body, *(line.decode() for line in headers))
        assert error_of(reply)[:2] == (400, "prompt_body_not_json")
        assert upstream.requests == []


@pytest.mark.parametrize(
    "body", [LARGE.replace(b"short", b"pmpt_theirs"), LARGE.replace(b'{"id":"short"}', b'"a text"')]
)
async def test_a_large_body_that_asks_for_none_of_ours_passes(
    tmp_path: Path, upstream: ScriptedUpstream, body: bytes
) -> None:
    async with gateway(tmp_path, upstream) as (_, client):
        assert (await client.ask("POST", CHAT, body)).status == 200
        assert upstream.requests[0].body == body


async def test_a_model_that_somebody_lists_is_no_prompt(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream, models=("prompt/tuned", "prompt/short")) as (_, client):
        assert (await ask(client, {"model": "prompt/tuned", "messages": []})).headers("x-dashcam-prompt") == []
        assert sent(upstream)["model"] == "prompt/tuned"
        assert (await ask(client, {"model": "prompt/short", "messages": []})).headers("x-dashcam-prompt") == ["short@1"]


async def test_what_is_meant_for_a_dashcam_behind_this_one_passes(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream, publishes=False, gateway_headers="send") as (_, client):
        assert (await client.ask("POST", CHAT, BY_MODEL)).status == 200
        assert upstream.requests[0].body == BY_MODEL


@pytest.mark.parametrize(
    ("path", "member", "said"),
    [
        (CHAT, "messages", "Hi"), (CHAT, "messages", {"role": "user"}), (CHAT, "messages", 5),
        (RESPONSES, "input", {"role": "user"}), (RESPONSES, "input", 5), (RESPONSES, "input", False),
    ],
)  # fmt: skip
async def test_a_conversation_of_the_wrong_kind_is_refused_by_name(
    tmp_path: Path, upstream: ScriptedUpstream, path: str, member: str, said: Any
) -> None:
    async with gateway(tmp_path, upstream) as (_, client):
        reply = await ask(client, {member: said}, path, x_dashcam_prompt="short")
        assert error_of(reply) == (400, "prompt_body_invalid", member)
        assert upstream.requests == []


@pytest.mark.parametrize(
    ("value", "told"),
    [(b"123456789012345678901234567890", "beyond 64 bits"), (b"1e400", "1e400"), (b'"\\ud800"', "half a character")],
)
async def test_values_that_nobody_reads_alike_are_refused(
    tmp_path: Path, upstream: ScriptedUpstream, value: bytes, told: str
) -> None:
    async with gateway(tmp_path, upstream) as (_, client):
        reply = await client.ask("POST", CHAT, b'{"prompt":{"id":"short","variables":{"tone":' + value + b"}}}")
        assert error_of(reply) == (400, "prompt_invalid", "prompt")
        assert told in orjson.loads(reply.body)["error"]["message"]
