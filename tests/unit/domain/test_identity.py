"""Ids are UUIDv7, strictly increasing, and tell their time."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.identity import IdentityMint, id_text, id_time_ns, parse_id


@given(st.lists(st.integers(0, 2**47 * 1_000_000), min_size=2, max_size=50))
def test_ids_increase_also_when_the_clock_steps_back(instants: list[int]) -> None:
    mint = IdentityMint()
    ids = [mint.mint(instant) for instant in instants]
    assert ids == sorted(set(ids))


@given(st.integers(0, 2**48 * 1_000_000 - 1))
def test_an_id_is_a_uuid_of_version_seven_and_tells_its_millisecond(instant: int) -> None:
    identity = IdentityMint().mint(max(instant, 1_000_000))
    value = uuid.UUID(bytes=identity)
    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    assert id_time_ns(identity) == max(instant, 1_000_000) // 1_000_000 * 1_000_000
    assert id_text(identity) == str(value)
    assert parse_id(id_text(identity)) == identity


def test_ids_of_one_instant_differ_in_what_people_see_and_still_increase_when_there_are_very_many() -> None:
    mint = IdentityMint()
    ids = [mint.mint(1_795_000_000_000_000_000) for _ in range(5000)]
    assert len({id_text(identity)[:18] for identity in ids}) == len(ids)
    assert ids == sorted(ids)
