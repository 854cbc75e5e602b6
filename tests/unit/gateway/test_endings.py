"""The one table: which failure is which outcome, status and code, and what the client is told about it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.outcome import Outcome
from proxy.gateway import endings
from proxy.gateway.endings import Ending
from proxy.gateway.guard import Refusal
from proxy.gateway.reply_head import ReplyHead
from proxy.upstream.failure import FailureReason, UpstreamFailure

REASONS = st.sampled_from(FailureReason)
ENDINGS = st.builds(
    Ending,
    outcome=st.sampled_from(Outcome),
    status=st.sampled_from([400, 413, 500, 502, 503, 504]),
    kind=st.sampled_from(["upstream_error", "server_error"]),
    code=st.from_regex(r"[a-z][a-z_]{0,30}", fullmatch=True),
    message=st.text(max_size=50),
    should_retry=st.none() | st.booleans(),
    retry_after_ms=st.none() | st.integers(0, 100_000),
)


def headers_of(head: ReplyHead) -> dict[str, str]:
    lines = b"".join(head.lines).decode().removesuffix("\r\n").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    assert len({name for name, _ in pairs}) == len(pairs), "no header twice"
    return {name: value for name, value in pairs}


@pytest.mark.parametrize(
    ("reason", "outcome", "status", "code", "should_retry"),
    [
        ("dns", "upstream_unreachable", 502, "upstream_unreachable", None),
        ("refused", "upstream_unreachable", 502, "upstream_unreachable", None),
        ("unreachable", "upstream_unreachable", 502, "upstream_unreachable", None),
        ("reset", "upstream_unreachable", 502, "upstream_unreachable", None),
        ("closed_early", "upstream_unreachable", 502, "upstream_unreachable", None),
        ("tls", "upstream_unreachable", 502, "proxy_config_error", False),
        ("blocked_address", "upstream_unreachable", 502, "proxy_config_error", False),
        ("key_unusable", "upstream_unreachable", 502, "proxy_config_error", False),
        ("connect_timeout", "timed_out", 504, "timed_out", None),
        ("first_byte_timeout", "timed_out", 504, "timed_out", None),
        ("idle_timeout", "timed_out", 504, "timed_out", None),
        ("protocol", "upstream_error", 502, "upstream_invalid_answer", None),
        ("head_too_large", "upstream_error", 502, "upstream_invalid_answer", None),
    ],
)
def test_an_upstream_that_never_answered(
    reason: str, outcome: str, status: int, code: str, should_retry: bool | None
) -> None:
    ending = endings.before_answer(UpstreamFailure(FailureReason(reason), "no luck"), "main")
    assert (ending.outcome.value, ending.status, ending.code) == (outcome, status, code)
    assert ending.should_retry is should_retry
    assert ending.kind == "upstream_error"
    assert ending.message == f"Provider 'main' could not answer ({reason}): no luck"


@given(reason=REASONS, message=st.text(max_size=40))
def test_an_upstream_that_broke_off_was_aborted_or_fell_silent(reason: FailureReason, message: str) -> None:
    ending = endings.in_answer(UpstreamFailure(reason, message), "main")
    is_silence = reason is FailureReason.IDLE_TIMEOUT
    assert ending.outcome is (Outcome.TIMED_OUT if is_silence else Outcome.UPSTREAM_ABORTED)
    assert (ending.status, ending.code) == ((504, "timed_out") if is_silence else (502, "upstream_aborted"))
    assert ending.message == f"Provider 'main' broke off its answer ({reason.value}): {message}"


@pytest.mark.parametrize(
    ("status", "kind", "should_retry", "retry_after_ms"),
    [
        (400, "invalid_request_error", False, None),
        (401, "invalid_request_error", False, None),
        (413, "invalid_request_error", False, None),
        (500, "server_error", False, None),
        (503, "server_error", True, 500),
    ],
)
def test_what_we_refuse_ourselves(status: int, kind: str, should_retry: bool, retry_after_ms: int | None) -> None:
    ending = endings.rejected(Refusal(status, "some_code", "Some way out."))
    assert ending == Ending(Outcome.REJECTED, status, kind, "some_code", "Some way out.", should_retry, retry_after_ms)


def test_our_own_end_and_our_own_faults_may_be_tried_again() -> None:
    assert (endings.SHUT_DOWN.outcome, endings.SHUT_DOWN.status) == (Outcome.SHUT_DOWN, 503)
    assert (endings.INTERNAL.outcome, endings.INTERNAL.status) == (Outcome.REJECTED, 500)
    assert endings.SHUT_DOWN.should_retry
    assert endings.INTERNAL.should_retry


@given(ending=ENDINGS)
def test_a_reply_is_the_envelope_with_its_length_and_the_calls_id(ending: Ending) -> None:
    head, body = endings.reply(ending, b"call-1")
    headers = headers_of(head)
    assert json.loads(body) == {
        "error": {"message": ending.message, "type": ending.kind, "param": None, "code": ending.code}
    }
    assert head.has_length
    assert headers["content-length"] == str(len(body))
    assert headers["content-type"] == "application/json"
    assert (headers["x-dashcam-id"], headers["x-dashcam-error"]) == ("call-1", ending.code)


@given(ending=ENDINGS)
def test_a_reply_says_whether_and_when_to_try_again_only_where_that_is_known(ending: Ending) -> None:
    headers = headers_of(endings.reply(ending, b"call-1")[0])
    known = {None: None, True: "true", False: "false"}
    assert headers.get("x-should-retry") == known[ending.should_retry]
    if ending.retry_after_ms is None:
        assert not {"retry-after", "retry-after-ms"} & set(headers)
    else:
        assert headers["retry-after-ms"] == str(ending.retry_after_ms)
        assert 0 <= int(headers["retry-after"]) * 1000 - ending.retry_after_ms < 1000, "whole seconds, never too early"


@given(name=st.text(max_size=20), message=st.text(max_size=40), reason=REASONS)
def test_nothing_in_a_message_reaches_the_head(name: str, message: str, reason: FailureReason) -> None:
    ending = endings.before_answer(UpstreamFailure(reason, f"x\r\nset-cookie: a=1\r\n{message}"), name)
    head, body = endings.reply(ending, b"call-1")
    assert b"set-cookie" not in b"".join(head.lines)
    assert b"\n" not in body
