"""Stored prompts on real sockets: what is sent, what the reply says, what is recorded, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.control.prompt_files import PromptFiles
from proxy.domain.recording import PromptFact
from proxy.domain.route import Route, Target
from proxy.protocol.injection import apply
from proxy.settings.values import Settings
from tests.support.client import Client
from tests.support.gateway import provider, running_gateway
from tests.support.prompted_gateway import (
    CHAT,
    LIMITS,
    MESSAGE,
    RESPONSES,
    STYLE,
    ask,
    error_of,
    gateway,
    published,
    sent,
)
from tests.support.scripted_upstream import ScriptedUpstream, Turn, answer_ok, one_after_another

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
        start, request = running.calls()[0].start, running.calls()[0].request
        assert (start.route, start.model, start.sent_model) == ("summarise", "summarise", "gpt-x")
        assert (request, apply(request, start.edits)) == (orjson.dumps(body), upstream.requests[0].body)
        reply = await ask(client, {"model": "summarise", "messages": [MESSAGE]})
        assert reply.headers("x-dashcam-prompt") == ["short@1"]
        assert reply.headers("x-dashcam-prompt-fallback") == ["true"]
        fact = PromptFact(name="short", version=1, variables={}, fallback_for="short@next")
        assert running.calls()[1].start.prompt == fact


async def test_each_candidate_of_a_route_is_asked_by_its_own_name_with_the_prompt(
    tmp_path: Path, upstream: ScriptedUpstream, unused_port: int
) -> None:
    targets = (Target(provider="lost", model="first"), Target(provider="main", model="second"))
    route = Route(model="fast", targets=targets, prompt="style")
    async with gateway(tmp_path, upstream) as (running, client):
        snapshot = running.gateway.snapshot
        providers = (*snapshot.providers, provider(unused_port, name="lost"))
        running.gateway.use(replace(snapshot, providers=providers, routes=(route,)))
        body = {"model": "fast", "messages": [MESSAGE]}
        assert (await ask(client, body)).headers("x-dashcam-prompt") == ["style@1"]
        assert sent(upstream) == {**body, "model": "second", "messages": [*STYLE["messages"], MESSAGE]}
        (call,) = running.calls()
        assert (call.start.model, call.start.sent_model) == ("fast", "first")
        assert orjson.loads(apply(call.request, call.start.edits))["model"] == "first"
        assert call.end is not None
        assert call.end.edits is not None
        assert call.end.sent_model == "second"
        assert apply(call.request, call.end.edits) == upstream.requests[-1].body


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
async def test_what_the_client_says_itself_leaves_byte_for_byte_and_is_put_on_record_so(
    tmp_path: Path, upstream: ScriptedUpstream, path: str
) -> None:
    own = b'"seed" : 123456789012345678901234567890, "x": [1e400, 1.10, -0.0 ,"\\ud800"],"x":2.50'
    async with gateway(tmp_path, upstream) as (running, client):
        said = b'"messages": [ {"n" :1.0} ]' if path == CHAT else b'"input" : "\\u00e9"'
        body = b'{"model":"summarise", ' + own + b"," + said + b',"prompt":{"variables":{"name":"Ada"}}}'
        reply = await client.ask("POST", path, body)
        assert (reply.status, reply.headers("x-dashcam-prompt")) == (200, ["short@2"])
        (request,), (call,) = upstream.requests, running.calls()
        assert own in request.body
        assert (b'{"n" :1.0} ]' if path == CHAT else b'"content":"\\u00e9"}]') in request.body
        assert json.loads(request.body)["model"] == "gpt-x"
        assert (call.request, apply(body, call.start.edits)) == (body, request.body)
        assert sum(len(text) for _, _, text in call.start.edits) < 150


async def test_a_responses_request_gets_it_as_input(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream) as (_, client):
        await ask(client, {"prompt": {"id": "short"}, "input": "Hi"}, RESPONSES)
        assert sent(upstream)["input"] == [{"role": "system", "content": "Be brief. No jargon."}, MESSAGE]


async def test_secret_variables_are_not_recorded(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream) as (running, client):
        reply = await ask(client, {"prompt": {"id": "short", "variables": {"key": "s3cret", "x": 1}}})
        assert reply.headers("x-dashcam-prompt-warning") == ["1 variable is not used by this prompt"]
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
        if reply.status == 400:  # so deep that not even the standard library reads it
            assert (error_of(reply)[1], b"[" * 3000 in body) == ("prompt_body_not_json", True)
        else:
            assert upstream.requests[-1].body.endswith(body.partition(b'"gpt"')[2].partition(b'"messages":[')[2])
            assert b'"role":"system"' in upstream.requests[-1].body


async def test_the_prompt_of_a_provider_s_own_passes_untouched(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream) as (_, client):
        theirs: dict[str, Any] = {"prompt": {"id": "pmpt_abc", "version": "2"}, "input": "x"}
        for body in (theirs, {"model": "gpt", "input": 'a "prompt"'}):
            assert (await ask(client, body, RESPONSES)).headers("x-dashcam-prompt") == []
            assert upstream.requests[-1].body == orjson.dumps(body)


async def test_what_variables_say_is_not_recorded_where_content_is_not_kept(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    async with gateway(tmp_path, upstream) as (running, client):
        asked = {"prompt": {"id": "short", "variables": {"tone": "sad"}}, "messages": [MESSAGE]}
        for depth in ("full", "meta"):
            await ask(client, asked, x_dashcam_record=depth)
        whole, facts = (call.start.prompt for call in running.calls())
        assert whole == PromptFact(name="short", version=1, variables={"tone": "sad"})
        assert facts == PromptFact(name="short", version=1)


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
