"""Providers, models, prices and routes: listed, read, created, changed and deleted, all in the same way.

A change is a merge: members that are given take the place of those that are there, null takes one away. What there is,
and whether it is what ``If-Match`` names, is looked at in the transaction that changes it. What comes from the settings
file, the environment or this machine is listed with its origin, and cannot be changed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from pydantic import BaseModel

from proxy.catalogue.catalogue import KINDS, AnyDocument, Catalogue, Key, text_of
from proxy.catalogue.checking import is_provider
from proxy.catalogue.parsing import parse
from proxy.catalogue.provider import ProviderDocument
from proxy.catalogue.route import FallbackDocument, RouteDocument, TargetDocument
from proxy.catalogue.surroundings import Surroundings
from proxy.control.api import replies
from proxy.control.api.changing import change, check_tag, etag_of, said
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.listing import QUERY, page
from proxy.control.desk import ConflictError
from proxy.domain.route import Route
from proxy.errors import InvalidError, NotFoundError, Problem
from proxy.settings.provider_secret import origin_of
from proxy.store.catalogue.provider_secrets import ProviderSecret

_FILTERS = {
    "providers": ("kind", "active", "origin"),
    "models": ("provider", "active"),
    "prices": ("provider", "model", "tier"),
    "routes": ("prompt", "recording", "active", "origin"),
}
_PATHS = {"providers": "{name}", "models": "{name:path}", "prices": "{name}", "routes": "{name:path}"}

_SHOWN: dict[str, type[BaseModel]] = {
    "providers": replies.Provider,
    "models": replies.Model,
    "prices": replies.Price,
    "routes": replies.Route,
}


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows of every noun."""
    for noun in _PATHS:
        yield from _of(noun)


def _of(noun: str) -> Iterator[Endpoint]:
    word, gives, one = _word(noun), _SHOWN[noun], f"{noun}/{_PATHS[noun]}"
    yield Endpoint(
        method="GET", path=noun, scope="read", summary=f"List {noun}", handle=partial(_listed, noun=noun), gives=gives,
        query=(*QUERY, *_FILTERS[noun]),
    )  # fmt: skip
    yield Endpoint(
        method="POST", path=noun, scope="write", summary=f"Create a {word}", handle=partial(_created, noun=noun),
        takes=KINDS[noun], gives=gives, status=201, has_tag=True,
    )  # fmt: skip
    yield Endpoint(
        method="GET", path=one, scope="read", summary=f"Get a {word}", handle=partial(_got, noun=noun), gives=gives,
        has_tag=True,
    )  # fmt: skip
    yield Endpoint(
        method="PATCH", path=one, scope="write", summary=f"Change a {word}", handle=partial(_patched, noun=noun),
        takes_object=True, gives=gives, has_tag=True, is_guarded=True,
        says=f"Members of a {word} that change; null takes one away.",
    )  # fmt: skip
    yield Endpoint(
        method="DELETE", path=one, scope="write", summary=f"Delete a {word}", handle=partial(_deleted, noun=noun),
        gives=replies.DeletedProvider if noun == "providers" else replies.Deleted, is_guarded=True,
    )  # fmt: skip


def _word(noun: str) -> str:
    """Return what one of them is called."""
    return noun.removesuffix("s")


def _listed(ask: Ask, noun: str) -> Reply:
    return Reply(body=page(list(_shown(ask, noun)), ask.query))


def _got(ask: Ask, noun: str) -> Reply:
    beside = ((document, origin) for document, origin in _around(ask, noun) if document.key == ask.path["name"])
    document, origin = next(beside, None) or (_find(ask, noun), "catalogue")
    return Reply(body=_view(ask, noun, document, origin), headers={"etag": etag_of(document)})


def _created(ask: Ask, noun: str) -> Reply:
    document = _parsed(KINDS[noun], ask.body)
    name = text_of(document.key)
    if document.key in ask.desk.catalogue()[0].of(noun):
        raise ConflictError(f"there is a {_word(noun)} {name!r} already", hint="change it with PATCH")
    changed = change(ask, "create", noun, name, lambda now: _added(now, document))
    return said(changed, _view(ask, noun, document), status=201, tag=etag_of(document))


def _patched(ask: Ask, noun: str) -> Reply:
    def made(now: Catalogue) -> Catalogue:
        former = _in(ask, noun, now)
        check_tag(ask, former)
        document = _merged(former, ask.body)
        if document.key != former.key:
            reason = f"a {_word(noun)} keeps its name; create another one and delete this"
            raise InvalidError([Problem("name", reason)])
        return now.put(document)

    changed = change(ask, "change", noun, ask.path["name"], made)
    document = _in(ask, noun, changed.after)
    return said(changed, _view(ask, noun, document), tag=etag_of(document))


