"""All that the store says of providers, routes, prompts and access at one moment, read in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from proxy.catalogue.access import TokenDocument
from proxy.catalogue.catalogue import Catalogue
from proxy.domain.access import ProxyKey
from proxy.store.catalogue import documents, keys, prompt_versions, provider_secrets
from proxy.store.catalogue.provider_secrets import ProviderSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueState:
    """``revision`` is the catalogue's, 0 before the first; ``contents`` are those of prompts that were asked for.

    ``tokens`` are admin tokens by digest.
    """

    catalogue: Catalogue = field(default_factory=Catalogue)
    revision: int = 0
    proxy_keys: tuple[ProxyKey, ...] = ()
    pepper: str = ""
    secrets: Mapping[str, ProviderSecret] = field(default_factory=dict)
    tokens: Mapping[str, TokenDocument] = field(default_factory=dict)
    contents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


Missing = Callable[[Collection[str]], Collection[str]]


def read_state(connection: Connection, missing: Missing = lambda _hashes: ()) -> CatalogueState:
    """Return the state; ``missing`` says which contents of the published versions are wanted with it."""
    catalogue = documents.load(connection)
    versions = {head.sha256 for prompt in catalogue.prompts.values() for head in prompt.versions}
    return CatalogueState(
        catalogue=catalogue,
        revision=documents.newest(connection),
        proxy_keys=keys.proxy_keys(connection),
        pepper=keys.drawn_pepper(connection),
        secrets=provider_secrets.read(connection),
        tokens=keys.token_digests(connection),
        contents=prompt_versions.contents(connection, missing(versions)),
    )
