"""Which addresses may be connected to at all, and which only where somebody allows it: the one policy of everything.

Asked when an address is written down (as far as it is an address there and no name) and asked again, of what the name
resolves to, whenever a connection is made: only the second asking protects, the first one only tells early.

Never: link-local addresses and those of clouds' metadata, unspecified, multicast, reserved and broadcast ones, and
whatever wraps an IPv4 address (NAT64, 6to4, IPv4-compatible, IPv4-translated). An IPv4-mapped address is judged as the
one it maps to. Addresses that are not global (private, loopback, shared) are for those to whom they are allowed.
"""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NEVER = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.100.100.200/32",
        "169.254.0.0/16",
        "192.0.0.192/32",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "fd00:ec2::254/128",
        "fe80::/10",
        "ff00::/8",
    )
)
_LOOPBACK = ipaddress.IPv6Address("::1")


def address_of(text: str) -> Address | None:
    """Return the address that a text is, with or without brackets and zone; None for a name."""
    try:
        value = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = value.ipv4_mapped if isinstance(value, ipaddress.IPv6Address) else None
    return mapped or value


def never_because(address: Address) -> str | None:
    """Return why nobody may connect to an address, or None."""
    if address == _LOOPBACK:
        return None
    for network in _NEVER:
        if address.version == network.version and address in network:
            return f"addresses in {network} are never dialled"
    return None


def is_inward(address: Address) -> bool:
    """Return True for an address that is not everybody's: private, loopback or shared."""
    is_of_site = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return is_of_site or not address.is_global
