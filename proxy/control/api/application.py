"""The admin API for a command, in its own process: where no Dashcam runs, a command does what control would do.

The same endpoints, checks and revisions, on the same database, by whoever is logged in; the loader's lock is held, so
that no control begins meanwhile. What is published waits for the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import threading
from collections.abc import Iterator

import httpx2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from proxy.catalogue.access import Scope
from proxy.control.api.table import routes_of
from proxy.control.desk import Actor, Desk, take_up
from proxy.control.problems import on_http_exception
from proxy.control.publishing import Publisher
from proxy.control.request_ids import with_request_ids
from proxy.control.turns import Turns
from proxy.errors import UnreachableError
from proxy.loader.errands import alone
from proxy.settings.values import Settings
from proxy.store.migrating.migration import prepare
from proxy.store.writing.writer import StoreWriter
from proxy.telemetry.logs import warnings_only

_LOOK_SECONDS = 0.002


class OwnDoor:
    """Lets the person in whose process this is."""

    def __init__(self) -> None:
        self._actor = Actor(name=_user(), source="command")

    def enter(self, _request: Request, _scope: Scope) -> Actor | Response:
        """Return the person."""
        return self._actor


@contextlib.contextmanager
def app_alone(settings: Settings) -> Iterator[ASGIApp]:
    """Give the API as an ASGI application; ``UnreachableError`` where a Dashcam has the database and is to be asked.

    ``StoreError`` where the database cannot be used.
    """
    database = settings.database
    with alone(settings) as is_alone:
        if not is_alone:
            raise UnreachableError("a Dashcam works with this data, and does not answer", hint="dashcam status")
        prepare(database)
        publisher, turns = Publisher(settings), Turns()
        take_up(settings, publisher)
        desk = Desk(settings, publisher, turns, list, lambda: True)
        with contextlib.nullcontext() if database.is_postgres else _serving(turns, settings):
            routes = routes_of(OwnDoor(), lambda: desk, settings)
            app = Starlette(routes=routes, exception_handlers={HTTPException: on_http_exception})
            yield with_request_ids(app)


def ask_alone(settings: Settings, method: str, target: str, data: bytes | None, kind: str) -> tuple[int, str, bytes]:
    """Ask one question where no Dashcam runs; return status, media type and body. Errors as ``app_alone``."""

    async def ask(app: ASGIApp) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://dashcam") as client:
            return await client.request(method, target, content=data, headers={"content-type": kind})

    with warnings_only(), app_alone(settings) as app:
        answer = asyncio.run(ask(app))
    return answer.status_code, answer.headers.get("content-type", ""), answer.content


@contextlib.contextmanager
def _serving(turns: Turns, settings: Settings) -> Iterator[None]:
    """Do what waits for the one writer, in a thread as the loader's."""
    leaving = threading.Event()

    def serve() -> None:
        with contextlib.closing(StoreWriter(settings.database)) as writer:
            while not leaving.wait(_LOOK_SECONDS):
                turns.do_next(writer)

    thread = threading.Thread(target=serve, name="writer")
    thread.start()
    try:
        yield
    finally:
        leaving.set()
        thread.join()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
