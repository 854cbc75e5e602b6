"""The description of the API as it is served: made once, when somebody first asks, then the same bytes with an ETag.

It says nothing of this instance and is open to everybody.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import Callable, Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from proxy.control.access import public
from proxy.control.api import docs_page, openapi
from proxy.control.api.endpoint import Endpoint


def routes_describing(endpoints: Sequence[Endpoint]) -> list[Route]:
    """Return the routes of the description, for programs and for people."""
    described = functools.cache(lambda: openapi.description(endpoints))
    return [
        _route("/api/openapi.json", "application/json", {}, lambda: orjson.dumps(described())),
        _route("/api/docs", "text/html", docs_page.headers(), lambda: docs_page.page(endpoints, described()).encode()),
    ]


def _route(path: str, media_type: str, headers: dict[str, str], make: Callable[[], bytes]) -> Route:
    @functools.cache
    def made() -> tuple[bytes, str]:
        data = make()
        return data, f'"{hashlib.sha256(data).hexdigest()[:20]}"'

    async def describe(request: Request) -> Response:
        # Tens of milliseconds, once: in a thread, since the loop has scrapes and changes to answer meanwhile.
        data, tag = await asyncio.to_thread(made)
        sent = {**headers, "etag": tag, "cache-control": "no-cache"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=sent)
        return Response(data, headers=sent, media_type=media_type)

    return Route(path, public(describe), methods=["GET"])
