"""What is wrong with a request's head whatever it asks for: checked once per head, before a call is made of it."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.gateway.client_head import ClientHead
from proxy.gateway.guard import Refusal
from proxy.settings.values import LimitSettings
from proxy.spool.page import Page

_NOT_RELAYED = {
    "CONNECT": "CONNECT is not relayed: this is a proxy for API calls, not for tunnels.",
    "TRACE": "TRACE is not relayed: its answer would repeat the request's headers, keys among them.",
}


@dataclass(frozen=True, slots=True)
class HeadFault:
    """Why a head is refused, and which limit it has passed (a slot of the page), if it is that."""

    refusal: Refusal
    limit: int | None = None


def fault_of(head: ClientHead, limits: LimitSettings) -> HeadFault | None:
    """Return what is wrong with a head, or None."""
    if head.method in _NOT_RELAYED:
        return HeadFault(Refusal(405, "method_not_allowed", _NOT_RELAYED[head.method]))
    if head.has_two_hosts():
        return HeadFault(Refusal(400, "invalid_host", "The request carries more than one Host header."))
    if head.is_chunked and head.known[b"transfer-encoding"].lower() != b"chunked":
        known = "The only Transfer-Encoding of a request that is understood is 'chunked'."
        return HeadFault(Refusal(400, "invalid_http", known))
    if head.size() > limits.header_bytes:
        return too_long(limits)
    if len(head.headers) > limits.header_count:
        most = f"more than {limits.header_count} headers (limits.header_count)"
        return HeadFault(_too_large(f"has {most}. Send fewer headers."), Page.LIMIT_HEADER_COUNT)
    return None


def too_long(limits: LimitSettings) -> HeadFault:
    """Return the fault of a head that is larger than we keep."""
    most = f"is larger than {limits.header_bytes} bytes (limits.header_bytes)"
    return HeadFault(_too_large(f"{most}. Send fewer or shorter headers."), Page.LIMIT_HEADER_BYTES)


def _too_large(why: str) -> Refusal:
    return Refusal(431, "request_headers_too_large", f"The request head {why}")
