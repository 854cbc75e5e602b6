"""Proxy keys and tokens: known by digests only, and a revoked one stays revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from proxy.catalogue.access import LimitsDocument, NewKey, NewToken
from proxy.domain.access import Limits, ProxyKey
from proxy.errors import NotFoundError
from proxy.store.catalogue import keys
from proxy.store.engines.engine import Backend

TEXT = "dc_" + "k3Y9" * 10
ENDS = datetime(2027, 1, 1, tzinfo=UTC)
SAID = NewKey(owner="team eu", routes=["summ*"], expires_at=ENDS, limits=LimitsDocument(requests_per_minute=60))


def test_a_key_is_kept_by_its_digest(connection: Connection, backend: Backend) -> None:
    shown = keys.add_key(connection, backend, TEXT, SAID, author="kim")
    assert (shown.last4, shown.owner, shown.routes, shown.expires_at) == ("k3Y9", "team eu", ["summ*"], ENDS)
    digest = keys.key_digest(TEXT, keys.pepper(connection))
    limits = Limits(requests_per_minute=60)
    assert keys.proxy_keys(connection) == (
        ProxyKey(
            id=shown.id, digest=digest, is_peppered=True, expires_at=int(ENDS.timestamp()), routes=("summ*",),
            limits=limits,
        ),
    )  # fmt: skip
    for (row,) in connection.exec_driver_sql("SELECT document FROM (SELECT digest AS document FROM api_key) AS a"):
        assert TEXT not in str(row)


def test_the_pepper_is_drawn_once(connection: Connection) -> None:
    assert keys.pepper(connection) == keys.pepper(connection)
    assert len(bytes.fromhex(keys.pepper(connection))) == 32


def test_a_revoked_key_is_shown_and_opens_nothing(connection: Connection, backend: Backend) -> None:
    shown = keys.add_key(connection, backend, TEXT, NewKey(), author="kim")
    revoked = keys.revoke_key(connection, backend, shown.id)
    assert revoked.revoked_at is not None
    assert keys.revoke_key(connection, backend, shown.id).revoked_at == revoked.revoked_at
    assert keys.proxy_keys(connection) == ()
    assert [item.id for item in keys.keys(connection)] == [shown.id]


def test_a_key_that_is_replaced_ends_after_a_while(connection: Connection, backend: Backend) -> None:
    old = keys.add_key(connection, backend, TEXT, NewKey(expires_at=ENDS), author="kim")
    new = keys.add_key(connection, backend, TEXT + "x", NewKey(), author="kim", replaces=old.id)
    keys.expire_key(connection, old.id, ENDS + timedelta(days=1))
    assert keys.key(connection, old.id).expires_at == ENDS
    keys.expire_key(connection, old.id, ENDS - timedelta(days=1))
    assert keys.key(connection, old.id).expires_at == ENDS - timedelta(days=1)
    assert new.replaces == old.id


def test_what_is_said_of_a_key_can_be_said_anew(connection: Connection, backend: Backend) -> None:
    shown = keys.add_key(connection, backend, TEXT, SAID, author="kim")
    changed = keys.change_key(connection, shown.id, NewKey(owner="team us"))
    assert (changed.owner, changed.routes, changed.limits, changed.expires_at) == ("team us", [], None, None)


def test_what_is_not_there_is_named(connection: Connection, backend: Backend) -> None:
    with pytest.raises(NotFoundError, match="no key 'x'"):
        keys.revoke_key(connection, backend, "x")
    with pytest.raises(NotFoundError, match="no token 'x'"):
        keys.revoke_token(connection, backend, "x")


def test_a_token_is_found_by_its_digest_until_it_is_revoked(connection: Connection, backend: Backend) -> None:
    shown = keys.add_token(connection, backend, TEXT, NewToken(owner="ci", scope="write"), author="kim")
    assert keys.token_digests(connection) == {keys.token_digest(TEXT): shown}
    keys.revoke_token(connection, backend, shown.id)
    assert keys.token_digests(connection) == {}
    assert keys.tokens(connection)[0].revoked_at is not None
