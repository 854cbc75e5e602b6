"""Which patterns concern what is said of a call afterwards: feedback and tags are redacted as the call itself was.

Those for all calls, and those of the call's route and key. Of a call that is not on record yet, and of a session,
nobody knows these: there every pattern counts that any route or key names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from proxy.control.api.endpoint import Ask
from proxy.forms.redacting import redactor_of
from proxy.redaction.redactor import Redactor
from proxy.store.catalogue import documents
from proxy.store.catalogue.keys import redactions
from proxy.store.catalogue.session import Session
from proxy.store.changes.feedback import origin
from proxy.store.engines.failures import StoreUnavailableError

_Named = tuple[str, Iterable[str]]


def redactor_for(ask: Ask, within: Session, reference: str | None) -> Redactor | None:
    """Return what looks through words on a call, by its id or the caller's own; None where nothing is looked for."""
    rules = ask.settings.redaction
    names = {*rules.patterns, *_more(ask, within, reference)}
    return redactor_of(replace(rules, patterns=tuple(sorted(names))))


def _more(ask: Ask, within: Session, reference: str | None) -> set[str]:
    routes, keys = list(_routes(ask, within)), redactions(within.connection)
    if not any(patterns for _, patterns in (*routes, *keys)):
        return set()
    found = None if reference is None else origin(within.connection, reference)
    if found is None:
        return {name for _, patterns in (*routes, *keys) for name in patterns}
    route, key = found
    return {
        name
        for of, named in ((route, routes), (key, keys))
        for who, patterns in named
        if who == of
        for name in patterns
    }


def _routes(ask: Ask, within: Session) -> Iterator[_Named]:
    yield from ((route.model, route.redaction) for route in ask.settings.routes)
    try:
        catalogue, _ = ask.desk.catalogue()
    except StoreUnavailableError:
        # The database has just been opened, and nobody has read it yet.
        catalogue = documents.load(within.connection)
    yield from ((name, route.redaction) for name, route in catalogue.routes.items())
