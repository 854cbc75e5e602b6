"""``dashcam status``: what is said of a running instance and of none, and the exit code that scripts go by."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.processes import free_port
from tests.unit.cli.conftest import Command
from tests.unit.cli.test_instance import answering, running

LEDGER: dict[str, object] = {
    "mode": "process", "database": "/d/dashcam.db", "is_open": True, "accepted": 1009, "stored": 1005, "pending": 2,
    "quarantined": 0, "dropped": {"policy": 2, "lost": 0}, "balanced": True, "pending_bytes": 12_000,
    "oldest_pending_seconds": 75.0, "seconds_since_commit": 0.1, "doing": None, "last_error": None, "next_step": None,
    "troubles": [], "warnings": [],
}  # fmt: skip
TROUBLE = {"name": "sync_late", "text": "the disk is slow", "hint": "look at the disk"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    return data_dir


def test_it_says_since_when_it_is_up_and_where_each_call_is(dashcam: Command, folder: Path) -> None:
    with answering((200, json.dumps(LEDGER).encode())) as server:
        with running(folder, url=server.url, pid=7, version="1", started_at=time.time() - 7200):
            told = dashcam("status", is_terminal=True)
            plain = dashcam("status")
            found = json.loads(dashcam("status", "--json").out)
        assert set(server.asked) == {"/api/v1/recorder"}
    assert (told.code, told.err) == (0, "")
    assert f"at          {server.url} (pid 7, version 1)" in told.lines
    assert "(2.0 h)" in told.out
    assert "calls       1,009 accepted: 1,005 stored, 2 pending, 0 quarantined, 2 dropped (policy)" in told.lines
    assert "backlog     12.0 kB, the oldest call 1.2 min old" in told.lines
    assert "database    /d/dashcam.db" in told.lines
    assert "dropped\tpolicy=2 lost=0" in plain.lines
    assert {name: found[name] for name in LEDGER} == LEDGER
    assert (found["state"], found["since"][-1]) == ("up", "Z")
    assert found["uptime_seconds"] >= 7200


@pytest.mark.parametrize(
    ("changes", "said", "step"),
    [
        ({"last_error": "it is locked", "next_step": "dashcam doctor names it"}, "it is locked", "names it"),
        ({"troubles": [TROUBLE]}, "trouble     the disk is slow", "look at the disk"),
        ({"balanced": False}, "the account does not balance", "dashcam doctor"),
        ({"is_open": False, "stored": None, "last_error": "away"}, "/d/dashcam.db (not open)", "dashcam doctor"),
        (
            {
                "pending": None,
                "pending_bytes": None,
                "oldest_pending_seconds": None,
                "spool": {"bytes": 7_000},
                "last_error": "away",
            },
            "backlog     7.0 kB",
            "dashcam doctor",
        ),
    ],
)
def test_what_keeps_calls_from_the_record_makes_it_exit_with_7(
    dashcam: Command, folder: Path, changes: dict[str, object], said: str, step: str
) -> None:
    with answering((200, json.dumps({**LEDGER, **changes}).encode())) as server, running(folder, url=server.url):
        told = dashcam("status", is_terminal=True)
        found = json.loads(dashcam("status", "--json").out)
    assert told.code == 7
    assert said in told.out
    assert step in told.err
    assert found["state"] == "ailing"


def test_one_that_does_not_run_or_answer_makes_it_exit_with_5(dashcam: Command, folder: Path) -> None:
    (folder / "spool" / "a-0").mkdir(parents=True)
    (folder / "spool" / "a-0" / "1.seg").write_bytes(bytes(2_000))
    told = dashcam("status", is_terminal=True)
    assert (told.code, told.err) == (5, "next: dashcam serve\n")
    assert told.lines[0].endswith("not running\x1b[0m")
    assert "backlog     2.0 kB" in told.lines
    with running(folder, url=f"http://127.0.0.1:{free_port()}"):
        silent = dashcam("status", "--json")
    assert (silent.code, json.loads(silent.out)["state"]) == (5, "silent")


def test_one_whose_control_is_away_is_up_and_says_so_in_words(dashcam: Command, folder: Path) -> None:
    refused = {"error": {"message": "Dashcam's control process does not answer.", "code": "control_unavailable"}}
    with answering((503, json.dumps(refused).encode())) as server, running(folder, url=server.url):
        told = dashcam("status", is_terminal=True)
    assert (told.code, told.err) == (7, "next: dashcam doctor\n")
    assert "last error  Dashcam's control process does not answer." in told.lines
    with answering((503, b"")) as server, running(folder, url=server.url):
        assert "HTTP Error 503" in dashcam("status").out


def test_one_that_has_not_said_its_address_is_told_in_words(dashcam: Command, folder: Path) -> None:
    with running(folder, url=None):
        told = dashcam("status", is_terminal=True)
    assert told.code == 5
    assert "has not said its address" in told.out


def test_without_the_token_it_says_no_more_than_that_it_is_up(dashcam: Command, folder: Path) -> None:
    with answering((401, b"")) as server, running(folder, url=server.url):
        told = dashcam("status")
    assert told.code == 6
    assert f"is up at {server.url}" in told.err
    assert "DASHCAM_ADMIN_TOKEN" in told.err
