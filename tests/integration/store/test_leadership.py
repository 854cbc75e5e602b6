"""The lease: one holder at a time, by the database's clock; it ends by itself, and can be given up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection

from proxy.settings.database import DatabaseSettings
from proxy.store.hosts import leadership
from proxy.store.writing.writer import StoreWriter
from tests.support.postgres import Databases

Ask = Callable[[Callable[[Connection], object]], object]


@pytest.fixture
def within(postgres: Databases) -> Iterator[Ask]:
    """Run something in a transaction of its own."""
    store: DatabaseSettings = postgres.cleared()
    writer = StoreWriter(store)

    def run(work: Callable[[Connection], object]) -> object:
        with writer.transaction() as connection:
            return work(connection)

    yield run
    writer.close()


def test_who_comes_first_leads_and_keeps_leading(within: Ask) -> None:
    assert within(lambda c: leadership.renew(c, "a", "holder-a")) is True
    assert within(lambda c: leadership.renew(c, "b", "holder-b")) is False
    assert within(lambda c: leadership.renew(c, "a", "holder-a")) is True
    assert within(lambda c: (leadership.leads(c, "holder-a"), leadership.leads(c, "holder-b"))) == (True, False)


def test_a_lease_that_has_run_out_is_anybodys_and_its_holder_knows(within: Ask) -> None:
    within(lambda c: leadership.renew(c, "a", "holder-a", seconds=0))
    assert within(lambda c: leadership.leads(c, "holder-a")) is False
    assert within(lambda c: leadership.renew(c, "b", "holder-b")) is True
    assert within(lambda c: leadership.renew(c, "a", "holder-a")) is False
    assert within(lambda c: leadership.leads(c, "holder-b")) is True


def test_a_restarted_control_leads_on_at_once_and_its_predecessor_no_more(within: Ask) -> None:
    within(lambda c: leadership.renew(c, "a", "before"))
    assert within(lambda c: leadership.renew(c, "a", "after")) is True
    assert within(lambda c: (leadership.leads(c, "before"), leadership.leads(c, "after"))) == (False, True)


def test_who_resigns_leaves_the_lease_to_the_next_and_nobody_resigns_for_others(within: Ask) -> None:
    within(lambda c: leadership.renew(c, "a", "holder-a"))
    within(lambda c: leadership.resign(c, "holder-b"))
    assert within(lambda c: leadership.leads(c, "holder-a")) is True
    within(lambda c: leadership.resign(c, "holder-a"))
    assert within(lambda c: leadership.renew(c, "b", "holder-b")) is True


def test_a_lease_that_ends_later_than_any_was_noted_by_a_clock_that_was_wrong(within: Ask) -> None:
    """Its holder may be dead: nobody would lead until then."""
    within(lambda c: leadership.renew(c, "a", "holder-a", seconds=86_400.0))
    assert within(lambda c: leadership.renew(c, "b", "holder-b")) is True
    assert within(lambda c: (leadership.leads(c, "holder-a"), leadership.leads(c, "holder-b"))) == (False, True)
