"""What an import reads: packed or not, from a pipe, with long lines and what editors do; and what it does not read."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from proxy.cli import import_source, importing
from proxy.loader.amendments import Amender
from tests.support.carried import whole
from tests.unit.cli.conftest import Command, Elsewhere, Record

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def test_parquet_is_read_back_as_it_was_and_gone_on_with(
    dashcam: Command, record: Record, tmp_path: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(*(whole(number, quantities={"images": 2}, temperature=0.1) for number in range(5)))
    assert dashcam("export", "--content", "--to", "one.jsonl").code == 0
    assert dashcam("export", "--content", "--format", "parquet", "--to", "days").code == 0
    (path,) = map(str, (tmp_path / "days").glob("day=*/*.parquet"))
    elsewhere("other")
    monkeypatch.setattr(importing, "BATCH", 2)
    write, left = Amender.write, [2]

    def breaking(self: Amender, change: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return write(self, change)

    with monkeypatch.context() as patch:
        patch.setattr(Amender, "write", breaking)
        assert dashcam("import", path).code == 130
    said = dashcam("import", path)
    assert (said.code, "going on behind 2 calls" in said.err, "5 calls: 5 stored" in said.err) == (0, True, True), (
        said.err
    )
    assert dashcam("export", "--content", "--to", "two.jsonl").code == 0
    assert (tmp_path / "two.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()


def test_parquet_of_somebody_else_is_refused_row_by_row(dashcam: Command, tmp_path: Path) -> None:
    values = {"id": [1, None], "started_at": ["x", None], "request_body": [b"x", None], "metadata": [5, 6]}
    pyarrow.parquet.write_table(pyarrow.table(values), tmp_path / "odd.parquet")
    said = dashcam("import", "odd.parquet")
    assert (said.code, "2 rows refused" in said.err) == (7, True), said.err


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
        (b"SQLite format 3\x00...", "cannot be imported: it is a SQLite database"),
        (b"PAR1....", "is damaged, or no Parquet file"),
        (b"\xef\xbb\xbf id,provider_request_id\r\n", "cannot be imported: it is a CSV file"),
        (gzip.compress(b"id,started_at\n", mtime=0), "cannot be imported: it is a CSV file"),
        (b'{"messages":[{"role":"user","content":"x"}]}\n', "cannot be imported: it is a file for fine-tuning"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_lines_is_told_at_once(dashcam: Command, tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "file").write_bytes(data)
    said = dashcam("import", "file")
    assert (said.code, f"file {what}" in said.err, (tmp_path / "data").exists()) == (2, True, False)


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
    assert "cannot be read: Is a directory\n  next: a folder is read that" in dashcam("import", str(tmp_path)).err
    assert dashcam("import").code == 2


def test_a_file_in_which_nothing_is_a_call_is_not_put_aside(dashcam: Command, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n\nNothing of ours.\n")
    said = dashcam("import", "notes.md")
    assert (said.code, "2 lines refused\n  nothing of it is a call" in said.err) == (7, True), said.err
    assert not list((tmp_path / "data" / "imports").iterdir())
    said = dashcam("import", "--check", "notes.md")
    assert (said.code, "2 lines cannot; nothing was written\n  nothing of it is a call" in said.err) == (7, True), (
        said.err
    )


def test_a_folder_that_an_export_has_made_is_read_file_by_file(
    dashcam: Command, record: Record, elsewhere: Elsewhere
) -> None:
    record(whole(1), whole(2))
    assert dashcam("export", "--content", "--format", "parquet", "--to", "days").code == 0
    elsewhere("other")
    said = dashcam("import", "days")
    assert (said.code, "2 calls: 2 stored" in said.err) == (0, True), said.err
