"""Everything of a request but its body: where it goes, its line and headers, its time-outs. Made once, sent often.

The given headers leave exactly as given, in order, after ``Host``; framing is added when the body is known. A line
break or NUL that somebody smuggled into a header or a target never leaves: such a head cannot be made.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.domain.provider import Provider
from proxy.upstream.answer import Headers
from proxy.upstream.failure import FailureReason, UpstreamFailure
from proxy.upstream.origins import Origin, origin_of


@dataclass(frozen=True, slots=True)
class RequestHead:
    """``lines`` is the request line and the headers, without framing and the empty line; time-outs in seconds."""

    origin: Origin
    method: str
    target: bytes
    lines: bytes
    first_byte_timeout: float
    idle_timeout: float


def head_for(
    provider: Provider, method: str, target: bytes, headers: Headers, read_timeout: float | None = None
) -> RequestHead:
    """Return the head of a request to a provider; ``read_timeout`` may lengthen its time-outs, never shorten them."""
    origin = origin_of(provider)
    longest = read_timeout or 0.0
    return RequestHead(
        origin,
        method,
        target,
        lines_of(method, target, origin.host_header, headers),
        max(provider.first_byte_timeout, longest),
        max(provider.idle_timeout, longest),
    )


def lines_of(method: str, target: bytes, host: bytes, headers: Headers) -> bytes:
    """Return request line and headers; ``UpstreamFailure`` when one of them would be more than a line."""
    lines = [b"%s %s HTTP/1.1\r\nHost: %s\r\n" % (method.encode(), target, host)]
    for name, value in headers:
        lines += (name, b": ", value, b"\r\n")
    joined = b"".join(lines)
    # One look over the whole head costs less than one per header: each line has one line break, at its end.
    breaks = joined.count(b"\r\n")
    if not breaks == 2 + len(headers) == joined.count(b"\n") == joined.count(b"\r") or b"\0" in joined:
        raise UpstreamFailure(FailureReason.PROTOCOL, "a line of the request's head holds a line break or NUL")
    return joined
