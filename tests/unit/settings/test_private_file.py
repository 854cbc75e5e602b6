"""A file is replaced whole, for its owner only, and nothing is left beside it."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from proxy.settings.private_file import replace_file


@pytest.mark.parametrize("is_lasting", [True, False])
def test_a_file_is_replaced_and_only_its_owner_reads_it(tmp_path: Path, is_lasting: bool) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(b"a longer text than the new one")
    path.chmod(0o644)
    replace_file(path, b"new", is_lasting=is_lasting)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_open_keeps_reading_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        replace_file(path, b"new", is_lasting=False)
        assert reader.read() == b"old"


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "gone" / "snapshot.json", b"new", is_lasting=True)


@pytest.mark.parametrize("is_lasting", [True, False])
def test_what_the_disk_does_not_take_leaves_the_old_one_and_nothing_else(tmp_path: Path, is_lasting: bool) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            replace_file(path, bytes(100_000), is_lasting=is_lasting)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
