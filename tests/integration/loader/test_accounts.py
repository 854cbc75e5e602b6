"""The account of every call in the moments when it is hard to keep: ends, restarts, full disks, a long backlog."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import proxy.loader.accounts
import proxy.loader.loading
import proxy.loader.roster
from proxy.settings.values import Settings
from proxy.spool.page import Page
from tests.integration.loader.conftest import Bench
from tests.support.spooling import SpoolingGateway, a_start


def test_whoever_asks_while_an_account_is_closed_changes_nothing_in_it(
    bench: Bench, gateway: SpoolingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.call()
    gateway.page.add(gateway.page.ACCEPTED, 2)
    gateway.die()
    add, asked = bench.totals.add, list[object]()

    def ask_meanwhile(totals: Mapping[tuple[str, str], float]) -> None:
        add(totals)
        asked.append(bench.loader.ledger()["dropped"])

    monkeypatch.setattr(bench.totals, "add", ask_meanwhile)
    ledger = bench.load()
    assert {"lost": 2} in asked, "it was asked for while it was written"
    assert (ledger["accepted"], ledger["dropped"], ledger["balanced"]) == (3, {"lost": 2}, True)


def test_the_account_of_a_dead_gateway_balances_before_it_is_loaded(
    bench: Bench, gateway: SpoolingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart of the machine its page is gone, and the store knows of fewer calls than the spool."""
    gateway.call()
    bench.load()
    for _ in range(3):
        gateway.call()
    gateway.die()
    (bench.settings.pages_dir / f"{gateway.name}.page").unlink()
    monkeypatch.setattr(proxy.loader.loading, "READ_BYTES", 1000)
    loader = bench.loader_anew()
    while True:
        assert (ledger := loader.ledger())["balanced"], ledger
        if not loader.round():
            break
    assert bench.load()["stored"] == 4


def test_bodies_that_a_killed_loader_left_are_removed_and_those_still_wanted_kept(
    bench: Bench, gateway: SpoolingGateway
) -> None:
    def begun(body: bytes) -> tuple[bytes, Path]:
        identity = os.urandom(16)
        aside = gateway.writer.open_body(identity)
        aside.write(body)
        name, digest, length = aside.finish()
        start = a_start(side_file=name, request_sha256=digest, request_bytes=length)
        gateway.writer.start(identity, start, b"")
        return identity, aside.path

    (stored, left), (_, wanted) = begun(b"stored"), begun(b"open")
    arriving = gateway.writer.open_body(os.urandom(16))
    gateway.end(stored)
    bench.load()
    assert not left.exists()
    left.write_bytes(b"as if it had been killed before this went")
    bench.loader_anew()
    assert sorted(path.name for path in wanted.parent.iterdir()) == sorted([wanted.name, arriving.path.name])
    arriving.discard()


def test_a_gateway_that_died_without_a_segment_is_accounted_for(bench: Bench, settings: Settings) -> None:
    """Killed on a full disk: its page alone tells what was dropped; one that lives is left alone."""
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait(20)
    for boot, pid in (("dead", gone.pid), ("living", os.getpid())):
        page = Page.create(settings.pages_dir / f"{boot}-0.page", boot, 0)
        page.set(Page.PID, pid)
        page.add(Page.ACCEPTED, 5)
        page.add(Page.DROPPED_SPOOL_FULL, 4)
        page.close()
        (settings.spool_dir / f"{boot}-0" / "bodies").mkdir(parents=True)
    for _ in range(2):
        bench.loader_anew()
        ledger = bench.load()
        assert (ledger["accepted"], ledger["dropped"]) == (5, {"spool_full": 4, "lost": 1})
        assert ledger["balanced"] is True
    assert [path.name for path in settings.pages_dir.iterdir()] == ["living-0.page"]
    assert [path.name for path in settings.spool_dir.iterdir()] == ["living-0"]


def test_a_backlog_that_is_not_counted_yet_is_not_called_out_of_balance(
    bench: Bench, gateway: SpoolingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(50):
        gateway.call("long " * 40_000)
    monkeypatch.setattr(proxy.loader.accounts, "_COUNT_BYTES", 1)
    seen = [bench.loader_anew().ledger()["balanced"]]
    while seen[-1] is not True:
        seen.append(bench.loader.ledger()["balanced"])
    assert seen[0] is None
    assert False not in seen


def test_a_loop_of_restarts_makes_the_ledger_no_longer_than_it_may_be(
    bench: Bench, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy.loader.roster, "_MOST_LINES", 3)
    monkeypatch.setattr(proxy.loader.roster, "_SETTLE_SECONDS", 0.0)
    bench.loader_anew()
    for number in range(10):
        gateway = SpoolingGateway(settings, f"boot{number}")
        gateway.call()
        gateway.die()
        for _ in range(3):
            bench.loader._careful_round()
        ledger = bench.loader.ledger()
        assert (ledger["stored"], ledger["balanced"]) == (number + 1, True)
        assert len(ledger["sources"]) <= 5  # type: ignore[arg-type]
