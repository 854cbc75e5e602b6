"""Revisions: numbered, never altered, the same content once; what is written is what is read."""

from __future__ import annotations

import hashlib

import psycopg

from proxy.settings.database import DatabaseSettings
from proxy.store.hosts.configuration import CHANNEL, Proposal
from proxy.store.reading.reader import Reader
from proxy.store.writing.writer import StoreWriter
from tests.support.postgres import Databases


def a_proposal(kind: str = "prices", data: bytes | None = b"[]" * 4000, **document: object) -> Proposal:
    digest = hashlib.sha256(data or repr(document).encode()).hexdigest()
    return Proposal(kind=kind, sha256=digest, document=document, data=data, author="kim@alpha")


def test_the_newest_of_each_kind_counts(writer: StoreWriter, reader: Reader) -> None:
    assert reader.config_revisions() == {}
    first = writer.propose(a_proposal(version="1"))
    other = writer.propose(a_proposal("routes", None, routes=[{"name": "größer"}]))
    second = writer.propose(a_proposal(data=b"another", version="2"))
    assert reader.config_revisions() == {"prices": second, "routes": other}
    assert first < other < second


def test_what_was_proposed_is_read_back(writer: StoreWriter, reader: Reader) -> None:
    proposal = a_proposal(version="1", nested={"a": [1, 2.5, None]})
    found = reader.config_revision(writer.propose(proposal))
    assert (found.kind, found.sha256, found.document) == ("prices", proposal.sha256, dict(proposal.document))
    assert (found.data, found.author) == (proposal.data, "kim@alpha")
    assert found.made_at.endswith("Z")


def test_what_counts_already_is_no_new_revision_but_going_back_is(writer: StoreWriter, reader: Reader) -> None:
    one, two = a_proposal(version="1"), a_proposal(data=b"two", version="2")
    first = writer.propose(one)
    assert writer.propose(one) == first
    second = writer.propose(two)
    third = writer.propose(one)
    assert first < second < third
    assert reader.config_revisions() == {"prices": third}


def test_listeners_hear_of_it_when_it_is_committed(postgres: Databases) -> None:
    store: DatabaseSettings = postgres.cleared()
    writer = StoreWriter(store)
    with psycopg.connect(store.url, autocommit=True) as connection:
        connection.execute(f"LISTEN {CHANNEL}")
        writer.propose(a_proposal())
        assert [item.channel for item in connection.notifies(timeout=30, stop_after=1)] == [CHANNEL]
        writer.propose(a_proposal())
        assert list(connection.notifies(timeout=0)) == []
    writer.close()
