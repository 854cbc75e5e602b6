"""What was to be erased while it still lay in a spool is erased when it is loaded, and the account balances."""

from __future__ import annotations

import time
from typing import Any

import pytest

from proxy.domain.identity import id_text
from proxy.store.erasure import erasing, purges
from proxy.store.erasure.purges import Aim
from proxy.store.writing.writer import StoreWriter
from tests.integration.loader.conftest import Bench
from tests.support.rollups import assert_rollups_equal_the_rows
from tests.support.spooling import SpoolingGateway, a_head, a_start, question, reply

SECRET = "the canary sings at dawn"
KIM, LEE = ((("x-dashcam-user", name),) for name in ("kim", "lee"))


def purge(bench: Bench, aim: Aim) -> None:
    writer = StoreWriter(bench.settings.database)
    with writer.transaction() as connection:
        purges.begin(connection, "purge", aim, "test", time.time_ns() // 1_000_000)
    writer.close()


def totals(bench: Bench) -> list[Any]:
    return bench.sql("SELECT family, labels, value FROM metric_total ORDER BY 1, 2")


def balanced(bench: Bench, stored: int) -> None:
    ledger = bench.load()
    found = {name: ledger[name] for name in ("accepted", "stored", "pending", "quarantined", "balanced")}
    assert found == {"accepted": stored, "stored": stored, "pending": 0, "quarantined": 0, "balanced": True}


def test_calls_in_the_spool_are_erased_when_they_are_loaded(bench: Bench, gateway: SpoolingGateway) -> None:
    gateway.call(start=a_start(request_headers=KIM))
    other = gateway.call(start=a_start(request_headers=LEE))
    purge(bench, Aim(user="kim"))
    balanced(bench, 2)
    assert [row["id"] for row in bench.rows()] == [id_text(other)]
    assert_rollups_equal_the_rows(bench.settings.database)
    before = totals(bench)
    bench.loader_anew()
    balanced(bench, 2)
    assert totals(bench) == before


def test_a_call_that_is_open_and_parked_is_erased_at_its_end(
    bench: Bench, gateway: SpoolingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.loader.loading.PARK_SECONDS", 0.0)
    identity = gateway.begin(a_start(request_headers=KIM), question(SECRET))
    bench.load()
    assert bench.sql("SELECT count(*) FROM open_call") != [(0,)]
    purge(bench, Aim(user="kim"))
    bench.loader_anew()
    gateway.answer(identity, [reply()], a_head())
    gateway.end(identity)
    balanced(bench, 1)
    assert bench.rows() == []
    assert bench.sql("SELECT count(*) FROM open_call") == [(0,)]


def test_an_erased_calls_request_aside_goes_though_its_loader_was_killed(
    bench: Bench, gateway: SpoolingGateway
) -> None:
    """Killed between the commit and the file; and the call was erased before anybody looked again."""
    identity = bytes.fromhex("019a0000000070008000000000000001")
    side = gateway.writer.open_body(identity)
    side.write(question(SECRET))
    name, digest, length = side.finish()
    gateway.writer.start(identity, a_start(side_file=name, request_bytes=length, request_sha256=digest), b"")
    gateway.answer(identity, [reply()], a_head())
    gateway.end(identity)
    content = side.path.read_bytes()
    bench.load()
    side.path.write_bytes(content)
    writer = StoreWriter(bench.settings.database)
    with writer.transaction() as connection:
        erasing.erase(connection, [id_text(identity)], 1)
    writer.close()
    bench.loader_anew()
    bench.load()
    assert not side.path.exists()


@pytest.mark.parametrize("action", ["erase", "strip"])
def test_a_replay_brings_nothing_back(bench: Bench, gateway: SpoolingGateway, action: str) -> None:
    identity = gateway.call(SECRET)
    held = gateway.begin()
    bench.load()
    writer = StoreWriter(bench.settings.database)
    with writer.transaction() as connection:
        ids = [id_text(identity)]
        erasing.erase(connection, ids, 1) if action == "erase" else erasing.strip(connection, ids)
    writer.close()
    bench.loader_anew()
    bench.load()
    rows = {row["id"]: row for row in bench.rows()}
    if action == "erase":
        assert id_text(identity) not in rows
    else:
        assert rows[id_text(identity)]["content_state"] == "pruned"
    assert bench.sql("SELECT count(*) FROM interaction_body") == [(0,)]
    gateway.answer(held, [reply()], a_head())
    gateway.end(held)
    balanced(bench, 2)
    assert_rollups_equal_the_rows(bench.settings.database)
