"""Whether a catalogue may lead to an address: outward to anybody, inward only where the settings name it.

Whoever may edit the catalogue could otherwise reach, through us, what only this machine can. Some addresses are refused
whatever is set (``domain.network``). A name is judged as it stands here; what it resolves to is judged again whenever a
connection is made.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from proxy.domain.network import address_of, never_because
from proxy.domain.network import is_inward as is_inward_address
from proxy.settings.access import is_private

_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})


def reason_against(url: str, allowed: Iterable[str]) -> str | None:
    """Return why a catalogue may not lead to a well-formed address, None when it may.

    ``allowed`` are hosts and networks (CIDR) that may be private.
    """
    host = (urlsplit(url.strip()).hostname or "").rstrip(".")
    if not host.isascii():
        return "has a host with letters beyond ASCII; write it as its xn-- name"
    address = address_of(host)
    if address is None and _looks_like_number(host):
        return f"has a host, {host!r}, that is a number written in another way than four decimals"
    if host in _METADATA_NAMES:
        return f"points at {host}, where a cloud keeps the secrets of its machines"
    if address is not None and (reason := never_because(address)):
        return f"points at {host}: {reason}"
    if not is_inward(host) or is_allowed(host, allowed):
        return None
    return (
        f"points inward, at {host}; write the provider into the settings file, or let "
        f"admin.allow_private_upstreams name this host or its network"
    )


def is_inward(host: str) -> bool:
    """Return True for an address or a name that can only be in the user's own network or on this machine."""
    address = address_of(host)
    return is_private(host) if address is None else is_inward_address(address)


def is_allowed(host: str, allowed: Iterable[str]) -> bool:
    """Return True when one of the hosts or networks (CIDR) is this host's."""
    address = address_of(host)
    for item in allowed:
        if item.lower().strip("[]").rstrip(".") == host.lower():
            return True
        network = _network_of(item)
        if address is not None and network is not None and address in network:
            return True
    return False


def _network_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _looks_like_number(host: str) -> bool:
    """Return True for what a resolver takes for an IPv4 address although it is not written as one ("0x7f.1")."""
    last = host.rpartition(".")[2].lower()
    return last.isdigit() or (last.startswith("0x") and all(letter in "0123456789abcdef" for letter in last[2:]))
