"""What a caller says about its call: kept here, on record, obeyed; and what the reply says of us."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from proxy.domain.outcome import Outcome
from proxy.interpret.content import edits_of
from proxy.protocol.injection import apply
from proxy.protocol.tagging import GATEWAY_FAMILIES
from proxy.settings.values import Settings
from proxy.spool.page import Page
from tests.integration.gateway.conftest import LIMITS, stream
from tests.support.client import Client
from tests.support.gateway import RunningGateway, SpooledCall, provider, running_gateway
from tests.support.recorded import recorded
from tests.support.scripted_upstream import ScriptedUpstream, Turn, answer_ok, one_after_another

PATH = "/v1/chat/completions"
OURS = (
    "X-Dashcam-User: kim", "x-dashcam-session: s", "x-dashcam-tags: a,b", 'x-dashcam-metadata: {"a":"b"}',
    "x-dashcam-meta-Team: eu", "x-dashcam-record: full", "x-dashcam-verbose: 1", "x-dashcam-misspelt: 1",
)  # fmt: skip
THEIRS = (
    "Helicone-Auth: Bearer sk-helicone-x", "Helicone-User-Id: kim", "Helicone-Property-Team: eu",
    "x-portkey-api-key: k", "x-portkey-metadata: {}", "x-litellm-tags: a", "cf-aig-authorization: k",
    "cf-aig-metadata: {}",
    "X-TFY-METADATA: {}",
)  # fmt: skip
PASSING = ("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "x-stainless-lang: python")


@contextlib.asynccontextmanager
async def gateway(folder: Path, *upstreams: ScriptedUpstream, **values: object) -> AsyncIterator[RunningGateway]:
    """Run a gateway in front of upstreams, which are called main, second …"""
    names = ("main", "second")
    providers = tuple(
        provider(item.port, name=name, first_byte_timeout=1.0, **values)
        for name, item in zip(names, upstreams, strict=False)
    )
    settings = Settings(data_dir=str(folder), run_dir=str(folder / "run"), limits=LIMITS, providers=providers)
    async with running_gateway(folder, settings) as running:
        yield running


def names_at(upstream: ScriptedUpstream) -> set[str]:
    return {name.decode().lower() for name, _ in upstream.requests[-1].headers}


def sent_form(call: SpooledCall) -> bytes:
    """Return what the record says was sent."""
    assert call.end is not None
    made = recorded(edits=call.start.edits)
    assert made.end is not None
    made.end.edits_undone = call.end.edits_undone
    return apply(call.request, edits_of(made))


async def test_none_of_ours_and_no_other_gateway_s_go_upstream(
    proxy: RunningGateway, upstream: ScriptedUpstream
) -> None:
    async with Client(proxy.port) as client:
        await client.ask("POST", PATH, b"{}", *OURS, *THEIRS, *PASSING)
    names = names_at(upstream)
    assert {name for name in names if name.startswith(("x-dashcam-", *GATEWAY_FAMILIES))} == set()
    assert {"traceparent", "x-stainless-lang"} <= names
    (call,) = proxy.calls()
    kept = dict(call.start.request_headers)
    assert kept["x-dashcam-user"] == kept["helicone-user-id"] == "kim"
    assert {"helicone-auth", "x-portkey-api-key", "cf-aig-authorization", "x-dashcam-misspelt"} & kept.keys() == set()


async def test_a_provider_that_is_such_a_gateway_gets_what_is_for_it(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    async with gateway(tmp_path, upstream, gateway_headers="send") as proxy, Client(proxy.port) as client:
        await client.ask("POST", PATH, b"{}", *OURS, *THEIRS)
        names = names_at(upstream)
        assert {line.partition(":")[0].lower() for line in THEIRS} <= names
        assert not any(name.startswith("x-dashcam-") for name in names)


async def test_the_reply_says_little_unless_asked(proxy: RunningGateway) -> None:
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", PATH, b"{}")
        verbose = await client.ask("POST", PATH, b'{"model":"m\\r\\nx: \\u754c"}', "x-dashcam-verbose: 1")
    ours = re.findall(rb"(?mi)^(x-dashcam-[a-z-]+): ([^\r]+)", reply.head)
    assert [name for name, _ in ours] == [b"x-dashcam-id", b"x-dashcam-provider", b"x-dashcam-attempts"]
    assert dict(ours)[b"x-dashcam-provider"] == b"main"
    said = {name: value for name, value in re.findall(r"(?mi)^x-dashcam-([a-z-]+): ([^\r]+)", verbose.head.decode())}
    assert said.keys() == {
        "id", "provider", "attempts", "record", "operation", "model", "request-modified", "duration-ms", "overhead-ms",
    }  # fmt: skip
    assert (said["record"], said["operation"], said["attempts"]) == ("full", "chat", "1")
    assert (said["model"], said["request-modified"]) == ("m%0D%0Ax: %E7%95%8C", "false")
    assert 0 <= float(said["overhead-ms"]) <= float(said["duration-ms"])


async def test_an_upstream_s_word_for_ours_is_not_passed(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    async def forge(turn: Turn) -> None:
        await turn.answer(b"{}", b"X-Dashcam-Warning: forged", b"x-dashcam-provider: forged", b"x-dashcam-url: forged")

    upstream.scenario = forge
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", PATH, b"{}")
    assert b"forged" not in reply.head


async def test_what_was_cut_is_said_and_the_call_goes_on(proxy: RunningGateway, upstream: ScriptedUpstream) -> None:
    tags = "x-dashcam-tags: " + ",".join(f"tag{number}" for number in range(4000))
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", PATH, b"{}", tags, "x-dashcam-metadata: [", "x-dashcam-sesion: misspelt")
    assert reply.status == 200
    assert reply.headers("x-dashcam-warning") == [
        "metadata is no JSON object and was left out; 3968 tags beyond 32 left out; 1 x-dashcam-* header is not known"
    ]


async def test_hostile_values_stop_nothing(proxy: RunningGateway) -> None:
    async with Client(proxy.port) as client:
        for value in (
            "\xff\xfe\x80",
            "\t ",
            "[" * 8_000,
            '{"a":' * 1_500,
            "%00\\u0000",
            "'; drop table interaction;--",
        ):
            hostile = [f"{name}: {value}" for name in ("x-dashcam-user", "x-dashcam-metadata", "x-dashcam-id")]
            assert (await client.ask("POST", PATH, b"{}", *hostile, *hostile)).status == 200
    for smuggled in (b"x-dashcam-user: a\0b\r\n", b"x-dashcam-user: a\nb: c\rd\r\n"):
        async with Client(proxy.port) as client:
            await client.raw(b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: localhost\r\n" + smuggled + b"\r\n")
            assert (await client.reply()).status == 400


async def test_a_provider_can_be_named_but_only_one_of_ours(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with ScriptedUpstream() as second, gateway(tmp_path, upstream, second) as proxy, Client(proxy.port) as client:
        reply = await client.ask("POST", PATH, b"{}", "x-dashcam-provider: second")
        refused = await client.ask("POST", PATH, b"{}", "x-dashcam-provider: http://evil.example")
    assert (reply.status, reply.headers("x-dashcam-provider")) == (200, ["second"])
    assert second.requests[0].request_line == b"POST /v1/chat/completions HTTP/1.1"
    assert (refused.status, orjson.loads(refused.body)["error"]["code"]) == (400, "unknown_provider")
    assert b"evil" not in refused.body
    assert upstream.requests == []


# -- what is kept ---------------------------------------------------------------------------------------------


def everything_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_meta_is_a_call_whose_content_goes_no_further_than_the_spool(proxy: RunningGateway) -> None:
    async with Client(proxy.port) as client:
        await client.ask("POST", PATH, b"{}", "x-dashcam-record: meta")
        await client.ask("POST", PATH, b"{}", "cf-aig-collect-log-payload: false")
        await client.ask("POST", PATH, b"{}", "x-dashcam-record: full")
    assert [call.start.content for call in proxy.calls()] == ["off", "off", "stored"]


@pytest.mark.parametrize("size", [100, LIMITS.spill_bytes * 2])
async def test_none_leaves_nothing_on_disk_and_is_counted(
    proxy: RunningGateway, upstream: ScriptedUpstream, tmp_path: Path, size: int
) -> None:
    async def answer(turn: Turn) -> None:
        assert b"canary" not in everything_under(tmp_path)
        await stream(turn, b'data: {"canary":1}\n\n', b"data: [DONE]\n\n")

    upstream.scenario = answer
    body = b'{"x":"canary' + b"y" * size + b'"}'
    async with Client(proxy.port) as client:
        reply = await client.ask("POST", PATH, body, "x-dashcam-record: none", "x-dashcam-user: canary")
        refused = await client.ask("POST", PATH + "/../canary", b"{}", "x-dashcam-record: none")
    assert (reply.status, b"canary" in reply.body, refused.status) == (200, True, 400)
    assert upstream.requests[0].body == body
    assert proxy.calls() == []
    assert b"canary" not in everything_under(tmp_path)
    counted = proxy.page.get(Page.ACCEPTED), proxy.page.get(Page.DROPPED_POLICY), proxy.page.get(Page.APPENDED_RECORDS)
    assert counted == (2, 2, 0)


# -- metadata without store -----------------------------------------------------------------------------------

BODY = b'{ "model":"m", "metadata" : {"k":"v"}, "messages":[{"content":"\\u00e9 1.0"}] }'
SENT = b'{ "model":"m", "messages":[{"content":"\\u00e9 1.0"}] }'


@pytest.mark.parametrize("pad", [0, LIMITS.spill_bytes])
async def test_metadata_that_openai_would_refuse_stays_here(
    tmp_path: Path, upstream: ScriptedUpstream, pad: int
) -> None:
    padding = b" " * pad
    async with gateway(tmp_path, upstream, unstored_metadata="keep") as proxy, Client(proxy.port) as client:
        await client.ask("POST", PATH, BODY + padding)
        assert upstream.requests[0].body == SENT + padding
        (call,) = proxy.calls()
        assert call.start.edits == ((13, 24, ""),)
        if not pad:
            assert (call.request, sent_form(call)) == (BODY, SENT)


@pytest.mark.parametrize(
    ("path", "body", "setting"),
    [
        (PATH, BODY[:-1] + b',"store":true}', "keep"),
        ("/v1/responses", BODY, "keep"),
        (PATH, BODY, "send"),
        (PATH, b'{"metadata":null}', "keep"),
    ],
)
async def test_metadata_is_sent_everywhere_else(
    tmp_path: Path, upstream: ScriptedUpstream, path: str, body: bytes, setting: str
) -> None:
    async with gateway(tmp_path, upstream, unstored_metadata=setting) as proxy, Client(proxy.port) as client:
        await client.ask("POST", path, body)
        assert upstream.requests[0].body == body


async def test_where_usage_is_refused_metadata_still_stays_here(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async def refuse(turn: Turn) -> None:
        await turn.answer(b'{"error":{"message":"stream_options?"}}', status=b"400 Bad Request")

    upstream.scenario = one_after_another(refuse, answer_ok)
    body = b'{"metadata":{"k":"v"},"stream":true}'
    values = {"unstored_metadata": "keep", "stream_usage": "inject"}
    async with gateway(tmp_path, upstream, **values) as proxy, Client(proxy.port) as client:
        reply = await client.ask("POST", PATH, body)
        assert (reply.status, reply.headers("x-dashcam-attempts")) == (200, ["2"])
        (call,) = proxy.calls()
    first, second = (request.body for request in upstream.requests)
    assert first == b'{"stream_options":{"include_usage":true},"stream":true}'
    assert second == sent_form(call) == b'{"stream":true}'
    assert call.end is not None
    assert call.end.outcome is Outcome.COMPLETED


async def test_our_own_errors_say_whose_they_are_too(tmp_path: Path, unused_port: int) -> None:
    settings = Settings(
        data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), limits=LIMITS, providers=(provider(unused_port),)
    )
    async with running_gateway(tmp_path, settings) as proxy, Client(proxy.port) as client:
        reply = await client.ask("POST", PATH, b"{}")
    assert (reply.status, reply.headers("x-dashcam-provider"), reply.headers("x-dashcam-attempts")) == (
        502,
        ["main"],
        ["1"],
    )
