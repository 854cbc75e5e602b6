"""Who calls: a holder of a proxy key, or anybody on loopback when no keys are set.

There is one extractor for credentials, so that a second header can never skip the check. A key is hashed whole and
looked up by its digest; nothing is compared piecewise, cached by a prefix or searched in a database. Without proxy
keys the client's own credentials are the provider's business and pass through.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.gateway.guard import Refusal

_PLACEHOLDERS = frozenset(
    b"x xx xxx sk-dummy sk-x dummy none null empty placeholder test sk-test fake no-key not-needed ollama "
    b"lm-studio lmstudio dashcam sk-no-key-required unused local changeme your-api-key your_api_key sk-placeholder"
    b" sk-fake sk-xxx sk-xxxx sk-none sk-local llama.cpp vllm".split()
)
_MAX_KEY = 512


@dataclass(frozen=True, slots=True)
class Caller:
    """``key_id`` is the public id of the proxy key used; ``has_own_key`` that a real provider key came along."""

    key_id: str | None
    has_own_key: bool


_ANYBODY = (Caller(None, False), Caller(None, True))

UNAUTHORISED = Refusal(
    401,
    "invalid_api_key",
    "This Dashcam requires a proxy key. Send one of the keys in DASHCAM_PROXY_KEYS as 'Authorization: Bearer KEY'.",
)


def identify(known: Mapping[bytes, bytes], proxy_keys: Mapping[str, str]) -> Caller | Refusal:
    """Return the caller, or why it is not let in; ``known`` maps lower-case header names to values."""
    token = _credential(known)
    if not proxy_keys:
        return _ANYBODY[bool(token) and token.lower() not in _PLACEHOLDERS]
    if not token or len(token) > _MAX_KEY:
        return UNAUTHORISED
    key_id = proxy_keys.get(hashlib.sha256(token).hexdigest())
    return UNAUTHORISED if key_id is None else Caller(key_id, False)


def _credential(known: Mapping[bytes, bytes]) -> bytes:
    """Return the one credential: Authorization before api-key before x-api-key; empty when there is none."""
    authorization = known.get(b"authorization")
    if authorization is not None:
        scheme, _, token = authorization.strip().partition(b" ")
        return token.strip() if scheme.lower() == b"bearer" else authorization
    return (known.get(b"api-key") or known.get(b"x-api-key") or b"").strip()
