"""The request's body, read within its limit: small ones in memory, large ones written aside as they arrive.

A body above ``limits.spill_bytes`` goes to a side file of the spool as it arrives, hashed and scanned on the way, in
steps between which all other calls have their turn; memory stays flat, and the upstream is later fed from that file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from proxy.errors import SpoolError
from proxy.gateway.call import ClientCall
from proxy.gateway.ceilings import NO_MEMORY, Ceilings, Holding
from proxy.gateway.guard import Refusal
from proxy.protocol.compact import place_of
from proxy.protocol.decoding import encodings_of
from proxy.protocol.glimpse import END_BYTES, Mentions, glimpse
from proxy.protocol.requests import OPAQUE, WANTED, RequestFacts, facts_of_scan, read
from proxy.protocol.scanner import TopLevelScanner
from proxy.protocol.scanning import measured, scan
from proxy.settings.values import LimitSettings
from proxy.spool.bodies import SideFile
from proxy.spool.page import Page
from proxy.spool.sealing import Seal
from proxy.spool.writer import SpoolWriter

_STEP = 64 * 1024
"""Bytes of a large body that are scanned, hashed and written in one turn of the event loop."""


class Inbound:
    """A whole request body: in ``data``, or in the side file ``side_file`` (``data`` is then empty).

    ``is_kept`` False: it is too large for a record and the disk took no side file. ``side_key`` (hex) alone opens a
    file that was sealed for itself. ``values`` are what a small one says, for as long as it is not planned where the
    call goes; ``is_ours``: it is written so from them. ``named``: its model bears this name of a route's already, while
    ``facts`` say what the client asked for. One is made for every call: what few of them have is set on those only.
    """

    side_file: str | None = None
    side_path: str | None = None
    sha256: str | None = None
    scanner: TopLevelScanner | None = None
    is_kept = True
    seal: Seal | None = None
    side_key: str | None = None
    is_ours = False
    named: str | None = None

    def __init__(self, data: bytes, length: int, facts: RequestFacts, values: dict[str, Any] | None = None) -> None:
        self.data = data
        self.length = length
        self.facts = facts
        self.values = values

    def __repr__(self) -> str:
        return f"<Inbound bytes={self.length} aside={self.side_file is not None} {self.facts!r}>"

    def scanned(self, wanted: frozenset[bytes]) -> TopLevelScanner:
        """Return a scan of the body for these names; of a large one the scan that was made while it arrived."""
        if self.scanner is None or (self.side_path is None and not wanted <= self.scanner.wanted):
            found = measured(self.data, self.values, wanted) if self.values is not None else None
            self.scanner = found or scan(self.data, wanted)
        return self.scanner

    def place_of_model(self) -> tuple[int, int] | None:
        """Return where the model stands (offset, length) where that is known without a scan."""
        if self.values is None or self.scanner is not None or self.facts.model is None:
            return None
        return place_of(self.data, self.values, "model", is_known=self.is_ours)

    def discard(self) -> None:
        """Remove the side file of a call that will not be made."""
        if self.side_path is not None:
            Path(self.side_path).unlink(missing_ok=True)


class ClientLeftError(Exception):
    """The client went away before its request was whole."""


def small_body(call: ClientCall) -> Inbound:
    """Return a body that is whole and small enough to stay in memory."""
    return _small(call, call.take_body())


class BodyReader:
    """Reads the bodies that are not here yet, each within its limit, all of them within the memory there is."""

    def __init__(self, limits: LimitSettings, ceilings: Ceilings) -> None:
        self._limits = limits
        self._ceilings = ceilings
        self.wanted = WANTED
        """What large bodies are looked through for while they arrive."""

    def refusal(self, size: int, *, takes_files: bool) -> Refusal | None:
        """Return why a body of so many bytes is refused, or None; uploads have a limit of their own."""
        limits = self._limits
        limit, name, slot = (
            (limits.upload_bytes, "upload_bytes", Page.LIMIT_UPLOAD_BYTES)
            if takes_files
            else (limits.body_bytes, "body_bytes", Page.LIMIT_BODY_BYTES)
        )
        if size <= limit:
            return None
        self._ceilings.struck(slot)
        told = f"The request body is larger than {limit} bytes. Raise limits.{name} (DASHCAM_LIMITS__{name.upper()})."
        return Refusal(413, "request_too_large", told)

    async def read(
        self,
        call: ClientCall,
        spool: SpoolWriter | None,
        identity: bytes,
        *,
        takes_files: bool,
        is_sealed: bool = False,
    ) -> Inbound | Refusal:
        """Read a body to its end; ``ClientLeftError`` when the client does not wait for that.

        Without a spool a large body stays in memory too: the disk may not have it. One that ``is_sealed`` lies there
        under a key that is only in memory, until it is decided that it may be read.
        """
        key = os.urandom(32) if is_sealed else None
        call.send_continue()
        holding = Holding(self._ceilings)
        try:
            return await self._read(
                call, lambda: _Sink(spool, identity, holding, self.wanted, key), holding, takes_files
            )
        finally:
            holding.give_back()

    async def _read(
        self, call: ClientCall, begin: Callable[[], _Sink], holding: Holding, takes_files: bool
    ) -> Inbound | Refusal:
        begun: list[bytes] = []
        while await call.more_body():
            if refusal := self.refusal(call.received_bytes, takes_files=takes_files):
                return refusal
            if call.received_bytes > self._limits.spill_bytes:
                self._ceilings.struck(Page.LIMIT_SPILL_BYTES)
                holding.give_back()
                return await self._spill(call, begin(), b"".join(begun), takes_files)
            part = call.take_body()
            if not holding.take(len(part)):
                return NO_MEMORY
            begun.append(part)
        if not call.body_complete:
            raise ClientLeftError
        return _small(call, b"".join(begun))

    async def _spill(self, call: ClientCall, sink: _Sink, begun: bytes, takes_files: bool) -> Inbound | Refusal:
        is_kept = False
        try:
            if not await _take(sink, begun):
                return NO_MEMORY
            while await call.more_body():
                if refusal := self.refusal(call.received_bytes, takes_files=takes_files):
                    return refusal
                if not await _take(sink, call.take_body()):
                    return NO_MEMORY
            if not call.body_complete:
                raise ClientLeftError
            is_kept = True
        finally:
            if not is_kept:
                sink.discard()
        return sink.finish(_encoding_of(call))


async def _take(sink: _Sink, data: bytes) -> bool:
    """Let a sink take what has arrived, step by step: no other call waits for longer than one of them takes."""
    for start in range(0, len(data), _STEP):
        if not sink.take(data[start : start + _STEP]):
            return False
        await asyncio.sleep(0)
    return True


def _small(call: ClientCall, data: bytes) -> Inbound:
    facts, values = read(data)
    if facts is OPAQUE and data:
        mentions = Mentions()
        mentions.feed(data)
        facts = glimpse(data, data, _encoding_of(call), len(data), mentions)
    return Inbound(data, len(data), facts, values)


def _encoding_of(call: ClientCall) -> str | None:
    if b"content-encoding" not in call.head.known:
        return None
    return encodings_of((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in call.head.headers)


class _Sink:
    """Takes a large body in slices: into a side file, or into memory where the disk refuses one or may not have it.

    A full disk must not fail a call: the body then only passes through, and the record goes without it. What memory has
    no room for is refused.
    """

    def __init__(
        self,
        spool: SpoolWriter | None,
        identity: bytes,
        holding: Holding,
        wanted: frozenset[bytes],
        key: bytes | None = None,
    ) -> None:
        self._holding = holding
        self._key = key
        self._scanner = TopLevelScanner(wanted)
        self._beginning = self._end = b""
        self._mentions = Mentions()
        self._parts: list[bytes] = []
        self._size = 0
        self._side_file: SideFile | None = None
        if spool is not None:
            with contextlib.suppress(SpoolError):
                self._side_file = spool.open_body(identity, key)

    def take(self, data: bytes) -> bool:
        """Take the next slice; False when there is no room for it."""
        self._scanner.feed(data)
        self._size += len(data)
        if not self._scanner.is_sound:
            self._beginning = (
                (self._beginning + data)[:END_BYTES] if len(self._beginning) < END_BYTES else self._beginning
            )
            self._end = (self._end + data[-END_BYTES:])[-END_BYTES:]
            self._mentions.feed(data)
        if self._side_file is not None:
            length = self._side_file.length
            try:
                self._side_file.write(data)
            except SpoolError:
                return self._take_back(self._side_file, length, data)
            return True
        return self._keep(data)

    def _keep(self, data: bytes) -> bool:
        if not self._holding.take(len(data)):
            return False
        self._parts.append(data)
        return True

    def _take_back(self, side_file: SideFile, length: int, data: bytes) -> bool:
        """The disk takes no more: go on in memory, where there is room for what the file has."""
        if not self._holding.take(length):
            return False
        self._parts = [side_file.read_back()]
        self.discard()
        return self._keep(data)

    def discard(self) -> None:
        """Give the file up."""
        if self._side_file is not None:
            self._side_file.discard()
            self._side_file = None

    def finish(self, encoding: str | None) -> Inbound | Refusal:
        """Return the whole body, or why there is no room for it."""
        self._scanner.finish()
        facts = facts_of_scan(self._scanner)
        if facts is OPAQUE:
            facts = glimpse(self._beginning, self._end, encoding, self._size, self._mentions)
        if self._side_file is not None:
            side_file = self._side_file
            try:
                return self._aside(side_file, facts)
            except SpoolError:
                # A full disk did not take the end of it: it passes through as if there were no file.
                if not self._take_back(side_file, side_file.length, b""):
                    self.discard()
                    return NO_MEMORY
        data = b"".join(self._parts)
        inbound = Inbound(data, len(data), facts)
        inbound.scanner, inbound.is_kept = self._scanner, False
        return inbound

    def _aside(self, side_file: SideFile, facts: RequestFacts) -> Inbound:
        """Return the body that lies in a file; ``SpoolError`` where the disk does not take the end of it."""
        name, sha256, length = side_file.finish()
        inbound = Inbound(b"", length, facts)
        inbound.side_file, inbound.side_path, inbound.sha256 = name, str(side_file.path), sha256
        inbound.scanner, inbound.seal = self._scanner, side_file.seal
        inbound.side_key = None if self._key is None else self._key.hex()
        return inbound
