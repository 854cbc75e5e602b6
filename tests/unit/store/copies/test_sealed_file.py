"""A sealed copy opens to what was written, in its order, to its end, with its key; anything else is told."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import NotFoundError
from proxy.sealing import key_id_of
from proxy.store.copies import sealed_file
from proxy.store.copies.sealed_file import (
    POSTGRES,
    SQLITE,
    CopyBrokenError,
    CopyKeyError,
    SealingFile,
    heading_of,
    opened,
)

MASTER = bytes(range(32))
OTHER = bytes(32)
FRAME = 16
SEALED_FRAME = FRAME + 16
HEADER = 54
CONTENTS = st.binary(max_size=5 * FRAME)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("copies") / "copy.sealed"


def sealed(content: bytes, master: bytes = MASTER, pieces: int = 1_000_000) -> bytes:
    file = io.BytesIO()
    sealing = SealingFile(file, SQLITE, master, FRAME)
    for start in range(0, len(content), pieces):
        sealing.write(content[start : start + pieces])
    sealing.finish()
    return file.getvalue()


def read(place: Path, raw: bytes, *masters: bytes) -> bytes:
    place.write_bytes(raw)
    return b"".join(opened(place, masters or (MASTER,)))


def refused(place: Path, raw: bytes, content: bytes) -> str:
    """Say why it is refused; what came before that must be the beginning of the content."""
    place.write_bytes(raw)
    came: list[bytes] = []
    with pytest.raises(CopyBrokenError) as caught:
        came.extend(opened(place, [MASTER]))
    assert content.startswith(b"".join(came))
    assert caught.value.hint
    return caught.value.message


@given(content=CONTENTS, pieces=st.integers(1, 40))
def test_it_opens_to_what_was_written_in_whatever_pieces(place: Path, content: bytes, pieces: int) -> None:
    raw = sealed(content, pieces=pieces)
    assert read(place, raw) == content
    assert len(raw) == HEADER + len(content) + 16 * max(1, -(-len(content) // FRAME))
    assert content not in raw[HEADER:] or len(content) < 4


@given(content=CONTENTS, data=st.data())
def test_cut_off_at_any_byte_it_says_so(place: Path, content: bytes, data: st.DataObject) -> None:
    raw = sealed(content)
    end = data.draw(st.integers(8, len(raw) - 1))
    assert "cut off" in refused(place, raw[:end], content)


@given(content=CONTENTS, more=st.binary(min_size=1, max_size=2 * SEALED_FRAME))
def test_added_to_it_says_so(place: Path, content: bytes, more: bytes) -> None:
    assert refused(place, sealed(content) + more, content)


@given(content=CONTENTS, data=st.data())
def test_with_any_bit_changed_it_does_not_open(place: Path, content: bytes, data: st.DataObject) -> None:
    raw = bytearray(sealed(content))
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    place.write_bytes(raw)
    with pytest.raises((CopyBrokenError, CopyKeyError)):
        list(opened(place, [MASTER]))


@given(content=st.binary(min_size=3 * FRAME, max_size=6 * FRAME), data=st.data())
def test_frames_open_in_their_own_place_and_file_only(place: Path, content: bytes, data: st.DataObject) -> None:
    raw, other = sealed(content), sealed(content)
    frames = [raw[at : at + SEALED_FRAME] for at in range(HEADER, len(raw), SEALED_FRAME)]
    one, two = data.draw(st.lists(st.integers(0, len(frames) - 1), min_size=2, max_size=2, unique=True))
    swapped = list(frames)
    swapped[one], swapped[two] = frames[two], frames[one]
    for changed in (swapped, frames[:one] + frames[one + 1 :], [*frames[:one], frames[one], *frames[one:]]):
        assert refused(place, raw[:HEADER] + b"".join(changed), content)
    start = HEADER + one * SEALED_FRAME
    foreign = raw[:start] + other[start : start + len(frames[one])] + raw[start + len(frames[one]) :]
    assert "was changed" in refused(place, foreign, content) or one == len(frames) - 1


def test_what_is_wrong_is_told_apart(place: Path) -> None:
    content = bytes(3 * FRAME)
    raw = sealed(content)
    second = HEADER + SEALED_FRAME
    assert f"was cut off at byte {second}" in refused(place, raw[:second], content)
    assert "goes on behind its end" in refused(place, raw + raw[second:], content)
    turned = raw[:second] + raw[second + SEALED_FRAME :] + raw[second : second + SEALED_FRAME]
    assert f"was changed after it was sealed, behind byte {second}" in refused(place, turned, content)
    assert "cut off in its first bytes" in refused(place, raw[:20], content)
    newer = raw[:8] + b"\x02" + raw[9:]
    assert "is sealed in the form 2, and this program reads the form 1" in refused(place, newer, content)
    for at, value in ((9, 7), (10, 0), (13, 255)):
        odd = bytearray(raw)
        odd[at : at + 4 if at == 10 else at + 1] = bytes([value]) * (4 if at == 10 else 1)
        assert "in its first bytes" in refused(place, bytes(odd), content)


def test_any_key_of_the_ring_opens_and_a_missing_one_is_named(place: Path) -> None:
    raw = sealed(b"secret content of the database", OTHER)
    assert read(place, raw, MASTER, OTHER) == b"secret content of the database"
    for masters, told in (([MASTER], key_id_of(MASTER).hex()), ([], "none")):
        with pytest.raises(CopyKeyError) as caught:
            list(opened(place, masters))
        assert f"the master key {key_id_of(OTHER).hex()}; set are: {told}" in caught.value.message
        assert "DASHCAM_MASTER_KEY" in (caught.value.hint or "")


def test_what_is_not_sealed_is_known_without_a_key(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for raw in (b"", b"SQLite format 3\x00", b"PGDMP"):
        place.write_bytes(raw)
        assert heading_of(place) is None
    place.write_bytes(sealed(b"x"))
    heading = heading_of(place)
    assert heading is not None
    assert (heading.kind, heading.key_id) == (SQLITE, key_id_of(MASTER))
    assert heading.kind != POSTGRES
    monkeypatch.setattr(sealed_file, "_LARGEST_FRAME", FRAME - 1)
    with pytest.raises(CopyBrokenError):
        heading_of(place)
    with pytest.raises(NotFoundError):
        heading_of(place.with_name("nowhere"))
