"""A target goes on record without the keys that may stand in its query."""

from __future__ import annotations

import time

import pytest

from proxy.gateway.call_start import safe_target, wall_clock


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
