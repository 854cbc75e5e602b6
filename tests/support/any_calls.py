"""Calls of any kind with all that stands beside them, as hypothesis finds them: at the edges of what a call can be."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from proxy.domain.cost import Price
from proxy.domain.feedback import FeedbackKind, FeedbackSource
from proxy.domain.identity import id_text
from proxy.domain.interaction import Attempt, Body, Entry, Interaction
from proxy.domain.outcome import SUCCESSFUL, ContentState, CostStatus, FinishKind, Outcome, UsageSource
from proxy.interpret.cutting import cuts_of
from proxy.pricing.rates import Wanted, pin
from tests.support.entries import STARTED_AT

_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
_SOME = st.none() | _TEXTS.filter(bool)
_COUNTS = st.none() | st.sampled_from([0, 1, 10**8]) | st.integers(0, 10**6)
_NUMBERS = st.none() | st.floats(0, 1e12, allow_subnormal=False).map(lambda value: math.fabs(value))
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
_OBJECTS = st.none() | st.dictionaries(_TEXTS, _VALUES, min_size=1, max_size=3)
_MESSAGES = st.lists(_TEXTS, min_size=1, max_size=4).map(
    lambda said: b'{"messages":[%s]}' % b",".join(b'{"content":"%s"}' % (text.encode() * 200) for text in said)
)
CONTENTS = st.binary(max_size=60) | _TEXTS.map(str.encode) | _MESSAGES | st.binary(min_size=4096, max_size=5000)
_IDENTITY = (
    "provider_request_id", "client_request_id", "trace_id", "session_id", "user_id", "app", "environment", "key_id",
    "route", "provider", "model_requested", "model", "api_version", "system_fingerprint", "error_type", "error_code",
    "error_message", "finish_reason", "cache_status", "service_tier", "prompt_name", "prompt_label", "experiment",
    "variant", "input_preview", "output_preview", "decode_error",
)  # fmt: skip
_COUNTED = (
    "retry_count", "top_k", "max_tokens", "input_tokens", "output_tokens", "total_tokens", "cached_tokens",
    "cache_write_tokens", "reasoning_tokens", "audio_tokens", "cost_pico_usd", "input_cost_pico_usd",
    "output_cost_pico_usd", "prompt_version", "input_length", "output_length",
)  # fmt: skip
_MEASURED = ("duration_ms", "ttft_ms", "upstream_ms", "overhead_ms", "temperature", "top_p", "score")


_THOUGHTS = st.fixed_dictionaries(
    {
        "reference": st.none() | st.uuids().map(str), "session_id": _SOME, "name": _TEXTS,
        "kind": st.sampled_from([kind.value for kind in FeedbackKind]), "value": _NUMBERS, "words": _SOME,
        "low": _NUMBERS, "high": _NUMBERS, "score": st.none() | st.floats(0, 1).map(math.fabs),
        "comment": _SOME, "author": _TEXTS,
        "source": st.sampled_from([source.value for source in FeedbackSource]),
        "created_at": st.just("2026-11-27T12:00:00.000Z"), "updated_at": st.just("2026-11-27T12:00:01.000Z"),
    }
)  # fmt: skip


def _price(rate: int) -> Price:
    wanted = Wanted("openai", "gpt-5", "default", "2026-11-01", "", False, False)
    return pin(wanted, "gpt-5", "default", {"input_mtok": str(rate)}, ("test", "1"))


@st.composite
def _interactions(draw: st.DrawFn, price: Price | None) -> Interaction:
    started_at = STARTED_AT + draw(st.integers(-(10**9), 10**6))
    number = draw(st.integers(0, 2**74 - 1))
    identity = started_at << 80 | 7 << 76 | (number >> 62) << 64 | 2 << 62 | number & (2**62 - 1)
    outcome = draw(st.sampled_from(Outcome))
    values: dict[str, Any] = {name: draw(_SOME) for name in _IDENTITY}
    values |= {name: draw(_COUNTS) for name in _COUNTED}
    values |= {name: draw(_NUMBERS) for name in _MEASURED}
    return Interaction(
        **values, id=id_text(identity.to_bytes(16, "big")), started_at=started_at, outcome=outcome,
        completed_at=draw(st.none() | st.integers(0, 10**6).map(lambda after: started_at + after)),
        success=outcome in SUCCESSFUL, operation=draw(_TEXTS), method="POST", endpoint=draw(_TEXTS),
        is_stream=draw(st.booleans()), request_modified=draw(st.booleans()), attempts=draw(st.integers(0, 5)),
        http_status=draw(st.none() | st.integers(100, 999)), finish_kind=draw(st.sampled_from(FinishKind)),
        usage_source=draw(st.sampled_from(UsageSource)), cost_status=draw(st.sampled_from(CostStatus)),
        content_state=draw(st.sampled_from(ContentState)), usage_raw=draw(_OBJECTS), prompt_variables=draw(_OBJECTS),
        quantities=draw(st.none() | st.dictionaries(_TEXTS, st.integers(0, 2**53), min_size=1, max_size=2)),
        request_bytes=draw(st.integers(0, 2**40)), response_bytes=draw(st.integers(0, 2**40)),
        tool_names=tuple(draw(st.lists(_TEXTS, max_size=2))), tags=tuple(draw(st.lists(_TEXTS, max_size=2))),
        metadata=draw(st.none() | st.dictionaries(_TEXTS, _TEXTS, min_size=1, max_size=2)),
        score_count=draw(st.integers(0, 3)), price_id=price.id if price is not None else None,
    )  # fmt: skip


@st.composite
def _bodies(draw: st.DrawFn, *, is_request: bool) -> Body:
    content = draw(CONTENTS)
    return Body(
        content=content, media_type=draw(_SOME), content_encoding=draw(_SOME), length=draw(st.integers(0, 2**40)),
        sha256=draw(_SOME), cuts=cuts_of(content) if is_request else (),
        timings=tuple(draw(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**31)), max_size=4))),
        edits=tuple(draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), _TEXTS), max_size=2))),
        headers=tuple(draw(st.lists(st.tuples(_TEXTS, _TEXTS), max_size=2))),
    )  # fmt: skip


@st.composite
def any_entries(draw: st.DrawFn) -> Entry:
    """Draw one call."""
    price = draw(st.none() | st.integers(0, 3).map(_price))
    item = draw(_interactions(price))
    tries = st.builds(
        Attempt, interaction_id=st.just(item.id), number=st.just(0), provider=_TEXTS, upstream=_TEXTS,
        started_at=st.integers(0, 2**42), connect_ms=_NUMBERS, first_byte_ms=_NUMBERS, duration_ms=_NUMBERS,
        http_status=st.none() | st.integers(100, 599), error=_SOME, error_message=_SOME, reused=st.booleans(),
    )  # fmt: skip
    found = draw(st.lists(tries, max_size=3))
    for number, made in enumerate(found):
        made.number = number
    thoughts = [
        {**draw(_THOUGHTS), "id": f"{item.id}-{number}", "interaction_id": item.id}
        for number in range(draw(st.integers(0, 2)))
    ]
    return Entry(
        feedback=tuple(thoughts), interaction=item, attempts=tuple(found),
        request=draw(st.none() | _bodies(is_request=True)),
        response=draw(st.none() | _bodies(is_request=False)), input_text=draw(_SOME), output_text=draw(_SOME),
        price=price,
    )  # fmt: skip
