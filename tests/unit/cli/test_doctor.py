"""``dashcam doctor``: what is found, what is wrong, the next command; ``version``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy import __version__
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record


def test_a_healthy_folder(dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-shown")
    record(an_entry())
    said = dashcam("doctor", "--json")
    found = {item["subject"]: item for item in json.loads(said.out)}
    assert said.code == 0
    assert found["configuration"]["ok"] is True
    assert "1 calls" in found["database"]["detail"]
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
    assert [line[:4] for line in said.lines[:2]] == ["bad ", "bad "]
    assert said.out.count("next: correct it") == 1


def test_versions(dashcam: Command) -> None:
    assert dashcam("version").lines == [f"dashcam {__version__}"]
    assert json.loads(dashcam("version", "--json").out)["dashcam"] == __version__
