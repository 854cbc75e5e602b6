"""A load generator: ``python -m bench.generator PLAN`` with the plan as JSON; prints what it saw as JSON.

Closed loop by default: each connection asks again as soon as it is answered. With a ``rate`` it is an open loop over
the same connections: a call that is due while all are busy waits, and its latency counts from when it was due.
One process is enough for what is measured here; what it can do at best is measured too, straight at the upstream.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import cast

import uvloop

_NAMES = 1009
"""Names that a prompt is filled in with, one after the other: more than are remembered."""
_FILLER = "The quick brown fox jumps over the lazy dog, and the dog sleeps on. "
_TICK_SECONDS = 0.001


@dataclass(slots=True, kw_only=True)
class Plan:
    """What to ask, how often, for how long. ``chunks`` above zero asks for streams; ``rate`` is in calls a second.

    ``shape``: "chat", "silent" (chat whose stream does not ask for usage), "upload" (a form with a file of
    ``body_bytes``), "embeddings" (a batch of inputs, answered by as many vectors), "prompted" (chat by the route
    "bench", with other values for its prompt each time) or "prompted_again" (with the same). ``key`` is what the caller
    shows.
    """

    port: int
    connections: int = 32
    seconds: float = 3.0
    calls: int = 0
    chunks: int = 0
    rate: float = 0.0
    body_bytes: int = 1000
    hang: bool = False
    shape: str = "chat"
    key: str = "sk-bench"


@dataclass(slots=True, kw_only=True)
class Seen:
    """What was seen. Latencies are microseconds; ``failed`` counts everything but a whole 200."""

    seconds: float = 0.0
    calls: int = 0
    chunks: int = 0
    failed: int = 0
    p50_us: float = 0.0
    p99_us: float = 0.0
    worst_us: float = 0.0

    def summarise(self, latencies: list[float]) -> Seen:
        """Fill in the percentiles."""
        if latencies:
            latencies.sort()
            self.p50_us = latencies[len(latencies) // 2]
            self.p99_us = latencies[int(len(latencies) * 0.99)]
            self.worst_us = latencies[-1]
        return self


def requests_of(plan: Plan) -> list[bytes]:
    """Return requests that follow each other: of shape "prompted" many, so that each renders the prompt anew."""
    if plan.shape != "prompted":
        return [_request(plan, "Ada")]
    return [_request(plan, f"Ada {number}") for number in range(_NAMES)]


def _request(plan: Plan, name: str) -> bytes:
    """Return the bytes of one request with a body of about ``body_bytes``."""
    if plan.shape == "upload":
        return _post(plan, "/v1/audio/transcriptions", _form(plan.body_bytes), "multipart/form-data; boundary=bench")
    if plan.shape == "embeddings":
        asked = {"model": "text-embedding-3-small", "input": [_FILLER] * 64, "encoding_format": "base64"}
        return _post(plan, "/v1/embeddings", json.dumps(asked).encode())
    return _post(plan, "/v1/chat/completions", _chat(plan, name))


def _post(plan: Plan, path: str, body: bytes, media: str = "application/json") -> bytes:
    return (
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (path.encode(), plan.port, plan.key.encode(), media.encode(), len(body), body)
    )


def _form(size: int) -> bytes:
    part = b'--bench\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    fields = part % (b"model", b"", b"whisper-1") + part % (b"file", b'; filename="a.wav"', bytes(size))
    return fields + b"--bench--\r\n"


def _chat(plan: Plan, name: str) -> bytes:
    asked: dict[str, object] = {"model": "gpt-4o-mini", "temperature": 0.5, "max_tokens": plan.chunks or 90}
    if plan.chunks or plan.hang:
        asked["stream"] = True
        if plan.shape != "silent":
            asked["stream_options"] = {"include_usage": True}
    if plan.hang:
        asked["user"] = "hang"
    if plan.shape.startswith("prompted"):
        asked["model"] = "bench"
        asked["prompt"] = {"variables": {"name": name, "tone": "polite"}}
    asked["messages"] = [{"role": "user", "content": ""}]
    room = max(0, plan.body_bytes - len(json.dumps(asked)))
    asked["messages"] = [{"role": "user", "content": (_FILLER * (room // len(_FILLER) + 1))[:room]}]
    return json.dumps(asked, separators=(",", ":")).encode()


class Run:
    """One run: connections, the request, what was seen."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.requests = cycle(requests_of(plan))
        self.seen = Seen()
        self.latencies: list[float] = []
        self.done = asyncio.Event()
        self.idle: deque[Client] = deque()
        self.waiting: deque[float] = deque()
        self.started = 0.0
        self.asked = 0
        self.opened = 0

    def next_due(self) -> float | None:
        """Return when the next call of a closed loop is due (now), or None when there is none."""
        if self.plan.rate or self.done.is_set():
            return self.waiting.popleft() if self.waiting else None
        if self.plan.calls and self.asked >= self.plan.calls:
            return None
        self.asked += 1
        return time.perf_counter()

    def note(self, due: float, is_whole: bool, chunks: int) -> None:
        """Note one answer."""
        seen = self.seen
        seen.calls += 1
        seen.chunks += chunks
        seen.failed += not is_whole
        self.latencies.append((time.perf_counter() - due) * 1e6)
        if self.plan.calls and seen.calls >= self.plan.calls:
            self.done.set()

    async def pace(self) -> None:
        """Open loop: make calls due at the rate, whether or not anybody is free to make them.

        They become due once a tick, and count from then: a shorter one makes uvloop spin, and the generator takes the
        core of what it measures.
        """
        while not self.done.is_set():
            now = time.perf_counter()
            due = int((now - self.started) * self.plan.rate)
            self.waiting.extend([now] * (due - self.asked))
            self.asked = due
            while self.waiting and self.idle:
                self.idle.popleft().ask(self.waiting.popleft())
            await asyncio.sleep(_TICK_SECONDS)


