"""Ids are UUIDv7, strictly increasing unless the clock was far off, and tell their time."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.identity import IdentityMint, id_text, id_time_ns, parse_id

DAY = 86_400_000


@given(st.integers(DAY, 2**47), st.lists(st.integers(-DAY, 0), min_size=2, max_size=50))
def test_ids_increase_also_when_the_clock_steps_back(latest: int, steps: list[int]) -> None:
    mint = IdentityMint()
    ids = [mint.mint((latest + step) * 1_000_000) for step in steps]
    assert ids == sorted(set(ids))


@given(st.lists(st.integers(0, 2**47), min_size=2, max_size=50))
def test_ids_tell_the_day_of_their_calls_also_after_a_clock_that_was_months_ahead(instants: list[int]) -> None:
    mint = IdentityMint()
    ids = [mint.mint(instant * 1_000_000) for instant in instants]
    ahead = [id_time_ns(identity) // 1_000_000 - at for identity, at in zip(ids, instants, strict=True)]
    assert 0 <= min(ahead) <= max(ahead) <= DAY + len(instants)
    assert len(set(ids)) == len(ids)


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
