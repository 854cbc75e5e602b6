"""All endpoints of the admin API, in one table: what is not here is not served."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from proxy.control.access import public
from proxy.control.api import access, actions, documents, history, openapi, prompts
from proxy.control.api.endpoint import Door, Endpoint, route_of
from proxy.control.desk import Desk
from proxy.settings.values import Settings

ENDPOINTS: tuple[Endpoint, ...] = (
    *access.endpoints(),
    *actions.endpoints(),
    *prompts.endpoints(),
    *history.endpoints(),
    *documents.endpoints(),
)
"""Those whose path is exact come before those that take the rest of a path."""


def routes_of(door: Door, desk: Callable[[], Desk], settings: Settings) -> list[Route]:
    """Return the routes of all endpoints."""
    return [*map(_described, ("/api/openapi.json", "/api/docs")), *_api(door, desk, settings)]


def _api(door: Door, desk: Callable[[], Desk], settings: Settings) -> list[Route]:
    return [route_of(item, door, desk, settings) for item in ENDPOINTS]


def _described(path: str) -> Route:
    """Return the route of the description, which says nothing of this instance and is open to everybody."""

    async def describe(_request: Request) -> Response:
        if path.endswith(".json"):
            return Response(orjson.dumps(openapi.description(ENDPOINTS)), media_type="application/json")
        return Response(openapi.page(ENDPOINTS), media_type="text/html", headers=_PAGE_HEADERS)

    return Route(path, public(describe), methods=["GET"])


_STYLE_HASH = base64.b64encode(hashlib.sha256(openapi.STYLE.encode()).digest()).decode()
_PAGE_HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
