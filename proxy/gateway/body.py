"""The request's body, read within its limit: small ones in memory, large ones written aside as they arrive.

A body above ``limits.spill_bytes`` goes to a side file of the spool in the pieces the socket gave, hashed and scanned
on the way, so that no step holds the event loop long and memory stays flat; the upstream is later fed from that file.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from proxy.errors import SpoolError
from proxy.gateway.call import ClientCall
from proxy.gateway.guard import Refusal
from proxy.protocol.glimpse import END_BYTES, glimpse
from proxy.protocol.requests import OPAQUE, WANTED, RequestFacts, facts_of_scan, parse
from proxy.protocol.scanning import TopLevelScanner
from proxy.settings.values import LimitSettings
from proxy.spool.bodies import SideFile
from proxy.spool.writer import SpoolWriter


@dataclass(slots=True)
class Inbound:
    """A whole request body: in ``data``, or in the side file ``side_file`` (``data`` is then empty).

    ``is_kept`` False: it is too large for a record and the disk took no side file.
    """

    data: bytes
    length: int
    facts: RequestFacts
    side_file: str | None = None
    side_path: str | None = None
    sha256: str | None = None
    scanner: TopLevelScanner | None = None
    is_kept: bool = True

    def discard(self) -> None:
        """Remove the side file of a call that will not be made."""
        if self.side_path is not None:
            Path(self.side_path).unlink(missing_ok=True)


class ClientLeftError(Exception):
    """The client went away before its request was whole."""


def too_large(limit: int) -> Refusal:
    """Return the refusal of a body beyond the limit (bytes)."""
    message = f"The request body is larger than {limit} bytes. Raise limits.body_bytes (DASHCAM_LIMITS__BODY_BYTES)."
    return Refusal(413, "request_too_large", message)


def small_body(call: ClientCall) -> Inbound:
    """Return a body that is whole and small enough to stay in memory."""
    return _small(call, call.take_body())


async def read_body(
    call: ClientCall, limits: LimitSettings, spool: SpoolWriter | None, identity: bytes
) -> Inbound | Refusal:
    """Read the body to its end; ``ClientLeftError`` when the client does not wait for that.

    Without a spool a large body stays in memory too: the disk may not have it.
    """
    call.send_continue()
    begun: list[bytes] = []
    while await call.more_body():
        if call.received_bytes > limits.body_bytes:
            return too_large(limits.body_bytes)
        if call.received_bytes > limits.spill_bytes:
            return await _spill(call, limits, spool, identity, b"".join(begun))
        begun.append(call.take_body())
    if not call.body_complete:
        raise ClientLeftError
    return _small(call, b"".join(begun))


def _small(call: ClientCall, data: bytes) -> Inbound:
    facts = parse(data) if data else OPAQUE
    if facts is OPAQUE and data:
        facts = glimpse(data, data, _encoding_of(call))
    return Inbound(data, len(data), facts)


def _encoding_of(call: ClientCall) -> str | None:
    return call.head.known.get(b"content-encoding", b"").decode("latin-1") or None


async def _spill(
    call: ClientCall, limits: LimitSettings, spool: SpoolWriter | None, identity: bytes, begun: bytes
) -> Inbound | Refusal:
    sink = _Sink(spool, identity)
    is_kept = False
    try:
        sink.take(begun)
        while await call.more_body():
            if call.received_bytes > limits.body_bytes:
                return too_large(limits.body_bytes)
            sink.take(call.take_body())
        if not call.body_complete:
            raise ClientLeftError
        is_kept = True
    finally:
        if not is_kept:
            sink.discard()
    return sink.finish(_encoding_of(call))


class _Sink:
    """Takes a large body in slices: into a side file, or into memory where the disk refuses one or may not have it.

    A full disk must not fail a call: the body then only passes through, and the record goes without it.
    """

    def __init__(self, spool: SpoolWriter | None, identity: bytes) -> None:
        self._scanner = TopLevelScanner(WANTED)
        self._beginning = self._end = b""
        self._parts: list[bytes] = []
        self._side_file: SideFile | None = None
        if spool is not None:
            with contextlib.suppress(SpoolError):
                self._side_file = spool.open_body(identity)

    def take(self, data: bytes) -> None:
        """Take the next slice."""
        self._scanner.feed(data)
        if not self._scanner.is_sound:
            self._beginning = (
                (self._beginning + data)[:END_BYTES] if len(self._beginning) < END_BYTES else self._beginning
            )
            self._end = (self._end + data[-END_BYTES:])[-END_BYTES:]
        if self._side_file is not None:
            length = self._side_file.length
            try:
                self._side_file.write(data)
            except SpoolError:
                self._parts = [self._side_file.path.read_bytes()[:length], data]
                self.discard()
        else:
            self._parts.append(data)

    def discard(self) -> None:
        """Give the file up."""
        if self._side_file is not None:
            self._side_file.discard()
            self._side_file = None

    def finish(self, encoding: str | None) -> Inbound:
        """Return the whole body."""
        self._scanner.finish()
        facts = facts_of_scan(self._scanner)
        if facts is OPAQUE:
            facts = glimpse(self._beginning, self._end, encoding)
        if self._side_file is None:
            data = b"".join(self._parts)
            return Inbound(data, len(data), facts, scanner=self._scanner, is_kept=False)
        path = str(self._side_file.path)
        name, sha256, length = self._side_file.finish()
        return Inbound(b"", length, facts, name, path, sha256, self._scanner)
