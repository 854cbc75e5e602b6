"""Which addresses may be dialled: checked on the resolved address that is then used, so rebinding has no window.

Link-local and cloud-metadata addresses, unspecified, multicast and NAT64 ones are never dialled, in whatever spelling
(also as IPv4-mapped IPv6). Private and loopback addresses are for providers that allow them, which those from the
configuration file and the command line do. Our own listeners are forbidden always: a proxy must not call itself.
"""

from __future__ import annotations

import ipaddress
import socket

ANY = "*"
"""In place of an address: whatever address of this machine."""

_BLOCKED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",
        "0.0.0.0/8",
        "100.100.100.200/32",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "fe80::/10",
        "fd00:ec2::254/128",
        "ff00::/8",
        "::/128",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
    )
)


def blocked_because(
    address: str, port: int, *, allow_private: bool, forbidden: frozenset[tuple[str, int]]
) -> str | None:
    """Return why this address must not be dialled, or None."""
    value = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(value, ipaddress.IPv6Address) and value.ipv4_mapped is not None:
        value = value.ipv4_mapped
    # The whole of 127.0.0.0/8 leads to a listener on any address.
    own = "127.0.0.1" if value.version == 4 and value.is_loopback else str(value)
    leads_home = (own, port) in forbidden or (str(value), port) in forbidden
    if leads_home or ((ANY, port) in forbidden and (value.is_loopback or is_of_this_machine(str(value)))):
        return "it is this proxy's own address"
    for network in _BLOCKED:
        if value.version == network.version and value in network:
            return f"addresses in {network} are never dialled"
    if not allow_private and not value.is_global:
        return "private addresses are not allowed for this provider"
    return None


def is_of_this_machine(address: str) -> bool:
    """Return True for an address of one of our own interfaces; asks the routing table, sends nothing."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return False
        return bool(probe.getsockname()[0] == address)
