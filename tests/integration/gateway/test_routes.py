"""Routes on real sockets: names, takeovers, what is recorded of them; one list of models; dead pooled connections."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import orjson

from proxy.domain.outcome import Outcome
from proxy.domain.provider import Provider
from proxy.domain.route import Route, Target
from proxy.settings.values import Settings
from proxy.spool.page import Page
from tests.integration.gateway.conftest import LIMITS, stream
from tests.support.client import Client
from tests.support.gateway import RunningGateway, provider, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, Turn, answer_ok, one_after_another

PATH = "/v1/chat/completions"
BODY = b'{"model":"fast","messages":[]}'
MAIN, OTHER = Target(provider="main", model="model-a"), Target(provider="other", model="model-b")
FAST = Route(model="fast", targets=(MAIN,), fallbacks=(OTHER,))


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, *providers: Provider, routes: tuple[Route, ...] = (FAST,)
) -> AsyncIterator[RunningGateway]:
    settings = Settings(
        data_dir=str(folder), run_dir=str(folder / "run"), limits=LIMITS, providers=providers, routes=routes
    )
    async with running_gateway(folder, settings) as running:
        yield running


async def fail(turn: Turn) -> None:
    await turn.answer(b'{"error":{"message":"down"}}', b"Content-Type: application/json", status=b"503 Unavailable")


async def close(turn: Turn) -> None:
    turn.close()


async def break_off(turn: Turn) -> None:
    await turn.head(b"Content-Type: application/json", b"Content-Length: 100")
    await turn.send(b'{"half"')
    await turn.arrived()
    turn.close()


async def test_the_first_candidate_is_asked_for_its_own_name(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with (
        ScriptedUpstream() as second,
        gateway(tmp_path, provider(upstream.port), provider(second.port, name="other")) as proxy,
        Client(proxy.port) as client,
    ):
        assert (await client.ask("POST", PATH, BODY)).status == 200
        assert [item.body for item in upstream.requests] == [b'{"model":"model-a","messages":[]}']
        assert second.requests == []
        (call,) = proxy.calls()
    assert (call.start.route, call.start.model, call.start.sent_model) == ("fast", "fast", "model-a")
    assert call.request == BODY
    assert call.end is not None
    assert (call.end.provider, len(call.end.attempts)) == (None, 1)


async def test_a_failing_candidate_is_followed_by_the_next_and_both_are_on_record(
    tmp_path: Path, upstream: ScriptedUpstream, unused_port: int
) -> None:
    upstream.scenario = fail
    lost = provider(unused_port, name="lost")
    routes = (Route(model="fast", targets=(Target(provider="lost"), MAIN), fallbacks=(OTHER,)),)
    async with (
        ScriptedUpstream() as second,
        gateway(tmp_path, provider(upstream.port), lost, provider(second.port, name="other"), routes=routes) as proxy,
        Client(proxy.port) as client,
    ):
        reply = await client.ask("POST", PATH, BODY)
        assert (reply.status, reply.body) == (200, b'{"ok":true}')
        assert second.requests[0].body == b'{"model":"model-b","messages":[]}'
        (call,) = proxy.calls()
        assert proxy.page.get(Page.TAKEOVERS) == 2
    assert call.end is not None
    assert call.answer == b'{"ok":true}'
    tries = [(item.number, item.provider, item.status, item.error) for item in call.end.attempts]
    assert tries == [(1, "lost", None, "refused"), (2, "main", 503, None), (3, "other", 200, None)]
    assert (call.start.provider, call.end.provider, call.end.sent_model) == ("lost", "other", "model-b")
    assert call.end.edits == ((9, 6, '"model-b"'),)
    assert call.end.outcome is Outcome.COMPLETED


async def test_the_last_candidate_s_answer_is_passed_on_as_it_came(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    upstream.scenario = fail

    async def busy(turn: Turn) -> None:
        await turn.answer(b"later", b"Retry-After: 7", status=b"429 Too Many Requests")

    async with (
        ScriptedUpstream(busy) as second,
        gateway(tmp_path, provider(upstream.port), provider(second.port, name="other")) as proxy,
        Client(proxy.port) as client,
    ):
        reply = await client.ask("POST", PATH, BODY)
        assert (reply.status, reply.body, reply.headers("retry-after")) == (429, b"later", ["7"])
        (call,) = proxy.calls()
    assert call.end is not None
    assert (call.end.outcome, call.end.status) == (Outcome.UPSTREAM_ERROR, 429)


async def test_a_caller_can_bound_how_many_others_are_asked(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    upstream.scenario = fail
    routes = (Route(model="fast", targets=(MAIN,), fallbacks=(OTHER, Target(provider="third"))),)
    async with (
        ScriptedUpstream(fail) as second,
        ScriptedUpstream() as third,
        gateway(
            tmp_path, provider(upstream.port), provider(second.port, name="other"), provider(third.port, name="third"),
            routes=routes,
        ) as proxy,
        Client(proxy.port) as client,
    ):  # fmt: skip
        replies = [await client.ask("POST", PATH, BODY, f"x-dashcam-retries: {said}") for said in ("0", "1", "2")]
        refused = await client.ask("POST", PATH, BODY, "x-dashcam-retries: all")
        assert [reply.status for reply in replies] == [503, 503, 200]
        assert (refused.status, refused.headers("x-dashcam-error")) == (400, ["invalid_retries"])
        assert (len(upstream.requests), len(second.requests), len(third.requests)) == (3, 2, 1)
        assert upstream.requests[0].header(b"x-dashcam-retries") is None
        calls = proxy.calls()
    assert [len(call.end.attempts) for call in calls if call.end] == [1, 2, 3, 0]


async def test_once_an_answer_has_begun_nobody_takes_over(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    upstream.scenario = break_off
    async with (
        ScriptedUpstream() as second,
        gateway(tmp_path, provider(upstream.port), provider(second.port, name="other")) as proxy,
    ):
        async with Client(proxy.port) as client:
            assert not (await client.ask("POST", PATH, BODY)).is_clean
        assert second.requests == []
        (call,) = proxy.calls()
    assert call.end is not None
    assert call.end.outcome is Outcome.UPSTREAM_ABORTED


async def test_a_connection_that_closes_before_an_answer_is_followed_by_the_next(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    upstream.scenario = close
    async with (
        ScriptedUpstream() as second,
        gateway(tmp_path, provider(upstream.port), provider(second.port, name="other")) as proxy,
        Client(proxy.port) as client,
    ):
        assert (await client.ask("POST", PATH, BODY)).status == 200
        (call,) = proxy.calls()
    assert call.end is not None
    assert [item.error for item in call.end.attempts] == ["closed_early", None]


async def test_a_provider_that_keeps_failing_is_passed_over(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    upstream.scenario = fail
    async with (
        ScriptedUpstream() as second,
        gateway(tmp_path, provider(upstream.port), provider(second.port, name="other")) as proxy,
        Client(proxy.port) as client,
    ):
        for _ in range(8):
            assert (await client.ask("POST", PATH, BODY)).status == 200
        assert (len(upstream.requests), len(second.requests)) == (5, 8)
        assert proxy.page.get(Page.BREAKERS_OPEN) == 1


async def test_a_call_that_no_route_decides_is_sent_once(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    upstream.scenario = fail
    async with (
        gateway(tmp_path, provider(upstream.port), provider(upstream.port, name="other")) as proxy,
        Client(proxy.port) as client,
    ):
        assert (await client.ask("POST", PATH, b'{"model":"plain"}')).status == 503
        assert len(upstream.requests) == 1
        assert proxy.page.get(Page.UNKNOWN_MODELS) == 1


async def test_a_refused_usage_option_is_taken_back_and_the_new_name_is_not(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    async def refuse(turn: Turn) -> None:
        await turn.answer(b'{"error":"stream_options"}', status=b"400 Bad Request")

    async def talk(turn: Turn) -> None:
        await stream(turn, b"data: [DONE]\n\n")

    upstream.scenario = one_after_another(refuse, talk)
    body = b'{"model":"fast","stream":true}'
    async with (
        gateway(
            tmp_path, provider(upstream.port, stream_usage="inject"), routes=(Route(model="fast", targets=(MAIN,)),)
        ) as proxy,
        Client(proxy.port) as client,
    ):
        assert (await client.ask("POST", PATH, body)).status == 200
        (call,) = proxy.calls()
    assert upstream.requests[0].body == b'{"stream_options":{"include_usage":true},"model":"model-a","stream":true}'
    assert upstream.requests[1].body == b'{"model":"model-a","stream":true}'
    assert call.end is not None
    assert (call.end.edits, call.end.edits_undone) == (((9, 6, '"model-a"'),), False)


async def test_a_large_body_is_renamed_on_its_way_from_the_file_and_sent_again(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    upstream.scenario = fail
    body = b'{"messages":["' + b"x" * 400_000 + b'"],"model":"fast"}'
    async with (
        ScriptedUpstream() as second,
        gateway(tmp_path, provider(upstream.port), provider(second.port, name="other")) as proxy,
        Client(proxy.port) as client,
    ):
        assert (await client.ask("POST", PATH, body)).status == 200
    assert upstream.requests[0].body == body.replace(b'"fast"', b'"model-a"')
    assert second.requests[0].body == body.replace(b'"fast"', b'"model-b"')


async def test_the_list_of_models_is_one_and_has_a_row_of_its_own(
    tmp_path: Path, upstream: ScriptedUpstream, unused_port: int
) -> None:
    entry = '{"id":"near-1","object":"model","created":5,"owned_by":"somebody","extra":[1]}'
    near = provider(unused_port, name="near", models=("near-1",), entries=(entry,))
    async with (
        gateway(tmp_path, provider(upstream.port, models=("main-1",)), near) as proxy,
        Client(proxy.port) as client,
    ):
        reply = await client.ask("GET", "/v1/models", b"")
        assert reply.status == 200
        listed = orjson.loads(reply.body)
        assert listed["object"] == "list"
        assert [item["id"] for item in listed["data"]] == ["fast", "near-1", "main-1"]
        assert listed["data"][1] == orjson.loads(entry)
        assert upstream.requests == []
        (call,) = proxy.calls()
    assert (call.start.operation, call.start.provider, call.answer) == ("models", "dashcam", reply.body)
    assert call.end is not None
    assert call.end.outcome is Outcome.COMPLETED


async def test_one_provider_is_asked_for_its_list_itself(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with (
        gateway(tmp_path, provider(upstream.port, models=("m",)), routes=()) as proxy,
        Client(proxy.port) as client,
    ):
        assert (await client.ask("GET", "/v1/models/m", b"")).body == b'{"ok":true}'
        assert (await client.ask("GET", "/v1/models", b"")).body == b'{"data":[]}'
        assert [item.start.provider for item in proxy.calls()] == ["main", "main"]


async def test_a_try_on_a_dead_pooled_connection_is_on_record(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async def close_instead(turn: Turn) -> None:
        turn.close()

    upstream.scenario = one_after_another(answer_ok, close_instead, answer_ok)
    async with (
        gateway(tmp_path, provider(upstream.port), routes=()) as proxy,
        Client(proxy.port) as client,
    ):
        for body in (b'{"model":"a"}', b'{"model":"b"}'):
            assert (await client.ask("POST", PATH, body)).status == 200
        call = proxy.calls()[1]
    assert call.end is not None
    first, second = call.end.attempts
    assert (first.number, first.reused, first.error, first.status) == (1, True, "closed_early", None)
    assert (second.number, second.reused, second.error, second.status) == (2, False, None, 200)
    assert first.ended_ns is not None
    assert first.started_ns <= first.ended_ns <= second.started_ns
