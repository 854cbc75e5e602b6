"""A catalogue, who may use it and who changed it move with the record, and go on where they were."""

from __future__ import annotations

import contextlib
from pathlib import Path

from proxy.catalogue.access import NewKey, NewToken
from proxy.catalogue.catalogue import Catalogue
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.catalogue import audit, documents, keys, prompt_versions, provider_secrets
from proxy.store.catalogue.audit import Deed
from proxy.store.catalogue.soundness import wrong_in
from proxy.store.catalogue.state import read_state
from proxy.store.engines.engine import backend_of
from proxy.store.writing.writer import StoreWriter
from tests.integration.store.catalogue.conftest import HASHES, VERSIONS, a_catalogue
from tests.support.moving import HOME, move

MASTER = b"k" * 32
URL = "https://api.acme.example/v1"
DEED = Deed(actor="kim", action="create", noun="providers", object="acme", detail={"größer": 1})


def change(database: DatabaseSettings, before: Catalogue, after: Catalogue) -> int:
    """Save a change and note it; return its revision."""
    with contextlib.closing(StoreWriter(database)) as writer, writer.transaction() as connection:
        audit.add(connection, backend_of(database), DEED)
        return documents.save(connection, backend_of(database), before, after, author="kim").revision


def fill(database: DatabaseSettings) -> None:
    change(database, Catalogue(), a_catalogue())
    backend = backend_of(database)
    with contextlib.closing(StoreWriter(database)) as writer, writer.transaction() as connection:
        prompt_versions.keep_contents(connection, {sha256: VERSIONS[number] for number, sha256 in HASHES.items()})
        said = NewKey(owner="ada", routes=["summarise"])
        keys.add_key(connection, backend, "dc_one", said, author="kim")
        revoked = keys.add_key(connection, backend, "dc_two", said, author="kim")
        keys.revoke_key(connection, backend, revoked.id)
        keys.add_token(connection, backend, "token", NewToken(scope="write"), author="kim")
        provider_secrets.put(connection, backend, "acme", URL, "sk-acme-0123456789", MASTER)


def said_by(database: DatabaseSettings) -> tuple[object, ...]:
    """Return all that can be asked of the catalogue in a database."""
    with contextlib.closing(StoreWriter(database)) as writer, writer.transaction() as connection:
        return (
            read_state(connection, lambda hashes: hashes),
            keys.keys(connection),
            keys.token_digests(connection),
            audit.page(connection),
            documents.revisions(connection),
        )


def test_it_is_the_same_catalogue_there_and_back(
    source: DatabaseSettings, target: DatabaseSettings, tmp_path: Path
) -> None:
    fill(source)
    back = sqlite_at(tmp_path / "back.db")
    move(source, target)
    before = said_by(source)
    assert said_by(target) == before
    revision = change(target, a_catalogue(), a_catalogue(prices=[]))
    assert revision > 1
    move(target, back, HOME)
    now = said_by(back)
    assert now == said_by(target) != before
    with contextlib.closing(StoreWriter(back)) as writer, writer.transaction() as connection:
        assert documents.at(connection, 1) == a_catalogue()
        assert documents.newest(connection) == revision
        assert [item for item in wrong_in(connection)[1] if "hash" not in item] == []
