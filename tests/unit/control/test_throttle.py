"""Failures are bounded by place, and forgotten."""

from __future__ import annotations

import pytest

from proxy.control.throttle import Throttle, place_of


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:0:1::5", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff::5%eth0", "2001:db8:0:1::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("elsewhere", "elsewhere"),
    ],
)
def test_a_place_is_an_address_or_its_64(address: str, place: str) -> None:
    assert place_of(address) == place


def test_failures_are_forgotten_after_a_while() -> None:
    clock = [0.0]
    throttle = Throttle(lambda: clock[0])
    for _ in range(10):
        throttle.failed("a")
    assert throttle.wait_seconds("a") > 0
    assert throttle.wait_seconds("b") == 0
    clock[0] += 11
    assert throttle.wait_seconds("a") == 0


def test_any_number_of_places_takes_bounded_memory_and_bounds_nobody_else() -> None:
    throttle = Throttle(lambda: 0.0)
    for number in range(10_000):
        throttle.failed(str(number))
    assert repr(throttle) == "<Throttle places=4096>"
    assert throttle.wait_seconds("new") == 0
