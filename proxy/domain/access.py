"""Who may ask, and how much: the holder of a proxy key, and the limits that a key or a provider has.

A key's text never comes here: it is known by its digest. The digest is SHA-256 for a key of the environment, and
HMAC-SHA-256 with the snapshot's pepper (``is_peppered``) for one that the store keeps. Limits are held by each host.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.domain.redaction import names_from

KEY_BEGINNING = "dc_"
"""What the text of every key begins with that the store keeps; another text can only be one of the environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is let through, each None where there is no bound; ``concurrent`` is of calls at once."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyKey:
    """One key: ``id`` is its short public name, ``digest`` hex, ``expires_at`` Unix seconds.

    ``routes`` are the public model names (or patterns with one ``*``) that it may ask for; empty: all. ``recording`` is
    how much of its calls is kept at most, ``redaction`` names patterns that are taken out of their record.
    """

    id: str
    digest: str
    is_peppered: bool = False
    expires_at: int | None = None
    routes: tuple[str, ...] = ()
    limits: Limits | None = None
    recording: str | None = None
    redaction: tuple[str, ...] = ()


def key_digest(key: bytes, pepper: str = "") -> str:
    """Return the digest (hex) by which a key is known: with a pepper (hex) that of one of the store."""
    if pepper:
        return hmac.digest(bytes.fromhex(pepper), key, "sha256").hex()
    return hashlib.sha256(key).hexdigest()


def limits_from_mapping(values: object) -> Limits | None:
    """Build limits from decoded JSON; None where there are none."""
    if not isinstance(values, Mapping):
        return None
    return Limits(
        requests_per_minute=values.get("requests_per_minute"),
        tokens_per_minute=values.get("tokens_per_minute"),
        concurrent=values.get("concurrent"),
    )


def key_from_mapping(values: Mapping[str, object]) -> ProxyKey:
    """Build a key from decoded JSON, ignoring members of a newer minor version."""
    expires_at = values.get("expires_at")
    routes = values.get("routes", ())
    return ProxyKey(
        id=str(values["id"]),
        digest=str(values["digest"]),
        is_peppered=bool(values.get("is_peppered")),
        expires_at=expires_at if isinstance(expires_at, int) else None,
        routes=tuple(routes) if isinstance(routes, list | tuple) else (),
        limits=limits_from_mapping(values.get("limits")),
        recording=None if values.get("recording") is None else str(values["recording"]),
        redaction=names_from(values.get("redaction")),
    )
