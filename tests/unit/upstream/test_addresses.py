"""Which addresses may be dialled."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.addresses import ANY, blocked_because

NONE: frozenset[tuple[str, int]] = frozenset()


def is_blocked(address: str, *, allow_private: bool = True, forbidden: frozenset[tuple[str, int]] = NONE) -> bool:
    return blocked_because(address, 80, allow_private=allow_private, forbidden=forbidden) is not None


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "169.254.0.1", "100.100.100.200", "0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255"),
        *("fe80::1", "fe80::1%eth0", "fd00:ec2::254", "ff02::1", "::", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
    ],
)
def test_some_are_never_dialled(address: str) -> None:
    assert is_blocked(address, allow_private=True)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "fd12::1", "100.64.0.1"]
)
def test_private_ones_need_permission(address: str) -> None:
    assert not is_blocked(address)
    assert is_blocked(address, allow_private=False)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111"])
def test_public_ones_need_none(address: str) -> None:
    assert not is_blocked(address, allow_private=False)


@given(st.ip_addresses(v=4), st.booleans())
def test_a_mapped_address_is_judged_as_what_it_maps_to(address: ipaddress.IPv4Address, allow_private: bool) -> None:
    mapped = f"::ffff:{address}"
    assert is_blocked(mapped, allow_private=allow_private) == is_blocked(str(address), allow_private=allow_private)


def test_a_listener_on_all_addresses_is_reached_by_each_of_this_machine_s() -> None:
    own = frozenset({(ANY, 80)})
    assert is_blocked("127.0.0.1", forbidden=own)
    assert is_blocked("127.9.9.9", forbidden=own)
    assert not is_blocked("192.0.2.1", forbidden=own)
    assert not is_blocked("127.0.0.1", forbidden=frozenset({(ANY, 81)}))


def test_our_own_address_is_forbidden_on_its_port_only() -> None:
    own = frozenset({("127.0.0.1", 80), ("::1", 80)})
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "127.1.2.3", "::1"):
        assert is_blocked(address, forbidden=own)
        assert not is_blocked(address, forbidden=frozenset({("127.0.0.1", 81), ("::1", 81)}))
