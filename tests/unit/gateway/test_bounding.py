"""What may be said about how long a call may take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.bounding import MAX_RETRIES, MAX_SECONDS, read_both, read_bound, read_retries
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


@pytest.mark.parametrize(("said", "retries"), [(b"0", 0), (b" 3 ", 3), (b"99", 99), (b"01", 1)])
def test_a_number_of_further_tries(said: bytes, retries: int) -> None:
    assert read_retries(said) == retries


@pytest.mark.parametrize("said", [b"", b"-1", b"1.0", b"100", b"many", b"1,2", "\u0663".encode()])
def test_what_is_no_number_of_tries_is_refused(said: bytes) -> None:
    refusal = read_retries(said)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code) == (400, "invalid_retries")


def test_either_one_is_refused_where_it_is_wrong_and_none_is_no_bound() -> None:
    assert read_both({}) == (None, None)
    assert read_both({b"x-dashcam-timeout": b"2", b"x-dashcam-retries": b"1"}) == (2.0, 1)
    for wrong in ({b"x-dashcam-timeout": b"x"}, {b"x-dashcam-timeout": b"1", b"x-dashcam-retries": b"x"}):
        assert isinstance(read_both(wrong), Refusal)


@given(st.binary(max_size=20))
def test_nothing_raises(said: bytes) -> None:
    found, tries = read_bound(said), read_retries(said)
    assert isinstance(found, Refusal) or 0 < found <= MAX_SECONDS
    assert isinstance(tries, Refusal) or 0 <= tries <= MAX_RETRIES
