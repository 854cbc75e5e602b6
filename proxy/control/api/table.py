"""All endpoints of the admin API, in one table: what is not here is not served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.routing import Route

from proxy.control.api import (
    access,
    actions,
    analytics,
    documents,
    erasing,
    feedback,
    history,
    interactions,
    live,
    price_data,
    prompt_versions,
    prompts,
    pruning,
    redaction,
    search,
    sessions,
    told,
    views,
)
from proxy.control.api.describing import routes_describing
from proxy.control.api.endpoint import Door, Endpoint, route_of
from proxy.control.desk import Desk
from proxy.control.live.feed import Feed
from proxy.settings.values import Settings

ENDPOINTS: tuple[Endpoint, ...] = (
    *live.endpoints(),
    *erasing.endpoints(),
    *pruning.endpoints(),
    *interactions.endpoints(),
    *told.endpoints(),
    *search.endpoints(),
    *analytics.endpoints(),
    *sessions.endpoints(),
    *feedback.endpoints(),
    *views.endpoints(),
    *access.endpoints(),
    *actions.endpoints(),
    *price_data.endpoints(),
    *redaction.endpoints(),
    *prompts.endpoints(),
    *prompt_versions.endpoints(),
    *history.endpoints(),
    *documents.endpoints(),
)
"""Those whose path is exact come before those that take the rest of a path."""


_LONG_ONES = 3
"""Each has a thread of the few that all endpoints share."""


def routes_of(door: Door, desk: Callable[[], Desk], settings: Settings, feed: Feed | None = None) -> list[Route]:
    """Return the routes of all endpoints, and of what describes them; ``feed`` tells calls as they begin and end."""
    long_ones = asyncio.Semaphore(_LONG_ONES)
    routes = [route_of(item, door, desk, settings, long_ones, feed) for item in ENDPOINTS]
    return [*routes_describing(ENDPOINTS), *routes]
