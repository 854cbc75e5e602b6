"""Control's composition root: services, routes, the application.

Every route says how it is protected; one that does not cannot be added (``_route``), and what is no route is a 404.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from proxy.control import health, metrics
from proxy.control.access import Endpoint, is_protected, public
from proxy.control.api import recorder, table
from proxy.control.discovery import Discovery
from proxy.control.doorkeeper import Doorkeeper
from proxy.control.logins import Logins
from proxy.control.mending import Mending
from proxy.control.probing import places
from proxy.control.problems import on_http_exception, problem
from proxy.control.request_ids import with_request_ids
from proxy.control.services import Services
from proxy.settings.presets import ollama_host
from proxy.settings.values import Settings

log = structlog.get_logger("control")

_HOME = (
    "Dashcam records LLM calls. Point OPENAI_BASE_URL at this address with /v1 appended.\n"
    "Read calls back with: dashcam logs, dashcam show last. Metrics: /metrics. Ledger: /api/v1/recorder.\n"
)


def build(
    settings: Settings, say: Callable[[bytes], None], at_leaving: Callable[[Callable[[], None]], object] = id
) -> ASGIApp:
    """Return control's application; ``say`` writes a line to the terminal without waiting.

    ``at_leaving`` is given what is to be called before connections are waited for at the end.
    """
    services = Services(settings, say)
    at_leaving(services.feed.close)
    door = door_of(services)
    app = Starlette(
        routes=routes(services, door),
        lifespan=lambda _app: _running(services, door),
        exception_handlers={HTTPException: on_http_exception, Exception: _on_defect},
    )
    # A path is a route or it is none: nobody is led from one to another.
    app.router.redirect_slashes = False
    return with_request_ids(app)


@contextlib.asynccontextmanager
async def _running(services: Services, door: Doorkeeper) -> AsyncIterator[None]:
    """Run what control does besides answering, for as long as it answers."""
    discovery = await asyncio.to_thread(_discovery, services)
    services.start()
    works, loop = _works(services, door, discovery), asyncio.get_running_loop()
    tasks = [loop.create_task(work, name=name) for name, work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.to_thread(door.logins.flush, everything=True)
        await asyncio.to_thread(services.stop)


def _works(
    services: Services, door: Doorkeeper, discovery: Discovery
) -> Iterator[tuple[str, Coroutine[Any, Any, object]]]:
    yield "discovery", discovery.run()
    yield "logins", door.logins.run()
    yield "mending", Mending(services.publisher, services.take_up).run()
    yield "proxy keys", services.key_file.run(services.publisher.keyed)
    yield "admin token", services.admin_token.run()
    yield "metrics token", services.metrics_token.run()


def door_of(services: Services) -> Doorkeeper:
    """Return who lets in; what comes of asking is written through the desk."""
    logins = Logins(lambda *deeds: services.desk.note(*deeds))
    admin, always = services.admin_token, services.settings.admin.require_token
    return Doorkeeper(lambda: admin.sha256, services.tokens, logins, requires_token=always)


def routes(services: Services, door: Doorkeeper) -> list[Route]:
    """Return everything that is served."""
    settings, metrics_token = services.settings, services.metrics_token
    return [
        _route("/metrics", door.guarded(metrics.endpoint(services), lambda: metrics_token.sha256)),
        _route("/api/v1/recorder", door.guarded(recorder.endpoint(services))),
        _route("/healthz", public(health.endpoint(services))),
        _route("/", public(_home)),
        *table.routes_of(door, lambda: services.desk, settings, services.feed),
    ]


def _route(path: str, endpoint: Endpoint) -> Route:
    if not is_protected(endpoint):
        raise ValueError(f"{path} does not say who may ask")
    return Route(path, endpoint, methods=["GET"])


def _discovery(services: Services) -> Discovery:
    """Publish what the settings say, with the models and the servers that were found before."""
    settings = services.settings
    port, providers = settings.server.port, settings.providers
    return Discovery(
        services.publisher,
        port,
        places(ollama_host(), port, providers) if settings.discovery.local_servers else (),
        unknown=lambda: sum(page["unknown_models"] for page in services.pages()),
        say=services.tell,
    )


async def _home(_request: Request) -> Response:
    return PlainTextResponse(_HOME)


async def _on_defect(_request: Request, error: Exception) -> Response:
    log.error("request_failed", error=type(error).__name__)
    return problem(500, "internal_error", "control met an unexpected error of its own; its log has the details")
