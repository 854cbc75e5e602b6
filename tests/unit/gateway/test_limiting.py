"""Who is beyond a limit is told so in OpenAI's words, and when to come again; coming then helps."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.domain.access import Limits
from proxy.gateway.limiting import Subject, headers_of, refusal_of, seconds_until
from proxy.spool.tallies import Counts

MINUTE = 1_800_000_000.0
HALF = MINUTE + 30


def refused(counts: Counts, now: float = MINUTE, **limits: int) -> tuple[str, int] | None:
    """Return message and seconds of the refusal of somebody with these limits."""
    refusal = refusal_of(Subject(1, "This proxy key (k)", Limits(**limits)), counts, now)
    if refusal is None:
        return None
    assert (refusal.status, refusal.code) == (429, "rate_limit_exceeded")
    assert refusal.retry_after_ms is not None
    return refusal.message, refusal.retry_after_ms // 1000


def test_as_many_as_the_limit_says_are_let_in() -> None:
    assert refused(Counts(requests=9), requests_per_minute=10) is None
    message, seconds = refused(Counts(requests=10), requests_per_minute=10) or ("", 0)
    assert "has had its 10 requests of a minute" in message
    assert seconds == 66


def test_what_was_used_in_the_minute_before_fades() -> None:
    assert refused(Counts(requests_before=10), requests_per_minute=10)
    assert refused(Counts(requests_before=10), MINUTE + 7, requests_per_minute=10) is None
    assert refused(Counts(requests_before=10, requests=5), HALF, requests_per_minute=10)
    assert refused(Counts(requests_before=10, requests=4), HALF, requests_per_minute=10) is None


def test_tokens_and_calls_at_once_have_limits_of_their_own() -> None:
    assert refused(Counts(tokens=99), tokens_per_minute=100) is None
    assert "100 tokens" in (refused(Counts(tokens=100), tokens_per_minute=100) or ("", 0))[0]
    assert refused(Counts(under_way=1), concurrent=2) is None
    assert refused(Counts(under_way=2), concurrent=2) == (
        "This proxy key (k) has 2 calls under way, of 2 that its limits allow on this host. "
        "Send the call again in 1 s.",
        1,
    )


def test_one_is_said_as_one() -> None:
    assert "has 1 call under way, of 1 that" in (refused(Counts(under_way=1), concurrent=1) or ("", 0))[0]
    assert "its 1 request of a minute" in (refused(Counts(requests=1), requests_per_minute=1) or ("", 0))[0]
    assert "its 1 token of a minute" in (refused(Counts(tokens=1), tokens_per_minute=1) or ("", 0))[0]


def test_a_limit_of_nothing_lets_nobody_in() -> None:
    for name in ("requests_per_minute", "tokens_per_minute", "concurrent"):
        assert refused(Counts(), **{name: 0})


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 400), st.floats(0, 59.9))
def test_who_comes_again_when_told_is_let_in(before: int, current: int, most: int, passed: float) -> None:
    now = MINUTE + passed
    wait = seconds_until(before, current, most - 1, now)
    assume(wait > 0)
    then = now + wait + 0.001
    moved = int(then // 60 - now // 60)
    counts = (Counts(current, before), Counts(0, current), Counts())[min(moved, 2)]
    assert refused(counts, then, requests_per_minute=most) is None


def test_headers_say_limit_rest_and_reset() -> None:
    found = dict(headers_of(Limits(requests_per_minute=10, tokens_per_minute=500), Counts(3, 0, 120, 0), HALF, b"x-"))
    assert found == {
        b"x-limit-requests": b"10",
        b"x-remaining-requests": b"7",
        b"x-reset-requests": b"90s",
        b"x-limit-tokens": b"500",
        b"x-remaining-tokens": b"380",
        b"x-reset-tokens": b"90s",
    }
    assert headers_of(Limits(concurrent=1), Counts(), HALF, b"x-") == ()
