"""Load with a memory: clients that note, for each call, every byte they were given and how it ended.

``Load`` keeps a number of clients busy against a Dashcam in front of the ``oracle``; ``assert_nothing_lost`` then
compares what they saw with what is on record. A call *finished* when the client has seen its last byte; all that is
promised about the others is that what the client saw is a prefix of what is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2

from tests.support import oracle
from tests.support.dashcam import RunningDashcam
from tests.support.waiting import wait_until_async

PIECES = 12


@dataclass
class SeenCall:
    """One call as its client saw it."""

    nonce: str
    is_stream: bool
    id: str | None = None
    status: int | None = None
    received: bytes = b""
    is_finished: bool = False
    error: str | None = None

    @property
    def expected(self) -> bytes:
        """What the upstream said."""
        return b"".join(oracle.answer(oracle.question(self.nonce, self.is_stream, PIECES)))


@dataclass
class Load:
    """Clients that call without a break until told to stop."""

    url: str
    calls: list[SeenCall] = field(default_factory=list)

    @property
    def finished(self) -> int:
        """How many calls have been seen to their end."""
        return sum(call.is_finished for call in self.calls)

    @property
    def in_flight(self) -> int:
        """How many streams are in the middle of their answer."""
        return sum(bool(call.received) and not call.is_finished and call.error is None for call in self.calls)

    @contextlib.asynccontextmanager
    async def running(self, clients: int = 8) -> AsyncIterator[Load]:
        """Keep ``clients`` busy while the block runs; then let them finish what they have begun."""
        leaving = asyncio.Event()
        async with httpx2.AsyncClient(timeout=60, trust_env=False) as http, asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(self._client(http, leaving, is_stream=number % 4 != 0), name=f"client {number}")
            try:
                yield self
            finally:
                leaving.set()

    async def progress(self, calls: int = 20) -> None:
        """Wait until so many more calls have finished and some stream is in the middle of its answer."""
        goal = self.finished + calls
        await wait_until_async(lambda: self.finished >= goal and self.in_flight > 0, f"{calls} more calls", seconds=40)

    async def _client(self, http: httpx2.AsyncClient, leaving: asyncio.Event, *, is_stream: bool) -> None:
        while not leaving.is_set():
            call = SeenCall(f"nonce-{uuid.uuid4().hex}", is_stream)
            self.calls.append(call)
            try:
                await self._call(http, call)
            except httpx2.TransportError as error:
                call.error = type(error).__name__
                await asyncio.sleep(0.02)

    async def _call(self, http: httpx2.AsyncClient, call: SeenCall) -> None:
        question = json.dumps(oracle.question(call.nonce, call.is_stream, PIECES)).encode()
        headers = {"content-type": "application/json", "authorization": "Bearer sk-load"}
        async with http.stream("POST", f"{self.url}/v1/chat/completions", content=question, headers=headers) as answer:
            call.status, call.id = answer.status_code, answer.headers.get("x-dashcam-id")
            async for piece in answer.aiter_raw():
                call.received += piece
        call.is_finished = call.status == 200
        call.error = None if call.is_finished else f"status {call.status}"


def assert_nothing_lost(dashcam: RunningDashcam, load: Load) -> dict[str, int]:
    """Check what is on record against what the clients saw; return how many rows ended in which way."""
    dashcam.settle(60)
    rows = dashcam.query("select * from interaction")
    by_nonce = {nonce: list(found) for nonce, found in _grouped(rows)}
    sent = {call.nonce for call in load.calls}
    assert set(by_nonce) <= sent, "rows of calls that nobody made"
    assert [nonce for nonce, found in by_nonce.items() if len(found) > 1] == [], "calls recorded twice"
    finished = [call for call in load.calls if call.is_finished]
    assert [call.nonce for call in finished if call.nonce not in by_nonce] == [], "finished calls without a row"
    for call in finished:
        row = by_nonce[call.nonce][0]
        assert call.received == call.expected
        assert (row["id"], row["outcome"], row["http_status"]) == (call.id, "completed", 200), row
        assert row["response_sha256"] == hashlib.sha256(call.received).hexdigest()
        assert (row["input_tokens"], row["output_tokens"]) == (oracle.INPUT_TOKENS, PIECES), row
        assert row["cost_pico_usd"] is not None
    for call in load.calls:
        if not call.is_finished and call.received and call.status == 200:
            kept = dashcam.body(str(by_nonce[call.nonce][0]["id"]), "response")
            assert kept.startswith(call.received), "a client was given bytes that are not on record"
            assert call.expected.startswith(kept)
    if not dashcam.database.is_postgres:
        assert dashcam.query("pragma integrity_check") == [{"integrity_check": "ok"}]
    endings = sorted(row["outcome"] for row in rows)
    return {outcome: len(list(group)) for outcome, group in itertools.groupby(endings)}


def _grouped(rows: list[dict[str, object]]) -> itertools.groupby[str, dict[str, object]]:
    def key(row: dict[str, object]) -> str:
        return str(row["input_preview"])

    return itertools.groupby(sorted(rows, key=key), key)
