"""The loader in its thread, as control runs it: troubles are told and outlived."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from proxy.settings.database import DatabaseSettings
from tests.integration.loader.conftest import Bench
from tests.support.spooling import SpoolingGateway
from tests.support.waiting import wait_until


def lock_out(database: DatabaseSettings) -> tuple[Any, str]:
    """Let nobody write any more; returns the connection that holds the lock, and what lets it go."""
    if database.is_postgres:
        held = psycopg.connect(database.url, autocommit=True)
        held.execute("BEGIN")
        held.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
        return held, "ROLLBACK"
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    return other, "ROLLBACK"


class TestRunning:
    """The loader in its thread, as control runs it."""

    @pytest.fixture
    def thread(self, bench: Bench) -> Iterator[threading.Thread]:
        made = threading.Thread(target=bench.loader.run, daemon=True)
        yield made
        bench.loader.stop()
        made.join(10)
        assert not made.is_alive()

    def test_a_locked_database_is_waited_for(
        self, bench: Bench, gateway: SpoolingGateway, thread: threading.Thread
    ) -> None:
        other, let_go = lock_out(bench.settings.database)
        gateway.call()
        thread.start()
        wait_until(lambda: bench.loader.last_error, "the trouble is told")
        failing: dict[str, Any] = bench.loader.ledger()
        assert (failing["accepted"], failing["pending"], failing["balanced"]) == (1, 1, True)
        assert failing["loader_lag_seconds"] > 0
        other.execute(let_go)
        other.close()
        wait_until(lambda: bench.loader.ledger()["stored"] == 1, "the call is stored")
        assert bench.loader.last_error is None

    def test_a_defect_is_told_and_tried_again(
        self, bench: Bench, gateway: SpoolingGateway, thread: threading.Thread
    ) -> None:
        gateway.call()
        folder = bench.settings.spool_dir / gateway.name
        aside = folder.with_name("aside")
        (segment,) = folder.glob("*.seg")
        segment.rename(aside)
        segment.mkdir()
        thread.start()
        wait_until(lambda: bench.loader.last_error, "the trouble is told")
        segment.rmdir()
        aside.rename(segment)
        wait_until(lambda: bench.loader.ledger()["stored"] == 1, "the call is stored")
        assert (bench.loader.last_error, len(bench.rows())) == (None, 1)

    def test_what_is_in_the_spool_when_it_is_told_to_stop_is_still_loaded(
        self, bench: Bench, gateway: SpoolingGateway, thread: threading.Thread
    ) -> None:
        for _ in range(20):
            gateway.call()
        gateway.die()
        bench.loader.stop()
        thread.start()
        thread.join(10)
        assert len(bench.rows()) == 20
        assert not list(bench.settings.spool_dir.glob("boot-*"))
