"""Errors of the control plane as RFC 9457 problems: a stable code, what happened, what to do, which request it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from proxy.control.request_ids import request_id
from proxy.errors import Problem

_CODES = {401: "unauthorised", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}
_DETAILS = {404: "nothing is served at this path", 405: "this path does not know this method"}
_HINTS = {
    401: "send the admin token as: Authorization: Bearer TOKEN",
    404: "the API is below /api/v1, metrics are at /metrics, calls go to /v1",
}


def problem(
    status: int,
    code: str,
    detail: str,
    hint: str | None = None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Problem] = (),
) -> Response:
    """Return a problem as a response; ``errors`` are all that is wrong, each with its field."""
    body: dict[str, object] = {
        "type": "about:blank", "title": code.replace("_", " "), "status": status, "code": code, "detail": detail,
    }  # fmt: skip
    if errors:
        body["errors"] = [{"field": item.field, "reason": item.reason} for item in errors]
    if hint:
        body["hint"] = hint
    if number := request_id():
        body["request_id"] = number
    sent = {"cache-control": "no-store", **(headers or {})}
    if status == 401:
        sent["www-authenticate"] = "Bearer"
    return Response(orjson.dumps(body), status, sent, "application/problem+json")


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """Render what Starlette raises; the path is not repeated, it may hold anything."""
    assert isinstance(error, HTTPException)
    status = error.status_code
    code, detail = _CODES.get(status, "error"), _DETAILS.get(status, error.detail)
    return problem(status, code, detail, _HINTS.get(status), error.headers)
