"""Every kept answer through the running program: the client gets its bytes, and the row says what was meant.

Providers of each kind are configured at one scripted upstream, and asked below their names (cases C to H of the
conformance list, where they are about one answer's shape).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.raw_http import exchange, request
from tests.support.recorded import answer
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.shapes import SHAPES, Shape

KINDS = sorted({shape.kind for shape in SHAPES})
CUTS = {"whole": 1 << 20, "byte by byte": 1}


@pytest.fixture(scope="module")
def dashcam(start_dashcam: Starter, upstream: ScriptedUpstream) -> RunningDashcam:
    arguments = [word for kind in KINDS for word in ("--upstream", f"{kind}={upstream.url}/v1")]
    return start_dashcam(*arguments)


def sends(shape: Shape, size: int) -> Callable[[Turn], Awaitable[None]]:
    body, media = answer(shape.name), b"Content-Type: " + shape.media.encode()

    async def scenario(turn: Turn) -> None:
        if not shape.is_stream:
            await turn.answer(body, media)
            return
        await turn.head(media, b"Transfer-Encoding: chunked")
        for start in range(0, len(body), size):
            await turn.chunk(body[start : start + size])
        await turn.chunk(b"")

    return scenario


def path_of(shape: Shape) -> str:
    """Return the path below the provider's name; what is a server's own stands at its root."""
    is_own = shape.path.startswith("/api/") or shape.path == "/completion"
    return f"/{shape.kind}{'' if is_own else '/v1'}{shape.path}"


@pytest.mark.parametrize("size", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_bytes_pass_and_the_row_says_what_was_meant(
    dashcam: RunningDashcam, upstream: ScriptedUpstream, shape: Shape, size: int
) -> None:
    upstream.scenario = sends(shape, size)
    asked = b'{"model":"asked-for","stream":true,"stream_options":{"include_usage":true},"messages":[]}'
    reply = exchange(dashcam.port, request(asked, path=path_of(shape)))
    assert (reply.status, reply.body, reply.is_whole) == (200, answer(shape.name), True)
    assert upstream.requests[-1].body == asked
    row = dashcam.row(id=reply.header("x-dashcam-id"))
    counts = tuple(row[name] for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"))
    assert (counts, row["usage_source"]) == (shape.counts, shape.source.value)
    assert (row["finish_reason"], row["finish_kind"]) == (shape.reason, shape.finish.value)
    assert (row["outcome"], row["error_message"]) == (shape.outcome.value, shape.error)
    assert (row["http_status"], row["model_requested"]) == (200, "asked-for")
    text = dashcam.query("select output_text from interaction_text where interaction_id = ?", row["id"])
    assert ((text[0]["output_text"] if text else None) or "") == shape.said
    assert dashcam.body(row["id"], "response") == answer(shape.name)
