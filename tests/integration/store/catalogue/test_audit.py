"""The audit log: deeds in their order, by pages and filters."""

from __future__ import annotations

from sqlalchemy import Connection

from proxy.store.catalogue import audit
from proxy.store.catalogue.audit import Deed
from proxy.store.catalogue.span import Span
from proxy.store.engines.engine import Backend

DEEDS = [
    Deed(actor="dct_1", action="create", noun="providers", object="acme", source="127.0.0.1", revision=3),
    Deed(actor="dct_1", action="login", noun="access", outcome="refused", detail={"failures": 3}),
    Deed(actor="kim", action="delete", noun="providers", object="acme", source="command", revision=4),
]


def test_deeds_are_told_newest_first_by_pages(connection: Connection, backend: Backend) -> None:
    audit.add(connection, backend, *DEEDS)
    first = audit.page(connection, Span(limit=2))
    assert [(item["actor"], item["action"], item["outcome"]) for item in first] == [
        ("kim", "delete", "done"),
        ("dct_1", "login", "refused"),
    ]
    assert first[1]["detail"] == {"failures": 3}
    assert first[0]["at"].tzinfo is not None
    (rest,) = audit.page(connection, Span(below=first[-1]["number"]))
    assert (rest["object"], rest["revision"], rest["source"]) == ("acme", 3, "127.0.0.1")


def test_a_key_that_was_typed_where_its_id_is_meant_is_not_kept(connection: Connection, backend: Backend) -> None:
    typed = Deed(actor="kim", action="revoke", noun="keys", object="dc_" + "a1B2" * 10, outcome="refused")
    audit.add(connection, backend, typed, Deed(actor="kim", action="revoke", noun="keys", object="dck_0a1b2c3d4e5f"))
    assert [item["object"] for item in audit.page(connection)] == ["dck_0a1b2c3d4e5f", "dc_***"]


def test_deeds_are_found_by_what_they_say(connection: Connection, backend: Backend) -> None:
    audit.add(connection, backend, *DEEDS)
    assert [item["revision"] for item in audit.page(connection, filters={"noun": "providers", "object": "acme"})] == [
        4,
        3,
    ]
    assert [item["actor"] for item in audit.page(connection, filters={"outcome": "refused"})] == ["dct_1"]


def test_what_is_too_long_is_cut(connection: Connection, backend: Backend) -> None:
    audit.add(connection, backend, Deed(actor="a" * 500, action="x" * 99, noun="prompts", object="o" * 999))
    (found,) = audit.page(connection)
    assert (len(found["actor"]), len(found["action"]), len(found["object"])) == (200, 40, 300)
