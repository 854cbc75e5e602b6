"""Load with a memory: clients that note, for each call, every byte they were given and how it ended.

``Load`` keeps a number of clients busy against a Dashcam in front of the ``oracle``; ``verdict`` compares what they saw
with what is on record. Scripts are dealt out in turn: what the upstream does wrong (``oracle.MISBEHAVIOUR``), or
``leave@N``, a client that leaves after so many reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import httpx2

from tests.support import oracle
from tests.support.waiting import wait_until_async

PIECES = 12
KEY = "sk-load"


@dataclass(repr=False)
class SeenCall:
    """One call as its client saw it. ``is_answered``: a whole answer came, whatever its status."""

    nonce: str
    is_stream: bool
    pieces: int = PIECES
    padding: int = 0
    id: str | None = None
    status: int | None = None
    received: bytes = b""
    is_answered: bool = False
    has_left: bool = False
    error: str | None = None

    def __repr__(self) -> str:
        ended = "answered" if self.is_answered else self.error or "open"
        return f"<SeenCall {self.nonce} {self.id} {self.status} {ended} {len(self.received)} bytes>"

    @property
    def is_finished(self) -> bool:
        """The client has seen the last byte of an answer that is one."""
        return self.is_answered and self.status == 200

    @property
    def script(self) -> str:
        """What goes wrong with it on purpose."""
        return oracle.script_of(self.nonce)[0]

    @property
    def question(self) -> dict[str, object]:
        """What is asked."""
        return oracle.question(self.nonce, self.is_stream, self.pieces, self.padding)

    @property
    def expected(self) -> bytes:
        """What the upstream says, to the end."""
        return b"".join(oracle.answer(self.question))


def _hangs(call: SeenCall) -> bool:
    return call.script == "hang" and bool(call.received) and not call.is_answered and call.error is None


@dataclass
class Load:
    """Clients that call until told to stop. ``path`` and ``headers`` go with each call; ``pause`` seconds between.

    ``padding`` makes each request so many bytes longer.
    """

    url: str
    scripts: Sequence[str] = ("",)
    pieces: int = PIECES
    padding: int = 0
    calls: list[SeenCall] = field(default_factory=list)
    path: str = "/v1/chat/completions"
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0.03

    @property
    def finished(self) -> int:
        """How many calls have been seen to their end."""
        return sum(call.is_finished for call in self.calls)

    @property
    def in_flight(self) -> int:
        """How many streams are in the middle of their answer."""
        return sum(bool(call.received) and not call.is_answered and call.error is None for call in self.calls)

    @contextlib.asynccontextmanager
    async def running(self, clients: int = 8) -> AsyncIterator[Load]:
        """Keep ``clients`` busy while the block runs; then let them finish what they have begun."""
        leaving, scripts = asyncio.Event(), itertools.cycle(self.scripts)
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        async with (
            httpx2.AsyncClient(timeout=60, trust_env=False, limits=limits) as http,
            asyncio.TaskGroup() as group,
        ):
            for number in range(clients):
                client = self._client(http, leaving, scripts, is_stream=number % 4 != 0)
                group.create_task(client, name=f"client {number}")
            try:
                yield self
            finally:
                leaving.set()

    @contextlib.asynccontextmanager
    async def unfinished(self) -> AsyncIterator[None]:
        """Run the block while a stream of its own is in the middle of its answer, and its upstream silent.

        For what ends everything: it stays open as long as its upstream's silence is borne.
        """
        silent = Load(self.url, scripts=["hang@4"], calls=self.calls)
        async with silent.running(clients=2):
            await wait_until_async(lambda: any(map(_hangs, self.calls)), "a stream is open")
            yield

    async def progress(self, calls: int = 20, seconds: float = 40.0) -> None:
        """Wait until so many more calls have finished and some stream is in the middle of its answer."""
        goal = self.finished + calls
        await wait_until_async(
            lambda: self.finished >= goal and self.in_flight > 0, f"{calls} more calls", seconds=seconds
        )

    async def _client(
        self, http: httpx2.AsyncClient, leaving: asyncio.Event, scripts: itertools.cycle[str], *, is_stream: bool
    ) -> None:
        while not leaving.is_set():
            script = next(scripts)
            nonce = f"nonce-{uuid.uuid4().hex}" + (f"|{script}" if script else "")
            call = SeenCall(nonce, is_stream, self.pieces, self.padding)
            self.calls.append(call)
            try:
                await self.call(http, call)
            except httpx2.TransportError as error:
                call.error = type(error).__name__
                await asyncio.sleep(0.02)
            if self.pause:
                await asyncio.sleep(self.pause)

    async def call(self, http: httpx2.AsyncClient, call: SeenCall) -> None:
        """Make one call and note what comes of it."""
        word, number = oracle.script_of(call.nonce)
        headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}", **self.headers}
        content = json.dumps(call.question).encode()
        async with http.stream("POST", self.url + self.path, content=content, headers=headers) as answer:
            call.status, call.id = answer.status_code, answer.headers.get("x-dashcam-id")
            reads = 0
            async for piece in answer.aiter_raw():
                call.received += piece
                reads += 1
                if word == "leave" and reads >= number:
                    call.has_left, call.error = True, "left"
                    return
        call.is_answered = True
        call.error = None if call.is_finished else f"status {call.status}"
