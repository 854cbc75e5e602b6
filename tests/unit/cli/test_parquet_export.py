"""``dashcam export --format parquet``: a typed file for each day, each whole or not there, and a manifest of them."""

from __future__ import annotations

import builtins
import fcntl
import hashlib
import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from proxy.cli import parquet_export
from proxy.forms import parquet, reading
from tests.support.entries import STARTED_AT, an_entry
from tests.unit.cli.conftest import Command, Record

DAY_MS = 86_400_000


def days(count: int, **changes: Any) -> list[Any]:
    """Return two calls a day."""
    return [
        an_entry(b'{"q":1}', b"\xff", started_at=STARTED_AT + (number // 2) * DAY_MS + number, **changes)
        for number in range(2 * count)
    ]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 3)
    monkeypatch.setattr(reading, "PAGE_WITH_CONTENT", 3)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    paths = sorted(folder.glob("day=*/*.parquet"))
    # Read one by one: the folder's name is no column of ours.
    return [row for path in paths for row in pyarrow.parquet.ParquetFile(path).read().to_pylist()]


def test_each_day_is_a_file_of_typed_columns(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(*days(3, tags=("a",), metadata={"k": "v"}, quantities={"images": 2}, usage_raw={"x": 1}, is_stream=True))
    said = dashcam("export", "--format", "parquet", "--to", "out", "--content")
    assert (said.code, said.err.startswith("6 calls, ")) == (0, True), said.err
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == [
        "day=2026-11-18", "day=2026-11-19", "day=2026-11-20", "manifest.json",
    ]  # fmt: skip
    first = rows_of(tmp_path / "out")[0]
    assert first["started_at"] == datetime.fromtimestamp(STARTED_AT / 1000, UTC)
    assert (first["cost_usd"], first["cost_pico_usd"]) == (Decimal("0.000002500000"), 2_500_000)
    assert (first["tags"], first["metadata"], first["quantities"]) == (["a"], [("k", "v")], [("images", 2)])
    assert (first["is_stream"], first["usage_raw"], first["input_tokens"]) == (True, '{"x":1}', 10)
    assert (first["request_body"]["content"], first["response_body"]["content"]) == (b'{"q":1}', b"\xff")
    assert (first["input_text"], first["output_text"]) == ("asked", "answered")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    day = manifest["days"]["2026-11-18"]
    data = (tmp_path / "out" / day["file"]).read_bytes()
    assert (day["rows"], day["bytes"], day["sha256"]) == (2, len(data), hashlib.sha256(data).hexdigest())
    assert manifest["is_whole"]


def test_columns_and_calls_can_be_chosen(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(*days(2, app="a"), *days(1, app="b"))
    assert dashcam("export", "app:a", "--format", "parquet", "--to", "out", "--fields", "app,cost_usd").code == 0
    assert rows_of(tmp_path / "out") == [{"app": "a", "cost_usd": Decimal("0.000002500000")}] * 4
    none = dashcam("export", "app:none", "--format", "parquet", "--to", "nothing")
    assert (none.code, none.err) == (0, "0 calls, 0 B in nothing\nNo call matches; what is on record: dashcam logs\n")


def test_broken_off_it_goes_on_with_the_day_it_was_at(
    dashcam: Command, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(*days(4))
    write, left = parquet.write_file, [2]

    def breaking(path: Path, *rest: Any, **named: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            path.with_name(f"{path.name}.part").write_bytes(b"half")
            raise OSError(28, os.strerror(28))
        return write(path, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(parquet_export, "write_file", breaking)
        broken = dashcam("export", "--format", "parquet", "--to", "out")
    assert (broken.code, "No space left on device" in broken.err, "goes on where it was" in broken.err) == (
        1,
        True,
        True,
    )
    said = dashcam("export", "--format", "parquet", "--to", "out")
    assert (said.code, "going on behind 2026-11-19" in said.err, "8 calls" in said.err) == (0, True, True)
    assert dashcam("export", "--format", "parquet", "--to", "whole").code == 0
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "whole")
    assert list((tmp_path / "out").rglob("*.part")) == []


def test_a_folder_is_not_written_over_unasked(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(*days(1))
    arguments = ("export", "--format", "parquet", "--to", "out")
    assert dashcam(*arguments).code == 0
    assert "add --replace" in dashcam(*arguments).err
    assert dashcam(*arguments, "--replace").code == 0
    assert "--to FOLDER" in dashcam("export", "--format", "parquet").err
    folder = os.open(tmp_path / "out", os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    assert "another export writes to out" in dashcam(*arguments, "--replace").err
    os.close(folder)
    (tmp_path / "file").touch()
    assert dashcam("export", "--format", "parquet", "--to", "file").code == 1


def test_without_the_extra_it_says_how_to_get_it(
    dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(*days(1))
    whole = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return whole(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    said = dashcam("export", "--format", "parquet", "--to", "out")
    assert (said.code, parquet.INSTALL in said.err) == (2, True), said.err
