"""What all changes of a document have in common: the tag that guards it, and what the answer says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

import orjson

from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.fields import Document
from proxy.control.api.endpoint import Ask, GoneError, Reply
from proxy.control.desk import Changed
from proxy.errors import InvalidError, Problem
from proxy.store.catalogue.audit import Deed


def etag_of(document: Document) -> str:
    """Return the tag of a document: the same words have the same one."""
    data = orjson.dumps(document.to_mapping(), option=orjson.OPT_SORT_KEYS)
    return f'"{hashlib.sha256(data).hexdigest()[:20]}"'


def check_tag(ask: Ask, document: Document) -> None:
    """Raise ``GoneError`` where ``If-Match`` names another document than the one there is."""
    if ask.if_match not in (None, "*") and etag_of(document) not in str(ask.if_match):
        raise GoneError(
            "this is another document than the one that If-Match names",
            hint="get it again, look at what has changed, and send the change with its new ETag",
        )


def object_of(body: object, known: Collection[str] = ()) -> dict[str, Any]:
    """Return a body that is an object, of these members where they are told; ``InvalidError`` names another one."""
    if not isinstance(body, dict):
        raise InvalidError([Problem("", "the body must be an object")])
    if known and (unknown := sorted(map(str, body.keys() - set(known)))):
        raise InvalidError([Problem(unknown[0][:100], f"is not a field; there are: {', '.join(sorted(known))}")])
    return body


def change(
    ask: Ask,
    action: str,
    noun: str,
    name: str,
    made: Callable[[Catalogue], Catalogue],
    *,
    contents: Mapping[str, Mapping[str, Any]] | None = None,
) -> Changed:
    """Change the catalogue as who asks; what still needs something that is to go is told as that."""
    deed = Deed(actor="", action=action, noun=noun, object=name)
    try:
        return ask.desk.change(ask.actor, deed, made, contents=contents)
    except InvalidError as error:
        if action != "delete":
            raise
        raise InvalidError(error.problems, hint=f"{name[:100]} is still needed there; change that first") from error


def note(ask: Ask, action: str, noun: str, name: str, **detail: str) -> None:
    """Note in the audit log what changes nothing; errors as ``Desk.note``."""
    actor = ask.actor
    deed = Deed(
        actor=actor.name, source=actor.source, action=action, noun=noun, object=name, detail=detail or None
    )  # fmt: skip
    ask.desk.note(deed)


def note_reading(ask: Ask, call_id: str, **detail: str) -> None:
    """Note in the audit log that the text of a call was read; where that cannot be written, it is not shown either."""
    note(ask, "read_body", "interactions", call_id, **detail)


def said(changed: Changed, body: Any = None, *, status: int = 200, tag: str | None = None) -> Reply:
    """Return the answer to a change: what there is now, the revision, and whether every gateway has it."""
    told = {"revision": changed.revision, "live": changed.live}
    whole = {**body, **told} if isinstance(body, Mapping) else told
    return Reply(body=whole, status=status, headers={"etag": tag} if tag else {})
