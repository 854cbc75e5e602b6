"""The first look at a request: Host, path and Origin, before anything decides on them.

A strict Host list stops DNS rebinding, a strict path grammar stops climbing out of a provider's base, and browsers
may not spend money from foreign pages: without proxy keys, a request that carries a foreign Origin is refused, that of
another port of this machine included. Decisions use the bytes of the request line only, never a URL put together from
headers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from proxy.domain.recording import PromptFact
from proxy.protocol.remembering import LONGEST, remembered

_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?\Z")
_BAD_PATH = re.compile(r"//|\\|\x00|(?:^|/)\.\.?(?:/|\Z)")
_CLIMBING = re.compile(r"(?:^|/)\.\.(?:/|\Z)")
_CONTROLS = re.compile(rb"[\x00-\x20\x7f#]")
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served: HTTP status, stable code, and a message with the way out.

    ``retry_after_ms`` is when to come again, where that is known; ``headers`` say more of it. ``param`` is what in the
    request is to blame: a member of its body, or a header; ``prompt`` the stored prompt that was asked for.
    """

    status: int
    code: str
    message: str
    retry_after_ms: int | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    param: str | None = None
    prompt: PromptFact | None = None


class Guard:
    """Checks requests against the names we answer to; ``has_keys``: callers need one, which relaxes the Origin rule."""

    def __init__(self, allowed_hosts: tuple[str, ...], *, has_keys: bool) -> None:
        self._said = frozenset(name.lower().encode() for name in allowed_hosts) - frozenset(map(str.encode, _LOCAL))
        self._hosts = self._said | frozenset(map(str.encode, _LOCAL))
        self._has_keys = has_keys
        self._seen: dict[bytes, bool] = {}

    def check(self, target: bytes, known: Mapping[bytes, bytes]) -> Refusal | None:
        """Return why the request is refused, or None; ``known`` maps lower-case header names to values."""
        return self._check_host(known.get(b"host")) or self._check_origin(known) or check_path(target)

    def _check_host(self, host: bytes | None) -> Refusal | None:
        if host is None:
            return Refusal(400, "invalid_host", "The request carries no Host header.")
        known = self._seen.get(host)
        if known is None:
            match = _HOST.match(host)
            known = bool(match) and match.group(1).lower() in self._hosts  # type: ignore[union-attr]
            if len(self._seen) < 1024 and len(host) <= LONGEST:
                self._seen[host] = known
        if known:
            return None
        name = host.decode("latin-1")[:100]
        return Refusal(
            403,
            "host_not_allowed",
            f"This server does not answer to the host {name!r}. Add it to server.allowed_hosts "
            "(DASHCAM_SERVER__ALLOWED_HOSTS) if it should.",
        )

    def _check_origin(self, known: Mapping[bytes, bytes]) -> Refusal | None:
        origin, fetch_site = known.get(b"origin"), known.get(b"sec-fetch-site")
        if self._has_keys or (origin is None and fetch_site in (None, b"same-origin", b"none")):
            return None
        if origin is not None and self._is_own(origin, known[b"host"]):
            return None
        return Refusal(
            403,
            "browser_origin_refused",
            "Requests from web pages are refused while no proxy key is required, or any page could spend your money. "
            "Set DASHCAM_PROXY_KEYS and send a key to allow them.",
        )

    def _is_own(self, origin: bytes, host: bytes) -> bool:
        """Return True for a page of ours: from where the request goes, or from who stands in front of us for a name."""
        place = origin.partition(b"://")[2].lower()
        return place == host.lower() or place in self._said


@remembered(1024)
def check_path(target: bytes) -> Refusal | None:
    """Refuse a request target that is no plain absolute path, or that could climb out of a base."""
    path = target.partition(b"?")[0].decode("latin-1")
    if not path.startswith("/"):
        return Refusal(400, "invalid_path", "The request target must be an absolute path such as /v1/chat/completions.")
    if _CONTROLS.search(target):
        return Refusal(400, "invalid_path", "The path contains characters that must be percent-encoded.")
    if _BAD_PATH.search(path) or (
        "%" in path and (_BAD_PATH.search(_decoded(path)) or _CLIMBING.search(unquote(path)))
    ):
        return Refusal(400, "invalid_path", "The path contains '..', '.', '//', a backslash or NUL.")
    return None


def _decoded(path: str) -> str:
    """Decode what could hide a dot, a backslash or NUL; an encoded slash stays one segment's business."""
    return unquote(path.replace("%2F", "_").replace("%2f", "_"))
