"""The order in which addresses are tried."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.dialling import interleave


def test_families_alternate_and_the_first_one_begins() -> None:
    assert interleave(["a::1", "a::2", "a::3", "1.1.1.1"]) == ["a::1", "1.1.1.1", "a::2", "a::3"]
    assert interleave(["1.1.1.1", "a::1"]) == ["1.1.1.1", "a::1"]
    assert interleave([]) == []


@given(st.lists(st.ip_addresses().map(str), unique=True))
def test_none_is_lost_or_doubled(addresses: list[str]) -> None:
    assert sorted(interleave(addresses)) == sorted(addresses)
