"""An upstream whose every answer is a function of the nonce in the question: ``python -m tests.support.oracle``.

So a test can say, for each of thousands of calls that were torn apart at random, what the client must have been given,
what the record must hold and what the token and cost sums must be. Answers come in pieces with a short pause between
them, so that at any moment most calls are in flight. A nonce may end in ``|WORD@NUMBER``, which says how this answer
goes wrong (``MISBEHAVIOUR``). Prints its address and serves until standard input closes.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import socket
import struct
import sys
import termios
from collections.abc import Iterator

from tests.support.waiting import wait_until_async

MODEL = "gpt-4o-mini"
INPUT_TOKENS = 11
INPUT_PICO_USD, OUTPUT_PICO_USD = 150_000, 600_000
"""What a token of this model costs, from OpenAI's price list: 0.15 and 0.60 USD per million."""
PAUSE_SECONDS = 0.004
REFUSAL = b'{"error":{"message":"cannot read that","type":"invalid_request_error","param":null,"code":"unreadable"}}'

MISBEHAVIOUR = {
    "reset": "a reset after so many pieces; 0: before the head",
    "close": "a clean close there",
    "hang": "silence there",
    "mute": "silence behind the head",
    "status": "an error of this status",
    "slow": "so many milliseconds between pieces",
    "crumbs": "one byte a chunk",
}


def question(nonce: str, is_stream: bool, pieces: int, padding: int = 0) -> dict[str, object]:
    """Return the chat request that carries a nonce; ``padding`` makes it so many bytes longer."""
    asked: dict[str, object] = {"model": MODEL, "max_tokens": pieces, "messages": [{"role": "user", "content": nonce}]}
    if padding:
        asked["prediction"] = "x" * padding
    if is_stream:
        asked.update(stream=True, stream_options={"include_usage": True})
    return asked


def answer(asked: dict[str, object]) -> list[bytes]:
    """Return the pieces of the answer to a question, always the same."""
    nonce, pieces = asked["messages"][0]["content"], int(asked["max_tokens"])  # type: ignore[index, call-overload]
    return list(_stream(nonce, pieces)) if asked.get("stream") else [_whole(nonce, pieces)]


def script_of(nonce: str) -> tuple[str, int]:
    """Return how the answer to a nonce goes wrong: a word, empty where it does not, and its number."""
    word, _, number = nonce.partition("|")[2].partition("@")
    return word, int(number or 0)


def cost_of(pieces: int) -> int:
    """Return what an answer costs, in pico-dollars."""
    return INPUT_TOKENS * INPUT_PICO_USD + pieces * OUTPUT_PICO_USD


def error_body(status: int) -> bytes:
    """Return the body of a scripted error."""
    return b'{"error":{"message":"told to say %d","type":"server_error","param":null,"code":"told"}}' % status


def _words(nonce: str, pieces: int) -> list[str]:
    """Return a chain: each word follows from the one before, so that none can be left out or swapped unseen."""
    link, words = nonce.encode(), []
    for _ in range(pieces):
        link = hashlib.sha256(link).digest()
        words.append(link.hex()[:10] + " ")
    return words


def _id(nonce: str) -> str:
    return "chatcmpl-" + hashlib.sha256(nonce.encode()).hexdigest()[:24]


def _usage(pieces: int) -> dict[str, int]:
    return {"prompt_tokens": INPUT_TOKENS, "completion_tokens": pieces, "total_tokens": INPUT_TOKENS + pieces}


def _whole(nonce: str, pieces: int) -> bytes:
    message = {"role": "assistant", "content": "".join(_words(nonce, pieces))}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    body = {"id": _id(nonce), "object": "chat.completion", "created": 1, "model": MODEL, "choices": choices}
    return json.dumps({**body, "usage": _usage(pieces)}).encode()


def _stream(nonce: str, pieces: int) -> Iterator[bytes]:
    def event(**changes: object) -> bytes:
        base = {"id": _id(nonce), "object": "chat.completion.chunk", "created": 1, "model": MODEL, **changes}
        return b"data: " + json.dumps(base).encode() + b"\n\n"

    for word in _words(nonce, pieces):
        yield event(choices=[{"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": None}])
    yield event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    yield event(choices=[], usage=_usage(pieces))
    yield b"data: [DONE]\n\n"


def understand(body: bytes) -> dict[str, object] | None:
    """Return the question in a body; None when there is none, however odd the body is."""
    try:
        asked = json.loads(body)
        answer(asked)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    return dict(asked)


class Turn:
    """One question and its answer, as its script says."""

    def __init__(self, asked: dict[str, object], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._asked, self._reader, self._writer = asked, reader, writer
        self._word, self._number = script_of(asked["messages"][0]["content"])  # type: ignore[index]

    async def play(self) -> None:
        """Answer."""
        if self._word == "status":
            body = error_body(self._number)
            await self._send(_head(self._number, b"application/json", len(body)) + body)
        elif self._breaks_at(0):
            await self._break()
        elif self._asked.get("stream"):
            await self._stream()
        else:
            await self._whole()

    def _breaks_at(self, piece: int) -> bool:
        return self._word in ("reset", "close", "hang") and self._number == piece

    async def _break(self) -> None:
        if self._word == "reset":
            await self._arrived()
            connection = self._writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        elif self._word != "close":
            while await self._reader.read(1 << 16):
                pass
        raise ConnectionAbortedError("as the script says")

    async def _arrived(self) -> None:
        """Wait until all is with the other side: a reset discards what is still here."""
        descriptor = self._writer.get_extra_info("socket").fileno()

        def is_all_there() -> bool:
            return fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)) == bytes(4)

        await wait_until_async(is_all_there, "what was sent has arrived")

    async def _whole(self) -> None:
        await asyncio.sleep(PAUSE_SECONDS)
        (body,) = answer(self._asked)
        head = _head(200, b"application/json", len(body))
        if self._word in ("reset", "close", "hang", "mute"):
            await self._send(head + (b"" if self._word == "mute" else body[: len(body) // 2]))
            await self._break()
        await self._send(head + body)

    async def _stream(self) -> None:
        await self._send(_head(200, b"text/event-stream", None))
        if self._word == "mute":
            await self._break()
        pause = self._number / 1000 if self._word == "slow" else PAUSE_SECONDS
        for number, piece in enumerate(answer(self._asked), 1):
            parts = [piece[at : at + 1] for at in range(len(piece))] if self._word == "crumbs" else [piece]
            for part in parts:
                await self._send(b"%x\r\n%b\r\n" % (len(part), part))
            if self._breaks_at(number):
                await self._break()
            await asyncio.sleep(pause)
        await self._send(b"0\r\n\r\n")

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()


def _head(status: int, media: bytes, length: int | None) -> bytes:
    framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    wait = b"Retry-After: 1\r\n" if status in (429, 503) else b""
    return b"HTTP/1.1 %d Said\r\nContent-Type: %b\r\n%b%b\r\n\r\n" % (status, media, wait, framing)


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection, one after the other."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            asked = understand(await reader.readexactly(length))
            if asked is None:
                writer.write(_head(400, b"application/json", len(REFUSAL)) + REFUSAL)
                await writer.drain()
            else:
                await Turn(asked, reader, writer).play()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serve until standard input closes."""
    host = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    server = await asyncio.start_server(serve_connection, host, 0, backlog=4096)
    print(f"http://{host}:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
