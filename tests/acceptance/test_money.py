"""Money as a user sees it: prices refreshed under a running Dashcam, calls priced anew while others come in."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from proxy.domain.interaction import Entry
from proxy.domain.outcome import UsageSource
from proxy.settings.database import DatabaseSettings
from proxy.store.migrating.migration import upgrade
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.entries import an_interaction
from tests.support.price_data import price_data
from tests.support.rollups import assert_rollups_equal_the_rows
from tests.support.waiting import wait_until

MODEL = "gpt-4o-mini"
PER_CALL = 11 * 150_000
"""11 tokens in, at 0.15 USD a million; what comes out is a function of the question."""


@pytest.fixture
def running(start_dashcam: Starter, oracle: str) -> RunningDashcam:
    """Dashcam in front of the upstream whose answers are a function of the question, which it takes for OpenAI."""
    return start_dashcam("--upstream", f"openai={oracle}/v1")


@pytest.fixture
def client(running: RunningDashcam) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key="sk-real-key", max_retries=0) as made:
        yield made


def ask(client: openai.OpenAI, nonce: str, pieces: int = 3) -> None:
    client.chat.completions.create(
        model=MODEL, max_tokens=pieces, messages=[{"role": "user", "content": nonce}]
    )  # fmt: skip


def ask_all(client: openai.OpenAI, nonces: list[str]) -> None:
    for nonce in nonces:
        ask(client, nonce)


def refresh(dashcam: RunningDashcam, rate: str) -> str:
    (dashcam.folder / "data.json").write_bytes(price_data(rate))
    made = dashcam.cli("prices", "refresh", "--from", "data.json", "--json")
    assert made.returncode == 0, made.stderr.decode()
    return str(json.loads(made.stdout)["version"])


def said(dashcam: RunningDashcam, *arguments: str) -> dict[str, Any]:
    made = dashcam.cli(*arguments, "--json")
    assert made.returncode == 0, made.stderr.decode()
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def test_refreshed_prices_count_for_later_calls_without_a_restart(
    running: RunningDashcam, client: openai.OpenAI
) -> None:
    ask(client, "before")
    before = running.rows()[0]
    version = refresh(running, "1.5")
    ask(client, "after")
    old, new = running.rows()
    assert old == before
    assert new["cost_pico_usd"] == (new["input_tokens"] + new["output_tokens"]) * 1_500_000
    pinned = running.query("select * from price where id = ?", new["price_id"])[0]
    assert (pinned["source"], pinned["source_version"], json.loads(pinned["rates"])["input_mtok"]) == (
        "genai-prices", version, "1.5",
    )  # fmt: skip


def test_a_command_prices_as_the_running_server_does(start_dashcam: Starter, oracle: str, tmp_path: Path) -> None:
    own, config = tmp_path / "own.toml", tmp_path / "served.toml"
    own.write_text('[[price]]\nmodel = "gpt-4o-mini"\ninput_mtok = 7\noutput_mtok = 7\n')
    config.write_text(f'[prices]\nfile = "{own}"\n')
    dashcam = start_dashcam("--upstream", f"openai={oracle}/v1", "--config", str(config))
    with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key="sk-real-key", max_retries=0) as client:
        ask(client, "mine")
    (row,) = dashcam.rows()
    assert row["cost_pico_usd"] == (row["input_tokens"] + row["output_tokens"]) * 7_000_000
    assert said(dashcam, "recost")["changed"] == 0
    assert str(own) in dashcam.cli("recost").stderr.decode()
    own.write_text(own.read_text().replace("7", "9"))
    assert said(dashcam, "recost", "--yes")["written"] == 1
    assert dashcam.rows()[0]["cost_pico_usd"] == row["cost_pico_usd"] // 7 * 9


def test_calls_are_priced_anew_while_others_come_in(running: RunningDashcam, client: openai.OpenAI) -> None:
    for number in range(30):
        ask(client, f"first {number}")
    running.settle()
    counted = running.samples()["dashcam_cost_usd_total"]
    refresh(running, "2")
    coming = threading.Thread(target=ask_all, args=(client, [f"second {number}" for number in range(60)]))
    coming.start()
    dry = said(running, "recost", "--model", MODEL)
    assert (dry["dry_run"], dry["written"]) == (True, 0)
    done = said(running, "recost", "--model", MODEL, "--yes", "--reason", "the new prices")
    coming.join(60)
    assert done["written"] == done["changed"] >= 30
    rows = running.rows()
    assert len(rows) == 90
    assert all(row["cost_pico_usd"] == (row["input_tokens"] + row["output_tokens"]) * 2_000_000 for row in rows)
    history = running.query("select distinct command, reason from amendment")
    assert history == [{"command": "recost", "reason": "the new prices"}]
    assert running.query("select count(*) as n from amendment")[0]["n"] == done["written"]
    assert_rollups_equal_the_rows(running.database)
    assert said(running, "recost", "--yes")["changed"] == 0
    ledger = running.ledger()
    assert (ledger["balanced"], ledger["stored"]) == (True, 90)
    # The counter counts what calls cost when they were made.
    assert sum(running.samples()["dashcam_cost_usd_total"].values()) > sum(counted.values())


def test_with_the_server_stopped_the_command_writes_itself(running: RunningDashcam, client: openai.OpenAI) -> None:
    ask(client, "once")
    running.settle()
    assert running.stop() == 0
    refresh(running, "3")
    assert said(running, "recost", "--yes")["written"] == 1
    assert said(running, "reinterpret", "--yes")["changed"] == 0
    row = running.query("select * from interaction")[0]
    assert row["cost_pico_usd"] == (row["input_tokens"] + row["output_tokens"]) * 3_000_000
    assert not (running.data_dir / "amendments").exists()
    assert_rollups_equal_the_rows(running.database)


def test_what_was_recorded_reads_the_same_again(running: RunningDashcam, client: openai.OpenAI) -> None:
    for number in range(5):
        ask(client, f"plain {number}")
        stream = client.chat.completions.create(
            model=MODEL, max_tokens=5, stream=True, messages=[{"role": "user", "content": f"stream {number}"}]
        )
        assert list(stream)
    running.settle()
    found = said(running, "reinterpret")
    assert (found["calls"], found["changed"], found["failed"], found["no_bytes"]) == (10, 0, 0, 0), found


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """Nobody serves. Killed at any moment, each row is either changed with its history and rollups, or not at all."""
    dashcam = RunningDashcam(tmp_path)
    try:
        record_many(dashcam.database, 3000)
        refresh(dashcam, "4")
        command = [sys.executable, "-m", "proxy", "recost", "--yes"]
        environment = {**dashcam.environment, "DASHCAM_DATA_DIR": str(dashcam.data_dir)}
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
        wait_until(lambda: amended(dashcam), "it has begun to write")
        process.kill()
        process.wait()
        assert_rollups_equal_the_rows(dashcam.database)
        before = amended(dashcam)
        assert said(dashcam, "recost", "--yes")["written"] == 3000 - before
        assert amended(dashcam) == 3000
        assert dashcam.query("select distinct cost_pico_usd as pico from interaction") == [{"pico": 14 * 4_000_000}]
        assert_rollups_equal_the_rows(dashcam.database)
    finally:
        dashcam.close()


def amended(dashcam: RunningDashcam) -> int:
    return int(dashcam.query("select count(*) as n from amendment")[0]["n"])


def record_many(database: DatabaseSettings, count: int) -> None:
    upgrade(database)
    writer = StoreWriter(database)
    known = {"model": MODEL, "input_tokens": 11, "output_tokens": 3, "usage_source": UsageSource.REPORTED}
    entries = [Entry(interaction=an_interaction(**known, cost_pico_usd=1)) for _ in range(count)]
    writer.write(WriteBatch(entries=[("s", entry) for entry in entries]), lambda _: {})
    writer.close()


def test_a_price_file_of_one_s_own_counts_as_it_changes(start_dashcam: Starter, oracle: str, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[[price]]\nmodel = "gpt-*"\ninput_mtok = 1\noutput_mtok = 0\n')
    dashcam = start_dashcam("--upstream", f"openai={oracle}/v1", environment={"DASHCAM_PRICES__FILE": str(own)})
    with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key="sk-real-key", max_retries=0) as client:
        ask(client, "one")
        dashcam.settle()
        own.write_text('[[price]]\nmodel = "gpt-*"\ninput_mtok = "-2"\noutput_mtok = 0\n')
        ask(client, "two")
        dashcam.settle()
        own.write_text('[[price]]\nmodel = "gpt-*"\ninput_mtok = 30\noutput_mtok = 0\n')
        ask(client, "three")
    assert [row["cost_pico_usd"] for row in dashcam.rows()] == [11_000_000, 11_000_000, 330_000_000]
    assert "is negative" in dashcam.log()
