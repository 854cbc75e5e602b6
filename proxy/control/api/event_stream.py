"""Server-sent events as an answer: sent as they come, until they end or nobody takes them any more.

A client that takes nothing for ``PATIENCE_SECONDS`` is cut off: what waits for it is bounded where it is made, and its
connection is not kept for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Message, Send

PATIENCE_SECONDS = 30.0
Chunks = AsyncIterator[bytes]


class EventStream(StreamingResponse):
    """``chunks`` are whole events."""

    media_type = "text/event-stream"

    def __init__(self, chunks: Chunks, headers: Mapping[str, str]) -> None:
        # Web servers in front of us would hold events back until they have some kilobytes.
        super().__init__(chunks, headers={**headers, "x-accel-buffering": "no"})

    async def stream_response(self, send: Send) -> None:
        """Send what comes; end also where it is not taken."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            return
