"""The admin API without sockets: over ASGI, on a real database, with a thread that does what the loader's does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from proxy.control.api.table import routes_of
from proxy.control.desk import Desk, take_up
from proxy.control.doorkeeper import Doorkeeper
from proxy.control.live.feed import Feed
from proxy.control.logins import Logins
from proxy.control.problems import on_http_exception
from proxy.control.publishing import Publisher
from proxy.control.request_ids import with_request_ids
from proxy.control.throttle import Throttle
from proxy.control.turns import Turns
from proxy.settings.values import Settings
from proxy.store.writing.writer import StoreWriter
from tests.support.described import assert_described

PEER = {"x-dashcam-peer": "127.0.0.1:5000;http;public"}


class AdminApi:
    """Asks; ``headers`` go with every request."""

    def __init__(self, client: httpx2.AsyncClient, publisher: Publisher, turns: Turns, logins: Logins) -> None:
        self._client = client
        self.publisher = publisher
        self.turns = turns
        self.logins = logins

    async def ask(
        self, method: str, path: str, body: Any = None, *, status: int = 200, headers: Mapping[str, str] = PEER,
        content: bytes | None = None,
    ) -> Any:  # fmt: skip
        """Return the JSON of an answer of this status."""
        answer = await self.answer(method, path, body, headers=headers, content=content)
        assert answer.status_code == status, (answer.status_code, answer.text)
        kind = answer.headers.get("content-type", "")
        return answer.json() if kind.endswith("json") else answer.text

    async def answer(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] = PEER,
        content: bytes | None = None,
    ) -> httpx2.Response:  # fmt: skip
        """Return the answer as it is; it is one that is described."""
        target = f"/api/v1/{path}"
        answer = await self._client.request(method, target, json=body, content=content, headers=dict(headers))
        if answer.headers.get("content-type", "").endswith("json"):
            assert_described(method, path, answer.status_code, answer.json())
        return answer

    async def status(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] = PEER) -> int:
        """Return the status of an answer."""
        return (await self.answer(method, path, body, headers=headers)).status_code

    async def tag(self, path: str) -> str:
        """Return the ETag of a document."""
        return (await self._client.get(f"/api/v1/{path}", headers=PEER)).headers["etag"]


@contextlib.asynccontextmanager
async def admin_api(
    settings: Settings, admin_sha256: str | None = None, *, beside: AdminApi | None = None, feed: Feed | None = None
) -> AsyncIterator[AdminApi]:
    """Serve the API on a database that has our tables.

    ``beside`` another one of the same database this one hears of nothing that the other changes.
    """
    publisher, turns = Publisher(settings), beside.turns if beside else Turns()
    desk = Desk(settings, publisher, turns, list, lambda: True)
    take_up(settings, publisher)

    def tokens() -> Mapping[str, Any]:
        return {} if publisher.state is None else publisher.state.tokens

    logins = Logins(desk.note)
    always = settings.admin.require_token
    # Nothing is forgiven, however long a test takes.
    door = Doorkeeper(lambda: admin_sha256, tokens, logins, requires_token=always, throttle=Throttle(lambda: 0.0))
    routes = routes_of(door, lambda: desk, settings, feed)
    app = with_request_ids(Starlette(routes=routes, exception_handlers={HTTPException: on_http_exception}))
    with contextlib.nullcontext() if beside else _serving(settings, turns):
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://dashcam") as client:
            yield AdminApi(client, publisher, turns, logins)


@contextlib.contextmanager
def _serving(settings: Settings, turns: Turns) -> Iterator[None]:
    """Do what waits for the one writer, as the loader does."""
    leaving = threading.Event()

    def serve() -> None:
        with contextlib.closing(StoreWriter(settings.database)) as writer:
            while not leaving.wait(0.002):
                turns.do_next(writer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        leaving.set()
        thread.join()
