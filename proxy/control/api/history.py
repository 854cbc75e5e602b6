"""What was changed and by whom, going back, and the whole catalogue as one text: out, and in after a look at it.

Revisions of all kinds share one row of numbers. Those of the catalogue can be gone back to; those of access (keys,
tokens, provider keys) and of refreshed prices are listed where they are asked for, and say only that something changed:
what was done is in the audit log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.catalogue import yaml_text
from proxy.catalogue.accepting import accept
from proxy.catalogue.bundle import imported, read_bundle, write_bundle
from proxy.catalogue.catalogue import KINDS, Catalogue
from proxy.catalogue.changes import changes
from proxy.control.api import replies
from proxy.control.api.changing import change, note, said
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.listing import QUERY, span_of, span_page
from proxy.control.api.parameters import instant, truth, words
from proxy.errors import NotFoundError
from proxy.store.catalogue import audit, documents, prompt_versions
from proxy.store.catalogue.documents import CATALOGUE
from proxy.store.catalogue.session import ACCESS
from proxy.store.hosts.configuration import PRICES

_AUDIT = (*QUERY, *audit.FILTERS, "since", "until")
_PAGES = (*QUERY, "kind")
_KINDS = (CATALOGUE, ACCESS, PRICES)
_HIGHEST = 2**62


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    one = "revisions/{number:int}"
    rows = (
        Endpoint(
            method="GET", path="revisions", scope="read", summary="List revisions", handle=_list, query=_PAGES,
            gives=replies.RevisionRow,
        ),
        Endpoint(method="GET", path=one, scope="read", summary="Get a revision", handle=_get, gives=replies.Revision),
        Endpoint(
            method="GET", path=f"{one}/diff", scope="read", summary="What differs from now", handle=_diff,
            gives=replies.Difference,
        ),
        Endpoint(
            method="POST", path=f"{one}/rollback", scope="admin", summary="Go back to a revision", handle=_back,
            gives=replies.Changes,
        ),
        Endpoint(
            method="GET", path="export", scope="read", summary="The catalogue as YAML", handle=_export,
            query=("only", "whole"),
        ),
        Endpoint(
            method="POST", path="import", scope="admin", summary="Take in a YAML bundle", handle=_import,
            takes_text=True, largest=yaml_text.MAX_BYTES, query=("dry_run", "replace"), gives=replies.Changes,
            says="A bundle, as export gives it.",
        ),
        Endpoint(
            method="GET", path="audit", scope="admin", summary="Who did what", handle=_audit, query=_AUDIT,
            gives=replies.Deed,
        ),
    )  # fmt: skip
    yield from rows


def _list(ask: Ask) -> Reply:
    span, kinds = span_of(ask.query), words(ask.query, "kind", _KINDS) or (CATALOGUE,)
    found = ask.desk.read(lambda within: documents.revisions(within.connection, span, kinds=kinds))
    return Reply(body=span_page([_shown(item) for item in found], ask.query))


def _shown(item: Mapping[str, Any]) -> dict[str, Any]:
    document = item["document"]
    reason = document.get("reason") or document.get("changed") or document.get("origin", "")
    return {
        "id": str(item["number"]), "number": item["number"], "kind": item["kind"], "author": item["author"],
        "made_at": item["made_at"], "reason": reason, "changes": document.get("changes", []),
    }  # fmt: skip


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
    catalogue, nouns = ask.desk.catalogue()[0], words(ask.query, "only", tuple(KINDS)) or tuple(KINDS)
    contents = ask.desk.contents(catalogue.hashes())
    text = write_bundle(catalogue, contents.get, nouns, is_bounded=not truth(ask.query, "whole"))
    note(ask, "export", "catalogue", ",".join(nouns) if len(nouns) < len(KINDS) else "")
    headers = {"content-disposition": 'attachment; filename="dashcam.yaml"'}
    return Reply(body=text, headers=headers, media_type="application/yaml")


def _import(ask: Ask) -> Reply:
    """Take in a bundle; a dry run says what would change, and nothing is changed."""
    replaces = truth(ask.query, "replace")
    bundle = read_bundle(ask.body, ask.desk.read(lambda within: within.now()))
    above = ask.desk.read(lambda within: prompt_versions.highest_numbers(within.connection, bundle.next_versions))

    def made_of(now: Catalogue) -> Catalogue:
        return imported(now, bundle, replaces=replaces, author=ask.actor.name, above=above)

    if not truth(ask.query, "dry_run"):
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
    span, since, until = span_of(ask.query), instant(ask.query, "since"), instant(ask.query, "until")
    found = ask.desk.read(
        lambda within: audit.page(within.connection, span, filters=ask.query, since=since, until=until)
    )
    return Reply(body=span_page([{"id": str(item["number"]), **item} for item in found], ask.query))


def _revision(ask: Ask) -> int:
    number = int(ask.path["number"])
    if number > _HIGHEST:
        raise NotFoundError("there is no revision of such a number", hint="dashcam config revisions")
    return number
