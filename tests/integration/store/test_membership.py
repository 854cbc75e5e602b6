"""A host among others: rounds that tell and ask, a wake-up by NOTIFY, an end that is noticed."""

from __future__ import annotations

import hashlib
import os
import resource
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from proxy.settings.database import DatabaseSettings
from proxy.store.engines.failures import StoreUnavailableError
from proxy.store.hosts import membership
from proxy.store.hosts.configuration import Proposal
from proxy.store.hosts.instances import Instance, Report
from proxy.store.hosts.membership import Membership
from proxy.store.writing.writer import StoreWriter
from tests.support.hosts import a_host
from tests.support.postgres import Databases
from tests.support.toxic import ToxicProxy

LONG = 100.0
REPORT = Report(now_ms=1_795_000_000_000, pending=4)


def propose(writer: StoreWriter, text: bytes = b"[]") -> int:
    return writer.propose(Proposal(kind="prices", sha256=hashlib.sha256(text).hexdigest(), document={}, data=text))


def joined(store: DatabaseSettings, who: Instance) -> Membership:
    writer = StoreWriter(store)
    if store.is_postgres:
        writer.claim(who)
    writer.close()
    return membership.join(store, who)


@pytest.fixture
def member(store: DatabaseSettings) -> Iterator[Membership]:
    made = joined(store, a_host())
    yield made
    made.close()


def test_the_only_host_leads_and_sees_what_counts(
    store: DatabaseSettings, member: Membership, writer: StoreWriter
) -> None:
    assert member.round(REPORT).revisions == {}
    number = propose(writer)
    found = member.round(REPORT)
    assert (found.is_known, found.is_leader, found.revisions) == (True, True, {"prices": number})
    assert member.revision(number).data == b"[]"
    assert [row["pending"] for row in found.instances] == ([4] if store.is_postgres else [])


def test_a_wait_ends_when_we_are_woken(member: Membership) -> None:
    began = time.monotonic()
    member.wake()
    member.wait(LONG)
    threading.Timer(0.05, member.wake).start()
    member.wait(LONG)
    assert time.monotonic() - began < LONG / 2


@pytest.fixture
def shared(postgres: Databases) -> DatabaseSettings:
    return postgres.cleared()


def test_a_wait_ends_when_another_host_changes_the_configuration(shared: DatabaseSettings) -> None:
    member, writer = joined(shared, a_host()), StoreWriter(shared)
    assert member.is_listening
    member.round(REPORT)
    began = time.monotonic()
    other = threading.Timer(0.05, propose, (writer,))
    other.start()
    member.wait(LONG)
    other.join()
    assert time.monotonic() - began < LONG / 2
    assert member.round(REPORT).revisions
    member.close()
    writer.close()


def test_of_two_hosts_one_leads_and_the_other_does_when_the_first_leaves(shared: DatabaseSettings) -> None:
    alpha, beta = joined(shared, a_host("alpha")), joined(shared, a_host("beta"))
    assert (alpha.round(REPORT).is_leader, beta.round(REPORT).is_leader) == (True, False)
    found = beta.round(REPORT).instances
    assert [(row["host"], row["is_leader"]) for row in found] == [("alpha", True), ("beta", False)]
    alpha.leave()
    assert beta.round(REPORT).is_leader
    alpha.close()
    beta.close()


def test_who_has_lost_its_name_does_not_lead(shared: DatabaseSettings) -> None:
    first = a_host("alpha")
    alpha = joined(shared, first)
    assert alpha.round(REPORT).is_leader
    joined(shared, a_host("alpha", id=first.id)).close()
    found = alpha.round(REPORT)
    assert (found.is_known, found.is_leader) == (False, False)
    alpha.close()


def test_a_connection_that_the_server_ends_is_noticed(shared: DatabaseSettings) -> None:
    member = joined(shared, a_host())
    with psycopg.connect(shared.url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = %s",
            (connection.info.dbname,),
        )
    began = time.monotonic()

    def go_on() -> None:
        while time.monotonic() - began < LONG / 2:
            member.wait(LONG)
            member.round(REPORT)

    with pytest.raises(StoreUnavailableError):
        go_on()
    member.close()


def test_a_line_that_is_cut_is_told_in_one_line_and_by_nobody_else(
    shared: DatabaseSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """As when PgBouncer is restarted: no last word of the server's, and nothing to put back in order."""
    found = urlsplit(shared.url)
    with ToxicProxy(found.port or 5432).running() as toxic:
        far = urlunsplit(found._replace(netloc=f"{found.username}@127.0.0.1:{toxic.port}"))
        member = joined(DatabaseSettings(url=far), a_host())
        toxic.reset_all()
        with pytest.raises(StoreUnavailableError, match="is gone") as caught:
            member.wait(LONG)
        member.close()
    assert "\n" not in caught.value.message
    assert caplog.messages == []


def test_a_server_that_is_away_is_told(postgres: Databases) -> None:
    nowhere = DatabaseSettings(url="postgresql://postgres@127.0.0.1:1/nowhere")
    with pytest.raises(StoreUnavailableError):
        membership.join(nowhere, a_host())


def test_a_process_with_many_descriptors_takes_part_all_the_same(shared: DatabaseSettings) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, limits[1]), limits[1]))
    others = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        member = joined(shared, a_host())
        member.wake()
        member.wait(LONG)
        assert member.round(REPORT).is_known
        member.close()
    finally:
        for descriptor in others:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
