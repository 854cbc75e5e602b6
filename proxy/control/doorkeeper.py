"""Who asks control, and how far they may go: an admin token, a stored one with a scope, or loopback without one.

Tokens are hashed whole and found by their digest, which costs a microsecond: a right one is let in before anything is
counted, so that nobody can lock its holder out by guessing. While no token makes an administrator, whoever asks from
this machine is one, unless ``admin.require_token`` says otherwise. Who fails too often from one place is told to wait,
and who was let in with a token, and who was not, gets into the audit log (``logins``). A web page of another origin
changes nothing at all.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from proxy.catalogue.access import SCOPES, Scope, TokenDocument
from proxy.control.access import Endpoint, address_in, is_loopback, public
from proxy.control.desk import Actor
from proxy.control.logins import Logins
from proxy.control.problems import problem
from proxy.control.throttle import Throttle, place_of

NOBODY = "loopback"
"""Who asks from this machine without a token."""
_LONGEST = 512
_SAFE = ("GET", "HEAD", "OPTIONS")


class Doorkeeper:
    """``admin_sha256`` gives the digest of the environment's token, ``tokens`` the stored ones by digest."""

    def __init__(
        self,
        admin_sha256: Callable[[], str | None],
        tokens: Callable[[], Mapping[str, TokenDocument]],
        logins: Logins,
        *,
        requires_token: bool = False,
        now: Callable[[], float] = time.time,
        throttle: Throttle | None = None,
    ) -> None:
        self._admin = admin_sha256
        self._tokens = tokens
        self._requires_token = requires_token
        self._now = now
        self._throttle = throttle or Throttle()
        self.logins = logins

    def __repr__(self) -> str:
        return f"<Doorkeeper {self._throttle!r}>"

    def guarded(self, endpoint: Endpoint, narrow_sha256: Callable[[], str | None] = lambda: None) -> Endpoint:
        """Return an endpoint of figures, for those who may read; stored tokens do not close it to this machine.

        ``narrow_sha256`` gives the digest of a token that opens this endpoint only; it closes it to those without one.
        """

        async def checked(request: Request) -> Response:
            narrow = narrow_sha256()
            if narrow is not None and hmac.compare_digest(_digest(_token_of(request)), narrow):
                return await endpoint(request)
            is_open = self._admin() is None and narrow is None and not self._requires_token
            found = self._judged(request, "read", is_open=is_open)
            return found if isinstance(found, Response) else await endpoint(request)

        return public(checked)

    def enter(self, request: Request, scope: Scope) -> Actor | Response:
        """Return who asks, or the refusal; that a token was used gets into the audit log, too."""
        found = self._judged(request, scope, is_open=self._is_open(self._tokens()))
        if isinstance(found, Actor) and found.name != NOBODY:
            self.logins.let_in(found.source, found.name)
        return found

    def _judged(self, request: Request, scope: Scope, *, is_open: bool) -> Actor | Response:
        """Return who asks, or the refusal; ``is_open``: whether this machine is let in without a token."""
        if request.method not in _SAFE and _is_foreign(request):
            return problem(403, "cross_site", "a web page of another origin cannot change anything here")
        address, tokens, text = (
            address_in(request.headers.get("x-dashcam-peer", "")),
            self._tokens(),
            _token_of(request),
        )
        found = self._named(text, tokens)
        if found is None:
            if is_open:
                return self._without_token(request, address)
            return self._refused(address, text, tokens)
        name, has = found
        if SCOPES.index(has) < SCOPES.index(scope):
            self.logins.refused(address, "scope_too_narrow", actor=name)
            return problem(403, "scope_too_narrow", f"this needs a token of scope {scope}; yours has {has}")
        return Actor(name=name, source=address, scope=has)

    def _refused(self, address: str, text: str, tokens: Mapping[str, TokenDocument]) -> Response:
        ended, place = tokens.get(_digest(text)), place_of(address)
        reason = "token_expired" if ended is not None else "wrong_token" if text else "no_token"
        self.logins.refused(address, reason, actor="unknown" if ended is None else ended.id, token=text)
        if seconds := self._throttle.wait_seconds(place):
            detail = "too many attempts without a token that opens this"
            hint = f"wait {seconds} s, or send a token that does: it is let in at once"
            return problem(429, "too_many_attempts", detail, hint, {"retry-after": str(seconds)})
        self._throttle.failed(place)
        return problem(401, "unauthorised", "an admin token is needed", "send it as: Authorization: Bearer TOKEN")

    def _is_open(self, tokens: Mapping[str, TokenDocument]) -> bool:
        """Tell whether loopback needs no token: nobody could be an administrator by one, and would be locked out."""
        if self._admin() is not None or self._requires_token:
            return False
        return not any(token.scope == "admin" and self._is_living(token) for token in tokens.values())

    def _is_living(self, token: TokenDocument) -> bool:
        return token.expires_at is None or token.expires_at.timestamp() > self._now()

    def _without_token(self, request: Request, address: str) -> Actor | Response:
        if is_loopback(request.headers.get("x-dashcam-peer", "")):
            return Actor(name=NOBODY, source=address)
        self.logins.refused(address, "not_this_machine", token=_token_of(request))
        hint = "set DASHCAM_ADMIN_TOKEN and send it as a bearer token"
        return problem(403, "forbidden", "without an admin token only loopback may ask", hint)

    def _named(self, text: str, tokens: Mapping[str, TokenDocument]) -> tuple[str, Scope] | None:
        if not text:
            return None
        digest = _digest(text)
        admin = self._admin()
        if admin is not None and hmac.compare_digest(digest, admin):
            return "admin", "admin"
        token = tokens.get(digest)
        return None if token is None or not self._is_living(token) else (token.id, token.scope)


def _token_of(request: Request) -> str:
    """Return the bearer token that was sent, empty for none and for one that none of ours can be."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    text = text.strip()
    return text if scheme.lower() == "bearer" and len(text) <= _LONGEST else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _is_foreign(request: Request) -> bool:
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = request.headers.get("origin")
    # The Host of this request is the gateway's word for us; what the page's browser was led to is beside it.
    return (
        origin is not None and origin.partition("://")[2].lower() != request.headers.get("x-forwarded-host", "").lower()
    )
