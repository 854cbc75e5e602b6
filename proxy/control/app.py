"""Control's composition root: services, routes, the application.

Every route says how it is protected; one that does not cannot be added (``_route``). The database is upgraded and the
loader started in a thread, so that the socket answers while a large database is still being opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from proxy.control import metrics
from proxy.control.access import Endpoint, admin_only
from proxy.control.announcing import announce
from proxy.control.api import recorder
from proxy.control.discovery import Discovery
from proxy.control.problems import on_http_exception, problem
from proxy.errors import StoreError
from proxy.loader.loading import Loader, balance
from proxy.settings.secrets import provider_keys
from proxy.settings.snapshot import base_snapshot, load_or_none, publish
from proxy.settings.values import Settings
from proxy.store.engine import sqlite_warning
from proxy.store.migration import upgrade
from proxy.store.reading import Reader
from proxy.telemetry.families import Totals

log = structlog.get_logger("control")


class Services:
    """What the endpoints share. ``loader`` is None until the database is open."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.totals = Totals()
        self.loader: Loader | None = None
        self.failure: str | None = None
        self._thread = threading.Thread(target=self._load, name="loader", daemon=True)
        self._leaving = threading.Event()

    def start(self) -> None:
        """Open the database and load the spool, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Let the loader end its batch; at most 5 s."""
        self._leaving.set()
        if self.loader is not None:
            self.loader.stop()
        self._thread.join(timeout=5.0)

    def _load(self) -> None:
        while not self._leaving.is_set():
            try:
                self.loader = self._open()
                self.failure = None
            except (StoreError, OSError) as error:
                self.failure = str(error)
                log.error("store_unusable", reason=str(error), hint=getattr(error, "hint", None))
                self._leaving.wait(2.0)
                continue
            self.loader.run()
            return

    def _open(self) -> Loader:
        path = self.settings.database_path
        done = upgrade(path)
        if done.before != done.after:
            log.info("database_upgraded", before=done.before, after=done.after)
        warning = sqlite_warning()
        if warning:
            log.warning("old_sqlite", detail=warning)
        reader = Reader(path)
        self.totals.add(reader.totals())
        reader.close()
        return Loader(self.settings, self.totals, lambda entry: announce(entry, self.settings))

    def ledger(self) -> dict[str, object]:
        """Return the recorder's account."""
        loader = self.loader
        mode = self.settings.recording.mode
        if loader is None:
            return recorder.describe(balance([]), mode=mode, last_error=self.failure, last_commit_at=time.time())
        return recorder.describe(
            loader.ledger(), mode=mode, last_error=loader.last_error, last_commit_at=loader.last_commit_at
        )

    def pages(self) -> list[dict[str, int]]:
        """Return the pages of the running gateways."""
        return self.loader.pages() if self.loader is not None else []

    def lag(self, ledger: dict[str, object]) -> float:
        """Return how long the last commit is ago while calls are pending."""
        return float(str(ledger["seconds_since_commit"])) if ledger["pending"] else 0.0

    def store_bytes(self) -> int:
        """Return the size of the database file."""
        try:
            return self.settings.database_path.stat().st_size
        except FileNotFoundError:
            return 0


def build(settings: Settings) -> Starlette:
    """Return control's application."""
    services = Services(settings)
    token = settings.admin_token_sha256
    routes = [
        _route("/metrics", metrics.endpoint(services), lambda endpoint: admin_only(endpoint, token)),
        _route("/api/v1/recorder", recorder.endpoint(services), lambda endpoint: admin_only(endpoint, token)),
        _route("/", _home, public),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        services.start()
        discovery = _discovery(settings)
        task = asyncio.get_running_loop().create_task(discovery.run(), name="discovery")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.to_thread(services.stop)

    return Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: on_http_exception, Exception: _on_defect},
    )


def public(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint as open to everybody on purpose."""
    endpoint.is_checked = True  # type: ignore[attr-defined]
    return endpoint


def _route(path: str, endpoint: Endpoint, protect: Callable[[Endpoint], Endpoint]) -> Route:
    protected = protect(endpoint)
    assert getattr(protected, "is_checked", False), f"{path} does not say who may ask"
    return Route(path, protected, methods=["GET"])


def _discovery(settings: Settings) -> Discovery:
    base = base_snapshot(settings)
    last = load_or_none(settings.snapshot_path)
    if last is not None:
        known = {item.name: item.models for item in last.providers}
        base = replace(
            base, providers=tuple(replace(item, models=known.get(item.name) or item.models) for item in base.providers)
        )
    return Discovery(settings.snapshot_path, publish(settings.snapshot_path, base), provider_keys(base.providers))


async def _home(_request: Request) -> Response:
    return PlainTextResponse(
        "Dashcam records LLM calls. Point OPENAI_BASE_URL at this address with /v1 appended.\n"
        "Read calls back with: dashcam logs, dashcam show last. Metrics: /metrics. Ledger: /api/v1/recorder.\n"
    )


async def _on_defect(_request: Request, error: Exception) -> Response:
    log.error("request_failed", error=type(error).__name__)
    return problem(500, "internal_error", "control met an unexpected error of its own; its log has the details")
