"""The admin API for a command, in its own process: where no Dashcam runs, a command does what control would do.

The same endpoints, checks and revisions, on the same database, by whoever is logged in; the loader's lock is held, so
that no control begins meanwhile. What is published waits for the next start.
"""

from __future__ import annotations

import contextlib
import getpass
import threading
from collections.abc import Iterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from proxy.catalogue.access import Scope
from proxy.control.api.table import routes_of
from proxy.control.desk import Actor, Desk, take_up
from proxy.control.problems import on_http_exception
from proxy.control.publishing import Publisher
from proxy.control.turns import Turns
from proxy.errors import UnreachableError
from proxy.loader.errands import alone
from proxy.settings.values import Settings
from proxy.store.migration import prepare
from proxy.store.writing import StoreWriter

_LOOK_SECONDS = 0.002


class OwnDoor:
    """Lets the person in whose process this is."""

    def __init__(self) -> None:
        self._actor = Actor(name=_user(), source="command")

    def enter(self, _request: Request, _scope: Scope) -> Actor | Response:
        """Return the person."""
        return self._actor


@contextlib.contextmanager
def app_alone(settings: Settings) -> Iterator[Starlette]:
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
            yield Starlette(routes=routes, exception_handlers={HTTPException: on_http_exception})


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