class Client(asyncio.Protocol):
    """One connection that asks and reads answers to their end."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._transport: asyncio.Transport | None = None
        self._due = 0.0
        self._left = -1
        self._is_chunked = False
        self._is_ok = False
        self._chunks = 0
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first question."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without inheriting from it
        self._run.opened += 1
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection that breaks is one failed call."""
        if not self._run.done.is_set():
            self._run.note(self._due, False, 0)

    def _go_on(self) -> None:
        due = self._run.next_due()
        if due is not None:
            self.ask(due)
        else:
            self._run.idle.append(self)

    def ask(self, due: float) -> None:
        """Send one request."""
        assert self._transport is not None
        self._due = due
        self._left = -1
        self._chunks = 0
        self._transport.write(next(self._run.requests))

    def data_received(self, data: bytes) -> None:
        """Read on; at the end of the answer note it and ask again."""
        if self._left < 0:
            data = self._head + data if self._head else data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._head = data
                return
            self._head = b""
            self._read_head(data[:end].lower())
            data = data[end + 4 :]
        if self._is_chunked:
            self._chunks += data.count(b"data: ")
            is_over = data.endswith(b"0\r\n\r\n")
        else:
            self._left -= len(data)
            is_over = self._left <= 0
        if is_over:
            self._run.note(self._due, self._is_ok, self._chunks)
            self._go_on()

    def _read_head(self, head: bytes) -> None:
        self._is_ok = head.startswith(b"http/1.1 200")
        _, found, length = head.partition(b"content-length:")
        self._is_chunked = not found
        self._left = int(length.partition(b"\r\n")[0]) if found else 0


async def generate(plan: Plan) -> Seen:
    """Carry out one plan."""
    loop = asyncio.get_running_loop()
    run = Run(plan)
    run.started = time.perf_counter()
    made = [await loop.create_connection(lambda: Client(run), "127.0.0.1", plan.port) for _ in range(plan.connections)]
    pacer = loop.create_task(run.pace(), name="pacer") if plan.rate else None
    if plan.hang:
        print("holding", flush=True)
        await loop.run_in_executor(None, sys.stdin.read)
    else:
        try:
            await asyncio.wait_for(run.done.wait(), None if plan.calls else plan.seconds)
        except TimeoutError:
            run.done.set()
    run.done.set()
    run.seen.seconds = time.perf_counter() - run.started
    for transport, _ in made:
        transport.abort()
    if pacer is not None:
        await pacer
    return run.seen.summarise(run.latencies)


def main() -> None:
    """Carry out the plan in the first argument."""
    plan = Plan(**json.loads(sys.argv[1]))
    print(json.dumps(asdict(uvloop.run(generate(plan)))))


if __name__ == "__main__":
    main()
