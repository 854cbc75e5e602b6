"""Marks of endpoints that say who may ask them: a route without one cannot be made; and who is on this machine.

The gateway says where a request came from in ``x-dashcam-peer``; that a socket is local proves nothing, since all
comes through one. Who may ask what else is ``doorkeeper``'s.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

Endpoint = Callable[[Request], Awaitable[Response]]
_MARK = "says_who_may_ask"


def public(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint as open to everybody on purpose, or as one that asks at the door itself."""
    setattr(endpoint, _MARK, True)
    return endpoint


def is_protected(endpoint: object) -> bool:
    """Return True when it has been said who may ask."""
    return bool(getattr(endpoint, _MARK, False))


def address_in(peer: str) -> str:
    """Return the address of the gateway's ``address:port;scheme;listener``, empty where there is none."""
    return peer.partition(";")[0].rpartition(":")[0].strip("[]")


def is_loopback(peer: str) -> bool:
    """Tell whether the gateway says that this machine asks; what is no address is nobody."""
    try:
        return ipaddress.ip_address(address_in(peer)).is_loopback
    except ValueError:
        return False
