"""Which addresses nobody may connect to, and which are not everybody's."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.network import address_of, is_inward, never_because


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0", "0.1.2.3", "100.100.100.200", "169.254.169.254", "192.0.0.192", "224.0.0.1", "240.1.1.1"),
        *("255.255.255.255", "::", "::a9fe:a9fe", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::"),
        *("fd00:ec2::254", "fe80::1", "[fe80::1%eth0]", "ff02::1", "::ffff:169.254.169.254", "::ffff:0:a9fe:a9fe"),
    ],
)
def test_some_are_nobody_s(text: str) -> None:
    address = address_of(text)
    assert address is not None
    assert never_because(address) is not None


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "::1", "[::1]", "10.1.2.3", "fd12::1", "fec0::1", "1.1.1.1", "2606:4700::1111"]
)
def test_others_may_be_somebody_s(text: str) -> None:
    address = address_of(text)
    assert address is not None
    assert never_because(address) is None
    assert is_inward(address) == (text not in ("1.1.1.1", "2606:4700::1111"))


@pytest.mark.parametrize("text", ["localhost", "api.example", "0x7f.1", "2130706433", "", "1.2.3", "127.1"])
def test_a_name_is_no_address(text: str) -> None:
    assert address_of(text) is None


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_the_one_it_maps_to(address: ipaddress.IPv4Address) -> None:
    assert address_of(f"::ffff:{address}") == address
