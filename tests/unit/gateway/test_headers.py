"""What passes, what is recorded, what stays here."""

from __future__ import annotations

import pytest

from proxy.gateway.headers import request_headers, without_credentials

REQUEST = [
    (b"Host", b"localhost"),
    (b"Content-Length", b"3"),
    (b"Connection", b"keep-alive, X-Private"),
    (b"X-Private", b"1"),
    (b"Authorization", b"Bearer sk-secret"),
    (b"OpenAI-Beta", b"a=1"),
    (b"OpenAI-Beta", b"b=2"),
    (b"X-Stainless-Lang", b"python"),
    (b"Accept-Encoding", b"gzip, br"),
    (b"Expect", b"100-continue"),
    (b"X-Dashcam-Tags", b"t"),
    (b"TE", b"trailers"),
    (b"traceparent", b"00-x"),
]


def test_order_spelling_and_doubles_are_kept_and_hop_by_hop_is_dropped() -> None:
    passed, _ = request_headers(REQUEST, drop_credentials=False, plain_answer=False)
    assert passed == [
        (b"Authorization", b"Bearer sk-secret"),
        (b"OpenAI-Beta", b"a=1"),
        (b"OpenAI-Beta", b"b=2"),
        (b"X-Stainless-Lang", b"python"),
        (b"Accept-Encoding", b"gzip, br"),
        (b"traceparent", b"00-x"),
    ]


def test_nothing_is_invented() -> None:
    assert request_headers([(b"Host", b"x")], drop_credentials=False, plain_answer=True) == ([], ())


def test_credentials_are_dropped_when_ours_are_used_and_never_recorded() -> None:
    passed, recorded = request_headers(REQUEST, drop_credentials=True, plain_answer=False)
    assert b"Authorization" not in dict(passed)
    assert "sk-secret" not in repr(recorded)
    assert dict(recorded)["x-dashcam-tags"] == "t"


def test_nothing_of_the_clients_identity_stays_beside_a_key_of_ours() -> None:
    whose = [(b"Cookie", b"session=1"), (b"OpenAI-Organization", b"org-1"), (b"OpenAI-Project", b"proj-1")]
    assert request_headers(whose, drop_credentials=False, plain_answer=False)[0] == whose
    assert request_headers(whose, drop_credentials=True, plain_answer=False)[0] == []


def test_an_answer_that_must_be_read_is_asked_for_plainly() -> None:
    passed, _ = request_headers(REQUEST, drop_credentials=False, plain_answer=True)
    assert dict(passed)[b"Accept-Encoding"] == b"identity"


@pytest.mark.parametrize(
    ("target", "left"),
    [
        (b"/v1/models", b"/v1/models"),
        (b"/v1/x?api-version=1&max_tokens=5&pageToken=t", b"/v1/x?api-version=1&max_tokens=5&pageToken=t"),
        (b"/v1/x?key=AIza", b"/v1/x"),
        (b"/v1/x?a=%20&Api-Key=s&&b", b"/v1/x?a=%20&&b"),
        (b"/v1/x?%6Bey=s&a=key=1&access_token", b"/v1/x?a=key=1"),
    ],
)
def test_a_key_in_the_query_is_a_credential_too(target: bytes, left: bytes) -> None:
    assert without_credentials(target) == left
