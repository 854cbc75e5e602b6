"""The request's body, read within its limit: small ones in memory, large ones written aside as they arrive.

A body above ``limits.spill_bytes`` goes to a side file of the spool in the pieces the socket gave, hashed and scanned
on the way, so that no step holds the event loop long and memory stays flat; the upstream is later fed from that file.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.gateway.call import ClientCall
from proxy.gateway.guard import Refusal
from proxy.protocol.requests import OPAQUE, WANTED, RequestFacts, facts_of_scan, parse
from proxy.protocol.scanning import TopLevelScanner
from proxy.settings.values import LimitSettings
from proxy.spool.bodies import SideFile
from proxy.spool.writer import SpoolWriter


@dataclass(frozen=True, slots=True)
class Inbound:
    """A whole request body: in ``data``, or in the side file ``side_file`` (``data`` is then empty)."""

    data: bytes
    length: int
    facts: RequestFacts
    side_file: str | None = None
    side_path: str | None = None
    sha256: str | None = None
    scanner: TopLevelScanner | None = None


class ClientLeftError(Exception):
    """The client went away before its request was whole."""


def too_large(limit: int) -> Refusal:
    """Return the refusal of a body beyond the limit (bytes)."""
    message = f"The request body is larger than {limit} bytes. Raise limits.body_bytes (DASHCAM_LIMITS__BODY_BYTES)."
    return Refusal(413, "request_too_large", message)


async def read_body(call: ClientCall, limits: LimitSettings, spool: SpoolWriter, identity: bytes) -> Inbound | Refusal:
    """Read the body to its end; ``ClientLeftError`` when the client does not wait for that."""
    if call.body_complete and call.received_bytes <= limits.spill_bytes:
        return _small(call.take_body())
    call.send_continue()
    begun: list[bytes] = []
    while await call.more_body():
        if call.received_bytes > limits.body_bytes:
            return too_large(limits.body_bytes)
        if call.received_bytes > limits.spill_bytes:
            return await _spill(call, limits, spool.open_body(identity), b"".join(begun))
        begun.append(call.take_body())
    if not call.body_complete:
        raise ClientLeftError
    return _small(b"".join(begun))


def _small(data: bytes) -> Inbound:
    return Inbound(data, len(data), parse(data) if data else OPAQUE)


async def _spill(call: ClientCall, limits: LimitSettings, side_file: SideFile, begun: bytes) -> Inbound | Refusal:
    scanner = TopLevelScanner(WANTED)
    is_kept = False
    try:
        _take(begun, side_file, scanner)
        while await call.more_body():
            if call.received_bytes > limits.body_bytes:
                return too_large(limits.body_bytes)
            _take(call.take_body(), side_file, scanner)
        if not call.body_complete:
            raise ClientLeftError
        is_kept = True
    finally:
        if not is_kept:
            side_file.discard()
    scanner.finish()
    path = str(side_file.path)
    name, sha256, length = side_file.finish()
    return Inbound(b"", length, facts_of_scan(scanner), name, path, sha256, scanner)


def _take(data: bytes, side_file: SideFile, scanner: TopLevelScanner) -> None:
    side_file.write(data)
    scanner.feed(data)
