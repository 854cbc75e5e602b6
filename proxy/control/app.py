"""Control's composition root: services, routes, the application.

Every route says how it is protected; one that does not cannot be added (``_route``), and what is no route is a 404.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from proxy.control import health, metrics
from proxy.control.access import Endpoint, admin_only, is_protected, public
from proxy.control.api import recorder
from proxy.control.discovery import Discovery
from proxy.control.probing import places
from proxy.control.problems import on_http_exception, problem
from proxy.control.services import Services
from proxy.domain.provider import Provider
from proxy.settings.credentials import provider_keys
from proxy.settings.presets import ollama_host
from proxy.settings.snapshot import base_snapshot, load_or_none, publish
from proxy.settings.values import DiscoverySettings, Settings

log = structlog.get_logger("control")

_HOME = (
    "Dashcam records LLM calls. Point OPENAI_BASE_URL at this address with /v1 appended.\n"
    "Read calls back with: dashcam logs, dashcam show last. Metrics: /metrics. Ledger: /api/v1/recorder.\n"
)


def build(settings: Settings, say: Callable[[bytes], None]) -> Starlette:
    """Return control's application; ``say`` writes a line to the terminal without waiting."""
    services = Services(settings, say)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        services.start()
        discovery = await asyncio.to_thread(_discovery, services)
        task = asyncio.get_running_loop().create_task(discovery.run(), name="discovery")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.to_thread(services.stop)

    return Starlette(
        routes=routes(services),
        lifespan=lifespan,
        exception_handlers={HTTPException: on_http_exception, Exception: _on_defect},
    )


def routes(services: Services) -> list[Route]:
    """Return everything that is served."""
    token = services.settings.admin_token_sha256
    return [
        _route("/metrics", admin_only(metrics.endpoint(services), token, services.settings.metrics_token_sha256)),
        _route("/api/v1/recorder", admin_only(recorder.endpoint(services), token)),
        _route("/healthz", public(health.endpoint(services))),
        _route("/", public(_home)),
    ]


def _route(path: str, endpoint: Endpoint) -> Route:
    if not is_protected(endpoint):
        raise ValueError(f"{path} does not say who may ask")
    return Route(path, endpoint, methods=["GET"])


def _discovery(services: Services) -> Discovery:
    """Publish what the settings say, with the models and the servers that were found before."""
    settings = services.settings
    base = base_snapshot(settings)
    last = load_or_none(settings.snapshot_path)
    if last is not None:
        base = replace(base, providers=_with_what_was_known(base.providers, last.providers, settings.discovery))
    port, providers = settings.server.port, settings.providers
    return Discovery(
        settings.snapshot_path,
        publish(settings.snapshot_path, base),
        provider_keys(base.providers),
        port,
        places(ollama_host(), port, providers) if settings.discovery.local_servers else (),
        unknown=lambda: sum(page["unknown_models"] for page in services.pages()),
        say=services.tell,
    )


def _with_what_was_known(
    providers: tuple[Provider, ...], known: tuple[Provider, ...], discovery: DiscoverySettings
) -> tuple[Provider, ...]:
    """A control that was started anew goes on where the last one was, until it has looked itself."""
    lists = {(item.name, item.base_url): item for item in known}
    kept = [
        replace(item, models=before.models, entries=before.entries)
        if (before := lists.get((item.name, item.base_url))) and not item.models
        else item
        for item in providers
    ]
    names = {item.name for item in kept}
    if discovery.local_servers:
        kept += [item for item in known if item.source == "found" and item.name not in names]
    return tuple(kept)


async def _home(_request: Request) -> Response:
    return PlainTextResponse(_HOME)


async def _on_defect(_request: Request, error: Exception) -> Response:
    log.error("request_failed", error=type(error).__name__)
    return problem(500, "internal_error", "control met an unexpected error of its own; its log has the details")
