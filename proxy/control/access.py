"""Who may ask control: everybody on loopback while no admin token is set, else who holds it (or, for ``/metrics``, the
metrics token, which opens nothing else).

The gateway says where a request came from in ``x-dashcam-peer``; that a socket is local proves nothing, since all
comes through one. The check belongs to the endpoint, not to a path: a route without one cannot be made.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from proxy.control.problems import problem

Endpoint = Callable[[Request], Awaitable[Response]]
_MARK = "says_who_may_ask"


def admin_only(
    endpoint: Endpoint, token_sha256: str | None, narrow_sha256: str | None = None, *, requires_token: bool = False
) -> Endpoint:
    """Return the endpoint behind the check; ``token_sha256`` is the hex digest of the admin token.

    ``narrow_sha256`` is that of a token which opens this endpoint only; it closes it to those without one, too, as
    ``requires_token`` does on loopback.
    """
    digests = tuple(filter(None, (token_sha256, narrow_sha256)))

    async def checked(request: Request) -> Response:
        refusal = _refuse(request, digests, requires_token=requires_token)
        return refusal if refusal is not None else await endpoint(request)

    setattr(checked, _MARK, True)
    return checked


def public(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint as open to everybody on purpose."""
    setattr(endpoint, _MARK, True)
    return endpoint


def is_protected(endpoint: object) -> bool:
    """Return True when it has been said who may ask."""
    return bool(getattr(endpoint, _MARK, False))


def _refuse(request: Request, digests: tuple[str, ...], *, requires_token: bool) -> Response | None:
    if not digests and not requires_token:
        if is_loopback(request.headers.get("x-dashcam-peer", "")):
            return None
        detail = "without an admin token only loopback may ask"
        return problem(403, "forbidden", detail, "set DASHCAM_ADMIN_TOKEN and send it as a bearer token")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = hashlib.sha256(token.strip().encode()).hexdigest()
    matches = [hmac.compare_digest(given, digest) for digest in digests]
    if scheme.lower() == "bearer" and any(matches):
        return None
    return problem(401, "unauthorised", "an admin token is needed", "send it as: Authorization: Bearer TOKEN")


def is_loopback(peer: str) -> bool:
    """Read the gateway's ``address:port;scheme;listener``; anything else is nobody."""
    address = peer.partition(";")[0].rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
