"""Keys and limits as they travel: what is missing has no bound, and what is newer is passed over."""

from __future__ import annotations

import pytest

from proxy.domain.access import Limits, ProxyKey, key_from_mapping, limits_from_mapping


def test_a_key_of_an_older_form_has_neither_end_nor_bound() -> None:
    assert key_from_mapping({"id": "k1", "digest": "ab", "newer": [1]}) == ProxyKey(id="k1", digest="ab")


def test_limits_are_read_with_those_that_are_said() -> None:
    found = limits_from_mapping({"requests_per_minute": 5, "newer": 1})
    assert found == Limits(requests_per_minute=5)


@pytest.mark.parametrize("values", [None, [], "5"])
def test_no_limits_are_none(values: object) -> None:
    assert limits_from_mapping(values) is None


def test_a_key_without_its_digest_is_none() -> None:
    with pytest.raises(KeyError):
        key_from_mapping({"id": "k1"})
