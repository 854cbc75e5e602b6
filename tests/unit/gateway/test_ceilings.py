"""Ceilings count what they are told, refuse the one beyond, and forget what is over."""

from __future__ import annotations

import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.ceilings import (
    KEY_OVERLOADED,
    NO_CONNECTION,
    NO_CONNECTION_FROM_THERE,
    NO_MEMORY,
    OVERLOADED,
    Holding,
    room_for_connections,
    share_of,
)
from proxy.spool.page import SIZE, Page
from tests.unit.gateway.conftest import ceilings

SECOND = 1_000_000_000


@given(number=st.integers(1, 10_000), gateways=st.integers(1, 64))
def test_shares_are_even_and_never_less_than_the_whole(number: int, gateways: int) -> None:
    share = share_of(number, gateways)
    assert share >= 1
    assert 0 <= share * gateways - number < gateways
    assert share_of(0, gateways) == 0


@given(files=st.integers(64, 1 << 20))
def test_each_client_may_have_an_upstream_and_something_is_left(files: int) -> None:
    room = room_for_connections(files)
    assert room >= 8
    assert 2 * room <= files - min(512, files // 4) or room == 8


@pytest.mark.parametrize(("files", "room"), [(256, 96), (1024, 384), (20_000, 9744), (1 << 20, 524_032)])
def test_what_a_limit_of_open_files_has_room_for(files: int, room: int) -> None:
    assert room_for_connections(files) == room
    assert ceilings(files=files).connections == room
    assert ceilings(files=files, connections=10).connections == 10
    assert ceilings(files=files, connections=1 << 30).connections == room


def test_one_more_than_the_ceiling_is_refused_and_counted() -> None:
    page = Page(mmap.mmap(-1, SIZE))
    made = ceilings(page=page, in_flight=5, gateways=2)
    assert [made.refusal(under_way) for under_way in (0, 2, 3)] == [None, None, OVERLOADED]
    assert page.get(Page.LIMIT_IN_FLIGHT) == 1


def test_memory_refuses_calls_only_beyond_its_ceiling() -> None:
    made = ceilings(memory_bytes=1000)
    first, second = Holding(made), Holding(made)
    assert first.take(1000)
    assert made.refusal(0) is None
    assert not second.take(1)
    made.hold(1)
    assert made.refusal(0) is NO_MEMORY
    first.give_back()
    first.give_back()
    assert (made.held_bytes, made.refusal(0), second.take(999)) == (1, None, True)
    assert (repr(second), repr(made)) == ("<Holding 999>", "<Ceilings held=1000 slow=0>")


@given(steps=st.lists(st.tuples(st.booleans(), st.sampled_from("ab")), max_size=60))
def test_a_key_never_has_more_calls_than_its_ceiling(steps: list[tuple[bool, str]]) -> None:
    made, open_calls = ceilings(in_flight_per_key=3), {"a": 0, "b": 0}
    for begins, key in steps:
        if begins:
            refusal = made.begin_of(key)
            assert refusal is (KEY_OVERLOADED if open_calls[key] == 3 else None)
            open_calls[key] += refusal is None
        elif open_calls[key]:
            made.end_of(key)
            open_calls[key] -= 1
    assert made._calls_of == {key: count for key, count in open_calls.items() if count}


def test_without_a_ceiling_a_key_has_as_many_as_it_likes() -> None:
    made = ceilings(in_flight_per_key=0)
    assert {made.begin_of("a") for _ in range(500)} == {None}


def test_connections_beyond_the_ceiling_are_told_so_and_beyond_the_margin_not_let_in() -> None:
    made = ceilings(connections=100)
    assert (made.connect("a", 100), made.connect("a", 101)) == (None, NO_CONNECTION)
    assert (made.has_no_room("a", 116), made.has_no_room("a", 117)) == (False, True)
    assert (made.is_crowded(90), made.is_crowded(91)) == (False, True)
    made.disconnect("a")


def test_an_address_has_a_ceiling_where_one_is_set() -> None:
    made = ceilings(connections=1000, files=1 << 16, connections_per_address=2)
    assert [made.connect("a", 1) for _ in range(3)] == [None, None, NO_CONNECTION_FROM_THERE]
    assert made.connect("b", 1) is None
    for _ in range(made.margin):
        made.connect("a", 1)
    assert made.has_no_room("a", 1)
    assert not made.has_no_room("b", 1)
    for _ in range(3 + made.margin):
        made.disconnect("a")
    made.disconnect("b")
    assert not made._connections_of


def test_refused_calls_get_rows_up_to_a_rate() -> None:
    made = ceilings(rows=2)
    now = 5 * SECOND
    assert [made.may_have_row(now) for _ in range(12)] == [True] * 10 + [False] * 2
    assert [made.may_have_row(now + SECOND) for _ in range(3)] == [True, True, False]
    # The clock of one call may lie before that of another that was refused earlier.
    assert not made.may_have_row(now)
    assert [made.may_have_row(now + 100 * SECOND) for _ in range(11)] == [True] * 10 + [False]


def test_no_refused_call_gets_a_row_where_none_is_wanted() -> None:
    made = ceilings(rows=0)
    assert not any(made.may_have_row(now * SECOND) for now in range(10))
