"""Relays TCP to a Unix socket: ``python -m tests.support.relaying FOLDER HOST PATH``.

A Unix socket is reached from any network namespace; so whoever connects to HOST there uses that namespace's link.
Prints its address and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError), contextlib.closing(writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def main(host: str, path: str) -> None:
    """Serve until standard input closes."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            beyond, back = await asyncio.open_unix_connection(path)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass_on(reader, back), _pass_on(beyond, writer))

    server = await asyncio.start_server(relay, host, 0)
    print(f"{host}:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[2], sys.argv[3]))
