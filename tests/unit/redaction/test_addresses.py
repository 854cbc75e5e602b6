"""Addresses of people and of machines."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.redaction.addresses import find_emails, find_ip_addresses


def emails(text: str) -> list[str]:
    data = text.encode()
    return [data[start:end].decode() for start, end in find_emails(data)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to kim@example.org, please", ["kim@example.org"]),
        ("<mailto:kim.o'neil+x@a.b.example.co.uk>.", ["kim.o'neil+x@a.b.example.co.uk"]),
        ("müller@exämple.de", ["müller@exämple.de"]),
        ("请联系kim@example.org或者", ["kim@example.org"]),
        ("a@b.cd,e@f.gh", ["a@b.cd", "e@f.gh"]),
        ("kim@localhost, @handle, x@1.2.3.4, a@b.c", []),
        ("user@@example.org", []),
    ],
)
def test_emails(text: str, expected: list[str]) -> None:
    assert emails(text) == expected


@given(st.emails(domains=st.sampled_from(["example.org", "a-b.example", "x.yz.co"])))
def test_whatever_is_an_address_is_found(address: str) -> None:
    (found,) = emails(f"mail {address} now")
    assert address.endswith(found)
    assert found.partition("@")[0] != "" or len(address.partition("@")[0]) > 64


@given(st.ip_addresses())
def test_ip_addresses(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if str(address) == "::":
        return
    data = f"from [{address}] to".encode()
    assert (6, 6 + len(str(address))) in find_ip_addresses(data)


@pytest.mark.parametrize(
    "text", [b"12:30:45", b"1.2.3.4.5", b"999.1.1.1", b"v1.2.3", b"::", b"std::vector", b"a1.2.3.4"]
)
def test_what_is_no_address_of_a_machine_is_left_alone(text: bytes) -> None:
    assert list(find_ip_addresses(text)) == []


def test_a_port_is_no_part_of_an_address() -> None:
    assert list(find_ip_addresses(b"10.0.0.1:8080")) == [(0, 8)]
