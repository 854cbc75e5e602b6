"""An upstream whose every answer is a function of the nonce in the question: ``python -m tests.support.oracle``.

So a test can say, for each of thousands of calls that were torn apart at random, what the client must have been given,
what the record must hold and what the token sums must be. Answers come in pieces with a short pause between them, so
that at any moment most calls are in flight. Prints its address and serves until standard input closes.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Iterator

MODEL = "gpt-4o-mini"
INPUT_TOKENS = 11
PAUSE_SECONDS = 0.004
REFUSAL = b'{"error":{"message":"cannot read that","type":"invalid_request_error","param":null,"code":"unreadable"}}'


def question(nonce: str, is_stream: bool, pieces: int) -> dict[str, object]:
    """Return the chat request that carries a nonce."""
    asked: dict[str, object] = {"model": MODEL, "max_tokens": pieces, "messages": [{"role": "user", "content": nonce}]}
    if is_stream:
        asked.update(stream=True, stream_options={"include_usage": True})
    return asked


def answer(asked: dict[str, object]) -> list[bytes]:
    """Return the pieces of the answer to a question, always the same."""
    nonce, pieces = asked["messages"][0]["content"], int(asked["max_tokens"])  # type: ignore[index, call-overload]
    return list(_stream(nonce, pieces)) if asked.get("stream") else [_whole(nonce, pieces)]


def _words(nonce: str, pieces: int) -> list[str]:
    return [hashlib.sha256(f"{nonce}:{index}".encode()).hexdigest()[:10] + " " for index in range(pieces)]


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


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection, one after the other."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            asked = understand(await reader.readexactly(length))
            if asked is None:
                writer.write(
                    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                    % (len(REFUSAL), REFUSAL)
                )
            elif asked.get("stream"):
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
                for piece in answer(asked):
                    writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    await writer.drain()
                    await asyncio.sleep(PAUSE_SECONDS)
                writer.write(b"0\r\n\r\n")
            else:
                await asyncio.sleep(PAUSE_SECONDS)
                (body,) = answer(asked)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                    % (len(body), body)
                )
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serve until standard input closes."""
    server = await asyncio.start_server(serve_connection, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
