"""Upstreams that refuse, hang at each stage, reset or lie: the client is told, nothing ends cleanly that was broken.

Each scenario is played by the scripted upstream behind the running program, and leaves exactly one row.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import openai
import pytest

from tests.acceptance.conftest import Starter
from tests.support import scripted_upstream
from tests.support.dashcam import RunningDashcam
from tests.support.raw_http import exchange, request
from tests.support.recorded import answer
from tests.support.scenarios import JSON, PLAIN, SSE, STREAM, ask, chunk
from tests.support.scripted_upstream import ScriptedUpstream, Turn


def breaks(how: Callable[[Turn], None], *, after: tuple[bytes, ...] = ()) -> scripted_upstream.Scenario:
    async def scenario(turn: Turn) -> None:
        if after:
            await turn.head(*SSE)
            for event in after:
                await turn.chunk(event)
            await turn.arrived()
        how(turn)

    return scenario


async def hang(turn: Turn) -> None:
    await turn.client_closed()


async def hang_in_the_middle(turn: Turn) -> None:
    await turn.head(*SSE)
    await turn.chunk(chunk(content="half"))
    await turn.client_closed()


async def lie_about_the_length(turn: Turn) -> None:
    await turn.answer(b'{"half":', JSON, length=1000)
    turn.close()


async def no_http(turn: Turn) -> None:
    await turn.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    turn.close()


BEFORE_THE_ANSWER = {
    "closes": (breaks(Turn.close), 502, "upstream_unreachable"),
    "resets": (breaks(Turn.reset), 502, "upstream_unreachable"),
    "hangs": (hang, 504, "timed_out"),
    "is no http": (no_http, 502, "upstream_error"),
}


@pytest.mark.parametrize(("scenario", "status", "outcome"), BEFORE_THE_ANSWER.values(), ids=BEFORE_THE_ANSWER)
def test_an_upstream_that_breaks_before_it_answers(
    dashcam: RunningDashcam, upstream: ScriptedUpstream, scenario: scripted_upstream.Scenario, status: int, outcome: str
) -> None:
    answer, row = ask(dashcam, upstream, scenario, PLAIN)
    assert answer.status == status
    assert answer.error["message"]
    assert answer.error["code"]
    assert (row["outcome"], row["http_status"], row["success"]) == (outcome, status, 0)


def test_an_upstream_that_cannot_be_reached(start_dashcam: Starter) -> None:
    dashcam = start_dashcam("--upstream", "openai=http://127.0.0.1:9/v1")
    answer = exchange(dashcam.port, request(PLAIN))
    assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")
    assert dashcam.row(id=answer.header("x-dashcam-id"))["outcome"] == "upstream_unreachable"


IN_THE_MIDDLE = {
    "closes": (breaks(Turn.close, after=(chunk(content="half"),)), "upstream_aborted"),
    "resets": (breaks(Turn.reset, after=(chunk(content="half"),)), "upstream_aborted"),
    "hangs": (hang_in_the_middle, "timed_out"),
}


@pytest.mark.parametrize(("scenario", "outcome"), IN_THE_MIDDLE.values(), ids=IN_THE_MIDDLE)
def test_a_stream_that_breaks_never_ends_cleanly_and_what_came_is_kept(
    dashcam: RunningDashcam, upstream: ScriptedUpstream, scenario: scripted_upstream.Scenario, outcome: str
) -> None:
    answer, row = ask(dashcam, upstream, scenario, STREAM)
    assert not answer.is_whole
    assert answer.body.startswith(chunk(content="half"))
    assert b"[DONE]" not in answer.body
    assert (row["outcome"], row["http_status"], row["output_preview"]) == (outcome, 200, "half")
    assert dashcam.body(row["id"], "response") == chunk(content="half")


def test_the_client_is_told_why_a_stream_broke(client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.scenario = breaks(Turn.close, after=(chunk(content="half"),))
    stream = client.chat.completions.create(model="gpt-4o", messages=[], stream=True)
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert caught.value.code == "upstream_aborted"


def test_the_client_is_told_why_a_responses_stream_broke(
    client: openai.OpenAI, dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    begun = answer("responses_text.sse").partition(b"event: response.output_text.done")[0]
    upstream.scenario = breaks(Turn.close, after=(begun,))
    stream = client.responses.create(model="gpt-5.4", input="hi", stream=True)
    seen: list[int] = []
    with pytest.raises(openai.APIError) as caught:
        seen.extend(event.sequence_number for event in stream)
    assert (caught.value.code, seen) == ("upstream_aborted", list(range(begun.count(b"event: "))))
    # The error event goes on counting, so that a client that checks the numbers misses none.
    whole = exchange(dashcam.port, request(STREAM, path="/v1/responses")).body
    assert whole.startswith(begun)
    assert json.loads(whole[len(begun) :].partition(b"data: ")[2])["sequence_number"] == len(seen)
    row = dashcam.row(id=stream.response.headers["x-dashcam-id"])
    assert (row["outcome"], row["output_preview"]) == ("upstream_aborted", "It is five.")
    assert dashcam.body(row["id"], "response") == begun


def test_an_answer_shorter_than_announced_is_broken_for_the_client_too(
    dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    answer, row = ask(dashcam, upstream, lie_about_the_length, PLAIN)
    assert (answer.is_whole, row["outcome"]) == (False, "upstream_aborted")
