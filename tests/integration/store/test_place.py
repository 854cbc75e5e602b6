"""What may lie where the database should be: each has its own words, and is left as it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.errors import StoreError
from proxy.settings.database import sqlite_at
from proxy.store.engines.place import check_file
from proxy.store.migrating.migration import upgrade


def a_folder(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "mine").write_text("kept")


def a_text(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a text that is no database")


def a_pipe(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "words", "step"),
    [
        (a_folder, "is a folder, and the database should be there", "mv "),
        (a_text, "is no SQLite database; it is left as it is", "dashcam db restore FILE"),
        (a_pipe, "is no ordinary file", "mv "),
    ],
    ids=["folder", "text", "pipe"],
)
def test_what_is_no_database_is_told_and_left(
    tmp_path: Path, make: Callable[[Path], None], words: str, step: str
) -> None:
    path = tmp_path / "data" / "dashcam.db"
    make(path)
    with pytest.raises(StoreError, match=words) as refused:
        upgrade(sqlite_at(path))
    assert step in str(refused.value.hint)
    assert path.exists()
    assert not path.is_file() or path.read_text() == "a text that is no database"


def test_what_may_not_be_written_is_told(path: Path) -> None:
    """Asked of a stand-in for the system's answer: root may write anywhere."""
    with pytest.raises(StoreError, match="not readable and writable") as refused:
        check_file(path, lambda asked, _how: asked != path)
    assert refused.value.hint == f"chmod u+rw {path}"
    with pytest.raises(StoreError, match="SQLite keeps files beside the database"):
        check_file(path, lambda asked, _how: asked != path.parent)
    with pytest.raises(StoreError, match="SQLite keeps files beside the database"):
        check_file(path.with_name("new.db"), lambda _asked, _how: False)
    check_file(path, lambda _asked, _how: True)
