"""A client on a raw socket: sends what a test says and shows every byte that comes back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass
class Reply:
    """One answer. ``is_clean`` is False when the connection ended before the body did."""

    head: bytes
    body: bytes
    is_clean: bool = True

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    def headers(self, name: str) -> list[str]:
        """Return all headers of that name."""
        pairs = [line.decode("latin-1").partition(":") for line in self.head.split(b"\r\n")[1:] if line]
        return [value.strip() for key, _, value in pairs if key.lower() == name.lower()]


class Client:
    """One connection to a proxy on loopback."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._method = "GET"

    async def __aenter__(self) -> Client:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
        return self

    async def __aexit__(self, *_reason: object) -> None:
        self._writer.close()

    async def raw(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def send(self, method: str, target: str, body: bytes, *headers: str, host: str = "localhost") -> None:
        """Send a request."""
        self._method = method
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        await self.raw(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)

    async def ask(self, method: str, target: str, body: bytes, *headers: str, host: str = "localhost") -> Reply:
        """Send a request and read its answer."""
        await self.send(method, target, body, *headers, host=host)
        return await self.reply()

    async def read_until(self, mark: bytes) -> bytes:
        """Read up to a mark."""
        return await self._reader.readuntil(mark)

    async def reply(self) -> Reply:
        """Read one answer to its end, however it is framed or broken."""
        head = (await self._reader.readuntil(b"\r\n\r\n"))[:-4]
        reply = Reply(head, b"")
        if self._method == "HEAD" or reply.status in (204, 304):
            return reply
        try:
            if reply.headers("transfer-encoding") == ["chunked"]:
                await self._chunked(reply)
            else:
                (length,) = reply.headers("content-length")
                reply.body = await self._reader.readexactly(int(length))
        except asyncio.IncompleteReadError as error:
            reply.body += error.partial
            reply.is_clean = False
        except ConnectionError:
            reply.is_clean = False
        return reply

    async def _chunked(self, reply: Reply) -> None:
        while size := int((await self._reader.readuntil(b"\r\n")).strip(), 16):
            reply.body += await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)

    async def is_closed(self) -> bool:
        """Wait for the other side to close; True when nothing more came."""
        try:
            return not await self._reader.read()
        except ConnectionError:
            return True

    def reset(self) -> None:
        """Leave at once."""
        self._writer.transport.abort()
