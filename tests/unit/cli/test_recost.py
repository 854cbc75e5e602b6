"""``dashcam recost``: a difference by model, and nothing written without --yes."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.outcome import UsageSource
from proxy.settings.database import sqlite_at
from tests.support.entries import an_entry
from tests.support.price_data import price_data
from tests.support.rollups import ask, assert_rollups_equal_the_rows
from tests.unit.cli.conftest import Command, Record

OLD = 2_500_000
NEW = 15 * 1_500_000


@pytest.fixture
def path(tmp_path: Path, record: Record, dashcam: Command) -> Path:
    """Two calls of one model at an old price, and newer prices."""
    known: dict[str, Any] = {"model": "gpt-4o-mini", "usage_source": UsageSource.REPORTED, "cost_pico_usd": OLD}
    record(an_entry(**known), an_entry(**known), an_entry(model="other", cost_pico_usd=1))
    (tmp_path / "data.json").write_bytes(price_data("1.5"))
    assert dashcam("prices", "refresh", "--from", "data.json").code == 0
    return tmp_path / "data" / "dashcam.db"


def costs(path: Path) -> list[int]:
    return [
        cost for (cost,) in ask(sqlite_at(path), "SELECT cost_pico_usd FROM interaction WHERE model = 'gpt-4o-mini'")
    ]


def test_a_dry_run_shows_the_difference_and_writes_nothing(dashcam: Command, path: Path) -> None:
    found = dashcam("recost")
    assert found.code == 0
    assert found.lines[1].split("\t") == [
        "openai",
        "gpt-4o-mini",
        "2",
        "2",
        "0.000005",
        "0.000045",
        "0.00004",
        "0",
        "0",
    ]
    assert found.lines[2].split("\t")[:4] == ["openai", "other", "1", "0"]
    assert "Nothing was written: 2 of 3 calls would change" in found.err
    assert "1 calls keep the amount they have" in found.err
    assert costs(path) == [OLD, OLD]


def test_yes_writes_and_a_second_time_there_is_nothing_to_do(dashcam: Command, path: Path) -> None:
    found = dashcam("recost", "--yes", "--reason", "November prices", "--json")
    said = json.loads(found.out)
    assert (said["written"], said["changed"], said["kept"], said["dry_run"]) == (2, 2, 1, False)
    assert said["models"][0]["delta_usd"] == "0.00004"
    assert costs(path) == [NEW, NEW]
    assert ask(sqlite_at(path), "SELECT DISTINCT reason, cost_pico_usd_before FROM amendment") == [
        ("November prices", OLD)
    ]
    assert_rollups_equal_the_rows(sqlite_at(path))
    assert "Nothing to change" in dashcam("recost", "--yes").err


def test_filters_choose(dashcam: Command, path: Path) -> None:
    assert json.loads(dashcam("recost", "--model", "oth*", "--json").out)["calls"] == 1
    assert json.loads(dashcam("recost", "--provider", "nobody", "--json").out)["calls"] == 0
    assert json.loads(dashcam("recost", "--until", "2020-01-01", "--json").out)["calls"] == 0
    assert json.loads(dashcam("recost", "--until", "last", "--json").out)["calls"] == 0
    assert json.loads(dashcam("recost", "--since", "last", "--json").out)["calls"] == 3


def test_on_a_terminal_it_is_a_table(dashcam: Command, path: Path) -> None:
    found = dashcam("recost", is_terminal=True)
    assert "DELTA USD" in found.lines[0]
    assert "+$0.00004" in found.out


@pytest.mark.parametrize("command", ["recost", "reinterpret"])
def test_yes_and_dry_run_do_not_go_together(dashcam: Command, command: str) -> None:
    assert dashcam(command, "--yes", "--dry-run").code == 2


@pytest.mark.parametrize("command", ["recost", "reinterpret"])
def test_a_database_of_another_release_is_left_alone(dashcam: Command, path: Path, command: str) -> None:
    database = sqlite3.connect(path)
    database.execute("UPDATE alembic_version SET version_num = '0001'")
    database.commit()
    database.close()
    found = dashcam(command, "--yes")
    assert (found.code, "is at revision 0001" in found.err, "dashcam serve" in found.err) == (1, True, True)
    assert costs(path) == [OLD, OLD]


@pytest.mark.parametrize("command", ["recost", "reinterpret"])
def test_without_a_database_it_says_so(dashcam: Command, command: str) -> None:
    found = dashcam(command)
    assert (found.code, "there is no database" in found.err) == (1, True)
