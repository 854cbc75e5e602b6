"""Entries for the store, made the way the loader makes them: interpreted from a recorded call."""

from __future__ import annotations

from dataclasses import replace

from proxy.domain.identity import IdentityMint, id_text
from proxy.domain.interaction import Body, Entry, Interaction
from proxy.domain.outcome import Outcome

_MINT = IdentityMint()
STARTED_AT = 1_795_000_000_000


def an_interaction(**changes: object) -> Interaction:
    """Return a completed chat call."""
    values: dict[str, object] = {
        "id": id_text(_MINT.mint(STARTED_AT * 1_000_000)),
        "started_at": STARTED_AT,
        "completed_at": STARTED_AT + 1200,
        "duration_ms": 1200.5,
        "operation": "chat",
        "method": "POST",
        "endpoint": "/v1/chat/completions",
        "provider": "openai",
        "model": "gpt-5",
        "outcome": Outcome.COMPLETED,
        "success": True,
        "http_status": 200,
        "input_tokens": 10,
        "output_tokens": 5,
        "cost_pico_usd": 2_500_000,
        **changes,
    }
    return Interaction(**values)  # type: ignore[arg-type]


def an_entry(request: bytes = b'{"a":1}', response: bytes = b'{"b":2}', **changes: object) -> Entry:
    """Return an entry with both bodies."""
    return Entry(
        interaction=an_interaction(**changes),
        request=Body(content=request, length=len(request), media_type="application/json"),
        response=Body(content=response, length=len(response), timings=((5, len(response)),)),
        input_text="asked",
        output_text="answered",
    )


def with_body(entry: Entry, content: bytes, cuts: tuple[int, ...]) -> Entry:
    """Return the entry with another request body."""
    return replace(entry, request=Body(content=content, length=len(content), cuts=cuts))
