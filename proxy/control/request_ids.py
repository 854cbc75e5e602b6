"""A number for every request that control answers: in the reply's header, in a problem's body, in what is logged.

It is drawn here, never taken from the request: what a client sends gets into no log line.
"""

from __future__ import annotations

import secrets

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-request-id"
_NAME = "request_id"
_BYTES = 12


def with_request_ids(app: ASGIApp) -> ASGIApp:
    """Return an application whose replies all say their number, also those to defects."""

    async def numbered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        number = f"req_{secrets.token_hex(_BYTES)}"
        line = HEADER.encode(), number.encode()

        async def send_with_number(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), line]}
            await send(message)

        with structlog.contextvars.bound_contextvars(**{_NAME: number}):
            await app(scope, receive, send_with_number)
        return None

    return numbered


def request_id() -> str | None:
    """Return the number of the request that is being answered, None outside of one."""
    found = structlog.contextvars.get_contextvars().get(_NAME)
    return None if found is None else str(found)