def _deleted(ask: Ask, noun: str) -> Reply:
    def made(now: Catalogue) -> Catalogue:
        former = _in(ask, noun, now)
        check_tag(ask, former)
        left = now.without(noun, former.key)
        return _without_models_of(former.key, left, ask.desk.surroundings) if noun == "providers" else left

    changed = change(ask, "delete", noun, ask.path["name"], made)
    told: dict[str, Any] = {"deleted": ask.path["name"]}
    if noun == "providers":
        told["models"] = sum(item.noun == "models" for item in changed.changes)
    return said(changed, told)


def _without_models_of(provider: Key, catalogue: Catalogue, surroundings: Surroundings) -> Catalogue:
    """Return the catalogue without what it says of the models of a provider that is gone."""
    if is_provider(str(provider), catalogue, surroundings):
        return catalogue
    return replace(catalogue, models={key: item for key, item in catalogue.models.items() if key[0] != provider})


def _shown(ask: Ask, noun: str) -> Iterator[dict[str, Any]]:
    for _, document in sorted(ask.desk.catalogue()[0].of(noun).items()):
        yield _view(ask, noun, document)
    for document, origin in _around(ask, noun):
        yield _view(ask, noun, document, origin)


def _around(ask: Ask, noun: str) -> Iterator[tuple[AnyDocument, str]]:
    """Yield what is there beside the catalogue, with where it is from, as documents that say what may be shown.

    What was found on this machine gives way to the catalogue's provider of that name.
    """
    around, ours = ask.desk.surroundings, ask.desk.catalogue()[0].providers
    for item in around.providers if noun == "providers" else ():
        if item.name in ours:
            continue
        shown = ProviderDocument.model_construct(name=item.name, kind=item.kind, base_url=item.base_url)
        yield shown, str(around.origin(item.name))
    for route in around.routes if noun == "routes" else ():
        yield _document_of(route), "file"


def _document_of(route: Route) -> RouteDocument:
    """Return a route of the settings file as a document; it was checked there, by other rules."""
    targets = [TargetDocument.model_construct(**asdict(item)) for item in route.targets]
    fallbacks = [FallbackDocument.model_construct(provider=item.provider, model=item.model) for item in route.fallbacks]
    return RouteDocument.model_construct(name=route.model, targets=targets, fallbacks=fallbacks)


def _view(ask: Ask, noun: str, document: AnyDocument, origin: str = "catalogue") -> dict[str, Any]:
    """Return a document as it is shown: with its id, where it is from, and what may be told of a key."""
    shown: dict[str, Any] = {"id": text_of(document.key), **document.to_mapping()}
    if noun in ("providers", "routes"):
        shown["origin"] = origin
    if isinstance(document, ProviderDocument):
        secret = ask.desk.state.secrets.get(document.name)
        shown["stored_key"] = None if secret is None else _stored_key(secret, document)
    return shown


def _stored_key(secret: ProviderSecret, provider: ProviderDocument) -> dict[str, Any]:
    """Return what may be told of a provider's key."""
    fits = secret.origin == origin_of(provider.base_url)
    return {"last4": secret.last4, "changed_at": secret.changed_at, "fits": fits}


def _find(ask: Ask, noun: str) -> AnyDocument:
    """Return the document that the path names, of the catalogue that is published."""
    return _in(ask, noun, ask.desk.catalogue()[0])


def _in(ask: Ask, noun: str, catalogue: Catalogue) -> AnyDocument:
    """Return the document that the path names; what stands elsewhere is told apart from what is nowhere."""
    name = ask.path["name"]
    key: Key = name
    if noun == "models":
        provider, _, model = name.partition("/")
        key = (provider, model)
    found: AnyDocument | None = catalogue.of(noun).get(key)
    if found is not None:
        return found
    around = ask.desk.surroundings
    is_said = noun == "providers" and around.origin(name) in ("file", "environment")
    if is_said or (noun == "routes" and around.has_route(name)):
        hint = "change the settings file, or add one of another name here"
        raise ConflictError(f"{name!r} is not from the catalogue, and cannot be changed here", hint=hint)
    raise NotFoundError(f"there is no {_word(noun)} {name[:100]!r} in the catalogue")


def _parsed(kind: type[AnyDocument], body: object) -> AnyDocument:
    if not isinstance(body, dict):
        raise InvalidError([Problem("", "the body must be an object")])
    return parse(kind, body)


def _merged(former: AnyDocument, body: object) -> AnyDocument:
    if not isinstance(body, dict):
        raise InvalidError([Problem("", "the body must be an object with what is to be changed")])
    values = {name: value for name, value in {**former.to_mapping(), **body}.items() if value is not None}
    return parse(type(former), values)


def _added(now: Catalogue, document: AnyDocument) -> Catalogue:
    noun = next(name for name, kind in KINDS.items() if kind is type(document))
    if document.key in now.of(noun):
        raise ConflictError(f"there is {text_of(document.key)!r} already")
    return now.put(document)
