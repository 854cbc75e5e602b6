"""What may be said about how long a call may take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.bounding import MAX_SECONDS, read_bound
from proxy.gateway.guard import Refusal


@pytest.mark.parametrize(
    ("said", "seconds"), [(b"30", 30.0), (b" 2.5 ", 2.5), (b"0.000001", 0.000001), (b"86400", 86400.0)]
)
def test_a_number_of_seconds(said: bytes, seconds: float) -> None:
    assert read_bound(said) == seconds


@pytest.mark.parametrize(
    "said",
    [b"", b"0", b"0.0", b"-1", b"1e3", b"86401", b"inf", b"nan", b"30s", b"1,5", b"1 2", b".5", "\u0663".encode()],
)
def test_anything_else_is_refused_with_what_is_meant(said: bytes) -> None:
    refusal = read_bound(said)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code) == (400, "invalid_timeout")
    assert "number of seconds" in refusal.message


@given(st.binary(max_size=20))
def test_nothing_raises(said: bytes) -> None:
    found = read_bound(said)
    assert isinstance(found, Refusal) or 0 < found <= MAX_SECONDS
