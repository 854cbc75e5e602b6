"""Errors of the control plane as RFC 9457 problems: a stable code, what happened, what to do."""

from __future__ import annotations

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_CODES = {401: "unauthorised", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}
_HINTS = {
    401: "send the admin token as: Authorization: Bearer TOKEN",
    404: "the API is below /api/v1, metrics are at /metrics, calls go to /v1",
}


def problem(status: int, code: str, detail: str, hint: str | None = None) -> Response:
    """Return a problem as a response."""
    body = {"type": "about:blank", "title": code.replace("_", " "), "status": status, "code": code, "detail": detail}
    if hint:
        body["hint"] = hint
    headers = {"cache-control": "no-store"}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(orjson.dumps(body), status, headers, "application/problem+json")


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Render what Starlette raises."""
    assert isinstance(error, HTTPException)
    status = error.status_code
    code = _CODES.get(status, "error")
    return problem(status, code, f"{request.method} {request.scope['path']}: {error.detail}", _HINTS.get(status))
