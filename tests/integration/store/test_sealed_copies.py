"""Sealed copies of a database in use: nothing plain stays behind, whatever ends them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.errors import StoreError
from proxy.store.copies.backup import NoRoomError
from proxy.store.copies.sealed_copies import plain_copy, seal, unsealed
from proxy.store.copies.sealed_file import POSTGRES, CopyBrokenError, SealingFile
from proxy.store.upkeep.restoring import examine
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry

MASTER = bytes(range(32))
MARK = b"a prompt that nobody else may read"


@pytest.fixture
def workplace(path: Path) -> Path:
    return path.parent / "backups"


@pytest.fixture
def sealed(path: Path, workplace: Path, file_writer: StoreWriter) -> Path:
    """A sealed copy of a database with 400 calls in it, on a disk of its own as far as it knows."""
    entries = [("s", an_entry(request=MARK + os.urandom(3000))) for _ in range(400)]
    file_writer.write(WriteBatch(entries=entries), lambda _: {})
    target = path.parent / "elsewhere" / "copy.db.sealed"
    with plain_copy(path, workplace, target) as plain:
        assert plain.stat().st_mode & 0o777 == 0o600
        assert examine(plain).calls == 400
        seal(plain, target, MASTER)
    return target


def files_below(folder: Path) -> set[str]:
    return {str(item.relative_to(folder)) for item in folder.rglob("*") if item.is_file()}


def test_a_sealed_copy_is_private_and_nothing_plain_is_left(path: Path, sealed: Path, workplace: Path) -> None:
    assert sealed.stat().st_mode & 0o777 == 0o600
    assert files_below(sealed.parent) == {sealed.name}
    assert files_below(workplace) == set()
    raw = sealed.read_bytes()
    assert MARK in path.read_bytes() + path.with_name(f"{path.name}-wal").read_bytes()
    assert MARK not in raw
    assert b"SQLite format" not in raw
    with unsealed(sealed, path, [bytes(32), MASTER]) as plain:
        assert plain.parent == path.parent
        assert plain.stat().st_mode & 0o777 == 0o600
        assert examine(plain).calls == 400
    assert not plain.exists()


def _cut_off(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def _changed(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


@pytest.mark.parametrize("harm", [_cut_off, _changed])
def test_a_copy_that_does_not_open_leaves_nothing(path: Path, sealed: Path, harm: Callable[[bytes], bytes]) -> None:
    sealed.write_bytes(harm(sealed.read_bytes()))
    before = files_below(path.parent)
    with pytest.raises(CopyBrokenError), unsealed(sealed, path, [MASTER]):
        pytest.fail("it was opened")
    assert files_below(path.parent) == before


@pytest.mark.parametrize("step", ["copied", "sealed", "opened"])
def test_whatever_breaks_it_off_nothing_is_left(path: Path, workplace: Path, sealed: Path, step: str) -> None:
    def break_off(what: str, _done: int, _total: int) -> None:
        if what == step:
            raise KeyboardInterrupt

    target = sealed.with_name("second.sealed")
    with pytest.raises(KeyboardInterrupt), plain_copy(path, workplace, target, break_off) as plain:
        seal(plain, target, MASTER, break_off)
    assert files_below(workplace) == set()
    assert files_below(sealed.parent) == {sealed.name}


def test_what_a_killed_one_left_plain_goes_with_the_next_and_nothing_that_is_under_way(
    path: Path, workplace: Path, sealed: Path
) -> None:
    left, under_way, mine = (workplace / name for name in (".plain-1.db", ".plain-2.db", "mine.db"))
    for item in (left, under_way, mine):
        item.write_text("plain")
    with under_way.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with plain_copy(path, workplace, sealed.with_name("second.sealed")) as plain:
            assert files_below(workplace) == {plain.name, under_way.name, mine.name}
    assert files_below(workplace) == {under_way.name, mine.name}


def test_what_cannot_be_is_said_before_anything_is_written(path: Path, workplace: Path, sealed: Path) -> None:
    with pytest.raises(StoreError, match="is there already"), plain_copy(path, workplace, sealed):
        pytest.fail("it was begun")
    with pytest.raises(NoRoomError), plain_copy(path, workplace, sealed.with_name("new"), spare=1 << 60):
        pytest.fail("it was begun")
    dump = sealed.with_name("dump.sealed")
    with dump.open("wb") as file:
        SealingFile(file, POSTGRES, MASTER).finish()
    with pytest.raises(StoreError, match="is a copy of a Postgres"), unsealed(dump, path, [MASTER]):
        pytest.fail("it was opened")
    assert files_below(workplace) == set()
