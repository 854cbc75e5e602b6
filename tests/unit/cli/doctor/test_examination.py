"""``dashcam doctor``: what is found, what is wrong, the next command; ``version``."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from proxy import __version__
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record
from tests.unit.cli.test_instance import answering, running


def test_a_healthy_folder(dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-shown")
    record(an_entry())
    said = dashcam("doctor", "--json", "--offline")
    found = {item["subject"]: item for item in json.loads(said.out)}
    assert said.code == 0
    assert found["configuration"]["ok"] is True
    assert "1 call," in found["database"]["detail"]
    assert found["server"] == {"subject": "server", "ok": None, "detail": "not running for this data folder",
                               "next": "dashcam serve"}  # fmt: skip
    assert "key from OPENAI_API_KEY" in found["provider openai"]["detail"]
    assert "sk-never-shown" not in said.out


def test_a_broken_configuration_is_a_problem_found(dashcam: Command, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[server]\nport = 0\n[nonsense]\n")
    said = dashcam("doctor", "--config", "c.toml")
    assert said.code == 7
    assert "server.port" in said.out
    assert "nonsense" in said.out
    assert sum(line.startswith("bad ") for line in said.lines) == 2
    assert said.out.count("next: correct it, then: dashcam config check") == 1
    assert said.lines[-1] == "2 problems, 0 notes, 3 things looked at"


LEDGER: dict[str, object] = {
    "last_error": None, "stored": 5, "accepted": 9, "pending": 1, "balanced": True, "pending_bytes": 10,
    "dropped": {}, "quarantined": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({}, 0, "5 of 9 calls stored"),
        ({"stored": 1005, "accepted": 2009, "pending": 1004}, 0, "1,005 of 2,009 calls stored, 1,004 pending"),
        ({"stored": None, "pending": None, "balanced": None, "doing": "upgrading"}, 0, "; 9 calls accepted"),
        ({"balanced": False}, 7, "the account does not balance"),
        ({"pending_bytes": 100_000_000}, 0, "100 MB wait to be loaded"),
        ({"dropped": {"spool_full": 3, "lost": 0}}, 0, "not recorded: 3 spool_full"),
        ({"dropped": {"policy": 2}}, 0, "2 calls are only counted, as settings, route, key or caller say"),
        ({"dropped": {"refused": 1}}, 0, "1 refused call has no row"),
        ({"dropped": {"store_moved": 4}}, 0, "4 calls went with a database that was moved"),
        ({"quarantined": 2}, 0, "2 calls could not be stored"),
        ({"quarantined": 1}, 0, "1 call could not be stored"),
        (
            {"troubles": [{"name": "sync_late", "text": "the disk is slow", "hint": "look at it"}]},
            7,
            "the disk is slow",
        ),
        ({"warnings": ["the spool lies in RAM"]}, 0, "the spool lies in RAM"),
        ({"left_alone": [{"path": "/s/a", "reason": "not ours"}] * 2}, 0, "left alone: /s/a and 1 more: not ours"),
    ],
)
def test_the_account_of_a_running_instance_is_judged(
    dashcam: Command, record: Record, tmp_path: Path, changes: dict[str, object], code: int, told: str
) -> None:
    record()
    answers = ((200, b""), (200, json.dumps({**LEDGER, **changes}).encode()))
    with answering(*answers) as server, running(tmp_path / "data", url=server.url, version="0.0.1"):
        said = dashcam("doctor", "--offline")
    assert said.code == code
    assert told in said.out
    assert f"version 0.0.1 runs, and {__version__} is installed" in said.out


def test_who_has_the_port_is_told_and_what_waits_in_the_spool(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record()
    (tmp_path / "data" / "spool" / "a-0").mkdir(mode=0o700, parents=True)
    (tmp_path / "data" / "spool" / "a-0" / "1.seg").write_bytes(bytes(2_000_000))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "c.toml").write_text(f"[server]\nport = {port}")
        said = dashcam("doctor", "--offline", "--config", "c.toml")
    assert f"{port} is taken by another program" in said.out
    assert f"next: stop it, or: dashcam serve --port {port + 1}" in said.out
    assert "2.0 MB wait to be loaded" in said.out


def test_versions(dashcam: Command) -> None:
    assert dashcam("version").lines == [f"dashcam {__version__}"]
    assert json.loads(dashcam("version", "--json").out)["dashcam"] == __version__
