"""The page's slots are where every process looks for them, and what is no page is refused."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import SpoolError
from proxy.spool.page import FORMAT, MAGIC, SIZE, Page

SLOTS = {name: value for name, value in vars(Page).items() if name.isupper() and isinstance(value, int)}
PUBLIC = {name: slot for name, slot in SLOTS.items() if not name.startswith("_")}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run") / "pages" / "boot-3.page"


@pytest.fixture(scope="module")
def page(path: Path) -> Iterator[Page]:
    made = Page.create(path, "boot", 3)
    yield made
    made.close()


def test_every_slot_has_its_own_place_and_name(page: Page) -> None:
    assert sorted(SLOTS.values()) == list(range(len(SLOTS)))
    names = [name.lower().removeprefix("_") for name, _ in sorted(SLOTS.items(), key=lambda item: item[1])]
    assert list(page.read_all()) == names
    assert len(SLOTS) * 8 <= SIZE


def test_places_never_move_between_versions() -> None:
    places = {"PID": 2, "READY": 6, "ACCEPTED": 9, "IN_FLIGHT": 10, "DEGRADED": 20, "SLOW_LOOP_NS_MAX": 25}
    assert {name: SLOTS[name] for name in places} == places


def test_a_new_page_says_who_writes_it_and_counts_from_zero(page: Page) -> None:
    values = page.read_all()
    assert (values.pop("magic"), values.pop("format")) == (MAGIC, FORMAT)
    assert (values.pop("pid"), values.pop("worker")) == (os.getpid(), 3)
    assert values.pop("started_at_ns") > 0
    assert not any(values.values())


def test_it_is_private_and_whole(path: Path, page: Page) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_size == SIZE


@given(slot=st.sampled_from(sorted(PUBLIC)), value=st.integers(0, 2**64 - 2))
def test_what_is_set_is_seen_by_others_at_once_and_lies_in_the_file(
    path: Path, page: Page, slot: str, value: int
) -> None:
    reader = Page.open(path)
    before = page.read_all()
    page.set(PUBLIC[slot], value)
    page.add(PUBLIC[slot], 1)
    expected = {**before, slot.lower(): value + 1}
    assert reader.read_all() == page.read_all() == expected
    assert struct.unpack_from("=Q", path.read_bytes(), PUBLIC[slot] * 8) == (value + 1,)
    page.set(PUBLIC[slot], before[slot.lower()])
    reader.close()


def test_the_counts_outlive_their_writer(tmp_path: Path) -> None:
    page = Page.create(tmp_path / "a.page", "a", 0)
    page.add(Page.ACCEPTED, 41)
    page.add(Page.ACCEPTED, 1)
    page.close()
    reader = Page.open(tmp_path / "a.page")
    assert reader.get(Page.ACCEPTED) == 42
    assert repr(reader) == f"<Page pid={os.getpid()} accepted=42 ready=0>"
    reader.close()


def test_a_reader_cannot_write(path: Path, page: Page) -> None:
    reader = Page.open(path)
    with pytest.raises(TypeError):
        reader.set(Page.ACCEPTED, 1)
    reader.close()


def test_a_page_is_never_written_over(path: Path, page: Page) -> None:
    with pytest.raises(FileExistsError):
        Page.create(path, "boot", 3)
    assert page.get(Page.PID) == os.getpid()


def head(magic: int, format_number: int, size: int = SIZE) -> bytes:
    return struct.pack("=QQ", magic, format_number).ljust(size, b"\0")


@pytest.mark.parametrize(
    "content",
    [b"", b"x", bytes(SIZE), head(MAGIC, FORMAT, SIZE - 1), head(MAGIC, FORMAT + 1), head(MAGIC ^ 1, FORMAT)],
    ids=["empty", "a byte", "zeros", "short", "another format", "another magic"],
)
def test_what_is_no_page_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.page").write_bytes(content)
    with pytest.raises(SpoolError, match="is no page"):
        Page.open(tmp_path / "x.page")


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("missing", "folder"):
        with pytest.raises(SpoolError, match=name):
            Page.open(tmp_path / name)


def test_closing_twice_is_no_matter(tmp_path: Path) -> None:
    page = Page.create(tmp_path / "a.page", "a", 0)
    page.close()
    page.close()
