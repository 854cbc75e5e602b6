"""Which addresses may be dialled: checked on the resolved address that is then used, so rebinding has no window.

Which are never dialled, in whatever spelling, says ``domain.network``. Private and loopback addresses are for providers
that allow them, which those from the configuration file and the command line do. Our own listeners are forbidden
always: a proxy must not call itself.
"""

from __future__ import annotations

import socket

from proxy.domain.network import address_of, is_inward, never_because

ANY = "*"
"""In place of an address: whatever address of this machine."""


def blocked_because(
    address: str, port: int, *, allow_private: bool, forbidden: frozenset[tuple[str, int]]
) -> str | None:
    """Return why this address must not be dialled, or None."""
    value = address_of(address)
    if value is None:
        return f"{address!r} is no address"
    # The whole of 127.0.0.0/8 leads to a listener on any address.
    own = "127.0.0.1" if value.version == 4 and value.is_loopback else str(value)
    leads_home = (own, port) in forbidden or (str(value), port) in forbidden
    if leads_home or ((ANY, port) in forbidden and (value.is_loopback or is_of_this_machine(str(value)))):
        return "it is this proxy's own address"
    if reason := never_because(value):
        return reason
    if not allow_private and is_inward(value):
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
