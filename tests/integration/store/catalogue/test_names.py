"""Names of what is in the catalogue, by their beginnings, on each engine."""

from __future__ import annotations

import pytest

from proxy.catalogue.access import NewKey
from proxy.catalogue.catalogue import Catalogue
from proxy.store.catalogue import documents, keys
from proxy.store.engines.engine import Backend
from proxy.store.reading.reader import Reader
from proxy.store.writing.writer import StoreWriter
from tests.integration.store.catalogue.conftest import a_catalogue


@pytest.fixture
def filled(writer: StoreWriter, backend: Backend, reader: Reader) -> Reader:
    with writer.transaction() as connection:
        documents.save(connection, backend, Catalogue(), a_catalogue(), author="kim")
        made = [keys.add_key(connection, backend, text, NewKey(), author="kim") for text in ("one", "other")]
        keys.revoke_key(connection, backend, made[0].id)
    return reader


@pytest.mark.parametrize(
    ("noun", "beginning", "found"),
    [
        ("providers", "", ["acme"]),
        ("providers", "b", []),
        ("models", "acme/o", ["acme/org/model-1"]),
        ("routes", "su", ["summarise"]),
        ("prompts", "short", ["short"]),
        ("labels", "short@", ["short@production"]),
        ("prompts", "%", []),
    ],
)
def test_names_that_begin_so_are_found(filled: Reader, noun: str, beginning: str, found: list[str]) -> None:
    assert filled.catalogue_names(noun, beginning, 20) == found
    assert filled.catalogue_names(noun, beginning, 0) == []


def test_a_key_that_opens_nothing_is_not_offered(filled: Reader) -> None:
    assert len(filled.catalogue_names("keys", "dck_", 20)) == 1
