"""Who was asked last, of a call that another candidate took over."""

from __future__ import annotations

from proxy.domain.outcome import Outcome
from proxy.domain.recording import CallEnd, CallStart, RecordedCall

START = CallStart(
    accepted_at_ns=0, method="POST", target="/v1/x", operation="chat", provider="a", provider_kind="groq",
    upstream="http://a", model="fast", route="fast", sent_model="llama",
)  # fmt: skip


def call(end: CallEnd | None) -> RecordedCall:
    return RecordedCall(id=b"", start=START, request=None, head=None, pieces=(), end=end)


def test_without_a_takeover_it_is_who_was_planned() -> None:
    for end in (None, CallEnd(outcome=Outcome.COMPLETED, ended_ns=1)):
        found = call(end)
        assert (found.provider, found.provider_kind, found.upstream) == ("a", "groq", "http://a")
        assert found.sent_model == "llama"


def test_after_a_takeover_it_is_who_took_over() -> None:
    end = CallEnd(outcome=Outcome.COMPLETED, ended_ns=1, provider="b", provider_kind="openai", upstream="http://b")
    found = call(end)
    assert (found.provider, found.provider_kind, found.upstream) == ("b", "openai", "http://b")
    assert found.sent_model == "fast"
