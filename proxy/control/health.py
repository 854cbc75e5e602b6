"""``/healthz`` of control itself: it answers, and whether the store is open. The gateway's is another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from starlette.requests import Request
from starlette.responses import Response

if TYPE_CHECKING:
    from proxy.control.access import Endpoint
    from proxy.control.services import Services


def endpoint(services: Services) -> Endpoint:
    """Return the endpoint for these services."""

    async def healthz(_request: Request) -> Response:
        state = "open" if services.loader is not None else "opening"
        body = orjson.dumps({"status": "ok", "store": state if services.last_error is None else "failing"})
        return Response(body, media_type="application/json", headers={"cache-control": "no-store"})

    return healthz
