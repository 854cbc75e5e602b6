"""The catalogue as rows: what is saved is loaded, only the difference is written, and every revision comes back."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.prompt import PromptDocument
from proxy.catalogue.versions import rolled_back, saved_version
from proxy.errors import InvalidError, NotFoundError
from proxy.store.catalogue import documents, prompt_versions
from proxy.store.catalogue.span import Span
from proxy.store.catalogue.values import json_of
from proxy.store.engines.engine import Backend
from tests.integration.store.catalogue.conftest import HASHES, MADE_AT, VERSIONS, a_catalogue

EMPTY = Catalogue()


def rows(connection: Connection, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql(sql)]


def test_what_is_saved_is_loaded(connection: Connection, backend: Backend) -> None:
    assert documents.load(connection) == EMPTY
    saved = documents.save(connection, backend, EMPTY, a_catalogue(), author="kim", reason="first")
    assert documents.load(connection) == a_catalogue()
    assert documents.newest(connection) == saved.revision > 0
    assert {change.kind for change in saved.changes} == {"added"}
    assert len(saved.changes) == 5


def test_only_what_says_something_else_is_read_anew(connection: Connection, backend: Backend) -> None:
    documents.save(connection, backend, EMPTY, a_catalogue(), author="kim")
    first = documents.load(connection)
    assert documents.load(connection).prompts["short"] is first.prompts["short"]
    connection.exec_driver_sql(
        "UPDATE route SET document = ? WHERE name = 'summarise'",
        (json_of({**first.routes["summarise"].to_mapping(), "active": False}),),
    )
    second = documents.load(connection)
    assert second.prompts["short"] is first.prompts["short"]
    assert (first.routes["summarise"].active, second.routes["summarise"].active) == (True, False)
    connection.exec_driver_sql("UPDATE route SET document = ? WHERE name = 'summarise'", (json_of({"name": 5}),))
    with pytest.raises(InvalidError):
        documents.load(connection)


def test_columns_say_what_people_ask_for(connection: Connection, backend: Backend) -> None:
    documents.save(connection, backend, EMPTY, a_catalogue(), author="kim")
    assert rows(connection, "SELECT name, kind, base_url FROM provider") == [
        ("acme", "custom", "https://api.acme.example/v1")
    ]
    assert rows(connection, "SELECT provider, name, context_window, shutdown_date FROM model") == [
        ("acme", "org/model-1", 8192, "2027-01-31")
    ]
    assert rows(connection, "SELECT name, prompt FROM route") == [("summarise", "short@production")]
    assert rows(connection, "SELECT prompt, number, sha256, note FROM prompt_version ORDER BY number") == [
        ("short", number, sha256, "größer") for number, sha256 in HASHES.items()
    ]
    assert rows(connection, "SELECT prompt, label, number FROM prompt_label") == [("short", "production", 1)]


def test_a_label_moves_and_versions_stay_when_their_prompt_is_gone(connection: Connection, backend: Backend) -> None:
    first = a_catalogue()
    documents.save(connection, backend, EMPTY, first, author="kim")
    moved = first.put(first.prompts["short"].model_copy(update={"labels": {"production": 2, "next": 2}}))
    saved = documents.save(connection, backend, first, moved, author="kim")
    assert [str(change) for change in saved.changes] == [
        "prompt short changed: labels.production: 1 → 2; labels.next: nothing → 2"
    ]
    assert rows(connection, "SELECT label, number FROM prompt_label ORDER BY label") == [("next", 2), ("production", 2)]
    gone = moved.without("routes", "summarise").without("prompts", "short")
    documents.save(connection, backend, moved, gone, author="kim")
    assert rows(connection, "SELECT count(*) FROM prompt_label") == [(0,)]
    assert rows(connection, "SELECT count(*) FROM prompt_version") == [(2,)]
    assert documents.load(connection) == gone


def test_every_revision_comes_back(connection: Connection, backend: Backend) -> None:
    first = a_catalogue()
    one = documents.save(connection, backend, EMPTY, first, author="kim", reason="begin").revision
    second = first.without("prices", next(iter(first.prices)))
    two = documents.save(connection, backend, first, second, author="ada").revision
    assert documents.at(connection, one) == first
    assert documents.at(connection, two) == second
    three = documents.save(connection, backend, second, documents.at(connection, one), author="ada").revision
    assert documents.load(connection) == first
    assert [item["number"] for item in documents.revisions(connection)] == [three, two, one]
    listed = documents.revisions(connection, Span(below=two, limit=1))
    assert [(item["number"], item["author"], item["document"]["reason"]) for item in listed] == [(one, "kim", "begin")]
    with pytest.raises(NotFoundError, match="no revision 999"):
        documents.at(connection, 999)


def test_what_changes_nothing_is_no_revision(connection: Connection, backend: Backend) -> None:
    first = documents.save(connection, backend, EMPTY, a_catalogue(), author="kim")
    again = documents.save(connection, backend, a_catalogue(), a_catalogue(), author="ada")
    assert (again.revision, again.changes) == (first.revision, ())


def test_contents_are_kept_once_by_their_hash(connection: Connection) -> None:
    by_hash = {sha256: VERSIONS[number] for number, sha256 in HASHES.items()}
    prompt_versions.keep_contents(connection, by_hash)
    prompt_versions.keep_contents(connection, {HASHES[1]: {"messages": []}})
    assert prompt_versions.contents(connection, HASHES.values()) == by_hash
    with pytest.raises(NotFoundError, match="is not in the database"):
        prompt_versions.contents(connection, ["ef" * 32])


def test_a_number_never_becomes_another_version(connection: Connection, backend: Backend) -> None:
    first = a_catalogue(routes=[])
    documents.save(connection, backend, EMPTY, first, author="kim")
    gone = first.without("prompts", "short")
    documents.save(connection, backend, first, gone, author="kim")
    assert prompt_versions.highest_number(connection, "short") == 2
    assert prompt_versions.highest_number(connection, "nobody") == 0
    prompt = PromptDocument(name="short")
    anew = saved_version(prompt, "ef" * 32, author="ada", at=MADE_AT)
    with pytest.raises(InvalidError) as caught:
        documents.save(connection, backend, gone, gone.put(anew), author="ada")
    assert [(item.field, item.reason[-9:]) for item in caught.value.problems] == [
        ("prompts.short.versions.1", "3 is free")
    ]
    above = prompt_versions.highest_number(connection, "short")
    right = saved_version(prompt, "ef" * 32, author="ada", at=MADE_AT, above=above)
    documents.save(connection, backend, gone, gone.put(right), author="ada")
    assert [head.number for head in documents.load(connection).prompts["short"].versions] == [3]
    # And what was deleted can come back as it was.
    back = rolled_back(gone.put(right), first)
    documents.save(connection, backend, gone.put(right), back, author="ada")
    assert [head.number for head in documents.load(connection).prompts["short"].versions] == [1, 2, 3]


def test_what_a_call_was_made_of_is_found_when_its_prompt_is_gone(connection: Connection, backend: Backend) -> None:
    first = a_catalogue(routes=[])
    prompt_versions.keep_contents(connection, {sha256: VERSIONS[number] for number, sha256 in HASHES.items()})
    documents.save(connection, backend, EMPTY, first, author="kim")
    documents.save(connection, backend, first, EMPTY, author="kim")
    head = prompt_versions.former_version(connection, "short", 2)
    assert head == first.prompts["short"].version("2")
    assert prompt_versions.contents(connection, [head.sha256]) == {head.sha256: VERSIONS[2]}
    with pytest.raises(NotFoundError, match="never was a version 3"):
        prompt_versions.former_version(connection, "short", 3)
