"""A client's connection without a socket, for calls that are tested alone."""

from __future__ import annotations

import asyncio
import mmap
from dataclasses import replace

from uvicorn.protocols.http.flow_control import FlowControl

from proxy.gateway.call import ClientCall
from proxy.gateway.ceilings import Ceilings
from proxy.gateway.client_head import ClientHead, Headers
from proxy.settings.values import LimitSettings
from proxy.spool.page import SIZE, Page


class Wire(asyncio.Transport):
    """Keeps what is written to it, in its writes."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = False
        self.is_aborted = False
        self.is_paused = False

    @property
    def written(self) -> bytes:
        return b"".join(self.writes)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class Line:
    """A connection as a call sees it; counts the replies that became whole."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.transport: asyncio.Transport = self.wire
        self.flow = FlowControl(self.transport)
        self.peer = "192.0.2.7"
        self.completed = 0
        self.is_lingering = False

    def end(self) -> None:
        self.transport.close()

    def linger(self) -> None:
        self.is_lingering = True

    def call_completed(self) -> None:
        self.completed += 1

    def call(
        self,
        method: bytes = b"GET",
        target: bytes = b"/",
        headers: Headers | None = None,
        *,
        keep_alive: bool = True,
        is_whole: bool = False,
    ) -> ClientCall:
        """Return a call; ``is_whole``: its body has arrived."""
        call = ClientCall(self, ClientHead(method, target, headers or []), 0, keep_alive)
        if is_whole:
            call.end_body()
        return call


def ceilings(
    *, rows: int = 20, gateways: int = 1, files: int = 1024, page: Page | None = None, **limits: int
) -> Ceilings:
    """Return the ceilings of a gateway with these limits."""
    shown = page or Page(mmap.mmap(-1, SIZE))
    settings = replace(LimitSettings(), **limits)
    return Ceilings(settings, lambda: shown, rows=rows, gateways=gateways, files=files)
