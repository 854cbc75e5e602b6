"""Proxy keys, admin tokens and the keys of providers: made, shown without their text, replaced, revoked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from proxy.catalogue.access import KeyDocument, NewKey, NewToken, TokenDocument
from proxy.catalogue.parsing import parse
from proxy.control.api import replies
from proxy.control.api.changing import check_tag, etag_of, object_of, said
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.listing import QUERY, page
from proxy.control.desk import Changed
from proxy.domain.access import KEY_BEGINNING
from proxy.errors import InvalidError, NotFoundError, Problem
from proxy.redaction.own import reasons_against
from proxy.settings.credentials import master_key_of, master_keys
from proxy.settings.keys import new_key
from proxy.store.catalogue import keys, provider_secrets
from proxy.store.catalogue.audit import Deed
from proxy.store.catalogue.session import Session

_TOKEN_BEGINNING = "dashcam_adm_"  # noqa: S105 - what every token begins with, no token
_OVERLAP_HOURS = 24.0
_MOST_OVERLAP_HOURS = 24.0 * 90
_LONGEST_KEY = 4096
_CHANGES = (
    "Members of a key that change: owner, note, routes, limits, expires_at, recording, redaction, retention; null "
    "takes one away."
)
_OVERLAPS = f"overlap_hours: how long the key that is replaced goes on, {_OVERLAP_HOURS:g} where nothing is said."


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    key, token, provider = "keys/{name}", "tokens/{name}", "providers/{name}/key"
    made: dict[str, Any] = {"gives": replies.MadeKey, "status": 201}
    token_made: dict[str, Any] = {"gives": replies.MadeToken, "status": 201}
    guarded = {"is_guarded": True, "has_tag": True}
    of_provider: dict[str, Any] = {"gives": replies.OfProvider}
    rows: tuple[tuple[Any, ...], ...] = (
        ("GET", "keys", "read", "List proxy keys", _keys, {"query": (*QUERY, "owner"), "gives": KeyDocument}),
        ("POST", "keys", "admin", "Make a proxy key", _make_key, {**made, "takes": NewKey}),
        ("GET", key, "read", "Get a proxy key", _key, {"gives": KeyDocument, "has_tag": True}),
        (
            "PATCH",
            key,
            "admin",
            "Change a proxy key",
            _change_key,
            {"gives": KeyDocument, **guarded, **_says(_CHANGES)},
        ),
        ("POST", f"{key}/rotate", "admin", "Replace a proxy key", _rotate_key, {**made, **_says(_OVERLAPS)}),
        ("POST", f"{key}/revoke", "admin", "Revoke a proxy key", _revoke_key, {"gives": KeyDocument, "has_tag": True}),
        ("GET", "tokens", "admin", "List admin tokens", _tokens, {"query": QUERY, "gives": TokenDocument}),
        ("GET", token, "admin", "Get an admin token", _token, {"gives": TokenDocument}),
        ("POST", "tokens", "admin", "Make an admin token", _make_token, {**token_made, "takes": NewToken}),
        ("POST", f"{token}/revoke", "admin", "Revoke an admin token", _revoke_token, {"gives": TokenDocument}),
        (
            "PUT",
            provider,
            "admin",
            "Store a provider's key, sealed",
            _put_key,
            {**of_provider, **_says("key: its text, which is never shown again.")},
        ),
        ("DELETE", provider, "admin", "Forget a provider's key", _drop_key, of_provider),
        ("POST", "secrets/rotate", "admin", "Seal all provider keys anew", _rotate, {"gives": replies.Sealed}),
    )
    for method, path, scope, summary, handle, more in rows:
        yield Endpoint(method=method, path=path, scope=scope, summary=summary, handle=handle, **more)


def _says(text: str) -> dict[str, Any]:
    return {"takes_object": True, "says": text}


def _access(ask: Ask, action: str, noun: str, name: str, work: Callable[[Session], Any]) -> Changed:
    return ask.desk.access(ask.actor, Deed(actor="", action=action, noun=noun, object=name), work)


def _made(ask: Ask, noun: str, said_of: NewKey | NewToken, work: Callable[[Session], Any]) -> Changed:
    """Make a key or a token; the audit log has its id, which it gets now, and whose it is."""
    deed = Deed(actor="", action="create", noun=noun, detail={"owner": said_of.owner})
    return ask.desk.access(ask.actor, deed, work, name_of=lambda made: str(made.id))


# -- proxy keys ---------------------------------------------------------------------------------------------


def _keys(ask: Ask) -> Reply:
    found = ask.desk.read(lambda within: keys.keys(within.connection))
    return Reply(body=page([item.to_mapping() for item in found], ask.query))


def _key(ask: Ask) -> Reply:
    found = ask.desk.read(lambda within: keys.key(within.connection, ask.path["name"]))
    return Reply(body=found.to_mapping(), headers={"etag": etag_of(found)})


def _make_key(ask: Ask) -> Reply:
    said_of, text = parse(NewKey, ask.body), new_key(KEY_BEGINNING)
    _check_patterns(ask, said_of)

    def work(within: Session) -> KeyDocument:
        if said_of.expires_at is not None and said_of.expires_at <= within.now():
            raise InvalidError([Problem("expires_at", "is in the past: such a key would open nothing")])
        return keys.add_key(within.connection, within.backend, text, said_of, author=ask.actor.name)

    changed = _made(ask, "keys", said_of, work)
    return said(changed, {**changed.result.to_mapping(), "key": text}, status=201)


def _change_key(ask: Ask) -> Reply:
    name, body = ask.path["name"], object_of(ask.body)

    def work(within: Session) -> KeyDocument:
        former = keys.key(within.connection, name)
        check_tag(ask, former)
        told = former.model_dump(mode="json", include=set(NewKey.model_fields))
        said_of = parse(NewKey, {key: value for key, value in {**told, **body}.items() if value is not None})
        _check_patterns(ask, said_of)
        return keys.change_key(within.connection, name, said_of)

    changed = _access(ask, "change", "keys", name, work)
    return said(changed, changed.result.to_mapping(), tag=etag_of(changed.result))


def _check_patterns(ask: Ask, said_of: NewKey) -> None:
    own = [item.name for item in ask.settings.redaction.own]
    if found := list(reasons_against(said_of.redaction, own)):
        raise InvalidError([Problem(f"redaction.{position}", reason) for position, reason in found])


def _rotate_key(ask: Ask) -> Reply:
    """Make another key like this one, its end included; this one goes on for a while, so that nobody is cut off."""
    name, hours, text = ask.path["name"], _hours(object_of(ask.body, ("overlap_hours",))), new_key(KEY_BEGINNING)

    def work(within: Session) -> KeyDocument:
        former = keys.key(within.connection, name)
        if former.revoked_at is not None:
            raise InvalidError([Problem("", "this key is revoked; make a new one")])
        end = keys.intended_end(within.connection, name)
        if any(at is not None and at <= within.now() for at in (former.expires_at, end)):
            raise InvalidError([Problem("", "this key has ended; make a new one")])
        said_of = NewKey(**{**former.model_dump(include=set(NewKey.model_fields)), "expires_at": end})
        keys.expire_key(within.connection, name, within.now() + timedelta(hours=hours))
        author = ask.actor.name
        return keys.add_key(within.connection, within.backend, text, said_of, author=author, replaces=name)

    changed = _access(ask, "rotate", "keys", name, work)
    return said(changed, {**changed.result.to_mapping(), "key": text}, status=201)


def _revoke_key(ask: Ask) -> Reply:
    name = ask.path["name"]
    changed = _access(
        ask, "revoke", "keys", name, lambda within: keys.revoke_key(within.connection, within.backend, name)
    )
    return said(changed, changed.result.to_mapping())


def _hours(body: dict[str, Any]) -> float:
    hours = body.get("overlap_hours", _OVERLAP_HOURS)
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 <= hours <= _MOST_OVERLAP_HOURS:
        raise InvalidError([Problem("overlap_hours", f"must be a number from 0 to {_MOST_OVERLAP_HOURS:g}")])
    return float(hours)


# -- admin tokens -------------------------------------------------------------------------------------------


def _tokens(ask: Ask) -> Reply:
    found = ask.desk.read(lambda within: keys.tokens(within.connection))
    return Reply(body=page([item.to_mapping() for item in found], ask.query))


def _token(ask: Ask) -> Reply:
    return Reply(body=ask.desk.read(lambda within: keys.token(within.connection, ask.path["name"])).to_mapping())


def _make_token(ask: Ask) -> Reply:
    said_of, text = parse(NewToken, ask.body), new_key(_TOKEN_BEGINNING)
    changed = _made(
        ask,
        "tokens",
        said_of,
        lambda within: keys.add_token(within.connection, within.backend, text, said_of, author=ask.actor.name),
    )
    return said(changed, {**changed.result.to_mapping(), "token": text}, status=201)


def _revoke_token(ask: Ask) -> Reply:
    name = ask.path["name"]
    changed = _access(
        ask, "revoke", "tokens", name, lambda within: keys.revoke_token(within.connection, within.backend, name)
    )
    return said(changed, changed.result.to_mapping())


# -- keys of providers --------------------------------------------------------------------------------------


def _put_key(ask: Ask) -> Reply:
    name, body = ask.path["name"], object_of(ask.body)
    text = body.get("key")
    if body.keys() != {"key"} or not isinstance(text, str) or not 0 < len(text) <= _LONGEST_KEY or not text.isascii():
        raise InvalidError([Problem("key", f"is the provider's key as a text, up to {_LONGEST_KEY} characters")])
    if not text.isprintable() or " " in text:
        raise InvalidError([Problem("key", "has characters that no header can carry")])

    def work(within: Session) -> None:
        # Within the change, as whatever else is refused: that somebody tried is in the audit log.
        if not ask.settings.secrets.sealed:
            reason = "cannot be kept: secrets.sealed is off here, so keys are in the environment only (key_env)"
            raise InvalidError([Problem("key", reason)])
        base_url = _provider_url(within, name)
        master = _master_keys()[0]
        provider_secrets.put(within.connection, within.backend, name, base_url, text, master)

    return said(_access(ask, "store_key", "providers", name, work), {"provider": name})


def _drop_key(ask: Ask) -> Reply:
    name = ask.path["name"]
    changed = _access(
        ask, "forget_key", "providers", name, lambda within: provider_secrets.remove(within.connection, name)
    )
    return said(changed, {"provider": name})


def _rotate(ask: Ask) -> Reply:
    changed = _access(
        ask, "rotate", "secrets", "", lambda within: provider_secrets.rotate(within.connection, _master_keys())
    )
    return said(changed, {"providers": changed.result})


def _provider_url(within: Session, name: str) -> str:
    provider = within.catalogue()[0].providers.get(name)
    if provider is None:
        raise NotFoundError(f"there is no provider {name[:40]!r} in the catalogue", hint="add it first")
    return provider.base_url


def _master_keys() -> list[bytes]:
    found = [master_key_of(text) for text in master_keys()]
    if not found:
        hint = "set DASHCAM_MASTER_KEY (make one: openssl rand -hex 32), or name a variable of the server with key_env"
        raise InvalidError([Problem("key", "cannot be kept: there is no master key to seal it with")], hint=hint)
    return found
