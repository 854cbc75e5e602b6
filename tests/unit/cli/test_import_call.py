"""Calls that are imported are kept as deep as these settings say, whoever exported them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.carried import whole
from tests.unit.cli.conftest import Command, Elsewhere, Record


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


@pytest.mark.parametrize("setting", ["DEPTH=meta", "DEPTH=none", "BODIES=false"])
def test_where_no_content_is_kept_calls_are_imported_without_their_texts(
    dashcam: Command,
    record: Record,
    tmp_path: Path,
    elsewhere: Elsewhere,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
) -> None:
    record(*(whole(number) for number in range(3)))
    assert dashcam("export", "--content", "--to", "one.jsonl").code == 0
    name, _, value = setting.partition("=")
    elsewhere("other")
    monkeypatch.setenv(f"DASHCAM_RECORDING__{name}", value)
    assert "the texts of 3 calls were left out" in dashcam("import", "one.jsonl", "--check").err
    said = dashcam("import", "one.jsonl")
    assert (said.code, "3 calls: 3 stored" in said.err, "the texts of 3 calls were left out" in said.err) == (
        0,
        True,
        True,
    )
    wanted = "DASHCAM_RECORDING__BODIES=true" if name == "BODIES" else "DASHCAM_RECORDING__DEPTH=full"
    assert f"by recording.{name.lower()} calls are imported by their facts" in said.err
    assert f"; with it: {wanted} dashcam import" in said.err
    before, after = lines_of(tmp_path / "one.jsonl"), _exported(dashcam, tmp_path / "two.jsonl")
    texts = {"input_preview", "output_preview", "prompt_variables", "input_text", "output_text", "request_body",
             "response_body"}  # fmt: skip
    for then, now in zip(before, after, strict=True):
        assert (now["content_state"], {now[name] for name in texts}) == ("off", {None})
        assert {**now, "content_state": ""} == {**then, "content_state": "", **dict.fromkeys(texts)}
    assert "3 there already" in dashcam("import", "one.jsonl").err
    monkeypatch.delenv(f"DASHCAM_RECORDING__{name}")
    assert "on record with another content_state" in dashcam("import", "one.jsonl").err


def _exported(dashcam: Command, path: Path) -> list[dict[str, Any]]:
    assert dashcam("export", "--content", "--to", str(path)).code == 0
    return lines_of(path)


def test_of_what_is_on_record_with_its_texts_an_import_without_them_takes_nothing_away(
    dashcam: Command, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(whole(1))
    before = _exported(dashcam, tmp_path / "one.jsonl")
    monkeypatch.setenv("DASHCAM_RECORDING__DEPTH", "meta")
    said = dashcam("import", "one.jsonl")
    assert (said.code, "1 there already" in said.err) == (0, True)
    assert _exported(dashcam, tmp_path / "two.jsonl") == before
