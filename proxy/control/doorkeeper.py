"""Who asks the admin API, and how far they may go: an admin token, a stored one with a scope, or loopback without one.

Tokens are hashed whole and found by their digest. While no token makes an administrator, whoever asks from this machine
is one, unless ``admin.require_token`` says otherwise. Who fails too often from one place, or all together, is
refused for a while before anything is looked up; a web page of another origin changes nothing at all.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from proxy.catalogue.access import SCOPES, Scope, TokenDocument
from proxy.control.access import is_loopback
from proxy.control.desk import Actor
from proxy.control.problems import problem

_LONGEST = 512
_FAILURES, _FAILURES_OF_ALL = 10.0, 100.0
_FORGIVEN_PER_SECOND = 0.1
_MOST_SOURCES = 4096
_SAFE = ("GET", "HEAD", "OPTIONS")


class Throttle:
    """Counts failures by source, each forgotten after a while; what is beyond the bound is to wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sources: dict[str, tuple[float, float]] = {}
        self._all = (0.0, clock())

    def wait_seconds(self, source: str) -> int:
        """Return how long this source has to wait, 0 when it may ask."""
        own = self._left(self._sources.get(source, (0.0, 0.0)), 1) - _FAILURES
        everybody = self._left(self._all, 10) - _FAILURES_OF_ALL
        seconds = max(own / _FORGIVEN_PER_SECOND, everybody / (10 * _FORGIVEN_PER_SECOND))
        return int(seconds) + 1 if seconds >= 0 else 0

    def failed(self, source: str) -> None:
        """Note a failure."""
        now = self._clock()
        if source not in self._sources and len(self._sources) >= _MOST_SOURCES:
            self._sources.pop(next(iter(self._sources)))
        self._sources[source] = self._left(self._sources.get(source, (0.0, now)), 1) + 1, now
        self._all = self._left(self._all, 10) + 1, now

    def _left(self, counted: tuple[float, float], pace: float) -> float:
        number, at = counted
        return max(0.0, number - (self._clock() - at) * pace * _FORGIVEN_PER_SECOND)


class Doorkeeper:
    """``admin_sha256`` is the digest of the token of the environment, ``tokens`` gives the stored ones by digest."""

    def __init__(
        self,
        admin_sha256: str | None,
        tokens: Callable[[], Mapping[str, TokenDocument]],
        *,
        requires_token: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._admin = admin_sha256
        self._tokens = tokens
        self._requires_token = requires_token
        self._now = now
        self.throttle = Throttle()

    def enter(self, request: Request, scope: Scope) -> Actor | Response:
        """Return who asks, or the refusal."""
        source = _source(request)
        if request.method not in _SAFE and _is_foreign(request):
            return problem(403, "cross_site", "a web page of another origin cannot change anything here")
        tokens = self._tokens()
        if self._is_open(tokens) and self._named(request, tokens) is None:
            return self._without_token(request, source)
        if seconds := self.throttle.wait_seconds(source):
            detail = "too many attempts with a wrong token"
            return problem(429, "too_many_attempts", detail, f"wait {seconds} s", {"retry-after": str(seconds)})
        found = self._named(request, tokens)
        if found is None:
            self.throttle.failed(source)
            return problem(401, "unauthorised", "an admin token is needed", "send it as: Authorization: Bearer TOKEN")
        name, has = found
        if SCOPES.index(has) < SCOPES.index(scope):
            return problem(403, "scope_too_narrow", f"this needs a token of scope {scope}; yours has {has}")
        return Actor(name=name, source=source, scope=has)

    def _is_open(self, tokens: Mapping[str, TokenDocument]) -> bool:
        """Tell whether loopback needs no token: nobody could be an administrator by one, and would be locked out."""
        if self._admin is not None or self._requires_token:
            return False
        return not any(token.scope == "admin" and self._is_living(token) for token in tokens.values())

    def _is_living(self, token: TokenDocument) -> bool:
        return token.expires_at is None or token.expires_at.timestamp() > self._now()

    def _without_token(self, request: Request, source: str) -> Actor | Response:
        if is_loopback(request.headers.get("x-dashcam-peer", "")):
            return Actor(name="loopback", source=source)
        hint = "set DASHCAM_ADMIN_TOKEN and send it as a bearer token"
        return problem(403, "forbidden", "without an admin token only loopback may ask", hint)

    def _named(self, request: Request, tokens: Mapping[str, TokenDocument]) -> tuple[str, Scope] | None:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not 0 < len(text) <= _LONGEST:
            return None
        digest = hashlib.sha256(text.encode()).hexdigest()
        if self._admin is not None and hmac.compare_digest(digest, self._admin):
            return "admin", "admin"
        token = tokens.get(digest)
        return None if token is None or not self._is_living(token) else (token.id, token.scope)


def _source(request: Request) -> str:
    """Return the address that asks, as the gateway tells it."""
    return request.headers.get("x-dashcam-peer", "").partition(";")[0].rpartition(":")[0].strip("[]")


def _is_foreign(request: Request) -> bool:
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")
