"""An endpoint of the admin API: one row that says method, path, who may ask, what goes in and what is done.

From the rows come the routes, the description (``openapi``) and the test that nothing is open by mistake. A handler is
an ordinary function that is run in a thread; what it raises becomes a problem with the field and the reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
import structlog
from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from proxy.catalogue.access import Scope
from proxy.control.access import public
from proxy.control.api.event_stream import Chunks, EventStream
from proxy.control.api.parameters import ParameterError, read_query
from proxy.control.desk import Actor, ConflictError, Desk
from proxy.control.live.feed import Feed, TooManyListenersError
from proxy.control.problems import problem
from proxy.errors import (
    DashcamError,
    InvalidError,
    NotFoundError,
    PriceDataError,
    Problem,
    StoreError,
    UnreachableError,
    UsageError,
)
from proxy.settings.values import Settings

log = structlog.get_logger("api")

LARGEST_BODY = 1024 * 1024
_LONGEST_LENGTH = 18
_SMALL = 16 * 1024


class GoneError(DashcamError):
    """The document is another one than the one that was read."""

    code = "precondition_failed"


class TooLargeError(DashcamError):
    """The body of a request is too large."""

    code = "too_large"


class Door(Protocol):
    """Lets in who may ask."""

    def enter(self, request: Request, scope: Scope) -> Actor | Response:
        """Return who asks, or the refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request: who asks, the parts of the path, the query, the body as JSON (or bytes, where the row says so)."""

    actor: Actor
    desk: Desk
    settings: Settings
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    if_match: str | None = None
    last_event_id: str | None = None
    live: Feed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is answered: a value for JSON, or (``media_type``) a text, or (``stream``) events for as long as they come.

    A stream is given the question whether who asks may still ask this.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    stream: Callable[[Callable[[], bool]], Chunks] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """``path`` is below ``/api/v1``; ``takes`` is the body's document, ``takes_text`` a body of YAML or any bytes.

    ``gives`` is what is answered, of a list each row; ``beside`` is what a list has beside its rows. ``has_tag``: the
    answer has an ETag; ``is_guarded``: If-Match is looked at. ``says`` tells of a body that is no document, ``largest``
    is how long a body may be in bytes. ``is_change`` of anything but a GET: a change, which is answered with its
    revision as well. ``about`` says what query keys mean that are this row's alone. ``takes_long``: it may take
    seconds, looking through much of the record or asking the world outside; a few such at a time are enough.
    ``streams``: the answer is server-sent events, each of whose data ``gives`` says.
    """

    method: str
    path: str
    scope: Scope
    summary: str
    handle: Callable[[Ask], Reply]
    takes: type[BaseModel] | None = None
    gives: type[BaseModel] | None = None
    beside: type[BaseModel] | None = None
    takes_object: bool = False
    takes_text: bool = False
    largest: int = LARGEST_BODY
    query: tuple[str, ...] = ()
    status: int = 200
    has_tag: bool = False
    is_guarded: bool = False
    says: str = ""
    is_change: bool = True
    about: Mapping[str, str] = field(default_factory=dict)
    takes_long: bool = False
    streams: bool = False


def route_of(
    endpoint: Endpoint, door: Door, desk: Callable[[], Desk], settings: Settings, long_ones: asyncio.Semaphore,
    live: Feed | None = None,
) -> Route:  # fmt: skip
    """Return the route of an endpoint; ``long_ones`` is the room of all those that take long."""
    room = long_ones if endpoint.takes_long else contextlib.nullcontext()

    async def answer(request: Request) -> Response:
        def may_stay() -> bool:
            return isinstance(door.enter(request, endpoint.scope), Actor)

        actor = door.enter(request, endpoint.scope)
        if isinstance(actor, Response):
            return actor
        try:
            query = read_query(request.query_params.multi_items(), endpoint.query)
            # What waits has not been read yet: large bodies take several times their length.
            async with room:
                body = await _body(request, endpoint)
                ask = Ask(
                    actor=actor, desk=desk(), settings=settings, path=request.path_params, query=query, body=body,
                    if_match=request.headers.get("if-match"), last_event_id=request.headers.get("last-event-id"),
                    live=live,
                )  # fmt: skip
                return await asyncio.to_thread(lambda: _response(endpoint.handle(ask), may_stay))
        except ClientDisconnect:
            return Response(status_code=499)
        except DashcamError as error:
            return _problem_of(error)

    return Route(f"/api/v1/{endpoint.path}", public(answer), methods=[endpoint.method], name=endpoint.summary)


async def _body(request: Request, endpoint: Endpoint) -> Any:
    if endpoint.takes is None and not endpoint.takes_object and not endpoint.takes_text:
        return None
    limit = endpoint.largest
    data, length = bytearray(), _length(request)
    if length <= limit:
        async for part in request.stream():
            data += part
            if len(data) > limit:
                break
    if max(len(data), length) > limit:
        raise TooLargeError(f"the body is larger than {limit // 1024 // 1024} MB")
    if endpoint.takes_text:
        return bytes(data)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if data and not (kind == "application/json" or kind.endswith("+json")):
        raise UsageError("the body must be application/json", hint="send: Content-Type: application/json")
    if not data:
        return {}
    # A large one takes tens of milliseconds, in which the loop would answer nobody.
    return await asyncio.to_thread(_json, bytes(data)) if len(data) > _SMALL else _json(bytes(data))


def _json(data: bytes) -> Any:
    """Return what a body says; a name that is twice in one object is a mistake, whichever of the two was meant."""
    try:
        found = orjson.loads(data)
        json.loads(data, object_pairs_hook=_once_each)
    except (orjson.JSONDecodeError, RecursionError) as error:
        reason = f"{error.msg} at {error.pos}" if isinstance(error, orjson.JSONDecodeError) else "it is nested too deep"
        raise InvalidError([Problem("", f"the body is no JSON: {reason}")]) from error
    return found


def _once_each(members: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in members:
        if name in seen:
            raise InvalidError([Problem(name[:100], "is there twice in one object; say it once")])
        seen.add(name)


def _length(request: Request) -> int:
    said = request.headers.get("content-length", "0")
    if not (said.isascii() and said.isdigit() and len(said) < _LONGEST_LENGTH):
        raise ParameterError("content-length", "is the length of the body, a whole number")
    return int(said)


_STATUS: tuple[tuple[type[DashcamError], int], ...] = (
    (InvalidError, 422),
    (NotFoundError, 404),
    (ConflictError, 409),
    (GoneError, 412),
    (TooLargeError, 413),
    (UsageError, 400),
    (PriceDataError, 422),
    (UnreachableError, 502),
    (TooManyListenersError, 503),
    (StoreError, 503),
)


def _problem_of(error: DashcamError) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if status == 500:
        log.error("request_refused", error=type(error).__name__, reason=error.message)
    errors = error.problems if isinstance(error, InvalidError | ParameterError) else ()
    detail = error.message
    if isinstance(error, InvalidError) and errors:
        detail = f"{len(errors)} thing{'s are' if len(errors) > 1 else ' is'} wrong"
    return problem(status, error.code, detail, error.hint, errors=errors)


def _response(reply: Reply, may_stay: Callable[[], bool]) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff", **reply.headers}
    if reply.stream is not None:
        return EventStream(reply.stream(may_stay), headers)
    if reply.media_type != "application/json":
        return Response(reply.body, reply.status, headers, reply.media_type)
    data = b"" if reply.status == 204 else orjson.dumps(reply.body, default=_plain, option=orjson.OPT_UTC_Z)
    return Response(data, reply.status, headers, reply.media_type)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(type(value).__name__)
