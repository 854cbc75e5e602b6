"""A target goes on record without the keys that may stand in its query."""

from __future__ import annotations

import time

import orjson
import pytest

from proxy.domain.recording import PromptFact
from proxy.gateway.body import Inbound
from proxy.gateway.call_start import recorded_body, safe_target, wall_clock
from proxy.gateway.prompts import Composed
from proxy.protocol.requests import read


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        (b"/v1/models", "/v1/models"),
        (b"/v1/models?limit=3&after=a", "/v1/models?limit=3&after=a"),
        (b"/v1/x?key=AIza&alt=sse", "/v1/x?key=***&alt=sse"),
        (b"/v1/x?%6Bey=AIza&api-key=s&Access_Token=t", "/v1/x?%6Bey=***&api-key=***&Access_Token=***"),
        (b"/v1/x?key", "/v1/x?key"),
    ],
)
def test_values_of_key_like_members_are_taken_out(target: bytes, kept: str) -> None:
    assert safe_target(target) == kept


def test_an_instant_just_passed_has_its_time_of_day() -> None:
    before = time.time_ns()
    assert before - 1_000_000 <= wall_clock(time.monotonic_ns()) <= time.time_ns() + 1_000_000


SECRET = "of-a-variable-8c1f"


def composed(*, has_secret: bool) -> Composed:
    fact = PromptFact(name="account", version=1, label=None, variables={"account": "[redacted]", "tone": "kind"})
    return Composed(inbound_of(b"{}"), (), fact, (), has_secret)


def inbound_of(data: bytes) -> Inbound:
    return Inbound(data, len(data), read(data)[0])


def test_a_secret_value_is_taken_out_of_what_is_recorded() -> None:
    said = {"id": "account", "variables": {"account": SECRET, "tone": "kind", "more": SECRET}}
    own = inbound_of(orjson.dumps({"model": "m", "temperature": 0.5, "prompt": said}))
    kept = orjson.loads(recorded_body(own, composed(has_secret=True)))
    assert kept["prompt"] == {"id": "account", "variables": {"account": "[redacted]", "tone": "kind"}}
    assert (kept["model"], kept["temperature"]) == ("m", 0.5)
    assert recorded_body(own, composed(has_secret=False)) == recorded_body(own, None) == own.data


def test_where_it_cannot_be_taken_out_nothing_is_recorded() -> None:
    lenient = b'{"n": NaN, "prompt": {"id": "account", "variables": {"account": "%s"}}}' % SECRET.encode()
    assert recorded_body(inbound_of(lenient), composed(has_secret=True)) == b""
