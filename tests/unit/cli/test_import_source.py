"""What an import reads: packed or not, from a pipe, with long lines and what editors do; and what it does not read."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.cli import import_source, importing
from tests.support.carried import whole
from tests.unit.cli.conftest import Command, Elsewhere, Record

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_packed_files_and_pipes_are_read(
    dashcam: Command, record: Record, tmp_path: Path, elsewhere: Elsewhere,
    monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes],
) -> None:  # fmt: skip
    record(*(whole(number) for number in range(3)))
    dashcam("export", "--content", "--to", "one.jsonl")
    data = (tmp_path / "one.jsonl").read_bytes()
    (tmp_path / "one.packed").write_bytes(pack(data) + pack(b"\n"))
    elsewhere("other")
    assert "3 stored" in dashcam("import", "one.packed").err
    (tmp_path / "cut.packed").write_bytes(pack(data)[:-9])
    cut = dashcam("import", "cut.packed")
    assert (cut.code, "ends in the middle" in cut.err or "damaged" in cut.err) == (7, True), cut.err
    with (tmp_path / "one.packed").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": file}))
        assert "3 there already" in dashcam("import", "-").err


def test_a_line_too_long_for_a_call_is_passed_over(
    dashcam: Command, record: Record, tmp_path: Path, elsewhere: Elsewhere,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    record(whole(1))
    dashcam("export", "--content", "--to", "one.jsonl")
    good = (tmp_path / "one.jsonl").read_bytes()
    monkeypatch.setattr(importing, "_ROOM", len(good))
    monkeypatch.setattr(importing, "_SWOLLEN", 0)
    monkeypatch.setattr(import_source, "_READ", 1000)
    (tmp_path / "long.jsonl").write_bytes(b"x" * 3 * len(good) + b"\n" + good + b"y" * 2 * len(good))
    elsewhere("other")
    said = dashcam("import", "long.jsonl")
    assert "3 calls: 1 stored, 0 there already, 2 lines refused" in said.err
    assert "line 1: is longer than a call can be" in said.err


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"SQLite format 3\x00...", "a SQLite database"), (b"PAR1....", "a Parquet file"),
        (b'\xef\xbb\xbf [\n{"id":1}', "one JSON document"), (b"id,provider_request_id\r\n", "a CSV file"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_lines_is_told_at_once(dashcam: Command, tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "file").write_bytes(data)
    said = dashcam("import", "file")
    assert (said.code, f"file is {what}" in said.err, (tmp_path / "data").exists()) == (2, True, False)


def test_what_editors_put_around_lines_is_nothing_of_them(
    dashcam: Command, record: Record, tmp_path: Path, elsewhere: Elsewhere
) -> None:
    record(whole(1), whole(2))
    dashcam("export", "--content", "--to", "one.jsonl")
    data = (tmp_path / "one.jsonl").read_bytes().replace(b"\n", b"\r\n")
    (tmp_path / "one.jsonl").write_bytes(b"\xef\xbb\xbf" + data)
    elsewhere("other")
    assert "2 calls: 2 stored" in dashcam("import", "one.jsonl").err


def test_what_cannot_be_read_is_said(dashcam: Command, tmp_path: Path) -> None:
    assert "cannot be read: No such file" in dashcam("import", "nowhere.jsonl").err
    assert "cannot be read: Is a directory" in dashcam("import", str(tmp_path)).err
    assert dashcam("import").code == 2
