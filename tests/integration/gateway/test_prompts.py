"""Stored prompts on real sockets: what is sent, what the reply says, what is recorded, and what is refused."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.control.prompt_files import PromptFiles
from proxy.domain.prompt import PublishedPrompt, PublishedVersion
from proxy.domain.recording import PromptFact
from proxy.domain.route import Route, Target
from proxy.prompting.checking import read_version
from proxy.protocol.injection import apply
from proxy.settings.values import Settings
from tests.integration.gateway.conftest import LIMITS
from tests.support.client import Client, Reply
from tests.support.gateway import RunningGateway, provider, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, Turn, answer_ok, one_after_another

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
ONE = {
    "messages": [{"role": "system", "content": "Be {{ tone }}. {% include 'style' %}"}],
    "parameters": {"model": "gpt", "temperature": 0.2},
    "variables": {"tone": {"default": "brief"}, "key": {"required": False, "secret": True}},
}
TWO = {
    **ONE,
    "messages": [{"role": "system", "content": "Version two for {{ name }}."}],
    "variables": {"name": "string"},
}
STYLE = {"messages": [{"role": "system", "content": "No jargon."}]}
TARGET = Target(provider="main", model="gpt-x")
ROUTE = Route(model="summarise", targets=(TARGET,), prompt="short@next", prompt_fallback="short@1")
MESSAGE = {"role": "user", "content": "Hi"}


def published(files: PromptFiles, name: str, *contents: dict[str, Any], **labels: int) -> PublishedPrompt:
    versions = []
    for number, content in enumerate(contents, 1):
        version, problems = read_version(content)
        assert problems == []
        files.write({version.sha256: version.to_mapping()})
        versions.append(PublishedVersion(number=number, sha256=version.sha256, name=f"{number}.0"))
    return PublishedPrompt(name=name, versions=tuple(versions), labels=tuple(labels.items()))


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, upstream: ScriptedUpstream, *, publishes: bool = True, **values: Any
) -> AsyncIterator[tuple[RunningGateway, Client]]:
    settings = Settings(
        data_dir=str(folder), run_dir=str(folder / "run"), limits=LIMITS,
        providers=(provider(upstream.port, **values),), routes=(ROUTE,) if publishes else (),
    )  # fmt: skip
    files = PromptFiles(settings.prompts_dir)
    async with running_gateway(folder, settings) as running, Client(running.port) as client:
        prompts = (published(files, "short", ONE, TWO, production=1, next=2), published(files, "style", STYLE))
        if publishes:
            running.gateway.use(replace(running.gateway.snapshot, prompts=prompts))
        yield running, client


async def ask(client: Client, body: dict[str, Any], path: str = CHAT, **headers: str) -> Reply:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return await client.ask("POST", path, orjson.dumps(body), *lines)


def sent(upstream: ScriptedUpstream) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(upstream.requests[-1].body)
    return found


FIRST = {
    "model": "gpt", "temperature": 0.2, "messages": [{"role": "system", "content": "Be brief. No jargon."}, MESSAGE],
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"prompt": {"id": "short"}, "messages": [MESSAGE]}, {}),
        ({"prompt": {"id": "short", "version": "1.0"}, "messages": [MESSAGE]}, {}),
        ({"prompt": {"id": "short", "label": "production"}, "messages": [MESSAGE]}, {}),
        ({"model": "prompt/short@1", "messages": [MESSAGE]}, {}),
        ({"messages": [MESSAGE]}, {"x_dashcam_prompt": "short"}),
    ],
)
async def test_a_call_gets_the_version_that_it_asks_for(
    tmp_path: Path, upstream: ScriptedUpstream, body: dict[str, Any], headers: dict[str, str]
) -> None:
    async with gateway(tmp_path, upstream) as (running, client):
        reply = await ask(client, body, **headers)
        assert reply.status == 200
        assert reply.headers("x-dashcam-prompt") == ["short@1"]
        assert sent(upstream) == FIRST
        (call,) = running.calls()
        assert call.request == orjson.dumps(body)
        assert apply(call.request, call.start.edits) == upstream.requests[0].body
        assert call.start.prompt is not None
        assert (call.start.prompt.name, call.start.prompt.version) == ("short", 1)


async def test_a_route_carries_a_prompt_and_falls_back(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream) as (running, client):
        body = {"model": "summarise", "messages": [MESSAGE], "prompt": {"variables": {"name": "Ada"}}}
        assert (await ask(client, body)).headers("x-dashcam-prompt") == ["short@2"]
        assert sent(upstream)["messages"][0]["content"] == "Version two for Ada."
        assert sent(upstream)["model"] == "gpt-x"
        reply = await ask(client, {"model": "summarise", "messages": [MESSAGE]})
        assert reply.headers("x-dashcam-prompt") == ["short@1"]
        assert reply.headers("x-dashcam-prompt-fallback") == ["true"]
        fact = PromptFact(name="short", version=1, variables={}, fallback_for="short@next")
        assert running.calls()[1].start.prompt == fact


async def test_a_responses_request_gets_it_as_input(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream) as (_, client):
        await ask(client, {"prompt": {"id": "short"}, "input": "Hi"}, RESPONSES)
        assert sent(upstream)["input"] == [{"role": "system", "content": "Be brief. No jargon."}, MESSAGE]


async def test_secret_variables_are_not_recorded(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream) as (running, client):
        reply = await ask(client, {"prompt": {"id": "short", "variables": {"key": "s3cret", "x": 1}}})
        assert reply.headers("x-dashcam-prompt-warning") == ["1 variables are not used by this prompt"]
        (call,) = running.calls()
        assert call.start.prompt is not None
        assert call.start.prompt.variables == {"key": "[redacted]", "x": "[redacted]"}
        assert call.start.content == "off"
        await ask(client, {"prompt": {"id": "short"}})
        assert running.calls()[1].start.content == "stored"


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"gpt","messages":[],"tools":[{"prompt":"\\ud800"}]}', b'{"model":"gpt","prompt":NaN}',
        b'{"model":"gpt","x":{"prompt":' + b"[" * 3000 + b"]" * 3000 + b"}}",
    ],
)  # fmt: skip
async def test_what_only_a_lenient_reader_takes_passes_as_before(
    tmp_path: Path, upstream: ScriptedUpstream, body: bytes
) -> None:
    async with gateway(tmp_path, upstream) as (_, client):
        assert (await client.ask("POST", CHAT, body)).status == 200
        assert upstream.requests[-1].body == body
        reply = await client.ask("POST", CHAT, body, "x-dashcam-prompt: short")
        assert (reply.status, orjson.loads(reply.body)["error"]["code"]) == (400, "prompt_body_not_json")


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
        assert len(running.calls()) == 1


BY_HEADER, BY_MODEL = b"x-dashcam-prompt: short", b'{"model":"prompt/short","input":"x","messages":[]}'
FORM = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nprompt/short\r\n--b--\r\n'
LARGE = b'{"prompt":{"id":"short"},"messages":[{"role":"user","content":"%b"}]}' % (b"x" * 300_000)


def error_of(reply: Reply) -> tuple[int, str, str | None]:
    error = orjson.loads(reply.body)["error"]
    return reply.status, error["code"], error["param"]


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
        (gzip.compress(BY_MODEL), [b"content-encoding: gzip"]), (LARGE, []),
        (LARGE.replace(b'"short"', b'"short","variables":{"tone":"%b"}' % (b"x" * 5000)), []),
        (gzip.compress(LARGE), [b"content-encoding: gzip"]), (LARGE.replace(b"prompt", b"x"), [BY_HEADER]),
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


async def test_the_prompt_of_a_provider_s_own_passes_untouched(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream) as (_, client):
        theirs: dict[str, Any] = {"prompt": {"id": "pmpt_abc", "version": "2"}, "input": "x"}
        for body in (theirs, {"model": "gpt", "input": 'a "prompt"'}):
            assert (await ask(client, body, RESPONSES)).headers("x-dashcam-prompt") == []
            assert upstream.requests[-1].body == orjson.dumps(body)


async def test_a_call_goes_on_with_the_prompt_it_began_with(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream) as (running, client):
        await ask(client, {"prompt": {"id": "short"}})
        moved = tuple(replace(item, labels=(("production", 2),)) for item in running.gateway.snapshot.prompts)
        running.gateway.use(replace(running.gateway.snapshot, prompts=moved, revision=99))
        reply = await ask(client, {"prompt": {"id": "short", "variables": {"name": "Ada"}}})
        assert reply.headers("x-dashcam-prompt") == ["short@2"]


async def test_a_lost_content_is_told(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream) as (running, client):
        for path in running.settings.prompts_dir.iterdir():
            path.write_bytes(b"{}")
        reply = await ask(client, {"prompt": {"id": "short"}})
        assert orjson.loads(reply.body)["error"]["code"] == "prompt_unavailable"


async def refuse_usage(turn: Turn) -> None:
    body = b'{"error":{"message":"Unknown parameter: stream_options"}}'
    await turn.answer(body, b"Content-Type: application/json", status=b"400 Bad Request")


async def test_what_was_sent_the_second_time_can_be_rebuilt_too(tmp_path: Path) -> None:
    async with ScriptedUpstream(one_after_another(refuse_usage, answer_ok)) as upstream:
        main = provider(upstream.port, stream_usage="inject")
        settings = Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), limits=LIMITS, providers=(main,))
        async with running_gateway(tmp_path, settings) as running, Client(running.port) as client:
            prompts = (published(PromptFiles(settings.prompts_dir), "style", STYLE),)
            running.gateway.use(replace(running.gateway.snapshot, prompts=prompts))
            await ask(client, {"prompt": {"id": "style"}, "stream": True, "model": "m"})
            (call,) = running.calls()
            first, second = (item.body for item in upstream.requests)
            assert apply(call.request, call.start.edits) == first
            assert call.end is not None
            assert call.end.edits is not None
            assert apply(call.request, call.end.edits) == second
