"""``dashcam prune``, with no Dashcam running: shown, done, archived, and not done by a clock that jumped."""

from __future__ import annotations

import builtins
import json
import time
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.identity import IdentityMint, id_text
from proxy.domain.interaction import Entry
from proxy.domain.outcome import ContentState
from proxy.forms.parquet import INSTALL
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Elsewhere, Record


def an_old(days: float, **changes: Any) -> Entry:
    at = time.time_ns() // 1_000_000 - round(days * 86_400_000)
    identity = id_text(IdentityMint().mint(at * 1_000_000))
    return an_entry(id=identity, started_at=at, content_state=ContentState.STORED, **changes)


@pytest.fixture(autouse=True)
def spans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHCAM_RETENTION__TEXT", "7d")
    monkeypatch.setenv("DASHCAM_RETENTION__METADATA", "30d")


def test_what_is_due_is_shown_and_then_goes(dashcam: Command, record: Record) -> None:
    record(an_old(0.1), an_old(10), an_old(40))
    shown = dashcam("prune", "--dry-run").out.splitlines()
    assert shown[:2] == ["2 calls due: texts", "1 call due: calls"]
    assert "in use" in shown[2]
    assert dashcam("prune").out.splitlines()[:2] == ["2 texts went for their age", "1 call went for its age"]
    rows = json.loads(dashcam("logs", "--json").out)
    assert [row["content_state"] for row in rows] == ["pruned", "stored"]
    assert dashcam("prune").out.startswith("Nothing was due.")


def test_what_goes_can_be_read_back(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DASHCAM_RETENTION__ARCHIVE", str(tmp_path / "archive"))
    old = an_old(40, user_id="kim")
    record(an_old(0.1), old)
    assert dashcam("prune").code == 0
    files = sorted((tmp_path / "archive").iterdir())
    assert [path.name[:6] for path in files] == ["calls-", "texts-"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    (line,) = files[1].read_bytes().splitlines()
    kept = json.loads(line)
    assert (kept["id"], kept["user_id"], kept["input_text"]) == (old.interaction.id, "kim", "asked")
    assert kept["request_body"]["content"] == '{"a":1}'


def test_an_archive_of_parquet_has_a_folder_a_day_and_can_be_read_back(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, elsewhere: Elsewhere
) -> None:
    folder = tmp_path / "archive"
    monkeypatch.setenv("DASHCAM_RETENTION__ARCHIVE", str(folder))
    monkeypatch.setenv("DASHCAM_RETENTION__ARCHIVE_FORMAT", "parquet")
    old = [an_old(days, user_id="kim", tags=("eu",)) for days in (41, 40, 40)]
    record(an_old(0.1), *old)
    assert dashcam("prune").code == 0
    files = sorted(folder.glob("day=*/calls-*.parquet"))
    assert (len(list(folder.glob("day=*"))), len(files)) == (2, 2)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    elsewhere("other")
    monkeypatch.delenv("DASHCAM_RETENTION__TEXT")
    monkeypatch.delenv("DASHCAM_RETENTION__METADATA")
    said = dashcam("import", *map(str, files))
    assert (said.code, "2 calls: 2 stored" in said.err) == (0, True), said.err
    rows = json.loads(dashcam("logs", "user:kim", "--fields", "id,tags,content_state", "--json").out)
    assert {row["id"] for row in rows} == {entry.interaction.id for entry in old}
    assert all(row["tags"] == ["eu"] for row in rows)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_an_archive_is_read_back_as_a_whole_with_its_texts(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, elsewhere: Elsewhere, form: str
) -> None:
    folder = tmp_path / "archive"
    monkeypatch.setenv("DASHCAM_RETENTION__ARCHIVE", str(folder))
    monkeypatch.setenv("DASHCAM_RETENTION__ARCHIVE_FORMAT", form)
    record(an_old(0.1), an_old(10), an_old(40))
    assert dashcam("prune").out.splitlines()[:2] == ["2 texts went for their age", "1 call went for its age"]
    elsewhere("other")
    monkeypatch.delenv("DASHCAM_RETENTION__TEXT")
    monkeypatch.delenv("DASHCAM_RETENTION__METADATA")
    said = dashcam("import", str(folder))
    assert (said.code, said.err.count("1 stored")) == (0, 2), said.err
    rows = json.loads(dashcam("logs", "--fields", "content_state,input_preview", "--json").out)
    assert [row["content_state"] for row in rows] == ["stored", "stored"]


def test_an_archive_of_parquet_is_refused_where_it_cannot_be_written(
    dashcam: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DASHCAM_RETENTION__ARCHIVE", str(tmp_path / "archive"))
    monkeypatch.setenv("DASHCAM_RETENTION__ARCHIVE_FORMAT", "parquet")
    assert dashcam("config", "check").code == 0
    whole = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return whole(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    for command in (("serve",), ("config", "check")):
        said = dashcam(*command)
        assert (said.code, "retention.archive_format" in said.err, INSTALL in said.err) == (4, True, True), said


def test_an_archive_that_cannot_be_written_keeps_the_calls(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("DASHCAM_RETENTION__ARCHIVE", str(blocked))
    record(an_old(0.1), an_old(40))
    said = dashcam("prune")
    assert said.code == 1
    assert "cannot be written" in said.err
    assert len(json.loads(dashcam("logs", "--json").out)) == 2


def test_a_clock_that_jumped_deletes_nothing_without_force(dashcam: Command, record: Record) -> None:
    record(an_old(40))
    assert "Paused" in dashcam("prune", "--dry-run").out
    said = dashcam("prune")
    assert said.code == 2
    assert "--force" in said.err
    findings = json.loads(dashcam("doctor", "--offline", "--json").out)
    (found,) = [item for item in findings if item["subject"] == "retention"]
    assert (found["ok"], "--force" in found["next"]) == (None, True)
    assert "1 call went for its age" in dashcam("prune", "--force").out
    assert json.loads(dashcam("logs", "--json").out) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TEXT", "soon", "this is a span"),
        ("TEXT", "40d", "no longer than metadata"),
        ("ERRORS", "1d", "at least as long"),
        ("MAX_SIZE", "big", "this is a size"),
    ],
)
def test_spans_that_cannot_be_meant_are_told(
    dashcam: Command, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"DASHCAM_RETENTION__{name}", value)
    said = dashcam("prune")
    assert said.code == 4
    assert words in said.err


def test_where_no_span_is_set_it_is_said_that_nothing_is_ever_due(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DASHCAM_RETENTION__TEXT")
    monkeypatch.delenv("DASHCAM_RETENTION__METADATA")
    record(an_old(400))
    assert dashcam("prune", "--dry-run").out.startswith("Nothing is ever due: calls are kept for ever. Set a span")


def test_the_growth_of_a_young_record_is_that_of_the_time_it_has(dashcam: Command, record: Record) -> None:
    record(an_old(0.02), an_old(0.01))
    state = json.loads(dashcam("prune", "--dry-run", "--json").out)
    assert state["bytes_per_day"] == state["bytes"]
    record(an_old(2.5), an_old(2.4))
    state = json.loads(dashcam("prune", "--dry-run", "--json").out)
    assert 0.3 < state["bytes_per_day"] / state["bytes"] < 0.5
