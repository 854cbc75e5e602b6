"""What was changed and by whom, going back, and the whole catalogue as one text: out, and in after a look at it."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.catalogue.accepting import accept
from proxy.catalogue.bundle import imported, read_bundle, write_bundle
from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.changes import changes
from proxy.control.api.changing import change, said
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.listing import limit_of
from proxy.errors import NotFoundError, UsageError
from proxy.store.catalogue import audit, documents

_AUDIT = ("limit", "after", "actor", "action", "noun", "object", "outcome")
_PAGES = ("limit", "after")
_HIGHEST = 2**62
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no", "")


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    one = "revisions/{number:int}"
    rows = (
        Endpoint(method="GET", path="revisions", scope="read", summary="List revisions", handle=_list, query=_PAGES),
        Endpoint(method="GET", path=one, scope="read", summary="Get a revision", handle=_get),
        Endpoint(method="GET", path=f"{one}/diff", scope="read", summary="What differs from now", handle=_diff),
        Endpoint(method="POST", path=f"{one}/rollback", scope="admin", summary="Go back to a revision", handle=_back),
        Endpoint(method="GET", path="export", scope="read", summary="The catalogue as YAML", handle=_export),
        Endpoint(
            method="POST", path="import", scope="admin", summary="Take in a YAML bundle", handle=_import,
            takes_text=True, query=("dry_run", "replace"),
        ),
        Endpoint(method="GET", path="audit", scope="admin", summary="Who did what", handle=_audit, query=_AUDIT),
    )  # fmt: skip
    yield from rows


def _list(ask: Ask) -> Reply:
    limit, before = limit_of(ask.query), _number(ask, "after")
    found = ask.desk.read(lambda within: documents.revisions(within.connection, before=before, limit=limit + 1))
    data = [
        {
            "id": str(item["number"]), "number": item["number"], "author": item["author"], "made_at": item["made_at"],
            "reason": item["document"].get("reason", ""), "changes": item["document"].get("changes", []),
        }
        for item in found[:limit]
    ]  # fmt: skip
    return Reply(body=_page(data, has_more=len(found) > limit))


def _get(ask: Ask) -> Reply:
    number = _revision(ask)
    found = ask.desk.read(lambda within: documents.revision(within.connection, number))
    told = {"number": found.number, "author": found.author, "made_at": found.made_at, **found.document}
    return Reply(body={**told, "catalogue": ask.desk.at(number).to_mapping()})


def _diff(ask: Ask) -> Reply:
    number = _revision(ask)
    now, revision = ask.desk.catalogue()
    made = changes(now, ask.desk.at(number))
    return Reply(body={"from": revision, "to": number, "changes": [item.to_mapping() for item in made]})


def _back(ask: Ask) -> Reply:
    changed = ask.desk.roll_back(ask.actor, _revision(ask))
    return said(changed, {"changes": [item.to_mapping() for item in changed.changes]})


def _export(ask: Ask) -> Reply:
    catalogue = ask.desk.catalogue()[0]
    contents = ask.desk.contents(catalogue.hashes())
    headers = {"content-disposition": 'attachment; filename="dashcam.yaml"'}
    return Reply(body=write_bundle(catalogue, contents.get), headers=headers, media_type="application/yaml")


def _import(ask: Ask) -> Reply:
    """Take in a bundle; a dry run says what would change, and nothing is changed."""
    replaces = _truth(ask, "replace")
    bundle = read_bundle(ask.body, ask.desk.read(lambda within: within.now()))
    above = ask.desk.read(lambda within: documents.highest_numbers(within.connection, bundle.next_versions))

    def made_of(now: Catalogue) -> Catalogue:
        return imported(now, bundle, replaces=replaces, author=ask.actor.name, above=above)

    if not _truth(ask, "dry_run"):
        changed = change(ask, "import", "catalogue", "", made_of, contents=bundle.contents)
        return said(changed, {"changes": [item.to_mapping() for item in changed.changes]})
    before, revision = ask.desk.catalogue()
    stored = ask.desk.contents(before.hashes())
    after = accept(
        before, made_of(before), ask.desk.surroundings,
        lambda sha256: bundle.contents.get(sha256) or stored.get(sha256),
    )  # fmt: skip
    made = [item.to_mapping() for item in changes(before, after)]
    return Reply(body={"revision": revision, "live": True, "dry_run": True, "changes": made})


def _audit(ask: Ask) -> Reply:
    limit, before = limit_of(ask.query), _number(ask, "after")
    filters = {name: value for name, value in ask.query.items() if name not in ("limit", "after")}
    found = ask.desk.read(lambda within: audit.page(within.connection, before=before, limit=limit + 1, filters=filters))
    data = [{"id": str(item["number"]), **item} for item in found[:limit]]
    return Reply(body=_page(data, has_more=len(found) > limit))


def _page(data: list[dict[str, object]], *, has_more: bool) -> dict[str, object]:
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more}


def _number(ask: Ask, name: str) -> int | None:
    text = ask.query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise NotFoundError(f"{name} is the id of the last one that was seen")
    return int(text)


def _revision(ask: Ask) -> int:
    number = int(ask.path["number"])
    if number > _HIGHEST:
        raise NotFoundError("there is no revision of such a number", hint="dashcam config revisions")
    return number


def _truth(ask: Ask, name: str) -> bool:
    said_of = ask.query.get(name, "").lower()
    if said_of not in _TRUE + _FALSE:
        raise UsageError(f"{name} is true or false")
    return said_of in _TRUE
