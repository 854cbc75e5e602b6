"""Saved views: searches by name, listed, read, saved, changed and taken away.

A change is a merge, as everywhere: members that are given take the place of those that are there, null takes one away.
What ``If-Match`` names is looked at in the transaction that changes it, and the audit log has each change. A view is
opened by asking for its query: ``/api/v1/interactions?q=…``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from proxy.catalogue.parsing import parse
from proxy.catalogue.view import ViewDocument
from proxy.control.api import view_replies as replies
from proxy.control.api.changing import check_tag, etag_of, object_of
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.listing import QUERY, page
from proxy.control.desk import ConflictError
from proxy.errors import InvalidError, NotFoundError, Problem
from proxy.store.catalogue import audit, views
from proxy.store.catalogue.audit import Deed
from proxy.store.catalogue.session import Session
from proxy.store.catalogue.views import SavedView


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    one = "views/{name}"
    yield Endpoint(
        method="GET", path="views", scope="read", summary="List saved views", handle=_list, gives=replies.View,
        query=(*QUERY, "author"),
    )  # fmt: skip
    yield Endpoint(
        method="POST", path="views", scope="write", summary="Save a view", handle=_create, takes=ViewDocument,
        gives=replies.View, status=201, has_tag=True, is_change=False,
    )  # fmt: skip
    yield Endpoint(
        method="GET", path=one, scope="read", summary="Get a saved view", handle=_get, gives=replies.View, has_tag=True
    )
    yield Endpoint(
        method="PATCH", path=one, scope="write", summary="Change a saved view", handle=_change, takes_object=True,
        gives=replies.View, has_tag=True, is_guarded=True, is_change=False,
        says="Members of a view that change; null takes one away.",
    )  # fmt: skip
    yield Endpoint(
        method="DELETE", path=one, scope="write", summary="Take a saved view away", handle=_remove,
        gives=replies.RemovedView, is_guarded=True, is_change=False,
    )  # fmt: skip


def _list(ask: Ask) -> Reply:
    found = ask.desk.read(lambda within: views.every(within.connection))
    return Reply(body=page([_shown(view) for view in found], ask.query))


def _get(ask: Ask) -> Reply:
    return _answer(ask.desk.read(lambda within: views.get(within.connection, ask.path["name"])))


def _create(ask: Ask) -> Reply:
    document = parse(ViewDocument, ask.body)

    def made(within: Session) -> SavedView:
        if (number := views.count(within.connection)) >= views.MOST:
            raise ConflictError(f"there are {number} views already, which is the most", hint="take some away")
        try:
            views.get(within.connection, document.name)
        except NotFoundError:
            return views.put(within.connection, within.backend, document, ask.actor.name)
        raise ConflictError(f"there is a view {document.name!r} already", hint="change it with PATCH")

    return _answer(_written(ask, "create", document.name, made), status=201)


def _change(ask: Ask) -> Reply:
    body = object_of(ask.body, ViewDocument.model_fields)

    def made(within: Session) -> SavedView:
        former = views.get(within.connection, ask.path["name"]).document
        check_tag(ask, former)
        said = {name: value for name, value in {**former.to_mapping(), **body}.items() if value is not None}
        document = parse(ViewDocument, said)
        if document.name != former.name:
            raise InvalidError([Problem("name", "a view keeps its name; save another one and take this away")])
        return views.put(within.connection, within.backend, document, ask.actor.name)

    return _answer(_written(ask, "change", ask.path["name"], made))


def _remove(ask: Ask) -> Reply:
    def made(within: Session) -> None:
        check_tag(ask, views.get(within.connection, ask.path["name"]).document)
        views.remove(within.connection, ask.path["name"])

    _written(ask, "delete", ask.path["name"], made)
    return Reply(body={"deleted": ask.path["name"]})


def _written(ask: Ask, action: str, name: str, work: Callable[[Session], Any]) -> Any:
    """Change views one after the other, and say so in the audit log, in one transaction."""
    actor = ask.actor
    deed = Deed(actor=actor.name, source=actor.source, action=action, noun="views", object=name)

    def whole(within: Session) -> Any:
        within.alone()
        made = work(within)
        audit.add(within.connection, within.backend, deed)
        return made

    return ask.desk.write(whole)


def _answer(view: SavedView, status: int = 200) -> Reply:
    return Reply(body=_shown(view), status=status, headers={"etag": etag_of(view.document)})


def _shown(view: SavedView) -> dict[str, Any]:
    times = {"created_at": view.created_at, "updated_at": view.updated_at}
    return {"id": view.document.name, **view.document.to_mapping(), "author": view.author, **times}
