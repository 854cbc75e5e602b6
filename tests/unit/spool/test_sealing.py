"""What is sealed opens with its key, in its place, unchanged, and not otherwise."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import SpoolError
from proxy.sealing import key_id_of
from proxy.spool.bodies import FRAME_BYTES, SEALED, SideFile, unsealed
from proxy.spool.framing import LONGEST_HEADER, MARK, Heading, heading_of, segment_header
from proxy.spool.sealing import KeyRing, Seal, SealBrokenError, SealedError
from proxy.upstream.body import FileBody
from tests.support.disk import FakeDisk

MASTER = bytes(range(32))
OTHER = bytes(32)
SEAL = Seal(MASTER)
IDS = st.binary(min_size=16, max_size=16)
WHOLE = st.integers(0, 2**64 - 1)


@given(kind=st.integers(0, 254), identity=IDS, sequence=WHOLE, payload=st.binary(max_size=500))
def test_a_payload_opens_to_what_was_sealed(kind: int, identity: bytes, sequence: int, payload: bytes) -> None:
    sealed = SEAL.seal(kind, identity, sequence, payload)
    assert len(sealed) == len(payload) + 16
    assert SEAL.open(kind, identity, sequence, sealed) == payload
    assert Seal(MASTER, SEAL.salt).open(kind, identity, sequence, sealed) == payload


@pytest.mark.parametrize(
    ("kind", "identity", "sequence", "bit"),
    [(2, b"i" * 16, 7, None), (1, b"j" * 16, 7, None), (1, b"i" * 16, 8, None), (1, b"i" * 16, 7, 0)],
)
def test_in_another_place_or_changed_it_does_not_open(
    kind: int, identity: bytes, sequence: int, bit: int | None
) -> None:
    sealed = bytearray(SEAL.seal(1, b"i" * 16, 7, b"payload"))
    if bit is not None:
        sealed[bit] ^= 1
    with pytest.raises(SealBrokenError):
        SEAL.open(kind, identity, sequence, bytes(sealed))


def test_each_writer_has_a_key_of_its_own() -> None:
    one, two = Seal(MASTER), Seal(MASTER)
    assert one.key_id == two.key_id == key_id_of(MASTER)
    assert one.seal(1, b"i" * 16, 1, b"same") != two.seal(1, b"i" * 16, 1, b"same")


def test_a_ring_opens_with_any_of_its_keys_and_tells_which_one_is_missing() -> None:
    heading = heading_of(segment_header(MARK, SEAL.key_id, SEAL.salt))
    assert heading == Heading(MARK, LONGEST_HEADER, SEAL.key_id, SEAL.salt)
    opened = KeyRing([OTHER, MASTER]).seal_of(heading)
    assert opened is not None
    assert opened.open(1, b"i" * 16, 1, SEAL.seal(1, b"i" * 16, 1, b"x")) == b"x"
    with pytest.raises(SealedError, match=SEAL.key_id.hex()):
        KeyRing([OTHER]).seal_of(heading)
    with pytest.raises(SealedError, match="set are: none"):
        KeyRing().seal_of(heading)
    assert KeyRing().seal_of(Heading(MARK)) is None


@given(bit=st.integers(0, LONGEST_HEADER * 8 - 1))
def test_a_sealed_header_with_a_flipped_bit_is_never_taken_for_another(bit: int) -> None:
    header = bytearray(segment_header(MARK, SEAL.key_id, SEAL.salt))
    header[bit // 8] ^= 1 << bit % 8
    found = heading_of(bytes(header))
    assert found is None or not found.is_sealed


@given(data=st.data(), size=st.sampled_from([0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3 * FRAME_BYTES + 5]))
def test_any_part_of_a_sealed_body_can_be_read(data: st.DataObject, size: int) -> None:
    disk, unsynced = FakeDisk(), deque[tuple[int, Path]]()
    side = SideFile(disk, Path("/bodies/00"), unsynced, MASTER)
    body = bytes(index * 7 % 251 for index in range(size))
    position = 0
    while position < size:
        step = data.draw(st.sampled_from([1000, FRAME_BYTES, 100_000]))
        side.write(body[position : position + step])
        position += step
    assert side.read_back() == body
    name, _, length = side.finish()
    assert (name, length) == ("00" + SEALED, size)
    assert side.seal is not None
    start, end = sorted((data.draw(st.integers(0, size)), data.draw(st.integers(0, size))))
    parts = unsealed(lambda at, length: disk.read(side.path, at, length), side.seal, start, end)
    assert b"".join(parts) == body[start:end]
    assert size < 16 or body[:16] not in disk.files[side.path].data


def test_a_sealed_body_is_sent_as_it_was_with_edits_cut_in(tmp_path: Path) -> None:
    from proxy.spool.disk import RealDisk

    side = SideFile(RealDisk(), tmp_path / "00", deque(), MASTER)
    body = b"a" * FRAME_BYTES + b'{"x":1}' + b"b" * FRAME_BYTES
    side.write(body)
    _, _, length = side.finish()
    sent = FileBody(str(side.path), length, ((FRAME_BYTES + 1, 5, '"y":22'),), side.seal)
    expected = body.replace(b'"x":1', b'"y":22')
    assert b"".join(sent.slices()) == expected
    assert sent.length == len(expected)


def test_a_full_disk_takes_no_last_frame_and_the_body_can_be_read_back() -> None:
    disk = FakeDisk()
    disk.room = LONGEST_HEADER + FRAME_BYTES + 100
    side = SideFile(disk, Path("/bodies/00"), deque(), MASTER)
    body = bytes(FRAME_BYTES + 500)
    side.write(body)
    with pytest.raises(SpoolError):
        side.finish()
    assert side.read_back() == body


def test_who_does_not_seal_does_not_load_the_library() -> None:
    code = "import sys, proxy.gateway.process, proxy.loader.sources; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert done.stdout.strip() == b"False"
