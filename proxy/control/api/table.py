"""All endpoints of the admin API, in one table: what is not here is not served."""

from __future__ import annotations

from collections.abc import Callable

from starlette.routing import Route

from proxy.control.api import access, documents, history, prompts
from proxy.control.api.endpoint import Endpoint, route_of
from proxy.control.desk import Desk
from proxy.control.doorkeeper import Doorkeeper
from proxy.settings.values import Settings

ENDPOINTS: tuple[Endpoint, ...] = (
    *access.endpoints(),
    *prompts.endpoints(),
    *history.endpoints(),
    *documents.endpoints(),
)
"""Those whose path is exact come before those that take the rest of a path."""


def routes_of(door: Doorkeeper, desk: Callable[[], Desk], settings: Settings) -> list[Route]:
    """Return the routes of all endpoints."""
    return [route_of(item, door, desk, settings) for item in ENDPOINTS]
