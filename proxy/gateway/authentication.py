"""Who calls: the holder of a proxy key, or anybody where none is required.

There is one extractor for credentials, so that a second header can never skip the check. A key is hashed whole and
looked up by its digest; nothing is compared piecewise, cached by a prefix or searched in a database. The store's keys
are known by their beginning (``dc_``): such a text is a key of ours or it is refused, required or not, and wherever it
stands it identifies its caller: it must never reach a provider. Any other text is, where no key is required, the
client's own credential, which is the provider's business and passes through.

What must be looked at for every call (when a key expires, its limits, what it may ask for) comes with the caller and
is judged by ``terms``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from proxy.domain.access import KEY_BEGINNING, ProxyKey, key_digest
from proxy.domain.snapshot import Snapshot
from proxy.gateway.guard import Refusal
from proxy.gateway.headers import CREDENTIAL_MEMBERS
from proxy.protocol.tagging import FULL

_PLACEHOLDERS = frozenset(
    b"x xx xxx sk-dummy sk-x dummy none null empty placeholder test sk-test fake no-key not-needed ollama "
    b"lm-studio lmstudio dashcam sk-no-key-required unused local changeme your-api-key your_api_key sk-placeholder"
    b" sk-fake sk-xxx sk-xxxx sk-none sk-local llama.cpp vllm".split()
)
_MAX_KEY = 512
_OURS = KEY_BEGINNING.encode()
_PLACES = (b"authorization", b"api-key", b"x-api-key", b"x-goog-api-key")


@dataclass(frozen=True, slots=True)
class Caller:
    """``key_id`` is the public id of the proxy key used; ``has_own_key`` that a real provider key came along.

    ``key`` is set where something of the key is to be looked at for every call. ``recording`` is how much of its calls
    is kept at most, ``redaction`` names what is taken out of their record.
    """

    key_id: str | None
    has_own_key: bool
    key: ProxyKey | None = None
    recording: str = FULL
    redaction: tuple[str, ...] = ()


_ANYBODY = (Caller(None, False), Caller(None, True))

UNAUTHORISED = Refusal(
    401,
    "invalid_api_key",
    "This Dashcam requires a proxy key. Send one of the keys in DASHCAM_PROXY_KEYS, or one that was made with "
    "'dashcam keys create', as 'Authorization: Bearer KEY'.",
)
UNKNOWN_KEY = Refusal(
    401,
    "invalid_api_key",
    "This proxy key is not known: it was revoked, or belongs to another Dashcam. 'dashcam keys list' shows the keys "
    "that there are, 'dashcam keys create' makes one.",
)


class KeyIndex:
    """The keys of one snapshot by their digests; made when the snapshot is swapped in."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._is_required = snapshot.requires_key
        self._pepper = snapshot.key_pepper
        self._plain = {key.digest: _caller_of(key) for key in snapshot.keys if not key.is_peppered}
        self._peppered = {key.digest: _caller_of(key) for key in snapshot.keys if key.is_peppered}

    def __repr__(self) -> str:
        return f"<KeyIndex keys={len(self)} required={self._is_required}>"

    def __len__(self) -> int:
        return len(self._plain) + len(self._peppered)

    def identify(self, known: Mapping[bytes, bytes], target: bytes = b"") -> Caller | Refusal:
        """Return the caller, or why it is not let in; ``known`` maps lower-case header names to values."""
        token = _credential(known)
        if self._is_required:
            return self._find(token) or (UNKNOWN_KEY if token.startswith(_OURS) else UNAUTHORISED)
        ours = token if token.startswith(_OURS) else _stray_key(known, target)
        if ours:
            return self._find(ours) or UNKNOWN_KEY
        found = self._find(token) if self._plain else None
        return found or _ANYBODY[bool(token) and token.lower() not in _PLACEHOLDERS]

    def _find(self, token: bytes) -> Caller | None:
        if not token or len(token) > _MAX_KEY:
            return None
        if token.startswith(_OURS) and self._pepper:
            found = self._peppered.get(key_digest(token, self._pepper))
            if found is not None:
                return found
        return self._plain.get(key_digest(token))


def _caller_of(key: ProxyKey) -> Caller:
    has_terms = key.expires_at is not None or key.routes or key.limits is not None
    recording = FULL if key.recording is None else key.recording
    return Caller(key.id, False, key if has_terms else None, recording, key.redaction)


def _credential(known: Mapping[bytes, bytes]) -> bytes:
    """Return the one credential: Authorization before api-key before x-api-key; empty when there is none."""
    authorization = known.get(b"authorization")
    if authorization is not None:
        return _bare(authorization)
    return (known.get(b"api-key") or known.get(b"x-api-key") or b"").strip()


def _bare(authorization: bytes) -> bytes:
    scheme, _, token = authorization.strip().partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else authorization


def _stray_key(known: Mapping[bytes, bytes], target: bytes) -> bytes:
    """Return a key of ours that stands where a provider would read its own; empty when there is none."""
    for name in _PLACES:
        if name in known and (token := _bare(known[name]).strip()).startswith(_OURS):
            return token
    for member in target.partition(b"?")[2].split(b"&"):
        name, _, value = member.partition(b"=")
        token = unquote_to_bytes(value)
        if token.startswith(_OURS) and unquote_to_bytes(name).lower() in CREDENTIAL_MEMBERS:
            return token
    return b""
