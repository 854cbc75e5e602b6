"""``/api/v1/recorder``: the account of every call ever accepted, and how the recording is doing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
from starlette.requests import Request
from starlette.responses import Response

if TYPE_CHECKING:
    from proxy.control.access import Endpoint
    from proxy.control.services import Services


def endpoint(services: Services) -> Endpoint:
    """Return the endpoint for these services."""

    async def recorder(_request: Request) -> Response:
        ledger = await asyncio.to_thread(services.ledger)
        return Response(orjson.dumps(ledger), media_type="application/json", headers={"cache-control": "no-store"})

    return recorder
