"""A head is refused for what it is, and says which limit it has passed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.gateway.client_head import ClientHead, Headers
from proxy.gateway.head_rules import fault_of, too_long
from proxy.settings.values import LimitSettings
from proxy.spool.page import Page

LIMITS = replace(LimitSettings(), header_bytes=1024, header_count=20)
HOST = (b"Host", b"a")


@pytest.mark.parametrize(
    ("method", "headers", "status", "code", "limit"),
    [
        (b"CONNECT", [HOST], 405, "method_not_allowed", None),
        (b"TRACE", [HOST], 405, "method_not_allowed", None),
        (b"POST", [HOST, (b"host", b"b")], 400, "invalid_host", None),
        (b"POST", [HOST, (b"Transfer-Encoding", b"gzip, chunked")], 400, "invalid_http", None),
        (b"POST", [HOST, (b"X", b"v" * 1024)], 431, "request_headers_too_large", Page.LIMIT_HEADER_BYTES),
        (b"POST", [HOST] + [(b"X", b"v")] * 20, 431, "request_headers_too_large", Page.LIMIT_HEADER_COUNT),
    ],
)
def test_what_is_wrong_is_told(method: bytes, headers: Headers, status: int, code: str, limit: int | None) -> None:
    fault = fault_of(ClientHead(method, b"/v1/x", headers), LIMITS)
    assert fault is not None
    assert (fault.refusal.status, fault.refusal.code, fault.limit) == (status, code, limit)
    assert fault.refusal.message.endswith(".")


def test_a_long_target_counts_as_a_part_of_the_head() -> None:
    fault = fault_of(ClientHead(b"GET", b"/v1/" + b"x" * 1024, [HOST]), LIMITS)
    assert fault is not None
    assert (fault.refusal.status, fault.limit) == (431, Page.LIMIT_HEADER_BYTES)


def test_what_is_within_the_limits_passes() -> None:
    headers = [HOST, (b"Transfer-Encoding", b"Chunked"), *[(b"X", b"v")] * 18]
    assert fault_of(ClientHead(b"POST", b"/v1/x", headers), LIMITS) is None
    assert "limits.header_bytes" in too_long(LIMITS).refusal.message
