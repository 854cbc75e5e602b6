"""The admin API without sockets: over ASGI, on a real database, with a thread that does what the loader's does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
from starlette.applications import Starlette

from proxy.control.api.table import routes_of
from proxy.control.desk import Desk, take_up
from proxy.control.doorkeeper import Doorkeeper
from proxy.control.failed_logins import FailedLogins
from proxy.control.publishing import Publisher
from proxy.control.throttle import Throttle
from proxy.control.turns import Turns
from proxy.settings.values import Settings
from proxy.store.writing import StoreWriter

PEER = {"x-dashcam-peer": "127.0.0.1:5000;http;public"}


class AdminApi:
    """Asks; ``headers`` go with every request."""

    def __init__(self, client: httpx2.AsyncClient, publisher: Publisher, desk: Desk, failures: FailedLogins) -> None:
        self._client = client
        self.publisher = publisher
        self.desk = desk
        self.failures = failures

    async def ask(
        self, method: str, path: str, body: Any = None, *, status: int = 200, headers: Mapping[str, str] = PEER,
        content: bytes | None = None,
    ) -> Any:  # fmt: skip
        """Return the JSON of an answer of this status."""
        answer = await self._client.request(
            method, f"/api/v1/{path}", json=body, content=content, headers=dict(headers)
        )
        assert answer.status_code == status, (answer.status_code, answer.text)
        kind = answer.headers.get("content-type", "")
        return answer.json() if kind.endswith("json") else answer.text

    async def tag(self, path: str) -> str:
        """Return the ETag of a document."""
        return (await self._client.get(f"/api/v1/{path}", headers=PEER)).headers["etag"]


@contextlib.asynccontextmanager
async def admin_api(settings: Settings, admin_sha256: str | None = None) -> AsyncIterator[AdminApi]:
    """Serve the API on a database that has our tables."""
    publisher, turns, leaving = Publisher(settings), Turns(), threading.Event()
    desk = Desk(settings, publisher, turns, list, lambda: True)

    def serve_turns() -> None:
        with contextlib.closing(StoreWriter(settings.database)) as writer:
            while not leaving.wait(0.002):
                turns.do_next(writer)

    def tokens() -> Mapping[str, Any]:
        return {} if publisher.state is None else publisher.state.tokens

    thread = threading.Thread(target=serve_turns)
    thread.start()
    take_up(settings, publisher)
    failures = FailedLogins(desk.note)
    always = settings.admin.require_token
    # Nothing is forgiven, however long a test takes.
    door = Doorkeeper(admin_sha256, tokens, failures, requires_token=always, throttle=Throttle(lambda: 0.0))
    app = Starlette(routes=routes_of(door, lambda: desk, settings))
    transport = httpx2.ASGITransport(app=app)
    try:
        async with httpx2.AsyncClient(transport=transport, base_url="http://dashcam") as client:
            yield AdminApi(client, publisher, desk, failures)
    finally:
        leaving.set()
        thread.join()
