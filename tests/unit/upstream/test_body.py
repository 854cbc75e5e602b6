"""Bodies from files, with edits cut in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.body import SLICE, FileBody


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bodies")


@given(
    data=st.binary(max_size=300),
    cuts=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20), st.text(max_size=5)), max_size=5),
)
def test_edits_are_cut_in_where_they_belong(folder: Path, data: bytes, cuts: list[tuple[int, int, str]]) -> None:
    edits, expected, position = [], b"", 0
    for gap, removed, text in cuts:
        offset = position + gap
        if offset + removed > len(data):
            break
        edits.append((offset, removed, text))
        expected += data[position:offset] + text.encode()
        position = offset + removed
    expected += data[position:]
    (folder / "body").write_bytes(data)
    body = FileBody(str(folder / "body"), len(data), tuple(edits))
    assert b"".join(body.slices()) == expected
    assert body.length == len(expected)
    assert b"".join(body.slices()) == expected, "it can be read again"


def test_slices_are_bounded(folder: Path) -> None:
    (folder / "large").write_bytes(b"x" * (3 * SLICE + 1))
    assert [len(piece) for piece in FileBody(str(folder / "large"), 3 * SLICE + 1).slices()] == [SLICE] * 3 + [1]


def test_a_file_that_is_too_short_is_an_error(folder: Path) -> None:
    (folder / "short").write_bytes(b"abc")
    with pytest.raises(OSError, match="ends at 3 bytes"):
        list(FileBody(str(folder / "short"), 4).slices())
