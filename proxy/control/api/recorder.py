"""``/api/v1/recorder``: the account of every call ever accepted, and how the recording is doing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import orjson
from starlette.requests import Request
from starlette.responses import Response

if TYPE_CHECKING:
    from proxy.control.app import Services


def endpoint(services: Services):  # type: ignore[no-untyped-def]
    """Return the endpoint for these services."""

    async def recorder(_request: Request) -> Response:
        ledger = await asyncio.to_thread(services.ledger)
        return Response(orjson.dumps(ledger), media_type="application/json", headers={"cache-control": "no-store"})

    return recorder


def describe(
    ledger: dict[str, object], *, mode: str, last_error: str | None, last_commit_at: float
) -> dict[str, object]:
    """Add to the account how the recorder works and when it last wrote."""
    return {
        **ledger,
        "mode": mode,
        "last_error": last_error,
        "seconds_since_commit": round(max(0.0, time.time() - last_commit_at), 3),
    }
